"""One line under its judge, without wires, its seconds counted by hand: for what takes days, or thousands of lines.

It is asked as `drivers.pace` has it asked, bursts included, and each probe is waited for as `drivers.flights` waits; so
a day of it is a day of the real prober's. Truth is what a test does to the line. Tier: sim.
"""

from __future__ import annotations

import heapq
import random
from datetime import UTC, datetime, timedelta

from agent.rules.links import LinkChanged, LinkPolicy, LinkWatch
from drivers.contract import LinkId, Moment, Trust
from drivers.flights import Patience
from drivers.pace import paced
from drivers.probing import Burst, IcmpError, Outcome, Page, ProbeKind, ProbePlan, ProbeReply

LINK, BOX, HOP = LinkId("adsl1"), "192.168.1.1", "100.64.0.254"
OWN, PUBLIC = "100.64.1.53", "198.51.100.53"
TARGETS = ("192.0.2.1", "198.51.100.1", "203.0.113.1")
PAGE = Page("192.0.2.80", "canari.example.org", "/canari", "gardien canari")
PLAN = ProbePlan(BOX, TARGETS, resolvers=(OWN, PUBLIC), name="canari.example.org", canary=PAGE)
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
RTT_S, DAY_S = 0.03, 86_400.0
PAGE_S, SENT_AGAIN_S = 4.0, (0.0, 1.0, 3.0)  # what a page may take; when TCP sends what nobody acknowledged (RFC 6298)


class Line:
    """While `cut` everything beyond the box is lost; `bad` says of a second whether what leaves then is lost.

    What is asked of an address in `dead` is lost, of one in `lying` answered wrong.
    """

    def __init__(self, bad=lambda second: False, plan=PLAN):
        self.bad, self.cut, self.dead, self.lying = bad, False, set(), set()
        self.plan, self.second, self.turn, self.syns = plan, 0.0, -1, 0
        self.told, self.facts = [], []  # fates to come: (second, number, sight), and what the judge said
        self.count = 0
        self.watch = LinkWatch(LINK, LinkPolicy(resolver=OWN), plan.targets)
        self.patience = Patience()
        self.pace = paced(0.0, plan, self)

    def ask_arp(self):
        self.send(ProbeKind.ARP, BOX)

    def ask_hop(self):
        self.send(ProbeKind.HOP, HOP)
        self.turn += self.turn % 3 == 1  # the next would be the last target, as the hop's is

    def ask_targets(self):
        for _ in range(self.plan.at_once):
            self.turn += 1
            self.send(ProbeKind.ECHO, self.plan.targets[self.turn % len(self.plan.targets)])

    def ask_syn(self):
        self.syns += 1
        self.send(ProbeKind.SYN, self.plan.targets[1 + self.syns % 2])

    def ask_full(self):
        self.send(ProbeKind.ECHO, self.plan.targets[0], size=1500)

    def ask_name(self, resolver):
        self.send(ProbeKind.DNS, resolver)

    def ask_page(self, page):
        self.send(ProbeKind.CANARY, page.at)

    def send(self, kind, target, size=0):
        """Send one probe; its fate is told when it is answered, or at its deadline."""
        self.count += 1
        took_s = self.takes_s(kind, target)
        rare = bool(size) or kind in {ProbeKind.DNS, ProbeKind.SYN}
        patience_s = self.patience.lasts_s(target, 1.0, arp=kind is ProbeKind.ARP, rare=rare)
        if kind is ProbeKind.CANARY:
            patience_s = PAGE_S
        if took_s is None or took_s > patience_s:
            self.tell(kind, target, Outcome.LOST, patience_s, size=size)
            return
        self.patience.learn(target, took_s)
        self.tell(kind, target, Outcome.WRONG if target in self.lying else Outcome.REPLIED, took_s, size=size)

    def takes_s(self, kind, target):
        """Return how long an answer takes, None if there is none. A page is two answers: a word, then itself."""
        if kind is ProbeKind.ARP:
            return RTT_S
        if self.cut or target in self.dead:
            return None
        if kind is not ProbeKind.CANARY:
            return None if self.bad(self.second) else RTT_S
        took_s = RTT_S
        for _ in range(2):
            waits_s = next((again_s for again_s in SENT_AGAIN_S if not self.bad(self.second + took_s + again_s)), None)
            if waits_s is None:
                return None
            took_s += RTT_S + waits_s
        return took_s

    def tell(self, kind, target, outcome, after_s, *, size=0, error=None, says=""):
        """Let the judge hear a fate, some time from now."""
        told_s = self.second + after_s
        at = Moment(NOON + timedelta(seconds=told_s), told_s, "boot-1", Trust.SYNCHRONISED)
        rtt_s = after_s if outcome is Outcome.REPLIED else None
        reply = ProbeReply(at, LINK, kind, target, outcome, rtt_s, self.second, error=error, says=says, size=size)
        heapq.heappush(self.told, (told_s, self.count, reply))

    def run(self, until_s):
        """Go on to a second; whatever the judge says and asks is done at its own moment."""
        while True:
            due_s = self.pace.next_s(self.second)
            told_s = self.told[0][0] if self.told else due_s
            self.second = max(self.second, min(due_s, told_s))
            if self.second > until_s:
                self.second = until_s
                return
            while self.told and self.told[0][0] <= self.second:
                self.hear(heapq.heappop(self.told)[2])
            for act in self.pace.due(self.second):
                act()

    def hear(self, reply):
        fact = self.watch.observe(reply)
        if isinstance(fact, LinkChanged):
            self.facts.append((self.second, fact.now, fact.cause))
        for ask in self.watch.asks():
            if isinstance(ask, Burst):
                self.pace.burst(self.second, ask.for_s, ask.kind)


class Refusals:
    """What a Linux box may say when there is no way: at most twice at once.

    `ip_error` and `icmp_ratelimit` each take a token of the same five, one comes back a second, and the one is taken
    also where the other is then missing (net/ipv4/route.c, net/ipv4/icmp.c).
    """

    def __init__(self):
        self.tokens, self.filled_s = 5.0, 0.0

    def may(self, second):
        self.tokens, self.filled_s = min(5.0, self.tokens + second - self.filled_s), second
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        said = self.tokens >= 1.0
        self.tokens -= said
        return said


class RefusedLine(Line):
    """A line behind a Linux box that says when there is no way."""

    def __init__(self):
        super().__init__()
        self.refusals = Refusals()

    def send(self, kind, target, size=0):
        if not (self.cut and kind is not ProbeKind.ARP and self.refusals.may(self.second)):
            super().send(kind, target, size)
            return
        self.count += 1
        error = IcmpError("" if kind is ProbeKind.CANARY else BOX, 3, 1)
        says = TARGETS[-1] if kind is ProbeKind.HOP else ""
        self.tell(kind, target, Outcome.UNREACHABLE, 0.001, size=size, error=error, says=says)


def independent(loss, seed):
    """Return a line's bad moments: each probe is thrown for by itself."""
    dice = random.Random(seed)
    return lambda _: dice.random() < loss


def spells(seed, share=0.10, spell_s=0.1):
    """Return a line's bad moments: spells of `spell_s` that make up `share` of the time, the same for a seed."""

    def bad(second):
        return random.Random(f"{seed}:{int(second / spell_s)}").random() < share

    return bad
