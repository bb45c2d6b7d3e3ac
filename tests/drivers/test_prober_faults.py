"""What each fault of a line looks like on the wire: every fault at once, one line each, and the evidence it leaves.

Tier: peers. The judgement over this evidence is `agent.rules.links`; here nothing is judged.
"""

from __future__ import annotations

import asyncio
import contextlib
from statistics import median, mode

import pytest

from drivers.clock import SystemClock
from drivers.contract import LinkId
from drivers.peers import namespaces
from drivers.peers.providers import FAR_TARGETS, Providers
from drivers.prober import ScapyProber
from drivers.probing import Burst, CheckRate, Outcome, Page, ProbeKind, ProbePlan, ProbeReply, RateMeasured, WireReading
from drivers.verbs import parse

LIMIT_S = 30.0  # for what must come, on a machine that does other things too
on_wires = pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never")
pytestmark = [pytest.mark.peers, on_wires]

PUBLIC = "198.51.100.53"
CANARY = Page("192.0.2.80", "canari.example.org", "/canari", "gardien canari")
RATE = Page("192.0.2.80", "canari.example.org", "/rate")
ARP, HOP, ECHO, DNS, SYN = ProbeKind.ARP, ProbeKind.HOP, ProbeKind.ECHO, ProbeKind.DNS, ProbeKind.SYN
REPLIED, LOST, WRONG = Outcome.REPLIED, Outcome.LOST, Outcome.WRONG
FAULTS = {
    "sound": "",
    "cable": "unplug",
    "box": "box",
    "line": "cut",
    "refused": "refuse",
    "isp": "isp",
    "target": "silence {} 198.51.100.1",
    "dnsdead": "dns {} dead",
    "dnslies": "dns {} lying",
    "portal": "portal",
    "hole": "hole",
    "fullup": "saturate {} up",
    "fulldown": "saturate {} down",
    "moved": "move",
}


class Seen:
    """One probed link and everything it said."""

    def __init__(self, providers, link, **keys):
        self.providers, self.link, self.sights = providers, link, []
        plan = ProbePlan(
            gateway=keys.pop("gateway", providers.gateway(link)),
            targets=FAR_TARGETS,
            interval_s=keys.pop("interval_s", 1.0),
            resolvers=(providers.resolver(link), PUBLIC),
            name="canari.example.org",
            answers=("192.0.2.80",),
            canary=CANARY,
            rate=RATE,
            **keys,
        )
        self.prober = ScapyProber(SystemClock(), LinkId(link), providers.interface(link), plan)

    async def run(self):
        async with contextlib.aclosing(self.prober.replies()) as sights:
            async for sight in sights:
                self.sights.append(sight)

    def since(self, mono_s):
        """Put aside what was sent before; a reading has no sending."""
        self.all = self.sights
        self.sights = [s for s in self.sights if (getattr(s, "sent_s", None) or s.at.mono_s) >= mono_s]

    def fates(self, kind, target="", size=0):
        """Return (outcome, says) of the fates of a kind, in order."""
        return [
            (sight.outcome, sight.says)
            for sight in self.sights
            if isinstance(sight, ProbeReply)
            and sight.kind is kind
            and sight.outcome.fate
            and sight.size == size
            and target in ("", sight.target)
        ]

    def outcomes(self, kind, target="", size=0):
        return {outcome for outcome, _ in self.fates(kind, target, size)}

    def mostly(self, kind, target="", size=0):
        """Return the usual outcome: a busy machine may lose or delay one."""
        return mode(outcome for outcome, _ in self.fates(kind, target, size))

    def told(self, kind, outcome, since_s=0.0):
        """Return how many small probes of a kind that were sent since had this fate."""
        return sum(s.kind is kind and not s.size and (s.sent_s or 0.0) > since_s for s in self.replies(outcome))

    def replies(self, *outcomes):
        return [s for s in self.sights if isinstance(s, ProbeReply) and s.outcome in (outcomes or (REPLIED,))]

    def readings(self):
        return [sight for sight in self.sights if isinstance(sight, WireReading)]


@contextlib.asynccontextmanager
async def probing(*links):
    tasks = [asyncio.ensure_future(link.run()) for link in links]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def until(done):
    """Wait for a condition; the limit is there to end a test that fails."""
    async with asyncio.timeout(LIMIT_S):
        while not done():
            await asyncio.sleep(0.05)


