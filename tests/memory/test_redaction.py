"""Forgetting: what must go is gone from the disk, and the rest still proves itself."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from agent.memory.ledger import Ledger, LedgerError, export_lines, verify
from agent.rules.door import EntryDecided
from agent.rules.health import ServiceStarted
from agent.rules.presence import VisitEnded, VisitEvidence
from agent.rules.retention import DayCounted, Redacted
from drivers.contract import Moment, Trust
from tests.memory.desk import START, at, dishonest

PARIS = ZoneInfo("Europe/Paris")
DAY_S = 86400.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def entry(card: str) -> EntryDecided:
    return EntryDecided("porte", card, "m001", "subscriber", granted=True, rule="always")


def visit(minutes: int) -> VisitEnded:
    return VisitEnded("v", "m001", "occasional", START, START, minutes, VisitEvidence.ANIMATOR)


def later(days: float, trust: Trust = Trust.SYNCHRONISED) -> Moment:
    return at(days * DAY_S, trust)


def test_old_passages_go_and_the_chain_stays(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(ServiceStarted("door", "1"), at(0), "s")
        for number in range(5):
            ledger.append_now(entry(f"secret-card-{number}"), later(number * 30), f"e{number}")
        anchor = ledger.head()
        assert ledger.redact(later(151), PARIS) == {"entry-decided": 3}  # of the days 0, 30 and 60
        assert [one.fact.card for one in ledger.entries(EntryDecided)] == ["secret-card-3", "secret-card-4"]
        told = ledger.last(Redacted)
        assert told.fact == Redacted("entry-decided", 4, 3, START + timedelta(days=61))
        assert ledger.redact(later(151), PARIS) == {}
        raw = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert [f"secret-card-{number}".encode() in raw for number in range(5)] == [False, False, False, True, True]
        assert ledger.append_now(entry("again"), later(151), "e0") == 8  # a key is free once its content is gone
    verdict = verify(path, anchor)
    assert (verdict.ok, verdict.anchored, verdict.facts, verdict.redacted) == (True, True, 8, 3)
    assert [line.count('"content":null') for line in export_lines(path)] == [0, 1, 1, 1, 0, 0, 0, 0]


def test_of_visits_the_day_the_account_and_the_minutes_remain(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(visit(50), at(0), "v1")
        ledger.append_now(visit(70), at(3600), "v2")
        ledger.append_now(visit(10), later(1), "v3")
        before = ledger.totals()
        assert ledger.redact(later(400), PARIS) == {"visit-ended": 3}
        assert (
            ledger.totals()
            == before
            == {
                ("visit_minutes", (("formula", "occasional"),)): 130,
                ("member_visit_minutes", (("member", "m001"),)): 130,
            }
        )
        counts = [one.fact for one in ledger.entries(DayCounted)]
    assert counts == [
        DayCounted("visit-ended", day, name, labels, Decimal(minutes))
        for day, minutes in ((date(2026, 11, 22), 120), (date(2026, 11, 23), 10))
        for name, labels in (
            ("member_visit_minutes", (("member", "m001"),)),
            ("visit_minutes", (("formula", "occasional"),)),
        )
    ]
    assert verify(path).ok


def test_a_wrong_date_condemns_nothing(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(entry("old"), later(0), "old")
        ledger.append_now(entry("1970"), later(-20000, Trust.UNKNOWN), "1970")  # booted without a clock on day 100
        ledger.append_now(entry("ahead"), later(9000, Trust.UNKNOWN), "ahead")
        ledger.append_now(entry("new"), later(100), "new")
        assert ledger.redact(later(101), UTC) == {"entry-decided": 1}
        assert [one.key for one in ledger.entries(EntryDecided)] == ["1970", "ahead", "new"]
        assert ledger.redact(later(191), UTC) == {"entry-decided": 3}  # a trusted fact after them dates them all
        assert list(ledger.entries(EntryDecided)) == []
    assert verify(path).ok


def test_an_unknown_clock_forgets_nothing(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(entry("old"), later(0), "old")
        with pytest.raises(LedgerError, match="clock is unknown"):
            ledger.redact(later(500, Trust.UNKNOWN), UTC)
        assert ledger.redact(later(500, Trust.RESTORED), UTC) == {"entry-decided": 1}


def test_other_processes_go_on_writing(path):
    with Ledger.open(path) as ledger, Ledger.open(path) as other:
        ledger.append_now(entry("old"), later(0), "old")
        waits = [other.queue(entry(str(number)), later(200), f"n{number}") for number in range(300)]
        assert ledger.redact(later(200), UTC) == {"entry-decided": 1}
        assert len({wait.result(10) for wait in waits}) == 300
    assert verify(path).ok


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM content WHERE seq = 4", "no redaction covers it"),  # newer than the redaction
        ("DELETE FROM content WHERE seq = 2", "the redactions tell of 2"),  # under its cover, but kept then
    ],
)
def test_a_deletion_beyond_the_redaction_is_found(path, statement, what):
    with Ledger.open(path) as ledger:
        ledger.append_now(entry("old"), later(0), "old")
        ledger.append_now(entry("early"), later(100), "early")  # its own trusted stamp protected it
        ledger.append_now(entry("late"), later(0), "late")
        ledger.append_now(entry("new"), later(100), "new")
        assert ledger.redact(later(101), UTC) == {"entry-decided": 2}
    assert verify(path).ok
    with dishonest(path) as db:
        db.execute(statement)
    assert any(what in fault.what for fault in verify(path).faults), verify(path).faults


def test_a_redaction_that_deleted_less_than_it_says_is_found(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(entry("old"), later(0), "old")
        ledger.append_now(Redacted("entry-decided", 1, 1, START), later(100), "told")
    assert [fault.what for fault in verify(path).faults] == [
        "the redactions tell of 1 contents of kind entry-decided, fewer are gone"
    ]
