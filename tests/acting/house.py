"""A running site for a browser: the real services as processes, and far ends whose witness nobody can bend.

The door is real wires: card readers on ptys, a board whose recorder stamps every change of the relay. Lines are
`kind = "sim"`, told by `gardien tell`; so are printer and spooler, unless `paper` asks for a private cupsd and an IPP
copier. What the tests expect they read from the page, as people do, or
from the recorder; the ledger is read as SQL.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from drivers.peers.building import CONTACT, RELAY, PeerBuilding

REPO = Path(__file__).parents[2]
READERS = {"door": "rdm6300", "copier": "line"}
AWAY_S = 1.5  # a reader repeats a card that is held to it: shown again at once, it is the same showing
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

SITE = """\
tariff = "tariff.toml"

[site]
name = "La Cordée Morez"
code = "morez"
help_phone = "03 84 00 00 00"

[hours]
{hours}

[web]
listen = "127.0.0.1:{port}"
billing_token_file = "{token}"

[links.adsl1]
kind = "sim"
label = "Orange"
gateway = "192.168.1.1"
targets = ["192.0.2.1", "198.51.100.1"]

[links.adsl2]
kind = "sim"
label = "Free"
gateway = "192.168.2.1"
targets = ["192.0.2.1", "198.51.100.1"]

[spooler]
kind = "{spooler}"
server = "{cups}"
attempts = "{attempts}"
page_log = "{page_log}"

[printers.copieur]
kind = "{printer}"
label = "le copieur"
uri = "{uri}"
queues = ["copieur"]
badge_queues = ["impressions"]
screens = ["127.0.0.1"]
poll_s = 0.5
visit_idle_s = 20.0

[readers.door]
kind = "serial"
at = "door"
device = "{door}"

[readers.copier]
kind = "serial"
at = "copieur"
device = "{copier}"
frame = "line"

[door.lock]
kind = "gpio"
chip = "{board}"
line = 17
hold_s = 1.0

[door.inputs.contact]
line = 22

[door.inputs.exit_button]
line = 27
"""
TOKEN = "0123456789abcdef0123456789abcdef"
ALERTS = """
[alerts]
urls_file = "{urls}"
after_s = 1.0
calm_s = 1.0
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def now_s() -> float:
    """The clock the board's recorder stamps with."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def until(true: Callable[[], Any], limit_s: float, what: str = "", every_s: float = 0.05) -> float:
    """Wait until something holds; return how long it took."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError, KeyError, IndexError, sqlite3.OperationalError):
            if true():
                return time.monotonic() - began
        if time.monotonic() - began > limit_s:
            raise TimeoutError(f"not within {limit_s:g} s: {what or true}")
        time.sleep(every_s)