def now_s():
    return SystemClock().now().mono_s


def heard_all(link, since_s):
    """Tell whether every kind of probe that left since has a fate, and the echoes of a whole burst."""
    fates = [
        s for s in link.sights if isinstance(s, ProbeReply) and s.outcome.fate and (s.sent_s or s.at.mono_s) > since_s
    ]
    kinds = {(s.kind, s.size) for s in fates}
    return kinds >= {(kind, 0) for kind in ProbeKind} | {(ECHO, 1500)} and sum(s.kind is ECHO for s in fates) >= 20


def play(providers, script):
    """Run a coroutine at the site: every socket it opens belongs there."""
    with providers.inside():
        return asyncio.run(script)


@pytest.fixture(scope="module")
def seen():
    """Every fault at once, each on a line of its own, with the burst that a rule would ask for."""

    async def hurt(providers, links):
        async with probing(*links.values()):
            await until(lambda: all({s.kind for s in link.replies()} == set(ProbeKind) for link in links.values()))
            await until(lambda: all(link.told(ECHO, REPLIED) >= 6 for link in links.values()))
            for link in links.values():
                link.calm, link.sights = link.sights, []
            began_s = now_s()
            for name, verb in FAULTS.items():
                if verb:
                    await asyncio.to_thread(
                        providers.obey, parse(verb.format(name) if "{}" in verb else f"{verb} {name}")
                    )
            for full in ("fullup", "fulldown"):  # their queues fill
                await until(lambda full=full: any(s.rtt_s > 0.15 for s in links[full].replies(REPLIED, Outcome.LATE)))
            await until(lambda: links["moved"].told(ECHO, REPLIED, began_s) >= 3)
            hurt_s = now_s()
            for link in links.values():
                link.prober.ask(Burst(2.0))
            for name in FAULTS:
                await until(lambda name=name: name == "cable" or heard_all(links[name], hurt_s))
            for link in links.values():
                link.since(hurt_s)

    with Providers(tuple(FAULTS)) as providers:
        links = {name: Seen(providers, name) for name in FAULTS}
        play(providers, hurt(providers, links))
    return links


def test_a_sound_line_answers_everything(seen):
    sound = seen["sound"]
    assert {s.kind for s in sound.replies()} == set(ProbeKind)
    assert sound.mostly(HOP, "100.64.0.254") is REPLIED
    assert sound.mostly(ECHO, size=1500) is REPLIED
    assert (REPLIED, "192.0.2.80") in sound.fates(DNS, PUBLIC)
    assert (REPLIED, "200") in sound.fates(ProbeKind.CANARY)
    assert WRONG not in {s.outcome for s in sound.replies(*Outcome)}
    assert {s.mac for s in sound.replies() if s.kind is not ProbeKind.CANARY} == {"02:00:00:00:01:01"}
    assert all(s.kernel for s in sound.replies() if s.kind in (ECHO, HOP, ARP))
    reading = sound.readings()[-1]
    assert (reading.carrier, reading.address, reading.gateway_mac) == (True, "192.168.1.2", "02:00:00:00:01:01")
    assert (reading.dropped, reading.foreign) == (0, 0)
    assert abs(reading.stepped_s) < 0.1
    assert reading.received_bytes > sound.readings()[0].received_bytes > 0


def test_every_line_was_sound_before_and_showed_all_it_can_in_its_first_rounds(seen):
    for link in seen.values():
        calm = [s for s in link.calm if isinstance(s, ProbeReply) and s.outcome.fate]
        replied = [s for s in calm if s.outcome is REPLIED]
        assert len(replied) >= 0.9 * len(calm) > 10  # this machine starts fourteen providers at once
        assert {s.kind for s in replied} == set(ProbeKind)


def test_without_a_cable_nothing_is_sent_and_it_is_said_at_once(seen):
    cable = seen["cable"]
    fates = [s for s in cable.replies(*Outcome) if s.outcome is not REPLIED]
    assert {s.outcome for s in fates} <= {Outcome.NO_CARRIER, LOST}
    assert fates[0].outcome in (Outcome.NO_CARRIER, LOST)
    assert Outcome.NO_CARRIER in {s.outcome for s in fates[:8]}
    assert cable.readings()[-1].carrier is False
    assert {s.sent_s for s in fates if s.outcome is Outcome.NO_CARRIER} == {None}


