"""Paper, and whose the animator says it was: an attribution is a fact of its own.

The one idea: a fact is never edited. An attribution says whose the paper was (`was`) and whose it is now, numbers
itself (`turn`) so that two hands at once cannot both be second, and can itself be taken back. What it takes away is
counted apart from what it adds: the summaries are signed pairs, and no counter ever falls. When it counts is judged
by `rules.months`. Paper nobody was known for goes to anybody; a member's own goes to a shared account (`rules.payers`)
and back, and never to another member; what was printed past the box may also be the place's own (`rules.past`). Pure:
it reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId, Total, total
from agent.rules.pages import AttemptCounted, PagesCounted, paid
from agent.rules.paper import CopiesCounted, PrintedPast
from agent.rules.past import HOUSE, NOBODY, PastAttributed, attributed, counted, per_member
from agent.rules.payers import is_payer
from agent.rules.settlement import PrintSettled, settled

UNCLAIMED = "unclaimed"  # the formula label of a print nobody claimed, as PagesCounted.totals has it


@dataclass(frozen=True, slots=True)
class PagesAttributed(Fact):
    """A print attempt was said to be a member's, or nobody's again."""

    kind: ClassVar[str] = "pages-attributed"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    attempt: str  # PagesCounted.attempt
    device: str
    turn: int  # 1, 2, ...: how many times this attempt was attributed by hand
    alias: AliasId
    was: MemberId
    was_formula: FormulaId
    member: MemberId  # "" = unclaimed again
    formula: FormulaId
    sides_mono: int
    sides_colour: int
    sheets: int
    actor: str

    def totals(self) -> tuple[Total, ...]:
        """Move the sides: a signed pair by formula, and per member for billing."""
        old, new = self.was_formula or UNCLAIMED, self.formula or UNCLAIMED
        rows = []
        for colour, sides in (("mono", self.sides_mono), ("colour", self.sides_colour)):
            labels = {"device": self.device, "kind": "print", "colour": colour}
            rows += [
                total("sides_moved_away", sides, **labels, formula=old),
                total("sides_moved_here", sides, **labels, formula=new),
            ]
            rows += per_member(self.was, self.member, "print", colour, sides)
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class PagesMoved(PagesAttributed):
    """A print attempt was said to be somebody's: as before, where nobody pays some of its sides."""

    kind: ClassVar[str] = "pages-moved"

    free: int = 0  # of its sides, mono first

    def totals(self) -> tuple[Total, ...]:
        """Move all sides by formula, and for billing those that are paid."""
        rows = [step for step in PagesAttributed.totals(self) if not step.name.startswith("member_")]
        for colour, sides in paid(self.sides_mono, self.sides_colour, self.free).items():
            rows += per_member(self.was, self.member, "print", colour, sides)
        return tuple(rows)


@dataclass(frozen=True, slots=True)
class CopiesAttributed(Fact):
    """Copies that were nobody's were said to be a member's, or nobody's again."""

    kind: ClassVar[str] = "copies-attributed"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    row: str  # the key of the CopiesCounted row
    device: str
    epoch: int
    turn: int
    was: MemberId
    was_formula: FormulaId
    member: MemberId  # "" = unattributed again
    formula: FormulaId
    mono: int
    colour: int
    actor: str

    def totals(self) -> tuple[Total, ...]:
        """Move the sides: a signed pair by kind and formula, and per member for billing."""
        rows = []
        for colour, sides in (("mono", self.mono), ("colour", self.colour)):
            old, new = _copy_kind(self.was), _copy_kind(self.member)
            labels = {"device": self.device, "colour": colour}
            rows += [
                total("sides_moved_away", sides, **labels, kind=old, formula=self.was_formula),
                total("sides_moved_here", sides, **labels, kind=new, formula=self.formula),
            ]
            rows += per_member(self.was, self.member, "copy", colour, sides)
        return tuple(rows)


def _copy_kind(member: MemberId) -> str:
    return "copy" if member else "unattributed"


# --- whose it is now -----------------------------------------------------------------------------------------


Attributed = PagesAttributed | CopiesAttributed | PastAttributed


