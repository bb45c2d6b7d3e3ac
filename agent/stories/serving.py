"""The counter of release by badge: what a badge lets out, who pays for it, and the choice at the screen.

The one idea: *who pays is a fact before the job moves*, and what is chosen for the jobs holds for the copies of that
visit too (`stories.glass`). A crash between leaves a job that still waits, never a print
without an owner. Somebody stands there: a badge costs one list of the waiting jobs and one question to the device,
asked at the same time, one fact on the disk, and the move. Called in turn by `stories.release`, never twice at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from agent.live import LiveAsk, LiveGreeting
from agent.rules.facts import FormulaId, MemberId
from agent.rules.folding import fold_user
from agent.rules.forecast import WAITING
from agent.rules.identity import Level, Proven
from agent.rules.members import Member
from agent.rules.paper import holder
from agent.rules.payers import Charge, ChargeRefused, usable
from agent.rules.release import JobLetOut, ReleaseRefused, cannot_print, charge, let_out, payer_of
from agent.stories.counter import Choice, Counter, Question
from agent.stories.glass import Glass
from agent.stories.greeting import greeting
from agent.stories.owners import alias_of
from agent.stories.room import Room, Way
from drivers.contract import BadgeRead, DeviceReading, DriverError
from drivers.holding import HeldJob

log = logging.getLogger(__name__)

STALE_BADGE_S = 10.0  # whoever badged that long ago has walked away: nothing is printed for nobody
DEVICE_S = 2.0  # how long a device may take to say that it can print


class Serving:
    """Serves who stands at the copiers. One per site."""

    def __init__(self, room: Room, glass: Glass | None = None) -> None:
        self._room, self._glass = room, glass
        self._ways: dict[str, Way] = {}
        self.counter = Counter()
        self.proven = Proven()  # by badges of today; lost at a restart: then a name is a claim again

    def touch(self, device: str, on: bool) -> None:  # noqa: FBT001  (what a finger says)
        """Have the next badge at a device asked who pays, or not after all."""
        at = self._room.clock.now()
        self.counter.touch(device, LiveAsk(at.utc) if on else None, at.mono_s)
        self._room.show(replace(self._room.live, asks=self.counter.live))

    def armed(self, device: str) -> bool:
        """Tell whether the next badge at a device is to be asked who pays."""
        return self.counter.armed(device, self._room.clock.now().mono_s)

    async def obey(self, read: BadgeRead, way: Way) -> None:
        """Let out what a badge lets out. A CUPS that fails costs this badge its jobs, which still wait."""
        now = self._room.clock.now()
        self._ways[way.device] = way
        if read.at.boot != now.boot or now.mono_s - read.at.mono_s > STALE_BADGE_S:
            return log.warning("%s: a badge came too late to release anything", way.device)
        asks = self.counter.badged(way.device, now.mono_s)
        day = read.at.utc.astimezone(self._room.policy.zone).date()
        card, roster = self._room.people.card_key(read.card), self._room.people.roster()
        member = holder(card, roster, day)
        if member is None:
            # while the list is lost, whose it is cannot be said; that is not: nobody's
            lost = bool(self._room.people.fault) and card not in roster.cards
            return self._greet(way, LiveGreeting(read.at.utc, refused="roster" if lost else "card"))
        mine, why = await self._find(way, member, read)
        if not mine and not (asks and self._copies(way, member)):
            return self._greet(way, LiveGreeting(now.utc))
        if mine and why:
            return await self._refuse(way, member, read, why, len(mine))
        if asks:
            return self._ask_who_pays(way, member, read, mine)
        return await self._serve(way, member, read, mine)

    async def _find(self, way: Way, member: Member, read: BadgeRead) -> tuple[tuple[HeldJob, ...], str]:
        """Return what waits here for a member, and why the device cannot print it; "" if it can."""
        reading = asyncio.ensure_future(self._ask(way))
        try:
            held = await self._room.releaser.held()
        except DriverError:
            await self._refuse(way, member, read, "spooler", 0)
            raise
        finally:
            seen = await reading
        here = (job for job in held if job.queue in way.intake)
        return let_out(here, member.id, self._room.slate.read(), self._room.people.roster()), cannot_print(seen)

    def _copies(self, way: Way, member: Member) -> bool:
        """Tell whether an account may pay for what a member copies here."""
        return self._glass is not None and way.device in self._glass.devices and bool(self._glass.usable(member.id))

    def _mean(self, way: Way, question: Question, payer: MemberId) -> None:
        """Have a choice hold for the copies of the visit too."""
        if self._glass is not None:
            self._glass.mean(
                way.device, question.read, question.member.id, payer, f"screen:{way.device}", aloud=not question.jobs
            )

    def _ask_who_pays(self, way: Way, member: Member, read: BadgeRead, mine: tuple[HeldJob, ...]) -> None:
        """Show a member the shared accounts that pay for them; what waits, waits for their choice."""
        now, told = self._room.clock.now(), [self._room.told.get(job.name, WAITING).sides for job in mine]
        payers = usable(self._room.people.roster().payers, member.id, self._room.today())
        if not payers:
            return self._greet(way, LiveGreeting(now.utc, jobs=len(mine), refused="no-payer"))
        known = [sides for sides in told if sides is not None]
        live = LiveAsk(now.utc, 0, payers, len(mine), sum(known) if len(known) == len(told) else None)
        self.counter.ask(way.device, Question(read, member, frozenset(job.name for job in mine)), live, now.mono_s)
        return self._room.show(replace(self._room.live, asks=self.counter.live))

    async def choose(self, choice: Choice) -> None:
        """Charge the account that was chosen at the screen, and let out what its member was told of."""
        question = self.counter.answered(choice, self._room.clock.now().mono_s)
        if question is None:
            return None
        self._room.show(replace(self._room.live, asks=self.counter.live))
        if choice.payer is None:
            return None
        way, member, read = self._ways[choice.device], question.member, question.read
        found, why = await self._find(way, member, read)
        mine = tuple(job for job in found if job.name in question.jobs)
        if not mine:
            self._mean(way, question, choice.payer)
            return self._greet(way, LiveGreeting(self._room.clock.now().utc)) if question.jobs else None
        if why:
            return await self._refuse(way, member, read, why, len(mine))
        for job in mine:
            slate, roster, today = self._room.slate.read(), self._room.people.roster(), self._room.today()
            if payer_of(job, member.id, slate, roster, today)[0] == (choice.payer or member.id):
                continue
            came, _ = charge(mine, job.name, member.id, choice.payer, slate, roster, today)
            if came is not Charge.CHARGED:
                return await self._leave(way, member, read, [(choice.payer, came)] * len(mine))
            await self._room.write_charge(job, choice.payer, member.id, f"screen:{way.device}")
        self._mean(way, question, choice.payer)
        return await self._serve(way, member, read, mine)

    async def _serve(self, way: Way, member: Member, read: BadgeRead, mine: tuple[HeldJob, ...]) -> None:
        """Let out what its payer pays."""
        slate, roster, day = self._room.slate.read(), self._room.people.roster(), self._room.today()
        bills = [(job, *payer_of(job, member.id, slate, roster, day)) for job in mine]
        paid = [(job, payer) for job, payer, came in bills if came is Charge.CHARGED]
        out = [job for job, payer in paid if await self._let_out(job, way, payer)]
        self._prove(out, member, day)
        left = [(payer, came) for _, payer, came in bills if came is not Charge.CHARGED]
        if left:
            return await self._leave(way, member, read, left)
        told, at = [self._room.told.get(job.name, WAITING) for job in out], self._room.clock.now().utc
        own = all(payer == member.id for _, payer in paid)
        said = greeting(at, told, self._room.policy.tariff if own else None, day, member.formula)
        return self._greet(way, replace(said, account=not own))

    async def _leave(self, way: Way, member: Member, read: BadgeRead, left: Sequence[tuple[MemberId, Charge]]) -> None:
        """Leave jobs where they wait, for their payer does not pay; others may have come out."""
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}"
        await self._room.write(ChargeRefused(way.device, member.id, *left[0], jobs=len(left)), key)
        self._greet(way, LiveGreeting(self._room.clock.now().utc, jobs=len(left), refused="payer"))

    def _prove(self, out: list[HeldJob], member: Member, day: date) -> None:
        """Remember for today which hosts sent jobs under this member's own names."""
        aliases = self._room.people.roster().aliases
        for job in out:
            alias = aliases.get(fold_user(job.user))
            if alias is not None and alias.member == member.id:
                self.proven = self.proven.after(day, job.host, job.user, member.id)

    def near(self, host: str, user: str, member: MemberId) -> bool:
        """Tell whether that host proved that very name to be `member`'s by a badge today."""
        return self.proven.same_host(self._room.today(), host, user, member)

    def same_host(self, job: HeldJob, member: MemberId) -> bool:
        """Tell the same of the host and the name of a held job."""
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
        told = self._room.told.get(job.name, WAITING)
        fact = JobLetOut(
            device=way.device,
            job=job.job,
            created_s=job.created_s,
            alias=alias_of(self._room.people, job.user).id,
            member=payer,
            formula=self._room.people.roster().formula_of(payer) or FormulaId(""),
            level=Level.BADGE,
            sides=told.sides,
            colour=told.colour,
            banners=sum(job.banners),
            backs=told.backs,
        )
        at = self._room.clock.now()
        await self._room.write(fact, f"{job.job}/{job.created_s}/{at.boot}:{at.mono_s:.6f}")
        try:
            await self._room.releaser.release(job, way.out)
        except DriverError as error:
            log.warning("%s: a job could not be let out and still waits: %s", way.device, error)
            return False
        return True

    async def _refuse(self, way: Way, member: Member, read: BadgeRead, why: str, jobs: int) -> None:
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}"
        await self._room.write(ReleaseRefused(way.device, member.id, why, jobs), key)
        self._greet(way, LiveGreeting(self._room.clock.now().utc, jobs=jobs, refused=why))

    def _greet(self, way: Way, greeting: LiveGreeting) -> None:
        greetings = {**self._room.live.greetings, way.device: greeting}
        self._room.show(replace(self._room.live, greetings=greetings, asks=self.counter.live))
