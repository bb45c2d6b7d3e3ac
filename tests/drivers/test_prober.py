"""The prober: its promises over the simulated building and over real wires, and what only real wires show."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import select
import signal
import socket
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.rules.linkfacts import OUT, WORKS
from agent.rules.links import Cause, Health, LinkPolicy, LinkWatch
from drivers import silentport
from drivers.clock import SystemClock
from drivers.contract import DriverError, LinkId
from drivers.peers import namespaces as peers
from drivers.peers.providers import FAR_TARGETS, Providers
from drivers.prober import ScapyProber
from drivers.probing import Outcome, ProbeKind, ProbePlan, ProbeReply
from drivers.sim import SimBuilding
from drivers.verbs import parse
from drivers.virtual import VirtualClock, VirtualLoop
from drivers.wire import Wire, arp_frame
from tests.drivers import contract_prober
from tests.drivers.contract_prober import LAWS, LINK, Subject

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30.0  # for what must come, on a machine that does other things too
on_wires = pytest.mark.skipif(bool(peers.available()), reason=peers.available() or "never")
real = [pytest.mark.peers, on_wires]


# --- the contract, over the simulated building and over real wires -----------------------------------------


def in_sim(law):
    async def play():
        clock = VirtualClock(loop, datetime(2026, 11, 2, tzinfo=UTC))
        building = SimBuilding(clock, seed=4)
        replies = building.prober(LINK, ProbePlan("192.168.1.1", FAR_TARGETS)).replies()
        await law(Subject(replies, "192.168.1.1", FAR_TARGETS, lambda line: building.obey(parse(line))))

    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(play())


def over_wires(law):
    async def play(providers):
        prober = ScapyProber(SystemClock(), LINK, "adsl1", ProbePlan(providers.gateway("adsl1"), FAR_TARGETS, 0.2))
        replies = prober.replies()
        with providers.inside():
            await anext(replies)  # opens its socket at the site; later calls stay there
        for _ in FAR_TARGETS:
            await anext(replies)
        subject = Subject(replies, prober.plan.gateway, FAR_TARGETS, lambda line: providers.obey(parse(line)))
        async with contextlib.aclosing(replies):
            await law(subject)

    with Providers(("adsl1",), seed=4) as providers:
        asyncio.run(play(providers))


SUBJECTS = [pytest.param(in_sim, id="sim"), pytest.param(over_wires, id="scapy", marks=real)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("played_by", SUBJECTS)
def test_contract(played_by, law):
    played_by(law)


# --- what only real wires show -----------------------------------------------------------------------------


class Watched:
    """One link at 1 Hz under its watch: the facts with the seconds at which they were told."""

    def __init__(self, providers, link, interval_s=1.0):
        self.providers, self.link = providers, LinkId(link)
        self.clock = SystemClock()
        self.prober = ScapyProber(
            self.clock, self.link, link, ProbePlan(providers.gateway(link), FAR_TARGETS, interval_s)
        )
        self.watch = LinkWatch(self.link, LinkPolicy(interval_s), FAR_TARGETS)
        self.facts, self.rtts, self.downs, self.ups = [], [], [], []
        self.errors = 0
        self.fates = Counter()

    def echoes(self, *outcomes):
        return sum(self.fates[ProbeKind.ECHO, outcome] for outcome in outcomes)

    async def open(self):
        """Open the socket at the site, where it then stays. One at a time: the whole thread goes there."""
        self.replies = self.prober.replies()
        with self.providers.inside():
            self.hear(await anext(self.replies))

    async def run(self):
        async with contextlib.aclosing(self.replies):
            async for reply in self.replies:
                self.hear(reply)

    async def rest(self):
        """Send nothing more, and wait until the fate of everything under way is told."""
        flights, pace = self.prober._round._flights, self.prober._round._pace
        pace.due, pace.next_s = (lambda now_s: []), (lambda now_s: now_s + 0.05)
        await until(lambda: not flights.waiting())

    def hear(self, reply):
        self.errors += isinstance(reply, ProbeReply) and reply.outcome is Outcome.UNREACHABLE
        if not isinstance(reply, ProbeReply) or reply.size or reply.kind not in (ProbeKind.ARP, ProbeKind.ECHO):
            return
        self.fates[reply.kind, reply.outcome] += 1
        if not reply.outcome.fate:
            return
        self.rtts.append(reply.rtt_s)
        fact = self.watch.observe(reply)
        if fact:
            self.facts.append((self.clock.now().mono_s, fact.now, fact.cause))


async def until(done):
    """Wait for a condition; the limit is there to end a test that fails."""
    async with asyncio.timeout(LIMIT_S):
        while not done():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def watching(*watched):
    for each in watched:
        await each.open()
    tasks = [asyncio.ensure_future(each.run()) for each in watched]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


@pytest.mark.peers
@on_wires
def test_each_fault_is_told_by_its_cause_for_its_own_link_and_no_other():
    """The seconds it takes are measured in virtual time and in the soak; a busy machine takes longer."""
    causes = {"adsl1": Cause.INTERNET, "adsl2": Cause.BOX, "adsl3": Cause.CABLE}

    async def play(providers):
        links = {link: Watched(providers, link) for link in providers.links}
        async with watching(*links.values()):
            await until(lambda: all(link.watch.health is Health.UP for link in links.values()))
            hurt_s = SystemClock().now().mono_s
            providers.cut("adsl1")
            providers.box("adsl2")
            providers.unplug("adsl3")
            for link, cause in causes.items():
                await until(lambda watch=links[link].watch, cause=cause: watch.cause is cause)
            mended_s = SystemClock().now().mono_s
            for link in causes:
                providers.mend(link)
            await until(lambda: all(link.watch.health in WORKS for link in links.values()))
        assert not {now for _, now, _ in links["adsl4"].facts} & OUT
        for link, cause in causes.items():
            downs = [at_s for at_s, now, why in links[link].facts if now is Health.DOWN and why is cause]
            backs = [at_s for at_s, now, _ in links[link].facts if now in WORKS and at_s > mended_s]
            assert hurt_s < downs[0] < hurt_s + (5.0 if cause is Cause.CABLE else 20.0)
            assert backs[0] < mended_s + 20.0

    with Providers(("adsl1", "adsl2", "adsl3", "adsl4")) as providers:
        asyncio.run(play(providers))


@pytest.mark.peers
@on_wires
def test_loss_is_counted_exactly_and_no_probe_leaves_by_another_link(tmp_path):
    async def play(providers):
        links = [Watched(providers, link, interval_s=0.1) for link in providers.links]
        providers.loss("adsl1", 0.3)
        providers.loss("adsl2", 0.05)
        async with watching(*links):
            await until(lambda: all(each.echoes(Outcome.REPLIED, Outcome.LOST) >= 90 for each in links))
            for each in links:
                await each.rest()
                await until(lambda each=each: answered(each) == logged(tmp_path, each.link)["answered"])
        return links

    with Providers(("adsl1", "adsl2"), logs=tmp_path) as providers:
        links = asyncio.run(play(providers))
    for each in links:
        truth = logged(tmp_path, each.link)
        assert answered(each) == truth["answered"] > 30
        assert each.echoes(Outcome.LOST) - each.echoes(Outcome.LATE) == truth["lost"] > 0
        assert set(truth) == {"answered", "lost"}
        assert each.fates[ProbeKind.ARP, Outcome.REPLIED] > each.fates[ProbeKind.ARP, Outcome.LOST]


def answered(link):
    """Return how many echoes were; on a busy machine some are told LOST first, and LATE afterwards."""
    return link.echoes(Outcome.REPLIED, Outcome.LATE)


def logged(folder, link):
    """Return the fates of the echoes that the internet behind a link saw: its own log."""
    lines = [line.split() for line in (folder / f"{link}.log").read_text().splitlines()]
    return Counter(line[3] for line in lines if line[4] == "echo")


@pytest.mark.peers
@on_wires
def test_late_and_double_replies_are_strays_and_an_icmp_error_is_no_silence(tmp_path):
    async def play(providers):
        double, late, refused = links = [Watched(providers, link, interval_s=0.5) for link in providers.links]
        box = ("ip", "-n", providers.site.replace("-site", "-adsl3"))
        subprocess.run([*box, "route", "add", "unreachable", FAR_TARGETS[0]], check=True)
        providers.double("adsl1")
        providers.delay("adsl2", 0.05)
        async with watching(*links):
            await until(lambda: all(link.watch.health is Health.UP for link in links))
            needed = late.prober._round._patience._slowest
            await until(lambda: any(needed.get(target, 1.0) < 0.15 for target in FAR_TARGETS))  # its deadline is 0.6 s
            providers.delay("adsl2", 0.9)
            await until(lambda: late.prober.strays.late)
            await until(lambda: double.prober.strays.double >= 16)
            await until(lambda: refused.errors and refused.echoes(Outcome.REPLIED) >= 12)  # the box sends one a second
            for link in (double, late):
                await link.rest()
                await until(lambda link=link: link.echoes(Outcome.LOST) == link.echoes(Outcome.LATE))  # none truly lost
                assert logged(tmp_path, link.link) == {"answered": answered(link)}
            await until(lambda: double.echoes(Outcome.DUPLICATE) == answered(double))
        assert not {now for link in links for _, now, _ in link.facts} & OUT  # slow is not dead

    with Providers(("adsl1", "adsl2", "adsl3"), logs=tmp_path) as providers:
        asyncio.run(play(providers))


@pytest.mark.peers
@on_wires
def test_a_saturated_upload_is_delay_and_not_an_outage():
    async def flood(sender, bit_s, link):
        """1000-byte datagrams, a little faster than the line, by the clock; until the queue is seen."""
        began_s, sent = asyncio.get_running_loop().time(), 0
        while max((rtt_s or 0.0 for rtt_s in link.rtts), default=0.0) <= 0.4:
            due = int((asyncio.get_running_loop().time() - began_s) * bit_s / 8000)
            for _ in range(min(50, due - sent)):
                sender.sendto(bytes(972), ("203.0.113.9", 9))
            sent = due
            await asyncio.sleep(0.05)

    async def play(providers):
        link = Watched(providers, "adsl1")
        providers.rate("adsl1", 1_000_000)
        with providers.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            async with watching(link):
                await until(lambda: link.watch.health is Health.UP)
                async with asyncio.timeout(LIMIT_S):
                    await flood(sender, 1.2e6, link)
                heard = len(link.rtts)
                await until(lambda: len(link.rtts) >= heard + 10)
                assert link.watch.minute().rtt_s is not None
                assert {now for _, now, _ in link.facts} <= WORKS

    with Providers(("adsl1",)) as providers:
        asyncio.run(play(providers))


def refused(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.peers
@on_wires
@pytest.mark.parametrize("silent", [True, False])
def test_what_a_syn_half_opened_is_let_go_through_its_own_link(silent, monkeypatch):
    """The kernel would let go by the default route: of the second link, through the first one's box.

    `silent` False: a kernel without signatures of TCP, which wants CAP_NET_ADMIN for a filter in their place.
    """
    if not silent:
        monkeypatch.setattr(silentport, "signed_by_everybody", lambda: b"")
        monkeypatch.setattr(silentport, "attach", refused)

    async def play(providers):
        links = [Watched(providers, "adsl1"), Watched(providers, "adsl2")]
        with providers.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as ears:
            ears.setblocking(False)
            resets = set()

            def let_go():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        frame, (device, _, way, _, _) = ears.recvfrom(2048)
                        tcp = frame[12:14] == b"\x08\x00" and frame[23:24] == b"\x06" and len(frame) >= 54
                        if way == socket.PACKET_OUTGOING and tcp and frame[47] & 0x04:
                            resets.add((device, socket.inet_ntoa(frame[26:30]), frame[:6].hex(":")))
                return len({source for _, source, _ in resets}) == 2

            async with watching(*links):
                await until(let_go)
        return resets

    with Providers(("adsl1", "adsl2")) as providers:
        resets = asyncio.run(play(providers))
        macs = [providers.gateway_mac(link) for link in ("adsl1", "adsl2")]
    assert resets == {("adsl1", "192.168.1.2", macs[0]), ("adsl2", "192.168.2.2", macs[1])}


@pytest.mark.peers
@on_wires
def test_a_stamp_whose_frame_is_forgotten_does_not_keep_the_socket_ready_for_ever():
    """As after a full queue of our own (ENOBUFS), when the numbers begin anew while frames are under way."""
    with Providers(("adsl1",)) as providers, providers.inside(), Wire("adsl1") as wire:
        ready = select.poll()
        ready.register(wire.handle, select.POLLERR)
        assert wire.send(arp_frame(wire.mac, wire.address(), providers.gateway("adsl1")), 1)
        assert ready.poll(1000 * LIMIT_S) == [(wire.handle, select.POLLERR)]
        wire._number_stamps()
        assert list(wire.stamps()) == []
        assert ready.poll(0) == []


@pytest.mark.peers
@on_wires
def test_a_vanished_interface_is_the_drivers_loss_and_the_next_run_finds_it_again():
    async def play(providers):
        watched = Watched(providers, "adsl1", interval_s=0.2)
        await watched.open()
        task = asyncio.ensure_future(watched.run())
        await until(lambda: watched.echoes(Outcome.REPLIED) >= 6)
        ip = ["ip", "-n", providers.site, "link", "set", "adsl1", "name"]
        subprocess.run(["ip", "-n", providers.site, "link", "set", "adsl1", "down"], check=True)
        subprocess.run([*ip, "gone"], check=True)
        with pytest.raises(DriverError, match="adsl1 is gone"):
            await asyncio.wait_for(task, LIMIT_S)
        with pytest.raises(DriverError, match="cannot probe on adsl1"):
            await watched.open()
        subprocess.run(["ip", "-n", providers.site, "link", "set", "gone", "name", "adsl1"], check=True)
        subprocess.run(["ip", "-n", providers.site, "link", "set", "adsl1", "up"], check=True)
        before = watched.echoes(Outcome.REPLIED)
        async with watching(watched):
            await until(lambda: watched.echoes(Outcome.REPLIED) >= before + 6)

    with Providers(("adsl1",)) as providers:
        asyncio.run(play(providers))


@pytest.mark.peers
@on_wires
def test_an_interface_without_an_address_is_the_drivers_loss():
    async def play(providers):
        with providers.inside(), pytest.raises(DriverError, match="no IPv4 address"):
            await anext(ScapyProber(SystemClock(), LINK, "lo2", ProbePlan("192.168.9.1", FAR_TARGETS)).replies())

    with Providers(()) as providers:
        subprocess.run(["ip", "-n", providers.site, "link", "add", "lo2", "type", "dummy"], check=False)
        subprocess.run(["ip", "-n", providers.site, "link", "add", "lo2", "type", "veth"], check=False)
        subprocess.run(["ip", "-n", providers.site, "link", "set", "lo2", "up"], check=True)
        asyncio.run(play(providers))


NARROW = """
import asyncio, os, sys
import scapy
from drivers.prober import ScapyProber
from drivers.clock import SystemClock
from drivers.contract import DriverError
from drivers.probing import ProbePlan
import scapy.data
assert len(scapy.data.MANUFDB) == 0
assert "scapy.all" not in sys.modules
assert not {"HOME", "XDG_CACHE_HOME"} & set(os.environ)
if len(sys.argv) > 1:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    prober = ScapyProber(SystemClock(), "adsl1", "lo", ProbePlan("127.0.0.1", ("127.0.0.1",)))
    try:
        asyncio.run(anext(prober.replies()))
    except DriverError as error:
        print(error)
