"""Commands for accounts and the certificate: who may act on the pages, over what wire.

Run on the box, by whoever may read the state folder there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from agent.cli.where import EXIT_IO, EXIT_REFUSED, Where, fail, no_ledger

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
        no_ledger(error)


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
        no_ledger(error)


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


@click.group()
def certificate() -> None:
    """Look after the certificate of the pages, where the box signs its own ([web] authority = true)."""


@certificate.command("issue")
@click.pass_obj
def certificate_issue(where: Where) -> None:
    """Make the site's authority and its certificate where they are missing or end soon; print the fingerprint."""
    from agent.certificates import CertificateError, authority_of, fingerprint, issue
    from drivers.clock import SystemClock

    site = where.site()
    if not site.web.authority:
        fail("[web] authority = true manque au fichier du lieu — is missing from the site file", EXIT_REFUSED)
    try:
        issue(site, where.places, SystemClock().now().utc)
        click.echo(f"SHA-256 {fingerprint(authority_of(where.places))}")
    except (CertificateError, OSError) as error:
        fail(str(error), EXIT_IO)


@certificate.command("show")
@click.pass_obj
def certificate_show(where: Where) -> None:
    """Print until when the certificate of the pages is good. Exit code 1 if it has ended, or there is none."""
    from agent.certificates import CertificateError, ends_at, files_of
    from drivers.clock import SystemClock

    files = files_of(where.site(), where.places)
    if files is None:
        fail("les pages sont en clair, sans certificat — the pages are plain HTTP, without a certificate", EXIT_REFUSED)
    try:
        until = ends_at(files[0])
    except CertificateError as error:
        fail(str(error), EXIT_IO)
    left = until - SystemClock().now().utc
    click.echo(f"{files[0]} : jusqu'au {until:%Y-%m-%d} — until then, {left.days} d")
    if left.total_seconds() <= 0:
        raise SystemExit(EXIT_REFUSED)


COMMANDS = (account, certificate)
