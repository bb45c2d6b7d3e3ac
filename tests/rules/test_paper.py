"""Whose card opens a copy visit, and what the facts of the books add to the summaries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.members import Card, Member, Roster
from agent.rules.paper import CopiesCounted, CopiesMetered, PrintedPast, PrintsUnmatched, holder

ALICE = Member(MemberId("m042"), FormulaId("subscriber"), date(2026, 3, 1), date(2026, 11, 30))
BOB = Member(MemberId("m043"), FormulaId("occasional"), date(2026, 3, 1), None)
ROSTER = Roster(
    version=1,
    members={member.id: member for member in (ALICE, BOB)},
    cards={
        CardKey(key): Card(CardKey(key), MemberId(member), blocked)
        for key, member, blocked in [
            ("a", "m042", False),
            ("b", "m043", False),
            ("x", "m042", True),
            ("g", "m9", False),
        ]
    },
)


@pytest.mark.parametrize(
    ("card", "day", "whose"),
    [
        ("a", date(2026, 3, 1), ALICE),
        ("a", date(2026, 11, 30), ALICE),
        ("a", date(2026, 2, 28), None),
        ("a", date(2026, 12, 1), None),
        ("b", date(2030, 1, 1), BOB),
        ("x", date(2026, 6, 1), None),
        ("g", date(2026, 6, 1), None),
        ("nobody's", date(2026, 6, 1), None),
    ],
)
def test_a_known_card_of_a_member_in_its_dates_opens_a_visit(card, day, whose):
    assert holder(CardKey(card), ROSTER, day) == whose


def test_copies_add_to_their_member_or_to_nobody():
    fact = CopiesCounted("copieur", "S1", 1, "v", MemberId("m042"), FormulaId("subscriber"), 3, 1, 3, 1)
    assert [(total.name, dict(total.labels)["kind"], total.amount) for total in fact.totals()] == [
        ("sides", "copy", 3),
        ("member_sides", "copy", 3),
        ("sides", "copy", 1),
        ("member_sides", "copy", 1),
    ]
    stray = CopiesCounted("copieur", "S1", 1, "", MemberId(""), FormulaId(""), 3, 0, 3, 0)
    assert [(dict(total.labels)["kind"], total.amount) for total in stray.totals()] == [
        ("unattributed", 3),
        ("unattributed", 0),
    ]


def test_unmatched_prints_add_to_nobody_and_a_correction_takes_away():
    fact = PrintsUnmatched("copieur", "S1", 1, -5, 2, 100, 20)
    assert [(dict(total.labels)["kind"], total.amount) for total in fact.totals()] == [
        ("unattributed", -5),
        ("unattributed", 2),
    ]


def test_what_was_printed_past_us_is_unattributed_and_counted_by_itself():
    fact = PrintedPast("copieur", "S1", 1, 5, 2, 100, 20, "S1/9/u9")
    assert [(total.name, total.amount) for total in fact.totals()] == [
        ("sides", 5),
        ("sides", 2),
        ("printed_past_sides", 7),
    ]


def test_a3_copies_add_to_the_large_sides_of_their_account():
    row = CopiesMetered(
        *("copieur", "S1", 1, "v", MemberId("anne"), FormulaId("subscriber")), 9, 4, 0, 0, large_mono=2, large_colour=4
    )
    large = [(dict(step.labels)["kind"], step.amount) for step in row.totals() if step.name == "large_sides"]
    assert large == [("copy", 6)]
    nobodys = replace(row, member=MemberId(""))
    assert [dict(step.labels)["kind"] for step in nobodys.totals()][-1] == "unattributed"
    assert [step.name for step in replace(row, large_mono=0, large_colour=0).totals()].count("large_sides") == 0
