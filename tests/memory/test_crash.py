"""Several processes append while they are killed at random moments: nothing acknowledged is lost, nothing is twice."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from agent.memory.ledger import Ledger, verify

WRITERS = 3


def start(path, name: str, first: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.memory.appender", path, name, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> dict[str, int]:
    """Kill it; return what it had been told was written."""
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate(timeout=20)
    whole = said[: said.rfind("\n") + 1]
    return {key: int(seq) for key, seq in (line.split() for line in whole.splitlines())}


def hammer(path, kills: int, seed: int) -> dict[str, int]:
    """Keep WRITERS processes writing, kill `kills` of them at random moments, start each again where it was."""
    dice = random.Random(seed)
    Ledger.open(path).close()
    told: dict[str, int] = {}
    names = [f"w{number}" for number in range(WRITERS)]
    running = {name: start(path, name, 0) for name in names}
    try:
        for _ in range(kills):
            time.sleep(dice.uniform(0.2, 0.9))
            name = dice.choice(names)
            told.update(killed(running[name]))
            mine = [int(key.split("-")[1]) for key in told if key.startswith(name)]
            running[name] = start(path, name, max(0, max(mine, default=0) - 20))  # repeats the last few: a replay
        grown(path, 200)
    finally:
        for process in running.values():
            told.update(killed(process))
    return told


def grown(path, facts: int) -> None:
    """Wait until the ledger holds so many facts: a loaded machine starts its processes slowly."""
    deadline = time.monotonic() + 60
    with contextlib.closing(sqlite3.connect(path)) as db:
        while db.execute("SELECT count(*) FROM fact").fetchone()[0] < facts:
            assert time.monotonic() < deadline, "the writers do not get on"
            time.sleep(0.05)


def check(path, told: dict[str, int]) -> None:
    assert len(told) > 50
    verdict = verify(path)
    assert verdict.faults == ()
    with contextlib.closing(sqlite3.connect(path)) as db:
        held = dict(db.execute("SELECT key, seq FROM content"))
    assert {key: held.get(key) for key in told} == told  # every acknowledged fact, under the seq that was told
    assert len(held) == verdict.facts == verdict.head.seq
    with Ledger.open(path) as ledger:
        assert ledger.totals()["visit_minutes", (("formula", "occasional"),)] == verdict.facts  # once each


def test_killed_writers_lose_nothing_acknowledged(tmp_path):
    path = tmp_path / "ledger.db"
    check(path, hammer(path, kills=8, seed=20261122))


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_killed_writers_lose_nothing_acknowledged_for_long(tmp_path):
    path = tmp_path / "ledger.db"
    check(path, hammer(path, kills=500, seed=7))
