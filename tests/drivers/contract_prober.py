"""What every `Prober` promises, whatever plays it: the contract suite of the role.

A *subject* is a link that is being probed and can be hurt by the verbs of `drivers.verbs`. `LAWS` are coroutines over
one subject, fresh for each; `test_prober.py` runs all of them over every subject of its table.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from drivers.contract import LinkId
from drivers.probing import LinkSight, Outcome, ProbeKind, ProbeReply

LINK = LinkId("adsl1")
ROUND = {ProbeKind.ARP, ProbeKind.HOP, ProbeKind.ECHO}
WAIT_S = 60.0  # of the subject's own time


@dataclass(frozen=True, slots=True)
class Subject:
    """A probed link: its sights, its far targets, and the one who obeys "cut adsl1" and the like."""

    replies: AsyncIterator[LinkSight]
    gateway: str
    targets: tuple[str, ...]
    obey: Callable[[str], None]

    async def rounds(self, count: int) -> list[ProbeReply]:
        """Return the next fates: `count` rounds of them."""
        async with asyncio.timeout(WAIT_S):
            return [await self.fate() for _ in range(count * (2 + 2 * len(self.targets)))]

    async def fate(self) -> ProbeReply:
        """Return the next fate of a round; what is asked only now and then is passed over."""
        while True:
            sight = await anext(self.replies)
            if isinstance(sight, ProbeReply) and sight.kind in ROUND and sight.outcome.fate and not sight.size:
                return sight

    async def settled(self, *, arp: Outcome, echo: Outcome) -> None:
        """Wait until three rounds in a row had these fates alone: also what was under way is told then."""
        in_a_row = 0
        async with asyncio.timeout(WAIT_S):
            while in_a_row < 3 * (2 + 2 * len(self.targets)):
                fate = await self.fate()
                in_a_row = in_a_row + 1 if fate.outcome is (arp if fate.kind is ProbeKind.ARP else echo) else 0


async def every_round_asks_the_box_once_and_each_target_twice(subject: Subject) -> None:
    for _ in range(10):  # a busy machine may lose or delay one
        fates = await subject.rounds(4)
        if all(fate.outcome is Outcome.REPLIED and (fate.rtt_s or 0.0) < 0.1 for fate in fates):
            break
    assert Counter((fate.kind, fate.target) for fate in fates if fate.kind is not ProbeKind.HOP) == {
        (ProbeKind.ARP, subject.gateway): 4,
        **{(ProbeKind.ECHO, target): 8 for target in subject.targets},
    }
    assert all(fate.link == LINK and fate.outcome is Outcome.REPLIED for fate in fates)
    assert all(fate.rtt_s is not None and 0.0 < fate.rtt_s < 0.3 for fate in fates)


async def fates_come_in_the_order_they_became_known(subject: Subject) -> None:
    fates = await subject.rounds(2)
    subject.obey("cut adsl1")
    fates += await subject.rounds(4)
    subject.obey("mend adsl1")
    fates += await subject.rounds(4)
    assert all(a.at.mono_s <= b.at.mono_s for a, b in pairwise(fates))
    assert all((fate.rtt_s is None) == (fate.outcome is not Outcome.REPLIED) for fate in fates)
    each = Counter(fate.target for fate in fates if fate.kind is ProbeKind.ECHO)
    assert max(each.values()) - min(each.values()) <= 4  # nobody is told twice, nobody forgotten


async def a_cut_line_loses_echoes_while_its_box_still_answers(subject: Subject) -> None:
    await subject.rounds(1)
    subject.obey("cut adsl1")
    await subject.settled(arp=Outcome.REPLIED, echo=Outcome.LOST)
    subject.obey("mend adsl1")
    await subject.settled(arp=Outcome.REPLIED, echo=Outcome.REPLIED)


async def a_dead_box_answers_nothing(subject: Subject) -> None:
    await subject.rounds(1)
    subject.obey("box adsl1")
    await subject.settled(arp=Outcome.LOST, echo=Outcome.LOST)
    subject.obey("mend adsl1")
    await subject.settled(arp=Outcome.REPLIED, echo=Outcome.REPLIED)


async def without_a_cable_nothing_is_sent(subject: Subject) -> None:
    await subject.rounds(1)
    subject.obey("unplug adsl1")
    await subject.settled(arp=Outcome.NO_CARRIER, echo=Outcome.NO_CARRIER)
    subject.obey("mend adsl1")
    await subject.settled(arp=Outcome.REPLIED, echo=Outcome.REPLIED)


async def a_delay_is_seen_as_delay(subject: Subject) -> None:
    await subject.rounds(1)
    subject.obey("delay adsl1 80ms")
    await subject.rounds(1)
    fates = await subject.rounds(3)
    echoes = [fate.rtt_s for fate in fates if fate.kind is ProbeKind.ECHO]
    assert all(rtt_s is None or rtt_s > 0.079 for rtt_s in echoes)
    assert median(rtt_s or 1.0 for rtt_s in echoes) < 0.2
    assert median(fate.rtt_s or 1.0 for fate in fates if fate.kind is ProbeKind.ARP) < 0.05


async def a_lossy_line_loses_some(subject: Subject) -> None:
    await subject.rounds(1)
    subject.obey("loss adsl1 0.5")
    fates = await subject.rounds(8)
    lost = [fate for fate in fates if fate.outcome is Outcome.LOST]
    assert 12 <= len(lost) <= 44
    assert sum(fate.kind is ProbeKind.ARP for fate in lost) <= 1  # a busy machine may lose one


LAWS = (
    every_round_asks_the_box_once_and_each_target_twice,
    fates_come_in_the_order_they_became_known,
    a_cut_line_loses_echoes_while_its_box_still_answers,
    a_dead_box_answers_nothing,
    without_a_cable_nothing_is_sent,
    a_delay_is_seen_as_delay,
    a_lossy_line_loses_some,
)
