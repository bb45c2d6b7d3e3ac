"""Turns a month's quantities into statement lines: the only place where money exists.

The one idea: facts carry quantities, the tariff carries prices with dates, and each day is priced by the tariff in
force that day. Money is `Decimal`; each line is rounded once, half up, to the cent (ISO 4217: two digits); the lines
add up to the total. The same facts in any order give the same statement. Nothing is ever priced by a guess: a day or
a formula without a price stops the statement and is named. We write statements of use, never payments or invoices.

- Quantities are priced by the formula held when they happened (the fact carries it). What goes by the month
  (membership, subscription, free sides, month cap) follows the formula and tariff of the first day held that month.
- A member's minutes of one day are added, then rounded up to `hour_step_min`; the day cap applies to each day, the
  month cap to the month. What the caps take off stands as a line of its own.
- Free sides are used up in the order of the days, prints before copies on one day. An A3 side is one side.
- A shared account pays each side: free sides, and what goes by the month, come with a membership.
- A3, and sides that share a sheet, cost as other sides do unless the tariff gives them a price of their own.
- Banners and what was printed again because something of ours died are the site's own, without a price.
- A print that is not certain counts with `low`, mono first, and is marked.
- A negative quantity is a correction: a line of its own, at that day's price, which gives back no free side.
- Paper nobody claimed is listed as the site's own, without a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import ClassVar

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.payers import is_payer
from agent.rules.usage import MONO, ORDER, PLAINER, Item, Usage


@dataclass(frozen=True, slots=True)
class StatementIssued(Fact):
    """A month's statement file was written."""

    kind: ClassVar[str] = "statement-issued"

    month: str  # "2026-11"
    format: str  # "csv", "json"
    sha256: str  # of the file's bytes
    head: str  # the ledger head it was computed from, "SEQ:HASH": an anchor


UNITS = {Item.VISIT: "minute", Item.MEMBERSHIP: "month", Item.SUBSCRIPTION: "month", Item.VISIT_CAP: "month"}
HOUR_MIN = 60


# --- what it costs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prices:
    """One formula in one period. Amounts in the tariff's currency, taxes included."""

    membership: Decimal  # per month
    subscription: Decimal  # per month
    hour: Decimal
    sides: Mapping[Item, Decimal]  # per side, all of SIDES; of PLAINER those that make a difference
    hour_step_min: int = 1
    day_cap: Decimal | None = None  # the most one day's hours can cost
    month_cap: Decimal | None = None
    free_mono_sides: int = 0  # per month, prints and copies together
    free_colour_sides: int = 0

    def priced_as(self, item: Item) -> Item:
        """Return what a side is priced as: itself, or the plainer side where this formula makes no difference."""
        while item not in self.sides and item in PLAINER:
            item = PLAINER[item]
        return item


@dataclass(frozen=True, slots=True)
class Period:
    """What was in force from one day on."""

    since: date
    formulas: Mapping[FormulaId, Prices]


@dataclass(frozen=True, slots=True)
class Tariff:
    """All periods, oldest first, their days rising."""

    currency: str  # ISO 4217
    periods: tuple[Period, ...]

    def on(self, day: date, formula: FormulaId) -> tuple[date, Prices] | None:
        """Return since when, and at which prices; None if this tariff has no price for that."""
        for period in reversed(self.periods):
            if period.since <= day:
                prices = period.formulas.get(formula)
                return None if prices is None else (period.since, prices)
        return None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement."""

    member: MemberId  # "" = the site's own paper, without a price
    item: Item
    formula: FormulaId
    since: date | None  # the period of the tariff it was priced by
    quantity: int
    free: int  # of these, not charged
    unit_price: Decimal | None
    per: int  # the unit price is for so many units: 60 for an hour's price on minutes
    amount: Decimal  # rounded, in the tariff's currency
    uncertain: int = 0
    correction: bool = False
    of: str = ""  # a régularisation: the earlier month it brings right, "2026-11"

    @property
    def unit(self) -> str:
        """Return "minute", "month" or "side"."""
        return UNITS.get(self.item, "side")


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of one site."""

    month: str  # "2026-11"
    currency: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """Return what all lines add up to."""
        return sum((line.amount for line in self.lines), Decimal("0.00"))


