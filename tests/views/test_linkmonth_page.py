"""The sheet of a month: what a provider can check, in both languages, and it is the animator's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agent.config import LinkConfig
from agent.rules.access import BoxRestarted
from agent.rules.facts import Fact
from agent.rules.hours import WeeklyHours
from agent.rules.linkfacts import Cause, Health, LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.weeks import WeekStood
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import SITE, House, house, scenes, write_day

UP, DOWN = Health.UP, Health.DOWN
LINKS = {
    "adsl1": LinkConfig("sim", "Orange", line="adsl", down_mbit_s=17.0, up_mbit_s=0.8),
    "adsl2": LinkConfig("sim", "Free", line="4g", data_cap_gb=200, interval_s=2.0),
}


def at(day: int, hour: int, minute: int = 0, second: float = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)


def changed(since: datetime, was: Health, now: Health, cause: Cause) -> tuple[datetime, Fact]:
    return since, LinkChanged("adsl1", was, now, cause, since, "")


FACTS = (
    changed(at(20, 8, month=10), Health.UNKNOWN, UP, Cause.NONE),
    changed(at(3, 9, 15, 7.6), UP, DOWN, Cause.LINE),
    (at(3, 9, 31), OutageReported("adsl1", at(3, 9, 15, 7), at(3, 9, 30), "AB-12", "a1")),
    changed(at(3, 12, 42, 9.2), DOWN, UP, Cause.NONE),
    changed(at(11, 9), UP, Health.UNKNOWN, Cause.GAP),  # a public holiday
    changed(at(11, 10), Health.UNKNOWN, UP, Cause.NONE),
    changed(at(12, 9), UP, DOWN, Cause.BOX),
    (at(12, 9, 1), BoxRestarted("adsl1", "a1")),
    changed(at(12, 9, 2), DOWN, UP, Cause.NONE),
    (at(4, 3), LinkRated("adsl1", 12_300_000, 17_000_000, 1_048_576, "")),
    (at(5, 3), LinkRated("adsl1", None, 17_000_000, 0, "busy")),
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house", replace(SITE, links=LINKS)) as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        opened.roster.calendar.set_holidays({date(2026, 11, 11): "armistice-day"}, years=(2026,), actor="a1")
        for utc, fact in FACTS:
            opened.ledger.append_now(fact, replace(opened.clock.now(), utc=utc), f"{fact.kind}:{utc}")
        yield opened


def said(page: Page) -> str:
    return page.text.replace("\u00a0", " ").replace("\u202f", " ")


def test_a_month_says_all_that_its_provider_is_to_answer_for(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/internet")
        assert 'href="/internet/rapport?month=2026-11"' in page.html
        assert 'href="/internet/rapport?month=2026-10"' in page.html
        text = said(await hand.open("/internet/rapport?month=2026-11"))
        assert "Du dimanche 1er novembre 2026 au mardi 24 novembre 2026 . Établi le" in text
        assert "Le mois n'est pas fini" in text
        assert said(await hand.open("/internet/rapport")) == text  # an address without a month is this month's
        assert "ADSL, 17 Mbit/s descendants au contrat, 0,8 Mbit/s montants" in text
        assert "4G, 200 Go par mois au plus" in text
        # 23 days and 12 h 32 min 07 s, less an hour unmeasured and two minutes of a restart; out: 3 h 27 min 02 s
        assert "Disponibilité, 24 h sur 24 99,3876 % (3 h 27 min 02 s coupé sur 563 h 30 min 07 s mesurés)" in text
        # sixteen working days but the holiday, 9 h each: 15 x 9 h, and 3 h 32 min 07 s of today, less the restart
        assert (
            "Disponibilité aux heures d'ouverture 97,5086 % (3 h 27 min 02 s coupé sur 138 h 30 min 07 s mesurés)"
            in text
        )
        assert "Coupures 1, dont 1 signalée" in text
        assert "Non mesuré, hors du calcul 1 h 00 min 00 s" in text
        assert "Box redémarrée par nous, hors du calcul 2 min 00 s" in text
        assert "Débit descendant 12,3 Mbit/s, médiane de 1 mesure. Soit 72 % des 17,0 Mbit/s du contrat." in text
        assert (
            "03/11/2026 10:15:07 03/11/2026 13:42:09 3 h 27 min 02 s coupé : la box va bien, la ligne est coupée "
            "3 h 27 min 02 s 03/11/2026 10:30, dossier n° AB-12 3 h 12" in text
        )
        assert "12/11/2026 10:00:00 12/11/2026 10:02:00 2 min 00 s box redémarrée par vous non – –" in text
        assert "11/11/2026 10:00:00 11/11/2026 11:00:00 1 h 00 min 00 s" in text
        assert "trop longue de 1 s au plus à chaque bout" in text
        assert "rien de mesuré" in text  # of Free
        assert f"{home.ledger.head().seq}:{home.ledger.head().hash}" in text

    browse(home, story)


def test_a_month_is_judged_by_the_hours_that_stood_in_it(home: House) -> None:
    """Open on Tuesdays around the clock, from the 10th at 01:00 never: 24 h of the 3rd and one more hour count."""
    for day, windows in ((1, ("", "00:00-24:00", "", "", "", "", "")), (10, ("",) * 7)):
        home.ledger.append_now(WeekStood(windows), replace(home.clock.now(), utc=at(day, 0)), f"week:{day}")
    home.roster.calendar.set_hours(WeeklyHours(), actor="a1")

    async def story(hand: Hand) -> None:
        await hand.claim()
        opened = "Disponibilité aux heures d'ouverture 86,1977 % (3 h 27 min 02 s coupé sur 25 h 00 min 00 s mesurés)"
        text = said(await hand.open("/internet/rapport?month=2026-11"))
        assert opened in text
        text = said(await hand.open("/internet"))
        assert "Aux heures d'ouverture" in text

    browse(home, story)


def test_a_link_that_was_taken_out_keeps_its_months(home: House) -> None:
    """The provider was changed: `sfr` is no longer in the site file, and was measured until the 10th at noon."""
    for utc, fact in (
        (at(20, 8, month=10), LinkChanged("sfr", Health.UNKNOWN, UP, Cause.NONE, at(20, 8, month=10), "")),
        (at(2, 8), LinkChanged("sfr", UP, DOWN, Cause.ISP, at(2, 8), "")),
        (at(2, 9), LinkChanged("sfr", DOWN, UP, Cause.NONE, at(2, 9), "")),
        (at(10, 11), LinkMeasured("sfr", UP, Cause.NONE, at(10, 11), 3600.0, 7200, 3)),
        (at(20, 8, month=9), LinkChanged("old", Health.UNKNOWN, UP, Cause.NONE, at(20, 8, month=9), "")),
        (at(25, 8, month=9), LinkMeasured("old", UP, Cause.NONE, at(25, 8, month=9), 3600.0, 7200, 3)),
    ):
        home.ledger.append_now(fact, replace(home.clock.now(), utc=utc), f"gone:{fact.kind}:{utc}")

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/internet/rapport?month=2026-11")
        assert [page.html.count(f'<h2 id="link-{name}">') for name in ("adsl1", "adsl2", "sfr", "old")] == [1, 1, 1, 0]
        text = said(page)
        text = text[text.index(" Sfr ") :]  # the last
        assert "Free" not in text
        assert text.startswith(" Sfr N'est plus suivi par le boîtier : mesuré jusqu'au 10/11/2026 12:00:00")
        # 9 d 12 h of November (from the 1st at midnight in Paris), one hour of them out; the rest to now is a gap
        assert "Disponibilité, 24 h sur 24 99,5614 % (1 h 00 min 00 s coupé sur 228 h 00 min 00 s mesurés)" in text
        assert "10/11/2026 12:00:00 24/11/2026" in text
        rows = (await hand.open("/internet/releve?mois=2026-11")).html.splitlines()
        assert any(row.startswith("2026-11;morez;sfr;coupure;2026-11-02T09:00:00+01:00;") for row in rows)
        assert any(row.startswith("2026-11;morez;sfr;non mesuré;2026-11-10T12:00:00+01:00;") for row in rows)
        assert "2026-11;morez;sfr;total mesuré;;;820800;;;oui;;;;;;" in rows
        text = said(await hand.open("/internet/rapport?month=2026-10"))
        assert " Sfr " in text
        assert "plus suivi" not in text

    browse(home, story)


def test_it_says_the_same_in_english(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        text = said(await hand.open("/internet/rapport?month=2026-11&lang=en"))
        assert "Availability, around the clock 99.3" in text
        assert "03/11/2026 10:30, file no. AB-12 3 h 12" in text
        assert (
            'href="/internet/rapport?month=2026-11&amp;lang=fr"'
            in (await hand.open("/internet/rapport?month=2026-11&lang=en")).html
        )

    browse(home, story)


def test_a_link_of_this_month_was_not_there_before(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        text = said(await hand.open("/internet/rapport?month=2026-10"))
        assert "Mesuré depuis le 20/10/2026 10:00:00 : pas encore en service avant." in text
        assert "Free 4G, 200 Go par mois au plus Pas encore en service ce mois-là." in text
        assert "Le mois n'est pas fini" not in text
        assert "Aucune coupure mesurée." in text
        for month in ("", "2026-09", "2026-12", "x", "2026-1", "9999-12", "0001-01"):
            assert (await hand.open(f"/internet/rapport?month={month}")).status == 404
            assert (await hand.open(f"/internet/releve?mois={month}")).status == 404

    browse(home, story)


def test_what_lasts_and_what_nobody_saw_end_is_said(home: House) -> None:
    write_day(home.ledger)
    last = home.clock.now().utc - timedelta(minutes=3)
    for utc, fact in (
        changed(at(20, 9), UP, DOWN, Cause.ISP),
        changed(at(20, 10), DOWN, Health.UNKNOWN, Cause.GAP),
        changed(at(20, 11), Health.UNKNOWN, UP, Cause.NONE),
        changed(last, UP, DOWN, Cause.LINE),
    ):
        home.ledger.append_now(fact, replace(home.clock.now(), utc=utc), f"more:{utc}")

    async def stranger(hand: Hand) -> None:
        assert (await hand.open("/internet/rapport?month=2026-11")).path == "/premiere-fois"

    async def story(hand: Hand) -> None:
        await hand.claim()
        text = said(await hand.open("/internet/rapport?month=2026-11"))
        assert "dure encore 3 min 00 s" in text

    browse(home, stranger, story)


def test_the_page_says_what_a_link_is_and_how_members_change_over(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        text = said(await hand.open("/internet"))
        assert "ADSL, 17 Mbit/s descendants au contrat, 0,8 Mbit/s montants" in text
        assert "Débit mesuré mercredi 4 novembre : 12,3 Mbit/s, 72 % du contrat" in text
        assert "4G, 200 Go par mois au plus" in text
        # 80 h in October, 138 h 30 min 07 s in November
        assert "Aux heures d'ouverture : 98,42 %, coupé 3 h 27 min 02 s." in text
        assert "ce boîtier mesure et ne bascule rien" in text
        assert "box redémarrée par vous jeudi 12 novembre, 10:00:00 – 10:02:00 2 min 00 s Hors du calcul." in text

    browse(home, story)


@pytest.mark.parametrize(("use", "links", "words"), [("two_wifi", 2, 1), ("two_wifi", 1, 0)])
def test_members_of_two_wifis_are_told_to_change_themselves(tmp_path: Path, use: str, links: int, words: int) -> None:
    site = replace(SITE, site=replace(SITE.site, members_use=use), links=dict(list(LINKS.items())[:links]))
    with house(tmp_path / "other", site) as other:
        other.paint(scenes(other.clock.now())["well"])

        async def story(hand: Hand) -> None:
            await hand.claim()
            text = said(await hand.open("/internet"))
            assert text.count("les membres changent de wifi eux-mêmes") == words
            assert "ne bascule rien" not in text

        browse(other, story)
