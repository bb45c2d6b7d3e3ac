"""Five-minute rows of the links, in a small database of their own: `links.db`.

The one idea: a plot is no book. What must be proven (outages, their causes, the seconds) is in the ledger; how long an
echo took on a Tuesday in March is not, and would flood it. One row per link and window, kept for thirteen months and
pruned as it grows. A lost row is a gap in a plot: the disk's faults are told once and never stop the watch.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.memory.database import connect, make_file
from agent.rules.facts import TIMED_DAYS
from agent.rules.samples import LinkSample

NAME = "links.db"
DAY_S = 86_400

_TABLE = """CREATE TABLE IF NOT EXISTS sample (
  link TEXT NOT NULL, start_s INTEGER NOT NULL, sent INTEGER NOT NULL, lost INTEGER NOT NULL, late INTEGER NOT NULL,
  median_us INTEGER, p95_us INTEGER, jitter_us INTEGER, PRIMARY KEY (link, start_s)) STRICT, WITHOUT ROWID"""
_ROW = "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

log = logging.getLogger(__name__)


class SampleStore:
    """Writes rows for the links service. One thread; each call is one short commit every five minutes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._db is not None:
            self._db.close()

    def keep(self, sample: LinkSample) -> None:
        """Keep one row and drop those that are too old. Never raises for the disk."""
        try:
            db = self._open()
            row = (sample.link, sample.start_s, sample.sent, sample.lost, sample.late)
            db.execute(_ROW, (*row, sample.median_us, sample.p95_us, sample.jitter_us))
            oldest_s = sample.start_s - TIMED_DAYS * DAY_S
            db.execute("DELETE FROM sample WHERE link = ? AND start_s < ?", (sample.link, oldest_s))
            self._told = False
        except (OSError, sqlite3.Error) as error:
            if not self._told:
                log.warning("the links' plot cannot be kept: %s", error)
            self._told = True

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            make_file(self._path)
            self._db = connect(self._path)
            self._db.execute("PRAGMA synchronous = NORMAL")  # a row may be lost with the power
            self._db.execute(_TABLE)
        return self._db


def read_samples(state: Path, link: str, from_s: int, to_s: int) -> tuple[LinkSample, ...]:
    """Return the rows of one link that start in [from_s, to_s), oldest first; none where there is no such database."""
    path = state / NAME
    if not path.exists():
        return ()
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, query_only=True)) as db:
        query = "SELECT * FROM sample WHERE link = ? AND start_s >= ? AND start_s < ? ORDER BY start_s"
        return tuple(LinkSample(*row) for row in db.execute(query, (link, from_s, to_s)))
    return ()
