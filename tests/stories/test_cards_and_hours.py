"""The animator's afternoon, on the real pages and the door's real service: a card is given by showing it, and opens;
blocked, it is refused within 2 s; tomorrow is closed, and tomorrow an occasional member is refused with the reason.

Sim tier: the reader, the latch and the copier are simulated, everything else is the program, in real time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestServer

from agent.config import Places
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import EntryDecided, LatchMoved
from agent.rules.facts import FormulaId
from agent.services import door, paper
from agent.services.standing import Standing
from agent.views.web.pages import make_app
from drivers.clock import SystemClock
from drivers.contract import CardNumber, Moment, Trust
from drivers.sim import SimBuilding
from drivers.verbs import parse
from tests.stories.appliance import write_site
from tests.views.hand import Hand, Page, hand_at

PARIS = ZoneInfo("Europe/Paris")
NEW, OTHER, BOBS = "04AABBCC01", "04AABBCC02", "0F00D4E5F6"


class MovedClock(SystemClock):
    """The machine's clock, put to another day."""

    def __init__(self, local: str) -> None:
        super().__init__()
        self.shift = datetime.fromisoformat(local).replace(tzinfo=PARIS).astimezone(UTC) - super().now().utc

    def now(self) -> Moment:
        at = super().now()
        return replace(at, utc=at.utc + self.shift, trust=Trust.SYNCHRONISED)


class Afternoon:
    """The running services, and one person's browser."""

    def __init__(
        self, hand: Hand, ledger: Ledger, roster: RosterStore, building: SimBuilding, clock: MovedClock
    ) -> None:
        self.hand, self.ledger, self.roster, self.building, self.clock = hand, ledger, roster, building, clock

    async def badge(self, reader: str, card: str) -> EntryDecided:
        """Show a card at the door and return what became of it."""
        before = len(list(self.ledger.entries(EntryDecided)))
        self.building.obey(parse(f"badge {reader} {card}"))
        for _ in range(100):
            entries = list(self.ledger.entries(EntryDecided))
            if len(entries) > before:
                return cast("EntryDecided", entries[-1].fact)
            await asyncio.sleep(0.02)
        raise AssertionError("the door said nothing within 2 s")

    async def given(self, page: Page) -> Page:
        """Reload the page that waits, until something became of it."""
        for _ in range(100):
            page = await self.hand.open(page.path)
            if "Refresh" not in page.headers:
                return page
            await asyncio.sleep(0.05)
        raise AssertionError(page.text)


def live(folder: Path, start: str, story: Callable[[Afternoon], Awaitable[None]]) -> None:
    """Run the door and paper services and the pages of a simulated site from a local time on."""

    async def run() -> None:
        site, clock, places = write_site(folder), MovedClock(start), Places(folder / "state", folder / "run")
        for place in (places.state, places.run):
            place.mkdir()
        building = SimBuilding(clock)
        with Ledger.open(places.state / "ledger.db") as ledger, RosterStore.open(places.state, ledger, clock) as roster:
            tasks = []
            for service in (door, paper):
                name = service.__name__.rpartition(".")[2]
                stand = Standing(name, site, places, clock, ledger, roster, building)
                await service.wire(stand)
                tasks.append(asyncio.create_task(stand.run()))
            app = make_app(site, places, ledger, roster, clock)
            async with TestServer(app) as server, hand_at(app, str(server.make_url("/")).rstrip("/")) as hand:
                await asyncio.sleep(0.5)  # until the readers are heard and the first picture is out
                await asyncio.wait_for(story(Afternoon(hand, ledger, roster, building, clock)), 60)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_a_card_is_given_through_a_reader_opens_and_once_lost_is_refused(tmp_path: Path) -> None:
    async def story(site: Afternoon) -> None:
        hand = site.hand
        await hand.claim()
        form = (await hand.open("/membres")).form("/membres", since="2026-11-24")
        page = await hand.send(form, name="Ada Lovelace", formula="subscriber")
        wait = await hand.send(page.form("/membre/m001/carte"))
        entry = await site.badge("door", NEW)
        assert (entry.granted, entry.rule) == (False, "unknown-card")
        assert "Carte donnée" in (await site.given(wait)).text
        entry = await site.badge("door", NEW)
        assert (entry.granted, entry.rule, entry.member) == (True, "always", "m001")
        assert [e.fact.state for e in site.ledger.entries(LatchMoved)][:1] == ["released"]  # type: ignore[attr-defined]
        page = await hand.open("/membre/m001")
        wait = await hand.send(page.form("/membre/m001/carte"))
        site.building.obey(parse(f"badge copier {OTHER}"))  # the reader beside the copier serves as well
        assert "Carte donnée" in (await site.given(wait)).text
        assert (await site.badge("door", OTHER)).granted
        key = site.roster.card_key(CardNumber(NEW))
        ask = await hand.open(f"/carte/{key[:16]}/bloquer")
        began = time.monotonic()
        page = await hand.send(ask.form(f"/carte/{key[:16]}/bloquer"))
        entry = await site.badge("door", NEW)
        assert time.monotonic() - began < 2.0
        assert (entry.granted, entry.rule) == (False, "blocked-card")
        assert "la porte la refuse" in page.text
        assert (await site.badge("door", OTHER)).granted  # hers too, and not lost

    live(tmp_path, "2026-11-24 14:00", story)


