"""Has a document looked through by a process of its own: how many pages, which of them in colour.

The one idea: *documents are hostile*. A file that a client sent makes parsers hang, grow and crash; so a child process
(`drivers.leafer`), with hard limits of memory, processor time and nothing to write to, does the looking, and what it
prints before it dies is what is known. The answer of a dead child is "nobody can tell"; the job prints all the same.

One at a time, at low priority: metering and badges go first on a small board.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from drivers.contract import DriverError
from drivers.holding import Leaves

LOOK_S = 30.0  # one document; a page takes 3 ms on a PC, perhaps 20 on a small board
SAID_LIMIT = 256 * 1024  # bytes of the child's answer: 5000 pages in colour are 30 kB


async def leaf(file: Path, kind: str, *, look_s: float = LOOK_S) -> Leaves:
    """Look through one document of media type `kind`. Raises DriverError only if no process can be started."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "drivers.leafer",
            str(file),
            kind,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            limit=SAID_LIMIT,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(Path(__file__).parents[1])},
        )
    except OSError as error:
        raise DriverError(f"a document cannot be looked through: {error}") from error
    assert child.stdout is not None
    said, late = b"", False
    try:
        async with asyncio.timeout(look_s):
            while len(said) < SAID_LIMIT and (line := await child.stdout.readline()):
                said += line
    except (TimeoutError, ValueError):
        late = True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # the renderer with it
        await child.wait()
    return _heard(said, late=late)


def _heard(said: bytes, *, late: bool) -> Leaves:
    """Read the child's lines, each a JSON object: the last word on each thing counts."""
    known: dict[str, object] = {}
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            part = json.loads(line)
            known |= part if isinstance(part, dict) else {}
    pages, colour, why = known.get("pages"), known.get("colour"), str(known.get("why", ""))
    if not isinstance(pages, int):
        return Leaves(None, why=why or ("too-slow" if late else "broken"))
    if not isinstance(colour, list):
        return Leaves(pages, why=why or ("too-slow" if late else "broken"))
    return Leaves(pages, frozenset(page for page in colour if isinstance(page, int)), why)
