"""`gardien status`: the page's words in the terminal, from real files and the real clock."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent.config import Places
from agent.live import write_picture
from agent.rules.facts import FormulaId, MemberId
from agent.rules.paper import CopiesCounted, PrintedPast
from agent.views.status import say_status
from drivers.clock import SystemClock
from tests.views.hand import Hand, browse
from tests.views.scenes import SITE, House, house, lost_driver, pictures, write_day

ALWAYS = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), ("00:00-24:00",))
OFF = replace(SITE, hours=ALWAYS, printers={"copieur": replace(SITE.printers["copieur"], off="closed")})


def test_a_site_that_never_ran_is_unknown_and_nothing_is_made(tmp_path: Path) -> None:
    text, well = say_status(SITE, Places(tmp_path / "state", tmp_path / "run"), "fr")
    assert not well
    assert text.startswith("? Nous ne savons pas\n")
    assert "Nous ne savons pas si la porte fonctionne" in text
    assert list(tmp_path.iterdir()) == []


def test_a_running_site_is_told_in_words_and_in_json(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        write_day(home.ledger)
        now = SystemClock().now()
        scene = pictures(now)
        for picture in (*scene.values(), replace(scene["links"], service="web", links={})):
            write_picture(home.places.run, picture)
        text, well = say_status(SITE, home.places, "en")
        assert well
        assert "● Orange working" in text
        assert "counter 10,183 = 10,126 when counting began + 45\u00a0prints" in text
        found, _ = say_status(SITE, home.places, "fr", as_json=True)
        read = json.loads(found)
        assert {one["name"]: one["up"] for one in read["services"]} == dict.fromkeys(
            ("links", "paper", "door", "web"), True
        )
        assert read["today"]["seq"] == 24
        assert "m042" not in found


def painted(home: House, **scene: object) -> None:
    """Show a site as it is at the real time, all four services alive."""
    home.clock.moment = SystemClock().now()
    shown = pictures(home.clock.now(), **scene)  # type: ignore[arg-type]
    home.paint(shown | {"web": replace(shown["links"], service="web", links={})})


def test_a_day_people_closed_on_the_page_is_closed_in_the_terminal(tmp_path: Path) -> None:
    with house(tmp_path / "house", OFF) as home:
        painted(home, drivers={"paper": {"printers.copieur": lost_driver()}})
        text, well = say_status(OFF, home.places, "fr")
        assert not well
        assert "éteint, normal à cette heure" not in text
        today = SystemClock().now().utc.date()
        home.roster.calendar.close_days(today, today + timedelta(days=1), actor="cli")  # a midnight between may pass
        text, well = say_status(OFF, home.places, "fr")
        assert well
        assert "● Le copieur éteint, normal à cette heure" in text


def test_nobodys_copies_are_told_in_the_terminal_as_on_the_page(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        painted(home)
        now = home.clock.now()
        nobody = (MemberId(""), FormulaId(""))
        copies = CopiesCounted("copieur", "SN1", 1, "", *nobody, 9, 0, 100, 26)
        home.ledger.append_now(copies, replace(now, utc=now.utc - timedelta(hours=4)), "copies")
        said = "Le copieur\u00a0: 9\u00a0faces copiées sans badge ne sont à personne"
        assert said in say_status(SITE, home.places, "fr")[0]

        async def story(hand: Hand) -> None:
            await hand.claim()
            assert said.replace("\u00a0", " ") in (await hand.open("/?lang=fr")).text

        browse(home, story)


def test_what_was_printed_past_the_box_is_told_in_the_terminal_and_falls_silent_after_a_week(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        painted(home)
        now = home.clock.now()
        old = replace(now, utc=now.utc - timedelta(days=14))
        home.ledger.append_now(PrintedPast("copieur", "SN1", 1, 9, 0, 100, 26, "SN1/1/u1"), old, "old")
        said = "faces imprimées sans passer par le boîtier"
        assert said not in say_status(SITE, home.places, "fr")[0]
        young = replace(now, utc=now.utc - timedelta(days=6))
        home.ledger.append_now(PrintedPast("copieur", "SN1", 1, 4, 0, 100, 26, "SN1/2/u2"), young, "young")
        text, well = say_status(SITE, home.places, "fr")
        assert f"Le copieur\u00a0: 4\u00a0{said}" in text
        assert well  # to watch, nothing is broken


def test_a_roster_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        write_day(home.ledger)
    (home.places.state / "roster.db").unlink()
    say_status(SITE, home.places, "fr")
    assert not (home.places.state / "roster.db").exists()
