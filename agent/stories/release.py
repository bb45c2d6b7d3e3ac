"""The story of release by badge: what waits is looked through, a badge lets it out, what nobody fetches goes.

The one idea: *everything slow happens before the badge*. Documents are looked through as soon as they wait, one at a
time, and their forecast is kept; so a badge costs one list of the waiting jobs and one question to the device, asked at
the same time, one fact on the disk, and the move. Who pays is a fact before the job moves: a crash between leaves a job
that still waits, never a print without an owner. Links to the internet are not asked for anything.

One coroutine does all of it in turn, for all devices of the site, but badges come first, and with them a wish to take a
job back or to have a shared account pay for it (`stories.wishes`): no job is both let out and withdrawn. A withdrawal
is a fact first; what a crash left in CUPS is cancelled at the next look. Nothing is remembered that CUPS or the ledger
does not keep; forecasts lost at a restart are made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo

from agent.ask import Answer, Request
from agent.live import LiveGreeting, LiveHeld, LiveRelease
from agent.memory.followed import Followed
from agent.memory.ledger import Ledger
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.folding import fold_user
from agent.rules.forecast import WAITING, Forecast, forecast
from agent.rules.identity import Level, Proven
from agent.rules.members import Member
from agent.rules.paper import holder
from agent.rules.payers import Charge, ChargeRefused, JobCharged, is_payer
from agent.rules.release import (
    RELEASE_FACTS,
    JobExpired,
    JobReleased,
    JobWithdrawn,
    ReleaseRefused,
    Slate,
    cannot_print,
    charge,
    let_out,
    payer_of,
    too_old,
    withdraw,
)
from agent.rules.tariff import Tariff
from agent.stories.copier import People
from agent.stories.greeting import greeting
from agent.stories.owners import alias_of
from agent.stories.wishes import UNSURE, Wish, answered, wished
from drivers.contract import BadgeRead, Clock, DeviceId, DeviceReading, DriverError, Printer, Trust
from drivers.holding import HeldJob, Releaser

log = logging.getLogger(__name__)

POLL_S = 2.0  # between looks at what waits; one costs a millisecond
BADGES = 16  # and wishes, waiting for their turn
STALE_BADGE_S = 10.0  # whoever badged that long ago has walked away: nothing is printed for nobody
DEVICE_S = 2.0  # how long a device may take to say that it can print
LAST_S = 10.0
SHOWN = 200  # held jobs in the live picture


def followed_slate(ledger: Ledger) -> Followed[Slate]:
    """Return what was said and done about held jobs, kept up."""
    return Followed(ledger, RELEASE_FACTS, Slate(), lambda slate, new: slate.after(entry.fact for entry in new))


@dataclass(frozen=True, slots=True)
class Way:
    """One device that releases: its reader, the queue to it, and who is asked whether it can print."""

    device: DeviceId
    out: str  # the queue that prints to it
    intake: frozenset[str]  # the queues it lets out: one queue may wait for several devices
    printer: Printer


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """How this site releases."""

    zone: tzinfo
    keep: timedelta = timedelta(hours=72)
    tariff: Tariff | None = None


@dataclass(frozen=True, slots=True)
class _Badge:
    read: BadgeRead
    way: Way
    served: asyncio.Event


class ReleaseDesk:
    """Holds what the story knows, and takes the badges. One per site, on one event loop."""

    def __init__(
        self,
        releaser: Releaser,
        ledger: Ledger,
        people: People,
        clock: Clock,
        policy: ReleasePolicy,
        show: Callable[[LiveRelease], None],
    ) -> None:
        self._releaser, self._ledger, self._people, self._clock = releaser, ledger, people, clock
        self._policy, self._shown = policy, show
        self._live = LiveRelease()
        self._slate = followed_slate(ledger)
        self._told: dict[tuple[int, int], Forecast] = {}
        self._turns: deque[_Badge | Wish] = deque()
        self._bell = asyncio.Event()
        self._held: tuple[HeldJob, ...] = ()
        self.proven = Proven()  # by badges of today; lost at a restart: then a name is a claim again

    async def badge(self, read: BadgeRead, way: Way) -> None:
        """Take a badge, and return once it had its turn. One too many is dropped: its holder badges again."""
        served = asyncio.Event()
        if self._queue(_Badge(read, way, served)):
            await served.wait()

    def _queue(self, turn: _Badge | Wish) -> bool:
        if len(self._turns) >= BADGES:
            return False
        self._turns.append(turn)
        self._bell.set()
        return True

    async def answer(self, request: Request) -> Answer:
        """Grant a wish about a held job (`stories.wishes`)."""
        wish = wished(request)
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
            self._show(replace(self._live, held=None))

    async def _take_turn(self) -> None:
        turn = self._turns.popleft()
        if isinstance(turn, _Badge):
            try:
                await self._obey(turn)
            finally:
                turn.served.set()
        elif not turn.answer.done():
            await (self._withdraw(turn) if turn.payer is None else self._charge(turn, turn.payer))

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._bell.wait()
        self._bell.clear()

    def _show(self, live: LiveRelease) -> None:
        self._live = live
        self._shown(live)

    def _greet(self, way: Way, greeting: LiveGreeting) -> None:
        self._show(replace(self._live, greetings={**self._live.greetings, way.device: greeting}))

    # --- what waits --------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """See what waits, let go what is too old, and look through one document that is new."""
        for queue in await self._releaser.keep_stopped():
            log.warning("the queue %s waits for badges and had been started: it is stopped again", queue)
        held = await self._expire(await self._withdrawn(await self._releaser.held()))
        self._held = held
        names = {job.name for job in held}
        self._told = {name: told for name, told in self._told.items() if name in names}
        self._show_held(held)
        for job in held:
            if self._turns:
                return self._bell.set()
            if job.name not in self._told:
                await self._look_through(job)
                self._show_held(held)
        return None

    async def _look_through(self, job: HeldJob) -> None:
        """Make a forecast; a badge that comes meanwhile is obeyed at once, and the look starts again."""
        looking = asyncio.ensure_future(self._releaser.leaf(job))
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
            self._told[job.name] = forecast(job, looking.result())
        except DriverError as error:  # it was let out or withdrawn meanwhile, or CUPS does not hand it out: it prints
            log.info("a held job could not be looked through: %s", error)
            self._told[job.name] = Forecast(why="broken")

    async def _withdrawn(self, held: tuple[HeldJob, ...]) -> tuple[HeldJob, ...]:
        """Cancel what was taken back and still waits: a crash came between, or CUPS failed."""
        back = self._slate.read().withdrawn
        for job in held:
            if job.name in back:
                await self._releaser.discard(job)
        return tuple(job for job in held if job.name not in back)

    async def _expire(self, held: tuple[HeldJob, ...]) -> tuple[HeldJob, ...]:
        """Let go what nobody came for. Only by a clock that can be believed."""
        at = self._clock.now()
        if at.trust not in {Trust.SYNCHRONISED, Trust.DRIFTING} or self._people.fault:
            return held  # nor while nobody could badge for it
        old = too_old(held, at.utc, self._policy.keep)
        slate, roster = self._slate.read(), self._people.roster()
        for job in old:
            if job.name not in slate.expired:
                whose = slate.owner(job, roster)
                hours = int(at.utc.timestamp() - job.created_s) // 3600
                fact = JobExpired(job.job, job.created_s, alias_of(self._people, job.user).id, whose.member, hours)
                await self._write(fact, f"{job.job}/{job.created_s}")
            await self._releaser.discard(job)
            log.info("job %d was let go: nobody came for it", job.job)
        return tuple(job for job in held if job not in old)

    def _show_held(self, held: tuple[HeldJob, ...]) -> None:
        slate, roster, today = self._slate.read(), self._people.roster(), self._today()
        rows = []
        for job in [one for one in held if one.name not in slate.withdrawn][-SHOWN:]:
            whose = slate.owner(job, roster, same_host=self._same_host)
            told = self._told.get(job.name, WAITING)
            given = slate.given.get(job.name)
            payer, charged = payer_of(job, whose.member, slate, roster, today)
            rows.append(
                LiveHeld(
                    job=job.job,
                    created_s=job.created_s,
                    alias=whose.alias or alias_of(self._people, job.user).id,
                    member=whose.member,
                    level=whose.level.value,
                    turn=0 if given is None else given.turn,
                    sides=told.sides,
                    colour=told.colour,
                    why=told.why,
                    payer=payer if is_payer(payer) else "",
                    charge=charged.value if is_payer(payer) else "",
                )
            )
        self._show(replace(self._live, held=tuple(rows)))

    def _today(self) -> date:
        return self._clock.now().utc.astimezone(self._policy.zone).date()

    # --- wishes: a member takes a job back, somebody says who pays ----------------------------------------------

    async def _withdraw(self, wish: Wish) -> None:
        """Take a job back. A CUPS that fails before the fact leaves it waiting; after it, the next look cancels it."""
        held = await self._releaser.held()
        came, job = withdraw(held, wish.job, wish.member, self._slate.read(), self._people.roster())
        if job is not None and job.name not in self._slate.read().withdrawn:
            fact = JobWithdrawn(job.job, job.created_s, alias_of(self._people, job.user).id, wish.member)
            await self._write(fact, f"{job.job}/{job.created_s}")
            self._show_held(self._held)
        if not wish.answer.done():
            wish.answer.set_result(came)
        if job is not None:
            await self._releaser.discard(job)
            log.info("job %d was taken back by its member", job.job)

    async def _charge(self, wish: Wish, payer: MemberId) -> None:
        """Write down who pays for a job."""
        held, slate, roster = await self._releaser.held(), self._slate.read(), self._people.roster()
        came, job = charge(held, wish.job, wish.member, payer, slate, roster, self._today())
        if job is not None:
            said = slate.charged.get(job.name)
            turn = 1 if said is None else said.turn + 1
            alias = alias_of(self._people, job.user).id
            fact = JobCharged(job.job, job.created_s, turn, alias, payer, wish.member, wish.actor)
            await self._write(fact, f"{job.job}/{job.created_s}/{turn}")
            self._show_held(held)
        if not wish.answer.done():
            wish.answer.set_result(came)

    # --- a badge -----------------------------------------------------------------------------------------------

    async def _obey(self, badge: _Badge) -> None:
        """Let out what a badge lets out. A CUPS that fails costs this badge its jobs, which still wait."""
        read, way = badge.read, badge.way
        now = self._clock.now()
        if read.at.boot != now.boot or now.mono_s - read.at.mono_s > STALE_BADGE_S:
            return log.warning("%s: a badge came too late to release anything", way.device)
        day = read.at.utc.astimezone(self._policy.zone).date()
        card, roster = self._people.card_key(read.card), self._people.roster()
        member = holder(card, roster, day)
        if member is None:
            lost = bool(self._people.fault) and card not in roster.cards  # whose it is cannot be said, not: nobody's
            return self._greet(way, LiveGreeting(read.at.utc, refused="roster" if lost else "card"))
        reading = asyncio.ensure_future(self._ask(way))
        try:
            held = await self._releaser.held()
        except DriverError:
            await self._refuse(way, member, read, "spooler", 0)
            raise
        finally:
            seen = await reading
        slate, roster = self._slate.read(), self._people.roster()
        mine = let_out((job for job in held if job.queue in way.intake), member.id, slate, roster)
        why = cannot_print(seen)
        if not mine:
            return self._greet(way, LiveGreeting(read.at.utc))
        if why:
            return await self._refuse(way, member, read, why, len(mine))
        bills = [(job, *payer_of(job, member.id, slate, roster, day)) for job in mine]
        paid = [(job, payer) for job, payer, came in bills if came is Charge.CHARGED]
        out = [job for job, payer in paid if await self._let_out(job, way, payer)]
        self._prove(out, member, day)
        left = [(payer, came) for _, payer, came in bills if came is not Charge.CHARGED]
        if left:
            return await self._leave(way, member, read, left)
        told = [self._told.get(job.name, WAITING) for job in out]
        own = all(payer == member.id for _, payer in paid)
        return self._greet(way, greeting(read.at.utc, told, self._policy.tariff if own else None, day, member.formula))

    async def _leave(self, way: Way, member: Member, read: BadgeRead, left: Sequence[tuple[MemberId, Charge]]) -> None:
        """Leave jobs where they wait, for their payer does not pay; others may have come out."""
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}"
        await self._write(ChargeRefused(way.device, member.id, *left[0], jobs=len(left)), key)
        self._greet(way, LiveGreeting(read.at.utc, jobs=len(left), refused="payer"))

    def _prove(self, out: list[HeldJob], member: Member, day: date) -> None:
        """Remember for today which hosts sent jobs under this member's own names."""
        aliases = self._people.roster().aliases
        for job in out:
            alias = aliases.get(fold_user(job.user))
            if alias is not None and alias.member == member.id:
                self.proven = self.proven.after(day, job.host, job.user, member.id)

    def near(self, host: str, user: str, member: MemberId) -> bool:
        """Tell whether that host proved that very name to be `member`'s by a badge today."""
        day = self._clock.now().utc.astimezone(self._policy.zone).date()
        return self.proven.same_host(day, host, user, member)

    def _same_host(self, job: HeldJob, member: MemberId) -> bool:
        return self.near(job.host, job.user, member)

    async def _ask(self, way: Way) -> DeviceReading | None:
        """Ask the device itself, now; None if it does not say."""
        try:
            async with asyncio.timeout(DEVICE_S):  # not wait_for: in Python 3.11 that may swallow a cancellation
                return await way.printer.read()
        except (DriverError, TimeoutError):
            return None

    async def _let_out(self, job: HeldJob, way: Way, payer: MemberId) -> bool:
        """Say who pays, then move it. False: somebody else was quicker, or CUPS refused; it still waits."""
        told = self._told.get(job.name, WAITING)
        fact = JobReleased(
            device=way.device,
            job=job.job,
            created_s=job.created_s,
            alias=alias_of(self._people, job.user).id,
            member=payer,
            formula=self._people.roster().formula_of(payer) or FormulaId(""),
            level=Level.BADGE,
            sides=told.sides,
            colour=told.colour,
            banners=sum(job.banners),
        )
        at = self._clock.now()
        await self._write(fact, f"{job.job}/{job.created_s}/{at.boot}:{at.mono_s:.6f}")
        try:
            await self._releaser.release(job, way.out)
        except DriverError as error:
            log.warning("%s: a job could not be let out and still waits: %s", way.device, error)
            return False
        return True

    async def _refuse(self, way: Way, member: Member, read: BadgeRead, why: str, jobs: int) -> None:
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}"
        await self._write(ReleaseRefused(way.device, member.id, why, jobs), key)
        self._greet(way, LiveGreeting(read.at.utc, jobs=jobs, refused=why))

    async def _write(self, fact: Fact, key: str) -> None:
        written = self._ledger.append(fact, self._clock.now(), key)
        try:
            await asyncio.shield(written)
        except asyncio.CancelledError:
            await asyncio.wait({written}, timeout=LAST_S)
            raise
