"""Presence: the animator, or a badge, says who came and who left.

The one idea: every word goes through `rules.presence` over what the ledger already holds, one at a time, and is only
answered once it is committed. So two clicks at once start one visit, and a click repeated after a restart finds the
first one. A refusal is an answer with one sentence, never an error.

Lives where people are asked (the web service); `answer` is its handler for the actions `visit-start` and `visit-end`
with the arguments `member`, `at` (a local time as `rules.presence.stated` reads it; "" or none: now) and `by` (for a
proposed end that somebody took), for `visit-correct` with `visit`, `reason` and, unless the visit never was, `start`
and `end`, and for `visit-add` with `member`, `day`, `start`, `end` and `reason`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Protocol

from agent.ask import Answer, Request
from agent.memory.codec import LedgerError
from agent.memory.ledger import Entry, Ledger
from agent.memory.open_books import KEPT
from agent.rules.door import EntryDecided
from agent.rules.facts import MemberId
from agent.rules.lastout import Crowd
from agent.rules.members import Roster
from agent.rules.presence import (
    AGAIN,
    PROPOSED,
    Presence,
    Reason,
    Refused,
    VisitAdded,
    VisitCorrected,
    VisitEnded,
    VisitEvidence,
    VisitStarted,
    stated,
    stated_span,
    written,
)
from agent.rules.visits import Unfit, Visits
from drivers.contract import Clock

log = logging.getLogger(__name__)

LOOK_BACK = 1000  # facts read again after a restart: refused where they are already written
COMMIT_S = 5.0  # how long a person waits for the disk before being told


UNFIT = {
    Unfit.UNKNOWN: "Cette visite n'est pas connue, ou elle est trop ancienne.",
    Unfit.FUTURE: "Le départ serait dans le futur.",
    Unfit.ORDER: "Le départ serait avant l'arrivée.",
    Unfit.LONG: "Une visite dure 24 heures au plus.",
    Unfit.OVERLAP: "Une autre visite de ce membre a eu lieu à ce moment-là.",
    Unfit.SAME: "C'est déjà écrit ainsi.",
    Unfit.OLD: "Ce mois est facturé depuis longtemps : on n'y ajoute plus de visite.",
    Unfit.NOBODY: "Personne ne s'appelle ainsi ici.",
}


class People(Protocol):
    """What presence needs of the roster store."""

    def roster(self) -> Roster:
        """Return the current roster. Raises LedgerError."""


class VisitBook:
    """The visits of this site, kept up with the ledger. One per process, on its event loop."""

    def __init__(self, ledger: Ledger, people: People, clock: Clock, zone: tzinfo) -> None:
        self._ledger = ledger
        self._people = people
        self._clock = clock
        self._zone = zone
        self._turn = asyncio.Lock()
        self._presence = Presence()
        self._visits = Visits()
        self._read_to = 0

    def presence(self) -> Presence:
        """Return who is here, by what is committed. Raises LedgerError."""
        self._follow()
        return self._presence

    def visits(self) -> Visits:
        """Return the visits of the last two months as they count by now, by what is committed. Raises LedgerError."""
        self._follow()
        return self._visits

    def _follow(self) -> None:
        new = list(self._ledger.entries(VisitStarted, VisitEnded, VisitCorrected, since=self._read_to))
        for entry in new:
            self._presence = self._presence.after(entry.fact)
        self._visits = self._visits.after(entry.fact for entry in new).since(self._clock.now().utc - KEPT)
        self._read_to = max((entry.seq for entry in new), default=self._read_to)

    async def start(self, member: MemberId, at: datetime | None, by: VisitEvidence) -> Answer:
        """Start a visit now, or at a time already past; the answer comes after the commit."""
        async with self._turn:
            try:
                known = self._people.roster().members.get(member)
                if known is None:
                    return Answer(done=False, says=f"Personne ne s'appelle {member} ici.")
                now = self._now()
                fact = self.presence().start(member, known.formula, at or now, now, by)
                if isinstance(fact, Refused):
                    return Answer(False, fact.says, fact.code)
                if self.visits().overlaps(member, fact.started, now, now):
                    return Answer(False, f"{member} était déjà là à {self._local(fact.started)}.", "then")
                fact = replace(fact, visit=self.visits().unused(fact.visit))
                await self._write(fact, fact.visit)
            except LedgerError as error:
                return _not_written(error)
        time = self._local(fact.started)
        return Answer(True, f"{member} est là depuis {time}.", "started", time)

    async def end(self, member: MemberId, at: datetime | None, by: VisitEvidence) -> Answer:
        """End a visit now, or at a time already past; the answer comes after the commit."""
        async with self._turn:
            try:
                now = self._now()
                fact = self.presence().end(member, at or now, now, by)
                if isinstance(fact, Refused):
                    return Answer(False, fact.says, fact.code)
                await self._write(fact, fact.visit)
            except LedgerError as error:
                return _not_written(error)
        hours, minutes = divmod(fact.minutes, 60)
        lasted = f"{hours} h {minutes:02}"
        return Answer(True, f"{member} est parti à {self._local(fact.ended)}, après {lasted}.", "ended", lasted)

    async def _corrected(self, request: Request) -> Answer:
        """Correct a visit as a request says: `visit`, `reason`, and `start` and `end`, or neither to annul it."""
        given = request.arguments
        if given.get("reason", "") not in set(Reason):
            return Answer(False, "Dites pourquoi.", "reason")
        times = self._span(given) if "start" in given else ()
        for at in times:
            if isinstance(at, Refused):
                return Answer(False, at.says, at.code)
        span = (times[0], times[1]) if times else None
        try:
            fact = await self.correct(given.get("visit", ""), span, Reason(given["reason"]), request.actor)  # type: ignore[arg-type]  # refusals went above
        except LedgerError as error:
            return _not_written(error)
        if isinstance(fact, Unfit):
            return Answer(False, UNFIT[fact], fact.value)
        return Answer(True, "La visite est annulée." if fact.annulled else "La visite est corrigée.", "corrected")

    def _span(self, given: Mapping[str, str]) -> tuple[datetime | Refused, datetime | Refused]:
        """Return the bounds a request says; one that it repeats is meant as it was, also in October."""
        one = self.visits().by_id.get(given.get("visit", ""))
        known = (one.started, one.ended) if one else (None, None)
        said = (given.get("start", ""), given.get("end", ""))
        start, end = (
            was.replace(second=0, microsecond=0)
            if was is not None and text == written(was, self._zone).removesuffix(AGAIN)
            else stated(text, self._now())
            for was, text in zip(known, said, strict=True)
        )
        return start, end

    async def correct(
        self, visit: str, span: tuple[datetime, datetime] | None, reason: Reason, actor: str
    ) -> VisitCorrected | Unfit:
        """Say when a visit really was, or (no span) that it was none. Raises LedgerError."""
        async with self._turn:
            fact = self.visits().correct(visit, span, self._now(), reason, actor)
            if isinstance(fact, VisitCorrected):
                await self._write(fact, f"{fact.visit}:{fact.turn}")
        return fact

    async def _added(self, request: Request) -> Answer:
        """Add a visit as a request says: `member`, `day`, `start`, `end` and `reason`. The value is its id."""
        given = request.arguments
        if given.get("reason", "") not in set(Reason):
            return Answer(False, "Dites pourquoi.", "reason")
        span = stated_span(given.get("day", ""), given.get("start", ""), given.get("end", ""), self._now())
        if isinstance(span, Refused):
            return Answer(False, span.says, span.code)
        try:
            fact = await self.add(MemberId(given.get("member", "")), span, Reason(given["reason"]), request.actor)
        except LedgerError as error:
            return _not_written(error)
        if isinstance(fact, Unfit):
            return Answer(False, UNFIT[fact], fact.value)
        return Answer(True, "La visite est ajoutée.", "added", fact.visit)

    async def add(
        self, member: MemberId, span: tuple[datetime, datetime], reason: Reason, actor: str
    ) -> VisitAdded | Unfit:
        """Say that there was a visit nobody wrote down. Raises LedgerError."""
        async with self._turn:
            known = self._people.roster().members.get(member)
            if known is None:
                return Unfit.NOBODY
            fact = self.visits().add(member, known.formula, span, self._now(), reason, actor)
            if isinstance(fact, VisitAdded):
                await self._write(fact, fact.visit)
        return fact

    async def answer(self, request: Request) -> Answer | None:
        """Answer a request about visits; None if it is about something else."""
        if request.action == "visit-correct":
            return await self._corrected(request)
        if request.action == "visit-add":
            return await self._added(request)
        if request.action not in {"visit-start", "visit-end"}:
            return None
        member, text = MemberId(request.arguments.get("member", "")), request.arguments.get("at", "")
        at = stated(text, self._now()) if text else None
        if isinstance(at, Refused):
            return Answer(False, at.says, at.code)
        if request.action == "visit-start":
            return await self.start(member, at, VisitEvidence.ANIMATOR)
        proposed = request.arguments.get("by", "")  # what somebody took as the end, where nobody had said it
        by = VisitEvidence(proposed) if at is not None and proposed in PROPOSED else VisitEvidence.ANIMATOR
        return await self.end(member, at, by)

    def badged_to(self) -> int:
        """Return the seq from which badges may not have been followed yet. Raises LedgerError."""
        head = self._ledger.head().seq
        by_badge = [
            entry.seq
            for entry in self._ledger.entries(VisitStarted, VisitEnded)
            if isinstance(entry.fact, VisitStarted | VisitEnded) and entry.fact.by is VisitEvidence.BADGE
        ]
        return max(0, max(by_badge) - LOOK_BACK) if by_badge else head

    def passages(self, since: int) -> Iterator[Entry]:
        """Yield the door's decisions after seq `since`. Raises LedgerError."""
        return self._ledger.entries(EntryDecided, since=since)

    async def _write(self, fact: VisitStarted | VisitEnded | VisitCorrected, key: str) -> None:
        """Append and wait for the commit. Raises LedgerError."""
        written = self._ledger.append(fact, self._clock.now(), key)
        try:
            async with asyncio.timeout(COMMIT_S):
                await asyncio.shield(written)
        except TimeoutError as error:
            self._presence, self._visits = (
                self._presence.after(fact),
                self._visits.after([fact]),
            )  # it stays queued: said once, it need not be said again
            raise LedgerError(self._ledger.fault or "the disk is slow; the visit waits for it") from error

    def _now(self) -> datetime:
        return self._clock.now().utc.astimezone(self._zone)

    def _local(self, at: datetime) -> str:
        return f"{at.astimezone(self._zone):%H:%M}"


