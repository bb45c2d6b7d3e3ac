"""The stories of paper in virtual time, over the simulated building, with the real ledger and roster."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.live import LiveDevice
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact, FormulaId
from agent.rules.pages import PagesCounted
from agent.rules.paper import BooksOpened, CopiesCounted, CopyVisitEnded, CopyVisitStarted, PrintsUnmatched
from agent.stories.copier import STALE_BADGE_S, Clerk, PaperPolicy
from agent.stories.desk import BADGES, Desk, mind_copier_reader
from agent.stories.printing import mind_paper
from agent.stories.spool import OVERLAP, REACH, SpoolCursor, mind_spooler
from drivers.contract import BadgeRead, CardNumber, DeviceId, DriverError, JobState, Moment, ReaderId, SpoolJob, Trust
from drivers.sim import SimBuilding
from drivers.verbs import BadgeVerb, CopyVerb, PrintVerb
from drivers.virtual import VirtualClock, VirtualLoop

DEVICE, READER = DeviceId("copieur"), ReaderId("copieur")
POLICY = PaperPolicy(UTC, poll_s=300.0)
CARD = "04A2000001"


@dataclass
class Space:
    building: SimBuilding
    clock: VirtualClock
    ledger: Ledger
    people: RosterStore
    desk: Desk = field(default_factory=Desk)
    shown: list[LiveDevice] = field(default_factory=list)

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    @contextlib.asynccontextmanager
    async def minded(self) -> AsyncIterator[None]:
        printer = self.building.printer(DEVICE)
        stories = [
            mind_paper(DEVICE, printer, self.desk, self.ledger, self.people, self.clock, self.shown.append, POLICY),
            mind_spooler(self.building.spooler(), {DEVICE: self.desk}, self.ledger, self.clock, lambda _: None, 300.0),
            mind_copier_reader(self.building.reader(READER), self.desk),
        ]
        tasks = [asyncio.create_task(story) for story in stories]
        try:
            await asyncio.sleep(1)
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


def virtually(folder: Path, story: Callable[[Space], Awaitable[None]]) -> None:
    pending: list[Callable[[], int]] = []

    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, 9, tzinfo=UTC))
        with Ledger.open(folder / "ledger.db") as ledger, RosterStore.open(folder, ledger, clock) as people:
            pending.append(lambda: ledger.pending)
            member = people.add_member("Alice", FormulaId("subscriber"), since=date(2026, 1, 1), actor="cli")
            people.give_alias(member, "alice", actor="cli")
            people.give_card(member, CardNumber(CARD), actor="cli")
            await story(Space(SimBuilding(clock), clock, ledger, people))

    def busy() -> bool:
        return bool(pending) and pending[0]() > 0

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(busy)) as runner:
        runner.run(main())


def test_a_month_of_paper_is_booked_once_and_balances(tmp_path):
    async def story(space: Space) -> None:
        for _ in range(35):
            async with space.minded():  # a restart every day
                space.building.obey(PrintVerb("alice", 5, colour=False, two_sided=True, copies=3))
                space.building.obey(PrintVerb("guest", 2, colour=True, two_sided=False, copies=1))
                await asyncio.sleep(600)
                space.building.obey(CopyVerb(3, colour=False))
                await asyncio.sleep(600)
                space.building.obey(BadgeVerb(READER, CARD))
                await asyncio.sleep(10)
                space.building.obey(CopyVerb(4, colour=False))
                await asyncio.sleep(86400 - 1210)
        rows = space.facts(PagesCounted)
        assert len(rows) == 70
        assert sum(row.sides_mono for row in rows if row.member) == 35 * 15
        assert sum(row.sheets for row in rows if row.member) == 35 * 9
        assert sum(row.sides_colour for row in rows if not row.member) == 35 * 2
        copies = space.facts(CopiesCounted)
        assert sum(copy.mono for copy in copies if copy.member) == 35 * 4
        assert sum(copy.mono for copy in copies if not copy.member) == 35 * 3
        assert space.facts(PrintsUnmatched) == []
        assert {fact.why for fact in space.facts(CopyVisitEnded)} == {"idle"}
        assert len(space.facts(CopyVisitStarted)) == len(space.facts(CopyVisitEnded)) == 35
        assert [fact.why for fact in space.facts(BooksOpened)] == ["first", "carried"]

    virtually(tmp_path, story)


def test_the_picture_shows_the_visitor_the_counter_and_a_refused_card(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            assert (space.shown[-1].state, space.shown[-1].counter) == ("idle", 1550)
            space.building.obey(BadgeVerb(READER, "FFFFFFFF"))
            await asyncio.sleep(1)
            assert space.shown[-1].refused is not None
            assert not space.shown[-1].visitor
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(1)
            assert space.shown[-1].visitor
            await asyncio.sleep(95)
            assert not space.shown[-1].visitor
        assert space.shown[-1].state == "unknown"

    virtually(tmp_path, story)


def test_a_copier_that_does_not_rest_is_split_where_its_counter_stands(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            space.building.obey(CopyVerb(2, colour=False))
            space.building.obey(PrintVerb("alice", 200, colour=False, two_sided=False, copies=1))
            await asyncio.sleep(1)
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(POLICY.settle_s + 2)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("", 2)]
            assert len(space.facts(CopyVisitStarted)) == 1

    virtually(tmp_path, story)


def test_a_badge_that_waited_too_long_opens_no_visit(tmp_path):
    async def story(space: Space) -> None:
        space.desk.badge(BadgeRead(space.clock.now(), READER, CardNumber(CARD)))
        await asyncio.sleep(STALE_BADGE_S + 1)
        async with space.minded():
            assert space.facts(CopyVisitStarted) == []
            assert space.desk.next_badge() is None

    virtually(tmp_path, story)


def test_badges_that_nobody_takes_are_an_error_and_not_a_silence(tmp_path):
    async def story(space: Space) -> None:
        read = BadgeRead(space.clock.now(), READER, CardNumber(CARD))
        for _ in range(BADGES):
            space.desk.badge(read)
        with pytest.raises(DriverError, match="nobody takes them"):
            space.desk.badge(read)

    virtually(tmp_path, story)


def test_a_write_that_has_begun_is_seen_through_by_a_cancelled_story(tmp_path):
    async def story(space: Space) -> None:
        clerk = Clerk(
            DEVICE, space.building.printer(DEVICE), space.desk, space.ledger, space.people, space.clock, POLICY
        )
        look = asyncio.create_task(clerk.look())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
        assert len(space.facts(BooksOpened)) == 1

    virtually(tmp_path, story)


# --- the cursor --------------------------------------------------------------------------------------------


def spooled(job: int, state: JobState = JobState.COMPLETED, created_s: int = 1000) -> SpoolJob:
    at = Moment(datetime(2026, 11, 2, 9, tzinfo=UTC), 1.0, "boot", Trust.SYNCHRONISED)
    return SpoolJob(at, "copieur", job, created_s, "alice", state, "", 1, 1, "ipp://x")


def test_of_a_copier_that_is_off_the_past_is_not_read(tmp_path):
    class Off:
        async def read(self):
            raise DriverError("no answer")

    async def story(space: Space) -> None:
        with Ledger.open(tmp_path / "closed.db") as closed:
            pass  # whoever reads it now is told so
        shown = space.shown.append
        with pytest.raises(DriverError, match="no answer"):
            await mind_paper(DEVICE, Off(), space.desk, closed, space.people, space.clock, shown, POLICY)
        assert [live.state for live in space.shown] == ["unknown"]
        printer = space.building.printer(DEVICE)
        with pytest.raises(LedgerError, match="cannot be read"):
            await mind_paper(DEVICE, printer, space.desk, closed, space.people, space.clock, shown, POLICY)

    virtually(tmp_path, story)


def test_the_cursor_stays_behind_what_has_not_ended_and_within_reach():
    cursor = SpoolCursor()
    cursor.advance(())
    assert cursor.first == 1
    jobs = tuple(map(spooled, range(1, 201)))
    cursor.advance(jobs)
    assert cursor.first == 200 - OVERLAP
    cursor.advance((spooled(20, JobState.HELD), *jobs[20:]))
    assert cursor.first == 20
    cursor.advance((spooled(20, JobState.HELD), spooled(1000)))
    assert cursor.first == 1000 - REACH


def test_a_list_without_its_newest_job_started_over():
    cursor = SpoolCursor()
    assert not cursor.broken(())
    newest = spooled(7)
    cursor.advance((newest,))
    assert not cursor.broken((newest, spooled(8)))
    assert not cursor.broken((replace(newest, state=JobState.CANCELED),))
    assert cursor.broken(())
    assert cursor.broken((spooled(7, created_s=2000),))


def test_copies_right_after_a_badge_are_the_members_though_a_print_still_runs(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            space.building.obey(PrintVerb("alice", 60, colour=False, two_sided=False, copies=1))  # 30 s of paper
            await asyncio.sleep(2)
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(0.5)
            space.building.obey(CopyVerb(12, colour=False))
            await asyncio.sleep(60)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("m001", 12)]
            assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [60]
            assert space.facts(PrintsUnmatched) == []

    virtually(tmp_path, story)


def test_a_badge_during_a_print_ends_the_visit_before_at_once(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(1)
            space.building.obey(CopyVerb(2, colour=True))
            space.building.obey(PrintVerb("alice", 60, colour=False, two_sided=False, copies=1))
            await asyncio.sleep(2)
            out = space.clock.now().mono_s
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(10)
            (ended,) = space.ledger.entries(CopyVisitEnded)
            assert (ended.fact.why, space.building.printer(DEVICE)._copier.busy) == ("badge-out", True)
            assert ended.at.mono_s - out <= 10
            assert [(fact.member, fact.mono, fact.colour) for fact in space.facts(CopiesCounted)] == [("m001", 0, 2)]

    virtually(tmp_path, story)


# --- a device that only has a total: what the records do not explain was copied --------------------------------


def total_only(space: Space) -> None:
    space.building.printer(DEVICE)._copier.tells = "total"


def test_copies_by_a_total_go_to_whoever_is_badged_in_and_prints_to_theirs(tmp_path):
    async def story(space: Space) -> None:
        total_only(space)
        async with space.minded():
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(2)
            space.building.obey(PrintVerb("alice", 5, colour=False, two_sided=False, copies=1))
            space.building.obey(CopyVerb(12, colour=False))
            await asyncio.sleep(60)
            assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [5]
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("m001", 12)]
            assert space.facts(PrintsUnmatched) == []
            assert space.shown[-1].counter == 1550 + 17

    virtually(tmp_path, story)


def test_copies_by_a_total_with_nobody_badged_are_nobodys(tmp_path):
    async def story(space: Space) -> None:
        total_only(space)
        async with space.minded():
            space.building.obey(CopyVerb(7, colour=False))
            await asyncio.sleep(400)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("", 7)]

    virtually(tmp_path, story)


def test_a_badge_reads_the_total_between_two_visits(tmp_path):
    async def story(space: Space) -> None:
        total_only(space)
        bob = space.people.add_member("Bob", FormulaId("subscriber"), since=date(2026, 1, 1), actor="cli")
        space.people.give_card(bob, CardNumber("04A2000002"), actor="cli")
        async with space.minded():
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(3)
            space.building.obey(CopyVerb(4, colour=False))
            await asyncio.sleep(0.5)
            space.building.obey(BadgeVerb(READER, "04A2000002"))
            await asyncio.sleep(3)
            space.building.obey(CopyVerb(9, colour=False))
            await asyncio.sleep(200)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("m001", 4), (bob, 9)]
            assert [fact.why for fact in space.facts(CopyVisitEnded)] == ["next-badge", "idle"]

    virtually(tmp_path, story)


def test_copies_by_a_total_right_after_a_badge_while_a_print_runs_are_the_members(tmp_path):
    async def story(space: Space) -> None:
        total_only(space)
        async with space.minded():
            space.building.obey(PrintVerb("alice", 60, colour=False, two_sided=False, copies=1))
            await asyncio.sleep(2)
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(0.5)
            space.building.obey(CopyVerb(12, colour=False))
            await asyncio.sleep(60)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("m001", 12)]
            assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [60]

    virtually(tmp_path, story)


def test_what_two_visits_copied_during_one_print_is_nobodys(tmp_path):
    async def story(space: Space) -> None:
        total_only(space)
        async with space.minded():
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(3)
            space.building.obey(PrintVerb("alice", 60, colour=False, two_sided=False, copies=1))
            await asyncio.sleep(1)
            space.building.obey(CopyVerb(6, colour=False))
            await asyncio.sleep(1)
            space.building.obey(BadgeVerb(READER, CARD))  # out, in the middle of the print
            await asyncio.sleep(60)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("", 6)]
            assert [fact.sides_mono for fact in space.facts(PagesCounted)] == [60]

    virtually(tmp_path, story)


def test_a_badge_while_the_meters_are_silent_makes_no_false_statement(tmp_path):
    async def story(space: Space) -> None:
        bob = space.people.add_member("Bob", FormulaId("subscriber"), since=date(2026, 1, 1), actor="cli")
        space.people.give_card(bob, CardNumber("04A2000002"), actor="cli")
        copier = space.building.printer(DEVICE)._copier
        async with space.minded():
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(3)
            copier.tells = "nothing"
            space.building.obey(CopyVerb(10, colour=False))
            await asyncio.sleep(2)
            space.building.obey(BadgeVerb(READER, "04A2000002"))
            await asyncio.sleep(10)
            copier.tells = "split"
            await asyncio.sleep(10)
            space.building.obey(CopyVerb(3, colour=False))
            await asyncio.sleep(200)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("", 10), (bob, 3)]

    virtually(tmp_path, story)


def test_the_picture_says_since_when_a_reason_stands_and_that_a_job_is_stuck(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            space.building.obey(PrintVerb("alice", 3000, colour=False, two_sided=False, copies=1))  # no side for 1500 s
            await asyncio.sleep(1)
            space.building.printer(DEVICE)._copier.paper = False
            await asyncio.sleep(300)
            assert space.shown[-1].stuck == 0
            since = space.shown[-1].ages["media-empty-error"]
            await asyncio.sleep(900)
            assert space.shown[-1].ages["media-empty-error"] == since
            assert space.shown[-1].stuck == 1

    virtually(tmp_path, story)
