"""The books of paper for the terminal: balances, and the print attempts as they stand by now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from agent.memory.ledger import Ledger
from agent.rules.attribution import PagesAttributed
from agent.rules.balance import KINDS, Balances, of_rows
from agent.rules.kinds import with_successors
from agent.rules.pages import AttemptCounted, PagesCounted
from agent.rules.retention import Redacted
from agent.rules.settlement import PrintSettled
from agent.views.exports import in_time


@dataclass(frozen=True, slots=True)
class Attempt:
    """One print attempt, with what was said of it since."""

    written: datetime  # local
    day: date
    device: str
    serial: str
    attempt: str
    spooled: str  # the spooled job, "" if nobody saw which
    member: str  # account id; "" = nobody's
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
    for written, entry in in_time(ledger.entries(PagesCounted, PagesAttributed, PrintSettled), ZoneInfo(timezone)):
        fact = entry.fact
        if isinstance(fact, PagesCounted):
            found[fact.attempt] = _attempt(fact, written)
        elif isinstance(fact, PagesAttributed) and fact.attempt in found:
            found[fact.attempt] = replace(found[fact.attempt], member=fact.member)
        elif isinstance(fact, PrintSettled) and fact.attempt in found:
            found[fact.attempt] = replace(
                found[fact.attempt],
                mono=fact.sides_mono,
                colour=fact.sides_colour,
                sheets=fact.sheets,
                low=fact.low,
                high=fact.high,
                free=fact.free,
            )
    return list(found.values())


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
