"""Paper while the roster cannot be read: by the last list, or with nobody known; nothing is lost. (sim)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.config import Places
from agent.live import LiveHeld, Picture
from agent.memory.kept import KeptList
from agent.memory.roster import RosterStore
from agent.rules.attribution import PagesAttributed
from agent.rules.pages import PagesCounted
from agent.rules.paper import CardSeen, CopiesCounted
from agent.rules.release import JobExpired
from agent.services.lost import ListedRoster
from agent.services.standing import paper_list
from agent.stories.attribution import PaperBook
from tests.stories.appliance import Appliance, live, write_site
from tests.stories.test_attribution_story import give

MORNING = "2026-11-24 09:00"
BADGE = 'badge_queues = ["impressions"]\nkeep_h = 1.0'


def listed(roster: RosterStore, places: Places) -> RosterStore:
    """Lose the roster after its list was kept."""
    kept = paper_list(places)
    assert kept.keep(roster.roster(), roster._clock.now().utc)
    return ListedRoster("the roster cannot be read: gone", kept)


def nobody(roster: RosterStore, places: Places) -> RosterStore:
    """Lose the roster before any list was kept, and the key with it."""
    del roster
    return ListedRoster(
        "the roster cannot be read: gone", KeptList(places.state / "none", places.run / "none", "paper")
    )


def seen(site: Appliance) -> Picture:
    return site.standings["paper"].picture()


def held(site: Appliance) -> tuple[LiveHeld, ...]:
    shown = seen(site).release
    return () if shown is None else shown.held or ()


def refused(site: Appliance) -> str:
    shown = seen(site).release
    assert shown is not None
    return shown.greetings["copieur"].refused


def prints(site: Appliance) -> list[tuple[str, bool, int]]:
    """Return whose each print is, whether its name is known, and its sides."""
    rows = [fact for fact in site.facts(PagesCounted) if isinstance(fact, PagesCounted)]
    return [(row.member, bool(row.alias), row.sides_mono) for row in rows]


def test_known_names_and_badges_count_by_the_last_list_and_a_new_name_waits_for_somebody(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        for line in ("print m042 3", "print new.name 2", "print m042 5 held", "print other.name 4 held"):
            await site.do(line)
        await asyncio.sleep(30)
        assert prints(site) == [("m042", True, 3), ("", False, 2)]
        assert [(one.member, one.alias != "", one.sides) for one in held(site)] == [("m042", True, 5), ("", False, 4)]
        await site.do("badge copier 04A2B3C4D5")
        await asyncio.sleep(30)
        assert prints(site)[2:] == [("m042", True, 5)]
        await site.do("copy 2")
        await asyncio.sleep(120)
        copies = [fact for fact in site.facts(CopiesCounted) if isinstance(fact, CopiesCounted)]
        assert [(one.member, one.mono) for one in copies] == [("m042", 2)]
        await site.do("badge copier 0F00FFFFFF")
        await asyncio.sleep(30)
        assert refused(site) == "roster"
        assert site.facts(CardSeen) == []  # it may be somebody's
        await asyncio.sleep(3600)
        assert [one.sides for one in held(site)] == [4]  # nobody could come for it
        assert site.facts(JobExpired) == []
        assert (seen(site).roster_ok, seen(site).list_from is not None, seen(site).nobody_known) == (False, True, False)
        book = PaperBook(site.ledger, site.roster, site.clock)  # the roster is back: the animator says whose it was
        slip = next(name for name, one in book._slips.read().by_name.items() if not one.member)
        answer = await book.answer(give("m013", paper=slip))
        assert answer is not None
        assert answer.done
        assert [fact.member for fact in site.facts(PagesAttributed) if isinstance(fact, PagesAttributed)] == ["m013"]

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day, lost=listed)


def test_with_no_list_at_all_everything_prints_as_nobodys_and_a_badge_is_told_why(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await site.do("print m042 3")
        await site.do("print m042 5 held")
        await site.do("badge copier 04A2B3C4D5")
        await asyncio.sleep(60)
        assert prints(site) == [("", False, 3)]
        assert [(one.member, one.sides) for one in held(site)] == [("", 5)]
        assert refused(site) == "roster"
        assert site.facts(CardSeen) == []
        await site.do("copy 2")
        await asyncio.sleep(120)
        copies = [fact for fact in site.facts(CopiesCounted) if isinstance(fact, CopiesCounted)]
        assert [(one.member, one.mono) for one in copies] == [("", 2)]
        assert (seen(site).roster_ok, seen(site).list_from, seen(site).nobody_known) == (False, None, True)

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day, lost=nobody)


def test_the_paper_keeps_each_new_list_by_itself(tmp_path: Path) -> None:
    async def day(site: Appliance) -> None:
        await asyncio.sleep(1)

    live(tmp_path, write_site(tmp_path, printer=BADGE), MORNING, day)
    found = KeptList(tmp_path / "state", tmp_path / "run", "paper", names=True).read()
    assert found is not None
    assert found.roster.aliases["m042"].member == "m042"
    assert found.roster.members.keys() == {"m001", "m013", "m042"}
