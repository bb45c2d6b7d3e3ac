"""The live metrics of the door: what its service's picture says, put into `views.metrics`' families."""

from __future__ import annotations

from collections.abc import Iterable

from agent.live import LiveDoor
from agent.rules.door import Passage
from agent.rules.incidents import Incident
from agent.rules.leaf import DoorFault
from agent.views.families import Families
from agent.views.state import DoorLine

DOOR = (
    ("door_leaf", "1 for the present state of the door leaf.", "state"),
    ("latch_released", "1 while the lock is released."),
    ("door_fault", "1 while that fault of the door's wiring or lock is present.", "fault"),
    ("door_inputs_deaf", "1 while edges of the inputs are not heard and levels are only polled."),
    ("door_strangers", "1 while unknown cards are tried in a row.", "reader"),
    ("door_left_open", "1 while the door stands open and nobody is counted in; where nobody runs the place."),
    ("people_left", "People still counted in after hours; where nobody runs the place on the spot."),
    ("door_lockdown_timestamp_seconds", "Since when nobody enters; absent while no lockdown stands."),
    ("door_last_list_timestamp_seconds", "When the list was kept that the door judges by; absent while it has better."),
)


def door_states(into: Families, door: DoorLine | None, live: LiveDoor | None) -> None:
    """Tell how the leaf and the relay are; and of the wires and readers what the door's service last said."""
    if door is None:
        return
    into.enum("door_leaf", Passage, door.leaf)
    if door.latch != "unknown":
        into.set("latch_released", door.latch == "released")
    if live is not None:
        _wiring(into, live)


def left_behind(into: Families, incidents: Iterable[Incident]) -> None:
    """Tell how a place without a host was left."""
    found = {one.key: one for one in incidents}
    into.set("door_left_open", "door-left-open" in found)
    into.set("people_left", int(found["people-left"].detail) if "people-left" in found else 0)


def _wiring(into: Families, live: LiveDoor) -> None:
    for fault in DoorFault:
        into.set("door_fault", fault in live.faults, fault)
    into.set("door_inputs_deaf", live.deaf)
    for reader, count in live.malformed.items():
        into.set("reader_malformed_bytes", count, reader)
        into.set("door_strangers", reader in live.strangers, reader)
    if live.lockdown is not None:
        into.set("door_lockdown_timestamp_seconds", live.lockdown.timestamp())
    if live.list_from is not None:
        into.set("door_last_list_timestamp_seconds", live.list_from.timestamp())
