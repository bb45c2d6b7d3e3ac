"""Whether the services grow: one house used without a rest, its memory and open files before, in the middle and after.

    python -m tests.bench.wear [MINUTES]        (root: the far ends are real)

Members open the door, print, copy and badge at the copier, one browser loads page after page, a stream stays open and
is left again, a line is cut and mended: some weeks of a small site in half an hour. A fifth of the time warms up; then
the private memory of each process (proc(5), smaps_rollup: what is given back when it ends), its open files and threads
are read in every round. A process that leaks grows in the second half as it did in the first. The targets: at most 1 MB
of private memory more in the second half, and no more files than before.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.acceptance.house import MISSING
from tests.acceptance.night import MEMBERS, SERVICES, STRANGER, Night
from tests.bench.together import PAGES

MORE_MB, MORE_FILES = 1.0, 2
CUT_S, LINKS = 6.0, ("adsl1", "adsl2")


@dataclass(frozen=True)
class Size:
    """What one process holds."""

    private_mb: float
    files: int
    threads: int


def size(pid: int) -> Size:
    """Read it from proc(5)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    private_kb = sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))
    files, threads = Path(f"/proc/{pid}/fd"), Path(f"/proc/{pid}/task")
    return Size(private_kb * 1024 / 1e6, len([*files.iterdir()]), len([*threads.iterdir()]))


def a_round(night: Night, number: int) -> int:
    """Let everybody do something; return how many pages were loaded."""
    link = LINKS[number // 4 % len(LINKS)] if number % 4 == 0 else ""
    if link:
        night.peers.providers.cut(link)
    cut_s = time.monotonic()
    for card in (*MEMBERS.values(), STRANGER):
        night.badge_at_the_door(card)
        night.print_something()
    night.copy_something()
    night.badge_at_the_copier()
    loaded = 0
    for path in itertools.islice(itertools.cycle(PAGES), 70):
        night.get(path)
        loaded += 1
    if link:
        time.sleep(max(0.0, CUT_S - (time.monotonic() - cut_s)))
        night.peers.providers.mend(link)
    return loaded


def main() -> int:
    """Use the house, print what each process holds, return 1 if one grows."""
    if MISSING:
        print(MISSING, file=sys.stderr)
        return 69
    span_s = 60.0 * float(sys.argv[1]) if sys.argv[1:] else 1800.0
    rows: list[dict[str, Size]] = []
    pages = rounds = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
        Night(Path(folder), memory=Path(memory)) as night,
    ):
        pids = {name: night.pid(name) for name in SERVICES} | {"latch": night.latch()}
        began_s = time.monotonic()
        while time.monotonic() - began_s < span_s:
            pages += a_round(night, rounds)
            rounds += 1
            if time.monotonic() - began_s > span_s / 5:
                rows.append({name: size(pid) for name, pid in pids.items()})
        badges, jobs = len(night.presented), len(night.facts("attempt-known"))
        same = pids == {name: night.pid(name) for name in SERVICES} | {"latch": night.latch()}
    minutes = (time.monotonic() - began_s) / 60
    print(f"{rounds} rounds in {minutes:.0f} min: {badges} cards, {jobs} jobs metered, {pages} pages loaded")
    print(f"{'':8} {'private MB: first':>18} {'middle':>8} {'last':>8}   files   threads")
    grows = not same
    third = max(1, len(rows) // 3)
    for name in pids:
        first, middle, last = (
            Size(*(median(getattr(row[name], what) for row in part) for what in Size.__dataclass_fields__))
            for part in (rows[:third], rows[third:-third] or rows, rows[-third:])
        )
        grows |= last.private_mb - middle.private_mb > MORE_MB or last.files - first.files > MORE_FILES
        print(
            f"{name:8} {first.private_mb:18.2f} {middle.private_mb:8.2f} {last.private_mb:8.2f}   "
            f"{first.files:.0f}-{last.files:.0f}   {first.threads:.0f}-{last.threads:.0f}"
        )
    print("nothing grows" if not grows else "SOMETHING GROWS, or was started again")
    return int(grows)


if __name__ == "__main__":
    sys.exit(main())
