"""The web service: pages, /metrics, and what people decide (visits). Touches no hardware."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from aiohttp import web

from agent.ask import Answer, Request, answering
from agent.services.feasts import keep_calendar
from agent.services.standing import Standing
from agent.stories.attribution import PaperBook
from agent.stories.presence import VisitBook, follow_badges
from agent.views.web.listen import listening, tls_of
from agent.views.web.pages import make_app, static
from agent.views.web.wall import public_app
from drivers.contract import DriverError

log = logging.getLogger(__name__)


async def wire(here: Standing) -> None:
    """Listen where the site file says, and answer the animator's actions. Raises DriverError for a taken port."""
    zone = ZoneInfo(here.site.site.timezone)
    visits = VisitBook(here.ledger, here.roster, here.clock, zone)
    paper = PaperBook(here.ledger, here.roster, here.clock)

    async def answer(request: Request) -> Answer:
        said = await visits.answer(request) or await paper.answer(request)
        return said or Answer(done=False, says=f"action inconnue : {request.action}")

    app = make_app(here.site, here.places, here.ledger, here.roster, here.clock)
    await _listen(here, app)
    here.keep(lambda: keep_calendar(here.roster, here.clock, zone, here.site.site.holidays))
    directions = {name: reader.direction for name, reader in here.site.readers.items() if reader.at == "door"}
    if "out" in directions.values():  # without a way out by badge, a badge says nothing about a visit
        here.keep(lambda: follow_badges(visits, directions))
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, answer))


async def _listen(here: Standing, app: web.Application) -> None:
    """Listen, with TLS where there is a certificate; the wall alone in plain HTTP where the site file says so."""
    config = here.site.web
    try:
        tls = tls_of(config.certificate, config.key)
    except OSError as error:
        raise DriverError(f"le certificat {config.certificate} ne peut être lu : {error}") from error
    if tls is None and not config.listen.startswith(("127.", "localhost:", "[::1]")):
        log.warning("%s listens without TLS: passwords can be read on the way; give [web] a certificate", config.listen)
    try:
        await here.stack.enter_async_context(listening(app, config.listen, tls))
        if config.public_listen:
            await here.stack.enter_async_context(listening(public_app(app, static), config.public_listen))
    except OSError as error:
        raise DriverError(f"{config.listen} {config.public_listen} ne peut être écouté : {error}") from error
