"""The tables of `accounts.db`, its rows as records, and the slow hash of passwords and PINs (argon2id, RFC 9106)."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from agent.memory.codec import LedgerError
from agent.memory.database import transaction
from agent.rules.access import Role

FORMAT = 1
SCHEMA = f"""
CREATE TABLE secret (key BLOB NOT NULL) STRICT;
CREATE TABLE account (
    id       TEXT PRIMARY KEY,
    role     TEXT NOT NULL,
    name     TEXT NOT NULL,
    folded   TEXT NOT NULL,
    password TEXT NOT NULL,
    pin      TEXT NOT NULL,
    since    TEXT NOT NULL,
    ended    TEXT
) STRICT;
CREATE UNIQUE INDEX account_name ON account (folded) WHERE ended IS NULL;
CREATE TABLE code (
    hash    TEXT PRIMARY KEY,
    role    TEXT NOT NULL,
    subject TEXT NOT NULL,
    expires TEXT NOT NULL
) STRICT;
CREATE TABLE session (
    hash    TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    role    TEXT NOT NULL,
    began   TEXT NOT NULL,
    seen    TEXT NOT NULL,
    expires TEXT NOT NULL
) STRICT;
CREATE TABLE tries (subject TEXT PRIMARY KEY, failures INTEGER NOT NULL, last TEXT NOT NULL) STRICT;
CREATE TABLE known (account TEXT NOT NULL, address TEXT NOT NULL, PRIMARY KEY (account, address)) STRICT;
PRAGMA user_version = {FORMAT};
"""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def hash_secret(secret: str) -> str:
    """Return the argon2id hash of a password or PIN. Slow by design: not on an event loop."""
    return _HASHER.hash(secret)


def secret_is(hashed: str, secret: str) -> bool:
    """Tell whether `secret` has this hash; against "" it takes as long and is always wrong. Not on an event loop."""
    try:
        return _HASHER.verify(hashed or _NOBODYS, secret) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False


_NOBODYS = _HASHER.hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account."""

    id: str  # "a1"
    role: Role
    name: str
    password: str  # argon2id
    pin: str  # argon2id
    since: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. `mark` names it on a page: the hash, from which no cookie can be made."""

    mark: str
    account: str  # an account's id, or a member's
    role: Role
    began: datetime
    seen: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """What a one-time code is for."""

    role: Role
    subject: str  # the account it re-opens, or the member; "": a new account
    expires: datetime


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables where there are none. Raises LedgerError for a format of the future."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with transaction(db):
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
    elif version != FORMAT:
        raise LedgerError(f"the accounts have format {version}, this program knows {FORMAT}: update it")


def account_row(
    identity: str, role: str, name: str, password: str, pin: str, since: str, ended: str | None
) -> AccountRow:
    """Read a row of `account`."""
    gone = None if ended is None else datetime.fromisoformat(ended)
    return AccountRow(identity, Role(role), name, password, pin, datetime.fromisoformat(since), gone)


def session_row(mark: str, account: str, role: str, began: str, seen: str, expires: str) -> SessionRow:
    """Read a row of `session`."""
    times = (datetime.fromisoformat(began), datetime.fromisoformat(seen), datetime.fromisoformat(expires))
    return SessionRow(mark, account, Role(role), *times)
