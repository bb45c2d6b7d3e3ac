"""Judges what the spooler remembers: a new epoch of its job-ids, holes in its history, and signs of tampering.

The one idea: *a job-id is no identity*. CUPS gives ids in order, but forgets: its history is cut at MaxJobs, wiped with
its spool (ids then start at 1 again), emptied by whoever purges a job, and after a crash an id is given out twice. So
the cursor is a pair (job-id, time-at-creation, RFC 8011 sections 5.3.2 and 5.3.14); the pair gone, and ids that start
over, is a new *epoch*. Times are whole seconds: an id given out again within one is not seen to be, here; the device's
own records tell the two prints apart all the same. Nothing is billed by this file: rows are made of the device's own
records, each once, by their own keys. What is judged here is whether anybody may have been forgotten on the way.

A *hole* is a run of ids that nobody can tell anything of: neither the history, nor the notes of the backend in the
print path, nor the page log. CUPS also burns ids on jobs it refuses, so a hole is measured: by how many sides the
device printed since the cursor that no record and no claim explains. Holes wait until the device's books are balanced;
where no device tells, the hole is as large as can be (`moved` None).

A line of the page log is a witness where the spooler itself or the backend's note speaks of the same job, or where it
fills a hole; any other line that appears is forged and told. Times are CUPS's own and are only compared for equality:
clocks jump.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, Fact, Total, total
from drivers.spooling import LoggedJob, SpoolAttempt

HOLES = 20  # told one by one; what is beyond is one more, from the first of them to the last


@dataclass(frozen=True, slots=True)
class SpoolOpened(Fact):
    """The spooler's job-ids were taken as they stand: at first sight, or because they started over."""

    kind: ClassVar[str] = "spool-opened"

    epoch: int
    why: str  # "first", "started-over"
    since_s: int  # time-at-creation of the oldest job it lists; 0: it lists none


@dataclass(frozen=True, slots=True)
class SpoolRead(Fact):
    """The cursor: everything up to this job was read and laid on the desks."""

    kind: ClassVar[str] = "spool-read"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    epoch: int
    job: int  # 0: none yet
    created_s: int
    stray: int  # prints of all devices that nothing explained by then, in sides


@dataclass(frozen=True, slots=True)
class SpoolGap(Fact):
    """Jobs that the spooler gave a number and nobody knows anything of."""

    kind: ClassVar[str] = "spool-gap"

    epoch: int
    first: int
    last: int
    moved: int | None  # sides printed meanwhile that nothing explains; None: no device could say

    def totals(self) -> tuple[Total, ...]:
        """Add the jobs, and whether paper is missing with them."""
        paper = "no" if self.moved == 0 else "yes"
        return (total("spool_gap_jobs", self.last - self.first + 1, paper=paper),)


class Tamper(StrEnum):
    """How somebody tried to be forgotten, or to charge another."""

    LOG_LINE = "log-line"  # a line of the page log that contradicts the spooler, or is none
    UUID = "uuid"  # a client chose the job-uuid of another job
    PURGED = "purged"  # a job was taken out of the history


@dataclass(frozen=True, slots=True)
class SpoolTampered(Fact):
    """A sign of tampering. What was printed is billed as ever: this only says that somebody tried."""

    kind: ClassVar[str] = "spool-tampered"

    epoch: int
    why: Tamper
    job: int

    def totals(self) -> tuple[Total, ...]:
        """Count it."""
        return (total("spool_tampered", 1, why=self.why.value),)


@dataclass(frozen=True, slots=True)
class Stand:
    """How the devices' books stand, together."""

    stray: int  # prints nothing explains, in sides, ever
    balanced: bool  # nothing waits to be explained


@dataclass(frozen=True, slots=True)
class Listing:
    """One look at all that the spooler remembers."""

    created: Mapping[int, int]  # job-id -> time-at-creation, of every queue
    uuids: Mapping[int, str]  # of the metered queues' jobs
    notes: tuple[SpoolAttempt, ...] = ()
    logged: tuple[LoggedJob, ...] = ()  # lines of the page log about jobs that the spooler has forgotten, or never had
    fresh: tuple[LoggedJob, ...] = ()  # of these, the ones that were written while we watched
    strange: int = 0  # lines written while we watched that are none

    @property
    def newest(self) -> int:
        """Return the newest job-id it lists; 0 if there is none."""
        return max(self.created, default=0)


