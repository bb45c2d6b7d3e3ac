"""The ledger: what it promises, and that it keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import sqlite3
import threading
from collections import Counter
from datetime import date, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory.chain import append_rows
from agent.memory.codec import Row, content_bytes, encode
from agent.memory.database import WriteLock, connect, transaction
from agent.memory.ledger import Ledger, LedgerError, export_lines, verify
from agent.memory.writer import QUEUE
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.health import DriverChanged, ServiceStarted
from agent.rules.identity import Level
from agent.rules.kinds import KINDS, every_fact
from agent.rules.links import Cause, Health, LinkChanged
from agent.rules.pages import AttemptKnown, Evidence
from agent.rules.paper import MetersRead
from agent.rules.presence import VisitEnded, VisitEvidence
from agent.rules.retention import DayCounted, Redacted
from tests.memory.desk import START, WORDS, at, dishonest, facts_of, note

CANONICAL = {"ensure_ascii": False, "sort_keys": True, "separators": (",", ":")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def visit(minutes: int, member: str = "m001") -> VisitEnded:
    return VisitEnded("v", member, "occasional", START, START, minutes, VisitEvidence.ANIMATOR)


# --- laws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", every_fact(), ids=lambda kind: kind.kind)
def test_every_kind_reads_back_as_it_was_written(path, kind):
    with Ledger.open(path) as ledger:
        count = Counter()

        @settings(max_examples=25, deadline=None)
        @given(facts_of(kind))
        def reads_back(fact):
            count["facts"] += 1
            row = encode(fact, at(), "k")
            assert row.body == json.dumps(json.loads(row.body), **CANONICAL)  # RFC 8259, and one way to write it
            columns = [row.kind, "k", "2026-11-22T09:00:00+00:00", 0.0, "boot-1", "synchronised", row.body]
            assert row.content.decode() == json.dumps(columns, **CANONICAL)
            seq = ledger.append_now(fact, at(count["facts"]), str(count["facts"]))
            entry = ledger.last(kind)
            assert (entry.seq, entry.key, entry.at, entry.fact) == (seq, str(seq), at(seq), fact)

        reads_back()
    if kind not in {Redacted, DayCounted}:  # these tell of other facts, and invented ones are found out
        assert verify(path).ok


def test_a_fact_is_written_as_it_always_was():
    known = AttemptKnown(
        *("copieur", "SN-1", 'SN-1/7/é"\u2028', AliasId("a1"), MemberId(""), FormulaId("x"), 5, 2, 4, 7, 7),
        *(Evidence.DEVICE, "completed"),
        level=Level.CLAIMED,
    )
    assert encode(known, at(), "k").body == (
        '{"alias":"a1","attempt":"SN-1/7/é\\"\u2028","banners":0,"clicks":1,"copies":1,"device":"copieur","epoch":0,'
        '"evidence":"device","formula":"x","free":0,"group":"","high":7,"large":false,"level":"claimed","low":7,'
        '"member":"","moved":0,"serial":"SN-1","sheets":4,"sides_colour":2,"sides_mono":5,"spooled":"",'
        '"state":"completed","told":null,"two_sided":false,"why_free":""}'
    )
    rows = MetersRead("copieur", "SN-1", date(2026, 11, 22), (("print-mono", 5), ("copy-mono", 0)))
    assert encode(rows, at(), "k").body == (
        '{"day":"2026-11-22","device":"copieur","rows":[["print-mono",5],["copy-mono",0]],"serial":"SN-1"}'
    )


def test_facts_queued_together_are_on_the_disk_together_or_say_which_is_not(path):
    async def story(ledger: Ledger) -> None:
        assert await ledger.append_all([(note("a"), "a"), (note("b"), "b"), (note("a"), "a")], at()) == [1, 2, 1]
        with pytest.raises(LedgerError, match="'a' stands in the ledger already"):
            await ledger.append_all([(note("other"), "a"), (note("c"), "c")], at())
        assert [entry.key for entry in ledger.entries()] == ["a", "b", "c"]
        assert await ledger.append_all([], at()) == []
        with pytest.raises(LedgerError, match="no more fit"):  # and none of them is queued
            ledger.append_all([(note("d"), str(number)) for number in range(QUEUE + 1)], at())
        assert await ledger.append_all([(note("d"), "d")], at()) == [4]

    with Ledger.open(path) as ledger:
        asyncio.run(story(ledger))


def test_a_restart_repeats_nothing(tmp_path):
    facts = st.one_of(*map(facts_of, every_fact()))
    count = Counter()

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(WORDS.filter(bool), facts), max_size=8, unique_by=lambda one: (one[0], one[1].kind)))
    def law(story: list[tuple[str, Fact]]):
        count["runs"] += 1
        path = tmp_path / f"{count['runs']}.db"
        with Ledger.open(path) as ledger:
            first = [ledger.append_now(fact, at(), key) for key, fact in story]
            head, totals = ledger.head(), ledger.totals()
        with Ledger.open(path) as ledger:
            assert (
                [ledger.append_now(fact, at(99), key) for key, fact in story] == first == list(range(1, len(story) + 1))
            )
            assert (ledger.head(), ledger.totals()) == (head, totals)
            assert [entry.fact for entry in ledger.entries()] == [fact for _, fact in story]

    law()


# --- writing ------------------------------------------------------------------------------------------------


def test_the_same_key_with_another_body_is_an_error_and_changes_nothing(path):
    with Ledger.open(path) as ledger:
        assert ledger.append_now(visit(10), at(), "v1") == 1
        with pytest.raises(LedgerError, match="v1"):
            ledger.append_now(visit(11), at(), "v1")
        assert ledger.append_now(note("v1"), at(), "v1") == 2  # another kind has its own keys
        assert ledger.totals()["visit_minutes", (("formula", "occasional"),)] == 10
        assert ledger.fault == ""


def test_a_conflict_fails_only_its_own_row(path):
    async def main(ledger):
        outcomes = [
            ledger.append(note(text), at(), key) for key, text in (("a", "1"), ("a", "2"), ("b", "3"), ("a", "1"))
        ]
        return await asyncio.gather(*outcomes, return_exceptions=True)

    with Ledger.open(path) as ledger:
        first, refused, second, again = asyncio.run(main(ledger))
    assert (first, second, again) == (1, 2, 1)
    assert isinstance(refused, LedgerError)


def test_totals_are_the_sum_of_the_facts_and_survive_a_restart(path):
    for round_ in range(2):
        with Ledger.open(path) as ledger:
            for minutes in (10, 20):
                ledger.append_now(visit(minutes), at(), f"{round_}/{minutes}")
    with Ledger.open(path) as ledger:
        assert ledger.totals() == {
            ("visit_minutes", (("formula", "occasional"),)): 60,
            ("member_visit_minutes", (("member", "m001"),)): 60,
        }


def test_append_need_not_be_awaited_and_a_cancelled_wait_still_writes(path, caplog):
    async def main(ledger):
        ledger.append(note("a"), at(), "a")
        ledger.append(note("b"), at(), "a")  # refused, and nobody looks
        waiting = ledger.append(note("c"), at(), "c")
        waiting.cancel()
        assert await ledger.append(note("d"), at(), "d") == 3
        await asyncio.sleep(0)
        gc.collect()

    with caplog.at_level(logging.ERROR), Ledger.open(path) as ledger:
        asyncio.run(main(ledger), debug=True)
        assert [entry.fact.why for entry in ledger.entries()] == ["a", "c", "d"]
    assert "never retrieved" not in caplog.text
    assert "a fact was refused" in caplog.text


def test_a_loop_that_has_ended_takes_nothing_down(path):
    async def main(ledger):
        ledger.append(note("a"), at(), "a")

    with Ledger.open(path) as ledger:
        with WriteLock(path.with_suffix(".lock")).held():
            asyncio.run(main(ledger))
        assert ledger.append_now(note("b"), at(), "b") == 2


@pytest.mark.parametrize(
    ("fact", "key"),
    [
        (Fact(), "k"),
        (note("x"), ""),
        (note("\ud800"), "k"),
        (note("x"), "\ud800"),
        (LinkChanged("a", Health.UP, Health.DOWN, Cause.BOX, datetime(2026, 1, 1), ""), "k"),  # noqa: DTZ001  (the fault)
        (visit(2**60), "k"),
        (LinkChanged("a", Health.DOWN, Health.UP, Cause.NONE, START, "", lasted_s=float("nan")), "k"),
    ],
)
def test_what_cannot_be_written_down_is_refused_at_once(path, fact, key):
    with Ledger.open(path) as ledger:
        with pytest.raises(LedgerError):
            ledger.append_now(fact, at(), key)
        assert ledger.append_now(note("next"), at(), "next") == 1


def test_the_queue_is_bounded_waits_and_then_is_written(path):
    with Ledger.open(path) as ledger:
        with WriteLock(path.with_suffix(".lock")).held():
            for number in range(QUEUE):
                ledger.queue(note(""), at(), str(number))
            with pytest.raises(LedgerError, match="no more fit"):
                ledger.queue(note(""), at(), "one too many")
            assert ledger.pending == QUEUE
        last = ledger.append_now
        while ledger.pending > QUEUE // 2:
            ledger.last(DriverChanged)
        assert last(note(""), at(), str(QUEUE - 1)) == QUEUE
    assert verify(path).facts == QUEUE


def test_append_now_that_gives_up_leaves_nothing_behind(path):
    with Ledger.open(path) as ledger:
        with WriteLock(path.with_suffix(".lock")).held():
            ledger.queue(note("first"), at(), "first")  # the writer takes this one and waits for the lock
            while ledger._writer._queue:
                pass
            with pytest.raises(LedgerError, match="not written"):
                ledger.append_now(note("second"), at(), "second", limit_s=0.01)
        assert ledger.append_now(note("third"), at(), "third") == 2


def test_append_now_waits_for_a_row_that_is_being_written(path):
    with Ledger.open(path) as ledger, contextlib.ExitStack() as others:
        others.enter_context(WriteLock(path.with_suffix(".lock")).held())
        release = threading.Timer(0.3, others.pop_all().close)
        release.start()
        assert ledger.append_now(note("x"), at(), "x", limit_s=0.1) == 1
        release.join()


def test_a_row_the_tables_refuse_does_not_hold_up_the_others(path):
    with Ledger.open(path) as ledger:
        with contextlib.closing(connect(path)) as db:
            db.execute(
                "CREATE TRIGGER odd BEFORE INSERT ON content WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with WriteLock(path.with_suffix(".lock")).held():
            waits = [ledger.queue(note("x"), at(), key) for key in ("a", "b", "bad", "c")]
            rest = [ledger.queue(note("y"), at(), str(number)) for number in range(300)]
        with pytest.raises(LedgerError, match="refuses this row: no"):
            waits.pop(2).result(10)
        assert [wait.result(10) for wait in waits] == [1, 2, 3]
        assert [wait.result(10) for wait in rest] == list(range(4, 304))
        assert ledger.fault == ""


def test_a_bug_in_the_writer_is_loud(path, caplog):
    with Ledger.open(path) as ledger:
        row = Row("driver-changed", "k", "not even a time", 1.0, "b", "synchronised", "{}", None)
        with pytest.raises(LedgerError, match="the writer ended"):
            ledger._writer.put(row).future.result(10)
        assert ledger.fault.startswith("the writer ended")
        with pytest.raises(LedgerError, match="the writer ended"):
            ledger.append_now(note("x"), at(), "x")
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("column", ["utc = 'noon'", "utc = '2026-11-22T09:00:00'", "trust = 'blind'", "body = '[]'"])
def test_what_cannot_be_decoded_names_its_fact(path, column):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("a"), at(), "a")
        ledger.append_now(note("b"), at(), "b")
        with dishonest(path) as db:
            db.execute(f"UPDATE content SET {column} WHERE seq = 1")
        with pytest.raises(LedgerError, match=r"fact 1: .* cannot be read"):
            list(ledger.entries())


def test_a_lock_that_others_keep_is_said(path):
    with (
        WriteLock(path).held(),
        pytest.raises(LedgerError, match="another process has held"),
        WriteLock(path).held(0.02),
    ):
        pass


def test_a_closed_ledger_says_so(path):
    ledger = Ledger.open(path)
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.append_now(note("x"), at(), "x")
    with pytest.raises(LedgerError):
        ledger.head()


# --- reading ------------------------------------------------------------------------------------------------


def test_entries_come_in_order_by_kind_and_after_a_seq(path):
    with Ledger.open(path) as ledger:
        for number in range(1, 1301):
            fact = ServiceStarted("s", "1") if number % 3 else visit(1)
            ledger.queue(fact, at(number), str(number))
        ledger.append_now(note("end"), at(), "end")
        assert [entry.seq for entry in ledger.entries()] == list(range(1, 1302))
        assert [entry.seq for entry in ledger.entries(VisitEnded)] == list(range(3, 1301, 3))
        both = list(ledger.entries(DriverChanged, ServiceStarted, since=700))
        assert all(a.seq < b.seq for a, b in pairwise(both))
        assert {entry.seq for entry in both} == {n for n in range(701, 1301) if n % 3} | {1301}
        assert ledger.last(LinkChanged) is None
        growing = ledger.entries()
        ledger.append_now(note("later"), at(), "later")
        assert len(list(growing)) == 1301  # up to the head at the call


def test_a_kind_of_a_later_version_is_reported_and_left_out(path, caplog):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("a"), at(), "a")
        with contextlib.closing(connect(path)) as db, transaction(db):
            columns = ("tomorrow", "k", START.isoformat(), 1.0, "b", "synchronised", '{"x":1}')
            append_rows(db, [Row(*columns, content_bytes(*columns))])
        assert "tomorrow" not in KINDS
        assert [entry.seq for entry in ledger.entries()] == [1]
        assert "tomorrow" in caplog.text
    verdict = verify(path)
    assert (verdict.ok, verdict.unknown) == (True, ("tomorrow",))
    assert '"kind":"tomorrow"' in list(export_lines(path))[-1]


def test_an_edited_content_is_an_error_not_a_guess(path):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("a"), at(), "a")
        ledger.append_now(note("b"), at(), "b")
    with dishonest(path) as db:
        db.execute("""UPDATE content SET body = '{"service": 5}' WHERE seq = 1""")
    with Ledger.open(path) as ledger, pytest.raises(LedgerError, match="fact 1"):
        list(ledger.entries())


# --- the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fact SET kind = 'x' WHERE seq = 1",
        "UPDATE content SET body = '{}' WHERE seq = 1",
        "DELETE FROM fact WHERE seq = 2",
        "DELETE FROM content WHERE seq = 1",
        "INSERT OR REPLACE INTO fact SELECT * FROM fact WHERE seq = 1",
        "INSERT OR REPLACE INTO fact SELECT seq, 'x', commitment, prev, hash FROM fact WHERE seq = 2",
        "INSERT INTO fact SELECT 4, kind, commitment, hash, hash FROM fact WHERE seq = 2",  # leaves a gap
        "INSERT INTO fact SELECT 3, kind, commitment, prev, hash FROM fact WHERE seq = 2",  # does not follow the head
        "INSERT INTO fact VALUES (NULL, 'x', x'', x'', x'')",
        "REPLACE INTO content SELECT * FROM content WHERE seq = 2",
        "REPLACE INTO content SELECT 2, kind, salt, 'a', utc, mono, boot, trust, body FROM content WHERE seq = 1",
        "INSERT INTO content SELECT 9, kind, salt, 'new', utc, mono, boot, trust, body FROM content WHERE seq = 1",
    ],
)
def test_the_tables_refuse_what_no_honest_writer_does(path, statement):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("a"), at(), "a")
        ledger.append_now(note("b"), at(), "b")
    with contextlib.closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)
    assert verify(path).facts == 2


def test_the_files_are_the_groups_whatever_the_umask(path):
    before = os.umask(0o077)
    try:
        with Ledger.open(path) as ledger:
            ledger.append_now(note("a"), at(), "a")
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.lock"), 0o660)


def test_what_is_not_our_ledger_is_not_opened(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (x)")
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger.open(path)
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger.open(path)


def test_a_newer_format_is_not_touched(path):
    Ledger.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="newer version"):
        Ledger.open(path)


@pytest.mark.parametrize("table", ["fact SET kind = 'x'", "content SET body = '{}'"])
def test_an_edited_head_does_not_open(path, table):
    with Ledger.open(path) as ledger:
        ledger.append_now(note("a"), at(), "a")
    with dishonest(path) as db:
        db.execute(f"UPDATE {table}")
    with pytest.raises(LedgerError, match="does not match its hash"):
        Ledger.open(path)


def test_a_ledger_that_loses_its_file_keeps_its_facts_and_says_so(tmp_path):
    file = tmp_path / "ledger.db"

    async def lose_and_find() -> None:
        with Ledger.open(file) as ledger:
            away = file.rename(tmp_path / "away.db")
            written = ledger.append(ServiceStarted("door", "1"), at(1), "lost")
            while not ledger.fault:
                await asyncio.sleep(0.01)
            assert "removed or replaced" in ledger.fault
            assert not written.done()
            with pytest.raises(LedgerError, match="removed or replaced"):
                ledger.head()
            away.replace(file)
            assert await asyncio.wait_for(written, 10) == 1
            assert [entry.key for entry in ledger.entries()] == ["lost"]

    asyncio.run(lose_and_find())
