"""The door's stories, with scripted far ends, the real ledger, and virtual time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.live import LiveDoor
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.door import Access, DoorChanged, DoorPolicy, EntryDecided, LatchMoved, Passage
from agent.rules.facts import CardKey, Fact, FormulaId, MemberId
from agent.rules.hours import DAYS, WeeklyHours
from agent.rules.leaf import DoorFaultChanged, EntryUnused
from agent.rules.members import Card, Member, Roster
from agent.rules.readers import StrangersChanged
from agent.stories import bequest
from agent.stories.bequest import Intents, newest_known
from agent.stories.door import Door, Ways, mind_badges
from agent.stories.leaf import mind_latch, mind_leaf
from drivers.contract import (
    BadgeRead,
    CardNumber,
    DriverError,
    InputChanged,
    InputId,
    LatchState,
    LockChanged,
    Moment,
    ReaderId,
    Trust,
)
from drivers.virtual import VirtualClock, VirtualLoop

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Paris
POLICY = DoorPolicy(
    access={FormulaId("subscriber"): Access.ALWAYS, FormulaId("occasional"): Access.HOURS},
    hours=WeeklyHours.parse(dict.fromkeys(DAYS[:5], ("09:00-18:00",))),
)
WAYS = Ways(POLICY, ZoneInfo("Europe/Paris"), hold_s=5.0, held_s=60.0)
ROSTER = Roster(
    version=1,
    members={
        MemberId("anne"): Member(MemberId("anne"), FormulaId("subscriber"), date(2026, 1, 1), None),
        MemberId("bob"): Member(MemberId("bob"), FormulaId("occasional"), date(2026, 1, 1), date(2026, 11, 23)),
    },
    cards={
        CardKey("key-AA"): Card(CardKey("key-AA"), MemberId("anne"), blocked=False),
        CardKey("key-BB"): Card(CardKey("key-BB"), MemberId("bob"), blocked=False),
    },
)


class People:
    """A roster store that can be out of order."""

    def __init__(self) -> None:
        self.broken = ""

    def roster(self) -> Roster:
        if "roster" in self.broken:
            raise LedgerError("the roster cannot be read")
        return ROSTER

    def card_key(self, card: CardNumber) -> CardKey:
        if "key" in self.broken:
            raise LedgerError("the key cannot be read")
        return CardKey(f"key-{card.hex}")


class Broken:
    """A ledger that refuses: at once, or by its future."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once

    def append(self, fact: Fact, at: Moment, key: str) -> asyncio.Future[int]:
        if self.at_once:
            raise LedgerError("no more fit")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_exception(LedgerError("the disk is full"))
        return future


class Script:
    """Every far end of one door: plays a script by virtual time and keeps what was done to the latch."""

    def __init__(self, clock: VirtualClock, *play: tuple[float, str]) -> None:
        self.clock = clock
        self.play = play
        self.done: list[tuple[float, str]] = []
        self.dead_latch = False
        self.seen: Callable[[], None] = lambda: None

    async def _until(self, s: float) -> None:
        await asyncio.sleep(max(0.0, s - self.clock.now().mono_s))

    async def badges(self) -> AsyncIterator[BadgeRead]:
        for s, what in self.play:
            await self._until(s)
            yield BadgeRead(self.clock.now(), ReaderId("porte"), CardNumber(what))

    async def inputs(self) -> AsyncIterator[InputChanged]:
        for s, what in self.play:
            await self._until(s)
            name, active = {"open": ("contact", True), "shut": ("contact", False), "press": ("exit_button", True)}[what]
            yield InputChanged(self.clock.now(), InputId(name), active)

    async def latch(self) -> AsyncIterator[LockChanged]:
        for s, what in self.play:
            await self._until(s)
            if what == "lost":
                raise DriverError("no latch can be kept alive")
            yield LockChanged(self.clock.now(), LatchState(what), "told")

    async def release(self, hold_s: float) -> Moment:
        self.seen()
        if self.dead_latch:
            raise DriverError("the latch could not be reached")
        self.done.append((self.clock.now().mono_s, f"release {hold_s}"))
        return self.clock.now()

    async def relock(self) -> None:
        if self.dead_latch:
            raise DriverError("the latch could not be reached")
        self.done.append((self.clock.now().mono_s, "relock"))

    def as_reader(self) -> Any:
        return _As(badges=self.badges)

    def as_inputs(self) -> Any:
        return _As(changes=self.inputs)

    def as_lock(self) -> Any:
        return _As(changes=self.latch, release=self.release, relock=self.relock)


class _As:
    def __init__(self, **methods: Any) -> None:
        self.__dict__.update(methods)


