"""Paper: from CUPS's own word that a job is completed to a row on the disk; and how fast a backlog becomes rows.

    python -m tests.bench.paper [JOBS [BACKLOG]]

Real lp(1), a real private cupsd with our backend in its print path, our copier over IPP in a process of its own, the
ledger on this disk (tier: peers). The stories run in this process; a thread of its own asks CUPS and looks into the
ledger's file every few milliseconds, so that neither clock is the one that is measured. The emulated copier writes its
answers in Python, slower than any device: how long was waited for its bytes is told beside the whole, and nothing else
is taken off (reading those bytes is ours). Our processor time is that of all our threads. Then the floor, in the same
run: the same bytes fetched from the device, the same list from CUPS, the same rows into bare tables under the same
promise of the disk, and no thought about any of it. Root.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import drivers.printer
from agent.memory.database import connect, make_file, transaction
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.memory.writer import BATCH
from agent.rules.facts import FormulaId
from agent.stories.copier import PaperPolicy
from agent.stories.desk import Desk
from agent.stories.printing import mind_paper
from agent.stories.room import followed_slate
from agent.stories.spool import mind_spooler
from drivers.clock import SystemClock
from drivers.contract import DeviceId
from drivers.ipp import Tag, attribute
from drivers.peers.cups import CupsPeer, pdf
from drivers.printer import IppPrinter, _Wire
from drivers.spooler import PAGE, CupsSpooler
from drivers.spooljobs import ATTRIBUTES
from tests.drivers.paper_tools import PRINT_JOB, ask, template

DEVICE = DeviceId("copieur")
GET_JOB = 0x0009
COMPLETED = 9
POLICY = PaperPolicy(UTC, poll_s=15.0, busy_s=1.0)  # as a site is minded


class Watch(threading.Thread):
    """Sees when CUPS says that a job is completed, and when the ledger's file has its row."""

    def __init__(self, ledger: Path, port: int) -> None:
        super().__init__(daemon=True)
        self.completed: dict[int, float] = {}
        self.rows: list[float] = []
        self._ledger, self._uri = ledger, f"http://127.0.0.1:{port}/printers/{DEVICE}"
        self.job = 0
        self.ended = threading.Event()

    def run(self) -> None:
        with sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True) as db:
            while not self.ended.is_set():
                (count,) = db.execute("SELECT count(*) FROM content WHERE kind = 'attempt-known'").fetchone()
                now = time.monotonic()
                self.rows += [now] * (count - len(self.rows))
                if self.job and self.job not in self.completed and self._state() == COMPLETED:
                    self.completed[self.job] = now
                time.sleep(0.002)

    def _state(self) -> int:
        answer = ask(
            self._uri,
            GET_JOB,
            attribute("job-id", Tag.INTEGER, self.job),
            attribute("requested-attributes", Tag.KEYWORD, "job-state"),
        )
        return answer.first(Tag.JOB).integer("job-state") or 0


class Timed(_Wire):
    """Remembers how long the device's bytes were waited for, and what was asked."""

    waited_s = 0.0
    asked: ClassVar[list[bytes]] = []

    def _post(self, body: bytes) -> bytes:
        before = time.monotonic()
        Timed.asked.append(body)
        data = super()._post(body)
        Timed.waited_s += time.monotonic() - before
        return data


async def until(true: object, limit_s: float, every_s: float = 0.005) -> None:
    """Wait for it."""
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(every_s)


