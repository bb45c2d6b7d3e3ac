"""`gardien status`: the page's own words in the terminal, or its model as JSON.

It judges from outside: unlike the page it also says when the pages' own service is silent. It knows what the page
knows, the hours people keep and nobody's copies included, but makes neither ledger nor roster where there is none.
"""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

from agent import VERSION
from agent.config import Places, Site
from agent.live import read_pictures
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.incidents import Level
from agent.views.journal import Journal, Today
from agent.views.sentences import Saying
from agent.views.state import SiteState, plain, state_of
from agent.views.state import as_json as state_as_json
from agent.views.written import Written
from agent.views.writtendown import WrittenDown
from drivers.clock import SystemClock
from drivers.contract import Clock, Moment

SHAPES = {Level.OK: "●", Level.WATCH: "▲", Level.UNKNOWN: "?", Level.DOWN: "■"}


def say_status(site: Site, places: Places, language: str, *, as_json: bool = False) -> tuple[str, bool]:
    """Return what to print, and whether all is well (nothing down and nothing unknown)."""
    clock = SystemClock(places.run)
    now, pictures = clock.now(), read_pictures(places.run)
    today, written = _remembered(site, places, clock, now)
    state = state_of(site, pictures, today, now, version=VERSION, written=written)
    well = state.level in {Level.OK, Level.WATCH}
    if as_json:
        return json.dumps(state_as_json(state), default=plain, ensure_ascii=False, indent=2), well
    return "\n".join(status_lines(site, state, language)), well


def _remembered(site: Site, places: Places, clock: Clock, now: Moment) -> tuple[Today, Written]:
    """Return the ledger's today and what is written down; of a file that is not there or not readable, nothing."""
    path = places.state / "ledger.db"
    if not path.exists():  # looking must not create one
        return Today(fault="there is no ledger here yet"), Written()
    try:
        with Ledger.open(path) as ledger:
            today = Journal(ledger, ZoneInfo(site.site.timezone)).read(now)
            return today, _written(site, places, ledger, clock, now)
    except LedgerError as error:
        return Today(fault=str(error)), Written()


def _written(site: Site, places: Places, ledger: Ledger, clock: Clock, now: Moment) -> Written:
    if not (places.state / "roster.db").exists():
        return Written()
    try:
        with RosterStore.open(places.state, ledger, clock) as roster:
            return WrittenDown(site, ledger, roster, clock).read(now)
    except LedgerError:  # as on the page: the services that cannot read it say so
        return Written()


def status_lines(site: Site, state: SiteState, language: str) -> list[str]:
    """Say the state in the terminal, the worst first."""
    say = Saying(site, state, language)
    verdict = say.verdict()
    lines = [f"{SHAPES[verdict.level]} {verdict.sentence}"]
    for card in say.cards():
        lines += ["", f"{card.name} · {card.word}"]
        for incident in card.incidents:
            lines.append(f"  {SHAPES[incident.level]} {' '.join(filter(None, (incident.title, incident.since)))}")
            lines.append(f"    → {incident.remedy}")
        for line in card.lines:
            shape = SHAPES[line.level] if line.level is not None else " "
            soft = f" ({line.soft})" if line.soft else ""
            lines.append(f"  {shape} {' '.join(filter(None, (line.name, line.words)))}{soft}")
            lines += [f"      {supply.name} {supply.level}" for supply in line.supplies]
    books = say.books()
    return [*lines, "", *books, " · ".join(say.box())]