class Site:
    """A door with a real ledger in `folder`."""

    def __init__(self, folder: Path, clock: VirtualClock, books: Any) -> None:
        self.people = People()
        self.shown: list[LiveDoor] = []
        self.folder = folder
        self.books = books
        self.door = Door(WAYS, books, self.people, clock, Intents(folder / "run"), self.shown.append)

    def intents(self) -> list[dict[str, Any]]:
        files = (self.folder / "run" / "intent").glob("*.json")
        return [json.loads(file.read_text()) for file in files]


def play(
    folder: Path, scene: Callable[[Site, VirtualClock], Awaitable[None]], books: Any = None
) -> tuple[list[Fact], Site]:
    """Run a scene in virtual time; return the facts in the ledger afterwards."""
    with Ledger.open(folder / "ledger.db") as ledger:
        loop = VirtualLoop(busy=lambda: ledger.pending > 0)
        try:
            clock = VirtualClock(loop, START)
            site = Site(folder, clock, books or ledger)

            async def whole() -> None:
                await scene(site, clock)
                while ledger.pending:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)

            loop.run_until_complete(whole())
        finally:
            loop.close()
        return [entry.fact for entry in ledger.entries()], site


def test_granted_and_refused(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"), (2.0, "BB"), (3.0, "CC"))
        far.seen = lambda: at_release.append([intent["key"] for intent in site.intents()])
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        done.extend(far.done)

    at_release: list[list[str]] = []
    done: list[tuple[float, str]] = []
    facts, site = play(tmp_path, scene)
    assert [(fact.member, fact.granted, fact.rule) for fact in facts if isinstance(fact, EntryDecided)] == [
        ("anne", True, "always"),
        ("bob", True, "opening-hours"),
        ("", False, "unknown-card"),
    ]
    assert done == [(1.0, "release 5.0"), (2.0, "release 5.0")]
    assert "porte:virtual:1.000000:key-AA" in at_release[0]  # the intent stood before the latch moved
    assert "porte:virtual:2.000000:key-BB" in at_release[1]
    assert site.intents() == []  # and went with the commit
    live = site.shown[-1]
    assert live.last_rule == "unknown-card"
    assert live.last_granted == datetime(2026, 11, 23, 9, 0, 2, tzinfo=UTC)
    assert live.last_refused == datetime(2026, 11, 23, 9, 0, 3, tzinfo=UTC)


def test_a_grant_that_nobody_used_is_written_down(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"), (30.0, "CC"), (40.0, "BB"))
        leaf = Script(clock, (0.5, "shut"), (43.0, "open"), (46.0, "shut"), (90.0, "shut"))
        async with asyncio.TaskGroup() as both:
            both.create_task(mind_leaf(site.door, leaf.as_inputs(), leaf.as_lock()))
            both.create_task(mind_badges(site.door, far.as_reader(), far.as_lock()))

    facts, _ = play(tmp_path, scene)
    assert [fact.granted for fact in facts if isinstance(fact, EntryDecided)] == [True, False, True]
    unused = [fact for fact in facts if isinstance(fact, EntryUnused)]
    assert unused == [EntryUnused("porte", "porte:virtual:1.000000:key-AA")]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_door_opens_with_a_broken_ledger_and_forgets_nothing(tmp_path: Path, at_once: bool) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"), (2.0, "CC"))
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        assert far.done == [(1.0, "release 5.0")]

    facts, site = play(tmp_path, scene, Broken(at_once=at_once))
    assert facts == []
    assert [intent["key"] for intent in site.intents()] == ["porte:virtual:1.000000:key-AA"]

    async def next_start(site: Site, clock: VirtualClock) -> None:
        assert site.door.recover() == 1

    facts, site = play(tmp_path, next_start)
    assert [(fact.member, fact.rule) for fact in facts if isinstance(fact, EntryDecided)] == [("anne", "always")]
    assert site.intents() == []


def test_an_intent_the_ledger_already_holds_is_not_written_twice(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"))
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        entry = site.door.judge(BadgeRead(clock.now(), ReaderId("porte"), CardNumber("AA")), "in")
        assert entry is not None
        at = replace(clock.now(), mono_s=1.0)
        site.door.intend(entry, at, "porte:virtual:1.000000:key-AA")  # killed after the commit, before the file went
        assert site.door.recover() == 1

    facts, site = play(tmp_path, scene)
    assert len(facts) == 1
    assert site.intents() == []


def test_leftovers_that_cannot_be_read_are_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "run" / "intent"
    folder.mkdir(parents=True)
    (folder / "torn.json").write_text('{"kind": "entry-dec')
    (folder / "half.1234").write_text("x")
    stamp = {"utc": "2026-11-23T09:00:00+00:00", "mono_s": 1.0, "boot": "b", "trust": "synchronised", "key": "k"}
    (folder / "foreign.json").write_text(json.dumps({"kind": "no-such-kind", "body": "{}", **stamp}))

    async def scene(site: Site, clock: VirtualClock) -> None:
        assert site.door.recover() == 0

    with caplog.at_level(logging.ERROR):
        facts, _ = play(tmp_path, scene)
    assert facts == []
    assert list(folder.iterdir()) == []
    assert "an intent cannot be read" in caplog.text


def test_intents_are_bounded_and_the_door_still_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bequest, "INTENTS", 1)

    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"), (2.0, "AA"))
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        assert far.done == [(1.0, "release 5.0"), (2.0, "release 5.0")]

    _, site = play(tmp_path, scene, Broken(at_once=True))
    assert len(site.intents()) == 1
    assert "opens without its intent" in caplog.text


def test_the_last_roster_goes_on_when_the_store_is_out_of_order(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"))
        site.people.broken = "roster"
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        assert far.done == []  # nobody is known yet: no opening, and no refusal that would be false
        site.people.broken = ""
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        site.people.broken = "roster"
        await asyncio.sleep(1.0)
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        assert [s for s, _ in far.done] == [1.0, 2.0]
        site.people.broken = "roster and key"
        await mind_badges(site.door, far.as_reader(), far.as_lock())
        assert len(far.done) == 2

    facts, _ = play(tmp_path, scene)
    assert len(facts) == 2


def test_time_never_falls_below_the_newest_known(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock)
        read = BadgeRead(clock.now(), ReaderId("porte"), CardNumber("BB"))
        days_later = replace(read.at, utc=datetime(2026, 11, 30, 9, 0, tzinfo=UTC))
        back_then = replace(read.at, utc=datetime(1970, 1, 1, tzinfo=UTC), trust=Trust.UNKNOWN)
        rules = []
        for at in (read.at, back_then, days_later, back_then, replace(read.at, trust=Trust.RESTORED)):
            entry = site.door.judge(replace(read, at=at), "in")
            assert entry is not None
            rules.append(entry.rule)
        assert rules == ["opening-hours", "clock-untrusted", "member-expired", "member-expired", "member-expired"]
        assert far.done == []

    play(tmp_path, scene)


def test_newest_known_believes_only_a_clock_that_was_believed(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert newest_known(ledger) is None
        good = Moment(START, 1.0, "b", Trust.RESTORED)
        ledger.append_now(LatchMoved("resting", "x"), good, "1")
        ledger.append_now(DoorChanged(Passage.UNKNOWN, Passage.CLOSED), replace(good, utc=START.replace(hour=7)), "2")
        future = Moment(datetime(2099, 1, 1, tzinfo=UTC), 2.0, "b", Trust.UNKNOWN)
        ledger.append_now(
            EntryDecided("r", CardKey("k"), MemberId(""), FormulaId(""), granted=False, rule="x"), future, "3"
        )
        assert newest_known(ledger) == START


def test_the_way_out_opens_for_a_card_we_know(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "BB"), (2.0, "CC"))
        await asyncio.sleep(12 * 3600)  # long after closing
        await mind_badges(site.door, far.as_reader(), far.as_lock(), "out")
        assert len(far.done) == 1

    facts, _ = play(tmp_path, scene)
    assert [(fact.rule, fact.granted) for fact in facts if isinstance(fact, EntryDecided)] == [
        ("way-out", True),
        ("unknown-card", False),
    ]


def test_a_latch_that_cannot_be_reached_is_shown_and_the_badge_written(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (1.0, "AA"), (2.0, "AA"))
        far.dead_latch = True
        site.door.tell(latch="resting")
        await mind_badges(site.door, far.as_reader(), far.as_lock())

    facts, site = play(tmp_path, scene)
    assert len(facts) == 2
    assert site.door.live.latch == "unknown"


def test_latch_moves_are_facts_until_the_latch_is_lost(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        far = Script(clock, (0.0, "resting"), (1.0, "released"), (1.0, "resting"), (2.0, "lost"))
        with pytest.raises(DriverError):
            await mind_latch(site.door, far.as_lock())

    facts, site = play(tmp_path, scene)
    assert facts == [LatchMoved("resting", "told"), LatchMoved("released", "told"), LatchMoved("resting", "told")]
    assert [live.latch for live in site.shown] == ["resting", "released", "resting", "unknown"]


def test_the_leaf_relocks_is_held_and_is_forced(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        badge = Script(clock, (10.0, "AA"))
        leaf = Script(
            clock, (0.0, "shut"), (12.0, "open"), (80.0, "shut"), (200.0, "open"), (201.0, "shut"), (300.0, "press"),
            (308.0, "open"), (309.0, "shut"),
        )  # fmt: skip
        lock = leaf.as_lock()
        await asyncio.gather(
            mind_badges(site.door, badge.as_reader(), lock), mind_leaf(site.door, leaf.as_inputs(), lock)
        )
        assert leaf.done == [(10.0, "release 5.0"), (12.0, "relock"), (300.0, "release 5.0"), (308.0, "relock")]

    facts, site = play(tmp_path, scene)
    assert [(fact.was.value, fact.now.value) for fact in facts if isinstance(fact, DoorChanged)] == [
        ("unknown", "closed"),
        ("closed", "open"),
        ("open", "held"),
        ("held", "closed"),
        ("closed", "forced"),
        ("forced", "closed"),
        ("closed", "open"),
        ("open", "closed"),
    ]
    assert site.door.live.leaf == "unknown"  # the inputs' story ended


def test_the_held_alarm_comes_on_time(tmp_path: Path) -> None:
    times: list[tuple[str, float]] = []

    async def scene(site: Site, clock: VirtualClock) -> None:
        site.door._show = lambda live: times.append((live.leaf, round(clock.now().mono_s, 2)))
        leaf = Script(clock, (0.0, "open"), (100.0, "shut"))
        leaf.dead_latch = True  # a latch that cannot relock stops nothing here
        await mind_leaf(site.door, leaf.as_inputs(), leaf.as_lock())

    play(tmp_path, scene)
    assert [times[0], *times[2:3], times[4]] == [("open", 0.0), ("held", 60.0), ("closed", 100.0)]
    assert [time for time in times if time[1] == 48.0] == [("open", 48.0)]  # it lingers


def test_an_open_leaf_says_since_when_and_only_if_it_was_seen_to_open(tmp_path: Path) -> None:
    seen: list[tuple[str, datetime | None]] = []

    async def scene(site: Site, clock: VirtualClock) -> None:
        site.door._show = lambda live: seen.append((live.leaf, live.opened))
        leaf = Script(
            clock, (0.0, "open"), (100.0, "shut"), (200.0, "open"), (300.0, "shut"), (400.0, "press"), (405.0, "open"),
            (500.0, "press"),
        )  # fmt: skip
        leaf.dead_latch = True
        await mind_leaf(site.door, leaf.as_inputs(), leaf.as_lock())

    play(tmp_path, scene)
    forced, entered = (datetime(2026, 11, 23, 9, *at, tzinfo=UTC) for at in ((3, 20, 250000), (6, 45)))
    assert list(dict.fromkeys(seen)) == [
        ("open", None),  # as it was found
        ("held", None),
        ("closed", None),
        ("forced", forced),  # once nobody had explained it
        ("open", entered),
        ("held", entered),  # and not since it counts as held
        ("unknown", None),  # its inputs are gone
    ]


def test_a_stuck_button_is_told_and_releases_once(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        leaf = Script(clock, (0.0, "shut"), (10.0, "press"), (200.0, "shut"))
        await mind_leaf(site.door, leaf.as_inputs(), leaf.as_lock())
        assert leaf.done == [(10.0, "release 5.0")]

    facts, site = play(tmp_path, scene)
    assert [(fact.fault, fact.present) for fact in facts if isinstance(fact, DoorFaultChanged)] == [
        ("exit-stuck", True)
    ]
    assert ("exit-stuck",) in {live.faults for live in site.shown}
    assert site.shown[-1].faults == ()  # nobody knows any more


def test_a_member_is_let_in_at_once_while_numbers_are_tried(tmp_path: Path) -> None:
    async def scene(site: Site, clock: VirtualClock) -> None:
        tried = [(10.0 + n, f"7700{n:02X}") for n in range(40)]
        badge = Script(clock, *sorted([*tried, (20.5, "AA"), (45.5, "AA")]))
        await mind_badges(site.door, badge.as_reader(), badge.as_lock())
        assert badge.done == [(20.5, "release 5.0"), (45.5, "release 5.0")]

    facts, site = play(tmp_path, scene)
    refused = [fact for fact in facts if isinstance(fact, EntryDecided) and not fact.granted]
    assert len(refused) == 9  # 10 to 14, then after 2, 4, 8 and 16 seconds
    assert [fact for fact in facts if isinstance(fact, StrangersChanged)] == [StrangersChanged("porte", "sequence", 5)]
    assert dict(site.door.live.strangers) == {"porte": "sequence"}
