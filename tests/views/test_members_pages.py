"""The members' pages over HTTP: added, changed, given a card, blocked, imported, erased; visitor cards lent."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from agent.rules.access import Acted
from agent.rules.door import EntryDecided
from agent.rules.facts import CardKey, Fact, FormulaId, MemberId
from agent.rules.members import RosterChanged
from agent.rules.paper import CardSeen
from agent.views.web import cards
from drivers.contract import CardNumber
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import House, house, scenes

DAY = date(2026, 11, 24)
SUBSCRIBER, OCCASIONAL = FormulaId("subscriber"), FormulaId("occasional")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        yield opened


def add(home: House, name: str, formula: FormulaId = SUBSCRIBER) -> MemberId:
    return home.roster.add_member(name, formula, actor="cli", since=date(2026, 1, 1))


def write(home: House, fact: Fact, after_s: float = 1.0) -> None:
    home.clock.pass_s(after_s)
    home.ledger.append_now(fact, home.clock.now(), uuid.uuid4().hex)


def refused(card: str, rule: str = "unknown-card") -> EntryDecided:
    return EntryDecided("porte", CardKey(card), MemberId(""), FormulaId(""), granted=False, rule=rule)


async def became(hand: Hand, page: Page) -> Page:
    """Reload the waiting page, as the browser would, until something became of the wait."""
    for _ in range(40):
        page = await hand.open(page.path)
        if "Refresh" not in page.headers:
            return page
        await asyncio.sleep(0.05)
    raise AssertionError(page.text)


def acted(home: House) -> list[tuple[str, str]]:
    return [(e.fact.action, e.fact.subject) for e in home.ledger.entries(Acted) if isinstance(e.fact, Acted)][1:]


def test_nobody_but_the_animator_sees_a_name(home: House) -> None:
    ada = add(home, "Ada Secrète")
    card = home.roster.give_card(ada, CardNumber("04A2"), actor="cli")

    async def stranger(hand: Hand) -> None:
        for path in ("/membres", f"/membre/{ada}", "/membres/visiteurs", f"/carte/{card[:16]}/bloquer", "/horaires"):
            page = await hand.open(path)
            assert "Secrète" not in page.html
            assert page.path in {"/premiere-fois", "/entrer"}

    browse(home, stranger)


def test_a_member_is_added_and_changed(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/membres")
        assert "Aucun membre" in page.text
        form = page.form("/membres", since="2026-11-24")
        page = await hand.send(form, name="  Zoé   <b>Élan</b> ", formula="occasional", users="zoe, PC\\zoe.elan")
        assert (page.status, page.path) == (200, "/membre/m001")
        assert "Zoé <b>Élan</b> est ajouté. Donnez maintenant sa carte." in page.text.replace("&lt;", "<")
        assert "<b>Élan</b>" not in page.html
        assert {"zoe", "zoe.elan"} == set(home.roster.roster().aliases)
        page = await hand.send(page.form("/membre/m001/formule"), formula="subscriber", day="2026-11-24")
        assert "La formule est maintenant « abonné »." in page.text.replace("\u00a0", " ")
        assert home.roster.roster().members[MemberId("m001")].formula == SUBSCRIBER
        page = await hand.send(page.form("/membre/m001/formule"), formula="occasional", day="2026-12-01")
        assert "à partir du mardi 1er décembre 2026" in page.text
        assert home.roster.plans() == {"m001": (OCCASIONAL, date(2026, 12, 1))}
        for day, formula, says in (("2026-11-01", "subscriber", "passé"), ("x", "subscriber", "pas une date")):
            page = await hand.send(page.form("/membre/m001/formule"), formula=formula, day=day)
            assert (page.status, says in page.text) == (422, True)
        page = await hand.send(page.form("/membre/m001/formule"), formula="king", day="")
        assert page.status == 422
        page = await hand.send(page.form("/membre/m001/nom"), name="Zoé Élan")
        assert home.roster.names() == {"m001": "Zoé Élan"}
        assert (await hand.send(page.form("/membre/m001/nom"), name=" ")).status == 422
        page = await hand.open("/membres?q=elan")
        assert "Zoé Élan" in page.text
        assert "1 membre" in page.text.replace("\u00a0", " ")
        assert "Personne de ce nom" in (await hand.open("/membres?q=bob")).text
        assert "Zoé" in (await hand.open("/membres?q=M001")).text
        assert (await hand.open("/membre/m999")).status == 404
        assert acted(home) == [
            ("member-added", "m001"),
            ("formula-changed", "m001"),
            ("formula-planned", "m001"),
            ("member-renamed", "m001"),
        ]

    browse(home, story)
    assert home.roster.settle() == 0
    actors = {entry.fact.actor for entry in home.ledger.entries(RosterChanged)}  # type: ignore[attr-defined]
    assert actors == {"a1"}


def test_what_cannot_be_added_says_why_and_keeps_what_was_typed(home: House) -> None:
    home.roster.give_alias(add(home, "Ada"), "ada", actor="cli")

    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/membres")).form("/membres", since="2026-11-24")
        for typed, says in (
            ({"name": " "}, "Écrivez un nom"),
            ({"name": "Bob", "since": "31/02/2026"}, "31/02/2026"),
            ({"name": "Bob", "formula": "king"}, "formule de la liste"),
            ({"name": "Bob", "users": "ada"}, "déjà à m001"),
        ):
            page = await hand.send(form, **typed)
            assert (page.status, says in page.text) == (422, True), page.text
            assert page.form("/membres", since=typed.get("since", "2026-11-24")).fields["name"] == typed["name"]
        english = await hand.open("/membres?lang=en")
        page = await hand.send(english.form("/membres", since="2026-11-24"), name="")
        assert "Write a name" in page.text
        assert list(home.roster.names().values()) == ["Ada"]

    browse(home, story)


@pytest.mark.parametrize("seen", [refused("c" * 64), CardSeen("comptoir", CardKey("c" * 64))], ids=["door", "copier"])
def test_a_card_is_given_by_showing_it_to_a_reader(home: House, seen: Fact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "LOOK_S", 0.01)
    ada = add(home, "Ada")
    write(home, refused("b" * 64))  # a stranger's, before anybody asked

    async def story(hand: Hand) -> None:
        await hand.claim()
        home.clock.pass_s(1)
        page = await hand.send((await hand.open(f"/membre/{ada}")).form(f"/membre/{ada}/carte"))
        assert page.path.startswith("/carte/attente/")
        assert page.headers["Refresh"] == "2"
        assert "Montrez la carte à un lecteur" in page.text
        write(home, refused("d" * 64, "blocked-card"))  # somebody's: not for us
        await asyncio.sleep(0.1)
        page = await hand.open(page.path)
        assert "Refresh" in page.headers
        assert "déjà connue" in page.text
        write(home, seen)
        page = await became(hand, page)
        assert "Carte donnée à 12:32" in page.text
        assert home.roster.roster().cards["c" * 64].member == ada  # type: ignore[index]
        page = await hand.open(f"/membre/{ada}")
        assert "Carte …cccc ouvre la porte" in page.text
        write(home, refused("e" * 64))  # too late: the wait is over
        await asyncio.sleep(0.1)
        assert set(home.roster.roster().cards) == {"c" * 64}

    browse(home, story)


def test_a_wait_ends_by_time_by_another_or_by_hand(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "LOOK_S", 0.01)
    ada, bob = add(home, "Ada"), add(home, "Bob")

    async def story(hand: Hand) -> None:
        await hand.claim()
        forms = [(await hand.open(f"/membre/{who}")).form(f"/membre/{who}/carte") for who in (ada, bob)]
        first = await hand.send(forms[0])
        second = await hand.send(forms[1])
        assert "Une autre carte a été demandée" in (await hand.open(first.path)).text
        home.clock.pass_s(61)
        assert "Aucune carte neuve" in (await became(hand, second)).text
        third = await hand.send(forms[0])
        page = await hand.send(third.form(f"{third.path}/annuler"))
        assert (page.path, "annulée" in page.text) == (f"/membre/{ada}", True)
        write(home, refused("f" * 64))
        await asyncio.sleep(0.1)
        assert home.roster.roster().cards == {}
        fourth = await hand.send(forms[0])
        home.roster.give_card_key(bob, CardKey("a" * 64), actor="cli")  # at the very same moment, elsewhere
        write(home, refused("a" * 64))
        assert "cette carte est à m002" in (await became(hand, fourth)).text
        assert (await hand.open("/carte/attente/nobodys")).path == "/membres"

    browse(home, story)


def test_a_lost_card_is_blocked_and_found_again(home: House) -> None:
    ada = add(home, "Ada")
    key = home.roster.give_card(ada, CardNumber("04A23F11"), actor="cli")

    async def story(hand: Hand) -> None:
        await hand.claim()
        ask = await hand.open(f"/carte/{key[:16]}/bloquer")
        assert f"Carte …{key[-4:]} de Ada" in ask.text
        page = await hand.send(ask.form(f"/carte/{key[:16]}/bloquer"))
        assert "Carte bloquée à 12:32:07 : la porte la refuse." in page.text.replace("\u00a0", " ")
        assert home.roster.roster().cards[key].blocked
        assert "04A23F11" not in page.html
        page = await hand.send(page.form(f"/carte/{key[:16]}/debloquer"))
        assert not home.roster.roster().cards[key].blocked
        home.clock.pass_s(60)  # the door's picture is old now
        page = await hand.send(ask.form(f"/carte/{key[:16]}/bloquer"))
        assert "le service de la porte ne répond pas" in page.text
        page = await hand.send(page.form(f"/carte/{key[:16]}/reprendre"))
        assert home.roster.roster().cards == {}
        assert (await hand.open(f"/carte/{key[:16]}/bloquer")).status == 404
        assert acted(home) == [
            ("card-blocked", key),
            ("card-unblocked", key),
            ("card-blocked", key),
            ("card-taken", key),
        ]

    browse(home, story)


def test_print_names_the_last_day_and_erasing(home: House) -> None:
    ada = add(home, "Ada Oubliée")
    other = add(home, "Bob")
    home.roster.alias("ada-mac-mini")
    home.roster.give_alias(other, "bob", actor="cli")

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open(f"/membre/{ada}")
        page = await hand.send(page.form(f"/membre/{ada}/impression"), seen="ada-mac-mini")
        page = await hand.send(page.form(f"/membre/{ada}/impression"), user="PC\\Ada")
        names = {user for user, alias in home.roster.roster().aliases.items() if alias.member == ada}
        assert names == {"ada-mac-mini", "ada"}
        assert (await hand.send(page.form(f"/membre/{ada}/impression"), user="bob")).status == 422
        assert (await hand.send(page.form(f"/membre/{ada}/impression"), user=" ")).status == 422
        take = page.form(f"/membre/{ada}/impression/retirer")
        await hand.send(take)
        await hand.send(take)
        assert len([a for a in home.roster.roster().aliases.values() if a.member == ada]) == 1
        page = await hand.send(page.form(f"/membre/{ada}/fin"), until="2026-12-31")
        assert "Dernier jour : jeudi 31 décembre 2026." in page.text.replace("\u00a0", " ")
        assert (await hand.send(page.form(f"/membre/{ada}/fin"), until="2025-12-31")).status == 422
        assert (await hand.send(page.form(f"/membre/{ada}/fin"), until="soon")).status == 422
        page = await hand.send(page.form(f"/membre/{ada}/fin", open="1"))
        assert home.roster.roster().members[ada].until is None
        ask = await hand.open(f"/membre/{ada}/effacer")
        assert "Ce qui reste, et pourquoi" in ask.text
        assert (await hand.send(ask.form(f"/membre/{ada}/effacer"))).status == 422
        page = await hand.send(ask.form(f"/membre/{ada}/effacer"), sure="yes")
        assert (page.path, ada in page.text, "Oubliée" in page.html) == ("/membres", True, False)
        assert ada not in home.roster.roster().members

    browse(home, story)


def test_a_file_is_taken_whole_or_not_at_all(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/membres/importer")).form("/membres/importer")
        bad = "nom;formule;carte\nAda;abonné;04A2\n;abonné;\nBob;roi;zz\n".encode()
        page = await hand.send(form, file=bad)
        text = page.text.replace("\u00a0", " ")
        assert page.status == 422
        assert "Rien n'a été importé : 3 erreurs à corriger" in text
        assert "Ligne 3 : le nom manque" in text
        assert "Ligne 4 : formule « roi » inconnue" in text
        assert home.roster.roster().members == {}
        page = await hand.send(form, file="nom;formule;carte\nAda;abonné;04A2\nBob;occasionnel;\n".encode())
        assert (page.path, "2 ajoutés" in page.text.replace("\u00a0", " ")) == ("/membres", True)
        assert list(home.roster.names().values()) == ["Ada", "Bob"]
        page = await hand.send(form, file="nom;formule\nAda;abonné\nBob;abonné\n".encode())
        assert "0 ajouté, 1 modifié, 1 inchangé" in page.text.replace("\u00a0", " ")
        assert (await hand.send(form, file=b"")).status == 422
        assert (await hand.send(form, file=b"nom;formule\n" + b"x" * 300_000)).status == 413
        english = await hand.send((await hand.open("/membres/importer?lang=en")).form("/membres/importer"), file=bad)
        assert "Line 3: the name is missing" in english.text

    browse(home, story)


def test_a_visitor_card_is_made_lent_and_comes_back(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "LOOK_S", 0.01)
    ada = add(home, "Ada")
    at = "/membres/visiteurs"

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open(at)
        assert (await hand.send(page.form(at), number="0")).status == 422
        page = await hand.send(page.form(at, number="1"), number="7")
        write(home, CardSeen("comptoir", CardKey("7" * 64)))
        assert "Carte donnée" in (await became(hand, page)).text
        page = await hand.open(at)
        assert (await hand.send(page.form(at, number="8"), number="7")).status == 422
        lend = page.form(f"{at}/7/preter", until="18:00")
        for typed, says in (
            ({"guest": "Zoé"}, "de qui le visiteur est l'invité"),
            ({"guest": " ", "host": ada}, "nom du visiteur"),
            ({"guest": "Zoé", "host": ada, "until": "19:00"}, "ferme à 18:00"),
            ({"guest": "Zoé", "host": ada, "until": "08:00"}, "déjà passée"),
            ({"guest": "Zoé", "host": ada, "until": "noon"}, "n'est pas une heure"),
            ({"guest": "Zoé", "host": "m999"}, "m999"),
        ):
            page = await hand.send(lend, **typed)
            assert (page.status, says in page.text) == (422, True), page.text
        page = await hand.send(lend, guest="Zoé Passante", host=ada, until="17h30")
        assert "Carte 7 prêtée : elle ouvre jusqu'à 17:30." in page.text.replace("\u00a0", " ")
        assert "Chez Zoé Passante, invité de Ada" in page.text
        home.clock.pass_s(5 * 3600)  # 17:32 and some
        page = await hand.open(at)
        assert "À rendre depuis 17:30" in page.text
        home.clock.pass_s(6.6 * 3600)  # the next day
        assert "À rendre depuis mardi 24 novembre, 17:30" in (await hand.open(at)).text
        home.clock.pass_s(-6.6 * 3600)
        page = await hand.send(page.form(f"{at}/7/rendre"))
        assert "le nom du visiteur est effacé" in page.text
        page = await hand.send(page.form(f"{at}/7/perdue"))
        assert "Perdue : la porte la refuse." in page.text.replace("\u00a0", " ")
        page = await hand.send(page.form(f"{at}/7/rendre"))
        page = await hand.send(page.form(f"{at}/7/retirer"))
        assert home.roster.visitors.cards() == ()
        assert (await hand.send(lend, guest="Zoé", host=ada, until="")).status == 422
        home.clock.pass_s(3600)  # after closing
        assert "Le lieu est fermé pour aujourd'hui" in (await hand.open(at)).text
        assert acted(home) == [
            ("card-awaited", "visitor-7"),
            ("visitor-card-lent", "visitor-7"),
            ("visitor-card-returned", "visitor-7"),
            ("visitor-card-lost", "visitor-7"),
            ("visitor-card-returned", "visitor-7"),
            ("visitor-card-removed", "visitor-7"),
        ]

    browse(home, story)
