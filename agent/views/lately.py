"""The last facts of some kinds, newest first: looks back from the ledger's end, and never further than asked."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

from agent.memory.ledger import Entry, Ledger
from agent.rules.facts import Fact

BLOCK = 1000  # facts looked at per step back


def lately(ledger: Ledger, kinds: tuple[type[Fact], ...], since: datetime, most: int) -> list[Entry]:
    """Return at most `most` facts of these kinds written at `since` or later, newest first. Raises LedgerError."""
    found: list[Entry] = []
    high = ledger.head().seq
    while high > 0 and len(found) < most:
        low = max(0, high - BLOCK)
        block = list(takewhile(lambda entry, top=high: entry.seq <= top, ledger.entries(since=low)))  # type: ignore[misc]
        found += [entry for entry in reversed(block) if isinstance(entry.fact, kinds) and entry.at.utc >= since]
        if block and all(entry.at.utc < since for entry in block):
            break
        high = low
    return found[:most]
