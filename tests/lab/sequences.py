"""One line and its judge through faults that follow each other, without wires: what is said at each moment, and was it
right? Kinds of line differ in their round trips, jitter, rates and queues. Tier: sim (`tests.lab.line`).

A *phase* is (fault, seconds); `play` hurts a line by one after the other and returns its words, `judged` what was wrong
with them. A fault is the lab's (`tests.lab.matrix`), its size thrown for by a seed. Expected words are literals.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace
from datetime import timedelta

from agent.rules.links import LinkPolicy, LinkWatch
from drivers.contract import Moment, Trust
from drivers.probing import IcmpError, Outcome, ProbeKind, ProbeReply, WireReading
from tests.lab.line import BOX, HOP, LINK, NOON, OWN, PAGE_S, SENT_AGAIN_S, TARGETS, Line, Refusals

FAULTS = {
    "cable": {"down cable"},
    "box": {"down box"},
    "line": {"down line"},
    "refused": {"down line"},
    "isp": {"down isp"},
    "target": {"up none"},
    "dns dead": {"dns_broken dns_dead"},
    "dns lying": {"dns_broken dns_lying"},
    "portal": {"portal page"},
    "full up": {"saturated upload"},
    "full down": {"saturated download"},
    "loss": {"degraded loss"},
    "delay": {"degraded delay"},
    "far delay": {"degraded delay"},
    "hole": {"degraded hole"},
    "sound": {"up none"},
}
OUT = {"down", "portal", "dns_broken"}
RADIO_S = 0.05  # policies of radio lines bear more delay than this


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of line: seconds, and bits a second."""

    rtt_s: tuple[float, float]
    jitter_s: float
    delay_s: float  # of its policy
    down_bit_s: float
    up_queue_s: tuple[float, float]
    down_queue_s: tuple[float, float]
    longer_s: tuple[float, float]  # what a longer way adds


SORTS = {
    "adsl": Sort((0.02, 0.05), 0.002, 0.03, 5e6, (0.6, 1.2), (0.12, 0.38), (0.1, 0.4)),
    "vdsl": Sort((0.015, 0.03), 0.001, 0.03, 17e6, (0.3, 0.9), (0.07, 0.11), (0.1, 0.4)),
    "4g": Sort((0.06, 0.12), 0.02, 0.08, 20e6, (0.6, 1.5), (0.3, 0.6), (0.3, 0.6)),
    "sat": Sort((0.58, 0.62), 0.01, 0.25, 50e6, (1.2, 1.8), (1.0, 1.6), (1.0, 1.3)),
}


