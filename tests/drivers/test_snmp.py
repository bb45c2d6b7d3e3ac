"""Meters over a real UDP wire: pysnmp here, an agent with its own BER there. Expected numbers are literals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.clock import SystemClock
from drivers.contract import METERS, Counters, DeviceId, DriverError
from drivers.counted import CountedPrinter
from drivers.peers.agent import SEQUENCE, Agent, Oid, Value, counter, dotted, elements, integer, octets, tlv
from drivers.peers.copier import Copier
from drivers.peers.copier_machine import Machine
from drivers.peers.copier_mib import mib
from drivers.printer import IppPrinter
from drivers.printermib import read_meters, vendor_of, vendors
from drivers.snmp import SnmpMeters

SILENT = "before timeout|no SNMP answer"


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))  # type: ignore[arg-type]


async def walked_up(folder: Path) -> Machine:
    machine = Machine(folder, sides_per_s=2000)
    machine.start()
    machine.copy(12)
    machine.copy(3, colour=True)
    await machine.until(lambda: machine.idle)
    await machine.stop()
    return machine


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("vendor", "counters", "total", "total_colour"),
    [
        ("canon", Counters(5000, 0, 12, 3, 0), 5015, 3),
        ("ricoh", Counters(5000, 0, 12, 3, 0), 5015, None),
        ("kyocera", Counters(5000, 0, 12, 3, 0), 5015, None),
        ("acme", None, 5015, None),  # a vendor we have no file of: the standard total, and nothing guessed
    ],
)
def test_a_vendor_is_known_by_its_object_and_read_by_its_file(tmp_path, vendor, counters, total, total_colour, version):
    async def main() -> None:
        machine = await walked_up(tmp_path)
        machine.set(tray=0)
        agent = Agent(lambda: mib(machine, vendor, 5000))
        await agent.start()
        meters = await SnmpMeters("c", "127.0.0.1", port=agent.port, version=version).meters()
        agent.stop()
        assert meters.counters == counters
        assert (meters.life.total, meters.life.total_colour) == (total, total_colour)
        assert meters.serial == "GDN0001"
        assert [(one.name, one.colour, one.level_share) for one in meters.supplies[:2]] == [
            ("Black Toner", "black", 0.8),
            ("Cyan Toner", "cyan", 0.8),
        ]
        assert [(one.name, one.media, one.empty) for one in meters.trays] == [("Cassette 1", "iso_a4_210x297mm", True)]
        assert meters.reasons == ("media-empty-error",)

    run(main)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("mute", "before timeout|no SNMP answer"),
        ("garbage", "before timeout|no SNMP answer"),
        ("circle", "circles"),
        ("closed", "neither"),
    ],
)
def test_an_agent_that_talks_no_sense_is_an_error_that_says_so(tmp_path, mood, why):
    async def main() -> None:
        machine = Machine(tmp_path)
        agent = Agent(lambda: mib(machine, "canon"))
        await agent.start()
        agent.mood = mood
        with pytest.raises(DriverError, match=why):
            await SnmpMeters("c", "127.0.0.1", port=agent.port, timeout_s=0.9).meters()
        agent.stop()

    run(main)


class Odd(Agent):
    """Answers with datagrams of a test's own making, before its real answer or instead of it."""

    def __init__(self, folder: Path, spoilt: Callable[[Asked], list[bytes]], *, truly: bool) -> None:
        machine = Machine(folder)
        super().__init__(lambda: mib(machine, "canon", 77))
        self.spoilt, self.truly, self.strangers = spoilt, truly, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.strangers.bind(("127.0.0.9", 0))
        self.stranger = False

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for one in self.spoilt(Asked(data)):
            (self.strangers.sendto if self.stranger else self._wire.sendto)(one, addr)  # type: ignore[union-attr]
        if self.truly:
            super().datagram_received(data, addr)

    def stop(self) -> None:
        super().stop()
        self.strangers.close()


