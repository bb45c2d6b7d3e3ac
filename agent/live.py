"""The live picture: what each service sees right now, one small JSON file per service in the runtime directory.

Written aside and renamed, so a reader sees the old picture or the new one. Its age is its staleness: a picture
older than `STALE_S` says nothing any more ("nous ne savons pas"). Nobody reads another service's memory.
It holds ids and quantities, no names.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from drivers.contract import Moment

STALE_S = 10.0  # every service writes at least every 2 s


@dataclass(frozen=True, slots=True)
class LiveDriver:
    """One supervised driver."""

    working: bool
    why: str = ""  # the last error, while not working
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveLink:
    """One link. Health and cause are `rules.links` words."""

    health: str
    cause: str
    since: datetime | None
    rtt_s: float | None = None  # median of the last minute's echoes
    loss_share: float | None = None  # of the last minute's echoes, of a line that was down since it came back
    sent: int = 0  # probes since this process started
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    alone: tuple[str, ...] = ()  # targets that alone disagree with the others, and have no vote
    box: bool | None = None  # whether it answered last; None: not asked, or not known
    hop: bool | None = None  # the provider's first router
    far: bool | None = None  # any target
    evidence: str = ""  # of the last change
    rtt_counts: tuple[int, ...] = ()  # answers since this process started, by `rules.samples.BUCKETS_S` and beyond
    rtt_sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LiveSupply:
    """One supply of a device."""

    name: str
    colour: str
    level_share: float | None


@dataclass(frozen=True, slots=True)
class LiveTray:
    """One tray of a device."""

    name: str
    media: str
    level_share: float | None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class LiveDevice:
    """One printing device."""

    state: str  # contract.DeviceState, or "unknown" before the first look
    reasons: tuple[str, ...] = ()
    supplies: tuple[LiveSupply, ...] = ()
    counter: int | None = None  # sides on the device's own display
    visitor: bool = False  # somebody is badged in at its reader
    waiting: int = 0  # jobs not ended
    refused: datetime | None = None  # when a card was last refused at its reader
    ages: Mapping[str, datetime] = field(default_factory=dict)  # since when each reason stands
    trays: tuple[LiveTray, ...] = ()
    queued: int | None = None  # jobs in the device itself
    stuck: int = 0  # jobs that have been printing for too long
    meters_silent: bool = False  # its SNMP meters do not answer
    copied: int | None = None  # sides in the open visit; None: no visit, or its copy-control connector frees nobody
    control_lost: bool = False  # its copy-control connector does not obey, or its pulses are not heard


@dataclass(frozen=True, slots=True)
class LiveSpool:
    """The print spooler: what of its settings has drifted (rules.spoolset), and what it last forgot or was told."""

    epoch: int = 0
    drifts: tuple[str, ...] = ()
    gap: datetime | None = None  # when jobs were last found missing together with paper
    gap_jobs: int = 0
    tamper: datetime | None = None
    tamper_why: str = ""  # rules.spool.Tamper


@dataclass(frozen=True, slots=True)
class LiveHeld:
    """One job that waits for a badge."""

    job: int
    created_s: int
    alias: str  # id of the roster row that holds the name it came under
    member: str  # whose it is, as far as anybody knows; "" nobody's
    level: str  # rules.identity.Level
    turn: int  # how often the animator said whose it is
    sides: int | None  # forecast
    colour: int | None
    why: str = ""  # why nobody can tell; "waiting": not looked through yet
    payer: str = ""  # the shared account that is to pay; "": whoever badges
    charge: str = ""  # rules.payers.Charge: whether it would, for that member; "" where no shared account is to pay
    sheets: int | None = None  # forecast
    large: bool = False  # it asks for A3 or larger

    @property
    def name(self) -> str:
        """Return what tells it from all others, in forms and requests."""
        return f"{self.job}/{self.created_s}"


@dataclass(frozen=True, slots=True)
class LiveGreeting:
    """What the last badge beside a copier did. Whose it was stays unsaid: anybody may stand there."""

    at: datetime
    jobs: int = 0  # let out; or, where refused, still waiting
    sides: int | None = None  # None: nobody can tell
    colour: int | None = None
    low: str = ""  # price before free sides, at least and at most; "" without a tariff
    high: str = ""
    currency: str = ""
    refused: str = (
        ""  # why nothing was let out: "card", "roster", "spooler", "silent", "payer", "no-payer", or a key of
    )
    # rules.reasons
    account: bool = False  # a shared account pays some of it


ASK_STANDS_S = 30.0  # how long a touch at a copier's screen waits for its badge, and a question for its answer


@dataclass(frozen=True, slots=True)
class LiveAsk:
    """Somebody touched a copier's screen: the next badge is asked who pays, or one is being asked just now."""

    at: datetime
    turn: int = 0  # of the question: a choice says which it answers
    payers: tuple[str, ...] = ()  # to choose among; (): the badge is still to come
    jobs: int = 0
    sides: int | None = None


