"""The one list of every kind of fact the ledger can hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agent.rules.access import Acted, BoxRestarted
from agent.rules.alarms import AlarmRaised, AlarmTold
from agent.rules.attribution import CopiesAttributed, PagesAttributed
from agent.rules.bookings import BookingUsed, DayOpened
from agent.rules.door import DoorChanged, EntryDecided, LatchMoved
from agent.rules.facts import Fact
from agent.rules.health import DriverChanged, ServiceAbsent, ServiceStarted
from agent.rules.leaf import DoorFaultChanged
from agent.rules.linkfacts import LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.members import RosterChanged
from agent.rules.pages import AttemptCounted, AttemptOwned, PagesCounted
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CardSeen,
    CopiesByHand,
    CopiesCounted,
    CopiesMetered,
    CopyVisitEnded,
    CopyVisitStarted,
    MetersRead,
    PanelRead,
    PrintsUnmatched,
)
from agent.rules.presence import VisitCorrected, VisitEnded, VisitStarted
from agent.rules.readers import StrangersChanged
from agent.rules.release import JobExpired, JobGiven, JobReleased, ReleaseRefused
from agent.rules.remote import OpenedRemotely, WindowClosed, WindowOpened
from agent.rules.retention import DayCounted, Redacted
from agent.rules.settlement import PrintSettled
from agent.rules.spool import SPOOL_FACTS
from agent.rules.tariff import StatementIssued

FACTS: tuple[type[Fact], ...] = (
    LinkChanged,
    LinkMeasured,
    LinkRated,
    OutageReported,
    EntryDecided,
    LatchMoved,
    DoorChanged,
    DoorFaultChanged,
    StrangersChanged,
    PagesCounted,
    BooksOpened,
    CopyVisitStarted,
    CopyVisitEnded,
    CopiesCounted,
    PrintsUnmatched,
    CardSeen,
    VisitStarted,
    VisitEnded,
    RosterChanged,
    ServiceStarted,
    ServiceAbsent,
    DriverChanged,
    StatementIssued,
    Redacted,
    DayCounted,
    OpenedRemotely,
    WindowOpened,
    WindowClosed,
    PagesAttributed,
    CopiesAttributed,
    VisitCorrected,
    Acted,
    BoxRestarted,
    AlarmRaised,
    AlarmTold,
    AttemptCounted,
    AttemptOwned,
    CopiesMetered,
    BooksClosed,
    *SPOOL_FACTS,
    PrintSettled,
    JobReleased,
    JobGiven,
    JobExpired,
    ReleaseRefused,
    CopiesByHand,
    PanelRead,
    MetersRead,
    BookingUsed,
    DayOpened,
)

KINDS: Mapping[str, type[Fact]] = MappingProxyType({fact.kind: fact for fact in FACTS})


def with_successors(kind: type[Fact]) -> tuple[type[Fact], ...]:
    """Return a kind and those that say more about the same thing: a shape that changed became a subclass."""
    return tuple(fact for fact in FACTS if issubclass(fact, kind)) or (kind,)
