"""`/moi`: what the house knows of a member, for that member; and the one-time code that leads there.

The one idea: a card number is not a password. The animator makes a code on the member's page; it is shown once, good
once, for 24 hours, and kept only as a keyed hash. The session it begins is the member's alone: every page here takes
the member from the session and never from the address, so there is no other member to ask for.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web

from agent.memory.roster import Person
from agent.rules.facts import MemberId
from agent.rules.patience import ADDRESS
from agent.views.exports import absences_until, in_time
from agent.views.own import KINDS, Own, OwnFold, of_the_month
from agent.views.portable import Identity, archive
from agent.views.web.asking import lasting, local_now, tariff_of
from agent.views.web.counter import devices_of
from agent.views.web.entry import address_of
from agent.views.web.gate import (
    CALLER,
    GATE,
    LEDGER,
    ROSTER,
    Account,
    Role,
    account_of,
    audit,
    back,
    form,
    needs,
    page,
    words_of,
)
from agent.views.web.members import formulas
from agent.views.web.poster import address
from agent.views.web.waiting import payers, rows, unprinted
from agent.views.words import money

CODE_LASTS = timedelta(hours=24)
SHOWN = 30  # visits and prints on the page; all of them are in the file
TURN = 200  # facts read before somebody else's page gets its turn


def routes(app: web.Application) -> None:
    """Add these pages."""
    app.router.add_get("/moi", show_me)
    app.router.add_get("/moi/entrer", show_entry)
    app.router.add_post("/moi/entrer", enter)
    app.router.add_get("/moi/donnees.zip", take_away)
    app.router.add_post("/membre/{id}/code", make_code)


# --- the code -------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def make_code(request: web.Request) -> web.StreamResponse:
    """Make a one-time code for a member, and show it this once."""
    person = _person(request, MemberId(request.match_info["id"]))
    if person is None:
        raise web.HTTPNotFound
    code = request.app[GATE].accounts.issue(Role.MEMBER, person.id, CODE_LASTS)
    await audit(request, "member-code-made", person.id)
    where = f"{address(request)}moi/entrer"
    return page(request, "me_code.html", title="me.code_title", person=person, code=code, where=where)


async def show_entry(request: web.Request) -> web.StreamResponse:
    """Ask for the code."""
    caller = request[CALLER].account
    if caller is not None and caller.role is Role.MEMBER:
        return back(request, "/moi")
    return _entry(request)


def _entry(request: web.Request, wrong: str = "", seconds: int = 0) -> web.Response:
    status = 429 if seconds else 422 if wrong else 200
    return page(request, "me_enter.html", title="me.enter_title", status=status, wrong=wrong, seconds=seconds)


async def enter(request: web.Request) -> web.StreamResponse:
    """Use a code up, and come in."""
    gate, given = request.app[GATE], await form(request)
    wait = gate.accounts.wait_s(address_of(request), ADDRESS)
    if wait:
        return _entry(request, "enter.wait", int(wait) + 1)
    text = given.get("code", "")[:40]
    meant = gate.accounts.code(text)
    person = _person(request, MemberId(meant.subject)) if meant is not None and meant.role is Role.MEMBER else None
    if person is None:
        gate.accounts.failed(address_of(request), ADDRESS)
        return _entry(request, "me.code_wrong")
    gate.accounts.use_code(text)
    gate.sign_in(request, Account(person.id, Role.MEMBER))
    await audit(request, "member-signed-in", person.id)
    return back(request, "/moi")


# --- one's own ------------------------------------------------------------------------------------------------


async def show_me(request: web.Request) -> web.StreamResponse:
    """Show a member their own data; who is nobody yet is asked for the code."""
    if request[CALLER].account is None:
        return back(request, "/moi/entrer")
    return await _show_me(request)


@needs(Role.MEMBER)
async def _show_me(request: web.Request) -> web.StreamResponse:
    person = _me(request)
    own, t, now = await _own(request, person.id), words_of(request), local_now(request)
    made = own.estimate
    lines = [] if made is None else [(f"me.item.{one.item}", money(one.amount, made.currency, t)) for one in made.lines]
    used = of_the_month(own, now)
    return page(
        request,
        "me.html",
        title="me.title",
        person=person,
        formula=formulas(request).get(person.formula, person.formula),
        waits=bool(devices_of(request.app[GATE].site)),
        waiting=rows(request, person.id, person.formula),
        unprinted=unprinted(request, person.id),
        payers=payers(request, person.id),
        visits=list(reversed(own.visits))[:SHOWN],
        paper=list(reversed(own.paper))[:SHOWN],
        devices={name: one.label or name for name, one in request.app[GATE].site.printers.items()},
        minutes=lasting(used["minutes"], t),
        used=used,
        priced=bool(request.app[GATE].site.tariff),
        lines=lines,
        total=None if made is None else money(made.total, made.currency, t),
        open_minutes=own.open_minutes,
        lasting=lambda minutes: lasting(minutes, t),
        contact=request.app[GATE].site.site.contact,
    )


@needs(Role.MEMBER)
async def take_away(request: web.Request) -> web.StreamResponse:
    """Give a member their own data as a file."""
    person, site, now = _me(request), request.app[GATE].site.site, local_now(request)
    own = await _own(request, person.id)
    roster = request.app[ROSTER].roster()
    cards = [card for card in roster.cards.values() if card.member == person.id]
    who = Identity(
        id=person.id,
        name=person.name,
        formula=person.formula,
        since=person.since,
        until=person.until,
        print_names=tuple(sorted(name for name, alias in roster.aliases.items() if alias.member == person.id)),
        cards=len(cards),
        blocked=sum(1 for card in cards if card.blocked),
    )
    body = await asyncio.to_thread(archive, who, own, (site.name, site.code), site.contact, now, site.asked_instead)
    await audit(request, "own-data-taken", person.id)
    name = f"donnees_{site.code}_{now:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type="application/zip", headers=headers)


def _person(request: web.Request, member: MemberId) -> Person | None:
    return next((one for one in request.app[ROSTER].people() if one.id == member), None)


def _me(request: web.Request) -> Person:
    """Return whose session this is. Who was erased meanwhile is nobody: the session ends."""
    person = _person(request, MemberId(account_of(request).id))
    if person is None:
        request.app[GATE].sign_out(request)
        raise back(request, "/moi/entrer")
    return person


async def _own(request: web.Request, member: MemberId) -> Own:
    """Read the ledger for one member, a piece at a time: nobody's page waits for another's."""
    gate = request.app[GATE]
    month = f"{local_now(request):%Y-%m}"
    fold = OwnFold(member, month, absences_until(request.app[LEDGER], month, gate.zone))
    for number, (written, entry) in enumerate(in_time(request.app[LEDGER].entries(*KINDS), gate.zone), 1):
        fold.add(written, entry)
        if number % TURN == 0:
            await asyncio.sleep(0)
    return fold.done(request.app[ROSTER].roster().members.get(member), tariff_of(request))
