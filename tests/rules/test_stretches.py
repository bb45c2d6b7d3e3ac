"""A quarter in which the copier was swapped or reset, laid beside the lessor's invoice. Tier: rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.contract import Bill, Pack, Stand, Terms, bill
from agent.rules.stretches import Gap, Quarter, lay, read_quarter

OCT, DEC, JAN, APR = date(2026, 10, 1), date(2026, 12, 31), date(2027, 1, 1), date(2027, 4, 1)
START = Stand(OCT, "S1", 50_000, 9_000, 1_000, 200)
END = Stand(JAN, "S1", 53_500, 9_450, 1_100, 210)


def on(month: int, day: int, serial: str, mono: int, colour: int = 0, *large: int) -> Stand:
    return Stand(date(2026 + (month < 9), month, day), serial, mono, colour, *large)


def read(*stands: Stand) -> Quarter:
    found = read_quarter(stands, OCT, JAN)
    assert found is not None
    return found


def spans(found: Quarter | None) -> list[tuple[str, int, int]]:
    return [] if found is None else [(one.serial, one.start.mono, one.end.mono) for one in found.stretches]


def test_a_quarter_of_one_machine_is_read_between_the_nearest_readings():
    late, mid = on(9, 20, "S1", 49_000, 8_000), on(11, 2, "S1", 51_000, 9_100)
    assert spans(read(END, START, late, mid)) == [("S1", 50_000, 53_500)]
    assert spans(read(late, mid)) == [("S1", 49_000, 51_000)]
    assert read(mid, END).gaps == ()
    for few in ([mid], [START], []):
        assert read_quarter(few, OCT, JAN) is None


def test_a_panel_read_a_few_days_late_is_the_end_of_its_quarter_and_the_beginning_of_the_next():
    days = (date(2026, 9, 1), date(2026, 10, 5), date(2026, 12, 2), date(2027, 1, 4), date(2027, 4, 2))
    stands = [Stand(day, "", 1000 * number, 0) for number, day in enumerate(days)]
    assert spans(read_quarter(stands, OCT, JAN)) == [("", 1000, 3000)]
    assert spans(read_quarter(stands, JAN, APR)) == [("", 3000, 4000)]
    assert read_quarter(stands, APR, date(2027, 7, 1)) is None  # nothing of it yet
    assert read_quarter(stands, date(2026, 4, 1), date(2026, 7, 1)) is None  # before all of them
    assert spans(read(replace(stands[1], serial="S1"), stands[3])) == [("S1", 1000, 3000)]  # a panel beside the meters


SWAPPED = (
    START,
    on(11, 12, "S1", 51_200, 9_100, 1_040, 204),
    on(11, 12, "S2", 12, 3, 0, 0),
    on(1, 1, "S2", 812, 103, 30, 2),
)


def test_a_swap_is_the_sum_of_both_and_what_nobody_read_is_said():
    found = read(*SWAPPED)
    assert spans(found) == [("S1", 50_000, 51_200), ("S2", 12, 812)]
    assert found.gaps == (Gap(SWAPPED[1], SWAPPED[2], 12, 3),)
    assert not found.gaps[0].reset
    terms = Terms(1_500, 500, 1, 1, Decimal("180.00"), Decimal("0.01"), Decimal("0.05"))
    laid = lay(found, terms, {"mono": 2_050, "colour": 200})
    mono, colour = laid.whole
    assert (mono.ours, mono.start, mono.end, mono.large, mono.sides) == (2_000, None, None, 70, 2_000)
    assert (mono.included, mono.beyond, mono.due, mono.difference, mono.verdict) == (
        *(1_500, 500, Decimal("5.00"), 50),
        "gap",  # the lessor may well be right
    )
    assert (colour.ours, colour.verdict, colour.least) == (200, "same", True)
    assert [(one.serial, [line.ours for line in lines]) for one, lines in laid.machines] == [
        ("S1", [1_200, 100]),
        ("S2", [800, 100]),
    ]
    assert {(line.included, line.due, line.invoiced) for _, lines in laid.machines for line in lines} == {
        (0, None, None)
    }
    assert bill(laid.whole, terms, Decimal(190)) == Bill(Decimal("180.00"), Decimal("185.00"), Decimal(190), least=True)
    fewer, _ = lay(found, terms, {"mono": 1_990}).whole
    assert fewer.verdict == "less"  # that is certain: a gap only adds


@pytest.mark.parametrize(("contract", "clicks", "ours"), [(1, 1, 2_000), (2, 1, 2_070), (1, 2, 1_930), (2, 2, 2_000)])
def test_a3_of_every_machine_is_one_click_or_two_as_the_contract_says(contract, clicks, ours):
    mono, _ = lay(read(*SWAPPED), Terms(a3_clicks=contract, device_a3_clicks=clicks), {}).whole
    assert (mono.ours, mono.blind) == (ours, False)


def test_each_machine_has_clicked_for_a3_as_its_books_were_kept():
    found = replace(read(*SWAPPED), a3_clicks={"S1": 2, "S2": 1})
    laid = lay(found, Terms(a3_clicks=1, device_a3_clicks=1), {})
    assert [line.ours for line in laid.whole] == [1_960, 196]  # the first counted 40 and 4 sides twice
    assert [line.sides for line in laid.whole] == [1_960, 196]


def test_swapped_twice_and_swapped_back():
    stands = (
        START,
        on(10, 20, "S1", 50_700, 9_050),
        on(10, 20, "S2", 60_000, 5_000),  # lent for the repair; it has a life of its own
        on(11, 3, "S2", 60_300, 5_010),
        on(11, 3, "S1", 50_740, 9_052),  # 40 and 2 were made in the workshop, or here
        on(11, 20, "S1", 51_000, 9_100),
        on(11, 21, "S3", 5, 1),
        on(1, 1, "S3", 405, 11),
    )
    found = read(*stands)
    assert spans(found) == [("S1", 50_000, 50_700), ("S2", 60_000, 60_300), ("S1", 50_740, 51_000), ("S3", 5, 405)]
    assert [(gap.mono, gap.colour) for gap in found.gaps] == [(60_000, 5_000), (40, 2), (5, 1)]
    assert [line.ours for line in lay(found, Terms(), {}).whole] == [700 + 300 + 260 + 400, 50 + 10 + 48 + 10]


def test_one_that_came_back_with_other_counters_begins_anew():
    stands = (START, on(11, 1, "S2", 5), on(11, 9, "S2", 60), on(11, 9, "S1", 30, 4), on(1, 1, "S1", 90, 9))
    assert [(gap.mono, gap.colour) for gap in read(*stands).gaps] == [(5, 0), (30, 4)]


def test_a_reset_of_the_same_machine():
    found = read(START, on(11, 12, "S1", 51_200, 9_100), on(11, 12, "S1", 7, 0), on(1, 1, "S1", 507, 40))
    assert spans(found) == [("S1", 50_000, 51_200), ("S1", 7, 507)]
    assert [(gap.reset, gap.mono, gap.colour) for gap in found.gaps] == [(True, 7, 0)]
    assert [line.ours for line in lay(found, Terms(), {}).whole] == [1_700, 140]


def test_one_wrong_look_is_no_reset():
    found = read(START, on(11, 12, "S1", 0, 0), on(11, 13, "S1", 51_000, 9_100), END)
    assert (spans(found), found.gaps) == ([("S1", 50_000, 53_500)], ())


def test_with_the_box_down_the_gap_is_as_long_as_nobody_looked():
    found = read(START, on(10, 30, "S1", 50_900, 9_010), on(11, 25, "S2", 700, 20), on(1, 1, "S2", 900, 30))
    (gap,) = found.gaps
    assert (gap.last.day, gap.first.day, gap.mono) == (date(2026, 10, 30), date(2026, 11, 25), 700)
    assert [line.ours for line in lay(found, Terms(), {}).whole] == [1_100, 20]


def test_a_swap_at_the_edge_of_a_quarter_is_in_one_of_the_two():
    before = on(9, 30, "S1", 49_900, 8_900), on(9, 30, "S2", 4, 1)
    assert spans(read(*before, on(10, 1, "S2", 20, 1), on(1, 1, "S2", 99, 2))) == [("S2", 20, 99)]
    first = START, on(10, 1, "S1", 50_010, 9_000), on(10, 1, "S2", 4, 1), on(1, 1, "S2", 99, 2)
    assert spans(read(*first)) == [("S1", 50_000, 50_010), ("S2", 4, 99)]  # on its first day
    last = START, END, replace(END, mono=53_600), on(1, 1, "S2", 4, 1), on(4, 1, "S2", 99, 2)
    assert (spans(read(*last)), read(*last).gaps) == ([("S1", 50_000, 53_500)], ())  # on the day after
    assert spans(read_quarter(last, JAN, APR)) == [("S1", 53_500, 53_600), ("S2", 4, 99)]
    down = START, on(12, 28, "S1", 53_000, 9_400), on(1, 9, "S2", 4, 1), on(4, 1, "S2", 99, 2)
    assert spans(read(*down)) == [("S1", 50_000, 53_000)]  # nobody looked from the 28th to the 9th
    after = read_quarter(down, JAN, APR)
    assert after is not None
    assert (spans(after), len(after.gaps)) == ([("S1", 53_000, 53_000), ("S2", 4, 99)], 1)
    assert [one.serial for one, _ in lay(after, Terms(), {}).machines] == ["S2"]  # the first was read but once


def test_a_slip_typed_as_a_releve_ends_the_old_machine():
    slip = on(11, 12, "", 51_230, 9_104)
    assert spans(read(*SWAPPED, slip)) == [("S1", 50_000, 51_230), ("S2", 12, 812)]
    new = on(11, 12, "", 20, 4)
    assert spans(read(*SWAPPED, new)) == spans(read(*SWAPPED))
    nowhere = on(12, 12, "", 40_000, 9_104)  # between the machines there is no count it could be of
    assert spans(read(*SWAPPED, nowhere)) == spans(read(*SWAPPED))


def test_where_only_a_panel_tells_a_fall_is_a_swap_or_a_reset():
    found = read(on(10, 1, "", 50_000), on(11, 1, "", 51_000), on(12, 1, "", 200), on(1, 2, "", 700))
    assert (spans(found), [gap.reset for gap in found.gaps]) == ([("", 50_000, 51_000), ("", 200, 700)], [True])
    later = (on(10, 1, "S1", 900), on(11, 1, "S1", 950), on(12, 1, "", 20), on(1, 1, "", 60))
    assert spans(read(*later)) == [("S1", 900, 950), ("", 20, 60)]  # its meters are silent since
    before = (on(10, 1, "", 9_000), on(10, 20, "", 9_100), on(11, 1, "S1", 90), on(1, 1, "S1", 95))
    assert spans(read(*before)) == [("", 9_000, 9_100), ("S1", 90, 95)]


def test_what_one_machine_does_not_count_apart_is_not_known_of_both():
    apart = Terms(functions={"scan": Pack(100, Decimal("0.01")), "copy-mono": Pack(), "print-mono": Pack()})
    old, last, new, end = SWAPPED
    tells = {"scan": 5, "copy-mono": 100, "print-mono": 40}
    first = replace(new, functions=tells), replace(end, functions={"scan": 9, "copy-mono": 200, "print-mono": 700})
    lines = {line.what: line for line in lay(read(old, last, *first), apart, {"scan": 40}).whole}
    assert (lines["scan"].told, lines["scan"].verdict, lines["scan"].due) == (False, "untold", None)
    both = replace(old, functions=tells), replace(last, functions={"scan": 105, "copy-mono": 600, "print-mono": 700})
    laid = lay(read(*both, *first), apart, {"scan": 104})
    lines = {line.what: line for line in laid.whole}
    assert (lines["scan"].ours, lines["scan"].beyond, lines["scan"].verdict) == (104, 4, "same")
    assert (lines["copy-mono"].ours, lines["print-mono"].ours) == (600, 1_320)
    assert lines["mono-rest"].ours == 40 + 40  # 1 200 and 800 in total


def test_what_the_last_reading_leaves_out_is_known_as_far_as_the_one_before_goes():
    old, last, new, end = SWAPPED
    late = replace(last, mono=51_300, mono_large=None, colour_large=None)  # where the books stood when the box went off
    found = read(old, last, late, new, end)
    assert [one.stale for one in found.stretches] == [True, False]
    lines = [lay(found, Terms(a3_clicks=clicks), {}).whole[0] for clicks in (1, 2)]
    assert [(line.ours, line.large, line.blind) for line in lines] == [(2_100, 70, False), (2_170, 70, True)]
    split = Terms(a3_clicks=2, functions={"mono-large": Pack()})
    assert [(line.what, line.blind) for line in lay(found, split, {}).whole] == [
        ("mono", True),
        ("colour", True),
        ("mono-large", False),
    ]


@given(st.lists(st.tuples(st.sampled_from(["S1", "S2", "S3"]), st.integers(0, 90), st.integers(0, 90)), min_size=1))
def test_never_more_than_what_was_counted_while_somebody_looked(steps):
    """Machines count on, seen or not: what nobody read is in no sum, and with the gaps' own it bounds what was seen."""
    counters = dict.fromkeys(("S1", "S2", "S3"), 100)
    stands, seen, here = [], 0, ""
    for number, (serial, unseen, moved) in enumerate(steps):
        if serial != here:
            counters[serial] += unseen  # before its first look
            stands.append(Stand(OCT + timedelta(days=number), serial, counters[serial], 0))
        counters[serial] += moved
        seen, here = seen + moved, serial
        stands.append(Stand(OCT + timedelta(days=number), serial, counters[serial], 0))
    found = read_quarter(stands, OCT, OCT + timedelta(days=len(steps)))
    if len(steps) == 1:
        assert found is None
        return
    assert found is not None
    mono = lay(found, Terms(), {}).whole[0]
    last_day = sum(moved for _, _, moved in steps[-1:]) if steps[-1:] and len(stands) > 1 else 0
    assert seen - last_day <= mono.ours <= seen
