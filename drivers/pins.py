"""GPIO lines for gpiozero, over the kernel's GPIO character device.

The one idea: a chip is chosen by its **label** ("pinctrl-bcm2711", "pinctrl-rp1"; numbers change between kernels) and
a line is claimed in **one** request that already carries direction and level, so an active-low relay never blips at
start. gpiozero's own factories claim first and write after, fall back silently to one another, and lose their
only callback thread to the first exception; this one does none of that: a wrong label is a DriverError that says
which labels exist, and an exception in a callback is logged and the next edge is served.

"board:PATH" instead of a label drives the emulated board of `drivers.peers.board`, through the same classes.

Threads: one notifier per factory, started with the first edge watch. Callbacks run on it and may only enqueue.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gpiod
import gpiozero
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as EdgeDetection
from gpiozero.pins import BoardInfo, HeaderInfo, PinInfo
from gpiozero.pins.pi import PiFactory, PiPin

from drivers.clock import boottime_of_monotonic, boottime_s
from drivers.contract import DriverError

BOARD = "board:"
CONSUMER = "gardien"
DEBUGFS = Path("/sys/kernel/debug/gpio")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Edge:
    """A line changed: to `high`, at `mono_s` (CLOCK_BOOTTIME)."""

    line: int
    high: bool
    mono_s: float


class Chip(Protocol):
    """What a factory needs of a GPIO chip: the kernel's, or the emulated board's. Levels are physical.

    All methods raise OSError (EBUSY: the line has another owner) except `nudge` and `close`.
    """

    lines: int  # how many

    def claim_output(self, line: int, *, high: bool) -> None:
        """Own `line` as an output that is at its level from the first instant."""

    def claim_input(self, line: int, pull: str, *, edges: bool) -> None:
        """Own `line` as an input with pull "up", "down" or "floating"; a second call changes pull and edges."""

    def read(self, line: int) -> bool:
        """Return the level of an owned line."""

    def peek(self, line: int) -> bool | None:
        """Return the level of a line whoever owns it, without claiming it; None if nobody can tell."""

    def write(self, line: int, *, high: bool) -> None:
        """Set the level of an owned output."""

    def free(self, line: int) -> None:
        """Give the line back; what it does then is the kernel's and the board's business."""

    def wait(self, timeout_s: float) -> list[Edge]:
        """Return the edges of all watched lines, oldest first per line; empty after a nudge or `timeout_s`."""

    def nudge(self) -> None:
        """Wake `wait`. Any thread."""

    def close(self) -> None:
        """Free all lines."""


def open_chip(chip: str) -> Chip:
    """Return the chip of that label, device path, or board. Raises DriverError."""
    if chip.startswith(BOARD):
        from drivers.peers.board import BoardChip  # noqa: PLC0415  (a site with real pins never loads the emulated board)

        return BoardChip(Path(chip.removeprefix(BOARD)))
    return GpiodChip(chip)


class GpiodChip:
    """The kernel's chip, by the official bindings (libgpiod 2, uAPI v2)."""

    def __init__(self, chip: str) -> None:
        self._chip = _open_gpiod(chip)
        self.lines = self._chip.get_info().num_lines
        self._requests: dict[int, gpiod.LineRequest] = {}
        self._watched: dict[int, int] = {}  # file descriptor -> line
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def _claim(self, line: int, settings: gpiod.LineSettings) -> gpiod.LineRequest:
        request = self._requests.get(line)
        if request is None:
            request = self._requests[line] = self._chip.request_lines({line: settings}, consumer=CONSUMER)
        else:
            request.reconfigure_lines({line: settings})
        return request

    def claim_output(self, line: int, *, high: bool) -> None:
        """See `Chip`. GPIO_V2_LINE_FLAG_OUTPUT with its value in the same ioctl(2)."""
        self._unwatch(line)
        value = Value.ACTIVE if high else Value.INACTIVE
        self._claim(line, gpiod.LineSettings(direction=Direction.OUTPUT, output_value=value))

    def claim_input(self, line: int, pull: str, *, edges: bool) -> None:
        """See `Chip`."""
        self._unwatch(line)
        bias = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}[pull]
        detection = EdgeDetection.BOTH if edges else EdgeDetection.NONE
        settings = gpiod.LineSettings(direction=Direction.INPUT, bias=bias, edge_detection=detection)
        request = self._claim(line, settings)
        if edges:
            self._watched = {**self._watched, request.fd: line}
            self.nudge()

    def read(self, line: int) -> bool:
        """See `Chip`."""
        return self._requests[line].get_value(line) is Value.ACTIVE

    def peek(self, line: int) -> bool | None:
        """See `Chip`. The kernel tells root alone, in debugfs: " gpio-529 (GPIO17 |gardien ) out hi"."""
        with contextlib.suppress(OSError):
            said = DEBUGFS.read_text(encoding="ascii", errors="replace")
            return _level_of(said, self._chip.get_info().name, line)
        return None

    def write(self, line: int, *, high: bool) -> None:
        """See `Chip`."""
        self._requests[line].set_value(line, Value.ACTIVE if high else Value.INACTIVE)

    def free(self, line: int) -> None:
        """See `Chip`."""
        self._unwatch(line)
        request = self._requests.pop(line, None)
        if request is not None:
            request.release()

    def _unwatch(self, line: int) -> None:
        self._watched = {fd: other for fd, other in self._watched.items() if other != line}

    def wait(self, timeout_s: float) -> list[Edge]:
        """See `Chip`. The kernel stamps edges with CLOCK_MONOTONIC."""
        watched = self._watched
        poll = select.poll()
        for fd in (self._bell, *watched):
            poll.register(fd, select.POLLIN)
        edges: list[Edge] = []
        for fd, _ in poll.poll(timeout_s * 1000):
            if fd == self._bell:
                os.eventfd_read(self._bell)
                continue
            line = watched[fd]
            try:
                events = self._requests[line].read_edge_events()
            except (KeyError, gpiod.RequestReleasedError):  # the line was freed while we waited
                continue
            rising = gpiod.EdgeEvent.Type.RISING_EDGE
            edges += [Edge(line, e.event_type is rising, boottime_of_monotonic(e.timestamp_ns)) for e in events]
        return edges

    def nudge(self) -> None:
        """See `Chip`."""
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """See `Chip`."""
        if self._bell >= 0:
            for line in list(self._requests):
                self.free(line)
            self._chip.close()
            os.close(self._bell)
            self._bell = -1


