"""Put on PYTHONPATH by the acceptance tests: each of our processes, as it ends, writes down what it had loaded.

One file per process in $SPY_FOLDER, its first line the command line. A test looks into a live service this way
without a word of it in the product.
"""

import atexit
import os
import sys
from pathlib import Path


def _write() -> None:
    folder = Path(os.environ.get("SPY_FOLDER", "/nowhere"))
    if folder.is_dir():
        words = [" ".join(sys.orig_argv), *sorted(sys.modules)]
        (folder / f"{os.getpid()}.txt").write_text("\n".join(words), encoding="utf-8")


atexit.register(_write)
