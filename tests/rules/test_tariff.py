"""What a month costs: transcripts in literal money, and the laws money obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.pages import AttemptCounted, Evidence, PagesCounted
from agent.rules.paper import CopiesCounted, PrintsUnmatched
from agent.rules.presence import VisitEnded, VisitEvidence
from agent.rules.tariff import Period, Prices, Statement, StatementIssued, Tariff, UnpricedError, held_in, statement
from agent.rules.usage import SIDES, Item, Usage, usages

PARIS = ZoneInfo("Europe/Paris")
D = Decimal
ANNE, BOB, SITE = MemberId("anne"), MemberId("bob"), MemberId("")
SUB, OCC, NONE = FormulaId("subscriber"), FormulaId("occasional"), FormulaId("")
PAPER = {
    Item.PRINT_MONO: D("0.05"),
    Item.PRINT_COLOUR: D("0.25"),
    Item.COPY_MONO: D("0.05"),
    Item.COPY_COLOUR: D("0.25"),
}
SUBSCRIBER = Prices(D("24.00"), D("90.00"), D(0), PAPER, free_mono_sides=50)
OCCASIONAL = Prices(D("24.00"), D(0), D("2.50"), PAPER, hour_step_min=15, month_cap=D(200))
TARIFF = Tariff("EUR", (Period(date(2026, 1, 1), {SUB: SUBSCRIBER, OCC: OCCASIONAL}),))
DAY = date(2026, 11, 23)
FIRST = date(2026, 11, 1)


def told(made: Statement, member: MemberId = ANNE) -> list[tuple[str, int, int, str]]:
    return [
        (line.item.value, line.quantity, line.free, str(line.amount)) for line in made.lines if line.member == member
    ]


def month(*used: Usage, tariff: Tariff = TARIFF, **held: FormulaId) -> Statement:
    return statement("2026-11", used, tariff, {MemberId(who): (FIRST, formula) for who, formula in held.items()})


def use(item: Item, quantity: int, formula: FormulaId = OCC, day: date = DAY, who: MemberId = ANNE) -> Usage:
    return Usage(day, who, formula, item, quantity)


def test_a_subscriber_and_an_occasional_member() -> None:
    made = month(
        use(Item.PRINT_MONO, 48, SUB),
        use(Item.COPY_MONO, 12, SUB),
        use(Item.PRINT_COLOUR, 3, SUB),
        use(Item.VISIT, 600, SUB),
        use(Item.VISIT, 130, OCC, who=BOB),
        anne=SUB,
        bob=OCC,
    )
    assert told(made) == [
        ("membership", 1, 0, "24.00"),
        ("subscription", 1, 0, "90.00"),
        ("visit", 600, 0, "0.00"),
        ("print-mono", 48, 48, "0.00"),
        ("print-colour", 3, 0, "0.75"),
        ("copy-mono", 12, 2, "0.50"),
    ]
    assert told(made, BOB) == [("membership", 1, 0, "24.00"), ("visit", 135, 0, "5.63")]  # 5.625, half up
    assert made.total == D("144.88")
    assert [line.unit for line in made.lines[:4]] == ["month", "month", "minute", "side"]


def test_a_days_minutes_are_added_before_they_are_rounded_up() -> None:
    assert told(month(use(Item.VISIT, 61), use(Item.VISIT, 59))) == [("visit", 120, 0, "5.00")]
    assert told(month(use(Item.VISIT, 61), use(Item.VISIT, 59, day=date(2026, 11, 24)))) == [("visit", 135, 0, "5.63")]


def test_the_month_cap_takes_off_what_is_too_much() -> None:
    days = [use(Item.VISIT, 600, day=date(2026, 11, n)) for n in range(1, 11)]  # 100 h
    assert told(month(*days)) == [("visit", 6000, 0, "250.00"), ("visit-cap", 1, 0, "-50.00")]
    assert told(month(*days[:8])) == [("visit", 4800, 0, "200.00")]


def test_the_day_cap_applies_to_each_day() -> None:
    capped = replace(OCCASIONAL, day_cap=D(12), month_cap=None)
    tariff = Tariff("EUR", (Period(date(2026, 1, 1), {OCC: capped}),))
    made = month(use(Item.VISIT, 480), use(Item.VISIT, 60, day=date(2026, 11, 24)), tariff=tariff)
    assert told(made) == [("visit", 540, 0, "22.50"), ("visit-cap", 1, 0, "-8.00")]


def test_a_cap_that_takes_off_less_than_a_cent_says_nothing() -> None:
    dear = replace(OCCASIONAL, hour=D("0.0101"), hour_step_min=60, day_cap=D("0.0100"), month_cap=None)
    made = month(use(Item.VISIT, 60), tariff=Tariff("EUR", (Period(date(2026, 1, 1), {OCC: dear}),)))
    assert told(made) == [("visit", 60, 0, "0.01")]


def test_each_day_is_priced_by_the_tariff_in_force() -> None:
    dearer = replace(OCCASIONAL, hour=D("3.00"))
    tariff = Tariff("EUR", (*TARIFF.periods, Period(date(2026, 11, 16), {OCC: dearer})))
    made = month(
        use(Item.VISIT, 60, day=date(2026, 11, 15)), use(Item.VISIT, 60, day=date(2026, 11, 16)), tariff=tariff
    )
    assert told(made) == [("visit", 60, 0, "2.50"), ("visit", 60, 0, "3.00")]
    assert [line.since for line in made.lines] == [date(2026, 1, 1), date(2026, 11, 16)]


def test_a_change_of_formula_in_the_month() -> None:
    # what goes by the month follows the first day held, what is used follows the formula of its day
    made = month(
        use(Item.VISIT, 60, OCC, date(2026, 11, 3)), use(Item.VISIT, 60, SUB, date(2026, 11, 20)),
        use(Item.PRINT_MONO, 10, SUB, date(2026, 11, 20)), anne=OCC,
    )  # fmt: skip
    assert told(made) == [
        ("membership", 1, 0, "24.00"),
        ("visit", 60, 0, "2.50"),
        ("visit", 60, 0, "0.00"),
        ("print-mono", 10, 0, "0.50"),
    ]


def test_free_sides_go_by_the_days() -> None:
    made = month(
        use(Item.COPY_MONO, 40, SUB, date(2026, 11, 2)), use(Item.PRINT_MONO, 20, SUB, date(2026, 11, 3)), anne=SUB
    )
    assert told(made)[2:] == [("print-mono", 20, 10, "0.50"), ("copy-mono", 40, 40, "0.00")]


def test_a_correction_is_a_negative_line() -> None:
    made = month(use(Item.COPY_COLOUR, 10), use(Item.COPY_COLOUR, -4), use(Item.VISIT, 60), use(Item.VISIT, -20))
    assert told(made) == [
        ("visit", 60, 0, "2.50"), ("visit", -20, 0, "-0.83"),
        ("copy-colour", 10, 0, "2.50"), ("copy-colour", -4, 0, "-1.00"),
    ]  # fmt: skip
    assert [line.correction for line in made.lines] == [False, True, False, True]
    assert made.total == D("3.17")


def test_nobodys_paper_is_listed_without_a_price() -> None:
    made = month(
        use(Item.UNATTRIBUTED_MONO, 7, NONE, who=SITE), use(Item.UNATTRIBUTED_MONO, -2, NONE, who=SITE),
        Usage(DAY, SITE, NONE, Item.PRINT_MONO, 3, uncertain=2),
    )  # fmt: skip
    assert told(made, SITE) == [("print-mono", 3, 0, "0.00"), ("unattributed-mono", 5, 0, "0.00")]
    assert [(line.unit_price, line.uncertain) for line in made.lines] == [(None, 2), (None, 0)]


def test_what_has_no_price_stops_the_statement() -> None:
    with pytest.raises(UnpricedError) as caught:
        month(
            use(Item.VISIT, 60, FormulaId("student")), use(Item.VISIT, 60, OCC, date(2025, 12, 31)),
            use(Item.VISIT, 9, FormulaId("student")), bob=FormulaId("nomad"),
        )  # fmt: skip
    assert caught.value.faults == (
        'no price for the formula "occasional" on 2025-12-31',
        'no price for the formula "nomad" on 2026-11-01',
        'no price for the formula "student" on 2026-11-23',
    )


# --- from facts --------------------------------------------------------------------------------------------

WRITTEN = datetime(2026, 12, 1, 0, 5, tzinfo=PARIS)


def printed(
    mono: int, colour: int, low: int, high: int, evidence: Evidence = Evidence.DEVICE, state: str = "completed"
) -> Fact:
    return PagesCounted(
        "copieur", "S1", "S1:1", AliasId("a1"), ANNE, OCC, mono, colour, mono + colour, low, high, evidence, state
    )


def test_a_visit_counts_on_the_day_it_ended_and_paper_on_the_day_it_was_written() -> None:
    ended = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)
    visit = VisitEnded("v", ANNE, OCC, datetime(2026, 11, 30, 20, tzinfo=UTC), ended, 150, VisitEvidence.ANIMATOR)
    assert usages(visit, WRITTEN) == (Usage(date(2026, 11, 30), ANNE, OCC, Item.VISIT, 150),)
    copies = CopiesCounted("copieur", "S1", 1, "cv", ANNE, OCC, 3, 1, 103, 11)
    assert usages(copies, WRITTEN) == (
        Usage(date(2026, 12, 1), ANNE, OCC, Item.COPY_MONO, 3),
        Usage(date(2026, 12, 1), ANNE, OCC, Item.COPY_COLOUR, 1),
    )
    assert usages(StatementIssued("2026-10", "csv", "", ""), WRITTEN) == ()


def test_nobodys_copies_and_the_books_that_do_not_close() -> None:
    nobody = CopiesCounted("copieur", "S1", 1, "", SITE, NONE, 3, 0, 103, 11)
    assert usages(nobody, WRITTEN) == (Usage(date(2026, 12, 1), SITE, NONE, Item.UNATTRIBUTED_MONO, 3),)
    unmatched = PrintsUnmatched("copieur", "S1", 1, 0, -2, 100, 50)
    assert usages(unmatched, WRITTEN) == (Usage(date(2026, 12, 1), SITE, NONE, Item.UNATTRIBUTED_COLOUR, -2),)


@pytest.mark.parametrize(
    ("fact", "counted"),
    [
        (printed(5, 2, 7, 7), [("print-mono", 5, 0), ("print-colour", 2, 0)]),
        (printed(5, 2, 6, 8), [("print-mono", 5, 2), ("print-colour", 1, 0)]),  # low, mono first
        (printed(5, 2, 3, 7), [("print-mono", 3, 4)]),
        (printed(0, 4, 2, 4), [("print-colour", 2, 2)]),
        (printed(5, 0, 0, 5, Evidence.CLAIMED), [("print-mono", 0, 5)]),  # nothing is certain: marked, not charged
        (printed(5, 0, 5, 5, Evidence.FORECAST), [("print-mono", 5, 1)]),
        (printed(2, 0, 2, 2, state="aborted"), [("print-mono", 2, 1)]),
        (printed(0, 0, 0, 0), []),
    ],
)
def test_uncertain_prints_count_low_and_are_marked(fact: Fact, counted: list[tuple[str, int, int]]) -> None:
    assert [(one.item.value, one.quantity, one.uncertain) for one in usages(fact, WRITTEN)] == counted


def test_a_print_of_which_nothing_is_certain_is_a_marked_line_of_nothing() -> None:
    made = month(*usages(printed(5, 0, 0, 5, Evidence.CLAIMED), WRITTEN))
    assert told(made) == [("print-mono", 0, 0, "0.00")]
    assert made.lines[0].uncertain == 5


def test_who_had_rights_and_by_which_formula() -> None:
    people = [
        Member(MemberId("all"), SUB, date(2026, 1, 1), None),
        Member(MemberId("came"), OCC, date(2026, 11, 12), None),
        Member(MemberId("left"), OCC, date(2026, 1, 1), date(2026, 11, 1)),
        Member(MemberId("gone"), OCC, date(2026, 1, 1), date(2026, 10, 31)),
        Member(MemberId("next"), OCC, date(2026, 12, 1), None),
        Member(MemberId("changed"), SUB, date(2026, 1, 1), None),
        Member(MemberId("imported"), SUB, date(2026, 1, 1), None),
    ]
    changes = [
        (date(2026, 9, 1), MemberId("changed"), SUB),
        (date(2026, 10, 5), MemberId("changed"), OCC),
        (date(2026, 11, 10), MemberId("changed"), SUB),
        (date(2026, 11, 10), MemberId("imported"), OCC),
        (date(2026, 11, 20), MemberId("imported"), SUB),
    ]
    assert held_in(FIRST, date(2026, 11, 30), people, changes) == {
        "all": (FIRST, SUB),
        "came": (date(2026, 11, 12), OCC),
        "left": (FIRST, OCC),
        "changed": (FIRST, OCC),
        "imported": (FIRST, OCC),
    }


# --- laws --------------------------------------------------------------------------------------------------

TWO = Tariff("EUR", (*TARIFF.periods, Period(date(2026, 11, 16), {
    SUB: replace(SUBSCRIBER, free_mono_sides=10, sides={**PAPER, Item.PRINT_MONO: D("0.0333")}),
    OCC: replace(OCCASIONAL, hour=D("3.33"), day_cap=D(12), hour_step_min=1),
})))  # fmt: skip
days = st.integers(1, 30).map(lambda n: date(2026, 11, n))
members = st.sampled_from([ANNE, BOB])
member_uses = st.builds(
    Usage, days, members, st.sampled_from([SUB, OCC]), st.sampled_from([Item.VISIT, *SIDES]), st.integers(-50, 900),
    st.integers(0, 2),
)  # fmt: skip
site_uses = st.builds(Usage, days, st.just(SITE), st.just(NONE), st.just(Item.UNATTRIBUTED_MONO), st.integers(-9, 99))
months = st.lists(member_uses | site_uses, max_size=25)
helds = st.dictionaries(members, st.tuples(days, st.sampled_from([SUB, OCC])))
Held = dict[MemberId, tuple[date, FormulaId]]


@settings(max_examples=150, deadline=None)
@given(months.flatmap(lambda used: st.tuples(st.just(used), st.permutations(used))), helds)
def test_facts_in_any_order_give_the_same_statement(orders: tuple[list[Usage], list[Usage]], held: Held) -> None:
    assert statement("2026-11", orders[0], TWO, held) == statement("2026-11", orders[1], TWO, held)


@settings(max_examples=150, deadline=None)
@given(months, helds)
def test_lines_are_whole_cents_and_add_up(used: list[Usage], held: Held) -> None:
    made = statement("2026-11", used, TWO, held)
    assert made.total == sum(line.amount for line in made.lines)
    for line in made.lines:
        assert line.amount == line.amount.quantize(D("0.01"))
        assert 0 <= line.free <= max(line.quantity, 0)
        assert line.correction is (line.quantity < 0) or line.member == SITE
        if line.unit_price is not None:
            exact = (line.quantity - line.free) * line.unit_price / line.per
            assert abs(line.amount - exact) <= D("0.005")
    for who in (ANNE, BOB):  # no side is lost between facts and lines
        for item in SIDES:
            counted = sum(one.quantity for one in used if one.member == who and one.item is item)
            assert counted == sum(line.quantity for line in made.lines if line.member == who and line.item is item)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds(Usage, days, st.just(ANNE), st.just(OCC), st.just(Item.VISIT), st.integers(1, 900))), days)
def test_staying_longer_never_costs_less_and_never_more_than_the_cap(used: list[Usage], day: date) -> None:
    less = statement("2026-11", used, TARIFF, {})
    more = statement("2026-11", [*used, use(Item.VISIT, 1, day=day)], TARIFF, {})
    assert less.total <= more.total <= D(200)


def test_price_never_falls_within_a_day() -> None:
    costs = [month(use(Item.VISIT, minutes)).total for minutes in range(1, 1441)]
    assert costs == sorted(costs)
    assert costs[0] == D("0.63")
    assert costs[-1] == D("60.00")


CENTS = st.integers(0, 100).map(lambda cents: D(cents) / 100)


@settings(max_examples=200, deadline=None)
@given(CENTS, CENTS, CENTS, st.integers(0, 60), st.integers(0, 30), st.booleans(), st.booleans())
def test_a_side_more_never_costs_less(front, back, a3, sides, free, two_sided, large):
    priced = {**PAPER, Item.PRINT_MONO: front, Item.PRINT_MONO_TWO_SIDED: max(back, front / 2), Item.PRINT_MONO_A3: a3}
    prices = Prices(D(0), D(0), D(0), priced, free_mono_sides=free)
    tariff = Tariff("EUR", (Period(date(2026, 1, 1), {OCC: prices}),))

    def cost(count: int) -> Decimal:
        sheets = -(-count // 2) if two_sided else count
        about = ("copieur", "S1", "a", AliasId("a1"), ANNE, OCC)
        row = AttemptCounted(*about, count, 0, sheets, count, count, Evidence.DEVICE, "completed", large=large)
        return month(*usages(row, datetime(2026, 11, 23, tzinfo=UTC)), tariff=tariff).total

    assert cost(sides) <= cost(sides + 1)


def test_a3_and_backs_cost_as_others_unless_the_tariff_says_otherwise():
    used = (use(Item.PRINT_MONO_A3, 4), use(Item.PRINT_COLOUR_TWO_SIDED, 6), use(Item.PRINT_MONO, 1))
    assert told(month(*used)) == [("print-mono", 5, 0, "0.25"), ("print-colour", 6, 0, "1.50")]
    finer = replace(OCCASIONAL, sides={**PAPER, Item.PRINT_MONO_A3: D("0.12"), Item.PRINT_COLOUR_TWO_SIDED: D("0.20")})
    tariff = Tariff("EUR", (Period(date(2026, 1, 1), {OCC: finer}),))
    assert told(month(*used, tariff=tariff)) == [
        ("print-mono", 1, 0, "0.05"),
        ("print-mono-a3", 4, 0, "0.48"),
        ("print-colour-two-sided", 6, 0, "1.20"),
    ]
