"""Every page for every eye: axe-core finds no fault, in both languages, in light and dark; nothing scrolls sideways.

axe-core (Deque, MPL-2.0) checks what a machine can check of WCAG 2.2 A and AA and its own best practices. What it
cannot, people must.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page

from tests.acting.hands import Finger, chromium, needs_chromium
from tests.acting.house import LiveHouse
from tests.acting.scene import lived_in

pytestmark = [pytest.mark.peers, needs_chromium]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RUN = "axe.run({resultTypes: ['violations']}).then(done => done.violations)"
SEEN_BY_ALL = ("/entrer", "/premiere-fois", "/ecran", "/qr", "/accessibilite", "/moi")
OF_THE_ANIMATOR = (
    "/",
    "/membres",
    "/membres/importer",
    "/membres/visiteurs",
    "/membre/m001",
    "/membre/m001/effacer",
    "/visites",
    "/porte",
    "/porte/ouvrir",
    "/porte/laisser",
    "/impressions",
    "/horaires",
    "/compte",
)
ALL = (*((path, False) for path in SEEN_BY_ALL), *((path, True) for path in OF_THE_ANIMATOR))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHouse]:
    with LiveHouse(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def animator(browser: Browser, house: LiveHouse) -> Iterator[Finger]:
    person = Finger(browser, house.url)
    lived_in(person, house)
    yield person
    person.close()


@pytest.fixture(scope="module")
def anybody(browser: Browser, house: LiveHouse, animator: Finger) -> Iterator[Finger]:
    person = Finger(browser, house.url)
    yield person
    person.close()


def at(path: str, signed_in: bool, animator: Finger, anybody: Finger, language: str = "fr") -> Page:
    page = (animator if signed_in else anybody).page
    answer = page.goto(f"{path}?lang={language}")
    assert answer is not None
    assert answer.status == 200
    assert page.url.split("?")[0].endswith(path)
    return page


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    return [
        f"{one['id']}: {one['help']}: {json.dumps([node['html'][:200] for node in one['nodes']], ensure_ascii=False)}"
        for one in page.evaluate(RUN)
    ]


@pytest.mark.parametrize(("path", "signed_in"), ALL, ids=[path for path, _ in ALL])
def test_axe_finds_no_fault(path: str, signed_in: bool, animator: Finger, anybody: Finger) -> None:
    for language in ("fr", "en"):
        page = at(path, signed_in, animator, anybody, language)
        assert page.locator("html").get_attribute("lang") == language
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert faults(page) == [], (language, scheme)


SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL = """[...document.querySelectorAll("a.button, button, nav a, input, select, summary, a.language")]
    .filter(one => one.offsetParent !== null && !["hidden", "checkbox", "radio"].includes(one.type))
    .filter(one => one.getBoundingClientRect().height < 47.9)
    .map(one => one.outerHTML.slice(0, 160))"""
TICKS = """[...document.querySelectorAll("input[type=checkbox], input[type=radio]")]
    .map(one => [one, ...(one.labels ?? [])].map(part => part.getBoundingClientRect().height))
    .filter(heights => Math.max(...heights) < 47.9).length"""


@pytest.mark.parametrize(("path", "signed_in"), ALL, ids=[path for path, _ in ALL])
def test_it_fits_a_narrow_screen_and_fingers(path: str, signed_in: bool, animator: Finger, anybody: Finger) -> None:
    for language in ("fr", "en"):
        page = at(path, signed_in, animator, anybody, language)
        for width in (320, 390, 1280):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(SIDEWAYS) <= 0, (language, width)
            assert page.evaluate(SMALL) == [], (language, width)
            assert page.evaluate(TICKS) == 0, (language, width)


def test_the_seventh_tab_loads(animator: Finger) -> None:
    """HTTP/1.1 browsers hold six connections to a host: a stream per tab must not starve the next page."""
    tabs = [animator.context.new_page() for _ in range(7)]
    try:
        for tab in tabs:
            tab.goto("/", timeout=5000)
            assert tab.locator("#verdict .sentence").count() == 1
        animator.open("/membres")
        animator.sees("Ajouter un membre")
    finally:
        for tab in tabs:
            tab.close()
