"""Judges what is wrong with the place, from what each service says it sees and how old that is.

The one idea: the verdict speaks of *services to people*. A part that is down while the service is kept is "to
watch"; "down" means that members cannot work, print or enter; and what nobody measures any more is "unknown", never
fine and never the provider's fault. Each incident has one key, and each key one sentence of remedy. The rule holds
no words and never repeats an alarm: two dead links are one incident.

Values in, values out: no clock, no words, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agent.rules.door import Passage
from agent.rules.leaf import DoorFault
from agent.rules.linkfacts import CAUSES, OUT, WORKS, Cause, Health
from agent.rules.readers import Pattern
from agent.rules.reasons import REASON_KEYS, read_reason
from agent.rules.spoolset import Drift
from drivers.contract import Trust


class Level(StrEnum):
    """How bad: `ok` < `watch` < `unknown` < `down`."""

    OK = "ok"
    WATCH = "watch"
    UNKNOWN = "unknown"
    DOWN = "down"


class Area(StrEnum):
    """What members come for, and the box that minds it."""

    INTERNET = "internet"
    PAPER = "paper"
    DOOR = "door"
    BOX = "box"


AREA_OF_SERVICE: Mapping[str, Area] = {"links": Area.INTERNET, "paper": Area.PAPER, "door": Area.DOOR}

_ORDER = (Level.OK, Level.WATCH, Level.UNKNOWN, Level.DOWN)
_KEPT = (Level.OK, Level.WATCH)
_OPEN_OR_SHUT = frozenset({DoorFault.CALL_POINT, DoorFault.STAYS_LOCKED, DoorFault.STAYS_UNLOCKED})

CERTIFICATE_ENDS = timedelta(days=21)  # time for ops to come by; our own is signed anew long before


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """One service that this site runs."""

    service: str
    age_s: float | None  # of its last picture; None: it never wrote one since boot
    at: datetime | None = None  # when it last wrote
    ledger_ok: bool = True
    roster_ok: bool = True
    list_from: datetime | None = None  # paper: the roster cannot be read: counted by the list kept then
    nobody_known: bool = False  # paper: ... and there is no such list


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """One link, as its service last said."""

    link: str
    health: Health
    cause: Cause
    since: datetime | None


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """One printing device, as its service last said."""

    device: str
    state: str  # contract.DeviceState, or "unknown" before the first look
    reasons: tuple[str, ...] = ()
    reachable: bool = True
    since: datetime | None = None  # when it was lost
    ages: Mapping[str, datetime] = field(default_factory=dict)  # since when each reason stands
    off: bool = False  # nobody wonders at this hour that it is switched off
    stuck: int = 0  # jobs that have been printing for too long
    meters_silent: bool = False
    control_lost: bool = False  # its copy-control connector
    nobodys: int = 0  # sides copied lately that nobody has been named for
    nobodys_since: datetime | None = None
    past: int = 0  # sides lately printed past the box
    past_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DoorSeen:
    """The door, as its service last said."""

    leaf: Passage
    latch: str  # contract.LatchState, or "unknown"
    contact: bool  # a contact is wired
    lock_working: bool = True
    inputs_working: bool = True
    faults: tuple[str, ...] = ()  # rules.leaf.DoorFault
    lingers: bool = False
    fail_safe: bool = False  # the lock opens without current: when its box is dead it may stand open
    deaf: bool = False  # edges are no longer heard, levels still polled
    noisy: tuple[str, ...] = ()  # readers
    strangers: tuple[tuple[str, str], ...] = ()  # (reader, rules.readers.Pattern)
    lockdown: datetime | None = None  # nobody enters, since then
    list_from: datetime | None = None  # the roster cannot be read: judged by the list kept then
    all_gone: bool = False  # nobody runs the place on the spot, and nobody is counted in
    overstay: int = 0  # ... and so many are, after hours
    opened: datetime | None = None  # when the leaf was seen to open


@dataclass(frozen=True, slots=True)
class ReaderSeen:
    """One card reader; `door` False: it stands beside a copier."""

    reader: str
    door: bool
    working: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is seen of a site. What a site does not have is empty."""

    services: tuple[ServiceSeen, ...] = ()
    links: tuple[LinkSeen, ...] = ()
    devices: tuple[DeviceSeen, ...] = ()
    spooler_working: bool = True
    door: DoorSeen | None = None
    readers: tuple[ReaderSeen, ...] = ()
    trust: Trust = Trust.SYNCHRONISED
    certificate_left: timedelta | None = None  # until the certificate of the pages ends; None: plain HTTP, or not read
    alerts_working: bool = True  # messages to people far away can be sent, as far as it is up to us
    spool_faults: tuple[str, ...] = ()  # rules.spoolset.Drift, "gap", "tamper"


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that is wrong. `key` names its title and its one remedy."""

    area: Area
    level: Level
    key: str
    subject: str = ""  # the link, device, reader or service it is about
    since: datetime | None = None
    detail: str = ""  # the device's own keyword; copies-nobodys, printed-past: how many sides


KEYS: tuple[str, ...] = (
    *(f"silent-{service}" for service in ("links", "paper", "door", "box")),
    *(f"link-{cause}" for cause in Cause if cause not in {Cause.NONE, Cause.GAP}),
    *("link-down", "link-unknown"),
    *(f"all-{cause}" for cause in ("cable", "box", "line", "isp", "internet", "page", "mixed", "unknown")),
    *("printer-lost", "printer-unknown", "printer-stopped", "jobs-stuck", "meters-lost", "copy-control-lost"),
    *("copies-nobodys", "printed-past", "paper-last-list", "paper-no-list"),
    *("spooler-lost", "copier-reader-lost"),
    *(f"printer-{reason}" for reason in REASON_KEYS),
    *(f"spool-{fault}" for fault in (*Drift, "gap", "tamper")),
    *("silent-door-open", "lock-lost-open", "latch-unknown-open"),  # of a lock that opens without current
    *("lock-lost", "latch-unknown", "reader-lost", "door-forced", "door-held", "inputs-lost", "contact-silent"),
    *(f"door-{fault}" for fault in DoorFault),
    *("lockdown", "door-last-list", "door-left-open", "people-left"),
    *("door-lingers", "inputs-deaf", "reader-noise", *(f"strangers-{seen}" for seen in Pattern if seen)),
    *("ledger-fault", "roster-fault", "alerts-lost", "clock-untrusted", "certificate-ends", "certificate-ended"),
)


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of `levels`; OK if there is none."""
    return max(levels, key=_ORDER.index, default=Level.OK)


