"""A village office where nobody runs the place on the spot: nothing sends people to an animator."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.config import ConfigError, SiteCard
from agent.rules.facts import FormulaId, MemberId
from agent.rules.presence import VisitEnded, VisitEvidence, VisitStarted
from agent.sitefile import read_site
from agent.views.metrics import Exposition
from agent.views.words import HOSTLESS, LANGUAGES, words
from tests.views.hand import Hand, browse
from tests.views.scenes import SITE, House, house, scenes

CHECK = "Vérifiez : fenêtres, lumières, chauffage"
ASK = "la mairie, 03 84 00 00 00"
NAMES = re.compile(r"\banimat|\bhosts?\b|\bhôtes?\b|\banimez\b", re.IGNORECASE)
VILLAGE = replace(SITE, site=replace(SITE.site, hostless=True, ask=ASK))
PAGES = (
    "/",
    "/internet",
    "/membres",
    "/membres/visiteurs",
    "/membres/comptes",
    "/membre/m001",
    "/visites",
    "/visites/ajouter",
    "/porte",
    "/porte/reservations",
)
PAGES += ("/porte/confiner", "/impressions", "/horaires", "/compte", "/qr", "/ecran", "/accessibilite", "/copieur")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_names_an_animator(language: str) -> None:
    """All of them, also those of pages and alerts that no test opens."""
    said = words(language, ASK).sentences
    shown = {key: re.sub(r"{[^}]*}", "", one) for key, one in said.items() if not key.startswith(HOSTLESS)}
    assert [key for key, one in shown.items() if NAMES.search(one)] == []
    hosted = {key: re.sub(r"{[^}]*}", "", one) for key, one in words(language).sentences.items()}
    assert sum(bool(NAMES.search(one)) for one in hosted.values()) >= 15  # those that had to be said otherwise


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_stands_in_for_a_sentence_and_asks_for_the_same(language: str) -> None:
    plain, village = words(language), words(language, ASK)
    instead = [key.removeprefix(HOSTLESS) for key in plain.sentences if key.startswith(HOSTLESS)]
    assert len(instead) == 19
    for key in instead:
        assert village.sentences[key] != plain.sentences[key]
        assert set(re.findall(r"{\w+}", village.sentences[key])) == set(re.findall(r"{\w+}", plain.sentences[key]))
    assert ASK in village.sentences["me.enter_more"]
    assert words("fr", "le {bureau}")("copieur.card_more") == "Rien n'est sorti. Adressez-vous à\u00a0: le {bureau}."


def test_no_page_names_an_animator(tmp_path: Path) -> None:
    with house(tmp_path / "house", VILLAGE) as home:
        home.paint(scenes(home.clock.now())["well"])
        home.roster.add_member("Anne Bailly", FormulaId("subscriber"), actor="cli", since=date(2026, 1, 1))

        async def story(hand: Hand) -> None:
            await hand.claim()
            opened = 0
            for path in PAGES:
                for language in LANGUAGES:
                    page = await hand.open(f"{path}?lang={language}")
                    opened += page.status == 200
                    assert not NAMES.search(page.text), (path, language)
            assert opened >= 26
            page = await hand.open("/moi/entrer?lang=fr")
            assert ASK in page.text
            assert not NAMES.search(page.text)

        browse(home, story)


def held(home: House) -> None:
    """Paint the door standing open for too long."""
    scene = scenes(home.clock.now())["well"]
    live = scene["door"].door
    assert live is not None
    home.paint(scene | {"door": replace(scene["door"], door=replace(live, leaf="held"))})


def test_whoever_leaves_last_is_told_to_check_and_what_was_left_is_said(tmp_path: Path) -> None:
    village = replace(VILLAGE, hours={"tuesday": ("09:00-18:00",)})
    with house(tmp_path / "house", village) as home:
        came = home.clock.now().utc - timedelta(hours=2)
        for name in ("a", "b"):
            one = VisitStarted(name, MemberId(name), FormulaId("occasional"), came, VisitEvidence.BADGE)
            home.ledger.append_now(one, home.clock.now(), name)

        def leave(name: str) -> None:
            now = home.clock.now()
            fact = VisitEnded(name, MemberId(name), FormulaId("occasional"), came, now.utc, 120, VisitEvidence.BADGE)
            home.ledger.append_now(fact, now, f"{name}-left")

        async def story(hand: Hand) -> None:
            await hand.claim()
            leave("a")
            held(home)
            assert CHECK not in (await hand.open("/ecran?lang=fr")).text  # somebody is still in
            assert "Porte ouverte trop longtemps" in (await hand.open("/?lang=fr")).text
            home.clock.pass_s(8 * 3600.0)  # 20:32: closed for long, and b never badged out
            held(home)
            page = await hand.open("/?lang=fr")
            assert "1 personne encore comptée présente après la fermeture" in page.text
            assert ASK in page.text
            leave("b")
            for path in ("/ecran", "/", "/porte"):
                page = await hand.open(f"{path}?lang=fr")
                assert CHECK in page.text, path
                assert "encore comptée" not in page.text
            page = await hand.open("/?lang=fr")
            assert "Porte restée ouverte, et plus personne n'est compté présent" in unescape(page.text)
            assert f"appelez : {ASK}" in page.text
            home.clock.pass_s(600.0)
            held(home)
            assert CHECK not in (await hand.open("/ecran?lang=fr")).text  # nobody turns back any more

        browse(home, story)


def test_what_was_left_is_measured_where_nobody_runs_the_place_and_only_there(tmp_path: Path) -> None:
    left = ("gardien_door_left_open", "gardien_people_left")
    for site, said in ((VILLAGE, {left[0]: 1.0, left[1]: 0.0}), (SITE, {})):
        with house(tmp_path / f"hostless-{site.site.hostless}", site) as home:
            now = home.clock.now()
            came = now.utc - timedelta(hours=2)
            start = VisitStarted("v", MemberId("m"), FormulaId("occasional"), came, VisitEvidence.BADGE)
            end = VisitEnded("v", MemberId("m"), FormulaId("occasional"), came, now.utc, 120, VisitEvidence.BADGE)
            home.ledger.append_now(start, now, "v")
            home.ledger.append_now(end, now, "v-left")
            held(home)
            metrics = Exposition(site, home.places.run, home.ledger, home.roster, home.clock, "1")
            families = text_string_to_metric_families(metrics.plain().decode())
            values = {row.name: row.value for family in families for row in family.samples if row.name in left}
            assert values == said


def test_a_hostless_site_says_whom_people_turn_to(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[site]\nname = 'Les Crozets'\ncode = 'crozets'\nhostless = true\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_site(file)
    assert len(caught.value.faults) == 1
    assert "ask" in caught.value.faults[0]
    assert "à qui l'on s'adresse" in caught.value.faults[0]
    file.write_text(file.read_text() + f"ask = '{ASK}'\n", encoding="utf-8")
    assert read_site(file).site.asked_instead == ASK
    assert SiteCard("x", "x", ask=ASK).asked_instead == ""  # a place with an animator
