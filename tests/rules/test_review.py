"""Uncertain prints, settled by a hand or by what the counters leave: literal figures, and the laws of a movement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.attribution import PagesAttributed, Slips
from agent.rules.claims import Claim, believe, settle
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, Errand, Evidence, Free, Owner, PagesCounted
from agent.rules.review import Doubts
from agent.rules.settlement import PrintSettled, Why

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ANNE = Owner(AliasId("a1"), MemberId("anne"), FormulaId("subscriber"))
LOST = Claim("copieur", "S1", "a", ANNE, most=20, state="completed")
OTHER = replace(LOST, attempt="b", most=5)


def doubts(*facts: PagesCounted | PrintSettled | PagesAttributed) -> Doubts:
    return Doubts().after((fact, NOON) for fact in facts)


def pair(mono: int = 22, colour: int = 0) -> tuple[AttemptCounted, ...]:
    return settle((LOST, OTHER), mono, colour, 3, "copieur/3/0")


def test_a_word_settles_the_attempt_and_leaves_its_neighbour_just_one_figure():
    first, second = pair()
    assert [(one.low, one.high) for one in (first, second)] == [(17, 20), (2, 5)]
    said, left = doubts(first, second).settle("a", 18, 0, Why.PAPER, "a1")
    assert (said.sides_mono, said.low, said.high, said.was_mono, said.why, said.actor) == (
        18,
        18,
        18,
        17,
        "paper",
        "a1",
    )
    assert (left.attempt, left.sides_mono, left.low, left.high) == ("b", 4, 4, 4)
    assert (left.why, left.actor) == (Why.COUNTERS, "")
    assert doubts(first, second, said, left).open() == ()


def test_a_second_word_bounds_the_neighbour_anew():
    first, second = pair()
    told = doubts(first, second)
    told = told.after((fact, NOON) for fact in told.settle("a", 18, 0, Why.PAPER, "a1"))
    said, left = told.settle("a", 20, 0, Why.PANEL, "a1")
    assert (said.turn, said.was_mono, said.sides_mono) == (2, 18, 20)
    assert (left.turn, left.was_mono, left.sides_mono) == (2, 4, 2)


def test_what_somebody_said_is_not_taken_back_by_the_counters():
    first, second = pair()
    told = doubts(first, second)
    told = told.after((fact, NOON) for fact in told.settle("a", 18, 0, Why.PAPER, "a1"))
    told = told.after((fact, NOON) for fact in told.settle("b", 3, 0, Why.PAPER, "a1"))
    assert [one.counted.low for one in told.by_attempt.values()] == [18, 3]
    assert told.settle("a", 19, 0, Why.PAPER, "a1")[1:] == ()


@pytest.mark.parametrize(("sides", "colour"), [(16, 0), (21, 0), (18, 19), (18, -1)])
def test_what_cannot_be_is_not_written(sides, colour):
    assert doubts(*pair()).settle("a", sides, colour, Why.PAPER, "a1") == ()
    assert doubts(*pair()).settle("nobody", 18, 0, Why.PAPER, "a1") == ()


def test_a_movement_of_one_colour_says_the_colour_itself():
    (said, left) = doubts(*pair(0, 22)).settle("a", 18, 0, Why.PAPER, "a1")
    assert (said.sides_mono, said.sides_colour, left.sides_colour) == (0, 18, 4)
    (said,) = doubts(*pair(12, 10)).settle("a", 18, 8, Why.PAPER, "a1")  # mixed: the neighbour's colours are unknown
    assert (said.sides_mono, said.sides_colour) == (10, 8)


def test_the_sides_leave_the_unattributed_account_where_the_counters_saw_them():
    (said, _) = doubts(*pair()).settle("a", 20, 0, Why.PAPER, "a1")
    moved = {
        (step.name, dict(step.labels).get("kind"), dict(step.labels)["colour"]): step.amount for step in said.totals()
    }
    assert moved[("sides_moved_here", "print", "mono")] == 3
    assert moved[("sides_moved_away", "unattributed", "mono")] == 3
    assert moved[("member_sides_moved_here", "print", "mono")] == 3
    claimed = LOST.row(0, 0, 20, Evidence.CLAIMED)
    (said,) = doubts(claimed).settle("a", 7, 2, Why.MEMBER, "a1")
    assert {dict(step.labels)["kind"] for step in said.totals()} == {"print"}
    assert sum(step.amount for step in said.totals() if step.name == "sides_moved_here") == 7
    back = replace(said, was_mono=9, was_colour=2, sides_mono=7)
    assert [step.amount for step in back.totals() if step.name == "sides_moved_away"] == [2]


def test_what_was_free_stays_free_and_what_is_nobodys_is_no_members():
    again = replace(LOST, errand=Errand(system=True)).row(0, 0, 20, Evidence.CLAIMED)
    assert (again.free, again.why_free) == (0, Free.SYSTEM)
    (said,) = doubts(again).settle("a", 7, 0, Why.PAPER, "a1")
    assert said.free == 7
    assert not [step for step in said.totals() if step.name.startswith("member")]
    assert doubts(again, said).by_attempt["a"].counted.free == 7  # type: ignore[attr-defined]
    nobodys = replace(LOST, whose=Owner(AliasId("a9"), MemberId(""), FormulaId(""))).row(0, 0, 20, Evidence.CLAIMED)
    (said,) = doubts(nobodys).settle("a", 7, 0, Why.PAPER, "a1")
    assert {dict(step.labels).get("formula") for step in said.totals()} == {"unclaimed"}


def test_the_banner_of_a_settled_print_is_nobodys_and_its_document_is_paid():
    row = replace(LOST, errand=Errand(banners=1, forecast=5), recorded=True, most=6)
    (forecast,) = believe((row,))
    assert (forecast.low, forecast.high, forecast.free) == (5, 6, 0)
    (said,) = doubts(forecast).settle("a", 6, 0, Why.PAPER, "a1")
    assert (said.sides_mono, said.free, said.was_free) == (6, 1, 0)
    moved = [(step.name, int(step.amount)) for step in said.totals()]
    assert moved[:1] == [("sides_moved_here", 1)]
    assert ("member_sides_moved_here", 1) not in moved
    after = doubts(forecast, said).by_attempt["a"].counted
    assert (after.free, after.why_free) == (1, "banner")  # type: ignore[attr-defined]
    (back,) = doubts(forecast, said).settle("a", 5, 0, Why.PANEL, "a1")
    assert (back.free, back.was_free) == (0, 1)
    assert doubts(forecast, said, back).by_attempt["a"].counted.why_free is Free.NOT  # type: ignore[attr-defined]


def test_of_what_broke_off_the_banner_was_the_first_to_come_out():
    broken = replace(LOST, errand=Errand(banners=1, forecast=5), state="aborted").row(0, 0, 6, Evidence.FORECAST)
    (said,) = doubts(broken).settle("a", 3, 0, Why.PAPER, "a1")
    assert (said.sides_mono, said.free) == (3, 1)
    paid = [(step.name, int(step.amount)) for step in said.totals() if dict(step.labels).get("member")]
    assert paid == [("member_sides_moved_here", 2)]


def test_the_banner_of_a_lost_print_that_is_settled_upward_is_nobodys():
    lost = replace(LOST, attempt="spool/q/1/1000", errand=Errand(banners=1, forecast=5), most=6)
    told = doubts(*believe((lost,)))
    assert [told.settle("spool/q/1/1000", sides, 0, Why.PAPER, "a1")[0].free for sides in (0, 1, 3, 5, 6)] == [
        0,
        1,
        1,  # a banner and two pages came out before the power went
        1,
        1,
    ]
    (said,) = told.settle("spool/q/1/1000", 3, 0, Why.PAPER, "a1")
    paid = [(step.name, int(step.amount)) for step in said.totals() if dict(step.labels).get("member")]
    assert paid == [("member_sides_moved_here", 2)]


def test_sides_of_a_two_sided_job_share_sheets_when_they_are_settled_too():
    two = replace(LOST, two_sided=True, copies=3).row(0, 0, 20, Evidence.CLAIMED)
    (said,) = doubts(two).settle("a", 15, 0, Why.PAPER, "a1")
    assert (said.sides_mono, said.sheets) == (15, 9)


def test_a_row_of_an_older_kind_is_settled_too_and_who_has_it_by_now_pays():
    old = PagesCounted(
        *("copieur", "S1", "a", AliasId("a9"), MemberId(""), FormulaId("")), 0, 0, 0, 0, 20, Evidence.CLAIMED, "aborted"
    )
    given = PagesAttributed(
        *("a", "copieur", 1, AliasId("a9"), MemberId(""), FormulaId(""), MemberId("bob"), FormulaId("occasional")),
        *(0, 0, 0, "a1"),
    )
    (said,) = doubts(old, given).settle("a", 7, 0, Why.PAPER, "a1")
    assert (said.member, said.formula, said.epoch, said.sheets) == ("bob", "occasional", 0, 7)
    assert doubts(old, given, said).by_attempt["a"].counted.low == 7
    slips = Slips().after((fact, "k", NOON) for fact in (old, said))
    assert slips.by_name["print:a"].sides == 7


def test_other_facts_and_old_ones_pass_by():
    stray = PrintSettled(
        *("z", "copieur", 0, 1, MemberId(""), FormulaId(""), 0, 0, 1, 0, 1, 1, 1, 0, False, Why.PAPER, "a1")
    )
    given = PagesAttributed(
        *("z", "copieur", 1, AliasId("a9"), MemberId(""), FormulaId(""), MemberId("bob"), FormulaId("occasional")),
        *(0, 0, 0, "a1"),
    )
    certain = LOST.row(3, 0, 3, Evidence.COUNTER)
    assert doubts(stray, given, certain).by_attempt == {}
    assert doubts(*pair()).since(NOON).open() != ()
    assert doubts(*pair()).since(NOON.replace(hour=13)).by_attempt == {}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=5), st.data())
def test_true_words_never_put_a_neighbour_beside_the_truth(parts, data):
    claims = tuple(replace(LOST, attempt=str(number), most=truth + more) for number, (truth, more) in enumerate(parts))
    told = doubts(*settle(claims, sum(truth for truth, _ in parts), 0, 1, "copieur/1/0"))
    while told.open():
        name = data.draw(st.sampled_from([one.counted.attempt for one in told.open()]))
        facts = told.settle(name, parts[int(name)][0], 0, Why.PAPER, "a1")
        assert facts
        told = told.after((fact, NOON) for fact in facts)
        for attempt, one in told.by_attempt.items():
            assert one.counted.low <= parts[int(attempt)][0] <= one.counted.high
