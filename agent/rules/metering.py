"""Turns what a device's meters tell into counters that tell prints from copies.

The one idea: *what the job records do not explain was copied*. A device that counts copies apart is believed as it
is. One that only has a total gives it whole; once it has rested, and the spooler too, whatever is left of its movement
after the records is copies. Until then it is on neither side, and a record may still claim it. A record that comes
later than that is put right by the books (unmatched prints, negative), never by taking copies back. Where a
copy-control connector clicked for every copy since the books were last even (`Hearing.ALL`), and the clicks are booked,
nothing of the rest is copies: it was printed. Clicks and total may run ahead of each other by a few sides, so beside a
connector every difference rests first.

Meters are 32 bits wide on many a wire (Counter32, RFC 2578 section 7.1.6): one that starts over just after its end has
wrapped and goes on; any other fall is a fall, and opens new books. Pure; its memory may be lost at any point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial

from agent.rules.books import ACTIVE, HOLD_S
from agent.rules.columns import Booked, Sides, copies_of, prints_of
from drivers.contract import Counters, DeviceReading, LifeCount, Moment

SETTLE_S = 2.0  # how long an unexplained total must stand still at rest before it is taken for copies
WRAP = 2**32
LEAP = 20_000  # sides: more than any device puts out between two looks
SLACK = 2  # sides that may come out between the total and the record of a job that prints


class Hearing(Enum):
    """What a copy-control connector told of the copies."""

    NONE = "none"  # there is none
    SOME = "some"  # clicks may have been missed
    ALL = "all"  # every copy has clicked


class Metering:
    """One device's meters."""

    def __init__(self) -> None:
        self.pending = False  # an unexplained movement waits to be taken for copies
        self._seen: int | None = None  # the last total
        self._since: tuple[int, Moment] | None = None  # the total that waits, and since when

    def read(
        self,
        reading: DeviceReading,
        booked: Booked,
        *,
        claims: bool,
        hold: bool,
        now: bool = False,
        hearing: Hearing = Hearing.NONE,
    ) -> DeviceReading:
        """Return the look with counters the books understand; None where the device tells nothing.

        `claims`: attempts wait for the counters. `hold`: the spooler works on a job. `now`: a visit starts or ends.
        `hearing`: what a copy-control connector can have told since the books were last even.
        """
        self.pending = False
        if reading.counters is not None:
            return replace(reading, counters=_unwrapped(reading.counters, reading.serial, booked))
        if reading.life is None or reading.life.total is None:
            return reading
        colour = reading.life.total_colour
        total = reading.life.total
        if reading.serial == booked.serial and booked.metered:
            total = unwrapped(total, (booked.prints + booked.copies).all)
            fell = total < (self._seen if self._seen is not None else 0)
            self._seen = total
            if not fell:
                ripe = partial(self._ripe, reading, total, hold=hold, now=now)
                split = self._split(reading.life, booked, total, ripe, claims=claims, hearing=hearing)
                return replace(reading, counters=split)
        self._seen = total
        return replace(reading, counters=Counters(total - (colour or 0), colour or 0, 0, 0, 0))

    def surplus(self, reading: DeviceReading, booked: Booked) -> bool:
        """Tell whether a busy device with only a total has moved by more than its records, done and running, say."""
        life = reading.life
        if reading.settled or life is None or life.total is None:
            return False
        running = sum(job.sides or 0 for job in reading.jobs if job.state in ACTIVE)
        return life.total - (booked.prints + booked.copies).all - running > SLACK

    def _split(
        self,
        life: LifeCount,
        booked: Booked,
        total: int,
        ripe: Callable[[], bool],
        *,
        claims: bool,
        hearing: Hearing,
    ) -> Counters:
        prints, copies, colour = booked.prints, booked.copies, life.total_colour
        if colour is None:  # whatever has no colour is mono: in the member's favour
            rest = Sides(total - (prints + copies).all, 0)
        else:
            rest = Sides(total - colour, colour) - prints - copies
        printed = claims or rest.below(Sides())  # a claim comes first; and a record that said too much
        if rest == Sides() or (printed and hearing is Hearing.NONE):
            prints += rest
        elif not ripe():
            self.pending = True  # it is on neither side yet: the books stand where they stood
        elif printed or hearing is Hearing.ALL:
            prints += rest
        else:
            copies += rest
        return Counters(prints.mono, prints.colour, copies.mono, copies.colour, 0)

    def _ripe(self, reading: DeviceReading, total: int, *, hold: bool, now: bool) -> bool:
        at = reading.at
        if not reading.settled or any(job.state in ACTIVE for job in reading.jobs):
            self._since = None
            return False
        if self._since is None or self._since[0] != total or self._since[1].boot != at.boot:
            self._since = (total, at)
        rested_s = at.mono_s - self._since[1].mono_s
        return rested_s >= HOLD_S or (not hold and (now or rested_s >= SETTLE_S))


def unwrapped(count: int, known: int) -> int:
    """Return a 32-bit count as it goes on from `known`, if it wrapped since; itself if it fell otherwise."""
    here = known // WRAP * WRAP + count
    if here < known and here + WRAP - known <= LEAP:
        return here + WRAP
    return here if known - here <= LEAP else count


def _unwrapped(counters: Counters, serial: str, booked: Booked) -> Counters:
    if serial != booked.serial or not booked.metered:
        return counters
    prints, copies = prints_of(counters), copies_of(counters)
    return replace(
        counters,
        print_mono=unwrapped(prints.mono, booked.prints.mono),
        print_colour=unwrapped(prints.colour, booked.prints.colour),
        copy_mono=unwrapped(copies.mono, booked.copies.mono),
        copy_colour=unwrapped(copies.colour, booked.copies.colour),
    )


def display_of(reading: DeviceReading) -> int | None:
    """Return the sides on the device's own display."""
    if reading.counters is not None:
        return reading.counters.sides
    return None if reading.life is None else reading.life.total


def meters_of(reading: DeviceReading) -> tuple[tuple[str, int], ...]:
    """Return the meters by name: those told, and those of the counters."""
    rows = {} if reading.life is None else dict(reading.life.rows)
    now = reading.counters
    if now is not None:
        split = {"print-mono": now.print_mono, "print-colour": now.print_colour}
        rows |= split | {"copy-mono": now.copy_mono, "copy-colour": now.copy_colour, "total": now.sides}
        rows.setdefault("total-colour", now.print_colour + now.copy_colour)
        if now.large is not None:
            large = now.large
            rows["total-colour-large"] = large.print_colour + large.copy_colour
            rows["total-large"] = large.print_mono + large.copy_mono + rows["total-colour-large"]
    return tuple(sorted(rows.items()))
