"""The decision rules people use today, restated over the same sights as ours, so that they can be laid side by side.

Each reads the fates of echoes and says whether it calls the link down. Sources: dpinger 3.5 with pfSense's values
(loss over 20 % of the last 60 s, or a mean delay over 500 ms, held for 10 s; one target, two probes a second; a probe
is lost after 2 s); mwan3 (a round of up to four targets every 10 s, two must answer, five rounds either way); and the
usual "N misses in a row at 5 s" of one target. They are fed from our probes at their own cadence: what they see is
what they would have seen, but for dpinger's second target probe a second, which we send once and count once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from drivers.probing import Outcome, ProbeKind, ProbeReply


def _echo(sight) -> ProbeReply | None:
    plain = isinstance(sight, ProbeReply) and sight.kind is ProbeKind.ECHO and not sight.size and sight.outcome.fate
    return sight if plain else None


@dataclass
class Dpinger:
    """One target, a rolling minute, an alarm that must stand for ten seconds."""

    target: str
    down: bool = False
    _window: deque[tuple[float, float | None]] = field(default_factory=deque)
    _alarm_s: float | None = None

    def see(self, sight) -> None:
        reply = _echo(sight)
        if reply is None or reply.target != self.target:
            return
        now_s = reply.at.mono_s
        self._window.append((now_s, reply.rtt_s))
        while now_s - self._window[0][0] > 60.0:
            self._window.popleft()
        heard = [rtt_s for _, rtt_s in self._window if rtt_s is not None]
        loss = int(100 * (1 - len(heard) / len(self._window)))  # dpinger prints and compares whole percents
        alarm = loss > 20 or (bool(heard) and sum(heard) / len(heard) > 0.5)
        if alarm == self.down:
            self._alarm_s = None
            return
        self._alarm_s = now_s if self._alarm_s is None else self._alarm_s
        if now_s - self._alarm_s >= 10.0:
            self.down, self._alarm_s = alarm, None


@dataclass
class Mwan3:
    """Every 10 s the targets in turn; two must answer; five bad rounds are down, five good ones up."""

    interval_s: float = 10.0
    down: bool = False
    _score: int = 0
    _round_s: float | None = None
    _answered: set[str] = field(default_factory=set)

    def see(self, sight) -> None:
        reply = _echo(sight)
        if reply is None:
            return
        now_s = reply.at.mono_s
        self._round_s = now_s if self._round_s is None else self._round_s
        if reply.outcome is Outcome.REPLIED and now_s - self._round_s <= 2.0:
            self._answered.add(reply.target)
        if now_s - self._round_s < self.interval_s:
            return
        good = len(self._answered) >= 2
        self._score = max(1, self._score + 1) if good else min(-1, self._score - 1)
        if abs(self._score) >= 5:
            self.down = not good
        self._round_s, self._answered = now_s, set()


@dataclass
class Misses:
    """One target asked every 5 s; three misses in a row are down, one answer is up."""

    target: str
    every_s: float = 5.0
    misses: int = 3
    down: bool = False
    _next_s: float = 0.0
    _missed: int = 0

    def see(self, sight) -> None:
        reply = _echo(sight)
        if reply is None or reply.target != self.target or reply.at.mono_s < self._next_s:
            return
        self._next_s = reply.at.mono_s + self.every_s
        self._missed = 0 if reply.outcome is Outcome.REPLIED else self._missed + 1
        self.down = self._missed >= self.misses
