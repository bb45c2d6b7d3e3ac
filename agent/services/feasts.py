"""What a new day brings to the roster: the public holidays of its year and the next, formulas planned for it.

The one idea: only the web service knows the calendar of a country; everybody else, the door first, reads days. So the
library stays out of the processes that must not fail, and a site whose library is missing or too old shows which
years it knows instead of guessing.

Names are the library's English ones as keys ("christmas-day"); the pages have the words.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from datetime import date, tzinfo

from agent.memory.codec import LedgerError
from agent.memory.roster import RosterError, RosterStore
from drivers.contract import Clock, Trust

LOOK_S = 60.0

log = logging.getLogger(__name__)


def public_holidays(region: str, years: Iterable[int]) -> dict[date, str]:
    """Return the public holidays of a region of `config.HOLIDAYS`; none for "". Raises ImportError."""
    if not region:
        return {}
    from holidays import country_holidays

    country, _, part = region.partition("-")
    days = country_holidays(country, subdiv=part or None, years=years, language="en_US", observed=False)
    return {day: _key(name) for day, name in sorted(days.items())}


def _key(name: str) -> str:
    """Make a key of an English name; of two holidays on one day the first gives the name."""
    plain = name.partition(";")[0].replace("'", "").casefold()
    return re.sub(r"[^a-z]+", "-", plain).strip("-")


async def keep_calendar(store: RosterStore, clock: Clock, zone: tzinfo, region: str) -> None:
    """Bring the roster up to the day, for ever; a wrong clock is waited out."""
    done = 0
    while True:
        now = clock.now()
        today = now.utc.astimezone(zone).date()
        if now.trust is not Trust.UNKNOWN:
            try:
                store.apply_plans(today, actor="web")
                if today.year != done:
                    _expand(store, region, (today.year, today.year + 1))
                    done = today.year
            except (LedgerError, RosterError) as error:
                log.warning("the calendar waits for the roster: %s", error)
        store.settle(0)  # what is left in the outbox after an import of thousands, or a ledger that was full
        await asyncio.sleep(LOOK_S)


def _expand(store: RosterStore, region: str, years: tuple[int, ...]) -> None:
    try:
        days = public_holidays(region, years)
    except ImportError:
        log.warning("the library of public holidays is not installed: none close the site by themselves")
        return
    store.calendar.set_holidays(days, years=years, actor="web")
