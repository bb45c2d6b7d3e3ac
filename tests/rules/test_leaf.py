"""The leaf and the faults around it, as transcripts: what happened at which second, and what was told."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.door import DoorChanged, Passage
from agent.rules.leaf import (
    CALL_POINT,
    CONTACT,
    EXIT_BUTTON,
    LOCK_FEEDBACK,
    WAITED_FOR,
    DoorFault,
    EntryUnused,
    FaultWatch,
    GrantWatch,
    LeafWatch,
)
from drivers.contract import InputChanged, InputId, LatchState, Moment, Trust
from drivers.inputs import Debouncer

INPUTS = {
    "open": (CONTACT, True),
    "shut": (CONTACT, False),
    "press": (EXIT_BUTTON, True),
    "let-go": (EXIT_BUTTON, False),
    "break-glass": (CALL_POINT, True),
    "reset": (CALL_POINT, False),
    "unlocked": (LOCK_FEEDBACK, True),
    "locked": (LOCK_FEEDBACK, False),
    "pulse": (InputId("copies"), True),
}
LATCH = {"active": LatchState.RELEASED, "rest": LatchState.RESTING}


def moment(s: float) -> Moment:
    return Moment(
        datetime(2026, 11, 23, 9, 0, tzinfo=UTC) + timedelta(seconds=s), 100.0 + s, "boot", Trust.SYNCHRONISED
    )


def see(watch: LeafWatch, what: str, s: float) -> Passage | None:
    """Play one word at second `s`; return what the leaf became, None if nothing changed."""
    fact: DoorChanged | None = None
    if what == "grant":
        watch.released(moment(s))
    elif what == "time":
        fact = watch.wake(moment(s))
    elif what.startswith("until"):
        fact = watch.allow(100.0 + float(what[6:]), moment(s))
    elif what == "no-window":
        fact = watch.allow(None, moment(s))
    elif what in LATCH:
        watch.latch(LATCH[what], moment(s))
    else:
        name, active = INPUTS[what]
        fact = watch.observe(InputChanged(moment(s), name, active))
    return fact.now if fact else None


TRANSCRIPTS: dict[str, list[tuple[str, float, str | None]]] = {
    "a passage": [("shut", 0, "closed"), ("grant", 5, None), ("open", 7, "open"), ("shut", 12, "closed")],
    "held": [
        ("shut", 0, "closed"), ("grant", 5, None), ("open", 7, "open"), ("time", 30.9, None), ("time", 31, None),
        ("time", 36.9, None), ("time", 37, "held"), ("time", 90, None), ("shut", 95, "closed"), ("time", 200, None),
    ],
    "forced stays forced": [
        ("shut", 0, "closed"), ("open", 30, None), ("time", 30.25, "forced"), ("grant", 31, None), ("open", 32, None),
        ("time", 99, None), ("shut", 100, "closed"),
    ],
    "too late after the grant": [
        ("shut", 0, "closed"), ("grant", 5, None), ("open", 15.1, None), ("time", 15.4, "forced"),
    ],
    "the press is told after the opening": [
        ("shut", 0, "closed"), ("open", 5, None), ("press", 5.1, None), ("let-go", 5.2, None), ("time", 5.25, "open"),
        ("time", 29, None), ("time", 35, "held"),
    ],
    "a leaf that rattles was not opened": [
        ("shut", 0, "closed"), ("open", 5, None), ("shut", 5.2, None), ("time", 5.3, None), ("open", 6, None),
        ("time", 6.2, None), ("time", 6.25, "forced"),
    ],
    "the exit button, then out": [
        ("shut", 0, "closed"), ("press", 5, None), ("let-go", 6, None), ("open", 16, "open"),
    ],
    "a long press, out while pressing": [("shut", 0, "closed"), ("press", 5, None), ("open", 40, "open")],
    "the button at rest lets nobody out": [
        ("shut", 0, "closed"), ("let-go", 1, None), ("open", 2, None), ("time", 3, "forced"),
    ],
    "the call point cut the lock": [
        ("shut", 0, "closed"), ("reset", 1, None), ("break-glass", 5, None), ("open", 400, "open"),
        ("shut", 401, "closed"), ("reset", 402, None), ("open", 403, "open"),
    ],
    "while the latch releases, and soon after": [
        ("shut", 0, "closed"), ("rest", 1, None), ("active", 2, None), ("open", 50, "open"), ("shut", 51, "closed"),
        ("rest", 60, None), ("open", 70, "open"), ("shut", 71, "closed"), ("open", 72, None), ("time", 73, "forced"),
    ],
    "open at boot is not forced, but is timed": [("open", 0, "open"), ("time", 24, None), ("time", 30, "held")],
    "propped inside its window, timed after it": [
        ("shut", 0, "closed"), ("until 500", 1, None), ("grant", 5, None), ("open", 6, "propped"), ("time", 499, None),
        ("time", 500, "open"), ("time", 524, None), ("time", 530, "held"), ("shut", 531, "closed"),
    ],
    "held, then allowed, then no longer": [
        ("open", 0, "open"), ("time", 24, None), ("time", 30, "held"), ("until 100", 40, "propped"),
        ("no-window", 50, "open"), ("time", 74, None), ("time", 80, "held"),
    ],
    "other inputs say nothing": [("pulse", 0, None), ("shut", 1, "closed"), ("shut", 2, None)],
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_the_leaf(name: str) -> None:
    watch = LeafWatch(held_s=30.0, grace_s=10.0)
    for what, s, expected in TRANSCRIPTS[name]:
        assert see(watch, what, s) == expected, (what, s)


def test_nothing_is_forced_where_nobody_sees_who_leaves() -> None:
    watch = LeafWatch(held_s=30.0, grace_s=10.0, sees_leaving=False)
    assert [see(watch, what, s) for what, s in (("shut", 0), ("open", 30), ("time", 54), ("time", 60))] == [
        "closed",
        "open",
        None,
        "held",
    ]


def test_it_warns_at_four_fifths() -> None:
    watch = LeafWatch(held_s=60.0, grace_s=10.0)
    see(watch, "open", 0)
    assert (watch.wakes_at, watch.lingers) == (148.0, False)
    assert see(watch, "time", 48.0) is None
    assert (watch.wakes_at, watch.lingers) == (160.0, True)
    see(watch, "shut", 50.0)
    assert (watch.wakes_at, watch.lingers) == (None, False)


words = st.sampled_from([*INPUTS, *LATCH, "grant", "time", "until 60", "no-window"])
plays = st.lists(st.tuples(words, st.sampled_from([0, 0.1, 0.25, 1, 7, 20])), max_size=30)


@given(plays)
def test_the_laws_of_the_leaf(play: list[tuple[str, float]]) -> None:
    watch = LeafWatch(held_s=30.0, grace_s=10.0)
    facts: list[DoorChanged] = []
    now, let_at, opened_at = 0.0, float("-inf"), float("-inf")
    shut = None
    for what, later in play:
        now += later
        before = watch.leaf
        see(watch, what, now)
        if what == "open" and shut is not False:
            opened_at = now
        shut = {"shut": True, "open": False}.get(what, shut)
        if watch.leaf is not before:
            facts.append(DoorChanged(before, watch.leaf))
        if what in {"press", "grant", "active", "break-glass"}:
            let_at = now
        if watch.leaf is Passage.FORCED and before is not Passage.FORCED:
            assert opened_at - let_at > 10.0  # never forced within the grace of a press or a grant
            assert before is Passage.CLOSED
        if watch.leaf in {Passage.HELD, Passage.FORCED, Passage.UNKNOWN}:
            assert watch.wakes_at is None
    assert all(earlier.now is later.was for earlier, later in pairwise(facts))


def bouncy_cycle(dice: random.Random, start_s: float) -> list[tuple[float, InputId, bool]]:
    """One passage of a worn door: grant or press, then contacts that bounce for up to 15 ms and rattle in the wind."""
    edges: list[tuple[float, InputId, bool]] = []

    def bounce(name: InputId, at_s: float, *, active: bool) -> None:
        times = sorted(dice.uniform(0.0, 0.015) for _ in range(2 * dice.randrange(6)))
        edges.extend((at_s + t, name, active if n % 2 else not active) for n, t in enumerate(times, 1))
        edges.append((at_s + 0.016, name, active))

    opens_s = start_s + dice.uniform(0.5, 9.0)
    if dice.random() < 0.5:
        pressed_s = dice.choice([start_s, opens_s - 0.05, opens_s + 0.1])  # the handle's switch may lag the leaf
        bounce(EXIT_BUTTON, pressed_s, active=True)
        bounce(EXIT_BUTTON, pressed_s + 0.4, active=False)
    else:
        edges.append((start_s, InputId("grant"), True))
    bounce(CONTACT, opens_s, active=True)
    bounce(CONTACT, opens_s + dice.uniform(0.5, 5.0), active=False)
    rattle_s = start_s + 25.0
    edges += [(rattle_s, CONTACT, True), (rattle_s + dice.uniform(0.001, 0.2), CONTACT, False)]
    spike_s = start_s + 28.0
    edges += [(spike_s, CONTACT, True), (spike_s + 0.005, CONTACT, False)]
    return sorted(edges)


def test_ten_thousand_bouncy_cycles_force_nothing() -> None:
    dice = random.Random(5)
    watch = LeafWatch(held_s=60.0, grace_s=10.0)
    bounces = {CONTACT: Debouncer(0.02), EXIT_BUTTON: Debouncer(0.02)}
    told: list[Passage] = []

    def settle(now_s: float) -> None:
        settled = [(seen[1], name, seen[0]) for name, one in bounces.items() if (seen := one.settle(now_s)) is not None]
        for at_s, name, active in sorted(settled):
            tell(watch.observe(InputChanged(moment(at_s), name, active)))
        if watch.wakes_at is not None and watch.wakes_at <= 100.0 + now_s:
            tell(watch.wake(moment(now_s)))

    def tell(fact: DoorChanged | None) -> None:
        if fact is not None:
            told.append(fact.now)

    for one in bounces.values():
        one.start(active=False)
    watch.observe(InputChanged(moment(0.0), CONTACT, active=False))
    for cycle in range(10_000):
        for at_s, name, active in bouncy_cycle(dice, 10.0 + 30.0 * cycle):
            settle(at_s)
            if name == "grant":
                watch.released(moment(at_s))
                continue
            settled = bounces[name].see(at_s, active=active)
            if settled is not None:
                tell(watch.observe(InputChanged(moment(settled[1]), name, settled[0])))
            for due in (0.021, 0.2):  # the driver looks when a level may have settled, and polls
                settle(at_s + due if at_s + due < at_s + 0.0005 else at_s)
        settle(10.0 + 30.0 * cycle + 29.5)
    assert told.count(Passage.FORCED) == 0
    assert told.count(Passage.OPEN) == 10_000


# --- faults ------------------------------------------------------------------------------------------------

FAULTS: dict[str, list[tuple[str, float, list[str]]]] = {
    "a stuck button": [
        ("press", 0, []), ("time", 29.9, []), ("time", 30, ["+exit-stuck"]), ("let-go", 90, ["-exit-stuck"]),
    ],
    "a long press is none": [("press", 0, []), ("let-go", 29, []), ("press", 31, []), ("time", 40, [])],
    "the call point": [("reset", 0, []), ("break-glass", 5, ["+call-point"]), ("reset", 9, ["-call-point"])],
    "a lock that does not let go": [
        ("shut", 0, []), ("locked", 0, []), ("active", 5, []), ("time", 5.9, []), ("time", 6, ["+stays-locked"]),
        ("rest", 10, []), ("time", 50, []), ("active", 60, []), ("unlocked", 60.1, ["-stays-locked"]),
        ("rest", 65, []), ("locked", 65.1, []), ("time", 90, []),
    ],
    "a lock that does not catch": [
        ("shut", 0, []), ("locked", 0, []), ("active", 5, []), ("unlocked", 5.1, []), ("rest", 10, []),
        ("time", 10.9, []), ("time", 11, ["+stays-unlocked"]), ("locked", 30, ["-stays-unlocked"]),
    ],
    "an open leaf has no bolt out": [
        ("locked", 0, []), ("open", 1, []), ("unlocked", 1, []), ("time", 60, []), ("shut", 61, []),
        ("locked", 61.5, []), ("time", 70, []),
    ],
    "released three times for nothing": [
        ("shut", 0, []), ("active", 1, []), ("rest", 6, []), ("active", 7, []), ("rest", 12, []),
        ("active", 13, []), ("rest", 18, ["+no-effect"]), ("active", 20, []), ("open", 21, ["-no-effect"]),
    ],
    "nobody sees the leaf": [
        ("active", 1, []), ("rest", 6, []), ("active", 7, []), ("rest", 12, []), ("active", 13, []), ("rest", 18, []),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    watch = FaultWatch()
    standing: set[str] = set()
    for what, s, expected in FAULTS[name]:
        if what == "time":
            changed = watch.wake(moment(s))
        elif what in LATCH:
            changed = watch.latch(LATCH[what], moment(s))
        else:
            changed = watch.observe(InputChanged(moment(s), *INPUTS[what]))
        assert [f"{'+' if fact.present else '-'}{fact.fault}" for fact in changed] == expected, (what, s)
        standing = standing | {f.fault for f in changed if f.present} - {f.fault for f in changed if not f.present}
        standing -= {f.fault for f in changed if not f.present}
        assert {fault.value for fault in watch.faults} == standing


def test_a_fault_asks_to_be_judged_in_time() -> None:
    watch = FaultWatch()
    watch.observe(InputChanged(moment(0), EXIT_BUTTON, active=True))
    assert watch.wakes_at == 130.0
    watch.wake(moment(30))
    assert (watch.wakes_at, watch.faults) == (None, {DoorFault.EXIT_STUCK})


# --- granted, not entered -----------------------------------------------------------------------------------


def test_a_grant_nobody_used_is_told_when_its_time_is_over() -> None:
    watch = GrantWatch(6.0)
    assert watch.wakes_at is None
    watch.granted("porte", "a", moment(1), Passage.CLOSED)
    watch.granted("porte", "b", moment(3), Passage.CLOSED)
    assert (watch.wakes_at, watch.wake(moment(6.9))) == (107.0, [])
    assert watch.wake(moment(7)) == [EntryUnused("porte", "a")]
    assert (watch.wakes_at, watch.wake(moment(9.5))) == (109.0, [EntryUnused("porte", "b")])
    assert (watch.wakes_at, watch.wake(moment(60))) == (None, [])


def test_one_opening_serves_all_who_were_let_in_before() -> None:
    watch = GrantWatch(6.0)
    watch.granted("porte", "a", moment(1), Passage.CLOSED)
    watch.granted("porte", "a again", moment(4), Passage.CLOSED)
    watch.opened()
    assert (watch.wakes_at, watch.wake(moment(60))) == (None, [])


@pytest.mark.parametrize("leaf", [Passage.OPEN, Passage.HELD, Passage.PROPPED, Passage.FORCED, Passage.UNKNOWN])
def test_where_the_leaf_stands_open_or_unseen_nobody_is_waited_for(leaf: Passage) -> None:
    watch = GrantWatch(6.0)
    watch.granted("porte", "a", moment(1), leaf)
    assert watch.wakes_at is None


def test_a_crowd_is_bounded() -> None:
    watch = GrantWatch(6.0)
    for n in range(WAITED_FOR + 3):
        watch.granted("porte", str(n), moment(n / 100), Passage.CLOSED)
    assert watch.wakes_at == 106.03
    assert len(watch.wake(moment(60))) == WAITED_FOR
