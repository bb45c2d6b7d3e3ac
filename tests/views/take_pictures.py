"""Take the README's picture: a healthy demo page on a phone and on a desk. `python -m tests.views.take_pictures URL`.

Needs Chromium (the Debian package); writes tests/views/pictures/page-{phone,desk}.png.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "pictures"
SIZES = {"phone": (390, 1500), "desk": (1280, 1020)}
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def take(url: str) -> None:
    """Take one picture per size."""
    chromium = shutil.which("chromium") or sys.exit("no chromium here: install the Debian package chromium")
    for name, (width, height) in SIZES.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            options = (f"--user-data-dir={profile}", f"--window-size={width},{height}")
            shot = f"--screenshot={HERE / f'page-{name}.png'}"
            subprocess.run([chromium, *QUIET, *options, shot, url], check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    take(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/")
