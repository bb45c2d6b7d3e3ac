"""Who pays is chosen at the copier's screen: a touch, the badge, a touch; and what comes of every other order.

Tier: sim, virtual time.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from agent.ask import Request, ask
from agent.live import LiveAsk
from agent.rules.facts import FormulaId, MemberId
from agent.rules.payers import ChargeRefused, JobCharged
from agent.rules.release import JobReleased
from tests.stories.appliance import Appliance, live, write_site
from tests.stories.test_charging import BADGE, M042, MORNING, held, release, wish

M013 = "badge copier 0F00D4E5F6"


def asked(site: Appliance) -> LiveAsk | None:
    return release(site).asks.get("copieur")


async def tell(site: Appliance, action: str, **given: str) -> str:
    wanted = Request(action, "screen:copieur", "", site.clock.now().mono_s + 10, {"device": "copieur", **given})
    return (await ask(site.places.run, "paper", wanted, 600)).code


async def badge(site: Appliance, verb: str = M042) -> None:
    await site.do(verb)
    await asyncio.sleep(2)


async def choose(site: Appliance, payer: str) -> None:
    question = asked(site)
    assert question is not None
    assert await tell(site, "counter-choose", turn=str(question.turn), payer=payer) == "chosen"
    await asyncio.sleep(2)


def out(site: Appliance) -> list[tuple[str, int | None]]:
    return [(one.member, one.sides) for one in site.facts(JobReleased) if isinstance(one, JobReleased)]


async def two_jobs(site: Appliance) -> MemberId:
    """Make an account for m042, who has two jobs waiting."""
    feast = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
    site.roster.payers.name_user(feast, MemberId("m042"), actor="test")
    await site.do("print m042 5 held")
    await site.do("print m042 2 colour held")
    await asyncio.sleep(10)
    return feast


def test_a_touch_the_badge_and_a_touch_have_the_account_pay(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = await two_jobs(site)
        site.roster.payers.add("Mairie", FormulaId("occasional"), actor="test")  # not hers: she never sees it
        assert await tell(site, "counter-touch", on="1") == "touched"
        touched = asked(site)
        assert touched is not None
        assert touched.payers == ()
        await badge(site)
        question = asked(site)
        assert question is not None
        assert (question.payers, question.jobs, question.sides) == (("p:001",), 2, 7)
        await asyncio.sleep(20)
        assert (out(site), len(held(site))) == ([], 2)  # nothing comes out before
        await choose(site, feast)
        assert (out(site), asked(site)) == ([("p:001", 5), ("p:001", 2)], None)
        greeting = release(site).greetings["copieur"]
        assert (greeting.jobs, greeting.sides, greeting.high, greeting.account) == (2, 7, "", True)
        charged = [one for one in site.facts(JobCharged) if isinstance(one, JobCharged)]
        assert {(one.payer, one.member, one.actor) for one in charged} == {("p:001", "m042", "screen:copieur")}
        await site.do("print m042 1 held")
        await asyncio.sleep(10)
        await badge(site)  # and the next badge is an ordinary one
        assert out(site)[2:] == [("m042", 1)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_who_chooses_themselves_pays_and_nothing_comes_of_nothing(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = await two_jobs(site)
        five, _ = held(site)
        assert (await wish(site, five, feast)).code == "charged"  # on her page, before
        await tell(site, "counter-touch", on="1")
        await badge(site)
        await choose(site, "-")
        assert (out(site), asked(site), len(held(site))) == ([], None, 2)
        await tell(site, "counter-touch", on="1")
        await tell(site, "counter-touch", on="")  # thought better of it
        assert asked(site) is None
        await tell(site, "counter-touch", on="1")
        await badge(site)
        await choose(site, "")
        assert out(site) == [("m042", 5), ("m042", 2)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_a_question_lapses_and_the_next_badge_is_an_ordinary_one(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = await two_jobs(site)
        await tell(site, "counter-touch", on="1")
        await asyncio.sleep(31)
        await badge(site)  # the touch was forgotten: this prints
        assert out(site) == [("m042", 5), ("m042", 2)]
        await site.do("print m042 1 held")
        await asyncio.sleep(10)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        await asyncio.sleep(31)
        await choose(site, feast)  # too late
        assert (len(out(site)), len(held(site))) == (2, 1)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        question = asked(site)
        assert question is not None
        await tell(site, "counter-choose", turn=str(question.turn - 1), payer=feast)  # a finger for the one before
        assert (len(out(site)), asked(site)) == (2, question)
        await badge(site)  # in place of a choice: she pays
        assert out(site)[2:] == [("m042", 1)]
        assert await tell(site, "counter-choose", turn="x", payer=feast) == ""  # no request of ours

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_no_account_pays_that_may_not_and_the_jobs_wait(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = await two_jobs(site)
        town = site.roster.payers.add("Mairie", FormulaId("occasional"), actor="test")
        for payer, why in ((town, "not-named"), (MemberId("p:009"), "unknown"), (feast, "ended")):
            await tell(site, "counter-touch", on="1")
            await badge(site)
            if payer == feast:  # it ends between the question and the choice
                site.roster.payers.end(feast, date(2026, 11, 23), actor="test")
            await choose(site, payer)
            refused = [one for one in site.facts(ChargeRefused) if isinstance(one, ChargeRefused)][-1]
            assert (refused.payer, refused.why, refused.jobs) == (payer, why, 2)
            assert release(site).greetings["copieur"].refused == "payer"
        assert (out(site), site.facts(JobCharged), len(held(site))) == ([], [], 2)
        await tell(site, "counter-touch", on="1")
        await badge(site)  # no account pays for her any more
        assert (asked(site), release(site).greetings["copieur"].refused) == (None, "no-payer")
        assert (out(site), len(held(site))) == ([], 2)
        await tell(site, "counter-touch", on="1")
        await badge(site, M013)  # nothing of his waits
        greeting = release(site).greetings["copieur"]
        assert (asked(site), greeting.jobs, greeting.refused) == (None, 0, "")

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_a_machine_that_cannot_print_is_charged_to_nobody(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = await two_jobs(site)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        await site.do("paper out")
        await asyncio.sleep(2)
        await choose(site, feast)
        assert (out(site), site.facts(JobCharged), len(held(site))) == ([], [], 2)
        assert release(site).greetings["copieur"].refused == "no-paper"

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)
