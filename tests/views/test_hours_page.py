"""The page of opening hours over HTTP: what it says is what the door does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from agent.config import SiteCard
from agent.rules.access import Acted
from agent.rules.hours import WeeklyHours
from agent.rules.members import RosterChanged
from agent.views.web.hours import windows_of
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import SITE, House, house, scenes

WEDNESDAY, THURSDAY, FRIDAY = date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)
CHRISTMAS = date(2026, 12, 25)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        opened.roster.calendar.set_holidays({CHRISTMAS: "christmas-day"}, years=(2026, 2027), actor="web")
        yield opened


def said(page: Page) -> str:
    return page.text.replace("\u00a0", " ")


def test_tomorrow_is_closed_in_one_tap_and_opened_again(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        assert "Ouvert, jusqu'à 18:00" in said(page)
        assert "mercredi 25 novembre 09:00–18:00" in said(page)
        quick = page.form("/horaires/fermer", first="2026-11-25")
        page = await hand.send(quick, ("reason", "snow"))
        assert "Fermé mercredi 25 novembre 2026 : neige. La porte n'ouvrira qu'aux abonnés." in said(page)
        assert "mercredi 25 novembre Fermé · neige" in said(page)
        assert home.roster.roster().closures == {WEDNESDAY, CHRISTMAS}
        page = await hand.send(page.form("/horaires/ouvrir", day="2026-11-25"))
        assert "Ouvert mercredi 25 novembre 2026, aux heures habituelles." in said(page)
        assert home.roster.roster().closures == {CHRISTMAS}
        facts = [entry.fact for entry in home.ledger.entries(Acted)]
        assert [(f.actor, f.action, f.subject) for f in facts][1:] == [  # type: ignore[attr-defined]
            ("a1", "day-closed", "2026-11-25"),
            ("a1", "day-opened", "2026-11-25"),
        ]

    browse(home, story)


def test_several_days_are_closed_in_own_words_that_no_fact_repeats(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        form = next(f for f in page.forms if f.action == "/horaires/fermer" and "words" in f.fields)
        page = await hand.send(form, first="2026-11-26", last="2026-11-27", words="chez <i>Paul</i>", reason="")
        assert "Fermé du jeudi 26 novembre 2026 au vendredi 27 novembre 2026 : chez <i>Paul</i>." in said(page)
        assert "<i>Paul" not in page.html
        assert {THURSDAY, FRIDAY} < home.roster.roster().closures
        page = await hand.send(form, first="2026-11-26", last="", words="salle 2", reason="works")
        assert "jeudi 26 novembre Fermé · travaux (salle 2)" in said(page)
        for typed in (
            {"first": "2026-11-23", "last": ""},
            {"first": "2026-11-28", "last": "2026-11-27"},
            {"first": "2026-11-28", "last": "2027-11-27"},
            {"first": "soon", "last": ""},
            {"first": "2026-11-28", "last": "", "reason": "alien"},
            {"first": "2026-11-28", "last": "", "words": "x" * 101},
        ):
            assert (await hand.send(form, **typed)).status == 422, typed
        english = await hand.open("/horaires?lang=en")
        assert "Thursday 26 November Closed · works (salle 2)" in said(english)

    browse(home, story)
    home.roster.settle()
    assert b"Paul" not in (home.places.state / "ledger.db").read_bytes()


def test_the_week_is_set_as_people_write_it(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        form = page.form("/horaires/semaine", monday="09:00-18:00", saturday="")
        page = await hand.send(form, monday="9h-12h30, 14 h - 18h", saturday="22h-2h")
        assert page.status == 422  # "14 h" is not how people write it
        assert "lundi" in said(page)
        assert page.form("/horaires/semaine").fields["saturday"] == "22h-2h"
        page = await hand.send(form, monday="9h-12h30, 14h - 18h", tuesday="", saturday="22h-2h")
        assert "la porte les suit dès maintenant" in said(page)
        assert home.roster.roster().hours == WeeklyHours.parse(
            {
                "monday": ("09:00-12:30", "14:00-18:00"),
                **dict.fromkeys(("wednesday", "thursday", "friday"), ("09:00-18:00",)),
                "saturday": ("22:00-02:00",),
            }
        )
        assert "Fermé (hors des heures) ; ouvre mercredi 25 novembre, 09:00" in said(page)
        home.clock.pass_s(60)
        page = await hand.send(page.form("/horaires/semaine/defaut"))
        assert home.roster.roster().hours is None
        assert "Mais le service de la porte ne répond pas" in said(page)
        await hand.send(page.form("/horaires/semaine"), **dict.fromkeys(form.fields.keys() - {"csrf"}, ""))
        assert "Fermé (hors des heures)" in said(await hand.open("/horaires"))

    browse(home, story)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ()),
        ("9-18", ("09:00-18:00",)),
        ("9h–12h et 14h30–18h", ("09:00-12:00", "14:30-18:00")),
        ("09:00-12:00; 14:00-24:00", ("09:00-12:00", "14:00-24:00")),
        ("toujours", ("toujours",)),
    ],
)
def test_hours_are_read_as_people_write_them(typed: str, read: tuple[str, ...]) -> None:
    assert windows_of(typed) == read


def test_a_public_holiday_closes_unless_it_is_opened(home: House) -> None:
    home.clock.moment = replace(home.clock.moment, utc=datetime.fromisoformat("2026-12-24T09:00:00+00:00"))

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        assert "vendredi 25 décembre Fermé · Noël" in said(page)
        assert "Années connues : 2026" in said(page)
        page = await hand.send(page.form("/horaires/ouvrir", day="2026-12-25"))
        assert "vendredi 25 décembre 09:00–18:00 · Noël, jour férié travaillé" in said(page)
        assert home.roster.roster().closures == frozenset()
        page = await hand.send(page.form("/horaires/ferie", day="2026-12-25"))
        assert "Fermé vendredi 25 décembre 2026 : Noël." in said(page)
        assert home.roster.roster().closures == {CHRISTMAS}
        assert (await hand.send(page.form("/horaires/ouvrir", day="2026-12-25"), day="tomorrow")).status == 400

    browse(home, story)


def test_the_animator_is_away_and_the_place_stays_open(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        page = await hand.send(page.form("/horaires/absence"), first="2026-11-25", last="2026-11-26")
        assert "mercredi 25 novembre 09:00–18:00 · animateur absent" in said(page)
        assert (await hand.send(page.form("/horaires/absence"), first="2026-11-25", last="2026-11-24")).status == 422
        assert (await hand.send(page.form("/horaires/absence"), first="?", last="")).status == 422
        page = await hand.send(page.form("/horaires/absence/fin"))
        assert "animateur absent" not in said(page)

    browse(home, story)


def test_a_site_without_holidays_or_opening_says_so(tmp_path: Path) -> None:
    bare = replace(SITE, site=SiteCard("Nomade", "nomade", holidays=""), hours={}, door=None)

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/horaires")
        assert "Les jours fériés ne sont pas connus" in said(page)
        assert "Fermé (hors des heures)" in said(page)
        always = dict.fromkeys(
            ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), "0:00-24:00"
        )
        page = await hand.send(page.form("/horaires/semaine"), **always)
        assert "Ouvert" in said(page)

    with house(tmp_path / "bare", bare) as home:
        browse(home, story)
        home.roster.settle()
        assert [entry.fact.action for entry in home.ledger.entries(RosterChanged)] == ["hours-changed"]  # type: ignore[attr-defined]
