"""One change to the roster's people, and the words of their refusals.

The one idea: a change and its fact stand or fall together although they live in two databases. The fact is first
written to the `outbox` beside the people, in the same transaction; from there it is handed to the ledger under a key
of its own, as often as it takes: the ledger writes it once.

Names live in `member` and `alias` alone; nothing else here, and no fact, repeats them.
"""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from agent.memory.codec import encode
from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.folding import fold_text
from agent.rules.identity import nobodys
from agent.rules.memberlist import ID, LineFault, MemberFile, MemberRow
from agent.rules.members import RosterChanged
from drivers.contract import CardNumber, Moment

LONGEST = 200  # characters of a print name that are kept


class RosterError(Exception):
    """The roster refuses a change, and says why and what to do: in French, in English. Nothing was changed."""

    def __init__(self, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr = fr
        self.en = en


@dataclass(frozen=True, slots=True)
class Person:
    """One person, with the name: for people's pages and the command line only."""

    id: MemberId
    name: str
    formula: FormulaId
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: nothing at all if there are faults."""

    added: int
    changed: int
    unchanged: int
    faults: tuple[LineFault, ...]


@dataclass(slots=True)
class Change:
    """One change of the roster, in an open transaction. Every step that changes something tells one fact."""

    db: sqlite3.Connection
    actor: str
    at: Moment
    told: list[RosterChanged] = field(default_factory=list)

    def tell(self, action: str, subject: str, formula: str = "") -> None:
        """Note what was done, by ids only."""
        self.told.append(RosterChanged(self.actor, action, subject, FormulaId(formula)))

    def finish(self) -> None:
        """Put the facts in the outbox and number the new version of the roster."""
        for fact in self.told:
            row = encode(fact, self.at, uuid.uuid4().hex)
            self.db.execute(
                "INSERT INTO outbox (key, utc, mono, boot, trust, body) VALUES (?, ?, ?, ?, ?, ?)",
                (row.key, row.utc, row.mono_s, row.boot, row.trust, row.body),
            )
        if self.told:
            self.db.execute("UPDATE version SET number = number + 1")

    def people(self) -> list[Person]:
        """Return everybody, by id."""
        return read_people(self.db)

    def find(self, member: MemberId) -> Person:
        """Return one person. Raises RosterError."""
        found = [person for person in self.people() if person.id == member]
        if not found:
            raise RosterError(f"aucun membre {member} : voir « gardien member list »", f"no member {member}")
        return found[0]

    def add(self, person: Person) -> None:
        """Add somebody under an id never used before. Raises RosterError, also for an id that could be a name."""
        if not ID.fullmatch(person.id):
            raise RosterError(
                "un identifiant n'a que lettres, chiffres, point et tirets, 32 au plus ; il reste dans le journal",
                "an id has letters, digits, dots and dashes only, at most 32: it stays in the ledger for ever",
            )
        used = self.db.execute(
            "SELECT id FROM member WHERE id = ?1 UNION SELECT id FROM erased WHERE id = ?1", (person.id,)
        )
        if used.fetchone() is not None:
            raise RosterError(
                f"l'identifiant {person.id} a déjà servi : en choisir un autre", f"the id {person.id} was used before"
            )
        check_days(person)
        until = person.until and person.until.isoformat()
        values = (person.id, person.name, person.formula, person.since.isoformat(), until)
        self.db.execute("INSERT INTO member VALUES (?, ?, ?, ?, ?)", values)
        self.tell("member-added", person.id, person.formula)

    def change(self, person: Person) -> None:
        """Bring one person to this state; tells a fact only if something differs. Raises RosterError."""
        if self.find(person.id) == person:
            return
        check_days(person)
        until = person.until and person.until.isoformat()
        values = (person.name, person.formula, person.since.isoformat(), until, person.id)
        self.db.execute("UPDATE member SET name = ?, formula = ?, since = ?, until = ? WHERE id = ?", values)
        self.tell("member-changed", person.id, person.formula)

    def give_card(self, member: MemberId, key: CardKey, *, unblock: bool) -> None:
        """Give a card to somebody. One that is theirs already is left, or unblocked. Raises RosterError."""
        pool = self.db.execute("SELECT number FROM visitor WHERE key = ?", (key,)).fetchone()
        if pool is not None:
            raise RosterError(
                f"c'est la carte visiteur n° {pool[0]} : la retirer d'abord du lot",
                f"this is visitor card no. {pool[0]}: take it out of the pool first",
            )
        found = self.db.execute("SELECT member, blocked FROM card WHERE key = ?", (key,)).fetchone()
        if found is None:
            self.db.execute("INSERT INTO card VALUES (?, ?, 0)", (key, member))
        elif found[0] != member:
            raise RosterError(
                f"cette carte est à {found[0]} : la lui reprendre d'abord",
                f"this card is {found[0]}'s: take it back first",
            )
        elif not (found[1] and unblock):
            return
        else:
            self.db.execute("UPDATE card SET blocked = 0 WHERE key = ?", (key,))
        self.tell("card-given", key)

    def give_alias(self, member: MemberId, folded: str) -> AliasId:
        """Say whose a print name is. Raises RosterError when it is somebody else's."""
        if nobodys(folded):
            raise RosterError(
                f"« {folded} » est le nom de n'importe quel appareil : changer le nom d'utilisateur sur l'ordinateur",
                f"{folded!r} is what any device calls itself: change the user name on that computer",
            )
        found = self.db.execute("SELECT id, member FROM alias WHERE folded = ?", (folded,)).fetchone()
        if found is not None and found[1] == member:
            return AliasId(found[0])
        if found is not None and found[1] is not None:
            raise RosterError(
                f"ce nom d'impression est à {found[1]} : le lui reprendre d'abord",
                f"this print name is {found[1]}'s: take it back first",
            )
        alias = AliasId(found[0]) if found else new_alias()
        self.db.execute(
            "INSERT INTO alias VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET member = excluded.member",
            (alias, folded, member),
        )
        self.tell("alias-given", alias)
        return alias

    def next_id(self) -> MemberId:
        """Return m001, m002, ...: one above every number that was ever given."""
        ids = self.db.execute("SELECT id FROM member UNION SELECT id FROM erased")
        numbers = [int(used[1:]) for (used,) in ids if used[0] == "m" and used[1:].isdecimal() and used.isascii()]
        return MemberId(f"m{max(numbers, default=0) + 1:03d}")


def read_people(db: sqlite3.Connection) -> list[Person]:
    """Return everybody, by id. Raises sqlite3.Error."""
    return [
        Person(
            MemberId(member), name, FormulaId(formula), date.fromisoformat(since), until and date.fromisoformat(until)
        )
        for member, name, formula, since, until in db.execute(
            "SELECT id, name, formula, since, until FROM member ORDER BY id"
        )
    ]


def new_alias() -> AliasId:
    """Make an id for a name: random, so that nobody can guess the name behind it."""
    return AliasId(f"a{secrets.token_hex(6)}")


def check_days(person: Person) -> None:
    """Refuse rights that end before they begin."""
    if person.until is not None and person.until < person.since:
        raise RosterError(
            f"pour {person.id}, la fin ({person.until}) est avant le début ({person.since})",
            f"{person.id}: the end ({person.until}) is before the start ({person.since})",
        )


def import_members(
    change: Change, file: MemberFile, card_key: Callable[[CardNumber], CardKey], today: date | None
) -> ImportReport:
    """Bring the roster to what the file says; with faults in the report, the caller rolls all of it back.

    Who is new begins `today`, the site's own day, where the file says nothing; None: the day it is in UTC.
    """
    faults: list[LineFault] = []
    done: Counter[str] = Counter()
    known = _Known(change, today or change.at.utc.date())
    for row in sorted(file.rows, key=lambda row: row.id is None):  # ids in the file first: no number is given twice
        told = len(change.told)
        try:
            was = known.whom(row)
            person = known.bring(row, was, file.columns)
        except RosterError as error:
            faults.append(LineFault(row.line, error.fr, error.en))
            continue
        gifts: list[Callable[[], object]] = [
            partial(change.give_card, person.id, card_key(card), unblock=False) for card in row.cards
        ]
        gifts += [partial(change.give_alias, person.id, alias[:LONGEST]) for alias in row.aliases]
        for give in gifts:
            try:
                give()
            except RosterError as error:
                faults.append(LineFault(row.line, error.fr, error.en))
        done["added" if was is None else "changed" if len(change.told) > told else "unchanged"] += 1
    if faults:
        return ImportReport(0, 0, 0, tuple(sorted(faults, key=lambda fault: fault.line)))
    return ImportReport(done["added"], done["changed"], done["unchanged"], ())


class _Known:
    """Everybody in the roster while a file is brought in, found without reading them all again for every line."""

    def __init__(self, change: Change, today: date) -> None:
        self._change, self._today = change, today
        self._by_id: dict[MemberId, Person] = {}
        self._by_name: dict[str, set[MemberId]] = {}
        self._next = 0  # the next free number, once one was asked for: after the lines that have an id of their own
        for person in change.people():
            self._is_now(person)

    def whom(self, row: MemberRow) -> Person | None:
        """Find whom a line means: by its id, else by its name. Raises RosterError when two have that name."""
        if row.id is not None:
            return self._by_id.get(row.id)
        same = sorted(self._by_name.get(fold_text(row.name), ()))
        if len(same) > 1:
            ids = ", ".join(same)
            raise RosterError(
                f"plusieurs membres portent ce nom ({ids}) : donner l'identifiant",
                f"several members have this name ({ids})",
            )
        return self._by_id[same[0]] if same else None

    def bring(self, row: MemberRow, was: Person | None, columns: frozenset[str]) -> Person:
        """Add one person, or bring one to what the line says. A column the file does not have changes nothing."""
        if was is None:
            since = row.since or self._today
            person = Person(row.id or self._free(), row.name, row.formula, since, row.until)
            self._change.add(person)
        else:
            until = row.until if "until" in columns else was.until
            person = Person(was.id, row.name, row.formula, row.since or was.since, until)
            self._change.change(person)
            self._by_name[fold_text(was.name)].discard(was.id)
        self._is_now(person)
        return person

    def _free(self) -> MemberId:
        free = MemberId(f"m{self._next:03d}") if self._next else self._change.next_id()
        self._next = int(free[1:]) + 1
        return free

    def _is_now(self, person: Person) -> None:
        self._by_id[person.id] = person
        self._by_name.setdefault(fold_text(person.name), set()).add(person.id)
