"""A member list as Excel writes it: what is understood, and every fault of every line.

The one idea: a list is understood as a whole, or nothing of it is used. Every line's fault is found before anything is
done, with its line number and what to do about it, in French and in English. A name passes through here once, from the
lines of a file to the roster's erasable rows; a card's number is never repeated, for faults are shown and it opens a
door. CSV is RFC 4180's, as French Excel writes it or as anybody else does. Pure.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from agent.rules.facts import FormulaId, MemberId
from agent.rules.folding import fold_text, fold_user
from drivers.contract import CardNumber

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("identifiant", "id", "numero", "no", "n", "membre", "member", "member id", "identifiant membre"),
        "name": ("nom", "name", "nom complet", "full name", "prenom nom", "nom prenom", "nom et prenom", "personne"),
        "given": ("prenom", "prenoms", "first name", "given name"),
        "formula": ("formule", "formula", "plan", "abonnement", "type", "tarif"),
        "since": ("depuis", "since", "debut", "date de debut", "start", "from", "entree", "arrivee"),
        "until": ("jusqu'au", "jusqu'a", "until", "fin", "date de fin", "end", "to", "sortie", "depart"),
        "cards": ("carte", "cartes", "card", "cards", "badge", "badges", "numero de carte", "card number"),
        "aliases": (
            *("impression", "impressions", "nom d'impression", "noms d'impression", "print", "print name"),
            *("print names", "login", "utilisateur", "user", "alias", "ordinateur"),
        ),
    }
)
REQUIRED = ("name", "formula")
HEADERS: Mapping[str, str] = MappingProxyType({word: column for column, words in COLUMNS.items() for word in words})
FORMULAS: Mapping[str, FormulaId] = MappingProxyType(
    {
        **dict.fromkeys(("abonne", "abonnee", "abonnement", "subscriber", "subscription"), FormulaId("subscriber")),
        **dict.fromkeys(("occasionnel", "occasionnelle", "occasional", "passage"), FormulaId("occasional")),
    }
)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
HEX = re.compile(r"[0-9A-F]{1,32}")
DATES = (
    re.compile(r"(?P<day>\d{1,2})[/.-](?P<month>\d{1,2})[/.-](?P<year>\d{4}|\d{2})"),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"),
)
LONGEST = 200  # characters of a name
JOINER = "\N{ZERO WIDTH JOINER}"  # inside many an emoji
# accents that were read in another encoding: UTF-8's, or those of Excel for Mac
GARBLED = re.compile("\N{REPLACEMENT CHARACTER}|Ã[\x80-\xbf\u0152-\u2122]|[ƒˆ‰™•†‡]|[a-zß-ÿ][ŽŠŸ]")
LEAST, WHOLE, EM4100 = 4, 8, 10  # digits of a card: at least; where several stand in a cell; with all 40 bits of EM4100
PRINTED = re.compile(r"(?<!\d)\d{3},\d{5}(?!\d)")  # what stands on the card: eight and sixteen bits, in decimal
MANY = 3  # cards that all look like decimal numbers are no accident: one in a hundred does
LINES = 10_000  # of a file: a coworking space has dozens of members


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with one line of the file, and the remedy. Line 1 is the first; 0: the file as a whole."""

    line: int
    fr: str
    en: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One line of the file, understood. `None` and empty: the line says nothing about it."""

    line: int
    id: MemberId | None
    name: str
    formula: FormulaId
    since: date | None
    until: date | None
    cards: tuple[CardNumber, ...]
    aliases: tuple[str, ...]  # folded


@dataclass(frozen=True, slots=True)
class MemberFile:
    """A whole file, understood: which columns it has, its rows, and every fault. Rows are to be used if none."""

    columns: frozenset[str]
    rows: tuple[MemberRow, ...]
    faults: tuple[LineFault, ...]


def formula_words(labels: Mapping[FormulaId, str]) -> dict[str, FormulaId]:
    """Return what may stand for each of the site's formulas: its id, its label, and the usual French words."""
    words = {word: formula for word, formula in FORMULAS.items() if formula in labels}
    words.update((fold_text(label), formula) for formula, label in labels.items() if label)
    words.update((fold_text(formula), formula) for formula in labels)
    return words


