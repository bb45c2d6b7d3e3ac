"""What every Clock does. A subject is one line in the test file that runs this suite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from drivers.clock import SystemClock
from drivers.contract import Clock, Trust
from drivers.virtual import VirtualClock, VirtualLoop


def system(folder: Path) -> Clock:
    """The machine's own."""
    return SystemClock(folder)


def virtual(_folder: Path) -> Clock:
    """The simulated one, standing still."""
    loop = VirtualLoop()
    loop.close()
    return VirtualClock(loop, datetime(2026, 11, 1, tzinfo=UTC))


class ClockContract:
    """Inherit, and name the subject."""

    made: Callable[[Path], Clock]

    def test_moments_never_go_back_and_say_which_boot(self, tmp_path: Path) -> None:
        clock = type(self).made(tmp_path)
        moments = [clock.now() for _ in range(1000)]
        assert all(before.mono_s <= after.mono_s for before, after in pairwise(moments))
        assert len({moment.boot for moment in moments}) == 1
        assert moments[0].boot

    def test_utc_is_aware_and_in_utc(self, tmp_path: Path) -> None:
        assert type(self).made(tmp_path).now().utc.utcoffset() == timedelta(0)

    def test_trust_is_said(self, tmp_path: Path) -> None:
        assert type(self).made(tmp_path).now().trust in Trust