def test_a_dead_box_is_silent_at_every_step(seen):
    assert [seen["box"].outcomes(kind) for kind in (ARP, HOP, ECHO, DNS, SYN)] == [{LOST}] * 5
    assert seen["box"].readings()[-1].gateway_age_s > 2.0


def test_a_dead_line_stops_behind_the_box(seen):
    line = seen["line"]
    assert line.mostly(ARP) is REPLIED
    assert [line.outcomes(kind) for kind in (HOP, ECHO, DNS, SYN)] == [{LOST}] * 4


def test_a_box_that_knows_says_who_refuses_and_why(seen):
    refused = seen["refused"]
    said = [s for s in refused.all if isinstance(s, ProbeReply) and s.error]  # a Linux box: a few, then one in 2 s
    assert {(s.outcome, s.error.by, s.error.type, s.error.code) for s in said} == {
        (Outcome.UNREACHABLE, "192.168.5.1", 3, 1)
    }
    assert {s.mac for s in said} == {"02:00:00:00:05:01"}
    assert refused.mostly(ARP) is REPLIED


def test_a_dead_internet_leaves_the_providers_first_router(seen):
    isp = seen["isp"]
    assert isp.mostly(ARP) is isp.mostly(HOP) is REPLIED
    assert [isp.outcomes(kind) for kind in (DNS, SYN, ProbeKind.CANARY, ECHO)] == [{LOST}] * 4


def test_one_dead_target_is_alone(seen):
    target = seen["target"]
    assert target.outcomes(ECHO, "198.51.100.1") == {LOST}
    assert target.mostly(ECHO, "192.0.2.1") is target.mostly(ECHO, "203.0.113.1") is REPLIED
    assert target.mostly(HOP) is REPLIED


def test_the_providers_dead_or_lying_resolver_is_told_from_the_public_one(seen):
    dead, lies = seen["dnsdead"], seen["dnslies"]
    assert dead.outcomes(DNS, "100.64.8.53") == {LOST}
    assert lies.fates(DNS, "100.64.9.53")[-1] == (WRONG, "10.9.9.9")
    assert dead.mostly(DNS, PUBLIC) is lies.mostly(DNS, PUBLIC) is REPLIED
    assert dead.mostly(ECHO) is lies.mostly(ECHO) is REPLIED


def test_a_portal_answers_for_the_page(seen):
    assert seen["portal"].fates(ProbeKind.CANARY)[-1] == (WRONG, "302 http://portail.example/")
    assert seen["portal"].mostly(ECHO) is REPLIED


def test_an_mtu_hole_swallows_full_packets_alone(seen):
    assert seen["hole"].outcomes(ECHO, size=1500) == {LOST}
    assert seen["hole"].mostly(ECHO) is REPLIED


@pytest.mark.parametrize("where", ["fullup", "fulldown"])
def test_a_full_line_is_late_behind_the_box_and_prompt_before_it(seen, where):
    line = seen[where]
    echoes = [s.rtt_s for s in line.replies(REPLIED, Outcome.LATE) if s.kind is ECHO]
    hops = [s.rtt_s for s in line.replies(REPLIED, Outcome.LATE) if s.kind is HOP]
    assert max(echoes) > 0.15
    assert max(hops) > 0.15
    assert line.mostly(ARP) is REPLIED
    assert median(s.rtt_s for s in line.replies() if s.kind is ARP) < 0.1


def test_another_box_with_the_same_address_is_found_again(seen):
    moved = seen["moved"]
    assert moved.readings()[-1].gateway_mac not in ("", "02:00:00:00:0e:01")
    assert moved.mostly(ECHO) is REPLIED
    assert {s.mac for s in moved.replies()[-3:]} == {moved.readings()[-1].gateway_mac}
    assert LOST in {s.outcome for s in moved.all if isinstance(s, ProbeReply) and s.kind is ARP}


# --- two boxes on one LAN, with one address ----------------------------------------------------------------


