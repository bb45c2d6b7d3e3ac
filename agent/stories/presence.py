"""Presence: the animator, or a badge, says who came and who left.

The one idea: every word goes through `rules.presence` over what the ledger already holds, one at a time, and is only
answered once it is committed. So two clicks at once start one visit, and a click repeated after a restart finds the
first one. A refusal is an answer with one sentence, never an error.

Lives where people are asked (the web service); `answer` is its handler for the actions `visit-start` and `visit-end`
with the arguments `member` and `at` (a local time as `rules.presence.stated` reads it; "" or none: now).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Protocol

from agent.ask import Answer, Request
from agent.memory.codec import LedgerError
from agent.memory.ledger import Entry, Ledger
from agent.rules.door import EntryDecided
from agent.rules.facts import MemberId
from agent.rules.members import Roster
from agent.rules.presence import Presence, Refused, VisitEnded, VisitEvidence, VisitStarted, stated
from drivers.contract import Clock

log = logging.getLogger(__name__)

LOOK_BACK = 1000  # facts read again after a restart: refused where they are already written
COMMIT_S = 5.0  # how long a person waits for the disk before being told


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
        self._read_to = 0

    def presence(self) -> Presence:
        """Return who is here, by what is committed. Raises LedgerError."""
        for entry in self._ledger.entries(VisitStarted, VisitEnded, since=self._read_to):
            self._presence = self._presence.after(entry.fact)
            self._read_to = max(self._read_to, entry.seq)
        return self._presence

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
                    return Answer(done=False, says=fact.says)
                await self._write(fact)
            except LedgerError as error:
                return _not_written(error)
        return Answer(done=True, says=f"{member} est là depuis {self._local(fact.started)}.")

    async def end(self, member: MemberId, at: datetime | None, by: VisitEvidence) -> Answer:
        """End a visit now, or at a time already past; the answer comes after the commit."""
        async with self._turn:
            try:
                now = self._now()
                fact = self.presence().end(member, at or now, now, by)
                if isinstance(fact, Refused):
                    return Answer(done=False, says=fact.says)
                await self._write(fact)
            except LedgerError as error:
                return _not_written(error)
        hours, minutes = divmod(fact.minutes, 60)
        return Answer(done=True, says=f"{member} est parti à {self._local(fact.ended)}, après {hours} h {minutes:02}.")

    async def answer(self, request: Request) -> Answer | None:
        """Answer a request about visits; None if it is about something else."""
        if request.action not in {"visit-start", "visit-end"}:
            return None
        member, text = MemberId(request.arguments.get("member", "")), request.arguments.get("at", "")
        at = stated(text, self._now()) if text else None
        if isinstance(at, Refused):
            return Answer(done=False, says=at.says)
        act = self.start if request.action == "visit-start" else self.end
        return await act(member, at, VisitEvidence.ANIMATOR)

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

    async def _write(self, fact: VisitStarted | VisitEnded) -> None:
        """Append and wait for the commit. Raises LedgerError."""
        written = self._ledger.append(fact, self._clock.now(), fact.visit)
        try:
            await asyncio.wait_for(asyncio.shield(written), COMMIT_S)
        except TimeoutError as error:
            self._presence = self._presence.after(fact)  # it stays queued: said once, it need not be said again
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
    return Answer(done=False, says=f"Pas enregistré pour l'instant : le journal ne répond pas ({error}).")
