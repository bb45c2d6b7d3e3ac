"""What a visit costs if it ends now, and which visits somebody should look at.

The one idea: the figure shown to a guest in the doorway is the tariff itself, with its step and its caps, over the
minutes of today and of this month; not a rate times a stopwatch. Pure: it reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum

from agent.rules.facts import FormulaId
from agent.rules.hours import WeeklyHours
from agent.rules.presence import FORGOTTEN
from agent.rules.tariff import HOUR_MIN, Tariff, cents
from agent.rules.visits import Visit

LATE = timedelta(minutes=15)  # after closing: people pack up


class Doubt(StrEnum):
    """Why a visit is to be verified."""

    PAST_CLOSING = "past-closing"  # still open although the place has closed since
    FORGOTTEN = "forgotten"  # open for more than half a day


def minutes_by_day(visits: Iterable[Visit], zone: tzinfo, now: datetime) -> dict[date, int]:
    """Return the minutes of these visits by the local day they ended on; an open one ends now."""
    days: dict[date, int] = {}
    for one in visits:
        if one.annulled:
            continue
        ended = one.ended or now
        minutes = one.minutes if one.ended is not None else max(0, (ended - one.started) // timedelta(minutes=1))
        day = ended.astimezone(zone).date()
        days[day] = days.get(day, 0) + minutes
    return days


def costs_today(tariff: Tariff, formula: FormulaId, days: Mapping[date, int], today: date) -> Decimal | None:
    """Return what the minutes of `today` cost, with the step, the day's cap and what the month's cap leaves.

    `days`: minutes by day; other months are passed over. None if the tariff has no price for it.
    """
    found = tariff.on(today, formula)
    if found is None:
        return None
    earlier, all_days = Decimal(0), Decimal(0)
    for day, minutes in days.items():
        then = tariff.on(day, formula)
        if (day.year, day.month) != (today.year, today.month) or day > today or then is None:
            continue
        prices = then[1]
        stepped = -(-minutes // prices.hour_step_min) * prices.hour_step_min
        cost = stepped * prices.hour / HOUR_MIN
        cost = cost if prices.day_cap is None else min(cost, prices.day_cap)
        all_days += cost
        earlier += cost if day != today else 0
    cap = found[1].month_cap
    if cap is not None:
        earlier, all_days = min(earlier, cap), min(all_days, cap)
    return cents(all_days - earlier)


def closing_of(visit: Visit, hours: WeeklyHours, closures: frozenset[date], zone: tzinfo) -> datetime | None:
    """Return when the place closed, or will, during the opening the visit began in; None if it was not open then."""
    began = visit.started.astimezone(zone)
    return hours.next_change(began, closures) if hours.open_at(began, closures) else None


def outside(visit: Visit, hours: WeeklyHours, closures: frozenset[date], zone: tzinfo) -> bool:
    """Tell whether some of a visit that is over was when the place is closed by its hours; packing up is not."""
    began = visit.started.astimezone(zone)
    if not hours.open_at(began, closures):
        return True
    closing = hours.next_change(began, closures)
    return closing is not None and visit.ended is not None and visit.ended > closing + LATE


def doubt(visit: Visit, hours: WeeklyHours, closures: frozenset[date], zone: tzinfo, now: datetime) -> Doubt | None:
    """Say why somebody should look at a visit, if anybody should."""
    if visit.annulled or visit.ended is not None:
        return None
    if now.astimezone(UTC) - visit.started > FORGOTTEN:
        return Doubt.FORGOTTEN
    closing = closing_of(visit, hours, closures, zone)
    return Doubt.PAST_CLOSING if closing is not None and now > closing + LATE else None
