"""What every request passes before a page sees it: names, addresses, sizes, times, tokens.

The one idea: one place refuses, and says so once in the log without a name. In order: the Host header must name us
(DNS rebinding), the caller must stand on this side of the internet, a body must be small and come in time, and what
would change something must come from a page of ours (Origin, else Referer) with the token that we put there.

Refusals are plain (RFC 9110): 400, 403, 408, 413, 415, 421, 503.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Mapping
from email import policy
from email.message import Message
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from agent.config import Site
from agent.memory.codec import LedgerError, RosterLostError
from agent.views.web.gate import CALLER, FORM_FIELD, GATE, SENT, Handler, Sent, page
from agent.views.words import LANGUAGES

FORM_BYTES = 64 * 1024
UPLOAD_BYTES = 256 * 1024
FIELDS_MOST = 200
BODY_S = 15.0  # how long a form may take to arrive
READS = {"GET", "HEAD", "OPTIONS"}

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make the Origin of our own forms "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

log = logging.getLogger(__name__)


class Said:
    """Says a thing once in the log, however often it happens."""

    def __init__(self, most: int = 500) -> None:
        self._said: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._most = most

    def once(self, what: str, address: str) -> None:
        """Log a refusal, unless this address was refused for the same before."""
        if (what, address) in self._said:
            return
        self._said[what, address] = None
        while len(self._said) > self._most:
            self._said.popitem(last=False)
        log.warning("refused %s: %s (said once)", address or "somebody", what)


SAID = web.AppKey("said", Said)


def hosts_of(site: Site) -> frozenset[str]:
    """Return the names this site answers to, besides the address a caller really reached."""
    listen = site.web.listen.rpartition(":")[0].strip("[]")
    own = {"localhost", f"{site.site.code}.local", *(name.lower().strip("[]") for name in site.web.hosts)}
    return frozenset(own | ({listen.lower()} - {"0.0.0.0", "::", ""}))  # noqa: S104  (left out, not listened on)


def host_known(request: web.Request, known: frozenset[str]) -> bool:
    """Tell whether the one Host header names us, or the very address that was reached."""
    given = request.headers.getall("Host", [])
    if len(given) != 1:
        return False
    try:
        name = urlsplit(f"//{given[0]}").hostname or ""
    except ValueError:
        return False
    sock = request.transport.get_extra_info("sockname") if request.transport else None
    reached = str(sock[0]) if isinstance(sock, tuple) else ""
    return name in known or (bool(name) and name == reached)


def nearby(address: str | None) -> bool:
    """Tell whether a caller stands on this machine or its own network, and not beyond a provider's box."""
    try:
        seen = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(seen, ipaddress.IPv6Address) and seen.ipv4_mapped is not None:
        seen = seen.ipv4_mapped
    return seen.is_loopback or seen.is_private or seen.is_link_local


def from_our_page(request: web.Request) -> bool:
    """Tell whether what was sent comes from a page of this very origin (Fetch standard, Origin header)."""
    origin, referer = request.headers.get("Origin"), request.headers.get("Referer", "")
    if origin is None:
        try:
            parts = urlsplit(referer)
            origin = f"{parts.scheme}://{parts.netloc}"
        except ValueError:
            return False
    return origin == f"{request.scheme}://{request.headers['Host']}"


class StaleForm(web.HTTPForbidden):
    """A form of our own origin without its token: most often a page that was left open overnight."""


class ListUnread(web.HTTPServiceUnavailable):
    """A page that needs the list of members, while that cannot be read."""


class BooksUnread(web.HTTPServiceUnavailable):
    """A page that needs the ledger, while that cannot be read."""


SENT_TO_PEOPLE: Mapping[type[web.HTTPException], str] = {
    StaleForm: "refused.stale",
    web.HTTPRequestEntityTooLarge: "refused.too_large",
    web.HTTPServiceUnavailable: "refused.not_written",
    ListUnread: "refused.list_unread",
    BooksUnread: "refused.books_unread",
    web.HTTPNotFound: "refused.no_page_more",
    web.HTTPMethodNotAllowed: "refused.no_page_more",
}
NO_PAGE = (web.HTTPNotFound, web.HTTPMethodNotAllowed)


