"""Records of a device that no note of ours names: which were printed past us, and which may be our own all the same.

The one idea: *ask again before you say it of somebody*. The rule (`rules.bypass`) judges by what the spooler has now,
not by what lies on the desk since its last bell; a spooler that does not answer accuses nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.rules.books import Books
from agent.rules.bypass import WAIT_S, Bypass, Shown, Verdict
from agent.rules.columns import prints_of
from agent.rules.facts import AliasId
from agent.rules.pages import attempt
from agent.rules.paper import PrintedPast, PrintsUnmatched
from agent.stories.desk import Desk
from drivers.contract import DeviceJob, DeviceReading, Moment


class Strangers:
    """Judges the records of one device that nobody noted.

    `apart`: its print counters are believed. `named` gives the row of a name that a record came under.
    """

    def __init__(self, bypass: Bypass, desk: Desk, named: Callable[[str], AliasId], *, apart: bool) -> None:
        self._bypass, self._desk, self._named, self._apart = bypass, desk, named, apart
        self._balanced_s: float | None = None  # when the books were last balanced while we watched

    def balanced(self, at: Moment) -> None:
        """Note that the books are balanced at this look."""
        self._balanced_s = at.mono_s

    async def unseen(self, stray: PrintsUnmatched, raw: DeviceReading, books: Books) -> PrintsUnmatched:
        """Return a movement that no record explains, said to be printed past us if nothing of ours can have made it."""
        if not self._desk.noted or raw.counters is None or min(stray.mono, stray.colour) < 0:
            return stray
        if not await self._recalled(raw.at) or not self._bypass.silent(self._balanced_s):
            return stray
        return books.past_unseen(stray)

    async def _recalled(self, at: Moment) -> bool:
        """Take in what the spooler and its print path say now; return False if they do not answer."""
        spooled = await self._desk.recall()
        if spooled is None:
            return False
        self._bypass.spool(spooled, self._desk.notebook, at.mono_s)
        return True

    async def judge(
        self, raw: DeviceReading, jobs: list[DeviceJob], books: Books, awaited: dict[str, float], *, claims: bool
    ) -> tuple[list[DeviceJob], list[PrintedPast]]:
        """Return what is to be booked as ever and what was printed past us; what has to wait is in neither.

        `awaited`: since when each record waits. `claims`: attempts of ours wait for the counters.
        """
        if not jobs:
            return [], []
        told = await self._recalled(raw.at)
        apart = self._apart and raw.counters is not None
        room = 0 if raw.counters is None else (prints_of(raw.counters) - books.booked.prints).all
        ours, past = [], []
        for job in jobs:
            waited_s = raw.at.mono_s - awaited.setdefault(attempt(job), raw.at.mono_s)
            shown = Shown(waited_s, apart, raw.settled, room, books.visit is not None, claims)
            verdict = self._bypass.judge(job, shown)
            if not told and verdict is not Verdict.OURS:
                verdict = Verdict.WAIT if waited_s < WAIT_S else Verdict.OURS
            if verdict is Verdict.OURS:
                ours.append(job)
            elif verdict is not Verdict.WAIT:
                alias = self._named(job.user) if job.user else AliasId("")
                past.append(books.past(job, None if verdict is Verdict.ASIDE else alias))
                room -= past[-1].mono + past[-1].colour
        return ours, past
