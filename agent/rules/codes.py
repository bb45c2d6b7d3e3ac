"""Counters of user codes (department codes), as a copier exports them to a CSV: each code is a member's, or nobody's.

The one idea: the file is understood whole or not at all, and every line that is wrong is said with its number. What
stands above the titles (a report's own name, its day) is passed over. Most machines export counters that only grow:
their first sight is a starting point, later ones count the difference, and one that fell was reset, or the file is an
older one: somebody has to say which, for what is started anew too low is counted twice. A machine that empties its
counters at each export is told so in the site file. A code is somebody's as a print name is: by an erasable row of the
roster, named DEVICE#CODE. It can be a shared account's too (`rules.payers`): then whoever types it copies for the
account, while it is open; after that they are nobody's, and the animator says whose. Pure.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from agent.rules.facts import AliasId, MemberId
from agent.rules.folding import fold_text, fold_user
from agent.rules.memberlist import LineFault, cells_of, decoded
from agent.rules.members import Alias, Roster
from agent.rules.pages import Owner, owner
from agent.rules.paper import CopiesByHand
from agent.rules.payers import ANIMATOR, Charge, may_pay

LINES = 5000
MOST = 100_000_000
PREAMBLE = 20  # lines that may stand above the titles
LONGEST = 40  # signs of a code
TOTALS = frozenset(
    {"total", "totaux", "totals", "sous-total", "sum", "total general", "grand total", "somme", "ensemble", "gesamt"}
)
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
        lines = _table(text, columns) if text is not None else []
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
    known = set[str]()
    for line, cells in rest:
        code = _cell(cells, places["code"])
        if fold_text(code) in TOTALS:
            continue
        wrong = _cells_wrong(cells, len(titles), places)
        if wrong:
            faults.append(LineFault(line, *wrong))
            continue
        found = [_count(line, cells, places, column, faults) for column in ("mono", "colour")]
        wrong = _code_wrong(code, known)
        if wrong:
            faults.append(LineFault(line, *wrong))
        rows.append(CodeRow(line, code, *found))
    if not rows and not faults:
        return _nothing(head, "aucun code sous les titres : exportez le fichier à nouveau", "no code below the titles")
    return CodeFile((), tuple(faults)) if faults else CodeFile(tuple(rows))


def _cells_wrong(cells: list[str], titles: int, places: Mapping[str, int]) -> tuple[str, str] | None:
    """Return what is wrong with how a line is cut into cells, in French and English."""
    if len(cells) <= max(places.values()):
        return "la ligne est coupée : exportez le fichier à nouveau", "the line is cut short"
    if any(cells[titles:]):  # "1,234" where the comma separates
        fr = "la ligne a plus de cases que de titres : un nombre écrit avec le séparateur ? exportez à nouveau"
        return fr, "more cells than titles: is a number written with the separator?"
    return None


def _code_wrong(code: str, known: set[str]) -> tuple[str, str] | None:
    """Return what is wrong with a code; add it to the `known` ones."""
    folded = fold_user(code_name("", code))
    twice = folded in known
    known.add(folded)
    if not code:
        return "le code manque : remplissez-le ou ôtez la ligne", "the code is missing"
    if not code.isprintable():
        return "le code porte des signes illisibles : corrigez-le", "the code has unprintable signs"
    if len(code) > LONGEST:
        short = f"{code[:LONGEST]}…"
        return f"le code {short} est trop long", f"the code {short} is too long"
    return (f"le code {code} y est deux fois", f"the code {code} is there twice") if twice else None


def code_name(device: str, code: str) -> str:
    """Return the name a code has in the roster. It is no login: nothing before a backslash or after an @ is dropped."""
    return f"{device}#" + code.replace("\\", "/").replace("@", "(at)")


def _table(text: str, columns: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Return the lines from the titles on, each with its number; all of them where no line has the titles."""
    lines, wanted = text.splitlines(keepends=True), set(TITLES) if len(columns) > 2 else {"code", "mono"}
    for above, head in enumerate(lines[:PREAMBLE]):
        titles = cells_of(head) if '"' not in head or not head.count('"') % 2 else []
        if titles and _places(*titles[0], columns)[0].keys() >= wanted:
            return [(line + above, cells) for line, cells in cells_of("".join(lines[above:]))]
    return cells_of(text)


def _nothing(line: int, fr: str, en: str) -> CodeFile:
    return CodeFile((), (LineFault(line, fr, en),))


def _cell(cells: list[str], place: int) -> str:
    text = cells[place].strip() if place < len(cells) else ""
    return text[2:-1] if text.startswith('="') and text.endswith('"') else text  # so that Excel keeps its zeros


def _places(line: int, titles: list[str], columns: tuple[str, ...]) -> tuple[dict[str, int], list[LineFault]]:
    """Return where each column stands. A black-and-white machine has no colour column."""
    folded = [fold_text(title) for title in titles]
    named = dict(zip(TITLES, columns, strict=False))
    places: dict[str, int] = {}
    faults: list[LineFault] = []
    for column, words in TITLES.items():
        wanted = (fold_text(named[column]),) if column in named else () if columns else words
        found = [place for word in wanted for place, title in enumerate(folded) if title == word]
        if found and sum(title == folded[found[0]] for title in folded) > 1:
            name = titles[found[0]]
            fr = f"la colonne « {name} » y est deux fois : ôtez celle qui ne compte pas les copies"
            faults.append(LineFault(line, fr, f"the column {name!r} is there twice: remove the one that is not copies"))
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


def fallen(judged: Iterable[Judged]) -> tuple[LineFault, ...]:
    """Return the counters that fell, for somebody to say that they were reset."""
    return tuple(
        LineFault(
            one.row.line,
            f"le compteur du code {one.row.code} a baissé : fichier plus ancien que le dernier, ou remis à zéro ?",
            f"the counter of code {one.row.code} fell: is the file older than the last one, or was it reset?",
        )
        for one in judged
        if one.why == "fell"
    )


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
