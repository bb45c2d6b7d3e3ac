"""Who may have a shared account pay, and what it pays. Tier: rule."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from agent.rules.facts import FormulaId, MemberId
from agent.rules.memberlist import ID
from agent.rules.members import Member, Roster
from agent.rules.payers import ANIMATOR, Charge, Payer, is_payer, may_pay, meant, pays_at_once, usable
from agent.rules.tariff import Period, Prices, Tariff, statement
from agent.rules.usage import Item, Usage

ANNE, BOB = MemberId("m001"), MemberId("m002")
FEAST, TOWN = MemberId("p:001"), MemberId("p:002")
SUB = FormulaId("subscriber")
DAY = date(2026, 11, 28)
PAYERS = {
    FEAST: Payer(FEAST, SUB, None, frozenset({ANNE}), "fete de la musique"),
    TOWN: Payer(TOWN, SUB, DAY, frozenset({ANNE, BOB}), "mairie"),
}


@pytest.mark.parametrize(
    ("payer", "member", "day", "expected"),
    [
        (FEAST, ANNE, DAY, Charge.CHARGED),
        (FEAST, BOB, DAY, Charge.NOT_NAMED),
        (FEAST, ANIMATOR, DAY, Charge.CHARGED),
        (TOWN, BOB, DAY, Charge.CHARGED),  # its last day is included
        (TOWN, BOB, date(2026, 11, 29), Charge.ENDED),
        (TOWN, ANIMATOR, date(2026, 11, 29), Charge.ENDED),
        (MemberId("p:009"), ANNE, DAY, Charge.UNKNOWN),
    ],
)
def test_only_whom_it_names_has_it_pay_and_only_while_it_is_open(payer, member, day, expected) -> None:
    assert may_pay(PAYERS.get(payer), member, day) is expected


def test_those_that_pay_for_a_member_are_listed() -> None:
    assert usable(PAYERS, ANNE, DAY) == (FEAST, TOWN)
    assert usable(PAYERS, BOB, DAY) == (TOWN,)
    assert usable(PAYERS, ANIMATOR, date(2026, 11, 29)) == (FEAST,)


@pytest.mark.parametrize(
    ("text", "payer"),
    [
        ("Fête de la Musique", FEAST),
        ("fete_de_la_musique", FEAST),
        ("p:001", FEAST),
        ("P:002", TOWN),
        ("MAIRIE ", TOWN),
        ("mairie de Morez", None),
        ("", None),
        ("\0", None),
    ],
)
def test_what_a_client_writes_means_one_by_its_id_or_its_name(text, payer) -> None:
    assert meant(PAYERS, text) == payer


def test_a_payer_is_told_from_a_member_by_its_id_alone() -> None:
    assert is_payer(FEAST)
    assert not any(is_payer(one) for one in (ANNE, ANIMATOR, MemberId("p001"), MemberId("p.001")))
    assert ID.fullmatch(FEAST) is None  # no import and no form can make a member of that id


def test_whoever_pays_has_a_formula() -> None:
    anne = Member(ANNE, FormulaId("occasional"), date(2026, 1, 1), None)
    roster = Roster(1, members={ANNE: anne}, payers=PAYERS)
    assert [roster.formula_of(one) for one in (ANNE, FEAST, BOB)] == ["occasional", "subscriber", None]


def test_it_pays_each_side_and_has_no_membership_and_no_free_sides() -> None:
    paper = {item: Decimal("0.05") for item in (Item.PRINT_MONO, Item.COPY_MONO)}
    paper |= {item: Decimal("0.25") for item in (Item.PRINT_COLOUR, Item.COPY_COLOUR)}
    prices = Prices(Decimal(24), Decimal(90), Decimal(0), paper, free_mono_sides=50, free_colour_sides=10)
    tariff = Tariff("EUR", (Period(date(2026, 1, 1), {SUB: prices}),))
    used = [Usage(DAY, who, SUB, item, 12) for who in (ANNE, FEAST) for item in (Item.PRINT_MONO, Item.COPY_COLOUR)]
    made = statement("2026-11", used, tariff, {ANNE: (date(2026, 11, 1), SUB)})
    assert [(line.member, line.item.value, line.quantity, line.free, str(line.amount)) for line in made.lines] == [
        ("m001", "membership", 1, 0, "24.00"),
        ("m001", "subscription", 1, 0, "90.00"),
        ("m001", "print-mono", 12, 12, "0.00"),
        ("m001", "copy-colour", 12, 10, "0.50"),
        ("p:001", "print-mono", 12, 0, "0.60"),
        ("p:001", "copy-colour", 12, 0, "3.00"),
    ]


def test_at_once_an_account_pays_for_those_it_names_and_for_nobody_else() -> None:
    day = date(2026, 11, 24)
    told = [pays_at_once(PAYERS, text, ANNE, day) for text in ("", "p:001", "FÊTE DE LA MUSIQUE", "p:009", "moi")]
    assert told == ["m001", "p:001", "p:001", "m001", "m001"]
    assert [pays_at_once(PAYERS, "mairie", BOB, one) for one in (DAY, date(2026, 11, 29))] == ["p:002", "m002"]
    assert pays_at_once(PAYERS, "p:001", BOB, day) == "m002"  # it does not name him
    assert pays_at_once(PAYERS, "p:001", MemberId(""), day) == ""  # nobody's stays nobody's
