"""What every copy-control connector does, whatever the wires. A subject is one line in the test file that runs this."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import drivers
from drivers.clock import SystemClock
from drivers.contract import DeviceId, DriverError
from drivers.copying import COLOUR, LARGE, PULSE, SHEET, Clicks, CopyControl
from drivers.peers.board import Board
from drivers.peers.copier_connector import Connector
from drivers.sim import SimBuilding
from drivers.virtual import VirtualClock, VirtualLoop

DEVICE = DeviceId("copieur")
ENABLE = 23
LINES = {name: (line, False, 0.03, "") for name, line in ((PULSE, 24), (COLOUR, 25), (LARGE, 26), (SHEET, 27))}


@dataclass
class Bench:
    control: CopyControl
    enabled: Callable[[], bool]  # as the copier sees it
    copy: Callable[..., Awaitable[None]]  # (sides, colour=, large=, two_sided=), when the button is pressed anyway
    far: Connector | None = None  # the real wires' other end
    board: Board | None = None


@asynccontextmanager
async def gpio(folder: Path) -> AsyncIterator[Bench]:
    """The real driver and its latch over the emulated board, and the emulated copier's connector."""
    with Board(folder / "board", pulls=dict.fromkeys((24, 25, 26, 27), "up")) as board:
        far = Connector(f"{board.path}:{ENABLE}:24:25:26:27")

        async def copy(sides: int, *, colour: bool = False, large: bool = False, two_sided: bool = False) -> None:
            for side in range(sides):
                sheet = not two_sided or side % 2 == 0
                await far.side(clicks=2 if large else 1, colour=colour, large=large, sheet=sheet)

        async with AsyncExitStack() as stack:
            control = await drivers.open_connector(
                "gpio",
                _none,
                SystemClock(),
                stack,
                DEVICE,
                board.chip,
                (ENABLE, True),
                LINES,
                pulses_per_click=1,
                a3_clicks=2,
            )
            await until(lambda: board.wires.claimed(ENABLE) and board.wires.claimed(24))
            yield Bench(control, lambda: far.enabled, copy, far, board)
        far.close()


@asynccontextmanager
async def sim(_folder: Path) -> AsyncIterator[Bench]:
    """The simulated building's connector, in virtual time."""
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, tzinfo=UTC)))

    async def copy(sides: int, *, colour: bool = False, large: bool = False, two_sided: bool = False) -> None:
        far = building.connector(DEVICE)
        await far.put_out(sides * (2 if large else 1), colour=colour, large=large, two_sided=two_sided)

    async with AsyncExitStack() as stack:
        control = await drivers.open_connector(
            "sim",
            lambda: building,
            building.clock,
            stack,
            DEVICE,
            "",
            (ENABLE, True),
            {},
            pulses_per_click=1,
            a3_clicks=2,
        )
        await asyncio.sleep(0.01)
        yield Bench(control, lambda: building.connector(DEVICE).lock.released, copy)


def _none() -> SimBuilding:
    raise AssertionError("nothing is simulated here")


async def until(true: Callable[[], bool], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.01)


async def permitted(bench: Bench, for_s: float) -> None:
    """Permit; a latch that is still starting says no, and is asked again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await bench.control.permit(for_s)
            except DriverError:
                await asyncio.sleep(0.05)


class ConnectorContract:
    """Inherit, and name the subject."""

    opened: Callable[[Path], AbstractAsyncContextManager[Bench]]
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop

    def play(self, folder: Path, story: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(60), type(self).opened(folder) as bench:
                await story(bench)

        with asyncio.Runner(loop_factory=type(self).loop) as runner:
            runner.run(main())

    async def counted(self, bench: Bench, sides: int) -> list[Clicks]:
        """Take until that many sides have come."""
        taken: list[Clicks] = []

        def enough() -> bool:
            if (more := bench.control.take()) is not None:
                taken.append(more)
            return sum(one.mono + one.colour for one in taken) >= sides

        await until(enough)
        assert bench.control.take() is None
        return taken

    def test_it_rests_until_it_is_permitted_and_rests_again_when_told(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            assert not bench.enabled()
            await permitted(bench, 600.0)
            await until(bench.enabled)
            await bench.control.rest()
            await until(lambda: not bench.enabled())
            await bench.control.rest()

        self.play(tmp_path, story)

    def test_a_permission_that_nobody_renews_ends_by_itself(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            await permitted(bench, 0.5)
            await until(lambda: not bench.enabled())

        self.play(tmp_path, story)

    def test_case_37_a_duplex_copy_is_two_sides_on_one_sheet(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            await bench.copy(2, two_sided=True)
            taken = await self.counted(bench, 2)
            assert sum(one.mono for one in taken) == 2
            assert sum(one.sheets or 0 for one in taken) == 1

        self.play(tmp_path, story)

    def test_colour_and_a3_are_told_by_the_lines_beside_the_pulse(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            await bench.copy(2)
            await bench.copy(1, colour=True)
            await bench.copy(1, colour=True, large=True)  # this machine clicks twice for it
            await bench.copy(1)
            taken = await self.counted(bench, 5)
            sums = [(one.mono, one.colour, one.large_colour, one.clicks_mono, one.clicks_colour) for one in taken]
            assert [sum(column) for column in zip(*sums, strict=True)] == [3, 2, 1, 3, 3]
            assert bench.control.fault == ""

        self.play(tmp_path, story)

    def test_it_tells_since_when_no_click_can_have_been_missed(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            await until(lambda: bench.control.heard_s() < math.inf)
            since_s = bench.control.heard_s()
            await bench.copy(1)
            await self.counted(bench, 1)
            assert bench.control.heard_s() == since_s

        self.play(tmp_path, story)


SIM_LOOP = VirtualLoop
