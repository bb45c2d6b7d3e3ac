"""A member's own data as a file to take away (GDPR articles 15 and 20): one ZIP with CSV for people, JSON for machines.

The one idea: what is written here is what the page shows, all of it. CSV as French spreadsheets read it by double-click
(UTF-8 with BOM, `;`, CRLF, cells that would run as a formula guarded); JSON with ISO 8601 instants and their offset.
Pure: values in, bytes out.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from agent.memory.codec import canonical
from agent.views.exports import guarded, render
from agent.views.own import Own

SCHEMA = "gardien-member/1"
KINDS = {"print": "Impression", "copy": "Copie"}
README = """Vos données chez {site}, au {day}.

personne.csv     votre fiche : identifiant, nom, formule, dates, noms d'impression, nombre de cartes
visites.csv      vos visites (13 mois)
papier.csv       vos impressions et copies, en faces (13 mois) ; jamais le titre d'un document
passages.csv     vos passages à la porte (3 mois)
estimation.csv   le mois en cours, au tarif du lieu, s'il y en a un ; ce n'est pas une facture
donnees.json     les mêmes données, pour un programme

Le numéro de votre carte n'est conservé nulle part : seulement une empreinte, qui ne permet pas de le retrouver.
Une erreur ? {ask}, ou écrivez à : {contact}
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the roster says of somebody."""

    id: str
    name: str
    formula: str
    since: date
    until: date | None
    print_names: tuple[str, ...]
    cards: int
    blocked: int


def archive(who: Identity, own: Own, site: tuple[str, str], contact: str, now: datetime, ask: str = "") -> bytes:
    """Return the ZIP. `site`: its name and code; `now` is aware, on the site's wall clock.

    `ask`: whom people turn to where there is no animator.
    """
    name, code = site
    zone = now.tzinfo
    assert zone is not None
    files = {
        "LISEZMOI.txt": _readme(name, now, contact, ask).encode(),
        "personne.csv": _table(("Rubrique", "Valeur"), _identity_rows(who)),
        "visites.csv": _table(VISITS, _visit_rows(own, zone, "page" if ask else "animateur")),
        "papier.csv": _table(PAPER, _paper_rows(own)),
        "passages.csv": _table(PASSAGES, _passage_rows(own)),
        "donnees.json": (canonical(_whole(who, own, site, now)) + "\n").encode(),
    }
    if own.estimate is not None:
        files["estimation.csv"] = render(own.estimate, "csv", code)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for file, content in files.items():
            info = zipfile.ZipInfo(file, now.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            packed.writestr(info, content)
    return buffer.getvalue()


VISITS = ("Arrivée", "Départ", "Minutes", "Formule", "Noté par", "Minutes à vérifier")
PAPER = ("Date", "Appareil", "Sorte", "Faces noir et blanc", "Faces couleur", "Au moins", "Au plus")
PASSAGES = ("Date", "Lecteur", "Accepté", "Règle")
BY = {
    "badge": "carte",
    "closing": "fermeture (proposée)",
    "last-seen": "dernière trace (proposée)",
}


def _readme(name: str, now: datetime, contact: str, ask: str) -> str:
    turn = f"Adressez-vous à : {ask}" if ask else "Parlez-en à l'animateur"
    return README.format(site=name, day=f"{now:%d/%m/%Y}", ask=turn, contact=contact or ask or "l'animateur")


def _table(head: Sequence[str], rows: Iterable[Sequence[str | int]]) -> bytes:
    text = io.StringIO(newline="")
    lines = csv.writer(text, delimiter=";", lineterminator="\r\n")
    lines.writerow(head)
    lines.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _said(at: datetime) -> str:
    return f"{at:%d/%m/%Y %H:%M}"


def _identity_rows(who: Identity) -> list[tuple[str, str | int]]:
    return [
        ("Identifiant", who.id),
        ("Nom", who.name),
        ("Formule", who.formula),
        ("Depuis", f"{who.since:%d/%m/%Y}"),
        ("Jusqu'au", f"{who.until:%d/%m/%Y}" if who.until else ""),
        ("Noms d'impression", ", ".join(who.print_names)),
        ("Cartes", who.cards),
        ("Cartes bloquées", who.blocked),
    ]


def _visit_rows(own: Own, zone: tzinfo, hand: str) -> Iterable[tuple[str | int, ...]]:
    for one in own.visits:
        ended = _said(one.ended.astimezone(zone)) if one.ended else ""
        yield (
            _said(one.started.astimezone(zone)),
            ended,
            one.minutes,
            one.formula,
            BY.get(one.by, hand),
            own.open_minutes(one),
        )


def _paper_rows(own: Own) -> Iterable[tuple[str | int, ...]]:
    for row in own.paper:
        yield _said(row.at), row.device, KINDS[row.kind], row.mono, row.colour, row.low, row.high


def _passage_rows(own: Own) -> Iterable[tuple[str | int, ...]]:
    for row in own.passages:
        yield _said(row.at), row.reader, "oui" if row.granted else "non", row.rule


def _whole(who: Identity, own: Own, site: tuple[str, str], now: datetime) -> dict[str, object]:
    zone = now.tzinfo
    return {
        "schema": SCHEMA,
        "site": {"name": site[0], "code": site[1]},
        "made": now.isoformat(timespec="seconds"),
        "person": {
            "id": who.id,
            "name": who.name,
            "formula": who.formula,
            "since": who.since.isoformat(),
            "until": who.until.isoformat() if who.until else None,
            "print_names": list(who.print_names),
            "cards": who.cards,
            "cards_blocked": who.blocked,
        },
        "visits": [
            {
                "started": one.started.astimezone(zone).isoformat(),
                "ended": one.ended.astimezone(zone).isoformat() if one.ended else None,
                "minutes": one.minutes,
                "formula": one.formula,
                "by": str(one.by),
                "minutes_to_verify": own.open_minutes(one),
            }
            for one in own.visits
        ],
        "paper": [
            {
                "at": row.at.isoformat(),
                "device": row.device,
                "kind": row.kind,
                "mono": row.mono,
                "colour": row.colour,
                "low": row.low,
                "high": row.high,
            }
            for row in own.paper
        ],
        "passages": [
            {"at": row.at.isoformat(), "reader": row.reader, "granted": row.granted, "rule": row.rule}
            for row in own.passages
        ],
    }
