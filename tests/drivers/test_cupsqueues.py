"""The queues of CUPS over its own wire: what a real cupsd says, and what stands in its place and is no cupsd."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import cups
import pytest

from drivers.contract import DriverError
from drivers.cupsqueues import LARGEST, Queue, queues
from drivers.ipp import Group, Message, Tag, attribute, encode, members
from drivers.peers.cups import CupsPeer, available

REPO = Path(__file__).parents[2]
END = bytes((Tag.END,))


@pytest.mark.peers
@pytest.mark.skipif(bool(available()), reason=available())
def test_a_real_cupsd_says_what_libcups_hears(tmp_path: Path) -> None:
    with CupsPeer(tmp_path / "cups") as peer:
        assert queues(peer.server, 5.0) == {}
        peer.add_queue("hole", "file:///dev/null", metered=False)
        peer.add_queue("salle-2", "file:///dev/null", metered=False, held=True)
        told = queues(peer.server, 5.0)
        assert {name: of.stopped for name, of in told.items()} == {"hole": False, "salle-2": True}
        host, _, port = peer.server.rpartition(":")
        line = cups.Connection(host=peer.server) if peer.server.startswith("/") else cups.Connection(host, int(port))
        heard = {
            name: Queue(
                of["device-uri"], line.getPrinterAttributes(name)["printer-op-policy"], of["printer-state"] == 5
            )
            for name, of in line.getPrinters().items()
        }
        assert told == heard
    with pytest.raises(DriverError, match=re.escape(peer.server)):
        queues(peer.server, 5.0)


@pytest.fixture
def says(tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """A socket that answers every question with the same bytes."""
    wire = {"path": str(tmp_path / "sock").encode(), "reply": b""}
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(wire["path"])
        ear.listen()
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                peer, _ = ear.accept()
                with peer, contextlib.suppress(OSError):  # who asked may have heard enough
                    while (heard := peer.recv(65536)) and not heard.endswith(END):
                        pass
                    peer.sendall(wire["reply"])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield wire
        over.set()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(wire["path"])
        thread.join(5)


def http_of(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def reply_of(*groups: Group, code: int = 0) -> bytes:
    return http_of(encode(Message(code, 1, groups)))


def queue_of(*attributes: object) -> Group:
    return Group(Tag.PRINTER, members(*attributes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (http_of(b"", "426 Upgrade Required"), "426"),
        (http_of(b"<html>"), "byte"),
        (http_of(b"\x02\x00\x00\x00\x00\x00\x00\x01\x04\x47"), "byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x02", "ends inside"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", ""),
        (reply_of(code=0x0403), "0x0403"),
    ],
)
def test_what_is_no_cupsd_is_an_error_that_names_it(says: dict[str, bytes], reply: bytes, why: str) -> None:
    says["reply"] = reply
    with pytest.raises(DriverError, match=f"{re.escape(says['path'].decode())}.*{why}"):
        queues(says["path"].decode(), 5.0)


def test_a_queue_of_which_nothing_is_told_prints_nowhere(says: dict[str, bytes]) -> None:
    named = attribute("printer-name", Tag.NAME, "a")
    says["reply"] = reply_of(queue_of(attribute("device-uri", Tag.URI, "ipp://x")), queue_of(named))
    assert queues(says["path"].decode(), 5.0) == {"a": Queue("", "", stopped=False)}


def test_a_reply_without_an_end_is_not_kept(says: dict[str, bytes]) -> None:
    says["reply"] = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LARGEST + 1000)
    with pytest.raises(DriverError):
        queues(says["path"].decode(), 5.0)


def test_nothing_here_asks_pycups_about_queues() -> None:
    leaks = re.compile(r"\.(getPrinters|getPrinterAttributes|getJobAttributes|getDests)\(")
    files = [file for room in ("agent", "drivers") for file in (REPO / room).rglob("*.py") if "peers" not in file.parts]
    assert [str(file) for file in files if leaks.search(file.read_text(encoding="utf-8"))] == []
