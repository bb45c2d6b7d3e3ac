"""Today and double entry, over a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.memory.ledger import Ledger
from agent.rules.health import ServiceStarted
from agent.rules.paper import BooksOpened, CopiesCounted
from agent.views import journal as journal_module
from agent.views.journal import Books, Journal, PaperSums, Today
from drivers.contract import Moment, Trust
from tests.views.scenes import MONO_S, NOON, SUB, A, HandClock, write_day

PARIS = ZoneInfo("Europe/Paris")
NOW = HandClock().now()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def at(minutes: float, boot: str = "boot-1") -> Moment:
    return Moment(NOON + timedelta(minutes=minutes), MONO_S + minutes * 60, boot, Trust.SYNCHRONISED)


def copies(mono: int, epoch: int = 1) -> CopiesCounted:
    return CopiesCounted("copieur", "SN1", epoch, "c", A, SUB, mono, 0, 0, 0)


def test_an_empty_ledger_is_an_empty_day(ledger: Ledger) -> None:
    assert Journal(ledger, PARIS).read(NOW) == Today()


def test_a_day_is_read_back(ledger: Ledger) -> None:
    write_day(ledger)
    today = Journal(ledger, PARIS).read(NOW)
    assert today.count == 22  # 24 facts: one of the day before, one too busy for a page
    assert len(today.events) == 20
    assert today.events[0].fact.kind == "link-changed"
    assert today.paper == {"copieur": PaperSums(prints=45, copies=7, unattributed=5)}
    assert today.books == {"copieur": Books(10126, PaperSums(45, 7, 5))}
    assert today.seq == 24


def test_following_costs_only_what_is_new_and_says_the_same(ledger: Ledger) -> None:
    following = Journal(ledger, PARIS)
    following.read(NOW)
    write_day(ledger)
    assert following.read(NOW) == Journal(ledger, PARIS).read(NOW)
    ledger.append_now(copies(6), at(1), "later")
    today = following.read(at(2))
    assert today == Journal(ledger, PARIS).read(at(2))
    assert today.paper["copieur"].copies == 13
    assert today.books["copieur"].since.copies == 13


def test_midnight_empties_the_day_and_not_the_books(ledger: Ledger) -> None:
    write_day(ledger)
    following = Journal(ledger, PARIS)
    following.read(NOW)
    tomorrow = at(12 * 60)
    ledger.append_now(copies(2), tomorrow, "tomorrow")
    today = following.read(tomorrow)
    assert today == Journal(ledger, PARIS).read(tomorrow)
    assert (today.count, today.paper) == (1, {"copieur": PaperSums(copies=2)})
    assert today.books["copieur"].since == PaperSums(45, 9, 5)


def test_a_new_epoch_opens_new_books(ledger: Ledger) -> None:
    write_day(ledger)
    following = Journal(ledger, PARIS)
    following.read(NOW)
    ledger.append_now(BooksOpened("copieur", "SN2", 2, 10, 0, 5, 0, "swapped"), at(1), "swap")
    ledger.append_now(copies(3, epoch=2), at(2), "after")
    for journal in (following, Journal(ledger, PARIS)):
        assert journal.read(at(3)).books["copieur"] == Books(15, PaperSums(copies=3))


def test_a_long_day_is_found_block_by_block(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "BLOCK", 5)
    ledger.append_now(ServiceStarted("web", "0"), at(-60 * 24), "yesterday")
    for number in range(23):
        ledger.append_now(copies(1), at(number - 30), f"copy {number}")
    today = Journal(ledger, PARIS).read(NOW)
    assert (today.count, today.paper["copieur"].copies) == (23, 23)


def test_a_ledger_that_cannot_be_read_is_a_fault_and_not_an_exception(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "gone.db") as gone:
        journal = Journal(gone, PARIS)
        assert journal.read(NOW) == Today()
    assert journal.read(NOW).fault
