"""A month of the links, on paper and as a file, for whoever answers for them. `/internet/rapport`, `/internet/releve`.

The one idea: a sheet that a provider can check. Every figure is the sum of rows that stand below it, in the same words
and columns as the file; what is left out is listed, and how it was measured is said on the sheet itself, with the
ledger's head, so that a later copy of the ledger proves it. It prints as it stands: no script, one style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from agent.config import LinkConfig
from agent.memory.ledger import LedgerError
from agent.rules.linkfacts import CAUSES, Health, LinkRated
from agent.rules.linkmonth import LinkMonth, Rates, Row, gone, link_month
from agent.rules.linkpast import Past
from agent.rules.outages import Stretch, Sums
from agent.views.linkwords import link_words, mbit
from agent.views.outagesheet import days_of, sheet, window_of
from agent.views.web.asking import lasted, lasting, local_now
from agent.views.web.gate import GATE, LEDGER, ROSTER, Role, needs, page, words_of
from agent.views.web.hours import week_of
from agent.views.web.linkpast import past_of
from agent.views.words import Words, capital

GONE = LinkConfig("")  # what is known of a link that is no longer in the site file
LISTED = 500  # rows of a table on paper; the file has them all


@dataclass(frozen=True, slots=True)
class Shown:
    """One link's month, and what the site file says of the link."""

    name: str
    link: LinkConfig
    month: LinkMonth
    ended: datetime | None = None  # within the month: it is no longer in the site file, and nobody measured it since

    @property
    def label(self) -> str:
        """Return what people call it."""
        return self.link.label or self.name


@dataclass(frozen=True, slots=True)
class Said:
    """One outage in words."""

    since: str
    until: str
    lasted: str
    cause: str
    counted: str  # how much of it counts
    reported: str
    repaired: str


@dataclass(frozen=True, slots=True)
class Gap:
    """One stretch that nobody measured."""

    since: str
    until: str
    lasted: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of the rate."""

    when: str
    rate: str
    share: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One link's month in words."""

    id: str
    name: str
    contract: str  # what it is and what the contract says; "" nothing is known
    since: str  # when it was installed; "" before this month
    ended: str  # since when it is no longer measured; "" it is, or was to the end of the month
    figures: tuple[tuple[str, str], ...]  # label, value
    outages: tuple[Said, ...]
    gaps: tuple[Gap, ...]
    rates: tuple[Checked, ...]
    more: str  # what is not listed; "" all is
    bounds: str


def routes(app: web.Application) -> None:
    """Add these pages, where there are links."""
    if app[GATE].site.links:
        app.router.add_get("/internet/rapport", show)
        app.router.add_get("/internet/releve", take)


def months_of(past: Past, now: datetime) -> list[str]:
    """Return this month, and the one before if anything was measured then: what is offered."""
    before = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    known = any(told and told[0][1].since < first for told in past.changes.values())
    return [f"{now:%Y-%m}", *([before] if known else [])]


@needs(Role.ANIMATOR)
async def show(request: web.Request) -> web.StreamResponse:
    """Show a month as a sheet that prints."""
    month = request.query.get("month", f"{local_now(request):%Y-%m}")
    now, months = _months(request, month)
    t = words_of(request)
    teller = _Teller(t, now)
    first, beyond = days_of(month)
    last = min(beyond - timedelta(days=1), now.date())
    try:
        head = request.app[LEDGER].head()
    except LedgerError as error:
        raise web.HTTPServiceUnavailable from error
    return page(
        request,
        "linkmonth.html",
        title="month.title",
        query=f"month={month}&",
        month=month,
        span=t("month.span", first=t.day_of(first), last=t.day_of(last)),
        made=t("month.made", day=t.day_of(now.date()), time=f"{now:%H:%M}"),
        head=f"{head.seq}:{head.hash}",
        unfinished=now.date() < beyond,
        links=[teller.sheet(one) for one in months],
    )


@needs(Role.ANIMATOR)
async def take(request: web.Request) -> web.StreamResponse:
    """Give a month as a file for the provider."""
    code, month = request.app[GATE].site.site.code, request.query.get("mois", "")
    _, months = _months(request, month)
    body = sheet(((one.label, one.month) for one in months), (month, code), request.app[GATE].zone)
    headers = {"Content-Disposition": f'attachment; filename="internet_{code}_{month}.csv"'}
    return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)


