"""The simulated building: one small seeded model that plays every role of the contract.

It is a driver like any other (`kind = "sim"`), shipped and held to the same contract suites. It obeys the verbs of
`drivers.verbs`, in real time or in virtual time (it only ever asks the event loop to wait). It judges nothing: a
cut link just loses probes, a copier just counts. Nothing here is random but the loss of probes, by the seed.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from drivers.contract import (
    BadgeRead,
    CardNumber,
    Clock,
    DeviceId,
    InputChanged,
    InputId,
    JobState,
    LinkId,
    ReaderId,
    SpoolJob,
)
from drivers.probing import ProbePlan
from drivers.simconnector import SimConnector
from drivers.simcopier import KEPT_JOBS, SimCopier, SimPrinter
from drivers.simlink import Line, SimProber
from drivers.simlock import SimLock
from drivers.simreleaser import SimReleaser
from drivers.simspool import SimSpooler
from drivers.spooling import SpoolAttempt
from drivers.verbs import BadgeVerb, CopyVerb, DeviceVerb, DoorVerb, LinkVerb, PrintVerb, Verb, VerbError

SIDE_S = 0.5  # one printed side takes this long
QUEUE = 1000
PAST = 0  # the job-id of what no spooler sent


class SimBuilding:
    """The building. Make one per event loop; hand its role objects to stories; send it verbs."""

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self._dice = random.Random(seed)  # noqa: S311  (a seeded model, not a secret)
        self._lines: dict[str, Line] = {}
        self._copiers: dict[str, SimCopier] = {}
        self._connectors: dict[str, SimConnector] = {}
        self._copying: set[asyncio.Task[None]] = set()
        self._readers: dict[str, asyncio.Queue[BadgeRead]] = {}
        self._inputs: dict[str, bool] = {"contact": False, "exit_button": False}
        self._input_news: asyncio.Queue[InputChanged] = asyncio.Queue(QUEUE)
        self._spooled: dict[int, SpoolJob] = {}
        self._bell = asyncio.Event()
        self._releaser: SimReleaser | None = None
        self.notes: deque[SpoolAttempt] = deque(maxlen=100)  # as the backend in the print path makes them
        self.lock = SimLock(clock)

    # roles ------------------------------------------------------------------------------------------------

    def prober(self, link: LinkId, plan: ProbePlan) -> SimProber:
        """Return the prober of one link."""
        return SimProber(self.clock, self._lines.setdefault(link, Line()), self.rolls_loss, link, plan)

    def printer(self, device: DeviceId) -> SimPrinter:
        """Return one printing device."""
        return SimPrinter(self.clock, device, self._copiers.setdefault(device, SimCopier(f"SIM-{device}")))

    def connector(self, device: DeviceId) -> SimConnector:
        """Return the copy-control connector of one device; its counters are told no more, as where one is needed."""
        if device not in self._connectors:
            self._copiers.setdefault(device, SimCopier(f"SIM-{device}")).tells = "nothing"
            self._connectors[device] = SimConnector(self.clock)
        return self._connectors[device]

    def spooler(self) -> SimSpooler:
        """Return the spooler in front of the first device."""
        return SimSpooler(self)

    def releaser(self, queues: tuple[str, ...]) -> SimReleaser:
        """Return the intake queues: from now on jobs can wait for a badge."""
        self._releaser = SimReleaser(self, queues)
        return self._releaser

    def reader(self, reader: ReaderId) -> SimCardReader:
        """Return one card reader."""
        return SimCardReader(self._readers.setdefault(reader, asyncio.Queue(QUEUE)))

    def inputs(self) -> SimInputs:
        """Return the door's inputs."""
        return SimInputs(self)

    # verbs ------------------------------------------------------------------------------------------------

    def obey(self, verb: Verb) -> str:
        """Do what a verb says and return one line about it. Raises VerbError for what this building lacks."""
        match verb:
            case LinkVerb():
                return self._line_verb(verb)
            case PrintVerb():
                return self._print(verb)
            case CopyVerb():
                return self._copy(verb)
            case DeviceVerb():
                return self._device_verb(verb)
            case BadgeVerb():
                return self._badge(verb)
            case DoorVerb():
                return self._door(verb)
            case _:
                raise VerbError("visits are noted by the animator, not by the building")

    def _line_verb(self, verb: LinkVerb) -> str:
        line = self._lines.get(verb.link)
        if line is None:
            raise VerbError(f"no link {verb.link!r}; there are: {', '.join(sorted(self._lines)) or 'none'}")
        if verb.name == "rate":
            raise VerbError("the simulated lines have no rate; the peers have")
        line.obey(verb)
        return f"{verb.name} {verb.link}"

    def _first_copier(self) -> tuple[str, SimCopier]:
        for name, copier in self._copiers.items():
            return name, copier
        raise VerbError("this building has no printing device")

    def _print(self, verb: PrintVerb) -> str:
        device, copier = self._first_copier()
        if verb.past:
            copier.waiting.append((verb, PAST))
            self._start(device, copier)
            return f"{verb.user} prints past the queues"
        now = self.clock.now()
        job = max(self._spooled, default=0) + 1
        self._spooled[job] = SpoolJob(
            at=now,
            queue=device,
            job=job,
            created_s=int(now.utc.timestamp()),
            user=verb.user,
            state=JobState.PENDING,
            uuid=f"urn:uuid:sim-{job}",
            claimed_sides=0,
            claimed_sheets=0,
            device_uri=f"sim:{device}",
            host="192.0.2.7",
            account=verb.account,
            copies=verb.copies,
        )
        while len(self._spooled) > KEPT_JOBS:
            del self._spooled[min(self._spooled)]
        if verb.held:
            if self._releaser is None:
                del self._spooled[job]
                raise VerbError("no queue of this building waits for a badge")
            queue = self._releaser.hold(job, self._spooled[job].created_s, verb)
            self._spooled[job] = replace(self._spooled[job], queue=queue)
        else:
            self._send(device, copier, verb, job)
        return f"job {job} from {verb.user}"

    def _send(self, device: str, copier: SimCopier, verb: PrintVerb, job: int) -> None:
        copier.waiting.append((verb, job))
        self._start(device, copier)

    def _note(self, verb: PrintVerb, job: int, device_job: int) -> None:
        spooled, now_s = self._spooled[job], self.clock.now().utc.timestamp()
        name = f"{spooled.queue}-{job}-{device_job}"
        self.notes.append(
            SpoolAttempt(name, spooled.queue, job, spooled.created_s, verb.user, now_s, device_job, code=0)
        )

    def let_out(self, job: int, queue: str, verb: PrintVerb) -> None:
        """Have a job that waited print on the device of `queue`."""
        device, copier = self._first_copier()
        for name, other in self._copiers.items():
            if queue.startswith(name):
                device, copier = name, other
        self._spooled[job] = replace(self._spooled[job], queue=queue, device_uri=f"sim:{device}")
        self._send(device, copier, verb, job)

    def cancel(self, job: int) -> None:
        """End a job that waited."""
        self._spooled[job] = replace(self._spooled[job], state=JobState.CANCELED)
        self._bell.set()

    def _start(self, device: str, copier: SimCopier) -> None:
        if copier.busy or not copier.paper or not copier.waiting:
            return
        verb, job = copier.waiting.popleft()
        copier.busy = True
        if job != PAST:
            self._note(verb, job, copier.next_job)
            self._spooled[job] = replace(self._spooled[job], state=JobState.PROCESSING)
        copier.active = (copier.record(device, verb, self.clock.now().utc, 0, 0),)
        sides = verb.pages * verb.copies
        asyncio.get_running_loop().call_later(sides * SIDE_S, self._printed, device, copier, verb, job)

    def _printed(self, device: str, copier: SimCopier, verb: PrintVerb, job: int) -> None:
        sides = verb.pages * verb.copies
        sheets = -(-verb.pages // 2) * verb.copies if verb.two_sided else sides
        colour = sides if verb.colour else 0
        copier.active = ()
        copier.jobs.append(copier.record(device, verb, self.clock.now().utc, sides, sheets))
        copier.next_job += 1
        now = copier.counters
        copier.counters = replace(
            now,
            print_mono=now.print_mono + sides - colour,
            print_colour=now.print_colour + colour,
            sheets=now.sheets + sheets,
        )
        copier.busy = False
        if job != PAST:
            self._spooled[job] = replace(
                self._spooled[job], state=JobState.COMPLETED, claimed_sides=sides, claimed_sheets=sheets
            )
            self._bell.set()
        self._start(device, copier)

    def _copy(self, verb: CopyVerb) -> str:
        device, copier = self._first_copier()
        connector = self._connectors.get(device)
        if connector is not None:
            if not connector.lock.released:
                raise VerbError("the copier copies nothing: nobody has badged beside it")
            pulses = asyncio.create_task(connector.put_out(verb.sides, colour=verb.colour))
            self._copying.add(pulses)
            pulses.add_done_callback(self._copying.discard)
        now, colour = copier.counters, verb.sides if verb.colour else 0
        copier.counters = replace(
            now,
            copy_mono=now.copy_mono + verb.sides - colour,
            copy_colour=now.copy_colour + colour,
            sheets=now.sheets + verb.sides,
        )
        return f"{verb.sides} copied"

    def _device_verb(self, verb: DeviceVerb) -> str:
        device, copier = self._first_copier()
        if verb.name == "paper":
            copier.paper = verb.what == "in"
            self._start(device, copier)
        elif verb.what in copier.toner:
            copier.toner[verb.what] = verb.level_share
        else:
            raise VerbError(f"no toner {verb.what!r}; there are: {', '.join(copier.toner)}")
        self._bell.set()
        return f"{verb.name} {verb.what}"

    def _badge(self, verb: BadgeVerb) -> str:
        queue = self._readers.get(verb.reader)
        if queue is None:
            raise VerbError(f"no reader {verb.reader!r}; there are: {', '.join(sorted(self._readers)) or 'none'}")
        queue.put_nowait(BadgeRead(self.clock.now(), ReaderId(verb.reader), CardNumber(verb.card)))
        return f"a card at {verb.reader}"

    def _door(self, verb: DoorVerb) -> str:
        if verb.name == "exit":
            self._set_input("exit_button", active=True)
            self._set_input("exit_button", active=False)
        else:
            self._set_input("contact", active=verb.name == "open")
        return verb.name

    def _set_input(self, name: str, *, active: bool) -> None:
        if self._inputs[name] != active:
            self._inputs[name] = active
            self._input_news.put_nowait(InputChanged(self.clock.now(), InputId(name), active))

    # what the roles read ------------------------------------------------------------------------------------

    def rolls_loss(self, share: float) -> bool:
        """Roll the seeded dice for one probe."""
        return share > 0 and self._dice.random() < share

    def input_levels(self) -> Mapping[str, bool]:
        """Return the present level of every input."""
        return self._inputs

    def input_news(self) -> asyncio.Queue[InputChanged]:
        """Return the queue of input changes (one consumer)."""
        return self._input_news

    def spooled(self) -> Mapping[int, SpoolJob]:
        """Return the spooler's jobs by id."""
        return self._spooled

    async def wait_bell(self, timeout_s: float) -> bool:
        """Wait for the spooler's bell."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True


class SimCardReader:
    """`contract.CardReader` fed by verbs."""

    malformed = 0

    def __init__(self, queue: asyncio.Queue[BadgeRead]) -> None:
        self._queue = queue

    async def badges(self) -> AsyncIterator[BadgeRead]:
        """Yield badges as they are presented."""
        while True:
            yield await self._queue.get()


class SimInputs:
    """`contract.Inputs` over the simulated door."""

    deaf = False

    def __init__(self, building: SimBuilding) -> None:
        self._building = building

    async def changes(self) -> AsyncIterator[InputChanged]:
        """Yield the levels at start, then every change."""
        for name, active in self._building.input_levels().items():
            yield InputChanged(self._building.clock.now(), InputId(name), active)
        while True:
            yield await self._building.input_news().get()
