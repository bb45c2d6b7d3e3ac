"""What may be forgotten, and what remains of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from agent.rules.door import LatchMoved
from agent.rules.facts import Total, total
from agent.rules.health import ServiceStarted
from agent.rules.retention import DayCounted, day_counts, keep_from, too_old
from drivers.contract import Moment, Trust

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


def at(utc: datetime, trust: Trust = Trust.SYNCHRONISED) -> Moment:
    return Moment(utc, 0.0, "boot", trust)


def test_a_passage_is_kept_ninety_days():
    assert keep_from(LatchMoved, at(NOON)) == datetime(2026, 8, 24, 12, 0, tzinfo=UTC)


def test_what_has_no_term_is_kept_for_ever():
    assert keep_from(ServiceStarted, at(NOON)) is None


def test_an_unknown_clock_forgets_nothing_and_a_restored_one_may():
    assert keep_from(LatchMoved, at(NOON, Trust.UNKNOWN)) is None
    assert keep_from(LatchMoved, at(NOON, Trust.RESTORED)) is not None


def test_a_trusted_stamp_protects_and_an_untrusted_one_does_not():
    later = NOON + timedelta(days=1)
    assert too_old(at(NOON - timedelta(seconds=1)), NOON)
    assert not too_old(at(later), NOON)
    assert not too_old(at(later, Trust.DRIFTING), NOON)
    assert too_old(at(later, Trust.UNKNOWN), NOON)
    assert too_old(at(later, Trust.RESTORED), NOON)


def test_a_day_is_counted_in_local_time():
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # half past midnight on the 22nd in Morez
    counts = day_counts(
        "k", [(at(late), (total("sides", 3, device="a"),)), (at(NOON), (total("sides", 4, device="a"),))], PARIS
    )
    assert counts == (DayCounted("k", date(2026, 11, 22), "sides", (("device", "a"),), Decimal(7)),)


def test_rows_are_told_apart_by_day_name_and_labels_in_a_fixed_order():
    steps = (total("b", 1), total("a", 2, x="2"), total("a", 0.5, x="1"))
    assert [(c.day.day, c.name, c.labels, c.amount) for c in day_counts("k", [(at(NOON), steps)], UTC)] == [
        (22, "a", (("x", "1"),), Decimal("0.5")),
        (22, "a", (("x", "2"),), Decimal(2)),
        (22, "b", (), Decimal(1)),
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1000, 1000))))
def test_nothing_is_lost_in_the_sum(days):
    old = [(at(NOON + timedelta(days=day)), (Total("n", (), amount),)) for day, amount in days]
    assert sum(count.amount for count in day_counts("k", old, PARIS)) == sum(amount for _, amount in days)
