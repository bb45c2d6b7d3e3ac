"""Bad input and a bad world: a clear error each time, nothing lost, and the rest of the house goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import MISSING, REPO, now_s, until
from tests.acceptance.night import MEMBERS, STRANGER, Night

pytestmark = [pytest.mark.peers, pytest.mark.timeout(200)]
on_real_wires = pytest.mark.skipif(bool(MISSING), reason=MISSING)
M001, M042 = MEMBERS["m001"], MEMBERS["m042"]


def gardien(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", *map(str, words)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)


def decisions(night: Night) -> list[tuple[str, bool]]:
    return [(fact.member, fact.granted) for fact in night.facts("entry-decided")]


def enters(night: Night, member: str) -> None:
    """A member's card opens the door."""
    before = len(night.moves())
    night.badge_at_the_door(MEMBERS[member])
    until(lambda: len(night.moves()) == before + 2, 8, what="a pulse of the relay")
    (on, on_s), (off, off_s) = night.moves()[-2:]
    assert (on, off) == (True, False)
    assert abs(off_s - on_s - 1.5) <= 0.050


def test_five_faults_in_a_site_file_are_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        """[site]
name = "Morez"
code = "morez"
[link.adsl1]
kind = "sim"
[links.adsl2]
kind = "scapy"
interface = "eth1"
gateway = "box.local"
targets = ["192.0.2.1"]
[door.lock]
kind = "gpio"
chip = "pinctrl-bcm2711"
line = 17
hold_s = "five"
[readers.porte]
kind = "serial"
at = "dor"
device = "/dev/ttyUSB0"
[hours]
monday = ["9h-18h"]
""",
        encoding="utf-8",
    )
    for words in (["check", file], ["--site", file, "run"], ["--site", file, "run", "door"]):
        done = gardien(*words)
        assert (done.returncode, done.stdout) == (78, "")
        said = [line.removeprefix(f"{file}:") for line in done.stderr.splitlines()]
        assert [int(line.split(":")[0]) for line in said if line[0].isdigit()] == [4, 9, 15, 18, 21], said
        assert all("—" in line for line in said), said  # what is wrong, and what to do, in both languages


@on_real_wires
def test_noise_on_a_reader_and_then_a_card(tmp_path: Path) -> None:
    with Night(tmp_path) as night:
        pids = {name: night.pid(name) for name in ("door", "paper")}
        night.peers.readers["door"].noise(1_000_000, seed=3)
        night.peers.readers["copier"].noise(1_000_000, seed=4)
        assert night.moves() == []
        time.sleep(1.2)  # half a frame is forgotten after a second
        enters(night, "m042")
        night.badge_at_the_door(STRANGER)
        until(lambda: len(decisions(night)) == 2, 5)
        assert decisions(night) == [("m042", True), ("", False)]
        night.peers.readers["copier"].present(M042)
        until(lambda: night.seen()["devices"][0]["visitor"], 10, what="a visitor at the copier")
        assert {name: night.pid(name) for name in pids} == pids
        assert "Traceback" not in (tmp_path / "log.txt").read_text()


