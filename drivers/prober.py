"""Probes one internet link with whole Ethernet frames, so that no probe can leave by another link.

The one idea: routes lie when a link dies, frames do not. Every probe is a complete Ethernet frame (RFC 894), addressed
to the MAC that *this* link's gateway gave by ARP (RFC 826) and written to *this* interface. No routing table, rule
or firewall of the host takes part. Per round: one ARP of the gateway, one ICMP echo (RFC 792) to each far target,
spread evenly over the interval.

scapy builds each frame once; per probe only the sequence and its checksum are patched, and replies are read raw:
building and dissecting packets would cost ten times the CPU. One socket is kept for as long as the link is probed, not
promiscuous, with a kernel filter that lets nothing but our own answers through.

Each probe has exactly one fate, told at its reply or its deadline. The deadline follows what the target needed lately
(4 x, between 0.5 and 2 s), so a filled queue soon shows as delay and not as loss. Later and double replies are counted
in `strays`, never as probes. The only file that imports scapy (GPL-2.0-only); nothing blocks, there are no threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import socket
import struct
import sys
from array import array
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import ModuleType
from typing import Any, Self

from drivers.contract import Clock, DriverError, LinkId, Moment
from drivers.icmp import Heard, address_at, patch_sequence, read_frame
from drivers.probing import Ask, Outcome, ProbeKind, ProbeReply


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
    from scapy.arch.linux import L2Socket
    from scapy.config import conf
    from scapy.error import Scapy_Exception
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.l2 import ARP, Ether

conf.sniff_promisc = False
conf.bufsize = 1 << 18  # bytes; the default holds only 158 small frames

FLOOR_S, CEILING_S, FIRST_S = 0.5, 2.0, 1.0  # of a probe's deadline; FIRST while nothing is known of the target
KEPT_S = 10.0  # how long a late reply is still recognised; 16-bit sequences cannot wrap in that time
QUEUE_LIMIT, BURST = 4096, 256  # fates nobody has read; frames read per wake-up
SIOCGIFADDR, SIOCETHTOOL, ETHTOOL_GLINK = 0x8915, 0x8946, 0x0A  # netdevice(7), linux/ethtool.h
BROADCAST = b"\xff" * 6
PAYLOAD = b"gardien link probe"  # some paths drop an empty echo


def echo_frame(mac: bytes, source: str, target: str, ident: int) -> bytearray:
    """Return one echo request with sequence 0, to be patched; its destination MAC is still to be filled in."""
    packet = Ether(src=mac.hex(":"), dst=BROADCAST.hex(":")) / IP(src=source, dst=target, flags="DF", id=0)
    return bytearray(bytes(packet / ICMP(type=8, id=ident, seq=0) / PAYLOAD))


def arp_frame(mac: bytes, source: str, gateway: str) -> bytearray:
    """Return one "who has the gateway?", broadcast until a MAC is filled in."""
    ether = Ether(src=mac.hex(":"), dst=BROADCAST.hex(":"))
    return bytearray(bytes(ether / ARP(op=1, hwsrc=mac.hex(":"), psrc=source, pdst=gateway)))


# --- the wire ----------------------------------------------------------------------------------------------


class _Wire:
    """One kept socket on one interface. A context manager; raises DriverError where the interface fails us."""

    def __init__(self, interface: str, gateway: str, ident: int) -> None:
        self.interface = interface
        self._request = struct.pack("16s24x", interface.encode())
        self._link = array("I", [ETHTOOL_GLINK, 0])
        self._ask_link = struct.pack("16sP16x", interface.encode(), self._link.buffer_info()[0])
        self._filter = (
            f"(arp[6:2] = 2 and arp[14:4] = {int(IPv4Address(gateway))})"
            f" or (icmp[0] = 0 and icmp[4:2] = {ident})"
            f" or ((icmp[0] = 3 or icmp[0] = 11) and icmp[32:2] = {ident})"
        )
        self._socket: Any
        self.mac, self.handle = b"", -1

    def __enter__(self) -> Self:
        self._asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.carries()
            conf.ifaces.reload()  # scapy's list is from its import; the interface may be younger
            self._socket = L2Socket(iface=self.interface, promisc=False, filter=self._filter)
        except (OSError, Scapy_Exception, ValueError, DriverError) as error:
            self._asker.close()
            raise DriverError(f"cannot probe on {self.interface}: {error}") from error
        self._socket.ins.setblocking(False)
        self.mac, self.handle = self._socket.ins.getsockname()[4], self._socket.fileno()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._asker.close()

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

    def send(self, frame: bytearray) -> bool:
        """Write one frame; False if the interface went down. A full queue loses the frame, as any queue does."""
        try:
            self._socket.send(bytes(frame))
        except OSError as error:
            if error.errno in (errno.ENETDOWN, errno.ENETUNREACH):
                return False
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise DriverError(f"cannot send on {self.interface}: {error.strerror}") from error
        return True

    def frames(self) -> Iterator[tuple[bytes, float]]:
        """Yield what waits in the socket: frame and the kernel's own stamp of its arrival (CLOCK_REALTIME)."""
        for _ in range(BURST):
            try:
                _, frame, stamp = self._socket.recv_raw()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # told once when the interface goes down; carries() knows it
                    continue
                raise DriverError(f"cannot read from {self.interface}: {error.strerror}") from error
            if frame is not None:  # None: one of our own
                yield frame, float(stamp)


