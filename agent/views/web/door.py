"""The door: how it is, and opening it from here. `/porte`, `/porte/ouvrir`, `/porte/laisser`.

The one idea: two steps, and the second proves that a person stands there. The first page only asks; the second page
holds a number that this server made up for this account, good once and for a minute, and wants the reason and the PIN.
The number is the id of the request to the door service, so whatever is sent twice opens once. The answer says what
was *seen*: the contact's time, or that the door did not move, or that nobody can see it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from agent.ask import Answer
from agent.live import STALE_S, LiveDoor, age_s, read_pictures
from agent.memory.codec import RosterLostError
from agent.memory.ledger import LedgerError
from agent.memory.roster import Person
from agent.rules.door import DoorChanged, EntryDecided
from agent.rules.facts import Fact, MemberId
from agent.rules.incidents import Area
from agent.rules.leaf import DoorFaultChanged, EntryUnused
from agent.rules.readers import StrangersChanged
from agent.rules.remote import LONGEST_S, OpenedRemotely, Refusal, Whom, WindowClosed, WindowOpened, next_time
from agent.views.events import Labels, tell
from agent.views.lately import lately
from agent.views.sentences import Saying
from agent.views.web.asking import asked, local_now, people
from agent.views.web.bookings import lockdown_said
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
    form,
    needs,
    page,
    stepped_up,
    words_of,
)
from agent.views.web.render import last_out
from agent.views.web.watch import WATCH

NONCE_S = 60.0
NONCES = 50  # steps begun and not ended
PATIENCE_S = 8.0  # beyond the pulse: the leaf is watched for 3 s after it
PICTURE_S = 0.2  # a service's picture follows a change by less
SHOWN, DAYS = 20, timedelta(days=7)
KINDS: tuple[type[Fact], ...] = (
    *(EntryDecided, EntryUnused, DoorChanged, DoorFaultChanged, StrangersChanged),
    *(OpenedRemotely, WindowOpened, WindowClosed),
)
SAID = {  # what the door service answers, in words
    "opened": "porte.opened",
    "not-moved": "porte.not_moved",
    "already-open": "porte.already_open",
    "no-contact": "porte.no_contact",
    "mute-contact": "porte.mute_contact",
    "no-latch": "porte.no_latch",
    "too-many": "porte.too_many",
    "whom": "porte.whom_missing",
    "window-fed": "porte.window_fed",
    "window-cards": "porte.window_cards",
    "closed": "porte.closed",
    "nothing-open": "porte.nothing_open",
    "no-time": "porte.no_time",
    "past": "porte.no_time",
    "too-long": "porte.too_long",
    "lockdown": "porte.locked_down",
}

log = logging.getLogger(__name__)


class Nonces:
    """Numbers made up for one account, good once and for a minute. Kept in memory: a restart voids them."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def give(self, account: str, now_s: float) -> str:
        """Make one up."""
        nonce = secrets.token_hex(16)
        self._given[nonce] = (account, now_s)
        while len(self._given) > NONCES:
            self._given.popitem(last=False)
        return nonce

    def take(self, nonce: str, account: str, now_s: float) -> bool:
        """Use one up; False for one that is unknown, used, too old, or another account's."""
        whose, since_s = self._given.pop(nonce, ("", 0.0))
        return bool(whose) and whose == account and now_s - since_s <= NONCE_S


STEPS = web.AppKey("steps", Nonces)


def routes(app: web.Application) -> None:
    """Add these pages, where there is a door."""
    if app[GATE].site.door is None:
        return
    app[STEPS] = Nonces()
    app.router.add_get("/porte", show_door)
    app.router.add_get("/porte/ouvrir", ask_open)
    app.router.add_post("/porte/ouvrir", open_now)
    app.router.add_get("/porte/laisser", ask_hold)
    app.router.add_post("/porte/laisser", hold)
    app.router.add_post("/porte/refermer", close)


def _live(request: web.Request) -> LiveDoor | None:
    """Return the door service's picture, if it is fresh."""
    picture = read_pictures(request.app[PLACES].run).get("door")
    if picture is None or age_s(picture, request.app[CLOCK].now()) > STALE_S:
        return None
    return picture.door


