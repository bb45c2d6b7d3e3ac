"""GPIO lines for gpiozero, over the chips of `drivers.chips`.

The one idea: gpiozero's own factories claim first and write after, fall back silently to one another, and lose their
only callback thread to the first exception; this one does none of that: a line is claimed together with its level or
pull, and an exception in a callback is logged and the next edge is served.

Threads: one notifier per factory, started with the first edge watch. Callbacks run on it and may only enqueue.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import gpiozero
from gpiozero.pins import BoardInfo, HeaderInfo, PinInfo
from gpiozero.pins.pi import PiFactory, PiPin

from drivers.chips import CONSUMER, Edge, open_chip
from drivers.clock import boottime_s
from drivers.contract import DriverError

_log = logging.getLogger(__name__)


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
