"""How surely 5 % loss is told within ten seconds, and how rarely a healthy line is called lossy. Tier: sim.

Every probe is thrown for by itself, as a line of independent losses does; the full counts are `./dev soak`'s.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.rules.linkfacts import OUT
from agent.rules.links import Cause, Health
from tests.lab.line import DAY_S, Line

REPORT = Path(__file__).parents[1] / "reports" / "links-loss.txt"
LOSSY = Health.DEGRADED, Cause.LOSS


def told_in_time(count, seed):
    """Begin 5 % of loss at random moments of healthy lines; return the seconds until each was told, at most ten."""
    dice, took = random.Random(seed), []
    for _ in range(count):
        line = Line()
        begins_s = 15.0 + dice.random()
        line.bad = lambda second, begins_s=begins_s: second >= begins_s and dice.random() < 0.05
        line.run(begins_s + 10.0)
        assert not {now for _, now, _ in line.facts} & OUT
        took += [at_s - begins_s for at_s, *said in line.facts if tuple(said) == LOSSY][:1]
    return sorted(took)


def healthy(days, loss, seed):
    """Return what was said of a line that loses a share of all probes, after its first word, and how much was asked."""
    dice = random.Random(seed)
    line = Line(lambda _: dice.random() < loss)
    line.run(days * DAY_S)
    return line.facts[1:], line.count


def test_five_per_cent_of_loss_is_told_within_ten_seconds():
    took = told_in_time(100, seed=2)
    assert len(took) >= 78  # of 100; the long run is in links-loss.txt
    assert took[len(took) // 2] <= 6.5


def test_half_an_hour_of_one_loss_in_a_thousand_is_health():
    assert healthy(1 / 48, 0.001, seed=3)[0] == []


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_two_thousand_lossy_lines_and_seven_healthy_days(capsys):
    took = told_in_time(2000, seed=5)
    said, asked = healthy(7, 0.0002, seed=7)
    report = (
        "Loss, thrown for by each probe itself, without wires (sim tier)\n\n"
        f"5 % from a random moment on, 2000 lines: {len(took)} told within 10 s, median {took[len(took) // 2]:.1f} s\n"
        f"7 days of 1 loss in 5000, {asked} probes: {len(said)} verdicts other than UP\n"
    )
    REPORT.write_text(report, encoding="utf-8")
    with capsys.disabled():
        print(f"\n{report}")
    assert len(took) >= 1700
    assert said == []
