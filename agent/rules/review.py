"""Print attempts whose sides are not certain, and how they come to be: the review list.

The one idea: *between low and high, somebody must say*. The animator does, with a reason, or the counters do: attempts
that share one movement bound each other, so what is settled of one narrows its neighbours, and the last one is what is
left. A settlement is a fact of its own, numbered (`turn`) like an attribution, and may be settled again. It takes its
sides out of the unattributed account where the counters saw them, so the books stay balanced throughout.

What is still open when a month ends counts with `low` and is marked (`rules.tariff`); settled later, the later month
brings it right (`rules.months`). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from agent.rules.attribution import PagesAttributed
from agent.rules.claims import narrow
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, AttemptKnown, Errand, Evidence, Free, PagesCounted, free_of, is_lost
from agent.rules.settlement import BY_HAND, PrintSettled, SidesSettled, Why, settled
from agent.rules.sheets import sheets_of


@dataclass(frozen=True, slots=True)
class Doubt:
    """One uncertain attempt as it stands by now."""

    at: datetime
    counted: PagesCounted  # with the sides and bounds of now
    member: MemberId
    formula: FormulaId
    bounds: tuple[int, int]  # it was counted with these: nobody can say less or more
    turn: int = 0
    why: Why | None = None  # how it was last settled

    @property
    def by_hand(self) -> bool:
        """Return True if somebody has said it."""
        return self.why in BY_HAND

    @property
    def open(self) -> bool:
        """Return True while nobody knows."""
        return self.counted.low < self.counted.high

    @property
    def group(self) -> str:
        """Return the name of the movement it shares; "" if with nobody."""
        return self.counted.group if isinstance(self.counted, AttemptCounted) else ""

    def settle(self, low: int, high: int, colour: int, why: Why, actor: str) -> PrintSettled:
        """Say that it is between `low` and `high`, `colour` of the low in colour."""
        fact = self.counted
        return SidesSettled(
            attempt=fact.attempt,
            device=fact.device,
            epoch=fact.epoch if isinstance(fact, AttemptCounted) else 0,
            turn=self.turn + 1,
            member=self.member,
            formula=self.formula,
            was_mono=fact.sides_mono,
            was_colour=fact.sides_colour,
            sides_mono=low - colour,
            sides_colour=colour,
            sheets=_sheets(fact, low),
            low=low,
            high=high,
            free=_free(fact, low),
            metered=fact.evidence is Evidence.COUNTER,
            why=why,
            actor=actor,
            was_free=fact.free if isinstance(fact, AttemptCounted) else 0,
        )


@dataclass(frozen=True, slots=True)
class Doubts:
    """Every attempt that was uncertain when it was counted. `after` gives the next value."""

    by_attempt: Mapping[str, Doubt] = field(default_factory=dict)  # the oldest first

    def after(self, rows: Iterable[tuple[Fact, datetime]]) -> Doubts:
        """Return the doubts after more facts, each with its time; others are passed over."""
        found = dict(self.by_attempt)
        for fact, at in rows:
            if isinstance(fact, PagesCounted) and fact.low < fact.high:
                found[fact.attempt] = Doubt(at, fact, fact.member, fact.formula, (fact.low, fact.high))
            elif isinstance(fact, PagesAttributed) and fact.attempt in found:
                found[fact.attempt] = replace(found[fact.attempt], member=fact.member, formula=fact.formula)
            elif isinstance(fact, PrintSettled) and fact.attempt in found:
                one = found[fact.attempt]
                now = settled(one.counted, fact)
                found[fact.attempt] = replace(one, counted=now, turn=fact.turn, why=fact.why)
        return Doubts(found)

    def since(self, at: datetime) -> Doubts:
        """Return the doubts without those counted before `at`."""
        return Doubts({name: one for name, one in self.by_attempt.items() if one.at >= at})

    def open(self) -> tuple[Doubt, ...]:
        """Return those nobody knows of, the oldest first."""
        return tuple(one for one in self.by_attempt.values() if one.open)

    def settle(self, attempt: str, sides: int, colour: int, why: Why, actor: str) -> tuple[PrintSettled, ...]:
        """Return what follows when somebody says how many sides an attempt printed; () if it cannot be that many.

        First the word itself, then what it leaves of its neighbours.
        """
        one = self.by_attempt.get(attempt)
        if one is None or not one.bounds[0] <= sides <= one.bounds[1] or not 0 <= colour <= sides:
            return ()
        said = one.settle(sides, sides, _in_colour(one.group, sides, colour), why, actor)
        return (said, *self._neighbours(one, sides))

    def _neighbours(self, said: Doubt, sides: int) -> tuple[PrintSettled, ...]:
        """Return what is left for those nobody has said anything of; they are bounded anew each time."""
        if not said.group or said.group.endswith("/mixed"):
            return ()
        assert isinstance(said.counted, AttemptCounted)
        others = [one for one in self.by_attempt.values() if one.group == said.group and one is not said]
        bounds = tuple((one.counted.low, one.counted.high) if one.by_hand else one.bounds for one in others)
        left = narrow(bounds, said.counted.moved - sides)
        return tuple(
            one.settle(low, high, _in_colour(one.group, low, 0), Why.COUNTERS, "")
            for one, (low, high) in zip(others, left, strict=True)
            if not one.by_hand and (low, high) != (one.counted.low, one.counted.high)
        )


def _sheets(fact: PagesCounted, sides: int) -> int:
    if isinstance(fact, AttemptKnown) and fact.two_sided:
        return sheets_of(sides, fact.copies, two_sided=True, state=fact.state, banners=fact.banners)
    saved = fact.sides_mono + fact.sides_colour - fact.sheets  # sheets printed on both sides, as it was counted
    return max(-(-sides // 2), sides - saved)


def _free(fact: PagesCounted, sides: int) -> int:
    """Return how many of the sides nobody pays: by the same rule as when they were counted."""
    system = isinstance(fact, AttemptCounted) and fact.why_free is Free.SYSTEM
    known = fact if isinstance(fact, AttemptKnown) else None
    errand = Errand(system=system) if known is None else Errand("", system, known.banners, known.told)
    both = known is not None and known.two_sided
    return free_of(errand, sides, fact.state, both=both, lost=is_lost(fact.attempt))[0]


def _in_colour(group: str, sides: int, said: int) -> int:
    """Return how many are in colour: a movement of one colour says so itself."""
    if group.endswith("/colour"):
        return sides
    return 0 if group.endswith("/mono") else said
