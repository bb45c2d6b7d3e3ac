"""What all tests stand on: no deadline per example, no soak by accident, and what may run beside what.

`./dev test` has three turns. On all cores, what only computes and what drives a browser. A few at a time, what `waits`:
it looks at real wires until it sees what it wants, with a limit that no neighbour uses up, and leaves the processors
idle meanwhile. One after the other, what is `alone`: it measures, and a neighbour would cost it the milliseconds that
it measures. A new test on real wires waits; whoever measures says so here. A soak takes long and rewrites the report
that is committed beside it, so it runs only when it is named: `./dev soak`, `-m soak`.
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
COMPUTES = {  # in those rooms, without wires or with a far end that only answers
    "lab/test_days.py",
    *(
        f"drivers/test_{name}.py"
        for name in ("cupsdconf", "frames", "ipp", "leafing", "pace", "pagelog", "segments", "verbs", "virtual")
    ),
}
MEASURES = {
    "lab/test_matrix.py",
    "lab/test_wires.py",
    *(
        f"drivers/test_{name}.py"
        for name in (
            "cardreader",
            "connector",
            "inputs",
            "lock",
            "pinnedtcp",
            "pins",
            "prober",
            "prober_faults",
            "signs",
        )
    ),
}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark `alone` what measures, `waits` what else keeps real time; no soaks in a run whose -m speaks of none."""
    if "soak" not in config.getoption("markexpr"):
        soaks = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaks)
    for item in items:
        file = item.path.relative_to(HERE)
        room = file.parts[0]
        if file.as_posix() in MEASURES:
            item.add_marker("alone")
        elif file.as_posix() in COMPUTES or room in PATIENT or item.get_closest_marker("alone"):
            continue
        elif room in REAL_TIME or item.get_closest_marker("peers"):
            item.add_marker("waits")
