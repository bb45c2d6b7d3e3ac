"""Accounts: who may act on the pages, their sessions, one-time codes, and how often somebody was wrong.

`accounts.db` stands beside the roster. Nothing in it opens anything by itself: passwords and PINs are argon2id hashes
(RFC 9106; m = 19 MiB, t = 2, p = 1), session ids and codes are kept only as keyed hashes (HMAC-SHA256, RFC 2104), and
so are the addresses failures are counted against. Failures survive a restart. Names of accounts live here alone.

Calls are short transactions on the disk, from any one thread at a time; `hash_secret` and `secret_is` take tens of
milliseconds and 19 MiB, and belong off the event loop, one at a time. They raise LedgerError where the disk fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from agent.memory.account_tables import (
    AccountRow,
    Code,
    SessionRow,
    account_row,
    hash_secret,
    prepare,
    secret_is,
    session_row,
)
from agent.memory.codec import LedgerError
from agent.memory.database import WriteLock, connect, make_file, transaction
from agent.rules.access import SESSION_LASTS, Role
from agent.rules.folding import fold_text
from agent.rules.patience import Slowness, Tries, failed, looked_at, wait_s
from drivers.contract import Clock

CODE_LASTS = timedelta(days=7)
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 O, 1 I L, U: read aloud and copied by hand
CODE_LENGTH = 12  # 30 ** 12: 58 bits, once, within a week
SESSIONS_EACH = 10  # of one account at once; the oldest ends
SEEN_EVERY = timedelta(minutes=5)  # how exactly a session's last use is kept
COUNTED = 5000  # counters kept at once; beyond, the oldest are forgotten
NAME_LONGEST = 80
__all__ = ["AccountError", "AccountRow", "AccountStore", "Code", "SessionRow", "hash_secret", "secret_is"]


class AccountError(Exception):
    """An account cannot be made as asked: the `wrong` thing is the "code" or the "name"."""

    def __init__(self, wrong: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong


class AccountStore:
    """One per process. A context manager."""

    def __init__(self, db: sqlite3.Connection, lock: WriteLock, key: bytes, clock: Clock) -> None:
        self._db, self._lock, self._key, self._clock = db, lock, key, clock

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Self:
        """Open the accounts in `folder`, making them if there are none. Raises LedgerError."""
        path = folder / "accounts.db"
        with contextlib.ExitStack() as undo:
            try:
                make_file(path)
                lock = WriteLock(folder / "accounts.lock")
                undo.callback(lock.close)
                db = undo.enter_context(contextlib.closing(connect(path)))
                with lock.held():
                    prepare(db)
                    (key,) = db.execute("SELECT key FROM secret").fetchone()
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"the accounts {path} cannot be opened: {error}") from error
            undo.pop_all()
        return cls(db, lock, key, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the files back."""
        self._db.close()
        self._lock.close()

    def keyed(self, text: str) -> str:
        """Return a keyed hash, hex: of a session id, a code, an address."""
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _now(self) -> datetime:
        return self._clock.now().utc

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._db
        except sqlite3.Error as error:
            raise LedgerError(f"the accounts cannot be read: {error}") from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock.held(), transaction(self._db):
                yield self._db
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the accounts cannot be written, nothing was changed: {error}") from error

    # --- accounts --------------------------------------------------------------------------------------------

    def claimed(self) -> bool:
        """Tell whether anybody has an account."""
        with self._reading() as db:
            return db.execute("SELECT 1 FROM account WHERE ended IS NULL LIMIT 1").fetchone() is not None

    def accounts(self) -> tuple[AccountRow, ...]:
        """Return all accounts, ended ones too, the oldest first."""
        with self._reading() as db:
            rows = db.execute("SELECT id, role, name, password, pin, since, ended FROM account ORDER BY rowid")
            return tuple(account_row(*row) for row in rows.fetchall())

    def account(self, identity: str) -> AccountRow | None:
        """Return one account that has not ended."""
        return next((one for one in self.accounts() if one.id == identity and one.ended is None), None)

    def named(self, name: str) -> AccountRow | None:
        """Return the account somebody means, however they write its name."""
        folded = fold_text(name[:NAME_LONGEST])
        return next((one for one in self.accounts() if one.ended is None and fold_text(one.name) == folded), None)

    def claim(self, code: str, name: str, password: str, pin: str) -> AccountRow:
        """Use a code up: make an account of these hashes, or give an existing one new ones. Raises AccountError."""
        with self._changing() as db:
            known = self._use(db, code)
            if known is None or known.role is Role.MEMBER:
                raise AccountError("code")
            try:
                identity = self._settle(db, known, name.strip()[:NAME_LONGEST], password, pin)
            except sqlite3.IntegrityError as error:
                raise AccountError("name") from error
        found = self.account(identity)
        assert found is not None
        return found

    def _settle(self, db: sqlite3.Connection, code: Code, name: str, password: str, pin: str) -> str:
        values = (name, fold_text(name), password, pin)
        if code.subject:
            db.execute(
                "UPDATE account SET name = ?, folded = ?, password = ?, pin = ? WHERE id = ? AND ended IS NULL",
                (*values, code.subject),
            )
            db.execute("DELETE FROM session WHERE account = ?", (code.subject,))
            return code.subject
        (count,) = db.execute("SELECT count(*) FROM account").fetchone()
        row = (f"a{count + 1}", code.role, *values, self._now().isoformat())
        db.execute("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)
        return str(row[0])

    def change(self, identity: str, *, password: str = "", pin: str = "") -> None:
        """Give an account another password hash, another PIN hash, or both."""
        with self._changing() as db:
            if password:
                db.execute("UPDATE account SET password = ? WHERE id = ?", (password, identity))
            if pin:
                db.execute("UPDATE account SET pin = ? WHERE id = ?", (pin, identity))

    def end_account(self, identity: str) -> bool:
        """End an account: its sessions and codes die, its name and hashes are forgotten, its id is never used again."""
        with self._changing() as db:
            done = db.execute(
                "UPDATE account SET ended = ?, name = '', folded = id, password = '', pin = ''"
                " WHERE id = ? AND ended IS NULL",
                (self._now().isoformat(), identity),
            )
            for table, column in (("session", "account"), ("code", "subject"), ("known", "account")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (identity,))  # noqa: S608  (our own words)
        return bool(done.rowcount)

    # --- one-time codes --------------------------------------------------------------------------------------

    def issue(self, role: Role, subject: str = "", lasts: timedelta = CODE_LASTS) -> str:
        """Return a new one-time code. An older one for the same role and subject dies."""
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        with self._changing() as db:
            db.execute("DELETE FROM code WHERE role = ? AND subject = ?", (role, subject))
            expires = self._now() + lasts
            db.execute("INSERT INTO code VALUES (?, ?, ?, ?)", (self._code(code), role, subject, expires.isoformat()))
        return "-".join(code[start : start + 4] for start in range(0, CODE_LENGTH, 4))

    def code(self, code: str) -> Code | None:
        """Return what a code is for, if it still is for anything; it stays good."""
        with self._reading() as db:
            return self._look_up(db, code)

    def use_code(self, code: str) -> Code | None:
        """Use a code up and return what it was for."""
        with self._changing() as db:
            return self._use(db, code)

    def revoke_codes(self, role: Role, subject: str) -> None:
        """Let the unused code for this role and subject die."""
        with self._changing() as db:
            db.execute("DELETE FROM code WHERE role = ? AND subject = ?", (role, subject))

    def _use(self, db: sqlite3.Connection, code: str) -> Code | None:
        known = self._look_up(db, code)
        if known is not None:
            db.execute("DELETE FROM code WHERE hash = ?", (self._code(code),))
        return known

    def _look_up(self, db: sqlite3.Connection, code: str) -> Code | None:
        row = db.execute("SELECT role, subject, expires FROM code WHERE hash = ?", (self._code(code),)).fetchone()
        if row is None or datetime.fromisoformat(row[2]) <= self._now():
            return None
        return Code(Role(row[0]), row[1], datetime.fromisoformat(row[2]))

    def _code(self, code: str) -> str:
        return self.keyed("code:" + "".join(letter for letter in code.upper() if letter in CODE_LETTERS))

    # --- sessions --------------------------------------------------------------------------------------------

    def begin(self, account: str, role: Role) -> tuple[str, datetime]:
        """Begin a session; return its secret id (256 bits), for the cookie alone, and when it ends."""
        secret, now = secrets.token_urlsafe(32), self._now()
        expires = now + SESSION_LASTS[role]
        with self._changing() as db:
            db.execute("DELETE FROM session WHERE expires <= ?", (now.isoformat(),))
            db.execute(
                "DELETE FROM session WHERE hash IN"
                " (SELECT hash FROM session WHERE account = ? ORDER BY began DESC LIMIT -1 OFFSET ?)",
                (account, SESSIONS_EACH - 1),
            )
            row = (self.keyed(secret), account, role, now.isoformat(), now.isoformat(), expires.isoformat())
            db.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)", row)
        return secret, expires

    def session(self, secret: str) -> SessionRow | None:
        """Return the session of a cookie, if it lives."""
        with self._reading() as db:
            row = db.execute("SELECT * FROM session WHERE hash = ?", (self.keyed(secret),)).fetchone()
        if row is None:
            return None
        found, now = session_row(*row), self._now()
        if found.expires <= now:
            return None
        if now - found.seen >= SEEN_EVERY:
            with self._changing() as db:
                db.execute("UPDATE session SET seen = ? WHERE hash = ?", (now.isoformat(), found.mark))
        return found

    def sessions(self, account: str) -> tuple[SessionRow, ...]:
        """Return somebody's living sessions, the newest first."""
        with self._reading() as db:
            rows = db.execute("SELECT * FROM session WHERE account = ? ORDER BY began DESC", (account,)).fetchall()
        return tuple(one for one in (session_row(*row) for row in rows) if one.expires > self._now())

    def end_session(self, mark: str, account: str) -> bool:
        """End one of somebody's sessions."""
        with self._changing() as db:
            done = db.execute("DELETE FROM session WHERE hash = ? AND account = ?", (mark, account))
        return bool(done.rowcount)

    def end_sessions(self, account: str, but: str = "") -> None:
        """End all of somebody's sessions, but the one with this mark."""
        with self._changing() as db:
            db.execute("DELETE FROM session WHERE account = ? AND hash <> ?", (account, but))

    # --- patience --------------------------------------------------------------------------------------------

    def wait_s(self, subject: str, slowness: Slowness) -> float:
        """Return how long `subject` ("account:...", "address:...") still waits before a try, in seconds."""
        now, tries = self._now(), self._tries(subject)
        if tries is not None and tries.last > now:  # the clock was put back
            tries = looked_at(tries, now)
            self._count(subject, tries)
        return wait_s(tries, slowness, now)

    def failed(self, subject: str, slowness: Slowness) -> None:
        """Count a wrong try against `subject`; on the disk when this returns."""
        self._count(subject, failed(self._tries(subject), slowness, self._now()))

    def forgive(self, subject: str) -> None:
        """Forget the wrong tries: the right secret was given."""
        if self._tries(subject) is not None:
            with self._changing() as db:
                db.execute("DELETE FROM tries WHERE subject = ?", (self.keyed(subject),))

    def know(self, account: str, address: str) -> None:
        """Remember that somebody signed in from here: others' failures elsewhere do not slow them down here."""
        if not self.knows(account, address):
            with self._changing() as db:
                db.execute("INSERT OR IGNORE INTO known VALUES (?, ?)", (account, self.keyed(address)))

    def knows(self, account: str, address: str) -> bool:
        """Tell whether somebody once signed in from this address."""
        with self._reading() as db:
            found = db.execute(
                "SELECT 1 FROM known WHERE account = ? AND address = ?", (account, self.keyed(address))
            ).fetchone()
        return found is not None

    def _tries(self, subject: str) -> Tries | None:
        with self._reading() as db:
            query = "SELECT failures, last FROM tries WHERE subject = ?"
            row = db.execute(query, (self.keyed(subject),)).fetchone()
        return None if row is None else Tries(row[0], datetime.fromisoformat(row[1]))

    def _count(self, subject: str, tries: Tries) -> None:
        with self._changing() as db:
            db.execute(
                "INSERT INTO tries VALUES (?, ?, ?) ON CONFLICT (subject)"
                " DO UPDATE SET failures = excluded.failures, last = excluded.last",
                (self.keyed(subject), tries.failures, tries.last.isoformat()),
            )
            db.execute(
                "DELETE FROM tries WHERE subject IN (SELECT subject FROM tries ORDER BY last DESC LIMIT -1 OFFSET ?)",
                (COUNTED,),
            )
