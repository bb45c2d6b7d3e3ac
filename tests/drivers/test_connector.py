"""The copy-control connector: what a pulse is, and that the enable line rests whatever dies (acceptance 37 and 38)."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.connector import PulsedControl
from drivers.contract import DriverError, InputChanged, InputId, Moment, Trust
from drivers.copying import COLOUR, LARGE, PULSE, SHEET, Clicks, PulseCount
from drivers.peers.board import Board
from drivers.simlock import SimLock
from drivers.virtual import VirtualClock, VirtualLoop
from tests.drivers.contract_connector import (
    ENABLE,
    SIM_LOOP,
    Bench,
    ConnectorContract,
    gpio,
    permitted,
    sim,
    until,
)


class TestGpioConnector(ConnectorContract):
    opened = staticmethod(gpio)

    def test_an_edge_that_bounces_is_one_pulse_and_a_spike_none(self, tmp_path: Path) -> None:
        async def story(bench: Bench) -> None:
            assert bench.far is not None
            bench.far.bounces = 3
            bench.far.spike()
            await asyncio.sleep(0.05)
            await bench.copy(3)
            taken = await self.counted(bench, 3)
            assert sum(one.mono for one in taken) == 3

        self.play(tmp_path, story)


class TestSimConnector(ConnectorContract):
    opened = staticmethod(sim)
    loop = SIM_LOOP


# --- what a pulse is ---------------------------------------------------------------------------------------


def told(*changes: tuple[float, InputId, bool], **how: int | bool) -> PulseCount:
    count = PulseCount(**how)  # type: ignore[arg-type]
    for at_s, line, active in changes:
        at = Moment(datetime(2026, 11, 2, tzinfo=UTC), at_s, "b", Trust.SYNCHRONISED)
        count.see(InputChanged(at, line, active))
    return count


def pulses(number: int, start_s: float = 1.0, line: InputId = PULSE) -> list[tuple[float, InputId, bool]]:
    edges = [(start_s + step, line, True) for step in range(number)]
    return sorted([*edges, *((at_s + 0.1, line, False) for at_s, _, _ in edges)])


def test_a_pulse_counts_once_at_its_end_and_is_given_away_once() -> None:
    count = told(*pulses(1)[:1])
    assert count.take() is None
    count = told(*pulses(3))
    assert count.take() == Clicks(mono=3, colour=0, clicks_mono=3)
    assert count.take() is None


def test_the_colour_that_stood_when_the_pulse_began_counts() -> None:
    count = told((0.9, COLOUR, True), (1.0, PULSE, True), (1.05, COLOUR, False), (1.1, PULSE, False), *pulses(1, 2.0))
    assert count.take() == Clicks(mono=1, colour=1, clicks_mono=1, clicks_colour=1)


def test_case_38_a_pulse_under_way_at_the_start_is_counted_once() -> None:
    """The process before ended within it and has not counted it; this one sees its end."""
    assert told((5.0, PULSE, True), (5.03, PULSE, False)).take() == Clicks(mono=1, colour=0, clicks_mono=1)
    assert told((5.0, PULSE, False)).take() is None


def test_what_makes_no_whole_side_waits_for_the_pulse_that_does() -> None:
    count = told(*pulses(3), per_click=2)
    assert count.take() == Clicks(mono=1, colour=0, clicks_mono=1)
    at = Moment(datetime(2026, 11, 2, tzinfo=UTC), 9.0, "b", Trust.SYNCHRONISED)
    count.see(InputChanged(at, PULSE, True))
    assert count.take() is None
    count.see(InputChanged(at, PULSE, False))
    assert count.take() == Clicks(mono=1, colour=0, clicks_mono=1)


def test_a3_is_two_pulses_where_the_machine_clicks_twice_and_one_elsewhere() -> None:
    large = (0.5, LARGE, True)
    twice = told(large, *pulses(2), a3_clicks=2)
    assert twice.take() == Clicks(mono=1, colour=0, large_mono=1, clicks_mono=2)
    once = told(large, *pulses(2))
    assert once.take() == Clicks(mono=2, colour=0, large_mono=2, clicks_mono=2)


def test_sheets_are_never_more_than_sides_and_none_without_their_line() -> None:
    duplex = told(*sorted([*pulses(2), *pulses(1, line=SHEET)]), tells_sheets=True)
    assert duplex.take() == Clicks(mono=2, colour=0, clicks_mono=2, sheets=1)
    early = told(*pulses(1, line=SHEET), tells_sheets=True)
    assert early.take() is None
    assert told(*sorted([*pulses(2), *pulses(1, line=SHEET)])).take() == Clicks(mono=2, colour=0, clicks_mono=2)


def test_a_pulse_that_does_not_end_is_a_fault() -> None:
    count = told((1.0, PULSE, True))
    assert not count.stuck(6.0)
    assert count.stuck(6.1)


# --- whatever dies -----------------------------------------------------------------------------------------

VICTIM = """
import asyncio, sys
from contextlib import AsyncExitStack
import drivers
from drivers.clock import SystemClock
from drivers.contract import DriverError
from tests.drivers.contract_connector import DEVICE, ENABLE, LINES