@on_real_wires
def test_a_cupsd_that_vanishes(tmp_path: Path) -> None:
    with Night(tmp_path) as night:
        night.peers.cups.print_pdf("m042", 2, queue="copieur")
        until(lambda: night.booked() == 2, 30, what="the first job")
        night.peers.cups.stop()
        gone_s = now_s()
        until(lambda: night.metric("gardien_driver_working", service="paper", driver="spooler") == 0, 10)
        until(lambda: "spooler-lost" in [one["key"] for one in night.seen()["incidents"]], 5)
        print(f"cupsd gone: seen after {now_s() - gone_s:.1f} s")
        enters(night, "m001")
        night.peers._press("copy", "3")
        until(lambda: night.booked() == 5, 15, what="copies without CUPS")
        assert [link["health"] for link in night.seen()["links"]] == ["up", "up"]
        time.sleep(max(0.0, 15.0 - (now_s() - gone_s)))
        night.peers.cups.restart()
        night.peers.cups.print_pdf("m042", 4, queue="copieur", copies=2)
        until(lambda: night.booked() == 13, 40, what="the job after CUPS came back")
        until(lambda: night.metric("gardien_driver_working", service="paper", driver="spooler") == 1, 15)
        night.settle()
        rows = [(fact.member, fact.sides_mono) for fact in night.facts("attempt-known")]
        assert rows == [("m042", 2), ("m042", 8)]
        assert [fact.mono for fact in night.facts("copies-metered")] == [3]
        assert [fact.now for fact in night.facts("link-changed")] == ["up", "up"]
        lost = [(fact.driver, fact.working) for fact in night.facts("driver-changed") if fact.driver == "spooler"]
        assert lost == [("spooler", False), ("spooler", True)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "state"
    state.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", state], check=False).returncode:
        pytest.skip("this machine gives no right to mount a small disk")
    yield state
    subprocess.run(["umount", "--lazy", state], check=True)


@on_real_wires
def test_a_full_disk_and_space_again(tmp_path: Path, small_disk: Path) -> None:
    with Night(tmp_path) as night:
        enters(night, "m001")
        until(lambda: decisions(night) == [("m001", True)], 5)
        with (small_disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        enters(night, "m042")
        night.badge_at_the_door(STRANGER)
        night.peers.providers.cut("adsl2")
        until(lambda: night.metric("gardien_ledger_fault", service="door") == 1, 10, what="the ledger's fault")
        until(lambda: night.metric("gardien_link_up", link="adsl2") == 0, 10, what="the link, seen all the same")
        assert "ledger-fault" in [one["key"] for one in night.seen()["incidents"]]
        said = gardien("--site", night.site, "--state", night.state, "--run", night.run, "status")
        assert said.returncode == 1
        assert "registre" in said.stdout.lower(), said
        night.peers.cups.print_pdf("m042", 3, queue="copieur")
        until(lambda: night.on_paper() == 3, 30, what="the paper")
        enters(night, "m042")
        assert decisions(night) == [("m001", True)]  # the disk takes nothing
        (small_disk / "filler").unlink()
        expected = [("m001", True), ("m042", True), ("", False), ("m042", True)]
        until(lambda: decisions(night) == expected, 20, what="every entry")
        until(lambda: night.booked() == 3, 30, what="the job")
        until(lambda: night.metric("gardien_ledger_fault", service="door") == 0, 10, what="the fault's end")
        night.settle()
        assert decisions(night) == expected
        assert [(fact.member, fact.sides_mono) for fact in night.facts("attempt-known")] == [("m042", 3)]
        assert "down" in [fact.now for fact in night.facts("link-changed") if fact.link == "adsl2"]
        done = gardien("--site", night.site, "--state", night.state, "ledger", "verify")
        assert done.returncode == 0, done.stdout


@on_real_wires
def test_a_tape_is_judged_again_and_a_cut_one_up_to_its_cut(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    with Night(tmp_path, tape=str(tape)) as night:
        until(lambda: len(night.facts("link-changed")) == 2, 10)
        enters(night, "m042")
        night.badge_at_the_door(STRANGER)
        night.peers.board.drive(22, high=True)
        night.peers.providers.cut("adsl1")
        until(lambda: len(night.facts("link-changed")) == 3, 10)
        night.peers.board.drive(22, high=False)
        night.settle()
        kinds = ("entry-decided", "link-changed", "door-changed")
        lived = [(fact.kind, fact.body) for fact in night.facts(*kinds)]
    assert [kind for kind, _ in lived].count("entry-decided") == 2
    judged = gardien("replay", tape, "--site", night.site)
    assert (judged.returncode, judged.stderr) == (0, "")
    replayed = [(fact["kind"], fact["fact"]) for fact in map(json.loads, judged.stdout.splitlines())]
    for kind in kinds:
        assert [fact for one, fact in replayed if one == kind] == [fact for one, fact in lived if one == kind]
    assert gardien("replay", tape, "--site", night.site).stdout == judged.stdout
    assert "04A2B3C4D5" not in "".join(file.read_text() for file in tape.iterdir())

    cut = tmp_path / "cut"
    shutil.copytree(tape, cut)
    whole = (cut / "door.jsonl").read_bytes()
    keep = whole.index(b'"see": "badge"') + 40
    (cut / "door.jsonl").write_bytes(whole[:keep])
    done = gardien("replay", cut, "--site", night.site)
    assert done.returncode == 1
    assert f"door.jsonl:{whole[:keep].count(bytes([10])) + 1}: ligne coupée" in done.stderr
    assert done.stdout.count('"link-changed"') == judged.stdout.count('"link-changed"') == 4
    assert done.stdout.count('"door-changed"') == 1
    assert "entry-decided" not in done.stdout
