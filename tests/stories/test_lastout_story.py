"""The last one to leave is called by a lamp at the reader: from the visits to the blinks. (sim, virtual time)"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.memory.ledger import Ledger
from agent.rules.door import Passage
from agent.rules.facts import MemberId
from agent.rules.presence import VisitEvidence
from agent.stories.bequest import Intents
from agent.stories.door import Door, mind_last_out
from agent.stories.presence import VisitBook, watch_last_out
from drivers.virtual import VirtualClock, VirtualLoop
from tests.stories.test_door_story import START, WAYS, People


class Lamps:
    """Remembers what was blinked, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.blinks: list[tuple[str, int, int]] = []

    def show(self, name: str, *, lit: bool) -> None:
        assert (name, lit) == ("degraded", False)

    def flash(self, name: str, times: int = 1) -> None:
        self.blinks.append((name, times, round((self.clock.now().utc - START) / timedelta(seconds=1))))


def test_the_last_one_is_called_as_they_go_and_while_the_door_stands_open(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        loop = VirtualLoop(busy=lambda: ledger.pending > 0)
        clock = VirtualClock(loop, START)
        lamps = Lamps(clock)
        door = Door(WAYS, ledger, People(), clock, Intents(tmp_path / "run"), lambda _: None)
        door.signs = lamps
        door.tell(latch="resting", leaf=Passage.CLOSED.value)
        book = VisitBook(ledger, People(), clock, ZoneInfo("Europe/Paris"))
        left = [None]

        async def run() -> None:
            watching = [
                asyncio.create_task(watch_last_out(book, clock, lambda at: left.__setitem__(0, at), 1.0)),
                asyncio.create_task(mind_last_out(door, "last_out", lambda: left[0], 1.0)),
            ]
            for member in ("anne", "bob"):
                assert (await book.start(MemberId(member), None, VisitEvidence.BADGE)).done
            await asyncio.sleep(600)
            assert (await book.end(MemberId("anne"), None, VisitEvidence.BADGE)).done
            await asyncio.sleep(600)
            assert lamps.blinks == []  # somebody is in
            assert (await book.end(MemberId("bob"), None, VisitEvidence.BADGE)).done
            await asyncio.sleep(60)
            gone = len(lamps.blinks)
            door.tell(leaf=Passage.HELD.value)
            await asyncio.sleep(40)
            door.tell(leaf=Passage.CLOSED.value)
            await asyncio.sleep(600)
            assert gone == 1
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)

        try:
            loop.run_until_complete(run())
        finally:
            loop.close()
    assert {(name, times) for name, times, _ in lamps.blinks} == {("last_out", 3)}
    at = [second - 1200 for _, _, second in lamps.blinks]
    assert len(at) == 4  # as they went, and three times in forty seconds of an open door
    assert 0 <= at[0] <= 3
    assert 60 <= at[1] <= 63
    assert [at[2] - at[1], at[3] - at[2]] == [15, 15]
