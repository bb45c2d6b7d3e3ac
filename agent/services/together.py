"""`gardien run` without a name: every service under one parent, for a laptop and the demo.

Children are separate processes, as on a site. They end when the pipe from their parent closes, so a killed parent
leaves nothing running; should a child hang, the next run reclaims it by its pid and start time. A child that dies is
started again with the units' policy; one that says "configuration" (78) is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.config import EXIT_CONFIG, Places
from agent.services.standing import CHILD, own_lock

log = logging.getLogger(__name__)

RESTART_S = 0.5
GRACE_S = 5.0
ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}  # mallopt(3): 5 MB less for all; one writer thread each hardly allocates


@dataclass(frozen=True, slots=True)
class Household:
    """What to start, and how."""

    site_file: Path
    places: Places
    services: tuple[str, ...]
    prefixes: Mapping[str, Sequence[str]]  # service -> words put before its command line (another namespace)
    extra: tuple[str, ...] = ()  # further options for every service, e.g. --tape DIR


async def keep_house(household: Household) -> None:
    """Run the children until cancelled. Raises DriverError if another parent holds this state."""
    lock = own_lock(household.places.run / "parent.lock")
    roll = household.places.run / "children.json"
    _reclaim(roll)
    children: dict[str, int] = {}
    try:
        async with asyncio.TaskGroup() as group:
            for service in household.services:
                group.create_task(_keep_child(service, household, children, roll))
    finally:
        roll.unlink(missing_ok=True)
        os.close(lock)


async def _keep_child(service: str, household: Household, children: dict[str, int], roll: Path) -> None:
    places = household.places
    command = [
        *household.prefixes.get(service, ()),
        *(sys.executable, "-m", "agent.cli", "run", service),
        *("--site", str(household.site_file), "--state", str(places.state), "--run", str(places.run)),
        *household.extra,
    ]
    while True:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=os.environ | ONE_ARENA | {CHILD: "1"}, start_new_session=True
        )
        children[service] = child.pid
        _write_roll(roll, children)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await _part(child)
            raise
        if code == EXIT_CONFIG:
            log.error("%s: stopped, its configuration is wrong", service)
            return
        log.warning("%s: ended with %d, started again", service, code)
        await asyncio.sleep(RESTART_S)


async def _part(child: asyncio.subprocess.Process) -> None:
    """Close the pipe, and wait; a child that does not go is killed."""
    if child.stdin is not None:
        child.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGCONT)
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _started(pid: int) -> int:
    """Return a process's start time in clock ticks (proc(5), field 22); 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def _write_roll(roll: Path, children: Mapping[str, int]) -> None:
    aside = roll.with_suffix(".new")
    try:
        aside.write_text(json.dumps([[pid, _started(pid)] for pid in children.values()]), encoding="ascii")
        aside.replace(roll)
    except OSError as error:  # only the next run needs it: no reason to end what runs now
        log.warning("the list of children cannot be written: %s", error)


def _reclaim(roll: Path) -> None:
    """End children that a killed run left hanging: only processes we started, told by pid and start time."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        for pid, started in json.loads(roll.read_text(encoding="ascii")):
            if started and _started(pid) == started:
                log.warning("a child of a killed run still hangs: process %d is ended", pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