class Played(Line):
    """A line of a kind under faults by their names, with late answers, a carrier, and readings of its interface."""

    def __init__(self, sort, seed):
        self.sort, self.dice = SORTS[sort], random.Random(f"{sort}:{seed}")
        self.rtt_s = self.dice.uniform(*self.sort.rtt_s)
        self.faults, self.sizes, self.began_s, self.full_s = set(), {}, {}, ("", 0.0, 0.0)
        self.refusals, self.heard_s, self.read_s = Refusals(), 0.0, 0.0
        self.words = []
        super().__init__()
        self.watch = LinkWatch(
            LINK, LinkPolicy(resolver=OWN, delay_s=self.sort.delay_s, down_bit_s=self.sort.down_bit_s), TARGETS
        )

    def hurt(self, *faults):
        """End the faults there are, but these, and begin these."""
        for name in set(faults) - self.faults:
            self.began_s[name] = self.second
            self.sizes[name] = self._size(name)
        for name in self.faults - set(faults):
            if name.startswith("full"):
                self.full_s = (name, self._queue_s(), self.second)
        self.faults = set(faults) - {"sound"}
        if "cable" in self.faults:
            self.told = [(self.second, count, self._lost_now(sight)) for _, count, sight in self.told]
            heapq.heapify(self.told)

    def _now(self):
        return Moment(NOON + timedelta(seconds=self.second), self.second, "boot-1", Trust.SYNCHRONISED)

    def _lost_now(self, sight):
        return replace(sight, at=self._now(), outcome=Outcome.LOST, rtt_s=None)

    def _size(self, name):
        match name:
            case "full up":
                return self.dice.uniform(*self.sort.up_queue_s)
            case "full down":
                return self.dice.uniform(*self.sort.down_queue_s)
            case "loss":
                return self.dice.uniform(0.05, 0.15)
            case _:
                return self.dice.uniform(*self.sort.longer_s)

    def _queue_s(self):
        """Return the queue's length: it fills, then swings as TCP does or stays full; one that was left drains."""
        longest_s = 0.0
        for name in self.faults & {"full up", "full down"}:
            size_s, age_s = self.sizes[name], self.second - self.began_s[name]
            swing = 1.0 - (0.4 * ((age_s / 3.0) % 1.0) if int(size_s * 1000) % 2 else 0.15 * self.dice.random())
            longest_s = max(longest_s, min(age_s / 1.5, 1.0) * size_s * swing)
        _, left_s, ended_s = self.full_s
        return max(longest_s, left_s - (self.second - ended_s))

    def ask_arp(self):
        window_s, self.read_s = self.second - self.read_s, self.second
        age_s = self.second - self.heard_s
        self.judge(
            WireReading(
                at=self._now(),
                link=LINK,
                carrier="cable" not in self.faults,
                address="192.168.1.2",
                gateway_mac="02:aa",
                gateway_age_s=age_s,
                received_bytes=None,
                sent_bytes=None,
                dropped=0,
                stepped_s=0.0,
                starved_s=0.0,
                foreign=0,
                window_s=window_s,
            )
        )
        super().ask_arp()

    def send(self, kind, target, size=0):
        if "cable" in self.faults:
            self.count += 1
            gone = ProbeReply(self._now(), LINK, kind, target, Outcome.NO_CARRIER, None, None, size=size)
            heapq.heappush(self.told, (self.second, self.count, gone))
            return
        if (
            "refused" in self.faults
            and "box" not in self.faults
            and kind is not ProbeKind.ARP
            and self.refusals.may(self.second)
        ):
            self.count += 1
            error = IcmpError("" if kind is ProbeKind.CANARY else BOX, 3, 1)
            says = TARGETS[-1] if kind is ProbeKind.HOP else ""
            self.tell(kind, target, Outcome.UNREACHABLE, 0.001, size=size, error=error, says=says)
            return
        self.count += 1
        took_s = self.takes_s(kind, target, size)
        rare = bool(size) or kind in {ProbeKind.DNS, ProbeKind.SYN}
        patience_s = self.patience.lasts_s(target, 1.0, arp=kind is ProbeKind.ARP, rare=rare)
        if kind is ProbeKind.CANARY:
            patience_s = PAGE_S
        if took_s is None or took_s > patience_s:
            self.tell(kind, target, Outcome.LOST, patience_s, size=size)
        if took_s is not None and took_s > patience_s and kind is not ProbeKind.CANARY:
            self.count += 1
            self.tell(kind, target, Outcome.LATE, took_s, size=size)
        elif took_s is not None and took_s <= patience_s:
            wrong = (kind is ProbeKind.CANARY and "portal" in self.faults) or (
                target == OWN and "dns lying" in self.faults
            )
            self.tell(kind, target, Outcome.WRONG if wrong else Outcome.REPLIED, took_s, size=size)

    def tell(self, kind, target, outcome, after_s, **said):
        super().tell(kind, target, outcome, after_s, **said)
        if outcome is Outcome.LATE:  # the line's own word knows only of answers in time
            told_s, count, sight = self.told.pop(next(i for i, each in enumerate(self.told) if each[1] == self.count))
            heapq.heapify(self.told)
            late = ProbeReply(sight.at, LINK, kind, target, outcome, after_s, sight.sent_s, size=sight.size)
            heapq.heappush(self.told, (told_s, count, late))

    def takes_s(self, kind, target, size=0):  # noqa: PLR0911  (one line per way a line can be)
        faults = self.faults
        if "box" in faults:
            return None
        if kind is ProbeKind.ARP:
            return 0.0004
        if faults & {"line", "refused"} or ("isp" in faults and kind is not ProbeKind.HOP):
            return None
        if ("target" in faults and target == TARGETS[1]) or ("dns dead" in faults and target == OWN):
            return None
        if "hole" in faults and size:
            return None
        if kind is ProbeKind.CANARY:
            return self._page_s()
        return self._trip_s(kind)

    def _page_s(self):
        took_s = 0.0
        for _ in range(2):
            trips = [(waits_s, self._trip_s(ProbeKind.CANARY)) for waits_s in SENT_AGAIN_S]
            there = [waits_s + trip_s for waits_s, trip_s in trips if trip_s is not None]
            if not there:
                return None
            took_s += there[0]
        return took_s

    def _trip_s(self, kind):
        """Return one round trip, None if it is lost."""
        queue_s = self._queue_s()
        share = self.sizes["loss"] if "loss" in self.faults else 0.03 if self.faults & {"full up", "full down"} else 0.0
        if self.dice.random() < share:
            return None
        base_s = self.rtt_s * (0.6 if kind is ProbeKind.HOP else 1.0)
        longer_s = self.sizes["delay"] if "delay" in self.faults else 0.0
        if "far delay" in self.faults and kind is not ProbeKind.HOP:
            longer_s += self.sizes["far delay"]
        return base_s + self.dice.random() * self.sort.jitter_s + longer_s + queue_s

    def hear(self, reply):
        if reply.outcome in {Outcome.REPLIED, Outcome.LATE}:
            if reply.kind is ProbeKind.ARP:
                self.heard_s = self.second
            elif reply.kind is not ProbeKind.CANARY and reply.rtt_s is not None:
                self.patience.learn(reply.target or HOP, reply.rtt_s)
        self.judge(reply)

    def judge(self, sight):
        before = (self.watch.health, self.watch.cause)
        self.watch.see(sight)
        if (self.watch.health, self.watch.cause) != before:
            self.words.append((self.second, f"{self.watch.health} {self.watch.cause}"))
        for ask in self.watch.asks():
            self.pace.burst(self.second, ask.for_s, ask.kind)


