"""Laws and cases of settling attempts whose record is missing or does not say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.claims import Claim, Shared, believe, narrow, settle, settle_clicks, unrecorded, unsaid
from agent.rules.columns import Sides
from agent.rules.pages import NOBODY, Errand, Evidence
from drivers.contract import DeviceJob, JobState
from tests.rules.test_pages import ALICE, JOB, SPOOLED

SILENT = unsaid(replace(JOB, sides=None, copies=1), ALICE)
LOST = unrecorded("copieur", "S1", SPOOLED, ALICE)


def test_one_claim_alone_is_the_movement_of_the_counters():
    (row,) = settle((SILENT,), 3, 2)
    assert (row.sides_mono, row.sides_colour, row.sheets) == (3, 2, 3)
    assert (row.low, row.high, row.evidence) == (5, 5, Evidence.COUNTER)
    (row,) = settle((LOST,), 10, 0)
    assert (row.attempt, row.low, row.high) == ("spool/copieur/3/1000", 10, 10)


def test_claims_that_share_a_movement_are_intervals_bounded_by_what_the_others_leave():
    rows = settle((SILENT, LOST), 30, 0, 3, "copieur/3/1")
    assert [(row.sides_mono, row.low, row.high) for row in rows] == [(10, 10, 30), (0, 0, 20)]
    assert [(row.group, row.moved) for row in rows] == [("copieur/3/1/mono", 30), ("copieur/3/1/mono", 30)]
    assert [(row.low, row.high) for row in settle((LOST, replace(LOST, most=5)), 20, 0)] == [(15, 20), (0, 5)]


@pytest.mark.parametrize(
    ("bounds", "moved", "narrowed"),
    [
        (((0, 20),), 10, ((10, 10),)),
        (((0, 20),), 21, ((0, 20),)),  # somebody else printed too
        (((0, 20), (0, 5)), 25, ((20, 20), (5, 5))),
        (((0, 20), (0, 5)), 22, ((17, 20), (2, 5))),
        (((0, 20), (4, 5)), 10, ((5, 6), (4, 5))),
        (((8, 20), (4, 5)), 10, ((8, 10), (4, 5))),  # less than both are known to be: nothing follows
    ],
)
def test_each_part_of_a_movement_is_bounded_by_the_others(bounds, moved, narrowed):
    assert narrow(bounds, moved) == narrowed


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6))
def test_the_truth_is_always_between_the_narrowed_bounds(parts):
    bounds = tuple((0, truth + more) for truth, more in parts)
    narrowed = narrow(bounds, sum(truth for truth, _ in parts))
    assert all(low <= truth <= high for (truth, _), (low, high) in zip(parts, narrowed, strict=True))


def test_a_silent_device_without_counters_is_believed_by_the_document():
    told = unsaid(replace(JOB, sides=None), ALICE, Errand(forecast=15, backs=3))
    (row,) = believe((told,))
    assert (row.low, row.high, row.sides_mono, row.evidence) == (15, 15, 15, Evidence.FORECAST)
    (cut,) = believe((replace(told, state=JobState.CANCELED),))
    assert (cut.low, cut.high, cut.evidence) == (0, 15, Evidence.FORECAST)
    assert told.most == 18  # 3 copies on two sides: CUPS may put a blank back behind each
    (told_anew,) = believe((told,), counted=True)  # its counters are gone, and may have counted them
    assert (told_anew.low, told_anew.high) == (15, 18)
    simplex = unsaid(replace(JOB, sides=None, two_sided=False), ALICE, Errand(forecast=15, backs=3))
    assert simplex.most == 15
    (row,) = believe((unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=5)),))
    assert (row.low, row.high, row.evidence, row.spooled) == (0, 5, Evidence.FORECAST, "copieur/3/1000")


def test_claims_that_together_make_the_movement_in_one_colour_are_exact():
    pair = (LOST, replace(LOST, attempt="spool/copieur/4/1000", most=5))
    assert [(row.sides_mono, row.low, row.high) for row in settle(pair, 25, 0)] == [(20, 20, 20), (5, 5, 5)]
    assert [(row.sides_colour, row.low, row.high) for row in settle(pair, 0, 25)] == [(20, 20, 20), (5, 5, 5)]
    assert [(row.low, row.high) for row in settle(pair, 20, 5)] == [(0, 20), (0, 5)]  # whose is the colour?
    assert [(row.low, row.high) for row in settle((SILENT, *pair), 25, 0)] == [(0, 25), (0, 20), (0, 5)]


def test_a_movement_larger_than_what_is_claimed_is_certainly_nobodys_and_may_be_anybodys():
    (row,) = settle((LOST,), 21, 0, 3, "copieur/3/1")
    assert (row.sides_mono, row.low, row.high, row.group) == (0, 0, 21, "copieur/3/1/mixed")
    passed_on = replace(LOST, attempt="b", most=1)  # the spooler's word for five pages of raster it did not read
    assert [(row.low, row.high) for row in settle((passed_on,), 5, 0)] == [(0, 5)]
    assert [(row.low, row.high) for row in settle((LOST, passed_on), 25, 0)] == [(0, 25), (0, 25)]


def test_where_copies_are_not_told_apart_only_what_is_claimed_to_the_side_is_certain():
    total = replace(LOST, apart=False)
    assert [(row.sides_mono, row.low, row.high) for row in settle((total,), 20, 0)] == [(20, 20, 20)]
    assert [(row.low, row.high) for row in settle((total,), 15, 0)] == [(0, 15)]  # 10 printed and 5 copied, say
    assert [(row.low, row.high) for row in settle((replace(total, most=None),), 15, 0)] == [(0, 15)]


def test_a_counted_document_bounds_what_is_its_own_even_where_more_came_out():
    counted = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=6, banners=2))
    assert [(row.low, row.high) for row in settle((counted,), 7, 0)] == [(7, 7)]
    assert [(row.low, row.high) for row in settle((counted,), 30, 0)] == [(0, 8)]
    beside = replace(LOST, attempt="b")  # the spooler's word is no bound
    assert [(row.low, row.high) for row in settle((counted, beside), 30, 0)] == [(0, 8), (0, 30)]


def test_where_copies_are_not_told_apart_a_counted_document_is_certain_only_at_its_own_count():
    silent = replace(JOB, sides=None, copies=1)
    counted = replace(unsaid(silent, ALICE, Errand(forecast=6, banners=1, backs=1)), apart=False)
    assert [(row.low, row.high) for row in settle((counted,), 6, 0)] == [(6, 6)]
    assert [(row.low, row.high) for row in settle((counted,), 7, 0)] == [(6, 7)]  # a banner, or one copied
    assert [(row.low, row.high) for row in settle((counted,), 20, 0)] == [(6, 8)]  # and its blank back
    assert [(row.low, row.high) for row in settle((counted,), 5, 0)] == [(0, 5)]  # fewer than its document: who knows
    cut = replace(counted, state=JobState.CANCELED)
    assert [(row.low, row.high) for row in settle((cut,), 7, 0)] == [(0, 7)]


def test_what_was_lost_may_have_been_counted_with_its_blank_backs():
    three = Errand(forecast=15, banners=1, backs=4)  # five pages three times, and a banner
    lost = unrecorded("copieur", "S1", SPOOLED, ALICE, three)
    assert [(row.low, row.high) for row in believe((lost,))] == [(0, 20)]
    assert [(row.low, row.high) for row in settle((lost,), 20, 0)] == [(20, 20)]
    total = replace(lost, apart=False)
    moves = (15, 16, 18, 20, 21)  # as they stand; a banner; some copied; all of it; one more than that
    told = [[(row.low, row.high) for row in settle((total,), moved, 0)] for moved in moves]
    assert told == [[(15, 15)], [(15, 16)], [(0, 18)], [(0, 20)], [(0, 20)]]
    twice = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=5, backs=1), times=2)
    assert twice.most == 12


def test_a_claim_for_attempts_that_were_lost_together_is_bounded_by_all_of_them():
    both = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=6, banners=2), times=2)
    assert [(row.low, row.high) for row in settle((both,), 20, 0)] == [(0, 16)]
    assert [(row.low, row.high) for row in believe((both,))] == [(0, 16)]


def test_a_lost_job_that_the_spooler_claims_nothing_of_is_what_the_counters_moved():
    raw = unrecorded("copieur", "S1", replace(SPOOLED, claimed_sides=0), ALICE, turn="2")
    assert (raw.attempt, raw.most) == ("spool/copieur/3/1000/2", None)
    assert [(row.low, row.high) for row in settle((raw,), 5, 0)] == [(5, 5)]
    assert [(row.low, row.high) for row in believe((raw,))] == [(0, 500)]


def seen(sides: int, **how: object) -> DeviceJob:
    """Return a record as it was last seen printing."""
    return replace(JOB, state=JobState.PROCESSING, sides=sides, sheets=None, **how)  # type: ignore[arg-type]


def test_what_a_record_told_before_it_was_lost_did_come_out():
    lost = unrecorded("copieur", "S1", SPOOLED, ALICE, seen=(seen(12),))
    assert (lost.seen, lost.two_sided, lost.sized) == (12, True, False)
    total = replace(lost, apart=False)
    assert [(row.sides_mono, row.low, row.high) for row in settle((total,), 15, 0)] == [(12, 12, 15)]
    assert [(row.sides_mono, row.sides_colour, row.high) for row in settle((total,), 5, 10)] == [(5, 7, 15)]
    assert [(row.low, row.high) for row in settle((total,), 30, 0)] == [(12, 30)]
    assert [(row.low, row.high) for row in settle((total,), 11, 0)] == [(0, 11)]  # the counters contradict it
    assert [(row.low, row.high) for row in settle((lost,), 15, 0)] == [(15, 15)]
    assert [(row.low, row.high, row.evidence) for row in believe((lost,))] == [(12, 20, Evidence.CLAIMED)]
    counted = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=14), seen=(seen(12),))
    assert [(row.low, row.high, row.evidence) for row in believe((counted,))] == [(12, 14, Evidence.FORECAST)]
    for word in (None, 1, 12):  # the spooler's word for a document it did not read
        assert [(row.low, row.high) for row in believe((replace(lost, most=word),))] == [(12, 512)]


def test_whole_documents_with_some_banners_are_open_by_their_banners_alone():
    lost = replace(unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=6, banners=2)), apart=False)
    assert [[(row.low, row.high) for row in settle((lost,), sides, 0)] for sides in (5, 6, 7, 8, 9)] == [
        [(0, 5)],
        [(6, 6)],
        [(6, 7)],
        [(6, 8)],
        [(0, 8)],  # one more than all of it: a copy at least
    ]
    two = replace(lost, attempt="b", errand=Errand(forecast=3, banners=1), most=4)
    assert [(row.low, row.high) for row in settle((lost, two), 11, 0)] == [(6, 8), (3, 4)]


def test_a_document_that_was_seen_passed_bounds_nothing():
    passed = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=5), seen=(seen(12),))
    assert (passed.most, passed.sure) == (None, True)
    assert [(row.low, row.high, row.evidence) for row in believe((passed,))] == [(12, 512, Evidence.UNTOLD)]
    assert [(row.low, row.high) for row in settle((passed,), 14, 0)] == [(14, 14)]
    assert [(row.low, row.high) for row in settle((replace(passed, apart=False),), 14, 0)] == [(12, 14)]


def test_what_was_seen_of_one_attempt_bounds_the_others():
    one = unrecorded("copieur", "S1", SPOOLED, ALICE, seen=(seen(12),))
    two = replace(LOST, attempt="b", most=9)
    assert [(row.low, row.high) for row in settle((one, two), 15, 0)] == [(12, 15), (0, 3)]
    assert [(row.low, row.high) for row in settle((one, two), 5, 10)] == [(0, 15), (0, 3)]  # whose is the colour?


def test_clicks_are_sides_where_every_record_tells_its_size():
    small = unsaid(replace(JOB, sides=None, copies=1, media="iso_a4_210x297mm"), ALICE)
    big = unsaid(replace(JOB, sides=None, copies=1, media="iso_a3_297x420mm"), ALICE)
    told = [
        (row.sides_mono, row.sides_colour, row.clicks, row.low, row.high)
        for claims, moved in [
            ((small,), Sides(18, 0)),
            ((big,), Sides(18, 4)),
            ((big,), Sides(17, 0)),  # somebody else printed too
            ((LOST,), Sides(18, 0)),
            ((replace(LOST, seen=16),), Sides(12, 6)),
        ]
        for row in settle_clicks(claims, moved, 2, 1, "n")
    ]
    assert told == [(18, 0, 1, 18, 18), (9, 2, 2, 11, 11), (9, 0, 1, 9, 17), (9, 0, 1, 9, 18), (12, 4, 1, 16, 18)]
    mixed = settle_clicks((small, replace(big, attempt="b")), Sides(18, 0), 2, 1, "n")
    assert [(row.low, row.high) for row in mixed] == [(0, 18), (0, 18)]
    assert [(row.low, row.clicks) for row in settle_clicks((LOST,), Sides(18, 0), 1, 1, "n")] == [(18, 1)]


@pytest.mark.parametrize("moved", [(0, 0), (-1, 0), (2, -2), (-2, 2)])
def test_without_movement_nothing_was_printed_and_a_spooled_job_never_came(moved):
    assert [(row.low, row.high, row.attempt) for row in settle((SILENT, LOST), *moved)] == [(0, 0, "S1/7/urn:uuid:1")]


def test_without_counters_the_spoolers_word_is_an_upper_bound():
    (row,) = believe((SILENT, LOST))
    assert (row.sides_mono, row.low, row.high, row.evidence) == (0, 0, 20, Evidence.CLAIMED)


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 50)), min_size=1, max_size=5),
    st.integers(-20, 60),
    st.integers(-20, 60),
)
def test_claims_never_book_more_than_moved_and_their_interval_holds_what_they_book(most, mono, colour):
    claims = tuple(replace(LOST, attempt=str(number), most=limit) for number, limit in enumerate(most))
    rows = settle(claims, mono, colour)
    assert sum(row.sides_mono + row.sides_colour for row in rows) <= max(0, mono + colour)
    for row in rows:
        assert 0 <= row.low == row.sides_mono + row.sides_colour <= row.high
        limit = claims[int(row.attempt)].most
        assert limit is None or row.high <= limit or sum(limit or 0 for limit in most) < mono + colour == row.high


def test_records_that_do_not_say_are_certain_where_the_spoolers_words_make_up_the_movement():
    silent = replace(JOB, sides=None, copies=1, two_sided=False)
    one = replace(unsaid(silent, ALICE, Errand(claimed=6)), apart=False)
    two = replace(one, attempt="b", errand=Errand(forecast=4))
    assert [(row.low, row.high) for row in settle((one,), 6, 0)] == [(6, 6)]
    assert [(row.low, row.high) for row in settle((one,), 8, 0)] == [(0, 8)]  # two of them copied, or all but one
    assert [(row.low, row.high) for row in settle((one, two), 10, 0)] == [(6, 6), (4, 4)]
    assert [(row.low, row.high) for row in settle((one, two), 6, 4)] == [(0, 6), (0, 4)]  # whose is the colour?
    assert [(row.low, row.high) for row in settle((one, two), 9, 0)] == [(0, 9), (4, 9)]
    cut = replace(one, state=JobState.CANCELED)  # three printed and three copied, say
    assert [(row.low, row.high) for row in settle((cut,), 6, 0)] == [(0, 6)]


def test_a_claim_is_bounded_by_its_document_with_banners_and_blank_backs_or_by_the_spoolers_word():
    assert (SILENT.most, LOST.most) == (None, 20)
    assert (
        unsaid(replace(JOB, sides=None), ALICE, Errand(forecast=15, banners=1, backs=4)).most == 20
    )  # 3 copies, two-sided
    both = unrecorded("copieur", "S1", SPOOLED, ALICE, Errand(forecast=6, banners=2), times=2)
    assert (both.most, both.sure, both.errand.spooled) == (16, True, "copieur/3/1000")
    shared = LOST.row(1, 0, 4, Evidence.COUNTER, Shared(2, "copieur/2/0/mono", 9))
    assert (shared.epoch, shared.group, shared.moved) == (2, "copieur/2/0/mono", 9)


@pytest.mark.parametrize(
    ("claimed", "how", "runs", "read"),
    [
        (20, {}, 1, True),
        (1, {}, 1, False),
        (3, {"copies": 3}, 1, False),  # one for each copy of a document that it passed on
        (4, {"copies": 3}, 1, True),
        (6, {"copies": 3}, 2, False),  # and for each time it sent it
        (7, {"copies": 3}, 2, True),
        (20, {"format": "image/pwg-raster"}, 1, False),  # what the machine told it of its progress, and then no more
        (20, {"format": ""}, 1, False),  # nobody tells: by its page log alone
    ],
)
def test_a_spoolers_word_bounds_only_a_document_that_it_has_read(claimed, how, runs, read):
    lost = unrecorded("c", "S1", replace(SPOOLED, claimed_sides=claimed, **how), ALICE, runs=runs)
    (row,) = believe((lost,))
    told = (0, claimed, Evidence.CLAIMED) if read else (0, claimed + 500, Evidence.UNTOLD)
    assert (lost.read, (row.low, row.high, row.evidence)) == (read, told)
    counted = unrecorded("c", "S1", replace(SPOOLED, claimed_sides=claimed, **how), ALICE, Errand(forecast=15))
    assert [(row.low, row.high, row.evidence) for row in believe((counted,))] == [(0, 15, Evidence.FORECAST)]
    assert [(row.low, row.high) for row in settle((lost,), claimed, 0)] == [(claimed, claimed)]  # the counters saw it


def test_what_may_have_been_passed_on_unread_is_bounded_by_what_the_counters_moved():
    unread = unrecorded("c", "S1", replace(SPOOLED, job=4, claimed_sides=3, copies=3), ALICE)
    assert [(row.low, row.high) for row in settle((unread, LOST), 23, 0)] == [(3, 23), (0, 20)]  # 15 and 8, say
    assert [(row.low, row.high) for row in settle((unread, LOST), 15, 0)] == [(0, 15), (0, 15)]
    assert [(row.low, row.high) for row in settle((unread,), 15, 0)] == [(0, 15)]  # or somebody else printed too


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 3), st.booleans(), st.integers(0, 90)), min_size=1),
    st.integers(0, 20),
    st.booleans(),
)
def test_whatever_passed_unread_the_interval_holds_the_truth(jobs, others, counters):
    claims, truth = [], {}
    for number, (pages, copies, read, out) in enumerate(jobs):
        spooled = replace(SPOOLED, job=number, claimed_sides=pages * copies if read else copies, copies=copies)
        claims.append(unrecorded("c", "S1", spooled, ALICE))
        truth[claims[-1].attempt] = min(out, pages * copies)
    moved = sum(truth.values()) + others
    rows = settle(tuple(claims), moved, 0) if counters and not others else believe(tuple(claims))
    for row in rows:
        assert row.low <= truth[row.attempt] <= row.high


def test_what_is_said_of_a_whole_attempt():
    record = unsaid(replace(JOB, sides=None, two_sided=False), ALICE, Errand(claimed=15))
    assert (record.said, LOST.said) == (15, 20)
    assert replace(record, two_sided=True).said is None  # the spooler counts the blank backs it pads
    assert replace(record, errand=Errand(forecast=14, claimed=15)).said == 14
    assert replace(record, state=JobState.CANCELED).said is None


def test_a_claim_needs_no_copies():
    assert Claim("d", "s", "a", NOBODY, None, "completed").row(1, 0, 1, Evidence.COUNTER).sheets == 1


def test_a_lost_attempt_may_have_been_printed_on_both_sides():
    assert [LOST.row(sides, 0, sides, Evidence.COUNTER).sheets for sides in (0, 1, 7, 8)] == [0, 1, 4, 4]
    assert LOST.row(7, 0, 7, Evidence.COUNTER).two_sided


def test_a_record_that_was_seen_tells_the_paper_too():
    plain = unrecorded("c", "S1", SPOOLED, ALICE, seen=(seen(5, two_sided=False, media="iso_a4_210x297mm"),))
    assert (plain.two_sided, plain.large, plain.sized) == (False, False, True)
    big = seen(5, media="iso_a3_297x420mm")
    pair = unrecorded("c", "S1", SPOOLED, ALICE, times=2, seen=(big, big))
    assert (pair.seen, pair.large, pair.sized) == (10, True, True)
    both = unrecorded("c", "S1", SPOOLED, ALICE, times=2, seen=(big, seen(5, media="iso_a4_210x297mm")))
    assert (both.large, both.sized) == (False, False)
    half = unrecorded("c", "S1", SPOOLED, ALICE, times=2, seen=(big,))
    assert (half.seen, half.two_sided, half.large, half.sized) == (5, True, False, False)


def test_a_bound_that_was_seen_passed_is_none():
    known = Errand(forecast=5, banners=1)
    lost = [unrecorded("c", "S1", SPOOLED, ALICE, known, seen=(seen(sides),)).most for sides in (6, 7)]
    assert lost == [6, None]
    both = replace(known, backs=1)
    assert [unrecorded("c", "S1", SPOOLED, ALICE, both, seen=(seen(sides),)).most for sides in (6, 7, 8)] == [
        7,
        7,
        None,
    ]
    plain = unrecorded("c", "S1", SPOOLED, ALICE, both, seen=(seen(5, two_sided=False),))
    assert plain.most == 6  # its record told that it was printed on one side
    assert [unrecorded("c", "S1", SPOOLED, ALICE, seen=(seen(sides),)).most for sides in (20, 21)] == [20, None]


def test_what_an_attempt_has_at_least():
    counted = unsaid(replace(JOB, sides=None), ALICE, Errand(forecast=15))
    assert (counted.least, replace(counted, state=JobState.CANCELED).least, SILENT.least) == (15, 0, 0)
    lost = unrecorded("c", "S1", SPOOLED, ALICE, Errand(forecast=15), seen=(seen(12),))
    assert (lost.least, LOST.least) == (12, 0)  # nobody says that it was completed, but the spooler
