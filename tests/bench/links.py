"""What a probe costs, beside two floors in the same run: scapy's own `sr1`, and a process that only waits.

    sudo python -m tests.bench.links [SECONDS]          20 s per line by default; needs root (network namespaces)

Each line is a process of its own on real frames between network namespaces. `cpu/probe` counts user and system time of
the whole process after its start; PSS is what the kernel charges it (proc(5) smaps_rollup).
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from drivers.peers.namespaces import available
from drivers.peers.providers import FAR_TARGETS, Providers

ROOT = Path(__file__).resolve().parents[2]


def memory() -> tuple[float, float]:
    """Return RSS and PSS in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {name.rstrip(":"): int(value) for name, value, *_ in (line.split() for line in lines[1:])}
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024


def report(name: str, probes: int, cpu_s: float, wall_s: float) -> None:
    """Print one line."""
    rss, pss = memory()
    each = f"{1e6 * cpu_s / probes:6.0f} us cpu/probe" if probes else " " * 19
    print(f"{name:34} {each} {100 * cpu_s / wall_s:6.2f} % of a core {rss:6.1f} MiB RSS {pss:6.1f} MiB PSS")


def cpu_s() -> float:
    """Return the CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def watched(interval_s: float, for_s: float) -> None:
    """Two links, each a gateway and three targets, judged by their rule: what the links service does."""
    from agent.rules.links import LinkPolicy, LinkWatch  # noqa: PLC0415  (a line loads only what it measures)
    from drivers.clock import SystemClock  # noqa: PLC0415
    from drivers.contract import LinkId  # noqa: PLC0415
    from drivers.prober import ScapyProber  # noqa: PLC0415
    from drivers.probing import ProbePlan  # noqa: PLC0415

    counts = {1: 0, 2: 0}

    async def mind(number: int) -> None:
        link = LinkId(f"adsl{number}")
        watch = LinkWatch(link, LinkPolicy(interval_s), FAR_TARGETS)
        prober = ScapyProber(SystemClock(), link, link, ProbePlan(f"192.168.{number}.1", FAR_TARGETS, interval_s))
        async for reply in prober.replies():
            watch.observe(reply)
            counts[number] += 1

    tasks = [asyncio.ensure_future(mind(number)) for number in counts]
    await asyncio.sleep(2.0)  # sockets are open, links are UP
    before_s, started_s, told = cpu_s(), time.monotonic(), sum(counts.values())
    await asyncio.sleep(for_s)
    told = sum(counts.values()) - told
    report(f"ours, {told} probes at {interval_s} s", told, cpu_s() - before_s, time.monotonic() - started_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def floor_sr1(for_s: float) -> None:
    """Send echoes as scapy's manual does."""
    from scapy.all import ICMP, IP, sr1  # noqa: PLC0415

    before_s, started_s, count = cpu_s(), time.monotonic(), 0
    while time.monotonic() - started_s < for_s:
        assert sr1(IP(dst=FAR_TARGETS[count % 3]) / ICMP(), timeout=1, verbose=0) is not None
        count += 1
        time.sleep(0.1)
    report(f"scapy.all sr1, {count} probes", count, cpu_s() - before_s, time.monotonic() - started_s)


async def floor_wait(for_s: float) -> None:
    """Wake eight times a second and do nothing."""
    before_s, started_s = cpu_s(), time.monotonic()
    while time.monotonic() - started_s < for_s:
        await asyncio.sleep(0.125)
    report("asyncio, 8 empty wake-ups a second", 0, cpu_s() - before_s, time.monotonic() - started_s)


def main(words: list[str]) -> None:
    """Run every line in a process of its own, or be one of them."""
    match words:
        case ["ours", interval_s, for_s]:
            asyncio.run(watched(float(interval_s), float(for_s)))
        case ["sr1", for_s]:
            floor_sr1(float(for_s))
        case ["wait", for_s]:
            asyncio.run(floor_wait(float(for_s)))
        case _:
            if available():
                raise SystemExit(available())
            for_s = words[0] if words else "20"
            with Providers(("adsl1", "adsl2")) as providers:
                for line in (["wait"], ["sr1"], ["ours", "1"], ["ours", "0.1"]):
                    command = [*providers.enter_prefix(), sys.executable, "-m", "tests.bench.links", *line, for_s]
                    subprocess.run(command, check=True, cwd=ROOT, env=os.environ)


if __name__ == "__main__":
    main(sys.argv[1:])
