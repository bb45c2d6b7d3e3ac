"""Tells of jobs that nothing came out of, on one device's desk: in the journal, and to whoever sent them.

The one idea: *once*. The ledger's key is the job; what was told since the start is remembered, so that a look costs
nothing. Judged by `rules.unprinted`.
"""

from __future__ import annotations

import asyncio

from agent.memory.ledger import Ledger
from agent.rules.unprinted import JobUnprinted, unprinted
from agent.stories.desk import Desk
from agent.stories.owners import Owners
from drivers.contract import DeviceId, Moment, SpoolJob


class Failures:
    """One device's."""

    def __init__(self, device: DeviceId, desk: Desk, owners: Owners, ledger: Ledger) -> None:
        self._device, self._desk, self._owners, self._ledger = device, desk, owners, ledger
        self._told: set[tuple[int, int]] = set()
        self._seen: tuple[SpoolJob, ...] = ()  # what lay on the desk at the last look

    async def look(self, at: Moment) -> None:
        """Tell what is new on the desk. Raises LedgerError."""
        if self._desk.spooled is self._seen:
            return
        self._seen = self._desk.spooled
        for job in self._seen:
            name = (job.job, job.created_s)
            why = None if name in self._told else unprinted(job, self._desk.notebook.noted(job), at.utc.timestamp())
            if why is None:
                continue
            whose = self._owners.now().of_spooled(job)
            fact = JobUnprinted(self._device, job.job, job.created_s, whose.alias, whose.member, why.value)
            await asyncio.shield(self._ledger.append(fact, at, f"{job.job}/{job.created_s}"))
            self._told.add(name)
