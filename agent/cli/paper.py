"""Commands about paper: what a device's meters offer, what was copied, the lessor's contract."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from agent.cli.where import EXIT_UNAVAILABLE, Where, fail

if TYPE_CHECKING:
    from agent.config import PrinterConfig


@click.group()
def paper() -> None:
    """Look at the paper: counters, copies, contract."""


def _printer(where: Where, name: str) -> PrinterConfig:
    printers = where.site().printers
    if name not in printers:
        raise click.BadParameter(f"one of: {', '.join(printers) or 'no printer on this site'}", param_hint="PRINTER")
    return printers[name]


@paper.command("counters")
@click.argument("name", metavar="PRINTER")
@click.option("--host", help="Ask this host instead of the one in the printer's uri.")
@click.option("--community", help="Default: the site file's, else public.")
@click.option("--all", "everything", is_flag=True, help="Every row the device offers, not its counters alone.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def counters(where: Where, name: str, host: str | None, community: str | None, everything: bool, as_json: bool) -> None:
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
        timeout_s=60.0,
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


COMMANDS = (paper,)
