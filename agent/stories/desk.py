"""The desk of one device: where other stories lay what concerns its books.

The one idea: *whoever brings something need not wait, and may fail*. Badges of the reader beside a copier, the
spooler's jobs, the notes of its print path and a bell are laid down; the one clerk who keeps the books takes them in
his own time (`stories.copier`). How the books stood at his last look lies there too, for the spooler's story.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from agent.rules import pages
from agent.rules.attempts import Notebook, Sent
from agent.rules.facts import MemberId
from agent.rules.release import Slate
from agent.rules.spool import Stand
from drivers.contract import BadgeRead, CardReader, DeviceJob, DriverError, JobState, SpoolJob
from drivers.spooling import SpoolAttempt

BADGES = 16  # waiting at one desk
PRINTS_FIRST_S = 0.5  # how long the books wait for what a badge lets out


class Told(Protocol):
    """What was said of jobs before they printed, by job-id and time-at-creation, as of one instant."""

    def payer(self, job: int, created_s: int) -> pages.Owner | None:
        """Return who badged for that job."""

    def errand(self, job: int, created_s: int) -> pages.Errand:
        """Return what was counted in its documents."""


def nobody_looks(job: int, created_s: int) -> bool:
    """Say that nobody is looking through a job: where no queue prints at once."""
    del job, created_s
    return False


def unproven(host: str, user: str, member: MemberId) -> bool:
    """Say that no host proved a name by a badge today: where no queue waits for one."""
    del host, user, member
    return False


class Desk:
    """Where other stories lay what concerns one device. All on one event loop."""

    def __init__(self, told: Callable[[], Told] = Slate) -> None:
        self.told = told  # read anew by each call: one reading serves many jobs
        self.spooled: tuple[SpoolJob, ...] = ()
        self.fetch: Callable[[], Awaitable[tuple[SpoolAttempt, ...]]] | None = None  # reads the notes of its queues
        self.noted = False  # the backend stands in the print path of all its queues, and what it noted can be read
        self.ask: Callable[[], Awaitable[tuple[SpoolJob, ...]]] | None = None  # reads the jobs of its queues anew
        self.news: Callable[[], object] = lambda: None  # told of every change of the spooler's jobs
        self.looking: Callable[[int, int], bool] = nobody_looks  # (job-id, time-at-creation): being looked through
        self.near: Callable[[str, str, MemberId], bool] = unproven  # (host, user, member): proven by a badge today
        self.notebook = Notebook()  # what the backend in the print path noted
        self.printing = False  # the spooler works on one of them
        self.waiting = 0  # of them, not ended
        self.stand: Stand | None = None  # how the books stood at the clerk's last look; None: no counters
        self._essence: tuple[object, ...] = ()
        self._jobs: dict[tuple[int, int], SpoolJob] = {}  # (job-id, time-at-creation): a backlog asks for each of them
        self.asking: frozenset[BadgeRead] = frozenset()  # of the badges, those shown to be asked something first
        self._badges: deque[BadgeRead] = deque()
        self._bell = asyncio.Event()

    def badge(self, read: BadgeRead) -> None:
        """Lay a badge down. Raises DriverError when nobody takes them."""
        if len(self._badges) >= BADGES:
            raise DriverError(f"{BADGES} badges wait at the copier and nobody takes them")
        self._badges.append(read)
        self._bell.set()

    def lay(self, jobs: tuple[SpoolJob, ...], notes: tuple[SpoolAttempt, ...] = ()) -> None:
        """Replace the spooler's picture of this device's jobs, and what was noted of its attempts."""
        essence = (notes, *((job.queue, job.job, job.created_s, job.state, job.claimed_sides) for job in jobs))
        if essence == self._essence:
            return  # only the moment of the look is new
        self.notebook, self._essence = Notebook(notes), essence
        self._know(jobs)
        self.printing = any(job.state is JobState.PROCESSING for job in jobs)
        self.waiting = sum(not job.state.ended for job in jobs)
        self.news()
        self._bell.set()

    def _know(self, jobs: tuple[SpoolJob, ...]) -> None:
        self.spooled = jobs
        self._jobs = {(job.job, job.created_s): job for job in reversed(jobs)}

    def job(self, job: int, created_s: int) -> SpoolJob | None:
        """Return one of the spooler's jobs; None if it is not told of any more."""
        return self._jobs.get((job, created_s))

    def claimed(self, sent: Sent) -> int | None:
        """Return the sides the spooler claims of an attempt; None where it adds others up in it, or is not done."""
        job = self.job(sent.note.job, sent.note.created_s)
        if job is None or job.state is not JobState.COMPLETED or not self.notebook.alone(sent):
            return None
        return job.claimed_sides or None

    def ring(self) -> None:
        """Have the clerk look again."""
        self._bell.set()

    async def read_up(self, records: Iterable[DeviceJob]) -> bool:
        """Read the notes as they are now, and the jobs if a note gives one of `records` to a job not laid here yet.

        Whoever cannot be asked changes nothing. Return False if such a job may stand where nobody could look.
        """
        if self.fetch is not None:
            with contextlib.suppress(DriverError):
                self.notebook = Notebook(await self.fetch())
        if self.ask is None or not any(self.unlisted(self.notebook.sent(record)) for record in records):
            return True
        with contextlib.suppress(DriverError):
            self._know(await self.ask())
            return True
        return False

    def unlisted(self, sent: Sent | None) -> bool:
        """Return True if a note names a job that the spooler has not told of: not yet, or not any more."""
        return sent is not None and self.job(sent.note.job, sent.note.created_s) is None

    async def recall(self) -> tuple[SpoolJob, ...] | None:
        """Read notes and jobs as they are now, not as they were laid here; None if whoever has them does not answer."""
        if self.fetch is None or self.ask is None:
            return None
        try:
            jobs = await self.ask()
            self.notebook = Notebook(await self.fetch())
        except DriverError:
            return None
        return jobs

    def next_badge(self) -> BadgeRead | None:
        """Return the badge that waits longest, and leave it there."""
        return self._badges[0] if self._badges else None

    def take_badge(self) -> bool:
        """Take the badge that `next_badge` showed; return whether a visit of its own holder goes on."""
        read = self._badges.popleft()
        stays, self.asking = read in self.asking, self.asking - {read}
        return stays

    def drop_badge(self) -> None:
        """Take the badge that `next_badge` showed, of which nothing comes."""
        self.take_badge()

    async def wait(self, timeout_s: float) -> None:
        """Return when something is laid down, or after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):  # not wait_for: in Python 3.11 that may swallow a cancellation
                await self._bell.wait()
        self._bell.clear()


async def mind_copier_reader(
    reader: CardReader,
    desk: Desk,
    release: Callable[[BadgeRead], Awaitable[None]] | None = None,
    asks: Callable[[], bool] = lambda: False,
) -> None:
    """Lay every badge of the reader beside a copier on its desk; what waits for one is let out first.

    `asks`: whether somebody touched the screen to have their next badge asked who pays; it ends no visit then.

    The clerk's look asks the device for its records: a member who waits for paper comes before it, within a limit.
    Raises DriverError when the reader is lost.
    """
    async for read in reader.badges():
        if asks():
            desk.asking |= {read}
        if release is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PRINTS_FIRST_S):
                    await release(read)
        desk.badge(read)
