"""The books of paper for the terminal: balances, and the print attempts as they stand by now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from agent.memory.ledger import Ledger
from agent.rules.attribution import PagesAttributed, slip_name
from agent.rules.balance import GIVING, KINDS, Balances, Given, of_rows
from agent.rules.kinds import with_successors
from agent.rules.pages import AttemptCounted, PagesCounted
from agent.rules.paper import PrintedPast
from agent.rules.past import PastAttributed, PastCounted, counted
from agent.rules.retention import Redacted
from agent.rules.settlement import PrintSettled
from agent.views.exports import in_time

ATTEMPTS = (PagesCounted, PrintedPast, PagesAttributed, PastAttributed, PrintSettled)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One print attempt, or one print past the box, with what was said of it since."""

    written: datetime  # local
    day: date
    device: str
    serial: str
    attempt: str
    spooled: str  # the spooled job, "" if nobody saw which
    member: str  # account id; "" = nobody's; "h:" = the place's own
    mono: int
    colour: int
    sheets: int
    low: int
    high: int
    large: bool
    free: int
    why_free: str
    state: str
    evidence: str
    past: bool = False  # printed straight to the device


def given(ledger: Ledger, timezone: str) -> Given:
    """Fold what of nobody's paper was given to somebody since. Raises LedgerError."""
    found = Given()
    for written, entry in in_time(ledger.entries(*GIVING), ZoneInfo(timezone)):
        found.add(entry.key, entry.fact, written.date())
    return found


def balances(ledger: Ledger, timezone: str) -> Balances:
    """Add up the books of every device. Raises LedgerError."""
    kinds = {name for kind in KINDS for name in with_successors(kind)}
    forgotten = (entry.fact for entry in ledger.entries(Redacted))
    gone = max((one.through for one in forgotten if isinstance(one, Redacted) and one.of in kinds), default=0)
    rows = in_time(ledger.entries(*KINDS), ZoneInfo(timezone))
    return of_rows(((entry.seq, entry.fact, written.date()) for written, entry in rows), gone)


def attempts(ledger: Ledger, timezone: str) -> list[Attempt]:
    """Return the attempts whose details are still kept, oldest first. Raises LedgerError."""
    found: dict[str, Attempt] = {}
    for written, entry in in_time(ledger.entries(*ATTEMPTS), ZoneInfo(timezone)):
        fact, name = entry.fact, slip_name(entry.fact, entry.key)
        if isinstance(fact, PagesCounted):
            found[name] = _attempt(fact, written)
        elif isinstance(fact, PrintedPast) and fact.mono + fact.colour:
            found[name] = _past(counted(fact), written)
        elif isinstance(fact, PagesAttributed | PastAttributed) and name in found:
            found[name] = replace(found[name], member=fact.member)
        elif isinstance(fact, PrintSettled) and name in found:
            found[name] = replace(
                found[name],
                mono=fact.sides_mono,
                colour=fact.sides_colour,
                sheets=fact.sheets,
                low=fact.low,
                high=fact.high,
                free=fact.free,
            )
    return list(found.values())


def _past(fact: PastCounted, written: datetime) -> Attempt:
    return Attempt(
        written=written,
        day=written.date(),
        device=fact.device,
        serial=fact.serial,
        attempt=fact.attempt,
        spooled="",
        member="",
        mono=fact.sides_mono,
        colour=fact.sides_colour,
        sheets=fact.sheets,
        low=fact.low,
        high=fact.high,
        large=fact.large,
        free=0,
        why_free="",
        state=fact.state,
        evidence=fact.evidence.value,
        past=True,
    )


def _attempt(fact: PagesCounted, written: datetime) -> Attempt:
    more = fact if isinstance(fact, AttemptCounted) else None
    return Attempt(
        written=written,
        day=written.date(),
        device=fact.device,
        serial=fact.serial,
        attempt=fact.attempt,
        spooled=more.spooled if more else "",
        member=fact.member,
        mono=fact.sides_mono,
        colour=fact.sides_colour,
        sheets=fact.sheets,
        low=fact.low,
        high=fact.high,
        large=bool(more and more.large),
        free=more.free if more else 0,
        why_free=more.why_free.value if more else "",
        state=fact.state,
        evidence=fact.evidence.value,
    )
