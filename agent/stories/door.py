"""The door's stories: a badge is presented. What latch and leaf do is told in `stories.leaf`.

The one idea: *the door never waits for the disk*. A granted entry is first put down in memory (an intent file in the
runtime directory, renamed into place, never synced), then the latch is released, then the fact is queued for the
ledger. The intent goes when the ledger has committed. A killed process finds its intents at the next start and
appends them under the same keys, so nothing is lost and nothing stands twice; a power cut loses the event in flight.

With the ledger or the roster out of order the door goes on, judging by the last roster it read, in this process or an
earlier one (`memory.kept`). Nothing here is ever asked before the exit button releases the latch.

Its coroutines share one `Door` on one event loop: `mind_badges` (one per reader) here, `mind_latch` and `mind_leaf`
there. A lost reader, latch or input chip ends its own coroutine with DriverError; `supervise` starts it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Protocol

from agent.live import LiveDoor
from agent.memory.codec import LedgerError
from agent.rules.bookings import BookingId, BookingUsed, DayOpened
from agent.rules.door import (
    Conditions,
    DoorChanged,
    DoorPolicy,
    EntryDecided,
    EntryRule,
    Passage,
    admit,
    believed,
    let_out,
    locked_down,
    opened_day,
    used,
)
from agent.rules.facts import CardKey, Fact
from agent.rules.lastout import calls_back
from agent.rules.leaf import DoorFaultChanged, EntryUnused, FaultWatch, GrantWatch, LeafWatch
from agent.rules.members import Roster
from agent.rules.readers import StrangersChanged, StrangerWatch
from agent.stories.bequest import Intents, Known
from drivers.contract import BadgeRead, CardNumber, CardReader, Clock, DriverError, Lock, Moment, Signs, Trust

CALLS = 3  # flashes of the lamp that calls whoever leaves last

log = logging.getLogger(__name__)


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
        known: Known | None = None,
    ) -> None:
        known = known or Known()
        self.ways = ways
        self.clock = clock
        self.leaf = LeafWatch(ways.held_s, ways.grace_s, sees_leaving=ways.sees_leaving)
        self.faults = FaultWatch()
        self.grants = GrantWatch(ways.grace_s)
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
        self._newest = known.newest
        self._first_in = known.first_in
        self._uses = None if known.uses is None else dict(known.uses)  # of bookings that are counted
        self._roster, self._kept_at = known.roster, known.kept_at
        self._read: Roster | None = None  # the last roster that this process itself has read

    def recover(self) -> int:
        """Append what an earlier process intended and could not see committed; return how many. Call once, at start."""
        count = 0
        for fact, at, key in self._intents.left():
            if isinstance(fact, BookingUsed):
                self._count(fact.booking, key)
            self.record(fact, at, key)
            count += 1
        return count

    def look(self) -> Roster | None:
        """Return the newest roster that can be read, else the last list; None if there never was one."""
        try:
            self._roster = self._read = self._people.roster()
            self._kept_at = None
        except LedgerError as error:
            log.debug("the roster cannot be read, the last one goes on: %s", error)  # the store said it once
        return self._roster

    def judge(self, read: BadgeRead, direction: str) -> EntryDecided | None:
        """Judge a badge by the newest roster that can be read; None if there never was one: then nobody is known."""
        roster = self.look()
        try:
            card = self._people.card_key(read.card)
        except LedgerError as error:
            log.error("a badge cannot be judged: %s", error)  # noqa: TRY400  (one line for the operator)
            return None
        if roster is None:
            log.error("a badge cannot be judged: no roster was ever read")
            return None
        if direction == "out":
            return let_out(card, roster, read.reader)
        local = self._local(read.at)
        entry = admit(card, roster, self.ways.policy, local, read.at.trust, read.reader, self.conditions())
        if entry.granted:
            self._note(entry, roster, local, read.at)
        return entry

    def conditions(self) -> Conditions:
        """Return what the door knows beside its roster."""
        uses = None if self._uses is None else {one: len(keys) for one, keys in self._uses.items()}
        return Conditions(self.window, self._first_in, uses)

    def _local(self, at: Moment) -> datetime:
        """Return the latest instant that has surely come, on the site's wall clock."""
        now = believed(at.utc, at.trust, self._newest)
        if at.trust is not Trust.UNKNOWN:
            self._newest = now
        return now.astimezone(self.ways.zone)

    def _note(self, entry: EntryDecided, roster: Roster, local: datetime, at: Moment) -> None:
        """Remember what an entry changes for the next ones: a booking used, a day opened. Both are facts."""
        if entry.rule in {EntryRule.BOOKING, EntryRule.GUEST}:
            booking = used(entry.card, roster, self.ways.policy, local, self.conditions().uses)
            if booking is not None and booking.uses is not None:
                key = f"{booking.id}:{at.boot}:{at.mono_s:.6f}"
                self._count(booking.id, key)
                self.intend(BookingUsed(booking.id), at, key)
                self.record(BookingUsed(booking.id), at, key)
        day = opened_day(entry, self.ways.policy, roster, local)
        if day is not None and (self._first_in is None or self._first_in < day):
            self._first_in = day
            self.record(DayOpened(day.isoformat(), entry.formula), at, f"{day}:{at.boot}:{at.mono_s:.6f}")

    def _count(self, booking: BookingId, key: str) -> None:
        if self._uses is not None:
            self._uses[booking] = self._uses.get(booking, frozenset()) | {key}

    def look_around(self) -> bool:
        """Show by which list people are judged, and whether anybody is let in at all; say whether nobody is."""
        roster, now = self.look(), self.clock.now()
        lockdown = None if roster is None else roster.lockdown
        since = lockdown.since if lockdown and roster and locked_down(roster, self._local(now), now.trust) else None
        if (since, self._kept_at) != (self.live.lockdown, self.live.list_from):
            self.show(replace(self.live, lockdown=since, list_from=self._kept_at))
        return since is not None

    @property
    def list_to_keep(self) -> Roster | None:
        """Return the roster this process has read, to be kept for the next one."""
        return self._read

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

    def let_in(self, entry: EntryDecided, at: Moment, key: str) -> None:
        """Wait for whoever was let in to come in (`rules.leaf`)."""
        if entry.rule != EntryRule.WAY_OUT:
            self.grants.granted(entry.reader, key, at, self.leaf.leaf)
            self.changed.set()

    def unused(self, facts: list[EntryUnused], at: Moment) -> None:
        """Write down who was let in and did not come in."""
        for fact in facts:
            self.record(fact, at, fact.entry)

    async def next_opening(self, within_s: float) -> Moment | None:
        """Wait for the leaf to open; None if it did not within `within_s`."""
        seen: asyncio.Future[Moment] = asyncio.get_running_loop().create_future()
        self._openings.add(seen)
        try:
            async with asyncio.timeout(within_s):
                return await seen
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
            opened = at.utc if fact.was is Passage.CLOSED else self.live.opened
            self.live = replace(self.live, opened=None if fact.now is Passage.CLOSED else opened)
            self.tell(leaf=fact.now.value)
            if fact.now is not Passage.CLOSED:
                self.grants.opened()
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
            if await door.release(lock):
                door.let_in(entry, read.at, key)
        door.record(entry, read.at, key)
        door.tell(entry=entry)
        door.answer(granted=entry.granted)


async def mind_last_out(door: Door, lamp: str, last_out: Callable[[], datetime | None], every_s: float) -> None:
    """Call whoever leaves last back by a lamp at the reader (`rules.lastout`); for ever."""
    called: datetime | None = None
    while True:
        now, open_ = door.clock.now().utc, door.live.leaf in {Passage.OPEN, Passage.HELD, Passage.FORCED}
        if door.signs is not None and calls_back(last_out(), now, called, open_=open_):
            door.signs.flash(lamp, times=CALLS)
            called = now
        await asyncio.sleep(every_s)
