"""Commands about paper: what a device's meters offer, what was copied, the lessor's contract."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click

from agent.cli.books import span
from agent.cli.where import EXIT_REFUSED, EXIT_UNAVAILABLE, Where, fail, no_ledger
from agent.rules.attribution import CopiesAttributed
from agent.rules.paper import CopiesCounted

if TYPE_CHECKING:
    from agent.config import PrinterConfig
    from agent.memory.ledger import Ledger
    from agent.memory.roster import RosterStore
    from agent.rules.contract import Bill
    from agent.rules.memberlist import LineFault
    from agent.rules.stretches import Laid, Quarter
    from drivers.contract import Moment

    _Told = tuple[str, Quarter | None, Laid, Bill | None]

SIDES = click.IntRange(0, 999_999_999)  # no copier gets that old
DOUBTS = {
    "fell": "un compteur a baissé, ou une ligne manque (--colour ?)",
    "short": "le compteur a bougé de moins que les {counted} faces comptées par la maison",
    "leap": "ce serait {rest} copies depuis le dernier relevé",
}
NOTED = {
    "first": "premier relevé, point de départ",
    "counted": "noté",
    "fell": "un compteur a baissé, nouveau point de départ",
    "short": "noté, mais le compteur a trop peu bougé",
}


@click.group()
def paper() -> None:
    """Look at the paper: counters, copies, contract."""


def _printer(where: Where, name: str) -> PrinterConfig:
    printers = where.site().printers
    if name not in printers:
        there = ", ".join(printers) or "aucune imprimante sur ce site"
        raise click.BadParameter(f"une imprimante du site : {there} — one of these", param_hint="PRINTER")
    return printers[name]


@paper.command("rest")
@click.pass_obj
def rest(where: Where) -> None:
    """Drive every copier's enable line inactive and end: the unit's second net after the connector's latch."""
    from drivers.contract import DriverError
    from drivers.lock import claim_inactive

    faults = []
    for name, printer in where.site().printers.items():
        wired = printer.connector
        if wired is None or wired.kind != "gpio":
            continue
        try:
            claim_inactive(wired.chip, wired.enable, active_high=wired.enable_active_high)
        except DriverError as error:
            faults.append(f"{name}: {error}")
    if faults:
        fail("\n".join(faults), EXIT_UNAVAILABLE)


