"""`kill -9` of each process while people use the house: nothing is lost, nothing stands twice, the relay rests."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.acceptance.house import MISSING, processes, until
from tests.acceptance.night import Night
from tests.acceptance.reckoning import reckon

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

KINDS = ("door", "latch", "paper", "web", "links", "cupsd", "parent", "door stopped")
REPORTS = Path(__file__).parents[1] / "reports"


def a_bad_night(folder: Path, seed: int, each: int) -> list[str]:
    """Let people use the house while each kind of process is killed `each` times, in any order; then compare."""
    dice = random.Random(seed)
    victims = list(KINDS) * each
    dice.shuffle(victims)
    with Night(folder, dice) as night:
        for victim in victims:
            for _ in range(dice.randint(1, 2)):
                night.people()
            night.kill(victim)
        night.settle()
        report = reckon(night)
    until(lambda: not processes(str(folder)), 5, what=f"the end of {processes(str(folder))}")
    return report


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_doubled_when_processes_are_killed(tmp_path: Path) -> None:
    print("", *a_bad_night(tmp_path, seed=20261122, each=1), sep="\n")


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_fifty_kills_of_each(tmp_path: Path) -> None:
    report = a_bad_night(tmp_path, seed=50, each=50)
    print("", *report, sep="\n")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "kill.txt").write_text("\n".join(report) + "\n", encoding="utf-8")
