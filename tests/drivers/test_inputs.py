"""Inputs: a bounce is one change, a spike none, and a deaf notifier costs a quarter of a second."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import SystemClock, boottime_s
from drivers.contract import DriverError, InputChanged, InputId
from drivers.inputs import Debouncer, GpioInputs, InputLine
from drivers.peers.board import Board
from tests.drivers.contract_inputs import SIM_LOOP, InputsContract, gpio, sim

BUTTON = InputId("exit_button")


class TestGpioInputs(InputsContract):
    opened = staticmethod(gpio)


class TestSimInputs(InputsContract):
    opened = staticmethod(sim)
    loop = SIM_LOOP


# --- the debouncer, alone ----------------------------------------------------------------------------------


def settled(*edges: tuple[float, bool], until_s: float = 100.0) -> list[tuple[bool, float]]:
    debouncer = Debouncer(0.02)
    debouncer.start(active=False)
    found = [debouncer.see(at_s, active=active) for at_s, active in edges] + [debouncer.settle(until_s)]
    return [change for change in found if change is not None]


def test_a_bouncing_press_is_one_change_dated_to_its_last_edge() -> None:
    bounces = [(1.0 + step * 0.002, step % 2 == 0) for step in range(11)]
    assert settled(*bounces) == [(True, pytest.approx(1.02))]


def test_a_five_millisecond_spike_is_nothing() -> None:
    assert settled((1.0, True), (1.005, False)) == []


def test_a_press_and_its_release_read_late_are_two_changes() -> None:
    assert settled((1.0, True), (1.4, False)) == [(True, 1.0), (False, 1.4)]


def test_a_change_just_long_enough_counts() -> None:
    assert settled((1.0, True), until_s=1.0199) == []
    assert settled((1.0, True), until_s=1.0201) == [(True, 1.0)]


@given(st.lists(st.tuples(st.floats(0.0005, 0.1), st.booleans()), max_size=60))
def test_settled_changes_alternate_and_end_at_the_last_level(steps: list[tuple[float, bool]]) -> None:
    at_s, edges = 0.0, []
    for gap_s, active in steps:
        at_s += gap_s
        edges.append((at_s, active))
    found = settled(*edges)
    assert [active for active, _ in found] == [number % 2 == 0 for number in range(len(found))]
    assert (found[-1][0] if found else False) == (edges[-1][1] if edges else False)


# --- over the board ----------------------------------------------------------------------------------------


def press_scene(
    folder: Path, wiring: InputLine, scene: Callable[[Board, GpioInputs], Awaitable[None]], pull: str = "down"
) -> tuple[list[InputChanged], GpioInputs]:
    """Play a scene at one input; give back the changes after its first level, and the driver."""

    async def main(board: Board) -> tuple[list[InputChanged], GpioInputs]:
        inputs = GpioInputs(SystemClock(), board.chip, {BUTTON: wiring})
        telling = inputs.changes()
        told: list[InputChanged] = []
        await anext(telling)
        listening = asyncio.create_task(_listen(telling, told))
        await scene(board, inputs)
        await asyncio.sleep(0.3)
        listening.cancel()
        return told, inputs

    with Board(folder / "board", pulls={wiring.line: pull}) as board:
        return asyncio.run(asyncio.wait_for(main(board), 30))


async def _listen(telling: AsyncIterator[InputChanged], told: list[InputChanged]) -> None:
    async for change in telling:
        told.append(change)  # noqa: PERF401  (the scene looks on while it grows)


@pytest.mark.parametrize("active_high", [True, False])
def test_bounce_spike_and_press_on_a_real_line(tmp_path: Path, active_high: bool) -> None:
    async def scene(board: Board, _inputs: GpioInputs) -> None:
        await asyncio.to_thread(board.bounce, 23, 11, 0.002)  # pressed, bouncing
        await asyncio.sleep(0.1)
        board.drive(23, high=None)  # released
        await asyncio.sleep(0.1)
        await asyncio.to_thread(board.press, 23, 0.005, high=active_high)  # a spike
        await asyncio.sleep(0.1)
        await asyncio.to_thread(board.press, 23, 0.4, high=active_high)

    wiring = InputLine(23, active_high=active_high, bounce_s=0.05)
    told, inputs = press_scene(tmp_path, wiring, scene, "down" if active_high else "up")
    assert [change.active for change in told] == [True, False, True, False]
    assert told[3].at.mono_s - told[2].at.mono_s == pytest.approx(0.4, abs=0.05)
    assert inputs.edges_missed == 0


def test_a_contact_to_ground_that_is_active_when_open(tmp_path: Path) -> None:
    async def scene(board: Board, _inputs: GpioInputs) -> None:
        assert board.level(23)  # the soft pull-up of the pin itself
        board.drive(23, high=False)
        await asyncio.sleep(0.1)

    told, _ = press_scene(tmp_path, InputLine(23, active_high=True, pull="up"), scene, "floating")
    assert [change.active for change in told] == [False]


def test_a_change_is_dated_to_its_edge_even_when_the_loop_was_busy(tmp_path: Path) -> None:
    async def scene(board: Board, _inputs: GpioInputs) -> None:
        nonlocal pressed_s
        pressed_s = boottime_s()
        board.press(23, 0.4)  # blocks the loop: a busy service

    pressed_s = 0.0
    told, _ = press_scene(tmp_path, InputLine(23), scene)
    assert [change.active for change in told] == [True, False]
    assert told[0].at.mono_s == pytest.approx(pressed_s, abs=0.05)
    assert told[1].at.mono_s == pytest.approx(pressed_s + 0.4, abs=0.05)


def _kill_notifier() -> None:
    """Raise SystemExit inside the notifier's thread, as no callback of ours can."""
    (notifier,) = (thread for thread in threading.enumerate() if thread.name == "gpio-notifier")
    killed = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(notifier.ident), ctypes.py_object(SystemExit))
    assert killed == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_notifier_is_survived_by_polling_and_shown(tmp_path: Path) -> None:
    seen_s: list[float] = []

    async def scene(board: Board, inputs: GpioInputs) -> None:
        _kill_notifier()
        async with asyncio.timeout(5):
            while not inputs.deaf:
                await asyncio.sleep(0.05)
        for high in (True, False, True):
            started_s = boottime_s()
            board.drive(23, high=high)
            await asyncio.sleep(0.4)
            seen_s.append(started_s)

    told, inputs = press_scene(tmp_path, InputLine(23), scene)
    assert [change.active for change in told] == [True, False, True]
    assert all(change.at.mono_s - at_s <= 0.25 for change, at_s in zip(told, seen_s, strict=True))
    assert inputs.deaf
    assert inputs.edges_missed == 3