class UnpricedError(ValueError):
    """The tariff has no price for something that was used. `faults` names each, once."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def held_in(
    first: date, last: date, members: Iterable[Member], changes: Iterable[tuple[date, MemberId, FormulaId]]
) -> dict[MemberId, tuple[date, FormulaId]]:
    """Return who had rights between two days (both included), with the first such day and the formula of that day.

    `changes`: each member's formulas as they were written down, in order. Before the first one the member is taken to
    have held that formula already (an imported member); a change counts from the start of its day.
    """
    told: dict[MemberId, list[tuple[date, FormulaId]]] = {}
    for day, member, formula in changes:
        told.setdefault(member, []).append((day, formula))
    held = {}
    for one in members:
        start = max(one.since, first)
        if start > min(one.until or last, last):
            continue
        mine = told.get(one.id, [(start, one.formula)])
        held[one.id] = start, next((formula for day, formula in reversed(mine) if day <= start), mine[0][1])
    return held


def statement(
    month: str, used: Iterable[Usage], tariff: Tariff, held: Mapping[MemberId, tuple[date, FormulaId]]
) -> Statement:
    """Price a month. `held`: who was a member, with the first day held in the month and the formula of that day.

    Raises UnpricedError.
    """
    days = _add_up(used)
    asked = {(use.day, use.formula) for use in days if use.member} | set(held.values())
    unpriced = sorted((day, formula) for day, formula in asked if tariff.on(day, formula) is None)
    if unpriced:
        raise UnpricedError(tuple(f'no price for the formula "{formula}" on {day}' for day, formula in unpriced))
    lines: list[Line] = []
    for member in sorted({use.member for use in days if use.member} | set(held)):
        mine = [use for use in days if use.member == member]
        lines += _Account(member, tariff, held.get(member), mine).lines()
    return Statement(month, tariff.currency, (*lines, *_site_lines(days)))


def _add_up(used: Iterable[Usage]) -> list[Usage]:
    """Add up equal uses of one day, corrections apart, in the one order everything follows."""
    sums: dict[tuple[date, int, FormulaId, bool, MemberId, Item], tuple[int, int]] = {}
    for use in used:
        key = (use.day, ORDER[use.item], use.formula, use.quantity < 0, use.member, use.item)
        quantity, uncertain = sums.get(key, (0, 0))
        sums[key] = (quantity + use.quantity, uncertain + use.uncertain)
    return [
        Usage(day, member, formula, item, quantity, uncertain)
        for (day, _, formula, _, member, item), (quantity, uncertain) in sorted(sums.items())
    ]


def _site_lines(days: list[Usage]) -> list[Line]:
    """List the paper that is nobody's: counted, not priced."""
    lines = []
    for item in Item:
        own = [use for use in days if not use.member and use.item is item]
        quantity, uncertain = sum(use.quantity for use in own), sum(use.uncertain for use in own)
        if quantity or uncertain:
            free = Decimal("0.00")
            lines.append(Line(MemberId(""), item, FormulaId(""), None, quantity, 0, None, 1, free, uncertain))
    return lines


@dataclass(slots=True)
class _Sum:
    """What one line adds up, before it is rounded."""

    price: Decimal
    per: int
    quantity: int = 0
    free: int = 0
    uncertain: int = 0

    @property
    def exact(self) -> Decimal:
        return (self.quantity - self.free) * self.price / self.per


@dataclass(slots=True)
class _Account:
    """One member's month, priced day by day."""

    member: MemberId
    tariff: Tariff
    held: tuple[date, FormulaId] | None
    days: list[Usage]
    sums: dict[tuple[int, FormulaId, date, bool, Item], _Sum] = field(default_factory=dict)
    by_the_day: Decimal = Decimal(0)  # hours with the day caps applied, exact

    def lines(self) -> list[Line]:
        """Return the member's lines, by item, formula and period."""
        first_day, formula = self.held or (self.days[0].day, self.days[0].formula)
        since, monthly = self._prices(first_day, formula)
        lines = []
        if self.held is not None:
            for item, price in ((Item.MEMBERSHIP, monthly.membership), (Item.SUBSCRIPTION, monthly.subscription)):
                if price:
                    lines.append(Line(self.member, item, formula, since, 1, 0, price, 1, cents(price)))
        self._price_days(monthly)
        cap = self._cap(monthly, formula, since)
        lines += [self._line(key, one) for key, one in self.sums.items() if one.quantity or one.uncertain]
        return sorted([*lines, *cap], key=lambda line: (ORDER[line.item], line.formula, line.since, line.correction))

    def _price_days(self, monthly: Prices) -> None:
        quota = {True: monthly.free_mono_sides, False: monthly.free_colour_sides}
        if is_payer(self.member):
            quota = {True: 0, False: 0}
        for use in self.days:
            since, prices = self._prices(use.day, use.formula)
            visit = use.item is Item.VISIT
            item = use.item if visit else prices.priced_as(use.item)
            price, per = (prices.hour, HOUR_MIN) if visit else (prices.sides[item], 1)
            key = (ORDER[item], use.formula, since, use.quantity < 0, item)
            one = self.sums.setdefault(key, _Sum(price, per))
            one.uncertain += use.uncertain
            if use.quantity < 0:
                one.quantity += use.quantity
            elif visit:
                minutes = -(-use.quantity // prices.hour_step_min) * prices.hour_step_min
                one.quantity += minutes
                cost = minutes * price / per
                self.by_the_day += cost if prices.day_cap is None else min(cost, prices.day_cap)
            else:
                mono = use.item in MONO
                free = min(use.quantity, quota[mono])
                quota[mono] -= free
                one.quantity += use.quantity
                one.free += free

    def _cap(self, monthly: Prices, formula: FormulaId, since: date) -> list[Line]:
        """Return the line that takes off what the caps do not let the hours cost."""
        hours = [one for (_, _, _, correction, item), one in self.sums.items() if item is Item.VISIT and not correction]
        exact = sum((one.exact for one in hours), Decimal(0))
        capped = self.by_the_day if monthly.month_cap is None else min(self.by_the_day, monthly.month_cap)
        taken_off = cents(capped) - sum((cents(one.exact) for one in hours), Decimal(0))
        if capped >= exact or taken_off >= 0:
            return []
        return [Line(self.member, Item.VISIT_CAP, formula, since, 1, 0, taken_off, 1, taken_off)]

    def _line(self, key: tuple[int, FormulaId, date, bool, Item], one: _Sum) -> Line:
        _, formula, since, correction, item = key
        return Line(
            member=self.member,
            item=item,
            formula=formula,
            since=since,
            quantity=one.quantity,
            free=one.free,
            unit_price=one.price,
            per=one.per,
            amount=cents(one.exact),
            uncertain=one.uncertain,
            correction=correction,
        )

    def _prices(self, day: date, formula: FormulaId) -> tuple[date, Prices]:
        found = self.tariff.on(day, formula)
        assert found is not None, "statement() names what has no price before it comes here"
        return found


def cents(amount: Decimal) -> Decimal:
    """Round to the cent, half away from zero."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
