"""Decides who may enter: the whole of it, in the order it is judged.

The one idea: deny by default, and exactly *one named rule* decides, so that every refusal can be explained in one
sentence at the door.
1. The card: unknown, blocked, nobody's any more: refused, and nothing lifts that.
2. A lockdown stops every entry. It never stops leaving: a card at a reader inside leads out (`let_out`), and the exit
   button is not judged at all (Code du travail R. 4227-6).
3. The person: not before the first day, not after the last. A clock that cannot be believed is a lower bound: what is
   over is over, and nobody is too early.
4. The formula: "always" enters; "hours" enters in opening hours, where the site wants it only once one of those who
   open the day has come (first-in); a booking lets in meanwhile whoever the formula does not.
5. A guest's code, or a card of the visitors' pool that is booked, enters in [start, until), once, N times or freely.
6. An event window lets in every card that steps 1 and 2 do not refuse; a code outside its time stays outside.
What a formula may do while the time is not trusted is the site's choice, and by default what its access says. Access
levels follow the functions named in IEC 60839-11-1. It reads no clock and waits for nothing; `rules.leaf` judges the
leaf, whose states are named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from agent.rules.bookings import Booking, BookingId
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
    WITHOUT_CLOCK = "without-clock"  # the site lets this formula in while nobody knows what time it is
    CLOSURE = "closure"
    CLOSED = "closed"
    OPENING_HOURS = "opening-hours"
    WAY_OUT = "way-out"  # at a reader on the inside
    VISITOR = "visitor"  # a lent card of the pool, in opening hours
    VISITOR_EXPIRED = "visitor-expired"  # its time is over, or it is lent to nobody
    LOCKDOWN = "lockdown"
    FIRST_IN = "first-in"  # in opening hours, and nobody who opens the day has come
    BOOKING = "booking"  # a member, in the time booked
    GUEST = "guest"  # a code, or a booked card of the pool, in its time
    BOOKING_EARLY = "booking-early"
    BOOKING_OVER = "booking-over"
    BOOKING_USED = "booking-used"  # as often as it was good for
    BOOKING_UNCOUNTED = "booking-uncounted"  # good N times, and nobody knows how often it was used
    EVENT_WINDOW = "event-window"


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """The house rules of one door, from the site file; the roster's own hours, where it has any, win."""

    access: Mapping[FormulaId, Access] = field(default_factory=dict)
    hours: WeeklyHours = field(default_factory=WeeklyHours)
    without_clock: Mapping[FormulaId, bool] = field(default_factory=dict)  # enters while the time is not trusted; a
    #                                                                        formula not named: if it has "always"
    openers: frozenset[FormulaId] = frozenset()  # whose badge opens the day for "hours"; none: the hours do it alone
    early: timedelta = timedelta()  # how long before its start a booking opens

    @classmethod
    def parse(
        cls,
        access: Mapping[str, str],
        hours: Mapping[str, tuple[str, ...]],
        without_clock: Mapping[str, str] | None = None,
        openers: tuple[str, ...] = (),
        early_min: float = 0.0,
    ) -> DoorPolicy:
        """Read what a site file says: by formula, and hours by weekday. Raises ValueError."""
        return cls(
            {FormulaId(name): Access(word) for name, word in access.items()},
            WeeklyHours.parse(hours),
            {FormulaId(name): word == "open" for name, word in (without_clock or {}).items() if word},
            frozenset(map(FormulaId, openers)),
            timedelta(minutes=early_min),
        )

    def opens_without_clock(self, formula: FormulaId) -> bool:
        """Tell whether a formula enters while nobody knows what time it is."""
        return self.without_clock.get(formula, self.access.get(formula) is Access.ALWAYS)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the door itself knows beside the roster."""

    window: bool = False  # an event window is open
    first_in: date | None = None  # the last day that somebody who opens it has come
    uses: Mapping[BookingId, int] | None = field(default_factory=dict)  # entries by booking; None: not known


CALM = Conditions()
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
    card: CardKey,
    roster: Roster,
    policy: DoorPolicy,
    local: datetime,
    trust: Trust,
    reader: str,
    now: Conditions = CALM,
) -> EntryDecided:
    """Judge a badge at a reader outside. `local` is `believed` time on the site's wall clock (aware)."""
    asked = _Asked(card, roster, policy, local, trust, now)
    entry = asked.entry(reader)
    if entry.rule in HARD:
        return entry
    if locked_down(roster, local, trust):
        return replace(entry, granted=False, rule=EntryRule.LOCKDOWN.value)
    if now.window and not entry.granted and entry.rule not in BOOKED:
        return replace(entry, granted=True, rule=EntryRule.EVENT_WINDOW.value)
    return entry


