"""What was printed past the box, as paper somebody may pay; and whose the animator says it was.

The one idea: *a movement of the counter is booked once, and only changes hands*. `rules.bypass` says that a print came
past our queues, and the books put its clicks under what is nobody's. Whoever knows whose it was gives it: to a member
or a shared account, at the prices of a print; or to the place itself (HOUSE: a test page, a fax), which nobody pays; or
back to nobody. Its evidence and its interval go along, and a statement bills the lower bound as ever. The clicks stay
where the books have them: only the accounts change, as a signed pair.

Sides are what is billed, clicks what the counter moved by: a device set to count A3 twice has two for each side. Of a
movement without a record not even the size is known, and it may have been two-sided: it is as few sides and sheets as
it can be, up to one side for each click. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total
from agent.rules.pages import Evidence
from agent.rules.paper import PrintedPast
from agent.rules.sheets import large, sheets_of
from drivers.contract import DeviceJob, JobState

HOUSE = MemberId("h:")  # the place itself, where a fact says whose paper is: a member's id has no colon
NOBODY = MemberId("")
UNATTRIBUTED, PRINT = "unattributed", "print"


@dataclass(frozen=True, slots=True)
class PastCounted(PrintedPast):
    """Somebody printed straight to the device, as before, and what it was on paper. `low <= truth <= high` sides."""

    kind: ClassVar[str] = "past-counted"

    alias: AliasId = AliasId("")  # noqa: RUF009  (a constant): the name it came under; "" if it had none
    sides_mono: int = 0
    sides_colour: int = 0
    sheets: int = 0
    low: int = 0
    high: int = 0
    large: bool = False  # A3 or larger
    evidence: Evidence = Evidence.COUNTER
    state: str = JobState.COMPLETED  # contract.JobState at the end

    def totals(self) -> tuple[Total, ...]:
        """Add what is large."""
        rows = PrintedPast.totals(self)
        if not self.large:
            return rows
        return (*rows, total("large_sides", self.sides_mono + self.sides_colour, device=self.device, kind=UNATTRIBUTED))


def recorded(stray: PrintedPast, job: DeviceJob, alias: AliasId) -> PastCounted:
    """Return what a record of the device, that printed `stray`, was on paper. Its sides are known."""
    sides = job.sides or 0
    colour = min(sides, job.sides_colour or 0)
    fewest = sheets_of(sides, job.copies, two_sided=bool(job.two_sided), state=job.state)
    return replace(
        _of(stray),
        alias=alias,
        sides_mono=sides - colour,
        sides_colour=colour,
        sheets=fewest if job.sheets is None else job.sheets,
        low=sides,
        high=sides,
        large=large(job.media),
        evidence=Evidence.DEVICE,
        state=job.state,
    )


def counted(stray: PrintedPast, a3_clicks: int = 1) -> PastCounted:
    """Return what a movement of the counters was on paper; a fact that says so itself is returned as it is.

    A fact of before, that had a record: its clicks are its sides.
    """
    if isinstance(stray, PastCounted):
        return stray
    mono, colour = -(-stray.mono // a3_clicks), -(-stray.colour // a3_clicks)
    return replace(
        _of(stray),
        sides_mono=mono,
        sides_colour=colour,
        sheets=sheets_of(mono + colour, 1, two_sided=True),
        low=mono + colour,
        high=stray.mono + stray.colour,
        evidence=Evidence.DEVICE if stray.attempt else Evidence.COUNTER,
    )


def _of(stray: PrintedPast) -> PastCounted:
    clicks = (stray.mono, stray.colour, stray.to_mono, stray.to_colour)
    return PastCounted(stray.device, stray.serial, stray.epoch, *clicks, stray.attempt)


@dataclass(frozen=True, slots=True)
class PastAttributed(Fact):
    """A print past the box was said to be somebody's, the place's own, or nobody's again."""

    kind: ClassVar[str] = "past-attributed"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    row: str  # the key of the PrintedPast row
    device: str
    epoch: int
    turn: int  # 1, 2, ...: how many times it was attributed
    alias: AliasId
    was: MemberId
    was_formula: FormulaId
    member: MemberId  # "" = nobody's again; HOUSE = the place's own
    formula: FormulaId
    mono: int  # clicks, as they stand under what is nobody's
    colour: int
    sides_mono: int
    sides_colour: int
    sheets: int
    low: int
    high: int
    large: bool
    evidence: Evidence
    state: str
    actor: str

    def totals(self) -> tuple[Total, ...]:
        """Move it: a signed pair by account, clicks of what is nobody's, sides of a print; per member for billing."""
        rows = []
        for colour, clicks, sides in (
            ("mono", self.mono, self.sides_mono),
            ("colour", self.colour, self.sides_colour),
        ):
            for way, who, formula in (("away", self.was, self.was_formula), ("here", self.member, self.formula)):
                amount = sides if who else clicks
                labels = {"device": self.device, "colour": colour, **_account(who, formula)}
                rows.append(total(f"sides_moved_{way}", amount, **labels))
            rows += per_member(self.was, self.member, PRINT, colour, sides)
        return tuple(rows)


def _account(who: MemberId, formula: FormulaId) -> dict[str, str]:
    if not who:
        return {"kind": UNATTRIBUTED, "formula": ""}
    return {"kind": PRINT, "formula": "house" if who == HOUSE else formula}


def per_member(was: MemberId, member: MemberId, kind: str, colour: str, sides: int) -> Iterator[Total]:
    """Yield the sides as billing moves them, away from one member to another; nobody and the place pay none."""
    for way, who in (("away", was), ("here", member)):
        if who not in {NOBODY, HOUSE}:
            yield total(f"member_sides_moved_{way}", sides, member=who, kind=kind, colour=colour)


Who = tuple[MemberId, FormulaId]


def attributed(row: str, stray: PrintedPast, was: Who, now: Who, turn: int, actor: str) -> PastAttributed:
    """Return that a print past the box changed hands."""
    paper = counted(stray)
    return PastAttributed(
        row=row,
        device=paper.device,
        epoch=paper.epoch,
        turn=turn,
        alias=paper.alias,
        was=was[0],
        was_formula=was[1],
        member=now[0],
        formula=now[1],
        mono=paper.mono,
        colour=paper.colour,
        sides_mono=paper.sides_mono,
        sides_colour=paper.sides_colour,
        sheets=paper.sheets,
        low=paper.low,
        high=paper.high,
        large=paper.large,
        evidence=paper.evidence,
        state=paper.state,
        actor=actor,
    )
