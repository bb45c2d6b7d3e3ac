"""The command line: the only reader of arguments and environment.

Exit codes: 0 done · 1 refused, or a check found faults · 2 usage · 69 what was asked does not run here (EX_UNAVAILABLE)
· 74 the ledger or the disk failed (EX_IOERR) · 78 a site or tariff file is wrong (EX_CONFIG). `--json` prints one JSON
document and nothing else. Each command imports what it runs inside its function, so that `gardien run door` loads no
more than the door needs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

import click

from agent.config import EXIT_CONFIG, ConfigError, Places, Site

EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_IO = 1, 69, 74
DEMO_FOLDER = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"gardien-demo-{os.getuid()}"  # noqa: S108  (made 0700)


@dataclass(frozen=True, slots=True)
class Where:
    """The site file and the places this call works on."""

    site_file: Path
    places: Places

    def site(self) -> Site:
        """Read the site file; end with exit code 78 and every fault if it is wrong."""
        from agent.sitefile import read_site

        try:
            return read_site(self.site_file)
        except ConfigError as error:
            _fail(str(error), EXIT_CONFIG)


def _fail(sentence: str, code: int) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)


def _where(site: str | None, state: str | None, run: str | None) -> Where:
    """Resolve options, then environment, then the installed places, then a running demo's."""
    demo = DEMO_FOLDER if not Path("/etc/gardien/site.toml").exists() and (DEMO_FOLDER / "site.toml").exists() else None
    site_file = (
        site or os.environ.get("GARDIEN_SITE") or (str(demo / "site.toml") if demo else "/etc/gardien/site.toml")
    )
    if demo and site_file != str(demo / "site.toml"):
        demo = None
    state_folder = state or os.environ.get("STATE_DIRECTORY") or (str(demo / "state") if demo else "/var/lib/gardien")
    run_folder = run or os.environ.get("RUNTIME_DIRECTORY") or (str(demo / "run") if demo else "/run/gardien")
    return Where(Path(site_file), Places(Path(state_folder), Path(run_folder)))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gardien")
@click.option(
    "--site", metavar="FILE", help="The site file. Default: $GARDIEN_SITE, /etc/gardien/site.toml, or the demo's."
)
@click.option(
    "--state", metavar="DIR", help="Where ledger and roster live. Default: $STATE_DIRECTORY or /var/lib/gardien."
)
@click.option(
    "--run", "run_", metavar="DIR", help="Where the live picture lives. Default: $RUNTIME_DIRECTORY or /run/gardien."
)
@click.pass_context
def main(context: click.Context, site: str | None, state: str | None, run_: str | None) -> None:
    """Keep a coworking space: its links, paper, door and hours."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    context.obj = _where(site, state, run_)


# --- running ----------------------------------------------------------------------------------------------


@main.command("run")
@click.argument("service", required=False, type=click.Choice(["door", "links", "paper", "web"]))
@click.option("--site", metavar="FILE")
@click.option("--state", metavar="DIR")
@click.option("--run", "run_", metavar="DIR")
@click.option("--tape", metavar="DIR", help="Record what the drivers observe, one file per service.")
@click.pass_obj
def run_command(
    where: Where, service: str | None, site: str | None, state: str | None, run_: str | None, tape: str | None
) -> None:
    """Run one SERVICE, or all of them under one parent."""
    if site or state or run_:
        where = _where(site or str(where.site_file), state or str(where.places.state), run_ or str(where.places.run))
    sited = where.site()
    from agent.memory.ledger import LedgerError
    from drivers.contract import DriverError

    try:
        if service is None:
            asyncio.run(_together(where, sited, tape))
        else:
            asyncio.run(_one(service, sited, where.places, Path(tape) if tape else None))
    except LedgerError as error:
        _fail(f"registre : {error}", EXIT_IO)
    except DriverError as error:
        _fail(str(error), EXIT_UNAVAILABLE)


async def _one(service: str, site: Site, places: Places, tape: Path | None) -> None:
    from importlib import import_module

    from agent.services.standing import stand

    wire = import_module(f"agent.services.{service}").wire  # the chosen service's imports and no other's
    await stand(service, site, places, wire, tape)


async def _together(where: Where, site: Site, tape: str | None) -> None:
    import signal

    from agent.services.together import Household, keep_house, services_of

    extra = ("--tape", tape) if tape else ()
    house = asyncio.create_task(keep_house(Household(where.site_file, where.places, services_of(site), {}, extra)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, house.cancel)
    try:
        await house
    except asyncio.CancelledError:
        return


@main.command()
@click.option("--port", default=8080, show_default=True, help="Where the page and /metrics answer.")
@click.option("--for", "for_", metavar="20s", help="Stop by itself after this long.")
def demo(port: int, for_: str | None) -> None:
    """Run the whole appliance on emulated wires; type verbs at its prompt."""
    from agent.demo import run_demo
    from drivers.verbs import seconds

    sys.exit(asyncio.run(run_demo(DEMO_FOLDER, port, seconds(for_) if for_ else None)))


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("verb", nargs=-1, required=True)
@click.pass_obj
def tell(where: Where, verb: tuple[str, ...]) -> None:
    """Send a VERB to the running demo or simulated site: `gardien tell cut adsl1 90s`."""
    _ask(
        where, "demo" if (where.places.run / "ask" / "demo.sock").exists() else "web", "verb", {"line": " ".join(verb)}
    )


def _ask(where: Where, service: str, action: str, arguments: dict[str, str]) -> None:
    from agent.ask import AskError, Request, ask
    from drivers.clock import SystemClock

    expires_s = SystemClock().now().mono_s + 30.0
    try:
        answer = asyncio.run(ask(where.places.run, service, Request(action, "cli", "", expires_s, arguments)))
    except AskError as error:
        _fail(str(error), EXIT_UNAVAILABLE)
    click.echo(answer.says, err=not answer.done)
    sys.exit(0 if answer.done else EXIT_REFUSED)


@main.command()
@click.argument("site_file", type=click.Path(path_type=Path))
def check(site_file: Path) -> None:
    """Read SITE_FILE (and its tariff) and report every fault at once."""
    from agent.sitefile import read_site, read_tariff

    try:
        site = read_site(site_file)
        read_tariff(site_file, site)
    except ConfigError as error:
        _fail(str(error), EXIT_CONFIG)
    click.echo(f"{site_file}: {site.site.name}, tout est bon")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.pass_obj
def status(where: Where, as_json: bool, lang: str) -> None:
    """Say in a few lines how links, printers and door are. Exit code 1 when something needs somebody."""
    from agent.views.status import say_status

    text, well = say_status(where.site(), where.places, lang, as_json=as_json)
    click.echo(text)
    sys.exit(0 if well else EXIT_REFUSED)


@main.command()
@click.argument("tape", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--site", metavar="FILE")
@click.pass_obj
def replay(where: Where, tape: Path, site: str | None) -> None:
    """Judge a recorded TAPE again and print the facts as JSON lines."""
    from agent.views.replay import TapeError, replay_lines

    where = _where(site, None, None) if site else where
    try:
        for line in replay_lines(tape, where.site()):
            click.echo(line)
    except TapeError as error:
        _fail(str(error), EXIT_REFUSED)


# --- the site's door, by hand ------------------------------------------------------------------------------


@main.group()
def door() -> None:
    """Look after the door's relay."""


