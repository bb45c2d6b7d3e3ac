"""What one member's own page and file hold: their visits, paper, passages and this month's price, and nobody else's.

The one idea: the member is chosen once, where the facts are folded; what is not theirs never reaches a page. Prices are
those of the statement (`rules.months`, `rules.tariff`), restricted to one account, so page and bill agree. Pure.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from agent.memory.ledger import Entry
from agent.rules.attribution import Attributed, CopiesAttributed, PagesAttributed, slip_name
from agent.rules.certainty import Absences, uncertain
from agent.rules.door import EntryDecided
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.members import Member, RosterChanged
from agent.rules.months import Months, merge, regularise
from agent.rules.pages import AttemptCounted, PagesCounted
from agent.rules.paper import CopiesCounted, PrintedPast
from agent.rules.past import NOBODY, PastAttributed, PastCounted, counted
from agent.rules.presence import VisitCorrected, VisitEnded, VisitStarted
from agent.rules.settlement import PrintSettled
from agent.rules.tariff import Statement, Tariff, UnpricedError, held_in, statement
from agent.rules.usage import Usage
from agent.rules.visits import Visit, Visits

KINDS: tuple[type[Fact], ...] = (
    *(VisitStarted, VisitEnded, VisitCorrected),
    *(PagesCounted, CopiesCounted, PrintedPast, PagesAttributed, CopiesAttributed, PastAttributed, PrintSettled),
    *(EntryDecided, RosterChanged),
)
PAPER = PagesCounted | CopiesCounted | PrintedPast


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One print or one copying. `low <= sides <= high` where the device did not say it exactly."""

    at: datetime  # local
    device: str
    kind: str  # "print" | "copy"
    mono: int
    colour: int
    low: int
    high: int
    free: int = 0  # of the sides, nobody pays these: banners, and what was printed again because something of ours died

    @property
    def sides(self) -> int:
        """Return how many sides."""
        return self.mono + self.colour


@dataclass(frozen=True, slots=True)
class PassageRow:
    """One time at the door."""

    at: datetime  # local
    reader: str
    granted: bool
    rule: str


@dataclass(frozen=True, slots=True)
class Own:
    """All of it; the newest last."""

    visits: tuple[Visit, ...]
    paper: tuple[PaperRow, ...]
    passages: tuple[PassageRow, ...]
    estimate: Statement | None  # of the month so far; None: no tariff, or it misses a price
    absences: Absences = field(default_factory=Absences)  # what hid who came and went

    def open_minutes(self, one: Visit) -> int:
        """Return how many minutes of a visit that is over are to be verified."""
        return 0 if one.ended is None else uncertain(one, self.absences, one.ended)


@dataclass(slots=True)
class OwnFold:
    """Folds the ledger for one member; feed it in the order of the ledger, and ask once."""

    member: MemberId
    month: str  # "2026-11"
    absences: Absences = field(default_factory=Absences)
    visits: Visits = field(default_factory=Visits)
    passages: list[PassageRow] = field(default_factory=list)
    _paper: dict[str, tuple[PaperRow, MemberId]] = field(default_factory=dict)
    _changes: list[tuple[date, MemberId, FormulaId]] = field(default_factory=list)
    _months: Months = field(init=False)

    def __post_init__(self) -> None:
        self._months = Months(self.month, self.absences)

    def add(self, written: datetime, entry: Entry) -> None:
        """Take in one fact; `written` is its moment on the site's wall clock."""
        fact = entry.fact
        if isinstance(fact, VisitStarted | VisitEnded | VisitCorrected):
            if fact.member == self.member:
                self.visits = self.visits.after([fact])
        elif isinstance(fact, EntryDecided):
            if fact.member == self.member:
                self.passages.append(PassageRow(written, fact.reader, fact.granted, fact.rule))
            return
        elif isinstance(fact, RosterChanged):
            if fact.subject == self.member and fact.formula:
                self._changes.append((written.date(), self.member, fact.formula))
            return
        else:
            self._add_paper(fact, entry.key, written)
        if not isinstance(fact, VisitStarted):
            self._months.add(fact, entry.key, written)

    def _add_paper(self, fact: Fact, key: str, written: datetime) -> None:
        name = slip_name(fact, key)
        if isinstance(fact, PAPER):
            whose = NOBODY if isinstance(fact, PrintedPast) else fact.member
            if whose in {self.member, NOBODY}:  # nobody's yet: it may become theirs
                self._paper[name] = (_paper_row(fact, written), whose)
        elif isinstance(fact, PrintSettled) and name in self._paper:
            row, whose = self._paper[name]
            said = replace(
                row, mono=fact.sides_mono, colour=fact.sides_colour, low=fact.low, high=fact.high, free=fact.free
            )
            self._paper[name] = (said, whose)
        elif isinstance(fact, Attributed) and name in self._paper:
            self._paper[name] = (self._paper[name][0], fact.member)

    def done(self, known: Member | None, tariff: Tariff | None) -> Own:
        """Return what is theirs."""
        visits = sorted((one for one in self.visits.by_id.values() if not one.annulled), key=lambda one: one.started)
        paper = [row for row, whose in self._paper.values() if whose == self.member]
        return Own(
            tuple(visits),
            tuple(sorted(paper, key=lambda row: row.at)),
            tuple(self.passages),
            None if tariff is None else self._estimate(known, tariff),
            self.absences,
        )

    def _estimate(self, known: Member | None, tariff: Tariff) -> Statement | None:
        def priced(month: str, used: list[Usage]) -> Statement:
            first = date.fromisoformat(f"{month}-01")
            last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
            held = held_in(first, last, [] if known is None else [known], self._changes)
            return statement(month, [use for use in used if use.member == self.member], tariff, held)

        try:
            own = priced(self.month, self._months.used())
            earlier = self._months.corrected().items()
            return merge(own, *(regularise(priced(of, was), priced(of, now)) for of, (was, now) in earlier))
        except UnpricedError:
            return None


def _paper_row(fact: PAPER, at: datetime) -> PaperRow:
    if isinstance(fact, PrintedPast):
        fact = counted(fact)
    if isinstance(fact, PagesCounted | PastCounted):
        free = fact.free if isinstance(fact, AttemptCounted) else 0
        return PaperRow(at, fact.device, "print", fact.sides_mono, fact.sides_colour, fact.low, fact.high, free)
    sides = fact.mono + fact.colour
    return PaperRow(at, fact.device, "copy", fact.mono, fact.colour, sides, sides)


def of_the_month(own: Own, now: datetime) -> Mapping[str, int]:
    """Return the minutes, prints and copies of the month of `now` (aware, on the site's wall clock).

    Without what is free: it is the site's own, in a statement too.
    """
    month = f"{now:%Y-%m}"
    paper = [row for row in own.paper if f"{row.at:%Y-%m}" == month]
    ends = [(one.ended, one.minutes) for one in own.visits if one.ended is not None]
    return {
        "minutes": sum(minutes for at, minutes in ends if f"{at.astimezone(now.tzinfo):%Y-%m}" == month),
        "prints": sum(row.sides - row.free for row in paper if row.kind == "print"),
        "copies": sum(row.sides for row in paper if row.kind == "copy"),
    }
