"""The calendar of the site: its week, the days it is closed, the public holidays, and when the animator is away.

The one idea: opening hours are data that people change, not configuration. The site file holds only defaults; what
stands here wins, at the door with the next badge. Public holidays close the site by themselves: whoever works on one
says so, and whoever forgets leaves no occasional member alone with the key of the place. They are expanded to days
by the web service (`agent.services.feasts`); the door reads days and loads no library.

Why a day is closed is a key of REASONS and, for pages only, words of one's own: those may name somebody, so they
never go into a fact.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from agent.memory.people import Change, RosterError
from agent.memory.tables import read_week
from agent.rules.hours import DAYS, WeeklyHours

REASONS = ("", "snow", "works", "leave", "illness", "event", "outage")  # "": no reason given
HOLIDAYS = (  # the names that have words
    *("new-years-day", "good-friday", "easter-monday", "labor-day", "victory-day", "ascension-day"),
    *("pentecost-monday", "national-day", "assumption-day", "all-saints-day", "armistice-day", "christmas-day"),
    *("saint-stephens-day", "abolition-of-slavery", "mi-careme", "victor-schoelcher-day"),
)
LONGEST_WORDS = 100  # characters
LONGEST_DAYS = 62  # of one closure or absence

Changing = Callable[[str], AbstractContextManager[Change]]
Reading = Callable[[Callable[[sqlite3.Connection], Any]], Any]


@dataclass(frozen=True, slots=True)
class Closure:
    """One day closed by people."""

    day: date
    reason: str  # one of REASONS
    words: str  # for pages only


@dataclass(frozen=True, slots=True)
class Holiday:
    """One public holiday: closed, unless people opened it."""

    day: date
    name: str  # a key: "christmas-day"
    opened: bool


@dataclass(frozen=True, slots=True)
class Away:
    """The animator is not there; both days are included."""

    id: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Agenda:
    """Everything the calendar holds, by day."""

    hours: WeeklyHours | None  # None: the site file's
    closures: tuple[Closure, ...]
    holidays: tuple[Holiday, ...]
    away: tuple[Away, ...]

    def closure(self, day: date) -> Closure | None:
        """Return the closure of a day."""
        return next((one for one in self.closures if one.day == day), None)

    def holiday(self, day: date) -> Holiday | None:
        """Return the public holiday of a day, opened or not."""
        return next((one for one in self.holidays if one.day == day), None)

    def animator_away(self, day: date) -> bool:
        """Say whether the animator is away on a day."""
        return any(one.first <= day <= one.last for one in self.away)


class Calendar:
    """The calendar of one roster; its calls raise LedgerError, RosterError as the roster's do."""

    def __init__(self, changing: Changing, reading: Reading) -> None:
        self._changing = changing
        self._reading = reading

    def agenda(self) -> Agenda:
        """Return all of it: for pages; rules read `Roster.hours` and `Roster.closures`."""
        agenda: Agenda = self._reading(_agenda)
        return agenda

    def set_hours(self, week: WeeklyHours | None, *, actor: str) -> None:
        """Replace the whole week; None: go back to the site file's."""
        with self._changing(actor) as change:
            if week == read_week(change.db):
                return
            change.db.execute("DELETE FROM week")
            if week is not None:
                rows = [(number, " ".join(week.texts()[day])) for number, day in enumerate(DAYS)]
                change.db.executemany("INSERT INTO week VALUES (?, ?)", rows)
            change.tell("hours-default" if week is None else "hours-changed", "week")

    def close_day(self, day: date, *, actor: str, reason: str = "", words: str = "") -> None:
        """Close the site for a day, whatever its week says."""
        self.close_days(day, day, actor=actor, reason=reason, words=words)

    def close_days(self, first: date, last: date, *, actor: str, reason: str = "", words: str = "") -> None:
        """Close the site from `first` to `last`, both included; a day closed before gets the new reason."""
        days = _stretch(first, last)
        if reason not in REASONS or len(words) > LONGEST_WORDS or not words.isprintable():
            raise RosterError(
                f"la raison dépasse {LONGEST_WORDS} signes ou ne se lit pas : en écrire une plus courte",
                f"the reason is over {LONGEST_WORDS} signs or unreadable: write a shorter one",
            )
        with self._changing(actor) as change:
            for day in days:
                done = change.db.execute(
                    "INSERT INTO closure VALUES (?1, ?2, ?3) ON CONFLICT (day) DO UPDATE SET reason = ?2, words = ?3 "
                    "WHERE reason != ?2 OR words != ?3",
                    (day.isoformat(), reason, words),
                )
                if done.rowcount:
                    change.tell("day-closed", day.isoformat())

    def open_day(self, day: date, *, actor: str) -> None:
        """Take a closing day back, and open a public holiday: the week's hours hold."""
        with self._changing(actor) as change:
            done = change.db.execute("DELETE FROM closure WHERE day = ?", (day.isoformat(),)).rowcount
            done += change.db.execute(
                "UPDATE holiday SET opened = 1 WHERE day = ? AND NOT opened", (day.isoformat(),)
            ).rowcount
            if done:
                change.tell("day-opened", day.isoformat())

    def close_holiday(self, day: date, *, actor: str) -> None:
        """Let a public holiday close the site again."""
        with self._changing(actor) as change:
            done = change.db.execute("UPDATE holiday SET opened = 0 WHERE day = ? AND opened", (day.isoformat(),))
            if done.rowcount:
                change.tell("day-closed", day.isoformat())

    def set_holidays(self, days: Mapping[date, str], *, years: tuple[int, ...], actor: str) -> None:
        """Bring the public holidays of `years` to these; those that people opened stay open."""
        with self._changing(actor) as change:
            known = {one.day: one.name for one in _agenda(change.db).holidays if one.day.year in years}
            if known == dict(days):
                return
            gone = [(day.isoformat(),) for day in known.keys() - days.keys()]
            change.db.executemany("DELETE FROM holiday WHERE day = ?", gone)
            change.db.executemany(
                "INSERT INTO holiday VALUES (?1, ?2, 0) ON CONFLICT (day) DO UPDATE SET name = ?2",
                [(day.isoformat(), name) for day, name in days.items()],
            )
            change.tell("holidays-set", f"{min(years)}..{max(years)}")

    def leave(self, first: date, last: date, *, actor: str) -> str:
        """Say that the animator is away from `first` to `last`, both included; return the absence's id."""
        _stretch(first, last)
        absence = uuid.uuid4().hex[:12]
        with self._changing(actor) as change:
            change.db.execute("INSERT INTO away VALUES (?, ?, ?)", (absence, first.isoformat(), last.isoformat()))
            change.tell("animator-away", f"{first}..{last}")
        return absence

    def come_back(self, absence: str, *, actor: str) -> None:
        """Take an absence back; one that is gone already is no fault."""
        with self._changing(actor) as change:
            row = change.db.execute("SELECT first, last FROM away WHERE id = ?", (absence,)).fetchone()
            if row is not None:
                change.db.execute("DELETE FROM away WHERE id = ?", (absence,))
                change.tell("animator-back", f"{row[0]}..{row[1]}")


def _stretch(first: date, last: date) -> list[date]:
    """Return the days from `first` to `last`. Raises RosterError for none, or too many."""
    count = (last - first).days + 1
    if not 1 <= count <= LONGEST_DAYS:
        raise RosterError(
            f"du {first:%d/%m/%Y} au {last:%d/%m/%Y} : il faut de 1 à {LONGEST_DAYS} jours, la fin après le début",
            f"from {first} to {last}: it takes 1 to {LONGEST_DAYS} days, and the end after the start",
        )
    return [first + timedelta(days=number) for number in range(count)]


def _agenda(db: sqlite3.Connection) -> Agenda:
    day = date.fromisoformat
    return Agenda(
        hours=read_week(db),
        closures=tuple(
            Closure(day(when), reason, words)
            for when, reason, words in db.execute("SELECT day, reason, words FROM closure ORDER BY day")
        ),
        holidays=tuple(
            Holiday(day(when), name, bool(opened))
            for when, name, opened in db.execute("SELECT day, name, opened FROM holiday ORDER BY day")
        ),
        away=tuple(
            Away(absence, day(first), day(last))
            for absence, first, last in db.execute("SELECT id, first, last FROM away ORDER BY first, id")
        ),
    )
