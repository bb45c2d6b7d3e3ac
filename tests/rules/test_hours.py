"""Opening hours: parsing, edges, closures, and the two nights the wall clock jumps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules.hours import DAYS, Quiet, WeeklyHours, instant

PARIS = ZoneInfo("Europe/Paris")
NONE: frozenset[date] = frozenset()
OFFICE = WeeklyHours.parse(dict.fromkeys(DAYS[:5], ("09:00-12:00", "14:00-18:00")))
NIGHTS = WeeklyHours.parse({"saturday": ("22:00-02:30",)})


def paris(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-11-23 08:59:59", False),
        ("2026-11-23 09:00:00", True),
        ("2026-11-23 11:59:59", True),
        ("2026-11-23 12:00:00", False),  # the end is exclusive
        ("2026-11-23 14:00:00", True),
        ("2026-11-22 10:00:00", False),  # a Sunday
    ],
)
def test_an_office_day(at: str, is_open: bool) -> None:
    assert OFFICE.open_at(paris(at), NONE) is is_open


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        WeeklyHours.parse(
            {
                "lundi": ("09:00-18:00",),
                "monday": ("9h-18h", "10:00-10:00"),
                "tuesday": ("09:00-24:30", "24:00-03:00"),
                "friday": ("14:00-18:00", "09:00-14:30"),
            }
        )
    assert str(caught.value).splitlines() == [
        'hours: "lundi" is not a day; write one of monday, tuesday, wednesday, thursday, friday, saturday, sunday',
        'hours.monday: "9h-18h" is not a window; write it as "09:00-18:00"',
        'hours.monday: "10:00-10:00" is empty; the whole day is "00:00-24:00"',
        'hours.tuesday: "09:00-24:30" passes 24:00; a night is written "22:00-02:00"',
        'hours.tuesday: "24:00-03:00" passes 24:00; a night is written "22:00-02:00"',
        "hours.friday: two windows overlap; join them into one",
    ]


def test_a_closed_day_closes_its_own_night_and_the_night_that_runs_into_it() -> None:
    sunday_closed = frozenset({date(2026, 11, 22)})
    saturday_closed = frozenset({date(2026, 11, 21)})
    assert NIGHTS.open_at(paris("2026-11-21 23:59:59"), sunday_closed)
    assert not NIGHTS.open_at(paris("2026-11-22 00:00:00"), sunday_closed)
    assert not NIGHTS.open_at(paris("2026-11-22 01:00:00"), saturday_closed)
    assert NIGHTS.open_at(paris("2026-11-22 01:00:00"), NONE)


def test_the_long_night_of_october_does_not_open_twice() -> None:
    # see 25 October 2026: 03:00 CEST becomes 02:00 CET. expect: closed at the first 02:30, and for good
    assert NIGHTS.open_at(paris("2026-10-25 02:29:59", fold=0), NONE)
    assert not NIGHTS.open_at(paris("2026-10-25 02:30:00", fold=0), NONE)
    assert not NIGHTS.open_at(paris("2026-10-25 02:00:00", fold=1), NONE)
    assert not NIGHTS.open_at(paris("2026-10-25 02:29:59", fold=1), NONE)
    change = NIGHTS.next_change(paris("2026-10-24 23:00"), NONE)
    assert change is not None
    assert change.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_short_night_of_march_ends_at_the_jump() -> None:
    # see 28 March 2027: 02:00 CET becomes 03:00 CEST, 02:30 does not exist. expect: closed at 03:00 CEST
    assert NIGHTS.open_at(paris("2027-03-28 01:59:59"), NONE)
    assert not NIGHTS.open_at(paris("2027-03-28 03:00:00"), NONE)
    change = NIGHTS.next_change(paris("2027-03-27 23:00"), NONE)
    assert change is not None
    assert change.astimezone(UTC) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    assert (change.hour, change.minute) == (3, 0)


def test_next_change_walks_over_lunch_night_and_holiday() -> None:
    bridge = frozenset({date(2026, 12, 25)})
    seen = [paris("2026-12-24 08:00")]
    for _ in range(5):
        change = OFFICE.next_change(seen[-1], bridge)
        assert change is not None
        seen.append(change)
    assert [at.strftime("%d %H:%M") for at in seen[1:]] == [
        "24 09:00", "24 12:00", "24 14:00", "24 18:00", "28 09:00",
    ]  # fmt: skip


def test_a_place_that_never_changes_says_so() -> None:
    always = WeeklyHours.parse(dict.fromkeys(DAYS, ("00:00-24:00",)))
    assert always.next_change(paris("2026-11-22 10:00"), NONE) is None
    assert WeeklyHours().next_change(paris("2026-11-22 10:00"), NONE) is None
    assert always.open_at(paris("2026-10-25 02:30", fold=1), NONE)
    christmas = always.next_change(paris("2026-12-20 10:00"), frozenset({date(2026, 12, 25)}))
    assert christmas == paris("2026-12-25 00:00")


moments = st.integers(0, 366 * 24 * 60).map(lambda m: datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=m))
clock_times = st.integers(0, 1439).map(lambda m: f"{m // 60:02}:{m % 60:02}")
windows = st.tuples(clock_times, clock_times).filter(lambda w: w[0] != w[1]).map(lambda w: (f"{w[0]}-{w[1]}",))
weeks = st.dictionaries(st.sampled_from(DAYS), windows).map(WeeklyHours.parse)
closed_days = st.frozensets(st.integers(0, 366).map(lambda n: date(2026, 6, 1) + timedelta(days=n)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(weeks, moments, closed_days, st.integers(1, 600))
def test_nothing_changes_before_the_next_change(
    week: WeeklyHours, at: datetime, closures: frozenset[date], step: int
) -> None:
    local = at.astimezone(PARIS)
    change = week.next_change(local, closures)
    before = at + timedelta(minutes=step)
    if change is None or before < change.astimezone(UTC):
        assert week.open_at(before.astimezone(PARIS), closures) is week.open_at(local, closures)
    if change is not None:
        assert week.open_at(change, closures) is not week.open_at(local, closures)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 366), st.integers(0, 2 * 1440))
def test_a_bound_is_the_first_instant_the_wall_shows_it(offset: int, minute: int) -> None:
    day = date(2026, 6, 1) + timedelta(days=offset)
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001  (a wall time)
    at = instant(day, minute, PARIS)
    assert at.astimezone(PARIS).replace(tzinfo=None) >= wall
    earlier = (at - timedelta(minutes=1)).astimezone(PARIS).replace(tzinfo=None)
    assert earlier < wall


@given(weeks)
def test_a_week_written_out_is_the_same_week_read_again(week: WeeklyHours) -> None:
    assert WeeklyHours.parse(week.texts()) == week


def test_a_day_closes_with_its_last_window() -> None:
    assert OFFICE.closing(paris("2026-11-23 08:00"), NONE) == paris("2026-11-23 18:00")
    assert OFFICE.closing(paris("2026-11-23 23:00"), NONE) == paris("2026-11-23 18:00")
    assert NIGHTS.closing(paris("2026-11-28 10:00"), NONE) == paris("2026-11-29 02:30")
    assert OFFICE.closing(paris("2026-11-22 10:00"), NONE) is None
    assert OFFICE.closing(paris("2026-11-23 10:00"), frozenset({date(2026, 11, 23)})) is None
    assert OFFICE.texts()["monday"] == ("09:00-12:00", "14:00-18:00")
    assert NIGHTS.texts()["saturday"] == ("22:00-02:30",)
    assert NIGHTS.texts()["sunday"] == ()


def test_a_night_before_a_closed_day_ends_at_midnight_in_what_is_judged_printed_and_billed() -> None:
    nights = WeeklyHours.parse({"saturday": ("10:00-12:00", "22:00-02:00"), "sunday": ("09:00-24:00",)})
    sunday = frozenset({date(2026, 11, 22)})
    saturday = date(2026, 11, 21)
    assert nights.windows(saturday, NONE) == ("10:00-12:00", "22:00-02:00")
    assert nights.windows(saturday, sunday) == ("10:00-12:00", "22:00-24:00")
    assert nights.windows(date(2026, 11, 22), sunday) == ()
    assert nights.windows(date(2026, 11, 22), frozenset({date(2026, 11, 23)})) == ("09:00-24:00",)
    evening = paris("2026-11-21 23:00")
    assert nights.closing(evening, NONE) == paris("2026-11-22 02:00")
    assert nights.closing(evening, sunday) == paris("2026-11-22 00:00")
    assert nights.open_at(paris("2026-11-21 23:59"), sunday)
    assert not nights.open_at(paris("2026-11-22 00:00"), sunday)


def test_a_night_is_open_by_the_day_it_began_on() -> None:
    assert NIGHTS.opened_on(paris("2026-11-21 23:00"), NONE) == date(2026, 11, 21)
    assert NIGHTS.opened_on(paris("2026-11-22 01:00"), NONE) == date(2026, 11, 21)
    assert NIGHTS.opened_on(paris("2026-11-22 03:00"), NONE) is None


@pytest.mark.parametrize(
    ("hours", "local", "held"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "00:30", True),
        ("22:00-07:00", "07:00", False),
        ("12:00-14:00", "13:00", True),
        ("12:00-14:00", "11:59", False),
        ("12:00-14:00", "14:00", False),
        ("", "03:00", False),
        ("08:00-08:00", "08:00", False),
    ],
)
def test_quiet_hours(hours: str, local: str, held: bool) -> None:
    assert Quiet.parse(hours).covers(time.fromisoformat(local)) is held


@pytest.mark.parametrize("text", ["22-07", "24:00-07:00", "22:00", "22:00-7:00", " "])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not like"):
        Quiet.parse(text)


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=UTC)


def test_openings_of_days_leave_closed_ones_out() -> None:
    first, beyond = date(2026, 10, 22), date(2026, 10, 27)  # Thursday to Monday; winter time from Sunday on
    assert OFFICE.openings(first, beyond, frozenset({date(2026, 10, 23)}), PARIS) == (
        (utc(22, 7), utc(22, 10)),
        (utc(22, 12), utc(22, 16)),
        (utc(26, 8), utc(26, 11)),
        (utc(26, 13), utc(26, 17)),
    )


def test_openings_of_a_night_are_cut_at_the_days_that_are_asked_for_and_at_a_closed_one() -> None:
    saturday, sunday, monday = date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)
    assert NIGHTS.openings(saturday, sunday, NONE, PARIS) == ((utc(24, 20), utc(24, 22)),)
    assert NIGHTS.openings(sunday, monday, NONE, PARIS) == ((utc(24, 22), utc(25, 0, 30)),)  # 02:30, the first one
    assert NIGHTS.openings(saturday, monday, frozenset({sunday}), PARIS) == ((utc(24, 20), utc(24, 22)),)


def test_openings_that_overlap_are_counted_once() -> None:
    week = WeeklyHours.parse({"saturday": ("20:00-04:00",), "sunday": ("01:00-05:00", "06:00-07:00")})
    assert week.openings(date(2026, 10, 17), date(2026, 10, 19), NONE, PARIS) == (
        (utc(17, 18), utc(18, 2)),
        (utc(18, 2), utc(18, 3)),
        (utc(18, 4), utc(18, 5)),
    )
    hidden = WeeklyHours.parse({"saturday": ("20:00-04:00",), "sunday": ("01:00-03:00",)})
    assert hidden.openings(date(2026, 10, 17), date(2026, 10, 19), NONE, PARIS) == ((utc(17, 18), utc(18, 2)),)