def read_members(data: bytes, formulas: Mapping[str, FormulaId] = FORMULAS, digits: int | None = None) -> MemberFile:
    """Understand a member list: CSV (RFC 4180) as French Excel writes it, or as anybody else does.

    UTF-8 with or without BOM, UTF-16 with BOM ("texte Unicode") or Windows-1252; separated by semicolons, commas or
    tabs, whichever the header has most of. `formulas` are the words for the formulas, folded (see `formula_words`);
    `digits`: how many hexadecimal digits a card has for all readers of the site, if that is known.
    """
    text = decoded(data)
    if text is None:
        return _nothing(
            "le fichier n'est pas du texte : l'enregistrer au format « CSV UTF-8 »",
            "not a text file: save it as CSV UTF-8",
        )
    try:
        lines = cells_of(text)
    except csv.Error as error:
        return _nothing(
            f"le fichier n'est pas un CSV lisible ({error}) : l'enregistrer à nouveau", f"not readable as CSV: {error}"
        )
    if not lines:
        return _nothing(
            "le fichier est vide : il faut une ligne de titres", "the file is empty: it needs a header line"
        )
    if len(lines) > LINES:
        return _nothing(f"plus de {LINES} lignes : ce n'est pas une liste de membres", f"more than {LINES} lines")
    (line, titles), *rest = lines
    columns, faults = _columns(line, titles)
    if faults:
        return MemberFile(frozenset(), (), tuple(faults))
    reader = _LineReader(columns, formulas, digits)
    rows = tuple(reader.row(line, cells) for line, cells in rest)
    faults = [*reader.faults, *_repeated(rows), *_printed(rows, digits)]
    return MemberFile(frozenset(columns), rows, tuple(sorted(faults, key=lambda fault: fault.line)))


def card_number(text: str) -> CardNumber | None:
    """Read a card number as the reader shows it: hexadecimal, with or without spaces, colons, dashes; None if not."""
    digits = re.sub(r"[\s:.\-]", "", text).upper().removeprefix("0X")
    if not HEX.fullmatch(digits):
        return None
    return CardNumber(digits.zfill(len(digits) + len(digits) % 2))


def unfit(card: CardNumber, digits: int | None) -> tuple[str, str] | None:
    """Say in French and English why no reader of the site can send this number; None if one may.

    `digits`: as of `read_members`.
    """
    if digits is not None and len(card.hex) != digits:
        fr = f"le numéro de carte n'a pas les {digits} signes que le lecteur envoie : présenter la carte au lecteur"
        return fr, f"the card number has not the {digits} digits the reader sends: show the card to the reader"
    if len(card.hex) < LEAST:
        fr = "le numéro de carte est trop court pour être celui que le lecteur envoie : présenter la carte au lecteur"
        return fr, "the card number is too short for what a reader sends: show the card to the reader"
    return None


def _card_texts(text: str) -> list[str]:
    """Part a cell into its cards: at commas, semicolons, bars and new lines, and between whole numbers at spaces."""
    parts = [part for part in re.split(r"[,;/|\r\n]", text) if part.strip()]
    return [one for part in parts for one in (part.split() if _several(part.split()) else [part])]


def _several(words: list[str]) -> bool:
    return len(words) > 1 and len(words[0]) >= WHOLE and len({len(word) for word in words}) == 1


def read_day(text: str) -> date | None:
    """Read a day as French Excel (22/11/2026, 22/11/26) or ISO 8601 (2026-11-22) writes it; None if it is none."""
    day = text.split(" ", 1)[0].split("T", 1)[0]
    for shape in DATES:
        found = shape.fullmatch(day)
        if found:
            year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
            try:
                return date(year, int(found["month"]), int(found["day"]))
            except ValueError:
                return None
    return None


def _nothing(fr: str, en: str) -> MemberFile:
    return MemberFile(frozenset(), (), (LineFault(0, fr, en),))


