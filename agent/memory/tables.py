"""The roster's tables: how they came to be, and how they are read as one value.

The one idea: a database is made by the same steps that bring an old one up to date, so there is one history and no
second description of it. Each step is one transaction; the number of steps done is `PRAGMA user_version`. A database
of a newer program is refused, never guessed at.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime

from agent.memory.codec import LedgerError
from agent.memory.people import read_people
from agent.rules.bookings import Alarm, Booking, BookingId, Lockdown
from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.folding import fold_user
from agent.rules.hours import DAYS, WeeklyHours
from agent.rules.identity import nobodys
from agent.rules.members import Alias, Card, Member, Roster, VisitorCard
from agent.rules.payers import Payer

STEPS = (
    """
CREATE TABLE member (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    formula TEXT NOT NULL,
    since   TEXT NOT NULL,
    until   TEXT
) STRICT;
CREATE TABLE erased (id TEXT PRIMARY KEY) STRICT;
CREATE TABLE card (
    key     TEXT PRIMARY KEY,
    member  TEXT NOT NULL REFERENCES member,
    blocked INTEGER NOT NULL
) STRICT;
CREATE TABLE alias (
    id     TEXT PRIMARY KEY,
    folded TEXT NOT NULL UNIQUE,
    member TEXT REFERENCES member
) STRICT;
CREATE TABLE closure (day TEXT PRIMARY KEY) STRICT;
CREATE TABLE outbox (
    place INTEGER PRIMARY KEY,
    key   TEXT NOT NULL UNIQUE,
    utc   TEXT NOT NULL,
    mono  REAL NOT NULL,
    boot  TEXT NOT NULL,
    trust TEXT NOT NULL,
    body  TEXT NOT NULL
) STRICT;
CREATE TABLE version (number INTEGER NOT NULL) STRICT;
INSERT INTO version VALUES (0);
""",
    """
ALTER TABLE closure ADD COLUMN reason TEXT NOT NULL DEFAULT '';  -- one of calendar.REASONS
ALTER TABLE closure ADD COLUMN words TEXT NOT NULL DEFAULT '';   -- what people add; on pages only
CREATE TABLE week (        -- no row: the site file's hours; else all seven
    weekday INTEGER PRIMARY KEY CHECK (weekday BETWEEN 0 AND 6),
    windows TEXT NOT NULL  -- "09:00-12:00 14:00-18:00"
) STRICT;
CREATE TABLE holiday (
    day    TEXT PRIMARY KEY,
    name   TEXT NOT NULL,   -- a word of calendar.HOLIDAYS
    opened INTEGER NOT NULL -- 1: people said that this one is a day like others
) STRICT;
CREATE TABLE away (        -- the animator is not there, both days included
    id    TEXT PRIMARY KEY,
    first TEXT NOT NULL,
    last  TEXT NOT NULL
) STRICT;
CREATE TABLE planned (     -- a formula that begins on a later day
    member  TEXT PRIMARY KEY REFERENCES member,
    formula TEXT NOT NULL,
    day     TEXT NOT NULL
) STRICT;
CREATE TABLE visitor (     -- the pool of visitor cards; guest .. until are NULL while a card is in the drawer
    number       INTEGER PRIMARY KEY CHECK (number > 0),
    key          TEXT NOT NULL UNIQUE,
    lost         INTEGER NOT NULL,
    guest        TEXT,
    host         TEXT REFERENCES member,
    organisation TEXT,
    since        TEXT,
    until        TEXT
) STRICT;
""",
    """
CREATE TABLE booking (     -- a right to enter in [start, until); exactly one of member and key
    id     TEXT PRIMARY KEY,
    member TEXT REFERENCES member,
    key    TEXT,
    start  TEXT NOT NULL,
    until  TEXT NOT NULL,
    uses   INTEGER,         -- NULL: as many as they like
    words  TEXT NOT NULL,   -- what it is known by; on pages only
    CHECK ((member IS NULL) != (key IS NULL))
) STRICT;
CREATE TABLE lockdown (    -- one row while nobody enters
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    reason TEXT NOT NULL,   -- a word of rules.bookings.Alarm
    since  TEXT NOT NULL,
    until  TEXT
) STRICT;
""",
    """
CREATE TABLE payer (       -- a shared account: pays for paper, and is nobody
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    folded  TEXT NOT NULL UNIQUE,
    formula TEXT NOT NULL,
    until   TEXT            -- last day it pays, included; NULL: open
) STRICT;
CREATE TABLE payer_user (  -- who may have it pay
    payer  TEXT NOT NULL REFERENCES payer,
    member TEXT NOT NULL REFERENCES member,
    PRIMARY KEY (payer, member)
) STRICT;
""",
    """
