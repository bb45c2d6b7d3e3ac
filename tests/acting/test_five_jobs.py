"""The animator's five jobs in a real browser, on a phone: with JavaScript, without it, and with a keyboard alone.

One site runs for the whole file: real services as processes, a card reader on a pty, a board whose recorder tells what
the relay did. Every hand has its own account, members and cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.acting.hands import HANDS, PIN, Finger, chromium, needs_chromium
from tests.acting.house import LiveHouse, now_s, until

pytestmark = [pytest.mark.peers, needs_chromium]
PARIS = ZoneInfo("Europe/Paris")
PRICES = ("0,00", "0,63", "1,25", "1,88", "2,50", "3,13")  # of started quarters of an hour at 2,50 € the hour


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHouse]:
    with LiveHouse(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module", params=HANDS, ids=lambda kind: kind.name)
def hand(request: pytest.FixtureRequest, browser: Browser, house: LiveHouse) -> Iterator[Finger]:
    """Somebody with an account, signed in."""
    person = request.param(browser, house.url)
    person.claim(house.code(), f"Camille {person.name}")
    person.sees("Votre compte est prêt.")
    yield person
    person.close()


@pytest.fixture(autouse=True)
def no_complaint(hand: Finger) -> Iterator[None]:
    """No exception and no refused style or script in the browser's console."""
    hand.complaints.clear()
    yield
    assert hand.complaints == []


def add_member(hand: Finger, name: str, formula: str, *users: str) -> str:
    """Add somebody; return their id, as the page shows it."""
    hand.open("/membres")
    hand.fill("Nom", name)
    hand.choose("Formule", formula)
    hand.fill("Noms d'impression", ", ".join(users))
    hand.press("Ajouter")
    hand.sees(f"{name} est ajouté.")
    found = re.search(r"/membre/(m\d+)$", hand.page.url)
    assert found is not None
    return found[1]


def give_card(hand: Finger, house: LiveHouse, card: str) -> None:
    """Give the card that is shown at the door next, from the member's page."""
    hand.press("Donner une carte")
    hand.sees("Montrez la carte à un lecteur")
    house.present(card)
    hand.sees("Carte donnée à")
    hand.follow("Continuer")
    hand.sees("ouvre la porte")


def card_of(hand: Finger, start: str) -> str:
    return f"{start}{HANDS.index(type(hand)):06X}"


def test_the_first_account_is_claimed_with_a_code_that_works_once(
    hand: Finger, house: LiveHouse, browser: Browser
) -> None:
    code = house.code()
    newcomer = type(hand)(browser, house.url)
    try:
        newcomer.claim(code, f"Dominique {hand.name}")
        newcomer.sees("Votre compte est prêt.")
        newcomer.press("Quitter")
        newcomer.sees("Vous êtes déconnecté.")
        newcomer.claim(code, f"Dominique {hand.name} encore")
        newcomer.sees("Ce code n'est pas valable")
        newcomer.open("/membres")  # where one wanted to go is where one arrives
        newcomer.fill("Votre nom", f"Dominique {hand.name}")
        newcomer.fill("Mot de passe", "un cheval bleu qui lit")
        newcomer.press("Se connecter")
        newcomer.sees("Ajouter un membre")
        assert newcomer.page.url == f"{house.url}/membres"
    finally:
        newcomer.close()


def test_a_card_is_given_at_the_reader_and_opens_until_it_is_blocked(hand: Finger, house: LiveHouse) -> None:
    card = card_of(hand, "0A00")
    add_member(hand, f"Anne {hand.name}", "abonné")
    before = now_s()
    give_card(hand, house, card)
    assert house.opened(before) == []  # the card was unknown when it was shown
    house.admits(card)
    hand.follow("Carte perdue")
    hand.press("Bloquer maintenant")
    hand.sees("la porte la refuse")
    house.refuses(card, "blocked-card")  # the very next time, well within two seconds


def test_the_door_is_opened_in_two_steps_and_a_replay_does_nothing(hand: Finger, house: LiveHouse) -> None:
    sent: list[Request] = []
    hand.page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    hand.open("/porte")
    began = now_s()
    with house.someone_pulls():
        hand.follow("Ouvrir la porte")
        assert house.opened(began) == []  # the first step only asks
        hand.use(hand.field("une livraison"))
        hand.fill("Code de la porte", PIN)
        hand.press("Ouvrir maintenant")
        hand.sees("Ouverte ")
    assert len(house.opened(began)) == 1
    (step,) = sent
    origin = {"Content-Type": "application/x-www-form-urlencoded", "Origin": house.url}
    for _ in range(2):
        again = hand.context.request.post("/porte/ouvrir", data=step.post_data, headers=origin)
        assert "La porte n'a pas été commandée." in unescape(again.text())
    hand.follow("Ouvrir la porte")
    hand.use(hand.field("un essai"))
    hand.fill("Code de la porte", "000001")
    hand.press("Ouvrir maintenant")
    hand.sees("La porte n'a pas été commandée.")
    assert len(house.opened(began)) == 1


