"""The pins of a Raspberry Pi, read from outside the emulated machine in its SoC's own registers: `./dev board pi`.

The one idea: whether a pin is driven, and to what, stands in two registers (BCM2835 ARM Peripherals, section 6.1:
GPFSELn, three bits a pin, 001 is "output"; GPLEVn, one bit a pin), and the machine's monitor reads them whoever lives
or dies inside. A pin that is an input is nobody's: what is wired to it decides. A look takes about a millisecond; what
is shorter may go unseen.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

GPIO = 0x3F200000  # of the BCM2837, as its processors see it
LEVELS = 0x34 // 4  # GPLEV0, in words
OUTPUT = 0b001
LOOK = {
    "execute": "human-monitor-command",
    "arguments": {"command-line": f"xp /{LEVELS + 1}xw {GPIO:#x}"},
}


def driven(words: list[int], pin: int) -> bool | None:
    """Return the level to which `pin` (0 to 31) is driven; None if it is not an output."""
    if words[pin // 10] >> pin % 10 * 3 & 0b111 != OUTPUT:
        return None
    return bool(words[LEVELS] >> pin & 1)


class Registers:
    """Looks at one pin until the machine is gone; `moved` is told when it begins or ceases to be driven `active`."""

    def __init__(self, monitor: Path, pin: int, *, active: bool, moved: Callable[[int, float], None]) -> None:
        self._pin, self._active, self._moved = pin, active, moved
        self.looks = 0
        self._wire = socket.socket(socket.AF_UNIX)
        self._wire.connect(str(monitor))
        self._said = self._wire.makefile("r", encoding="utf-8")
        self._said.readline()  # the greeting
        self._ask({"execute": "qmp_capabilities"})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; the monitor is free again."""
        self._stop.set()
        self._thread.join()
        self._said.close()
        self._wire.close()

    def _watch(self) -> None:
        before = False
        while not self._stop.is_set():
            try:
                said = self._ask(LOOK)
            except (OSError, ValueError):  # the machine is gone
                return
            words = [int(word, 16) for row in said.splitlines() for word in re.findall(r" (0x[0-9a-f]{8})", row)]
            now = driven(words, self._pin) is self._active
            self.looks += 1
            if now is not before:
                self._moved(int(now), time.time())
                before = now

    def _ask(self, command: dict[str, object]) -> str:
        self._wire.sendall(json.dumps(command).encode() + b"\n")
        while "return" not in (said := json.loads(self._said.readline())):
            if "error" in said:
                raise OSError(said["error"])
        return str(said["return"])
