"""How long each link was down, by cause: summed from the stored `LinkChanged` facts, so nothing resets at a restart.

The one idea: an outage counts when it *ends* (or changes its cause), measured on the monotonic clock, because the wall
clock jumps just when a link is down. What nobody measured counts for nothing: when the links service starts anew,
the stretch ends there if it is the same boot; after a reboot what followed the last fact is unknown and left out.
Follows the ledger: each `read` costs what was added. One event loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.memory.ledger import Entry, Ledger
from agent.rules.health import ServiceStarted
from agent.rules.links import Cause, Health, LinkChanged
from drivers.contract import Moment


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A link is down for one cause since `mono_s` of `boot`."""

    cause: Cause
    mono_s: float
    boot: str


class Outages:
    """Follows one ledger's links."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seq = 0
        self._down: dict[str, _Stretch] = {}
        self._sums: dict[tuple[str, Cause], float] = {}

    def read(self) -> dict[tuple[str, Cause], float]:
        """Return (link, cause) -> seconds of the stretches that ended. Raises LedgerError."""
        for entry in self._ledger.entries(LinkChanged, ServiceStarted, since=self._seq):
            self._take(entry)
            self._seq = entry.seq
        return dict(self._sums)

    def _take(self, entry: Entry) -> None:
        fact = entry.fact
        if isinstance(fact, LinkChanged):
            began_s = _began_s(entry.at, fact)
            same = fact.was is Health.DOWN and fact.now is Health.DOWN
            self._end(fact.link, entry.at.boot, entry.at.mono_s if same else began_s)
            if fact.now is Health.DOWN:
                start_s = entry.at.mono_s if same else began_s
                self._down[fact.link] = _Stretch(fact.cause, start_s, entry.at.boot)
        elif isinstance(fact, ServiceStarted) and fact.service == "links":
            for link in list(self._down):
                self._end(link, entry.at.boot, entry.at.mono_s)

    def _end(self, link: str, boot: str, mono_s: float) -> None:
        stretch = self._down.pop(link, None)
        if stretch is not None and stretch.boot == boot:
            key = (link, stretch.cause)
            self._sums[key] = self._sums.get(key, 0.0) + max(0.0, mono_s - stretch.mono_s)


def _began_s(at: Moment, fact: LinkChanged) -> float:
    """Return when the present health began, on the monotonic clock: `since` lies a few seconds before the fact."""
    return at.mono_s - max(0.0, (at.utc - fact.since).total_seconds())
