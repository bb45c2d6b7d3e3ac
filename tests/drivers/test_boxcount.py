"""A box's own byte counters: asked in BER that pysnmp reads, steps spread, wraps and resets told apart. Tier: rule.

And over the wires, where the box's agent is `drivers.peers.boxagent`, which shares no code with ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder
from pysnmp.proto.api import v2c

from agent.rules.linkfacts import WORKS
from agent.rules.links import Cause, Health, LinkPolicy, LinkWatch
from drivers.boxcount import BoxCount, answer, question
from drivers.contract import LinkId
from drivers.frames import read_frame
from drivers.peers import namespaces
from drivers.peers.agent import COUNTER64, Agent, Value, counter, dotted
from drivers.peers.boxagent import BoxAgent
from drivers.peers.providers import FAR_TARGETS, Providers
from drivers.probing import BoxCounters
from tests.drivers.test_prober_faults import Seen, now_s, play, probing, until

ASKED = BoxCounters("public", 300)
MACS, ADDRESSES = (bytes(6), bytes.fromhex("020000000101")), ("192.168.1.2", "192.168.1.1")
COLUMNS = {"in": "1.3.6.1.2.1.2.2.1.10", "out": "1.3.6.1.2.1.2.2.1.16"}
WIDE = {"in": "1.3.6.1.2.1.31.1.1.1.6", "out": "1.3.6.1.2.1.31.1.1.1.10"}
TURN = 2**32


def mib(received, sent, *, wide=False):
    table = {
        dotted(f"{COLUMNS['in']}.300"): counter(received),
        dotted(f"{COLUMNS['out']}.300"): counter(sent),
    }
    if wide:
        table |= {
            dotted(f"{WIDE['in']}.300"): Value(COUNTER64, received),
            dotted(f"{WIDE['out']}.300"): Value(COUNTER64, sent),
        }
    return table


class Box:
    """A box that is asked at moments of its own, and answered by the copier's agent."""

    def __init__(self):
        self.count = BoxCount(ASKED)
        self.told = []

    def at(self, now_s, received, sent, *, wide=False, mac=MACS[1], turned=lambda said: said):
        (frame,) = self.count.due(now_s, MACS, ADDRESSES, 40000)
        said = Agent(lambda: mib(received, sent, wide=wide))._answer(frame[42:])
        back = MACS[0] + mac + frame[12:26] + frame[30:34] + frame[26:30]
        back += frame[36:38] + frame[34:36] + (8 + len(said)).to_bytes(2, "big") + b"\0\0" + turned(said)
        back = back[:16] + (len(back) - 14).to_bytes(2, "big") + back[18:]
        heard = self.count.hear(read_frame(back), now_s)
        self.told.append(self.count.totals(now_s))
        return heard

    def rates(self):
        """Return bytes a second, in and out, between each two looks."""
        return [None if a is None or b is None else (b[0] - a[0], b[1] - a[1]) for a, b in pairwise(self.told)]


def test_the_question_is_what_pysnmp_reads():
    message, rest = decoder.decode(question(ASKED, 0x41424344), asn1Spec=v2c.Message())
    assert (rest, int(message["version"]), bytes(message["community"])) == (b"", 1, b"public")
    asked = v2c.apiMessage.get_pdu(message)
    assert type(asked).__name__ == "GetRequestPDU"
    assert int(v2c.apiPDU.get_request_id(asked)) == 0x41424344
    assert [str(oid) for oid, _ in v2c.apiPDU.get_varbinds(asked)] == [
        "1.3.6.1.2.1.31.1.1.1.6.300",
        "1.3.6.1.2.1.31.1.1.1.10.300",
        "1.3.6.1.2.1.2.2.1.10.300",
        "1.3.6.1.2.1.2.2.1.16.300",
    ]


@pytest.mark.parametrize("wide", [True, False])
def test_what_a_box_says_is_told_as_totals_that_run_on(wide):
    box = Box()
    for second in range(6):
        assert box.at(float(second), 10**6 + 2000 * second, 5 * 10**5 + 100 * second, wide=wide)
    assert box.told[0] is None
    assert box.rates()[1:] == [(2000, 100)] * 4


