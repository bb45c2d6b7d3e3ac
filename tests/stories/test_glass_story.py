"""A shared account pays for copies at the glass: chosen at the screen before, in or just after the visit.

Tier: sim, virtual time.
"""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from agent.live import LiveTab
from agent.rules.attribution import CopiesAttributed
from agent.rules.facts import FormulaId, MemberId
from agent.rules.glass import CopiesCharged
from agent.rules.paper import CopiesCounted, CopyVisitEnded, CopyVisitStarted
from agent.sitefile import read_tariff
from agent.views.exports import month_statement
from agent.views.paperbooks import balances
from tests.stories.appliance import Appliance, live, write_site
from tests.stories.test_charging import BADGE, M042, MORNING
from tests.stories.test_counter import M013, asked, badge, choose, out, tell, two_jobs


def tab(site: Appliance) -> LiveTab | None:
    return site.standings["paper"].picture().tabs.get("copieur")


async def pay(site: Appliance, payer: str, turn: int | None = None) -> str:
    shown = tab(site)
    assert shown is not None
    came = await tell(site, "copies-choose", turn=str(shown.turn if turn is None else turn), payer=payer)
    await asyncio.sleep(1)
    return came


def feast(site: Appliance, member: str = "m042") -> MemberId:
    payer = site.roster.payers.add("Fête", FormulaId("occasional"), actor="test")
    site.roster.payers.name_user(payer, MemberId(member), actor="test")
    return payer


async def copied(site: Appliance, line: str = "copy 4", seconds: float = 60) -> None:
    await site.do(line)
    await asyncio.sleep(seconds)


def owners(site: Appliance) -> list[tuple[str, str, int]]:
    """Return by row whose copies were counted, whose they are by now, and how many."""
    rows = {}
    for entry in site.ledger.entries(CopiesCounted, CopiesAttributed):
        fact = entry.fact
        if isinstance(fact, CopiesCounted):
            rows[entry.key] = (str(fact.member), str(fact.member), fact.mono + fact.colour)
        elif isinstance(fact, CopiesAttributed):
            rows[fact.row] = (rows[fact.row][0], str(fact.member), rows[fact.row][2])
    return list(rows.values())


def bill(site: Appliance) -> list[tuple[str, str, int]]:
    tariff = read_tariff(Path(site.site.tariff))
    made = month_statement(site.ledger, site.roster.roster(), tariff, site.site.site, "2026-11")
    return [(line.member, line.item.value, line.quantity) for line in made.lines if line.unit == "side"]


