"""Pages stay light and quick with a quarter of history behind them. The figures: `python -m tests.bench.pages`."""

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
    assert {one.path: one.middle_s for one in found if one.middle_s > 0.1} == {}
    assert pages["/"].worst_s <= 1.0  # the first look reads the day from the disk
