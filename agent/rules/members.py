"""Who is who: the roster as a value, as rules see it. Names never come here.  (import rule follows)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId


@dataclass(frozen=True, slots=True)
class Member:
    """A person with rights, without a name."""

    id: MemberId
    formula: FormulaId
    since: date  # first day of rights
    until: date | None  # last day of rights, included; None = open


@dataclass(frozen=True, slots=True)
class Card:
    """A card of a member, by its keyed hash."""

    key: CardKey
    member: MemberId
    blocked: bool


@dataclass(frozen=True, slots=True)
class Alias:
    """A name typed at a laptop, by its id, and whose it is (None: nobody's yet)."""

    id: AliasId
    member: MemberId | None


@dataclass(frozen=True, slots=True)
class Roster:
    """One immutable version of the roster. `aliases` is keyed by the folded print name."""

    version: int
    members: Mapping[MemberId, Member] = field(default_factory=dict)
    cards: Mapping[CardKey, Card] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    closures: frozenset[date] = frozenset()  # days the site is closed, whatever the weekly hours say


@dataclass(frozen=True, slots=True)
class RosterChanged(Fact):
    """Somebody edited the roster: ids only."""

    kind: ClassVar[str] = "roster-changed"

    actor: str  # "cli", "animator", "ops"
    action: str  # "member-added", "member-changed", "card-given", "card-blocked", "alias-given", "member-erased", ...
    subject: str  # a MemberId, CardKey or AliasId
    formula: FormulaId  # the member's formula after the change; "" if not about that


def fold_user(user: str) -> str:
    """Fold a print user name: `DOMAIN\\user`, `user@laptop.local` and case all mean `user`."""
    return user.rsplit("\\", 1)[-1].split("@", 1)[0].strip().casefold()
