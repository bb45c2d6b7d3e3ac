"""Fetches a known page over one interface, and measures how fast a line delivers one. Plain sockets, bound to the link.

The one idea: a page whose words we know tells a portal or a suspended line from the internet, and the *spacing* of the
packets of a short download tells the line's rate without filling the line for seconds: packets that queued at the
slowest hop leave it one behind the other, and the median over short windows forgets the pauses of TCP's slow start and
what queued before. Arrivals are stamped by the kernel (packet(7), SO_TIMESTAMPNS).

SO_BINDTODEVICE (socket(7)) keeps a connection on the link whatever the routes say; the interface needs a default
route of its own, of any metric. HTTP/1.1 (RFC 9112), one GET, no TLS, no redirect followed, no name resolved.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import socket
import struct
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from drivers.contract import Clock, DriverError, LinkId
from drivers.probing import CheckRate, IcmpError, Outcome, Page, ProbeKind, ProbePlan, ProbeReply

PORT = 80
HEAD = 4096  # bytes of an answer that are looked at
CHUNK = 1 << 16
SNAP = 64  # bytes of a frame that are kept: its headers
WINDOW = 16  # packets: their 15 gaps make one rate
FEWEST = 4 * WINDOW  # packets without which there is no rate
ETH_P_IP, SO_TIMESTAMPNS, SO_ATTACH_FILTER = 0x0800, 35, 26
CANARY_LIMIT_S = 4.0
NO_ROUTE = os.strerror(errno.EHOSTUNREACH)  # a router said so; or, after three times a second, nobody answered ARP
NEIGHBOUR_S = 0.9  # arp(7) retrans_time
IDLE_S, LIMIT_S = 1.0, 15.0  # how long the line is watched for others' traffic; how long a download may take


class Line(Protocol):
    """The interface as the rate check needs it (`drivers.wire.Wire`)."""

    interface: str

    def counters(self) -> tuple[int, int] | None:
        """Return the bytes received and sent since it exists."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a page's server said."""

    outcome: Outcome
    says: str  # status and Location, or why there is none


async def probe(clock: Clock, link: LinkId, interface: str, page: Page) -> ProbeReply:
    """Get the page within `CANARY_LIMIT_S` and return that probe's fate."""
    began_s = clock.now().mono_s
    try:
        async with asyncio.timeout(CANARY_LIMIT_S):
            got = await fetch(interface, page)
    except TimeoutError:
        got = Fetched(Outcome.LOST, "")
    now = clock.now()
    lasted_s = now.mono_s - began_s
    rtt_s = lasted_s if got.outcome is Outcome.REPLIED else None
    refused = got.says == NO_ROUTE and lasted_s < NEIGHBOUR_S
    error = IcmpError("", 3, 1) if refused else None
    return ProbeReply(now, link, ProbeKind.CANARY, page.at, got.outcome, rtt_s, began_s, error=error, says=got.says)


async def fetch(interface: str, page: Page) -> Fetched:
    """Get the page and compare it. Never raises for what the network does; the caller limits the time."""
    try:
        with _bound(interface) as link:
            head = await _get(link, page, HEAD)
    except ConnectionRefusedError:
        return Fetched(Outcome.REFUSED, "refused")
    except OSError as error:
        return Fetched(Outcome.UNREACHABLE, error.strerror or "no route")
    return judged(page, head)


def judged(page: Page, head: bytes) -> Fetched:
    """Compare an answer's first bytes with what the page says."""
    match = re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n", head)
    if match is None:
        return Fetched(Outcome.WRONG, "no HTTP")
    status = int(match[1])
    headers, _, body = head.partition(b"\r\n\r\n")
    location = re.search(rb"(?im)^location:[ \t]*([^\r\n]{0,160})", headers)
    says = f"{status} {location[1].decode('ascii', 'replace').strip() if location else ''}".strip()
    right = body.startswith(page.says.encode()) if page.says and status == 200 else status == 204 and not page.says
    if right:
        return Fetched(Outcome.REPLIED, says)
    return Fetched(Outcome.REFUSED if status >= 500 else Outcome.WRONG, says)


def _bound(interface: str) -> socket.socket:
    link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    return link


async def _connect(link: socket.socket, page: Page) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(link, (page.at, PORT))
    request = f"GET {page.path} HTTP/1.1\r\nHost: {page.host}\r\nUser-Agent: gardien\r\nConnection: close\r\n\r\n"
    await loop.sock_sendall(link, request.encode("ascii"))


