"""Whose paper was, as the animator says: of what nobody was known for, and of a member's that a shared account pays.

The one idea: every word is answered only once it is committed. Two hands that attribute the same job at once write
the same turn of it: the ledger takes one, and the other is told. Lives in the web service, on its event loop;
`answer` is its handler for the action `paper-give` with the arguments `paper` (a name of `rules.attribution.Slips`),
`member` (or a shared account; "" = nobody; HOUSE = the place, of what was printed past the box) and `always` ("1": the
print name is theirs from now on); and for `paper-settle` with `attempt`, `sides`, `colour` and `why` (`rules.review`).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from agent.ask import Answer, Request
from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.memory.open_books import followed_doubts, followed_slips
from agent.memory.people import RosterError
from agent.rules.attribution import Attributed, PagesAttributed
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.members import Roster
from agent.rules.past import HOUSE, NOBODY
from agent.rules.settlement import BY_HAND, Why
from drivers.contract import Clock

COMMIT_S = 5.0


class People(Protocol):
    """What attributions need of the roster store."""

    def roster(self) -> Roster:
        """Return the current roster. Raises LedgerError."""

    def give_alias(self, member: MemberId, user: str, *, actor: str) -> AliasId:
        """Say whose a print name is. Raises RosterError, LedgerError."""


class PaperBook:
    """Gives paper to members. One per process, on its event loop."""

    def __init__(self, ledger: Ledger, people: People, clock: Clock) -> None:
        self._ledger, self._people, self._clock = ledger, people, clock
        self._turn = asyncio.Lock()
        self._slips = followed_slips(ledger, clock)
        self._doubts = followed_doubts(ledger, clock)

    async def answer(self, request: Request) -> Answer | None:
        """Answer a request about paper; None if it is about something else."""
        if request.action == "paper-settle":
            return await self._settle(request)
        if request.action != "paper-give":
            return None
        given = request.arguments
        try:
            fact = await self.give(given.get("paper", ""), MemberId(given.get("member", "")), request.actor)
            if fact is None:
                return Answer(False, "Ce papier n'est pas connu, ou c'est déjà écrit ainsi.", "nothing")
            if (
                given.get("always") == "1"
                and isinstance(fact, PagesAttributed)
                and fact.member in self._people.roster().members
            ):
                self._always(fact, request.actor)
        except RosterError as error:
            return Answer(True, f"Attribué ; mais le nom d'impression ne l'est pas : {error.fr}", "not-always")
        except LedgerError as error:
            return Answer(False, f"Pas enregistré pour l'instant : {error}.", "not-written")
        return Answer(True, "Attribué." if fact.member else "De nouveau sans personne.", "given")

    async def _settle(self, request: Request) -> Answer:
        """Write down what somebody says of an uncertain print, and what it leaves of its neighbours."""
        given = request.arguments
        try:
            said, colour = int(given.get("sides", "")), int(given.get("colour", "") or "0")
            why = Why.NOTHING if said == 0 else Why(given.get("why", ""))
        except ValueError:
            return Answer(False, "Un nombre de faces et une raison sont attendus.", "unclear")
        if why not in BY_HAND or (why is Why.NOTHING and said):
            return Answer(False, "Un nombre de faces et une raison sont attendus.", "unclear")
        try:
            async with self._turn:
                facts = self._doubts.read().settle(given.get("attempt", ""), said, colour, why, request.actor)
                for fact in facts:
                    await self._written(fact, f"settle:{fact.attempt}:{fact.turn}")
        except LedgerError as error:
            return Answer(False, f"Pas enregistré pour l'instant : {error}.", "not-written")
        if not facts:
            return Answer(False, "Ce nombre n'est pas possible pour ce travail, ou il est trop ancien.", "impossible")
        return Answer(True, "C'est noté.", "settled")

    async def _written(self, fact: Fact, key: str) -> None:
        """Wait for one fact to be on the disk. Raises LedgerError."""
        written = self._ledger.append(fact, self._clock.now(), key)
        try:
            async with asyncio.timeout(COMMIT_S):
                await asyncio.shield(written)
        except TimeoutError as error:
            raise LedgerError(self._ledger.fault or "the disk is slow; it is written later") from error

    async def give(self, paper: str, member: MemberId, actor: str) -> Attributed | None:
        """Say whose a piece of paper is; None if there is no such, or it is theirs already. Raises LedgerError."""
        async with self._turn:
            known = self._people.roster().formula_of(member)
            slip = self._slips.read().by_name.get(paper)
            if slip is None or (known is None and member not in {NOBODY, HOUSE}):
                return None
            fact = slip.give(member, known or FormulaId(""), actor)
            if fact is not None:
                await self._written(fact, f"{paper}:{fact.turn}")
            return fact

    def _always(self, fact: PagesAttributed, actor: str) -> None:
        """Give the print name itself, where it is still nobody's."""
        for user, alias in self._people.roster().aliases.items():
            if alias.id == fact.alias:
                self._people.give_alias(fact.member, user, actor=actor)
