"""What a story has begun to write is seen through.

The one idea: *a cancelled story still waits for its write*. The ledger takes a fact at once and writes it a little
later; whoever ends a story in between would start the next one from a past that is about to change. So the story waits,
within a limit, until what it appended is on the disk, and whoever folds the ledger next finds it there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

LAST_S = 10.0  # how long a cancelled story waits


@contextlib.asynccontextmanager
async def seen_through() -> AsyncIterator[list[asyncio.Future[Any]]]:
    """Wait for all that is put into the list, also when cancelled. Raises LedgerError if one was refused."""
    written: list[asyncio.Future[Any]] = []
    try:
        yield written
        await asyncio.shield(asyncio.gather(*written))
    except asyncio.CancelledError:
        if written:
            await asyncio.wait(written, timeout=LAST_S)
        raise
