"""CUPS, the print spooler, through pycups (libcups; RFC 8011 over its socket, RFC 3995 and 3996 for the bell).

The one idea: *the job list is the cursor, the notification only a bell*. CUPS keeps about a hundred events and forgets
them at every restart, so an event says "look now" and nothing else; what happened is read from the list of all jobs,
ascending from a job-id (`Get-Jobs` with first-job-id), in pages no larger than the server's own cap of 500.

The best bell hangs in the print path itself: the backend in front of the real one (`drivers.backend`) notes each
attempt in a folder and rings by datagram when the device took a job and when it ended, so that nothing waits for a
poll. Where the folder is not there (no such backend) CUPS's own events ring, every 0.25 s, and the caller's poll.

What CUPS counts is a claim of its filters, often wrong: it is passed on as `claimed_*` and billed by nobody. Titles are
never asked for. The driver never sends `notify-user-data` (pycups frees it twice) and never asks for "all" attributes
(CUPS then leaves out most of them for jobs it has unloaded).

Threads: libcups blocks without limit when cupsd hangs, and a connection must not be used by two threads. So one worker
thread owns the one connection; callers queue calls to it and wait a bounded time. A call that hangs costs a DriverError
and its thread, which is left behind (Python cannot stop it) and replaced; after `ABANDONED_LIMIT` such threads the
driver makes no more until one of them comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import cups

from drivers.contract import Clock, DriverError, SpoolJob
from drivers.cupsdconf import read_conf
from drivers.cupsqueues import Queue, queues
from drivers.pagelog import PageLog
from drivers.printpath import PrintPath
from drivers.spooling import PageLogLook, SpoolAttempt, SpoolSettings
from drivers.spooljobs import ATTRIBUTES, NAMES, WHOLE, number, queue_of, spool_job, state_of

PRUNE_S = 60.0  # reading a whole history
CALL_S = 10.0  # one call; 500 jobs take some 20 ms
BELL_EVERY_S = 0.25  # asking for notifications costs 0.14 ms
BELL_BESIDE_S = 1.0  # ... beside the backend in the print path, which rings by itself
PAGE = 500  # jobs per reply: the server's own cap
PAGES_LIMIT = 400  # 200,000 jobs in one look is no print history of ours
WAITING_LIMIT = 32  # calls queued to the worker
ABANDONED_LIMIT = 4
SCHEME = "gardien:"  # of the backend in the print path, before the real device URI
ASKING_S = 60.0  # how long a queue's policy is believed to stand
LEASE_S = 3600  # of the subscription: what a killed process leaves behind is gone in an hour
EVENTS = ["job-created", "job-state-changed", "job-completed", "server-started", "server-restarted"]
T = TypeVar("T")


class CupsSpooler:
    """The Spooler role, played by CUPS at `server` (socket path, or host:port), for the named queues.

    Makes its thread and connection at the first call, and again after a failure. An asynchronous context manager:
    leaving it cancels the subscription and ends the thread.
    """

    def __init__(
        self,
        clock: Clock,
        server: str,
        queues: Iterable[str],
        call_s: float = CALL_S,
        attempts: Path | None = None,
        page_log: Path | None = None,
    ) -> None:
        self._page_log = None if page_log is None else PageLog(page_log)
        self._notes = None if attempts is None else PrintPath(attempts)
        self._clock = clock
        self._server = server
        self._queues = frozenset(queues)
        self._bell_s = BELL_EVERY_S if attempts is None else BELL_BESIDE_S
        self._call_s = call_s
        self._worker: _Worker | None = None
        self._abandoned: list[_Worker] = []
        self._polling = asyncio.Lock()
        self._rung = 0  # how often the bell rang
        self._asking, self._asked_s = frozenset[str](), 0.0

    async def __aenter__(self) -> Self:
        if self._notes is not None:
            self._notes.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._notes is not None:
            self._notes.close()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    async def bell(self, timeout_s: float) -> bool:
        """Wait until an attempt or CUPS rings, at most `timeout_s`; a restart of CUPS rings too. Raises DriverError."""
        loop = asyncio.get_running_loop()
        limit, heard = loop.time() + timeout_s, self._rung
        while self._rung == heard:
            left_s = limit - loop.time()
            if left_s <= 0:
                return False
            if self._notes is not None and self._notes.rang():
                self._rung += 1
                return True
            async with self._polling:
                if self._rung == heard and await self._call(_Worker.new_events):
                    self._rung += 1
            if self._rung == heard:
                await self._pause(min(self._bell_s, left_s))
        return True

    async def _pause(self, pause_s: float) -> None:
        if self._notes is None:
            await asyncio.sleep(pause_s)
        else:
            await self._notes.ringing(pause_s)

    async def attempts(self) -> tuple[SpoolAttempt, ...]:
        """Return what the backend in the print path noted, oldest first. Raises DriverError."""
        if self._notes is None:
            return ()
        return await asyncio.to_thread(self._notes.read)

    async def jobs(self, first_job: int) -> tuple[SpoolJob, ...]:
        """Return the jobs of our queues with id >= `first_job`, ascending. Raises DriverError."""
        there = await self.queues()
        asking = await self.asking(self._queues)
        found: list[SpoolJob] = []
        for _ in range(PAGES_LIMIT):
            start = first_job
            page = await self._call(lambda worker: worker.page(start))  # noqa: B023  (awaited before `start` changes)
            at = self._clock.now()
            for job, attributes in sorted(page.items()):
                if (name := queue_of(attributes)) in self._queues:
                    uri = there[name].device_uri.removeprefix(SCHEME) if name in there else ""
                    found.append(spool_job(at, job, uri, attributes, authenticated=name in asking))
            if len(page) < PAGE:
                return tuple(found)
            first_job = max(page) + 1
        raise DriverError(f"CUPS lists more than {PAGE * PAGES_LIMIT} jobs: its history is never pruned")

    async def listed(self, first_job: int) -> tuple[tuple[int, int], ...]:
        """Return (job-id, time-at-creation) of every job from `first_job` on, ascending. Raises DriverError."""
        found: list[tuple[int, int]] = []
        for _ in range(PAGES_LIMIT):
            start = first_job
            page = await self._call(lambda worker: worker.names(start))  # noqa: B023  (awaited, as above)
            found += ((job, number(one.get("time-at-creation"))) for job, one in sorted(page.items()))
            if len(page) < PAGE:
                break
            first_job = max(page) + 1
        return tuple(found)

    async def page_log(self) -> PageLogLook:
        """Return what the page log says since the last call."""
        return PageLogLook() if self._page_log is None else await asyncio.to_thread(self._page_log.read)

    async def settings(self) -> SpoolSettings | None:
        """Return what CUPS runs by. Raises DriverError."""
        conf = await self._call(_Worker.configuration)
        ours = {name: of.device_uri for name, of in (await self.queues()).items() if name in self._queues}
        bell = self._notes is not None and self._notes.hangs
        log = self._page_log is not None and self._page_log.readable
        return SpoolSettings(conf, ours, bell, log, await self.asking(self._queues))

    async def asking(self, queues: frozenset[str]) -> frozenset[str]:
        """Return those of `queues` that take no job without a password, as of the last minute. Raises DriverError."""
        now_s = self._clock.now().mono_s
        if not self._asked_s or now_s - self._asked_s > ASKING_S:
            self._asking = await self._call(lambda worker: worker.asking(queues))
            self._asked_s = now_s
        return self._asking

    async def queues(self) -> Mapping[str, Queue]:
        """Return all queues CUPS has. Raises DriverError."""
        return await self._call(_Worker.queues)

    async def ask(self, work: Callable[[Any], T]) -> T:
        """Do one call with pycups's connection, for those who lead a line of their own. Raises DriverError."""
        return await self._call(lambda worker: worker.do(work))

    async def _call(self, work: Callable[[_Worker], T]) -> T:
        worker = self._worker or self._hire()
        answer = worker.ask(work)
        try:
            async with asyncio.timeout(self._call_s):
                return await asyncio.wrap_future(answer)
        except TimeoutError as error:
            if self._worker is worker:
                self._worker = None
                self._abandoned.append(worker)
                worker.end()
            raise DriverError(f"CUPS at {self._server} does not answer: nothing within {self._call_s:.0f} s") from error

    def _hire(self) -> _Worker:
        self._abandoned = [worker for worker in self._abandoned if worker.thread.is_alive()]
        if len(self._abandoned) >= ABANDONED_LIMIT:
            raise DriverError(f"CUPS at {self._server} hangs: {len(self._abandoned)} calls never came back")
        self._worker = _Worker(self._server)
        return self._worker


