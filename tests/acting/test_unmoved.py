"""The pages are attacked from all sides at once; the door does not notice.

Half a dozen hostile clients guess passwords, send ten-megabyte bodies, walk paths and hold half-open requests. Cards
held to the door's reader meanwhile open it as on any day, by the board's own recorder, and the pages still answer.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acting.house import LiveHouse, until

pytestmark = [pytest.mark.peers, pytest.mark.alone]

CARD = "0F00A1B2C3"
BADGES = 5
LATE_S = 0.5  # the wire's own time and a busy machine's; on a quiet one it is a hundredth of that


def guess(port: int, _over: threading.Event) -> None:
    """Guess a password."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{port}"}
    client.request("POST", "/entrer", "name=Camille&password=guess&csrf=guess", form)
    assert client.getresponse().status in (303, 403, 429, 503)
    client.close()


def flood(port: int, _over: threading.Event) -> None:
    """Send ten megabytes where a form is expected."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("POST", "/entrer", b"x" * 10_000_000, {"Content-Type": "application/x-www-form-urlencoded"})
    assert client.getresponse().status in (403, 413)
    client.close()


def wander(port: int, _over: threading.Event) -> None:
    """Walk out of the static folder, under a false name."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("GET", "/static/../../../etc/passwd", headers={"Host": "evil.example"})
    answer = client.getresponse()
    assert answer.status in (400, 403, 404, 421)
    assert b"root:" not in answer.read()
    client.close()


def linger(port: int, over: threading.Event) -> None:
    """Begin a request and never end it."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        over.wait(1.0)


Attack = Callable[[int, threading.Event], None]


@contextlib.contextmanager
def attacked(port: int) -> Iterator[list[str]]:
    """Attack the pages until the block ends; yields what was done so far."""
    over, done = threading.Event(), list[str]()

    def keep(attack: Attack) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):  # hung up on: also an answer
                attack(port, over)
            done.append(attack.__name__)
            over.wait(0.02)

    attacks: tuple[Attack, ...] = (guess, guess, flood, wander, linger, linger)
    threads = [threading.Thread(target=keep, args=(attack,)) for attack in attacks]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_the_door_does_not_notice_an_attack_on_the_pages(tmp_path: Path) -> None:
    with LiveHouse(tmp_path / "house") as house:
        member = house.gardien("member", "add", "Camille", "--formula", "abonné").strip()
        house.gardien("card", "give", member, CARD)
        late: list[float] = []
        with attacked(house.port) as done:
            until(lambda: len(set(done)) == 4, 20, "all attacks are under way")
            for _ in range(BADGES):
                at_s = house.present(CARD)
                until(lambda since_s=at_s: house.opened(since_s), 5, "the relay releases", 0.01)
                late.append(house.opened(at_s)[0] - at_s)
                until(house.rests, 5, "the door rests")
        assert max(late) <= LATE_S, late
        assert len(done) >= 20
        assert house.get("/healthz") == "ok\n"
        log = house.log.read_text(encoding="utf-8")
        assert "Camille" not in log
        assert "Traceback" not in log
        granted = [body["rule"] for kind, body in house.facts("entry-decided") if kind]
        assert granted == ["always"] * BADGES
