"""What the kernel says of one interface: its default gateway and its byte counters, over one kept rtnetlink socket.

A socket belongs to the network namespace it was opened in, so the answer is always about the same interface; /proc and
/sys would speak of whichever namespace the reader stands in. rtnetlink(7): RTM_GETSTATS (linux/if_link.h), which is
much less than RTM_GETLINK, and a dump of RTM_GETROUTE. Blocks for microseconds; raises OSError.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

RTM_GETSTATS, RTM_NEWSTATS, RTM_GETROUTE, NLMSG_ERROR, NLMSG_DONE = 94, 92, 26, 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
IFLA_STATS_LINK_64, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 1, 4, 5, 6
ANSWER = 1 << 16
WAIT_S = 0.5


class Netlink:
    """One kept socket. `close` it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(WAIT_S)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def bytes_of(self, index: int) -> tuple[int, int] | None:
        """Return what an interface received and sent since it exists, in bytes; None if the kernel keeps no count."""
        for kind, body in self._ask(RTM_GETSTATS, NLM_F_REQUEST, struct.pack("=B3xII", 0, index, IFLA_STATS_LINK_64)):
            if kind == RTM_NEWSTATS:
                for name, value in _attributes(body, 12):
                    if name == IFLA_STATS_LINK_64:
                        received, sent = struct.unpack_from("=QQ", value, 16)
                        return received, sent
        return None

    def gateway_of(self, index: int) -> str:
        """Return the gateway of the interface's best default route, "" if it has none."""
        best = (1 << 32, "")
        for kind, body in self._ask(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, struct.pack("=B11x", socket.AF_INET)):
            if kind != RTM_GETROUTE - 2 or body[1]:  # a route to somewhere: its prefix has a length
                continue
            found = dict(_attributes(body, 12))
            if RTA_GATEWAY in found and struct.unpack("=I", found.get(RTA_OIF, bytes(4)))[0] == index:
                metric = struct.unpack("=I", found.get(RTA_PRIORITY, bytes(4)))[0]
                best = min(best, (metric, str(IPv4Address(found[RTA_GATEWAY]))))
        return best[1]

    def _ask(self, kind: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        while True:
            answer = self._socket.recv(ANSWER)
            at = 0
            while at + 16 <= len(answer):
                length, sort = struct.unpack_from("=IH", answer, at)
                if sort in (NLMSG_DONE, NLMSG_ERROR) or length < 16:
                    return
                yield sort, answer[at + 16 : at + length]
                at += (length + 3) & ~3
            if not flags & NLM_F_DUMP:
                return


def _attributes(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(body):
        length, name = struct.unpack_from("=HH", body, at)
        if length < 4:
            return
        yield name & 0x3FFF, body[at + 4 : at + length]
        at += (length + 3) & ~3
