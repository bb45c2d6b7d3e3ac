"""Admission over time: codes used up, the first in, a lockdown, the last list; across restarts, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.bookings import Alarm, Booking, BookingId, BookingUsed, DayOpened, Lockdown
from agent.rules.door import EntryDecided
from agent.rules.facts import CardKey, FormulaId
from agent.rules.members import Roster
from agent.rules.remote import OpenedRemotely, WindowClosed, WindowEnd
from agent.stories.bequest import Intents, Known, mind_list, remembered
from agent.stories.door import Door, mind_badges
from agent.stories.remote import Strike
from drivers.verbs import parse
from drivers.virtual import VirtualClock, VirtualLoop
from tests.stories.test_door_story import POLICY, ROSTER, START, WAYS, Broken, People, Script
from tests.stories.test_remote_story import Porch, porch

CODE = Booking(BookingId("b1"), None, CardKey("key-CC"), START, datetime(2026, 11, 23, 10, 0, tzinfo=UTC), 2)
CODED = replace(ROSTER, version=2, bookings=(CODE,))
FIRST = replace(WAYS, policy=replace(POLICY, openers=frozenset({FormulaId("subscriber")})))


class Listed(People):
    """A roster store with this list."""

    def __init__(self, roster: Roster, broken: str = "") -> None:
        super().__init__()
        self.list, self.broken = roster, broken

    def roster(self) -> Roster:
        super().roster()
        return self.list


def badges(
    folder: Path, people: People, *cards: str, ways=WAYS, books: Broken | None = None, known: Known | None = None
) -> tuple[list[str], Door]:
    """Run one door process to which these cards are presented, one a second; return its decisions and it."""
    with Ledger.open(folder / "ledger.db") as ledger:
        loop = VirtualLoop(busy=lambda: ledger.pending > 0)
        clock = VirtualClock(loop, START)
        shown: list[str] = []
        door = Door(
            ways, books or ledger, people, clock, Intents(folder / "run"), lambda live: shown.append(live.last_rule),
            known or remembered(ledger, None),
        )  # fmt: skip
        far = Script(clock, *((float(n), card) for n, card in enumerate(cards, 1)))

        async def run() -> None:
            door.recover()
            await mind_badges(door, far.as_reader(), far.as_lock())
            while ledger.pending:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)

        try:
            loop.run_until_complete(run())
        finally:
            loop.close()
    return [rule for rule in shown if rule], door


def facts(folder: Path, *kinds: type) -> list[object]:
    with Ledger.open(folder / "ledger.db") as ledger:
        return [entry.fact for entry in ledger.entries(*kinds)]


def test_a_code_for_two_entries_opens_twice_also_when_the_door_starts_again(tmp_path: Path) -> None:
    assert badges(tmp_path, Listed(CODED), "CC")[0] == ["guest"]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert remembered(ledger, None).uses == {"b1": frozenset({"b1:virtual:1.000000"})}
    assert badges(tmp_path, Listed(CODED), "AA", "CC", "CC")[0] == ["always", "guest", "booking-used"]
    assert facts(tmp_path, BookingUsed) == [BookingUsed(BookingId("b1"))] * 2


def test_an_entry_whose_fact_is_still_an_intent_is_counted_once(tmp_path: Path) -> None:
    """The ledger was broken at the first entry: the next process counts the intent, and not twice."""
    assert badges(tmp_path, Listed(CODED), "CC", books=Broken(at_once=True))[0] == ["guest"]
    assert badges(tmp_path, Listed(CODED), "AA", "CC", "CC")[0] == ["always", "guest", "booking-used"]


def test_without_a_ledger_a_counted_code_waits_and_a_member_does_not(tmp_path: Path) -> None:
    assert badges(tmp_path, Listed(CODED), "CC", "AA", known=Known(uses=None))[0] == ["booking-uncounted", "always"]


def test_the_first_subscriber_opens_the_day_once_and_a_restart_remembers(tmp_path: Path) -> None:
    assert badges(tmp_path, Listed(ROSTER), "BB", "AA", "BB", "AA", ways=FIRST)[0] == [
        "first-in",
        "always",
        "opening-hours",
        "always",
    ]
    assert facts(tmp_path, DayOpened) == [DayOpened("2026-11-23", FormulaId("subscriber"))]
    assert badges(tmp_path, Listed(ROSTER), "AA", "BB", ways=FIRST)[0] == ["always", "opening-hours"]
    assert len(facts(tmp_path, DayOpened)) == 1


def test_a_door_that_never_read_a_roster_judges_by_the_list_it_was_left(tmp_path: Path) -> None:
    known = Known(roster=ROSTER, kept_at=START)
    people = Listed(ROSTER, broken="roster")
    decided, door = badges(tmp_path, people, "AA", "CC", known=known)
    assert decided == ["always", "unknown-card"]
    door.look_around()
    assert door.live.list_from == START
    assert door.list_to_keep is None  # what was not read is not kept anew
    people.broken = ""
    door.look_around()
    assert door.live.list_from is None


def test_each_new_list_is_kept_until_the_disk_has_taken_it(tmp_path: Path) -> None:
    taken: list[int] = []
    full = [True, True, False, False, False]

    def keep(roster: Roster, at: datetime) -> bool:
        del at
        if full.pop(0):
            return False
        taken.append(roster.version)
        return True

    with Ledger.open(tmp_path / "ledger.db") as ledger:
        loop = VirtualLoop()
        people = Listed(ROSTER)
        door = Door(WAYS, ledger, people, VirtualClock(loop, START), Intents(tmp_path), lambda _: None)

        async def run() -> None:
            keeping = asyncio.create_task(mind_list(lambda: door.list_to_keep, keep, door.clock, 1.0))
            for version in (1, 2):
                people.list = replace(ROSTER, version=version)
                door.look_around()
                await asyncio.sleep(5.0)
            keeping.cancel()
            await asyncio.wait({keeping})

        try:
            loop.run_until_complete(run())
        finally:
            loop.close()
    assert taken == [1, 2]
    assert full == [False]


def test_a_lockdown_ends_a_fed_window_and_refuses_the_page_until_it_is_lifted(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        people = Listed(ROSTER)
        place.door._people = people
        watching = asyncio.create_task(place.desk.mind_lockdown(1.0))
        assert (await place.hold(3.0)).code == "window-fed"
        await asyncio.sleep(20.0)
        since = place.clock.now().utc
        people.list = replace(ROSTER, version=2, lockdown=Lockdown(Alarm.INTRUSION, since, None))
        await asyncio.sleep(2.0)
        assert place.door.live.lockdown == since
        assert place.door.live.window_until is None
        assert place.door.live.latch == "resting"
        assert (await place.ask("open", whom="delivery")).code == "lockdown"
        assert (await place.hold(1.0)).code == "lockdown"
        assert place.facts(OpenedRemotely) == []
        place.building.obey(parse("exit"))  # leaving is not asked about
        await asyncio.sleep(1.0)
        assert place.door.live.latch == "released"
        people.list = replace(ROSTER, version=3)
        await asyncio.sleep(20.0)
        assert place.door.live.lockdown is None
        assert (await place.ask("open", whom="delivery")).done
        await place.settled()
        assert [one.why for one in place.facts(WindowClosed)] == [WindowEnd.LOCKDOWN]
        watching.cancel()
        await asyncio.wait({watching})

    porch(tmp_path, story, Strike(10.0, fed=True))


def test_a_refused_entry_uses_nothing_up(tmp_path: Path) -> None:
    locked = replace(CODED, lockdown=Lockdown(Alarm.OTHER, START, None))
    assert badges(tmp_path, Listed(locked), "CC", "CC", "AA")[0] == ["lockdown"] * 3
    assert facts(tmp_path, BookingUsed) == []
    assert len(facts(tmp_path, EntryDecided)) == 3
