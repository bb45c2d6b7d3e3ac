"""A link's days from its facts: outages to the second, gaps and our own cable left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.linkfacts import Cause, Health, LinkChanged
from agent.rules.outages import Outage, Stretch, Sums, outages, restarted, stretches, tally, within

UP, DOWN, UNKNOWN, PORTAL = Health.UP, Health.DOWN, Health.UNKNOWN, Health.PORTAL
NONE, BOX, LINE, ISP, CABLE, GAP, PAGE = (
    Cause.NONE,
    Cause.BOX,
    Cause.LINE,
    Cause.ISP,
    Cause.CABLE,
    Cause.GAP,
    Cause.PAGE,
)
Told = tuple[datetime, LinkChanged]


def at(hour: int, minute: int = 0, second: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def told(since: datetime, was: Health, now: Health, cause: Cause, *, late_s: float = 3, link: str = "adsl1") -> Told:
    """A change, written a few seconds after what it tells."""
    return since + timedelta(seconds=late_s), LinkChanged(link, was, now, cause, since, "")


def minutes(measured: float, out: float = 0, gap: float = 0, ours: float = 0) -> Sums:
    return Sums(*(timedelta(minutes=value) for value in (measured, out, gap, ours)))


DAY = (
    told(at(8), UNKNOWN, UP, NONE),
    told(at(9, 15, 7), UP, DOWN, BOX),
    told(at(9, 40), UP, DOWN, LINE, link="adsl2"),
    told(at(9, 21, 40), DOWN, UP, NONE),
    told(at(11), UP, UNKNOWN, GAP, late_s=1800),
    told(at(11, 30), UNKNOWN, UP, NONE),
)


def test_states_follow_each_other_without_a_hole() -> None:
    assert stretches(DAY, "adsl1", at(7), at(12), at(12)) == (
        Stretch(UP, NONE, at(8), at(9, 15, 7)),
        Stretch(DOWN, BOX, at(9, 15, 7), at(9, 21, 40)),
        Stretch(UP, NONE, at(9, 21, 40), at(11)),
        Stretch(UNKNOWN, GAP, at(11), at(11, 30)),
        Stretch(UP, NONE, at(11, 30), at(12)),
    )


def test_before_its_first_fact_a_link_was_not_there() -> None:
    assert stretches(DAY, "adsl3", at(7), at(12), at(12)) == ()
    assert tally(stretches(DAY, "adsl1", at(7), at(12), at(12)), [(at(7), at(8))])[0].empty
    assert stretches(DAY, "adsl1", at(6), at(7), at(7)) == ()


def test_edges_are_whole_seconds_so_that_a_list_adds_up_to_its_sums() -> None:
    told_at = [at(8, second=0), at(9), at(9, 0, 1), at(9, 0, 5), at(9, 0, 9)]
    parts = [0.2, 0.9, 0.3, 0.6, 0.1]
    states = [(UP, NONE), (DOWN, BOX), (UP, NONE), (DOWN, BOX), (UP, NONE)]
    facts = [
        told(begin + timedelta(seconds=part), UNKNOWN, health, cause)
        for begin, part, (health, cause) in zip(told_at, parts, states, strict=True)
    ]
    line = stretches(facts, "adsl1", at(8), at(10) + timedelta(seconds=0.7), at(11))
    assert [one.lasted.total_seconds() for one in outages(line)] == [1.0, 4.0]
    (sums,) = tally(line, [(at(8), at(10))])
    assert (sums.out.total_seconds(), sums.measured.total_seconds()) == (5.0, 7200.0)


def test_what_began_before_the_window_is_cut_at_its_edge() -> None:
    assert stretches(DAY, "adsl1", at(9, 20), at(9, 21), at(12)) == (Stretch(DOWN, BOX, at(9, 20), at(9, 21)),)


def test_after_the_last_word_nobody_measures() -> None:
    assert stretches(DAY[:2], "adsl1", at(9), at(12), at(10))[1:] == (
        Stretch(DOWN, BOX, at(9, 15, 7), at(10)),
        Stretch(UNKNOWN, GAP, at(10), at(12)),
    )


def test_a_word_older_than_the_state_says_nothing_of_it() -> None:
    assert stretches(DAY[:1], "adsl1", at(8), at(9), at(7)) == (Stretch(UNKNOWN, GAP, at(8), at(9)),)


def test_an_unknown_state_stays_one_stretch() -> None:
    gap = (*DAY[:1], told(at(9), UP, UNKNOWN, Cause.DOUBT))
    assert stretches(gap, "adsl1", at(8), at(12), at(10))[1:] == (Stretch(UNKNOWN, Cause.DOUBT, at(9), at(12)),)


def test_another_cause_of_the_same_state_begins_when_it_was_written() -> None:
    """Its `since` is still that of the state."""
    cause = (at(9, 20), LinkChanged("adsl1", DOWN, DOWN, LINE, at(9, 15, 7), ""))
    assert stretches((*DAY[:2], cause, DAY[3]), "adsl1", at(9), at(10), at(10)) == (
        Stretch(UP, NONE, at(9), at(9, 15, 7)),
        Stretch(DOWN, BOX, at(9, 15, 7), at(9, 20)),
        Stretch(DOWN, LINE, at(9, 20), at(9, 21, 40)),
        Stretch(UP, NONE, at(9, 21, 40), at(10)),
    )


def test_a_clock_set_back_makes_no_negative_time() -> None:
    back = (told(at(10), UNKNOWN, UP, NONE), told(at(9), UP, DOWN, ISP))
    assert stretches(back, "adsl1", at(8), at(11), at(11)) == (Stretch(DOWN, ISP, at(10), at(11)),)


def test_an_outage_is_told_by_the_cause_that_stood_longest() -> None:
    """Whoever pulls the cable of a dead box does not make it the cable's fault."""
    line = (
        Stretch(UP, NONE, at(8), at(9)),
        Stretch(DOWN, BOX, at(9), at(9, 20)),
        Stretch(DOWN, CABLE, at(9, 20), at(9, 45)),
        Stretch(DOWN, BOX, at(9, 45), at(9, 52, 3)),
        Stretch(UP, NONE, at(9, 52, 3), at(10)),
    )
    (one,) = outages(line)
    assert one == Outage(BOX, at(9), at(9, 52, 3), UP, cable=timedelta(minutes=25))
    assert one.lasted == timedelta(minutes=27, seconds=3) == tally(line, [(at(8), at(10))])[0].out