class Asked:
    """A question taken apart, and answers to it put together."""

    def __init__(self, data: bytes) -> None:
        (_, message), *_ = elements(data)
        (_, self.version), (_, self.community), (self.kind, body) = elements(message)
        (_, self.request), _, _, (_, self.listed) = elements(body)
        self.oid = next(elements(next(elements(self.listed))[1]))[1]
        self.whole = data

    def answer(self, value: bytes = tlv(0x41, b"\x09"), kind: int = 0xA2, times: int = 1, **how: bytes) -> bytes:
        rows = tlv(SEQUENCE, tlv(0x06, how.get("oid", self.oid)) + value) * times
        head = tlv(2, how.get("request", self.request)) + tlv(2, how.get("status", b"\0")) + tlv(2, b"\0")
        told = tlv(2, how.get("version", self.version)) + tlv(4, how.get("community", self.community))
        return tlv(SEQUENCE, told + tlv(kind, head + tlv(SEQUENCE, rows)))


NO_ANSWERS: dict[str, Callable[[Asked], list[bytes]]] = {
    "cut short": lambda q: [q.answer()[:-4]],
    "another community": lambda q: [q.answer(community=b"private")],
    "another version": lambda q: [q.answer(version=b"\1" if q.version == b"\0" else b"\0")],
    "version 3": lambda q: [q.answer(version=b"\3")],
    "another question's": lambda q: [q.answer(request=bytes(reversed(q.request)) + b"\1")],
    "the question itself": lambda q: [q.whole],
    "a trap": lambda q: [q.answer(kind=0xA7)],
    "no such type": lambda q: [q.answer(tlv(0x09, b"\3x"))],
    "a number of 50 kB": lambda q: [q.answer(tlv(0x41, b"\x7f" + b"\xff" * 50_000))],
    "an arc of 9 kB": lambda q: [q.answer(oid=q.oid + b"\xff" * 9_000 + b"\x7f")],
    "64 kB of rows": lambda q: [q.answer(times=2_500)],
    "ends without beginnings": lambda q: [b"\x30\x80" * 8_000, b""],
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("what", NO_ANSWERS)
def test_what_is_no_answer_is_silence_and_leaves_no_trace(tmp_path, caplog, what, version):
    async def main() -> None:
        agent = Odd(tmp_path, NO_ANSWERS[what], truly=True)
        await agent.start()
        meters = await SnmpMeters("c", "127.0.0.1", port=agent.port, version=version).meters()
        assert (meters.serial, meters.counters) == ("GDN0001", Counters(77, 0, 0, 0, 0))
        agent.truly = False
        with pytest.raises(DriverError, match=f"^c: .*({SILENT})"):
            await SnmpMeters("c", "127.0.0.1", port=agent.port, version=version, timeout_s=0.3).meters()
        agent.stop()

    run(main)
    assert caplog.records == []


def test_a_stranger_who_knows_the_number_of_the_question_is_not_believed(tmp_path):
    async def main() -> None:
        agent = Odd(tmp_path, lambda q: [q.answer(tlv(4, b"FORGED"))], truly=True)
        agent.stranger = True
        await agent.start()
        assert (await SnmpMeters("c", "127.0.0.1", port=agent.port).meters()).serial == "GDN0001"
        agent.stop()

    run(main)


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (lambda q: [q.answer(status=b"\1")], "c: SNMP: the agent answers error-status 1"),  # tooBig
        (lambda q: [q.answer(oid=b"\x2b\6\1\x09")], "c: .* neither sysObjectID"),  # what nobody asked for
        (lambda q: [q.answer(times=0)], "c: .* neither sysObjectID"),
    ],
)
def test_an_answer_that_tells_nothing_is_an_error_with_the_devices_name(tmp_path, spoilt, why):
    async def main() -> None:
        agent = Odd(tmp_path, spoilt, truly=False)
        await agent.start()
        with pytest.raises(DriverError, match=f"^{why}"):
            await SnmpMeters("c", "127.0.0.1", port=agent.port).meters()
        agent.stop()

    run(main)


