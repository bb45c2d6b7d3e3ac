"""The list of members: found, added, imported from a file. `/membres`.

The one idea: a page for the person who receives people, not a table editor. Whoever is added gets a card next; a file
is taken whole or not at all, with what is wrong line by line. Names are shown on people's pages only; addresses hold
ids. What several pages need to read a form about people is here too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar

from aiohttp import web

from agent.memory.ledger import LedgerError
from agent.memory.roster import Person, RosterError, RosterStore
from agent.rules.facts import FormulaId, MemberId
from agent.rules.folding import fold_text, fold_user
from agent.rules.memberlist import LineFault, formula_words, read_day, read_members
from agent.rules.members import Roster
from agent.views.web.cards import said
from agent.views.web.gate import (
    CLOCK,
    GATE,
    ROSTER,
    Role,
    account_of,
    audit,
    back,
    form,
    language,
    needs,
    page,
    upload,
    words_of,
)

NAME_MOST = 200

log = logging.getLogger(__name__)
T = TypeVar("T")


class Wrong(Exception):  # noqa: N818  (not a fault of the program: what somebody typed)
    """What was typed cannot be done; the wording key says why."""

    def __init__(self, key: str, **values: str | int) -> None:
        super().__init__(key)
        self.key, self.values = key, values


@dataclass(frozen=True, slots=True)
class Row:
    """One member in the list."""

    person: Person
    formula: str
    cards: int  # that open something
    blocked: int
    when: str  # "", "future" or "past"


def routes(app: web.Application) -> None:
    """Add these pages."""
    app.router.add_get("/membres", show_members)
    app.router.add_post("/membres", add)
    app.router.add_get("/membres/importer", show_import)
    app.router.add_post("/membres/importer", import_file)


# --- what is shared -------------------------------------------------------------------------------------------


def today(request: web.Request) -> date:
    """Return the day at the site."""
    return request.app[CLOCK].now().utc.astimezone(request.app[GATE].zone).date()


def formulas(request: web.Request) -> dict[FormulaId, str]:
    """Return the site's formulas and what people call them."""
    t = words_of(request)
    found = request.app[GATE].site.formulas
    return {FormulaId(name): one.label or t.either("formula", name) for name, one in found.items()}


def changed(request: web.Request, work: Callable[[RosterStore, str], T]) -> T:
    """Change the roster as whoever asks; a disk that fails is a 503. Raises RosterError."""
    try:
        return work(request.app[ROSTER], account_of(request).id)
    except LedgerError as error:
        log.warning("the roster is not changed: %s", error)
        raise web.HTTPServiceUnavailable from error


def sentence(request: web.Request, error: RosterError | Wrong) -> str:
    """Return why something was refused, in the reader's language."""
    if isinstance(error, RosterError):
        return said(request, error)
    return words_of(request)(error.key, **error.values)


def day_of(text: str, otherwise: date) -> date:
    """Read a day as a browser or a person writes it; empty means `otherwise`. Raises Wrong."""
    if not text.strip():
        return otherwise
    day = read_day(text.strip())
    if day is None:
        raise Wrong("members.no_day", text=text[:20])
    return day


def formula_of(request: web.Request, text: str) -> FormulaId:
    """Return the formula that was chosen. Raises Wrong."""
    if text not in formulas(request):
        raise Wrong("members.no_formula")
    return FormulaId(text)


def name_of(text: str) -> str:
    """Return a name as it will be kept. Raises Wrong."""
    name = " ".join(text.split())
    if not name or len(name) > NAME_MOST or not name.isprintable():
        raise Wrong("members.no_name")
    return name


def users_of(text: str) -> list[str]:
    """Return the print names in a field: between commas, or else between spaces."""
    parts = text.split(",") if "," in text else text.split()
    return [part.strip() for part in parts if fold_user(part)]


# --- the list -------------------------------------------------------------------------------------------------


