"""What a box counts of its line: IF-MIB (RFC 2863) over SNMP version 2c (RFC 3416), in frames of ours. Pure.

The one idea: a machine beside the boxes does not see what others send, but most boxes count it. One question a second
asks for the octets of the WAN interface, by 64-bit counters and by 32-bit ones, and goes to this box's MAC as every
probe does, so that two boxes with one address are each asked alone. Boxes count in steps of some seconds: what a step
brought is spread over the time it took, and told as a total that runs on evenly. A counter that falls has gone round
(32 bits) or was reset with its box: then that step is nothing. A box that does not answer is as one that has none.

Some BER of its own (ITU-T X.690) and no SNMP library, which would weigh more than all probes. Only Get is ever sent.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

from drivers.frames import IP_TYPE, SNMP_PORT, UDP, Heard, checksum
from drivers.probing import BoxCounters

EVERY_S, SILENT_S = 0.9, 5.0  # between two questions; without an answer for so long there is no counter
IDLE_STEPS, LEAST_STEP_S = 3.0, 3.0  # nothing new for so many of its steps: the line is idle
FASTEST_BYTE_S = 1.25e8  # no 32-bit counter goes round faster than at 1 Gbit/s: what did was a reset
INTEGER, OCTETS, NULL, OBJECT, SEQUENCE, GET, RESPONSE, COUNTER32, COUNTER64 = (
    *(0x02, 0x04, 0x05, 0x06, 0x30),
    *(0xA0, 0xA2, 0x41, 0x46),
)
_IF_ENTRY, _IF_X_ENTRY = b"\x2b\x06\x01\x02\x01\x02\x02\x01", b"\x2b\x06\x01\x02\x01\x1f\x01\x01\x01"
IN, OUT = _IF_ENTRY + b"\x0a", _IF_ENTRY + b"\x10"  # ifInOctets, ifOutOctets
HC_IN, HC_OUT = _IF_X_ENTRY + b"\x06", _IF_X_ENTRY + b"\x0a"  # ifHCInOctets, ifHCOutOctets


def question(asked: BoxCounters, number: int) -> bytes:
    """Return a GetRequest for the four counters."""
    objects = (_tlv(OBJECT, column + _index(asked.if_index)) for column in (HC_IN, HC_OUT, IN, OUT))
    bindings = b"".join(_tlv(SEQUENCE, each + _tlv(NULL, b"")) for each in objects)
    request = _tlv(INTEGER, struct.pack("!i", number)) + 2 * _tlv(INTEGER, b"\0") + _tlv(SEQUENCE, bindings)
    return _tlv(SEQUENCE, _tlv(INTEGER, b"\x01") + _tlv(OCTETS, asked.community.encode()) + _tlv(GET, request))


def answer(message: bytes, asked: BoxCounters, number: int) -> tuple[int, int, int] | None:
    """Return octets in and out, and the bits of the counters; None if the box has none of that number.

    Raises ValueError for what is no answer to this question.
    """
    ((_, body),) = _elements(message)
    (_, version), (_, community), (kind, pdu) = _elements(body)
    (_, request), (_, status), _, (_, bindings) = _elements(pdu)
    right = (b"\x01", asked.community.encode(), RESPONSE, struct.pack("!i", number))
    if (version, community, kind, request) != right:
        raise ValueError("not an answer to our question")
    if status != b"\0":
        return None
    found = {}
    for _, binding in _elements(bindings):
        (_, column), (tag, value) = _elements(binding)
        if tag in (COUNTER32, COUNTER64) and 0 < len(value) <= 9:
            found[column] = int.from_bytes(value, "big")
    index = _index(asked.if_index)
    for bits, received, sent in ((64, HC_IN, HC_OUT), (32, IN, OUT)):
        if received + index in found and sent + index in found:
            return found[received + index] % 2**bits, found[sent + index] % 2**bits, bits
    return None


def _next(number: int) -> int:
    """Return the next request-id: positive, and always of four bytes, as an INTEGER of 32 bits is written."""
    return 0x40000000 | (number + 1) & 0x3FFFFFFF


def _index(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(number & 0x7F | 0x80)
    return bytes(reversed(septets))


def _tlv(tag: int, body: bytes) -> bytes:
    size = bytes((len(body),)) if len(body) < 0x80 else b"\x82" + struct.pack("!H", len(body))
    return bytes((tag,)) + size + body


def _elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of a body. Raises ValueError for what is none."""
    at = 0
    while at < len(body):
        head = body[at : at + 2]
        if len(head) < 2:
            raise ValueError("cut short")
        tag, size = head
        at += 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(body[at : at + width], "big")
            at += width
        if at + size > len(body):
            raise ValueError("cut short")
        yield tag, body[at : at + size]
        at += size


