"""What prints at once is looked through meanwhile; what cannot be read is tried once more. Simulated queues."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.release import JobForeseen, JobForetold
from agent.stories.desk import Desk
from agent.stories.foretell import Foreteller
from drivers.contract import DriverError
from drivers.holding import HeldJob, Leaves
from drivers.sim import SimBuilding
from drivers.simreleaser import SimReleaser
from drivers.verbs import PrintVerb
from drivers.virtual import VirtualClock, VirtualLoop


class Slow(SimReleaser):
    """Documents that take ten seconds to be read, and CUPS not being there for some time."""

    def __init__(self, building: SimBuilding, clock: VirtualClock) -> None:
        super().__init__(building, ("bureau",))
        self._clock = clock
        self.gone: dict[str, int] = {}  # user -> how often the documents cannot be had
        self.down = 0  # how often nobody says what is listed
        self.looks: list[tuple[int, float]] = []  # job, and when
        self.asked: list[float] = []

    async def held(self) -> tuple[HeldJob, ...]:
        self.asked.append(self._clock.now().mono_s)
        if self.down:
            self.down -= 1
            raise DriverError("CUPS is restarted")
        return await super().held()

    async def leaf(self, job: HeldJob) -> tuple[Leaves, ...]:
        self.looks.append((job.job, self._clock.now().mono_s))
        if self.gone.get(job.user, 0):
            self.gone[job.user] -= 1
            raise DriverError("gone")
        await asyncio.sleep(10)
        return await super().leaf(job)


def virtually(folder: Path, story: Callable[[Slow, Desk, Foreteller], Awaitable[None]]) -> list[JobForetold]:
    """Play a story beside a foreteller that minds two jobs, of "quick" and "alice"; return what was foretold."""
    with Ledger.open(folder / "ledger.db") as ledger:

        async def main() -> None:
            clock = VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, 9, tzinfo=UTC))
            printing, desk = Slow(SimBuilding(clock), clock), Desk()
            printing.hold(4, 90, PrintVerb("quick", 1))
            printing.hold(5, 100, PrintVerb("alice", 5, copies=2))
            teller = Foreteller(printing, [desk], ledger, clock)
            minding = asyncio.create_task(teller.mind())
            await story(printing, desk, teller)
            minding.cancel()
            await asyncio.gather(minding, return_exceptions=True)

        with asyncio.Runner(loop_factory=lambda: VirtualLoop(lambda: ledger.pending > 0)) as runner:
            runner.run(main())
        found = (entry.fact for entry in ledger.entries(JobForetold))
        return [fact for fact in found if isinstance(fact, JobForetold)]


def test_each_job_is_looked_through_once_and_the_clerk_waits_no_longer_than_that(tmp_path: Path) -> None:
    async def story(printing: Slow, desk: Desk, teller: Foreteller) -> None:
        await asyncio.sleep(1)
        assert (teller.looking(4, 90), desk.looking(5, 100), desk.looking(5, 101)) == (True, True, False)
        await asyncio.sleep(10)
        assert (teller.looking(4, 90), desk.looking(5, 100)) == (False, True)
        await asyncio.sleep(10)
        assert not desk.looking(5, 100)
        desk.news()  # the same jobs again: nothing is read twice
        printing.hold(6, 110, PrintVerb("bob", 1))
        desk.news()
        await asyncio.sleep(15)
        assert [job for job, _ in printing.looks] == [4, 5, 6]

    assert virtually(tmp_path, story) == [
        JobForeseen(4, 90, 1, 0, 0, 0),
        JobForeseen(5, 100, 10, 0, 0, 0),
        JobForeseen(6, 110, 1, 0, 0, 0),
    ]


def test_documents_that_cannot_be_read_are_tried_once_more_and_the_clerk_waits_for_it(tmp_path: Path) -> None:
    async def story(printing: Slow, desk: Desk, teller: Foreteller) -> None:
        printing.gone = {"quick": 1}
        await asyncio.sleep(11)  # alice's, which took ten seconds, and two before the next try
        assert (desk.looking(4, 90), desk.looking(5, 100)) == (True, False)
        await asyncio.sleep(12)
        assert not teller.looking(4, 90)
        assert printing.looks == [(4, 0), (5, 0), (4, 12)]

    assert [fact.job for fact in virtually(tmp_path, story)] == [5, 4]


def test_documents_that_are_gone_are_not_tried_a_third_time(tmp_path: Path) -> None:
    async def story(printing: Slow, desk: Desk, teller: Foreteller) -> None:
        printing.gone = {"quick": 100}
        await asyncio.sleep(13)
        assert not teller.looking(4, 90)
        desk.news()
        await asyncio.sleep(300)
        assert [job for job, _ in printing.looks] == [4, 5, 4]

    assert [fact.job for fact in virtually(tmp_path, story)] == [5]


def test_a_list_that_cannot_be_had_is_asked_for_once_more_and_then_as_ever(tmp_path: Path) -> None:
    async def story(printing: Slow, desk: Desk, teller: Foreteller) -> None:
        del desk, teller
        printing.down = 3
        await asyncio.sleep(80)
        assert printing.asked[:4] == [0, 2, 62, 64]
        assert printing.looks == [(4, 64), (5, 74)]

    assert [fact.job for fact in virtually(tmp_path, story)] == [4]  # the other is still being read
