"""A GPIO chip as this house needs one: lines that are claimed, read, written and watched. No gpiozero here.

The one idea: a chip is chosen by its **label** ("pinctrl-bcm2711", "pinctrl-rp1"; numbers change between kernels) and
a line is claimed in **one** request that already carries direction and level, so an active-low relay never blips at
start. A wrong label is a DriverError that says which labels exist. The latch drives its one line through this and loads
nothing more; inputs and lamps are gpiozero devices over the same chips (`drivers.pins`).

"board:PATH" instead of a label drives the emulated board of `drivers.peers.board`.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import gpiod
from gpiod.line import Bias, Direction, Value
from gpiod.line import Edge as EdgeDetection

from drivers.clock import boottime_of_monotonic
from drivers.contract import DriverError

BOARD = "board:"
CONSUMER = "gardien"
DEBUGFS = Path("/sys/kernel/debug/gpio")


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
        """See `Chip`. Of an owned line the kernel tells root alone, in debugfs: " gpio-529 (GPIO17 |gardien ) out hi".

        Of a line nobody owns it tells nothing there: that one is asked for as it is (no direction flag of the uAPI, so
        that it goes on as it was), read and given back. Who claims it in that instant is told EBUSY and tries again.
        """
        with contextlib.suppress(OSError):
            if self._chip.get_line_info(line).used:
                said = DEBUGFS.read_text(encoding="ascii", errors="replace")
                return _level_of(said, self._chip.get_info().name, line)
            as_it_is = gpiod.LineSettings(direction=Direction.AS_IS)
            with self._chip.request_lines({line: as_it_is}, consumer=CONSUMER) as request:
                return request.get_value(line) is Value.ACTIVE
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
