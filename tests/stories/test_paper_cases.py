"""The device's side of the cases a paper meter must get right, over IPP, against an emulated copier's own paper.

Every figure is literal; `physical` counts the lines of `sides.jsonl`, which the copier writes as paper leaves it. What
a spooler does to its own jobs (restarts, lost histories, forged names) is tried in `test_printing_peers` and beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date
from pathlib import Path

import pytest

from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.books import Books
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, spooled_name
from agent.rules.paper import BooksOpened, CopiesMetered, PrintsUnmatched
from agent.stories.copier import Clerk, PaperPolicy
from agent.stories.desk import Desk
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DeviceId, DriverError, JobState, ReaderId, SpoolJob
from drivers.ipp import Attribute, Tag, attribute
from drivers.peers.copier import Copier, physical_sides
from drivers.peers.copier_paper import GARBAGE
from drivers.printer import IppPrinter
from drivers.spooling import SpoolAttempt
from tests.drivers.paper_tools import CREATE_JOB, PRINT_JOB, SEND_DOCUMENT, ask, document, template

pytestmark = pytest.mark.peers

DEVICE = DeviceId("copieur")
QUICK = PaperPolicy(UTC, poll_s=0.2, visit_idle_s=30.0, busy_s=0.02, settle_s=2.0)
A3 = attribute("media", Tag.KEYWORD, "iso_a3_297x420mm")
PDF = attribute("document-format", Tag.MIME_TYPE, "application/pdf")
BUSY, BAD_VALUE = 0x0507, 0x040B


@dataclass
class Room:
    """One copier, its clerk, and two members."""

    folder: Path
    copier: Copier
    ledger: Ledger
    desk: Desk
    clerk: Clerk
    alice: MemberId
    bob: MemberId
    spooled: int = 0

    async def look(self) -> None:
        """Look until nothing is in doubt: what is suspected waits one more settled look."""
        for _ in range(4):
            await self.clerk.look()

    async def sends(self, user: str, body: bytes, *job: Attribute, operation: int = PRINT_JOB) -> int:
        """Print as a spooler would; return the status-code."""
        answer = await asyncio.to_thread(ask, self.copier.uri, operation, PDF, job=job, user=user, body=body)
        return answer.code

    async def prints(self, user: str, pages: int, *more: Attribute, **how: bool | int) -> None:
        """Print to the end, and look."""
        assert await self.sends(user, document(pages), *template(**how), *more) == 0
        await self.copier.settle(10)
        await self.look()

    async def starts(self, user: str, pages: int, at: int) -> None:
        """Print until `at` sides are out."""
        before = self.physical()
        assert await self.sends(user, document(pages), *template()) == 0
        await self.out(before + at)

    async def out(self, sides: int) -> None:
        """Wait until so many sides are out in all."""
        async with asyncio.timeout(10):
            while self.physical() < sides:
                await asyncio.sleep(0.002)

    def attempts(self, state: JobState, *device_jobs: int) -> None:
        """Have the print path tell of alice's one job, sent so many times, to these job-ids of the device."""
        now = SystemClock().now()
        created = self.desk.spooled[-1].created_s if self.desk.spooled else int(now.utc.timestamp()) + 1
        job = SpoolJob(now, "copieur", 1, created, "alice", state, "", 400, 400, self.copier.uri)
        began, notes = now.utc.timestamp() + 1, enumerate(device_jobs)
        runs = (SpoolAttempt(f"1-{run}", "copieur", 1, created, "alice", began + run, at, 0) for run, at in notes)
        self.desk.lay((job,), tuple(runs))

    def spools(self, user: str, claimed: int, state: JobState = JobState.COMPLETED) -> None:
        """Have the spooler say that a job ended with `claimed` sides."""
        now, self.spooled = SystemClock().now(), self.spooled + 1
        created = int(now.utc.timestamp()) + 1
        job = SpoolJob(now, "copieur", self.spooled, created, user, state, "", claimed, claimed, self.copier.uri)
        self.desk.lay((*self.desk.spooled, job))

    async def badge(self, card: str) -> None:
        read = BadgeRead(SystemClock().now(), ReaderId("copieur"), CardNumber(card))
        self.desk.badge(read)
        await self.clerk.badge(read)

    async def copies(self, count: int, *how: str) -> None:
        await self.copier.press("copy", str(count), *how)
        await self.copier.settle(10)
        await self.look()

    def physical(self) -> int:
        return sum(not side.blank for side in physical_sides(self.folder))

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    def rows(self) -> list[tuple[int, int, str, str]]:
        """Return sides, sheets, state and evidence of every attempt."""
        found = self.facts(AttemptCounted)
        return [(one.sides_mono + one.sides_colour, one.sheets, one.state, one.evidence.value) for one in found]

    def unattributed(self) -> int:
        prints = sum(one.mono + one.colour for one in self.facts(PrintsUnmatched))
        return prints + sum(one.mono + one.colour for one in self.facts(CopiesMetered) if not one.member)

    def balanced(self) -> bool:
        """Add the books up again from the ledger alone, in clicks, and compare with the counter."""
        clicks = 0
        for fact in self.facts(BooksOpened, AttemptCounted, CopiesMetered, PrintsUnmatched):
            match fact:
                case BooksOpened():
                    clicks = fact.print_mono + fact.print_colour + fact.copy_mono + fact.copy_colour
                case AttemptCounted():
                    clicks += (fact.sides_mono + fact.sides_colour) * fact.clicks
                case CopiesMetered():
                    clicks += fact.clicks_mono + fact.clicks_colour
                case PrintsUnmatched():
                    clicks += fact.mono + fact.colour
        return clicks == self.copier.machine.counters.sides


