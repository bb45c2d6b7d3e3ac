"""What became of jobs in the spooler and past it, in numbers for `metrics`: forgotten, forged, refused, expired. Pure.

A counter that first appears at 1 never rose, for Prometheus: so what may come stands at 0 from the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.config import Site
from agent.rules.unprinted import Why

SPOOLED = (
    ("spool_gap_jobs", "Jobs the print spooler forgot.", "paper"),
    ("spool_tampered", "Signs of tampering with prints.", "why"),
    ("printed_past_sides", "Sides printed past the box, straight to the device.", "device"),
    ("releases_refused", "Badges that let nothing out: the machine could not print.", "device", "why"),
    ("jobs_expired", "Held jobs let go because nobody came for them."),
    ("jobs_unprinted", "Jobs that nothing came out of: the document, or what it asked for.", "device", "why"),
    ("jobs_withdrawn", "Held jobs that their members took back."),
)


def spooled(
    site: Site, totals: Mapping[tuple[str, tuple[tuple[str, str], ...]], int | float]
) -> Iterator[tuple[str, float, *tuple[str, ...]]]:
    """Yield the name, the value and the labels of each sample."""
    intakes = [name for name in site.printers if site.intake(name)]
    found: dict[tuple[str, ...], float] = {("spool_gap_jobs", "yes"): 0}
    found |= {("printed_past_sides", name): 0 for name in site.printers}
    found |= {("jobs_unprinted", name, why): 0 for name in site.printers for why in Why}
    found |= {("releases_refused", name, "other"): 0 for name in intakes}
    found |= {("jobs_expired",): 0, ("jobs_withdrawn",): 0} if intakes else {}
    known = {name: labels for name, _, *labels in SPOOLED}
    for (name, pairs), amount in totals.items():
        if name in known:
            labels = dict(pairs)
            found[name, *(labels.get(key, "") for key in known[name])] = amount
    for (name, *values), amount in found.items():
        yield name, amount, *values
