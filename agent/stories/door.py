"""The door's stories: a badge is presented, the latch moves, the leaf opens and shuts.

The one idea: *the door never waits for the disk*. A granted entry is first put down in memory (an intent file in the
runtime directory, renamed into place, never synced), then the latch is released, then the fact is queued for the
ledger. The intent goes when the ledger has committed. A killed process finds its intents at the next start and
appends them under the same keys, so nothing is lost and nothing stands twice; a power cut loses the event in flight.

With the ledger or the roster out of order the door goes on, judging by the last roster it read. Nothing here is
ever asked before the exit button releases the latch.

Three coroutines share one `Door` on one event loop: `mind_badges` (one per reader), `mind_latch`, `mind_leaf`.
A lost reader, latch or input chip ends its own coroutine with DriverError; `supervise` starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from agent.live import LiveDoor
from agent.memory.codec import LedgerError, decode, encode, moment
from agent.memory.ledger import Ledger
from agent.rules.door import (
    EXIT_BUTTON,
    DoorChanged,
    DoorPolicy,
    EntryDecided,
    LatchMoved,
    LeafWatch,
    Passage,
    admit,
    believed,
    let_out,
)
from agent.rules.facts import CardKey, Fact
from agent.rules.kinds import FACTS
from agent.rules.members import Roster
from agent.rules.remote import during_window
from drivers.contract import BadgeRead, CardNumber, CardReader, Clock, DriverError, Inputs, Lock, Moment, Trust

log = logging.getLogger(__name__)

INTENTS = 1000  # intent files kept at most: days of a dead ledger


class Books(Protocol):
    """What the door needs of the ledger: `agent.memory.ledger.Ledger`, or whatever stands in while it is broken."""

    def append(self, fact: Fact, at: Moment, key: str) -> asyncio.Future[int]:
        """Queue a fact. Raises LedgerError at once or through the future."""


class People(Protocol):
    """What the door needs of the roster store."""

    def roster(self) -> Roster:
        """Return the current roster. Raises LedgerError."""

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number. Raises LedgerError."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How this door behaves."""

    policy: DoorPolicy
    zone: tzinfo
    hold_s: float = 5.0  # one grant releases this long
    held_s: float = 60.0  # open longer is "held"
    grace_s: float = 10.0  # opening this long after a release or an exit press is not forced
    relock_on_open: bool = True  # cut the pulse short once the leaf is open


