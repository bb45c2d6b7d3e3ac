"""Three ways to use the pages in a real browser (headless Chromium, 390 px wide) by what a person can see or hear.

`Finger` taps; `Plain` taps where no JavaScript runs; `Keys` has no pointer at all: Tab, arrows, Enter, typing. Every
control is found as assistive technology finds it, by role and accessible name (WAI-ARIA 1.2); Keys must then reach it
with Tab alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, expect, sync_playwright

PHONE = {"width": 390, "height": 844}
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
TABS_MOST = 150
PASSWORD, PIN = "un cheval bleu qui lit", "395172"
WAIT_MS = 10_000

needs_chromium = pytest.mark.skipif(
    not shutil.which("chromium"), reason="no chromium on this machine: install the Debian package"
)
expect.set_options(timeout=WAIT_MS)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium: the browsers that Playwright brings along are not needed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*QUIET, "--disable-sync", "--no-first-run", "--lang=en-US"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Finger:
    """A phone with JavaScript."""

    script = True
    name = "finger"

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context: BrowserContext = browser.new_context(
            base_url=url,
            viewport=PHONE,
            has_touch=True,
            locale="fr-FR",
            timezone_id="Europe/Paris",
            java_script_enabled=self.script,
            **options,
        )
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:  # what was refused is said on the page
            self.complaints.append(message.text)

    def close(self) -> None:
        self.context.close()

    # --- finding -----------------------------------------------------------------------------------------------

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name).first

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name).first

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True).first

    def sees(self, text: str, within_s: float = WAIT_MS / 1000) -> None:
        expect(self.page.locator("body")).to_contain_text(text, timeout=within_s * 1000)

    # --- doing -------------------------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        self.page.goto(path)

    def use(self, control: Locator) -> None:
        """Press a button, follow a link, tick a box."""
        control.tap()

    def go(self, control: Locator) -> None:
        """Use what leads to another page, and wait for that page."""
        try:
            with self.page.expect_navigation():
                self.use(control)
        except Error as error:
            if "ERR_ABORTED" not in str(error):
                raise
            self.page.wait_for_load_state()  # a page that asks again by itself was just doing so: ours came instead

    def press(self, name: str) -> None:
        self.go(self.button(name))

    def follow(self, name: str) -> None:
        self.go(self.link(name))

    def fill(self, label: str, text: str) -> None:
        self.write(self.field(label), text)

    def write(self, field: Locator, text: str) -> None:
        field.fill(text)

    def choose(self, label: str, option: str) -> None:
        self.pick(self.field(label), option)

    def pick(self, field: Locator, option: str) -> None:
        field.select_option(label=option)

    def claim(self, code: str, name: str) -> None:
        """Make an account with a one-time code."""
        self.open("/premiere-fois")
        self.fill("Code", code)
        self.fill("Votre nom", name)
        self.fill("Mot de passe", PASSWORD)
        self.fill("Le mot de passe, encore une fois", PASSWORD)
        self.fill("Code de la porte", PIN)
        self.press("Créer le compte")


class Plain(Finger):
    """A phone without JavaScript."""

    script = False
    name = "plain"


class Keys(Finger):
    """A keyboard and nothing else."""

    name = "keys"

    def reach(self, control: Locator) -> None:
        """Go to a control with Tab alone; what is not reached so is not there for this person."""
        handle = control.element_handle()
        for _ in range(TABS_MOST):
            if handle.evaluate("one => one === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {control}")

    def use(self, control: Locator) -> None:
        kind = control.get_attribute("type")
        if kind == "radio":
            return self.turn_to(control)
        self.reach(control)
        return self.page.keyboard.press("Space" if kind == "checkbox" else "Enter")

    def turn_to(self, radio: Locator) -> None:
        """Come to a group of radio buttons, which is one stop of Tab, and go to one of them with the arrows."""
        group = self.page.locator(f"input[type=radio][name={radio.get_attribute('name')}]")
        self.reach(group.first)
        self.page.keyboard.press("Space")
        for _ in range(group.evaluate_all("(all, one) => all.indexOf(one)", radio.element_handle())):
            self.page.keyboard.press("ArrowDown")
        assert radio.is_checked()

    def write(self, field: Locator, text: str) -> None:
        self.reach(field)
        kind = field.get_attribute("type")
        if kind in ("date", "time"):
            field.press_sequentially(typed(kind, text))
            assert field.input_value() == text
            return
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def pick(self, field: Locator, option: str) -> None:
        self.reach(field)
        options = field.evaluate("one => [...one.options].map(other => other.textContent.trim())")
        self.page.keyboard.press("Home")
        for _ in range(options.index(option)):
            self.page.keyboard.press("ArrowDown")
        assert field.evaluate("one => one.selectedOptions[0].textContent.trim()") == option


def typed(kind: str, text: str) -> str:
    """Return the keys for a date or time; its parts stand as Chromium's own language has them, not the page's."""
    if kind == "time":
        hour, minute = map(int, text.split(":"))
        return f"{(hour + 11) % 12 + 1:02d}{minute:02d}{'PM' if hour > 11 else 'AM'}"
    year, month, day = text.split("-")
    return f"{month}{day}{year}"


HANDS: tuple[type[Finger], ...] = (Finger, Plain, Keys)
