"""How long the content of a fact may be kept, and what remains of it afterwards.

The one idea: forgetting is a fact too. When the content of old facts is deleted, their commitments stay in the
chain, one `Redacted` per kind says which contents are gone and how many, and what they added to the summaries stays
as `DayCounted`: day, account and quantity, without the hour. So the sums remain provable for ever:
summary rows = totals of the contents that still live + all `DayCounted`.

A Pi boots with a wrong date. So a fact's own `utc` alone never condemns it: facts stand in the order they were
written, and a fact is old only if it, *or a fact written after it*, was stamped by a trusted clock before the limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import ClassVar

from agent.rules.facts import Fact, Total
from drivers.contract import Moment, Trust

TRUSTED = frozenset({Trust.SYNCHRONISED, Trust.DRIFTING})  # a restored clock is a lower bound: it proves no age


@dataclass(frozen=True, slots=True)
class Redacted(Fact):
    """Contents of one kind were deleted: `contents` of them, all of facts with a seq up to and including `through`."""

    kind: ClassVar[str] = "redacted"

    of: str  # the kind
    through: int
    contents: int
    before: datetime  # they were older than this


@dataclass(frozen=True, slots=True)
class DayCounted(Fact):
    """What the redacted facts of one day had added to one summary row. Adds nothing to it again."""

    kind: ClassVar[str] = "day-counted"

    of: str  # the kind whose contents were redacted
    day: date  # in the site's own time zone
    name: str  # as in Total
    labels: tuple[tuple[str, str], ...]
    amount: Decimal


def keep_from(kind: type[Fact], now: Moment) -> datetime | None:
    """Return the instant before which contents of `kind` are too old; None: they are kept for ever.

    A restored clock runs late, never early: it may redact too little, not too much. An unknown clock redacts nothing.
    """
    if kind.kept_for_days is None or now.trust is Trust.UNKNOWN:
        return None
    return now.utc - timedelta(days=kind.kept_for_days)


def too_old(at: Moment, before: datetime) -> bool:
    """Judge one content that a trusted fact *after or at it* already dates before `before`.

    Its own trusted stamp may still protect it; an untrusted one may not.
    """
    return at.utc < before or at.trust not in TRUSTED


def day_counts(of: str, old: Iterable[tuple[Moment, tuple[Total, ...]]], zone: tzinfo) -> tuple[DayCounted, ...]:
    """Sum the totals of the facts about to be forgotten by local day, name and labels; in a fixed order."""
    sums: dict[tuple[date, str, tuple[tuple[str, str], ...]], Decimal] = {}
    for at, totals in old:
        day = at.utc.astimezone(zone).date()
        for step in totals:
            row = (day, step.name, step.labels)
            sums[row] = sums.get(row, Decimal(0)) + Decimal(str(step.amount))
    return tuple(DayCounted(of, day, name, labels, amount) for (day, name, labels), amount in sorted(sums.items()))
