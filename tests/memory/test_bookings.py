"""Bookings, guests' codes and the lockdown: in force at the next reading, told by ids, the code kept nowhere."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta

import pytest

from agent.memory.database import connect
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterError, RosterStore
from agent.memory.tables import STEPS
from agent.rules.bookings import Alarm, Booking
from agent.rules.facts import FormulaId, MemberId
from agent.rules.members import RosterChanged
from drivers.clock import SystemClock
from drivers.contract import CardNumber

NOW = SystemClock().now().utc.replace(microsecond=0)
SOON, LATER = NOW + timedelta(hours=1), NOW + timedelta(hours=2)


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def store(tmp_path, ledger):
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        yield store


def told(store, ledger) -> list[tuple[str, str]]:
    assert store.settle() == 0
    return [(entry.fact.action, entry.fact.subject) for entry in ledger.entries(RosterChanged)]


def test_a_member_is_booked_and_the_words_stay_in_the_roster(tmp_path, store, ledger):
    member = store.add_member("Anne", FormulaId("occasional"), actor="a1", since=date(2026, 1, 1))
    made = store.bookings.book(member, SOON, LATER, actor="a1", uses=2, words="  atelier   couture ")
    assert store.roster().bookings == (Booking(made, member, None, SOON, LATER, 2),)
    assert [one.words for one in store.bookings.all()] == ["atelier couture"]
    for _ in range(2):
        store.bookings.end(made, actor="a1")
    assert store.roster().bookings == ()
    assert told(store, ledger)[1:] == [("booking-made", made), ("booking-ended", made)]
    assert b"couture" not in (tmp_path / "ledger.db").read_bytes()


def test_a_guests_code_is_eight_digits_kept_nowhere(tmp_path, store):
    made, code = store.bookings.invite(SOON, LATER, actor="a1")
    assert len(code) == 8
    assert code.isdecimal()
    (one,) = store.roster().bookings
    assert (one.id, one.member, one.key, one.uses) == (made, None, store.card_key(CardNumber(code)), None)
    for part in tmp_path.glob("*"):
        assert code.encode() not in part.read_bytes(), part
    others = {store.bookings.invite(SOON, LATER, actor="a1")[1] for _ in range(20)}
    assert len(others | {code}) == 21


@pytest.mark.parametrize(
    ("start", "until", "uses"),
    [
        (LATER, SOON, None),
        (SOON, SOON, None),
        (NOW - timedelta(days=2), NOW - timedelta(days=1), None),
        (SOON, SOON + timedelta(days=63), None),
        (SOON, LATER, 0),
        (SOON, LATER, 101),
    ],
)
def test_a_booking_that_makes_no_sense_is_refused_in_words(store, start, until, uses):
    with pytest.raises(RosterError):
        store.bookings.invite(start, until, actor="a1", uses=uses)
    assert store.roster().bookings == ()


def test_nobody_and_no_card_cannot_be_booked_nor_words_nobody_can_read(store):
    member = store.add_member("Anne", FormulaId("occasional"), actor="a1", since=date(2026, 1, 1))
    with pytest.raises(RosterError):
        store.bookings.book(MemberId("m999"), SOON, LATER, actor="a1")
    with pytest.raises(RosterError):
        store.bookings.book_card(3, SOON, LATER, actor="a1")
    for words in ("a" * 101, "a\u200eb"):
        with pytest.raises(RosterError):
            store.bookings.book(member, SOON, LATER, actor="a1", words=words)
    store.bookings.book(member, SOON, LATER, actor="a1", words="Zoé « 🎉 » l'été")
    assert [one.words for one in store.bookings.all()] == ["Zoé « 🎉 » l'été"]


def test_a_visitors_card_is_booked_and_leaves_with_its_bookings(store):
    store.visitors.add(3, store.card_key(CardNumber("0F00A1B2C3")), actor="a1")
    store.bookings.book_card(3, SOON, LATER, actor="a1")
    assert [one.key for one in store.roster().bookings] == [store.card_key(CardNumber("0F00A1B2C3"))]
    store.visitors.remove(3, actor="a1")
    assert store.roster().bookings == ()


def test_an_erased_member_leaves_no_booking(store):
    member = store.add_member("Anne", FormulaId("occasional"), actor="a1", since=date(2026, 1, 1))
    store.bookings.book(member, SOON, LATER, actor="a1", words="Anne et ses amis")
    store.erase_member(member, actor="a1")
    assert store.bookings.all() == ()


def test_a_booking_long_over_is_forgotten_with_the_next_one(tmp_path, store):
    store.bookings.invite(SOON, LATER, actor="a1", words="ancien")
    with contextlib.closing(connect(tmp_path / "roster.db")) as db:
        old = (NOW - timedelta(days=32)).isoformat()
        db.execute("UPDATE booking SET start = ?, until = ?", (old, old))
    store.bookings.invite(SOON, LATER, actor="a1", words="neuf")
    assert [one.words for one in store.bookings.all()] == ["neuf"]


def test_a_lockdown_stands_until_it_is_ended_and_outlives_a_restart(tmp_path, ledger, store):
    store.bookings.lock_down(Alarm.INTRUSION, actor="a1")
    with RosterStore.open(tmp_path, ledger, SystemClock()) as other:
        lockdown = other.roster().lockdown
        assert lockdown is not None
        assert (lockdown.reason, lockdown.until) == (Alarm.INTRUSION, None)
        assert lockdown.since >= NOW
    store.bookings.lock_down(Alarm.EXERCISE, actor="a1", until=SOON)
    lockdown = store.roster().lockdown
    assert lockdown is not None
    assert (lockdown.reason, lockdown.until) == (Alarm.EXERCISE, SOON)
    for _ in range(2):
        store.bookings.end_lockdown(actor="a2")
    assert store.roster().lockdown is None
    assert told(store, ledger) == [
        ("lockdown-begun", "intrusion"),
        ("lockdown-begun", f"exercise..{SOON.astimezone(UTC).isoformat()}"),
        ("lockdown-ended", "exercise"),
    ]


@pytest.mark.parametrize("until", [NOW - timedelta(minutes=1), NOW + timedelta(days=32)])
def test_a_lockdown_ends_ahead_and_not_in_a_year(store, until: datetime):
    with pytest.raises(RosterError):
        store.bookings.lock_down(Alarm.OTHER, actor="a1", until=until)
    assert store.roster().lockdown is None


def test_a_roster_of_the_version_before_gains_the_tables(tmp_path, ledger):
    with contextlib.closing(sqlite3.connect(tmp_path / "roster.db")) as db:
        for number, step in enumerate(STEPS[:2], 1):
            db.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        assert (store.roster().bookings, store.roster().lockdown) == ((), None)


@pytest.mark.parametrize("left", [b"", None])
def test_a_roster_that_was_emptied_or_removed_is_never_begun_anew_in_silence(tmp_path, ledger, left):
    RosterStore.open(tmp_path, ledger, SystemClock()).close()
    for part in tmp_path.glob("roster.db*"):
        part.unlink()
    if left is not None:
        (tmp_path / "roster.db").write_bytes(left)
    with pytest.raises(LedgerError, match="empty or was removed"):
        RosterStore.open(tmp_path, ledger, SystemClock())
    (tmp_path / "roster.key").unlink()
    RosterStore.open(tmp_path, ledger, SystemClock()).close()
