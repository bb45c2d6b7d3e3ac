"""Says what was printed straight to a device, past our queues: the copier should take jobs from the box alone.

The one idea: *silence is believed only where we were listening*. The backend in the print path notes each of our
sendings, and the number the device gave it (`rules.attempts`). A record of the device is somebody else's only if it
appeared between two looks of ours, and if none of our sendings may be it:

1. one whose number nobody heard (its backend was killed, its note was lost, another protocol) may be any record for
   half an hour after it ended;
2. one whose number was heard may be the record of that number, ever;
3. and any record of the same user until it had ended (to a device that makes no copies a backend sends a document
   several times, and its note has the last number).

In any doubt, and for what stood there when we came, a record is booked as ever: by what it says. Of a movement of the
print counters alone it is said only if nothing of ours, and no new record, was there for five minutes before it.

Some machines list copies, scans and faxes among their jobs, although the jobs of an IPP Printer are prints (RFC 8011
section 5.3). Where print counters are told apart, a record of which they did not move is no print and is set aside;
where they are not, a record that appears while a member is badged in to copy is booked as ever.

Whose it is it never says: nobody's (unattributed) it stays. Pure; its memory may be lost at any point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agent.rules.attempts import Notebook
from agent.rules.books import ACTIVE
from agent.rules.facts import Fact
from agent.rules.folding import fold_user
from agent.rules.pages import attempt, spooled_name
from agent.rules.paper import PastMended, PrintedPast
from drivers.contract import DeviceJob, DeviceReading, JobState, SpoolJob

LINGER_S = 1800.0  # a sending without a number may be any record for so long after it ended
SETTLE_S = 300.0  # counters may come so long after the sending or the record they count
WAIT_S = 45.0  # a record waits so long for a number to be heard, or for the counters to move
BUSY_S = 600.0  # and so long for a busy device to rest


class Verdict(StrEnum):
    """What a record without a note is."""

    OURS = "ours"  # or nobody can tell: it is booked by what it says, as ever
    PAST = "past"  # printed past us
    ASIDE = "aside"  # no print at all
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the device shows beside a record, at one look."""

    waited_s: float  # since the record was first asked about
    apart: bool  # the device tells prints from copies
    settled: bool
    room: int  # clicks of its print counters that nothing booked explains
    visit: bool  # a member is badged in to copy
    claims: bool  # attempts of ours wait for the counters too


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt of ours, or a spooled job of which no attempt was noted."""

    user: str  # folded
    number: int | None  # the device's; None: nobody heard it
    open: bool  # it may still be going on
    seen_s: float  # when it was last seen to go on; when it was first seen, if it had ended before

    def may_be(self, job: DeviceJob, before_s: float) -> bool:
        """Tell whether it may have made a record that was not there yet at `before_s`."""
        if self.number is None:
            return self.seen_s + LINGER_S > before_s
        users = {"", self.user}
        return self.number == job.job or (self.seen_s >= before_s and fold_user(job.user) in users)


def sendings(jobs: Sequence[SpoolJob], notebook: Notebook, at_s: float) -> dict[str, Sending]:
    """Return by name all sendings that the spooler and its print path tell of, as if all were seen first at `at_s`."""
    active = {(job.queue, job.job, job.created_s) for job in jobs if job.state in ACTIVE}
    found, noted = {}, set()
    for note in notebook.notes:
        job = (note.queue, note.job, note.created_s)
        noted.add(job)
        open_ = note.code is None and job in active  # without its job it was killed
        found[note.name] = Sending(fold_user(note.user), note.device_job, open_, at_s)
    for one in jobs:
        sent = one.state in ACTIVE or one.state is JobState.COMPLETED or one.claimed_sides
        if sent and (one.queue, one.job, one.created_s) not in noted:
            found[spooled_name(one)] = Sending(fold_user(one.user), None, one.state in ACTIVE, at_s)
    return found


class Bypass:
    """The records of one device, held against all that we sent there. Times are `mono_s` of one boot."""

    def __init__(self) -> None:
        self._serial = ""
        self._looked: float | None = None
        self._absent: dict[str, float | None] = {}  # record -> the last look without it; None: there when we came
        self._sendings: dict[str, Sending] = {}
        self._told: object = None  # what the spooler and its print path told last
        self._booked: set[str] = set()  # spooled jobs with a row

    def booked(self, spooled: str) -> None:
        """Note that an attempt of a spooled job is in the books."""
        self._booked.add(spooled)

    def look(self, reading: DeviceReading) -> None:
        """Take in one look at the device: which records are new since the last."""
        if reading.serial != self._serial:
            self._serial, self._looked, self._absent = reading.serial, None, {}
        names = map(attempt, reading.jobs)
        self._absent = {name: self._absent.get(name, self._looked) for name in names}
        self._looked = reading.at.mono_s

    def spool(self, jobs: Sequence[SpoolJob], notebook: Notebook, at_s: float) -> None:
        """Take in what the spooler has and what its print path noted; what they forgot is remembered for a while."""
        if self._told == (told := (jobs, notebook.notes)):
            now = {name: replace(one, seen_s=at_s) for name, one in self._sendings.items() if one.open}
            self._sendings |= now
            return
        self._told = told
        now = sendings(jobs, notebook, at_s)
        noted = {f"{note.queue}/{note.job}/{note.created_s}" for note in notebook.notes}
        for name, old in self._sendings.items():
            if name in now and not now[name].open:
                now[name] = replace(now[name], seen_s=old.seen_s)
            elif name not in now and name not in noted and at_s < old.seen_s + LINGER_S:
                now[name] = replace(old, open=False)
        self._sendings = {name: one for name, one in now.items() if name not in self._booked}

    def judge(self, job: DeviceJob, shown: Shown) -> Verdict:
        """Return what a record without a note is. Its sides must be known to be judged."""
        before = self._absent.get(attempt(job))
        if before is None or job.sides is None:
            return Verdict.OURS
        mute = any(one.number is None and one.open for one in self._sendings.values())
        if mute and shown.waited_s < WAIT_S:
            return Verdict.WAIT  # its number may yet be heard
        if any(one.may_be(job, before) for one in self._sendings.values()):
            return Verdict.OURS
        return _by_paper(job, shown)

    def silent(self, since_s: float | None) -> bool:
        """Tell whether nothing of ours and no new record can have moved the counters after `since_s`.

        None: there was no such moment while we watched.
        """
        if since_s is None:
            return False
        lately = [one for one in self._absent.values() if one is not None and one + SETTLE_S > since_s]
        return not lately and not any(
            one.seen_s + (SETTLE_S if one.number is not None else LINGER_S) > since_s for one in self._sendings.values()
        )


def _by_paper(job: DeviceJob, shown: Shown) -> Verdict:
    """Return what a record is that nothing of ours can have sent."""
    if not job.sides:
        return Verdict.ASIDE
    if not shown.apart:
        return Verdict.OURS if shown.visit else Verdict.PAST
    if not shown.settled:
        return Verdict.WAIT if shown.waited_s < BUSY_S else Verdict.OURS
    if shown.room > 0 or shown.claims:
        return Verdict.PAST
    return Verdict.WAIT if shown.waited_s < WAIT_S else Verdict.ASIDE


@dataclass(frozen=True, slots=True)
class Stream:
    """What was printed past the box at one device and is not mended: since when, until when, how much."""

    since: datetime
    last: datetime
    sides: int


@dataclass(frozen=True, slots=True)
class Streams:
    """What is printed past the box, by device, folded from the ledger."""

    by_device: Mapping[str, Stream] = field(default_factory=dict)
    mended: Mapping[str, int] = field(default_factory=dict)  # how often somebody said so

    def after(self, facts: Iterable[tuple[Fact, datetime]], quiet: timedelta) -> Streams:
        """Add facts in the ledger's order; after `quiet` without any, the next is a new beginning."""
        streams, mended = dict(self.by_device), dict(self.mended)
        for fact, at in facts:
            if isinstance(fact, PastMended):
                streams.pop(fact.device, None)
                mended[fact.device] = fact.number
            elif isinstance(fact, PrintedPast) and (sides := fact.mono + fact.colour) > 0:
                known = streams.get(fact.device)
                if known is None or at - known.last > quiet:
                    known = Stream(at, at, 0)
                streams[fact.device] = Stream(known.since, at, known.sides + sides)
        return Streams(streams, mended)

    def standing(self, now: datetime, quiet: timedelta) -> dict[str, Stream]:
        """Return what stands now: neither mended by somebody, nor quiet for so long."""
        return {name: one for name, one in self.by_device.items() if now - one.last <= quiet}
