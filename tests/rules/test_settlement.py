"""The fact of a settlement: what it moves, and what a row is after it."""

from __future__ import annotations

from dataclasses import fields, replace

from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, Evidence, PagesCounted
from agent.rules.settlement import PrintSettled, SidesSettled, Why, settled

SAID = SidesSettled(
    *("a", "copieur", 3, 1, MemberId("anne"), FormulaId("subscriber")), 2, 0, 5, 4, 6, 9, 9, 0, True, Why.PAPER, "a1"
)


def moves(fact: PrintSettled) -> list[tuple[str, str, str, str, int]]:
    rows = []
    for step in fact.totals():
        labels = dict(step.labels)
        whose = labels.get("formula", labels.get("member", ""))
        rows.append((step.name, labels["kind"], labels["colour"], whose, int(step.amount)))
    return rows


def test_the_sides_move_from_nobody_to_the_member():
    assert moves(SAID) == [
        ("sides_moved_here", "print", "mono", "subscriber", 3),
        ("sides_moved_away", "unattributed", "mono", "", 3),
        ("member_sides_moved_here", "print", "mono", "anne", 3),
        ("sides_moved_here", "print", "colour", "subscriber", 4),
        ("sides_moved_away", "unattributed", "colour", "", 4),
        ("member_sides_moved_here", "print", "colour", "anne", 4),
    ]


def test_less_than_before_moves_back():
    assert moves(replace(SAID, sides_mono=1, sides_colour=0))[:3] == [
        ("sides_moved_away", "print", "mono", "subscriber", 1),
        ("sides_moved_here", "unattributed", "mono", "", 1),
        ("member_sides_moved_away", "print", "mono", "anne", 1),
    ]


def test_what_no_counter_saw_what_is_nobodys_and_what_is_free():
    assert moves(replace(SAID, metered=False, member=MemberId(""), formula=FormulaId(""))) == [
        ("sides_moved_here", "print", "mono", "unclaimed", 3),
        ("sides_moved_here", "print", "colour", "unclaimed", 4),
    ]
    assert [row[0] for row in moves(replace(SAID, free=9, was_free=2))] == ["sides_moved_here", "sides_moved_away"] * 2


def test_an_older_settlement_moves_what_it_always_moved():
    old = PrintSettled(*(getattr(SAID, one.name) for one in fields(PrintSettled)))
    assert moves(old) == moves(SAID)
    assert [row[0] for row in moves(replace(old, free=9))] == ["sides_moved_here", "sides_moved_away"] * 2


def test_of_what_is_partly_free_the_rest_is_the_members():
    theirs = [row[2:] for row in moves(replace(SAID, was_free=1, free=6)) if row[3] == "anne"]
    assert theirs == [("mono", "anne", 1), ("colour", "anne", 3)]  # from 1 + 0 that are paid to 0 + 3
    names = [row[0] for row in moves(replace(SAID, was_free=1, free=6)) if row[3] == "anne"]
    assert names == ["member_sides_moved_away", "member_sides_moved_here"]


def test_a_row_after_it():
    old = PagesCounted(
        *("copieur", "S1", "a", AliasId("a1"), MemberId("anne"), FormulaId("subscriber")),
        *(2, 0, 2, 2, 20, Evidence.COUNTER, "completed"),
    )
    now = settled(old, SAID)
    assert (now.sides_mono, now.sides_colour, now.sheets, now.low, now.high) == (5, 4, 6, 9, 9)
    row = AttemptCounted(
        *("copieur", "S1", "a", AliasId("a1"), MemberId("anne"), FormulaId("subscriber")),
        *(2, 0, 2, 2, 20, Evidence.COUNTER, "completed"),
    )
    again = settled(row, replace(SAID, free=9))
    assert isinstance(again, AttemptCounted)
    assert (again.low, again.free) == (9, 9)
