"""The web service: pages, /metrics, and what people decide (visits). Touches no hardware."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.http import HttpProcessingError

from agent.ask import Answer, Request, answering
from agent.services.standing import Standing
from agent.stories.presence import VisitBook, follow_badges
from agent.views.web.pages import make_app
from drivers.contract import DriverError

_log = logging.getLogger("agent.web")


class _NoGarbage(logging.Filter):
    """Keeps what is no HTTP out of the log: whoever scans the port would fill it with bytes of their choice."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through all but the parser's complaints; they are the sender's fault and were answered with 400."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log.addFilter(_NoGarbage())


async def wire(here: Standing) -> None:
    """Listen where the site file says, and answer the animator's actions. Raises DriverError for a taken port."""
    visits = VisitBook(here.ledger, here.roster, here.clock, ZoneInfo(here.site.site.timezone))

    async def answer(request: Request) -> Answer:
        said = await visits.answer(request)
        return said or Answer(done=False, says=f"action inconnue : {request.action}")

    app = make_app(here.site, here.places, here.ledger, here.roster, here.clock)
    runner = web.AppRunner(app, access_log=None, logger=_log)
    await runner.setup()
    here.stack.push_async_callback(runner.cleanup)
    host, _, port = here.site.web.listen.rpartition(":")
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except OSError as error:
        raise DriverError(f"{here.site.web.listen} ne peut être écouté : {error}") from error
    directions = {name: reader.direction for name, reader in here.site.readers.items() if reader.at == "door"}
    if "out" in directions.values():  # without a way out by badge, a badge says nothing about a visit
        here.keep(lambda: follow_badges(visits, directions))
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, answer))
