"""Laws of `rules.samples`: windows of five minutes, percentiles, jitter, the histogram."""

from __future__ import annotations

import pytest

from agent.rules.samples import BUCKETS_S, LinkSample, Sampler
from drivers.probing import Outcome, ProbeKind
from tests.rules.probes import BOX, A, B, at, echo, reply

REPLIED, LOST, LATE = Outcome.REPLIED, Outcome.LOST, Outcome.LATE
NOON_S = 1793620800  # 2026-11-02 12:00:00 UTC


def test_a_window_is_five_minutes_of_the_wall_clock():
    sampler = Sampler("adsl1")
    for second, rtt_s in ((1, 0.020), (2, 0.030), (3, 0.050), (4, 0.040)):
        assert sampler.take(echo(A, REPLIED, second, rtt_s)) is None
    assert sampler.take(echo(A, LOST, 5)) is None
    assert sampler.take(echo(B, Outcome.UNREACHABLE, 6)) is None
    assert sampler.take(echo(A, LATE, 7, 0.9)) is None
    done = sampler.take(echo(A, REPLIED, 300, 0.020))
    # steps of 10, 20 and 10 ms: 13.333 ms
    assert done == LinkSample("adsl1", NOON_S, 6, 2, 1, 40_000, 50_000, 13_333)
    assert sampler.turn(at(600)) == LinkSample("adsl1", NOON_S + 300, 1, 0, 0, 20_000, 20_000, None)


def test_the_95th_of_a_hundred_is_the_96th_smallest():
    sampler = Sampler("adsl1")
    for number in range(100):
        sampler.take(echo(A, REPLIED, number, 0.001 * (1 + number * 37 % 100)))
    done = sampler.turn(at(301))
    assert (done.sent, done.median_us, done.p95_us) == (100, 51_000, 96_000)


def test_a_silent_window_has_no_times_and_an_empty_one_no_row():
    sampler = Sampler("adsl1")
    assert sampler.turn(at(0)) is None
    sampler.take(echo(A, LOST, 1))
    assert sampler.turn(at(299)) is None
    assert sampler.turn(at(300)) == LinkSample("adsl1", NOON_S, 1, 1, 0, None, None, None)
    assert sampler.turn(at(900)) is None


def test_where_the_clock_steps_the_window_ends_early():
    sampler = Sampler("adsl1")
    sampler.take(echo(A, REPLIED, 10, 0.030))
    done = sampler.take(echo(A, REPLIED, -3600, 0.030))
    assert (done.start_s, done.sent) == (NOON_S, 1)


@pytest.mark.parametrize(
    "other",
    [
        reply(ProbeKind.ARP, BOX, REPLIED),
        reply(ProbeKind.HOP, A, LOST),
        echo(A, LOST, size=1500),
        echo(A, Outcome.NO_CARRIER),
        echo(A, Outcome.DUPLICATE),
    ],
)
def test_what_is_no_plain_echo_counts_nowhere(other):
    sampler = Sampler("adsl1")
    assert sampler.take(other) is None
    assert (sum(sampler.counts), sampler.sum_s, sampler.turn(at(300))) == (0, 0.0, None)


def test_the_histogram_counts_an_answer_below_or_at_its_bound_and_never_starts_anew():
    sampler = Sampler("adsl1")
    for rtt_s in (0.005, 0.0051, 0.2, 2.0, 2.5):
        sampler.take(echo(A, REPLIED, 1, rtt_s))
    sampler.take(echo(A, LATE, 2, 3.0))
    sampler.take(echo(A, REPLIED, 400, 0.005))
    assert len(BUCKETS_S) == 13
    assert sampler.counts == [2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1]
    assert sampler.sum_s == pytest.approx(4.7151)
