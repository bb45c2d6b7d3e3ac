"""What a device's meters said, written down: once a day, and at both ends of a machine's time here.

The one idea: *the lessor's contract is read from these*, so a machine that is taken away leaves its last counters
behind, and the one that comes begins with its first. The last ones are those of the last look; if nobody looked when it
went (the box was off), those that the books had reached by then. A reset is the end of one count and the beginning of
another: it is the books that see one. Nothing is written while nobody knows what day it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, tzinfo

from agent.memory.ledger import Ledger
from agent.rules.columns import Booked
from agent.rules.metering import meters_of
from agent.rules.paper import MetersRead
from drivers.contract import DeviceId, DeviceReading, Trust

Rows = dict[str, int]


class Meters:
    """Proposes the facts of one device's meters, each with its key; whoever asks writes them."""

    def __init__(self, device: DeviceId, ledger: Ledger, zone: tzinfo) -> None:
        self._device, self._zone = device, zone
        self._count = 0
        self._last: MetersRead | None = None  # the last that was written
        self._seen: Rows = {}  # the last that was seen of that machine, by this process
        self._seen_day = date.min
        for entry in ledger.entries(MetersRead):
            if isinstance(entry.fact, MetersRead) and entry.fact.device == device:
                self._last, self._count = entry.fact, self._count + 1

    def look(self, raw: DeviceReading, before: Booked, *, fell: bool = False) -> Iterator[tuple[MetersRead, str]]:
        """Yield what a look adds. `before`: where the books stood when it began; `fell`: they saw a reset in it."""
        rows, day = dict(meters_of(raw)), raw.at.utc.astimezone(self._zone).date()
        last = self._last
        nameless = last is not None and last.serial and not raw.serial  # it did not say this once: no other machine
        if raw.at.trust is Trust.UNKNOWN or not rows or nameless:
            return
        if last is not None and (fell or last.serial != raw.serial) and (closing := self._closing(last, before)):
            yield self._write(closing)
        if last is None or fell or (last.serial, last.day) != (raw.serial, day):
            yield self._write(MetersRead(self._device, raw.serial, day, tuple(sorted(rows.items()))))
            self._seen = {}
        if rows.get("total", 0) >= self._seen.get("total", 0):  # below that it fell: the books will say so
            self._seen, self._seen_day = rows, day

    def _closing(self, last: MetersRead, before: Booked) -> MetersRead | None:
        """Return where a machine's meters stood at the end; None where that is written already, or not known."""
        known, day = self._seen, self._seen_day
        if not known and before.metered and before.serial == last.serial:
            known, day = {name: n for name, n in _booked(before).items() if name in dict(last.rows)}, last.day
        written = dict(last.rows)
        if known.get("total", 0) <= written.get("total", 0):
            return None
        return MetersRead(self._device, last.serial, day, tuple(sorted(known.items())))

    def _write(self, fact: MetersRead) -> tuple[MetersRead, str]:
        self._last, self._count = fact, self._count + 1
        return fact, f"{fact.device}/{fact.serial}/{fact.day}/{self._count}"


def _booked(books: Booked) -> Rows:
    prints, copies = books.prints, books.copies
    split = {"print-mono": prints.mono, "print-colour": prints.colour}
    split |= {"copy-mono": copies.mono, "copy-colour": copies.colour}
    whole = prints + copies
    return {**split, "total": whole.all, "total-colour": whole.colour}
