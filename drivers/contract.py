"""The contract between the hardware and the house: roles, and what they observe.

The one idea: a driver only *says what it saw*. Every observation is a frozen value stamped with the
`Moment` it was seen at the edge; silence is an observation too. Judgement starts one floor up.
This file is pure (no I/O, no clock, no thread) and knows no member and no money. The links' part stands in
`drivers.probing`.

Roles are Protocols with one or two methods. Each is played by a real driver, by `drivers.sim`, and held
to one contract suite in `tests/drivers/`. All coroutines run on the caller's event loop; a driver that needs
a thread keeps it to itself. The world's failures are `DriverError`; anything else is a bug.

Units stand last in names: `_s` SI seconds as float, `_share` 0..1. Counts are whole numbers.
A *side* is one face of paper with toner asked for (PWG 5100.7 "impression"), a *sheet* one piece of paper
(RFC 8011 "media sheet").
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

if TYPE_CHECKING:  # the latch is a tiny process, and knows no spooler
    from drivers.spooling import PageLogLook, SpoolAttempt, SpoolSettings

LinkId = NewType("LinkId", str)  # the name in the site file, e.g. "adsl1"
DeviceId = NewType("DeviceId", str)  # a printer's or copier's name in the site file
ReaderId = NewType("ReaderId", str)  # a card reader's name in the site file
InputId = NewType("InputId", str)  # a digital input's name: "contact", "exit_button", "lock_feedback", "call_point"


class DriverError(Exception):
    """The world failed: a cable, a daemon, a device. Supervised by the story that used the driver."""


# --- messages ----------------------------------------------------------------------------------------------


class Messenger(Protocol):
    """One way to reach people who are not here: a mailbox, a topic they follow on their phone."""

    async def send(self, title: str, text: str, via: str = "") -> None:
        """Hand one message over, once, by the interface `via` ("": as the routes say).

        Raises DriverError if it was not taken: then it may be tried again.
        """


# --- time --------------------------------------------------------------------------------------------------


class Trust(StrEnum):
    """How far wall-clock time can be believed (a Pi has no clock of its own)."""

    SYNCHRONISED = "synchronised"  # the kernel says an NTP server disciplines it (adjtimex, ntp_adjtime(3))
    DRIFTING = "drifting"  # was synchronised during this boot, no longer
    RESTORED = "restored"  # never during this boot; started from a saved time that is a lower bound
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant. Subtract `mono_s` for durations (same `boot` only); write down `utc`; show `trust`."""

    utc: datetime  # aware, UTC
    mono_s: float  # CLOCK_BOOTTIME seconds: counts through suspend
    boot: str  # the kernel's boot id, so that `mono_s` of two boots is never subtracted
    trust: Trust


class Clock(Protocol):
    """The only source of time. Virtual in the simulated site."""

    def now(self) -> Moment:
        """Return this instant. Never blocks."""


# --- paper -------------------------------------------------------------------------------------------------


class JobState(StrEnum):
    """RFC 8011 section 5.3.7, by keyword."""

    PENDING = "pending"
    HELD = "pending-held"
    PROCESSING = "processing"
    STOPPED = "processing-stopped"
    CANCELED = "canceled"
    ABORTED = "aborted"
    COMPLETED = "completed"

    @property
    def ended(self) -> bool:
        """Return True for the three terminal states."""
        return self in {JobState.CANCELED, JobState.ABORTED, JobState.COMPLETED}


@dataclass(frozen=True, slots=True)
class SpoolJob:
    """One job as CUPS tells it: who asked, for what, and how it ended *in the spooler's eyes*.

    Its counts are claims (measurably wrong in most interesting cases), never what is billed. No title:
    titles do not leave the driver.
    """

    at: Moment
    queue: str
    job: int  # CUPS job-id; may be reissued after a crash, so never a key without `created_s`
    created_s: int  # time-at-creation, Unix seconds
    user: str  # job-originating-user-name, as claimed
    state: JobState
    uuid: str  # advisory: a client may choose it
    claimed_sides: int  # job-impressions-completed
    claimed_sheets: int  # job-media-sheets-completed
    device_uri: str  # where the queue prints to
    host: str = ""  # job-originating-host-name: the address it came from
    authenticated: bool = False  # its queue takes no job without the password of `user`
    account: str = ""  # job-account-id (PWG 5100.7): what the client says is to pay, any text
    copies: int = 1  # as asked for
    format: str = "application/pdf"  # of its document, as the spooler has it; "": nobody tells


