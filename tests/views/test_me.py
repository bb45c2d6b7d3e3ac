"""A member's own page: reached with a one-time code, shows one person's data and nobody else's, and gives it away."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import agent.views
from agent.rules.access import Acted, Role
from agent.rules.attribution import PagesAttributed
from agent.rules.door import EntryDecided
from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId
from agent.rules.health import ServiceAbsent
from agent.rules.pages import Errand, Evidence, Owner, PagesCounted, count
from agent.rules.paper import CopiesCounted, PrintedPast
from agent.rules.past import attributed
from agent.rules.presence import Reason, VisitCorrected, VisitEnded, VisitEvidence, VisitStarted
from agent.rules.visits import Visit
from agent.sitefile import read_tariff
from agent.views.exports import absences_until, in_time, month_statement
from agent.views.own import KINDS, Own, OwnFold, of_the_month
from agent.views.web.me import CODE_LASTS
from drivers.contract import CardNumber
from tests.rules.test_pages import JOB
from tests.views.hand import Hand, browse
from tests.views.scenes import SITE, House, house

SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")
NOBODY = MemberId("")
BY = VisitEvidence.ANIMATOR
ANNE, BOB = "Anne Martin", "=cmd|Bob"
CODE = re.compile(r"[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}")


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    example = Path(agent.views.__file__).with_name("tariff-example.toml")
    card = replace(SITE.site, contact="donnees@example.org", address="https://192.0.2.7:8443/")
    with house(tmp_path / "house", replace(SITE, site=card, tariff=str(example))) as opened:
        yield opened


def people(home: House) -> tuple[MemberId, MemberId]:
    home.clock.pass_s(-23 * 86_400)  # the first of November
    anne = home.roster.add_member(ANNE, OCC, actor="cli", since=date(2026, 1, 1))
    bob = home.roster.add_member(BOB, SUB, actor="cli", since=date(2026, 2, 2))
    home.roster.give_alias(anne, "anne.m", actor="cli")
    home.roster.give_card(anne, CardNumber("04A2B3C4D5"), actor="cli")
    home.roster.give_card(bob, CardNumber("04FFEEDDCC"), actor="cli")
    home.clock.pass_s(23 * 86_400)
    return anne, bob


def write(home: House, at: datetime, fact: Fact) -> None:
    home.ledger.append_now(fact, replace(home.clock.now(), utc=at), uuid.uuid4().hex)


def pages(attempt: str, member: MemberId, formula: FormulaId, mono: int, colour: int, low: int = -1) -> PagesCounted:
    sides = mono + colour
    bounds = (sides if low < 0 else low, sides)
    who = ("copieur", "SN1", attempt, AliasId(""), member, formula)
    return PagesCounted(*who, mono, colour, sides, *bounds, Evidence.DEVICE, "completed")


def visit(name: str, member: MemberId, formula: FormulaId, start: datetime, minutes: int) -> VisitEnded:
    end = start + timedelta(minutes=minutes)
    return VisitEnded(name, member, formula, start, end, minutes, VisitEvidence.ANIMATOR)


def november(home: House, anne: MemberId, bob: MemberId) -> None:
    """Write a month in which two people did different things, some of it put right later."""
    write(home, utc(3, 8), EntryDecided("porte", CardKey("ab" * 16), anne, OCC, granted=True, rule="opening-hours"))
    write(home, utc(3, 8, 5), EntryDecided("porte", CardKey("cd" * 16), bob, SUB, granted=True, rule="always"))
    write(home, utc(3, 12), visit("v1", anne, OCC, utc(3, 8), 240))
    write(home, utc(3, 12), ServiceAbsent("web", utc(3, 9), utc(3, 9, 25)))
    write(home, utc(3, 13), visit("v2", bob, SUB, utc(3, 8), 300))
    write(home, utc(4, 9), visit("v3", anne, OCC, utc(4, 8), 60))
    right = (utc(4, 8), utc(4, 8, 30), 30, 60, False, next(iter(Reason)), "a1")
    write(home, utc(4, 10), VisitCorrected("v3", 1, anne, OCC, *right))
    write(home, utc(5, 9), pages("a1", anne, OCC, 10, 2))
    write(home, utc(5, 10), pages("a2", NOBODY, FormulaId(""), 7, 0))
    write(home, utc(5, 11), pages("a3", bob, SUB, 31, 0))
    moved = (NOBODY, FormulaId(""), anne, OCC, 7, 0, 7, "a1")
    write(home, utc(6, 9), PagesAttributed("a2", "copieur", 1, AliasId(""), *moved))
    write(home, utc(6, 10), CopiesCounted("copieur", "SN1", 1, "c1", anne, OCC, 3, 0, 103, 26))
    write(home, utc(6, 11), pages("a4", NOBODY, FormulaId(""), 5, 0))
    write(home, utc(24, 10, 30), VisitStarted("v4", anne, OCC, utc(24, 10, 30), VisitEvidence.ANIMATOR))


async def code_for(hand: Hand, member: MemberId) -> str:
    page = await hand.open(f"/membre/{member}")
    page = await hand.send(page.form(f"/membre/{member}/code"))
    found = CODE.search(page.text)
    assert page.status == 200
    assert found is not None
    assert "https://192.0.2.7:8443/moi/entrer" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    return found[0]


async def come_in(hand: Hand, code: str) -> None:
    page = await hand.open("/moi")
    assert page.path == "/moi/entrer"
    page = await hand.send(page.form("/moi/entrer"), code=code)
    assert (page.status, page.path) == (200, "/moi")


def test_a_code_leads_to_ones_own_page_once(home: House) -> None:
    anne, bob = people(home)
    november(home, anne, bob)
    codes: list[str] = []

    async def animator(hand: Hand) -> None:
        await hand.claim()
        codes.append(await code_for(hand, anne))
        again = await hand.open(f"/membre/{anne}")
        assert codes[0] not in again.html  # shown once

    async def member(hand: Hand) -> None:
        page = await hand.open("/entrer")
        assert "/moi/entrer" in page.html
        await come_in(hand, codes[0].replace("-", " ").lower())
        page = await hand.open("/moi")
        for said in (
            "Anne Martin",
            "4\u00a0h 30 de présence, 19\u00a0faces imprimées, 3\u00a0copies.",
            "mardi 3 novembre, 09:00 – 13:00 4 h 00",
            "mercredi 4 novembre, 09:00 – 09:30 0 h 30",
            "mardi 3 novembre, 09:00 – 13:00 4 h 00 · dont 0 h 25 à vérifier : le boîtier était en panne",
            "mardi 24 novembre, 11:30 en cours",
            "jeudi 5 novembre, 11:00 · le copieur 7\u00a0faces imprimées",
            "Le titre de vos documents n'est jamais conservé.",
            "Contact\u00a0: donnees@example.org",
        ):
            assert said.replace("\u00a0", " ") in page.text.replace("\u00a0", " "), said
        assert "Bob" not in page.html
        assert bob not in page.html
        assert "31" not in page.text.replace("31 0", "")

    async def stranger(hand: Hand) -> None:
        page = await hand.open("/moi/entrer")
        page = await hand.send(page.form("/moi/entrer"), code=codes[0])
        assert (page.status, page.path) == (422, "/moi/entrer")

    browse(home, animator, member, stranger)
    raw = (home.places.state / "accounts.db").read_bytes()
    assert codes[0].replace("-", "").encode() not in raw
    acted = [(e.fact.action, e.fact.subject) for e in home.ledger.entries(Acted) if isinstance(e.fact, Acted)]
    assert ("member-code-made", anne) in acted
    assert ("member-signed-in", anne) in acted


def test_a_month_begins_at_the_sites_midnight() -> None:
    evening = Visit("v", MemberId("m"), OCC, utc(1, 21), datetime(2026, 10, 31, 23, 30, tzinfo=UTC), 30, BY)
    own = Own((evening, replace(evening, ended=datetime(2026, 10, 31, 22, 30, tzinfo=UTC))), (), (), None)
    november = datetime(2026, 11, 24, 12, 0, tzinfo=ZoneInfo("Europe/Paris"))
    assert of_the_month(own, november)["minutes"] == 30


def test_what_is_free_is_in_no_sum_that_a_member_reads_beside_a_price(home: House) -> None:
    anne, _ = people(home)
    row = count(replace(JOB, sides=8, sheets=4, copies=1), Owner(AliasId(""), anne, OCC), Errand(banners=1, forecast=5))
    assert row is not None
    write(home, utc(5, 9), row)
    fold = OwnFold(anne, "2026-11")
    for written, entry in in_time(home.ledger.entries(*KINDS), ZoneInfo("Europe/Paris")):
        fold.add(written, entry)
    tariff = read_tariff(Path(home.site.tariff))
    own = fold.done(home.roster.roster().members[anne], tariff)
    assert [(one.sides, one.free) for one in own.paper] == [(8, 2)]  # a banner and its blank back
    assert of_the_month(own, datetime(2026, 11, 24, tzinfo=ZoneInfo("Europe/Paris")))["prints"] == 6
    assert own.estimate is not None
    assert sum(line.quantity for line in own.estimate.lines if "print" in line.item) == 6


def test_the_estimate_is_the_statements_own(home: House) -> None:
    anne, bob = people(home)
    november(home, anne, bob)
    past, nobody = PrintedPast("copieur", "S1", 1, 6, 2, 106, 22, "S1/9/u9"), (NOBODY, FormulaId(""))
    given = attributed("past", past, nobody, (bob, OCC), 1, "a1")  # what came past the box is among his own
    home.ledger.append_now(past, home.clock.now(), "past")
    home.ledger.append_now(given, home.clock.now(), "past:past:1")
    tariff = read_tariff(Path(home.site.tariff))
    whole = month_statement(home.ledger, home.roster.roster(), tariff, home.site.site, "2026-11")
    for who in (anne, bob):
        fold = OwnFold(who, "2026-11", absences_until(home.ledger, "2026-11", ZoneInfo("Europe/Paris")))
        for written, entry in in_time(home.ledger.entries(*KINDS), ZoneInfo("Europe/Paris")):
            fold.add(written, entry)
        done = fold.done(home.roster.roster().members[who], tariff)
        assert ((6, 2) in [(row.mono, row.colour) for row in done.paper if row.kind == "print"]) is (who == bob)
        own = done.estimate
        assert own is not None
        assert own.lines == tuple(line for line in whole.lines if line.member == who)


def test_one_takes_away_all_ones_data_and_nobody_elses(home: House) -> None:
    anne, bob = people(home)
    november(home, anne, bob)
    taken: list[bytes] = []

    async def story(hand: Hand) -> None:
        await come_in(hand, hand.gate.accounts.issue(*_code_for(anne)))
        async with hand.session.get("/moi/donnees.zip") as answer:
            assert answer.headers["Content-Type"] == "application/zip"
            assert answer.headers["Content-Disposition"] == 'attachment; filename="donnees_morez_2026-11-24.zip"'
            assert answer.headers["Cache-Control"] == "no-store"
            taken.append(await answer.read())

    browse(home, story)
    with zipfile.ZipFile(io.BytesIO(taken[0])) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert set(files) == {
        "LISEZMOI.txt",
        "personne.csv",
        "visites.csv",
        "papier.csv",
        "passages.csv",
        "donnees.json",
        "estimation.csv",
    }
    assert (
        files["visites.csv"]
        .decode("utf-8")
        .startswith("\ufeffArrivée;Départ;Minutes;Formule;Noté par;Minutes à vérifier\r\n")
    )
    assert table(files["visites.csv"]) == [
        ["03/11/2026 09:00", "03/11/2026 13:00", "240", "occasional", "animateur", "25"],
        ["04/11/2026 09:00", "04/11/2026 09:30", "30", "occasional", "animateur", "0"],
        ["24/11/2026 11:30", "", "0", "occasional", "animateur", "0"],
    ]
    assert table(files["papier.csv"]) == [
        ["05/11/2026 10:00", "copieur", "Impression", "10", "2", "12", "12"],
        ["05/11/2026 11:00", "copieur", "Impression", "7", "0", "7", "7"],
        ["06/11/2026 11:00", "copieur", "Copie", "3", "0", "3", "3"],
    ]
    assert table(files["passages.csv"]) == [["03/11/2026 09:00", "porte", "oui", "opening-hours"]]
    assert dict(table(files["personne.csv"])) == {
        "Identifiant": anne,
        "Nom": "Anne Martin",
        "Formule": "occasional",
        "Depuis": "01/01/2026",
        "Jusqu'au": "",
        "Noms d'impression": "anne.m",
        "Cartes": "1",
        "Cartes bloquées": "0",
    }
    whole = json.loads(files["donnees.json"])
    assert whole["schema"] == "gardien-member/1"
    assert whole["visits"][1]["ended"] == "2026-11-04T09:30:00+01:00"
    assert len(whole["paper"]) == 3
    assert b"Montant" in files["estimation.csv"]
    everything = b"".join(files.values())
    for foreign in (bob.encode() + b";", b"Bob", b"always", b"04A2B3C4D5", b"ab" * 16, b"300;"):
        assert foreign not in everything, foreign


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))[1:]


def _code_for(member: MemberId) -> tuple[Role, MemberId, timedelta]:
    return Role.MEMBER, member, CODE_LASTS


def test_a_cell_that_would_run_is_guarded(home: House) -> None:
    _, bob = people(home)

    async def story(hand: Hand) -> None:
        await come_in(hand, hand.gate.accounts.issue(*_code_for(bob)))
        async with hand.session.get("/moi/donnees.zip") as answer:
            packed = zipfile.ZipFile(io.BytesIO(await answer.read()))
            assert dict(table(packed.read("personne.csv")))["Nom"] == "'=cmd|Bob"
        page = await hand.open("/moi")
        assert "=cmd|Bob" in page.text

    browse(home, story)


def test_a_member_reaches_nothing_else(home: House) -> None:
    anne, bob = people(home)

    async def story(hand: Hand) -> None:
        await hand.claim()
        await hand.leave()
        hand.session.cookie_jar.clear()
        await come_in(hand, hand.gate.accounts.issue(*_code_for(anne)))
        for path in ("/membres", f"/membre/{bob}", f"/membre/{anne}", "/compte", "/visites", "/impressions"):
            page = await hand.open(path)
            assert page.status == 403, path
            assert "Bob" not in page.html
        assert (await hand.open("/")).path == "/moi"  # "back to the first page" leads somewhere
        mine = await hand.open("/moi")
        forged = replace(mine.forms[0], action=f"/membre/{bob}/code")
        assert (await hand.send(forged)).status == 403
        for path in (f"/moi?member={bob}", f"/moi?id={bob}", f"/moi/donnees.zip?member={bob}"):
            async with hand.session.get(path) as answer:
                assert b"Bob" not in await answer.read()

    async def animator(hand: Hand) -> None:
        await hand.enter()
        assert (await hand.open("/moi")).status == 403  # nobody reads another's own page
        assert (await hand.open("/moi/donnees.zip")).status == 403

    browse(home, story, animator)


def test_codes_die(home: House) -> None:
    anne, bob = people(home)

    async def story(hand: Hand) -> None:
        first = hand.gate.accounts.issue(*_code_for(anne))
        second = hand.gate.accounts.issue(*_code_for(anne))
        late = hand.gate.accounts.issue(*_code_for(bob))
        account = hand.gate.accounts.issue(Role.ANIMATOR)
        for code in (first, account, "", "AAAA-BBBB-CCCC"):  # replaced; for an account; none; a guess
            page = await hand.open("/moi/entrer")
            assert (await hand.send(page.form("/moi/entrer"), code=code)).status == 422
        assert hand.gate.accounts.code(account) is not None  # not used up by a wrong door
        await come_in(hand, second)
        home.clock.pass_s(24 * 3600 + 1)
        hand.session.cookie_jar.clear()
        page = await hand.open("/moi/entrer")
        assert (await hand.send(page.form("/moi/entrer"), code=late)).status == 422

    browse(home, story)


def test_guessing_is_slowed_down(home: House) -> None:
    people(home)

    async def story(hand: Hand) -> None:
        statuses = []
        for _ in range(14):
            page = await hand.open("/moi/entrer")
            statuses.append((await hand.send(page.form("/moi/entrer"), code="AAAA-BBBB-CCCC")).status)
        assert statuses[:10] == [422] * 10
        assert statuses[10:] == [429] * 4

    browse(home, story)


def test_who_was_erased_is_nobody(home: House) -> None:
    anne, _ = people(home)

    async def story(hand: Hand) -> None:
        late = hand.gate.accounts.issue(*_code_for(anne))
        await come_in(hand, late)
        code = hand.gate.accounts.issue(*_code_for(anne))
        home.roster.erase_member(anne, actor="cli")
        page = await hand.open("/moi")
        assert page.path == "/moi/entrer"
        assert (await hand.send(page.form("/moi/entrer"), code=code)).status == 422

    browse(home, story)


def test_without_a_tariff_there_is_no_price(tmp_path: Path) -> None:
    with house(tmp_path / "house") as home:
        anne, bob = people(home)
        november(home, anne, bob)

        async def story(hand: Hand) -> None:
            await come_in(hand, hand.gate.accounts.issue(*_code_for(anne)))
            page = await hand.open("/moi?lang=en")
            assert "Estimated" not in page.text
            assert "My data" in page.text
            async with hand.session.get("/moi/donnees.zip") as answer:
                packed = zipfile.ZipFile(io.BytesIO(await answer.read()))
                assert "estimation.csv" not in packed.namelist()

        browse(home, story)
