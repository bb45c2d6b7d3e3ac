"""The copier's insides: a tray, a drum, a glass, counters, and job records.

The one idea: the machine *is* a fold over what it physically did. Each side that left it is one line of
`sides.jsonl`, written before anything else knows of it; the counters are the count of those lines. So a `kill -9`
between any two instructions loses no paper and invents none, and a test reads the same file as an independent truth.

A sheet is the unit of work: once drawn it is finished, whatever is pressed meanwhile. Colour is what the job *asked
for* (print-color-mode), as many copiers bill it; this one does not look at pixels. A blank side (the back a
spooler pads) takes its half of a sheet and is on no counter. Supplies change only when told to: nothing here
models how much toner a page takes. One event loop, no threads. Emulates; judges nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from drivers.contract import Counters, JobState, LargeSides
from drivers.peers.copier_connector import Connector
from drivers.peers.copier_paper import Job, Quirks, Side, Tally, append, mend, physical_sides

COLOURS = ("black", "cyan", "magenta", "yellow")
INCOMING_S = 60  # a job whose documents do not come is given up (multiple-operation-time-out)
_LOW, _EMPTY = 0.10, 0.0


@dataclass(slots=True, eq=False)
class _Glass:
    """Copies asked for at the panel."""

    left: int
    colour: bool
    two_sided: bool = False
    large: bool = False


class Machine:
    """One copier, powered or not. `start` and `stop` bracket its working task; everything else is immediate."""

    def __init__(self, state: Path, *, sides_per_s: float = 20.0, serial: str = "GDN0001") -> None:
        self._state = state
        self._pace_s = 1.0 / sides_per_s
        self._waiters: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._glass: list[_Glass] = []
        self._stops: dict[int, tuple[JobState, str]] = {}  # jobs to be stopped after the sheet in hand, and how
        self.levels: dict[str, float] = dict.fromkeys(COLOURS, 0.8)
        self.tray: int | None = None  # sheets left; None: somebody keeps it filled
        self.jammed = self.open = False
        self.working: Job | str | None = None  # the job or "copy" being printed
        self.incoming_s: float = INCOMING_S
        self.started_s = time.time()
        state.mkdir(parents=True, exist_ok=True)
        mend(state / "sides.jsonl")
        mend(state / "records.jsonl")
        self.quirks = Quirks()
        self.connector: Connector | None = None  # its copy-control socket, where something is plugged in
        self._load(serial)

    # --- memory

    def _load(self, serial: str) -> None:
        """Fold the two files into counters and records; what was unfinished was lost with the power."""
        self.serial, self.uuid, self.jobs, self._era = "", "", dict[int, Job](), 0
        self._zero = Counters(0, 0, 0, 0, 0)  # what a reset took off
        self.done: dict[int, Tally] = {}
        self.prints, self.copies, self._sheet = Tally(), Tally(), 0
        with suppress(FileNotFoundError):
            for line in (self._state / "records.jsonl").read_text(encoding="utf-8").splitlines():
                self._fold(json.loads(line))
        if not self.serial:
            self.swap(serial)
        for side in physical_sides(self._state):
            if side.serial == self.serial:
                self._count(side)
        for job in self.waiting():
            self._end(job, JobState.ABORTED, "aborted-by-system")

    def _fold(self, record: dict[str, Any]) -> None:
        if record["kind"] == "machine":
            self.serial, self.uuid, self.jobs = record["serial"], record["uuid"], {}
            self._zero = Counters(0, 0, 0, 0, 0)
            return
        if record["kind"] == "forgotten":
            self.jobs, self._era = {}, self._era + 1
            return
        if record["kind"] == "reset":
            self._zero = Counters(*record["at"])
            return
        fields = record["job"] | {"state": JobState(record["job"]["state"])}
        fields |= {"reasons": tuple(fields["reasons"]), "blanks": tuple(fields["blanks"])}
        self.jobs[fields["job"]] = Job(**fields)

    def _keep(self, job: Job) -> Job:
        self.jobs[job.job] = job
        append(self._state / "records.jsonl", {"kind": "job", "job": asdict(job)})
        self._wake()
        return job

    def _count(self, side: Side) -> None:
        (self.copies if side.work == "copy" else self.prints).add(side)
        self._sheet = max(self._sheet, side.sheet)
        if side.job and side.era == self._era:
            self.tally(side.job).add(side)

    def tally(self, job: int) -> Tally:
        """Return what was physically printed of a job."""
        return self.done.setdefault(job, Tally())

    @property
    def counters(self) -> Counters:
        """Return the life counters as the service menu shows them."""
        life, zero, wrap = self._life(), self._zero, self.quirks.wrap
        left = [
            now - then
            for now, then in zip(
                life, (zero.print_mono, zero.print_colour, zero.copy_mono, zero.copy_colour, zero.sheets), strict=True
            )
        ]
        mono, colour, copied, coloured, sheets = (each % wrap for each in left) if wrap else left
        prints, copies = self.prints, self.copies
        large = LargeSides(prints.large_mono, prints.large_colour, copies.large_mono, copies.large_colour)
        return Counters(mono, colour, copied, coloured, sheets, large)

    def _life(self) -> tuple[int, int, int, int, int]:
        more, prints, copies = self.quirks.a3_clicks - 1, self.prints, self.copies
        return (
            prints.mono + more * prints.large_mono,
            prints.colour + more * prints.large_colour,
            copies.mono + more * copies.large_mono,
            copies.colour + more * copies.large_colour,
            len(prints.sheets) + len(copies.sheets),
        )

    def reset(self) -> None:
        """Put the counters to zero, as a technician does; the paper and the job records stay."""
        life = self._life()
        self._zero = Counters(*life)
        append(self._state / "records.jsonl", {"kind": "reset", "at": life})
        self._wake()

    def forget(self) -> None:
        """Lose every job record, and with it what is being printed; job-ids start over."""
        self._drop()
        self.jobs, self.done, self._era = {}, {}, self._era + 1
        append(self._state / "records.jsonl", {"kind": "forgotten"})
        self._wake()

    # --- jobs

    def create(self, **about: Any) -> Job:
        """Take a new job in; it waits for its document."""
        number = max(self.jobs, default=0) + 1
        job = self._keep(Job(number, f"urn:uuid:{uuid.uuid4()}", created_s=time.time(), **about))
        asyncio.get_running_loop().call_later(self.incoming_s, self._give_up, job.uuid, number)
        return job

    def _give_up(self, which: str, number: int) -> None:
        job = self.jobs.get(number)
        if job is not None and job.uuid == which and job.reasons == ("job-incoming",):
            self.abort(number, "job-data-insufficient")

    def receive(self, job: int, blanks: tuple[bool, ...], document: bytes, suffix: str, *, last: bool) -> Job:
        """Keep a document's bytes for whoever counts independently; the job may print once it was the last."""
        folder = self._state / "received"
        folder.mkdir(exist_ok=True)
        count = len(list(folder.glob(f"{self.serial}-{job}-*")))
        (folder / f"{self.serial}-{job}-{count + 1}.{suffix}").write_bytes(document)
        found = self.jobs[job]
        if found.sides != "one-sided" and len(found.blanks) % 2:
            blanks = (True, *blanks)  # a new document begins on a new sheet
        return self._keep(replace(found, blanks=found.blanks + blanks, reasons=() if last else found.reasons))

    def abort(self, job: int, reason: str) -> None:
        """End a job that cannot be printed."""
        if not self.jobs[job].state.ended:
            self._end(self.jobs[job], JobState.ABORTED, "aborted-by-system", reason)

    def cancel(self, job: int, reason: str) -> bool:
        """Stop a job: at once while it waits, after the sheet in hand while it prints. False: it had ended."""
        return self._stop(job, JobState.CANCELED, reason)

    def _stop(self, job: int, state: JobState, reason: str) -> bool:
        found = self.jobs[job]
        if found.state.ended or job in self._stops:
            return False
        if self.working is not None and isinstance(self.working, Job) and self.working.job == job:
            self._stops[job] = (state, reason)
            self._keep(replace(found, reasons=("processing-to-stop-point", reason)))
        else:
            self._end(found, state, reason)
        return True

    def fail(self) -> str:
        """Fail at what is being printed: the machine gives the job up by itself. Return which."""
        if not isinstance(self.working, Job):
            return ""
        self._stop(self.working.job, JobState.ABORTED, "aborted-by-system")
        return f"job {self.working.job}"

    def waiting(self) -> tuple[Job, ...]:
        """Return the jobs that have not ended, oldest first."""
        return tuple(job for job in self.jobs.values() if not job.state.ended)

    def _end(self, job: Job, state: JobState, *reasons: str) -> None:
        self._stops.pop(job.job, None)
        now = time.time()
        self._keep(replace(job, state=state, reasons=reasons, completed_s=now, processing_s=job.processing_s or now))

    # --- panel

    def copy(self, count: int, *, colour: bool = False, two_sided: bool = False, large: bool = False) -> None:
        """Press the green button `count` times' worth; copies go before waiting prints, not into a running one.

        Raises ValueError where its copy-control connector does not let it copy.
        """
        if self._locked:
            raise ValueError("locked: the connector does not enable copying")
        self._glass.append(_Glass(count, colour, two_sided, large))
        self._wake()

    def cancel_panel(self) -> str:
        """Press the red button: stops what is being printed. Return what that was."""
        if isinstance(self.working, Job):
            self.cancel(self.working.job, "job-canceled-at-device")
            return f"job {self.working.job}"
        stopped = "copy" if self._glass else ""
        self._glass.clear()
        self._wake()
        return stopped

    def set(self, *, tray: int | str | None = "", jammed: bool | None = None, opened: bool | None = None) -> None:
        """Fill or empty the tray (None: for ever full), jam or clear the path, open or close the cover."""
        self.tray = self.tray if isinstance(tray, str) else tray
        self.jammed = self.jammed if jammed is None else jammed
        self.open = self.open if opened is None else opened
        self._wake()

    def toner(self, colour: str, share: float) -> None:
        """Set one cartridge's level."""
        if colour not in self.levels:
            raise ValueError(f"no {colour} cartridge: {', '.join(COLOURS)}")
        self.levels[colour] = share
        self._wake()

    def swap(self, serial: str) -> None:
        """Put another machine in its place: its own serial, nothing counted yet, no jobs; the sheet in hand is lost."""
        self._drop()
        self.serial, self.uuid, self.jobs, self.done = serial, f"urn:uuid:{uuid.uuid4()}", {}, {}
        self.prints, self.copies, self._sheet = Tally(), Tally(), 0
        self._zero = Counters(0, 0, 0, 0, 0)
        append(self._state / "records.jsonl", {"kind": "machine", "serial": serial, "uuid": self.uuid})
        self._wake()

    def _drop(self) -> None:
        """Drop what is being done, at the sheet in hand, and be ready for other work."""
        self._glass.clear()
        self._stops.clear()
        self.working = None
        if self._task is not None:
            self._task.cancel()
            self._task = asyncio.create_task(self._work())

    def obstacles(self) -> tuple[str, ...]:
        """Return the printer-state-reasons that stop it (RFC 8011 section 5.4.12)."""
        empty = any(share <= _EMPTY for share in self.levels.values())
        stops = (
            (self.tray == 0, "media-empty-error"),
            (self.jammed, "media-jam-error"),
            (self.open, "cover-open-error"),
            (empty, "toner-empty-error"),
        )
        return tuple(reason for there, reason in stops if there)

    def reasons(self) -> tuple[str, ...]:
        """Return all printer-state-reasons, empty when there is nothing to say."""
        low = any(_EMPTY < share < _LOW for share in self.levels.values())
        return self.obstacles() + (("toner-low-warning",) if low else ())

    @property
    def idle(self) -> bool:
        """Return True when nothing is printed and nothing waits to be."""
        return self.working is None and not self._glass and not self.waiting()

    # --- work

    def start(self) -> None:
        """Power on."""
        self.started_s = time.time()
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Power off: the job in hand is lost where it stands, waiting ones too."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task, self.working = None, None
        self._glass.clear()
        self._wake()
        for job in self.waiting():
            self._end(job, JobState.ABORTED, "aborted-by-system")
        if self.quirks.forgets:
            self.forget()

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready`, looking again after every change."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            while not ready():
                changed.clear()
                await changed.wait()
        finally:
            self._waiters.discard(changed)

    def _next(self) -> Job | None:
        return next((job for job in self.waiting() if not job.reasons), None)

    async def _work(self) -> None:
        while True:
            await self.until(lambda: bool(self._glass) or self._next() is not None)
            if self._glass:
                await self._copy(self._glass[0])
            elif (job := self._next()) is not None:
                await self._print(job)
            self.working = None
            self._wake()

    @property
    def _locked(self) -> bool:
        return self.connector is not None and not self.connector.enabled

    async def _copy(self, glass: _Glass) -> None:
        self.working = "copy"
        while glass.left > 0 and glass in self._glass and not self._locked:
            await self.until(lambda: not self.obstacles() or glass not in self._glass)
            if glass in self._glass:
                faces = 2 if glass.two_sided and glass.left > 1 else 1
                glass.left -= faces
                await self._sheet_out("copy", 0, (False,) * faces, colour=glass.colour, large=glass.large)
        if glass in self._glass:
            self._glass.remove(glass)

    async def _print(self, job: Job) -> None:
        self.working = job = self._keep(
            replace(job, state=JobState.PROCESSING, reasons=("job-printing",), processing_s=time.time())
        )
        faces = 1 if job.sides == "one-sided" else 2
        for _copy in range(job.copies):
            for first in range(0, len(job.blanks), faces):
                await self._clear_path(job.job)
                if job.job in self._stops:
                    return self._end(self.jobs[job.job], *self._stops[job.job])
                faces_now = job.blanks[first : first + faces]
                await self._sheet_out("print", job.job, faces_now, colour=job.colour, large=job.large)
        return self._end(self.jobs[job.job], JobState.COMPLETED, "job-completed-successfully")

    async def _clear_path(self, job: int) -> None:
        """Wait out whatever stops the machine; the job says so meanwhile."""
        if not self.obstacles() or job in self._stops:
            return
        self._keep(replace(self.jobs[job], state=JobState.STOPPED, reasons=("printer-stopped",)))
        await self.until(lambda: not self.obstacles() or job in self._stops)
        if job not in self._stops:
            self._keep(replace(self.jobs[job], state=JobState.PROCESSING, reasons=("job-printing",)))

    async def _sheet_out(self, work: str, job: int, blanks: tuple[bool, ...], *, colour: bool, large: bool) -> None:
        """Draw one sheet and put its sides on it."""
        sheet = self._sheet + 1
        for side_of_sheet, blank in enumerate(blanks):
            await asyncio.sleep(self._pace_s)
            side = Side(round(time.time(), 6), self.serial, work, job, sheet, colour, blank, large, self._era)
            append(self._state / "sides.jsonl", asdict(side))
            self._count(side)
            if self.connector is not None and work == "copy":
                clicks = self.quirks.a3_clicks if large else 1
                await self.connector.side(clicks=clicks, colour=colour, large=large, sheet=side_of_sheet == 0)
        if self.tray:
            self.tray -= 1
        self._wake()
