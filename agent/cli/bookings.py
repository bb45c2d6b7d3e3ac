"""Commands for what is granted or shut for a while: `gardien door book | bookings | cancel | lockdown`."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from agent.cli.people import ACTOR, opened_roster
from agent.cli.where import EXIT_REFUSED, Where, fail

if TYPE_CHECKING:
    from datetime import datetime

    from agent.memory.roster import RosterStore
    from agent.rules.bookings import Booking

REASONS = ("intrusion", "danger-outside", "exercise", "other")


def _at(where: Where, text: str) -> datetime:
    from agent.cli.why import typed_times
    from drivers.clock import SystemClock

    return typed_times(text, SystemClock().now().utc.astimezone(ZoneInfo(where.site().site.timezone)))[0]


def _stretch(where: Where, start: str, until: str) -> tuple[datetime, datetime]:
    """Return what was typed; an end without a day is on the start's, or the night after it."""
    first = _at(where, start)
    if " " in until.strip() or "T" in until:
        return first, _at(where, until)
    last = _at(where, f"{first.date()} {until.strip()}")
    return first, last if last > first else _at(where, f"{first.date() + timedelta(days=1)} {until.strip()}")


@click.command("book")
@click.argument("who", metavar="MEMBER|card-N|code")
@click.argument("start")
@click.argument("until")
@click.option("--uses", type=int, metavar="N", help="Good for N entries. Default: as many as needed.")
@click.option("--words", default="", help="What it is known by; on pages only.")
@click.pass_obj
def book(where: Where, who: str, start: str, until: str, uses: int | None, words: str) -> None:
    """Let a member, a visitors' card or a guest in from START until UNTIL ("2026-11-28 20:00", or a time of today).

    An UNTIL without a day is on START's, or in the night after it. For "code" a code is made up and printed, once:
    it is kept nowhere.
    """
    from agent.rules.facts import MemberId

    if who == "code" and not where.site().reads_codes:
        fail("aucun lecteur de la porte ne lit de code — no reader of the door takes a code", EXIT_REFUSED)
    bounds = _stretch(where, start, until)
    card = re.fullmatch(r"card-(\d{1,3})", who)

    def made(store: RosterStore) -> str:
        bookings = store.bookings
        if who == "code":
            return " ".join(bookings.invite(*bounds, actor=ACTOR, uses=uses, words=words))
        if card:
            return bookings.book_card(int(card[1]), *bounds, actor=ACTOR, uses=uses, words=words)
        return bookings.book(MemberId(who), *bounds, actor=ACTOR, uses=uses, words=words)

    with opened_roster(where) as store:
        done = made(store)
    click.echo(done)


@click.command("bookings")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def bookings(where: Where, *, as_json: bool) -> None:
    """List the bookings and codes that are not over."""
    from drivers.clock import SystemClock

    zone = ZoneInfo(where.site().site.timezone)
    now = SystemClock().now().utc
    with opened_roster(where) as store:
        found = [one for one in store.bookings.all() if one.booking.until > now]
        cards = {card.key: card.number for card in store.visitors.cards()}

    def whom(one: Booking) -> str:
        number = cards.get(one.key) if one.key else None
        return one.member or ("code" if number is None else f"card-{number}")

    rows = [
        {
            "id": one.booking.id,
            "who": whom(one.booking),
            "start": one.booking.start.astimezone(zone).isoformat(timespec="minutes"),
            "until": one.booking.until.astimezone(zone).isoformat(timespec="minutes"),
            "uses": one.booking.uses,
            "words": one.words,
        }
        for one in found
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        uses = f"  x{row['uses']}" if row["uses"] else ""
        click.echo(f"{row['id']}  {row['who']:<8} {row['start']} → {row['until']}{uses}  {row['words']}".rstrip())


@click.command("cancel")
@click.argument("booking", metavar="ID")
@click.pass_obj
def cancel(where: Where, booking: str) -> None:
    """Take a booking or a code back. Effective within two seconds."""
    from agent.rules.bookings import BookingId

    with opened_roster(where) as store:
        if all(one.booking.id != booking for one in store.bookings.all()):
            fail(f"aucune réservation {booking} : voir « gardien door bookings » — no booking {booking}", EXIT_REFUSED)
        store.bookings.end(BookingId(booking), actor=ACTOR)


@click.command("lockdown")
@click.argument("reason", type=click.Choice([*REASONS, "end"]))
@click.option("--until", metavar="TIME", help="It ends by itself then. Default: by `lockdown end`.")
@click.pass_obj
def lockdown(where: Where, reason: str, until: str | None) -> None:
    """Let nobody in any more, for REASON, or in again with "end". Everybody can always leave."""
    from agent.rules.bookings import Alarm

    with opened_roster(where) as store:
        if reason == "end":
            store.bookings.end_lockdown(actor=ACTOR)
        else:
            store.bookings.lock_down(Alarm(reason), actor=ACTOR, until=_at(where, until) if until else None)


DOOR_COMMANDS = (book, bookings, cancel, lockdown)
