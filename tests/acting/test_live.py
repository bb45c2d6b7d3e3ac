"""Open pages of a running site: what happens is on them within two seconds, and a source that dies is said so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.acting.hands import Finger, chromium, needs_chromium
from tests.acting.house import LiveHouse, until

pytestmark = [pytest.mark.peers, pytest.mark.alone, needs_chromium]


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
    person.claim(house.code(), "Camille")
    yield person
    person.close()


def test_a_fact_is_on_an_open_page_within_two_seconds(animator: Finger, house: LiveHouse) -> None:
    animator.open("/")
    event = animator.page.locator("#today .events li").filter(has_text="carte inconnue")
    expect(event).to_have_count(0)
    began = time.monotonic()
    house.present("0F0F0F0F0F")
    expect(event).to_have_count(1, timeout=2000)
    assert time.monotonic() - began <= 2.0


@pytest.mark.parametrize("path", ["/", "/ecran"])
def test_an_open_page_says_when_a_source_is_dead(path: str, animator: Finger, house: LiveHouse) -> None:
    until(lambda: "adsl1" in house.get("/etat.json") and "all-unknown" not in house.get("/etat.json"), 60, "links")
    animator.open(path)
    verdict = animator.page.locator("#verdict .sentence")
    expect(verdict).not_to_contain_text("Nous ne savons pas")
    with house.stopped("links"):
        expect(verdict).to_contain_text("Nous ne savons pas", timeout=30_000)
    expect(verdict).not_to_contain_text("Nous ne savons pas", timeout=30_000)


@pytest.mark.soak  # half a minute of silence; tests/views/test_browser.py has it with a clock put forward
def test_an_open_page_says_when_the_page_service_itself_is_dead(animator: Finger, house: LiveHouse) -> None:
    animator.open("/ecran")
    verdict = animator.page.locator("#verdict .sentence")
    expect(verdict).not_to_contain_text("Nous ne savons pas")
    with house.stopped("web"):
        expect(verdict).to_contain_text("Nous ne savons pas", timeout=32_000)
    expect(verdict).not_to_contain_text("Nous ne savons pas", timeout=30_000)


def test_the_screen_at_the_copier_answers_a_badge_and_says_when_nobody_answers(
    animator: Finger, house: LiveHouse
) -> None:
    animator.open("/copieur")
    said = animator.page.locator("#said .sentence")
    expect(said).to_have_text("Posez votre badge", timeout=30_000)
    house.present("0F0F0F0F0F", "copier")
    expect(said).to_have_text("Carte inconnue", timeout=20_000)
    with house.stopped("web"):
        expect(said).to_have_text("Nous ne savons pas ce qui attend", timeout=30_000)
    expect(said).not_to_have_text("Nous ne savons pas ce qui attend", timeout=30_000)
