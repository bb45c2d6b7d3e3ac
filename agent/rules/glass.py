"""Who pays for copies at the glass: the visits at a copier, and the shared account that a member chose for one.

The one idea: *a visit is its member's, and stays so; what it copied may be on another bill*. The choice is a fact about
the visit, made while it is open or within `AFTER_S` of its end; it holds for all its copies, those before it and those
to come, until another choice. Each row of copies is booked as the member's by the device's counters, as ever, and then
changes hands as an attribution does (`rules.attribution`): so who copied stays known, the books stay as they are, and
the animator can give it back. Without a choice a member pays.

An account that is closed or does not name the member is refused, and nothing changes (`rules.payers`). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import ClassVar

from agent.rules.attribution import CopiesAttributed, Slip
from agent.rules.facts import TIMED_DAYS, Fact, FormulaId, MemberId
from agent.rules.members import Roster
from agent.rules.paper import CopiesCounted, CopyVisitEnded, CopyVisitStarted
from agent.rules.payers import Charge, may_pay
from drivers.contract import Moment

AFTER_S = 60.0  # a visit that ended so long ago is over for good


@dataclass(frozen=True, slots=True)
class CopiesCharged(Fact):
    """A member said that a shared account pays for the copies of their visit at a copier, or they themselves again."""

    kind: ClassVar[str] = "copies-charged"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    visit: str
    turn: int  # 1, 2, ...
    payer: MemberId  # "": the member themselves
    formula: FormulaId  # of the payer
    member: MemberId
    actor: str


@dataclass(frozen=True, slots=True)
class Tab:
    """One visit at a copier, what it copied so far, and who pays for it."""

    device: str
    visit: str
    member: MemberId
    at: datetime
    ended: Moment | None = None
    charged: CopiesCharged | None = None
    rows: Mapping[str, Slip] = field(default_factory=dict)  # by the keys of the ledger's rows
    due: frozenset[str] = frozenset()  # of these, not given yet to who was chosen

    @property
    def payer(self) -> MemberId:
        """Return the shared account that was chosen; "": none."""
        return MemberId("") if self.charged is None else self.charged.payer

    def stands(self, now: Moment) -> bool:
        """Tell whether who pays may still be chosen."""
        if self.ended is None:
            return True
        return self.ended.boot == now.boot and now.mono_s - self.ended.mono_s <= AFTER_S

    def judge(self, member: MemberId, payer: MemberId, roster: Roster, day: date, now: Moment) -> Charge:
        """Judge a wish of `member` that `payer` ("": they themselves) pays for this visit's copies."""
        if member != self.member or not self.stands(now):
            return Charge.GONE
        return may_pay(roster.payers.get(payer), member, day) if payer else Charge.CHARGED

    def charge(self, payer: MemberId, roster: Roster, actor: str) -> CopiesCharged | None:
        """Return the fact of a wish that was granted; None if that was said already."""
        if payer == self.payer:
            return None
        turn = 1 if self.charged is None else self.charged.turn + 1
        formula = roster.formula_of(payer) or FormulaId("")
        return CopiesCharged(self.device, self.visit, turn, payer, formula, self.member, actor)

    def moves(self) -> Iterator[CopiesAttributed]:
        """Return how its rows go to who was chosen."""
        if self.charged is None:
            return
        for key, slip in self.rows.items():
            own = slip.counted
            assert isinstance(own, CopiesCounted)
            to = (self.payer, self.charged.formula) if self.payer else (own.member, own.formula)
            said = slip.give(*to, self.charged.actor) if key in self.due else None
            if isinstance(said, CopiesAttributed):
                yield said

    def after(self, fact: Fact, key: str, at: Moment) -> Tab:
        """Return the tab after a fact of its own."""
        match fact:
            case CopyVisitEnded():
                return replace(self, ended=at)
            case CopiesCharged():
                return replace(self, charged=fact, due=frozenset(self.rows))
            case CopiesCounted():
                row = Slip(key, at.utc, fact, fact.member, fact.formula)
                due = self.due | ({key} if self.charged is not None else set())
                return replace(self, rows={**self.rows, key: row}, due=due)
            case CopiesAttributed():
                row = replace(self.rows[fact.row], member=fact.member, formula=fact.formula, turn=fact.turn)
                return replace(self, rows={**self.rows, fact.row: row}, due=self.due - {fact.row})
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Tabs:
    """The visits at all copiers, folded from the facts; the oldest first."""

    by_visit: Mapping[str, Tab] = field(default_factory=dict)

    def after(self, facts: Iterable[tuple[Fact, str, Moment]]) -> Tabs:
        """Return the tabs after more facts, each with its key and its moment; others are passed over."""
        tabs = dict(self.by_visit)
        for fact, key, at in facts:
            if isinstance(fact, CopyVisitStarted):
                tabs[fact.visit] = Tab(fact.device, fact.visit, fact.member, at.utc)
                continue
            visit = getattr(fact, "visit", "")
            if isinstance(fact, CopiesAttributed):
                visit = next((one.visit for one in tabs.values() if fact.row in one.rows), "")
            if visit in tabs:
                tabs[visit] = tabs[visit].after(fact, key, at)
        return Tabs(tabs)

    def since(self, at: datetime) -> Tabs:
        """Return the tabs without those that began before `at`."""
        return Tabs({name: tab for name, tab in self.by_visit.items() if tab.at >= at})

    def last(self, device: str) -> Tab | None:
        """Return the last visit at a device."""
        return next((tab for tab in reversed([*self.by_visit.values()]) if tab.device == device), None)

    def moves(self) -> Iterator[CopiesAttributed]:
        """Return what is to go to who was chosen, of all visits."""
        for tab in self.by_visit.values():
            yield from tab.moves()
