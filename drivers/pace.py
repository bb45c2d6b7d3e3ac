"""When each probe of a link is due: a slow round when all is well, ten a second when somebody looks hard. Pure.

A *round* is spread evenly over its interval. *Rare* acts come every so often, together with a turn of the round, and
all at once when a burst begins; one kind of them may be asked *closely* in it. A burst takes the round's place for a
while, and the round goes on behind it as spread as before. Time that was slept through is not caught up: that would be
a volley of probes, and is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from drivers.probing import CANARY_S, DNS_S, FULL_S, OTHERS_S, SYN_S, Page, ProbeKind, ProbePlan

BURST_S, BURST_BOX_S = 0.1, 0.5  # in a burst: echoes, and ARP with HOP
CLOSE_S, CLOSE_PAGE_S = 0.2, 1.0  # closely: names or full-sized echoes, and pages
Act = Callable[[], None]


class Asker(Protocol):
    """Whoever sends a link's probes: each method one probe of its kind, or one to each target whose turn it is."""

    def ask_arp(self) -> None:
        """Ask the box for its MAC."""

    def ask_hop(self) -> None:
        """Ask the first router behind the box."""

    def ask_targets(self) -> None:
        """Ask the far targets whose turn it is."""

    def ask_syn(self) -> None:
        """Knock at one target's TCP port."""

    def ask_full(self) -> None:
        """Send one echo of full size."""

    def ask_name(self, resolver: str) -> None:
        """Ask one resolver for the test name."""

    def ask_page(self, page: Page) -> None:
        """Get the page."""


@dataclass(slots=True)
class _Job:
    every_s: float
    next_s: float
    act: Act

    def skip(self, to_s: float) -> None:
        """Leave out the turns before `to_s`; its place in the round stays."""
        self.next_s += max(0, math.ceil((to_s - self.next_s) / self.every_s)) * self.every_s


class Pace:
    """`rare`, `hard` and `close` give (seconds between, act). All times are Moment.mono_s."""

    def __init__(
        self,
        now_s: float,
        interval_s: float,
        turns: Sequence[Act],
        rare: Sequence[tuple[float, Act]],
        hard: Sequence[tuple[float, Act]],
        close: Mapping[ProbeKind, Sequence[tuple[float, Act]]],
    ) -> None:
        step_s = interval_s / len(turns)
        self._round = [_Job(interval_s, now_s + at * step_s, act) for at, act in enumerate(turns)]
        self._rare = [
            _Job(max(every_s, 2 * interval_s), now_s + at % len(turns) * step_s, act)
            for at, (every_s, act) in enumerate(rare)
        ]
        self._hard = [_Job(every_s, now_s, act) for every_s, act in hard]
        self._hard_until_s = now_s
        self._close = {kind: [_Job(every_s, now_s, act) for every_s, act in acts] for kind, acts in close.items()}
        self._close_until_s = dict.fromkeys(close, now_s)

    def burst(self, now_s: float, for_s: float, kind: ProbeKind | None = None) -> None:
        """Look hard for `for_s` from now; all rare acts are due at once where a burst begins."""
        begins = self._hard_until_s <= now_s
        if begins:
            for job in (*self._hard, *self._rare):
                job.next_s = now_s
        if kind in self._close:
            if self._close_until_s[kind] <= now_s:
                for job in self._close[kind]:
                    job.next_s = now_s + job.every_s * begins  # as a rare act it is due already
            self._close_until_s[kind] = max(self._close_until_s[kind], now_s + for_s)
        self._hard_until_s = max(self._hard_until_s, now_s + for_s)
        for job in self._round:
            job.skip(self._hard_until_s)

    def next_s(self, now_s: float) -> float:
        """Return when something is due."""
        return min(job.next_s for job in self._working(now_s))

    def due(self, now_s: float) -> list[Act]:
        """Return what is due, each once."""
        acts = []
        for job in self._working(now_s):
            if job.next_s <= now_s:
                job.next_s += job.every_s
                if job.next_s <= now_s:
                    job.next_s = now_s + job.every_s - (now_s - job.next_s) % job.every_s
                acts.append(job.act)
        return acts

    def _working(self, now_s: float) -> list[_Job]:
        if now_s >= self._hard_until_s:
            return self._round + self._rare
        close = [job for kind, jobs in self._close.items() if now_s < self._close_until_s[kind] for job in jobs]
        return self._hard + self._rare + close


def paced(now_s: float, plan: ProbePlan, asker: Asker) -> Pace:
    """Return the pace at which a plan is asked."""
    rare: list[tuple[float, Act]] = [(SYN_S, asker.ask_syn), (FULL_S, asker.ask_full)]
    names = [partial(asker.ask_name, resolver) for resolver in plan.resolvers]
    rare += list(zip([DNS_S, *[OTHERS_S] * len(names)], names, strict=False))
    pages = [] if plan.canary is None else [partial(asker.ask_page, plan.canary)]
    rare += [(CANARY_S, page) for page in pages]
    # the echo before the hop: a Linux box sends two refusals and then one in 2 s (ip_error and icmp_ratelimit)
    hard: list[tuple[float, Act]] = [
        (BURST_BOX_S, asker.ask_arp),
        (BURST_S, asker.ask_targets),
        (BURST_BOX_S, asker.ask_hop),
    ]

    def ask_all() -> None:
        asker.ask_arp()
        asker.ask_hop()
        asker.ask_targets()

    close: dict[ProbeKind, list[tuple[float, Act]]] = {
        ProbeKind.DNS: [(CLOSE_S, name) for name in names],
        ProbeKind.CANARY: [(CLOSE_PAGE_S, page) for page in pages],
        ProbeKind.ECHO: [(CLOSE_S, asker.ask_full)],
    }
    return Pace(now_s, plan.interval_s, [ask_all, *[asker.ask_targets] * (plan.turns - 1)], rare, hard, close)