@pytest.mark.parametrize("value", [tlv(0x02, b"\x09"), tlv(0x04, b"\x1b\0\n "), tlv(0x46, b"\x7f" + b"\xff" * 7)])
def test_a_serial_that_is_no_text_is_none(tmp_path, value):
    async def main() -> None:
        agent = Odd(tmp_path, lambda q: [q.answer(value)], truly=False)
        await agent.start()
        meters = await SnmpMeters("c", "127.0.0.1", port=agent.port).meters()
        agent.stop()
        assert (meters.serial, meters.counters) == ("", None)

    run(main)


def test_another_makers_machine_at_the_same_address_is_read_by_its_own_file(tmp_path):
    async def main() -> None:
        machine = await walked_up(tmp_path)
        made_by = ["canon"]
        agent = Agent(lambda: mib(machine, made_by[0], 100))
        await agent.start()
        meters = SnmpMeters("c", "127.0.0.1", port=agent.port)
        assert (await meters.meters()).life.total_colour == 3
        made_by[0] = "acme"  # nobody we know
        assert (await meters.meters()).counters is None
        made_by[0] = "ricoh"
        assert (await meters.meters()).counters == Counters(100, 0, 12, 3, 0)
        agent.stop()

    run(main)


def test_text_where_a_count_is_due_is_no_count(tmp_path):
    async def main() -> None:
        machine = Machine(tmp_path)
        agent = Agent(lambda: mib(machine, "ricoh"))
        await agent.start()
        agent.mood = "text"
        meters = await SnmpMeters("c", "127.0.0.1", port=agent.port).meters()
        agent.stop()
        assert (meters.counters, meters.life.total, meters.life.rows) == (None, None, ())

    run(main)


def test_a_stranger_to_the_community_is_not_answered(tmp_path):
    async def main() -> None:
        machine = Machine(tmp_path)
        agent = Agent(lambda: mib(machine, "canon"), community="secret")
        await agent.start()
        with pytest.raises(DriverError):
            await SnmpMeters("c", "127.0.0.1", port=agent.port, timeout_s=0.6).meters()
        assert (await SnmpMeters("c", "127.0.0.1", port=agent.port, community="secret").meters()).serial == "GDN0001"
        agent.stop()

    run(main)


def test_all_that_a_device_offers_is_shown_to_whoever_adds_a_vendor(tmp_path):
    async def main() -> None:
        machine = await walked_up(tmp_path)
        agent = Agent(lambda: mib(machine, "canon"))
        await agent.start()
        vendor, rows = await SnmpMeters("c", "127.0.0.1", port=agent.port).offered()
        agent.stop()
        assert (vendor.key, vendor.tried) == ("canon", "untried")
        assert rows["1.3.6.1.4.1.1602.1.11.1.3.1.4.201"] == 15
        assert rows["1.3.6.1.2.1.43.5.1.1.17.1"] == "GDN0001"

    run(main)


def test_every_vendor_file_is_marked_and_names_its_source():
    known = vendors()
    assert set(known) == {"standard", "canon", "ricoh", "kyocera"}
    for vendor in known.values():
        assert vendor.tried == "untried" or vendor.tried.startswith("tried: ")
        assert vendor.source
        assert set(vendor.counters) <= set(METERS)
    assert vendor_of({"1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.16021.1"}, known).key == "standard"  # 1602 is not 16021


def rows_of(*rows: tuple[str, int | str]) -> dict[str, int | str]:
    return dict(rows)


def test_sheets_are_not_taken_for_sides():
    rows = rows_of(("1.3.6.1.2.1.43.10.2.1.4.1.1", 900), ("1.3.6.1.2.1.43.10.2.1.3.1.1", 8))
    assert read_meters(rows, vendors()["canon"]).life.total is None