@web.middleware
async def plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals in plain text, and those that people meet as a page; our own bugs end in a 500 and the log."""
    try:
        answer = await handler(request)
    except web.HTTPException as ended:
        answer = ended
    except LedgerError as error:
        log.warning("%s cannot be shown: %s", request.path, error)
        answer = ListUnread() if isinstance(error, RosterLostError) else BooksUnread()
    if isinstance(answer, web.HTTPException) and SENT_TO_PEOPLE.get(type(answer)) and CALLER in request:
        headers = _kept(answer)
        title = "refused.no_page" if isinstance(answer, NO_PAGE) else "refused.sorry"
        answer = page(request, "refused.html", title=title, status=answer.status, why=SENT_TO_PEOPLE[type(answer)])
        answer.headers.update(headers)
    elif isinstance(answer, web.HTTPException):
        headers = _kept(answer)
        text = None if answer.status < 400 else f"{answer.status} {answer.reason}\n"
        answer = web.Response(status=answer.status, text=text, headers=headers)
    if not answer.prepared:
        _set_cookies(request, answer)
    return answer


def _kept(answer: web.HTTPException) -> dict[str, str]:
    """Return the headers that an answer must not lose (RFC 9110 sections 10.2.2, 11.6.1, 15.5.6)."""
    kept = {"Location", "WWW-Authenticate", "Allow"}
    return {name: value for name, value in answer.headers.items() if name in kept}


def _set_cookies(request: web.Request, answer: web.StreamResponse) -> None:
    if CALLER in request:
        request.app[GATE].set_cookie(request, answer)
    asked = request.query.get("lang", "")
    if asked in LANGUAGES and asked != request.cookies.get("lang"):
        answer.set_cookie("lang", asked, path="/", httponly=True, samesite="Lax")


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is not for us, who is too far, what is too big, and forms that are not ours."""
    refusal = stranger(request)
    if refusal is not None:
        raise refusal
    gate, said = request.app[GATE], request.app[SAID]
    request[CALLER] = gate.caller(request)
    if request.method not in READS:
        if not from_our_page(request):
            said.once("a form from elsewhere", request.remote or "")
            raise web.HTTPForbidden
        sent = request[SENT] = await _read(request)
        if not gate.token_is(request, sent.fields.pop(FORM_FIELD, "")):
            said.once("a form without its token", request.remote or "")
            raise StaleForm
    return await handler(request)


def stranger(request: web.Request) -> web.HTTPException | None:
    """Return the refusal of a request that does not name us, or comes from beyond a provider's box."""
    if not host_known(request, request.app[HOSTS]):
        request.app[SAID].once("a Host header that is not ours", request.remote or "")
        return web.HTTPMisdirectedRequest()
    if not nearby(request.remote):
        request.app[SAID].once("an address of the internet", request.remote or "")
        return web.HTTPForbidden()
    return None


HOSTS = web.AppKey("hosts", frozenset)


async def _read(request: web.Request) -> Sent:
    """Read the body, small and in time, as a form with or without a file."""
    kind = request.content_type
    most = UPLOAD_BYTES if kind == "multipart/form-data" else FORM_BYTES
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most, request.content_length or 0)
    try:
        async with asyncio.timeout(BODY_S):
            body = await _bytes(request, most)
        if kind == "multipart/form-data":
            return _parts(request.headers["Content-Type"], body)
        if kind == "application/x-www-form-urlencoded" or not body:
            return Sent(_fields(body))
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (ValueError, web.RequestPayloadError, PayloadEncodingError, ConnectionError) as error:
        raise web.HTTPBadRequest from error
    raise web.HTTPUnsupportedMediaType


async def _bytes(request: web.Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise web.HTTPRequestEntityTooLarge(most, len(body))
    return bytes(body)


def _fields(body: bytes) -> dict[str, str]:
    """Read an urlencoded body strictly as UTF-8; the last of several fields of one name counts."""
    pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MOST)
    return {name: value.replace("\x00", "") for name, value in pairs}


def _parts(kind: str, body: bytes) -> Sent:
    """Read a form with a file (RFC 7578), from memory; the last of several files counts."""
    message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + kind.encode("ascii") + b"\r\n\r\n" + body)
    fields, file = dict[str, str](), b""
    parts = message.get_payload() if message.is_multipart() else []
    if not 0 < len(parts) <= FIELDS_MOST:
        raise ValueError("not a form with parts")
    for part in parts:
        assert isinstance(part, Message)
        name = part.get_param("name", header="content-disposition")
        held = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(held, bytes):
            raise ValueError("a part without a name, or parts in parts")  # noqa: TRY004  (a fault of the form)
        if part.get_filename() is None:
            fields[name] = held.decode("utf-8").replace("\x00", "")
        else:
            file = held
    return Sent(fields, file)


async def dressed(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on an answer that is about to leave."""
    response.headers.update(SECURITY)
    response.headers.setdefault("Cache-Control", "no-cache" if request.path.startswith("/static/") else "no-store")