@contextlib.asynccontextmanager
async def room(folder: Path, **how: object) -> AsyncIterator[Room]:
    clock, desk = SystemClock(), Desk()
    policy = PaperPolicy(UTC, **{"busy_s": 0.02, "visit_idle_s": 30.0, "settle_s": 2.0} | how)  # type: ignore[arg-type]
    async with Copier(folder / "copier", sides_per_s=400.0) as copier:
        with Ledger.open(folder / "ledger.db") as ledger, RosterStore.open(folder, ledger, clock) as people:
            members = []
            for name, card in (("alice", "04A2000001"), ("bob", "04A2000002")):
                member = people.add_member(name, FormulaId("occasional"), since=date(2020, 1, 1), actor="cli")
                people.give_alias(member, name, actor="cli")
                people.give_card(member, CardNumber(card), actor="cli")
                members.append(member)
            clerk = Clerk(DEVICE, IppPrinter(clock, DEVICE, copier.uri), desk, ledger, people, clock, policy)
            found = Room(folder / "copier", copier, ledger, desk, clerk, *members)
            await clerk.look()
            yield found


def played(folder: Path, story: Callable[[Room], Awaitable[None]], **how: object) -> None:
    async def main() -> None:
        async with room(folder, **how) as here:
            await story(here)
            assert here.balanced()

    asyncio.run(main())


DONE = ("completed", "device")


@pytest.mark.parametrize(
    ("number", "pages", "how", "sides", "sheets"),
    [
        ("1", 5, {"copies": 3, "two_sided": True}, 15, 9),
        ("3", 5, {"two_sided": True}, 5, 3),
        ("4", 1, {"two_sided": True}, 1, 1),
        ("5 after 4-up", 2, {"copies": 2, "two_sided": True}, 4, 2),
        ("6 ranges 2-4", 3, {}, 3, 3),
        ("plain", 5, {}, 5, 5),
        ("copies", 5, {"copies": 3}, 15, 15),
        ("even two-sided", 6, {"copies": 2, "two_sided": True}, 12, 6),
    ],
)
def test_what_came_out_is_what_is_booked(tmp_path, number, pages, how, sides, sheets):
    async def story(here: Room) -> None:
        await here.prints("alice", pages, **how)
        assert here.rows() == [(sides, sheets, *DONE)], number
        assert here.physical() == sides

    played(tmp_path, story)


def test_a_padded_back_is_paper_and_no_side(tmp_path):
    async def story(here: Room) -> None:  # case 1 as CUPS sends it: it pads five pages to six
        assert await here.sends("alice", document(6, blank=frozenset({6})), *template(copies=3, two_sided=True)) == 0
        await here.copier.settle(10)
        await here.look()
        assert here.rows() == [(15, 9, *DONE)]

    played(tmp_path, story)


def test_two_documents_of_one_job_each_begin_a_sheet(tmp_path):
    async def story(here: Room) -> None:
        assert await here.sends("alice", b"", *template(two_sided=True), operation=CREATE_JOB) == 0
        for pages, last in ((5, False), (7, True)):
            more = attribute("job-id", Tag.INTEGER, 1), attribute("last-document", Tag.BOOLEAN, last)
            answer = await asyncio.to_thread(
                ask, here.copier.uri, SEND_DOCUMENT, *more, PDF, user="alice", body=document(pages)
            )
            assert answer.code == 0
        await here.copier.settle(10)
        await here.look()
        assert here.rows() == [(12, 7, *DONE)]

    played(tmp_path, story)


