"""Adds a device's books up again, from the ledger alone: counter = opening + prints + copies + unattributed.

The one idea: who keeps the books is not who proves them. `rules.books` writes each day's closing with the device's own
counter; here the rows between two closings are added up anew and must make just the difference. Rows that were
forgotten (after 13 months) are not needed: the closings stay, and say the same sums as before.

All in clicks of the device's counters, as they were counted: what was given to a member, or settled, later moves
between accounts and never the sum; `Given` says how much of what was nobody's has somebody by now. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from agent.rules.attribution import CopiesAttributed, slip_name
from agent.rules.columns import clicks_of
from agent.rules.facts import Fact
from agent.rules.pages import PagesCounted
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CopiesByHand,
    CopiesCounted,
    CopiesMetered,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import PastAttributed
from agent.rules.settlement import PrintSettled

GIVING: tuple[type[Fact], ...] = (
    *(CopiesCounted, PrintedPast, CopiesAttributed, PastAttributed),
    *(PagesCounted, PrintSettled),
)
KINDS: tuple[type[Fact], ...] = (BooksOpened, BooksClosed, PagesCounted, CopiesCounted, PrintsUnmatched)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where one device's books stood. The accounts are since the opening of this epoch."""

    device: str
    serial: str
    epoch: int
    why: str  # BooksOpened.why
    day: date
    opening: int
    counter: int  # the device's own, at an opening and a closing; what the accounts make, since
    prints: int = 0
    copies: int = 0
    unattributed: int = 0
    open_sides: int = 0

    @property
    def difference(self) -> int:
        """Return what the counter shows beyond the accounts: 0, or the books are wrong."""
        return self.counter - self.opening - self.prints - self.copies - self.unattributed


@dataclass(slots=True)
class _Device:
    stands: list[tuple[date, bool, Stand]] = field(default_factory=list)  # at the beginning of a day, or (True) its end
    now: Stand | None = None
    whole: bool = True  # all rows since the last mark are still there


@dataclass(slots=True)
class Balances:
    """Folds the books of every device. Feed it the facts of KINDS in the ledger's order.

    `gone` is the last seq of a paper row that was forgotten.
    """

    gone: int = 0
    faults: list[str] = field(default_factory=list)
    _devices: dict[str, _Device] = field(default_factory=dict)

    def add(self, seq: int, fact: Fact, day: date) -> None:
        """Take in one fact, written on `day` (the site's calendar)."""
        if isinstance(fact, BooksOpened):
            self._opened(seq, fact, day)
            return
        device = self._devices.get(getattr(fact, "device", ""))
        if device is None or device.now is None:
            return
        if isinstance(fact, BooksClosed):
            self._closed(seq, device, device.now, fact)
        else:
            device.now = _after(device.now, fact, day)

    def _opened(self, seq: int, fact: BooksOpened, day: date) -> None:
        device = self._devices.setdefault(fact.device, _Device())
        counter = fact.print_mono + fact.print_colour + fact.copy_mono + fact.copy_colour
        if fact.why == "carried" and device.now is not None and device.whole and device.now.counter != counter:
            self.faults.append(
                f"{fact.device}: epoch {fact.epoch} opens at {counter}, the rows make {device.now.counter}"
            )
        if device.now is not None:
            device.stands.append((device.now.day, True, device.now))
        device.now = Stand(fact.device, fact.serial, fact.epoch, fact.why, day, counter, counter)
        device.stands.append((day, False, device.now))
        device.whole = seq >= self.gone

    def _closed(self, seq: int, device: _Device, rows: Stand, fact: BooksClosed) -> None:
        sums = Stand(
            *(fact.device, fact.serial, fact.epoch, rows.why, fact.day, fact.opening, fact.counter),
            *(fact.prints, fact.copies, fact.unattributed, fact.open_sides),
        )
        if sums.difference:
            self.faults.append(f"{fact.device}: the closing of {fact.day} leaves {sums.difference} clicks unbooked")
        if device.whole and replace(rows, day=sums.day, counter=sums.counter) != sums:
            self.faults.append(f"{fact.device}: the rows before the closing of {fact.day} do not make its sums")
        device.now = sums
        device.stands.append((sums.day, False, sums))
        device.whole = seq >= self.gone

    def devices(self) -> tuple[str, ...]:
        """Return every device that has books."""
        return tuple(sorted(self._devices))

    def between(self, device: str, first: date, beyond: date) -> tuple[Stand, ...]:
        """Return what each epoch moved from `first` until before `beyond`; the opening is the counter it began at.

        A closing that stands on a day holds what came before that day.
        """
        known = self._devices[device]
        assert known.now is not None, "a device is known by its opening"
        stands = [*known.stands, (known.now.day, True, known.now)]
        found = []
        for epoch in sorted({stand.epoch for _, _, stand in stands}):
            mine = [one for one in stands if one[2].epoch == epoch]
            before = [stand for day, end, stand in mine if (day, end) <= (first, False)]
            until = [one for one in mine if one[:2] <= (beyond, False)]
            if until and (until[-1][:2] > (first, False) or not before):
                found.append(_moved(before[-1] if before else mine[0][2], until[-1][2]))
        return tuple(found)


