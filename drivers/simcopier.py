"""The simulated building's copier: counters, records, supplies; `SimBuilding` works it by verbs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from drivers.contract import (
    Clock,
    Counters,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    JobState,
    LifeCount,
    Supply,
)
from drivers.verbs import PrintVerb

KEPT_JOBS = 500  # records the simulated device keeps


@dataclass
class SimCopier:
    """One printing device."""

    serial: str
    counters: Counters = field(default_factory=lambda: Counters(1000, 200, 300, 50, 1400))
    jobs: deque[DeviceJob] = field(default_factory=lambda: deque(maxlen=KEPT_JOBS))
    next_job: int = 1
    paper: bool = True
    toner: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("black", "cyan", "magenta", "yellow"), 0.6))
    waiting: deque[tuple[PrintVerb, int]] = field(default_factory=deque)
    busy: bool = False
    tells: str = "split"  # "split": copies apart from prints; "total": one total; "nothing": no counters at all
    active: tuple[DeviceJob, ...] = ()  # the record of the job being printed

    def record(self, device: str, verb: PrintVerb, at: datetime, sides: int, sheets: int) -> DeviceJob:
        """Return the record of the next job: being printed while `sides` is 0, printed otherwise."""
        return DeviceJob(
            device=DeviceId(device),
            serial=self.serial,
            job=self.next_job,
            uuid=f"urn:uuid:{self.serial}-{self.next_job}",
            user=verb.user,
            state=JobState.COMPLETED if sides else JobState.PROCESSING,
            created_utc=at,
            sides=sides,
            sides_colour=sides if verb.colour else 0,
            sheets=sheets,
            copies=verb.copies,
            two_sided=verb.two_sided,
        )


class SimPrinter:
    """`contract.Printer` over a simulated copier."""

    def __init__(self, clock: Clock, device: DeviceId, copier: SimCopier) -> None:
        self._clock, self._device, self._copier = clock, device, copier

    async def read(self) -> DeviceReading:
        """Return one look."""
        copier = self._copier
        reasons = [] if copier.paper else ["media-empty-error"]
        reasons += [f"toner-{'empty-error' if share == 0 else 'low-warning'}" for share in self._low()]
        state = DeviceState.PROCESSING if copier.busy else DeviceState.IDLE
        return DeviceReading(
            at=self._clock.now(),
            device=self._device,
            serial=copier.serial,
            state=DeviceState.STOPPED if reasons and not copier.paper else state,
            reasons=tuple(dict.fromkeys(reasons)),
            supplies=tuple(Supply(f"{name} toner", name, share) for name, share in copier.toner.items()),
            counters=copier.counters if copier.tells == "split" else None,
            life=LifeCount(copier.counters.sides) if copier.tells == "total" else None,
            jobs=(*copier.jobs, *copier.active),
            settled=not copier.busy,
        )

    def _low(self) -> list[float]:
        return [share for share in self._copier.toner.values() if share < 0.1]
