"""What verification finds by itself, and what only with an anchor."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent.memory.chain import GENESIS, Head, tie
from agent.memory.codec import commit
from agent.memory.ledger import Ledger, LedgerError, export_lines, verify
from agent.rules.presence import VisitEnded, VisitEvidence
from tests.memory.desk import START, at, dishonest, note

COUNT = 10


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for number in range(1, COUNT):
            ledger.append_now(note(str(number)), at(number), str(number))
        ledger.append_now(VisitEnded("v", "m1", "occasional", START, START, 130, VisitEvidence.BADGE), at(COUNT), "v")
    return path


@pytest.fixture
def anchor(path):
    return verify(path).head


def rehash(db: sqlite3.Connection) -> None:
    """Tie the whole chain anew, as a thief with the source would."""
    prev = GENESIS
    for seq, kind in db.execute("SELECT seq, kind FROM fact ORDER BY seq").fetchall():
        content = db.execute(
            "SELECT salt, key, utc, mono, boot, trust, body FROM content WHERE seq = ?", (seq,)
        ).fetchone()
        salt, *fields = content
        told = json.dumps([kind, *fields], ensure_ascii=False, separators=(",", ":")).encode()
        commitment = commit(salt, told)
        digest = tie(prev, seq, kind, commitment)
        db.execute("UPDATE fact SET commitment = ?, prev = ?, hash = ? WHERE seq = ?", (commitment, prev, digest, seq))
        prev = digest


def test_a_clean_ledger_is_internally_consistent_and_no_more(path, anchor):
    verdict = verify(path)
    assert (verdict.ok, verdict.facts, verdict.redacted, verdict.anchored) == (True, COUNT, 0, False)
    assert str(verdict).startswith("internally consistent (no anchor was given): 10 facts")
    anchored = verify(path, anchor)
    assert (anchored.ok, anchored.anchored) == (True, True)
    assert str(anchored).startswith("matches the anchor")


def test_an_old_anchor_still_stands_in_a_ledger_that_has_grown(path, anchor):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("more"), at(), "more")
        assert verify(path, anchor).ok  # live: the writer's connection is open
    assert verify(path, Head(0, GENESIS.hex())).anchored


@pytest.mark.parametrize(
    ("statement", "seq", "what"),
    [
        (
            "UPDATE content SET body = replace(body, '\"4\"', '\"5\"') WHERE seq = 4",
            4,
            "content of this driver-changed was edited",
        ),
        ("UPDATE content SET utc = '2020-01-01T00:00:00+00:00' WHERE seq = 4", 4, "edited"),
        ("UPDATE content SET key = 'other' WHERE seq = 4", 4, "edited"),
        ("UPDATE content SET kind = 'redacted' WHERE seq = 4", 4, "edited"),
        ("UPDATE fact SET kind = 'redacted' WHERE seq = 4", 4, "does not match its hash"),
        ("UPDATE fact SET commitment = zeroblob(32) WHERE seq = 4", 4, "does not match its hash"),
        ("UPDATE fact SET prev = zeroblob(32) WHERE seq = 4", 4, "does not follow"),
        ("DELETE FROM content WHERE seq = 4", 4, "no redaction covers it"),
        ("DELETE FROM fact WHERE seq = 4", 5, "facts 4 to 4 are missing"),
        ("DELETE FROM fact WHERE seq = 1", 2, "facts 1 to 1 are missing"),
        ("DELETE FROM fact WHERE seq = 10", 10, "a content without its fact"),
        ("INSERT INTO fact SELECT -1, kind, commitment, prev, hash FROM fact WHERE seq = 4", -1, "out of place"),
        ("INSERT INTO fact SELECT 11, kind, commitment, prev, hash FROM fact WHERE seq = 4", 11, "does not follow"),
        ("UPDATE total SET amount = 1 WHERE name = 'visit_minutes'", 0, "holds 1, the facts add up to 130"),
        ("UPDATE total SET amount = 'much' WHERE name = 'visit_minutes'", 0, "holds much"),
        ("DELETE FROM total", 0, "holds 0, the facts add up to 130"),
        ("INSERT INTO total VALUES ('sides', '[]', 7)", 0, "holds 7, the facts add up to 0"),
    ],
)
def test_a_clumsy_edit_is_found_without_an_anchor(path, statement, seq, what):
    with dishonest(path) as db:
        db.execute(statement)
    verdict = verify(path)
    assert not verdict.ok
    assert str(verdict).startswith("NOT consistent")
    assert any(fault.seq == seq and what in fault.what for fault in verdict.faults), verdict.faults


def test_a_missing_or_foreign_trigger_is_found(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER fact_is_never_edited")
        db.execute("CREATE TRIGGER quiet AFTER INSERT ON fact BEGIN SELECT 1; END")
    assert [fault.what for fault in verify(path).faults] == [
        "the trigger fact_is_never_edited is missing or was changed",
        "a trigger that is not ours: quiet",
    ]


def test_a_rehashed_chain_is_found_by_the_anchor_alone(path, anchor):
    with dishonest(path) as db:
        db.execute("UPDATE content SET body = replace(body, '\"4\"', '\"5\"') WHERE seq = 4")
        rehash(db)
    assert verify(path).ok
    assert [(fault.seq, "re-hashed" in fault.what) for fault in verify(path, anchor).faults] == [(COUNT, True)]


def test_a_truncated_ledger_is_found_by_the_anchor_alone(path, anchor):
    with dishonest(path) as db:
        db.execute("DELETE FROM content WHERE seq > 8")
        db.execute("DELETE FROM fact WHERE seq > 8")
        db.execute("DELETE FROM total")
    assert verify(path).ok
    verdict = verify(path, anchor)
    assert [(fault.seq, "cut off" in fault.what) for fault in verdict.faults] == [(COUNT, True)]
    assert not verdict.anchored


def test_many_faults_are_counted_when_they_are_too_many_to_list(path):
    with Ledger.open(path) as ledger:
        for number in range(200):
            ledger.queue(note(""), at(), f"more {number}")
    with dishonest(path) as db:
        db.execute("UPDATE content SET body = '{}'")
    verdict = verify(path)
    assert len(verdict.faults) == 100
    assert verdict.more >= 110  # 210 contents, and the summaries that no longer add up


def test_what_cannot_be_read_is_an_error(tmp_path, path):
    with pytest.raises(LedgerError):
        verify(tmp_path / "nowhere.db")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(LedgerError):
        verify(path)
    with pytest.raises(LedgerError):
        list(export_lines(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not write here")
def test_it_needs_no_right_to_write(path, anchor):
    code = (
        "import os, pathlib, sys; from agent.memory.ledger import Head, verify\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(verify(pathlib.Path(sys.argv[1]), Head.parse(sys.argv[2])))"
    )
    with tempfile.TemporaryDirectory() as medium:
        shutil.copy(path, medium)
        Path(medium).chmod(0o555)
        Path(medium, path.name).chmod(0o444)
        command = [sys.executable, "-c", code, Path(medium, path.name), str(anchor)]
        said = subprocess.run(command, check=True, capture_output=True, text=True)
        assert [file.name for file in Path(medium).iterdir()] == [path.name]
    assert said.stdout.startswith("matches the anchor: 10 facts")


def test_an_export_holds_all_that_a_stranger_needs(path, anchor):
    prev = "00" * 32
    for line in export_lines(path):
        fact = json.loads(line)
        told = fact["content"]
        when = told["at"]
        body = json.dumps(told["body"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        parts = [told["kind"], told["key"], when["utc"], when["mono_s"], when["boot"], when["trust"], body]
        content = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
        assert commit(bytes.fromhex(told["salt"]), content).hex() == fact["commitment"]
        assert fact["prev"] == prev
        prev = tie(bytes.fromhex(prev), fact["seq"], fact["kind"], bytes.fromhex(fact["commitment"])).hex()
        assert prev == fact["hash"]
    assert prev == anchor.hash


def test_the_tail_is_the_last_lines(path):
    lines = list(export_lines(path))
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, COUNT + 1))
    assert list(export_lines(path, last=3)) == lines[-3:]
    assert list(export_lines(path, since=8)) == lines[8:]


@pytest.mark.parametrize("text", ["", "5", "5:", "5:00", "x:" + "00" * 32, "-1:" + "00" * 32, "5:" + "zz" * 32])
def test_an_anchor_is_read_strictly(text):
    with pytest.raises(ValueError):
        Head.parse(text)


def test_an_anchor_reads_back(anchor):
    assert Head.parse(f" {str(anchor).upper()}\n") == anchor