@paper.command("counters")
@click.argument("name", metavar="PRINTER")
@click.option("--host", help="Ask this host instead of the one in the printer's uri.")
@click.option("--community", help="Default: the site file's, else public.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 600), default=60.0, show_default=True, metavar="S")
@click.option("--all", "everything", is_flag=True, help="Every row the device offers, not its counters alone.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def counters(
    where: Where,
    name: str,
    host: str | None,
    community: str | None,
    timeout_s: float,
    everything: bool,
    as_json: bool,
) -> None:
    """Ask PRINTER over SNMP for all its meters: what is needed to add a vendor to drivers/meters."""
    from drivers.contract import DriverError
    from drivers.printermib import read_meters
    from drivers.snmp import SnmpMeters

    config = _printer(where, name)
    asked = SnmpMeters(
        name,
        host or urlsplit(config.uri).hostname or "",
        port=config.snmp_port,
        community=community or config.snmp or "public",
        version=config.snmp_version,
        timeout_s=timeout_s,
    )
    try:
        vendor, rows = asyncio.run(asked.offered())
    except DriverError as error:
        fail(f"{error} — l'appareil ne répond pas en SNMP : adresse, communauté, ou SNMP fermé", EXIT_UNAVAILABLE)
    meters = read_meters(rows, vendor)
    told = {"vendor": vendor.name, "tried": vendor.tried, "serial": meters.serial, "counters": dict(meters.life.rows)}
    shown = rows if everything else {oid: value for oid, value in rows.items() if isinstance(value, int)}
    if as_json:
        click.echo(json.dumps({**told, "rows": shown}, ensure_ascii=False, indent=1))
        return
    click.echo(f"{vendor.name} ({vendor.tried}) · {meters.serial or 'sans numéro de série'}")
    for counter, count in meters.life.rows:
        click.echo(f"  {counter:<20} {count}")
    if meters.counters is None:
        click.echo("  impressions et copies ne sont pas distinguées — prints and copies are not told apart")
    for oid, value in shown.items():
        click.echo(f"{oid} = {value}")


@paper.command("contract")
@click.option("--quarter", required=True, metavar="YYYY-Qn")
@click.option("--printer", "only", help="Default: every printer.")
@click.option("--invoice-mono", type=click.IntRange(0), help="Black and white clicks on the lessor's invoice.")
@click.option("--invoice-colour", type=click.IntRange(0), help="Colour clicks on the lessor's invoice.")
@click.option("--invoice", "functions", multiple=True, metavar="LINE=CLICKS", help="Another line of it: copy-mono=120.")
@click.option("--invoice-total", metavar="EUROS", default="", help="What the invoice asks for, before taxes.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--csv", "as_csv", is_flag=True)
@click.pass_obj
def contract(
    where: Where,
    quarter: str,
    only: str | None,
    invoice_mono: int | None,
    invoice_colour: int | None,
    functions: tuple[str, ...],
    invoice_total: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Lay our reading of a quarter beside the lessor's invoice. Exit code 1 where they differ."""
    from agent.memory.handcount import quarter_of_device
    from agent.rules.contract import amount_of, bill, quarter_of
    from agent.rules.stretches import Laid, lay
    from agent.views.lessor import contract_csv, contract_json, terms_of

    span, asked = quarter_of(quarter), amount_of(invoice_total)
    if span is None:
        raise click.BadParameter(
            "écrivez le trimestre comme 2026-Q4 — a quarter is written 2026-Q4", param_hint="--quarter"
        )
    if invoice_total and asked is None:
        raise click.BadParameter(
            "écrivez le montant comme 1234,50 — an amount is written 1234,50", param_hint="--invoice-total"
        )
    given = {"mono": invoice_mono, "colour": invoice_colour}
    invoice = {colour: clicks for colour, clicks in given.items() if clicks is not None} | _invoiced(functions)
    told: list[_Told] = []
    with _ledger(where, reading=True) as ledger:
        for name in [only] if only else list(where.site().printers):
            found, terms = quarter_of_device(ledger, name, *span), terms_of(_printer(where, name))
            laid = lay(found, terms, invoice) if found else Laid(())
            told.append((name, found, laid, bill(laid.whole, terms, asked) if found else None))
    if as_json:
        click.echo(json.dumps([contract_json(*one) for one in told], ensure_ascii=False, indent=1, default=str))
    elif as_csv:
        click.echo(contract_csv(told), nl=False)
    else:
        _say_contract(where, told)
    if any(any(line.difference for line in laid.whole) or (cost and cost.difference) for _, _, laid, cost in told):
        sys.exit(EXIT_REFUSED)


def _invoiced(texts: Iterable[str]) -> dict[str, int]:
    """Read lines of an invoice as they are typed: copy-mono=120."""
    from agent.rules.contract import FUNCTIONS

    found = {}
    for text in texts:
        name, _, clicks = text.partition("=")
        if name not in FUNCTIONS or not (clicks.isascii() and clicks.isdecimal()):
            lines = ", ".join(FUNCTIONS)
            raise click.BadParameter(
                f"écrivez LIGNE=CLICS, par exemple scan=12 ; lignes : {lines} — lines", param_hint="--invoice"
            )
        found[name] = int(clicks)
    return found


def _say_contract(where: Where, told: Iterable[_Told]) -> None:
    from agent.views.lessor import quarter_sentences
    from agent.views.words import words

    t = words(where.site().site.language)
    for name, found, laid, cost in told:
        click.echo(f"{name}: " + (t("counters.no_stands") if found is None else ""))
        for sentence in () if found is None else quarter_sentences(t, found, laid, cost):
            click.echo(f"  {sentence}")


@paper.command("codes")
@click.argument("name", metavar="PRINTER")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reset", "was_reset", is_flag=True, help="Counters that fell were reset at the copier.")
@click.pass_obj
def codes(where: Where, name: str, file: Path, was_reset: bool) -> None:
    """Import the counters of user codes from FILE, a copier's CSV: all of it, or nothing and every fault."""
    from agent.memory.handcount import plan_codes
    from agent.rules.codes import code_name, code_owner, fallen, read_codes
    from agent.stories.copier import BY_HAND

    config, data = _printer(where, name), file.read_bytes()
    if config.copies not in BY_HAND:  # each would be counted twice
        fail(
            f"les copies de {name} sont déjà comptées (copies = {config.copies!r}) : rien n'a été importé"
            " — counted already, nothing was imported",
            EXIT_REFUSED,
        )
    read = read_codes(data, config.code_columns)
    _refuse(file, read.faults, "corrigez le fichier et recommencez")
    zone = ZoneInfo(where.site().site.timezone)
    with _roster(where) as (ledger, roster, now):
        today = now().utc.astimezone(zone).date()
        plan = plan_codes(
            ledger,
            name,
            read,
            data,
            lambda code: code_owner(roster.alias(code_name(name, code)), roster.roster(), today),
            cumulative=config.codes_cumulative,
        )
        if not was_reset:
            _refuse(file, fallen(plan.judged), "s'ils ont été remis à zéro, ajoutez --reset")
        for fact, key in plan.facts:
            ledger.append_now(fact, now(), key)
    for one in plan.judged:
        if one.why == "fell":
            click.echo(f"code {one.row.code} : compteur remis à zéro, nouveau point de départ — counter was reset")
    new = [one.row for one in plan.judged if one.why == "first"]
    for row in new if len(new) < len(read.rows) else ():
        seen = f"{row.mono + row.colour} faces"
        click.echo(
            f"code {row.code} : nouveau, à {seen} : point de départ, à personne — new, where it stands is nobody's"
        )
    click.echo(f"{len(read.rows)} codes, {plan.sides} copies")
    if plan.nobodys:
        click.echo(f"{plan.nobodys} copies non attribuées : à donner sous « Impressions » — nobody's")


def _refuse(file: Path, faults: Iterable[LineFault], remedy: str) -> None:
    """Say the faults of a file, if it has any, and end the command: nothing was imported."""
    if not (said := [f"{file}:{fault.line}: {fault.fr} — {fault.en}" for fault in faults]):
        return
    fail("\n".join([*said, f"rien n'a été importé ; {remedy} — nothing was imported"]), EXIT_REFUSED)


@paper.command("code")
@click.argument("name", metavar="PRINTER")
@click.argument("code", metavar="CODE")
@click.argument("whose", metavar="ID", default="")
@click.pass_obj
def give_code(where: Where, name: str, code: str, whose: str) -> None:
    """Say whose the user code CODE of PRINTER is: a member's or a shared account's (none: nobody's)."""
    from agent.memory.roster import RosterError
    from agent.rules.codes import LONGEST, code_name
    from agent.rules.facts import MemberId

    _printer(where, name)
    if not 0 < len(code.strip()) <= LONGEST or not code.isprintable():
        raise click.BadParameter(
            f"1 à {LONGEST} signes, comme sur le copieur — 1 to {LONGEST} signs", param_hint="CODE"
        )
    with _roster(where) as (_, roster, _now):
        try:
            roster.payers.give_code(roster.alias(code_name(name, code.strip())).id, MemberId(whose), actor="cli")
        except RosterError as error:
            fail(f"{error.fr} — {error.en}", EXIT_REFUSED)


@paper.command("releve")
@click.argument("name", metavar="PRINTER")
@click.option("--mono", type=SIDES, required=True, help="Total black and white on the panel.")
@click.option("--colour", type=SIDES, default=0, help="Total colour on the panel.")
@click.option("--copies-mono", type=SIDES, help="Copies in black and white, where the panel shows them.")
@click.option("--copies-colour", type=SIDES, default=0)
@click.option("--sure", is_flag=True, help="The numbers are right, though they fell or leapt.")
@click.pass_obj
def releve(
    where: Where, name: str, mono: int, colour: int, copies_mono: int | None, copies_colour: int, sure: bool
) -> None:
    """Write down what PRINTER's panel shows; what the house did not count itself becomes unattributed copies."""
    from agent.memory.handcount import plan_panel
    from agent.rules.panel import NOT_SHOWN, Typed, doubt

    _printer(where, name)
    zone = ZoneInfo(where.site().site.timezone)
    apart = (NOT_SHOWN, NOT_SHOWN) if copies_mono is None else (copies_mono, copies_colour)
    with _roster(where) as (ledger, _, now):
        typed = Typed(now().utc.astimezone(zone).date(), mono, colour, *apart)
        read, facts = plan_panel(ledger, name, typed, "cli")
        rest = sum(fact.mono + fact.colour for fact, _ in facts if isinstance(fact, CopiesCounted))
        if not sure and (why := doubt(read, rest)):
            says = DOUBTS[why].format(rest=rest, counted=read.counted)
            fail(
                f"{says} ; rien n'est noté. Corrigez, ou ajoutez --sure si l'écran dit cela — not written", EXIT_REFUSED
            )
        for fact, key in facts:
            ledger.append_now(fact, now(), key)
    click.echo(f"{NOTED[read.why]} : {rest} copies non attribuées, {read.counted} comptées par la maison")


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Default: this month.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def copies(where: Where, month: str | None, as_json: bool) -> None:
    """Say who copied how much in a month, by device and account id; "" is nobody."""
    from drivers.clock import SystemClock

    zone = ZoneInfo(where.site().site.timezone)
    span(month)
    wanted = month or f"{SystemClock().now().utc.astimezone(zone):%Y-%m}"
    sums: dict[tuple[str, str], list[int]] = {}
    with _ledger(where, reading=True) as ledger:
        rows: dict[str, tuple[str, str, int, int]] = {}
        for entry in ledger.entries(CopiesCounted, CopiesAttributed):
            fact = entry.fact
            if isinstance(fact, CopiesCounted) and f"{entry.at.utc.astimezone(zone):%Y-%m}" == wanted:
                rows[entry.key] = (fact.device, fact.member, fact.mono, fact.colour)
            elif isinstance(fact, CopiesAttributed) and fact.row in rows:
                rows[fact.row] = (fact.device, fact.member, fact.mono, fact.colour)
        for device, member, mono, colour in rows.values():
            one = sums.setdefault((device, member), [0, 0])
            one[0], one[1] = one[0] + mono, one[1] + colour
    table = [
        {"device": device, "member": member, "mono": mono, "colour": colour}
        for (device, member), (mono, colour) in sorted(sums.items())
    ]
    if as_json:
        click.echo(json.dumps({"month": wanted, "copies": table}, indent=1))
        return
    click.echo(wanted if any(row["mono"] or row["colour"] for row in table) else f"{wanted} : aucune copie — no copy")
    for row in table:
        if not row["mono"] and not row["colour"]:
            continue  # a starting point of a code
        who = row["member"] or "non attribuées"
        click.echo(f"  {row['device']:<12} {who:<16} {row['mono']:>7} n&b {row['colour']:>7} couleur")


@contextlib.contextmanager
def _ledger(where: Where, *, reading: bool = False) -> Iterator[Ledger]:
    """Open the ledger; one that cannot be read ends the command, and so does none where it is only read."""
    from agent.memory.ledger import Ledger, LedgerError

    try:
        with Ledger.open(where.written_ledger() if reading else where.ledger_file) as ledger:
            yield ledger
    except LedgerError as error:
        no_ledger(error)


@contextlib.contextmanager
def _roster(where: Where) -> Iterator[tuple[Ledger, RosterStore, Callable[[], Moment]]]:
    """Open ledger and roster, and give the clock."""
    from agent.memory.roster import RosterStore
    from drivers.clock import SystemClock

    clock = SystemClock()
    with _ledger(where) as ledger, RosterStore.open(where.places.state, ledger, clock) as roster:
        yield ledger, roster, clock.now
        roster.settle()


COMMANDS = (paper, copies)
