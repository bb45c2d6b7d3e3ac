"""What it costs to leave now, and which visits somebody should look at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.leaving import Doubt, closing_of, costs_today, doubt, minutes_by_day, outside
from agent.rules.presence import VisitEvidence
from agent.rules.tariff import Period, Prices, Tariff, statement
from agent.rules.usage import SIDES, Item, Usage
from agent.rules.visits import Visit

PARIS = ZoneInfo("Europe/Paris")
OCC, BOB = FormulaId("occasional"), MemberId("m013")
ZERO = Decimal(0)
TUESDAY = date(2026, 11, 24)


def tariff(day_cap: str = "", month_cap: str = "", step: int = 15) -> Tariff:
    prices = Prices(
        ZERO,
        ZERO,
        Decimal("2.50"),
        dict.fromkeys(SIDES, ZERO),
        step,
        Decimal(day_cap) if day_cap else None,
        Decimal(month_cap) if month_cap else None,
    )
    return Tariff("EUR", (Period(date(2026, 1, 1), {OCC: prices}),))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=PARIS).astimezone(UTC)


def visit(start: str, end: str = "", *, by: VisitEvidence = VisitEvidence.ANIMATOR, annulled: bool = False) -> Visit:
    ended = at(end) if end else None
    minutes = (ended - at(start)) // timedelta(minutes=1) if ended else 0
    return Visit(start, BOB, OCC, at(start), ended, minutes, by, annulled=annulled)


@pytest.mark.parametrize(
    ("minutes", "cost"),
    [(0, "0.00"), (1, "0.63"), (15, "0.63"), (16, "1.25"), (130, "5.63"), (135, "5.63"), (600, "25.00")],
)
def test_every_started_quarter_of_an_hour_counts(minutes: int, cost: str) -> None:
    assert costs_today(tariff(), OCC, {TUESDAY: minutes}, TUESDAY) == Decimal(cost)


def test_the_days_cap_and_what_the_months_cap_leaves() -> None:
    days = {date(2026, 11, 3): 600, date(2026, 11, 4): 600, TUESDAY: 600}
    assert costs_today(tariff(day_cap="15"), OCC, days, TUESDAY) == Decimal("15.00")
    assert costs_today(tariff(month_cap="60"), OCC, days, TUESDAY) == Decimal("10.00")
    assert costs_today(tariff(month_cap="40"), OCC, days, TUESDAY) == Decimal("0.00")


def test_other_months_and_days_to_come_do_not_count() -> None:
    days = {date(2026, 10, 24): 6000, date(2026, 11, 25): 600, date(2025, 11, 3): 600, TUESDAY: 60}
    assert costs_today(tariff(month_cap="10"), OCC, days, TUESDAY) == Decimal("2.50")


def test_what_has_no_price_has_no_figure() -> None:
    assert costs_today(tariff(), FormulaId("other"), {TUESDAY: 60}, TUESDAY) is None
    later = Tariff("EUR", (Period(date(2026, 11, 10), tariff().periods[0].formulas),))
    assert costs_today(later, OCC, {date(2026, 11, 9): 600, TUESDAY: 60}, TUESDAY) == Decimal("2.50")


@given(st.dictionaries(st.integers(1, 24), st.integers(0, 900), min_size=1), st.sampled_from(["", "20"]))
def test_it_is_the_statements_own_arithmetic(month: dict[int, int], day_cap: str) -> None:
    prices, days = tariff(day_cap, "90"), {date(2026, 11, day): minutes for day, minutes in month.items()}

    def issued(some: dict[date, int]) -> Decimal:
        used = [Usage(day, BOB, OCC, Item.VISIT, minutes) for day, minutes in some.items()]
        return statement("2026-11", used, prices, {}).total

    last = max(days)
    today = costs_today(prices, OCC, days, last)
    assert today is not None
    without = {day: minutes for day, minutes in days.items() if day != last}
    assert abs(today - (issued(days) - issued(without))) <= Decimal("0.01")  # each total is rounded once


@given(st.integers(0, 1440), st.sampled_from(["", "15"]), st.sampled_from(["", "30"]))
def test_staying_longer_never_costs_less(minutes: int, day_cap: str, month_cap: str) -> None:
    prices = tariff(day_cap, month_cap)
    now, later = (costs_today(prices, OCC, {TUESDAY: n}, TUESDAY) for n in (minutes, minutes + 1))
    assert now is not None
    assert later is not None
    assert now <= later


def test_minutes_by_the_day_a_visit_ended() -> None:
    visits = [
        visit("23 22:00", "24 00:30"),
        visit("24 09:00", "24 10:00"),
        visit("24 11:00", annulled=True),
        visit("24 11:00"),
    ]
    assert minutes_by_day(visits, PARIS, at("24 12:01")) == {TUESDAY: 150 + 60 + 61}
    assert minutes_by_day([visit("24 11:00")], PARIS, at("24 10:00")) == {TUESDAY: 0}  # a clock that fell back


HOURS = WeeklyHours.parse({"tuesday": ("09:00-12:30", "13:30-18:00")})
NEVER: frozenset[date] = frozenset()


def test_closing_is_the_end_of_the_opening_the_visit_began_in() -> None:
    assert closing_of(visit("24 09:05"), HOURS, NEVER, PARIS) == at("24 12:30")
    assert closing_of(visit("24 14:00"), HOURS, NEVER, PARIS) == at("24 18:00")
    assert closing_of(visit("24 20:00"), HOURS, NEVER, PARIS) is None
    assert closing_of(visit("24 09:05"), HOURS, frozenset({TUESDAY}), PARIS) is None


@pytest.mark.parametrize(
    ("one", "now", "why"),
    [
        (visit("24 14:00"), "24 18:15", None),
        (visit("24 14:00"), "24 18:16", Doubt.PAST_CLOSING),
        (visit("24 20:00"), "24 23:00", None),
        (visit("24 08:00"), "24 20:01", Doubt.FORGOTTEN),
        (visit("24 14:00", "24 18:00", by=VisitEvidence.CLOSING), "25 09:00", None),
        (visit("24 14:00", "24 18:00"), "25 09:00", None),
        (visit("24 14:00", annulled=True), "25 09:00", None),
    ],
)
def test_what_somebody_should_look_at(one: Visit, now: str, why: Doubt | None) -> None:
    assert doubt(one, HOURS, NEVER, PARIS, at(now)) is why


@pytest.mark.parametrize(
    ("one", "so"),
    [
        (visit("24 09:00", "24 12:45"), False),  # packing up
        (visit("24 09:00", "24 12:46"), True),  # over the lunch break
        (visit("24 08:59", "24 10:00"), True),
        (visit("24 20:00", "24 21:00"), True),
        (visit("24 14:00"), False),
    ],
)
def test_some_of_a_visit_was_outside_the_opening_hours(one: Visit, so: bool) -> None:
    assert outside(one, HOURS, NEVER, PARIS) is so


def test_nothing_is_outside_where_it_never_closes() -> None:
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    always = WeeklyHours.parse(dict.fromkeys(week, ("00:00-24:00",)))
    assert not outside(visit("24 14:00", "24 18:00"), always, NEVER, PARIS)