@dataclass(frozen=True, slots=True)
class Slip:
    """One print attempt, one row of copies or one print past the box, and whose it is by now."""

    key: str  # of the ledger's row
    at: datetime
    counted: PagesCounted | CopiesCounted | PrintedPast
    member: MemberId = NOBODY  # HOUSE: the place's own
    formula: FormulaId = FormulaId("")  # noqa: RUF009  (a constant)
    turn: int = 0

    @property
    def sides(self) -> int:
        """Return how many sides it is about."""
        match self.counted:
            case PagesCounted() as fact:
                return fact.sides_mono + fact.sides_colour
            case CopiesCounted() as fact:
                return fact.mono + fact.colour
            case fact:
                paper = counted(fact)
                return paper.sides_mono + paper.sides_colour

    def give(self, member: MemberId, formula: FormulaId, actor: str) -> Attributed | None:
        """Say whose it is; None if it is theirs already, or may not go there."""
        fact, turn = self.counted, self.turn + 1
        if member == self.member:
            return None
        if isinstance(fact, PrintedPast):
            return attributed(self.key, fact, (self.member, self.formula), (member, formula), turn, actor)
        if member == HOUSE or (fact.member and member != fact.member and not is_payer(member)):
            return None
        if isinstance(fact, PagesCounted):
            return self._pages(fact, member, formula, actor)
        return CopiesAttributed(
            row=self.key,
            device=fact.device,
            epoch=fact.epoch,
            turn=turn,
            was=self.member,
            was_formula=self.formula,
            member=member,
            formula=formula,
            mono=fact.mono,
            colour=fact.colour,
            actor=actor,
        )

    def _pages(self, fact: PagesCounted, member: MemberId, formula: FormulaId, actor: str) -> PagesAttributed:
        free = fact.free if isinstance(fact, AttemptCounted) else 0
        said = PagesAttributed(
            attempt=fact.attempt,
            device=fact.device,
            turn=self.turn + 1,
            alias=fact.alias,
            was=self.member,
            was_formula=self.formula,
            member=member,
            formula=formula,
            sides_mono=fact.sides_mono,
            sides_colour=fact.sides_colour,
            sheets=fact.sheets,
            actor=actor,
        )
        return PagesMoved(**{one.name: getattr(said, one.name) for one in fields(said)}, free=free) if free else said


def slip_name(fact: Fact, key: str) -> str:
    """Return the name of the paper a fact is about; `key` is the fact's own. "" if it is about none."""
    match fact:
        case PagesCounted() | PagesAttributed() | PrintSettled():
            return f"print:{fact.attempt}"
        case CopiesCounted():
            return f"copy:{key}"
        case CopiesAttributed():
            return f"copy:{fact.row}"
        case PrintedPast():
            return f"past:{key}"
        case PastAttributed():
            return f"past:{fact.row}"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Slips:
    """All paper there is, folded from the facts, the oldest first. `after` gives the next value."""

    by_name: Mapping[str, Slip] = field(default_factory=dict)  # "print:ATTEMPT", "copy:KEY", "past:KEY"

    def after(self, rows: Iterable[tuple[Fact, str, datetime]]) -> Slips:
        """Return the slips after more facts, each with its key and its time; others are passed over."""
        slips = dict(self.by_name)
        for fact, key, at in rows:
            name = slip_name(fact, key)
            if isinstance(fact, PagesCounted | CopiesCounted | PrintedPast):
                whose = () if isinstance(fact, PrintedPast) else (fact.member, fact.formula)
                new = Slip(key, at, fact, *whose)
                doubtful = isinstance(fact, PagesCounted) and fact.low < fact.high
                if new.sides or doubtful:
                    slips[name] = new
            elif isinstance(fact, PrintSettled) and name in slips:
                was = slips[name].counted
                assert isinstance(was, PagesCounted)
                slips[name] = replace(slips[name], counted=settled(was, fact))
            elif isinstance(fact, Attributed) and name in slips:
                slips[name] = replace(slips[name], member=fact.member, formula=fact.formula, turn=fact.turn)
        return Slips(slips)

    def since(self, at: datetime) -> Slips:
        """Return the slips without those counted before `at`: too old to be remembered by anybody."""
        return Slips({name: slip for name, slip in self.by_name.items() if slip.at >= at})
