"""What people and the books have written down that the live pictures do not hold: hours, closures, nobody's copies.

The one idea: a picture says how things *are*, this says how they *should be*. A printer may be off because the place is
closed today, and only the calendar that people keep on the page knows that; copies are nobody's until somebody gives
them to somebody, what was printed past the box stands until it is put right, and only the ledger knows that. Pure:
roster and slips are given, the time too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from agent.config import Site
from agent.rules.attribution import Slips
from agent.rules.bypass import Stream
from agent.rules.facts import FormulaId
from agent.rules.hours import Quiet, WeeklyHours
from agent.rules.lastout import PACKING, Crowd
from agent.rules.members import Roster
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesByHand, PrintedPast
from agent.rules.visits import Visits

PATIENCE = timedelta(hours=3)  # until the first of them is an incident: a page that stirs at each copy is not read
REMEMBERED = timedelta(days=7)  # older copies stay on /impressions, but nobody in the room remembers them


@dataclass(frozen=True, slots=True)
class NobodysCopies:
    """Copies on one device that are nobody's by now."""

    sides: int
    since: datetime  # when the first of them were counted


@dataclass(frozen=True, slots=True)
class Written:
    """What was written down, as far as the state needs it. Empty: the site file alone is known."""

    week: WeeklyHours | None = None  # None: the site file's
    closures: frozenset[date] = frozenset()
    copies: Mapping[str, NobodysCopies] = field(default_factory=dict)  # by device
    past: Mapping[str, Stream] = field(default_factory=dict)  # printed past the box, by device
    crowd: Crowd = field(default_factory=Crowd)  # where nobody runs the place on the spot

    @classmethod
    def of(
        cls,
        roster: Roster,
        slips: Slips | None = None,
        now: datetime | None = None,
        visits: Visits | None = None,
        past: Mapping[str, Stream] | None = None,
    ) -> Written:
        """Gather it; without slips nothing is said of copies, without visits nothing of who is in."""
        copies = {} if slips is None or now is None else nobodys_copies(slips, now)
        crowd = Crowd() if visits is None else Crowd.of(visits)
        return cls(roster.hours, roster.closures, copies, past or {}, crowd)

    def closed(self, site: Site, local: datetime) -> bool:
        """Tell whether the place is closed now: by its week, by a closure, or by a public holiday."""
        week = self.week or WeeklyHours.parse(site.hours)
        return not week.open_at(local, self.closures)

    def overstay(self, site: Site, local: datetime) -> int:
        """Return how many are still counted in although the place has been closed to them for a while."""
        if not self.closed(site, local) or not self.closed(site, local - PACKING):
            return 0
        return self.crowd.overstay({FormulaId(name) for name, one in site.formulas.items() if one.access == "always"})

    def may_be_off(self, site: Site, printer: str, local: datetime | None) -> bool:
        """Tell whether nobody wonders now that a printer is switched off."""
        wanted = site.printers[printer].off
        if not wanted or local is None:
            return False
        return self.closed(site, local) if wanted == "closed" else Quiet.parse(wanted).covers(local.time())


def nobodys_copies(slips: Slips, now: datetime) -> dict[str, NobodysCopies]:
    """Sum the copies of the last days that a counter saw and nobody has been named for, by device.

    None while even the first of them are young: they stand on /impressions at once.
    """
    found: dict[str, NobodysCopies] = {}
    for slip in slips.by_name.values():  # the oldest first
        fact = slip.counted
        if isinstance(fact, PagesCounted | CopiesByHand | PrintedPast) or slip.member or now - slip.at > REMEMBERED:
            continue
        known = found.get(fact.device, NobodysCopies(0, slip.at))
        found[fact.device] = NobodysCopies(known.sides + slip.sides, known.since)
    return {device: one for device, one in found.items() if now - one.since >= PATIENCE}
