"""The ledger: every fact the house concluded, written once, never edited.

One SQLite file, written by several processes. `fact` is append-only and holds commitments; `content` holds what they
commit to, and may be forgotten by the redaction alone; `total` holds the summaries, moved in the same transaction.

What a promise means here:
- `append` queues at once and returns a future. It resolves to the fact's seq *only after the commit is on the disk*.
- A disk that fails does not fail the future: the fact stays queued, `fault` says why, and the writer tries again until
  it succeeds. Only three things fail a future with LedgerError: the same kind and key with another body, a row the
  tables refuse, and closing the ledger while the disk still fails.
- `append` itself raises LedgerError when 10 000 facts wait already (an overflow is never a silence).
- Cancelling the wait does not take the fact back.
- A process killed with facts queued loses those it was never told were written. It appends them again after its
  restart under the same keys: what was written is found, not repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from operator import attrgetter
from pathlib import Path
from typing import Any, Self, TypeVar

from agent.memory.chain import Head, check_head, prepare, read_head
from agent.memory.codec import LedgerError, decode, encode, encode_all, labels_of, moment
from agent.memory.database import WriteLock, connect, identity, insist, make_file
from agent.memory.redaction import redact
from agent.memory.verify import Verdict, export_lines, verify
from agent.memory.writer import Writer
from agent.rules.facts import Fact
from agent.rules.kinds import KINDS, with_successors
from drivers.contract import Moment

__all__ = ["Entry", "Head", "Ledger", "LedgerError", "Verdict", "export_lines", "verify"]

PAGE = 500  # rows read at once: no read transaction is held between pages, so the log can always be emptied
NOW_S = 30.0  # how long `append_now` waits for the commit
LAST_S = 10.0  # and how much longer when the row is being written just then

R = TypeVar("R")
Labels = tuple[tuple[str, str], ...]
COLUMNS = "seq, kind, key, utc, mono, boot, trust, body"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact as it stands in the ledger."""

    seq: int
    key: str
    at: Moment
    fact: Fact


