"""What is granted or shut for a while at the door: `/porte/reservations` and `/porte/confiner`.

The one idea: whoever grants says for whom and for how long, and the page says what the door will do, in those words. A
guest's code is shown once, on the answer to the form that made it, and cannot be looked up again. Locking down takes
two steps and no code: in danger nobody types six digits, and it shuts nobody in; ending it is one tap.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from aiohttp import web

from agent.live import read_pictures
from agent.memory.roster import RosterError, RosterStore
from agent.rules.bookings import Alarm, Booking, BookingId
from agent.rules.facts import MemberId
from agent.rules.hours import instant
from agent.rules.remote import Refusal, next_time
from agent.views.web.asking import local_now, people
from agent.views.web.cards import door_hears
from agent.views.web.gate import GATE, PLACES, ROSTER, Role, audit, back, form, needs, page, words_of
from agent.views.web.members import Wrong, changed, day_of, sentence
from agent.views.words import Words

HOME = "/porte/reservations"
FOLLOW_TRIES, FOLLOW_EVERY_S = 40, 0.1  # a door takes up a change within two seconds
CODE = "code"  # for whom: a guest, by a code
_TIME = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)?")


@dataclass(frozen=True, slots=True)
class Line:
    """One booking, for people."""

    id: BookingId
    who: str
    when: str
    words: str


def routes(app: web.Application) -> None:
    """Add these pages, where there is a door."""
    if app[GATE].site.door is None:
        return
    app.router.add_get(HOME, show)
    app.router.add_post(HOME, book)
    app.router.add_post(HOME + "/fin", end)
    app.router.add_get("/porte/confiner", ask_lockdown)
    app.router.add_post("/porte/confiner", lock_down)
    app.router.add_post("/porte/deconfiner", end_lockdown)


def lockdown_said(request: web.Request) -> str:
    """Say that nobody enters, since when and until when; "" while no lockdown stands. Raises LedgerError."""
    t, now, lockdown = words_of(request), local_now(request), request.app[ROSTER].roster().lockdown
    if lockdown is None or (lockdown.until is not None and lockdown.until <= now):
        return ""
    since, reason = _said(lockdown.since, now, t), t(f"alarm.{lockdown.reason}")
    if lockdown.until is None:
        return t("lockdown.stands", reason=reason, since=since)
    return t("lockdown.stands_until", reason=reason, since=since, until=_said(lockdown.until, now, t))


def _said(at: datetime, now: datetime, t: Words) -> str:
    local = at.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{t.day(local)}, {local:%H:%M}"


# --- bookings ------------------------------------------------------------------------------------------------


def _lines(request: web.Request) -> list[Line]:
    t, now, roster = words_of(request), local_now(request), request.app[ROSTER]
    names = people(request)
    cards = {card.key: card.number for card in roster.visitors.cards()}

    def who(one: Booking) -> str:
        if one.member is not None:
            return names[one.member].name if one.member in names else one.member
        number = cards.get(one.key) if one.key else None
        return t("booking.guest") if number is None else t("visitors.card", number=str(number))

    def when(one: Booking) -> str:
        start, until = _said(one.start, now, t), _said(one.until, now, t)
        stretch = t("booking.stretch", start=start, until=until)
        return stretch if one.uses is None else f"{stretch}, {t('booking.uses_n', n=one.uses)}"

    coming = [one for one in roster.bookings.all() if one.booking.until > now]
    return [Line(one.booking.id, who(one.booking), when(one.booking), one.words) for one in coming]


def _page(request: web.Request, given: dict[str, str] | None = None, wrong: str = "", code: str = "") -> web.Response:
    now = local_now(request)
    door = request.app[GATE].site.door
    return page(
        request,
        "bookings.html",
        title="booking.title",
        status=422 if wrong else 200,
        wrong=wrong,
        code=f"{code[:4]} {code[4:]}" if code else "",
        lines=_lines(request),
        codes=request.app[GATE].site.reads_codes,
        members=[(one.id, one.name) for one in people(request).values()],
        cards=[card.number for card in request.app[ROSTER].visitors.cards() if not card.lost],
        early=round(door.booking_early_min) if door else 0,
        given={"day": now.date().isoformat(), **(given or {})},
    )


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show the coming bookings, and the form for one more."""
    return _page(request)


