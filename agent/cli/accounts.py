"""Commands for accounts: who may act on the pages. Run on the box, by whoever may read the state folder there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from agent.cli.where import EXIT_IO, EXIT_REFUSED, Where, fail

if TYPE_CHECKING:
    from agent.memory.accounts import AccountStore

ACTOR = "cli"


@contextlib.contextmanager
def _accounts(where: Where) -> Iterator[AccountStore]:
    """Open the accounts; a failing disk ends the command with its sentence."""
    from agent.memory.accounts import AccountStore
    from agent.memory.ledger import LedgerError
    from drivers.clock import SystemClock

    try:
        with AccountStore.open(where.places.state, SystemClock()) as store:
            yield store
    except LedgerError as error:
        fail(str(error), EXIT_IO)


def _note(where: Where, action: str, subject: str) -> None:
    """Write who did what into the ledger, by ids only."""
    import uuid

    from agent.memory.ledger import Ledger, LedgerError
    from agent.rules.access import Acted
    from drivers.clock import SystemClock

    try:
        with Ledger.open(where.ledger_file) as ledger:
            ledger.append_now(Acted(ACTOR, action, subject), SystemClock().now(), uuid.uuid4().hex)
    except LedgerError as error:
        fail(str(error), EXIT_IO)


@click.group()
def account() -> None:
    """Let people in to the pages: codes, accounts, and their end."""


@account.command("claim")
@click.option("--role", type=click.Choice(["animator", "ops"]), required=True)
@click.option("--account", "identity", metavar="ID", default="", help="Re-open this account: a password was lost.")
@click.pass_obj
def account_claim(where: Where, role: str, identity: str) -> None:
    """Print a one-time code for /premiere-fois; it dies on use or after 7 days, and an unused older one now."""
    from agent.rules.access import Role

    with _accounts(where) as store:
        if identity:
            known = store.account(identity)
            if known is None or known.role != role:
                fail(f"aucun compte {identity} de ce rôle — no account {identity} of this role", EXIT_REFUSED)
        code = store.issue(Role(role), identity)
    _note(where, "code-issued", identity or role)
    click.echo(code)


@account.command("list")
@click.pass_obj
def account_list(where: Where) -> None:
    """List accounts with their names: for the person at the terminal only."""
    with _accounts(where) as store:
        for one in store.accounts():
            sessions = len(store.sessions(one.id))
            until = f" → {one.ended:%Y-%m-%d}" if one.ended else ""
            click.echo(f"{one.id:<4} {one.role:<9} {one.since:%Y-%m-%d}{until}  {sessions} session(s)  {one.name}")


@account.command("end")
@click.argument("identity", metavar="ID")
@click.pass_obj
def account_end(where: Where, identity: str) -> None:
    """End an account: its sessions die now, its name is forgotten, its id stays in the ledger."""
    with _accounts(where) as store:
        if not store.end_account(identity):
            fail(f"aucun compte {identity} — no account {identity}", EXIT_REFUSED)
    _note(where, "account-ended", identity)
    click.echo(f"{identity} : terminé — ended")


COMMANDS = (account,)
