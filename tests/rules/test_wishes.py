"""Laws of `rules.wishes`: how often a prober is asked to look hard, and what a rate check may cost."""

from __future__ import annotations

import pytest

from agent.rules.linkfacts import Health, LinkPolicy, LinkRated
from agent.rules.wishes import Wishes
from drivers.probing import Burst, CheckRate, ProbeKind, RateMeasured
from tests.rules.probes import LINK, at

UP, DOWN = Health.UP, Health.DOWN
MIB = 1 << 20


def told(wishes, until_s, health, suspicion, *, step_s=0.25, begin_s=0.0, boot="boot-1"):
    """Consider every `step_s`; return (second, wish)."""
    wanted = []
    for turn in range(round((until_s - begin_s) / step_s)):
        second = begin_s + turn * step_s
        wishes.consider(at(second, boot), health, suspicion)
        wanted += [(second, wish) for wish in wishes.take()]
    return wanted


def test_a_wish_is_told_once():
    wishes = Wishes(LinkPolicy())
    wishes.consider(at(0), UP, "reach")
    assert wishes.take() == (Burst(2.0),)
    assert wishes.take() == ()


def test_a_doubt_that_lasts_is_one_burst_after_another():
    wanted = told(Wishes(LinkPolicy()), 6.0, UP, "reach")
    assert wanted == [(0.0, Burst(2.0)), (1.75, Burst(2.0)), (3.5, Burst(2.0)), (5.25, Burst(2.0))]


def test_lonely_losses_cost_twelve_seconds_of_bursts_a_minute():
    wanted = told(Wishes(LinkPolicy()), 130.0, UP, "quality")
    assert [second for second, _ in wanted if second < 60] == [0.0, 2.75, 5.5, 8.25]
    assert [second for second, _ in wanted if 60 <= second < 120] == [60.0, 62.75, 65.5, 68.25]
    names = told(Wishes(LinkPolicy()), 60.0, UP, "dns")
    assert len(names) == 35  # no such bound where names or pages fail


def test_a_name_in_doubt_is_asked_closely_also_while_another_burst_runs():
    wishes = Wishes(LinkPolicy())
    assert told(wishes, 0.5, UP, "quality") == [(0.0, Burst(3.0))]
    assert told(wishes, 1.0, UP, "dns", begin_s=0.5) == [(0.5, Burst(2.0, ProbeKind.DNS))]
    assert told(wishes, 2.0, UP, "echo", begin_s=1.0) == [(1.0, Burst(2.0, ProbeKind.ECHO))]
    assert told(wishes, 2.5, UP, "dns", begin_s=2.0) == [(2.25, Burst(2.0, ProbeKind.DNS))]
    assert told(wishes, 4.25, UP, "quality", begin_s=2.5) == [(4.0, Burst(3.0))]  # the last one ends at 4.25


def test_an_outage_is_not_probed_harder_than_health():
    assert told(Wishes(LinkPolicy()), 60.0, DOWN, "") == []


@pytest.mark.parametrize(("health", "kind"), [(Health.PORTAL, ProbeKind.CANARY), (Health.DNS_BROKEN, ProbeKind.DNS)])
def test_a_portal_and_broken_names_are_looked_at_every_five_seconds(health, kind):
    wanted = told(Wishes(LinkPolicy()), 12.0, health, "")
    assert wanted == [(0.0, Burst(0.3, kind)), (5.5, Burst(0.3, kind)), (11.0, Burst(0.3, kind))]


# --- the rate check ------------------------------------------------------------------------------------------


def rating(**keys):
    return Wishes(LinkPolicy(**{"down_bit_s": 17e6, "rate_bytes_month": 3 * MIB, **keys}))


def measured(second, rate=16.8e6, cost=1_100_000, why=""):
    return RateMeasured(at(second), LINK, rate, cost, why)


def checks(wishes, until_s, health=UP, suspicion="", **keys):
    return [
        s for s, wish in told(wishes, until_s, health, suspicion, step_s=60.0, **keys) if isinstance(wish, CheckRate)
    ]


def test_a_sound_line_is_rated_ten_minutes_after_a_start_and_again_an_hour_later_if_nothing_came_of_it():
    assert told(rating(), 601.0, UP, "", step_s=1.0) == [(600.0, CheckRate(MIB))]
    assert checks(rating(), 8000.0) == [600.0, 4200.0, 7800.0]


@pytest.mark.parametrize(
    "keys", [{"rate_bytes_month": 0}, {"down_bit_s": 0.0}, {"down_bit_s": 100_000_001.0}, {"rate_bytes_month": MIB - 1}]
)
def test_no_budget_no_contract_or_too_fast_a_line_is_never_rated(keys):
    assert checks(rating(**keys), 90_000.0) == []
    assert checks(rating(down_bit_s=100e6), 700.0) == [600.0]


@pytest.mark.parametrize(
    ("health", "suspicion"), [(UP, "quality"), (Health.SATURATED, ""), (Health.DEGRADED, ""), (DOWN, "")]
)
def test_a_line_in_doubt_or_in_use_is_not_rated(health, suspicion):
    assert checks(rating(), 8000.0, health, suspicion) == []


def test_a_rate_that_was_measured_stands_for_a_day():
    wishes = rating()
    wishes.consider(at(0), UP, "")
    fact = wishes.rated(measured(700))
    assert fact == LinkRated(LINK, 16_800_000, 17_000_000, 1_100_000, "")
    assert checks(wishes, 90_000.0, begin_s=720.0)[0] == 87_120.0  # the first look after 700 + 86 400


def test_a_check_that_failed_is_paid_for_and_tried_again_in_an_hour():
    wishes = rating()
    assert checks(wishes, 660.0) == [600.0]
    fact = wishes.rated(measured(610, None, 400_000, "failed: too slow"))
    assert fact == LinkRated(LINK, None, 17_000_000, 400_000, "failed")
    assert wishes.rated(measured(611, None, 0, "busy")).why == "busy"
    assert checks(wishes, 5000.0, begin_s=660.0) == [4200.0]


def test_the_months_budget_holds_over_restarts_and_begins_anew_with_the_month():
    wishes = rating()
    for second in (-200_000, -100_000):  # told by the ledger: 31 October and 1 November
        wishes.restore(LinkRated(LINK, 16_800_000, 17_000_000, 1_500_000, ""), at(second))
    assert checks(wishes, 700.0, begin_s=0.0) == [0.0]  # 1.5 MB of November's 3 MiB are spent, a day ago
    wishes.rated(measured(10, None, 700_000, "failed: x"))
    assert checks(wishes, 20_000.0, begin_s=60.0) == []  # 2.2 MB and a MiB are more than 3 MiB
    december = 29 * 86_400.0
    assert checks(wishes, december + 120.0, begin_s=december) == [december]


def test_another_boot_waits_its_ten_minutes_again():
    wishes = rating()
    wishes.consider(at(0), UP, "")
    assert checks(wishes, 5000.0, begin_s=2000.0, boot="boot-2") == [2600.0]
