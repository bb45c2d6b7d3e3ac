"""Commands that run services, ask them, or judge a tape."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from agent.cli.where import DEMO_FOLDER, EXIT_IO, EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_USAGE, Where, fail, find
from agent.config import EXIT_CONFIG, ConfigError, Places, Site


@click.command("run")
@click.argument("service", required=False, type=click.Choice(["door", "links", "paper", "web", "alerts"]))
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
        where = find(site or str(where.site_file), state or str(where.places.state), run_ or str(where.places.run))
    sited = where.site()
    from agent.memory.ledger import LedgerError
    from drivers.contract import DriverError

    try:
        if service is None:
            asyncio.run(_together(where, sited, tape))
        else:
            asyncio.run(_one(service, sited, where.places, Path(tape) if tape else None))
    except LedgerError as error:
        fail(f"registre : {error}", EXIT_IO)
    except DriverError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    except OSError as error:  # a folder that cannot be made or written
        fail(str(error), EXIT_IO)


async def _one(service: str, site: Site, places: Places, tape: Path | None) -> None:
    from importlib import import_module

    from agent.services.standing import stand

    wire = import_module(f"agent.services.{service}").wire  # the chosen service's imports and no other's
    await stand(service, site, places, wire, tape)


async def _together(where: Where, site: Site, tape: str | None) -> None:
    import signal

    from agent.services.together import Household, keep_house

    extra = ("--tape", tape) if tape else ()
    house = asyncio.create_task(keep_house(Household(where.site_file, where.places, site.services, {}, extra)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, house.cancel)
    try:
        await house
    except asyncio.CancelledError:
        return


@click.command()
@click.option("--port", default=8080, show_default=True, help="Where the page and /metrics answer.")
@click.option("--for", "for_", metavar="20s", help="Stop by itself after this long.")
@click.option("--wired", is_flag=True, help="A copier that counts nothing, with its copy-control connector.")
def demo(port: int, for_: str | None, *, wired: bool) -> None:
    """Run the whole appliance on emulated wires; type verbs at its prompt."""
    from agent.demo import run_demo
    from drivers.verbs import seconds

    sys.exit(asyncio.run(run_demo(DEMO_FOLDER, port, seconds(for_) if for_ else None, wired=wired)))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("verb", nargs=-1, required=True)
@click.pass_obj
def tell(where: Where, verb: tuple[str, ...]) -> None:
    """Send a VERB to the running demo or simulated site: `gardien tell cut adsl1 90s`."""
    from agent.ask import Answer, AskError, Request, ask
    from agent.ask import tell as send
    from drivers.clock import SystemClock
    from drivers.verbs import VerbError

    clock, run, line = SystemClock(), where.places.run, " ".join(verb)

    async def answer() -> Answer:
        if (run / "ask" / "demo.sock").exists():
            return await ask(run, "demo", Request("verb", "cli", "", clock.now().mono_s + 30.0, {"line": line}))
        return await send(run, line, "cli", clock)

    try:
        said = asyncio.run(answer())
    except VerbError as error:
        fail(str(error), EXIT_USAGE)
    except AskError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    click.echo(said.says, err=not said.done)
    sys.exit(0 if said.done else EXIT_REFUSED)


@click.command()
@click.argument("site_file", type=click.Path(path_type=Path))
def check(site_file: Path) -> None:
    """Read SITE_FILE (and its tariff) and report every fault at once."""
    from agent.sitefile import read_site, read_tariff
    from agent.siteplan import gaps, notices

    try:
        site = read_site(site_file)
        if site.tariff:
            read_tariff(Path(site.tariff))
    except ConfigError as error:
        fail(str(error), EXIT_CONFIG)
    for said in notices(site):
        click.echo(f"{site_file}: {said}")
    if faults := gaps(site):
        fail("\n".join(f"{site_file}: {said}" for said in faults), EXIT_CONFIG)
    click.echo(f"{site_file}: {site.site.name}, tout est bon — all is well")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.pass_obj
def status(where: Where, as_json: bool, lang: str) -> None:
    """Say how links, printers and door are. Exit code 1 when something needs somebody."""
    from agent.memory.ledger import LedgerError
    from agent.views.status import say_status

    try:
        text, well = say_status(where.site(), where.places, lang, as_json=as_json)
    except LedgerError as error:
        fail(str(error), EXIT_IO)
    click.echo(text)
    sys.exit(0 if well else EXIT_REFUSED)


@click.command()
@click.argument("tape", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--site", metavar="FILE")
@click.pass_obj
def replay(where: Where, tape: Path, site: str | None) -> None:
    """Judge a recorded TAPE again and print the facts as JSON lines."""
    from agent.tape import TapeError
    from agent.views.replay import replay_lines

    where = find(site, None, None) if site else where
    try:
        for line in replay_lines(tape, where.site()):
            click.echo(line)
    except TapeError as error:
        fail(str(error), EXIT_REFUSED)


@click.command()
@click.pass_obj
def tend(where: Where) -> None:
    """Do the night's housekeeping. Exit code 1 when something needs ops."""
    from agent.memory.ledger import LedgerError
    from agent.services.tend import tend as work
    from drivers.clock import SystemClock

    well = True
    try:
        for done in work(where.site(), where.places, SystemClock(where.places.run)):
            click.echo(done.says, err=not done.well)
            well = well and done.well
    except LedgerError as error:
        fail(str(error), EXIT_IO)
    sys.exit(0 if well else EXIT_REFUSED)


# --- the site's door, by hand ------------------------------------------------------------------------------


@click.group()
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
        claim_inactive(lock.chip, lock.line, active_high=lock.released_high)
    except DriverError as error:
        fail(str(error), EXIT_UNAVAILABLE)


@door.command("prove")
@click.option("--people-know", is_flag=True, help="Do it although people may be around: they know.")
@click.pass_obj
def door_prove(where: Where, *, people_know: bool) -> None:
    """Break the door on purpose, fault by fault, and write down whether its line was ever left released.

    Releases the door about seven times. Stop the door service first; as root, the kernel tells the line's level.
    """
    from agent.memory.ledger import LedgerError
    from agent.services.prove import ProofError, hindrance, prove
    from drivers.clock import SystemClock

    site = where.site()
    try:
        people = "" if people_know else hindrance(site, where.places, SystemClock(where.places.run))
        if people:
            fail(f"Pas maintenant : {people}. La porte s'ouvrira plusieurs fois : prévenez, puis --people-know.", 1)
        file, passed = prove(site, where.site_file, where.places, click.echo)
    except LedgerError as error:
        fail(f"registre : {error} ; --people-know passe outre", EXIT_IO)
    except ProofError as error:
        fail(str(error), EXIT_UNAVAILABLE)
    click.echo(f"Rapport : {file}")
    sys.exit(0 if passed else EXIT_REFUSED)


COMMANDS = (run_command, demo, tell, check, status, replay, tend, door)
