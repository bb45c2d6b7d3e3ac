"""What the door stands on when its ledger or its roster cannot be opened: stand-ins that hold nothing and say why.

They are their classes to whoever uses them, and raise what those raise: a door that judges by the list it kept meets
no case of its own. What they cannot take (a fact, a card's key) the caller keeps, or finds elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future

from agent.memory.kept import KeptList
from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.facts import CardKey, Fact
from agent.rules.members import Roster
from drivers.contract import CardNumber, Moment


class LostRoster(RosterStore):
    """Stands in for a roster that cannot be opened: knows nobody, says why. Cards are told apart by the kept key."""

    def __init__(self, why: str, kept: KeptList) -> None:
        self.fault = why
        self._kept = kept

    def roster(self) -> Roster:
        """Raise LedgerError: nobody is known."""
        raise LedgerError(self.fault)

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number. Raises LedgerError where no key is at hand."""
        key = self._kept.card_key(card)
        if key is None:
            raise LedgerError(self.fault)
        return key


class LostLedger(Ledger):
    """Stands in for a ledger that cannot be opened: holds nothing, takes nothing, says why."""

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
