"""What counts in which month, corrections included: the only place where a fact meets a calendar month.

The one idea: *what is over stays as it was issued*. A fact counts in the month it was written down. A correction acts
on the day of what it corrects: written in that same month it simply counts; written later it changes nothing of what
was issued, and the later month carries the difference it makes, line by line (a *régularisation*); a visit added
after its month is a difference to nothing. So caps, steps and free sides of the corrected month are respected to the
cent, and every euro is counted once: the statements of all months add up to what one statement of everything, known
from the start, would have said of each month.

Feed the facts in the order they were written. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from agent.rules.attribution import CopiesAttributed, PagesAttributed, slip_name
from agent.rules.certainty import Absences, uncertain
from agent.rules.facts import Fact
from agent.rules.pages import PagesCounted
from agent.rules.paper import CopiesCounted, PrintedPast
from agent.rules.past import PastAttributed
from agent.rules.presence import VisitAdded, VisitCorrected, VisitEnded
from agent.rules.settlement import PrintSettled
from agent.rules.tariff import Line, Statement
from agent.rules.usage import ORDER, Item, Usage, past_used, prints_used, usages

Correction = PagesAttributed | CopiesAttributed | PastAttributed | VisitCorrected | PrintSettled
CORRECTIONS = (PagesAttributed, CopiesAttributed, PastAttributed, VisitCorrected, PrintSettled)
PAPER = (PagesCounted, CopiesCounted, PrintedPast, PagesAttributed, CopiesAttributed, PastAttributed, PrintSettled)
GIVEN = {Item.UNATTRIBUTED_MONO: Item.COPY_MONO, Item.UNATTRIBUTED_COLOUR: Item.COPY_COLOUR}
OVERHEAD = {Item.OVERHEAD_MONO, Item.OVERHEAD_COLOUR}
TAKEN = {copy: own for own, copy in GIVEN.items()}


@dataclass(slots=True)
class _Thing:
    """One visit, print attempt or row of copies: the month it was counted in, and what it counts by now."""

    month: str
    uses: tuple[Usage, ...]


@dataclass(slots=True)
class Months:
    """The usage of every month as it stands at the end of `month`; what is written later is passed over."""

    month: str  # "2026-12"
    absences: Absences = field(default_factory=Absences)  # what hid who came and went, as far as known by then
    orphans: int = 0  # corrections of this month whose object is no longer in the ledger
    _things: dict[str, _Thing] = field(default_factory=dict)
    _issued: dict[str, tuple[str, tuple[Usage, ...]]] = field(default_factory=dict)  # name -> month, uses before

    def add(self, fact: Fact, key: str, written: datetime) -> None:
        """Take in one fact; `written` is its moment on the site's wall clock (aware), `key` its key in the ledger."""
        month = f"{written:%Y-%m}"
        if month > self.month:
            return
        name = _name(fact, key)
        if isinstance(fact, CORRECTIONS):
            self._correct(name, fact, written)
        else:
            self._things[name] = _Thing(month, self._marked(fact, usages(fact, written)))

    def _marked(self, fact: Fact, uses: tuple[Usage, ...]) -> tuple[Usage, ...]:
        """Mark the minutes of a visit that are to be verified."""
        if not isinstance(fact, VisitEnded):
            return uses
        return tuple(replace(use, uncertain=uncertain(fact, self.absences, fact.ended)) for use in uses)

    def used(self) -> list[Usage]:
        """Return what counts in the month itself."""
        return self._of(self.month)

    def corrected(self) -> dict[str, tuple[list[Usage], list[Usage]]]:
        """Return the earlier months that facts of this month correct: what was used in them, before and after."""
        return {
            month: (self._of(month, before=True), self._of(month))
            for month in sorted({month for month, _ in self._issued.values()})
        }

    def _of(self, month: str, *, before: bool = False) -> list[Usage]:
        found: list[Usage] = []
        for name, thing in self._things.items():
            if thing.month == month:
                found += self._issued[name][1] if before and name in self._issued else thing.uses
        return found

    def _correct(self, name: str, fact: Correction, written: datetime) -> None:
        month = f"{written:%Y-%m}"
        thing = self._things.get(name)
        if thing is None:
            if not isinstance(fact, VisitCorrected) or fact.was_minutes:
                self.orphans += month == self.month
                return
            thing = self._things[name] = _Thing(_began(fact, written), ())
        if thing.month < month == self.month:
            self._issued.setdefault(name, (thing.month, thing.uses))
        thing.uses = _now(thing.uses, fact, written)


