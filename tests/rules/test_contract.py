"""A quarter of the lessor's contract: our reading, the package, the invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from agent.rules.contract import (
    Bill,
    Pack,
    Stand,
    Terms,
    amount_of,
    bill,
    contract_lines,
    quarter_at,
    quarter_of,
    quarters_to,
    stand_of,
)
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


def test_the_quarters_before():
    assert quarters_to("2026-Q2", 4) == ("2026-Q2", "2026-Q1", "2025-Q4", "2025-Q3")


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
    apart = {"print-colour": 20, "copy-colour": 5}
    assert stand_of(meters(total=100, print_colour=20, copy_colour=5)) == Stand(OCT, "S1", 75, 25, functions=apart)
    assert stand_of(meters(total=100, total_colour=30, total_large=9, total_colour_large=4)) == Stand(
        OCT, "S1", 70, 30, 5, 4
    )
    assert stand_of(meters(total=100)) is None
    assert stand_of(meters(total_colour=100)) is None
    panel, _ = judge_panel("c", Typed(OCT, 70, 30), None, Counted(), "a")
    assert stand_of(panel) == Stand(OCT, "", 70, 30)
    panel, _ = judge_panel("c", Typed(OCT, 70, 30, 40, 10), None, Counted(), "a")
    apart = {"copy-mono": 40, "copy-colour": 10, "print-mono": 30, "print-colour": 20}
    assert stand_of(panel) == Stand(OCT, "", 70, 30, functions=apart)


PRICED = Terms(3_000, 500, 2, 1, Decimal("180.00"), Decimal("0.0065"), Decimal("0.0550"))


def test_what_a_quarter_costs_beyond_the_package_and_how_much_the_invoice_is_off():
    lines = contract_lines(START, END, PRICED, {"mono": 3_620, "colour": 520})
    mono, colour = lines
    assert (mono.ours, mono.sides, mono.beyond, mono.due, mono.dearer) == (
        *(3_600, 3_500, 600),
        *(Decimal("3.90"), Decimal("0.13")),
    )
    assert (colour.ours, colour.sides, colour.beyond, colour.due) == (460, 450, 0, Decimal("0.00"))
    assert colour.dearer == Decimal("1.10")  # 20 clicks over a package that we did not use up
    assert bill(lines, PRICED, None) == Bill(Decimal("180.00"), Decimal("183.90"), None)
    asked = bill(lines, PRICED, Decimal("185.13"))
    assert asked is not None
    assert asked.difference == Decimal("1.23")
    assert Bill(Decimal("0.00"), Decimal("3.00"), None).difference is None


def test_each_line_is_rounded_once_half_away_from_zero():
    terms = Terms(mono_price=Decimal("0.0050"))
    line = contract_lines(Stand(OCT, "", 0, 0), Stand(JAN, "", 101, 0), terms, {})[0]
    assert line.due == Decimal("0.51")


def test_a_device_that_clicks_twice_for_a3_put_out_fewer_sides():
    mono, colour = contract_lines(START, END, Terms(a3_clicks=1, device_a3_clicks=2), {})
    assert (mono.sides, mono.ours, colour.sides, colour.ours) == (3_400, 3_400, 440, 440)
    mono, _ = contract_lines(START, END, Terms(a3_clicks=2, device_a3_clicks=2), {})
    assert (mono.sides, mono.ours) == (3_400, 3_500)


@pytest.mark.parametrize(
    ("contract", "device", "sides", "blind"), [(1, 1, 10, False), (2, 1, 10, True), (2, 2, None, False)]
)
def test_where_nobody_tells_a3_what_cannot_be_known_is_not_said(contract, device, sides, blind):
    terms = Terms(a3_clicks=contract, device_a3_clicks=device)
    line = contract_lines(Stand(OCT, "", 1, 1), Stand(JAN, "", 11, 3), terms, {})[0]
    assert (line.sides, line.blind, line.ours) == (sides, blind, 10)


def test_without_prices_there_is_no_bill_and_a_missing_one_leaves_it_open():
    lines = contract_lines(START, END, Terms(3_000, 500), {"mono": 3_600})
    assert bill(lines, Terms(3_000, 500), Decimal(200)) is None
    assert (lines[0].due, lines[0].dearer) == (None, None)
    half = Terms(3_000, 0, package_price=Decimal(150), mono_price=Decimal("0.01"))
    found = bill(contract_lines(START, END, half, {}), half, Decimal(200))
    assert found == Bill(Decimal("150.00"), None, Decimal(200))
    assert found.difference is None
    only = Terms(3_000, 500, colour_price=Decimal("0.05"))  # mono has none, and goes beyond
    assert bill(contract_lines(START, END, only, {}), only, None) == Bill(Decimal("0.00"), None, None)


BEFORE = {"print-mono": 30_000, "copy-mono": 20_000, "print-colour": 5_000, "copy-colour": 4_000, "scan": 700}
AFTER = {"print-mono": 32_000, "copy-mono": 21_400, "print-colour": 5_300, "copy-colour": 4_150, "scan": 1_900}


def between(before: dict[str, int], after: dict[str, int]) -> tuple[Stand, Stand]:
    return replace(START, functions=before), replace(END, functions=after)


def test_a_contract_by_function_prints_copies_a3_and_scans() -> None:
    terms = Terms(
        colour_included=400,
        colour_price=Decimal("0.055"),
        functions={
            "scan": Pack(1_000, Decimal("0.002")),
            "copy-mono": Pack(0, Decimal("0.008")),
            "print-mono": Pack(1_500, Decimal("0.006")),
            "colour-large": Pack(0, Decimal("0.11")),
        },
    )
    assert terms.lines == ("colour", "print-mono", "copy-mono", "colour-large", "scan")
    lines = contract_lines(*between(BEFORE, AFTER), terms, {"copy-mono": 1_450, "scan": 1_200})
    assert [(line.what, line.ours, line.beyond, line.due, line.verdict) for line in lines] == [
        ("colour", 440, 40, Decimal("2.20"), "open"),  # its ten A3 sides are on their own line
        ("print-mono", 2_000, 500, Decimal("3.00"), "open"),
        ("copy-mono", 1_400, 1_400, Decimal("11.20"), "more"),
        ("colour-large", 10, 10, Decimal("1.10"), "open"),
        ("scan", 1_200, 200, Decimal("0.40"), "same"),
        ("mono-rest", 100, 100, None, "rest"),  # counted in total, and neither as a print nor as a copy
    ]
    assert [line.dearer for line in lines if line.what == "copy-mono"] == [Decimal("0.40")]
    assert bill(lines, terms, Decimal("18.30")) == Bill(Decimal("0.00"), Decimal("17.90"), Decimal("18.30"))


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {}), ({"fax": 3}, {}), ({}, {"fax": 3}), ({"fax": 3}, {"fax": 2})],
    ids=["never", "no more", "not yet", "fell"],
)
def test_what_the_device_does_not_count_apart_is_not_made_up(before: dict[str, int], after: dict[str, int]) -> None:
    terms = Terms(9_999, 9_999, functions={"fax": Pack(5, Decimal("0.05"))})
    *_, fax = contract_lines(*between(before, after), terms, {"fax": 12})
    assert (fax.what, fax.told, fax.verdict, fax.difference, fax.due, fax.dearer) == (
        *("fax", False, "untold"),
        *(None, None, None),
    )
    assert bill([fax], terms, None) == Bill(Decimal("0.00"), None, None)  # so the whole is not known either


def test_a3_of_prints_and_copies_apart_is_known_only_where_it_is_told() -> None:
    apart = {"print-colour": Pack(), "copy-colour": Pack()}
    for terms, clicks in (
        (Terms(a3_clicks=2, functions=apart), 304),
        (Terms(functions={**apart, "colour-large": Pack()}), 296),
    ):
        lines = contract_lines(
            *between({**BEFORE, "print-colour-large": 6}, {**AFTER, "print-colour-large": 10}), terms, {}
        )
        assert [(line.what, line.ours, line.blind) for line in lines][1:3] == [
            ("print-colour", clicks, False),
            ("copy-colour", 150, True),  # its A3 sides nobody tells
        ]
    assert [line.what for line in contract_lines(*between({}, AFTER), Terms(functions=apart), {})] == [
        *("mono", "print-colour", "copy-colour"),  # and no rest, where it cannot be told
    ]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1 234,50 €", Decimal("1234.50")),
        ("1.234,50", Decimal("1234.50")),
        ("1.345.678,9", Decimal("1345678.9")),
        ("1.234", None),
        ("183.9", Decimal("183.9")),
        ("0", Decimal(0)),
        ("", None),
        ("-3", None),
        ("1,234", None),
        ("12345678", None),
        ("٣", None),
        ("beaucoup", None),
    ],
)
def test_an_amount_as_people_type_it(text, amount):
    assert amount_of(text) == amount
