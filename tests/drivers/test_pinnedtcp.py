"""Pages through one of two boxes on one LAN, both 192.168.1.1: on the wires, where kernels and forgers have their say.

What a conversation makes of each segment is `test_segments`'; here the far ends are real TCP. Tier: peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest

from drivers import silentport
from drivers.canary import Fetched, TurnedAway, fetch
from drivers.peers import namespaces
from drivers.peers.namespaces import NETNS, enter, entering, run
from drivers.peers.providers import Providers
from drivers.pinnedtcp import PinnedTcp
from drivers.probing import Burst, CheckRate, Outcome, Page, ProbeKind, RateMeasured
from drivers.silentport import silent_port
from drivers.wire import mac_of
from tests.drivers.test_canary import RESETS, hanging_up
from tests.drivers.test_prober_faults import LIMIT_S, Seen, now_s, play, probing, until

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never"),
]
ROOT = Path(__file__).parents[2]
ETH_P_ALL = 3
PAGE = Page("192.0.2.80", "canari.example.org", "/canari", "gardien canari")
REPLIED, LOST, WRONG, CANARY = Outcome.REPLIED, Outcome.LOST, Outcome.WRONG, ProbeKind.CANARY
BOXES = {"adsl1": "02:00:00:00:01:01", "adsl2": "02:00:00:00:02:01"}


def pinned(providers):
    return [Seen(providers, link, gateway_mac=mac, interval_s=0.5) for link, mac in BOXES.items()]


def canaries(link, since_s=0.0):
    """Return the fates of the pages asked for since."""
    return [s for s in link.replies(*Outcome) if s.kind is CANARY and (s.sent_s or 0.0) > since_s]


async def asked_anew(*links):
    """Have each link ask for the page once more, and return the last fate of each."""
    since_s = now_s()
    for link in links:
        await until(lambda link=link: link.told(ProbeKind.ECHO, REPLIED) and not link.prober._round._road.busy)
        link.prober.ask(Burst(0.1))
    await until(lambda: all(canaries(link, since_s) for link in links))
    return [canaries(link, since_s)[-1] for link in links]


def test_a_portal_and_a_dead_line_are_told_of_the_link_they_are_on():
    async def script(providers):
        one, two = pinned(providers)
        async with probing(one, two):
            sound = await asked_anew(one, two)
            assert [(s.outcome, s.says, s.mac) for s in sound] == [
                (REPLIED, "200", BOXES["adsl1"]), (REPLIED, "200", BOXES["adsl2"]),
            ]  # fmt: skip
            await asyncio.to_thread(providers.ill, "adsl1", "portal")
            await asyncio.to_thread(providers.cut, "adsl2")
            portal, dead = await asked_anew(one, two)
            assert (portal.outcome, portal.says, portal.mac) == (WRONG, "302 http://portail.example/", BOXES["adsl1"])
            assert (dead.outcome, dead.mac, dead.rtt_s) == (LOST, "", None)
            await asyncio.to_thread(providers.mend, "adsl1")
            await asyncio.to_thread(providers.mend, "adsl2")
            assert [s.outcome for s in await asked_anew(one, two)] == [REPLIED, REPLIED]

    with Providers(tuple(BOXES), shared=True) as providers:
        play(providers, script(providers))


def test_a_box_that_knows_no_way_says_so_and_a_closed_port_refuses():
    async def script(providers):
        with PinnedTcp("lan0", mac_of(BOXES["adsl1"]), lambda: "192.168.1.2") as road:
            await asyncio.to_thread(providers.refuse, "adsl1")
            with pytest.raises(TurnedAway) as away:
                await road.read(PAGE, 4096)
            assert (away.value.error.by, away.value.error.type, away.value.error.code) == ("192.168.1.1", 3, 1)
            with pytest.raises(ConnectionRefusedError):  # the box itself has no server
                await road.read(replace(PAGE, at="192.168.1.1"), 4096)
            await asyncio.to_thread(providers.mend, "adsl1")
            assert (await road.read(PAGE, 4096)).endswith(b"gardien canari\n")
            assert (road.strays, road.busy) == (0, False)

    with Providers(tuple(BOXES), shared=True) as providers:
        play(providers, script(providers))


def test_a_page_that_is_reset_in_the_middle_is_no_wrong_page():
    async def script():
        with PinnedTcp("lan0", mac_of(BOXES["adsl2"]), lambda: "192.168.1.2") as road:
            async with asyncio.timeout(LIMIT_S):
                return [await fetch(road, replace(PAGE, at="192.168.1.1")) for _ in RESETS]

    with Providers(tuple(BOXES), shared=True) as providers:
        with providers.inside("adsl2"):
            listening = socket.create_server(("192.168.1.1", 80))
        with listening, hanging_up(listening, *RESETS):
            assert play(providers, script()) == [Fetched(*fate) for fate in RESETS.values()]


def test_each_line_s_rate_is_measured_within_a_tenth_and_its_budget():
    async def measured(link):
        link.sights.clear()
        link.prober.ask(CheckRate())
        await until(lambda: any(isinstance(sight, RateMeasured) for sight in link.sights))
        return next(sight for sight in link.sights if isinstance(sight, RateMeasured))

    async def script(providers):
        one, two = pinned(providers)
        await asyncio.to_thread(providers.rate, "adsl1", 17e6)
        await asyncio.to_thread(providers.rate, "adsl2", 4e6)
        async with probing(one, two):
            await until(lambda: all(link.told(ProbeKind.ECHO, REPLIED) >= 3 for link in (one, two)))
            fast, slow = await measured(one), await measured(two)
        # 1440 bytes of IP are 1454 of Ethernet, which is what tc-htb(8) counts: 16.84 and 3.961 Mbit/s of IP
        assert (fast.why, slow.why) == ("", "")
        assert 15.2e6 <= fast.down_bit_s <= 18.5e6
        assert 3.57e6 <= slow.down_bit_s <= 4.36e6
        for each in (fast, slow):
            assert 1_000_000 <= each.received_bytes <= 1_130_000

    with Providers(tuple(BOXES), shared=True) as providers:
        play(providers, script(providers))


@contextlib.contextmanager
def forger(providers):
    """Stand on the LAN and answer each of our TCP frames to port 80 at once, before the server can, with lies."""
    lies, ending = [], threading.Event()

    def lie():
        enter(NETNS / providers.site.replace("-site", "-lan"))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
            wire.bind(("port0", ETH_P_ALL))
            wire.settimeout(0.1)
            while not ending.is_set():
                try:
                    seen = wire.recv(2048)
                except TimeoutError:
                    continue
                if seen[23] == 6 and seen[36:38] == b"\x00\x50":
                    for each in forged(seen):
                        wire.send(each)
                        lies.append(each)

    thread = threading.Thread(target=lie)
    thread.start()
    try:
        yield lies
    finally:
        ending.set()
        thread.join()


def forged(seen):
    """Return what a neighbour or a broken box may send in the server's name, in answer to one frame of ours."""
    from scapy.layers.inet import IP, TCP  # noqa: PLC0415
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    asked = Ether(seen)
    ours = asked[TCP]
    back = IP(src=asked[IP].dst, dst=asked[IP].src)
    answer = TCP(sport=80, dport=ours.sport, seq=7, ack=ours.seq + 1, flags="SA")
    page = b"HTTP/1.1 302 Found\r\nLocation: http://pirate.example/\r\n\r\n"
    box, neighbour = Ether(src=asked.dst, dst=asked.src), Ether(src="02:00:00:00:66:66", dst=asked.src)
    guess = TCP(sport=80, dport=ours.sport, seq=ours.ack + 7_000_000, ack=ours.seq + 1)
    return [
        bytes(neighbour / back / answer),  # another MAC
        bytes(neighbour / back / TCP(sport=80, dport=ours.sport, seq=ours.ack, ack=ours.seq + 1, flags="RA")),
        bytes(box / back / TCP(sport=80, dport=ours.sport, seq=ours.ack, ack=ours.seq + 9_000, flags="RA")),
        bytes(box / back / guess / page)[:70],  # cut short
        bytes(box / back / TCP(sport=80, dport=ours.sport, seq=ours.ack, ack=ours.seq, chksum=7, flags="A") / page),
    ]


