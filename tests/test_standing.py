"""A service stands on shaky ground: its folders fail, its roster is gone, somebody else already runs. (sim)"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from agent.live import Picture, read_pictures
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import EntryDecided
from agent.rules.facts import FormulaId
from drivers.clock import SystemClock
from drivers.contract import CardNumber, Trust

REPO = Path(__file__).parents[1]
SITE = """
[site]
name = "Porte"
code = "porte"
[readers.door]
kind = "sim"
at = "door"
[door.lock]
kind = "sim"
"""
WAIT_S = 15.0


def until(look: Callable[[], object]) -> None:
    limit_s = time.monotonic() + WAIT_S
    while not look():
        assert time.monotonic() < limit_s, "not within the limit"
        time.sleep(0.05)


def gardien(folder: Path, *words: str, site: str = SITE) -> list[str]:
    (folder / "site.toml").write_text(site, encoding="utf-8")
    places = ["--site", "site.toml", "--state", "state", "--run", "run"]
    return [
        sys.executable,
        "-m",
        "agent.cli",
        *[str(folder / p) if p in {"site.toml", "state", "run"} else p for p in places],
        *words,
    ]


@contextlib.contextmanager
def door(folder: Path, service: str = "door", site: str = SITE) -> Iterator[subprocess.Popen[str]]:
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(gardien(folder, "run", service, site=site), cwd=REPO, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)


GARBAGE = (
    b"garbage of somebody\r\n\r\n",
    bytes(range(256)) * 20,
    b"GET " + b"A" * 50_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nzz\r\n",
)


def test_garbage_on_the_page_s_port_is_refused_and_fills_no_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    site = SITE + f'[web]\nlisten = "127.0.0.1:{address[1]}"\n'
    with door(tmp_path, "web", site):
        until((tmp_path / "run" / "live" / "web.json").exists)
        for sent in (*GARBAGE, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
            with socket.create_connection(address, WAIT_S) as wire:
                wire.sendall(sent)
                assert wire.recv(12)[9:] == (b"400" if sent in GARBAGE else b"200")
    said = (tmp_path / "log").read_text().splitlines()
    assert said == ["agent.views.web.guard: refused 127.0.0.1: a malformed request (said once)"]


def picture(folder: Path) -> Picture | None:
    return read_pictures(folder / "run").get("door")


def fresh(folder: Path) -> bool:
    seen = picture(folder)
    return seen is not None and SystemClock().now().mono_s - seen.at.mono_s < 1.5


def badge(folder: Path, card: str) -> None:
    subprocess.run(gardien(folder, "tell", "badge", "door", card), cwd=REPO, timeout=WAIT_S, check=True)


def rules(folder: Path) -> list[str]:
    with Ledger.open(folder / "state" / "ledger.db") as ledger:
        return [entry.fact.rule for entry in ledger.entries(EntryDecided) if isinstance(entry.fact, EntryDecided)]


@pytest.mark.parametrize("broken", [b"this is no database" * 100, b""])
def test_a_door_whose_roster_is_broken_at_its_start_lets_in_by_its_last_list(tmp_path: Path, broken: bytes) -> None:
    """24/7 members enter, a stranger does not, the picture says it; the roster is used again once it is back."""
    state = tmp_path / "state"
    with door(tmp_path):
        until(lambda: fresh(tmp_path))
        with Ledger.open(state / "ledger.db") as ledger, RosterStore.open(state, ledger, SystemClock()) as store:
            anne = store.add_member("Anne Bailly", FormulaId("subscriber"), actor="cli", since=date(2020, 1, 1))
            key = store.give_card(anne, CardNumber("0F00A1B2C3"), actor="cli")
        until(lambda: (state / "door.list").exists() and key.encode() in (state / "door.list").read_bytes())
    kept = (state / "door.list").read_bytes()
    assert b"Anne" not in kept
    assert b"0F00A1B2C3" not in kept
    good = (state / "roster.db").read_bytes()
    for part in state.glob("roster.db*"):
        part.unlink()
    (state / "roster.db").write_bytes(broken)
    shutil.rmtree(tmp_path / "run")  # the power was cut: what was in memory is gone
    with door(tmp_path) as process:
        until(lambda: fresh(tmp_path))
        until(lambda: (seen := picture(tmp_path)) and seen.door and seen.door.list_from)
        seen = picture(tmp_path)
        assert seen is not None
        assert (seen.ledger_ok, seen.roster_ok) == (True, False)
        assert "roster" in seen.roster_why
        badge(tmp_path, "0F00A1B2C3")
        until(lambda: rules(tmp_path) == ["always"])
        badge(tmp_path, "0F00FFFFFF")
        until(lambda: rules(tmp_path) == ["always", "unknown-card"])
        (tmp_path / "good.db").write_bytes(good)
        (tmp_path / "good.db").replace(state / "roster.db")
        assert process.wait(WAIT_S) == 0  # to be started again, on the roster that is back


def test_a_run_folder_that_goes_away_ends_no_service(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with door(tmp_path) as process:
        until(lambda: fresh(tmp_path))
        process.send_signal(signal.SIGSTOP)  # a service at work would make the folder again under our hand
        until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].startswith("T"))
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run").write_text("in the way", encoding="ascii")  # no folder can be made here
        process.send_signal(signal.SIGCONT)
        until(lambda: "the live picture cannot be written" in log.read_text())
        time.sleep(2.5)  # it fails some times more
        assert process.poll() is None
        (tmp_path / "run").unlink()
        until(lambda: fresh(tmp_path))
    assert log.read_text().count("the live picture cannot be written") == 1


def test_two_of_one_service_never_work_on_one_state(tmp_path: Path) -> None:
    with door(tmp_path):
        until(lambda: fresh(tmp_path))
        other = gardien(tmp_path, "run", "door", "--run", str(tmp_path / "elsewhere"))
        second = subprocess.run(other, cwd=REPO, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert (second.returncode, second.stderr) == (69, "another gardien already runs here (door.lock)\n")


def test_a_restart_remembers_that_the_clock_was_right(tmp_path: Path) -> None:
    """A door restarted while the line is down must not take its clock for a stranger's."""
    now = SystemClock().now()
    if now.trust is Trust.SYNCHRONISED:
        pytest.skip("the kernel's clock is synchronised here: nothing to remember")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "clock-synchronised").write_text(now.boot, encoding="ascii")
    with door(tmp_path):
        until(lambda: fresh(tmp_path))
        seen = picture(tmp_path)
        assert seen is not None
        assert seen.at.trust is Trust.DRIFTING


def test_an_unknown_card_is_a_fact(tmp_path: Path) -> None:
    with door(tmp_path):
        until(lambda: fresh(tmp_path))
        subprocess.run(gardien(tmp_path, "tell", "badge", "door", "0F00A1B2C3"), cwd=REPO, timeout=WAIT_S, check=True)
    with Ledger.open(tmp_path / "state" / "ledger.db") as ledger:
        assert [entry.fact.rule for entry in ledger.entries(EntryDecided)] == ["unknown-card"]
