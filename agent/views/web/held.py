"""Jobs that wait for a badge: what the animator sees of them on `/impressions`, and whose word goes where.

The one idea: a phone that calls itself "iPhone" prints too, and its job is not lost: it waits where somebody in the
room can say whose it is. The member then badges, as for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from agent.live import held_jobs
from agent.rules.identity import Level, nobodys
from agent.rules.payers import Charge
from agent.views.web.asking import asked, called, current, local_now, people, shown_anew
from agent.views.web.gate import GATE, PLACES, ROSTER, Role, back, form, needs, page, words_of
from agent.views.words import Words

SAID = {"given": "held.given", "not-always": "impressions.not_always", "nothing": "held.nothing"}
SAID_OF_PAYER = {
    Charge.GONE.value: "held.nothing",
    Charge.UNKNOWN.value: "charge.unknown",
    Charge.ENDED.value: "charge.unknown",
}
SHOWN = 30
CHOICES = 500  # names in all lists of one page, 45 bytes each: with more, each list is on a page of its own


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One waiting job, in words."""

    paper: str  # its name
    time: str
    what: str
    user: str  # the print name it came under; "" for one without
    learns: bool  # that name can be given to somebody for good
    member: str
    name: str
    payer: str  # the shared account that is to pay; "" none
    own: str = ""  # nobody's yet: a badge says whose
    ours: str = ""


def routes(app: web.Application) -> None:
    """Add the way to say whose a waiting job is, where jobs wait."""
    if any(app[GATE].site.intake(name) for name in app[GATE].site.printers):
        app.router.add_get("/impressions/attente", show_giving)
        app.router.add_post("/impressions/attente", give)
        app.router.add_post("/impressions/attente/payeur", charge)


def rows(request: web.Request, t: Words, names: Mapping[str, str]) -> tuple[list[HeldRow], int]:
    """Return the waiting jobs that are nobody's or were given by hand, and how many wait for their members' badge."""
    users = {alias.id: user for user, alias in request.app[ROSTER].roster().aliases.items()}
    now, found, theirs = local_now(request), [], 0
    for one in held_jobs(request.app[PLACES].run):
        if one.level not in {Level.NOBODY, Level.GIVEN}:
            theirs += 1
            continue
        at = datetime.fromtimestamp(one.created_s, UTC).astimezone(now.tzinfo)
        time = f"{at:%H:%M}" if at.date() == now.date() else f"{t.day(at)}, {at:%H:%M}"
        what = t.either("untold", one.why) if one.sides is None else t("held.sides", n=one.sides)
        user = next((name for alias, name in users.items() if alias == one.alias), "")
        learns = bool(user) and not nobodys(user)
        name = names.get(one.member, one.member)
        found.append(HeldRow(one.name, time, what, user, learns, one.member, name, one.payer))
    return sorted(found, key=lambda row: bool(row.member))[:SHOWN], theirs


def inline(members: int, rows_: int) -> bool:
    """Tell whether every row of a page can have its own list of all members."""
    return members * rows_ <= CHOICES


@needs(Role.ANIMATOR)
async def show_giving(request: web.Request) -> web.StreamResponse:
    """Show one waiting job, to be given to somebody."""
    names = {name: one.name for name, one in people(request).items()}
    found, _ = rows(request, words_of(request), names)
    one = next((row for row in found if row.paper == request.query.get("paper")), None)
    if one is None:
        return back(request, "/impressions", "held.nothing")
    return page(
        request,
        "give.html",
        title="impressions.whose",
        one=one,
        action="/impressions/attente",
        button="impressions.give_do",
        members=current(request),
        payers={},
    )


@needs(Role.ANIMATOR)
async def give(request: web.Request) -> web.StreamResponse:
    """Say whose a waiting job is, or take the word back."""
    fields = await form(request)
    member = fields.get("member", "")
    if member == "-":
        member = ""
    elif member not in people(request):
        return back(request, "/impressions", "impressions.choose")
    wanted = {"job": fields.get("paper", ""), "member": member, "always": fields.get("always", "")}
    answer = await asked(request, "web", "job-give", wanted)
    if answer.code == "given":
        name = people(request)[member].name if member else words_of(request)("impressions.nobody")
        return back(request, "/impressions", "held.given", name=name)
    return back(request, "/impressions", SAID.get(answer.code, "impressions.not_written"))


@needs(Role.ANIMATOR)
async def charge(request: web.Request) -> web.StreamResponse:
    """Say that a shared account pays for a waiting job, or whoever badges for it."""
    fields = await form(request)
    payer = fields.get("payer", "")[:40]
    was = held_jobs(request.app[PLACES].run)
    answer = await asked(request, "paper", "job-charge", {"job": fields.get("paper", "")[:40], "payer": payer})
    if answer.code == Charge.CHARGED:
        await shown_anew(lambda: held_jobs(request.app[PLACES].run), was)
        name = called(request).get(payer, payer) or words_of(request)("charge.whoever")
        return back(request, "/impressions", "charge.held_charged", name=name)
    return back(request, "/impressions", SAID_OF_PAYER.get(answer.code, "impressions.not_written"))
