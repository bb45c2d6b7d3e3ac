"""The simulated building's lock: the latch's own pulse arithmetic, on the loop's clock and without a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from drivers.contract import Clock, LatchState, LockChanged, Moment

QUEUE = 1000


class SimLock:
    """`contract.Lock` without a process: the same pulse arithmetic on the loop's clock."""

    def __init__(self, clock: Clock, cap_s: float = 10.0) -> None:
        self._clock, self.cap_s = clock, cap_s
        self._news: asyncio.Queue[LockChanged] = asyncio.Queue(QUEUE)
        self._since_s = self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def released(self) -> bool:
        """Tell whether the line is active."""
        return self._timer is not None

    async def release(self, hold_s: float) -> Moment:
        """Start a full pulse, bounded by the cap since the line first became active."""
        now = self._clock.now()
        if self._timer is None:
            self._since_s = self._until_s = now.mono_s
            self._tell(now, LatchState.RELEASED, "released")
        else:
            self._timer.cancel()
        capped_s = self._since_s + self.cap_s
        self._until_s = min(max(self._until_s, now.mono_s + hold_s), capped_s)
        why = "cap" if self._until_s >= capped_s else "pulse-end"
        self._timer = asyncio.get_running_loop().call_later(self._until_s - now.mono_s, self._rest, why)
        return now

    async def relock(self) -> None:
        """End the pulse now."""
        if self._timer is not None:
            self._timer.cancel()
            self._rest("relock")

    async def changes(self) -> AsyncIterator[LockChanged]:
        """Yield every change of the line."""
        while True:
            yield await self._news.get()

    def _rest(self, why: str) -> None:
        self._timer = None
        self._tell(self._clock.now(), LatchState.RESTING, why)

    def _tell(self, at: Moment, state: LatchState, why: str) -> None:
        self._news.put_nowait(LockChanged(at, state, why))
