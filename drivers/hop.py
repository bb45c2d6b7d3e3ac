"""Finds the first router of the provider, and finds it again when the line is another one. Pure.

The one idea: an echo that may cross N routers dies at number N, which says so (RFC 792 type 11). Number 1 is the box
itself; the first that answers beyond it and is of no private network (RFC 1918: a second box of the house) is the
provider's. It tells a dead line from a dead internet. A line whose routers are all silent has no hop: "" then.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

FIRST, LAST = 2, 5  # times to live that are tried
SILENT = 30  # unanswered in a row, while far targets answer: the hop is another one now
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class HopFinder:
    """`ttl` is what the next probe should have; `address` is the hop's, "" while none is known."""

    def __init__(self) -> None:
        self.address = ""
        self.ttl = FIRST
        self._found = 0  # the hop's time to live, 0 while none is known
        self._spare: tuple[int, str] | None = None  # a private router that answered
        self._silent = 0  # probes unanswered in a row
        self._reached = False  # a far target answered since

    def answered(self, ttl: int, by: str) -> None:
        """Say that router `by` answered a probe with this time to live."""
        if self._found:
            if ttl == self._found:
                self.address, self._silent, self._reached = by, 0, False
            return
        if any(IPv4Address(by) in network for network in PRIVATE):
            self._spare = self._spare or (ttl, by)
            self._next(ttl)
        else:
            self._settle(ttl, by)

    def lost(self, ttl: int) -> None:
        """Say that nobody answered a probe with this time to live."""
        if not self._found:
            self._next(ttl)
        elif ttl == self._found:
            self._silent += 1
            if self._silent >= SILENT and self._reached:
                self.__init__()  # type: ignore[misc]

    def reached(self) -> None:
        """Say that a far target answered."""
        self._reached = True

    def _settle(self, ttl: int, by: str) -> None:
        self.address, self._found, self.ttl, self._silent, self._reached = by, ttl, ttl, 0, False

    def _next(self, ttl: int) -> None:
        if ttl != self.ttl:  # an older answer
            return
        if ttl < LAST:
            self.ttl = ttl + 1
        elif self._spare is not None:
            self._settle(*self._spare)
        else:
            self.ttl = FIRST
