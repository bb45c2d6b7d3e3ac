"""Relevé, user codes and the lessor's invoice, on the page: typed, imported, given to whose they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from agent.config import ContractConfig, FunctionConfig, PrinterConfig
from agent.rules.facts import FormulaId
from agent.rules.paper import CopiesByHand, PanelRead
from tests.views import acting
from tests.views.acting import act, acting_house, facts
from tests.views.hand import Hand
from tests.views.scenes import SITE

PATH = "/impressions/compteurs"


@pytest.fixture
def house_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Open the acting house with another printer section."""

    def opened(**keys: object):
        site = replace(SITE, printers={"copieur": PrinterConfig("sim", "le copieur", **keys)})  # type: ignore[arg-type]
        monkeypatch.setattr(acting, "SITE", site)
        return acting_house(tmp_path, day=False)

    return opened


def test_a_releve_is_typed_and_what_nobody_counted_is_to_be_given(house_with):
    with house_with(copies="panel") as home:

        async def story(hand: Hand) -> None:
            page = await hand.open("/impressions")
            assert PATH in page.html
            page = await hand.open(PATH)
            assert "Les copies se comptent au relevé" in page.text
            form = page.form(f"{PATH}/releve")
            page = await hand.send(form, mono="10 000", colour="2.000")
            assert "ce premier relevé est le point de départ" in page.text
            assert "10 000 faces en noir et 2 000 faces en couleur" in page.text
            page = await hand.send(page.form(f"{PATH}/releve"), mono="10140", colour="2020")
            assert "160 faces copiées en plus de 0 que nous avons comptées" in page.text
            page = await hand.open("/impressions")
            assert "160 copies, dont 20 en couleur · Le copieur" in page.text
            page = await hand.send(page.form("/impressions/attribuer"), member="m042")
            assert "C'est attribué : Anne Petit." in page.text
            page = await hand.open(PATH)
            for typed, says in (
                ({"mono": "10150", "colour": ""}, "un compteur a baissé, ou une ligne manque"),
                ({"mono": "101500", "colour": "2020"}, "ce serait 91 360 faces copiées"),
                ({"mono": "12", "colour": "0"}, "un compteur a baissé"),
            ):
                page = await hand.send(page.form(f"{PATH}/releve"), **typed)
                assert (page.status, says in page.text) == (422, True), typed
                assert page.form(f"{PATH}/releve").fields["mono"] == typed["mono"]
            page = await hand.send(page.form(f"{PATH}/releve"), sure="1")
            assert "le compteur a baissé : nouveau point de départ" in page.text

        act(home, story)
        assert [fact.why for fact in facts(home, PanelRead)] == ["first", "counted", "fell"]
        assert [(fact.mono, fact.colour, fact.member) for fact in facts(home, CopiesByHand)] == [(140, 20, "")]


def test_what_is_no_releve_is_not_written(house_with):
    wrong = (
        {"mono": "", "colour": "3"},
        {"mono": "dix", "colour": "3"},
        {"mono": "-4", "colour": ""},
        {"mono": "99999999999", "colour": ""},
        {"mono": "5", "day": "2099-01-01"},
        {"mono": "5", "day": "hier"},
        {"mono": "5", "device": "autre"},
    )
    with house_with(copies="panel") as home:

        async def story(hand: Hand) -> None:
            for typed in wrong:
                page = await hand.open(PATH)
                page = await hand.send(page.form(f"{PATH}/releve"), **typed)
                assert "Le relevé n'est pas noté" in page.text, typed

        act(home, story)
        assert facts(home, PanelRead, CopiesByHand) == []


def test_codes_are_imported_whole_given_and_counted_once(house_with):
    first = b"Code;Copies N&B;Copies couleur\r\n0042;100;5\r\n0007;40;0\r\n"
    second = b"Code;Copies N&B;Copies couleur\r\n0042;130;9\r\n0007;47;0\r\n"

    with house_with(copies="codes") as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(PATH)
            page = await hand.send(page.form(f"{PATH}/codes"), file=first)
            assert "2 codes lus, 0 nouvelle copie comptée." in page.text
            assert "Code 0042 · personne" in page.text.lower().replace("code 0042", "Code 0042")
            page = await hand.send(page.form(f"{PATH}/code", user="copieur#0042"), whose="m042")
            assert "ce code est à Anne Petit" in page.text
            page = await hand.send(page.form(f"{PATH}/codes"), file=second)
            assert "2 codes lus, 41 nouvelles copies comptées, dont 7 à personne" in page.text
            page = await hand.send(page.form(f"{PATH}/codes"), file=second)
            assert "2 codes lus, 0 nouvelle copie comptée." in page.text
            page = await hand.open("/impressions")
            assert "7 copies · Le copieur" in page.text
            assert "copieur#0007" in page.text

        act(home, story)
        found = [(fact.member, fact.mono, fact.colour) for fact in facts(home, CopiesByHand)]
        assert found == [("", 0, 0), ("", 0, 0), ("m042", 30, 4), ("", 7, 0)]


