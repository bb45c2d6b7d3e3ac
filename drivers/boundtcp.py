"""Reads a page over an interface that one link has for itself: the kernel's own TCP, bound to it.

The one idea: SO_BINDTODEVICE (socket(7)) keeps a connection on the link whatever the routes say; the interface needs a
default route of its own, of any metric. A download is watched by a packet socket beside it, which keeps the headers of
what arrives and the kernel's stamps (packet(7), SO_TIMESTAMPNS).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

from drivers.canary import PORT, Delivered, HungUp, TurnedAway, request_for
from drivers.probing import IcmpError, Page
from drivers.sockfilter import BYTE, EQUAL, HALF, RETURN, WORD, attach

CHUNK = 1 << 16
SNAP = 64  # bytes of a frame that are kept: its headers
ETH_P_IP, SO_TIMESTAMPNS = 0x0800, 35
NEIGHBOUR_S = 0.9  # arp(7) retrans_time


class BoundTcp:
    """Plays `canary.Road` over one interface. The kernel proves nothing about the box."""

    mac, strays, busy = "", 0, False

    def __init__(self, interface: str) -> None:
        self._interface = interface

    async def read(self, page: Page, most: int) -> bytes:
        """See `canary.Road`."""
        loop, got = asyncio.get_running_loop(), b""
        with self._bound() as link:
            await self._connect(link, page)
            while len(got) < most:
                try:
                    piece = await loop.sock_recv(link, most - len(got))
                except ConnectionResetError as error:
                    raise HungUp(got) from error
                if not piece:
                    break
                got += piece
        return got

    async def download(self, page: Page, most: int) -> Delivered:
        """See `canary.Road`."""
        with self._bound() as link, self._ears(page.at) as ears:
            await self._connect(link, page)
            loop, count = asyncio.get_running_loop(), 0
            arrivals: list[tuple[float, int]] = []
            while count < most:
                piece = await loop.sock_recv(link, min(CHUNK, most - count))
                arrivals += _heard(ears, link.getsockname()[1])
                if not piece:
                    break
                count += len(piece)
            return Delivered(sum(size for _, size in arrivals) or count, tuple(arrivals))

    def _bound(self) -> socket.socket:
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
        return link

    @staticmethod
    async def _connect(link: socket.socket, page: Page) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await loop.sock_connect(link, (page.at, PORT))
            await loop.sock_sendall(link, request_for(page))
        except OSError as error:  # a router said so; or, after three times a second, nobody answered ARP
            if error.errno == errno.EHOSTUNREACH and loop.time() - began_s < NEIGHBOUR_S:
                raise TurnedAway(IcmpError("", 3, 1)) from error
            raise

    def _ears(self, server: str) -> socket.socket:
        """Open a packet socket that keeps the headers of what the server's port 80 sends us."""
        ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        ears.setblocking(False)
        ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        ears.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        program = (  # IPv4 source, protocol TCP, source port 80 behind an unfragmented plain header
            (WORD, 0, 0, 12), (EQUAL, 0, 5, int.from_bytes(socket.inet_aton(server), "big")),
            (BYTE, 0, 0, 9), (EQUAL, 0, 3, 6),
            (HALF, 0, 0, 20), (EQUAL, 0, 1, PORT),
            (RETURN, 0, 0, SNAP), (RETURN, 0, 0, 0),
        )  # fmt: skip
        attach(ears, program)
        ears.bind((self._interface, ETH_P_IP))
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
