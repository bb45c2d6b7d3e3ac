"""A place that nobody runs on the spot: who leaves it last, and how it was left.

The one idea: where there is no host, nobody does the round in the evening, so *whoever leaves last is told while they
can still turn back*, and what is wrong afterwards is said to those who can do something about it from afar. Who is in
is what the visits say (a tap, a badge out at the reader inside); those who may be in at any hour are not missed at
closing time. It counts people and never names one. Whoever leaves looks at no screen: a lamp at the reader calls them
too. Pure: it reads no clock and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.rules.facts import FormulaId
from agent.rules.visits import Visits

TURN_BACK = timedelta(minutes=10)  # whoever left that long ago is on the road
AT_THE_DOOR = timedelta(seconds=45)  # whoever badged out that long ago sees no lamp there
AGAIN = timedelta(seconds=15)
COUNTED = timedelta(hours=24)  # a count in which nobody moved for longer says nothing about now
PACKING = timedelta(minutes=15)  # after closing time people still pack up


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is counted in: the formula of each; and when somebody last left."""

    inside: tuple[FormulaId, ...] = ()
    last_left: datetime | None = None  # UTC

    @classmethod
    def of(cls, visits: Visits) -> Crowd:
        """Count the visits as they count by now."""
        real = [one for one in visits.by_id.values() if not one.annulled]
        left = max((one.ended for one in real if one.ended is not None), default=None)
        return cls(tuple(sorted(one.formula for one in real if one.ended is None)), left)

    def all_gone(self, now: datetime) -> bool:
        """Tell whether everybody has left, as far as the count can be believed."""
        return not self.inside and self.last_left is not None and now - self.last_left < COUNTED

    def told(self, now: datetime) -> datetime | None:
        """Return when the last one left, while they may still turn back and check; else None."""
        return self.last_left if self.all_gone(now) and self.last_left and now - self.last_left < TURN_BACK else None

    def overstay(self, any_hour: Container[FormulaId]) -> int:
        """Return how many are counted in whose formula ends with the opening hours; `any_hour`: those that do not."""
        return sum(formula not in any_hour for formula in self.inside)


def calls_back(left: datetime | None, now: datetime, called: datetime | None, *, open_: bool) -> bool:
    """Tell whether the lamp at the reader is to call whoever left last.

    Once as they go, for the round is theirs to do; and again and again while the door stands open behind them, as long
    as they may turn back. `left`: when the last one left (None: somebody is in); `called`: when the lamp last called.
    """
    if left is None or now - left >= TURN_BACK:
        return False
    if open_:
        return called is None or now - called >= AGAIN
    return now - left < AT_THE_DOOR and (called is None or called < left)
