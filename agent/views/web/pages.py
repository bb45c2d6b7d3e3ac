"""The appliance's pages: what is where, and what a machine may read.

The one idea: the server renders every word; the browser only puts finished parts in their places. Each page that acts
is one module with `routes`; this file puts them behind one gate (`gate`, `guard`) and adds the state and the machines'
addresses. Without JavaScript the state page reloads itself; a page that hears nothing for 30 s says that it does not
know.

`/` state · `/events` its stream · `/etat.json` state, no ids of people · `/metrics`, `/metrics/billing` · `/healthz`.
Until an account is claimed `/` is read-only and open to the local network, as the wall is: nobody can act yet, and a
new box must show whether it works. From then on it needs the animator.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path

from aiohttp import web

from agent import VERSION
from agent.config import Places, Site
from agent.memory.accounts import AccountStore
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.access import Role, may
from agent.views.metrics import BILLING, CONTENT_TYPE, Exposition
from agent.views.state import as_json, plain
from agent.views.web import (
    bookings,
    cards,
    certificate,
    counter,
    counters,
    door,
    entry,
    held,
    hours,
    internet,
    linkmonth,
    me,
    member,
    members,
    paper,
    payers,
    poster,
    reporting,
    restarted,
    visitors,
    visits,
    waiting,
    wall,
)
from agent.views.web.gate import CLOCK, GATE, LEDGER, PLACES, ROSTER, Gate, back, frame, language, needs
from agent.views.web.guard import HOSTS, SAID, UPLOAD_BYTES, Said, dressed, guarded, hosts_of, plain_errors
from agent.views.web.render import Rendering, environment
from agent.views.web.watch import WATCH, Watch
from drivers.contract import Clock

STATIC = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

log = logging.getLogger(__name__)

# Every page: one module each, which adds its own routes.
PAGES: tuple[Callable[[web.Application], None], ...] = (
    entry.routes,
    restarted.routes,
    wall.routes,
    cards.routes,
    members.routes,
    member.routes,
    visitors.routes,
    payers.routes,
    internet.routes,
    linkmonth.routes,
    reporting.routes,
    hours.routes,
    me.routes,
    waiting.routes,
    poster.routes,
    certificate.routes,
    door.routes,
    bookings.routes,
    visits.routes,
    paper.routes,
    held.routes,
    counter.routes,
    counters.routes,
)


def make_app(site: Site, places: Places, ledger: Ledger, roster_store: RosterStore, clock: Clock) -> web.Application:
    """Return the application. The caller opens and closes the ledger and the roster, and runs it on its own loop."""
    env = environment()
    app = web.Application(client_max_size=UPLOAD_BYTES, middlewares=[plain_errors, guarded])
    app[GATE] = Gate(site, env, AccountStore.open(places.state, clock), ledger, clock)
    app[HOSTS], app[SAID] = hosts_of(site), Said()
    rendering = Rendering(site, env, app[GATE].accounts.claimed)
    app[WATCH] = Watch(site, places, ledger, roster_store, clock, rendering, VERSION)
    app[EXPOSITION] = Exposition(site, places.run, ledger, roster_store, clock, VERSION)
    app[LEDGER], app[ROSTER], app[PLACES], app[CLOCK] = ledger, roster_store, places, clock
    app.router.add_get("/", _page)
    app.router.add_get("/events", _events)
    app.router.add_get("/etat.json", _state)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/metrics/billing", _billing)
    app.router.add_get("/static/{name}", static)
    for routes in PAGES:
        routes(app)
    app[GATE].paths = frozenset(resource.canonical for resource in app.router.resources())
    app.on_response_prepare.append(dressed)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close_accounts)
    app.cleanup_ctx.append(_watching)
    return app


EXPOSITION = web.AppKey("exposition", Exposition)


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


async def _close_accounts(app: web.Application) -> None:
    app[GATE].accounts.close()


async def _page(request: web.Request) -> web.StreamResponse:
    """Show the state: to anybody until an account is claimed (read-only, no names), then to the animator and ops.

    A member who comes here is sent to their own page.
    """
    gate = request.app[GATE]
    if not gate.accounts.claimed():
        return await _state_page(request)
    account = gate.caller(request).account
    if account is not None and account.role is Role.MEMBER:
        return back(request, entry.HOME[Role.MEMBER])
    return await needs(Role.ANIMATOR)(_state_page)(request)


async def _state_page(request: web.Request) -> web.Response:
    watch = request.app[WATCH]
    html = watch.rendering.page(watch.saying(language(request)), frame(request))
    return web.Response(text=html, content_type="text/html")


async def _events(request: web.Request) -> web.StreamResponse:
    gate, watch = request.app[GATE], request.app[WATCH]

    def still() -> bool:
        """Tell whether this browser may go on seeing the state: sessions end, and accounts are claimed."""
        if not gate.accounts.claimed():
            return True
        account = gate.caller(request).account
        return account is not None and may(account.role, Role.ANIMATOR)

    if not still():
        raise web.HTTPForbidden
    return await watch.stream(request, watch.state, language(request), still)


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


async def static(request: web.Request) -> web.Response:
    """Serve one of our few files, by its name alone: a name is looked up, never walked."""
    name = request.match_info["name"]
    kind = STATIC.get(name[name.rfind(".") :])
    known = {file.name: file for file in (files("agent.views.web") / "static").iterdir()}
    if kind is None or name not in known:
        raise web.HTTPNotFound
    return web.Response(body=known[name].read_bytes(), content_type=kind, charset="utf-8")
