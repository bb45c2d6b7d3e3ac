"""The list of members cannot be read, from one moment on or from the start: the pages stand and say so. (sim)

The real services as processes, and a browser without JavaScript over a real connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientSession, CookieJar, web

from agent.memory.accounts import AccountStore
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.access import Role
from agent.rules.facts import FormulaId
from agent.rules.pages import PagesCounted
from agent.rules.remote import OpenedRemotely
from drivers.clock import SystemClock
from drivers.contract import CardNumber
from tests.test_standing import REPO, SITE, door, gardien, picture
from tests.views.hand import PASSWORD, PIN, Hand, Page

LIMIT_S = 60.0  # four services start twice, on whatever machine
GARBAGE = b"this is no database" * 2000
CANNOT = "La liste des membres n'est plus lisible"
REMEDY = "Prévenez l'exploitation tout de suite"
PARTS = """hold_s = 0.5
[links.adsl1]
kind = "sim"
interface = "eth1"
gateway = "192.0.2.1"
[spooler]
kind = "sim"
[printers.copieur]
kind = "sim"
queues = ["copieur"]
"""
RUNNING = ("door", "web", "links", "paper")


def until(look: Callable[[], object]) -> None:
    limit_s = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < limit_s, "not within the limit"
        time.sleep(0.05)


def site_with_pages() -> tuple[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return SITE + PARTS + f'[web]\nlisten = "127.0.0.1:{port}"\n', f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def house(folder: Path, site: str) -> Iterator[list[Callable[[], int | None]]]:
    """Run door, links, paper and pages; yields how each one's process ended, if it has."""
    with contextlib.ExitStack() as running:
        processes = [running.enter_context(door(folder, one, site)) for one in RUNNING]
        until(lambda: all((folder / "run" / "live" / f"{one}.json").exists() for one in RUNNING))
        yield [process.poll for process in processes]


async def soon(hand: Hand, path: str, true: Callable[[Page], bool]) -> Page:
    """Open a page until it says what it is to say."""
    for _ in range(int(LIMIT_S / 0.2)):
        page = await hand.open(path)
        if true(page):
            return page
        await asyncio.sleep(0.2)
    raise TimeoutError(f"{path} does not say it: {page.status} {page.text}")


def listens(port: int | None) -> bool:
    with socket.socket() as asker:
        return asker.connect_ex(("127.0.0.1", port)) == 0


def visit(origin: str, jar: CookieJar, story: Callable[[Hand], Awaitable[None]]) -> None:
    """Let the one browser of this test see something, once the pages listen; it keeps its cookies."""
    until(lambda: listens(urlsplit(origin).port))

    async def run() -> None:
        async with ClientSession(origin, cookie_jar=jar) as session:
            await asyncio.wait_for(story(Hand(web.Application(), session, origin)), 3 * LIMIT_S)

    asyncio.run(run())


async def sees_it_stand(hand: Hand) -> None:
    """Look at every page: what does not need the list shows; what needs it says why it cannot; no name is anywhere."""
    page = await soon(hand, "/", lambda page: CANNOT in page.text)
    assert page.status == 200
    assert REMEDY in page.text
    assert "adsl1" in page.text  # the links are watched as ever
    assert "Le papier est compté avec la dernière liste de membres" in page.text
    pages = [page]
    page = await hand.open("/porte")
    assert page.status == 200
    assert 'href="/porte/ouvrir"' in page.html
    assert 'href="/porte/confiner"' not in page.html
    assert 'href="/porte/reservations"' not in page.html
    assert "Ouvrir la porte vous-même reste possible" in page.text
    pages.append(page)
    for path in ("/membres", "/visites", "/porte/reservations", "/membres/visiteurs", "/horaires"):
        page = await hand.open(path)
        assert page.status == 503, path
        assert "cette page en a besoin, et rien n'a été changé. Prévenez l'exploitation" in page.text, path
        pages.append(page)
    for path in ("/internet", "/compte", "/ecran", "/certificat"):
        page = await hand.open(path)
        assert page.status == 200, path
        pages.append(page)
    metrics = await hand.open("/metrics")
    assert 'gardien_scrape_error{part="roster"}' in metrics.html
    assert all("Bailly" not in page.html for page in pages)


