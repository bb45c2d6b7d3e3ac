"""Who is who: the roster as a value, as rules see it.

The one idea: rules know ids and rights, never names. `rules.memberlist` reads the lists in which names come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from agent.rules.bookings import Booking, Lockdown
from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.payers import Payer


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
class VisitorCard:
    """A numbered card of the pool, by its keyed hash: lent to somebody for a while, or not."""

    key: CardKey
    number: int  # printed on the card
    until: datetime | None  # UTC; None: lent to nobody
    blocked: bool  # lost


@dataclass(frozen=True, slots=True)
class Roster:
    """One immutable version of the roster. `aliases` is keyed by the folded print name."""

    version: int
    members: Mapping[MemberId, Member] = field(default_factory=dict)
    cards: Mapping[CardKey, Card] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    closures: frozenset[date] = frozenset()  # days closed whatever the week says: exceptional, or public holidays
    hours: WeeklyHours | None = None  # the week people set; None: the site file's
    visitors: Mapping[CardKey, VisitorCard] = field(default_factory=dict)
    bookings: tuple[Booking, ...] = ()
    lockdown: Lockdown | None = None
    payers: Mapping[MemberId, Payer] = field(default_factory=dict)
    payer_codes: Mapping[AliasId, MemberId] = field(default_factory=dict)  # user codes of copiers that one of them pays

    def formula_of(self, who: MemberId) -> FormulaId | None:
        """Return the formula of whoever pays, a member or a shared account; None if there is no such."""
        known = self.members.get(who) or self.payers.get(who)
        return None if known is None else known.formula


@dataclass(frozen=True, slots=True)
class RosterChanged(Fact):
    """Somebody edited the roster: ids only."""

    kind: ClassVar[str] = "roster-changed"

    actor: str  # "cli", "animator", "ops"
    action: str  # "member-added", "member-changed", "card-given", "card-blocked", "alias-given", "member-erased",
    #              "hours-changed", "day-closed", "visitor-lent", ...
    subject: str  # a MemberId, CardKey, AliasId, or a day
    formula: FormulaId  # the member's formula after the change; "" if not about that


CALENDAR = frozenset(
    {"hours-changed", "hours-default", "day-closed", "day-opened", "holidays-set", "animator-away", "animator-back"}
)  # the actions that change when the place is open, not who may enter


PEOPLE = (
    *("member-added", "member-changed", "member-erased", "alias-given", "alias-taken", "card-given", "card-taken"),
    *("card-blocked", "visitor-card-added", "visitor-card-removed", "visitor-lent", "visitor-returned", "visitor-lost"),
    *("booking-made", "booking-ended", "lockdown-begun", "lockdown-ended"),
)  # the other actions a page tells by their own words
