"""A month of one link, as its provider is to see it: outages, what nobody measured, availability, repairs, the rate.

The one idea: everything a provider could object to is counted apart. What nobody measured and what was of our own
doing stands in the month and counts for nobody; availability is told twice, around the clock and in the hours in which
people were there; a repair counts from the moment it was reported; the rate stands beside the contract of that day.
Nothing here reads a clock or a calendar: the window and the openings are given. Pure.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from statistics import median

from agent.rules.linkfacts import OUT, Health, LinkRated, OutageReported
from agent.rules.linkpast import Past, repaired
from agent.rules.outages import NONE, Outage, Stretch, Sums, outages, tally, whole, within

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Row:
    """One outage, or what of it lies in the month."""

    outage: Outage  # its edges are those in the month; `after` is that of the whole
    parts: tuple[Stretch, ...]  # its states in a row
    began: datetime  # the whole one, maybe in the month before
    report: OutageReported | None
    repaired: timedelta | None  # from the report to the end of the whole one; None: see `linkpast.repaired`


@dataclass(frozen=True, slots=True)
class Rates:
    """What the line delivered, of the checks that came to an end. Bits per second of IP."""

    measured: tuple[tuple[datetime, LinkRated], ...]
    failed: int  # checks that did not: the line was busy, or the far end
    middle_bit_s: float  # the median; 0 with none measured
    contract_bit_s: int  # of the last measured; 0 not said

    @property
    def share(self) -> float | None:
        """Return the median as a share of the contract; None without one or the other."""
        return self.middle_bit_s / self.contract_bit_s if self.contract_bit_s and self.measured else None


@dataclass(frozen=True, slots=True)
class LinkMonth:
    """All of it. Whole seconds."""

    rows: tuple[Row, ...]
    gaps: tuple[Stretch, ...]
    around: Sums  # around the clock
    opened: Sums  # in the opening hours
    rates: Rates
    since: (
        datetime | None
    )  # its first measurement, or the first kept at hand, if it lies in the month; None without one
    absent: Window | None  # what of the month was before its first measurement: it was not in service yet
    cut: bool  # `since` is where what is kept at hand begins
    round_s: float  # one round of probes: an outage may be so much too long at each end


def link_month(
    past: Past, link: str, window: Window, openings: Sequence[Window], heard: datetime, round_s: float
) -> LinkMonth:
    """Return the month of a link within `window`; `openings` disjoint and ascending; `heard`: see `rules.outages`."""
    line = past.line(link, max(window[1], heard), heard)
    inside = within(line, *window)
    entire = [one for one in outages(line) if one.until > window[0] and one.since < window[1]]
    kept = whole(past.cut[link]) if past.cut.get(link, window[0]) > window[0] else None
    parts = [tuple(row) for out, row in groupby(inside, key=lambda one: one.health in OUT) if out]
    rows = tuple(
        _row(past, link, replace(here, after=all_.after), all_, row)
        for here, all_, row in zip(outages(inside), entire, parts, strict=True)
    )
    begins = min(line[0].since if line else window[1], window[1])
    return LinkMonth(
        rows,
        tuple(one for one in inside if one.health is Health.UNKNOWN),
        tally(inside, [window])[0],
        sum(tally(inside, openings), Sums(NONE, NONE, NONE, NONE)),
        _rates([(at, fact) for at, fact in past.rates.get(link, ()) if window[0] <= at < window[1]]),
        kept or (inside[0].since if inside and inside[0].since > window[0] else None),
        (window[0], begins) if kept is None and begins > window[0] else None,
        kept is not None,
        round_s,
    )


def gone(past: Past, links: Container[str], window: Window) -> tuple[tuple[str, datetime], ...]:
    """Return who was measured within `window` and is none of `links`, those still measured; and each one's last moment.

    A link that was taken out of the site file, or renamed with its provider: it has its months all the same.
    """
    return tuple(
        (link, past.ended(link))
        for link, told in sorted(past.changes.items())
        if link not in links
        and whole(past.ended(link)) > window[0]
        and (link in past.cut or told[0][1].since < window[1])
    )


def _row(past: Past, link: str, here: Outage, entire: Outage, parts: tuple[Stretch, ...]) -> Row:
    report = past.report(link, entire)
    return Row(here, parts, entire.since, report, repaired(entire, report.reported) if report else None)


def _rates(checks: Sequence[tuple[datetime, LinkRated]]) -> Rates:
    measured = tuple((at, fact) for at, fact in checks if fact.down_bit_s is not None)
    middle = median(fact.down_bit_s or 0 for _, fact in measured) if measured else 0.0
    contract = measured[-1][1].contract_bit_s if measured else 0
    return Rates(measured, len(checks) - len(measured), float(middle), contract)
