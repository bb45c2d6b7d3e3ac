"""What the acceptance tests hold in their hands: the real demo as a process, and witnesses that are not ours to bend.

The witnesses are files that the far ends write: the board's recorder (every change of the relay, stamped by the
board), the copier's log of the sides that left it. They are read here with nothing but a split.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from drivers.peers import cups, namespaces

REPO = Path(__file__).parents[2]
SPY = Path(__file__).parent / "spy"
RELAY = 17  # the demo's site file
MISSING = namespaces.available() or cups.available()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def now_s() -> float:
    """The clock the board's recorder stamps with."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until(true: Callable[[], Any], limit_s: float, every_s: float = 0.05, what: str = "") -> float:
    """Wait until something holds; return how long it took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError, KeyError, IndexError, sqlite3.OperationalError):
            if true():
                return time.monotonic() - began
        if time.monotonic() - began > limit_s:
            raise TimeoutError(f"not within {limit_s:g} s: {what or true}")
        time.sleep(every_s)


@dataclass(frozen=True)
class Stored:
    """One row of the ledger, as SQL tells it: read without the code under test."""

    seq: int
    kind: str
    key: str
    mono_s: float
    utc: str
    body: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.body[name]


def facts(ledger: Path, *kinds: str) -> list[Stored]:
    """Return the facts of these kinds (none: all), ascending."""
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
        rows = db.execute("SELECT seq, kind, key, mono, utc, body FROM content ORDER BY seq").fetchall()
    stored = (Stored(seq, kind, key, mono, utc, json.loads(body)) for seq, kind, key, mono, utc, body in rows)
    return [row for row in stored if not kinds or row.kind in kinds]


def relay_moves(record: Path, line: int = RELAY) -> list[tuple[bool, float]]:
    """Return (level, CLOCK_BOOTTIME seconds) of every change the board's recorder wrote down for a line."""
    rows = (row.split() for row in record.read_text(encoding="ascii").splitlines())
    return [(level == "1", float(at_s)) for number, level, at_s, _ in rows if int(number) == line]


def relay_at(record: Path, at_s: float, line: int = RELAY) -> bool:
    """Return the level the line had at an instant."""
    before = [level for level, moved_s in relay_moves(record, line) if moved_s <= at_s]
    return bool(before) and before[-1]


def sides(copier: Path) -> list[dict[str, Any]]:
    """Return every side that left the copier, blank backs left out: its own log."""
    with contextlib.suppress(FileNotFoundError):
        lines = (copier / "sides.jsonl").read_bytes().splitlines(keepends=True)
        return [side for side in map(json.loads, (one for one in lines if one.endswith(b"\n"))) if not side["blank"]]
    return []


def processes(mark: str) -> dict[int, str]:
    """Return pid -> command line of every process whose environment or command line holds `mark`, but ours."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (place / "cmdline").read_bytes()
            if int(place.name) != os.getpid() and mark.encode() in command + (place / "environ").read_bytes():
                found[int(place.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return {pid: command for pid, command in found.items() if command}


class Page:
    """A house seen from outside, over HTTP on its `port`."""

    port: int

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
            return str(reply.read().decode())

    def seen(self) -> Any:
        return json.loads(self.get("/etat.json"))

    def words(self) -> str:
        """Return the page as a person reads it: no tags, every space a plain one."""
        text = re.sub(r"<template.*?</template>|<[^>]*>", " ", self.get("/"), flags=re.DOTALL)
        return re.sub(r"\s+", " ", html.unescape(text))

    def metric(self, name: str, **labels: str) -> float | None:
        """Return one sample of /metrics; None if it is not there."""
        for line in self.get("/metrics").splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name and dict(re.findall(r'(\w+)="(.*?)"', found[2] or "")) == labels:
                return float(found[3])
        return None


class Demo(Page):
    """`gardien demo` as a process of its own, with its prompt on a pipe, as the user `uid`. A context manager."""

    def __init__(self, folder: Path, uid: int | None = None) -> None:
        self.top = folder
        self.folder = folder / f"gardien-demo-{os.getuid() if uid is None else uid}"
        self._user = [] if uid is None else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        self.port = free_port()
        self.ready_s = 0.0
        self.pid = 0
        self.spied = folder / "spied"
        self.spied.mkdir(exist_ok=True)
        self.env = os.environ | {
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": f"{SPY}{os.pathsep}{REPO}",
            "SPY_FOLDER": str(self.spied),
        }
        for name in ("GARDIEN_SITE", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET"):
            self.env.pop(name, None)
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        self.process: subprocess.Popen[str] | None = None

    ledger = property(lambda self: self.folder / "state/ledger.db")
    record = property(lambda self: self.folder / "peers/board.record")
    copier = property(lambda self: self.folder / "peers/copier")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        began = time.monotonic()
        self._bury()
        command = [*self._user, sys.executable, "-m", "agent.cli", "demo", "--port", str(self.port)]
        with self.out.open("w") as out, self.err.open("a") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True, env=self.env, cwd=self.top
            )
        self.pid = self.process.pid
        try:
            until(lambda: self.process.poll() is not None or "prêt" in self.out.read_text(), 60, what="the ready line")
            assert self.process.poll() is None, self.err.read_text()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.ready_s = time.monotonic() - began

    def _bury(self) -> None:
        """Let go of a process that has ended or was killed."""
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()

    def stop(self) -> int:
        """End it as a person does; return its exit code."""
        if self.process is None:
            return 0
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("quit\n")
            self.process.stdin.flush()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._bury()
            self.process = None

    def prompt(self, line: str) -> str:
        """Type one line at the prompt and return the answer."""
        lines = len(self.out.read_text().splitlines())
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        until(lambda: len(self.out.read_text().splitlines()) > lines, 30, 0.02, f"an answer to {line}")
        return self.out.read_text().splitlines()[lines]

    def gardien(self, *words: str, code: int | None = 0) -> str:
        """Run the command in another terminal and return what it printed; `code` None: any exit code will do."""
        done = subprocess.run(
            [*self._user, sys.executable, "-m", "agent.cli", *words],
            env=self.env,
            cwd=self.top,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert code in (None, done.returncode), (words, done.returncode, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode("utf-8-sig")

    def firing(self, prometheus: str) -> Iterator[str]:
        """Yield "ALERT LINK" of what fires in the real Prometheus."""
        with urllib.request.urlopen(f"http://{prometheus}/api/v1/alerts", timeout=10) as reply:
            for alert in json.load(reply)["data"]["alerts"]:
                if alert["state"] == "firing":
                    yield f"{alert['labels']['alertname']} {alert['labels'].get('link', '')}".strip()

    def facts(self, *kinds: str) -> list[Stored]:
        return facts(self.ledger, *kinds)

    def spied_modules(self) -> dict[str, set[str]]:
        """Return the last words of each ended process -> what it had loaded."""
        found = {}
        for file in self.spied.iterdir():
            command, *modules = file.read_text(encoding="utf-8").splitlines()
            found[command] = set(modules)
        return found
