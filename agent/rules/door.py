"""Decides who may enter.  (facts only for now; the rule follows)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import PASSAGE_DAYS, CardKey, Fact, FormulaId, MemberId


class Passage(StrEnum):
    """The door leaf, as its contact shows it."""

    CLOSED = "closed"
    OPEN = "open"  # after a grant or an exit press
    HELD = "held"  # open longer than allowed
    FORCED = "forced"  # opened with neither
    UNKNOWN = "unknown"  # no contact wired, or the input is lost


@dataclass(frozen=True, slots=True)
class EntryDecided(Fact):
    """A badge was presented at a door and judged. Refusals are facts too."""

    kind: ClassVar[str] = "entry-decided"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    reader: str
    card: CardKey
    member: MemberId
    formula: FormulaId
    granted: bool
    rule: (
        str  # the one named rule that decided: "always", "opening-hours", "closed", "unknown-card", "blocked-card", ...
    )


@dataclass(frozen=True, slots=True)
class LatchMoved(Fact):
    """The relay line changed."""

    kind: ClassVar[str] = "latch-moved"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    state: str  # contract.LatchState
    why: str


@dataclass(frozen=True, slots=True)
class DoorChanged(Fact):
    """The door leaf changed."""

    kind: ClassVar[str] = "door-changed"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    was: Passage
    now: Passage
