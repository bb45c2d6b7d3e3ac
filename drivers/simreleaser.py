"""The simulated intake queue: jobs of the simulated building that wait for a badge.

Its documents are no bytes: a look through one tells what the verb that printed it said, at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.contract import DriverError
from drivers.holding import HeldJob, Leaves

if TYPE_CHECKING:
    from drivers.sim import SimBuilding
    from drivers.verbs import PrintVerb


class SimReleaser:
    """`holding.Releaser` over the simulated queue."""

    def __init__(self, building: SimBuilding, queues: tuple[str, ...]) -> None:
        self._building, self._queues = building, queues
        self.waiting: dict[int, tuple[HeldJob, PrintVerb]] = {}

    def hold(self, job: int, created_s: int, verb: PrintVerb) -> str:
        """Take one job in; return its queue."""
        queue = self._queues[0]
        held = HeldJob(
            *(queue, job, created_s, verb.user, "192.0.2.7", verb.copies, verb.two_sided),
            one_sided=not verb.two_sided,
            monochrome=not verb.colour,
            account=verb.account,
        )
        self.waiting[job] = (held, verb)
        return queue

    async def held(self) -> tuple[HeldJob, ...]:
        """Return the jobs that wait."""
        return tuple(held for _, (held, _) in sorted(self.waiting.items()))

    async def keep_stopped(self) -> tuple[str, ...]:
        """Return nothing: nobody can start a simulated queue."""
        return ()

    async def leaf(self, job: HeldJob) -> tuple[Leaves, ...]:
        """Tell what the verb said."""
        if job.job not in self.waiting:
            raise DriverError(f"job {job.job} does not wait any more")
        verb = self.waiting[job.job][1]
        pages = range(1, verb.pages + 1) if verb.colour else ()
        return (Leaves(verb.pages, frozenset(pages)),)

    async def release(self, job: HeldJob, queue: str) -> None:
        """Let a job print."""
        if job.job not in self.waiting:
            raise DriverError(f"job {job.job} does not wait any more")
        _, verb = self.waiting.pop(job.job)
        self._building.let_out(job.job, queue, verb)

    async def discard(self, job: HeldJob) -> None:
        """Cancel a job."""
        if self.waiting.pop(job.job, None) is not None:
            self._building.cancel(job.job)
