"""The links' past, as the pages read it: followed from the ledger, with the last word of whoever measures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from aiohttp import web

from agent.memory.followed import Followed, catch_up
from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.rules.linkfacts import LinkMeasured
from agent.rules.linkpast import KINDS, Past, follow
from agent.views.state import SiteState
from agent.views.web.gate import LEDGER
from agent.views.web.watch import WATCH

PAST = web.AppKey("links past", Followed)

log = logging.getLogger(__name__)


def keep_up(app: web.Application) -> None:
    """Follow the links' facts; those of the past are read off the loop, before anybody is served."""
    app[PAST] = Followed(app[LEDGER], KINDS, Past(), _follow)
    app.on_startup.append(_catch_up)


async def _catch_up(app: web.Application) -> None:
    await catch_up(app[PAST])


def _follow(past: Past, new: Sequence[Entry]) -> Past:
    return follow(past, ((entry.at.utc, entry.fact) for entry in new)) if new else past


def past_of(request: web.Request, now: datetime) -> tuple[Past, datetime]:
    """Return the past, and the last moment at which somebody measured as far as we know. 503 without a ledger."""
    try:
        past: Past = request.app[PAST].read()
        return past, _heard(request.app[WATCH].look(), request.app[LEDGER], now)
    except LedgerError as error:
        log.warning("the links' past cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error


def _heard(state: SiteState, ledger: Ledger, now: datetime) -> datetime:
    service = next((one for one in state.services if one.name == "links"), None)
    if service is not None and service.up:
        return now  # not the moment of the look, which is a little before: what lasts has no gap behind it
    booked = ledger.last(LinkMeasured)
    until = booked.fact.until if booked is not None and isinstance(booked.fact, LinkMeasured) else None
    known = [at for at in (service.at if service else None, until) if at is not None]
    return max(known, default=datetime.min.replace(tzinfo=UTC))
