"""The door's lock, seen from the door service: keeps a latch process alive and asks it for pulses.

The one idea: this side never releases. It starts `drivers.latch` (by exec, over a socketpair that only the two hold)
and shows it every quarter of a second that the work loop still turns. When the latch died or no longer answers, the
line it left is driven inactive at once, and another latch is started, which takes as long as Python takes. What the
latch does not confirm did not happen.

`python -m drivers.lock --rest --chip LABEL --line N [--active-low]` puts the line to rest and ends: the second net.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

from drivers.clock import earlier
from drivers.contract import Clock, DriverError, LatchState, LockChanged, Moment
from drivers.latch import CAP_S, main, rest_line

RELEASE_S = 1.0  # contract: a release is confirmed within one second, or fails
START_S = 20.0  # a slow board needs two seconds for Python, and more while all else starts too; systemd gives 30
END_S = 1.0  # a latch told to end locks in milliseconds; then it is killed
ALIVE_S = 0.25
REST_S = 0.05  # somebody may be reading the line that a dead latch left: it is asked for a few times
MISSED = 4  # unanswered signs of life after which a latch counts as hung
STARTS = 5  # latches in a row that never got ready: give up, and let the supervisor wait
CHANGES = 256  # bound of the queue to the story

claim_inactive = rest_line


class GpioLock:
    """`contract.Lock` over a latch process. An async context manager, or `start()` and `close()`; one event loop.

    `chip` is a GPIO chip's label or "board:PATH", `line` its number there, `cap_s` the longest time the line may stay
    active however often it is released. `changes()` has one reader.
    """

    def __init__(self, clock: Clock, *, chip: str, line: int, active_high: bool = True, cap_s: float = CAP_S) -> None:
        self._clock = clock
        self._command = [
            sys.executable,
            "-m",
            "drivers.latch",
            "--chip",
            chip,
            "--line",
            str(line),
            "--cap",
            str(cap_s),
        ]
        if not active_high:
            self._command.append("--active-low")
        self._line = (chip, line, active_high)
        self._cap_s = cap_s
        self._latch: _LatchProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._fault = ""
        self._asked = 0
        self._answers: dict[str, asyncio.Future[Moment | None]] = {}  # None: the latch died first
        self._changes: asyncio.Queue[LockChanged | DriverError] = asyncio.Queue(CHANGES)
        self.restarts = 0  # latches lost since the start

    @property
    def latch_pid(self) -> int | None:
        """The pid of the present latch: for the operator, and for those who try to break it."""
        return None if self._latch is None else self._latch.process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start a latch and return when it has claimed the line inactive. Raises DriverError."""
        self._fault = ""
        self._changes = asyncio.Queue(CHANGES)
        self._keeper = asyncio.create_task(self._keep(), name="latch-keeper")
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._keeper}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._ready.is_set():
            why = self._fault or f"the latch was not ready within {START_S:.0f} s"
            await self.close()
            raise DriverError(why)

    async def close(self) -> None:
        """End the latch: it locks first. Harmless twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def release(self, hold_s: float) -> Moment:
        """See `contract.Lock`. If the latch dies meanwhile the next one is asked, within the same second."""
        if not hold_s > 0:
            raise ValueError(f"hold_s must be positive, not {hold_s}")
        if self._keeper is None or self._keeper.done():
            raise DriverError(self._fault or "no latch is running")
        before_s = self._clock.now().mono_s + RELEASE_S
        self._asked += 1
        name = str(self._asked)
        try:
            async with asyncio.timeout(RELEASE_S):
                while True:
                    await self._ready.wait()
                    answer: asyncio.Future[Moment | None] = asyncio.get_running_loop().create_future()
                    self._answers[name] = answer
                    self._say(f"release {name} {min(hold_s, self._cap_s):.3f} {before_s:.6f}")
                    active = await answer
                    if active is not None:
                        return active
        except TimeoutError as error:
            if self._ready.is_set() and self._latch is not None:
                self._latch.kill()  # it is hung, and the line may be active: end it, the keeper starts another
            raise DriverError(self._fault or f"the latch did not answer within {RELEASE_S:.0f} s") from error
        finally:
            self._answers.pop(name, None)

    async def relock(self) -> None:
        """See `contract.Lock`. A latch that is not there needs no telling: the next one begins locked."""
        if self._ready.is_set():
            self._say("relock")

    async def changes(self) -> AsyncIterator[LockChanged]:
        """See `contract.Lock`. Asked for again after a DriverError, it starts a latch again."""
        if self._keeper is None or self._keeper.done():
            await self.start()
        while True:
            change = await self._changes.get()
            if isinstance(change, DriverError):
                raise change
            yield change

    def _say(self, message: str) -> None:
        if self._latch is not None:
            self._latch.say(message)

    async def _keep(self) -> None:
        """Run latch after latch, each at once when the last one has gone, until one says why none can live."""
        failures = 0
        try:
            while not self._fault:
                self._latch = _LatchProcess(self._command, self._heard)
                try:
                    await self._latch.live()
                finally:
                    failures = 0 if self._ready.is_set() else failures + 1
                    self._lost()
                    await self._latch.end()
                self._rest()
                self.restarts += 1
                if failures >= STARTS:
                    self._fault = f"{STARTS} latches in a row ended before they were ready"
        except DriverError as error:
            self._fault = str(error)
        finally:
            self._tell(DriverError(self._fault or "the lock was closed"))

    def _rest(self) -> None:
        """Drive the dead latch's line inactive: the kernel may have left it as it was."""
        chip, line, active_high = self._line
        with contextlib.suppress(DriverError):  # the next latch meets the same fault, and says so
            rest_line(chip, line, active_high=active_high, wait_s=REST_S)

    def _lost(self) -> None:
        self._ready.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(None)

    def _heard(self, words: list[str]) -> None:
        """Take one message of the latch (the protocol stands in `drivers.latch`)."""
        match words:
            case ["ready", mono]:
                self._ready.set()
                if self.restarts:
                    self._tell(LockChanged(self._at(mono), LatchState.RESTING, "latch-restarted"))
            case ["line", level, mono, why]:
                state = LatchState.RELEASED if level == "1" else LatchState.RESTING
                self._tell(LockChanged(self._at(mono), state, why))
            case ["released", name, mono]:
                self._answer(name, self._at(mono))
            case ["refused", name, why]:
                self._answer(name, DriverError(f"the latch refused: {why}"))
            case ["fault", *sentence]:
                self._fault = " ".join(sentence)

    def _answer(self, name: str, result: Moment | DriverError) -> None:
        answer = self._answers.get(name)
        if answer is None or answer.done():
            return
        if isinstance(result, DriverError):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def _at(self, mono_s: str) -> Moment:
        return earlier(self._clock.now(), float(mono_s))

    def _tell(self, change: LockChanged | DriverError) -> None:
        """Queue for the story. One that does not read loses what it did not read, and is told so."""
        if self._changes.full():
            while not self._changes.empty():
                self._changes.get_nowait()
            change = DriverError(f"{CHANGES} changes of the lock were not read")
        self._changes.put_nowait(change)


