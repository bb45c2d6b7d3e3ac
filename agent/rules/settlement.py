"""The fact that says how many sides an uncertain print attempt had after all. Who may say so is `rules.review`.

It moves its sides as a signed pair, out of the unattributed account where the device's counters saw them: no summary
ever falls, and the books stay balanced. A member gets what is not free: banners, and what was printed again because
something of ours died, stay the site's own however many sides there were. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, Fact, FormulaId, MemberId, Total, total
from agent.rules.pages import AttemptCounted, Free, PagesCounted, paid


class Why(StrEnum):
    """How somebody knows."""

    COUNTERS = "counters"  # what is settled of the neighbours leaves just this
    PAPER = "paper"  # the sheets were counted
    PANEL = "panel"  # the machine's own list of jobs says so
    MEMBER = "member"  # whoever printed it says so
    NOTHING = "nothing"  # nothing came out


BY_HAND = (Why.PAPER, Why.PANEL, Why.MEMBER, Why.NOTHING)


@dataclass(frozen=True, slots=True)
class PrintSettled(Fact):
    """How many sides an uncertain attempt printed was said, or narrowed."""

    kind: ClassVar[str] = "print-settled"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    attempt: str  # PagesCounted.attempt
    device: str
    epoch: int  # of the books it was counted in; 0 if no counters saw it
    turn: int  # 1, 2, ...: how many times this attempt was settled
    member: MemberId  # whose it is by now; "" = unclaimed
    formula: FormulaId
    was_mono: int
    was_colour: int
    sides_mono: int
    sides_colour: int
    sheets: int
    low: int
    high: int
    free: int  # of the sides, nobody pays these
    metered: bool  # the counters saw these sides: they leave the unattributed account
    why: Why
    actor: str  # "" = the counters

    def totals(self) -> tuple[Total, ...]:
        """Move the sides, as a signed pair; what is free moves to no member."""
        moves = {"mono": self.sides_mono - self.was_mono, "colour": self.sides_colour - self.was_colour}
        theirs = {} if not self.member or self.free else moves
        return self._moved(moves, theirs)

    def _moved(self, moves: Mapping[str, int], theirs: Mapping[str, int]) -> tuple[Total, ...]:
        """Return the steps for sides that moved, and for those a member gets or is rid of, by colour."""
        who = self.formula or "unclaimed"
        rows = []
        for colour, sides in moves.items():
            labels = {"device": self.device, "colour": colour}
            there, back = ("here", "away") if sides >= 0 else ("away", "here")
            rows.append(total(f"sides_moved_{there}", abs(sides), **labels, kind="print", formula=who))
            if self.metered:
                rows.append(total(f"sides_moved_{back}", abs(sides), **labels, kind="unattributed", formula=""))
            if colour in theirs:
                where = "here" if theirs[colour] >= 0 else "away"
                whose = {"member": self.member, "kind": "print", "colour": colour}
                rows.append(total(f"member_sides_moved_{where}", abs(theirs[colour]), **whose))
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class SidesSettled(PrintSettled):
    """An uncertain print attempt had this many sides: as before, and what of it was free until now."""

    kind: ClassVar[str] = "sides-settled"

    was_free: int = 0

    def totals(self) -> tuple[Total, ...]:
        """Move the sides, as a signed pair; a member gets what is not free."""
        moves = {"mono": self.sides_mono - self.was_mono, "colour": self.sides_colour - self.was_colour}
        was = paid(self.was_mono, self.was_colour, self.was_free)
        now = paid(self.sides_mono, self.sides_colour, self.free)
        theirs = {colour: now[colour] - was[colour] for colour in moves if now[colour] != was[colour] or not self.free}
        return self._moved(moves, theirs if self.member else {})


def settled(counted: PagesCounted, fact: PrintSettled) -> PagesCounted:
    """Return a row as a settlement has it."""
    now = replace(
        counted,
        sides_mono=fact.sides_mono,
        sides_colour=fact.sides_colour,
        sheets=fact.sheets,
        low=fact.low,
        high=fact.high,
    )
    if not isinstance(now, AttemptCounted):
        return now
    other = Free.BANNER if fact.free else Free.NOT
    return replace(now, free=fact.free, why_free=Free.SYSTEM if now.why_free is Free.SYSTEM else other)
