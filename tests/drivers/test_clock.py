"""The machine's time, and how far it is believed: the kernel is asked for real, never imitated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.clock import SystemClock, boottime_of_monotonic, boottime_s, earlier
from drivers.contract import Moment, Trust
from tests.drivers.contract_clock import ClockContract, system, virtual


class TestSystemClock(ClockContract):
    made = staticmethod(system)


class TestVirtualClock(ClockContract):
    made = staticmethod(virtual)


BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2) from another process, through the standard C layout."""
    program = (
        "import ctypes\n"
        "class T(ctypes.Structure):\n"
        " _fields_=[('modes',ctypes.c_uint),('offset',ctypes.c_long),('freq',ctypes.c_long),('maxerror',ctypes.c_long),"
        "('esterror',ctypes.c_long),('status',ctypes.c_int),('rest',ctypes.c_char*400)]\n"
        "t=T(); state=ctypes.CDLL(None).adjtimex(ctypes.byref(t)); print(state != 5 and not t.status & 0x40)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)
    return said.stdout == "True\n"


def test_the_boot_and_the_clocks_are_the_kernels() -> None:
    before, now, after = time.clock_gettime(time.CLOCK_BOOTTIME), SystemClock().now(), boottime_s()
    assert before <= now.mono_s <= after
    assert now.boot == BOOT
    assert abs(now.utc - datetime.now(UTC)) < timedelta(seconds=1)
    assert boottime_of_monotonic(time.monotonic_ns()) == pytest.approx(boottime_s(), abs=0.01)


def test_trust_is_the_kernels_and_falls_back_to_what_the_boot_knows(tmp_path: Path) -> None:
    """On a machine with NTP: synchronised, and the marker is left. Without: unknown, restored, drifting."""
    saved = tmp_path / "saved"
    marker = tmp_path / "clock-synchronised"
    if kernel_is_synchronised():
        assert SystemClock(tmp_path, [saved]).now().trust is Trust.SYNCHRONISED
        assert marker.read_text(encoding="ascii") == BOOT
        return
    assert SystemClock(tmp_path, [saved]).now().trust is Trust.UNKNOWN
    saved.touch()
    assert SystemClock(tmp_path, [saved]).now().trust is Trust.RESTORED
    assert SystemClock(None, [saved]).now().trust is Trust.RESTORED
    marker.write_text("the boot before", encoding="ascii")
    assert SystemClock(tmp_path, [saved]).now().trust is Trust.RESTORED
    marker.write_text(BOOT, encoding="ascii")
    assert SystemClock(tmp_path, [saved]).now().trust is Trust.DRIFTING


def test_a_saved_time_that_lies_ahead_was_not_restored(tmp_path: Path) -> None:
    if kernel_is_synchronised():
        assert SystemClock().now().trust is Trust.SYNCHRONISED
        return
    ahead = tmp_path / "saved"
    ahead.touch()
    tomorrow = time.time() + 86400
    os.utime(ahead, (tomorrow, tomorrow))
    assert SystemClock(tmp_path, [ahead]).now().trust is Trust.UNKNOWN


def test_now_is_cheap() -> None:
    clock = SystemClock()
    started = time.perf_counter()
    for _ in range(10_000):
        clock.now()
    assert time.perf_counter() - started < 1.0  # 100 us each would still be far too much


def test_earlier_moves_both_clocks_by_the_same() -> None:
    now = Moment(datetime(2026, 11, 22, 10, 0, tzinfo=UTC), 100.0, "boot", Trust.DRIFTING)
    then = earlier(now, 97.5)
    assert then == Moment(datetime(2026, 11, 22, 9, 59, 57, 500000, tzinfo=UTC), 97.5, "boot", Trust.DRIFTING)
