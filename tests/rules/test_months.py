"""What counts in which month: corrections inside a month, and after it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from agent.rules.attribution import CopiesAttributed, PagesAttributed
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.months import Months, merge, regularise
from agent.rules.pages import AttemptCounted, Evidence, Free, PagesCounted
from agent.rules.paper import CopiesCounted, PrintedPast, PrintsUnmatched
from agent.rules.past import HOUSE, PastAttributed, attributed, counted
from agent.rules.presence import Reason, VisitAdded, VisitCorrected, VisitEnded, VisitEvidence
from agent.rules.settlement import PrintSettled, Why
from agent.rules.tariff import Line, Period, Prices, Statement, Tariff, statement
from agent.rules.usage import SIDES, Item, Usage

ANNE, BOB, NOBODY = MemberId("m042"), MemberId("m013"), MemberId("")
OCC, NONE = FormulaId("occasional"), FormulaId("")
PRICES = Prices(
    Decimal(0),
    Decimal(0),
    Decimal("2.50"),
    dict.fromkeys(SIDES, Decimal("0.10")),
    hour_step_min=15,
    day_cap=Decimal("15.00"),
    month_cap=Decimal("40.00"),
    free_mono_sides=5,
)
TARIFF = Tariff("EUR", (Period(date(2026, 1, 1), {OCC: PRICES}),))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def pages(attempt: str, mono: int, member: MemberId = NOBODY) -> PagesCounted:
    who = (AliasId("a9"), member, OCC if member else NONE)
    return PagesCounted("copieur", "S1", attempt, *who, mono, 0, mono, mono, mono, Evidence.DEVICE, "completed")


def given_pages(attempt: str, mono: int, was: MemberId, member: MemberId, turn: int = 1) -> PagesAttributed:
    old, new = (OCC if who else NONE for who in (was, member))
    return PagesAttributed(attempt, "copieur", turn, AliasId("a9"), was, old, member, new, mono, 0, mono, "a1")


def visit(name: str, ended: str, minutes: int) -> VisitEnded:
    end = at(ended)
    return VisitEnded(name, BOB, OCC, end - timedelta(minutes=minutes), end, minutes, VisitEvidence.ANIMATOR)


def corrected(name: str, ended: str, minutes: int, was: int, *, annulled: bool = False) -> VisitCorrected:
    end = at(ended)
    start = end - timedelta(minutes=minutes)
    return VisitCorrected(name, 1, BOB, OCC, start, end, minutes, was, annulled, Reason.DISPUTED, "a1")


def month(of: str, *told: tuple[str, Fact]) -> Months:
    months = Months(of)
    for n, (when, fact) in enumerate(told):
        months.add(fact, f"k{n}", at(when))
    return months


def issued(of: str, *told: tuple[str, Fact]) -> Statement:
    months = month(of, *told)
    assert months.orphans == 0
    pairs = months.corrected().items()
    lines = [
        regularise(statement(old, before, TARIFF, {}), statement(old, after, TARIFF, {}))
        for old, (before, after) in pairs
    ]
    return merge(statement(of, months.used(), TARIFF, {}), *lines)


def said(made: Statement) -> list[tuple[str, str, int, int, str, str]]:
    return [(one.member, one.item.value, one.quantity, one.free, str(one.amount), one.of) for one in made.lines]


def test_a_job_attributed_in_its_month_is_the_members() -> None:
    told = (("11-03 10:00", pages("p", 12)), ("11-20 10:00", given_pages("p", 12, NOBODY, BOB)))
    assert said(issued("2026-11", told[0])) == [("", "print-mono", 12, 0, "0.00", "")]
    assert said(issued("2026-11", *told)) == [("m013", "print-mono", 12, 5, "0.70", "")]


def test_a_job_that_went_from_hand_to_hand_in_one_month_leaves_no_trace() -> None:
    told = (
        ("11-03 10:00", pages("p", 12)),
        ("11-20 10:00", given_pages("p", 12, NOBODY, BOB)),
        ("11-21 10:00", given_pages("p", 12, BOB, ANNE, 2)),
    )
    assert said(issued("2026-11", *told)) == [("m042", "print-mono", 12, 5, "0.70", "")]
    back = ("11-22 10:00", given_pages("p", 12, ANNE, NOBODY, 3))
    assert said(issued("2026-11", *told, back)) == [("", "print-mono", 12, 0, "0.00", "")]


def test_attributed_after_the_month_it_is_an_adjustment_there_and_the_month_stays() -> None:
    told = (
        ("11-03 10:00", pages("p", 12)),
        ("11-04 10:00", pages("own", 3, BOB)),
        ("12-02 10:00", given_pages("p", 12, NOBODY, BOB)),
        ("12-03 10:00", pages("new", 7, BOB)),
    )
    november = [("m013", "print-mono", 3, 3, "0.00", ""), ("", "print-mono", 12, 0, "0.00", "")]
    assert said(issued("2026-11", *told)) == november
    assert said(issued("2026-12", *told)) == [
        ("m013", "print-mono", 7, 5, "0.20", ""),
        ("m013", "print-mono", 12, 2, "1.00", "2026-11"),  # November's free sides: two were left
        ("", "print-mono", -12, 0, "0.00", "2026-11"),
    ]
    assert said(issued("2027-01", *told)) == []


def test_copies_change_their_item_with_their_owner() -> None:
    copies = CopiesCounted("copieur", "S1", 1, "", NOBODY, NONE, 8, 2, 100, 20)
    gift = CopiesAttributed("k0", "copieur", 1, 1, NOBODY, NONE, BOB, OCC, 8, 2, "a1")
    back = CopiesAttributed("k0", "copieur", 1, 2, BOB, OCC, NOBODY, NONE, 8, 2, "a1")
    own = [("", "unattributed-mono", 8, 0, "0.00", ""), ("", "unattributed-colour", 2, 0, "0.00", "")]
    his = [("m013", "copy-mono", 8, 5, "0.30", ""), ("m013", "copy-colour", 2, 0, "0.20", "")]
    assert said(issued("2026-11", ("11-03 10:00", copies))) == own
    assert said(issued("2026-11", ("11-03 10:00", copies), ("11-04 10:00", gift))) == his
    assert said(issued("2026-11", ("11-03 10:00", copies), ("11-04 10:00", gift), ("11-05 10:00", back))) == own


def test_a_visit_corrected_in_its_month_counts_as_corrected() -> None:
    told = (("11-03 17:00", visit("v", "11-03 17:00", 480)), ("11-20 10:00", corrected("v", "11-03 11:10", 130, 480)))
    assert said(issued("2026-11", *told)) == [("m013", "visit", 135, 0, "5.63", "")]
    annulled = ("11-21 10:00", corrected("v", "11-03 11:10", 0, 130, annulled=True))
    assert said(issued("2026-11", *told, annulled)) == []


def test_a_visit_corrected_later_is_the_difference_to_the_cent_caps_included() -> None:
    told = (
        ("11-03 17:00", visit("v", "11-03 17:00", 480)),  # 20.00, capped at 15.00
        ("12-02 10:00", corrected("v", "11-03 11:10", 130, 480)),
        ("12-04 10:00", visit("w", "12-04 10:00", 60)),
    )
    assert [row[4] for row in said(issued("2026-11", *told))] == ["20.00", "-5.00"]
    december = issued("2026-12", *told)
    assert said(december) == [
        ("m013", "visit", 60, 0, "2.50", ""),
        ("m013", "visit", -345, 0, "-14.37", "2026-11"),
        ("m013", "visit-cap", 1, 0, "5.00", "2026-11"),
    ]
    assert december.lines[2].unit_price == Decimal("5.00")
    assert issued("2026-11", *told).total + december.total - Decimal("2.50") == Decimal("5.63")


def test_corrected_twice_after_the_month_each_month_carries_its_own_difference() -> None:
    told = (
        ("11-03 17:00", visit("v", "11-03 17:00", 300)),
        ("12-02 10:00", corrected("v", "11-03 13:00", 60, 300)),
        ("12-03 10:00", corrected("v", "11-03 14:00", 120, 60)),
        ("12-30 10:00", given_pages("p", 3, NOBODY, BOB)),
    )
    assert said(issued("2026-12", *told[:3])) == [("m013", "visit", -180, 0, "-7.50", "2026-11")]
    again = (*told[:3], ("12-04 10:00", corrected("v", "11-03 17:00", 300, 120)))
    assert said(issued("2026-12", *again)) == []
    later = (*told[:3], ("12-05 10:00", PrintsUnmatched("c", "S1", 1, 1, 0, 1, 1)))
    assert [row[1] for row in said(issued("2026-12", *later))] == ["visit", "unattributed-mono"]


def test_what_corrects_something_forgotten_is_told() -> None:
    assert month("2026-12", ("12-30 10:00", given_pages("p", 3, NOBODY, BOB))).orphans == 1
    assert month("2026-12", ("12-30 10:00", corrected("v", "11-03 14:00", 120, 60))).orphans == 1
    assert month("2027-01", ("12-30 10:00", given_pages("p", 3, NOBODY, BOB))).orphans == 0
    assert month("2026-11", ("12-30 10:00", given_pages("p", 3, NOBODY, BOB))).orphans == 0


def test_a_correction_may_end_an_open_visit() -> None:
    told = ("12-02 10:00", corrected("v", "12-01 14:00", 120, 0))
    assert said(issued("2026-12", told)) == [("m013", "visit", 120, 0, "5.00", "")]


def added(name: str, ended: str, minutes: int) -> VisitAdded:
    end = at(ended)
    start = end - timedelta(minutes=minutes)
    return VisitAdded(name, 1, BOB, OCC, start, end, minutes, 0, False, Reason.FORGOT_ARRIVAL, "a1")


def test_a_visit_added_in_its_month_counts_there() -> None:
    told = ("11-20 10:00", added("v", "11-03 11:10", 130))
    assert said(issued("2026-11", told)) == [("m013", "visit", 135, 0, "5.63", "")]
    assert said(issued("2026-12", told)) == []


def test_a_visit_added_after_its_month_is_an_adjustment_caps_included() -> None:
    told = (
        ("11-03 17:00", visit("v", "11-03 17:00", 240)),  # 10.00
        ("12-02 10:00", added("w", "11-03 21:00", 180)),  # 17.50 together: capped at 15.00
        ("12-03 10:00", corrected("w", "11-03 19:00", 60, 180)),
    )
    assert [row[4] for row in said(issued("2026-11", *told))] == ["10.00"]  # what is over stays as it was issued
    assert said(issued("2026-12", *told[:2])) == [
        ("m013", "visit", 180, 0, "7.50", "2026-11"),
        ("m013", "visit-cap", 1, 0, "-2.50", "2026-11"),
    ]
    assert said(issued("2026-12", *told)) == [("m013", "visit", 60, 0, "2.50", "2026-11")]
    undone = ("12-04 10:00", corrected("w", "11-03 19:00", 0, 60, annulled=True))
    assert said(issued("2026-12", *told, undone)) == []


def test_an_unattributed_line_has_no_cap_and_a_price_stays_a_price() -> None:
    before = Statement(
        "2026-11", "EUR", (Line(BOB, Item.VISIT, OCC, date(2026, 1, 1), 60, 0, Decimal("2.50"), 60, Decimal("2.50")),)
    )
    assert regularise(before, before) == ()
    (line,) = regularise(before, Statement("2026-11", "EUR", ()))
    assert (line.quantity, line.amount, line.unit_price, line.correction, line.of) == (
        -60, Decimal("-2.50"), Decimal("2.50"), True, "2026-11",
    )  # fmt: skip


HANDS = st.lists(
    st.tuples(
        st.integers(0, 5),  # which visit
        st.integers(0, 70),  # days after 7 November it is corrected or added
        st.integers(0, 600),  # minutes
    ),
    max_size=8,
)


@given(HANDS)
def test_all_months_together_are_what_is_true_at_the_end(hands: list[tuple[int, int, int]]) -> None:
    minutes = [480, 200, 60, 599, 0, 0]  # the last two nobody had written down: the first word adds them
    told: list[tuple[datetime, Fact]] = [
        (at(f"11-0{n + 1} 20:00"), visit(f"v{n}", f"11-0{n + 1} 20:00", long)) for n, long in enumerate(minutes[:4])
    ]
    known = set(range(4))
    for which, days, long in sorted(hands, key=lambda hand: hand[1]):
        name, ended = f"v{which}", f"11-0{which + 1} 20:00"
        fact = corrected(name, ended, long, minutes[which]) if which in known else added(name, ended, long)
        known.add(which)
        told.append((at("11-07 10:00") + timedelta(days=days), fact))
        minutes[which] = long

    def total(of: str) -> Decimal:
        months = Months(of)
        for n, (when, fact) in enumerate(told):
            months.add(fact, f"k{n}", when)
        lines = [
            regularise(statement(old, before, TARIFF, {}), statement(old, after, TARIFF, {}))
            for old, (before, after) in months.corrected().items()
        ]
        return merge(statement(of, months.used(), TARIFF, {}), *lines).total

    truth = [Usage(date(2026, 11, n + 1), BOB, OCC, Item.VISIT, long) for n, long in enumerate(minutes)]
    whole = sum((total(of) for of in ("2026-11", "2026-12", "2027-01")), Decimal(0))
    assert whole == statement("2026-11", truth, TARIFF, {}).total


def settled(attempt: str, mono: int, was: int = 0, *, high: int = 0, free: int = 0) -> PrintSettled:
    who = (ANNE, OCC)
    high = high or mono
    return PrintSettled(
        *(attempt, "copieur", 1, 1, *who, was, 0, mono, 0, mono, mono, high, free, True, Why.PAPER, "a1")
    )


def unsure(attempt: str, low: int, high: int) -> AttemptCounted:
    about = ("copieur", "S1", attempt, AliasId("a9"), ANNE, OCC)
    return AttemptCounted(*about, low, 0, low, low, high, Evidence.COUNTER, "completed", large=True)


def test_what_is_open_counts_with_low_and_is_marked_until_it_is_settled() -> None:
    told = month("2026-11", ("11-03T10:00", unsure("u", 2, 20)))
    assert [(use.item, use.quantity, use.uncertain) for use in told.used()] == [(Item.PRINT_MONO_A3, 2, 18)]
    told = month("2026-11", ("11-03T10:00", unsure("u", 2, 20)), ("11-04T10:00", settled("u", 9)))
    assert [(use.item, use.quantity, use.uncertain) for use in told.used()] == [(Item.PRINT_MONO_A3, 9, 0)]
    narrowed = month("2026-11", ("11-03T10:00", unsure("u", 2, 20)), ("11-04T10:00", settled("u", 5, high=8)))
    assert [(use.quantity, use.uncertain) for use in narrowed.used()] == [(5, 3)]


def test_settled_after_the_month_is_over_the_later_month_brings_it_right() -> None:
    told = month("2026-12", ("11-03T10:00", unsure("u", 2, 20)), ("12-04T10:00", settled("u", 9)))
    assert told.used() == []
    ((before, after),) = told.corrected().values()
    assert [(use.day, use.quantity, use.uncertain) for use in before] == [(date(2026, 11, 3), 2, 18)]
    assert [(use.day, use.quantity, use.uncertain) for use in after] == [(date(2026, 11, 3), 9, 0)]


def test_what_was_free_is_given_to_nobody_and_settles_as_free() -> None:
    again = replace(unsure("u", 4, 20), free=4, why_free=Free.SYSTEM)
    given = given_pages("u", 4, ANNE, BOB)
    told = month("2026-11", ("11-03T10:00", again), ("11-04T10:00", given))
    assert {use.member for use in told.used() if use.item is Item.OVERHEAD_MONO} == {NOBODY}
    told = month("2026-11", ("11-03T10:00", again), ("11-04T10:00", settled("u", 9, free=9)))
    assert [(use.item, use.quantity) for use in told.used()] == [(Item.PRINT_MONO_A3, 0), (Item.OVERHEAD_MONO, 9)]
    nothing = ("11-04T10:00", settled("u", 0))
    told = month("2026-11", ("11-03T10:00", unsure("u", 0, 20)), nothing, ("11-05T10:00", settled("u", 9)))
    assert [(use.member, use.item, use.quantity) for use in told.used()] == [(ANNE, Item.PRINT_MONO_A3, 9)]
    told = month("2026-11", ("11-03T10:00", pages("u", 0, ANNE)), ("11-04T10:00", settled("u", 9)))
    assert told.used() == []  # it was counted with nothing, and nothing was open


PAST = replace(counted(PrintedPast("copieur", "S1", 1, 6, 2, 106, 22, "S1/9/u9")), sheets=8)


def given_past(turn: int, was: MemberId, member: MemberId) -> PastAttributed:
    old, new = (OCC if who == BOB else NONE for who in (was, member))
    return attributed("p", PAST, (was, old), (member, new), turn, "a1")


def used(months: Months) -> list[tuple[str, str, int]]:
    return [(use.member, use.item.value, use.quantity) for use in months.used()]


def test_a_print_past_the_box_is_billed_once_to_whom_it_is_given_to_and_can_be_nobodys_again() -> None:
    months = Months("2026-11")
    months.add(PAST, "p", at("11-05"))
    nobodys = [("", "unattributed-mono", 6), ("", "unattributed-colour", 2)]
    assert used(months) == nobodys
    months.add(given_past(1, NOBODY, BOB), "past:p:1", at("11-06"))
    assert used(months) == [("m013", "print-mono", 6), ("m013", "print-colour", 2)]
    assert {use.day for use in months.used()} == {date(2026, 11, 5)}
    months.add(given_past(2, BOB, HOUSE), "past:p:2", at("11-07"))
    assert used(months) == [("", "overhead-mono", 6), ("", "overhead-colour", 2)]
    months.add(given_past(3, HOUSE, NOBODY), "past:p:3", at("11-08"))
    assert used(months) == nobodys
    assert months.corrected() == {}


def test_given_in_a_later_month_it_changes_nothing_of_what_was_issued_and_is_brought_right_there() -> None:
    months = Months("2026-12")
    months.add(PAST, "p", at("11-05"))
    months.add(given_past(1, NOBODY, BOB), "past:p:1", at("12-02"))
    assert used(months) == []
    ((of, (before, after)),) = months.corrected().items()
    assert of == "2026-11"
    assert [(use.member, use.quantity) for use in before] == [("", 6), ("", 2)]
    assert [(use.member, use.quantity) for use in after] == [("m013", 6), ("m013", 2)]
    months.add(given_past(1, NOBODY, BOB), "past:q:1", at("12-03"))
    assert months.orphans == 0
    months.add(replace(given_past(1, NOBODY, BOB), row="gone"), "past:gone:1", at("12-03"))
    assert months.orphans == 1
