"""Visits on the page: one tap, what it costs, what is to be verified, what is put right, and the statement after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.health import ServiceAbsent
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.presence import Reason, VisitAdded, VisitCorrected, VisitEnded, VisitEvidence, VisitStarted
from agent.sitefile import read_tariff
from agent.views.exports import month_statement
from agent.views.metrics import Exposition
from tests.views.acting import act, acting_house, facts
from tests.views.hand import Form, Hand
from tests.views.scenes import House, pictures


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with acting_house(tmp_path, day=False) as opened:
        yield opened


def later(home: House, hours: float) -> None:
    home.clock.pass_s(hours * 3600)
    home.paint(pictures(home.clock.now()))


def statement(home: House, month: str = "2026-11") -> list[tuple[str, str, int, str]]:
    made = month_statement(
        home.ledger, home.roster.roster(), read_tariff(Path(home.site.tariff)), home.site.site, month
    )
    hours = [line for line in made.lines if line.item.value.startswith("visit")]
    return [(line.member, line.item.value, line.quantity, str(line.amount)) for line in hours]


def test_a_visit_by_two_taps_and_what_it_costs(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/visites")
        assert "Personne n'est noté présent." in page.text
        page = await hand.send(page.form("/visites/arrivee", member="m013"))
        assert "Zoé Faure est là depuis 12:32." in page.text
        assert "Si le départ est maintenant : 0,00 € aujourd'hui" in page.text
        assert not [one for one in page.forms if one.fields.get("member") == "m013" and "arrivee" in one.action]
        later(home, 2 + 10 / 60)
        page = await hand.open("/visites")
        assert "depuis 12:32, 2 h 10" in page.text
        assert "Si le départ est maintenant : 5,63 € aujourd'hui" in page.text  # 135 minutes at 2.50 an hour
        english = await hand.open("/visites?lang=en")
        assert "Leaving now: €5.63 today" in english.text
        page = await hand.send((await hand.open("/visites?lang=fr")).form("/visites/depart", member="m013"))
        assert "Zoé Faure : départ noté, après 2 h 10." in page.text
        assert "12:32 – 14:42, 2 h 10" in page.text

    act(home, story)
    (ended,) = facts(home, VisitEnded)
    assert (ended.member, ended.minutes, ended.by) == ("m013", 130, VisitEvidence.ANIMATOR)
    assert statement(home) == [("m013", "visit", 135, "5.63")]


def test_a_second_visit_of_the_day_is_added_before_it_is_rounded(home: House) -> None:
    async def story(hand: Hand) -> None:
        for cost in ("0,63", "1,25"):
            await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
            later(home, 8 / 60)
            page = await hand.open("/visites")
            assert f"Si le départ est maintenant : {cost} € aujourd'hui" in page.text
            await hand.send(page.form("/visites/depart", member="m013"))
            later(home, 1)

    act(home, story)
    assert statement(home) == [("m013", "visit", 30, "1.25")]  # 16 minutes: two quarters of an hour, not 2 x 1


def test_an_arrival_of_yesterday_evening_is_told_with_its_day(home: House) -> None:
    async def story(hand: Hand) -> None:
        later(home, 20)  # 08:32
        await hand.enter()
        choose = next(one for one in (await hand.open("/visites")).forms if "at" in one.asks)
        page = await hand.send(choose, member="m042", at="22:50")
        assert "Anne Petit est là depuis mardi 24 novembre, 22:50." in page.text

    act(home, story)


def test_a_past_arrival_and_refusals_in_words(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/visites")
        choose = next(one for one in page.forms if "at" in one.asks)
        page = await hand.send(choose, member="m042", at="09:05")
        assert "Anne Petit est là depuis 09:05." in page.text
        assert "Si le départ est maintenant : 0,00 €" in page.text  # a subscriber's hours cost nothing
        wrong = Form("/visites/arrivee", "post", files=False, fields=dict(choose.fields))
        for typed, said in (
            ({"member": "m042"}, "déjà notée présente"),
            ({"member": "m013", "at": "25:99"}, "Ce n'est pas une heure"),
            ({"member": "nobody"}, "Pas enregistré"),
        ):
            page = await hand.send(Form(wrong.action, "post", files=False, fields={**wrong.fields, "at": ""}), **typed)
            assert said in page.text, page.text
        page = await hand.send(Form("/visites/depart", "post", files=False, fields={**wrong.fields, "member": "m013"}))
        assert "n'est pas notée présente" in page.text

    act(home, story)
    assert len(facts(home, VisitStarted)) == 1


def test_a_forgotten_visit_comes_to_the_top_and_closing_is_proposed(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        later(home, 5)  # 17:32
        assert "visite à vérifier" not in (await hand.open("/visites")).text
        later(home, 0.8)  # 18:20: closed since 18:00
        page = await hand.open("/visites")
        assert "1 visite à vérifier" in page.text
        assert "toujours ouverte après la fermeture" in page.text
        form = page.form("/visites/depart", at="2026-11-24T18:00", by="closing")
        page = await hand.send(form)
        assert "après 5 h 27." in page.text
        assert "à vérifier" not in page.text
        assert "départ proposé : la fermeture" in page.text

    act(home, story)
    (ended,) = facts(home, VisitEnded)
    assert (ended.ended, ended.by) == (datetime(2026, 11, 24, 17, 0, tzinfo=UTC), VisitEvidence.CLOSING)
    assert marked(home) == [("m013", 327)]  # the file says that all of it is to be verified


def marked(home: House) -> list[tuple[str, int]]:
    made = month_statement(
        home.ledger, home.roster.roster(), read_tariff(Path(home.site.tariff)), home.site.site, "2026-11"
    )
    return [(line.member, line.uncertain) for line in made.lines if line.uncertain and line.item.value == "visit"]


def test_who_printed_after_closing_is_proposed_that_moment(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        later(home, 5.75)  # 18:17
        who = ("copieur", "SN1", "a9", AliasId(""), MemberId("m013"), FormulaId("occasional"))
        printed = PagesCounted(*who, 3, 0, 3, 3, 3, Evidence.DEVICE, "completed")
        home.ledger.append_now(printed, home.clock.now(), "a9")
        later(home, 1)
        page = await hand.open("/visites")
        assert "Départ à 18:17, dernière trace" in page.text
        assert "Départ à 18:00" not in page.text  # whoever printed at 18:17 had not left at 18:00
        page = await hand.send(page.form("/visites/depart", by="last-seen"))
        assert "départ proposé : dernière trace" in page.text

    act(home, story)
    (ended,) = facts(home, VisitEnded)
    assert (ended.ended, ended.by) == (datetime(2026, 11, 24, 17, 17, tzinfo=UTC), VisitEvidence.LAST_SEEN)


def test_a_breakdown_during_a_visit_is_marked_on_the_page_and_in_the_statement(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        later(home, 1)  # 13:32
        gone, back = (home.clock.now().utc - timedelta(minutes=n) for n in (20, 8))
        home.ledger.append_now(ServiceAbsent("door", gone, back), home.clock.now(), "door-away")
        home.ledger.append_now(
            ServiceAbsent("paper", gone, back + timedelta(minutes=5)), home.clock.now(), "paper-away"
        )
        page = await hand.send((await hand.open("/visites")).form("/visites/depart", member="m013"))
        assert "le boîtier était en panne : 0 h 12 à vérifier" in page.text

    act(home, story)
    assert statement(home) == [("m013", "visit", 60, "2.50")]
    assert marked(home) == [("m013", 12)]


def test_open_for_half_a_day_it_is_forgotten(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        later(home, 12.1)
        await hand.enter()
        assert "ouverte depuis plus de 12 heures" in (await hand.open("/visites")).text

    act(home, story)


def test_a_visit_is_put_right_with_a_reason(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        later(home, 4)
        await hand.send((await hand.open("/visites")).form("/visites/depart", member="m013"))
        page = await hand.open(f"/visites/corriger/{facts(home, VisitEnded)[0].visit}")
        form = page.forms[-2]
        assert (form.fields["start"], form.fields["end"]) == ("2026-11-24T12:32", "2026-11-24T16:32")
        button = ("what", "correct")
        assert "Dites pourquoi" in (await hand.send(form, button, end="2026-11-24T14:00")).text
        later_than_now = await hand.send(form, button, end="2026-11-24T23:00", reason="disputed")
        assert "dans le futur" in later_than_now.text
        before = await hand.send(form, button, end="2026-11-24T11:00", reason="disputed")
        assert "avant l'arrivée" in before.text
        page = await hand.send(form, button, end="2026-11-24T14:02", reason="disputed")
        assert "C'est corrigé." in page.text
        assert "12:32 – 14:02, 1 h 30 corrigée" in page.text

    act(home, story)
    (fact,) = facts(home, VisitCorrected)
    assert (fact.minutes, fact.was_minutes, fact.reason, fact.actor) == (90, 240, Reason.DISPUTED, "a1")
    assert statement(home) == [("m013", "visit", 90, "3.75")]
    text = Exposition(home.site, home.places.run, home.ledger, home.roster, home.clock, "1").plain().decode()
    assert 'gardien_visit_seconds_total{formula="occasional"} 14400.0' in text  # what was counted first: it never falls
    assert 'gardien_visit_corrected_seconds_total{formula="occasional",sign="removed"} 9000.0' in text


def test_a_visit_that_never_was_is_annulled_and_costs_nothing(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.send((await hand.open("/visites")).form("/visites/arrivee", member="m013"))
        visit = facts(home, VisitStarted)[0].visit
        later(home, 0.1)
        page = await hand.open(f"/visites/corriger/{visit}")
        page = await hand.send(page.forms[-1], ("what", "annul"), reason="mistake")
        assert "Personne n'est noté présent." in page.text
        assert "annulée" in page.text
        page = await hand.send(page.form("/visites/arrivee", member="m013"))  # and may be told anew
        assert "1 personne est là" in page.text

    act(home, story)
    assert statement(home) == []


def test_after_the_month_a_correction_is_an_adjustment_in_the_present_one(tmp_path: Path) -> None:
    began = datetime(2026, 10, 6, 7, 0, tzinfo=UTC)
    ended = began + timedelta(hours=8)
    fact = VisitEnded("v-oct", MemberId("m013"), FormulaId("occasional"), began, ended, 480, VisitEvidence.ANIMATOR)

    async def story(hand: Hand) -> None:
        page = await hand.open("/visites/corriger/v-oct")
        assert "régularisation" in page.text
        page = await hand.send(page.forms[-2], ("what", "correct"), end="2026-10-06T11:00", reason="forgot-departure")
        assert "C'est corrigé." in page.text

    with acting_house(tmp_path, day=False, before=[(ended, fact)]) as home:
        assert statement(home, "2026-10") == [("m013", "visit", 480, "20.00")]
        act(home, story)
        assert statement(home, "2026-10") == [("m013", "visit", 480, "20.00")]  # what is over stays as it was issued
        assert statement(home) == [("m013", "visit", -360, "-15.00")]


def test_a_visit_forgotten_wholly_is_added_days_later_and_can_be_annulled(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/visites")
        assert "Ajouter une visite oubliée" in page.text
        page = await hand.open("/visites/ajouter")
        form = page.form("/visites/ajouter")
        typed = {"member": "m013", "day": "2026-11-20", "start": "09:05", "end": "11:15"}
        page = await hand.send(form, **typed)
        assert "Visite ajoutée : Zoé Faure, vendredi 20 novembre, 09:05 – 11:15, 2 h 10." in page.text
        assert "heures d'ouverture" not in page.text
        page = await hand.send(form, **typed)
        assert page.status == 422
        assert "C'est déjà écrit ainsi." in page.text
        visit = facts(home, VisitAdded)[0].visit
        page = await hand.open(f"/visites/corriger/{visit}")
        page = await hand.send(page.forms[-1], ("what", "annul"), reason="mistake")
        assert "09:05 – 11:15, 0 h 00 annulée" in page.text

    act(home, story)
    (fact,) = facts(home, VisitAdded)
    assert (fact.minutes, fact.was_minutes, fact.reason, fact.actor) == (130, 0, Reason.FORGOT_ARRIVAL, "a1")
    assert statement(home) == []


def test_what_cannot_be_added_is_said_and_what_was_typed_stays(home: House) -> None:
    async def story(hand: Hand) -> None:
        form = (await hand.open("/visites/ajouter")).form("/visites/ajouter")
        typed = {"member": "m013", "day": "2026-11-20", "start": "09:05", "end": "11:15"}
        await hand.send(form, **typed)
        for other, said in (
            ({"member": ""}, "Choisissez le membre"),
            ({"day": ""}, "Ce n'est pas un jour"),
            ({"day": "2026-11-19", "end": "25:00"}, "Ce n'est pas une heure"),
            ({"day": "2026-03-29", "start": "02:30"}, "Cette heure n'existe pas ce jour-là"),
            ({"day": "2026-11-19", "end": "08:00"}, "Le départ doit être après l'arrivée"),
            ({"day": "2026-11-24", "end": "23:00"}, "dans le futur"),
            ({"end": "12:00"}, "avait déjà une visite"),
            ({"day": "2026-09-30"}, "Trop ancien"),
            ({"day": "2026-11-19", "reason": ""}, "Dites pourquoi"),
        ):
            wrong = {**typed, **other}
            page = await hand.send(form, **wrong)
            assert page.status == 422
            assert said in page.text, page.text
            again = page.form("/visites/ajouter").fields
            assert {name: again[name] for name in typed} == {name: wrong[name] for name in typed}

    act(home, story)
    assert len(facts(home, VisitAdded)) == 1


def test_a_visit_outside_the_opening_hours_is_added_and_hinted_at(home: House) -> None:
    async def story(hand: Hand) -> None:
        form = (await hand.open("/visites/ajouter")).form("/visites/ajouter")
        page = await hand.send(form, member="m013", day="2026-11-20", start="17:00", end="19:00")
        assert "une partie est hors des heures d'ouverture" in page.text
        page = await hand.send(
            form, member="m042", day="2026-11-20", start="17:00", end="19:00"
        )  # comes when she likes
        assert "Visite ajoutée : Anne Petit" in page.text
        assert "heures d'ouverture" not in page.text

    act(home, story)


def test_of_last_month_it_is_an_adjustment_and_is_found_in_the_longer_list(home: House) -> None:
    async def story(hand: Hand) -> None:
        form = (await hand.open("/visites/ajouter")).form("/visites/ajouter")
        page = await hand.send(form, member="m013", day="2026-10-06", start="09:00", end="11:00")
        assert "Visites des deux derniers mois" in page.text
        assert "09:00 – 11:00, 2 h 00 ajoutée" in page.text
        assert "09:00 – 11:00" not in (await hand.open("/visites")).text

    act(home, story)
    assert statement(home, "2026-10") == []
    assert statement(home) == [("m013", "visit", 120, "5.00")]


def test_a_visit_nobody_knows_cannot_be_put_right(home: House) -> None:
    async def story(hand: Hand) -> None:
        assert "n'est pas connue" in (await hand.open("/visites/corriger/..%2Fx")).text

    act(home, story)
