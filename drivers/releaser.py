"""The intake queues of CUPS: what waits in them, and the way out.

The one idea: *a stopped queue holds whatever the client says*. A client may ask for `no-hold` (RFC 8011 section 5.2.2)
and Hold-New-Jobs is broken in CUPS 2.4.2, but a queue that is stopped and still accepting prints nothing. A job leaves
it by CUPS-Move-Job to a queue that nobody sees, keeping its id; that is all a release is. CUPS itself keeps the jobs
over restarts and power cuts: nothing is remembered here.

Two lines to CUPS: documents are fetched on one of their own, so that a badge never waits for a large one. A line is
`drivers.spooler`'s worker: a call that hangs costs a DriverError, not this process.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from drivers.contract import DriverError
from drivers.cupsqueues import Queue
from drivers.holding import HeldJob, Leaves
from drivers.leafing import leaf
from drivers.spooljobs import queue_of

log = logging.getLogger(__name__)

LARGEST = 256 * 1024 * 1024  # bytes of a job that is looked through
DOCUMENTS = 20  # of one job that are looked through
PREFIX = "ipp://localhost/printers/"
WAITS = "Vos travaux attendent votre badge au copieur"  # why a queue stands
MONO = "monochrome"  # PWG 5100.13; CUPS drops the modes beside it, and "auto", and the device may print in colour
GREY = {"gray", "grayscale", "grey", "black", "kgray", "fastgray", "mono", "monochrome"}  # what PPDs call it
ATTRIBUTES = [
    "job-id",
    "job-printer-uri",
    "time-at-creation",
    "job-originating-user-name",
    "job-originating-host-name",
    "job-state-reasons",
    "job-k-octets",
    "number-of-documents",
    "job-sheets",
    "copies",
    "sides",
    "Duplex",
    "media",
    "PageSize",
    "number-up",
    "page-ranges",
    "page-set",
    "print-color-mode",
    "output-mode",
    "ColorModel",
    "booklet",
    "scaling",
    "natural-scaling",
    "ppi",
    "job-account-id",
    "job-impressions-completed",  # not in CUPS's cache: naming it makes CUPS load an old job whole
]

T = TypeVar("T")


class Line(Protocol):
    """A line to CUPS: one connection, one call at a time, each bounded in time."""

    async def ask(self, work: Callable[[Any], T]) -> T:
        """Do `work` with the connection. Raises DriverError."""

    async def queues(self) -> Mapping[str, Queue]:
        """Return all queues CUPS has. Raises DriverError."""

    async def asking(self, queues: frozenset[str]) -> frozenset[str]:
        """Return the queues that take no job without a password. Raises DriverError."""


class CupsReleaser:
    """Plays `holding.Releaser` for the named intake queues of CUPS."""

    def __init__(self, line: Line, fetching: Line, queues: Iterable[str]) -> None:
        self._line, self._fetching = line, fetching
        self._queues = frozenset(queues)

    async def held(self) -> tuple[HeldJob, ...]:
        """Return the jobs that wait, oldest first. Raises DriverError."""
        rows: dict[int, Mapping[str, object]] = await self._line.ask(_waiting)
        asking = await self._line.asking(self._queues)
        found = (_held(job, row, asking) for job, row in sorted(rows.items()) if not _incoming(row))
        return tuple(job for job in found if job.queue in self._queues)

    async def keep_stopped(self) -> tuple[str, ...]:
        """Stop the intake queues that somebody started: they would print for nobody. Raises DriverError."""
        there = await self._line.queues()
        running = tuple(name for name in sorted(self._queues & there.keys()) if not there[name].stopped)
        for name in running:
            await self._line.ask(lambda cups: cups.disablePrinter(name, reason=WAITS))  # noqa: B023  (awaited at once)
        return running

    async def leaf(self, job: HeldJob) -> tuple[Leaves, ...]:
        """Look through a job's documents one after the other. Raises DriverError when CUPS does not hand them out."""
        if job.size_bytes > LARGEST or job.documents > DOCUMENTS:
            return (Leaves(None, why="too-large"),)
        first = 2 if job.banners[0] else 1
        looks = []
        for number in range(first, first + job.documents):
            got: Mapping[str, str] = await self._fetching.ask(lambda cups: _document(cups, job, number))  # noqa: B023
            file = Path(got["file"])
            try:
                looks.append(await leaf(file, got.get("document-format", "")))
            finally:
                with contextlib.suppress(OSError):
                    file.unlink()  # noqa: ASYNC240  (a name in /tmp)
        return tuple(looks)

    async def release(self, job: HeldJob, queue: str) -> None:
        """Move a job to a queue that prints, and start that queue if it stands. Raises DriverError."""
        await self._line.ask(lambda cups: cups.moveJob(job_id=job.job, job_printer_uri=PREFIX + queue))
        try:
            started = await self._start(queue)
        except DriverError as error:  # the job is out; the next badge looks again
            return log.warning("nobody knows whether the queue %s prints: %s", queue, error)
        if started:
            log.warning("the queue %s was stopped and a badge let a job out to it: it is started again", queue)
        return None

    async def _start(self, queue: str) -> bool:
        """Start a queue that was stopped; True if it was.

        CUPS stops one whose backend failed or is missing (backend(7)), and tells nobody: a badge would wait for ever.
        """
        there = await self._line.queues()
        if queue not in there or not there[queue].stopped:
            return False
        await self._line.ask(lambda cups: cups.enablePrinter(queue))
        return True

    async def discard(self, job: HeldJob) -> None:
        """Cancel a job. Raises DriverError."""
        await self._line.ask(lambda cups: cups.cancelJob(job.job))