def test_what_a_forger_on_the_lan_says_in_the_servers_name_is_counted_and_no_more():
    async def script(providers):
        with forger(providers) as lies, PinnedTcp("lan0", mac_of(BOXES["adsl2"]), lambda: "192.168.1.2") as road:
            async with asyncio.timeout(LIMIT_S):
                while road.strays < 20 or len(lies) < 50:  # on a busy machine some come when the page is read
                    assert (await road.read(PAGE, 4096)).startswith(b"HTTP/1.1 200 OK")

    with Providers(tuple(BOXES), shared=True) as providers:
        play(providers, script(providers))


def test_a_kernel_that_keeps_no_port_silent_has_no_page_read_and_is_no_loss(monkeypatch, caplog):
    async def tried(road):
        with pytest.raises(OSError, match="keeps no port silent"):
            await road.download(PAGE, 1 << 20)

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(silentport, "signed_by_everybody", lambda: b"")
    with PinnedTcp("lo", bytes(6), lambda: "127.0.0.1") as road:
        assert not road.busy
    monkeypatch.setattr(silentport, "attach", refused)
    with PinnedTcp("lo", bytes(6), lambda: "127.0.0.1") as road:
        assert road.busy
        asyncio.run(tried(road))
    assert "no pages over lo: this kernel keeps no port silent" in caplog.text


