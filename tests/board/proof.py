"""`gardien door prove` on a real GPIO device, as on a site: `./dev board`. Runs inside the machine, as root.

For a relay that is switched by a low level (`scene` has one that is switched by a high one). The proof's own witness is
the kernel; its report is held here against what the bridge itself recorded: one release for each fault, none too long
and no other, so that none of the eight starts had a blip; and the line at rest at the end.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from drivers.lock import claim_inactive
from tests.board.reader import command, site_file
from tests.board.scene import LABEL, pulses

LOW = 1  # the line of the relay that is switched by a low level
LIMITS_S = (2.3, 3.0, 2.3, 2.3, 2.3, 2.8, 2.8, 2.8)  # one release for each fault, in their order; a pulse is 2 s


def proven() -> None:
    """Run the proof and print its report. Raises AssertionError."""
    claim_inactive(LABEL, LOW, active_high=False)  # the bridge begins low, which releases: a box that was put to rest
    begun = len(pulses(LOW, active="0"))
    with tempfile.TemporaryDirectory(dir="/run") as made:
        site_file(Path(made), LOW, high=False, more="")
        done = subprocess.run(command(Path(made), "door", "prove", "--people-know"), check=False, timeout=600)
        (report,) = (Path(made) / "state").glob("door-prove-*.txt")
        said = report.read_text(encoding="utf-8")
    for row in said.splitlines():
        print(f"board: | {row}", flush=True)
    assert done.returncode == 0, "the proof failed"
    assert "le noyau garde son niveau (persistance)" in said  # this chip's driver does not touch a line that is freed
    seen = [ended - began for began, ended in pulses(LOW, active="0")[begun:] if ended is not None]
    print("board: the bridge saw releases of", *(f"{took_s:.3f}" for took_s in seen), "s and no other", flush=True)
    assert len(pulses(LOW, active="0")) - begun == len(seen) == len(LIMITS_S), "a blip, or a release without an end"
    assert all(took_s <= limit_s for took_s, limit_s in zip(seen, LIMITS_S, strict=True))


if __name__ == "__main__":
    proven()
    print("board: the proof; all well", flush=True)
