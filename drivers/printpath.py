"""What the backend in the print path noted: reading its folder, and hearing its bell.

The one idea: *a file is the note, a datagram only the bell*. `drivers.backend`, which CUPS starts, writes one file per
attempt, aside and renamed, so a file read here is whole; a ring that nobody hears costs nothing but time. Nothing is
removed here (that is `gardien tend`'s): a service that is killed finds everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import threading
from pathlib import Path

from drivers.contract import DriverError
from drivers.spooling import SpoolAttempt

log = logging.getLogger(__name__)

NOTES_LIMIT = 5000  # the newest that are read; a month of a busy site


class PrintPath:
    """The folder where the backend in the print path notes its attempts, and the bell that hangs in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], SpoolAttempt | None]] = {}  # file -> (its age, what it says)
        self._reading = threading.Lock()
        self._bell: socket.socket | None = None
        self._heard = asyncio.Event()

    def listen(self) -> None:
        """Hang the bell up. A folder that is not there has none: CUPS's events must do."""
        if not self._folder.is_dir():
            return
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        place = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            (self._folder / "bell").unlink(missing_ok=True)
            bell.bind(f"/proc/self/fd/{place}/bell")  # the folder's own path may be longer than a socket's may be
            (self._folder / "bell").chmod(0o666)  # who may enter the folder may ring
        except OSError as error:  # not worth a service: CUPS's own events ring too, only later
            log.warning("%s: no bell can be hung up there: %s", self._folder, error)
            bell.close()
            return
        finally:
            os.close(place)
        self._bell = bell
        asyncio.get_running_loop().add_reader(bell, self._hear)

    @property
    def hangs(self) -> bool:
        """Tell whether the bell hangs where the backend rings it."""
        return self._bell is not None and (self._folder / "bell").is_socket()

    def _hear(self) -> None:
        assert self._bell is not None
        with contextlib.suppress(BlockingIOError):
            for _ in range(1000):
                self._bell.recv(16)
        self._heard.set()

    def rang(self) -> bool:
        """Return True if the bell rang since it was last asked."""
        rang = self._heard.is_set()
        self._heard.clear()
        return rang

    async def ringing(self, timeout_s: float) -> None:
        """Return when the bell rings, or after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):  # not wait_for: in Python 3.11 that may swallow a cancellation
                await self._heard.wait()

    def close(self) -> None:
        """Take the bell down."""
        bell, self._bell = self._bell, None
        if bell is not None:
            asyncio.get_running_loop().remove_reader(bell)
            bell.close()
            with contextlib.suppress(OSError):
                (self._folder / "bell").unlink()

    def read(self) -> tuple[SpoolAttempt, ...]:
        """Return the newest attempts, oldest first; a file is read again only when it changed. Any thread."""
        with self._reading:
            return self._newest()

    def _newest(self) -> tuple[SpoolAttempt, ...]:
        try:
            found = [(_age(file), file) for file in os.scandir(self._folder) if _is_note(file)]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise DriverError(f"{self._folder}: {error}") from error
        found = sorted(found, key=lambda one: (one[0], one[1].name))[-NOTES_LIMIT:]
        was, self._read = self._read, {}
        for modified, file in found:
            known = was.get(file.name)
            fresh = known is None or known[0] != modified
            self._read[file.name] = (modified, _attempt(file.path)) if known is None or fresh else known
        read = [attempt for _, attempt in self._read.values() if attempt is not None]
        return tuple(sorted(read, key=lambda one: (one.began_s, one.name)))


def forget(folder: Path, before_s: float) -> int:
    """Remove the notes last written before `before_s` (Unix); return how many. Raises DriverError."""
    old = 0
    try:
        for file in os.scandir(folder) if folder.is_dir() else ():
            if file.name != "bell" and file.is_file(follow_symlinks=False) and file.stat().st_mtime < before_s:
                Path(file.path).unlink(missing_ok=True)
                old += 1
    except OSError as error:
        raise DriverError(f"{folder}: {error}") from error
    return old


def _age(file: os.DirEntry[str]) -> tuple[int, int]:
    """Return what tells a note from the one written before it: two may come in one tick of the file system's clock."""
    told = file.stat()
    return told.st_mtime_ns, told.st_ino


def _is_note(file: os.DirEntry[str]) -> bool:
    return file.name.endswith(".json") and not file.name.startswith(".")


def _attempt(path: str) -> SpoolAttempt | None:
    """Read one note; None, said in the log, if it is none."""
    name = os.path.basename(path)  # noqa: PTH119  (thousands of them at a start)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            said = json.loads(file.read())
        device_job, code = said["device_job"], said["code"]
        return SpoolAttempt(
            name=name.removesuffix(".json"),
            queue=str(said["queue"]),
            job=int(said["job"]),
            created_s=int(said["created"]),
            user=str(said["user"]),
            began_s=float(said["began"]),
            device_job=None if device_job is None else int(device_job),
            code=None if code is None else int(code),
            heard=bool(said["heard"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning("%s is no note of a print attempt and is left alone: %s", name, type(error).__name__)
        return None
