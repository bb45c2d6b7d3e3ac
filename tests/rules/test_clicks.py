"""A row of what the connector clicked: whose, from where to where, A3 and sheets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from agent.rules.books import Books
from agent.rules.clicks import copied, unheard
from agent.rules.facts import FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.paper import BooksOpened, CopiesMetered, CopiesUnheard, CopyVisitStarted
from drivers.contract import Moment, Trust
from drivers.copying import Clicks

ALICE = Member(MemberId("m1"), FormulaId("subscriber"), date(2020, 1, 1), None)
DUPLEX = Clicks(mono=2, colour=0, clicks_mono=2, sheets=1)


def at(mono_s: float, boot: str = "b") -> Moment:
    return Moment(datetime(2026, 11, 2, 9, tzinfo=UTC), mono_s, boot, Trust.SYNCHRONISED)


def books(*, visit: bool = True) -> Books:
    found = Books("copieur", 90.0)
    found.learn(BooksOpened("copieur", "S1", 1, 0, 0, 0, 0, "first", metered=False), at(0.0))
    if visit:
        started = found.badge(at(10.0), ALICE)
        found.learn(started[0], at(10.0))
    return found


def test_case_37_a_duplex_copy_is_two_sides_and_one_sheet_of_whoever_is_badged_in() -> None:
    assert copied(books(), DUPLEX, at(20.0)) == CopiesMetered(
        device="copieur",
        serial="S1",
        epoch=1,
        visit="copieur/b/10.000000/m1",
        member=MemberId("m1"),
        formula=FormulaId("subscriber"),
        mono=2,
        colour=0,
        to_mono=2,
        to_colour=0,
        clicks_mono=2,
        clicks_colour=0,
        sheets=1,
    )


def test_where_no_line_tells_sheets_nobody_says_how_many() -> None:
    assert copied(books(), replace(DUPLEX, sheets=None), at(20.0)).sheets is None


def test_with_nobody_badged_in_it_is_nobodys() -> None:
    row = copied(books(visit=False), DUPLEX, at(20.0))
    assert (row.visit, row.member, row.formula, row.mono) == ("", "", "", 2)


def test_a_visit_that_should_long_have_ended_is_nobodys() -> None:
    assert copied(books(), DUPLEX, at(119.9)).member == "m1"
    assert copied(books(), DUPLEX, at(120.0)).member == ""  # 10 s, 90 s idle, 20 s of grace
    assert copied(books(), DUPLEX, at(20.0, boot="other")).member == ""


def test_after_copies_that_nobody_could_tell_clicks_are_nobodys() -> None:
    kept = books()
    kept.nobodys = True
    assert copied(kept, DUPLEX, at(20.0)).member == ""


def test_beside_a_total_clicks_stand_on_what_was_copied_by_it() -> None:
    kept = Books("copieur", 90.0)
    kept.learn(BooksOpened("copieur", "S1", 1, 1000, 50, 0, 0, "first"), at(0.0))
    row = copied(kept, DUPLEX, at(20.0))
    assert (row.mono, row.to_mono, row.to_colour) == (2, 2, 0)


def test_what_may_not_have_clicked_is_nobodys_and_between_none_and_all_of_it_was_copied() -> None:
    row = copied(books(), DUPLEX, at(20.0))
    assert unheard(row) == CopiesUnheard("copieur", "S1", 1, "", MemberId(""), FormulaId(""), 2, 0, 2, 0, 0, 0, 2, 0, 1)
    assert unheard(row).low == 0


def test_rows_stand_one_after_the_other_and_have_keys_of_their_own() -> None:
    kept = books()
    first = copied(kept, Clicks(mono=3, colour=1, clicks_mono=3, clicks_colour=1), at(20.0))
    one = kept.key(first)
    kept.learn(first, at(20.0))
    second = copied(kept, Clicks(mono=3, colour=1, clicks_mono=3, clicks_colour=1), at(25.0))
    assert (first.to_mono, first.to_colour, second.to_mono, second.to_colour) == (3, 1, 6, 2)
    assert (one, kept.key(second)) == ("copieur/S1/1/0+0", "copieur/S1/1/3+1")


def test_a3_that_clicks_twice_is_one_side_and_two_clicks() -> None:
    row = copied(books(), Clicks(mono=1, colour=1, large_colour=1, clicks_mono=1, clicks_colour=2), at(20.0))
    assert (row.mono, row.colour, row.large_mono, row.large_colour) == (1, 1, 0, 1)
    assert (row.clicks_mono, row.clicks_colour, row.to_mono, row.to_colour) == (1, 2, 1, 2)


def test_copies_prolong_the_visit() -> None:
    kept = books()
    assert kept.wakes_at() == 100.0
    kept.learn(copied(kept, DUPLEX, at(60.0)), at(60.0))
    assert kept.wakes_at() == 150.0
    assert isinstance(kept.badge(at(10.0), ALICE)[0], CopyVisitStarted) is False
