"""What was used: minutes of a visit, sides of paper, on one day, by one member, under one formula.

The one idea: a fact says what happened, a `Usage` what of it counts, in the items a tariff has prices for. A print that
is not certain counts with `low`, mono first, and is marked; banners and what was printed again because something of
ours died are the site's own; of the sides that share a sheet the colour ones are counted first. Pure; knows no money.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, Evidence, PagesCounted
from agent.rules.paper import CopiesCounted, CopiesMetered, PrintsUnmatched
from agent.rules.past import HOUSE, PastAttributed
from agent.rules.presence import VisitEnded
from drivers.contract import JobState


class Item(StrEnum):
    """What a line is about, in the order lines are listed. The words stand in exported files: add, never rename."""

    MEMBERSHIP = "membership"
    SUBSCRIPTION = "subscription"
    VISIT = "visit"
    VISIT_CAP = "visit-cap"
    PRINT_MONO = "print-mono"
    PRINT_COLOUR = "print-colour"
    COPY_MONO = "copy-mono"
    COPY_COLOUR = "copy-colour"
    UNATTRIBUTED_MONO = "unattributed-mono"
    UNATTRIBUTED_COLOUR = "unattributed-colour"
    PRINT_MONO_A3 = "print-mono-a3"
    PRINT_COLOUR_A3 = "print-colour-a3"
    COPY_MONO_A3 = "copy-mono-a3"
    COPY_COLOUR_A3 = "copy-colour-a3"
    PRINT_MONO_TWO_SIDED = "print-mono-two-sided"
    PRINT_COLOUR_TWO_SIDED = "print-colour-two-sided"
    PRINT_MONO_A3_TWO_SIDED = "print-mono-a3-two-sided"
    PRINT_COLOUR_A3_TWO_SIDED = "print-colour-a3-two-sided"
    OVERHEAD_MONO = "overhead-mono"  # banners, and what was printed again because something of ours died
    OVERHEAD_COLOUR = "overhead-colour"


ORDER = {item: place for place, item in enumerate(Item)}
SIDES = (Item.PRINT_MONO, Item.PRINT_COLOUR, Item.COPY_MONO, Item.COPY_COLOUR)
PLAINER = {  # what a side is priced as where the tariff has no price of its own for it
    Item.PRINT_MONO_A3: Item.PRINT_MONO,
    Item.PRINT_COLOUR_A3: Item.PRINT_COLOUR,
    Item.COPY_MONO_A3: Item.COPY_MONO,
    Item.COPY_COLOUR_A3: Item.COPY_COLOUR,
    Item.PRINT_MONO_TWO_SIDED: Item.PRINT_MONO,
    Item.PRINT_COLOUR_TWO_SIDED: Item.PRINT_COLOUR,
    Item.PRINT_MONO_A3_TWO_SIDED: Item.PRINT_MONO_A3,
    Item.PRINT_COLOUR_A3_TWO_SIDED: Item.PRINT_COLOUR_A3,
}
MONO = frozenset(item for item in Item if "mono" in item)


@dataclass(frozen=True, slots=True)
class Usage:
    """A quantity on one day: minutes of a visit, sides of paper. Negative: a correction."""

    day: date  # on the site's calendar
    member: MemberId  # "" = the site's own
    formula: FormulaId
    item: Item
    quantity: int
    uncertain: int = 0  # sides between `low` and `high`, minutes to be verified; more than 0 marks the line


def usages(fact: Fact, written: datetime) -> tuple[Usage, ...]:
    """Return the quantities in a fact. `written` is its moment on the site's wall clock (aware).

    Paper counts on the day it was written down, a visit on the day it ended.
    """
    day = written.date()
    if isinstance(fact, VisitEnded):
        ended = fact.ended.astimezone(written.tzinfo).date()
        return (Usage(ended, fact.member, fact.formula, Item.VISIT, fact.minutes),)
    if isinstance(fact, PagesCounted):
        return _prints(fact, day)
    if isinstance(fact, CopiesCounted):
        items = (Item.COPY_MONO, Item.COPY_COLOUR)
        if not fact.member:
            items = (Item.UNATTRIBUTED_MONO, Item.UNATTRIBUTED_COLOUR)
        big = (fact.large_mono, fact.large_colour) if isinstance(fact, CopiesMetered) and fact.member else (0, 0)
        small = (fact.mono - big[0], fact.colour - big[1])
        large_items = (Item.COPY_MONO_A3, Item.COPY_COLOUR_A3)
        whose = (day, fact.member, fact.formula)
        return _sides(*whose, items, small) + _sides(*whose, large_items, big)
    if isinstance(fact, PrintsUnmatched):
        return nobodys(day, fact.mono, fact.colour)
    return ()


def nobodys(day: date, mono: int, colour: int) -> tuple[Usage, ...]:
    """Return paper that is nobody's."""
    items = (Item.UNATTRIBUTED_MONO, Item.UNATTRIBUTED_COLOUR)
    return _sides(day, MemberId(""), FormulaId(""), items, (mono, colour))


