"""The shared accounts of a roster: a project or a host organisation that pays for paper, and who may have it pay.

A copier's user codes are given here, for a code can be a shared account's as well as a member's.

The one idea: the name lives here alone and can be erased; the id never comes again, and stays in what was counted. A
payer that has ended pays nothing more, and what it paid stands. What it may do is judged in `rules.payers`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from agent.memory.calendar import Changing, Reading
from agent.memory.people import Change, RosterError
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.folding import fold_text
from agent.rules.payers import MARK, is_payer

LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class Account:
    """One shared account, with its name: for people's pages and the command line only."""

    id: MemberId
    name: str
    formula: FormulaId
    until: date | None
    users: tuple[MemberId, ...]  # who may have it pay, by id


class Payers:
    """The shared accounts of one roster; its calls raise LedgerError, RosterError as the roster's do."""

    def __init__(self, changing: Changing, reading: Reading, forget: Callable[[], None]) -> None:
        self._changing, self._reading, self._forget = changing, reading, forget

    def accounts(self) -> tuple[Account, ...]:
        """Return all of them, by id."""
        found: tuple[Account, ...] = self._reading(_accounts)
        return found

    def names(self) -> dict[MemberId, str]:
        """Return the names, for people's pages only."""
        return {one.id: one.name for one in self.accounts()}

    def add(self, name: str, formula: FormulaId, *, actor: str) -> MemberId:
        """Make a shared account; return its id."""
        with self._changing(actor) as change:
            written, folded = _free_name(change, name, MemberId(""))
            payer = _next_id(change)
            change.db.execute("INSERT INTO payer VALUES (?, ?, ?, ?, NULL)", (payer, written, folded, formula))
            change.tell("payer-added", payer, formula)
        return payer

    def change(self, payer: MemberId, *, actor: str, name: str | None = None, formula: FormulaId | None = None) -> None:
        """Change what is given; the rest stays."""
        with self._changing(actor) as change:
            was = _find(change, payer)
            written, folded = _free_name(change, name or was.name, payer)
            now = replace(was, name=written, formula=formula or was.formula)
            if now != was:
                change.db.execute(
                    "UPDATE payer SET name = ?, folded = ?, formula = ? WHERE id = ?",
                    (written, folded, now.formula, payer),
                )
                change.tell("payer-changed", payer, now.formula)

    def end(self, payer: MemberId, until: date | None, *, actor: str) -> None:
        """Set the last day it pays, included; None: open again."""
        with self._changing(actor) as change:
            if _find(change, payer).until != until:
                change.db.execute("UPDATE payer SET until = ? WHERE id = ?", (until and until.isoformat(), payer))
                change.tell("payer-ended" if until else "payer-changed", payer)

    def erase(self, payer: MemberId, *, actor: str) -> None:
        """Forget it: its name and who might use it are gone; the id stays in the facts and is never used again."""
        with self._changing(actor) as change:
            _find(change, payer)
            for held in ("payer_user", "payer_code"):
                change.db.execute(f"DELETE FROM {held} WHERE payer = ?", (payer,))  # noqa: S608  (words of ours)
            change.db.execute("DELETE FROM payer WHERE id = ?", (payer,))
            change.db.execute("INSERT INTO erased VALUES (?)", (payer,))
            change.tell("payer-erased", payer)
        self._forget()

    def name_user(self, payer: MemberId, member: MemberId, *, actor: str) -> None:
        """Let a member have it pay."""
        with self._changing(actor) as change:
            _find(change, payer)
            change.find(member)
            done = change.db.execute(
                "INSERT INTO payer_user VALUES (?, ?) ON CONFLICT (payer, member) DO NOTHING", (payer, member)
            )
            if done.rowcount:
                change.tell("payer-user-named", payer)

    def remove_user(self, payer: MemberId, member: MemberId, *, actor: str) -> None:
        """Let a member have it pay no more."""
        with self._changing(actor) as change:
            _find(change, payer)
            done = change.db.execute("DELETE FROM payer_user WHERE payer = ? AND member = ?", (payer, member))
            if done.rowcount:
                change.tell("payer-user-removed", payer)

    def give_code(self, code: AliasId, owner: MemberId, *, actor: str) -> None:
        """Say who pays for a copier's user code from now on: a shared account, a member, or nobody ("").

        Whose it was before does not matter: a code is the house's, and goes from one to the next.
        """
        with self._changing(actor) as change:
            if change.db.execute("SELECT 1 FROM alias WHERE id = ?", (code,)).fetchone() is None:
                raise RosterError("ce code n'est pas connu : importer d'abord le fichier", "no such code: import first")
            if is_payer(owner):
                _find(change, owner)
            elif owner:
                change.find(owner)
            member = None if is_payer(owner) or not owner else owner
            change.db.execute("DELETE FROM payer_code WHERE alias = ?", (code,))
            change.db.execute("UPDATE alias SET member = ? WHERE id = ?", (member, code))
            if is_payer(owner):
                change.db.execute("INSERT INTO payer_code VALUES (?, ?)", (code, owner))
            change.tell("alias-given" if owner else "alias-taken", code)


def _find(change: Change, payer: MemberId) -> Account:
    found = [one for one in _accounts(change.db) if one.id == payer]
    if not found:
        raise RosterError(f"aucun compte partagé {payer} : voir « gardien payer list »", f"no shared account {payer}")
    return found[0]


def _free_name(change: Change, name: str, payer: MemberId) -> tuple[str, str]:
    """Return a name as it is kept, and folded: what people and their computers tell accounts apart by."""
    written = " ".join(name.split())
    folded = fold_text(written)
    if not folded or len(written) > LONGEST_NAME or not written.isprintable():
        raise RosterError(
            f"le nom du compte manque ou dépasse {LONGEST_NAME} signes",
            f"the account's name is missing or over {LONGEST_NAME} signs",
        )
    taken = change.db.execute("SELECT id FROM payer WHERE folded = ? AND id != ?", (folded, payer)).fetchone()
    if taken is not None:
        raise RosterError(
            f"le compte partagé {taken[0]} porte déjà ce nom : en choisir un autre",
            f"the shared account {taken[0]} has that name already: choose another",
        )
    return written, folded


def _next_id(change: Change) -> MemberId:
    """Return p:001, p:002, ...: one above every number that was ever given."""
    ids = change.db.execute("SELECT id FROM payer UNION SELECT id FROM erased")
    numbers = [int(used.removeprefix(MARK)) for (used,) in ids if used.startswith(MARK)]
    return MemberId(f"{MARK}{max(numbers, default=0) + 1:03d}")


def _accounts(db: sqlite3.Connection) -> tuple[Account, ...]:
    users: dict[str, list[MemberId]] = {}
    for payer, member in db.execute("SELECT payer, member FROM payer_user ORDER BY member"):
        users.setdefault(payer, []).append(MemberId(member))
    rows = db.execute("SELECT id, name, formula, until FROM payer ORDER BY id")
    return tuple(
        Account(MemberId(one), name, FormulaId(formula), until and date.fromisoformat(until), tuple(users.get(one, ())))
        for one, name, formula, until in rows
    )
