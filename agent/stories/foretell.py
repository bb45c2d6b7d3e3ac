"""The story of queues that print at once: what is on its way to paper is looked through while it is still there.

The one idea: *a witness that nobody waits for*. CUPS keeps a job's documents until it has ended, so whatever a queue
without a badge is printing can be read meanwhile, and what is counted becomes a fact: where the machine tells nothing
of the job, its row rests on the document and not on CUPS's claim. The print path is not touched. A look that fails is
tried again, once: CUPS may be busy. A job that was quicker than both, or whose documents CUPS does not hand out, prints
and is booked as it was before; that CUPS or the ledger is lost, others say.

One at a time, oldest first. The clerk of the device holds a row back for as long as its document is being looked
through (`Desk.looking`), and only where the device itself does not say.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.rules.forecast import forecast
from agent.rules.release import JobForeseen
from agent.stories.desk import Desk
from drivers.contract import Clock, DriverError
from drivers.holding import HeldJob, Releaser

log = logging.getLogger(__name__)

POLL_S = 60.0  # between looks when no desk rings
AGAIN_S = 2.0  # after a look that failed
WRITE_S = 10.0  # how long a fact may take to be on the disk, before the next document


class Foreteller:
    """Looks through what the queues that print at once are printing. One per site, on one event loop."""

    def __init__(self, printing: Releaser, desks: Iterable[Desk], ledger: Ledger, clock: Clock) -> None:
        self._printing, self._desks, self._ledger, self._clock = printing, tuple(desks), ledger, clock
        self._looked: set[tuple[int, int]] = set()  # jobs that are listed and need no other look
        self._under_way: set[tuple[int, int]] = set()
        self._bell = asyncio.Event()
        for desk in self._desks:
            desk.news, desk.looking = self._bell.set, self.looking

    def looking(self, job: int, created_s: int) -> bool:
        """Tell whether that job's documents are being looked through, or are next."""
        return (job, created_s) in self._under_way

    async def mind(self) -> None:
        """Look through what comes, until cancelled."""
        while True:
            self._bell.clear()
            if not await self._listed():
                await asyncio.sleep(AGAIN_S)
                await self._listed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._bell.wait()

    async def _listed(self) -> bool:
        """Look through what is listed; return False if nobody could say what is."""
        try:
            jobs = await self._printing.held()
        except DriverError as error:
            log.debug("the jobs that print could not be listed: %s", error)
            return False
        await self._look(jobs)
        return True

    async def _look(self, jobs: tuple[HeldJob, ...]) -> None:
        self._looked &= {job.name for job in jobs}
        new = [job for job in jobs if job.name not in self._looked]
        self._looked |= {job.name for job in new}
        self._under_way = {job.name for job in new}
        try:
            failed = [job for job in new if not await self._done(job)]
            if failed:
                await asyncio.sleep(AGAIN_S)
            for job in failed:
                await self._done(job, last=True)
        finally:
            self._under_way.clear()

    async def _done(self, job: HeldJob, *, last: bool = False) -> bool:
        """Look through one job; return False if it is worth trying again. Until then it is under way."""
        done = await self._look_through(job)
        if done or last:
            self._under_way.discard(job.name)
            self._ring()
        return done

    async def _look_through(self, job: HeldJob) -> bool:
        """Write down what a job's documents hold; return False if they could not be read now."""
        try:
            told = forecast(job, await self._printing.leaf(job))
        except DriverError as error:  # it has ended, or CUPS is busy
            log.debug("the documents of a job that prints could not be read: %s", error)
            return False
        if told.sides is None:
            return True
        fact = JobForeseen(job.job, job.created_s, told.sides, told.colour, sum(job.banners), told.backs)
        try:
            written = self._ledger.append(fact, self._clock.now(), f"{job.job}/{job.created_s}")
            async with asyncio.timeout(WRITE_S):
                await asyncio.shield(written)
        except (LedgerError, TimeoutError) as error:
            log.debug("a job that prints was not foretold: %s", error)
        return True

    def _ring(self) -> None:
        for desk in self._desks:
            desk.ring()
