"""What losses do to the judge: how surely 5 % is told within ten seconds, and what lossy lines are falsely called.

Every probe is thrown for by itself, as a line of independent losses does, or with all that leave in one bad spell of
100 ms. The full counts are `./dev soak`'s. Tier: sim (`tests.lab.line`).
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from agent.rules.linkfacts import OUT
from agent.rules.links import Cause, Health
from tests.lab.line import DAY_S, OWN, PAGE, Line, independent, spells

REPORT = Path(__file__).parents[1] / "reports" / "links-loss.txt"
LOSSY, HOLE = (Health.DEGRADED, Cause.LOSS), (Health.DEGRADED, Cause.HOLE)
DEAD, LYING = (Health.DNS_BROKEN, Cause.DNS_DEAD), (Health.DNS_BROKEN, Cause.DNS_LYING)
PORTAL = Health.PORTAL, Cause.PAGE
LINES = {
    "0.02 %": lambda: independent(0.0002, 7),
    "0.5 %": lambda: independent(0.005, 8),
    "1 %": lambda: independent(0.01, 9),
    "3 %": lambda: independent(0.03, 10),
    "5 %": lambda: independent(0.05, 11),
    "10 % in spells": lambda: spells(12),
}


class Sometimes:
    """What does not answer a share of its questions; see `Line.dead`."""

    def __init__(self, targets, share, seed):
        self.targets, self.share, self.dice = targets, share, random.Random(seed)

    def __contains__(self, target):
        return target in self.targets and self.dice.random() < self.share


def told(count, seed, word, hurt, within_s=10.0):
    """Hurt healthy lines at random moments; return the seconds until each was told what it is, if in time."""
    dice, took = random.Random(seed), []
    for _ in range(count):
        line = Line()
        begins_s = 15.0 + 30.0 * dice.random()
        line.run(begins_s)
        hurt(line, dice)
        line.run(begins_s + within_s)
        took += [at_s - begins_s for at_s, *said in line.facts[1:] if tuple(said) == word][:1]
    return sorted(took)


def loses(line, dice):
    line.bad = lambda _: dice.random() < 0.05


def loses_its_resolver(line, dice):
    line.dead = {OWN}


def loses_both(line, dice):
    loses(line, dice), loses_its_resolver(line, dice)


def lies(line, dice):
    line.lying = {OWN}


def is_captive(line, dice):
    line.lying = {PAGE.at}


def said_of(name, days):
    """Return what was said of a lossy line, after its first word, and how much was asked."""
    line = Line(LINES[name]())
    line.run(days * DAY_S)
    return Counter((now, cause) for _, now, cause in line.facts[1:]), line.count


def false_words(said):
    """Return the words that no loss is a reason for."""
    return sum(count for word, count in said.items() if word[0] in OUT or word == HOLE)


def test_five_per_cent_of_loss_is_told_within_ten_seconds():
    took = told(60, 2, LOSSY, loses)
    assert len(took) >= 48  # of 60; the long run is in links-loss.txt
    assert took[len(took) // 2] <= 6.0


def test_half_an_hour_of_one_loss_in_a_thousand_is_health():
    line = Line(independent(0.001, 3))
    line.run(1800.0)
    assert line.facts[1:] == []


@pytest.mark.parametrize("hurt", [loses_its_resolver, loses_both])
def test_a_dead_resolver_is_told_within_seven_seconds_also_on_a_lossy_line(hurt):
    took = told(20, 4, DEAD, hurt)
    assert len(took) == 20
    assert 2.5 <= took[0] <= took[-1] <= 7.0


@pytest.mark.parametrize(("word", "hurt"), [(LYING, lies), (PORTAL, is_captive)])
def test_wrong_words_are_told_within_seven_seconds(word, hurt):
    took = told(10, 5, word, hurt)
    assert len(took) == 10
    assert took[-1] <= 7.0


def test_a_resolver_that_misses_a_sixth_of_its_questions_is_not_dead():
    """Twenty minutes: two silences in a row are common, eight are one in two millions."""
    line = Line()
    line.dead = Sometimes({OWN}, 1 / 6, seed=6)
    line.run(1200.0)
    assert line.facts[1:] == []


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_two_thousand_lossy_lines_and_seven_days_of_each_loss(capsys):
    with ProcessPoolExecutor() as pool:
        weeks = [pool.submit(said_of, name, 7) for name in LINES]
        lines = [
            pool.submit(told, count, 5, word, hurt)
            for count, word, hurt in (
                (2000, LOSSY, loses), (500, DEAD, loses_its_resolver), (500, DEAD, loses_both),
                (500, LYING, lies), (500, PORTAL, is_captive),
            )
        ]  # fmt: skip
        lossy, *others = [each.result() for each in lines]
        said = dict(zip(LINES, (each.result() for each in weeks), strict=True))
    names = ("a dead resolver", "a dead resolver at 5 % loss", "a lying resolver", "a portal")
    report = (
        "Loss, thrown for by each probe itself or by spells of 100 ms, without wires (sim tier)\n\n"
        f"5 % of loss, 2000 lines: {len(lossy)} told within 10 s, median {lossy[len(lossy) // 2]:.1f} s\n"
        + "".join(
            f"{name}, 500 lines: {len(took)} told within 10 s, median {took[len(took) // 2]:.1f} s, "
            f"slowest {took[-1]:.1f} s\n"
            for name, took in zip(names, others, strict=True)
        )
        + "\nSeven days: words that losses are no reason for (out of use, or a hole), and how often lossy was said\n\n"
        + "".join(
            f"{name:<16}{false_words(words):>4} false, {words[LOSSY]:>6} lossy, of {asked} probes\n"
            for name, (words, asked) in said.items()
        )
    )
    REPORT.write_text(report, encoding="utf-8")
    with capsys.disabled():
        print(f"\n{report}")
    assert len(lossy) >= 1760
    assert [len(took) for took in others] == [500, 500, 500, 500]
    assert said["0.02 %"][0] == Counter()
    assert {name: false_words(words) for name, (words, _) in said.items()} == dict.fromkeys(LINES, 0)
