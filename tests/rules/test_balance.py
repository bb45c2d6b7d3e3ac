"""The books are proven from the ledger alone: closings, rows between them, forgotten rows, and books that lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from agent.rules.attribution import CopiesAttributed
from agent.rules.balance import Balances, Given, of_rows
from agent.rules.claims import Claim
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import Evidence, Owner
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CopiesByHand,
    CopiesCounted,
    CopiesMetered,
    CopyVisitEnded,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import PastAttributed, attributed
from agent.rules.review import Doubts
from agent.rules.settlement import Why

ANNE = Owner("a1", MemberId("anne"), FormulaId("subscriber"))  # type: ignore[arg-type]
OPENED = BooksOpened("copieur", "S1", 1, 100, 20, 30, 5, "first")


def printed(sides: int, high: int = 0, clicks: int = 1) -> Fact:
    row = Claim("copieur", "S1", f"a{sides}", ANNE, None, "completed").row(sides, 0, high or sides, Evidence.DEVICE)
    return replace(row, clicks=clicks)


def copied(sides: int, to: int, member: str = "anne", clicks: int = 0) -> Fact:
    clicks = clicks or sides
    return CopiesMetered(
        *("copieur", "S1", 1, "v", MemberId(member), FormulaId(""), sides, 0, to, 5), clicks_mono=clicks
    )


UNMATCHED = PrintsUnmatched("copieur", "S1", 1, 3, 0, 113, 20)
CLOSED = BooksClosed("copieur", "S1", 1, date(2026, 11, 2), 185, 155, 14, 9, 7, 6)
NOVEMBER = (date(2026, 11, 1), date(2026, 12, 1))


def told(*facts: tuple[str, Fact], gone: int = 0) -> Balances:
    rows = ((seq, fact, date.fromisoformat(day)) for seq, (day, fact) in enumerate(facts, 1))
    return of_rows(rows, gone)


DAY_ONE = (
    ("2026-11-01", OPENED),
    ("2026-11-01", printed(4, 10)),
    ("2026-11-01", printed(5, clicks=2)),
    ("2026-11-01", copied(9, 39)),
    ("2026-11-01", copied(2, 43, "", clicks=4)),
    ("2026-11-01", UNMATCHED),
)


def test_a_closing_is_the_rows_before_it_and_the_next_days_rows_go_on_from_there():
    books = told(*DAY_ONE, ("2026-11-02", CLOSED), ("2026-11-02", printed(6)))
    assert books.faults == []
    (stand,) = books.between("copieur", *NOVEMBER)
    assert (stand.opening, stand.prints, stand.copies, stand.unattributed) == (155, 20, 9, 7)
    assert (stand.counter, stand.difference, stand.open_sides) == (191, 0, 6)
    (first,) = books.between("copieur", date(2026, 11, 1), date(2026, 11, 2))
    assert (first.opening, first.prints, first.counter) == (155, 14, 185)
    (second,) = books.between("copieur", date(2026, 11, 2), date(2026, 12, 1))
    assert (second.opening, second.prints, second.copies, second.counter) == (185, 6, 0, 191)
    assert books.between("copieur", date(2026, 12, 1), date(2027, 1, 1)) == ()
    assert books.between("copieur", date(2026, 10, 1), date(2026, 10, 31)) == ()
    assert books.devices() == ("copieur",)


def test_rows_that_were_forgotten_are_not_needed():
    whole = told(*DAY_ONE, ("2026-11-02", CLOSED), ("2026-11-02", printed(6)))
    rest = of_rows(
        ((1, OPENED, date(2026, 11, 1)), (7, CLOSED, date(2026, 11, 2)), (8, printed(6), date(2026, 11, 2))), gone=6
    )
    assert rest.faults == []
    assert rest.between("copieur", *NOVEMBER) == whole.between("copieur", *NOVEMBER)


def test_books_that_lie_are_named():
    lost = told(*DAY_ONE[:-1], ("2026-11-02", CLOSED))
    assert lost.faults == ["copieur: the rows before the closing of 2026-11-02 do not make its sums"]
    short = told(*DAY_ONE, ("2026-11-02", replace(CLOSED, counter=187)))
    assert short.faults == ["copieur: the closing of 2026-11-02 leaves 2 clicks unbooked"]
    carried = BooksOpened("copieur", "S1", 2, 120, 20, 43, 5, "carried")
    wrong = told(*DAY_ONE, ("2026-11-30", carried))
    assert wrong.faults == ["copieur: epoch 2 opens at 188, the rows make 185"]
    assert told(*DAY_ONE, ("2026-11-30", replace(carried, print_mono=117))).faults == []


def test_another_machine_is_another_epoch_and_what_is_not_paper_passes_by():
    swapped = BooksOpened("copieur", "S2", 2, 7, 0, 0, 0, "swapped")
    old = CopiesCounted("copieur", "S2", 2, "", MemberId(""), FormulaId(""), 4, 0, 4, 0)
    visit = CopyVisitEnded("copieur", "v", "idle")
    books = told(
        ("2026-10-31", printed(3)),
        ("2026-11-01", OPENED),
        ("2026-11-01", visit),
        ("2026-11-03", swapped),
        ("2026-11-03", old),
    )
    first, second = books.between("copieur", date(2026, 10, 1), date(2026, 12, 1))
    assert (first.epoch, first.counter, second.epoch, second.why) == (1, 155, 2, "swapped")
    assert (second.opening, second.unattributed, second.counter) == (7, 4, 11)


PAST = PrintedPast("copieur", "S1", 1, 6, 2, 106, 22, "S1/9/u9")
NONE = (MemberId(""), FormulaId(""))


def given_copies(row: str, member: str) -> CopiesAttributed:
    return CopiesAttributed(row, "copieur", 1, 1, *NONE, MemberId(member), FormulaId(""), 2, 0, "a1")


def given_past(member: str) -> PastAttributed:
    return attributed("p", PAST, NONE, (MemberId(member), FormulaId("")), 1, "a1")


def test_what_of_nobodys_paper_has_somebody_by_now_is_told_by_the_day_it_was_counted():
    given, one, two = Given(), date(2026, 11, 1), date(2026, 11, 2)
    by_hand = CopiesByHand("copieur", "", 1, "", *NONE, 40, 0, 900, 0)
    for key, fact in (
        ("n", copied(2, 43, "", clicks=4)),
        ("a", copied(9, 52)),  # hers: a shared account that pays it takes it from nobody
        ("h", by_hand),
        ("u", UNMATCHED),
    ):
        given.add(key, fact, one)
    given.add("p", PAST, two)
    assert given.between(one, date.max) == {}
    for fact in (given_copies("n", "anne"), given_copies("a", "p:001"), given_copies("h", "anne"), given_past("anne")):
        given.add("x", fact, two)
    assert given.between(one, date.max) == {("copieur", 1): 12}
    assert given.between(one, two) == {("copieur", 1): 4}
    given.add("y", given_copies("n", ""), two)
    given.add("y", given_past(""), two)
    given.add("y", given_past("h:"), two)
    assert given.between(one, date.max) == {("copieur", 1): 8}


def test_what_an_uncertain_print_was_said_to_be_is_told_beside_what_nobody_has():
    given, one, two = Given(), date(2026, 11, 1), date(2026, 11, 2)
    row = replace(printed(4, 10, clicks=2), attempt="a", epoch=3, evidence=Evidence.COUNTER)
    certain = replace(row, attempt="b", high=4)
    doubts = Doubts().after([(row, datetime(2026, 11, 1, tzinfo=UTC))])  # type: ignore[list-item]
    (said,) = doubts.settle("a", 9, 0, Why.PAPER, "a1")
    for fact in (row, certain, replace(said, attempt="b")):
        given.add("k", fact, one)  # type: ignore[arg-type]
    assert given.between(one, two) == {}
    given.add("k", said, two)
    assert given.between(one, two) == {("copieur", 3): 10}  # five sides of A3, two clicks each
    given.add("k", replace(said, turn=2, sides_mono=2), two)
    assert given.between(one, date.max) == {("copieur", 3): -4}
    given.add("k", replace(said, metered=False, sides_mono=9), two)  # no counter saw it: it was never nobody's
    assert given.between(one, date.max) == {("copieur", 3): -4}
