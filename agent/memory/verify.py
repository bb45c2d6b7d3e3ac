"""Verification: what the ledger can prove about itself, and what only an anchor can.

Reads only, in one snapshot, so it runs on a live ledger and on a read-only medium. It re-hashes every fact and every
content, follows the chain, weighs missing contents against the redactions, the summaries against the facts, and looks
whether the triggers stand. By itself it can say only "internally consistent": whoever owns the file can re-hash all of
it, or cut its end. With an *anchor*, a head written down elsewhere, it finds that too.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.memory.chain import GENESIS, TRIGGERS, Head, read_head, tie
from agent.memory.codec import LedgerError, canonical, commit, content_bytes, decode, moment, steps_of
from agent.memory.database import connect_read_only
from agent.rules.retention import DayCounted, Redacted

FAULTS = 100  # listed one by one; the rest is counted
FULL = (
    "SELECT f.seq, f.kind, f.commitment, f.prev, f.hash, c.salt, c.kind, c.key, c.utc, c.mono, c.boot, c.trust, c.body"
    " FROM fact f LEFT JOIN content c USING (seq) WHERE f.seq > ? ORDER BY f.seq"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, at one fact (seq 0: not at any)."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found."""

    head: Head  # the end of the chain as stored
    facts: int
    redacted: int  # facts whose content was forgotten
    anchored: bool  # the anchor that was given stands in the chain
    faults: tuple[Fault, ...]  # the first FAULTS of them
    more: int  # faults beyond those
    unknown: tuple[str, ...]  # kinds this version cannot read: no fault, but their totals could not be weighed

    @property
    def ok(self) -> bool:
        """Return True if nothing at all is wrong."""
        return not self.faults

    def __str__(self) -> str:
        if not self.ok:
            return f"NOT consistent: {len(self.faults) + self.more} faults in {self.facts} facts, head {self.head}"
        proven = "matches the anchor" if self.anchored else "internally consistent (no anchor was given)"
        return f"{proven}: {self.facts} facts, {self.redacted} of them redacted, head {self.head}"


