"""The first site as the fleet's tests deploy it: its site file, and what stands around the building.

Links: real probes over the wire to the namespace. Paper: CUPS's own daemon, our IPP copier in the namespace as "the
copier on the local network". Door: a serial reader on a pty in the container, a board whose recorder stands outside.
The pages are served with the certificate the box signs itself.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.peers.board import Board
from tests.fleet.bed import BOX, FAR, REPO, Building, Play

RELAY = 17
READER, COPIER_READER = "/run/gardien/reader", "/run/gardien/reader-copieur"

WHOLE = f"""
tariff = "tariff.toml"

[site]
name = "La Cordée Morez"
code = "morez"
address = "https://gardien.morez.example:8080"

[links.adsl1]
kind = "scapy"
label = "Orange"
interface = "host0"
gateway = "{BOX}"
targets = ["{FAR}"]

[spooler]
kind = "cups"

[printers.copieur]
kind = "ipp"
label = "le copieur"
uri = "ipp://{BOX}:8631/ipp/print"
queues = ["copieur"]
badge_queues = ["attente"]
poll_s = 2.0

[printers.bureau]
kind = "ipp"
label = "l'imprimante du bureau"
uri = "ipp://{BOX}:8632/ipp/print"
queues = ["bureau"]
bills_from = "authenticated"
poll_s = 2.0

[door]
key_box = "à droite de la porte"
night_phone = "03 84 00 00 00"

[door.lock]
kind = "gpio"
chip = "board:/var/lib/gardien/board"
line = {RELAY}
hold_s = 1.0

[readers.porte]
kind = "serial"
at = "door"
device = "{READER}"

[readers.copieur]
kind = "serial"
at = "copieur"
device = "{COPIER_READER}"

[web]
listen = "0.0.0.0:8080"
authority = true
"""


@dataclass(frozen=True)
class Deployed:
    """A building after its first run."""

    here: Building
    board: Board
    site_file: Path
    dry: Play
    first: Play
    left_by_dry: str


class LocalCopier:
    """Our IPP copier on the building's wire, for as long as the block runs."""

    def __init__(self, here: Building, port: int) -> None:
        self._command = [*here.inside, sys.executable, "-m", "drivers.peers.copier", "--host", BOX]
        self._command += ["--port", str(port), "--state", str(here.folder / f"copier-{port}")]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(b"ipp://")

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


@contextlib.contextmanager
def board(here: Building) -> Iterator[Board]:
    """A board whose file lies in the building and whose recorder stands outside; open as udev opens /dev/gpiochipN."""
    path = here.root / "var/lib/gardien/board"
    path.parent.mkdir(exist_ok=True)
    with Board(path) as pins:
        path.chmod(0o666)
        yield pins


def eventually(here: Building, command: str, wanted: str, within_s: float = 20) -> None:
    """Wait for what a command in the building says."""
    until = time.monotonic() + within_s
    while wanted not in (said := here.do(command, may_fail=True)):
        assert time.monotonic() < until, said
        time.sleep(0.3)


FETCH = """
import ssl, urllib.request
trust = ssl.create_default_context(cafile='/var/lib/gardien/tls/authority.pem')
print(urllib.request.urlopen('https://127.0.0.1:8080{}', timeout=5, context=trust).read().decode())
"""


def fetch(path: str) -> str:
    """Return the command that prints a page, as a browser in the building gets it that trusts the site's authority."""
    return f'python3 -c "{FETCH.format(path)}"'


# A reader in the building: a terminal of its own, which a card is held to after the driver had time to find it.
HOLD_CARD = """
import os, shutil, time
from pathlib import Path
from drivers.peers.readers import ReaderPeer
with ReaderPeer(Path("{reader}")) as reader:
    terminal = os.path.realpath("{reader}")
    shutil.chown(terminal, group="gardien")
    os.chmod(terminal, 0o660)
    time.sleep(6)
    reader.present("{card}")
    time.sleep(3)
"""


def hold_card(here: Building, reader: str, card: str) -> None:
    """Hold a card to one of the building's readers."""
    (here.root / "srv/hold_card.py").write_text(HOLD_CARD.format(reader=reader, card=card), encoding="utf-8")
    here.do("cd /srv && /opt/gardien/venv/bin/python hold_card.py")
