"""The gate of the acting pages: who somebody is, what they may do, what they sent, and what they are answered.

The one idea: a page says `@needs(Role.ANIMATOR)`, takes `await form(request)`, does its thing, and ends in
`back(...)` or `page(...)`; cookies, tokens, bounds and delays are minded here and in `guard`, once. Everything works
without JavaScript: a form, a redirect (RFC 9110 section 15.4.4), one sentence said once.

A browser's cookie holds 256 random bits. Signed in, they name a session kept on the server by their hash; before that
they name nothing and only tie a form to its browser: the token in each form is a keyed hash of the cookie. Signing in
makes a new cookie, so that one planted beforehand is worth nothing. Over TLS the cookie is `__Host-gardien`, Secure
(RFC 6265bis section 4.1.3); on plain HTTP, for the demo on its own machine, `gardien`, SameSite=Strict.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment
from markupsafe import Markup

from agent.config import Places, Site
from agent.memory.accounts import AccountStore, hash_secret, secret_is
from agent.memory.ledger import Ledger, LedgerError
from agent.memory.roster import RosterStore
from agent.rules.access import Acted, Role, may
from agent.rules.facts import Fact
from agent.rules.patience import PIN, Slowness
from agent.views.web.notdone import NOT_DONE
from agent.views.words import LANGUAGES, Words, words
from drivers.contract import Clock

__all__ = ["GATE", "Account", "Gate", "Role", "audit", "back", "form", "needs", "page", "stepped_up", "upload"]

COMMIT_S = 5.0  # how long a person waits for the disk before being told
FLASHES = 200  # sentences waiting to be said
HASHERS_WAITING = 8  # tries of passwords that may wait for the one before them
FORM_FIELD = "csrf"

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Account:
    """Who acts: an id for the ledger ("a1", or a member's "m042"), and what they may do."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Caller:
    """The browser that asks: its cookie, and whose session it names."""

    secret: str  # the cookie; "" for a browser that has none yet
    account: Account | None = None
    mark: str = ""  # the session's name on a page


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form brought."""

    fields: dict[str, str]
    file: bytes = b""


CALLER = web.RequestKey("caller", Caller)
SENT = web.RequestKey("sent", Sent)  # the form, read and checked by `guard`
COOKIE = web.RequestKey("cookie", str)  # a new cookie to be set
COOKIE_ENDS = web.RequestKey("cookie_ends", datetime)

# Where the nav leads, in its order: path, wording key, role. Pages that are not there are left out.
NAV = (
    ("/", "nav.state", Role.ANIMATOR),
    ("/internet", "nav.internet", Role.ANIMATOR),
    ("/membres", "nav.members", Role.ANIMATOR),
    ("/visites", "nav.visits", Role.ANIMATOR),
    ("/porte", "nav.door", Role.ANIMATOR),
    ("/impressions", "nav.paper", Role.ANIMATOR),
    ("/horaires", "nav.hours", Role.ANIMATOR),
    ("/moi", "nav.me", Role.MEMBER),
    ("/compte", "nav.account", Role.ANIMATOR),
)


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the nav."""

    path: str
    name: str
    here: bool


class Gate:
    """What the acting pages of one site share. One per application, on its event loop."""

    def __init__(self, site: Site, env: Environment, accounts: AccountStore, ledger: Ledger, clock: Clock) -> None:
        self.site, self.env, self.accounts, self.ledger, self.clock = site, env, accounts, ledger, clock
        self.zone = ZoneInfo(site.site.timezone)
        self.secure = site.web.encrypted
        self.cookie = "__Host-gardien" if self.secure else "gardien"
        self.paths: frozenset[str] = frozenset()  # the pages that are there; set once the routes are
        self._flashes: OrderedDict[str, tuple[str, Mapping[str, str | int]]] = OrderedDict()
        self._hashing = asyncio.Lock()
        self._waiting = 0

    # --- cookies and tokens ----------------------------------------------------------------------------------

    def caller(self, request: web.Request) -> Caller:
        """Return whose browser this is, by its cookie."""
        secret = request.cookies.get(self.cookie, "")
        if not 32 <= len(secret) <= 64:
            return Caller("")
        session = self.accounts.session(secret)
        if session is None:
            return Caller(secret)
        return Caller(secret, Account(session.account, session.role), session.mark)

    def token(self, request: web.Request) -> str:
        """Return the token of this browser's forms; a browser without a cookie gets one with this answer."""
        secret = request.get(COOKIE) or request[CALLER].secret
        if not secret:
            secret = request[COOKIE] = secrets.token_urlsafe(32)
        return self.accounts.keyed(f"form:{secret}")

    def token_is(self, request: web.Request, given: str) -> bool:
        """Tell whether a form is one that we gave to this browser."""
        secret = request[CALLER].secret
        return bool(secret) and hmac.compare_digest(given.encode(), self.accounts.keyed(f"form:{secret}").encode())

    def sign_in(self, request: web.Request, account: Account) -> None:
        """Begin a session for `account`: the answer to this request carries a new cookie, the old one is dead."""
        old = request[CALLER]
        if old.account is not None:
            self.accounts.end_session(old.mark, old.account.id)
        request[COOKIE], request[COOKIE_ENDS] = self.accounts.begin(account.id, account.role)
        mark = self.accounts.keyed(request[COOKIE])
        request[CALLER] = Caller(request[COOKIE], account, mark)

    def sign_out(self, request: web.Request) -> None:
        """End this browser's session."""
        caller = request[CALLER]
        if caller.account is not None:
            self.accounts.end_session(caller.mark, caller.account.id)
        request[COOKIE] = secrets.token_urlsafe(32)
        request[CALLER] = Caller(request[COOKIE])

    def set_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put the new cookie, if there is one, into the answer."""
        secret, ends = request.get(COOKIE), request.get(COOKIE_ENDS)
        if secret is None:
            return
        lasts = None if ends is None else int((ends - self.clock.now().utc).total_seconds())
        response.set_cookie(
            self.cookie,
            secret,
            max_age=lasts,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax" if self.secure else "Strict",
        )

    # --- secrets ---------------------------------------------------------------------------------------------

    async def hash(self, secret: str) -> str:
        """Hash a password or PIN off the loop, one at a time."""
        async with self._hashing:
            return await asyncio.to_thread(hash_secret, secret)

    async def check(self, hashed: str, secret: str, subjects: Mapping[str, Slowness]) -> tuple[bool, float]:
        """Try a secret. Returns (right, seconds to wait): a try that must wait is not looked at.

        Tries take turns, so that many at once count as many. Failures count against every subject; the right secret
        makes them forgotten.
        """
        if self._waiting >= HASHERS_WAITING:
            return False, 2.0
        self._waiting += 1
        try:
            async with self._hashing:
                wait = max(self.accounts.wait_s(subject, slow) for subject, slow in subjects.items())
                if wait > 0:
                    return False, wait
                right = await asyncio.to_thread(secret_is, hashed, secret)
                for subject, slow in subjects.items():
                    if right:
                        self.accounts.forgive(subject)
                    else:
                        self.accounts.failed(subject, slow)
                return right, 0.0
        finally:
            self._waiting -= 1

    # --- words -----------------------------------------------------------------------------------------------

    def flash(self, request: web.Request, key: str, values: Mapping[str, str | int]) -> None:
        """Keep one sentence for this browser's next page. Kept here, not in the address: it may hold a name."""
        self.token(request)  # a browser without a cookie gets one to be known by
        name = self.accounts.keyed(request.get(COOKIE) or request[CALLER].secret)
        self._flashes[name] = (key, values)
        while len(self._flashes) > FLASHES:
            self._flashes.popitem(last=False)

    def take_flash(self, request: web.Request, t: Words) -> tuple[str, bool]:
        """Return the sentence that waits for this browser, once, and whether it says no."""
        secret = request[CALLER].secret
        found = self._flashes.pop(self.accounts.keyed(secret), None) if secret else None
        return ("", False) if found is None else (t(found[0], **found[1]), found[0] in NOT_DONE)

    def nav(self, request: web.Request, t: Words) -> list[Link]:
        """Return where this browser may go."""
        account = request[CALLER].account
        if account is None:
            return []
        return [
            Link(path, t(key), request.path == path)
            for path, key, role in NAV
            if path in self.paths and may(account.role, role)
        ]


GATE = web.AppKey("gate", Gate)
LEDGER = web.AppKey("ledger", Ledger)  # what pages read and ask through
ROSTER = web.AppKey("roster", RosterStore)
PLACES = web.AppKey("places", Places)
CLOCK = web.AppKey("clock", Clock)


def language(request: web.Request) -> str:
    """Return the language of this answer: the one asked for, else the browser's last, else the site's."""
    for asked in (request.query.get("lang", ""), request.cookies.get("lang", "")):
        if asked in LANGUAGES:
            return asked
    return request.app[GATE].site.site.language


def words_of(request: web.Request) -> Words:
    """Return the words of this answer: its language, and whom this site's people turn to."""
    return words(language(request), request.app[GATE].site.site.asked_instead)


def account_of(request: web.Request) -> Account:
    """Return who acts. Only under `needs`."""
    account = request[CALLER].account
    assert account is not None, "a page asks who acts without saying whom it needs"
    return account


def needs(role: Role) -> Callable[[Handler], Handler]:
    """Let only people with `role` in: others sign in first (303), or are told that it is not theirs (403)."""

    def guarding(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            account = request[CALLER].account
            if account is None:
                return web.Response(status=303, headers={"Location": _door(request)})
            if not may(account.role, role):
                return page(request, "refused.html", title="refused.title", status=403, why="refused.role")
            return await handler(request)

        return guarded

    return guarding


def _door(request: web.Request) -> str:
    """Return where somebody unknown goes first: to sign in, or to claim the first account."""
    if not request.app[GATE].accounts.claimed():
        return "/premiere-fois"
    reads = request.method in {"GET", "HEAD"}
    wanted = request.path_qs if reads else urlsplit(request.headers.get("Referer", "")).path or "/"
    return f"/entrer?next={quote(wanted, safe='/')}"


async def form(request: web.Request) -> dict[str, str]:
    """Return the fields of the form that was sent; its token is already checked and left out."""
    return dict(request[SENT].fields)


async def upload(request: web.Request) -> tuple[dict[str, str], bytes]:
    """Return the fields and the one file of a form with a file; b"" if none was chosen."""
    return dict(request[SENT].fields), request[SENT].file


class Token:
    """The hidden input of a form. Made where a template prints it: a page without a form leaves no cookie."""

    def __init__(self, request: web.Request) -> None:
        self._request = request

    def __html__(self) -> str:
        """Return the input."""
        token = self._request.app[GATE].token(self._request)
        return str(Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, token))


def frame(request: web.Request) -> dict[str, object]:
    """Return what base.html needs, whatever the page."""
    gate, t = request.app[GATE], words_of(request)
    flash, not_done = gate.take_flash(request, t)
    return {
        "t": t,
        "site": gate.site.site.name,
        "phone": gate.site.site.help_phone,
        "other": "en" if t.language == "fr" else "fr",
        "path": request.path,
        "nav": gate.nav(request, t),
        "account": request[CALLER].account,
        "csrf": Token(request),
        "flash": flash,
        "not_done": not_done,
        "zone": gate.zone,
    }


def page(request: web.Request, template: str, *, title: str, status: int = 200, **values: object) -> web.Response:
    """Render a template that extends base.html. `title` is a wording key; `values` are the template's own."""
    given = frame(request)
    t = given["t"]
    assert isinstance(t, Words)
    html = request.app[GATE].env.get_template(template).render(**{**given, "title": t(title), **values})
    return web.Response(text=html, content_type="text/html", status=status)


def back(request: web.Request, path: str, key: str = "", **values: str | int) -> web.HTTPSeeOther:
    """Send the browser on after a form was done, with one sentence (a wording key) to be said there, once.

    May be returned or raised.
    """
    if key:
        request.app[GATE].flash(request, key, values)
    return web.HTTPSeeOther(path)


async def write(request: web.Request, fact: Fact) -> None:
    """Write a fact and wait until it is on the disk; an answer 503 ends the request if that fails."""
    gate = request.app[GATE]
    try:
        written = gate.ledger.append(fact, gate.clock.now(), uuid.uuid4().hex)
        async with asyncio.timeout(COMMIT_S):
            await asyncio.shield(written)
    except (LedgerError, TimeoutError) as error:
        log.warning("%s is not written: %s", fact.kind, error or "the disk is slow")
        raise web.HTTPServiceUnavailable from error


async def audit(request: web.Request, action: str, subject: str = "") -> None:
    """Write who did what: `action` is a word of the code, `subject` an id, never a name."""
    await write(request, Acted(account_of(request).id, action, subject))


async def stepped_up(request: web.Request, pin: str) -> bool:
    """Tell whether the PIN is this account's. Five wrong ones, and each further try waits a quarter of an hour."""
    gate, actor = request.app[GATE], account_of(request).id
    known = gate.accounts.account(actor)
    right, _ = await gate.check(known.pin if known else "", pin, {f"pin:{actor}": PIN})
    return right
