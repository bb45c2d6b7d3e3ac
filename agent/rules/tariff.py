"""Turns a month's quantities into statement lines.  (facts only for now; the rule follows)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agent.rules.facts import Fact


@dataclass(frozen=True, slots=True)
class StatementIssued(Fact):
    """A month's statement file was written."""

    kind: ClassVar[str] = "statement-issued"

    month: str  # "2026-11"
    format: str  # "csv", "json"
    sha256: str  # of the file's bytes
    head: str  # the ledger's head hash it was computed from