"""


@pytest.mark.parametrize("arguments", [(), pytest.param(("nobody",), marks=on_wires)])
def test_scapy_comes_narrow_needs_no_home_and_says_what_right_is_missing(tmp_path, arguments):
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-c", NARROW, *arguments]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cannot probe on lo: ") == bool(arguments)
    assert list(tmp_path.iterdir()) == []


ABANDON = """
import os, sys
from drivers.peers.providers import Providers
providers = Providers(("adsl1", "adsl2"))
providers.start()
print(providers.site, *[each.internet.pid for each in providers._providers.values()], flush=True)
sys.stdin.read()
"""


@pytest.mark.peers
@on_wires
def test_what_a_killed_run_left_is_removed_at_the_next():
    words = [sys.executable, "-c", ABANDON]
    victim = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    site, *internets = victim.stdout.readline().split()
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert (peers.NETNS / site).exists()
    with Providers(()) as providers:
        assert not (peers.NETNS / site).exists()
        assert (peers.NETNS / providers.site).exists()
    assert not (peers.NETNS / providers.site).exists()
    asyncio.run(until(lambda: not any(map(runs, internets))))  # they end with their owner's pipe


def runs(pid):
    """Tell whether a process is there and no zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.peers
@on_wires
def test_a_fault_may_end_by_itself_and_a_wrong_link_is_named():
    async def play(providers):
        link = Watched(providers, "adsl1", interval_s=0.2)
        async with watching(link):
            await until(lambda: link.echoes(Outcome.REPLIED) >= 6)
            providers.cut("adsl1", for_s=0.8)
            await until(lambda: link.echoes(Outcome.LOST) >= 3)
            before = link.echoes(Outcome.REPLIED)
            await until(lambda: link.echoes(Outcome.REPLIED) >= before + 6)

    with Providers(("adsl1",)) as providers:
        asyncio.run(play(providers))
        with pytest.raises(DriverError, match="no link 'adsl9'"):
            providers.cut("adsl9")


