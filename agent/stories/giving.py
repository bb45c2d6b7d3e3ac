"""Jobs that wait for a badge and are nobody's, and the animator's word about whose they are.

The one idea: as for paper that was printed already (`stories.attribution`), a word is a fact, numbered, and answered
only once it is committed; two hands at once cannot both be second. Nothing prints by it: the member still badges. Lives
in the web service; `answer` is its handler for the action `job-give` with the arguments `job` ("JOB/CREATED"), `member`
("" = nobody) and `always` ("1": the name it came under is theirs from now on).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.ask import Answer, Request
from agent.live import held_jobs
from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.memory.people import RosterError
from agent.rules.facts import AliasId, MemberId
from agent.rules.release import JobGiven
from agent.stories.attribution import COMMIT_S, People
from drivers.contract import Clock


class HeldBook:
    """Gives waiting jobs to members. One per process, on its event loop."""

    def __init__(self, ledger: Ledger, people: People, clock: Clock, run: Path) -> None:
        self._ledger, self._people, self._clock, self._run = ledger, people, clock, run

    async def answer(self, request: Request) -> Answer | None:
        """Answer a request about a waiting job; None if it is about something else."""
        if request.action != "job-give":
            return None
        given, member = request.arguments, MemberId(request.arguments.get("member", ""))
        job = next((one for one in held_jobs(self._run) if one.name == given.get("job")), None)
        if job is None or (member and member not in self._people.roster().members) or member == job.member:
            return Answer(False, "Ce travail n'attend plus, ou c'est déjà écrit ainsi.", "nothing")
        try:
            await self._write(JobGiven(job.job, job.created_s, job.turn + 1, AliasId(job.alias), member, request.actor))
            if member and given.get("always") == "1":
                self._always(job.alias, member, request.actor)
        except RosterError as error:
            return Answer(True, f"Attribué ; mais le nom d'impression ne l'est pas : {error.fr}", "not-always")
        except LedgerError as error:
            return Answer(False, f"Pas enregistré pour l'instant : {error}.", "not-written")
        return Answer(True, "Attribué." if member else "De nouveau sans personne.", "given")

    async def _write(self, fact: JobGiven) -> None:
        written = self._ledger.append(fact, self._clock.now(), f"{fact.job}/{fact.created_s}/{fact.turn}")
        try:
            async with asyncio.timeout(COMMIT_S):
                await asyncio.shield(written)
        except TimeoutError as error:
            raise LedgerError(self._ledger.fault or "the disk is slow; it is written later") from error

    def _always(self, alias: str, member: MemberId, actor: str) -> None:
        """Give the print name itself, where it can be somebody's."""
        for user, known in self._people.roster().aliases.items():
            if known.id == alias:
                self._people.give_alias(member, user, actor=actor)
