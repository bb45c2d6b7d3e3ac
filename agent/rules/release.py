"""Judges which held jobs a badge lets out, whom they are billed to, and what becomes of those nobody comes for.

The one idea: *presence decides*. A job leaves the stopped queue only when a member stands at the copier, and is billed
to whoever badged. A badge lets out the jobs whose name folds to that member and those the animator gave to them; never
a job whose name is another's, whoever claims what. What is nobody's stays, is shown to the animator, and after `keep`
it goes, told as a fact: paper that nobody fetched in three days is wanted by nobody. Its member may withdraw it
before that; what was withdrawn is let out by no badge, from the moment that it is written.

Where the machine cannot print nothing leaves the queue: the member would go, and the pages come out for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total
from agent.rules.folding import fold_user
from agent.rules.identity import Level, level, nobodys
from agent.rules.members import Roster
from agent.rules.pages import PLAIN, Errand, Owner, owner
from agent.rules.payers import ANIMATOR, Charge, JobCharged, may_pay, meant
from agent.rules.reasons import read_reason
from drivers.contract import DeviceReading, DeviceState
from drivers.holding import HeldJob

Name = tuple[int, int]  # job, created_s


@dataclass(frozen=True, slots=True)
class JobReleased(Fact):
    """A held job was let out to a device, and this is who pays for what it prints."""

    kind: ClassVar[str] = "job-released"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    job: int
    created_s: int
    alias: AliasId
    member: MemberId
    formula: FormulaId
    level: Level
    sides: int | None  # forecast; None: nobody could tell
    colour: int | None
    banners: int  # sides the spooler adds: nobody pays them


@dataclass(frozen=True, slots=True)
class JobLetOut(JobReleased):
    """A held job was let out to a device: as before, and how many blank backs may come with its sides."""

    kind: ClassVar[str] = "job-let-out"

    backs: int  # Forecast.backs


@dataclass(frozen=True, slots=True)
class JobForetold(Fact):
    """The documents of a job that prints at once were counted while it printed."""

    kind: ClassVar[str] = "job-foretold"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    job: int
    created_s: int
    sides: int  # all copies; without banners
    colour: int | None  # of these; None: nobody could tell
    banners: int  # sides the spooler adds


@dataclass(frozen=True, slots=True)
class JobForeseen(JobForetold):
    """The documents of a job that prints at once were counted: as before, and how many blank backs may come with it."""

    kind: ClassVar[str] = "job-foreseen"

    backs: int  # Forecast.backs


@dataclass(frozen=True, slots=True)
class JobGiven(Fact):
    """The animator said whose a held job is, or nobody's again."""

    kind: ClassVar[str] = "job-given"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    job: int
    created_s: int
    turn: int  # 1, 2, ...: two hands at once cannot both be second
    alias: AliasId
    member: MemberId  # "": nobody's
    actor: str


@dataclass(frozen=True, slots=True)
class JobExpired(Fact):
    """A held job was let go because nobody came for it."""

    kind: ClassVar[str] = "job-expired"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    job: int
    created_s: int
    alias: AliasId
    member: MemberId
    held_h: int

    def totals(self) -> tuple[Total, ...]:
        """Count it."""
        return (total("jobs_expired", 1),)


@dataclass(frozen=True, slots=True)
class JobWithdrawn(Fact):
    """A member took a held job of theirs back: it is never printed, and nobody pays for it."""

    kind: ClassVar[str] = "job-withdrawn"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    job: int
    created_s: int
    alias: AliasId
    member: MemberId

    def totals(self) -> tuple[Total, ...]:
        """Count it."""
        return (total("jobs_withdrawn", 1),)


@dataclass(frozen=True, slots=True)
class ReleaseRefused(Fact):
    """A badge let nothing out, because the machine cannot print."""

    kind: ClassVar[str] = "release-refused"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    member: MemberId
    why: str  # a key of rules.reasons, or "silent", "spooler"
    jobs: int

    def totals(self) -> tuple[Total, ...]:
        """Count it by device and reason."""
        return (total("releases_refused", 1, device=self.device, why=self.why),)


RELEASE_FACTS = (JobReleased, JobGiven, JobExpired, JobForetold, JobWithdrawn, JobCharged)


def unproven(job: HeldJob, member: MemberId) -> bool:
    """Say that nobody badged for jobs of that host today."""
    del job, member
    return False


