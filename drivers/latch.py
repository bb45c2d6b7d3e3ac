"""The latch: a tiny process that alone owns the door's relay line.

The one idea: a hang is worse than a crash (a stopped program holds a relay for ever), and a crash is not safe either
(Raspberry Pi OS keeps an output driven after its owner died). So the line belongs to a process that does nothing else.
It is started by exec, never by a bare fork; it claims the line inactive; it times each pulse itself on the monotonic
clock and caps it; and it locks when its parent dies (end of file), goes silent, or a signal asks it to end. It decides
nothing, opens no file and loads no asyncio. Where it may, it runs before all that is not real time (sched(7)): on a
board with too much to do a pulse ends when it ends.

Protocol, one ASCII message per datagram of a SOCK_SEQPACKET socketpair(2) on standard input:

    parent  `release ID HOLD_S BEFORE_S`   release for HOLD_S; refused later than BEFORE_S (CLOCK_BOOTTIME): a hung
                                            latch that wakes up must not open for somebody who has gone
            `relock`                        end a pulse now
            `alive`                         from the parent's work loop
    latch   `ready MONO_S`                  the line is claimed, inactive
            `line LEVEL MONO_S WHY`         every change; LEVEL 1 is active
            `released ID MONO_S`            answer to release: when the line was seen active
            `refused ID WHY`                answer to release
            `alive`                         answer to alive
            `fault SENTENCE`                the line cannot be claimed; the latch ends

Exit codes: 0 asked to end, or the parent is gone; 69 (EX_UNAVAILABLE) the line cannot be claimed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
from types import FrameType

from drivers.chips import Chip, open_chip
from drivers.clock import boottime_s
from drivers.contract import DriverError

CAP_S = 10.0  # the default of `cap_s`: no pulse, however often renewed, keeps the line active for longer
SILENT_PULSE_S = 2.0  # a parent silent for so long during a pulse has hung: lock
SILENT_S = 10.0  # ... and at rest: lock and end; a living parent starts another latch
BUSY_S = 2.0  # a former owner may need a moment to die
UNAVAILABLE = 69


class Relay:
    """One claimed output line, spoken of as active or inactive. Raises OSError when the chip is lost."""

    def __init__(self, chip: Chip, line: int, *, active_high: bool) -> None:
        chip.claim_output(line, high=not active_high)
        self._chip, self._line, self._active_high = chip, line, active_high

    def put(self, *, active: bool) -> None:
        """Drive the line."""
        self._chip.write(self._line, high=active is self._active_high)

    @property
    def active(self) -> bool:
        """The level as the line itself shows it."""
        return self._chip.read(self._line) is self._active_high


class Latch:
    """The relay line and the rules that end a pulse. One thread; `serve` returns when the latch should end."""

    def __init__(self, relay: Relay, parent: socket.socket, cap_s: float) -> None:
        self._relay = relay
        self._parent = parent
        self._cap_s = cap_s
        self._since_s: float | None = None  # when the present pulse began
        self._until_s = 0.0
        self._heard_s = boottime_s()

    def serve(self) -> None:
        """Obey until the parent is gone or silent. The line is inactive at return."""
        parent = select.poll()
        parent.register(self._parent, select.POLLIN)
        self._say(f"ready {boottime_s():.6f}")
        listening = True
        while listening:
            wait_s = max(0.0, self._next_s() - boottime_s())
            ready = parent.poll(wait_s * 1000)
            self._tick(boottime_s())
            if ready:
                listening = self._hear()
            elif boottime_s() - self._heard_s >= SILENT_S:
                break
        self.lock("parent-gone" if not listening else "parent-silent")

    def lock(self, why: str) -> None:
        """Drive the line inactive, first; then say so."""
        self._relay.put(active=False)
        if self._since_s is not None:
            self._since_s, self._until_s = None, 0.0  # the next pulse owes nothing to a cut one
            self._say(f"line {self._relay.active:d} {boottime_s():.6f} {why}")

    def _next_s(self) -> float:
        if self._since_s is None:
            return self._heard_s + SILENT_S
        return min(self._until_s, self._heard_s + SILENT_PULSE_S)

    def _tick(self, now_s: float) -> None:
        if self._since_s is None:
            return
        if now_s >= self._until_s:
            self.lock("cap" if self._until_s >= self._since_s + self._cap_s else "pulse-end")
        elif now_s - self._heard_s >= SILENT_PULSE_S:
            self.lock("parent-silent")

    def _hear(self) -> bool:
        try:
            message = self._parent.recv(256)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if not message:
            return False
        self._heard_s = boottime_s()
        self._obey(message.decode("ascii", "replace").split())
        return True

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["release", name, hold, before]:
                self._release(name, float(hold), float(before))
            case ["relock"]:
                self.lock("relock")
            case ["alive"]:
                self._say("alive")
            case _:
                self._say("refused - not-understood")

    def _release(self, name: str, hold_s: float, before_s: float) -> None:
        """Start a pulse, or give a pulse under way its full length again: never shorter, never beyond the cap."""
        now_s = boottime_s()
        if now_s > before_s or hold_s <= 0:
            self._say(f"refused {name} {'too-late' if now_s > before_s else 'no-hold'}")
            return
        began = self._since_s is None
        since_s = now_s if self._since_s is None else self._since_s
        self._until_s = min(max(self._until_s, now_s + hold_s), since_s + self._cap_s)
        self._since_s = since_s
        self._relay.put(active=True)
        seen, seen_s = self._relay.active, boottime_s()
        if began:
            self._say(f"line {seen:d} {seen_s:.6f} released")
        self._say(f"released {name} {seen_s:.6f}" if seen else f"refused {name} line-stays-inactive")

    def _say(self, message: str) -> None:
        """Tell the parent, never waiting for it: a stopped parent must not stop the latch."""
        try:
            self._parent.send(message.encode("ascii", "replace"))
        except OSError:  # full (the parent is stopped) or gone (end of file follows)
            return


def rest_line(chip: str, line: int, *, active_high: bool, wait_s: float = BUSY_S) -> None:
    """Drive the relay line inactive and give it back: the second net, a unit's ExecStopPost. Either persistence mode.

    Blocks at most `wait_s`, while a former owner dies. Raises DriverError.
    """
    with contextlib.closing(open_chip(chip)) as pins:
        _claim(pins, line, active_high=active_high, wait_s=wait_s)


def _claim(pins: Chip, line: int, *, active_high: bool, wait_s: float = BUSY_S) -> Relay:
    if not 0 <= line < pins.lines:
        raise DriverError(f"the chip has no line {line}: it has {pins.lines}")
    limit_s = boottime_s() + wait_s
    while True:
        try:
            return Relay(pins, line, active_high=active_high)
        except OSError as error:
            if boottime_s() > limit_s:
                raise DriverError(f"line {line} cannot be claimed: {error}") from error
            select.select([], [], [], 0.01)


def _before_all_else() -> None:
    """Ask for the lowest real-time priority: this program sleeps, and works for microseconds. Refused: no matter."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="latch", description="Own the relay line of one door.")
    parser.add_argument("--chip", required=True)
    parser.add_argument("--line", type=int, required=True)
    parser.add_argument("--active-low", action="store_true")
    parser.add_argument("--cap", type=float, default=CAP_S, metavar="SECONDS")
    parser.add_argument("--rest", action="store_true", help="drive the line inactive and end")
    return parser.parse_args()


def _rest(arguments: argparse.Namespace) -> int:
    try:
        rest_line(arguments.chip, arguments.line, active_high=not arguments.active_low)
    except DriverError as error:
        sys.stderr.write(f"the door's relay could not be put to rest: {error}\n")
        return UNAVAILABLE
    return 0


def main() -> int:
    """Run the latch, or with --rest put the line to rest. Returns the exit code."""
    arguments = _arguments()
    if arguments.rest:
        return _rest(arguments)
    parent = socket.socket(fileno=0)
    parent.setblocking(False)
    try:
        with contextlib.closing(open_chip(arguments.chip)) as pins:
            relay = _claim(pins, arguments.line, active_high=not arguments.active_low)
            _before_all_else()
            latch = Latch(relay, parent, arguments.cap)

            def end(_number: int, _frame: FrameType | None) -> None:
                latch.lock("latch-stopped")
                raise SystemExit(0)

            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, end)
            try:
                latch.serve()
            finally:  # also when we have a bug: the line must not outlive us active
                latch.lock("latch-stopped")
    except (DriverError, OSError) as error:  # the second: the chip was lost under us
        with contextlib.suppress(OSError):
            parent.send(f"fault {error}".encode()[:250])
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