class Spooler(Protocol):
    """The print spooler: CUPS."""

    async def bell(self, timeout_s: float) -> bool:
        """Wait until something may have changed; False if `timeout_s` passed in silence. A hint only."""

    async def jobs(self, first_job: int) -> tuple[SpoolJob, ...]:
        """Return every job with id >= `first_job`, ascending; pages through the spooler's own limits.

        Raises DriverError when the spooler does not answer in time.
        """

    async def attempts(self) -> tuple[SpoolAttempt, ...]:
        """Return what the backend in the print path noted, oldest first; () where none stands there."""

    async def listed(self, first_job: int) -> tuple[tuple[int, int], ...]:
        """Return (job-id, time-at-creation) of every job it remembers from `first_job` on, of whatever queue."""

    async def page_log(self) -> PageLogLook:
        """Return what its page log says since the last call; the first call tells all that is kept of it."""

    async def settings(self) -> SpoolSettings | None:
        """Return what it runs by; None for a spooler without settings."""


@dataclass(frozen=True, slots=True)
class DeviceJob:
    """One job record of the device itself: one physical attempt, and the only truth about paper."""

    device: DeviceId
    serial: str  # of the device that printed it (a swapped device is another device)
    job: int  # the device's job-id
    uuid: str  # the device's job-uuid, "" if it has none
    user: str  # job-originating-user-name as the spooler passed it on, "" if the device keeps none
    state: JobState
    created_utc: datetime | None  # date-time-at-creation, None if the device has no clock
    sides: int | None  # job-impressions-completed; None if the device does not say
    sides_colour: int | None  # of these in colour (job-impressions-completed-col); None if it does not say
    sheets: int | None  # job-media-sheets-completed
    copies: int
    two_sided: bool | None
    media: str = ""  # PWG 5101.1 self-describing name, "iso_a3_297x420mm"; "" if the device does not say
    reasons: tuple[str, ...] = ()  # job-state-reasons without "none": "job-canceled-at-device", "aborted-by-system"


@dataclass(frozen=True, slots=True)
class LargeSides:
    """How many sides of a device's life were on A3 or larger."""

    print_mono: int
    print_colour: int
    copy_mono: int
    copy_colour: int


@dataclass(frozen=True, slots=True)
class Counters:
    """A device's life counters (PWG 5100.22 printer-impressions-completed-col and vendor splits), as it shows them.

    In *clicks*: a side is one, but a device set to count A3 twice moves by two for each A3 side. They only grow, except
    at a reset, a wrap or a swap: a fall, or another serial, opens a new device epoch.
    """

    print_mono: int
    print_colour: int
    copy_mono: int
    copy_colour: int
    sheets: int
    large: LargeSides | None = None  # in sides, each once; None if the device does not tell sizes apart

    @property
    def sides(self) -> int:
        """Return the total the device's own display shows."""
        return self.print_mono + self.print_colour + self.copy_mono + self.copy_colour


class DeviceState(StrEnum):
    """RFC 8011 section 5.4.11 printer-state, by keyword."""

    IDLE = "idle"
    PROCESSING = "processing"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Supply:
    """One supply (PWG 5100.13 printer-supply, RFC 3805 prtMarkerSupplies)."""

    name: str  # "Black Toner"
    colour: str  # "black", "cyan", ... or "" if none
    level_share: float | None  # 0..1; None if the device cannot say


@dataclass(frozen=True, slots=True)
class Tray:
    """One tray of paper (PWG 5100.13 printer-input-tray, RFC 3805 prtInput)."""

    name: str  # "Tray 1", as the device calls it
    media: str  # "iso_a4_210x297mm" (PWG 5101.1), or as the device says it; "" if it does not
    level_share: float | None  # 0..1; None if the device cannot say
    empty: bool = False  # the device says that there is none left, or no tray


