"""The lessor's contract: our reading of a quarter beside the invoice, in the lessor's own unit, the click.

The one idea: an invoice is checked with four numbers a line: where the counter stood, where it stands, what the package
includes, what was invoiced. An A3 side is one click or two, as the contract says, whatever the device's counter does.
Where the contract's prices are known they are multiplied once, in `Decimal`, and each line rounded to the cent: before
taxes, as lessors write them. What members pay is `rules.tariff`, and has nothing to do with it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from agent.rules.paper import MetersRead, PanelRead
from agent.rules.tariff import cents

QUARTER = re.compile(r"(\d{4})-Q([1-4])")
COLOURS = ("mono", "colour")
AMOUNT = re.compile(r"\d{1,7}(?:[.,]\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contract says for a quarter, in clicks."""

    mono_included: int = 0
    colour_included: int = 0
    a3_clicks: int = 1  # of the contract
    device_a3_clicks: int = 1  # how far the device's counter moves for one A3 side
    package_price: Decimal = Decimal(0)  # a quarter, what is included with it
    mono_price: Decimal | None = None  # of a click beyond what is included; None: not said
    colour_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a device's counters stood on a day."""

    day: date
    serial: str
    mono: int
    colour: int
    mono_large: int | None = None  # None: the device does not tell sizes apart
    colour_large: int | None = None


@dataclass(frozen=True, slots=True)
class ContractLine:
    """One colour of a quarter, in clicks."""

    colour: str  # "mono" | "colour"
    start: int
    end: int
    large: int | None  # A3 sides of these; None where nobody tells
    ours: int
    included: int
    invoiced: int | None  # None: no invoice given
    sides: int | None = None  # what came out; None where A3 cannot be told from two sides
    blind: bool = False  # A3 clicks otherwise for the lessor than on the device, and nobody tells how many there were
    price: Decimal | None = None  # of a click beyond

    @property
    def beyond(self) -> int:
        """Return what the package does not include."""
        return max(0, self.ours - self.included)

    @property
    def difference(self) -> int | None:
        """Return how much more is invoiced than we read; negative: less."""
        return None if self.invoiced is None else self.invoiced - self.ours

    @property
    def due(self) -> Decimal | None:
        """Return what our reading costs beyond the package; None without a price."""
        return None if self.price is None else cents(self.beyond * self.price)

    @property
    def dearer(self) -> Decimal | None:
        """Return how much more the invoiced clicks cost than those we read; negative: less. None: nobody knows."""
        if self.invoiced is None or self.price is None or self.due is None:
            return None
        return cents(max(0, self.invoiced - self.included) * self.price) - self.due

    @property
    def verdict(self) -> str:
        """Return the word of its sentence: "open", "same", "more" or "less"."""
        if self.difference is None:
            return "open"
        return "same" if not self.difference else "more" if self.difference > 0 else "less"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a quarter costs by our reading, and what the lessor asks for it. Before taxes."""

    package: Decimal
    ours: Decimal | None  # None: something beyond the package has no price
    invoiced: Decimal | None  # None: not given

    @property
    def difference(self) -> Decimal | None:
        """Return how much more is asked than our reading costs; negative: less."""
        return None if self.ours is None or self.invoiced is None else self.invoiced - self.ours


def bill(lines: Iterable[ContractLine], terms: Terms, invoiced: Decimal | None) -> Bill | None:
    """Add up a quarter; None where the contract's prices are not known at all."""
    if not terms.package_price and terms.mono_price is None and terms.colour_price is None:
        return None
    ours: Decimal | None = cents(terms.package_price)
    for line in lines:
        if line.beyond:
            ours = None if ours is None or line.due is None else ours + line.due
    return Bill(cents(terms.package_price), ours, invoiced)


def amount_of(text: str) -> Decimal | None:
    """Return an amount as people type it, "1 234,50 €"; None if it is none."""
    bare = "".join(text.replace("€", "").split())
    return Decimal(bare.replace(",", ".")) if bare.isascii() and AMOUNT.fullmatch(bare) else None


def quarter_of(text: str) -> tuple[date, date] | None:
    """Return the first day of "2026-Q4" and of the quarter after; None if it is none."""
    found = QUARTER.fullmatch(text)
    if found is None or int(found[1]) < 2000:
        return None
    year, month = int(found[1]), int(found[2]) * 3 - 2
    return date(year, month, 1), date(year + (month == 10), (month + 2) % 12 + 1, 1)


def quarter_at(day: date) -> str:
    """Return the quarter of a day."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def stand_of(fact: MetersRead | PanelRead) -> Stand | None:
    """Return where the counters stood by a fact; None if it does not tell black from colour."""
    if isinstance(fact, PanelRead):
        return Stand(fact.day, "", fact.mono, fact.colour)
    rows = dict(fact.rows)
    colour = rows.get("total-colour")
    if colour is None and {"print-colour", "copy-colour"} <= set(rows):
        colour = rows["print-colour"] + rows["copy-colour"]
    total = rows.get("total")
    if colour is None or total is None:
        return None
    large, colour_large = rows.get("total-large"), rows.get("total-colour-large")
    apart = large is not None and colour_large is not None
    mono_large = (large or 0) - (colour_large or 0) if apart else None
    return Stand(fact.day, fact.serial, total - colour, colour, mono_large, colour_large if apart else None)


def bounds(stands: Iterable[Stand], first: date, after: date) -> tuple[Stand, Stand] | None:
    """Return the stands a quarter is read between: the first on or after each of its bounds, else the nearest within.

    None with fewer than two, or when the machine was swapped in between.
    """
    ordered = sorted(stands, key=lambda one: one.day)
    before = [one for one in ordered if one.day <= first]
    within = [one for one in ordered if first <= one.day <= after]
    start = before[-1] if before else within[0] if within else None
    if start is None or not within or within[-1].day <= start.day:
        return None
    end = within[-1]
    fell = end.mono < start.mono or end.colour < start.colour
    return None if start.serial != end.serial or fell else (start, end)


def contract_lines(start: Stand, end: Stand, terms: Terms, invoice: Mapping[str, int]) -> tuple[ContractLine, ...]:
    """Return the lines of a quarter; `invoice` has the clicks by colour, where they are known."""
    large = (_moved(start.mono_large, end.mono_large), _moved(start.colour_large, end.colour_large))
    return (
        _line("mono", (start.mono, end.mono), large[0], terms, (terms.mono_included, terms.mono_price), invoice),
        _line(
            "colour", (start.colour, end.colour), large[1], terms, (terms.colour_included, terms.colour_price), invoice
        ),
    )


def _line(
    colour: str,
    counter: tuple[int, int],
    large: int | None,
    terms: Terms,
    pack: tuple[int, Decimal | None],
    invoice: Mapping[str, int],
) -> ContractLine:
    moved, big = counter[1] - counter[0], large or 0
    double = terms.device_a3_clicks - 1
    return ContractLine(
        colour=colour,
        start=counter[0],
        end=counter[1],
        large=large,
        ours=moved + big * (terms.a3_clicks - terms.device_a3_clicks),
        included=pack[0],
        invoiced=invoice.get(colour),
        sides=None if double and large is None else moved - big * double,
        blind=large is None and terms.a3_clicks != terms.device_a3_clicks,
        price=pack[1],
    )


def _moved(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, end - start)
