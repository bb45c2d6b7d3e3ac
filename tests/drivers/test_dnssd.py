"""One queue that phones, Macs, Windows and Linux find by themselves: announced by a real Avahi, seen by a real browse.

DNS-SD (RFC 6763), IPP Everywhere (PWG 5100.14 section 4.2), and the subtype that iOS looks for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.peers.cups import available

MISSING = available() or ("" if os.geteuid() == 0 else "not root: no network namespace")
MISSING = MISSING or next(
    (f"no {name}" for name in ("avahi-daemon", "avahi-browse", "dbus-daemon", "unshare") if not shutil.which(name)), ""
)


@pytest.mark.peers
@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_the_queue_that_waits_is_announced_and_the_one_behind_it_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    said = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.drivers.dnssd_bed", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    resolved = [line.split(";") for line in said.splitlines() if line.startswith("=")]
    assert resolved
    assert {row[3].split("\\")[0] for row in resolved} == {"copieur"}
    text = resolved[0][9]
    assert '"rp=printers/copieur"' in text
    for kind in ("application/pdf", "image/urf", "image/pwg-raster"):
        assert kind in text, text
    assert "URF=" in text
    assert len(resolved) == 2  # as any IPP printer, and under the subtype that phones browse
