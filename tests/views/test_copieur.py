"""The screen beside the copier, and the inbox of jobs that wait and are nobody's."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from agent.ask import Answer, Request, answering
from agent.config import ConnectorConfig, SpoolerConfig
from agent.live import LiveAsk, LiveDevice, LiveGreeting, LiveHeld, LiveRelease, LiveTab, Picture
from agent.memory.roster import RosterStore
from agent.rules.facts import FormulaId
from agent.rules.release import JobGiven
from agent.stories.giving import HeldBook
from agent.views.web.listen import listening
from agent.views.web.pages import make_app, static
from agent.views.web.wall import public_app
from tests.views.hand import Hand, browse, hand_at
from tests.views.scenes import SITE, House, house, pictures

PRINTER = replace(SITE.printers["copieur"], badge_queues=("impressions",))
PLACE = replace(SITE, printers={"copieur": PRINTER}, spooler=SpoolerConfig("sim"))
CREATED = 1_795_000_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house", PLACE) as opened:
        yield opened


def paint(home: House, release: LiveRelease | None) -> None:
    painted: dict[str, Picture] = pictures(home.clock.now())
    painted["paper"] = replace(painted["paper"], release=release)
    home.paint(painted)


def held(job: int, member: str = "", level: str = "nobody", alias: str = "a1", sides: int | None = 3) -> LiveHeld:
    return LiveHeld(job, CREATED + job, alias, member, level, 0, sides, 0)


@pytest.mark.parametrize(
    ("greeting", "language", "said"),
    [
        (
            {"jobs": 3, "sides": 14, "colour": 0, "low": "1.40", "high": "1.40"},
            "fr",
            "Bonjour, 3 travaux, 14 pages, 1,40 €",
        ),
        (
            {"jobs": 1, "sides": 1, "colour": 1, "low": "0.25", "high": "0.25"},
            "fr",
            "1 travail, 1 page, dont 1 en couleur, 0,25 €",
        ),
        ({"jobs": 2, "sides": 14, "low": "0.70", "high": "3.50"}, "fr", "2 travaux, 14 pages, 3,50 € au plus"),
        ({"jobs": 2}, "fr", "Bonjour, 2 travaux Pensez à reprendre vos feuilles."),
        (
            {"jobs": 3, "sides": 14, "colour": 4, "low": "1.50", "high": "1.50"},
            "en",
            "3 jobs, 14 pages, 4 in colour, 1.50 €",
        ),
        ({"jobs": 2, "sides": 7, "account": True}, "fr", "2 travaux, 7 pages Le compte partagé choisi paie."),
        ({"refused": "no-payer", "jobs": 1}, "fr", "Aucun compte partagé ne paie pour vous Rien n'est sorti."),
        (
            {"refused": "payer", "jobs": 1},
            "fr",
            "Le compte partagé choisi ne paie pas ce travail 1 travail attend encore",
        ),
        ({}, "fr", "Bonjour, aucun travail à votre nom Imprimé depuis un téléphone ?"),
        ({"refused": "card"}, "fr", "Carte inconnue Rien n'est sorti."),
        ({"refused": "roster"}, "fr", "La liste des membres ne se lit plus Rien n'est sorti, rien n'est perdu"),
        ({"refused": "no-paper", "jobs": 2}, "fr", "plus de papier Rien n'est sorti : 2 travaux attendent encore."),
        (
            {"refused": "silent", "jobs": 1},
            "fr",
            "Le copieur ne répond pas Rien n'est sorti : 1 travail attend encore.",
        ),
        ({"refused": "spooler"}, "en", "The print server does not answer Nothing came out"),
        ({"refused": "melted", "jobs": 1}, "fr", "Le copieur ne peut pas imprimer (melted)"),
    ],
)
def test_a_badge_is_answered_and_forgotten(home: House, greeting: dict[str, object], language: str, said: str) -> None:
    async def story(hand: Hand) -> None:
        at = home.clock.now().utc - timedelta(seconds=2)
        last = LiveGreeting(at, currency="EUR", **greeting)  # type: ignore[arg-type]
        paint(home, LiveRelease((held(1), held(2, "m042", "claimed")), {"copieur": last}))
        page = await hand.open(f"/copieur?lang={language}")
        assert said in page.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
        assert not re.search(r"\bm\d{3}\b|gardien=", page.html)
        home.clock.pass_s(19)
        paint(home, LiveRelease((held(1),), {"copieur": last}))
        later = await hand.open(f"/copieur?lang={language}")
        assert ("Posez votre badge" if language == "fr" else "Show your badge") in later.text
        assert set(hand.cookies) <= {"lang"}

    browse(home, story)


@pytest.mark.parametrize(
    ("copied", "said"),
    [(0, "Vous pouvez copier Badgez de nouveau"), (1, "Vous avez copié 1 face"), (12, "Vous avez copié 12 faces")],
)
def test_whoever_is_let_copy_sees_that_and_how_much(home: House, copied: int, said: str) -> None:
    async def story(hand: Hand) -> None:
        painted = pictures(home.clock.now())
        device = replace(painted["paper"].devices["copieur"], visitor=True, copied=copied)
        none, jobs = LiveGreeting(home.clock.now().utc), LiveGreeting(home.clock.now().utc, jobs=2)
        for greetings in ({}, {"copieur": none}):
            release = LiveRelease((), greetings)
            home.paint({**painted, "paper": replace(painted["paper"], release=release, devices={"copieur": device})})
            text = (await hand.open("/copieur")).text
            assert said in text.replace("\N{NO-BREAK SPACE}", " ")
        release = LiveRelease((), {"copieur": jobs})
        home.paint({**painted, "paper": replace(painted["paper"], release=release, devices={"copieur": device})})
        assert "Bonjour, 2" in (await hand.open("/copieur")).text

    browse(home, story)


def test_a_copier_that_only_copies_by_badge_has_its_screen_too(tmp_path: Path) -> None:
    wired = replace(SITE.printers["copieur"], copies="connector", connector=ConnectorConfig(kind="sim"))
    with house(tmp_path / "house", replace(SITE, printers={"copieur": wired}, spooler=None)) as home:

        async def story(hand: Hand) -> None:
            paint(home, None)
            page = await hand.open("/copieur")
            assert "Posez votre badge Le copieur est libéré aussitôt" in page.text

        browse(home, story)


def test_the_screen_knows_when_it_does_not_know(home: House) -> None:
    async def story(hand: Hand) -> None:
        for release in (None, LiveRelease()):
            paint(home, release)
            assert "Nous ne savons pas ce qui attend" in (await hand.open("/copieur")).text
        paint(home, LiveRelease(()))
        assert "Posez votre badge" in (await hand.open("/copieur/copieur")).text
        home.clock.pass_s(60)
        assert "Nous ne savons pas" in (await hand.open("/copieur")).text
        assert (await hand.open("/copieur/fax")).status == 404

    browse(home, story)


SCREEN = replace(PLACE, printers={"copieur": replace(PRINTER, screens=("127.0.0.1",))})
PATH = "/copieur/copieur/qui-paie"


def ask(home: House, **said: object) -> None:
    """Show the screen what was asked a second ago."""
    at = home.clock.now().utc - timedelta(seconds=1)
    paint(home, LiveRelease((held(1),), asks={"copieur": LiveAsk(at, **said)}))  # type: ignore[arg-type]


def test_at_its_own_screen_who_pays_is_touched_and_nowhere_else(tmp_path: Path) -> None:
    heard: list[tuple[str, str, dict[str, str]]] = []

    async def paper(request: Request) -> Answer:
        heard.append((request.action, request.actor, dict(request.arguments)))
        ask(home, turn=len(heard))
        return Answer(True, "touched", "touched")

    async def story(hand: Hand) -> None:
        async with answering(home.places.run, "paper", home.clock, paper):
            paint(home, LiveRelease(()))
            assert "Un compte partagé paie" not in (await hand.open("/copieur")).text  # there is none
            home.roster.payers.add("Fête du village", FormulaId("occasional"), actor="cli")
            home.roster.payers.add("Mairie", FormulaId("occasional"), actor="cli")
            page = await hand.open("/copieur")
            page = await hand.send(page.form(PATH, on="1"))
            assert "Posez votre badge Vous choisirez ensuite le compte qui paie." in page.text
            page = await hand.send(page.form(PATH, on=""))
            ask(home, turn=7, payers=("p:001", "p:009"), jobs=2, sides=7)  # p:009 was erased meanwhile
            page = await hand.open("/copieur")
            text = page.text.replace("\N{NO-BREAK SPACE}", " ")
            assert "Qui paie ? Bonjour, 2 travaux, 7 pages. Touchez qui paie : rien ne sort avant." in text
            assert "Fête du village" in text
            assert "Mairie" not in text  # it does not pay for whoever badged
            for payer in ("p:001", "", "-"):
                await hand.send(page.form(PATH, turn="7", payer=payer))
            lapsed = LiveAsk(home.clock.now().utc - timedelta(seconds=31), 8, ("p:001",))
            paint(home, LiveRelease((), asks={"copieur": lapsed}))
            assert "Rien n'est sorti Personne n'a choisi qui paie." in (await hand.open("/copieur")).text

    with house(tmp_path / "house", SCREEN) as home:
        browse(home, story)
    touched, chosen = "counter-touch", "counter-choose"
    assert [(action, given["on"], given["payer"]) for action, _, given in heard] == [
        (touched, "1", ""),
        (touched, "", ""),
        (chosen, "", "p:001"),
        (chosen, "", ""),
        (chosen, "", "-"),
    ]
    assert {actor for _, actor, _ in heard} == {"screen:copieur"}


@pytest.mark.parametrize("screens", [(), ("192.0.2.9",)])
def test_at_any_other_address_nothing_can_be_touched(tmp_path: Path, screens: tuple[str, ...]) -> None:
    site = replace(SCREEN, printers={"copieur": replace(PRINTER, screens=screens)})
    with house(tmp_path / "house", site) as home:
        home.roster.payers.add("Fête du village", FormulaId("occasional"), actor="cli")

        async def story(hand: Hand) -> None:
            ask(home, turn=7, payers=("p:001",), jobs=2)
            page = await hand.open("/copieur")
            assert "Qui paie ?" in page.text
            assert (page.forms, "village" in page.html) == ([], False)
            await hand.claim()  # not even whoever is signed in
            sent = (await hand.open("/compte")).form("/sortir")
            sent.action = PATH
            assert (await hand.send(sent, on="1")).status == 403
            sent.action = "/copieur/fax/qui-paie"
            assert (await hand.send(sent, on="1")).status == 404

        browse(home, story)


def test_over_plain_http_the_screen_answers_and_the_inbox_does_not(home: House) -> None:
    async def run() -> None:
        paint(home, LiveRelease((held(1),)))
        app = make_app(home.site, home.places, home.ledger, home.roster, home.clock)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listening(app, "127.0.0.1:0"))
            port = await stack.enter_async_context(listening(public_app(app, static), "127.0.0.1:0"))
            hand = await stack.enter_async_context(hand_at(app, f"http://127.0.0.1:{port}"))
            page = await hand.open("/copieur")
            assert (page.status, "1 travail attend un badge" in page.text.replace("\N{NO-BREAK SPACE}", " ")) == (
                200,
                True,
            )
            assert (await hand.open("/impressions")).status == 404
            async with hand.session.post("/copieur") as response:
                assert response.status == 405

    asyncio.run(asyncio.wait_for(run(), 30))


def test_where_nothing_waits_for_a_badge_there_is_no_screen(tmp_path: Path) -> None:
    with house(tmp_path / "house") as plain:

        async def story(hand: Hand) -> None:
            assert (await hand.open("/copieur")).status == 404

        browse(plain, story)


def test_a_waiting_job_is_given_by_the_word_of_the_animator(home: House) -> None:
    ada = home.roster.add_member("Ada", FormulaId("subscriber"), since=date(2026, 1, 1), actor="cli")
    phone, visitor = home.roster.alias("iPhone"), home.roster.alias("lovelace")

    async def story(hand: Hand) -> None:
        paint(home, LiveRelease((held(1, alias=phone.id), held(2, alias=visitor.id), held(3, ada, "claimed"))))
        await hand.claim()
        page = await hand.open("/impressions")
        text = page.text.replace("\N{NO-BREAK SPACE}", " ")
        assert "1 travail attend le badge de son membre." in text
        assert "sous le nom « iphone »" in text
        assert "Et toujours pour « iphone »" not in text
        assert "Et toujours pour « lovelace »" in text
        page = await hand.open(f"/impressions/attente?paper=2/{CREATED + 2}")  # where many are members: on its own
        assert page.form("/impressions/attente", paper=f"2/{CREATED + 2}").fields["member"] == ""
        assert "Et toujours pour « lovelace »" in page.text.replace("\N{NO-BREAK SPACE}", " ")
        page = await hand.open("/impressions/attente?paper=9/9")
        assert page.path == "/impressions"

    browse(home, story)
    _give_and_learn(home, home.roster, ada, visitor.id)


def _give_and_learn(home: House, roster: RosterStore, ada: str, alias: str) -> None:
    async def main() -> None:
        book = HeldBook(home.ledger, roster, home.clock, home.places.run)
        wanted = {"job": f"2/{CREATED + 2}", "member": ada, "always": "1"}
        answer = await book.answer(Request("job-give", "a1", "", 1e9, wanted))
        assert answer is not None
        assert (answer.done, answer.code) == (True, "given")
        gone = await book.answer(Request("job-give", "a1", "", 1e9, {"job": "9/9", "member": ada}))
        assert gone is not None
        assert gone.code == "nothing"
        assert await book.answer(Request("other", "a1", "", 1e9, {})) is None

    asyncio.run(main())
    (fact,) = [entry.fact for entry in home.ledger.entries(JobGiven)]
    assert isinstance(fact, JobGiven)
    assert (fact.job, fact.member, fact.turn, fact.alias) == (2, ada, 1, alias)
    assert roster.roster().aliases["lovelace"].member == ada


VISITED = LiveDevice(state="idle", visitor=True)


def stand(home: House, tab: LiveTab | None, *, visitor: bool = True) -> None:
    """Show a copier where somebody is badged in."""
    painted: dict[str, Picture] = pictures(home.clock.now())
    device = replace(VISITED, visitor=visitor)
    tabs = {} if tab is None else {"copieur": tab}
    painted["paper"] = replace(painted["paper"], release=LiveRelease(()), devices={"copieur": device}, tabs=tabs)
    home.paint(painted)


def test_at_its_own_screen_who_pays_for_copies_is_touched_and_said(tmp_path: Path) -> None:
    heard: list[tuple[str, dict[str, str]]] = []

    async def paper(request: Request) -> Answer:
        heard.append((request.action, dict(request.arguments)))
        at = home.clock.now().utc
        stand(home, LiveTab(3, ("p:001", "p:002"), request.arguments["payer"], None, at, "charged"))
        return Answer(True, "charged", "charged")

    async def story(hand: Hand) -> None:
        async with answering(home.places.run, "paper", home.clock, paper):
            stand(home, None)
            assert "mes copies" not in (await hand.open("/copieur")).text
            stand(home, LiveTab(3))
            assert "mes copies" not in (await hand.open("/copieur")).text  # no account pays for them
            stand(home, LiveTab(3, ("p:001", "p:002", "p:009")))
            page = await hand.open("/copieur")
            assert "Un compte partagé paie mes copies" in page.text
            assert 'href="/copieur/copieur?copies=3"' in page.html
            assert "Fête du village" not in page.text  # until somebody asks
            page = await hand.open("/copieur/copieur?copies=3")
            assert "Qui paie vos copies ? Touchez un compte" in page.text.replace("\N{NO-BREAK SPACE}", " ")
            assert "Fête du village Mairie Annuler" in page.text
            page = await hand.send(page.form(PATH, copies="3", payer="p:001"))
            assert "Le compte partagé paie vos copies" in page.text
            page = await hand.open("/copieur/copieur?copies=3")
            assert "Mairie Moi Annuler" in page.text  # all but the one that pays
            page = await hand.send(page.form(PATH, copies="3", payer=""))
            assert "Vous payez vos copies" in page.text
            home.clock.pass_s(25)
            stand(home, LiveTab(3, ("p:001",), "", None, home.clock.now().utc - timedelta(seconds=25), "charged"))
            assert "Vous payez vos copies" not in (await hand.open("/copieur")).text
            assert "Fête du village" not in (await hand.open("/copieur/copieur?copies=2")).text  # the one before

    with house(tmp_path / "house", SCREEN) as home:
        for name in ("Fête du village", "Mairie"):
            home.roster.payers.add(name, FormulaId("occasional"), actor="cli")
        browse(home, story)
    assert [(action, given["turn"], given["payer"]) for action, given in heard] == [
        ("copies-choose", "3", "p:001"),
        ("copies-choose", "3", ""),
    ]


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ("ended", "Ce compte partagé est clos Rien n'a changé"),
        ("not-named", "Ce compte partagé ne paie pas pour vous Rien n'a changé"),
        ("unknown", "Ce compte partagé n'existe plus"),
        ("gone", "Trop tard : votre passage au copieur est fini"),
    ],
)
def test_an_account_that_does_not_pay_for_copies_is_refused_in_words(tmp_path: Path, came: str, said: str) -> None:
    with house(tmp_path / "house", SCREEN) as home:

        async def story(hand: Hand) -> None:
            stand(home, LiveTab(1, (), "", None, home.clock.now().utc, came))
            assert said in (await hand.open("/copieur")).text.replace("\N{NO-BREAK SPACE}", " ")

        browse(home, story)


def test_after_the_visit_the_copies_may_be_charged_until_it_is_over_and_only_at_the_screen(tmp_path: Path) -> None:
    with house(tmp_path / "house", SCREEN) as home:
        home.roster.payers.add("Fête du village", FormulaId("occasional"), actor="cli")

        async def story(hand: Hand) -> None:
            until = home.clock.now().utc + timedelta(seconds=30)
            stand(home, LiveTab(1, ("p:001",), "", until), visitor=False)
            assert "mes copies" in (await hand.open("/copieur")).text
            home.clock.pass_s(30)
            stand(home, LiveTab(1, ("p:001",), "", until), visitor=False)
            assert "mes copies" not in (await hand.open("/copieur")).text
            stand(home, LiveTab(1, ("p:001",)), visitor=False)  # open for all that is known, and nobody is there
            assert "mes copies" not in (await hand.open("/copieur")).text

        browse(home, story)
    with house(tmp_path / "elsewhere", PLACE) as home:
        home.roster.payers.add("Fête du village", FormulaId("occasional"), actor="cli")

        async def elsewhere(hand: Hand) -> None:
            stand(home, LiveTab(1, ("p:001",)))
            page = await hand.open("/copieur/copieur?copies=1")
            assert "Fête" not in page.text
            assert "copies ?" not in page.text

        browse(home, elsewhere)
