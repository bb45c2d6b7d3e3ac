"""A *relevé* typed from a copier's panel: what a leased machine without network counters leaves a house to count with.

The one idea: two relevés give a movement; what the house counted itself in between is taken off; the rest was copied by
nobody we know. Where the panel counts copies apart, their movement is that rest, and nothing is taken off but copies
already told by user codes. A panel that shows less than before was reset or replaced: a starting point again. One that
moved by less than we counted is said, and nothing is booked: we do not invent negative copies. All three, and a leap,
are a slip of a finger more often than not, which the next relevé would book as copies: somebody says that they are so.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesByHand, CopiesCounted, PanelRead, PrintsUnmatched

NOT_SHOWN = -1
LEAP = 50_000  # sides: more than anybody copies at a place like ours between two relevés


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody read on the panel. Sides; NOT_SHOWN where the panel has no such line."""

    day: date
    mono: int
    colour: int
    copies_mono: int = NOT_SHOWN
    copies_colour: int = NOT_SHOWN


@dataclass(frozen=True, slots=True)
class Counted:
    """What the house counted since the relevé before."""

    mono: int = 0
    colour: int = 0
    copies_mono: int = 0  # of these, copies
    copies_colour: int = 0

    def plus(self, fact: Fact) -> Counted:
        """Add one fact of the device; a rest that a relevé itself found is what it explains, and counts too."""
        if isinstance(fact, PagesCounted):
            return Counted(
                self.mono + fact.sides_mono, self.colour + fact.sides_colour, self.copies_mono, self.copies_colour
            )
        if isinstance(
            fact, PrintsUnmatched
        ):  # nobody's, past the box too: it is in the books, and counts no second time
            return Counted(self.mono + fact.mono, self.colour + fact.colour, self.copies_mono, self.copies_colour)
        if isinstance(fact, CopiesCounted):
            mono, colour = fact.mono, fact.colour
            return Counted(self.mono + mono, self.colour + colour, self.copies_mono + mono, self.copies_colour + colour)
        return self


def judge_panel(
    device: str, typed: Typed, before: PanelRead | None, counted: Counted, actor: str
) -> tuple[PanelRead, CopiesByHand | None]:
    """Return the relevé, and the copies it leaves to nobody; None if there are none, or nothing can be said."""
    number = 1 if before is None else before.number + 1
    why, rest = ("first", (0, 0)) if before is None else _rest(typed, before, counted)
    read = PanelRead(
        device=device,
        number=number,
        day=typed.day,
        mono=typed.mono,
        colour=typed.colour,
        copies_mono=typed.copies_mono,
        copies_colour=typed.copies_colour,
        counted=counted.mono + counted.colour,
        why=why,
        actor=actor,
    )
    if not sum(rest):
        return read, None
    return read, CopiesByHand(
        device=device,
        serial="",
        epoch=number,
        visit="",
        member=MemberId(""),
        formula=FormulaId(""),
        mono=rest[0],
        colour=rest[1],
        to_mono=typed.mono,
        to_colour=typed.colour,
        source="panel",
    )


def doubt(read: PanelRead, rest: int) -> str:
    """Return why a relevé that leaves `rest` copies may be mistyped: "fell", "short", "leap"; "" if it may not."""
    if read.why in {"fell", "short"}:
        return read.why
    return "leap" if rest > LEAP else ""


def _rest(typed: Typed, before: PanelRead, counted: Counted) -> tuple[str, tuple[int, int]]:
    pairs = [(typed.mono, before.mono), (typed.colour, before.colour)]
    apart = NOT_SHOWN not in {typed.copies_mono, typed.copies_colour, before.copies_mono, before.copies_colour}
    if apart:
        pairs += [(typed.copies_mono, before.copies_mono), (typed.copies_colour, before.copies_colour)]
    moved = [now - then for now, then in pairs]
    if min(moved) < 0:
        return "fell", (0, 0)
    mono, colour = moved[2:] if apart else moved[:2]
    mono -= counted.copies_mono if apart else counted.mono
    colour -= counted.copies_colour if apart else counted.colour
    if mono + colour < 0:
        return "short", (0, 0)
    if mono < 0 or colour < 0:  # the panel and we disagree about a colour: the rest is mono, in nobody's disfavour
        return "counted", (mono + colour, 0)
    return "counted", (mono, colour)
