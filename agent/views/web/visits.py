"""Visits: who comes and goes, by one tap, and what is put right afterwards. `/visites`, its `corriger` and `ajouter`.

The one idea: this is the first source for everybody who pays by the hour, so it must be quicker than a sheet of
paper: one button per person. What a guest owes stands beside the button that ends the visit, computed by the tariff
itself. What looks forgotten comes to the top and waits for a word; a correction needs a reason and is a fact.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

from agent.memory.followed import Followed, catch_up
from agent.memory.ledger import LedgerError
from agent.memory.open_books import followed_absences, followed_sightings, followed_visits
from agent.memory.roster import Person
from agent.rules.certainty import Absences, Sightings, proposals, uncertain
from agent.rules.facts import FormulaId
from agent.rules.hours import WeeklyHours
from agent.rules.leaving import costs_today, doubt, minutes_by_day, outside
from agent.rules.presence import PROPOSED, Reason, written
from agent.rules.visits import Visit, Visits, last_month
from agent.views.web.asking import asked, current, lasting, local_now, people, tariff_of
from agent.views.web.gate import CLOCK, GATE, LEDGER, ROSTER, Role, back, form, needs, page, words_of
from agent.views.words import Words, money

SHOWN = timedelta(days=7)  # visits that are over, in the list
SAID = ("member", "day", "start", "end", "reason")  # what is said of a visit nobody wrote down
REFUSED = {  # what the book of visits refuses, in words
    "here": "visites.here_already",
    "future": "visites.in_future",
    "then": "visites.overlap",
    "overlap": "visites.overlap",
    "away": "visites.not_here",
    "before": "visites.order",
    "order": "visites.order",
    "long": "visites.too_long",
    "not-a-time": "visites.no_time",
    "not-a-day": "visites.no_day",
    "skipped": "visites.skipped",
    "old": "visites.too_old",
    "nobody": "visites.nobody_chosen",
    "reason": "visites.why_missing",
    "unknown": "visites.unknown",
    "same": "visites.same",
    "not-written": "visites.not_written",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody who is here."""

    member: str
    name: str
    since: str
    lasts: str
    cost: str  # "" where the tariff has no price


@dataclass(frozen=True, slots=True)
class Told:
    """One visit in a list."""

    visit: str
    name: str
    when: str
    why: str  # why it is to be verified; "" it is not
    note: str  # corrected, annulled
    member: str = ""
    ends: tuple[tuple[str, str], ...] = ()  # (rules.presence evidence, "2026-11-24T18:00"): ends to be just taken


FOLLOWED = web.AppKey("visits", Followed)
ABSENCES = web.AppKey("absences", Followed)
SEEN = web.AppKey("sightings", Followed)


def routes(app: web.Application) -> None:
    """Add these pages."""
    app[FOLLOWED] = followed_visits(app[LEDGER], app[CLOCK])
    app[ABSENCES] = followed_absences(app[LEDGER])
    app[SEEN] = followed_sightings(app[LEDGER], app[CLOCK])
    app.on_startup.append(_catch_up)
    app.router.add_get("/visites", show_visits)
    app.router.add_post("/visites/arrivee", arrive)
    app.router.add_post("/visites/depart", leave)
    app.router.add_get("/visites/corriger/{visit}", show_correction)
    app.router.add_post("/visites/corriger", correct)
    app.router.add_get("/visites/ajouter", show_adding)
    app.router.add_post("/visites/ajouter", add)


async def _catch_up(app: web.Application) -> None:
    await catch_up(app[FOLLOWED], app[ABSENCES], app[SEEN])


def _visits(request: web.Request) -> Visits:
    """Return the visits as they count by now."""
    found = _read(request, FOLLOWED)
    assert isinstance(found, Visits)
    return found


