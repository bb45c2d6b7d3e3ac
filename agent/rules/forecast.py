"""Says before a job prints what it will put on paper: sides, of these in colour, sheets, and what that costs.

The one idea: the documents tell their pages (`drivers.leafing`), the job tells what is made of them (RFC 8011 section
5.2: page-ranges, number-up, copies, sides; PWG 5100.13 print-color-mode), and whatever either does not tell stays
unknown: a forecast stops nothing, and bills only where the device stays silent. Ranges and odd or even choose among
the sides that number-up makes, as CUPS's pdftopdf does (measured, cups-filters 1.28), and not among the document's
pages. Prices are before free sides, for those depend on the month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from agent.rules.facts import FormulaId, MemberId
from agent.rules.sheets import large
from agent.rules.tariff import Prices, Tariff, cents
from agent.rules.usage import prints_used
from drivers.holding import HeldJob, Leaves

MOST_RANGES = 1000


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job will put on paper. None: nobody can tell; `why` then says why not."""

    sides: int | None = None  # all copies; without banners
    colour: int | None = None  # of these
    sheets: int | None = None
    why: str = ""  # "" | Leaves.why | "waiting": not looked through yet
    backs: int = 0  # blank backs beyond the sides, at most; 0 if it asks for one side: some machines count them
    large: bool = False  # on A3 or larger, as it asks


WAITING = Forecast(why="waiting")
UNTOLD = ("waiting", "encrypted", "broken", "too-large", "too-slow", "recast")  # the reasons that are told to people


def forecast(job: HeldJob, documents: Sequence[Leaves]) -> Forecast:
    """Return what `job` makes of its `documents`; each is printed by itself, as CUPS does."""
    if job.recast:
        return Forecast(why="recast")
    parts = [_part(job, one) for one in documents]
    why = next((one.why for one in documents if one.why), "")
    if not parts or any(part is None for part in parts):
        return Forecast(why=why or "broken")
    known = [part for part in parts if part is not None]
    sides = sum(part[0] for part in known)
    per_copy = sum(-(-part[0] // 2) for part in known) if job.two_sided else sides
    odd = 0 if job.one_sided else sum(part[0] % 2 for part in known) * job.copies + sum(job.banners)
    colours = [part[1] for part in known]
    colour = None if None in colours else sum(one for one in colours if one is not None) * job.copies
    if job.monochrome:
        colour, why = 0, ""
    return Forecast(sides * job.copies, colour, per_copy * job.copies, why, odd, large(job.media))


def _part(job: HeldJob, leaves: Leaves) -> tuple[int, int | None] | None:
    """Return the sides of one copy of one document, and how many have colour; None if its pages are not known."""
    if leaves.pages is None:
        return None
    up = job.number_up
    firsts = range(1, leaves.pages + 1, up)  # the first page of each side
    sides = [first for number, first in enumerate(firsts, 1) if _wanted(job, number)]
    if leaves.colour is None:
        return len(sides), None
    return len(sides), sum(any(page in leaves.colour for page in range(first, first + up)) for first in sides)


def _wanted(job: HeldJob, side: int) -> bool:
    if job.page_set in {"odd", "even"} and side % 2 != (job.page_set == "odd"):
        return False
    return not job.ranges or any(first <= side <= last for first, last in job.ranges[:MOST_RANGES])


def price(told: Forecast, prices: Prices) -> tuple[Decimal, Decimal] | None:
    """Return the least and the most a job can cost at `prices`, before free sides; None if its sides are not known."""
    if told.sides is None:
        return None
    both = 0 if told.sheets is None else max(0, 2 * (told.sides - told.sheets))
    colours = (0, min(both, told.sides), told.sides) if told.colour is None else (told.colour,)
    ends = sorted(_cost(told, told.sides - n, n, both, prices) for n in colours)
    return cents(ends[0]), cents(ends[-1])


def _cost(told: Forecast, mono: int, colour: int, both: int, prices: Prices) -> Decimal:
    """Return what the sides of a job cost, each priced as it will be billed."""
    counted = prints_used(
        date.min,
        MemberId(""),
        FormulaId(""),
        mono=mono,
        colour=colour,
        free=0,
        both=both,
        large=told.large,
        open_sides=0,
    )
    return sum((one.quantity * prices.sides[prices.priced_as(one.item)] for one in counted), Decimal(0))


def quote(
    told: Sequence[Forecast], tariff: Tariff | None, day: date, formula: FormulaId
) -> tuple[Decimal, Decimal] | None:
    """Return the least and the most that jobs cost together on `day`; None without a price, or with sides unknown."""
    found = None if tariff is None else tariff.on(day, formula)
    if found is None:
        return None
    ends = [price(one, found[1]) for one in told]
    known = [one for one in ends if one is not None]
    if len(known) < len(ends):
        return None
    return sum((one[0] for one in known), Decimal(0)), sum((one[1] for one in known), Decimal(0))
