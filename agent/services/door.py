"""The door service: readers, latch, contact, exit button, admission. Loads no scapy, pycups, aiohttp or holidays."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import drivers
from agent.ask import answering
from agent.live import STALE_S, age_s, read_pictures
from agent.memory.kept import KeptList
from agent.services.standing import Standing
from agent.stories.bequest import Intents, mind_list, remembered
from agent.stories.door import Door, Ways, mind_badges, mind_last_out
from agent.stories.leaf import mind_latch, mind_leaf, mind_senses
from agent.stories.remote import RemoteDesk, Strike
from drivers.contract import InputId, Inputs, LatchState

LOST_WAIT_S = 1.5  # a reader that comes back is heard again this soon: with the wait's jitter, within 2 s


def _last_out(here: Standing) -> datetime | None:
    """Return when the last one left, as the pages' service knows it; None if it is silent, or somebody is in."""
    web = read_pictures(here.places.run).get("web")
    return web.last_out if web is not None and age_s(web, here.clock.now()) <= STALE_S else None


async def wire(here: Standing) -> None:
    """Open the door's drivers and give them to its stories. Raises DriverError."""
    leaf = here.site.door
    if leaf is None:
        return
    lock = await drivers.open_lock(
        leaf.lock.kind,
        lambda: here.building,
        here.clock,
        here.stack,
        leaf.lock.chip,
        leaf.lock.line,
        active_high=leaf.lock.released_high,
        cap_s=leaf.lock.cap_s,
    )
    if here.tape:
        from agent.tape import TapedLock

        lock = TapedLock(lock, here.tape)
    zone = ZoneInfo(here.site.site.timezone)
    ways = Ways(
        here.site.door_policy, zone, leaf.lock.hold_s, leaf.held_s, leaf.grace_s, sees_leaving=leaf.sees_leaving
    )
    intents, kept = Intents(here.places.run), KeptList(here.places.state, here.places.run)
    last = kept.read()
    known = remembered(here.ledger, (last.roster, last.at) if last else None)
    door = Door(ways, here.ledger, here.roster, here.clock, intents, here.show_door, known)
    lamps = {name: (lamp.line, lamp.active_high, lamp.flash_s) for name, lamp in leaf.outputs.items()}
    door.signs = drivers.open_signs(leaf.lock.kind, here.stack, leaf.lock.chip, lamps)
    door.tell(latch=LatchState.RESTING.value)  # it is open: its latch has claimed the line inactive
    door.recover()
    door.tell(latch=LatchState.RESTING.value)  # it begins so: the latch claimed its line inactive
    if here.site.site.hostless and (caller := next((one for one in ("last_out", "buzzer") if one in lamps), "")):
        here.keep(lambda: mind_last_out(door, caller, partial(_last_out, here), here.publish_s))
    seen = "contact" in leaf.inputs or leaf.lock.kind == "sim"
    desk = RemoteDesk(door, lock, here.ledger, Strike(leaf.lock.cap_s, fed=leaf.lock.continuous, seen=seen))
    here.keep(desk.mind_windows)
    here.keep(lambda: desk.mind_lockdown(here.publish_s))
    here.keep(lambda: mind_list(lambda: door.list_to_keep, kept.keep, here.clock, here.publish_s))
    await here.stack.enter_async_context(answering(here.places.run, here.service, here.clock, desk.answer))
    here.mind("door.lock", lambda: mind_latch(door, lock), LOST_WAIT_S)
    readers = {
        name: here.open_reader(name, door.conditions)
        for name, config in here.site.readers.items()
        if config.at == "door"
    }
    for name, reader in readers.items():
        way = here.site.readers[name].direction
        here.mind(f"readers.{name}", partial(mind_badges, door, reader, lock, way), LOST_WAIT_S)
    heard: Inputs | None = None
    if leaf.inputs or leaf.lock.kind == "sim":
        wired = {
            InputId(name): (pin.line, pin.active_high, pin.bounce_s, pin.pull) for name, pin in leaf.inputs.items()
        }
        inputs = drivers.open_inputs(leaf.lock.kind, lambda: here.building, here.clock, leaf.lock.chip, wired)
        heard = inputs
        if here.tape:
            from agent.tape import TapedInputs

            heard = TapedInputs(inputs, here.tape)
        here.mind("door.inputs", partial(mind_leaf, door, heard, lock), LOST_WAIT_S)
    here.keep(lambda: mind_senses(door, heard, readers, here.publish_s))