@dataclass(frozen=True, slots=True)
class LifeCount:
    """What a device's meters say besides `Counters`: all it can tell, by function, colour and size.

    `total` is every side it ever put out, prints and copies together (RFC 3805 prtMarkerLifeCount, PWG 5100.22
    printer-impressions-completed); None if it does not say. `rows` are named as `METERS`, or by the vendor's own name.
    """

    total: int | None
    total_colour: int | None = None  # of these in colour; None if it does not say
    rows: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Meters:
    """One look at a device's meters."""

    serial: str  # "" if it does not say
    counters: Counters | None  # None if it does not tell print from copy
    life: LifeCount
    supplies: tuple[Supply, ...] = ()
    trays: tuple[Tray, ...] = ()
    reasons: tuple[str, ...] = ()  # printer-state-reasons keywords of its alerts


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One look at a device. Counters and jobs were read so that no job moved between them if `settled`."""

    at: Moment
    device: DeviceId
    serial: str
    state: DeviceState
    reasons: tuple[str, ...]  # printer-state-reasons keywords without "none", e.g. "media-empty-error"
    supplies: tuple[Supply, ...]
    counters: Counters | None  # None if the device does not tell print from copy
    jobs: tuple[DeviceJob, ...]  # active and finished records the device still keeps
    settled: bool  # idle before and after, same counters: the books may be closed here
    life: LifeCount | None = None  # what its meters say besides; None if they are not asked or do not answer
    trays: tuple[Tray, ...] = ()
    queued: int | None = None  # jobs waiting in the device itself (queued-job-count); None if it does not say
    faults: tuple[str, ...] = ()  # what could not be read, by name: "snmp"; the rest of the look is good


METERS = (  # the names of a LifeCount's rows that every vendor's data file uses
    *("total", "total-large", "total-colour", "total-colour-large"),
    *("print-mono", "print-colour", "copy-mono", "copy-colour", "fax", "scan"),
    *("print-mono-large", "print-colour-large", "copy-mono-large", "copy-colour-large"),
)


class MeterSource(Protocol):
    """The meters of a device, where IPP does not tell them: asked over SNMP."""

    async def meters(self) -> Meters:
        """Return what the meters say now. Raises DriverError when the device is silent or talks nonsense."""


class Printer(Protocol):
    """The printing device itself, asked directly and not through the spooler."""

    async def read(self) -> DeviceReading:
        """Return one consistent look. Raises DriverError when the device does not answer in time."""


# --- cards, door -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class CardNumber:
    """A raw card number: upper-case hex, zero-padded to whole bytes, never truncated.

    Its repr hides it: raw numbers appear in no log and no traceback. Only the roster's keyed hash is kept.
    """

    hex: str

    def __repr__(self) -> str:
        return "CardNumber(hidden)"


@dataclass(frozen=True, slots=True)
class BadgeRead:
    """A card was presented: once per presentation, however often the reader repeats it."""

    at: Moment  # when the last byte of the frame arrived
    reader: ReaderId
    card: CardNumber


class CardReader(Protocol):
    """A card reader. Malformed bytes are counted, never raised and never a badge."""

    @property
    def malformed(self) -> int:
        """Return how many bytes belonged to no card, since this object was made."""

    def badges(self) -> AsyncIterator[BadgeRead]:
        """Yield badges as they are presented. Raises DriverError when the reader is lost."""


class LatchState(StrEnum):
    """What the latch process says of its relay line."""

    RESTING = "resting"  # line inactive. Says nothing about the bolt.
    RELEASED = "released"  # line active: the strike is fed (or cut, by its kind)


@dataclass(frozen=True, slots=True)
class LockChanged:
    """The relay line changed, or the latch was lost and restarted."""

    at: Moment
    state: LatchState
    why: str  # "released", "pulse-end", "relock", "cap", "parent-silent", "latch-restarted", ...


class Lock(Protocol):
    """The door's latch: owns the relay line through a process of its own."""

    async def release(self, hold_s: float) -> Moment:
        """Release now for `hold_s` (the latch caps it) and return when the line was seen active.

        A second call during a pulse starts a full pulse, bounded by the cap. Raises DriverError if the latch
        could not be reached within one second: the line is then at rest or about to be.
        """

    async def relock(self) -> None:
        """End a pulse now (the door was opened). Harmless at rest."""

    def changes(self) -> AsyncIterator[LockChanged]:
        """Yield every change of the line, in order. Raises DriverError if no latch can be kept alive."""


@dataclass(frozen=True, slots=True)
class InputChanged:
    """A debounced digital input changed; the first observation after a start is its present level."""

    at: Moment
    input: InputId
    active: bool


class Signs(Protocol):
    """Lamps and a buzzer at the door, one of config.OUTPUTS each; what is not wired does nothing."""

    def show(self, name: str, *, lit: bool) -> None:
        """Light it or not, until told otherwise. Never raises, never blocks."""

    def flash(self, name: str, times: int = 1) -> None:
        """Light it for its time, `times` times with as long a pause between. Never raises, never blocks."""


class Inputs(Protocol):
    """Door contact, exit button, and their like."""

    @property
    def deaf(self) -> bool:
        """Say whether edges are no longer heard and levels are only polled: a short change may be missed."""

    def changes(self) -> AsyncIterator[InputChanged]:
        """Yield the present level of every input, then every change. Raises DriverError when the chip is lost."""