def test_7_what_the_device_refuses_is_nothing_and_is_claimed_in_vain(tmp_path):
    async def story(here: Room) -> None:
        await here.copier.press("a3", "off")
        await here.copier.press("duplex", "off")
        assert await here.sends("alice", document(2), *template(), A3) == BAD_VALUE
        assert await here.sends("alice", document(5), *template(two_sided=True)) == BAD_VALUE
        here.spools("alice", 2, JobState.CANCELED)
        here.spools("alice", 1, JobState.CANCELED)
        await here.look()
        assert here.rows() == []
        assert here.physical() == here.unattributed() == 0

    played(tmp_path, story)


@pytest.mark.parametrize(("verb", "state"), [("cancel", "canceled"), ("fail", "aborted")])
def test_8_and_9_a_job_stopped_in_the_middle_is_what_came_out(tmp_path, verb, state):
    async def story(here: Room) -> None:
        await here.starts("alice", 200, at=9)
        await here.copier.press(verb)
        await here.copier.settle(10)
        await here.look()
        ((sides, sheets, ended, evidence),) = here.rows()
        assert (ended, evidence) == (state, "device")
        assert 9 <= sides == sheets == here.physical() < 200

    played(tmp_path, story)


def test_10_a_jam_in_the_middle_is_one_attempt(tmp_path):
    async def story(here: Room) -> None:
        await here.starts("alice", 20, at=4)
        await here.copier.press("jam")
        await here.look()
        assert here.rows() == []
        await here.copier.press("clear")
        await here.copier.settle(10)
        await here.look()
        assert here.rows() == [(20, 20, *DONE)]

    played(tmp_path, story)


def test_11_a_power_cut_that_lost_the_records_is_settled_by_the_counters(tmp_path):
    async def story(here: Room) -> None:
        await here.copier.press("forgets", "yes")
        await here.starts("alice", 200, at=10)
        await here.copier.press("power", "off")
        with pytest.raises(DriverError):
            await here.clerk.look()
        assert here.rows() == []  # silence is not a zero
        await here.copier.press("power", "on")
        here.spools("alice", 200)  # "completed", says the spooler
        await here.look()
        ((sides, _, _, evidence),) = here.rows()
        assert (sides, evidence) == (here.physical(), "counter")
        assert 10 <= sides < 200
        assert here.unattributed() == 0

    played(tmp_path, story)


def test_11_two_lost_jobs_share_the_movement_and_wait_for_somebody(tmp_path):
    async def story(here: Room) -> None:
        await here.copier.press("forgets", "yes")
        assert await here.sends("alice", document(5), *template()) == 0
        await here.copier.settle(10)
        await here.starts("bob", 200, at=10)
        await here.copier.press("power", "off")
        await here.copier.press("power", "on")
        here.spools("alice", 5)
        here.spools("bob", 200)
        await here.look()
        hers, his = here.facts(AttemptCounted)
        moved = here.physical()
        assert (hers.member, hers.low, hers.high) == (here.alice, 0, 5)
        assert (his.member, his.low, his.high) == (here.bob, moved - 5, moved)
        assert here.unattributed() == 5

    played(tmp_path, story)


def test_11_of_a_job_sent_twice_the_attempt_whose_record_was_lost_is_counted_too(tmp_path):
    async def story(here: Room) -> None:
        await here.starts("alice", 200, at=4)
        await here.copier.press("fail")
        await here.copier.settle(10)
        here.attempts(JobState.PROCESSING, 1)
        await here.look()
        first = here.physical()
        assert [row[0] for row in here.rows()] == [first]
        await here.copier.press("forgets", "yes")
        await here.starts("alice", 200, at=10)
        await here.copier.press("power", "off")
        await here.copier.press("power", "on")
        here.attempts(JobState.COMPLETED, 1, 2)
        await here.look()
        _, second = here.facts(AttemptCounted)
        assert (second.low, second.high, second.evidence) == (here.physical() - first,) * 2 + ("counter",)
        assert (second.member, second.low >= 10, here.unattributed()) == (here.alice, True, 0)

    played(tmp_path, story)


