"""A link dies and lives again, as one story in virtual time: prober to rule to ledger to live picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from agent.live import LiveLink
from agent.memory.ledger import Ledger
from agent.rules.links import Cause, Health, LinkChanged, LinkMeasured, LinkPolicy, LinkWatch
from agent.stories.links import mind_link, recall
from drivers.contract import DriverError, LinkId
from drivers.probing import ProbePlan
from drivers.sim import SimBuilding
from drivers.verbs import parse
from drivers.virtual import VirtualClock, VirtualLoop

MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
TARGETS = ("192.0.2.1", "198.51.100.1", "203.0.113.1")
GATEWAY = "192.168.1.1"


class House:
    """One virtual site with its links minded; `tell` sends a verb at a second of the run."""

    def __init__(self, folder, links=("adsl1", "adsl2"), interval_s=1.0):
        self.folder, self.links, self.interval_s = folder, links, interval_s
        self.shown = {link: [] for link in links}

    def run(self, until_s, verbs=(), starts_s=0.0):
        """Live from one second of the boot to another; a second call is a new process of the same boot."""
        loop = VirtualLoop()
        loop._jumping.elapsed_s = starts_s
        with asyncio.Runner(loop_factory=lambda: loop) as runner, Ledger.open(self.folder / "ledger.db") as ledger:
            self.clock = VirtualClock(loop, MIDNIGHT)
            runner.run(self.live(ledger, until_s, verbs))

    async def live(self, ledger, until_s, verbs):
        building = SimBuilding(self.clock, seed=1)
        tasks = []
        for link in map(LinkId, self.links):
            watch = recall(LinkWatch(link, LinkPolicy(self.interval_s), TARGETS), ledger)
            prober = building.prober(link, ProbePlan(GATEWAY, TARGETS, self.interval_s, sparing=True))
            tasks.append(
                asyncio.ensure_future(mind_link(link, prober, watch, ledger, self.clock, self.shown[link].append))
            )
        for at_s, line in verbs:
            await asyncio.sleep(at_s - self.clock.now().mono_s)
            building.obey(parse(line))
        await asyncio.sleep(until_s - self.clock.now().mono_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def facts(self, kind):
        with Ledger.open(self.folder / "ledger.db") as ledger:
            return [entry.fact for entry in ledger.entries(kind)]

    def totals(self):
        with Ledger.open(self.folder / "ledger.db") as ledger:
            return ledger.totals()


def test_a_cut_of_90_seconds_is_one_outage_of_its_own_link(tmp_path):
    house = House(tmp_path)
    house.run(3 * 3600 + 30, [(600.5, "cut adsl1 90s"), (7200.5, "box adsl2 30s"), (9000.5, "unplug adsl2 30s")])
    told = [(f.link, f.was, f.now, f.cause) for f in house.facts(LinkChanged)]
    up, down, unknown = Health.UP, Health.DOWN, Health.UNKNOWN
    assert Counter(told) == Counter(
        [
            ("adsl1", unknown, up, Cause.NONE),
            ("adsl2", unknown, up, Cause.NONE),
            ("adsl1", up, down, Cause.LINE),
            ("adsl1", down, up, Cause.NONE),
            ("adsl2", up, down, Cause.BOX),
            ("adsl2", up, down, Cause.CABLE),
            ("adsl2", down, up, Cause.NONE),
            ("adsl2", down, up, Cause.NONE),
        ]
    )
    totals = house.totals()
    cut_s = totals["link_down_seconds", (("cause", "line"), ("link", "adsl1"))]
    assert 89.0 <= cut_s <= 93.0
    assert totals["link_outages", (("cause", "line"), ("link", "adsl1"))] == 1
    assert totals["link_up_seconds", (("link", "adsl1"),)] + cut_s == pytest.approx(3 * 3600 + 29, abs=1.0)


def test_the_live_picture_says_it_within_five_seconds_and_back(tmp_path):
    house = House(tmp_path, links=("adsl1",))
    house.run(120, [(60.5, "cut adsl1"), (90.5, "mend adsl1")])
    seen = house.shown["adsl1"]
    assert seen[0] == LiveLink("unknown", "gap", None, rtt_counts=(0,) * 14)
    changed = [a for a, b in zip(seen[1:], seen, strict=False) if a.health != b.health]
    assert [(live.health, live.cause) for live in changed] == [("up", "none"), ("down", "line"), ("up", "none")]
    down, up = house.facts(LinkChanged)[1:]
    assert down.since == MIDNIGHT + timedelta(seconds=60)
    assert timedelta(seconds=90.5) <= up.since - MIDNIGHT <= timedelta(seconds=92.5)
    assert 100 <= len(seen) <= 130  # once a round, and at every change
    assert seen[-1].rtt_s == 0.018
    cut = next(live for live in seen if live.health == "down")
    assert cut.loss_share is not None
    assert cut.loss_share > 0.0
    assert seen[-1].loss_share == 0.0  # as it is since it came back, though it was cut half a minute ago
    assert (seen[50].sent, seen[50].lost) == (255, 0)


@pytest.mark.parametrize(("away_s", "story"), [(3, ["up"]), (600, ["up", "unknown", "up"])])
def test_the_books_are_whole_over_a_restart(tmp_path, away_s, story):
    house = House(tmp_path, links=("adsl1",))
    house.run(5400)
    house.run(10_800, starts_s=5400 + away_s)
    assert [fact.now.value for fact in house.facts(LinkChanged)] == story
    totals = house.totals()
    unknown_s = totals.get(("link_unknown_seconds", (("link", "adsl1"),)), 0.0)
    assert totals["link_up_seconds", (("link", "adsl1"),)] + unknown_s == pytest.approx(10_799, abs=1.0)
    assert unknown_s == pytest.approx(600 if away_s == 600 else 0, abs=1.0)
    assert len(house.facts(LinkMeasured)) == 4  # hourly, and at each clean stop


class BrokenProber:
    """Tells one fate, then loses its interface: the world's failure, as a real prober raises it."""

    def __init__(self, prober):
        self.prober = prober
        self.ask = prober.ask

    async def replies(self):
        count = 0
        async for reply in self.prober.replies():
            yield reply
            count += 1
            if count == 40:
                raise DriverError("the interface adsl1 is gone: No such device")


