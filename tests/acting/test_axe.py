"""Every page for every eye: axe-core finds no fault, in both languages, in light and dark; nothing scrolls sideways.

axe-core (Deque, MPL-2.0) checks what a machine can check of WCAG 2.2 A and AA and its own best practices. What it
cannot, people must.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page

from tests.acting.hands import QUIET, Finger, chromium, needs_chromium
from tests.acting.house import LiveHouse, until
from tests.acting.scene import lived_in, member_enters

pytestmark = [pytest.mark.peers, needs_chromium]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RUN = "axe.run({resultTypes: ['violations']}).then(done => done.violations)"
SEEN_BY_ALL = ("/entrer", "/premiere-fois", "/ecran", "/qr", "/accessibilite", "/certificat", "/copieur", "/moi/entrer")
OF_THE_ANIMATOR = (
    "/",
    "/internet",
    "/membres",
    "/membres/importer",
    "/membres/visiteurs",
    "/membres/comptes",
    "/membre/m001",
    "/membre/m001/effacer",
    "/visites",
    "/visites/ajouter",
    "/porte",
    "/porte/ouvrir",
    "/porte/laisser",
    "/porte/confiner",
    "/porte/reservations",
    "/impressions",
    "/impressions/compteurs",
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
        for width in (195, 320, 390, 1280):  # 195: a phone of 390, enlarged to 200 %
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate(SIDEWAYS) <= 0, (language, width)
            assert page.evaluate(SMALL) == [], (language, width)
            assert page.evaluate(TICKS) == 0, (language, width)


def clean(page: Page) -> None:
    """Look at the page as it stands: in light and dark, on a narrow screen too."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == [], (page.url, scheme)
    for width in (320, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(SIDEWAYS) <= 0, (page.url, width)
        assert page.evaluate(SMALL) == [], (page.url, width)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_pages_on_the_way_are_as_good(language: str, animator: Finger) -> None:
    """What only a step before leads to: a wait, a question, a correction, a refusal."""
    page = animator.page
    page.goto(f"/membre/m002?lang={language}")
    animator.go(page.locator("form[action$='/carte'] button"))
    clean(page)
    animator.go(page.locator("form[action$='/annuler'] button"))
    clean(page)
    page.goto("/membre/m001")
    animator.go(page.locator("a[href$='/bloquer']"))
    clean(page)
    page.goto("/visites")
    animator.go(page.locator("a[href^='/visites/corriger']").first)
    clean(page)
    page.goto("/impressions")
    paper = page.locator("form[action='/impressions/attribuer'] [name=paper]").first.input_value()
    page.goto(f"/impressions/attribuer?paper={quote(paper)}")
    clean(page)
    page.goto("/membres/importer")
    page.locator("#file").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"nom;formule\nEve;rien\n"}
    )
    animator.go(page.locator("form[enctype] button"))
    clean(page)


def test_an_outage_and_its_month_are_as_good(animator: Finger, house: LiveHouse) -> None:
    """The month of a link that was out, the form to say that it was reported, and what it answers to a bad number."""
    page = animator.page
    out = page.locator("a[href*='/internet/signaler']").first
    house.tell("cut adsl1 15s")
    until(lambda: page.goto("/internet?lang=fr") and out.count(), 60, "the outage")
    clean(page)
    animator.go(page.locator("a[href*='/internet/rapport']").first)
    clean(page)
    page.goto("/internet")
    animator.go(out)
    clean(page)
    page.locator("#reference").fill("Dupont")
    animator.go(page.locator("main form button"))
    assert page.locator("#wrong").count() == 1
    clean(page)


def a_job_waits_for(name: str, animator: Finger, house: LiveHouse) -> None:
    house.tell("print iPhone 3 held")
    animator.page.goto("/impressions?lang=fr")
    until(lambda: animator.open("/impressions") or animator.page.locator("#held-1").count() > 0, 30, "a waiting job")
    animator.page.locator("#held-1").select_option(label=name)
    animator.go(animator.page.locator("form[action='/impressions/attente'] button").first)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_members_own_page_is_as_good(language: str, animator: Finger, browser: Browser, house: LiveHouse) -> None:
    member = Finger(browser, house.url)
    try:
        member_enters(member, animator, "m002")
        waits = member.page.locator("form[action='/moi/annuler']")
        if not waits.count():  # it is there from the other language's turn
            a_job_waits_for("Bruno Lacroix", animator, house)
        until(lambda: member.open("/moi") or waits.count() > 0, 20, "a job")
        member.page.goto(f"/moi?lang={language}")
        clean(member.page)
        refused = member.page.goto("/membres")
        assert refused is not None
        assert refused.status == 403
        clean(member.page)
    finally:
        member.close()


def test_the_seventh_tab_loads(house: LiveHouse, tmp_path: Path) -> None:
    """A browser holds six connections to an HTTP/1.1 host: tabs that nobody looks at must let go of their streams.

    In real tabs of one window: Playwright keeps all of its pages visible.
    """
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ("--headless", *QUIET, "--remote-debugging-port=0", f"--user-data-dir={tmp_path}", "about:blank")
    process = subprocess.Popen([shutil.which("chromium") or "", *options], **quiet)  # type: ignore[call-overload]
    try:
        port = tmp_path / "DevToolsActivePort"
        until(lambda: port.read_text(encoding="ascii").strip(), 30, "Chromium")
        tabs = f"http://127.0.0.1:{port.read_text(encoding='ascii').split()[0]}/json"

        def loaded() -> int:
            with urllib.request.urlopen(f"{tabs}/list", timeout=10) as answer:
                return sum("La Cordée Morez" in tab["title"] for tab in json.load(answer))

        for number in range(1, 8):
            urllib.request.urlopen(urllib.request.Request(f"{tabs}/new?{house.url}/ecran", method="PUT")).close()
            until(lambda: loaded() == number, 10, f"tab {number}")  # noqa: B023  (used at once)
    finally:
        process.terminate()
        process.wait(20)
