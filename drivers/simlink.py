"""A simulated internet line and its prober: `probing.Prober` without a wire, in real or virtual time.

A round's fates are known at its end, in one go, so that a month of them is cheap; a lost probe waits for its deadline
first. Lines are cut, refused, saturated and lied to by the verbs of `drivers.verbs`, each as it looks from a box on the
line: what stops where, what comes back instead, and how late.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace

from drivers.contract import Clock, LinkId, Moment
from drivers.probing import (
    CANARY_S,
    DNS_S,
    FULL,
    FULL_S,
    OTHERS_S,
    SYN_S,
    Ask,
    Burst,
    CheckRate,
    IcmpError,
    LinkSight,
    Outcome,
    ProbeKind,
    ProbePlan,
    ProbeReply,
    RateMeasured,
    WireReading,
)
from drivers.verbs import LinkVerb

DEADLINE_S = 1.0  # a lost probe's fate is known after this, or after the interval if that is shorter
BURST_S, BURST_TURNS = 0.5, 5  # between the rounds of a burst, and how often echoes leave in one
CLOSE_TURNS = 2  # ... and how often what is asked closely
ARP_S, HOP_S, LINE_S = 0.0004, 0.009, 0.018  # round trips
BLOAT_S, SWING, SWING_S = 0.6, 0.3, 7.1  # a full modem queue; it shrinks by so much, and grows again, in that time
MAC, HOP = "02:00:00:00:00:01", "100.64.0.254"
RATE_BIT_S = 17e6
FAULTS = {"cut", "box", "unplug", "refuse", "isp", "portal", "dns", "saturate", "silence", "hole"}


@dataclass
class Line:
    """One internet line, and what is wrong with it."""

    faults: dict[str, str] = field(default_factory=dict)  # name -> what: FAULTS
    loss_share: float = 0.0
    delay_s: float = LINE_S
    mac: str = MAC
    mending: asyncio.TimerHandle | None = None

    def obey(self, verb: LinkVerb) -> None:
        """Do what a verb says, now; it mends itself where the verb says so."""
        if self.mending is not None:
            self.mending.cancel()
            self.mending = None
        match verb.name:
            case "mend":
                self.faults, self.loss_share, self.delay_s = {}, 0.0, LINE_S
            case "loss":
                self.loss_share = verb.amount
            case "delay":
                self.delay_s = verb.amount
            case "move":
                self.mac = f"{self.mac[:-2]}{int(self.mac[-2:], 16) % 255 + 1:02x}"
            case _:
                self.faults[verb.name] = verb.what
        if verb.for_s is not None:
            mend = replace(verb, name="mend", for_s=None)
            self.mending = asyncio.get_running_loop().call_later(verb.for_s, self.obey, mend)


class SimProber:
    """`probing.Prober` over a simulated line. `rolls` is the building's die for lost probes."""

    def __init__(self, clock: Clock, line: Line, rolls: Callable[[float], bool], link: LinkId, plan: ProbePlan) -> None:
        self._clock, self._line, self._rolls, self._link, self._plan = clock, line, rolls, link, plan
        self._rare_s: dict[str, float] = {}  # when each rare probe is due
        self._hard_until_s = 0.0
        self._close_until_s: dict[ProbeKind | None, float] = {}
        self._asked: list[CheckRate] = []
        self._woken = asyncio.Event()
        self._read_at: Moment | None = None

    def ask(self, ask: Ask) -> None:
        """See `probing.Prober`."""
        if isinstance(ask, Burst):
            now_s = self._clock.now().mono_s
            if now_s >= self._hard_until_s:
                self._rare_s.clear()
            self._hard_until_s = max(self._hard_until_s, now_s + ask.for_s)
            self._close_until_s[ask.kind] = now_s + ask.for_s
        else:
            self._asked.append(ask)
        self._woken.set()

    async def replies(self) -> AsyncIterator[LinkSight]:
        """Yield one round of sights per interval; in a burst two a second."""
        while True:
            began = self._clock.now()
            hard = began.mono_s < self._hard_until_s
            every_s = BURST_S if hard else self._plan.interval_s
            fates = list(self._fates(began.mono_s, hard=hard))
            lost = any(fate.outcome is Outcome.LOST for fate in fates)
            if lost:
                await asyncio.sleep(min(DEADLINE_S, every_s))
            yield self._reading()
            now = self._clock.now()
            for fate in fates:
                yield replace(fate, at=now)
            for ask in self._asked:
                yield self._rate(now, ask)
            self._asked.clear()
            await self._wait(began.mono_s + every_s - self._clock.now().mono_s)

    async def _wait(self, wait_s: float) -> None:
        """Wait for the next round; an `ask` begins it at once."""
        self._woken.clear()
        if wait_s > 0:
            waiting = asyncio.get_running_loop().call_later(wait_s, self._woken.set)
            try:
                await self._woken.wait()
            finally:
                waiting.cancel()

    def _fates(self, now_s: float, *, hard: bool) -> Iterator[ProbeReply]:
        plan, targets = self._plan, self._plan.targets
        yield self._fate(ProbeKind.ARP, plan.gateway)
        yield self._fate(ProbeKind.HOP, HOP)
        if not targets:
            return
        turns, span_s = (BURST_TURNS, BURST_S) if hard else (plan.turns, plan.interval_s)
        for at in range(turns * plan.at_once):
            early_s = span_s * (1 - (at // plan.at_once + 1) / turns)
            yield self._fate(ProbeKind.ECHO, targets[at % len(targets)], early_s=early_s)
        if self._due("syn", SYN_S, now_s):
            yield self._fate(ProbeKind.SYN, targets[0])
        for early_s in self._turns("full", FULL_S, now_s, ProbeKind.ECHO):
            yield self._fate(ProbeKind.ECHO, targets[0], size=FULL, early_s=early_s)
        for at, resolver in enumerate(plan.resolvers):
            for early_s in self._turns(resolver, OTHERS_S if at else DNS_S, now_s, ProbeKind.DNS):
                yield self._fate(ProbeKind.DNS, resolver, early_s=early_s)
        if plan.canary is not None:
            for _ in self._turns("canary", CANARY_S, now_s, ProbeKind.CANARY)[-1:]:
                yield self._fate(ProbeKind.CANARY, plan.canary.at)

    def _turns(self, name: str, every_s: float, now_s: float, kind: ProbeKind) -> list[float]:
        """Return how long before a round's end each probe of a rare kind leaves."""
        if now_s < self._close_until_s.get(kind, now_s):
            return [BURST_S * turn / CLOSE_TURNS for turn in reversed(range(CLOSE_TURNS))]
        return [0.0] if self._due(name, every_s, now_s) else []

    def _due(self, name: str, every_s: float, now_s: float) -> bool:
        if self._rare_s.get(name, 0.0) > now_s:
            return False
        self._rare_s[name] = now_s + max(every_s, 2 * self._plan.interval_s)
        return True

    def _fate(self, kind: ProbeKind, target: str, *, size: int = 0, early_s: float = 0.0) -> ProbeReply:
        outcome, rtt_s, error, says = self._comes(kind, target, size)
        now = self._clock.now()
        sent_s = None if outcome is Outcome.NO_CARRIER else now.mono_s - early_s
        mac = "" if rtt_s is None and error is None and outcome is not Outcome.WRONG else self._line.mac
        return ProbeReply(now, self._link, kind, target, outcome, rtt_s, sent_s, mac, error, says, size=size)

    def _comes(  # noqa: PLR0911  (one line per way a line can be)
        self, kind: ProbeKind, target: str, size: int
    ) -> tuple[Outcome, float | None, IcmpError | None, str]:
        line, faults = self._line, self._line.faults
        lost = (Outcome.LOST, None, None, "")
        if "unplug" in faults:
            return Outcome.NO_CARRIER, None, None, ""
        if "box" in faults:
            return lost
        if kind is ProbeKind.ARP:
            return Outcome.REPLIED, ARP_S, None, ""
        if "refuse" in faults:
            return Outcome.UNREACHABLE, None, IcmpError(self._plan.gateway, 3, 1), ""
        if "cut" in faults or ("isp" in faults and kind is not ProbeKind.HOP) or self._rolls(line.loss_share):
            return lost
        if faults.get("silence") == target or ("hole" in faults and size):
            return lost
        own = kind is ProbeKind.DNS and target == self._plan.resolvers[0]
        if own and faults.get("dns") == "dead":
            return lost
        if own and faults.get("dns") == "lying":
            return Outcome.WRONG, None, None, "10.9.9.9"
        if "portal" in faults and kind is ProbeKind.CANARY:
            return Outcome.WRONG, None, None, "302 http://portail.example/"
        swing = self._clock.now().mono_s % SWING_S / SWING_S
        bloat_s = BLOAT_S * (1 - SWING * swing) if "saturate" in faults else 0.0
        return Outcome.REPLIED, bloat_s + (HOP_S if kind is ProbeKind.HOP else line.delay_s), None, ""

    def _reading(self) -> WireReading:
        now, was = self._clock.now(), self._read_at
        self._read_at = now
        return WireReading(
            at=now,
            link=self._link,
            carrier="unplug" not in self._line.faults,
            address="192.168.1.2",
            gateway_mac=self._line.mac,
            gateway_age_s=0.0,
            received_bytes=None,
            sent_bytes=None,
            dropped=0,
            stepped_s=0.0,
            starved_s=0.0,
            foreign=0,
            window_s=now.mono_s - was.mono_s if was is not None and was.boot == now.boot else 0.0,
        )

    def _rate(self, now: Moment, ask: CheckRate) -> RateMeasured:
        faults = self._line.faults
        if "saturate" in faults:
            return RateMeasured(now, self._link, None, 0, "busy")
        if faults.keys() & {"cut", "box", "unplug", "refuse", "isp", "portal"} or self._plan.rate is None:
            return RateMeasured(now, self._link, None, 0, "failed: no answer")
        return RateMeasured(now, self._link, RATE_BIT_S, ask.max_bytes, "")