def _row(person: Person, roster: Roster, labels: dict[FormulaId, str], day: date) -> Row:
    cards = [card for card in roster.cards.values() if card.member == person.id]
    blocked = sum(card.blocked for card in cards)
    past = person.until is not None and person.until < day
    when = "past" if past else "future" if person.since > day else ""
    return Row(person, labels.get(person.formula, person.formula), len(cards) - blocked, blocked, when)


def _members(request: web.Request, given: dict[str, str] | None = None, wrong: str = "") -> web.Response:
    labels, day = formulas(request), today(request)
    roster, asked = request.app[ROSTER].roster(), request.query.get("q", "")[:NAME_MOST]
    people = [
        person
        for person in request.app[ROSTER].people()
        if fold_text(asked) in fold_text(person.name) or asked.casefold() == person.id
    ]
    rows = [_row(person, roster, labels, day) for person in people]
    rows.sort(key=lambda row: (row.when == "past", fold_text(row.person.name)))
    return page(
        request,
        "members.html",
        title="members.title",
        status=422 if wrong else 200,
        rows=rows,
        asked=asked,
        formulas=labels,
        today=day,
        given=given or {},
        wrong=wrong,
    )


@needs(Role.ANIMATOR)
async def show_members(request: web.Request) -> web.StreamResponse:
    """Show everybody, or those that a search finds."""
    return _members(request)


@needs(Role.ANIMATOR)
async def add(request: web.Request) -> web.StreamResponse:
    """Add somebody, and go on to their page, where a card is given."""
    given = await form(request)
    try:
        name, formula = name_of(given.get("name", "")), formula_of(request, given.get("formula", ""))
        since = day_of(given.get("since", ""), today(request))
        users = users_of(given.get("users", ""))
        _free(request.app[ROSTER].roster(), users)
        member = changed(request, lambda roster, actor: roster.add_member(name, formula, actor=actor, since=since))
        for user in users:
            changed(request, partial(_give_alias, member, user))
    except (Wrong, RosterError) as error:
        return _members(request, given, sentence(request, error))
    await audit(request, "member-added", member)
    return back(request, f"/membre/{member}", "members.added", name=name)


def _give_alias(member: MemberId, user: str, roster: RosterStore, actor: str) -> None:
    roster.give_alias(member, user, actor=actor)


def _free(roster: Roster, users: list[str]) -> None:
    """Refuse print names that are somebody's, before anything is done. Raises Wrong."""
    for user in users:
        alias = roster.aliases.get(fold_user(user))
        if alias is not None and alias.member is not None:
            raise Wrong("members.user_taken", user=user[:40], member=alias.member)


# --- a file ---------------------------------------------------------------------------------------------------


def _import(request: web.Request, faults: tuple[LineFault, ...] = (), wrong: str = "") -> web.Response:
    shown = [(fault.line, fault.fr if language(request) == "fr" else fault.en) for fault in faults]
    return page(
        request,
        "members_import.html",
        title="import.title",
        status=422 if faults or wrong else 200,
        faults=shown,
        wrong=wrong,
        formulas=formulas(request),
    )


@needs(Role.ANIMATOR)
async def show_import(request: web.Request) -> web.StreamResponse:
    """Show what a file must look like."""
    return _import(request)


@needs(Role.ANIMATOR)
async def import_file(request: web.Request) -> web.StreamResponse:
    """Bring the roster to what a file says: all of it, or nothing and every fault with its line."""
    _, data = await upload(request)
    if not data:
        return _import(request, wrong=words_of(request)("import.no_file"))
    file = read_members(data, formula_words(formulas(request)), request.app[GATE].site.card_digits)
    day = today(request)
    report = changed(request, lambda roster, actor: roster.import_rows(file, actor=actor, today=day))
    if report.faults:
        return _import(request, report.faults)
    await audit(request, "members-imported")
    return back(
        request, "/membres", "import.done", added=report.added, changed=report.changed, unchanged=report.unchanged
    )