@pytest.mark.parametrize(
    ("then", "after"),
    [((), None), ((Stretch(UNKNOWN, GAP, at(9, 30), at(10)),), UNKNOWN), ((Stretch(UP, NONE, at(9, 30), at(10)),), UP)],
)
def test_an_outage_that_lasts_is_not_one_that_ended(then: tuple[Stretch, ...], after: Health | None) -> None:
    line = (Stretch(UP, NONE, at(8), at(9)), Stretch(PORTAL, PAGE, at(9), at(9, 30)), *then)
    assert outages(line) == (Outage(PAGE, at(9), at(9, 30), after),)


def test_two_outages_with_a_gap_between_are_two() -> None:
    line = (
        Stretch(DOWN, ISP, at(8), at(9)),
        Stretch(UNKNOWN, GAP, at(9), at(9, 1)),
        Stretch(DOWN, ISP, at(9, 1), at(9, 3)),
    )
    assert outages(line) == (Outage(ISP, at(8), at(9), UNKNOWN), Outage(ISP, at(9, 1), at(9, 3), None))
    assert outages(()) == ()


LINE_OF_A_DAY = (
    Stretch(UNKNOWN, GAP, at(0), at(1)),
    Stretch(UP, NONE, at(1), at(2, 30)),
    Stretch(DOWN, ISP, at(2, 30), at(3, 15)),
    Stretch(DOWN, CABLE, at(3, 15), at(3, 25)),
    Stretch(Health.DEGRADED, Cause.LOSS, at(3, 25), at(5)),
)


def test_windows_share_the_time_among_them() -> None:
    windows = [(at(0), at(2)), (at(2), at(3)), (at(3), at(4)), (at(4), at(6)), (at(7), at(8))]
    assert tally(LINE_OF_A_DAY, windows) == (
        minutes(60, gap=60),
        minutes(60, out=30),
        minutes(50, out=15, ours=10),
        minutes(60),
        minutes(0),
    )
    assert tally(LINE_OF_A_DAY, [(at(0), at(6))]) == (minutes(230, out=45, gap=60, ours=10),)


