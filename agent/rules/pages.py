"""Counts what one print attempt really put on paper.

The one idea: the *device's own job record* is the truth (RFC 8011 section 5.3: job-impressions-completed, -col,
job-media-sheets-completed), and one record is one physical attempt. What CUPS says is a claim: measured on real
queues, it adds up attempts that never printed and counts the blank backs it padded.

Nothing here ever guesses zero. Where the record does not say, the attempt becomes a `Claim` that waits for the device's
counters: alone on the counters' movement it is counted exactly (evidence COUNTER); among others it is booked with its
interval and its lower bound, and the movement stays unattributed. Without counters the interval is [0, what the spooler
claims] (evidence CLAIMED). A statement bills the lower bound.

Two roundings are in the member's favour: sides whose colour the device does not tell are mono, and sheets it does not
tell are as few as the job's two-sidedness allows, each copy starting a new sheet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total
from agent.rules.members import Alias, Roster, fold_user
from drivers.contract import DeviceJob, SpoolJob


class Evidence(StrEnum):
    """Who says so, best first."""

    DEVICE = "device"  # the device's own job record
    COUNTER = "counter"  # the difference of the device's counters
    FORECAST = "forecast"  # counted from the document
    CLAIMED = "claimed"  # the spooler's word alone


@dataclass(frozen=True, slots=True)
class PagesCounted(Fact):
    """One physical print attempt ended; a job printed twice gives two. `low <= truth <= high`, in sides."""

    kind: ClassVar[str] = "pages-counted"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    serial: str
    attempt: str  # the attempt's identity at the device: serial, job id, creation or uuid
    alias: AliasId  # roster row of the name the job came under; "" if it had none
    member: MemberId  # "" = unclaimed, waits for the animator
    formula: FormulaId
    sides_mono: int
    sides_colour: int
    sheets: int
    low: int
    high: int
    evidence: Evidence
    state: str  # contract.JobState at the end

    def totals(self) -> tuple[Total, ...]:
        """Sides by device, kind, colour and formula; and per member for billing."""
        who = self.formula or "unclaimed"
        rows = []
        for colour, sides in (("mono", self.sides_mono), ("colour", self.sides_colour)):
            rows.append(total("sides", sides, device=self.device, kind="print", colour=colour, formula=who))
            if self.member:
                rows.append(total("member_sides", sides, member=self.member, kind="print", colour=colour))
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose attempt it is: the name it came under, and the member that name is given to, if any."""

    alias: AliasId
    member: MemberId
    formula: FormulaId


NOBODY = Owner(AliasId(""), MemberId(""), FormulaId(""))


def owner(alias: Alias, roster: Roster) -> Owner:
    """Return whose a print name is; unclaimed if it is nobody's or its member is gone."""
    member = roster.members.get(alias.member) if alias.member is not None else None
    if member is None:
        return Owner(alias.id, NOBODY.member, NOBODY.formula)
    return Owner(alias.id, member.id, member.formula)


def attempt(job: DeviceJob) -> str:
    """Return the identity of a physical attempt: it survives restarts, and a device that starts its job-ids over.

    Its job-uuid tells ids used twice apart, or else the time of its creation (which a device may later correct). A
    device with neither offers nothing but its job-id: there, a reused id is not seen.
    """
    created = "" if job.created_utc is None else job.created_utc.isoformat()
    return f"{job.serial}/{job.job}/{job.uuid or created}"


