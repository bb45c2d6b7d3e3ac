"""`kill -9` of each process while people use the house: nothing is lost, nothing stands twice, the relay rests."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.house import MISSING, REPO, Demo, now_s, processes, relay_moves, until
from tests.acceptance.night import Night
from tests.acceptance.reckoning import reckon
from tests.memory.desk import dishonest
from tests.memory.test_verify import rehash

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
        report.append(an_anchor_finds_what_a_thief_did(night))
    until(lambda: not processes(str(folder)), 5, what=f"the end of {processes(str(folder))}")
    return report


def verify(ledger: Path, *against: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "agent.cli", "--site", ledger.parent / "none", "--state", ledger.parent]
    command = [*words, "ledger", "verify", *against]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)


def an_anchor_finds_what_a_thief_did(night: Night) -> str:
    """On copies of this night's ledger: an edited, a deleted, a re-hashed and a truncated fact are each found."""
    head = json.loads(verify(night.ledger, "--json").stdout)["head"]
    anchor = ("--against", f"{head['seq']}:{head['hash']}")
    assert verify(night.ledger, *anchor).stdout.startswith("matches the anchor")
    half, last = head["seq"] // 2, head["seq"]
    for deed, statements in (
        ("edited", [f"UPDATE content SET body = '{{}}' WHERE seq = {half}"]),
        ("deleted", [f"DELETE FROM content WHERE seq = {half}", f"DELETE FROM fact WHERE seq = {half}"]),
        ("re-hashed", [f"UPDATE content SET utc = '2020-01-01T00:00:00+00:00' WHERE seq = {half}"]),
        ("truncated", [f"DELETE FROM {table} WHERE seq = {last}" for table in ("content", "fact")]),
    ):
        folder = night.folder / deed
        folder.mkdir()
        ledger = Path(shutil.copy(night.ledger, folder))
        with dishonest(ledger) as db:
            for statement in statements:
                db.execute(statement)
            if deed == "re-hashed":
                rehash(db)
        assert verify(ledger, *anchor).returncode == 1, deed
    return "with an anchor, on copies: edited, deleted, re-hashed, truncated, each found"


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_doubled_when_processes_are_killed(tmp_path: Path) -> None:
    print("", *a_bad_night(tmp_path, seed=20261122, each=1), sep="\n")


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_fifty_kills_of_each(tmp_path: Path) -> None:
    report = a_bad_night(tmp_path, seed=50, each=50)
    print("", *report, sep="\n")
    REPORTS.mkdir(exist_ok=True)
    head = "tests/acceptance/test_kill.py, at full count (./dev soak). Tier: peers. Seed 50."
    (REPORTS / "kill.txt").write_text("\n".join([head, "", *report]) + "\n", encoding="utf-8")


@pytest.mark.timeout(120)
def test_a_killed_demo_leaves_nothing_that_the_next_one_minds(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    demo = Demo(tmp_path)
    with demo:
        until(lambda: demo.seen()["door"]["latch"] == "resting", 10)
        demo.prompt("badge door 04A2B3C4D5")
        until(lambda: len(relay_moves(demo.record)) == 1, 5)
        assert demo.process is not None
        demo.process.kill()
        killed_s = now_s()
        children = ("run door", "run links", "run paper", "run web", "drivers.latch")
        until(
            lambda: not [one for one in processes(str(tmp_path)).values() if any(name in one for name in children)],
            10,
            what="the services' end by themselves",
        )
        print(f"services ended {now_s() - killed_s:.1f} s after the demo was killed")
        left = set(processes(str(tmp_path)))
        demo.start()
        assert not left & set(processes(str(tmp_path))), "the next demo lives beside what the killed one left"
        until(lambda: [link["health"] for link in demo.seen()["links"]] == ["up", "up"], 60)
        demo.prompt("print m042 2")
        until(lambda: [fact.sides_mono for fact in demo.facts("attempt-known")] == [2], 30)
        assert demo.stop() == 0
    until(lambda: not processes(str(tmp_path)), 5, what=f"the end of {processes(str(tmp_path))}")
