"""The probes under way: which of them a frame answers, what that says, and how long it took. Pure.

The one idea: a frame counts only if everything in it is ours: our number, our identifier or port, the address that was
asked, and the MAC of the very box the probe was sent to. Whatever else comes (forged, of another's probes, from the
other box) answers nothing. A probe is remembered for 10 s, so that its late reply is known as late.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.contract import Moment
from drivers.frames import ICMP, TCP, UDP, Heard, Sort
from drivers.probing import Outcome, ProbeKind

FLOOR_S, CEILING_S, FIRST_S = 0.3, 2.0, 1.0  # of a probe's deadline; FIRST while nothing is known of the target
RARE_S = 0.6  # ... of what is asked now and then; longer than an echo's, so that a dead line is known before it
KEPT_S = 10.0  # 16-bit numbers cannot wrap in that time
_SORTS = {ICMP: (ProbeKind.ECHO, ProbeKind.HOP), UDP: (ProbeKind.DNS,), TCP: (ProbeKind.SYN,)}


@dataclass(slots=True)
class Flight:
    """One probe."""

    kind: ProbeKind
    target: str
    sent_s: float | None  # Moment.mono_s; None: not sent
    due_s: float
    size: int = 0
    ttl: int = 0  # HOP
    mac: bytes = b""  # the box it was sent to; b"": whoever answers a broadcast
    left_s: float = 0.0  # the kernel's stamp of its sending (CLOCK_REALTIME)
    told: bool = False
    answered: bool = False


@dataclass(slots=True)
class Strays:
    """Replies that told no fate."""

    late: int = 0  # after the deadline: the probe was told LOST
    double: int = 0  # the same reply again
    foreign: int = 0  # to no probe that we remember, or from another box's MAC


class Patience:
    """How long each target is waited for: four times what it needed lately."""

    def __init__(self) -> None:
        self._slowest: dict[str, float] = {}

    def learn(self, target: str, rtt_s: float) -> None:
        """Keep how long a target took: a rise at once, a fall slowly."""
        before_s = self._slowest.get(target, 0.0)
        self._slowest[target] = max(rtt_s, before_s + (rtt_s - before_s) / 8)

    def lasts_s(self, target: str, interval_s: float, *, arp: bool, rare: bool) -> float:
        """Return the deadline of a probe, in seconds from its sending."""
        if arp:
            return min(FLOOR_S, interval_s)  # so at most one is out, and any reply is its reply
        slowest_s = self._slowest.get(target)
        if rare:  # it taught nothing lately, and a queue may have filled since
            return min(CEILING_S, max(RARE_S, 4 * (slowest_s or 0.0)))
        return FIRST_S if slowest_s is None else min(CEILING_S, max(FLOOR_S, 4 * slowest_s))


class Flights:
    """`far` is the address that every HOP probe is on its way to."""

    def __init__(self, ident: int, port: int, far: str) -> None:
        self._ident, self._port, self._far = ident, port, far
        self._flights: dict[int, Flight] = {}

    def add(self, number: int, flight: Flight) -> None:
        """Remember a probe under the number that stands in its frame."""
        self._flights[number] = flight

    def drop(self, number: int) -> None:
        """Forget a probe that was not sent."""
        del self._flights[number]

    def left(self, number: int, left_s: float) -> None:
        """Note when the kernel saw it leave."""
        if number in self._flights:
            self._flights[number].left_s = left_s

    def waiting(self) -> list[Flight]:
        """Return the probes whose fate is not told."""
        return [flight for flight in self._flights.values() if not flight.told]

    def forget(self, now_s: float) -> None:
        """Forget what was told and can no longer come late."""
        for number in [n for n, f in self._flights.items() if f.told and (f.sent_s or 0.0) + KEPT_S < now_s]:
            del self._flights[number]

    def answered_by(self, heard: Heard) -> Flight | None:
        """Return the probe that a frame answers, if it comes from the box that the probe was sent to."""
        for flight in self._candidates(heard):
            asked = self._far if flight.kind is ProbeKind.HOP else flight.target
            if asked == heard.target and (not flight.mac or flight.mac == heard.mac):
                return flight
        return None

    def _candidates(self, heard: Heard) -> Iterator[Flight]:
        """Yield the probes that the numbers in a frame speak of."""
        if heard.sort is Sort.ARP:
            waiting = (each for each in self.waiting() if each.kind is ProbeKind.ARP)
            yield from itertools.islice(itertools.chain(waiting, self._latest(ProbeKind.ARP)), 1)
        elif heard.ident != (self._ident if heard.protocol == ICMP else self._port):
            return
        elif heard.protocol == UDP and heard.number < 0:
            yield from self._latest(ProbeKind.DNS)
        else:
            number = heard.number
            if heard.protocol == TCP:
                number = number >> 16 if number & 0xFFFF == self._ident else -1
            flight = self._flights.get(number)
            if flight is not None and flight.kind in _SORTS[heard.protocol]:
                yield flight

    def _latest(self, kind: ProbeKind) -> Iterator[Flight]:
        return (flight for flight in reversed(self._flights.values()) if flight.kind is kind)


def meaning(flight: Flight, heard: Heard, answers: tuple[str, ...]) -> tuple[Outcome, str]:
    """Return what a frame says about the probe it answers; `answers` are the known ones of the DNS question."""
    if heard.error is not None and not (flight.kind is ProbeKind.HOP and heard.error.type == 11):
        return Outcome.UNREACHABLE, heard.target if flight.kind is ProbeKind.HOP else ""
    if heard.sort is not Sort.DNS:
        return (Outcome.REFUSED if heard.refused else Outcome.REPLIED), ""
    says = ", ".join(heard.says)[:200]
    if heard.refused:
        return Outcome.REFUSED, says
    right = set(answers).intersection(heard.says) if answers else heard.says
    return (Outcome.REPLIED if right else Outcome.WRONG), says or "no address"


def stepped_s(was: Moment, now: Moment) -> float:
    """Return by how much the wall clock moved against the monotonic one."""
    return (now.utc - was.utc).total_seconds() - (now.mono_s - was.mono_s)


def round_trip(flight: Flight, now: Moment, stamp: float) -> tuple[float, bool]:
    """Return the round trip, and whether it lies between two stamps of the kernel (`stamp`: the arrival's).

    Without a stamp of the sending, or where the wall clock stepped in between, it is ours, less the time that the reply
    waited for us.
    """
    ours_s = now.mono_s - (flight.sent_s or 0.0)
    if flight.left_s and stamp and 0.0 <= stamp - flight.left_s <= ours_s + 0.001:
        return stamp - flight.left_s, True
    behind_s = now.utc.timestamp() - stamp
    return (ours_s - behind_s if 0.0 < behind_s < ours_s else ours_s), False
