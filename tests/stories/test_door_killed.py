"""The door service's process is killed at random moments: every opening is in the ledger, once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.memory.ledger import Ledger, verify
from agent.rules.door import EntryDecided

# A door whose reader badges as fast as it is judged, and whose latch notes each release in a file of its own.
CHILD = """
import asyncio, itertools, os, sys, time
from datetime import UTC, date, datetime
from pathlib import Path
from agent.memory.ledger import Ledger
from agent.rules.door import Access, DoorPolicy
from agent.rules.members import Card, Member, Roster
from agent.stories.bequest import Intents
from agent.stories.door import Door, Ways, mind_badges
from drivers.contract import BadgeRead, CardNumber, Moment, Trust

folder = Path(sys.argv[1])
boot = sys.argv[2]
noted = os.open(folder / "released", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

class Clock:
    def now(self):
        return Moment(datetime.now(UTC), time.monotonic(), boot, Trust.SYNCHRONISED)

class People:
    def roster(self):
        return Roster(1, {"m1": Member("m1", "subscriber", date(2020, 1, 1), None)}, {"k": Card("k", "m1", False)})
    def card_key(self, card):
        return "k"

class Reader:
    async def badges(self):
        for _ in itertools.count():
            self.at = Clock().now()
            yield BadgeRead(self.at, "porte", CardNumber("AA"))
            await asyncio.sleep(0.002)

class Latch:
    async def release(self, hold_s):
        os.write(noted, f"porte:{boot}:{reader.at.mono_s:.6f}:k\\n".encode())
        return Clock().now()

reader = Reader()

async def run():
    with Ledger.open(folder / "ledger.db") as ledger:
        ways = Ways(DoorPolicy({"subscriber": Access.ALWAYS}), UTC)
        door = Door(ways, ledger, People(), Clock(), Intents(folder / "run"), lambda live: None)
        door.recover()
        print("ready", flush=True)
        if boot == "last":
            while ledger.pending:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
        else:
            await mind_badges(door, reader, Latch())

asyncio.run(run())
"""


def kill_at_random(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for n in range(kills):
        with subprocess.Popen([sys.executable, "-c", CHILD, folder, f"boot{n}"], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.02, 0.3))
            child.send_signal(signal.SIGKILL)
    subprocess.run([sys.executable, "-c", CHILD, folder, "last"], check=True, stdout=subprocess.PIPE, timeout=30)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_every_opening_is_in_the_ledger_once(tmp_path: Path, kills: int) -> None:
    kill_at_random(tmp_path, kills, seed=kills)
    released = (tmp_path / "released").read_text().split()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        written = [entry.key for entry in ledger.entries(EntryDecided)]
    assert len(released) > kills
    assert len(set(written)) == len(written)
    assert set(released) <= set(written)
    assert len(set(written) - set(released)) <= kills  # judged, killed before the latch moved
    left = [json.loads(file.read_text())["key"] for file in (tmp_path / "run" / "intent").glob("*.json")]
    assert left == []
    assert verify(tmp_path / "ledger.db").ok
