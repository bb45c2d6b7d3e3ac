"""Delays grow, bans never come, and who knows the secret always gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.patience import ACCOUNT, ADDRESS, PIN, Slowness, Tries, failed, looked_at, wait_s

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
ALL = (ACCOUNT, ADDRESS, PIN)


def after(failures: int, slowness: Slowness) -> Tries | None:
    tries: Tries | None = None
    for _ in range(failures):
        tries = failed(tries, slowness, NOW)
    return tries


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (4, 0), (5, 2), (6, 4), (7, 8), (10, 64), (13, 512), (14, 900), (15, 900), (4000, 900)],
)
def test_an_account_is_slowed_down(failures: int, seconds: float) -> None:
    assert wait_s(after(failures, ACCOUNT), ACCOUNT, NOW) == seconds


@pytest.mark.parametrize(("failures", "seconds"), [(4, 0), (5, 900), (6, 900), (100, 900)])
def test_a_pin_has_five_tries_and_then_a_quarter_of_an_hour_each(failures: int, seconds: float) -> None:
    assert wait_s(after(failures, PIN), PIN, NOW) == seconds


def test_an_address_has_more_patience_than_an_account() -> None:
    assert wait_s(after(9, ADDRESS), ADDRESS, NOW) == 0
    assert wait_s(after(10, ADDRESS), ADDRESS, NOW) == 2


def test_waiting_is_all_it_takes() -> None:
    tries = after(7, ACCOUNT)
    assert wait_s(tries, ACCOUNT, NOW + timedelta(seconds=3)) == 5
    assert wait_s(tries, ACCOUNT, NOW + timedelta(seconds=8)) == 0


def test_a_calm_day_is_forgotten() -> None:
    tries = after(50, ACCOUNT)
    assert failed(tries, ACCOUNT, NOW + timedelta(hours=24)).failures == 51
    assert failed(tries, ACCOUNT, NOW + timedelta(hours=24, seconds=1)).failures == 1


def test_a_clock_that_was_put_back_costs_one_more_delay_and_no_more() -> None:
    earlier = NOW - timedelta(days=4000)
    tries = after(30, ACCOUNT)
    assert tries is not None
    assert wait_s(tries, ACCOUNT, earlier) == 900
    seen = looked_at(tries, earlier)
    assert wait_s(seen, ACCOUNT, earlier + timedelta(seconds=900)) == 0
    assert looked_at(seen, NOW) == seen


@given(st.integers(0, 10_000), st.sampled_from(ALL), st.floats(0, 86_400))
def test_nobody_ever_waits_longer_than_the_longest(failures: int, slowness: Slowness, passed_s: float) -> None:
    tries = Tries(failures, NOW)
    wait = wait_s(tries, slowness, NOW + timedelta(seconds=passed_s))
    assert 0 <= wait <= slowness.longest_s
    assert wait_s(tries, slowness, NOW + timedelta(seconds=slowness.longest_s)) == 0


@given(st.integers(0, 500), st.sampled_from(ALL))
def test_more_failures_never_wait_less(failures: int, slowness: Slowness) -> None:
    fewer, more = Tries(failures, NOW), Tries(failures + 1, NOW)
    assert wait_s(fewer, slowness, NOW) <= wait_s(more, slowness, NOW)
