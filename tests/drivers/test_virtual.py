"""Virtual time jumps, and stands still while a thread works."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from drivers.virtual import VirtualClock, VirtualLoop


def test_a_month_passes_at_once_and_in_order() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop, datetime(2026, 11, 1, tzinfo=UTC))
    seen: list[str] = []

    async def sleeper(days: float, name: str) -> None:
        await asyncio.sleep(days * 86400)
        seen.append(f"{name} {clock.now().utc:%d %H:%M}")

    async def month() -> None:
        await asyncio.gather(sleeper(29, "late"), sleeper(1, "early"), sleeper(1.5, "noon"))

    started = time.monotonic()
    loop.run_until_complete(month())
    loop.close()
    assert seen == ["early 02 00:00", "noon 02 12:00", "late 30 00:00"]
    assert time.monotonic() - started < 5


def test_virtual_time_waits_for_threads() -> None:
    loop = VirtualLoop()

    async def work() -> float:
        async with asyncio.timeout(0.001):  # virtual: would expire at once if time went on meanwhile
            await asyncio.to_thread(time.sleep, 0.05)
        return loop.time()

    assert loop.run_until_complete(work()) < 0.001
    loop.close()