def test_a_box_that_counts_in_steps_is_spread_over_them():
    box = Box()
    for second in range(31):
        box.at(float(second), 50_000 * (second // 5), 1000 * (second // 5))
    assert box.rates()[11:] == [(10_000, 200)] * 19


def test_a_line_that_falls_idle_is_told_idle():
    box = Box()
    for second in range(12):
        box.at(float(second), 1000 * min(second, 4), 10)
    assert box.rates()[-3:] == [(0, 0)] * 3


def test_a_narrow_counter_goes_round_and_a_reset_counts_nothing():
    round_, reset, wide = Box(), Box(), Box()
    for second in range(8):
        round_.at(float(second), (TURN - 5000 + 2000 * second) % TURN, 7 * second)
        reset.at(float(second), (3_000_000_000 if second < 4 else 0) + 2000 * second, 7 * second)
        wide.at(float(second), (9 * TURN if second < 4 else 0) + 2000 * second, 7 * second, wide=True)
    assert round_.rates()[1:] == [(2000, 7)] * 6
    assert reset.rates()[1:] == wide.rates()[1:] == [(2000, 7)] * 3 + [(0, 7)] + [(2000, 7)] * 2


def test_a_box_that_falls_silent_has_no_counters():
    box = Box()
    for second in range(4):
        box.at(float(second), 2000 * second, 0)
    assert box.count.totals(7.9) is not None
    assert box.count.totals(8.1) is None
    box.at(20.0, 40_000, 0)
    assert box.told[-1] is not None


def test_the_numbers_of_questions_go_round_and_stay_of_four_bytes(monkeypatch):
    monkeypatch.setattr("drivers.boxcount.secrets.randbits", lambda bits: 2**bits - 4)
    box = Box()
    for second in range(6):
        assert box.at(float(second), 2000 * second, 100 * second)
    assert box.rates()[1:] == [(2000, 100)] * 4


def test_it_asks_once_a_second_and_only_a_box_that_is_known():
    count = BoxCount(ASKED)
    assert count.due(0.0, (MACS[0], b""), ADDRESSES, 40000) == []
    assert count.due(0.0, MACS, ("192.168.1.2", ""), 40000) == []
    assert [len(count.due(at / 2, MACS, ADDRESSES, 40000)) for at in range(6)] == [1, 0, 1, 0, 1, 0]


def test_another_s_answer_an_old_one_and_garbage_are_none():
    box = Box()
    assert not box.at(0.0, 1, 1, mac=bytes.fromhex("020000000201"))
    assert not box.at(1.0, 1, 1, turned=lambda said: said[:-1])
    assert not box.at(2.0, 1, 1, turned=lambda said: said.replace(b"public", b"secret"))
    kept = []
    assert box.at(3.0, 1, 1, turned=lambda said: kept.append(said) or said)
    assert not box.at(4.0, 9, 9, turned=lambda _: kept[0])
    assert box.told == [None] * 5


@given(st.binary(max_size=200), st.integers(0, 120))
def test_garbage_raises_nothing_but_a_value_error(noise, cut):
    good = Agent(lambda: mib(7, 8))._answer(question(ASKED, 0x41424344))
    for message in (noise, good[:cut] + noise):
        try:
            said = answer(message, ASKED, 0x41424344)
        except ValueError:
            continue
        assert said is None or (said[2] == 32 and 0 <= min(said) <= max(said) < 2**32)


# --- over the wires: two boxes with one address, ---------------------------------------


@pytest.mark.peers
@pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never")
def test_what_others_send_through_each_of_two_boxes_is_told():
    async def script(providers):
        counted = {"adsl1": BoxAgent(wide=False, begin=TURN - 100_000), "adsl2": BoxAgent(step_s=1.5)}
        links = [
            Seen(providers, link, gateway_mac=providers.gateway_mac(link), box_counters=BoxCounters("public", 4))
            for link in counted
        ]
        one, two = links
        try:
            for link, box in counted.items():
                await box.start(providers, link)
            async with probing(*links):
                await until(lambda: all(link.readings() and rate(link, "received") is not None for link in links))
                await asyncio.to_thread(providers.ill, "adsl1", "flood down 4e6")
                await asyncio.to_thread(providers.ill, "adsl2", "flood up 1e6")
                # 1000-byte packets of IP
                await until(lambda: 3e6 <= (rate(one, "received") or 0) <= 5e6 and (rate(one, "sent") or 0) < 1e5)
                await until(lambda: 7e5 <= (rate(two, "sent") or 0) <= 1.3e6 and (rate(two, "received") or 0) < 1e5)
        finally:
            for box in counted.values():
                box.stop()

    def rate(link, way):
        """Return the bits a second of the last two readings that a second lies between."""
        last = [each for each in link.readings()[-3:] if getattr(each, f"{way}_bytes") is not None]
        if len(last) < 2:
            return None
        first, latest = last[0], last[-1]
        moved = getattr(latest, f"{way}_bytes") - getattr(first, f"{way}_bytes")
        return 8 * moved / (latest.at.mono_s - first.at.mono_s)

    with Providers(("adsl1", "adsl2"), shared=True) as providers:
        play(providers, script(providers))


class Judged(Seen):
    """One link whose contract is known, under its judge, and the moments at which a change was told."""

    def __init__(self, providers, link):
        gateway = providers.gateway(link)
        super().__init__(providers, link, gateway=gateway, box_counters=BoxCounters("public", 4))
        self.watch = LinkWatch(LinkId(link), LinkPolicy(down_bit_s=8e6, up_bit_s=1e6), FAR_TARGETS)
        self.facts = []

    async def run(self):
        async with contextlib.aclosing(self.prober.replies()) as sights:
            async for sight in sights:
                self.sights.append(sight)
                fact = self.watch.see(sight)
                for ask in self.watch.asks():
                    self.prober.ask(ask)
                self.facts += [(sight.at.mono_s, fact)] if fact else []

    def told(self, cause):
        return any(fact.cause is cause for _, fact in self.facts)

    def by_counters(self):
        """Return what the box counts now, in Mbit/s, as the evidence has it: down, up."""
        found = re.search(r"down ([\d.]+) up ([\d.]+) Mbit/s", self.watch._quality.evidence())
        return tuple(map(float, found.groups())) if found else (0.0, 0.0)


@pytest.mark.peers
@pytest.mark.skipif(bool(namespaces.available()), reason=namespaces.available() or "never")
def test_lines_full_of_others_traffic_are_told_full_their_way_and_nothing_worse():
    """8 Mbit/s down and 1 up, deep queues. Seen: told after 1.8 s down, 2.7 s up, 2.7 s both ways; asked are 5 s."""

    async def script(providers):
        up, down, both = links = [Judged(providers, link) for link in ("fullup", "fulldown", "fullboth")]
        boxes = [BoxAgent() for _ in links]
        try:
            for box, link in zip(boxes, links, strict=True):
                await box.start(providers, link.link)
            async with probing(*links):
                await until(lambda: all(link.told(Cause.NONE) and len(link.replies()) > 24 for link in links))
                began_s = now_s()
                for link in links:
                    await asyncio.to_thread(providers.saturate, link.link, link.link.removeprefix("full"))
                await until(lambda: up.told(Cause.UPLOAD) and both.told(Cause.UPLOAD) and down.told(Cause.DOWNLOAD))
                await until(lambda: up.by_counters()[1] >= 0.8 > up.by_counters()[0])
                await until(lambda: down.by_counters()[0] >= 6.4 and down.by_counters()[1] < 0.1)
                await until(lambda: both.by_counters()[0] >= 6.4 and both.by_counters()[1] >= 0.8)
                await until(lambda: all(link.watch.health is Health.SATURATED for link in links))
                assert [link.watch.cause for link in links] == [Cause.UPLOAD, Cause.DOWNLOAD, Cause.UPLOAD]
        finally:
            for box in boxes:
                box.stop()
        for link in links:
            first = next(at_s for at_s, fact in link.facts if fact.now is Health.SATURATED)
            assert first - began_s <= 15.0
            assert {fact.now for _, fact in link.facts} <= WORKS

    with Providers(("fullup", "fulldown", "fullboth"), seed=3) as providers:
        play(providers, script(providers))
