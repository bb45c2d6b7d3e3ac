"""Commands over the links: a month for the provider."""

from __future__ import annotations

import sys
from zoneinfo import ZoneInfo

import click

from agent.cli.where import EXIT_IO, Where, fail


@click.group()
def links() -> None:
    """Look at the links' past."""


@links.command("report")
@click.option("--month", required=True, metavar="YYYY-MM")
@click.pass_obj
def report(where: Where, month: str) -> None:
    """Write a month of every link as CSV to standard output: outages to the second, gaps, availability."""
    from agent.live import STALE_S, age_s, read_pictures
    from agent.memory.ledger import Ledger, LedgerError
    from agent.rules.linkfacts import LinkMeasured
    from agent.rules.linkpast import KINDS, Past, follow
    from agent.views.outagesheet import sheet, window_of
    from drivers.clock import SystemClock

    site, at = where.site(), SystemClock().now()
    now = at.utc
    zone = ZoneInfo(site.site.timezone)
    try:
        since, until = window_of(month, zone)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("expects YYYY-MM, for example 2026-11", param_hint="--month") from error
    if since >= now:
        raise click.BadParameter("that month has not begun", param_hint="--month")
    try:
        with Ledger.open(where.ledger_file) as ledger:
            facts = [(entry.at.utc, entry.fact) for entry in ledger.entries(*KINDS, LinkMeasured)]
    except LedgerError as error:
        fail(str(error), EXIT_IO)
    picture = read_pictures(where.places.run).get("links")
    words = [fact.until for _, fact in facts if isinstance(fact, LinkMeasured)]
    if picture is not None:
        words.append(now if age_s(picture, at) <= STALE_S else picture.at.utc)
    past = follow(Past(), facts, kept=len(facts) + 1)
    labels = {name: link.label or name for name, link in site.links.items()}
    heard = max(words, default=since)
    made = sheet(past, labels, (month, site.site.code), (since, min(until, now)), heard, zone)
    sys.stdout.buffer.write(made)


COMMANDS = (links,)