@dataclass(frozen=True, slots=True)
class LiveTab:
    """The copies of the visit at a copier, open or just ended: who may pay for them, and who was chosen to."""

    turn: int  # a choice says which visit it is for
    payers: tuple[str, ...] = ()  # the shared accounts that pay for whoever is badged in
    payer: str = ""  # the one that was chosen; "": none
    until: datetime | None = None  # until when one may be chosen; None: the visit is open
    said: datetime | None = None  # when somebody chose, in this visit
    came: str = ""  # rules.payers.Charge: what came of that


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """Release by badge."""

    held: tuple[LiveHeld, ...] | None = None  # None: not known at present
    greetings: Mapping[str, LiveGreeting] = field(default_factory=dict)  # by device
    asks: Mapping[str, LiveAsk] = field(default_factory=dict)  # by device


@dataclass(frozen=True, slots=True)
class LiveDoor:
    """The door."""

    latch: str  # contract.LatchState or "unknown"
    leaf: str  # rules.door.Passage
    last_granted: datetime | None = None
    last_refused: datetime | None = None
    last_rule: str = ""  # the rule of the last decision
    window_until: datetime | None = None  # an event window is open until then
    window_fed: bool = False  # and the strike is fed throughout
    faults: tuple[str, ...] = ()  # rules.leaf.DoorFault
    lingers: bool = False  # the leaf is open for most of what is allowed
    deaf: bool = False  # no edge of an input is heard any more: they are only polled
    malformed: Mapping[str, int] = field(default_factory=dict)  # by reader: bytes that were no card, since the start
    noisy: tuple[str, ...] = ()  # readers that send much of it
    strangers: Mapping[str, str] = field(default_factory=dict)  # by reader: rules.readers.Pattern of unknown cards
    list_from: datetime | None = None  # the roster cannot be read: judged by the list kept then
    lockdown: datetime | None = None  # nobody enters, since then
    opened: datetime | None = None  # when the leaf was seen to open; None: shut, or nobody saw it open


@dataclass(frozen=True, slots=True)
class Picture:
    """One service's live picture; only the parts that are its own are filled."""

    service: str
    at: Moment
    pid: int
    version: str
    drivers: Mapping[str, LiveDriver] = field(default_factory=dict)
    links: Mapping[str, LiveLink] = field(default_factory=dict)
    devices: Mapping[str, LiveDevice] = field(default_factory=dict)
    release: LiveRelease | None = None
    tabs: Mapping[str, LiveTab] = field(default_factory=dict)  # by copier
    door: LiveDoor | None = None
    spool: LiveSpool | None = None
    ledger_ok: bool = True
    ledger_why: str = ""
    roster_ok: bool = True
    roster_why: str = ""
    list_from: datetime | None = None  # paper: the roster cannot be read, people are known by the list kept then
    nobody_known: bool = False  # paper: ... and there is no such list
    last_out: datetime | None = None  # web: when the last one left a place without a host, while they may turn back
    certificate_until: datetime | None = None  # web: when the certificate the pages are served with ends


def _number(value: Any, _: object) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError(f"not a number: {value!r}")
    return float(value)


def _instant(value: Any, _: object) -> datetime:
    when = datetime.fromisoformat(value)
    if when.utcoffset() is None:
        raise ValueError(f"not an instant: {value!r} has no offset")
    return when


_json = make_converter()
_json.register_structure_hook(float, _number)
_json.register_structure_hook(datetime, _instant)
T = TypeVar("T")


def write_picture(run: Path, picture: Picture) -> None:
    """Put `picture` in its place under `run`/live, atomically. Raises OSError."""
    folder = run / "live"
    aside, told = folder / f".{picture.service}.{os.getpid()}", _json.dumps(picture).encode()
    try:
        aside.write_bytes(told)
    except FileNotFoundError:  # the first of all
        folder.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(told)
    aside.replace(folder / f"{picture.service}.json")


def read_pictures(run: Path) -> dict[str, Picture]:
    """Return the pictures of all services that ever wrote one since boot; unreadable ones are left out."""
    pictures: dict[str, Picture] = {}
    for file in sorted((run / "live").glob("*.json")):
        try:
            picture = _json.loads(file.read_text(encoding="utf-8"), Picture)
        except (OSError, ValueError, TypeError, RecursionError, BaseValidationError):
            continue
        if picture.service == file.stem:  # nobody speaks for another service
            pictures[picture.service] = picture
    return pictures


def held_jobs(run: Path) -> tuple[LiveHeld, ...]:
    """Return the jobs that wait for a badge, as the paper service last showed them; () if it does not know."""
    paper = read_pictures(run).get("paper")
    return () if paper is None or paper.release is None else paper.release.held or ()


def age_s(picture: Picture, now: Moment) -> float:
    """Return how old a picture is, by the monotonic clock; infinity for one of another boot."""
    if picture.at.boot != now.boot:
        return float("inf")
    return max(0.0, now.mono_s - picture.at.mono_s)
