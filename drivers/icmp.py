"""Reads the frames that answer a link probe, and patches the ones that ask. Pure: bytes in, values out.

Ethernet II (RFC 894), ARP replies (RFC 826), ICMP echo replies and the errors that quote an echo (RFC 792). IP
options in a reply are stepped over; our own frames have none. What is cut short or of another kind answers nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from drivers.probing import Outcome, ProbeKind

ECHO_SEQUENCE, ECHO_CHECKSUM = 40, 36  # offsets in our own frames: Ethernet 14, IP 20, ICMP
ARP_TYPE, IP_TYPE, ICMP_PROTOCOL = 0x0806, 0x0800, 1


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame that answers a probe."""

    kind: ProbeKind
    outcome: Outcome  # REPLIED or UNREACHABLE
    target: str  # whom the probe asked, also where a router in between answers
    mac: bytes  # of the answering gateway; b"" for an echo
    ident: int
    sequence: int


def read_frame(frame: bytes) -> Heard | None:
    """Return what a received Ethernet frame answers; None if it answers no probe of ours, or is cut short."""
    try:
        (ethertype,) = struct.unpack_from("!H", frame, 12)
        if ethertype == ARP_TYPE and frame[20:22] == b"\x00\x02":
            return Heard(ProbeKind.ARP, Outcome.REPLIED, address_at(frame, 28), frame[22:28], 0, 0)
        if ethertype == IP_TYPE and frame[14] >> 4 == 4 and frame[23] == ICMP_PROTOCOL:
            return _read_icmp(frame, 14 + (frame[14] & 15) * 4)
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _read_icmp(frame: bytes, at: int) -> Heard | None:
    kind = frame[at]
    if kind == 0:
        return Heard(
            ProbeKind.ECHO, Outcome.REPLIED, address_at(frame, 26), b"", *struct.unpack_from("!HH", frame, at + 4)
        )
    if kind not in (3, 11):  # destination unreachable, time exceeded: they quote the probe
        return None
    quoted = at + 8
    inner = quoted + (frame[quoted] & 15) * 4
    if frame[inner] != 8:
        return None
    numbers = struct.unpack_from("!HH", frame, inner + 4)
    return Heard(ProbeKind.ECHO, Outcome.UNREACHABLE, address_at(frame, quoted + 16), b"", *numbers)


def address_at(frame: bytes, at: int) -> str:
    """Return the IPv4 address at an offset."""
    return str(IPv4Address(frame[at : at + 4]))


def patch_sequence(frame: bytearray, sequence: int) -> bytearray:
    """Set an echo's sequence, mend its checksum by the difference alone (RFC 1624 equation 3), and return it."""
    checksum, was = struct.unpack_from("!H", frame, ECHO_CHECKSUM)[0], struct.unpack_from("!H", frame, ECHO_SEQUENCE)[0]
    total = (~checksum & 0xFFFF) + (~was & 0xFFFF) + sequence
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", frame, ECHO_CHECKSUM, ~total & 0xFFFF)
    struct.pack_into("!H", frame, ECHO_SEQUENCE, sequence)
    return frame