class _LatchProcess:
    """One latch, from its exec to its end."""

    def __init__(self, command: list[str], heard: Callable[[list[str]], None]) -> None:
        self._heard = heard
        self._gone = asyncio.Event()
        self._ready = False
        self._unanswered = 0
        self._loop = asyncio.get_running_loop()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:  # a session of its own: Ctrl-C at our terminal ends us, and our end of file ends the latch
            self.process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment, start_new_session=True)
        except OSError as error:
            self._socket.close()
            raise DriverError(f"the latch cannot be started: {error}") from error
        finally:
            theirs.close()
        self._loop.add_reader(self._socket, self._receive)

    async def live(self) -> None:
        """Return when the latch has gone. One that does not answer is killed within 1.5 s."""
        started_s = self._loop.time()
        while not self._gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_S):
                    await self._gone.wait()
            late = self._loop.time() - started_s > START_S
            if self._unanswered >= MISSED or (late and not self._ready):
                self.kill()
                return
            if self._ready:
                self.say("alive")
                self._unanswered += 1

    def say(self, message: str) -> None:
        """Send one message; a latch whose buffer is full has hung."""
        try:
            self._socket.send(message.encode("ascii"))
        except BlockingIOError:
            self.kill()
        except OSError:  # it died: end of file says so next
            return

    def kill(self) -> None:
        """End a latch that no longer obeys. What it held becomes inactive when the next one claims it."""
        self.process.kill()

    async def end(self) -> None:
        """Let go of the latch and reap it: end of file makes it lock and end; what does not is killed."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        limit_s = self._loop.time() + END_S
        while self.process.poll() is None:
            if self._loop.time() > limit_s:
                self.kill()
            await asyncio.sleep(0.002)

    def _receive(self) -> None:
        try:
            message = self._socket.recv(256)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._loop.remove_reader(self._socket)
            self._gone.set()
            return
        words = message.decode("ascii", "replace").split()
        self._unanswered = 0
        self._ready = self._ready or words[:1] == ["ready"]
        self._heard(words)


if __name__ == "__main__":
    sys.exit(main())
