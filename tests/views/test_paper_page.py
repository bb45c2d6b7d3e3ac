"""Paper on the page: devices with remedies, what is nobody's, and the books, statements and metrics after giving it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from agent.rules.attribution import CopiesAttributed, PagesAttributed
from agent.rules.claims import Claim, settle
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import Evidence, Owner, PagesCounted
from agent.rules.paper import CopiesUnheard, PastMended, PrintedPast, PrintsUnmatched
from agent.rules.past import PastAttributed, PastCounted
from agent.rules.review import Doubts
from agent.rules.settlement import PrintSettled, Why
from agent.sitefile import read_tariff
from agent.views.events import Labels, tell
from agent.views.exports import issue_statement, month_statement
from agent.views.journal import Journal
from agent.views.metrics import Exposition
from agent.views.words import words
from tests.views.acting import PARIS, act, acting_house, facts
from tests.views.hand import Form, Hand, Page
from tests.views.scenes import READY, SUPPLIES, House, pictures


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with acting_house(tmp_path) as opened:
        yield opened


def statement(home: House, month: str = "2026-11") -> list[tuple[str, str, int, int, str]]:
    tariff = read_tariff(Path(home.site.tariff))
    made = month_statement(home.ledger, home.roster.roster(), tariff, home.site.site, month)
    paper = [line for line in made.lines if line.unit == "side"]
    return [(line.member, line.item.value, line.quantity, line.free, str(line.amount)) for line in paper]


def metric(home: House, billing: bool = False) -> dict[str, float]:
    page = Exposition(home.site, home.places.run, home.ledger, home.roster, home.clock, "1")
    text = (page.billing() if billing else page.plain()).decode()
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def giving(page: Page, paper: str) -> Form:
    return page.form("/impressions/attribuer", paper=paper)


async def changing(hand: Hand, page: Page, paper: str) -> Form:
    """Follow the link of a row that was given to somebody."""
    link = f"/impressions/attribuer?paper={quote(paper, safe='/')}"
    assert link in page.html
    return giving(await hand.open(link), paper)


COPIES = "copy:copies-counted:140"
BEFORE = [
    ("m007", "print-mono", 4, 0, "0.20"),
    ("m007", "copy-mono", 4, 0, "0.20"),
    ("m042", "print-mono", 15, 15, "0.00"),
    ("m042", "copy-mono", 3, 3, "0.00"),
    ("", "print-mono", 20, 0, "0.00"),
    ("", "print-colour", 6, 0, "0.00"),
    ("", "unattributed-mono", 5, 0, "0.00"),
]


def test_what_is_nobodys_is_given_and_the_statement_says_so(home: House) -> None:
    assert statement(home) == BEFORE

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "2 travaux sans personne" in page.text
        assert "26 faces imprimées, dont 6 en couleur · Le copieur" in page.text
        page = await hand.send(giving(page, "print:a2"), member="m013")
        assert "C'est attribué : Zoé Faure." in page.text
        assert "1 travail sans personne" in page.text
        assert "Attribués à la main" in page.text
        page = await hand.send(giving(page, COPIES), member="m042")
        assert "C'est attribué : Anne Petit." in page.text
        assert "sans personne" not in page.text
        assert "= 10 126 au début du comptage + 45 impressions + 10 copies + 2 non attribuées." in page.text

    act(home, story)
    assert statement(home) == [
        ("m007", "print-mono", 4, 0, "0.20"),
        ("m007", "copy-mono", 4, 0, "0.20"),
        ("m013", "print-mono", 20, 0, "1.00"),
        ("m013", "print-colour", 6, 0, "1.50"),
        ("m042", "print-mono", 15, 15, "0.00"),
        ("m042", "copy-mono", 6, 6, "0.00"),
        ("", "unattributed-mono", 2, 0, "0.00"),
    ]
    (fact,) = facts(home, PagesAttributed)
    assert (fact.attempt, fact.turn, fact.was, fact.member, fact.formula, fact.actor) == (
        *("a2", 1, "", "m013", "occasional", "a1"),
    )


def test_given_to_the_wrong_one_it_moves_again_and_can_be_taken_back(home: House) -> None:
    async def story(hand: Hand) -> None:
        page = await hand.send(giving(await hand.open("/impressions"), "print:a2"), member="m013")
        page = await hand.send(await changing(hand, page, "print:a2"), member="m007")
        assert "C'est attribué : Bob Martin." in page.text
        page = await hand.send(await changing(hand, page, "print:a2"), member="-")
        assert "C'est attribué : personne." in page.text
        page = await hand.send(giving(page, COPIES), member="m007")
        page = await hand.send(await changing(hand, page, COPIES), member="-")
        assert "2 travaux sans personne" in page.text

    act(home, story)
    assert statement(home) == BEFORE
    assert [one.turn for one in facts(home, PagesAttributed, CopiesAttributed)] == [1, 2, 3, 1, 2]


def test_no_counter_ever_falls_and_the_pairs_say_what_is_whose(home: House) -> None:
    seen = [(metric(home), metric(home, billing=True))]

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        for paper, member in (("print:a2", "m013"), ("print:a2", "m007"), (COPIES, "m042"), (COPIES, "-")):
            form = giving(page, paper) if f'value="{paper}"' in page.html else await changing(hand, page, paper)
            page = await hand.send(form, member=member)
            seen.append((metric(home), metric(home, billing=True)))

    act(home, story)
    for before, after in itertools.pairwise(seen):
        for old, new in zip(before, after, strict=True):
            assert all(new[name] >= value for name, value in old.items() if name.split("{")[0].endswith("_total"))
    sides = 'gardien_sides{}total{{colour="mono",device="copieur",formula="{}",kind="print"}}'
    plain, billing = seen[-1]

    def now(formula: str) -> float:
        ways = [plain.get(sides.format(way, formula), 0.0) for way in ("_", "_moved_here_", "_moved_away_")]
        return ways[0] + ways[1] - ways[2]

    assert (now("unclaimed"), now("occasional")) == (0.0, 24.0)
    assert plain['gardien_paper_unclaimed_sides{device="copieur"}'] == 0.0
    assert seen[0][0]['gardien_paper_unclaimed_sides{device="copieur"}'] == 26.0
    assert [one['gardien_paper_unattributed_sides_now{device="copieur"}'] for one, _ in seen] == [5, 5, 5, 2, 5]
    here = 'gardien_member_sides_moved_here_total{colour="mono",kind="print",member="m013"}'
    assert (billing[here], billing[here.replace("here", "away")]) == (20.0, 20.0)


def test_and_always_for_this_print_name(home: House) -> None:
    alias = home.roster.alias("zoe-laptop")
    job = PagesCounted(
        "copieur", "SN1", "z1", alias.id, MemberId(""), FormulaId(""), 2, 0, 2, 2, 2, Evidence.DEVICE, "completed"
    )
    home.ledger.append_now(job, home.clock.now(), "z1")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "sous le nom « zoe-laptop »" in page.text
        page = await hand.send(giving(page, "print:z1"), member="m013", always="1")
        assert "C'est attribué : Zoé Faure." in page.text

    act(home, story)
    assert home.roster.alias("ZOE-LAPTOP@home.local").member == "m013"


def test_where_many_are_members_each_list_is_on_a_page_of_its_own(home: House) -> None:
    for number in range(300):
        home.roster.add_member(f"Prénom {number}", FormulaId("subscriber"), actor="test", since=date(2026, 1, 1))
    alias = home.roster.alias("zoe-laptop")
    job = PagesCounted(
        *("copieur", "SN1", "z/1 é&", alias.id, MemberId(""), FormulaId("")),
        2,
        0,
        2,
        2,
        2,
        Evidence.DEVICE,
        "completed",
    )
    home.ledger.append_now(job, home.clock.now(), "z1")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "Prénom 7" not in page.text
        assert len(page.html.encode()) < 20_000
        link = "/impressions/attribuer?paper=print%3Az/1%20%C3%A9%26"
        assert f'href="{link}"' in page.html
        page = await hand.open(link)
        assert "À qui est ce papier ?" in page.text
        assert "2 faces imprimées · Le copieur" in page.text
        assert "sous le nom « zoe-laptop »" in page.text
        page = await hand.send(giving(page, "print:z/1 é&"), member="m013", always="1")
        assert (page.path, "C'est attribué : Zoé Faure." in page.text) == ("/impressions", True)
        page = await hand.open("/impressions/attribuer?paper=print:none")
        assert (page.path, "Rien n'a changé" in page.text) == ("/impressions", True)
        hand.session.cookie_jar.clear()
        assert "Prénom" not in (await hand.open(link)).text

    act(home, story)
    assert home.roster.alias("zoe-laptop").member == "m013"


def test_what_cannot_be_given_is_said(home: House) -> None:
    async def story(hand: Hand) -> None:
        form = giving(await hand.open("/impressions"), "print:a2")
        assert "Choisissez un membre" in (await hand.send(form, member="")).text
        assert "Choisissez un membre" in (await hand.send(form, member="m999")).text
        gone = Form(form.action, "post", files=False, fields={**form.fields, "paper": "print:../../x"})
        assert "Rien n'a changé" in (await hand.send(gone, member="m013")).text
        await hand.send(form, member="m013")
        assert "Rien n'a changé" in (await hand.send(form, member="m013")).text

    act(home, story)
    assert len(facts(home, PagesAttributed)) == 1


def test_a_device_in_trouble_stands_with_its_reason_and_one_remedy(home: House) -> None:
    stopped = replace(READY, state="stopped", reasons=("media-empty-error",), waiting=2, supplies=SUPPLIES)
    home.paint(pictures(home.clock.now(), devices={"copieur": stopped}))

    async def story(hand: Hand) -> None:
        text = (await hand.open("/impressions")).text
        assert "Le copieur : plus de papier" in text
        assert "Ajoutez du papier dans le bac ; les travaux repartent seuls." in text
        assert "Noir 61 %" in text
        assert "2 travaux en attente" in text

    act(home, story)


def test_a_name_that_is_markup_stays_text(home: House) -> None:
    alias = home.roster.alias("<script>alert(1)</script>")
    nasty = home.roster.add_member(
        "<img src=x onerror=alert(1)>",
        FormulaId("occasional"),
        actor="test",
        since=datetime(2026, 1, 1, tzinfo=UTC).date(),
    )
    job = PagesCounted(
        *("copieur", "SN1", "x1", alias.id, MemberId(""), FormulaId("")), 2, 0, 2, 2, 2, Evidence.DEVICE, "completed"
    )
    home.ledger.append_now(job, home.clock.now(), "x1")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        page = await hand.send(giving(page, "print:x1"), member=nasty)
        for path in ("/impressions", "/visites", "/porte"):
            page = await hand.open(path)
            assert "<script>alert" not in page.html
            assert "<img" not in page.html

    act(home, story)


def test_after_the_month_the_issued_one_stays_and_the_present_one_carries_the_difference(tmp_path: Path) -> None:
    october = PagesCounted(
        *("copieur", "SN1", "oct", AliasId("a9"), MemberId(""), FormulaId("")), 10, 0, 10, 10, 10,
        Evidence.DEVICE, "completed",
    )  # fmt: skip

    async def story(hand: Hand) -> None:
        await hand.send(giving(await hand.open("/impressions"), "print:oct"), member="m013")

    with acting_house(tmp_path, day=False, before=[(datetime(2026, 10, 20, 9, 0, tzinfo=UTC), october)]) as home:
        tariff = read_tariff(Path(home.site.tariff))

        def issue(month: str) -> bytes:
            roster = home.roster.roster()
            folder = tmp_path / "out"
            return issue_statement(
                home.ledger, roster, tariff, home.site.site, month, "csv", folder, home.clock
            ).path.read_bytes()

        first = issue("2026-10")
        act(home, story)
        assert issue("2026-10") == first
        assert statement(home) == [("m013", "print-mono", 10, 0, "0.50"), ("", "print-mono", -10, 0, "0.00")]
        text = issue("2026-11").decode("utf-8-sig")
        assert ";m013;occasional;Régularisation 2026-10 : Impression noir et blanc;" in text
        assert ";10;0;10;face;0,05;1;0,50;EUR;" in text


def test_today_counts_only_what_was_copied_today(home: House) -> None:
    async def story(hand: Hand) -> None:
        home.clock.pass_s(24 * 3600)
        home.paint(pictures(home.clock.now()))
        await hand.enter()
        await hand.send(giving(await hand.open("/impressions"), COPIES), member="m042")

    journal = Journal(home.ledger, PARIS)
    assert journal.read(home.clock.now()).paper["copieur"].unattributed == 5
    act(home, story)
    today = journal.read(home.clock.now())
    assert today.paper == {}
    assert (today.books["copieur"].since.unattributed, today.books["copieur"].since.copies) == (2, 10)
    assert Journal(home.ledger, PARIS).read(home.clock.now()).paper == {}


def test_copies_that_may_not_have_clicked_wait_as_an_interval(tmp_path: Path) -> None:
    nobody = ("", MemberId(""), FormulaId(""))
    unheard = CopiesUnheard("copieur", "S1", 1, *nobody, 6, 0, 6, 0, clicks_mono=6)
    with acting_house(tmp_path, before=[(datetime(2026, 11, 23, 11, 0, tzinfo=UTC), unheard)]) as home:

        async def story(hand: Hand) -> None:
            page = await hand.open("/impressions")
            assert "de 0 à 6 copies (le boîtier n'entendait pas le copieur) · Le copieur" in page.text

        act(home, story)
        assert tell(unheard, words("fr"), Labels.of(home.site)) == (
            "Le copieur\u00a0: 6\u00a0faces sorties pendant que le boîtier n'entendait pas le connecteur,"
            " dont 0 à 6 copies, à personne"
        )


def test_an_uncertain_print_is_settled_on_the_page_and_its_neighbour_by_the_counters(tmp_path: Path) -> None:
    anne = Owner(AliasId("x1"), MemberId("m042"), FormulaId("subscriber"))
    lost = Claim("copieur", "S1", "lost-1", anne, most=20, state="completed")
    first, second = settle((lost, replace(lost, attempt="lost-2", most=5)), 22, 0, 1, "copieur/1/7")
    noon = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    unmatched = PrintsUnmatched("copieur", "S1", 1, 3, 0, 9000, 0)
    before = [(noon, first), (noon.replace(minute=1), second), (noon.replace(minute=2), unmatched)]
    with acting_house(tmp_path, before=before) as home:
        assert [line for line in statement(home) if line[0] == "m042"] == [
            ("m042", "print-mono", 34, 34, "0.00"),  # 15 of the day, at least 17 and at least 2
            ("m042", "copy-mono", 3, 3, "0.00"),
        ]

        async def story(hand: Hand) -> None:
            page = await hand.open("/impressions")
            assert "2 travaux à vérifier" in page.text
            assert "de 17 à 20 faces · Le copieur" in page.text
            form = page.form("/impressions/verifier", attempt="lost-1")
            page = await hand.send(form, sides="21", why="paper")
            assert "Ce nombre n'est pas possible pour ce travail" in page.text
            page = await hand.send(page.form("/impressions/verifier", attempt="lost-1"), sides="18", why="paper")
            assert "C'est noté : 18 faces." in page.text
            assert "travail à vérifier" not in page.text  # the other can only have been 4

        act(home, story)
        said = facts(home, PrintSettled)
        assert [(one.attempt, one.low, one.high, one.why.value) for one in said] == [
            ("lost-1", 18, 18, "paper"),
            ("lost-2", 4, 4, "counters"),
        ]
        assert said[0].actor != ""
        assert said[1].actor == ""
        assert [line for line in statement(home) if line[0] == "m042"] == [
            ("m042", "print-mono", 37, 37, "0.00"),
            ("m042", "copy-mono", 3, 3, "0.00"),
        ]


def test_a_print_of_today_stands_on_the_page_as_it_was_settled(home: House) -> None:
    anne = Owner(AliasId("x1"), MemberId("m042"), FormulaId("subscriber"))
    lost = Claim("copieur", "S1", "lost-1", anne, most=20, state="completed", apart=False)
    (row,) = settle((lost,), 17, 0, 1, "copieur/1/7")
    (said,) = Doubts().after([(row, home.clock.now().utc)]).settle("lost-1", 13, 0, Why.PAPER, "a1")
    home.ledger.append_now(row, home.clock.now(), "lost-1")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "de 0 à 17 faces" in page.text
        assert "13 faces imprimées" not in page.text
        home.ledger.append_now(said, home.clock.now(), "lost-1/1")
        page = await hand.open("/impressions")
        assert "13 faces imprimées" in page.text

    act(home, story)


def test_what_was_printed_past_the_box_is_told_with_what_prevents_it_until_somebody_says_it_is_put_right(
    home: House,
) -> None:
    def printed(sides: int, name: str) -> None:
        home.ledger.append_now(PrintedPast("copieur", "SN1", 1, sides, 2, 300, 30, name), home.clock.now(), name)

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "sans passer par le boîtier" not in page.text
        printed(10, "SN1/8/u8")
        page = await hand.open("/")
        assert "Le copieur : 12 faces imprimées sans passer par le boîtier" in page.text
        assert "choisir l'imprimante du lieu, pas le copieur lui-même" in page.text
        page = await hand.open("/impressions")
        assert "Le copieur : 12 faces depuis " in page.text
        assert "« Filtre adresse IP » (entrée)" in page.text
        mended = page.form("/impressions/regle", device="copieur")
        page = await hand.send(mended)
        assert "C'est noté." in page.text
        assert "sans passer par le boîtier" not in page.text
        page = await hand.send(mended)  # a second tap
        assert "Il n'y avait rien à régler ici." in page.text
        printed(1, "SN1/9/u9")
        page = await hand.open("/impressions")
        assert "Le copieur : 3 faces depuis " in page.text
        await hand.send(page.form("/impressions/regle", device="copieur"))

    act(home, story)
    mended = [fact for fact in facts(home, PastMended) if isinstance(fact, PastMended)]
    assert [(one.device, one.number, one.actor) for one in mended] == [("copieur", 1, "a1"), ("copieur", 2, "a1")]
    now = metric(home)
    assert now['gardien_printed_past_sides_total{device="copieur"}'] == 15
    assert now['gardien_paper_unattributed_sides_total{device="copieur"}'] >= 15
    assert ("", "unattributed-colour", 4, 0, "0.00") in statement(home)


def sums(home: House) -> tuple[int, int, int]:
    since = Journal(home.ledger, PARIS).read(home.clock.now()).books["copieur"].since
    return since.prints, since.copies, since.unattributed


def test_a_print_past_the_box_is_given_to_a_member_an_account_or_the_place_and_back(home: House) -> None:
    ada = home.roster.alias("Ada-PC")
    row = PastCounted(
        *("copieur", "SN1", 1, 10, 2, 300, 30, "SN1/8/u8"), ada.id, 10, 2, 12, 12, 12, evidence=Evidence.DEVICE
    )
    home.ledger.append_now(row, home.clock.now(), "SN1/8/u8")
    feast = home.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
    unmatched = metric(home)['gardien_paper_unattributed_sides_now{device="copieur"}']
    paper = "past:SN1/8/u8"
    bills: list[list[tuple[str, str, int]]] = []

    def billed() -> None:
        old = {line[:3] for line in BEFORE if line[1] != "unattributed-mono"}
        bills.append([line[:3] for line in statement(home) if line[:3] not in old])

    async def story(hand: Hand) -> None:
        billed()
        page = await hand.open("/impressions")
        said = "12 faces imprimées directement sur l'appareil, dont 2 en couleur · Le copieur"
        assert "3 travaux sans personne" in page.text
        assert page.text.count(said) == 2  # as nobody's, and among today's
        assert "sous le nom « ada-pc »" in page.text
        assert "Et toujours pour « ada-pc »" not in page.text
        assert "compté par l'appareil" in page.text
        assert sums(home) == (45, 7, 17)
        for member, name in (("m013", "Zoé Faure"), (feast, "Fête"), ("h:", "la maison")):
            form = giving(page, paper) if member == "m013" else await changing(hand, page, paper)
            page = await hand.send(form, member=member)
            assert f"C'est attribué : {name}." in page.text
            assert "2 travaux sans personne" in page.text
            assert sums(home) == (57, 7, 5)
            billed()
        assert metric(home)['gardien_paper_unattributed_sides_now{device="copieur"}'] == unmatched - 12
        page = await hand.send(await changing(hand, page, paper), member="h:")
        assert "Rien n'a changé" in page.text
        page = await hand.send(giving(page, "print:a2"), member="h:")  # what came under a name is nobody else's
        assert "Rien n'a changé" in page.text
        page = await hand.send(await changing(hand, page, paper), member="-")
        assert "C'est attribué : personne." in page.text
        assert sums(home) == (45, 7, 17)
        billed()

    act(home, story)
    nobodys = [("", "unattributed-mono", 15), ("", "unattributed-colour", 2)]
    rest = ("", "unattributed-mono", 5)
    assert bills == [
        nobodys,
        [("m013", "print-mono", 10), ("m013", "print-colour", 2), rest],
        [("p:001", "print-mono", 10), ("p:001", "print-colour", 2), rest],
        [rest, ("", "overhead-mono", 10), ("", "overhead-colour", 2)],
        nobodys,
    ]
    said = facts(home, PastAttributed)
    assert [(one.turn, one.was, one.member, one.evidence, one.actor) for one in said] == [
        (1, "", "m013", "device", "a1"),
        (2, "m013", "p:001", "device", "a1"),
        (3, "p:001", "h:", "device", "a1"),
        (4, "h:", "", "device", "a1"),
    ]
    assert metric(home)['gardien_paper_unattributed_sides_now{device="copieur"}'] == unmatched
    told = [tell(one, words("fr"), Labels.of(home.site)).replace("\N{NO-BREAK SPACE}", " ") for one in said[1:]]
    assert told == [
        "Le copieur : 12 faces attribuées à p:001",
        "Le copieur : 12 faces imprimées par la maison",
        "Le copieur : 12 faces de nouveau sans personne",
    ]


def test_what_the_counters_alone_saw_past_the_box_is_said_with_its_interval(home: House) -> None:
    row = PastCounted(*("copieur", "SN1", 1, 9, 0, 300, 30), sides_mono=5, sheets=3, low=5, high=9)
    home.ledger.append_now(row, home.clock.now(), "copieur/SN1/1/7")

    async def story(hand: Hand) -> None:
        page = await hand.open("/impressions")
        assert "de 5 à 9 faces imprimées directement sur l'appareil · Le copieur" in page.text
        await hand.send(giving(page, "past:copieur/SN1/1/7"), member="m013")

    act(home, story)
    tariff = read_tariff(Path(home.site.tariff))
    made = month_statement(home.ledger, home.roster.roster(), tariff, home.site.site, "2026-11")
    hers = [one for one in made.lines if one.member == "m013" and one.unit == "side"]
    assert [(one.item, one.quantity, one.uncertain) for one in hers] == [("print-mono", 5, 4)]
