"""The lessor's contract: our reading of a quarter beside the invoice, in the lessor's own unit, the click.

The one idea: an invoice is checked with four numbers a line: where the counter stood, where it stands, what the package
includes, what was invoiced. An A3 side is one click or two, as the contract says, whatever the device's counter does.
Where the contract's prices are known they are multiplied once, in `Decimal`, and each line rounded to the cent: before
taxes, as lessors write them. What members pay is `rules.tariff`, and has nothing to do with it. Pure.

Most contracts have two lines, black and colour. One may have others, by *function*: prints and copies apart, A3 at a
price of its own, fax, scans. A line that the device does not count apart is said to be unknown and never made up; what
it counts in total and puts under no function is a line too, for which no price is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, date
from decimal import Decimal

from agent.rules.paper import MetersRead, PanelRead
from agent.rules.tariff import cents

QUARTER = re.compile(r"(\d{4})-Q([1-4])")
COLOURS = ("mono", "colour")
FUNCTIONS = (  # the lines a contract may have of their own; the names of the meters, and the A3 of each colour
    *("print-mono", "print-colour", "copy-mono", "copy-colour", "mono-large", "colour-large", "fax", "scan"),
)
REST = "-rest"  # of a colour: counted in total, and put under no function
THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+,\d{1,2}", re.ASCII)  # 1.234,50: of two signs the last parts the cents
AMOUNT = re.compile(r"\d{1,7}(?:[.,]\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Pack:
    """What a contract says of one function."""

    included: int = 0  # clicks a quarter
    price: Decimal | None = None  # of a click beyond these; None: not said


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
    functions: Mapping[str, Pack] = field(default_factory=dict)  # by FUNCTIONS: those with a line of their own

    def split(self, colour: str) -> bool:
        """Tell whether prints and copies of a colour are invoiced apart."""
        return bool({f"print-{colour}", f"copy-{colour}"} & set(self.functions))

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the lines of an invoice by this contract, in their order."""
        whole = [colour for colour in COLOURS if not self.split(colour)]
        return (*whole, *(name for name in FUNCTIONS if name in self.functions))

    def pack(self, what: str) -> Pack:
        """Return what it says of a line; nothing of one that it does not have."""
        packs = {"mono": Pack(self.mono_included, self.mono_price)}
        packs |= {"colour": Pack(self.colour_included, self.colour_price), **self.functions}
        return packs.get(what, Pack())


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a device's counters stood on a day."""

    day: date
    serial: str
    mono: int
    colour: int
    mono_large: int | None = None  # None: the device does not tell sizes apart
    colour_large: int | None = None
    functions: Mapping[str, int] = field(default_factory=dict)  # by meter: those that it tells apart