def _read(request: web.Request, key: web.AppKey[Followed[Any]]) -> object:
    """Return what is kept up with the ledger; one that cannot be read is a 503."""
    try:
        return request.app[key].read()
    except LedgerError as error:
        log.warning("the visits cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error


# --- the list ------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def show_visits(request: web.Request) -> web.StreamResponse:
    """Show who is here, who may come, what is to be verified, and what was."""
    t, now, everybody = words_of(request), local_now(request), people(request)
    visits = sorted(_visits(request).by_id.values(), key=lambda one: one.started, reverse=True)
    open_visits = [one for one in visits if one.ended is None]
    lister = _Lister(request, t, now, everybody, _hours(request))
    older = "anciennes" in request.query
    shown = [one for one in visits if one.ended is None or older or one.ended >= now - SHOWN]
    told = [lister.told(one) for one in shown]
    here = {one.member for one in open_visits}
    by_the_hour = {name: one for name, one in current(request).items() if name not in here and _pays(request, one)}
    return page(
        request,
        "visits.html",
        title="visites.title",
        here=[lister.here(one, visits) for one in reversed(open_visits)],
        doubts=[one for one in told if one.why],
        comers=by_the_hour,
        others={name: one for name, one in current(request).items() if name not in here},
        past=[one for one, visit in zip(told, shown, strict=True) if visit.ended is not None],
        older=older,
    )


def _pays(request: web.Request, person: Person) -> bool:
    """Tell whether somebody pays by the hour, or else comes in opening hours only."""
    tariff, today = tariff_of(request), local_now(request).date()
    found = None if tariff is None else tariff.on(today, person.formula)
    if found is not None:
        return found[1].hour > 0
    formula = request.app[GATE].site.formulas.get(person.formula)
    return formula is not None and formula.access == "hours"


def _hours(request: web.Request) -> WeeklyHours:
    """Return the week people set, or else the site file's."""
    return request.app[ROSTER].roster().hours or WeeklyHours.parse(request.app[GATE].site.hours)


@dataclass(frozen=True, slots=True)
class _Lister:
    """Puts visits into words for one request."""

    request: web.Request
    t: Words
    now: datetime
    everybody: Mapping[str, Person]
    hours: WeeklyHours

    def here(self, one: Visit, visits: list[Visit]) -> Here:
        """Say who is here, since when, and what it costs to leave now."""
        minutes = max(0, (self.now - one.started) // timedelta(minutes=1))
        return Here(
            one.member, self.name(one), self.time(one.started), lasting(minutes, self.t), self.cost(one, visits)
        )

    def cost(self, one: Visit, visits: list[Visit]) -> str:
        tariff = tariff_of(self.request)
        if tariff is None or self.now.tzinfo is None:
            return ""
        mine = [visit for visit in visits if visit.member == one.member]
        days = minutes_by_day(mine, self.now.tzinfo, self.now)
        amount = costs_today(tariff, FormulaId(one.formula), days, self.now.date())
        return "" if amount is None else money(amount, tariff.currency, self.t)

    def ends(self, one: Visit, closures: frozenset[date]) -> tuple[tuple[str, str], ...]:
        """Return the ends somebody may just take."""
        seen = _read(self.request, SEEN)
        assert isinstance(seen, Sightings)
        assert self.now.tzinfo is not None
        found = proposals(one, seen.last(one, self.now), self.hours, closures, self.now.tzinfo, self.now)
        return tuple((by.value, written(at, self.now.tzinfo)) for by, at in found)

    def notes(self, one: Visit) -> str:
        """Say what is to be known of a visit beside its times."""
        absences = _read(self.request, ABSENCES)
        assert isinstance(absences, Absences)
        put_right = "visites.added_note" if one.added else "visites.corrected_note"
        found = [self.t("visites.annulled" if one.annulled else put_right)] if one.turn else []
        if one.by in PROPOSED:
            found.append(self.t(f"taken.{one.by}"))
        else:
            hidden = uncertain(one, absences, self.now)
            found += [self.t("visites.hidden", lasts=lasting(hidden, self.t))] if hidden else []
        return " · ".join(found)

    def told(self, one: Visit) -> Told:
        """Say one visit, and why somebody should look at it."""
        closures = self.request.app[ROSTER].roster().closures
        assert self.now.tzinfo is not None
        why = doubt(one, self.hours, closures, self.now.tzinfo, self.now)
        return Told(
            one.visit,
            self.name(one),
            self.when(one),
            self.t(f"doubt.{why}") if why else "",
            self.notes(one),
            one.member if one.ended is None else "",
            self.ends(one, closures) if why else (),
        )

    def when(self, one: Visit) -> str:
        """Say from when to when, and how long."""
        if one.ended is None:
            return self.t("visites.from", start=self.time(one.started))
        end = one.ended.astimezone(self.now.tzinfo)
        same = one.started.astimezone(self.now.tzinfo).date() == end.date()
        said = f"{end:%H:%M}" if same else self.time(end)
        return self.t("visites.span", start=self.time(one.started), end=said, lasts=lasting(one.minutes, self.t))

    def name(self, one: Visit) -> str:
        known = self.everybody.get(one.member)
        return known.name if known else one.member

    def time(self, at: datetime) -> str:
        local = at.astimezone(self.now.tzinfo)
        return f"{local:%H:%M}" if local.date() == self.now.date() else f"{self.t.day(local)}, {local:%H:%M}"


# --- one tap -------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def arrive(request: web.Request) -> web.StreamResponse:
    """Start a visit, now or at a time already past."""
    fields = await form(request)
    name = _name(request, fields.get("member", ""))
    answer = await asked(request, "web", "visit-start", _said(fields))
    if answer.done:
        lister = _Lister(request, words_of(request), local_now(request), people(request), _hours(request))
        came = [one for one in _visits(request).by_id.values() if one.member == fields["member"] and one.ended is None]
        time = lister.time(came[0].started) if came else answer.value
        return back(request, "/visites", "visites.arrived", name=name, time=time)
    return back(request, "/visites", REFUSED.get(answer.code, "visites.not_written"))


@needs(Role.ANIMATOR)
async def leave(request: web.Request) -> web.StreamResponse:
    """End a visit, now or at a time already past."""
    fields = await form(request)
    name = _name(request, fields.get("member", ""))
    answer = await asked(request, "web", "visit-end", _said(fields))
    if answer.done:
        return back(request, "/visites", "visites.departed", name=name, lasts=answer.value)
    return back(request, "/visites", REFUSED.get(answer.code, "visites.not_written"))


def _said(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: fields.get(name, "") for name in ("member", "at", "by")}


def _name(request: web.Request, member: str) -> str:
    known = people(request).get(member)
    return known.name if known else member


# --- putting right -------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def show_correction(request: web.Request) -> web.StreamResponse:
    """Show one visit, to be put right."""
    one = _visits(request).by_id.get(request.match_info["visit"])
    if one is None:
        return back(request, "/visites", "visites.unknown")
    now = local_now(request)
    lister = _Lister(request, words_of(request), now, people(request), _hours(request))
    ended = now if one.ended is None else one.ended.astimezone(now.tzinfo)
    return page(
        request,
        "visit_correct.html",
        title="visites.correct_title",
        one=lister.told(one),
        start=f"{one.started.astimezone(now.tzinfo):%Y-%m-%dT%H:%M}",
        end=f"{ended:%Y-%m-%dT%H:%M}",
        reasons=list(Reason),
        annulled=one.annulled,
    )


@needs(Role.ANIMATOR)
async def correct(request: web.Request) -> web.StreamResponse:
    """Put one visit right, or annul it."""
    fields = await form(request)
    span = {} if fields.get("what") == "annul" else {"start": fields.get("start", ""), "end": fields.get("end", "")}
    visit = fields.get("visit", "")
    reason = fields.get("reason", "")
    answer = await asked(request, "web", "visit-correct", {"visit": visit, "reason": reason, **span}, reason=reason)
    if answer.done:
        return back(request, "/visites", "visites.corrected")
    again = f"/visites/corriger/{quote(visit, safe='')}" if visit in _visits(request).by_id else "/visites"
    return back(request, again, REFUSED.get(answer.code, "visites.not_written"))


# --- adding --------------------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def show_adding(request: web.Request) -> web.StreamResponse:
    """Show the form for a visit nobody wrote down."""
    return _adding(request, {**dict.fromkeys(SAID, ""), "reason": Reason.FORGOT_ARRIVAL})


def _adding(request: web.Request, given: Mapping[str, str], wrong: str = "") -> web.Response:
    today = local_now(request).date()
    first = last_month(today)
    whose = {name: one for name, one in people(request).items() if one.until is None or one.until >= first}
    return page(
        request,
        "visit_add.html",
        title="visites.add_title",
        status=422 if wrong else 200,
        people=whose,
        first=first.isoformat(),
        today=today.isoformat(),
        reasons=[one for one in Reason if one is not Reason.FORGOT_DEPARTURE],
        given=given,
        wrong=words_of(request)(wrong) if wrong else "",
    )


@needs(Role.ANIMATOR)
async def add(request: web.Request) -> web.StreamResponse:
    """Add a visit nobody wrote down; what is refused keeps what was typed."""
    fields = await form(request)
    given = {name: fields.get(name, "") for name in SAID}
    answer = await asked(request, "web", "visit-add", given, reason=given["reason"])
    if not answer.done:
        key = "visites.order_day" if answer.code == "order" else REFUSED.get(answer.code, "visites.not_written")
        return _adding(request, given, key)
    one = _visits(request).by_id.get(answer.value)
    if one is None:
        return back(request, "/visites", "visites.corrected")
    hours, now = _hours(request), local_now(request)
    lister = _Lister(request, words_of(request), now, people(request), hours)
    assert now.tzinfo is not None
    formula = request.app[GATE].site.formulas.get(one.formula)
    beyond = formula is not None and formula.access == "hours"
    beyond = beyond and outside(one, hours, request.app[ROSTER].roster().closures, now.tzinfo)
    key = "visites.added_outside" if beyond else "visites.added"
    assert one.ended is not None
    path = "/visites" if one.ended >= now - SHOWN else "/visites?anciennes=1"
    return back(request, path, key, name=lister.name(one), when=lister.when(one))
