"""Bookings and lockdowns as values: when they hold, and what their facts say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.rules.bookings import CODE, CODE_DIGITS, Alarm, Booking, BookingId, BookingUsed, DayOpened, subject
from agent.rules.facts import FormulaId, MemberId

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ONE = Booking(BookingId("b"), MemberId("m001"), None, START, START + timedelta(hours=1), None)


def test_a_booking_holds_from_its_start_until_its_end() -> None:
    never = timedelta()
    assert [ONE.serves(START + timedelta(minutes=n), never) for n in (-1, 0, 59, 60)] == [False, True, True, False]
    assert ONE.serves(START - timedelta(minutes=10), timedelta(minutes=10))


def test_the_facts_carry_ids_and_are_kept_as_passages() -> None:
    assert BookingUsed(BookingId("b")).kept_for_days == 90
    assert DayOpened("2026-11-23", FormulaId("subscriber")).kept_for_days == 90
    assert subject(Alarm.EXERCISE, None) == "exercise"
    assert subject(Alarm.INTRUSION, START) == "intrusion..2026-11-23T09:00:00+00:00"


def test_a_code_is_digits_of_an_even_number() -> None:
    assert CODE_DIGITS % 2 == 0
    assert CODE.fullmatch("04820913")
    assert not CODE.fullmatch("0482091")
