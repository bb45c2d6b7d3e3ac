"""Accounts, codes, sessions and failures, over a real file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.memory.accounts import AccountError, AccountStore, hash_secret, secret_is
from agent.memory.codec import LedgerError
from agent.rules.access import Role
from agent.rules.patience import ACCOUNT
from tests.views.scenes import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[AccountStore]:
    with AccountStore.open(tmp_path, clock) as opened:
        yield opened


def animator(store: AccountStore, name: str = "Camille") -> str:
    return store.claim(store.issue(Role.ANIMATOR), name, "hash", "pin").id


def test_a_code_works_once(store: AccountStore) -> None:
    code = store.issue(Role.ANIMATOR)
    assert not store.claimed()
    made = store.claim(code, " Camille ", "hash", "pin")
    assert (made.id, made.role, made.name, made.ended) == ("a1", Role.ANIMATOR, "Camille", None)
    assert store.claimed()
    with pytest.raises(AccountError, match="code"):
        store.claim(code, "Dominique", "hash", "pin")


def test_a_code_is_read_as_people_type_it(store: AccountStore) -> None:
    code = store.issue(Role.OPS)
    assert len(code.replace("-", "")) == 12
    known = store.code(f"  {code.lower().replace('-', ' ')} ")
    assert known is not None
    assert known.role is Role.OPS
    assert store.code("") is None
    assert store.code("0000-0000-0000") is None


def test_a_code_dies_after_seven_days_or_when_another_is_printed(store: AccountStore, clock: HandClock) -> None:
    first = store.issue(Role.ANIMATOR)
    second = store.issue(Role.ANIMATOR)
    assert store.code(first) is None
    clock.pass_s(7 * 86_400 - 1)
    assert store.code(second) is not None
    clock.pass_s(1)
    assert store.code(second) is None
    with pytest.raises(AccountError):
        store.claim(second, "Camille", "hash", "pin")


def test_a_name_taken_leaves_the_code_good(store: AccountStore) -> None:
    animator(store, "Zoé")
    code = store.issue(Role.OPS)
    with pytest.raises(AccountError, match="name"):
        store.claim(code, "ZOE", "hash", "pin")
    assert store.claim(code, "Zoé B.", "hash", "pin").id == "a2"


def test_a_members_code_makes_no_account(store: AccountStore) -> None:
    code = store.issue(Role.MEMBER, "m042", timedelta(hours=1))
    with pytest.raises(AccountError):
        store.claim(code, "Camille", "hash", "pin")
    used = store.use_code(code)
    assert used is not None
    assert (used.role, used.subject) == (Role.MEMBER, "m042")
    assert store.use_code(code) is None
    again = store.issue(Role.MEMBER, "m042")
    store.revoke_codes(Role.MEMBER, "m042")
    assert store.use_code(again) is None


def test_a_lost_password_is_a_new_code_for_the_same_account(store: AccountStore) -> None:
    own = animator(store)
    secret, _ = store.begin(own, Role.ANIMATOR)
    made = store.claim(store.issue(Role.ANIMATOR, own), "Camille R.", "hash2", "pin2")
    assert (made.id, made.password, made.pin) == ("a1", "hash2", "pin2")
    assert store.session(secret) is None
    assert len(store.accounts()) == 1


def test_an_ended_account_is_forgotten_and_its_id_never_used_again(store: AccountStore, clock: HandClock) -> None:
    own = animator(store)
    secret, _ = store.begin(own, Role.ANIMATOR)
    code = store.issue(Role.ANIMATOR, own)
    assert store.end_account(own)
    assert not store.end_account(own)
    assert store.session(secret) is None
    assert store.code(code) is None
    assert store.named("Camille") is None
    assert store.named("") is None
    (row,) = store.accounts()
    assert (row.name, row.password, row.pin, row.ended) == ("", "", "", clock.now().utc)
    assert not store.claimed()
    assert animator(store) == "a2"


def test_sessions_end_by_themselves(store: AccountStore, clock: HandClock) -> None:
    own = animator(store)
    secret, expires = store.begin(own, Role.ANIMATOR)
    assert expires - clock.now().utc == timedelta(hours=12)
    clock.pass_s(12 * 3600 - 1)
    session = store.session(secret)
    assert session is not None
    assert (session.account, session.role) == (own, Role.ANIMATOR)
    clock.pass_s(1)
    assert store.session(secret) is None
    assert store.sessions(own) == ()


def test_sessions_are_few_listable_and_ended_one_by_one(store: AccountStore, clock: HandClock) -> None:
    own = animator(store)
    secrets = []
    for _ in range(12):
        clock.pass_s(1)
        secrets.append(store.begin(own, Role.ANIMATOR)[0])
    assert [store.session(secret) is not None for secret in secrets] == [False] * 2 + [True] * 10
    newest = store.sessions(own)[0]
    assert not store.end_session(newest.mark, "a2")
    assert store.end_session(newest.mark, own)
    assert store.session(secrets[-1]) is None
    keep = store.sessions(own)[3]
    store.end_sessions(own, keep.mark)
    assert store.sessions(own) == (keep,)


def test_a_look_is_noted_every_five_minutes(store: AccountStore, clock: HandClock) -> None:
    secret, _ = store.begin(animator(store), Role.ANIMATOR)
    began = clock.now().utc
    for seconds, seen_s in ((299, 0), (1, 0), (0, 300)):
        clock.pass_s(seconds)
        session = store.session(secret)
        assert session is not None
        assert session.seen - began == timedelta(seconds=seen_s)


def test_failures_survive_a_restart_and_a_clock_put_back(tmp_path: Path, clock: HandClock) -> None:
    with AccountStore.open(tmp_path, clock) as store:
        for _ in range(12):
            store.failed("account:camille", ACCOUNT)
        assert store.wait_s("account:camille", ACCOUNT) == 256
    clock.pass_s(-86_400 * 365)
    with AccountStore.open(tmp_path, clock) as store:
        assert store.wait_s("account:camille", ACCOUNT) == 256
        assert store.wait_s("account:dominique", ACCOUNT) == 0
        clock.pass_s(256)
        assert store.wait_s("account:camille", ACCOUNT) == 0
        store.forgive("account:camille")
        store.forgive("account:camille")
        store.failed("account:camille", ACCOUNT)
        assert store.wait_s("account:camille", ACCOUNT) == 0


def test_counters_are_bounded(store: AccountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.memory.accounts.COUNTED", 3)
    for number in range(6):
        store.failed(f"account:{number}", ACCOUNT)
    (count,) = store._db.execute("SELECT count(*) FROM tries").fetchone()
    assert count == 3


def test_a_place_that_was_signed_in_from_is_known(store: AccountStore) -> None:
    own = animator(store)
    assert not store.knows(own, "address:192.168.1.20")
    store.know(own, "address:192.168.1.20")
    store.know(own, "address:192.168.1.20")
    assert store.knows(own, "address:192.168.1.20")
    assert not store.knows(own, "address:192.168.1.21")


def test_no_secret_and_no_address_is_in_the_file(tmp_path: Path, clock: HandClock) -> None:
    with AccountStore.open(tmp_path, clock) as store:
        code = store.issue(Role.ANIMATOR)
        other = store.issue(Role.OPS)
        own = store.claim(code, "Camille", hash_secret("correct horse battery"), hash_secret("135790")).id
        secret, _ = store.begin(own, Role.ANIMATOR)
        store.know(own, "address:192.168.1.20")
        store.failed("address:192.168.1.21", ACCOUNT)
    held = b"".join(file.read_bytes() for file in tmp_path.glob("accounts.db*"))
    assert b"Camille" in held
    for hidden in (secret, other, other.replace("-", ""), "correct horse", "135790", "192.168.1.2"):
        assert hidden.encode() not in held
    assert stat.S_IMODE((tmp_path / "accounts.db").stat().st_mode) == 0o660


def test_hashes_are_argon2id_with_the_parameters_we_say() -> None:
    hashed = hash_secret("correct horse battery")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert secret_is(hashed, "correct horse battery")
    assert not secret_is(hashed, "Correct horse battery")
    assert not secret_is("", "anything")
    assert not secret_is("damaged", "anything")


def test_a_file_of_the_future_or_of_nonsense_is_refused(tmp_path: Path, clock: HandClock) -> None:
    with AccountStore.open(tmp_path, clock) as store:
        store._db.execute("PRAGMA user_version = 9")
    with pytest.raises(LedgerError, match="format 9"):
        AccountStore.open(tmp_path, clock)
    (tmp_path / "accounts.db").write_bytes(b"nonsense" * 1000)
    for left in tmp_path.glob("accounts.db-*"):
        left.unlink()
    with pytest.raises(LedgerError, match="cannot be opened"):
        AccountStore.open(tmp_path, clock)
