"""When the place is open: weekly windows on the wall clock, judged as stretches of real time.

The one idea: a window's bound is the *first instant at which the wall clock shows that time or later*. So a window
is one unbroken stretch of real time, also in the two nights a year when the wall clock jumps: it never opens twice
because an hour is repeated, and a bound inside the missing hour falls on the jump. A window belongs to the day it
starts on; its end is exclusive. A closed day closes from midnight to midnight, and with it the windows that start on
it, their stretch past midnight included; so a night's window before a closed day ends at midnight, in what is judged,
in what is printed and in what is billed. It never reads a clock and never knows a person.

`local` is always aware, in the site's own zone (`zoneinfo`, IANA names).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import chain, pairwise

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MIN = 24 * 60
HORIZON_DAYS = 62  # how far `next_change` looks: longer than any holiday of a coworking space

_WINDOW = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """One opening: minutes after the midnight its day starts with; `end_min` past 24 h for a night."""

    start_min: int  # 0..1439
    end_min: int  # start_min+1..start_min+1439, exclusive


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """The opening windows of each weekday, Monday first. Empty days are closed."""

    days: tuple[tuple[Window, ...], ...] = ((),) * 7

    @classmethod
    def parse(cls, hours: Mapping[str, tuple[str, ...]]) -> WeeklyHours:
        """Read `{"monday": ("09:00-18:00",)}`. Raises ValueError with one sentence per line, for every fault."""
        faults = [f'hours: "{day}" is not a day; write one of {", ".join(DAYS)}' for day in hours if day not in DAYS]
        days: list[tuple[Window, ...]] = []
        for day in DAYS:
            read = [_read(day, text) for text in hours.get(day, ())]
            faults += [window for window in read if isinstance(window, str)]
            windows = sorted((w for w in read if isinstance(w, Window)), key=lambda w: w.start_min)
            if any(late.start_min < early.end_min for early, late in pairwise(windows)):
                faults.append(f"hours.{day}: two windows overlap; join them into one")
            days.append(tuple(windows))
        if faults:
            raise ValueError("\n".join(faults))
        return cls(tuple(days))

    def texts(self) -> dict[str, tuple[str, ...]]:
        """Return what `parse` reads: every weekday, with its windows as "09:00-18:00"."""
        return {
            day: tuple(f"{_clock(w.start_min)}-{_clock(w.end_min)}" for w in windows)
            for day, windows in zip(DAYS, self.days, strict=True)
        }

    def closing(self, local: datetime, closures: frozenset[date]) -> datetime | None:
        """Return when the last window that starts on this day ends, in the zone of `local`; None on a closed day."""
        day = local.date()
        if day in closures or not self.days[day.weekday()]:
            return None
        last = _cut(self.days[day.weekday()][-1], day, closures)
        return instant(day, last.end_min, zone_of(local)).astimezone(zone_of(local))

    def windows(self, day: date, closures: frozenset[date]) -> tuple[str, ...]:
        """Return the windows that start on a day, as they will be judged: "09:00-18:00"; none on a closed day."""
        if day in closures:
            return ()
        cut = (_cut(window, day, closures) for window in self.days[day.weekday()])
        return tuple(f"{_clock(one.start_min)}-{_clock(one.end_min)}" for one in cut)

    def open_at(self, local: datetime, closures: frozenset[date]) -> bool:
        """Say whether the place is open at this instant."""
        return self.opened_on(local, closures) is not None

    def opened_on(self, local: datetime, closures: frozenset[date]) -> date | None:
        """Return the day whose window the place is open by at this instant: yesterday's in a night; None: shut."""
        if local.date() in closures:
            return None
        now = local.astimezone(UTC)
        open_by = (s for s in self._stretches(local, closures, ahead=0) if s[0] <= now < s[1])
        return next((start.astimezone(zone_of(local)).date() for start, _ in open_by), None)

    def next_change(self, local: datetime, closures: frozenset[date]) -> datetime | None:
        """Return the next instant `open_at` changes its answer, in the zone of `local`.

        None if nothing changes within `HORIZON_DAYS` (always open, or closed for good).
        """
        zone = zone_of(local)
        now = local.astimezone(UTC)
        midnights = (instant(local.date() + timedelta(days=n), 0, zone) for n in range(1, HORIZON_DAYS + 1))
        bounds = chain.from_iterable(self._stretches(local, closures, ahead=HORIZON_DAYS))
        is_open = self.open_at(local, closures)
        for bound in sorted({bound for bound in chain(midnights, bounds) if bound > now}):
            there = bound.astimezone(zone)
            if self.open_at(there, closures) is not is_open:
                return there
        return None

    def openings(
        self, first: date, beyond: date, closures: frozenset[date], zone: tzinfo
    ) -> tuple[tuple[datetime, datetime], ...]:
        """Return when the place is open on the days [first, beyond): UTC instants, disjoint, ascending.

        A night that began the day before is in from midnight on; one that ends after the last day ends with it.
        """
        since, until = instant(first, 0, zone), instant(beyond, 0, zone)
        found: list[tuple[datetime, datetime]] = []
        for n in range(-1, (beyond - first).days):
            day = first + timedelta(days=n)
            for window in () if day in closures else self.days[day.weekday()]:
                cut = _cut(window, day, closures)
                start, end = max(instant(day, cut.start_min, zone), since), min(instant(day, cut.end_min, zone), until)
                if found and start < found[-1][1]:
                    start = found[-1][1]
                if start < end:
                    found.append((start, end))
        return tuple(found)

    def _stretches(self, local: datetime, closures: frozenset[date], ahead: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows from yesterday's to those `ahead` days later, as UTC instants [start, end)."""
        zone = zone_of(local)
        for n in range(-1, ahead + 1):
            day = local.date() + timedelta(days=n)
            if day in closures:
                continue
            for window in self.days[day.weekday()]:
                yield instant(day, window.start_min, zone), instant(day, window.end_min, zone)


def instant(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return, in UTC, the first instant at which the wall clock shows `minute` minutes after `day` 00:00, or later."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    at = min(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    while at.astimezone(zone).replace(tzinfo=None) < wall:  # only in the missing hour: walk to the jump
        at += timedelta(minutes=1)
    return at


def wall_times(day: date, hour: int, minute: int, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the instants (UTC) at which the wall clock shows this: none when skipped, two when repeated."""
    wall = datetime.combine(day, time(hour, minute))
    instants = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return tuple(sorted(at for at in instants if at.astimezone(zone).replace(tzinfo=None) == wall))


def _cut(window: Window, day: date, closures: frozenset[date]) -> Window:
    """Return a window as it is judged: it ends at midnight before a closed day."""
    night = window.end_min > DAY_MIN and day + timedelta(days=1) in closures
    return replace(window, end_min=DAY_MIN) if night else window


def zone_of(local: datetime) -> tzinfo:
    """Return the zone of an aware local time."""
    assert local.tzinfo is not None, "hours are judged on the site's own wall clock: pass an aware time"
    return local.tzinfo


def _clock(minute: int) -> str:
    """Write minutes after midnight as a window's bound: 24:00 ends a day, anything later is the next morning."""
    shown = minute if minute <= DAY_MIN else minute - DAY_MIN
    return f"{shown // 60:02d}:{shown % 60:02d}"


def _read(day: str, text: str) -> Window | str:
    """Read "09:00-18:00" or say what is wrong with it."""
    found = _WINDOW.fullmatch(text)
    if found is None:
        return f'hours.{day}: "{text}" is not a window; write it as "09:00-18:00"'
    start_h, start_m, end_h, end_m = map(int, found.groups())
    start, end = start_h * 60 + start_m, end_h * 60 + end_m
    if start >= DAY_MIN or end > DAY_MIN:
        return f'hours.{day}: "{text}" passes 24:00; a night is written "22:00-02:00"'
    if start == end:
        return f'hours.{day}: "{text}" is empty; the whole day is "00:00-24:00"'
    return Window(start, end if end > start else end + DAY_MIN)


_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours in which people sleep; they may go over midnight. Equal ends: there are none."""

    starts: time = time(0)
    ends: time = time(0)

    @classmethod
    def parse(cls, text: str) -> Quiet:
        """Read "22:00-07:00"; "" has none. Raises ValueError."""
        if not text:
            return cls()
        found = _QUIET.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not like 22:00-07:00")
        first, second, third, fourth = (int(part) for part in found.groups())
        return cls(time(first, second), time(third, fourth))

    def covers(self, local: time) -> bool:
        """Tell whether a time of day is within these hours."""
        if self.starts == self.ends:
            return False
        if self.starts < self.ends:
            return self.starts <= local < self.ends
        return local >= self.starts or local < self.ends
