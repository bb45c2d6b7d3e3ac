"""What a copier's meters cost, and how soon a copy visit is closed: `python -m tests.bench.meters`.

Real UDP on loopback: pysnmp here, the emulated copier's agent in another task of this process (so both costs count).
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from agent.rules.paper import CopyVisitEnded
from drivers.snmp import SnmpMeters
from tests.stories.test_copies_peers import ALICE, Corner, corner

LOOKS, VISITS = 50, 10


async def looks(at: Corner) -> list[float]:
    """Return the seconds of each look at the meters."""
    assert at.copier.agent is not None
    meters = SnmpMeters("copieur", "127.0.0.1", port=at.copier.agent.port)
    spent = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        await meters.meters()
        spent.append(time.perf_counter() - began)
    return spent


async def visits(at: Corner) -> list[float]:
    """Return the seconds from badge-out to the durable end of each visit, three copies after its badge-in."""
    spent = []
    for number in range(1, VISITS + 1):
        await at.badge(ALICE)
        await at.copier.press("copy", "3")
        await at.copier.settle()
        began = time.perf_counter()
        await at.badge(ALICE)
        await at.until(lambda number=number: len(at.facts(CopyVisitEnded)) == number)  # type: ignore[misc]
        spent.append(time.perf_counter() - began)
    return spent


async def main() -> None:
    """Measure and print."""
    for vendor in ("canon", "ricoh", "kyocera", "acme"):
        with tempfile.TemporaryDirectory() as folder:
            async with contextlib.AsyncExitStack() as stack:
                at = await stack.enter_async_context(corner(Path(folder), vendor))
                one, other = await looks(at), await visits(at)
        say = (
            f"{name} p50 {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms"
            for name, times in (("a look at the meters:", one), ("badge-out to closed:", other))
        )
        print(f"{vendor or 'standard':<8}", "; ".join(say))


if __name__ == "__main__":
    asyncio.run(main())
