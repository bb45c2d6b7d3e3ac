"""The queues of CUPS, asked over its own wire (CUPS-Get-Printers) and not through pycups.

The one idea: pycups never gives back some of what it read of a queue (2.0.1: 350 to 550 bytes of each list of three
queues, 100 to 260 of a question about one), and the clerk reads the list at every look: megabytes a day for nothing.
Its lists of jobs and its events leave nothing behind, so those stay with it. Only what is used is asked for. One
connection, one question, one thread; bounded in time and size.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from drivers.contract import DriverError
from drivers.ipp import Group, IppError, Message, Tag, attribute, decode, encode, members

CUPS_GET_PRINTERS = 0x4002
NO_QUEUES = 0x0406  # client-error-not-found: what CUPS says when it has none
STOPPED = 5  # printer-state, RFC 8011 section 5.4.11
ASKED = ("printer-name", "device-uri", "printer-op-policy", "printer-state")
LARGEST = 4 * 1024 * 1024  # bytes of the reply; a queue takes some 200


@dataclass(frozen=True, slots=True)
class Queue:
    """What is asked about one queue."""

    device_uri: str  # where it prints to
    policy: str  # printer-op-policy: who may do what
    stopped: bool


def queues(server: str, timeout_s: float) -> Mapping[str, Queue]:
    """Return the queues of cupsd at `server` (a socket's path, or host:port) by name. Blocks. Raises DriverError."""
    wire = _Wire(server, timeout_s)
    head = members(
        attribute("attributes-charset", Tag.CHARSET, "utf-8"),
        attribute("attributes-natural-language", Tag.LANGUAGE, "en"),
        attribute("requested-attributes", Tag.KEYWORD, *ASKED),
    )
    question = encode(Message(CUPS_GET_PRINTERS, 1, (Group(Tag.OPERATION, head),)))
    try:
        wire.request("POST", "/", question, {"Content-Type": "application/ipp"})
        reply = wire.getresponse()
        body = reply.read(LARGEST)
        if reply.status != http.client.OK:
            raise DriverError(f"CUPS at {server}: HTTP {reply.status} {reply.reason}")
        answer, _ = decode(body)
    except (OSError, ValueError, http.client.HTTPException, IppError) as error:
        raise DriverError(f"CUPS at {server}: {error or type(error).__name__}") from error
    finally:
        wire.close()
    if answer.code > 0x00FF and answer.code != NO_QUEUES:
        raise DriverError(f"CUPS at {server}: refused to list its queues with status 0x{answer.code:04x}")
    return {
        name: Queue(
            one.text("device-uri") or "", one.text("printer-op-policy") or "", one.integer("printer-state") == STOPPED
        )
        for one in answer.every(Tag.PRINTER)
        if (name := one.text("printer-name"))
    }


class _Wire(http.client.HTTPConnection):
    """HTTP over a Unix socket, or over TCP where the address is host:port."""

    def __init__(self, server: str, timeout_s: float) -> None:
        self._path = server if PurePosixPath(server).is_absolute() else ""
        host, _, port = ("localhost", "", "631") if self._path else server.rpartition(":")
        super().__init__(host, int(port), timeout=timeout_s)

    def connect(self) -> None:
        if not self._path:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
        return None