def play(sort, seed, *phases):
    """Return the words of a line that was sound for 30 s, and when each phase began: (second, faults)."""
    line = Played(sort, seed)
    line.run(30.0 + line.dice.random())
    begun = [(line.second, ("sound",))]
    for faults, lasts_s in phases:
        line.hurt(*faults)
        begun.append((line.second, faults))
        line.run(line.second + lasts_s)
    return line, begun


TOLD_S, ENDS_S, LOSS_S = 10.0, 12.0, 45.0  # within these a fault is told, and its end; the end of losses


def right(line, faults):
    """Return what may be said of these: where one hides the others, only that."""
    for hides in ("cable", "box", "refused", "line", "isp"):
        if hides in faults:
            return FAULTS[hides]
    may = set().union(*(FAULTS[each] for each in faults))
    if line.sort.delay_s > RADIO_S and any(word.startswith("saturated") for word in may):
        return may | FAULTS["full up"] | FAULTS["full down"]  # no size of a delay tells the way of a radio line's queue
    return may


def judged(line, begun):
    """Return what was wrong: (how, number of the phase, the word, seconds since it began)."""
    wrong, words = [], [(0.0, "unknown gap"), *line.words]
    ends = [at for at, _ in begun[1:]] + [line.second]
    for number, ((from_s, faults), to_s) in enumerate(zip(begun, ends, strict=True)):
        may, before = right(line, faults), right(line, begun[max(0, number - 1)][1])
        lossy = any("loss" in earlier for _, earlier in begun[: number + 1])
        spoken = [(at - from_s, word) for at, word in words if number and from_s <= at < to_s]
        for after_s, word in spoken:
            fine = word in may or word == "up none" or (word in before and after_s <= ENDS_S)
            if fine or (lossy and word == "degraded loss" and after_s <= LOSS_S):
                continue
            healths = {each.split()[0] for each in (may | before if after_s <= ENDS_S else may)}
            out = word.split()[0] in OUT - healths  # a cause that is wrong while it still comes back is a wrong word
            wrong.append(("falsely out" if out else "wrong word", number, word, round(after_s, 1)))
        within_s = LOSS_S if lossy else ENDS_S
        if number and to_s - from_s > within_s:
            stands = [word for at, word in words if at <= from_s + within_s][-1]
            if stands not in may:
                wrong.append(("stands", number, stands, within_s))
        if len(spoken) > 3:
            wrong.append(("many words", number, " > ".join(word for _, word in spoken), len(spoken)))
    return wrong
