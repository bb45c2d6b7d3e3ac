"""What became of a link over days: outages to the second, gaps shown and left out, availability.

The one idea: the timeline is drawn from the facts alone, so anybody with the ledger can draw it again. Its edges are
whole seconds, cut once, here: what is listed adds up to the sums, to the second. A link begins with its first fact;
before it was installed nobody could have measured it. States follow each other without a hole; what nobody measured is
a gap and stands on neither side of the fraction. A cable of ours and a box that our own people restarted are no fault
of the provider's and are left out too, each by itself. Reads no clock and no wall hours but those it is given. Pure.

An outage is bound by evidence: it begins with the last answer before it and ends with the first of those after it, so
it is at most one round of probes longer than the truth at each end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from agent.rules.linkfacts import OUT, Cause, Health, LinkChanged

NONE = timedelta(0)
BOX_BACK = timedelta(minutes=5)  # how long a box that was restarted may take
BOX_PULLED = timedelta(minutes=2)  # so long before people say so they may have pulled its plug
_BOX_GONE = frozenset({Cause.BOX, Cause.CABLE})  # how a box without current looks from here


@dataclass(frozen=True, slots=True)
class Stretch:
    """One state of a link, [since, until), whole seconds."""

    health: Health
    cause: Cause
    since: datetime
    until: datetime
    restart: bool = False  # it was out because our own people restarted the box


@dataclass(frozen=True, slots=True)
class Outage:
    """States in a row in which nobody could work."""

    cause: Cause  # the one that stood longest, of what is the provider's if any of it is
    since: datetime
    until: datetime
    after: Health | None  # what followed; None: it lasts; UNKNOWN: nobody saw it end
    cable: timedelta = NONE  # of it, our own cable was out
    restart: timedelta = NONE  # of it, our own people had restarted the box

    @property
    def lasted(self) -> timedelta:
        """Return how much of it is the provider's."""
        return self.until - self.since - self.cable - self.restart


@dataclass(frozen=True, slots=True)
class Sums:
    """The time of one window."""

    measured: timedelta
    out: timedelta  # of the measured
    gap: timedelta  # nobody measured
    ours: timedelta  # our own cable was out: left out, as the gap is
    restart: timedelta = NONE  # our own people restarted the box: left out too

    @property
    def share(self) -> float | None:
        """Return the available share of the measured time; None if nothing was measured."""
        return 1 - self.out / self.measured if self.measured else None

    @property
    def empty(self) -> bool:
        """Tell whether there was no such link yet, or no such time."""
        return not (self.measured or self.gap or self.ours or self.restart)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums of both windows."""
        return Sums(
            self.measured + other.measured,
            self.out + other.out,
            self.gap + other.gap,
            self.ours + other.ours,
            self.restart + other.restart,
        )


def whole(at: datetime) -> datetime:
    """Cut an instant to its second."""
    return at.replace(microsecond=0)


def stretches(
    changes: Iterable[tuple[datetime, LinkChanged]], link: str, since: datetime, until: datetime, heard: datetime
) -> tuple[Stretch, ...]:
    """Return the states of `link` within [since, until), from (when it was written, fact), ascending.

    They begin with its first fact; after `heard`, the last word of whoever measures, nobody does any more.
    """
    since, until, heard = whole(since), whole(until), whole(heard)
    found: list[Stretch] = []
    health, cause, began = Health.UNKNOWN, Cause.GAP, until
    for written, fact in changes:
        if fact.link != link:
            continue
        at = whole(written if fact.was is fact.now else fact.since)
        at = min(max(at, began if found else since), until)
        found.append(Stretch(health, cause, began if found else at, at))
        health, cause, began = fact.now, fact.cause, at
    silent = until if health is Health.UNKNOWN else min(max(heard, began), until)
    found += [Stretch(health, cause, began, silent), Stretch(Health.UNKNOWN, Cause.GAP, silent, until)]
    return tuple(one for one in found if one.until > one.since)


def restarted(line: Sequence[Stretch], pressed: Iterable[datetime]) -> tuple[Stretch, ...]:
    """Mark what our own people's restarts of the box took, told at `pressed`, ascending.

    A restart is seen where the box was away then, or soon after, or just before people said so; it lasts until the
    link was back, five minutes at most. A box that never went away was not restarted, whatever was said.
    """
    starts = [one.since for one in line]
    spans = [span for at in pressed if (span := _restart(line, starts, whole(at))) is not None]
    return tuple(part for one in line for part in (_split(one, spans) if one.health in OUT else (one,)))


def _restart(line: Sequence[Stretch], starts: Sequence[datetime], at: datetime) -> tuple[datetime, datetime] | None:
    first = max(0, bisect_right(starts, at - BOX_PULLED) - 1)
    near = list(takewhile(lambda one: one.since < at + BOX_BACK, line[first:]))
    for number, one in enumerate(near):
        if one.cause not in _BOX_GONE or one.until <= at - BOX_PULLED:
            continue
        began = one.since if one.since >= at - BOX_PULLED else at
        row = [*takewhile(lambda later: later.health in OUT, near[number:])]
        if began < row[-1].until:
            return began, min(row[-1].until, at + BOX_BACK)
    return None


def _split(one: Stretch, spans: Iterable[tuple[datetime, datetime]]) -> Iterator[Stretch]:
    at = one.since
    for since, until in spans:
        if until <= at or since >= one.until:
            continue
        if since > at:
            yield replace(one, since=at, until=since)
        yield replace(one, since=max(at, since), until=min(until, one.until), restart=True)
        at = min(until, one.until)
    if at < one.until:
        yield replace(one, since=at)


def within(line: Iterable[Stretch], since: datetime, until: datetime) -> tuple[Stretch, ...]:
    """Cut a line at the edges of [since, until)."""
    inside = (one for one in line if one.until > since and one.since < until)
    return tuple(replace(one, since=max(one.since, since), until=min(one.until, until)) for one in inside)


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
    if len(row) == 1 and row[0].cause is not Cause.CABLE and not row[0].restart:  # nearly all are so
        return Outage(row[0].cause, row[0].since, row[0].until, after)
    theirs = [one for one in row if one.cause is not Cause.CABLE and not one.restart]
    stood: dict[Cause, timedelta] = {}
    for one in theirs or row:
        stood[one.cause] = stood.get(one.cause, NONE) + (one.until - one.since)
    cable = sum((one.until - one.since for one in row if one.cause is Cause.CABLE and not one.restart), NONE)
    restart = sum((one.until - one.since for one in row if one.restart), NONE)
    cause = max(stood, key=lambda cause: stood[cause])
    return Outage(cause, row[0].since, row[-1].until, after, cable, restart)


def tally(line: Sequence[Stretch], windows: Iterable[tuple[datetime, datetime]]) -> tuple[Sums, ...]:
    """Return the sums of each window [since, until): windows disjoint and ascending, as the stretches are."""
    found: list[Sums] = []
    first = 0
    for since, until in windows:
        while first < len(line) and line[first].until <= since:
            first += 1
        measured = out = gap = ours = restart = NONE
        for index in range(first, len(line)):
            one = line[index]
            if one.since >= until:
                break
            lasted = min(one.until, until) - max(one.since, since)
            if one.health is Health.UNKNOWN:
                gap += lasted
            elif one.restart:
                restart += lasted
            elif one.cause is Cause.CABLE:
                ours += lasted
            else:
                measured += lasted
                out += lasted if one.health in OUT else NONE
        found.append(Sums(measured, out, gap, ours, restart))
    return tuple(found)
