"""Copies through the copy-control connector, in virtual time: whose they are, and when the copier is free (37, 38)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date

import pytest

import drivers
from agent.rules.balance import KINDS, of_rows
from agent.rules.facts import FormulaId
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesMetered, CopiesUnheard, CopyVisitEnded, PrintsUnmatched
from agent.stories.copier import PaperPolicy
from agent.stories.desk import mind_copier_reader
from agent.stories.printing import mind_paper
from drivers.contract import CardNumber, DeviceReading, DriverError
from drivers.copying import CopyControl
from drivers.verbs import BadgeVerb, CopyVerb, PrintVerb, VerbError
from tests.stories.test_printing import CARD, DEVICE, READER, Space, virtually

BOB = "04A2000002"
POLICY = PaperPolicy(UTC, poll_s=15.0)


async def opened(space: Space, stack: AsyncExitStack, a3_clicks: int = 1) -> CopyControl:
    """Plug the connector in."""
    return await drivers.open_connector(
        "sim",
        lambda: space.building,
        space.clock,
        stack,
        DEVICE,
        "",
        (23, True),
        {},
        pulses_per_click=1,
        a3_clicks=a3_clicks,
    )


@contextlib.asynccontextmanager
async def clerk(space: Space, control: CopyControl, printer: object = None) -> AsyncIterator[asyncio.Task[None]]:
    """Have the books kept, and badges laid down."""
    looked = printer or space.building.printer(DEVICE)
    story = mind_paper(
        DEVICE, looked, space.desk, space.ledger, space.people, space.clock, space.shown.append, POLICY, control
    )
    tasks = [
        asyncio.create_task(story),
        asyncio.create_task(mind_copier_reader(space.building.reader(READER), space.desk)),
    ]
    try:
        await asyncio.sleep(1)
        yield tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def free(space: Space) -> bool:
    return space.building.connector(DEVICE).lock.released


def sides(space: Space) -> dict[str, int]:
    """Sides copied, by "alice", "bob" and "" for nobody."""
    names = {"": ""} | {one.id: one.name.lower() for one in space.people.people()}
    found: Counter[str] = Counter()
    for fact in space.facts(CopiesMetered):
        assert isinstance(fact, CopiesMetered)
        found[names[fact.member]] += fact.mono + fact.colour
    return dict(found)


async def badge(space: Space, card: str = CARD, wait_s: float = 1.0) -> None:
    space.building.obey(BadgeVerb(READER, card))
    await asyncio.sleep(wait_s)


def bob(space: Space) -> None:
    member = space.people.add_member("Bob", FormulaId("subscriber"), since=date(2026, 1, 1), actor="cli")
    space.people.give_card(member, CardNumber(BOB), actor="cli")


def test_the_copier_copies_for_whoever_badged_and_for_nobody_else(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            with pytest.raises(VerbError, match="nobody has badged"):
                space.building.obey(CopyVerb(3))
            await badge(space)
            assert free(space)
            space.building.obey(CopyVerb(4))
            await asyncio.sleep(5)
            space.building.obey(CopyVerb(2, colour=True))
            await asyncio.sleep(5)
            assert space.shown[-1].visitor
            assert space.shown[-1].copied == 6
            await badge(space, wait_s=3)
            assert not free(space)
            assert space.shown[-1].copied is None
            with pytest.raises(VerbError, match="nobody has badged"):
                space.building.obey(CopyVerb(3))
        assert sides(space) == {"alice": 6}
        assert sum(fact.colour for fact in space.facts(CopiesMetered)) == 2
        assert [fact.why for fact in space.facts(CopyVisitEnded)] == ["badge-out"]
        assert not space.shown[-1].control_lost

    virtually(tmp_path, story)


def test_case_37_a_duplex_copy_is_two_sides_on_one_sheet_in_one_row(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await badge(space)
            await space.building.connector(DEVICE).put_out(2, two_sided=True)
            await asyncio.sleep(5)
        rows = space.facts(CopiesMetered)
        assert [(row.mono, row.colour, row.sheets) for row in rows] == [(2, 0, 1)]

    virtually(tmp_path, story)


@pytest.mark.parametrize(("clicks", "pulses"), [(1, 3), (2, 6)])
def test_a3_is_priced_as_a3_whether_it_clicks_once_or_twice(tmp_path, clicks, pulses):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack, clicks)):
            await badge(space)
            await space.building.connector(DEVICE).put_out(pulses, colour=True, large=True)
            await asyncio.sleep(5)
        rows = space.facts(CopiesMetered)
        assert sum(row.colour for row in rows) == sum(row.large_colour for row in rows) == 3
        assert sum(row.clicks_colour for row in rows) == pulses

    virtually(tmp_path, story)


def test_a_long_batch_is_in_the_ledger_before_it_ends(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await badge(space)
            space.building.obey(CopyVerb(200))  # 20 s
            await asyncio.sleep(12)
            assert 50 <= sides(space)["alice"] < 200
            await asyncio.sleep(15)
            assert sides(space) == {"alice": 200}
            assert len(space.facts(CopiesMetered)) <= 6

    virtually(tmp_path, story)


def test_pulses_with_nobody_badged_are_nobodys(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await space.building.connector(DEVICE).put_out(5)
            await asyncio.sleep(20)
            assert sides(space) == {"": 5}

    virtually(tmp_path, story)


def test_whoever_badges_next_gets_nothing_of_the_batch_before(tmp_path):
    async def story(space: Space) -> None:
        bob(space)
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await badge(space)
            space.building.obey(CopyVerb(20))  # 2 s
            await asyncio.sleep(1)
            await badge(space, BOB, wait_s=6)
            assert free(space)
            assert sides(space) == {"alice": 20}
            space.building.obey(CopyVerb(3))
            await asyncio.sleep(5)
            assert sides(space) == {"alice": 20, "bob": 3}
        assert [fact.why for fact in space.facts(CopyVisitEnded)] == ["next-badge"]

    virtually(tmp_path, story)


def test_a_forgotten_visit_ends_by_itself_and_locks_the_copier(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await badge(space)
            for _ in range(4):  # whoever goes on copying is not put out
                space.building.obey(CopyVerb(1))
                await asyncio.sleep(60)
                assert free(space)
            await asyncio.sleep(60)
            assert not free(space)
            assert [fact.why for fact in space.facts(CopyVisitEnded)] == ["idle"]
            assert sides(space) == {"alice": 4}

    virtually(tmp_path, story)


class Sulking:
    """A printer that stops answering."""

    def __init__(self, space: Space) -> None:
        self._printer, self.silent = space.building.printer(DEVICE), False

    async def read(self) -> DeviceReading:
        if self.silent:
            raise DriverError("no answer")
        return await self._printer.read()


def test_a_clerk_that_is_gone_leaves_the_copier_locked_and_loses_no_pulse(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack:
            control, printer = await opened(space, stack), Sulking(space)
            async with clerk(space, control, printer) as task:
                await badge(space)
                printer.silent = True
                await space.building.connector(DEVICE).put_out(2)
                await asyncio.sleep(30)
                assert task.done()
                assert not free(space)  # the permission ran out
            printer.silent = False
            async with clerk(space, control, printer):
                assert free(space)  # the visit is still open
                await asyncio.sleep(5)
                assert sides(space) == {"alice": 2}

    virtually(tmp_path, story)


def test_case_38_pulses_during_an_outage_are_lost_without_a_counter_and_the_copier_is_locked(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await badge(space)
            space.building.obey(CopyVerb(4))
            await asyncio.sleep(5)
        assert not free(space)
        await space.building.connector(DEVICE).put_out(2)  # what the machine had begun
        async with AsyncExitStack() as stack, clerk(space, await opened(space, stack)):
            await asyncio.sleep(5)
            assert free(space)  # the visit goes on
            space.building.obey(CopyVerb(3))
            await asyncio.sleep(5)
        assert sides(space) == {"alice": 7}

    virtually(tmp_path, story)


def test_case_38_where_the_machine_has_counters_they_close_the_books_and_nothing_is_booked_twice(tmp_path):
    async def story(space: Space) -> None:
        far = space.building.connector(DEVICE)
        copier = space.building._copiers[DEVICE]

        async def session() -> AsyncExitStack:
            stack = AsyncExitStack()
            control = await opened(space, stack)
            copier.tells = "split"  # the connector is there beside its counters
            await stack.enter_async_context(clerk(space, control))
            return stack

        async with await session():
            await badge(space)
            space.building.obey(CopyVerb(4))
            await asyncio.sleep(10)
            assert sides(space) == {"alice": 4}
        await far.put_out(2)  # nobody listens; the machine's own counter moves
        copier.counters = type(copier.counters)(1000, 200, 306, 50, 1406)
        async with await session():
            space.building.obey(PrintVerb("alice", 5))
            await asyncio.sleep(30)
        assert sum(sides(space).values()) == 6
        assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [5]
        assert space.facts(PrintsUnmatched) == []

    virtually(tmp_path, story)


@contextlib.asynccontextmanager
async def beside_a_total(space: Space) -> AsyncIterator[None]:
    """Have the books kept of a copier that has a connector, and tells one total."""
    async with AsyncExitStack() as stack:
        control = await opened(space, stack)
        space.building._copiers[DEVICE].tells = "total"
        async with clerk(space, control):
            yield


def moves(space: Space, sides: int) -> None:
    """Have sides come out that nothing of ours tells of."""
    copier = space.building._copiers[DEVICE]
    copier.counters = replace(copier.counters, print_mono=copier.counters.print_mono + sides)


def even(space: Space) -> bool:
    """Add the books up again: what the copier's total says is all booked."""
    facts = ((entry.seq, entry.fact, entry.at.utc.date()) for entry in space.ledger.entries(*KINDS))
    (stand,) = of_rows(facts).between(DEVICE, date.min, date.max)
    return stand.difference == 0 and stand.counter == space.building._copiers[DEVICE].counters.sides