@dataclass(frozen=True, slots=True)
class ContractLine:
    """One line of a quarter, in clicks."""

    what: str  # "mono" | "colour" | one of FUNCTIONS | a colour and REST
    start: int | None  # None: of several machines, or of counters that were reset
    end: int | None
    large: int | None  # A3 sides of these; None where nobody tells
    ours: int
    included: int
    invoiced: int | None  # None: no invoice given
    sides: int | None = None  # what came out; None where A3 cannot be told from two sides
    blind: bool = False  # A3 clicks otherwise for the lessor than on the device, and nobody tells how many there were
    price: Decimal | None = None  # of a click beyond
    told: bool = True  # False: the device does not count it apart, and nothing is known of it
    least: bool = False  # machines were swapped or counters reset: nobody read all of it, and it may be more

    @property
    def beyond(self) -> int:
        """Return what the package does not include."""
        return max(0, self.ours - self.included)

    @property
    def difference(self) -> int | None:
        """Return how much more is invoiced than we read; negative: less. None: not invoiced, or not told."""
        return None if self.invoiced is None or not self.told else self.invoiced - self.ours

    @property
    def due(self) -> Decimal | None:
        """Return what our reading costs beyond the package; None without a price, or where nobody knows."""
        return None if self.price is None or not self.told else cents(self.beyond * self.price)

    @property
    def dearer(self) -> Decimal | None:
        """Return how much more the invoiced clicks cost than those we read; negative: less. None: nobody knows."""
        if self.invoiced is None or self.price is None or self.due is None:
            return None
        return cents(max(0, self.invoiced - self.included) * self.price) - self.due

    @property
    def verdict(self) -> str:
        """Return the word of its sentence: "untold", "rest", "open", "same", "more", "gap" or "less"."""
        if not self.told:
            return "untold"
        if self.what.endswith(REST):
            return "rest"
        if self.difference is None:
            return "open"
        if self.difference > 0 and self.least:
            return "gap"
        return "same" if not self.difference else "more" if self.difference > 0 else "less"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a quarter costs by our reading, and what the lessor asks for it. Before taxes."""

    package: Decimal
    ours: Decimal | None  # None: something beyond the package has no price
    invoiced: Decimal | None  # None: not given
    least: bool = False  # nobody read all of it: it may cost more

    @property
    def difference(self) -> Decimal | None:
        """Return how much more is asked than our reading costs; negative: less."""
        return None if self.ours is None or self.invoiced is None else self.invoiced - self.ours


def bill(lines: Iterable[ContractLine], terms: Terms, invoiced: Decimal | None) -> Bill | None:
    """Add up a quarter; None where the contract's prices are not known at all."""
    prices = (terms.mono_price, terms.colour_price, *(pack.price for pack in terms.functions.values()))
    if not terms.package_price and all(price is None for price in prices):
        return None
    ours: Decimal | None = cents(terms.package_price)
    lines = tuple(lines)
    for line in lines:
        if line.verdict != "rest" and (line.beyond or not line.told):
            ours = None if ours is None or line.due is None else ours + line.due
    return Bill(cents(terms.package_price), ours, invoiced, least=any(line.least for line in lines))


def amount_of(text: str) -> Decimal | None:
    """Return an amount as people type it, "1 234,50 €"; None if it is none."""
    bare = "".join(text.replace("€", "").split())
    if THOUSANDS.fullmatch(bare):
        bare = bare.replace(".", "")
    return Decimal(bare.replace(",", ".")) if bare.isascii() and AMOUNT.fullmatch(bare) else None


def quarter_of(text: str) -> tuple[date, date] | None:
    """Return the first day of "2026-Q4" and of the quarter after; None if it is none."""
    found = QUARTER.fullmatch(text)
    if found is None or not 2000 <= int(found[1]) < MAXYEAR:
        return None
    year, month = int(found[1]), int(found[2]) * 3 - 2
    return date(year, month, 1), date(year + (month == 10), (month + 2) % 12 + 1, 1)


