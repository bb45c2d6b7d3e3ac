"""Reads the frames that answer a link probe, and patches the ones that ask. Pure: bytes in, values out.

Ethernet II (RFC 894), ARP replies (RFC 826), ICMP echo replies and the errors that quote a probe (RFC 792), answers of
DNS over UDP (RFC 1035 section 4) and of SNMP (`drivers.boxcount` reads these), and the first answer to a TCP SYN (RFC
9293 section 3.5). IP options in a reply are stepped over; our own frames have none. What is cut short, or of another
kind, answers nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from drivers.probing import IcmpError

ECHO_SEQUENCE, ECHO_CHECKSUM = 40, 36  # offsets in our own frames: Ethernet 14, IP 20, ICMP
DNS_ID, UDP_CHECKSUM = 42, 40  # ... UDP
TCP_SEQUENCE, TCP_CHECKSUM = 38, 50  # ... TCP
ARP_TYPE, IP_TYPE, ICMP, TCP, UDP, SNMP_PORT = 0x0806, 0x0800, 1, 6, 17, 161
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
MOST_RECORDS = 16


class Sort(StrEnum):
    """What a frame is."""

    ARP = "arp"
    ECHO = "echo"  # an echo reply
    ERROR = "error"  # an ICMP error about a probe of ours
    DNS = "dns"
    TCP = "tcp"
    SNMP = "snmp"


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame that may answer a probe. `number` is the echo's sequence, the DNS id or the TCP sequence it answers."""

    sort: Sort
    mac: bytes  # its Ethernet source; of ARP the sender's hardware address
    target: str  # whom the probe asked, also where a router in between answers
    ident: int = 0  # the echo's identifier, or our port
    number: int = 0
    protocol: int = ICMP  # of the probe that an ERROR quotes
    error: IcmpError | None = None
    refused: bool = False  # a TCP reset; a DNS rcode that is not 0
    says: tuple[str, ...] = ()  # DNS: addresses, or the rcode
    body: bytes = b""  # SNMP: the message


def read_frame(frame: bytes) -> Heard | None:
    """Return what a received Ethernet frame answers; None if it answers no probe, or is cut short."""
    try:
        (ethertype,) = struct.unpack_from("!H", frame, 12)
        if ethertype == ARP_TYPE and frame[20:22] == b"\x00\x02" and len(frame) >= 32:
            return Heard(Sort.ARP, frame[22:28], address_at(frame, 28))
        if ethertype == IP_TYPE and frame[14] >> 4 == 4 and not struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
            (length,) = struct.unpack_from("!H", frame, 16)
            reader = _READERS.get(frame[23])
            if reader is not None and len(frame) >= 14 + length:
                return reader(frame[: 14 + length], 14 + (frame[14] & 15) * 4)
    except (struct.error, IndexError):
        pass
    return None


def _read_icmp(frame: bytes, at: int) -> Heard | None:
    kind = frame[at]
    if checksum(frame[at:]):
        return None
    if kind == 0:
        numbers = struct.unpack_from("!HH", frame, at + 4)
        return Heard(Sort.ECHO, frame[6:12], address_at(frame, 26), *numbers)
    if kind not in (3, 11):  # destination unreachable, time exceeded: they quote the probe
        return None
    quoted = at + 8
    inner = quoted + (frame[quoted] & 15) * 4
    target, protocol = address_at(frame, quoted + 16), frame[quoted + 9]
    error = IcmpError(address_at(frame, 26), kind, frame[at + 1])
    if protocol == ICMP and frame[inner] == 8:
        ident, number = struct.unpack_from("!HH", frame, inner + 4)
    elif protocol == TCP:
        ident, _, number = struct.unpack_from("!HHI", frame, inner)
    elif protocol == UDP:
        ident, number = struct.unpack_from("!H", frame, inner)[0], -1  # the eight quoted bytes hold no id
    else:
        return None
    return Heard(Sort.ERROR, frame[6:12], target, ident, number, protocol, error)


