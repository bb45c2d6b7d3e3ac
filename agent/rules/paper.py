"""Facts of double entry on paper, and whose card may open a copy visit. The books themselves are `rules.books`.

Counter = prints + copies + unattributed: every side a device's life counters move is booked somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from agent.rules.facts import PASSAGE_DAYS, TIMED_DAYS, AliasId, CardKey, Fact, FormulaId, MemberId, Total, total
from agent.rules.members import Member, Roster


@dataclass(frozen=True, slots=True)
class BooksOpened(Fact):
    """A device's counters were taken as the opening balance: first sight, another serial, or a counter that fell."""

    kind: ClassVar[str] = "books-opened"

    device: str
    serial: str
    epoch: int  # 1, 2, ... per device
    print_mono: int
    print_colour: int
    copy_mono: int
    copy_colour: int
    why: str  # "first", "swapped", "fell", "metered" (counters appeared), "carried" (new page, same counters)
    metered: bool = True  # False: the device does not tell its counters, and there is no double entry
    closed: tuple[str, ...] = ()  # attempts that had ended before: never booked


@dataclass(frozen=True, slots=True)
class CopyVisitStarted(Fact):
    """A member badged at a copier."""

    kind: ClassVar[str] = "copy-visit-started"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    visit: str
    member: MemberId
    formula: FormulaId


@dataclass(frozen=True, slots=True)
class CopyVisitEnded(Fact):
    """A member's time at a copier ended; what was copied is in CopiesCounted."""

    kind: ClassVar[str] = "copy-visit-ended"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    visit: str
    why: str  # "badge-out", "next-badge", "idle"


@dataclass(frozen=True, slots=True)
class CopiesCounted(Fact):
    """The copy counters moved, and this is whose move it was: a member's, or nobody's (unattributed)."""

    kind: ClassVar[str] = "copies-counted"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    serial: str
    epoch: int
    visit: str  # "" = unattributed
    member: MemberId  # "" = unattributed
    formula: FormulaId
    mono: int
    colour: int
    to_mono: int  # the counters after this move; with the sides they give the ones before
    to_colour: int

    def totals(self) -> tuple[Total, ...]:
        """Sides by device, kind, colour and formula; and per member for billing."""
        kind = "copy" if self.member else "unattributed"
        rows = []
        for colour, sides in (("mono", self.mono), ("colour", self.colour)):
            rows.append(total("sides", sides, device=self.device, kind=kind, colour=colour, formula=self.formula))
            if self.member:
                rows.append(total("member_sides", sides, member=self.member, kind="copy", colour=colour))
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class CopiesMetered(CopiesCounted):
    """The copy counters moved, with the sizes and sheets where the device tells them.

    `mono` and `colour` are sides, `to_mono` and `to_colour` the counters: a device set to count A3 twice moved by
    `clicks_mono` and `clicks_colour`, which are then more than the sides.
    """

    kind: ClassVar[str] = "copies-metered"

    large_mono: int = 0  # of the sides, on A3 or larger
    large_colour: int = 0
    clicks_mono: int = 0
    clicks_colour: int = 0
    sheets: int | None = None  # None: the device does not tell

    def totals(self) -> tuple[Total, ...]:
        """Add what is large."""
        rows, big = CopiesCounted.totals(self), self.large_mono + self.large_colour
        if not big:
            return rows
        kind = "copy" if self.member else "unattributed"
        return (*rows, total("large_sides", big, device=self.device, kind=kind))


@dataclass(frozen=True, slots=True)
class CopiesUnheard(CopiesMetered):
    """A bare total moved while the clicks of the copy-control connector may have been missed. Nobody's.

    Its sides are the most that was copied; `low` the least: the others were printed past us.
    """

    kind: ClassVar[str] = "copies-unheard"

    low: int = 0


@dataclass(frozen=True, slots=True)
class BooksClosed(Fact):
    """A device's counters at the first quiet moment of a day, and what every account has had since the books opened.

    All in clicks of the device's own counters, which is what closes: counter = opening + prints + copies +
    unattributed. Kept for ever: a balance needs no row that was forgotten.
    """

    kind: ClassVar[str] = "books-closed"

    device: str
    serial: str
    epoch: int
    day: date  # on the site's calendar: the day that begins here
    counter: int  # the device's own total
    opening: int
    prints: int
    copies: int
    unattributed: int  # may be negative while a record said more than the counter
    open_sides: int  # between `low` and `high` of the attempts of this epoch as they were counted


