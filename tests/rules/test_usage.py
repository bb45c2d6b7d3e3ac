"""What a fact counts: prints by colour, size and sheet, what is free, what is open; copies; what is nobody's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, Evidence, Free, PagesCounted
from agent.rules.paper import BooksOpened, CopiesCounted, CopiesMetered, PrintedPast, PrintsUnmatched
from agent.rules.past import HOUSE, PastAttributed, attributed
from agent.rules.presence import VisitEnded, VisitEvidence
from agent.rules.usage import Item, Usage, past_used, usages

AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
DAY = date(2026, 11, 24)
ANNE, SUB = MemberId("anne"), FormulaId("subscriber")
ROW = AttemptCounted(*("copieur", "S1", "a", AliasId("a1"), ANNE, SUB), 15, 0, 15, 15, 15, Evidence.DEVICE, "completed")


def told(fact) -> list[tuple[str, str, int, int]]:
    return [(use.member, use.item.value, use.quantity, use.uncertain) for use in usages(fact, AT)]


@pytest.mark.parametrize(
    ("row", "uses"),
    [
        (ROW, [("anne", "print-mono", 15, 0)]),
        (replace(ROW, sheets=9), [("anne", "print-mono", 3, 0), ("anne", "print-mono-two-sided", 12, 0)]),
        (
            replace(ROW, sides_mono=7, sides_colour=8, sheets=9, large=True),
            [
                ("anne", "print-mono-a3", 3, 0),
                ("anne", "print-mono-a3-two-sided", 4, 0),
                ("anne", "print-colour-a3-two-sided", 8, 0),
            ],
        ),
        (
            replace(ROW, sides_mono=10, sides_colour=5, free=15, why_free=Free.SYSTEM),
            [("", "overhead-mono", 10, 0), ("", "overhead-colour", 5, 0)],
        ),
        (
            replace(ROW, sides_mono=6, sheets=6, low=6, high=6, free=1, why_free=Free.BANNER),
            [("anne", "print-mono", 5, 0), ("", "overhead-mono", 1, 0)],
        ),
        (replace(ROW, sides_mono=0, sheets=0, low=0, high=20), [("anne", "print-mono", 0, 20)]),
        (replace(ROW, low=15, high=20), [("anne", "print-mono", 15, 5)]),
        (replace(ROW, state="aborted"), [("anne", "print-mono", 15, 1)]),
        (replace(ROW, evidence=Evidence.FORECAST), [("anne", "print-mono", 15, 1)]),
        (replace(ROW, sides_mono=0, sheets=0, low=0, high=0), []),
    ],
)
def test_a_print(row, uses):
    assert told(row) == uses


def test_a_print_of_the_older_kind_has_one_price_for_both_sides_of_a_sheet():
    old = PagesCounted(
        *("copieur", "S1", "a", AliasId("a1"), ANNE, SUB), 10, 5, 8, 15, 15, Evidence.DEVICE, "completed"
    )
    assert told(old) == [("anne", "print-mono", 10, 0), ("anne", "print-colour", 5, 0)]


def test_copies_and_what_is_nobodys():
    row = CopiesMetered("copieur", "S1", 1, "v", ANNE, SUB, 9, 4, 0, 0, large_mono=2, large_colour=4)
    assert told(row) == [("anne", "copy-mono", 7, 0), ("anne", "copy-mono-a3", 2, 0), ("anne", "copy-colour-a3", 4, 0)]
    assert told(replace(row, member=MemberId(""))) == [
        ("", "unattributed-mono", 9, 0),
        ("", "unattributed-colour", 4, 0),
    ]
    assert told(CopiesCounted("copieur", "S1", 1, "v", ANNE, SUB, 9, 0, 0, 0)) == [("anne", "copy-mono", 9, 0)]
    assert told(PrintsUnmatched("copieur", "S1", 1, -3, 2, 0, 0)) == [
        ("", "unattributed-mono", -3, 0),
        ("", "unattributed-colour", 2, 0),
    ]
    assert told(BooksOpened("copieur", "S1", 1, 0, 0, 0, 0, "first")) == []


def test_a_visit_counts_on_the_day_it_ended():
    visit = VisitEnded("v", ANNE, SUB, AT, datetime(2026, 11, 23, 18, 0, tzinfo=UTC), 90, VisitEvidence.ANIMATOR)
    assert usages(visit, AT) == (Usage(date(2026, 11, 23), ANNE, SUB, Item.VISIT, 90),)


def past(member: str, **more) -> list[tuple[str, str, int, int]]:
    stray = PrintedPast("copieur", "S1", 1, 8, 0, 108, 20, "S1/9/u9")
    whose = (MemberId(member), SUB if member == ANNE else FormulaId(""))
    said: PastAttributed = replace(attributed("p", stray, (MemberId(""), FormulaId("")), whose, 1, "a1"), **more)
    return [(use.member, use.item.value, use.quantity, use.uncertain) for use in past_used(DAY, said)]


@pytest.mark.parametrize(
    ("member", "more", "uses"),
    [
        (ANNE, {"sheets": 8}, [("anne", "print-mono", 8, 0)]),
        (ANNE, {"sheets": 4}, [("anne", "print-mono-two-sided", 8, 0)]),
        (ANNE, {"sides_mono": 3, "sides_colour": 1, "sheets": 4, "large": True},
         [("anne", "print-mono-a3", 3, 0), ("anne", "print-colour-a3", 1, 0)]),
        (ANNE, {"sides_mono": 4, "sheets": 4, "low": 4, "high": 8}, [("anne", "print-mono", 4, 4)]),
        (ANNE, {"sheets": 8, "state": "aborted"}, [("anne", "print-mono", 8, 1)]),
        (HOUSE, {"sheets": 8, "low": 4}, [("", "overhead-mono", 8, 0)]),
        ("", {"sides_mono": 4, "colour": 2}, [("", "unattributed-mono", 8, 0), ("", "unattributed-colour", 2, 0)]),
    ],
)  # fmt: skip
def test_a_print_past_the_box_counts_as_a_print_once_it_is_somebodys(member, more, uses):
    assert past(member, **more) == uses
