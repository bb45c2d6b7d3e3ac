"""Virtual time: an event loop whose clock jumps to the next thing due, and a `Clock` that reads it.

Nothing sleeps. When the loop would wait, time is advanced instead, unless a worker thread is busy (`busy()` says
so): then the loop really waits for it, and virtual time stands still. Thirty days of a calm site take seconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from drivers.contract import Moment, Trust

THREAD_WAIT_S = 0.002


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the real selector without waiting; what it would have waited is added to virtual time."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        super().__init__()
        self.busy = busy
        self.elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, else let virtual time pass."""
        ready = super().select(0)
        if timeout == 0:  # callbacks wait: they come before anything else
            return ready
        while not ready and self.busy():
            ready = super().select(THREAD_WAIT_S)
        ready = ready or super().select(0)  # what the thread told us just before it was no longer busy
        if ready:
            return ready
        if timeout is None:  # nothing is due, ever: only the outside world can wake us
            return super().select(THREAD_WAIT_S)
        self.elapsed_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual seconds. `busy` tells whether a thread of the house still works."""

    def __init__(self, busy: Callable[[], bool] = lambda: False) -> None:
        self._jobs = 0
        self._jumping = _JumpingSelector(lambda: self._jobs > 0 or busy())
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._jumping.elapsed_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run in a thread as usual; virtual time stands still meanwhile."""
        self._jobs += 1
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: object) -> None:
        self._jobs -= 1


class VirtualClock:
    """A `contract.Clock` over a VirtualLoop: starts at `start` (aware, UTC), always synchronised unless told."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime, trust: Trust = Trust.SYNCHRONISED) -> None:
        self._loop, self._start, self.trust = loop, start, trust

    def now(self) -> Moment:
        """Return the virtual instant."""
        elapsed_s = self._loop.time()
        return Moment(self._start + timedelta(seconds=elapsed_s), elapsed_s, "virtual", self.trust)
