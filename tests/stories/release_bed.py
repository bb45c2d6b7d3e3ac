"""A place with release by badge on real wires: lp(1) and raw IPP clients, a real cupsd, our copier, the paper service.

Only the reader is simulated (a real one is held to its own suite): a badge is one verb.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from agent.config import Places, Site
from agent.live import LiveGreeting, LiveHeld
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.services import paper
from agent.services.standing import Standing
from agent.sitefile import read_site
from drivers.clock import SystemClock
from drivers.contract import CardNumber
from drivers.ipp import Attribute, Group, Message, Tag, attribute, decode, encode, members
from drivers.peers.copier import Copier, physical_sides
from drivers.peers.cups import CupsPeer
from drivers.sim import SimBuilding
from drivers.verbs import BadgeVerb

HELD, OUT, DIRECT = "impressions", "copieur-direct", "bureau"
CARDS = {"alice": "04A2000001", "bob": "04A2000002"}
SITE = """
tariff = "tariff.toml"
[site]
name = "Morez"
code = "morez"
[spooler]
kind = "cups"
server = "{server}"
attempts = "{attempts}"
page_log = "{page_log}"
[printers.copieur]
kind = "ipp"
uri = "{uri}"
badge_queues = ["impressions"]
{more}
poll_s = 0.5
[readers.copier]
kind = "sim"
at = "copieur"
"""


@dataclass
class Place:
    """What is there, and what people do in it."""

    site: Site
    copier: Copier
    cupsd: CupsPeer
    ledger: Ledger
    people: RosterStore
    members: dict[str, MemberId]
    standing: Standing
    folder: Path
    printed: list[int] = field(default_factory=list)

    def held(self) -> tuple[LiveHeld, ...]:
        """Return what waits, as the pages see it."""
        release = self.standing.picture().release
        return () if release is None else release.held or ()

    def looked_through(self) -> bool:
        """Tell whether every job that waits has its forecast."""
        return all(one.why != "waiting" for one in self.held())

    def greeting(self) -> LiveGreeting | None:
        """Return what the last badge did."""
        release = self.standing.picture().release
        return None if release is None else release.greetings.get("copieur")

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        """Return the facts of these kinds."""
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    def physical(self) -> int:
        """Return how many sides really left the copier."""
        return sum(not side.blank for side in physical_sides(self.folder / "copier"))

    async def until(self, true: Callable[[], bool], limit_s: float = 60.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.02)

    def badge(self, card: str) -> None:
        """Show a card to the reader beside the copier."""
        self.standing.building.obey(BadgeVerb("copier", card))

    async def send(
        self,
        user: str | None,
        body: bytes,
        kind: str,
        *job: Attribute,
        queue: str = HELD,
    ) -> int:
        """Print as a client does: one Print-Job (RFC 8011 section 4.2.1); `user` None: without a name. The job-id."""
        answer = await asyncio.to_thread(_print_job, self.cupsd.port, queue, user, body, kind, job)
        assert answer.code < 0x0100, hex(answer.code)
        number = answer.first(Tag.JOB).integer("job-id")
        assert number is not None
        return number


def _print_job(port: int, queue: str, user: str | None, body: bytes, kind: str, job: tuple[Attribute, ...]) -> Message:
    uri = f"ipp://127.0.0.1:{port}/printers/{queue}"
    head = members(
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.LANGUAGE, "fr"),
        attribute("printer-uri", Tag.URI, uri),
        *(() if user is None else (attribute("requesting-user-name", Tag.NAME, user),)),
        attribute("job-name", Tag.NAME, "secret title"),
        attribute("document-format", Tag.MIME_TYPE, kind),
    )
    groups = (Group(Tag.OPERATION, head), *((Group(Tag.JOB, members(*job)),) if job else ()))
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        wire.request(
            "POST", f"/printers/{queue}", encode(Message(0x0002, 7, groups), body), {"Content-Type": "application/ipp"}
        )
        data = wire.getresponse().read()
        return decode(data)[0]
    finally:
        wire.close()


@contextlib.asynccontextmanager
async def place(
    folder: Path, sides_per_s: float = 200.0, tells: str = "all", more: str = "", policy: str = "default"
) -> AsyncIterator[Place]:
    """Open the place. `tells`: what the copier says of its jobs and counters (drivers.peers.copier).

    `more`: keys of the copier in the site file; with them it has the queue DIRECT, that prints at once, by this
    `policy` of CUPS.
    """
    clock = SystemClock()
    async with Copier(folder / "copier", sides_per_s=sides_per_s) as copier:
        await copier.press("tells", tells)
        with (
            CupsPeer(folder / "cups") as cupsd,
            Ledger.open(folder / "ledger.db") as ledger,
            RosterStore.open(folder, ledger, clock) as people,
        ):
            await asyncio.to_thread(cupsd.add_queue, HELD, copier.uri, held=True)
            await asyncio.to_thread(cupsd.add_queue, OUT, copier.uri)
            if more:
                await asyncio.to_thread(cupsd.add_queue, DIRECT, copier.uri, policy=policy)
            known = {}
            for name, card in CARDS.items():
                known[name] = people.add_member(name, FormulaId("subscriber"), since=date(2020, 1, 1), actor="cli")
                people.give_alias(known[name], name, actor="cli")
                people.give_card(known[name], CardNumber(card), actor="cli")
            site = _site(folder, cupsd, copier.uri, more)
            standing = Standing(
                "paper", site, Places(folder, folder / "run"), clock, ledger, people, SimBuilding(clock)
            )
            await paper.wire(standing)
            running = asyncio.create_task(standing.run())
            opened = Place(site, copier, cupsd, ledger, people, known, standing, folder)
            try:
                await opened.until(lambda: opened.standing.picture().release is not None)
                await opened.until(lambda: "copieur" in opened.standing.picture().devices)
                yield opened
            finally:
                running.cancel()
                (ended,) = await asyncio.gather(running, return_exceptions=True)
                assert isinstance(ended, asyncio.CancelledError), ended


def _site(folder: Path, cupsd: CupsPeer, uri: str, more: str) -> Site:
    file = folder / "site.toml"
    values = {"server": cupsd.server, "attempts": cupsd.attempts, "page_log": cupsd.page_log, "uri": uri}
    file.write_text(SITE.format(more=more, **values), encoding="utf-8")
    tariff = Path(__file__).parents[2] / "agent/views/tariff-example.toml"
    (folder / "tariff.toml").write_bytes(tariff.read_bytes())
    return read_site(file)
