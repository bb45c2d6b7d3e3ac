"""How long somebody who gave a wrong secret waits before the next try.

The one idea: the delay grows and the ban never comes. A few mistakes cost nothing; then each costs twice the last one,
up to a bound that a person can sit out. Whoever knows the secret always gets in, later. After a calm day everything is
forgotten. (NIST SP 800-63B section 5.2.2 asks for a limit on the rate of tries; bans of an address hit the phones of
those who live behind it.)

Values in, values out: the time is given. A clock that jumped back is met with the same delay again, never with more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Slowness:
    """How patient we are with one kind of secret."""

    free: int  # wrong tries that cost nothing
    first_s: float  # the first wait; each further failure doubles it
    longest_s: float
    forget_s: float = 86_400.0  # without a failure for this long: as if there had been none


@dataclass(frozen=True, slots=True)
class Tries:
    """The failures counted against one account, address or code."""

    failures: int
    last: datetime  # of the last failure, UTC


ACCOUNT = Slowness(free=5, first_s=2.0, longest_s=900.0)
ADDRESS = Slowness(free=10, first_s=2.0, longest_s=900.0)  # several people may stand behind one
PIN = Slowness(free=5, first_s=900.0, longest_s=900.0)  # six digits: five tries, then a quarter of an hour each


def wait_s(tries: Tries | None, slowness: Slowness, now: datetime) -> float:
    """Return how many seconds are left to wait; 0: try."""
    if tries is None or tries.failures < slowness.free:
        return 0.0
    doublings = min(tries.failures - slowness.free, 32)
    delay = min(slowness.first_s * 2.0**doublings, slowness.longest_s)
    return max(0.0, delay - max(0.0, (now - tries.last).total_seconds()))


def failed(tries: Tries | None, slowness: Slowness, now: datetime) -> Tries:
    """Count one more failure."""
    if tries is None or now - tries.last > timedelta(seconds=slowness.forget_s):
        return Tries(1, now)
    return Tries(tries.failures + 1, now)


def looked_at(tries: Tries, now: datetime) -> Tries:
    """Return the tries as of a clock that says `now`: a failure in its future happened now, at the latest."""
    return Tries(tries.failures, min(tries.last, now))