@dataclass(frozen=True, slots=True)
class Slate:
    """What was said and done about held jobs, folded from the facts."""

    given: Mapping[Name, JobGiven] = field(default_factory=dict)
    released: Mapping[Name, JobReleased] = field(default_factory=dict)
    expired: frozenset[Name] = frozenset()
    foretold: Mapping[Name, JobForetold] = field(default_factory=dict)
    withdrawn: frozenset[Name] = frozenset()
    charged: Mapping[Name, JobCharged] = field(default_factory=dict)

    def after(self, facts: Iterable[Fact]) -> Slate:
        """Return the slate after more facts."""
        given, released, expired = dict(self.given), dict(self.released), set(self.expired)
        foretold, charged = dict(self.foretold), dict(self.charged)
        withdrawn = set(self.withdrawn)
        for fact in facts:
            match fact:
                case JobGiven():
                    given[fact.job, fact.created_s] = fact
                case JobReleased():
                    released[fact.job, fact.created_s] = fact
                case JobExpired():
                    expired.add((fact.job, fact.created_s))
                case JobForetold():
                    foretold[fact.job, fact.created_s] = fact
                case JobWithdrawn():
                    withdrawn.add((fact.job, fact.created_s))
                case JobCharged():
                    charged[fact.job, fact.created_s] = fact
                case _:
                    pass
        return Slate(given, released, frozenset(expired), foretold, frozenset(withdrawn), charged)

    def owner(
        self, job: HeldJob, roster: Roster, *, same_host: Callable[[HeldJob, MemberId], bool] = unproven
    ) -> Owner:
        """Return whose a held job is, as far as anybody can say before a badge, and on what that rests.

        `same_host`: whether the host it came from proved that very name by a badge today.
        """
        alias = roster.aliases.get(fold_user(job.user))
        named = AliasId("") if alias is None else alias.id
        said = self.given.get(job.name)
        if said is not None:
            member = roster.members.get(said.member)
            if member is None:
                return Owner(named, MemberId(""), FormulaId(""))
            return Owner(named, member.id, member.formula, Level.GIVEN)
        if alias is None or nobodys(job.user):
            return Owner(named, MemberId(""), FormulaId(""))
        whose = owner(alias, roster)
        known, near = bool(whose.member), same_host(job, whose.member)
        return replace(whose, level=level(job.user, known=known, same_host=near, authenticated=job.authenticated))

    def payer(self, job: int, created_s: int) -> Owner | None:
        """Return who pays for a job that was let out; None if none was."""
        fact = self.released.get((job, created_s))
        return None if fact is None else Owner(fact.alias, fact.member, fact.formula, fact.level)

    def errand(self, job: int, created_s: int) -> Errand:
        """Return what was known of a job before it ended: its banners, and the sides counted in its documents.

        Facts of old do not tell its blank backs: there is one to each side at most.
        """
        fact = self.released.get((job, created_s)) or self.foretold.get((job, created_s))
        if fact is None:
            return PLAIN
        backs = fact.backs if isinstance(fact, JobLetOut | JobForeseen) else (fact.sides or 0) + fact.banners
        return Errand(banners=fact.banners, forecast=fact.sides, backs=backs)


def let_out(jobs: Iterable[HeldJob], member: MemberId, slate: Slate, roster: Roster) -> tuple[HeldJob, ...]:
    """Return the jobs that the badge of `member` lets out, oldest first."""
    mine = (job for job in jobs if job.name not in slate.withdrawn and slate.owner(job, roster).member == member)
    return tuple(sorted(mine, key=lambda job: (job.created_s, job.job)))


def payer_of(job: HeldJob, member: MemberId, slate: Slate, roster: Roster, day: date) -> tuple[MemberId, Charge]:
    """Return who pays when `member` badges for a job, and whether they do.

    A shared account that somebody chose, else one that the client named (job-account-id, PWG 5100.7; what names none
    is a word of the client's own), else the member. What the animator chose it pays for whoever badges.
    """
    said = slate.charged.get(job.name)
    if said is None:
        payer, asks = meant(roster.payers, job.account) or MemberId(""), member
    else:
        payer, asks = said.payer, member if said.member else ANIMATOR
    if not payer:
        return member, Charge.CHARGED
    return payer, may_pay(roster.payers.get(payer), asks, day)


def charge(
    jobs: Iterable[HeldJob], name: Name, by: MemberId, payer: MemberId, slate: Slate, roster: Roster, day: date
) -> tuple[Charge, HeldJob | None]:
    """Judge a wish that `payer` ("": whoever badges) pays; `by` a member or ANIMATOR. The job is None if refused."""
    job = next((one for one in jobs if one.name == name and name not in slate.withdrawn), None)
    if job is None or (by != ANIMATOR and slate.owner(job, roster).member != by):
        return Charge.GONE, None
    came = may_pay(roster.payers.get(payer), by, day) if payer else Charge.CHARGED
    return came, job if came is Charge.CHARGED else None


class Withdrawal(StrEnum):
    """What comes of a member's wish to take a held job back."""

    WITHDRAWN = "withdrawn"
    RELEASED = "released"  # it was let out to print meanwhile
    GONE = "gone"  # it waits no more, or is not theirs: which of the two is nobody's business


def withdraw(
    jobs: Iterable[HeldJob], name: Name, member: MemberId, slate: Slate, roster: Roster
) -> tuple[Withdrawal, HeldJob | None]:
    """Judge a wish; the job is the one to be cancelled now, None if there is none (any more)."""
    job = next((one for one in jobs if one.name == name), None)
    out = slate.released.get(name)
    if job is None:
        return (Withdrawal.RELEASED if out is not None and out.member == member else Withdrawal.GONE), None
    if not member or slate.owner(job, roster).member != member:
        return Withdrawal.GONE, None
    return Withdrawal.WITHDRAWN, job


def cannot_print(reading: DeviceReading | None) -> str:
    """Return why a device cannot print, a key of `rules.reasons` ("silent": it does not answer); "" if it can."""
    if reading is None:
        return "silent"
    stopped = reading.state is DeviceState.STOPPED
    found = [reason for one in reading.reasons if (reason := read_reason(one, stopped=stopped)) is not None]
    blocking = next((reason.key for reason in found if reason.blocking), "")
    return blocking or ("other" if stopped else "")


def too_old(jobs: Iterable[HeldJob], now: datetime, keep: timedelta) -> tuple[HeldJob, ...]:
    """Return the jobs that waited longer than `keep`. `now` is to be trusted by the caller: a clock may jump."""
    oldest_s = (now - keep).timestamp()
    return tuple(job for job in jobs if job.created_s < oldest_s)
