"""Digital inputs: door contact, exit button, copier pulses.

The one idea: two witnesses. Edges come stamped from the chip through gpiozero and are only queued by its thread; the
levels are also polled, so that a deaf notifier, a lost edge or a full queue costs a quarter of a second and never the
event. A contact bounces: a level counts once it has held for `bounce_s`, and is dated to the edge that began it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import NamedTuple, Self

from gpiozero import DigitalInputDevice, GPIOZeroError

from drivers.clock import earlier
from drivers.contract import Clock, DriverError, InputChanged, InputId
from drivers.pins import LineFactory

POLL_S = 0.2  # a change no edge told us of is seen within this
EDGES = 256  # bound of the queue between the notifier's thread and the loop, per input
_log = logging.getLogger(__name__)


class InputLine(NamedTuple):
    """How one input is wired. `pull` "" means: towards inactive."""

    line: int
    active_high: bool = True
    bounce_s: float = 0.02
    pull: str = ""  # "up" | "down" | "floating": for a contact that switches to ground but is active when open


class Debouncer:
    """Turns stamped edges of one input into settled changes. No clock of its own; times in seconds, ascending.

    A level is believed when it has held for `bounce_s`: a bouncing press is one change, a shorter spike none.
    """

    def __init__(self, bounce_s: float) -> None:
        self._bounce_s = bounce_s
        self.active: bool | None = None  # None until the first level has settled
        self.candidate: bool | None = None  # the last level seen
        self._since_s = 0.0

    def start(self, *, active: bool) -> None:
        """Take the level found at the start as settled."""
        self.active = self.candidate = active

    def see(self, at_s: float, *, active: bool) -> tuple[bool, float] | None:
        """Take one edge or one polled level; return (level, since) if the level before it had settled by then."""
        settled = self.settle(at_s)
        if active is not self.candidate:
            self.candidate, self._since_s = active, at_s
        return settled

    def settle(self, now_s: float) -> tuple[bool, float] | None:
        """Return (level, since) if a new level has held long enough."""
        if self.candidate is None or self.candidate is self.active or now_s - self._since_s < self._bounce_s:
            return None
        self.active = self.candidate
        return self.candidate, self._since_s

    @property
    def due_s(self) -> float | None:
        """When `settle` may have something to say; None if nothing is pending."""
        return None if self.candidate is self.active else self._since_s + self._bounce_s


class GpioInputs:
    """`contract.Inputs` over gpiozero's DigitalInputDevice. The lines are claimed while `changes()` runs; one reader.

    `inputs` says how each input is wired: an `InputLine`, or its first three fields.
    """

    def __init__(self, clock: Clock, chip: str, inputs: Mapping[InputId, InputLine | tuple[int, bool, float]]) -> None:
        self._clock = clock
        self._chip = chip
        self._wiring = {name: InputLine(*wiring) for name, wiring in inputs.items()}
        self.deaf = False  # the notifier's thread has died: changes are seen by polling only
        self.edges_missed = 0  # changes that polling found before any edge did, and edges lost to a full queue

    async def changes(self) -> AsyncIterator[InputChanged]:
        """See `contract.Inputs`."""
        stirred = asyncio.Event()
        with LineFactory(self._chip) as pins, contextlib.ExitStack() as claimed:
            watches = {
                name: claimed.enter_context(_Watch(pins, wiring, _from_thread(stirred)))
                for name, wiring in self._wiring.items()
            }
            for name, watch in watches.items():
                yield InputChanged(self._clock.now(), name, watch.start(pins.ticks()))
            while True:
                await _pause(stirred, watches.values(), pins)
                for name, watch in watches.items():
                    for active, since_s in watch.look(pins.ticks()):
                        yield InputChanged(earlier(self._clock.now(), since_s), name, active)
                self._notice(pins, watches.values())

    def _notice(self, pins: LineFactory, watches: Iterable[_Watch]) -> None:
        self.edges_missed = sum(watch.missed for watch in watches)
        if pins.deaf and not self.deaf:
            _log.error("the GPIO notifier has died; inputs are polled every %.1f s", POLL_S)
        self.deaf = pins.deaf


def _from_thread(event: asyncio.Event) -> Callable[[], None]:
    """Return a function any thread may call to set `event` on this loop."""
    loop = asyncio.get_running_loop()

    def stir() -> None:
        with contextlib.suppress(RuntimeError):  # the loop ended while the notifier had an edge in hand
            loop.call_soon_threadsafe(event.set)

    return stir


async def _pause(stirred: asyncio.Event, watches: Iterable[_Watch], pins: LineFactory) -> None:
    """Wait for an edge, for the next level to settle, or for the next poll."""
    due = [watch.bounce.due_s for watch in watches if watch.bounce.due_s is not None]
    wait_s = min([POLL_S, *(max(0.0, due_s - pins.ticks()) for due_s in due)])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await stirred.wait()
    stirred.clear()


class _Watch:
    """One input: its device, the queue its edges cross the threads in, and its debouncer."""

    def __init__(self, pins: LineFactory, wiring: InputLine, stir: Callable[[], None]) -> None:
        self.bounce = Debouncer(wiring.bounce_s)
        self.missed = 0
        self._edges: deque[tuple[float, bool]] = deque()
        self._by_poll = False  # no edge told of the level that is settling
        self._stir = stir
        self._pins = pins
        self._wiring = wiring

    def __enter__(self) -> Self:
        wiring = self._wiring
        if not 0 <= wiring.line < self._pins.chip.lines:
            raise DriverError(f"the chip has no line {wiring.line}: it has {self._pins.chip.lines}")
        try:
            self._device = DigitalInputDevice(
                wiring.line, pull_up=None, active_state=wiring.active_high, pin_factory=self._pins
            )
        except GPIOZeroError as error:
            raise DriverError(f"line {wiring.line} cannot be an input: {error}") from error
        self._device.pin.pull = wiring.pull or ("down" if wiring.active_high else "up")
        self._device.when_activated = self._activated
        self._device.when_deactivated = self._deactivated
        return self

    def __exit__(self, *exc: object) -> None:
        self._device.close()

    def start(self, now_s: float) -> bool:
        """Take the present level as settled and return it; what the queue holds led up to it."""
        active = self._level()
        self._edges.clear()
        self.bounce.start(active=active)
        self.bounce.see(now_s, active=active)
        return active

    def look(self, now_s: float) -> list[tuple[bool, float]]:
        """Judge the queued edges, then the level itself. On the loop."""
        settled = []
        while self._edges:
            at_s, active = self._edges.popleft()
            self._by_poll = False
            settled.append(self.bounce.see(at_s, active=active))
        level = self._level()
        if not self._edges and level is not self.bounce.candidate:
            self._by_poll = True
            settled.append(self.bounce.see(now_s, active=level))
        last = self.bounce.settle(now_s)
        self.missed += last is not None and self._by_poll
        settled.append(last)
        return [change for change in settled if change is not None]

    def _level(self) -> bool:
        try:
            return bool(self._device.value)
        except OSError as error:
            raise DriverError(f"an input cannot be read: {error}") from error

    def _activated(self) -> None:
        self._queue(self._device.active_time, active=True)

    def _deactivated(self) -> None:
        self._queue(self._device.inactive_time, active=False)

    def _queue(self, age_s: float | None, *, active: bool) -> None:
        """Take an edge on the notifier's thread: queue it and nothing else."""
        if len(self._edges) >= EDGES:
            self.missed += 1  # a storm: the polled level decides
            return
        self._edges.append((self._pins.ticks() - (age_s or 0.0), active))
        self._stir()