def test_two_links_on_one_interface_are_each_probed_alone(tmp_path):
    async def script(providers):
        pinned = [(link, providers.gateway_mac(link)) for link in providers.links]
        one, two = (Seen(providers, link, gateway_mac=mac, interval_s=0.5) for link, mac in pinned)
        async with probing(one, two):
            for link in (one, two):
                await until(lambda link=link: link.told(HOP, REPLIED) and link.told(ECHO, REPLIED))
            await asyncio.to_thread(providers.cut, "adsl1")
            cut_s = now_s()
            await until(lambda: one.told(ECHO, LOST, cut_s) >= 6 and two.told(ECHO, REPLIED, cut_s) >= 6)
            assert (one.told(ECHO, REPLIED, cut_s), one.told(HOP, REPLIED, cut_s)) == (0, 0)
            await until(
                lambda: all(link.told(ARP, REPLIED, cut_s) and two.told(HOP, REPLIED, cut_s) for link in (one, two))
            )
            await asyncio.to_thread(providers.mend, "adsl1")
            await asyncio.to_thread(providers.box, "adsl2")
            box_s = now_s()
            await until(lambda: one.told(ECHO, REPLIED, box_s) >= 12 and two.told(ECHO, LOST, box_s) >= 12)
            assert (two.told(ARP, REPLIED, box_s), two.told(ECHO, REPLIED, box_s)) == (0, 0)
            mine = one.told(ECHO, REPLIED, box_s) + one.told(ECHO, LOST, box_s)
        for link in (one, two):
            assert {s.mac for s in link.replies()} == {providers.gateway_mac(link.link)}
        return box_s, mine

    with Providers(("adsl1", "adsl2"), shared=True, logs=tmp_path) as providers:
        box_s, mine = play(providers, script(providers))
    lines = [line.split() for line in (tmp_path / "adsl1.log").read_text().splitlines()]
    through = sum(line[4] == "echo" and float(line[0]) > box_s for line in lines)
    assert through <= mine + 8  # with adsl2's box dead, not one of its 12 probes and more went to adsl1


# --- what changes under a prober ---------------------------------------------------------------------------


def test_another_subnet_given_by_dhcp_is_followed_where_no_gateway_is_named():
    async def script(providers):
        link, other = Seen(providers, "adsl1", gateway="", interval_s=0.5), Seen(providers, "adsl2")
        async with probing(link, other):
            await until(lambda: (REPLIED, "") in link.fates(ARP, "192.168.1.1") and other.told(ECHO, REPLIED))
            await asyncio.to_thread(providers.renumber, "adsl1", 44)
            await until(lambda: (REPLIED, "") in link.fates(ARP, "192.168.44.1"))
            moved_s = now_s()
            await until(lambda: link.told(ECHO, REPLIED, moved_s) >= 6 and link.told(ARP, REPLIED, moved_s))
            link.since(moved_s)
            assert link.fates(ARP) == link.fates(ARP, "192.168.44.1")
            assert link.readings()[-1].address == "192.168.44.2"
            assert other.mostly(ECHO) is REPLIED

    with Providers(("adsl1", "adsl2")) as providers:
        play(providers, script(providers))


# --- what a line carries -----------------------------------------------------------------------------------


def test_the_rate_of_a_line_is_measured_for_a_mebibyte_and_not_while_others_use_it():
    async def measured(link):
        link.sights.clear()
        link.prober.ask(CheckRate())
        for _ in range(400):
            await asyncio.sleep(0.05)
            told = [sight for sight in link.sights if isinstance(sight, RateMeasured)]
            if told:
                return told[0]
        raise AssertionError("no rate was told")

    async def script(providers):
        link = Seen(providers, "adsl1")
        await asyncio.to_thread(providers.rate, "adsl1", 17e6)
        async with probing(link):
            await until(lambda: link.told(ECHO, REPLIED) >= 3)
            found = await measured(link)
            assert found.why == ""
            # 17 Mbit/s of frames is 17 * 1500 / 1514 = 16.843 Mbit/s of IP (tc-htb(8) counts the Ethernet header)
            assert found.down_bit_s == pytest.approx(16.843e6, rel=0.05)
            assert 1 << 20 <= found.received_bytes < 1_300_000
            await asyncio.to_thread(providers.ill, "adsl1", "flood down 4e6")
            await asyncio.sleep(0.3)
            busy = await measured(link)
            assert (busy.down_bit_s, busy.why, busy.received_bytes) == (None, "busy", 0)

    with Providers(("adsl1",)) as providers:
        play(providers, script(providers))
