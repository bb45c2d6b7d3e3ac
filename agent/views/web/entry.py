"""Coming in and going out: `/entrer`, `/sortir`, `/premiere-fois` (a one-time code makes an account), `/compte`.

The one idea: whoever visits first is nobody. An account is made only with a code that `gardien account claim` printed
on the box, once, within seven days. A wrong name and a wrong password get the same answer in the same time; a delay
grows, a ban never comes (`rules.patience`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from aiohttp import web

from agent.memory.accounts import AccountError
from agent.rules.access import Acted, Role
from agent.rules.folding import fold_text
from agent.rules.patience import ACCOUNT, ADDRESS, Slowness
from agent.views.web.gate import (
    CALLER,
    GATE,
    Account,
    account_of,
    audit,
    back,
    form,
    needs,
    page,
    write,
)

PASSWORD_LEAST, PASSWORD_MOST = 12, 256
HOME = {Role.ANIMATOR: "/", Role.OPS: "/", Role.MEMBER: "/moi"}


def routes(app: web.Application) -> None:
    """Add these pages."""
    app.router.add_get("/entrer", show_entry)
    app.router.add_post("/entrer", enter)
    app.router.add_post("/sortir", leave)
    app.router.add_get("/premiere-fois", show_claim)
    app.router.add_post("/premiere-fois", claim)
    app.router.add_get("/compte", show_account)
    app.router.add_post("/compte/mot-de-passe", change_password)
    app.router.add_post("/compte/code", change_pin)
    app.router.add_post("/compte/fin", end_session)


def inside(path: str) -> str:
    """Return a path of this site to go on to, or "": never another site's (RFC 3986 section 4.2)."""
    ours = re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", path)
    return path if ours else ""


def address_of(request: web.Request) -> str:
    """Return whom failures are counted against, besides the account."""
    return f"address:{request.remote}"


# --- in and out ----------------------------------------------------------------------------------------------


async def show_entry(request: web.Request) -> web.StreamResponse:
    """Show the sign-in form."""
    if not request.app[GATE].accounts.claimed():
        return back(request, "/premiere-fois")
    return _entry(request, inside(request.query.get("next", "")))


def _entry(request: web.Request, wanted: str, wrong: str = "", seconds: int = 0, name: str = "") -> web.Response:
    status = 429 if seconds else 422 if wrong else 200
    return page(
        request,
        "enter.html",
        title="enter.title",
        status=status,
        wanted=wanted,
        wrong=wrong,
        seconds=seconds,
        name=name,
    )


async def enter(request: web.Request) -> web.StreamResponse:
    """Try a name and a password."""
    gate, given = request.app[GATE], await form(request)
    name, password = given.get("name", "")[:200], given.get("password", "")[:PASSWORD_MOST]
    wanted = inside(given.get("next", ""))
    known, address = gate.accounts.named(name), address_of(request)
    subjects: dict[str, Slowness] = {address: ADDRESS}
    if known is None or not gate.accounts.knows(known.id, address):
        subjects[f"account:{fold_text(name)}"] = ACCOUNT  # counted whether there is such an account or not
    right, wait = await gate.check(known.password if known else "", password, subjects)
    if wait:
        return _entry(request, wanted, "enter.wait", _whole(wait), name)
    if not right or known is None:
        return _entry(request, wanted, "enter.wrong", 0, name)
    gate.accounts.know(known.id, address)
    gate.sign_in(request, Account(known.id, known.role))
    await audit(request, "signed-in")
    return back(request, wanted or HOME[known.role])


def _whole(seconds: float) -> int:
    return int(seconds) + 1


async def leave(request: web.Request) -> web.StreamResponse:
    """End this browser's session."""
    if request[CALLER].account is not None:
        await audit(request, "signed-out")
    request.app[GATE].sign_out(request)
    return back(request, "/entrer", "enter.left")


# --- the first time ------------------------------------------------------------------------------------------


async def show_claim(request: web.Request) -> web.Response:
    """Show the form for a one-time code."""
    return _claim(request, {})


def _claim(request: web.Request, given: Mapping[str, str], wrong: str = "", seconds: int = 0) -> web.Response:
    status = 429 if seconds else 422 if wrong else 200
    kept = {name: given.get(name, "") for name in ("code", "name")}
    return page(request, "claim.html", title="claim.title", status=status, wrong=wrong, seconds=seconds, **kept)


