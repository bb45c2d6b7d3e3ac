"""The door's leaf and latch: what moves is written down, what stands wrong is told in time.

The one idea: the rules say when they want to be called (`wakes_at`), and one coroutine beside the inputs calls them.
Nothing here waits for the disk, and nothing judges: `rules.leaf` does. The exit button releases before anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace

from agent.rules.door import DoorChanged, LatchMoved, Passage
from agent.rules.leaf import EXIT_BUTTON, FaultWatch, LeafWatch
from agent.rules.readers import NoiseWatch
from agent.stories.door import Door
from drivers.contract import CardReader, DriverError, Inputs, LatchState, Lock, Moment

log = logging.getLogger(__name__)


async def mind_latch(door: Door, lock: Lock) -> None:
    """Write down every move of the relay line. Raises DriverError when no latch can be kept alive."""
    try:
        async for change in lock.changes():
            at, state = change.at, change.state.value
            door.record(LatchMoved(state, change.why), at, f"{at.boot}:{at.mono_s:.6f}:{state}:{change.why}")
            door.leaf.latch(change.state, at)
            door.tell(latch=state)
            door.faults_changed(door.faults.latch(change.state, at), at)
            door.changed.set()
    finally:
        door.tell(latch="unknown")


async def mind_leaf(door: Door, inputs: Inputs, lock: Lock) -> None:
    """Read the inputs: release for who leaves, relock behind who entered, tell a held or forced leaf and every fault.

    Raises DriverError when the inputs are lost: the leaf is then unknown.
    """
    ways = door.ways
    door.leaf = LeafWatch(ways.held_s, ways.grace_s, sees_leaving=ways.sees_leaving)
    door.faults = FaultWatch()
    now = door.clock.now()
    if door.live.latch == LatchState.RELEASED:
        door.leaf.latch(LatchState.RELEASED, now)
        door.faults.latch(LatchState.RELEASED, now)
    door.leaf.allow(door.allowed_s, now)
    waking = asyncio.create_task(_wake(door, lock), name="leaf-rules")
    try:
        async for seen in inputs.changes():
            if seen.input == EXIT_BUTTON and seen.active:
                await door.release(lock)
            await _settle(door, lock, door.leaf.observe(seen), seen.at)
            door.faults_changed(door.faults.observe(seen), seen.at)
            door.changed.set()
    finally:
        waking.cancel()
        door.grants.opened()
        await asyncio.wait({waking}, timeout=1.0)
        door.show(replace(door.live, leaf=Passage.UNKNOWN.value, opened=None, faults=(), lingers=False))


async def _settle(door: Door, lock: Lock, fact: DoorChanged | None, at: Moment) -> None:
    """Write down what the leaf did, and relock behind who went through."""
    door.leaf_changed(fact, at)
    through = fact is not None and fact.now in {Passage.OPEN, Passage.PROPPED} and fact.was is not Passage.PROPPED
    if through and door.ways.relock_on_open and not door.fed:
        try:
            await lock.relock()
        except DriverError as error:
            log.error("the latch did not relock behind an open leaf: %s", error)  # noqa: TRY400  (one line)


async def _wake(door: Door, lock: Lock) -> None:
    """Call the leaf's rules at the moments they ask for."""
    while True:
        rules = (door.leaf.wakes_at, door.faults.wakes_at, door.grants.wakes_at)
        due = [at_s for at_s in rules if at_s is not None]
        wait_s = max(0.001, min(due) - door.clock.now().mono_s) if due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await door.changed.wait()
        door.changed.clear()
        at = door.clock.now()
        await _settle(door, lock, door.leaf.wake(at), at)
        door.faults_changed(door.faults.wake(at), at)
        door.unused(door.grants.wake(at), at)


async def mind_senses(door: Door, inputs: Inputs | None, readers: Mapping[str, CardReader], every_s: float) -> None:
    """Show every `every_s` how well the drivers hear, for ever. A deaf or noisy one works on; somebody must look."""
    noise = {name: NoiseWatch() for name in readers}
    while True:
        now_s = door.clock.now().mono_s
        heard = {name: reader.malformed for name, reader in readers.items()}
        for name, count in heard.items():
            noise[name].look(count, now_s)
        noisy = tuple(sorted(name for name, watch in noise.items() if watch.noisy))
        deaf = inputs is not None and inputs.deaf
        live = replace(door.live, deaf=deaf, malformed=heard, noisy=noisy)
        if live != door.live:
            door.show(live)
        door.strangers_rest()
        await asyncio.sleep(every_s)