def test_a_row_that_is_missing_leaves_its_counter_out():
    base = "1.3.6.1.4.1.1602.1.11.1.3.1.4"
    meters = read_meters(rows_of((f"{base}.101", 50), (f"{base}.201", 20), (f"{base}.301", 30)), vendors()["canon"])
    assert meters.counters is None  # a black-and-white iR without rows 229 and 230: its total is all we take
    assert meters.life.rows == (("total", 50),)


def test_a_level_that_is_not_known_is_no_level():
    mib = "1.3.6.1.2.1.43.11.1.1"
    rows = rows_of((f"{mib}.6.1.1", "Waste"), (f"{mib}.8.1.1", -2), (f"{mib}.9.1.1", -3))
    assert [one.level_share for one in read_meters(rows, vendors()["standard"]).supplies] == [None]


def test_values_keep_their_types_on_the_wire():
    tree: dict[Oid, Value] = {
        dotted("1.3.6.1.2.1.1.2.0"): Value(0x06, dotted("1.3.6.1.4.1.1602.200.300000")),
        dotted("1.3.6.1.2.1.43.5.1.1.17.1"): octets("é" * 90),
        dotted("1.3.6.1.2.1.43.10.2.1.4.1.1"): counter(2**32 - 1),
        dotted("1.3.6.1.2.1.43.10.2.1.3.1.1"): integer(7),
        dotted("1.3.6.1.2.1.43.18.1.1.7.1.1"): integer(-2147483648),
    }

    async def main() -> None:
        agent = Agent(lambda: tree)
        await agent.start()
        vendor, rows = await SnmpMeters("c", "127.0.0.1", port=agent.port).offered()
        agent.stop()
        assert (vendor.key, rows["1.3.6.1.2.1.1.2.0"]) == ("canon", "1.3.6.1.4.1.1602.200.300000")
        assert rows["1.3.6.1.2.1.43.10.2.1.4.1.1"] == 4294967295
        assert rows["1.3.6.1.2.1.43.5.1.1.17.1"] == "é" * 90
        assert rows["1.3.6.1.2.1.43.18.1.1.7.1.1"] == -2147483648

    run(main)


def test_ipp_and_snmp_make_one_look_and_silent_meters_are_a_fault_of_it(tmp_path):
    async def main() -> None:
        device = DeviceId("copieur")
        async with Copier(tmp_path, sides_per_s=2000, vendor="canon") as copier:
            assert copier.agent is not None
            ipp = IppPrinter(SystemClock(), device, copier.uri)
            printer = CountedPrinter(
                device, ipp, SnmpMeters(device, "127.0.0.1", port=copier.agent.port, timeout_s=0.9)
            )
            await copier.press("copy", "4")
            await copier.settle()
            reading = await printer.read()
            assert (reading.settled, reading.faults) == (True, ())
            assert reading.counters == Counters(0, 0, 4, 0, 0)
            assert [(tray.name, tray.media) for tray in reading.trays] == [
                ("Tray 1", "iso_a4_210x297mm"),
                ("Tray 2", "iso_a3_297x420mm"),
            ]
            await copier.press("snmp", "garbage")
            reading = await printer.read()
            assert (reading.serial, reading.counters, reading.settled, reading.faults) == (
                "GDN0001",
                None,
                False,
                ("snmp",),
            )
            await copier.press("snmp", "ok")
            assert (await printer.read()).counters == Counters(0, 0, 4, 0, 0)

    run(main)


def test_a_look_can_be_given_up_in_the_middle(tmp_path):
    async def main() -> None:
        machine = Machine(tmp_path)
        asked = 0

        def tree() -> dict[Oid, Value]:
            nonlocal asked
            asked += 1
            if asked == 5:  # after the single objects: in the first walk
                agent.mood = "mute"
                raise ValueError
            return mib(machine, "canon")

        agent = Agent(tree)
        await agent.start()
        look = asyncio.create_task(SnmpMeters("c", "127.0.0.1", port=agent.port, timeout_s=9).meters())
        while asked < 5:
            await asyncio.sleep(0.01)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
        agent.stop()

    run(main)