def test_a_storm_is_bounded_and_the_level_comes_through(tmp_path: Path) -> None:
    async def scene(board: Board, inputs: GpioInputs) -> None:
        for _ in range(3):
            await asyncio.to_thread(board.bounce, 23, 2000, 0.0001)
        board.drive(23, high=True)

    told, _ = press_scene(tmp_path, InputLine(23, bounce_s=0.05), scene)
    assert [change.active for change in told][-1:] == [True]
    assert len(told) <= 3


def test_a_lost_chip_and_a_wrong_line_are_driver_errors(tmp_path: Path) -> None:
    async def lost() -> None:
        with Board(tmp_path / "board") as board:
            telling = GpioInputs(SystemClock(), board.chip, {BUTTON: InputLine(23)}).changes()
            await anext(telling)
        with pytest.raises(DriverError, match="cannot be read"):
            await anext(telling)

    async def wrong() -> None:
        with Board(tmp_path / "board") as board:
            with pytest.raises(DriverError, match="no line 99"):
                await anext(GpioInputs(SystemClock(), board.chip, {BUTTON: InputLine(99)}).changes())
            with pytest.raises(DriverError, match="no GPIO chip 'pinctrl-nowhere'"):
                await anext(GpioInputs(SystemClock(), "pinctrl-nowhere", {BUTTON: InputLine(23)}).changes())

    asyncio.run(asyncio.wait_for(lost(), 10))
    asyncio.run(asyncio.wait_for(wrong(), 10))
    assert not [thread for thread in threading.enumerate() if thread.name == "gpio-notifier"]
