"""Paper over real wires: lp(1), a real cupsd, our copier over IPP, the ledger on a disk; and everybody is killed.

What is expected is literal, or read from `sides.jsonl`: the copier's own log of what physically left it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.paper import BooksOpened, CopiesCounted, CopyVisitEnded, CopyVisitStarted, PrintsUnmatched
from agent.stories.desk import Desk
from agent.stories.printing import mind_paper
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DriverError, ReaderId
from drivers.peers.copier import Copier, physical_sides
from drivers.peers.cups import CupsPeer, available
from drivers.printer import IppPrinter
from tests.stories.paper_victim import DEVICE, QUICK, spool

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available())]

REPORT = Path(__file__).parents[1] / "reports/paper_kill.txt"
BACKLOG = 4  # jobs in CUPS: its backend takes a second or more for each, whatever the copier's pace
ALICE_CARD, BOB_CARD, STRANGE_CARD = "04A2000001", "04A2000002", "04A20000FF"


@dataclass
class Corridor:
    """One copier, its print server, the memory, and the people of the space."""

    folder: Path
    copier: Copier
    cupsd: CupsPeer
    ledger: Ledger
    people: RosterStore
    alice: MemberId
    bob: MemberId
    desk: Desk = field(default_factory=Desk)
    shown: list[LiveDevice] = field(default_factory=list)

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    async def until(self, true: Callable[[], bool], limit_s: float = 60.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.05)

    async def lp(self, user: str, pages: int, **how: bool | int) -> int:
        return await asyncio.to_thread(lambda: self.cupsd.print_pdf(user, pages, **how))

    async def badge(self, card: str) -> None:
        self.desk.badge(BadgeRead(SystemClock().now(), ReaderId("copieur"), CardNumber(card)))
        await self.until(lambda: self.desk.next_badge() is None)

    def attributed(self) -> Counter[str]:
        """Sides by whose they are: a member's id, or "" for nobody's."""
        sides: Counter[str] = Counter()
        for fact in self.facts(PagesCounted, CopiesCounted, PrintsUnmatched):
            match fact:
                case PagesCounted():
                    sides[fact.member] += fact.sides_mono + fact.sides_colour
                case CopiesCounted():
                    sides[fact.member] += fact.mono + fact.colour
                case PrintsUnmatched():
                    sides[""] += fact.mono + fact.colour
        return sides

    def physical(self) -> int:
        return sum(not side.blank for side in physical_sides(self.folder / "copier"))

    def balanced(self) -> bool:
        return self.attributed().total() == self.physical() == self.copier.machine.counters.sides

    @contextlib.asynccontextmanager
    async def minded(self) -> AsyncIterator[None]:
        """Run the stories in this process."""
        printer = IppPrinter(SystemClock(), DEVICE, self.copier.uri)
        stories = [
            asyncio.create_task(self._paper(printer)),
            asyncio.create_task(spool(self.cupsd.server, self.desk, self.cupsd.attempts, self.ledger)),
        ]
        try:
            await self.until(lambda: bool(self.shown) or stories[0].done())
            yield
        finally:
            for story in stories:
                story.cancel()
            ended = await asyncio.gather(*stories, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
            self.shown.clear()

    async def _paper(self, printer: IppPrinter) -> None:
        """Mind the device, again and again as its service does: another may take its place in the middle of a look."""
        while True:
            with contextlib.suppress(DriverError):
                await mind_paper(
                    DEVICE, printer, self.desk, self.ledger, self.people, SystemClock(), self.shown.append, QUICK
                )
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def corridor(folder: Path, sides_per_s: float = 100.0) -> AsyncIterator[Corridor]:
    clock = SystemClock()
    async with Copier(folder / "copier", sides_per_s=sides_per_s) as copier:
        with (
            CupsPeer(folder / "cups") as cupsd,
            Ledger.open(folder / "ledger.db") as ledger,
            RosterStore.open(folder, ledger, clock) as people,
        ):
            await asyncio.to_thread(cupsd.add_queue, DEVICE, copier.uri)
            members = [
                people.add_member(name, FormulaId(formula), since=date(2020, 1, 1), actor="cli")
                for name, formula in (("Alice", "subscriber"), ("Bob", "occasional"))
            ]
            for member, name, card in zip(members, ("alice", "bob"), (ALICE_CARD, BOB_CARD), strict=True):
                people.give_alias(member, name, actor="cli")
                people.give_card(member, CardNumber(card), actor="cli")
            yield Corridor(folder, copier, cupsd, ledger, people, *members)


def test_prints_and_copies_are_their_members_and_the_counter_closes_the_books(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await space.lp("CORDEE\\Alice", 5, two_sided=True, copies=3)
            await space.until(lambda: len(space.facts(PagesCounted)) == 1)
            (row,) = space.facts(PagesCounted)
            assert (row.member, row.formula) == (space.alice, "subscriber")
            assert (row.sides_mono, row.sides_colour, row.sheets) == (15, 0, 9)
            assert (row.low, row.high, row.evidence) == (15, 15, Evidence.DEVICE)

            await space.copier.press("copy", "3")
            await space.until(lambda: space.attributed()[""] == 3)

            await space.badge(ALICE_CARD)
            await space.until(lambda: space.shown[-1].visitor)
            await space.copier.press("copy", "3")
            await space.copier.settle()
            await space.badge(ALICE_CARD)
            await space.until(lambda: len(space.facts(CopyVisitEnded)) == 1)
            assert [(fact.member, fact.mono) for fact in space.facts(CopiesCounted)] == [("", 3), (space.alice, 3)]

            await space.lp("stranger", 2, colour=True)
            await space.until(lambda: len(space.facts(PagesCounted)) == 2)
            unclaimed = space.facts(PagesCounted)[1]
            assert (unclaimed.member, unclaimed.sides_colour, unclaimed.sheets) == ("", 2, 2)
            assert unclaimed.alias

            await space.copier.settle()
            assert space.attributed() == {space.alice: 18, "": 5}
            assert space.physical() == space.copier.machine.counters.sides == 23
            await space.until(lambda: space.shown[-1].counter == 23 and space.shown[-1].waiting == 0)
            assert len(space.facts(BooksOpened)) == 1

    asyncio.run(main())


def test_the_next_badge_closes_a_forgotten_visit_and_a_strange_card_opens_none(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await space.badge(STRANGE_CARD)
            await space.until(lambda: space.shown[-1].refused is not None)
            await space.badge(ALICE_CARD)
            await space.copier.press("copy", "4", "colour")
            await space.badge(BOB_CARD)  # while it copies: the badge waits for the end of the copy
            await space.copier.press("copy", "2")
            await space.copier.settle()
            await space.badge(BOB_CARD)
            await space.until(lambda: len(space.facts(CopyVisitEnded)) == 2)
            assert [fact.why for fact in space.facts(CopyVisitEnded)] == ["next-badge", "badge-out"]
            assert [fact.member for fact in space.facts(CopyVisitStarted)] == [space.alice, space.bob]
            assert space.attributed() == {space.alice: 4, space.bob: 2}

    asyncio.run(main())


def test_a_printer_unplugged_in_the_middle_of_a_job_balances_when_it_is_back(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path, sides_per_s=10.0) as space:
            async with space.minded():
                await space.lp("alice", 20)
                await space.until(lambda: space.copier.machine.counters.sides >= 6)
            await space.copier.press("power", "off")
            await asyncio.sleep(1)
            await space.copier.press("power", "on")
            async with space.minded():
                await space.until(lambda: space.balanced() and space.copier.machine.idle, 40)
                assert space.attributed()[space.bob] == 0
                for row in space.facts(PagesCounted):
                    assert row.low <= row.sides_mono <= row.high

    asyncio.run(main())


def test_jobs_printed_while_nobody_watched_are_caught_up_once(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space:
            async with space.minded():
                await space.until(lambda: len(space.facts(BooksOpened)) == 1)
            for user, pages in (("alice", 3), ("bob", 4), ("alice", 2)):
                await space.lp(user, pages)
            await space.copier.press("copy", "2")
            await space.until(lambda: space.physical() == 11)
            for _ in range(3):
                async with space.minded():
                    await space.until(space.balanced)
                    await asyncio.sleep(0.5)
            assert space.attributed() == {space.alice: 5, space.bob: 4, "": 2}
            assert len(space.facts(PagesCounted)) == 3

    asyncio.run(main())


def test_another_machine_in_its_place_opens_its_own_books(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await space.lp("alice", 2)
            await space.until(lambda: len(space.facts(PagesCounted)) == 1)
            await space.copier.settle()
            await space.copier.press("swap", "GDN0002")
            await space.until(lambda: len(space.facts(BooksOpened)) == 2)
            await space.lp("bob", 3)
            await space.until(lambda: len(space.facts(PagesCounted)) == 2)
            assert [(fact.serial, fact.why) for fact in space.facts(BooksOpened)] == [
                ("GDN0001", "first"),
                ("GDN0002", "swapped"),
            ]
            assert space.attributed() == {space.alice: 2, space.bob: 3}

    asyncio.run(main())


# --- killed at random --------------------------------------------------------------------------------------


class Victim:
    """The stories in a process that is killed."""

    def __init__(self, space: Corridor) -> None:
        self._command = [sys.executable, "-m", "tests.stories.paper_victim", str(space.folder)]
        self._command += [space.cupsd.server, space.copier.uri, str(space.cupsd.attempts)]
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)

    def badge(self, card: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{card}\n".encode())
            self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0


async def _a_bad_day(space: Corridor, kills: int, dice: random.Random, cupsd_every: int = 4) -> None:
    """Print, copy and badge; kill cupsd once in `cupsd_every` times, else the stories; then let everything end."""
    victim = Victim(space)
    await space.until(lambda: len(space.facts(BooksOpened)) == 1)
    for number in range(kills):
        for _ in range(dice.randint(1, 2)):
            how = {"two_sided": dice.random() < 0.5, "colour": dice.random() < 0.3, "copies": dice.randint(1, 2)}
            match dice.choice(["lp", "lp", "copy", "badge"]):
                case "lp" if _waiting(space.cupsd) < BACKLOG:
                    await space.lp(dice.choice(["alice", "bob", "guest"]), dice.randint(1, 6), **how)
                case "copy":
                    await space.copier.press("copy", str(dice.randint(1, 5)))
                case _:
                    victim.badge(dice.choice([ALICE_CARD, BOB_CARD]))
        await asyncio.sleep(dice.uniform(0.0, 0.9))
        if number % cupsd_every == cupsd_every - 1:
            await asyncio.to_thread(space.cupsd.kill9)
            await asyncio.to_thread(space.cupsd.restart)
        else:
            await asyncio.to_thread(victim.kill)
            victim = Victim(space)
    await space.until(lambda: _waiting(space.cupsd) == 0, 60)
    await space.copier.settle()
    await space.until(space.balanced, 30)
    await asyncio.to_thread(victim.end)


def _waiting(cupsd: CupsPeer) -> int:
    """How many jobs have not ended, as lpstat(1) says."""
    return len(cupsd._run("lpstat", "-o").splitlines())


def _equals_the_physical_log(space: Corridor) -> None:
    """Each of the copier's jobs is one row with its very sides; copies and strays are what else came out."""
    printed: Counter[tuple[int, bool]] = Counter()
    copied: Counter[bool] = Counter()
    for side in physical_sides(space.folder / "copier"):
        if side.blank:
            continue
        if side.work == "print":
            printed[side.job, side.colour] += 1
        else:
            copied[side.colour] += 1
    rows = space.facts(PagesCounted)
    booked: Counter[tuple[int, bool]] = Counter()
    for row in rows:
        assert row.evidence is Evidence.DEVICE
        booked[int(row.attempt.split("/")[1]), False] += row.sides_mono
        booked[int(row.attempt.split("/")[1]), True] += row.sides_colour
    assert +booked == printed
    assert len({row.attempt for row in rows}) == len(rows)
    moves = space.facts(CopiesCounted)
    assert sum(move.mono for move in moves) == copied[False]
    assert sum(move.colour for move in moves) == copied[True]
    assert sum(fact.mono + fact.colour for fact in space.facts(PrintsUnmatched)) == 0
    users = {number: job.user for number, job in space.copier.machine.jobs.items()}
    owners = {"alice": space.alice, "bob": space.bob, "guest": ""}
    assert all(row.member == owners[users[int(row.attempt.split("/")[1])]] for row in rows)


