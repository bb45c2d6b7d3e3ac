"""Counters of user codes (department codes), as a copier exports them to a CSV: each code is a member's, or nobody's.

The one idea: the file is understood whole or not at all, and every line that is wrong is said with its number. Most
machines export counters that only grow: their first sight is a starting point, later ones count the difference, and one
that fell was reset and starts again. A machine that empties its counters at each export is told so in the site file. A
code is somebody's as a print name is: by an erasable row of the roster, named DEVICE#CODE. It can be a shared account's
too (`rules.payers`): then whoever types it copies for the account, while it is open; after that they are nobody's, and
the animator says whose. Pure.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from agent.rules.facts import AliasId, MemberId
from agent.rules.folding import fold_text
from agent.rules.members import Alias, LineFault, Roster, cells_of, decoded
from agent.rules.pages import Owner, owner
from agent.rules.paper import CopiesByHand
from agent.rules.payers import ANIMATOR, Charge, may_pay

LINES = 5000
MOST = 100_000_000
TOTALS = frozenset({"total", "totaux", "totals", "sous-total", "sum"})
TITLES: Mapping[str, tuple[str, ...]] = {  # what headers call them, folded
    "code": (
        *("code", "code utilisateur", "code departement", "departement", "id", "id utilisateur", "utilisateur"),
        *("user", "user code", "user id", "department", "department id", "dept", "dept. id", "account", "numero"),
    ),
    "mono": (
        *("copies n&b", "copie n&b", "copies nb", "copie nb", "copies noir", "copie noir et blanc", "n&b", "noir"),
        *("copies noir et blanc", "copie (noir)", "copy b&w", "copies b&w", "black copies", "copy (black)"),
        *("copy (black & white)", "copy black", "black & white", "black", "mono"),
    ),
    "colour": (
        *("copies couleur", "copie couleur", "copies couleurs", "copie (couleur)", "couleur", "copy colour"),
        *("copy color", "color copies", "copies color", "copies colour", "copy (color)", "copy (full color)"),
        *("full color", "color", "colour"),
    ),
}


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One line: a code and its counters, in sides."""

    line: int
    code: str
    mono: int
    colour: int


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file that was understood, or what is wrong with it."""

    rows: tuple[CodeRow, ...]
    faults: tuple[LineFault, ...] = ()


def read_codes(data: bytes, columns: tuple[str, ...] = ()) -> CodeFile:
    """Understand a file. `columns`: the titles of code, mono and, where there is one, colour; () finds them."""
    text = decoded(data)
    try:
        lines = cells_of(text) if text is not None else []
    except csv.Error:
        lines = []
    if not lines or len(lines) > LINES:
        return _nothing(
            0,
            f"ce n'est pas un CSV de compteurs (vide, illisible, ou plus de {LINES} lignes) : exportez-le à nouveau",
            "not a CSV of counters: empty, unreadable or too long; export it again",
        )
    (head, titles), *rest = lines
    places, faults = _places(head, titles, columns)
    if faults:
        return CodeFile((), tuple(faults))
    rows: list[CodeRow] = []
    for line, cells in rest:
        code = _cell(cells, places["code"])
        if fold_text(code) in TOTALS:
            continue
        found = [_count(line, cells, places, column, faults) for column in ("mono", "colour")]
        if not code:
            faults.append(LineFault(line, "le code manque : remplissez-le ou ôtez la ligne", "the code is missing"))
        elif any(row.code == code for row in rows):
            faults.append(LineFault(line, f"le code {code} y est deux fois", f"the code {code} is there twice"))
        rows.append(CodeRow(line, code, *found))
    return CodeFile((), tuple(faults)) if faults else CodeFile(tuple(rows))


def _nothing(line: int, fr: str, en: str) -> CodeFile:
    return CodeFile((), (LineFault(line, fr, en),))


def _cell(cells: list[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _places(line: int, titles: list[str], columns: tuple[str, ...]) -> tuple[dict[str, int], list[LineFault]]:
    """Return where each column stands. A black-and-white machine has no colour column."""
    folded = [fold_text(title) for title in titles]
    named = dict(zip(TITLES, columns, strict=False))
    places: dict[str, int] = {}
    faults: list[LineFault] = []
    for column, words in TITLES.items():
        wanted = (fold_text(named[column]),) if column in named else () if columns else words
        found = [place for word in wanted for place, title in enumerate(folded) if title == word]
        if found:
            places[column] = found[0]
        elif column != "colour" or column in named:
            asked = named.get(column, words[0])
            there = ", ".join(title for title in titles if title)
            faults.append(
                LineFault(
                    line,
                    f"il manque la colonne « {asked} » ; le fichier a : {there} (nommez-les dans code_columns du site)",
                    f"the column {asked!r} is missing; the file has: {there} (name them in code_columns of the site)",
                )
            )
    return places, faults


def _count(line: int, cells: list[str], places: Mapping[str, int], column: str, faults: list[LineFault]) -> int:
    if column not in places:
        return 0
    text = _cell(cells, places[column]).replace("\u202f", "").replace("\u00a0", "").replace(" ", "") or "0"
    if text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= MOST:
        return int(text)
    faults.append(
        LineFault(
            line,
            f"« {_cell(cells, places[column])[:20]} » n'est pas un nombre de faces : corrigez-le",
            f"{_cell(cells, places[column])[:20]!r} is not a number of sides: correct it",
        )
    )
    return 0


def code_owner(code: Alias, roster: Roster, day: date) -> Owner:
    """Return whose copies under a user code are on a day: a shared account's that is open, a member's, or nobody's."""
    payer = roster.payers.get(roster.payer_codes.get(code.id, MemberId("")))
    if may_pay(payer, ANIMATOR, day) is Charge.CHARGED and payer is not None:
        return Owner(code.id, payer.id, payer.formula)
    return owner(code, roster)


@dataclass(frozen=True, slots=True)
class Known:
    """The last counters of one code."""

    mono: int
    colour: int
    turn: int  # how many rows it has


@dataclass(frozen=True, slots=True)
class Judged:
    """What one code of a file comes to."""

    row: CodeRow
    fact: CopiesByHand
    why: str  # "first", "counted", "fell"


def judge_code(
    device: str, row: CodeRow, whose: Owner, known: Known | None, *, cumulative: bool, mark: str
) -> Judged | None:
    """Return what a line adds; None if nothing moved. `mark` tells this file from others, where counters start over."""
    why, mono, colour = "counted", row.mono, row.colour
    if cumulative and known is None:
        why, mono, colour = "first", 0, 0
    elif cumulative and known is not None:
        mono, colour = row.mono - known.mono, row.colour - known.colour
        if mono < 0 or colour < 0:
            why, mono, colour = "fell", 0, 0
    if why == "counted" and not mono + colour:
        return None
    return Judged(row, _fact(device, row, whose, (mono, colour), 1 if known is None else known.turn + 1, mark), why)


def _fact(device: str, row: CodeRow, whose: Owner, moved: tuple[int, int], turn: int, mark: str) -> CopiesByHand:
    return CopiesByHand(
        device=device,
        serial=mark,
        epoch=turn,
        visit="",
        member=whose.member,
        formula=whose.formula,
        mono=moved[0],
        colour=moved[1],
        to_mono=row.mono,
        to_colour=row.colour,
        source="codes",
        alias=AliasId(whose.alias),
    )
