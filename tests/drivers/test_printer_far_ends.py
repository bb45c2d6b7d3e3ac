"""`IppPrinter` over devices that say little, say it otherwise, or talk nonsense."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass

import pytest

from drivers.clock import SystemClock
from drivers.contract import DeviceId, DeviceState, DriverError, Supply
from drivers.ipp import Attribute, Group, IppError, Message, Tag, attribute, decode, encode, members
from drivers.printer import IppPrinter
from tests.drivers.paper_tools import reads

DEVICE = DeviceId("copier")

# --- other devices -----------------------------------------------------------------------------------------

IDLE = (attribute("printer-state", Tag.ENUM, 3),)
PRINTER, JOBS = 0x0B, 0x0A
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Far:
    """A far end made of answers: operation -> groups, or bytes to send as they are."""

    answers: dict[int, Callable[[Message], list[Group] | bytes]]
    asked: list[Message]
    uri: str = ""


@asynccontextmanager
async def far_end(
    printer: tuple[Attribute, ...] = IDLE,
    jobs: Callable[[Message], list[Group]] = lambda _: [],
    **raw: Callable[[Message], bytes],
) -> AsyncIterator[Far]:
    far = Far({PRINTER: lambda _: [Group(Tag.PRINTER, members(*printer))], JOBS: jobs}, [])
    far.answers |= {PRINTER: raw["printer_raw"]} if "printer_raw" in raw else {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                message, _ = decode(await reader.readexactly(size))
                far.asked.append(message)
                answer = far.answers[message.code](message)
                writer.write(
                    answer if isinstance(answer, bytes) else ok(encode(Message(0, message.request, tuple(answer))))
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    far.uri = f"ipp://127.0.0.1:{server.sockets[0].getsockname()[1]}/ipp/print"
    try:
        yield far
    finally:
        server.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def look(*args, **how) -> tuple:
    """One look at a far end; returns (reading, what was asked)."""
    read_how = {key: how.pop(key) for key in ("timeout_s", "records") if key in how}

    async def story():
        async with far_end(*args, **how) as far:
            return await reads(far.uri, **read_how), far.asked

    return asyncio.run(story())


def record(number: int, state: int = 9, *more: Attribute) -> Group:
    return Group(
        Tag.JOB, members(attribute("job-id", Tag.INTEGER, number), attribute("job-state", Tag.ENUM, state), *more)
    )


def completed(*records: Group) -> Callable[[Message], list[Group]]:
    return lambda message: list(records) if message.first(Tag.OPERATION).text("which-jobs") == "completed" else []


def test_what_a_device_does_not_say_is_none():
    reading, asked = look(jobs=completed(record(3)))
    assert (reading.serial, reading.supplies, reading.counters, reading.settled) == ("", (), None, True)
    (job,) = reading.jobs
    assert (job.sides, job.sides_colour, job.sheets, job.created_utc, job.two_sided) == (None,) * 5
    assert (job.uuid, job.user, job.copies) == ("", "", 1)
    assert [message.code for message in asked] == [PRINTER, JOBS, JOBS, PRINTER]


def col(name: str, **counts: int) -> Attribute:
    named = (attribute(key.replace("_", "-"), Tag.INTEGER, count) for key, count in counts.items())
    return attribute(name, Tag.COLLECTION, members(*named))


@pytest.mark.parametrize(
    ("total", "counts", "sides", "colour"),
    [
        (10, {"monochrome": 6, "full_color": 4}, 10, 4),
        (10, {"monochrome": 6, "full_color": 3, "blank": 1}, 9, 3),  # the device counts its blank back
        (9, {"monochrome": 6, "full_color": 3, "blank": 1}, 9, 3),
        (10, {"monochrome": 2, "monochrome_two_sided": 4, "full_color": 0, "full_color_two_sided": 4}, 10, 4),
        (10, {"monochrome": 6, "monochrome_two_sided": 4, "full_color": 4, "full_color_two_sided": 2}, 10, 4),
        (10, {"monochrome": 6, "highlight_color": 1, "full_color": 3}, 10, 4),
        (10, {"monochrome": 1, "full_color": 1}, 10, None),  # they do not add up: only the total is believed
        (10, {"monochrome": 12, "full_color": -2}, 10, None),
        (None, {"monochrome": 6, "full_color": 4}, 10, 4),
        (-1, {}, None, None),
    ],
)
def test_colour_is_the_reading_that_adds_up(total, counts, sides, colour):
    totals = () if total is None else (attribute("job-impressions-completed", Tag.INTEGER, total),)
    reading, _ = look(jobs=completed(record(1, 9, *totals, col("job-impressions-completed-col", **counts))))
    (job,) = reading.jobs
    assert (job.sides, job.sides_colour) == (sides, colour)


def test_older_devices_name_their_supplies_otherwise():
    markers = (
        attribute("marker-names", Tag.NAME, "Black", "Waste"),
        attribute("marker-colors", Tag.NAME, "#000000", "none"),
        attribute("marker-levels", Tag.INTEGER, 40, -3),
    )
    reading, _ = look((*IDLE, *markers))
    assert reading.supplies == (Supply("Black", "black", 0.4), Supply("Waste", "", None))


def test_supplies_that_cannot_say_how_full_they_are():
    spelled = (
        attribute("printer-supply", Tag.OCTETS, b"type=toner;maxcapacity=-2;level=-3;colorantname=black;", b"garbage"),
        attribute("printer-supply-description", Tag.TEXT, "Noir"),
    )
    reading, _ = look((*IDLE, *spelled))
    assert reading.supplies == (Supply("Noir", "black", None), Supply("", "", None))


@pytest.mark.parametrize(
    ("printer", "serial"),
    [
        ((attribute("printer-device-id", Tag.TEXT, "MFG:Acme;SN:A 17;MDL:X;"),), "A 17"),
        ((attribute("printer-device-id", Tag.TEXT, "MFG:Acme;SERN: B2;"),), "B2"),
        ((attribute("printer-uuid", Tag.URI, "urn:uuid:01"), attribute("printer-device-id", Tag.TEXT, "x")), "01"),
    ],
)
def test_serial(printer, serial):
    assert look((*IDLE, *printer))[0].serial == serial


def test_a_device_that_ignores_first_index_is_asked_for_all_at_once():
    def newest_first(message: Message) -> list[Group]:
        operation = message.first(Tag.OPERATION)
        if operation.text("which-jobs") != "completed":
            return []
        return [record(number) for number in range(250, 0, -1)][: operation.integer("limit")]

    reading, _ = look(jobs=newest_first)
    assert [job.job for job in reading.jobs] == list(range(1, 251))


def test_a_device_of_version_1_1_is_spoken_to_in_1_1():
    def old(message: Message) -> list[Group] | bytes:
        if message.version != (1, 1):
            return ok(encode(Message(0x0503, message.request)))
        return [Group(Tag.PRINTER, members(*IDLE))]

    reading, asked = look(printer_raw=old)
    assert reading.state is DeviceState.IDLE
    assert [message.version for message in asked] == [(2, 0), (1, 1), (1, 1), (1, 1), (1, 1)]


# --- failures of the world ---------------------------------------------------------------------------------


def hello(message: Message) -> bytes:
    return encode(Message(0, message.request, (Group(Tag.PRINTER, members(*IDLE)),)))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500 Oops"),
        (lambda _: b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "HTTP 401"),
        (lambda _: ok(b"<html>welcome</html>"), "byte"),
        (lambda _: ok(b""), "byte 0: the message ends inside the header"),
        (lambda message: ok(hello(message))[:-10], "no answer within"),
        (lambda message: ok(encode(Message(0, message.request + 1))), "answered request 2, asked 1"),
        (lambda message: ok(encode(Message(0x0507, message.request))), "status 0x0507"),
        (lambda message: ok(encode(Message(0, message.request))), "does not say its printer-state"),
        (lambda _: b"\x00\x01\x02 nonsense\r\n\r\n", "nonsense"),
        (
            lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(9_000_000),
            "more than 8388608 bytes",
        ),
        (lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "headers"),
        (lambda _: b"HTTP/1.1 307 Over\r\nLocation: /ipp/print\r\nContent-Length: 0\r\n\r\n", "HTTP 307 Over"),
        (lambda _: b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nContent-Length: 0\r\n\r\n", "HTTP 426"),
        (lambda _: b"HTTP/1.1 500 a\x1b[2J\x85b\r\nContent-Length: 0\r\n\r\n", r"HTTP 500 a \[2J b$"),
        (lambda _: CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n", "negative"),
        (lambda _: CHUNKED + b"zz\r\nabc", "IncompleteRead"),
        (lambda _: CHUNKED + b"5\r\nab", "no answer within"),
    ],
)
def test_nonsense_is_a_driver_error(answer, why):
    with pytest.raises(DriverError, match=why):
        look(printer_raw=answer, timeout_s=1.0)


@pytest.mark.parametrize("piece", [b"\x04", b"\x44\0\0\0\0"])
def test_a_message_of_hundreds_of_thousands_of_pieces_is_not_unpacked(piece):
    with pytest.raises(IppError, match="more than 250000 groups and values"):
        decode(hello(Message(0, 1))[:-1] + piece * 300_000)


def test_figures_that_cannot_be_are_none():
    spelled = (
        attribute("printer-supply", Tag.OCTETS, b"level=%s;maxcapacity=1;" % (b"9" * 400)),
        attribute("printer-input-tray", Tag.OCTETS, b"level=%s;maxcapacity=500;" % (b"9" * 400)),
        attribute("printer-uuid", Tag.URI, "urn:uuid:A\x1b\n7" + "x" * 3000),
        attribute("printer-impressions-completed", Tag.INTEGER, 5),
        attribute("printer-media-sheets-completed", Tag.INTEGER, 5),
        col("printer-impressions-completed-col", monochrome=5, full_color=0),
        col("gardien-copy-impressions-completed-col", monochrome=40, full_color=3),
    )
    size = members(attribute("x-dimension", Tag.INTEGER, -5), attribute("y-dimension", Tag.INTEGER, 2**31 - 1))
    paper = attribute("media-col", Tag.COLLECTION, members(attribute("media-size", Tag.COLLECTION, size)))
    reading, _ = look((*IDLE, *spelled), completed(record(2**31 - 1, 9, paper)))
    assert [one.level_share for one in (*reading.supplies, *reading.trays)] == [None, None]
    assert (reading.serial[:3], len(reading.serial), reading.counters) == ("A7x", 126, None)  # two of 128 do not show
    assert reading.life is not None
    assert [(job.job, job.media) for job in reading.jobs] == [(2147483647, "")]


def test_of_a_hundred_thousand_reasons_supplies_and_trays_some_are_told():
    reasons = ("caf\x1b[31m\x00\xe9-error", *(f"r{number}" for number in range(100_000)))
    many = (
        attribute("printer-state-reasons", Tag.KEYWORD, *reasons),
        attribute("printer-supply", Tag.OCTETS, *[b"level=1;"] * 70_000),
        attribute("printer-input-tray", Tag.OCTETS, *[b"level=1;"] * 70_000),
    )
    reading, _ = look((*IDLE, *many), timeout_s=60.0)
    assert reading.reasons[:2] == ("caf[31m\xe9-error", "r0")
    assert (len(reading.reasons), len(reading.supplies), len(reading.trays)) == (64, 64, 64)


def test_a_job_without_number_or_state_is_nonsense():
    with pytest.raises(DriverError, match="job record without job-id"):
        look(jobs=completed(Group(Tag.JOB, members())))
    with pytest.raises(DriverError, match="job 4 has no job-state"):
        look(jobs=completed(record(4, 12)))


def test_a_machine_swapped_in_the_middle_of_a_look_is_an_error():
    serials = iter(("A", "B"))
    swapped = lambda message: [  # noqa: E731  (one answer)
        Group(Tag.PRINTER, members(*IDLE, attribute("printer-device-id", Tag.TEXT, f"SN:{next(serials)};")))
    ]
    with pytest.raises(DriverError, match="another machine"):
        look(printer_raw=swapped)


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DriverError, match="refused"):
        asyncio.run(reads(f"ipp://127.0.0.1:{port}/ipp/print"))


def test_silence_ends_in_time_however_slowly_it_drips():
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                writer.write(b"\x02")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def story() -> float:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        began = time.monotonic()
        with pytest.raises(DriverError, match=r"no answer within 0\.5 s"):
            await reads(f"ipp://127.0.0.1:{server.sockets[0].getsockname()[1]}/ipp/print", timeout_s=0.5)
        took_s = time.monotonic() - began
        server.close()
        await asyncio.sleep(0.2)
        return took_s

    assert asyncio.run(story()) < 3.0


def test_a_reply_that_drips_and_then_closes_holds_no_thread():
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b"\x02")
                await writer.drain()
                await asyncio.sleep(0.05)

    async def story() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        with pytest.raises(DriverError, match=r"no answer within 0\.3 s"):
            await reads(f"ipp://127.0.0.1:{server.sockets[0].getsockname()[1]}/ipp/print", timeout_s=0.3)
        assert await asyncio.wait_for(asyncio.to_thread(int), 10) == 0  # the one thread there is
        server.close()

    asyncio.run(story())


def test_a_kept_connection_closed_without_a_word_is_opened_again():
    closing: list[asyncio.StreamWriter] = []

    async def story():
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            message, _ = decode(await reader.readexactly(size))
            writer.write(ok(hello(message)))
            await writer.drain()
            writer.close()
            closing.append(writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reading = await reads(f"ipp://127.0.0.1:{server.sockets[0].getsockname()[1]}/ipp/print")
        server.close()
        return reading

    assert asyncio.run(story()).state is DeviceState.IDLE
    assert len(closing) == 4


@pytest.mark.parametrize("uri", ["usb://acme", "ipp:///ipp/print", "copier"])
def test_a_place_that_is_no_ipp_printer_is_refused_at_once(uri):
    with pytest.raises(ValueError, match="expected ipp://"):
        IppPrinter(SystemClock(), DEVICE, uri)
