"""A process whose files may not grow for a while (RLIMIT_FSIZE, setrlimit(2)): a disk that fails and comes back.

python -m tests.memory.file_limit LEDGER        prints one line per thing that happened
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path

from agent.memory.ledger import Ledger
from tests.memory.desk import at, note


def allow(size: int) -> None:
    """Let files grow to `size` bytes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


async def main(path: Path) -> None:
    """Write, fail, wait, and write again."""
    with Ledger.open(path) as ledger:
        print("written", await ledger.append(note("before"), at(), "before"))
        allow(4096)
        waiting = [ledger.append(note(f"{number}" * 100), at(), str(number)) for number in range(300)]
        while not ledger.fault:
            await asyncio.sleep(0.01)
        done, pending = await asyncio.wait(waiting, timeout=0.5)
        print("fault", ledger.fault)
        print("waiting", len(pending), "resolved", len(done), "queued", ledger.pending)
        print("readable", ledger.head().seq)
        allow(resource.RLIM_INFINITY)
        print("written", *sorted(await asyncio.gather(*waiting))[:: len(waiting) - 1])
        print("fault", repr(ledger.fault))


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main(Path(sys.argv[1])))
