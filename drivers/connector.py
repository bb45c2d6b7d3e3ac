"""A copier's copy-control connector over a relay line and a few inputs.

The one idea: the enable line is a lock like the door's. It belongs to a latch process of its own (`drivers.latch`), is
active for a lease that must be renewed, and rests when the latch's parent dies (at once), hangs (within two seconds)
or forgets it (when the lease runs out), and when the latch itself is killed (its keeper drives the line inactive).
Counting fails apart: while the inputs cannot be read nothing is counted, and that is said; the lines are tried again.

Pulses are counted in memory until they are taken, so those that come while this process is down are lost to it: the
copier cannot start anything then, but it finishes what it has begun. Since when none can have been missed is told
(`heard_s`). A counter of the machine's own, or the panel's relevé, closes the gap before it; nothing here can.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from drivers.contract import Clock, DriverError, Inputs, Lock
from drivers.copying import Clicks, PulseCount

RETRY_S = 5.0
FAULT_S = 30.0  # a fault that has not come again for so long (a latch may take 10 s to say it cannot start) is over
CAP_S = 3600.0  # the latch's own limit of one uninterrupted permission; a longer visit is permitted again at once
_log = logging.getLogger(__name__)


class PulsedControl:
    """`copying.CopyControl` over a `Lock` whose released line enables copying, and the `Inputs` that tell pulses.

    An async context manager; one event loop. Whoever made the lock closes it.
    """

    def __init__(self, clock: Clock, lock: Lock, inputs: Inputs, count: PulseCount) -> None:
        self._clock, self._lock, self._inputs, self._count = clock, lock, inputs, count
        self._faults: dict[str, tuple[str, float]] = {}  # by what failed: the sentence, and when it was last so
        self._heard_s = math.inf  # since when the inputs are read without a break
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._mind("enable", self._follow_lock), name="connector-enable"),
            asyncio.create_task(self._mind("pulses", self._follow_inputs), name="connector-pulses"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(DriverError):
            await self.rest()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def fault(self) -> str:
        """See `CopyControl`."""
        if self._count.stuck(self._clock.now().mono_s):
            return "a pulse does not end: the line is broken, or active_high is the wrong way round"
        now_s = self._clock.now().mono_s
        return next((said for said, at_s in self._faults.values() if now_s - at_s < FAULT_S), "")

    async def permit(self, for_s: float) -> None:
        """See `CopyControl`."""
        await self._lock.release(for_s)

    async def rest(self) -> None:
        """See `CopyControl`."""
        await self._lock.relock()

    def quiet_s(self) -> float:
        """See `CopyControl`."""
        return self._clock.now().mono_s - self._count.last_s

    def heard_s(self) -> float:
        """See `CopyControl`. Inputs that are only polled may miss a pulse, and a line that hangs does."""
        now_s = self._clock.now().mono_s
        if self._inputs.deaf or self._count.stuck(now_s):
            self._heard_s = max(self._heard_s, now_s)
            return math.inf
        return self._heard_s

    def take(self) -> Clicks | None:
        """See `CopyControl`."""
        return self._count.take()

    async def _mind(self, name: str, follow: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await follow()
            except DriverError as error:
                if not self.fault:
                    _log.warning("the copy-control connector: %s", error)
                self._faults[name] = (str(error), self._clock.now().mono_s)
            await asyncio.sleep(RETRY_S)

    async def _follow_lock(self) -> None:
        """Keep the latch alive: asked for its changes, it starts another one where none is."""
        async for _ in self._lock.changes():
            pass

    async def _follow_inputs(self) -> None:
        try:
            async for change in self._inputs.changes():
                at_s = change.at.mono_s
                lost = self._inputs.deaf or self._count.stuck(at_s)
                self._heard_s = at_s if lost else min(self._heard_s, at_s)
                self._count.see(change)
        finally:
            self._heard_s = math.inf
