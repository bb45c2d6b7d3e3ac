"""The roster: every change takes effect everywhere, leaves its fact, and can be forgotten."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from datetime import date

import pytest

from agent.memory.database import WriteLock, connect
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import ImportReport, Person, RosterError, RosterStore
from agent.rules.facts import FormulaId, MemberId
from agent.rules.memberlist import read_members
from agent.rules.members import Alias, Card, Member, RosterChanged
from drivers.clock import SystemClock
from drivers.contract import CardNumber

SUBSCRIBER, OCCASIONAL = FormulaId("subscriber"), FormulaId("occasional")
DAY = date(2026, 11, 22)
CARD = CardNumber("04A23F11")


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def store(tmp_path, ledger):
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        yield store


def told(store, ledger) -> list[tuple[str, str, str, str]]:
    """Every roster fact, once the ledger has them."""
    assert store.settle() == 0
    facts = [entry.fact for entry in ledger.entries(RosterChanged)]
    return [(fact.actor, fact.action, fact.subject, fact.formula) for fact in facts]


def test_a_member_comes_changes_and_leaves(store, ledger):
    assert store.roster().version == 0
    ada = store.add_member("Ada Élan", SUBSCRIBER, actor="cli", since=DAY)
    bob = store.add_member("Bob", OCCASIONAL, actor="cli", since=DAY, until=DAY, member=MemberId("m041"))
    cyd = store.add_member("Cyd", OCCASIONAL, actor="animator", since=DAY)
    assert (ada, bob, cyd) == ("m001", "m041", "m042")
    store.change_member(ada, actor="cli", formula=OCCASIONAL, name="Ada")
    store.change_member(ada, actor="cli")  # nothing differs: nothing is told
    store.end_member(ada, date(2026, 12, 31), actor="cli")
    assert store.roster().members == {
        "m001": Member(ada, OCCASIONAL, DAY, date(2026, 12, 31)),
        "m041": Member(bob, OCCASIONAL, DAY, DAY),
        "m042": Member(cyd, OCCASIONAL, DAY, None),
    }
    assert store.names() == {"m001": "Ada", "m041": "Bob", "m042": "Cyd"}
    assert store.people()[0] == Person(ada, "Ada", OCCASIONAL, DAY, date(2026, 12, 31))
    assert store.roster().version == 5
    assert told(store, ledger) == [
        ("cli", "member-added", "m001", "subscriber"),
        ("cli", "member-added", "m041", "occasional"),
        ("animator", "member-added", "m042", "occasional"),
        ("cli", "member-changed", "m001", "occasional"),
        ("cli", "member-changed", "m001", "occasional"),
    ]


def test_a_card_is_given_blocked_and_taken(store, ledger):
    ada = store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    bob = store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY)
    key = store.give_card(ada, CARD, actor="cli")
    assert key == store.card_key(CardNumber("04A23F11"))
    assert store.roster().cards == {key: Card(key, ada, blocked=False)}
    with pytest.raises(RosterError, match="m001"):
        store.give_card(bob, CARD, actor="cli")
    store.block_card(key, actor="cli")
    store.block_card(key, actor="cli")
    assert store.roster().cards[key].blocked
    store.give_card(ada, CARD, actor="cli")
    store.give_card(ada, CARD, actor="cli")
    assert not store.roster().cards[key].blocked
    store.take_card(key, actor="cli")
    assert store.roster().cards == {}
    for change in (store.take_card, store.block_card):
        with pytest.raises(RosterError, match="nobody"):
            change(key, actor="cli")
    store.give_card(bob, CARD, actor="cli")
    actions = [(action, subject == key) for _, action, subject, _ in told(store, ledger)[2:]]
    assert actions == [(f"card-{what}", True) for what in ("given", "blocked", "given", "taken", "given")]


def test_a_print_name_is_seen_claimed_and_given_back(store, ledger):
    ada = store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    bob = store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY)
    seen = store.alias("CORP\\Ada.L")
    assert (seen.member, store.alias("ada.l@home")) == (None, seen)
    assert store.alias("  ") == Alias("", None)
    assert store.give_alias(ada, "ADA.L", actor="animator") == seen.id
    assert store.give_alias(ada, "ada.l", actor="animator") == seen.id
    assert store.alias("ada.l") == Alias(seen.id, ada)
    with pytest.raises(RosterError, match="m001"):
        store.give_alias(bob, "ada.l", actor="animator")
    with pytest.raises(RosterError, match="empty"):
        store.give_alias(bob, " @x", actor="animator")
    store.take_alias(seen.id, actor="animator")
    store.take_alias(seen.id, actor="animator")
    new = store.give_alias(bob, "bobby", actor="animator")
    assert store.roster().aliases == {"ada.l": Alias(seen.id, None), "bobby": Alias(new, bob)}
    assert told(store, ledger)[2:] == [
        ("paper", "alias-seen", seen.id, ""),
        ("animator", "alias-given", seen.id, ""),
        ("animator", "alias-taken", seen.id, ""),
        ("animator", "alias-given", new, ""),
    ]


def test_a_day_is_closed_and_opened(store, ledger):
    for change in (store.calendar.close_day, store.calendar.close_day):
        change(DAY, actor="cli")
    assert store.roster().closures == {DAY}
    for change in (store.calendar.open_day, store.calendar.open_day):
        change(DAY, actor="cli")
    assert store.roster().closures == frozenset()
    assert [action for _, action, _, _ in told(store, ledger)] == ["day-closed", "day-opened"]


def test_an_erased_member_is_gone_from_the_disk_and_the_id_is_not_used_again(tmp_path, store, ledger):
    ada = store.add_member("Ada Unforgettable", SUBSCRIBER, actor="cli", since=DAY)
    store.give_card(ada, CARD, actor="cli")
    alias = store.give_alias(ada, "ada.unforgettable", actor="cli")
    store.erase_member(ada, actor="ops")
    assert (store.roster().members, store.roster().cards, store.roster().aliases) == ({}, {}, {})
    raw = b"".join(file.read_bytes() for file in tmp_path.iterdir()).lower()
    assert b"unforgettable" not in raw
    assert alias.encode() in raw  # in the facts
    assert store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY) == "m002"
    with pytest.raises(RosterError, match="used before"):
        store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY, member=ada)
    with pytest.raises(RosterError, match="no member m001"):
        store.erase_member(ada, actor="ops")
    assert told(store, ledger)[3] == ("ops", "member-erased", "m001", "")


def test_a_refused_change_changes_nothing(store, ledger):
    ada = store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    before = store.roster()
    for refused in (
        lambda: store.end_member(ada, date(2026, 1, 1), actor="cli"),
        lambda: store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY, until=date(2026, 1, 1)),
        lambda: store.give_card(MemberId("m099"), CARD, actor="cli"),
        lambda: store.give_alias(MemberId("m099"), "x", actor="cli"),
        lambda: store.change_member(MemberId("m099"), actor="cli"),
    ):
        with pytest.raises(RosterError) as refusal:
            refused()
        assert refusal.value.fr != refusal.value.en
    assert store.roster() is before  # not even read again
    assert len(told(store, ledger)) == 1


def test_a_change_shows_in_another_process_at_its_next_call(tmp_path, store):
    store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    assert len(store.roster().members) == 1
    code = (
        "import datetime, pathlib, sys\n"
        "from agent.memory.ledger import Ledger; from agent.memory.roster import RosterStore\n"
        "from drivers.clock import SystemClock\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with Ledger.open(folder / 'ledger.db') as ledger, RosterStore.open(folder, ledger, SystemClock()) as store:\n"
        "    print(store.add_member('Bob', 'occasional', actor='cli', since=datetime.date(2026, 11, 22)))\n"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True)
    assert said.stdout == "m002\n"
    assert set(store.roster().members) == {"m001", "m002"}


def test_the_files_are_the_groups_and_the_key_is_read_only_to_it(tmp_path):
    before = os.umask(0o077)
    try:
        with Ledger.open(tmp_path / "ledger.db") as ledger, RosterStore.open(tmp_path, ledger, SystemClock()):
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("roster*")}
    finally:
        os.umask(before)
    shared = dict.fromkeys(("roster.db", "roster.db-shm", "roster.db-wal", "roster.lock"), 0o660)
    assert modes == {**shared, "roster.key": 0o640}


def test_the_key_stays_and_is_missed(tmp_path, ledger):
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        key = store.card_key(CARD)
        store.give_card(store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY), CARD, actor="cli")
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        assert store.card_key(CARD) == key != store.card_key(CardNumber("04A23F12"))
    (tmp_path / "roster.key").write_bytes(b"short")
    with pytest.raises(LedgerError, match="damaged"):
        RosterStore.open(tmp_path, ledger, SystemClock())
    (tmp_path / "roster.key").unlink()
    with pytest.raises(LedgerError, match="restore it from the backup"):
        RosterStore.open(tmp_path, ledger, SystemClock())


def test_no_number_and_no_name_reaches_the_ledger(tmp_path, store, ledger):
    ada = store.add_member("Ada Secret", SUBSCRIBER, actor="cli", since=DAY)
    store.give_card(ada, CARD, actor="cli")
    store.give_alias(ada, "ada.secret", actor="cli")
    assert store.settle() == 0
    files = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*")).lower()
    assert b"secret" not in files
    assert b"04a23f11" not in files + b"".join(file.read_bytes() for file in tmp_path.glob("roster.db*")).lower()


def test_a_change_while_the_ledger_is_stuck_is_made_and_told_later(tmp_path, ledger):
    store = RosterStore.open(tmp_path, ledger, SystemClock())
    with WriteLock(tmp_path / "ledger.lock").held():
        store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
        assert store.settle(0.05) == 1
    assert store.settle() == 0
    store.close()


DIE = """
import datetime, os, pathlib, sys
from agent.memory.database import WriteLock
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from drivers.clock import SystemClock
folder = pathlib.Path(sys.argv[1])
ledger = Ledger.open(folder / "ledger.db")
store = RosterStore.open(folder, ledger, SystemClock())
with WriteLock(folder / "ledger.lock").held():
    store.add_member("Bob", "occasional", actor="cli", since=datetime.date(2026, 11, 22))
    os._exit(0)