def _read_tcp(frame: bytes, at: int) -> Heard | None:
    _, port, _, acknowledged, _, flags = struct.unpack_from("!HHIIBB", frame, at)
    reset = bool(flags & 0x04)
    if not flags & 0x10 or not (reset or flags & 0x02):  # neither SYN-ACK nor RST-ACK
        return None
    return Heard(
        Sort.TCP, frame[6:12], address_at(frame, 26), port, (acknowledged - 1) & 0xFFFFFFFF, TCP, refused=reset
    )


def _read_udp(frame: bytes, at: int) -> Heard | None:
    source, port = struct.unpack_from("!HH", frame, at)
    if source == SNMP_PORT:
        return Heard(Sort.SNMP, frame[6:12], address_at(frame, 26), port, protocol=UDP, body=frame[at + 8 :])
    return _read_dns(frame, at, port) if source == 53 else None


def _read_dns(frame: bytes, at: int, port: int) -> Heard | None:
    number, flags, questions, records = struct.unpack_from("!HHHH", frame, at + 8)
    if not flags & 0x8000 or questions != 1:
        return None
    rcode = flags & 15
    says = (RCODES.get(rcode, f"rcode {rcode}"),) if rcode else _addresses(frame[at + 8 :], records)
    return Heard(Sort.DNS, frame[6:12], address_at(frame, 26), port, number, UDP, refused=bool(rcode), says=says)


_READERS = {ICMP: _read_icmp, TCP: _read_tcp, UDP: _read_udp}


def _addresses(message: bytes, records: int) -> tuple[str, ...]:
    """Return the A records of a DNS answer."""
    at = _after_name(message, 12) + 4
    found = []
    for _ in range(min(records, MOST_RECORDS)):
        at = _after_name(message, at)
        kind, _, _, length = struct.unpack_from("!HHIH", message, at)
        if kind == 1 and length == 4:
            found.append(address_at(message, at + 10))
        at += 10 + length
    return tuple(found)


def _after_name(message: bytes, at: int) -> int:
    while True:
        length = message[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:  # a pointer ends a name (RFC 1035 section 4.1.4)
            return at + 2
        at += 1 + length


def dns_query(name: str) -> bytes:
    """Return a question for the A records of `name`, its id still 0. Raises ValueError for what is no name."""
    labels = name.rstrip(".").encode("ascii").split(b".")
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError(name)
    asked = b"".join(bytes((len(label),)) + label for label in labels)
    return struct.pack("!HHHHHH", 0, 0x0100, 1, 0, 0, 0) + asked + b"\0" + struct.pack("!HH", 1, 1)


def address_at(frame: bytes, at: int) -> str:
    """Return the IPv4 address at an offset. Raises struct.error where the frame ends before it does."""
    a, b, c, d = struct.unpack_from("BBBB", frame, at)
    return f"{a}.{b}.{c}.{d}"


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071); of data that holds a right one, 0."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def patch(frame: bytearray, at: int, value: int, checksum_at: int) -> bytearray:
    """Set 16 bits and mend the checksum by the difference alone (RFC 1624 equation 3); return the frame."""
    held, was = struct.unpack_from("!H", frame, checksum_at)[0], struct.unpack_from("!H", frame, at)[0]
    total = (~held & 0xFFFF) + (~was & 0xFFFF) + value
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", frame, checksum_at, ~total & 0xFFFF)
    struct.pack_into("!H", frame, at, value)
    return frame


def patch_echo(frame: bytearray, sequence: int) -> bytearray:
    """Set an echo's sequence."""
    return patch(frame, ECHO_SEQUENCE, sequence, ECHO_CHECKSUM)


def patch_dns(frame: bytearray, number: int) -> bytearray:
    """Set a question's id."""
    return patch(frame, DNS_ID, number, UDP_CHECKSUM)


def patch_syn(frame: bytearray, sequence: int) -> bytearray:
    """Set a SYN's sequence number."""
    patch(frame, TCP_SEQUENCE, sequence >> 16, TCP_CHECKSUM)
    return patch(frame, TCP_SEQUENCE + 2, sequence & 0xFFFF, TCP_CHECKSUM)
