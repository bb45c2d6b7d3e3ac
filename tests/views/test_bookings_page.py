"""Bookings, guests' codes and the lockdown over HTTP: what the page says is what the door's rule does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.config import DoorConfig, LockConfig, ReaderConfig
from agent.rules.access import Acted
from agent.rules.bookings import Alarm
from agent.rules.door import admit
from agent.rules.facts import FormulaId
from agent.rules.members import RosterChanged
from agent.views.web import bookings
from drivers.contract import CardNumber, Trust
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import CLOSED, NOON, SITE, House, house, pictures, scenes

LINES = replace(
    SITE,
    door=DoorConfig(LockConfig("sim"), booking_early_min=10.0),
    readers={"porte": ReaderConfig("serial", "door", "/dev/x", frame="line")},
)

LOCKED = replace(CLOSED, lockdown=NOON)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house", LINES) as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        yield opened


def said(page: Page) -> str:
    return page.text.replace("\u00a0", " ")


def judged(home: House, code: str, when: datetime) -> str:
    roster = home.roster.roster()
    key = home.roster.card_key(CardNumber(code))
    local = when.astimezone(home.clock.now().utc.tzinfo)
    return admit(key, roster, home.site.door_policy, local, Trust.SYNCHRONISED, "porte").rule


def test_a_guests_code_is_shown_once_and_opens_in_its_time(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/porte/reservations")
        assert "La porte ouvre 10 minutes avant le début." in said(page)
        form = page.form("/porte/reservations")
        page = await hand.send(
            form, who="code", day="2026-12-01", start="20:00", until="01:00", uses="1", words="Léa, « atelier » 🎉"
        )
        found = re.search(r"<b>(\d{4}) (\d{4})</b>", page.html)
        assert found is not None
        code = found[1] + found[2]
        assert "Un invité, par un code · Léa, « atelier » 🎉" in said(page)
        assert "de mardi 1er décembre, 20:00 à mercredi 2 décembre, 01:00, 1 entrée" in said(page)
        assert judged(home, code, datetime(2026, 12, 1, 18, 49, tzinfo=UTC)) == "booking-early"
        assert judged(home, code, datetime(2026, 12, 1, 18, 50, tzinfo=UTC)) == "guest"
        assert judged(home, code, datetime(2026, 12, 2, 0, 0, tzinfo=UTC)) == "booking-over"
        page = await hand.open("/porte/reservations")
        assert found[0] not in page.html
        page = await hand.send(page.form("/porte/reservations/fin"))
        assert "Retiré" in said(page)
        assert judged(home, code, datetime(2026, 12, 1, 19, 0, tzinfo=UTC)) == "unknown-card"
        acted = [entry.fact for entry in home.ledger.entries(Acted)]
        assert [one.action for one in acted[1:]] == ["booking-made", "booking-ended"]  # type: ignore[attr-defined]
        home.roster.settle()
        facts = [entry.fact for entry in home.ledger.entries(Acted, RosterChanged)]
        assert code not in repr(facts)
        assert "Léa" not in repr(facts)

    browse(home, story)


def test_an_occasional_member_is_booked(home: House) -> None:
    member = home.roster.add_member("Bruno Lacroix", FormulaId("occasional"), actor="cli", since=date(2026, 1, 1))

    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/porte/reservations")
        page = await hand.send(
            page.form("/porte/reservations"), who=member, day="2026-11-29", start="10:00", until="12:00"
        )
        assert "Réservé." in said(page)
        assert "Bruno Lacroix" in said(page)
        (one,) = home.roster.roster().bookings
        assert (one.member, one.start, one.until, one.uses) == (
            member,
            datetime(2026, 11, 29, 9, 0, tzinfo=UTC),
            datetime(2026, 11, 29, 11, 0, tzinfo=UTC),
            None,
        )

    browse(home, story)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ({"start": "soir"}, "« soir » n'est pas une heure"),
        ({"uses": "beaucoup"}, "Le nombre d'entrées"),
        ({"uses": "٣"}, "Le nombre d'entrées"),
        ({"uses": "0"}, "de 1 à 100 entrées"),
        ({"day": "2020-01-01"}, "n'est pas passée"),
        ({"day": "hier"}, "n'est pas une date"),
        ({"who": "m999"}, "aucun membre"),
        ({"who": "card-7"}, "il n'y a pas de carte visiteur"),
        ({"who": "<b>"}, "aucun membre"),
    ],
)
def test_what_was_typed_wrong_is_said_and_kept(home: House, typed: dict[str, str], answer: str) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/porte/reservations")).form("/porte/reservations")
        page = await hand.send(
            form, **{"who": "code", "day": "2026-12-01", "start": "20:00", "until": "22:00", **typed}
        )
        assert page.status == 422
        assert answer in said(page)
        assert page.form("/porte/reservations").fields["until"] == "22:00"
        assert home.roster.roster().bookings == ()

    browse(home, story)


def test_where_no_reader_reads_codes_a_card_is_booked(tmp_path: Path) -> None:
    site = replace(LINES, readers={"porte": ReaderConfig("serial", "door", "/dev/x", frame="rdm6300")})
    with house(tmp_path / "house", site) as home:
        home.roster.visitors.add(3, home.roster.card_key(CardNumber("0F00A1B2C3")), actor="cli")

        async def story(hand: Hand) -> None:
            await hand.claim()
            page = await hand.open("/porte/reservations")
            assert "Aucun lecteur de cette porte ne lit de code" in said(page)
            assert 'value="code"' not in page.html
            page = await hand.send(
                page.form("/porte/reservations"), who="card-3", day="2026-12-01", start="20:00", until="22:00"
            )
            assert "Carte n° 3 de mardi" in said(page)
            assert judged(home, "0F00A1B2C3", datetime(2026, 12, 1, 19, 0, tzinfo=UTC)) == "guest"

        browse(home, story)


def test_a_lockdown_takes_two_steps_and_ends_by_a_tap(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.open("/porte")
        assert 'href="/porte/confiner"' in page.html
        form = (await hand.open("/porte/confiner")).form("/porte/confiner")
        assert "Dites pourquoi." in said(await hand.send(form))
        assert "Ce n'est pas une heure" in said(await hand.send(form, reason="exercise", until="soir"))
        assert home.roster.roster().lockdown is None
        home.paint(pictures(home.clock.now(), door=LOCKED))
        page = await hand.send(form, reason="intrusion")
        assert "Confinement : plus personne n'entre. Tout le monde peut sortir." in said(page)
        assert "intrusion, personne menaçante" in said(page)
        assert 'href="/porte/ouvrir"' not in page.html
        lockdown = home.roster.roster().lockdown
        assert lockdown is not None
        assert (lockdown.reason, lockdown.until) == (Alarm.INTRUSION, None)
        home.paint(pictures(home.clock.now()))
        page = await hand.send(page.form("/porte/deconfiner"))
        assert "Confinement levé" in said(page)
        assert home.roster.roster().lockdown is None
        home.roster.settle()
        told = [entry.fact for entry in home.ledger.entries(RosterChanged)]
        assert [(one.actor, one.action, one.subject) for one in told] == [  # type: ignore[attr-defined]
            ("a1", "lockdown-begun", "intrusion"),
            ("a1", "lockdown-ended", "intrusion"),
        ]

    browse(home, story)


@pytest.mark.parametrize("door", ["silent", "deaf"])
def test_a_lockdown_that_the_door_does_not_show_is_not_said(
    home: House, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    monkeypatch.setattr(bookings, "FOLLOW_EVERY_S", 0.001)
    old = {"door": 60.0} if door == "silent" else {}

    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/porte/confiner")).form("/porte/confiner")
        home.paint(pictures(home.clock.now(), old=old))
        page = await hand.send(form, reason="intrusion")
        assert "le service de la porte ne répond pas : allez voir si elle est verrouillée" in said(page)
        assert "plus personne n'entre" not in said(page)
        assert home.roster.roster().lockdown is not None

    browse(home, story)


def test_a_lockdown_may_have_an_end(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/porte/confiner")).form("/porte/confiner")
        home.paint(pictures(home.clock.now(), door=LOCKED))
        page = await hand.send(form, reason="exercise", until="23:59")
        assert "jusqu'à 23:59 : exercice." in said(page)
        page = await hand.open("/porte?lang=en")
        assert "until 23:59: exercise." in said(page)

    browse(home, story)