def _waiting(cups: Any) -> dict[int, Mapping[str, object]]:
    found: dict[int, Mapping[str, object]] = cups.getJobs(
        which_jobs="not-completed", my_jobs=False, requested_attributes=ATTRIBUTES
    )
    return found


def _document(cups: Any, job: HeldJob, number: int) -> Mapping[str, str]:
    got: Mapping[str, str] = cups.getDocument(PREFIX + job.queue, job.job, number)
    return got


def _held(job: int, row: Mapping[str, object], asking: frozenset[str]) -> HeldJob:
    queue = queue_of(row)
    banners = _banners(row.get("job-sheets"))
    sides, duplex = str(row.get("sides", "")), str(row.get("Duplex", ""))
    two_sided = sides.startswith("two-sided") or duplex.startswith("Duplex")
    return HeldJob(
        queue=queue,
        job=job,
        created_s=_whole(row.get("time-at-creation"), 0),
        user=str(row.get("job-originating-user-name", "")),
        host=str(row.get("job-originating-host-name", "")),
        copies=_whole(row.get("copies"), 1),
        two_sided=two_sided,
        one_sided=not two_sided and (sides == "one-sided" or duplex == "None"),
        monochrome=MONO in {row.get("print-color-mode"), row.get("output-mode")}
        or str(row.get("ColorModel", "")).casefold() in GREY,
        number_up=_whole(row.get("number-up"), 1),
        ranges=_ranges(row.get("page-ranges")),
        page_set=str(row.get("page-set", "all")),
        recast=_recast(row),
        banners=banners,
        documents=max(0, _whole(row.get("number-of-documents"), 1) - sum(banners)),
        size_bytes=_whole(row.get("job-k-octets"), 0) * 1024,
        authenticated=queue in asking,
        media=next((said for name in ("media", "PageSize") if isinstance(said := row.get(name), str)), ""),
        account=str(row.get("job-account-id") or ""),
    )


def _recast(row: Mapping[str, object]) -> bool:
    """Tell whether the filters of CUPS make other pages of a document's: a booklet, a picture over several sheets."""
    enlarged = max(_whole(row.get("scaling"), 0), _whole(row.get("natural-scaling"), 0)) > 100
    return enlarged or "ppi" in row or str(row.get("booklet", "no")).casefold() not in {"no", "false", "off", "none"}


def _incoming(row: Mapping[str, object]) -> bool:
    """Tell whether the client still sends documents of it (RFC 8011 section 5.3.8): what is there is not all."""
    reasons = row.get("job-state-reasons")
    return "job-incoming" in (reasons if isinstance(reasons, list) else [reasons])


def _banners(value: object) -> tuple[bool, bool]:
    """Read job-sheets: "none", or a start and an end (CUPS)."""
    sheets = [str(one) for one in value] if isinstance(value, list) else [str(value or "none")]
    start, end = (*sheets, "none")[:2]
    return start != "none", end != "none"


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    found = value if isinstance(value, list) else [value]
    return tuple((int(one[0]), int(one[1])) for one in found if isinstance(one, tuple) and len(one) == 2)


def _whole(value: object, absent: int) -> int:
    return value if isinstance(value, int) and value > 0 else absent
