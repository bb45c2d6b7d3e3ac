"""Cards: given by showing them to a reader, blocked when lost. `/carte/...`, and the desk where a card is waited for.

The one idea: nobody types a card number. The animator presses a button; the next card that nobody has, shown at any
reader within 60 s, is the one. Door and copier refuse it and say so in the ledger by its keyed hash, and that is what
is given; the number itself is never seen here. One wait at a time: a new one ends the one before, so that no card
goes to the person who was asked for earlier.

A wait lives in this process and does not outlive it: it is a minute long, and is simply asked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from agent.live import STALE_S, read_pictures
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterError, RosterStore
from agent.rules.door import EntryDecided, EntryRule
from agent.rules.facts import CardKey, Fact, MemberId
from agent.rules.members import Card
from agent.rules.paper import CardSeen
from agent.views.web.gate import (
    CLOCK,
    GATE,
    LEDGER,
    PLACES,
    ROSTER,
    Role,
    account_of,
    audit,
    back,
    language,
    needs,
    page,
)
from drivers.contract import Clock, Moment

WAIT_S = 60.0
LOOK_S = 0.25
KEPT = 50  # waits remembered, so that a page that is late still learns what became of its own
AGAIN_S = 2  # how often the waiting page asks
SHORT = 16  # hexadecimal digits that name a card in an address

log = logging.getLogger(__name__)


@dataclass(slots=True)
class CardWait:
    """One wait for a card, and what became of it."""

    name: str  # random: its address
    whom: str  # for people: whose card it will be
    home: str  # the page to go back to
    give: Callable[[CardKey], object]
    began: Moment
    since: int  # the ledger's head when it began
    state: str = "waiting"  # then "given", "late", "replaced", "cancelled" or "refused"
    known: bool = False  # a card that somebody has was shown meanwhile
    why: RosterError | None = None
    at: datetime | None = None  # UTC: when it was given


class CardDesk:
    """Waits for cards. One per application, on its event loop."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._waits: OrderedDict[str, CardWait] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def wait(self, name: str) -> CardWait | None:
        """Return a wait by its name."""
        return self._waits.get(name)

    def left_s(self, wait: CardWait) -> int:
        """Return how many whole seconds a wait still has."""
        return max(0, round(WAIT_S - (self._clock.now().mono_s - wait.began.mono_s)))

    def begin(self, whom: str, home: str, give: Callable[[CardKey], object]) -> CardWait:
        """Begin a wait; the one before ends. Raises LedgerError."""
        self.end("replaced")
        since = self._ledger.head().seq
        wait = CardWait(secrets.token_hex(8), whom, home, give, self._clock.now(), since)
        self._waits[wait.name] = wait
        while len(self._waits) > KEPT:
            self._waits.popitem(last=False)
        self._task = asyncio.create_task(self._mind(wait), name="card-wait")
        return wait

    def end(self, state: str) -> None:
        """End the wait that is on, if one is."""
        for wait in self._waits.values():
            if wait.state == "waiting":
                wait.state = state
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _mind(self, wait: CardWait) -> None:
        since = wait.since
        while self.left_s(wait) > 0:
            try:
                for entry in self._ledger.entries(EntryDecided, CardSeen, since=since):
                    since = entry.seq
                    if entry.at.boot == wait.began.boot and entry.at.mono_s < wait.began.mono_s:
                        continue  # shown before it was asked for, and written late
                    card = unknown_card(entry.fact)
                    if card is not None:
                        return self._hand_over(wait, card)
                    wait.known = True
            except LedgerError as error:
                log.warning("a card is waited for and the ledger cannot be read: %s", error)
            await asyncio.sleep(LOOK_S)
        wait.state = "late"
        return None

    def _hand_over(self, wait: CardWait, card: CardKey) -> None:
        try:
            wait.give(card)
        except RosterError as error:
            wait.state, wait.why = "refused", error
        except LedgerError as error:
            log.warning("a card could not be given: %s", error)
            wait.state = "late"
        else:
            wait.state, wait.at = "given", self._clock.now().utc


def unknown_card(fact: Fact) -> CardKey | None:
    """Return the card that nobody has which a fact tells of; None if it is somebody's."""
    if isinstance(fact, EntryDecided):
        return fact.card if fact.rule == EntryRule.UNKNOWN_CARD else None
    return fact.card if isinstance(fact, CardSeen) else None


DESK = web.AppKey("desk", CardDesk)


def routes(app: web.Application) -> None:
    """Add these pages, and the desk that members' and visitors' pages wait at."""
    app[DESK] = CardDesk(app[LEDGER], app[CLOCK])
    app.cleanup_ctx.append(_closing)
    app.router.add_get("/carte/attente/{name}", show_wait)
    app.router.add_post("/carte/attente/{name}/annuler", cancel)
    app.router.add_get("/carte/{card}/bloquer", ask_block)
    app.router.add_post("/carte/{card}/bloquer", block)
    app.router.add_post("/carte/{card}/debloquer", unblock)
    app.router.add_post("/carte/{card}/reprendre", take)


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    app[DESK].end("cancelled")