def test_chosen_in_the_visit_it_pays_for_the_copies_before_and_after_and_nobody_elses(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = feast(site)
        await badge(site)
        shown = tab(site)
        assert shown is not None
        assert (shown.payers, shown.payer, shown.until) == (("p:001",), "", None)
        await copied(site)
        assert owners(site) == [("m042", "m042", 4)]
        assert await pay(site, payer) == "charged"
        shown = tab(site)
        assert shown is not None
        assert (shown.payer, shown.came) == ("p:001", "charged")
        assert owners(site) == [("m042", "p:001", 4)]
        await copied(site, "copy 2 colour")
        assert owners(site) == [("m042", "p:001", 4), ("m042", "p:001", 2)]
        await badge(site, M013)  # the next one pays for theirs
        await copied(site, "copy 3")
        assert owners(site)[2:] == [("m013", "m013", 3)]
        (charged,) = site.facts(CopiesCharged)
        assert isinstance(charged, CopiesCharged)
        assert (charged.payer, charged.formula, charged.member, charged.actor) == (
            *("p:001", "occasional", "m042"),
            "screen:copieur",
        )
        assert bill(site) == [("m013", "copy-mono", 3), ("p:001", "copy-mono", 4), ("p:001", "copy-colour", 2)]
        books = balances(site.ledger, "Europe/Paris")
        (stand,) = books.between("copieur", date.min, date.max)
        assert (books.faults, stand.difference, stand.copies, stand.unattributed) == ([], 0, 9, 0)

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_chosen_before_with_the_badge_it_pays_for_waiting_jobs_and_the_copies(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = await two_jobs(site)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        await choose(site, payer)
        assert out(site) == [("p:001", 5), ("p:001", 2)]
        await copied(site)
        assert owners(site) == [("m042", "p:001", 4)]
        await asyncio.sleep(120)  # the visit is over, and its choice with it
        await badge(site)
        await copied(site)
        assert owners(site) == [("m042", "p:001", 4), ("m042", "m042", 4)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_where_nothing_waits_it_is_asked_for_the_copies_alone(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = feast(site)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        question = asked(site)
        assert question is not None
        assert (question.payers, question.jobs) == (("p:001",), 0)
        await choose(site, payer)
        shown = tab(site)
        assert shown is not None
        assert (shown.payer, shown.came, asked(site)) == ("p:001", "charged", None)
        await copied(site)
        assert owners(site) == [("m042", "p:001", 4)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_a_badge_that_is_asked_something_ends_no_visit_of_its_own(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = feast(site)
        await badge(site)
        await copied(site)
        await tell(site, "counter-touch", on="1")
        await badge(site)
        assert (len(site.facts(CopyVisitStarted)), site.facts(CopyVisitEnded)) == (1, [])
        await choose(site, payer)
        await copied(site)
        assert owners(site) == [("m042", "p:001", 4), ("m042", "p:001", 4)]
        await badge(site)  # and this one does
        assert len(site.facts(CopyVisitEnded)) == 1

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_just_after_the_visit_it_may_be_chosen_and_thought_better_of_and_then_no_more(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = feast(site)
        await badge(site)
        await copied(site)
        await badge(site)
        shown = tab(site)
        assert shown is not None
        assert shown.until is not None
        assert await pay(site, payer) == "charged"
        assert owners(site) == [("m042", "p:001", 4)]
        assert await pay(site, "") == "charged"
        assert owners(site) == [("m042", "m042", 4)]
        assert await pay(site, payer, turn=7) == "gone"
        assert await tell(site, "copies-choose", turn="1", payer=payer, device="fax") == "gone"
        await asyncio.sleep(75)
        assert tab(site) is None
        assert await tell(site, "copies-choose", turn="1", payer=payer) == "gone"
        assert owners(site) == [("m042", "m042", 4)]
        turns = [(one.turn, one.payer) for one in site.facts(CopiesCharged) if isinstance(one, CopiesCharged)]
        assert turns == [(1, "p:001"), (2, "")]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_an_account_that_is_closed_or_not_theirs_is_refused_and_the_member_pays(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        payer = feast(site)
        town = site.roster.payers.add("Mairie", FormulaId("occasional"), actor="test")
        await badge(site)
        await copied(site)
        assert await pay(site, town) == "not-named"
        assert await pay(site, "p:009") == "unknown"
        site.roster.payers.end(payer, date(2026, 11, 23), actor="test")
        assert await pay(site, payer) == "ended"
        shown = tab(site)
        assert shown is not None
        assert (shown.payers, shown.payer, shown.came) == ((), "", "ended")
        await copied(site)
        assert owners(site) == [("m042", "m042", 4), ("m042", "m042", 4)]
        assert site.facts(CopiesCharged, CopiesAttributed) == []

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)


def test_what_a_kill_left_ungiven_is_given_at_the_next_start(tmp_path: Path) -> None:
    site_file = write_site(tmp_path, printer=BADGE)

    async def day(site: Appliance) -> None:
        feast(site)
        await badge(site)
        await copied(site)
        (started,) = site.facts(CopyVisitStarted)
        assert isinstance(started, CopyVisitStarted)
        said = CopiesCharged(
            "copieur", started.visit, 1, MemberId("p:001"), FormulaId("occasional"), started.member, "screen:copieur"
        )
        await site.ledger.append(said, site.clock.now(), f"{started.visit}/1")  # and no more than that

    async def later(site: Appliance) -> None:
        assert owners(site) == [("m042", "p:001", 4)]

    live(tmp_path, site_file, MORNING, day)
    live(tmp_path, site_file, "2026-11-24 09:30", later)


def test_what_is_chosen_before_the_visit_begins_waits_for_it(tmp_path: Path) -> None:
    """The copier still copies for whoever stood there: the badge's visit begins some seconds later."""

    async def day(site: Appliance) -> None:
        payer = feast(site)
        await badge(site, M013)
        await copied(site, "copy 3", 10)
        site.building._copiers["copieur"].busy = True
        await tell(site, "counter-touch", on="1")
        await site.do(M042)
        await asyncio.sleep(1)
        await choose(site, payer)
        assert len(site.facts(CopyVisitStarted)) == 1
        assert site.facts(CopiesCharged) == []
        await asyncio.sleep(5)
        site.building._copiers["copieur"].busy = False
        await asyncio.sleep(5)
        await copied(site)
        assert owners(site) == [("m013", "m013", 3), ("m042", "p:001", 4)]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)
