"""Shared accounts in the roster: made, named to members, ended, erased; a fact for each, without a name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from agent.memory import tables
from agent.memory.kept import KeptList
from agent.memory.ledger import Ledger
from agent.memory.payers import Account
from agent.memory.roster import RosterError, RosterStore
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.members import RosterChanged
from agent.rules.payers import Payer
from drivers.clock import SystemClock

SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")
DAY = date(2026, 11, 28)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path, ledger: Ledger) -> Iterator[RosterStore]:
    with RosterStore.open(tmp_path, ledger, SystemClock()) as opened:
        yield opened


def member(store: RosterStore, name: str) -> MemberId:
    return store.add_member(name, OCC, actor="cli", since=date(2026, 1, 1))


def test_an_account_is_made_used_ended_and_forgotten(tmp_path: Path, store: RosterStore, ledger: Ledger) -> None:
    anne, bob = member(store, "Anne"), member(store, "Bob")
    feast = store.payers.add("  Fête  Secrète ", SUB, actor="a1")
    assert feast == "p:001"
    store.payers.name_user(feast, anne, actor="a1")
    store.payers.name_user(feast, anne, actor="a1")  # nothing differs: nothing is told
    store.payers.name_user(feast, bob, actor="a1")
    store.payers.remove_user(feast, bob, actor="a1")
    store.payers.remove_user(feast, bob, actor="a1")
    store.payers.change(feast, actor="a1", formula=OCC)
    store.payers.change(feast, actor="a1")
    store.payers.end(feast, DAY, actor="a1")
    store.payers.end(feast, DAY, actor="a1")
    assert store.payers.accounts() == (Account(feast, "Fête Secrète", OCC, DAY, (anne,)),)
    assert store.roster().payers == {feast: Payer(feast, OCC, DAY, frozenset({anne}), "fete secrete")}
    store.payers.end(feast, None, actor="a1")
    assert store.roster().payers[feast].until is None
    store.erase_member(anne, actor="a1")
    assert store.payers.accounts()[0].users == ()
    store.payers.erase(feast, actor="a1")
    assert store.roster().payers == {}
    assert store.payers.add("Une autre", SUB, actor="a1") == "p:002"  # an id never comes again
    assert store.settle() == 0
    facts = [entry.fact for entry in ledger.entries(RosterChanged)]
    told = [(fact.action, fact.subject) for fact in facts if isinstance(fact, RosterChanged)]
    assert [row for row in told if row[0].startswith("payer")] == [
        ("payer-added", "p:001"),
        ("payer-user-named", "p:001"),
        ("payer-user-named", "p:001"),
        ("payer-user-removed", "p:001"),
        ("payer-changed", "p:001"),
        ("payer-ended", "p:001"),
        ("payer-changed", "p:001"),
        ("payer-erased", "p:001"),
        ("payer-added", "p:002"),
    ]
    for file in tmp_path.iterdir():
        assert b"Secr" not in file.read_bytes(), file.name
        assert b"secrete" not in file.read_bytes(), file.name


def test_what_cannot_be_is_refused_and_nothing_changes(store: RosterStore) -> None:
    feast = store.payers.add("Fête", SUB, actor="cli")
    with pytest.raises(RosterError, match="p:001 has that name already"):
        store.payers.add("FETE", OCC, actor="cli")
    for name in ("", "   ", "x" * 101, "a\x07b"):
        with pytest.raises(RosterError, match="missing or over 100"):
            store.payers.add(name, SUB, actor="cli")
    with pytest.raises(RosterError, match="no shared account p:009"):
        store.payers.end(MemberId("p:009"), DAY, actor="cli")
    with pytest.raises(RosterError, match="no member m009"):
        store.payers.name_user(feast, MemberId("m009"), actor="cli")
    other = store.payers.add("Mairie", SUB, actor="cli")
    with pytest.raises(RosterError, match="p:001 has that name already"):
        store.payers.change(other, actor="cli", name="fête")
    assert [one.name for one in store.payers.accounts()] == ["Fête", "Mairie"]
    with pytest.raises(RosterError, match="letters, digits"):
        store.add_member("Mallory", SUB, actor="cli", since=DAY, member=MemberId("p:001"))


def test_a_roster_of_before_gets_the_tables(tmp_path: Path, ledger: Ledger) -> None:
    with sqlite3.connect(tmp_path / "roster.db") as db:
        for number, step in enumerate(tables.STEPS[:-2], 1):
            db.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")
    db.close()
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        assert store.roster().payers == {}
        assert store.payers.add("Fête", SUB, actor="cli") == "p:001"


def test_the_doors_kept_list_holds_no_name_of_one(tmp_path: Path, store: RosterStore) -> None:
    store.payers.add("Fête Secrète", SUB, actor="cli")
    (tmp_path / "run").mkdir()
    kept = KeptList(tmp_path, tmp_path / "run")
    assert kept.keep(store.roster(), SystemClock().now().utc)
    assert b"secrete" not in (tmp_path / "door.list").read_bytes()


def test_a_code_is_one_owners_at_a_time_and_forgotten_with_its_account(store: RosterStore) -> None:
    anne, feast = member(store, "Anne"), store.payers.add("Fête", SUB, actor="cli")
    code = store.alias("copieur#42").id
    store.payers.give_code(code, feast, actor="c1")
    assert store.roster().payer_codes == {code: "p:001"}
    store.payers.give_code(code, anne, actor="c1")
    assert (store.roster().payer_codes, store.alias("copieur#42").member) == ({}, "m001")
    store.payers.give_code(code, feast, actor="c1")
    assert store.alias("copieur#42").member is None
    store.payers.erase(feast, actor="c1")
    assert store.roster().payer_codes == {}
    for owner, said in ((feast, "no shared account p:001"), (MemberId("m009"), "no member m009")):
        with pytest.raises(RosterError, match=said):
            store.payers.give_code(code, owner, actor="c1")
    with pytest.raises(RosterError, match="no such code"):
        store.payers.give_code(AliasId("x"), anne, actor="c1")
