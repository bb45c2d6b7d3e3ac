"""Two hundred cuts, and days of health and of bad spells. Tier: sim (`tests.lab.line`).

The full counts are `./dev soak`'s, with their report.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.rules.linkfacts import OUT
from agent.rules.links import Cause, Health
from tests.lab.line import DAY_S, Line, RefusedLine, spells

REPORT = Path(__file__).parents[1] / "reports" / "links-days.txt"


def cuts(count, seed, line=None):
    """Cut a line at random moments; return how long each cut and each mending took to be told."""
    line, dice = line or Line(), random.Random(seed)
    downs, backs = [], []
    line.run(10.0)
    for _ in range(count):
        for took, cut in ((downs, True), (backs, False)):
            line.run(line.second + 20.0 + dice.random())
            began_s, before, line.cut = line.second, len(line.facts), cut
            line.run(began_s + 20.0)
            said = [at_s - began_s for at_s, now, _ in line.facts[before:] if (now is Health.DOWN) is cut]
            took.append(said[0])
    return sorted(downs), sorted(backs)


def test_cuts_are_told_within_four_seconds_and_their_ends_within_ten():
    downs, backs = cuts(20, seed=3)
    assert len(downs) == len(backs) == 20
    assert 1.8 <= downs[0] <= downs[-1] <= 4.0
    assert backs[-1] <= 10.0


def test_a_refused_line_is_told_within_a_second_whatever_the_box_spent_its_words_on():
    downs, _ = cuts(150, seed=5, line=RefusedLine())
    assert len(downs) == 150
    assert downs[-1] <= 1.0


def test_half_an_hour_of_bad_spells_is_no_outage_and_one_of_health_nothing_at_all():
    lossy, sound = Line(spells(5)), Line()
    lossy.run(1800.0)
    sound.run(1800.0)
    assert not {now for _, now, _ in lossy.facts} & OUT
    assert (Health.DEGRADED, Cause.LOSS) in {(now, cause) for _, now, cause in lossy.facts}
    assert [(now, cause) for _, now, cause in sound.facts] == [(Health.UP, Cause.NONE)]


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_two_hundred_cuts_and_seven_days_of_health_and_of_bad_spells(capsys):
    downs, backs = cuts(200, seed=11)
    sound, lossy = Line(), Line(spells(7))
    sound.run(7 * DAY_S)
    lossy.run(7 * DAY_S)
    out = [fact for fact in lossy.facts if fact[1] in OUT]
    report = (
        "One line under its judge, without wires (sim tier), seconds from the fault to the word\n\n"
        f"200 silent cuts: median {downs[100]:.2f} s, p99 {downs[197]:.2f} s, slowest {downs[-1]:.2f} s\n"
        f"200 mendings: median {backs[100]:.2f} s, p99 {backs[197]:.2f} s, slowest {backs[-1]:.2f} s\n"
        f"7 days of health, {sound.count} probes: {len(sound.facts) - 1} verdicts other than UP\n"
        f"7 days of 10 % loss in 100 ms spells, {lossy.count} probes: {len(out)} times called out\n"
    )
    REPORT.write_text(report, encoding="utf-8")
    with capsys.disabled():
        print(f"\n{report}")
    assert downs[197] <= 4.0
    assert backs[-1] <= 10.0
    assert [(now, cause) for _, now, cause in sound.facts] == [(Health.UP, Cause.NONE)]
    assert out == []
