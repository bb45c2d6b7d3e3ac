"""The internet behind one provider's box: a process on a TUN device that answers every echo, late or never.

It stands alone (standard library only) and runs inside the box's network namespace. Any address answers ICMP echo (RFC
792) after `delay`; `loss` drops by a seeded die, one throw per packet; `cut` drops everything, also what is under way.
Every packet it sees gets one line in its log with its fate, so a test can compare exactly.

It obeys one line at a time on standard input and answers each with "ok" or "no" on standard output:
`cut`, `mend`, `loss 0.1`, `delay 0.08` (seconds), `double` (each reply comes twice). The end of standard input is its
end, so it outlives nobody.

    internet.py DEVICE SEED [LOG]
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time
from pathlib import Path
from typing import TextIO

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
MTU = 2048
ANSWERED, CUT, LOST, IGNORED = "answered", "cut", "lost", "ignored"


def open_tun(device: str) -> int:
    """Create and hold the TUN device; it goes when this process does. Raises OSError."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def answer(packet: bytes) -> bytes | None:
    """Return the echo reply to an IPv4 packet, None if it is no echo request."""
    if len(packet) < 28 or packet[0] != 0x45 or packet[9] != 1 or packet[20] != 8:
        return None
    message = b"\0\0\0\0" + packet[24:]
    message = b"\0\0" + struct.pack("!H", checksum(message)) + packet[24:]
    header = packet[:8] + b"\x40\x01\0\0" + packet[16:20] + packet[12:16]
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + message


class Internet:
    """The state of one provider's line, and what is under way on it."""

    def __init__(self, tun: int, seed: int, log: TextIO | None) -> None:
        self._tun, self._log = tun, log
        self._die = random.Random(seed)  # noqa: S311  (a repeatable die, no secret)
        self._cut = False
        self._loss_share = 0.0
        self._delay_s = 0.0
        self._copies = 1
        self._under_way: list[tuple[float, int, bytes, bytes]] = []  # (due, number, reply, request)
        self._number = 0

    def obey(self, line: str) -> bool:
        """Do what one line says; False if it is not understood."""
        match line.split():
            case ["cut"]:
                self._cut = True
                for _, _, _, request in self._under_way:
                    self._note(request, CUT)
                self._under_way.clear()
            case ["mend"]:
                self._cut, self._loss_share, self._delay_s, self._copies = False, 0.0, 0.0, 1
            case ["loss", share]:
                self._loss_share = float(share)
            case ["delay", seconds]:
                self._delay_s = float(seconds)
            case ["double"]:
                self._copies = 2
            case _:
                return False
        return True

    def take(self, packet: bytes, now: float) -> None:
        """Decide the fate of one packet from the box. The die is thrown for each, so a seed means one sequence."""
        unlucky = self._die.random() < self._loss_share
        reply = answer(packet)
        if reply is None:
            self._note(packet, IGNORED)
        elif self._cut or unlucky:
            self._note(packet, CUT if self._cut else LOST)
        else:
            self._number += 1
            heapq.heappush(self._under_way, (now + self._delay_s, self._number, reply, packet))

    def deliver(self, now: float) -> float | None:
        """Send what is due; return the seconds until the next."""
        while self._under_way and self._under_way[0][0] <= now:
            _, _, reply, request = heapq.heappop(self._under_way)
            for _ in range(self._copies):
                os.write(self._tun, reply)
            self._note(request, ANSWERED)
        return self._under_way[0][0] - now if self._under_way else None

    def _note(self, packet: bytes, fate: str) -> None:
        if self._log is None:
            return
        target = ".".join(map(str, packet[16:20]))
        sequence = struct.unpack_from("!H", packet, 26)[0] if len(packet) >= 28 else -1
        self._log.write(f"{time.monotonic():.6f} {target} {sequence} {fate}\n")

    def serve(self) -> None:
        """Run until standard input ends."""
        ears = selectors.DefaultSelector()
        ears.register(self._tun, selectors.EVENT_READ)
        ears.register(sys.stdin, selectors.EVENT_READ)
        wait_s: float | None = None
        while True:
            for key, _ in ears.select(wait_s):
                if key.fd == self._tun:
                    self._take_all()
                elif not self._listen():
                    return
            wait_s = self.deliver(time.monotonic())

    def _take_all(self) -> None:
        try:
            while True:
                self.take(os.read(self._tun, MTU), time.monotonic())
        except BlockingIOError:
            pass

    def _listen(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        try:
            understood = self.obey(line)
        except ValueError:
            understood = False
        say("ok" if understood else "no")
        return True


def say(word: str) -> None:
    """Answer whoever holds our standard streams."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(device: str, seed: str, log: str = "") -> None:
    """Be the internet behind `device`."""
    tun = open_tun(device)
    say("ready")
    if not log:
        Internet(tun, int(seed), None).serve()
        return
    with Path(log).open("w", buffering=1, encoding="ascii") as lines:
        Internet(tun, int(seed), lines).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
