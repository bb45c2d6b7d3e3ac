"""Amounts in two colours, what each account has had, and a movement at a device that counts A3 twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from agent.rules.columns import Accounts, Sides, Visit, badged, clicks_of, copies_of, halved, large_copies_of, prints_of
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.pages import AttemptCounted, Evidence, PagesCounted
from agent.rules.paper import CopyVisitEnded, CopyVisitStarted
from drivers.contract import Counters, LargeSides, Moment, Trust

ABOUT = ("copieur", "S1", "a", AliasId("a1"), MemberId("anne"), FormulaId("subscriber"))


def test_two_colours_are_added_and_compared_apart():
    assert Sides(3, 1) + Sides(2, 5) == Sides(5, 6)
    assert Sides(3, 1) - Sides(2, 5) == Sides(1, -4)
    assert Sides(3, 1) * 2 == Sides(6, 2)
    assert Sides(3, 1).all == 4
    assert Sides(3, 1).below(Sides(3, 2))
    assert Sides(2, 1).below(Sides(3, 0))
    assert not Sides(3, 1).below(Sides(3, 1))


def test_copies_are_somebodys_or_nobodys():
    accounts = Accounts()
    accounts.copied(4, somebodys=True)
    accounts.copied(3, somebodys=False)
    assert (accounts.copies, accounts.unattributed) == (4, 3)


def test_counters_are_read_by_account():
    plain = Counters(1, 2, 3, 4, 9)
    assert (prints_of(plain), copies_of(plain), large_copies_of(plain)) == (Sides(1, 2), Sides(3, 4), None)
    assert large_copies_of(Counters(1, 2, 3, 4, 9, LargeSides(5, 6, 7, 8))) == Sides(7, 8)


def test_a_movement_without_a_record_may_be_half_as_many_a3_sides():
    row = AttemptCounted(*ABOUT, 7, 2, 9, 9, 9, Evidence.COUNTER, "completed", group="g", moved=9)
    half = halved(row)
    assert (half.sides_mono, half.sides_colour, half.sheets, half.low, half.high) == (4, 1, 5, 5, 9)
    assert half.group == ""
    assert halved(replace(row, free=9)).free == 5  # never more than there is
    sure = [(one.sides_mono, one.sides_colour) for one in (halved(row, 5), halved(row, 7), halved(row, 9))]
    assert sure == [(4, 1), (6, 1), (7, 2)]  # so many were seen


def test_an_older_row_is_one_click_a_side():
    assert clicks_of(PagesCounted(*ABOUT, 7, 2, 9, 9, 9, Evidence.DEVICE, "completed")) == 1
    assert clicks_of(AttemptCounted(*ABOUT, 7, 2, 9, 9, 9, Evidence.DEVICE, "completed", clicks=2)) == 2


def test_a_badge_begins_ends_or_takes_over_a_visit_and_one_that_is_asked_something_ends_none():
    anne, bob = (Member(MemberId(one), FormulaId("occasional"), date(2026, 1, 1), None) for one in ("anne", "bob"))
    at = Moment(datetime(2026, 11, 24, 12, tzinfo=UTC), 7.5, "boot", Trust.SYNCHRONISED)
    begins = CopyVisitStarted("copieur", "copieur/boot/7.500000/anne", anne.id, anne.formula)
    hers, his = (Visit("v", one.id, one.formula, at) for one in (anne, bob))
    assert badged("copieur", None, at, anne) == badged("copieur", None, at, anne, stays=True) == (begins,)
    assert badged("copieur", hers, at, anne) == (CopyVisitEnded("copieur", "v", "badge-out"),)
    assert badged("copieur", hers, at, anne, stays=True) == ()
    for stays in (False, True):
        assert badged("copieur", his, at, anne, stays=stays) == (CopyVisitEnded("copieur", "v", "next-badge"), begins)
