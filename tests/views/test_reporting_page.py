"""Telling that an outage was reported: over HTTP, without JavaScript; what was typed wrong is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.rules.access import Role
from agent.rules.linkfacts import Cause, Health, LinkChanged, OutageReported
from drivers.contract import Moment
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import House, ago, house, scenes, write_day

PATH = "/internet/signaler"
CUT = f"{PATH}?link=adsl1&began=1795519201"  # 24 November 2026, 12:20:01 in Paris
BEGAN = datetime(2026, 11, 24, 11, 20, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        write_day(opened.ledger)
        yield opened


def said(page: Page) -> str:
    return page.text.replace("\u00a0", " ").replace("\u202f", " ")


def reports(home: House) -> list[OutageReported]:
    return [entry.fact for entry in home.ledger.entries(OutageReported) if isinstance(entry.fact, OutageReported)]


@pytest.mark.parametrize(("role", "actor"), [(Role.ANIMATOR, "a1"), (Role.OPS, "a1")])
def test_an_outage_is_reported_corrected_and_the_repair_counted_from_it(home: House, role: Role, actor: str) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim(role)
        page = await hand.open("/internet")
        assert page.html.count(f'href="{CUT.replace("&", "&amp;")}"') == 1
        page = await hand.open(CUT)
        assert "Orange : coupure du mardi 24 novembre, 12:20:01" in said(page)
        form = page.form(PATH)
        assert (form.fields["day"], form.fields["time"], form.fields["reference"]) == ("2026-11-24", "12:32", "")
        page = await hand.send(form)
        assert page.path == "/internet"
        assert "Signalement noté." in said(page)
        assert "Signalé le mardi 24 novembre à 12:32, sans numéro de dossier. Déjà rétabli au moment" in said(page)
        form = (await hand.open(CUT)).form(PATH)
        page = await hand.send(form, time="12:23", reference=" n° ab12/3-4.z ")
        text = said(page)
        assert (
            "Signalé le mardi 24 novembre à 12:23, dossier n° AB12/3-4.Z. Rétabli 0 h 03 après le signalement." in text
        )
        assert "Corriger le signalement" in text
        form = (await hand.open(CUT)).form(PATH)
        assert (form.fields["time"], form.fields["reference"]) == ("12:23", "AB12/3-4.Z")
        await hand.send(form)  # the same again is no new fact
        form = (await hand.open(CUT)).form(PATH)
        assert "dossier n° INC_7:8#9" in said(await hand.send(form, reference="dossier n° inc_7:8#9"))

    browse(home, story)
    assert reports(home) == [
        OutageReported("adsl1", BEGAN, BEGAN + timedelta(minutes=11, seconds=59), "", actor),
        OutageReported("adsl1", BEGAN, BEGAN + timedelta(minutes=2, seconds=59), "AB12/3-4.Z", actor),
        OutageReported("adsl1", BEGAN, BEGAN + timedelta(minutes=2, seconds=59), "INC_7:8#9", actor),
    ]


def test_the_minute_in_which_it_began_is_not_before_it(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        await hand.send((await hand.open(CUT)).form(PATH), time="12:20")

    browse(home, story)
    assert [one.reported for one in reports(home)] == [BEGAN]


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"time": "12:33"}, "Le signalement ne peut pas être dans le futur : il est 12:32."),
        ({"day": "2026-11-25"}, "Le signalement ne peut pas être dans le futur"),
        ({"day": "9999-12-31"}, "Le signalement ne peut pas être dans le futur"),
        ({"time": "12:19"}, "ne peut pas précéder la coupure, qui a commencé le 24/11/2026 à 12:20."),
        ({"day": "2026-11-23"}, "ne peut pas précéder la coupure"),
        ({"day": "0001-01-01"}, "ne peut pas précéder la coupure"),
        ({"time": "25:00"}, "Ce jour ou cette heure ne se lit pas"),
        ({"time": ""}, "Ce jour ou cette heure ne se lit pas"),
        ({"day": "2026-02-30"}, "Ce jour ou cette heure ne se lit pas"),
        ({"reference": "A" * 32 + "1"}, "Ce numéro de dossier ne va pas"),
        ({"reference": "été-12"}, "Ce numéro de dossier ne va pas"),
        ({"reference": "n°12 n°13"}, "Ce numéro de dossier ne va pas"),
        ({"reference": "dossier n° Zoé"}, "Ce numéro de dossier ne va pas"),
        ({"reference": "<b>1"}, "Ce numéro de dossier ne va pas"),
        ({"reference": "Mme Dupont"}, "Ce numéro de dossier n'a aucun chiffre"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(home: House, typed: dict[str, str], why: str) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.send((await hand.open(CUT)).form(PATH), **typed)
        assert page.status == 422
        assert why in said(page)
        for name, value in typed.items():
            assert page.form(PATH).fields[name] == value

    browse(home, story)
    assert reports(home) == []


@pytest.mark.parametrize(
    "query", ["", "?link=adsl1&began=1795519202", "?link=adsl2&began=1795519201", "?link=x&began=-"]
)
def test_only_an_outage_that_was_measured_can_be_reported(home: House, query: str) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        assert (await hand.open(f"{PATH}{query}")).status == 404
        form = (await hand.open(CUT)).form(PATH)
        assert (await hand.send(form, began="1795519202")).status == 404

    browse(home, story)
    assert reports(home) == []


def test_a_strangers_form_is_refused(home: House) -> None:
    async def stranger(hand: Hand) -> None:
        assert (await hand.open(CUT)).path == "/premiere-fois"

    async def forged(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open(CUT)).form(PATH)
        assert (await hand.send(form, csrf="0" * 64)).status == 403

    browse(home, stranger, forged)
    assert reports(home) == []


def test_our_own_cable_is_not_the_providers_to_repair_and_what_lasts_has_a_button(home: House) -> None:
    def wrote(link: str, cause: Cause, minutes: float) -> None:
        at = Moment(ago(minutes=minutes), 1.0, "boot-1", home.clock.now().trust)
        fact = LinkChanged(link, Health.UP, Health.DOWN, cause, at.utc, "")
        home.ledger.append_now(fact, at, f"{link}:{minutes}")

    wrote("adsl2", Cause.CABLE, 3)
    wrote("adsl1", Cause.LINE, 2)

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/internet")
        assert "Orange : coupure signalée à l'opérateur ?" in said(page)
        assert "Free : coupure signalée" not in said(page)
        assert "link=adsl2" not in page.html
        form = (await hand.open(f"{PATH}?link=adsl1&began={int(ago(minutes=2).timestamp())}")).form(PATH)
        text = said(await hand.send(form, time="12:30", reference="7"))
        assert "dossier n° 7. Toujours coupé, 0 h 02 après le signalement." in text
        assert 'began=1795519807&amp;lang=en"' in (await hand.open(f"{PATH}?link=adsl1&began=1795519807")).html
        assert "Still out, 0 h 02 after the report." in said(await hand.open("/internet?lang=en"))

    browse(home, story)


def test_in_the_hour_that_comes_twice_the_first_that_can_be(tmp_path: Path) -> None:
    """On 25 October 2026, 02:10 came at 00:10 and at 01:10 UTC."""
    began = datetime(2026, 10, 25, 0, 40, tzinfo=UTC)  # 02:40, the first one
    with house(tmp_path / "house") as home:
        now = replace(home.clock.now(), utc=datetime(2026, 10, 25, 3, tzinfo=UTC))
        home.clock.moment = now
        home.paint(scenes(now)["well"])
        fact = LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.LINE, began, "")
        home.ledger.append_now(fact, replace(now, utc=began), "1")

        async def story(hand: Hand) -> None:
            await hand.claim()
            form = (await hand.open(f"{PATH}?link=adsl1&began={int(began.timestamp())}")).form(PATH)
            await hand.send(form, time="02:10")

        browse(home, story)
        assert [one.reported for one in reports(home)] == [datetime(2026, 10, 25, 1, 10, tzinfo=UTC)]
