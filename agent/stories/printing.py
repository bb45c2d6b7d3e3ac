"""The stories of paper: a job prints, a member copies, and the device's counters close the books.

The one idea: the device's own record says what came out, its counters say that nothing was forgotten, and CUPS is only
the bell that says when to look. `mind_paper` minds one device and owns its books (see `stories.copier`); `mind_spooler`
minds CUPS for all devices of the site. Either may fail and start again without the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.stories.copier import Clerk, Desk, PaperPolicy, People
from drivers.contract import Clock, DeviceId, Printer, Spooler, SpoolJob

OVERLAP = 50  # job-ids looked at again behind the newest, so that every job is seen ended
REACH = 500  # a job that hangs in the list for longer than this many others is waited for no more


async def mind_paper(
    device: DeviceId,
    printer: Printer,
    desk: Desk,
    ledger: Ledger,
    people: People,
    clock: Clock,
    show: Callable[[LiveDevice], None],
    policy: PaperPolicy,
) -> None:
    """Keep the books of one device. Raises DriverError when the device is lost, LedgerError when the ledger is."""
    clerk = Clerk(device, printer, desk, ledger, people, clock, policy)
    try:
        while True:
            await clerk.look()
            show(clerk.picture())
            while (read := desk.next_badge()) is not None:
                await clerk.badge(read)
                show(clerk.picture())
            await desk.wait(clerk.rest_s())
    finally:
        show(LiveDevice(state="unknown"))


async def mind_spooler(spooler: Spooler, desks: Mapping[str, Desk], poll_s: float = 60.0) -> None:
    """Lay the spooler's jobs on the desks, by queue: at every bell, and every `poll_s`. Raises DriverError.

    The cursor is the oldest job that has not ended, within `REACH` of the newest. It is kept in no file: at a start
    the whole list is read once. When the newest job known is gone from the list (job-ids started over after a crash
    or a wipe), the list is read from its beginning again.
    """
    cursor = SpoolCursor()
    while True:
        jobs = await spooler.jobs(cursor.first)
        if cursor.broken(jobs):
            cursor = SpoolCursor()
            jobs = await spooler.jobs(cursor.first)
        cursor.advance(jobs)
        notes = await spooler.attempts()
        for desk in set(desks.values()):
            mine = tuple(job for job in jobs if desks.get(job.queue) is desk)
            desk.lay(mine, tuple(note for note in notes if desks.get(note.queue) is desk))
        await spooler.bell(poll_s)


class SpoolCursor:
    """Where to read on in the spooler's job list."""

    def __init__(self) -> None:
        self.first = 1
        self._newest: tuple[int, int] | None = None  # job, created_s

    def broken(self, jobs: tuple[SpoolJob, ...]) -> bool:
        """Return True if the newest job known is not in the list any more."""
        return self._newest is not None and self._newest not in {(job.job, job.created_s) for job in jobs}

    def advance(self, jobs: tuple[SpoolJob, ...]) -> None:
        """Move on over `jobs`, ascending."""
        if not jobs:
            return
        newest = jobs[-1]
        waiting = (job.job for job in jobs if not job.state.ended)
        self._newest = (newest.job, newest.created_s)
        self.first = max(1, newest.job - REACH, min(newest.job - OVERLAP, min(waiting, default=newest.job)))