def _began(fact: VisitCorrected, written: datetime) -> str:
    """Return the month a visit counts in of which this is the first word: it was open until now, or nobody knew it."""
    month = f"{written:%Y-%m}"
    return min(month, f"{fact.ended.astimezone(written.tzinfo):%Y-%m}") if isinstance(fact, VisitAdded) else month


def _name(fact: Fact, key: str) -> str:
    if isinstance(fact, VisitEnded | VisitCorrected):
        return f"visit:{fact.visit}"
    if isinstance(fact, PAPER):
        return slip_name(fact, key)
    return f"{fact.kind}:{key}"


def _now(uses: tuple[Usage, ...], fact: Correction, written: datetime) -> tuple[Usage, ...]:
    """Return what a thing counts after a correction."""
    if isinstance(fact, VisitCorrected):
        day = fact.ended.astimezone(written.tzinfo).date()
        return () if fact.annulled else (Usage(day, fact.member, fact.formula, Item.VISIT, fact.minutes),)
    if isinstance(fact, PrintSettled):
        return _settled(uses, fact)
    if isinstance(fact, PastAttributed):
        return tuple(use for was in uses[:1] for use in past_used(was.day, fact))
    moved = tuple(
        use if use.item in OVERHEAD else replace(use, member=fact.member, formula=fact.formula) for use in uses
    )
    if isinstance(fact, PagesAttributed):
        return moved
    items = GIVEN if fact.member else TAKEN
    return tuple(replace(use, item=items.get(use.item, use.item)) for use in moved)


def _settled(uses: tuple[Usage, ...], fact: PrintSettled) -> tuple[Usage, ...]:
    """Return what a print counts after somebody said how many sides it had; its owner and its day are as they were.

    What counts with nothing is kept all the same: it may be settled again, and is then still theirs.
    """
    was = next((use for use in uses if use.item not in OVERHEAD), uses[0] if uses else None)
    if was is None:
        return ()  # it was counted with nothing, and nothing open: no settlement follows that
    now = prints_used(
        was.day,
        fact.member,
        fact.formula,
        mono=fact.sides_mono,
        colour=fact.sides_colour,
        free=fact.free,
        both=max(0, 2 * (fact.low - fact.sheets)),
        large="a3" in was.item,
        open_sides=fact.high - fact.low,
    )
    if any(use.item not in OVERHEAD for use in now):
        return now
    item = Item.PRINT_MONO_A3 if "a3" in was.item else Item.PRINT_MONO
    return (Usage(was.day, fact.member, fact.formula, item, 0), *now)


def regularise(before: Statement, after: Statement) -> tuple[Line, ...]:
    """Return the lines that bring a month from what was issued to what is true now, marked with that month."""
    old, new = _by_place(before), _by_place(after)
    lines = []
    for place in sorted(set(old) | set(new), key=_place_order):
        was, now = old.get(place), new.get(place)
        one = now or was
        assert one is not None, "a place comes from one of them"
        nothing = replace(one, quantity=0, free=0, uncertain=0, amount=Decimal("0.00"))
        left, right = was or nothing, now or nothing
        amount = right.amount - left.amount
        moved = (right.quantity - left.quantity, right.free - left.free, right.uncertain - left.uncertain)
        if not (any(moved) or amount):
            continue
        capped = one.item is Item.VISIT_CAP  # a cap has no quantity: it is its amount
        lines.append(
            replace(
                one,
                quantity=1 if capped else moved[0],
                free=moved[1],
                unit_price=amount if capped else one.unit_price,
                amount=amount,
                uncertain=moved[2],
                correction=True,
                of=before.month,
            )
        )
    return tuple(lines)


def merge(own: Statement, *corrections: tuple[Line, ...]) -> Statement:
    """Return a month's statement with its régularisations, each beside its member's lines; the site's own last."""
    lines = [*own.lines, *(line for more in corrections for line in more)]
    return replace(own, lines=tuple(sorted(lines, key=lambda line: (not line.member, line.member))))


_Place = tuple[str, Item, str, str]


def _by_place(made: Statement) -> dict[_Place, Line]:
    return {(one.member, one.item, one.formula, one.since.isoformat() if one.since else ""): one for one in made.lines}


def _place_order(place: _Place) -> tuple[bool, str, int, str, str]:
    member, item, formula, since = place
    return (not member, member, ORDER[item], formula, since)