def test_what_is_closed_on_the_page_is_closed_at_the_door(tmp_path: Path) -> None:
    async def story(site: Afternoon) -> None:
        hand = site.hand
        bob = site.roster.add_member("Bob", FormulaId("occasional"), actor="cli", since=date(2026, 1, 1))
        site.roster.give_card(bob, CardNumber(BOBS), actor="cli")
        await hand.claim()
        assert (await site.badge("door", BOBS)).rule == "opening-hours"
        page = await hand.open("/horaires")
        page = await hand.send(page.form("/horaires/fermer", first="2026-11-25"), ("reason", "snow"))
        assert "neige" in page.text
        assert (await site.badge("door", BOBS)).rule == "opening-hours"  # today is today
        site.clock.shift += timedelta(days=1)
        entry = await site.badge("door", BOBS)
        assert (entry.granted, entry.rule) == (False, "closure")
        page = await hand.enter()  # the day's session is over
        page = await hand.open("/horaires")
        assert "Fermé (neige)" in page.text.replace("\u00a0", " ")
        await hand.send(page.form("/horaires/ouvrir", day="2026-11-25"))
        assert (await site.badge("door", BOBS)).rule == "opening-hours"
        page = await hand.open("/horaires")
        await hand.send(page.form("/horaires/semaine"), wednesday="9h-12h")
        assert (await site.badge("door", BOBS)).rule == "closed"

    live(tmp_path, "2026-11-24 14:00", story)


def test_a_visitor_enters_until_the_time_is_over(tmp_path: Path) -> None:
    async def story(site: Afternoon) -> None:
        hand = site.hand
        await hand.claim()
        at = "/membres/visiteurs"
        wait = await hand.send((await hand.open(at)).form(at), number="3")
        await site.badge("door", NEW)
        assert "Carte donnée" in (await site.given(wait)).text
        entry = await site.badge("door", NEW)
        assert (entry.granted, entry.rule) == (False, "visitor-expired")  # still in the drawer
        page = await hand.open(at)
        page = await hand.send(page.form(f"{at}/3/preter"), guest="Zoé", organisation="Communauté", until="14:30")
        entry = await site.badge("door", NEW)
        assert (entry.granted, entry.rule, entry.member, entry.formula) == (True, "visitor", "", "visitor")
        site.clock.shift += timedelta(minutes=31)
        entry = await site.badge("door", NEW)
        assert (entry.granted, entry.rule) == (False, "visitor-expired")

    live(tmp_path, "2026-11-24 14:00", story)
