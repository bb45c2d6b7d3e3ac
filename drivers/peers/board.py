"""An emulated board: GPIO lines in a shared file, with a kernel's manners and a recorder that nobody can edit.

The one idea: the file *is* the wire. Whoever claims a line holds an open-file-description lock on its byte
(fcntl(2), F_OFD_SETLK), which Linux drops when the owner dies by whatever death, as it closes a real line's
descriptor; a forked child keeps it, as it would keep the real line. Every change of a level is stamped into a ring
beside the level, so a blip of a microsecond is seen. A process of its own plays the kernel and the recorder:

- a line whose owner is gone becomes an input and falls to its pull (mainline default), or stays driven (`persist`, the
  default of Raspberry Pi OS, pinctrl-bcm2835 `persist_gpio_outputs`);
- every change goes to a record file: line, level, when it happened, when the recorder saw it (CLOCK_BOOTTIME).

What it does not emulate: slew, current, the bias of real pins at boot, the kernel's own debouncing.
One process at a time drives a given input from outside.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from drivers.peers.wires import PULLS, RING, Wires, try_lock

if TYPE_CHECKING:
    from drivers.chips import Edge

LINES = 28  # GPIO0..27, as on a Pi's header
_OWNERS_S = 0.005  # how often the kernel's part looks for dead owners
_BUSY_S = 0.05  # the kernel's part holds a line's lock for microseconds: wait that out before saying "busy"


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded change of a line."""

    line: int
    high: bool
    mono_s: float  # when it happened (CLOCK_BOOTTIME)
    seen_s: float  # when the recorder saw it


