"""The live picture of a device, as the clerk's looks at it show it.

The one idea: *what stands still says something too*: since when a reason has stood, for how long a job has printed
without a side, how many looks at a busy device changed nothing. All of it is memory and none of it is booked: it begins
anew with every start of the clerk.
"""

from __future__ import annotations

from datetime import datetime

from agent.live import LiveDevice, LiveSupply, LiveTray
from agent.rules.books import ACTIVE, Books
from agent.rules.metering import display_of
from agent.stories.desk import Desk
from agent.stories.turnstile import Turnstile
from drivers.contract import DeviceReading, Moment

STUCK_S = 600.0  # a job that prints for this long without a side is stuck


class Portrait:
    """One device."""

    def __init__(self) -> None:
        self.reading: DeviceReading | None = None  # the last look
        self.still = 0  # how many looks showed just what the last one did
        self.refused: datetime | None = None  # when a card was last refused at its reader
        self._seen: object = None  # what the last look showed
        self._ages: dict[str, datetime] = {}  # since when each reason stands
        self._printing: dict[tuple[str, int], Moment] = {}  # jobs at the device, and since when

    def look(self, reading: DeviceReading, desk: Desk, books: Books) -> None:
        """Take in one look."""
        self.reading = reading
        device = (reading.state, reading.reasons, reading.counters, reading.life, reading.jobs)
        seen = (device, desk.spooled, books.visit)
        self._ages = {reason: self._ages.get(reason, reading.at.utc) for reason in reading.reasons}
        printing = {(job.queue, job.job) for job in desk.spooled if job.state in ACTIVE}
        idle = seen == self._seen  # not a side came out since the last look
        self._printing = {job: self._printing.get(job, reading.at) if idle else reading.at for job in printing}
        self.still = self.still + 1 if idle else 0
        self._seen = seen

    def _stuck(self, at: Moment) -> int:
        """Return how many jobs have been printing for too long."""
        return sum(one.boot == at.boot and at.mono_s - one.mono_s >= STUCK_S for one in self._printing.values())

    def picture(self, desk: Desk, books: Books, turnstile: Turnstile) -> LiveDevice:
        """Return the live picture of the device."""
        reading = self.reading
        if reading is None:
            return LiveDevice(state="unknown")
        return LiveDevice(
            state=reading.state.value,
            reasons=reading.reasons,
            supplies=tuple(LiveSupply(one.name, one.colour, one.level_share) for one in reading.supplies),
            counter=display_of(reading),
            visitor=books.visit is not None,
            waiting=desk.waiting,
            refused=self.refused,
            ages=self._ages,
            trays=tuple(LiveTray(one.name, one.media, one.level_share, one.empty) for one in reading.trays),
            queued=reading.queued,
            stuck=self._stuck(reading.at),
            meters_silent=bool(reading.faults),
            control_lost=turnstile.lost,
            copied=turnstile.so_far(books.visit),
        )
