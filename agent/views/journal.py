"""What the ledger says of today, followed fact by fact.

The one idea: a page must not read a year to show a day. The journal looks back from the ledger's end only until the
day begins, then follows: each `read` costs what was added since. It also keeps double entry per device: what the
device's counter must show is its opening balance plus every side the books hold since (HOUSE: counter = prints +
copies + unattributed). Reads only; one event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import takewhile

from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.rules.access import Acted, BoxRestarted
from agent.rules.attribution import CopiesAttributed
from agent.rules.bookings import BookingUsed, DayOpened
from agent.rules.door import LatchMoved
from agent.rules.facts import Fact
from agent.rules.links import LinkMeasured
from agent.rules.pages import PagesCounted
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CardSeen,
    CopiesCounted,
    MetersRead,
    PastMended,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import PastAttributed
from agent.rules.release import JobForeseen, JobForetold
from agent.rules.retention import DayCounted
from agent.rules.settlement import PrintSettled
from agent.rules.spool import SpoolRead
from agent.rules.weeks import WeekStood
from drivers.contract import Moment

SHOWN = 20  # of today's facts
BLOCK = 1000  # facts looked at per step back
# kept, too busy for a page
QUIET: tuple[type[Fact], ...] = (
    LatchMoved,
    LinkMeasured,
    DayCounted,
    Acted,
    CardSeen,
    BookingUsed,
    DayOpened,
    BooksClosed,
    SpoolRead,
    MetersRead,
    JobForetold,
    JobForeseen,
    WeekStood,
    PastMended,
)


@dataclass(frozen=True, slots=True)
class PaperSums:
    """Sides on one device."""

    prints: int = 0
    copies: int = 0
    unattributed: int = 0

    @property
    def total(self) -> int:
        """Return all of them."""
        return self.prints + self.copies + self.unattributed

    def plus(self, kind: str, sides: int) -> PaperSums:
        """Return these with `sides` more of `kind` ("print", "copy", "unattributed")."""
        return PaperSums(
            self.prints + sides * (kind == "print"),
            self.copies + sides * (kind == "copy"),
            self.unattributed + sides * (kind == "unattributed"),
        )


@dataclass(frozen=True, slots=True)
class Books:
    """One device's books: its counter should show `opening + since.total`."""

    opening: int
    since: PaperSums


@dataclass(frozen=True, slots=True)
class Today:
    """What the ledger says today."""

    events: tuple[Entry, ...] = ()  # the last SHOWN of today, newest first
    count: int = 0  # of all of today's that a page would show
    paper: Mapping[str, PaperSums] = field(default_factory=dict)  # of today, by device
    books: Mapping[str, Books] = field(default_factory=dict)  # since the books opened, by device
    restarts: Mapping[str, datetime] = field(default_factory=dict)  # link -> when its box was last restarted
    seq: int = 0  # the last fact's number
    fault: str = ""  # why the ledger cannot be read or written


MOVED = (CopiesAttributed, PastAttributed, PrintSettled)  # between the accounts of the epoch it was counted in
MOVES = (PagesCounted, CopiesCounted, PrintsUnmatched, *MOVED)


def sides_of(fact: Fact) -> tuple[tuple[str, str, int], ...]:
    """Return (device, kind, sides) of each move a fact about paper makes in the books."""
    match fact:
        case PagesCounted():
            return ((fact.device, "print", fact.sides_mono + fact.sides_colour),)
        case CopiesCounted():
            return ((fact.device, "copy" if fact.member else "unattributed", fact.mono + fact.colour),)
        case PrintsUnmatched():
            return ((fact.device, "unattributed", fact.mono + fact.colour),)
        case CopiesAttributed() | PastAttributed():
            return (_given(fact, fact.was, -1), _given(fact, fact.member, 1))
        case PrintSettled():
            sides = fact.sides_mono + fact.sides_colour - fact.was_mono - fact.was_colour
            away = ((fact.device, "unattributed", -sides),) if fact.metered else ()
            return ((fact.device, "print", sides), *away)
        case _:
            return ()


def _given(fact: CopiesAttributed | PastAttributed, who: str, sign: int) -> tuple[str, str, int]:
    """Return one side of a move between accounts: what is nobody's is booked as the counters had it."""
    if isinstance(fact, PastAttributed) and who:
        return fact.device, "print", sign * (fact.sides_mono + fact.sides_colour)
    return fact.device, "copy" if who else "unattributed", sign * (fact.mono + fact.colour)


