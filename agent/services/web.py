"""The web service: pages, /metrics, and what people decide (visits). Touches no hardware."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web

from agent.ask import Answer, Request, answering
from agent.certificates import CertificateError, ends_at, files_of, issue
from agent.services.feasts import keep_calendar
from agent.services.standing import Standing
from agent.stories.attribution import PaperBook
from agent.stories.giving import HeldBook
from agent.stories.presence import VisitBook, follow_badges, watch_last_out
from agent.views.web.listen import listening, tls_of
from agent.views.web.pages import make_app, static
from agent.views.web.wall import public_app
from drivers.contract import DriverError

CERTIFICATE_LOOK_S = 30.0

log = logging.getLogger(__name__)


async def wire(here: Standing) -> None:
    """Listen where the site file says, and answer the animator's actions. Raises DriverError for a taken port."""
    zone = ZoneInfo(here.site.site.timezone)
    visits = VisitBook(here.ledger, here.roster, here.clock, zone)
    paper = PaperBook(here.ledger, here.roster, here.clock)
    held = HeldBook(here.ledger, here.roster, here.clock, here.places.run)

    async def answer(request: Request) -> Answer:
        said = await visits.answer(request) or await paper.answer(request) or await held.answer(request)
        return said or Answer(done=False, says=f"action inconnue : {request.action}")

    app = make_app(here.site, here.places, here.ledger, here.roster, here.clock)
    await _listen(here, app)
    here.keep(lambda: keep_calendar(here.roster, here.clock, zone, here.site.site.holidays))
    directions = {name: reader.direction for name, reader in here.site.readers.items() if reader.at == "door"}
    if "out" in directions.values():  # without a way out by badge, a badge says nothing about a visit
        here.keep(lambda: follow_badges(visits, directions))
    if here.site.site.hostless:
        here.keep(lambda: watch_last_out(visits, here.clock, here.show_last_out, here.publish_s))
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, answer))


async def _listen(here: Standing, app: web.Application) -> None:
    """Listen, with TLS where there is a certificate; the wall alone in plain HTTP where the site file says so."""
    config, files = here.site.web, files_of(here.site, here.places)
    if here.site.web.authority:
        _sign_own(here)
    try:
        tls = tls_of(*files) if files else None
    except OSError as error:
        raise DriverError(f"le certificat {files[0] if files else ''} ne peut être lu : {error}") from error
    if tls is not None and files is not None:
        here.keep(functools.partial(_keep_certificate, here, tls, *files))
    elif not config.listen.startswith(("127.", "localhost:", "[::1]")):
        log.warning("%s listens without TLS: passwords can be read on the way; give [web] a certificate", config.listen)
    try:
        await here.stack.enter_async_context(listening(app, config.listen, tls))
        if config.public_listen:
            await here.stack.enter_async_context(listening(public_app(app, static), config.public_listen))
    except OSError as error:
        raise DriverError(f"{config.listen} {config.public_listen} ne peut être écouté : {error}") from error


def _sign_own(here: Standing) -> None:
    """Make the site's own certificate if it has none yet; the nightly housekeeping keeps it young."""
    try:
        issue(here.site, here.places, here.clock.now().utc)
    except (CertificateError, OSError) as error:  # an older one may still do: listening will tell
        log.warning("the site's own certificate: %s", error)


async def _keep_certificate(here: Standing, tls: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Tell until when the certificate is good, and take a new one for new connections as soon as it stands there."""
    known: tuple[int, int] | None = None
    while True:
        known = _take_certificate(here, tls, certificate, key, known)
        await asyncio.sleep(CERTIFICATE_LOOK_S)


def _take_certificate(
    here: Standing, tls: ssl.SSLContext, certificate: Path, key: Path, known: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Look once; returns which file is in use. Half of a pair that was replaced is taken at the next look."""
    try:
        stat = certificate.stat()
        seen = (stat.st_ino, stat.st_mtime_ns)
        if seen != known:
            until = ends_at(certificate)
            tls.load_cert_chain(certificate, key)
            here.show_certificate(until)
    except (CertificateError, OSError) as error:
        log.warning("the certificate %s: %s", certificate, error)
        return known
    return seen
