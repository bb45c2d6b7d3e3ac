"""A process that appends facts and says of each, once it is acknowledged: KEY SEQ. Made to be killed.

python -m tests.memory.appender LEDGER NAME FIRST
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.presence import VisitEnded, VisitEvidence
from tests.memory.desk import START, at


async def _append(ledger: Ledger, name: str, first: int) -> None:
    for start in itertools.count(first, 5):
        keys = [f"{name}-{number}" for number in range(start, start + 5)]
        facts = [VisitEnded(key, "m001", "occasional", START, START, 1, VisitEvidence.BADGE) for key in keys]
        waits = [ledger.append(fact, at(), key) for key, fact in zip(keys, facts, strict=True)]
        for key, wait in zip(keys, waits, strict=True):
            sys.stdout.write(f"{key} {await wait}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with Ledger.open(Path(sys.argv[1])) as the_ledger:
        asyncio.run(_append(the_ledger, sys.argv[2], int(sys.argv[3])))
