"""Holds a TCP port at which the kernel is silent: it opens to nobody, and refuses nobody.

The one idea: what we say in frames of our own (`drivers.segments`, SYN probes), the kernel has not said, so it answers
what comes back with a reset (RFC 9293 section 3.10.7.1), by its own routes. It sends none for a port where somebody
listens, and a listener that wants every segment signed (RFC 2385, TCP_MD5SIG) drops what is not, without a word: a SYN,
an answer, a reset. Ours wants that of every address, by a key that nobody keeps, so it hears nobody. That needs no
right. A kernel built without such signatures (Debian's have them; Raspberry Pi OS's list of options does not name them)
gets a filter that takes nothing, for which newer kernels want CAP_NET_ADMIN (seen: 6.18). It is bound to one interface:
on the others nobody listens. Nothing is ever accepted from it.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
from collections.abc import Iterator

from drivers.sockfilter import NOTHING, attach

TCP_MD5SIG_EXT, PREFIX, LONGEST_KEY = 32, 1, 80  # linux/tcp.h


@contextlib.contextmanager
def silent_port(interface: str, port: int = 0) -> Iterator[tuple[int, bool]]:
    """Hold a port of every address on an interface (0: any that is free); yield it, and whether the kernel is silent.

    Where it is not, it answers as any listener does, and only over that interface. Raises OSError where somebody has
    the port or there is no such interface.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        silent = _deafen(held)
        held.bind(("", port))
        held.listen(1)
        yield held.getsockname()[1], silent


def _deafen(held: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        held.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, signed_by_everybody())
        return True
    with contextlib.suppress(OSError):
        attach(held, NOTHING)
        return True
    return False


def signed_by_everybody() -> bytes:
    """Return a struct tcp_md5sig (linux/tcp.h): every segment from 0.0.0.0/0 must be signed, by a key nobody knows."""
    anywhere = struct.pack("=H126x", socket.AF_INET)  # a sockaddr_storage
    return anywhere + struct.pack("=BBHi", PREFIX, 0, LONGEST_KEY, 0) + secrets.token_bytes(LONGEST_KEY)
