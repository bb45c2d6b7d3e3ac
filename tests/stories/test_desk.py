"""A record of the device that is quicker than the spooler's story: whose it is depends on the spooler's job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from agent.rules.identity import Level
from agent.rules.pages import AttemptOwned
from agent.stories.copier import Clerk, PaperPolicy
from drivers.contract import DriverError, JobState, SpoolJob
from tests.stories.week import Week
from tests.stories.week_machine import DEVICE, MEMBERS, People, Work


class Late(Week):
    """A site that bills from a password on; its spooler's story has not looked, and the spooler may be silent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 1)
        policy = PaperPolicy(UTC, bills_from=Level.AUTHENTICATED)
        self.clerk = Clerk(DEVICE, self.machine, self.desk, self.ledger, People(), self.clock, policy)
        self.desk.ask = self._asked
        self.silent, self.asked = 0, 0

    async def _asked(self) -> tuple[SpoolJob, ...]:
        self.asked += 1
        if self.silent:
            self.silent -= 1
            raise DriverError("CUPS is restarted")
        return tuple(self.spooled)

    async def prints(self, *, listed: bool = True) -> None:
        """Have alice print three sides under her password, and the clerk look before the spooler's story does."""
        await self.look()
        paper = self.machine.prints(Work("alice", 3), self.spool_name(), JobState.COMPLETED)
        self.job("alice", 3, JobState.COMPLETED, paper)
        proven = replace(self.spooled.pop(), authenticated=True)
        self.spooled += [proven] if listed else []
        self.asked = 0

    async def glance(self) -> list[tuple[str, int, Level]]:
        """Look once, a second later; return what is booked by then."""
        self.clock.now_s += 1
        await self.clerk.look()
        rows = [entry.fact for entry in self.ledger.entries(AttemptOwned)]
        return [(row.member, row.low, row.level) for row in rows if isinstance(row, AttemptOwned)]


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Late]:
    week = Late(tmp_path)
    yield week
    week.close()


HERS = [(MEMBERS["alice"], 3, Level.AUTHENTICATED)]
NOBODYS = [("", 3, Level.NOBODY)]


def test_the_spooler_is_asked_for_a_job_that_only_its_note_tells_of(late):
    async def story() -> None:
        await late.prints()
        assert await late.glance() == HERS
        assert late.asked == 1

    asyncio.run(story())


def test_a_spooler_that_is_silent_for_a_moment_is_waited_for(late):
    async def story() -> None:
        await late.prints()
        late.silent = 1
        assert await late.glance() == []
        assert await late.glance() == HERS

    asyncio.run(story())


def test_a_spooler_that_stays_silent_is_not_waited_for(late):
    async def story() -> None:
        await late.prints()
        late.silent = 100
        assert [await late.glance() for _ in range(3)] == [[], [], NOBODYS]

    asyncio.run(story())


def test_a_job_that_the_spooler_has_forgotten_proves_nothing_and_is_not_waited_for(late):
    async def story() -> None:
        await late.prints(listed=False)
        assert await late.glance() == NOBODYS

    asyncio.run(story())
