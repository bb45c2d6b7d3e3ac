"""A quarter of a device read machine by machine: each between its own first and last counters.

The one idea: *a counter is a thread, and where it was cut nobody invents the missing piece*. A swapped machine, one
that came back, and counters that were reset each begin a new count; the clicks of a quarter are the sum of what each
count moved while it was read. What the old one still counted after its last reading is not known, and neither is how
much of the new one's first counter was made here: both are said, as a gap (`Gap`), and the sum is a least.

A panel tells no serial number: its relevé belongs to the count into which it fits on its day, the machine that stood
there last first. One that fits nowhere among machines that are known is left out; one reading that falls, where the
next goes on from before, was no reset but a wrong look, and is left out too. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise

from agent.rules.contract import ContractLine, Pack, Stand, Terms, contract_lines


@dataclass(frozen=True, slots=True)
class Stretch:
    """One count of one machine within a quarter."""

    start: Stand
    end: Stand
    stale: bool = False  # its last reading tells no sizes: A3 is known to an earlier one alone

    @property
    def serial(self) -> str:
        """Return whose count it is; "" where only a panel told."""
        return self.end.serial or self.start.serial

    @property
    def read(self) -> bool:
        """Tell whether it was read more than once: else nothing is known of what it moved."""
        return self.start is not self.end


@dataclass(frozen=True, slots=True)
class Gap:
    """What nobody read between two counts. Of the old one nobody knows how much more it counted."""

    last: Stand  # of the old one
    first: Stand  # of the new one
    mono: int  # clicks that the new one may have made here before it was first read, at most
    colour: int

    @property
    def reset(self) -> bool:
        """Tell whether it is the same machine, as far as anybody can say."""
        return self.last.serial == self.first.serial


@dataclass(frozen=True, slots=True)
class Quarter:
    """What a quarter is read from, oldest first."""

    stretches: tuple[Stretch, ...]
    gaps: tuple[Gap, ...] = ()
    a3_clicks: Mapping[str, int] = field(default_factory=dict)  # by serial number, as the books were kept then

    @property
    def between(self) -> tuple[date, date]:
        """Return the days of its first and last readings."""
        return self.stretches[0].start.day, self.stretches[-1].end.day


@dataclass(frozen=True, slots=True)
class Laid:
    """The lines of a quarter, and of each machine where there was more than one."""

    whole: tuple[ContractLine, ...]
    machines: tuple[tuple[Stretch, tuple[ContractLine, ...]], ...] = ()


def read_quarter(stands: Iterable[Stand], first: date, after: date) -> Quarter | None:
    """Return what a quarter is read from: from the stand nearest to its first day to that nearest to the day after.

    Whoever reads a panel comes a day late as often as a day early, and a quarter begins where the one before ended.
    None with fewer than two.
    """
    counts = _counts(stands)
    flat = [(number, stand) for number, count in enumerate(counts) for stand in count]
    if not flat:
        return None
    places = range(len(flat))
    begin, stop = (
        min(places, key=lambda n: (abs((flat[n][1].day - day).days), flat[n][1].day)) for day in (first, after)
    )
    start, end = flat[begin][1], flat[stop][1]
    if end.day <= start.day or end.day <= first or start.day >= after:
        return None
    mine = flat[begin : stop + 1]
    numbers = sorted({number for number, _ in mine})
    stretches = tuple(_stretch([stand for n, stand in mine if n == number]) for number in numbers)
    changes = zip(numbers[1:], pairwise(stretches), strict=True)
    return Quarter(stretches, tuple(_gap(counts, number, old.end, new.start) for number, (old, new) in changes))


def _counts(stands: Iterable[Stand]) -> list[list[Stand]]:
    """Return the stands by count, each in order of days."""
    ordered = sorted(stands, key=lambda one: one.day)
    counts = _runs([one for one in ordered if one.serial])
    loose = [one for one in ordered if not one.serial and not _joined(counts, one)]
    if not counts:
        return _runs(loose)
    first, last = counts[0][0].day, counts[-1][-1].day
    return [
        *_runs([one for one in loose if one.day < first]),
        *counts,
        *_runs([one for one in loose if one.day > last]),
    ]


def _runs(stands: list[Stand]) -> list[list[Stand]]:
    """Part stands of one kind where the machine changed or the counter fell."""
    counts: list[list[Stand]] = []
    for number, stand in enumerate(stands):
        if not counts or counts[-1][-1].serial != stand.serial:
            counts.append([stand])
        elif not _falls(counts[-1][-1], stand):
            counts[-1].append(stand)
        elif not _wrong(counts[-1][-1], stands[number + 1 : number + 2]):
            counts.append([stand])
    return counts


def _falls(before: Stand, after: Stand) -> bool:
    return after.mono < before.mono or after.colour < before.colour


def _wrong(before: Stand, following: list[Stand]) -> bool:
    """Tell whether what was read in between was a wrong look: the next one goes on from `before`."""
    return bool(following) and following[0].serial == before.serial and not _falls(before, following[0])


def _joined(counts: list[list[Stand]], stand: Stand) -> bool:
    """Put a stand without a serial number into the latest count it fits; tell whether there is one."""
    for number in reversed(range(len(counts))):
        count = counts[number]
        early = number > 0 and stand.day < count[0].day
        late = number + 1 < len(counts) and stand.day > counts[number + 1][0].day
        place = sum(one.day <= stand.day for one in count)
        falls = (place > 0 and _falls(count[place - 1], stand)) or (place < len(count) and _falls(stand, count[place]))
        if not (early or late or falls):
            count.insert(place, stand)
            return True
    return False


def _stretch(stands: list[Stand]) -> Stretch:
    """Return a count's part of a quarter: what its last reading leaves out, the ones before tell as far as they go."""
    start, end = stands[0], stands[-1]
    if start is end:
        return Stretch(start, end)
    functions = {name: count for stand in stands for name, count in stand.functions.items()}
    sized = next((one for one in reversed(stands) if one.mono_large is not None), end)
    whole = replace(end, mono_large=sized.mono_large, colour_large=sized.colour_large, functions=functions)
    return Stretch(start, whole, stale=sized is not end)


