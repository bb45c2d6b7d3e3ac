"""Card readers on a serial line.

The one idea: bytes from the street are hostile. A frame is a card only if it is whole and its checksum holds; anything
else is counted and forgotten, in bounded memory, and never raised. All bits of a card are kept: upper-case hex, padded
to whole bytes, never cut, never decimal.

Framing (pure classes, `feed` bytes and take cards):
- `Rdm6300Frames`: the 125 kHz modules RDM6300, RDM630 and their like for EM4100 transponders, 9600 8N1. STX (02),
  10 hex digits (8 bits version, 32 bits data), 2 hex digits (XOR of those 5 bytes), ETX (03); repeated while the card
  stays. Modules of the ID-12's kind say the same with CR LF before the ETX.
- `LineFrames`: one ASCII hex line per card, with a prefix, an end, and the bytes as sent or reversed. Where the end is
  a line's, CR, LF and both are one; spaces, colons and dashes between the digits say nothing.

The checksum is 8 bits of XOR: it finds any one wrong bit, and lets 0.4 % of noise pass; such a number is a stranger's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import reduce
from operator import xor
from typing import Protocol

import serial

from drivers.contract import BadgeRead, CardNumber, Clock, DriverError, ReaderId

ABSENT_S = 1.0  # a card unseen for so long has left; seen again, it is presented again
STALE_S = 1.0  # half a frame older than this is not continued by what comes next
BADGES = 64  # bound of the queue to the story
REMEMBERED = 16  # cards in the field at once: more than any reader can tell apart
_HEX = frozenset(b"0123456789ABCDEF")
_ANY_HEX = _HEX | frozenset(b"abcdef")
_CR_LF = frozenset(b"\r\n")
_LF = 0x0A
_BETWEEN = b" :-"  # what readers put between digits
_STX, _ETX = 0x02, 0x03


class Frames(Protocol):
    """Finds cards in bytes."""

    malformed: int  # bytes that belonged to no card

    def feed(self, data: bytes) -> list[CardNumber]:
        """Take bytes as they came and return the cards they completed."""

    def forget(self) -> None:
        """Drop half a frame: what follows comes too late to be its end."""


class Rdm6300Frames:
    """See the module's docstring. Holds at most 14 bytes."""

    def __init__(self) -> None:
        self.malformed = 0
        self._frame = bytearray()

    def feed(self, data: bytes) -> list[CardNumber]:
        """See `Frames`."""
        cards = []
        for byte in data:
            if byte == _STX:
                self.forget()
                self._frame.append(byte)
            elif not self._frame:
                self.malformed += 1
            elif byte == _ETX and len(self._frame) == 13:
                card = self._card()
                if card is None:
                    self.malformed += 14
                else:
                    cards.append(card)
                self._frame.clear()
            elif byte in _HEX and len(self._frame) < 13:
                self._frame.append(byte)
            elif byte in _CR_LF and len(self._frame) == 13:
                continue
            else:
                self.malformed += 1
                self.forget()
        return cards

    def forget(self) -> None:
        """See `Frames`."""
        self.malformed += len(self._frame)
        self._frame.clear()

    def _card(self) -> CardNumber | None:
        digits = self._frame[1:11].decode("ascii")
        checksum = int(self._frame[11:13], 16)
        return CardNumber(digits) if reduce(xor, bytes.fromhex(digits)) == checksum else None


class LineFrames:
    """See the module's docstring. `prefix` and `end` are ASCII; 4 to 32 hex digits of either case between them."""

    FEWEST, MOST = 4, 32  # digits: 2 bytes of a reader that drops leading zeros, to 16 bytes

    def __init__(self, prefix: str, end: str, byte_order: str) -> None:
        if not end or byte_order not in {"as-sent", "reversed"}:
            raise ValueError(
                f"a line needs an end and a byte order 'as-sent' or 'reversed', not {end!r}, {byte_order!r}"
            )
        self.malformed = 0
        self._prefix = prefix.encode("ascii")
        self._end = end.encode("ascii")
        self._newline = _CR_LF.issuperset(self._end)  # firmware and manual seldom agree which of them it is
        self._end = b"\n" if self._newline else self._end
        self._reversed = byte_order == "reversed"
        self._longest = len(self._prefix) + 2 * self.MOST + len(self._end)
        self._line = bytearray()
        self._skipping = False  # inside a line that is already too long

    def feed(self, data: bytes) -> list[CardNumber]:
        """See `Frames`."""
        cards = []
        for byte in data:
            self._line.append(_LF if self._newline and byte in _CR_LF else byte)
            if self._line.endswith(self._end):
                card = None if self._skipping else self._card(bytes(self._line[: -len(self._end)]))
                if card is not None:
                    cards.append(card)
                elif self._skipping or len(self._line) > len(self._end):
                    self.malformed += len(self._line)
                self._line.clear()
                self._skipping = False
            elif len(self._line) > self._longest:
                surplus = len(self._line) - len(self._end) + 1  # keep what may be the beginning of an end
                self.malformed += surplus
                del self._line[:surplus]
                self._skipping = True
        return cards

    def forget(self) -> None:
        """See `Frames`."""
        self.malformed += len(self._line)
        self._line.clear()
        self._skipping = False

    def _card(self, line: bytes) -> CardNumber | None:
        digits = line.removeprefix(self._prefix).translate(None, _BETWEEN)
        if (
            not line.startswith(self._prefix)
            or not self.FEWEST <= len(digits) <= self.MOST
            or not _ANY_HEX.issuperset(digits)
        ):
            return None
        text = digits.decode("ascii").upper()
        number = bytes.fromhex("0" * (len(text) % 2) + text)
        return CardNumber((number[::-1] if self._reversed else number).hex().upper())


