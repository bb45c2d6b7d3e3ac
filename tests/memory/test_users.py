"""Four services under four users write one ledger and one roster, in one set-group-id folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent.memory.ledger import Ledger, LedgerError, verify

GROUP, STRANGER = 64001, 64999
USERS = (64010, 64011, 64012)

WORK = """
import datetime, os, pathlib, sys
from agent.memory.ledger import Head, Ledger, verify
from agent.memory.roster import RosterStore
from drivers.clock import SystemClock
from tests.memory.desk import at, note
folder = pathlib.Path(sys.argv[1])
os.umask(0o077); os.setgroups([]); os.setgid({group}); os.setuid({user})
"""
WRITE = """
with Ledger.open(folder / "ledger.db") as ledger, RosterStore.open(folder, ledger, SystemClock()) as store:
    for number in range(20):
        ledger.append_now(note(""), at(), "{user}-{{}}".format(number))
    print(store.add_member("Ada", "subscriber", actor="cli", since=datetime.date(2026, 11, 22)))
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the users of the services")


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory() as outside:  # not tmp_path: every run of pytest locks others out of its own
        Path(outside).chmod(0o755)
        state = Path(outside, "state")
        state.mkdir()
        os.chown(state, USERS[0], GROUP)
        state.chmod(0o2770)
        yield state


def run_as(user: int, group: int, folder, code: str) -> subprocess.Popen[str]:
    whole = (WORK + code).format(user=user, group=group)
    command = [sys.executable, "-c", whole, folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_each_may_start_first_and_all_may_write_at_once(folder):
    for _ in range(2):  # the second time the last to leave has taken the -wal and -shm files with it
        running = [run_as(user, GROUP, folder, WRITE) for user in USERS]
        said = [process.communicate(timeout=60) for process in running]
        assert [process.returncode for process in running] == [0, 0, 0], said
    assert {file.stat().st_gid for file in folder.iterdir()} == {GROUP}
    with Ledger.open(folder / "ledger.db") as ledger:
        assert ledger.pending == 0
    verdict = verify(folder / "ledger.db")
    assert (verdict.ok, verdict.facts) == (True, 3 * 20 + 6)


def test_root_looking_in_while_nobody_runs_leaves_nothing_that_locks_the_others_out(folder):
    first = run_as(USERS[0], GROUP, folder, WRITE)
    first.communicate(timeout=60)
    assert verify(folder / "ledger.db").ok
    second = run_as(USERS[1], GROUP, folder, WRITE)
    said = second.communicate(timeout=60)
    assert second.returncode == 0, said


def test_a_stranger_reads_nothing(folder):
    run_as(USERS[0], GROUP, folder, WRITE).communicate(timeout=60)
    process = run_as(STRANGER, STRANGER, folder, 'verify(folder / "ledger.db")')
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert LedgerError.__name__ in complaint
