"""The redaction: forgetting what may no longer be kept, without breaking the chain.

One transaction under the write lock: first the facts `Redacted` and `DayCounted` are appended, then the contents are
deleted (the trigger looks for the fact). `secure_delete` overwrites them, the checkpoint empties the log. Run daily by
`gardien tend`; running it twice does nothing the second time. Which contents are old is judged by `rules.retention`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, tzinfo
from pathlib import Path

from agent.memory.chain import append_rows
from agent.memory.codec import LedgerError, canonical, decode, encode, moment
from agent.memory.database import WriteLock, connect, transaction, truncate_log
from agent.rules.facts import Fact, Total
from agent.rules.kinds import every_fact
from agent.rules.retention import TRUSTED, Redacted, day_counts, keep_from, too_old
from drivers.contract import Moment, Trust

log = logging.getLogger(__name__)


def redact(path: Path, lock: WriteLock, now: Moment, zone: tzinfo) -> dict[str, int]:
    """Delete the contents older than their kind's `kept_for_days`; return kind -> how many were deleted.

    `zone` is the site's time zone: sums are kept by local day. Raises LedgerError, also when the clock is unknown.
    """
    if now.trust is Trust.UNKNOWN:
        raise LedgerError("nothing is forgotten while the clock is unknown")
    try:
        with lock.held(), closing(connect(path)) as db:
            with transaction(db):
                counts = {kind.kind: _redact_kind(db, kind, now, zone) for kind in every_fact()}
            if not truncate_log(db):
                log.warning("a reader holds the ledger's log: what was forgotten leaves it with the next checkpoint")
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the redaction failed, nothing was forgotten: {error}") from error
    return {kind: count for kind, count in counts.items() if count}


def _redact_kind(db: sqlite3.Connection, kind: type[Fact], now: Moment, zone: tzinfo) -> int:
    before = keep_from(kind, now)
    through = None if before is None else _dated_before(db, before)
    if before is None or through is None:
        return 0
    old = [(seq, at, steps) for seq, at, steps in _contents(db, kind.kind, through) if too_old(at, before)]
    if not old:
        return 0
    last = old[-1][0]
    rows = [encode(Redacted(kind.kind, last, len(old), before), now, f"{kind.kind}:{last}")]
    for count in day_counts(kind.kind, ((at, steps) for _, at, steps in old), zone):
        key = f"{kind.kind}:{last}:{count.day}:{count.name}:{canonical(count.labels)}"
        rows.append(encode(count, now, key))
    for outcome in append_rows(db, rows):
        if isinstance(outcome, LedgerError):
            raise outcome
    db.executemany("DELETE FROM content WHERE seq = ?", ((seq,) for seq, _, _ in old))
    return len(old)


def _dated_before(db: sqlite3.Connection, before: datetime) -> int | None:
    """Return the last seq that a trusted clock dates before `before`: all facts up to it are as old."""
    statement = "SELECT seq FROM content WHERE trust IN (?, ?) AND utc < ? ORDER BY seq DESC LIMIT 1"
    found = db.execute(statement, (*sorted(TRUSTED), before.isoformat())).fetchone()
    return None if found is None else int(found[0])


def _contents(db: sqlite3.Connection, kind: str, through: int) -> Iterator[tuple[int, Moment, tuple[Total, ...]]]:
    statement = "SELECT seq, utc, mono, boot, trust, body FROM content WHERE kind = ? AND seq <= ? ORDER BY seq"
    for seq, utc, mono_s, boot, trust, body in db.execute(statement, (kind, through)):
        fact = decode(kind, body)
        yield seq, moment(utc, mono_s, boot, trust), fact.totals() if fact else ()