@pytest.mark.parametrize(("kills", "seed"), [pytest.param(8, 1)])
def test_rows_equal_the_paper_whoever_is_killed_and_when(tmp_path, kills, seed):
    async def main() -> None:
        async with corridor(tmp_path) as space:
            await _a_bad_day(space, kills, random.Random(seed))
            _equals_the_physical_log(space)

    asyncio.run(main())


ROUNDS, OURS, CUPSDS = 10, 100, 20  # a thousand kills of the stories, two hundred of cupsd


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_rows_equal_the_paper_after_a_thousand_kills(tmp_path):
    """The full count, in rounds with a copier, a cupsd and a ledger of their own; the report grows with each."""
    done: Counter[str] = Counter()

    async def a_round(number: int) -> None:
        async with corridor(tmp_path / str(number)) as space:
            await _a_bad_day(space, OURS + CUPSDS, random.Random(1000 + number), (OURS + CUPSDS) // CUPSDS)
            _equals_the_physical_log(space)
            rows = space.facts(PagesCounted)
            done.update(
                ours=OURS, cupsd=CUPSDS, jobs=len(rows), printed=sum(r.sides_mono + r.sides_colour for r in rows)
            )
            done.update(system=sum(row.why_free == "system" for row in rows), copied=_copied(space))

    for number in range(ROUNDS):
        (tmp_path / str(number)).mkdir()
        asyncio.run(a_round(number))
        REPORT.write_text(
            "tests/stories/test_printing_peers.py, at full count (./dev soak). Tier: peers.\n\n"
            f"kill -9 at random points: the stories {done['ours']} times, cupsd {done['cupsd']} times, in "
            f"{number + 1} rounds\n"
            f"{done['jobs']} attempts printed {done['printed']} sides, {done['copied']} sides copied: "
            "each in the ledger once, none lost, none twice, every one its member's\n"
            f"{done['system']} attempts were printed again because cupsd died in the middle, and are marked so\n",
            encoding="utf-8",
        )


def _copied(space: Corridor) -> int:
    return sum(move.mono + move.colour for move in space.facts(CopiesCounted))
