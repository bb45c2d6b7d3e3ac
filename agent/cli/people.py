"""Commands for the roster: members, their cards, their print names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from agent.cli.where import EXIT_REFUSED, Where, fail, no_ledger

if TYPE_CHECKING:
    from agent.memory.roster import RosterStore
    from agent.rules.facts import FormulaId
    from drivers.contract import CardNumber

ACTOR = "cli"


@contextlib.contextmanager
def opened_roster(where: Where) -> Iterator[RosterStore]:
    """Open the roster; a refusal or a failing disk ends the command with its sentence."""
    from agent.memory.ledger import Ledger, LedgerError
    from agent.memory.roster import RosterError, RosterStore
    from drivers.clock import SystemClock

    try:
        with (
            Ledger.open(where.ledger_file) as ledger,
            RosterStore.open(where.places.state, ledger, SystemClock()) as store,
        ):
            yield store
            store.settle()
    except RosterError as error:
        fail(f"{error.fr} — {error.en}", EXIT_REFUSED)
    except LedgerError as error:
        no_ledger(error)


def formula_of(where: Where, text: str) -> FormulaId:
    """Return the formula that was typed, by its id or what people call it."""
    from agent.rules.facts import FormulaId
    from agent.rules.folding import fold_text
    from agent.rules.memberlist import formula_words

    labels = {FormulaId(name): config.label for name, config in where.site().formulas.items()}
    found = formula_words(labels).get(fold_text(text))
    if found is None:
        raise click.BadParameter(f"une formule parmi : {', '.join(labels)} — one of these", param_hint="--formula")
    return found


def day_of(text: str | None) -> date | None:
    """Return the day that was typed, as Excel or ISO 8601 writes it; None if none was."""
    from agent.rules.memberlist import read_day

    if text is None:
        return None
    day = read_day(text)
    if day is None:
        raise click.BadParameter(
            f"écrivez le jour comme 22/11/2026 — not a day: {text!r}; write 22/11/2026 or 2026-11-22"
        )
    return day


def _today(where: Where) -> date:
    """Return the day it is on the site's wall clock."""
    from drivers.clock import SystemClock

    return SystemClock().now().utc.astimezone(ZoneInfo(where.site().site.timezone)).date()


@click.group()
def member() -> None:
    """Add, list, import, end and erase members."""


@member.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def member_import(where: Where, file: Path) -> None:
    """Bring the roster to what FILE says (CSV as French Excel writes it): all of it, or nothing and every fault."""
    from agent.rules.facts import FormulaId
    from agent.rules.memberlist import formula_words, read_members

    labels = {FormulaId(name): config.label for name, config in where.site().formulas.items()}
    read = read_members(file.read_bytes(), formula_words(labels), where.site().card_digits)
    with opened_roster(where) as store:
        report = store.import_rows(read, actor=ACTOR, today=_today(where))
    for fault in report.faults:
        click.echo(f"{file}:{fault.line}: {fault.fr} — {fault.en}", err=True)
    if report.faults:
        fail("rien n'a été importé ; corrigez le fichier et recommencez — nothing was imported", EXIT_REFUSED)
    click.echo(f"{report.added} ajoutés, {report.changed} modifiés, {report.unchanged} inchangés")


@member.command("list")
@click.pass_obj
def member_list(where: Where) -> None:
    """List members with their names, cards and print names: for the person at the terminal only."""
    with opened_roster(where) as store:
        roster = store.roster()
        for person in store.people():
            cards = sum(1 for card in roster.cards.values() if card.member == person.id and not card.blocked)
            until = f" → {person.until}" if person.until else ""
            click.echo(f"{person.id}  {person.formula:<12} {person.since}{until}  {cards} carte(s)  {person.name}")


@member.command("add")
@click.argument("name")
@click.option("--formula", required=True)
@click.option("--since", metavar="DAY", help="First day of rights. Default: today.")
@click.option("--id", "identity", metavar="ID", help="Default: the next free one.")
@click.pass_obj
def member_add(where: Where, name: str, formula: str, since: str | None, identity: str | None) -> None:
    """Add a member and print the new id."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        given = MemberId(identity) if identity else None
        made = store.add_member(
            name, formula_of(where, formula), actor=ACTOR, since=day_of(since) or _today(where), member=given
        )
    click.echo(made)


@member.command("end")
@click.argument("identity", metavar="ID")
@click.argument("day", required=False)
@click.pass_obj
def member_end(where: Where, identity: str, day: str | None) -> None:
    """Set the last DAY of a member's rights (none: open again)."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.end_member(MemberId(identity), day_of(day), actor=ACTOR)


@member.command("erase")
@click.argument("identity", metavar="ID")
@click.pass_obj
def member_erase(where: Where, identity: str) -> None:
    """Forget a member's name, cards and print names; the id stays in what was counted."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.erase_member(MemberId(identity), actor=ACTOR)


@click.group()
def card() -> None:
    """Give and block cards. A card is named by the number its reader sends, in hex."""


def _number(text: str) -> CardNumber:
    from agent.rules.memberlist import card_number

    number = card_number(text)
    if number is None:
        raise click.BadParameter(
            "le numéro que le lecteur envoie, en hexadécimal — a card number is hexadecimal, as the reader sends it",
            param_hint="NUMBER",
        )
    return number


@card.command("give")
@click.argument("identity", metavar="ID")
@click.argument("number", metavar="NUMBER")
@click.pass_obj
def card_give(where: Where, identity: str, number: str) -> None:
    """Give card NUMBER to member ID, or unblock it."""
    from agent.rules.facts import MemberId
    from agent.rules.memberlist import unfit

    wanted = _number(number)
    wrong = unfit(wanted, where.site().card_digits)
    if wrong is not None:
        fail(" — ".join(wrong), EXIT_REFUSED)
    with opened_roster(where) as store:
        store.give_card(MemberId(identity), wanted, actor=ACTOR)


@card.command("block")
@click.argument("which", metavar="NUMBER|ID")
@click.pass_obj
def card_block(where: Where, which: str) -> None:
    """Block card NUMBER, or every card of member ID (a lost card is not at hand). Effective within two seconds."""
    with opened_roster(where) as store:
        keys = [key for key, found in store.roster().cards.items() if found.member == which]
        for key in keys or [store.card_key(_number(which))]:
            store.block_card(key, actor=ACTOR)


COMMANDS = (member, card)
