"""Opening hours: the week, the days that are not like others, and when the animator is away. `/horaires`.

The one idea: what is said here is what the door does, with the next card. The page shows the coming days as the door
will judge them, each with its reason; every button says what it did. The site file holds only the first week's hours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from aiohttp import web

from agent.memory.calendar import REASONS, Agenda
from agent.memory.roster import RosterError, RosterStore
from agent.rules.hours import DAYS, WeeklyHours
from agent.views.web.cards import door_hears
from agent.views.web.gate import CLOCK, GATE, ROSTER, Role, audit, back, form, needs, page, words_of
from agent.views.web.members import Wrong, changed, day_of, sentence, today
from agent.views.why import why_closed
from agent.views.words import Words

AHEAD_DAYS = 14
LIST_DAYS = 400  # how far ahead closures and holidays are listed
_BOUND = re.compile(r"([01]?\d|2[0-4])(?:[:hH]([0-5]\d)?)?")


@dataclass(frozen=True, slots=True)
class Day:
    """One day as the door will judge it."""

    day: date
    name: str  # "mardi 24 novembre"
    hours: str  # "09:00–12:00, 14:00–18:00"; "" if closed
    why: str  # why it is closed, or that it is a holiday opened
    closed_by: str  # "closure", "holiday", "week" or ""
    away: bool
    past: bool
    today: bool


def routes(app: web.Application) -> None:
    """Add this page."""
    app.router.add_get("/horaires", show)
    app.router.add_post("/horaires/semaine", set_week)
    app.router.add_post("/horaires/semaine/defaut", reset_week)
    app.router.add_post("/horaires/fermer", close)
    app.router.add_post("/horaires/ouvrir", reopen)
    app.router.add_post("/horaires/ferie", close_holiday)
    app.router.add_post("/horaires/absence", leave)
    app.router.add_post("/horaires/absence/fin", come_back)


def week_of(request: web.Request) -> WeeklyHours:
    """Return the week in force: the one people set, else the site file's."""
    hours = request.app[ROSTER].roster().hours
    return WeeklyHours.parse(request.app[GATE].site.hours) if hours is None else hours


def day_view(day: date, now: date, week: WeeklyHours, agenda: Agenda, t: Words) -> Day:
    """Return one day as the door will judge it."""
    closed = frozenset(one.day for one in agenda.closures) | {one.day for one in agenda.holidays if not one.opened}
    windows = week.windows(day, closed)
    why = why_closed(agenda, day, t)
    holiday = agenda.holiday(day)
    closed_by = "closure" if agenda.closure(day) else "holiday" if why else "" if windows else "week"
    if not why and holiday is not None:
        why = t("hours.holiday_open", name=t.either("holiday", holiday.name))
    hours = "" if closed_by else ", ".join(window.replace("-", "–") for window in windows)
    return Day(day, t.day(day), hours, why, closed_by, agenda.animator_away(day), day < now, day == now)


def now_sentence(request: web.Request, t: Words) -> str:
    """Say whether the site is open, until when, or why not."""
    gate, roster, week = request.app[GATE], request.app[ROSTER].roster(), week_of(request)
    local = request.app[CLOCK].now().utc.astimezone(gate.zone)
    change = week.next_change(local, roster.closures)
    when = _when(change, local, t) if change else ""
    if week.open_at(local, roster.closures):
        return t("hours.now_open", when=when) if when else t("hours.now_open_long")
    why = why_closed(request.app[ROSTER].calendar.agenda(), local.date(), t) or t("hours.outside")
    return t("hours.now_closed", why=why, when=when) if when else t("hours.now_closed_long", why=why)


def _when(at: datetime, local: datetime, t: Words) -> str:
    return f"{at:%H:%M}" if at.date() == local.date() else f"{t.day(at)}, {at:%H:%M}"


def _page(request: web.Request, wrong: str = "", typed: Mapping[str, str] | None = None) -> web.Response:
    t, now, agenda = words_of(request), today(request), request.app[ROSTER].calendar.agenda()
    week = week_of(request)
    monday = now - timedelta(days=now.weekday())
    count = (now - monday).days + AHEAD_DAYS + 1
    days = [day_view(monday + timedelta(days=n), now, week, agenda, t) for n in range(count)]
    last = now + timedelta(days=LIST_DAYS)
    texts = {day: ", ".join(windows) for day, windows in week.texts().items()}
    return page(
        request,
        "hours.html",
        title="hours.title",
        status=422 if wrong else 200,
        wrong=wrong,
        now=now_sentence(request, t),
        days=days,
        tomorrow=now + timedelta(days=1),
        today=now,
        week=[(day, t.weekday(number), (typed or texts).get(day, "")) for number, day in enumerate(DAYS)],
        own_week=agenda.hours is not None,
        closures=[(one.day, why_closed(agenda, one.day, t)) for one in agenda.closures if now <= one.day <= last],
        holidays=[one for one in agenda.holidays if now <= one.day <= last],
        years=sorted({str(one.day.year) for one in agenda.holidays}),
        away=[one for one in agenda.away if one.last >= now],
        reasons=[reason for reason in REASONS if reason],
    )


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show the coming days, and everything that makes them so."""
    return _page(request)


def _bound(text: str) -> str:
    found = _BOUND.fullmatch(text.strip())
    return f"{int(found[1]):02d}:{found[2] or '00'}" if found else text.strip()


def windows_of(text: str) -> tuple[str, ...]:
    """Read a day's hours as people write them: "9h-12h, 14h-18h30"; empty: closed. `WeeklyHours.parse` judges."""
    spans = [part for part in re.split(r"[,;]|\bet\b|\band\b", text.replace("–", "-")) if part.strip()]
    return tuple("-".join(_bound(side) for side in re.split(r"\s*-\s*", span.strip())) for span in spans)


