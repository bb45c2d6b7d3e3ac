"""Attaches a classic BPF program to a socket (socket(7) SO_ATTACH_FILTER, linux/filter.h), without libpcap.

A program is lines of (code, jump if true, jump if false, operand), written out where it is used: what it lets through
is that file's business. It takes effect at once, in place of an earlier one. Needs no right of its own.
"""

from __future__ import annotations

import ctypes
import socket
import struct

SO_ATTACH_FILTER = 26
WORD, HALF, BYTE, EQUAL, RETURN = 0x20, 0x28, 0x30, 0x15, 0x06  # ld, ldh, ldb [k]; jeq #k; ret #k
HEADER, HALF_X, BYTE_X = 0xB1, 0x48, 0x50  # ldxb 4*([k]&0xf); ldh, ldb [x + k]
Line = tuple[int, int, int, int]
NOTHING: tuple[Line, ...] = ((RETURN, 0, 0, 0),)


def attach(to: socket.socket, program: tuple[Line, ...]) -> None:
    """Let only what the program returns bytes of reach the socket. Raises OSError."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    to.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
