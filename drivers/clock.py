"""The machine's time, and how far it can be believed.

A Pi has no clock of its own and boots wrong exactly when a link is down. So every instant carries three things: UTC for
people, CLOCK_BOOTTIME for durations (clock_gettime(2): it counts through suspend and no step of the date moves it),
and a trust level taken from the kernel (adjtimex(2), ntp_adjtime(3): TIME_ERROR or STA_UNSYNC mean that nobody
disciplines the clock). This file reads time and nothing else does; it never sets it.

With chrony the kernel's flag is only cleared under `rtcsync`; systemd-timesyncd and ntpd always clear it.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drivers.contract import Moment, Trust

TRUST_FOR_S = 1.0  # one adjtimex(2) a second is enough: an NTP client needs minutes to change its mind
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised to a reliable server
STA_UNSYNC = 0x40
SAVED_CLOCKS = (Path("/var/lib/systemd/timesync/clock"), Path("/etc/fake-hwclock.data"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime_s() -> float:
    """Return CLOCK_BOOTTIME in seconds. Any thread; never blocks."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boottime_of_monotonic(monotonic_ns: int) -> float:
    """Return the CLOCK_BOOTTIME seconds of a CLOCK_MONOTONIC stamp, as the GPIO character device gives them.

    The two differ by the time spent suspended, which is taken as it is now.
    """
    return boottime_s() - (time.monotonic_ns() - monotonic_ns) / 1e9


def earlier(now: Moment, mono_s: float) -> Moment:
    """Return the Moment at which this boot's clock stood at `mono_s`, seen from `now`."""
    return replace(now, mono_s=mono_s, utc=now.utc - timedelta(seconds=now.mono_s - mono_s))


class SystemClock:
    """`contract.Clock` on Linux. One per process; any thread.

    `run` (optional) is a folder that is gone at reboot: there the services tell one another, by a marker with the boot
    id, that the clock was synchronised once in this boot. `saved` are the files whose age bounds a restored clock.
    """

    def __init__(self, run: Path | None = None, saved: Sequence[Path] = SAVED_CLOCKS) -> None:
        self._marker = None if run is None else run / "clock-synchronised"
        self._saved = tuple(saved)
        self._boot = _BOOT_ID.read_text(encoding="ascii").strip()
        self._kernel = _Kernel()
        self._was_synchronised = False
        self._trust = Trust.UNKNOWN
        self._asked_s = -TRUST_FOR_S

    def now(self) -> Moment:
        """Return this instant. The trust level is at most one second old."""
        mono_s = boottime_s()
        if mono_s - self._asked_s >= TRUST_FOR_S:
            self._asked_s = mono_s
            self._trust = self._judge()
        return Moment(datetime.now(UTC), mono_s, self._boot, self._trust)

    def _judge(self) -> Trust:
        if self._kernel.synchronised():
            self._remember()
            return Trust.SYNCHRONISED
        if self._was_synchronised or self._marked():
            return Trust.DRIFTING
        return Trust.RESTORED if self._restored() else Trust.UNKNOWN

    def _remember(self) -> None:
        if self._was_synchronised:
            return
        self._was_synchronised = True
        if self._marker is None or self._marked():
            return
        aside = self._marker.with_name(f".{self._marker.name}.{os.getpid()}")
        try:
            aside.write_text(self._boot, encoding="ascii")
            aside.replace(self._marker)
        except OSError:
            self._marker = None  # a full or missing run folder: this process still knows by itself

    def _marked(self) -> bool:
        try:
            return self._marker is not None and self._marker.read_text(encoding="ascii") == self._boot
        except OSError:
            return False

    def _restored(self) -> bool:
        """Say whether this boot went on from a saved time: its file exists, and the clock is not before it."""
        for file in self._saved:
            try:
                if file.stat().st_mtime <= time.time():
                    return True
            except OSError:
                continue
        return False


class _Kernel:
    """Asks adjtimex(2), reading only. The struct is wider than any architecture's; `status` stands at 40 (64-bit)."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None).adjtimex
        self._timex = ctypes.create_string_buffer(512)

    def synchronised(self) -> bool:
        ctypes.memset(self._timex, 0, len(self._timex))  # modes = 0: change nothing
        state = int(self._adjtimex(self._timex))
        status = int.from_bytes(self._timex.raw[40:44], "little")
        return 0 <= state < TIME_ERROR and not status & STA_UNSYNC
