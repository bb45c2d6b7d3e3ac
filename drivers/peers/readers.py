"""An emulated card reader: a pseudo-terminal (pty(7)) behind a stable path, as udev gives a real one.

The driver opens the path with pyserial and cannot tell. Bytes are made here from the modules' data sheets, not with the
driver's own code; they can be paced as the wire paces them (10 bits a byte: 14 bytes at 9600 baud take 14.6 ms).
`unplug` ends the terminal under the driver's hands; `replug` comes back as another /dev/pts entry behind the same path.
"""

from __future__ import annotations

import errno
import os
import random
import select
import time
import tty
from pathlib import Path
from typing import Self

_FULL_S = 5.0  # a terminal nobody reads fills up: give up then


class ReaderPeer:
    """One reader. A context manager; methods block and may be called from any one thread.

    `frame` is "rdm6300" or "line"; `line_prefix`, `line_end` and `byte_order` as the reader's switches are set.
    """

    def __init__(
        self,
        path: Path,
        *,
        frame: str = "rdm6300",
        line_prefix: str = "",
        line_end: str = "\r\n",
        byte_order: str = "as-sent",
        baud: int = 9600,
    ) -> None:
        self.path = path
        self._frame = frame
        self._line = (line_prefix.encode("ascii"), line_end.encode("ascii"), byte_order)
        self._byte_s = 10 / baud
        self._master = -1
        self._slave = -1

    def __enter__(self) -> Self:
        self.replug()
        return self

    def __exit__(self, *exc: object) -> None:
        self.unplug()

    @property
    def plugged(self) -> bool:
        """Say whether the reader is there."""
        return self._master >= 0

    def replug(self) -> None:
        """Appear, under a fresh terminal behind the same path."""
        self.unplug()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        aside.unlink(missing_ok=True)
        aside.symlink_to(os.ttyname(self._slave))
        aside.replace(self.path)

    def unplug(self) -> None:
        """Vanish: path first, then the terminal."""
        if self._master >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = -1

    def present(self, card_hex: str, repeats: int = 1, *, every_s: float = 0.1, paced: bool = False) -> None:
        """Hold a card (upper-case hex, whole bytes) to the reader for `repeats` frames, `every_s` apart."""
        for number in range(repeats):
            if number:
                time.sleep(every_s)
            self.send(self.frame_of(card_hex), paced=paced)

    def frame_of(self, card_hex: str) -> bytes:
        """Return the bytes this reader sends for a card."""
        if self._frame == "rdm6300":
            checksum = 0
            for byte in bytes.fromhex(card_hex):
                checksum ^= byte
            return b"\x02" + card_hex.encode("ascii") + b"%02X" % checksum + b"\x03"
        prefix, end, byte_order = self._line
        number = bytes.fromhex(card_hex)
        return prefix + (number[::-1] if byte_order == "reversed" else number).hex().upper().encode("ascii") + end

    def noise(self, count: int, *, seed: int = 1) -> None:
        """Send `count` random bytes, as a cable beside a motor does."""
        self.send(random.Random(seed).randbytes(count))  # noqa: S311  (noise, not a secret)

    def send(self, data: bytes, *, paced: bool = False) -> None:
        """Send bytes as they are. Raises OSError when the reader is unplugged or nobody reads for seconds."""
        step = 1 if paced else 4096
        for start in range(0, len(data), step):
            self._write(data[start : start + step])
            if paced:
                time.sleep(self._byte_s)

    def _write(self, data: bytes) -> None:
        while data:
            if self._master < 0:
                raise OSError(errno.ENODEV, "the reader is unplugged")
            if not select.select([], [self._master], [], _FULL_S)[1]:
                raise OSError(errno.EAGAIN, "nobody reads the terminal")
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                continue
