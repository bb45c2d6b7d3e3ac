"""The roster: people, their formulas, cards and print names; `calendar`, `visitors` and `payers` beside them.

Editable and erasable, unlike the ledger: this is the one place where names are. `roster.db` holds them, `roster.key`
beside it the key of the card hashes (HMAC-SHA256, RFC 2104): without the key a copied database opens no door and
names no card. Every change leaves a `RosterChanged` in the ledger, with ids only.

One API for the command line, the services and their event loops: a change is a plain call. It commits to `roster.db`
(a few milliseconds; at most 15 s when another process holds the lock) and *queues* its fact, so no loop waits for the
ledger. The fact is in the same transaction's outbox until the ledger has it: neither a crash nor a full disk loses it.
`close` (leaving the `with` block) waits for the ledger, which is what the command line wants.

`roster()` is cached by `PRAGMA data_version`: some microseconds while nothing changed, and every process sees a change
at its next call. When the file cannot be read, it keeps giving the last roster it read and sets `fault`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import replace
from datetime import date
from pathlib import Path
from sqlite3 import Connection
from typing import Self, TypeVar

from agent.memory.bookings import Bookings
from agent.memory.calendar import Calendar
from agent.memory.cardkey import card_hashing_key
from agent.memory.codec import LedgerError, RosterLostError, decode, moment
from agent.memory.database import WriteLock, connect, identity, insist, make_file, transaction, truncate_log
from agent.memory.ledger import Ledger
from agent.memory.payers import Payers
from agent.memory.people import (
    LONGEST,
    Change,
    ImportReport,
    Person,
    RosterError,
    import_members,
    new_alias,
    read_people,
)
from agent.memory.tables import load_roster, prepare
from agent.memory.visitors import VisitorPool
from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.folding import fold_user
from agent.rules.memberlist import MemberFile
from agent.rules.members import Alias, Roster, RosterChanged
from drivers.contract import CardNumber, Clock

__all__ = ["ImportReport", "Person", "RosterError", "RosterStore"]

SETTLE_S = 10.0  # how long closing waits for the ledger, for each batch
BATCH = 2000  # facts that are handed over at once: an import of thousands leaves room in the ledger's queue for others

T = TypeVar("T")
log = logging.getLogger(__name__)


class _NothingChanged(Exception):  # noqa: N818  (not an error: the way out of a transaction)
    """The change is to be rolled back."""


class RosterStore:
    """One per process. A context manager. Its calls may come from any thread; they raise LedgerError, RosterError."""

    def __init__(
        self, path: Path, key: bytes, lock: WriteLock, db: Connection, reader: Connection, minds: tuple[Ledger, Clock]
    ) -> None:
        self.fault = ""  # why the roster could not be read anew; empty while it can
        self._path, self._opened = path, identity(path)
        self._key = key
        self._lock = lock
        self._ledger, self._clock = minds
        self._db = db
        self._reader = reader
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._seen = -1
        self._roster: Roster | None = None
        self._handed: dict[str, Future[int]] = {}
        self.calendar = Calendar(self._changing, self._read)
        self.visitors = VisitorPool(self._changing, self._read)
        self.bookings = Bookings(self._changing, self._read, self.card_key)
        self.payers = Payers(self._changing, self._read, self._forget)

    @classmethod
    def open(cls, folder: Path, ledger: Ledger, clock: Clock) -> Self:
        """Open the roster in `folder`, making database and key if there are none. Raises LedgerError."""
        path = folder / "roster.db"
        with contextlib.ExitStack() as undo:
            try:
                make_file(path)
                lock = WriteLock(folder / "roster.lock")
                undo.callback(lock.close)
                db = undo.enter_context(contextlib.closing(connect(path)))
                with lock.held():
                    prepare(db, lost=(folder / "roster.key").exists())
                    (cards,) = db.execute(
                        "SELECT (SELECT count(*) FROM card) + (SELECT count(*) FROM visitor)"
                    ).fetchone()
                    key = card_hashing_key(folder / "roster.key", cards)
                reader = undo.enter_context(contextlib.closing(connect(path, query_only=True)))
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"the roster {path} cannot be opened: {error}") from error
            undo.pop_all()
        store = cls(path, key, lock, db, reader, (ledger, clock))
        store._hand_over()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the ledger to take the facts (at most 10 s; the rest stays in the outbox), give the files back."""
        left = self.settle()
        if left:
            log.warning("%d changes of the roster wait for the ledger; the next start hands them over again", left)
        self._reader.close()
        self._db.close()
        self._lock.close()

    # --- reading ---------------------------------------------------------------------------------------------

    def roster(self) -> Roster:
        """Return the roster as it is now. Raises LedgerError only if it could never be read."""
        with self._reading:
            try:
                insist(self._path, self._opened)
                (version,) = self._reader.execute("PRAGMA data_version").fetchone()
                if version != self._seen or self._roster is None:
                    self._roster = load_roster(self._reader)
                    self._seen = version
                self.fault = ""
            except (sqlite3.Error, ValueError, LedgerError) as error:  # ValueError: a day nobody can read
                if not self.fault:
                    log.warning("the roster cannot be read, the last one goes on: %s", error)
                self.fault = f"the roster cannot be read: {error}"
                if self._roster is None:
                    raise RosterLostError(self.fault) from error
            return self._roster

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number."""
        return CardKey(hmac.new(self._key, card.hex.encode(), hashlib.sha256).hexdigest())

    def people(self) -> tuple[Person, ...]:
        """Return everybody with their names, by id: for people's pages and the command line only."""
        return tuple(self._read(read_people))

    def names(self) -> dict[MemberId, str]:
        """Return the names, for people's pages only."""
        return {person.id: person.name for person in self.people()}

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._reading:
                insist(self._path, self._opened)
                return work(self._reader)
        except (sqlite3.Error, ValueError, LedgerError) as error:
            self._seen, self.fault = -1, f"the roster cannot be read: {error}"  # `roster` looks at all of it again
            raise RosterLostError(self.fault) from error

    # --- changing --------------------------------------------------------------------------------------------

    def alias(self, user: str) -> Alias:
        """Return the alias of a name typed at a laptop; an unknown name becomes an unclaimed one.

        Of an empty name: an alias without id.
        """
        folded = fold_user(user)[:LONGEST]
        if not folded:
            return Alias(AliasId(""), None)
        known = self.roster().aliases.get(folded)
        if known is not None:
            return known
        with self._changing("paper") as change:
            alias = new_alias()
            made = change.db.execute(
                "INSERT INTO alias VALUES (?, ?, NULL) ON CONFLICT (folded) DO NOTHING", (alias, folded)
            )
            if made.rowcount:
                change.tell("alias-seen", alias)
        made_known = self.roster().aliases.get(folded)
        if made_known is None:
            raise LedgerError(self.fault or "a print name was taken away just now: ask again")
        return made_known

    def add_member(
        self,
        name: str,
        formula: FormulaId,
        *,
        actor: str,
        since: date,
        until: date | None = None,
        member: MemberId | None = None,
    ) -> MemberId:
        """Add somebody, under `member` or the next free id; return the id."""
        with self._changing(actor) as change:
            person = Person(member or change.next_id(), name, formula, since, until)
            change.add(person)
        return person.id

    def change_member(
        self,
        member: MemberId,
        *,
        actor: str,
        name: str | None = None,
        formula: FormulaId | None = None,
        since: date | None = None,
    ) -> None:
        """Change what is given; the rest stays."""
        with self._changing(actor) as change:
            was = change.find(member)
            change.change(replace(was, name=name or was.name, formula=formula or was.formula, since=since or was.since))
            if formula is not None:
                change.db.execute("DELETE FROM planned WHERE member = ?", (member,))

    def plan_formula(self, member: MemberId, formula: FormulaId, day: date, *, actor: str) -> None:
        """Give somebody another formula from a later day on; a plan made before is replaced."""
        with self._changing(actor) as change:
            change.find(member)
            change.db.execute(
                "INSERT INTO planned VALUES (?1, ?2, ?3) ON CONFLICT (member) DO UPDATE SET formula = ?2, day = ?3",
                (member, formula, day.isoformat()),
            )
            change.tell("formula-planned", member, formula)

    def plans(self) -> dict[MemberId, tuple[FormulaId, date]]:
        """Return who gets which formula when."""
        rows = self._read(lambda db: db.execute("SELECT member, formula, day FROM planned").fetchall())
        return {MemberId(who): (FormulaId(formula), date.fromisoformat(day)) for who, formula, day in rows}

    def apply_plans(self, today: date, *, actor: str) -> None:
        """Bring the formulas that were planned for `today` or before into force."""
        due = {who: formula for who, (formula, day) in self.plans().items() if day <= today}
        if due:
            with self._changing(actor) as change:
                for member, formula in due.items():
                    change.change(replace(change.find(member), formula=formula))
                    change.db.execute("DELETE FROM planned WHERE member = ?", (member,))

    def end_member(self, member: MemberId, until: date | None, *, actor: str) -> None:
        """Set somebody's last day of rights, included; None: open."""
        with self._changing(actor) as change:
            change.change(replace(change.find(member), until=until))

    def erase_member(self, member: MemberId, *, actor: str) -> None:
        """Forget somebody: name, cards and print names are gone; the id stays in the facts and is never used again."""
        with self._changing(actor) as change:
            change.find(member)
            for held in ("card", "alias", "planned", "booking", "payer_user"):
                change.db.execute(f"DELETE FROM {held} WHERE member = ?", (member,))  # noqa: S608  (words of ours)
            change.db.execute("UPDATE visitor SET host = NULL WHERE host = ?", (member,))
            change.db.execute("DELETE FROM member WHERE id = ?", (member,))
            change.db.execute("INSERT INTO erased VALUES (?)", (member,))
            change.tell("member-erased", member)
        self._forget()

    def _forget(self) -> None:
        """Let what was erased leave the roster's log too."""
        with self._writing, self._lock.held():
            if not truncate_log(self._db):
                log.warning("a reader holds the roster's log: the erased name leaves it with the next checkpoint")

    def give_card(self, member: MemberId, card: CardNumber, *, actor: str) -> CardKey:
        """Give a card to somebody, or unblock theirs. Refused while it is somebody else's."""
        key = self.card_key(card)
        self.give_card_key(member, key, actor=actor)
        return key

    def give_card_key(self, member: MemberId, key: CardKey, *, actor: str) -> None:
        """Give a card that a reader has seen: its number was never written down, its key was."""
        with self._changing(actor) as change:
            change.find(member)
            change.give_card(member, key, unblock=True)

    def block_card(self, key: CardKey, *, actor: str) -> None:
        """Block a card: it stays somebody's and opens nothing. A lost one is found by its owner in `Roster.cards`."""
        with self._changing(actor) as change:
            done = change.db.execute("UPDATE card SET blocked = 1 WHERE key = ? AND NOT blocked", (key,))
            self._told_about_card(change, key, "card-blocked", done.rowcount)

    def take_card(self, key: CardKey, *, actor: str) -> None:
        """Take a card back: it is nobody's, and can be given to another."""
        with self._changing(actor) as change:
            done = change.db.execute("DELETE FROM card WHERE key = ?", (key,))
            self._told_about_card(change, key, "card-taken", done.rowcount)

    def give_alias(self, member: MemberId, user: str, *, actor: str) -> AliasId:
        """Say whose a print name is, known or not. Refused while it is somebody else's."""
        folded = fold_user(user)[:LONGEST]
        if not folded:
            raise RosterError("le nom d'impression est vide", "the print name is empty")
        with self._changing(actor) as change:
            change.find(member)
            return change.give_alias(member, folded)

    def take_alias(self, alias: AliasId, *, actor: str) -> None:
        """Make a print name nobody's again."""
        with self._changing(actor) as change:
            done = change.db.execute("UPDATE alias SET member = NULL WHERE id = ? AND member IS NOT NULL", (alias,))
            if done.rowcount:
                change.tell("alias-taken", alias)

    def import_rows(self, file: MemberFile, *, actor: str, today: date | None = None) -> ImportReport:
        """Bring the roster to what the file says: all of it, or nothing and every fault. Twice is the same as once.

        Somebody is found by id, else by name; a new one without a start begins `today` (none: UTC's). Who is not in
        the file stays; so do cards and print names that it does not list.
        """
        if file.faults:
            return ImportReport(0, 0, 0, file.faults)
        try:
            with self._changing(actor) as change:
                report = import_members(change, file, self.card_key, today)
                if report.faults:
                    raise _NothingChanged  # noqa: TRY301  (rolls the transaction back)
        except _NothingChanged:
            pass
        return report

    @staticmethod
    def _told_about_card(change: Change, key: CardKey, action: str, rows: int) -> None:
        if rows:
            change.tell(action, key)
        elif change.db.execute("SELECT 1 FROM card WHERE key = ?", (key,)).fetchone() is None:
            raise RosterError("aucun membre n'a cette carte", "nobody has this card")

    @contextlib.contextmanager
    def _changing(self, actor: str) -> Iterator[Change]:
        try:
            with self._writing, self._lock.held(), transaction(self._db):
                insist(self._path, self._opened)
                change = Change(self._db, actor, self._clock.now())
                yield change
                change.finish()
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the roster cannot be written, nothing was changed: {error}") from error
        self._hand_over()

    # --- the outbox ------------------------------------------------------------------------------------------

    def settle(self, limit_s: float = SETTLE_S) -> int:
        """Wait for the ledger to take the facts of all changes; return how many of the last batch still wait."""
        while True:
            self._hand_over()
            with self._writing:
                handed = list(self._handed.values())
            late = wait_for(handed, limit_s).not_done
            if late or len(handed) < BATCH or any(one.exception() for one in handed):
                break  # else it was one batch of many
        self._hand_over()
        return len(self._handed)

    def _hand_over(self) -> None:
        """Queue what is in the outbox, and clear out what the ledger has. What fails here is tried again later."""
        try:
            with self._writing, self._lock.held():
                self._clear_out()
                waiting = "SELECT key, utc, mono, boot, trust, body FROM outbox ORDER BY place LIMIT ?"
                rows = self._db.execute(waiting, (BATCH,))
                for key, *at, body in rows.fetchall():
                    fact = decode(RosterChanged.kind, body)
                    if fact is not None and key not in self._handed:
                        self._handed[key] = self._ledger.queue(fact, moment(*at), key)
        except (sqlite3.Error, OSError, LedgerError) as error:
            log.warning("changes of the roster wait for the ledger: %s", error)

    def _clear_out(self) -> None:
        """Delete by key, never by place: another process may have cleared the place, and a third filled it again."""
        done = [key for key, future in self._handed.items() if future.done()]
        written = [key for key in done if self._handed[key].exception() is None]
        if written:
            with transaction(self._db):
                self._db.executemany("DELETE FROM outbox WHERE key = ?", ((key,) for key in written))
        for key in done:
            del self._handed[key]
