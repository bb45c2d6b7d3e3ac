"""Forecast on the labelled corpus: how right, how fast, how much memory. `python -m tests.bench.forecast`."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from pathlib import Path

from drivers.leafing import leaf
from tests.drivers.corpus import Labelled, corpus


async def _look(document: Labelled, folder: Path) -> tuple[bool, bool, float]:
    file = folder / "document"
    file.write_bytes(document.data)
    began = time.perf_counter()
    seen = await leaf(file, document.kind)
    took = time.perf_counter() - began
    pages = seen.pages == document.pages
    colour = document.pages is None or seen.colour == document.colour
    if not (pages and colour):
        print(f"  {document.name}: {seen.pages} of {document.pages} {seen.why} {sorted(seen.colour or ())[:9]}")
    return pages, colour, took


async def _bench() -> None:
    rows, per_page = [], []
    with tempfile.TemporaryDirectory() as place:
        for document in corpus():
            right, colour, took = await _look(document, Path(place))
            rows.append((document, right, colour))
            per_page.append((took, document.pages or 0, document.name))
    known = [row for row in rows if row[0].pages is not None]
    pages = sum(row[0].pages or 0 for row in known)
    wrong = sum(len(row[0].colour) or 1 for row in known if not row[2])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{len(rows)} documents: page counts right in {sum(row[1] for row in rows) / len(rows):.1%}")
    right = f"documents right {sum(row[2] for row in known)}/{len(known)}"
    print(f"{pages} pages: colour right on {1 - wrong / pages:.1%}; {right}")
    slow = max(per_page)
    print(f"slowest {slow[2]}: {slow[0]:.2f} s ({slow[0] / max(1, slow[1]) * 1000:.1f} ms a page)")
    single = min(took for took, count, _ in per_page if count == 1)
    print(f"one page {single * 1000:.0f} ms; peak of a child {peak:.0f} MB")


if __name__ == "__main__":
    os.nice(5)
    asyncio.run(_bench())
