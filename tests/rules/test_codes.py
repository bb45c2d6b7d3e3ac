"""Files of user codes: understood whole, or every wrong line said."""

from __future__ import annotations

from datetime import date

import pytest

from agent.rules.codes import CodeRow, Known, code_name, code_owner, fallen, judge_code, read_codes
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.members import Alias, Member, Roster
from agent.rules.pages import Owner
from agent.rules.payers import Payer

GOOD = "Code;Nom;Copies N&B;Copies couleur\r\n0042;Anne;1 200;30\r\n0007;;15;\r\nTotal;;1 215;30\r\n".encode("cp1252")
DAY = date(2026, 11, 28)
ANNE = Owner(AliasId("x1"), MemberId("m042"), FormulaId("subscriber"))


def test_a_french_export_is_read_by_its_titles():
    file = read_codes(GOOD)
    assert file.faults == ()
    assert file.rows == (CodeRow(2, "0042", 1200, 30), CodeRow(3, "0007", 15, 0))


def test_an_english_one_and_one_of_a_black_and_white_machine_too():
    assert read_codes(b"User ID,Copy (Full Color),Copy (Black & White)\n7,3,40\n").rows == (CodeRow(2, "7", 40, 3),)
    assert read_codes(b"Department ID\tBlack\n7\t40\n").rows == (CodeRow(2, "7", 40, 0),)


def test_titles_named_in_the_site_file_go_before():
    data = b"Dpt;Black;Volume NB;Volume C\n12;999;40;2\n"
    assert read_codes(data, ("Dpt", "Volume NB", "Volume C")).rows == (CodeRow(2, "12", 40, 2),)
    assert read_codes(data, ("Dpt", "Volume NB")).rows == (CodeRow(2, "12", 40, 0),)


def test_what_stands_above_the_titles_and_excels_own_quotes_are_passed_over():
    data = b'"Compteurs ""mars"""\nImprim\xe9 le;2026-11-29\n\nCode;Copies N&B\n="0042";12\nTotal g\xe9n\xe9ral;12\n'
    assert read_codes(data).rows == (CodeRow(5, "0042", 12, 0),)


def test_a_code_is_no_login_and_two_that_the_roster_cannot_tell_apart_are_one():
    assert code_name("copieur", "ACME\\ab@1") == "copieur#ACME/ab(at)1"
    two = read_codes(b"Code;Noir\nab1;10\nAB1;20\nx@a;1\nx@b;2\n")
    assert [(fault.line, fault.fr) for fault in two.faults] == [(3, "le code AB1 y est deux fois")]


def test_counters_that_fell_are_said_with_their_line():
    judged = [
        judge_code("copieur", CodeRow(2 + n, code, 15, 0), ANNE, Known(last, 0, 1), cumulative=True, mark="")
        for n, (code, last) in enumerate((("0042", 10), ("0043", 20)))
    ]
    (said,) = fallen(one for one in judged if one is not None)
    assert (said.line, "code 0043 a baissé" in said.fr, "0043 fell" in said.en) == (3, True, True)


@pytest.mark.parametrize(
    ("data", "columns", "says"),
    [
        (b"", (), [(0, "ce n'est pas un CSV")]),
        (b"\x00\x01\x02", (), [(0, "ce n'est pas un CSV")]),
        (b'a"b;"c\n"d', (), [(0, "ce n'est pas un CSV")]),
        (b"x\n" * 5002, (), [(0, "ce n'est pas un CSV")]),
        (
            b"Nom;Pages\nAnne;3\n",
            (),
            [(1, "la colonne \u00ab code \u00bb"), (1, "la colonne \u00ab copies n&b \u00bb")],
        ),
        (
            b"Code;Noir;Couleur\n1;2;3\n2\n" + b"9" * 41 + b";1;1\n",
            (),
            [(3, "la ligne est coupée"), (4, "est trop long")],
        ),
        (b"Code;Noir\n1;2\n", ("Code", "Noir", "Rouge"), [(1, "la colonne \u00ab Rouge \u00bb")]),
        (
            b"Code;Noir;Couleur\n1;2;3\n;4;5\n1;6;7\n3;-8;9\n4;dix;1,5\n5;999999999;0\n",
            (),
            [
                (3, "le code manque"),
                (4, "y est deux fois"),
                (5, "-8"),
                (6, "dix"),
                (6, "1,5"),
                (7, "999999999"),
            ],
        ),
    ],
)
def test_a_file_that_is_wrong_says_where_and_gives_nothing(data, columns, says):
    file = read_codes(data, columns)
    assert file.rows == ()
    assert [fault.line for fault in file.faults] == [line for line, _ in says]
    for fault, (_, words) in zip(file.faults, says, strict=True):
        assert words in fault.fr
        assert fault.en


