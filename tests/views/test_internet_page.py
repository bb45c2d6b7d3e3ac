"""The page of the links over HTTP: where it is broken, what was out, how it answered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.live import LiveLink
from agent.memory.samples import NAME, SampleStore
from agent.rules.facts import Fact
from agent.rules.linkfacts import Cause, Health, LinkChanged, LinkMeasured
from agent.rules.samples import LinkSample
from agent.views.latency import figures, plot, top_of
from agent.views.web.asking import lasted
from drivers.contract import Moment
from tests.views.hand import Hand, Page, browse
from tests.views.scenes import SITE, UP2, House, ago, down, house, pictures, scenes, write_day

UP, DOWN = Health.UP, Health.DOWN


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        opened.paint(scenes(opened.clock.now())["well"])
        yield opened


def wrote(home: House, *facts: tuple[datetime, Fact]) -> None:
    for utc, fact in facts:
        home.ledger.append_now(fact, replace(home.clock.now(), utc=utc), f"{fact.kind}:{utc}:{home.ledger.head().seq}")


def kept(home: House, *samples: LinkSample) -> None:
    with SampleStore(home.places.state / NAME) as store:
        for one in samples:
            store.keep(one)


def said(page: Page) -> str:
    return page.text.replace("\u00a0", " ").replace("\u202f", " ")


def rungs(page: Page) -> list[list[tuple[str, str]]]:
    lists = re.findall(r'<ol class="ladder".*?</ol>', page.html, re.DOTALL)
    return [re.findall(r"<b>([^<]*)</b> <span class=\"soft\">([^<]*)<", one) for one in lists]


def test_it_says_where_it_is_broken_in_words_and_what_to_do(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        home.paint(pictures(home.clock.now(), links={"adsl1": down("line"), "adsl2": UP2}))
        page = await hand.open("/internet")
        orange, free = rungs(page)
        assert orange == [
            ("Boîtier et son câble", "passe"),
            ("Box", "passe"),
            ("Ligne", "bloqué ici"),
            ("Opérateur", "on ne peut pas savoir d&#39;ici"),
            ("Internet", "on ne peut pas savoir d&#39;ici"),
        ]
        assert {words for _, words in free} == {"passe"}
        assert "Orange coupé : la box va bien, la ligne est coupée depuis 12:20" in said(page)
        assert "Fonctionne depuis 07:32" in said(page)
        assert "Que faire ? Regardez le voyant" in said(page)
        assert page.html.count('aria-current="page">Internet<') == 1
        assert page.form("/redemarree").method == "post"

    browse(home, story)


def test_two_dead_links_are_one_thing_to_do(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        home.paint(scenes(home.clock.now())["both-lines"])
        page = await hand.open("/internet")
        assert said(page).count("Ne redémarrez rien") == 1
        assert "Redémarrez la box" not in said(page)
        assert [dict(one)["Ligne"] for one in rungs(page)] == ["bloqué ici ou plus loin"] * 2

    browse(home, story)


def test_nobody_knows_while_nobody_measures(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        wrote(home, (ago(hours=3), LinkChanged("adsl1", Health.UNKNOWN, UP, Cause.NONE, ago(hours=3), "")))
        wrote(home, (ago(hours=1), LinkMeasured("adsl1", UP, Cause.NONE, ago(hours=1), 3600.0, 7200, 3)))
        home.paint({})
        page = await hand.open("/internet")
        assert {words for one in rungs(page) for _, words in one} == {"on ne peut pas savoir d&#39;ici"}
        text = said(page)
        assert "Mesuré depuis le mardi 24 novembre. Utilisable 100,00 % du temps mesuré." in text
        assert "Coupé : 0 s. Non mesuré, donc hors du calcul : 1 h 00 min 00 s." in text

    browse(home, story)


def test_outages_stand_to_the_second_with_their_cause(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        wrote(
            home,
            (ago(days=60), LinkChanged("adsl1", Health.UNKNOWN, UP, Cause.NONE, ago(days=60), "")),
            (ago(days=45), LinkChanged("adsl1", UP, DOWN, Cause.ISP, ago(days=45, seconds=3), "")),
            (ago(days=45), LinkChanged("adsl1", DOWN, UP, Cause.NONE, ago(days=45, seconds=-57), "")),
        )
        write_day(home.ledger)
        wrote(
            home,
            (ago(minutes=2), LinkChanged("adsl2", Health.UNKNOWN, DOWN, Cause.CABLE, ago(minutes=2), "")),
        )
        page = await hand.open("/internet")
        text = said(page)
        assert "Orange coupé : la box ne répond plus mardi 24 novembre, 12:20:01 – 12:26:07 6 min 06 s" in text
        assert "Free coupé : câble débranché mardi 24 novembre, 12:30:07 dure encore, 2 min 00 s jusqu'ici" in text
        assert text.index("12:30:07") < text.index("12:20:01")
        assert text.count("panne chez l'opérateur") == 0  # 45 days ago: in the strip, not in the list
        # 426 s of 60 days out: 99.9918 %, never rounded up
        assert "Utilisable 99,99 % du temps mesuré. Coupé : 7 min 06 s." in text
        assert "Câble du boîtier débranché, hors du calcul aussi : 2 min 00 s." in text
        assert "Pas encore mesuré." in text  # of Free: nothing but the cable
        strips = re.findall(r'<svg class="strip".*?</svg>', page.html, re.DOTALL)
        kinds = [re.findall(r'<rect class="(\w+)"', strip) for strip in strips]
        assert [len(kind) for kind in kinds] == [90, 90]
        assert kinds[0] == ["none"] * 29 + ["fine"] + ["fine"] * 14 + ["out"] + ["fine"] * 44 + ["out"]
        assert kinds[1] == ["none"] * 89 + ["ours"]
        assert "jusqu'au jeudi 24 septembre pas encore en service" in text
        assert "jusqu'au lundi 23 novembre pas encore en service" in text
        english = said(await hand.open("/internet?lang=en"))
        assert "still lasts, 2 min 00 s so far" in english
        assert "Usable 99.99% of the measured time. Out: 7 min 06 s." in english

    browse(home, story)


def test_an_outage_nobody_saw_end_is_not_said_to_have_ended(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        wrote(
            home,
            (ago(hours=5), LinkChanged("adsl1", Health.UNKNOWN, DOWN, Cause.LINE, ago(hours=5), "")),
            (ago(hours=3), LinkChanged("adsl1", DOWN, Health.UNKNOWN, Cause.GAP, ago(hours=4), "")),
        )
        text = said(await hand.open("/internet"))
        assert "au moins 1 h 00 min 00 s : la mesure s'est arrêtée avant la fin" in text

    browse(home, story)


def test_only_the_last_outages_are_listed_and_the_rest_is_counted(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        for n in range(42):
            at = ago(hours=100 - n)
            wrote(home, (at, LinkChanged("adsl1", UP, DOWN, Cause.ISP, at, "")))
            end = at + timedelta(seconds=30)
            wrote(home, (end, LinkChanged("adsl1", DOWN, UP, Cause.NONE, end, "")))
        page = await hand.open("/internet")
        assert said(page).count("panne chez l'opérateur") == 40
        assert "Et 2 coupures plus anciennes." in said(page)

    browse(home, story)


def row(windows_ago: int, median_us: int | None, p95_us: int | None, *, lost: int = 0) -> LinkSample:
    """The window that ended `windows_ago` windows before 12:30."""
    start_s = int(datetime(2026, 11, 24, 11, 30, tzinfo=UTC).timestamp()) - 300 * windows_ago
    return LinkSample("adsl1", start_s, 900, lost, 0, median_us, p95_us, 1000)


def test_the_plot_says_how_it_answered(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        kept(
            home,
            row(300, 9_000_000, 9_000_000),  # more than a day ago
            row(20, 30_000, 60_000),
            row(19, 34_000, 141_000, lost=9),
            row(1, 4_240, 70_000),
        )
        page = await hand.open("/internet")
        text = said(page)
        assert "D'habitude 30 ms ; au pire 141 ms (95 % des réponses), à 10:55. Perdues : 9 mesures sur 2 700." in text
        assert text.count("De 0 à 200 ms") == 1
        assert "10:00 32 ms 141 ms 9 / 1 800 12:00 4,2 ms 70 ms 0 / 900" in text
        assert text.count("Rien de mesuré ces 24 heures") == 1  # of Free
        assert 'd="M267 81.6L268 81.6L268 79.7L269 79.7M286 94.0L287 94.0"' in page.html

    browse(home, story)


def test_the_plot_says_of_which_day_its_worst_moment_was(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        kept(home, row(200, 34_000, 141_000), row(1, 4_240, 70_000))
        text = said(await hand.open("/internet"))
        assert "au pire 141 ms (95 % des réponses), hier à 19:50." in text
        assert "hier, 19:00 34 ms 141 ms" in text

    browse(home, story)


def test_a_file_that_is_no_database_is_no_reason_to_hide_the_rest(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        (home.places.state / NAME).write_bytes(b"not a database" * 100)
        page = await hand.open("/internet")
        assert page.status == 200
        assert said(page).count("Rien de mesuré ces 24 heures") == 2

    browse(home, story)


def test_losses_are_bars_and_silence_is_blank() -> None:
    rows = [row(3, 20_000, 40_000, lost=450), row(2, None, None, lost=900), row(1, 20_000, 40_000, lost=1)]
    drawn = plot(rows, rows[0].start_s, top_of(rows))
    assert drawn.top_ms == 50
    assert drawn.median == "M0 57.6L1 57.6M2 57.6L3 57.6"
    assert drawn.band == "M0 57.6L1 57.6L1 19.2L0 19.2ZM2 57.6L3 57.6L3 19.2L2 19.2Z"
    assert drawn.losses == "M0 120v-12.0h1v12.0zM1 120v-24.0h1v24.0zM2 120v-4.0h1v4.0z"


def test_what_is_slower_than_the_plot_is_high_stays_inside() -> None:
    rows = [row(1, 2_500_000, 3_000_000)]
    assert plot(rows, rows[0].start_s, top_of(rows)).median == "M0 0.0L1 0.0"
    assert plot((), 0, top_of(())).median == ""


@pytest.mark.parametrize(
    ("rows", "usual", "worst"), [((), None, None), ((row(1, None, None),), None, None), ((row(1, 5, 7),), 0.005, 0.007)]
)
def test_figures_of_nothing_are_none(rows: Sequence[LinkSample], usual: float | None, worst: float | None) -> None:
    found = figures(rows)
    assert (found.usual_ms, found.worst_ms) == (usual, worst)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (366, "6 min 06 s"), (7513, "2 h 05 min 13 s"), (360_000, "100 h 00 min 00 s")],
)
def test_how_long_is_written_to_the_second(seconds: float, words: str) -> None:
    assert lasted(timedelta(seconds=seconds)).replace("\u00a0", " ") == words


def test_it_is_the_animators_and_only_where_there_are_links(home: House, tmp_path: Path) -> None:
    async def stranger(hand: Hand) -> None:
        assert (await hand.open("/internet")).path == "/premiere-fois"

    browse(home, stranger)
    with house(tmp_path / "none", replace(SITE, links={})) as other:
        other.paint(scenes(other.clock.now())["well"])

        async def story(hand: Hand) -> None:
            page = await hand.claim()
            assert 'href="/internet"' not in page.html
            assert (await hand.open("/internet")).status == 404

        browse(other, story)


def test_a_link_that_is_full_passes_badly(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        full = LiveLink("saturated", "upload", ago(minutes=3), rtt_s=0.6, loss_share=0.0)
        home.paint(pictures(home.clock.now(), links={"adsl1": full, "adsl2": UP2}))
        page = await hand.open("/internet")
        assert dict(rungs(page)[0])["Ligne"] == "passe mal"
        assert "Demandez qui envoie de gros fichiers" in said(page)

    browse(home, story)


def test_a_month_is_taken_along_as_a_file(home: House) -> None:
    async def story(hand: Hand) -> None:
        await hand.claim()
        write_day(home.ledger)
        page = await hand.open("/internet")
        assert re.findall(r'href="(/internet/releve[^"]*)"', page.html) == [
            "/internet/releve?mois=2026-11",
        ]
        file = await hand.open("/internet/releve?mois=2026-11")
        assert file.headers["Content-Disposition"] == 'attachment; filename="internet_morez_2026-11.csv"'
        assert (
            "2026-11;morez;Orange;coupure;2026-11-24T12:20:01+01:00;2026-11-24T12:26:07+01:00;366;;box;oui;2;;;;;"
            in file.html
        )
        assert "2026-11;morez;Orange;total coupé;;;366;;;oui" in file.html
        for month in ("", "2026-09", "2026-12", "x"):
            assert (await hand.open(f"/internet/releve?mois={month}")).status == 404

    browse(home, story)


def test_what_lasts_has_no_gap_behind_it_while_time_goes_on(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two looks at a real clock are the same."""

    async def story(hand: Hand) -> None:
        await hand.claim()
        wrote(home, (ago(minutes=5), LinkChanged("adsl1", UP, DOWN, Cause.ISP, ago(minutes=5), "")))
        still = home.clock.now

        def ticking() -> Moment:
            home.clock.pass_s(0.01)
            return still()

        monkeypatch.setattr(home.clock, "now", ticking)
        text = said(await hand.open("/internet"))
        assert "dure encore, 5 min 00 s jusqu'ici" in text
        assert "la mesure s'est arrêtée" not in text
        file = (await hand.open("/internet/releve?mois=2026-11")).html
        assert [line.split(";")[3] for line in file.split("\r\n") if ";Orange;" in line][:3] == [
            "pas encore en service",
            "coupure",
            "total mesuré",
        ]

    browse(home, story)