def _months(request: web.Request, month: str) -> tuple[datetime, list[Shown]]:
    """Return now, and each link, those that are gone last; 404 for a month in which nothing can have been measured."""
    site, zone, now = request.app[GATE].site, request.app[GATE].zone, local_now(request)
    past, heard = past_of(request, now)
    try:
        days, window = days_of(month), window_of(month, zone)
    except (ValueError, OverflowError) as error:
        raise web.HTTPNotFound from error
    firsts = [told[0][1].since for told in past.changes.values() if told]
    known = min(firsts, default=now) < window[1] and window[0] <= now.astimezone(UTC)
    if f"{days[0]:%Y-%m}" != month or not (known or month == f"{now:%Y-%m}"):
        raise web.HTTPNotFound
    openings = past.weeks.openings(week_of(request), *days, request.app[ROSTER].roster().closures, zone)
    cut = (window[0], min(window[1], now.astimezone(UTC)))
    return now, [
        *(
            Shown(name, link, link_month(past, name, cut, openings, heard, link.interval_s))
            for name, link in site.links.items()
        ),
        *(
            Shown(
                name,
                GONE,
                link_month(past, name, cut, openings, ended, GONE.interval_s),
                ended if ended < cut[1] else None,
            )
            for name, ended in gone(past, site.links, cut)
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts months into words for one request."""

    t: Words
    now: datetime

    def sheet(self, shown: Shown) -> Sheet:
        """Say all of one link."""
        month, ended = shown.month, self.t("month.ended", when=self.at(shown.ended)) if shown.ended else ""
        since = self.t("month.not_yet") if month.absent else ""
        if month.since is not None:
            since = self.t("month.cut" if month.cut else "month.since", when=self.at(month.since))
        rows, gaps = month.rows[-LISTED:], month.gaps[-LISTED:]
        more = len(month.rows) + len(month.gaps) - len(rows) - len(gaps)
        return Sheet(
            shown.name,
            capital(shown.label),
            contract_words(shown.link, self.t),
            since,
            ended,
            tuple(self.figures(month)),
            tuple(self.row(one) for one in rows),
            tuple(self.gap(one) for one in gaps),
            tuple(self.checked(at, fact) for at, fact in month.rates.measured[-LISTED:]),
            self.t("month.more", n=more) if more else "",
            self.t("month.bounds", seconds=self.comma(f"{month.round_s:g}")),
        )

    def figures(self, month: LinkMonth) -> Iterable[tuple[str, str]]:
        """Say the sums."""
        yield self.t("month.around"), self.share(month.around)
        yield self.t("month.opened"), self.share(month.opened)
        yield self.t("month.out"), lasted(month.around.out)
        reported = sum(one.report is not None for one in month.rows)
        theirs = sum(bool(one.outage.lasted) for one in month.rows)
        yield self.t("month.count"), self.t("month.counted", n=theirs, reported=reported)
        yield self.t("month.gap"), lasted(month.around.gap)
        yield self.t("month.cable"), lasted(month.around.ours)
        yield self.t("month.restart"), lasted(month.around.restart)
        yield self.t("month.rate"), self.rate(month.rates)

    def share(self, sums: Sums) -> str:
        if sums.share is None:
            return self.t("month.nothing")
        percent = self.comma(f"{math.floor(sums.share * 1_000_000) / 10_000:.4f}")
        return self.t("month.share", percent=percent, out=lasted(sums.out), measured=lasted(sums.measured))

    def rate(self, rates: Rates) -> str:
        """Say the rate against the contract."""
        if not rates.measured:
            return self.t("month.unrated", n=rates.failed) if rates.failed else self.t("month.no_rate")
        said = self.t("month.rated", n=len(rates.measured), rate=mbit(rates.middle_bit_s, self.t))
        if rates.share is None:
            return f"{said} {self.t('month.no_contract')}"
        contract = mbit(rates.contract_bit_s, self.t)
        return f"{said} {self.t('month.of_contract', percent=math.floor(rates.share * 100), contract=contract)}"

    def row(self, one: Row) -> Said:
        """Say one outage."""
        out = one.outage
        health = next(health for health, causes in CAUSES.items() if out.cause in causes)
        cause = link_words(health, out.cause, self.t) if out.lasted or out.cable else self.t("internet.restarted")
        until = self.at(out.until)
        if out.after is None:
            until = self.t("month.lasts")
        elif out.after is Health.UNKNOWN:
            until = self.t("month.unseen", when=until)
        since = self.at(out.since) if one.began == out.since else self.t("month.before", when=self.at(one.began))
        report, local = "", None
        if one.report is not None:
            local = one.report.reported.astimezone(self.now.tzinfo)
            report = f"{local:%d/%m/%Y %H:%M}"
            if one.report.reference:
                report = self.t("month.reported", when=report, reference=one.report.reference)
        repaired = ""
        if one.repaired is not None:
            repaired = lasting(round(one.repaired.total_seconds() / 60), self.t)
        counted = lasted(out.lasted) if out.lasted else self.t("month.not_counted")
        return Said(since, until, lasted(out.until - out.since), cause, counted, report, repaired)

    def gap(self, one: Stretch) -> Gap:
        return Gap(self.at(one.since), self.at(one.until), lasted(one.until - one.since))

    def checked(self, at: datetime, fact: LinkRated) -> Checked:
        rate = fact.down_bit_s or 0
        share = f"{math.floor(100 * rate / fact.contract_bit_s)}\u00a0%" if fact.contract_bit_s else ""
        return Checked(self.at(at), f"{mbit(rate, self.t)}\u00a0Mbit/s", share)

    def at(self, utc: datetime) -> str:
        return f"{utc.astimezone(self.now.tzinfo):%d/%m/%Y %H:%M:%S}"

    def comma(self, written: str) -> str:
        return written.replace(".", ",") if self.t.language == "fr" else written


def rate_words(fact: LinkRated, t: Words) -> str:
    """Say a measured rate: "12,3 Mbit/s, 72 % du contrat"."""
    rate = fact.down_bit_s or 0
    if not fact.contract_bit_s:
        return f"{mbit(rate, t)}\u00a0Mbit/s"
    return t("access.rate", rate=mbit(rate, t), percent=math.floor(100 * rate / fact.contract_bit_s))


def contract_words(link: LinkConfig, t: Words) -> str:
    """Say what a link is and what its contract says: "ADSL, 17 Mbit/s descendants"; "" if nothing is known."""
    parts = [t(f"access.{link.line}")] if link.line else []
    rates = (("access.down", link.down_mbit_s), ("access.up", link.up_mbit_s))
    parts += [t(key, rate=f"{rate:g}".replace(".", "," if t.language == "fr" else ".")) for key, rate in rates if rate]
    if link.data_cap_gb:
        parts.append(t("access.cap", gb=link.data_cap_gb))
    return ", ".join(parts)