async def follow_badges(book: VisitBook, directions: Mapping[str, str], tick_s: float = 1.0) -> None:
    """Let granted badges start and end visits, read from the ledger; for ever, or not at all without a way out.

    `directions`: the door's readers, "in" or "out". Where no reader is on the inside a badge would start visits that
    nothing ends, so visits stay the animator's word. A visit copies the instant and cites no passage. What was badged
    while nobody followed is found again; `rules.presence` refuses what was already written.
    """
    if "out" not in directions.values():
        return
    since: int | None = None
    while True:
        with contextlib.suppress(LedgerError):  # it says so itself; the page must be there to show it
            since = book.badged_to() if since is None else since
            for entry in book.passages(since):
                await _follow(book, entry, directions)
                since = entry.seq
        await asyncio.sleep(tick_s)


async def watch_last_out(
    book: VisitBook, clock: Clock, show: Callable[[datetime | None], None], every_s: float
) -> None:
    """Show when the last one left, while they may turn back; for ever. The lamp at the door's reader lives by it."""
    while True:
        told = None
        with contextlib.suppress(LedgerError):  # it says so itself
            told = Crowd.of(book.visits()).told(clock.now().utc)
        show(told)
        await asyncio.sleep(every_s)


async def _follow(book: VisitBook, entry: Entry, directions: Mapping[str, str]) -> None:
    passage = entry.fact
    assert isinstance(passage, EntryDecided)
    direction = directions.get(passage.reader)
    if not passage.granted or not passage.member or direction is None:
        return
    act = book.start if direction == "in" else book.end
    answer = await act(passage.member, entry.at.utc, VisitEvidence.BADGE)
    log.debug("badge at %s: %s", passage.reader, answer.says)


def _not_written(error: LedgerError) -> Answer:
    return Answer(False, f"Pas enregistré pour l'instant : le journal ne répond pas ({error}).", "not-written")