def minding(space: tuple[Ledger, RosterStore], cupsd: CupsPeer, printer: IppPrinter) -> list[asyncio.Task[None]]:
    """Start the stories of paper."""
    ledger, people = space
    clock, slate = SystemClock(), followed_slate(ledger)
    desk = Desk(slate.read)  # as the service makes it

    async def spool() -> None:
        async with CupsSpooler(clock, cupsd.server, [DEVICE], 10.0, cupsd.attempts, cupsd.page_log) as spooler:
            await mind_spooler(spooler, {DEVICE: desk}, ledger, clock, lambda _: None)

    paper = mind_paper(DEVICE, printer, desk, ledger, people, clock, lambda _: None, POLICY)
    return [asyncio.create_task(spool()), asyncio.create_task(paper)]


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    """Stop them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def latency(folder: Path, space: tuple[Ledger, RosterStore], cupsd: CupsPeer, uri: str, jobs: int) -> None:
    """Print one job after the other and compare the two instants."""
    tasks = minding(space, cupsd, IppPrinter(SystemClock(), DEVICE, uri))
    watch = Watch(folder / "ledger.db", cupsd.port)
    await asyncio.sleep(2)
    watch.start()
    for number in range(jobs):
        watch.job = await asyncio.to_thread(cupsd.print_pdf, f"m{number % 7:03}", 1 + number % 3)
        await until(lambda: watch.job in watch.completed and len(watch.rows) == len(watch.completed), 60)
    watch.ended.set()
    watch.join()
    late = sorted(row - watch.completed[job] for job, row in zip(sorted(watch.completed), watch.rows, strict=True))
    ms = [max(0.0, one) * 1000 for one in late]
    early = sum(one <= 0 for one in late)
    print(
        f"CUPS says completed -> row on the disk, {jobs} jobs: p50 {ms[len(ms) // 2]:.0f} ms, "
        f"p99 {ms[min(len(ms) - 1, int(len(ms) * 0.99))]:.0f} ms, worst {ms[-1]:.0f} ms; "
        f"{early} rows were there before (earliest {-late[0] * 1000:.0f} ms)"
    )
    await stop(tasks)


async def _leave(cupsd: CupsPeer, uri: str, jobs: int) -> None:
    """Make what `jobs` jobs leave behind: CUPS's history, the device's records, the backend's notes."""
    sent = await asyncio.to_thread(_send, cupsd, uri, jobs)
    async with CupsSpooler(SystemClock(), cupsd.server, [DEVICE]) as spooler:
        created = dict(await spooler.listed(1))  # what CUPS hands to its backends
    for job, record, user, began_s in sent:
        note = {"queue": DEVICE, "job": job, "created": created[job], "user": user, "copies": "1"}
        note |= {"device_job": record, "code": 0, "began": began_s, "heard": True}
        (cupsd.attempts / f"{DEVICE}-{job}-{record}.json").write_text(json.dumps(note))


def _send(cupsd: CupsPeer, uri: str, jobs: int) -> list[tuple[int, int, str, float]]:
    """Send the same jobs to CUPS and to the device; return the number each gave, whose it is, and when."""
    body, sent = pdf(1, colour=False), []
    for number in range(jobs):
        user, began_s = f"m{number % 7:03}", time.time()
        job = ask(f"http://127.0.0.1:{cupsd.port}/printers/{DEVICE}", PRINT_JOB, user=user, body=b"x")
        record = ask(uri, PRINT_JOB, job=template(), user=user, body=body)
        first, second = (answer.first(Tag.JOB).integer("job-id") for answer in (job, record))
        assert first is not None
        assert second is not None
        sent.append((first, second, user, began_s))
    return sent


class Spent:
    """How long a block took, by the clock and of our processor."""

    def __enter__(self) -> Self:
        self._start, self._processor = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s = time.monotonic() - self._start
        self.processor_s = time.process_time() - self._processor


def listed(first: int, cups: Any) -> dict[int, object]:
    """Return a page of CUPS's history."""
    page: dict[int, object] = cups.getJobs("all", False, PAGE, first, ATTRIBUTES)
    return page