@needs(Role.ANIMATOR)
async def show_door(request: web.Request) -> web.StreamResponse:
    """Show the door as it is, and what happened at it."""
    watch, t = request.app[WATCH], words_of(request)
    say = Saying(watch.site, watch.look(), t.language)
    live, now = _live(request), local_now(request)
    until = None if live is None or live.window_until is None else live.window_until.astimezone(now.tzinfo)
    left = 0 if until is None else max(0, -(-int(until.timestamp() - now.timestamp()) // 60))
    try:
        listed, lockdown = not request.app[ROSTER].fault, lockdown_said(request)
    except LedgerError:  # whether a lockdown stands, the door's own incident says; what a hand does at the door goes on
        listed, lockdown = False, ""
    return page(
        request,
        "door.html",
        title="porte.title",
        cards=[card for card in say.cards() if card.area is Area.DOOR],
        acting=False,
        reachable=live is not None,
        lockdown=lockdown,
        listed=listed,
        last_out=last_out(say),
        until="" if until is None else f"{until:%H:%M}",
        left=t("event.duration", h=left // 60, m=left % 60),
        fed=live is not None and live.window_fed,
        events=_events(request),
    )


def _events(request: web.Request) -> list[tuple[str, str]] | None:
    """Return the door's last events with their times; None if they cannot be read."""
    t, labels = words_of(request), Labels.of(request.app[GATE].site)
    now = local_now(request)
    try:
        last = lately(request.app[LEDGER], KINDS, now - DAYS, SHOWN)
        names = _names(request)
    except LedgerError as error:
        log.warning("the door's events cannot be read: %s", error)
        return None
    told = []
    for entry in last:
        local, fact = entry.at.utc.astimezone(now.tzinfo), entry.fact
        if isinstance(fact, EntryDecided) and fact.member in names:
            fact = replace(fact, member=MemberId(names[fact.member].name))
        time = f"{local:%H:%M}" if local.date() == now.date() else f"{t.day(local)}, {local:%H:%M}"
        told.append((time, tell(fact, t, labels)))
    return told


def _names(request: web.Request) -> dict[str, Person]:
    """Return everybody by id; nobody while the roster cannot be read: their ids are shown then."""
    try:
        return people(request)
    except RosterLostError:
        return {}


def _nonce(request: web.Request) -> str:
    return request.app[STEPS].give(account_of(request).id, request.app[CLOCK].now().mono_s)


@needs(Role.ANIMATOR)
async def ask_open(request: web.Request) -> web.StreamResponse:
    """Ask who is let in, and for the PIN."""
    return page(request, "door_open.html", title="porte.open_title", nonce=_nonce(request), whoms=list(Whom))


@needs(Role.ANIMATOR)
async def ask_hold(request: web.Request) -> web.StreamResponse:
    """Ask until when, and for the PIN."""
    door = request.app[GATE].site.door
    fed = door is not None and door.lock.continuous
    hours = int(LONGEST_S // 3600)
    return page(request, "door_hold.html", title="porte.hold_title", nonce=_nonce(request), fed=fed, hours=hours)


async def _proved(request: web.Request, fields: dict[str, str], again: str) -> web.HTTPSeeOther | None:
    """Return where to send somebody who did not prove to stand there; None if they did."""
    actor, now_s = account_of(request).id, request.app[CLOCK].now().mono_s
    if not request.app[STEPS].take(fields.get("nonce", ""), actor, now_s):
        await audit(request, "door-refused", "nonce")
        return back(request, again, "porte.too_late")
    if not await stepped_up(request, fields.get("pin", "")):
        await audit(request, "door-refused", "pin")
        return back(request, again, "porte.wrong_pin")
    return None


@needs(Role.ANIMATOR)
async def open_now(request: web.Request) -> web.StreamResponse:
    """Open once."""
    fields = await form(request)
    whom, door = fields.get("whom", ""), request.app[GATE].site.door
    if whom not in set(Whom) or door is None:
        return back(request, "/porte/ouvrir", "porte.whom_missing")
    refused = await _proved(request, fields, "/porte/ouvrir")
    if refused is not None:
        return refused
    wait_s = door.lock.hold_s + PATIENCE_S
    answer = await asked(request, "door", "open", {"whom": whom}, reason=whom, wait_s=wait_s, nonce=fields["nonce"])
    return await _answered(request, answer)


@needs(Role.ANIMATOR)
async def hold(request: web.Request) -> web.StreamResponse:
    """Begin an event window."""
    fields = await form(request)
    until = next_time(fields.get("until", ""), local_now(request))
    if isinstance(until, Refusal):
        return back(request, "/porte/laisser", "porte.no_time")
    refused = await _proved(request, fields, "/porte/laisser")
    if refused is not None:
        return refused
    answer = await asked(
        request, "door", "hold-open-until", {"until": until.isoformat()}, reason="event", nonce=fields["nonce"]
    )
    return await _answered(request, answer)


@needs(Role.ANIMATOR)
async def close(request: web.Request) -> web.StreamResponse:
    """End an event window; needs no PIN: closing harms nobody."""
    answer = await asked(request, "door", "close-now", {})
    return await _answered(request, answer)


async def _answered(request: web.Request, answer: Answer) -> web.HTTPSeeOther:
    """Say what came of it, once the door service has shown it: the next page must not contradict the answer."""
    if answer.done:
        await asyncio.sleep(PICTURE_S)
    return back(request, "/porte", SAID.get(answer.code, "porte.silent"), value=answer.value)
