"""What a probed internet link shows, and what its judge may ask of it. Pure; the links part of `drivers.contract`.

The one idea: a prober gives *evidence*, never a verdict. Every probe has exactly one fate; words that come after it
(late, duplicate) are told apart; and once a round the prober says how far it trusts itself, because silence that we
caused ourselves is nobody's outage. What a rule wants looked at more closely it returns as a value, and the story hands
that to the prober: nothing here waits, measures or decides.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from drivers.contract import LinkId, Moment


class ProbeKind(StrEnum):
    """What was asked of the far end. `target` of the reply is the address in brackets."""

    ARP = "arp"  # who has the gateway's address? (RFC 826): says whether the box itself lives [the gateway]
    HOP = "hop"  # an echo that dies at the first router behind the box (RFC 792 type 11) [that router; "" unknown yet]
    ECHO = "echo"  # ICMP echo (RFC 792) [a far target]
    DNS = "dns"  # the site's test name, type A (RFC 1035) [a resolver: the link's own or the public one]
    SYN = "syn"  # TCP SYN, answered by SYN-ACK (RFC 9293 section 3.5) [a far target]
    CANARY = "canary"  # HTTP GET of a page whose words are known (RFC 9110) [its server]


class Outcome(StrEnum):
    """What came back. Exactly one *fate* per probe; LATE and DUPLICATE are words after the fate, and never one."""

    REPLIED = "replied"
    LOST = "lost"  # nothing before the deadline
    UNREACHABLE = "unreachable"  # an ICMP error for our probe (RFC 792 type 3, 11): `error` says which, and from whom
    REFUSED = "refused"  # the far end itself said no: TCP reset; DNS rcode other than 0 (`says`); HTTP status >= 500
    WRONG = "wrong"  # an answer, but not the known one: a lying resolver, a portal (`says`)
    NO_CARRIER = "no_carrier"  # the interface is down or has no cable: nothing was sent
    LATE = "late"  # no fate: the reply to a probe told LOST, up to 10 s after it was sent
    DUPLICATE = "duplicate"  # no fate: one more reply to a probe already answered

    @property
    def fate(self) -> bool:
        """Return True for the one outcome that counts a probe."""
        return self not in {Outcome.LATE, Outcome.DUPLICATE}


@dataclass(frozen=True, slots=True)
class IcmpError:
    """Who refused a packet of ours, and why (RFC 792, RFC 1191)."""

    by: str  # the router that says so: an IPv4 address; "" where only the kernel was told (CANARY)
    type: int  # 3 destination unreachable, 11 time exceeded
    code: int  # of type 3: 0 net, 1 host, 3 port, 4 too big with DF, 9, 10, 13 prohibited


@dataclass(frozen=True, slots=True)
class ProbeReply:
    """The fate of one probe, given at its reply or its deadline, whichever came first; or a word after it."""

    at: Moment  # when the fate was known
    link: LinkId
    kind: ProbeKind
    target: str  # an IPv4 address
    outcome: Outcome
    rtt_s: float | None  # of REPLIED, LATE and DUPLICATE; else None
    sent_s: float | None = None  # Moment.mono_s of the sending; LATE has that of its LOST. None: not sent
    mac: str = ""  # Ethernet source of what came back, "02:aa:..": the box it came through; "" nothing, or not seen
    error: IcmpError | None = None  # UNREACHABLE
    says: str = ""  # DNS: addresses, or the rcode ("NXDOMAIN"); CANARY: status and Location; at most 200 characters;
    # UNREACHABLE HOP: the far target it was on its way to
    kernel: bool = False  # `rtt_s` lies between two kernel time stamps, so our own load is not in it
    size: int = 0  # IP bytes of an ECHO that was sent bigger than usual to look for an MTU hole, else 0


@dataclass(frozen=True, slots=True)
class WireReading:
    """The interface and the watcher itself, once a round: what the fates of that round must be read against.

    Where frames were dropped, a wake-up was late by more than the shortest deadline (0.3 s) or the clock stepped
    (NTP slews at most 0.5 ms a second), silence in this window proves nothing: UNKNOWN, never DOWN.
    """

    at: Moment
    link: LinkId
    carrier: bool
    address: str  # our own IPv4 address on it, "" if it has none now
    gateway_mac: str  # the box that probes go through; "" while none has answered
    gateway_age_s: float | None  # since that box last answered an ARP; None if never
    received_bytes: int | None  # by the interface since it exists: all hosts' traffic only if we are the router; or by
    sent_bytes: int | None  # the box's line since we ask it. None: nobody tells; two boxes share our interface
    dropped: int  # frames for us that the kernel threw away since the last reading (packet(7) PACKET_STATISTICS)
    stepped_s: float  # the wall clock moved by this against the monotonic one since the last reading
    starved_s: float  # the longest that a wake-up of ours was late since the last reading
    foreign: int  # frames since the last reading that answered no probe of ours: forged, garbage, another's
    window_s: float  # the time since the last reading


@dataclass(frozen=True, slots=True)
class RateMeasured:
    """One check of the contract rate: what the line carried, or why it was not measured."""

    at: Moment
    link: LinkId
    down_bit_s: float | None  # bits of IP per second, from packet spacing; None: not measured
    received_bytes: int  # what it cost of the line, also where it failed
    why: str = ""  # "" measured, "busy", "failed: ..."


@dataclass(frozen=True, slots=True)
class Burst:
    """Asked of a prober: look hard now. Every kind at once, then ECHOes each 0.1 s, ARP and HOP each 0.5 s.

    Asked again while one runs, it goes on until `for_s` from now; it never gets faster. With a kind, that one is asked
    closely besides: names and full-sized echoes each 0.2 s, the page once a second.
    """

    for_s: float = 2.0
    kind: ProbeKind | None = None  # DNS, CANARY, or ECHO of full size


@dataclass(frozen=True, slots=True)
class CheckRate:
    """Asked of a prober: measure the contract rate now, if the line is idle."""

    max_bytes: int = 1 << 20
    idle_bit_s: float = 200_000.0  # more than this on the interface in the last second is "busy"


@dataclass(frozen=True, slots=True)
class Page:
    """A web page at an address, so that no DNS is in its way."""

    at: str  # IPv4 address of its server, port 80
    host: str  # RFC 9110 section 7.2 Host
    path: str
    says: str = ""  # what its content begins with; "": an answer with status 204 (RFC 9110 section 15.3.5)


SYN_S, CANARY_S, FULL_S = 15.0, 6.0, 5.0  # how often, when all is well
DNS_S, OTHERS_S = 3.5, 10.0  # ... the link's own resolver, and each other one, which speaks only beside it
AT_ONCE = 3  # ECHOes that leave together: a wake-up costs more than a probe
EACH = 2  # ECHOes to each target in a round
FULL = 1500  # bytes of an IP packet that fills an Ethernet frame (RFC 894)


@dataclass(frozen=True, slots=True)
class BoxCounters:
    """Where a box counts its line's bytes: SNMP version 2c, read only (IF-MIB, RFC 2863)."""

    community: str  # its read-only community
    if_index: int  # ifIndex of its WAN interface


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What is asked of one link, and how often. Where nothing is given, that kind is not asked.

    A round is one ARP, one HOP and `turns`, spread over `interval_s`; a turn is an ECHO to each of `at_once` targets,
    one after the other, and so is each tenth of a second of a burst. Besides, every so often: the name of each
    resolver, a SYN to one target (port 443), the canary, an ECHO of full size; never more often than once in two
    rounds. Each comes often enough for a cause to be told within ten seconds.
    """

    gateway: str  # "": the interface's own default route, as DHCP changes it
    targets: tuple[str, ...]
    interval_s: float = 1.0
    sparing: bool = False  # the line's bytes are counted: each target once a round, also in a burst one at a time
    gateway_mac: str = ""  # which of the boxes on one LAN: "02:aa:.."; "": the one that answers
    resolvers: tuple[str, ...] = ()  # the link's own first
    name: str = ""  # asked of the resolvers
    answers: tuple[str, ...] = ()  # its known addresses; one of them must be in an answer. None: any will do
    canary: Page | None = None
    rate: Page | None = None  # at least 1 MiB
    box_counters: BoxCounters | None = None  # the box's, in place of our interface's

    @property
    def at_once(self) -> int:
        """Return how many ECHOes leave together."""
        return 1 if self.sparing else max(1, min(AT_ONCE, len(self.targets)))

    @property
    def turns(self) -> int:
        """Return how often ECHOes leave in a round."""
        return max(1, math.ceil((1 if self.sparing else EACH) * len(self.targets) / self.at_once))


Ask = Burst | CheckRate
LinkSight = ProbeReply | WireReading | RateMeasured


class Prober(Protocol):
    """Probes one link, pinned to it: its frames cannot leave by another."""

    def replies(self) -> AsyncIterator[LinkSight]:
        """Yield the fate of every probe, one per probe, in the order the fates became known, and what else was seen.

        Raises DriverError if probing itself fails (no permission, no such interface): the link is then
        UNKNOWN, never down.
        """

    def ask(self, ask: Ask) -> None:
        """Hand over what the rule wants. Never blocks; without effect while nobody reads `replies`."""
