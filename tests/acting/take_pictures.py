"""Take the README's pictures of the acting pages, on a phone. `python -m tests.acting.take_pictures [FOLDER]`.

Starts a house of its own, lets its animator use it for a while (`scene`), and writes one picture per page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.acting.hands import Finger, chromium
from tests.acting.house import LiveHouse
from tests.acting.scene import lived_in

HERE = Path(__file__).parents[1] / "views" / "pictures"
PAGES = {
    "entrer": "/entrer",
    "premiere-fois": "/premiere-fois",
    "ecran": "/ecran",
    "etat": "/",
    "internet": "/internet",
    "membres": "/membres",
    "membre": "/membre/m001",
    "membre-effacer": "/membre/m001/effacer",
    "membres-importer": "/membres/importer",
    "visiteurs": "/membres/visiteurs",
    "visites": "/visites",
    "porte": "/porte",
    "porte-ouvrir": "/porte/ouvrir",
    "porte-laisser": "/porte/laisser",
    "impressions": "/impressions",
    "horaires": "/horaires",
    "compte": "/compte",
    "qr": "/qr",
    "accessibilite": "/accessibilite",
}
README = ("etat", "membre", "visites", "porte-ouvrir", "impressions", "horaires")
TALL = 1400  # what the README shows of a page, at most


def take(folder: Path, names: tuple[str, ...], scheme: str = "light") -> None:
    """Take the pictures of these pages."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        LiveHouse(Path(home) / "house") as house,
        chromium() as browser,
    ):
        animator = Finger(browser, house.url, color_scheme=scheme)
        lived_in(animator, house)
        for name in names:
            animator.open(PAGES[name])
            size = animator.page.evaluate("document.documentElement.scrollHeight")
            whole = {"x": 0, "y": 0, "width": 390, "height": min(size, TALL) if folder == HERE else size}
            animator.page.screenshot(path=folder / f"{name}.png", clip=whole, full_page=True)
        animator.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]), tuple(PAGES), *sys.argv[2:])
    else:
        take(HERE, README)
