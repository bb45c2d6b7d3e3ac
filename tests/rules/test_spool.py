"""What the spooler remembers, forgets, and is told (tier: rule)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import Fact
from agent.rules.spool import (
    HOLES,
    Listing,
    Spool,
    SpoolGap,
    SpoolOpened,
    SpoolRead,
    SpoolTampered,
    Stand,
    Tamper,
    vanished,
)
from drivers.spooling import LoggedJob, SpoolAttempt

CALM = Stand(0, balanced=True)


def listing(*jobs: int, at: int = 1000, **how: object) -> Listing:
    return Listing(**{"created": {job: at + job for job in jobs}, "uuids": {}} | how)


def note(job: int, created_s: int) -> SpoolAttempt:
    return SpoolAttempt(f"n{job}", "copieur", job, created_s, "alice", float(created_s), device_job=1, code=0)


def line(job: int, created_s: int, sides: int = 5) -> LoggedJob:
    return LoggedJob(job, created_s, "copieur", sides)


def spool_at(*jobs: int, stray: int = 0) -> Spool:
    """A spool that has read these jobs."""
    spool = Spool()
    see(spool, listing(*jobs), Stand(stray, balanced=True))
    return spool


def see(spool: Spool, seen: Listing, stand: Stand | None = CALM, *, patient: bool = True) -> list[object]:
    facts = spool.judge(seen, stand, patient=patient)
    for fact in facts:
        spool.learn(fact)
    return list(facts)


def test_the_first_look_takes_what_stands_there():
    spool = Spool()
    assert see(spool, listing(7, 8)) == [SpoolOpened(1, "first", 1007), SpoolRead(1, 8, 1008, 0)]
    assert see(spool, listing(7, 8)) == []
    assert see(spool, listing(7, 8, 9)) == [SpoolRead(1, 9, 1009, 0)]


def test_a_spooler_that_printed_for_others_before_us_has_no_hole():
    spool = Spool()
    assert see(spool, listing()) == [SpoolOpened(1, "first", 0), SpoolRead(1, 0, 0, 0)]
    assert see(spool, listing()) == []
    assert see(spool, listing(500, 502)) == [SpoolGap(1, 501, 501, 0), SpoolRead(1, 502, 1502, 0)]


@pytest.mark.parametrize(
    "seen",
    [
        listing(1, 2, at=5000),  # wiped: ids start at 1
        listing(*range(1, 12), at=5000),  # wiped, and more than before since
        listing(8, 9, 10, at=5000),  # after a crash the last ids were given out again
    ],
)
def test_ids_that_start_over_open_an_epoch_and_are_read(seen):
    spool = spool_at(8, 9, 10)
    created = min(seen.created.values())
    assert see(spool, seen) == [SpoolOpened(2, "started-over", created)]
    facts = see(spool, seen)
    assert facts[-1] == SpoolRead(2, seen.newest, seen.created[seen.newest], 0)
    assert see(spool, seen) == []


def test_an_empty_list_or_a_pruned_one_is_no_new_epoch():
    spool = spool_at(8, 9, 10)
    assert see(spool, listing()) == []
    assert see(spool, listing(11, 12)) == [SpoolRead(1, 12, 1012, 0)]  # 10 was pruned behind the cursor
    assert see(spool, listing(9, 11, 12)) == []


def test_a_clock_that_was_set_is_no_new_epoch():
    spool = Spool()
    see(spool, Listing({1: 9000, 2: 5400}, {}))  # an hour back between them
    assert see(spool, Listing({1: 9000, 2: 5400, 3: 16200}, {})) == [SpoolRead(1, 3, 16200, 0)]
    assert see(spool, Listing({1: 9000, 2: 5400, 3: 16200, 4: 9100}, {})) == [SpoolRead(1, 4, 9100, 0)]


def test_a_hole_waits_for_the_books_and_is_measured():
    spool = spool_at(8, stray=3)
    seen = listing(8, 12)
    assert see(spool, seen, Stand(3, balanced=False)) == []
    assert see(spool, seen, Stand(10, balanced=True)) == [SpoolGap(1, 9, 11, 7), SpoolRead(1, 12, 1012, 10)]
    assert see(spool, seen, Stand(10, balanced=True)) == []


def test_a_hole_without_counters_is_told_when_patience_ends():
    spool = spool_at(8)
    assert see(spool, listing(8, 10), None) == []
    assert see(spool, listing(8, 10), None, patient=False) == [SpoolGap(1, 9, 9, None), SpoolRead(1, 10, 1010, 0)]


def test_a_correction_of_strays_makes_no_negative_hole():
    spool = spool_at(8, stray=5)
    assert see(spool, listing(8, 10), Stand(2, balanced=True))[0] == SpoolGap(1, 9, 9, 0)


def test_notes_and_the_page_log_fill_holes():
    spool = spool_at(8)
    seen = listing(8, 12, notes=(note(9, 1009), note(3, 10)), logged=(line(10, 1010),))
    facts = see(spool, seen)
    assert SpoolGap(1, 11, 11, 0) in facts
    assert [fact for fact in facts if isinstance(fact, SpoolGap)] == [SpoolGap(1, 11, 11, 0)]
    assert SpoolTampered(1, Tamper.PURGED, 9) in facts  # noted in the print path, and gone from the history


def test_many_holes_are_told_as_a_few():
    spool = spool_at(1)
    facts = see(spool, listing(*range(1, 200, 2)))
    holes = [fact for fact in facts if isinstance(fact, SpoolGap)]
    assert len(holes) == HOLES + 1
    assert (holes[0].first, holes[-1].last) == (2, 198)


# --- signs of tampering ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        line(9, 77),  # a job of the list, but not created then
        line(57, 1700000000),  # a number that was never given out
    ],
)
def test_a_line_that_contradicts_is_told_once_and_not_believed(forged):
    spool = spool_at(8, 9)
    seen = listing(8, 9, logged=(forged,), fresh=(forged,))
    assert see(spool, seen) == [SpoolTampered(1, Tamper.LOG_LINE, forged.job)]
    assert see(spool, seen) == []
    assert vanished(seen) == ()


def test_old_lines_of_another_epoch_are_neither_believed_nor_told():
    assert see(spool_at(8, 9), listing(8, 9, logged=(line(9, 5),))) == []


def test_lines_that_are_none_are_told_once():
    spool = spool_at(8)
    assert see(spool, listing(8, strange=2)) == [SpoolTampered(1, Tamper.LOG_LINE, 0)]
    assert see(spool, listing(8, strange=1)) == []


def test_a_true_line_is_no_news():
    spool = spool_at(8, 9)
    true = line(9, 1009)
    assert see(spool, listing(8, 9, logged=(true,), fresh=(true,))) == []
    assert vanished(listing(8, 9, logged=(true,))) == ()


def test_a_job_that_a_crash_took_is_known_by_log_and_note_also_when_its_number_is_given_out_again():
    first, retry = line(9, 1009, 5), line(9, 1009, 10)
    gone = listing(8, notes=(note(9, 1009),), logged=(first, retry), fresh=(first, retry))
    assert see(spool_at(8), gone) == []
    assert vanished(gone) == (line(9, 1009, 10),)  # claims add up over attempts: the last is the most
    again = Listing({8: 1008, 9: 2000}, {}, notes=(note(9, 1009), note(9, 2000)), logged=(first, retry))
    assert vanished(again) == (line(9, 1009, 10),)


def test_a_uuid_that_came_twice_is_told_for_the_later_job():
    spool = spool_at(7, 8)
    seen = listing(7, 8, uuids={7: "urn:a", 8: "urn:a"})
    assert see(spool, seen) == [SpoolTampered(1, Tamper.UUID, 8)]
    assert see(spool, listing(7, 8, uuids={7: "", 8: ""})) == []


def test_a_purged_job_is_told_but_not_one_that_the_housekeeping_took():
    spool = spool_at(8, 9)
    seen = listing(9, 10, 12, notes=(note(11, 1011), note(7, 1007)))
    assert see(spool, seen) == [SpoolTampered(1, Tamper.PURGED, 11), SpoolRead(1, 12, 1012, 0)]


# --- facts -------------------------------------------------------------------------------------------------


def test_keys_are_made_of_what_is_told():
    spool = Spool()
    assert spool.key(SpoolOpened(2, "first", 5)) == "2"
    assert spool.key(SpoolRead(2, 9, 1009, 0)) == "2/9/1009"
    assert spool.key(SpoolGap(2, 3, 4, None)) == "2/3"
    assert spool.key(SpoolTampered(2, Tamper.PURGED, 9)) == "2/purged/9"
    with pytest.raises(TypeError, match="not a fact of the spooler"):
        spool.key(Fact())


def test_totals_count_holes_by_whether_paper_is_missing():
    assert [(one.name, one.labels, one.amount) for one in SpoolGap(1, 3, 5, 0).totals()] == [
        ("spool_gap_jobs", (("paper", "no"),), 3)
    ]
    for moved in (4, None):
        assert SpoolGap(1, 3, 3, moved).totals()[0].labels == (("paper", "yes"),)
    assert SpoolTampered(1, Tamper.UUID, 3).totals()[0].labels == (("why", "uuid"),)


def test_a_restart_goes_on_where_the_facts_end():
    spool, again = spool_at(8, 9), Spool()
    for fact in (SpoolOpened(1, "first", 1008), SpoolRead(1, 9, 1009, 0), SpoolTampered(1, Tamper.UUID, 9), Fact()):
        again.learn(fact)
    assert (again.epoch, again.job, again.created_s) == (spool.epoch, spool.job, spool.created_s)
    assert see(again, listing(8, 9, uuids={8: "a", 9: "a"})) == []


@given(st.lists(st.integers(1, 40), unique=True, min_size=1), st.data())
def test_every_id_after_the_first_look_is_listed_or_in_one_hole(ids, data):
    """However the looks fall, no id is told as a hole twice, and none that is listed."""
    ids = sorted(ids)
    spool, told = Spool(), set()
    first = see(spool, listing(*ids[:1]))
    assert isinstance(first[0], SpoolOpened)
    seen = 1
    while seen < len(ids):
        seen = data.draw(st.integers(seen + 1, len(ids)))
        for fact in see(spool, listing(*ids[:seen])):
            if isinstance(fact, SpoolGap):
                run = set(range(fact.first, fact.last + 1))
                assert not run & told
                told |= run
    assert told == set(range(ids[0], ids[-1] + 1)) - set(ids)