def test_gaps_and_our_own_cable_stand_on_neither_side_of_the_fraction() -> None:
    (whole,) = tally(LINE_OF_A_DAY, [(at(0), at(6))])
    assert whole.share == pytest.approx(0.804348, abs=1e-6)  # 185 of 230 minutes
    assert minutes(0, gap=60).share is None
    assert minutes(60, gap=60).share == 1.0


def box(since: datetime, until: datetime, *, restart: bool = False, cause: Cause = BOX) -> Stretch:
    return Stretch(DOWN, cause, since, until, restart)


def up(since: datetime, until: datetime) -> Stretch:
    return Stretch(UP, NONE, since, until)


@pytest.mark.parametrize(
    ("pressed", "out", "restart"),
    [
        (at(8, 57), 1, 2),  # said first, then pulled: until five minutes after it was said
        (at(9, 1), 0, 3),  # pulled, then said
        (at(9, 2, 30), 2.5, 0.5),  # dead for longer than a plug is out: dead by itself until then
        (at(8, 54), 3, 0),  # long before
        (at(9, 4), 3, 0),  # it was back
    ],
)
def test_what_a_restart_took_is_not_the_providers(pressed: datetime, out: float, restart: float) -> None:
    line = restarted((up(at(8), at(9)), box(at(9), at(9, 3)), up(at(9, 3), at(10))), [pressed])
    (sums,) = tally(line, [(at(8), at(10))])
    assert sums == replace(minutes(120 - restart, out=out), restart=timedelta(minutes=restart))
    assert sum((one.lasted for one in outages(line)), timedelta()) == sums.out
    assert line[0].since == at(8)
    assert [one.until for one in line[:-1]] == [one.since for one in line[1:]]


def test_a_restart_holds_until_the_line_is_back_too() -> None:
    line = (
        up(at(8), at(9)),
        box(at(9), at(9, 40), cause=LINE),
        box(at(9, 40), at(9, 43)),
        box(at(9, 43), at(9, 44), cause=LINE),
    )
    marked = restarted(line, [at(9, 41)])
    assert marked == (
        *line[:2],
        box(at(9, 40), at(9, 43), restart=True),
        box(at(9, 43), at(9, 44), restart=True, cause=LINE),
    )
    assert outages(marked) == (Outage(LINE, at(9), at(9, 44), None, restart=timedelta(minutes=4)),)


def test_a_cable_that_a_box_without_current_leaves_is_the_restarts() -> None:
    line = (up(at(8), at(9)), box(at(9), at(9, 2), cause=CABLE), up(at(9, 2), at(10)))
    assert outages(restarted(line, [at(9, 1)])) == (Outage(CABLE, at(9), at(9, 2), UP, restart=timedelta(minutes=2)),)


def test_a_box_that_never_went_away_was_not_restarted() -> None:
    line = (up(at(8), at(9)), box(at(9), at(9, 40), cause=LINE), up(at(9, 40), at(10)))
    assert restarted(line, [at(9, 10)]) == line
    assert restarted((), [at(9)]) == ()


def test_two_words_about_one_restart_are_one() -> None:
    line = (up(at(8), at(9)), box(at(9), at(9, 20)), up(at(9, 20), at(10)))
    (sums,) = tally(restarted(line, [at(9, 1), at(9, 3)]), [(at(8), at(10))])
    assert (sums.restart, sums.out) == (timedelta(minutes=8), timedelta(minutes=12))


def test_a_line_is_cut_at_the_edges_of_a_window() -> None:
    line = (up(at(8), at(9)), box(at(9), at(9, 20)), up(at(9, 20), at(10)))
    assert within(line, at(9, 10), at(9, 20)) == (box(at(9, 10), at(9, 20)),)


def test_sums_add_up() -> None:
    assert minutes(60, out=30, gap=1) + replace(minutes(5, ours=2), restart=timedelta(minutes=3)) == replace(
        minutes(65, out=30, gap=1, ours=2), restart=timedelta(minutes=3)
    )
