"""The metric families of one scrape: what is declared, and what was counted, in prometheus_client's own records.

The one idea: a family is declared once, empty, with its text and labels; a part that fails leaves it empty, never half.
Names get their prefix here, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric


@dataclass(slots=True)
class Families:
    """The metric families of one scrape, empty at first: `describe` returns them as they are."""

    made: dict[str, Metric] = field(default_factory=dict)

    def gauge(self, name: str, text: str, *labels: str) -> None:
        """Declare a gauge."""
        self.made[name] = GaugeMetricFamily(f"gardien_{name}", text, labels=labels)

    def counter(self, name: str, text: str, *labels: str) -> None:
        """Declare a counter; `_total` is added by the format."""
        self.made[name] = CounterMetricFamily(f"gardien_{name}", text, labels=labels)

    def histogram(self, name: str, text: str, *labels: str) -> None:
        """Declare a histogram."""
        self.made[name] = HistogramMetricFamily(f"gardien_{name}", text, labels=labels)

    def count(self, name: str, bounds: Iterable[float], counts: Iterable[int], total: float, *labels: str) -> None:
        """Add one histogram: `counts` for each bound, and one for all beyond."""
        family = self.made[name]
        assert isinstance(family, HistogramMetricFamily)
        upto = accumulate(counts)
        family.add_metric(labels, list(zip((*map(str, bounds), "+Inf"), upto, strict=True)), total)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Add one sample."""
        family = self.made[name]
        assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
        family.add_metric(labels, float(value))

    def enum(self, name: str, states: Iterable[str], present: str, *labels: str) -> None:
        """Add one sample per state: 1 for the present one, 0 for the others."""
        for state in states:
            self.set(name, state == present, *labels, state)
