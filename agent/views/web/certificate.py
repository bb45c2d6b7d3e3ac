"""`/certificat`: the site's own authority, for the one or two phones that shall trust it. Nobody's data.

A phone comes here once, past its warning, and takes the file; so the page shows the fingerprint (SHA-256), to be
compared with the one that the installation printed. Over plain HTTP it is not offered.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from agent.certificates import CertificateError, authority_of, fingerprint
from agent.views.web.gate import GATE, PLACES, page


def routes(app: web.Application) -> None:
    """Add these pages."""
    app.router.add_get("/certificat", show)
    app.router.add_get("/certificat/gardien.crt", take)


def _authority(request: web.Request) -> Path | None:
    return authority_of(request.app[PLACES]) if request.app[GATE].site.web.authority else None


async def show(request: web.Request) -> web.Response:
    """Show how to install the authority's certificate, and its fingerprint."""
    file = _authority(request)
    try:
        mark = fingerprint(file) if file else ""
    except CertificateError:
        mark = ""
    return page(request, "certificate.html", title="certificate.title", mark=mark)


async def take(request: web.Request) -> web.Response:
    """Hand out the certificate (RFC 5280), as the type that phones offer to install."""
    file = _authority(request)
    if file is None or not file.exists():
        raise web.HTTPNotFound
    return web.Response(body=file.read_bytes(), content_type="application/x-x509-ca-cert")
