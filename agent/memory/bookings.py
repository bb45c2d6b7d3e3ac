"""What the roster holds for a while: bookings, guests' codes, the lockdown.

The one idea: a guest's code is shown once, to whoever makes it; what is kept is its keyed hash, as of any card. The
words a booking is known by stand here alone, for pages, and go with it: a booking that has been over for a month is
forgotten with the next one made. A lockdown is a row here, not a state of the door service: the door reads it with
the next badge, and a restart of anything changes nothing.
"""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.memory.calendar import Changing, Reading
from agent.memory.people import Change, RosterError
from agent.memory.tables import read_bookings
from agent.rules.bookings import (
    CODE_DIGITS,
    LONGEST_BOOKING,
    LONGEST_LOCKDOWN,
    MOST_USES,
    Alarm,
    Booking,
    BookingId,
    subject,
)
from agent.rules.facts import CardKey, MemberId
from drivers.contract import CardNumber

LONGEST_WORDS = 100  # characters
KEPT = timedelta(days=31)  # after its end
TRIES = 20  # to make up a code that is nobody's


@dataclass(frozen=True, slots=True)
class Booked:
    """One booking with the words it is known by: for people's pages only."""

    booking: Booking
    words: str


class Bookings:
    """The bookings and the lockdown of one roster; its calls raise LedgerError, RosterError as the roster's do."""

    def __init__(self, changing: Changing, reading: Reading, card_key: Callable[[CardNumber], CardKey]) -> None:
        self._changing, self._reading, self._card_key = changing, reading, card_key

    def all(self) -> tuple[Booked, ...]:
        """Return all bookings, those that begin first first."""
        booked: tuple[Booked, ...] = self._reading(_booked)
        return booked

    def book(
        self,
        member: MemberId,
        start: datetime,
        until: datetime,
        *,
        actor: str,
        uses: int | None = None,
        words: str = "",
    ) -> BookingId:
        """Let a member in from `start` until `until` (aware), whatever the formula says."""
        with self._changing(actor) as change:
            change.find(member)
            return _insert(change, _judged(Booking(_new(), member, None, start, until, uses), change.at.utc), words)

    def invite(
        self, start: datetime, until: datetime, *, actor: str, uses: int | None = None, words: str = ""
    ) -> tuple[BookingId, str]:
        """Make up a guest's code for [start, until); return it with the booking's id. It is kept nowhere."""
        with self._changing(actor) as change:
            code, key = self._made_up(change)
            booking = _judged(Booking(_new(), None, key, start, until, uses), change.at.utc)
            return _insert(change, booking, words), code

    def book_card(
        self, number: int, start: datetime, until: datetime, *, actor: str, uses: int | None = None, words: str = ""
    ) -> BookingId:
        """Let a card of the visitors' pool in from `start` until `until`, outside the opening hours too."""
        with self._changing(actor) as change:
            row = change.db.execute("SELECT key FROM visitor WHERE number = ? AND NOT lost", (number,)).fetchone()
            if row is None:
                raise RosterError(
                    f"il n'y a pas de carte visiteur n° {number} qui serve", f"there is no visitor card no. {number}"
                )
            booking = _judged(Booking(_new(), None, CardKey(row[0]), start, until, uses), change.at.utc)
            return _insert(change, booking, words)

    def end(self, booking: BookingId, *, actor: str) -> None:
        """Take a booking or a code back; one that is gone already is no fault."""
        with self._changing(actor) as change:
            if change.db.execute("DELETE FROM booking WHERE id = ?", (booking,)).rowcount:
                change.tell("booking-ended", booking)

    # --- the lockdown ----------------------------------------------------------------------------------------

    def lock_down(self, reason: Alarm, *, actor: str, until: datetime | None = None) -> None:
        """Let nobody in any more, until it is ended or `until` has come; one that stands gets the new reason."""
        with self._changing(actor) as change:
            now = change.at.utc
            if until is not None and not now < until <= now + LONGEST_LOCKDOWN:
                raise RosterError(
                    f"la fin du confinement doit venir, dans les {LONGEST_LOCKDOWN.days} jours",
                    f"the lockdown's end must lie ahead, within {LONGEST_LOCKDOWN.days} days",
                )
            change.db.execute("DELETE FROM lockdown")
            end = None if until is None else until.astimezone(UTC)
            row = (reason.value, now.isoformat(), None if end is None else end.isoformat())
            change.db.execute("INSERT INTO lockdown VALUES (1, ?, ?, ?)", row)
            change.tell("lockdown-begun", subject(reason, end))

    def end_lockdown(self, *, actor: str) -> None:
        """Let people in again; none standing is no fault."""
        with self._changing(actor) as change:
            row = change.db.execute("SELECT reason FROM lockdown").fetchone()
            if row is not None:
                change.db.execute("DELETE FROM lockdown")
                change.tell("lockdown-ended", row[0])

    def _made_up(self, change: Change) -> tuple[str, CardKey]:
        """Make up a code that opens for nobody else."""
        taken = "SELECT 1 FROM card WHERE key = ?1 UNION SELECT 1 FROM visitor WHERE key = ?1"
        taken += " UNION SELECT 1 FROM booking WHERE key = ?1"
        for _ in range(TRIES):
            code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
            key = self._card_key(CardNumber(code))
            if change.db.execute(taken, (key,)).fetchone() is None:
                return code, key
        raise RosterError("aucun code libre : recommencez", "no free code: try again")


def _new() -> BookingId:
    return BookingId(uuid.uuid4().hex[:12])


def _judged(booking: Booking, now: datetime) -> Booking:
    """Refuse a booking that makes no sense. Raises RosterError."""
    if not booking.start < booking.until <= booking.start + LONGEST_BOOKING or booking.until <= now:
        raise RosterError(
            f"une réservation finit après son début, dans les {LONGEST_BOOKING.days} jours, et n'est pas passée",
            f"a booking ends after it begins, within {LONGEST_BOOKING.days} days, and is not over yet",
        )
    if booking.uses is not None and not 1 <= booking.uses <= MOST_USES:
        raise RosterError(f"de 1 à {MOST_USES} entrées", f"from 1 to {MOST_USES} entries")
    return booking


def _insert(change: Change, booking: Booking, words: str) -> BookingId:
    name = " ".join(words.split())
    if len(name) > LONGEST_WORDS or not name.isprintable():
        raise RosterError(
            f"le nom de la réservation dépasse {LONGEST_WORDS} signes ou ne se lit pas",
            f"the booking's name is over {LONGEST_WORDS} signs or unreadable",
        )
    old = (change.at.utc - KEPT).isoformat()
    change.db.execute("DELETE FROM booking WHERE until < ?", (old,))
    start, until = (at.astimezone(UTC).isoformat() for at in (booking.start, booking.until))
    row = (booking.id, booking.member, booking.key, start, until, booking.uses, name)
    change.db.execute("INSERT INTO booking VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    change.tell("booking-made", booking.id)
    return booking.id


def _booked(db: sqlite3.Connection) -> tuple[Booked, ...]:
    words = dict(db.execute("SELECT id, words FROM booking").fetchall())
    return tuple(Booked(one, words.get(one.id, "")) for one in read_bookings(db))
