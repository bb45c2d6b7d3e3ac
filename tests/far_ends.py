"""Far ends of messages on loopback, of the standard library alone: a mail server (RFC 5321) and an ntfy-like one.

They keep what they took. A test opens them late, closes them, or lets them refuse.
"""

from __future__ import annotations

import email
import email.policy
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FarEnd:
    """A server on its own threads. A context manager."""

    def __init__(
        self, port: int, handler: type[socketserver.BaseRequestHandler], *, http: bool, host: str = "127.0.0.1"
    ) -> None:
        self.port = port
        self.taken: list[tuple[str, str]] = []  # title, text
        self.tries = 0
        self.refuses = False
        self.silent = threading.Event()
        kind = ThreadingHTTPServer if http else socketserver.ThreadingTCPServer
        kind.allow_reuse_address = True
        self._server = kind((host, port), handler)
        self._server.daemon_threads = True
        self._server.far_end = self  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Topic(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        far: FarEnd = self.server.far_end  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        far.tries += 1
        if far.silent.is_set():
            far.silent.wait(0)
            threading.Event().wait(5)
            return
        if not far.refuses:
            far.taken.append((body.get("title", ""), body["message"]))
        self.send_response(503 if far.refuses else 200)
        answer = b'{"id":"x"}'
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


class _Mailbox(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        far: FarEnd = self.server.far_end  # type: ignore[attr-defined]
        far.tries += 1
        self.wfile.write(b"220 far-end\r\n")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            if word == b"EHLO":
                self.wfile.write(b"250-far-end\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n")
            elif word == b"AUTH":
                self.wfile.write(b"235 ok\r\n")
            elif word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.wfile.write(self._data(far))
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")

    def _data(self, far: FarEnd) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        if far.refuses:
            return b"451 not now\r\n"
        body = message.get_body(("plain",))
        assert body is not None
        far.taken.append((str(message["Subject"]), "\n".join(body.get_content().splitlines())))
        return b"250 kept\r\n"


def topic(port: int, host: str = "127.0.0.1") -> FarEnd:
    """An ntfy-like server: POST / with a JSON message (docs.ntfy.sh/publish, "publish as JSON")."""
    return FarEnd(port, _Topic, http=True, host=host)


def mailbox(port: int) -> FarEnd:
    """A mail server that takes mail for anybody."""
    return FarEnd(port, _Mailbox, http=False)
