"""Network namespaces for the emulated wires: made by name, entered, and removed when their owner is dead.

Every name carries its owner's process id (network_namespaces(7), ip-netns(8)). Root only: `available` says whether,
and why not. Calls block for some 10 ms and raise DriverError where the machine refuses.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import shutil
import subprocess
from pathlib import Path

from drivers.contract import DriverError

WAIT_S = 5.0
CLONE_NEWNET = 0x40000000
NETNS = Path("/run/netns")
_NAME = re.compile(r"^gardien-(\d+)-\d+-")


def available() -> str:
    """Return "" where providers can run, else the reason in one sentence."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "tc", "nft", "nsenter"):
        if shutil.which(program) is None:
            return f"the program {program!r} is missing (iproute2, nftables, util-linux)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "there is no /dev/net/tun"
    trial = f"gardien-{os.getpid()}-0-trial"
    try:
        run("ip", "netns", "add", trial)
        try:
            run("nsenter", f"--net={NETNS / trial}", "nft", "list", "ruleset")
        finally:
            run("ip", "netns", "del", trial)
    except DriverError as error:
        return f"this machine makes no network namespace: {error}"
    return ""


def reclaim() -> None:
    """Remove the namespaces of owners that are dead."""
    for name in namespaces():
        owner = _NAME.match(name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            run("ip", "netns", "del", name)


def namespaces() -> list[str]:
    """Return the names of all namespaces that are ours."""
    return sorted(file.name for file in NETNS.glob("gardien-*")) if NETNS.exists() else []


def entering(namespace: str) -> list[str]:
    """Return the words to put before a command so that it runs in a namespace."""
    return ["nsenter", f"--net={NETNS / namespace}", "--"]


def enter(namespace: Path) -> None:
    """Put the calling thread into a namespace (setns(2))."""
    handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
            raise DriverError(f"setns: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


def run(*words: str, text: str = "") -> str:
    """Run one command to its end and return what it printed. Raises DriverError with its own complaint."""
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=WAIT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise DriverError(f"{' '.join(words)}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DriverError(f"{' '.join(words)}: {error}") from error
    return done.stdout


def expect(process: subprocess.Popen[str], word: str) -> None:
    """Read one line that a process says. Raises DriverError if it says another, or nothing."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], WAIT_S)[0]:
        raise DriverError("the internet process does not answer")
    said = process.stdout.readline().strip()
    if said != word:
        raise DriverError(f"the internet process said {said!r} instead of {word!r}")


def end(process: subprocess.Popen[str]) -> None:
    """Close the input of a process, its sign to end, and wait for it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(WAIT_S)
    process.stdout.close()
