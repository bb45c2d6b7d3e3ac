"""Reads a tariff: a parsed TOML table becomes a `Tariff`, or every fault in it with its key path.

The one idea: nothing is taken for granted about money. A price that is missing, negative, or was a binary fraction
for a moment (parse with `parse_float=Decimal`) is a fault, and so is a key nobody knows. Pure: whoever has the file
turns faults into lines of it.

    currency = "EUR"
    [[periods]]
    from = 2026-01-01                       # in force from this day on, until the next period
    sides = { print_mono = 0.05, ... }      # for the formulas that name no price of their own; optional beside these
                                            # are print_mono_a3, print_mono_two_sided, copy_colour_a3 and their like
    [periods.formulas.occasional]
    membership = 24.00                      # per month; subscription too
    hour = 2.50
    hour_step_min = 15                      # optional, like day_cap, month_cap, free_mono_sides, free_colour_sides
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

from agent.rules.facts import FormulaId
from agent.rules.tariff import HOUR_MIN, Period, Prices, Tariff
from agent.rules.usage import PLAINER, SIDES, Item

ZERO = Decimal(0)
DEAREST = Decimal(100_000)  # nothing in a coworking space costs more: a slip of the keyboard
DECIMALS = 4
SIDE_KEYS = {item.value.replace("-", "_"): item for item in SIDES}
FINER_KEYS = {item.value.replace("-", "_"): item for item in PLAINER}  # optional: print_mono_a3, print_mono_two_sided
AMOUNTS = ("membership", "subscription", "hour")
FORMULA_KEYS = (
    *AMOUNTS, "hour_step_min", "day_cap", "month_cap", "free_mono_sides", "free_colour_sides", "sides",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriceFault:
    """One thing wrong in a tariff: where it stands, and what to do, French first."""

    path: tuple[str, ...]  # ("periods", "1", "formulas", "occasional", "hour"): arrays by index from 0
    fr: str
    en: str


class TariffFaultyError(ValueError):
    """A tariff cannot be used."""

    def __init__(self, faults: tuple[PriceFault, ...]) -> None:
        super().__init__("\n".join(f"{'.'.join(fault.path)}: {fault.fr} — {fault.en}" for fault in faults))
        self.faults = faults


def read_tariff(table: Mapping[str, object]) -> Tariff:
    """Read a whole tariff. Raises TariffFaultyError with every fault at once."""
    reader = _Reader()
    currency = table.get("currency", "EUR")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()):
        reader.fault(("currency",), 'attend trois capitales, par exemple "EUR"', 'expects three capitals like "EUR"')
    reader.known((), table, ("currency", "periods"))
    listed = table.get("periods")
    if not isinstance(listed, list) or not listed:
        reader.fault(("periods",), "au moins une période [[periods]]", "needs at least one [[periods]]")
        listed = []
    periods = [reader.period(("periods", str(n)), period) for n, period in enumerate(listed)]
    for n, (early, late) in enumerate(pairwise(periods), start=1):
        if late.since <= early.since < date.max:
            path = ("periods", str(n), "from")
            reader.fault(path, "doit venir après la période précédente", "must come after the period before")
    if reader.faults:
        raise TariffFaultyError(tuple(reader.faults))
    return Tariff(str(currency), tuple(periods))


class _Reader:
    """Reads on after each fault, with a harmless stand-in, so that all are found at once."""

    def __init__(self) -> None:
        self.faults: list[PriceFault] = []

    def fault(self, path: tuple[str, ...], fr: str, en: str) -> None:
        self.faults.append(PriceFault(path, fr, en))

    def known(self, path: tuple[str, ...], table: Mapping[str, object], keys: tuple[str, ...]) -> None:
        for key in table:
            if key not in keys:
                names = ", ".join(keys)
                self.fault((*path, key), f"clé inconnue ; connues : {names}", f"unknown key; known: {names}")

    def table(self, path: tuple[str, ...], value: object) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        self.fault(path, "attend une table", "expects a table")
        return {}

    def period(self, path: tuple[str, ...], value: object) -> Period:
        table = self.table(path, value)
        self.known(path, table, ("from", "sides", "formulas"))
        since = table.get("from")
        if not isinstance(since, date) or isinstance(since, datetime):
            self.fault((*path, "from"), "attend un jour : 2026-01-01", "expects a day: 2026-01-01")
            since = date.max
        shared = self.sides((*path, "sides"), table.get("sides", {}), {})
        formulas = self.table((*path, "formulas"), table.get("formulas", {}))
        if not formulas:
            self.fault((*path, "formulas"), "aucune formule", "no formula")
        return Period(
            since,
            {FormulaId(name): self.prices((*path, "formulas", name), one, shared) for name, one in formulas.items()},
        )

    def sides(self, path: tuple[str, ...], value: object, shared: Mapping[Item, Decimal]) -> dict[Item, Decimal]:
        table = self.table(path, value)
        keys = {**SIDE_KEYS, **FINER_KEYS}
        self.known(path, table, tuple(keys))
        own = {keys[key]: self.amount((*path, key), table[key]) for key in table if key in keys}
        return {**shared, **own}

    def backs(self, path: tuple[str, ...], prices: Prices) -> None:
        """Find the two-sided prices at which printing on the back as well would cost less than not to."""
        for key, item in FINER_KEYS.items():
            if item in prices.sides and key.endswith("_two_sided"):
                front = prices.sides.get(prices.priced_as(PLAINER[item]), ZERO)
                if prices.sides[item] * 2 < front:
                    fr = f"au moins la moitié du recto ({front / 2:f}) : sinon une face de plus coûterait moins"
                    en = f"at least half of a single side ({front / 2:f}): else one side more would cost less"
                    self.fault((*path, "sides", key), fr, en)

    def prices(self, path: tuple[str, ...], value: object, shared: Mapping[Item, Decimal]) -> Prices:
        table = self.table(path, value)
        self.known(path, table, FORMULA_KEYS)
        for key in AMOUNTS:
            if key not in table:
                self.fault((*path, key), "prix manquant ; écrivez 0 pour gratuit", "price missing; write 0 for free")
        sides = self.sides((*path, "sides"), table.get("sides", {}), shared)
        for key, item in SIDE_KEYS.items():
            if item not in sides:
                where = (*path, "sides", key)
                self.fault(where, "prix manquant, ici ou dans la période", "price missing, here or in the period")
        membership, subscription, hour = (self.amount((*path, key), table.get(key, ZERO)) for key in AMOUNTS)
        prices = Prices(
            membership=membership,
            subscription=subscription,
            hour=hour,
            sides=sides,
            hour_step_min=self.whole((*path, "hour_step_min"), table.get("hour_step_min", 1), 1, HOUR_MIN),
            day_cap=self.cap(path, table, "day_cap"),
            month_cap=self.cap(path, table, "month_cap"),
            free_mono_sides=self.whole((*path, "free_mono_sides"), table.get("free_mono_sides", 0), 0, 100_000),
            free_colour_sides=self.whole((*path, "free_colour_sides"), table.get("free_colour_sides", 0), 0, 100_000),
        )
        self.backs(path, prices)
        return prices

    def cap(self, path: tuple[str, ...], table: Mapping[str, object], key: str) -> Decimal | None:
        return self.amount((*path, key), table[key]) if key in table else None

    def amount(self, path: tuple[str, ...], value: object) -> Decimal:
        """Take an exact price: a Decimal, a whole number, or one written as text."""
        if isinstance(value, str) and value.replace(".", "", 1).isdecimal() and value.isascii():
            value = Decimal(value)
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if not isinstance(value, Decimal):
            self.fault(path, "attend un prix, par exemple 2.50", "expects a price, for example 2.50")
            return ZERO
        if not value.is_finite() or not ZERO <= value <= DEAREST:
            self.fault(path, f"attend un prix de 0 à {DEAREST}", f"expects a price from 0 to {DEAREST}")
            return ZERO
        if value != value.quantize(Decimal(1).scaleb(-DECIMALS)):
            self.fault(path, f"au plus {DECIMALS} décimales", f"at most {DECIMALS} decimals")
        return value

    def whole(self, path: tuple[str, ...], value: object, low: int, high: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.fault(path, f"attend un nombre entier de {low} à {high}", f"expects a whole number from {low} to {high}")
        return low
