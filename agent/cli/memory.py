"""Commands that read and prove the ledger, and turn a month into a statement."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import click

from agent.cli.books import MONTH
from agent.cli.where import EXIT_IO, EXIT_REFUSED, Where, fail, no_ledger
from agent.config import EXIT_CONFIG, ConfigError


@click.group()
def ledger() -> None:
    """Read and prove the ledger."""


@ledger.command("verify")
@click.option("--against", metavar="SEQ:HASH", help="A head kept elsewhere: finds rewriting and truncation too.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def ledger_verify(where: Where, against: str | None, as_json: bool) -> None:
    """Re-hash the whole chain. Exit code 1 if anything was edited, inserted or removed."""
    from dataclasses import asdict

    from agent.memory.ledger import Head, LedgerError, verify

    try:
        anchor = Head.parse(against) if against else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--against") from error
    try:
        verdict = verify(where.ledger_file, anchor)
    except LedgerError as error:
        no_ledger(error)
    if as_json:
        click.echo(json.dumps({"ok": verdict.ok, **asdict(verdict)}, ensure_ascii=False, default=str))
    else:
        click.echo(str(verdict))
        for fault in verdict.faults:
            click.echo(f"  {fault}")
    sys.exit(0 if verdict.ok else EXIT_REFUSED)


@ledger.command("tail")
@click.option("-n", "count", default=20, show_default=True)
@click.pass_obj
def ledger_tail(where: Where, count: int) -> None:
    """Print the last facts as JSON lines."""
    _print_facts(where, count)


@ledger.command("export")
@click.pass_obj
def ledger_export(where: Where) -> None:
    """Print every fact as JSON lines: all that a stranger needs to re-hash the chain."""
    _print_facts(where, None)


def _print_facts(where: Where, last: int | None) -> None:
    from agent.memory.ledger import LedgerError, export_lines

    try:
        for line in export_lines(where.ledger_file, last=last):
            click.echo(line)
    except LedgerError as error:
        no_ledger(error)


@click.command()
@click.argument("month", metavar="MONTH")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Issue the file there and note its hash.")
@click.pass_obj
def statement(where: Where, month: str, form: str, out: Path | None) -> None:
    """Turn MONTH (2026-11) into statement lines: on the terminal, or with --out as an issued file."""
    try:
        date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise click.BadParameter(MONTH, param_hint="MONTH") from error
    from agent.memory.ledger import Ledger, LedgerError
    from agent.memory.roster import RosterStore
    from agent.sitefile import read_tariff
    from agent.views.exports import issue_statement, month_statement, render
    from drivers.clock import SystemClock

    site = where.site()
    try:
        if not site.tariff:
            fail(f"{where.site_file}: tariff: manque ; nommez le fichier de tarif — name the tariff file", EXIT_CONFIG)
        tariff = read_tariff(where.site_file.parent / site.tariff)
        clock = SystemClock()
        with Ledger.open(where.ledger_file) as book, RosterStore.open(where.places.state, book, clock) as store:
            if out is None:
                made = month_statement(book, store.roster(), tariff, site.site, month)
                sys.stdout.buffer.write(render(made, form, site.site.code))
                return
            issued = issue_statement(book, store.roster(), tariff, site.site, month, form, out, clock)
    except ConfigError as error:
        fail(str(error), EXIT_CONFIG)
    except (LedgerError, OSError) as error:
        fail(str(error), EXIT_IO)
    again = " (inchangé — unchanged)" if issued.again else ""
    click.echo(f"{issued.path} sha256 {issued.fact.sha256}{again}")


COMMANDS = (ledger, statement)
