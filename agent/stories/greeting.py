"""What a screen beside the copier says of a badge that let jobs out: how many, how many sides, the price.

The one idea: *nothing is said that is not known*. Sides stand there if all of them are, and a price if whoever
badged pays all of it: what a shared account pays is its own business, on a screen that anybody may read. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from agent.live import LiveGreeting
from agent.rules.facts import FormulaId
from agent.rules.forecast import Forecast, quote
from agent.rules.tariff import Tariff


def greeting(
    at: datetime, told: Sequence[Forecast], tariff: Tariff | None, day: date, formula: FormulaId
) -> LiveGreeting:
    """Sum up what was let out, one forecast for each job; without a tariff, no price."""
    if not told:
        return LiveGreeting(at, refused="spooler")
    said = LiveGreeting(at, jobs=len(told))
    sides = [one.sides for one in told]
    if None in sides:
        return said
    colours = [one.colour for one in told]
    whole = None if None in colours else sum(one for one in colours if one is not None)
    said = replace(said, sides=sum(one for one in sides if one is not None), colour=whole)
    ends = quote(told, tariff, day, formula)
    if tariff is None or ends is None:
        return said
    return replace(said, low=str(ends[0]), high=str(ends[1]), currency=tariff.currency)
