"""What the ledger tells of the links' past: changes, what was reported to the provider, restarts, rates, opening hours.

The one idea: one fold, for the pages and the command line alike, so that both tell the same. It keeps so many changes
of each link and says from when on, if there were more: nothing is left out in silence. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from agent.rules.access import BoxRestarted
from agent.rules.facts import Fact
from agent.rules.linkfacts import Health, LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.outages import Outage, Stretch, restarted, stretches, whole
from agent.rules.weeks import Weeks, WeekStood

KINDS = (LinkChanged, LinkRated, OutageReported, BoxRestarted, WeekStood)
KEPT = 20_000  # changes of each link: one that flaps all day makes some hundreds
EVER = datetime.min.replace(tzinfo=UTC)
BEYOND = datetime(9999, 12, 31, tzinfo=UTC)

T = TypeVar("T")
Told = tuple[tuple[datetime, LinkChanged], ...]


@dataclass(frozen=True, slots=True)
class Past:
    """All that is known of the links' past. Times are those at which a fact was written, ascending."""

    changes: Mapping[str, Told] = field(default_factory=dict)
    reports: Mapping[tuple[str, datetime], OutageReported] = field(default_factory=dict)  # by link and second it began
    restarts: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    rates: Mapping[str, tuple[tuple[datetime, LinkRated], ...]] = field(default_factory=dict)
    cut: Mapping[str, datetime] = field(default_factory=dict)  # links with more changes than are kept: known from then
    settled: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)  # the states before the last change
    booked: Mapping[str, datetime] = field(default_factory=dict)  # until when each link was measured, of LinkMeasured
    weeks: Weeks = field(default_factory=Weeks)

    def line(self, link: str, until: datetime, heard: datetime) -> tuple[Stretch, ...]:
        """Return the states of a link from its first measurement on; see `rules.outages.stretches`."""
        changes, settled = self.changes.get(link, ()), self.settled.get(link, ())
        if settled and settled[-1].until <= whole(until):
            last = stretches(changes[-1:], link, settled[-1].until, until, heard)
            found = settled + last
        else:
            found = stretches(changes, link, EVER, until, heard)
        pressed = self.restarts.get(link, ())
        return restarted(found, pressed) if pressed else found

    def ended(self, link: str) -> datetime:
        """Return the last moment at which a link was measured, of one with changes that nobody measures any more."""
        return max(self.changes[link][-1][0], self.booked.get(link, EVER))

    def report(self, link: str, outage: Outage) -> OutageReported | None:
        """Return what was last said to have been reported of an outage."""
        return self.reports.get((link, outage.since))


def follow(past: Past, new: Iterable[tuple[datetime, Fact]], kept: int = KEPT) -> Past:
    """Return the past with more facts of KINDS and LinkMeasured. An outage reported twice: the newer one holds."""
    changes, restarts, rates = _lists(past.changes), _lists(past.restarts), _lists(past.rates)
    reports, booked, new = dict(past.reports), dict(past.booked), tuple(new)
    for at, fact in new:
        if isinstance(fact, LinkChanged):
            changes.setdefault(fact.link, []).append((at, fact))
        elif isinstance(fact, LinkMeasured):
            booked[fact.link] = max(fact.until, booked.get(fact.link, EVER))
        elif isinstance(fact, LinkRated):
            rates.setdefault(fact.link, []).append((at, fact))
        elif isinstance(fact, BoxRestarted):
            restarts.setdefault(fact.link, []).append(at)
        elif isinstance(fact, OutageReported):
            reports[fact.link, whole(fact.began)] = fact
    fresh = {link for link, all_ in changes.items() if len(all_) > len(past.changes.get(link, ()))}
    cut = {**past.cut, **{link: all_[-kept][1].since for link, all_ in changes.items() if len(all_) > kept}}
    told = {link: tuple(all_[-kept:]) for link, all_ in changes.items()}
    return replace(
        past,
        changes=told,
        reports=reports,
        restarts={link: tuple(all_) for link, all_ in restarts.items()},
        rates={link: tuple(all_) for link, all_ in rates.items()},
        cut=cut,
        settled={**past.settled, **{link: _settled(link, told[link]) for link in fresh}},
        booked=booked,
        weeks=past.weeks.after(new),
    )


def _settled(link: str, told: Told) -> tuple[Stretch, ...]:
    """Return what no later fact can change."""
    return stretches(told, link, EVER, BEYOND, EVER)[:-1]


def _lists(kept: Mapping[str, tuple[T, ...]]) -> dict[str, list[T]]:
    return {link: list(all_) for link, all_ in kept.items()}


def repaired(outage: Outage, reported: datetime) -> timedelta | None:
    """Return how long after it was reported an outage was over; None if it lasts, if nobody saw its end, or not so."""
    if outage.after in {None, Health.UNKNOWN} or outage.until <= reported:
        return None
    return outage.until - reported
