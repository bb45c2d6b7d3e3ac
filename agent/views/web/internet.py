"""Internet: how far one gets on each link, what was out and why, and how it answered. `/internet`.

The one idea: the same facts at three distances. The ladder says where it is broken now and what to do; the list and the
strips say what was broken, to the second, with what nobody measured shown as such; the plot says how it felt. Nothing
is judged here, and nothing acts: the page can be shown to a provider as it stands, and a month taken along as a file.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from agent.memory.followed import Followed
from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.memory.samples import read_samples
from agent.rules.incidents import Area, Level
from agent.rules.ladder import Step, ladder
from agent.rules.linkfacts import CAUSES, Health, LinkChanged, LinkMeasured
from agent.rules.outages import Outage, Stretch, Sums, outages, stretches, tally
from agent.rules.samples import WINDOW_S, LinkSample
from agent.views.events import Labels, link_words
from agent.views.latency import WINDOWS, Plot, figures, plot
from agent.views.outagesheet import sheet, window_of
from agent.views.sentences import SaidIncident, Saying
from agent.views.state import LinkLine, SiteState
from agent.views.web.asking import local_now
from agent.views.web.gate import GATE, LEDGER, PLACES, Role, needs, page, words_of
from agent.views.web.watch import WATCH
from agent.views.words import Words, capital

DAYS, RECENT = 90, timedelta(days=30)
LISTED = 40  # outages shown, newest first
KEPT = 20_000  # changes followed, of all links: a link that flaps all day makes some hundreds
LEVELS = {
    Step.PASSED: Level.OK,
    Step.BADLY: Level.WATCH,
    Step.BROKEN: Level.DOWN,
    Step.BROKEN_FROM: Level.DOWN,
    Step.UNKNOWN: Level.UNKNOWN,
}
NOTED = timedelta(minutes=1)  # a gap of a restart is no line of a table
HIGHS = ((timedelta(hours=1), 24), (timedelta(minutes=10), 20), (timedelta(minutes=1), 16))  # of a day's bar

Told = tuple[tuple[datetime, LinkChanged], ...]
FOLLOWED = web.AppKey("link changes", Followed)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder."""

    level: Level
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Cut:
    """One outage."""

    name: str
    cause: str
    when: str
    lasted: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a strip. `kind`: "fine", "out", "ours", "gap" or "part" (partly unmeasured)."""

    name: str
    kind: str
    high: int
    out: str
    ours: str
    gap: str


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the plot's table."""

    name: str
    usual: str
    worst: str
    lost: str


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is shown of one link."""

    id: str
    name: str
    level: Level
    words: str
    since: str
    rungs: tuple[Rung, ...]
    incidents: tuple[SaidIncident, ...]
    share: str
    days: tuple[Day, ...]
    plot: Plot | None
    says: str
    hours: tuple[Hour, ...]


def routes(app: web.Application) -> None:
    """Add this page, where there are links."""
    if not app[GATE].site.links:
        return
    nothing: Told = ()
    app[FOLLOWED] = Followed(app[LEDGER], (LinkChanged,), nothing, _follow)
    app.router.add_get("/internet", show)
    app.router.add_get("/internet/releve", take)


def _follow(told: Told, new: Sequence[Entry]) -> Told:
    found = [(entry.at.utc, entry.fact) for entry in new if isinstance(entry.fact, LinkChanged)]
    return (*told, *found)[-KEPT:]


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show each link: now, the last day, the last thirty and ninety."""
    watch, t = request.app[WATCH], words_of(request)
    say = Saying(watch.site, watch.look(), t.language)
    now = local_now(request)
    try:
        told, heard = request.app[FOLLOWED].read(), _heard(say.state, request.app[LEDGER], now)
    except LedgerError as error:
        log.warning("the links' past cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    teller = _Teller(t, now, say, Labels.of(watch.site))
    days = _days(now)
    lines = {name: stretches(told, name, days[0][0], now, heard) for name in watch.site.links}
    from_s = int(now.timestamp()) // WINDOW_S * WINDOW_S - (WINDOWS - 1) * WINDOW_S
    rows = {name: read_samples(request.app[PLACES].state, name, from_s, from_s + WINDOWS * WINDOW_S) for name in lines}
    cuts = teller.cuts(lines)
    incidents = [one for one in say.state.incidents if one.area is Area.INTERNET]
    return page(
        request,
        "internet.html",
        title="internet.title",
        shared=[say.incident(one) for one in incidents if one.subject not in lines],
        links=[teller.link(link, lines[link.name], days, rows[link.name], from_s) for link in say.state.links],
        cuts=cuts[:LISTED],
        more=len(cuts) - LISTED,
        months=_months(now),
        acting=True,
    )


@needs(Role.ANIMATOR)
async def take(request: web.Request) -> web.StreamResponse:
    """Give a month as a file for the provider."""
    site, now, month = request.app[GATE].site, local_now(request), request.query.get("mois", "")
    if month not in _months(now):
        raise web.HTTPNotFound
    since, until = window_of(month, request.app[GATE].zone)
    try:
        told, heard = request.app[FOLLOWED].read(), _heard(request.app[WATCH].look(), request.app[LEDGER], now)
    except LedgerError as error:
        log.warning("the links' past cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    window = (since, min(until, now.astimezone(UTC)))
    body = sheet(told, Labels.of(site).links, (month, site.site.code), window, heard, request.app[GATE].zone)
    headers = {"Content-Disposition": f'attachment; filename="internet_{site.site.code}_{month}.csv"'}
    return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)


def _months(now: datetime) -> tuple[str, str]:
    """Return this month and the one before: what is offered."""
    return f"{now:%Y-%m}", f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"


def _heard(state: SiteState, ledger: Ledger, now: datetime) -> datetime:
    """Return the last moment at which somebody measured, as far as we know."""
    service = next((one for one in state.services if one.name == "links"), None)
    if service is not None and service.up:
        return now  # not the moment of the look, which is a little before: what lasts has no gap behind it
    booked = ledger.last(LinkMeasured)
    until = booked.fact.until if booked is not None and isinstance(booked.fact, LinkMeasured) else None
    known = [at for at in (service.at if service else None, until) if at is not None]
    return max(known, default=datetime.min.replace(tzinfo=UTC))


def _days(now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the days [midnight, midnight) up to now: some have 23 or 25 hours."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [(today - timedelta(days=ago)).astimezone(UTC) for ago in range(DAYS - 1, -1, -1)]
    return list(zip(edges, (*edges[1:], now.astimezone(UTC)), strict=True))


def lasted(span: timedelta) -> str:
    """Write how long, to the second: "6 min 33 s", the same in every language."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}\u00a0h {minutes:02d}\u00a0min {seconds:02d}\u00a0s"
    return f"{minutes}\u00a0min {seconds:02d}\u00a0s" if minutes else f"{seconds}\u00a0s"


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts links into words for one request."""

    t: Words
    now: datetime
    say: Saying
    labels: Labels

    def link(
        self,
        link: LinkLine,
        line: Sequence[Stretch],
        days: Sequence[tuple[datetime, datetime]],
        rows: Sequence[LinkSample],
        from_s: int,
    ) -> Shown:
        """Say all of one link."""
        (whole,) = tally(line, [(days[0][0], days[-1][1])])
        rungs = tuple(
            Rung(LEVELS[step], self.t(f"rung.{rung}"), self.t(f"step.{step}"))
            for rung, step in ladder(link.health, link.cause)
        )
        return Shown(
            id=link.name,
            name=capital(self.name(link.name)),
            level=link.level,
            words=capital(link_words(link.health, link.cause, self.t)),
            since=self.say.since(link.since),
            rungs=rungs,
            incidents=tuple(
                self.say.incident(one)
                for one in self.say.state.incidents
                if one.area is Area.INTERNET and one.subject == link.name
            ),
            share=self.share(whole),
            days=tuple(self.day(day, sums) for (day, _), sums in zip(days, tally(line, days), strict=True)),
            plot=plot(rows, from_s) if rows else None,
            says=self.felt(rows),
            hours=self.hours(rows),
        )

    def name(self, link: str) -> str:
        return self.labels.links.get(link, link)

    def cuts(self, lines: dict[str, tuple[Stretch, ...]]) -> list[Cut]:
        """Say the outages of the last thirty days, newest first."""
        found = [(one, link) for link, line in lines.items() for one in outages(line) if one.until > self.now - RECENT]
        found.sort(key=lambda pair: pair[0].since, reverse=True)
        return [self.cut(one, link) for one, link in found]

    def cut(self, one: Outage, link: str) -> Cut:
        """Say one outage; one that nobody saw end is not said to have ended."""
        health = next(health for health, causes in CAUSES.items() if one.cause in causes)
        span = lasted(one.until - one.since)
        if one.after is None:
            span = self.t("internet.lasts", time=span)
        elif one.after is Health.UNKNOWN:
            span = self.t("internet.unseen", time=span)
        since, until = one.since.astimezone(self.now.tzinfo), one.until.astimezone(self.now.tzinfo)
        when = f"{self.t.day(since)}, {since:%H:%M:%S}"
        if one.after is not None:
            when += (
                f" – {until:%H:%M:%S}" if since.date() == until.date() else f" – {self.t.day(until)}, {until:%H:%M:%S}"
            )
        return Cut(capital(self.name(link)), link_words(health, one.cause, self.t), when, span)

    def share(self, sums: Sums) -> str:
        """Say how much of the measured time one could work; never rounded up."""
        if sums.share is None:
            said = self.t("internet.never")
        else:
            percent = self.comma(f"{math.floor(sums.share * 10_000) / 100:.2f}")
            said = self.t("internet.share", percent=percent, out=lasted(sums.out), gap=lasted(sums.gap))
        return f"{said} {self.t('internet.ours', time=lasted(sums.ours))}" if sums.ours else said

    def day(self, since: datetime, sums: Sums) -> Day:
        """Say one day of a strip."""
        kind, high = "fine", 8
        if sums.out:
            kind, high = "out", next((high for least, high in HIGHS if sums.out >= least), 12)
        elif sums.ours:
            kind, high = "ours", 4
        elif not sums.measured:
            kind, high = "gap", 2
        elif sums.gap >= NOTED:
            kind, high = "part", 4
        local = since.astimezone(self.now.tzinfo)
        gap = lasted(sums.gap) if sums.gap >= NOTED else ""
        return Day(
            self.t.day(local),
            kind,
            high,
            lasted(sums.out) if sums.out else "",
            lasted(sums.ours) if sums.ours else "",
            gap,
        )

    def felt(self, rows: Sequence[LinkSample]) -> str:
        """Say a day of answers in one sentence."""
        sums = figures(rows)
        if sums.usual_ms is None or sums.worst_ms is None:
            return self.t("internet.no_answer", n=sums.sent) if sums.sent else self.t("internet.no_rows")
        return self.t(
            "internet.felt",
            usual=self.ms(sums.usual_ms),
            worst=self.ms(sums.worst_ms),
            time=f"{datetime.fromtimestamp(sums.worst_s, self.now.tzinfo):%H:%M}",
            lost=sums.lost,
            sent=sums.sent,
        )

    def hours(self, rows: Sequence[LinkSample]) -> tuple[Hour, ...]:
        """Say the same by the hour, oldest first; an hour without a row is left out."""
        by_hour: dict[datetime, list[LinkSample]] = {}
        for one in rows:
            at = datetime.fromtimestamp(one.start_s - one.start_s % 3600, UTC)
            by_hour.setdefault(at, []).append(one)
        return tuple(self.hour(at.astimezone(self.now.tzinfo), found) for at, found in by_hour.items())

    def hour(self, at: datetime, rows: Sequence[LinkSample]) -> Hour:
        sums = figures(rows)
        usual, worst = ("–" if ms is None else f"{self.ms(ms)}\u00a0ms" for ms in (sums.usual_ms, sums.worst_ms))
        return Hour(f"{at:%H:%M}", usual, worst, f"{self.t.number(sums.lost)} / {self.t.number(sums.sent)}")

    def ms(self, ms: float) -> str:
        return self.comma(f"{ms:.0f}" if ms >= 9.5 else f"{ms:.1f}")

    def comma(self, written: str) -> str:
        return written.replace(".", ",") if self.t.language == "fr" else written
