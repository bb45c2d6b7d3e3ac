"""SQLite files that several users share: how they are made, opened and locked.

The one idea: the state directory is set-group-id and its files are group-writable whatever the umask, because four
services under four users write the same ledger. SQLite gives its -wal and -shm files the mode of the database itself.

WAL with synchronous=FULL: a commit that returned is on the disk (sqlite.org/wal.html, pragma.html#pragma_synchronous).
`secure_delete` overwrites what is deleted; `truncate_log` then empties the write-ahead log. Blocks that a flash card
remapped on its own are beyond us.

Writers take one `flock` (flock(2)) around each transaction: SQLite's own lock is unfair and gives up; the kernel frees
ours when its holder dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from agent.memory.codec import LedgerError

BUSY_S = 5.0  # how long SQLite waits for a lock we do not hold ourselves (a checkpoint, a reader's recovery)
LOCK_S = 10.0  # how long a writer waits for the others before it says so; a transaction takes milliseconds
SHARED = 0o660


def make_file(path: Path) -> None:
    """Make an empty database file, group-writable; leave one that exists alone. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, SHARED)
        os.fchmod(file, SHARED)  # the umask took the group's right away
        os.close(file)


def connect(path: Path, *, query_only: bool = False) -> sqlite3.Connection:
    """Open an existing database for this process; may be used from any one thread at a time. Raises sqlite3.Error."""
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON").fetchall()
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA recursive_triggers = ON")
        if query_only:
            db.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a database that may be live, or on a medium that cannot be written. Raises sqlite3.Error."""
    where = path.resolve().as_uri()
    db = sqlite3.connect(f"{where}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        db.close()
        log = Path(f"{path}-wal")
        if log.exists() and log.stat().st_size:
            raise  # rows stand in the log: without it we would read an older ledger and call it whole
        db = sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return db


def identity(path: Path) -> tuple[int, int]:
    """Return what tells this file from another one of the same name (device and inode). Raises OSError."""
    found = path.stat()
    return found.st_dev, found.st_ino


def insist(path: Path, opened: tuple[int, int]) -> None:
    """Refuse to go on with a file that has lost its name: what it takes, nobody would ever find. Raises LedgerError."""
    try:
        there = identity(path) == opened
    except OSError:
        there = False
    if not there:
        raise LedgerError(f"{path} was removed or replaced while it was open: put it back, or restart the services")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one immediate transaction: all of it is on the disk at the end, or nothing is."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # a failed disk may have rolled back by itself
                db.execute("ROLLBACK")
        raise


def truncate_log(db: sqlite3.Connection) -> bool:
    """Empty the write-ahead log, so that nothing deleted survives in it; False if a reader held it past BUSY_S."""
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


class WriteLock:
    """The lock file beside a database. One per writer; the kernel frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SHARED)
        if os.fstat(self._file).st_uid == os.geteuid():
            os.fchmod(self._file, SHARED)
        self._never = Event()

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    @contextlib.contextmanager
    def held(self, limit_s: float = LOCK_S) -> Iterator[None]:
        """Hold the lock during the block. Raises LedgerError if others held it for `limit_s` on end."""
        waited_s, pause_s = 0.0, 0.0005
        while not self._taken():
            if waited_s >= limit_s:
                raise LedgerError(f"another process has held the write lock for {limit_s:.0f} s")
            self._never.wait(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * 2, 0.02)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
