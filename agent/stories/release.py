"""The story of release by badge: what waits is looked through, a badge lets it out, what nobody fetches goes.

The one idea: *everything slow happens before the badge*. Documents are looked through as soon as they wait, one at a
time, and their forecast is kept for the badge (`stories.serving`). Links to the internet are not asked for anything.

One coroutine does all of it in turn, for all devices of the site, but badges come first, and with them a choice at a
copier's screen (`stories.counter`) and a wish to take a job back or to have a shared account pay for it
(`stories.wishes`): no job is both let out and withdrawn. A withdrawal is a fact first; what a crash left in CUPS is
cancelled at the next look. Nothing is remembered that CUPS or the ledger does not keep; forecasts lost at a restart are
made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, replace

from agent.ask import Answer, Request
from agent.rules.facts import MemberId
from agent.rules.forecast import Forecast, forecast
from agent.rules.release import (
    JobExpired,
    JobWithdrawn,
    charge,
    too_old,
    withdraw,
)
from agent.stories.counter import Choice, chosen, touched
from agent.stories.glass import Glass
from agent.stories.held import shown
from agent.stories.owners import alias_of
from agent.stories.room import Room, Way
from agent.stories.serving import Serving
from agent.stories.wishes import UNSURE, WISH_S, Wish, answered, wished
from drivers.contract import BadgeRead, DriverError, Trust
from drivers.holding import HeldJob

log = logging.getLogger(__name__)

POLL_S = 2.0  # between looks at what waits; one costs a millisecond
BADGES = 16  # and wishes, waiting for their turn
SHOWN = 200  # held jobs in the live picture
TOUCHED = Answer(True, "touched", "touched")
CHOSEN = Answer(True, "chosen", "chosen")  # what came of it, the screen says


@dataclass(frozen=True, slots=True)
class _Badge:
    read: BadgeRead
    way: Way
    served: asyncio.Event


@dataclass(frozen=True, slots=True)
class _Chosen:
    choice: Choice
    served: asyncio.Event

    async def waits(self) -> bool:
        """Return True once it had its turn, False if it had none in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WISH_S):
                return await self.served.wait()
        return False


