"""`/ecran`: the screen on the wall, for anybody in the room. No name, no id, no button, no cookie to be anybody by.

The one idea: what hangs on a wall is public, so it holds nothing that is not: the verdict, what members come for, the
opening hours. It is the one page that may also be had over plain HTTP (`web.public_listen`): a kiosk or an old phone
need not trust our certificate to know whether the internet works. Nothing else answers there.
"""

from __future__ import annotations

from aiohttp import web

from agent.views.web import counter
from agent.views.web.gate import CALLER, CLOCK, GATE, PLACES, Handler, language
from agent.views.web.guard import HOSTS, READS, SAID, dressed, plain_errors, stranger
from agent.views.web.watch import WATCH


def routes(app: web.Application) -> None:
    """Add the wall and its stream."""
    app.router.add_get("/ecran", show_wall)
    app.router.add_get("/ecran/events", stream_wall)


async def show_wall(request: web.Request) -> web.Response:
    """Show the wall."""
    watch = request.app[WATCH]
    say = watch.saying(language(request))
    more = CALLER in request  # behind the gate, where the other pages are
    return web.Response(text=watch.rendering.wall(say, watch.hours(say), statement=more), content_type="text/html")


async def stream_wall(request: web.Request) -> web.StreamResponse:
    """Keep one wall up to date."""
    watch = request.app[WATCH]
    return await watch.stream(request, watch.wall, language(request), lambda: True)


def public_app(app: web.Application, static: Handler) -> web.Application:
    """Return the application for plain HTTP: the wall and its few files. It looks through `app`'s eyes."""
    public = web.Application(client_max_size=1, middlewares=[plain_errors, _reads_only])
    public[GATE], public[WATCH], public[HOSTS], public[SAID] = app[GATE], app[WATCH], app[HOSTS], app[SAID]
    public[CLOCK], public[PLACES] = app[CLOCK], app[PLACES]
    routes(public)
    counter.routes(public)
    public.router.add_get("/static/{name}", static)
    public.router.add_get("/", _to_the_wall)
    public.router.add_get("/accessibilite", _to_the_statement)
    public.on_response_prepare.append(dressed)
    return public


async def _to_the_wall(request: web.Request) -> web.Response:
    del request
    return web.Response(status=302, headers={"Location": "/ecran"})


async def _to_the_statement(request: web.Request) -> web.Response:
    """Send the reader to the other pages' listener: what is said there needs a browser's language and nothing else."""
    config = request.app[GATE].site.web
    scheme, port = "https" if config.encrypted else "http", config.listen.rpartition(":")[2]
    where = request.app[GATE].site.site.address or f"{scheme}://{request.url.host}:{port}/"
    return web.Response(status=302, headers={"Location": f"{where.rstrip('/')}/accessibilite"})


@web.middleware
async def _reads_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    refusal = stranger(request)
    if refusal is not None:
        raise refusal
    if request.method not in READS:
        raise web.HTTPMethodNotAllowed(request.method, READS)
    return await handler(request)