def past_used(day: date, fact: PastAttributed) -> tuple[Usage, ...]:
    """Return what a print past the box counts, by whose it is said to be; the place's own is what it gives away."""
    if not fact.member:
        return nobodys(day, fact.mono, fact.colour)
    mono, colour = fact.sides_mono, fact.sides_colour
    own = fact.member == HOUSE
    return prints_used(
        day,
        MemberId("") if own else fact.member,
        fact.formula,
        mono=mono,
        colour=colour,
        free=mono + colour if own else 0,
        both=max(0, 2 * (mono + colour - fact.sheets)),
        large=fact.large,
        open_sides=0 if own else _open_sides(fact.high - fact.low, fact.state, fact.evidence),
    )


def _open_sides(between: int, state: str, evidence: Evidence) -> int:
    """Return how many sides are to be verified: more than none of what broke off, or was only claimed."""
    doubtful = state == JobState.ABORTED or evidence in {Evidence.FORECAST, Evidence.CLAIMED, Evidence.UNTOLD}
    return max(between, 1 if doubtful else 0)


def _prints(fact: PagesCounted, day: date) -> tuple[Usage, ...]:
    """Count a print with `low`, its mono sides first."""
    mono = min(fact.sides_mono, fact.low)
    colour = min(fact.sides_colour, fact.low - mono)
    open_sides = _open_sides(fact.high - fact.low, fact.state, fact.evidence)
    free = fact.free if isinstance(fact, AttemptCounted) else 0
    big = isinstance(fact, AttemptCounted) and fact.large
    both = 2 * (mono + colour - fact.sheets) if isinstance(fact, AttemptCounted) else 0
    whose = (day, fact.member, fact.formula)
    return prints_used(*whose, mono=mono, colour=colour, free=free, both=max(0, both), large=big, open_sides=open_sides)


def prints_used(
    day: date,
    member: MemberId,
    formula: FormulaId,
    *,
    mono: int,
    colour: int,
    free: int,
    both: int,
    large: bool,
    open_sides: int,
) -> tuple[Usage, ...]:
    """Return what a print counts: what is free is the site's own; `both` sides share a sheet, the colour ones first."""
    free_mono = min(free, mono)
    overhead = (Item.OVERHEAD_MONO, Item.OVERHEAD_COLOUR)
    own = _sides(day, MemberId(""), FormulaId(""), overhead, (free_mono, free - free_mono))
    mono, colour = mono - free_mono, colour - (free - free_mono)
    both = min(both, mono + colour)
    both_colour = min(both, colour)
    size = "-a3" if large else ""
    parts = (
        (f"print-mono{size}", mono - (both - both_colour)),
        (f"print-colour{size}", colour - both_colour),
        (f"print-mono{size}-two-sided", both - both_colour),
        (f"print-colour{size}-two-sided", both_colour),
    )
    counted = [Usage(day, member, formula, Item(name), sides) for name, sides in parts if sides]
    if open_sides:
        first = counted[0] if counted else Usage(day, member, formula, Item(f"print-mono{size}"), 0)
        counted[:1] = [replace(first, uncertain=open_sides)]
    return (*counted, *own)


def _sides(
    day: date, member: MemberId, formula: FormulaId, items: tuple[Item, Item], counts: tuple[int, int]
) -> tuple[Usage, ...]:
    return tuple(Usage(day, member, formula, item, count) for item, count in zip(items, counts, strict=True) if count)
