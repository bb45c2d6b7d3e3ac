"""Says which attempts of a device's spooled jobs ended without a record at the device: it lost its memory, say.

The one idea: *every attempt the device took must have its record, and whoever has none is missed by name*. Where the
backend in the print path noted the attempts of a job (`rules.attempts`), each one the device took is looked for on its
own: a job printed again may have left one record and lost the other. Where nobody noted any, jobs and records are
paired by user, in order: a user with more ended jobs than records has some missing. An attempt that was repeated may
there hide a missing one (its sides are then unattributed, never somebody else's). What the device took no attempt of
printed nothing, whatever the spooler claims. How far a record had come while its attempt printed is remembered: if it
is lost, so much did come out.

Counters that hold nothing unexplained end every case: whatever has no record by then printed nothing, or is booked.
Jobs created, and attempts begun, before `since_s` (Unix seconds) are old and not missed. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.rules.attempts import Notebook, Sent
from agent.rules.folding import fold_user
from agent.rules.pages import attempt, spooled_name
from drivers.contract import DeviceJob, SpoolJob

NO_NOTES = Notebook()
WATCHED = 50  # the newest attempts that were seen printing


@dataclass(frozen=True, slots=True)
class Lost:
    """Attempts of one job of which no record is left."""

    job: SpoolJob
    notes: tuple[str, ...] = ()  # contract.SpoolAttempt.name of each
    system: bool = False  # printed again because something of ours died
    taken: int = 0  # attempts of this job that the device has taken so far
    seen: tuple[DeviceJob, ...] = ()  # their records, as they were last seen printing

    @property
    def turn(self) -> str:
        """Return what tells these attempts from the others of the job; "" where there were no others."""
        return f"{self.taken}-again" if self.system else str(self.taken) if self.taken > len(self.notes) else ""


class Witness:
    """What one device's jobs and records have said. Its memory may be lost: `since_s` is then a later one."""

    def __init__(self, since_s: float, booked: Iterable[str] = ()) -> None:
        """`booked` names the spooled job of each attempt in the ledger (pages.spooled_name)."""
        self._since_s = since_s
        self._booked = Counter(booked)
        self._records: dict[str, str] = {}  # attempt -> folded user, until it is paired
        self._paired: set[str] = set()  # attempts
        self._void: set[str] = set()  # jobs that are paired, or were seen to have printed nothing
        self._told: set[str] = set()  # notes whose attempt is booked, or was seen to have printed nothing
        self._seen: dict[str, DeviceJob] = {}  # note -> its record, as it was last seen printing

    def recorded(self, name: str, user: str, sent: Sent | None = None) -> None:
        """Note the record of the attempt `name` of `user`, and how it was sent if known; again is harmless."""
        if sent is not None:
            self._paired.add(name)
            self._void.add(sent.spooled)
            self._told.add(sent.note.name)
        elif name not in self._paired:
            self._records[name] = fold_user(user)

    def watched(self, jobs: Iterable[DeviceJob], notebook: Notebook) -> None:
        """Remember how far the device has come with what it prints.

        A note whose attempt has ended is an old one of that number: the device starts its numbers over.
        """
        for job in jobs:
            if job.state.ended or not job.sides or (sent := notebook.sent(job)) is None or sent.note.code is not None:
                continue
            before = self._seen.get(sent.note.name, job)
            if attempt(before) == attempt(job) and (before.sides or 0) <= job.sides:
                self._seen[sent.note.name] = job
        while len(self._seen) > WATCHED:
            del self._seen[next(iter(self._seen))]

    def missing(self, jobs: Iterable[SpoolJob], notebook: Notebook = NO_NOTES) -> tuple[Lost, ...]:
        """Return what is missing of the ended jobs, oldest first: those without notes beyond their users' records."""
        left = Counter(self._records.values())
        found: list[Lost] = []
        for job in self._ended(jobs):
            if notebook.refused(job):
                continue
            taken = notebook.taken(job)
            lost = [*_by_cause(job, self._untold(taken), len(taken))] if taken else [Lost(job)] * self._counts(job)
            user = fold_user(job.user)
            for one in lost:
                attempts = max(1, len(one.notes))
                if left[user] < attempts:
                    found.append(replace(one, seen=tuple(self._seen[name] for name in one.notes if name in self._seen)))
                left[user] = max(0, left[user] - attempts)
        return tuple(found)

    def balanced(self, jobs: Iterable[SpoolJob], notebook: Notebook = NO_NOTES) -> None:
        """Note that the counters hold nothing unexplained: whatever has no record now printed nothing, or is booked."""
        for job in self._ended(jobs):
            open_ = self._untold(notebook.taken(job))
            if not open_ and not self._counts(job):
                continue
            self._void.add(spooled_name(job))
            self._told.update(sent.note.name for sent in open_)
            user = fold_user(job.user)
            record = next((name for name, whose in self._records.items() if whose == user), None)
            if record is not None:
                del self._records[record]
                self._paired.add(record)

    def settled(self, lost: Lost) -> None:
        """Note that what was lost is booked."""
        self._void.add(spooled_name(lost.job))
        self._told.update(lost.notes)

    def _untold(self, taken: tuple[Sent, ...]) -> list[Sent]:
        """Return the attempts that nothing was booked of yet; those the ledger had booked were the first."""
        left = [one for one in taken if one.note.name not in self._told]
        booked = self._booked[left[0].spooled] if left else 0
        return [one for one in left[booked:] if one.note.began_s >= self._since_s]

    def _counts(self, job: SpoolJob) -> bool:
        """Return True for a job that claims to have printed and is not judged yet."""
        name = spooled_name(job)
        new = job.created_s >= self._since_s and name not in self._void and name not in self._booked
        return new and bool(job.claimed_sides)

    @staticmethod
    def _ended(jobs: Iterable[SpoolJob]) -> list[SpoolJob]:
        return sorted((job for job in jobs if job.state.ended), key=lambda job: (job.created_s, job.job))


def _by_cause(job: SpoolJob, lost: list[Sent], taken: int) -> Iterable[Lost]:
    for system in (False, True):
        notes = tuple(one.note.name for one in lost if one.system is system)
        if notes:
            yield Lost(job, notes, system, taken)