def decoded(data: bytes) -> str | None:
    """Return the text, in the first encoding that fits; None if none does or it holds binary zeros."""
    marked = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def cells_of(text: str) -> list[tuple[int, list[str]]]:
    """Split into (line number, cells), without empty lines; the number is of the line the record ends on."""
    start = text.lstrip("\r\n")
    first = start.splitlines()[0] if start else ""
    separator = max(";", "\t", ",", key=first.count)
    named = re.fullmatch(r"sep=(.)", first.strip())  # Excel's own hint
    if named:
        separator = named[1]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    return [(line, cells) for line, cells in lines[1 if named else 0 :] if any(cells)]


def _columns(line: int, titles: list[str]) -> tuple[dict[str, int], list[LineFault]]:
    columns: dict[str, int] = {}
    faults = []
    if not any(fold_text(title) in HEADERS for title in titles):
        fr = "cette ligne doit porter les titres des colonnes, par exemple nom;formule;carte"
        return {}, [LineFault(line, fr, "this line must hold the titles of the columns, for example name;formula;card")]
    for place, title in enumerate(titles):
        column = HEADERS.get(fold_text(title))
        if column is None and title:
            title = title if _shown(title) else "…"  # noqa: PLW2901  (a card's number stands in no fault)
            near = difflib.get_close_matches(fold_text(title), HEADERS, n=1)
            fr = f"vouliez-vous « {near[0]} » ?" if near else "la supprimer"
            en = f"did you mean {near[0]!r}?" if near else "remove it"
            faults.append(LineFault(line, f"colonne inconnue « {title} » : {fr}", f"unknown column {title!r}: {en}"))
        elif column in columns:
            faults.append(
                LineFault(line, f"la colonne « {title} » y est deux fois", f"column {title!r} is there twice")
            )
        elif column is not None:
            columns[column] = place
    faults += [
        LineFault(
            line, f"il manque la colonne « {COLUMNS[column][0]} »", f"the column {COLUMNS[column][1]!r} is missing"
        )
        for column in REQUIRED
        if column not in columns
    ]
    return columns, faults


def _shown(title: str) -> bool:
    number = card_number(title)
    return number is None or len(number.hex) < WHOLE


