"""Commands over the books of paper: do they balance, and which attempts are in them."""

from __future__ import annotations

import json
import sys
from datetime import date

import click

from agent.cli.where import EXIT_REFUSED, Where, no_ledger

MONTH = "écrivez le mois comme 2026-11 — expects YYYY-MM, for example 2026-11"


def span(text: str | None) -> tuple[date, date] | None:
    """Return the first day of a month, and of the next."""
    if text is None:
        return None
    try:
        first = date.fromisoformat(f"{text}-01")
        return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)
    except ValueError as error:
        raise click.BadParameter(MONTH, param_hint="--month") from error


@click.command("balance")
@click.option("--month", metavar="MONTH", help="Of one month (2026-11); default: since the books opened.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def balance(where: Where, month: str | None, as_json: bool) -> None:
    """Add the books up again: counter = opening + prints + copies + unattributed. Exit code 1 if they do not close."""
    from dataclasses import asdict

    from agent.memory.ledger import Ledger, LedgerError
    from agent.views.paperbooks import balances, given

    first, beyond = span(month) or (date.min, date.max)
    try:
        with Ledger.open(where.written_ledger()) as ledger:
            found = balances(ledger, where.site().site.timezone)
            since = given(ledger, where.site().site.timezone).between(first, beyond)
    except LedgerError as error:
        no_ledger(error)
    stands = [stand for device in found.devices() for stand in found.between(device, first, beyond)]
    wrong = bool(found.faults) or any(stand.difference for stand in stands)
    if as_json:
        rows = [
            {**asdict(stand), "difference": stand.difference, "given": since.get((stand.device, stand.epoch), 0)}
            for stand in stands
        ]
        click.echo(json.dumps({"ok": not wrong, "books": rows, "faults": found.faults}, default=str))
        sys.exit(EXIT_REFUSED if wrong else 0)
    for stand in stands:
        theirs = since.get((stand.device, stand.epoch), 0)
        printer = where.site().printers.get(stand.device)
        click.echo(
            f"{stand.device} ({stand.serial}, livre {stand.epoch}): {stand.opening} + {stand.prints} impressions"
            f" + {stand.copies} copies + {stand.unattributed} sans personne = {stand.counter}"
            + (f" ; il manque {stand.difference}" if stand.difference else "")
            + (f" ; {stand.open_sides} à vérifier" if stand.open_sides else "")
            + (f" ; {theirs} de ces « sans personne » attribués depuis" if theirs else "")
            + (f" ; en clics, {printer.a3_clicks} pour une face A3" if printer and printer.a3_clicks > 1 else "")
        )
    for fault in found.faults:
        click.echo(f"  {fault}")
    if not stands:
        click.echo("pas encore de livres — no books yet")
    sys.exit(EXIT_REFUSED if wrong else 0)


@click.command()
@click.option("--month", metavar="MONTH", help="Of one month (2026-11); default: all that is still kept.")
@click.option("-n", "count", type=click.IntRange(0), help="The newest; 0: all. Default: 50, or all of a month.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def jobs(where: Where, month: str | None, count: int | None, as_json: bool) -> None:
    """List print attempts, past the box too: sides, sheets, who by account id, and who says so."""
    from dataclasses import asdict

    from agent.memory.ledger import Ledger, LedgerError
    from agent.rules.past import HOUSE
    from agent.views.paperbooks import attempts

    first, beyond = span(month) or (date.min, date.max)
    try:
        with Ledger.open(where.written_ledger()) as ledger:
            every = attempts(ledger, where.site().site.timezone)
            rows = [row for row in every if first <= row.day < beyond]
    except LedgerError as error:
        no_ledger(error)
    most = count if count is not None else 0 if month else 50
    older = max(0, len(rows) - most) if most else 0
    rows = rows[older:]
    if as_json:
        plain = [{**asdict(row), "day": str(row.day), "written": row.written.isoformat()} for row in rows]
        click.echo(json.dumps({"jobs": plain}, ensure_ascii=False))
        return
    if not rows:
        click.echo("aucune impression — no print")
    if older:
        click.echo(f"{older} plus anciennes ne sont pas montrées : -n 0 — older ones are not shown")
    for row in rows:
        between = f"{row.low}–{row.high}" if row.low < row.high else str(row.low)
        who = "(la maison)" if row.member == HOUSE else row.member or "(personne)"
        free = f" (offert : {row.free})" if row.free else ""
        click.echo(
            f"{row.written:%Y-%m-%d %H:%M}  {row.device}  {who}  {between} faces"
            f" dont {row.colour} couleur, {row.sheets} feuilles{' A3' if row.large else ''}{free}"
            f"  {row.state}  {row.evidence}{'  sans passer par le boîtier' if row.past else ''}"
        )


COMMANDS = (jobs,)