@dataclass(slots=True)
class _Audit:
    """What is gathered while walking along the chain."""

    faults: list[Fault] = field(default_factory=list)
    more: int = 0
    facts: int = 0
    missing: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    redactions: dict[str, list[Redacted]] = field(default_factory=lambda: defaultdict(list))
    sums: dict[tuple[str, str], list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    unknown: set[str] = field(default_factory=set)

    def fault(self, seq: int, what: str) -> None:
        if len(self.faults) < FAULTS:
            self.faults.append(Fault(seq, what))
        else:
            self.more += 1


def verify(path: Path, against: Head | None = None) -> Verdict:
    """Check the whole ledger, and that the anchor `against` stands in its chain. Raises LedgerError if unreadable."""
    audit = _Audit()
    try:
        with closing(connect_read_only(path)) as db:
            db.execute("BEGIN")
            head = read_head(db)
            _walk(db, audit)
            _weigh_missing(audit)
            _weigh_totals(db, audit)
            _look_at_tables(db, audit)
            anchored = against is not None and _anchor_stands(db, audit, head, against)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger {path} cannot be read: {error}") from error
    redacted = sum(len(seqs) for seqs in audit.missing.values())
    faults = tuple(sorted(audit.faults, key=lambda fault: fault.seq))
    return Verdict(head, audit.facts, redacted, anchored, faults, audit.more, tuple(sorted(audit.unknown)))


def _walk(db: sqlite3.Connection, audit: _Audit) -> None:
    seq_before, hash_before = 0, GENESIS
    for seq, kind, commitment, prev, digest, *content in db.execute(FULL, (-(2**63),)):
        audit.facts += 1
        if seq != seq_before + 1:
            audit.fault(seq, f"facts {seq_before + 1} to {seq - 1} are missing" if seq > seq_before else "out of place")
        elif prev != hash_before:
            audit.fault(seq, "does not follow the fact before it: one of the two was replaced, or one was inserted")
        if seq < 0 or tie(prev, seq, kind, commitment) != digest:
            audit.fault(seq, "the fact does not match its hash: it was edited")
        _check_content(audit, seq, kind, commitment, content)
        seq_before, hash_before = seq, digest


def _check_content(audit: _Audit, seq: int, kind: str, commitment: bytes, content: list[Any]) -> None:
    salt, of, *fields = content
    if salt is None:
        audit.missing[kind].append(seq)
        return
    if of != kind or commit(salt, content_bytes(of, *fields)) != commitment:
        audit.fault(seq, f"the content of this {kind} was edited")
        return
    try:
        *_, utc, mono_s, boot, trust, body = fields
        fact = decode(kind, body)
        if fact is None:
            audit.unknown.add(kind)
            return
        moment(utc, mono_s, boot, trust)
        steps = steps_of(fact)
    except (LedgerError, ValueError):
        audit.unknown.add(kind)
        return
    for name, labels, amount in steps:
        audit.sums[name, labels].append(Decimal(str(amount)))
    if isinstance(fact, Redacted):
        audit.redactions[fact.of].append(fact)
    elif isinstance(fact, DayCounted):
        audit.sums[fact.name, canonical(fact.labels)].append(fact.amount)


def _weigh_missing(audit: _Audit) -> None:
    for kind, seqs in audit.missing.items():
        through = max((redaction.through for redaction in audit.redactions[kind]), default=0)
        for seq in seqs:
            if seq > through:
                audit.fault(seq, f"the content of this {kind} is missing and no redaction covers it")
        covered = sum(seq <= through for seq in seqs)
        told = sum(redaction.contents for redaction in audit.redactions[kind])
        if covered > told:
            audit.fault(0, f"{covered} contents of kind {kind} are missing, the redactions tell of {told}")
    for kind, redactions in audit.redactions.items():
        told = sum(redaction.contents for redaction in redactions)
        if told > len(audit.missing.get(kind, ())):
            audit.fault(0, f"the redactions tell of {told} contents of kind {kind}, fewer are gone")


def _weigh_totals(db: sqlite3.Connection, audit: _Audit) -> None:
    """Compare the summary rows with the sums of the facts. Halves of seconds add up in another order: hence isclose."""
    if audit.unknown:
        return
    stored = {(name, labels): amount for name, labels, amount in db.execute("SELECT name, labels, amount FROM total")}
    for name, labels in sorted(stored.keys() | audit.sums.keys()):
        told = float(sum(audit.sums.get((name, labels), ())))
        held = stored.get((name, labels), 0)
        if not isinstance(held, int | float) or not math.isclose(told, held, rel_tol=1e-9, abs_tol=1e-6):
            audit.fault(0, f"the summary {name} {labels} holds {held}, the facts add up to {told:g}")


def _look_at_tables(db: sqlite3.Connection, audit: _Audit) -> None:
    for (seq,) in db.execute("SELECT seq FROM content WHERE seq NOT IN (SELECT seq FROM fact)"):
        audit.fault(seq, "a content without its fact")
    stored = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    for name, rest in TRIGGERS.items():
        if stored.pop(name, "") != f"CREATE TRIGGER {name} {rest}":
            audit.fault(0, f"the trigger {name} is missing or was changed")
    for name in sorted(stored):
        audit.fault(0, f"a trigger that is not ours: {name}")


def _anchor_stands(db: sqlite3.Connection, audit: _Audit, head: Head, against: Head) -> bool:
    if against.seq == 0:
        found: tuple[bytes] | None = (GENESIS,)
    else:
        found = db.execute("SELECT hash FROM fact WHERE seq = ?", (against.seq,)).fetchone()
    if found is None:
        audit.fault(against.seq, f"the anchor's fact is missing: the ledger ends at {head.seq}, its end was cut off")
    elif found[0].hex() != against.hash:
        audit.fault(against.seq, "the chain is not the anchored one: it was re-hashed at or before this fact")
    else:
        return True
    return False


def export_lines(path: Path, since: int = 0, last: int | None = None) -> Iterator[str]:
    """Yield every fact after `since` (or only the `last` ones) as one line of JSON, for `ledger export` and `tail`.

    All that a stranger needs to re-hash the chain is in it; a redacted fact has `content` null, a kind this version
    does not know is written like any other. Reads in one snapshot. Raises LedgerError.
    """
    try:
        with closing(connect_read_only(path)) as db:
            db.execute("BEGIN")
            if last is not None:
                since = max(since, read_head(db).seq - last)
            for row in db.execute(FULL, (since,)):
                yield _line(*row)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"the ledger {path} cannot be read: {error}") from error


def _line(seq: int, kind: str, commitment: bytes, prev: bytes, digest: bytes, *content: Any) -> str:
    salt, of, key, utc, mono_s, boot, trust, body = content
    told = None
    if salt is not None:
        at = {"utc": utc, "mono_s": mono_s, "boot": boot, "trust": trust}
        told = {"kind": of, "salt": salt.hex(), "key": key, "at": at, "body": _readable(body)}
    chain = {"commitment": commitment.hex(), "prev": prev.hex(), "hash": digest.hex()}
    return canonical({"seq": seq, "kind": kind, **chain, "content": told})


def _readable(body: str) -> Any:
    """Return the body as data if its canonical form is what was hashed (it always is, unless somebody edited it)."""
    try:
        data = json.loads(body)
    except ValueError:
        return body
    return data if canonical(data) == body else body