class BoxCount:
    """Follows the counters of one box. Times are Moment.mono_s."""

    def __init__(self, asked: BoxCounters) -> None:
        self._asked = asked
        self._number = _next(secrets.randbits(30))
        self._ends = b"", ""  # of the box that was asked: MAC and address
        self._due_s = self._heard_s = float("-inf")
        self._last: tuple[int, int, int] | None = None  # what it said, and since when it says so
        self._since_s = self._step_s = 0.0
        self._rates: tuple[float, float] | None = None  # bytes a second, in and out; None: not known yet
        self._totals, self._told_s = (0.0, 0.0), 0.0

    def due(self, now_s: float, macs: tuple[bytes, bytes], addresses: tuple[str, str], port: int) -> list[bytes]:
        """Return the frame that asks, from us to the box; none if it was asked just now, or is not known."""
        if now_s < self._due_s or not all((*macs, *addresses)):
            return []
        self._ends = macs[1], addresses[1]
        self._due_s = now_s + EVERY_S
        self._number = _next(self._number)
        return [_frame(macs, addresses, port, question(self._asked, self._number))]

    def hear(self, heard: Heard, now_s: float) -> bool:
        """Take in an answer; False if it is none to our last question, or not from the box that was asked."""
        if (heard.mac, heard.target) != self._ends:
            return False
        try:
            said = answer(heard.body, self._asked, self._number)
        except ValueError:
            return False
        self._number = _next(self._number)  # once
        if said is not None:
            self._count(said, now_s)
        return True

    def _count(self, said: tuple[int, int, int], now_s: float) -> None:
        self._heard_s = now_s
        last, self._last = self._last, said
        if last is None or last[2] != said[2]:
            self._since_s, self._rates = now_s, None
        elif last != said:
            self._totals, self._told_s = self._run_on(now_s), now_s
            self._step_s = now_s - self._since_s
            self._rates = (self._rate(last[0], said[0], said[2]), self._rate(last[1], said[1], said[2]))
            self._since_s = now_s

    def _rate(self, was: int, now: int, bits: int) -> float:
        """Return bytes a second over the last step; 0 if the counter was reset in it."""
        rate = (now - was) % 2**bits / self._step_s if self._step_s else 0.0
        return rate if now >= was or (bits == 32 and rate <= FASTEST_BYTE_S) else 0.0

    def _run_on(self, now_s: float) -> tuple[float, float]:
        if self._rates is None or not self._told_s:
            return self._totals
        lasted_s = now_s - self._told_s
        return self._totals[0] + self._rates[0] * lasted_s, self._totals[1] + self._rates[1] * lasted_s

    def totals(self, now_s: float) -> tuple[int, int] | None:
        """Return what the line brought and took, in bytes since we ask; None while the box does not say."""
        if self._rates is None or now_s - self._heard_s > SILENT_S:
            return None
        self._totals, self._told_s = self._run_on(now_s), now_s
        if now_s - self._since_s > max(IDLE_STEPS * self._step_s, LEAST_STEP_S):
            self._rates = (0.0, 0.0)
        return int(self._totals[0]), int(self._totals[1])


def _frame(macs: tuple[bytes, bytes], addresses: tuple[str, str], port: int, body: bytes) -> bytes:
    """Return a datagram as a whole frame; without a UDP checksum, which IPv4 leaves free (RFC 768)."""
    udp = struct.pack("!HHHH", port, SNMP_PORT, 8 + len(body), 0) + body
    ends = b"".join(IPv4Address(each).packed for each in addresses)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, UDP, 0) + ends
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return macs[1] + macs[0] + struct.pack("!H", IP_TYPE) + ip + udp
