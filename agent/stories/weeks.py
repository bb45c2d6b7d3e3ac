"""Writes down which opening hours stand, whenever others do: the links' months are judged by those of their time."""

from __future__ import annotations

import asyncio
import logging

from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.facts import Fact
from agent.rules.hours import WeeklyHours
from agent.rules.weeks import WeekStood
from drivers.contract import Clock, Trust

LOOK_S = 60.0

log = logging.getLogger(__name__)


async def note_weeks(ledger: Ledger, roster: RosterStore, clock: Clock, of_file: WeeklyHours) -> None:
    """Look once a minute, for ever; `of_file` stands while people set none. A wrong clock is waited out."""
    noted: Fact | None = None
    while True:
        now = clock.now()
        if now.trust is not Trust.UNKNOWN:
            try:
                stands = WeekStood.of(roster.roster().hours or of_file)
                if noted is None and (last := ledger.last(WeekStood)) is not None:
                    noted = last.fact
                if stands != noted:
                    ledger.append(stands, now, f"{now.boot}:{now.mono_s:.6f}")  # queued: nobody waits for it
                    noted = stands
            except LedgerError as error:  # of the ledger or the roster: their own incident says so
                log.debug("the week waits: %s", error)
        await asyncio.sleep(LOOK_S)
