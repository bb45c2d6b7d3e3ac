"""The emulated copier's copy-control connector, on the lines of an emulated board (`drivers.peers.board`).

The one idea: the copier's side of the wires and nothing else. While the enable line is active it copies; each click is
a pulse that pulls its line to ground, with the colour and A3 lines held from before it until after it, and a pulse on
the sheet line for each sheet. What bounces and spikes is asked for, as on a real wire.

    --connector BOARD:ENABLE:PULSE[:COLOUR[:LARGE[:SHEET]]]      line numbers; a dash: not wired
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.peers.wires import Wires

PULSE_S = 0.06  # active, and then as long at rest
LOOK_S = 0.01  # how soon it notices that the enable line changed
BEFORE_S = 0.001  # how long the colour and A3 lines stand before a pulse


class Connector:
    """The copier's end. `bounces`: how often each edge of a pulse bounces."""

    def __init__(self, wiring: str) -> None:
        board, *lines = wiring.split(":")
        self._wires = Wires(Path(board))
        numbers = [None if line == "-" else int(line) for line in lines]
        self._enable, self._pulse, self._colour, self._large, self._sheet = (*numbers, None, None, None)[:5]
        self.bounces = 0
        self.clicks = 0  # ever: what a totaliser in the machine would show

    @property
    def enabled(self) -> bool:
        """Tell whether it may copy."""
        return self._enable is not None and self._wires.level(self._enable)

    async def side(self, *, clicks: int, colour: bool, large: bool, sheet: bool) -> None:
        """Tell of one side that came out."""
        self._put(self._colour, active=colour)
        self._put(self._large, active=large)
        await asyncio.sleep(BEFORE_S)
        for click in range(clicks):
            self._pulse_on(self._pulse)
            if sheet and not click:
                self._pulse_on(self._sheet)
            await asyncio.sleep(PULSE_S)
            self.clicks += 1
            self._put(self._pulse, active=False)
            self._put(self._sheet, active=False)
            await asyncio.sleep(PULSE_S)
        self._put(self._colour, active=False)
        self._put(self._large, active=False)

    def verbs(self) -> dict[str, Callable[..., Any]]:
        """Return what its copier's panel can ask of it."""
        return {"spike": self.spike, "bounce": lambda count: setattr(self, "bounces", int(count))}

    def spike(self) -> None:
        """Disturb the pulse line as a motor that starts does: at once over, no click."""
        self._put(self._pulse, active=True)
        self._put(self._pulse, active=False)

    def _pulse_on(self, line: int | None) -> None:
        """Begin a pulse; its bounces follow one another without a pause, however busy the machine is."""
        for _ in range(self.bounces):
            self._put(line, active=True)
            self._put(line, active=False)
        self._put(line, active=True)

    def _put(self, line: int | None, *, active: bool) -> None:
        if line is not None:
            self._wires.drive(line, high=False if active else None)  # an open collector: to ground, or let go

    def close(self) -> None:
        """Let go of every line."""
        for line in (self._pulse, self._colour, self._large, self._sheet):
            self._put(line, active=False)
        self._wires.close()