def test_a_code_is_a_shared_accounts_while_it_is_open_and_goes_from_one_to_the_next(house_with):
    files = [b"Code;Copies N&B\r\n0042;%d\r\n" % count for count in (100, 130, 190, 200, 205)]
    with house_with(copies="codes") as home:
        payers = home.roster.payers
        feast = payers.add("Fête", FormulaId("occasional"), actor="test")

        async def story(hand: Hand) -> None:
            async def give(whose: str) -> str:
                page = await hand.open(PATH)
                return (await hand.send(page.form(f"{PATH}/code", user="copieur#0042"), whose=whose)).text

            async def bring(file: bytes) -> str:
                page = await hand.open(PATH)
                return (await hand.send(page.form(f"{PATH}/codes"), file=file)).text

            await bring(files[0])
            assert "ce code est à Fête, dès le prochain fichier" in await give(feast)
            assert "1 code lu, 30 nouvelles copies comptées." in await bring(files[1])
            payers.end(feast, date(2020, 1, 1), actor="test")
            assert "Ce compte est terminé" in (await hand.open(PATH)).text
            assert "1 code lu, 60 nouvelles copies comptées, dont 60 à personne" in await bring(files[2])
            assert "Choisissez un membre ou un compte partagé" in await give("p:009")  # there is none
            assert "Choisissez un membre ou un compte partagé" in await give(feast)  # it has ended
            assert "ce code est à Anne Petit" in await give("m042")
            assert "10 nouvelles copies comptées." in await bring(files[3])
            assert "ce code n'est plus attribué" in await give("-")
            assert "5 nouvelles copies comptées, dont 5 à personne" in await bring(files[4])

        act(home, story)
        found = [(fact.member, fact.formula, fact.mono) for fact in facts(home, CopiesByHand)]
        assert found == [
            ("", "", 0),
            ("p:001", "occasional", 30),
            ("", "", 60),
            ("m042", "subscriber", 10),
            ("", "", 5),
        ]


def test_a_file_older_than_the_last_is_not_taken_for_a_reset(house_with):
    october, november, december = (b"Code;Copies N&B\r\n7;%d\r\n" % count for count in (100, 150, 180))
    with house_with(copies="codes") as home:

        async def story(hand: Hand) -> None:
            for file in (october, november):
                page = await hand.send((await hand.open(PATH)).form(f"{PATH}/codes"), file=file)
            page = await hand.send(page.form(f"{PATH}/codes"), file=october)
            assert (page.status, "le compteur du code 7 a baissé" in page.text) == (422, True)
            page = await hand.send((await hand.open(PATH)).form(f"{PATH}/codes"), file=december)
            assert "1 code lu, 30 nouvelles copies comptées" in page.text
            page = await hand.send(page.form(f"{PATH}/codes"), file=october)
            page = await hand.send(page.form(f"{PATH}/codes"), file=b"Code;Copies N&B\r\n7;4\r\n", reset="1")
            assert "1 compteur remis à zéro : nouveau point de départ" in page.text

        act(home, story)
        assert [fact.mono for fact in facts(home, CopiesByHand)] == [0, 50, 30, 0]


def test_a_file_with_the_wrong_columns_says_so_line_by_line_and_nothing_is_half_imported(house_with):
    with house_with(copies="codes") as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(PATH)
            page = await hand.send(page.form(f"{PATH}/codes"), file=b"Nom;Pages\nAnne;3\n")
            assert page.status == 422
            assert "il manque la colonne" in page.text
            page = await hand.send(page.form(f"{PATH}/codes"), file=b"Code;Noir\n0042;3\n0043;x\n")
            assert "n'est pas un nombre de faces" in page.text
            page = await hand.send(page.form(f"{PATH}/codes"), file=b"")
            assert "Choisissez d'abord le fichier" in page.text

        act(home, story)
        assert facts(home, CopiesByHand) == []


