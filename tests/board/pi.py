"""The latch on the pins of a Raspberry Pi 3, emulated, under Debian's own arm64 kernel: `./dev board pi`.

Runs inside, as root, with this checkout's drivers and nothing else of ours. The pins are the SoC's own; their driver
(pinctrl-bcm2835) makes a pin an input again once its owner is gone: **GPIO persistence off**, where `scene`'s bridge
keeps every level. The witness reads the SoC's registers from outside (`registers`). The emulator knows no pulls: what
an input then reads is, on a site, what is wired to it: a pull towards rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import drivers.lock
from drivers.clock import SystemClock
from drivers.lock import GpioLock, claim_inactive

LABEL = "pinctrl-bcm2835"
RELAYS = ((17, True), (27, False))  # switched by a high level, and by a low one
drivers.lock.START_S = 120.0


def ask(*words: object) -> None:
    print("street:", *words, flush=True)


async def released(pin: int, *, high: bool) -> None:
    """Hold a lock: a whole pulse of 1 s; then one of 8 s whose latch is killed."""
    async with GpioLock(SystemClock(), chip=LABEL, line=pin, active_high=high) as lock:
        await lock.release(1.0)
        await asyncio.sleep(2.0)
        ask("judge", 1.3, f"GPIO {pin}: a start without a blip, a pulse of 1 s")
        ask("mark", "killed")
        await lock.release(8.0)
        await asyncio.sleep(1.0)
        ask("struck")
        os.kill(lock.latch_pid or 0, signal.SIGKILL)
        await asyncio.sleep(4.0)
        ask("fell", 2.0, f"GPIO {pin}: the latch killed in a pulse of 8 s, at rest after")


async def orphan(pin: int, *, high: bool) -> None:
    """Release for 8 s, say who holds the line, and wait to be killed."""
    async with GpioLock(SystemClock(), chip=LABEL, line=pin, active_high=high) as lock:
        await lock.release(8.0)
        print(lock.latch_pid, flush=True)
        await asyncio.sleep(60.0)


def nobody_left(pin: int, *, high: bool) -> None:
    """Kill the holder and its latch in one moment: only the kernel is left to let go."""
    command = [sys.executable, "-m", "tests.board.pi", str(pin), str(int(high))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        latch = int(holder.stdout.readline())
        os.kill(holder.pid, signal.SIGSTOP)  # or it locks when it hears of the other's end
        ask("struck")
        os.kill(latch, signal.SIGKILL)
        os.kill(holder.pid, signal.SIGKILL)
    subprocess.run(["/bin/busybox", "sleep", "2"], check=True)
    ask("fell", 2.0, f"GPIO {pin}: service and latch killed at once, let go by the kernel after")
    claim_inactive(LABEL, pin, active_high=high)  # as the unit does when it stops


def main() -> None:
    if len(sys.argv) > 1:
        asyncio.run(orphan(int(sys.argv[1]), high=sys.argv[2] == "1"))
        return
    for pin, high in RELAYS:
        ask("relay", pin, int(high))
        ask("mark", "pulse")
        asyncio.run(released(pin, high=high))
        ask("mark", "orphan")
        nobody_left(pin, high=high)
    print("board: the Raspberry Pi's pins; all well", flush=True)


if __name__ == "__main__":
    main()
