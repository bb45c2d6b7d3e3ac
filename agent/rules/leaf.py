"""Reads the leaf (shut, open, held, forced, propped) and the faults of what stands around it.

The one idea: an alarm that cries for nothing is switched off by people, so *leaving never reads as forced*. Who goes
out presses, turns a handle or pulls the call point, and the witnesses of that may arrive a moment after the contact: an
opening nobody explained is judged after `PATIENCE_S`, and where nothing tells of leaving at all (no exit button, or a
handle that opens by itself) no opening is ever called forced. A leaf that rattles for less than that was not opened.
What disagrees with the command for longer than its time is a `DoorFault`: a fact when it begins, one when it ends, and
an incident in between. Alarms and times follow IEC 60839-11-1 (portal held, portal forced, status of the locking
device). Whoever was let in and did not open is told too: granted, not entered. Pure: it reads no clock; `wakes_at` says
when it wants to be called. Times are `mono_s` of one boot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from agent.rules.door import DoorChanged, Passage
from agent.rules.facts import PASSAGE_DAYS, Fact
from drivers.contract import InputChanged, InputId, LatchState, Moment

CONTACT = InputId("contact")  # active: the leaf is open
EXIT_BUTTON = InputId("exit_button")  # active: pressed
LOCK_FEEDBACK = InputId("lock_feedback")  # active: the lock says it is unlocked (bolt contact, armature contact)
CALL_POINT = InputId("call_point")  # active: the green call point was broken; it cut the supply, we only observe

PATIENCE_S = 0.25  # the press that explains an opening may be told this much later; the alarm comes within 0.5 s
WARN_SHARE = 0.8  # of `held_s`: after that the leaf lingers, and somebody may still shut it in time


class LeafWatch:
    """Judges the leaf from its contact, the exit button, the call point and the releases.

    Open within `grace_s` of a release or an exit press is a passage; open without either is forced; a passage longer
    than `held_s` is held. What a first look finds open is neither: nobody saw it open, so it is only timed. A forced
    leaf stays forced until it shuts. `sees_leaving` False: nothing tells of who goes out, so nothing is forced.
    """

    def __init__(self, held_s: float, grace_s: float, *, sees_leaving: bool = True) -> None:
        self.leaf = Passage.UNKNOWN
        self.wakes_at: float | None = None  # mono_s at which `wake` wants to be called
        self.lingers = False  # open for most of `held_s`
        self._held_s = held_s
        self._grace_s = grace_s
        self._sees_leaving = sees_leaving
        self._expected_until = float("-inf")
        self._pressed = self._called = self._fed = False
        self._allowed_until = float("-inf")
        self._opened_s: float | None = None  # when it opened, or began to be timed; None: shut

    def released(self, at: Moment) -> None:
        """Note a release: whoever opens within `grace_s` was let in."""
        self._expected_until = max(self._expected_until, at.mono_s + self._grace_s)

    def latch(self, state: LatchState, at: Moment) -> None:
        """Note what the relay line does: whoever opens while it releases, or soon after, was let in."""
        if self._fed or state is LatchState.RELEASED:
            self.released(at)
        self._fed = state is LatchState.RELEASED

    def allow(self, until_s: float | None, at: Moment) -> DoorChanged | None:
        """Let the leaf stand open until `until_s`; None: no longer."""
        self._allowed_until = float("-inf") if until_s is None else until_s
        if self.leaf in {Passage.OPEN, Passage.HELD, Passage.PROPPED}:
            return self._timed(at.mono_s)
        return None

    def observe(self, seen: InputChanged) -> DoorChanged | None:
        """Take in one input change; inputs that tell nothing of the leaf say nothing here."""
        if seen.input == EXIT_BUTTON:
            if self._pressed or seen.active:
                self.released(seen.at)
            self._pressed = seen.active
        elif seen.input == CALL_POINT:
            if self._called or seen.active:
                self.released(seen.at)
            self._called = seen.active
        elif seen.input == CONTACT:
            return self._opens(seen.at.mono_s) if seen.active else self._shuts()
        return None

    def wake(self, at: Moment) -> DoorChanged | None:
        """Judge the passing of time; harmless when called early or for nothing."""
        if self.wakes_at is None or at.mono_s < self.wakes_at or self._opened_s is None:
            return None
        if self.leaf is Passage.CLOSED:
            return self._timed(self._opened_s) if self._explained(self._opened_s) else self._forced()
        if self.leaf is Passage.PROPPED:
            return self._timed(self._allowed_until)  # its time is over: from here on it is timed like any other
        if at.mono_s < self._opened_s + self._held_s:
            self.lingers, self.wakes_at = True, self._opened_s + self._held_s
            return None
        self.lingers, self.wakes_at = True, None
        return self._become(Passage.HELD)

    def _opens(self, at_s: float) -> DoorChanged | None:
        if self._opened_s is not None:
            return None
        self._opened_s = at_s
        if self.leaf is Passage.CLOSED and not self._explained(at_s):
            self.wakes_at = at_s + PATIENCE_S
            return None
        return self._timed(at_s)

    def _shuts(self) -> DoorChanged | None:
        self.wakes_at, self.lingers, self._opened_s = None, False, None
        return self._become(Passage.CLOSED)

    def _explained(self, opened_s: float) -> bool:
        let = self._pressed or self._called or self._fed or opened_s <= self._expected_until
        return let or not self._sees_leaving

    def _forced(self) -> DoorChanged | None:
        self.wakes_at = None
        return self._become(Passage.FORCED)

    def _timed(self, since_s: float) -> DoorChanged | None:
        """Begin to time an open leaf: to the end of its permission, or to its warning."""
        self._opened_s, self.lingers = since_s, False
        if since_s < self._allowed_until:
            self.wakes_at = self._allowed_until
            return self._become(Passage.PROPPED)
        self.wakes_at = since_s + WARN_SHARE * self._held_s
        return self._become(Passage.OPEN)

    def _become(self, leaf: Passage) -> DoorChanged | None:
        """Change the leaf, or say nothing."""
        was, self.leaf = self.leaf, leaf
        return None if was is leaf else DoorChanged(was, leaf)


# --- faults ------------------------------------------------------------------------------------------------


class DoorFault(StrEnum):
    """What can be wrong with the wiring and the lock. The words stand in the ledger: add, never rename."""

    EXIT_STUCK = "exit-stuck"  # the exit button has been pressed for half a minute
    CALL_POINT = "call-point"  # the green call point cut the lock's supply
    STAYS_LOCKED = "stays-locked"  # released, and the lock says it is locked
    STAYS_UNLOCKED = "stays-unlocked"  # at rest and shut, and the lock says it is unlocked
    NO_EFFECT = "no-effect"  # released several times in a row, and the leaf never moved


AFTER_S: Mapping[DoorFault, float] = MappingProxyType(
    {
        DoorFault.EXIT_STUCK: 30.0,
        DoorFault.CALL_POINT: 0.0,
        DoorFault.STAYS_LOCKED: 1.0,
        DoorFault.STAYS_UNLOCKED: 1.0,
        DoorFault.NO_EFFECT: 0.0,
    }
)
MISSED = 3  # releases in a row behind which nobody went through


@dataclass(frozen=True, slots=True)
class DoorFaultChanged(Fact):
    """A fault of the door's wiring or lock began or ended."""

    kind: ClassVar[str] = "door-fault-changed"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    fault: str  # a DoorFault
    present: bool


