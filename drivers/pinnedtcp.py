"""Reads a page through one certain box of a LAN: TCP in frames of our own, where two boxes share our one interface.

The one idea: the kernel's TCP follows routes, and routes know no MAC. So the conversation (`drivers.segments`) is ours:
each frame goes to this box's MAC, and what comes back counts only if it comes from there, also where both boxes have
the same address. The kernel must not answer for us, as it would with a reset for a port that nobody has: the port is
held (`drivers.silentport`), and for a while after the page, for what comes late. With that a plain CAP_NET_RAW is
enough: no rule of a firewall, no address or route of this machine is touched. Where the kernel keeps no port silent, no
page is read, and nothing is said of it.

One packet socket is kept (closing one costs some 10 ms, packet(7)), so one page is read at a time. Arrivals are stamped
by the kernel. Its own merging of segments (GRO) and checksums that the card has proven are taken as it says so
(PACKET_AUXDATA). Nothing here waits without asking again; whoever calls limits the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol, Self

from drivers.boundtcp import BoundTcp
from drivers.canary import PORT, Delivered, HungUp, Road, TurnedAway, request_for
from drivers.contract import DriverError
from drivers.frames import ICMP, TCP, read_frame
from drivers.probing import Page, ProbePlan
from drivers.segments import Conversation, Ended, Ends
from drivers.silentport import silent_port
from drivers.sockfilter import BYTE, BYTE_X, EQUAL, HALF, HALF_X, HEADER, NOTHING, RETURN, Line, attach

ETH_P_IP, SO_TIMESTAMPNS, SOL_PACKET, PACKET_AUXDATA = 0x0800, 35, 263, 8
NOT_READY, TAGGED, PROVEN = 1 << 3, 1 << 4, 1 << 7  # linux/if_packet.h TP_STATUS_CSUMNOTREADY, VLAN_VALID, CSUM_VALID
LARGEST = 1 << 16  # bytes of a frame: the kernel may have put several segments together
BUFFER = 1 << 18  # bytes, doubled by the kernel: a whole window of full frames with their bookkeeping
HELD_S, MOST_PORTS = 30.0, 32  # a page's longest (`canary.LIMIT_S`) and as long again, for what the far end still sends
NOT_SILENT = "this kernel keeps no port silent (TCP_MD5SIG)"
BURST = 64  # frames read before the loop has its turn

log = logging.getLogger(__name__)


class Link(Protocol):
    """What is asked of `drivers.wire.Wire`."""

    interface: str

    def address(self) -> str:
        """Return our IPv4 address, "" if there is none now."""


@contextlib.contextmanager
def road_of(link: Link, plan: ProbePlan) -> Iterator[Road]:
    """Give pages their way: through one box of several, or over an interface of their own. Raises DriverError."""
    if plan.gateway_mac:
        with PinnedTcp(link.interface, bytes.fromhex(plan.gateway_mac.replace(":", "")), link.address) as road:
            yield road
    else:
        yield BoundTcp(link.interface)


class PinnedTcp:
    """Plays `canary.Road` through one box. A context manager; raises DriverError where the socket cannot be had.

    `box` is the MAC of the link's box, six bytes; `address` returns our IPv4 address, "" if there is none now.
    """

    def __init__(self, interface: str, box: bytes, address: Callable[[], str]) -> None:
        self._interface, self._box, self._address = interface, box, address
        self.mac = box.hex(":")
        self.strays = 0
        self._turn = asyncio.Lock()
        self._silent = True
        self._ports = deque[tuple[float, contextlib.ExitStack]]()  # until when each is held, and what holds it
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            kept = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket = self._open.enter_context(kept)
            kept.setblocking(False)
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            kept.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            kept.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            attach(kept, NOTHING)
            kept.bind((self._interface, ETH_P_IP))
            self._mac: bytes = kept.getsockname()[4]
            with silent_port(self._interface) as (_, self._silent):
                pass
        except OSError as error:
            self._open.close()
            raise DriverError(f"no pages over {self._interface}: {error.strerror}") from error
        if not self._silent:
            log.warning("no pages over %s: %s", self._interface, NOT_SILENT)
        return self

    def __exit__(self, *_: object) -> None:
        while self._ports:
            self._ports.popleft()[1].close()
        self._open.close()

    def _new_port(self) -> int:
        """Hold one more port, and let go of those for which nothing can come any more."""
        now_s, held = asyncio.get_running_loop().time(), contextlib.ExitStack()
        while self._ports and (self._ports[0][0] <= now_s or len(self._ports) >= MOST_PORTS):
            self._ports.popleft()[1].close()
        port, _ = held.enter_context(silent_port(self._interface))
        self._ports.append((now_s + HELD_S, held))
        return port

    @property
    def busy(self) -> bool:
        """Tell whether a page is being read, so that another would wait; or none can be."""
        return not self._silent or self._turn.locked()

    async def read(self, page: Page, most: int) -> bytes:
        """See `canary.Road`."""
        talk, _ = await self._get(page, most, most)
        if talk.ended is Ended.RESET:
            raise HungUp(talk.head)
        return talk.head

    async def download(self, page: Page, most: int) -> Delivered:
        """See `canary.Road`."""
        _, arrivals = await self._get(page, most, 0)
        return Delivered(sum(size for _, size in arrivals), tuple(arrivals))

    async def _get(self, page: Page, most: int, keep: int) -> tuple[Conversation, list[tuple[float, int]]]:
        """Hold one conversation, and its line of arrivals. Raises OSError where it never opened."""
        async with self._turn:
            if not self._silent:
                raise OSError(errno.EPERM, NOT_SILENT)
            source = self._address()
            if not source:
                raise OSError(errno.EADDRNOTAVAIL, "no address")
            port = self._new_port()
            ends = Ends(self._mac, self._box, source, page.at, port, PORT)
            talk = Conversation(ends, request_for(page), secrets.randbits(32), most, keep)
            attach(self._socket, _only(port))
            try:
                arrivals = await self._hold(talk, ends)
            finally:
                self.strays += talk.strays
                with contextlib.suppress(OSError):
                    self._send(talk.farewell())
                    attach(self._socket, NOTHING)
        if talk.ended is Ended.REFUSED:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        if talk.ended is Ended.SILENT:
            raise TimeoutError
        return talk, arrivals

    async def _hold(self, talk: Conversation, ends: Ends) -> list[tuple[float, int]]:
        """Hold a conversation to its end; return when each of its packets came, and its size."""
        loop, woken, arrivals = asyncio.get_running_loop(), asyncio.Event(), list[tuple[float, int]]()
        loop.add_reader(self._socket.fileno(), woken.set)
        try:
            while not talk.ended:
                frames, again_s = talk.due(loop.time())
                self._send(frames)
                if talk.ended:
                    break
                timer = None if again_s is None else loop.call_at(again_s, woken.set)
                await woken.wait()
                woken.clear()
                if timer is not None:
                    timer.cancel()
                arrivals += self._heard(talk, ends)
        finally:
            loop.remove_reader(self._socket.fileno())
        return arrivals

    def _heard(self, talk: Conversation, ends: Ends) -> list[tuple[float, int]]:
        arrivals = []
        for _ in range(BURST):
            try:
                frame, notes, _, _ = self._socket.recvmsg(LARGEST, 256)
            except BlockingIOError:
                break
            status, stamp = _noted(notes)
            if status & TAGGED:  # of another network
                continue
            if frame[23:24] == bytes((ICMP,)):
                _turn_away(talk, ends, frame)
                continue
            segment = talk.hear(frame, proven=bool(status & (NOT_READY | PROVEN)))
            if segment is not None:
                arrivals.append((stamp, segment.length))
        return arrivals

    def _send(self, frames: list[bytes]) -> None:
        for frame in frames:
            try:
                self._socket.send(frame)
            except OSError as error:
                if error.errno not in (errno.ENOBUFS, errno.EAGAIN):  # a full queue loses it, as any queue does
                    raise


def _only(port: int) -> tuple[Line, ...]:
    """Let through TCP from port 80 to our port, and the ICMP errors that may speak of it."""
    return (
        (HALF, 0, 0, 12), (EQUAL, 0, 11, ETH_P_IP),
        (HEADER, 0, 0, 14), (BYTE, 0, 0, 23), (EQUAL, 0, 4, TCP),
        (HALF_X, 0, 0, 14), (EQUAL, 0, 6, PORT), (HALF_X, 0, 0, 16), (EQUAL, 3, 4, port),
        (EQUAL, 0, 3, ICMP), (BYTE_X, 0, 0, 14), (EQUAL, 0, 1, 3),
        (RETURN, 0, 0, LARGEST), (RETURN, 0, 0, 0),
    )  # fmt: skip


def _noted(notes: list[tuple[int, int, bytes]]) -> tuple[int, float]:
    """Return what the kernel says of a frame: its TP_STATUS, and when it came (CLOCK_REALTIME)."""
    status, stamp = 0, 0.0
    for level, kind, data in notes:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            (status,) = struct.unpack_from("=I", data)
        elif (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("@qq", data)
            stamp = seconds + nanoseconds * 1e-9
    return status, stamp


def _turn_away(talk: Conversation, ends: Ends, frame: bytes) -> None:
    """Raise TurnedAway for an ICMP error about our opening; a conversation that stands does not mind (RFC 5927)."""
    heard = read_frame(frame)
    if heard is None or heard.error is None or (heard.protocol, heard.ident) != (TCP, ends.port):
        return
    if heard.mac == ends.box and (heard.target, heard.number) == (ends.there, talk.opening):
        raise TurnedAway(heard.error)
    talk.strays += 1
