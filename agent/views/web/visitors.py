"""The pool of visitor cards: lent for the day by name, given back, lost. `/membres/visiteurs`.

The one idea: a visitor is somebody's guest for some hours. The card's time ends with the opening hours, or earlier;
at the door it never opens outside them. The visitor's name is kept until the card is back, and no longer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from aiohttp import web

from agent.memory.roster import RosterError, RosterStore
from agent.memory.visitors import PoolCard
from agent.rules.facts import CardKey, MemberId
from agent.rules.hours import WeeklyHours
from agent.views.web.cards import begin_wait
from agent.views.web.gate import CLOCK, GATE, ROSTER, Role, account_of, audit, back, form, needs, page, words_of
from agent.views.web.members import Wrong, changed, sentence, today

HOME = "/membres/visiteurs"
NUMBER_MOST = 999


def routes(app: web.Application) -> None:
    """Add this page."""
    app.router.add_get(HOME, show)
    app.router.add_post(HOME, add)
    app.router.add_post(HOME + "/{number}/preter", lend)
    app.router.add_post(HOME + "/{number}/rendre", give_back)
    app.router.add_post(HOME + "/{number}/perdue", lose)
    app.router.add_post(HOME + "/{number}/retirer", remove)


def closing_of(request: web.Request) -> datetime | None:
    """Return when the site closes today, in its own zone; None if it is closed today or for the rest of the day."""
    gate, roster = request.app[GATE], request.app[ROSTER].roster()
    week = WeeklyHours.parse(gate.site.hours) if roster.hours is None else roster.hours
    local = request.app[CLOCK].now().utc.astimezone(gate.zone)
    closing = week.closing(local, roster.closures)
    return closing if closing is not None and closing > local else None


def _page(request: web.Request, given: dict[str, str] | None = None, wrong: str = "") -> web.Response:
    now = request.app[CLOCK].now().utc
    cards = request.app[ROSTER].visitors.cards()
    names = request.app[ROSTER].names()
    closing = closing_of(request)
    rows = [(card, _state(card, now), names.get(card.host or MemberId(""), "")) for card in cards]
    return page(
        request,
        "visitors.html",
        title="visitors.title",
        status=422 if wrong else 200,
        rows=rows,
        hosts=sorted(names.items(), key=lambda item: item[1].casefold()),
        closing=f"{closing:%H:%M}" if closing else "",
        until={card.number: _until(request, card.until) for card in cards if card.until is not None},
        next_number=max((card.number for card in cards), default=0) + 1,
        given=given or {},
        wrong=wrong,
    )


def _until(request: web.Request, until: datetime) -> str:
    """Write until when a card is lent, with the day where it is not today's: it was never brought back."""
    local = until.astimezone(request.app[GATE].zone)
    return f"{local:%H:%M}" if local.date() == today(request) else f"{words_of(request).day(local)}, {local:%H:%M}"


def _state(card: PoolCard, now: datetime) -> str:
    if card.lost:
        return "lost"
    if card.until is None:
        return "free"
    return "late" if card.until <= now else "lent"


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise web.HTTPNotFound
    return int(text)


def until_of(request: web.Request, text: str) -> datetime:
    """Return when a loan ends (UTC): at the time that was typed, else when the site closes. Raises Wrong."""
    closing = closing_of(request)
    if closing is None:
        raise Wrong("visitors.closed")
    if not text.strip():
        return closing.astimezone(UTC)
    found = re.fullmatch(r"([01]?\d|2[0-3])[:hH]([0-5]\d)?", text.strip())
    if found is None:
        raise Wrong("visitors.no_time", text=text[:10])
    wall = datetime.combine(today(request), time(int(found[1]), int(found[2] or 0)))
    until = wall.replace(tzinfo=request.app[GATE].zone)
    if until <= request.app[CLOCK].now().utc:
        raise Wrong("visitors.past")
    if until > closing:
        raise Wrong("visitors.too_late", time=f"{closing:%H:%M}")
    return until.astimezone(UTC)


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show the cards of the pool."""
    return _page(request)


@needs(Role.ANIMATOR)
async def add(request: web.Request) -> web.StreamResponse:
    """Wait for a card that becomes a visitor card, under the number printed on it."""
    given, actor, roster = await form(request), account_of(request).id, request.app[ROSTER]
    text = given.get("number", "").strip()
    taken = {card.number for card in roster.visitors.cards()}
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= NUMBER_MOST or int(text) in taken:
        return _page(request, given, sentence(request, Wrong("visitors.no_number")))
    number = int(text)

    def give(card: CardKey) -> None:
        roster.visitors.add(number, card, actor=actor)

    return await begin_wait(request, f"visitor-{number}", f"n° {number}", HOME, give)


@needs(Role.ANIMATOR)
async def lend(request: web.Request) -> web.StreamResponse:
    """Lend a card to a visitor."""
    number, given = _number(request), await form(request)
    host = MemberId(given["host"]) if given.get("host") else None
    guest, organisation = given.get("guest", ""), given.get("organisation", "")
    try:
        until = until_of(request, given.get("until", ""))
        if host is None and not organisation.strip():
            raise Wrong("visitors.no_host")  # noqa: TRY301  (one place says what is wrong)
        changed(
            request,
            lambda roster, actor: roster.visitors.lend(
                number, guest, until, actor=actor, host=host, organisation=organisation
            ),
        )
    except (Wrong, RosterError) as error:
        return _page(request, {**given, "number": str(number)}, sentence(request, error))
    await audit(request, "visitor-card-lent", f"visitor-{number}")
    local = until.astimezone(request.app[GATE].zone)
    return back(request, HOME, "visitors.lent", number=str(number), time=f"{local:%H:%M}")


async def _did(request: web.Request, action: str, key: str) -> web.StreamResponse:
    """Do one thing to the card of the address."""
    number = _number(request)

    def work(roster: RosterStore, actor: str) -> None:
        pool = roster.visitors
        {"returned": pool.give_back, "lost": pool.lose, "removed": pool.remove}[action](number, actor=actor)

    try:
        changed(request, work)
    except RosterError as error:
        return _page(request, None, sentence(request, error))
    await audit(request, f"visitor-card-{action}", f"visitor-{number}")
    return back(request, HOME, key, number=str(number))


@needs(Role.ANIMATOR)
async def give_back(request: web.Request) -> web.StreamResponse:
    """Take a card back; the visitor's name goes."""
    return await _did(request, "returned", "visitors.returned")


@needs(Role.ANIMATOR)
async def lose(request: web.Request) -> web.StreamResponse:
    """Block a lost card."""
    return await _did(request, "lost", "visitors.blocked")


@needs(Role.ANIMATOR)
async def remove(request: web.Request) -> web.StreamResponse:
    """Take a card out of the pool."""
    return await _did(request, "removed", "visitors.removed")
