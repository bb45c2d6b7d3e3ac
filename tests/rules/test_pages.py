"""Laws and cases of counting one print attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.members import Alias, Member, Roster
from agent.rules.pages import (
    NOBODY,
    Claim,
    Evidence,
    Owner,
    Witness,
    attempt,
    believe,
    count,
    owner,
    settle,
    unrecorded,
    unsaid,
)
from drivers.contract import DeviceId, DeviceJob, JobState, Moment, SpoolJob, Trust

ALICE = Owner(AliasId("a1"), MemberId("m042"), FormulaId("subscriber"))
AT = Moment(datetime(2026, 11, 2, 9, 0, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED)
JOB = DeviceJob(
    device=DeviceId("copieur"),
    serial="S1",
    job=7,
    uuid="urn:uuid:1",
    user="alice",
    state=JobState.COMPLETED,
    created_utc=datetime(2026, 11, 2, 8, 59, tzinfo=UTC),
    sides=15,
    sides_colour=0,
    sheets=9,
    copies=3,
    two_sided=True,
)
SPOOLED = SpoolJob(
    at=AT,
    queue="copieur",
    job=3,
    created_s=1000,
    user="CORDEE\\Alice",
    state=JobState.COMPLETED,
    uuid="",
    claimed_sides=20,
    claimed_sheets=10,
    device_uri="ipp://127.0.0.1/ipp/print",
)


def test_a_record_that_says_all_is_booked_as_it_says():
    row = count(JOB, ALICE)
    assert row is not None
    assert (row.sides_mono, row.sides_colour, row.sheets, row.low, row.high) == (15, 0, 9, 15, 15)
    assert (row.member, row.formula, row.alias, row.evidence, row.state) == (
        "m042",
        "subscriber",
        "a1",
        Evidence.DEVICE,
        "completed",
    )


@pytest.mark.parametrize(
    ("sides", "copies", "two_sided", "sheets"),
    [
        (15, 3, True, 9),
        (5, 1, True, 3),
        (1, 1, True, 1),
        (4, 1, True, 2),
        (0, 1, True, 0),
        (7, 3, True, 4),
        (2, 2, True, 2),
        (5, 0, True, 3),
        (5, 1, False, 5),
        (5, 1, None, 5),
    ],
)
def test_sheets_a_device_does_not_tell_are_as_few_as_the_job_allows(sides, copies, two_sided, sheets):
    row = count(replace(JOB, sides=sides, copies=copies, two_sided=two_sided, sheets=None), ALICE)
    assert row is not None
    assert row.sheets == sheets


@pytest.mark.parametrize(("colour", "split"), [(None, (15, 0)), (4, (11, 4)), (15, (0, 15)), (99, (0, 15))])
def test_colour_is_what_the_record_says_and_mono_if_it_does_not(colour, split):
    row = count(replace(JOB, sides_colour=colour), ALICE)
    assert row is not None
    assert (row.sides_mono, row.sides_colour) == split


def test_a_record_that_does_not_say_is_never_zero():
    assert count(replace(JOB, sides=None), ALICE) is None


def test_a_cancelled_attempt_is_what_came_out():
    row = count(replace(JOB, state=JobState.CANCELED, sides=9, sheets=5), ALICE)
    assert row is not None
    assert (row.low, row.high, row.state) == (9, 9, "canceled")


def test_totals_are_by_formula_and_for_the_member():
    row = count(replace(JOB, sides_colour=5), ALICE)
    assert row is not None
    assert [(total.name, dict(total.labels).get("member", ""), total.amount) for total in row.totals()] == [
        ("sides", "", 10),
        ("member_sides", "m042", 10),
        ("sides", "", 5),
        ("member_sides", "m042", 5),
    ]
    unclaimed = count(JOB, NOBODY)
    assert unclaimed is not None
    assert [dict(total.labels)["formula"] for total in unclaimed.totals()] == ["unclaimed", "unclaimed"]


def test_an_attempt_keeps_its_name_and_a_reused_job_id_gets_another():
    assert attempt(JOB) == "S1/7/urn:uuid:1"
    assert attempt(replace(JOB, sides=3, state=JobState.ABORTED, created_utc=None)) == attempt(JOB)
    assert attempt(replace(JOB, uuid="urn:uuid:2")) != attempt(JOB)
    assert attempt(replace(JOB, uuid="")) == "S1/7/2026-11-02T08:59:00+00:00"
    assert attempt(replace(JOB, uuid="", created_utc=None)) == "S1/7/"


def test_a_name_is_its_members_or_waits_to_be_claimed():
    roster = Roster(1, members={MemberId("m042"): Member(MemberId("m042"), FormulaId("subscriber"), date.min, None)})
    assert owner(Alias(AliasId("a1"), MemberId("m042")), roster) == ALICE
    assert owner(Alias(AliasId("a1"), None), roster) == Owner(AliasId("a1"), NOBODY.member, NOBODY.formula)
    assert owner(Alias(AliasId("a1"), MemberId("gone")), roster).member == ""


# claims ----------------------------------------------------------------------------------------------------

SILENT = unsaid(replace(JOB, sides=None, copies=1), ALICE)
LOST = unrecorded("copieur", "S1", SPOOLED, ALICE)


def test_one_claim_alone_is_the_movement_of_the_counters():
    (row,) = settle((SILENT,), 3, 2)
    assert (row.sides_mono, row.sides_colour, row.sheets) == (3, 2, 3)
    assert (row.low, row.high, row.evidence) == (5, 5, Evidence.COUNTER)
    (row,) = settle((LOST,), 10, 0)
    assert (row.attempt, row.low, row.high) == ("spool/copieur/3/1000", 10, 10)


def test_claims_that_share_a_movement_are_intervals_and_are_billed_nothing_yet():
    rows = settle((SILENT, LOST), 30, 0)
    assert [(row.sides_mono, row.low, row.high) for row in rows] == [(0, 0, 30), (0, 0, 20)]


def test_claims_that_together_make_the_movement_in_one_colour_are_exact():
    pair = (LOST, replace(LOST, attempt="spool/copieur/4/1000", most=5))
    assert [(row.sides_mono, row.low, row.high) for row in settle(pair, 25, 0)] == [(20, 20, 20), (5, 5, 5)]
    assert [(row.sides_colour, row.low, row.high) for row in settle(pair, 0, 25)] == [(20, 20, 20), (5, 5, 5)]
    assert [(row.low, row.high) for row in settle(pair, 20, 5)] == [(0, 20), (0, 5)]
    assert [(row.low, row.high) for row in settle((SILENT, *pair), 25, 0)] == [(0, 25), (0, 20), (0, 5)]


def test_a_movement_larger_than_the_claim_is_not_all_its_own():
    assert [(row.sides_mono, row.low, row.high) for row in settle((LOST,), 21, 0)] == [(0, 0, 20)]


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
        assert limit is None or row.high <= limit


# the witness -----------------------------------------------------------------------------------------------


def spooled(job: int, user: str = "alice", **change: object) -> SpoolJob:
    return replace(SPOOLED, job=job, user=user, created_s=1000 + job, **change)


def test_jobs_beyond_their_users_records_are_missing():
    witness = Witness(0.0)
    jobs = (spooled(1), spooled(2), spooled(3, "bob"))
    assert witness.missing(jobs) == jobs
    witness.recorded("r1", "ALICE@laptop.local")
    witness.recorded("r1", "alice")
    assert witness.missing(jobs) == (jobs[1], jobs[2])


def test_a_job_that_waits_or_claims_nothing_or_is_old_is_not_missing():
    waiting = spooled(1, state=JobState.PROCESSING)
    assert Witness(0.0).missing((waiting, spooled(2, claimed_sides=0))) == ()
    assert Witness(1002.0).missing((spooled(1), spooled(2))) == (spooled(2),)


def test_balanced_counters_end_the_case_and_a_record_ahead_of_its_job_still_pairs():
    witness = Witness(0.0)
    witness.recorded("r1", "alice")  # the device ends before CUPS notices
    witness.balanced(())
    assert witness.missing((spooled(1),)) == ()
    witness.balanced((spooled(1),))
    witness.recorded("r1", "alice")  # seen again in every look
    assert witness.missing((spooled(1), spooled(2))) == (spooled(2),)
    witness.balanced((spooled(1), spooled(2)))
    assert witness.missing((spooled(1), spooled(2))) == ()


def test_a_claim_needs_no_copies():
    assert Claim("d", "s", "a", NOBODY, None, "completed").row(1, 0, 1, Evidence.COUNTER).sheets == 1
