"""What people grant for a while, and what they shut: bookings, guest codes, a lockdown. Values and their facts.

The one idea: a right for a while is [start, until) in real time, and stands beside a person's formula without changing
it. It belongs to a member, or to a key: the hash of a guest's code, which is typed at a reader that sends lines
(`frame = "line"`: a keypad, a QR code's scanner), or of a card of the visitors' pool. A lockdown stands until somebody
ends it or its time has surely come. Who enters is judged in `rules.door`, nowhere else; nothing here reads a clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NewType

from agent.rules.facts import PASSAGE_DAYS, CardKey, Fact, FormulaId, MemberId

BookingId = NewType("BookingId", str)  # id of an erasable roster row
CODE_DIGITS = 8  # of a guest's code: an even number, so that it is the same number to every reader that sends lines
LONGEST_BOOKING = timedelta(days=62)
MOST_USES = 100
LONGEST_LOCKDOWN = timedelta(days=31)  # with a time of its own; without, until somebody ends it
CODE = re.compile(rf"\d{{{CODE_DIGITS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Booking:
    """A right to enter in [start, until), both UTC: a member's, or a key's."""

    id: BookingId
    member: MemberId | None
    key: CardKey | None  # a guest's code or a visitors' card; exactly one of the two is given
    start: datetime
    until: datetime
    uses: int | None  # how many entries; None: as many as they like

    def serves(self, local: datetime, early: timedelta) -> bool:
        """Tell whether it is valid at an instant; `early`: how long before its start it already opens."""
        return self.start - early <= local < self.until


class Alarm(StrEnum):
    """Why a site is locked down. The words stand in the ledger: add, never rename."""

    INTRUSION = "intrusion"
    DANGER = "danger-outside"
    EXERCISE = "exercise"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Lockdown:
    """Nobody enters any more; everybody leaves as always."""

    reason: Alarm
    since: datetime  # UTC
    until: datetime | None  # UTC; None: until somebody ends it


def subject(reason: Alarm, until: datetime | None) -> str:
    """Write a lockdown as the subject of a fact: "intrusion", "exercise..2026-11-28T17:00:00+00:00"."""
    return reason.value if until is None else f"{reason.value}..{until.isoformat()}"


@dataclass(frozen=True, slots=True)
class BookingUsed(Fact):
    """Somebody entered by a booking; the door counts these where a booking is good a number of times."""

    kind: ClassVar[str] = "booking-used"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    booking: BookingId


@dataclass(frozen=True, slots=True)
class DayOpened(Fact):
    """The first of those who open the day for the others has come (first-in)."""

    kind: ClassVar[str] = "day-opened-by-badge"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    day: str  # ISO 8601, the site's own
    formula: FormulaId
