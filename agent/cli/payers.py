"""Commands for shared accounts: a project or a host organisation that pays for paper, and who may have it pay."""

from __future__ import annotations

import click

from agent.cli.people import ACTOR, day_of, formula_of, opened_roster
from agent.cli.where import Where


@click.group()
def payer() -> None:
    """Make, list, end and erase shared accounts, which pay for paper and are nobody; say who may use them."""


@payer.command("list")
@click.pass_obj
def payer_list(where: Where) -> None:
    """List shared accounts with their names, and the ids of those who may use them."""
    with opened_roster(where) as store:
        for one in store.payers.accounts():
            until = f" → {one.until}" if one.until else ""
            users = ", ".join(one.users) or "personne"
            click.echo(f"{one.id}  {one.formula:<12}{until}  {one.name}  ({users})")


@payer.command("add")
@click.argument("name")
@click.option("--formula", required=True, help="The formula whose prices it pays; free sides are members' alone.")
@click.pass_obj
def payer_add(where: Where, name: str, formula: str) -> None:
    """Make a shared account and print its id."""
    with opened_roster(where) as store:
        click.echo(store.payers.add(name, formula_of(where, formula), actor=ACTOR))


@payer.command("change")
@click.argument("identity", metavar="ID")
@click.option("--name")
@click.option("--formula")
@click.pass_obj
def payer_change(where: Where, identity: str, name: str | None, formula: str | None) -> None:
    """Change a shared account's name or formula, from now on."""
    from agent.rules.facts import MemberId

    prices = formula_of(where, formula) if formula else None
    with opened_roster(where) as store:
        store.payers.change(MemberId(identity), actor=ACTOR, name=name, formula=prices)


@payer.command("allow")
@click.argument("identity", metavar="ID")
@click.argument("member", metavar="MEMBER")
@click.pass_obj
def payer_allow(where: Where, identity: str, member: str) -> None:
    """Let MEMBER have the shared account ID pay."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.payers.name_user(MemberId(identity), MemberId(member), actor=ACTOR)


@payer.command("deny")
@click.argument("identity", metavar="ID")
@click.argument("member", metavar="MEMBER")
@click.pass_obj
def payer_deny(where: Where, identity: str, member: str) -> None:
    """Let MEMBER have the shared account ID pay no more."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.payers.remove_user(MemberId(identity), MemberId(member), actor=ACTOR)


@payer.command("end")
@click.argument("identity", metavar="ID")
@click.argument("day", required=False)
@click.pass_obj
def payer_end(where: Where, identity: str, day: str | None) -> None:
    """Set the last DAY a shared account pays (none: open again)."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.payers.end(MemberId(identity), day_of(day), actor=ACTOR)


@payer.command("erase")
@click.argument("identity", metavar="ID")
@click.pass_obj
def payer_erase(where: Where, identity: str) -> None:
    """Forget a shared account's name and who might use it; the id stays in what was counted."""
    from agent.rules.facts import MemberId

    with opened_roster(where) as store:
        store.payers.erase(MemberId(identity), actor=ACTOR)


COMMANDS = (payer,)
