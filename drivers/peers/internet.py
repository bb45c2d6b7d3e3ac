"""The internet behind one provider's box: a process on a TUN device that answers late, wrongly or never.

It stands alone (standard library only) and runs inside the box's network namespace. Any address answers ICMP echo (RFC
792) and DNS (RFC 1035); a packet at the end of its life is answered by the provider's first router. TCP goes on to a
kernel of its own, in a nameless namespace where every address is local, with web servers on ports 80 and 443: so
connections, resets and congestion are real. All of it comes after `delay`; `loss` drops by a seeded die, one throw per
packet; `cut` drops everything, also what is under way. Every packet it sees gets one line in its log with its fate, so
a test can compare exactly:   TIME TARGET NUMBER FATE KIND SECONDS-UNDER-WAY

It obeys one line at a time on standard input and answers each with "ok" or "no" on standard output: `cut`, `mend`,
`loss 0.1`, `delay 0.08` (seconds), `double` (each reply comes twice), `isp` (nothing beyond the first router), `silence
ADDRESS`, `hole` (full packets vanish), `portal`, `dns dead`, `dns lying` (the provider's own resolver, 100.64/10),
`flood up|down BIT/S` (also both). The end of standard input is its end, so it outlives nobody.

    internet.py DEVICE SEED [LOG]
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000  # linux/if_tun.h, sched.h
MTU, HOLE, FLOOD = 2048, 1400, 1000  # bytes
ANSWERED, CUT, LOST, IGNORED = "answered", "cut", "lost", "ignored"
HOP = bytes((100, 64, 0, 254))  # the provider's first router (RFC 6598)
CANARY, PORTAL, LIE = b"gardien canari\n", b"http://portail.example/", bytes((10, 9, 9, 9))
KNOWN = bytes((192, 0, 2, 80))  # the address of every name
RATE_BYTES = 8 << 20
_CORE = b"""link set lo up
link set core up
addr add 100.65.0.1/32 dev core
route add local 0.0.0.0/0 dev lo
route add 192.168.0.0/16 dev core
route add 100.64.0.0/10 dev core
"""


def open_tun(device: str) -> int:
    """Create and hold the TUN device; it goes when this process does. Raises OSError."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def write(tun: int, data: bytes) -> None:
    """Put a packet on a TUN device; one that is not up loses it, as any wire does."""
    with contextlib.suppress(OSError):
        os.write(tun, data)


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def packet(source: bytes, target: bytes, protocol: int, body: bytes) -> bytes:
    """Return an IPv4 packet."""
    head = struct.pack("!BBHHHBB2x", 0x45, 0, 20 + len(body), 0, 0, 64, protocol) + source + target
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def icmp(source: bytes, target: bytes, body: bytes) -> bytes:
    """Return an ICMP message whose checksum is still 0, in a packet."""
    return packet(source, target, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def kind_of(seen: bytes) -> str:
    """Return what a packet is: hop (at the end of its life), echo, full (an echo of full size), dns, tcp, other."""
    if len(seen) < 28 or seen[0] != 0x45:
        return "other"
    if seen[8] <= 1:
        return "hop"
    if seen[9] == 1 and seen[20] == 8:
        return "echo" if len(seen) < HOLE else "full"
    if seen[9] == 17 and seen[22:24] == b"\x00\x35":
        return "dns"
    return "tcp" if seen[9] == 6 else "other"


def dns_answer(seen: bytes, address: bytes) -> bytes:
    """Return the answer to a DNS question: one address, for any name. The UDP checksum is left out (RFC 768)."""
    question = seen[28:]
    end = question.index(b"\0", 12) + 5
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + address
    message = question[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0) + question[12:end] + record
    return packet(
        seen[16:20], seen[12:16], 17, b"\0\x35" + seen[20:22] + struct.pack("!HH", 8 + len(message), 0) + message
    )


class Internet:
    """The state of one provider's line, and what is under way on it."""

    def __init__(self, tun: int, core: int, flood: socket.socket, seed: int, log: TextIO | None) -> None:
        self._tun, self._core, self._floods, self._log = tun, core, flood, log
        self._die = random.Random(seed)  # noqa: S311  (a repeatable die, no secret)
        self._under_way: list[tuple[float, int, bytes, bytes, float]] = []  # (due, number, reply, request, came)
        self._number = 0
        self._ours = b""  # the last address that pinged, for a flood down
        self.pages = Pages()
        self._mend()

    def _mend(self) -> None:
        self._cut = self._isp = self._hole = self.pages.portal = False
        self._loss_share = self._delay_s = 0.0
        self._copies, self._dns, self._silent = 1, "", b""
        self._flood: dict[str, tuple[float, float]] = {}  # way: bits a second, and until when it was poured

    def obey(self, line: str) -> bool:  # noqa: C901, PLR0912  (one line per word)
        """Do what one line says; False if it is not understood."""
        match line.split():
            case ["cut"]:
                self._cut = True
                for _, _, _, request, _ in self._under_way:
                    self._note(request, CUT)
                self._under_way.clear()
            case ["mend"]:
                self._mend()
            case ["loss", share]:
                self._loss_share = float(share)
            case ["delay", seconds]:
                self._delay_s = float(seconds)
            case ["double"]:
                self._copies = 2
            case ["isp"]:
                self._isp = True
            case ["hole"]:
                self._hole = True
            case ["portal"]:
                self.pages.portal = True
            case ["silence", address]:
                self._silent = socket.inet_aton(address)
            case ["dns", ("dead" | "lying") as how]:
                self._dns = how
            case ["flood", ("up" | "down") as where, bits]:
                self._flood[where] = (float(bits), time.monotonic())
            case _:
                return False
        return True

    def take(self, seen: bytes, now: float) -> None:
        """Decide the fate of one packet from the box. The die is thrown for each, so a seed means one sequence."""
        kind = kind_of(seen)
        if kind == "other":
            return
        if kind in {"echo", "hop"}:  # the site's kernel resets other lines' TCP through this one: not our neighbour
            self._ours = seen[12:16]
        unlucky = self._die.random() < self._loss_share
        reply = self._answer(kind, seen)
        if self._cut or self._beyond(kind, seen):
            self._note(seen, CUT)
        elif unlucky:
            self._note(seen, LOST)
        elif reply is None:
            self._note(seen, IGNORED)
        else:
            self._number += 1
            heapq.heappush(self._under_way, (now + self._delay_s, self._number, reply, seen, now))

    def _beyond(self, kind: str, seen: bytes) -> bool:
        """Tell whether a packet meets a fault on its way."""
        own = kind == "dns" and seen[16] == HOP[0] and self._dns == "dead"
        return own or (self._isp and kind != "hop") or (self._hole and len(seen) > HOLE) or seen[16:20] == self._silent

    def _answer(self, kind: str, seen: bytes) -> bytes | None:
        match kind:
            case "hop":
                return icmp(HOP, seen[12:16], b"\x0b\0\0\0\0\0\0\0" + seen[:28])
            case "echo" | "full":
                return icmp(seen[16:20], seen[12:16], b"\0\0\0\0" + seen[24:])
            case "dns":
                lies = self._dns == "lying" and seen[16] == HOP[0]
                return dns_answer(seen, LIE if lies else KNOWN)
        return seen if self._core >= 0 else None

    def back(self, seen: bytes) -> None:
        """Pass on what our web servers say."""
        if kind_of(seen) == "other":  # the kernel's own multicast
            return
        if not (self._cut or self._isp or (self._hole and len(seen) > HOLE) or seen[12:16] == self._silent):
            write(self._tun, seen)

    def deliver(self, now: float) -> float | None:
        """Send what is due; return the seconds until the next."""
        while self._under_way and self._under_way[0][0] <= now:
            _, _, reply, request, came = heapq.heappop(self._under_way)
            for _ in range(self._copies):
                write(self._core if reply is request else self._tun, reply)
            self._note(request, ANSWERED, time.monotonic() - came)
        for where in self._flood:
            self._pour(where, now)
        due = [self._under_way[0][0] - now] if self._under_way else []
        return min([*due, *([0.005] if self._flood else [])], default=None)

    def _pour(self, where: str, now: float) -> None:
        """Send others' traffic one way, up to now; what a full queue refuses is gone."""
        bit_s, poured_s = self._flood[where]
        body = struct.pack("!HHHH", 9, 9, FLOOD - 20, 0) + bytes(FLOOD - 28)
        target = self._ours[:3] + b"\x4d"
        for _ in range(200):
            if poured_s > now:
                break
            poured_s += 8 * FLOOD / bit_s
            try:
                if where == "up":
                    self._floods.sendto(bytes(FLOOD - 28), ("203.0.113.9", 9))
                else:
                    write(self._tun, packet(bytes((203, 0, 113, 9)), target, 17, body))
            except OSError:
                continue
        else:
            poured_s = now
        self._flood[where] = (bit_s, poured_s)

    def _note(self, seen: bytes, fate: str, lasted_s: float = 0.0) -> None:
        if self._log is None:
            return
        target = ".".join(map(str, seen[16:20]))
        number = struct.unpack_from("!H", seen, 26)[0]
        self._log.write(f"{time.monotonic():.6f} {target} {number} {fate} {kind_of(seen)} {lasted_s:.6f}\n")

    def serve(self) -> None:
        """Run until standard input ends."""
        ears = selectors.DefaultSelector()
        for handle in (self._tun, self._core, sys.stdin):
            ears.register(handle, selectors.EVENT_READ)
        wait_s: float | None = None
        while True:
            for key, _ in ears.select(wait_s):
                if key.fileobj is sys.stdin:
                    if not self._listen():
                        return
                else:
                    self._take_all(key.fd)
            wait_s = self.deliver(time.monotonic())

    def _take_all(self, tun: int) -> None:
        try:
            while True:
                seen = os.read(tun, MTU)
                if tun == self._tun:
                    self.take(seen, time.monotonic())
                else:
                    self.back(seen)
        except BlockingIOError:
            pass

    def _listen(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        try:
            understood = self.obey(line)
        except (ValueError, OSError):
            understood = False
        say("ok" if understood else "no")
        return True


class Pages:
    """The web servers of every address: the canary, a long file, and the portal in their place. One thread each."""

    def __init__(self) -> None:
        self.portal = False

    def start(self) -> None:
        """Listen in the present namespace."""
        for port in (80, 443):
            listening = socket.create_server(("0.0.0.0", port), backlog=16)  # noqa: S104  (a namespace of our own)
            threading.Thread(target=self._serve, args=(listening,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            caller, _ = listening.accept()
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        with caller:
            try:
                caller.settimeout(10.0)
                asked = caller.recv(4096)
                caller.sendall(self._page(asked))
            except OSError:
                return

    def _page(self, asked: bytes) -> bytes:
        if self.portal:
            return b"HTTP/1.1 302 Found\r\nLocation: " + PORTAL + b"\r\nContent-Length: 0\r\n\r\n"
        body = bytes(RATE_BYTES) if asked.startswith(b"GET /rate") else CANARY
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)


def open_core() -> int:
    """Go to a nameless namespace where every address is ours, and return the TUN device that leads there."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    core = open_tun("core")
    for each in ("all", "default", "core"):
        Path(f"/proc/sys/net/ipv4/conf/{each}/rp_filter").write_text("0", encoding="ascii")
    subprocess.run(["ip", "-batch", "-"], input=_CORE, check=True)
    return core


def say(word: str) -> None:
    """Answer whoever holds our standard streams."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(device: str, seed: str, log: str = "") -> None:
    """Be the internet behind `device`."""
    tun = open_tun(device)
    flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flood.setblocking(False)
    lines = Path(log).open("a", buffering=1, encoding="ascii") if log else None  # noqa: SIM115  (for our life)
    internet = Internet(tun, open_core(), flood, int(seed), lines)
    internet.pages.start()
    say("ready")
    internet.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
