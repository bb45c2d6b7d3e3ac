"""A new day: public holidays become days of the roster, and a formula planned for it is in force."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.config import HOLIDAYS
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterError, RosterStore
from agent.rules.facts import FormulaId
from agent.services.feasts import keep_calendar, public_holidays
from agent.views.words import words
from drivers.contract import Trust
from tests.views.scenes import HandClock

PARIS = ZoneInfo("Europe/Paris")
SUBSCRIBER, OCCASIONAL = FormulaId("subscriber"), FormulaId("occasional")


def test_france_has_eleven_public_holidays_and_the_east_two_more() -> None:
    assert public_holidays("FR", (2026,)) == {
        date(2026, 1, 1): "new-years-day",
        date(2026, 4, 6): "easter-monday",
        date(2026, 5, 1): "labor-day",
        date(2026, 5, 8): "victory-day",
        date(2026, 5, 14): "ascension-day",
        date(2026, 5, 25): "pentecost-monday",
        date(2026, 7, 14): "national-day",
        date(2026, 8, 15): "assumption-day",
        date(2026, 11, 1): "all-saints-day",
        date(2026, 11, 11): "armistice-day",
        date(2026, 12, 25): "christmas-day",
    }
    more = public_holidays("FR-57", (2026,)).items() - public_holidays("FR", (2026,)).items()
    assert more == {(date(2026, 4, 3), "good-friday"), (date(2026, 12, 26), "saint-stephens-day")}
    assert public_holidays("", (2026,)) == {}
    assert public_holidays("FR", (2008,))[date(2008, 5, 1)] == "ascension-day"  # and labour day


def test_overseas_has_its_own_days_too() -> None:
    """Code du travail L3422-2: the abolition of slavery, on another day in each."""
    for region, more in {
        "FR-971": {date(2027, 5, 27): "abolition-of-slavery", date(2027, 7, 21): "victor-schoelcher-day"},
        "FR-972": {date(2027, 5, 22): "abolition-of-slavery"},
        "FR-973": {date(2027, 6, 10): "abolition-of-slavery"},
        "FR-974": {date(2027, 12, 20): "abolition-of-slavery"},
        "FR-976": {date(2027, 4, 27): "abolition-of-slavery"},
    }.items():
        assert more.items() <= public_holidays(region, (2027,)).items()
        assert public_holidays("FR", (2027,)).items() <= public_holidays(region, (2027,)).items()


@pytest.mark.parametrize("region", [region for region in HOLIDAYS if region])
def test_every_public_holiday_has_words(region: str) -> None:
    for name in set(public_holidays(region, range(2020, 2060)).values()):
        for language in ("fr", "en"):
            assert words(language)(f"holiday.{name}")


def look(store: RosterStore, clock: HandClock) -> None:
    """Let one look at the calendar happen."""

    async def once() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(keep_calendar(store, clock, PARIS, "FR"), 0.05)

    asyncio.run(once())


def test_the_day_brings_what_was_planned_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()  # 24 November 2026
    with Ledger.open(tmp_path / "ledger.db") as ledger, RosterStore.open(tmp_path, ledger, clock) as store:
        ada = store.add_member("Ada", OCCASIONAL, actor="a1", since=date(2026, 1, 1))
        store.plan_formula(ada, SUBSCRIBER, date(2026, 11, 26), actor="a1")
        store.plan_formula(ada, SUBSCRIBER, date(2026, 11, 25), actor="a1")
        with pytest.raises(RosterError):
            store.plan_formula(FormulaId("m999"), SUBSCRIBER, date(2026, 11, 25), actor="a1")
        clock.moment = HandClock(Trust.UNKNOWN).moment
        look(store, clock)
        assert store.roster().closures == frozenset()  # nobody knows the year
        clock.moment = HandClock().moment
        look(store, clock)
        assert len(store.roster().closures) == 22
        assert {date(2026, 12, 25), date(2027, 3, 29)} <= store.roster().closures
        assert store.roster().members[ada].formula == OCCASIONAL
        assert store.plans() == {ada: (SUBSCRIBER, date(2026, 11, 25))}
        clock.pass_s(86_400)
        look(store, clock)
        assert store.roster().members[ada].formula == SUBSCRIBER
        assert store.plans() == {}
        store.plan_formula(ada, OCCASIONAL, date(2026, 12, 25), actor="a1")
        store.change_member(ada, actor="a1", formula=SUBSCRIBER)  # what is said now ends what was planned
        assert store.plans() == {}
        store.plan_formula(ada, OCCASIONAL, date(2026, 12, 25), actor="a1")
        store.erase_member(ada, actor="a1")
        assert store.plans() == {}
        monkeypatch.setitem(sys.modules, "holidays", None)  # a board without the library
        clock.pass_s(86_400 * 365)
        look(store, clock)
        assert len(store.roster().closures) == 22
