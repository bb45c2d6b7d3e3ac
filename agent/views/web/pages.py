"""The appliance's pages: one page, its stream, the state for machines, the metrics. Read-only: nothing here acts.

The one idea: the server renders every word; the browser only puts finished parts in their places. One EventSource per
tab (HTML Living Standard section 9.2) carries the parts that changed and a beat every 5 s; a page that hears nothing
for 30 s says that it does not know. Without JavaScript the page reloads itself. While no tab is open nothing is
rendered and no file is read. One event loop; ledger and picture reads are short and bounded by the day.

`/` page · `/events` stream · `/etat.json` state, no ids of people · `/metrics`, `/metrics/billing` · `/healthz`
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment

from agent.config import Places, Site
from agent.live import read_pictures
from agent.memory.accounts import AccountStore
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.access import Role, may
from agent.views.journal import Journal
from agent.views.metrics import BILLING, CONTENT_TYPE, Exposition
from agent.views.sentences import Saying
from agent.views.state import SiteState, as_json, plain, state_of
from agent.views.web import entry
from agent.views.web.gate import CALLER, CLOCK, GATE, LEDGER, PLACES, ROSTER, Gate, frame, language, needs
from agent.views.web.guard import HOSTS, SAID, UPLOAD_BYTES, Said, dressed, guarded, hosts_of, plain_errors
from agent.views.web.render import Rendering, environment
from agent.views.words import LANGUAGES
from drivers.contract import Clock

LOOK_S = 0.5  # how often the pictures are looked at while somebody watches
BEAT_S = 5.0
SEND_S = 10.0
STREAMS = 40  # tabs at once; the next is told to come back later
STATIC = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """One rendering of the site, in every language."""

    number: int
    parts: dict[str, str]  # language -> the JSON of a `parts` event


class Watch:
    """Looks at the site for the page: at each request, and twice a second while streams are open."""

    def __init__(self, site: Site, places: Places, ledger: Ledger, clock: Clock, env: Environment) -> None:
        self.site = site
        self.zone = ZoneInfo(site.site.timezone)
        self.streams = 0
        self.ended = False
        self._places = places
        self._clock = clock
        self._journal = Journal(ledger, self.zone)
        self._rendering = Rendering(site, env)
        self._version = _version()
        self._news = News(0, {})
        self._changed = asyncio.Condition()

    def look(self) -> SiteState:
        """Return what is to be seen now."""
        now = self._clock.now()
        pictures = read_pictures(self._places.run)
        today = self._journal.read(now)
        return state_of(self.site, pictures, today, now, asking="web", version=self._version)

    def page(self, language: str, frame: Mapping[str, object]) -> str:
        """Return the whole page."""
        return self._rendering.page(Saying(self.site, self.look(), language), frame)

    def time(self) -> str:
        """Return the time of day of the site, as the page shows it."""
        return self._clock.now().utc.astimezone(self.zone).strftime("%H:%M:%S")

    def parts(self, language: str) -> str:
        """Return the JSON of a `parts` event of now."""
        return self._say(self._render(self.look(), language))

    @property
    def number(self) -> int:
        """Return the number of the last news."""
        return self._news.number

    async def run(self) -> None:
        """Render again whenever something changed while somebody watches; until cancelled."""
        shown: object = None
        while True:
            if self.streams:
                state = self.look()
                rendered = {language: self._render(state, language) for language in LANGUAGES}
                if rendered != shown:
                    shown = rendered
                    said = {language: self._say(one) for language, one in rendered.items()}
                    async with self._changed:
                        self._news = News(self.number + 1, said)
                        self._changed.notify_all()
            await asyncio.sleep(LOOK_S)

    def _render(self, state: SiteState, language: str) -> dict[str, object]:
        return self._rendering.parts(Saying(self.site, state, language))

    def _say(self, rendered: dict[str, object]) -> str:
        return json.dumps({**rendered, "time": self.time()}, ensure_ascii=False)

    async def news(self, after: int) -> News | None:
        """Wait for news later than number `after`; None if there is none within a beat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S), self._changed:
                await self._changed.wait_for(lambda: self._news.number > after or self.ended)
                return None if self.ended else self._news
        return None

    async def end(self) -> None:
        """Let every stream go, so that a stop does not wait for open tabs."""
        async with self._changed:
            self.ended = True
            self._changed.notify_all()


# Every page: one module each, which adds its own routes.
PAGES: tuple[Callable[[web.Application], None], ...] = (entry.routes,)


