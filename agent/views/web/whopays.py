"""Who pays is chosen at the screen beside the copier: a touch, the badge, a touch. `/copieur`.

The one idea: *the screen is nobody, its address is what it may do*. Whoever stands there has badged, not signed in, and
anybody on the network can open `/copieur`: so the buttons are shown, and a touch is heard, only at the addresses that
the site file names for that copier (`screens`), over the pages' own listener with its form tokens, never over the
public one. The names shown are those of the accounts that pay for whoever just badged and asked, for half a minute.
Without such a screen a member chooses on `/moi` before they badge. Works by touch, without JavaScript or a keyboard.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from agent.ask import AskError, Request, ask
from agent.live import ASK_STANDS_S, LiveAsk, LiveRelease, read_pictures
from agent.rules.facts import MemberId
from agent.views.web.asking import open_payers, shown_anew
from agent.views.web.gate import CALLER, CLOCK, GATE, PLACES, ROSTER, form
from agent.views.words import Words

STANDS = timedelta(seconds=ASK_STANDS_S)  # then the paper service hears no choice any more
SAID = timedelta(seconds=20)  # how long it is said that nobody chose
WAIT_S = 10.0
NOBODY = "-"  # nothing is to come out

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Button:
    """One button: what it sends, and what stands on it."""

    label: str
    fields: Mapping[str, str]
    quiet: bool = False


def chooses(request: web.Request, device: str) -> bool:
    """Tell whether who pays can be chosen at this very screen."""
    screens = request.app[GATE].site.printers[device].screens
    return CALLER in request and (request.remote or "").partition("%")[0] in screens


def standing(release: LiveRelease | None, device: str, now: datetime) -> tuple[LiveAsk | None, bool]:
    """Return what the screen was touched for, if that stands; and whether it just lapsed without a choice."""
    asked = release and release.asks.get(device)
    if not asked:
        return None, False
    age = now - asked.at
    if timedelta() <= age < STANDS:
        return asked, False
    return None, bool(asked.payers) and STANDS <= age < STANDS + SAID


def buttons(request: web.Request, device: str, asked: LiveAsk | None, t: Words) -> tuple[Button, ...]:
    """Return the buttons of this screen; () where it has none."""
    if not chooses(request, device):
        return ()
    if asked is None:
        there_are = bool(open_payers(request))
        return (Button(t("copieur.account"), {"on": "1"}, quiet=True),) if there_are else ()
    if not asked.payers:
        return (Button(t("copieur.cancel"), {"on": ""}, quiet=True),)
    names, turn = request.app[ROSTER].payers.names(), {"turn": str(asked.turn)}
    there = [(one, names[MemberId(one)]) for one in asked.payers if MemberId(one) in names]
    return (
        *(Button(name, {**turn, "payer": one}) for one, name in there),
        Button(t("copieur.myself"), {**turn, "payer": ""}),
        Button(t("copieur.nothing"), {**turn, "payer": NOBODY}, quiet=True),
    )


async def touch(request: web.Request) -> web.Response:
    """Hear a touch, and show the screen again."""
    site, device = request.app[GATE].site, request.match_info["device"]
    if device not in site.printers or not site.intake(device):
        raise web.HTTPNotFound
    if not chooses(request, device):
        raise web.HTTPForbidden
    fields, clock = await form(request), request.app[CLOCK]
    given = {key: fields.get(key, "")[:40] for key in ("on", "turn", "payer")} | {"device": device}
    action = "counter-choose" if "turn" in fields else "counter-touch"
    wanted = Request(action, f"screen:{device}", "", clock.now().mono_s + WAIT_S, given)
    before = _asks(request, device)
    try:
        await ask(request.app[PLACES].run, "paper", wanted, WAIT_S)
    except AskError as error:  # the screen says itself that nothing is known
        log.warning("%s", error)
    await shown_anew(lambda: _asks(request, device), before)
    return web.Response(status=303, headers={"Location": f"/copieur/{device}"})


def _asks(request: web.Request, device: str) -> LiveAsk | None:
    paper = read_pictures(request.app[PLACES].run).get("paper")
    return None if paper is None or paper.release is None else paper.release.asks.get(device)
