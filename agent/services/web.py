"""The web service: pages, /metrics, and what people decide (visits). Touches no hardware."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from aiohttp import web

from agent.ask import Answer, Request, answering
from agent.services.feasts import keep_calendar
from agent.services.standing import Standing
from agent.stories.presence import VisitBook, follow_badges
from agent.views.web.pages import make_app
from drivers.contract import DriverError


async def wire(here: Standing) -> None:
    """Listen where the site file says, and answer the animator's actions. Raises DriverError for a taken port."""
    zone = ZoneInfo(here.site.site.timezone)
    visits = VisitBook(here.ledger, here.roster, here.clock, zone)

    async def answer(request: Request) -> Answer:
        said = await visits.answer(request)
        return said or Answer(done=False, says=f"action inconnue : {request.action}")

    runner = web.AppRunner(make_app(here.site, here.places, here.ledger, here.roster, here.clock), access_log=None)
    await runner.setup()
    here.stack.push_async_callback(runner.cleanup)
    host, _, port = here.site.web.listen.rpartition(":")
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except OSError as error:
        raise DriverError(f"{here.site.web.listen} ne peut être écouté : {error}") from error
    here.keep(lambda: keep_calendar(here.roster, here.clock, zone, here.site.site.holidays))
    directions = {name: reader.direction for name, reader in here.site.readers.items() if reader.at == "door"}
    if "out" in directions.values():  # without a way out by badge, a badge says nothing about a visit
        here.keep(lambda: follow_badges(visits, directions))
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, answer))
