"""Pages through one of two boxes on one LAN, both 192.168.1.1: on the wires, where kernels and forgers have their say.

What a conversation makes of each segment is `test_segments`'; here the far ends are real TCP. Tier: peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from dataclasses import replace

import pytest

from drivers import pinnedtcp
from drivers.canary import TurnedAway
from drivers.peers import namespaces
from drivers.peers.namespaces import NETNS, enter
from drivers.peers.providers import Providers
from drivers.pinnedtcp import PinnedTcp
from drivers.probing import Burst, CheckRate, Outcome, Page, ProbeKind, RateMeasured
from drivers.sockfilter import attach
from drivers.wire import mac_of
from tests.drivers.test_prober_faults import LIMIT_S, Seen, now_s, play, probing, until

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never"),
]
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


def test_a_kernel_that_stops_no_listeners_ears_has_no_page_read_and_is_no_loss(monkeypatch, caplog):
    """Newer kernels want CAP_NET_ADMIN for a filter on TCP, and the service has it not."""

    def attach_no_tcp(to, program):
        if to.family == socket.AF_INET:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        attach(to, program)

    monkeypatch.setattr(pinnedtcp, "attach", attach_no_tcp)
    with PinnedTcp("lo", bytes(6), lambda: "127.0.0.1") as road:
        assert road.busy
    assert "CAP_NET_ADMIN" in caplog.text
