"""What every Lock does, whatever drives the relay. A subject is one line in the test file that runs this suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.clock import SystemClock
from drivers.contract import LatchState, Lock, LockChanged
from drivers.lock import GpioLock
from drivers.peers.board import Board
from drivers.sim import SimBuilding
from drivers.virtual import VirtualClock, VirtualLoop

CAP_S = 0.8
Opened = Callable[[Path], AbstractAsyncContextManager[Lock]]


@asynccontextmanager
async def gpio(folder: Path) -> AsyncIterator[Lock]:
    """The real driver and its latch process, over the emulated board."""
    with Board(folder / "board") as board:
        async with GpioLock(SystemClock(), chip=board.chip, line=17, cap_s=CAP_S) as lock:
            yield lock


@asynccontextmanager
async def gpio_active_low(folder: Path) -> AsyncIterator[Lock]:
    """The same for a relay board that switches when its input is pulled down."""
    with Board(folder / "board", pulls={17: "up"}) as board:
        async with GpioLock(SystemClock(), chip=board.chip, line=17, active_high=False, cap_s=CAP_S) as lock:
            yield lock


@asynccontextmanager
async def sim(_folder: Path) -> AsyncIterator[Lock]:
    """The simulated building's lock, in virtual time."""
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 1, tzinfo=UTC)))
    building.lock.cap_s = CAP_S
    yield building.lock


def lasted(pulse_s: float, since_s: float, down: LockChanged) -> bool:
    """Tell whether a pulse lasted its time, and at most the promised quarter of a second longer on a busy machine."""
    return pulse_s - 0.005 <= down.at.mono_s - since_s <= pulse_s + 0.25


class LockContract:
    """Inherit, and name the subject."""

    opened: Opened
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop

    def play(self, folder: Path, scene: Callable[[Lock], AsyncIterator[None]], changes: int) -> list[LockChanged]:
        """Play a scene and return the first `changes` changes the lock tells of."""

        async def main() -> list[LockChanged]:
            async with asyncio.timeout(20), type(self).opened(folder) as lock:
                told: list[LockChanged] = []

                async def listen() -> None:
                    async for change in lock.changes():
                        told.append(change)
                        if len(told) == changes:
                            return

                listening = asyncio.create_task(listen())
                async for _ in scene(lock):
                    pass
                await listening
                return told

        with asyncio.Runner(loop_factory=type(self).loop) as runner:
            return runner.run(main())

    def test_one_pulse_lasts_its_hold(self, tmp_path: Path) -> None:
        async def scene(lock: Lock) -> AsyncIterator[None]:
            self.active_at = await lock.release(0.3)
            yield

        up, down = self.play(tmp_path, scene, 2)
        assert (up.state, up.why) == (LatchState.RELEASED, "released")
        assert (down.state, down.why) == (LatchState.RESTING, "pulse-end")
        assert lasted(0.3, up.at.mono_s, down)
        assert self.active_at.mono_s == pytest.approx(up.at.mono_s, abs=0.05)

    def test_a_second_badge_gets_a_full_pulse_without_a_dip(self, tmp_path: Path) -> None:
        async def scene(lock: Lock) -> AsyncIterator[None]:
            await lock.release(0.6)
            await asyncio.sleep(0.1)
            self.second_at = await lock.release(0.6)
            yield

        up, down = self.play(tmp_path, scene, 2)
        assert lasted(min(0.6, up.at.mono_s + CAP_S - self.second_at.mono_s), self.second_at.mono_s, down)

    def test_overlapping_badges_stop_at_the_cap(self, tmp_path: Path) -> None:
        async def scene(lock: Lock) -> AsyncIterator[None]:
            for _ in range(4):
                await lock.release(0.5)
                await asyncio.sleep(0.17)
            yield

        up, down = self.play(tmp_path, scene, 2)
        assert lasted(0.8, up.at.mono_s, down)
        assert down.state is LatchState.RESTING

    def test_one_hold_longer_than_the_cap_is_cut(self, tmp_path: Path) -> None:
        async def scene(lock: Lock) -> AsyncIterator[None]:
            await lock.release(3600.0)
            yield

        up, down = self.play(tmp_path, scene, 2)
        assert lasted(0.8, up.at.mono_s, down)

    def test_relock_cuts_the_pulse_and_the_next_is_whole(self, tmp_path: Path) -> None:
        async def scene(lock: Lock) -> AsyncIterator[None]:
            await lock.relock()
            await lock.release(0.7)
            await lock.relock()
            await asyncio.sleep(0.05)
            await lock.release(0.3)
            yield

        told = self.play(tmp_path, scene, 4)
        assert [change.why for change in told] == ["released", "relock", "released", "pulse-end"]
        assert told[1].at.mono_s - told[0].at.mono_s < 0.5  # cut at once, however late a busy machine asks
        assert lasted(0.3, told[2].at.mono_s, told[3])


SIM_LOOP = VirtualLoop
