"""What the ledger says by now of visits and of paper, and whose it is: of the last two months, corrections done.

Older ones are let go: nobody remembers them, and their month was issued long ago.
"""

from __future__ import annotations

from datetime import timedelta

from agent.memory.followed import Followed
from agent.memory.ledger import Ledger
from agent.rules.attribution import CopiesAttributed, PagesAttributed, Slips
from agent.rules.bypass import Streams
from agent.rules.certainty import Absences, Sightings
from agent.rules.door import EntryDecided
from agent.rules.health import ServiceAbsent
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesCounted, PastMended, PrintedPast
from agent.rules.past import PastAttributed
from agent.rules.presence import VisitCorrected, VisitEnded, VisitStarted
from agent.rules.review import Doubts
from agent.rules.settlement import PrintSettled
from agent.rules.visits import Visits
from drivers.contract import Clock

KEPT = timedelta(days=62)
QUIET = timedelta(days=7)  # after so long without any, nobody prints past the box any more


def followed_visits(ledger: Ledger, clock: Clock) -> Followed[Visits]:
    """Return the visits, kept up."""
    return Followed(
        ledger,
        (VisitStarted, VisitEnded, VisitCorrected),
        Visits(),
        lambda visits, new: visits.after(entry.fact for entry in new),
        lambda visits: visits.since(clock.now().utc - KEPT),
    )


def followed_absences(ledger: Ledger) -> Followed[Absences]:
    """Return when nobody could have seen who comes and goes, kept up."""
    return Followed(
        ledger, (ServiceAbsent,), Absences(), lambda absences, new: absences.after(entry.fact for entry in new)
    )


def followed_sightings(ledger: Ledger, clock: Clock) -> Followed[Sightings]:
    """Return when members were last seen at the door and at the paper, kept up."""
    return Followed(
        ledger,
        (EntryDecided, PagesCounted, CopiesCounted),
        Sightings(),
        lambda seen, new: seen.after((entry.fact, entry.at.utc) for entry in new),
        since=lambda: clock.now().utc - KEPT,
    )


def followed_slips(ledger: Ledger, clock: Clock) -> Followed[Slips]:
    """Return the paper that was counted, and whose it is by now, kept up."""
    return Followed(
        ledger,
        (PagesCounted, CopiesCounted, PrintedPast, PagesAttributed, CopiesAttributed, PastAttributed, PrintSettled),
        Slips(),
        lambda slips, new: slips.after((entry.fact, entry.key, entry.at.utc) for entry in new),
        lambda slips: slips.since(clock.now().utc - KEPT),
        lambda: clock.now().utc - KEPT,
    )


def followed_doubts(ledger: Ledger, clock: Clock) -> Followed[Doubts]:
    """Return the print attempts that were uncertain when they were counted, kept up."""
    return Followed(
        ledger,
        (PagesCounted, PagesAttributed, PrintSettled),
        Doubts(),
        lambda doubts, new: doubts.after((entry.fact, entry.at.utc) for entry in new),
        lambda doubts: doubts.since(clock.now().utc - KEPT),
        lambda: clock.now().utc - KEPT,
    )


def followed_past(ledger: Ledger) -> Followed[Streams]:
    """Return what is printed past the box, by device, kept up."""
    return Followed(
        ledger,
        (PrintedPast, PastMended),
        Streams(),
        lambda streams, new: streams.after(((entry.fact, entry.at.utc) for entry in new), QUIET),
    )
