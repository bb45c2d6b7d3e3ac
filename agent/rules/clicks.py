"""Turns what a copy-control connector clicked into a row of copies, for a device that tells no counters of its own.

The one idea: the clicks counted since the books opened stand where a copy counter would, so that rows are keyed and
added up as a counter's are. Where the device tells its own counters those are the truth, and no row is made of clicks.
Clicks seen while a visit is open are the visitor's; all others are nobody's. Pure.
"""

from __future__ import annotations

from agent.rules.books import LATE_S, Books
from agent.rules.facts import FormulaId, MemberId
from agent.rules.paper import CopiesMetered
from drivers.contract import Moment
from drivers.copying import Clicks


def copied(books: Books, clicks: Clicks, at: Moment) -> CopiesMetered:
    """Return the row of clicks taken at a look; whose it is by the visit that is open and not long forgotten."""
    booked, visit = books.booked, books.visit
    wakes_at = books.wakes_at()
    if visit is not None and wakes_at is not None:
        forgotten = visit.active.boot != at.boot or at.mono_s >= wakes_at + LATE_S
        visit = None if forgotten else visit
    return CopiesMetered(
        device=books.device,
        serial=booked.serial,
        epoch=books.epoch,
        visit="" if visit is None else visit.visit,
        member=MemberId("") if visit is None else visit.member,
        formula=FormulaId("") if visit is None else visit.formula,
        mono=clicks.mono,
        colour=clicks.colour,
        to_mono=booked.copies.mono + clicks.clicks_mono,
        to_colour=booked.copies.colour + clicks.clicks_colour,
        large_mono=clicks.large_mono,
        large_colour=clicks.large_colour,
        clicks_mono=clicks.clicks_mono,
        clicks_colour=clicks.clicks_colour,
        sheets=clicks.sheets,
    )
