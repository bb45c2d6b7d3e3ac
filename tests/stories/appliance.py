"""The whole appliance in one process, one loop and virtual time, on the simulated building.

The services' own wiring is used; only the processes are missing. Visits are noted through the same book that the web
service answers with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config import Places, Site
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.presence import VisitEvidence, stated
from agent.services import door, links, paper
from agent.services.standing import Standing
from agent.sitefile import read_site
from agent.stories.presence import VisitBook
from drivers.contract import CardNumber
from drivers.sim import SimBuilding
from drivers.verbs import VisitVerb, parse
from drivers.virtual import VirtualClock, VirtualLoop

SITE = """
tariff = "tariff.toml"
[site]
name = "Morez"
code = "morez"
[hours]
monday = ["09:00-18:00"]
tuesday = ["09:00-18:00"]
wednesday = ["09:00-18:00"]
thursday = ["09:00-18:00"]
friday = ["09:00-18:00"]
[links.adsl1]
kind = "sim"
gateway = "192.168.1.1"
targets = ["192.0.2.1", "198.51.100.1", "203.0.113.1"]
interval_s = {interval_s}
[links.adsl2]
kind = "sim"
gateway = "192.168.2.1"
targets = ["192.0.2.1", "198.51.100.1", "203.0.113.1"]
interval_s = {interval_s}
[spooler]
kind = "sim"
[printers.copieur]
kind = "sim"
queues = ["copieur"]
poll_s = {poll_s}
[readers.door]
kind = "sim"
at = "door"
[readers.copier]
kind = "sim"
at = "copieur"
[door.lock]
kind = "sim"
hold_s = 5.0
"""
MEMBERS = {
    "m001": ("subscriber", "0F00A1B2C3"),
    "m013": ("occasional", "0F00D4E5F6"),
    "m042": ("subscriber", "04A2B3C4D5"),
}
PARIS = ZoneInfo("Europe/Paris")
Lost = Callable[[RosterStore, Places], RosterStore]


def write_site(folder: Path, interval_s: float = 1.0, poll_s: float = 15.0, printer: str = "") -> Site:
    """Write and read the simulated site's file; `printer` has more keys for the copier."""
    file = folder / "site.toml"
    text = SITE.format(interval_s=interval_s, poll_s=poll_s).replace("[readers.door]", f"{printer}\n[readers.door]")
    file.write_text(text, encoding="utf-8")
    tariff = Path(__file__).parents[2] / "agent/views/tariff-example.toml"
    (folder / "tariff.toml").write_bytes(tariff.read_bytes())
    return read_site(file)


class Appliance:
    """A running appliance. `facts` reads its ledger; `do` obeys a verb now; `at` sleeps until a local time."""

    def __init__(self, site: Site, ledger: Ledger, roster: RosterStore, clock: VirtualClock, places: Places) -> None:
        self.site, self.ledger, self.roster, self.clock, self.places = site, ledger, roster, clock, places
        self.building = SimBuilding(clock)
        self.visits = VisitBook(ledger, roster, clock, ZoneInfo(site.site.timezone))
        self.standings: dict[str, Standing] = {}

    async def do(self, line: str) -> str:
        """Obey one verb."""
        verb = parse(line)
        if isinstance(verb, VisitVerb):
            now = self.clock.now().utc.astimezone(PARIS)
            at = stated(verb.at, now) if verb.at else None
            assert at is None or isinstance(at, datetime), at
            act = self.visits.start if verb.name == "arrive" else self.visits.end
            answer = await act(MemberId(verb.member), at, VisitEvidence.ANIMATOR)
            assert answer.done, answer.says
            return answer.says
        return self.building.obey(verb)

    async def at(self, local: str) -> None:
        """Sleep until `YYYY-MM-DD HH:MM[:SS]` local time."""
        due = datetime.fromisoformat(local).replace(tzinfo=PARIS).astimezone(UTC)
        wait_s = (due - self.clock.now().utc).total_seconds()
        assert wait_s >= 0, f"{local} has passed"
        await asyncio.sleep(wait_s)

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        """Return all facts of these kinds."""
        return [entry.fact for entry in self.ledger.entries(*kinds)]


@contextlib.asynccontextmanager
async def standing(
    site: Site, folder: Path, clock: VirtualClock, ledger: Ledger, lost: Lost | None = None
) -> AsyncIterator[Appliance]:
    """Run the door, links and paper services until the block ends. `lost`: what the paper has instead of its roster."""
    places = Places(folder / "state", folder / "run")
    places.run.mkdir(exist_ok=True)
    with RosterStore.open(places.state, ledger, clock) as roster:
        if not roster.roster().members:
            for name, (formula, card) in MEMBERS.items():
                member = MemberId(name)
                roster.add_member(name, FormulaId(formula), actor="test", since=date(2026, 1, 1), member=member)
                roster.give_card(member, CardNumber(card), actor="test")
                roster.give_alias(member, name, actor="test")
        appliance = Appliance(site, ledger, roster, clock, places)
        tasks = []
        for service in (door, links, paper):
            name = service.__name__.rpartition(".")[2]
            people = lost(roster, places) if lost and service is paper else roster
            stand = Standing(name, site, places, clock, ledger, people, appliance.building)
            stand.publish_s = 3600.0
            await service.wire(stand)
            appliance.standings[name] = stand
            tasks.append(asyncio.create_task(stand.run()))
        try:
            yield appliance
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]  # a service that fell over is never hidden


def live(  # type: ignore[no-untyped-def]
    folder: Path, site: Site, start: str, script, *, seconds: float = 0.0, lost: Lost | None = None
) -> None:
    """Run `script(appliance)` on a virtual site that starts at local time `start`, then `seconds` more."""
    (folder / "state").mkdir(exist_ok=True)
    with Ledger.open(folder / "state" / "ledger.db") as ledger:
        loop = VirtualLoop(lambda: ledger.pending > 0)
        asyncio.set_event_loop(loop)
        began = datetime.fromisoformat(start).replace(tzinfo=PARIS).astimezone(UTC)
        clock = VirtualClock(loop, began)

        async def run() -> None:
            async with standing(site, folder, clock, ledger, lost) as appliance:
                await asyncio.sleep(20)
                await script(appliance)
                await asyncio.sleep(seconds)

        try:
            loop.run_until_complete(run())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def days(first: date, count: int) -> Iterable[date]:
    """Return `count` days from `first` on."""
    return (first + timedelta(days=number) for number in range(count))