def test_beside_a_total_the_pulses_are_the_copies_and_the_rest_was_printed(tmp_path):
    async def story(space: Space) -> None:
        async with beside_a_total(space):
            await badge(space)
            space.building.obey(CopyVerb(30))  # 3 s of pulses, and the total knows at once
            await asyncio.sleep(10)
            space.building.obey(PrintVerb("alice", 5))
            space.building.obey(CopyVerb(4))  # while it prints
            await asyncio.sleep(30)
            moves(space, 7)  # somebody prints past us
            await asyncio.sleep(30)
        assert sides(space) == {"alice": 34}
        assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [5]
        assert [fact.mono for fact in space.facts(PrintsUnmatched)] == [7]
        assert space.facts(CopiesUnheard) == []
        assert even(space)

    virtually(tmp_path, story)


def test_beside_a_total_what_came_out_while_the_box_was_down_is_between_no_copies_and_all(tmp_path):
    async def story(space: Space) -> None:
        async with beside_a_total(space):
            await badge(space)
            space.building.obey(CopyVerb(4))
            await asyncio.sleep(10)
        moves(space, 6)
        async with beside_a_total(space):
            await asyncio.sleep(20)
            assert free(space)  # the visit goes on, and what was not heard is not hers
            space.building.obey(CopyVerb(3))
            await asyncio.sleep(10)
            moves(space, 2)
            await asyncio.sleep(20)
        assert sides(space) == {"alice": 7, "": 6}
        unheard = [(fact.low, fact.mono, fact.member) for fact in space.facts(CopiesUnheard)]
        assert unheard == [(0, 6, "")]
        assert [fact.mono for fact in space.facts(PrintsUnmatched)] == [2]
        assert even(space)

    virtually(tmp_path, story)


