"""The week in force is written down when it is first seen, once, and by a restart no second time. Tier: sim."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.hours import WeeklyHours
from agent.rules.weeks import WeekStood
from agent.stories.weeks import note_weeks
from drivers.contract import Trust
from drivers.virtual import VirtualClock, VirtualLoop

START = datetime(2026, 11, 2, 7, tzinfo=UTC)
NINE = WeeklyHours.parse({"monday": ("09:00-18:00",)})
TEN = WeeklyHours.parse({"monday": ("10:00-16:00",)})
NINE_TOLD = ("09:00-18:00", "", "", "", "", "", "")
TEN_TOLD = ("10:00-16:00", "", "", "", "", "", "")


def test_each_week_is_noted_when_it_comes_into_force(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        loop = VirtualLoop(lambda: ledger.pending > 0)
        clock = VirtualClock(loop, START, Trust.UNKNOWN)

        def noted() -> list[tuple[timedelta, tuple[str, ...]]]:
            return [(entry.at.utc - START, entry.fact.windows) for entry in ledger.entries(WeekStood)]  # type: ignore[attr-defined]

        with asyncio.Runner(loop_factory=lambda: loop) as runner, RosterStore.open(tmp_path, ledger, clock) as roster:

            async def live(seconds: float, of_file: WeeklyHours) -> None:
                story = asyncio.ensure_future(note_weeks(ledger, roster, clock, of_file))
                await asyncio.sleep(seconds)
                story.cancel()
                await asyncio.gather(story, return_exceptions=True)

            runner.run(live(100, NINE))
            assert noted() == []  # a clock nobody believes
            clock.trust = Trust.SYNCHRONISED
            runner.run(live(300, NINE))
            assert noted() == [(timedelta(seconds=100), NINE_TOLD)]
            roster.calendar.set_hours(TEN, actor="a1")
            runner.run(live(300, NINE))
            roster.calendar.set_hours(None, actor="a1")
            runner.run(live(300, NINE))
            runner.run(live(300, TEN))  # another site file
        assert noted() == [
            (timedelta(seconds=100), NINE_TOLD),
            (timedelta(seconds=400), TEN_TOLD),
            (timedelta(seconds=700), NINE_TOLD),
            (timedelta(seconds=1000), TEN_TOLD),
        ]


def test_a_roster_that_cannot_be_read_is_waited_for(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        loop = VirtualLoop(lambda: ledger.pending > 0)
        clock = VirtualClock(loop, START)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            with RosterStore.open(tmp_path, ledger, clock) as roster:
                pass

            async def live() -> None:
                async with asyncio.timeout(200):
                    await note_weeks(ledger, roster, clock, NINE)

            with pytest.raises(TimeoutError):
                runner.run(live())
        assert ledger.last(WeekStood) is None
