"""How long from the last byte of a card to an active relay?  `python -m tests.bench.door [COUNT [HOGS]]`

A door in a process of its own (real pyserial on a pseudo-terminal, real gpiozero in a real latch process, the emulated
board) reads cards and releases; nothing is judged or written. The clock starts when the last byte is written to the
terminal and stops at the board's own stamp of the relay line. HOGS processes that never rest run beside it; the door
has the priority of its unit (as root). Tier: peers. The wire's own 14.6 ms are not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from drivers.cardreader import SerialCardReader
from drivers.clock import SystemClock, boottime_s
from drivers.contract import ReaderId
from drivers.lock import GpioLock
from drivers.peers.board import Board
from drivers.peers.readers import ReaderPeer

HOLD_S, EVERY_S = 0.03, 0.1
NICE = -10  # systemd/gardien-door.service


async def serve(chip: str, device: str) -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    clock = SystemClock()
    async with GpioLock(clock, chip=chip, line=17) as lock:
        print("ready", lock.latch_pid, flush=True)
        async for _ in SerialCardReader(clock, ReaderId("door"), device).badges():
            await lock.release(HOLD_S)


def pss_kb(pid: int) -> int:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))


def measure(count: int, hogs: int, folder: Path) -> None:
    with Board(folder / "board") as board, ReaderPeer(folder / "reader") as reader:
        command = [sys.executable, "-m", "tests.bench.door", "--serve", board.chip, str(reader.path)]
        door = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        busy = [subprocess.Popen(["timeout", "120", "sh", "-c", "while :; do :; done"]) for _ in range(hogs)]
        try:
            latch = int(door.stdout.readline().split()[1])
            time.sleep(0.3)
            written_s = [present(reader, number) for number in range(count)]
            memory = f"door {pss_kb(door.pid)} kB, latch {pss_kb(latch)} kB PSS"
        finally:
            for one in (door, *busy):
                one.terminate()
                one.wait()
        active_s = [change.mono_s for change in board.record(17) if change.high]
    assert len(active_s) == count, f"{count} cards opened {len(active_s)} times"
    took = sorted((active - written) * 1e3 for active, written in zip(active_s, written_s, strict=True))
    p50, p99 = took[count // 2], took[count * 99 // 100]
    how = f"{count} cards, {hogs} hogs"
    print(f"last serial byte to active relay, {how}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {took[-1]:.2f} ms")
    print(memory)


def present(reader: ReaderPeer, number: int) -> float:
    frame = reader.frame_of(f"0A{number:08X}")
    reader.send(frame[:-1])
    time.sleep(EVERY_S)
    written_s = boottime_s()
    reader.send(frame[-1:])
    time.sleep(HOLD_S + EVERY_S)
    return written_s


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(*sys.argv[2:]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
            hogs = int(sys.argv[2]) if len(sys.argv) > 2 else 0
            measure(count, hogs, Path(folder))