def judge(seen: Seen, stale_s: float) -> tuple[Incident, ...]:
    """Return everything that is wrong, worst first. A picture older than `stale_s` says nothing any more."""
    silent = [one for one in seen.services if one.age_s is None or one.age_s > stale_s]
    mute = {AREA_OF_SERVICE.get(one.service, Area.BOX) for one in silent}
    may_be_open = seen.door is not None and seen.door.fail_safe
    found = [_silence(one, may_be_open=may_be_open) for one in silent]
    if Area.INTERNET not in mute:
        found += _internet(seen.links)
    if Area.PAPER not in mute:
        found += _paper(seen)
    if Area.DOOR not in mute and seen.door is not None:
        found += _door(seen.door, [one for one in seen.readers if one.door])
    found += _box([one for one in seen.services if one not in silent], seen.trust)
    found += _certificate(seen.certificate_left)
    if not seen.alerts_working:
        found.append(Incident(Area.BOX, Level.WATCH, "alerts-lost"))
    return tuple(sorted(found, key=lambda one: -_ORDER.index(one.level)))


def _silence(one: ServiceSeen, *, may_be_open: bool) -> Incident:
    area = AREA_OF_SERVICE.get(one.service, Area.BOX)
    key = "silent-box" if area is Area.BOX else f"silent-{one.service}"
    if area is Area.DOOR and may_be_open:
        key = "silent-door-open"
    return Incident(area, Level.UNKNOWN, key, one.service, one.at)


