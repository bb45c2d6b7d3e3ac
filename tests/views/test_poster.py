"""What hangs on the wall: two sheets of A4 with the address, how to print, the notice; and the honest statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import segno

from agent.config import Site, WebConfig
from agent.views.web.poster import qr_svg
from tests.views.hand import Hand, browse
from tests.views.scenes import SITE, house

CARD = replace(
    SITE.site,
    controller="Communauté de communes <test>",
    contact="donnees@example.org",
    address="https://192.0.2.7:8443",
    wifi="Cordée & amis",
)


def modules(svg: str) -> list[list[bool]]:
    """Read the drawing back: a path of horizontal runs, one unit a module."""
    found = re.search(r'viewBox="0 0 (\d+) (\d+)".* d="([^"]+)"', svg)
    assert found is not None
    size, x, y = int(found[1]), 0.0, 0.0
    dark = [[False] * size for _ in range(size)]
    for word, numbers in re.findall(r"([Mmh])([^Mmh]*)", found[3]):
        parts = [float(part) for part in re.findall(r"-?[\d.]+", numbers)]
        if word == "M":
            x, y = parts
        elif word == "m":
            x, y = x + parts[0], y + parts[1]
        else:
            for step in range(int(parts[0])):
                dark[int(y)][int(x) + step] = True
            x += parts[0]
    return dark


def decoded(matrix: list[list[bool]]) -> str:
    """Decode a QR code in byte mode (ISO/IEC 18004) by the standard, not by the library that drew it.

    Undamaged, so without error correction; versions 3 to 6, level Q, one or more interleaved blocks.
    """
    size = len(matrix)
    version = (size - 17) // 4
    bits15 = [matrix[8][col] for col in (0, 1, 2, 3, 4, 5, 7, 8)] + [matrix[row][8] for row in (7, 5, 4, 3, 2, 1, 0)]
    form = int("".join(str(int(bit)) for bit in bits15), 2) ^ 0b101010000010010
    level, mask = form >> 13, form >> 10 & 7
    assert level == 0b11, "level Q"
    masks: list[Callable[[int, int], bool]] = [
        lambda i, j: (i + j) % 2 == 0,
        lambda i, _: i % 2 == 0,
        lambda _, j: j % 3 == 0,
        lambda i, j: (i + j) % 3 == 0,
        lambda i, j: (i // 2 + j // 3) % 2 == 0,
        lambda i, j: i * j % 2 + i * j % 3 == 0,
        lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
        lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
    ]

    def function(i: int, j: int) -> bool:
        finder = (i < 9 and j < 9) or (i < 9 and j >= size - 8) or (i >= size - 8 and j < 9)
        centre = 4 * version + 10
        return finder or i == 6 or j == 6 or (abs(i - centre) <= 2 and abs(j - centre) <= 2)

    bits, column, up = [], size - 1, True
    while column > 0:
        column -= column == 6
        for row in range(size - 1, -1, -1) if up else range(size):
            for j in (column, column - 1):
                bits += [] if function(row, j) else [matrix[row][j] ^ masks[mask](row, j)]
        column, up = column - 2, not up
    words = [int("".join(str(int(bit)) for bit in bits[at : at + 8]), 2) for at in range(0, len(bits) - 7, 8)]
    blocks = {3: [17, 17], 4: [24, 24], 5: [15, 15, 16, 16], 6: [19, 19, 19, 19]}[version]  # data words, table 9
    data: list[list[int]] = [[] for _ in blocks]
    place = 0
    for index in range(max(blocks)):
        for block, length in enumerate(blocks):
            if index < length:
                data[block].append(words[place])
                place += 1
    stream = "".join(f"{word:08b}" for block in data for word in block)
    assert stream[:4] == "0100", "byte mode"
    length = int(stream[4:12], 2)
    return bytes(int(stream[12 + 8 * n : 20 + 8 * n], 2) for n in range(length)).decode("utf-8")


@pytest.mark.parametrize(
    "text", ["https://192.0.2.7:8443/ecran", "http://10.0.0.2/ecran", "https://morez.example.org/ecran"]
)
def test_the_code_says_the_address(text: str) -> None:
    dark = modules(str(qr_svg(text)))
    inner = [row[4:-4] for row in dark[4:-4]]
    assert not any(any(row) for row in (*dark[:4], *dark[-4:]))  # the quiet zone is white
    assert decoded(inner) == text
    assert inner == [
        [bool(bit) for bit in row] for row in segno.make(text, error="q", micro=False, boost_error=False).matrix
    ]


def opened(tmp_path: Path, site: Site, *paths: str) -> list[tuple[str, str]]:
    """Return html and text of some pages, by a browser that is nobody."""
    found: list[tuple[str, str]] = []

    async def story(hand: Hand) -> None:
        for path in paths:
            page = await hand.open(path)
            assert page.status == 200
            found.append((page.html, page.text.replace("\u00a0", " ")))

    with house(tmp_path / "house", site) as home:
        browse(home, story)
    return found


def test_the_sheets_say_where_how_and_who(tmp_path: Path) -> None:
    printers = {name: replace(one, queues=("copieur",)) for name, one in SITE.printers.items()}
    ((html, text),) = opened(tmp_path, replace(SITE, site=CARD, printers=printers), "/qr")
    for said in (
        "https://192.0.2.7:8443/ecran",
        "Rejoignez le Wi-Fi « Cordée & amis ».",
        "ajoutez l'imprimante « copieur »",
        "https://192.0.2.7:8443/moi",
        "Communauté de communes <test>",
        "Passages à la porte : 3 mois. Visites, impressions et copies qui servent à la facturation : 13 mois",
        "intérêt légitime",
        "Accès, rectification, effacement, limitation, opposition.",
        "donnees@example.org",
        "réclamation à la CNIL",
    ):
        assert said in text, said
    assert "à compléter" not in text.lower()
    assert "<test>" not in html
    svg = re.search(r'<svg[^>]*class="qr".*?</svg>', html, re.DOTALL)
    assert svg is not None
    assert 'aria-hidden="true"' in svg[0]
    assert decoded([row[4:-4] for row in modules(svg[0])[4:-4]]) == "https://192.0.2.7:8443/ecran"
    assert not re.search(r'(src|href)="(https?:)?//', html)  # nothing is fetched from elsewhere
    assert 'href="/static/poster.css"' in html


def test_what_the_site_file_does_not_say_is_shown_as_missing(tmp_path: Path) -> None:
    bare = replace(SITE, site=replace(SITE.site, controller="", contact="", address="", wifi=""))
    (_, text), (_, english) = opened(tmp_path, bare, "/qr", "/qr?lang=en")
    assert "À compléter avant d'afficher" in text
    assert "(à compléter)" in text
    assert "Rejoignez le réseau du lieu." in text
    assert re.search(r"http://127\.0\.0\.1:\d+/ecran", text)  # as this page was reached
    assert "(to be filled in)" in english


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("192.0.2.7:80", "http://192.0.2.7/ecran"),
        ("192.0.2.7:8080", "http://192.0.2.7:8080/ecran"),
        ("0.0.0.0:80", "http://192.0.2.7/ecran"),
    ],
)
def test_a_site_with_a_plain_wall_sends_people_there(tmp_path: Path, listen: str, where: str) -> None:
    site = replace(SITE, site=CARD, web=WebConfig(public_listen=listen))
    ((html, text),) = opened(tmp_path, site, "/qr")
    assert where in text
    assert decoded([row[4:-4] for row in modules(html)[4:-4]]) == where


def test_without_a_door_there_is_no_notice(tmp_path: Path) -> None:
    ((_, text),) = opened(tmp_path, replace(SITE, door=None, readers={}, printers={}), "/qr")
    assert "Cartes d'accès" not in text
    assert "ajoutez l'imprimante que l'animateur vous montre" in text


def test_it_is_made_for_a4_and_prints_without_the_page_around_it(tmp_path: Path) -> None:
    ((css, _),) = opened(tmp_path, SITE, "/static/poster.css")
    assert "@page { size: A4;" in css
    printed = css.split("@media print {")[1]
    assert ".top, .nav, .flash, footer, .unprinted, .skip { display: none; }" in printed
    assert "break-after: page" in printed


def test_the_statement_claims_nothing(tmp_path: Path) -> None:
    site = replace(SITE, site=CARD)
    (_, text), (_, english), (home, _) = opened(tmp_path, site, "/accessibilite", "/accessibilite?lang=en", "/entrer")
    assert "Accessibilité : non conforme" in text
    assert "Aucun audit de conformité n'a été réalisé" in text
    assert "Aucune personne handicapée et aucun lecteur d'écran n'ont encore participé" in text
    assert "Défenseur des droits" in text
    assert "donnees@example.org" in text
    assert "Accessibility: not compliant" in english
    assert 'href="/accessibilite"' in home.split("<footer>")[1]
