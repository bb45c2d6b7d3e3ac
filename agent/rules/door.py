"""Decides who may enter, and names what the leaf does (`rules.leaf` judges it).

The one idea: deny by default, and exactly *one named rule* decides, so that every refusal can be explained in one
sentence at the door. Subscribers enter at any hour, occasional members in opening hours. A clock that cannot be
believed never shuts out a formula with access "always" and never lets an expired member back in. Going out is never
refused to a card the roster knows, and the exit button is not judged at all (Code du travail R. 4227-6). Access
levels follow the functions named in IEC 60839-11-1. It reads no clock and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import PASSAGE_DAYS, CardKey, Fact, FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.members import Member, Roster, VisitorCard
from drivers.contract import Trust


class Passage(StrEnum):
    """The door leaf, as its contact shows it."""

    CLOSED = "closed"
    OPEN = "open"  # after a grant or an exit press
    HELD = "held"  # open longer than allowed
    PROPPED = "propped"  # open, and allowed to stay so until a named time (an event window)
    FORCED = "forced"  # opened with neither
    UNKNOWN = "unknown"  # no contact wired, or the input is lost


@dataclass(frozen=True, slots=True)
class EntryDecided(Fact):
    """A badge was presented at a door and judged. Refusals are facts too."""

    kind: ClassVar[str] = "entry-decided"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    reader: str
    card: CardKey
    member: MemberId
    formula: FormulaId
    granted: bool
    rule: (
        str  # the one named rule that decided: "always", "opening-hours", "closed", "unknown-card", "blocked-card", ...
    )


@dataclass(frozen=True, slots=True)
class LatchMoved(Fact):
    """The relay line changed."""

    kind: ClassVar[str] = "latch-moved"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    state: str  # contract.LatchState
    why: str


@dataclass(frozen=True, slots=True)
class DoorChanged(Fact):
    """The door leaf changed."""

    kind: ClassVar[str] = "door-changed"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    was: Passage
    now: Passage


# --- who may enter -----------------------------------------------------------------------------------------


class Access(StrEnum):
    """What a formula may do at the door (site file, [formulas.NAME] access)."""

    ALWAYS = "always"
    HOURS = "hours"
    NEVER = "never"


class EntryRule(StrEnum):
    """Every rule that can decide about a badge. The words stand in the ledger: add, never rename."""

    UNKNOWN_CARD = "unknown-card"
    BLOCKED_CARD = "blocked-card"
    NO_MEMBER = "no-member"  # the card's member is no longer in the roster
    NOT_YET_MEMBER = "not-yet-member"
    MEMBER_EXPIRED = "member-expired"
    NO_FORMULA = "no-formula"  # the member's formula is not in the site file
    NEVER = "never"
    ALWAYS = "always"
    CLOCK_UNTRUSTED = "clock-untrusted"
    CLOSURE = "closure"
    CLOSED = "closed"
    OPENING_HOURS = "opening-hours"
    WAY_OUT = "way-out"  # at a reader on the inside
    VISITOR = "visitor"  # a lent card of the pool, in opening hours
    VISITOR_EXPIRED = "visitor-expired"  # its time is over, or it is lent to nobody


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """The house rules of one door, from the site file; the roster's own hours, where it has any, win."""

    access: Mapping[FormulaId, Access] = field(default_factory=dict)
    hours: WeeklyHours = field(default_factory=WeeklyHours)
    untrusted_opens: bool = False  # let "hours" formulas in when nobody knows what time it is

    @classmethod
    def parse(cls, access: Mapping[str, str], hours: Mapping[str, tuple[str, ...]]) -> DoorPolicy:
        """Read what a site file says: access by formula, hours by weekday. Raises ValueError."""
        return cls({FormulaId(name): Access(word) for name, word in access.items()}, WeeklyHours.parse(hours))


BELIEVED = frozenset({Trust.SYNCHRONISED, Trust.DRIFTING})


def believed(utc: datetime, trust: Trust, newest: datetime | None) -> datetime:
    """Return the latest instant (UTC) that has surely come: without a synchronised clock, never below the newest known.

    A synchronised clock is right, also where an earlier one had run ahead: else one wrong year would stand still until
    it has come. A restored clock is a lower bound (it went on from a saved time); an unknown one says nothing, so only
    `newest` counts, if there is one.
    """
    if newest is None or trust is Trust.SYNCHRONISED:
        return utc
    return newest if trust is Trust.UNKNOWN else max(utc, newest)


