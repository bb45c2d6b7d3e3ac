"""The command line: the only reader of arguments and environment.

Exit codes: 0 done · 1 refused, or a check found faults · 2 usage · 69 what was asked does not run here (EX_UNAVAILABLE)
· 74 the ledger or the disk failed (EX_IOERR) · 78 a site or tariff file is wrong (EX_CONFIG). `--json` prints one JSON
document and nothing else. Each command imports what it runs inside its function, so that `gardien run door` loads no
more than the door needs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any

import click
from click.exceptions import NoArgsIsHelpError

from agent.cli.where import EXIT_IO, fail, find


class Mistyped(click.UsageError):
    """A command that was typed wrong: in French what and what to do, then what click says."""

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message(), error.ctx)
        self._fr = "commande mal écrite"
        if isinstance(error, click.BadParameter):
            hint = error.param_hint or (error.param.get_error_hint(error.ctx) if error.param and error.ctx else "")
            named = " ".join(hint) if isinstance(hint, (list, tuple)) else hint
            missing = isinstance(error, click.MissingParameter)
            ours = error.message.partition(" — ")
            self._fr = f"il manque {named}" if missing else f"{named} : {ours[0] if ours[1] else 'valeur refusée'}"

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it on standard error."""
        path = self.ctx.command_path if self.ctx else "gardien"
        click.echo(f"{self._fr} ; voir « {path} --help »", file=file, err=True)
        super().show(file)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (NoArgsIsHelpError, Mistyped):
        raise
    except click.UsageError as error:
        raise Mistyped(error) from error
    except BrokenPipeError:  # `| head` has seen enough; click ends quietly
        raise
    except OSError as error:  # the answer could not be written: a full disk
        fail(f"rien ne s'écrit ici : {error.strerror} — cannot write: {error}", EXIT_IO)


class Commands(click.Group):
    """All commands, loaded when they are asked for: the services, which are started again and again, load their own."""

    def make_context(self, *args: Any, **how: Any) -> click.Context:
        """Read the options before the command."""
        with _told():
            return super().make_context(*args, **how)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        with _told():
            return super().invoke(context)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        _load()
        return super().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return one command."""
        if name == "run":
            from agent.cli.running import run_command

            return run_command
        _load()
        return super().get_command(context, name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gardien")
@click.option("--site", metavar="FILE", help="Site file. Default: $GARDIEN_SITE, /etc/gardien/site.toml, the demo's.")
@click.option("--state", metavar="DIR", help="Ledger and roster. Default: $STATE_DIRECTORY or /var/lib/gardien.")
@click.option("--run", "run_", metavar="DIR", help="Live picture. Default: $RUNTIME_DIRECTORY or /run/gardien.")
@click.pass_context
def main(context: click.Context, site: str | None, state: str | None, run_: str | None) -> None:
    """Keep a coworking space: its links, paper, door and hours."""
    level = os.environ.get("GARDIEN_LOG", "INFO").upper()
    logging.basicConfig(level=level, format="%(name)s: %(message)s", stream=sys.stderr)
    context.obj = find(site, state, run_)


@cache
def _load() -> None:
    from agent.cli import accounts, bookings, books, links, memory, paper, payers, people, running, why

    for module in (running, memory, people, payers, accounts, paper, books, links, why):
        for command in module.COMMANDS:
            main.add_command(command)
    paper.paper.add_command(books.balance)
    for door_command in (why.calendar, *bookings.DOOR_COMMANDS):
        running.door.add_command(door_command)
