"""Facts about the box itself: services, drivers, the ledger, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agent.rules.facts import Fact


@dataclass(frozen=True, slots=True)
class ServiceStarted(Fact):
    """A service process started."""

    kind: ClassVar[str] = "service-started"

    service: str
    version: str


@dataclass(frozen=True, slots=True)
class DriverChanged(Fact):
    """A driver was lost or came back."""

    kind: ClassVar[str] = "driver-changed"

    service: str
    driver: str  # "links.adsl1", "printers.copieur", "readers.porte", "spooler", "door.lock", "door.inputs"
    working: bool
    why: str  # the error's words, without names or numbers of people
