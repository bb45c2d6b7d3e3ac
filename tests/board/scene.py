"""The latch and the inputs on a real GPIO character device: `./dev board`. Runs inside the emulated machine, as root.

The witness is the far end of the wire (`cp2112.RECORD`), not the program. The machine is emulated instruction by
instruction: a start takes 20 s there, so only the waits for a start are longer than on a site; the pulse, the cap and
the limits are the real ones, with 300 ms for the emulator. A door service that dies is `proof`'s.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

import drivers.lock
from drivers.clock import SystemClock, boottime_s
from drivers.contract import DriverError, InputChanged, InputId
from drivers.inputs import GpioInputs, InputLine
from drivers.lock import GpioLock, claim_inactive
from drivers.pins import LineFactory
from tests.board.cp2112 import COMMANDS, RECORD

LABEL, RELAY, CONTACT = "cp2112_gpio", 0, 3
SLACK_S = 0.3
drivers.lock.START_S = 120.0


def pulses(line: int, active: str = "1") -> list[tuple[float, float | None]]:
    """Read the far end's record as pulses: from when until when the line was active."""
    found: list[tuple[float, float | None]] = []
    for row in RECORD.read_text(encoding="ascii").splitlines():
        pin, level, at_s = row.split()
        if int(pin) == line and level == active:
            found.append((float(at_s), None))
        elif int(pin) == line and found:
            found[-1] = (found[-1][0], float(at_s))
    return found


def told(what: str, value: float, limit: float) -> None:
    print(f"board: {what}: {value:.3f} s, at most {limit:.2f} s: {'well' if value <= limit else 'BAD'}", flush=True)
    assert value <= limit, what


async def latch_and_inputs() -> None:
    clock = SystemClock()
    async with GpioLock(clock, chip=LABEL, line=RELAY) as lock:
        assert pulses(RELAY) == []
        await lock.release(1.0)
        with LineFactory(LABEL) as pins:
            assert pins.chip.peek(RELAY) is True
        await asyncio.sleep(2.0)
        began, ended = pulses(RELAY)[-1]
        assert ended is not None
        told("a pulse of 1 s", ended - began, 1.0 + SLACK_S)
        await lock.release(8.0)
        struck = boottime_s()
        os.kill(lock.latch_pid or 0, signal.SIGKILL)
        await asyncio.sleep(3.0)
        began, ended = pulses(RELAY)[-1]
        assert ended is not None
        told("the latch killed in a pulse of 8 s, at rest after", ended - struck, 2.0)
    await edges(clock)


async def edges(clock: SystemClock) -> None:
    inputs, seen = GpioInputs(clock, LABEL, {InputId("contact"): InputLine(CONTACT)}), asyncio.Queue[InputChanged]()

    async def hear() -> None:
        async for change in inputs.changes():
            seen.put_nowait(change)

    hearing = asyncio.create_task(hear())
    assert (await asyncio.wait_for(seen.get(), 20)).active is False
    for level in (1, 0):
        await asyncio.sleep(1.0)
        driven = boottime_s()
        COMMANDS.write_text(f"{CONTACT} {level}\n", encoding="ascii")
        change = await asyncio.wait_for(seen.get(), 20)
        assert change.active is bool(level)
        told(f"the contact's edge to {level}, heard and settled", boottime_s() - driven, 0.5)
    assert not inputs.deaf
    hearing.cancel()


def main() -> None:
    with pytest.raises(DriverError, match=LABEL):
        claim_inactive("no-such-chip", RELAY, active_high=True)
    asyncio.run(latch_and_inputs())
    print(f"board: {len(pulses(RELAY))} pulses, all ended; all well", flush=True)


if __name__ == "__main__":
    Path("/run/record").touch()
    main()
