"""Turns what a copy-control connector clicked into a row of copies, for a device that tells no counters of its own.

The one idea: the clicks counted since the books opened stand where a copy counter would, so that rows are keyed and
added up as a counter's are. Where the device tells its copies apart those counters are the truth, and no row is made
of clicks. A bare total is the sum of what was printed and copied: there the clicks are the copies, and what is left is
prints. Only what it moved while the connector may not have been heard (the box was off, a line was lost) can be either:
between none and all of it was copied, and it is nobody's.
Clicks seen while a visit is open are the visitor's; all others are nobody's. Pure.
"""

from __future__ import annotations

from dataclasses import fields

from agent.rules.books import LATE_S, Books
from agent.rules.facts import FormulaId, MemberId
from agent.rules.paper import CopiesMetered, CopiesUnheard
from drivers.contract import Moment
from drivers.copying import Clicks


def copied(books: Books, clicks: Clicks, at: Moment) -> CopiesMetered:
    """Return the row of clicks taken at a look; whose it is by the visit that is open and not long forgotten."""
    booked, visit = books.booked, books.visit
    wakes_at = books.wakes_at()
    if visit is not None and wakes_at is not None:
        forgotten = visit.active.boot != at.boot or at.mono_s >= wakes_at + LATE_S
        visit = None if forgotten or books.nobodys else visit
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


def unheard(row: CopiesMetered) -> CopiesUnheard:
    """Return the row of what a total moved while clicks may have been missed: nobody's, and perhaps not copied."""
    known = {one.name: getattr(row, one.name) for one in fields(CopiesMetered)}
    return CopiesUnheard(**known | {"visit": "", "member": MemberId(""), "formula": FormulaId("")})