def locked_down(roster: Roster, local: datetime, trust: Trust) -> bool:
    """Tell whether a lockdown stands: one with a time ends once that has surely come."""
    lockdown = roster.lockdown
    if lockdown is None:
        return False
    return lockdown.until is None or local < lockdown.until or trust is Trust.UNKNOWN


def used(
    card: CardKey, roster: Roster, policy: DoorPolicy, local: datetime, uses: Mapping[BookingId, int] | None
) -> Booking | None:
    """Return the booking by which a card has entered, if it was one (`EntryRule.BOOKING`, `GUEST`); `uses` before."""
    serving = (one for one in _bookings(card, roster) if one.serves(local, policy.early))
    return _good(serving, uses)


def opened_day(entry: EntryDecided, policy: DoorPolicy, roster: Roster, local: datetime) -> date | None:
    """Return the day that an entry opens for those who wait for a first-in; None: none.

    In a night that began yesterday it is yesterday's: who comes at 1 a.m. is not there when today's hours begin.
    """
    if not entry.granted or entry.formula not in policy.openers:
        return None
    return _hours_of(roster, policy).opened_on(local, roster.closures) or local.date()


def let_out(card: CardKey, roster: Roster, reader: str) -> EntryDecided:
    """Judge a badge at a reader inside: any card the roster knows leads out, whatever the hour or the rights."""
    member, refusal = _holder(card, roster)
    known = refusal is not EntryRule.UNKNOWN_CARD or card in roster.visitors or bool(_bookings(card, roster))
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


def _bookings(card: CardKey, roster: Roster) -> tuple[Booking, ...]:
    """Return the bookings a card may enter by: its own, and its member's."""
    known = roster.cards.get(card)
    member = known.member if known else None
    return tuple(one for one in roster.bookings if one.key == card or (one.member == member and member is not None))


def _hours_of(roster: Roster, policy: DoorPolicy) -> WeeklyHours:
    """Return the week people set, or else the site file's."""
    return policy.hours if roster.hours is None else roster.hours


