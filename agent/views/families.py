"""The metric families of one scrape: declared once, filled by whoever knows the values. See `views.metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


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

    def set(self, name: str, value: float, *labels: str) -> None:
        """Add one sample."""
        family = self.made[name]
        assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
        family.add_metric(labels, float(value))

    def enum(self, name: str, states: Iterable[str], present: str, *labels: str) -> None:
        """Add one sample per state: 1 for the present one, 0 for the others."""
        for state in states:
            self.set(name, state == present, *labels, state)