class _LineReader:
    """Reads one line after the other, and keeps what is wrong with each."""

    def __init__(self, columns: Mapping[str, int], formulas: Mapping[str, FormulaId], digits: int | None) -> None:
        self.faults: list[LineFault] = []
        self._columns = columns
        self._formulas = formulas
        self._digits = digits
        self._line = 0
        self._cells: list[str] = []

    def row(self, line: int, cells: list[str]) -> MemberRow:
        self._line, self._cells = line, cells
        since, until = self._day("since"), self._day("until")
        if since and until and until < since:
            self._wrong("la fin est avant le début : corriger l'une des deux dates", "the end is before the start")
        if any(cell and place not in self._columns.values() for place, cell in enumerate(cells)):
            self._wrong(
                "une cellule n'a pas de titre : l'ôter, ou mettre entre guillemets ce qui contient le séparateur",
                "a cell has no title above it: remove it, or quote what holds the separator",
            )
        return MemberRow(line, self._id(), self._name(), self._formula(), since, until, self._cards(), self._aliases())

    def _wrong(self, fr: str, en: str) -> None:
        self.faults.append(LineFault(self._line, fr, en))

    def _cell(self, column: str) -> str:
        place = self._columns.get(column, len(self._cells))
        return self._cells[place] if place < len(self._cells) else ""

    def _id(self) -> MemberId | None:
        text = self._cell("id")
        if text and not ID.fullmatch(text):
            self._wrong(
                f"identifiant « {text} » : lettres, chiffres, point et tirets seulement, 32 au plus",
                f"id {text!r}: letters, digits, dots and dashes only, at most 32",
            )
        return MemberId(text) if text else None

    def _name(self) -> str:
        family = self._cell("name")
        name = " ".join(f"{self._cell('given')} {family}".split())
        if GARBLED.search(f"{self._cell('given')} {family}"):
            self._wrong(
                "les accents du nom sont abîmés : enregistrer le fichier au format « CSV UTF-8 »",
                "the accents of the name are damaged: save the file as CSV UTF-8",
            )
        elif not family:
            self._wrong("le nom manque", "the name is missing")
        elif len(name) > LONGEST or not name.replace(JOINER, "").isprintable():
            self._wrong(
                f"le nom est illisible ou dépasse {LONGEST} signes", f"the name is unreadable or over {LONGEST} signs"
            )
        return name

    def _formula(self) -> FormulaId:
        text = self._cell("formula")
        formula = self._formulas.get(fold_text(text))
        if formula is None:
            choice = ", ".join(sorted(self._formulas))
            self._wrong(
                f"formule « {text} » inconnue : choisir parmi {choice}" if text else f"la formule manque : {choice}",
                f"unknown formula {text!r}: choose among {choice}",
            )
        return formula or FormulaId("")

    def _day(self, column: str) -> date | None:
        text = self._cell(column)
        day = read_day(text) if text else None
        if text and day is None:
            self._wrong(f"« {text} » n'est pas une date : écrire 22/11/2026", f"{text!r} is no date: write 2026-11-22")
        return day

    def _cards(self) -> tuple[CardNumber, ...]:
        """Read the cards. A fault never repeats the number: faults are shown, and the number opens a door."""
        text = self._cell("cards")
        if re.fullmatch(r"\d+(?:[.,]\d+)?E\+\d+", text, re.IGNORECASE):
            self._wrong(
                "Excel a abîmé le numéro de carte : mettre la colonne au format Texte et le saisir à nouveau",
                "Excel has damaged the card number: format the column as text and type it again",
            )
            return ()
        if PRINTED.search(text):
            self._wrong(
                "c'est le numéro imprimé sur la carte, pas celui que le lecteur envoie : présenter la carte au lecteur",
                "this is the number printed on the card, not what the reader sends: show the card to the reader",
            )
            return ()
        numbers = [card_number(part) for part in _card_texts(text)]
        if None in numbers:
            self._wrong(
                "le numéro de carte n'est pas en hexadécimal (0-9, A-F) : le copier tel que le lecteur l'affiche",
                "the card number is not hexadecimal (0-9, A-F): copy it as the reader shows it",
            )
        found = tuple(dict.fromkeys(number for number in numbers if number is not None))
        for said in dict.fromkeys(unfit(number, self._digits) for number in found):
            if said is not None:
                self._wrong(*said)
        return found

    def _aliases(self) -> tuple[str, ...]:
        """Read the print names: between commas, where they may hold spaces, or else between spaces."""
        text = self._cell("aliases")
        folded = (fold_user(part) for part in (text.split(",") if "," in text else text.split()))
        return tuple(dict.fromkeys(alias for alias in folded if alias))


def _printed(rows: tuple[MemberRow, ...], digits: int | None) -> list[LineFault]:
    """Find a file whose cards all bear the number that is printed on them, 32 bits in decimal."""
    cards = [card.hex for row in rows for card in row.cards]
    if digits != EM4100 or len(cards) < MANY or not all(card.isdecimal() and int(card) < 2**32 for card in cards):
        return []
    fr = "toutes les cartes portent le numéro imprimé, en décimal : ôter la colonne, et présenter les cartes au lecteur"
    en = "all cards bear the printed number, in decimal: remove the column, and show the cards to the reader"
    return [LineFault(0, fr, en)]


def _repeated(rows: tuple[MemberRow, ...]) -> list[LineFault]:
    """Find what may stand on one line only: an id, a name without id, a card, a print name."""
    seen: dict[tuple[str, object], int] = {("the name", fold_text(row.name)): row.line for row in rows if row.id}
    faults = []
    for row in rows:
        name = ("le nom, sans identifiant,", "the name", fold_text(row.name))
        for fr, en, thing in (
            ("l'identifiant", "the id", row.id) if row.id else name,
            *(("la carte", "the card", card) for card in row.cards),
            *(("le nom d'impression", "the print name", alias) for alias in row.aliases),
        ):
            first = seen.setdefault((en, thing), row.line)
            if first != row.line:
                fr_fault = f"{fr} est déjà à la ligne {first} : corriger l'une des deux"
                faults.append(LineFault(row.line, fr_fault, f"{en} stands on line {first} too: correct one of them"))
    return faults