class ReleaseDesk:
    """Takes the badges, choices and wishes in turn, and looks after what waits. One per site, on one event loop."""

    def __init__(self, room: Room, glass: Glass | None = None) -> None:
        self._room, self.serving, self._glass = room, Serving(room, glass), glass
        self._turns: deque[_Badge | _Chosen | Wish] = deque()
        self._bell = asyncio.Event()
        self._held: tuple[HeldJob, ...] = ()

    async def badge(self, read: BadgeRead, way: Way) -> None:
        """Take a badge, and return once it had its turn. One too many is dropped: its holder badges again."""
        served = asyncio.Event()
        if self._queue(_Badge(read, way, served)):
            await served.wait()

    def _queue(self, turn: _Badge | _Chosen | Wish) -> bool:
        if len(self._turns) >= BADGES:
            return False
        self._turns.append(turn)
        self._bell.set()
        return True

    async def answer(self, request: Request) -> Answer:
        """Grant a wish about a held job (`stories.wishes`), or hear what a screen was touched for."""
        if self._glass is not None and (said := await self._glass.answer(request)) is not None:
            return said
        touch, choice, wish = touched(request), chosen(request), wished(request)
        if touch is not None:
            self.serving.touch(*touch)
            return TOUCHED
        if choice is not None:
            turn = _Chosen(choice, asyncio.Event())
            return CHOSEN if self._queue(turn) and await turn.waits() else UNSURE
        if wish is None:
            return Answer(False, f"action inconnue : {request.action}")
        return await answered(wish) if self._queue(wish) else UNSURE

    async def mind(self) -> None:
        """Keep looking, and obey badges, until cancelled. Raises DriverError when CUPS is lost, LedgerError."""
        try:
            while True:
                while self._turns:
                    await self._take_turn()
                await self._look()
                await self._rest()
        finally:
            self._room.show(replace(self._room.live, held=None))

    async def _take_turn(self) -> None:
        turn = self._turns.popleft()
        if isinstance(turn, _Badge | _Chosen):
            try:
                if isinstance(turn, _Badge):
                    await self.serving.obey(turn.read, turn.way)
                else:
                    await self.serving.choose(turn.choice)
            finally:
                turn.served.set()
        elif not turn.answer.done():
            await (self._withdraw(turn) if turn.payer is None else self._charge(turn, turn.payer))

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._bell.wait()
        self._bell.clear()

    # --- what waits --------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """See what waits, let go what is too old, and look through one document that is new."""
        for queue in await self._room.releaser.keep_stopped():
            log.warning("the queue %s waits for badges and had been started: it is stopped again", queue)
        held = await self._expire(await self._withdrawn(await self._room.releaser.held()))
        self._held = held
        names = {job.name for job in held}
        self._room.told = {name: told for name, told in self._room.told.items() if name in names}
        self._show_held(held)
        for job in held:
            if self._turns:
                return self._bell.set()
            if job.name not in self._room.told:
                await self._look_through(job)
                self._show_held(held)
        return None

    async def _look_through(self, job: HeldJob) -> None:
        """Make a forecast; a badge that comes meanwhile is obeyed at once, and the look starts again."""
        looking = asyncio.ensure_future(self._room.releaser.leaf(job))
        try:
            while not looking.done():
                waits = asyncio.ensure_future(self._bell.wait())
                await asyncio.wait({looking, waits}, return_when=asyncio.FIRST_COMPLETED)
                waits.cancel()
                self._bell.clear()
                while self._turns:
                    await self._take_turn()
        finally:
            looking.cancel()
        try:
            self._room.told[job.name] = forecast(job, looking.result())
        except DriverError as error:  # it was let out or withdrawn meanwhile, or CUPS does not hand it out: it prints
            log.info("a held job could not be looked through: %s", error)
            self._room.told[job.name] = Forecast(why="unread")

    async def _withdrawn(self, held: tuple[HeldJob, ...]) -> tuple[HeldJob, ...]:
        """Cancel what was taken back and still waits: a crash came between, or CUPS failed."""
        back = self._room.slate.read().withdrawn
        for job in held:
            if job.name in back:
                await self._room.releaser.discard(job)
        return tuple(job for job in held if job.name not in back)

    async def _expire(self, held: tuple[HeldJob, ...]) -> tuple[HeldJob, ...]:
        """Let go what nobody came for. Only by a clock that can be believed."""
        at = self._room.clock.now()
        if at.trust not in {Trust.SYNCHRONISED, Trust.DRIFTING} or self._room.people.fault:
            return held  # nor while nobody could badge for it
        old = too_old(held, at.utc, self._room.policy.keep)
        slate, roster = self._room.slate.read(), self._room.people.roster()
        for job in old:
            if job.name not in slate.expired:
                whose = slate.owner(job, roster)
                hours = int(at.utc.timestamp() - job.created_s) // 3600
                fact = JobExpired(job.job, job.created_s, alias_of(self._room.people, job.user).id, whose.member, hours)
                await self._room.write(fact, f"{job.job}/{job.created_s}")
            await self._room.releaser.discard(job)
            log.info("job %d was let go: nobody came for it", job.job)
        return tuple(job for job in held if job not in old)

    def _show_held(self, held: tuple[HeldJob, ...]) -> None:
        slate = self._room.slate.read()
        jobs = [one for one in held if one.name not in slate.withdrawn][-SHOWN:]
        rows = shown(jobs, slate, self._room.people, self._room.told, self._room.today(), self.serving.same_host)
        self._room.show(replace(self._room.live, held=rows))

    # --- wishes: a member takes a job back, somebody says who pays ----------------------------------------------

    async def _withdraw(self, wish: Wish) -> None:
        """Take a job back. A CUPS that fails before the fact leaves it waiting; after it, the next look cancels it."""
        held = await self._room.releaser.held()
        came, job = withdraw(held, wish.job, wish.member, self._room.slate.read(), self._room.people.roster())
        if job is not None and job.name not in self._room.slate.read().withdrawn:
            fact = JobWithdrawn(job.job, job.created_s, alias_of(self._room.people, job.user).id, wish.member)
            await self._room.write(fact, f"{job.job}/{job.created_s}")
            self._show_held(self._held)
        if not wish.answer.done():
            wish.answer.set_result(came)
        if job is not None:
            await self._room.releaser.discard(job)
            log.info("job %d was taken back by its member", job.job)

    async def _charge(self, wish: Wish, payer: MemberId) -> None:
        """Write down who pays for a job."""
        held, slate, roster = await self._room.releaser.held(), self._room.slate.read(), self._room.people.roster()
        came, job = charge(held, wish.job, wish.member, payer, slate, roster, self._room.today())
        if job is not None:
            await self._room.write_charge(job, payer, wish.member, wish.actor)
            self._show_held(held)
        if not wish.answer.done():
            wish.answer.set_result(came)
