"""Keeps a story alive: the world may fail, we may not.

A story that loses its driver (DriverError) or its ledger (LedgerError) is started again after a capped, jittered
back-off. The operator reads one WARNING per loss, the ledger one DriverChanged per change. A story counts as well when
its proof is there, or where it has none, once it ran for longer than its failures took: a device that stays silent
until the driver's patience ends is not back in between. Any other exception is our bug: it passes through, ends the
process, and systemd starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.live import LiveDriver
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.health import DriverChanged, ServiceStarted, absence
from drivers.contract import Clock, DriverError, Moment

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
END_S = 15.0  # how long a story may take to end
SETTLED_S = 2.0  # a story that ran this long has its driver back ...
PATIENCE_S = 30.0  # ... unless failures take longer; one after this long is a new loss


@dataclass(frozen=True, slots=True)
class Ward:
    """One supervised story: which service, which driver, how long the back-off may grow."""

    service: str
    driver: str  # "links.adsl1", "door.lock", "printers.copieur"
    longest_wait_s: float = 30.0


async def supervise(
    ward: Ward,
    story: Callable[[], Awaitable[None]],
    ledger: Ledger,
    clock: Clock,
    show: Callable[[str, LiveDriver], None],
    proof: asyncio.Event | None = None,
) -> None:
    """Run `story` for ever. Never returns; cancelled with its service. `proof` is set whenever the driver answered."""
    working: bool | None = None

    def tell(now_working: bool, why: str) -> None:  # noqa: FBT001  (a local, called by keyword)
        nonlocal working
        at = clock.now()
        if working is now_working:
            return
        if working is not None or not now_working:  # the first good start is no news
            key = f"{ward.service}:{ward.driver}:{at.boot}:{at.mono_s:.6f}"
            with contextlib.suppress(LedgerError):  # a full or lost ledger says so itself
                ledger.append(DriverChanged(ward.service, ward.driver, now_working, why), at, key)
            log.warning("%s: %s", ward.driver, "back" if now_working else why)
        working = now_working
        show(ward.driver, LiveDriver(now_working, why, at.utc))

    wait_s, settled_s, loop = FIRST_WAIT_S, SETTLED_S, asyncio.get_running_loop()
    while True:
        if proof is not None:
            proof.clear()
        task, began_s = asyncio.ensure_future(story()), loop.time()
        settled = asyncio.ensure_future(asyncio.sleep(settled_s) if proof is None else proof.wait())
        try:
            await asyncio.wait({task, settled}, return_when=asyncio.FIRST_COMPLETED)
            if settled.done():
                tell(now_working=True, why="")
                wait_s = FIRST_WAIT_S
            await task
            why = "the driver ended"
        except (DriverError, LedgerError) as error:
            why = str(error)
        finally:
            settled.cancel()
            if not task.done():  # we are cancelled: the story closes what it has open before we go
                task.cancel()
                await asyncio.wait({task}, timeout=END_S)
        lasted_s = loop.time() - began_s
        settled_s = max(settled_s, 1.5 * lasted_s) if lasted_s < PATIENCE_S else settled_s
        log.debug("%s: %s", ward.driver, why)
        tell(now_working=False, why=why)
        await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311  (jitter, not a secret)
        wait_s = min(wait_s * 2, ward.longest_wait_s)


def announce(start: ServiceStarted, picture: Moment | None, ledger: Ledger, at: Moment) -> None:
    """Write down that a service starts, and how long it was away if that was long. Raises LedgerError.

    It is last known to have been there by its own live picture, of this boot; else by the newest fact of anybody's.
    """
    gone: datetime | None = None
    if picture is not None and picture.boot == at.boot:
        gone = at.utc - timedelta(seconds=at.mono_s - picture.mono_s)
    else:
        newest = list(ledger.entries(since=ledger.head().seq - 1))
        gone = newest[-1].at.utc if newest else None
    for fact in (absence(start.service, gone, at.utc), start):
        if fact is not None:
            ledger.append(fact, at, f"{start.service}:{at.boot}:{at.mono_s:.6f}")
