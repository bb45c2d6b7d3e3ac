"""The chain: how facts are tied together so that no edit, deletion or insertion can hide.

`hash[n] = sha256(hash[n-1] || n as 8 bytes, big-endian || commitment[n] || kind[n])`, with 32 zero bytes before the
first. The chain covers commitments, not contents, so a content can be forgotten and the chain still proves the rest.
Whoever can write the file can re-hash it from any point: only an *anchor*, a head written down elsewhere, finds that.

The triggers below refuse what no honest writer does; `verify` finds what a dishonest one did without them.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from agent.memory.codec import LedgerError, Row, commit, content_bytes
from agent.rules.retention import Redacted

FORMAT = 1  # PRAGMA user_version
APPLICATION = 0x67617264  # "gard": PRAGMA application_id
GENESIS = bytes(32)

TRIGGERS = {
    "fact_is_never_edited": """BEFORE UPDATE ON fact
        BEGIN SELECT RAISE(ABORT, 'a fact is never edited'); END""",
    "fact_is_never_deleted": """BEFORE DELETE ON fact
        BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END""",
    "fact_follows_the_head": """BEFORE INSERT ON fact
        WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM fact)
          OR NEW.prev IS NOT coalesce((SELECT hash FROM fact ORDER BY seq DESC LIMIT 1), zeroblob(32))
        BEGIN SELECT RAISE(ABORT, 'a fact follows the head, once'); END""",
    "content_is_never_edited": """BEFORE UPDATE ON content
        BEGIN SELECT RAISE(ABORT, 'a content is never edited'); END""",
    "content_comes_with_its_fact": """BEFORE INSERT ON content
        WHEN NEW.seq IS NOT (SELECT max(seq) FROM fact)
          OR EXISTS (SELECT 1 FROM content WHERE seq = NEW.seq OR (kind = NEW.kind AND key = NEW.key))
        BEGIN SELECT RAISE(ABORT, 'a content comes with its fact, once'); END""",
    "content_goes_by_redaction": f"""BEFORE DELETE ON content
        WHEN NOT EXISTS (SELECT 1 FROM content WHERE kind = '{Redacted.kind}'
            AND json_extract(body, '$.of') = OLD.kind AND json_extract(body, '$.through') >= OLD.seq)
        BEGIN SELECT RAISE(ABORT, 'a content is deleted only by a redaction, itself a fact'); END""",  # noqa: S608  (a constant of ours)
}

TABLES = f"""
CREATE TABLE fact (
    seq        INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    commitment BLOB NOT NULL,
    prev       BLOB NOT NULL,
    hash       BLOB NOT NULL
) STRICT;
CREATE TABLE content (
    seq   INTEGER PRIMARY KEY REFERENCES fact,
    kind  TEXT NOT NULL,
    salt  BLOB NOT NULL,
    key   TEXT NOT NULL,
    utc   TEXT NOT NULL,
    mono  REAL NOT NULL,
    boot  TEXT NOT NULL,
    trust TEXT NOT NULL,
    body  TEXT NOT NULL,
    UNIQUE (kind, key)
) STRICT;
CREATE INDEX content_of_kind ON content (kind, seq);
CREATE TABLE total (
    name   TEXT NOT NULL,
    labels TEXT NOT NULL,
    amount ANY  NOT NULL,
    PRIMARY KEY (name, labels)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
"""

SCHEMA = TABLES + "".join(f"CREATE TRIGGER {name} {rest};\n" for name, rest in TRIGGERS.items())


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: written down elsewhere, it anchors all facts before it."""

    seq: int
    hash: str  # 64 hex digits

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `SEQ:HASH`, as `str()` writes it. Raises ValueError."""
        seq, _, digest = text.strip().partition(":")
        if len(bytes.fromhex(digest)) != len(GENESIS) or int(seq) < 0:
            raise ValueError(f"not an anchor: {text!r}; it reads SEQ:HASH with 64 hex digits")
        return cls(int(seq), digest.lower())

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def tie(prev: bytes, seq: int, kind: str, commitment: bytes) -> bytes:
    """Return the hash that ties fact `seq` to all before it."""
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + commitment + kind.encode()).digest()


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables in an empty database; call under the write lock. Raises LedgerError, sqlite3.Error."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise LedgerError(f"the ledger was written by a newer version (format {version}, this one knows {FORMAT})")
    if version == 0:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise LedgerError("this database is not a ledger")
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")


def read_head(db: sqlite3.Connection) -> Head:
    """Return the head as it is stored; seq 0 for an empty ledger. Raises sqlite3.Error."""
    found = db.execute("SELECT seq, hash FROM fact ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(found[0], found[1].hex()) if found else Head(0, GENESIS.hex())


def check_head(db: sqlite3.Connection) -> Head:
    """Re-hash the last fact and its content. Raises LedgerError when they do not fit, sqlite3.Error."""
    found = db.execute(
        "SELECT f.seq, f.kind, f.commitment, f.prev, f.hash, c.salt, c.key, c.utc, c.mono, c.boot, c.trust, c.body"
        " FROM fact f LEFT JOIN content c USING (seq) ORDER BY f.seq DESC LIMIT 1"
    ).fetchone()
    if found is None:
        return Head(0, GENESIS.hex())
    seq, kind, commitment, prev, digest, salt, *content = found
    fits = tie(prev, seq, kind, commitment) == digest
    if salt is not None:
        fits = fits and commit(salt, content_bytes(kind, *content)) == commitment
    if not fits:
        raise LedgerError(f"the last fact (seq {seq}) does not match its hash: the ledger was edited or is damaged")
    return Head(seq, digest.hex())


def append_rows(db: sqlite3.Connection, rows: Iterable[Row]) -> list[int | LedgerError]:
    """Add rows to the chain and the summaries, in the caller's transaction; one seq, or one refusal, per row.

    A row that is already there (same kind, key and body) gives the first one's seq. Raises sqlite3.Error.
    """
    head = read_head(db)
    seq, prev = head.seq, bytes.fromhex(head.hash)
    outcomes: list[int | LedgerError] = []
    for row in rows:
        first = db.execute("SELECT seq, body FROM content WHERE kind = ? AND key = ?", (row.kind, row.key)).fetchone()
        if first is not None:
            outcomes.append(first[0] if first[1] == row.body else _conflict(row, first[0]))
            continue
        seq += 1
        prev = _add(db, seq, prev, row)
        outcomes.append(seq)
    return outcomes


def _conflict(row: Row, first: int) -> LedgerError:
    return LedgerError(f"the {row.kind} {row.key!r} stands in the ledger already (seq {first}) and says something else")


def _add(db: sqlite3.Connection, seq: int, prev: bytes, row: Row) -> bytes:
    salt = os.urandom(16)
    commitment = commit(salt, row.content)
    digest = tie(prev, seq, row.kind, commitment)
    db.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?)", (seq, row.kind, commitment, prev, digest))
    db.execute(
        "INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (seq, row.kind, salt, row.key, row.utc, row.mono_s, row.boot, row.trust, row.body),
    )
    db.executemany(
        "INSERT INTO total VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount", row.totals
    )
    return digest
