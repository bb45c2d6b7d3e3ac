"""What the whole appliance costs while nothing happens: memory, processor, and the time to stand.

    python -m tests.bench.appliance [SECONDS]        (root: the far ends are real)

Two links probed at 1 Hz, a copier and its print server, two readers, a door; nobody does anything, nobody looks at the
page. PSS is proportional set size (proc(5), smaps_rollup): shared pages are split among those who share them. Parent,
far ends and tests are not counted, but they share pages with the services and so flatter their PSS; "alone" is what
the five would hold if nobody else ran: their own pages, and of each shared file the most that one of them has.
The run folder is in memory, as systemd's RuntimeDirectory is. The targets are 160 MB and 2 % of one core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.acceptance.house import MISSING, now_s
from tests.acceptance.night import SERVICES, Night

SETTLED_S = 15.0
PSS_MB, CPU_SHARE = 160.0, 0.02


def pss_mb(pid: int) -> float:
    """Return the proportional set size of a process, in MB of 10^6 bytes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 / 1e6 for line in rollup.splitlines() if line.startswith("Pss:"))


def alone_mb(pids: Iterable[int]) -> float:
    """Return what these processes hold together if no other process shares a page with them: an upper bound."""
    own_kb, shared_kb = 0, Counter[str]()
    for pid in pids:
        mine, name = Counter[str](), ""
        for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
            key, *values = line.split()
            if not key.endswith(":"):
                name = values[4] if len(values) > 4 else ""
            elif key in {"Private_Clean:", "Private_Dirty:"}:
                own_kb += int(values[0])
            elif key in {"Shared_Clean:", "Shared_Dirty:"}:
                mine[name] += int(values[0])
        shared_kb |= mine
    return (own_kb + shared_kb.total()) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Return the processor time a process has used, from proc(5) schedstat (nanoseconds), all its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def main() -> int:
    """Measure, print a table, and return 1 if a target is missed."""
    if MISSING:
        print(MISSING, file=sys.stderr)
        return 69
    span_s = float(sys.argv[1]) if sys.argv[1:] else 60.0
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        Night(Path(folder), memory=Path(memory)) as night,
    ):
        ready_s = now_s() - night.began_s
        time.sleep(SETTLED_S)
        pids = {name: night.pid(name) for name in SERVICES} | {"latch": night.latch()}
        before, began_s = {name: cpu_s(pid) for name, pid in pids.items()}, now_s()
        time.sleep(span_s)
        took_s = now_s() - began_s
        shares = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in pids.items()}
        sizes = {name: pss_mb(pid) for name, pid in pids.items()}
        alone = alone_mb(pids.values())
    print(f"four services standing {ready_s:.1f} s after their parent was started; idle for {took_s:.0f} s")
    print(f"{'':8} {'PSS MB':>8} {'CPU %':>7}")
    for name in pids:
        print(f"{name:8} {sizes[name]:8.1f} {100 * shares[name]:7.2f}")
    total_mb, total_share = sum(sizes.values()), sum(shares.values())
    print(f"{'all':8} {total_mb:8.1f} {100 * total_share:7.2f}   targets {PSS_MB:.0f} MB, {100 * CPU_SHARE:.0f} %")
    print(f"alone    {alone:8.1f}")
    return int(total_mb > PSS_MB or total_share > CPU_SHARE)


if __name__ == "__main__":
    sys.exit(main())