class Spool:
    """The spooler's side of the books: a fold over its facts. Who judges must write, then `learn`, in order."""

    def __init__(self) -> None:
        self.epoch = 0
        self.job = self.created_s = self.stray = 0
        self._told: set[tuple[int, Tamper, int]] = set()

    def learn(self, fact: Fact) -> None:
        """Fold one fact in; others' pass by."""
        match fact:
            case SpoolOpened():
                self.epoch, self.job, self.created_s = fact.epoch, 0, fact.since_s
            case SpoolRead():
                self.job, self.created_s, self.stray = fact.job, fact.created_s, fact.stray
            case SpoolTampered():
                self._told.add((fact.epoch, fact.why, fact.job))
            case _:
                pass

    def key(self, fact: Fact) -> str:
        """Return the ledger key of a proposed fact."""
        match fact:
            case SpoolOpened():
                return f"{fact.epoch}"
            case SpoolRead():
                return f"{fact.epoch}/{fact.job}/{fact.created_s}"
            case SpoolGap():
                return f"{fact.epoch}/{fact.first}"
            case SpoolTampered():
                return f"{fact.epoch}/{fact.why}/{fact.job}"
            case _:
                raise TypeError(f"not a fact of the spooler: {fact.kind}")

    def judge(self, seen: Listing, stand: Stand | None, *, patient: bool) -> tuple[Fact, ...]:
        """Return what a look adds. `stand` None: no device tells its counters. `patient`: a hole may still wait.

        The cursor only moves when nothing is left to wait for.
        """
        since_s = min(seen.created.values(), default=0)
        if not self.epoch:
            return (SpoolOpened(1, "first", since_s), self._read(1, seen, stand))
        if self.started_over(seen):  # and its jobs are judged by the next look
            return (SpoolOpened(self.epoch + 1, "started-over", since_s),)
        signs = self._signs(seen)
        if seen.newest <= self.job:
            return signs
        holes = _runs(self._unknown(seen))
        if holes and patient and not (stand is not None and stand.balanced):
            return signs
        moved = None if stand is None else max(0, stand.stray - self.stray)
        gaps = (SpoolGap(self.epoch, first, last, moved) for first, last in holes)
        return (*signs, *gaps, self._read(self.epoch, seen, stand))

    def started_over(self, seen: Listing) -> bool:
        """Return True if job-ids are given out anew: the cursor's job is another, or gone with all that came after."""
        if not self.job or not seen.created:
            return False
        created = seen.created.get(self.job)
        return seen.newest < self.job if created is None else created != self.created_s

    def _read(self, epoch: int, seen: Listing, stand: Stand | None) -> SpoolRead:
        newest = seen.newest
        return SpoolRead(epoch, newest, seen.created.get(newest, 0), self.stray if stand is None else stand.stray)

    def _unknown(self, seen: Listing) -> list[int]:
        """Return the ids after the cursor, up to the newest, of which nobody knows anything."""
        told = {note.job for note in seen.notes if note.created_s >= self.created_s}
        told |= {line.job for line in seen.logged if believed(line, seen)}
        unseen = self.epoch == 1 and not self.job  # it had printed for others before us
        start = min(seen.created) if unseen else self.job + 1
        return [job for job in range(start, seen.newest) if job not in seen.created and job not in told]

    def _signs(self, seen: Listing) -> tuple[SpoolTampered, ...]:
        """Return the signs of tampering that were not told yet."""
        newest = seen.newest
        found = [
            (Tamper.LOG_LINE, line.job) for line in seen.fresh if not (_listed(line, seen) or believed(line, seen))
        ]
        found += [(Tamper.LOG_LINE, 0)] if seen.strange else []
        found += [(Tamper.UUID, job) for job in _same(seen.uuids)]
        ours = (note for note in seen.notes if note.created_s >= self.created_s)
        found += [(Tamper.PURGED, note.job) for note in ours if note.job < newest and note.job not in seen.created]
        told = dict.fromkeys(found)
        return tuple(
            SpoolTampered(self.epoch, why, job) for why, job in told if (self.epoch, why, job) not in self._told
        )


def believed(line: LoggedJob, seen: Listing) -> bool:
    """Return True if a page log line is of a job the spooler has forgotten: noted in the print path, or in a hole."""
    if _listed(line, seen):
        return False
    noted = any((note.job, note.created_s) == (line.job, line.created_s) for note in seen.notes)
    return noted or (line.job not in seen.created and line.job < seen.newest)


def _listed(line: LoggedJob, seen: Listing) -> bool:
    return seen.created.get(line.job) == line.created_s


def vanished(seen: Listing) -> tuple[LoggedJob, ...]:
    """Return the jobs that only the page log still knows, each with the most that it claims."""
    most: dict[tuple[int, int], LoggedJob] = {}
    for line in seen.logged:
        if believed(line, seen):
            known = most.get((line.job, line.created_s), line)
            most[line.job, line.created_s] = replace(line, sides=max(line.sides, known.sides))
    return tuple(most[name] for name in sorted(most))


def _same(uuids: Mapping[int, str]) -> Iterable[int]:
    """Return the jobs that came with a uuid of an earlier one."""
    first: set[str] = set()
    for job in sorted(uuids):
        if uuids[job] and uuids[job] in first:
            yield job
        first.add(uuids[job])


def _runs(jobs: list[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as runs (first, last)."""
    runs: list[tuple[int, int]] = []
    for job in jobs:
        if runs and (job == runs[-1][1] + 1 or len(runs) > HOLES):
            runs[-1] = (runs[-1][0], job)
        else:
            runs.append((job, job))
    return runs
