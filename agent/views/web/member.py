"""One member: name, formula, cards, print names, leaving, erasing. `/membre/ID`.

The one idea: each form does one thing that is said out loud, and its answer says in one sentence what happened. What
cannot be taken back (erasing) says first what goes, what stays, and why.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from agent.memory.roster import Person, RosterError, RosterStore
from agent.rules.facts import CardKey, MemberId
from agent.rules.folding import fold_user
from agent.rules.identity import nobodys
from agent.rules.members import Card, Roster
from agent.views.web.cards import begin_wait, said, short
from agent.views.web.gate import GATE, ROSTER, Role, account_of, audit, back, form, needs, page, words_of
from agent.views.web.members import Wrong, changed, day_of, formula_of, formulas, name_of, sentence, today


def routes(app: web.Application) -> None:
    """Add this page."""
    app.router.add_get("/membre/{id}", show_member)
    app.router.add_post("/membre/{id}/nom", rename)
    app.router.add_post("/membre/{id}/formule", change_formula)
    app.router.add_post("/membre/{id}/impression", add_alias)
    app.router.add_post("/membre/{id}/impression/retirer", take_alias)
    app.router.add_post("/membre/{id}/carte", give_card)
    app.router.add_post("/membre/{id}/fin", end)
    app.router.add_get("/membre/{id}/effacer", ask_erase)
    app.router.add_post("/membre/{id}/effacer", erase)


def person_of(request: web.Request) -> Person:
    """Return the member that the address names; 404 if there is none."""
    found = [person for person in request.app[ROSTER].people() if person.id == request.match_info["id"]]
    if not found:
        raise web.HTTPNotFound
    return found[0]


def _cards(roster: Roster, member: MemberId) -> list[tuple[Card, str]]:
    return [(card, short(card.key)) for card in roster.cards.values() if card.member == member]


def _member(request: web.Request, person: Person, wrong: str = "") -> web.Response:
    roster, labels = request.app[ROSTER].roster(), formulas(request)
    unclaimed = [
        user for user, one in roster.aliases.items() if one.member is None and one.id not in roster.payer_codes
    ]
    free = sorted(user for user in unclaimed if not nobodys(user))
    planned = request.app[ROSTER].plans().get(person.id)
    return page(
        request,
        "member.html",
        title="member.title",
        status=422 if wrong else 200,
        person=person,
        formula=labels.get(person.formula, person.formula),
        formulas=labels,
        planned=planned and (labels.get(planned[0], planned[0]), planned[1]),
        cards=_cards(roster, person.id),
        users=sorted((user, alias.id) for user, alias in roster.aliases.items() if alias.member == person.id),
        free=free,
        today=today(request),
        wrong=wrong,
    )


@needs(Role.ANIMATOR)
async def show_member(request: web.Request) -> web.StreamResponse:
    """Show one member."""
    return _member(request, person_of(request))


async def _acted(
    request: web.Request,
    action: str,
    work: Callable[[RosterStore, str], object],
    key: str,
    **values: str | int,
) -> web.StreamResponse:
    """Do one thing to the member of the address, and say so on their page."""
    person = person_of(request)
    try:
        changed(request, work)
    except RosterError as error:
        return _member(request, person, said(request, error))
    await audit(request, action, person.id)
    return back(request, f"/membre/{person.id}", key, **values)


@needs(Role.ANIMATOR)
async def rename(request: web.Request) -> web.StreamResponse:
    """Correct a name."""
    person, given = person_of(request), await form(request)
    try:
        name = name_of(given.get("name", ""))
    except Wrong as error:
        return _member(request, person, sentence(request, error))
    return await _acted(
        request, "member-renamed", lambda r, actor: r.change_member(person.id, actor=actor, name=name), "member.renamed"
    )


@needs(Role.ANIMATOR)
async def change_formula(request: web.Request) -> web.StreamResponse:
    """Change the formula, today or on a later day."""
    person, given = person_of(request), await form(request)
    try:
        formula = formula_of(request, given.get("formula", ""))
        day = day_of(given.get("day", ""), today(request))
    except Wrong as error:
        return _member(request, person, sentence(request, error))
    label = formulas(request)[formula]
    if day > today(request):
        when = words_of(request).day_of(day)
        return await _acted(
            request,
            "formula-planned",
            lambda r, actor: r.plan_formula(person.id, formula, day, actor=actor),
            "member.formula_planned",
            formula=label,
            day=when,
        )
    if day < today(request):
        wrong = words_of(request)("member.formula_past")
        return _member(request, person, wrong)
    return await _acted(
        request,
        "formula-changed",
        lambda r, actor: r.change_member(person.id, actor=actor, formula=formula),
        "member.formula_changed",
        formula=label,
    )


@needs(Role.ANIMATOR)
async def add_alias(request: web.Request) -> web.StreamResponse:
    """Say that a print name is this member's."""
    person, given = person_of(request), await form(request)
    user = given.get("user", "").strip() or given.get("seen", "")
    return await _acted(
        request,
        "print-name-given",
        lambda r, actor: r.give_alias(person.id, user, actor=actor),
        "member.user_added",
        user=fold_user(user)[:40],
    )


@needs(Role.ANIMATOR)
async def take_alias(request: web.Request) -> web.StreamResponse:
    """Say that a print name is not this member's."""
    person, given = person_of(request), await form(request)
    roster = request.app[ROSTER].roster()
    alias = next((a for a in roster.aliases.values() if a.id == given.get("alias") and a.member == person.id), None)
    if alias is None:
        return back(request, f"/membre/{person.id}")
    return await _acted(
        request, "print-name-taken", lambda r, actor: r.take_alias(alias.id, actor=actor), "member.user_taken"
    )


@needs(Role.ANIMATOR)
async def give_card(request: web.Request) -> web.StreamResponse:
    """Wait for the card that this member gets."""
    person, actor = person_of(request), account_of(request).id

    def give(card: CardKey) -> None:
        request.app[ROSTER].give_card_key(person.id, card, actor=actor)

    return await begin_wait(request, person.id, person.name, f"/membre/{person.id}", give)


@needs(Role.ANIMATOR)
async def end(request: web.Request) -> web.StreamResponse:
    """Set the last day of rights, or take it back."""
    person, given = person_of(request), await form(request)
    try:
        until = None if given.get("open") else day_of(given.get("until", ""), today(request))
    except Wrong as error:
        return _member(request, person, sentence(request, error))

    def work(roster: RosterStore, actor: str) -> None:
        roster.end_member(person.id, until, actor=actor)

    if until is None:
        return await _acted(request, "member-reopened", work, "member.reopened")
    when = words_of(request).day_of(until)
    return await _acted(request, "member-ended", work, "member.ended", day=when)


@needs(Role.ANIMATOR)
async def ask_erase(request: web.Request) -> web.StreamResponse:
    """Say what goes and what stays before somebody is erased."""
    return page(request, "member_erase.html", title="erase.title", person=person_of(request), wrong="")


@needs(Role.ANIMATOR)
async def erase(request: web.Request) -> web.StreamResponse:
    """Erase somebody, once that was ticked."""
    person, given = person_of(request), await form(request)
    if given.get("sure") != "yes":
        wrong = words_of(request)("erase.not_sure")
        return page(request, "member_erase.html", title="erase.title", status=422, person=person, wrong=wrong)
    changed(request, lambda roster, actor: roster.erase_member(person.id, actor=actor))
    accounts = request.app[GATE].accounts
    accounts.revoke_codes(Role.MEMBER, person.id)
    accounts.end_sessions(person.id)
    await audit(request, "member-erased", person.id)
    return back(request, "/membres", "erase.done", member=person.id)
