"""Commands that explain the door: `gardien why`, `gardien door calendar`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from agent.cli.where import EXIT_IO, EXIT_REFUSED, EXIT_USAGE, Where, fail

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
    from agent.views.why import explain, read_time
    from agent.views.words import words
    from drivers.clock import SystemClock
    from drivers.contract import Trust

    site = where.site()
    doors = [name for name, one in site.readers.items() if one.at == "door"]
    at_reader = reader or (doors[0] if doors else "")
    if at_reader not in doors:
        fail(f"pas un lecteur de porte : {at_reader} ; {', '.join(doors)} — not a door reader", EXIT_USAGE)
    now = SystemClock().now().utc.astimezone(ZoneInfo(site.site.timezone))
    try:
        at = read_time(time, now) if time else now
    except ValueError:
        fail(f"pas une heure : {time} ; par exemple « 2026-11-28 03:00 » — not a time", EXIT_USAGE)
    try:
        with (
            Ledger.open(where.ledger_file) as ledger,
            RosterStore.open(where.places.state, ledger, SystemClock()) as store,
        ):
            trust = Trust(clock) if clock else _trust(where, at, now)
            found = explain(site, ledger, store.roster(), _asked(who, store), at_reader, at, now=now, trust=trust)
    except LedgerError as error:
        fail(str(error), EXIT_IO)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, ensure_ascii=False))
    else:
        click.echo("\n".join(one.sentence(words(lang)) for one in found))
    sys.exit(0 if any(one.granted for one in found) else EXIT_REFUSED)


def _trust(where: Where, at: datetime, now: datetime) -> Trust:
    """Return what the door knows of the time: now, as its picture says; else the time is supposed to be right."""
    from agent.live import read_pictures
    from agent.views.why import AROUND
    from drivers.contract import Trust

    picture = read_pictures(where.places.run).get("door") if abs(at - now) <= AROUND else None
    return Trust.SYNCHRONISED if picture is None else picture.at.trust


def _asked(who: str, store: RosterStore) -> Asked:
    from agent.rules.facts import MemberId
    from agent.rules.members import card_number
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
        fail(str(error), EXIT_IO)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], default=str, ensure_ascii=False))
        return
    click.echo("\n".join(one.sentence(words(lang)) for one in found))


COMMANDS = (why,)
