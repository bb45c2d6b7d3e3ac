"""The wire of the emulated board: a mapped file with a level, an owner and a ring of stamped changes for every line.

The file's layout is known here and nowhere else. One page per line after a head page; the head holds a word that
differs after every change and that processes sleep on (futex(2), shared). Every change of a level is stamped where it
is made, so a blip of a microsecond is seen by whoever looks later. Owning a line is a lock on its byte (fcntl(2),
F_OFD_SETLK), which Linux drops when the owner is gone. 64-bit Linux only.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

PULLS = {"floating": 0, "down": 1, "up": 2}
RING = 500  # changes a line may make before somebody looks
_MAGIC = b"GRDBOARD"
_PAGE = 4096
_FREE = 255  # nothing drives the line from outside
_FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]  # syscall numbers


class _Timespec(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("nsec", ctypes.c_long))


class Wires:
    """The board's file, mapped: levels, owners and rings. A context manager. Raises OSError if it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            if file.read(8) != _MAGIC:
                raise OSError(errno.EINVAL, "not an emulated board", str(path))
            self._map = mmap.mmap(file.fileno(), 0)
        (self.lines,) = struct.unpack_from("<I", self._map, 8)
        self._generation = ctypes.c_uint32.from_buffer(self._map, 16)
        self._syscall = ctypes.CDLL(None).syscall

    @staticmethod
    def create(path: Path, lines: int, pulls: Mapping[int, str], *, persist: bool) -> None:
        """Write a board with every line an input at its pull."""
        blank = bytearray(_PAGE * (lines + 1))
        struct.pack_into("<8sII", blank, 0, _MAGIC, lines, persist)
        for line in range(lines):
            pull = PULLS[pulls.get(line, "down")]
            struct.pack_into("<6B", blank, _PAGE * (line + 1), 0, pull == PULLS["up"], 0, pull, _FREE, 0)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_bytes(blank)
        aside.replace(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmap."""
        del self._generation
        self._map.close()

    def _byte(self, line: int, offset: int) -> int:
        return self._map[self._at(line) + offset]

    def _set(self, line: int, offset: int, value: int) -> None:
        self._map[self._at(line) + offset] = value

    def _at(self, line: int) -> int:
        if not 0 <= line < self.lines:
            raise OSError(errno.EINVAL, f"no line {line} on a board of {self.lines}")
        return _PAGE * (line + 1)

    @property
    def persist(self) -> bool:
        """Say whether an output outlives its owner."""
        return bool(struct.unpack_from("<I", self._map, 12)[0])

    @persist.setter
    def persist(self, on: bool) -> None:
        struct.pack_into("<I", self._map, 12, on)

    def level(self, line: int) -> bool:
        """Return the physical level."""
        return bool(self._byte(line, 1))

    def is_output(self, line: int) -> bool:
        """Say whether the line is driven by the board."""
        return bool(self._byte(line, 0))

    def claimed(self, line: int) -> bool:
        """Say whether the line was claimed and the kernel's part has not released it since."""
        return bool(self._byte(line, 2))

    def put(self, line: int, *, high: bool) -> None:
        """Change the level, stamp it, wake all who wait."""
        if self.level(line) == high:
            return
        at, count = self._at(line), self.count(line)
        stamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME) << 1 | high
        struct.pack_into("<Q", self._map, at + 32 + 8 * (count % RING), stamp)
        self._map[at + 1] = high
        struct.pack_into("<Q", self._map, at + 16, count + 1)
        self.wake()

    def drive(self, line: int, *, high: bool | None) -> None:
        """Drive an input from outside; None lets go of it. An output ignores it, as a strong driver would."""
        self._set(line, 4, _FREE if high is None else high)
        if not self.is_output(line):
            self.put(line, high=self.resting(line))

    def resting(self, line: int) -> bool:
        """Return the level the line has as an input: driven from outside, else the resistor, else the soft pull."""
        outside = self._byte(line, 4)
        if outside != _FREE:
            return bool(outside)
        return (self._byte(line, 3) or self._byte(line, 5)) == PULLS["up"]

    def own(self, line: int, *, output: bool, soft_pull: int = 0, high: bool = False) -> None:
        """Write down a claim (the caller holds the lock) and give the line its level in the same breath."""
        self._set(line, 0, output)
        self._set(line, 5, soft_pull)
        struct.pack_into("<i", self._map, self._at(line) + 8, os.getpid())
        self.put(line, high=high if output else self.resting(line))
        self._set(line, 2, 1)

    def owner(self, line: int) -> int:
        """Return the pid that claimed the line last, 0 when it is free."""
        return int(struct.unpack_from("<i", self._map, self._at(line) + 8)[0])

    def orphan(self, line: int) -> None:
        """Do what the kernel does with the line of a dead owner (the caller holds the lock)."""
        if not (self.is_output(line) and self.persist):
            self._set(line, 0, 0)
            self._set(line, 5, 0)
            self.put(line, high=self.resting(line))
        struct.pack_into("<i", self._map, self._at(line) + 8, 0)
        self._set(line, 2, 0)  # last: who sees the line free sees it at rest

    def count(self, line: int) -> int:
        """Return how often the line has changed since the board was made."""
        return int(struct.unpack_from("<Q", self._map, self._at(line) + 16)[0])

    def drained(self, line: int) -> int:
        """Return how many of these changes the recorder has written down."""
        return int(struct.unpack_from("<Q", self._map, self._at(line) + 24)[0])

    def set_drained(self, line: int, count: int) -> None:
        """Tell the readers of the record how far it goes."""
        struct.pack_into("<Q", self._map, self._at(line) + 24, count)

    def changes(self, line: int, since: int) -> Iterator[tuple[bool, float]]:
        """Yield (level, seconds) of changes number `since` and later. Raises OSError if the ring was overrun."""
        until = self.count(line)
        if until - since > RING:
            raise OSError(errno.EOVERFLOW, f"line {line} changed {until - since} times unseen")
        for number in range(since, until):
            (stamp,) = struct.unpack_from("<Q", self._map, self._at(line) + 32 + 8 * (number % RING))
            yield bool(stamp & 1), (stamp >> 1) / 1e9

    def generation(self) -> int:
        """Return a word that differs after every change."""
        return int(self._generation.value)

    def wake(self) -> None:
        """Wake every `wait` (futex(2), shared between processes)."""
        self._generation.value = time.monotonic_ns() & 0xFFFFFFFF
        self._syscall(_FUTEX, ctypes.byref(self._generation), 1, 0x7FFFFFFF, None, None, 0)

    def wait(self, generation: int, timeout_s: float) -> None:
        """Wait until something differs from `generation`, at most `timeout_s`."""
        limit = _Timespec(int(timeout_s), int(timeout_s % 1 * 1e9))
        word = ctypes.byref(self._generation)
        self._syscall(_FUTEX, word, 0, ctypes.c_uint32(generation), ctypes.byref(limit), None, 0)


def try_lock(fd: int, line: int, kind: int = fcntl.F_WRLCK) -> bool:
    """Try to take (or, with F_UNLCK, give back) the lock of a line for this open file description."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, line, 1, 0))
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True
