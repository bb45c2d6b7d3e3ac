"""Opening from the page: how often, how long, and whom an event window lets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.remote import (
    LONGEST_S,
    OPENS,
    WITHIN_S,
    OpenedRemotely,
    Refusal,
    Whom,
    WindowClosed,
    WindowEnd,
    WindowOpened,
    next_time,
    wait_s,
    window_s,
)

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 24, 19, 0, tzinfo=PARIS)


def test_six_times_in_ten_minutes_and_then_a_wait() -> None:
    opened: list[float] = []
    for at in (0.0, 10.0, 20.0, 30.0, 40.0, 50.0):
        assert wait_s(opened, at) == 0.0
        opened.append(at)
    assert wait_s(opened, 60.0) == 540.0
    assert wait_s(opened, 599.0) == 1.0
    assert wait_s(opened, 600.0) == 0.0
    assert wait_s([*opened[1:], 600.0], 605.0) == 5.0


@given(st.lists(st.floats(0, 5000), max_size=40))
def test_no_ten_minutes_ever_hold_more_than_six_openings(asked: list[float]) -> None:
    opened: list[float] = []
    for at in sorted(asked):
        if wait_s(opened, at) == 0.0:
            opened.append(at)
    for start in opened:
        assert sum(start <= at < start + WITHIN_S for at in opened) <= OPENS


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("22:30", "2026-11-24 21:30"),
        ("9h05", "2026-11-25 08:05"),  # tomorrow's
        ("19:00", "2026-11-25 18:00"),  # now is over
        (" 23H59 ", "2026-11-24 22:59"),
    ],
)
def test_a_time_is_the_next_one(text: str, utc: str) -> None:
    assert next_time(text, NOW) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_time_in_the_missing_hour_is_the_jump() -> None:
    assert next_time("02:30", datetime(2027, 3, 28, 0, 30, tzinfo=PARIS)) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soir", "25:00", "22:60", "2230", "22:30:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert next_time(text, NOW) is Refusal.NO_TIME


def test_a_time_without_a_zone_says_nothing() -> None:
    assert next_time("22:30", NOW.replace(tzinfo=None)) is Refusal.NO_TIME


def test_a_window_has_an_end_within_six_hours() -> None:
    assert window_s(NOW + timedelta(hours=3), NOW) == 10_800.0
    assert window_s(NOW + timedelta(seconds=LONGEST_S), NOW) == 21_600.0
    assert window_s(NOW + timedelta(hours=6, seconds=1), NOW) is Refusal.TOO_LONG
    assert window_s(NOW, NOW) is Refusal.PAST
    assert window_s(NOW - timedelta(seconds=1), NOW) is Refusal.PAST


def test_the_facts_are_passages_and_add_nothing_to_the_sums() -> None:
    for fact in (
        OpenedRemotely("a1", Whom.DELIVERY),
        WindowOpened("w", "a1", NOW, fed=False),
        WindowClosed("w", "", WindowEnd.TIME),
    ):
        assert fact.kept_for_days == 90
        assert fact.totals() == ()
