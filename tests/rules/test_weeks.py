"""Which opening hours stood when: each week from its instant on. Tier: rule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from agent.rules.hours import WeeklyHours
from agent.rules.linkfacts import LinkRated
from agent.rules.weeks import Weeks, WeekStood

PARIS = ZoneInfo("Europe/Paris")
NINE = WeeklyHours.parse({"monday": ("09:00-12:00", "14:00-18:00"), "tuesday": ("09:00-18:00",)})
TEN = WeeklyHours.parse({"monday": ("10:00-16:00",), "tuesday": ("10:00-16:00",)})
MONDAY, WEDNESDAY = date(2026, 11, 2), date(2026, 11, 4)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def openings(weeks: Weeks, closures: frozenset[date] = frozenset()) -> tuple[tuple[datetime, datetime], ...]:
    return weeks.openings(TEN, MONDAY, WEDNESDAY, closures, PARIS)


def test_a_fact_holds_a_whole_week() -> None:
    fact = WeekStood.of(NINE)
    assert fact.windows == ("09:00-12:00 14:00-18:00", "09:00-18:00", "", "", "", "", "")
    assert fact.week() == NINE


def test_where_none_was_noted_the_one_in_force_is_taken() -> None:
    assert openings(Weeks()) == ((utc(2, 9), utc(2, 15)), (utc(3, 9), utc(3, 15)))


def test_each_week_holds_from_its_instant_on_and_the_first_before_it() -> None:
    weeks = Weeks().after([(utc(2, 7), LinkRated("adsl1", None, 0, 0, "")), (utc(2, 7), WeekStood.of(NINE))])
    assert openings(weeks) == ((utc(2, 8), utc(2, 11)), (utc(2, 13), utc(2, 17)), (utc(3, 8), utc(3, 17)))
    changed = weeks.after([(utc(2, 14, 30), WeekStood.of(TEN))])  # in the middle of Monday's afternoon
    assert openings(changed) == (
        (utc(2, 8), utc(2, 11)),
        (utc(2, 13), utc(2, 14, 30)),
        (utc(2, 14, 30), utc(2, 15)),
        (utc(3, 9), utc(3, 15)),
    )
    assert openings(changed, frozenset({date(2026, 11, 2)})) == ((utc(3, 9), utc(3, 15)),)


def test_on_a_clock_that_was_set_back_the_later_word_holds() -> None:
    facts = [(utc(1, 0), NINE), (utc(3, 12), TEN), (utc(2, 12), NINE)]
    weeks = Weeks().after((at, WeekStood.of(week)) for at, week in facts)
    assert openings(weeks) == ((utc(2, 8), utc(2, 11)), (utc(2, 13), utc(2, 17)), (utc(3, 8), utc(3, 17)))
