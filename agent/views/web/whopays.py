"""Who pays is chosen at the screen beside the copier: a touch, the badge, a touch. `/copieur`.

The one idea: *the screen is nobody, its address is what it may do*. Whoever stands there has badged, not signed in, and
anybody on the network can open `/copieur`: so the buttons are shown, and a touch is heard, only at the addresses that
the site file names for that copier (`screens`), over the pages' own listener with its form tokens, never over the
public one. The names shown are those of the accounts that pay for whoever just badged and asked, for half a minute;
or, of a visit at the glass, for as long as who pays for its copies may be chosen, once somebody touched that.
Without such a screen a member chooses on `/moi` before they badge. Works by touch, without JavaScript or a keyboard.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

from agent.ask import AskError, Request, ask
from agent.live import ASK_STANDS_S, LiveAsk, LiveRelease, LiveTab, Picture, read_pictures
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
    fields: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False
    href: str = ""  # a link, that sends nothing


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


def tab_of(paper: Picture | None, device: str, now: datetime) -> LiveTab | None:
    """Return the visit at a copier for whose copies somebody may choose who pays; None if there is none."""
    tab = None if paper is None else paper.tabs.get(device)
    if paper is None or tab is None:
        return None
    live = paper.devices.get(device)
    stands = live is not None and live.visitor if tab.until is None else now < tab.until
    return tab if stands else None


def opened(request: web.Request, tab: LiveTab | None) -> bool:
    """Tell whether this screen asks who pays for the copies of that very visit."""
    return tab is not None and bool(tab.payers) and request.query.get("copies") == str(tab.turn)


def buttons(
    request: web.Request, device: str, asked: LiveAsk | None, tab: LiveTab | None, t: Words, *, releases: bool
) -> tuple[Button, ...]:
    """Return the buttons of this screen; () where it has none. `releases`: what waits for a badge is known."""
    if not chooses(request, device):
        return ()
    if releases and asked is not None:
        return _asked(request, asked, t)
    here = f"/copieur/{device}"
    if tab is not None and opened(request, tab):
        return (
            *_accounts(request, tab.payers, {"copies": str(tab.turn)}, but=tab.payer),
            *((Button(t("copieur.myself"), {"copies": str(tab.turn), "payer": ""}),) if tab.payer else ()),
            Button(t("copieur.cancel"), quiet=True, href=here),
        )
    touches = []
    if tab is not None and tab.payers:
        touches.append(Button(t("copieur.copies"), quiet=True, href=f"{here}?copies={tab.turn}"))
    if releases and open_payers(request):
        touches.append(Button(t("copieur.account"), {"on": "1"}, quiet=True))
    return tuple(touches)


def _accounts(
    request: web.Request, payers: Iterable[str], which: Mapping[str, str], but: str = ""
) -> tuple[Button, ...]:
    names = request.app[ROSTER].payers.names()
    there = [(one, names[MemberId(one)]) for one in payers if MemberId(one) in names and one != but]
    return tuple(Button(name, {**which, "payer": one}) for one, name in there)


def _asked(request: web.Request, asked: LiveAsk, t: Words) -> tuple[Button, ...]:
    if not asked.payers:
        return (Button(t("copieur.cancel"), {"on": ""}, quiet=True),)
    turn = {"turn": str(asked.turn)}
    nothing = t("copieur.nothing") if asked.jobs else t("copieur.cancel")
    return (
        *_accounts(request, asked.payers, turn),
        Button(t("copieur.myself"), {**turn, "payer": ""}),
        Button(nothing, {**turn, "payer": NOBODY}, quiet=True),
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
    if "copies" in fields:
        action, given["turn"] = "copies-choose", fields["copies"][:40]
    wanted = Request(action, f"screen:{device}", "", clock.now().mono_s + WAIT_S, given)
    before = _shown(request, device)
    try:
        await ask(request.app[PLACES].run, "paper", wanted, WAIT_S)
    except AskError as error:  # the screen says itself that nothing is known
        log.warning("%s", error)
    await shown_anew(lambda: _shown(request, device), before)
    return web.Response(status=303, headers={"Location": f"/copieur/{device}"})


def _shown(request: web.Request, device: str) -> tuple[LiveAsk | None, LiveTab | None]:
    paper = read_pictures(request.app[PLACES].run).get("paper")
    if paper is None:
        return None, None
    return (None if paper.release is None else paper.release.asks.get(device)), paper.tabs.get(device)
