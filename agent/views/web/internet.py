"""Internet: how far one gets on each link, what was out and why, and how it answered. `/internet`.

The one idea: the same facts at three distances. The ladder says where it is broken now and what to do; the list and the
strips say what was broken, to the second, with what nobody measured shown as such; the plot says how it felt. Nothing
is judged here: the page can be shown to a provider as it stands; a month is `linkmonth`'s, a report `reporting`'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from agent.config import Site
from agent.memory.codec import RosterLostError
from agent.memory.samples import read_samples
from agent.rules.incidents import Area, Level
from agent.rules.ladder import Step, ladder
from agent.rules.linkfacts import CAUSES, Health
from agent.rules.linkpast import Past
from agent.rules.outages import NONE, Outage, Stretch, Sums, outages, tally, whole
from agent.rules.samples import WINDOW_S, LinkSample
from agent.views.events import Labels
from agent.views.latency import WINDOWS, Plot, figures, plot, top_of
from agent.views.linkwords import link_words
from agent.views.sentences import SaidIncident, Saying
from agent.views.state import LinkLine
from agent.views.web.asking import lasted, local_now
from agent.views.web.gate import GATE, PLACES, ROSTER, Role, needs, page, words_of
from agent.views.web.hours import week_of
from agent.views.web.linkmonth import contract_words, months_of, rate_words
from agent.views.web.linkpast import keep_up, past_of
from agent.views.web.reporting import declared, form_path
from agent.views.web.watch import WATCH
from agent.views.words import Words, capital

DAYS, RECENT = 90, timedelta(days=30)
LISTED = 40  # outages shown, newest first
LEVELS = {
    Step.PASSED: Level.OK,
    Step.BADLY: Level.WATCH,
    Step.BROKEN: Level.DOWN,
    Step.BROKEN_FROM: Level.DOWN,
    Step.UNKNOWN: Level.UNKNOWN,
}
NOTED = timedelta(minutes=1)  # a gap of a restart is no line of a table
HIGHS = ((timedelta(hours=1), 24), (timedelta(minutes=10), 20), (timedelta(minutes=1), 16))  # of a day's bar


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
    apart: str  # what of it is not the provider's; "" nothing
    said: str  # that it was reported, and what came of it; "" it was not
    report: str  # where it is reported; "" nothing of it is the provider's


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a strip. `kind`: "fine", "out", "ours", "gap", "part" (partly unmeasured) or "none" (no link yet)."""

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
    report: str  # where the outage that lasts is reported; "" there is none
    rungs: tuple[Rung, ...]
    incidents: tuple[SaidIncident, ...]
    known: tuple[str, ...]
    share: str
    days: tuple[Day, ...]
    absent: str  # until when it was not in service yet; "" it was all along
    plot: Plot | None
    says: str
    hours: tuple[Hour, ...]