@pytest.mark.parametrize("way", ["signatures", "filter"])
def test_a_silent_port_opens_to_nobody_and_refuses_nobody(way, monkeypatch):
    if way == "filter":
        monkeypatch.setattr(silentport, "signed_by_everybody", lambda: b"")
    with silent_port("lo") as (port, silent), socket.create_server(("127.0.0.1", 0)) as open_to_all:
        assert silent
        socket.create_connection(open_to_all.getsockname(), LIMIT_S).close()
        for key in (b"", bytes(80)):
            with socket.socket() as stranger:
                if key:  # and whoever signs with a key of his own
                    everywhere = bytes((2,)).ljust(128, b"\0") + b"\x01\x00\x50\x00".ljust(8, b"\0") + key
                    stranger.setsockopt(socket.IPPROTO_TCP, 32, everywhere)
                stranger.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    stranger.connect(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):  # as the kernel does where nobody holds it
        socket.create_connection(("127.0.0.1", port), LIMIT_S)


UNPRIVILEGED = """
import asyncio, ctypes, json, os, struct, sys
from drivers.clock import SystemClock
from drivers.prober import ScapyProber
from drivers.probing import CheckRate, Page, ProbeKind, ProbePlan, RateMeasured

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
raw = 1 << 13  # CAP_NET_RAW
assert LIBC.capset(struct.pack("=II", 0x20080522, 0), struct.pack("=6I", raw, raw, 0, 0, 0, 0)) == 0
rights = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")]
SITE = "192.0.2.80", "canari.example.org"
CANARY, RATE = Page(*SITE, "/canari", "gardien canari"), Page(*SITE, "/rate")

async def watch(mac, told):
    plan = ProbePlan("192.168.1.1", ("198.51.100.1",), 0.5, gateway_mac=mac, canary=CANARY, rate=RATE)
    prober = ScapyProber(SystemClock(), mac, "lan0", plan)
    page = ""
    async for sight in prober.replies():
        if getattr(sight, "kind", "") == ProbeKind.CANARY and not page:
            page = f"{sight.outcome} {sight.says} {sight.mac}"
            prober.ask(CheckRate())
        elif isinstance(sight, RateMeasured) and sight.why == "busy":  # they share an interface: the other's check
            prober.ask(CheckRate())
        elif isinstance(sight, RateMeasured):
            told.set_result((page, sight.why, sight.down_bit_s))

async def both():
    told = [asyncio.get_running_loop().create_future() for _ in sys.argv[1:]]
    tasks = [asyncio.ensure_future(watch(*each)) for each in zip(sys.argv[1:], told, strict=True)]
    print(json.dumps(rights + await asyncio.wait_for(asyncio.gather(*told), 60)), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # the prober goes on meanwhile
    assert not any(task.done() for task in tasks)

asyncio.run(both())
"""
OVERHEARD = (
    "table inet overheard {\n chain said {\n type filter hook output priority 0\n meta l4proto tcp counter\n }\n}\n"
)


def test_with_the_right_of_the_unit_alone_two_boxes_pages_are_read_and_the_kernel_says_no_word(tmp_path):
    """nftables sees what the kernel sends, and not the frames of a packet socket."""
    with Providers(tuple(BOXES), shared=True) as providers:
        providers.rate("adsl1", 17e6)
        providers.rate("adsl2", 4e6)
        site, lan = providers.site, providers.site.replace("-site", "-lan")
        run(*entering(site), "nft", "-f", "-", text=OVERHEARD)
        run("ip", "-n", lan, "addr", "add", "192.168.1.9/24", "dev", "br0")
        words = [*entering(site), sys.executable, "-c", UNPRIVILEGED, *BOXES.values()]
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        with subprocess.Popen(words, cwd=tmp_path, env=environment, stdin=PIPE, stdout=PIPE, text=True) as service:
            rights, *links = json.loads(service.stdout.readline())
            ports = re.findall(r":(\d+)", run(*entering(site), "ss", "-Htln"))
            assert len(ports) >= 2
            assert {asked(lan, port) for port in ports} == {"silence"}
            said = run(*entering(site), "nft", "list", "table", "inet", "overheard")
            service.communicate("")
        assert (service.returncode, rights) == (0, "0000000000002000")
        assert [page for page, _, _ in links] == [f"replied 200 {mac}" for mac in BOXES.values()]
        assert [why for _, why, _ in links] == ["", ""]
        assert 14e6 <= links[0][2] <= 20e6  # how well, says the test above
        assert 3.3e6 <= links[1][2] <= 4.7e6
        assert "counter packets 0 bytes 0" in said
        assert asked(lan, ports[0]) == "refused"  # and that is seen
        assert "counter packets 1 " in run(*entering(site), "nft", "list", "table", "inet", "overheard")


def asked(lan, port):
    """Return what a stranger on the LAN hears at a port of ours."""
    program = "import socket, sys; socket.create_connection(('192.168.1.2', int(sys.argv[1])), 1)"
    words = [*entering(lan), sys.executable, "-c", program, port]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return "open" if not done.returncode else "refused" if "ConnectionRefused" in done.stderr else "silence"
