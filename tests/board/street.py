"""The street side of the emulated machine: plugs USB card readers in and out and presents cards, when the scene asks.

The one idea: the scene runs inside and can touch no plug, so it says on its console what it wants: `street: plug NAME`,
`street: unplug NAME`, `street: bytes NAME HEX`. This program stands outside, reads the console on its standard input,
passes every line on, and does what a line asks through the machine's monitor (QMP) and the readers' character devices.
The bridge that outlives a reboot stands here too: `street: bridge` plugs it in, `street: mark STEP` forgets what its
relay did and keeps STEP for the next boot, `street: judge LIMIT_S WORDS` says how long it was released since, `street:
watchdog LIMIT_S WORDS` how soon after that release the hardware watchdog reset the machine. A relay on the machine's
own pin: `street: relay PIN LEVEL` watches that one instead, `street: struck` keeps the moment, `street: fell LIMIT_S
WORDS` says how long after it the relay was let go, `street: quit` ends the machine. It knows nothing of gardien.

    python -m tests.board.street FOLDER      where the sockets `qmp` and one per reader stand
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path

from tests.board.outside import Outside
from tests.board.registers import Registers

LIMIT_S = 60.0
ASK = "street: "
RELAY = 0  # the bridge's pin


class Street:
    """The machine's plugs. Blocks; raises OSError when the machine is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._monitor: socket.socket | None = None
        self._readers: dict[str, socket.socket] = {}
        self._moves: list[tuple[int, float]] = []  # of the outside bridge's relay: level, when (UTC, as QMP's events)
        self._bites: list[float] = []  # of the watchdog
        self._pin: Registers | None = None
        self._struck_s = 0.0

    def do(self, words: list[str]) -> None:
        """Do one thing that was asked for."""
        match words:
            case ["plug", name]:
                if name not in self._readers:
                    self._readers[name] = self._connect(name)
                wired = {"driver": "usb-serial", "chardev": name, "id": name, "serial": name, "always-plugged": True}
                self._tell("device_add", wired)
            case ["unplug", name]:
                self._tell("device_del", {"id": name})
            case ["bytes", name, text]:
                self._readers[name].sendall(bytes.fromhex(text))
            case ["bridge"]:
                wire = self._connect("bridge")
                wire.settimeout(None)  # a machine at rest says nothing
                threading.Thread(target=Outside(wire, self._moved).serve, daemon=True).start()
                self._tell("device_add", {"driver": "usb-redir", "chardev": "bridge", "id": "bridge"})
            case ["mark", step]:
                self._tell("query-status", {})  # with it come the events until now
                self._moves.clear()
                self._bites.clear()
                (self._folder / "step").write_text(step, encoding="ascii")
            case ["judge", limit, *what]:
                print(f"board: {' '.join(what)}: {self._judged(float(limit))}", flush=True)
            case ["watchdog", limit, *what]:
                self._tell("query-status", {})
                print(f"board: {' '.join(what)}: {self._bitten(float(limit))}", flush=True)
            case ["relay" | "struck" | "fell" | "quit", *_]:
                self._at_the_pins(words)
            case _:
                raise ValueError(f"the street cannot {' '.join(words)!r}")

    def _at_the_pins(self, words: list[str]) -> None:
        """Do one thing that a Raspberry Pi asked for."""
        match words:
            case ["relay", pin, level]:
                if self._pin is not None:
                    self._pin.close()
                self._moves.clear()
                monitor = self._folder / "pins"
                self._pin = Registers(monitor, int(pin), active=level == "1", moved=partial(self._moved, RELAY))
            case ["struck"]:
                self._struck_s = time.time()
            case ["fell", limit, *what]:
                print(f"board: {' '.join(what)}: {self._fallen(float(limit))}", flush=True)
            case ["quit"]:  # that machine has no power switch: halted, it stays
                self._tell("quit", {})

    def _moved(self, pin: int, level: int, at_s: float) -> None:
        if pin == RELAY:
            self._moves.append((level, at_s))

    def _judged(self, limit_s: float) -> str:
        """Say how long the relay was released since the mark: once, and at rest since."""
        match self._moves:
            case [(1, began_s), (0, ended_s)]:
                return _verdict(ended_s - began_s, limit_s)
            case _:
                return f"{[level for level, _ in self._moves]} instead of one release and one rest: BAD"

    def _bitten(self, limit_s: float) -> str:
        if len(self._bites) != 1 or not self._moves:
            return f"{len(self._bites)} resets by the watchdog instead of one: BAD"
        return _verdict(self._bites[0] - self._moves[0][1], limit_s)

    def _fallen(self, limit_s: float) -> str:
        match self._moves:
            case [(1, began_s), (0, ended_s)] if began_s < self._struck_s:
                return _verdict(ended_s - self._struck_s, limit_s)
            case _:
                return f"{[level for level, _ in self._moves]} instead of one release and one rest: BAD"

    def _connect(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(LIMIT_S)
        made.connect(str(self._folder / name))
        return made

    def _tell(self, command: str, arguments: dict[str, object]) -> None:
        """Give the monitor one command and wait for its answer; events between are passed over."""
        if self._monitor is None:
            self._monitor = self._connect("qmp")
            self._lines = self._monitor.makefile("r", encoding="utf-8")
            self._lines.readline()  # the greeting
            self._tell("qmp_capabilities", {})
        self._monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while not {"return", "error"} & (said := json.loads(self._lines.readline())).keys():
            if said.get("event") == "WATCHDOG":
                self._bites.append(said["timestamp"]["seconds"] + said["timestamp"]["microseconds"] / 1e6)
        if "error" in said:
            raise OSError(f"{command}: {said['error']}")


def _verdict(took_s: float, limit_s: float) -> str:
    return f"{took_s:.3f} s, at most {limit_s:.2f} s: {'well' if took_s <= limit_s else 'BAD'}"


def main() -> None:
    street = Street(Path(sys.argv[1]))
    for row in sys.stdin.buffer:
        line = row.decode("utf-8", "replace").rstrip()
        print(line, flush=True)
        if line.startswith(ASK):
            street.do(line.removeprefix(ASK).split())


if __name__ == "__main__":
    main()