def _internet(links: tuple[LinkSeen, ...]) -> list[Incident]:
    down = [link for link in links if link.health in OUT]
    if len(down) > 1 and len(down) == len(links):
        causes = {link.cause for link in down}
        common = causes.pop() if len(causes) == 1 else Cause.NONE
        key = f"all-{common}" if f"all-{common}" in KEYS else "all-mixed"
        since = max((link.since for link in down if link.since is not None), default=None)
        return [Incident(Area.INTERNET, Level.DOWN, key, since=since)]
    if len(links) > 1 and all(link.health is Health.UNKNOWN for link in links):
        since = max((link.since for link in links if link.since is not None), default=None)
        return [Incident(Area.INTERNET, Level.UNKNOWN, "all-unknown", since=since)]
    found = [_link(link) for link in links if link.health is not Health.UP]
    return _soften(found) if any(link.health in WORKS for link in links) else found


def _link(link: LinkSeen) -> Incident:
    key = f"link-{link.cause}"
    if link.health is Health.UNKNOWN:
        key = "link-doubt" if link.cause is Cause.DOUBT else "link-unknown"
        return Incident(Area.INTERNET, Level.UNKNOWN, key, link.link, link.since)
    level = Level.WATCH if link.health in WORKS else Level.DOWN
    known = link.cause in CAUSES[link.health]
    return Incident(Area.INTERNET, level, key if known else "link-down", link.link, link.since)


def _soften(found: list[Incident]) -> list[Incident]:
    """Lower faults to "to watch": the service is kept by another part, so this is no breakdown."""
    return [replace(one, level=Level.WATCH) for one in found]


def _paper(seen: Seen) -> list[Incident]:
    by_device = {device.device: _device(device) for device in seen.devices}
    standing = [name for name, found in by_device.items() if worst(one.level for one in found) in _KEPT]
    incidents = []
    for name, found in by_device.items():
        incidents += _soften(found) if standing and name not in standing else found
    for one in seen.services:
        if one.nobody_known:
            incidents.append(Incident(Area.PAPER, Level.DOWN, "paper-no-list"))
        elif one.list_from is not None:
            incidents.append(Incident(Area.PAPER, Level.WATCH, "paper-last-list", since=one.list_from))
    if not seen.spooler_working:
        incidents.append(Incident(Area.PAPER, Level.DOWN, "spooler-lost"))
    incidents += [Incident(Area.PAPER, Level.WATCH, f"spool-{fault}") for fault in seen.spool_faults]
    incidents += [
        Incident(Area.PAPER, Level.WATCH, "copier-reader-lost", one.reader, one.since)
        for one in seen.readers
        if not one.door and not one.working
    ]
    return incidents


def _device(device: DeviceSeen) -> list[Incident]:
    found = _health(device)
    if device.nobodys:  # a device that is off or lost has not copied less
        since, sides = device.nobodys_since, str(device.nobodys)
        found.append(Incident(Area.PAPER, Level.WATCH, "copies-nobodys", device.device, since, sides))
    if device.past:
        since, sides = device.past_since, str(device.past)
        found.append(Incident(Area.PAPER, Level.WATCH, "printed-past", device.device, since, sides))
    return found


def _health(device: DeviceSeen) -> list[Incident]:
    if not device.reachable and device.off:
        return []
    if not device.reachable:
        return [Incident(Area.PAPER, Level.DOWN, "printer-lost", device.device, device.since)]
    if device.state == "unknown":
        return [Incident(Area.PAPER, Level.UNKNOWN, "printer-unknown", device.device, device.since)]
    stopped = device.state == "stopped"
    found: dict[str, Incident] = {}
    for keyword in device.reasons:
        reason = read_reason(keyword, stopped=stopped)
        if reason is None:
            continue
        level = Level.DOWN if reason.blocking else Level.WATCH
        since = device.ages.get(keyword)
        incident = Incident(Area.PAPER, level, f"printer-{reason.key}", device.device, since, keyword)
        known = found.get(_once(incident))
        if known is None or known.level is Level.WATCH:
            found[_once(incident)] = incident
    if stopped and worst(one.level for one in found.values()) is not Level.DOWN:
        found["stopped"] = Incident(Area.PAPER, Level.DOWN, "printer-stopped", device.device)
    for seen, level, key in (
        (device.stuck, Level.WATCH, "jobs-stuck"),
        (device.meters_silent, Level.WATCH, "meters-lost"),
        (device.control_lost, Level.DOWN, "copy-control-lost"),
    ):
        if seen:
            found[key] = Incident(Area.PAPER, level, key, device.device)
    return list(found.values())


