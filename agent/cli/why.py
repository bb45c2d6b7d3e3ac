"""Commands that explain the door: `gardien why`, `gardien door calendar`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from agent.cli.where import EXIT_REFUSED, EXIT_USAGE, Where, fail, no_ledger

CLOCK_HELP = "What the door is to know of the time. Default: what it knows now, if TIME is now; else synchronised."

if TYPE_CHECKING:
    from datetime import datetime

    from agent.memory.roster import RosterStore
    from agent.views.why import Asked
    from drivers.contract import Trust


@click.command()
@click.argument("who", metavar="MEMBER|-")
@click.argument("reader", required=False)
@click.argument("time", required=False, metavar="TIME")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.option("--clock", type=click.Choice(["synchronised", "drifting", "restored", "unknown"]), help=CLOCK_HELP)
@click.pass_obj
def why(
    where: Where, who: str, reader: str | None, time: str | None, lang: str, clock: str | None, *, as_json: bool
) -> None:
    """Say which rule opened the door, or will, and which refused: for MEMBER (m042), or the card typed at "-".

    READER is a door reader of the site file; TIME is "03:00", "2026-11-28 03:00" or "28/11/2026 03:00" (default: now).
    A card's number is asked on standard input, so that it stands in no shell history. Exit code 1: it stays shut.
    """
    from agent.memory.ledger import Ledger, LedgerError
    from agent.memory.roster import RosterStore
    from agent.views.why import explain, unknown_holidays
    from agent.views.words import words
    from drivers.clock import SystemClock
    from drivers.contract import Trust

    site = where.site()
    doors = [name for name, one in site.readers.items() if one.at == "door"]
    at_reader = reader or (doors[0] if doors else "")
    if at_reader not in doors:
        fail(f"pas un lecteur de porte : {at_reader} ; {', '.join(doors)} — not a door reader", EXIT_USAGE)
    now = SystemClock().now().utc.astimezone(ZoneInfo(site.site.timezone))
    times = typed_times(time, now) if time else (now,)
    try:
        with (
            Ledger.open(where.ledger_file) as ledger,
            RosterStore.open(where.places.state, ledger, SystemClock()) as store,
        ):
            asked, roster = _asked(who, store), store.roster()
            found = [
                one
                for at in times
                for one in explain(
                    site, ledger, roster, asked, at_reader, at, now=now,
                    trust=Trust(clock) if clock else _trust(where, at, now),
                )
            ]  # fmt: skip
            days = [one.at.date() for one in found if one.seq is None and one.rule in {"opening-hours", "visitor"}]
            unknown = unknown_holidays(site, store.calendar.agenda(), days, words(lang))
    except LedgerError as error:
        no_ledger(error)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, ensure_ascii=False))
    else:
        click.echo("\n".join(one.sentence(words(lang)) for one in found))
        if unknown:
            click.echo(unknown, err=True)
    sys.exit(0 if any(one.granted for one in found) else EXIT_REFUSED)


def _trust(where: Where, at: datetime, now: datetime) -> Trust:
    """Return what the door knows of the time: now, as its picture says; else the time is supposed to be right."""
    from agent.live import read_pictures
    from agent.views.why import AROUND
    from drivers.contract import Trust

    near = abs(at.timestamp() - now.timestamp()) <= AROUND.total_seconds()
    picture = read_pictures(where.places.run).get("door") if near else None
    return Trust.SYNCHRONISED if picture is None else picture.at.trust


def _asked(who: str, store: RosterStore) -> Asked:
    from agent.rules.facts import MemberId
    from agent.rules.memberlist import card_number
    from agent.views.why import Asked

    if who != "-":
        if who not in store.roster().members:
            fail(f"aucun membre {who} — no member {who}", EXIT_REFUSED)
        return Asked(member=MemberId(who))
    number = card_number(sys.stdin.readline())
    if number is None:
        fail("un numéro de carte est en hexadécimal (0-9, A-F) — a card number is hexadecimal", EXIT_USAGE)
    return Asked(card=store.card_key(number))


@click.command("calendar")
@click.option("--days", type=click.IntRange(1, 62), default=14, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.pass_obj
def calendar(where: Where, days: int, lang: str, *, as_json: bool) -> None:
    """Preview when the door opens for those who depend on the opening hours, and why not."""
    from agent.memory.ledger import Ledger, LedgerError
    from agent.memory.roster import RosterStore
    from agent.views.why import calendar as coming
    from agent.views.why import unknown_holidays
    from agent.views.words import words
    from drivers.clock import SystemClock

    site = where.site()
    today = SystemClock().now().utc.astimezone(ZoneInfo(site.site.timezone)).date()
    try:
        with (
            Ledger.open(where.ledger_file) as ledger,
            RosterStore.open(where.places.state, ledger, SystemClock()) as store,
        ):
            agenda = store.calendar.agenda()
            found = tuple(coming(site, store.roster(), today, days, agenda, words(lang)))
    except LedgerError as error:
        no_ledger(error)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, ensure_ascii=False))
        return
    click.echo("\n".join(one.sentence(words(lang)) for one in found))
    unknown = unknown_holidays(site, agenda, (one.day for one in found), words(lang))
    if unknown:
        click.echo(unknown, err=True)


def typed_times(text: str, now: datetime) -> tuple[datetime, ...]:
    """Return the instants that were typed: two in the hour that October repeats; what is no time ends the command."""
    from agent.views.why import SkippedError, read_times

    try:
        return read_times(text, now)
    except SkippedError:
        fail(f"{text} n'existe pas : les horloges sautent cette heure — the clocks skip this time", EXIT_USAGE)
    except ValueError:
        fail(f"pas une heure : {text} ; par exemple « 2026-11-28 03:00 » — not a time", EXIT_USAGE)


COMMANDS = (why,)
