"""A member's own jobs that wait for their badge, on `/moi`: what each will cost, until when it waits, and its way back.

The one idea: a member sees what a badge would let out, and nothing else: the jobs under their own names and those the
animator gave to them. No title is shown, for none leaves the driver: the hour and the size tell jobs apart. A job is
taken back by the paper service, which alone knows whether it was let out a moment ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from agent.live import LiveHeld
from agent.rules.facts import FormulaId
from agent.rules.forecast import Forecast, quote
from agent.rules.release import Withdrawal
from agent.views.web.asking import asked, local_now, tariff_of
from agent.views.web.counter import devices_of, release_now
from agent.views.web.gate import GATE, Role, account_of, back, form, needs, words_of
from agent.views.words import Words, money

SHOWN = 30
SAID = {
    Withdrawal.WITHDRAWN.value: "me.waiting.withdrawn",
    Withdrawal.RELEASED.value: "me.waiting.released",
    Withdrawal.GONE.value: "me.waiting.gone",
}


@dataclass(frozen=True, slots=True)
class Mine:
    """One waiting job, in words."""

    job: str  # its name
    sent: str
    what: str
    price: str  # "" where nobody can tell
    until: str


def routes(app: web.Application) -> None:
    """Add the way to take a job back, where jobs wait."""
    if devices_of(app[GATE].site):
        app.router.add_post("/moi/annuler", take_back)


def rows(request: web.Request, member: str, formula: FormulaId) -> list[Mine] | None:
    """Return the jobs that wait for a member's badge, the oldest first; None if nobody knows at present."""
    release = release_now(request)
    if release is None or release.held is None:
        return None
    mine = [one for one in release.held if one.member == member][:SHOWN]
    return [_mine(request, one, formula, words_of(request)) for one in mine]


def _mine(request: web.Request, one: LiveHeld, formula: FormulaId, t: Words) -> Mine:
    zone, keep = request.app[GATE].zone, timedelta(hours=request.app[GATE].site.keep_h)
    at = datetime.fromtimestamp(one.created_s, UTC)
    sent, until = at.astimezone(zone), (at + keep).astimezone(zone)
    return Mine(
        one.name,
        t("me.waiting.sent", day=t.day(sent), time=f"{sent:%H:%M}"),
        _size(one, t),
        _price(request, [Forecast(one.sides, one.colour)], formula, t),
        t("me.waiting.until", day=t.day(until), time=f"{until:%H:%M}"),
    )


def _size(one: LiveHeld, t: Words) -> str:
    if one.sides is None:
        return t("me.waiting.looking" if one.why == "waiting" else "me.waiting.sides_unknown")
    sides = t("me.waiting.sides", n=one.sides)
    if one.colour is None:
        return f"{sides}, {t('me.waiting.colour_unknown')}"
    return f"{sides}, {t('me.waiting.colour', n=one.colour) if one.colour else t('me.waiting.mono')}"


def _price(request: web.Request, told: Sequence[Forecast], formula: FormulaId, t: Words) -> str:
    tariff = tariff_of(request)
    ends = quote(told, tariff, local_now(request).date(), formula)
    if tariff is None or ends is None:
        return ""
    low, high = (money(end, tariff.currency, t) for end in ends)
    return low if low == high else t("me.waiting.between", low=low, high=high)


@needs(Role.MEMBER)
async def take_back(request: web.Request) -> web.StreamResponse:
    """Take a waiting job back, for the member of this session."""
    wanted = {"job": (await form(request)).get("job", "")[:40], "member": account_of(request).id}
    answer = await asked(request, "paper", "job-withdraw", wanted)
    return back(request, "/moi", SAID.get(answer.code, "me.waiting.unsure"))
