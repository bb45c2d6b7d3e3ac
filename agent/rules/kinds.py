"""The one list of every kind of fact the ledger can hold, and of the rule that states it.

A rule is loaded when a fact of its own is written or met, and not before: the door does not wait for the paper's rules
to be loaded before it lets anybody in. tests/rules/test_kinds.py holds the list against the rules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from agent.rules.facts import Fact

RULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "access": ("acted", "box-restarted"),
        "alarms": ("alarm-raised", "alarm-told"),
        "attribution": ("pages-attributed", "pages-moved", "copies-attributed"),
        "bookings": ("booking-used", "day-opened-by-badge"),
        "door": ("entry-decided", "latch-moved", "door-changed"),
        "glass": ("copies-charged",),
        "health": ("service-started", "service-absent", "driver-changed"),
        "leaf": ("door-fault-changed", "entry-unused"),
        "linkfacts": ("link-changed", "link-measured", "link-rated", "outage-reported"),
        "members": ("roster-changed",),
        "pages": ("pages-counted", "attempt-counted", "attempt-owned", "attempt-known"),
        "paper": (
            "books-opened",
            "books-closed",
            "copy-visit-started",
            "copy-visit-ended",
            "copies-counted",
            "copies-metered",
            "copies-unheard",
            "copies-by-hand",
            "prints-unmatched",
            "printed-past",
            "past-mended",
            "card-seen",
            "panel-read",
            "meters-read",
        ),
        "past": ("past-counted", "past-attributed"),
        "payers": ("job-charged", "charge-refused"),
        "presence": ("visit-started", "visit-ended", "visit-corrected", "visit-added"),
        "readers": ("strangers-changed",),
        "release": (
            "job-released",
            "job-let-out",
            "job-foretold",
            "job-foreseen",
            "job-given",
            "job-expired",
            "job-withdrawn",
            "release-refused",
        ),
        "remote": ("opened-remotely", "window-opened", "window-closed"),
        "retention": ("redacted", "day-counted"),
        "settlement": ("print-settled", "sides-settled"),
        "spool": ("spool-opened", "spool-read", "spool-gap", "spool-tampered"),
        "tariff": ("statement-issued",),
        "unprinted": ("job-unprinted",),
        "weeks": ("week-stood",),
    }
)
KINDS: Mapping[str, str] = MappingProxyType({kind: rule for rule, kinds in RULES.items() for kind in kinds})

# Kinds that say more about the same thing: a shape that changed became a subclass.
SUCCESSORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pages-counted": ("attempt-counted", "attempt-owned", "attempt-known"),
        "attempt-counted": ("attempt-owned", "attempt-known"),
        "attempt-owned": ("attempt-known",),
        "copies-counted": ("copies-metered", "copies-unheard", "copies-by-hand"),
        "copies-metered": ("copies-unheard",),
        "prints-unmatched": ("printed-past", "past-counted"),
        "printed-past": ("past-counted",),
        "print-settled": ("sides-settled",),
        "pages-attributed": ("pages-moved",),
        "visit-corrected": ("visit-added",),
        "job-released": ("job-let-out",),
        "job-foretold": ("job-foreseen",),
    }
)


@cache
def fact_of(kind: str) -> type[Fact] | None:
    """Return the class whose facts are of this kind, loading its rule; None for a kind this version does not know."""
    if kind not in KINDS:
        return None
    stated = vars(import_module(f"agent.rules.{KINDS[kind]}")).values()
    return next(one for one in stated if isinstance(one, type) and issubclass(one, Fact) and one.kind == kind)


def every_fact() -> tuple[type[Fact], ...]:
    """Return the classes of all kinds; loads every rule that states one."""
    return tuple(fact for kind in KINDS if (fact := fact_of(kind)) is not None)


def with_successors(kind: type[Fact]) -> tuple[str, ...]:
    """Return the name of a kind and of those that succeeded it."""
    return kind.kind, *SUCCESSORS.get(kind.kind, ())
