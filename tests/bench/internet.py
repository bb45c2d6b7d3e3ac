"""How long `/internet` and a month of it take when two links flap all day for a quarter.

    python -m tests.bench.internet [FLAPS] [DAYS]          110 outages a day and link, 90 days by default

Facts are written straight into a ledger: 40 000 changes of two links by default, as many as are kept at hand; then the
pages over HTTP on loopback, signed in. Processor time holds the client's part too; it is what a busy machine tells.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from agent.rules.facts import Fact
from agent.rules.links import Cause, Health, LinkChanged
from drivers.contract import Moment
from tests.views.hand import hand_at, site_of
from tests.views.scenes import House, house, pictures

PATHS = ("/internet", "/internet/rapport?month=2026-11", "/internet/releve?mois=2026-11")
TIMES = 7


def flapping(now: datetime, flaps: int, days: int) -> Iterator[tuple[datetime, Fact]]:
    """Yield the changes of two links that go down `flaps` times a day for half a minute, ascending."""
    step = timedelta(days=1) / flaps
    for number in range(days * flaps):
        down = now - timedelta(days=days) + number * step
        up = down + timedelta(seconds=30.4)
        for at, was, state, cause in (
            (down, Health.UP, Health.DOWN, Cause.LINE),
            (up, Health.DOWN, Health.UP, Cause.NONE),
        ):
            for link in ("adsl1", "adsl2"):
                yield at, LinkChanged(link, was, state, cause, at, "arp 2/2, hop 0/3, echo 0/9", Cause.NONE, 30.0)


async def write(home: House, flaps: int, days: int) -> int:
    """Write them down; return how many."""
    now, count = home.clock.now(), 0
    waiting = []
    for count, (at, fact) in enumerate(flapping(now.utc, flaps, days), 1):
        moment = Moment(at, (at - now.utc).total_seconds() + 1e8, "boot-0", now.trust)
        waiting.append(home.ledger.append(fact, moment, str(count)))
        if len(waiting) == 2000:  # the queue has an end
            await asyncio.gather(*waiting)
            waiting = []
    await asyncio.gather(*waiting)
    return count


async def measure(home: House, flaps: int, days: int) -> list[str]:
    """Return one line per page."""
    lines = [f"{await write(home, flaps, days)} changes of two links in {days} days"]
    home.clock.moment = replace(home.clock.moment, boot="boot-0")
    home.paint(pictures(home.clock.now()))
    async with site_of(home) as (app, origin), hand_at(app, origin) as hand:
        await hand.claim()
        for path in PATHS:
            spent_s, size, worked_s = [], 0, time.process_time()
            for _ in range(TIMES):
                began = time.perf_counter()
                async with hand.session.get(path) as answer:
                    size = len(await answer.read())
                    assert answer.status == 200, (path, answer.status)
                spent_s.append(time.perf_counter() - began)
            middle, worked = statistics.median(spent_s) * 1e3, (time.process_time() - worked_s) / TIMES * 1e3
            lines.append(f"{path:34} {size / 1000:7.1f} kB   {middle:6.0f} ms, {worked:5.0f} ms of a processor")
    return lines


def main() -> None:
    """Print it."""
    given = [int(text) for text in sys.argv[1:]]
    flaps, days = given[0] if given else 110, given[1] if len(given) > 1 else 90
    with tempfile.TemporaryDirectory() as folder, house(Path(folder) / "house") as home:
        print("\n".join(asyncio.run(measure(home, flaps, days))))


if __name__ == "__main__":
    main()