@dataclass(frozen=True, slots=True)
class CopiesByHand(CopiesCounted):
    """Copies that no counter of ours saw: told by a file of user codes, or left over by a relevé typed from the panel.

    Outside the device's books: `to_mono` and `to_colour` are the code's own counters in the file, or the panel's.
    """

    kind: ClassVar[str] = "copies-by-hand"

    source: str = "codes"  # "codes" | "panel"
    alias: AliasId = AliasId("")  # noqa: RUF009  (a constant): the roster row of the user code; "" for a relevé


@dataclass(frozen=True, slots=True)
class PanelRead(Fact):
    """Somebody typed the counters of a device's panel. Sides; -1: the panel does not show it, or it was not typed."""

    kind: ClassVar[str] = "panel-read"

    device: str
    number: int  # 1, 2, ... per device
    day: date  # the day they were read on the panel
    mono: int  # of everything, black and white
    colour: int
    copies_mono: int
    copies_colour: int
    counted: int  # prints and copies that the house itself counted since the relevé before, in sides
    why: str  # "first": a starting point; "counted"; "fell": less than before, another starting point; "short": the
    # panel moved by less than the house counted, and nothing was booked
    actor: str


@dataclass(frozen=True, slots=True)
class MetersRead(Fact):
    """What a device's meters told, by function, colour and size: see contract.METERS.

    At the first look of a day; and at the last one of a machine that was taken away, or of counters that were reset.
    """

    kind: ClassVar[str] = "meters-read"

    device: str
    serial: str
    day: date  # on the site's calendar
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class PrintsUnmatched(Fact):
    """The print counters moved by more than the job records explain: the rest belongs to nobody (unattributed).

    Negative when records said more than the counter did: a correction of what was already booked as unmatched.
    """

    kind: ClassVar[str] = "prints-unmatched"

    device: str
    serial: str
    epoch: int
    mono: int
    colour: int
    to_mono: int  # the print counters after this move
    to_colour: int

    def totals(self) -> tuple[Total, ...]:
        """Add to the unattributed account of the device."""
        return tuple(
            total("sides", sides, device=self.device, kind="unattributed", colour=colour, formula="")
            for colour, sides in (("mono", self.mono), ("colour", self.colour))
        )


@dataclass(frozen=True, slots=True)
class PrintedPast(PrintsUnmatched):
    """Somebody printed straight to the device, past our queues: nobody's sides, on its counter like all others.

    By a record of the device that nothing of ours can have sent (`attempt`), or by its print counters alone ("") while
    nothing of ours was under way. With no sides: a record of something that was no print, and is never booked.
    """

    kind: ClassVar[str] = "printed-past"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    attempt: str = ""  # pages.attempt of the record

    def totals(self) -> tuple[Total, ...]:
        """Add what was printed past us, of what is unattributed."""
        return (
            *PrintsUnmatched.totals(self),
            total("printed_past_sides", self.mono + self.colour, device=self.device),
        )


@dataclass(frozen=True, slots=True)
class PastMended(Fact):
    """The animator says that nobody can print past the box any more."""

    kind: ClassVar[str] = "past-mended"

    device: str
    number: int  # 1, 2, ... per device
    actor: str


@dataclass(frozen=True, slots=True)
class CardSeen(Fact):
    """A card that nobody has was shown to the reader beside a device: so it can be given to somebody."""

    kind: ClassVar[str] = "card-seen"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    reader: str
    card: CardKey


def holder(card: CardKey, roster: Roster, day: date) -> Member | None:
    """Return whose card may start a copy visit on `day` (local); None if unknown, blocked or out of its dates."""
    known = roster.cards.get(card)
    if known is None or known.blocked:
        return None
    member = roster.members.get(known.member)
    if member is None or day < member.since or (member.until is not None and day > member.until):
        return None
    return member
