"""When each probe is due: the pace of a round, of a burst, and after a sleep. Tier: rule; seconds are written here."""

from __future__ import annotations

from collections import Counter

import pytest

from drivers.pace import Pace
from drivers.probing import ProbeKind, ProbePlan


def paced(until_s, bursts=(), slept=(0.0, 0.0)):
    """Look every 10 ms from second 100 on, but while asleep; return (second, act) of all that was done."""
    told, now_s = [], 100.0

    def act(name):
        return lambda: told.append((round(now_s - 100.0, 2), name))

    turns, hard = [act("all"), act("two"), act("three")], [(0.5, act("arp")), (0.1, act("echo"))]
    close = {ProbeKind.DNS: [(0.2, act("dns"))]}
    pace = Pace(100.0, 1.0, turns, [(5.0, act("dns")), (15.0, act("syn"))], hard, close)
    starts = {round(100 * at_s): how for at_s, *how in bursts}
    for tick in range(round(100 * until_s)):
        now_s = 100.0 + tick / 100
        if slept[0] <= tick / 100 < slept[1]:
            continue
        if tick in starts:
            pace.burst(now_s, *starts[tick])
        for each in pace.due(now_s):
            each()
        assert pace.next_s(now_s) > now_s
    return told


def test_a_round_is_spread_over_its_second_and_the_rare_acts_come_with_its_turns():
    assert paced(2.0) == [
        (0.0, "all"), (0.0, "dns"), (0.34, "two"), (0.34, "syn"), (0.67, "three"),
        (1.0, "all"), (1.34, "two"), (1.67, "three"),
    ]  # fmt: skip
    told = Counter(name for _, name in paced(30.0))
    assert told == {"all": 30, "two": 30, "three": 30, "dns": 6, "syn": 2}


def test_a_burst_is_ten_echoes_a_second_and_then_calm_again():
    told = paced(10.0, [(3.05, 2.0)])
    burst = [(at_s, name) for at_s, name in told if 3.05 <= at_s < 5.05]
    assert Counter(name for _, name in burst) == {"echo": 20, "arp": 4, "dns": 1, "syn": 1}
    assert burst[:4] == [(3.05, "arp"), (3.05, "echo"), (3.05, "dns"), (3.05, "syn")]
    after = Counter(name for at_s, name in told if at_s >= 5.05)
    assert (after["echo"], after["arp"]) == (0, 0)
    assert 4 <= after["all"] <= 5


def test_behind_a_burst_the_round_is_as_spread_as_before():
    told = [
        at_s for at_s, name in paced(9.0, [(3.05, 2.0), (4.9, 2.0)]) if at_s > 6.9 and name in ("all", "two", "three")
    ]
    assert told == [7.0, 7.34, 7.67, 8.0, 8.34, 8.67]


def test_a_burst_that_is_asked_again_goes_on_and_gets_no_faster():
    told = Counter(name for at_s, name in paced(10.0, [(3.0, 2.0), (4.0, 2.0)]) if 3.0 <= at_s < 6.0)
    assert (told["echo"], told["dns"], told["syn"]) == (30, 1, 1)


def test_names_are_asked_closely_in_a_burst_that_is_for_them_and_once_where_it_begins():
    told = [at_s for at_s, name in paced(10.0, [(3.05, 1.0, ProbeKind.DNS)]) if name == "dns" and 3.0 <= at_s < 8.0]
    assert told == pytest.approx([3.05, 3.25, 3.45, 3.65, 3.85], abs=0.021)  # we look each 10 ms
    told = [
        at_s for at_s, name in paced(8.0, [(3.05, 2.0), (3.5, 0.5, ProbeKind.DNS), (3.9, 0.5, ProbeKind.DNS)])
        if name == "dns" and 3.0 <= at_s < 8.0
    ]  # fmt: skip
    assert told == pytest.approx([3.05, 3.5, 3.7, 3.9, 4.1, 4.3], abs=0.021)
    assert paced(5.0, [(3.05, 1.0, ProbeKind.CANARY)]) == paced(5.0, [(3.05, 1.0)])  # there is no page to ask for


def test_what_was_slept_through_is_not_caught_up():
    told = [at_s for at_s, name in paced(120.0, slept=(10.5, 100.0)) if name == "all"]
    assert len([at_s for at_s in told if at_s < 10.5]) == 11
    assert told[11:14] == [100.0, 101.0, 102.0]


@pytest.mark.parametrize(
    ("targets", "sparing", "at_once", "turns"),
    [
        *[(1, False, 1, 2), (2, False, 2, 2), (3, False, 3, 2), (4, False, 3, 3), (6, False, 3, 4), (0, False, 1, 1)],
        *[(1, True, 1, 1), (3, True, 1, 3), (0, True, 1, 1)],
    ],
)
def test_a_round_asks_each_target_twice_and_three_at_once(targets, sparing, at_once, turns):
    plan = ProbePlan("192.168.1.1", tuple(f"192.0.2.{at}" for at in range(targets)), sparing=sparing)
    assert (plan.at_once, plan.turns) == (at_once, turns)
