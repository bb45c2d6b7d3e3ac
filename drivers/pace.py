"""When each probe of a link is due: a slow round when all is well, ten a second when somebody looks hard. Pure.

A *round* is spread evenly over its interval. *Rare* acts come every so often, together with a turn of the round, and
all at once when a burst begins. A burst takes the round's place for a while, and the round goes on behind it as spread
as before. Time that was slept through is not caught up: that would be a volley of probes, and is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Act = Callable[[], None]


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
