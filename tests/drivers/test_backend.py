"""The backend in the print path, run as CUPS runs it, in front of backends that misbehave; then under a real cupsd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.peers.cups import BACKEND, CupsPeer, available

OPTIONS = "job-uuid=urn:uuid:1 time-at-creation=1795867133 time-at-processing=1795867134"
ACCEPTED = "DEBUG: Print job accepted - job ID 31."
needs_cups = pytest.mark.skipif(bool(available()), reason=available())


class PrintPath:
    """A ServerBin with one backend of our own, and the folder of notes."""

    def __init__(self, folder: Path, real: str) -> None:
        self.attempts = folder / "attempts"
        self.attempts.mkdir()
        self.bin = folder / "bin/backend"
        self.bin.mkdir(parents=True)
        self.real = self.bin / "ipp"
        self.real.write_text(f"#!/bin/sh\n{real}\n", encoding="utf-8")
        self.real.chmod(0o755)
        self.env = {"CUPS_SERVERBIN": str(folder / "bin"), "PRINTER": "copieur", "PATH": os.environ["PATH"]}
        self.env |= {"DEVICE_URI": "gardien:ipp://copier/ipp/print", "GARDIEN_ATTEMPTS": str(self.attempts)}

    def start(self, title: str = "letter", options: str = OPTIONS, **how: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-IS", str(BACKEND), "7", "alice", title, "2", options]
        how = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE} | how
        return subprocess.Popen(command, env=self.env, **how)

    def note(self) -> dict[str, object]:
        (file,) = self.attempts.glob("*.json")
        return json.loads(file.read_text(encoding="utf-8"))


def test_an_attempt_is_noted_with_the_devices_number_and_without_the_title(tmp_path):
    path = PrintPath(tmp_path, f'echo "{ACCEPTED}" >&2; echo "STATE: none" >&2')
    with path.start(title="secret") as run:
        said = run.stderr.read()
    assert run.returncode == 0
    assert said == f"{ACCEPTED}\nSTATE: none\n".encode()
    note = path.note()
    assert 0 <= time.time() - note.pop("began") < 60
    assert note == {
        "queue": "copieur",
        "job": 7,
        "created": 1795867133,
        "user": "alice",
        "copies": "2",
        "device_job": 31,
        "code": 0,
        "heard": True,
    }
    assert "secret" not in "".join(file.read_text() for file in path.attempts.iterdir())


def test_the_note_can_be_read_by_the_group_under_the_umask_that_cupsd_gives_its_backends(tmp_path):
    path = PrintPath(tmp_path, "exit 0")
    with path.start(umask=0o077) as run:
        assert run.wait(10) == 0
    (file,) = path.attempts.glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("code", [0, 1, 4, 6])
def test_the_exit_code_is_the_real_backends(tmp_path, code):
    path = PrintPath(tmp_path, f"exit {code}")
    with path.start() as run:
        assert run.wait(10) == code
    assert (path.note()["code"], path.note()["device_job"]) == (code, None)


def test_what_the_real_backend_is_given_is_what_cups_gave(tmp_path):
    read = f'cat > {tmp_path}/in; echo "$DEVICE_URI|$*" > {tmp_path}/args; cat <&3 > {tmp_path}/back; echo ok >&4'
    path = PrintPath(tmp_path, read)
    (tmp_path / "three").write_text("back-channel")
    # CUPS opens 3 and 4 for its backends (backend(7)); without them ipp waits for ever
    command = f"exec {sys.executable} -IS {BACKEND} 7 alice t 2 '{OPTIONS}' 3<{tmp_path}/three 4>{tmp_path}/four"
    done = subprocess.run(["sh", "-c", command], env=path.env, input=b"%PDF", timeout=20, check=False)
    assert done.returncode == 0
    assert (tmp_path / "in").read_bytes() == b"%PDF"
    assert (tmp_path / "back").read_text() == "back-channel"
    assert (tmp_path / "four").read_text() == "ok\n"
    assert (tmp_path / "args").read_text() == f"ipp://copier/ipp/print|7 alice t 2 {OPTIONS}\n"


def test_a_cancellation_reaches_the_real_backend_once(tmp_path):
    trap = f'trap "echo term >> {tmp_path}/terms" TERM; echo "{ACCEPTED}" >&2; n=0; '
    path = PrintPath(tmp_path, trap + "while [ $n -lt 8 ]; do n=$((n+1)); sleep 0.1; done; exit 3")
    with path.start(start_new_session=True) as run:
        assert run.stderr.readline().strip().decode() == ACCEPTED
        os.killpg(run.pid, signal.SIGTERM)  # a cupsd run by root signals the whole group
        assert run.wait(10) == 3
    assert (tmp_path / "terms").read_text() == "term\n"
    assert path.note()["code"] == 3


def test_a_backend_that_cups_kills_takes_the_real_one_with_it(tmp_path):
    path = PrintPath(tmp_path, f'echo $$ > {tmp_path}/pid; echo "{ACCEPTED}" >&2; exec sleep 60')
    with path.start() as run:
        run.stderr.readline()
        run.kill()
        run.wait(10)
        real = int((tmp_path / "pid").read_text())
        limit = time.monotonic() + 10
        while Path(f"/proc/{real}").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert not Path(f"/proc/{real}").exists()
    assert path.note()["code"] is None  # nobody saw it end


def test_the_death_of_the_real_backend_is_passed_on(tmp_path):
    path = PrintPath(tmp_path, "kill -SEGV $$")
    with path.start() as run:
        assert run.wait(10) == -signal.SIGSEGV
    assert path.note()["code"] == -signal.SIGSEGV


@pytest.mark.parametrize("broken", ["no folder", "a file", "no right", "no options"])
def test_it_prints_whatever_becomes_of_the_note(tmp_path, broken):
    path = PrintPath(tmp_path, f"cat > {tmp_path}/in; echo done >&2; exit 0")
    if broken == "no folder":
        path.env["GARDIEN_ATTEMPTS"] = str(tmp_path / "nowhere")
    elif broken == "a file":
        path.env["GARDIEN_ATTEMPTS"] = str(path.real)
    elif broken == "no right":
        path.env["GARDIEN_ATTEMPTS"] = "/proc"
    with path.start(options="" if broken == "no options" else OPTIONS, stdin=subprocess.PIPE) as run:
        run.stdin.write(b"paper")
        run.stdin.close()
        said = run.stderr.read()
        assert run.wait(10) == 0
    assert (tmp_path / "in").read_bytes() == b"paper"
    assert said.endswith(b"done\n") or b"done\n" in said


def test_a_backend_that_is_not_there_stops_the_queue_as_it_would_without_us(tmp_path):
    path = PrintPath(tmp_path, "exit 0")
    path.real.unlink()
    with path.start() as run:
        said = run.stderr.read()
        assert run.wait(10) == 5
    assert b"ERROR" in said


def test_it_finds_no_devices_by_itself():
    done = subprocess.run([sys.executable, "-IS", str(BACKEND)], capture_output=True, timeout=10, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "forged",
    [
        "x\\ time-at-creation=5",
        "x\\\\\\ time-at-creation=5",
        'x\\"\\ time-at-creation=5\\ ',
        "x\\\ttime-at-creation=5",
    ],
)
def test_an_options_value_forges_no_time_of_creation(tmp_path, forged):
    path = PrintPath(tmp_path, "exit 0")
    with path.start(options=f"job-billing={forged} {OPTIONS}") as run:
        assert run.wait(10) == 0
    assert path.note()["created"] == 1795867133


def test_a_title_forges_no_number_of_the_device(tmp_path):
    title = "x\nDEBUG: Print job accepted - job ID 99."
    path = PrintPath(tmp_path, f'echo "DEBUG: job-name=\\"$3\\"" >&2; echo "{ACCEPTED}" >&2')
    with path.start(title=title) as run:
        assert b"99" in run.stderr.read()
    assert path.note()["device_job"] == 31


def test_much_talk_passes_whole_and_a_closed_standard_error_harms_nobody(tmp_path):
    path = PrintPath(
        tmp_path, 'n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo "DEBUG: line $n of many, many"; done >&2'
    )
    with path.start() as run:
        lines = run.stderr.read().splitlines()
        assert run.wait(20) == 0
    assert (len(lines), lines[-1]) == (3000, b"DEBUG: line 3000 of many, many")
    quiet = (
        PrintPath(tmp_path / "quiet", "exec 2>&-; sleep 0.3; exit 4") if (tmp_path / "quiet").mkdir() is None else path
    )
    with quiet.start() as run:
        assert run.wait(10) == 4


def test_the_bell_rings_when_it_begins_when_it_is_taken_and_when_it_ends(tmp_path):
    path = PrintPath(tmp_path, f'echo "{ACCEPTED}" >&2; sleep 0.2')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.settimeout(10)
        bell.bind(str(path.attempts / "bell"))
        with path.start() as run:
            assert [bell.recv(16) for _ in range(3)] == [b"!", b"!", b"!"]
            assert run.wait(10) == 0
    assert path.note()["code"] == 0


# --- under a real cupsd -------------------------------------------------------------------------------------


@pytest.mark.peers
@needs_cups
def test_an_attempt_that_outlives_its_cupsd_says_so(tmp_path):
    with CupsPeer(tmp_path / "cups") as cupsd:
        cupsd.add_queue("hole", "file:///dev/null")
        slow = cupsd.home / "bin/backend/slow"
        slow.write_text(f'#!/bin/sh\n[ $# -lt 5 ] && exit\ncat >/dev/null\necho "{ACCEPTED}" >&2\nsleep 1.5\n')
        slow.chmod(0o755)
        cupsd._run("lpadmin", "-p", "hole", "-v", "gardien:slow://copier")
        job = cupsd.print_pdf("alice", 1)

        def notes() -> list[dict[str, object]]:
            return [json.loads(file.read_text()) for file in cupsd.attempts.glob("*.json")]

        def until(true: object) -> None:
            limit = time.monotonic() + 20
            while not true():
                assert time.monotonic() < limit, notes()
                time.sleep(0.05)

        until(lambda: [note["device_job"] for note in notes()] == [31])
        cupsd.kill9()
        until(lambda: notes()[0]["code"] == 0)
        (note,) = notes()
        assert (note["job"], note["user"], note["heard"]) == (job, "alice", False)
        assert note["created"] == pytest.approx(time.time(), abs=60)
        cupsd.restart()  # it sends the job again: what came out the first time it never heard
        until(lambda: [note["code"] for note in notes()] == [0, 0])
        assert sorted(note["heard"] for note in notes()) == [False, True]
        assert {(note["job"], note["created"]) for note in notes()} == {(job, note["created"])}
