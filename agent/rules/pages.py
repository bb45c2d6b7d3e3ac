"""Counts what one print attempt really put on paper.

The one idea: the *device's own job record* is the truth (RFC 8011 section 5.3: job-impressions-completed, -col,
job-media-sheets-completed), and one record is one physical attempt. What CUPS says is a claim: measured on real
queues, it adds up attempts that never printed and counts the blank backs it padded.

Nothing here ever guesses zero. Where the record does not say, the attempt becomes a claim that waits for the device's
counters (`rules.claims`); a statement bills its lower bound.

Two roundings are in the member's favour: sides whose colour the device does not tell are mono, and sheets it does not
tell are as few as the job's two-sidedness allows, each copy starting a new sheet; a job that left no record may have
been two-sided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total
from agent.rules.identity import Level
from agent.rules.members import Alias, Roster
from agent.rules.sheets import large, sheets_of
from drivers.contract import DeviceJob, JobState, SpoolJob


class Evidence(StrEnum):
    """Who says so, best first."""

    DEVICE = "device"  # the device's own job record
    COUNTER = "counter"  # the difference of the device's counters
    FORECAST = "forecast"  # counted from the document
    CLAIMED = "claimed"  # the spooler's word alone
    UNTOLD = "untold"  # nobody's word bounds it: `high` is what one job may be at most


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
        return (*self._sides(), *self._theirs({"mono": self.sides_mono, "colour": self.sides_colour}))

    def _sides(self) -> Iterator[Total]:
        who = self.formula or "unclaimed"
        for colour, sides in (("mono", self.sides_mono), ("colour", self.sides_colour)):
            yield total("sides", sides, device=self.device, kind="print", colour=colour, formula=who)

    def _theirs(self, sides: Mapping[str, int]) -> Iterator[Total]:
        for colour in sides if self.member else ():
            yield total("member_sides", sides[colour], member=self.member, kind="print", colour=colour)


class Free(StrEnum):
    """Why sides of an attempt are on paper but on nobody's bill."""

    NOT = ""
    SYSTEM = "system"  # printed again because something of ours died: the whole attempt
    BANNER = "banner"  # the sheet that says whose job it is, with its blank back


def paid(mono: int, colour: int, free: int) -> dict[str, int]:
    """Return by colour the sides that somebody pays: what is free is mono first."""
    free_mono = min(free, mono)
    return {"mono": mono - free_mono, "colour": colour - (free - free_mono)}


@dataclass(frozen=True, slots=True)
class AttemptCounted(PagesCounted):
    """One physical print attempt ended, with its paper, what of it is free, and the job it carried out.

    What the device's counter moves by is `clicks` for each side: a device set to count A3 twice has two.
    """

    kind: ClassVar[str] = "attempt-counted"

    spooled: str = ""  # the spooled job it carried out, pages.spooled_name; "" if nobody saw which
    large: bool = False  # A3 or larger
    clicks: int = 1
    free: int = 0  # sides nobody pays, mono first
    why_free: Free = Free.NOT
    epoch: int = 0  # of the books it was counted in, where the counters were needed
    group: str = ""  # uncertain attempts that share one movement of the counters: its name, ".../mono|colour|mixed"
    moved: int = 0  # and its sides, without those of its certain attempts

    def totals(self) -> tuple[Total, ...]:
        """Add what is large and what is free; a member's sides are those they pay."""
        sides = self.sides_mono + self.sides_colour
        rows = [*self._sides(), *self._theirs(paid(self.sides_mono, self.sides_colour, self.free))]
        if self.large and sides:
            rows.append(total("large_sides", sides, device=self.device, kind="print"))
        if self.free:
            rows.append(total("free_sides", self.free, device=self.device, why=self.why_free.value))
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class AttemptOwned(AttemptCounted):
    """One physical print attempt ended: as before, and on what it rests whose it is."""

    kind: ClassVar[str] = "attempt-owned"

    level: Level = Level.NOBODY


@dataclass(frozen=True, slots=True)
class AttemptKnown(AttemptOwned):
    """One physical print attempt ended: as before, and what was known of its document, by which it may be settled."""

    kind: ClassVar[str] = "attempt-known"

    banners: int = 0  # Errand.banners
    told: int | None = None  # Errand.forecast
    copies: int = 1
    two_sided: bool = False  # of a lost attempt: it may have been


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose attempt it is: the name it came under, the member that name is given to, if any, and how sure that is."""

    alias: AliasId
    member: MemberId
    formula: FormulaId
    level: Level = Level.NOBODY


NOBODY = Owner(AliasId(""), MemberId(""), FormulaId(""))


def owner(alias: Alias, roster: Roster, sure: Level = Level.CLAIMED) -> Owner:
    """Return whose a print name is, and how `sure` that is; unclaimed if it is nobody's or its member is gone."""
    member = roster.members.get(alias.member) if alias.member is not None else None
    if member is None:
        return Owner(alias.id, NOBODY.member, NOBODY.formula)
    return Owner(alias.id, member.id, member.formula, sure)