class FaultWatch:
    """Holds what the inputs say against what the latch was told."""

    def __init__(self) -> None:
        self.faults: frozenset[DoorFault] = frozenset()
        self.wakes_at: float | None = None
        self._active: dict[InputId, bool] = {}  # wired inputs only
        self._since: dict[DoorFault, float] = {}  # conditions that hold, and since when
        self._released = False
        self._missed = 0

    def latch(self, state: LatchState, at: Moment) -> list[DoorFaultChanged]:
        """Note what the relay line does."""
        released = state is LatchState.RELEASED
        if self._released and not released and self._active.get(CONTACT) is False:
            self._missed += 1
        self._released = released
        return self._weigh(at.mono_s)

    def observe(self, seen: InputChanged) -> list[DoorFaultChanged]:
        """Take in one input change."""
        self._active[seen.input] = seen.active
        if seen.input == CONTACT and seen.active:
            self._missed = 0
        return self._weigh(seen.at.mono_s)

    def wake(self, at: Moment) -> list[DoorFaultChanged]:
        """Judge the passing of time; harmless when called early or for nothing."""
        return self._weigh(at.mono_s)

    def _holds(self, fault: DoorFault) -> bool:
        """Say whether the condition of a fault holds now; one that stands goes only when its opposite is seen."""
        stands = fault in self.faults
        unlocked = self._active.get(LOCK_FEEDBACK)
        shut = not self._active.get(CONTACT, False)
        match fault:
            case DoorFault.EXIT_STUCK:
                return self._active.get(EXIT_BUTTON, False)
            case DoorFault.CALL_POINT:
                return self._active.get(CALL_POINT, False)
            case DoorFault.STAYS_LOCKED:
                return unlocked is False and (stands or self._released)
            case DoorFault.STAYS_UNLOCKED:
                return unlocked is True and (stands or (shut and not self._released))
            case DoorFault.NO_EFFECT:
                return self._missed >= MISSED

    def _weigh(self, now_s: float) -> list[DoorFaultChanged]:
        changed = []
        for fault in DoorFault:
            if not self._holds(fault):
                self._since.pop(fault, None)
                if fault in self.faults:
                    self.faults -= {fault}
                    changed.append(DoorFaultChanged(fault.value, present=False))
            elif now_s >= self._since.setdefault(fault, now_s) + AFTER_S[fault] and fault not in self.faults:
                self.faults |= {fault}
                changed.append(DoorFaultChanged(fault.value, present=True))
        waiting = [since_s + AFTER_S[fault] for fault, since_s in self._since.items() if fault not in self.faults]
        self.wakes_at = min(waiting, default=None)
        return changed


