"""What a job makes of its documents. Expected figures are counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import agent.views
from agent.rules.facts import FormulaId
from agent.rules.forecast import WAITING, Forecast, forecast, price, quote
from agent.rules.tariff import Prices
from agent.rules.usage import Item
from agent.sitefile import read_tariff
from drivers.holding import HeldJob, Leaves

SEVEN = Leaves(7, frozenset({2}))
SIDES = {
    Item.PRINT_MONO: Decimal("0.05"),
    Item.PRINT_COLOUR: Decimal("0.25"),
    Item.COPY_MONO: Decimal("0.05"),
    Item.COPY_COLOUR: Decimal("0.25"),
}
PRICES = Prices(Decimal(24), Decimal(90), Decimal(0), SIDES)


def job(**asked: object) -> HeldJob:
    return HeldJob("copieur", 7, 1_700_000_000, "alice", "192.0.2.7", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "sides", "colour", "sheets", "backs"),
    [
        ({}, 7, 1, 7, 1),  # the queue, or the machine, may print it on both sides
        ({"one_sided": True}, 7, 1, 7, 0),
        ({"copies": 3, "one_sided": True, "banners": (True, True)}, 21, 3, 21, 0),
        ({"copies": 3}, 21, 3, 21, 3),
        ({"two_sided": True}, 7, 1, 4, 1),
        ({"copies": 3, "two_sided": True}, 21, 3, 12, 3),
        ({"copies": 3, "two_sided": True, "banners": (True, True)}, 21, 3, 12, 5),
        ({"number_up": 4, "copies": 2, "two_sided": True}, 4, 2, 2, 0),
        ({"number_up": 2}, 4, 1, 4, 0),
        ({"ranges": ((2, 4),)}, 3, 1, 3, 1),
        ({"ranges": ((3, 4), (6, 99))}, 4, 0, 4, 0),
        ({"ranges": ((9, 12),)}, 0, 0, 0, 0),
        ({"page_set": "odd"}, 4, 0, 4, 0),
        ({"page_set": "even"}, 3, 1, 3, 1),
        ({"page_set": "even", "ranges": ((1, 2),)}, 1, 1, 1, 1),
        ({"number_up": 2, "ranges": ((1, 3),)}, 3, 1, 3, 1),  # the first three sides, of six pages
        ({"number_up": 2, "ranges": ((3, 4),)}, 2, 0, 2, 0),
        ({"number_up": 2, "page_set": "even"}, 2, 0, 2, 0),
        ({"number_up": 4, "page_set": "odd", "copies": 2}, 2, 2, 2, 2),
        ({"number_up": 9}, 1, 1, 1, 1),
        ({"monochrome": True}, 7, 0, 7, 1),
    ],
)
def test_options(asked: dict[str, object], sides: int, colour: int, sheets: int, backs: int) -> None:
    assert forecast(job(**asked), (SEVEN,)) == Forecast(sides, colour, sheets, backs=backs)


def test_two_documents_are_printed_one_after_the_other() -> None:
    five = Leaves(5, frozenset({1, 5}))
    assert forecast(job(two_sided=True), (five, SEVEN)) == Forecast(12, 3, 7, backs=2)


def test_what_nobody_can_tell_stays_unknown() -> None:
    locked = Leaves(None, why="encrypted")
    assert forecast(job(), (locked,)) == Forecast(why="encrypted")
    assert forecast(job(), (SEVEN, locked)) == Forecast(why="encrypted")
    assert forecast(job(), ()) == Forecast(why="broken")


def test_pages_that_are_laid_out_anew_are_not_known() -> None:
    assert forecast(job(recast=True), (SEVEN,)) == Forecast(why="recast")


def test_pages_may_be_known_and_their_colour_not() -> None:
    slow = Leaves(200, None, "too-slow")
    assert forecast(job(), (slow,)) == Forecast(200, None, 200, "too-slow")
    assert forecast(job(monochrome=True), (slow,)) == Forecast(200, 0, 200)


def test_prices_are_a_range_where_the_colour_is_unknown() -> None:
    assert price(Forecast(14, 4, 14), PRICES) == (Decimal("1.50"), Decimal("1.50"))
    assert price(Forecast(14, None, 14), PRICES) == (Decimal("0.70"), Decimal("3.50"))
    assert price(Forecast(why="broken"), PRICES) is None
    assert price(Forecast(0, 0, 0), PRICES) == (Decimal("0.00"), Decimal("0.00"))


def test_a_side_is_quoted_as_it_will_be_billed() -> None:
    """A3 and what shares a sheet have prices of their own, where the tariff makes a difference."""
    own = {Item.PRINT_MONO_A3: "0.10", Item.PRINT_COLOUR_A3: "0.50", Item.PRINT_MONO_TWO_SIDED: "0.04"}
    prices = replace(PRICES, sides={**SIDES, **{item: Decimal(each) for item, each in own.items()}})
    assert price(Forecast(7, 1, 7, large=True), prices) == (Decimal("1.10"), Decimal("1.10"))
    assert price(Forecast(7, 0, 4), prices) == (Decimal("0.29"), Decimal("0.29"))  # six share a sheet, one does not
    assert price(Forecast(7, None, 4), prices) == (Decimal("0.29"), Decimal("1.75"))
    assert price(Forecast(7, 0), prices) == (Decimal("0.35"), Decimal("0.35"))
    assert forecast(job(media="iso_a3_297x420mm"), (SEVEN,)).large
    assert not forecast(job(media="iso_a4_210x297mm"), (SEVEN,)).large


def test_jobs_together_have_a_price_only_if_each_has() -> None:
    tariff = read_tariff(Path(agent.views.__file__).with_name("tariff-example.toml"))
    day, formula = date(2026, 11, 24), FormulaId("subscriber")
    two = [Forecast(15, 0), Forecast(2, 2)]
    assert quote(two, tariff, day, formula) == (Decimal("1.25"), Decimal("1.25"))
    assert quote([Forecast(10)], tariff, day, formula) == (Decimal("0.50"), Decimal("2.50"))
    assert quote([*two, WAITING], tariff, day, formula) is None
    assert quote(two, None, day, formula) is None
    assert quote(two, tariff, day, FormulaId("ghost")) is None
    assert quote([], tariff, day, formula) == (Decimal(0), Decimal(0))
