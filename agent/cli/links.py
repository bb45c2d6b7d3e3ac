"""Commands over the links: a month for the provider."""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

import click

from agent.cli.books import MONTH
from agent.cli.where import Where, no_ledger


@click.group()
def links() -> None:
    """Look at the links' past."""


@links.command("report")
@click.option("--month", required=True, metavar="YYYY-MM")
@click.pass_obj
def report(where: Where, month: str) -> None:
    """Write a month of every link as CSV to standard output: outages to the second, gaps, availability, repairs.

    Opening hours are those that stood at the time, with the closures and holidays of the month. Links that are no
    longer in the site file come last, under their id, as far as they were measured.
    """
    from agent.config import LinkConfig
    from agent.live import STALE_S, age_s, read_pictures
    from agent.memory.ledger import Ledger, LedgerError
    from agent.memory.roster import RosterStore
    from agent.rules.hours import WeeklyHours
    from agent.rules.linkfacts import LinkMeasured
    from agent.rules.linkmonth import gone, link_month
    from agent.rules.linkpast import KINDS, Past, follow
    from agent.views.outagesheet import days_of, sheet, window_of
    from drivers.clock import SystemClock

    site, clock = where.site(), SystemClock()
    at, zone = clock.now(), ZoneInfo(site.site.timezone)
    try:
        since, until = window_of(month, zone)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(MONTH, param_hint="--month") from error
    if since >= at.utc:
        raise click.BadParameter("ce mois n'a pas commencé — that month has not begun", param_hint="--month")
    try:
        with Ledger.open(where.ledger_file) as ledger:
            facts = [(entry.at.utc, entry.fact) for entry in ledger.entries(*KINDS, LinkMeasured)]
            with RosterStore.open(where.places.state, ledger, clock) as store:
                roster = store.roster()
    except LedgerError as error:
        no_ledger(error)
    picture = read_pictures(where.places.run).get("links")
    words = [fact.until for _, fact in facts if isinstance(fact, LinkMeasured)]
    if picture is not None:
        words.append(at.utc if age_s(picture, at) <= STALE_S else picture.at.utc)
    past = follow(Past(), facts, kept=len(facts) + 1)
    week = roster.hours or WeeklyHours.parse(site.hours)
    openings = past.weeks.openings(week, *days_of(month), roster.closures, zone)
    window, heard = (since, min(until, at.utc)), max(words, default=since)
    months = [
        (link.label or name, link_month(past, name, window, openings, heard, link.interval_s))
        for name, link in site.links.items()
    ]
    months += [
        (name, link_month(past, name, window, openings, ended, LinkConfig("").interval_s))
        for name, ended in gone(past, site.links, window)
    ]
    sys.stdout.buffer.write(sheet(months, (month, site.site.code), zone))


COMMANDS = (links,)