# --- waiting ---------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def show_wait(request: web.Request) -> web.StreamResponse:
    """Show what became of a wait; while it lasts the browser asks again by itself, with or without JavaScript."""
    desk = request.app[DESK]
    wait = desk.wait(request.match_info["name"])
    if wait is None:
        return back(request, "/membres", "wait.gone")
    time = "" if wait.at is None else wait.at.astimezone(request.app[GATE].zone).strftime("%H:%M:%S")
    why = "" if wait.why is None else said(request, wait.why)
    answer = page(request, "card_wait.html", title="wait.title", wait=wait, left=desk.left_s(wait), time=time, why=why)
    if wait.state == "waiting":
        answer.headers["Refresh"] = str(AGAIN_S)
    return answer


@needs(Role.ANIMATOR)
async def cancel(request: web.Request) -> web.StreamResponse:
    """End a wait."""
    desk = request.app[DESK]
    wait = desk.wait(request.match_info["name"])
    if wait is not None and wait.state == "waiting":
        desk.end("cancelled")
    return back(request, wait.home if wait else "/membres", "wait.cancelled")


async def begin_wait(
    request: web.Request, subject: str, whom: str, home: str, give: Callable[[CardKey], object]
) -> web.StreamResponse:
    """Begin a wait for a card of `subject` (an id, for the audit) and show it."""
    try:
        wait = request.app[DESK].begin(whom, home, give)
    except LedgerError as error:
        raise web.HTTPServiceUnavailable from error
    await audit(request, "card-awaited", subject)
    return back(request, f"/carte/attente/{wait.name}")


# --- one card --------------------------------------------------------------------------------------------------


def said(request: web.Request, error: RosterError) -> str:
    """Return a refusal of the roster in the reader's language."""
    return error.fr if language(request) == "fr" else error.en


def short(key: CardKey) -> str:
    """Return what names a card in an address."""
    return key[:SHORT]


def _card(request: web.Request) -> Card:
    """Return the card that the address names; 404 if there is none."""
    asked = request.match_info["card"]
    for key, card in request.app[ROSTER].roster().cards.items():
        if short(key) == asked:
            return card
    raise web.HTTPNotFound


def _home(member: MemberId) -> str:
    return f"/membre/{member}"


def door_hears(request: web.Request) -> bool:
    """Tell whether the door's service lives: it reads the roster anew at every badge."""
    picture, now = read_pictures(request.app[PLACES].run).get("door"), request.app[CLOCK].now()
    return picture is not None and picture.at.boot == now.boot and now.mono_s - picture.at.mono_s <= STALE_S


@needs(Role.ANIMATOR)
async def ask_block(request: web.Request) -> web.StreamResponse:
    """Ask once more before a card is blocked."""
    card = _card(request)
    name = request.app[ROSTER].names().get(card.member, card.member)
    return page(request, "card_block.html", title="lost.title", card=card, short=short(card.key), name=name)


@needs(Role.ANIMATOR)
async def block(request: web.Request) -> web.StreamResponse:
    """Block a lost card, and say when."""
    card = _card(request)
    _change(request, lambda roster, actor: roster.block_card(card.key, actor=actor))
    at = request.app[CLOCK].now().utc.astimezone(request.app[GATE].zone)
    await audit(request, "card-blocked", card.key)
    key = "lost.blocked" if door_hears(request) else "lost.blocked_unheard"
    return back(request, _home(card.member), key, time=f"{at:%H:%M:%S}")


@needs(Role.ANIMATOR)
async def unblock(request: web.Request) -> web.StreamResponse:
    """Let a card that was found again open the door again."""
    card = _card(request)
    _change(request, lambda roster, actor: roster.give_card_key(card.member, card.key, actor=actor))
    await audit(request, "card-unblocked", card.key)
    return back(request, _home(card.member), "lost.unblocked")


@needs(Role.ANIMATOR)
async def take(request: web.Request) -> web.StreamResponse:
    """Take a card back: it is nobody's."""
    card = _card(request)
    _change(request, lambda roster, actor: roster.take_card(card.key, actor=actor))
    await audit(request, "card-taken", card.key)
    return back(request, _home(card.member), "lost.taken")


def _change(request: web.Request, work: Callable[[RosterStore, str], object]) -> None:
    """Change the roster; a card that another page took meanwhile is no fault, a disk that fails is a 503."""
    try:
        with contextlib.suppress(RosterError):
            work(request.app[ROSTER], account_of(request).id)
    except LedgerError as error:
        log.warning("the roster is not changed: %s", error)
        raise web.HTTPServiceUnavailable from error
