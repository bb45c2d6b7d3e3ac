"""A village office where nobody runs the place on the spot: nothing sends people to an animator."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent.config import ConfigError, SiteCard
from agent.rules.facts import FormulaId
from agent.sitefile import read_site
from agent.views.words import HOSTLESS, LANGUAGES, words
from tests.views.hand import Hand, browse
from tests.views.scenes import SITE, house, scenes

ASK = "la mairie, 03 84 00 00 00"
NAMES = re.compile(r"\banimat|\bhosts?\b|\bhôtes?\b|\banimez\b", re.IGNORECASE)
VILLAGE = replace(SITE, site=replace(SITE.site, hostless=True, ask=ASK))
PAGES = (
    "/",
    "/internet",
    "/membres",
    "/membres/visiteurs",
    "/membre/m001",
    "/visites",
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
    assert len(instead) == 16
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