class Journal:
    """Follows one ledger for pages, in the days of `zone`."""

    def __init__(self, ledger: Ledger, zone: tzinfo) -> None:
        self._ledger = ledger
        self._zone = zone
        self._day: date | None = None
        self._seq = 0  # the last fact seen, and booked
        self._events: deque[Entry] = deque(maxlen=SHOWN)
        self._count = 0
        self._restarts: dict[str, datetime] = {}
        self._paper: dict[str, PaperSums] = {}
        self._rows: set[str] = set()  # keys of today's rows of copies, and of prints past the box
        self._opened: dict[str, Entry] = {}
        self._later: dict[str, PaperSums] = {}  # since the opening, for devices past their first epoch

    def read(self, now: Moment) -> Today:
        """Return today as of `now`. A ledger that cannot be read is a `fault`, not an exception."""
        try:
            self._follow(now.utc.astimezone(self._zone).date())
            return Today(
                tuple(reversed(self._events)),
                self._count,
                dict(self._paper),
                self._books(),
                dict(self._restarts),
                self._seq,
                self._ledger.fault,
            )
        except LedgerError as error:
            return Today(fault=str(error) or "the ledger cannot be read")

    def _follow(self, today: date) -> None:
        if self._day is None:
            self._open_books()
        new: Iterable[Entry]
        if self._day == today:
            new = self._ledger.entries(since=self._seq)
        else:
            self._events.clear()
            self._count = 0
            self._paper.clear()
            self._rows.clear()
            new = self._since_midnight(today)
        for entry in new:
            if entry.seq > self._seq:
                self._book(entry)
                self._seq = entry.seq
            if self._local(entry) == today:
                self._note(entry)
        self._day = today

    def _since_midnight(self, today: date) -> list[Entry]:
        """Return today's entries at least: look back block by block until one holds none of today's.

        Nothing that was never booked is passed over.
        """
        found: list[Entry] = []
        high = self._ledger.head().seq
        while high > 0:
            low = max(0, high - BLOCK)
            block = self._between(low, high)
            found = block + found
            high = low
            if low <= self._seq and not any(self._local(entry) == today for entry in block):
                break
        return found

    def _between(self, low: int, high: int) -> list[Entry]:
        return list(takewhile(lambda entry: entry.seq <= high, self._ledger.entries(since=low)))

    def _note(self, entry: Entry) -> None:
        if isinstance(entry.fact, BoxRestarted):
            self._restarts[entry.fact.link] = entry.at.utc
        if not isinstance(entry.fact, QUIET):
            self._events.append(entry)
            self._count += 1
        if isinstance(entry.fact, CopiesCounted | PrintedPast):
            self._rows.add(entry.key)
        if isinstance(entry.fact, CopiesAttributed | PastAttributed) and entry.fact.row not in self._rows:
            return  # it was counted on another day
        for device, kind, sides in sides_of(entry.fact):
            self._paper[device] = self._paper.get(device, PaperSums()).plus(kind, sides)

    def _open_books(self) -> None:
        """Find each device's last opening; sum what came after it where totals over all epochs will not do."""
        end = self._ledger.head().seq
        for entry in takewhile(lambda entry: entry.seq <= end, self._ledger.entries(BooksOpened)):
            self._book(entry)
        later = [entry.seq for entry in self._opened.values() if _epoch(entry) > 1]
        if later:
            paper = self._ledger.entries(*MOVES, since=min(later))
            for entry in takewhile(lambda entry: entry.seq <= end, paper):
                self._book(entry)
        self._seq = end

    def _book(self, entry: Entry) -> None:
        if isinstance(entry.fact, BooksOpened):
            self._opened[entry.fact.device] = entry
            self._later[entry.fact.device] = PaperSums()
        for device, kind, sides in sides_of(entry.fact):
            opened = self._opened.get(device)
            if opened is None or entry.seq <= opened.seq:
                continue
            if isinstance(entry.fact, MOVED) and entry.fact.epoch != _epoch(opened):
                continue  # this paper is in the books before
            self._later[device] = self._later[device].plus(kind, sides)

    def _books(self) -> dict[str, Books]:
        ever = _ever(self._ledger.totals())
        books = {}
        for device, entry in self._opened.items():
            fact = entry.fact
            assert isinstance(fact, BooksOpened)
            opening = fact.print_mono + fact.print_colour + fact.copy_mono + fact.copy_colour
            since = ever.get(device, PaperSums()) if fact.epoch == 1 else self._later[device]
            books[device] = Books(opening, since)
        return books

    def _local(self, entry: Entry) -> date:
        return entry.at.utc.astimezone(self._zone).date()


def _epoch(entry: Entry) -> int:
    return entry.fact.epoch if isinstance(entry.fact, BooksOpened) else 0


def _ever(totals: Mapping[tuple[str, tuple[tuple[str, str], ...]], int | float]) -> dict[str, PaperSums]:
    """Sum the summary rows `sides` by device: they outlive the redaction of single facts."""
    found: dict[str, PaperSums] = {}
    signs = {"sides": 1, "sides_moved_here": 1, "sides_moved_away": -1}
    for (name, pairs), amount in totals.items():
        if name in signs:
            labels = dict(pairs)
            device = labels.get("device", "")
            found[device] = found.get(device, PaperSums()).plus(labels.get("kind", ""), signs[name] * int(amount))
    return found
