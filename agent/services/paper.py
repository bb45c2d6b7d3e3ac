"""The paper service: printing and copying; CUPS, the copier itself, the reader beside it."""

from __future__ import annotations

import asyncio
from functools import partial
from zoneinfo import ZoneInfo

import drivers
from agent.config import PrinterConfig
from agent.live import LiveDevice
from agent.services.standing import Standing
from agent.stories.copier import Desk, PaperPolicy, mind_copier_reader
from agent.stories.printing import mind_paper
from agent.stories.spool import mind_spooler
from drivers.contract import DeviceId, DeviceState

LOST_WAIT_S = 10.0  # a device or spooler that comes back is looked at again this soon


async def wire(here: Standing) -> None:
    """Open the devices and the spooler, and give each device one desk."""
    zone = ZoneInfo(here.site.site.timezone)
    desks = {name: Desk() for name in here.site.printers}
    for name, config in here.site.printers.items():
        await _wire_device(here, name, config, desks[name], zone)
    for name, reader in here.site.readers.items():
        if reader.at in desks:
            opened = here.open_reader(name)
            here.mind(f"readers.{name}", partial(mind_copier_reader, opened, desks[reader.at]), LOST_WAIT_S)
    spool = here.site.spooler
    if spool is not None:
        by_queue = {queue: desks[name] for name, config in here.site.printers.items() for queue in config.queues}
        spooler = await drivers.open_spooler(
            spool.kind,
            lambda: here.building,
            here.clock,
            here.stack,
            spool.server,
            tuple(by_queue),
            spool.attempts,
            spool.page_log,
        )
        story = partial(mind_spooler, spooler, by_queue, here.ledger, here.clock, here.show_spool)
        here.mind("spooler", story, LOST_WAIT_S)


async def _wire_device(here: Standing, name: str, config: PrinterConfig, desk: Desk, zone: ZoneInfo) -> None:
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
    policy = PaperPolicy(
        zone,
        poll_s=config.poll_s,
        visit_idle_s=config.visit_idle_s,
        a3_clicks=config.a3_clicks,
        copies=config.copies,
    )
    answered = asyncio.Event()

    def show(live: LiveDevice) -> None:
        if live.state in set(DeviceState):
            answered.set()
        here.show_device(name, live)

    here.mind(
        f"printers.{name}",
        lambda: mind_paper(device, printer, desk, here.ledger, here.roster, here.clock, show, policy),
        LOST_WAIT_S,
        proof=answered,
    )
