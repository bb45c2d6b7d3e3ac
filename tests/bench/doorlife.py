"""How fast the door is ready, what it weighs, and what it does without its reader.  `python -m tests.bench.doorlife`

The real door service over the emulated board and a reader on a pseudo-terminal (tier: peers). Ready: its socket answers
and its latch has claimed the line. RSS as the kernel says. Lost and back: by the live picture, which the page reads.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from agent.live import read_pictures
from tests.acceptance.test_door_faults import Site, site, until


def rss_mb(pid: int) -> float:
    rows = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(row.split()[1] for row in rows if row.startswith("VmRSS:"))) / 1024


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def working(place: Site) -> bool | None:
    picture = read_pictures(place.folder / "run").get("door")
    reader = picture.drivers.get("readers.porte") if picture is not None else None
    return None if reader is None else reader.working


def measure(folder: Path) -> None:
    with site(folder) as place:
        starts = []
        for _ in range(5):
            assert place.service is not None
            place.service.kill()
            place.service.wait()
            (folder / "run" / "ask" / "door.sock").unlink(missing_ok=True)
            began = time.monotonic()
            place.start()
            until((folder / "run" / "ask" / "door.sock").exists, 20.0)
            starts.append(time.monotonic() - began)
        print("start to ready:", ", ".join(f"{s:.2f}" for s in sorted(starts)), "s")
        until(lambda: working(place) is True, 10.0)
        print(f"RSS: door {rss_mb(place.pid):.1f} MB, latch {rss_mb(place.latch or 0):.1f} MB")
        began, used = time.monotonic(), cpu_s(place.pid)
        place.reader.unplug()
        until(lambda: working(place) is False, 20.0)
        print(f"unplugged to shown: {time.monotonic() - began:.2f} s")
        time.sleep(10.0)
        print(f"CPU while it is gone: {100 * (cpu_s(place.pid) - used) / (time.monotonic() - began):.2f} %")
        began = time.monotonic()
        place.reader.replug()
        assert place.opens(10.0)
        print(f"replugged to a card that opens: {time.monotonic() - began:.2f} s")


INPUTS = "[door.inputs.contact]\nline = 22\n[door.inputs.exit_button]\nline = 27\n"


def force(folder: Path, times: int) -> None:
    """Open the leaf with no grant and no press, and wait until the picture says so."""
    with site(folder, INPUTS) as place:

        def leaf_is(wanted: str) -> bool:
            picture = read_pictures(folder / "run").get("door")
            return picture is not None and picture.door is not None and picture.door.leaf == wanted

        took = []
        for _ in range(times):
            place.board.drive(22, high=False)
            assert until(lambda: leaf_is("closed"), 20.0)
            began = time.monotonic()
            place.board.drive(22, high=True)
            assert until(lambda: leaf_is("forced"), 5.0)
            took.append(1000 * (time.monotonic() - began))
        print(f"forced to shown, {times} times: p50 {sorted(took)[times // 2]:.0f} ms, max {max(took):.0f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        force(Path(name), 20)
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))
