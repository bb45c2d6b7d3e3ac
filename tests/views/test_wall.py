"""The wall: public, over plain HTTP too, and nothing on it that is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent.views.web.listen import listening, tls_of
from agent.views.web.pages import make_app, static
from agent.views.web.wall import public_app
from tests.views.hand import Hand, browse, hand_at
from tests.views.scenes import House, house, pictures, scenes, write_day
from tests.views.test_page import next_event, read


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        write_day(opened.ledger)
        opened.paint(pictures(opened.clock.now()))
        yield opened


def test_every_scene_is_a_wall_without_anybody_on_it(home: House) -> None:
    async def story(hand: Hand) -> None:
        for name, scene in scenes(home.clock.now()).items():
            home.paint(scene)
            for language in ("fr", "en"):
                page = await hand.open(f"/ecran?lang={language}")
                tags = [tag for tag, _ in read(page.html).tags]
                assert page.status == 200
                assert not {"form", "button", "input", "nav"} & set(tags), name
                assert tags.count("h1") == tags.count("main") == 1
                assert not re.search(r"\bm\d{3}\b|Dernière carte|Last card|compteur", page.html), name
                assert len(page.html.encode()) < 20_000
        assert "gardien" not in hand.cookies

    browse(home, story)


def test_the_wall_says_what_members_come_for_and_the_hours(home: House) -> None:
    async def story(hand: Hand) -> None:
        home.paint(scenes(home.clock.now())["box"])
        text = (await hand.open("/ecran")).text
        for said in (
            "L'essentiel fonctionne, 1 point à surveiller",
            "Internet À surveiller",
            "Orange coupé : la box ne répond plus depuis 12:20",
            "Impression Fonctionne",
            "Porte Fonctionne",
            "Horaires Aujourd'hui : 09:00 – 18:00 Ouvert jusqu'à 18:00",
            "Besoin d'aide : 03 84 00 00 00",
        ):
            assert said in text, said
        home.clock.pass_s(6 * 3600)
        assert "Ouvre mercredi 25 novembre à 09:00" in (await hand.open("/ecran")).text
        home.roster.calendar.close_day(date(2026, 11, 25), actor="a1", reason="snow")
        assert "Ouvre jeudi 26 novembre à 09:00" in (await hand.open("/ecran")).text
        home.clock.pass_s(12 * 3600)
        assert "Fermé aujourd'hui" in (await hand.open("/ecran")).text

    browse(home, story)


def test_the_wall_shows_every_part_its_verdict_counts(home: House) -> None:
    async def story(hand: Hand) -> None:
        assert "Boîtier" not in (await hand.open("/ecran")).text
        home.paint(scenes(home.clock.now())["ledger"])
        page = await hand.open("/ecran")
        assert "1 panne : Le registre ne s'écrit plus" in page.text.replace("\u00a0", " ")
        assert "Boîtier Panne" in page.text

    browse(home, story)


def test_the_walls_stream_holds_what_the_wall_holds(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        await hand.leave()
        async with hand.session.get("/ecran/events?lang=fr") as response:
            assert response.status == 200
            news = json.loads(await next_event(response.content, "parts"))
            assert set(news["parts"]) == {"verdict", "tiles"}
            home.paint(scenes(home.clock.now())["box"])
            news = json.loads(await next_event(response.content, "parts"))
            assert "la box ne répond plus" in news["parts"]["tiles"]
        async with hand.session.get("/events") as response:
            assert response.status == 403

    browse(home, story)


def test_the_states_stream_ends_with_the_session(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.views.web.watch.BEAT_S", 0.1)

    async def story(hand: Hand) -> None:
        await hand.claim()
        async with hand.session.get("/events") as response:
            await next_event(response.content, "parts")
            await hand.leave()
            async with asyncio.timeout(10):
                await response.content.read()  # until the server ends it

    browse(home, story)


def test_over_plain_http_only_the_wall_answers(home: House) -> None:
    async def run() -> None:
        app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listening(app, "127.0.0.1:0"))
            port = await stack.enter_async_context(listening(public_app(app, static), "127.0.0.1:0"))
            hand = await stack.enter_async_context(hand_at(app, f"http://127.0.0.1:{port}"))
            page = await hand.open("/")
            assert (page.status, page.path) == (200, "/ecran")
            assert "Tout fonctionne" in page.text
            assert (await hand.open("/static/gardien.css")).status == 200
            async with hand.session.get("/ecran/events") as response:
                assert "tiles" in await next_event(response.content, "parts")
            for path in ("/entrer", "/premiere-fois", "/compte", "/events", "/etat.json", "/metrics", "/healthz"):
                assert (await hand.open(path)).status == 404
            for method in ("POST", "PUT", "DELETE"):
                async with hand.session.request(method, "/ecran") as response:
                    assert response.status == 405
            assert (await hand.open("/ecran", Host="evil.example")).status == 421
            assert hand.cookies == {}

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "site.pem", folder / "site.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=gardien", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(
        [*command, *names, "-days", "2", "-out", pem, "-keyout", key], check=True, capture_output=True, timeout=30
    )
    return pem, key


def test_with_a_certificate_everything_is_encrypted_and_the_cookie_says_so(
    home: House, certificate: tuple[Path, Path]
) -> None:
    pem, key = certificate
    site = replace(home.site, web=replace(home.site.web, certificate=str(pem), key=str(key)))

    async def run() -> None:
        app = make_app(site, home.places, home.ledger, home.roster, home.clock)
        trust = ssl.create_default_context(cafile=str(pem))
        async with listening(app, "127.0.0.1:0", tls_of(pem, key)) as port:
            async with hand_at(app, f"https://127.0.0.1:{port}", trust) as hand:
                assert (await hand.claim()).path == "/"
                (kept,) = [one for one in hand.session.cookie_jar if "gardien" in one.key]
                assert (kept.key, kept["secure"], kept["httponly"], kept["path"], kept["domain"], kept["samesite"]) == (
                    "__Host-gardien",
                    True,
                    True,
                    "/",
                    "127.0.0.1",
                    "Lax",
                )
                assert (await hand.open("/compte")).path == "/compte"
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in await asyncio.wait_for(reader.read(), 15)
            writer.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_of(tmp_path / "none.pem", tmp_path / "none.key")
    (tmp_path / "odd.pem").write_text("odd")
    with pytest.raises(OSError):
        tls_of(tmp_path / "odd.pem", tmp_path / "odd.pem")