def _once(incident: Incident) -> str:
    """Return what makes two reasons one incident: the same words; unknown reasons each stand for themselves."""
    return incident.detail if incident.key == "printer-other" else incident.key


def _door(door: DoorSeen, readers: list[ReaderSeen]) -> list[Incident]:
    found = []
    if door.lockdown is not None:
        found.append(Incident(Area.DOOR, Level.DOWN, "lockdown", since=door.lockdown))
    if door.list_from is not None:
        found.append(Incident(Area.DOOR, Level.WATCH, "door-last-list", since=door.list_from))
    if door.overstay:
        found.append(Incident(Area.DOOR, Level.WATCH, "people-left", detail=str(door.overstay)))
    if not door.lock_working:
        found.append(Incident(Area.DOOR, Level.DOWN, "lock-lost-open" if door.fail_safe else "lock-lost"))
    elif door.latch == "unknown":
        found.append(Incident(Area.DOOR, Level.UNKNOWN, "latch-unknown-open" if door.fail_safe else "latch-unknown"))
    lost = [Incident(Area.DOOR, Level.DOWN, "reader-lost", one.reader, one.since) for one in readers if not one.working]
    found += _soften(lost) if len(lost) < len(readers) else lost
    found += _leaf(door)
    found += _wiring(door)
    if not door.inputs_working:
        found.append(Incident(Area.DOOR, Level.WATCH, "inputs-lost"))
    elif door.leaf is Passage.UNKNOWN and door.contact:
        found.append(Incident(Area.DOOR, Level.WATCH, "contact-silent"))
    return found


def _leaf(door: DoorSeen) -> list[Incident]:
    if door.leaf is Passage.FORCED:
        return [Incident(Area.DOOR, Level.DOWN, "door-forced", since=door.opened)]
    if door.leaf is Passage.HELD:  # where everybody has gone, nobody is there to shut it
        level, key = (Level.DOWN, "door-left-open") if door.all_gone else (Level.WATCH, "door-held")
        return [Incident(Area.DOOR, level, key, since=door.opened)]
    return [Incident(Area.DOOR, Level.WATCH, "door-lingers", since=door.opened)] if door.lingers else []


def _wiring(door: DoorSeen) -> list[Incident]:
    """Judge lock, button and cables: what shuts people out or leaves the door open is down, the rest is to watch."""
    found = []
    for fault in door.faults:
        level = Level.DOWN if fault in _OPEN_OR_SHUT else Level.WATCH
        found.append(Incident(Area.DOOR, level, f"door-{fault}"))
    if door.deaf and door.inputs_working:
        found.append(Incident(Area.DOOR, Level.WATCH, "inputs-deaf"))
    found += [Incident(Area.DOOR, Level.WATCH, "reader-noise", reader) for reader in door.noisy]
    found += [Incident(Area.DOOR, Level.WATCH, f"strangers-{seen}", reader) for reader, seen in door.strangers]
    return found


def _certificate(left: timedelta | None) -> list[Incident]:
    """Judge what phones will say of the pages. The door, the paper and the links do not mind."""
    if left is None or left > CERTIFICATE_ENDS:
        return []
    key = "certificate-ends" if left > timedelta(0) else "certificate-ended"
    return [Incident(Area.BOX, Level.WATCH, key)]


def _box(speaking: list[ServiceSeen], trust: Trust) -> list[Incident]:
    found = []
    broken = [one.service for one in speaking if not one.ledger_ok]
    if broken:
        found.append(Incident(Area.BOX, Level.DOWN, "ledger-fault", broken[0]))
    strangers = [one.service for one in speaking if not one.roster_ok]
    if strangers:
        found.append(Incident(Area.BOX, Level.DOWN, "roster-fault", strangers[0]))
    if trust is not Trust.SYNCHRONISED:
        found.append(Incident(Area.BOX, Level.WATCH, "clock-untrusted", detail=trust))
    return found
