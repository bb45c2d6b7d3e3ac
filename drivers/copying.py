"""The role of a copy-control connector: whether the copier may copy, and what it clicked. Pure.

Office copiers have a socket for a coin box or a card terminal: while its *enable* contact is closed the machine copies,
and for every side that leaves it gives a pulse. Makers wire it each in their own way (some with lines for colour, for
A3 and for sheets, some without), and none of it is a published standard: what is wired is in the site file.

The one idea: a pulse is counted at its end, by the levels that stood at its beginning. So a pulse that is under way
when one process ends and the next begins is counted once, and a colour line that falls with the pulse is not missed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from drivers.contract import InputChanged, InputId

PULSE, COLOUR, LARGE, SHEET = InputId("pulse"), InputId("colour"), InputId("large"), InputId("sheet")
STUCK_S = 5.0  # no pulse is that long: the line is broken, short-circuited or wired the other way round
LEVELS = 64  # changes of a level that are remembered


@dataclass(frozen=True, slots=True)
class Clicks:
    """What a copier clicked since it was last asked."""

    mono: int  # sides
    colour: int
    large_mono: int = 0  # of the sides, on A3
    large_colour: int = 0
    clicks_mono: int = 0  # of the machine: more than the sides where A3 clicks twice
    clicks_colour: int = 0
    sheets: int | None = None  # None: no line tells


class CopyControl(Protocol):
    """A copier's copy-control connector."""

    @property
    def fault(self) -> str:
        """Return what is wrong with it in one sentence, "" when nothing is."""

    async def permit(self, for_s: float) -> None:
        """Let the copier copy for `for_s` from now on; a later call prolongs. Raises DriverError if it cannot.

        Should this process hang or die, copying ends within two seconds, whatever was permitted.
        """

    async def rest(self) -> None:
        """Let it copy no more. Harmless at rest."""

    def quiet_s(self) -> float:
        """Return for how long no pulse has come."""

    def heard_s(self) -> float:
        """Return since when (`mono_s`) no click can have been missed; infinity while some may be."""

    def take(self) -> Clicks | None:
        """Return the sides clicked since the last call, each given once; None if there are none."""


class PulseCount:
    """Turns settled changes of the connector's lines into clicks and sides. No clock of its own.

    `per_click`: pulses for one click of the machine. `a3_clicks`: clicks for one A3 side, which only a LARGE line can
    tell: without one, a machine that clicks twice for A3 is counted as two sides. What does not make a whole side yet
    waits for the pulse that does.
    """

    def __init__(self, *, per_click: int = 1, a3_clicks: int = 1, tells_sheets: bool = False) -> None:
        self._per_click, self._a3_clicks = per_click, a3_clicks
        self._pulses: dict[tuple[bool, bool], int] = {}  # (colour, large) -> pulses not given away yet
        self._sheets: int | None = 0 if tells_sheets else None
        self._levels: dict[InputId, deque[tuple[float, bool]]] = {}
        self._since: dict[InputId, float] = {}  # when a pulse that has not ended began
        self.last_s = float("-inf")  # `mono_s` of the last end of a pulse

    def see(self, change: InputChanged) -> None:
        """Take one settled change, or the level found at a start."""
        at_s = change.at.mono_s
        if change.input in {COLOUR, LARGE}:
            self._levels.setdefault(change.input, deque(maxlen=LEVELS)).append((at_s, change.active))
        elif change.active:
            self._since.setdefault(change.input, at_s)
        elif change.input in self._since:
            self._ended(change.input, self._since.pop(change.input))
            self.last_s = at_s

    def stuck(self, now_s: float) -> bool:
        """Tell whether a pulse lasts longer than any pulse does."""
        return any(now_s - since_s > STUCK_S for since_s in self._since.values())

    def _ended(self, line: InputId, began_s: float) -> None:
        if line == PULSE:
            kind = (self._level(COLOUR, began_s), self._level(LARGE, began_s))
            self._pulses[kind] = self._pulses.get(kind, 0) + 1
        elif self._sheets is not None:
            self._sheets += 1

    def _level(self, line: InputId, at_s: float) -> bool:
        stood = [active for since_s, active in self._levels.get(line, ()) if since_s <= at_s]
        return bool(stood) and stood[-1]

    def take(self) -> Clicks | None:
        """Give away the whole sides counted so far; None if there are none."""
        mono, mono_clicks = self._whole(colour=False, large=False)
        colour, colour_clicks = self._whole(colour=True, large=False)
        big_mono, big_mono_clicks = self._whole(colour=False, large=True)
        big_colour, big_colour_clicks = self._whole(colour=True, large=True)
        sides = mono + colour + big_mono + big_colour
        if not sides:
            return None
        sheets = None if self._sheets is None else min(self._sheets, sides)
        self._sheets = None if self._sheets is None or sheets is None else self._sheets - sheets
        return Clicks(
            mono=mono + big_mono,
            colour=colour + big_colour,
            large_mono=big_mono,
            large_colour=big_colour,
            clicks_mono=mono_clicks + big_mono_clicks,
            clicks_colour=colour_clicks + big_colour_clicks,
            sheets=sheets,
        )

    def _whole(self, *, colour: bool, large: bool) -> tuple[int, int]:
        """Take the whole sides of one kind; return them and their clicks."""
        clicks = self._a3_clicks if large else 1
        sides, rest = divmod(self._pulses.get((colour, large), 0), self._per_click * clicks)
        self._pulses[colour, large] = rest
        return sides, sides * clicks