def attempt(job: DeviceJob) -> str:
    """Return the identity of a physical attempt: it survives restarts, and a device that starts its job-ids over.

    Its job-uuid tells ids used twice apart, or else the time of its creation (which a device may later correct). A
    device with neither offers nothing but its job-id: there, a reused id is not seen.
    """
    told = job.uuid or ("" if job.created_utc is None else job.created_utc.isoformat())
    return f"{job.serial}/{job.job}/{told}"


@dataclass(frozen=True, slots=True)
class Errand:
    """What the spooler's side knows of an attempt, beyond whose it is."""

    spooled: str = ""  # the job it carried out (spooled_name)
    system: bool = False  # printed again because something of ours died
    banners: int = 0  # sides of banner pages in it, at most: not every machine prints them
    forecast: int | None = None  # sides counted in the document, times copies, without banners
    claimed: int | None = None  # sides the spooler claims of it, where it speaks of no other attempt
    backs: int = 0  # blank backs in it, at most, if it is printed on both sides: some machines count them as sides


PLAIN = Errand()


LOST = "spool"  # the attempts that left no record at the device are named by their spooled job, after this


def is_lost(attempt_: str) -> bool:
    """Return True if that attempt left no record at the device."""
    return attempt_.startswith(f"{LOST}/")


def spooled_name(job: SpoolJob) -> str:
    """Return the name of a spooled job: its id alone may be given out twice."""
    return f"{job.queue}/{job.job}/{job.created_s}"


def count(job: DeviceJob, whose: Owner, errand: Errand = PLAIN, *, a3_clicks: int = 1) -> AttemptKnown | None:
    """Count an ended attempt by its own record; None if the record does not say (make it a Claim)."""
    if job.sides is None:
        return None
    colour = min(job.sides, job.sides_colour or 0)
    fewest = sheets_of(job.sides, job.copies, two_sided=bool(job.two_sided), state=job.state, banners=errand.banners)
    may_be_both = errand.backs >= errand.banners if job.two_sided is None else job.two_sided
    free, why_free = free_of(errand, job.sides, job.state, both=may_be_both, sheets=job.sheets)
    big = large(job.media)
    return AttemptKnown(
        device=job.device,
        serial=job.serial,
        attempt=attempt(job),
        alias=whose.alias,
        member=whose.member,
        formula=whose.formula,
        sides_mono=job.sides - colour,
        sides_colour=colour,
        sheets=fewest if job.sheets is None else job.sheets,
        low=job.sides,
        high=job.sides,
        evidence=Evidence.DEVICE,
        state=job.state,
        spooled=errand.spooled,
        large=big,
        clicks=a3_clicks if big else 1,
        free=free,
        why_free=why_free,
        level=whose.level,
        banners=errand.banners,
        told=errand.forecast,
        copies=job.copies,
        two_sided=bool(job.two_sided),
    )


def free_of(
    errand: Errand, sides: int, state: str, *, both: bool, sheets: int | None = None, lost: bool = False
) -> tuple[int, Free]:
    """Return how many sides are free, and why: banners, each with its blank back where the machine counts that.

    `both`: it may have been printed on both sides; `sheets`: as the device tells them. `lost`: no record of the device
    says how it ended. A machine may leave banners out: of a whole document they are what came beyond it. Of what broke
    off they came first; and what is lost may have broken off, whatever the spooler believes. Fewer sides than its
    sheets have: blank backs are not counted (of what broke off, the last sheet may be half printed). Where nobody
    tells, the back is free too: in the member's favour.
    """
    if errand.system:
        return sides, Free.SYSTEM
    backed = both and (sheets is None or sides >= 2 * sheets - (state != JobState.COMPLETED))
    beyond = 0 if errand.forecast is None else sides - errand.forecast
    broke_off = state != JobState.COMPLETED or beyond < int(lost) or (lost and both)
    whole = errand.forecast is not None and not broke_off
    free = min((1 + backed) * errand.banners, beyond if whole else sides)
    return free, Free.BANNER if free else Free.NOT