class BoardChip:
    """`drivers.chips.Chip` on an emulated board: what a process under test holds instead of /dev/gpiochipN."""

    def __init__(self, path: Path) -> None:
        from drivers.chips import Edge  # noqa: PLC0415  (the board's own process never loads gpiod)
        from drivers.contract import DriverError  # noqa: PLC0415  (only clients need it)

        self._edge: type[Edge] = Edge
        try:
            self._wires = Wires(path)
        except OSError as error:
            raise DriverError(f"no emulated board at {path}: {error}") from error
        self.lines = self._wires.lines
        self._locks: dict[int, int] = {}  # line -> descriptor whose lock makes us its owner
        self._watched: dict[int, int] = {}  # line -> changes seen
        self._nudged = False

    def _lock(self, line: int) -> None:
        if line in self._locks:
            return
        fd = os.open(self._wires.path, os.O_RDWR | os.O_CLOEXEC)
        limit = time.monotonic() + _BUSY_S
        while not try_lock(fd, line):
            if time.monotonic() > limit:
                os.close(fd)
                raise OSError(errno.EBUSY, f"line {line} has another owner, pid {self._wires.owner(line)}")
            time.sleep(0.001)
        self._locks[line] = fd

    def claim_output(self, line: int, *, high: bool) -> None:
        """See `Chip`."""
        self._lock(line)
        self._watched.pop(line, None)
        self._wires.own(line, output=True, high=high)

    def claim_input(self, line: int, pull: str, *, edges: bool) -> None:
        """See `Chip`."""
        self._lock(line)
        self._wires.own(line, output=False, soft_pull=PULLS[pull])
        self._watched = {other: seen for other, seen in self._watched.items() if other != line}
        if edges:
            self._watched = {**self._watched, line: self._wires.count(line)}

    def read(self, line: int) -> bool:
        """See `Chip`. A board whose file was taken away is a lost chip."""
        if not self._wires.path.exists():
            raise OSError(errno.ENODEV, f"the board {self._wires.path} is gone")
        return self._wires.level(line)

    def peek(self, line: int) -> bool | None:
        """See `Chip`."""
        return self._wires.level(line)

    def write(self, line: int, *, high: bool) -> None:
        """See `Chip`."""
        self._wires.put(line, high=high)

    def free(self, line: int) -> None:
        """See `Chip`."""
        self._watched = {other: seen for other, seen in self._watched.items() if other != line}
        fd = self._locks.pop(line, None)
        if fd is not None:
            os.close(fd)

    def wait(self, timeout_s: float) -> list[Edge]:
        """See `Chip`."""
        generation = self._wires.generation()
        edges = self._fresh()
        if not edges and not self._nudged:
            self._wires.wait(generation, timeout_s)
            edges = self._fresh()
        self._nudged = False
        return edges

    def _fresh(self) -> list[Edge]:
        edges = []
        for line, seen in list(self._watched.items()):
            since = max(seen, self._wires.count(line) - RING // 2)  # more than that, unread, is lost as in the kernel
            fresh = [self._edge(line, high, at_s) for high, at_s in self._wires.changes(line, since)]
            if fresh and line in self._watched:
                self._watched[line] = since + len(fresh)
            edges += fresh
        return edges

    def nudge(self) -> None:
        """See `Chip`."""
        self._nudged = True
        self._wires.wake()

    def close(self) -> None:
        """See `Chip`. The mapping itself goes with the process: the notifier may still be in it."""
        for line in list(self._locks):
            self.free(line)


class Board:
    """A board for as long as the block runs: its file, and the process that plays kernel and recorder.

    `pulls` names the external resistors ("up", "down", "floating"; default down). The record lies beside the file.
    """

    def __init__(
        self, path: Path, *, lines: int = LINES, persist: bool = True, pulls: Mapping[int, str] | None = None
    ) -> None:
        self.path = path
        self.chip = f"board:{path}"  # what a site file says
        self._make = (lines, dict(pulls or {}), persist)
        self._server: subprocess.Popen[bytes] | None = None
        self._wires: Wires | None = None

    def __enter__(self) -> Self:
        lines, pulls, persist = self._make
        Wires.create(self.path, lines, pulls, persist=persist)
        self._wires = Wires(self.path)
        command = [sys.executable, "-m", "drivers.peers.board", str(self.path)]
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=environment)
        if self._server.stdout is None or self._server.stdout.readline() != b"ready\n":
            raise OSError(errno.EIO, "the board's process did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
        self.wires.close()
        self.path.unlink(missing_ok=True)

    @property
    def wires(self) -> Wires:
        """The mapped file of a started board."""
        if self._wires is None:
            raise OSError(errno.ENODEV, "the board is not started")
        return self._wires

    def drive(self, line: int, *, high: bool | None) -> None:
        """Drive an input from outside (a contact, a button); None lets go of it."""
        self.wires.drive(line, high=high)

    def press(self, line: int, for_s: float, *, high: bool = True) -> None:
        """Press for so long; blocks."""
        self.drive(line, high=high)
        time.sleep(for_s)
        self.drive(line, high=None)

    def bounce(self, line: int, edges: int, gap_s: float = 0.002) -> None:
        """Toggle an input `edges` times, `gap_s` apart: a real contact closing. Odd numbers change it in the end."""
        for _ in range(edges):
            self.drive(line, high=not self.wires.level(line))
            time.sleep(gap_s)

    def level(self, line: int) -> bool:
        """Return the level of a line now."""
        return self.wires.level(line)

    def record(self, line: int) -> list[Change]:
        """Return all recorded changes of a line since the board was made. Waits for the recorder to catch up."""
        limit = time.monotonic() + 2.0
        while self.wires.drained(line) < self.wires.count(line):
            if time.monotonic() > limit:
                raise OSError(errno.EIO, "the board's recorder fell behind")
            time.sleep(0.001)
        found = (row.split() for row in _record_of(self.path).read_text(encoding="ascii").splitlines())
        return [Change(int(a), b == "1", float(c), float(d)) for a, b, c, d in found if int(a) == line]


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.record")


def main() -> None:
    """Play the kernel and the recorder for the board at argv[1] until stdin closes (its maker died)."""
    path = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))  # a kernel waits for no process
    with Wires(path) as wires, _record_of(path).open("w", encoding="ascii", buffering=1) as record:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        os.set_blocking(0, False)
        written = -1
        print("ready", flush=True)  # noqa: T201  (the maker waits for this line)
        while not _maker_is_gone():
            generation = wires.generation()
            if generation != written:
                _write_down(wires, record)
                written = generation
            _release_orphans(wires, descriptor)
            wires.wait(generation, _OWNERS_S)


def _release_orphans(wires: Wires, descriptor: int) -> None:
    """Find claimed lines that nobody holds any more."""
    for line in range(wires.lines):
        if wires.claimed(line) and try_lock(descriptor, line):
            if wires.claimed(line):
                wires.orphan(line)
            try_lock(descriptor, line, fcntl.F_UNLCK)


def _write_down(wires: Wires, record: TextIO) -> None:
    """Append all lines' new changes to the record."""
    for line in range(wires.lines):
        since = wires.drained(line)
        if wires.count(line) == since:
            continue
        fresh = list(wires.changes(line, since))
        seen_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        record.writelines(f"{line} {high:d} {at_s:.6f} {seen_s:.6f}\n" for high, at_s in fresh)
        wires.set_drained(line, since + len(fresh))


def _maker_is_gone() -> bool:
    with contextlib.suppress(BlockingIOError):
        return os.read(0, 1) == b""
    return False


if __name__ == "__main__":
    main()
