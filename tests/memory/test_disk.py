"""A disk that is full, or fails: a clear error, nothing acknowledged is lost, and it recovers by itself."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import pytest

from agent.memory.ledger import Ledger, LedgerError, verify
from tests.memory.desk import at, note


def test_a_file_that_may_not_grow(tmp_path):
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-m", "tests.memory.file_limit", path]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert said.stdout.splitlines() == [
        "written 1",
        "fault disk I/O error",
        "waiting 300 resolved 0 queued 300",
        "readable 1",
        "written 2 301",
        "fault ''",
    ]
    assert said.stderr.splitlines() == [
        "the ledger cannot be written, facts wait: disk I/O error",
        "the ledger can be written again",
    ]
    verdict = verify(path)
    assert (verdict.ok, verdict.facts) == (True, 301)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_and_then_space(small_disk):
    path = small_disk / "ledger.db"
    filler = small_disk / "filler"
    told = {}
    with Ledger.open(path) as ledger:
        for number in range(20):
            told[str(number)] = ledger.append_now(note("x" * 100), at(), str(number))
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        waiting = {str(number): ledger.queue(note("y" * 1000), at(), str(number)) for number in range(100, 300)}
        deadline = time.monotonic() + 10
        while not ledger.fault and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ledger.fault == "database or disk is full"
        with pytest.raises(LedgerError, match="not written: database or disk is full"):
            ledger.append_now(note("now"), at(), "now", limit_s=0.2)
        assert [entry.key for entry in ledger.entries()] == list(told)
        filler.unlink()
        told |= {key: future.result(20) for key, future in waiting.items()}
        assert ledger.fault == ""
        assert {entry.key: entry.seq for entry in ledger.entries()} == told
    assert verify(path).ok
    assert list(told.values()) == list(range(1, 221))


def test_closing_while_the_disk_is_full_says_what_was_lost(small_disk, caplog):
    path = small_disk / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.append_now(note("x"), at(), "x")
        with (small_disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        lost = [ledger.queue(note("y" * 5000), at(), f"y{number}") for number in range(50)]
    for future in lost:
        with pytest.raises(LedgerError, match="not written: the ledger was closed before the disk took it"):
            future.result(0)
    assert "50 facts could not be written" in caplog.text
    (small_disk / "filler").unlink()
    verdict = verify(path)
    assert (verdict.ok, verdict.facts) == (True, 1)