async def claim(request: web.Request) -> web.StreamResponse:
    """Use a one-time code: make the account it is for, and come in."""
    gate, given = request.app[GATE], await form(request)
    wait = gate.accounts.wait_s(address_of(request), ADDRESS)
    if wait:
        return _claim(request, given, "claim.wait", _whole(wait))
    code = gate.accounts.code(given.get("code", ""))
    if code is None or code.role is Role.MEMBER:
        gate.accounts.failed(address_of(request), ADDRESS)
        return _claim(request, given, "claim.code_wrong")
    wrong = wrong_claim(given)
    if wrong:
        return _claim(request, given, wrong)
    password, pin = await gate.hash(given["password"]), await gate.hash(given["pin"])
    try:
        made = gate.accounts.claim(given["code"], given["name"], password, pin)
    except AccountError as error:
        return _claim(request, given, "claim.name_taken" if error.wrong == "name" else "claim.code_wrong")
    gate.sign_in(request, Account(made.id, made.role))
    gate.accounts.know(made.id, address_of(request))
    await write(request, Acted(made.id, "account-claimed", made.id))
    return back(request, HOME[made.role], "claim.done")


def wrong_claim(given: Mapping[str, str]) -> str:
    """Return the wording key of what is wrong with a claim, or ""."""
    if not given.get("name", "").strip():
        return "claim.name_missing"
    return wrong_password(given) or wrong_pin(given)


def wrong_password(given: Mapping[str, str]) -> str:
    """Return the wording key of what is wrong with a new password typed twice, or ""."""
    password = given.get("password", "")
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        return "claim.password_short"
    return "" if password == given.get("again", "") else "claim.password_differs"


def wrong_pin(given: Mapping[str, str]) -> str:
    """Return the wording key of what is wrong with a new door code, or ""."""
    pin = given.get("pin", "")
    if not re.fullmatch(r"[0-9]{6}", pin):
        return "claim.pin_form"
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return "claim.pin_easy" if steps in ({0}, {1}, {9}) else ""


# --- one's own account ---------------------------------------------------------------------------------------


@needs(Role.ANIMATOR)
async def show_account(request: web.Request) -> web.Response:
    """Show one's name, sessions, and the forms to change password and door code."""
    return _account(request)


def _account(request: web.Request, wrong: str = "", seconds: int = 0) -> web.Response:
    gate, own = request.app[GATE], account_of(request)
    known = gate.accounts.account(own.id)
    status = 429 if seconds else 422 if wrong else 200
    return page(
        request,
        "account.html",
        title="account.title",
        status=status,
        name=known.name if known else own.id,
        role=own.role,
        sessions=gate.accounts.sessions(own.id),
        mark=request[CALLER].mark,
        wrong=wrong,
        seconds=seconds,
    )


async def _own_password(request: web.Request, password: str) -> tuple[bool, float]:
    gate, own = request.app[GATE], account_of(request)
    known = gate.accounts.account(own.id)
    hashed = known.password if known else ""
    return await gate.check(hashed, password[:PASSWORD_MOST], {f"own:{own.id}": ACCOUNT})


@needs(Role.ANIMATOR)
async def change_password(request: web.Request) -> web.StreamResponse:
    """Change one's password: the old one is asked for, all other sessions end."""
    gate, given, own = request.app[GATE], await form(request), account_of(request)
    if wrong := wrong_password(given):
        return _account(request, wrong)
    right, wait = await _own_password(request, given.get("old", ""))
    if not right:
        return _account(request, "enter.wait" if wait else "account.old_wrong", _whole(wait) if wait else 0)
    gate.accounts.change(own.id, password=await gate.hash(given["password"]))
    gate.accounts.end_sessions(own.id, request[CALLER].mark)
    await audit(request, "password-changed", own.id)
    return back(request, "/compte", "account.password_changed")


@needs(Role.ANIMATOR)
async def change_pin(request: web.Request) -> web.StreamResponse:
    """Change one's door code: the password is asked for."""
    gate, given, own = request.app[GATE], await form(request), account_of(request)
    if wrong := wrong_pin(given):
        return _account(request, wrong)
    right, wait = await _own_password(request, given.get("old", ""))
    if not right:
        return _account(request, "enter.wait" if wait else "account.old_wrong", _whole(wait) if wait else 0)
    gate.accounts.change(own.id, pin=await gate.hash(given["pin"]))
    await audit(request, "pin-changed", own.id)
    return back(request, "/compte", "account.pin_changed")


@needs(Role.ANIMATOR)
async def end_session(request: web.Request) -> web.StreamResponse:
    """End one of one's own sessions, this one included."""
    given, own = await form(request), account_of(request)
    mark = given.get("session", "")
    if mark == request[CALLER].mark:
        return await leave(request)
    if request.app[GATE].accounts.end_session(mark, own.id):
        await audit(request, "session-ended", own.id)
    return back(request, "/compte", "account.session_ended")
