"""A house after some days of use, made by the hands of its animator: what pages and pictures are looked at with."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.acting.hands import Finger
from tests.acting.house import LiveHouse, until

PEOPLE = (("Anne Bailly-Salins", "abonné"), ("Bruno Lacroix", "occasionnel"), ("Chloé Perrin", "occasionnel"))


def lived_in(animator: Finger, house: LiveHouse) -> None:
    """Claim the account; members, a card, a visitor's card, visits, paper, a closure, a print name nobody has."""
    animator.claim(house.code(), "Camille")
    for name, formula in PEOPLE:
        animator.open("/membres")
        animator.fill("Nom", name)
        animator.choose("Formule", formula)
        animator.press("Ajouter")
    animator.open("/membres/comptes")
    animator.fill("Nom du projet ou de l'organisme", "Fête de la musique")
    animator.choose("Payé au prix de la formule", "abonné")
    animator.press("Ajouter")
    animator.choose("Laisser un membre l'utiliser", PEOPLE[1][0])
    animator.go(animator.page.locator("form[action$='/autoriser'] button"))
    animator.open("/membre/m001")
    animator.press("Donner une carte")
    house.present("0F00A1B2C3")
    animator.sees("Carte donnée à")
    animator.open("/membres/visiteurs")
    animator.press("Ajouter cette carte")
    house.present("0F00A1B2C4")
    animator.sees("Carte donnée à")
    for line in ("copy 4", "print anne.b 3", "print portable-inconnu 2 colour"):
        house.tell(line)
    house.admits("0F00A1B2C3")
    house.present("0FFFFFFFFF")
    animator.open("/visites")
    ago = datetime.now(ZoneInfo("Europe/Paris")) - timedelta(minutes=70)
    if ago.date() == datetime.now(ZoneInfo("Europe/Paris")).date():
        animator.choose("Quelqu'un d'autre, ou à une autre heure", PEOPLE[1][0])
        animator.fill("Heure d'arrivée", f"{ago:%H:%M}")
        animator.go(animator.page.get_by_role("button", name="Arrivée", exact=True))
    animator.press(f"Arrivée, {PEOPLE[2][0]}")
    animator.press(f"Départ, {PEOPLE[2][0]}")
    animator.open("/horaires")
    animator.press("Fermé demain : neige")
    until(lambda: animator.open("/impressions") or "portable-inconnu" in animator.page.content(), 20, "the job")


def member_enters(member: Finger, animator: Finger, identity: str) -> None:
    """A member gets a one-time code from the animator and comes in with it."""
    animator.page.goto(f"/membre/{identity}?lang=fr")
    animator.press("Faire un code")
    code = animator.page.locator("p.big").inner_text().strip()
    member.page.goto("/moi/entrer?lang=fr")
    member.fill("Code à usage unique", code)
    member.press("Entrer")
    member.sees("Mes visites")