def _level_of(said: str, name: str, line: int) -> bool | None:
    """Find one line in what debugfs says of all chips."""
    chip = re.search(rf"^{name}: GPIOs (\d+)-.*?(?=^gpiochip|\Z)", said, re.MULTILINE | re.DOTALL)
    row = chip and re.search(rf"^ gpio-{int(chip[1]) + line} .*\) (?:in|out) +(hi|lo)", chip[0], re.MULTILINE)
    return row[1] == "hi" if row else None


def _open_gpiod(wanted: str) -> gpiod.Chip:
    """Return the chip with that label or device path; else say which there are."""
    there = []
    for path in sorted(map(str, Path("/dev").glob("gpiochip*"))):
        if not gpiod.is_gpiochip_device(path):
            continue
        try:
            chip = gpiod.Chip(path)
        except OSError as error:
            there.append(f"{path} (not readable: {error.strerror})")
            continue
        label = chip.get_info().label
        if wanted in {label, path}:
            return chip
        chip.close()
        there.append(f"{label!r} ({path})")
    raise DriverError(f"no GPIO chip {wanted!r}; this machine has: {', '.join(there) or 'none'}")


class LineFactory(PiFactory):  # type: ignore[misc]  # gpiozero ships no types
    """Makes gpiozero pins for one chip: `OutputDevice(17, pin_factory=LineFactory(chip))`. A context manager.

    Raises DriverError if there is no such chip. Whoever made it closes it: gpiozero is never asked to choose one.
    """

    def __init__(self, chip: str) -> None:
        super().__init__()
        self.pin_class = LinePin
        self.chip = open_chip(chip)
        self.callback_errors = 0
        self._notifier: threading.Thread | None = None
        self._closing = threading.Event()
        self._info: Any

    @property
    def deaf(self) -> bool:
        """Say whether edges are watched but the notifier thread is dead: only polling sees changes then."""
        return self._notifier is not None and not self._notifier.is_alive()

    def ticks(self) -> float:
        """Return CLOCK_BOOTTIME seconds."""
        return boottime_s()

    def ticks_diff(self, later: float, earlier: float) -> float:
        """Return seconds."""
        return later - earlier

    def listen(self) -> None:
        """Start the notifier, once."""
        if self._notifier is None:
            self._notifier = threading.Thread(target=self._notify, name="gpio-notifier", daemon=True)
            self._notifier.start()

    def close(self) -> None:
        """Stop the notifier and free every line."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._notifier is not None:
            self.chip.nudge()
            self._notifier.join(2.0)
        super().close()
        self.chip.close()

    def _notify(self) -> None:
        by_line: dict[int, LinePin] = {}
        while not self._closing.is_set():
            try:
                edges = self.chip.wait(1.0)
            except OSError:  # the chip is lost, or a line was closed under us: those who poll say which
                self._closing.wait(0.1)
                continue
            for edge in edges:
                pin = by_line.get(edge.line) or self.pin(edge.line)
                by_line[edge.line] = pin
                try:
                    pin.fire(edge)
                except Exception:  # noqa: BLE001  (a callback's bug must not deafen the other lines nor this one)
                    self.callback_errors += 1
                    _log.exception("a callback of line %d failed", edge.line)

    def _get_board_info(self) -> Any:
        if self._info is None:
            self._info = _board_info(self.chip.lines)
        return self._info


class LinePin(PiPin):  # type: ignore[misc]  # gpiozero ships no types
    """One line. Not claimed until its function is set; then in one request, level or pull included."""

    def __init__(self, factory: LineFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._chip = factory.chip
        self._when_changed: Any
        self._function = ""
        self._pull = "floating"
        self._watching = False

    def fire(self, edge: Edge) -> None:
        """Call `when_changed` for an edge. On the notifier thread."""
        if self._when_changed is not None:
            self._call_when_changed(edge.mono_s, edge.high)

    def close(self) -> None:
        """Free the line."""
        self._when_changed = None
        self._watching = False
        if self._function:
            self._function = ""
            self._chip.free(self._number)

    def output_with_state(self, state: bool) -> None:  # noqa: FBT001  (gpiozero's signature)
        """Claim as an output already at `state`."""
        self._claim(lambda: self._chip.claim_output(self._number, high=bool(state)))
        self._function = "output"

    def input_with_pull(self, pull: str) -> None:
        """Claim as an input already pulled."""
        if pull not in {"up", "down", "floating"}:
            raise gpiozero.PinInvalidPull(f"invalid pull {pull!r} for {self!r}")
        self._claim(lambda: self._chip.claim_input(self._number, pull, edges=self._watching))
        self._function, self._pull = "input", pull

    def _claim(self, request: Any) -> None:
        try:
            request()
        except OSError as error:
            raise DriverError(f"{self!r} cannot be claimed: {error}") from error

    def _get_info(self) -> Any:
        return self._info

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        if value == "output":
            raise gpiozero.PinInvalidFunction(
                "an output is claimed together with its level: initial_value=None is unsafe"
            )
        if value != "input":
            raise gpiozero.PinInvalidFunction(f"invalid function {value!r} for {self!r}")
        if self._function != "input":
            self.input_with_pull("floating")

    def _get_state(self) -> bool:
        return self._chip.read(self._number)

    def _set_state(self, value: bool) -> None:  # noqa: FBT001  (gpiozero's signature)
        if self._function != "output":
            raise gpiozero.PinSetInput(f"cannot set the state of {self!r}, an input")
        self._chip.write(self._number, high=bool(value))

    def _get_pull(self) -> str:
        return self._pull

    def _set_pull(self, value: str) -> None:
        if self._function != "input":
            raise gpiozero.PinFixedPull(f"cannot set the pull of {self!r}, an output")
        self.input_with_pull(value)

    def _get_bounce(self) -> None:
        return None

    def _set_bounce(self, value: float | None) -> None:
        if value is not None:
            raise gpiozero.PinInvalidBounce("bounce is judged by drivers.inputs, on time-stamped edges")

    def _get_edges(self) -> str:
        return "both"

    def _set_edges(self, value: str) -> None:
        if value != "both":
            raise gpiozero.PinEdgeDetectUnsupported("only both edges are watched")

    def _enable_event_detect(self) -> None:
        self._watching = True
        self.input_with_pull(self._pull)
        self._factory.listen()

    def _disable_event_detect(self) -> None:
        self._watching = False
        if self._function == "input":
            self.input_with_pull(self._pull)


def _board_info(lines: int) -> Any:
    """Describe a chip as gpiozero wants it: one column of GPIO lines, no Pi revision asked for."""
    pins = {
        line: PinInfo(
            number=line,
            name=f"GPIO{line}",
            names=frozenset({line, str(line), f"GPIO{line}", f"BCM{line}"}),
            pull="",
            row=line + 1,
            col=1,
            interfaces=frozenset({"gpio"}),
        )
        for line in range(lines)
    }
    about = dict.fromkeys(BoardInfo._fields, "")
    headers = {"GPIO": HeaderInfo(name="GPIO", rows=lines, columns=1, pins=pins)}
    return BoardInfo(**{**about, "model": CONSUMER, "headers": headers})
