"""What prints at once is looked through meanwhile; what cannot be read is left alone. Simulated queues."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.release import JobForetold
from agent.stories.desk import Desk
from agent.stories.foretell import Foreteller
from drivers.clock import SystemClock
from drivers.contract import DriverError
from drivers.holding import HeldJob, Leaves
from drivers.sim import SimBuilding
from drivers.simreleaser import SimReleaser
from drivers.verbs import PrintVerb

LIMIT_S = 20.0


class Slow(SimReleaser):
    """Documents that are read when somebody says so; one that is gone."""

    def __init__(self, building: SimBuilding) -> None:
        super().__init__(building, ("bureau",))
        self.readable, self.looks = asyncio.Event(), list[int]()

    async def leaf(self, job: HeldJob) -> tuple[Leaves, ...]:
        self.looks.append(job.job)
        await self.readable.wait()
        if job.user == "quick":
            raise DriverError("gone")
        return await super().leaf(job)


def test_each_job_is_looked_through_once_and_the_clerk_waits_no_longer_than_that(tmp_path: Path) -> None:
    async def story() -> None:
        clock = SystemClock()
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            printing, desk = Slow(SimBuilding(clock)), Desk()
            printing.hold(4, 90, PrintVerb("quick", 1))
            printing.hold(5, 100, PrintVerb("alice", 5, copies=2))
            teller = Foreteller(printing, [desk], ledger, clock)
            minding = asyncio.create_task(teller.mind())
            async with asyncio.timeout(LIMIT_S):
                while not printing.looks:
                    await asyncio.sleep(0)
                assert (desk.looking(4, 90), desk.looking(5, 100), desk.looking(5, 101)) == (True, True, False)
                printing.readable.set()
                while desk.looking(5, 100):
                    await desk.wait(LIMIT_S)
                desk.news()  # the same jobs again: nothing is read twice
                printing.hold(6, 110, PrintVerb("bob", 1))
                desk.news()
                while 6 not in printing.looks or desk.looking(6, 110):
                    await desk.wait(LIMIT_S)
            minding.cancel()
            assert printing.looks == [4, 5, 6]
            assert [entry.fact for entry in ledger.entries(JobForetold)] == [
                JobForetold(5, 100, 10, 0, 0),
                JobForetold(6, 110, 1, 0, 0),
            ]

    asyncio.run(story())
