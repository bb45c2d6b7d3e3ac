"""Who pays for copies at the glass: the choice, what it holds for, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from agent.rules.attribution import CopiesAttributed
from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.glass import CopiesCharged, Tab, Tabs
from agent.rules.members import Member, Roster
from agent.rules.paper import BooksOpened, CopiesCounted, CopyVisitEnded, CopyVisitStarted
from agent.rules.payers import Charge, Payer
from drivers.contract import Moment, Trust

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 24)
ANNE, BOB, FEAST, TOWN = (MemberId(one) for one in ("m042", "m013", "p:001", "p:002"))
SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")
ROSTER = Roster(
    1,
    {ANNE: Member(ANNE, SUB, date(2026, 1, 1), None)},
    payers={
        FEAST: Payer(FEAST, OCC, None, frozenset({ANNE}), "fete"),
        TOWN: Payer(TOWN, OCC, date(2026, 11, 23), frozenset({ANNE}), "mairie"),
        MemberId("p:003"): Payer(MemberId("p:003"), OCC, None, frozenset({BOB}), "asso"),
    },
)
STARTED = CopyVisitStarted("copieur", "v1", ANNE, SUB)
ENDED = CopyVisitEnded("copieur", "v1", "badge-out")


def at(after_s: float, boot: str = "boot") -> Moment:
    return Moment(NOON + timedelta(seconds=after_s), 1000.0 + after_s, boot, Trust.SYNCHRONISED)


def copies(mono: int, visit: str = "v1") -> CopiesCounted:
    return CopiesCounted("copieur", "S1", 1, visit, ANNE, SUB, mono, 0, 100 + mono, 20)


def told(*facts: tuple[float, Fact]) -> Tabs:
    return Tabs().after((fact, f"k{n}", at(after_s)) for n, (after_s, fact) in enumerate(facts))


def the(tabs: Tabs) -> Tab:
    tab = tabs.last("copieur")
    assert tab is not None
    return tab


def charged(tab: Tab, payer: MemberId = FEAST) -> CopiesCharged:
    fact = tab.charge(payer, ROSTER, "screen:copieur")
    assert fact is not None
    return fact


def moves(tabs: Tabs) -> list[tuple[str, int, str, str, str]]:
    return [(one.row, one.turn, one.was, one.member, one.formula) for one in tabs.moves()]


def test_without_a_choice_a_member_pays():
    tabs = told((0, STARTED), (5, copies(3)), (9, ENDED))
    assert (the(tabs).payer, moves(tabs)) == ("", [])


def test_a_choice_holds_for_the_copies_before_it_and_those_to_come_each_moved_once():
    tabs = told((0, STARTED), (5, copies(3)))
    said = charged(the(tabs))
    assert said == CopiesCharged("copieur", "v1", 1, FEAST, OCC, ANNE, "screen:copieur")
    tabs = tabs.after([(said, "v1/1", at(6)), (copies(4), "later", at(8))])
    assert moves(tabs) == [("k1", 1, ANNE, FEAST, OCC), ("later", 1, ANNE, FEAST, OCC)]
    (first, second) = tabs.moves()
    assert first == CopiesAttributed("k1", "copieur", 1, 1, ANNE, SUB, FEAST, OCC, 3, 0, "screen:copieur")
    tabs = tabs.after([(first, "copy:k1:1", at(9)), (second, "copy:later:1", at(9))])
    assert moves(tabs) == []
    assert the(tabs).charge(FEAST, ROSTER, "screen:copieur") is None  # a second tap


def test_thought_better_of_it_they_are_the_members_again():
    tabs = told((0, STARTED), (5, copies(3)))
    tabs = tabs.after([(charged(the(tabs)), "v1/1", at(6))])
    tabs = tabs.after((one, "x", at(7)) for one in list(tabs.moves()))
    back = charged(the(tabs), MemberId(""))
    assert (back.turn, back.payer, back.formula) == (2, "", "")
    tabs = tabs.after([(back, "v1/2", at(8)), (copies(9), "later", at(9))])
    assert moves(tabs) == [("k1", 2, FEAST, ANNE, SUB)]  # and what comes later is theirs without a word


def test_what_the_animator_gave_elsewhere_afterwards_stays_there():
    tabs = told((0, STARTED), (5, copies(3)))
    tabs = tabs.after([(charged(the(tabs)), "v1/1", at(6))])
    by_hand = replace(next(tabs.moves()), member=TOWN, actor="a1")
    assert moves(tabs.after([(by_hand, "copy:k1:1", at(7))])) == []


@pytest.mark.parametrize(
    ("member", "payer", "came"),
    [
        (ANNE, FEAST, Charge.CHARGED),
        (ANNE, "", Charge.CHARGED),
        (ANNE, TOWN, Charge.ENDED),
        (ANNE, "p:003", Charge.NOT_NAMED),
        (ANNE, "p:009", Charge.UNKNOWN),
        (BOB, "p:003", Charge.GONE),  # another's visit
    ],
)
def test_an_account_that_does_not_pay_is_refused_and_nobody_chooses_for_another(member, payer, came):
    assert the(told((0, STARTED))).judge(member, MemberId(payer), ROSTER, DAY, at(1)) is came


@pytest.mark.parametrize(
    ("now", "stands"), [(at(100), True), (at(160), True), (at(160.1), False), (at(101, "after a restart"), False)]
)
def test_after_a_visit_there_is_a_minute_to_choose(now, stands):
    tab = the(told((0, STARTED), (100, ENDED)))
    assert tab.stands(now) is stands
    assert (tab.judge(ANNE, FEAST, ROSTER, DAY, now) is Charge.CHARGED) is stands


def test_the_last_visit_at_a_device_is_the_one_and_old_ones_are_let_go():
    other = CopyVisitStarted("traceur", "v2", BOB, OCC)
    tabs = told((0, STARTED), (1, other), (50, CopyVisitStarted("copieur", "v3", BOB, OCC)))
    assert (the(tabs).visit, tabs.last("fax")) == ("v3", None)
    assert list(tabs.since(at(10).utc).by_visit) == ["v3"]


def test_what_is_of_no_visit_known_here_is_passed_over():
    stranger = CopiesAttributed("gone", "copieur", 1, 1, ANNE, SUB, FEAST, OCC, 3, 0, "a1")
    opened = BooksOpened("copieur", "S1", 1, 0, 0, 0, 0, "first")
    tabs = told((0, copies(2)), (1, stranger), (2, opened), (3, copies(4, "")), (4, STARTED))
    assert (list(tabs.by_visit), dict(the(tabs).rows)) == (["v1"], {})
    assert the(tabs).after(opened, "k", at(5)) == the(tabs)