def quarter_at(day: date) -> str:
    """Return the quarter of a day."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def quarters_to(last: str, count: int) -> tuple[str, ...]:
    """Return `count` quarters, the last one first."""
    year, number = int(last[:4]), int(last[-1])
    back = (year * 4 + number - 1 - past for past in range(count))
    return tuple(f"{one // 4}-Q{one % 4 + 1}" for one in back)


def stand_of(fact: MetersRead | PanelRead) -> Stand | None:
    """Return where the counters stood by a fact; None if it does not tell black from colour."""
    if isinstance(fact, PanelRead):
        return Stand(fact.day, "", fact.mono, fact.colour, functions=_of_panel(fact))
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
    functions = {name: count for name, count in rows.items() if not name.startswith("total")}
    return Stand(fact.day, fact.serial, total - colour, colour, mono_large, colour_large if apart else None, functions)


def _of_panel(fact: PanelRead) -> dict[str, int]:
    """Return prints and copies apart, where the panel shows its copies."""
    if fact.copies_mono < 0 or fact.copies_colour < 0:
        return {}
    prints = {"print-mono": fact.mono - fact.copies_mono, "print-colour": fact.colour - fact.copies_colour}
    return {"copy-mono": fact.copies_mono, "copy-colour": fact.copies_colour, **prints}


def contract_lines(
    start: Stand, end: Stand, terms: Terms, invoice: Mapping[str, int], *, stale: bool = False
) -> tuple[ContractLine, ...]:
    """Return the lines of one count; `invoice` has the clicks by line, where they are known.

    `stale`: the sizes at the end are those of an earlier reading.
    """
    whole = {
        "mono": ((start.mono, end.mono), _moved(start.mono_large, end.mono_large)),
        "colour": ((start.colour, end.colour), _moved(start.colour_large, end.colour_large)),
    }
    found = []
    for what in terms.lines:
        if what in COLOURS:
            large = f"{what}-large" in terms.functions
            found.append(_line(what, *whole[what], terms, terms.pack(what), invoice, apart=large))
        else:
            found.append(_function(what, start, end, terms, terms.pack(what), invoice))
    lines = (*found, *_rests(found, {colour: moved for colour, (moved, _) in whole.items()}, terms))
    return tuple(replace(line, blind=line.blind or (stale and _a3_matters(line.what, terms))) for line in lines)


def _a3_matters(what: str, terms: Terms) -> bool:
    """Tell whether how many A3 sides there were changes the clicks of a line."""
    clicks = 0 if f"{what.rpartition('-')[2]}-large" in terms.functions else terms.a3_clicks
    return what.rpartition("-")[2] in COLOURS and clicks != terms.device_a3_clicks


def _function(
    what: str, start: Stand, end: Stand, terms: Terms, pack: Pack, invoice: Mapping[str, int]
) -> ContractLine:
    """Return the line of one function; what the device does not tell apart is not known."""
    if what.endswith("-large"):
        pairs = {
            "mono-large": (start.mono_large, end.mono_large),
            "colour-large": (start.colour_large, end.colour_large),
        }
        before, after = pairs[what]
    else:
        before, after = start.functions.get(what), end.functions.get(what)
    if before is None or after is None or after < before:
        return ContractLine(what, 0, 0, None, 0, pack.included, invoice.get(what), price=pack.price, told=False)
    if what in {"fax", "scan", "mono-large", "colour-large"}:  # an A3 side is one click there
        terms = Terms()
    large = _moved(start.functions.get(f"{what}-large"), end.functions.get(f"{what}-large"))
    apart = f"{what.partition('-')[2]}-large" in terms.functions
    return _line(what, (before, after), large, terms, pack, invoice, apart=apart)


def _rests(lines: Iterable[ContractLine], whole: Mapping[str, tuple[int, int]], terms: Terms) -> Iterator[ContractLine]:
    """Yield, where prints and copies are apart, what the device counted besides: fax, test pages, reports."""
    moved = {line.what: (line.end or 0) - (line.start or 0) for line in lines if line.told}
    for colour, (start, end) in whole.items():
        apart = (moved.get(f"print-{colour}"), moved.get(f"copy-{colour}"))
        known = [clicks for clicks in apart if clicks is not None]
        rest = end - start - sum(known)
        if terms.split(colour) and len(known) == len(apart) and rest > 0:
            yield ContractLine(colour + REST, start, end, None, rest, 0, None)


def _line(
    what: str,
    counter: tuple[int, int],
    large: int | None,
    terms: Terms,
    pack: Pack,
    invoice: Mapping[str, int],
    *,
    apart: bool = False,
) -> ContractLine:
    """Return one line. `apart`: its A3 sides have a line of their own."""
    moved, big = counter[1] - counter[0], large or 0
    double, clicks = terms.device_a3_clicks - 1, 0 if apart else terms.a3_clicks
    return ContractLine(
        what=what,
        start=counter[0],
        end=counter[1],
        large=large,
        ours=moved + big * (clicks - terms.device_a3_clicks),
        included=pack.included,
        invoiced=invoice.get(what),
        sides=None if double and large is None else moved - big * double,
        blind=large is None and clicks != terms.device_a3_clicks,
        price=pack.price,
    )


def _moved(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else max(0, end - start)
