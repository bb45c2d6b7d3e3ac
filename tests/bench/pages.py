"""How long the pages take to answer, and what they weigh, after a quarter of a busy house.

    python -m tests.bench.pages [DAYS [MEMBERS]]          90 days, 50 members

245 facts a day written straight into a ledger; then each page over HTTP on loopback, signed in. Times hold the client's
part too. The first answer is told by itself: whatever is followed from the ledger is read by then, or is read for it.
`tests/acting/test_weight.py` holds the state page to its bounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.door import DoorChanged, EntryDecided, LatchMoved, Passage
from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId
from agent.rules.links import Cause, Health, LinkChanged
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.paper import CopiesCounted
from agent.rules.presence import VisitEnded, VisitEvidence, VisitStarted
from drivers.contract import Moment, Trust
from tests.views.hand import hand_at, site_of
from tests.views.scenes import House, house, pictures

PATHS = (
    "/",
    "/membres",
    "/membre/m001",
    "/visites",
    "/porte",
    "/impressions",
    "/internet",
    "/horaires",
    "/compte",
    "/ecran",
)
DAYS, MEMBERS, TIMES = 90, 50, 15
FORMULAS = (FormulaId("subscriber"), FormulaId("occasional"))
NOBODY = (MemberId(""), FormulaId(""))


@dataclass(frozen=True)
class Measured:
    """One page: its size, the middle and worst of its answers, and the processor's part of the middle and the first."""

    path: str
    size: int
    middle_s: float
    worst_s: float
    busy_s: float
    first_s: float


def somebody(members: int, number: int) -> tuple[MemberId, FormulaId]:
    """Return one of so many members."""
    return MemberId(f"m{number % members + 1:03d}"), FORMULAS[number % 2]


def a_day(day: datetime, members: int) -> Iterator[tuple[datetime, Fact]]:
    """Yield what happens between eight in the morning and eight in the evening of a busy day."""
    number = day.toordinal()
    member = partial(somebody, members)

    def at(part: float) -> datetime:
        return day + timedelta(hours=8 + 12 * part)

    for one in range(40):
        now, card = at(one / 40), CardKey(f"{one % members:032x}")
        yield now, EntryDecided("porte", card, *member(number + one), granted=True, rule="always")
        yield now, LatchMoved("released", "released")
        yield now + timedelta(seconds=2), DoorChanged(Passage.CLOSED, Passage.OPEN)
        yield now + timedelta(seconds=6), DoorChanged(Passage.OPEN, Passage.CLOSED)
    for one in range(40):
        who = member(number + one) if one % 8 else NOBODY
        paper = (5, one % 3, 3, 5 + one % 3, 5 + one % 3, Evidence.DEVICE, "completed")
        yield at(one / 40), PagesCounted("copieur", "SN1", f"{number}-{one}", AliasId("a1"), *who, *paper)
    for one in range(15):
        who, visit = (member(number + one), f"c{number}-{one}") if one % 5 else (NOBODY, "")
        yield at(one / 15), CopiesCounted("copieur", "SN1", 1, visit, *who, 2, 0, 100 + one, 26)
    for one in range(12):
        start, end, whose = at(one / 24), at(one / 24 + 0.25), member(2 * one + 1)
        name, by = f"v{number}-{one}", VisitEvidence.ANIMATOR
        yield start, VisitStarted(name, *whose, start, by)
        yield end, VisitEnded(name, *whose, start, end, 180, by)
    cut, mended = at(0.4), at(0.42)
    yield cut, LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.BOX, cut, "arp 0/5, echo 0/9")
    yield mended, LinkChanged("adsl1", Health.DOWN, Health.UP, Cause.NONE, mended, "echo 9/9", Cause.BOX, 864.0)


async def write_history(ledger: Ledger, now: Moment, days: int = DAYS, members: int = MEMBERS) -> int:
    """Write so many days down, the last one today up to now; return how many facts."""
    count = 0
    for back in range(days - 1, -1, -1):
        day = datetime(now.utc.year, now.utc.month, now.utc.day, tzinfo=UTC) - timedelta(days=back)
        told = sorted(((at, fact) for at, fact in a_day(day, members) if at <= now.utc), key=lambda one: one[0])
        moments = [Moment(at, (at - day).total_seconds(), f"boot-{back}", Trust.SYNCHRONISED) for at, _ in told]
        facts = zip(told, moments, strict=True)
        await asyncio.gather(
            *[ledger.append(fact, moment, f"{back}:{number}") for number, ((_, fact), moment) in enumerate(facts)]
        )
        count += len(told)
    return count


def settle_in(home: House, members: int = MEMBERS) -> None:
    """Fill the roster, paint the live pictures."""
    for number in range(members):
        identity, formula = somebody(members, number)
        home.roster.add_member(f"Prénom Nom-{number}", formula, actor="a1", since=date(2026, 1, 1), member=identity)
    home.roster.settle()
    home.paint(pictures(home.clock.now()))


async def measure(home: House, paths: tuple[str, ...] = PATHS, times: int = TIMES) -> list[Measured]:
    """Ask for every page, signed in, one after the other."""
    found = []
    async with site_of(home) as (app, origin), hand_at(app, origin) as hand:
        await hand.claim()
        for path in paths:
            spent_s, busy_s, size = [], [], 0
            for _ in range(times):
                began, busy = time.perf_counter(), time.process_time()
                async with hand.session.get(path) as answer:
                    size = len(await answer.read())
                    assert answer.status == 200, (path, answer.status)
                spent_s.append(time.perf_counter() - began)
                busy_s.append(time.process_time() - busy)
            middle, busy = statistics.median(spent_s[1:]), statistics.median(busy_s[1:])
            found.append(Measured(path, size, middle, max(spent_s), busy, busy_s[0]))
    return found


async def busy_quarter(
    home: House, paths: tuple[str, ...] = PATHS, days: int = DAYS, members: int = MEMBERS
) -> tuple[int, list[Measured]]:
    """Write the history and measure the pages; return how many facts there are, and the measures."""
    count = await write_history(home.ledger, home.clock.now(), days, members)
    home.clock.moment = replace(home.clock.moment, boot="boot-0")
    settle_in(home, members)
    return count, await measure(home, paths)


def main() -> None:
    """Print one line per page."""
    numbers = [int(word) for word in sys.argv[1:]]
    days, members = numbers + [DAYS, MEMBERS][len(numbers) :]
    with tempfile.TemporaryDirectory() as folder, house(Path(folder) / "house") as home:
        began = time.perf_counter()
        count, found = asyncio.run(busy_quarter(home, days=days, members=members))
        print(f"{count} facts of {days} days, {members} members; all in {time.perf_counter() - began:.1f} s")
        for one in found:
            first, middle, worst = (took * 1e3 for took in (one.first_s, one.middle_s, one.worst_s))
            times = f"first {first:7.1f} ms   then {middle:6.1f} ms   worst {worst:6.1f} ms"
            print(f"{one.path:14} {one.size / 1000:6.1f} kB   {times}")


if __name__ == "__main__":
    main()
