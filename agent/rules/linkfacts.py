"""What a link can be, why, and the facts that say so.

The one idea: a *state* says what members can do (`Health`), a *cause* where to look (`Cause`); each fact closes the
books of the stretch before it, so that the sums of a link are the sum of its facts. A gap is UNKNOWN: measured by
nobody, and nobody's fault. Facts hold ids, quantities and addresses of machines, never a person's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import Fact, Total, total


class Health(StrEnum):
    """How a link is, for those who use it."""

    UP = "up"
    DEGRADED = "degraded"  # it works, badly
    SATURATED = "saturated"  # it works and is full: our own use, not the provider's fault
    PORTAL = "portal"  # a page of the provider's stands before every other: a suspended line
    DNS_BROKEN = "dns_broken"  # the line is fine, names are not found
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody measured: never the provider's fault


class Cause(StrEnum):
    """Where to look."""

    NONE = "none"
    CABLE = "cable"  # DOWN: no carrier on our interface
    BOX = "box"  # DOWN: the provider's box does not answer any more
    LINE = "line"  # DOWN: the box is fine, the provider's first router does not answer
    ISP = "isp"  # DOWN: the provider's first router is fine, nothing behind it
    INTERNET = "internet"  # DOWN: the box is fine, and no router is known that would tell line from provider
    LOSS = "loss"  # DEGRADED
    DELAY = "delay"  # DEGRADED
    FLAPPING = "flapping"  # DEGRADED: it was down again and again
    HOLE = "hole"  # DEGRADED: full-sized packets vanish (RFC 2923)
    UPLOAD = "upload"  # SATURATED
    DOWNLOAD = "download"  # SATURATED
    PAGE = "page"  # PORTAL
    DNS_DEAD = "dns_dead"  # DNS_BROKEN: the provider's resolver is silent or refuses
    DNS_LYING = "dns_lying"  # DNS_BROKEN: it gives wrong addresses
    GAP = "gap"  # UNKNOWN: we did not measure
    DOUBT = "doubt"  # UNKNOWN: we measured, and do not believe it


CAUSES: dict[Health, tuple[Cause, ...]] = {
    Health.UP: (Cause.NONE,),
    Health.DEGRADED: (Cause.LOSS, Cause.DELAY, Cause.FLAPPING, Cause.HOLE),
    Health.SATURATED: (Cause.UPLOAD, Cause.DOWNLOAD),
    Health.PORTAL: (Cause.PAGE,),
    Health.DNS_BROKEN: (Cause.DNS_DEAD, Cause.DNS_LYING),
    Health.DOWN: (Cause.CABLE, Cause.BOX, Cause.LINE, Cause.ISP, Cause.INTERNET),
    Health.UNKNOWN: (Cause.GAP, Cause.DOUBT),
}
OUT = frozenset({Health.DOWN, Health.PORTAL, Health.DNS_BROKEN})  # nobody can work: an outage
WORKS = frozenset({Health.UP, Health.DEGRADED, Health.SATURATED})  # members get through


def _seconds(link: str, health: Health, cause: Cause, seconds: float) -> tuple[Total, ...]:
    if seconds <= 0:
        return ()
    if health in {Health.UP, Health.UNKNOWN}:
        return (total(f"link_{health.value}_seconds", seconds, link=link),)
    return (total(f"link_{health.value}_seconds", seconds, link=link, cause=cause.value),)


@dataclass(frozen=True, slots=True)
class LinkChanged(Fact):
    """A link changed its health, or within the same health its cause."""

    kind: ClassVar[str] = "link-changed"

    link: str
    was: Health
    now: Health
    cause: Cause
    since: datetime  # when the present health began: the last good reply for DOWN, the first one for UP
    evidence: str  # which probes said so, in a few words, e.g. "arp 2/2, hop 0/3, echo 0/9"
    was_cause: Cause = Cause.NONE
    lasted_s: float = 0.0  # measured seconds of (`was`, `was_cause`) that no earlier fact booked

    def totals(self) -> tuple[Total, ...]:
        """Book the stretch that ended, and count an outage when one begins."""
        sums = _seconds(self.link, self.was, self.was_cause, self.lasted_s)
        if self.now in OUT and self.was not in OUT:
            sums += (total("link_outages", 1, link=self.link, cause=self.cause.value),)
        return sums


@dataclass(frozen=True, slots=True)
class LinkMeasured(Fact):
    """A stretch of one state was measured: the books of a link, hourly and at a clean stop. Not a change."""

    kind: ClassVar[str] = "link-measured"

    link: str
    health: Health
    cause: Cause
    until: datetime
    seconds: float  # since the last fact that booked this link
    sent: int  # probes in that time; those that found no carrier were not sent
    lost: int

    def totals(self) -> tuple[Total, ...]:
        """Book the seconds and the probes."""
        probes = (
            total("link_probes", self.sent, link=self.link),
            total("link_probes_lost", self.lost, link=self.link),
        )
        return _seconds(self.link, self.health, self.cause, self.seconds) + (probes if self.sent else ())


@dataclass(frozen=True, slots=True)
class LinkRated(Fact):
    """The rate that a line delivers was measured, beside what the contract says."""

    kind: ClassVar[str] = "link-rated"

    link: str
    down_bit_s: int | None  # of IP; None: not measured
    contract_bit_s: int  # of that day's site file
    received_bytes: int  # what it cost of the line
    why: str  # "" measured, "busy", "failed"


@dataclass(frozen=True, slots=True)
class OutageReported(Fact):
    """The animator told the provider of an outage. The reference is the provider's, never a name."""

    kind: ClassVar[str] = "outage-reported"

    link: str
    began: datetime  # of the outage: the second of `LinkChanged.since`
    reported: datetime
    reference: str  # the provider's file number; "" none given
    actor: str  # an account's id


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """How much evidence a verdict needs. `interval_s` is one round of probes."""

    interval_s: float = 1.0
    silent_echoes: int = 9  # lost in a row, over all voting targets ...
    silent_rounds: int = 3  # ... and of each of them ...
    silent_s: float = 1.8  # ... over at least so long: one bad spell is no outage, however many probes it ate
    suspect_echoes: int = 3  # lost in a row, and not in one moment: look hard
    moment_s: float = 0.09  # echoes that left within it were in one bad moment
    refusals: int = 2  # ICMP errors in a row, from different targets where there are several: no need to wait
    good_rounds: int = 3  # answered in a row by one target ...
    good_s: float = 1.5  # ... over at least so long
    silent_arps: int = 2  # lost in a row: the box is silent
    no_carriers: int = 2  # sights in a row that found no carrier
    gap_rounds: int = 10
    doubts: int = 3  # rounds in a row that we do not believe: UNKNOWN
    flaps: int = 3  # times down within `flap_s`: flapping, until it was calm for `calm_s`
    flap_s: float = 600.0
    calm_s: float = 120.0
    resolver: str = ""  # the link's own; "": all that are asked must fail
    delay_s: float = 0.03  # round trips longer than usual by this (and by as much again as usual) are slow
    down_bit_s: float = 0.0  # the contract; 0: not said
    up_bit_s: float = 0.0
    rate_bytes_month: int = 0  # for rate checks; 0: none
    rate_every_s: float = 86_400.0
