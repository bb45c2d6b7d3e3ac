"""The pin factory, and the emulated board it is tried on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import gpiozero
import pytest

from drivers.contract import DriverError
from drivers.peers.board import Board
from drivers.pins import LineFactory

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.002)


def own(board: Board, high: bool, then: str) -> subprocess.Popen[str]:
    """Start a process that owns line 17 as an output; `then` is what it does after."""
    program = (
        "import sys, os, time\nfrom gpiozero import OutputDevice\nfrom drivers.pins import LineFactory\n"
        f"relay = OutputDevice(17, initial_value={high}, pin_factory=LineFactory(sys.argv[1]))\n{then}\n"
        "print('owned', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, board.chip]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "owned\n"
    return process


# --- the board has a kernel's manners ------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("persist", "pull", "high", "after"),
    [
        (False, "down", True, False),
        (True, "down", True, True),
        (False, "up", False, True),
        (True, "up", False, False),
    ],
)
def test_a_line_whose_owner_died(
    tmp_path: Path, how: signal.Signals, persist: bool, pull: str, high: bool, after: bool
) -> None:
    with Board(tmp_path / "board", persist=persist, pulls={17: pull}) as board:
        owner = own(board, high, "")
        assert board.level(17) is high
        owner.send_signal(how)
        owner.communicate()
        until(lambda: not board.wires.claimed(17))
        assert board.level(17) is after
        assert board.wires.is_output(17) is persist


def test_a_forked_child_keeps_the_line_of_its_dead_parent(tmp_path: Path) -> None:
    with Board(tmp_path / "board", persist=False) as board:
        fork = (
            "child = os.fork()\nif child == 0:\n    time.sleep(60)\n"
            "open(sys.argv[1].removeprefix('board:') + '.child', 'w').write(str(child))"
        )
        owner = own(board, True, fork)
        owner.kill()
        owner.wait()
        owner.stdout.close()
        child = int((tmp_path / "board.child").read_text(encoding="ascii"))
        try:
            time.sleep(0.1)
            assert board.level(17)
            with LineFactory(board.chip) as pins, pytest.raises(DriverError, match="has another owner"):
                gpiozero.OutputDevice(17, pin_factory=pins)
        finally:
            os.kill(child, signal.SIGKILL)
        until(lambda: not board.level(17))


def test_the_recorder_sees_the_shortest_blip(tmp_path: Path) -> None:
    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        relay = gpiozero.OutputDevice(17, pin_factory=pins)
        for _ in range(100):
            relay.on()
            relay.off()
        relay.close()
        record = board.record(17)
        assert [change.high for change in record] == [True, False] * 100
        assert all(change.seen_s >= change.mono_s for change in record)


# --- the factory -------------------------------------------------------------------------------------------


def test_an_active_low_output_is_claimed_at_its_level_in_one_go(tmp_path: Path) -> None:
    with Board(tmp_path / "board", pulls={17: "up"}) as board, LineFactory(board.chip) as pins:
        relay = gpiozero.OutputDevice(17, active_high=False, initial_value=False, pin_factory=pins)
        assert board.record(17) == []
        relay.on()
        assert [change.high for change in board.record(17)] == [False]
        assert relay.value == 1


def test_an_output_without_a_level_is_refused(tmp_path: Path) -> None:
    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        with pytest.raises(gpiozero.PinInvalidFunction):
            gpiozero.OutputDevice(17, initial_value=None, pin_factory=pins)
        with pytest.raises(gpiozero.PinInvalidPin):
            gpiozero.OutputDevice(28, pin_factory=pins)


def test_two_devices_on_one_line_are_refused(tmp_path: Path) -> None:
    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        relay = gpiozero.OutputDevice(17, pin_factory=pins)
        with pytest.raises(gpiozero.GPIOPinInUse):
            gpiozero.OutputDevice(17, pin_factory=pins)
        relay.close()
        gpiozero.OutputDevice(17, pin_factory=pins).close()


def test_an_input_cannot_be_driven(tmp_path: Path) -> None:
    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        button = gpiozero.DigitalInputDevice(23, pin_factory=pins)
        with pytest.raises(gpiozero.PinSetInput):
            button.pin.state = True
        relay = gpiozero.OutputDevice(17, pin_factory=pins)
        with pytest.raises(gpiozero.PinFixedPull):
            relay.pin.pull = "up"


@pytest.mark.parametrize("pull_up", [True, False])
def test_the_soft_pull_of_an_input(tmp_path: Path, pull_up: bool) -> None:
    with Board(tmp_path / "board", pulls={23: "floating"}) as board, LineFactory(board.chip) as pins:
        button = gpiozero.DigitalInputDevice(23, pull_up=pull_up, pin_factory=pins)
        assert board.level(23) is pull_up
        assert button.value == 0


def test_a_callback_that_raises_deafens_nobody(tmp_path: Path) -> None:
    heard: list[str] = []

    def failing() -> None:
        heard.append("failing")
        raise RuntimeError("our bug")

    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        first = gpiozero.DigitalInputDevice(23, pin_factory=pins)
        second = gpiozero.DigitalInputDevice(24, pin_factory=pins)
        first.when_activated = failing
        second.when_activated = lambda: heard.append("second")
        for number in (1, 2):
            board.press(23, 0.02)
            board.press(24, 0.02)
            until(lambda number=number: len(heard) == 2 * number)
        assert heard == ["failing", "second", "failing", "second"]
        assert pins.callback_errors == 2
        assert not pins.deaf


def test_edges_carry_the_time_of_the_edge(tmp_path: Path) -> None:
    heard: list[float] = []
    with Board(tmp_path / "board") as board, LineFactory(board.chip) as pins:
        button = gpiozero.DigitalInputDevice(23, pin_factory=pins)
        button.when_activated = lambda: heard.append(pins.ticks() - button.active_time)
        board.press(23, 0.02)
        until(lambda: bool(heard))
        (pressed, _) = board.record(23)
        assert heard[0] == pytest.approx(pressed.mono_s, abs=0.001)


def test_a_closed_factory_leaves_no_thread_and_no_line(tmp_path: Path) -> None:
    with Board(tmp_path / "board") as board:
        for _ in range(20):
            with LineFactory(board.chip) as pins:
                button = gpiozero.DigitalInputDevice(23, pin_factory=pins)
                button.when_activated = lambda: None
            assert button.pin.function == ""
        assert not [thread for thread in threading.enumerate() if thread.name == "gpio-notifier"]
        until(lambda: not board.wires.claimed(23))


def test_a_wrong_label_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match=r"no GPIO chip 'pinctrl-bcm9999'; this machine has: "):
        LineFactory("pinctrl-bcm9999")
    (tmp_path / "text").write_text("not a board", encoding="ascii")
    with pytest.raises(DriverError, match="not an emulated board"):
        LineFactory(f"board:{tmp_path / 'text'}")