@pytest.mark.parametrize(
    ("text", "line", "fr"),
    [
        ("Code,Noir,Couleur\n42,1,234,5\n", 2, "plus de cases que de titres"),
        ("Rapport\nCode;Noir;Noir\n42;1;900\n", 2, "la colonne « Noir » y est deux fois"),
        ("Code;Noir\n4\x1b[31m2;5\n", 2, "signes illisibles"),
        ("Code;Noir\n4\u202e2;5\n", 2, "signes illisibles"),
        ("Code;Noir\n\n", 1, "aucun code sous les titres"),
        ("Code;Noir\nTotal;5\n", 1, "aucun code sous les titres"),
    ],
)
def test_a_file_that_could_be_read_in_two_ways_is_not_read(text, line, fr):
    read = read_codes(text.encode())
    assert read.rows == ()
    assert [(fault.line, fr in fault.fr) for fault in read.faults] == [(line, True)]


def test_empty_cells_beyond_the_titles_are_nothing():
    assert [row.mono for row in read_codes(b"Code;Noir\n42;5;;\n").rows] == [5]


@pytest.mark.parametrize(
    ("known", "counters", "cumulative", "why", "moved"),
    [
        (None, (1200, 30), True, "first", (0, 0)),
        (Known(1200, 30, 1), (1240, 31), True, "counted", (40, 1)),
        (Known(1200, 30, 1), (1200, 30), True, None, None),
        (Known(1200, 30, 1), (15, 0), True, "fell", (0, 0)),
        (Known(1200, 30, 1), (1300, 0), True, "fell", (0, 0)),
        (None, (40, 1), False, "counted", (40, 1)),
        (Known(40, 1, 3), (12, 0), False, "counted", (12, 0)),
        (Known(40, 1, 3), (0, 0), False, None, None),
    ],
)
def test_a_code(known, counters, cumulative, why, moved):
    one = judge_code("copieur", CodeRow(2, "0042", *counters), ANNE, known, cumulative=cumulative, mark="f")
    assert (one and one.why) == why
    if one is not None:
        fact = one.fact
        assert (fact.mono, fact.colour) == moved
        assert (fact.to_mono, fact.to_colour) == counters
        assert (fact.member, fact.alias, fact.source, fact.epoch) == (
            "m042",
            "x1",
            "codes",
            known.turn + 1 if known else 1,
        )


def test_a_code_is_a_members_or_an_open_shared_accounts_or_nobodys() -> None:
    feast = Payer(MemberId("p:001"), FormulaId("occasional"), DAY, frozenset(), "fete")
    roster = Roster(
        1,
        members={ANNE.member: Member(ANNE.member, ANNE.formula, date(2026, 1, 1), None)},
        payers={feast.id: feast},
        payer_codes={AliasId("x2"): feast.id, AliasId("x3"): MemberId("p:009")},
    )
    codes = [Alias(AliasId("x1"), ANNE.member), Alias(AliasId("x2"), None), Alias(AliasId("x3"), None)]
    assert [code_owner(one, roster, DAY).member for one in codes] == ["m042", "p:001", ""]
    assert code_owner(codes[1], roster, DAY) == Owner(AliasId("x2"), MemberId("p:001"), FormulaId("occasional"))
    assert code_owner(codes[1], roster, date(2026, 11, 29)).member == ""  # it has ended
