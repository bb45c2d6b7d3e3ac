"""One kept layer-2 socket on one interface: whole Ethernet frames out and in, with the kernel's own time stamps.

The one idea: scapy is fast where it builds each flow's frame once and is then left alone. It opens the socket, compiles
the kernel filter (nothing but answers to our own probes reaches Python), and builds the frames that are patched later
(`drivers.frames`). Not promiscuous. Every frame's sending and arrival is stamped by the kernel (SO_TIMESTAMPING,
Documentation/networking/timestamping.rst), so our own load is not part of any round-trip time. The only file that
imports scapy (GPL-2.0-only). It never resolves a name, follows a route or waits.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import struct
import sys
from array import array
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Self

from drivers.contract import DriverError
from drivers.frames import address_at, dns_query, patch_dns, patch_echo, patch_syn
from drivers.netlink import Netlink
from drivers.probing import ProbeKind, ProbePlan
from drivers.segments import reset_of
from drivers.silentport import silent_port


@contextlib.contextmanager
def _bare_scapy() -> Iterator[None]:
    """Let scapy import without its tables of vendors, and without looking for folders of its own.

    Measured: 32 MiB resident instead of 55 to 70, and nothing is ever written to a home or working directory.
    """
    tables = {"scapy.libs.manuf": "", "scapy.libs.bluetoothids": {}}
    for name, data in tables.items():
        empty = ModuleType(name)
        empty.DATA = data  # type: ignore[attr-defined]
        sys.modules.setdefault(name, empty)
    folders = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    kept = {name: value for name in folders if (value := os.environ.get(name)) is not None}
    os.environ.update(dict.fromkeys(folders, "/dev/null/none"))  # cannot exist: scapy then goes without
    try:
        yield
    finally:
        for name in folders:
            del os.environ[name]
        os.environ.update(kept)


with _bare_scapy():
    from scapy.config import conf

    conf.ipv6_enabled = False  # nobody is probed over it: its layer stays out
    conf.route_autoload = False  # no frame of ours follows a route
    from scapy.arch.linux import L2Socket
    from scapy.error import Scapy_Exception
    from scapy.layers import inet
    from scapy.layers.inet import IP
    from scapy.layers.l2 import ARP, Ether

conf.sniff_promisc = False
conf.bufsize = 1 << 18  # bytes; the default holds only 158 small frames

BURST = 256  # frames read per wake-up
SIOCGIFADDR, SIOCETHTOOL, ETHTOOL_GLINK = 0x8915, 0x8946, 0x0A  # netdevice(7), linux/ethtool.h
SO_TIMESTAMPING, SOL_PACKET, PACKET_STATISTICS, PACKET_TX_TIMESTAMP = 37, 263, 6, 16  # linux/if_packet.h
STAMPING = 0x02 | 0x08 | 0x10 | 0x80 | 0x800  # TX and RX in software, reported; numbered, without the frame's copy
TP_STATUS_VLAN_VALID, PACKET_AUXDATA = 1 << 4, 8
BROADCAST = b"\xff" * 6
NO_PROBE = -1  # the number of a frame that asks nothing
PAYLOAD = b"gardien link probe"  # some paths drop an empty echo


def _ip(mac: bytes, source: str, target: str, ttl: int = 64) -> Any:
    ether = Ether(src=mac.hex(":"), dst=BROADCAST.hex(":"))
    return ether / IP(src=source, dst=target, flags="DF", id=0, ttl=ttl)


def echo_frame(mac: bytes, source: str, target: str, ident: int, *, ttl: int = 64, size: int = 0) -> bytearray:
    """Return one echo request with sequence 0, to be patched; its destination MAC is still to be filled in."""
    payload = PAYLOAD.ljust(size - 28, b".") if size else PAYLOAD
    return bytearray(bytes(_ip(mac, source, target, ttl) / inet.ICMP(type=8, id=ident, seq=0) / payload))


def arp_frame(mac: bytes, source: str, gateway: str) -> bytearray:
    """Return one "who has the gateway?", broadcast until a MAC is filled in."""
    question = ARP(op=1, hwsrc=mac.hex(":"), psrc=source, pdst=gateway)
    return bytearray(bytes(Ether(src=mac.hex(":"), dst=BROADCAST.hex(":")) / question))


def dns_frame(mac: bytes, source: str, resolver: str, port: int, name: str) -> bytearray:
    """Return one question for the addresses of `name`, its id still 0."""
    return bytearray(bytes(_ip(mac, source, resolver) / inet.UDP(sport=port, dport=53) / dns_query(name)))


def syn_frame(mac: bytes, source: str, target: str, port: int) -> bytearray:
    """Return one request to open port 443, its sequence still 0."""
    return bytearray(bytes(_ip(mac, source, target) / inet.TCP(sport=port, dport=443, flags="S", seq=0)))


class Frames:
    """The built frames of one link, from our present address; each is patched and sent again and again."""

    def __init__(self, wire: Wire, plan: ProbePlan) -> None:
        self._wire, self._plan = wire, plan
        self.source = self.gateway = ""
        self._built: dict[tuple[ProbeKind, str, int, int], bytearray] = {}

    def readdress(self) -> bool:
        """Ask for our address and our gateway, and forget frames of others; True if the gateway is another one.

        Without an address the last is kept.
        """
        source = self._wire.address() or self.source
        gateway = self._plan.gateway or self._wire.gateway() or self.gateway
        moved = gateway != self.gateway
        if moved or source != self.source:
            self._built.clear()
        self.source, self.gateway = source, gateway
        return moved

    def of(self, kind: ProbeKind, target: str, number: int, *, size: int = 0, ttl: int = 0) -> bytearray:
        """Return the frame of one probe, built when it is first needed and then only patched."""
        frame = self._built.get((kind, target, size, ttl))
        if frame is None:
            frame = self._built[kind, target, size, ttl] = self._build(kind, target, size, ttl)
        match kind:
            case ProbeKind.ECHO | ProbeKind.HOP:
                patch_echo(frame, number)
            case ProbeKind.DNS:
                patch_dns(frame, number)
            case ProbeKind.SYN:
                patch_syn(frame, number << 16 | self._wire.ident)
        return frame

    def _build(self, kind: ProbeKind, target: str, size: int, ttl: int) -> bytearray:
        wire = self._wire
        match kind:
            case ProbeKind.ARP:
                return arp_frame(wire.mac, self.source, target)
            case ProbeKind.DNS:
                return dns_frame(wire.mac, self.source, target, wire.port, self._plan.name)
            case ProbeKind.SYN:
                return syn_frame(wire.mac, self.source, target, wire.port)
            case ProbeKind.HOP:
                return echo_frame(wire.mac, self.source, self._plan.targets[-1], wire.ident, ttl=ttl)
        return echo_frame(wire.mac, self.source, target, wire.ident, size=size)


class Wire:
    """One kept socket on one interface. A context manager; raises DriverError where the interface fails us.

    `ident` marks our echoes; `port` is ours in UDP and TCP, reserved so that the kernel refuses no answer.
    What a SYN half opened is let go by a reset of ours, through the box it came from: the kernel's own would leave by
    the route, which may be the other link's, so the port is held (`drivers.silentport`). It is bound to the interface:
    where the kernel keeps no port silent, what it sends leaves there too.
    """

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.ident = secrets.randbelow(1 << 16)
        self._request = struct.pack("16s24x", interface.encode())
        self._link = array("I", [ETHTOOL_GLINK, 0])
        self._ask_link = struct.pack("16sP16x", interface.encode(), self._link.buffer_info()[0])
        self._open = contextlib.ExitStack()
        self._socket: Any
        self._sent: dict[int, int] = {}  # the kernel's number of a frame -> ours
        self._count = 0
        self.mac, self.handle, self.port, self.index = b"", -1, 0, 0

    def __enter__(self) -> Self:
        try:
            self._asker = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.carries()
            self.port = self._reserve()
            self.index = socket.if_nametoindex(self.interface)
            self._netlink = self._open.enter_context(contextlib.closing(Netlink()))
            if self.interface not in conf.ifaces:
                conf.ifaces.reload()  # 0.15 s. scapy's list is from its import; the interface may be younger
            listens = L2Socket(iface=self.interface, promisc=False, filter=self._filter())
            self._open.callback(listens.close)
            self._socket = listens.ins
            self._number_stamps()
        except (OSError, Scapy_Exception, ValueError, DriverError) as error:
            self._open.close()
            raise DriverError(f"cannot probe on {self.interface}: {error}") from error
        self._socket.setblocking(False)
        self.mac, self.handle = self._socket.getsockname()[4], self._socket.fileno()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _reserve(self) -> int:
        """Hold one port in UDP and in TCP."""
        for _ in range(64):
            datagrams = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            datagrams.bind(("", 0))
            port: int = datagrams.getsockname()[1]
            datagrams.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 1
            )  # nobody reads it: the frames are read below it
            try:
                self._open.enter_context(silent_port(self.interface, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue  # somebody has it in TCP: another
            return port
        raise DriverError("no port is free")

    def _filter(self) -> str:
        return (
            "(arp[6:2] = 2)"
            f" or (icmp[0] = 0 and icmp[4:2] = {self.ident})"
            f" or ((icmp[0] = 3 or icmp[0] = 11) and icmp[17] = 1 and icmp[32:2] = {self.ident})"
            f" or ((icmp[0] = 3 or icmp[0] = 11) and icmp[17] != 1 and icmp[28:2] = {self.port})"
            f" or ((udp src port 53 or udp src port 161) and udp dst port {self.port})"
            f" or (tcp src port 443 and tcp dst port {self.port})"
        )

    def _number_stamps(self) -> None:
        """Ask for stamps, numbered from 0 (the numbering starts when it is switched on)."""
        for flags in (0, STAMPING):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, flags)
        self._sent.clear()
        self._count = 0

    # --- what the interface is ------------------------------------------------------------------------------

    def carries(self) -> bool:
        """Tell whether the interface is up and has a carrier.

        One ioctl: it needs no /sys, and is never a second late as the interface's flags are (kernel: linkwatch).
        """
        try:
            fcntl.ioctl(self._asker, SIOCETHTOOL, self._ask_link)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return True  # a device that knows no carrier; `send` knows whether it is up
            raise DriverError(f"the interface {self.interface} is gone: {error.strerror}") from error
        return bool(self._link[1])

    def address(self) -> str:
        """Return the interface's first IPv4 address, "" if it has none now."""
        with contextlib.suppress(OSError):
            return address_at(fcntl.ioctl(self._asker, SIOCGIFADDR, self._request), 20)
        return ""

    def gateway(self) -> str:
        """Return the gateway of the interface's own default route, "" if it has none now."""
        with contextlib.suppress(OSError, struct.error):
            return self._netlink.gateway_of(self.index)
        return ""

    def counters(self) -> tuple[int, int] | None:
        """Return the bytes the interface received and sent."""
        with contextlib.suppress(OSError, struct.error):
            return self._netlink.bytes_of(self.index)
        return None

    def dropped(self) -> int:
        """Return how many frames for us the kernel threw away since it was last asked."""
        _, drops = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return int(drops)

    # --- frames ---------------------------------------------------------------------------------------------

    def send(self, frame: bytes | bytearray, number: int) -> bool:
        """Write one frame; False if the interface went down. A full queue loses the frame, as any queue does."""
        try:
            self._socket.send(frame)
        except OSError as error:
            for _ in self.stamps():  # of the numbers that end here
                pass
            self._number_stamps()
            if error.errno in (errno.ENETDOWN, errno.ENETUNREACH):
                return False
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise DriverError(f"cannot send on {self.interface}: {error.strerror}") from error
            return True
        self._sent[self._count] = number
        self._count = (self._count + 1) & 0xFFFFFFFF
        return True

    def stamps(self) -> Iterator[tuple[int, float]]:
        """Yield the numbers of frames that left, with the kernel's stamps (CLOCK_REALTIME seconds).

        All that wait are read, also of frames whose number is forgotten: one that stays keeps the socket readable
        (EPOLLERR), and the loop would do nothing else.
        """
        for _ in range(BURST):
            try:
                _, notes, _, _ = self._socket.recvmsg(0, 256, socket.MSG_ERRQUEUE)
            except OSError:  # nothing yet, or the interface fell: `frames` says which
                break
            stamp, number = 0.0, None
            for level, kind, data in notes:
                if level == SOL_PACKET and kind == PACKET_TX_TIMESTAMP:
                    number = self._sent.pop(struct.unpack_from("=I8xI", data)[1], None)
                else:
                    stamp = _stamp(level, kind, data) or stamp
            if number is not None and stamp:
                yield number, stamp
        if len(self._sent) > BURST:
            self._sent.clear()  # a device that stamps nothing

    def frames(self) -> Iterator[tuple[bytes, float]]:
        """Yield what waits in the socket: frame and the kernel's own stamp of its arrival (CLOCK_REALTIME)."""
        for _ in range(BURST):
            try:
                frame, notes, _, sender = self._socket.recvmsg(2048, 256)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # told once when the interface goes down; carries() knows it
                    raise DriverError(f"cannot read from {self.interface}: {error.strerror}") from error
                continue
            stamp, tagged = 0.0, False
            for note in notes:
                stamp, tagged = _stamp(*note) or stamp, tagged or _tagged(*note)
            if sender[2] != socket.PACKET_OUTGOING and not tagged:
                yield frame, stamp
                reset = reset_of(frame)
                if reset is not None:
                    self.send(reset, NO_PROBE)


def _stamp(level: int, kind: int, data: bytes) -> float:
    if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING and len(data) >= 16:
        seconds, nanoseconds = struct.unpack_from("@qq", data)
        return float(seconds + nanoseconds * 1e-9)
    return 0.0


def _tagged(level: int, kind: int, data: bytes) -> bool:
    """Tell whether a frame had a VLAN tag, which the kernel took off: it is of another network (packet(7))."""
    return level == SOL_PACKET and kind == PACKET_AUXDATA and bool(data[0] & TP_STATUS_VLAN_VALID)


def mac_of(text: str) -> bytes:
    """Read "02:aa:bb:cc:dd:ee". Raises ValueError."""
    mac = bytes.fromhex(text.replace(":", ""))
    if len(mac) != len(BROADCAST):
        raise ValueError(text)
    return mac