async def floor(folder: Path, cupsd: CupsPeer, uri: str, asked: list[bytes], jobs: int) -> Spent:
    """Fetch and write just what the catch-up did, the newest `jobs` rows, without any of its thought."""
    with sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True) as ledger:
        newest = "SELECT * FROM {} WHERE kind = 'attempt-known' ORDER BY seq DESC LIMIT ?"
        facts, contents = (ledger.execute(newest.format(table), (jobs,)).fetchall() for table in ("fact", "content"))
    parts = urlsplit(uri)
    device = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    bare, first = folder / f"bare-{time.monotonic_ns()}.db", 1
    make_file(bare)
    line = CupsSpooler(SystemClock(), cupsd.server, [DEVICE])
    with contextlib.closing(connect(bare)) as db, Spent() as spent:
        for body in asked:
            device.request("POST", parts.path, body, {"Content-Type": "application/ipp"})
            device.getresponse().read()
        async with line:
            while page := await line.ask(partial(listed, first)):
                first = max(page) + 1
        db.execute("CREATE TABLE fact (a, b, c, d, e)")
        db.execute("CREATE TABLE content (a, b, c, d, e, f, g, h, i)")
        for at in range(0, jobs, BATCH):
            with transaction(db):
                db.executemany("INSERT INTO fact VALUES (?,?,?,?,?)", facts[at : at + BATCH])
                db.executemany("INSERT INTO content VALUES (?,?,?,?,?,?,?,?,?)", contents[at : at + BATCH])
    device.close()
    return spent


async def backlog(folder: Path, space: tuple[Ledger, RosterStore], cupsd: CupsPeer, uri: str, jobs: int) -> None:
    """Put `jobs` jobs into CUPS's history, the copier's records and the notes while nobody looks; then catch up."""
    before = len(list(cupsd.attempts.glob("*.json")))
    cupsd._run("lpadmin", "-p", DEVICE, "-v", "file:///dev/null", "-m", "raw")
    await _leave(cupsd, uri, jobs)
    while not (await IppPrinter(SystemClock(), DEVICE, uri).read()).settled:
        await asyncio.sleep(0.5)
    ledger = sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)

    def rows() -> int:
        return int(ledger.execute("SELECT count(*) FROM content WHERE kind = 'attempt-known'").fetchone()[0])

    known, waited_s, asked = rows(), Timed.waited_s, len(Timed.asked)
    printer = IppPrinter(SystemClock(), DEVICE, uri, timeout_s=60.0)
    with Spent() as spent:
        tasks = minding(space, cupsd, printer)
        await until(lambda: rows() == known + jobs, 120, every_s=0.02)
    waited_s = Timed.waited_s - waited_s
    await stop(tasks)
    bare = await floor(folder, cupsd, uri, Timed.asked[asked:], jobs)
    alone_s, cores, load = spent.took_s - waited_s, spent.processor_s, os.getloadavg()[0]
    print(
        f"catch-up: {jobs} jobs to rows on the disk in {spent.took_s:.2f} s, {jobs / spent.took_s:.0f}/s; "
        f"{waited_s:.2f} s of it waiting for the emulated copier; the rest {jobs / alone_s:.0f}/s; our processor time "
        f"{cores:.2f} s, {jobs / cores:.0f} jobs/s of a core ({before} notes before); the floor {bare.took_s:.2f} s, "
        f"processor {bare.processor_s:.2f} s: {spent.took_s / bare.took_s:.1f} times, "
        f"{cores / bare.processor_s:.1f} times; load {load:.1f}"
    )
    ledger.close()


async def main(jobs: int, many: int) -> None:
    """Run both."""
    drivers.printer._Wire = Timed  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with copier(folder / "copier") as uri, CupsPeer(folder / "cups") as cupsd:
            await asyncio.to_thread(cupsd.add_queue, DEVICE, uri)
            with (
                Ledger.open(folder / "ledger.db") as ledger,
                RosterStore.open(folder, ledger, SystemClock()) as people,
            ):
                for number in range(7):
                    member = people.add_member("X", FormulaId("subscriber"), since=date(2020, 1, 1), actor="cli")
                    people.give_alias(member, f"m{number:03}", actor="cli")
                await latency(folder, (ledger, people), cupsd, uri, jobs)
                await backlog(folder, (ledger, people), cupsd, uri, 600)
                await backlog(folder, (ledger, people), cupsd, uri, many)


@contextlib.contextmanager
def copier(state: Path) -> Iterator[str]:
    """Run the copier peer in a process of its own; yield its URI."""
    command = [sys.executable, "-m", "drivers.peers.copier", "--state", str(state), "--sides-per-s", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(numbers + [100, 2000][len(numbers) :])))
