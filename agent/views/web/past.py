"""`/impressions#past`: what was printed past the box, what prevents it, and the button that says it is put right.

The one idea: the button forgives nothing and hides nothing. It is a fact that ends what stands; the sides stay on the
counter and nobody's, and whoever prints past the box once more brings it back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from agent.memory.followed import Followed
from agent.memory.ledger import LedgerError
from agent.memory.open_books import QUIET, followed_past
from agent.rules.access import Role
from agent.rules.bypass import Streams
from agent.rules.paper import PastMended
from agent.views.events import Labels
from agent.views.web.asking import local_now
from agent.views.web.gate import CLOCK, GATE, LEDGER, account_of, back, form, needs, words_of, write
from agent.views.words import Words

PAST = web.AppKey("past", Followed)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PastRow:
    """One device that somebody prints to past the box."""

    device: str
    what: str


def routes(app: web.Application) -> None:
    """Add the one action, and what it needs."""
    app[PAST] = followed_past(app[LEDGER])
    app.router.add_post("/impressions/regle", mend)


def rows(request: web.Request) -> list[PastRow]:
    """Say what stands now."""
    t, site = words_of(request), request.app[GATE].site
    labels, now = Labels.of(site), local_now(request)
    standing = _streams(request).standing(now, QUIET)
    zone = now.tzinfo
    assert zone is not None
    return [
        PastRow(
            name,
            t(
                "past.what",
                name=labels.device(name),
                n=one.sides,
                since=t.since(one.since, now, zone),
                last=_when(one.last, now, t),
            ),
        )
        for name, one in standing.items()
        if name in site.printers
    ]


@needs(Role.ANIMATOR)
async def mend(request: web.Request) -> web.StreamResponse:
    """Note that nobody can print past the box to this device any more."""
    device = (await form(request)).get("device", "")
    streams = _streams(request)
    if device not in streams.standing(request.app[CLOCK].now().utc, QUIET):
        return back(request, "/impressions", "past.nothing")
    number = streams.mended.get(device, 0) + 1
    await write(request, PastMended(device, number, account_of(request).id))
    return back(request, "/impressions", "past.done")


def _streams(request: web.Request) -> Streams:
    try:
        streams = request.app[PAST].read()
    except LedgerError as error:
        log.warning("what was printed past the box cannot be read: %s", error)
        raise web.HTTPServiceUnavailable from error
    assert isinstance(streams, Streams)
    return streams


def _when(at: datetime, now: datetime, t: Words) -> str:
    local = at.astimezone(now.tzinfo)
    return f"{local:%H:%M}" if local.date() == now.date() else f"{t.day(local)}, {local:%H:%M}"
