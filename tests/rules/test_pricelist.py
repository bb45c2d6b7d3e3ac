"""Reading a tariff: every fault at once, and never a price by guess."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import FormulaId
from agent.rules.pricelist import TariffFaultyError, read_tariff
from agent.rules.tariff import Prices, Tariff
from agent.rules.usage import Item

D = Decimal

GOOD = """
currency = "CHF"
[[periods]]
from = 2026-01-01
sides = { print_mono = 0.05, print_colour = 0.25, copy_mono = "0.05", copy_colour = 1 }
[periods.formulas.occasional]
membership = 24
subscription = 0
hour = 2.50
[[periods]]
from = 2026-07-01
[periods.formulas.occasional]
membership = 24
subscription = 0
hour = 3.00
hour_step_min = 15
day_cap = 20
month_cap = 200.00
free_mono_sides = 50
free_colour_sides = 5
sides = { print_mono = 0.05, print_colour = 0.25, copy_mono = 0.05, copy_colour = 0.25 }
"""

BAD = """
currency = "euro"
colour = 1
[[periods]]
from = "2026-01-01"
sides = { print_mono = -1, scan = 0 }
[periods.formulas.occasional]
membership = 24.123456
subscription = "douze"
hour_step_min = 0
free_mono_sides = true
day_cap = nan
rent = 1
[[periods]]
from = 2026-01-01T00:00:00
formulas = {}
"""


def parse(text: str) -> Tariff:
    return read_tariff(tomllib.loads(text, parse_float=D))


def faults(text: str) -> dict[str, str]:
    with pytest.raises(TariffFaultyError) as caught:
        parse(text)
    return {".".join(fault.path): fault.en for fault in caught.value.faults}


def test_a_whole_tariff() -> None:
    tariff = parse(GOOD)
    assert (tariff.currency, [period.since for period in tariff.periods]) == (
        "CHF",
        [date(2026, 1, 1), date(2026, 7, 1)],
    )
    occasional = FormulaId("occasional")
    assert tariff.periods[0].formulas[occasional] == Prices(
        membership=D(24),
        subscription=D(0),
        hour=D("2.50"),
        sides={
            Item.PRINT_MONO: D("0.05"),
            Item.PRINT_COLOUR: D("0.25"),
            Item.COPY_MONO: D("0.05"),
            Item.COPY_COLOUR: D(1),
        },
    )
    later = tariff.periods[1].formulas[occasional]
    assert (later.hour_step_min, later.day_cap, later.month_cap) == (15, D(20), D(200))
    assert (later.free_mono_sides, later.free_colour_sides) == (50, 5)


def test_every_fault_at_once_with_its_path() -> None:
    assert faults(BAD) == {
        "currency": 'expects three capitals like "EUR"',
        "colour": "unknown key; known: currency, periods",
        "periods.0.from": "expects a day: 2026-01-01",
        "periods.0.sides.print_mono": "expects a price from 0 to 100000",
        "periods.0.sides.scan": "unknown key; known: print_mono, print_colour, copy_mono, copy_colour, "
        "print_mono_a3, print_colour_a3, copy_mono_a3, copy_colour_a3, print_mono_two_sided, print_colour_two_sided, "
        "print_mono_a3_two_sided, print_colour_a3_two_sided",
        "periods.0.formulas.occasional.membership": "at most 4 decimals",
        "periods.0.formulas.occasional.subscription": "expects a price, for example 2.50",
        "periods.0.formulas.occasional.hour": "price missing; write 0 for free",
        "periods.0.formulas.occasional.hour_step_min": "expects a whole number from 1 to 60",
        "periods.0.formulas.occasional.free_mono_sides": "expects a whole number from 0 to 100000",
        "periods.0.formulas.occasional.day_cap": "expects a price from 0 to 100000",
        "periods.0.formulas.occasional.rent": (
            "unknown key; known: membership, subscription, hour, hour_step_min, day_cap, month_cap, free_mono_sides,"
            " free_colour_sides, sides"
        ),
        "periods.0.formulas.occasional.sides.print_colour": "price missing, here or in the period",
        "periods.0.formulas.occasional.sides.copy_mono": "price missing, here or in the period",
        "periods.0.formulas.occasional.sides.copy_colour": "price missing, here or in the period",
        "periods.1.from": "expects a day: 2026-01-01",
        "periods.1.formulas": "no formula",
    }


def test_periods_must_follow_each_other() -> None:
    assert faults(GOOD.replace("2026-07-01", "2026-01-01")) == {"periods.1.from": "must come after the period before"}


@pytest.mark.parametrize("text", ["", "periods = 3", "periods = []"])
def test_a_tariff_without_periods(text: str) -> None:
    assert faults(text) == {"periods": "needs at least one [[periods]]"}


def test_a_table_that_is_none() -> None:
    assert faults("periods = [1]") == {
        "periods.0": "expects a table",
        "periods.0.from": "expects a day: 2026-01-01",
        "periods.0.formulas": "no formula",
    }


def test_a_binary_fraction_is_no_price() -> None:
    with pytest.raises(TariffFaultyError) as caught:
        read_tariff(tomllib.loads(GOOD))
    assert "periods.0.formulas.occasional.hour: attend un prix, par exemple 2.50" in str(caught.value)


keys = st.sampled_from(["currency", "periods", "from", "sides", "formulas", "hour", "membership", "print_mono"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_no_table_whatever_breaks_the_reader(table: dict[str, object]) -> None:
    with pytest.raises(TariffFaultyError):
        read_tariff(table)


def test_a3_and_backs_may_have_their_own_prices_and_a_back_never_makes_it_cheaper() -> None:
    text = MINIMAL_PAPER.format(
        more="print_mono_a3 = 0.10, print_mono_two_sided = 0.04, print_mono_a3_two_sided = 0.05"
    )
    prices = read_tariff(tomllib.loads(text, parse_float=Decimal)).periods[0].formulas[FormulaId("member")]
    assert prices.sides[Item.PRINT_MONO_A3] == Decimal("0.10")
    assert prices.priced_as(Item.PRINT_MONO_TWO_SIDED) is Item.PRINT_MONO_TWO_SIDED
    assert prices.priced_as(Item.PRINT_COLOUR_A3_TWO_SIDED) is Item.PRINT_COLOUR
    found = faults(MINIMAL_PAPER.format(more="print_mono_two_sided = 0.02, print_mono_a3_two_sided = 0.03"))
    assert found == {
        "periods.0.formulas.member.sides.print_mono_two_sided": (
            "at least half of a single side (0.025): else one side more would cost less"
        )
    }


MINIMAL_PAPER = """
[[periods]]
from = 2026-01-01
sides = {{ print_mono = 0.05, print_colour = 0.25, copy_mono = 0.05, copy_colour = 0.25, {more} }}
[periods.formulas.member]
membership = 0
subscription = 0
hour = 0
"""
