"""A member's own waiting jobs on `/moi`, and taking one back: the real paper service answers, in a simulated place."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import agent.views
from agent.config import SpoolerConfig
from agent.live import held_jobs, read_pictures
from agent.rules.access import Role
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.payers import JobCharged
from agent.rules.release import JobWithdrawn
from agent.rules.unprinted import JobUnprinted, Why
from agent.services import paper
from agent.services.standing import Standing
from agent.views.web.me import CODE_LASTS
from drivers.sim import SimBuilding
from drivers.verbs import parse
from tests.views.hand import Hand, Page, hand_at, site_of
from tests.views.scenes import SITE, House, house, pictures

PRINTER = replace(SITE.printers["copieur"], badge_queues=("impressions",))
PLACE = replace(SITE, printers={"copieur": PRINTER}, spooler=SpoolerConfig("sim"))
NONE = "Aucun travail n'attend votre badge."


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    tariff = Path(agent.views.__file__).with_name("tariff-example.toml")
    with house(tmp_path / "house", replace(PLACE, tariff=str(tariff))) as opened:
        yield opened


def plain(page: Page) -> str:
    return page.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


async def until(true: Callable[[], bool], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.02)


def knows(home: House) -> bool:
    shown = read_pictures(home.places.run).get("paper")
    return shown is not None and shown.release is not None and shown.release.held is not None


@contextlib.asynccontextmanager
async def copier_of(home: House) -> AsyncIterator[SimBuilding]:
    """Run the paper service of this house."""
    building = SimBuilding(home.clock)
    standing = Standing("paper", home.site, home.places, home.clock, home.ledger, home.roster, building)
    await paper.wire(standing)
    running = asyncio.create_task(standing.run())
    try:
        await until(lambda: knows(home))
        yield building
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def come_in(hand: Hand, member: MemberId) -> Page:
    code = hand.gate.accounts.issue(Role.MEMBER, member, CODE_LASTS)
    page = await hand.open("/moi/entrer")
    return await hand.send(page.form("/moi/entrer"), code=code)


def live(home: House, story: Callable[[Hand, SimBuilding], Awaitable[None]]) -> None:
    async def run() -> None:
        async with copier_of(home) as building, site_of(home) as (app, origin), hand_at(app, origin) as hand:
            await asyncio.wait_for(story(hand, building), 90)

    asyncio.run(run())


def two_people(home: House) -> tuple[MemberId, MemberId]:
    anne = home.roster.add_member("Anne", FormulaId("subscriber"), actor="cli", since=date(2026, 1, 1))
    bob = home.roster.add_member("Bob", FormulaId("occasional"), actor="cli", since=date(2026, 1, 1))
    home.roster.give_alias(anne, "anne", actor="cli")
    home.roster.give_alias(bob, "bob", actor="cli")
    return anne, bob


def test_a_member_reads_why_nothing_came_out_of_a_job(home: House) -> None:
    anne, bob = two_people(home)
    at = home.clock.now()
    for job, member, why in ((7, anne, Why.UNREADABLE), (8, bob, Why.REFUSED), (9, anne, Why.REFUSED)):
        fact = JobUnprinted("copieur", job, 1_795_519_920, AliasId("x"), member, why.value)
        home.ledger.append_now(fact, at, f"{job}/1795519920")

    async def story(hand: Hand, building: SimBuilding) -> None:
        text = plain(await come_in(hand, anne))
        assert "Envoyé mardi 24 novembre à 12:32 : rien n'est sorti, l'appareil n'a pas ce format de papier" in text
        assert "Envoyé mardi 24 novembre à 12:32 : rien n'est sorti, son document est abîmé ou protégé" in text
        assert text.count("rien n'est sorti") == 2
        assert "Annuler" not in text

    live(home, story)


def test_a_member_sees_ones_waiting_jobs_and_takes_one_back(home: House) -> None:
    anne, bob = two_people(home)

    async def story(hand: Hand, building: SimBuilding) -> None:
        assert NONE in plain(await come_in(hand, anne))
        for line in ("print anne 4 colour x3 held", "print anne 7 held", "print bob 9 held", "print iPhone 11 held"):
            building.obey(parse(line))
        await until(lambda: {one.sides for one in held_jobs(home.places.run)} == {12, 7, 9, 11})
        page = await hand.open("/moi")
        text = plain(page)
        assert "12 faces, dont 12 en couleur · 3,00 €" in text
        assert "7 faces, noir et blanc · 0,35 €" in text
        assert "Envoyé mardi 24 novembre à 12:32 · gardé jusqu'au vendredi 27 novembre, 12:32" in text
        assert "9 faces" not in text
        assert "11 faces" not in text
        mine = [one for one in page.forms if one.action == "/moi/annuler"]
        assert len(mine) == 2
        page = await hand.send(mine[0])
        assert (page.path, "le travail est annulé, rien n'est imprimé ni compté" in plain(page)) == ("/moi", True)
        await until(lambda: {one.sides for one in held_jobs(home.places.run)} == {7, 9, 11})
        page = await hand.open("/moi")
        assert "12 faces" not in plain(page)
        again = await hand.send(mine[0])
        assert "Ce travail n'attend plus" in plain(again)
        his = next(one.name for one in held_jobs(home.places.run) if one.member == bob)
        for job in (his, "", "1", "a/b", "9/9", "1/2/3"):
            page = await hand.send(mine[1], None, job=job)
            assert page.path == "/moi"
            assert "est annulé" not in plain(page)
        assert len(held_jobs(home.places.run)) == 3

    live(home, story)
    facts = [entry.fact for entry in home.ledger.entries(JobWithdrawn)]
    assert [(fact.member, fact.job) for fact in facts if isinstance(fact, JobWithdrawn)] == [(anne, 1)]


def test_nobody_else_takes_a_job_back(home: House) -> None:
    anne, _ = two_people(home)

    async def story(hand: Hand, building: SimBuilding) -> None:
        building.obey(parse("print anne 4 held"))
        await until(lambda: [one.sides for one in held_jobs(home.places.run)] == [4])
        mine = (await come_in(hand, anne)).form("/moi/annuler")
        forged = replace(mine, fields={**mine.fields, "csrf": "0" * 64})
        assert (await hand.send(forged)).status == 403
        hand.session.cookie_jar.clear()
        await hand.claim()
        own = (await hand.open("/compte")).forms[0].fields
        token = {key: value for key, value in own.items() if key == "csrf"}
        assert (await hand.send(replace(mine, fields={**mine.fields, **token}))).status == 403
        assert len(held_jobs(home.places.run)) == 1

    live(home, story)
    assert list(home.ledger.entries(JobWithdrawn)) == []


def test_where_the_box_does_not_say_nothing_is_claimed(home: House) -> None:
    anne, _ = two_people(home)

    async def run() -> None:
        home.paint(pictures(home.clock.now()))  # a paper service that shows no waiting jobs, and does not answer
        async with site_of(home) as (app, origin), hand_at(app, origin) as hand:
            page = await come_in(hand, anne)
            assert "Nous ne savons pas en ce moment ce qui attend" in plain(page)
            assert NONE not in plain(page)
            out = next(
                one for one in (await hand.open("/moi")).forms if one.action == "/langue" or "csrf" in one.fields
            )
            page = await hand.send(replace(out, action="/moi/annuler"), None, job="1/2")
            assert "n'a pas répondu à temps" in plain(page)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_where_nothing_waits_for_a_badge_there_is_no_such_list(tmp_path: Path) -> None:
    with house(tmp_path / "house") as plain_house:
        anne, _ = two_people(plain_house)

        async def run() -> None:
            async with site_of(plain_house) as (app, origin), hand_at(app, origin) as hand:
                assert "votre badge" not in plain(await come_in(hand, anne))

        asyncio.run(asyncio.wait_for(run(), 60))


def test_a_member_has_a_shared_account_pay_and_the_animator_too(home: House) -> None:
    anne, bob = two_people(home)
    feast = home.roster.payers.add("Fête de juin", FormulaId("occasional"), actor="cli")
    home.roster.payers.name_user(feast, anne, actor="cli")

    async def story(hand: Hand, building: SimBuilding) -> None:
        for line in ("print anne 4 held", "print bob 9 held", "print iPhone 11 held"):
            building.obey(parse(line))
        await until(lambda: {one.sides for one in held_jobs(home.places.run)} == {4, 9, 11})
        page = await come_in(hand, anne)
        choosing = page.form("/moi/payeur")
        page = await hand.send(choosing, payer=feast)
        assert "C'est noté : payé par Fête de juin quand vous badgez." in plain(page)
        await until(lambda: [one.payer for one in held_jobs(home.places.run) if one.member == anne] == [feast])
        assert "Payé par Fête de juin." in plain(await hand.open("/moi"))
        page = await hand.send(choosing, None, payer="p:009")
        assert "Ce compte partagé n'existe plus : choisissez qui paie." in plain(page)
        home.roster.payers.remove_user(feast, anne, actor="cli")
        page = await hand.send(choosing, None, payer=feast)
        assert "Vous ne pouvez pas faire payer" in plain(page)
        page = await hand.send(page.form("/moi/payeur"), payer="")
        assert "C'est noté : ce travail est à votre compte." in plain(page)
        hand.session.cookie_jar.clear()
        page = await come_in(hand, bob)  # it does not name him: there is nothing to choose
        assert "Fête" not in page.text
        assert [one for one in page.forms if one.action == "/moi/payeur"] == []
        hand.session.cookie_jar.clear()
        await hand.claim()
        page = await hand.open("/impressions")
        page = await hand.send(page.form("/impressions/attente/payeur"), payer=feast)
        assert "C'est noté : payé par Fête de juin." in plain(page)
        home.roster.payers.erase(feast, actor="cli")
        page = await hand.send(page.form("/impressions/attente/payeur"), None, payer=feast)
        assert "Ce compte partagé n'existe plus" in plain(page)

    live(home, story)
    facts = [entry.fact for entry in home.ledger.entries(JobCharged)]
    assert [(fact.job, fact.turn, fact.payer, fact.member) for fact in facts if isinstance(fact, JobCharged)] == [
        (1, 1, "p:001", anne),
        (1, 2, "", anne),
        (3, 1, "p:001", ""),
    ]
