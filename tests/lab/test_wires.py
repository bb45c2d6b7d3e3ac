"""Hundreds of cuts, and ten minutes full, on real wires. Tier: peers; only in `./dev soak`, which writes the reports.

What a day of it looks like without wires is `test_days`'; `test_matrix` plays every fault twice in each run.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from agent.rules.linkfacts import OUT
from agent.rules.links import Cause, Health
from drivers.clock import SystemClock
from drivers.peers import namespaces
from drivers.peers.providers import Providers
from tests.lab.matrix import Lab

pytestmark = [
    pytest.mark.peers,
    pytest.mark.soak,
    pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never"),
]
REPORTS = Path(__file__).parents[1] / "reports"
LINES, CUTS = 10, 20  # of each line: 200
FULL_S, ONSETS = 600.0, 20
TOLD_S = 30.0  # for what must come; a test that fails ends


def now_s():
    return SystemClock().now().mono_s


async def heard(line, since_s, right):
    """Wait until a line says what is right, and return after how long; None where it never does."""
    while now_s() - since_s < TOLD_S:
        for at_s, verdict in line.since(since_s):
            if verdict in right:
                return at_s - since_s
        await asyncio.sleep(0.02)
    return None


async def cut_again_and_again(providers, line, dice):
    """Cut one line at random moments; return how long each cut and each mending took to be told."""
    downs, backs = [], []
    for _ in range(CUTS):
        await asyncio.sleep(8.0 + 4.0 * dice.random())
        began_s = now_s()
        await asyncio.to_thread(providers.cut, line.link)
        downs.append(await heard(line, began_s, {"down line", "down isp", "down internet"}))
        await asyncio.sleep(2.0)
        began_s = now_s()
        await asyncio.to_thread(providers.mend, line.link)
        backs.append(await heard(line, began_s, {"up none", "degraded loss", "degraded flapping"}))
    return downs, backs


def spread(name, times, asked):
    """Return one line of a report; what was never told is slower than anything."""
    told = sorted(time for time in times if time is not None)
    p99 = told[min(len(told) - 1, int(0.99 * len(times)))]
    return (
        f"{name:28} {len(told):3} of {len(times):3} told: median {told[len(told) // 2]:5.2f} s, p99 {p99:5.2f} s, "
        f"slowest {told[-1]:5.2f} s (asked: {asked})"
    )


def written(file, report, capsys):
    (REPORTS / file).write_text(report, encoding="utf-8")
    with capsys.disabled():
        print(f"\n{report}")


@pytest.mark.timeout(1800)
def test_two_hundred_silent_cuts_at_random_moments(capsys):
    async def play(providers):
        async with Lab(providers).open() as lab:
            cuts = [cut_again_and_again(providers, line, random.Random(at)) for at, line in enumerate(lab.lines)]
            return await asyncio.gather(*cuts)

    with Providers(tuple(f"line{number}" for number in range(LINES)), seed=9) as providers, providers.inside():
        played = asyncio.run(play(providers))
    downs = [took for each, _ in played for took in each]
    backs = [took for _, each in played for took in each]
    report = (
        f"{len(downs)} silent cuts at random moments, {LINES} lines on real wires at once, seconds to the word\n\n"
        f"{spread('cut: told DOWN', downs, 'p99 4.0')}\n{spread('mended: told to work', backs, '10')}\n"
    )
    written("links-cuts.txt", report, capsys)
    assert None not in downs + backs
    assert sorted(downs)[int(0.99 * len(downs))] <= 4.0
    assert max(backs) <= 10.0


async def full_for_long(providers, line, where):
    """Fill one direction for ten minutes; return when it was said, and every verdict."""
    began_s = now_s()
    await asyncio.to_thread(providers.saturate, line.link, where)
    await asyncio.sleep(FULL_S)
    verdicts = [(at_s - began_s, verdict) for at_s, verdict in line.since(began_s)]
    await asyncio.to_thread(providers.mend, line.link)
    return next((at_s for at_s, verdict in verdicts if verdict == f"saturated {where}load"), None), verdicts


async def full_now_and_then(providers, line, where):
    """Fill one direction again and again; return how long it took to be said each time, and every verdict."""
    took, dice, began_s = [], random.Random(where), now_s()
    for _ in range(ONSETS):
        onset_s = now_s()
        await asyncio.to_thread(providers.saturate, line.link, where)
        took.append(await heard(line, onset_s, {f"saturated {where}load"}))
        await asyncio.to_thread(providers.mend, line.link)
        while (line.watch.health, line.watch.cause) != (Health.UP, Cause.NONE) and now_s() - onset_s < 3 * TOLD_S:
            await asyncio.sleep(0.1)
        await asyncio.sleep(5.0 + dice.random())
    return took, line.since(began_s)


@pytest.mark.timeout(2400)
def test_ten_minutes_full_either_way_are_no_outage_and_are_told_with_their_direction(capsys):
    async def play(providers):
        async with Lab(providers).open() as lab:
            await asyncio.sleep(10.0)  # what is usual on these lines
            up, down, ups, downs = lab.lines
            return await asyncio.gather(
                full_for_long(providers, up, "up"),
                full_for_long(providers, down, "down"),
                full_now_and_then(providers, ups, "up"),
                full_now_and_then(providers, downs, "down"),
            )

    with Providers(("full1", "full2", "often1", "often2"), seed=5) as providers, providers.inside():
        (up_s, up_said), (down_s, down_said), (ups_s, ups_said), (downs_s, downs_said) = asyncio.run(play(providers))
    said = {"up": up_said, "down": down_said, "ups": ups_said, "downs": downs_said}
    out = {name: [verdict for _, verdict in each if verdict.split()[0] in OUT] for name, each in said.items()}
    lines = [
        f"full {name} for {FULL_S:.0f} s: {len(out[name])} times called out; verdicts: "
        + (", ".join(f"{verdict} at {at_s:.1f}" for at_s, verdict in said[name]) or "none")
        for name in ("up", "down")
    ]
    report = "\n".join(
        (
            "Lines full of others' traffic, on real wires, 1 Mbit/s up and 8 Mbit/s down, deep queues\n",
            *lines,
            spread("upload filled: SATURATED(up)", [up_s, *ups_s], "5"),
            spread("download filled: SATURATED(down)", [down_s, *downs_s], "5"),
            f"called out of use: {sum(map(len, out.values()))} times (asked: 0)\n",
        )
    )
    written("links-full.txt", report, capsys)
    assert out == {"up": [], "down": [], "ups": [], "downs": []}
    assert max(took or TOLD_S for took in (up_s, *ups_s)) <= 5.0
    assert max(took or TOLD_S for took in (down_s, *downs_s)) <= 5.0
