"""An old ledger must still open: what a kind of fact is made of never changes. Tier: rule.

Decoding is strict (`agent/memory/codec.py`), so a field more or less makes every older fact of that kind unreadable. A
fact that must say more is a new kind. `shapes.json` holds what has been written so far: a new kind is added to it, and
a line of it is never touched again.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from agent.rules.kinds import every_fact

WRITTEN = json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="ascii"))


def test_every_kind_is_made_of_what_it_was_always_made_of() -> None:
    shapes = {fact.kind: [f"{one.name}: {one.type}" for one in fields(fact)] for fact in every_fact()}
    assert {kind: shapes.get(kind) for kind in WRITTEN} == WRITTEN
    new = {kind: shape for kind, shape in shapes.items() if kind not in WRITTEN}
    assert not new, f"add to shapes.json: {json.dumps(new)}"
