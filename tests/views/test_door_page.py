"""The door from the page: the real pages, the real door service, a real latch over the board peer.

The relay's pulses are read from the board's own recorder, which knows nothing of us.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from agent.config import DoorConfig, InputConfig, LockConfig, Places, Site
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.access import Acted, Role
from agent.rules.facts import Fact
from agent.rules.remote import OpenedRemotely, Whom, WindowClosed, WindowOpened
from agent.services import door as service
from agent.services.standing import Standing
from agent.views.web.listen import listening
from agent.views.web.pages import make_app
from drivers.clock import SystemClock
from drivers.contract import Moment
from drivers.peers.board import Board
from tests.views.hand import PIN, Form, Hand, Page, hand_at
from tests.views.scenes import SITE

PARIS = ZoneInfo("Europe/Paris")
RELAY, CONTACT, BUTTON = 17, 22, 27
HOLD_S = 0.6

pytestmark = pytest.mark.peers


class PagesClock(SystemClock):
    """The machine's clock, for the pages alone; it can be put forward."""

    ahead_s = 0.0

    def now(self) -> Moment:
        at = super().now()
        return replace(at, utc=at.utc + timedelta(seconds=self.ahead_s), mono_s=at.mono_s + self.ahead_s)


class Porch:
    """A running door with its pages, and one signed-in animator's browser."""

    def __init__(self, app: web.Application, origin: str, hand: Hand, board: Board, ledger: Ledger) -> None:
        self.app, self.origin, self.hand, self.board, self.ledger = app, origin, hand, board, ledger

    def pulses(self) -> int:
        """Return how often the relay was driven, by the board's recorder."""
        return sum(change.high for change in self.board.record(RELAY))

    def facts(self, *kinds: type[Fact]) -> list[Any]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    def refused(self) -> list[str]:
        return [one.subject for one in self.facts(Acted) if one.action == "door-refused"]

    async def step_two(self) -> Form:
        """Go to the second step by the first, as a person does."""
        page = await self.hand.open("/porte")
        assert 'href="/porte/ouvrir"' in page.html
        return (await self.hand.open("/porte/ouvrir")).form("/porte/ouvrir")

    async def leaf_opens(self) -> None:
        """Wait for the relay, then push the leaf open."""
        for _ in range(400):
            if self.board.level(RELAY):
                self.board.drive(CONTACT, high=True)
                return
            await asyncio.sleep(0.01)

    async def open(self, form: Form, whom: str = "delivery", pin: str = PIN) -> Page:
        return await self.hand.send(form, whom=whom, pin=pin)


@contextlib.asynccontextmanager
async def porch(folder: Path, site: Site, board: Board, clock: PagesClock) -> AsyncIterator[Porch]:
    places = Places(folder / "state", folder / "run")
    for place in (places.state, places.run):
        place.mkdir()
    with Ledger.open(places.state / "ledger.db") as ledger, RosterStore.open(places.state, ledger, clock) as roster:
        stand = Standing("door", site, places, SystemClock(), ledger, roster)
        await service.wire(stand)
        running = asyncio.create_task(stand.run())
        app = make_app(site, places, ledger, roster, clock)
        try:
            async with listening(app, "127.0.0.1:0") as port:
                origin = f"http://127.0.0.1:{port}"
                async with hand_at(app, origin) as hand:
                    await hand.claim()
                    await asyncio.sleep(0.3)  # until the first picture is out
                    yield Porch(app, origin, hand, board, ledger)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def play(
    folder: Path,
    story: Callable[[Porch, PagesClock], Awaitable[None]],
    *,
    contact: bool = True,
    continuous: bool = False,
) -> None:
    """Run a story before one real latch."""
    with Board(folder / "board") as board:
        wires = {"exit_button": InputConfig(BUTTON)} | ({"contact": InputConfig(CONTACT)} if contact else {})
        lock = LockConfig("gpio", board.chip, RELAY, hold_s=HOLD_S, continuous=continuous)
        site = replace(SITE, door=DoorConfig(lock, wires), readers={})

        async def run() -> None:
            clock = PagesClock()
            async with porch(folder, site, board, clock) as place:
                await asyncio.wait_for(story(place, clock), 60)

        asyncio.run(run())


