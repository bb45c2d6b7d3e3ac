"""The whole door service on a real USB reader and a real GPIO device: `./dev board`. Runs inside the machine, as root.

The reader is an FTDI serial port on the machine's USB bus (QEMU usb-serial, the kernel's ftdi_sio), found by the name
that udev gives it in /dev/serial/by-id; it is plugged and unplugged from outside (`street`), each time with another
/dev/ttyUSB number taken meanwhile. The witness of the relay is the bridge's record. A time counts from the moment the
street is asked, so it holds the console's and the monitor's milliseconds too; what passes before the reader has its
name is the kernel's and udev's own, and is told apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from agent.live import read_pictures
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.facts import FormulaId
from drivers.clock import SystemClock, boottime_s
from drivers.contract import CardNumber
from tests.board.scene import LABEL, RELAY, pulses, told

READER = Path("/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_porte-if00-port0")
CARD, FRAME = "0A00C8F31B", b"\x020A00C8F31B2A\x03"
HOLD_S, CAP_S = 2.0, 5.0
START_S = 120.0
EMULATED_S = 1.0  # beyond the 2 s of a site: the wait is over after 1.8 s at most, the rest is programs run slowly
SITE = """[site]
name = "Essai"
code = "essai"
[hours]
[door]
key_box = "ici"
night_phone = "1"
[door.lock]
kind = "gpio"
chip = "{chip}"
line = {line}
active_high = {high}
hold_s = {hold}
cap_s = {cap}
{more}"""
READERS = f'[readers.porte]\nkind = "serial"\nat = "door"\ndevice = "{READER}"\n'


def ask(*words: str) -> float:
    """Ask the street for something; return when."""
    print("street:", *words, flush=True)
    return boottime_s()


def until(condition: Callable[[], bool], limit_s: float, what: str) -> float:
    """Wait for a condition; return when it was seen. Raises AssertionError."""
    limit = boottime_s() + limit_s
    while not condition():
        assert boottime_s() < limit, f"{what}: not within {limit_s:g} s"
        time.sleep(0.01)
    return boottime_s()


def site_file(folder: Path, line: int, *, high: bool, more: str) -> Path:
    file = folder / "site.toml"
    said = SITE.format(chip=LABEL, line=line, high=str(high).lower(), hold=HOLD_S, cap=CAP_S, more=more)
    file.write_text(said, encoding="utf-8")
    (folder / "state").mkdir()
    return file


def command(folder: Path, *words: str) -> list[str]:
    places = ["--state", str(folder / "state"), "--run", str(folder / "run")]
    return [sys.executable, "-m", "agent.cli", "--site", str(folder / "site.toml"), *places, *words]


class Door:
    """The running door service and what can be seen of it."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        with Ledger.open(folder / "state" / "ledger.db") as ledger:
            store = RosterStore.open(folder / "state", ledger, SystemClock())
            member = store.add_member("Anne", FormulaId("subscriber"), actor="test", since=date(2020, 1, 1))
            store.give_card(member, CardNumber(CARD), actor="test")
            store.settle()
            store.close()
        self.service = subprocess.Popen(command(folder, "run", "door"), stdin=subprocess.DEVNULL)

    def hears(self) -> bool:
        """Say whether the service shows its reader as working."""
        picture = read_pictures(self.run).get("door")
        driver = picture and picture.drivers.get("readers.porte")
        return bool(driver and driver.working)

    def reads(self) -> bool:
        """Say whether the service has the reader open."""
        device = os.path.realpath(READER)
        return any(os.path.realpath(one) == device for one in Path(f"/proc/{self.service.pid}/fd").iterdir())

    def cpu_share(self, for_s: float) -> float:
        """Return which share of a core the service used for a while."""

        def used() -> int:
            return sum(map(int, Path(f"/proc/{self.service.pid}/stat").read_text(encoding="ascii").split()[13:15]))

        before, began = used(), boottime_s()
        time.sleep(for_s)
        return (used() - before) / os.sysconf("SC_CLK_TCK") / (boottime_s() - began)

    def opens(self, limit_s: float, since_s: float) -> float:
        """Present the card until the relay moves, as people do; return how long that took, in seconds."""
        before = len(pulses(RELAY))
        while len(pulses(RELAY)) == before:
            assert boottime_s() < since_s + limit_s + 30, "the card does not open"
            asked = ask("bytes", "porte", FRAME.hex())
            while len(pulses(RELAY)) == before and boottime_s() < asked + 1.2:  # away for a second: presented again
                time.sleep(0.005)
        return pulses(RELAY)[-1][0] - since_s


def reader() -> None:
    """A card through a USB reader opens; unplugged it is told and nothing spins; back under another name it works."""
    with tempfile.TemporaryDirectory(dir="/run") as made:
        site_file(Path(made), RELAY, high=True, more=READERS)
        ask("plug", "porte")
        until(READER.is_symlink, 60, "the reader's name in by-id")
        door = Door(Path(made))
        try:
            until(lambda: door.hears() and door.reads(), START_S, "the door hears its reader")
            told("a card's frame asked for, to the relay", door.opens(1.0, boottime_s()), 1.0)
            idle = door.cpu_share(3.0)
            ask("bytes", "porte", FRAME[:9].hex())
            asked = ask("unplug", "porte")
            lost = until(lambda: not door.hears(), 30, "the lost reader is told")
            told("the reader unplugged in mid-frame, told", lost - asked, 5.0)
            share = door.cpu_share(4.0)
            print(f"board: the door's share of a core: {idle:.3f} with its reader, {share:.3f} without", flush=True)
            assert share < idle + 0.1, "it spins"
            ask("plug", "autre")  # takes the number the reader had
            until(Path("/dev/ttyUSB0").exists, 60, "another serial port")
            asked = ask("plug", "porte")
            there = until(Path("/dev/ttyUSB1").exists, 60, "the reader's port, again")
            named = until(READER.is_symlink, 60, "the reader's name in by-id, again")
            print(f"board: replugged: {there - asked:.3f} s to the kernel's port, {named - there:.3f} s to udev's name")
            heard = until(door.reads, 60, "the service opens its reader again")
            told("from that name to the service's hearing it again", heard - named, 2.0 + EMULATED_S)
            told("a card's frame asked for, to the relay, again", door.opens(1.0, boottime_s()), 1.0)
            until(door.hears, 10, "the reader is shown as working")
        finally:
            door.service.terminate()
            door.service.wait(30)
    time.sleep(0.5)
    assert all(ended is not None for _, ended in pulses(RELAY)), "left released"


if __name__ == "__main__":
    reader()
    print("board: the reader; all well", flush=True)