class LiveHouse:
    """One site that runs, in `folder`. A context manager."""

    def __init__(self, folder: Path, *, alerts_to: str = "", paper: bool = False) -> None:
        self.folder, self.state, self.run = folder, folder / "state", folder / "run"
        self.site_file, self.log = folder / "site.toml", folder / "log.txt"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.peers = PeerBuilding(folder / "peers", (), READERS, "copieur" if paper else "")
        self.env = os.environ | {
            "PYTHONPATH": str(REPO),
            "GARDIEN_SITE": str(self.site_file),
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.run),
        }
        self.env.pop("NOTIFY_SOCKET", None)
        self._alerts_to = alerts_to
        self._presented_s = 0.0
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for folder in (self.state, self.run):
            folder.mkdir(parents=True)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        (self.run / "clock-synchronised").write_text(boot, encoding="ascii")  # a site has NTP, this machine may not
        with self._open as stack:
            stack.enter_context(self.peers)
            self._write_site()
            stack.enter_context(self._services())
            until(lambda: self.get("/healthz") == "ok\n" and self._speaking(), 40, "the services")
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _write_site(self) -> None:
        text = SITE.format(
            hours="\n".join(f'{day} = ["00:00-24:00"]' for day in DAYS),
            port=self.port,
            door=self.peers.readers["door"].path,
            copier=self.peers.readers["copier"].path,
            board=self.peers.board.chip,
            token=self.folder / "billing.token",
            spooler="cups" if self.peers.cups else "sim",
            printer="ipp" if self.peers.cups else "sim",
            cups=self.peers.cups.server if self.peers.cups else "",
            attempts=self.peers.cups.attempts if self.peers.cups else "",
            page_log=self.peers.cups.page_log if self.peers.cups else "",
            uri=self.peers.copier_uri or "ipp://127.0.0.1/ipp/print",
        )
        (self.folder / "billing.token").write_text(TOKEN, encoding="ascii")
        if self._alerts_to:
            urls = self.folder / "alerts.urls"
            urls.write_text(f"{self._alerts_to}\n", encoding="ascii")
            urls.chmod(0o600)
            text += ALERTS.format(urls=urls)
        self.site_file.write_text(text, encoding="utf-8")
        tariff = (REPO / "agent/views/tariff-example.toml").read_text(encoding="utf-8")
        (self.folder / "tariff.toml").write_text(tariff, encoding="utf-8")

    @contextlib.contextmanager
    def _services(self) -> Iterator[None]:
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "agent.cli", "run"]
            process = subprocess.Popen(command, env=self.env, cwd=self.folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _speaking(self) -> bool:
        return all((self.run / "live" / f"{name}.json").exists() for name in ("door", "links", "paper"))

    # --- what a person at the box does -------------------------------------------------------------------------

    def gardien(self, *words: str, code: int | None = 0) -> str:
        """Run the command; `code` None: any exit code will do."""
        command = [sys.executable, "-m", "agent.cli", *words]
        done = subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, timeout=60, check=False)
        assert code in (None, done.returncode), (words, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode("utf-8-sig")

    def code(self, role: str = "animator") -> str:
        """Return a one-time code for the first connection."""
        return self.gardien("account", "claim", "--role", role).split()[0]

    def tell(self, line: str) -> None:
        """Make something happen in the building."""
        self.gardien("tell", *line.split())

    # --- witnesses ---------------------------------------------------------------------------------------------

    def get(self, path: str, **headers: str) -> str:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}{path}", headers=headers), timeout=10) as reply:
            return str(reply.read().decode())

    def present(self, card: str, reader: str = "door") -> float:
        """Hold a card to a reader, away from it for long enough to be seen anew; return when."""
        time.sleep(max(0.0, self._presented_s + AWAY_S - now_s()))
        self._presented_s = at_s = now_s()
        self.peers.readers[reader].present(card)
        return at_s

    def opened(self, since_s: float) -> list[float]:
        """Return when the relay was released since then, by the recorder."""
        return [one.mono_s for one in self.peers.board.record(RELAY) if one.high and one.mono_s >= since_s]

    def rests(self) -> bool:
        return not self.peers.board.level(RELAY)

    @contextlib.contextmanager
    def someone_pulls(self) -> Iterator[None]:
        """Somebody stands outside: the leaf opens when the relay lets it, and falls shut."""
        over = threading.Event()

        def pull() -> None:
            while not over.wait(0.02):
                if self.peers.board.level(RELAY):
                    over.wait(0.2)
                    self.peers.board.drive(CONTACT, high=True)
                    over.wait(0.5)
                    self.peers.board.drive(CONTACT, high=False)
                    until(self.rests, 10)

        thread = threading.Thread(target=pull)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.peers.board.drive(CONTACT, high=False)

    def facts(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """Return (kind, body) of the ledger's facts, ascending, as SQL tells them."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True, timeout=10)) as db:
            rows = db.execute("SELECT kind, body FROM content ORDER BY seq").fetchall()
        return [(kind, json.loads(body)) for kind, body in rows if not kinds or kind in kinds]

    def decided(self, since_s: float) -> list[str]:
        """Return the rules that decided about badges since then."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/ledger.db?mode=ro", uri=True, timeout=10)) as db:
            asked = "SELECT body FROM content WHERE kind = 'entry-decided' AND mono >= ? ORDER BY seq"
            return [json.loads(body)["rule"] for (body,) in db.execute(asked, (since_s,)).fetchall()]

    def admits(self, card: str) -> None:
        """Hold a card to the door's reader: the relay releases once, and rests again."""
        at_s = self.present(card)
        until(lambda: self.decided(at_s), 5, "the badge is judged")
        assert len(self.opened(at_s)) == 1, self.decided(at_s)
        until(self.rests, 5, "the door rests")

    def refuses(self, card: str, rule: str) -> None:
        """Hold a card to the door's reader: it is refused by this rule, and the relay does not move."""
        at_s = self.present(card)
        until(lambda: self.decided(at_s), 5, "the badge is judged")
        assert self.decided(at_s) == [rule]
        assert self.opened(at_s) == []

    def pid(self, service: str) -> int:
        """Return the process of one service: a child of ours whose command line names our site."""
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0")
                if str(self.site_file).encode() in words and service.encode() in words:
                    return int(place.name)
        raise ProcessLookupError(service)

    @contextlib.contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """A service that hangs: it is not ended, so nobody starts another."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
