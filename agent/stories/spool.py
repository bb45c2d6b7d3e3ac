"""The story of the spooler: whatever CUPS knows, and whatever it forgets, lies on the desk of the device it concerns.

The one idea: *several witnesses, none of them needed*. The job list is the cursor; the notes of the backend in the
print path say which record is whose, and stay when a list is wiped; the page log still knows jobs that a crash took out
of the list. They are laid on the desks first, for somebody waits for the row, and then judged (`rules.spool`): an epoch
that began, a hole, a sign of tampering. Settings are looked at once a minute (`rules.spoolset`).

Nothing is kept but in the ledger: at a start the whole list, all notes and the page log are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from operator import attrgetter

from agent.live import LiveSpool
from agent.memory.ledger import Ledger
from agent.rules.facts import Fact
from agent.rules.spool import (
    Listing,
    Spool,
    SpoolGap,
    SpoolOpened,
    SpoolRead,
    SpoolTampered,
    Stand,
    vanished,
)
from agent.rules.spoolset import Drift, drifts
from agent.stories.desk import Desk
from drivers.contract import Clock, JobState, Moment, Spooler, SpoolJob
from drivers.spooling import LoggedJob, SpoolAttempt

OVERLAP = 50  # job-ids looked at again behind the newest, so that every job is seen ended
REACH = 500  # a job that hangs in the list for longer than this many others is waited for no more
SETTINGS_S = 60.0  # between two looks at the settings
HOLE_S = 60.0  # how long a hole waits for the devices' books to be balanced
SOON_S = 1.0  # between looks while it waits
TOLD = (SpoolOpened, SpoolGap, SpoolTampered)  # the facts of which each one counts
LINES = 20_000  # of the page log, about jobs that are not in the list


async def mind_spooler(
    spooler: Spooler,
    desks: Mapping[str, Desk],
    ledger: Ledger,
    clock: Clock,
    show: Callable[[LiveSpool], None],
    poll_s: float = 60.0,
    asking: frozenset[str] = frozenset(),
) -> None:
    """Lay the spooler's jobs on the desks, by queue: at every bell, and every `poll_s`.

    The cursor is the oldest job that has not ended, within `REACH` of the newest. When the newest job known is gone
    from the list (job-ids started over after a crash or a wipe), the list is read from its beginning again.
    `asking`: the queues that have to ask for a password. Raises DriverError, LedgerError.
    """
    keeper = SpoolKeeper(spooler, desks, ledger, clock, show, asking)
    while True:
        await keeper.look()
        await spooler.bell(min(SOON_S, poll_s) if keeper.waits else poll_s)


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


class SpoolKeeper:
    """Reads the spooler for all desks, and writes what is to be said of it. Made anew at every start of its story."""

    def __init__(
        self,
        spooler: Spooler,
        desks: Mapping[str, Desk],
        ledger: Ledger,
        clock: Clock,
        show: Callable[[LiveSpool], None],
        asking: frozenset[str] = frozenset(),
    ) -> None:
        self._asking = asking
        self._spooler, self._desks, self._ledger, self._clock, self._show = spooler, desks, ledger, clock, show
        self._cursor, self._spool = SpoolCursor(), Spool()
        self._live = LiveSpool()
        self._created: dict[int, int] = {}  # all that is listed
        self._uuids: dict[int, str] = {}
        self._forgotten: list[LoggedJob] = []  # lines about jobs that were not in the list
        self._jobs: tuple[SpoolJob, ...] = ()  # of the last look
        self._vanished: tuple[SpoolJob, ...] = ()
        self._watching = False  # lines from now on were written while we watched
        self._judged_s: float | None = None  # when the settings were last judged
        self._hole_s: float | None = None  # since when a hole waits
        cursor = [last for last in (ledger.last(SpoolRead),) if last is not None]  # of thousands, the last one counts
        for entry in sorted((*ledger.entries(*TOLD), *cursor), key=attrgetter("seq")):
            self._learn(entry.fact, entry.at)
        for desk in set(desks.values()):
            desk.fetch, desk.ask = partial(self._notes_of, desk), partial(self._jobs_of, desk)

    @property
    def waits(self) -> bool:
        """Return True while a hole waits for the devices' books."""
        return self._hole_s is not None

    async def look(self) -> None:
        """Read everything once. Raises DriverError, LedgerError."""
        if self._jobs:  # notes are files: somebody waits for the row, and CUPS may take its time
            self._lay(self._jobs, await self._spooler.attempts())
        jobs = await self._spooler.jobs(self._cursor.first)
        if self._cursor.broken(jobs):
            self._cursor = SpoolCursor()
            jobs = await self._spooler.jobs(1)
        self._cursor.advance(jobs)
        notes, self._jobs = await self._spooler.attempts(), jobs
        self._lay(jobs, notes)
        seen = await self._list(jobs, notes)
        gone = tuple(self._forgotten_job(line, notes) for line in vanished(seen))
        if gone != self._vanished:
            self._vanished = gone
            self._lay(jobs, notes)
        await self._judge(seen)
        await self._check_settings()

    async def _notes_of(self, desk: Desk) -> tuple[SpoolAttempt, ...]:
        return tuple(note for note in await self._spooler.attempts() if self._desks.get(note.queue) is desk)

    async def _jobs_of(self, desk: Desk) -> tuple[SpoolJob, ...]:
        return self._of(desk, await self._spooler.jobs(self._cursor.first))

    def _of(self, desk: Desk, jobs: tuple[SpoolJob, ...]) -> tuple[SpoolJob, ...]:
        return tuple(job for job in (*self._vanished, *jobs) if self._desks.get(job.queue) is desk)

    def _lay(self, jobs: tuple[SpoolJob, ...], notes: tuple[SpoolAttempt, ...]) -> None:
        for desk in set(self._desks.values()):
            desk.lay(self._of(desk, jobs), tuple(note for note in notes if self._desks.get(note.queue) is desk))

    async def _list(self, jobs: tuple[SpoolJob, ...], notes: tuple[SpoolAttempt, ...]) -> Listing:
        """Return all that is remembered. The page log is read first: each true line's job is listed after it."""
        log = await self._spooler.page_log()
        first = 1 if not self._watching else min(self._cursor.first, max(1, self._spool.job))
        listed = dict(await self._spooler.listed(first))
        if listed.get(self._spool.job, self._spool.created_s) != self._spool.created_s:
            listed, first = dict(await self._spooler.listed(1)), 1
        self._created = {job: at for job, at in self._created.items() if job < first} | listed
        self._uuids |= {job.job: job.uuid for job in jobs}
        self._uuids = {job: uuid for job, uuid in self._uuids.items() if job in self._created}
        strangers = [line for line in log.lines if self._created.get(line.job) != line.created_s]
        self._forgotten = [*self._forgotten, *strangers][-LINES:]
        since = self._spool.created_s
        seen = Listing(
            created=self._created,
            uuids=self._uuids,
            notes=tuple(note for note in notes if note.created_s >= since),
            logged=tuple(line for line in self._forgotten if line.created_s >= since),
            fresh=tuple(strangers) if self._watching else (),
            strange=log.strange if self._watching and Drift.LOG not in self._live.drifts else 0,
        )
        self._watching = True
        return seen

    def _forgotten_job(self, line: LoggedJob, notes: tuple[SpoolAttempt, ...]) -> SpoolJob:
        """Return a job as the page log remembers it; whose it was, the note of the print path may say."""
        noted = [note for note in notes if (note.job, note.created_s) == (line.job, line.created_s)]
        return SpoolJob(
            at=self._clock.now(),
            queue=line.queue,
            job=line.job,
            created_s=line.created_s,
            user=noted[-1].user if noted else "",
            state=JobState.COMPLETED,
            uuid="",
            claimed_sides=line.sides,
            claimed_sheets=0,
            device_uri="",
            format="",
        )

    async def _judge(self, seen: Listing) -> None:
        at = self._clock.now()
        patient = self._hole_s is None or at.mono_s - self._hole_s < HOLE_S
        cursor = (self._spool.epoch, self._spool.job)
        for _ in range(2):  # the second time only for a new epoch, whose jobs are judged after it was opened
            facts = self._spool.judge(seen, self._stand(), patient=patient)
            for fact in facts:
                await asyncio.shield(self._ledger.append(fact, at, self._spool.key(fact)))
                self._learn(fact, at)
            if not any(isinstance(fact, SpoolOpened) for fact in facts):
                break
        behind = seen.newest > self._spool.job and cursor == (self._spool.epoch, self._spool.job)
        self._hole_s = (self._hole_s or at.mono_s) if behind else None
        self._show(self._live)

    def _stand(self) -> Stand | None:
        """Return how the devices' books stand; None if one of them has no counters, or was not seen yet."""
        stands = [desk.stand for desk in set(self._desks.values())]
        known = [stand for stand in stands if stand is not None]
        if not known or len(known) < len(stands):
            return None
        return Stand(sum(stand.stray for stand in known), all(stand.balanced for stand in known))

    def _learn(self, fact: Fact, at: Moment) -> None:
        self._spool.learn(fact)
        match fact:
            case SpoolOpened():
                self._live = replace(self._live, epoch=fact.epoch)
            case SpoolGap() if fact.moved != 0:
                self._live = replace(self._live, gap=at.utc, gap_jobs=fact.last - fact.first + 1)
            case SpoolTampered():
                self._live = replace(self._live, tamper=at.utc, tamper_why=fact.why.value)
            case _:
                pass

    async def _check_settings(self) -> None:
        now_s = self._clock.now().mono_s
        if self._judged_s is not None and now_s - self._judged_s < SETTINGS_S:
            return
        settings = await self._spooler.settings()
        self._judged_s = now_s
        for desk in set(self._desks.values()):
            desk.noted = settings is None or Drift.BACKEND not in drifts(settings)
        self._live = replace(self._live, drifts=() if settings is None else drifts(settings, self._asking))
        self._show(self._live)
