"""Shared accounts over HTTP: made, named to members, ended, erased; what is nobody's is given to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.rules.access import Acted
from agent.rules.attribution import CopiesAttributed, PagesAttributed
from agent.rules.facts import FormulaId, MemberId
from agent.sitefile import read_tariff
from agent.views.exports import month_statement
from tests.views.acting import act, acting_house, facts
from tests.views.hand import Hand, browse
from tests.views.scenes import House

HOME = "/membres/comptes"
SUB = FormulaId("subscriber")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with acting_house(tmp_path) as opened:
        yield opened


def test_an_account_is_made_named_ended_and_erased(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/membres")
        assert f'href="{HOME}"' in page.html
        page = await hand.open(HOME)
        page = await hand.send(page.form(HOME), name=" Fête  de <b>juin</b> ", formula="subscriber")
        assert "Compte ajouté : Fête de <b>juin</b>. Dites maintenant qui peut l'utiliser." in page.text
        assert "Personne pour l'instant" in page.text
        page = await hand.send(page.form(f"{HOME}/p:001/autoriser"), member="m013")
        assert "Zoé Faure peut maintenant faire payer Fête de <b>juin</b>." in page.text
        assert home.roster.roster().payers[MemberId("p:001")].users == {"m013"}
        page = await hand.send(page.form(HOME), name="FETE DE <B>JUIN</B>", formula="subscriber")
        assert (page.status, "le compte partagé p:001 porte déjà ce nom" in page.text) == (422, True)
        page = await hand.open(HOME)
        page = await hand.send(page.form(f"{HOME}/p:001/modifier"), name="Fête", formula="occasional")
        assert "C'est enregistré : Fête." in page.text
        page = await hand.send(page.form(f"{HOME}/p:001/retirer", member="m013"))
        assert "Zoé Faure ne peut plus faire payer Fête." in page.text
        page = await hand.send(page.form(f"{HOME}/p:001/fin"), until="2026-11-24")
        assert "Fête : dernier jour le mardi 24 novembre" in page.text
        page = await hand.send(page.form(f"{HOME}/p:001/fin"))
        assert "Fête est de nouveau ouvert." in page.text
        page = await hand.send(page.form(f"{HOME}/p:001/fin"), until="hier")
        assert (page.status, "« hier » n'est pas une date" in page.text) == (422, True)
        page = await hand.open(HOME)
        page = await hand.send(page.form(f"{HOME}/p:001/effacer"))
        assert "Rien n'a changé : cochez la case pour effacer." in page.text
        erasing = page.form(f"{HOME}/p:001/effacer")
        page = await hand.send(erasing, sure="1")
        assert "Le nom est effacé." in page.text
        assert (await hand.send(erasing, sure="1")).status == 404
        assert home.roster.roster().payers == {}

    act(home, story)
    done = [(one.action, one.subject) for one in facts(home, Acted) if one.action.startswith("payer")]
    assert done == [
        ("payer-added", "p:001"),
        ("payer-user-named", "p:001"),
        ("payer-changed", "p:001"),
        ("payer-user-removed", "p:001"),
        ("payer-ended", "p:001"),
        ("payer-changed", "p:001"),
        ("payer-erased", "p:001"),
    ]


def test_nobody_else_sees_one(home: House) -> None:
    home.roster.payers.add("Projet Secret", SUB, actor="test")

    async def story(hand: Hand) -> None:
        page = await hand.open(HOME)
        assert "Secret" not in page.html
        assert page.path == "/premiere-fois"

    browse(home, story)


def test_what_is_nobodys_and_what_was_a_members_is_paid_by_one(home: House) -> None:
    feast = home.roster.payers.add("Fête de juin", FormulaId("subscriber"), actor="test")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        page = await hand.send(page.form("/impressions/attribuer", paper="print:a2"), member=feast)
        assert "C'est attribué : Fête de juin." in page.text
        page = await hand.open("/impressions/attribuer?paper=copy:copies-counted:70")
        assert "Qui paie ?" in page.text
        page = await hand.send(page.form("/impressions/attribuer"), member=feast)
        assert "C'est attribué : Fête de juin." in page.text
        stolen = (await hand.open("/impressions/attribuer?paper=print:a1")).form("/impressions/attribuer")
        page = await hand.send(stolen, member="m013")  # a member's print goes to no other member
        assert "Rien n'a changé" in page.text

    act(home, story)
    paid = [(one.kind, one.was, one.member) for one in facts(home, PagesAttributed, CopiesAttributed)]
    assert paid == [("pages-attributed", "", "p:001"), ("copies-attributed", "m007", "p:001")]
    tariff = read_tariff(Path(home.site.tariff))
    made = month_statement(home.ledger, home.roster.roster(), tariff, home.site.site, "2026-11")
    lines = [
        (line.item.value, line.quantity, line.free, str(line.amount)) for line in made.lines if line.member == feast
    ]
    assert lines == [
        ("print-mono", 20, 0, "1.00"),
        ("print-colour", 6, 0, "1.50"),
        ("copy-mono", 4, 0, "0.20"),
    ]
    mine = [(line.item.value, line.quantity) for line in made.lines if line.member == "m007" and line.unit == "side"]
    assert mine == [("print-mono", 4)]