"""


def test_a_change_whose_process_died_is_told_at_the_next_start(tmp_path):
    subprocess.run([sys.executable, "-c", DIE, tmp_path], check=True)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.head().seq == 0
        for _ in range(2):
            with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
                assert told(store, ledger) == [("cli", "member-added", "m001", "occasional")]


def test_a_change_in_the_place_of_a_cleared_one_is_not_taken_for_it(tmp_path, store, ledger):
    store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    while ledger.pending:
        pass
    with RosterStore.open(tmp_path, ledger, SystemClock()) as other:
        assert other.settle() == 0  # the outbox is empty again, and `store` has not noticed
    subprocess.run([sys.executable, "-c", DIE, tmp_path], check=True)
    assert [subject for _, _, subject, _ in told(store, ledger)] == ["m001", "m002"]


def test_a_roster_that_cannot_be_read_anew_is_the_last_one(tmp_path, store):
    store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    good = store.roster()
    with contextlib.closing(connect(tmp_path / "roster.db")) as db:
        db.execute("ALTER TABLE card RENAME TO lost")
    assert store.roster() is good
    assert "cannot be read" in store.fault
    with pytest.raises(LedgerError, match="nothing was changed"):
        store.give_card(MemberId("m001"), CARD, actor="cli")
    with contextlib.closing(connect(tmp_path / "roster.db")) as db:
        db.execute("ALTER TABLE lost RENAME TO card")
    assert store.roster() == good
    assert store.fault == ""


def test_what_is_newer_or_no_roster_is_not_opened(tmp_path, ledger):
    RosterStore.open(tmp_path, ledger, SystemClock()).close()
    with contextlib.closing(connect(tmp_path / "roster.db")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer version"):
        RosterStore.open(tmp_path, ledger, SystemClock())
    (tmp_path / "roster.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="cannot be opened"):
        RosterStore.open(tmp_path, ledger, SystemClock())


def test_two_services_meet_the_same_new_name_once(tmp_path, store, ledger):
    with RosterStore.open(tmp_path, ledger, SystemClock()) as other:
        store.roster()
        assert other.alias("ada") == store.alias("ADA")
    assert [action for _, action, _, _ in told(store, ledger)] == ["alias-seen"]


# --- import -------------------------------------------------------------------------------------------------

LIST = (
    "identifiant;nom;formule;depuis;jusqu'au;carte;impression\r\n"
    ";Zoé Élan;Abonnée;22/11/2026;;04 A2 3F 11;zoe zoe.elan\r\n"
    "m001;Éric;occasionnel;01/01/2026;31/12/2026;;eric\r\n"
).encode("cp1252")


def test_an_import_twice_is_the_same_as_once(store, ledger):
    assert store.import_rows(read_members(LIST), actor="cli") == ImportReport(2, 0, 0, ())
    roster = store.roster()
    assert store.names() == {"m001": "Éric", "m002": "Zoé Élan"}  # the given ids first, then the next free
    assert roster.members["m001"] == Member(MemberId("m001"), OCCASIONAL, date(2026, 1, 1), date(2026, 12, 31))
    assert roster.cards[store.card_key(CARD)].member == "m002"
    assert {folded: alias.member for folded, alias in roster.aliases.items()} == {
        "eric": "m001",
        "zoe": "m002",
        "zoe.elan": "m002",
    }
    facts = told(store, ledger)
    assert store.import_rows(read_members(LIST), actor="cli") == ImportReport(0, 0, 2, ())
    assert (store.roster(), told(store, ledger)) == (roster, facts)


def test_an_import_changes_what_it_says_and_keeps_the_rest(store):
    store.import_rows(read_members(LIST), actor="cli")
    key = store.card_key(CARD)
    store.block_card(key, actor="cli")
    report = store.import_rows(
        read_members(b"nom;formule;carte\r\nZOE ELAN;occasionnel;04A23F11\r\nEric;passage"), actor="cli"
    )
    assert report == ImportReport(0, 2, 0, ())
    roster = store.roster()
    assert roster.cards[key].blocked  # a list does not unblock a lost card
    assert roster.members["m002"].formula == OCCASIONAL
    assert roster.members["m001"].until == date(2026, 12, 31)  # no such column: kept
    store.import_rows(read_members(b"nom;formule;fin\r\nEric;passage;"), actor="cli")
    assert store.roster().members["m001"].until is None  # an empty cell: open
    assert store.names() == {"m001": "Eric", "m002": "ZOE ELAN"}


def test_one_fault_and_nothing_is_imported_and_every_fault_is_told(store, ledger):
    store.import_rows(read_members(LIST), actor="cli")
    store.add_member("Zoe Elan", OCCASIONAL, actor="cli", since=DAY)
    before, facts = store.roster(), told(store, ledger)
    report = store.import_rows(
        read_members(
            (
                "identifiant;nom;formule;depuis;carte;impression\r\n"
                "m007;Dan;abonné;;;\r\n"
                "m008;Eve;abonné;;04A23F11;zoe, eric\r\n"
                ";Zoé Élan;abonné;;;\r\n"
                "m001;Éric;abonné;01/01/2027;;\r\n"
            ).encode()
        ),
        actor="cli",
    )
    assert [(fault.line, fault.en.split(" ")[0]) for fault in report.faults] == [
        (3, "this"),
        (3, "this"),
        (3, "this"),
        (4, "several"),
        (5, "m001:"),
    ]
    assert (report.added, report.changed, report.unchanged) == (0, 0, 0)
    assert (store.roster(), told(store, ledger)) == (before, facts)
    unread = store.import_rows(read_members(b"nom;formule\r\nAda;roi\r\nBob;abonne"), actor="cli")
    assert [fault.line for fault in unread.faults] == [2]
    assert store.roster() == before


def test_a_new_member_without_a_start_begins_today(store):
    store.import_rows(read_members("nom;formule\r\nAda;abonné".encode()), actor="cli")
    assert store.roster().members["m001"].since == SystemClock().now().utc.date()


def test_a_new_member_begins_on_the_day_of_the_site(store):
    """In Guadeloupe it is still the evening before: whoever is imported then enters then."""
    evening = date(2026, 11, 28)
    store.import_rows(read_members("nom;formule\r\nAda;abonné".encode()), actor="cli", today=evening)
    assert store.roster().members["m001"].since == evening


def test_a_long_list_is_handed_to_the_ledger_in_batches_that_leave_it_room(
    tmp_path, store, ledger, monkeypatch, caplog
):
    monkeypatch.setattr("agent.memory.roster.BATCH", 3)
    with WriteLock(tmp_path / "ledger.lock").held():
        rows = "".join(f"Membre {n};abonné;{n:08X}\r\n" for n in range(1, 6))
        store.import_rows(read_members(f"nom;formule;carte\r\n{rows}".encode()), actor="cli")
        assert ledger.pending == 3
    facts = told(store, ledger)
    assert [action for _, action, _, _ in facts] == ["member-added", "card-given"] * 5
    assert caplog.text == ""


def test_an_id_is_not_a_name(store, ledger):
    with pytest.raises(RosterError, match="letters, digits"):
        store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY, member=MemberId("Ada Secret"))
    assert store.people() == ()
    assert told(store, ledger) == []


def test_a_roster_that_loses_its_file_says_so_and_keeps_the_people_it_knows(tmp_path, store):
    ada = store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    assert set(store.roster().members) == {ada}
    away = (tmp_path / "roster.db").rename(tmp_path / "away.db")
    assert set(store.roster().members) == {ada}
    assert "removed or replaced" in store.fault
    with pytest.raises(LedgerError, match="removed or replaced"):
        store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY)
    away.rename(tmp_path / "roster.db")
    store.add_member("Bob", SUBSCRIBER, actor="cli", since=DAY)
    assert len(store.roster().members) == 2
    assert store.fault == ""


def test_a_day_that_cannot_be_read_costs_no_member_the_door(tmp_path, store):
    ada = store.add_member("Ada", SUBSCRIBER, actor="cli", since=DAY)
    assert set(store.roster().members) == {ada}
    with contextlib.closing(sqlite3.connect(tmp_path / "roster.db")) as db, db:
        db.execute("UPDATE member SET since = 'hier'")
    assert set(store.roster().members) == {ada}
    assert "hier" in store.fault
    with pytest.raises(LedgerError):
        store.people()