@door.command("rest")
@click.pass_obj
def door_rest(where: Where) -> None:
    """Drive the relay line inactive and end: the unit's second net after the latch."""
    from drivers.contract import DriverError
    from drivers.lock import claim_inactive

    site = where.site()
    if site.door is None or site.door.lock.kind != "gpio":
        return
    lock = site.door.lock
    try:
        claim_inactive(lock.chip, lock.line, active_high=lock.active_high)
    except DriverError as error:
        _fail(str(error), EXIT_UNAVAILABLE)


# --- memory -----------------------------------------------------------------------------------------------


@main.group()
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

    anchor = None
    if against:
        seq, _, digest = against.partition(":")
        if not seq.isdigit() or not digest:
            raise click.BadParameter("expects SEQ:HASH", param_hint="--against")
        anchor = Head(int(seq), digest)
    try:
        verdict = verify(where.places.state / "ledger.db", anchor)
    except LedgerError as error:
        _fail(str(error), EXIT_IO)
    click.echo(json.dumps(asdict(verdict), ensure_ascii=False) if as_json else str(verdict))
    sys.exit(0 if verdict.ok else EXIT_REFUSED)


@ledger.command("tail")
@click.option("-n", "count", default=20, show_default=True)
@click.pass_obj
def ledger_tail(where: Where, count: int) -> None:
    """Print the last facts as JSON lines."""
    from collections import deque

    from agent.memory.ledger import Ledger, export_lines

    with Ledger.open(where.places.state / "ledger.db") as book:
        for line in deque(export_lines(book), maxlen=count):
            click.echo(line)


@ledger.command("export")
@click.pass_obj
def ledger_export(where: Where) -> None:
    """Print every fact as JSON lines."""
    from agent.memory.ledger import Ledger, export_lines

    with Ledger.open(where.places.state / "ledger.db") as book:
        for line in export_lines(book):
            click.echo(line)


@main.command()
@click.argument("month", metavar="MONTH")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Write the file there and note its hash.")
@click.pass_obj
def statement(where: Where, month: str, form: str, out: Path | None) -> None:
    """Turn MONTH (2026-11) into statement lines: on the terminal, or with --out as an issued file."""
    try:
        date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise click.BadParameter("expects YYYY-MM, for example 2026-11", param_hint="MONTH") from error
    from agent.services.month import say_statement

    try:
        sys.stdout.buffer.write(say_statement(where.site_file, where.site(), where.places, month, form, out))
    except ConfigError as error:
        _fail(str(error), EXIT_CONFIG)
