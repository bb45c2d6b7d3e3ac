"""The links' past, as the pages read it: followed from the ledger, with the last word of whoever measures.

The hourly books are many and are read only where a link is no longer in the site file: they tell until when it was
measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web

from agent.memory.followed import Followed
from agent.memory.ledger import Entry, Ledger, LedgerError
from agent.rules.linkfacts import LinkMeasured
from agent.rules.linkpast import KINDS, Past, follow
from agent.views.state import SiteState
from agent.views.web.gate import GATE, LEDGER
from agent.views.web.watch import WATCH

PAST = web.AppKey("links past", Followed)
BOOKS = web.AppKey("links books", Followed)

log = logging.getLogger(__name__)


def keep_up(app: web.Application) -> None:
    """Follow the links' facts; those of the past are read off the loop, before anybody is served."""
    app[PAST] = Followed(app[LEDGER], KINDS, Past(), _follow)
    app[BOOKS] = Followed(app[LEDGER], (LinkMeasured,), Past(), _follow)
    app.on_startup.append(_catch_up)


async def _catch_up(app: web.Application) -> None:
    with contextlib.suppress(LedgerError):
        await asyncio.to_thread(_past, app)


def _follow(past: Past, new: Sequence[Entry]) -> Past:
    return follow(past, ((entry.at.utc, entry.fact) for entry in new)) if new else past


def past_of(request: web.Request, now: datetime) -> tuple[Past, datetime]:
    """Return the past, and the last moment at which somebody measured as far as we know. 503 without a ledger."""
    try:
        return _past(request.app), _heard(request.app[WATCH].look(), request.app[LEDGER], now)
    except LedgerError as error:
        log.warning("the links' past cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error


def _past(app: web.Application) -> Past:
    past: Past = app[PAST].read()
    if past.changes.keys() <= app[GATE].site.links.keys():
        return past
    return replace(past, booked=app[BOOKS].read().booked)


def _heard(state: SiteState, ledger: Ledger, now: datetime) -> datetime:
    service = next((one for one in state.services if one.name == "links"), None)
    if service is not None and service.up:
        return now  # not the moment of the look, which is a little before: what lasts has no gap behind it
    booked = ledger.last(LinkMeasured)
    until = booked.fact.until if booked is not None and isinstance(booked.fact, LinkMeasured) else None
    known = [at for at in (service.at if service else None, until) if at is not None]
    return max(known, default=datetime.min.replace(tzinfo=UTC))