def test_a_lost_prober_is_unknown_and_never_down(tmp_path):
    loop = VirtualLoop()
    shown = []

    async def play(ledger):
        clock = VirtualClock(loop, MIDNIGHT)
        prober = BrokenProber(SimBuilding(clock).prober(LinkId("adsl1"), ProbePlan(GATEWAY, TARGETS)))
        watch = LinkWatch(LinkId("adsl1"), LinkPolicy(), TARGETS)
        for _ in range(3):  # as the supervisor does
            with pytest.raises(DriverError, match="adsl1 is gone"):
                await mind_link(LinkId("adsl1"), prober, watch, ledger, clock, shown.append)
            await asyncio.sleep(20)

    with asyncio.Runner(loop_factory=lambda: loop) as runner, Ledger.open(tmp_path / "ledger.db") as ledger:
        runner.run(play(ledger))
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        told = [entry.fact.now for entry in ledger.entries(LinkChanged)]
    assert told == [Health.UP, Health.UNKNOWN] * 3
    assert shown[-1].health == "unknown"


def test_five_days_at_one_round_a_minute(tmp_path):
    house = House(tmp_path, interval_s=60.0)
    day = 86_400
    house.run(5 * day, [(day + 30, "cut adsl1 7200s"), (2 * day + 30, "unplug adsl2 86400s")])
    told = Counter((f.link, f.now, f.cause) for f in house.facts(LinkChanged))
    assert told == {
        ("adsl1", Health.UP, Cause.NONE): 2,
        ("adsl2", Health.UP, Cause.NONE): 2,
        ("adsl1", Health.DOWN, Cause.LINE): 1,
        ("adsl2", Health.DOWN, Cause.CABLE): 1,
    }
    totals = house.totals()
    assert totals["link_down_seconds", (("cause", "line"), ("link", "adsl1"))] == pytest.approx(7200, abs=121)
    assert totals["link_down_seconds", (("cause", "cable"), ("link", "adsl2"))] == pytest.approx(86_400, abs=121)
    assert totals["link_up_seconds", (("link", "adsl1"),)] == pytest.approx(5 * day - 7200, abs=241)


def test_two_changes_in_one_moment_are_two_facts(tmp_path):
    house = House(tmp_path, links=("adsl1",))
    house.run(100, [(90.5, "unplug adsl1")])
    house.run(
        1000, [(900.0, "unplug adsl1")], starts_s=900.0
    )  # after a gap, a round without carrier: all at one moment
    told = [(fact.now, fact.cause) for fact in house.facts(LinkChanged)]
    assert told[:2] == [(Health.UP, Cause.NONE), (Health.DOWN, Cause.CABLE)]
    assert told[2:4] == [(Health.UNKNOWN, Cause.GAP), (Health.DOWN, Cause.CABLE)]
