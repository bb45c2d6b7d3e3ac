"""How sure the minutes of a visit are, and when a visit that nobody ended may have ended.

The one idea: a visit counts what somebody said, and what could not be seen is marked, never smoothed over. Minutes
during which the door or the pages were not running are to be verified; so is a whole visit whose end was only proposed
(closing time, or when the member was last seen at the door or at the paper). A proposal is never written down by
itself: it waits until somebody takes it, and the fact then says which it was. A correction is somebody's word and
settles it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo

from agent.rules.door import EntryDecided
from agent.rules.facts import Fact, MemberId
from agent.rules.health import ServiceAbsent
from agent.rules.hours import WeeklyHours
from agent.rules.leaving import closing_of
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesCounted
from agent.rules.presence import LONGEST, PROPOSED, VisitEnded, VisitEvidence
from agent.rules.visits import Visit

EVIDENT = frozenset({"door", "web"})  # services whose absence hides who comes and goes
MINUTE = timedelta(minutes=1)
KEPT = 60  # sightings of one member


@dataclass(frozen=True, slots=True)
class Absences:
    """When nobody could have seen who comes and goes: [gone, back), in the order they were written down."""

    spans: tuple[tuple[datetime, datetime], ...] = ()

    def after(self, facts: Iterable[Fact]) -> Absences:
        """Return the absences after more facts; other facts, and services that see nobody, are passed over."""
        more = [(f.gone, f.back) for f in facts if isinstance(f, ServiceAbsent) and f.service in EVIDENT]
        return Absences((*self.spans, *more))

    def minutes(self, started: datetime, ended: datetime) -> int:
        """Return how many minutes of a stretch lie in absences, each begun minute whole; overlaps count once."""
        hidden, upto = timedelta(0), started
        for gone, back in sorted(self.spans):
            first, last = max(gone, upto), min(back, ended)
            if first < last:
                hidden += last - first
                upto = last
        return -(-hidden // MINUTE)


def uncertain(visit: Visit | VisitEnded, absences: Absences, now: datetime) -> int:
    """Return how many of a visit's minutes are to be verified; an open visit lasts until `now`."""
    if isinstance(visit, Visit) and (visit.annulled or visit.turn):
        return 0
    ended = visit.ended or max(now, visit.started)
    minutes = (ended - visit.started) // MINUTE
    if visit.by in PROPOSED and visit.ended is not None:
        return minutes
    return min(minutes, absences.minutes(visit.started, ended))


@dataclass(frozen=True, slots=True)
class Sightings:
    """When each member was last seen doing something that needs them to be here."""

    by_member: Mapping[MemberId, tuple[datetime, ...]] = field(default_factory=dict)

    def after(self, seen: Iterable[tuple[Fact, datetime]]) -> Sightings:
        """Return the sightings after more facts, each with its instant; other facts are passed over."""
        found = dict(self.by_member)
        for fact, at in seen:
            member = _whom(fact)
            if member:
                found[member] = (*found.get(member, ()), at)[-KEPT:]
        return Sightings(found)

    def last(self, visit: Visit, now: datetime) -> datetime | None:
        """Return when the member of an open visit was last seen in it; None if not after its first minute."""
        until = min(now, visit.started + LONGEST)
        return max(
            (at for at in self.by_member.get(visit.member, ()) if visit.started + MINUTE < at <= until), default=None
        )


def _whom(fact: Fact) -> MemberId:
    if isinstance(fact, EntryDecided):
        return fact.member if fact.granted else MemberId("")
    return fact.member if isinstance(fact, PagesCounted | CopiesCounted) else MemberId("")


def proposals(
    visit: Visit, seen: datetime | None, hours: WeeklyHours, closures: frozenset[date], zone: tzinfo, now: datetime
) -> tuple[tuple[VisitEvidence, datetime], ...]:
    """Return how a visit that nobody ended may have ended, the likelier first; () if nothing speaks for any end.

    `seen`: when its member was last seen. Whoever was seen after closing had not left at closing.
    """
    if visit.ended is not None or visit.annulled:
        return ()
    closing = closing_of(visit, hours, closures, zone)
    found = [] if seen is None else [(VisitEvidence.LAST_SEEN, seen)]
    if closing is not None and closing <= now and (seen is None or seen < closing):
        found = [(VisitEvidence.CLOSING, closing), *found]
    return tuple(found)