def _good(serving: Iterable[Booking], uses: Mapping[BookingId, int] | None) -> Booking | None:
    """Return which of the bookings of this hour lets in: one that nobody counts before one that is counted."""
    found = sorted(serving, key=lambda one: one.uses is not None)
    left = (one for one in found if one.uses is None or (uses is not None and uses.get(one.id, 0) < one.uses))
    return next(left, None)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One badge, and all that is known when it is presented."""

    card: CardKey
    roster: Roster
    policy: DoorPolicy
    local: datetime
    trust: Trust
    now: Conditions

    def entry(self, reader: str) -> EntryDecided:
        """Judge all but lockdown and event window, which stand above persons."""
        visitor = self.roster.visitors.get(self.card)
        if visitor is not None:
            return replace(_decided(reader, self.card, None, self._visitor(visitor)), formula=VISITOR)
        if self.card not in self.roster.cards and _bookings(self.card, self.roster):
            return replace(_decided(reader, self.card, None, self._booked()), formula=GUEST)
        member, refusal = _holder(self.card, self.roster)
        if member is None or refusal is not None:
            return _decided(reader, self.card, member, refusal or EntryRule.NO_MEMBER)
        return _decided(reader, self.card, member, self._member(member))

    def _member(self, member: Member) -> EntryRule:
        """Return the one rule that decides about a member with a good card."""
        if member.until is not None and self.local.date() > member.until:
            return EntryRule.MEMBER_EXPIRED
        if self.local.date() < member.since and self._believed:  # an early clock must not lock out a new member
            return EntryRule.NOT_YET_MEMBER
        rule = self._formula(member)
        return EntryRule.BOOKING if rule not in GRANTS and self._booked() is EntryRule.GUEST else rule

    def _formula(self, member: Member) -> EntryRule:
        access = self.policy.access.get(member.formula)
        if access is None:
            return EntryRule.NO_FORMULA
        if access is Access.NEVER:
            return EntryRule.NEVER
        if not self._believed and not self.policy.opens_without_clock(member.formula):
            return EntryRule.CLOCK_UNTRUSTED
        if access is Access.ALWAYS:
            return EntryRule.ALWAYS
        if not self._believed:
            return EntryRule.WITHOUT_CLOCK
        return self._hours(opener=member.formula in self.policy.openers) or EntryRule.OPENING_HOURS

    def _visitor(self, card: VisitorCard) -> EntryRule:
        """Return the one rule that decides about a card of the pool. Late is late for any clock."""
        if card.blocked:
            return EntryRule.BLOCKED_CARD
        if self._booked() is EntryRule.GUEST:
            return EntryRule.GUEST
        if card.until is None or self.local >= card.until:
            return EntryRule.VISITOR_EXPIRED
        return (self._hours() if self._believed else EntryRule.CLOCK_UNTRUSTED) or EntryRule.VISITOR

    def _booked(self) -> EntryRule:
        """Return what the bookings say: GUEST, or why not. What is over is over for any clock."""
        early, found = self.policy.early, _bookings(self.card, self.roster)
        if all(self.local >= one.until for one in found):
            return EntryRule.BOOKING_OVER
        if not self._believed:
            return EntryRule.CLOCK_UNTRUSTED
        serving = [one for one in found if one.serves(self.local, early)]
        if not serving:
            return EntryRule.BOOKING_EARLY
        if _good(serving, self.now.uses) is not None:
            return EntryRule.GUEST
        return EntryRule.BOOKING_UNCOUNTED if self.now.uses is None else EntryRule.BOOKING_USED

    def _hours(self, *, opener: bool = False) -> EntryRule | None:
        """Return why nobody who depends on the opening hours enters now; None: they do."""
        day = _hours_of(self.roster, self.policy).opened_on(self.local, self.roster.closures)
        if day is None:
            return EntryRule.CLOSURE if self.local.date() in self.roster.closures else EntryRule.CLOSED
        come = self.now.first_in is not None and self.now.first_in >= day
        return None if opener or come or not self.policy.openers else EntryRule.FIRST_IN

    @property
    def _believed(self) -> bool:
        return self.trust in BELIEVED


VISITOR = FormulaId("visitor")  # in the facts, where a member has a formula
GUEST = FormulaId("guest")
GRANTS = frozenset(
    {
        *(EntryRule.ALWAYS, EntryRule.OPENING_HOURS, EntryRule.WITHOUT_CLOCK, EntryRule.BOOKING, EntryRule.GUEST),
        *(EntryRule.VISITOR, EntryRule.EVENT_WINDOW, EntryRule.WAY_OUT),
    }
)
HARD = frozenset({EntryRule.UNKNOWN_CARD, EntryRule.BLOCKED_CARD, EntryRule.NO_MEMBER})  # what nothing lifts
BOOKED = frozenset(  # what a code is told outside its time: no event window lifts it
    {EntryRule.BOOKING_EARLY, EntryRule.BOOKING_OVER, EntryRule.BOOKING_USED, EntryRule.BOOKING_UNCOUNTED}
)


def _decided(reader: str, card: CardKey, member: Member | None, rule: EntryRule) -> EntryDecided:
    """Write the decision down."""
    return EntryDecided(
        reader=reader,
        card=card,
        member=member.id if member else MemberId(""),
        formula=member.formula if member else FormulaId(""),
        granted=rule in GRANTS,
        rule=rule.value,
    )
