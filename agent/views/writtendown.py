"""Keeps up with what people and the books write down, for everything that looks: page, terminal, `/metrics`, alerts.

The one idea: all four judge with the same knowledge, so none of them calls wrong what another finds well. Roster and
ledger fail apart: without the ledger the calendar still stands; without the roster nobody knows any of it, and its own
incident says so. Reads only. One event loop; a read costs what was added since the last one.
"""

from __future__ import annotations

from agent.config import Site
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.open_books import QUIET, followed_past, followed_slips, followed_visits
from agent.memory.roster import RosterStore
from agent.views.written import Written
from drivers.contract import Clock, Moment


class WrittenDown:
    """Reads `Written` anew at each look. Neither opens nor closes the ledger or the roster."""

    def __init__(self, site: Site, ledger: Ledger, roster: RosterStore, clock: Clock) -> None:
        self._hostless = site.site.hostless
        self._roster = roster
        self._slips = followed_slips(ledger, clock)
        self._visits = followed_visits(ledger, clock)
        self._past = followed_past(ledger)

    def read(self, now: Moment) -> Written:
        """Return what is written down by now: of a ledger or roster that cannot be read nothing, never an error."""
        try:
            roster = self._roster.roster()
        except LedgerError:
            return Written()
        try:
            visits = self._visits.read() if self._hostless else None
            past = self._past.read().standing(now.utc, QUIET)
            return Written.of(roster, self._slips.read(), now.utc, visits, past)
        except LedgerError:
            return Written.of(roster)
