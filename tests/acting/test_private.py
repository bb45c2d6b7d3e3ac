"""A name, a title, a card number: typed, printed and shown for real, then looked for everywhere they must not be.

What the box writes for machines and for strangers (logs, metrics, messages, exports, the ledger's file, the live
pictures, the wall) holds none of them; the pages of the animator do, or the search would prove nothing. CUPS's own
spool is not ours to grep: what it keeps, and how short, is its configuration.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from drivers.peers import cups
from tests.acting.hands import PASSWORD, PIN, Finger, chromium, needs_chromium
from tests.acting.house import TOKEN, LiveHouse, until
from tests.acting.scene import member_enters
from tests.far_ends import FarEnd, free_port, topic

pytestmark = [
    pytest.mark.peers,
    needs_chromium,
    pytest.mark.skipif(bool(cups.available()), reason=cups.available() or "there is a cupsd"),
]

MEMBER, OTHER = "Zénobie Trouvetout", "Yvain Quatrevents"
ANIMATOR, GUEST = "Camille Danslaporte", "Ulysse Grandvisiteur"
TITLE = "Licenciement de Zénobie Trouvetout"
USER, STRANGER = "zenobie.portable", "inconnu.portable"
CARD, NOBODYS_CARD, VISITORS_CARD = "0DC0FFEE42", "0BADC0DE99", "0CAFED00D7"

NAMES = (MEMBER, OTHER, ANIMATOR, GUEST, "Zénobie", "Trouvetout", "Quatrevents", "Danslaporte", "Grandvisiteur")
CARDS = tuple(
    form
    for card in (CARD, NOBODYS_CARD, VISITORS_CARD)
    for form in (card, card[2:], str(int.from_bytes(bytes.fromhex(card[2:]))))
)
NOWHERE = (TITLE, "Licenciement", *CARDS, PASSWORD, PIN)  # not even where people look
OF_PEOPLE = (*NAMES, USER, STRANGER)  # where people look, and in the erasable roster, but nowhere else


@pytest.fixture(scope="module")
def messages() -> Iterator[FarEnd]:
    with topic(free_port()) as far:
        yield far


@pytest.fixture(scope="module")
def house(messages: FarEnd) -> Iterator[LiveHouse]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # cupsd's filters walk through it
        with LiveHouse(Path(folder) / "house", alerts_to=f"ntfy://127.0.0.1:{messages.port}/morez", paper=True) as one:
            yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def animator(browser: Browser, house: LiveHouse, messages: FarEnd) -> Iterator[Finger]:
    """Somebody who has used everything that knows a name, a title or a card."""
    person = Finger(browser, house.url)
    person.claim(house.code(), ANIMATOR)
    live_a_little(person, house)
    house.peers.readers["copier"].unplug()  # something to tell far away
    until(lambda: messages.taken, 60, "a message", every_s=0.2)
    house.peers.readers["copier"].replug()
    yield person
    person.close()


def live_a_little(person: Finger, house: LiveHouse) -> None:
    for name, user in ((MEMBER, USER), (OTHER, "")):
        person.open("/membres")
        person.fill("Nom", name)
        person.choose("Formule", "occasionnel")
        person.fill("Noms d'impression", user)
        person.press("Ajouter")
    person.open("/membre/m001")
    person.press("Donner une carte")
    house.present(CARD)
    person.sees("Carte donnée à")
    house.admits(CARD)
    house.present(NOBODYS_CARD)
    house.present(NOBODYS_CARD, "copier")
    person.open("/membres/visiteurs")
    person.press("Ajouter cette carte")
    house.present(VISITORS_CARD)
    person.sees("Carte donnée à")
    person.open("/membres/visiteurs")
    person.fill("Nom du visiteur", GUEST)
    person.choose("Invité de", MEMBER)
    person.page.locator("input[type=time]").first.fill("23:59")
    person.press("Prêter la carte")
    assert house.peers.cups is not None
    for user in (USER, STRANGER):
        house.peers.cups.print_pdf(user, 2, title=TITLE)
    until(lambda: len(house.facts("attempt-known")) == 2, 40, "the prints")
    person.open("/visites")
    person.press(f"Arrivée, {MEMBER}")
    person.press(f"Départ, {MEMBER}")


def found_in(place: str, text: str, words: tuple[str, ...]) -> list[str]:
    folded = text.casefold()
    return [f"{word!r} in {place}" for word in words if word.casefold() in folded]


def files(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            yield str(file.relative_to(folder)), f"{data.decode('utf-8', 'replace')} {data.decode('latin-1')}"


def test_people_see_names_or_the_search_proves_nothing(animator: Finger, house: LiveHouse) -> None:
    animator.open("/membres")
    animator.sees(MEMBER)
    animator.open("/impressions")
    animator.sees(STRANGER)
    roster = (house.state / "roster.db").read_bytes() + (house.state / "roster.db-wal").read_bytes()
    assert MEMBER.encode() in roster
    assert USER.encode() in roster


def test_machines_and_strangers_find_nothing(animator: Finger, house: LiveHouse, messages: FarEnd) -> None:
    for path in ("/", "/porte", "/visites"):
        animator.open(path)  # looking leaves nothing in the log either
    places = {
        "the services' log": house.log.read_text(encoding="utf-8"),
        "/metrics": house.get("/metrics"),
        "/metrics/billing": house.get("/metrics/billing", Authorization=f"Bearer {TOKEN}"),
        "/etat.json": house.get("/etat.json"),
        "/ecran": house.get("/ecran"),
        "the messages": " ".join(f"{title} {text}" for title, text in messages.taken),
        "ledger export": house.gardien("ledger", "export"),
        "ledger tail": house.gardien("ledger", "tail"),
        "status": house.gardien("status", code=None),
        "statement": house.gardien("statement", f"{datetime.now(ZoneInfo('Europe/Paris')):%Y-%m}"),
        **{f"run/{name}": text for name, text in files(house.run)},
        **{f"state/{name}": text for name, text in files(house.state) if name.startswith("ledger.db")},
    }
    for path in ("/entrer", "/premiere-fois", "/moi/entrer", "/qr", "/accessibilite", "/membres", "/porte"):
        places[f"{path} for a stranger"] = house.get(path)
    assert len(messages.taken) > 0
    assert [found for place, text in places.items() for found in found_in(place, text, (*NOWHERE, *OF_PEOPLE))] == []


def test_titles_cards_and_secrets_are_in_no_file_of_ours(animator: Finger, house: LiveHouse) -> None:
    animator.open("/compte")
    kept = [*files(house.state), *files(house.run), ("log", house.log.read_text(encoding="utf-8"))]
    assert len(kept) > 5
    assert [found for place, text in kept for found in found_in(place, text, NOWHERE)] == []


def test_a_member_sees_nobody_else(animator: Finger, house: LiveHouse, browser: Browser) -> None:
    others = tuple(name for name in NAMES if name not in {OTHER, "Quatrevents"})
    member = Finger(browser, house.url)
    try:
        member_enters(member, animator, "m002")
        member.sees(OTHER)
        pages = ("/moi", "/", "/membres", "/membre/m001", "/visites", "/porte", "/impressions", "/horaires", "/compte")
        shown = {path: member.page.goto(path) for path in pages}
        refused = {path: answer.status for path, answer in shown.items() if answer is not None and answer.status != 200}
        assert refused == dict.fromkeys(pages[2:], 403)
        assert shown["/"] is not None
        assert shown["/"].url.endswith("/moi")  # the way home of a member
        texts = {path: seen_by(member, path) for path in pages}
        found = [one for path, text in texts.items() for one in found_in(path, text, (*others, *NOWHERE, STRANGER))]
        assert found == []
    finally:
        member.close()


def seen_by(member: Finger, path: str) -> str:
    member.page.goto(path)
    return member.page.content()
