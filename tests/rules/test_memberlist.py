"""The member list as French Excel writes it: what is understood, and what is said of every fault."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import FormulaId
from agent.rules.folding import fold_text, fold_user
from agent.rules.memberlist import MemberFile, card_number, formula_words, read_day, read_members
from drivers.contract import CardNumber

EXCEL = (
    "identifiant;nom;formule;depuis;jusqu’au;carte;impression\r\n"
    'm010;"Zoé ; Élan";Abonnée;22/11/2026;31/12/2026;04 a2 3f;zoe, Zoe Elan\r\n'
    ";Éric  Çelik;occasionnel;2026-01-05;;;eric CORP\\eric.c\r\n"
    ";;;;;;\r\n"
)


def see(*lines: str, encoding: str = "utf-8-sig", **more: object) -> MemberFile:
    return read_members("\r\n".join(lines).encode(encoding), **more)


def faults(file: MemberFile) -> list[tuple[int, str]]:
    """What is wrong, by line; every fault speaks both languages and gives no number of a card."""
    assert all(fault.fr and fault.en for fault in file.faults)
    return [(fault.line, fault.fr) for fault in file.faults]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_list_as_excel_saves_it(encoding):
    file = read_members(EXCEL.encode(encoding))
    assert faults(file) == []
    assert file.columns == {"id", "name", "formula", "since", "until", "cards", "aliases"}
    first, second = file.rows
    assert (first.line, first.id, first.name, first.formula) == (2, "m010", "Zoé ; Élan", "subscriber")
    assert (first.since, first.until) == (date(2026, 11, 22), date(2026, 12, 31))
    assert first.cards == (CardNumber("04A23F"),)
    assert first.aliases == ("zoe", "zoe elan")
    assert (second.id, second.name, second.formula) == (None, "Éric Çelik", "occasional")
    assert (second.since, second.until, second.cards) == (date(2026, 1, 5), None, ())
    assert second.aliases == ("eric", "eric.c")


@pytest.mark.parametrize(
    "lines",
    [
        ("Name,Formula,Print Name", 'Ada L,subscriber,"ada, ada.l"'),
        ("NOM\tFORMULE\tLOGIN", "Ada L\tabonné\tada ada.l"),
        ("sep=;", "nom;formule;alias", "Ada L;Subscription;ada;"),
        ("", "nom_complet;Plan;Utilisateur", "Ada L;ABONNEMENT;ADA@home"),
    ],
)
def test_separators_and_titles_may_vary(lines):
    file = see(*lines)
    assert faults(file) == []
    (row,) = file.rows
    assert (row.name, row.formula, row.aliases[0]) == ("Ada L", "subscriber", "ada")
    assert "until" not in file.columns


def test_a_short_line_says_nothing_about_the_rest():
    (row,) = see("nom;formule;depuis;carte", "Ada;abonné").rows
    assert (row.since, row.cards) == (None, ())


def test_a_quoted_name_may_span_lines_and_the_count_goes_on():
    file = see("nom;formule", '"Ada\r\nLovelace";abonné', "Bob;roi")
    assert file.rows[0].name == "Ada Lovelace"
    assert [line for line, _ in faults(file)] == [4]


def test_every_fault_of_every_line_is_told():
    file = see(
        "identifiant;nom;formule;depuis;jusqu'au;carte",
        "m 1;;roi;31/02/2026;hier;XYZ",
        "m2;Ada;;2026-12-01;2026-11-01;1,23457E+12",
        f"m3;{'a' * 201};abonné;;;",
        "m4;A\x07da;abonné;;;",
    )
    assert [(line, text.split(" ")[0]) for line, text in faults(file)] == [
        (2, "«"),
        (2, "«"),
        (2, "identifiant"),
        (2, "le"),
        (2, "formule"),
        (2, "le"),
        (3, "la"),
        (3, "la"),
        (3, "Excel"),
        (4, "le"),
        (5, "le"),
    ]
    assert not any("XYZ" in fault.fr + fault.en for fault in file.faults)


def test_what_may_stand_only_once_is_told_with_the_first_line():
    file = see(
        "id;nom;formule;carte;login",
        "m1;Ada;abonné;04A2;ada",
        "m1;Bob;abonné;04a2;ADA",
        ";Éve;abonné;;",
        ";eve;abonné;;",
        ";Ada;abonné;;",
    )
    assert faults(file) == [
        (3, "l'identifiant est déjà à la ligne 2 : corriger l'une des deux"),
        (3, "la carte est déjà à la ligne 2 : corriger l'une des deux"),
        (3, "le nom d'impression est déjà à la ligne 2 : corriger l'une des deux"),
        (5, "le nom, sans identifiant, est déjà à la ligne 4 : corriger l'une des deux"),
        (6, "le nom, sans identifiant, est déjà à la ligne 2 : corriger l'une des deux"),
    ]


def test_titles_are_checked_all_at_once():
    file = see("nom;nom;formul;e-mail;;", "Ada")
    assert faults(file) == [
        (1, "la colonne « nom » y est deux fois"),
        (1, "colonne inconnue « formul » : vouliez-vous « formule » ?"),
        (1, "colonne inconnue « e-mail » : la supprimer"),
        (1, "il manque la colonne « formule »"),
    ]
    assert file.rows == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\xff\xfeA",  # half a sign of UTF-16
        b"nom;formule\r\nA\0da;x",
        b"\x81\x8d\xff",
        b'nom;formule\r\n"Ada;abonn',
        b"nom;formule\r\n" + b"Ada;x\r\n" * 10_001,
    ],
)
def test_what_is_no_list_is_one_fault_and_no_crash(data):
    file = read_members(data)
    assert file.rows == ()
    assert [fault.line for fault in file.faults] in ([0], [1])


def test_a_site_gives_its_own_formulas():
    words = formula_words({FormulaId("subscriber"): "", FormulaId("nomad"): "Bureau nomade"})
    file = see("nom;formule", "Ada;abonné", "Bob;BUREAU NOMADE", "Cyd;nomad", "Dan;occasionnel", formulas=words)
    assert [row.formula for row in file.rows] == ["subscriber", "nomad", "nomad", ""]
    assert [line for line, _ in faults(file)] == [5]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("22/11/2026", date(2026, 11, 22)),
        ("2.1.26", date(2026, 1, 2)),
        ("2026-11-22", date(2026, 11, 22)),
        ("22/11/2026 00:00:00", date(2026, 11, 22)),
        ("2026-11-22T08:00", date(2026, 11, 22)),
        ("46348", None),
        ("31/02/2026", None),
        ("demain", None),
    ],
)
def test_days(text, day):
    assert read_day(text) == day


@pytest.mark.parametrize(
    ("text", "number"),
    [("04:A2-3f.9", "004A23F9"), ("0x4a2", "04A2"), ("1", "01"), ("", None), ("G1", None), ("1" * 33, None)],
)
def test_card_numbers(text, number):
    assert card_number(text) == (None if number is None else CardNumber(number))


@given(st.binary(max_size=16))
def test_a_card_number_reads_back_whatever_stands_between_its_digits(raw):
    number = raw.hex(":")
    assert card_number(number) == (CardNumber(raw.hex().upper()) if raw else None)


@given(st.text())
def test_folding_twice_is_folding_once_and_case_does_not_matter(text):
    assert fold_user(fold_user(text)) == fold_user(text)
    assert fold_text(fold_text(text)) == fold_text(text)


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reading_fail(noise):
    read_members(noise)
    read_members(b"nom;formule;carte;depuis\r\n" + noise)


def test_print_names_fold():
    assert [fold_user(name) for name in ("CORP\\Ada", "ada@laptop.local", " ADA ")] == ["ada", "ada", "ada"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["Zoé 🎉", "👩\u200d💻 Léa", "Ada ❤\ufe0f O'Neill", "🇫🇷 Éloïse «\u00a0Lo\u00a0»"])
def test_a_name_with_emoji_is_a_name(encoding, name):
    file = read_members(f"identifiant;nom;formule;carte\r\nm7;{name};abonné;04A23F\r\n".encode(encoding))
    assert faults(file) == []
    assert [(row.name, row.cards) for row in file.rows] == [(" ".join(name.split()), (CardNumber("04A23F"),))]


# --- what people make of a list ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "cards"),
    [
        ("04A2B3C4D5 05A2B3C4D5", ("04A2B3C4D5", "05A2B3C4D5")),  # two cards, not one of ten bytes
        ('"04A2B3C4D5\n05A2B3C4D5"', ("04A2B3C4D5", "05A2B3C4D5")),  # Alt+Enter in a cell
        ('"04A2B3C4D5;05a2b3c4d5"', ("04A2B3C4D5", "05A2B3C4D5")),
        ("04A2B3C4D5 / 04A2B3C4D5", ("04A2B3C4D5",)),
        ("04 A2 B3 C4", ("04A2B3C4",)),
        ("04A2B3C4 D5E6F7", ("04A2B3C4D5E6F7",)),  # seven bytes, written in two halves
        ("04A2B3C4,05A2B3C4D5E6F7", ("04A2B3C4", "05A2B3C4D5E6F7")),
    ],
)
def test_several_cards_in_a_cell_are_several(cell: str, cards: tuple[str, ...]) -> None:
    file = see("nom;formule;cartes", f"Ada;abonné;{cell}")
    assert (faults(file), tuple(card.hex for card in file.rows[0].cards)) == ([], cards)


@pytest.mark.parametrize("cell", ["018,54321", "0001234567 018,54321", "A", "00"])
def test_a_number_that_no_reader_sends_is_told(cell: str) -> None:
    ((line, says),) = faults(see("nom;formule;cartes", f"Ada;abonné;{cell}"))
    assert line == 2
    assert says.endswith("présenter la carte au lecteur")
    assert cell not in says


@pytest.mark.parametrize("cell", ["04A2B3C4", "12345678", "04A2B3C4D5E6F7"])
def test_where_all_cards_have_forty_bits_another_length_is_told(cell: str) -> None:
    assert faults(see("nom;formule;cartes", f"Ada;abonné;{cell}")) == []
    ((line, says),) = faults(see("nom;formule;cartes", f"Ada;abonné;{cell}", digits=10))
    assert (line, says[:43]) == (2, "le numéro de carte n'a pas les 10 signes qu")
    assert faults(see("nom;formule;cartes", "Ada;abonné;04A2B3C4D5", digits=10)) == []


def test_a_file_of_printed_numbers_is_told() -> None:
    """Ten decimal digits are ten hexadecimal ones too; one card in a hundred has no letter, not all of them."""
    rows = ["Ada;abonné;0001234567", "Bob;abonné;0004294967", "Cyd;abonné;4294967295"]
    assert [line for line, _ in faults(see("nom;formule;carte", *rows, digits=10))] == [0]
    assert faults(see("nom;formule;carte", *rows)) == []  # a reader of lines may send decimal digits
    assert faults(see("nom;formule;carte", *rows[:2], digits=10)) == []
    assert faults(see("nom;formule;carte", *rows, "Dan;abonné;04A2B3C4D5", digits=10)) == []
    assert faults(see("nom;formule;carte", *rows[:2], "Dan;abonné;4294967296", digits=10)) == []


def test_a_cell_without_a_title_is_told_and_not_dropped() -> None:
    found = faults(see("nom;formule;;", "Ada;abonné;;", "Bob;abonné;;x", "Cyd;abonné;;;;y"))
    assert [line for line, _ in found] == [3, 4]
    assert [line for line, _ in faults(see("nom,formule,carte", "Ada,abonné,018,54321"))] == [2]


def test_given_and_family_name_are_one_name() -> None:
    file = see("Prénom;Nom;Formule", "Zoé;O'Neill;abonné", ";Martin;abonné")
    assert (faults(file), [row.name for row in file.rows]) == ([], ["Zoé O'Neill", "Martin"])
    assert [line for line, _ in faults(see("Prénom;Nom;Formule", "Zoé;;abonné"))] == [2]


@pytest.mark.parametrize("name", ["Élodie", "Renée", "Agnès", "François"])
@pytest.mark.parametrize("damage", ["mac", "twice", "lost"])
def test_accents_that_were_damaged_on_the_way_are_told(name: str, damage: str) -> None:
    data = {
        "mac": name.encode("mac_roman"),  # Excel for Mac
        "twice": name.encode().decode("cp1252", "replace").encode(),  # UTF-8 read as another encoding, and saved
        "lost": name.encode("ascii", "replace").replace(b"?", "\N{REPLACEMENT CHARACTER}".encode()),
    }[damage]
    file = read_members(b"nom;formule\r\n" + data + b";passage\r\n")
    assert file.faults


@pytest.mark.parametrize("name", ["Žižek Šarić", "JOÃO Conceição", "L’Œuvre – «Æ»", "Dvořák", "Ğülşen", "李 小龍"])
def test_a_rare_letter_is_no_damage(name: str) -> None:
    assert faults(see("nom;formule", f"{name};abonné")) == []


def test_a_list_without_titles_is_one_fault_that_repeats_no_card() -> None:
    ((line, says),) = faults(see("Jean Dupont;abonné;04A2B3C4D5", "Ada;abonné;05A2B3C4D5"))
    assert (line, "titres des colonnes" in says) == (1, True)
    told = see("Ada;abonnement;04A2B3C4D5").faults  # what is a title by chance
    assert told
    assert not any("04A2B3C4D5" in fault.fr + fault.en for fault in told)