def test_11_a_power_cut_that_kept_the_records_is_the_record(tmp_path):
    async def story(here: Room) -> None:
        await here.starts("alice", 200, at=10)
        await here.copier.press("power", "off")
        await here.copier.press("power", "on")
        here.spools("alice", 200)
        await here.look()
        ((sides, _, state, evidence),) = here.rows()
        assert (sides, state, evidence) == (here.physical(), "aborted", "device")

    played(tmp_path, story)


def test_12_a_busy_device_refuses_and_one_attempt_prints(tmp_path):
    async def story(here: Room) -> None:
        await here.copier.press("busy", "2")
        codes = [await here.sends("alice", document(5), *template()) for _ in range(3)]
        assert codes == [BUSY, BUSY, 0]
        await here.copier.settle(10)
        here.spools("alice", 15)  # the spooler added up what never printed
        await here.look()
        assert here.rows() == [(5, 5, *DONE)]

    played(tmp_path, story)


def test_15_a_reprint_is_a_row_of_its_own(tmp_path):
    async def story(here: Room) -> None:
        for _ in range(3):
            await here.prints("alice", 5)
        assert here.rows() == [(5, 5, *DONE)] * 3

    played(tmp_path, story)


def test_30_to_32_colour_is_what_the_device_says(tmp_path):
    async def story(here: Room) -> None:
        await here.prints("alice", 5, colour=True)
        await here.prints("alice", 5, colour=False)
        assert [(one.sides_mono, one.sides_colour) for one in here.facts(AttemptCounted)] == [(0, 5), (5, 0)]

    played(tmp_path, story)


@pytest.mark.parametrize("clicks", [1, 2])
def test_33_a3_is_one_side_however_often_the_counter_clicks(tmp_path, clicks):
    async def story(here: Room) -> None:
        await here.copier.press("clicks", str(clicks))
        await here.prints("alice", 3, A3)
        await here.badge("04A2000002")
        await here.copies(4, "a3")
        await here.copies(2)
        (row,) = here.facts(AttemptCounted)
        assert (row.sides_mono, row.large, row.clicks) == (3, True, clicks)
        copied = here.facts(CopiesMetered)
        assert [(one.member, one.mono, one.large_mono) for one in copied] == [(here.bob, 4, 4), (here.bob, 2, 0)]
        assert here.copier.machine.counters.sides == {1: 9, 2: 16}[clicks]
        assert here.unattributed() == 0

    played(tmp_path, story, a3_clicks=clicks)


def test_34_to_36_who_copies_is_who_badged_while_somebody_prints(tmp_path):
    async def story(here: Room) -> None:
        await here.copies(2)  # nobody badged
        assert here.unattributed() == 2
        await here.badge("04A2000002")
        await here.copier.press("copy", "12")
        assert await here.sends("alice", document(5), *template()) == 0
        await here.copier.settle(10)
        await here.look()
        await here.badge("04A2000001")  # bob forgot to badge out
        await here.copies(3)
        copied = [(one.member, one.mono) for one in here.facts(CopiesMetered)]
        assert copied == [("", 2), (here.bob, 12), (here.alice, 3)]
        assert here.rows() == [(5, 5, *DONE)]
        assert here.physical() == 22

    played(tmp_path, story)


def test_39_a_device_that_counts_no_job_is_settled_by_its_counters(tmp_path):
    async def story(here: Room) -> None:
        await here.copier.press("tells", "states")
        await here.prints("alice", 5)
        assert here.rows() == [(5, 5, "completed", "counter")]

    played(tmp_path, story)


def test_39_a_device_that_says_nothing_leaves_the_spoolers_claim_and_its_doubt(tmp_path):
    async def main() -> None:
        async with room(tmp_path) as here:
            await here.copier.press("swap", "MUTE1")
            await here.copier.press("tells", "nothing")
            await here.look()
            here.spools("alice", 5)
            await here.prints("alice", 5)
            (row,) = here.facts(AttemptCounted)
            assert (row.low, row.high, row.evidence) == (0, 5, "claimed")

    asyncio.run(main())


