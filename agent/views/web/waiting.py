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

from agent.live import LiveHeld, held_jobs
from agent.rules.facts import FormulaId, MemberId
from agent.rules.forecast import Forecast, quote
from agent.rules.payers import Charge, usable
from agent.rules.release import Withdrawal
from agent.rules.unprinted import JobUnprinted
from agent.views.web.asking import asked, local_now, shown_anew, tariff_of
from agent.views.web.counter import devices_of, release_now
from agent.views.web.gate import GATE, LEDGER, PLACES, ROSTER, Role, account_of, back, form, needs, words_of
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
    payer: str  # the shared account that is to pay; "" none
    pays: str  # in words: that it does, or why not; "" none


def routes(app: web.Application) -> None:
    """Add the way to take a job back, where jobs wait."""
    if devices_of(app[GATE].site):
        app.router.add_post("/moi/annuler", take_back)
        app.router.add_post("/moi/payeur", choose_payer)


def rows(request: web.Request, member: str, formula: FormulaId) -> list[Mine] | None:
    """Return the jobs that wait for a member's badge, the oldest first; None if nobody knows at present."""
    release = release_now(request)
    if release is None or release.held is None:
        return None
    mine = [one for one in release.held if one.member == member][:SHOWN]
    return [_mine(request, one, formula, words_of(request)) for one in mine]


def unprinted(request: web.Request, member: str) -> list[str]:
    """Return what became of the jobs of a member's last day that nothing came out of, the newest first."""
    t, now = words_of(request), local_now(request)
    told = []
    for entry in request.app[LEDGER].entries(JobUnprinted):
        fact = entry.fact
        if isinstance(fact, JobUnprinted) and fact.member == member and now - entry.at.utc < timedelta(days=1):
            sent = datetime.fromtimestamp(fact.created_s, UTC).astimezone(now.tzinfo)
            when = t("me.waiting.sent", day=t.day(sent), time=f"{sent:%H:%M}")
            told.append(t("me.waiting.unprinted", sent=when, why=t(f"unprinted.{fact.why}")))
    return told[: -SHOWN - 1 : -1]


def _mine(request: web.Request, one: LiveHeld, formula: FormulaId, t: Words) -> Mine:
    zone, keep = request.app[GATE].zone, timedelta(hours=request.app[GATE].site.keep_h)
    at = datetime.fromtimestamp(one.created_s, UTC)
    sent, until = at.astimezone(zone), (at + keep).astimezone(zone)
    formula = request.app[ROSTER].roster().formula_of(MemberId(one.payer)) or formula
    return Mine(
        one.name,
        t("me.waiting.sent", day=t.day(sent), time=f"{sent:%H:%M}"),
        _size(one, t),
        _price(request, [Forecast(one.sides, one.colour, one.sheets, large=one.large)], formula, t),
        t("me.waiting.until", day=t.day(until), time=f"{until:%H:%M}"),
        one.payer,
        _pays(request, one.payer, one.charge, t) if one.payer else "",
    )


def _pays(request: web.Request, payer: str, charge: str, t: Words) -> str:
    name = request.app[ROSTER].payers.names().get(MemberId(payer), payer)
    return t("charge.by" if charge == Charge.CHARGED else f"charge.{charge}", name=name)


def payers(request: web.Request, member: str) -> dict[str, str]:
    """Return the names of the shared accounts that pay for a member today, by id."""
    roster = request.app[ROSTER]
    open_ = usable(roster.roster().payers, MemberId(member), local_now(request).date())
    return {one: name for one, name in roster.payers.names().items() if one in open_}


def _size(one: LiveHeld, t: Words) -> str:
    if one.sides is None:
        return t.either("untold", one.why)
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


def _held(request: web.Request) -> object:
    return held_jobs(request.app[PLACES].run)


@needs(Role.MEMBER)
async def take_back(request: web.Request) -> web.StreamResponse:
    """Take a waiting job back, for the member of this session."""
    wanted = {"job": (await form(request)).get("job", "")[:40], "member": account_of(request).id}
    was = _held(request)
    answer = await asked(request, "paper", "job-withdraw", wanted)
    if answer.done:
        await shown_anew(lambda: _held(request), was)
    return back(request, "/moi", SAID.get(answer.code, "me.waiting.unsure"))


@needs(Role.MEMBER)
async def choose_payer(request: web.Request) -> web.StreamResponse:
    """Say who pays for a waiting job: a shared account that names the member of this session, or that member."""
    fields = await form(request)
    payer = fields.get("payer", "")[:40]
    wanted = {"job": fields.get("job", "")[:40], "member": account_of(request).id, "payer": payer}
    was = _held(request)
    answer = await asked(request, "paper", "job-charge", wanted)
    if answer.done:
        await shown_anew(lambda: _held(request), was)
    if answer.code == Charge.CHARGED and not payer:
        return back(request, "/moi", "charge.own")
    name = payers(request, wanted["member"]).get(payer) or payer  # of one that is not theirs, no more than they wrote
    key = answer.code if answer.code in set(Charge) else "unsure"
    return back(request, "/moi", f"charge.{key}", name=name)
