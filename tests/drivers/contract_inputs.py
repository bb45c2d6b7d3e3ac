"""What every Inputs does, whatever the wires. A subject is one line in the test file that runs this suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from drivers.clock import SystemClock
from drivers.contract import InputChanged, InputId, Inputs
from drivers.inputs import GpioInputs
from drivers.peers.board import Board
from drivers.sim import SimBuilding
from drivers.verbs import DoorVerb
from drivers.virtual import VirtualClock, VirtualLoop

CONTACT, BUTTON = InputId("contact"), InputId("exit_button")


@dataclass
class Bench:
    inputs: Inputs
    door: Callable[[bool], None]  # open it, close it


@asynccontextmanager
async def gpio(folder: Path) -> AsyncIterator[Bench]:
    """The real driver over the emulated board: a contact that is high when open, a button that pulls down."""
    with Board(folder / "board", pulls={24: "up"}) as board:
        wired = {CONTACT: (23, True, 0.02), BUTTON: (24, False, 0.02)}
        yield Bench(GpioInputs(SystemClock(), board.chip, wired), lambda is_open: board.drive(23, high=is_open))


@asynccontextmanager
async def sim(_folder: Path) -> AsyncIterator[Bench]:
    """The simulated building's inputs, in virtual time."""
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 1, tzinfo=UTC)))
    yield Bench(building.inputs(), lambda is_open: print(building.obey(DoorVerb("open" if is_open else "close"))))


class InputsContract:
    """Inherit, and name the subject."""

    opened: Callable[[Path], AbstractAsyncContextManager[Bench]]
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop

    def play(self, folder: Path, changes: int, *moves: bool, open_first: bool = False) -> list[InputChanged]:
        """Move the door after the levels were told, 0.1 s apart; return the levels and `changes` changes."""

        async def main() -> list[InputChanged]:
            async with asyncio.timeout(20), type(self).opened(folder) as bench:
                if open_first:
                    bench.door(True)
                telling = bench.inputs.changes()
                told = [await anext(telling), await anext(telling)]
                following = asyncio.ensure_future(_take(telling, changes))
                for is_open in moves:
                    await asyncio.sleep(0.1)
                    bench.door(is_open)
                told += await following
                await telling.aclose()
                return told

        with asyncio.Runner(loop_factory=type(self).loop) as runner:
            return runner.run(main())

    def test_the_levels_come_first(self, tmp_path: Path) -> None:
        told = self.play(tmp_path, 0)
        assert {(change.input, change.active) for change in told} == {(CONTACT, False), (BUTTON, False)}

    def test_a_door_open_at_the_start_is_said_to_be_open(self, tmp_path: Path) -> None:
        told = self.play(tmp_path, 0, open_first=True)
        assert {(change.input, change.active) for change in told[:2]} == {(CONTACT, True), (BUTTON, False)}

    def test_every_change_is_told_once_and_in_order(self, tmp_path: Path) -> None:
        told = self.play(tmp_path, 4, True, True, False, True, False)
        assert [(change.input, change.active) for change in told[2:]] == [
            (CONTACT, True),
            (CONTACT, False),
            (CONTACT, True),
            (CONTACT, False),
        ]
        assert all(before.at.mono_s < after.at.mono_s for before, after in pairwise(told[2:]))


async def _take(telling: AsyncIterator[InputChanged], count: int) -> list[InputChanged]:
    return [await anext(telling) for _ in range(count)]


SIM_LOOP = VirtualLoop
