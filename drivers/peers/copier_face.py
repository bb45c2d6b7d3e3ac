"""The copier's IPP face: what it tells of itself, and the operations it obeys (RFC 8011, PWG 5100.14 IPP Everywhere).

The one idea: one function from request to response over the `Machine`; no socket here. It says enough for CUPS to
build a driverless queue (`lpadmin -m everywhere`), and counts as PWG 5100.22 names it: `printer-impressions-completed`
and `-col` are the whole machine's life, copies included, as on its display.

How many of those were **copies** no IPP standard says within one Printer. Real copiers keep that in vendor SNMP
trees; this one offers the vendor collection `gardien-copy-impressions-completed-col` {monochrome, full-color}, the
copies' share of the counter above, in the same reply, so that both are of one instant.

The queue of jobs is the device's own: in order, one at a time. With `refuse_when_busy` it answers
server-error-busy instead, as small machines do.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.contract import JobState
from drivers.ipp import (
    Attribute,
    Attributes,
    Content,
    Group,
    Message,
    Tag,
    attribute,
    members,
)
from drivers.peers.copier_machine import Machine
from drivers.peers.copier_pages import Document
from drivers.peers.copier_paper import Job, Tally, moment
from drivers.peers.copier_profile import (
    FORMATS,
    MEDIA,
    MODES,
    OPERATIONS,
    SIDES,
    by_colour,
    enums,
    fixed,
    integers,
    keywords,
    present,
)

PRINT_JOB, VALIDATE_JOB, CREATE_JOB, SEND_DOCUMENT, CANCEL_JOB = OPERATIONS[:5]
GET_JOB, GET_JOBS, GET_PRINTER, CANCEL_MY_JOBS, CLOSE_JOB, IDENTIFY = OPERATIONS[5:]

OK = 0x0000
BAD_REQUEST, NOT_POSSIBLE, NOT_FOUND = 0x0400, 0x0404, 0x0406
BAD_FORMAT, BAD_VALUE, BAD_CHARSET, DAMAGED = 0x040A, 0x040B, 0x040D, 0x0411
UNKNOWN_OPERATION, UNKNOWN_VERSION, BUSY = 0x0501, 0x0503, 0x0507

_STATES = dict(zip(JobState, range(3, 10), strict=True))  # RFC 8011 section 5.3.7

_BRIEF = members(keywords("requested-attributes", "job-id", "job-uri", "job-uuid", "job-state", "job-state-reasons"))
_ONLY_IDS = members(keywords("requested-attributes", "job-id", "job-uri"))


class Refused(Exception):  # noqa: N818  (a status, not an error of ours)
    """The operation ends with this status-code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:04x}")
        self.status = status


