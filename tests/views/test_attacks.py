"""What a hostile neighbour on the same network may try: refused, said once without a name, and the service goes on."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, FormData, TCPConnector, web

from agent.rules.access import Acted, Role
from agent.views.web import guard, listen
from agent.views.web.gate import form, needs, stepped_up
from agent.views.web.guard import nearby
from agent.views.web.listen import listening
from agent.views.web.pages import make_app
from tests.views.hand import PASSWORD, PIN, Hand, browse, hand_at, site_of
from tests.views.scenes import House, house, pictures

TEN_MB = 10 * 1024 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(pictures(opened.clock.now()))
        yield opened


def attack(home: House, story: Callable[[Hand, int], Awaitable[None]]) -> None:
    """Run a story against a site whose animator has an account; afterwards the site must be well."""

    async def run() -> None:
        async with site_of(home) as (app, origin):
            port = int(origin.rpartition(":")[2])
            async with hand_at(app, origin) as hand:
                await hand.claim()
                await hand.leave()
                await asyncio.wait_for(story(hand, port), 60)
            async with hand_at(app, origin) as after:
                began = time.monotonic()
                assert (await after.open("/healthz")).text == "ok"
                home.clock.pass_s(1000)
                assert (await after.enter()).path == "/"
                assert time.monotonic() - began < 5

    asyncio.run(run())


async def raw(port: int, sent: bytes, wait_s: float = 5.0) -> bytes:
    """Send bytes as they are; return the answer until the server closes, or for `wait_s`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = b""
    try:
        async with asyncio.timeout(wait_s):
            while chunk := await reader.read(65536):
                answer += chunk
                if b"\r\n\r\n" in answer and b"Connection: close" not in answer:
                    break
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1") else 0


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- guessing ------------------------------------------------------------------------------------------------


def test_guessing_a_password_gets_slower_and_the_right_one_still_works_later(home: House) -> None:
    async def claim(hand: Hand) -> None:
        await hand.claim()

    async def guess(hand: Hand) -> None:
        # as from a place nobody ever signed in from
        hand.gate.accounts._db.execute("DELETE FROM known")
        statuses = [(await hand.enter(password=f"wrong horse {number}")).status for number in range(8)]
        assert statuses == [422] * 5 + [429] * 3
        page = await hand.enter()
        assert page.status == 429
        assert "Trop d'essais : attendez 3 secondes, puis recommencez." in page.text

    async def after_a_restart(hand: Hand) -> None:
        assert (await hand.enter()).status == 429
        home.clock.pass_s(2)
        assert (await hand.enter(password="wrong again")).status == 422
        home.clock.pass_s(3.9)
        assert (await hand.enter()).status == 429
        home.clock.pass_s(0.2)
        assert (await hand.enter()).path == "/"

    browse(home, claim, guess)
    browse(home, after_a_restart)


