"""Why the door opens or does not: any card or member, any time, explained by the one rule that decides.

The one idea: a question about the past is answered by the fact the door wrote then; any other by the same rule the door
uses, with the members, hours and closures of now, and it is said which of the two speaks. So this cannot drift from the
door. A card's raw number is turned into its key by whoever asks and is not known here. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.memory.ledger import Entry, Ledger
from agent.rules.door import GRANTS, EntryDecided, EntryRule, admit, let_out
from agent.rules.facts import CardKey, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.members import Roster, read_day
from agent.views.words import Words
from drivers.contract import Trust

AROUND = timedelta(minutes=2)  # what people remember of when they stood there


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


def explain(site: Site, ledger: Ledger, roster: Roster, asked: Asked, reader: str, at: datetime) -> tuple[Why, ...]:
    """Return what was decided around `at` (aware), or else what would be decided then. Raises LedgerError."""
    local = at.astimezone(ZoneInfo(site.site.timezone))
    recorded = tuple(_recorded(entry, local) for entry in _entries(ledger, asked, reader, at))
    if recorded:
        return recorded
    policy = site.door_policy
    out = site.readers[reader].direction == "out" if reader in site.readers else False
    cards = asked.cards(roster)
    if not cards:  # nothing opens for a member without a card
        return (Why(local, asked.member or "", "", reader, granted=False, rule="no-card", seq=None),)
    judged = [
        let_out(card, roster, reader) if out else admit(card, roster, policy, local, Trust.SYNCHRONISED, reader)
        for card in cards
    ]
    return tuple(Why(local, one.member, one.card, reader, one.granted, one.rule, None) for one in judged)


def _entries(ledger: Ledger, asked: Asked, reader: str, at: datetime) -> Iterator[tuple[Entry, EntryDecided]]:
    for entry in ledger.entries(EntryDecided):
        fact = entry.fact
        near = abs(entry.at.utc - at) <= AROUND
        if near and isinstance(fact, EntryDecided) and fact.reader == reader and asked.means(fact):
            yield entry, fact


def _recorded(found: tuple[Entry, EntryDecided], local: datetime) -> Why:
    entry, fact = found
    at = entry.at.utc.astimezone(local.tzinfo)
    return Why(at, fact.member, fact.card, fact.reader, fact.granted, fact.rule, entry.seq)


@dataclass(frozen=True, slots=True)
class DoorDay:
    """One coming day, for those who depend on the opening hours."""

    day: date
    windows: tuple[str, ...]  # "09:00-18:00"; empty: closed
    why: EntryRule  # OPENING_HOURS, CLOSED (no hours on that weekday) or CLOSURE

    def sentence(self, words: Words) -> str:
        """Say it: "mardi 1er décembre : fermé, jour de fermeture"."""
        day = words.day(self.day)
        if self.windows:
            return words("why.open", day=day, windows=", ".join(self.windows))
        return words("why.closed", day=day, rule=words.either("rule", self.why))


def calendar(site: Site, roster: Roster, first: date, days: int) -> Iterator[DoorDay]:
    """Yield the coming days as the door will judge them. Raises ValueError for hours that are none."""
    week = roster.hours or WeeklyHours.parse(site.hours)
    texts = tuple(week.texts().values())
    for day in (first + timedelta(days=n) for n in range(days)):
        closed = day in roster.closures
        windows = () if closed else texts[day.weekday()]
        why = EntryRule.CLOSURE if closed else EntryRule.OPENING_HOURS if windows else EntryRule.CLOSED
        yield DoorDay(day, windows, why)


def read_time(text: str, now: datetime) -> datetime:
    """Read "03:00" (today), "2026-11-28 03:00" or "28/11/2026 03:00" on the wall clock of `now`. Raises ValueError."""
    day_text, _, clock = text.strip().rpartition(" ")
    day = read_day(day_text) if day_text else now.date()
    if day is None:
        raise ValueError(text)
    return datetime.combine(day, time.fromisoformat(clock), now.tzinfo)
