"""What became of a link over days: outages to the second, gaps shown and left out, availability.

The one idea: the timeline is drawn from the facts alone, so anybody with the ledger can draw it again. States follow
each other without a hole; what nobody measured is a gap and stands on neither side of the fraction; a cable of ours is
no fault of the provider's and is left out too. Reads no clock and no wall hours but those it is given. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.rules.linkfacts import OUT, Cause, Health, LinkChanged

NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One state of a link, [since, until)."""

    health: Health
    cause: Cause
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """States in a row in which nobody could work."""

    cause: Cause  # the one that stood longest
    since: datetime
    until: datetime
    after: Health | None  # what followed; None: it lasts; UNKNOWN: nobody saw it end


@dataclass(frozen=True, slots=True)
class Sums:
    """The time of one window."""

    measured: timedelta
    out: timedelta  # of the measured
    gap: timedelta  # nobody measured
    ours: timedelta  # our own cable was out: left out, as the gap is

    @property
    def share(self) -> float | None:
        """Return the available share of the measured time; None if nothing was measured."""
        return 1 - self.out / self.measured if self.measured else None


def stretches(
    changes: Iterable[tuple[datetime, LinkChanged]], link: str, since: datetime, until: datetime, heard: datetime
) -> tuple[Stretch, ...]:
    """Return the states of `link` within [since, until), from (when it was written, fact), ascending.

    Before its first fact nobody measured; after `heard`, the last word of whoever measures, nobody does any more.
    """
    found: list[Stretch] = []
    health, cause, began = Health.UNKNOWN, Cause.GAP, since
    for written, fact in changes:
        if fact.link != link:
            continue
        at = min(max(written if fact.was is fact.now else fact.since, began), until)
        found.append(Stretch(health, cause, began, at))
        health, cause, began = fact.now, fact.cause, at
    silent = until if health is Health.UNKNOWN else min(max(heard, began), until)
    found += [Stretch(health, cause, began, silent), Stretch(Health.UNKNOWN, Cause.GAP, silent, until)]
    return tuple(one for one in found if one.until > one.since)


def outages(line: Sequence[Stretch]) -> tuple[Outage, ...]:
    """Join the stretches in a row in which nobody could work, oldest first."""
    found: list[Outage] = []
    row: list[Stretch] = []
    for one in line:
        if one.health in OUT:
            row.append(one)
        elif row:
            found.append(_joined(row, one.health))
            row = []
    return (*found, _joined(row, None)) if row else tuple(found)


def _joined(row: Sequence[Stretch], after: Health | None) -> Outage:
    stood: dict[Cause, timedelta] = {}
    for one in row:
        stood[one.cause] = stood.get(one.cause, NONE) + (one.until - one.since)
    return Outage(max(stood, key=lambda cause: stood[cause]), row[0].since, row[-1].until, after)


def tally(line: Sequence[Stretch], windows: Iterable[tuple[datetime, datetime]]) -> tuple[Sums, ...]:
    """Return the sums of each window [since, until): windows disjoint and ascending, as the stretches are."""
    found: list[Sums] = []
    first = 0
    for since, until in windows:
        while first < len(line) and line[first].until <= since:
            first += 1
        measured = out = gap = ours = NONE
        for index in range(first, len(line)):
            one = line[index]
            if one.since >= until:
                break
            lasted = min(one.until, until) - max(one.since, since)
            if one.health is Health.UNKNOWN:
                gap += lasted
            elif one.cause is Cause.CABLE:
                ours += lasted
            else:
                measured += lasted
                out += lasted if one.health in OUT else NONE
        found.append(Sums(measured, out, gap, ours))
    return tuple(found)