async def main():
    async with AsyncExitStack() as stack:
        control = await drivers.open_connector(
            "gpio", None, SystemClock(), stack, DEVICE, sys.argv[1], (ENABLE, True), LINES,
            pulses_per_click=1, a3_clicks=1)
        while True:
            try:
                await control.permit(600.0)
            except DriverError:
                pass
            await asyncio.sleep(0.1)

asyncio.run(main())
"""


@pytest.mark.peers
@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_enable_line_rests_when_our_process_dies_or_hangs(
    tmp_path: Path, how: signal.Signals, persist: bool
) -> None:
    with Board(tmp_path / "board", persist=persist, pulls={24: "up"}) as board:
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, board.chip], cwd=Path(__file__).parents[2])
        try:
            _wait(lambda: board.level(ENABLE))
            os.kill(victim.pid, how)
            _wait(lambda: not board.level(ENABLE))
        finally:
            victim.kill()
            victim.wait()
        _wait(lambda: not board.wires.claimed(ENABLE))
        assert not board.level(ENABLE)


@pytest.mark.peers
def test_the_enable_line_rests_when_the_latch_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        async with gpio(tmp_path) as bench:
            await permitted(bench, 600.0)
            await until(bench.enabled)
            assert bench.board is not None
            os.kill(bench.board.wires.owner(ENABLE), signal.SIGKILL)
            await until(lambda: not bench.enabled())
            await permitted(bench, 600.0)
            await until(bench.enabled)
            await bench.control.rest()
            await until(lambda: not bench.enabled())

    asyncio.run(main())


def _wait(true: object, limit_s: float = 20.0) -> None:
    assert callable(true)
    limit = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


class Line:
    """Inputs that are lost now and then, or only polled."""

    def __init__(self, clock: VirtualClock) -> None:
        self.deaf, self.gone, self.stuck, self._clock = False, False, False, clock

    async def changes(self) -> AsyncIterator[InputChanged]:
        while True:
            if self.gone:
                raise DriverError("the chip is lost")
            yield InputChanged(self._clock.now(), PULSE, active=self.stuck)
            await asyncio.sleep(1)


def test_a_click_may_be_missed_from_when_the_lines_are_lost_until_they_are_back() -> None:
    async def story() -> list[float]:
        clock = VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, tzinfo=UTC))
        line, told = Line(clock), list[float]()
        async with PulsedControl(clock, SimLock(clock, cap_s=3600.0), line, PulseCount()) as control:
            told.append(control.heard_s())
            await asyncio.sleep(10)
            told.append(control.heard_s())
            line.deaf = True
            told.append(control.heard_s())
            await asyncio.sleep(2.5)
            line.deaf = False
            told.append(control.heard_s())
            line.stuck = True
            await asyncio.sleep(8)  # a pulse began at 13 s
            told.append(control.heard_s())
            line.stuck = False
            await asyncio.sleep(2)  # and ended at 21 s
            told.append(control.heard_s())
            line.gone = True
            await asyncio.sleep(2)
            told.append(control.heard_s())
            line.gone = False
            await asyncio.sleep(60)  # tried again every five seconds; the fault is said for thirty
            told.append(control.heard_s())
        return told

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(story()) == [math.inf, 0.0, math.inf, 12.0, math.inf, 21.0, math.inf, 28.0]
