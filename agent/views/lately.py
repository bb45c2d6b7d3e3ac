"""The last facts of some kinds, newest first: looks back from the ledger's end, and never further than asked."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

from agent.memory.ledger import Entry, Ledger
from agent.rules.facts import Fact

BLOCK = 250  # facts looked at in the first step back; each further one is twice as long


def lately(ledger: Ledger, kinds: tuple[type[Fact], ...], since: datetime, most: int) -> list[Entry]:
    """Return at most `most` facts of these kinds written at `since` or later, newest first. Raises LedgerError."""
    found: list[Entry] = []
    high, step = ledger.head().seq, BLOCK
    while high > 0 and len(found) < most:
        low = max(0, high - step)
        block = _between(ledger, kinds, low, high)
        found += [entry for entry in reversed(block) if entry.at.utc >= since]
        if any(entry.at.utc < since for entry in block):
            break
        high, step = low, step * 2
    return found[:most]


def _between(ledger: Ledger, kinds: tuple[type[Fact], ...], low: int, high: int) -> list[Entry]:
    return list(takewhile(lambda entry: entry.seq <= high, ledger.entries(*kinds, since=low)))
