"""A tape judged again: the same observations through today's rules give facts, one JSON line each.

A site's odd night becomes a test: keep its tape, state the lines expected. Nothing is written to any ledger. The
lines carry no sequence number; they stand in the order in which the observations came, with the tape's times. Bodies
are canonical JSON, so two replays compare byte for byte.

Judged here: links, badges at the door's readers (by the roster on the tape, and by what else the door then knew: an
event window, the day's first-in, the uses of bookings; a tape older than that knows none), the door's leaf. A held
leaf is told at the moment its rule asked for, as the door service would.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config import Site
from agent.memory.codec import encode
from agent.rules.door import CALM, admit, believed, let_out
from agent.rules.facts import Fact
from agent.rules.leaf import LeafWatch
from agent.rules.links import LinkPolicy, LinkWatch
from agent.rules.members import Roster
from agent.tape import Seen, SeenBadge, SeenConditions, SeenLoss, SeenRelease, SeenRoster, read_tape
from drivers.contract import InputChanged, LinkId, Moment, Trust
from drivers.probing import ProbeReply, RateMeasured, WireReading


def replay_lines(folder: Path, site: Site) -> Iterator[str]:
    """Yield the facts of a tape as JSON lines. Raises TapeError, after the facts of all that can be read."""
    for at, fact in judge_tape(read_tape(folder), site):
        row = encode(fact, at, "replay")
        yield f'{{"at":"{row.utc}","kind":"{row.kind}","mono_s":{row.mono_s},"fact":{row.body}}}'


def judge_tape(tape: Iterator[Seen], site: Site) -> Iterator[tuple[Moment, Fact]]:
    """Yield each fact with its moment."""
    bench = _Bench(site)
    for seen in tape:
        yield from bench.ring(seen.at)
        fact = bench.judge(seen)
        if fact is not None:
            yield seen.at, fact


class _Bench:
    """The rules of one site, as they stand while the tape runs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zone = ZoneInfo(site.site.timezone)
        self._links = {
            name: LinkWatch(LinkId(name), LinkPolicy(link.interval_s), link.targets)
            for name, link in site.links.items()
        }
        self._policy = site.door_policy
        self._boot = ""
        self._leaf = self._fresh_leaf()
        self._roster = Roster(0)
        self._now = CALM
        self._newest: datetime | None = None

    def ring(self, at: Moment) -> Iterator[tuple[Moment, Fact]]:
        """Wake the rules whose time has come before `at`."""
        if self._boot != at.boot:  # the door service starts anew, and its leaf with it
            self._boot, self._leaf = at.boot, self._fresh_leaf()
        while (wakes_at := self._leaf.wakes_at) is not None and wakes_at <= at.mono_s:
            asked = replace(at, mono_s=wakes_at, utc=at.utc - timedelta(seconds=at.mono_s - wakes_at))
            fact = self._leaf.wake(asked)
            if fact is not None:
                yield asked, fact

    def _fresh_leaf(self) -> LeafWatch:
        door = self._site.door
        return (
            LeafWatch(60.0, 10.0)
            if door is None
            else LeafWatch(door.held_s, door.grace_s, sees_leaving=door.sees_leaving)
        )

    def judge(self, seen: Seen) -> Fact | None:
        """Judge one observation."""
        match seen:
            case ProbeReply() | WireReading() | RateMeasured():
                watch = self._links.get(seen.link)
                return watch.see(seen) if watch else None
            case SeenLoss():
                watch = self._links.get(seen.link)
                return watch.lost_prober(seen.at) if watch else None
            case InputChanged():
                return self._leaf.observe(seen)
            case SeenBadge():
                return self._badge(seen)
            case SeenRoster():
                self._roster = seen.roster
            case SeenConditions():
                self._now = seen.now
            case SeenRelease():
                self._leaf.released(seen.at)
        return None

    def _badge(self, seen: SeenBadge) -> Fact | None:
        reader = self._site.readers.get(seen.reader)
        if reader is None or reader.at != "door":
            return None
        if reader.direction == "out":
            return let_out(seen.card, self._roster, seen.reader)
        now = believed(seen.at.utc, seen.at.trust, self._newest)
        if seen.at.trust is not Trust.UNKNOWN:
            self._newest = now
        local = now.astimezone(self._zone)
        return admit(seen.card, self._roster, self._policy, local, seen.at.trust, seen.reader, self._now)
