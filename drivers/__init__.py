"""Hands and senses: bytes, pins and sockets. Knows no member and no money; never imports `agent`.

This file is the one table "kind -> module". A driver is imported only when it is chosen, so that the door service
never loads scapy and the links service never loads pycups. `building` is asked for only where `kind = "sim"`.
Drivers that hold something open are entered on `stack`, and close with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the latch is a tiny process: this package loads nothing by itself
    from drivers.contract import (
        CardReader,
        Clock,
        DeviceId,
        InputId,
        Inputs,
        LinkId,
        Lock,
        Messenger,
        Printer,
        ReaderId,
        Signs,
        Spooler,
    )
    from drivers.copying import CopyControl
    from drivers.holding import Releaser
    from drivers.probing import ProbePlan, Prober
    from drivers.sim import SimBuilding

FETCH_S = 30.0  # a document of CUPS's, however large

Building = Callable[[], "SimBuilding"]


def open_prober(
    kind: str,
    building: Building,
    clock: Clock,
    link: LinkId,
    interface: str,
    plan: ProbePlan,
) -> Prober:
    """Return the prober of one link."""
    if kind == "sim":
        return building().prober(link, plan)
    from drivers.prober import ScapyProber

    return ScapyProber(clock, link, interface, plan)


async def open_spooler(
    kind: str,
    building: Building,
    clock: Clock,
    stack: AsyncExitStack,
    server: str,
    queues: tuple[str, ...],
    attempts: str,
    page_log: str,
) -> Spooler:
    """Return the print spooler; `attempts`: the notes of the backend in the print path; `page_log`: CUPS's file."""
    if kind == "sim":
        return building().spooler()
    from drivers.spooler import CupsSpooler

    return await stack.enter_async_context(
        CupsSpooler(clock, server, queues, attempts=Path(attempts), page_log=Path(page_log))
    )


async def open_releaser(
    kind: str, building: Building, clock: Clock, stack: AsyncExitStack, server: str, queues: tuple[str, ...]
) -> Releaser:
    """Return the way out of the intake queues."""
    if kind == "sim":
        return building().releaser(queues)
    from drivers.releaser import CupsReleaser
    from drivers.spooler import CupsSpooler

    line = await stack.enter_async_context(CupsSpooler(clock, server, ()))
    fetching = await stack.enter_async_context(CupsSpooler(clock, server, (), FETCH_S))
    return CupsReleaser(line, fetching, queues)


async def open_printing(
    kind: str, building: Building, clock: Clock, stack: AsyncExitStack, server: str, queues: tuple[str, ...]
) -> Releaser:
    """Return a look at what the queues that print at once have not ended; nothing is let out of those."""
    if kind == "sim":
        from drivers.simreleaser import SimReleaser

        return SimReleaser(building(), queues)  # of its own: simulated paper comes out at once
    return await open_releaser(kind, building, clock, stack, server, queues)


def prune_spooler(kind: str, server: str, attempts: str, up_to: tuple[int, int], before_s: float) -> tuple[int, int]:
    """Have the spooler forget what ended before `before_s` (Unix), up to a job: how many notes and jobs are gone.

    Notes go first: a note without its job would look as if somebody had purged it. Blocks; raises DriverError.
    """
    if kind == "sim":
        return 0, 0
    from drivers.printpath import forget
    from drivers.spooler import prune

    return forget(Path(attempts), before_s), prune(server, up_to, before_s)


async def open_printer(  # noqa: PLR0913  (the site file's keys, one by one)
    kind: str,
    building: Building,
    clock: Clock,
    stack: AsyncExitStack,
    device: DeviceId,
    uri: str,
    *,
    community: str = "",
    version: int = 2,
    port: int = 161,
    meters: str = "",
    records: int | None = None,
) -> Printer:
    """Return one printing device; its meters are asked over SNMP where there is a `community`.

    `records`: how many of its ended jobs a look takes at least, 0 none; None as the driver likes.
    """
    if kind == "sim":
        return building().printer(device)
    from drivers.printer import IppPrinter

    bounds = {} if records is None else {"records": records}
    printer = await stack.enter_async_context(IppPrinter(clock, device, uri, **bounds))
    if not community:
        return printer
    from urllib.parse import urlsplit

    from drivers.counted import CountedPrinter
    from drivers.snmp import SnmpMeters

    host = urlsplit(uri).hostname or ""
    source = SnmpMeters(device, host, port=port, community=community, version=version, profile=meters)
    return await stack.enter_async_context(CountedPrinter(device, printer, source))


