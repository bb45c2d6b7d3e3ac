"""Copies through the connector on real wires: our copier over IPP, silent about counts, and an emulated board.

Beside a total, which is read over SNMP, the clicks tell which of its sides were copied. The copier's own log of its
sides is the truth; the real driver, its latch and the real clerk do the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from pathlib import Path

import pytest

import drivers
from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import FormulaId
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.paper import BooksOpened, CopiesMetered, CopiesUnheard, PrintsUnmatched
from agent.stories.copier import PaperPolicy
from agent.stories.desk import Desk
from agent.stories.printing import mind_paper
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DeviceId, DeviceReading, Printer, ReaderId
from drivers.counted import CountedPrinter
from drivers.peers.board import Board
from drivers.peers.copier import Copier, PanelError, physical_sides
from drivers.printer import IppPrinter
from drivers.snmp import SnmpMeters
from tests.drivers.contract_connector import ENABLE, LINES
from tests.drivers.paper_tools import document, send

pytestmark = pytest.mark.peers

DEVICE = DeviceId("copieur")
QUICK = PaperPolicy(UTC, poll_s=0.5, visit_idle_s=30.0, busy_s=0.1, settle_s=5.0)
ALICE, BOB = "04A2000001", "04A2000002"


@dataclass
class Corner:
    copier: Copier
    board: Board
    ledger: Ledger
    names: dict[str, str]
    folder: Path
    desk: Desk = field(default_factory=Desk)
    shown: list[LiveDevice] = field(default_factory=list)

    async def until(self, true: Callable[[], bool], limit_s: float = 60.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.02)

    async def badge(self, card: str) -> None:
        self.desk.badge(BadgeRead(SystemClock().now(), ReaderId("copieur"), CardNumber(card)))
        await self.until(lambda: self.desk.next_badge() is None)

    def free(self) -> bool:
        return self.board.level(ENABLE)

    def rows(self) -> list[CopiesMetered]:
        return [entry.fact for entry in self.ledger.entries(CopiesMetered) if isinstance(entry.fact, CopiesMetered)]

    def prints(self) -> list[PagesCounted]:
        return [entry.fact for entry in self.ledger.entries(PagesCounted) if isinstance(entry.fact, PagesCounted)]

    def whose(self) -> dict[str, int]:
        sides: Counter[str] = Counter()
        for row in self.rows():
            sides[self.names[row.member]] += row.mono + row.colour
        return dict(sides)

    def physical(self) -> int:
        return len(list(physical_sides(self.folder)))


class Silent:
    """The device as its IPP would be without counters of any kind: jobs and state only."""

    def __init__(self, printer: IppPrinter) -> None:
        self._printer = printer

    async def read(self) -> DeviceReading:
        return replace(await self._printer.read(), counters=None, life=None)


@contextlib.asynccontextmanager
async def corner(folder: Path, *, tells: str = "nothing", total: bool = False) -> AsyncIterator[Corner]:
    """Stand a copier there; `tells`: how much over IPP, `total`: its standard total over SNMP as well."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        board = stack.enter_context(Board(folder / "board", pulls=dict.fromkeys((24, 25, 26, 27), "up")))
        wiring = f"{board.path}:{ENABLE}:24:25:26:27"
        vendor = "acme" if total else ""
        made = Copier(folder / "copier", sides_per_s=50.0, connector=wiring, vendor=vendor)
        copier = await stack.enter_async_context(made)
        await copier.press("tells", tells)
        ledger = stack.enter_context(Ledger.open(folder / "ledger.db"))
        people = stack.enter_context(RosterStore.open(folder, ledger, clock))
        names = {"": "nobody"}
        for name, card in (("alice", ALICE), ("bob", BOB)):
            one = people.add_member(name, FormulaId("subscriber"), since=date(2020, 1, 1), actor="cli")
            people.give_card(one, CardNumber(card), actor="cli")
            people.give_alias(one, name, actor="cli")
            names[one] = name
        control = await drivers.open_connector(
            "gpio",
            lambda: pytest.fail("nothing is simulated here"),
            clock,
            stack,
            DEVICE,
            board.chip,
            (ENABLE, True),
            LINES,
            pulses_per_click=1,
            a3_clicks=2,
        )
        place = Corner(copier, board, ledger, names, folder / "copier")
        printer: Printer = IppPrinter(clock, DEVICE, copier.uri)
        if copier.agent is not None:
            meters = SnmpMeters(DEVICE, "127.0.0.1", port=copier.agent.port, timeout_s=1.5)
            printer = CountedPrinter(DEVICE, Silent(IppPrinter(clock, DEVICE, copier.uri)), meters)
        story = asyncio.create_task(
            mind_paper(DEVICE, printer, place.desk, ledger, people, clock, place.shown.append, QUICK, control)
        )
        try:
            await place.until(lambda: bool(list(ledger.entries(BooksOpened))) or story.done())
            await place.until(lambda: board.wires.claimed(24) and board.wires.claimed(ENABLE))
            yield place
        finally:
            story.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await story


def test_cases_36_and_37_two_members_one_after_the_other_every_side_is_whose_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with corner(tmp_path) as at:
            at.copier.machine.quirks.a3_clicks = 2
            with pytest.raises(PanelError, match="locked"):
                await at.copier.press("copy", "3")
            await at.badge(ALICE)
            await at.until(at.free)
            await at.copier.press("bounce", "2")
            await at.copier.press("spike")
            await at.copier.press("copy", "3", "two-sided")  # two sheets
            await at.copier.press("copy", "1", "colour", "a3")
            await at.copier.settle()
            await at.badge(BOB)
            await at.until(at.free)
            await at.copier.press("copy", "2")
            await at.copier.settle()
            await at.until(lambda: at.whose() == {"alice": 4, "bob": 2})
            await at.badge(BOB)
            await at.until(lambda: not at.free())
            assert at.physical() == 6
            alice = [row for row in at.rows() if at.names[row.member] == "alice"]
            assert sum(row.sheets or 0 for row in alice) == 3
            assert sum(row.large_colour for row in alice) == sum(row.colour for row in alice) == 1
            assert sum(row.clicks_mono + row.clicks_colour for row in alice) == 5

    asyncio.run(main())


def test_case_35_pulses_with_nobody_badged_are_nobodys(tmp_path: Path) -> None:
    async def main() -> None:
        async with corner(tmp_path) as at:
            connector = at.copier.machine.connector
            assert connector is not None
            for _ in range(3):
                await connector.side(clicks=1, colour=False, large=False, sheet=True)
            await at.until(lambda: at.whose() == {"nobody": 3})
            assert not at.free()

    asyncio.run(main())


def test_beside_a_bare_total_the_clicks_are_the_copies_and_the_rest_is_the_print_that_does_not_say(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with corner(tmp_path, tells="states", total=True) as at:
            await at.badge(ALICE)
            await at.until(at.free)
            await send(at.copier.uri, "bob", document(5))
            await at.copier.press("copy", "4", "two-sided")
            await at.copier.settle()
            await at.badge(ALICE)
            await at.until(lambda: not at.free())
            await at.until(lambda: at.whose() == {"alice": 4} and len(at.prints()) == 1)
            (printed,) = at.prints()
            assert (at.names[printed.member], printed.low, printed.high) == ("bob", 5, 5)
            assert printed.evidence is Evidence.COUNTER
            assert at.physical() == 9
            assert not list(at.ledger.entries(CopiesUnheard))
            assert not list(at.ledger.entries(PrintsUnmatched))

    asyncio.run(main())