def test_the_invoice_stands_beside_our_reading(house_with):
    terms = ContractConfig(mono_included=100, colour_included=50)
    with house_with(copies="panel", contract=terms) as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(f"{PATH}?quarter=2026-Q4")
            assert "Pas encore deux relevés qui se suivent pour ce trimestre" in page.text
            first = page.form(f"{PATH}/releve")
            page = await hand.send(first, mono="10000", colour="2000", day="2026-10-01")
            await hand.send(page.form(f"{PATH}/releve"), mono="10140", colour="2020")
            page = await hand.open(f"{PATH}?quarter=2026-Q4&mono=150&colour=20")
            assert "Noir et blanc : 140 clics, le compteur est passé de 10 000 à 10 140." in page.text
            assert "Forfait de 100, 40 clics au-delà." in page.text
            assert "La facture dit 150 : 10 clics de trop" in page.text
            assert "Couleur : 20 clics" in page.text
            assert "La facture dit pareil." in page.text

        act(home, story)


def test_a_quarter_with_a_reset_stands_beside_the_invoice_too(house_with):
    with house_with(copies="panel", contract=ContractConfig()) as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(f"{PATH}?quarter=2026-Q4")
            for day, mono in (("2026-10-01", "10000"), ("2026-10-20", "10500"), ("2026-10-21", "40")):
                page = await hand.send(page.form(f"{PATH}/releve"), mono=mono, colour="0", day=day, sure="1")
            await hand.send(page.form(f"{PATH}/releve"), mono="140", colour="0", sure="1")
            page = await hand.open(f"{PATH}?quarter=2026-Q4&mono=650")
            assert "· Noir et blanc : 500 clics, le compteur est passé de 10 000 à 10 500." in page.text
            assert "· Noir et blanc : 100 clics, le compteur est passé de 40 à 140." in page.text
            assert (
                "le nouveau compteur en avait déjà 40 en noir et 0 en couleur. Rien de cela n'est compté." in page.text
            )
            assert "Noir et blanc : au moins 600 clics en tout. La facture dit 650 : 50 clics de plus" in page.text

        act(home, story)


def test_a_contract_by_function_asks_for_each_line_of_its_invoice(house_with):
    terms = ContractConfig(functions={"copy-mono": FunctionConfig(0, Decimal("0.008")), "print-mono": FunctionConfig()})
    with house_with(copies="panel", contract=terms) as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(f"{PATH}?quarter=2026-Q4")
            first = {"mono": "10000", "colour": "0", "copies_mono": "4000", "day": "2026-10-01"}
            page = await hand.send(page.form(f"{PATH}/releve"), **first)
            await hand.send(page.form(f"{PATH}/releve"), mono="10500", colour="0", copies_mono="4200")
            page = await hand.open(f"{PATH}?quarter=2026-Q4&copy-mono=260")
            assert page.form(PATH).asks == {"quarter", "colour", "print-mono", "copy-mono", "total"}
            assert "Impressions noir et blanc : 300 clics" in page.text
            assert "Copies noir et blanc : 200 clics, le compteur est passé de 4 000 à 4 200." in page.text
            assert "La facture dit 260 : 60 clics de trop" in page.text
            assert "Soit +0,48 € HT." in page.text

        act(home, story)


def test_the_quarter_in_euros_stands_beside_the_invoice(house_with):
    terms = ContractConfig(
        mono_included=100,
        colour_included=50,
        package_price=Decimal("180.00"),
        mono_price=Decimal("0.0065"),
        colour_price=Decimal("0.055"),
    )
    with house_with(copies="panel", contract=terms) as home:

        async def story(hand: Hand) -> None:
            page = await hand.open(f"{PATH}?quarter=2026-Q4")
            page = await hand.send(page.form(f"{PATH}/releve"), mono="10000", colour="2000", day="2026-10-01")
            await hand.send(page.form(f"{PATH}/releve"), mono="10500", colour="2020")
            page = await hand.open(f"{PATH}?quarter=2026-Q4&mono=900&colour=20&total=190,00")
            assert "400 × 0,0065 € = 2,60 € HT." in page.text
            assert "400 clics de trop" in page.text
            assert "Soit +2,60 € HT." in page.text
            assert "Le trimestre doit coûter 182,60 € HT. Dont forfait : 180,00 €." in page.text
            assert "La facture demande 190,00 € : 7,40 € de trop, demandez pourquoi au prestataire." in page.text
            page = await hand.open(f"{PATH}?quarter=2026-Q4&mono=12a&colour=20&total=beau<b>coup")
            assert "Le trimestre doit coûter 182,60 € HT." in page.text
            assert "La facture demande" not in page.text
            assert "« 12a » n'est pas un nombre : rien n'y est comparé." in page.text
            assert "« beau<b>coup » n'est pas un nombre" in page.text
            assert "beau<b>coup" not in page.html
            page = await hand.open(f"{PATH}?quarter=2026-Q4&total=1.190,00")
            assert "La facture demande 1 190,00 €" in page.text

        act(home, story)
