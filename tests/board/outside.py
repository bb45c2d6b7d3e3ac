"""A CP2112 bridge as a USB device outside the emulated machine: `./dev board`. What it saw outlives every reboot.

The one idea: who judges a reboot may not live in the machine that reboots. The machine's USB controller hands its
transfers out (usbredir 0.7, "USB Network Redirection protocol"; we are its usb-host side), the kernel's usbhid and
hid-cp2112 drive the bridge as they would a real one, and its pins, their levels and times stay here. The pins keep
their level whatever happens to the machine: a bridge with a supply of its own, the worst that a board can do to a lock.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from enum import IntEnum

from tests.board.cp2112 import Pins, description

VENDOR, PRODUCT = 0x10C4, 0xEA90
STALL = 4
CAPABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6  # version in CONNECT, sizes in ENDPOINTS, 64-bit ids, long bulks
FULL_SPEED, HID_CLASS, NONE = 1, 3, 255
IN, OUT, PACKET = 0x81, 0x01, 64


class Kind(IntEnum):
    """The messages of usbredirproto.h that a HID device meets."""

    HELLO = 0
    CONNECT = 1
    INTERFACES = 4
    ENDPOINTS = 5
    SET_CONFIGURATION = 6
    GET_CONFIGURATION = 7
    CONFIGURED = 8
    SET_SETTING = 9
    GET_SETTING = 10
    SETTING = 11
    START_HEARING = 15
    STOP_HEARING = 16
    HEARING = 17
    CONTROL = 100
    INTERRUPT = 103


def _descriptors() -> dict[int, bytes]:
    """Return what GET_DESCRIPTOR asks for, by its type (USB 2.0 section 9.6, HID 1.11 section 6.2)."""
    report = description()
    hid = struct.pack("<BBHBBBH", 9, 0x21, 0x0111, 0, 1, 0x22, len(report))
    ends = b"".join(struct.pack("<BBBBHB", 7, 5, address, 3, PACKET, 10) for address in (IN, OUT))
    interface = struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 2, HID_CLASS, 0, 0, 0) + hid + ends
    whole = struct.pack("<BBHBBBBB", 9, 2, 9 + len(interface), 1, 1, 0, 0x80, 50) + interface
    device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0, 0, 0, PACKET, VENDOR, PRODUCT, 0x0100, 0, 0, 0, 1)
    return {1: device, 2: whole, 0x21: hid, 0x22: report}


class Outside:
    """The bridge's end of the wire. `serve` blocks until the machine is gone; `moved` is called at every change."""

    def __init__(self, wire: socket.socket, moved: Callable[[int, int, float], None]) -> None:
        self._wire = wire
        self._said = wire.makefile("rb")
        self._descriptors = _descriptors()
        self.pins = Pins(lambda pin, level: moved(pin, level, time.time()))

    def serve(self) -> None:
        """Answer the machine until it closes the wire."""
        hello = struct.pack("<64sI", b"gardien board", CAPABILITIES)
        self._wire.sendall(struct.pack("<III", Kind.HELLO, len(hello), 0) + hello)  # the one message with a short id
        _, length, _ = struct.unpack("<III", self._said.read(12))
        self._said.read(length)
        self._plug()
        while len(head := self._said.read(16)) == 16:
            kind, length, number = struct.unpack("<IIQ", head)
            self._hear(kind, number, self._said.read(length))

    def _hear(self, kind: int, number: int, data: bytes) -> None:
        match kind:
            case Kind.SET_CONFIGURATION:
                self._tell(Kind.CONFIGURED, number, bytes([0, data[0]]))
            case Kind.GET_CONFIGURATION:
                self._tell(Kind.CONFIGURED, number, bytes([0, 1]))
            case Kind.SET_SETTING | Kind.GET_SETTING:
                self._tell(Kind.SETTING, number, bytes([0, data[0], 0]))
            case Kind.START_HEARING | Kind.STOP_HEARING:
                self._tell(Kind.HEARING, number, bytes([0, data[0]]))
            case Kind.CONTROL:
                self._control(number, data)
            case Kind.INTERRUPT:
                self._tell(Kind.INTERRUPT, number, struct.pack("<BBH", data[0], 0, len(data) - 4))
            case _:  # a reset, a filter, a cancelled transfer: nothing of ours waits for them
                return

    def _plug(self) -> None:
        """Say what is plugged in: one HID interface, two interrupt endpoints."""
        interfaces = bytes(32) + bytes([HID_CLASS, *[0] * 31]) + bytes(64)  # numbers, classes, subclasses, protocols
        self._tell(Kind.INTERFACES, 0, struct.pack("<I", 1) + interfaces)
        types, intervals, sizes = [NONE] * 32, [0] * 32, [0] * 32
        types[0], types[16] = 0, 0  # control, both ways; an IN endpoint's place is 16 further
        for place in (1, 17):
            types[place], intervals[place], sizes[place] = 3, 10, PACKET
        self._tell(Kind.ENDPOINTS, 0, bytes(types) + bytes(intervals) + bytes(32) + struct.pack("<32H", *sizes))
        self._tell(Kind.CONNECT, 0, struct.pack("<BBBBHHH", FULL_SPEED, 0, 0, 0, VENDOR, PRODUCT, 0x0100))

    def _control(self, number: int, data: bytes) -> None:
        endpoint, request, way, _, value, index, length = struct.unpack_from("<BBBBHHH", data)
        answer: bytes | None = b""
        match (way, request):
            case (0x80, 6) | (0x81, 6):  # GET_DESCRIPTOR, of the device or of the interface
                answer = self._descriptors.get(value >> 8)
            case (0xA1, 1):  # HID GET_REPORT
                answer = self.pins.answer(value & 0xFF)
            case (0x21, 9):  # HID SET_REPORT
                self.pins.obey(value & 0xFF, data[10:])
            case (0x21, 10):  # HID SET_IDLE
                pass
            case _:
                answer = None
        status, said = (STALL, b"") if answer is None else (0, answer[:length])
        count = len(said) if way & 0x80 else length
        head = struct.pack("<BBBBHHH", endpoint, request, way, status, value, index, 0 if status else count)
        self._tell(Kind.CONTROL, number, head + said)

    def _tell(self, kind: int, number: int, data: bytes) -> None:
        self._wire.sendall(struct.pack("<IIQ", kind, len(data), number) + data)
