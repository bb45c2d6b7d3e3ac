"""What the animator sees: one model built from the live pictures, the ledger's today and the site file.

The page, `gardien status` and `/etat.json` are three ways to write down the same `SiteState`; none of them judges.
Pure: the pictures were read, the ledger was asked, the time is given. It holds ids and quantities, never a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.live import STALE_S, LiveDevice, LiveDoor, LiveDriver, LiveLink, LiveSupply, LiveTray, Picture, age_s
from agent.rules.door import Passage
from agent.rules.incidents import (
    Area,
    DeviceSeen,
    DoorSeen,
    Incident,
    Level,
    LinkSeen,
    ReaderSeen,
    Seen,
    ServiceSeen,
    judge,
    worst,
)
from agent.rules.leaf import DoorFault
from agent.rules.linkfacts import OUT, WORKS, Cause, Health
from agent.rules.readers import Pattern
from agent.rules.retention import TRUSTED
from agent.rules.spoolset import Drift
from agent.views.journal import Today
from agent.views.written import Written
from drivers.contract import DeviceState, LatchState, Moment, Trust

E = TypeVar("E", bound=StrEnum)

NOTHING = Written()
FOUND_LATELY = timedelta(hours=24)  # a hole or a forgery is shown this long; the ledger keeps it
REFUSED = timedelta(minutes=15)  # an alert that is not taken for this long, with internet, is no hiccup

LEAF_LEVELS: Mapping[Passage, Level] = {
    Passage.CLOSED: Level.OK,
    Passage.OPEN: Level.OK,
    Passage.HELD: Level.WATCH,
    Passage.PROPPED: Level.OK,
    Passage.FORCED: Level.DOWN,
    Passage.UNKNOWN: Level.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class LinkLine:
    """One link, for people."""

    name: str
    level: Level
    health: Health
    cause: Cause
    since: datetime | None
    rtt_s: float | None
    loss_share: float | None
    path: tuple[bool | None, bool | None, bool | None] = (None, None, None)  # box, first router, far: answered last
    alone: tuple[str, ...] = ()  # targets that alone disagree, and have no vote


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One printing device, for people. `state`: contract.DeviceState, "unknown", "lost", or "off" as it may be."""

    name: str
    level: Level
    state: str
    reasons: tuple[str, ...]
    supplies: tuple[LiveSupply, ...]
    counter: int | None
    visitor: bool
    waiting: int
    refused: datetime | None
    ages: Mapping[str, datetime] = field(default_factory=dict)
    trays: tuple[LiveTray, ...] = ()
    queued: int | None = None
    stuck: int = 0
    meters_silent: bool = False
    control_lost: bool = False


@dataclass(frozen=True, slots=True)
class DoorLine:
    """The door, for people. `leaf` speaks of the leaf and `latch` of the relay: neither says that it is locked."""

    level: Level
    leaf: Passage
    contact: bool  # a contact is wired
    latch: str
    fail_safe: bool  # the lock opens without current
    plan_b: tuple[str, str]  # where the key box is, who answers at night; shown when the door does not open for sure
    last_granted: datetime | None
    last_refused: datetime | None
    opened: datetime | None = None  # when the leaf was seen to open


