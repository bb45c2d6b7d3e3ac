"""The printing device itself, asked over IPP and not through the spooler.

The one idea: CUPS *believes*, the device *knows*. Its own job records say how many sides and sheets each attempt
really took, its life counters close the books (RFC 8011 sections 5.3 and 5.4; PWG 5100.7 section 6.7 for the
split by colour; PWG 5100.22 section 7.7 for the counters). A look is four questions: the printer, its ended jobs,
its waiting ones, the printer again. Only if it was idle with the same counters both times is it `settled`.

What a device does not say is None, never a guess. Which of its counted sides were *copies* no IPP standard tells
within one Printer; a device that offers `gardien-copy-impressions-completed-col` (our copier) is believed, any
other has `counters` None here and needs its vendor's SNMP tree.

It will never print, cancel or change anything. Between looks it remembers only which records it has already said.
`http.client` on a thread of the loop's default executor rather than an HTTP library: four small POSTs per look do not
need 15 MB.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from drivers.contract import (
    Clock,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    DriverError,
    JobState,
)
from drivers.ipp import Attribute, Attributes, Group, IppError, Message, Tag, attribute, decode, encode, members
from drivers.ippdevice import (
    by_colour,
    count_of,
    counters_of,
    life_of,
    media_of,
    reasons_of,
    serial_of,
    state_of,
    supplies_of,
    trays_of,
)

GET_JOBS, GET_PRINTER = 0x000A, 0x000B
VERSION_NOT_SUPPORTED = 0x0503

_PAGE = 100  # job records asked for at a time
_DEEPEST = 5000  # job records in one look
_LARGEST = 8 * 1024 * 1024  # bytes of one reply
_WORDS = 200  # signs of what a device says in place of an answer
_WORKING = {JobState.PROCESSING, JobState.STOPPED}
_JOB_STATES = dict(zip(range(3, 10), JobState, strict=True))  # RFC 8011 section 5.3.7

_OF_PRINTER = (
    "printer-state",
    "printer-state-reasons",
    "queued-job-count",
    "printer-uuid",
    "printer-device-id",
    "printer-impressions-completed",
    "printer-impressions-completed-col",
    "gardien-copy-impressions-completed-col",
    "gardien-large-impressions-completed-col",
    "gardien-large-copy-impressions-completed-col",
    "printer-media-sheets-completed",
    "printer-supply",
    "printer-supply-description",
    "marker-names",
    "marker-colors",
    "marker-levels",
    "printer-input-tray",
    "media-ready",
)
_OF_JOB = (
    "job-id",
    "job-uuid",
    "job-originating-user-name",
    "job-state",
    "date-time-at-creation",
    "job-impressions-completed",
    "job-impressions-completed-col",
    "job-media-sheets-completed",
    "job-state-reasons",
    "copies",
    "sides",
    "media",
    "media-col",
)


class IppPrinter:
    """Plays `contract.Printer` for one device; not to be read by two tasks at once.

    A look takes the newest `records` ended jobs, and as many more, up to 5000, as it takes to reach one that the look
    before had said: so the first one, and one after a long silence, tells all. With `records` 0 no job is asked for,
    only how the device is, and only once, so that it is never `settled`: a question that stays small however much the
    device remembers. `timeout_s` bounds a whole look.
    """

    def __init__(
        self, clock: Clock, device: DeviceId, uri: str, *, timeout_s: float = 10.0, records: int = 300
    ) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in {"ipp", "http"} or not parts.hostname:
            raise ValueError(f"{uri}: expected ipp://HOST[:PORT]/PATH")
        self._clock = clock
        self._device = device
        self._uri = uri
        self._host, self._path = parts.hostname, parts.path or "/"
        self._port = parts.port or (631 if parts.scheme == "ipp" else 80)
        self._timeout_s = timeout_s
        self._records = records
        self._said: tuple[str, frozenset[int]] = ("", frozenset())  # the ended jobs of the last look, and whose

    async def read(self) -> DeviceReading:
        """Take one look. Raises DriverError when the device is silent, refuses, or talks nonsense."""
        wire = _Wire(self._host, self._port, self._path, self._uri, self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.to_thread(self._look, wire)
        except TimeoutError as error:
            raise DriverError(f"{self._device}: no answer within {self._timeout_s:g} s from {self._uri}") from error
        except (OSError, http.client.HTTPException, IppError) as error:
            said = "".join(sign if sign.isprintable() else " " for sign in str(error)[:_WORDS]).strip()
            raise DriverError(f"{self._device}: {self._uri}: {said or type(error).__name__}") from error
        finally:
            wire.hang_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hold nothing between looks: nothing to close."""

    def _look(self, wire: _Wire) -> DeviceReading:
        """Ask the questions and put the answers together. Blocks, on a thread of its own."""
        try:
            before = wire.printer()
            said = self._said[1] if self._said[0] == serial_of(before) else frozenset()
            ended = wire.jobs("completed", self._records, said) if self._records else {}
            waiting = wire.jobs("not-completed", self._records, frozenset()) if self._records else {}
            after = wire.printer() if self._records else before
        finally:
            wire.close()
        serial, state, counters = serial_of(after), state_of(after), counters_of(after)
        if serial_of(before) != serial:
            raise DriverError(f"{self._device}: another machine answered in the middle of a look")
        self._said = (serial, frozenset(ended))
        jobs = tuple(self._job(serial, number, record) for number, record in sorted((waiting | ended).items()))
        working = any(job.state in _WORKING for job in jobs)  # a job only held or pending there prints nothing yet
        still = bool(self._records) and state_of(before) is state is DeviceState.IDLE and not working
        return DeviceReading(
            at=self._clock.now(),
            device=self._device,
            serial=serial,
            state=state,
            reasons=reasons_of(after, "printer-state-reasons"),
            supplies=supplies_of(after),
            counters=counters,
            jobs=jobs,
            settled=still and counters_of(before) == counters and life_of(before) == life_of(after),
            life=life_of(after),
            trays=trays_of(after),
            queued=count_of(after, "queued-job-count"),
        )

    def _job(self, serial: str, number: int, record: Attributes) -> DeviceJob:
        state = _JOB_STATES.get(record.integer("job-state") or 0)
        if state is None:
            raise DriverError(f"{self._device}: job {number} has no job-state")
        total = count_of(record, "job-impressions-completed")
        split = by_colour(record.collection("job-impressions-completed-col"), total)
        sides = record.text("sides")
        return DeviceJob(
            device=self._device,
            serial=serial,
            job=number,
            uuid=record.text("job-uuid") or "",
            user=record.text("job-originating-user-name") or "",
            state=state,
            created_utc=record.when("date-time-at-creation"),
            sides=sum(split) if split else total,
            sides_colour=split[1] if split else None,
            sheets=count_of(record, "job-media-sheets-completed"),
            copies=count_of(record, "copies") or 1,
            two_sided=None if sides is None else sides != "one-sided",
            media=media_of(record),
            reasons=reasons_of(record, "job-state-reasons"),
        )