async def _get(link: socket.socket, page: Page, most: int) -> bytes:
    await _connect(link, page)
    loop, got = asyncio.get_running_loop(), b""
    while len(got) < most:
        piece = await loop.sock_recv(link, most - len(got))
        if not piece:
            break
        got += piece
    return got


@dataclass(frozen=True, slots=True)
class Delivered:
    """A download: what it cost, and each packet's arrival (seconds) and IP bytes."""

    received_bytes: int
    arrivals: tuple[tuple[float, int], ...]


async def rate(wire: Line, plan: ProbePlan, ask: CheckRate) -> tuple[float | None, int, str]:
    """Measure the contract rate: bits of IP per second or None, what it cost in bytes, and why there is no rate."""
    if plan.rate is None or plan.gateway_mac:
        return None, 0, "failed: no page for it" if plan.rate is None else "failed: two boxes on one interface"
    before = wire.counters()
    await asyncio.sleep(IDLE_S)
    after = wire.counters()
    if before is None or after is None or 8 * sum(b - a for a, b in zip(before, after, strict=True)) > ask.idle_bit_s:
        return None, 0, "busy"
    try:
        async with asyncio.timeout(LIMIT_S):
            got = await download(wire.interface, plan.rate, ask.max_bytes)
    except (DriverError, TimeoutError) as error:
        return None, _spent(after, wire.counters()), f"failed: {error or 'too slow'}"
    measured = rate_of(got.arrivals)
    return measured, got.received_bytes, "" if measured else "failed: too few packets"


def _spent(before: tuple[int, int], after: tuple[int, int] | None) -> int:
    return after[0] - before[0] if after else 0


async def download(interface: str, page: Page, most: int) -> Delivered:
    """Get at most `most` bytes of a page and see them arrive. Raises DriverError; the caller limits the time."""
    try:
        with _bound(interface) as link, _ears(interface, page.at) as ears:
            await _connect(link, page)
            loop, count = asyncio.get_running_loop(), 0
            arrivals: list[tuple[float, int]] = []
            while count < most:
                piece = await loop.sock_recv(link, min(CHUNK, most - count))
                arrivals += _heard(ears, link.getsockname()[1])
                if not piece:
                    break
                count += len(piece)
            return Delivered(sum(size for _, size in arrivals) or count, tuple(arrivals))
    except OSError as error:
        raise DriverError(f"no download over {interface}: {error.strerror or error}") from error


def rate_of(arrivals: tuple[tuple[float, int], ...]) -> float | None:
    """Return the bits per second at which a line delivers, from the median of short windows; None of too few packets.

    A window's rate is that of every packet after its first. Windows in which TCP waited for its own acknowledgements
    are slower than the line: what is below half of the median is left out, and the median taken again.
    """
    if len(arrivals) < FEWEST:
        return None
    rates = sorted(
        8 * sum(size for _, size in arrivals[at + 1 : at + WINDOW]) / lasted_s
        for at in range(len(arrivals) - WINDOW + 1)
        if (lasted_s := arrivals[at + WINDOW - 1][0] - arrivals[at][0]) > 0
    )
    if len(rates) < WINDOW:
        return None
    middle = median(rates)
    return median(rate for rate in rates if rate >= middle / 2)


def _ears(interface: str, server: str) -> socket.socket:
    """Open a packet socket that keeps the headers of what the server's port 80 sends us (packet(7))."""
    ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    ears.setblocking(False)
    ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    ears.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    program = (  # linux/filter.h: IPv4 source, protocol TCP, source port 80 behind an unfragmented plain header
        (0x20, 0, 0, 12), (0x15, 0, 5, int.from_bytes(socket.inet_aton(server), "big")),
        (0x30, 0, 0, 9), (0x15, 0, 3, 6),
        (0x28, 0, 0, 20), (0x15, 0, 1, PORT),
        (0x06, 0, 0, SNAP), (0x06, 0, 0, 0),
    )  # fmt: skip
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)
    ears.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    )
    ears.bind((interface, ETH_P_IP))
    return ears


def _heard(ears: socket.socket, port: int) -> list[tuple[float, int]]:
    arrivals: list[tuple[float, int]] = []
    while True:
        try:
            packet, notes, _, sender = ears.recvmsg(SNAP, 64)
        except BlockingIOError:
            return arrivals
        length, to = struct.unpack_from("!H", packet, 2)[0], struct.unpack_from("!H", packet, 22)[0]
        stamps = [struct.unpack("@qq", data) for _, kind, data in notes if kind == SO_TIMESTAMPNS]
        if to == port and stamps and sender[2] != socket.PACKET_OUTGOING:
            arrivals.append((stamps[0][0] + stamps[0][1] * 1e-9, length))
