"""`gardien status`: the page's words in the terminal, from real files and the real clock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agent.config import Places
from agent.live import write_picture
from agent.views.status import say_status
from drivers.clock import SystemClock
from tests.views.scenes import SITE, house, pictures, write_day


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
        assert "counter 10,183 = 10,126 when the books opened + 45\u00a0prints" in text
        found, _ = say_status(SITE, home.places, "fr", as_json=True)
        read = json.loads(found)
        assert {one["name"]: one["up"] for one in read["services"]} == dict.fromkeys(
            ("links", "paper", "door", "web"), True
        )
        assert read["today"]["seq"] == 24
        assert "m042" not in found
