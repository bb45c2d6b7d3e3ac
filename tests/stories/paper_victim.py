"""The stories of paper in a process of their own, to be killed.

`python -m tests.stories.paper_victim FOLDER SERVER URI ATTEMPTS`
Reads badges from standard input, one card in hex per line, as a reader would present them; ends with it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.stories.copier import PaperPolicy
from agent.stories.desk import Desk, mind_copier_reader
from agent.stories.printing import mind_paper
from agent.stories.spool import mind_spooler
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DeviceId, DriverError, ReaderId
from drivers.printer import IppPrinter
from drivers.spooler import CupsSpooler

DEVICE = DeviceId("copieur")
QUICK = PaperPolicy(UTC, poll_s=0.5, visit_idle_s=30.0, busy_s=0.1, settle_s=3.0)


class StandardInput:
    """A CardReader whose cards come as lines."""

    async def badges(self) -> AsyncIterator[BadgeRead]:
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        clock = SystemClock()
        while line := await lines.readline():
            yield BadgeRead(clock.now(), ReaderId("copieur"), CardNumber(line.decode().strip()))


async def spool(server: str, desk: Desk, attempts: Path, ledger: Ledger) -> None:
    """Mind CUPS, again and again: it is killed too."""
    while True:
        try:
            log = attempts.parent / "log/page"
            async with CupsSpooler(SystemClock(), server, [DEVICE], 2.0, attempts, log) as spooler:
                await mind_spooler(spooler, {DEVICE: desk}, ledger, SystemClock(), lambda _: None, 1.0)
        except DriverError:
            await asyncio.sleep(0.1)


async def main(folder: Path, server: str, uri: str, attempts: Path) -> None:
    """Mind the paper until standard input ends."""
    clock, desk = SystemClock(), Desk()
    shown: list[LiveDevice] = []
    with Ledger.open(folder / "ledger.db") as ledger, RosterStore.open(folder, ledger, clock) as people:
        printer = IppPrinter(clock, DEVICE, uri)
        stories = [
            asyncio.create_task(spool(server, desk, attempts, ledger)),
            asyncio.create_task(mind_paper(DEVICE, printer, desk, ledger, people, clock, shown.append, QUICK)),
        ]
        await mind_copier_reader(StandardInput(), desk)
        for story in stories:
            story.cancel()
        for ended in await asyncio.gather(*stories, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