def _stretch(request: web.Request, given: dict[str, str]) -> tuple[datetime, datetime]:
    """Return what was typed as [start, until) (UTC); an end before the start is the next day's. Raises Wrong."""
    now = local_now(request)
    day = day_of(given.get("day", ""), now.date())
    bounds = []
    for name in ("start", "until"):
        text = given.get(name, "").strip()
        found = _TIME.fullmatch(text)
        if found is None:
            raise Wrong("booking.no_time", text=text[:10])
        bounds.append(time(int(found[1]), int(found[2] or 0)))
    last = day if bounds[0] < bounds[1] else day + timedelta(days=1)
    zone = request.app[GATE].zone
    start, until = (instant(one, at.hour * 60 + at.minute, zone) for one, at in zip((day, last), bounds, strict=True))
    return start, until


@needs(Role.ANIMATOR)
async def book(request: web.Request) -> web.StreamResponse:
    """Make a booking, or a guest's code, which is shown now and never again."""
    given = await form(request)
    who, text, note = given.get("who", ""), given.get("uses", "").strip(), given.get("words", "")
    try:
        start, until = _stretch(request, given)
        if (text and not text.isascii()) or len(text) > 3 or (text and not text.isdecimal()):
            raise Wrong("booking.no_uses")  # noqa: TRY301  (one place says what is wrong)
        uses = int(text) if text else None

        def work(roster: RosterStore, actor: str) -> tuple[BookingId, str]:
            bookings, card = roster.bookings, re.fullmatch(r"card-(\d{1,3})", who)
            if card:
                return bookings.book_card(int(card[1]), start, until, actor=actor, uses=uses, words=note), ""
            if who == CODE:
                return bookings.invite(start, until, actor=actor, uses=uses, words=note)
            return bookings.book(MemberId(who), start, until, actor=actor, uses=uses, words=note), ""

        made, code = changed(request, work)
    except (Wrong, RosterError) as error:
        return _page(request, given, sentence(request, error))
    await audit(request, "booking-made", made)
    return _page(request, code=code) if code else back(request, HOME, "booking.made")


@needs(Role.ANIMATOR)
async def end(request: web.Request) -> web.StreamResponse:
    """Take a booking back."""
    booking = BookingId((await form(request)).get("booking", "")[:32])
    changed(request, lambda roster, actor: roster.bookings.end(booking, actor=actor))
    await audit(request, "booking-ended", booking)
    return back(request, HOME, "booking.ended")


# --- the lockdown --------------------------------------------------------------------------------------------


def _lockdown_page(request: web.Request, wrong: str = "") -> web.Response:
    values = {"reasons": list(Alarm), "wrong": wrong, "status": 422 if wrong else 200}
    return page(request, "lockdown.html", title="lockdown.title", **values)  # type: ignore[arg-type]


@needs(Role.ANIMATOR)
async def ask_lockdown(request: web.Request) -> web.StreamResponse:
    """Ask why, and until when if that is known."""
    return _lockdown_page(request)


@needs(Role.ANIMATOR)
async def lock_down(request: web.Request) -> web.StreamResponse:
    """Let nobody in any more."""
    given = await form(request)
    text, reason = given.get("until", "").strip(), given.get("reason", "")
    until = next_time(text, local_now(request)) if text else None
    if reason not in set(Alarm) or isinstance(until, Refusal):
        no_time = isinstance(until, Refusal)
        return _lockdown_page(request, words_of(request)("porte.no_time" if no_time else "lockdown.no_reason"))
    changed(request, lambda roster, actor: roster.bookings.lock_down(Alarm(reason), actor=actor, until=until))
    await audit(request, "lockdown-begun", reason)
    followed = await _door_follows(request, locked=True)
    return back(request, "/porte", "lockdown.begun" if followed else "lockdown.unheard")


@needs(Role.ANIMATOR)
async def end_lockdown(request: web.Request) -> web.StreamResponse:
    """Let people in again."""
    changed(request, lambda roster, actor: roster.bookings.end_lockdown(actor=actor))
    await audit(request, "lockdown-ended")
    followed = await _door_follows(request, locked=False)
    return back(request, "/porte", "lockdown.ended" if followed else "lockdown.unheard")


async def _door_follows(request: web.Request, *, locked: bool) -> bool:
    """Wait until the door itself shows the lockdown, or its end: only then is it said. False if it does not."""
    for _ in range(FOLLOW_TRIES):
        if not door_hears(request):
            return False
        picture = read_pictures(request.app[PLACES].run).get("door")
        if picture is not None and picture.door is not None and (picture.door.lockdown is not None) is locked:
            return True
        await asyncio.sleep(FOLLOW_EVERY_S)
    return False
