"""Walk-up copies over real wires: our copier over IPP, its meters over SNMP, badges, the ledger on a disk.

The acceptance cases 34 to 36 and 44 by a vendor's split counters and by a bare total, and copies right after a badge
while a print runs. What is expected is literal; the copier's own log of its sides is the truth of the sums.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from pathlib import Path

import pytest

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import PagesCounted
from agent.rules.paper import BooksOpened, CopiesCounted, PrintsUnmatched
from agent.stories.copier import PaperPolicy
from agent.stories.desk import Desk
from agent.stories.printing import mind_paper
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DeviceId, DeviceReading, ReaderId
from drivers.counted import CountedPrinter
from drivers.peers.copier import Copier, physical_sides
from drivers.printer import IppPrinter
from drivers.snmp import SnmpMeters
from tests.drivers.paper_tools import document, send

pytestmark = pytest.mark.peers

DEVICE = DeviceId("copieur")
QUICK = PaperPolicy(UTC, poll_s=0.5, visit_idle_s=30.0, busy_s=0.1, settle_s=3.0)
ALICE, BOB = "04A2000001", "04A2000002"
WAYS = ["canon", "ricoh", "kyocera", "acme"]  # acme: the standard total alone


class Bare:
    """The device as its IPP would be without our private counters: jobs and state only."""

    def __init__(self, printer: IppPrinter) -> None:
        self._printer = printer

    async def read(self) -> DeviceReading:
        return replace(await self._printer.read(), counters=None, life=None)


@dataclass
class Corner:
    """One copier, its memory, and two members."""

    copier: Copier
    ledger: Ledger
    alice: MemberId
    bob: MemberId
    folder: Path
    desk: Desk = field(default_factory=Desk)
    shown: list[LiveDevice] = field(default_factory=list)

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    async def until(self, true: Callable[[], bool], limit_s: float = 60.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.02)

    async def badge(self, card: str) -> None:
        self.desk.badge(BadgeRead(SystemClock().now(), ReaderId("copieur"), CardNumber(card)))
        await self.until(lambda: self.desk.next_badge() is None)

    def whose(self) -> dict[str, int]:
        """Sides by whose they are."""
        sides: Counter[str] = Counter()
        for fact in self.facts(PagesCounted, CopiesCounted, PrintsUnmatched):
            match fact:
                case PagesCounted():
                    sides[fact.member] += fact.sides_mono + fact.sides_colour
                case CopiesCounted():
                    sides[fact.member] += fact.mono + fact.colour
                case PrintsUnmatched():
                    sides[""] += fact.mono + fact.colour
        return {member: count for member, count in sides.items() if count}

    def physical(self) -> int:
        return sum(not side.blank for side in physical_sides(self.folder))

    async def booked(self, expected: dict[str, int]) -> None:
        """Wait until the books say so, and the paper too."""
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self.whose() == expected)
        assert self.whose() == expected
        assert sum(expected.values()) == self.physical()


@contextlib.asynccontextmanager
async def corner(folder: Path, vendor: str, sides_per_s: float = 200.0) -> AsyncIterator[Corner]:
    clock = SystemClock()
    async with Copier(folder / "copier", sides_per_s=sides_per_s, vendor=vendor) as copier:
        with Ledger.open(folder / "ledger.db") as ledger, RosterStore.open(folder, ledger, clock) as people:
            members = []
            for name, card, user in (("Alice", ALICE, "alice"), ("Bob", BOB, "bob")):
                one = people.add_member(name, FormulaId("subscriber"), since=date(2020, 1, 1), actor="cli")
                people.give_card(one, CardNumber(card), actor="cli")
                people.give_alias(one, user, actor="cli")
                members.append(one)
            assert copier.agent is not None
            meters = SnmpMeters(DEVICE, "127.0.0.1", port=copier.agent.port, timeout_s=1.5)
            printer = CountedPrinter(DEVICE, Bare(IppPrinter(clock, DEVICE, copier.uri)), meters)
            place = Corner(copier, ledger, *members, folder / "copier")
            story = asyncio.create_task(
                mind_paper(DEVICE, printer, place.desk, ledger, people, clock, place.shown.append, QUICK)
            )
            try:
                await place.until(lambda: bool(place.facts(BooksOpened)) or story.done())
                yield place
            finally:
                story.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await story


def run(folder: Path, vendor: str, story: Callable[[Corner], Awaitable[None]], **how: float) -> None:
    async def main() -> None:
        async with corner(folder, vendor, **how) as place:
            await story(place)

    asyncio.run(asyncio.wait_for(main(), 90))


@pytest.mark.parametrize("vendor", WAYS)
def test_prints_and_copies_at_once_go_to_whose_they_are(tmp_path, vendor):
    async def story(at: Corner) -> None:
        await at.badge(BOB)
        await send(at.copier.uri, "alice", document(5))
        await at.copier.press("copy", "12")
        await at.booked({at.alice: 5, at.bob: 12})  # case 34
        assert at.facts(PrintsUnmatched) == []

    run(tmp_path, vendor, story)


@pytest.mark.parametrize("vendor", ["ricoh", "acme"])
def test_nobody_badged_and_the_next_badge_ends_the_visit(tmp_path, vendor):
    async def story(at: Corner) -> None:
        await at.copier.press("copy", "7", "two-sided")
        await at.booked({"": 7})  # case 35
        await at.badge(ALICE)
        await at.copier.press("copy", "4", "colour")
        await at.copier.settle()
        await at.badge(BOB)
        await at.copier.press("copy", "9")
        await at.booked({"": 7, at.alice: 4, at.bob: 9})  # case 36

    run(tmp_path, vendor, story)


def test_copies_right_after_a_badge_while_a_print_runs(tmp_path):
    async def story(at: Corner) -> None:
        await send(at.copier.uri, "alice", document(40))
        await at.until(lambda: at.physical() > 2)
        await at.badge(BOB)
        await at.copier.press("copy", "6")
        await at.booked({at.alice: 40, at.bob: 6})

    run(tmp_path, "canon", story, sides_per_s=20.0)


def test_silent_meters_lose_no_job_and_what_they_hid_is_nobodys(tmp_path):
    async def story(at: Corner) -> None:
        await at.badge(ALICE)
        await at.copier.press("snmp", "garbage")
        await send(at.copier.uri, "bob", document(3))
        await at.until(lambda: at.whose() == {at.bob: 3})
        await at.copier.press("copy", "5")
        await at.badge(BOB)
        await at.copier.press("snmp", "ok")
        await at.booked({at.bob: 3, "": 5})
        assert any(live.meters_silent for live in at.shown)

    run(tmp_path, "canon", story)


def test_a_swapped_device_opens_new_books(tmp_path):
    async def story(at: Corner) -> None:
        await at.copier.press("copy", "3")
        await at.booked({"": 3})
        await at.copier.press("swap", "GDN0002")
        await at.until(lambda: len(at.facts(BooksOpened)) == 2)
        await at.copier.press("copy", "2")
        await at.booked({"": 5})  # case 44: no negative movement
        assert [(fact.serial, fact.why) for fact in at.facts(BooksOpened)] == [
            ("GDN0001", "first"),
            ("GDN0002", "swapped"),
        ]

    run(tmp_path, "kyocera", story)
