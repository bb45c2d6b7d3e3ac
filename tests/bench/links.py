"""The links half on real wires: what a probe costs, how exact its times are, and what others cost beside it.

    sudo python -m tests.bench.links [SECONDS]          20 s per line by default; needs root (network namespaces)

1. The service itself (`gardien run links`, two links of eight probes a second and more): CPU, memory, start to verdict.
2. Round-trip times on a bare veth, where the truth is some 10 us: idle, and with four CPU hogs; kernel stamps.
3. The same through the emulated internet with 30 ms, against that one's own log.
4. Loss: 10 000 echoes against the log, exact.
5. Beside it, where they are installed: fping and dpinger, on the same line at the same pace.

Each line is a process of its own. CPU is user and system time; RSS and PSS are the kernel's (proc(5) smaps_rollup).
The service runs as it is installed: its modules compiled beforehand, its run folder in memory as systemd's
RuntimeDirectory is.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from drivers.clock import SystemClock
from drivers.contract import LinkId
from drivers.peers.namespaces import available
from drivers.peers.providers import FAR_TARGETS, Providers
from drivers.prober import ScapyProber
from drivers.probing import Outcome, ProbeKind, ProbePlan, ProbeReply

ROOT = Path(__file__).resolve().parents[2]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SITE = """
[site]
name = "bench"
code = "bench"
[internet]
resolver = "198.51.100.53"
name = "canari.example.org"
answers = ["192.0.2.80"]
canary = "http://canari.example.org/canari"
canary_at = "192.0.2.80"
canary_says = "gardien canari"
"""
LINK = """
[links.adsl{n}]
kind = "scapy"
interface = "adsl{n}"
gateway = "192.168.{n}.1"
resolver = "100.64.{n}.53"
targets = ["192.0.2.1", "198.51.100.1", "203.0.113.1"]
"""


def memory(pid: int) -> tuple[float, float]:
    """Return RSS and PSS in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {name.rstrip(":"): int(value) for name, value, *_ in (line.split() for line in lines[1:])}
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def report(name: str, pid: int, used_s: float, wall_s: float, more: str = "") -> None:
    """Print what a process cost."""
    rss, pss = memory(pid)
    print(f"{name:34} {100 * used_s / wall_s:6.2f} % of a core {rss:6.1f} MiB RSS {pss:6.1f} MiB PSS  {more}")


def service(providers: Providers, for_s: float) -> None:
    """Run the links service as it is installed, and look at it from outside."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/dev/shm") as shm:
        site = Path(folder) / "site.toml"
        site.write_text(SITE + "".join(LINK.format(n=n) for n in (1, 2)), encoding="utf-8")
        gardien = [str(Path(sys.executable).with_name("gardien")), "run", "links", "--site", str(site)]
        command = [*providers.enter_prefix(), *gardien, "--state", f"{folder}/state", "--run", f"{shm}/run"]
        compileall.compile_dir(ROOT / "agent", quiet=1)
        compileall.compile_dir(ROOT / "drivers", quiet=1)
        picture, began_s = Path(shm) / "run" / "live" / "links.json", time.monotonic()
        with subprocess.Popen(command, cwd=ROOT) as running:
            try:
                first_s = _until_up(picture, began_s)
                time.sleep(3.0)
                before, used_s, wall_s = _sent(picture), cpu_s(running.pid), time.monotonic()
                time.sleep(for_s)
                used_s, wall_s = cpu_s(running.pid) - used_s, time.monotonic() - wall_s
                pace = f"{(_sent(picture) - before) / wall_s:.1f} probes/s, both links UP after {first_s:.2f} s"
                report("gardien run links", running.pid, used_s, wall_s, pace)
            finally:
                running.send_signal(signal.SIGTERM)


def _links(picture: Path) -> dict[str, dict[str, object]]:
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, dict[str, object]] = json.loads(picture.read_text(encoding="utf-8"))["links"]
        return found
    return {}


def _sent(picture: Path) -> int:
    return sum(int(str(link["sent"])) for link in _links(picture).values())


def _until_up(picture: Path, began_s: float) -> float:
    while time.monotonic() - began_s < 30:
        links = _links(picture)
        if len(links) == 2 and all(link["health"] == "up" for link in links.values()):
            return time.monotonic() - began_s
        time.sleep(0.02)
    raise SystemExit("the service told no verdict in 30 s")


async def echoes(targets: tuple[str, ...], interval_s: float, count: int) -> list[ProbeReply]:
    """Probe adsl1 until `count` plain echoes have their fates."""
    prober = ScapyProber(SystemClock(), LinkId("adsl1"), "adsl1", ProbePlan("192.168.1.1", targets, interval_s))
    told: list[ProbeReply] = []
    async with contextlib.aclosing(prober.replies()) as sights:
        async for sight in sights:
            if isinstance(sight, ProbeReply) and sight.kind is ProbeKind.ECHO and not sight.size:
                told += [sight] if sight.outcome.fate else []
                if len(told) >= count:
                    return told
    return told


def quantiles(name: str, times_s: list[float]) -> None:
    """Print p50, p99 and the maximum, in microseconds."""
    times = sorted(times_s)
    p50, p99, most = (1e6 * times[int(share * (len(times) - 1))] for share in (0.5, 0.99, 1.0))
    print(f"{name:34} p50 {p50:7.1f} us  p99 {p99:7.1f} us  max {most:7.1f} us  of {len(times)}")


def bare(name: str, hogs: int) -> None:
    """Time echoes to the box's own kernel, one veth away, where the truth is some 10 us."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
    try:
        told = asyncio.run(echoes(("192.168.1.1",), 0.01, 1500))
    finally:
        for each in burning:
            each.kill()
            each.wait()
    told = told[50:]  # the first ones find cold caches
    assert all(reply.kernel for reply in told if reply.outcome is Outcome.REPLIED)
    quantiles(name, [reply.rtt_s for reply in told if reply.rtt_s is not None])