# --- the probes --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Strays:
    """Replies that told no fate."""

    late: int = 0  # after the deadline: the probe was told LOST
    double: int = 0  # the same reply again
    foreign: int = 0  # to no probe that we remember


@dataclass(slots=True)
class _Flight:
    kind: ProbeKind
    target: str
    sent_s: float  # Moment.mono_s
    due_s: float
    told: bool = False
    answered: bool = False


class _Round:
    """The probes of one run of `replies`: sends what is due, matches what comes back, tells each fate once."""

    def __init__(self, prober: ScapyProber, wire: _Wire, ident: int) -> None:
        self._prober, self._wire, self._ident = prober, wire, ident
        self._loop = asyncio.get_running_loop()
        self._fates: asyncio.Queue[ProbeReply | DriverError] = asyncio.Queue()  # bounded by `_tell`
        self._timer: asyncio.TimerHandle | None = None
        self._source, self._box_silent = "", False
        self._gateway_mac = b""  # the last that answered; echoes go on to it while the box is silent
        self._arp = bytearray()
        self._echoes: dict[str, bytearray] = {}
        self._flights: dict[int, _Flight] = {}
        self._held: list[tuple[int, _Flight]] = []  # echoes that wait for the box's MAC
        self._sequence, self._slot = secrets.randbelow(1 << 16), 0
        self._next_s = prober.clock.now().mono_s
        self._slowest: dict[str, float] = {}  # what each target needed lately

    def start(self) -> None:
        """Begin to probe. Raises DriverError if the interface has no address to ask from."""
        self._readdress()
        if not self._source:
            raise DriverError(f"the interface {self._wire.interface} has no IPv4 address")
        self._loop.add_reader(self._wire.handle, self._guarded, self._drain)
        self._guarded(self._tick)

    def stop(self) -> None:
        """Probe no more."""
        self._loop.remove_reader(self._wire.handle)
        if self._timer is not None:
            self._timer.cancel()

    async def fate(self) -> ProbeReply:
        """Return the next fate. Raises DriverError."""
        fate = await self._fates.get()
        if isinstance(fate, DriverError):
            raise fate
        return fate

    def _guarded(self, step: Any) -> None:
        """Run one callback of the loop; what the world does to it reaches the reader of `fate`."""
        try:
            step()
        except DriverError as fault:
            self.stop()
            self._fates.put_nowait(fault)

    def _tick(self) -> None:
        self._drain()  # whatever arrived while the loop was busy was in time
        now = self._prober.clock.now()
        step_s = self._prober.interval_s / (1 + len(self._prober.targets))
        if now.mono_s - self._next_s > self._prober.interval_s:
            self._next_s = now.mono_s  # we slept: that is a gap, not a burst of probes
        while self._next_s <= now.mono_s:
            self._probe(now)
            self._next_s += step_s
        self._expire(now)
        due_s = min((flight.due_s for flight in self._flights.values() if not flight.told), default=self._next_s)
        wait_s = min(self._next_s, due_s) - self._prober.clock.now().mono_s
        self._timer = self._loop.call_later(wait_s, self._guarded, self._tick)

    # --- sending -------------------------------------------------------------------------------------------

    def _readdress(self) -> None:
        """Build the frames anew where the interface's address is another one; without one, keep the last."""
        source, prober = self._wire.address(), self._prober
        if source and source != self._source:
            self._source = source
            self._arp = arp_frame(self._wire.mac, source, prober.gateway)
            self._echoes = {t: echo_frame(self._wire.mac, source, t, self._ident) for t in prober.targets}

    def _probe(self, now: Moment) -> None:
        """Send the probe of this slot: the ARP first, then each target."""
        slot = self._slot
        self._slot = (slot + 1) % (1 + len(self._prober.targets))
        if slot == 0:
            self._readdress()
        kind = ProbeKind.ECHO if slot else ProbeKind.ARP
        target = self._prober.targets[slot - 1] if slot else self._prober.gateway
        sent_s = self._prober.clock.now().mono_s
        flight = _Flight(kind, target, sent_s, sent_s + self._deadline_s(kind, target))
        self._sequence = (self._sequence + 1) & 0xFFFF
        if self._wire.carries() and self._launch(self._sequence, flight):
            self._flights[self._sequence] = flight
            return
        for each in self._flights.values():
            if not each.told:
                self._lose(each, now)
        self._gateway_mac = b""  # another box may be plugged in
        self._tell(flight, now, Outcome.NO_CARRIER)

    def _launch(self, sequence: int, flight: _Flight) -> bool:
        """Write the frame; False if the interface has just gone down."""
        if flight.kind is ProbeKind.ARP:
            self._arp[:6] = BROADCAST if self._box_silent else self._gateway_mac or BROADCAST
            return self._wire.send(self._arp)
        if not self._gateway_mac:  # held until the ARP that is out is answered, as the kernel would
            self._held.append((sequence, flight))
            return True
        frame = self._echoes[flight.target]
        frame[:6] = self._gateway_mac
        return self._wire.send(patch_sequence(frame, sequence))

    def _deadline_s(self, kind: ProbeKind, target: str) -> float:
        if kind is ProbeKind.ARP:
            return min(FLOOR_S, self._prober.interval_s)  # so at most one is out, and any reply is its reply
        slowest_s = self._slowest.get(target)
        return FIRST_S if slowest_s is None else min(CEILING_S, max(FLOOR_S, 4 * slowest_s))

    def _drain(self) -> None:
        for frame, stamp in self._wire.frames():
            heard = read_frame(frame)
            if heard is not None:
                now = self._prober.clock.now()
                behind_s = now.utc.timestamp() - stamp  # how long the frame waited for us
                self._hear(heard, now, behind_s if 0.0 < behind_s < KEPT_S else 0.0)

    def _hear(self, heard: Heard, now: Moment, behind_s: float) -> None:
        flight, strays = self._flight_of(heard), self._prober.strays
        if flight is None:
            strays.foreign += 1
        elif flight.answered:
            strays.double += 1
        else:
            flight.answered = True
            rtt_s = now.mono_s - flight.sent_s
            rtt_s -= behind_s if behind_s < rtt_s else 0.0
            self._learn(flight, heard, rtt_s)
            if flight.told or rtt_s > flight.due_s - flight.sent_s:
                strays.late += 1  # `_expire` tells it LOST if that is still to be said
                return
            flight.told = True
            self._tell(flight, now, heard.outcome, rtt_s if heard.outcome is Outcome.REPLIED else None)

    def _learn(self, flight: _Flight, heard: Heard, rtt_s: float) -> None:
        """Keep what an answer teaches, also a late one: the box's MAC, and how long the target takes now."""
        if heard.kind is ProbeKind.ARP:
            self._gateway_mac, self._box_silent = heard.mac, False
            held, self._held = self._held, []
            for sequence, waiting in held:
                self._launch(sequence, waiting)
        elif heard.outcome is Outcome.REPLIED:
            before_s = self._slowest.get(flight.target, 0.0)
            self._slowest[flight.target] = max(rtt_s, before_s + (rtt_s - before_s) / 8)

    def _flight_of(self, heard: Heard) -> _Flight | None:
        if heard.kind is ProbeKind.ARP:
            return next((each for each in reversed(self._flights.values()) if each.kind is ProbeKind.ARP), None)
        flight = self._flights.get(heard.sequence)
        return flight if flight and flight.target == heard.target and heard.ident == self._ident else None

    def _expire(self, now: Moment) -> None:
        for sequence, flight in list(self._flights.items()):
            if not flight.told and flight.due_s <= now.mono_s:
                self._lose(flight, now)
            if flight.told and flight.sent_s + KEPT_S < now.mono_s:
                del self._flights[sequence]

    def _lose(self, flight: _Flight, now: Moment) -> None:
        flight.told = True
        if flight.kind is ProbeKind.ARP:
            self._box_silent = True
            self._held.clear()
        self._tell(flight, now, Outcome.LOST)

    def _tell(self, flight: _Flight, now: Moment, outcome: Outcome, rtt_s: float | None = None) -> None:
        if self._fates.qsize() >= QUEUE_LIMIT:
            raise DriverError(f"{QUEUE_LIMIT} probes of {self._prober.link} were told and nobody listened")
        self._fates.put_nowait(ProbeReply(now, self._prober.link, flight.kind, flight.target, outcome, rtt_s))


class ScapyProber:
    """`contract.Prober` on one interface. Needs CAP_NET_RAW (packet(7)). `strays` is there for metrics.

    `gateway` and `targets` are IPv4 addresses; a round of 1 + len(targets) probes takes `interval_s` seconds. A
    silent box is asked by broadcast, so one with a new MAC is found.
    """

    def __init__(
        self,
        clock: Clock,
        link: LinkId,
        interface: str,
        gateway: str,
        targets: tuple[str, ...],
        interval_s: float = 1.0,
    ) -> None:
        self.clock, self.link, self.interface = clock, link, interface
        self.gateway, self.targets, self.interval_s = gateway, targets, interval_s
        self.strays = Strays()

    def ask(self, ask: Ask) -> None:
        """See `contract.Prober`."""

    async def replies(self) -> AsyncIterator[ProbeReply]:
        """Yield every fate until closed. Raises DriverError when the interface or the permission is missing."""
        ident = secrets.randbelow(1 << 16)
        with _Wire(self.interface, self.gateway, ident) as wire:
            rounds = _Round(self, wire, ident)
            rounds.start()
            try:
                while True:
                    yield await rounds.fate()
            finally:
                rounds.stop()
