"""A shared account pays for a waiting job: chosen, badged for, billed; or refused, and the job waits. Tier: sim."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from agent.ask import Answer, Request, ask
from agent.live import LiveHeld
from agent.rules.facts import FormulaId, MemberId
from agent.rules.pages import AttemptOwned
from agent.rules.payers import ChargeRefused, JobCharged
from agent.rules.release import JobReleased, ReleaseRefused
from agent.sitefile import read_tariff
from agent.views.exports import month_statement
from agent.views.paperbooks import attempts
from tests.stories.appliance import Appliance, live, write_site
from tests.stories.test_release import BADGE, MORNING, held, release

M042 = "badge copier 04A2B3C4D5"


async def wish(site: Appliance, job: LiveHeld, payer: str, member: str = "m042") -> Answer:
    wanted = {"job": job.name, "member": member, "payer": payer}
    request = Request("job-charge", member or "a1", "", site.clock.now().mono_s + 10, wanted)
    return await ask(site.places.run, "paper", request, 600)


def test_what_a_member_has_a_shared_account_pay_is_on_its_bill(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
        site.roster.payers.name_user(feast, MemberId("m042"), actor="test")
        await site.do("print m042 5 held")
        await site.do("print m042 2 colour held")
        await asyncio.sleep(30)
        five, two = held(site)
        assert (await wish(site, five, feast)).code == "charged"
        assert [(one.payer, one.charge) for one in held(site)] == [("p:001", "charged"), ("", "")]
        assert (await wish(site, two, feast)).code == "charged"
        assert (await wish(site, two, "")).code == "charged"  # thought better of it
        assert (await wish(site, five, feast, "m013")).code == "gone"  # somebody else's
        await site.do(M042)
        await asyncio.sleep(30)
        out = [fact for fact in site.facts(JobReleased) if isinstance(fact, JobReleased)]
        assert [(one.member, one.formula, one.level) for one in out] == [
            ("p:001", "occasional", "badge"),
            ("m042", "subscriber", "badge"),
        ]
        greeting = release(site).greetings["copieur"]
        assert (greeting.jobs, greeting.sides, greeting.high, greeting.refused) == (2, 7, "", "")
        rows = [one for one in site.facts(AttemptOwned) if isinstance(one, AttemptOwned)]
        assert sorted((one.member, one.sides_mono, one.sides_colour) for one in rows) == [
            ("m042", 0, 2),
            ("p:001", 5, 0),
        ]
        assert sorted((one.member, one.low) for one in attempts(site.ledger, "Europe/Paris")) == [
            ("m042", 2),
            ("p:001", 5),
        ]
        charged = [fact for fact in site.facts(JobCharged) if isinstance(fact, JobCharged)]
        assert [(one.turn, one.payer, one.member) for one in charged] == [
            (1, "p:001", "m042"),
            (1, "p:001", "m042"),
            (2, "", "m042"),
        ]
        tariff = read_tariff(Path(site.site.tariff))
        made = month_statement(site.ledger, site.roster.roster(), tariff, site.site.site, "2026-11")
        lines = [(line.item.value, line.quantity, line.free) for line in made.lines if line.member == feast]
        assert lines == [("print-mono", 5, 0)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_who_may_not_use_it_is_refused_and_the_job_waits(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
        await site.do("print m042 5 held")
        await site.do("print m042 2 held")
        await asyncio.sleep(30)
        five, _ = held(site)
        assert (await wish(site, five, feast)).code == "not-named"
        assert (await wish(site, five, "p:009")).code == "unknown"
        assert site.facts(JobCharged) == []
        site.roster.payers.name_user(feast, MemberId("m042"), actor="test")
        assert (await wish(site, five, feast)).code == "charged"
        site.roster.payers.end(feast, date(2026, 11, 23), actor="test")  # it ends while the job waits
        await asyncio.sleep(5)
        assert held(site)[0].charge == "ended"
        await site.do(M042)
        await asyncio.sleep(30)
        assert [one.job for one in held(site)] == [five.job]  # the other came out, on its owner's bill
        greeting = release(site).greetings["copieur"]
        assert (greeting.jobs, greeting.refused) == (1, "payer")
        (refused,) = site.facts(ChargeRefused)
        assert isinstance(refused, ChargeRefused)
        assert (refused.member, refused.payer, refused.why, refused.jobs) == ("m042", "p:001", "ended", 1)
        assert site.facts(ReleaseRefused) == []  # nothing is wrong with the machine
        assert (await wish(site, five, feast, "")).code == "ended"  # the animator cannot either
        assert (await wish(site, five, "")).code == "charged"
        await site.do(M042)
        await asyncio.sleep(30)
        assert held(site) == ()
        out = [fact for fact in site.facts(JobReleased) if isinstance(fact, JobReleased)]
        assert [(one.member, one.sides) for one in out] == [("m042", 2), ("m042", 5)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_what_the_animator_chose_it_pays_for_whoever_badges(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
        await site.do("print m042 4 held")
        await asyncio.sleep(30)
        assert (await wish(site, held(site)[0], feast, "")).code == "charged"
        await site.do(M042)
        await asyncio.sleep(30)
        (out,) = site.facts(JobReleased)
        assert isinstance(out, JobReleased)
        assert (out.member, out.formula) == ("p:001", "occasional")

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_what_prints_at_once_is_charged_to_the_account_its_client_names_if_that_pays(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        feast = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
        site.roster.payers.name_user(feast, MemberId("m042"), actor="test")
        for line in ("m042 5 account=fête", "m042 3 account=mairie", "m013 2 account=p:001", "inconnu 1 account=p:001"):
            await site.do(f"print {line}")
            await asyncio.sleep(60)
        site.roster.payers.end(feast, date(2026, 11, 23), actor="test")
        await site.do("print m042 4 account=p:001")
        await asyncio.sleep(60)
        rows = [one for one in site.facts(AttemptOwned) if isinstance(one, AttemptOwned)]
        assert [(one.member, one.formula, one.low) for one in rows] == [
            ("p:001", "occasional", 5),
            ("m042", "subscriber", 3),  # there is no such account
            ("m013", "occasional", 2),  # it does not name them
            ("", "", 1),
            ("m042", "subscriber", 4),  # it has ended
        ]

    live(tmp_path, write_site(tmp_path), MORNING, day)