def against_the_log(providers: Providers, log: Path) -> None:
    """Compare each round trip with how long the emulated internet itself says it had the packet."""
    _fresh(log)
    providers.ill("adsl1", "delay 0.03")
    pid = providers._providers["adsl1"].internet.pid  # its log begins when it reads a packet: it must not wait itself
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    told = asyncio.run(echoes(FAR_TARGETS, 0.03, 1500))
    providers.mend("adsl1")
    lines, errors = [line.split() for line in log.read_text().splitlines()], []
    for target in FAR_TARGETS:  # no echo was lost, so each target's are in one order on both sides
        truth = [float(line[5]) for line in lines if line[1] == target and line[3:5] == ["answered", "echo"]]
        ours = [reply.rtt_s for reply in told if reply.target == target and reply.rtt_s is not None]
        errors += [abs(a - b) for a, b in zip(ours, truth, strict=False)]
    quantiles("30 ms against the log, error", errors)


def loss(providers: Providers, log: Path, count: int) -> None:
    """Lose one in fifty of `count` echoes, and compare with the log."""
    providers.ill("adsl2", "loss 0.02")
    plan = ProbePlan("192.168.2.1", FAR_TARGETS, 0.015)
    prober, fates = ScapyProber(SystemClock(), LinkId("adsl2"), "adsl2", plan), Counter[Outcome]()

    async def listen() -> None:
        async for sight in prober.replies():
            if isinstance(sight, ProbeReply) and sight.kind is ProbeKind.ECHO and not sight.size:
                fates[sight.outcome] += sight.outcome.fate

    async def run() -> None:
        listening = asyncio.create_task(listen())
        while sum(fates.values()) < count:
            await asyncio.sleep(0.01)
        pace = prober._round._pace  # type: ignore[union-attr]
        pace.due, pace.next_s = (lambda _: []), (lambda now_s: now_s + 0.05)  # type: ignore[method-assign]
        await asyncio.sleep(2.5)  # nothing more is sent; what is under way is still told
        listening.cancel()

    asyncio.run(run())
    providers.mend("adsl2")
    truth = Counter(line.split()[3] for line in log.read_text().splitlines() if line.split()[4] == "echo")
    told, known = (fates[Outcome.REPLIED], fates[Outcome.LOST]), (truth["answered"], truth["lost"])
    print(f"loss: told (answered, lost) {told}, log {known}: {'exact' if told == known else 'NOT EXACT'}")


def others(providers: Providers, for_s: float) -> None:
    """Run fping and dpinger where they are, at ten probes a second as ours."""
    if shutil.which("fping"):
        command = [*providers.enter_prefix(), "fping", "-q", "-l", "-p", "300", "-I", "adsl1", *FAR_TARGETS]
        _beside("fping, 3 targets at 3.3 Hz each", [command], for_s)
    if shutil.which("dpinger"):
        each = ["-f", "-s", "1000", "-l", "2000", "-t", "60000", "-r", "0", "-B", "192.168.1.2"]
        commands = [[*providers.enter_prefix(), "dpinger", *each, FAR_TARGETS[n % 3]] for n in range(10)]
        _beside("dpinger, ten at 1 Hz", commands, for_s)


def _beside(name: str, commands: list[list[str]], for_s: float) -> None:
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    try:
        time.sleep(1.0)
        before_s, began_s = sum(cpu_s(each.pid) for each in running), time.monotonic()
        time.sleep(for_s)
        used_s = sum(cpu_s(each.pid) for each in running) - before_s
        report(name, running[0].pid, used_s, time.monotonic() - began_s, f"(memory of one of {len(running)})")
    finally:
        for each in running:
            each.terminate()
            each.wait()


def main(words: list[str]) -> None:
    """Run every line."""
    if available():
        raise SystemExit(available())
    for_s = float(words[0]) if words else 20.0
    with tempfile.TemporaryDirectory() as folder, Providers(("adsl1", "adsl2"), logs=Path(folder)) as providers:
        logs = Path(folder)
        service(providers, for_s)
        others(providers, for_s)
        with providers.inside():
            bare("veth, idle", 0)
            bare("veth, 4 CPU hogs", 4)
            against_the_log(providers, logs / "adsl1.log")
            loss(providers, _fresh(logs / "adsl2.log"), 10_000)


def _fresh(log: Path) -> Path:
    """Empty a log that its writer appends to."""
    os.truncate(log, 0)
    return log


if __name__ == "__main__":
    main(sys.argv[1:])
