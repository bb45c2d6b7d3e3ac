"""Judges one internet link from the fate of its probes.  (facts only for now; the rule follows)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import Fact


class Health(StrEnum):
    """How a link is."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody measured: never the provider's fault


class Cause(StrEnum):
    """Where it is broken."""

    NONE = "none"
    CABLE = "cable"  # no carrier on our interface
    BOX = "box"  # la box ne répond plus
    INTERNET = "internet"  # la box va bien, pas d'internet
    GAP = "gap"  # we did not measure


@dataclass(frozen=True, slots=True)
class LinkChanged(Fact):
    """A link changed its health, or a DOWN link its cause."""

    kind: ClassVar[str] = "link-changed"

    link: str
    was: Health
    now: Health
    cause: Cause
    since: datetime  # when the present health began: the last good reply for DOWN
    evidence: str  # which probes said so, in a few words, e.g. "arp 5/5, echo 0/9"
