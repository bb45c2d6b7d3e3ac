"""The columns of a device's books: amounts in two colours, what each account has had, what is suspected.

Values and small sums only; what is booked where is judged in `rules.books`. Amounts are clicks of the device's own
counters unless they are called sides: a device set to count A3 twice has two clicks for each A3 side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.pages import AttemptCounted, PagesCounted
from agent.rules.paper import BooksClosed, CopyVisitEnded, CopyVisitStarted
from drivers.contract import Counters, Moment


@dataclass(frozen=True, slots=True)
class Sides:
    """Two colours of one account."""

    mono: int = 0
    colour: int = 0

    def __add__(self, other: Sides) -> Sides:
        return Sides(self.mono + other.mono, self.colour + other.colour)

    def __sub__(self, other: Sides) -> Sides:
        return Sides(self.mono - other.mono, self.colour - other.colour)

    def __mul__(self, times: int) -> Sides:
        return Sides(self.mono * times, self.colour * times)

    @property
    def all(self) -> int:
        """Return both colours together."""
        return self.mono + self.colour

    def below(self, other: Sides) -> bool:
        """Return True if either colour is less than in `other`."""
        return self.mono < other.mono or self.colour < other.colour


@dataclass(frozen=True, slots=True)
class Booked:
    """Where the books of a device stand, on its own counters."""

    serial: str
    metered: bool
    prints: Sides
    copies: Sides


@dataclass(slots=True)
class Accounts:
    """What each account has had since the books opened, in clicks."""

    opening: int = 0
    prints: int = 0
    copies: int = 0
    unattributed: int = 0
    open_sides: int = 0

    def copied(self, clicks: int, *, somebodys: bool) -> None:
        """Book a movement of the copy counters."""
        if somebodys:
            self.copies += clicks
        else:
            self.unattributed += clicks

    def closing(self, device: str, serial: str, epoch: int, day: date, counter: int) -> BooksClosed:
        """Return the closing of these accounts at the first quiet moment of `day`."""
        return BooksClosed(
            device=device,
            serial=serial,
            epoch=epoch,
            day=day,
            counter=counter,
            opening=self.opening,
            prints=self.prints,
            copies=self.copies,
            unattributed=self.unattributed,
            open_sides=self.open_sides,
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """The open copy visit, and when it was last seen active."""

    visit: str
    member: MemberId
    formula: FormulaId
    active: Moment


def visit_name(device: str, at: Moment, member: MemberId) -> str:
    """Return the name of the visit that a member's badge begins: two cards may come in one read, at one moment."""
    return f"{device}/{at.boot}/{at.mono_s:.6f}/{member}"


def badged(device: str, open_: Visit | None, at: Moment, member: Member, *, stays: bool = False) -> tuple[Fact, ...]:
    """Return what a member's badge at a copier does to the visit that is open there.

    `stays`: they badged to be asked something; a visit of their own goes on.
    """
    visit = visit_name(device, at, member.id)
    started = CopyVisitStarted(device, visit, member.id, member.formula)
    if open_ is None:
        return (started,)
    if open_.member == member.id and stays:
        return ()
    if open_.member == member.id:
        return (CopyVisitEnded(device, open_.visit, "badge-out"),)
    return (CopyVisitEnded(device, open_.visit, "next-badge"), started)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Print movement that no record explains, seen once at these counters since `since`."""

    rest: Sides
    counters: Sides
    claims: tuple[str, ...]
    since: Moment


Attempted = TypeVar("Attempted", bound=AttemptCounted)


def clicks_of(fact: PagesCounted) -> int:
    """Return how many clicks of the counter each side of a row is."""
    return fact.clicks if isinstance(fact, AttemptCounted) else 1


def halved(row: Attempted, seen: int = 0) -> Attempted:
    """Allow for A3: at a device that counts it twice, a movement without a record may be half as many sides.

    `seen` sides are sure.
    """
    mono, colour = -(-row.sides_mono // 2), -(-row.sides_colour // 2)
    mono = min(row.sides_mono, max(mono, seen - colour))
    colour = min(row.sides_colour, max(colour, seen - mono))
    sides = mono + colour
    sheets, free = min(row.sheets, sides), min(row.free, sides)
    return replace(row, sides_mono=mono, sides_colour=colour, sheets=sheets, low=sides, group="", free=free)


def large_copies_of(counters: Counters) -> Sides | None:
    """Return how many copied sides were on A3; None where the device does not tell."""
    large = counters.large
    return None if large is None else Sides(large.copy_mono, large.copy_colour)


def large_moved(before: Sides | None, counters: Counters, moved: Sides, a3_clicks: int) -> Sides:
    """Return how many of the copies that moved the counters were on A3; none where that is not known, or cannot be."""
    now = large_copies_of(counters)
    if now is None or before is None or now.below(before):
        return Sides()
    large = now - before
    return Sides() if moved.below(large * a3_clicks) else large


def prints_of(counters: Counters) -> Sides:
    """Return where the print counters stand."""
    return Sides(counters.print_mono, counters.print_colour)


def copies_of(counters: Counters) -> Sides:
    """Return where the copy counters stand."""
    return Sides(counters.copy_mono, counters.copy_colour)