class _Connection(http.client.HTTPConnection):
    """A connection that another thread can end at any moment.

    The library forgets its socket while a reply that says `Connection: close` is still being read: a device that sends
    it byte by byte would hold the thread for hours, and six of those every thread there is.
    """

    gone = False
    _wire: socket.socket | None = None

    def connect(self) -> None:
        """Connect, unless it is too late. Raises OSError."""
        if not self.gone:
            super().connect()
            self._wire = self.sock
        if self.gone:
            self.close()
            raise TimeoutError

    def hang_up(self) -> None:
        """End whatever waits for this connection, now and later."""
        self.gone = True
        if self._wire is not None:
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)


class _Wire:
    """One HTTP connection for the questions of one look. Blocking; lives on the thread but for `hang_up`."""

    def __init__(self, host: str, port: int, path: str, uri: str, timeout_s: float) -> None:
        self._http = _Connection(host, port, timeout=timeout_s)
        self._path = path
        self._uri = uri
        self._numbers = itertools.count(1)
        self._version = (2, 0)

    def hang_up(self) -> None:
        """End whatever the thread is waiting for, and whatever it would ask next. Any thread; harmless twice."""
        self._http.hang_up()

    def close(self) -> None:
        """Free the connection; by the thread that used it."""
        self._http.close()

    def printer(self) -> Attributes:
        """Ask for the printer's attributes."""
        return self._ask(GET_PRINTER, attribute("requested-attributes", Tag.KEYWORD, *_OF_PRINTER)).first(Tag.PRINTER)

    def jobs(self, which: str, records: int, said: frozenset[int]) -> dict[int, Attributes]:
        """Ask for job records, page by page, until there are no more, or `records` were seen and one of `said`.

        A device that ignores first-index repeats its first page; it is then asked for all at once.
        """
        found: dict[int, Attributes] = {}
        while len(found) < records or (len(found) < _DEEPEST and not said & found.keys()):
            limit = min(_PAGE, records - len(found)) if len(found) < records else _PAGE
            page = self._page(which, limit, first=len(found) + 1)
            fresh = {number: record for number, record in page.items() if number not in found}
            if page and not fresh:
                return self._page(which, _DEEPEST, first=1)
            found |= fresh
            if len(page) < limit:
                break
        return found

    def _page(self, which: str, limit: int, first: int) -> dict[int, Attributes]:
        asked = attribute("requested-attributes", Tag.KEYWORD, *_OF_JOB)
        more = (attribute("first-index", Tag.INTEGER, first),) if first > 1 else ()
        bounds = (attribute("limit", Tag.INTEGER, limit), *more, attribute("which-jobs", Tag.KEYWORD, which))
        page: dict[int, Attributes] = {}
        for record in self._ask(GET_JOBS, *bounds, asked).every(Tag.JOB):
            number = record.integer("job-id")
            if number is None:
                raise DriverError(f"{self._uri}: a job record without job-id")
            page[number] = record
        return page

    def _ask(self, operation: int, *attributes: Attribute) -> Message:
        answer = self._exchange(operation, attributes)
        if answer.code == VERSION_NOT_SUPPORTED and self._version != (1, 1):
            self._version = (1, 1)
            answer = self._exchange(operation, attributes)
        if answer.code > 0x00FF:
            raise DriverError(f"{self._uri}: refused operation 0x{operation:04x} with status 0x{answer.code:04x}")
        return answer

    def _exchange(self, operation: int, attributes: tuple[Attribute, ...]) -> Message:
        head = members(
            attribute("attributes-charset", Tag.CHARSET, "utf-8"),
            attribute("attributes-natural-language", Tag.LANGUAGE, "en"),
            attribute("printer-uri", Tag.URI, self._uri),
            attribute("requesting-user-name", Tag.NAME, "gardien"),
            *attributes,
        )
        number = next(self._numbers)
        answer, _ = decode(self._post(encode(Message(operation, number, (Group(Tag.OPERATION, head),), self._version))))
        if answer.request != number:
            raise DriverError(f"{self._uri}: answered request {answer.request}, asked {number}")
        return answer

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/ipp"}
        try:
            self._http.request("POST", self._path, body, headers)
            answer = self._http.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if self._http.gone:
                raise
            self._http.close()  # it closed the kept connection without a word; asking changes nothing, so ask again
            self._http.request("POST", self._path, body, headers)
            answer = self._http.getresponse()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"HTTP {answer.status} {answer.reason}")
        try:
            data = answer.read(_LARGEST + 1)
        except ValueError as error:  # a chunk of a negative length
            raise http.client.HTTPException(str(error)) from error
        if len(data) > _LARGEST:
            raise DriverError(f"{self._uri}: a reply of more than {_LARGEST} bytes")
        return data