def test_many_guesses_at_once_count_as_many(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        hand.gate.accounts._db.execute("DELETE FROM known")
        form = (await hand.open("/entrer")).form("/entrer")
        pages = await asyncio.gather(*(hand.send(form, name="Camille", password=f"guess {n}") for n in range(30)))
        statuses = sorted(page.status for page in pages)
        assert statuses.count(422) <= 5
        assert statuses.count(429) >= 25

    attack(home, story)


def test_a_neighbours_guesses_do_not_lock_the_animators_phone_out(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        connector = TCPConnector(local_addr=("127.0.0.9", 0))
        url = f"http://127.0.0.1:{port}"
        async with ClientSession(url, cookie_jar=CookieJar(unsafe=True), connector=connector) as session:
            neighbour = Hand(hand.app, session, url)
            statuses = [(await neighbour.enter(password=f"guess {n}")).status for n in range(12)]
            assert statuses[:5] == [422] * 5
            assert set(statuses[5:]) == {429}
        assert (await hand.enter()).path == "/"

    attack(home, story)


def test_names_cannot_be_found_out_by_trying(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        hand.gate.accounts._db.execute("DELETE FROM known")
        known = [(await hand.enter(name="Camille", password="guess")).status for _ in range(4)]
        unknown = [(await hand.enter(name="Dominique", password="guess")).status for _ in range(4)]
        assert known == unknown

    attack(home, story)


def test_guessing_a_code_of_the_box_gets_slower(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        code = hand.gate.accounts.issue(Role.OPS)
        form = (await hand.open("/premiere-fois")).form("/premiere-fois")
        typed = {"name": "X", "password": PASSWORD, "again": PASSWORD, "pin": PIN}
        statuses = [(await hand.send(form, code="AAAA-BBBB-CCCC", **typed)).status for _ in range(12)]
        assert statuses == [422] * 10 + [429] * 2
        assert (await hand.send(form, code=code, **typed)).status == 429
        home.clock.pass_s(3)
        assert (await hand.send(form, code=code, **typed)).path == "/"

    attack(home, story)


def test_a_pin_has_five_tries(home: House) -> None:
    @needs(Role.ANIMATOR)
    async def door(request: web.Request) -> web.Response:
        right = await stepped_up(request, (await form(request)).get("pin", ""))
        return web.Response(text="open" if right else "shut")

    async def run() -> None:
        app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
        app.router.add_post("/try", door)
        async with listening(app, "127.0.0.1:0") as port, hand_at(app, f"http://127.0.0.1:{port}") as hand:
            form = (await hand.claim()).form("/sortir")
            form.action = "/try"
            assert [(await hand.send(form, pin=pin)).text for pin in ("000001", PIN)] == ["shut", "open"]
            assert {(await hand.send(form, pin=f"00000{n}")).text for n in range(5)} == {"shut"}
            assert (await hand.send(form, pin=PIN)).text == "shut"
            home.clock.pass_s(899)
            assert (await hand.send(form, pin=PIN)).text == "shut"
            home.clock.pass_s(2)
            assert (await hand.send(form, pin=PIN)).text == "open"

    asyncio.run(run())


# --- forms that are not ours ---------------------------------------------------------------------------------


def test_a_form_from_elsewhere_does_nothing(home: House, caplog: pytest.LogCaptureFixture) -> None:
    async def story(hand: Hand, port: int) -> None:
        await hand.enter()
        form = (await hand.open("/compte")).form("/compte/fin")
        token = form.fields["csrf"]
        own, here = {"Origin": hand.origin}, f"http://localhost:{port}"
        tries: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, form.fields),
            ({"Origin": "null"}, form.fields),
            ({"Origin": "https://evil.example"}, form.fields),
            ({"Origin": here}, form.fields),
            ({"Origin": f"https://127.0.0.1:{port}"}, form.fields),
            ({"Referer": "https://evil.example/compte"}, form.fields),
            ({"Referer": "http://[not an address"}, form.fields),
            (own, {name: value for name, value in form.fields.items() if name != "csrf"}),
            (own, {**form.fields, "csrf": ""}),
            (own, {**form.fields, "csrf": "é" * 64}),
            (own, {**form.fields, "csrf": token[:-1] + ("0" if token[-1] != "0" else "1")}),
        ]
        async with hand_at(hand.app, hand.origin) as evil:
            evils = (await evil.open("/entrer")).form("/entrer").fields["csrf"]
        tries.append((own, {**form.fields, "csrf": evils}))
        for headers, fields in tries:
            async with hand.session.post("/compte/fin", data=fields, headers=headers) as answer:
                assert answer.status == 403, (headers, fields)
        for method in ("PUT", "PATCH", "DELETE", "FROB"):
            async with hand.session.request(method, "/compte/fin", data=form.fields) as answer:
                assert answer.status in {403, 400}
        async with hand.session.get("/compte/fin", params=form.fields) as answer:
            assert answer.status == 405
        assert (await hand.open("/compte")).path == "/compte"
        await hand.leave()

    attack(home, story)
    assert sorted(set(said(caplog))) == sorted(said(caplog))
    assert not any("evil" in line for line in said(caplog))


def test_a_referer_will_do_where_there_is_no_origin(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        await hand.enter()
        form = (await hand.open("/compte")).form("/sortir")
        headers = {"Referer": f"{hand.origin}/compte"}
        async with hand.session.post("/sortir", data=form.fields, headers=headers) as answer:
            assert answer.url.path == "/entrer"

    attack(home, story)


# --- names and addresses -------------------------------------------------------------------------------------


def test_only_our_own_names_are_answered(home: House, caplog: pytest.LogCaptureFixture) -> None:
    async def story(hand: Hand, port: int) -> None:
        del hand

        async def get(path: str, *hosts: str) -> int:
            lines = "".join(f"Host: {host}\r\n" for host in hosts)
            return status_of(await raw(port, f"GET {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode()))

        for path in ("/healthz", "/metrics", "/etat.json", "/ecran"):
            assert await get(path, f"127.0.0.1:{port}") == 200
            assert await get(path, "localhost") == 200
            assert await get(path, "MOREZ.local:8080") == 200
            for evil in ("evil.example", "127.0.0.2", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example:80", "["):
                assert await get(path, evil) in {400, 421}, (path, evil)
            assert await get(path, "localhost", "evil.example") in {400, 421}
            assert await get(path) in {400, 421}
        absolute = "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert status_of(await raw(port, absolute.encode())) == 421
        assert status_of(await raw(port, b"GET /healthz HTTP/1.0\r\n\r\n")) == 421

    attack(home, story)
    lines = said(caplog)
    assert sorted(set(lines)) == sorted(lines)
    assert "refused 127.0.0.1: a Host header that is not ours (said once)" in lines
    assert not any("evil" in line for line in lines)


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("192.168.1.20", True),
        ("10.8.0.3", True),
        ("172.16.0.9", True),
        ("169.254.3.4", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd12::3", True),
        ("::ffff:192.168.1.20", True),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8", False),
        ("90.12.34.56", False),
        ("2a01:e0a::1", False),
        ("", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_nobody_from_beyond_the_providers_boxes(address: str | None, near: bool) -> None:
    assert nearby(address) is near


# --- sessions ------------------------------------------------------------------------------------------------


def test_a_planted_cookie_is_worth_nothing(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        async with hand_at(hand.app, hand.origin) as evil:
            await evil.open("/entrer")
            planted = evil.cookies["gardien"]
            hand.session.cookie_jar.clear()
            hand.session.cookie_jar.update_cookies({"gardien": planted})
            await hand.enter()
            assert hand.cookies["gardien"] != planted
            assert (await hand.open("/compte")).path == "/compte"
            assert (await evil.open("/compte")).path == "/entrer"
        stolen = hand.cookies["gardien"]
        await hand.leave()
        async with hand_at(hand.app, hand.origin) as evil:
            evil.session.cookie_jar.update_cookies({"gardien": stolen})
            assert (await evil.open("/compte")).path == "/entrer"

    attack(home, story)


COOKIES = ("", "x", "a" * 43, "é" * 43, "a" * 4000, "../../etc/passwd", "' OR 1=1 --" * 4)


def test_a_made_up_cookie_names_nobody(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del hand
        for cookie in COOKIES:
            head = "GET /compte HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            answer = await raw(port, f"{head}Cookie: gardien={cookie}\r\n\r\n".encode())
            assert status_of(answer) in {303, 400}, cookie

    attack(home, story)


def test_signing_in_again_ends_the_session_before(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        await hand.enter()
        first = hand.cookies["gardien"]
        await hand.enter()
        assert hand.cookies["gardien"] != first
        assert hand.gate.accounts.session(first) is None

    attack(home, story)


def test_a_name_that_is_a_script_is_only_a_name(home: House) -> None:
    async def story(hand: Hand) -> None:
        evil = '<script>alert(1)</script>"><b>{{ t }}'
        page = await hand.claim(name=evil)
        page = await hand.open("/compte")
        assert "<script>alert" not in page.html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&gt;&lt;b&gt;{{ t }}" in page.html
        await hand.leave()
        page = await hand.enter(name=evil, password="wrong")
        assert "<script>alert" not in page.html

    browse(home, story)


# --- paths ---------------------------------------------------------------------------------------------------


PATHS = (
    "/static/../pages.py",
    "/static/..%2fpages.py",
    "/static/%2e%2e/pages.py",
    "/static/..%5cpages.py",
    "/static/....//pages.py",
    "/static//etc/passwd",
    "/static/gardien.css%00.svg",
    "/static/gardien.css/",
    "/static/.css",
    "/static/page.html",
    "/static/" + "a" * 4000 + ".css",
    "/../../../../etc/passwd",
    "//evil.example/%2e%2e",
    "/compte/../metrics/../../etc/passwd",
    "/%ff%fe",
    "/;/../compte",
)


def test_a_path_leads_to_a_page_or_nowhere(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del hand
        for path in PATHS:
            answer = await raw(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert status_of(answer) in {400, 404}, path
            assert b"import" not in answer
            assert b"root:" not in answer

    attack(home, story)


# --- too much, too slow --------------------------------------------------------------------------------------


async def floods() -> AsyncIterator[bytes]:
    chunk = b"a" * 65536
    for _ in range(TEN_MB // len(chunk)):
        yield chunk


def test_ten_megabytes_are_refused_and_not_kept(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        headers = {"Origin": hand.origin}
        urlencoded = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        multipart = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
        head = (
            f"POST /entrer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {hand.origin}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {TEN_MB}\r\n\r\n"
        )
        tracemalloc.start()
        assert status_of(await raw(port, head.encode())) == 413  # refused by its announcement alone
        for given in (urlencoded, multipart, headers):
            try:
                async with hand.session.post("/entrer", data=floods(), headers=given) as answer:
                    assert answer.status in {400, 413, 415}
            except ConnectionError:
                pass  # the server hung up while we still sent: refused as well
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6 * 1024 * 1024

    attack(home, story)


def test_a_file_that_is_too_large_is_refused(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        body = FormData()
        body.add_field("csrf", "x")
        body.add_field("file", b"a" * 300_000, filename="members.csv")
        async with hand.session.post("/compte/fin", data=body, headers={"Origin": hand.origin}) as answer:
            assert answer.status == 413

    attack(home, story)


def test_a_bomb_is_not_unpacked_and_odd_bodies_are_refused(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        own, kind = {"Origin": hand.origin}, "application/x-www-form-urlencoded"
        bomb = gzip.compress(b"a" * TEN_MB)
        many = "&".join(f"f{n}=1" for n in range(300)).encode()
        for body, headers, status in (
            (bomb, {"Content-Encoding": "gzip", "Content-Type": kind}, {400}),
            (many, {"Content-Type": kind}, {400}),
            (b"csrf=%ff", {"Content-Type": kind}, {400}),
            ("é=1".encode(), {"Content-Type": kind}, {400}),
            (b'{"csrf": 1}', {"Content-Type": "application/json"}, {415}),
            (b"--y\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, {400}),
            (b"x", {"Content-Type": "multipart/form-data"}, {400}),
        ):
            async with hand.session.post("/entrer", data=body, headers={**own, **headers}) as answer:
                assert answer.status in status, headers

    attack(home, story)


def test_a_body_that_breaks_off_is_nobodys_error(home: House, caplog: pytest.LogCaptureFixture) -> None:
    async def story(hand: Hand, port: int) -> None:
        kind = "application/x-www-form-urlencoded"
        head = f"POST /entrer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {hand.origin}\r\nContent-Type: {kind}\r\n"
        for body in ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n"):
            assert status_of(await raw(port, (head + body).encode())) == 400
        for body in ("Content-Length: 100\r\n\r\ncsrf=", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((head + body).encode())
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.transport.abort()
        await asyncio.sleep(0.2)

    attack(home, story)
    assert [line for line in said(caplog) if "malformed" not in line] == []


def test_slow_clients_are_let_go_and_hold_nobody_up(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "HEADERS_S", 1.0)
    monkeypatch.setattr(guard, "BODY_S", 0.5)

    async def story(hand: Hand, port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        dripping = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in dripping:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: loc")
        began = time.monotonic()
        assert (await hand.open("/healthz")).status == 200
        assert time.monotonic() - began < 1
        for reader, writer in silent + dripping:
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        assert 0.5 < time.monotonic() - began < 10
        head = (
            f"POST /entrer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {hand.origin}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ncsrf="
        )
        assert status_of(await raw(port, head.encode())) == 408

    attack(home, story)


def test_one_address_holds_only_so_many_connections(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen.Room.__init__, "__defaults__", (10, 400))

    async def story(hand: Hand, port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.8", 0)) for _ in range(30)]
        closed = 0
        for reader, _ in held:
            try:
                async with asyncio.timeout(0.2):
                    closed += await reader.read() == b""
            except TimeoutError:
                continue
        assert closed == 20
        assert (await hand.open("/healthz")).status == 200
        for _, writer in held:
            writer.close()

    attack(home, story)


# --- noise ---------------------------------------------------------------------------------------------------

NOISE = {
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    + b"".join(b"X-%d: y\r\n" % n for n in range(500))
    + b"\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    "long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "secret in nonsense": b"\x16\x03\x01 Camille correct horse battery\r\n\r\n",
    "no method": b"\r\n\r\n\r\nHTTP\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": (
        b"POST /entrer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "bad chunk": b"POST /entrer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "null in header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
}


def test_noise_is_answered_with_a_bare_refusal(home: House, caplog: pytest.LogCaptureFixture) -> None:
    async def story(hand: Hand, port: int) -> None:
        del hand
        for name, noise in NOISE.items():
            for _ in range(3):
                assert status_of(await raw(port, noise, 2.0)) in {0, 400, 403, 408, 413, 414, 431}, name

    attack(home, story)
    lines = said(caplog)
    assert sorted(set(lines)) == sorted(lines)
    assert "refused 127.0.0.1: a malformed request (said once)" in lines
    assert not any("Camille" in line or "horse" in line for line in lines)


def test_what_was_refused_leaves_no_fact(home: House) -> None:
    async def story(hand: Hand, port: int) -> None:
        del port
        await hand.enter(password="wrong")
        async with hand.session.post("/compte/fin", data={"session": "x"}) as answer:
            assert answer.status == 403

    attack(home, story)
    done = [entry.fact for entry in home.ledger.entries(Acted)]
    assert [fact.action for fact in done if isinstance(fact, Acted)] == ["account-claimed", "signed-out", "signed-in"]


def test_an_answer_may_not_be_framed_sniffed_or_scripted(home: House) -> None:
    async def story(hand: Hand) -> None:
        for path in ("/", "/premiere-fois", "/ecran", "/nowhere"):
            headers = (await hand.open(path)).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "form-action 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"

    browse(home, story)
