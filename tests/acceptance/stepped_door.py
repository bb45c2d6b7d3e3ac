"""`gardien` whose date can be stepped while it runs: `python -m tests.acceptance.stepped_door STEP_FILE ARGS...`

The file holds seconds; they are added to the date (CLOCK_REALTIME) as `drivers.clock` reads it, and to nothing else:
the machine's own clock stays as it is. Pulses and deadlines are on CLOCK_BOOTTIME, which nobody can step. Once it is
loaded it takes the priority that its unit has (as root), so that several doors on one machine do not starve each other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
from pathlib import Path

from drivers import clock

STEP = Path(sys.argv.pop(1))


class Stepped(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return dt.datetime.now(tz) + dt.timedelta(seconds=float(STEP.read_text(encoding="ascii") or 0))


clock.datetime = Stepped

NICE = -10  # systemd/gardien-door.service

if __name__ == "__main__":
    import agent.services.door  # noqa: F401  (the long part of a start)
    from agent.cli import main

    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)

    main()
