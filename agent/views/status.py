"""`gardien status`: the page's own words in the terminal, or its model as JSON.

It judges from outside: unlike the page it also says when the pages' own service is silent.
"""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

from agent.config import Places, Site
from agent.live import read_pictures
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.incidents import Level
from agent.views.journal import Journal, Today
from agent.views.sentences import status_lines
from agent.views.state import as_json as state_as_json
from agent.views.state import plain, state_of
from drivers.clock import SystemClock
from drivers.contract import Moment


def say_status(site: Site, places: Places, language: str, *, as_json: bool = False) -> tuple[str, bool]:
    """Return what to print, and whether all is well (nothing down and nothing unknown)."""
    now = SystemClock(places.run).now()
    state = state_of(site, read_pictures(places.run), _today(site, places, now), now)
    well = state.level in {Level.OK, Level.WATCH}
    if as_json:
        return json.dumps(state_as_json(state), default=plain, ensure_ascii=False, indent=2), well
    return "\n".join(status_lines(site, state, language)), well


def _today(site: Site, places: Places, now: Moment) -> Today:
    path = places.state / "ledger.db"
    if not path.exists():  # looking must not create one
        return Today(fault="there is no ledger here yet")
    try:
        with Ledger.open(path) as ledger:
            return Journal(ledger, ZoneInfo(site.site.timezone)).read(now)
    except LedgerError as error:
        return Today(fault=str(error))
