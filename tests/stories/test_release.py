"""Release by badge on the simulated site, in virtual time: what waits, what a badge lets out, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from agent.ask import Answer, Request, ask
from agent.live import LiveGreeting, LiveHeld, LiveRelease
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.identity import Level
from agent.rules.pages import AttemptOwned, PagesCounted
from agent.rules.release import JobExpired, JobGiven, JobReleased, JobWithdrawn, ReleaseRefused
from agent.stories.desk import Desk, mind_copier_reader
from drivers.contract import BadgeRead, CardNumber, ReaderId
from drivers.virtual import VirtualClock, VirtualLoop
from tests.stories.appliance import Appliance, live, write_site

MORNING = "2026-11-24 09:00"
BADGE = 'badge_queues = ["impressions"]'


def release(site: Appliance) -> LiveRelease:
    shown = site.standings["paper"].picture().release
    assert shown is not None
    return shown


def held(site: Appliance) -> tuple[LiveHeld, ...]:
    return release(site).held or ()


def greeting(site: Appliance) -> LiveGreeting:
    return release(site).greetings["copieur"]


def prints(site: Appliance) -> list[tuple[str, int, int]]:
    rows = [fact for fact in site.facts(PagesCounted) if isinstance(fact, PagesCounted)]
    return [(row.member, row.sides_mono, row.sides_colour) for row in rows]


async def settled(site: Appliance, seconds: float = 30) -> None:
    del site
    await asyncio.sleep(seconds)


def test_a_job_waits_until_its_members_badge_and_is_then_theirs(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print M042@laptop.local 5 two-sided x3 held")
        await site.do("print LACORDEE\\m013 2 colour held")
        await settled(site)
        assert prints(site) == []
        assert [(one.member, one.level, one.sides, one.colour) for one in held(site)] == [
            ("m042", "claimed", 15, 0),
            ("m013", "claimed", 2, 2),
        ]
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert prints(site) == [("m042", 15, 0)]
        seen = greeting(site)
        assert (seen.jobs, seen.sides, seen.colour, seen.low, seen.high, seen.currency, seen.refused) == (
            *(1, 15, 0, "0.75", "0.75", "EUR"),
            "",
        )
        assert [one.member for one in held(site)] == ["m013"]
        (fact,) = site.facts(JobReleased)
        assert isinstance(fact, JobReleased)
        assert (fact.member, fact.level, fact.sides, fact.colour, fact.device) == (
            *("m042", Level.BADGE, 15, 0),
            "copieur",
        )

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_a_name_that_its_host_proved_by_a_badge_today_is_billed_where_a_claim_is_not(tmp_path: Path) -> None:
    keys = 'badge_queues = ["impressions"]\nbills_from = "claimed-host"'

    async def day(site: Appliance) -> None:
        await site.do("print m042 3")  # at once, and nobody badged yet: it waits for the animator
        await settled(site)
        await site.do("print m042 5 held")
        await settled(site)
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        await site.do("print m042 2")
        await site.do("print m013 4")  # the same host, but that name was never proven there
        await settled(site)
        rows = [fact for fact in site.facts(PagesCounted) if isinstance(fact, AttemptOwned)]
        assert [(row.member, row.low, row.level) for row in rows] == [
            ("", 3, Level.NOBODY),
            ("m042", 5, Level.BADGE),
            ("m042", 2, Level.HOST),
            ("", 4, Level.NOBODY),
        ]

    live(tmp_path, write_site(tmp_path, printer=keys), MORNING, day)


def test_a_stranger_gets_nothing_and_an_iphones_job_waits_for_the_animator(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print iPhone 3 held")
        await settled(site)
        (one,) = held(site)
        assert (one.member, one.level, one.sides) == ("", "nobody", 3)
        await site.do("badge copier FFFFFFFFFF")
        await settled(site)
        assert greeting(site).refused == "card"
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert (greeting(site).jobs, greeting(site).refused, prints(site)) == (0, "", [])
        fact = JobGiven(one.job, one.created_s, 1, AliasId(one.alias), MemberId("m013"), "test")
        await site.ledger.append(fact, site.clock.now(), f"{one.job}/{one.created_s}/1")
        await settled(site)
        assert [(waits.member, waits.level, waits.turn) for waits in held(site)] == [("m013", "given", 1)]
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert prints(site) == []
        await site.do("badge copier 0F00D4E5F6")
        await settled(site)
        (out,) = site.facts(JobReleased)
        assert isinstance(out, JobReleased)
        assert (out.member, out.formula) == ("m013", FormulaId("occasional"))
        assert prints(site) == [("m013", 3, 0)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_nothing_leaves_for_a_machine_that_cannot_print_and_the_reason_is_said(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 4 held")
        await settled(site)
        await site.do("paper out")
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert (greeting(site).refused, greeting(site).jobs) == ("no-paper", 1)
        (fact,) = site.facts(ReleaseRefused)
        assert fact == ReleaseRefused("copieur", MemberId("m042"), "no-paper", 1)
        assert [one.member for one in held(site)] == ["m042"]
        await site.do("paper in")
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert prints(site) == [("m042", 4, 0)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_a_job_nobody_comes_for_is_let_go_and_told(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 4 held")
        await settled(site, 0.9 * 3600)
        assert [one.member for one in held(site)] == ["m042"]
        await settled(site, 0.2 * 3600)
        assert held(site) == ()
        (fact,) = site.facts(JobExpired)
        assert isinstance(fact, JobExpired)
        assert (fact.member, fact.held_h) == ("m042", 1)
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert prints(site) == []

    live(tmp_path, write_site(tmp_path, 60.0, printer=f"{BADGE}\nkeep_h = 1.0"), MORNING, day)


def test_a_queue_that_prints_at_once_stands_beside(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 4 held")
        await site.do("print m042 2")
        await settled(site)
        assert prints(site) == [("m042", 2, 0)]
        assert [one.sides for one in held(site)] == [4]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


async def take_back(site: Appliance, job: LiveHeld, member: str) -> Answer:
    wanted = {"job": job.name, "member": member}
    request = Request("job-withdraw", member, "", site.clock.now().mono_s + 10, wanted)
    return await ask(site.places.run, "paper", request, 600)


def test_a_member_takes_a_waiting_job_back_and_nobody_pays(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 4 held")
        await site.do("print m042 2 held")
        await settled(site)
        four, two = held(site)
        assert (await take_back(site, four, "m013")).code == "gone"  # not his
        answer = await take_back(site, four, "m042")
        assert (answer.done, answer.code) == (True, "withdrawn")
        assert [one.job for one in held(site)] == [two.job]
        assert (await take_back(site, four, "m042")).code == "gone"
        (fact,) = site.facts(JobWithdrawn)
        assert isinstance(fact, JobWithdrawn)
        assert (fact.job, fact.created_s, fact.member) == (four.job, four.created_s, "m042")
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert prints(site) == [("m042", 2, 0)]
        assert (await take_back(site, two, "m042")).code == "released"
        assert len(site.facts(JobWithdrawn)) == 1

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_what_a_crash_kept_from_being_cancelled_is_cancelled_at_the_next_look(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 4 held")
        await settled(site)
        (one,) = held(site)
        fact = JobWithdrawn(one.job, one.created_s, AliasId(one.alias), MemberId("m042"))  # written, and then a crash
        await site.ledger.append(fact, site.clock.now(), one.name)
        await site.do("badge copier 04A2B3C4D5")
        await settled(site)
        assert (held(site), prints(site), greeting(site).jobs) == ((), [], 0)

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_what_a_badge_lets_out_comes_before_the_books_look_but_does_not_hold_them_up() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop, datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    read = BadgeRead(clock.now(), ReaderId("copier"), CardNumber("04A2B3C4D5"))
    laid: list[float] = []

    class One:
        async def badges(self) -> AsyncIterator[BadgeRead]:
            yield read

    class Noted(Desk):
        def badge(self, read: BadgeRead) -> None:
            del read
            laid.append(round(loop.time() - began, 3))

    for takes_s in (0.2, 3600.0):
        began = loop.time()
        loop.run_until_complete(mind_copier_reader(One(), Noted(), lambda _: asyncio.sleep(takes_s)))  # noqa: B023
    loop.close()
    assert laid == [0.2, 0.5]
