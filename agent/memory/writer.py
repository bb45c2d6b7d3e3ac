"""The one thread per process that writes the ledger.

The one idea: *wait, never give up*. Rows queue in memory (at most `QUEUE`), the thread drains up to `BATCH` of them
into one transaction under the write lock, and only a finished commit resolves their futures. When the disk fails, the
rows go back to the front of the queue in their order, `fault` says why, and the thread tries again with growing
pauses for as long as the process lives. It recovers by itself when space returns. A file that was removed or replaced
is such a failure too.
Nothing acknowledged is lost; nothing queued is dropped silently: an overflow is refused where it is appended.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from agent.memory.chain import append_rows
from agent.memory.codec import LedgerError, Row
from agent.memory.database import WriteLock, connect, identity, insist, transaction

BATCH = 200  # rows in one transaction: bounds how long other processes wait
QUEUE = 10_000  # rows waiting in memory: hours of a dead disk at a site's pace
PAUSE_S = (0.1, 5.0)  # first and longest pause between two tries
CLOSE_S = 20.0  # how long closing waits for the last transaction

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Waiting:
    """One row in the queue, and the promise of its seq. The future is resolved on the writer's thread."""

    row: Row
    future: Future[int] = field(default_factory=Future)


class Writer:
    """Owns the writing connection. `put`, `withdraw` and `close` may be called from any thread."""

    def __init__(self, path: Path, lock: WriteLock) -> None:
        self.fault = ""
        self._path = path
        self._opened = identity(path)
        self._lock = lock
        self._queue: deque[Waiting] = deque()
        self._in_flight: list[Waiting] = []
        self._singly = 0  # so many rows to come are written one by one
        self._abandoned = 0
        self._closing = False
        self._changed = threading.Condition()
        self._db: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, row: Row) -> Waiting:
        """Queue a row. Raises LedgerError when the queue is full or the writer is closed."""
        (waiting,) = self.put_all([row])
        return waiting

    def put_all(self, rows: Sequence[Row]) -> list[Waiting]:
        """Queue rows, all or none. They are written in this order. Raises LedgerError as `put`."""
        waiting = [Waiting(row) for row in rows]
        with self._changed:
            if self._closing:
                raise LedgerError(f"the ledger is closed{self.fault and ': ' + self.fault}")
            if len(self._queue) + len(self._in_flight) + len(rows) > QUEUE:
                raise LedgerError(f"{QUEUE} facts wait for the disk, no more fit: {self.fault or 'it is too slow'}")
            self._queue.extend(waiting)
            self._changed.notify_all()
        return waiting

    def withdraw(self, waiting: Waiting) -> bool:
        """Take a row back out of the queue; False if it is being written or was."""
        with self._changed:
            if waiting not in self._queue:
                return False
            self._queue.remove(waiting)
            return True

    @property
    def pending(self) -> int:
        """How many rows are queued or being written."""
        with self._changed:
            return len(self._queue) + len(self._in_flight)

    def close(self) -> int:
        """Write what is queued, trying once if the disk fails; return how many rows could not be written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        return self.pending + self._abandoned

    # --- on the writer's thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = PAUSE_S[0]
        try:
            while self._next_batch():
                if self._write():
                    pause_s = PAUSE_S[0]
                    continue
                if self._closing:
                    self._abandon(f"the ledger was closed before the disk took it: {self.fault}")
                    return
                self._pause(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S[1])
        except Exception as bug:
            log.exception("the ledger's writer ended")
            self.fault = f"the writer ended: {bug}"
            self._abandon(self.fault)
        finally:
            self._disconnect()

    def _next_batch(self) -> bool:
        """Wait for rows and take them in flight; False when closing and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            size = 1 if self._singly else BATCH
            self._singly = max(0, self._singly - 1)
            self._in_flight = [self._queue.popleft() for _ in range(min(size, len(self._queue)))]
            return bool(self._in_flight)

    def _write(self) -> bool:
        """Write what is in flight; False, and all of it back in the queue, when the world failed."""
        batch = self._in_flight
        try:
            outcomes = self._commit([waiting.row for waiting in batch])
        except sqlite3.IntegrityError as error:  # a row the tables refuse must not hold up the others
            if len(batch) == 1:
                self._resolve([LedgerError(f"the ledger refuses this row: {error}")])
            else:
                self._singly = len(batch)
                self._put_back()
            return True
        except (sqlite3.Error, OSError, LedgerError) as error:
            if not self.fault:
                log.warning("the ledger cannot be written, facts wait: %s", error)
            self.fault = str(error) or type(error).__name__
            self._put_back()
            self._disconnect()  # after an I/O error a connection's own memory is not to be trusted
            return False
        self._resolve(outcomes)
        return True

    def _commit(self, rows: list[Row]) -> list[int | LedgerError]:
        with self._lock.held():
            insist(self._path, self._opened)
            if self._db is None:
                self._db = connect(self._path)
            with transaction(self._db):
                return append_rows(self._db, rows)

    def _resolve(self, outcomes: Sequence[int | LedgerError]) -> None:
        if self.fault:
            log.warning("the ledger can be written again")
            self.fault = ""
        for waiting, outcome in zip(self._in_flight, outcomes, strict=True):
            if isinstance(outcome, LedgerError):
                log.error("a fact was refused: %s", outcome)
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        with self._changed:  # only now: who waits for `pending` to be 0 has been told by then
            self._in_flight = []

    def _put_back(self) -> None:
        with self._changed:
            self._queue.extendleft(reversed(self._in_flight))
            self._in_flight = []

    def _pause(self, pause_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, pause_s)

    def _abandon(self, why: str) -> None:
        """Fail every row that was not written: the process is ending, or has a bug."""
        with self._changed:
            self._closing = True
            lost = [*self._in_flight, *self._queue]
            self._in_flight = []
            self._queue.clear()
            self._abandoned += len(lost)
        if lost:
            log.error("%d facts could not be written: %s", len(lost), why)
        for waiting in lost:
            waiting.future.set_exception(LedgerError(f"not written: {why}"))

    def _disconnect(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