class _Worker:
    """The thread that owns one connection. `ask` may be called from any thread; the rest runs on this one."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._waiting: queue.Queue[tuple[Callable[[_Worker], Any], Future[Any]] | None] = queue.Queue(WAITING_LIMIT)
        self._connection: Any = None
        self._subscription = 0
        self._sequence = 0  # of the last event seen
        self._renewals = 0
        self._ended = False
        self.thread = threading.Thread(target=self._work, name="cups", daemon=True)
        self.thread.start()

    def ask(self, work: Callable[[_Worker], T]) -> Future[T]:
        """Queue one call. Raises DriverError when too many wait already."""
        answer: Future[T] = Future()
        try:
            self._waiting.put_nowait((work, answer))
        except queue.Full as error:
            raise DriverError(f"too many calls wait for CUPS at {self._server}") from error
        return answer

    def end(self) -> None:
        """Let the thread finish after the call it is in. Never blocks."""
        self._ended = True
        with contextlib.suppress(queue.Full):  # a full queue means that it will look at `_ended` soon enough
            self._waiting.put_nowait(None)

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            work, answer = task
            if answer.set_running_or_notify_cancel():
                self._answer(work, answer)
            if self._ended:
                break
        self._unsubscribe()

    def _answer(self, work: Callable[[_Worker], Any], answer: Future[Any]) -> None:
        """Do one call; a connection that broke since the last one (CUPS restarted) is made anew once."""
        for last in (False, True):
            try:
                if self._connection is None:
                    self._connect()
                return answer.set_result(work(self))
            except (cups.IPPError, cups.HTTPError, RuntimeError, OSError) as error:
                self._connection = None
                if last:
                    answer.set_exception(DriverError(f"CUPS at {self._server}: {_words(error)}"))
            except Exception as error:  # noqa: BLE001  (a bug: it belongs to the caller, not to this thread)
                return answer.set_exception(error)
        return None

    def _connect(self) -> None:
        host, _, port = self._server.rpartition(":")
        if self._server.startswith("/"):
            self._connection = cups.Connection(host=self._server)
        else:
            self._connection = cups.Connection(host=host, port=int(port))

    def do(self, work: Callable[[Any], T]) -> T:
        """Do any other call."""
        return work(self._connection)

    def queues(self) -> Mapping[str, Queue]:
        """Return all queues; pycups would leak (drivers.cupsqueues)."""
        return queues(self._server, CALL_S)

    def configuration(self) -> str:
        """Return the text of cupsd.conf as CUPS itself hands it to its administrators; "" if it refuses us."""
        with tempfile.TemporaryFile() as file:
            try:
                self._connection.getFile("/admin/conf/cupsd.conf", fd=file.fileno())
            except cups.HTTPError:
                return ""
            file.seek(0)
            return file.read().decode("utf-8", "replace")

    def asking(self, named: frozenset[str]) -> frozenset[str]:
        """Return the queues whose policy proves names (drivers.cupsdconf). One that is not there proves none."""
        conf, there = read_conf(self.configuration()), self.queues()
        return frozenset(one for one in named & there.keys() if conf.proves_names(there[one].policy))

    def page(self, first_job: int, attributes: list[str] = ATTRIBUTES) -> dict[int, Mapping[str, object]]:
        """Return at most PAGE jobs from `first_job` on, with the named attributes."""
        found: dict[int, Mapping[str, object]] = self._connection.getJobs(
            which_jobs="all", my_jobs=False, first_job_id=first_job, limit=PAGE, requested_attributes=attributes
        )
        return found

    def names(self, first_job: int) -> dict[int, Mapping[str, object]]:
        """Return the job-ids and times of creation of at most PAGE jobs from `first_job` on.

        CUPS leaves the time out for a job that ended a moment ago and was put aside; named with WHOLE, it is told.
        """
        found = self.page(first_job, NAMES)
        known = all(one.get("time-at-creation") for one in found.values())
        return found if known else self.page(first_job, [*NAMES, WHOLE])

    def ended(self, up_to: int, created_s: int, before_s: float) -> list[int]:
        """Return the jobs that ended before `before_s` and came no later than job `up_to`."""
        found: list[int] = []
        first_job = 1
        while page := self.page(first_job, [*NAMES, "job-state", "job-state-reasons", "time-at-completed"]):
            for job, one in page.items():
                over = state_of(one).ended
                late = max(number(one.get("time-at-completed")), number(one.get("time-at-creation")))
                if over and job <= up_to and number(one.get("time-at-creation")) <= created_s and late < before_s:
                    found.append(job)
            first_job = max(page) + 1
        return sorted(found)

    def purge(self, job: int) -> None:
        """Take one ended job out of the history."""
        self._connection.cancelJob(job, purge_job=True)

    def new_events(self) -> bool:
        """Return True if CUPS noted something since the last call, or forgot who we are."""
        if not self._subscription:
            return self._subscribe()
        try:
            events = self._connection.getNotifications([self._subscription])["events"]
        except cups.IPPError as error:
            if error.args[0] == cups.IPP_NOT_FOUND:  # the lease ended, or CUPS lost its memory
                return self._subscribe()
            raise
        numbers = [int(event.get("notify-sequence-number", 0)) for event in events]
        news = any(number > self._sequence for number in numbers)
        self._sequence = max([self._sequence, *numbers])
        self._renewals += 1
        if self._renewals * BELL_BESIDE_S > LEASE_S / 2:
            self._connection.renewSubscription(self._subscription, lease_duration=LEASE_S)
            self._renewals = 0
        return news

    def _subscribe(self) -> bool:
        self._subscription = self._connection.createSubscription(
            uri="ipp://localhost/", events=EVENTS, lease_duration=LEASE_S
        )
        self._sequence = self._renewals = 0
        return True

    def _unsubscribe(self) -> None:
        if self._connection is not None and self._subscription:
            with contextlib.suppress(cups.IPPError, cups.HTTPError, RuntimeError):
                self._connection.cancelSubscription(self._subscription)
        self._connection = None


def prune(server: str, up_to: tuple[int, int], before_s: float) -> int:
    """Take out of CUPS's history what ended before `before_s` (Unix), no later than the job `up_to` (id, created).

    Blocks; for the housekeeping. Returns how many jobs are gone. Raises DriverError.
    """
    job, created_s = up_to
    worker = _Worker(server)
    try:
        old = worker.ask(lambda here: here.ended(job, created_s, before_s)).result(PRUNE_S)
        for number in old:
            worker.ask(lambda here, number=number: here.purge(number)).result(CALL_S)  # type: ignore[misc]
    except TimeoutError as error:
        raise DriverError(f"CUPS at {server} does not answer") from error
    finally:
        worker.end()
    return len(old)


def _words(error: Exception) -> str:
    """Return what libcups said: IPPError and HTTPError carry (status, text) or (status,)."""
    return " ".join(str(part) for part in error.args) or type(error).__name__
