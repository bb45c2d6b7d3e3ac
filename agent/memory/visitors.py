"""The pool of visitor cards: numbered, lent to somebody by name for some hours, given back or lost.

The one idea: a visitor's name lives exactly as long as the loan. It is written when the card leaves the drawer and
erased when the card is back or lost; the facts hold the card's key only. At the door a lent card is worth what an
occasional member's is, until its time is over (`rules.door`).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.memory.calendar import Changing, Reading
from agent.memory.people import Change, RosterError
from agent.memory.tables import read_instant
from agent.rules.facts import CardKey, MemberId

LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class PoolCard:
    """One card of the pool, with the visitor's name: for people's pages only."""

    number: int
    key: CardKey
    lost: bool
    guest: str  # "": in the drawer
    host: MemberId | None  # whose guest
    organisation: str  # or whose
    since: datetime | None
    until: datetime | None


class VisitorPool:
    """The pool of one roster; its calls raise LedgerError, RosterError as the roster's do."""

    def __init__(self, changing: Changing, reading: Reading) -> None:
        self._changing = changing
        self._reading = reading

    def cards(self) -> tuple[PoolCard, ...]:
        """Return all cards, by number."""
        cards: tuple[PoolCard, ...] = self._reading(_cards)
        return cards

    def add(self, number: int, key: CardKey, *, actor: str) -> None:
        """Put a card that a reader has seen into the pool, under the number printed on it."""
        with self._changing(actor) as change:
            if change.db.execute("SELECT 1 FROM visitor WHERE number = ?", (number,)).fetchone():
                raise RosterError(
                    f"il y a déjà une carte visiteur n° {number} : en choisir un autre",
                    f"there is a visitor card no. {number} already: choose another",
                )
            taken = "SELECT 1 FROM visitor WHERE key = ?1 UNION SELECT 1 FROM card WHERE key = ?1"
            if number < 1 or change.db.execute(taken, (key,)).fetchone():
                raise RosterError(
                    "cette carte est déjà à quelqu'un : en prendre une neuve",
                    "this card is somebody's already: take a new one",
                )
            change.db.execute("INSERT INTO visitor (number, key, lost) VALUES (?, ?, 0)", (number, key))
            change.tell("visitor-card-added", key)

    def remove(self, number: int, *, actor: str) -> None:
        """Take a card out of the pool for good."""
        with self._changing(actor) as change:
            card = _find(change, number)
            change.db.execute("DELETE FROM visitor WHERE number = ?", (number,))
            change.db.execute("DELETE FROM booking WHERE key = ?", (card.key,))
            change.tell("visitor-card-removed", card.key)

    def lend(
        self,
        number: int,
        guest: str,
        until: datetime,
        *,
        actor: str,
        host: MemberId | None = None,
        organisation: str = "",
    ) -> None:
        """Lend a card of the drawer to somebody, as the guest of a member or an organisation, until an instant."""
        name = " ".join(guest.split())
        house = " ".join(organisation.split())
        if not name or len(name) > LONGEST_NAME or len(house) > LONGEST_NAME or not (name + house).isprintable():
            raise RosterError(
                f"le nom du visiteur manque ou dépasse {LONGEST_NAME} signes",
                f"the visitor's name is missing or over {LONGEST_NAME} signs",
            )
        with self._changing(actor) as change:
            card = _find(change, number)
            if card.lost or card.guest:
                raise RosterError(
                    f"la carte visiteur n° {number} n'est pas libre : en prendre une autre",
                    f"visitor card no. {number} is not free: take another",
                )
            if host is not None:
                change.find(host)
            change.db.execute(
                "UPDATE visitor SET guest = ?, host = ?, organisation = ?, since = ?, until = ? WHERE number = ?",
                (name, host, house, change.at.utc.isoformat(), until.astimezone(UTC).isoformat(), number),
            )
            change.tell("visitor-lent", card.key)

    def give_back(self, number: int, *, actor: str) -> None:
        """Take a card back, lent or found again: it is in the drawer, and the visitor's name is forgotten."""
        self._drawer(number, lost=False, action="visitor-returned", actor=actor)

    def lose(self, number: int, *, actor: str) -> None:
        """Block a lost card: it opens nothing, and the visitor's name is forgotten."""
        self._drawer(number, lost=True, action="visitor-lost", actor=actor)

    def _drawer(self, number: int, *, lost: bool, action: str, actor: str) -> None:
        with self._changing(actor) as change:
            card = _find(change, number)
            change.db.execute(
                "UPDATE visitor SET lost = ?, guest = NULL, host = NULL, organisation = NULL, since = NULL, "
                "until = NULL WHERE number = ?",
                (int(lost), number),
            )
            if lost != card.lost or card.guest:
                change.tell(action, card.key)


def _find(change: Change, number: int) -> PoolCard:
    found = [card for card in _cards(change.db) if card.number == number]
    if not found:
        raise RosterError(f"il n'y a pas de carte visiteur n° {number}", f"there is no visitor card no. {number}")
    return found[0]


def _cards(db: sqlite3.Connection) -> tuple[PoolCard, ...]:
    return tuple(
        PoolCard(
            number,
            CardKey(key),
            bool(lost),
            guest or "",
            host and MemberId(host),
            organisation or "",
            read_instant(since),
            read_instant(until),
        )
        for number, key, lost, guest, host, organisation, since, until in db.execute(
            "SELECT number, key, lost, guest, host, organisation, since, until FROM visitor ORDER BY number"
        )
    )
