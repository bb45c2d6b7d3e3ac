"""The calendar and the visitor cards: in force at the next reading, told by ids only, forgotten when they should be."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, date, datetime

import pytest

from agent.memory.calendar import Away, Closure, Holiday
from agent.memory.database import connect
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterError, RosterStore
from agent.memory.tables import FORMAT, STEPS
from agent.rules.facts import CardKey, FormulaId
from agent.rules.hours import WeeklyHours
from agent.rules.members import RosterChanged, VisitorCard
from drivers.clock import SystemClock
from drivers.contract import CardNumber

DAY = date(2026, 11, 23)
NEXT = date(2026, 11, 24)
CHRISTMAS, BOXING = date(2026, 12, 25), date(2026, 12, 26)
SIX = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
WEEK = WeeklyHours.parse({"monday": ("08:00-12:00", "14:00-19:00"), "saturday": ("22:00-02:00",)})


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def store(tmp_path, ledger):
    with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
        yield store


def told(store, ledger) -> list[tuple[str, str]]:
    assert store.settle() == 0
    return [(entry.fact.action, entry.fact.subject) for entry in ledger.entries(RosterChanged)]


def test_a_week_replaces_the_site_files_and_goes_again(store, ledger):
    assert (store.roster().hours, store.calendar.agenda().hours) == (None, None)
    for _ in range(2):
        store.calendar.set_hours(WEEK, actor="a1")
    assert store.roster().hours == store.calendar.agenda().hours == WEEK
    store.calendar.set_hours(WeeklyHours(), actor="a1")  # every day closed is a week too
    assert store.roster().hours == WeeklyHours()
    for _ in range(2):
        store.calendar.set_hours(None, actor="a1")
    assert store.roster().hours is None
    assert told(store, ledger) == [("hours-changed", "week"), ("hours-changed", "week"), ("hours-default", "week")]


def test_days_are_closed_with_a_reason_that_no_fact_repeats(tmp_path, store, ledger):
    store.calendar.close_days(DAY, NEXT, actor="a1", reason="snow", words="la route de Morez")
    store.calendar.close_day(DAY, actor="a1", reason="snow", words="la route de Morez")
    store.calendar.close_day(DAY, actor="a1", reason="works")
    assert store.roster().closures == {DAY, NEXT}
    agenda = store.calendar.agenda()
    assert agenda.closures == (Closure(DAY, "works", ""), Closure(NEXT, "snow", "la route de Morez"))
    assert (agenda.closure(DAY), agenda.closure(CHRISTMAS)) == (Closure(DAY, "works", ""), None)
    store.calendar.open_day(DAY, actor="a1")
    assert store.roster().closures == {NEXT}
    assert told(store, ledger) == [
        ("day-closed", "2026-11-23"),
        ("day-closed", "2026-11-24"),
        ("day-closed", "2026-11-23"),
        ("day-opened", "2026-11-23"),
    ]
    assert b"route de Morez" not in (tmp_path / "ledger.db").read_bytes()


@pytest.mark.parametrize(
    ("first", "last", "reason", "words"),
    [
        (NEXT, DAY, "", ""),
        (DAY, date(2027, 11, 23), "", ""),
        (DAY, DAY, "no-such-reason", ""),
        (DAY, DAY, "", "x" * 101),
        (DAY, DAY, "", "two\nlines"),
    ],
)
def test_a_closure_that_makes_no_sense_closes_nothing(store, first, last, reason, words):
    with pytest.raises(RosterError):
        store.calendar.close_days(first, last, actor="a1", reason=reason, words=words)
    assert store.roster().closures == frozenset()


def test_a_public_holiday_closes_by_itself_until_people_open_it(store, ledger):
    days = {CHRISTMAS: "christmas-day", BOXING: "st-stephens-day"}
    for _ in range(2):
        store.calendar.set_holidays(days, years=(2026, 2027), actor="web")
    assert store.roster().closures == {CHRISTMAS, BOXING}
    for _ in range(2):
        store.calendar.open_day(CHRISTMAS, actor="a1")
    store.calendar.set_holidays(
        {CHRISTMAS: "christmas-day"}, years=(2026,), actor="web"
    )  # what people opened stays open
    agenda = store.calendar.agenda()
    assert agenda.holidays == (Holiday(CHRISTMAS, "christmas-day", opened=True),)
    assert (agenda.holiday(CHRISTMAS) is None, agenda.holiday(BOXING)) == (False, None)
    assert store.roster().closures == frozenset()
    for _ in range(2):
        store.calendar.close_holiday(CHRISTMAS, actor="a1")
    assert store.roster().closures == {CHRISTMAS}
    assert told(store, ledger) == [
        ("holidays-set", "2026..2027"),
        ("day-opened", "2026-12-25"),
        ("holidays-set", "2026..2026"),
        ("day-closed", "2026-12-25"),
    ]


def test_the_animator_goes_and_comes_back(store, ledger):
    absence = store.calendar.leave(DAY, NEXT, actor="a1")
    agenda = store.calendar.agenda()
    assert agenda.away == (Away(absence, DAY, NEXT),)
    assert [agenda.animator_away(day) for day in (DAY, NEXT, CHRISTMAS)] == [True, True, False]
    for _ in range(2):
        store.calendar.come_back(absence, actor="a1")
    assert store.calendar.agenda().away == ()
    with pytest.raises(RosterError):
        store.calendar.leave(NEXT, DAY, actor="a1")
    assert told(store, ledger) == [
        ("animator-away", "2026-11-23..2026-11-24"),
        ("animator-back", "2026-11-23..2026-11-24"),
    ]


def test_a_visitor_card_is_lent_and_the_name_goes_with_the_loan(tmp_path, store, ledger):
    ada = store.add_member("Ada", FormulaId("subscriber"), actor="a1", since=DAY)
    key = CardKey("k3")
    store.visitors.add(3, key, actor="a1")
    assert store.roster().visitors == {key: VisitorCard(key, 3, None, blocked=False)}
    store.visitors.lend(3, " Zoé   Passante ", SIX, actor="a1", host=ada, organisation="Communauté")
    assert store.roster().visitors == {key: VisitorCard(key, 3, SIX, blocked=False)}
    (card,) = store.visitors.cards()
    assert (card.guest, card.host, card.organisation, card.until) == ("Zoé Passante", ada, "Communauté", SIX)
    with pytest.raises(RosterError, match="not free"):
        store.visitors.lend(3, "Bob", SIX, actor="a1")
    store.erase_member(ada, actor="a1")
    assert store.visitors.cards()[0].host is None
    for _ in range(2):
        store.visitors.give_back(3, actor="a1")
    assert store.visitors.cards()[0].guest == ""
    store.visitors.lend(3, "Zoé", SIX, actor="a1")
    for _ in range(2):
        store.visitors.lose(3, actor="a1")
    assert store.roster().visitors == {key: VisitorCard(key, 3, None, blocked=True)}
    with pytest.raises(RosterError, match="not free"):
        store.visitors.lend(3, "Bob", SIX, actor="a1")
    store.visitors.give_back(3, actor="a1")  # found again
    store.visitors.remove(3, actor="a1")
    assert store.roster().visitors == {}
    assert told(store, ledger) == [
        ("member-added", ada),
        ("visitor-card-added", "k3"),
        ("visitor-lent", "k3"),
        ("member-erased", ada),
        ("visitor-returned", "k3"),
        ("visitor-lent", "k3"),
        ("visitor-lost", "k3"),
        ("visitor-returned", "k3"),
        ("visitor-card-removed", "k3"),
    ]
    assert b"Passante" not in (tmp_path / "ledger.db").read_bytes()


def test_a_card_is_a_members_or_a_visitors_never_both(store):
    ada = store.add_member("Ada", FormulaId("subscriber"), actor="a1", since=DAY)
    hers = store.give_card(ada, CardNumber("04A2"), actor="a1")
    store.visitors.add(1, CardKey("pool"), actor="a1")
    for number, key, says in ((2, hers, "somebody's"), (1, CardKey("new"), "already"), (0, CardKey("new"), "somebody")):
        with pytest.raises(RosterError, match=says):
            store.visitors.add(number, key, actor="a1")
    with pytest.raises(RosterError, match="take it out of the pool"):
        store.give_card_key(ada, CardKey("pool"), actor="a1")
    for refused in (
        lambda: store.visitors.lend(9, "Bob", SIX, actor="a1"),
        lambda: store.visitors.lend(1, "  ", SIX, actor="a1"),
        lambda: store.visitors.lend(1, "Bob", SIX, actor="a1", host=FormulaId("m999")),
        lambda: store.visitors.lend(1, "B" * 101, SIX, actor="a1"),
    ):
        with pytest.raises(RosterError):
            refused()
    assert store.visitors.cards()[0].guest == ""
    store.give_card_key(ada, CardKey("seen"), actor="a1")
    assert set(store.roster().cards) == {hers, "seen"}


def test_a_roster_of_the_first_version_goes_on(tmp_path, ledger):
    with contextlib.closing(sqlite3.connect(tmp_path / "roster.db")) as old:
        old.executescript(STEPS[0] + "PRAGMA user_version = 1;")
        old.execute("INSERT INTO member VALUES ('m001', 'Ada', 'subscriber', '2026-11-22', NULL)")
        old.execute("INSERT INTO closure VALUES ('2026-11-24')")
        old.commit()
    for _ in range(2):
        with RosterStore.open(tmp_path, ledger, SystemClock()) as store:
            assert store.roster().closures == {NEXT}
            assert store.calendar.agenda().closures == (Closure(NEXT, "", ""),)
            assert list(store.names().values()) == ["Ada"]
    with contextlib.closing(connect(tmp_path / "roster.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
