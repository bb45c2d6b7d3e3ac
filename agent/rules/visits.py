"""Visits as they count by now: what was written down, and what the animator put right afterwards.

The one idea: a correction is a fact of its own, and says what it found and what it puts in its place. It numbers
itself (`turn`) so that two hands at once cannot both be second, and can itself be corrected. A visit that never was is
annulled, not deleted; one that nobody wrote down is added, and corrected like any other. Which statement feels it is
judged by `rules.months`. Pure: it reads no clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.presence import LONGEST, Reason, VisitAdded, VisitCorrected, VisitEnded, VisitEvidence, VisitStarted


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit as it counts by now."""

    visit: str
    member: MemberId
    formula: FormulaId
    started: datetime
    ended: datetime | None  # None: not ended
    minutes: int
    by: VisitEvidence
    turn: int = 0
    annulled: bool = False
    added: bool = False  # nobody had written it down, and it stands as it was added


class Unfit(StrEnum):
    """Why a visit was not corrected or added."""

    UNKNOWN = "unknown"  # no such visit, or too old
    FUTURE = "future"
    ORDER = "order"  # it would end before it starts
    LONG = "long"
    OVERLAP = "overlap"  # another visit of this member was then
    SAME = "same"
    OLD = "old"  # it would be of a month before the last one
    NOBODY = "nobody"  # no such member


def last_month(today: date) -> date:
    """Return the first day of the month before: what is older was issued long ago, and takes no visit any more."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _visit(fact: Fact) -> Visit | None:
    if isinstance(fact, VisitStarted):
        return Visit(fact.visit, fact.member, fact.formula, fact.started, None, 0, fact.by)
    if isinstance(fact, VisitEnded):
        return Visit(fact.visit, fact.member, fact.formula, fact.started, fact.ended, fact.minutes, fact.by)
    if isinstance(fact, VisitCorrected):
        who, when = (fact.visit, fact.member, fact.formula), (fact.started, fact.ended, fact.minutes)
        return Visit(*who, *when, VisitEvidence.ANIMATOR, fact.turn, fact.annulled, isinstance(fact, VisitAdded))
    return None


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits with their corrections, folded from the facts."""

    by_id: Mapping[str, Visit] = field(default_factory=dict)

    def after(self, facts: Iterable[Fact]) -> Visits:
        """Return the visits after more facts; facts of anything else are passed over."""
        visits = dict(self.by_id)
        for fact in facts:
            new = _visit(fact)
            if new is not None:
                visits[new.visit] = new
        return Visits(visits)

    def overlaps(self, member: MemberId, start: datetime, end: datetime, now: datetime, but: str = "") -> bool:
        """Say whether another visit of this member was between `start` and `end`; touching is allowed."""
        return any(
            start < (other.ended or max(now, other.started)) and other.started < end
            for other in self.by_id.values()
            if other.member == member and other.visit != but and not other.annulled
        )

    def since(self, at: datetime) -> Visits:
        """Return the visits that are open, or ended at `at` or later."""
        kept = {name: one for name, one in self.by_id.items() if one.ended is None or one.ended >= at}
        return Visits(kept)

    def correct(
        self, visit: str, span: tuple[datetime, datetime] | None, now: datetime, reason: Reason, actor: str
    ) -> VisitCorrected | Unfit:
        """Say when a visit really was; without a span: that it was none. `now` is aware."""
        one = self.by_id.get(visit)
        if one is None:
            return Unfit.UNKNOWN
        if span is None:
            if one.annulled:
                return Unfit.SAME
            ended = one.ended or max(one.started, now.astimezone(UTC).replace(microsecond=0))
            return self._fact(one, (one.started, ended), 0, reason, actor, annulled=True)
        start, end = (at.astimezone(UTC).replace(microsecond=0) for at in span)
        unfit = self._unfit(one, start, end, now.astimezone(UTC))
        if unfit is not None:
            return unfit
        return self._fact(one, (start, end), (end - start) // timedelta(minutes=1), reason, actor, annulled=False)

    def add(
        self,
        member: MemberId,
        formula: FormulaId,
        span: tuple[datetime, datetime],
        now: datetime,
        reason: Reason,
        actor: str,
    ) -> VisitAdded | Unfit:
        """Say that there was a visit nobody wrote down, this month or the last. `now` is on the site's wall clock."""
        start, end = (at.astimezone(UTC).replace(microsecond=0) for at in span)
        visit = self.unused(f"{member}-{start:%Y%m%dT%H%M%SZ}")
        one = Visit(visit, member, formula, start, None, 0, VisitEvidence.ANIMATOR)
        if (member, start, end) in {(w.member, w.started, w.ended) for w in self.by_id.values() if not w.annulled}:
            return Unfit.SAME
        if end == start:
            return Unfit.ORDER
        if end.astimezone(now.tzinfo).date() < last_month(now.date()):
            return Unfit.OLD
        unfit = self._unfit(one, start, end, now.astimezone(UTC))
        if unfit is not None:
            return unfit
        said = self._fact(one, (start, end), (end - start) // timedelta(minutes=1), reason, actor, annulled=False)
        return VisitAdded(**{each.name: getattr(said, each.name) for each in fields(said)})

    def unused(self, visit: str) -> str:
        """Return an id no visit has: one that was annulled may be told again from the same second on."""
        names = itertools.chain((visit,), (f"{visit}-{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in self.by_id)

    def _unfit(self, one: Visit, start: datetime, end: datetime, now: datetime) -> Unfit | None:
        if end > now:
            return Unfit.FUTURE
        if end < start:
            return Unfit.ORDER
        if end - start > LONGEST:
            return Unfit.LONG
        if self.overlaps(one.member, start, end, now, but=one.visit):
            return Unfit.OVERLAP
        same = (one.started, one.ended, one.annulled) == (start, end, False)
        return Unfit.SAME if same else None

    @staticmethod
    def _fact(
        one: Visit, span: tuple[datetime, datetime], minutes: int, reason: Reason, actor: str, *, annulled: bool
    ) -> VisitCorrected:
        return VisitCorrected(
            visit=one.visit,
            turn=one.turn + 1,
            member=one.member,
            formula=one.formula,
            started=span[0],
            ended=span[1],
            minutes=minutes,
            was_minutes=one.minutes,
            annulled=annulled,
            reason=reason,
            actor=actor,
        )
