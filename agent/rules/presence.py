"""When a visit starts and ends.  (facts only for now; the rule follows)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, Fact, FormulaId, MemberId, Total, total


class VisitEvidence(StrEnum):
    """Who said that the visit began or ended."""

    ANIMATOR = "animator"
    BADGE = "badge"
    CLOSING = "closing"  # nobody said: proposed at closing time, waits to be verified


@dataclass(frozen=True, slots=True)
class VisitStarted(Fact):
    """A member's visit began."""

    kind: ClassVar[str] = "visit-started"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    visit: str
    member: MemberId
    formula: FormulaId
    started: datetime  # as said by `by`: the animator may write down a past arrival
    by: VisitEvidence


@dataclass(frozen=True, slots=True)
class VisitEnded(Fact):
    """A visit ended. It stands alone: a billed visit cites no passage that will be redacted."""

    kind: ClassVar[str] = "visit-ended"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    visit: str
    member: MemberId
    formula: FormulaId
    started: datetime
    ended: datetime
    minutes: int  # elapsed, DST-proof, rounded down to whole minutes
    by: VisitEvidence

    def totals(self) -> tuple[Total, ...]:
        """Minutes by formula, and per member for billing."""
        return (
            total("visit_minutes", self.minutes, formula=self.formula),
            total("member_visit_minutes", self.minutes, member=self.member),
        )
