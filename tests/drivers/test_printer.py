"""The device's own word: `IppPrinter` over our copier and libcups' ippeveprinter; the contract also over the sim."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.clock import SystemClock
from drivers.contract import Counters, DeviceId, DeviceState, DriverError, JobState, LargeSides
from drivers.peers.copier import Copier
from drivers.printer import IppPrinter
from drivers.sim import SimBuilding
from drivers.verbs import CopyVerb, DeviceVerb, PrintVerb
from drivers.virtual import VirtualClock, VirtualLoop
from tests.drivers.contract_printer import LAWS, Subject
from tests.drivers.paper_tools import document, reads, send

DEVICE = DeviceId("copier")

# --- the contract ------------------------------------------------------------------------------------------


async def _over_ipp(law: Callable[[Subject], Awaitable[None]], folder: Path) -> None:
    async with Copier(folder, sides_per_s=500) as copier:

        async def print_pages(user: str, pages: int, **how: bool | int) -> None:
            await send(copier.uri, user, document(pages), **how)

        async def copy(sides: int, colour: bool) -> None:
            await copier.press("copy", str(sides), *(["colour"] if colour else []))

        async def paper(there: bool) -> None:
            await copier.press("paper", "in" if there else "out")

        async def toner(colour: str, share: float) -> None:
            await copier.press("toner", colour, str(share))

        printer = IppPrinter(SystemClock(), DEVICE, copier.uri)
        await law(Subject(printer, print_pages, copy, paper, toner, copier.settle))


async def _over_sim(law: Callable[[Subject], Awaitable[None]], _folder: Path) -> None:
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, 9, tzinfo=UTC)))

    async def print_pages(user: str, pages: int, *, colour: bool = False, two_sided: bool = False, copies: int = 1):
        building.obey(PrintVerb(user, pages, colour, two_sided, copies))

    async def copy(sides: int, colour: bool) -> None:
        building.obey(CopyVerb(sides, colour))

    async def paper(there: bool) -> None:
        building.obey(DeviceVerb("paper", "in" if there else "out"))

    async def toner(colour: str, share: float) -> None:
        building.obey(DeviceVerb("toner", colour, share))

    async def settle() -> None:
        await asyncio.sleep(60)  # virtual

    await law(Subject(building.printer(DEVICE), print_pages, copy, paper, toner, settle))


def _really(law: Coroutine[None, None, None]) -> None:
    asyncio.run(law)


def _virtually(law: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(law)


SUBJECTS = {"ipp": (_over_ipp, _really), "sim": (_over_sim, _virtually)}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_contract(subject, law, tmp_path):
    over, run = SUBJECTS[subject]
    run(over(law, tmp_path))


# --- settled, paging, swaps --------------------------------------------------------------------------------


def test_a_working_device_is_not_settled(tmp_path):
    async def story():
        async with Copier(tmp_path, sides_per_s=20) as copier:
            await copier.press("paper", "4")
            job = await send(copier.uri, "alice", document(20))
            while not copier.machine.obstacles():
                await asyncio.sleep(0.02)
            stopped = await reads(copier.uri)
            await copier.press("cancel")
            await copier.settle()
            return job, stopped, await reads(copier.uri)

    job, stopped, after = asyncio.run(story())
    assert (stopped.settled, stopped.state, stopped.reasons) == (False, DeviceState.STOPPED, ("media-empty-error",))
    assert [(each.job, each.state, each.sides) for each in stopped.jobs] == [(job, JobState.STOPPED, 4)]
    assert [(each.job, each.state, each.sides) for each in after.jobs] == [(job, JobState.CANCELED, 4)]
    assert after.counters == Counters(4, 0, 0, 0, 4, LargeSides(0, 0, 0, 0))


def test_the_first_look_and_one_after_a_long_silence_tell_all(tmp_path):
    async def story():
        async with Copier(tmp_path, sides_per_s=100_000) as copier:
            for _ in range(230):
                copier.machine.create(name="", user="alice")
                copier.machine.abort(max(copier.machine.jobs), "test")
            printer = IppPrinter(SystemClock(), DEVICE, copier.uri, records=50)
            looks = [await printer.read(), await printer.read()]
            for _ in range(170):
                copier.machine.create(name="", user="bob")
                copier.machine.abort(max(copier.machine.jobs), "test")
            return [[job.job for job in reading.jobs] for reading in (*looks, await printer.read())]

    first, second, third = asyncio.run(story())
    assert first == list(range(1, 231))
    assert second == list(range(181, 231))
    assert set(third) >= set(range(231, 401))


def test_a_look_that_wants_no_records_says_how_the_device_is_and_asks_for_nothing_else(tmp_path):
    async def story():
        async with Copier(tmp_path, sides_per_s=1000) as copier:
            await send(copier.uri, "alice", document(2))
            await copier.settle()
            await copier.press("jam")
            return await IppPrinter(SystemClock(), DEVICE, copier.uri, records=0).read()

    reading = asyncio.run(story())
    assert (reading.jobs, reading.state, reading.reasons) == ((), DeviceState.IDLE, ("media-jam-error",))
    assert not reading.settled  # it was asked once: nobody knows whether its counters stand still


def test_another_machine_in_its_place_has_another_serial_and_its_own_counters(tmp_path):
    async def story():
        async with Copier(tmp_path, sides_per_s=1000) as copier:
            await send(copier.uri, "alice", document(2))
            await copier.settle()
            first = await reads(copier.uri)
            await copier.press("swap", "GDN0002")
            return first, await reads(copier.uri)

    first, second = asyncio.run(story())
    assert (first.serial, first.counters.sides, len(first.jobs)) == ("GDN0001", 2, 1)
    assert (second.serial, second.counters.sides, second.jobs) == ("GDN0002", 0, ())


# --- libcups' own device -----------------------------------------------------------------------------------

EVE = shutil.which("ippeveprinter", path=os.defpath + ":/usr/sbin:/sbin") or ""


@pytest.mark.peers
@pytest.mark.skipif(not EVE or not shutil.which("dbus-daemon"), reason="no ippeveprinter or dbus-daemon here")
def test_libcups_printer_is_understood(tmp_path):
    """`ippeveprinter` wants a system bus even without DNS-SD: it gets a private one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bus = f"unix:path={tmp_path / 'bus'}"
    daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--address={bus}"], stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 10  # without its bus, ippeveprinter ends at once
    while not (tmp_path / "bus").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    formats = "application/pdf,image/pwg-raster,image/urf"
    (tmp_path / "spool").mkdir()
    printer = subprocess.Popen(
        [
            EVE,
            "-r",
            "off",
            "-p",
            str(port),
            "-n",
            "localhost",
            "-2",
            "-s",
            "20,20",
            "-f",
            formats,
            "-d",
            str(tmp_path / "spool"),
            "Eve",
        ],
        env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": bus},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    uri = f"ipp://localhost:{port}/ipp/print"

    async def story():
        for _ in range(300):
            try:
                await reads(uri)
                break
            except DriverError:
                await asyncio.sleep(0.1)
        await send(uri, "alice", document(2), two_sided=True)
        for _ in range(600):  # it takes 5 to 15 s over a job, at its own whim
            reading = await reads(uri)
            if reading.settled and any(job.state is JobState.COMPLETED for job in reading.jobs):
                return reading
            await asyncio.sleep(0.1)
        raise AssertionError(reading)

    try:
        reading = asyncio.run(story())
    finally:
        for process in (printer, daemon):
            process.kill()
            process.wait()
    (job,) = reading.jobs
    assert (job.user, job.state, job.two_sided) == ("alice", JobState.COMPLETED, True)
    assert len(reading.serial) == 36
    assert reading.counters is None
    assert {supply.colour for supply in reading.supplies} == {"", "black", "cyan", "magenta", "yellow"}
