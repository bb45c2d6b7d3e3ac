"""The door's own unit under systemd on a machine that reboots and hangs: `./dev board`. Runs inside, at each boot.

The relay hangs on a bridge outside the machine, which keeps its level whatever happens here and judges (`outside`,
`street`). First boot: `systemctl reboot` in the middle of a pulse. Second: the kernel dies in one, and only the
hardware watchdog (QEMU's i6300esb, fed by PID 1) can end that. Third: all is at rest again. Which boot this is the
street knows.
"""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import asdict
from pathlib import Path

from agent.ask import Request
from drivers.clock import boottime_s
from tests.board.reader import ask, until

DOOR, SAID = Path("/run/gardien/ask/door.sock"), Path("/run/door.log")
STEP = Path(".cache/board/street/step")
START_S = 400.0
PULSE_S = 8.0
WATCHDOG_S = 40.0  # in this machine (`init-units`)


def opened() -> None:
    """Open as an animator does; return when the latch has confirmed it. Raises AssertionError."""
    request = Request("open", "cli", "test", boottime_s() + 60.0, {"whom": "test"})
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(DOOR))
        asking.sendall(json.dumps(asdict(request)).encode() + b"\n")
        answer = json.loads(asking.makefile().readline())
    assert answer["done"], answer


def reboot_in_a_pulse() -> None:
    ask("mark", "rebooted")
    opened()
    subprocess.run(["systemctl", "reboot"], check=True)


def kernel_dies_in_a_pulse() -> None:
    ask("judge", f"{PULSE_S - 0.5}", "a warm reboot in a pulse of 8 s, released for")
    show = ["systemctl", "show", "--property=RuntimeWatchdogUSec", "--property=WatchdogDevice"]
    print("board: systemd:", *subprocess.check_output(show, text=True).split(), flush=True)
    ask("mark", "died")
    opened()
    Path("/proc/sysrq-trigger").write_text("c", encoding="ascii")


def at_rest_again() -> None:
    ask("watchdog", f"{WATCHDOG_S + 5}", "the kernel dead in a pulse of 8 s, reset by the watchdog after")
    ask("judge", f"{START_S}", "the same, at rest when a latch claimed the line again (this bridge keeps its level)")
    print("board: the units; all well", flush=True)
    subprocess.run(["systemctl", "poweroff"], check=True)


def main() -> None:
    step = STEP.read_text(encoding="ascii") if STEP.exists() else "first"
    try:
        until(DOOR.exists, START_S, "the door's unit is ready")
    finally:
        said = SAID.read_text(encoding="utf-8").strip() if SAID.exists() else ""
        print(f"board: the boot {step!r}", f"; the door said: {said}" if said else "", sep="", flush=True)
    {"first": reboot_in_a_pulse, "rebooted": kernel_dies_in_a_pulse, "died": at_rest_again}[step]()


if __name__ == "__main__":
    main()
