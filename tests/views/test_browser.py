"""The page in a real browser (headless Chromium over its DevTools protocol): live, honest when cut off, and narrow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse
from aiohttp.test_utils import TestServer

from agent.views.web.pages import make_app
from tests.views.scenes import House, house, pictures, scenes, write_day

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine: install the Debian package"),
]


class Browser:
    """One tab, spoken to over the DevTools protocol."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: object) -> dict[str, object]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = json.loads((await self._socket.receive(20)).data)
            if said.get("id") == number:
                return dict(said.get("result", {}))
            if said.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.complaints.append(json.dumps(said["params"]))

    async def js(self, expression: str) -> object:
        result = (await self.call("Runtime.evaluate", expression=expression, returnByValue=True))["result"]
        assert isinstance(result, dict)
        return result.get("value")

    async def until(self, expression: str, within_s: float) -> float:
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if await self.js(expression):
                return time.monotonic() - began
            await asyncio.sleep(0.05)
        raise TimeoutError(expression)


@contextlib.asynccontextmanager
async def browsing(folder: Path, url: str) -> AsyncIterator[Browser]:
    """Open a tab on `url`."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += [
        "--disable-component-update",
        "--disable-sync",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
    ]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec("chromium", *options, "about:blank", **quiet)
    try:
        port_file = folder / "DevToolsActivePort"
        async with asyncio.timeout(30), ClientSession() as session:
            while not port_file.exists() or not port_file.read_text().strip():
                await asyncio.sleep(0.05)
            base = f"http://127.0.0.1:{port_file.read_text().split()[0]}"
            async with session.get(f"{base}/json/list") as reply:
                tab = next(one for one in await reply.json() if one["type"] == "page")
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                browser = Browser(socket)
                for domain in ("Runtime", "Log", "Page"):
                    await browser.call(f"{domain}.enable")
                await browser.call("Page.navigate", url=url)
                await browser.until("document.readyState === 'complete' && !!document.getElementById('verdict')", 10)
                yield browser
    finally:
        process.terminate()
        await process.wait()


def in_browser(tmp_path: Path, story: Callable[[Browser, House, TestServer], Awaitable[None]]) -> None:
    async def run() -> None:
        with house(tmp_path / "house") as home:
            write_day(home.ledger)
            home.paint(pictures(home.clock.now()))
            app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
            server = TestServer(app, host="127.0.0.1")
            await server.start_server()
            try:
                async with browsing(tmp_path / "chromium", str(server.make_url("/"))) as browser:
                    await story(browser, home, server)
            finally:
                await server.close()

    asyncio.run(asyncio.wait_for(run(), 60))


SMALL = (
    "[...document.querySelectorAll('a:not(.skip), button')].filter(a => a.getBoundingClientRect().height < 48).length"
)
SENTENCE = "document.querySelector('#verdict .sentence').textContent"


def test_a_changed_picture_is_on_the_screen_within_two_seconds(tmp_path: Path) -> None:
    async def story(browser: Browser, home: House, _: TestServer) -> None:
        assert await browser.js(SENTENCE) == "Tout fonctionne"
        home.paint(scenes(home.clock.now())["worst"])
        assert await browser.until(f"{SENTENCE}.includes('internet du tout')", 10) <= 2.0
        assert "pannes" in str(await browser.js("document.title"))
        assert await browser.js("document.querySelectorAll('.card.down').length") == 2
        home.paint(pictures(home.clock.now()))
        assert await browser.until(f"{SENTENCE} === 'Tout fonctionne'", 10) <= 2.0
        assert browser.complaints == []  # no exception, no refused style or script

    in_browser(tmp_path, story)


async def half_a_minute_of_silence(browser: Browser) -> None:
    """Put the page's clock forward. Again if need be: what the server said last may be heard after the first jump."""
    await browser.js("window.ahead = 0; { const now = Date.now; Date.now = () => now() + window.ahead; }")
    for _ in range(4):
        await browser.js("window.ahead += 31000")
        with contextlib.suppress(TimeoutError):
            await browser.until(f"{SENTENCE} === 'Nous ne savons pas'", 5)
            return
    raise TimeoutError("the page believes a server that is gone")


def test_a_page_that_hears_nothing_says_it_does_not_know(tmp_path: Path) -> None:
    async def story(browser: Browser, home: House, server: TestServer) -> None:
        assert await browser.js(SENTENCE) == "Tout fonctionne"
        await server.close()
        await half_a_minute_of_silence(browser)
        more = str(await browser.js("document.querySelector('#verdict .more').textContent"))
        assert "12:32:07" in more
        assert await browser.js("getComputedStyle(document.getElementById('cards')).filter") == "grayscale(1)"
        assert home.site.site.code == "morez"

    in_browser(tmp_path, story)


def test_it_fits_a_phone_and_fingers(tmp_path: Path) -> None:
    async def story(browser: Browser, home: House, server: TestServer) -> None:
        for width in (320, 390, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
            await browser.call("Emulation.setDeviceMetricsOverride", **size)
            for name in ("worst", "all-silent", "ledger"):
                home.paint(scenes(home.clock.now())[name])
                for language in ("fr", "en"):
                    await browser.call("Page.navigate", url=str(server.make_url(f"/?lang={language}")))
                    await browser.until(
                        f"document.readyState === 'complete' && document.documentElement.lang === '{language}'", 5
                    )
                    assert await browser.js("document.documentElement.scrollWidth <= innerWidth"), (name, width)
                    assert await browser.js(SMALL) == 0

    in_browser(tmp_path, story)


LONGEST_DAY = """document.querySelector('.top .soft').firstChild.textContent = 'Wednesday 30 September\\u00a0· '"""


def test_the_longest_day_of_the_year_fits_a_phone(tmp_path: Path) -> None:
    async def story(browser: Browser, home: House, server: TestServer) -> None:
        size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        await browser.call("Emulation.setDeviceMetricsOverride", **size)
        await browser.call("Page.navigate", url=str(server.make_url("/ecran?lang=en")))
        await browser.until("document.readyState === 'complete' && document.documentElement.lang === 'en'", 5)
        await browser.js(LONGEST_DAY)
        assert "Wednesday 30 September" in str(await browser.js("document.querySelector('.top').textContent"))
        assert await browser.js("document.documentElement.scrollWidth <= 320")

    in_browser(tmp_path, story)
