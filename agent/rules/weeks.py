"""Which opening hours stood when.

The one idea: a month is judged by the hours that stood in it. The roster holds the week in force and no other, so each
week that comes into force is written down once, when it is first seen; what was open before is then a fold of these
facts. Closures and holidays belong to days and stay with them: they are given. Before the first week that was written
down, that one is taken to have stood; where none was, the one in force. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import ClassVar

from agent.rules.facts import Fact
from agent.rules.hours import DAYS, WeeklyHours

EVER = datetime.min.replace(tzinfo=UTC)
BEYOND = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WeekStood(Fact):
    """A week of opening hours came into force: people set it, went back to the site file's, or that file changed."""

    kind: ClassVar[str] = "week-stood"

    windows: tuple[str, ...]  # of each weekday, Monday first: "09:00-12:00 14:00-18:00"; "" closed

    @classmethod
    def of(cls, week: WeeklyHours) -> WeekStood:
        """Return the fact of a week."""
        return cls(tuple(" ".join(windows) for windows in week.texts().values()))

    def week(self) -> WeeklyHours:
        """Return the week of a fact."""
        return WeeklyHours.parse({day: tuple(one.split()) for day, one in zip(DAYS, self.windows, strict=True)})


@dataclass(frozen=True, slots=True)
class Weeks:
    """The weeks that stood, each from its instant on, in the order they were written down."""

    known: tuple[tuple[datetime, WeeklyHours], ...] = ()

    def after(self, new: Iterable[tuple[datetime, Fact]]) -> Weeks:
        """Return these and those of more facts, each with the time it was written at; other facts are passed over."""
        return Weeks((*self.known, *((at, fact.week()) for at, fact in new if isinstance(fact, WeekStood))))

    def openings(
        self, in_force: WeeklyHours, first: date, beyond: date, closures: frozenset[date], zone: tzinfo
    ) -> tuple[tuple[datetime, datetime], ...]:
        """Return when the place was open on the days [first, beyond): UTC instants, disjoint, ascending.

        A clock that was set back makes a later week stand from the earlier instant: the later word holds.
        """
        found: list[tuple[datetime, datetime]] = []
        end = BEYOND
        for number, (at, week) in reversed(list(enumerate(self.known or ((EVER, in_force),)))):
            since = at if number else EVER
            cut = ((max(a, since), min(b, end)) for a, b in week.openings(first, beyond, closures, zone))
            found = [*((a, b) for a, b in cut if a < b), *found]
            end = min(end, since)
        return tuple(found)