# --- who was let in and did not come in ---------------------------------------------------------------------

WAITED_FOR = 32  # grants at once: more than a queue of people at a door


@dataclass(frozen=True, slots=True)
class EntryUnused(Fact):
    """A card was accepted and the leaf did not open in its time: granted, not entered."""

    kind: ClassVar[str] = "entry-unused"
    kept_for_days: ClassVar[int | None] = PASSAGE_DAYS

    reader: str
    entry: str  # the key of the decision


class GrantWatch:
    """Tells which grants nobody used. One opening serves all who were let in before it: they come in together."""

    def __init__(self, grace_s: float) -> None:
        self.wakes_at: float | None = None  # mono_s at which `wake` wants to be called
        self._grace_s = grace_s
        self._waiting: deque[tuple[float, EntryUnused]] = deque(maxlen=WAITED_FOR)

    def granted(self, reader: str, entry: str, at: Moment, leaf: Passage) -> None:
        """Wait for whoever was let in. Where the leaf stands open, or nobody sees it, nothing can be told."""
        if leaf is Passage.CLOSED:
            self._waiting.append((at.mono_s + self._grace_s, EntryUnused(reader, entry)))
            self.wakes_at = self._waiting[0][0]

    def opened(self) -> None:
        """Note that the leaf opened, or that nobody sees it any more."""
        self._waiting.clear()
        self.wakes_at = None

    def wake(self, at: Moment) -> list[EntryUnused]:
        """Return the grants whose time is over; harmless when called early or for nothing."""
        over = []
        while self._waiting and self._waiting[0][0] <= at.mono_s:
            over.append(self._waiting.popleft()[1])
        self.wakes_at = self._waiting[0][0] if self._waiting else None
        return over
