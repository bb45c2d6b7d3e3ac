"""The door opened by hand from the page: for whom, how often, and for how long during an event.

The one idea: a door that is opened from elsewhere is opened *by somebody, for a named reason, seldom*. The reasons
are a closed list, so that the register says "une livraison" and never a name; the number of openings is bounded, so
that a stolen session cannot play with the strike; and a door "left open" for an event has an end nobody can forget.

An event window has two forms. Where the strike may be fed without rest ([door.lock] continuous = true) the pulse is
renewed until the end. Everywhere else a strike fed for hours would burn: the window then only lifts the hours, and
lets in every card the roster knows and has not blocked (`rules.door` judges it). Pure: it reads no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import PASSAGE_DAYS, Fact
from agent.rules.hours import instant


class Whom(StrEnum):
    """Who is let in from the page. The words stand in the ledger: add, never rename."""

    DELIVERY = "delivery"
    FORGOTTEN_CARD = "member-without-card"
    VISITOR = "visitor"
    TEST = "test"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class OpenedRemotely(Fact):
    """Somebody asked for the door from the page, and the latch released."""

    kind: ClassVar[str] = "opened-remotely"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    actor: str  # an account id
    whom: Whom


@dataclass(frozen=True, slots=True)
class WindowOpened(Fact):
    """An event window began."""

    kind: ClassVar[str] = "window-opened"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    window: str
    actor: str
    until: datetime
    fed: bool  # the strike is fed throughout; else only the hours are lifted


class WindowEnd(StrEnum):
    """Why an event window ended. The words stand in the ledger: add, never rename."""

    TIME = "time"
    CLOSED = "closed"  # somebody closed it
    LOCKDOWN = "lockdown"  # nobody enters any more
    RESTART = "restart"  # the door service started again: a window never outlives it


@dataclass(frozen=True, slots=True)
class WindowClosed(Fact):
    """An event window ended."""

    kind: ClassVar[str] = "window-closed"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    window: str
    actor: str  # "" = the box itself
    why: WindowEnd


# --- the judgement -----------------------------------------------------------------------------------------

OPENS = 6  # from the page
WITHIN_S = 600.0
LONGEST_S = 6 * 3600.0  # of an event window


class Refusal(StrEnum):
    """Why the page's word was not obeyed."""

    WHOM = "whom"  # not in the list
    TOO_MANY = "too-many"
    NO_TIME = "no-time"  # not a time
    PAST = "past"
    TOO_LONG = "too-long"
    LOCKDOWN = "lockdown"  # nobody enters: it is ended first


def wait_s(opened_s: Iterable[float], now_s: float) -> float:
    """Return how long until the door may be opened from the page again; 0: now. Seconds of one boot."""
    recent = sorted((at for at in opened_s if now_s - at < WITHIN_S), reverse=True)
    return 0.0 if len(recent) < OPENS else recent[OPENS - 1] + WITHIN_S - now_s


_TIME = re.compile(r"([01]?\d|2[0-3])[:hH]([0-5]\d)")


def next_time(text: str, now: datetime) -> datetime | Refusal:
    """Read "22:30" as the next such time; `now` is aware, on the site's wall clock. Returned in UTC."""
    found = _TIME.fullmatch(text.strip())
    if found is None or now.tzinfo is None:
        return Refusal.NO_TIME
    minute = int(found[1]) * 60 + int(found[2])
    today = instant(now.date(), minute, now.tzinfo)
    return today if today > now.astimezone(UTC) else instant(now.date() + timedelta(days=1), minute, now.tzinfo)


def window_s(until: datetime, now: datetime) -> float | Refusal:
    """Return how long an event window lasts that is to end at `until`, in seconds."""
    length_s = (until - now).total_seconds()
    if length_s <= 0:
        return Refusal.PAST
    return Refusal.TOO_LONG if length_s > LONGEST_S else length_s