def test_44_a_swap_a_reset_and_a_wrap_open_new_books_and_lose_no_row(tmp_path):
    async def story(here: Room) -> None:
        await here.copies(7)
        await here.prints("alice", 5)
        await here.copier.press("reset")
        await here.look()
        await here.prints("alice", 4)
        await here.copier.press("wrap", "6")
        await here.prints("bob", 3)
        await here.copier.press("wrap", "0")
        await here.copier.press("swap", "GDN0002")
        await here.look()
        await here.prints("bob", 2)
        opened = [(one.epoch, one.why, one.serial) for one in here.facts(BooksOpened)]
        assert opened == [
            (1, "first", "GDN0001"),
            (2, "fell", "GDN0001"),
            (3, "fell", "GDN0001"),
            (4, "swapped", "GDN0002"),
        ]
        assert [sides for sides, *_ in here.rows()] == [5, 4, 3, 2]
        assert all(one.mono >= 0 for one in here.facts(CopiesMetered))
        assert here.unattributed() == 7

    played(tmp_path, story)


def test_44_what_was_lost_when_the_counters_fell_is_never_a_certain_nothing(tmp_path):
    async def story(here: Room) -> None:
        await here.copies(3)
        assert await here.sends("alice", document(5), *template()) == 0
        await here.copier.settle(10)
        await here.copier.press("forget")
        await here.copier.press("reset")
        here.spools("alice", 5)
        await here.look()
        (row,) = here.facts(AttemptCounted)
        assert (row.low, row.high, row.evidence, row.member) == (0, 5, "claimed", here.alice)

    played(tmp_path, story)


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("how", [("swap", "GDN0002"), ("forget",)])
def test_44_what_was_on_paper_when_the_machine_was_swapped_is_never_a_certain_nothing(tmp_path, how, seen):
    """The new counters are looked at before the spooler, which waits for the old machine, gives the job up."""

    async def story(here: Room) -> None:
        now = SystemClock().now()
        created = int(now.utc.timestamp())
        job = SpoolJob(now, "copieur", 1, created, "alice", JobState.PROCESSING, "", 0, 0, here.copier.uri)
        note = SpoolAttempt("1-0", "copieur", 1, created, "alice", now.utc.timestamp(), 1, None)
        here.desk.lay((job,), (note,))
        await here.copies(3)
        await here.starts("alice", 60, 10)
        if seen:
            await here.clerk.look()
        await here.copier.press(*how)
        if how == ("forget",):
            await here.copier.press("reset")
        printed = here.physical() - 3
        await here.look()
        here.clerk.books = Books(DEVICE, 30.0)  # our service starts anew meanwhile
        for entry in here.ledger.entries():
            here.clerk.books.learn(entry.fact, entry.at)
        lost = replace(job, state=JobState.ABORTED, claimed_sides=60)
        here.desk.lay((lost,), (replace(note, code=1),))
        await here.look()
        (row,) = here.facts(AttemptCounted)
        assert (row.member, row.state, row.evidence) == (here.alice, "aborted", "claimed")
        assert (row.high, row.low <= printed < 60) == (60, True)
        await here.prints("bob", 3)
        assert here.rows()[1:] == [(3, 3, *DONE)]

    played(tmp_path, story)


@pytest.mark.parametrize("what", [each for each in GARBAGE if each != "hang"])
def test_45_garbage_is_an_error_and_books_nothing_and_the_next_look_finds_all(tmp_path, what):
    async def story(here: Room) -> None:
        assert await here.sends("alice", document(5), *template()) == 0
        await here.copier.settle(10)
        await here.copier.press("garbage", what, "4")
        with pytest.raises(DriverError):
            await here.clerk.look()
        assert here.rows() == []
        await here.copier.press("garbage", what, "0")
        await here.look()
        assert here.rows() == [(5, 5, *DONE)]

    played(tmp_path, story)


def test_a_restart_of_the_clerk_books_nothing_twice(tmp_path):
    async def story(here: Room) -> None:
        await here.prints("alice", 5)
        clock = SystemClock()
        for _ in range(3):
            here.clerk.books = Books(DEVICE, 30.0)
            for entry in here.ledger.entries():
                here.clerk.books.learn(entry.fact, entry.at)
            await here.look()
        assert here.rows() == [(5, 5, *DONE)]
        assert clock.now().boot

    played(tmp_path, story)


# --- a random afternoon, against the copier's own paper -------------------------------------------------------

AFTERNOON = (
    *("print",) * 60, *("copy",) * 15, "stray", "stray", *("cancel",) * 6, *("fail",) * 4, *("jam",) * 3,
    *("busy",) * 4, *("refused",) * 3, "lost", "kept", "silent", "reset", "garbage",
)  # fmt: skip


