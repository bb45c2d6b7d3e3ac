"""Facts about the box itself: services, drivers, the ledger, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from agent.rules.facts import Fact


@dataclass(frozen=True, slots=True)
class ServiceStarted(Fact):
    """A service process started."""

    kind: ClassVar[str] = "service-started"

    service: str
    version: str


@dataclass(frozen=True, slots=True)
class ServiceAbsent(Fact):
    """A service was not there; written when it is back. `gone`, its last known sign of life, is a lower bound."""

    kind: ClassVar[str] = "service-absent"

    service: str
    gone: datetime
    back: datetime


@dataclass(frozen=True, slots=True)
class DriverChanged(Fact):
    """A driver was lost or came back."""

    kind: ClassVar[str] = "driver-changed"

    service: str
    driver: str  # "links.adsl1", "printers.copieur", "readers.porte", "spooler", "door.lock", "door.inputs"
    working: bool
    why: str  # the error's words, without names or numbers of people


ABSENT = timedelta(seconds=60)  # a restart is over in a second or two


def absence(service: str, gone: datetime | None, back: datetime) -> ServiceAbsent | None:
    """Judge a start: was the service away for long? `gone` is None where nothing was ever written."""
    if gone is None or back - gone <= ABSENT:
        return None
    return ServiceAbsent(service, gone, back)
