"""The story of who pays for copies at the glass: the choice at the copier's screen, and the rows that follow it.

The one idea: *the counters book as ever, and what they booked changes hands behind them*. Whoever keeps a device's
books knows nothing of shared accounts; here the ledger is followed, and each row of a visit for which an account was
chosen is attributed to it as soon as it is there (`rules.glass`). All that must survive a crash is in the ledger: what
was not given yet is given at the next start. A choice made together with that for waiting jobs, before the visit of
that very badge has begun, is kept in memory for as long as the question stood, and no longer.

Nothing happens here unless it is rung for: by a look at a copier where somebody is badged in, by a visit that begins or
ends, by a choice. The action is `copies-choose` with `device`, `turn` (the number of the visit, as the screen was shown
it: a late finger never answers for the next one) and `payer` ("": the member themselves).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from agent.ask import Answer, Request
from agent.live import ASK_STANDS_S, LiveTab
from agent.memory.followed import Followed
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.attribution import CopiesAttributed
from agent.rules.columns import visit_name
from agent.rules.facts import Fact, MemberId
from agent.rules.glass import AFTER_S, CopiesCharged, Tab, Tabs
from agent.rules.paper import CopiesCounted, CopyVisitEnded, CopyVisitStarted
from agent.rules.payers import Charge, usable
from agent.stories.copier import People
from drivers.contract import BadgeRead, Clock, Moment

KEPT = timedelta(days=3)  # what was not given by then (the service was off) stays as it was booked
AGAIN_S = 30.0  # a ledger that did not write is tried again

KINDS = (CopyVisitStarted, CopyVisitEnded, CopiesCounted, CopiesCharged, CopiesAttributed)
log = logging.getLogger(__name__)


def followed_tabs(ledger: Ledger, clock: Clock) -> Followed[Tabs]:
    """Return the visits at the copiers, kept up."""
    return Followed(
        ledger,
        KINDS,
        Tabs(),
        lambda tabs, new: tabs.after((entry.fact, entry.key, entry.at) for entry in new),
        lambda tabs: tabs.since(clock.now().utc - KEPT),
        lambda: clock.now().utc - KEPT,
    )


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a member chose for a visit that their badge begins, or goes on with."""

    visit: str
    member: MemberId
    payer: MemberId
    actor: str
    aloud: bool  # the screen says it: of waiting jobs it says that already
    at: Moment


class Glass:
    """Minds who pays for copies at these devices. One per site, on one event loop."""

    def __init__(
        self,
        devices: frozenset[str],
        ledger: Ledger,
        people: People,
        clock: Clock,
        zone: tzinfo,
        show: Callable[[Mapping[str, LiveTab]], None],
    ) -> None:
        self.devices = devices
        self._ledger, self._people, self._clock, self._zone, self._show = ledger, people, clock, zone, show
        self._tabs = followed_tabs(ledger, clock)
        self._bell = asyncio.Event()
        self._turn = asyncio.Lock()
        self._meant: dict[str, _Meant] = {}
        self._numbers: dict[str, tuple[str, int]] = {}  # by device: the last visit, and its number
        self._said: dict[str, tuple[str, datetime, Charge]] = {}  # by device: what came of the last choice, of a visit

    def ring(self) -> None:
        """Have the ledger read."""
        self._bell.set()

    def usable(self, member: MemberId) -> tuple[MemberId, ...]:
        """Return the accounts that pay for a member today."""
        return usable(self._people.roster().payers, member, self._today())

    async def mind(self) -> None:
        """Follow the ledger until cancelled. A ledger that fails is told of by whoever counts, and tried again."""
        while True:
            wait_s: float | None = None
            try:
                async with self._turn:
                    await self._settle()
            except LedgerError as error:
                log.warning("copies are not given yet to who was chosen: %s", error)
                wait_s = AGAIN_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._bell.wait()
            self._bell.clear()

    def mean(self, device: str, read: BadgeRead, member: MemberId, payer: MemberId, actor: str, *, aloud: bool) -> None:
        """Note what a member chose at the screen after this badge: it holds for the copies of its visit too."""
        if device in self.devices:
            name = visit_name(device, read.at, member)
            self._meant[device] = _Meant(name, member, payer, actor, aloud, self._clock.now())
            self._bell.set()

    async def answer(self, request: Request) -> Answer | None:
        """Answer a choice made at a screen; the code is a `Charge`. None if it is about something else."""
        if request.action != "copies-choose":
            return None
        given = request.arguments
        device, payer = given.get("device", ""), MemberId(given.get("payer", ""))
        try:
            async with self._turn:
                tab, number = self._tabs.read().last(device), given.get("turn", "")
                if tab is None or device not in self.devices or number != str(self._number(tab)):
                    return Answer(False, "Cette visite est finie.", Charge.GONE)
                came = await self._choose(tab, tab.member, payer, request.actor)
                await self._settle()
        except LedgerError as error:
            return Answer(False, f"Pas enregistré pour l'instant : {error}.", "not-written")
        return Answer(came is Charge.CHARGED, came.value, came.value)

    async def _choose(self, tab: Tab, member: MemberId, payer: MemberId, actor: str, *, aloud: bool = True) -> Charge:
        """Write down a choice, if it may be. Raises LedgerError."""
        now, roster = self._clock.now(), self._people.roster()
        came = tab.judge(member, payer, roster, self._today(), now)
        fact = tab.charge(payer, roster, actor) if came is Charge.CHARGED else None
        if fact is not None:
            await self._write(fact, f"{fact.visit}/{fact.turn}")
        if aloud:
            self._said[tab.device] = (tab.visit, now.utc, came)
        return came

    async def _settle(self) -> None:
        """Do what was meant once its visit is there, give every row to who pays for it, and show it."""
        for device, meant in list(self._meant.items()):
            tabs = self._tabs.read()
            last = tabs.last(device)
            goes_on = last is not None and last.member == meant.member and last.ended is None
            tab = tabs.by_visit.get(meant.visit) or (last if goes_on else None)
            if tab is not None:
                await self._choose(tab, meant.member, meant.payer, meant.actor, aloud=meant.aloud)
                if self._meant.get(device) is meant:  # once it is on the disk; another may have come meanwhile
                    del self._meant[device]
            elif self._clock.now().mono_s - meant.at.mono_s > ASK_STANDS_S:
                del self._meant[device]
        for said in list(self._tabs.read().moves()):
            await self._write(said, f"copy:{said.row}:{said.turn}")
        self._show(self._live(self._tabs.read()))

    def _live(self, tabs: Tabs) -> dict[str, LiveTab]:
        now, found = self._clock.now(), {}
        for device in sorted(self.devices):
            tab = tabs.last(device)
            if tab is None or not tab.stands(now):
                continue
            until = None if tab.ended is None else tab.ended.utc + timedelta(seconds=AFTER_S)
            visit, at, came = self._said.get(device, ("", None, ""))
            said = (at, str(came)) if visit == tab.visit else (None, "")
            found[device] = LiveTab(self._number(tab), self.usable(tab.member), tab.payer, until, *said)
        return found

    def _number(self, tab: Tab) -> int:
        """Return the number of a visit: its name says whose it is, and anybody may read the screen."""
        visit, number = self._numbers.get(tab.device, ("", 0))
        if visit != tab.visit:
            number += 1
            self._numbers[tab.device] = (tab.visit, number)
        return number

    def _today(self) -> date:
        return self._clock.now().utc.astimezone(self._zone).date()

    async def _write(self, fact: Fact, key: str) -> None:
        await asyncio.shield(self._ledger.append(fact, self._clock.now(), key))
