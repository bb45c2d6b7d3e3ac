"""What is followed from the ledger: each fact once, whatever else is written, and nothing that is let go anyway."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.memory.followed import Followed
from agent.memory.ledger import Ledger
from agent.rules.health import DriverChanged, ServiceStarted
from tests.memory.desk import START, at, note


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def told(words, new):
    return (*words, *(entry.fact.why for entry in new))


def write(ledger, word: str, seconds: float = 0.0) -> None:
    ledger.append_now(note(word), at(seconds), word)


def test_each_fact_is_taken_in_once_whatever_else_is_written(ledger):
    followed = Followed(ledger, (DriverChanged,), (), told)
    assert followed.read() == ()
    write(ledger, "one")
    assert followed.read() == followed.read() == ("one",)
    ledger.append_now(ServiceStarted("paper", "1"), at(), "other")
    assert followed.read() == ("one",)
    write(ledger, "two")
    write(ledger, "three")
    assert followed.read() == ("one", "two", "three")


def test_what_is_old_is_let_go_at_every_read_also_when_nothing_is_new(ledger):
    most = [2]
    followed = Followed(ledger, (DriverChanged,), (), told, lambda words: words[-most[0] :])
    for word in ("one", "two", "three"):
        write(ledger, word)
    assert followed.read() == ("two", "three")
    most[0] = 1
    assert followed.read() == ("three",)


def test_the_first_read_begins_at_the_first_fact_of_its_kinds_that_is_young_enough(ledger):
    for number, word in enumerate(("one", "two", "three")):
        write(ledger, word, 60.0 * number)
    ledger.append_now(ServiceStarted("paper", "1"), at(120.0), "other")
    start = START + timedelta(seconds=60)
    assert ledger.before(start, DriverChanged) == 1
    assert ledger.before(start, ServiceStarted) == 3
    assert ledger.before(start + timedelta(hours=1), DriverChanged) == 4
    asked = []
    followed = Followed(ledger, (DriverChanged,), (), told, since=lambda: asked.append(1) or start)
    assert followed.read() == ("two", "three")
    write(ledger, "a clock that jumped back", -3600.0)
    assert followed.read() == ("two", "three", "a clock that jumped back")
    assert asked == [1]