async def _did(
    request: web.Request,
    action: str,
    subject: str,
    work: Callable[[RosterStore, str], object],
    key: str,
    **values: str | int,
) -> web.StreamResponse:
    """Change the calendar, write who did it, and say what it does at the door."""
    try:
        changed(request, work)
    except RosterError as error:
        return _page(request, sentence(request, error))
    await audit(request, action, subject)
    if not door_hears(request) and request.app[GATE].site.door is not None:
        return back(request, "/horaires", "hours.unheard", said=words_of(request)(key, **values))
    return back(request, "/horaires", key, **values)


@needs(Role.ANIMATOR)
async def set_week(request: web.Request) -> web.StreamResponse:
    """Replace the week."""
    given = await form(request)
    t = words_of(request)
    try:
        week = WeeklyHours.parse({day: windows_of(given.get(day, "")) for day in DAYS})
    except ValueError as error:
        faulty = sorted(
            {line.partition(":")[0].removeprefix("hours.") for line in str(error).splitlines()}, key=DAYS.index
        )
        names = ", ".join(
            t.day(date(2024, 1, 1) + timedelta(days=DAYS.index(day))).split()[0].strip(",") for day in faulty
        )
        return _page(request, t("hours.no_week", days=names), given)
    return await _did(
        request, "hours-changed", "week", lambda r, actor: r.calendar.set_hours(week, actor=actor), "hours.week_set"
    )


@needs(Role.ANIMATOR)
async def reset_week(request: web.Request) -> web.StreamResponse:
    """Go back to the site file's week."""
    return await _did(
        request, "hours-default", "week", lambda r, actor: r.calendar.set_hours(None, actor=actor), "hours.week_reset"
    )


@needs(Role.ANIMATOR)
async def close(request: web.Request) -> web.StreamResponse:
    """Close one day or several, with a reason."""
    given, t = await form(request), words_of(request)
    try:
        first = day_of(given.get("first", ""), today(request))
        last = day_of(given.get("last", ""), first)
        if first < today(request):
            raise Wrong("hours.past")  # noqa: TRY301  (one place says what is wrong)
    except Wrong as error:
        return _page(request, sentence(request, error))
    reason, said = given.get("reason", ""), " ".join(given.get("words", "").split())

    def work(roster: RosterStore, actor: str) -> None:
        roster.calendar.close_days(first, last, actor=actor, reason=reason, words=said)

    subject = first.isoformat() if first == last else f"{first}..{last}"
    why = t(f"reason.{reason}") if reason in REASONS and reason else said or t("reason.none")
    if first == last:
        return await _did(request, "day-closed", subject, work, "hours.closed", day=t.day_of(first), why=why)
    return await _did(
        request, "day-closed", subject, work, "hours.closed_days", first=t.day_of(first), last=t.day_of(last), why=why
    )


async def _one_day(request: web.Request) -> date:
    given = await form(request)
    try:
        return date.fromisoformat(given.get("day", ""))
    except ValueError as error:
        raise web.HTTPBadRequest from error


@needs(Role.ANIMATOR)
async def reopen(request: web.Request) -> web.StreamResponse:
    """Take a closure back, or open a public holiday."""
    day = await _one_day(request)
    return await _did(
        request,
        "day-opened",
        day.isoformat(),
        lambda r, actor: r.calendar.open_day(day, actor=actor),
        "hours.opened",
        day=words_of(request).day_of(day),
    )


@needs(Role.ANIMATOR)
async def close_holiday(request: web.Request) -> web.StreamResponse:
    """Let a public holiday close the site again."""
    day, t = await _one_day(request), words_of(request)
    holiday = request.app[ROSTER].calendar.agenda().holiday(day)
    why = t.either("holiday", holiday.name if holiday else "")
    return await _did(
        request,
        "day-closed",
        day.isoformat(),
        lambda r, actor: r.calendar.close_holiday(day, actor=actor),
        "hours.closed",
        day=t.day_of(day),
        why=why,
    )


@needs(Role.ANIMATOR)
async def leave(request: web.Request) -> web.StreamResponse:
    """Say that the animator will be away."""
    given, t = await form(request), words_of(request)
    try:
        first = day_of(given.get("first", ""), today(request))
        last = day_of(given.get("last", ""), first)
    except Wrong as error:
        return _page(request, sentence(request, error))
    return await _did(
        request,
        "animator-away",
        f"{first}..{last}",
        lambda r, actor: r.calendar.leave(first, last, actor=actor),
        "hours.away_set",
        first=t.day_of(first),
        last=t.day_of(last),
    )


@needs(Role.ANIMATOR)
async def come_back(request: web.Request) -> web.StreamResponse:
    """Take an absence back."""
    absence = (await form(request)).get("absence", "")[:32]
    return await _did(
        request,
        "animator-back",
        "",
        lambda r, actor: r.calendar.come_back(absence, actor=actor),
        "hours.away_gone",
    )