def test_a_visit_begins_and_ends_by_a_tap_and_its_price_is_read(hand: Finger, house: LiveHouse) -> None:
    name = f"Paul {hand.name}"
    add_member(hand, name, "occasionnel")
    now = datetime.now(PARIS)
    arrived = max(now - timedelta(minutes=70), now.replace(hour=0, minute=0))
    hand.follow("Visites")
    hand.choose("Quelqu'un d'autre, ou à une autre heure", name)
    hand.fill("Heure d'arrivée", f"{arrived:%H:%M}")
    hand.go(hand.page.get_by_role("button", name="Arrivée", exact=True))
    hand.sees(f"{name} est là depuis {arrived:%H:%M}.")
    here = hand.page.get_by_role("listitem").filter(has=hand.page.get_by_role("button", name=f"Départ, {name}"))
    quarters = -(-((now - arrived) // timedelta(minutes=1)) // 15)
    expect(here).to_contain_text(PRICES[quarters])
    hand.press(f"Départ, {name}")
    hand.sees(f"{name} : départ noté")
    yesterday = now - timedelta(days=1)  # a visit nobody noted
    hand.follow("Ajouter une visite oubliée")
    hand.choose("Membre", name)
    hand.fill("Jour", f"{yesterday:%Y-%m-%d}")
    hand.fill("Arrivée", "10:00")
    hand.fill("Départ", "09:00")
    hand.press("Ajouter la visite")
    hand.sees("Le départ doit être après l'arrivée, le même jour.")
    hand.fill("Départ", "11:30")
    hand.press("Ajouter la visite")
    hand.sees(f"Visite ajoutée : {name}")
    hand.press(f"Arrivée, {name}")  # by one tap
    hand.sees(f"{name} est là depuis")
    hand.press(f"Départ, {name}")
    hand.sees(f"{name} : départ noté")


def test_what_nobody_is_known_for_is_given_to_somebody(hand: Finger, house: LiveHouse) -> None:
    name, user = f"Rita {hand.name}", f"portable-{hand.name}"
    add_member(hand, name, "abonné")
    house.tell(f"print {user} 3")
    until(lambda: hand.open("/impressions") or user in hand.page.content(), 20, "the job", every_s=0.5)
    row = hand.page.locator("section", has=hand.page.locator("#waiting")).get_by_role("listitem").filter(has_text=user)
    expect(row).to_contain_text("3 faces")
    hand.pick(row.get_by_label("Attribuer à"), name)
    hand.use(row.get_by_label(f"Et toujours pour « {user} »"))
    hand.go(row.get_by_role("button", name="Attribuer"))
    hand.sees(f"C'est attribué : {name}.")
    expect(row).to_have_count(0)
    house.tell(f"print {user} 2")  # from now on it is theirs
    jobs = hand.page.locator("section", has=hand.page.locator("#jobs")).get_by_role("listitem")
    theirs = jobs.filter(has_text="2 faces").filter(has_text=name)
    until(lambda: hand.open("/impressions") or theirs.count() == 1, 20, "the next job", every_s=0.5)


def test_tomorrow_is_closed_and_the_door_obeys(hand: Finger, house: LiveHouse) -> None:
    today = datetime.now(PARIS).date()
    card = card_of(hand, "0B00")
    add_member(hand, f"Odile {hand.name}", "occasionnel")
    give_card(hand, house, card)
    house.admits(card)
    hand.open("/horaires")
    hand.press("Fermé demain : neige")
    hand.sees("La porte n'ouvrira qu'aux abonnés.")
    tomorrow = hand.page.locator("#days ~ .rows > li").filter(has_text="neige")
    expect(tomorrow).to_have_count(1)
    expect(tomorrow).to_contain_text(str((today + timedelta(days=1)).day))
    hand.page.get_by_text("Un autre jour, ou plusieurs").click()
    hand.write(hand.page.get_by_label("Premier jour").first, today.isoformat())
    hand.go(hand.page.get_by_role("button", name="Fermer", exact=True).first)
    hand.sees("La porte n'ouvrira qu'aux abonnés.")
    house.refuses(card, "closure")
    for _ in range(2):
        hand.press("Rouvrir")
        hand.sees("aux heures habituelles")
    house.admits(card)
