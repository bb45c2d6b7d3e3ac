"""What a fact is. Each rule defines its own facts in its own file; `kinds` lists them all for the ledger.

A fact is a frozen record in the past tense, written once and never edited. It carries ids and quantities, never
names, job titles, raw card numbers or prices. A fact whose shape must change gets a new kind.

Fields are `str`, `int`, `float`, `bool`, `None`, `datetime` (aware, UTC), `date`, `Decimal`, `StrEnum`, or tuples of
these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NewType

MemberId = NewType("MemberId", str)  # "m042"; "" where nobody is known
FormulaId = NewType("FormulaId", str)  # a formula of the site file: "subscriber", "occasional"; "" unknown
CardKey = NewType("CardKey", str)  # keyed hash of a card number, hex; the raw number is never kept
AliasId = NewType("AliasId", str)  # id of an erasable roster row that holds a name typed at a laptop


@dataclass(frozen=True, slots=True)
class Total:
    """One step of a summary that never resets: `name{labels} += amount`, kept with the fact in one transaction."""

    name: str  # "sides", "visit_minutes", "link_down_seconds"
    labels: tuple[tuple[str, str], ...]  # sorted by label name; bounded by configuration, never a person
    amount: int | float


@dataclass(frozen=True, slots=True)
class Fact:
    """Base of all facts: its `kind`, how long its content is kept, and what it adds to the summaries."""

    kind: ClassVar[str] = ""
    kept_for_days: ClassVar[int | None] = None  # None: for ever. Else the redaction deletes its content, not its hash

    def totals(self) -> tuple[Total, ...]:
        """Return what this fact adds to the summary rows; per-member rows use the label `member`."""
        return ()


PASSAGE_DAYS = 90  # door movements: the French data-protection authority's practice is three months
TIMED_DAYS = 396  # print, copy and visit rows with their hour: 13 months


def total(name: str, amount: float, **labels: str) -> Total:
    """Build a Total with its labels sorted."""
    return Total(name, tuple(sorted(labels.items())), amount)
