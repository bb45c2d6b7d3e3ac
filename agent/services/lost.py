"""Stand-ins for a ledger or a roster that cannot be opened: they hold nothing, take nothing, and say why.

The one idea: what goes on without its memory calls it as always, and meets the LedgerError that it must bear anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

from agent.memory.bookings import Bookings
from agent.memory.calendar import Calendar
from agent.memory.codec import RosterLostError
from agent.memory.kept import KeptList
from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.memory.payers import Payers
from agent.memory.people import LONGEST, Change
from agent.memory.roster import RosterStore
from agent.memory.visitors import VisitorPool
from agent.rules.facts import CardKey, Fact
from agent.rules.folding import fold_user
from agent.rules.members import Alias, Roster
from drivers.contract import CardNumber, Moment

T = TypeVar("T")


class LostRoster(RosterStore):
    """Stands in for a roster that cannot be opened: knows nobody. Cards are told apart by the kept key."""

    def __init__(self, why: str, kept: KeptList) -> None:
        self.fault = why
        self._kept = kept
        self.calendar = Calendar(self._changing, self._read)
        self.visitors = VisitorPool(self._changing, self._read)
        self.bookings = Bookings(self._changing, self._read, self.card_key)
        self.payers = Payers(self._changing, self._read, lambda: None)

    def roster(self) -> Roster:
        """Raise RosterLostError: nobody is known."""
        raise RosterLostError(self.fault)

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number. Raises RosterLostError where no key is at hand."""
        key = self._kept.card_key(card)
        if key is None:
            raise RosterLostError(self.fault)
        return key

    def _read(self, work: Callable[..., T]) -> T:
        del work
        raise RosterLostError(self.fault)

    @contextlib.contextmanager
    def _changing(self, actor: str) -> Iterator[Change]:
        del actor
        raise RosterLostError(self.fault)

    def settle(self, limit_s: float = 0.0) -> int:
        """Return 0: what waits in an outbox that cannot be read is settled when it can be again."""
        del limit_s
        return 0


class ListedRoster(LostRoster):
    """Stands in for a roster that cannot be opened, where paper is counted: knows whom the last list knows."""

    def __init__(self, why: str, kept: KeptList) -> None:
        super().__init__(why, kept)
        last = kept.read()
        self.list_from: datetime | None = None if last is None else last.at  # None: nobody is known
        self._last = Roster(0) if last is None else last.roster

    def roster(self) -> Roster:
        """Return the last list; an empty one if there is none. `fault` says that it is not the roster."""
        return self._last

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number; one that nobody has where no key is at hand."""
        return self._kept.card_key(card) or CardKey("")

    def alias(self, user: str) -> Alias:
        """Return the row of a print name that the last list knows. Raises RosterLostError for any other."""
        known = self._last.aliases.get(fold_user(user)[:LONGEST])
        if known is None:
            raise RosterLostError(self.fault)
        return known


class LostLedger(Ledger):
    """Stands in for a ledger that cannot be opened."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def fault(self) -> str:
        """Return why there is no ledger."""
        return self._why

    @property
    def pending(self) -> int:
        """Return 0: nothing waits for a disk that is not there."""
        return 0

    def queue(self, fact: Fact, at: Moment, key: str) -> Future[int]:
        """Raise LedgerError: the caller keeps what it has (the door, its intents)."""
        del fact, at, key
        raise LedgerError(self._why)

    def append(self, fact: Fact, at: Moment, key: str) -> asyncio.Future[int]:
        """Raise LedgerError, as `queue`."""
        del fact, at, key
        raise LedgerError(self._why)

    def entries(self, *kinds: type[Fact], since: int = 0) -> Iterator[Entry]:
        """Yield nothing."""
        del kinds, since
        return iter(())

    def last(self, kind: type[Fact]) -> None:
        """Return nothing."""
        del kind
