"""The door asked from the page, in virtual time: simulated latch and leaf, the real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.ask import Answer, Request
from agent.live import LiveDoor
from agent.memory.ledger import Ledger
from agent.rules.door import EntryDecided, LatchMoved
from agent.rules.facts import Fact
from agent.rules.remote import OpenedRemotely, Whom, WindowClosed, WindowEnd, WindowOpened
from agent.stories.bequest import Intents
from agent.stories.door import Door, mind_badges
from agent.stories.leaf import mind_latch, mind_leaf
from agent.stories.remote import RemoteDesk, Strike
from drivers.contract import DriverError, ReaderId
from drivers.sim import SimBuilding
from drivers.verbs import BadgeVerb, parse
from drivers.virtual import VirtualClock, VirtualLoop
from tests.stories.test_door_story import WAYS, People

NIGHT = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)  # 22:00 in Paris, a Monday: closed


class Porch:
    """One simulated door with its desk."""

    def __init__(self, folder: Path, ledger: Ledger, clock: VirtualClock, strike: Strike) -> None:
        self.clock, self.ledger = clock, ledger
        self.building = SimBuilding(clock)
        self.shown: list[LiveDoor] = []
        self.door = Door(WAYS, ledger, People(), clock, Intents(folder / "run"), self.shown.append)
        self.desk = RemoteDesk(self.door, self.building.lock, ledger, strike)
        self._asked = 0

    async def ask(self, action: str, **arguments: str) -> Answer:
        self._asked += 1
        name = f"n{self.clock.now().mono_s:.0f}-{self._asked}"
        return await self.desk.answer(Request(action, "a1", "", 1e9, arguments, name))

    async def hold(self, hours: float) -> Answer:
        until = self.clock.now().utc + timedelta(hours=hours)
        return await self.ask("hold-open-until", until=until.isoformat())

    def facts(self, *kinds: type[Fact]) -> list[Any]:
        return [entry.fact for entry in self.ledger.entries(*kinds)]

    def pulses(self) -> list[tuple[float, str]]:
        return [(round(e.at.mono_s, 2), e.fact.state) for e in self.ledger.entries(LatchMoved)]  # type: ignore[attr-defined]

    async def settled(self) -> None:
        while self.ledger.pending:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    with Ledger.open(folder / "ledger.db") as ledger:
        yield ledger


def porch(
    folder: Path, story: Callable[[Porch], Awaitable[None]], strike: Strike | None = None, start: datetime = NIGHT
) -> None:
    """Run a story at one door; its drivers run beside it."""
    with opened(folder) as ledger:
        loop = VirtualLoop(busy=lambda: ledger.pending > 0)

        async def run() -> None:
            place = Porch(folder, ledger, VirtualClock(loop, start), strike or Strike(10.0))
            lock, door = place.building.lock, place.door
            reader = place.building.reader(ReaderId("porte"))
            beside = [mind_latch(door, lock), mind_leaf(door, place.building.inputs(), lock)]
            beside += [place.desk.mind_windows(), mind_badges(door, reader, lock)]
            tasks = [asyncio.create_task(one) for one in beside]
            try:
                await asyncio.sleep(1.0)
                await story(place)
                await place.settled()
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(one) for one in ended] == [asyncio.CancelledError] * 4

        try:
            loop.run_until_complete(run())
        finally:
            loop.close()


def test_it_says_when_the_leaf_opened(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        asyncio.get_running_loop().call_later(2.0, place.building.obey, parse("door open"))
        answer = await place.ask("open", whom="delivery")
        assert answer == Answer(True, "Ouverte 22:00:03")
        assert (answer.code, answer.value) == ("opened", "22:00:03")
        await place.settled()
        assert place.facts(OpenedRemotely) == [OpenedRemotely("a1", Whom.DELIVERY)]
        assert place.pulses() == [(1.0, "released"), (3.0, "resting")]  # relocked behind the open leaf

    porch(tmp_path, story)


def test_it_says_that_the_leaf_did_not_move(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        answer = await place.ask("open", whom="test")
        assert (answer.done, answer.code) == (True, "not-moved")
        assert place.clock.now().mono_s == pytest.approx(9.0, abs=0.1)  # 5 s of pulse and 3 s more

    porch(tmp_path, story)


@pytest.mark.parametrize(
    ("before", "seen", "code"),
    [("door open", True, "already-open"), ("", False, "no-contact"), ("lost", True, "mute-contact")],
)
def test_it_says_what_cannot_be_seen(tmp_path: Path, before: str, seen: bool, code: str) -> None:
    async def story(place: Porch) -> None:
        if before == "lost":
            place.door.tell(leaf="unknown")
        elif before:
            place.building.obey(parse(before))
            await asyncio.sleep(0.4)
        began_s = place.clock.now().mono_s
        answer = await place.ask("open", whom="visitor")
        assert (answer.done, answer.code) == (True, code)
        assert place.clock.now().mono_s - began_s < 0.5  # nobody waits for what cannot be seen
        await place.settled()
        assert place.pulses()[0][1] == "released"

    porch(tmp_path, story, Strike(10.0, seen=seen))


def test_a_latch_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        async def lost(hold_s: float) -> None:
            raise DriverError("no latch is running")

        place.building.lock.release = lost  # type: ignore[method-assign, assignment]
        answer = await place.ask("open", whom="visitor")
        assert (answer.done, answer.code) == (False, "no-latch")

    porch(tmp_path, story)


def test_only_the_listed_reasons_and_six_times_in_ten_minutes(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        assert (await place.ask("open", whom="Mme Dupont")).code == "whom"
        assert (await place.ask("open")).code == "whom"
        assert (await place.ask("dance")).done is False
        codes = [(await place.ask("open", whom="test")).code for _ in range(7)]
        assert codes == ["not-moved"] * 6 + ["too-many"]
        assert (await place.ask("open", whom="test")).value == "9"
        assert len(place.facts(OpenedRemotely)) == 6
        await asyncio.sleep(600)
        assert (await place.ask("open", whom="test")).code == "not-moved"

    porch(tmp_path, story)


def test_a_restart_does_not_forget_the_openings(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        for _ in range(6):
            await place.ask("open", whom="test")
        again = RemoteDesk(place.door, place.building.lock, place.ledger, Strike(10.0))
        await place.settled()
        answer = await again.answer(Request("open", "a1", "", 1e9, {"whom": "test"}))
        assert answer.code == "too-many"

    porch(tmp_path, story)


def test_a_window_lets_every_known_card_in_and_ends_by_itself(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        async def badge(card: str) -> tuple[bool, str]:
            place.building.obey(BadgeVerb("porte", card))
            await place.settled()
            last = place.facts(EntryDecided)[-1]
            return last.granted, last.rule

        assert await badge("BB") == (False, "closed")
        assert (await place.hold(2)).code == "window-cards"
        assert place.shown[-1].window_until == place.clock.now().utc + timedelta(hours=2)
        assert place.shown[-1].window_fed is False
        assert await badge("BB") == (True, "event-window")
        assert await badge("CC") == (False, "unknown-card")
        await asyncio.sleep(7200)
        assert await badge("BB") == (False, "member-expired")  # it is past midnight by then
        assert place.shown[-1].window_until is None
        started, ended = place.facts(WindowOpened, WindowClosed)
        assert (started.actor, started.fed, ended.actor, ended.why) == ("a1", False, "", WindowEnd.TIME)
        assert started.window == ended.window
        assert [state for _, state in place.pulses()] == [
            "released",
            "resting",
        ]  # for the one card: nothing else is fed

    porch(tmp_path, story)


def test_a_fed_window_renews_the_pulse_within_the_cap_and_stops_at_its_end(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        assert (await place.hold(1 / 60)).code == "window-fed"
        await asyncio.sleep(25)
        place.building.obey(parse("door open"))  # does not relock behind who enters
        await asyncio.sleep(60)
        await place.settled()
        moves = place.pulses()
        longest = max(down - up for (up, _), (down, _) in zip(moves[::2], moves[1::2], strict=True))
        assert longest <= 10.01  # the latch's cap is what it was
        rests = [up - down for (down, _), (up, _) in zip(moves[1::2], moves[2::2], strict=False)]
        assert max(rests) <= 0.2
        assert moves[0] == (1.0, "released")
        assert moves[-1] == (61.0, "resting")
        assert len(moves) == 12

    porch(tmp_path, story, Strike(10.0, fed=True))


def test_closing_a_fed_window_rests_the_latch_at_once(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        await place.hold(1)
        await asyncio.sleep(13)
        answer = await place.ask("close-now")
        assert (answer.done, answer.code) == (True, "closed")
        await asyncio.sleep(60)
        await place.settled()
        assert place.pulses()[-1] == (14.0, "resting")
        assert place.facts(WindowClosed)[0].why is WindowEnd.CLOSED
        assert (await place.ask("close-now")).code == "nothing-open"

    porch(tmp_path, story, Strike(10.0, fed=True))


def test_a_second_window_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async def story(place: Porch) -> None:
        await place.hold(1)
        await place.hold(3)
        await place.settled()
        assert [type(fact).__name__ for fact in place.facts(WindowOpened, WindowClosed)] == [
            *("WindowOpened", "WindowClosed", "WindowOpened"),
        ]
        await asyncio.sleep(3600 + 60)
        assert place.door.window
        await asyncio.sleep(2 * 3600)
        assert not place.door.window

    porch(tmp_path, story)


@pytest.mark.parametrize(("hours", "code"), [(7, "too-long"), (-1, "past")])
def test_a_window_is_bounded(tmp_path: Path, hours: float, code: str) -> None:
    async def story(place: Porch) -> None:
        answer = await place.hold(hours)
        assert (answer.done, answer.code) == (False, code)
        assert (await place.ask("hold-open-until", until="tonight")).code == "no-time"
        assert not place.door.window
        assert place.facts(WindowOpened) == []

    porch(tmp_path, story)


def test_no_window_outlives_the_service(tmp_path: Path) -> None:
    async def before(place: Porch) -> None:
        await place.hold(3)
        await place.settled()
        assert place.door.window

    async def after(place: Porch) -> None:
        await place.settled()
        assert not place.door.window
        ended = place.facts(WindowClosed)
        assert [(fact.why, fact.actor) for fact in ended] == [(WindowEnd.RESTART, "")]

    porch(tmp_path, before)
    porch(tmp_path, after, start=NIGHT + timedelta(minutes=5))
    porch(tmp_path, after, start=NIGHT + timedelta(minutes=10))  # told once
