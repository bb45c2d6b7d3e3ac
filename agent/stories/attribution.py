"""Paper nobody was known for, and the animator's word about it.

The one idea: what waits is read from the ledger, followed fact by fact, and every word is answered only once it is
committed. Two hands that attribute the same job at once write the same turn of it: the ledger takes one, and the
other is told. Lives in the web service, on its event loop.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.rules.attribution import CopiesAttributed, PagesAttributed, Slips
from agent.rules.facts import FormulaId, MemberId
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesCounted
from drivers.contract import Clock

KEPT = timedelta(days=62)  # paper that can be attributed: this month's and the last one's
COMMIT_S = 5.0


class PaperBook:
    """The paper that was nobody's when it was counted, kept up with the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger, self._clock = ledger, clock
        self._turn = asyncio.Lock()
        self._slips = Slips()
        self._read_to = 0

    def slips(self) -> Slips:
        """Return what was nobody's in the last two months, and whose it is by now. Raises LedgerError."""
        kinds = (PagesCounted, CopiesCounted, PagesAttributed, CopiesAttributed)
        new = list(self._ledger.entries(*kinds, since=self._read_to))
        rows = ((entry.fact, entry.key, entry.at.utc) for entry in new)
        self._slips = self._slips.after(rows).since(self._clock.now().utc - KEPT)
        self._read_to = max((entry.seq for entry in new), default=self._read_to)
        return self._slips

    async def give(
        self, name: str, member: MemberId, formula: FormulaId, actor: str
    ) -> PagesAttributed | CopiesAttributed | None:
        """Say whose a piece of paper is; None if there is no such, or it is theirs already. Raises LedgerError."""
        async with self._turn:
            slip = self.slips().by_name.get(name)
            fact = None if slip is None else slip.give(member, formula, actor)
            if fact is not None:
                written = self._ledger.append(fact, self._clock.now(), f"{name}:{fact.turn}")
                try:
                    await asyncio.wait_for(asyncio.shield(written), COMMIT_S)
                except TimeoutError as error:
                    raise LedgerError(self._ledger.fault or "the disk is slow; it is written later") from error
            return fact