def routes(app: web.Application) -> None:
    """Add this page, where there are links."""
    if not app[GATE].site.links:
        return
    keep_up(app)
    app.router.add_get("/internet", show)


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show each link: now, the last day, the last thirty and ninety."""
    watch, t = request.app[WATCH], words_of(request)
    say = Saying(watch.site, watch.look(), t.language)
    now = local_now(request)
    past, heard = past_of(request, now)
    lines = {name: past.line(name, now.astimezone(UTC), heard) for name in watch.site.links}
    from_s = int(now.timestamp()) // WINDOW_S * WINDOW_S - (WINDOWS - 1) * WINDOW_S
    rows = {name: read_samples(request.app[PLACES].state, name, from_s, from_s + WINDOWS * WINDOW_S) for name in lines}
    span = _Span(
        _days(now), _openings(request, past, now), from_s, top_of(row for all_ in rows.values() for row in all_)
    )
    teller = _Teller(t, now, say, watch.site, past, span)
    out = {name: outages(line) for name, line in lines.items()}
    recent = teller.recent(out)
    incidents = [one for one in say.state.incidents if one.area is Area.INTERNET]
    return page(
        request,
        "internet.html",
        title="internet.title",
        shared=[say.incident(one) for one in incidents if one.subject not in lines],
        links=[
            teller.link(link, lines[link.name], next(reversed(out[link.name]), None), rows[link.name])
            for link in say.state.links
        ],
        cuts=[teller.cut(one, link) for one, link in recent[:LISTED]],
        more=len(recent) - LISTED,
        months=months_of(past, now),
        dropped=[teller.dropped(name, at) for name, at in past.cut.items() if name in lines and at > span.days[0][0]],
        members=teller.members(),
        acting=True,
    )


def _days(now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the days [midnight, midnight) up to this second: some have 23 or 25 hours."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [(today - timedelta(days=ago)).astimezone(UTC) for ago in range(DAYS - 1, -1, -1)]
    return list(zip(edges, (*edges[1:], whole(now.astimezone(UTC))), strict=True))


def _openings(request: web.Request, past: Past, now: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """Return the opening hours of the days shown, as they stood; none while nobody knows them."""
    first, beyond = now.date() - timedelta(days=DAYS - 1), now.date() + timedelta(days=1)
    try:
        week, closures = week_of(request), request.app[ROSTER].roster().closures
    except RosterLostError:  # the links are measured all the same; only the share within opening hours is left out
        return ()
    return past.weeks.openings(week, first, beyond, closures, request.app[GATE].zone)


@dataclass(frozen=True, slots=True)
class _Span:
    """What of the past is shown."""

    days: Sequence[tuple[datetime, datetime]]
    openings: Sequence[tuple[datetime, datetime]]
    from_s: int  # of the plots
    top_ms: int


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts links into words for one request."""

    t: Words
    now: datetime
    say: Saying
    site: Site
    past: Past
    span: _Span

    def link(
        self,
        link: LinkLine,
        line: Sequence[Stretch],
        last: Outage | None,
        rows: Sequence[LinkSample],
    ) -> Shown:
        """Say all of one link; `last`: its last outage."""
        sums = tally(line, self.span.days)
        days = tuple(self.day(day, one) for (day, _), one in zip(self.span.days, sums, strict=True))
        before = [day.name for day in days if day.kind == "none"]
        zero = Sums(NONE, NONE, NONE, NONE)
        opened = sum(tally(line, self.span.openings), zero)
        first = line[0].since if line and line[0].since > self.span.days[0][0] else None
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
            report=form_path(link.name, last) if last and last.after is None else "",
            rungs=rungs,
            incidents=tuple(
                self.say.incident(one)
                for one in self.say.state.incidents
                if one.area is Area.INTERNET and one.subject == link.name
            ),
            known=self.known(link),
            share=self.share(sum(sums, zero), opened, first),
            days=days,
            absent=self.t("internet.absent_until", day=before[-1]) if before else "",
            plot=plot(rows, self.span.from_s, self.span.top_ms) if rows else None,
            says=self.felt(rows),
            hours=self.hours(rows),
        )

    def name(self, link: str) -> str:
        return Labels.of(self.site).links.get(link, link)

    def known(self, link: LinkLine) -> tuple[str, ...]:
        """Say how it answers now, what it is, and what its last check of the rate found beside the contract."""
        checks = [(at, fact) for at, fact in self.past.rates.get(link.name, ()) if fact.down_bit_s is not None]
        rate = ""
        if checks:
            rate = self.t(
                "internet.rated",
                day=self.t.day(checks[-1][0].astimezone(self.now.tzinfo)),
                rate=rate_words(checks[-1][1], self.t),
            )
        config = self.site.links[link.name]
        return tuple(filter(None, (self.say.answers(link), contract_words(config, self.t), rate)))

    def members(self) -> str:
        """Say how members get from one link to the other: nothing is promised that does not happen."""
        if len(self.site.links) < 2:  # one has no other
            return ""
        two = self.site.site.members_use == "two_wifi"
        return self.t("internet.members_two_wifi" if two else "internet.members_router")

    def recent(self, out: Mapping[str, Sequence[Outage]]) -> list[tuple[Outage, str]]:
        """Return the outages of the last thirty days, newest first, with their links."""
        found = [(one, link) for link, all_ in out.items() for one in all_ if one.until > self.now - RECENT]
        return sorted(found, key=lambda pair: pair[0].since, reverse=True)

    def cut(self, one: Outage, link: str) -> Cut:
        """Say one outage; one that nobody saw end is not said to have ended."""
        health = next(health for health, causes in CAUSES.items() if one.cause in causes)
        cause = link_words(health, one.cause, self.t) if one.lasted or one.cable else self.t("internet.restarted")
        span = lasted(one.lasted or one.until - one.since)
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
        said = self.past.report(link, one)
        declaration = declared(said, one, self.now, self.t) if said else ""
        name = capital(self.name(link))
        return Cut(name, cause, when, span, self.apart(one), declaration, form_path(link, one))

    def apart(self, one: Outage) -> str:
        """Say what of an outage is not counted against the provider."""
        if not one.lasted:
            return self.t("internet.apart_all")
        parts = (("internet.apart_cable", one.cable), ("internet.apart_restart", one.restart))
        return " ".join(self.t(key, time=lasted(span)) for key, span in parts if span)

    def dropped(self, link: str, at: datetime) -> str:
        """Say that a link changed too often for all of it to be kept at hand."""
        local = at.astimezone(self.now.tzinfo)
        return self.t("internet.dropped", name=self.name(link), day=self.t.day(local), time=f"{local:%H:%M}")

    def share(self, sums: Sums, opened: Sums, first: datetime | None) -> str:
        """Say how much of the measured time one could work, never rounded up; `first`: when it was installed."""
        if sums.share is None:
            said = self.t("internet.never")
        else:
            percent = self.percent(sums.share)
            said = self.t("internet.share", percent=percent, out=lasted(sums.out), gap=lasted(sums.gap))
        if opened.share is not None:
            percent = self.percent(opened.share)
            said = f"{said} {self.t('internet.share_open', percent=percent, out=lasted(opened.out))}"
        parts = (("internet.ours", sums.ours), ("internet.restarts", sums.restart))
        if first is not None:
            said = f"{self.t('internet.installed', day=self.t.day(first.astimezone(self.now.tzinfo)))} {said}"
        return " ".join((said, *(self.t(key, time=lasted(span)) for key, span in parts if span)))

    def day(self, since: datetime, sums: Sums) -> Day:
        """Say one day of a strip."""
        kind, high = "fine", 8
        if sums.out:
            kind, high = "out", next((high for least, high in HIGHS if sums.out >= least), 12)
        elif sums.empty:
            kind, high = "none", 0
        elif sums.ours or sums.restart:
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
            lasted(sums.ours + sums.restart) if sums.ours or sums.restart else "",
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
            when=self.within_a_day(datetime.fromtimestamp(sums.worst_s, self.now.tzinfo), "at"),
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
        label = self.within_a_day(at, "hour")
        return Hour(label, usual, worst, f"{self.t.number(sums.lost)} / {self.t.number(sums.sent)}")

    def within_a_day(self, at: datetime, how: str) -> str:
        """Say when, in the last 24 hours; `how`: "at" in a sentence, "hour" alone."""
        time = f"{at:%H:%M}"
        if at.date() != self.now.date():
            return self.t("internet.at_yesterday" if how == "at" else "internet.hour_yesterday", time=time)
        return self.t("internet.at", time=time) if how == "at" else time

    def ms(self, ms: float) -> str:
        return self.comma(f"{ms:.0f}" if ms >= 9.5 else f"{ms:.1f}")

    def percent(self, share: float) -> str:
        return self.comma(f"{math.floor(share * 10_000) / 100:.2f}")

    def comma(self, written: str) -> str:
        return written.replace(".", ",") if self.t.language == "fr" else written