class Presence:
    """Tells a card that was put on the reader from one that still lies there. Times in seconds, ascending."""

    def __init__(self) -> None:
        self._seen_s: dict[str, float] = {}

    def is_new(self, card: CardNumber, now_s: float) -> bool:
        """Say whether this read begins a presentation: the card had been absent for `ABSENT_S`."""
        self._seen_s = {hex_: seen_s for hex_, seen_s in self._seen_s.items() if now_s - seen_s < ABSENT_S}
        new = card.hex not in self._seen_s
        self._seen_s.pop(card.hex, None)
        self._seen_s[card.hex] = now_s
        if len(self._seen_s) > REMEMBERED:
            del self._seen_s[next(iter(self._seen_s))]
        return new


class SerialCardReader:
    """`contract.CardReader` on a serial port, opened exclusively while `badges()` runs.

    `device` is a stable path (/dev/serial/by-id/...): after an unplug the next `badges()` finds the reader there again.
    `frame` is "rdm6300" or "line"; the `line_*` and `byte_order` options are those of `LineFrames`. Raises ValueError
    for others. One event loop, no thread.
    """

    def __init__(
        self,
        clock: Clock,
        reader: ReaderId,
        device: str,
        *,
        baud: int = 9600,
        frame: str = "rdm6300",
        line_prefix: str = "",
        line_end: str = "\r\n",
        byte_order: str = "as-sent",
    ) -> None:
        if frame not in {"rdm6300", "line"}:
            raise ValueError(f"frame is 'rdm6300' or 'line', not {frame!r}")
        self._clock = clock
        self._reader = reader
        self._device = device
        self._baud = baud
        self._frames: Frames = Rdm6300Frames() if frame == "rdm6300" else LineFrames(line_prefix, line_end, byte_order)
        self._presence = Presence()
        self._heard_s = 0.0

    @property
    def malformed(self) -> int:
        """Return how many bytes belonged to no card, since this object was made."""
        return self._frames.malformed

    async def badges(self) -> AsyncIterator[BadgeRead]:
        """See `contract.CardReader`."""
        queue: asyncio.Queue[BadgeRead | DriverError] = asyncio.Queue(BADGES + 1)
        with self._listening(queue):
            while True:
                badge = await queue.get()
                if isinstance(badge, DriverError):
                    raise badge
                yield badge

    @contextmanager
    def _listening(self, queue: asyncio.Queue[BadgeRead | DriverError]) -> Iterator[None]:
        """Hold the port open and fill `queue`; a lost port fills in its error, once, and is watched no more."""
        loop = asyncio.get_running_loop()
        self._frames.forget()
        try:
            port = serial.Serial(self._device, self._baud, timeout=0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise DriverError(f"the card reader {self._reader} cannot be opened: {error}") from error

        def readable() -> None:
            try:
                self._take(port.read(4096), queue)
            except (serial.SerialException, OSError, DriverError) as error:
                loop.remove_reader(descriptor)  # or a dead port spins the loop at full speed
                queue.put_nowait(DriverError(f"the card reader {self._reader} is lost: {error}"))

        descriptor = port.fileno()
        loop.add_reader(descriptor, readable)
        try:
            yield
        finally:
            loop.remove_reader(descriptor)
            port.close()

    def _take(self, data: bytes, queue: asyncio.Queue[BadgeRead | DriverError]) -> None:
        if not data:
            raise DriverError("it says readable and gives nothing")
        now = self._clock.now()
        if now.mono_s - self._heard_s > STALE_S:
            self._frames.forget()
        self._heard_s = now.mono_s
        for card in self._frames.feed(data):
            if not self._presence.is_new(card, now.mono_s):
                continue
            if queue.qsize() >= BADGES:
                raise DriverError(f"{BADGES} badges were not taken in time")
            queue.put_nowait(BadgeRead(now, self._reader, card))
