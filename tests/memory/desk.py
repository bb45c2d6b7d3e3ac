"""What the memory tests share: moments, facts of every kind, and a hand that edits a ledger without its triggers."""

from __future__ import annotations

import contextlib
import sqlite3
import typing
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import strategies as st

from agent.memory.chain import TRIGGERS
from agent.rules.facts import Fact
from agent.rules.health import DriverChanged
from drivers.contract import Moment, Trust

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def at(seconds: float = 0.0, trust: Trust = Trust.SYNCHRONISED) -> Moment:
    """A moment some seconds after START."""
    return Moment(START + timedelta(seconds=seconds), seconds, "boot-1", trust)


def note(text: str) -> DriverChanged:
    """A small fact that says `text`."""
    return DriverChanged("test", "desk", working=True, why=text)


WORDS = st.text(max_size=12)
VALUES: dict[object, st.SearchStrategy[object]] = {
    str: WORDS,
    int: st.integers(-(2**40), 2**40),
    float: st.floats(-1e9, 1e9),
    bool: st.booleans(),
    datetime: st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  (the strategy adds the zone)
    date: st.dates(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def value_of(hint: object) -> st.SearchStrategy[object]:
    """Values a field of a fact may have."""
    hint = getattr(hint, "__supertype__", hint)
    if hint in VALUES:
        return VALUES[hint]
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        if inner[-1] is Ellipsis:
            return st.lists(value_of(inner[0]), max_size=3).map(tuple)
        return st.tuples(*map(value_of, inner))
    if inner:
        return st.one_of(*map(value_of, inner))
    return st.from_type(typing.cast("type[object]", hint))


def facts_of(kind: type[Fact]) -> st.SearchStrategy[Fact]:
    """Every fact of one kind."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: value_of(hints[field.name]) for field in fields(kind)})


@contextlib.contextmanager
def dishonest(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger as somebody who takes the triggers away, edits, and puts them back."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in TRIGGERS:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for name, rest in TRIGGERS.items():
            db.execute(f"CREATE TRIGGER {name} {rest}")
