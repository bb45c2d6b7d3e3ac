"""Shared accounts: a project or a host organisation that pays, and who may have it pay. `/membres/comptes`.

The one idea: one card for each account with all that can be done to it, and its own name in every answer. Making one,
naming who may use it, ending and erasing it take effect with the next job; nothing that was counted moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from agent.memory.payers import Account, Payers
from agent.memory.roster import RosterError
from agent.rules.facts import MemberId
from agent.rules.folding import fold_text
from agent.views.web.asking import current, people
from agent.views.web.gate import ROSTER, Role, audit, back, form, needs, page, words_of
from agent.views.web.members import Wrong, changed, day_of, formula_of, formulas, name_of, sentence, today

HOME = "/membres/comptes"


@dataclass(frozen=True, slots=True)
class Row:
    """One account on the page."""

    one: Account
    formula: str
    ended: bool
    users: tuple[tuple[str, str], ...]  # id and name, in the order of their names


def routes(app: web.Application) -> None:
    """Add this page."""
    app.router.add_get(HOME, show)
    app.router.add_post(HOME, add)
    for word, act in (
        ("modifier", change),
        ("autoriser", allow),
        ("retirer", remove),
        ("fin", end),
        ("effacer", erase),
    ):
        app.router.add_post(HOME + "/{id}/" + word, act)


def _page(request: web.Request, given: dict[str, str] | None = None, wrong: str = "") -> web.Response:
    labels, everybody, day = formulas(request), people(request), today(request)
    rows = []
    for one in request.app[ROSTER].payers.accounts():
        users = tuple((id_, who.name) for id_, who in everybody.items() if id_ in one.users)
        past = one.until is not None and one.until < day
        rows.append(Row(one, labels.get(one.formula, one.formula), past, users))
    rows.sort(key=lambda row: (row.ended, fold_text(row.one.name)))
    return page(
        request,
        "payers.html",
        title="payers.title",
        status=422 if wrong else 200,
        rows=rows,
        members=current(request),
        formulas=labels,
        today=day.isoformat(),
        given=given or {},
        wrong=wrong,
    )


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show all shared accounts."""
    return _page(request)


@needs(Role.ANIMATOR)
async def add(request: web.Request) -> web.StreamResponse:
    """Make a shared account."""
    given = await form(request)
    try:
        name, formula = name_of(given.get("name", "")), formula_of(request, given.get("formula", ""))
        made = changed(request, lambda roster, actor: roster.payers.add(name, formula, actor=actor))
    except (Wrong, RosterError) as error:
        return _page(request, given, sentence(request, error))
    await audit(request, "payer-added", made)
    return back(request, HOME, "payers.added", name=name)


async def _did(
    request: web.Request, action: str, key: str, work: Callable[[Payers, MemberId, str], object], **said: str
) -> web.StreamResponse:
    """Do one thing to the account of the address, and say so with its name. Raises HTTPNotFound."""
    payer = MemberId(request.match_info["id"])
    name = request.app[ROSTER].payers.names().get(payer)
    if name is None:
        raise web.HTTPNotFound
    try:
        changed(request, lambda roster, actor: work(roster.payers, payer, actor))
    except RosterError as error:
        return _page(request, None, sentence(request, error))
    await audit(request, action, payer)
    return back(request, HOME, key, **{"name": name, **said})


@needs(Role.ANIMATOR)
async def change(request: web.Request) -> web.StreamResponse:
    """Give it another name or formula."""
    given = await form(request)
    try:
        name, formula = name_of(given.get("name", "")), formula_of(request, given.get("formula", ""))
    except Wrong as error:
        return _page(request, None, sentence(request, error))
    return await _did(
        request,
        "payer-changed",
        "payers.changed",
        lambda payers, payer, actor: payers.change(payer, actor=actor, name=name, formula=formula),
        name=name,
    )


async def _user(request: web.Request, *, may: bool) -> web.StreamResponse:
    member = MemberId((await form(request)).get("member", ""))
    known = people(request).get(member)
    if known is None:
        return back(request, HOME, "payers.choose")

    def work(payers: Payers, payer: MemberId, actor: str) -> None:
        (payers.name_user if may else payers.remove_user)(payer, member, actor=actor)

    action, key = ("payer-user-named", "payers.allowed") if may else ("payer-user-removed", "payers.removed")
    return await _did(request, action, key, work, member=known.name)


@needs(Role.ANIMATOR)
async def allow(request: web.Request) -> web.StreamResponse:
    """Let a member use it."""
    return await _user(request, may=True)


@needs(Role.ANIMATOR)
async def remove(request: web.Request) -> web.StreamResponse:
    """Let a member use it no more."""
    return await _user(request, may=False)


@needs(Role.ANIMATOR)
async def end(request: web.Request) -> web.StreamResponse:
    """Set its last day, or open it again."""
    given = await form(request)
    if given.get("open"):
        return await _did(
            request,
            "payer-changed",
            "payers.reopened",
            lambda payers, payer, actor: payers.end(payer, None, actor=actor),
        )
    try:
        day = day_of(given.get("until", ""), today(request))
    except Wrong as error:
        return _page(request, None, sentence(request, error))
    said = words_of(request).day_of(day)
    return await _did(
        request,
        "payer-ended",
        "payers.end_done",
        lambda payers, payer, actor: payers.end(payer, day, actor=actor),
        day=said,
    )


@needs(Role.ANIMATOR)
async def erase(request: web.Request) -> web.StreamResponse:
    """Forget its name, where somebody said twice that they mean it."""
    if (await form(request)).get("sure") != "1":
        return back(request, HOME, "payers.unsure")
    return await _did(
        request, "payer-erased", "payers.erased", lambda payers, payer, actor: payers.erase(payer, actor=actor)
    )
