"""How long from a badge at the copier's reader to the first byte of the job at the printer?

    python -m tests.bench.release [COUNT]

The whole paper service (forecast, who pays, the device asked whether it can print, the fact on this disk, the move),
lp(1)-like clients, a real cupsd with our backend in its print path and our copier (tier: peers). CUPS reaches the
copier through a listener in a thread of its own that stamps the first byte of each document ("%PDF"); a badge is
stamped when it is presented (the frame's own 15 ms on a serial wire are not in it). All of it runs in a network
namespace with nothing but loopback: there are no links, up or down. Each badge is followed by the floor: a job of the
same document, let out of a stopped queue by a bare CUPS-Move-Job to a queue without our backend, so both see the same
machine. Each pair is told as it comes, with the machine's load. A badge that brings nothing within `ONE_S` ends the
bench with what the place looked like; whatever else hangs ends it after `ONE_S` more, with every thread's stack. Root.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from agent.rules.release import JobReleased
from drivers.clock import SystemClock
from drivers.spooler import CupsSpooler
from tests.drivers.corpus import LINK, pdf, text
from tests.stories.release_bed import CARDS, OUT, Place, place

MARK = b"%PDF"
WAITS, BARE = "waits", "bare"  # the floor's queues
APART_S = 0.3  # the machine comes to rest between two jobs
ONE_S = 60.0  # for one job, from the client to the copier's rest


class Listener(threading.Thread):
    """Stands before the copier, copies both ways, and stamps the first byte of every document."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._copier = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.seen_s: list[float] = []

    def run(self) -> None:
        while True:
            client, _ = self._socket.accept()
            copier = socket.create_connection(("127.0.0.1", self._copier))
            for end in (client, copier):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass_on, args=(client, copier, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(copier, client, False), daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket, stamps: bool) -> None:
        tail = b""
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                if stamps and MARK in tail + data:
                    self.seen_s.append(time.monotonic())
                tail = data[1 - len(MARK) :]
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def listening(space: Place) -> Iterator[Listener]:
    """Put the listener between CUPS and the copier, and make the floor's queues."""
    parts = urlsplit(space.copier.uri)
    assert parts.port is not None
    listener = Listener(parts.port)
    listener.start()
    uri = f"ipp://127.0.0.1:{listener.port}{parts.path}"
    space.cupsd.add_queue(WAITS, uri, metered=False, held=True)
    space.cupsd.add_queue(BARE, uri, metered=False)
    space.cupsd._run("lpadmin", "-p", OUT, "-v", f"gardien:{uri}")
    yield listener


async def arrives(space: Place, listener: Listener, known: int, since_s: float) -> float:
    """Wait for the first byte of the document after `known` others; return how long after `since_s` it came, in ms."""
    await space.until(lambda: len(listener.seen_s) > known)
    took = (listener.seen_s[known] - since_s) * 1000
    await asyncio.sleep(APART_S)
    await space.until(lambda: space.standing.picture().devices["copieur"].state == "idle", ONE_S)
    return took


async def by_badge(space: Place, listener: Listener, body: bytes) -> float:
    """Let one job out by a badge."""
    await space.send("alice", body, "application/pdf")
    await space.until(lambda: len(space.held()) == 1 and space.looked_through())
    known, start = len(listener.seen_s), time.monotonic()
    space.badge(CARDS["alice"])
    return await arrives(space, listener, known, start)


async def by_move(space: Place, listener: Listener, cups: CupsSpooler, body: bytes) -> float:
    """Let one job out by CUPS-Move-Job and nothing else."""
    job = await space.send("alice", body, "application/pdf", queue=WAITS)
    known, start = len(listener.seen_s), time.monotonic()
    await cups.ask(lambda one: one.moveJob(job_id=job, job_printer_uri=f"ipp://localhost/printers/{BARE}"))
    return await arrives(space, listener, known, start)


async def one_pair(space: Place, listener: Listener, cups: CupsSpooler, body: bytes) -> tuple[float, float]:
    """Let one job out by each way, within a limit; say what was there when it was passed."""
    faulthandler.dump_traceback_later(2 * ONE_S, exit=True)
    try:
        async with asyncio.timeout(ONE_S):
            return await by_badge(space, listener, body), await by_move(space, listener, cups, body)
    except TimeoutError:
        picture = space.standing.picture()
        print("no more comes out:", picture.release, picture.devices, len(listener.seen_s), "documents seen")
        print(space.cupsd._run("lpstat", "-t"), flush=True)
        raise


def told(name: str, ms: list[float]) -> str:
    ms = sorted(ms)
    return f"{name}: p50 {ms[len(ms) // 2]:.0f} ms, p95 {ms[int(0.95 * (len(ms) - 1))]:.0f} ms, max {ms[-1]:.0f} ms"


async def main(count: int, folder: Path) -> None:
    body = pdf([text(1), text(2) + LINK, text(3)])
    ours, floor = [], []
    async with place(folder) as space:
        with listening(space) as listener:
            async with CupsSpooler(SystemClock(), space.cupsd.server, [WAITS]) as cups:
                for number in range(count + 1):
                    badge, move = await one_pair(space, listener, cups, body)
                    print(f"{number}: {badge:.0f} ms, bare {move:.0f} ms, load {os.getloadavg()[0]:.1f}", flush=True)
                    if number:  # the first of each warms up
                        ours.append(badge)
                        floor.append(move)
        released = [fact for fact in space.facts(JobReleased) if isinstance(fact, JobReleased)]
        greeting = space.greeting()
    assert [fact.sides for fact in released] == [3] * (count + 1), "a forecast was missing"
    assert getattr(greeting, "low", ""), "no price was told"
    print(told(f"badge -> first byte at the printer, {count} jobs with forecast and price, no link", ours))
    print(told("floor, CUPS-Move-Job alone -> first byte", floor))
    ratio = sorted(ours)[count // 2] / sorted(floor)[count // 2]
    print(f"ours / floor at the median: {ratio:.2f}")


if __name__ == "__main__":
    if "--alone" not in sys.argv:
        again = [sys.executable, "-m", "tests.bench.release", "--alone", *sys.argv[1:]]
        own = ["--net", "--pid", "--fork", "--mount-proc", "--kill-child"]  # nothing of it outlives it
        inside = ["unshare", *own, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *again]
        sys.exit(subprocess.run(inside, check=False).returncode)
    assert [name for _, name in socket.if_nameindex()] == ["lo"], "there are links here"
    numbers = [int(word) for word in sys.argv[2:]]
    with tempfile.TemporaryDirectory() as place_:
        asyncio.run(main(numbers[0] if numbers else 100, Path(place_)))
