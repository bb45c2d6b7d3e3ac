"""`/qr`: sheets of A4 for the wall, and `/accessibilite`: the accessibility statement. For anybody; nobody's data.

The one idea: what hangs on the wall is made from the site file, so it cannot say another address, another name or
another retention than the program has. The QR code (ISO/IEC 18004) is an inline SVG: nothing is fetched from elsewhere.
The notice is the first level that the French data-protection authority asks for at a door with cards.
"""

from __future__ import annotations

import io

import segno
from aiohttp import web
from markupsafe import Markup
from yarl import URL

from agent.rules.facts import PASSAGE_DAYS, TIMED_DAYS
from agent.views.web.gate import GATE, page

QUIET_ZONE = 4  # modules of white around the code (ISO/IEC 18004 section 5.3.8)


def routes(app: web.Application) -> None:
    """Add these pages."""
    app.router.add_get("/qr", show_poster)
    app.router.add_get("/accessibilite", show_statement)


def address(request: web.Request) -> str:
    """Return what people type into a browser here: as the site file says it, or as this page was reached."""
    said = request.app[GATE].site.site.address
    return f"{said.rstrip('/')}/" if said else f"{request.scheme}://{request.host}/"


def wall_address(request: web.Request) -> str:
    """Return where the wall's page is: on plain HTTP where the site has it: no phone asks about a certificate."""
    public = request.app[GATE].site.web.public_listen
    if not public:
        return f"{address(request)}ecran"
    host, _, port = public.rpartition(":")
    if host in {"0.0.0.0", "[::]", ""}:  # noqa: S104  (left out, not listened on)
        host = str(URL(address(request)).host)
    return f"http://{host}/ecran" if port == "80" else f"http://{host}:{port}/ecran"


def qr_svg(text: str) -> Markup:
    """Return a QR code of `text` as SVG without sizes or styles of its own; a quarter of it may be lost."""
    drawn = io.BytesIO()
    segno.make(text, error="q", micro=False, boost_error=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=False,
        nl=False,
        omitsize=True,
        svgclass="qr",
        lineclass="",
        border=QUIET_ZONE,
    )
    svg = drawn.getvalue().decode().replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return Markup(svg)  # noqa: S704  (a path of numbers, of our own making)


async def show_poster(request: web.Request) -> web.Response:
    """Show the sheets."""
    site = request.app[GATE].site
    door = site.door
    where = wall_address(request)
    queues = sorted({queue for printer in site.printers.values() for queue in printer.queues})
    return page(
        request,
        "poster.html",
        title="poster.title",
        where=where,
        own=f"{address(request)}moi",
        code=qr_svg(where),
        wifi=site.site.wifi,
        queues=", ".join(queues),
        controller=site.site.controller,
        contact=site.site.contact,
        door=door is not None,
        key_box="" if door is None else door.key_box,
        night_phone="" if door is None else door.night_phone,
        months=PASSAGE_DAYS // 30,
        timed=TIMED_DAYS // 30,
    )


async def show_statement(request: web.Request) -> web.Response:
    """Show the accessibility statement, as it stands while nobody has audited this."""
    site = request.app[GATE].site.site
    return page(request, "rgaa.html", title="rgaa.title", controller=site.controller or site.name, contact=site.contact)