def test_the_pages_stand_without_the_list_of_members(tmp_path: Path) -> None:
    state = tmp_path / "state"
    site, origin = site_with_pages()
    jar = asyncio.run(_jar())
    with house(tmp_path, site) as ended:
        with Ledger.open(state / "ledger.db") as ledger, RosterStore.open(state, ledger, SystemClock()) as store:
            anne = store.add_member("Anne Bailly", FormulaId("subscriber"), actor="cli", since=date(2020, 1, 1))
            key = store.give_card(anne, CardNumber("0F00A1B2C3"), actor="cli")
            store.give_alias(anne, "anne.b", actor="cli")
        with contextlib.closing(AccountStore.open(state, SystemClock())) as accounts:
            code = accounts.issue(Role.ANIMATOR)

        async def claims(hand: Hand) -> None:
            form = (await hand.open("/premiere-fois")).form("/premiere-fois")
            await hand.send(form, code=code, name="Camille", password=PASSWORD, again=PASSWORD, pin=PIN)
            assert "Anne Bailly" in (await hand.open("/membres")).text

        visit(origin, jar, claims)
        until(lambda: (state / "door.list").exists() and key.encode() in (state / "door.list").read_bytes())
        until(lambda: (state / "paper.list").exists() and key.encode() in (state / "paper.list").read_bytes())
        with contextlib.closing(sqlite3.connect(state / "roster.db")) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        good = (state / "roster.db").read_bytes()
        (tmp_path / "bad.db").write_bytes(GARBAGE)
        (tmp_path / "bad.db").replace(state / "roster.db")  # somebody restored the wrong file under them
        visit(origin, jar, sees_it_stand_running)
        assert [one() for one in ended] == [None, None, None, None]
    for part in state.glob("roster.db*"):
        part.unlink()
    (state / "roster.db").write_bytes(GARBAGE)
    shutil.rmtree(tmp_path / "run")  # the power was cut
    with house(tmp_path, site) as ended:
        visit(origin, jar, sees_it_stand)
        visit(origin, jar, opens_the_door)
        until(lambda: opened(state) == ["test"])
        for line in ("print anne.b 3", "print nobody.known 2"):
            subprocess.run(gardien(tmp_path, "tell", *line.split(), site=site), cwd=REPO, timeout=LIMIT_S, check=True)
        until(lambda: printed(state) == [(anne, 3), ("", 2)])
        until(lambda: (seen := picture(tmp_path)) and seen.door and seen.door.list_from)
        (tmp_path / "good.db").write_bytes(good)
        (tmp_path / "good.db").replace(state / "roster.db")
        until(lambda: [one() for one in ended] == [0, 0, 0, 0])  # to be started again, on the roster that is back


async def _jar() -> CookieJar:
    return CookieJar(unsafe=True)


async def sees_it_stand_running(hand: Hand) -> None:
    """The same while it breaks under them: what was read before goes on, without the names."""
    page = await soon(hand, "/", lambda page: CANNOT in page.text)
    assert page.status == 200
    page = await hand.open("/membres")
    assert page.status == 503
    assert "La liste des membres ne se lit plus : cette page en a besoin" in page.text
    assert "Bailly" not in page.html
    page = await hand.open("/porte")
    assert page.status == 200
    assert "Ouvrir la porte vous-même reste possible" in page.text


async def opens_the_door(hand: Hand) -> None:
    form = (await hand.open("/porte/ouvrir")).form("/porte/ouvrir")
    page = await hand.send(form, whom="test", pin=PIN)
    assert (page.status, page.path) == (200, "/porte")


def opened(state: Path) -> list[str]:
    with Ledger.open(state / "ledger.db") as ledger:
        return [str(one.fact.whom) for one in ledger.entries(OpenedRemotely) if isinstance(one.fact, OpenedRemotely)]


def printed(state: Path) -> list[tuple[str, int]]:
    with Ledger.open(state / "ledger.db") as ledger:
        facts = [entry.fact for entry in ledger.entries(PagesCounted)]
    return [(one.member, one.sides_mono) for one in facts if isinstance(one, PagesCounted)]
