"""Transcripts of meters: totals, wraps, falls, and what is copied and what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.columns import Booked, Sides
from agent.rules.metering import LEAP, WRAP, Hearing, Metering, display_of, meters_of, unwrapped
from drivers.contract import (
    Counters,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    JobState,
    LargeSides,
    LifeCount,
    Moment,
    Trust,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOOKED = Booked("S1", True, Sides(1000, 50), Sides(300, 20))  # 1370 in all


def at(second: float, boot: str = "b") -> Moment:
    return Moment(NOON + timedelta(seconds=second), second, boot, Trust.SYNCHRONISED)


def seen(second: float, total: int | None, colour: int | None = None, *, settled: bool = True, boot: str = "b"):
    life = LifeCount(total, colour)
    return DeviceReading(
        at(second, boot), DeviceId("c"), "S1", DeviceState.IDLE, (), (), None, (), settled=settled, life=life
    )


def running(sides: int | None) -> DeviceJob:
    return DeviceJob(
        device=DeviceId("c"), serial="S1", job=1, uuid="u", user="a", state=JobState.PROCESSING, created_utc=NOON,
        sides=sides, sides_colour=None, sheets=None, copies=1, two_sided=None,
    )  # fmt: skip


def read(meter: Metering, reading: DeviceReading, booked: Booked = BOOKED, **how: object) -> Counters | None:
    how = {"claims": False, "hold": False} | how
    return meter.read(reading, booked, **how).counters  # type: ignore[arg-type]


def test_a_first_look_gives_the_total_whole():
    fresh = Booked("", False, Sides(), Sides())
    assert read(Metering(), seen(0, 1370), fresh) == Counters(1370, 0, 0, 0, 0)
    assert read(Metering(), seen(0, 1370, 70), fresh) == Counters(1300, 70, 0, 0, 0)


def test_what_no_record_explains_was_copied_once_it_has_rested():
    meter = Metering()
    assert read(meter, seen(0, 1370)) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(10, 1382)) == Counters(1000, 50, 300, 20, 0)
    assert meter.pending
    assert read(meter, seen(11, 1382)) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(12.5, 1382)) == Counters(1000, 50, 312, 20, 0)
    assert not meter.pending


def test_it_is_counted_at_once_where_a_visit_starts_or_ends():
    assert read(Metering(), seen(10, 1382), now=True) == Counters(1000, 50, 312, 20, 0)


def test_a_total_that_tells_colour_gives_copies_in_colour():
    assert read(Metering(), seen(10, 1382, 75), now=True) == Counters(1000, 50, 307, 25, 0)


def test_a_spooler_at_work_keeps_it_open_but_not_for_ever():
    meter = Metering()
    assert read(meter, seen(0, 1382), hold=True, now=True) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(59, 1382), hold=True) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(60, 1382), hold=True) == Counters(1000, 50, 312, 20, 0)


def test_a_claim_goes_before_copies_and_so_does_a_record_that_says_too_much():
    assert read(Metering(), seen(0, 1382), claims=True) == Counters(1012, 50, 300, 20, 0)
    assert read(Metering(), seen(0, 1367), now=True) == Counters(997, 50, 300, 20, 0)  # 3 less than booked
    mixed = read(Metering(), seen(0, 1372, 71), now=True)  # 1 more in colour, 1 more in mono
    assert mixed == Counters(1000, 50, 301, 21, 0)
    crossed = read(Metering(), seen(0, 1372, 80), now=True)  # 10 more in colour, 8 fewer in mono: records differ
    assert crossed == Counters(992, 60, 300, 20, 0)


def test_where_every_copy_has_clicked_the_rest_was_printed():
    meter = Metering()
    assert read(meter, seen(0, 1382), hearing=Hearing.ALL) == Counters(1000, 50, 300, 20, 0)
    assert meter.pending  # a click may be on its way
    assert read(meter, seen(2, 1382), hearing=Hearing.ALL) == Counters(1012, 50, 300, 20, 0)
    assert not meter.pending
    assert read(meter, seen(3, 1382, 75), hearing=Hearing.ALL, now=True) == Counters(1007, 55, 300, 20, 0)


def test_where_clicks_may_have_been_missed_the_rest_may_be_copies_but_for_a_claim():
    meter = Metering()
    read(meter, seen(0, 1382), hearing=Hearing.SOME)
    assert read(meter, seen(2, 1382), hearing=Hearing.SOME) == Counters(1000, 50, 312, 20, 0)
    assert read(meter, seen(2, 1382), hearing=Hearing.SOME, claims=True) == Counters(1012, 50, 300, 20, 0)


def test_clicks_that_come_before_the_total_counts_them_are_waited_out():
    meter = Metering()
    read(meter, seen(0, 1366), hearing=Hearing.ALL)
    assert meter.pending
    assert read(meter, seen(1, 1370), hearing=Hearing.ALL) == Counters(1000, 50, 300, 20, 0)
    assert not meter.pending
    read(meter, seen(2, 1368), hearing=Hearing.SOME, claims=True)
    assert read(meter, seen(2, 1366), hearing=Hearing.SOME) == Counters(1366, 0, 0, 0, 0)


def test_a_machine_at_work_or_a_reboot_starts_the_rest_anew():
    meter = Metering()
    read(meter, seen(0, 1382))
    assert read(meter, seen(3, 1382, settled=False)) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(4, 1382)) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, seen(5, 1382, boot="c")) == Counters(1000, 50, 300, 20, 0)
    assert read(meter, replace(seen(9, 1382, boot="c"), jobs=(running(3),))) == Counters(1000, 50, 300, 20, 0)


def test_a_total_that_falls_is_given_whole_so_that_new_books_open():
    meter = Metering()
    read(meter, seen(0, 1370))
    assert read(meter, seen(1, 20)) == Counters(20, 0, 0, 0, 0)
    assert read(meter, replace(seen(2, 20), serial="S2")) == Counters(20, 0, 0, 0, 0)


def test_no_total_is_no_counter():
    assert read(Metering(), seen(0, None)) is None
    assert read(Metering(), replace(seen(0, None), life=None)) is None


@pytest.mark.parametrize(
    ("count", "known", "goes_on"),
    [
        (10, 5, 10),
        (4, WRAP - 6, WRAP + 4),  # ten sides over the end of a Counter32
        (WRAP + 4 - WRAP, WRAP + 2, WRAP + 4),  # and on from there
        (0, 1370, 0),  # a reset is a reset
        (1367, 1370, 1367),  # a little less than booked: a record that said too much, for the books to see
        (5, WRAP + 8, WRAP + 5),
        (LEAP, WRAP - 1, LEAP),  # too far for one step: no wrap
    ],
)
def test_a_counter_that_wraps_goes_on(count: int, known: int, goes_on: int):
    assert unwrapped(count, known) == goes_on


def test_vendor_counters_wrap_too_but_only_on_the_same_machine():
    near = Booked("S1", True, Sides(WRAP - 2, 0), Sides(300, WRAP - 5))
    split = replace(seen(0, None), counters=Counters(3, 0, 305, 2, 0))
    assert read(Metering(), split, near) == Counters(WRAP + 3, 0, 305, WRAP + 2, 0)
    assert read(Metering(), replace(split, serial="S2"), near) == Counters(3, 0, 305, 2, 0)
    assert read(Metering(), split, replace(near, metered=False)) == Counters(3, 0, 305, 2, 0)


def test_a_busy_total_that_outran_its_records_is_seen():
    busy = replace(seen(0, 1400, settled=False), jobs=(running(10),))
    assert Metering().surplus(busy, BOOKED)  # 30 more, 10 of them the job's
    assert not Metering().surplus(replace(busy, jobs=(running(29),)), BOOKED)
    assert Metering().surplus(replace(busy, jobs=(running(None),)), BOOKED)
    assert not Metering().surplus(seen(0, 1400), BOOKED)
    assert not Metering().surplus(replace(busy, life=None), BOOKED)
    assert not Metering().surplus(replace(busy, life=LifeCount(None)), BOOKED)


def test_the_display_and_the_meters_of_a_look():
    nothing = replace(seen(0, None), life=None)
    assert (display_of(nothing), meters_of(nothing)) == (None, ())
    assert display_of(seen(0, 1370)) == 1370
    split = replace(nothing, counters=Counters(1000, 50, 300, 20, 0, LargeSides(1, 2, 3, 4)))
    assert display_of(split) == 1370
    assert dict(meters_of(split)) == {
        "print-mono": 1000,
        "print-colour": 50,
        "copy-mono": 300,
        "copy-colour": 20,
        "total": 1370,
        "total-colour": 70,
        "total-colour-large": 6,
        "total-large": 10,
    }
    both = replace(split, counters=Counters(1000, 50, 300, 20, 0), life=LifeCount(1400, 71, (("total-colour", 71),)))
    assert dict(meters_of(both))["total-colour"] == 71
    assert "total-large" not in dict(meters_of(both))