def _gap(counts: list[list[Stand]], number: int, last: Stand, first: Stand) -> Gap:
    """Return the gap before a count. Of a machine that was here before only what it moved since may be of here."""
    known = next(
        (one[-1] for one in reversed(counts[:number]) if first.serial and one[-1].serial == first.serial), None
    )
    if known is None or _falls(known, first):
        return Gap(last, first, first.mono, first.colour)
    return Gap(last, first, first.mono - known.mono, first.colour - known.colour)


def lay(quarter: Quarter, terms: Terms, invoice: Mapping[str, int]) -> Laid:
    """Return the lines of a quarter; `invoice` has the clicks by line, where they are known."""
    if len(quarter.stretches) == 1:
        only = quarter.stretches[0]
        return Laid(contract_lines(only.start, only.end, terms, invoice, stale=only.stale))
    bare = Terms(a3_clicks=terms.a3_clicks, functions={name: Pack() for name in terms.functions})
    machines = []
    for one in quarter.stretches:
        clicks = quarter.a3_clicks.get(one.serial, terms.device_a3_clicks)
        if one.read:
            of_it = replace(bare, device_a3_clicks=clicks)
            machines.append((one, contract_lines(one.start, one.end, of_it, {}, stale=one.stale)))
    every = [line for _, lines in machines for line in lines]
    rests = [what for what in dict.fromkeys(line.what for line in every) if what not in terms.lines]
    whole = (_sum(what, every, terms, invoice, least=bool(quarter.gaps)) for what in (*terms.lines, *rests))
    return Laid(tuple(whole), tuple(machines))


def _sum(
    what: str, every: list[ContractLine], terms: Terms, invoice: Mapping[str, int], *, least: bool
) -> ContractLine:
    """Add up one line of all machines."""
    mine, pack = [line for line in every if line.what == what], terms.pack(what)
    larges, sides = [line.large for line in mine], [line.sides for line in mine]
    return ContractLine(
        what=what,
        start=None,
        end=None,
        large=None if None in larges else sum(one or 0 for one in larges),
        ours=sum(line.ours for line in mine),
        included=pack.included,
        invoiced=invoice.get(what),
        sides=None if None in sides else sum(one or 0 for one in sides),
        blind=any(line.blind for line in mine),
        price=pack.price,
        told=bool(mine) and all(line.told for line in mine),
        least=least,
    )
