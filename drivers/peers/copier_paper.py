"""What the emulated copier keeps: sides that left it, job records, tallies, and how it differs from a perfect machine.

The one idea: two files of lines that are only ever added to. `sides.jsonl` is the paper, and the truth that tests
compare with; `records.jsonl` is the machine's own memory, which a power cut may lose. No loop, no thread, no IPP.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.contract import JobState


@dataclass(slots=True)
class Quirks:
    """How this machine differs from a perfect one. Each was seen on real machines."""

    busy: int = 0  # refuses so many more jobs with server-error-busy: somebody is copying
    tells: str = "all"  # "all"; "states": no counts in job records; "nothing": no counters either
    a3_clicks: int = 1  # its counters move by so many for an A3 side
    wrap: int = 0  # its counters start over here; 0: never
    forgets: bool = False  # a power cut loses its job records, and job-ids start over
    duplex: bool = True  # False: refuses two-sided jobs
    a3: bool = True  # False: refuses A3
    garbage: str = ""  # what it answers instead of IPP, one of GARBAGE; "": IPP
    garbage_left: int = 0  # so many answers more


TELLS = ("all", "states", "nothing")
GARBAGE = ("empty", "cut", "loop", "html", "other-request", "no-state", "request-zero", "groups", "hang")


@dataclass(frozen=True, slots=True)
class Side:
    """One side that physically left the machine: a line of `sides.jsonl`."""

    at_s: float  # Unix seconds by the copier's own clock
    serial: str
    work: str  # "print" or "copy"
    job: int  # 0 for a copy
    sheet: int  # counts every sheet of this machine; two sides share one
    colour: bool
    blank: bool
    large: bool = False  # A3
    era: int = 0  # how often the machine had forgotten its jobs: job-ids start over each time


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the copier keeps it (RFC 8011 section 5.3); its counts are counted from the sides, not kept."""

    job: int
    uuid: str
    name: str
    user: str
    created_s: float
    copies: int = 1
    sides: str = "one-sided"
    colour_mode: str = "auto"
    media: str = ""
    state: JobState = JobState.PENDING
    reasons: tuple[str, ...] = ("job-incoming",)
    processing_s: float = 0.0  # 0: not yet
    completed_s: float = 0.0
    blanks: tuple[bool, ...] = ()  # for each side of one copy, in reading order

    @property
    def large(self) -> bool:
        """Return True when it is on A3."""
        return "a3" in self.media

    @property
    def colour(self) -> bool:
        """Return True when the sides are billed as colour: unless monochrome was asked for."""
        return self.colour_mode not in {"monochrome", "process-monochrome", "bi-level", "auto-monochrome"}


@dataclass(slots=True)
class Tally:
    """What was printed, of one job or of one kind of work."""

    mono: int = 0
    colour: int = 0
    blank: int = 0
    large_mono: int = 0  # of these, on A3
    large_colour: int = 0
    sheets: set[int] = field(default_factory=set)

    def add(self, side: Side) -> None:
        """Count one side."""
        self.sheets.add(side.sheet)
        self.blank += side.blank
        self.colour += side.colour and not side.blank
        self.mono += not side.colour and not side.blank
        self.large_colour += side.large and side.colour and not side.blank
        self.large_mono += side.large and not side.colour and not side.blank


def physical_sides(state: Path) -> Iterator[Side]:
    """Yield every side that ever left the copier whose state directory this is: the truth tests compare with."""
    with suppress(FileNotFoundError):
        for line in (state / "sides.jsonl").read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # a killed writer can leave only the last line unfinished
                yield Side(**json.loads(line))


def moment(unix_s: float) -> datetime:
    """Return the copier's clock reading as a date and time."""
    return datetime.fromtimestamp(unix_s, UTC)


def append(file: Path, record: dict[str, Any]) -> None:
    """Add one line in a single write: a killed process leaves it whole or not at all."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(record).encode() + b"\n")
    finally:
        os.close(handle)


def mend(file: Path) -> None:
    """Cut a last line that a killed writer left unfinished."""
    with suppress(FileNotFoundError):
        whole = file.read_bytes()
        os.truncate(file, whole.rfind(b"\n") + 1)
