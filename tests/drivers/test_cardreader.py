"""Bytes from the street: whole frames are cards, all else is counted and forgotten."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import serial
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.cardreader import LineFrames, Presence, Rdm6300Frames, SerialCardReader
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, DriverError, ReaderId
from drivers.peers.readers import ReaderPeer
from tests.drivers.contract_reader import SIM_LOOP, ReaderContract, serial_line, serial_rdm6300, sim

FRAME = b"\x020A00C8F31B2A\x03"  # 0A ^ 00 ^ C8 ^ F3 ^ 1B = 2A
OTHER = b"\x020A00C8F31C2D\x03"


class TestSerialRdm6300(ReaderContract):
    opened = staticmethod(serial_rdm6300)


class TestSerialLine(ReaderContract):
    opened = staticmethod(serial_line)


class TestSimReader(ReaderContract):
    opened = staticmethod(sim)
    loop = SIM_LOOP


# --- framing: RDM6300 --------------------------------------------------------------------------------------


def read(data: bytes) -> tuple[list[str], int]:
    frames = Rdm6300Frames()
    return [card.hex for card in frames.feed(data)], frames.malformed


def test_a_frame_is_a_card_with_all_40_bits() -> None:
    assert read(FRAME) == (["0A00C8F31B"], 0)


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_frame_in_two_pieces_is_one_card(cut: int) -> None:
    frames = Rdm6300Frames()
    assert frames.feed(FRAME[:cut]) == []
    assert frames.feed(FRAME[cut:]) == [CardNumber("0A00C8F31B")]
    assert frames.malformed == 0


@pytest.mark.parametrize(
    ("data", "cards", "malformed"),
    [
        (FRAME[1:], [], 13),  # no start
        (FRAME[:-1] + FRAME, ["0A00C8F31B"], 13),  # no end, then a whole frame
        (FRAME.lower(), [], 14),
        (b"\x020A00C8F31B2B\x03", [], 14),  # a wrong checksum
        (b"\x020A00C8F31B2\x03", [], 13),  # one digit short
        (b"\x020A00C8F31B2AA\x03", [], 15),  # one too many
        (FRAME[:11] + OTHER[11:], [], 14),  # spliced: the checksum finds it
        (FRAME[:7] + OTHER, ["0A00C8F31C"], 7),  # one frame breaks into another
        (b"\r\n" + FRAME + b"\r\n", ["0A00C8F31B"], 4),
        (FRAME[:-1] + b"\r\n\x03" + FRAME, ["0A00C8F31B"] * 2, 0),  # ID-12: CR LF before the end
        (FRAME[:6] + b"\r\n" + FRAME[6:], [], 16),
        (FRAME[:-2] + b"\r\n\x03", [], 15),
        (FRAME[:-1] + b"\r\n" * 500_000, [], 0),  # bounded, and no card without its end
        (FRAME * 3, ["0A00C8F31B"] * 3, 0),
    ],
)
def test_malformed_bytes_are_counted_and_are_no_card(data: bytes, cards: list[str], malformed: int) -> None:
    assert read(data) == (cards, malformed)


@given(st.integers(0, 2**40 - 1), st.integers(0, 111))
def test_one_wrong_bit_is_never_a_card_of_another(number: int, bit: int) -> None:
    digits = f"{number:010X}"
    checksum = 0
    for byte in bytes.fromhex(digits):
        checksum ^= byte
    frame = bytearray(b"\x02" + f"{digits}{checksum:02X}".encode() + b"\x03")
    frame[bit // 8] ^= 1 << bit % 8
    assert all(card == digits for card in read(bytes(frame))[0])


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_make_it_raise_or_miscount(pieces: list[bytes]) -> None:
    frames = Rdm6300Frames()
    cards = [card for piece in pieces for card in frames.feed(piece)]
    frames.forget()
    assert frames.malformed + 14 * len(cards) == len(b"".join(pieces))


# --- framing: lines ----------------------------------------------------------------------------------------


def lines(data: bytes, prefix: str = "", end: str = "\r\n", order: str = "as-sent") -> tuple[list[str], int]:
    frames = LineFrames(prefix, end, order)
    return [card.hex for card in frames.feed(data)], frames.malformed


@pytest.mark.parametrize(
    ("data", "cards", "malformed"),
    [
        (b"04A2B3C4\r\n", ["04A2B3C4"], 0),
        (b"04a2b3c4\r\n", ["04A2B3C4"], 0),
        (b"4A2B3C4\r\n", ["04A2B3C4"], 0),  # a reader that drops the leading zero
        (b"04A2B3C4D5E6F7\r\n04A2B3C4\r\n", ["04A2B3C4D5E6F7", "04A2B3C4"], 0),
        (b"\r\n\r\n", [], 0),  # empty lines are nothing
        (b"4A2\r\n", [], 4),
        (b"04A2B3G4\r\n", [], 9),
        (b"F" * 33 + b"\r\n04A2B3C4\r\n", ["04A2B3C4"], 34),
        (b"F" * 5000 + b"\r\n04A2B3C4\r\n", ["04A2B3C4"], 5001),
        (b"\xff\x00\r\n04A2B3C4\r\n", ["04A2B3C4"], 3),
        (b"04A2B3C4\n04A2B3C5\n", ["04A2B3C4", "04A2B3C5"], 0),  # a reader whose line end is not the manual's
        (b"04A2B3C4\r04A2B3C5\r", ["04A2B3C4", "04A2B3C5"], 0),
        (b"\n\r04A2B3C4\n\r", ["04A2B3C4"], 0),
        (b"04 A2 B3 C4\r\n04:a2:b3:c4\r\n04-A2-B3-C4 \r\n", ["04A2B3C4"] * 3, 0),
        (b" : - \r\n", [], 6),
        (b":" * 5000 + b"04A2B3C4\r\n", [], 5009),
        (b"018,54321\r\n", [], 10),  # decimal, as printed: no card
        (b"F:" * 32 + b"\r\n" + b"F:" * 33 + b"\r\n", ["F" * 32], 67),
    ],
)
def test_lines(data: bytes, cards: list[str], malformed: int) -> None:
    assert lines(data) == (cards, malformed)
    frames = LineFrames("", "\r\n", "as-sent")
    one_by_one = [card.hex for byte in data for card in frames.feed(bytes([byte]))]
    assert (one_by_one, frames.malformed) == (cards, malformed)


def test_prefix_end_and_byte_order() -> None:
    assert lines(b"UID:04A2B3C4;", "UID:", ";") == (["04A2B3C4"], 0)
    assert lines(b"04A2B3C4;", "UID:", ";") == ([], 9)
    assert lines(b"UID:04A2B3C4;", "UID:", ";", "reversed") == (["C4B3A204"], 0)
    assert lines(b"UID:4A2B3C4;", "UID:", ";", "reversed") == (["C4B3A204"], 0)
    with pytest.raises(ValueError, match="an end and a byte order"):
        LineFrames("", "", "as-sent")
    with pytest.raises(ValueError, match="'sideways'"):
        LineFrames("", "\n", "sideways")


@given(st.binary(max_size=300), st.sampled_from(["", "UID:"]), st.sampled_from(["\n", "\r\n", ";;"]))
def test_a_line_after_any_noise_is_read(noise: bytes, prefix: str, end: str) -> None:
    frames = LineFrames(prefix, end, "as-sent")
    frames.feed(noise)
    frames.feed(end.encode())
    assert frames.feed(f"{prefix}04A2B3C4{end}".encode()) == [CardNumber("04A2B3C4")]


# --- presence ----------------------------------------------------------------------------------------------


def test_a_card_left_on_the_reader_is_one_presentation_until_it_was_away_for_a_second() -> None:
    presence, card = Presence(), CardNumber("0A00C8F31B")
    assert [presence.is_new(card, at_s / 10) for at_s in range(6000)] == [True] + [False] * 5999  # ten minutes
    assert not presence.is_new(card, 600.85)
    assert presence.is_new(card, 602.0)


def test_a_second_person_while_the_first_card_lies_there() -> None:
    presence = Presence()
    ann, bob = CardNumber("0A00C8F31B"), CardNumber("0A00C8F31C")
    seen = [presence.is_new(card, at_s) for card, at_s in [(ann, 0.0), (bob, 0.2), (ann, 0.4), (bob, 0.6)]]
    assert seen == [True, True, False, False]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2**40 - 1), max_size=200))
def test_presence_remembers_little(numbers: list[int]) -> None:
    presence = Presence()
    for number in numbers:
        presence.is_new(CardNumber(f"{number:010X}"), 1.0)
    assert len(presence._seen_s) <= 16


# --- the port ----------------------------------------------------------------------------------------------


def play(peer: ReaderPeer, scene: Callable[[SerialCardReader, list[BadgeRead]], Awaitable[None]]) -> list[BadgeRead]:
    """Read badges while the scene plays; give back what was read."""

    async def main() -> list[BadgeRead]:
        reader = SerialCardReader(SystemClock(), ReaderId("door"), str(peer.path))
        taken: list[BadgeRead] = []

        async def take() -> None:
            async for badge in reader.badges():
                taken.append(badge)  # noqa: PERF401  (the scene looks on while it grows)

        taking = asyncio.create_task(take())
        await asyncio.sleep(0.05)
        await scene(reader, taken)
        taking.cancel()
        return taken

    return asyncio.run(asyncio.wait_for(main(), 60))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_frames_split_at_every_byte_with_pauses(tmp_path: Path) -> None:
    async def scene(_reader: SerialCardReader, taken: list[BadgeRead]) -> None:
        for cut in range(1, 14):
            card = f"0A00C8F3{cut:02X}"
            frame = peer.frame_of(card)
            peer.send(frame[:cut])
            await asyncio.sleep(0.5 if cut == 7 else 0.02)
            peer.send(frame[cut:])
            await until(lambda card=card: bool(taken) and taken[-1].card.hex == card)

    with ReaderPeer(tmp_path / "reader") as peer:
        assert len(play(peer, scene)) == 13


def test_half_a_frame_is_not_continued_a_second_later(tmp_path: Path) -> None:
    async def scene(reader: SerialCardReader, taken: list[BadgeRead]) -> None:
        peer.send(FRAME[:6])
        await asyncio.sleep(1.1)
        peer.send(OTHER)
        await until(lambda: bool(taken))
        assert reader.malformed == 6

    with ReaderPeer(tmp_path / "reader") as peer:
        assert [badge.card.hex for badge in play(peer, scene)] == ["0A00C8F31C"]


def test_a_megabyte_of_noise_is_counted_in_bounded_memory_and_the_next_card_works(tmp_path: Path) -> None:
    async def scene(reader: SerialCardReader, taken: list[BadgeRead]) -> None:
        tracemalloc.start()
        await asyncio.to_thread(peer.noise, 1_000_000, seed=5)
        await until(lambda: reader.malformed >= 999_980)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3_000_000  # the megabyte itself, in the peer
        assert taken == []
        peer.present("0A00C8F31B", paced=True)
        await until(lambda: bool(taken))

    with ReaderPeer(tmp_path / "reader") as peer:
        assert len(play(peer, scene)) == 1


def test_a_card_lying_there_while_another_comes_is_two_badges(tmp_path: Path) -> None:
    async def scene(_reader: SerialCardReader, taken: list[BadgeRead]) -> None:
        for number in range(30):
            peer.present("0A00C8F31B" if number % 3 else "0A00C8F31C")
            await asyncio.sleep(0.05)
        await until(lambda: len(taken) == 2)

    with ReaderPeer(tmp_path / "reader") as peer:
        assert sorted(badge.card.hex for badge in play(peer, scene)) == ["0A00C8F31B", "0A00C8F31C"]


def test_unplugged_mid_frame_is_a_driver_error_that_spins_nothing_and_replugged_works(tmp_path: Path) -> None:
    async def main() -> None:
        reader = SerialCardReader(SystemClock(), ReaderId("door"), str(peer.path))
        badges = reader.badges()
        first = asyncio.ensure_future(anext(badges))
        await asyncio.sleep(0.05)
        terminal = peer.path.readlink()
        peer.send(FRAME[:9])
        peer.unplug()
        with pytest.raises(DriverError, match="is lost"):
            await first
        before = sum(os.times()[:2])
        await asyncio.sleep(0.5)
        assert sum(os.times()[:2]) - before < 0.2
        with pytest.raises(DriverError, match="cannot be opened"):
            await anext(reader.badges())
        holder, other = os.openpty()  # takes the number the reader had
        peer.replug()
        os.close(holder)
        os.close(other)
        assert peer.path.readlink() != terminal
        badges = reader.badges()
        second = asyncio.ensure_future(anext(badges))
        await asyncio.sleep(0.05)
        peer.present("0A00C8F31B")
        assert (await second).card.hex == "0A00C8F31B"
        await badges.aclose()

    with ReaderPeer(tmp_path / "reader") as peer:
        asyncio.run(asyncio.wait_for(main(), 20))


def test_a_port_somebody_holds_is_a_driver_error(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(DriverError, match="cannot be opened"):
            await anext(SerialCardReader(SystemClock(), ReaderId("door"), str(peer.path)).badges())

    with ReaderPeer(tmp_path / "reader") as peer, serial.Serial(str(peer.path), exclusive=True):
        asyncio.run(main())


def test_badges_nobody_takes_are_an_error_and_not_a_silence(tmp_path: Path) -> None:
    async def main() -> None:
        reader = SerialCardReader(SystemClock(), ReaderId("door"), str(peer.path))
        badges = reader.badges()
        first = asyncio.ensure_future(anext(badges))
        await asyncio.sleep(0.05)
        peer.present("0A00C8F31B")
        await first
        for number in range(70):
            peer.present(f"0B00C8F3{number:02X}")
        await asyncio.sleep(0.3)
        for _ in range(64):
            await anext(badges)
        with pytest.raises(DriverError, match="64 badges were not taken"):
            await anext(badges)

    with ReaderPeer(tmp_path / "reader") as peer:
        asyncio.run(asyncio.wait_for(main(), 20))


def test_an_unknown_frame_is_refused_when_it_is_configured() -> None:
    with pytest.raises(ValueError, match="'wiegand'"):
        SerialCardReader(SystemClock(), ReaderId("door"), "/dev/null", frame="wiegand")
