"""Coming in and going out, as a person without JavaScript does it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from agent.memory.ledger import Ledger
from agent.rules.access import Acted, BoxRestarted, Role
from agent.views.web.entry import inside
from agent.views.web.gate import back, needs, upload
from agent.views.web.listen import listening
from agent.views.web.pages import make_app
from tests.views.hand import PASSWORD, PIN, Hand, browse, hand_at
from tests.views.scenes import House, house, pictures, scenes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(pictures(opened.clock.now()))
        yield opened


def acts(home: House) -> list[tuple[str, str, str]]:
    facts = [entry.fact for entry in home.ledger.entries(Acted)]
    return [(fact.actor, fact.action, fact.subject) for fact in facts if isinstance(fact, Acted)]


def test_before_anybody_has_an_account_the_state_is_shown_and_nothing_can_be_done(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/")
        assert page.status == 200
        assert "Tout fonctionne" in page.text
        assert page.forms == []
        assert hand.cookies == {}
        assert (await hand.open("/compte")).path == "/premiere-fois"
        assert (await hand.open("/entrer")).path == "/premiere-fois"

    browse(home, story)


def test_the_first_account_needs_the_code_of_the_box(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.claim()
        assert (page.status, page.path) == (200, "/")
        assert "Votre compte est prêt." in page.text
        assert "Votre compte est prêt." not in (await hand.open("/")).text
        account = await hand.open("/compte")
        assert "Vous êtes Camille. Vous animez ce lieu." in account.text
        left = await hand.leave()
        assert left.path == "/entrer"
        assert "Vous êtes déconnecté." in left.text
        assert (await hand.open("/")).path == "/entrer"

    async def stranger(hand: Hand) -> None:
        page = await hand.open("/compte")
        assert page.path == "/entrer"
        assert page.form("/entrer").fields["next"] == "/compte"
        page = await hand.send(page.form("/entrer"), name="CAMILLE", password=PASSWORD)
        assert page.path == "/compte"

    browse(home, story, stranger)
    assert acts(home) == [("a1", "account-claimed", "a1"), ("a1", "signed-out", ""), ("a1", "signed-in", "")]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"code": "AAAA-AAAA-AAAA"}, "Ce code n'est pas valable"),
        ({"name": "  "}, "Écrivez votre nom."),
        ({"password": "short", "again": "short"}, "au moins 12 caractères"),
        ({"again": PASSWORD + "x"}, "Les deux mots de passe sont différents."),
        ({"pin": "12345"}, "exactement 6 chiffres"),
        ({"pin": "12345٣"}, "exactement 6 chiffres"),
        ({"pin": "000000"}, "trop facile"),
        ({"pin": "890123"}, "trop facile"),
        ({"pin": "432109"}, "trop facile"),
    ],
)
def test_a_claim_says_what_is_wrong_and_keeps_what_was_typed(home: House, typed: dict[str, str], says: str) -> None:
    async def story(hand: Hand) -> None:
        code = hand.gate.accounts.issue(Role.ANIMATOR)
        form = (await hand.open("/premiere-fois")).form("/premiere-fois")
        good = {"code": code, "name": "Camille", "password": PASSWORD, "again": PASSWORD, "pin": PIN}
        page = await hand.send(form, **(good | typed))
        assert page.status == 422
        assert says in page.text
        again = page.form("/premiere-fois")
        assert again.fields["code"] == (good | typed)["code"]
        assert PASSWORD not in page.html
        assert (await hand.send(again, **good)).path == "/"

    browse(home, story)


def test_two_people_may_not_have_one_name(home: House) -> None:
    async def first(hand: Hand) -> None:
        await hand.claim()

    async def second(hand: Hand) -> None:
        page = await hand.claim(Role.OPS, "camille")
        assert "Ce nom est déjà pris" in page.text

    browse(home, first, second)


def test_a_wrong_name_and_a_wrong_password_are_told_alike(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        await hand.leave()
        wrong = [await hand.enter(password="wrong horse battery"), await hand.enter(name="Nobody")]
        assert [page.status for page in wrong] == [422, 422]
        assert all("Nom ou mot de passe incorrect." in page.text for page in wrong)
        assert (await hand.enter()).path == "/"

    browse(home, story)


def test_sessions_are_shown_and_ended_and_end_by_themselves(home: House) -> None:
    async def one(hand: Hand) -> None:
        await hand.claim()

    async def two(hand: Hand) -> None:
        home.clock.pass_s(60)
        await hand.enter()
        page = await hand.open("/compte")
        ends = [form for form in page.forms if form.action == "/compte/fin"]
        assert len(ends) == 2
        assert page.text.count("(cet appareil)") == 1
        assert "Depuis mardi 24 novembre, 12:33, jusqu'à mercredi 25 novembre, 00:33" in page.text
        page = await hand.send(ends[1])
        assert "L'appareil est déconnecté." in page.text
        assert len([form for form in page.forms if form.action == "/compte/fin"]) == 1
        home.clock.pass_s(12 * 3600)
        assert (await hand.open("/compte")).path == "/entrer"

    browse(home, one, two)


def test_ending_ones_own_session_signs_out(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        page = await hand.send((await hand.open("/compte")).form("/compte/fin"))
        assert page.path == "/entrer"

    browse(home, story)


def test_a_changed_password_ends_the_other_sessions(home: House) -> None:
    new = "staple battery horse"

    async def one(hand: Hand) -> None:
        await hand.claim()
        other = hand.gate.accounts.begin("a1", Role.ANIMATOR)[0]
        form = (await hand.open("/compte")).form("/compte/mot-de-passe")
        page = await hand.send(form, old="wrong", password=new, again=new)
        assert "Le mot de passe actuel est incorrect." in page.text
        page = await hand.send(form, old=PASSWORD, password=new, again=new[:-1])
        assert "Les deux mots de passe sont différents." in page.text
        page = await hand.send(form, old=PASSWORD, password=new, again=new)
        assert "Le mot de passe est changé" in page.text
        assert hand.gate.accounts.session(other) is None
        await hand.leave()
        assert (await hand.enter()).status == 422
        assert (await hand.enter(password=new)).path == "/"

    browse(home, one)


def test_the_door_code_is_changed_with_the_password(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        form = (await hand.open("/compte")).form("/compte/code")
        assert "exactement 6 chiffres" in (await hand.send(form, old=PASSWORD, pin="1357")).text
        assert "Le mot de passe actuel est incorrect." in (await hand.send(form, old="wrong", pin="246813")).text
        assert "Le code de la porte est changé." in (await hand.send(form, old=PASSWORD, pin="246813")).text

    browse(home, story)


def test_a_member_is_no_animator(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()

    async def member(hand: Hand) -> None:
        secret, _ = hand.gate.accounts.begin("m042", Role.MEMBER)
        hand.session.cookie_jar.update_cookies({"gardien": secret})
        page = await hand.open("/compte")
        assert page.status == 403
        assert "Cette page n'est pas pour vous" in page.text

    browse(home, story, member)


def test_a_wrong_address_is_answered_in_words_with_a_way_back(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/imprimante")
        assert page.status == 404
        assert "Cette page n'existe pas" in page.text
        assert "Retour à l'accueil" in page.text
        await hand.claim()
        page = await hand.open("/impressions/regle")  # only sent to, by a form
        assert page.status == 405
        assert page.headers["Allow"] == "POST"
        assert "Cette page n'existe pas" in page.text
        assert "There is no such page" in (await hand.open("/imprimante?lang=en")).text

    browse(home, story)


def test_a_page_left_open_overnight_says_so_and_leads_back(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        left_open = (await hand.open("/compte")).form("/compte/code")
        home.clock.pass_s(13 * 3600)
        page = await hand.send(left_open, old=PASSWORD, pin="246813")  # the browser still has its cookie
        assert page.path == "/entrer"
        assert page.form("/entrer").fields["next"] == "/"
        hand.session.cookie_jar.clear()
        page = await hand.send(left_open, old=PASSWORD, pin="246813")  # and now it has not
        assert page.status == 403
        assert "La page était ouverte depuis trop longtemps" in page.text

    browse(home, story)


def test_what_could_not_be_written_down_is_said(home: House) -> None:
    failing = Ledger.open(home.places.state / "ledger.db")

    async def story(hand: Hand) -> None:
        form = (await hand.claim()).form("/redemarree")
        failing.close()
        page = await hand.send(form, ("link", "adsl1"))
        assert page.status == 503
        assert "Le boîtier n'a pas pu l'enregistrer" in page.text

    browse(replace(home, ledger=failing), story)


def test_the_language_is_kept(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        assert "Devices signed in" in (await hand.open("/compte?lang=en")).text
        assert "Devices signed in" in (await hand.open("/compte")).text
        assert "Appareils connectés" in (await hand.open("/compte?lang=fr")).text

    browse(home, story)


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/compte", True),
        ("/membres?page=2", True),
        ("/", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example/", False),
        ("/a\r\nSet-Cookie: x=1", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_signing_in_leads_nowhere_else(path: str, ours: bool) -> None:
    assert inside(path) == (path if ours else "")


def test_a_restarted_box_is_given_its_five_minutes(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        home.paint(scenes(home.clock.now())["box"])
        page = await hand.open("/")
        assert '<button type="submit" form="restarted" name="link" value="adsl1">' in page.html
        page = await hand.send(page.form("/redemarree"), ("link", "adsl1"))
        assert "C'est noté : laissez 5 minutes à la box." in page.text
        assert "Box redémarrée à 12:32 : laissez-lui encore 5 minutes." in page.text
        home.clock.pass_s(7 * 60)
        home.paint(scenes(home.clock.now())["box"])
        assert "Box redémarrée à 12:32, il y a 7 minutes : cela n'a pas suffi." in (await hand.open("/")).text
        page = await hand.send(page.form("/redemarree"), ("link", "elsewhere"))
        assert "Cette connexion n'existe pas ici." in page.text

    browse(home, story)
    facts = [entry.fact for entry in home.ledger.entries(BoxRestarted)]
    assert facts == [BoxRestarted("adsl1", "a1")]


def test_no_restart_is_offered_to_somebody_who_cannot_act(home: House) -> None:
    async def story(hand: Hand) -> None:
        home.paint(scenes(home.clock.now())["box"])
        assert "J'ai redémarré la box" not in (await hand.open("/")).text

    browse(home, story)


def test_cookies_are_kept_from_scripts_and_other_sites(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.open("/premiere-fois")
        cookie = page.headers["Set-Cookie"]
        assert re.fullmatch(r"gardien=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)
        page = await hand.claim()
        (kept,) = [one for one in hand.session.cookie_jar if one.key == "gardien"]
        assert kept["max-age"] == str(int(timedelta(hours=12).total_seconds()))
        assert (kept["httponly"], kept["samesite"]) == (True, "Strict")

    browse(home, story)


def test_a_file_comes_whole_with_its_fields(home: House) -> None:
    """Every byte value, alone and in pairs with line ends, as a browser sends a file (RFC 7578)."""
    sent = bytes(range(256)) + b"\r\n\r\r\n\n--x\r\n" + bytes(range(255, -1, -1)) + b"\r\n"
    got: list[tuple[dict[str, str], bytes]] = []

    @needs(Role.ANIMATOR)
    async def take(request: web.Request) -> web.StreamResponse:
        got.append(await upload(request))
        return back(request, "/compte")

    async def run() -> None:
        app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
        app.router.add_post("/take", take)
        async with listening(app, "127.0.0.1:0") as port, hand_at(app, f"http://127.0.0.1:{port}") as hand:
            form = (await hand.claim()).form("/sortir")
            form.action, form.files = "/take", True
            assert (await hand.send(form, file=sent, note="dès lundi")).path == "/compte"
            assert (await hand.send(form, file=b"", note="")).path == "/compte"

    asyncio.run(run())
    assert got == [({"note": "dès lundi"}, sent), ({"note": ""}, b"")]
