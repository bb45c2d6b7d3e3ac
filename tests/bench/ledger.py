"""How fast the ledger is, beside the floor: bare SQLite writing the same bytes with the same promises, in one run.

    python -m tests.bench.ledger [FACTS]        on the disk of the current directory; 100 000 facts by default

`alone` is one fact per commit (what a door or a page count does), `burst` is whatever the queue gathers.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from agent.memory.chain import Head
from agent.memory.codec import encode
from agent.memory.ledger import Ledger, export_lines, verify
from agent.memory.writer import BATCH
from agent.rules.pages import Evidence, PagesCounted
from tests.memory.desk import at

ALONE = 500


def fact(number: int) -> PagesCounted:
    """One print of a member."""
    ids = ("copieur", "SN-1", f"SN-1/{number}", "a1b2c3", f"m{number % 50:03d}", "subscriber")
    return PagesCounted(*ids, 5, 2, 4, 7, 7, Evidence.DEVICE, "completed")


def bare(path: Path) -> sqlite3.Connection:
    """Open the floor: one bare table, WAL, synchronous=FULL."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE fact (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, body TEXT) STRICT")
    return db


def floor(db: sqlite3.Connection, numbers: range, batch: int) -> None:
    """Write the same bodies into the bare table, `batch` rows per commit."""
    for start in range(numbers.start, numbers.stop, batch):
        db.execute("BEGIN IMMEDIATE")
        for number in range(start, min(start + batch, numbers.stop)):
            row = encode(fact(number), at(number), str(number))
            db.execute("INSERT INTO fact (key, body) VALUES (?, ?)", (row.key, row.body))
        db.execute("COMMIT")


async def burst(ledger: Ledger, numbers: range) -> None:
    """Append as fast as the queue takes it, as a loop does."""
    for start in range(numbers.start, numbers.stop, 5000):
        part = range(start, min(start + 5000, numbers.stop))
        await asyncio.gather(*[ledger.append(fact(number), at(number), str(number)) for number in part])


def alone(db: sqlite3.Connection, ledger: Ledger) -> None:
    """Write one fact per commit, floor and ledger in turns, so that both see the same disk."""
    spent_s = {"floor": 0.0, "ledger": 0.0}
    for start in range(0, ALONE, ALONE // 10):
        numbers = range(start, start + ALONE // 10)
        before = time.perf_counter()
        floor(db, numbers, 1)
        between = time.perf_counter()
        for number in numbers:
            ledger.append_now(fact(number), at(number), str(number))
        spent_s["floor"] += between - before
        spent_s["ledger"] += time.perf_counter() - between
    rate("floor, one row per commit", ALONE, time.perf_counter() - spent_s["floor"])
    rate("ledger, append_now, one after the other", ALONE, time.perf_counter() - spent_s["ledger"])


def rate(what: str, count: int, started: float) -> None:
    """Say how many per second."""
    spent_s = time.perf_counter() - started
    print(f"{what:42} {count / spent_s:10.0f} /s   {spent_s / count * 1e6:8.0f} us each")


def main(facts: int) -> None:
    """Measure everything once."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder, "ledger.db")
        with Ledger.open(path) as ledger, closing(bare(Path(folder, "bare.db"))) as db:
            alone(db, ledger)
            started = time.perf_counter()
            floor(db, range(ALONE, facts), BATCH)
            rate(f"floor, {BATCH} rows per commit", facts - ALONE, started)
            started = time.perf_counter()
            asyncio.run(burst(ledger, range(ALONE, facts)))
            rate("ledger, append, as the queue gathers", facts - ALONE, started)
            started = time.perf_counter()
            count = sum(1 for _ in ledger.entries(PagesCounted))
            rate("ledger, entries, decoded", count, started)
            head: Head = ledger.head()
            started = time.perf_counter()
            verdict = verify(path, head)
            rate("verify against the head", verdict.facts, started)
            print(verdict)
            started = time.perf_counter()
            rate("export", sum(1 for _ in export_lines(path)), started)
            size = sum(file.stat().st_size for file in Path(folder).glob("ledger.db*"))
            print(f"{size / verdict.facts:.0f} bytes per fact on the disk")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
