"""A CP2112 USB-to-GPIO bridge (Silicon Labs AN495) played over uhid: the kernel's driver makes /dev/gpiochip0 of it.

Runs inside the emulated machine. The eight pins live here: whatever the kernel writes is stamped (CLOCK_BOOTTIME) into
RECORD, and a line "PIN LEVEL" written into the fifo COMMANDS drives an input from outside, as a contact does.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

RECORD, COMMANDS = Path("/run/record"), Path("/run/drive")
CREATE2, GET_REPORT, GET_REPORT_REPLY, SET_REPORT, SET_REPORT_REPLY = 11, 9, 10, 13, 14  # linux/uhid.h
CONFIG, GPIO_GET, GPIO_SET, VERSION, SMBUS = 2, 3, 4, 5, 6  # the bridge's feature reports, AN495
PART, RELEASE = 0x0C, 1
SIZES = ((CONFIG, 4), (GPIO_GET, 1), (GPIO_SET, 2), (VERSION, 2), (SMBUS, 13))


def description() -> bytes:
    """Return a HID report descriptor with the feature reports the driver uses."""
    rows = [bytes([0x85, number, 0x09, number, 0x75, 8, 0x95, size, 0xB1, 2]) for number, size in SIZES]
    streams = bytes([0x85, 0x13, 0x09, 0x13, 0x75, 8, 0x95, 61, 0x81, 2, 0x85, 0x14, 0x09, 0x14, 0x95, 61, 0x91, 2])
    head = bytes([0x06, 0, 0xFF, 0x09, 1, 0xA1, 1, 0x15, 0, 0x26, 0xFF, 0])
    return head + b"".join(rows) + streams + bytes([0xC0])


class Pins:
    """The bridge's eight pins and its feature reports. `moved(pin, level)` is called at every change of an output."""

    def __init__(self, moved: Callable[[int, int], None]) -> None:
        self.level = 0  # one bit a pin
        self._config = bytes([CONFIG, 0, 0, 0, 0])
        self._moved = moved

    def answer(self, number: int) -> bytes:
        """Return a feature report that the kernel asks for."""
        known = {CONFIG: self._config, GPIO_GET: bytes([GPIO_GET, self.level]), SMBUS: bytes([SMBUS]) + bytes(13)}
        return {VERSION: bytes([VERSION, PART, RELEASE]), **known}.get(number, bytes([number]))

    def obey(self, number: int, data: bytes) -> None:
        """Take a feature report that the kernel sets."""
        if number == CONFIG:
            self._config = data
        elif number == GPIO_SET:
            new = self.level & ~data[2] | data[1] & data[2]
            for pin in range(8):
                if (new ^ self.level) >> pin & 1:
                    self._moved(pin, new >> pin & 1)
            self.level = new


class Bridge:
    """The bridge over uhid, in the same machine."""

    def __init__(self) -> None:
        self.pins = Pins(self._moved)
        self.fd = os.open("/dev/uhid", os.O_RDWR)
        self.record = RECORD.open("w", encoding="ascii", buffering=1)
        shape = description()
        ids = (len(shape), 3, 0x10C4, 0xEA90, 1, 0)
        os.write(self.fd, struct.pack("<I128s64s64sHHIIII4096s", CREATE2, b"CP2112", b"", b"", *ids, shape))

    def _moved(self, pin: int, level: int) -> None:
        self.record.write(f"{pin} {level} {time.clock_gettime(time.CLOCK_BOOTTIME):.6f}\n")

    def serve(self) -> None:
        """Answer the kernel for ever."""
        while True:
            event = os.read(self.fd, 4380)
            (kind,) = struct.unpack_from("<I", event)
            if kind == GET_REPORT:
                request, number = struct.unpack_from("<IB", event, 4)
                said = self.pins.answer(number)
                os.write(self.fd, struct.pack("<IIHH4096s", GET_REPORT_REPLY, request, 0, len(said), said))
            elif kind == SET_REPORT:
                request, number, _, size = struct.unpack_from("<IBBH", event, 4)
                self.pins.obey(number, event[12 : 12 + size])
                os.write(self.fd, struct.pack("<IIH", SET_REPORT_REPLY, request, 0))

    def drive(self) -> None:
        """Take levels of inputs from outside, for ever."""
        os.mkfifo(COMMANDS)
        while True:
            for row in COMMANDS.read_text(encoding="ascii").splitlines():
                pin, level = map(int, row.split())
                self.pins.level = self.pins.level & ~(1 << pin) | level << pin


if __name__ == "__main__":
    bridge = Bridge()
    threading.Thread(target=bridge.drive, daemon=True).start()
    bridge.serve()
