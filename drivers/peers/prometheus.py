"""A real Prometheus watching one appliance, on loopback: for the demo and the tests.

It scrapes and evaluates every second, so that an alert is seen as soon as its rule allows. Data lives in `folder`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self

CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: gardien
    static_configs: [{{targets: ["{target}"]}}]
"""
READY_S = 20.0


def available() -> str:
    """Return "" if there is a prometheus program, else what is missing."""
    return "" if shutil.which("prometheus") else "no prometheus on this machine: install the Debian package prometheus"


def reclaim(folder: Path) -> None:
    """End a Prometheus that a killed run left behind on this folder's data: only one whose command line names it."""
    ours = f"--storage.tsdb.path={folder / 'data'}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if ours in (place / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)


class PrometheusPeer:
    """One Prometheus that scrapes `target` (host:port) and evaluates `rules`. A context manager."""

    def __init__(self, folder: Path, target: str, rules: Path) -> None:
        self.folder, self._target, self._rules = folder, target, rules
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yml"
        config.write_text(CONFIG.format(rules=self._rules, target=self._target), encoding="utf-8")
        with (self.folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address={self.address}",
                    "--storage.tsdb.retention.time=1d",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def ask(self, path: str) -> dict[str, object]:
        """Return the data of one API call, e.g. "query?query=up". Raises OSError while it is not ready."""
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=5) as reply:
            answer: dict[str, object] = json.load(reply)["data"]
        return answer

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now, with their link or device: "GardienLinkDown adsl1"."""
        alerts = self.ask("alerts")["alerts"]
        assert isinstance(alerts, list)
        return {
            " ".join([alert["labels"]["alertname"], *(alert["labels"].get(k, "") for k in ("link", "device"))]).strip()
            for alert in alerts
            if alert["state"] == "firing"
        }

    def wait_firing(self, name: str, within_s: float, *, firing: bool = True) -> float:
        """Wait until an alert fires (or no longer does) and return how long it took. Raises TimeoutError."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            try:
                if (name in self.firing()) is firing:
                    return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.1)
        raise TimeoutError(f"{name} was not {'firing' if firing else 'resolved'} within {within_s:g} s")