CREATE TABLE payer_code (  -- a user code of a copier whose copies it pays
    alias TEXT PRIMARY KEY REFERENCES alias,
    payer TEXT NOT NULL REFERENCES payer
) STRICT;
""",
)
FORMAT = len(STEPS)


def prepare(db: sqlite3.Connection, *, lost: bool = False) -> None:
    """Bring a database, empty or old, to this format; call under the write lock. Raises LedgerError, sqlite3.Error.

    `lost`: there has been one, so an empty one is refused: by an empty roster nobody could enter any more.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if lost and not version:
        raise LedgerError(
            "roster.db is empty or was removed, and roster.key says that there was one: restore it from the backup, "
            "or remove roster.key too to begin anew"
        )
    if version > FORMAT:
        raise LedgerError(f"the roster was written by a newer version (format {version}, this one knows {FORMAT})")
    for done, step in enumerate(STEPS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {done}; COMMIT;")


def load_roster(db: sqlite3.Connection) -> Roster:
    """Read the whole roster in one snapshot, without names. Raises sqlite3.Error."""
    db.execute("BEGIN")
    try:
        (version,) = db.execute("SELECT number FROM version").fetchone()
        members = {one.id: Member(one.id, one.formula, one.since, one.until) for one in read_people(db)}
        cards = {
            CardKey(key): Card(CardKey(key), MemberId(member), bool(blocked))
            for key, member, blocked in db.execute("SELECT key, member, blocked FROM card")
        }
        aliases = _aliases(db)
        closed = db.execute("SELECT day FROM closure UNION SELECT day FROM holiday WHERE NOT opened")
        closures = frozenset(date.fromisoformat(day) for (day,) in closed)
        visitors = {
            CardKey(key): VisitorCard(CardKey(key), number, read_instant(until), bool(lost))
            for key, number, until, lost in db.execute("SELECT key, number, until, lost FROM visitor")
        }
        hours = read_week(db)
        bookings, lockdown = read_bookings(db), _lockdown(db)
        payers, codes = _payers(db), _payer_codes(db)
    finally:
        db.execute("ROLLBACK")
    return Roster(version, members, cards, aliases, closures, hours, visitors, bookings, lockdown, payers, codes)


def read_bookings(db: sqlite3.Connection) -> tuple[Booking, ...]:
    """Return all bookings, those that begin first first. Raises sqlite3.Error, ValueError."""
    rows = db.execute("SELECT id, member, key, start, until, uses FROM booking ORDER BY start, id")
    return tuple(
        Booking(BookingId(one), member and MemberId(member), key and CardKey(key), _at(start), _at(until), uses)
        for one, member, key, start, until, uses in rows
    )


def _lockdown(db: sqlite3.Connection) -> Lockdown | None:
    row = db.execute("SELECT reason, since, until FROM lockdown").fetchone()
    return None if row is None else Lockdown(Alarm(row[0]), _at(row[1]), read_instant(row[2]))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _aliases(db: sqlite3.Connection) -> dict[str, Alias]:
    """Read the print names as they fold today: two that were told apart once are one, the one that is somebody's.

    A name that is nobody's stays nobody's, whatever an older version let people say.
    """
    found: dict[str, Alias] = {}
    for alias, written, member in db.execute("SELECT id, folded, member FROM alias ORDER BY member IS NULL, rowid"):
        owner = None if member is None or nobodys(written) else MemberId(member)
        found.setdefault(fold_user(written), Alias(AliasId(alias), owner))
    return found


def _payer_codes(db: sqlite3.Connection) -> dict[AliasId, MemberId]:
    return {AliasId(alias): MemberId(payer) for alias, payer in db.execute("SELECT alias, payer FROM payer_code")}


def _payers(db: sqlite3.Connection) -> dict[MemberId, Payer]:
    users: dict[str, set[MemberId]] = {}
    for payer, member in db.execute("SELECT payer, member FROM payer_user"):
        users.setdefault(payer, set()).add(MemberId(member))
    rows = db.execute("SELECT id, folded, formula, until FROM payer ORDER BY id")
    return {
        MemberId(one): Payer(
            MemberId(one),
            FormulaId(formula),
            until and date.fromisoformat(until),
            frozenset(users.get(one, ())),
            folded,
        )
        for one, folded, formula, until in rows
    }


def read_week(db: sqlite3.Connection) -> WeeklyHours | None:
    """Return the week that people set; None: they set none. Raises sqlite3.Error."""
    rows = db.execute("SELECT weekday, windows FROM week").fetchall()
    return WeeklyHours.parse({DAYS[day]: tuple(windows.split()) for day, windows in rows}) if rows else None


def read_instant(text: str | None) -> datetime | None:
    """Read an instant (UTC) as it is stored."""
    return None if text is None else _at(text)