def _moved(start: Stand, end: Stand) -> Stand:
    return replace(
        end,
        opening=start.counter,
        prints=end.prints - start.prints,
        copies=end.copies - start.copies,
        unattributed=end.unattributed - start.unattributed,
        open_sides=end.open_sides - start.open_sides,
    )


def _after(stand: Stand, fact: Fact, day: date) -> Stand:
    match fact:
        case PagesCounted():
            clicks = (fact.sides_mono + fact.sides_colour) * clicks_of(fact)
            doubt = stand.open_sides + fact.high - fact.low
            return replace(
                stand, day=day, counter=stand.counter + clicks, prints=stand.prints + clicks, open_sides=doubt
            )
        case CopiesCounted():
            clicks = _copied(fact)
            copied, strays = (clicks, 0) if fact.member else (0, clicks)
            counter, copies = stand.counter + clicks, stand.copies + copied
            return replace(stand, day=day, counter=counter, copies=copies, unattributed=stand.unattributed + strays)
        case PrintsUnmatched():
            clicks = fact.mono + fact.colour
            return replace(stand, day=day, counter=stand.counter + clicks, unattributed=stand.unattributed + clicks)
        case _:
            return stand


def _copied(fact: CopiesCounted) -> int:
    return fact.clicks_mono + fact.clicks_colour if isinstance(fact, CopiesMetered) else fact.mono + fact.colour


@dataclass(slots=True)
class Given:
    """Folds what of the unattributed account was given to somebody since. Feed it the facts of GIVING, in order.

    It stays booked where it was counted: also what an uncertain print was said to be, which the counters had seen as
    nobody's. Copies that no counter saw are in no books.
    """

    _rows: dict[str, tuple[date, str, int, int]] = field(default_factory=dict)  # day, device, epoch, clicks
    _given: set[str] = field(default_factory=set)
    _open: dict[str, tuple[date, PagesCounted]] = field(default_factory=dict)  # attempt -> day, as it was counted
    _settled: dict[str, tuple[date, str, int, int]] = field(default_factory=dict)  # as `_rows`, of prints

    def add(self, key: str, fact: Fact, day: date) -> None:
        """Take in one fact with its key, written on `day`."""
        match fact:
            case CopiesByHand():
                pass
            case CopiesCounted() if not fact.member:
                self._rows[f"copy:{key}"] = (day, fact.device, fact.epoch, _copied(fact))
            case PagesCounted() if fact.low < fact.high:
                self._open[fact.attempt] = (day, fact)
            case PrintSettled() if fact.metered and fact.attempt in self._open:
                counted_on, row = self._open[fact.attempt]
                more = fact.sides_mono + fact.sides_colour - row.sides_mono - row.sides_colour
                self._settled[fact.attempt] = (counted_on, fact.device, fact.epoch, more * clicks_of(row))
            case PrintedPast():
                self._rows[f"past:{key}"] = (day, fact.device, fact.epoch, fact.mono + fact.colour)
            case CopiesAttributed() | PastAttributed() if fact.member:
                self._given.add(slip_name(fact, ""))
            case CopiesAttributed() | PastAttributed():
                self._given.discard(slip_name(fact, ""))
            case _:
                pass

    def between(self, first: date, beyond: date) -> dict[tuple[str, int], int]:
        """Return by device and epoch the clicks given of what was counted from `first` until before `beyond`."""
        sums: dict[tuple[str, int], int] = {}
        rows = [row for name, row in self._rows.items() if name in self._given]
        for day, device, epoch, clicks in (*rows, *self._settled.values()):
            if first <= day < beyond:
                sums[device, epoch] = sums.get((device, epoch), 0) + clicks
        return sums


def of_rows(facts: Iterable[tuple[int, Fact, date]], gone: int = 0) -> Balances:
    """Return the balances of facts in the ledger's order."""
    balances = Balances(gone)
    for seq, fact, day in facts:
        balances.add(seq, fact, day)
    return balances
