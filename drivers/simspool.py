"""The simulated print spooler: a window into the simulated building's queue.

It keeps every job, loses none, and has no page log or settings: what goes wrong with a spooler is tried on a
real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.contract import SpoolJob
from drivers.spooling import PageLogLook, SpoolAttempt, SpoolSettings

if TYPE_CHECKING:
    from drivers.sim import SimBuilding


class SimSpooler:
    """`contract.Spooler` over the simulated queue."""

    def __init__(self, building: SimBuilding) -> None:
        self._building = building

    async def bell(self, timeout_s: float) -> bool:
        """Wait until a job ended or a device changed."""
        return await self._building.wait_bell(timeout_s)

    async def jobs(self, first_job: int) -> tuple[SpoolJob, ...]:
        """Return the jobs from `first_job` on."""
        return tuple(job for number, job in sorted(self._building.spooled().items()) if number >= first_job)

    async def attempts(self) -> tuple[SpoolAttempt, ...]:
        """Return which job of the device each job became."""
        return tuple(self._building.notes)

    async def listed(self, first_job: int) -> tuple[tuple[int, int], ...]:
        """Return every job from `first_job` on."""
        return tuple((job.job, job.created_s) for job in await self.jobs(first_job))

    async def page_log(self) -> PageLogLook:
        """Return nothing."""
        return PageLogLook()

    async def settings(self) -> SpoolSettings | None:
        """Return None: there is nothing to set."""
        return None
