"""What a machine's meters said, written down when it comes and when it goes. Tier: sim."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from agent.memory.handcount import quarter_of_device
from agent.rules.contract import Terms
from agent.rules.paper import MetersRead
from agent.rules.stretches import lay
from drivers.contract import JobState
from tests.stories.week import Week
from tests.stories.week_machine import DEVICE, Place, Work

DAY_S = 86_400
DAY = date(2026, 11, 2)


def played(folder: Path, story: Callable[[Week], Awaitable[None]], place: Place | None = None) -> Week:
    week = Week(folder, 1, place)
    asyncio.run(story(week))  # type: ignore[arg-type]
    return week


def told(week: Week) -> list[tuple[str, int, int]]:
    facts = [entry.fact for entry in week.ledger.entries(MetersRead)]
    return [(one.serial, (one.day - DAY).days, dict(one.rows)["total"]) for one in facts if isinstance(one, MetersRead)]


async def printed(week: Week, sides: int) -> None:
    await week.look()
    job = week.machine.prints(Work("alice", sides), week.spool_name(), JobState.COMPLETED)
    week.job("alice", sides, JobState.COMPLETED, job)


def clicks(week: Week, terms: Terms | None = None) -> list[int]:
    """Return the clicks of the fourth quarter of 2026, black and colour."""
    found = quarter_of_device(week.ledger, DEVICE, date(2026, 10, 1), date(2027, 1, 1))
    return [] if found is None else [line.ours for line in lay(found, terms or Terms(), {}).whole]


def test_a_machine_that_is_taken_away_leaves_its_last_counters(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        week.machine.fall("swap")
        await printed(week, 4)
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story)
    assert told(week) == [("S1", 0, 6660), ("S1", 0, 6665), ("S2", 0, 15), ("S2", 1, 19)]
    assert clicks(week) == [9, 0]
    week.close()


def test_with_the_box_down_during_the_swap_the_books_tell_how_far_it_had_come(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        week.machine.copies(7, colour=True)
        await week.look()
        week.machine.copies(100, colour=False)  # the box is off: nobody ever reads these
        week.machine.fall("swap")
        week.clock.now_s += 3 * DAY_S
        week.clerk = week._clerk()
        await printed(week, 4)
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story)
    assert told(week) == [("S1", 0, 6660), ("S1", 0, 6672), ("S2", 3, 15), ("S2", 4, 19)]
    assert clicks(week) == [9, 7]
    week.close()


def test_a_reset_ends_one_count_and_begins_another(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        week.machine.fall("reset")
        await week.look()
        await printed(week, 4)
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story)
    assert told(week) == [("S1", 0, 6660), ("S1", 0, 6665), ("S1", 0, 0), ("S1", 1, 4)]
    assert clicks(week) == [9, 0]
    week.close()


def test_one_that_comes_back_on_the_same_day(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        first = week.machine.counters
        week.machine.fall("swap")
        await printed(week, 4)
        await week.look()
        week.machine.forget()
        week.machine.serial, week.machine.counters = "S1", replace(first, copy_mono=first.copy_mono + 30)
        await printed(week, 2)
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story)
    assert told(week) == [
        *(("S1", 0, 6660), ("S1", 0, 6665), ("S2", 0, 15), ("S2", 0, 19)),
        *(("S1", 0, 6695), ("S1", 1, 6697)),
    ]
    assert clicks(week) == [11, 0]
    week.close()


def test_one_that_does_not_say_its_number_once_is_no_other_machine(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        for serial in ("", "S1", "", "S1"):
            week.machine.serial = serial
            await week.look()
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story)
    assert told(week) == [("S1", 0, 6660), ("S1", 1, 6665)]
    week.close()


def test_a_machine_that_tells_totals_alone_ends_by_totals_alone(tmp_path):
    async def story(week: Week) -> None:
        await printed(week, 5)
        await week.look()
        week.clerk = week._clerk()
        week.machine.fall("swap")
        week.clock.now_s += DAY_S
        await printed(week, 4)
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story, Place("total"))
    facts = [entry.fact for entry in week.ledger.entries(MetersRead)]
    assert [dict(one.rows) for one in facts if isinstance(one, MetersRead)][:2] == [
        {"total": 6660, "total-colour": 960},
        {"total": 6665, "total-colour": 960},
    ]
    assert clicks(week) == [9, 0]
    week.close()


def test_a3_is_what_each_machines_books_had_it_to_be(tmp_path):
    async def story(week: Week) -> None:
        job = Work("alice", 6, large=True)
        await week.look()
        week.job("alice", 6, JobState.COMPLETED, week.machine.prints(job, week.spool_name(), JobState.COMPLETED))
        await week.look()
        week.machine.fall("swap")
        week.place = week.machine.place = Place(clicks=1)  # the new one clicks once
        week.clerk = week._clerk()
        await week.look()
        week.job("alice", 6, JobState.COMPLETED, week.machine.prints(job, week.spool_name(), JobState.COMPLETED))
        await week.look()
        week.clock.now_s += DAY_S
        await week.look()

    week = played(tmp_path, story, Place(clicks=2))
    found = quarter_of_device(week.ledger, DEVICE, date(2026, 10, 1), date(2027, 1, 1))
    assert found is not None
    assert found.a3_clicks == {"S1": 2, "S2": 1}
    assert [line.ours for line in lay(found, Terms(), {}).whole] == [12 + 6, 0]  # and nobody told how many were A3
    week.close()
