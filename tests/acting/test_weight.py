"""Pages stay light and quick with a quarter of history behind them.

Processor time is asserted, which a busy machine does not lengthen; how long it takes: `python -m tests.bench.pages`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.bench.pages import PATHS, busy_quarter
from tests.views.scenes import house

STATIC = ("/static/gardien.css", "/static/gardien.js", "/static/icon-ok.svg")


def test_pages_are_light_and_quick_after_ninety_days(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        count, found = asyncio.run(busy_quarter(home, (*PATHS, *STATIC)))
    assert count > 20_000
    pages = {one.path: one for one in found}
    assert pages["/"].size + sum(pages[path].size for path in STATIC) <= 60_000
    assert {one.path: one.busy_s for one in found if one.busy_s > 0.1} == {}
    assert pages["/"].first_s <= 1.0  # the first look reads the day from the disk
