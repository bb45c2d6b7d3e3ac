"""Who is who: the roster as a value, as rules see it; and how a member list is read.

The one idea: rules know ids and rights, never names. A name passes through here once, from the lines of an imported
file to the roster's erasable rows. An import is understood as a whole: every line's fault is found before anything
is done, with its line number and what to do about it, in French and in English.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import ClassVar

from agent.rules.bookings import Booking, Lockdown
from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId
from agent.rules.folding import fold_text, fold_user
from agent.rules.hours import WeeklyHours
from agent.rules.payers import Payer
from drivers.contract import CardNumber


@dataclass(frozen=True, slots=True)
class Member:
    """A person with rights, without a name."""

    id: MemberId
    formula: FormulaId
    since: date  # first day of rights
    until: date | None  # last day of rights, included; None = open


@dataclass(frozen=True, slots=True)
class Card:
    """A card of a member, by its keyed hash."""

    key: CardKey
    member: MemberId
    blocked: bool


@dataclass(frozen=True, slots=True)
class Alias:
    """A name typed at a laptop, by its id, and whose it is (None: nobody's yet)."""

    id: AliasId
    member: MemberId | None


@dataclass(frozen=True, slots=True)
class VisitorCard:
    """A numbered card of the pool, by its keyed hash: lent to somebody for a while, or not."""

    key: CardKey
    number: int  # printed on the card
    until: datetime | None  # UTC; None: lent to nobody
    blocked: bool  # lost


@dataclass(frozen=True, slots=True)
class Roster:
    """One immutable version of the roster. `aliases` is keyed by the folded print name."""

    version: int
    members: Mapping[MemberId, Member] = field(default_factory=dict)
    cards: Mapping[CardKey, Card] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    closures: frozenset[date] = frozenset()  # days closed whatever the week says: exceptional, or public holidays
    hours: WeeklyHours | None = None  # the week people set; None: the site file's
    visitors: Mapping[CardKey, VisitorCard] = field(default_factory=dict)
    bookings: tuple[Booking, ...] = ()
    lockdown: Lockdown | None = None
    payers: Mapping[MemberId, Payer] = field(default_factory=dict)
    payer_codes: Mapping[AliasId, MemberId] = field(default_factory=dict)  # user codes of copiers that one of them pays

    def formula_of(self, who: MemberId) -> FormulaId | None:
        """Return the formula of whoever pays, a member or a shared account; None if there is no such."""
        known = self.members.get(who) or self.payers.get(who)
        return None if known is None else known.formula


@dataclass(frozen=True, slots=True)
class RosterChanged(Fact):
    """Somebody edited the roster: ids only."""

    kind: ClassVar[str] = "roster-changed"

    actor: str  # "cli", "animator", "ops"
    action: str  # "member-added", "member-changed", "card-given", "card-blocked", "alias-given", "member-erased",
    #              "hours-changed", "day-closed", "visitor-lent", ...
    subject: str  # a MemberId, CardKey, AliasId, or a day
    formula: FormulaId  # the member's formula after the change; "" if not about that


CALENDAR = frozenset(
    {"hours-changed", "hours-default", "day-closed", "day-opened", "holidays-set", "animator-away", "animator-back"}
)  # the actions that change when the place is open, not who may enter


PEOPLE = (
    *("member-added", "member-changed", "member-erased", "alias-given", "alias-taken", "card-given", "card-taken"),
    *("card-blocked", "visitor-card-added", "visitor-card-removed", "visitor-lent", "visitor-returned", "visitor-lost"),
    *("booking-made", "booking-ended", "lockdown-begun", "lockdown-ended"),
)  # the other actions a page tells by their own words


# --- the import: a member list as Excel writes it -----------------------------------------------------------

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("identifiant", "id", "numero", "no", "n", "membre", "member", "member id", "identifiant membre"),
        "name": ("nom", "name", "nom complet", "full name", "prenom nom", "nom prenom", "nom et prenom", "personne"),
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


def read_members(data: bytes, formulas: Mapping[str, FormulaId] = FORMULAS) -> MemberFile:
    """Understand a member list: CSV (RFC 4180) as French Excel writes it, or as anybody else does.

    UTF-8 with or without BOM, UTF-16 with BOM ("texte Unicode") or Windows-1252; separated by semicolons, commas or
    tabs, whichever the header has most of. `formulas` are the words for the formulas, folded (see `formula_words`).
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
    reader = _LineReader(columns, formulas)
    rows = tuple(reader.row(line, cells) for line, cells in rest)
    faults = [*reader.faults, *_repeated(rows)]
    return MemberFile(frozenset(columns), rows, tuple(sorted(faults, key=lambda fault: fault.line)))


def card_number(text: str) -> CardNumber | None:
    """Read a card number as the reader shows it: hexadecimal, with or without spaces, colons, dashes; None if not."""
    digits = re.sub(r"[\s:.\-]", "", text).upper().removeprefix("0X")
    if not HEX.fullmatch(digits):
        return None
    return CardNumber(digits.zfill(len(digits) + len(digits) % 2))


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
    for place, title in enumerate(titles):
        column = HEADERS.get(fold_text(title))
        if column is None and title:
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


class _LineReader:
    """Reads one line after the other, and keeps what is wrong with each."""

    def __init__(self, columns: Mapping[str, int], formulas: Mapping[str, FormulaId]) -> None:
        self.faults: list[LineFault] = []
        self._columns = columns
        self._formulas = formulas
        self._line = 0
        self._cells: list[str] = []

    def row(self, line: int, cells: list[str]) -> MemberRow:
        self._line, self._cells = line, cells
        since, until = self._day("since"), self._day("until")
        if since and until and until < since:
            self._wrong("la fin est avant le début : corriger l'une des deux dates", "the end is before the start")
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
        name = " ".join(self._cell("name").split())
        if not name:
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
        numbers = [card_number(part) for part in text.split(",") if part.strip()]
        if None in numbers:
            self._wrong(
                "le numéro de carte n'est pas en hexadécimal (0-9, A-F) : le copier tel que le lecteur l'affiche",
                "the card number is not hexadecimal (0-9, A-F): copy it as the reader shows it",
            )
        return tuple(dict.fromkeys(number for number in numbers if number is not None))

    def _aliases(self) -> tuple[str, ...]:
        """Read the print names: between commas, where they may hold spaces, or else between spaces."""
        text = self._cell("aliases")
        folded = (fold_user(part) for part in (text.split(",") if "," in text else text.split()))
        return tuple(dict.fromkeys(alias for alias in folded if alias))


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
