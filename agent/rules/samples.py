"""Five minutes of a link in one row: what the latency plot and the histogram are made of.

The one idea: percentiles of a short window, never a mean over a long one; and rows bounded by time alone, so that
thirteen months of two links are 230 000 rows of some fifty bytes. Losses are counted apart from late answers. A window
is one of the wall clock's; where that steps, the window ends early. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from drivers.contract import Moment
from drivers.probing import Outcome, ProbeKind, ProbeReply

WINDOW_S = 300
BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class LinkSample:
    """The far echoes of one link in one window. Times in microseconds; None if none came back."""

    link: str
    start_s: int  # Unix seconds, a multiple of WINDOW_S
    sent: int
    lost: int
    late: int  # of the lost: answered after their deadline
    median_us: int | None
    p95_us: int | None
    jitter_us: int | None  # mean difference of answers in a row (RFC 3393)


@dataclass(slots=True)
class Sampler:
    """Collects one link's echoes."""

    link: str
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))  # of all answers since the start
    sum_s: float = 0.0
    _start_s: int = 0
    _rtts: list[float] = field(default_factory=list)
    _sent: int = 0
    _lost: int = 0
    _late: int = 0

    def take(self, reply: ProbeReply) -> LinkSample | None:
        """Take in one fate; return the window it ended, if it did."""
        if reply.kind is not ProbeKind.ECHO or reply.size or reply.outcome in {Outcome.NO_CARRIER, Outcome.DUPLICATE}:
            return None
        done = self.turn(reply.at)
        self._late += reply.outcome is Outcome.LATE
        if reply.outcome is not Outcome.LATE:
            self._sent += 1
            self._lost += reply.outcome is not Outcome.REPLIED
        if reply.outcome is Outcome.REPLIED and reply.rtt_s is not None:
            self._rtts.append(reply.rtt_s)
            self.counts[bisect_left(BUCKETS_S, reply.rtt_s)] += 1
            self.sum_s += reply.rtt_s
        return done

    def turn(self, at: Moment) -> LinkSample | None:
        """Return the window that ended before `at`, if one did and anything was asked in it."""
        start_s = int(at.utc.timestamp()) // WINDOW_S * WINDOW_S
        if start_s == self._start_s:
            return None
        done = self._row() if self._sent else None
        self._start_s = start_s
        self._rtts, self._sent, self._lost, self._late = [], 0, 0, 0
        return done

    def _row(self) -> LinkSample:
        ordered = sorted(self._rtts)
        steps = [abs(b - a) for a, b in zip(self._rtts, self._rtts[1:], strict=False)]
        return LinkSample(
            self.link,
            self._start_s,
            self._sent,
            self._lost,
            self._late,
            _us(ordered[len(ordered) // 2]) if ordered else None,
            _us(ordered[len(ordered) * 95 // 100]) if ordered else None,
            _us(sum(steps) / len(steps)) if steps else None,
        )


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
