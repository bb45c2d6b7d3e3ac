"""Who leaves last, and how the place was left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.facts import FormulaId, MemberId
from agent.rules.lastout import Crowd, calls_back
from agent.rules.presence import VisitEvidence
from agent.rules.visits import Visit, Visits

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
OCCASIONAL, SUBSCRIBER = FormulaId("occasional"), FormulaId("subscriber")


def visit(
    name: str, formula: FormulaId = OCCASIONAL, left_min: float | None = None, *, annulled: bool = False
) -> Visit:
    ended = None if left_min is None else NOW - timedelta(minutes=left_min)
    by = VisitEvidence.BADGE
    return Visit(name, MemberId(name), formula, NOW - timedelta(hours=30), ended, 0, by, annulled=annulled)


def crowd(*visits: Visit) -> Crowd:
    return Crowd.of(Visits({one.visit: one for one in visits}))


def test_people_are_counted_by_their_visits() -> None:
    seen = crowd(visit("a"), visit("b", SUBSCRIBER), visit("c", left_min=5), visit("d", annulled=True))
    assert seen == Crowd((OCCASIONAL, SUBSCRIBER), NOW - timedelta(minutes=5))
    assert crowd(visit("d", left_min=5, annulled=True)) == Crowd()


@pytest.mark.parametrize(
    ("left_min", "gone", "told"),
    [(0, True, True), (9, True, True), (10, True, False), (1439, True, False), (1440, False, False)],
)
def test_the_last_one_is_told_while_they_can_turn_back(left_min: int, gone: bool, told: bool) -> None:
    seen = crowd(visit("a", left_min=left_min), visit("b", left_min=left_min + 60))
    assert seen.all_gone(NOW) is gone
    assert seen.told(NOW) == (NOW - timedelta(minutes=left_min) if told else None)


def test_nobody_is_last_while_somebody_is_in_or_nobody_ever_came() -> None:
    for seen in (crowd(visit("a", left_min=1), visit("b")), Crowd()):
        assert not seen.all_gone(NOW)
        assert seen.told(NOW) is None


def test_only_those_whose_hours_are_over_overstay() -> None:
    seen = crowd(visit("a"), visit("b", SUBSCRIBER), visit("c"))
    assert seen.overstay({SUBSCRIBER}) == 2
    assert Crowd().overstay(frozenset()) == 0


@pytest.mark.parametrize(
    ("left_s", "called_s", "shut", "open_"),
    [
        (None, None, False, False),  # somebody is in
        (0, None, True, True),  # as they go: once
        (44, None, True, True),
        (45, None, False, True),  # gone from the door; but it stands open
        (44, 44, False, True),  # called already
        (20, 5, False, False),
        (20, 15, False, True),
        (20, 21, True, True),  # that was for somebody before
        (599, 15, False, True),
        (600, 15, False, False),  # on the road
    ],
)
def test_the_lamp_calls_whoever_leaves_last_once_and_again_while_the_door_stands_open(
    left_s: float | None, called_s: float | None, shut: bool, open_: bool
) -> None:
    left, called = (None if one is None else NOW - timedelta(seconds=one) for one in (left_s, called_s))
    assert calls_back(left, NOW, called, open_=False) is shut
    assert calls_back(left, NOW, called, open_=True) is open_
