"""CUPS's page log (cupsd-logs(5)), read as it grows: a witness, never the truth about paper.

The one idea: *only what the scheduler itself owns may stand in a line*. PageLogFormat is set to job-id, time of
creation, queue, page number, copies and impressions: none of them a client can choose. In CUPS's own format the title
stands in the line, and a newline in a title writes a whole line more, charging somebody else.

A file is read from where it was left. When it was renamed (CUPS renames it to page_log.O at MaxLogSize, logrotate to
page_log.1) what is left of the old one is read first; a last line without its newline is not there yet. At the first
look all of the newest `FIRST` bytes are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from drivers.spooling import LoggedJob, PageLogLook

FORMAT = "%j %{time-at-creation} %p %P %C %{job-impressions-completed}"
FIRST = 1024 * 1024  # bytes read at the first look: some 25,000 jobs
_LINE = re.compile(rb"(\d{1,10}) (\d{1,10}) ([^\s/#]{1,127}) (?:total|\d{1,9}) (?:\d{1,9}) (\d{1,9}|-)", re.ASCII)
_MOST = 2**31 - 1  # RFC 8011: an IPP integer


class PageLog:
    """One growing page log. Not to be read by two threads at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at: tuple[int, int] | None = None  # inode, bytes read

    @property
    def readable(self) -> bool:
        """Tell whether the file can be read, or will be once there is one."""
        if self._file.exists():
            return os.access(self._file, os.R_OK)
        return os.access(self._file.parent, os.X_OK)

    def read(self) -> PageLogLook:
        """Return the whole lines since the last look. A file that cannot be read says nothing (see `readable`)."""
        text = b""
        try:
            now = self._file.stat()
            if self._at is None:
                self._at = (now.st_ino, max(0, now.st_size - FIRST))
                text = self._rest(self._file, skip_line=self._at[1] > 0)
            elif now.st_ino != self._at[0]:
                text = self._left() + self._anew(now.st_ino)
            elif now.st_size < self._at[1]:  # emptied in place
                text = self._anew(now.st_ino)
            else:
                text = self._rest(self._file)
        except OSError:
            return PageLogLook()
        return parse(text)

    def _anew(self, inode: int) -> bytes:
        self._at = (inode, 0)
        return self._rest(self._file)

    def _left(self) -> bytes:
        """Return what was not read yet of the file that was renamed, if it is still there."""
        assert self._at is not None
        for old in sorted(self._file.parent.glob(f"{self._file.name}.*")):
            if old.stat().st_ino == self._at[0]:
                return self._rest(old)
        return b""

    def _rest(self, file: Path, *, skip_line: bool = False) -> bytes:
        assert self._at is not None
        inode, at = self._at
        with file.open("rb") as log:
            log.seek(at)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at = (inode, at + len(whole))
        return whole.partition(b"\n")[2] if skip_line else whole


def parse(text: bytes) -> PageLogLook:
    """Read whole lines; what is not exactly of our form is counted as strange."""
    lines, strange = [], 0
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        numbers = (
            (0, 0, 0) if found is None else (int(found[1]), int(found[2]), 0 if found[4] == b"-" else int(found[4]))
        )
        if found is None or max(numbers) > _MOST:
            strange += 1
        else:
            lines.append(LoggedJob(numbers[0], numbers[1], found[3].decode("ascii", "replace"), numbers[2]))
    return PageLogLook(tuple(lines), strange)