class Ledger:
    """One per process. A context manager: leaving it writes what is queued and gives the files back.

    `append` belongs to a running event loop; all else may be called from any thread.
    """

    def __init__(self, path: Path, lock: WriteLock, reader: sqlite3.Connection) -> None:
        self._path = path
        self._opened = identity(path)
        self._lock = lock
        self._reader = reader
        self._reading = threading.Lock()
        self._reported: set[str] = set()
        self._writer = Writer(path, lock)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ledger, creating it if absent, and re-hash its head. Raises LedgerError."""
        with contextlib.ExitStack() as undo:
            try:
                make_file(path)
                lock = WriteLock(path.with_suffix(".lock"))
                undo.callback(lock.close)
                with lock.held():
                    reader = connect(path)
                    undo.callback(reader.close)
                    prepare(reader)
                reader.execute("PRAGMA query_only = ON")
                check_head(reader)
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"the ledger {path} cannot be opened: {error}") from error
            undo.pop_all()
        return cls(path, lock, reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued (one try if the disk fails) and give the files back. Waits at most 20 s."""
        self._writer.close()
        with self._reading:
            self._reader.close()
        self._lock.close()

    # --- writing ---------------------------------------------------------------------------------------------

    @property
    def fault(self) -> str:
        """Why the last write failed, in one sentence; empty while the ledger can be written."""
        return self._writer.fault

    @property
    def pending(self) -> int:
        """How many facts wait for the disk. Virtual time stands still while this is not 0."""
        return self._writer.pending

    def queue(self, fact: Fact, at: Moment, key: str) -> Future[int]:
        """Queue a fact from any thread, with or without an event loop. Raises LedgerError when the queue is full."""
        return self._writer.put(encode(fact, at, key)).future

    def append(self, fact: Fact, at: Moment, key: str) -> asyncio.Future[int]:
        """Queue a fact; the future resolves to its seq once it is on the disk (see the promises above).

        Need not be awaited. Same kind and key: the same body resolves to the first seq, another is a LedgerError.
        Raises LedgerError at once when the queue is full or the fact cannot be encoded.
        """
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[int] = loop.create_future()
        promise.add_done_callback(_observe)
        written = self.queue(fact, at, key)
        written.add_done_callback(lambda done: _tell(loop, promise, done.result))
        return promise

    def append_all(self, facts: Iterable[tuple[Fact, str]], at: Moment) -> asyncio.Future[list[int]]:
        """Queue facts with their keys, all or none; the future resolves to their seqs once all are on the disk.

        As `append`, of each. If one is refused the future has that LedgerError, and the others are written.
        """
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[list[int]] = loop.create_future()
        promise.add_done_callback(_observe)
        waiting = self._writer.put_all(encode_all(facts, at))

        def seqs() -> list[int]:
            return [one.future.result(0) for one in waiting]  # in their order: when the last is written, all are

        if waiting:
            waiting[-1].future.add_done_callback(lambda _: _tell(loop, promise, seqs))
        else:
            promise.set_result([])
        return promise

    def append_now(self, fact: Fact, at: Moment, key: str, limit_s: float = NOW_S) -> int:
        """Write a fact and return its seq; blocks until it is on the disk, at most `limit_s`. For the command line.

        Raises LedgerError: then the fact was not written and will not be, unless the message says otherwise.
        """
        waiting = self._writer.put(encode(fact, at, key))
        for patience_s in (limit_s, LAST_S):
            try:
                return waiting.future.result(patience_s)
            except TimeoutError:
                if self._writer.withdraw(waiting):
                    raise LedgerError(f"not written: {self.fault or 'the disk did not answer'}") from None
        raise LedgerError("no answer from the disk: the fact may yet be written; asking again is safe")

    def redact(self, now: Moment, zone: tzinfo) -> dict[str, int]:
        """Forget the contents that are too old; kind -> how many. Blocks. See `agent.memory.redaction`."""
        return redact(self._path, self._lock, now, zone)

    # --- reading ---------------------------------------------------------------------------------------------

    def entries(self, *kinds: type[Fact], since: int = 0) -> Iterator[Entry]:
        """Yield the facts after seq `since`, ascending, of these kinds (none: of all), up to the head at the call.

        A kind that succeeded another is a subclass of it, and comes with it.
        Redacted ones are left out; so are kinds this version does not know, with a warning once. Raises LedgerError.
        """
        top = self.head().seq
        names = sorted({name for kind in kinds for name in with_successors(kind)})
        if not names:
            return self._pages("", (), since, top)
        each = [self._pages("kind = ? AND", (name,), since, top) for name in names]
        return heapq.merge(*each, key=attrgetter("seq"))

    def last(self, kind: type[Fact]) -> Entry | None:
        """Return the latest fact of this kind that still has its content. Raises LedgerError."""
        found = self._read(f"SELECT {COLUMNS} FROM content WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind.kind,))  # noqa: S608  (constants)
        return self._entry(found[0]) if found else None

    def last_stamps(self) -> Iterator[Moment]:
        """Yield the moment of the latest content of each kind, without reading the content. Raises LedgerError."""
        for kind in KINDS:
            statement = "SELECT utc, mono, boot, trust FROM content WHERE kind = ? ORDER BY seq DESC LIMIT 1"
            yield from (moment(*row) for row in self._read(statement, (kind,)))

    def between(self, kind: type[Fact], start: datetime, end: datetime) -> Iterator[Entry]:
        """Yield the facts of this kind stamped in [start, end), ascending; other content is not read."""
        for name in sorted(with_successors(kind)):
            rows = self._read(
                f"SELECT {COLUMNS} FROM content WHERE kind = ? AND utc >= ? AND utc < ? ORDER BY seq",  # noqa: S608  (constants)
                (name, start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()),
            )
            yield from (entry for row in rows if (entry := self._entry(row)) is not None)

    def before(self, at: datetime, *kinds: type[Fact]) -> int:
        """Return a seq that all facts of these kinds stamped at `at` or later come after. Raises LedgerError."""
        names = sorted({name for kind in kinds for name in with_successors(kind)})
        first = "SELECT seq FROM content WHERE kind = ? AND utc >= ? ORDER BY seq LIMIT 1"
        head, utc = self.head().seq, at.astimezone(UTC).isoformat()
        return min((seq - 1 for name in names for (seq,) in self._read(first, (name, utc))), default=head)

    def totals(self) -> dict[tuple[str, Labels], int | float]:
        """Return the summary rows: (name, labels) -> sum since the ledger began. They never fall at a restart."""
        rows = self._read("SELECT name, labels, amount FROM total ORDER BY name, labels", ())
        return {(name, labels_of(labels)): amount for name, labels, amount in rows}

    def head(self) -> Head:
        """Return the end of the chain. Raises LedgerError."""
        return self._with_reader(read_head)

    def _pages(self, of_kind: str, kind: tuple[str, ...], since: int, top: int) -> Iterator[Entry]:
        page = f"SELECT {COLUMNS} FROM content WHERE {of_kind} seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE}"  # noqa: S608  (constants)
        while rows := self._read(page, (*kind, since, top)):
            for row in rows:
                entry = self._entry(row)
                if entry is not None:
                    yield entry
            since = rows[-1][0]

    def _entry(self, row: tuple[Any, ...]) -> Entry | None:
        seq, kind, key, utc, mono_s, boot, trust, body = row
        try:
            fact = decode(kind, body)
            at = moment(utc, mono_s, boot, trust)
        except LedgerError as error:
            raise LedgerError(f"fact {seq}: {error}") from error
        if fact is None:
            if kind not in self._reported:
                log.warning("the ledger holds facts of a kind this version does not know: %s", kind)
                self._reported.add(kind)
            return None
        return Entry(seq, key, at, fact)

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return self._with_reader(lambda db: db.execute(statement, values).fetchall())

    def _with_reader(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            with self._reading:
                insist(self._path, self._opened)
                return work(self._reader)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be read: {error}") from error


def _observe(promise: asyncio.Future[Any]) -> None:
    """Look at the outcome, so that asyncio does not complain about a future nobody awaited: the writer logged it."""
    if not promise.cancelled():
        promise.exception()


def _tell(loop: asyncio.AbstractEventLoop, promise: asyncio.Future[R], outcome: Callable[[], R]) -> None:
    """Carry the outcome from the writer's thread to the loop; a loop that has ended no longer wants it."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, promise, outcome)


def _settle(promise: asyncio.Future[R], outcome: Callable[[], R]) -> None:
    if promise.done():
        return
    try:
        promise.set_result(outcome())
    except LedgerError as error:
        promise.set_exception(error)
