"""An SNMP agent on UDP for the emulated copier: versions 1 and 2c, Get, GetNext, GetBulk (RFC 1157, RFC 3416).

The one idea: its own BER (ITU-T X.690), some hundred lines, so that our client and its library are proven against
something that shares no code with them. It serves a mapping asked for anew at each question, and can misbehave: be
mute, send garbage, go round in circles, or give text where a count is due. Never used on a site.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Oid = tuple[int, ...]

INTEGER, OCTETS, NULL, OBJECT, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
COUNTER, GAUGE, TICKS, COUNTER64 = 0x41, 0x42, 0x43, 0x46
NO_OBJECT, END_OF_VIEW = 0x80, 0x82
GET, NEXT, RESPONSE, BULK = 0xA0, 0xA1, 0xA2, 0xA5
NO_SUCH_NAME = 2
LARGEST = 1400  # bytes of one answer: a datagram that no network cuts


@dataclass(frozen=True, slots=True)
class Value:
    """One value and its type."""

    tag: int
    content: int | bytes | Oid


def integer(value: int) -> Value:
    """Return an INTEGER."""
    return Value(INTEGER, value)


def counter(value: int) -> Value:
    """Return a Counter32."""
    return Value(COUNTER, value % 2**32)


def octets(text: str) -> Value:
    """Return an OCTET STRING."""
    return Value(OCTETS, text.encode())


def dotted(oid: str) -> Oid:
    """Return "1.3.6" as numbers."""
    return tuple(int(part) for part in oid.split("."))


# --- BER ---------------------------------------------------------------------------------------------------------


def tlv(tag: int, body: bytes) -> bytes:
    """Return one element."""
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    width = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + size.to_bytes(width, "big") + body


def _signed(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _object(oid: Oid) -> bytes:
    body = bytearray((oid[0] * 40 + oid[1],))
    for part in oid[2:]:
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(part & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return bytes(body)


def _encoded(value: Value) -> bytes:
    content = value.content
    if isinstance(content, bytes):
        return tlv(value.tag, content)
    if isinstance(content, tuple):
        return tlv(value.tag, _object(content))
    return tlv(value.tag, b"" if value.tag in {NULL, NO_OBJECT, END_OF_VIEW} else _signed(content))


def elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of a body. Raises ValueError, IndexError for what is none."""
    while body:
        tag, size, start = body[0], body[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(body[2:start], "big")
        if start + size > len(body):
            raise ValueError("cut short")
        yield tag, body[start : start + size]
        body = body[start + size :]


def _oid(body: bytes) -> Oid:
    parts, part = [body[0] // 40, body[0] % 40], 0
    for septet in body[1:]:
        part = part << 7 | septet & 0x7F
        if not septet & 0x80:
            parts.append(part)
            part = 0
    return tuple(parts)


# --- the agent ---------------------------------------------------------------------------------------------------


class Agent(asyncio.DatagramProtocol):
    """Answers on one UDP port. `mib()` is the present tree; `mood` is "" or how it misbehaves."""

    MOODS = ("", "mute", "garbage", "circle", "text", "closed")

    def __init__(self, mib: Callable[[], Mapping[Oid, Value]], community: str = "public") -> None:
        self._mib, self._community = mib, community.encode()
        self.mood = ""
        self.port = 0
        self._wire: asyncio.DatagramTransport | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, at: socket.socket | None = None) -> None:
        """Listen, or go on from a bound socket."""
        loop, address = asyncio.get_running_loop(), None if at else (host, port)
        self._wire, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address, sock=at)
        self.port = self._wire.get_extra_info("sockname")[1]

    def stop(self) -> None:
        """Stop listening; harmless twice."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question, or stay silent as an agent does that was asked nonsense or by a stranger."""
        if self._wire is None or self.mood == "mute":
            return
        try:
            answer = self._answer(data)
        except (ValueError, IndexError):
            return
        if answer is not None:
            self._wire.sendto(b"\x30\x82\xff\xfe\x00garbage" if self.mood == "garbage" else answer, addr)

    def _answer(self, data: bytes) -> bytes | None:
        (_, message), *_rest = elements(data)
        (_, version), (_, community), (kind, pdu) = elements(message)
        if community != self._community or kind not in {GET, NEXT, BULK}:
            return None
        (_, request), (_, _first), (_, second), (_, listed) = elements(pdu)
        asked = [_oid(next(elements(binding))[1]) for _, binding in elements(listed)]
        old = version == b"\x00"
        rows = self._rows(kind, asked, int.from_bytes(second, "big") if kind == BULK else 1)
        status = 0
        if old and any(value.tag in {NO_OBJECT, END_OF_VIEW} for _, value in rows):
            status, rows = NO_SUCH_NAME, [(oid, Value(NULL, 0)) for oid in asked]
        bindings, size = b"", 0
        for oid, value in rows:
            one = tlv(SEQUENCE, tlv(OBJECT, _object(oid)) + _encoded(value))
            size += len(one)
            if size > LARGEST:
                break
            bindings += one
        where = tlv(INTEGER, b"\x01" if status else b"\x00")
        head = tlv(INTEGER, request) + tlv(INTEGER, bytes((status,))) + where
        body = tlv(RESPONSE, head + tlv(SEQUENCE, bindings))
        return tlv(SEQUENCE, tlv(INTEGER, version) + tlv(OCTETS, community) + body)

    def _rows(self, kind: int, asked: list[Oid], times: int) -> list[tuple[Oid, Value]]:
        mib = {} if self.mood == "closed" else self._mib()
        if self.mood == "text":
            mib = {oid: octets("n/a") if one.tag in {COUNTER, INTEGER} else one for oid, one in mib.items()}
        if kind == GET:
            return [(oid, mib.get(oid, Value(NO_OBJECT, 0))) for oid in asked]
        ordered, rows = sorted(mib), []
        for start in asked:
            oid = start
            for _ in range(min(times, 50)):
                after = next((one for one in ordered if one > oid), None)
                if self.mood == "circle" and after is not None:
                    after = next((one for one in ordered if one > start[:8]), after)
                if after is None:
                    rows.append((oid, Value(END_OF_VIEW, 0)))
                    break
                rows.append((after, mib[after]))
                oid = after
        return rows