def test_beside_a_total_a_badge_parts_the_pulses_of_two_members(tmp_path):
    async def story(space: Space) -> None:
        bob(space)
        async with beside_a_total(space):
            await badge(space)
            space.building.obey(CopyVerb(20))
            await asyncio.sleep(1)
            await badge(space, BOB, wait_s=6)
            space.building.obey(CopyVerb(3))
            await asyncio.sleep(5)
        assert sides(space) == {"alice": 20, "bob": 3}
        assert even(space)

    virtually(tmp_path, story)


class Mute:
    """A printer whose total is not told for some time."""

    def __init__(self, space: Space) -> None:
        self._printer, self.silent = space.building.printer(DEVICE), False

    async def read(self) -> DeviceReading:
        seen = await self._printer.read()
        return replace(seen, life=None, settled=False, faults=("snmp",)) if self.silent else seen


def test_beside_a_total_that_does_not_answer_pulses_are_kept_until_it_does(tmp_path):
    async def story(space: Space) -> None:
        async with AsyncExitStack() as stack:
            control, printer = await opened(space, stack), Mute(space)
            space.building._copiers[DEVICE].tells = "total"
            async with clerk(space, control, printer):
                await badge(space)
                printer.silent = True
                space.building.obey(CopyVerb(4))
                await asyncio.sleep(30)
                assert sides(space) == {}
                printer.silent = False
                await asyncio.sleep(10)
        assert sides(space) == {"alice": 4}
        assert even(space)

    virtually(tmp_path, story)
