"""A door service to be killed: releases once when told to, tells when the line was active, then works on."""

from __future__ import annotations

import asyncio
import resource
import sys

from drivers.clock import SystemClock
from drivers.lock import GpioLock


async def main(chip: str, line: str, level: str, hold_s: str, cap_s: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    lock = GpioLock(SystemClock(), chip=chip, line=int(line), active_high=level == "high", cap_s=float(cap_s))
    async with lock:
        print("ready", lock.latch_pid, flush=True)
        while await reader.readline():
            active_at = await lock.release(float(hold_s))
            print("released", active_at.mono_s, flush=True)


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it dies of SIGSEGV too
asyncio.run(main(*sys.argv[1:]))