def count(job: DeviceJob, whose: Owner) -> PagesCounted | None:
    """Count an ended attempt by its own record; None if the record does not say (make it a Claim)."""
    if job.sides is None:
        return None
    colour = min(job.sides, job.sides_colour or 0)
    sheets = job.sheets if job.sheets is not None else _sheets(job.sides, job.copies, two_sided=bool(job.two_sided))
    return PagesCounted(
        device=job.device,
        serial=job.serial,
        attempt=attempt(job),
        alias=whose.alias,
        member=whose.member,
        formula=whose.formula,
        sides_mono=job.sides - colour,
        sides_colour=colour,
        sheets=sheets,
        low=job.sides,
        high=job.sides,
        evidence=Evidence.DEVICE,
        state=job.state,
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """An ended attempt whose record is missing, or does not say how many sides: only the counters can settle it."""

    device: str
    serial: str
    attempt: str
    whose: Owner
    most: int | None  # what the spooler claims, in sides; None if nobody claims anything
    state: str
    copies: int = 1
    two_sided: bool = False

    def row(self, mono: int, colour: int, high: int, evidence: Evidence) -> PagesCounted:
        """Return the fact: at least `mono` + `colour` sides, at most `high`."""
        return PagesCounted(
            device=self.device,
            serial=self.serial,
            attempt=self.attempt,
            alias=self.whose.alias,
            member=self.whose.member,
            formula=self.whose.formula,
            sides_mono=mono,
            sides_colour=colour,
            sheets=_sheets(mono + colour, self.copies, two_sided=self.two_sided),
            low=mono + colour,
            high=high,
            evidence=evidence,
            state=self.state,
        )


def unsaid(job: DeviceJob, whose: Owner) -> Claim:
    """Return the claim of a record that does not say how many sides it printed."""
    return Claim(
        device=job.device,
        serial=job.serial,
        attempt=attempt(job),
        whose=whose,
        most=None,
        state=job.state,
        copies=job.copies,
        two_sided=bool(job.two_sided),
    )


def unrecorded(device: str, serial: str, job: SpoolJob, whose: Owner) -> Claim:
    """Return the claim of a spooled job that ended but left no record at the device (it lost its memory, say)."""
    name = f"spool/{job.queue}/{job.job}/{job.created_s}"
    return Claim(device, serial, name, whose, most=job.claimed_sides, state=job.state)


def settle(claims: tuple[Claim, ...], mono: int, colour: int) -> tuple[PagesCounted, ...]:
    """Count claims by a movement of the print counters that no record explains (`mono`, `colour` sides).

    One claim alone, and no larger than it may be: it is that movement. Several whose upper bounds together make just
    that movement, in one colour: each is its bound, for none could be more. Several otherwise: each is [0, the
    movement]. No movement: a record that did not say printed nothing, the counters witness; a spooled job never
    reached the device.
    """
    moved = mono + colour
    if mono < 0 or colour < 0 or moved == 0:
        return tuple(claim.row(0, 0, 0, Evidence.COUNTER) for claim in claims if claim.most is None)
    if len(claims) == 1 and (claims[0].most is None or moved <= claims[0].most):
        return (claims[0].row(mono, colour, moved, Evidence.COUNTER),)
    bounds = [claim.most for claim in claims if claim.most is not None]
    if len(bounds) == len(claims) and sum(bounds) == moved and not (mono and colour):
        shares = [(most, 0) if mono else (0, most) for most in bounds]
        return tuple(
            claim.row(*share, sum(share), Evidence.COUNTER) for claim, share in zip(claims, shares, strict=True)
        )
    return tuple(claim.row(0, 0, min(moved, claim.most or moved), Evidence.COUNTER) for claim in claims)


def believe(claims: tuple[Claim, ...]) -> tuple[PagesCounted, ...]:
    """Count claims where there are no counters: between nothing and what the spooler claims.

    A record that does not say, and of which nobody claims anything, has no upper bound and is not counted: its
    spooled job is.
    """
    return tuple(claim.row(0, 0, claim.most, Evidence.CLAIMED) for claim in claims if claim.most is not None)


class Witness:
    """Which of a device's spooled jobs ended without a record at the device.

    CUPS passes the device neither its job-id nor its uuid, so jobs and records are paired by user, in order: a user
    with more ended jobs than records has some missing. An attempt that was repeated gives one record too many and may
    hide a missing one (its sides are then unattributed, never somebody else's). `since_s` is Unix seconds: jobs created
    before it were judged by an earlier run.
    """

    def __init__(self, since_s: float) -> None:
        self._since_s = since_s
        self._records: dict[str, str] = {}  # attempt -> folded user, until it is paired
        self._paired: set[str] = set()  # attempts
        self._void: set[str] = set()  # jobs that are paired, or were seen to have printed nothing

    def recorded(self, name: str, user: str) -> None:
        """Note the record of the attempt `name` of `user` at the device; again is harmless."""
        if name not in self._paired:
            self._records[name] = fold_user(user)

    def missing(self, jobs: Iterable[SpoolJob]) -> tuple[SpoolJob, ...]:
        """Return the ended jobs beyond the records of their users, oldest first."""
        left = Counter(self._records.values())
        found = []
        for job in self._ended(jobs):
            user = fold_user(job.user)
            if left[user]:
                left[user] -= 1
            else:
                found.append(job)
        return tuple(found)

    def balanced(self, jobs: Iterable[SpoolJob]) -> None:
        """Note that the counters hold nothing unexplained: whatever has no record now printed nothing, or is booked."""
        for job in self._ended(jobs):
            self._void.add(_name(job))
            user = fold_user(job.user)
            record = next((name for name, whose in self._records.items() if whose == user), None)
            if record is not None:
                del self._records[record]
                self._paired.add(record)

    def _ended(self, jobs: Iterable[SpoolJob]) -> list[SpoolJob]:
        """Return the jobs that claim to have printed and are not judged yet, oldest first."""
        ours = (job for job in jobs if job.state.ended and job.claimed_sides and job.created_s >= self._since_s)
        return sorted((job for job in ours if _name(job) not in self._void), key=lambda job: (job.created_s, job.job))


def _name(job: SpoolJob) -> str:
    return f"{job.queue}/{job.job}/{job.created_s}"


def _sheets(sides: int, copies: int, *, two_sided: bool) -> int:
    """Return the fewest sheets for `sides` in `copies` equal parts, each starting on a new sheet."""
    if not two_sided:
        return sides
    copies = max(1, copies)
    whole, rest = divmod(sides, copies)
    return copies * -(-whole // 2) - (-rest // 2)