def open_reader(  # noqa: PLR0913  (the site file's keys, one by one)
    kind: str,
    building: Building,
    clock: Clock,
    reader: ReaderId,
    *,
    device: str,
    baud: int,
    frame: str,
    line_prefix: str,
    line_end: str,
    byte_order: str,
) -> CardReader:
    """Return one card reader; its port opens when its badges are asked for."""
    if kind == "sim":
        return building().reader(reader)
    from drivers.cardreader import SerialCardReader

    return SerialCardReader(
        clock,
        reader,
        device=device,
        baud=baud,
        frame=frame,
        line_prefix=line_prefix,
        line_end=line_end,
        byte_order=byte_order,
    )


async def open_lock(
    kind: str,
    building: Building,
    clock: Clock,
    stack: AsyncExitStack,
    chip: str,
    line: int,
    *,
    active_high: bool,
    cap_s: float,
) -> Lock:
    """Return the door's lock; a real one has its latch process running and its line at rest. Raises DriverError."""
    if kind == "sim":
        building().lock.cap_s = cap_s
        return building().lock
    from drivers.lock import GpioLock

    lock = GpioLock(clock, chip=chip, line=line, active_high=active_high, cap_s=cap_s)
    return await stack.enter_async_context(lock)


def open_inputs(
    kind: str, building: Building, clock: Clock, chip: str, wired: Mapping[InputId, tuple[int, bool, float, str]]
) -> Inputs:
    """Return the door's inputs: `wired` maps each to (line, active_high, bounce_s, pull). Claimed at `changes`."""
    if kind == "sim":
        return building().inputs()
    from drivers.inputs import GpioInputs, InputLine

    return GpioInputs(clock, chip, {name: InputLine(*line) for name, line in wired.items()})


async def open_connector(  # noqa: PLR0913  (the site file's keys, one by one)
    kind: str,
    building: Building,
    clock: Clock,
    stack: AsyncExitStack,
    device: DeviceId,
    chip: str,
    enable: tuple[int, bool],
    wired: Mapping[str, tuple[int, bool, float, str]],
    *,
    pulses_per_click: int,
    a3_clicks: int,
) -> CopyControl:
    """Return a copier's copy-control connector. It starts its latch itself: one that cannot be had stops no printing.

    `enable`: (line, active_high) of the relay. `wired`: "pulse" and what there is of "colour", "large" and "sheet",
    each as (line, active_high, bounce_s, pull).
    """
    from drivers.connector import CAP_S, PulsedControl
    from drivers.copying import COLOUR, LARGE, PULSE, SHEET, PulseCount

    count = PulseCount(per_click=pulses_per_click, a3_clicks=a3_clicks, tells_sheets=kind == "sim" or "sheet" in wired)
    if kind == "sim":
        simulated = building().connector(device)
        return await stack.enter_async_context(PulsedControl(clock, simulated.lock, simulated, count))
    from drivers.lock import GpioLock

    lock = GpioLock(clock, chip=chip, line=enable[0], active_high=enable[1], cap_s=CAP_S)
    stack.push_async_callback(lock.close)
    levels_first = {name: wired[name] for name in (COLOUR, LARGE, SHEET, PULSE) if name in wired}
    inputs = open_inputs(kind, building, clock, chip, levels_first)
    return await stack.enter_async_context(PulsedControl(clock, lock, inputs, count))


def open_signs(
    kind: str, stack: AsyncExitStack, chip: str, wired: Mapping[str, tuple[int, bool, float]]
) -> Signs | None:
    """Return the door's lamps: `wired` maps each to (line, active_high, flash_s). None where there are none."""
    if kind == "sim" or not wired:
        return None
    from drivers.signs import GpioSigns, SignLine

    return stack.enter_context(GpioSigns(chip, {name: SignLine(*line) for name, line in wired.items()}))


def open_messenger(url: str) -> Messenger:
    """Return one way to send messages; `url` as apprise writes them. Raises DriverError if it is none."""
    from drivers.messenger import AppriseMessenger

    return AppriseMessenger(url)
