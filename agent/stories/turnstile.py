"""The turnstile at a copier: copies only while somebody is badged in, by the machine's copy-control connector.

The one idea: *a lease, not a switch*. At each look the clerk says whether a visit is open, and permits copying a little
beyond the next look; when he dies, hangs or forgets, the permission ends by itself. A connector that is lost stops no
bookkeeping: it is said, and the next look tries again. What it clicked meanwhile may be missed: beside a total, what
nothing explains is then somewhere between copies and prints.
"""

from __future__ import annotations

import logging

from agent.rules import clicks
from agent.rules.books import Books
from agent.rules.columns import Visit
from agent.rules.facts import Fact
from agent.rules.metering import Hearing
from agent.rules.paper import CopiesCounted, CopiesMetered
from drivers.contract import DeviceReading, DriverError
from drivers.copying import Clicks, CopyControl

SPARE_S = 10.0  # permitted beyond the next look, which takes its time
QUIET_S = 2.0  # without a pulse for so long, a batch of copies is over
LONGEST_S = 5.0  # clicks are kept in memory no longer than this: what a power cut takes is no more

log = logging.getLogger(__name__)


class Turnstile:
    """One connector, as the clerk of its device minds it."""

    def __init__(self, control: CopyControl | None) -> None:
        self._control = control
        self._open: bool | None = None
        self._taken_s = 0.0
        self._lost = ""
        self._visit, self._copied = "", 0  # the sides copied in the last visit that copied anything

    def learn(self, fact: Fact) -> None:
        """Add up what the visit copies: the screen beside the copier shows it."""
        if isinstance(fact, CopiesCounted) and fact.visit:
            self._copied = fact.mono + fact.colour + (self._copied if fact.visit == self._visit else 0)
            self._visit = fact.visit

    def so_far(self, visit: Visit | None) -> int | None:
        """Return how much the open visit has copied; None where nobody is let through here."""
        if self._control is None or visit is None:
            return None
        return self._copied if visit.visit == self._visit else 0

    @property
    def lost(self) -> bool:
        """Tell whether there is a connector that does not work."""
        return self._control is not None and bool(self._lost or self._control.fault)

    @property
    def running(self) -> bool:
        """Tell whether copies may still be coming out: the last pulse is that fresh."""
        return self._control is not None and self._control.quiet_s() < QUIET_S

    def hearing(self, since_s: float | None) -> Hearing:
        """Tell whether every side that was copied since then has clicked: what else came out was printed."""
        if self._control is None:
            return Hearing.NONE
        return Hearing.ALL if since_s is not None and self._control.heard_s() <= since_s else Hearing.SOME

    async def mind(self, *, visit: bool, rest_s: float) -> None:
        """Permit copying until somewhat after the next look if a visit is open; else let it rest."""
        if self._control is None or (not visit and self._open is False):
            return
        try:
            if visit:
                await self._control.permit(rest_s + SPARE_S)
            else:
                await self._control.rest()
        except DriverError as error:
            if not self._lost:
                log.warning("the copier's enable line does not obey: %s", error)
            self._lost, self._open = str(error), None
            return
        self._lost, self._open = "", visit

    def row(self, raw: DeviceReading, books: Books, *, now: bool) -> CopiesMetered | None:
        """Return the row of what was clicked, unless the device's own counters tell the copies.

        Clicks beside a total stay where they are while that does not answer.
        """
        counts = raw.counters is not None or (raw.life is not None and raw.life.total is not None)
        if not books.epoch or (books.booked.metered and not counts):
            return None
        taken = self._take(raw.at.mono_s, now=now)
        return None if taken is None or raw.counters is not None else clicks.copied(books, taken, raw.at)

    def doubted(self, fact: Fact, raw: DeviceReading) -> Fact:
        """Return a fact of the books as it stands where copies of a total have not clicked: nobody heard them."""
        told = self._control is None or raw.counters is not None
        return fact if told or not isinstance(fact, CopiesMetered) else clicks.unheard(fact)

    def _take(self, at_s: float, *, now: bool) -> Clicks | None:
        """Return the clicks to be booked at this look: a whole batch, or what was kept long enough."""
        if self._control is None or (self.running and not now and at_s - self._taken_s < LONGEST_S):
            return None
        self._taken_s = at_s
        return self._control.take()