def test_the_contract_is_run_whole():
    assert {law.__name__ for law in LAWS} == {
        name
        for name, law in vars(contract_prober).items()
        if asyncio.iscoroutinefunction(law) and law.__module__ == contract_prober.__name__
    }


@pytest.mark.soak
@pytest.mark.peers
@on_wires
def test_random_cuts_are_all_told_in_time(capsys):
    cuts_per_link, dice = 5, random.Random(11)

    async def hurt(providers, link):
        for fault, times in ((providers.cut, link.downs), (providers.mend, link.ups)) * cuts_per_link:
            await asyncio.sleep(3.0 + dice.random())
            before, began_s = len(link.facts), link.clock.now().mono_s
            fault(link.link)
            async with asyncio.timeout(15.0):
                while len(link.facts) == before:
                    await asyncio.sleep(0.01)
            times.append(link.facts[-1][0] - began_s)

    async def play(providers):
        links = [Watched(providers, link) for link in providers.links]
        async with watching(*links):
            await asyncio.gather(*(hurt(providers, link) for link in links))
        return links

    with Providers(tuple(f"adsl{number}" for number in range(1, 9))) as providers:
        links = asyncio.run(play(providers))
    downs = sorted(took_s for link in links for took_s in link.downs)
    ups = sorted(took_s for link in links for took_s in link.ups)
    with capsys.disabled():
        print(f"\n{len(downs)} cuts: told in {downs[len(downs) // 2]:.2f} s (median), {downs[-1]:.2f} s (slowest);")
        print(f"mended: told in {ups[len(ups) // 2]:.2f} s (median), {ups[-1]:.2f} s (slowest)")
    assert len(downs) == len(ups) == 40
    assert downs[-1] <= 4.0
    assert ups[-1] <= 10.0
    assert all(len(link.facts) == 1 + 2 * cuts_per_link for link in links)
