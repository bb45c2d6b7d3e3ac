"""A quarter of the lessor's contract: our reading, the package, the invoice."""

from __future__ import annotations

from datetime import date

import pytest

from agent.rules.contract import Stand, Terms, bounds, contract_lines, quarter_at, quarter_of, stand_of
from agent.rules.panel import Counted, Typed, judge_panel
from agent.rules.paper import MetersRead

OCT, DEC, JAN = date(2026, 10, 1), date(2026, 12, 31), date(2027, 1, 1)
START = Stand(OCT, "S1", 50_000, 9_000, 1_000, 200)
END = Stand(JAN, "S1", 53_500, 9_450, 1_100, 210)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2026-Q1", (date(2026, 1, 1), date(2026, 4, 1))),
        ("2026-Q4", (date(2026, 10, 1), date(2027, 1, 1))),
        ("2026-Q5", None),
        ("1999-Q1", None),
        ("2026-4", None),
    ],
)
def test_a_quarter(text, span):
    assert quarter_of(text) == span


def test_the_quarter_of_a_day():
    assert [quarter_at(date(2026, month, 15)) for month in (1, 3, 4, 11)] == [
        "2026-Q1",
        "2026-Q1",
        "2026-Q2",
        "2026-Q4",
    ]


def test_the_package_the_difference_and_no_invoice_yet():
    mono, colour = contract_lines(START, END, Terms(3_000, 500), {"mono": 3_620})
    assert (mono.ours, mono.beyond, mono.difference, mono.verdict) == (3_500, 500, 120, "more")
    assert (colour.ours, colour.beyond, colour.difference, colour.verdict) == (450, 0, None, "open")


@pytest.mark.parametrize(
    ("contract", "device", "ours"),
    [(1, 1, (3_500, 450)), (2, 1, (3_600, 460)), (2, 2, (3_500, 450)), (1, 2, (3_400, 440))],
)
def test_a3_is_one_click_or_two_whatever_the_counter_does(contract, device, ours):
    lines = contract_lines(
        START, END, Terms(a3_clicks=contract, device_a3_clicks=device), {"mono": ours[0], "colour": 1}
    )
    assert tuple(line.ours for line in lines) == ours
    assert [line.verdict for line in lines] == ["same", "less"]


def test_a_device_that_tells_no_sizes_has_none_told():
    lines = contract_lines(Stand(OCT, "", 1, 1), Stand(JAN, "", 11, 3), Terms(a3_clicks=2), {})
    assert [(line.ours, line.large) for line in lines] == [(10, None), (2, None)]


def test_where_counters_stood():
    def meters(**rows: int) -> MetersRead:
        return MetersRead("c", "S1", OCT, tuple((name.replace("_", "-"), count) for name, count in rows.items()))

    assert stand_of(meters(total=100, total_colour=30)) == Stand(OCT, "S1", 70, 30)
    assert stand_of(meters(total=100, print_colour=20, copy_colour=5)) == Stand(OCT, "S1", 75, 25)
    assert stand_of(meters(total=100, total_colour=30, total_large=9, total_colour_large=4)) == Stand(
        OCT, "S1", 70, 30, 5, 4
    )
    assert stand_of(meters(total=100)) is None
    assert stand_of(meters(total_colour=100)) is None
    panel, _ = judge_panel("c", Typed(OCT, 70, 30), None, Counted(), "a")
    assert stand_of(panel) == Stand(OCT, "", 70, 30)


def test_between_which_stands_a_quarter_is_read():
    late, mid = Stand(date(2026, 9, 20), "S1", 49_000, 8_000), Stand(date(2026, 11, 2), "S1", 51_000, 9_100)
    assert bounds([END, START, late, mid], OCT, JAN) == (START, END)
    assert bounds([late, mid], OCT, JAN) == (late, mid)
    assert bounds([mid, END], OCT, JAN) == (mid, END)
    assert bounds([mid], OCT, JAN) is None
    assert bounds([START], OCT, JAN) is None
    assert bounds([], OCT, JAN) is None
    assert bounds([START, Stand(DEC, "S2", 60_000, 9_900)], OCT, JAN) is None  # another machine
    assert bounds([START, Stand(DEC, "S1", 60_000, 12)], OCT, JAN) is None  # reset
