"""Why the door opens or does not: any card or member, any time, explained by the one rule that decides.

The one idea: a question about the past is answered by the fact the door wrote then; any other by the same rule the door
uses, with the members, hours and closures of now, and it is said which of the two speaks. So this cannot drift from the
door. What stood only for a while is taken from the ledger at that instant: a lockdown, an event window, who had opened
the day, how often a code was used; of the days to come it is supposed that somebody opens them. A card's raw number is
turned into its key by whoever asks and is not known here. Reads only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.memory.calendar import Agenda
from agent.memory.ledger import Entry, Ledger
from agent.rules.bookings import LONGEST_BOOKING, Alarm, BookingUsed, DayOpened, Lockdown
from agent.rules.door import GRANTS, Conditions, EntryDecided, EntryRule, admit, let_out
from agent.rules.facts import CardKey, MemberId
from agent.rules.hours import WeeklyHours, wall_times, zone_of
from agent.rules.memberlist import read_day
from agent.rules.members import Roster, RosterChanged
from agent.rules.remote import LONGEST_S, WindowClosed, WindowOpened
from agent.views.words import Words
from drivers.contract import Trust

AROUND = timedelta(minutes=2)  # what people remember of when they stood there
LOCKED_AT_MOST = timedelta(days=366)  # how far back a lockdown that nobody ended is looked for
FIRST_YEAR, LAST_YEAR = 1970, 2199  # that are asked about
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)?")


class SkippedError(ValueError):
    """A time that no wall clock shows: in March the clocks skip it."""


@dataclass(frozen=True, slots=True)
class Why:
    """One decision. `seq` names the fact that recorded it; None: judged now, with the roster of now."""

    at: datetime  # on the site's wall clock
    member: str
    card: str
    reader: str
    granted: bool
    rule: str
    seq: int | None

    def sentence(self, words: Words) -> str:
        """Say it: "samedi 28 novembre 03:00, porte : refusée (hors des heures d'ouverture)"."""
        key = "why.granted" if self.granted else "why.refused"
        reason = words.either("grant" if self.rule in GRANTS else "rule", self.rule)
        told = words(key, day=words.day(self.at.date()), time=f"{self.at:%H:%M}", reader=self.reader, rule=reason)
        return f"{told} {words('why.recorded', seq=self.seq) if self.seq is not None else words('why.judged')}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: a member (any of their cards), or one card."""

    member: MemberId | None = None
    card: CardKey | None = None

    def means(self, fact: EntryDecided) -> bool:
        """Tell whether a decision is about this."""
        return fact.card == self.card if self.card else fact.member == self.member

    def cards(self, roster: Roster) -> tuple[CardKey, ...]:
        """Return the cards to be judged: those that still open first, so that the best answer is the first."""
        if self.card:
            return (self.card,)
        own = (key for key, card in roster.cards.items() if card.member == self.member)
        return tuple(sorted(own, key=lambda key: (roster.cards[key].blocked, key)))


def explain(
    site: Site,
    ledger: Ledger,
    roster: Roster,
    asked: Asked,
    reader: str,
    at: datetime,
    *,
    now: datetime | None = None,
    trust: Trust = Trust.SYNCHRONISED,
) -> tuple[Why, ...]:
    """Return what was decided around `at` (aware), or else what would be decided then. Raises LedgerError.

    `now` (default `at`) parts past from future; `trust` is what the door is supposed to know of the time.
    """
    at = at.astimezone(UTC)  # differences on a wall clock are wrong in the nights it jumps
    local = at.astimezone(ZoneInfo(site.site.timezone))
    near = ledger.between(EntryDecided, at - AROUND, at + AROUND + timedelta(microseconds=1))
    recorded = tuple(
        _recorded((entry, entry.fact), local)
        for entry in near
        if isinstance(entry.fact, EntryDecided) and entry.fact.reader == reader and asked.means(entry.fact)
    )
    if recorded:
        return recorded
    out = site.readers[reader].direction == "out" if reader in site.readers else False
    cards = asked.cards(roster)
    if not cards:  # nothing opens for a member without a card
        return (Why(local, asked.member or "", "", reader, granted=False, rule="no-card", seq=None),)
    then = replace(roster, lockdown=_lockdown(ledger, at)) if at < (now or at) else roster
    stood = _conditions(ledger, local, future=at > (now or at))
    judged = [
        let_out(card, then, reader) if out else admit(card, then, site.door_policy, local, trust, reader, stood)
        for card in cards
    ]
    return tuple(Why(local, one.member, one.card, reader, one.granted, one.rule, None) for one in judged)


def _conditions(ledger: Ledger, local: datetime, *, future: bool) -> Conditions:
    """Return what the door knew, or will know, at an instant beside the roster."""
    at = local.astimezone(UTC)
    since, upto = at - timedelta(seconds=LONGEST_S), at + timedelta(microseconds=1)
    over = {
        entry.fact.window for entry in ledger.between(WindowClosed, since, at) if isinstance(entry.fact, WindowClosed)
    }
    window = any(
        isinstance(entry.fact, WindowOpened) and at < entry.fact.until and entry.fact.window not in over
        for entry in ledger.between(WindowOpened, since, upto)
    )
    days = [local.date()] if future else []
    days += [
        date.fromisoformat(entry.fact.day)
        for entry in ledger.between(DayOpened, at - timedelta(days=2), upto)
        if isinstance(entry.fact, DayOpened)
    ]
    uses = Counter(
        entry.fact.booking
        for entry in ledger.between(BookingUsed, at - LONGEST_BOOKING, at)
        if isinstance(entry.fact, BookingUsed)
    )
    return Conditions(window, max(days, default=None), uses)


