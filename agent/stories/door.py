"""The door's stories: a badge is presented. What latch and leaf do is told in `stories.leaf`.

The one idea: *the door never waits for the disk*. A granted entry is first put down in memory (an intent file in the
runtime directory, renamed into place, never synced), then the latch is released, then the fact is queued for the
ledger. The intent goes when the ledger has committed. A killed process finds its intents at the next start and
appends them under the same keys, so nothing is lost and nothing stands twice; a power cut loses the event in flight.

With the ledger or the roster out of order the door goes on, judging by the last roster it read. Nothing here is
ever asked before the exit button releases the latch.

Its coroutines share one `Door` on one event loop: `mind_badges` (one per reader) here, `mind_latch` and `mind_leaf`
there. A lost reader, latch or input chip ends its own coroutine with DriverError; `supervise` starts it again.
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
from agent.rules.door import DoorChanged, DoorPolicy, EntryDecided, EntryRule, Passage, admit, believed, let_out
from agent.rules.facts import CardKey, Fact
from agent.rules.kinds import FACTS
from agent.rules.leaf import DoorFaultChanged, FaultWatch, LeafWatch
from agent.rules.members import Roster
from agent.rules.readers import StrangersChanged, StrangerWatch
from agent.rules.remote import during_window
from drivers.contract import BadgeRead, CardNumber, CardReader, Clock, DriverError, Lock, Moment, Signs, Trust

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
    sees_leaving: bool = True  # an exit button tells of everybody who goes out: what it did not tell of is forced
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
        self.leaf = LeafWatch(ways.held_s, ways.grace_s, sees_leaving=ways.sees_leaving)
        self.faults = FaultWatch()
        self.live = LiveDoor(latch="unknown", leaf=Passage.UNKNOWN.value)
        self._books = books
        self._people = people
        self._intents = intents
        self._show = show
        self.window = False  # an event window is open: every known card enters (`stories.remote`)
        self.fed = False  # and the strike is fed throughout: no relocking behind who enters
        self._openings: set[asyncio.Future[Moment]] = set()  # who waits to see the leaf open
        self.signs: Signs | None = None  # lamps and a buzzer, where wired
        self._strangers: dict[str, StrangerWatch] = {}  # by reader
        self.allowed_s: float | None = None  # mono_s until which the leaf may stand open
        self.changed = asyncio.Event()  # the leaf's rules want to be called at another time
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
            if fact.now in {Passage.OPEN, Passage.PROPPED}:
                for seen in self._openings:
                    if not seen.done():
                        seen.set_result(at)

    def answers(self, read: BadgeRead, entry: EntryDecided) -> bool:
        """Say whether a badge gets its answer: unknown cards in a row are not answered for a while, members always."""
        if entry.rule != EntryRule.UNKNOWN_CARD:
            return True
        watch = self._strangers.setdefault(read.reader, StrangerWatch(read.reader))
        answered, fact = watch.refuse(read.card.hex, read.at.mono_s)
        self._strangers_changed(fact, read.at)
        return answered

    def answer(self, *, granted: bool) -> None:
        """Tell whoever stands there, where lamps are wired."""
        if self.signs is not None:
            self.signs.flash("granted" if granted else "refused")
            if not granted:
                self.signs.flash("buzzer")

    def strangers_rest(self) -> None:
        """Let runs of unknown cards end. Call now and then."""
        at = self.clock.now()
        for watch in self._strangers.values():
            self._strangers_changed(watch.rest(at.mono_s), at)

    def _strangers_changed(self, fact: StrangersChanged | None, at: Moment) -> None:
        if fact is not None:
            self.record(fact, at, f"{fact.reader}:{at.boot}:{at.mono_s:.6f}:{fact.pattern}")
            tried = {name: watch.pattern.value for name, watch in self._strangers.items() if watch.pattern}
            self.show(replace(self.live, strangers=tried))

    def faults_changed(self, facts: list[DoorFaultChanged], at: Moment) -> None:
        """Write down and show what became of the door's faults, if anything did."""
        for fact in facts:
            self.record(fact, at, f"{at.boot}:{at.mono_s:.6f}:{fact.fault}:{fact.present:d}")
            log.warning("the door's fault %s %s", fact.fault, "began" if fact.present else "ended")
        live = replace(self.live, faults=tuple(sorted(self.faults.faults)), lingers=self.leaf.lingers)
        if live != self.live:
            self.show(live)

    def show_window(self, until: datetime | None) -> None:
        """Show until when an event window lets people in; None: no window. The leaf may stand open until then."""
        now = self.clock.now()
        left_s = None if until is None else now.mono_s + (until - now.utc).total_seconds()
        self.show(replace(self.live, window_until=until, window_fed=self.fed))
        self.allowed_s = left_s
        self.leaf_changed(self.leaf.allow(left_s, now), now)
        self.changed.set()

    def show(self, live: LiveDoor) -> None:
        """Show the door so."""
        self.live = live
        self._show(live)
        if self.signs is not None:
            self.signs.show("degraded", lit=live.latch == "unknown" or bool(live.faults) or live.deaf)

    def tell(self, latch: str | None = None, leaf: str | None = None, entry: EntryDecided | None = None) -> None:
        """Change the live picture and show it."""
        live = self.live
        now = self.clock.now().utc
        if entry is not None:
            live = replace(live, last_rule=entry.rule)
            live = replace(live, last_granted=now) if entry.granted else replace(live, last_refused=now)
        self.show(replace(live, latch=latch or live.latch, leaf=leaf or live.leaf))


async def mind_badges(door: Door, reader: CardReader, lock: Lock, direction: str = "in") -> None:
    """Judge every badge of one reader. Raises DriverError when the reader is lost."""
    async for read in reader.badges():
        entry = door.judge(read, direction)
        if entry is None or not door.answers(read, entry):
            continue
        key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}:{entry.card[:8]}"
        if entry.granted:
            door.intend(entry, read.at, key)
            await door.release(lock)
        door.record(entry, read.at, key)
        door.tell(entry=entry)
        door.answer(granted=entry.granted)


def newest_known(ledger: Ledger) -> datetime | None:
    """Return the latest instant (UTC) the ledger proves to have come; a clock nobody believed proves nothing.

    Raises LedgerError.
    """
    last = [entry.at for kind in FACTS if (entry := ledger.last(kind)) is not None]
    return max((at.utc for at in last if at.trust is not Trust.UNKNOWN), default=None)
