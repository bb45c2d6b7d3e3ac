"""The wires of the simulated building's copy-control connector: an enable line, pulses, and the levels beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from drivers.contract import Clock, InputChanged, InputId
from drivers.copying import COLOUR, LARGE, PULSE, SHEET
from drivers.simlock import SimLock

QUEUE = 10_000
PULSE_S = 0.05  # a pulse is active for this long, and then not for as long


class SimConnector:
    """One copier's connector, from the copier's side; plays `contract.Inputs` on ours."""

    deaf = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._levels = dict.fromkeys((COLOUR, LARGE, SHEET, PULSE), False)
        self._news: asyncio.Queue[InputChanged] = asyncio.Queue(QUEUE)
        self.lock = SimLock(clock, cap_s=3600.0)

    async def changes(self) -> AsyncIterator[InputChanged]:
        """Yield the levels at start, then every change; what happened while nobody looked is lost."""
        while not self._news.empty():
            self._news.get_nowait()
        for name, active in self._levels.items():
            yield InputChanged(self._clock.now(), name, active)
        while True:
            yield await self._news.get()

    async def put_out(self, sides: int, *, colour: bool = False, large: bool = False, two_sided: bool = False) -> None:
        """Put out sides, a pulse each (two where it is A3 and this machine clicks twice: press it twice as often)."""
        self._set(COLOUR, active=colour)
        self._set(LARGE, active=large)
        for side in range(sides):
            for line in (PULSE, SHEET) if not two_sided or side % 2 == 0 else (PULSE,):
                self._set(line, active=True)
            await asyncio.sleep(PULSE_S)
            for line in (PULSE, SHEET):
                self._set(line, active=False)
            await asyncio.sleep(PULSE_S)
        self._set(COLOUR, active=False)
        self._set(LARGE, active=False)

    def _set(self, line: InputId, *, active: bool) -> None:
        if self._levels[line] is not active:
            self._levels[line] = active
            self._news.put_nowait(InputChanged(self._clock.now(), line, active))
