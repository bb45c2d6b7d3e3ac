"""Counts what one print attempt really put on paper.  (facts only for now; the rule follows)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total


class Evidence(StrEnum):
    """Who says so, best first."""

    DEVICE = "device"  # the device's own job record
    COUNTER = "counter"  # the difference of the device's counters
    FORECAST = "forecast"  # counted from the document
    CLAIMED = "claimed"  # the spooler's word alone


@dataclass(frozen=True, slots=True)
class PagesCounted(Fact):
    """One physical print attempt ended; a job printed twice gives two. `low <= truth <= high`, in sides."""

    kind: ClassVar[str] = "pages-counted"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    serial: str
    attempt: str  # the attempt's identity at the device: serial, job id, creation or uuid
    alias: AliasId  # roster row of the name the job came under; "" if it had none
    member: MemberId  # "" = unclaimed, waits for the animator
    formula: FormulaId
    sides_mono: int
    sides_colour: int
    sheets: int
    low: int
    high: int
    evidence: Evidence
    state: str  # contract.JobState at the end

    def totals(self) -> tuple[Total, ...]:
        """Sides by device, kind, colour and formula; and per member for billing."""
        who = self.formula or "unclaimed"
        rows = []
        for colour, sides in (("mono", self.sides_mono), ("colour", self.sides_colour)):
            rows.append(total("sides", sides, device=self.device, kind="print", colour=colour, formula=who))
            if self.member:
                rows.append(total("member_sides", sides, member=self.member, kind="print", colour=colour))
        return tuple(rows)
