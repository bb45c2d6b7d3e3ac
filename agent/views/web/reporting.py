"""Telling that an outage was reported to its provider: when, and under which file number. `/internet/signaler`.

The one idea: a provider's delay to repair runs from the moment it was told, so that moment is written down as a fact,
with the provider's own number and never a name. Whoever mistyped reports again: the newer word holds, both stay in the
ledger. Only an outage that was measured can be reported, and only at a time since it began.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from aiohttp import web

from agent.rules.linkfacts import Health, OutageReported
from agent.rules.linkpast import Past, repaired
from agent.rules.memberlist import read_day
from agent.rules.outages import NONE, Outage, outages
from agent.views.events import Labels
from agent.views.web.asking import lasting, local_now
from agent.views.web.gate import GATE, Role, account_of, back, form, needs, page, words_of, write
from agent.views.web.linkpast import past_of
from agent.views.web.members import Wrong
from agent.views.words import Words, capital

PATH = "/internet/signaler"
_REFERENCE = re.compile(r"[A-Z0-9 ./:#_-]{0,32}")
_NUMBER = re.compile(r"^(?:DOSSIER )?N[°º] ?")  # the page says it already
_TIME = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)(:[0-5]\d)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """The outage that somebody reports."""

    link: str
    outage: Outage
    past: Past
    now: datetime  # at the site


def routes(app: web.Application) -> None:
    """Add this page, where there are links."""
    if app[GATE].site.links:
        app.router.add_get(PATH, show)
        app.router.add_post(PATH, report)


def form_path(link: str, one: Outage) -> str:
    """Return where an outage is reported; "" for one of which nothing is the provider's."""
    return f"{PATH}?link={link}&began={int(one.since.timestamp())}" if one.lasted > NONE else ""


def declared(said: OutageReported, one: Outage, now: datetime, t: Words) -> str:
    """Say when an outage was reported, under which number, and how long after that it was over."""
    local = said.reported.astimezone(now.tzinfo)
    key = "reporting.said" if said.reference else "reporting.said_bare"
    return f"{t(key, day=t.day(local), time=f'{local:%H:%M}', reference=said.reference)} {_repair(said, one, t)}"


def _repair(said: OutageReported, one: Outage, t: Words) -> str:
    over = repaired(one, said.reported)
    if over is not None:
        return t("reporting.repaired", time=lasting(round(over.total_seconds() / 60), t))
    if one.until <= said.reported:
        return t("reporting.before") if one.after is not None else ""
    span = lasting(int((one.until - said.reported).total_seconds() // 60), t)
    return t("reporting.unseen" if one.after is Health.UNKNOWN else "reporting.open", time=span)


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Ask when and under which number; filled in with what was said before, else with now."""
    asked = _asked(request, request.query.get("link", ""), request.query.get("began", ""))
    said = asked.past.report(asked.link, asked.outage)
    at = asked.now if said is None else said.reported.astimezone(asked.now.tzinfo)
    given = {"day": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "reference": said.reference if said else ""}
    return _page(request, asked, given)


@needs(Role.ANIMATOR)
async def report(request: web.Request) -> web.StreamResponse:
    """Write down that it was reported, or say what cannot be."""
    given = await form(request)
    asked = _asked(request, given.get("link", ""), given.get("began", ""))
    try:
        reported, reference = _when(asked, given), _reference(given.get("reference", ""))
    except Wrong as wrong:
        return _page(request, asked, given, words_of(request)(wrong.key, **wrong.values))
    fact = OutageReported(asked.link, asked.outage.since, reported, reference, account_of(request).id)
    if asked.past.report(asked.link, asked.outage) != fact:
        await write(request, fact)
    return back(request, "/internet", "reporting.noted")


def _asked(request: web.Request, link: str, began: str) -> Asked:
    """Return the outage of `link` that began in the second `began` (Unix time); 404 if there is none to report."""
    now = local_now(request)
    past, heard = past_of(request, now)
    if link in request.app[GATE].site.links and re.fullmatch(r"\d{1,12}", began):
        line = past.line(link, now.astimezone(UTC), heard)
        for one in outages(line):
            if int(one.since.timestamp()) == int(began) and form_path(link, one):
                return Asked(link, one, past, now)
    raise web.HTTPNotFound


def _when(asked: Asked, given: dict[str, str]) -> datetime:
    """Read the day and the time, to the minute; in the hour that comes twice, the first that can be. Raises Wrong."""
    day, clock = read_day(given.get("day", "").strip()), _TIME.fullmatch(given.get("time", "").strip())
    if day is None or clock is None:
        raise Wrong("reporting.no_time")
    began, now = asked.outage.since, asked.now.astimezone(UTC)
    local = began.astimezone(asked.now.tzinfo)
    if local.date() <= day <= asked.now.date():
        wall = datetime.combine(day, time(int(clock[1]), int(clock[2])), asked.now.tzinfo)
        instants = [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
        fits = [at for at in instants if began < at + timedelta(minutes=1) and at <= now]
        if fits:
            return max(fits[0], began)
    if (day, time(int(clock[1]), int(clock[2]))) > (asked.now.date(), asked.now.time()):
        raise Wrong("reporting.future", time=f"{asked.now:%H:%M}")
    raise Wrong("reporting.early", day=f"{local:%d/%m/%Y}", time=f"{local:%H:%M}")


def _reference(text: str) -> str:
    """Read the provider's number; empty: none was given. A word without a digit may be a name, which is never kept."""
    reference = _NUMBER.sub("", " ".join(text.upper().split()), count=1)
    if not _REFERENCE.fullmatch(reference):
        raise Wrong("reporting.bad_number")
    if reference and not any(one.isdecimal() for one in reference):
        raise Wrong("reporting.no_digit")
    return reference


def _page(request: web.Request, asked: Asked, given: dict[str, str], wrong: str = "") -> web.Response:
    t, one = words_of(request), asked.outage
    name = Labels.of(request.app[GATE].site).links.get(asked.link, asked.link)
    began = one.since.astimezone(asked.now.tzinfo)
    said = asked.past.report(asked.link, one)
    return page(
        request,
        "reporting.html",
        title="reporting.title",
        status=422 if wrong else 200,
        query=f"link={asked.link}&began={int(one.since.timestamp())}&",
        wrong=wrong,
        what=t("reporting.what", name=capital(name), day=t.day(began), time=f"{began:%H:%M:%S}"),
        before=declared(said, one, asked.now, t) if said else "",
        link=asked.link,
        began=int(one.since.timestamp()),
        given=given,
        latest=f"{asked.now:%Y-%m-%d}",
        earliest=f"{began:%Y-%m-%d}",
    )