def _lockdown(ledger: Ledger, at: datetime) -> Lockdown | None:
    """Return the lockdown that stood at a past instant."""
    stood = None
    for entry in ledger.between(RosterChanged, at - LOCKED_AT_MOST, at + timedelta(microseconds=1)):
        fact = entry.fact
        if isinstance(fact, RosterChanged) and fact.action in {"lockdown-begun", "lockdown-ended"}:
            reason, _, until = fact.subject.partition("..")
            end = datetime.fromisoformat(until) if until else None
            stood = Lockdown(Alarm(reason), entry.at.utc, end) if fact.action == "lockdown-begun" else None
    return stood


def _recorded(found: tuple[Entry, EntryDecided], local: datetime) -> Why:
    entry, fact = found
    at = entry.at.utc.astimezone(local.tzinfo)
    return Why(at, fact.member, fact.card, fact.reader, fact.granted, fact.rule, entry.seq)


@dataclass(frozen=True, slots=True)
class DoorDay:
    """One coming day at the door."""

    day: date
    windows: tuple[str, ...]  # "09:00-18:00", for those who depend on the opening hours; empty: closed
    why: EntryRule  # OPENING_HOURS, CLOSED (no hours on that weekday) or CLOSURE
    named: str = ""  # why a closed day is closed, in words
    bookings: int = 0  # that begin on this day
    locked_down: bool = False  # at some time of it
    first_in: bool = False  # they wait for somebody who opens the day

    def sentence(self, words: Words) -> str:
        """Say it: "mardi 1er décembre : fermé, jour de fermeture (neige)"."""
        day = words.day(self.day)
        rule = words.either("rule", self.why)
        if self.windows:
            said = words("why.open", day=day, windows=", ".join(self.windows))
        else:
            said = words("why.closed", day=day, rule=f"{rule} ({self.named})" if self.named else rule)
        more = [words("why.bookings", n=self.bookings)] if self.bookings else []
        more += [words("why.first_in")] if self.first_in and self.windows else []
        more += [words("why.locked_down")] if self.locked_down else []
        return " ; ".join([said, *more]) if words.language == "fr" else "; ".join([said, *more])


def calendar(
    site: Site, roster: Roster, first: date, days: int, agenda: Agenda | None = None, words: Words | None = None
) -> Iterator[DoorDay]:
    """Yield the coming days as the door will judge them, closures by their names where an agenda is given.

    Raises ValueError for hours that are none.
    """
    week = roster.hours or WeeklyHours.parse(site.hours)
    zone, lockdown = ZoneInfo(site.site.timezone), roster.lockdown
    first_in = bool(site.door and site.door.first_in)
    for day in (first + timedelta(days=n) for n in range(days)):
        closed = day in roster.closures
        windows = week.windows(day, roster.closures)
        why = EntryRule.CLOSURE if closed else EntryRule.OPENING_HOURS if windows else EntryRule.CLOSED
        named = why_closed(agenda, day, words) if agenda and words and closed else ""
        begin = sum(one.start.astimezone(zone).date() == day for one in roster.bookings)
        ends = None if lockdown is None or lockdown.until is None else lockdown.until.astimezone(zone).date()
        locked = lockdown is not None and (ends is None or day <= ends)
        yield DoorDay(day, windows, why, named, begin, locked, first_in)


def why_closed(agenda: Agenda, day: date, t: Words) -> str:
    """Return why a day is closed although its week says otherwise; "" if it is not."""
    closure, holiday = agenda.closure(day), agenda.holiday(day)
    if closure is not None:
        named = t(f"reason.{closure.reason or 'none'}")
        if closure.words:
            return closure.words if not closure.reason else f"{named} ({closure.words})"
        return named
    if holiday is not None and not holiday.opened:
        return t.either("holiday", holiday.name)
    return ""


def read_times(text: str, now: datetime) -> tuple[datetime, ...]:
    """Read "03:00", "3h" (today), "2026-11-28 03:00" or "28/11/2026 03:00" on the wall clock of `now`.

    Two instants in the hour that October repeats. Raises ValueError, also for a time that the clocks skip.
    """
    day_text, _, clock = text.strip().replace("T", " ").rpartition(" ")
    day = read_day(day_text) if day_text else now.date()
    found = _CLOCK.fullmatch(clock)
    if day is None or found is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(text)
    zone = zone_of(now)
    times = wall_times(day, int(found[1]), int(found[2] or 0), zone)
    if not times:
        raise SkippedError(text)
    return tuple(at.astimezone(zone) for at in times)


def unknown_holidays(site: Site, agenda: Agenda, days: Iterable[date], words: Words) -> str:
    """Say of which years nobody has written down the public holidays, which close the site; "" of none.

    Nothing closes on a holiday that is not known, here and at the door.
    """
    years = sorted({day.year for day in days} - {one.day.year for one in agenda.holidays})
    return words("why.holidays_unknown", years=", ".join(map(str, years))) if years and site.site.holidays else ""