@dataclass(frozen=True, slots=True)
class Card:
    """One thing members come for, and what is wrong with it."""

    area: Area
    level: Level
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One service of the box."""

    name: str
    up: bool
    at: datetime | None  # of its last picture


@dataclass(frozen=True, slots=True)
class SiteState:
    """Everything a page says, before it is put into words."""

    site: str
    code: str
    at: datetime
    trust: Trust
    version: str
    level: Level
    incidents: tuple[Incident, ...]
    cards: tuple[Card, ...]
    links: tuple[LinkLine, ...]
    devices: tuple[DeviceLine, ...]
    door: DoorLine | None
    services: tuple[ServiceLine, ...]
    today: Today
    last_out: datetime | None = None  # when the last one left a place without a host, while they may turn back


def state_of(
    site: Site,
    pictures: Mapping[str, Picture],
    today: Today,
    now: Moment,
    *,
    asking: str = "",
    version: str = "",
    written: Written = NOTHING,
) -> SiteState:
    """Return what is to be seen of `site` at `now`.

    `asking` is the service that asks, if one does: it is alive by asking, and the fault of its ledger is `today`'s.
    """
    fresh = {name: one for name, one in pictures.items() if age_s(one, now) <= STALE_S}
    drivers: dict[str, LiveDriver] = {}
    for picture in fresh.values():
        drivers.update(picture.drivers)
    look = _Look(site, fresh, drivers, now.utc.astimezone(ZoneInfo(site.site.timezone)), written)
    services = tuple(_service(name, pictures.get(name), today, now, asking) for name in site.services)
    links = tuple(look.link(name) for name in site.links)
    devices = tuple(look.device(name) for name in site.printers)
    door = look.door()
    alerts = look.alerts_working(links, now.utc)
    left = look.certificate_left(now)
    spooler, faults = look.working("spooler"), look.spool_faults(now)
    seen = Seen(services, links, devices, spooler, door, look.readers(), now.trust, left, alerts, faults)
    incidents = judge(seen, STALE_S)
    return SiteState(
        site=site.site.name,
        code=site.site.code,
        at=now.utc,
        trust=now.trust,
        version=version,
        level=worst(one.level for one in incidents),
        incidents=incidents,
        cards=_cards(site, incidents),
        links=tuple(look.link_line(link) for link in links),
        devices=tuple(look.device_line(device, incidents) for device in devices),
        door=look.door_line(door),
        services=tuple(_service_line(one) for one in services),
        today=today,
        last_out=written.crowd.told(now.utc) if site.site.hostless else None,
    )


def as_json(state: SiteState) -> dict[str, object]:
    """Return the state for machines: no events, so no ids of people."""
    plain = asdict(state)
    plain["today"] = {
        "facts_shown": state.today.count,
        "paper": {name: asdict(sums) for name, sums in state.today.paper.items()},
        "books": {name: asdict(books) for name, books in state.today.books.items()},
        "seq": state.today.seq,
        "fault": state.today.fault,
    }
    return {"schema": 1, **plain}


def plain(value: object) -> str:
    """Write what JSON does not know: instants as ISO 8601, closed sets as their words."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cards(site: Site, incidents: tuple[Incident, ...]) -> tuple[Card, ...]:
    has = {Area.INTERNET: bool(site.links), Area.PAPER: "paper" in site.services, Area.DOOR: site.door is not None}
    cards = []
    for area in Area:
        own = tuple(one for one in incidents if one.area is area)
        if has.get(area, bool(own)):
            cards.append(Card(area, worst(one.level for one in own), own))
    return tuple(cards)


def _service(name: str, picture: Picture | None, today: Today, now: Moment, asking: str) -> ServiceSeen:
    if name == asking:
        return ServiceSeen(name, 0.0, now.utc, not today.fault, picture is None or picture.roster_ok)
    if picture is None:
        return ServiceSeen(name, None)
    age, well = age_s(picture, now), (picture.ledger_ok, picture.roster_ok)
    return ServiceSeen(name, age, picture.at.utc, *well, picture.list_from, picture.nobody_known)


def _service_line(one: ServiceSeen) -> ServiceLine:
    return ServiceLine(one.service, one.age_s is not None and one.age_s <= STALE_S, one.at)


def _word(kind: type[E], value: str, otherwise: E) -> E:
    """Parse a word of another process; one we do not know says nothing."""
    try:
        return kind(value)
    except ValueError:
        return otherwise


