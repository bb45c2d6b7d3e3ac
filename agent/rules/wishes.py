"""What the judge of a link asks of its prober: a closer look when in doubt, a check of the contract rate when idle.

The one idea: slow and polite when all is well, quick when in doubt, and never loud for long. A burst is asked again
only when the last one nearly ended; lonely losses and slow answers may cost at most twelve seconds of bursts a minute;
an outage is not probed harder than health; a rate check waits for a sound line, and its bytes are counted over restarts
against a monthly budget. Pure; part of `rules.links`.
"""

from __future__ import annotations

from collections import deque

from agent.rules.linkfacts import Health, LinkPolicy, LinkRated
from drivers.contract import Moment
from drivers.probing import Ask, Burst, CheckRate, ProbeKind, RateMeasured

BURST_S = 2.0
CLOSE = frozenset({ProbeKind.DNS, ProbeKind.CANARY, ProbeKind.ECHO})  # what may be asked for closely besides
LEFT_S = 0.3  # a burst with less left than this is asked again
AGAIN_S, LOOK_S = 5.0, 0.3  # while a portal or a broken resolver stands: so often, so long
QUALITY_S, QUALITY_BURSTS, QUALITY_WINDOW_S = 3.0, 4, 60.0  # to see how well it works, at most so many in that time
SETTLED_S = 600.0  # after a start, before the first rate check
BUSY_S = 3600.0  # after a check that could not be made
FASTEST_BIT_S = 100e6  # one MiB says nothing about faster lines
CHECK_BYTES = 1 << 20
STANDS = {Health.PORTAL: ProbeKind.CANARY, Health.DNS_BROKEN: ProbeKind.DNS}


class Wishes:
    """Collects what is wanted of one link's prober."""

    def __init__(self, policy: LinkPolicy) -> None:
        self.policy = policy
        self._wanted: list[Ask] = []
        self._burst_until_s = float("-inf")
        self._close_until_s: dict[ProbeKind, float] = {}
        self._for_quality: deque[float] = deque(maxlen=QUALITY_BURSTS)
        self._rate_due: Moment | None = None
        self._rate_wait_s = SETTLED_S
        self._month, self._spent = "", 0

    def take(self) -> tuple[Ask, ...]:
        """Return what is wanted, once."""
        wanted, self._wanted = tuple(self._wanted), []
        return wanted

    def consider(self, at: Moment, health: Health, suspicion: str) -> None:
        """Ask for what this moment calls for. `suspicion`: "reach", a kind of `CLOSE`, "quality", or ""."""
        if health in STANDS and at.mono_s >= self._burst_until_s + AGAIN_S:
            self._burst(at, LOOK_S, STANDS[health])
        elif suspicion in CLOSE:
            kind = ProbeKind(suspicion)
            if at.mono_s >= self._close_until_s.get(kind, float("-inf")) - LEFT_S:
                self._burst(at, BURST_S, kind)
        elif suspicion and at.mono_s >= self._burst_until_s - LEFT_S:
            if suspicion == "quality":
                if len(self._for_quality) == QUALITY_BURSTS and at.mono_s - self._for_quality[0] < QUALITY_WINDOW_S:
                    return
                self._for_quality.append(at.mono_s)
            self._burst(at, QUALITY_S if suspicion == "quality" else BURST_S)
        if health is Health.UP and not suspicion:
            self._check_rate(at)

    def _burst(self, at: Moment, for_s: float, kind: ProbeKind | None = None) -> None:
        self._burst_until_s = max(self._burst_until_s, at.mono_s + for_s)
        if kind is not None:
            self._close_until_s[kind] = at.mono_s + for_s
        self._wanted.append(Burst(for_s, kind))

    def _check_rate(self, at: Moment) -> None:
        policy = self.policy
        if not policy.rate_bytes_month or not 0 < policy.down_bit_s <= FASTEST_BIT_S:
            return
        if self._rate_due is None or self._rate_due.boot != at.boot:
            self._rate_due = at
        if at.mono_s - self._rate_due.mono_s < self._rate_wait_s:
            return
        self._rate_due, self._rate_wait_s = at, BUSY_S
        spent = self._spent if self._month == f"{at.utc:%Y-%m}" else 0
        if spent + CHECK_BYTES <= policy.rate_bytes_month:
            self._wanted.append(CheckRate(CHECK_BYTES))

    def rated(self, measured: RateMeasured) -> LinkRated:
        """Count what a check cost, and wait for the next."""
        why = measured.why.partition(":")[0]
        rate = None if measured.down_bit_s is None else round(measured.down_bit_s)
        fact = LinkRated(measured.link, rate, round(self.policy.down_bit_s), measured.received_bytes, why)
        self.restore(fact, measured.at)
        self._rate_wait_s = self.policy.rate_every_s if rate else BUSY_S
        return fact

    def restore(self, fact: LinkRated, at: Moment) -> None:
        """Count what an earlier check of this month cost."""
        month = f"{at.utc:%Y-%m}"
        self._spent = fact.received_bytes + (self._spent if month == self._month else 0)
        self._month = month
        if fact.down_bit_s:
            self._rate_due, self._rate_wait_s = at, self.policy.rate_every_s
