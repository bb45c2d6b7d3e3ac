"""What an answer's first bytes mean: what is broken off in the middle is a failure of the line, and no wrong page."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from drivers import boundtcp
from drivers.boundtcp import BoundTcp
from drivers.canary import Fetched, fetch, judged
from drivers.peers import namespaces
from drivers.probing import Outcome, Page

REPLIED, WRONG, REFUSED, UNREACHABLE = Outcome.REPLIED, Outcome.WRONG, Outcome.REFUSED, Outcome.UNREACHABLE
KNOWN = Page("127.0.0.1", "canari.example.org", "/canari", "gardien canari")
EMPTY = Page("127.0.0.1", "canari.example.org", "/generate_204")
OK, FOUND = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: http://portail.example/\r\n"
BROKEN_OFF = (UNREACHABLE, "reset")


@pytest.mark.parametrize(
    ("page", "head", "ended", "broken_off"),
    [
        (KNOWN, b"", BROKEN_OFF, BROKEN_OFF),
        (KNOWN, b"HTTP/1.1 20", (WRONG, "no HTTP"), BROKEN_OFF),
        (KNOWN, b"SSH-2.0-OpenSSH_9.2\r\n", (WRONG, "no HTTP"), BROKEN_OFF),
        (KNOWN, OK, (WRONG, "200"), BROKEN_OFF),
        (KNOWN, OK + b"Content-Length: 15\r\n", (WRONG, "200"), BROKEN_OFF),
        (KNOWN, OK + b"\r\n", (WRONG, "200"), BROKEN_OFF),
        (KNOWN, OK + b"\r\ngardien cana", (WRONG, "200"), BROKEN_OFF),
        (KNOWN, OK + b"\r\ngardien canari", (REPLIED, "200"), (REPLIED, "200")),
        (KNOWN, OK + b"\r\n<html>", (WRONG, "200"), (WRONG, "200")),  # another page, however much of it came
        (KNOWN, FOUND, (WRONG, "302 http://portail.example/"), BROKEN_OFF),
        (KNOWN, FOUND + b"\r\n", (WRONG, "302 http://portail.example/"), (WRONG, "302 http://portail.example/")),
        (KNOWN, b"HTTP/1.1 503 Busy\r\n", (REFUSED, "503"), BROKEN_OFF),
        (KNOWN, b"HTTP/1.1 503 Busy\r\n\r\n", (REFUSED, "503"), (REFUSED, "503")),
        (EMPTY, OK + b"\r\n", (WRONG, "200"), (WRONG, "200")),
        (EMPTY, OK, (WRONG, "200"), BROKEN_OFF),
        (EMPTY, b"HTTP/1.1 204 No Content\r\n\r\n", (REPLIED, "204"), (REPLIED, "204")),
    ],
)
def test_only_a_whole_answer_is_a_wrong_one(
    page: Page, head: bytes, ended: tuple[Outcome, str], broken_off: tuple[Outcome, str]
) -> None:
    assert judged(page, head) == Fetched(*ended)
    assert judged(page, head, cut=True) == Fetched(*broken_off)


@contextlib.contextmanager
def hanging_up(listening: socket.socket, *heads: bytes) -> Iterator[None]:
    """Be a server that says to each caller the next of these and resets the connection."""

    def serve() -> None:
        for head in heads:
            try:
                caller, _ = listening.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(30.0)
                caller.recv(4096)
                caller.sendall(head)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


RESETS = {b"": BROKEN_OFF, OK: BROKEN_OFF, FOUND + b"\r\n": (WRONG, "302 http://portail.example/")}


@pytest.mark.peers
@pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never")
def test_a_reset_says_what_came_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over an interface; through one of two boxes: `test_pinnedtcp`."""

    async def asked() -> list[Fetched]:
        async with asyncio.timeout(30.0):
            return [await fetch(BoundTcp("lo"), KNOWN) for _ in RESETS]

    with socket.create_server(("127.0.0.1", 0)) as listening, hanging_up(listening, *RESETS):
        monkeypatch.setattr(boundtcp, "PORT", listening.getsockname()[1])
        assert asyncio.run(asked()) == [Fetched(*fate) for fate in RESETS.values()]