class Intents:
    """Entries granted but not yet in the ledger, one small file each, in memory. Not for a disk: nothing is synced."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "intent"
        self._count = sum(1 for _ in self._folder.glob("*.json"))

    def put(self, fact: Fact, at: Moment, key: str) -> None:
        """Write one intent aside and rename it into place. Raises OSError, LedgerError."""
        if self._count >= INTENTS:
            raise LedgerError(f"{INTENTS} entries wait for the ledger, no more fit")
        place = self._place(fact.kind, key)
        aside = place.with_suffix(f".{os.getpid()}")
        self._folder.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(asdict(encode(fact, at, key))), encoding="utf-8")
        aside.replace(place)
        self._count += 1

    def drop(self, fact: Fact, key: str) -> None:
        """Forget an intent that the ledger holds. Harmless if there is none."""
        with contextlib.suppress(OSError):
            self._place(fact.kind, key).unlink()
            self._count -= 1

    def left(self) -> Iterator[tuple[Fact, Moment, str]]:
        """Yield what an earlier process left behind, oldest file first; drop what cannot be read."""
        for half in set(self._folder.glob("*")) - set(self._folder.glob("*.json")):
            half.unlink(missing_ok=True)
        for file in sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns):
            try:
                row = json.loads(file.read_text(encoding="utf-8"))
                fact = decode(row["kind"], row["body"])
                at = moment(row["utc"], row["mono_s"], row["boot"], row["trust"])
            except (OSError, ValueError, KeyError, TypeError, LedgerError) as error:
                log.error("an intent cannot be read and is dropped: %s", error)  # noqa: TRY400  (one line)
                fact = None
            if fact is None:
                file.unlink(missing_ok=True)
                self._count -= 1
            else:
                yield fact, at, row["key"]

    def _place(self, kind: str, key: str) -> Path:
        return self._folder / f"{sha256(f'{kind}:{key}'.encode()).hexdigest()[:32]}.json"


class Door:
    """What the stories of one door share: its ways, the last roster, the leaf, and the live picture."""

    def __init__(
        self,
        ways: Ways,
        books: Books,
        people: People,
        clock: Clock,
        intents: Intents,
        show: Callable[[LiveDoor], None],
        newest: datetime | None = None,
    ) -> None:
        self.ways = ways
        self.clock = clock
        self.leaf = LeafWatch(ways.held_s, ways.grace_s)
        self.live = LiveDoor(latch="unknown", leaf=Passage.UNKNOWN.value)
        self._books = books
        self._people = people
        self._intents = intents
        self._show = show
        self.window = False  # an event window is open: every known card enters (`stories.remote`)
        self.fed = False  # and the strike is fed throughout: no relocking behind who enters
        self._openings: set[asyncio.Future[Moment]] = set()  # who waits to see the leaf open
        self._newest = newest  # the latest instant known to have come: see `newest_known`
        self._roster: Roster | None = None

    def recover(self) -> int:
        """Append what an earlier process intended and could not see committed; return how many. Call once, at start."""
        count = 0
        for fact, at, key in self._intents.left():
            self.record(fact, at, key)
            count += 1
        return count

    def judge(self, read: BadgeRead, direction: str) -> EntryDecided | None:
        """Judge a badge by the newest roster that can be read; None if there never was one: then nobody is known."""
        try:
            self._roster = self._people.roster()
        except LedgerError as error:
            log.warning("the roster cannot be read, the last one goes on: %s", error)
        try:
            card = self._people.card_key(read.card)
        except LedgerError as error:
            log.error("a badge cannot be judged: %s", error)  # noqa: TRY400  (one line for the operator)
            return None
        if self._roster is None:
            log.error("a badge cannot be judged: no roster was ever read")
            return None
        if direction == "out":
            return let_out(card, self._roster, read.reader)
        now = believed(read.at.utc, read.at.trust, self._newest)
        if read.at.trust is not Trust.UNKNOWN:
            self._newest = now
        local = now.astimezone(self.ways.zone)
        entry = admit(card, self._roster, self.ways.policy, local, read.at.trust, read.reader)
        return during_window(entry) if self.window else entry

    def intend(self, fact: Fact, at: Moment, key: str) -> None:
        """Put an entry down before the door opens. A failure is logged and does not keep the door shut."""
        try:
            self._intents.put(fact, at, key)
        except (OSError, LedgerError) as error:
            log.error("an entry opens without its intent: %s", error)  # noqa: TRY400  (one line for the operator)

    async def release(self, lock: Lock, hold_s: float | None = None) -> bool:
        """Release the latch, `hold_s` or as long as one grant does; say whether it did.

        A latch that cannot be reached is shown and left to `mind_latch`'s keeper.
        """
        self.leaf.released(self.clock.now())
        try:
            self.leaf.released(await lock.release(hold_s or self.ways.hold_s))
        except DriverError as error:
            log.error("the latch did not release: %s", error)  # noqa: TRY400  (one line for the operator)
            self.tell(latch="unknown")
            return False
        return True

    async def next_opening(self, within_s: float) -> Moment | None:
        """Wait for the leaf to open; None if it did not within `within_s`."""
        seen: asyncio.Future[Moment] = asyncio.get_running_loop().create_future()
        self._openings.add(seen)
        try:
            return await asyncio.wait_for(seen, within_s)
        except TimeoutError:
            return None
        finally:
            self._openings.discard(seen)

    def record(self, fact: Fact, at: Moment, key: str) -> None:
        """Queue a fact and go on; its intent goes once it is committed, and stays if the ledger fails."""

        def committed(seq: asyncio.Future[int]) -> None:
            if seq.cancelled() or seq.exception() is not None:
                log.error("the %s is not in the ledger: %s", fact.kind, None if seq.cancelled() else seq.exception())
            else:
                self._intents.drop(fact, key)

        try:
            self._books.append(fact, at, key).add_done_callback(committed)
        except LedgerError as error:
            log.error("the %s is not in the ledger: %s", fact.kind, error)  # noqa: TRY400  (one line for the operator)

    def leaf_changed(self, fact: DoorChanged | None, at: Moment) -> None:
        """Write down what became of the leaf, if anything did."""
        if fact is not None:
            self.record(fact, at, f"{at.boot}:{at.mono_s:.6f}:{fact.now.value}")
            self.tell(leaf=fact.now.value)
            if fact.now is Passage.OPEN:
                for seen in self._openings:
                    if not seen.done():
                        seen.set_result(at)

    def show_window(self, until: datetime | None) -> None:
        """Show until when an event window lets people in; None: no window."""
        self.live = replace(self.live, window_until=until, window_fed=self.fed)
        self._show(self.live)

    def tell(self, latch: str | None = None, leaf: str | None = None, entry: EntryDecided | None = None) -> None:
        """Change the live picture and show it."""
        live = self.live
        now = self.clock.now().utc
        if entry is not None:
            live = replace(live, last_rule=entry.rule)
            live = replace(live, last_granted=now) if entry.granted else replace(live, last_refused=now)
        self.live = replace(live, latch=latch or live.latch, leaf=leaf or live.leaf)
        self._show(self.live)


async def mind_badges(door: Door, reader: CardReader, lock: Lock, direction: str = "in") -> None:
    """Judge every badge of one reader. Raises DriverError when the reader is lost."""
    async for read in reader.badges():
        entry = door.judge(read, direction)
        if entry is None:
            continue
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}:{entry.card[:8]}"
        if entry.granted:
            door.intend(entry, read.at, key)
            await door.release(lock)
        door.record(entry, read.at, key)
        door.tell(entry=entry)


async def mind_latch(door: Door, lock: Lock) -> None:
    """Write down every move of the relay line. Raises DriverError when no latch can be kept alive."""
    try:
        async for change in lock.changes():
            at, state = change.at, change.state.value
            door.record(LatchMoved(state, change.why), at, f"{at.boot}:{at.mono_s:.6f}:{state}:{change.why}")
            door.tell(latch=state)
    finally:
        door.tell(latch="unknown")


async def mind_leaf(door: Door, inputs: Inputs, lock: Lock) -> None:
    """Read contact and exit button: release for who leaves, relock behind who entered, tell a held or forced leaf.

    Raises DriverError when the inputs are lost: the leaf is then unknown.
    """
    door.leaf = LeafWatch(door.ways.held_s, door.ways.grace_s)
    alarm = _HeldAlarm(door)
    try:
        async for seen in inputs.changes():
            if seen.input == EXIT_BUTTON and seen.active:
                await door.release(lock)
            fact = door.leaf.observe(seen)
            door.leaf_changed(fact, seen.at)
            alarm.arm()
            if fact is not None and fact.now is Passage.OPEN and door.ways.relock_on_open and not door.fed:
                await _relock(lock)
    finally:
        alarm.disarm()
        door.tell(leaf=Passage.UNKNOWN.value)


class _HeldAlarm:
    """Calls the leaf's rule at the moment it asked for."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        self.disarm()
        wakes_at = self._door.leaf.wakes_at
        if wakes_at is not None:
            wait_s = max(0.001, wakes_at - self._door.clock.now().mono_s)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._ring)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        at = self._door.clock.now()
        self._door.leaf_changed(self._door.leaf.wake(at), at)
        self.arm()


async def _relock(lock: Lock) -> None:
    try:
        await lock.relock()
    except DriverError as error:
        log.error("the latch did not relock behind an open leaf: %s", error)  # noqa: TRY400  (one line)


def newest_known(ledger: Ledger) -> datetime | None:
    """Return the latest instant (UTC) the ledger proves to have come; a clock nobody believed proves nothing.

    Raises LedgerError.
    """
    last = [entry.at for kind in FACTS if (entry := ledger.last(kind)) is not None]
    return max((at.utc for at in last if at.trust is not Trust.UNKNOWN), default=None)
