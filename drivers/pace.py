"""When each probe of a link is due: a slow round when all is well, ten a second when somebody looks hard. Pure.

A *round* is spread evenly over its interval. *Rare* acts come every so often, together with a turn of the round, and
all at once when a burst begins. A burst takes the round's place for a while, and the round goes on behind it as spread
as before. Time that was slept through is not caught up: that would be a volley of probes, and is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from drivers.probing import CANARY_S, DNS_S, FULL_S, SYN_S, Page, ProbePlan

BURST_S, BURST_BOX_S = 0.1, 0.5  # in a burst: echoes, and ARP with HOP
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
    """`rare` and `hard` give (seconds between, act). All times are Moment.mono_s."""

    def __init__(
        self,
        now_s: float,
        interval_s: float,
        turns: Sequence[Act],
        rare: Sequence[tuple[float, Act]],
        hard: Sequence[tuple[float, Act]],
    ) -> None:
        step_s = interval_s / len(turns)
        self._round = [_Job(interval_s, now_s + at * step_s, act) for at, act in enumerate(turns)]
        self._rare = [
            _Job(max(every_s, 2 * interval_s), now_s + at % len(turns) * step_s, act)
            for at, (every_s, act) in enumerate(rare)
        ]
        self._hard = [_Job(every_s, now_s, act) for every_s, act in hard]
        self._hard_until_s = now_s

    def burst(self, now_s: float, for_s: float) -> None:
        """Look hard for `for_s` from now; all rare acts are due at once where a burst begins."""
        if self._hard_until_s <= now_s:
            for job in (*self._hard, *self._rare):
                job.next_s = now_s
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
        return (self._hard if now_s < self._hard_until_s else self._round) + self._rare


def paced(now_s: float, plan: ProbePlan, asker: Asker) -> Pace:
    """Return the pace at which a plan is asked."""
    rare: list[tuple[float, Act]] = [(SYN_S, asker.ask_syn), (FULL_S, asker.ask_full)]
    rare += [(DNS_S, partial(asker.ask_name, resolver)) for resolver in plan.resolvers]
    if plan.canary is not None:
        rare.append((CANARY_S, partial(asker.ask_page, plan.canary)))
    # the echo before the hop: a Linux box sends two refusals and then one in 2 s (ip_error and icmp_ratelimit)
    hard = [(BURST_BOX_S, asker.ask_arp), (BURST_S, asker.ask_targets), (BURST_BOX_S, asker.ask_hop)]

    def ask_all() -> None:
        asker.ask_arp()
        asker.ask_hop()
        asker.ask_targets()

    return Pace(now_s, plan.interval_s, [ask_all, *[asker.ask_targets] * (plan.turns - 1)], rare, hard)
