"""What all tests stand on: no deadline per example, no soak by accident, which tests want the machine for themselves.

`./dev test` runs what only computes, and what drives a browser, on all cores; then, one after the other, what keeps
real time on real wires (`alone`). A neighbour would cost such a test the milliseconds that it measures. A soak takes
long and rewrites the report that is committed beside it, so it runs only when it is named: `./dev soak`, `-m soak`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A law is about values, not about how busy the machine is: no deadline per example (pytest-timeout minds hangs).
settings.register_profile("house", deadline=None)
settings.load_profile("house")

HERE = Path(__file__).parent
REAL_TIME = {"acceptance", "drivers", "fleet", "lab"}
PATIENT = {"acting"}  # on real wires, but they wait for what they see


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as `alone` whatever keeps real time; leave soaks out of a run whose -m does not speak of them."""
    if "soak" not in config.getoption("markexpr"):
        soaks = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
    for item in items:
        room = item.path.relative_to(HERE).parts[0]
        if room in REAL_TIME or (room not in PATIENT and item.get_closest_marker("peers")):
            item.add_marker("alone")
