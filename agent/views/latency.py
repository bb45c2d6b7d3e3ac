"""A day of five-minute rows as a plot: the median's line, the band up to p95, the losses below.

The one idea: what nobody measured is left blank; no line is drawn across it. Numbers only, in the units of the plot's
own box, so that the page draws it without a script. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from agent.rules.samples import WINDOW_S, LinkSample

WINDOWS = 288  # of a day: the width of the box
HIGH, LOSS_HIGH = 96, 24  # what is above for the times, and below for the losses
TOPS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000)
_LEAST = 4.0  # of a bar, so that one loss among hundreds is seen


@dataclass(frozen=True, slots=True)
class Plot:
    """Paths (SVG 2 section 9.3) of a box of 288 x 120."""

    median: str
    band: str
    losses: str
    top_ms: int


def top_of(samples: Iterable[LinkSample]) -> int:
    """Return how many milliseconds high a plot of these rows is: one scale for all links, so that they compare."""
    worst_us = max((one.p95_us or 0 for one in samples), default=0)
    return next((top for top in TOPS_MS if top * 1000 >= worst_us), TOPS_MS[-1])


def plot(samples: Sequence[LinkSample], from_s: int, top_ms: int) -> Plot:
    """Draw the rows that start in the day from `from_s` on, which is a multiple of WINDOW_S; ascending."""
    line, band, losses = [], [], []
    for run in _runs(samples):
        steps = [((one.start_s - from_s) // WINDOW_S, one.median_us or 0, one.p95_us or 0) for one in run]
        lower = [_step(x, us, top_ms) for x, us, _ in steps]
        upper = [_step(x, us, top_ms, back=True) for x, _, us in reversed(steps)]
        line.append("M" + "L".join(lower))
        band.append("M" + "L".join((*lower, *upper)) + "Z")
    for one in samples:
        if one.lost and one.sent:
            x, high = (one.start_s - from_s) // WINDOW_S, max(_LEAST, LOSS_HIGH * one.lost / one.sent)
            losses.append(f"M{x} {HIGH + LOSS_HIGH}v-{high:.1f}h1v{high:.1f}z")
    return Plot("".join(line), "".join(band), "".join(losses), top_ms)


def _step(x: int, us: int, top_ms: int, *, back: bool = False) -> str:
    y = HIGH - HIGH * min(us / 1000 / top_ms, 1.0)
    first, last = (x + 1, x) if back else (x, x + 1)
    return f"{first} {y:.1f}L{last} {y:.1f}"


def _runs(samples: Sequence[LinkSample]) -> list[list[LinkSample]]:
    runs: list[list[LinkSample]] = []
    for one in samples:
        if one.median_us is None:
            continue
        if runs and runs[-1][-1].start_s + WINDOW_S == one.start_s:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows in figures. Milliseconds; None if nothing came back."""

    usual_ms: float | None  # the median of the windows' medians
    worst_ms: float | None  # the worst p95 of a window ...
    worst_s: int  # ... which began then (Unix seconds)
    sent: int
    lost: int


def figures(samples: Sequence[LinkSample]) -> Figures:
    """Sum rows up."""
    heard = [one for one in samples if one.median_us is not None and one.p95_us is not None]
    worst = max(heard, key=lambda one: one.p95_us or 0, default=None)
    return Figures(
        median(one.median_us or 0 for one in heard) / 1000 if heard else None,
        (worst.p95_us or 0) / 1000 if worst else None,
        worst.start_s if worst else 0,
        sum(one.sent for one in samples),
        sum(one.lost for one in samples),
    )
