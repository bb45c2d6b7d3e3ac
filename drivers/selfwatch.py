"""How far a prober may trust itself: what went wrong on our own side since it last said so.

The one idea: a silence that we caused ourselves is nobody's outage. So once a round, and at once where it spoils a
fate, a prober says what it did not hear: frames that the kernel threw away (packet(7) PACKET_STATISTICS), wake-ups that
were late, a wall clock that stepped; and what it heard that answered nothing. Each is counted from word to word.
"""

from __future__ import annotations

from typing import Protocol

from drivers.contract import LinkId, Moment
from drivers.flights import stepped_s
from drivers.probing import WireReading

STARVED_S, STEPPED_S = 0.25, 0.5  # then the word comes at once, before the fates it spoils


class Interface(Protocol):
    """What is asked of `drivers.wire.Wire`."""

    def address(self) -> str:
        """Return its address, "" if it has none."""

    def dropped(self) -> int:
        """Return how many frames were thrown away since it was last asked."""


class SelfWatch:
    """Counts from `reading` to `reading`."""

    def __init__(self, link: LinkId, interface: Interface, now: Moment) -> None:
        self._link, self._interface, self._at = link, interface, now
        self.foreign = 0  # frames that answered no probe
        self._dropped, self._starved_s = 0, 0.0

    def woken(self, late_s: float) -> bool:
        """Take in how late a wake-up was; True if that must be said before anything is judged."""
        self._starved_s = max(self._starved_s, late_s)
        return self._starved_s > STARVED_S

    def spoiled(self, now: Moment) -> bool:
        """Tell, before a loss is told, whether it may be our own."""
        self._dropped += self._interface.dropped()
        return bool(self._dropped) or abs(stepped_s(self._at, now)) > STEPPED_S

    def reading(
        self, now: Moment, *, carrier: bool, box: bytes, box_at_s: float | None, counted: tuple[int, int] | None
    ) -> WireReading:
        """Say how the interface is and how we are, and count anew. `box`: the MAC that probes go through."""
        received, sent = counted or (None, None)
        told = WireReading(
            at=now,
            link=self._link,
            carrier=carrier,
            address=self._interface.address(),
            gateway_mac=box.hex(":"),
            gateway_age_s=None if box_at_s is None else now.mono_s - box_at_s,
            received_bytes=received,
            sent_bytes=sent,
            dropped=self._dropped + self._interface.dropped(),
            stepped_s=stepped_s(self._at, now),
            starved_s=self._starved_s,
            foreign=self.foreign,
            window_s=now.mono_s - self._at.mono_s,
        )
        self._at, self._dropped, self._starved_s, self.foreign = now, 0, 0.0, 0
        return told
