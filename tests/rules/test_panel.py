"""Transcripts of relevés: what the panel shows, what the house counted, what is left."""

from __future__ import annotations

from datetime import date

import pytest

from agent.rules.attribution import PagesAttributed
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.panel import NOT_SHOWN, Counted, Typed, doubt, judge_panel
from agent.rules.paper import CopiesByHand, CopiesCounted, PrintedPast

OCT, NOV = date(2026, 10, 30), date(2026, 11, 30)
FIRST, _ = judge_panel("copieur", Typed(OCT, 10_000, 2_000), None, Counted(), "a1")
APART, _ = judge_panel("copieur", Typed(OCT, 10_000, 2_000, 4_000, 300), None, Counted(), "a1")


@pytest.mark.parametrize(
    ("before", "typed", "counted", "why", "rest"),
    [
        (None, (10_000, 2_000), Counted(), "first", None),
        (FIRST, (10_400, 2_060), Counted(250, 40), "counted", (150, 20)),
        (FIRST, (10_400, 2_060), Counted(400, 60), "counted", None),
        (FIRST, (10_400, 2_060), Counted(380, 70), "counted", (10, 0)),  # a colour we and the panel see otherwise
        (FIRST, (10_400, 2_060), Counted(300, 175), "short", None),
        (FIRST, (9_999, 2_060), Counted(), "fell", None),
        (FIRST, (12, 0), Counted(), "fell", None),
        (APART, (10_400, 2_060, 4_100, 305), Counted(290, 55, 30, 5), "counted", (70, 0)),
        (APART, (10_400, 2_060, 3_999, 305), Counted(), "fell", None),
        (APART, (10_400, 2_060), Counted(250, 40), "counted", (150, 20)),  # the lines of copies were left out
        (FIRST, (10_400, 2_060, 4_100, 305), Counted(250, 40), "counted", (150, 20)),
    ],
)
def test_a_releve(before, typed, counted, why, rest):
    read, copies = judge_panel("copieur", Typed(NOV, *typed), before, counted, "a1")
    assert (read.why, read.number) == (why, 1 if before is None else 2)
    assert (copies and (copies.mono, copies.colour)) == rest
    if copies is not None:
        assert (copies.member, copies.source, copies.to_mono, copies.to_colour) == ("", "panel", typed[0], typed[1])


def test_what_the_house_counted():
    whose = (AliasId("x"), MemberId("m1"), FormulaId("subscriber"))
    prints = PagesCounted("copieur", "S", "a", *whose, 5, 2, 4, 7, 7, Evidence.DEVICE, "completed")
    copies = CopiesCounted("copieur", "S", 1, "v", whose[1], whose[2], 3, 1, 3, 1)
    moved = PagesAttributed("a", "copieur", 1, *whose, whose[1], whose[2], 5, 2, 4, "a1")
    found = Counted()
    past = PrintedPast(
        "copieur", "S", 1, 10, 4, 110, 24, "S/9/u9"
    )  # nobody's already: the panel's rest is not it again
    for fact in (prints, copies, moved, past):
        found = found.plus(fact)
    assert found == Counted(18, 7, 3, 1)


def test_the_lines_that_a_panel_does_not_show_are_kept_as_such():
    assert (FIRST.copies_mono, FIRST.copies_colour) == (NOT_SHOWN, NOT_SHOWN)
    assert isinstance(judge_panel("c", Typed(NOV, 10_001, 2_000), FIRST, Counted(), "a")[1], CopiesByHand)


@pytest.mark.parametrize(
    ("typed", "counted", "doubted"),
    [
        ((10_400, 2_060), Counted(250, 40), ""),
        ((10_400, 52_000), Counted(400), ""),
        ((10_401, 52_000), Counted(400), "leap"),
        ((104_000, 2_060), Counted(250, 40), "leap"),
        ((1_040, 2_060), Counted(250, 40), "fell"),
        ((10_400, 0), Counted(250, 40), "fell"),
        ((10_040, 2_060), Counted(250, 40), "short"),
    ],
)
def test_a_slip_of_a_finger_is_asked_about(typed, counted, doubted):
    read, rest = judge_panel("copieur", Typed(NOV, *typed), FIRST, counted, "a1")
    assert doubt(read, 0 if rest is None else rest.mono + rest.colour) == doubted