class Afternoon:
    """Plays random work and faults at one copier, and knows what each lost job had put on paper."""

    def __init__(self, here: Room, seed: int) -> None:
        self.here, self.dice = here, random.Random(seed)
        self.lost: dict[str, int] = {}  # spooled name -> sides on paper, of which no record is left
        self.copied: dict[str, int] = {"": 0, here.alice: 0, here.bob: 0}

    async def step(self) -> None:
        what = self.dice.choice(AFTERNOON)
        user, pages = self.dice.choice(("alice", "bob", "iPhone")), self.dice.randint(2, 12)
        here, press = self.here, self.here.copier.press
        match what:
            case "copy":
                member, card = self.dice.choice(((here.alice, "04A2000001"), (here.bob, "04A2000002")))
                await here.badge(card)
                await here.copies(pages)
                await here.badge(card)
                self.copied[member] += pages
            case "stray":
                await here.copies(pages)
                self.copied[""] += pages
            case "cancel" | "fail" | "jam":
                await here.starts(user, 40, at=pages)
                await press(what)
                if what == "jam":
                    await here.clerk.look()
                    await press("clear")
                await here.copier.settle(10)
                await here.look()
            case "busy" | "refused":
                await press("busy", "1") if what == "busy" else await press("duplex", "off")
                assert await here.sends(user, document(pages), *template(two_sided=True)) in {BUSY, BAD_VALUE}
                await press("duplex", "on")
                await here.look()
            case "lost" | "kept":
                await press("forgets", "yes" if what == "lost" else "no")
                before = here.physical()
                await here.starts(user, 40, at=pages)
                await press("power", "off")
                await press("power", "on")
                if what == "lost":
                    here.spools(user, 40)
                    self.lost[f"spool/{spooled_name(here.desk.spooled[-1])}"] = here.physical() - before
                await here.look()
            case "silent":
                await here.look()
                await press("tells", "states")
                await here.prints(user, pages)
                await press("tells", "all")
            case "reset":
                await press("reset")
                await here.look()
            case "garbage":
                await press("garbage", self.dice.choice(GARBAGE[:-1]), "4")
                with contextlib.suppress(DriverError):
                    await here.clerk.look()
                await press("garbage", "cut", "0")
            case _:
                await here.prints(user, pages, copies=self.dice.randint(1, 2), colour=self.dice.random() < 0.3)


def on_paper(folder: Path) -> dict[str, int]:
    """Return the sides of every attempt by the copier's two files, under the name the books give it."""
    names, era = {}, 0
    for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        era += record["kind"] == "forgotten"
        if record["kind"] == "job":
            names[era, record["job"]["job"]] = f"GDN0001/{record['job']['job']}/{record['job']['uuid']}"
    sides: dict[str, int] = dict.fromkeys(names.values(), 0)
    for side in physical_sides(folder):
        if side.job and not side.blank:
            sides[names[side.era, side.job]] += 1
    return sides


def afternoon(folder: Path, seed: int, steps: int) -> str:
    """Play it, judge it, and return what it came to in one line."""

    async def main() -> str:
        async with room(folder) as here:
            played_ = Afternoon(here, seed)
            for _ in range(steps):
                await played_.step()
            await here.look()
            rows, truth = here.facts(AttemptCounted), on_paper(here.folder) | played_.lost
            wrong = [one.attempt for one in rows if not one.low <= truth[one.attempt] <= one.high]
            uncertain = sum(one.high - one.low for one in rows)
            copied = dict.fromkeys(played_.copied, 0)
            for one in here.facts(CopiesMetered):
                copied[one.member] += one.mono
            assert (wrong, copied, here.balanced()) == ([], played_.copied, True)
            assert uncertain <= 0.005 * here.physical()
            return (
                f"{steps} steps, {len(rows)} rows, {here.physical()} sides on paper, {len(wrong)} wrong, "
                f"{uncertain} sides between low and high, {here.unattributed()} unattributed, books balanced"
            )

    return asyncio.run(main())


def test_a_random_quarter_of_an_hour(tmp_path):
    afternoon(tmp_path, 4, 30)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_five_hundred_jobs_and_copies_over_ipp(tmp_path):
    told = afternoon(tmp_path, 20261102, 500)
    report = Path(__file__).parents[1] / "reports/paper-afternoon.txt"
    report.write_text(
        f"Random work and faults at the emulated copier over IPP (peers tier).\n{told}\n", encoding="utf-8"
    )