@dataclass(frozen=True, slots=True)
class _Look:
    """The fresh pictures, read through the site file: what the file does not name is not shown."""

    site: Site
    fresh: Mapping[str, Picture]
    drivers: Mapping[str, LiveDriver] = field(default_factory=dict)
    local: datetime | None = None  # the site's wall clock
    written: Written = NOTHING

    def working(self, driver: str) -> bool:
        known = self.drivers.get(driver)
        return known is None or known.working

    def spool_faults(self, now: Moment) -> tuple[str, ...]:
        """Return what is wrong with the print spooler's memory: settings that drifted, and what was lately found."""
        picture = self.fresh.get("paper")
        if picture is None or picture.spool is None:
            return ()
        lately = {"gap": picture.spool.gap, "tamper": picture.spool.tamper}
        found = (word for word, at in lately.items() if at is not None and now.utc - at < FOUND_LATELY)
        return (*(one for one in picture.spool.drifts if one in set(Drift)), *found)

    def since(self, driver: str) -> datetime | None:
        known = self.drivers.get(driver)
        return None if known is None else known.since

    def alerts_working(self, links: tuple[LinkSeen, ...], now: datetime) -> bool:
        """Tell whether alerts can leave; a route that is refused counts once internet cannot be why."""
        if not self.working("alerts"):
            return False
        reachable = not links or any(link.health in WORKS for link in links)
        routes = [one for name, one in self.drivers.items() if name.startswith("alerts.") and not one.working]
        return not any(reachable and one.since is not None and now - one.since > REFUSED for one in routes)

    def certificate_left(self, now: Moment) -> timedelta | None:
        """Return how long the certificate of the pages is still good, where the time can be believed."""
        picture = self.fresh.get("web")
        until = None if picture is None else picture.certificate_until
        return None if until is None or now.trust not in TRUSTED else until - now.utc

    def link_seen(self, name: str) -> LiveLink | None:
        picture = self.fresh.get("links")
        return None if picture is None else picture.links.get(name)

    def device_seen(self, name: str) -> LiveDevice | None:
        picture = self.fresh.get("paper")
        return None if picture is None else picture.devices.get(name)

    def door_seen(self) -> LiveDoor | None:
        picture = self.fresh.get("door")
        return None if picture is None else picture.door

    def link(self, name: str) -> LinkSeen:
        live = self.link_seen(name)
        if not self.working(f"links.{name}"):
            return LinkSeen(name, Health.UNKNOWN, Cause.GAP, self.since(f"links.{name}"))
        if live is None:
            return LinkSeen(name, Health.UNKNOWN, Cause.GAP, None)
        health = _word(Health, live.health, Health.UNKNOWN)
        return LinkSeen(name, health, _word(Cause, live.cause, Cause.NONE), live.since)

    def link_line(self, seen: LinkSeen) -> LinkLine:
        live = self.link_seen(seen.link)
        level = Level.DOWN if seen.health in OUT else Level.WATCH if seen.health in WORKS else Level.UNKNOWN
        level = Level.OK if seen.health is Health.UP else level
        up = live is not None and seen.health in WORKS
        rtt_s, loss_share = (live.rtt_s, live.loss_share) if live is not None and up else (None, None)
        path = (live.box, live.hop, live.far) if live is not None and seen.health is not Health.UNKNOWN else (None,) * 3
        alone = live.alone if live is not None else ()
        return LinkLine(seen.link, level, seen.health, seen.cause, seen.since, rtt_s, loss_share, path, alone)

    def device(self, name: str) -> DeviceSeen:
        driver = f"printers.{name}"
        live = self.device_seen(name)
        state = "unknown" if live is None or live.state not in set(DeviceState) else live.state
        reasons = () if live is None else live.reasons
        off, nobodys = self.written.may_be_off(self.site, name, self.local), self.written.copies.get(name)
        seen = DeviceSeen(name, state, reasons, self.working(driver), self.since(driver), off=off)
        if nobodys is not None:
            seen = replace(seen, nobodys_since=nobodys.since, nobodys=nobodys.sides)
        if (past := self.written.past.get(name)) is not None:
            seen = replace(seen, past_since=past.since, past=past.sides)
        if live is None:
            return seen
        return replace(
            seen, ages=live.ages, stuck=live.stuck, meters_silent=live.meters_silent, control_lost=live.control_lost
        )

    def device_line(self, seen: DeviceSeen, incidents: tuple[Incident, ...]) -> DeviceLine:
        live = self.device_seen(seen.device) or LiveDevice("unknown")
        own = [one.level for one in incidents if one.area is Area.PAPER and one.subject == seen.device]
        level = Level.UNKNOWN if "paper" not in self.fresh else worst(own)
        state = seen.state if seen.reachable else "off" if seen.off else "lost"
        return DeviceLine(
            name=seen.device,
            level=level,
            state=state,
            reasons=seen.reasons,
            supplies=live.supplies,
            counter=live.counter,
            visitor=live.visitor,
            waiting=live.waiting,
            refused=live.refused,
            ages=live.ages,
            trays=live.trays,
            queued=live.queued,
            stuck=live.stuck,
            meters_silent=live.meters_silent,
            control_lost=live.control_lost,
        )

    def readers(self) -> tuple[ReaderSeen, ...]:
        return tuple(
            ReaderSeen(name, reader.at == "door", self.working(f"readers.{name}"), self.since(f"readers.{name}"))
            for name, reader in self.site.readers.items()
        )

    def door(self) -> DoorSeen | None:
        if self.site.door is None:
            return None
        live = self.door_seen() or LiveDoor("unknown", Passage.UNKNOWN)
        contact = "contact" in self.site.door.inputs or live.leaf != Passage.UNKNOWN
        alone = self.local if self.site.site.hostless else None
        return DoorSeen(
            leaf=_word(Passage, live.leaf, Passage.UNKNOWN),
            latch="unknown" if live.latch not in set(LatchState) else live.latch,
            contact=contact,
            lock_working=self.working("door.lock"),
            inputs_working=self.working("door.inputs"),
            faults=tuple(fault for fault in live.faults if fault in set(DoorFault)),
            lingers=live.lingers,
            fail_safe=self.site.door.lock.fail_safe,
            deaf=live.deaf,
            noisy=live.noisy,
            strangers=tuple((name, seen) for name, seen in live.strangers.items() if seen in set(Pattern)),
            lockdown=live.lockdown,
            list_from=live.list_from,
            all_gone=alone is not None and self.written.crowd.all_gone(alone),
            overstay=0 if alone is None else self.written.overstay(self.site, alone),
            opened=live.opened,
        )

    def door_line(self, seen: DoorSeen | None) -> DoorLine | None:
        config = self.site.door
        if seen is None or config is None:
            return None
        live = self.door_seen() or LiveDoor("unknown", Passage.UNKNOWN)
        return DoorLine(
            level=LEAF_LEVELS[seen.leaf],
            leaf=seen.leaf,
            contact=seen.contact,
            latch=seen.latch,
            fail_safe=seen.fail_safe,
            plan_b=(config.key_box, config.night_phone),
            last_granted=live.last_granted,
            last_refused=live.last_refused,
            opened=seen.opened,
        )