def make_app(site: Site, places: Places, ledger: Ledger, roster_store: RosterStore, clock: Clock) -> web.Application:
    """Return the application. The caller opens and closes the ledger and the roster, and runs it on its own loop."""
    env = environment()
    accounts = AccountStore.open(places.state, clock)
    app = web.Application(client_max_size=UPLOAD_BYTES, middlewares=[plain_errors, guarded])
    app[GATE] = Gate(site, env, accounts, ledger, clock)
    app[HOSTS], app[SAID] = hosts_of(site), Said()
    app[WATCH] = Watch(site, places, ledger, clock, env)
    app[EXPOSITION] = Exposition(site, places.run, ledger, roster_store, clock, _version())
    app[LEDGER], app[ROSTER], app[PLACES], app[CLOCK] = ledger, roster_store, places, clock
    app.router.add_get("/", _page)
    app.router.add_get("/events", _events)
    app.router.add_get("/etat.json", _state)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/metrics/billing", _billing)
    app.router.add_get("/static/{name}", _static)
    for routes in PAGES:
        routes(app)
    app[GATE].paths = frozenset(resource.canonical for resource in app.router.resources())
    app.on_response_prepare.append(dressed)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close_accounts)
    app.cleanup_ctx.append(_watching)
    return app


WATCH = web.AppKey("watch", Watch)
EXPOSITION = web.AppKey("exposition", Exposition)


async def _close_accounts(app: web.Application) -> None:
    app[GATE].accounts.close()


async def _watching(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[WATCH].run(), name="watch")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _end_streams(app: web.Application) -> None:
    await app[WATCH].end()


async def _page(request: web.Request) -> web.StreamResponse:
    """Show the state: to anybody until an account is claimed (read-only, no names), then to the animator and ops."""
    if not request.app[GATE].accounts.claimed():
        return await _state_page(request)
    return await needs(Role.ANIMATOR)(_state_page)(request)


async def _state_page(request: web.Request) -> web.Response:
    html = request.app[WATCH].page(language(request), frame(request))
    return web.Response(text=html, content_type="text/html")


async def _state(request: web.Request) -> web.Response:
    text = json.dumps(as_json(request.app[WATCH].look()), default=plain, ensure_ascii=False)
    return web.Response(text=text, content_type="application/json")


async def _health(request: web.Request) -> web.Response:
    fault = request.app[LEDGER].fault
    return web.Response(status=503 if fault else 200, text="ledger\n" if fault else "ok\n")


async def _metrics(request: web.Request) -> web.Response:
    body = request.app[EXPOSITION].plain()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def _billing(request: web.Request) -> web.Response:
    token = _token(request.app[WATCH].site)
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not token or not hmac.compare_digest(given, b"Bearer " + token):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": f'Bearer realm="{BILLING}"'})
    return web.Response(body=request.app[EXPOSITION].billing(), headers={"Content-Type": CONTENT_TYPE})


def _token(site: Site) -> bytes:
    """Read the token anew each time, so that it can be changed; no file, or an empty one: closed."""
    if not site.web.billing_token_file:
        return b""
    try:
        return Path(site.web.billing_token_file).read_bytes().strip()
    except OSError as error:
        log.warning("the billing token cannot be read: %s", error)
        return b""


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    kind = STATIC.get(name[name.rfind(".") :])
    known = {file.name: file for file in (files("agent.views.web") / "static").iterdir()}
    if kind is None or name not in known:
        raise web.HTTPNotFound
    return web.Response(body=known[name].read_bytes(), content_type=kind, charset="utf-8")


async def _events(request: web.Request) -> web.StreamResponse:
    watch, account = request.app[WATCH], request[CALLER].account
    if request.app[GATE].accounts.claimed() and (account is None or not may(account.role, Role.ANIMATOR)):
        raise web.HTTPForbidden
    if watch.streams >= STREAMS:
        raise web.HTTPServiceUnavailable
    spoken = language(request)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    watch.streams += 1
    try:
        await response.prepare(request)
        seen = watch.number
        await _send(response, f"retry: 2000\nevent: parts\ndata: {watch.parts(spoken)}\n\n")
        while not watch.ended:
            news = await watch.news(seen)
            if news is None:
                await _send(response, f"event: beat\ndata: {watch.time()}\n\n")
            else:
                seen = news.number
                await _send(response, f"event: parts\ndata: {news.parts[spoken]}\n\n")
    except (ConnectionError, TimeoutError):
        log.debug("a tab went away")
    finally:
        watch.streams -= 1
    return response


async def _send(response: web.StreamResponse, event: str) -> None:
    """Send one event; a tab that takes nothing for that long is let go."""
    async with asyncio.timeout(SEND_S):
        await response.write(event.encode())


def _version() -> str:
    try:
        return version("gardien")
    except PackageNotFoundError:
        return "unpackaged"