def admit(
    card: CardKey, roster: Roster, policy: DoorPolicy, local: datetime, trust: Trust, reader: str
) -> EntryDecided:
    """Judge a badge at a reader outside. `local` is `believed` time on the site's wall clock (aware)."""
    visitor = roster.visitors.get(card)
    if visitor is not None:
        entry = _decided(reader, card, None, _visitor_rule(visitor, roster, policy, local, trust), policy)
        return replace(entry, formula=VISITOR)
    member, refusal = _holder(card, roster)
    if refusal is not None:
        return _decided(reader, card, member, refusal)
    assert member is not None
    return _decided(reader, card, member, _rule(member, roster, policy, local, trust), policy)


def let_out(card: CardKey, roster: Roster, reader: str) -> EntryDecided:
    """Judge a badge at a reader inside: any card the roster knows leads out, whatever the hour or the rights."""
    member, refusal = _holder(card, roster)
    known = refusal is not EntryRule.UNKNOWN_CARD or card in roster.visitors
    return _decided(reader, card, member, EntryRule.WAY_OUT if known else EntryRule.UNKNOWN_CARD)


def _holder(card: CardKey, roster: Roster) -> tuple[Member | None, EntryRule | None]:
    """Return whose card this is, and why the card itself refuses."""
    known = roster.cards.get(card)
    if known is None:
        return None, EntryRule.UNKNOWN_CARD
    member = roster.members.get(known.member)
    if known.blocked:
        return member, EntryRule.BLOCKED_CARD
    return member, None if member else EntryRule.NO_MEMBER


def _rule(member: Member, roster: Roster, policy: DoorPolicy, local: datetime, trust: Trust) -> EntryRule:
    """Return the one rule that decides about a member with a good card."""
    if member.until is not None and local.date() > member.until:
        return EntryRule.MEMBER_EXPIRED
    if local.date() < member.since and trust in BELIEVED:  # an early clock must not lock out a new member
        return EntryRule.NOT_YET_MEMBER
    access = policy.access.get(member.formula)
    if access is None:
        return EntryRule.NO_FORMULA
    if access is not Access.HOURS:
        return EntryRule.ALWAYS if access is Access.ALWAYS else EntryRule.NEVER
    return _hours_rule(roster, policy, local, trust) or EntryRule.OPENING_HOURS


def _visitor_rule(card: VisitorCard, roster: Roster, policy: DoorPolicy, local: datetime, trust: Trust) -> EntryRule:
    """Return the one rule that decides about a card of the pool. Late is late for any clock: time is a lower bound."""
    if card.blocked:
        return EntryRule.BLOCKED_CARD
    if card.until is None or local >= card.until:
        return EntryRule.VISITOR_EXPIRED
    return _hours_rule(roster, policy, local, trust) or EntryRule.VISITOR


def _hours_rule(roster: Roster, policy: DoorPolicy, local: datetime, trust: Trust) -> EntryRule | None:
    """Return why nobody who depends on the opening hours enters now; None: they do."""
    if trust not in BELIEVED:
        return EntryRule.CLOCK_UNTRUSTED
    hours = policy.hours if roster.hours is None else roster.hours
    if hours.open_at(local, roster.closures):
        return None
    return EntryRule.CLOSURE if local.date() in roster.closures else EntryRule.CLOSED


VISITOR = FormulaId("visitor")  # in the facts, where a member has a formula
GRANTS = frozenset({EntryRule.ALWAYS, EntryRule.OPENING_HOURS, EntryRule.WAY_OUT, EntryRule.VISITOR})


def _decided(
    reader: str, card: CardKey, member: Member | None, rule: EntryRule, policy: DoorPolicy | None = None
) -> EntryDecided:
    """Write the decision down."""
    opens = rule in GRANTS or (rule is EntryRule.CLOCK_UNTRUSTED and policy is not None and policy.untrusted_opens)
    return EntryDecided(
        reader=reader,
        card=card,
        member=member.id if member else MemberId(""),
        formula=member.formula if member else FormulaId(""),
        granted=opens,
        rule=rule.value,
    )