def test_open_in_two_steps_and_only_once(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        form = await place.step_two()
        leaf = asyncio.create_task(place.leaf_opens())
        page = await place.open(form)
        await leaf
        assert page.path == "/porte"
        said = place.facts(OpenedRemotely)
        assert said == [OpenedRemotely("a1", Whom.DELIVERY)]
        assert '<p class="flash" role="status">Ouverte ' in page.html
        assert page.text.count("Ouverture commandée depuis la page : une livraison") == 1
        assert place.pulses() == 1
        again = await place.open(form)  # the same number again
        assert "valable qu'une minute et une seule fois" in again.text
        await asyncio.sleep(HOLD_S)
        assert place.pulses() == 1
        assert len(place.facts(OpenedRemotely)) == 1
        assert place.refused() == ["nonce"]

    play(tmp_path, story)


def test_a_number_is_good_for_a_minute(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        form = await place.step_two()
        clock.ahead_s += 61
        page = await place.open(form)
        assert page.path == "/porte/ouvrir"
        assert "Trop tard" in page.text
        assert '<p class="flash wrong" role="alert">Trop tard' in page.html
        assert (place.pulses(), place.facts(OpenedRemotely), place.refused()) == (0, [], ["nonce"])

    play(tmp_path, story)


def test_a_wrong_pin_opens_nothing_is_counted_and_uses_the_number_up(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        form = await place.step_two()
        wrong = (await place.open(form, pin="000000")).html
        assert '<p class="flash wrong" role="alert">Code de la porte incorrect' in wrong
        assert "Trop tard" in (await place.open(form)).text
        for _ in range(4):
            await place.open(await place.step_two(), pin="000000")
        page = await place.open(await place.step_two())  # right at last, but five were wrong
        assert "trop d'essais" in page.text
        assert (place.pulses(), place.facts(OpenedRemotely)) == (0, [])
        assert place.refused() == ["pin", "nonce", "pin", "pin", "pin", "pin", "pin"]

    play(tmp_path, story)


def test_another_accounts_number_and_no_number_open_nothing(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        theirs = (await place.step_two()).fields["nonce"]
        async with hand_at(place.app, place.origin) as other:
            await other.claim(Role.OPS, "Dominique")
            form = (await other.open("/porte/ouvrir")).form("/porte/ouvrir")
            assert "Trop tard" in (await other.send(form, nonce=theirs, whom="test", pin=PIN)).text
            assert "Trop tard" in (await other.send(form, nonce="", whom="test", pin=PIN)).text
            assert "Dites qui entre" in (await other.send(form, whom="Mme Dupont", pin=PIN)).text
        assert (place.pulses(), place.facts(OpenedRemotely)) == (0, [])

    play(tmp_path, story)


def test_nobody_unknown_comes_near_the_door(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        async with hand_at(place.app, place.origin) as stranger:
            for path in ("/porte", "/porte/ouvrir", "/porte/laisser"):
                assert (await stranger.open(path)).path == "/entrer"
            form = Form("/porte/ouvrir", "post", files=False, fields={"whom": "test", "pin": PIN})
            assert (await stranger.send(form)).status == 403  # no token of ours
        assert place.pulses() == 0

    play(tmp_path, story)


def test_it_says_that_the_door_did_not_move_or_that_nobody_sees_it(tmp_path: Path) -> None:
    async def still(place: Porch, clock: PagesClock) -> None:
        page = await place.open(await place.step_two(), whom="test")
        assert "Commande envoyée, la porte n'a pas bougé." in page.text
        assert place.pulses() == 1
        english = await place.hand.open("/porte?lang=en")
        assert "Opening commanded from the page: a test" in english.text

    async def blind(place: Porch, clock: PagesClock) -> None:
        page = await place.open(await place.step_two(), whom="test")
        assert "Cette porte n'a pas de capteur" in page.text
        assert "verrouillée" not in page.text.replace("Cela ne dit pas si la porte est verrouillée.", "")
        assert place.pulses() == 1

    for name, story, contact in (("still", still, True), ("blind", blind, False)):
        (tmp_path / name).mkdir()
        play(tmp_path / name, story, contact=contact)


def test_leave_open_says_what_this_lock_can_do(tmp_path: Path) -> None:
    async def cards(place: Porch, clock: PagesClock) -> None:
        page = await place.hand.open("/porte/laisser")
        assert "n'est pas faite pour rester libérée" in page.text
        until = (clock.now().utc.astimezone(PARIS) + timedelta(hours=2)).strftime("%H:%M")
        page = await place.hand.send(page.form("/porte/laisser"), until=until, pin=PIN)
        assert f"Jusqu'à {until}, toutes les cartes connues entrent." in page.text
        await asyncio.sleep(0.3)
        page = await place.hand.open("/porte")
        assert f"Ouverte jusqu'à {until}" in page.text
        assert "Encore 1 h 59." in page.text or "Encore 2 h 00." in page.text
        assert place.pulses() == 0
        page = await place.hand.send(page.form("/porte/refermer"))
        assert "n'est plus laissée ouverte" in page.text
        assert [type(one).__name__ for one in place.facts(WindowOpened, WindowClosed)] == [
            *("WindowOpened", "WindowClosed"),
        ]

    async def fed(place: Porch, clock: PagesClock) -> None:
        page = await place.hand.open("/porte/laisser")
        assert "restera libérée jusqu'à l'heure dite" in page.text
        until = (clock.now().utc.astimezone(PARIS) + timedelta(hours=2)).strftime("%H:%M")
        assert (
            "Code de la porte incorrect"
            in (await place.hand.send(page.form("/porte/laisser"), until=until, pin="000000")).text
        )
        assert place.pulses() == 0
        page = await place.hand.open("/porte/laisser")
        page = await place.hand.send(page.form("/porte/laisser"), until=until, pin=PIN)
        await asyncio.sleep(0.5)
        assert place.board.level(RELAY)
        page = await place.hand.send((await place.hand.open("/porte")).form("/porte/refermer"))
        await asyncio.sleep(0.2)
        assert not place.board.level(RELAY)

    for name, story, continuous in (("cards", cards, False), ("fed", fed, True)):
        (tmp_path / name).mkdir()
        play(tmp_path / name, story, continuous=continuous)


def test_too_long_and_no_time_are_said(tmp_path: Path) -> None:
    async def story(place: Porch, clock: PagesClock) -> None:
        page = await place.hand.open("/porte/laisser")
        page = await place.hand.send(page.form("/porte/laisser"), until="soir", pin=PIN)
        assert "Ce n'est pas une heure" in page.text
        until = (clock.now().utc.astimezone(PARIS) + timedelta(hours=9)).strftime("%H:%M")
        page = await place.hand.open("/porte/laisser")
        page = await place.hand.send(page.form("/porte/laisser"), until=until, pin=PIN)
        assert "6 heures au plus" in page.text
        assert place.facts(WindowOpened) == []

    play(tmp_path, story)