class Face:
    """Answers IPP requests for one machine at `uri`."""

    def __init__(
        self, machine: Machine, uri: str, *, name: str, formats: tuple[str, ...], refuse_when_busy: bool = False
    ) -> None:
        self._machine = machine
        self._uri = uri
        self._name = name
        self._formats = formats
        self._refuse_when_busy = refuse_when_busy
        self._operations: dict[int, Callable[[Attributes, Attributes, Document], tuple[Group, ...]]] = {
            PRINT_JOB: self._print_job,
            VALIDATE_JOB: self._validate_job,
            CREATE_JOB: self._create_job,
            SEND_DOCUMENT: self._send_document,
            CANCEL_JOB: self._cancel_job,
            CANCEL_MY_JOBS: self._cancel_my_jobs,
            GET_JOB: self._get_job,
            GET_JOBS: self._get_jobs,
            GET_PRINTER: self._get_printer,
            CLOSE_JOB: self._close_job,
            IDENTIFY: lambda _operation, _job, _document: (),
        }

    def answer(self, request: Message, document: Document) -> Message:
        """Return the response to one request; `document` is what followed its attributes."""
        status = OK
        groups: tuple[Group, ...] = ()
        try:
            groups = self._answer(request, document)
        except Refused as refusal:
            status = refusal.status
        head = Group(
            Tag.OPERATION,
            members(
                attribute("attributes-charset", Tag.CHARSET, "utf-8"),
                attribute("attributes-natural-language", Tag.LANGUAGE, "en"),
            ),
        )
        version = request.version if request.version[0] in {1, 2} else (2, 0)
        return Message(status, request.request, (head, *groups), version)

    def _answer(self, request: Message, document: Document) -> tuple[Group, ...]:
        operation = request.first(Tag.OPERATION)
        if request.version[0] not in {1, 2}:
            raise Refused(UNKNOWN_VERSION)
        head = tuple(each.name for each in operation.attributes[:2])
        if head != ("attributes-charset", "attributes-natural-language") or request.request <= 0:
            raise Refused(BAD_REQUEST)  # RFC 8011 section 4.1.4: these two, in this order
        if operation.text("printer-uri") is None and operation.text("job-uri") is None:
            raise Refused(BAD_REQUEST)  # RFC 8011 section 4.1.5
        if operation.text("attributes-charset") not in {"utf-8", "us-ascii"}:
            raise Refused(BAD_CHARSET)
        obey = self._operations.get(request.code)
        if obey is None:
            raise Refused(UNKNOWN_OPERATION)
        return obey(operation, request.first(Tag.JOB), document)

    # --- jobs

    def _validate_job(self, operation: Attributes, job: Attributes, _document: Document) -> tuple[Group, ...]:
        """Refuse what this machine cannot do (RFC 8011 section 4.2.3)."""
        copies, sides, mode = job.integer("copies"), job.text("sides"), job.text("print-color-mode")
        media = job.text("media")
        wrong = (
            (copies is not None and not 1 <= copies <= 999)
            or (sides is not None and sides not in SIDES)
            or (mode is not None and mode not in MODES)
            or (media is not None and media not in MEDIA)
            or (sides not in {None, "one-sided"} and not self._machine.quirks.duplex)
            or ("a3" in (media or self._media_of(job)) and not self._machine.quirks.a3)
        )
        if wrong:
            raise Refused(BAD_VALUE)
        self._suffix(operation)
        if operation.text("compression") not in {None, "none"}:
            raise Refused(BAD_VALUE)
        return ()

    def _suffix(self, operation: Attributes) -> str:
        """Return the file suffix of the document; octet-stream is looked at when it has come."""
        mime = operation.text("document-format") or "application/octet-stream"
        if mime not in {*self._formats, "application/octet-stream"}:
            raise Refused(BAD_FORMAT)
        return FORMATS.get(mime, "bin")

    def _create_job(self, operation: Attributes, job: Attributes, document: Document) -> tuple[Group, ...]:
        return (self._brief(self._create(operation, job, document)),)

    def _create(self, operation: Attributes, job: Attributes, document: Document) -> Job:
        self._validate_job(operation, job, document)
        if self._refuse_when_busy and not self._machine.idle:
            raise Refused(BUSY)
        if self._machine.quirks.busy:
            self._machine.quirks.busy -= 1
            raise Refused(BUSY)
        return self._machine.create(
            name=operation.text("job-name") or "Untitled",
            user=operation.text("requesting-user-name") or "anonymous",
            copies=job.integer("copies") or 1,
            sides=job.text("sides") or "one-sided",
            colour_mode=job.text("print-color-mode") or "auto",
            media=job.text("media") or self._media_of(job),
        )

    @staticmethod
    def _media_of(job: Attributes) -> str:
        asked = job.collection("media-col")
        size = asked.collection("media-size") if asked else None
        wanted = (size.integer("x-dimension"), size.integer("y-dimension")) if size else None
        return next((name for name, each in MEDIA.items() if each == wanted), "iso_a4_210x297mm")

    def _print_job(self, operation: Attributes, job: Attributes, document: Document) -> tuple[Group, ...]:
        suffix = self._suffix(operation)
        created = self._create(operation, job, document)
        return (self._brief(self._receive(created.job, document, suffix, last=True)),)

    def _send_document(self, operation: Attributes, _job: Attributes, document: Document) -> tuple[Group, ...]:
        job, last = self._find(operation), operation.boolean("last-document")
        if last is None:
            raise Refused(BAD_REQUEST)
        if job.reasons != ("job-incoming",):
            raise Refused(NOT_POSSIBLE)
        return (self._brief(self._receive(job.job, document, self._suffix(operation), last=last)),)

    def _receive(self, job: int, document: Document, suffix: str, *, last: bool) -> Job:
        if document.blanks is None:
            self._machine.abort(job, "document-format-error")
            raise Refused(DAMAGED)
        return self._machine.receive(job, document.blanks, document.data, suffix, last=last)

    def _close_job(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        job = self._find(operation)
        if job.reasons == ("job-incoming",):
            self._machine.receive(job.job, (), b"", "end", last=True)
        return ()

    def _cancel_job(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        if not self._machine.cancel(self._find(operation).job, "job-canceled-by-user"):
            raise Refused(NOT_POSSIBLE)
        return ()

    def _cancel_my_jobs(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        for job in self._machine.waiting():
            if job.user == operation.text("requesting-user-name"):
                self._machine.cancel(job.job, "job-canceled-by-user")
        return ()

    def _find(self, operation: Attributes) -> Job:
        number = operation.integer("job-id")
        if number is None:
            last = (operation.text("job-uri") or "").rpartition("/")[2]
            number = int(last) if last.isascii() and last.isdigit() else 0
        job = self._machine.jobs.get(number)
        if job is None:
            raise Refused(NOT_FOUND)
        return job

    def _get_job(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        return (self._asked(Tag.JOB, self._record(self._find(operation)), operation),)

    def _get_jobs(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        """List jobs: waiting ones oldest first, ended ones newest first (RFC 8011 section 4.2.6)."""
        which = operation.text("which-jobs") or "not-completed"
        if which not in {"completed", "not-completed", "all"}:
            raise Refused(BAD_VALUE)
        ended = sorted((job for job in self._machine.jobs.values() if job.state.ended), key=_latest, reverse=True)
        jobs = {"completed": ended, "not-completed": [], "all": ended}[which]
        jobs = jobs if which == "completed" else [*self._machine.waiting(), *jobs]
        if operation.boolean("my-jobs"):
            jobs = [job for job in jobs if job.user == operation.text("requesting-user-name")]
        first = max(1, operation.integer("first-index") or 1) - 1
        limit = operation.integer("limit") or len(jobs)
        asked = operation if operation.texts("requested-attributes") else _ONLY_IDS
        return tuple(self._asked(Tag.JOB, self._record(job), asked) for job in jobs[first : first + limit])

    def _brief(self, job: Job) -> Group:
        return self._asked(Tag.JOB, self._record(job), _BRIEF)

    @staticmethod
    def _asked(tag: int, attributes: list[Attribute], operation: Attributes) -> Group:
        """Keep what requested-attributes asks for; the big media database only by its own name."""
        asked = set(operation.texts("requested-attributes"))
        whole = not asked or asked & {"all", "job-template", "job-description", "printer-description", "none"}
        kept = (a for a in attributes if a.name in asked or (whole and a.name != "media-col-database"))
        return Group(tag, Attributes(tuple(kept)))

    def _record(self, job: Job) -> list[Attribute]:
        """Return one job record; its counts are those of the paper (PWG 5100.7 section 6.7 for the -col)."""
        done: Tally = self._machine.tally(job.job)
        counted = done.mono + done.colour
        counts = [
            integers("job-impressions-completed", counted),
            by_colour("job-impressions-completed-col", done.mono, done.colour, done.blank),
            integers("job-media-sheets-completed", len(done.sheets)),
        ]
        return [
            integers("job-id", job.job),
            attribute("job-uri", Tag.URI, f"{self._uri}/{job.job}"),
            attribute("job-uuid", Tag.URI, job.uuid),
            attribute("job-printer-uri", Tag.URI, self._uri),
            attribute("job-name", Tag.NAME, job.name),
            attribute("job-originating-user-name", Tag.NAME, job.user),
            enums("job-state", _STATES[job.state]),
            keywords("job-state-reasons", *(job.reasons or ("none",))),
            integers("job-printer-up-time", self._up(time.time())),
            integers("time-at-creation", self._up(job.created_s)),
            *self._times("processing", job.processing_s),
            *self._times("completed", job.completed_s),
            attribute("date-time-at-creation", Tag.DATE_TIME, moment(job.created_s)),
            integers("job-impressions", sum(not blank for blank in job.blanks) * job.copies),
            *(counts if self._machine.quirks.tells == "all" else ()),
            integers("copies", job.copies),
            keywords("sides", job.sides),
            keywords("print-color-mode", job.colour_mode),
            keywords("media", job.media or "iso_a4_210x297mm"),
        ]

    def _times(self, step: str, unix_s: float) -> tuple[Attribute, Attribute]:
        """Return time-at-X and date-time-at-X, no-value before it happened (RFC 8011 section 5.3.14)."""
        if not unix_s:
            nothing = (f"time-at-{step}", f"date-time-at-{step}")
            return attribute(nothing[0], Tag.NO_VALUE, None), attribute(nothing[1], Tag.NO_VALUE, None)
        date: Content = moment(unix_s)
        return integers(f"time-at-{step}", self._up(unix_s)), attribute(f"date-time-at-{step}", Tag.DATE_TIME, date)

    def _up(self, unix_s: float) -> int:
        """Return printer-up-time at an instant; zero or less before this power-on (RFC 8011 section 5.4.29)."""
        return int(unix_s - self._machine.started_s) + 1

    # --- the printer

    def _get_printer(self, operation: Attributes, _job: Attributes, _document: Document) -> tuple[Group, ...]:
        attributes = [*fixed(self._uri, self._name, self._formats), *present(self._machine)]
        return (self._asked(Tag.PRINTER, attributes, operation),)


def _latest(job: Job) -> tuple[float, int]:
    return job.completed_s, job.job
