"""A browser without JavaScript: follows links and redirects, keeps cookies, fills in the forms it was given."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from aiohttp import ClientSession, CookieJar, FormData, TCPConnector, web

from agent.rules.access import Role
from agent.views.web.gate import GATE, Gate
from agent.views.web.listen import listening
from agent.views.web.pages import make_app
from tests.views.scenes import House

PASSWORD, PIN = "correct horse battery", "135792"


@dataclass
class Form:
    """One form of a page, with what it sends if nothing is typed."""

    action: str
    method: str
    files: bool
    fields: dict[str, str] = field(default_factory=dict)
    asks: set[str] = field(default_factory=set)  # names a person can fill in


@dataclass
class Page:
    """What was answered."""

    status: int
    path: str
    html: str
    headers: dict[str, str]
    forms: list[Form]
    text: str

    def form(self, action: str, **fields: str) -> Form:
        """Return the form that goes to `action` and already holds these fields."""
        found = [one for one in self.forms if one.action == action and fields.items() <= one.fields.items()]
        assert found, f"no form to {action} with {fields} on {self.path}: {[one.action for one in self.forms]}"
        return found[0]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.text: list[str] = []
        self._open: Form | None = None
        self._select: tuple[Form, str] | None = None
        self._area: tuple[Form, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            files = given.get("enctype") == "multipart/form-data"
            self._open = Form(given.get("action", ""), given.get("method", "get"), files)
            self.forms.append(self._open)
            if "id" in given:
                self.by_id[given["id"]] = self._open
            return
        form = self.by_id.get(given["form"]) if "form" in given else self._open
        name = given.get("name", "")
        if form is None:
            return
        if tag == "option" and self._select is not None:
            form, name = self._select
            if "selected" in given or name not in form.fields:
                form.fields[name] = given.get("value", "")
        elif not name:
            return
        elif tag == "input":
            kind = given.get("type", "text")
            if kind not in {"hidden", "submit"}:
                form.asks.add(name)
            if kind not in {"checkbox", "radio", "submit", "file"} or "checked" in given:
                form.fields[name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag == "select":
            self._select = (form, name)
            form.asks.add(name)
        elif tag == "textarea":
            self._area = (form, name)
            form.asks.add(name)
            form.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            form, name = self._area
            form.fields[name] += data
        self.text.append(data)


class Hand:
    """One person's browser, over a real connection to a running site."""

    def __init__(self, app: web.Application, session: ClientSession, origin: str) -> None:
        self.app, self.session, self.origin = app, session, origin

    @property
    def gate(self) -> Gate:
        """Return the gate of the site."""
        return self.app[GATE]

    @property
    def cookies(self) -> dict[str, str]:
        """Return what the browser keeps."""
        return {one.key: one.value for one in self.session.cookie_jar}

    async def open(self, path: str, **headers: str) -> Page:
        """Go to a page."""
        return await self._read(self.session.get(path, headers=headers))

    async def send(self, form: Form, button: tuple[str, str] | None = None, /, **typed: str | bytes) -> Page:
        """Fill a form in and send it, as a browser does: with its hidden fields, its Origin, and one button."""
        headers = {"Origin": self.origin, "Referer": f"{self.origin}/"}
        fields: dict[str, str | bytes] = {**form.fields, **typed}
        if button is not None:
            fields[button[0]] = button[1]
        body: FormData | dict[str, str | bytes] = fields
        if form.files:
            body = FormData()
            for name, value in fields.items():
                if isinstance(value, bytes):
                    body.add_field(name, value, filename="file.csv", content_type="text/csv")
                else:
                    body.add_field(name, value, content_type="text/plain;charset=utf-8")
        return await self._read(self.session.post(form.action, data=body, headers=headers))

    async def claim(self, role: Role = Role.ANIMATOR, name: str = "Camille") -> Page:
        """Make an account with a one-time code, and be signed in."""
        code = self.gate.accounts.issue(role)
        page = await self.open("/premiere-fois")
        form = page.form("/premiere-fois")
        return await self.send(form, code=code, name=name, password=PASSWORD, again=PASSWORD, pin=PIN)

    async def enter(self, name: str = "Camille", password: str = PASSWORD) -> Page:
        """Sign in."""
        page = await self.open("/entrer")
        return await self.send(page.form("/entrer"), name=name, password=password)

    async def leave(self) -> Page:
        """Sign out, from a page that is open to whoever is signed in."""
        return await self.send((await self.open("/compte")).form("/sortir"))

    async def _read(self, asked: Awaitable[object]) -> Page:
        response = await asked
        html = await response.text()  # type: ignore[attr-defined]
        forms = _Forms()
        forms.feed(html)
        forms.close()
        text = " ".join(" ".join(forms.text).split())
        headers = dict(response.headers)  # type: ignore[attr-defined]
        return Page(response.status, response.url.path, html, headers, forms.forms, text)  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def site_of(home: House) -> AsyncIterator[tuple[web.Application, str]]:
    """Run the site of `home` as the service does; yields the application and its origin."""
    app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
    async with listening(app, "127.0.0.1:0") as port:
        yield app, f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def hand_at(app: web.Application, origin: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Hand]:
    """Open a fresh browser on a running site; it trusts the certificates of `trust`."""
    connector = TCPConnector(ssl=trust or True)
    async with ClientSession(origin, cookie_jar=CookieJar(unsafe=True), connector=connector) as session:
        yield Hand(app, session, origin)


def browse(home: House, *stories: Callable[[Hand], Awaitable[None]]) -> None:
    """Run each story with a browser of its own, one after the other, on one running site."""

    async def run() -> None:
        async with site_of(home) as (app, origin):
            for story in stories:
                async with hand_at(app, origin) as hand:
                    await asyncio.wait_for(story(hand), 60)

    asyncio.run(run())
