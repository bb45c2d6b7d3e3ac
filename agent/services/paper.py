"""The paper service: printing and copying; CUPS, the copier itself, the reader beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import drivers
from agent.ask import answering
from agent.config import ConfigError, PrinterConfig, out_queue
from agent.live import LiveDevice
from agent.memory.codec import LedgerError
from agent.rules.identity import Level
from agent.rules.members import Roster
from agent.rules.tariff import Tariff
from agent.services.standing import Standing, paper_list
from agent.sitefile import read_tariff
from agent.stories.bequest import mind_list
from agent.stories.copier import BY_HAND, PaperPolicy
from agent.stories.desk import Desk, mind_copier_reader
from agent.stories.foretell import Foreteller
from agent.stories.glass import Glass
from agent.stories.printing import mind_paper
from agent.stories.release import ReleaseDesk
from agent.stories.room import ReleasePolicy, Room, Way, followed_slate
from agent.stories.spool import mind_spooler
from drivers.contract import BadgeRead, DeviceId, DeviceState, InputId
from drivers.copying import CopyControl

log = logging.getLogger(__name__)

LOST_WAIT_S = 10.0  # a device or spooler that comes back is looked at again this soon
READER_WAIT_S = 1.5  # a reader that comes back is heard again this soon: with the wait's jitter, within 2 s


async def wire(here: Standing) -> None:
    """Open the devices and the spooler, and give each device one desk."""
    zone = ZoneInfo(here.site.site.timezone)
    slate = followed_slate(here.ledger)
    kept = paper_list(here.places)
    here.keep(lambda: mind_list(partial(_newest, here), kept.keep, here.clock, here.publish_s))
    desks = {name: Desk(slate.read) for name in here.site.printers}
    glass = _wire_glass(here, zone)
    for name, config in here.site.printers.items():
        await _wire_device(here, name, config, desks[name], zone, glass.ring)
    releases, armed = await _wire_releases(here, zone, desks, glass)
    for name, reader in here.site.readers.items():
        if reader.at in desks:
            opened = here.open_reader(name)
            release = releases.get(reader.at)
            asks = partial(armed, reader.at)
            heard = partial(mind_copier_reader, opened, desks[reader.at], release, asks)
            here.mind(f"readers.{name}", heard, READER_WAIT_S)
    spool = here.site.spooler
    if spool is not None:
        by_queue = {queue: desks[name] for name, config in here.site.printers.items() for queue in config.queues}
        by_queue |= {out_queue(name): desks[name] for name in releases}
        waiting = {queue for name in releases for queue in here.site.intake(name)}
        spooler = await drivers.open_spooler(
            spool.kind,
            lambda: here.building,
            here.clock,
            here.stack,
            spool.server,
            (*by_queue, *sorted(waiting)),  # a job is followed from the moment it waits
            spool.attempts,
            spool.page_log,
        )
        await _wire_foretelling(here, desks)
        asking = frozenset(
            queue
            for config in here.site.printers.values()
            if config.bills_from == Level.AUTHENTICATED
            for queue in config.queues
        )
        story = partial(mind_spooler, spooler, by_queue, here.ledger, here.clock, here.show_spool, asking=asking)
        here.mind("spooler", story, LOST_WAIT_S)


def _newest(here: Standing) -> Roster | None:
    """Return the roster, to be kept; None while it cannot be read: what stands in for it is not kept anew."""
    try:
        roster = here.roster.roster()
    except LedgerError:  # it shows in the picture as `roster_why`
        return None
    return None if here.roster.fault else roster


async def _wire_foretelling(here: Standing, desks: dict[str, Desk]) -> None:
    """Have documents looked through while they print, where queues print at once."""
    spool, printers = here.site.spooler, here.site.printers
    queues = tuple(sorted(queue for config in printers.values() for queue in config.queues))
    if spool is None or not queues:
        return
    printing = await drivers.open_printing(
        spool.kind, lambda: here.building, here.clock, here.stack, spool.server, queues
    )
    direct = [desks[name] for name, config in printers.items() if config.queues]
    here.keep(Foreteller(printing, direct, here.ledger, here.clock).mind)


def _wire_glass(here: Standing, zone: ZoneInfo) -> Glass:
    """Have who pays for copies chosen where there may be a screen to choose at, and copies are counted by visits."""
    printers = here.site.printers.items()
    devices = frozenset(name for name, one in printers if here.site.intake(name) and one.copies not in BY_HAND)
    glass = Glass(devices, here.ledger, here.roster, here.clock, zone, here.show_tabs)
    if devices:
        here.keep(glass.mind)
    return glass


Releases = dict[str, Callable[[BadgeRead], Awaitable[None]]]


async def _wire_releases(
    here: Standing, zone: ZoneInfo, desks: dict[str, Desk], glass: Glass
) -> tuple[Releases, Callable[[str], bool]]:
    """Have badges let jobs out, where queues wait for one.

    Return what to do with a badge, by device, and what tells whether that is to be asked who pays.
    """
    site, spool = here.site, here.site.spooler
    names = [name for name in site.printers if site.intake(name)]
    if spool is None or not names:
        return {}, lambda _: False
    queues = tuple(sorted({queue for name in names for queue in site.intake(name)}))
    releaser = await drivers.open_releaser(
        spool.kind, lambda: here.building, here.clock, here.stack, spool.server, queues
    )
    policy = ReleasePolicy(zone, timedelta(hours=site.keep_h), _tariff(site.tariff))
    desk = ReleaseDesk(Room(releaser, here.ledger, here.roster, here.clock, policy, here.show_release), glass)
    here.mind("releases", desk.mind, LOST_WAIT_S)
    for one in desks.values():
        one.near = desk.serving.near
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, desk.answer))
    return {name: partial(desk.badge, way=await _way(here, name)) for name in names}, desk.serving.armed


def _tariff(file: str) -> Tariff | None:
    """Read the tariff for the prices that are told before a job prints; None if there is none to be read."""
    try:
        return read_tariff(Path(file)) if file else None
    except ConfigError as error:  # a wrong price list stops no printing; `gardien check` and the statement say it
        log.warning("no prices can be told at the copier: %s", error)
        return None


async def _way(here: Standing, name: str) -> Way:
    """Return the way to one device. It is asked by a line of its own: the books' looks take their time.

    It is only asked whether it can print, not for the jobs it remembers: a badge waits for the answer.
    """
    config, device = here.site.printers[name], DeviceId(name)
    printer = await drivers.open_printer(
        config.kind, lambda: here.building, here.clock, here.stack, device, config.uri, records=0
    )
    return Way(device, out_queue(name), frozenset(here.site.intake(name)), printer)


async def _control(here: Standing, device: DeviceId, config: PrinterConfig) -> CopyControl | None:
    """Return the copier's copy-control connector, where it has one."""
    wired = config.connector
    if wired is None:
        return None
    return await drivers.open_connector(
        wired.kind,
        lambda: here.building,
        here.clock,
        here.stack,
        device,
        wired.chip,
        (wired.enable, wired.enable_active_high),
        {InputId(name): line for name, line in wired.inputs.items()},
        pulses_per_click=wired.pulses_per_click,
        a3_clicks=config.a3_clicks,
    )


async def _wire_device(
    here: Standing, name: str, config: PrinterConfig, desk: Desk, zone: ZoneInfo, looked: Callable[[], None]
) -> None:
    device = DeviceId(name)
    printer = await drivers.open_printer(
        config.kind,
        lambda: here.building,
        here.clock,
        here.stack,
        device,
        config.uri,
        community=config.snmp,
        version=config.snmp_version,
        port=config.snmp_port,
        meters=config.meters,
    )
    control = await _control(here, device, config)
    policy = PaperPolicy(
        zone,
        poll_s=config.poll_s,
        visit_idle_s=config.visit_idle_s,
        a3_clicks=config.a3_clicks,
        copies=config.copies,
        bills_from=Level(config.bills_from),
    )
    answered = asyncio.Event()

    def show(live: LiveDevice) -> None:
        if live.state in set(DeviceState):
            answered.set()
        here.show_device(name, live)
        looked()

    here.mind(
        f"printers.{name}",
        lambda: mind_paper(device, printer, desk, here.ledger, here.roster, here.clock, show, policy, control),
        LOST_WAIT_S,
        proof=answered,
    )
