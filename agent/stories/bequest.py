"""What one process leaves to the next: the door its entries not seen committed, and with the paper whom it knew.

The one idea: a door that starts again must not be a stranger to the day. Entries granted but not yet in the ledger
stand as small files in memory and are appended again under the same keys. The time that has surely come, whether
somebody has opened the day, how often a guest's code was used: the ledger says. By whom people are judged while the
roster cannot be read: the list that was kept says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

from agent.memory.codec import LedgerError, decode, encode, moment
from agent.memory.ledger import Ledger
from agent.rules.bookings import BookingId, BookingUsed, DayOpened
from agent.rules.facts import Fact
from agent.rules.members import Roster
from drivers.contract import Clock, Moment, Trust

log = logging.getLogger(__name__)

INTENTS = 1000  # intent files kept at most: days of a dead ledger


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier process leaves to the next: the time, the day's first-in, the uses of bookings, the last list."""

    newest: datetime | None = None  # the latest instant known to have come: see `newest_known`
    first_in: date | None = None
    uses: Mapping[BookingId, frozenset[str]] | None = field(default_factory=dict)  # their facts' keys; None: not known
    roster: Roster | None = None
    kept_at: datetime | None = None  # when `roster` was kept


class Intents:
    """Entries granted but not yet in the ledger, one small file each, in memory. Not for a disk: nothing is synced."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "intent"
        self._count = sum(1 for _ in self._folder.glob("*.json"))

    def put(self, fact: Fact, at: Moment, key: str) -> None:
        """Write one intent aside and rename it into place. Raises OSError, LedgerError."""
        if self._count >= INTENTS:
            raise LedgerError(f"{INTENTS} entries wait for the ledger, no more fit")
        place = self._place(fact.kind, key)
        aside = place.with_suffix(f".{os.getpid()}")
        self._folder.mkdir(parents=True, exist_ok=True)
        row = encode(fact, at, key)
        stamp = {"utc": row.utc, "mono_s": row.mono_s, "boot": row.boot, "trust": row.trust}
        aside.write_text(json.dumps({"kind": row.kind, "key": row.key, "body": row.body, **stamp}), encoding="utf-8")
        aside.replace(place)
        self._count += 1

    def drop(self, fact: Fact, key: str) -> None:
        """Forget an intent that the ledger holds. Harmless if there is none."""
        with contextlib.suppress(OSError):
            self._place(fact.kind, key).unlink()
            self._count -= 1

    def left(self) -> Iterator[tuple[Fact, Moment, str]]:
        """Yield what an earlier process left behind, oldest file first; drop what cannot be read."""
        for half in set(self._folder.glob("*")) - set(self._folder.glob("*.json")):
            half.unlink(missing_ok=True)
        for file in sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns):
            try:
                row = json.loads(file.read_text(encoding="utf-8"))
                fact = decode(row["kind"], row["body"])
                at = moment(row["utc"], row["mono_s"], row["boot"], row["trust"])
            except (OSError, ValueError, KeyError, TypeError, LedgerError) as error:
                log.error("an intent cannot be read and is dropped: %s", error)  # noqa: TRY400  (one line)
                fact = None
            if fact is None:
                file.unlink(missing_ok=True)
                self._count -= 1
            else:
                yield fact, at, row["key"]

    def _place(self, kind: str, key: str) -> Path:
        return self._folder / f"{sha256(f'{kind}:{key}'.encode()).hexdigest()[:32]}.json"


def remembered(ledger: Ledger, kept: tuple[Roster, datetime] | None) -> Known:
    """Return what earlier processes leave to this one; a ledger that cannot be read leaves the last list alone."""
    roster, kept_at = kept or (None, None)
    try:
        opened = ledger.last(DayOpened)
        uses: dict[BookingId, frozenset[str]] = {}
        for entry in ledger.entries(BookingUsed):
            if isinstance(entry.fact, BookingUsed):
                uses[entry.fact.booking] = uses.get(entry.fact.booking, frozenset()) | {entry.key}
        if ledger.fault:  # it holds nothing that could be counted
            return Known(None, None, None, roster, kept_at)
        first = date.fromisoformat(opened.fact.day) if opened and isinstance(opened.fact, DayOpened) else None
        return Known(newest_known(ledger), first, uses, roster, kept_at)
    except LedgerError:  # it says so itself
        return Known(None, None, None, roster, kept_at)


def newest_known(ledger: Ledger) -> datetime | None:
    """Return the latest instant (UTC) the ledger proves to have come; a clock nobody believed proves nothing.

    Raises LedgerError.
    """
    return max((at.utc for at in ledger.last_stamps() if at.trust is not Trust.UNKNOWN), default=None)


async def mind_list(
    newest: Callable[[], Roster | None], keep: Callable[[Roster, datetime], bool], clock: Clock, every_s: float
) -> None:
    """Look at the roster every `every_s`, and keep each new one for a start at which it cannot be read; for ever.

    `newest`: the one that this process has read. The disk is waited for in a thread: nobody at a reader waits for it.
    """
    kept: Roster | None = None
    while True:
        roster = newest()
        if roster is not None and roster is not kept and await asyncio.to_thread(keep, roster, clock.now().utc):
            kept = roster
        await asyncio.sleep(every_s)
