"""Where the pages listen: TLS or plain, and how much of this machine strangers may hold.

The one idea: a connection costs a file and some memory, so it must hurry and there are only so many: headers within
15 s (a silent one is closed), a TLS handshake within 10 s, at most so many connections from one address and in all,
and no body is unpacked (a "gzip bomb" stays small). A malformed request (RFC 9112 section 3) is answered 400 and said
once in the log, without what it contained. TLS 1.2 and later; no HSTS, because the wall is plain on the same host.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from aiohttp import web

from agent.views.web.guard import Said

HEADERS_S = 15.0
HANDSHAKE_S = 10.0
LINGER_S = 2.0  # how long the rest of a refused body is read and forgotten
FROM_ONE = 48  # connections of one address: seven tabs and a stream each, on some devices behind one router
IN_ALL = 400
HEADERS_MOST = 64
LINE_BYTES = 8190
END_S = 2.0  # how long open requests may go on when the service ends


class Room:
    """Counts who is connected."""

    def __init__(self, from_one: int = FROM_ONE, in_all: int = IN_ALL) -> None:
        self.said = Said()
        self._here: Counter[str] = Counter()
        self._from_one, self._in_all = from_one, in_all

    def enter(self, address: str) -> bool:
        """Count one more connection; False if there is no room for it (it is counted all the same)."""
        self._here[address] += 1
        full = self._here[address] > self._from_one or self._here.total() > self._in_all
        if full:
            self.said.once("too many connections", address)
        return not full

    def leave(self, address: str) -> None:
        """Count one connection less."""
        self._here[address] -= 1
        if not self._here[address]:
            del self._here[address]


class Doorman(web.RequestHandler):
    """One connection, as aiohttp minds it, within the bounds of a `Room`."""

    __slots__ = ("_address", "_room")

    def __init__(self, server: web.Server, room: Room) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=cast("logging.Logger", None),  # how aiohttp is told to keep none
            keepalive_timeout=HEADERS_S,
            max_headers=HEADERS_MOST,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self._room, self._address = room, ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or close it at once where there is no room."""
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        super().connection_made(transport)
        if not self._room.enter(self._address):
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room."""
        self._room.leave(self._address)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP with a bare 400; our own bugs go the usual way."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        self._room.said.once("a malformed request", self._address)
        answer = web.Response(status=status, text=f"{status}\n")
        answer.force_close()
        return answer


def tls_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return how to speak TLS. `load_cert_chain` on it later is what new connections get. Raises OSError (SSLError)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, address: str, tls: ssl.SSLContext | None = None, room: Room | None = None
) -> AsyncIterator[int]:
    """Serve `app` at "ADDRESS:PORT" during the block; yields the port. Raises OSError for a taken one."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=END_S)
    await runner.setup()
    assert runner.server is not None
    server, held = runner.server, room or Room()
    try:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Doorman(server, held),
            host.strip("[]"),
            int(port),
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_S if tls else None,
            reuse_address=True,
        )
        try:
            yield int(listener.sockets[0].getsockname()[1])
        finally:
            listener.close()
    finally:
        await runner.cleanup()
