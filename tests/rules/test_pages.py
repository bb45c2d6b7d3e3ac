"""Laws and cases of counting one print attempt."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest

from agent.rules.claims import believe, settle, unrecorded, unsaid
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.identity import Level
from agent.rules.members import Alias, Member, Roster
from agent.rules.pages import (
    NOBODY,
    AttemptCounted,
    Errand,
    Evidence,
    Free,
    Owner,
    PagesCounted,
    attempt,
    count,
    is_lost,
    owner,
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
        ("sides", "", 5),
        ("member_sides", "m042", 10),
        ("member_sides", "m042", 5),
    ]
    unclaimed = count(JOB, NOBODY)
    assert unclaimed is not None
    assert [dict(total.labels)["formula"] for total in unclaimed.totals()] == ["unclaimed", "unclaimed"]
    older = PagesCounted(*(getattr(row, one.name) for one in fields(PagesCounted)))
    assert older.totals() == row.totals()


def test_an_attempt_keeps_its_name_and_a_reused_job_id_gets_another():
    assert attempt(JOB) == "S1/7/urn:uuid:1"
    assert attempt(replace(JOB, sides=3, state=JobState.ABORTED, created_utc=None)) == attempt(JOB)
    assert attempt(replace(JOB, uuid="urn:uuid:2")) != attempt(JOB)
    assert attempt(replace(JOB, uuid="")) == "S1/7/2026-11-02T08:59:00+00:00"
    assert attempt(replace(JOB, uuid="", created_utc=None)) == "S1/7/"


def test_a_name_is_its_members_or_waits_to_be_claimed():
    roster = Roster(1, members={MemberId("m042"): Member(MemberId("m042"), FormulaId("subscriber"), date.min, None)})
    assert owner(Alias(AliasId("a1"), MemberId("m042")), roster) == replace(ALICE, level=Level.CLAIMED)
    assert owner(Alias(AliasId("a1"), None), roster) == Owner(AliasId("a1"), NOBODY.member, NOBODY.formula)
    assert owner(Alias(AliasId("a1"), MemberId("gone")), roster).member == ""


# claims ----------------------------------------------------------------------------------------------------

SILENT = unsaid(replace(JOB, sides=None, copies=1), ALICE)
LOST = unrecorded("copieur", "S1", SPOOLED, ALICE)


def test_an_a3_side_is_one_side_and_two_clicks_where_the_device_counts_so():
    row = count(replace(JOB, media="iso_a3_297x420mm", sides=4, copies=1), ALICE, a3_clicks=2)
    assert row is not None
    assert (row.sides_mono, row.large, row.clicks) == (4, True, 2)
    assert [step.amount for step in row.totals() if step.name == "large_sides"] == [4]
    silent = unsaid(replace(JOB, media="iso_a3_297x420mm", sides=None), ALICE)
    (settled,) = settle((silent,), 4, 0)
    assert (settled.large, settled.low, settled.high, settled.copies, settled.two_sided) == (True, 4, 4, 3, True)
    plain = count(JOB, ALICE, a3_clicks=2)
    assert plain is not None
    assert (plain.large, plain.clicks) == (False, 1)


def test_what_we_printed_again_is_free_and_a_banner_is_not_the_members():
    again = count(replace(JOB, sides_colour=5), ALICE, Errand(spooled="q/3/1000", system=True))
    assert again is not None
    assert (again.spooled, again.free, again.why_free) == ("q/3/1000", 15, Free.SYSTEM)
    assert [step.amount for step in again.totals() if step.name == "member_sides"] == [0, 0]
    banner = count(replace(JOB, sides=6, sides_colour=5), ALICE, Errand(banners=1))
    assert banner is not None
    assert (banner.sides_mono, banner.sides_colour, banner.free, banner.why_free) == (1, 5, 1, Free.BANNER)
    assert [step.amount for step in banner.totals() if step.name == "member_sides"] == [0, 5]
    nothing = count(replace(JOB, sides=0, sheets=0), ALICE, Errand(system=True))
    assert nothing is not None
    assert (nothing.free, nothing.why_free) == (0, Free.SYSTEM)


def test_a_row_carries_on_what_it_rests_whose_it_is():
    row = count(JOB, replace(ALICE, level=Level.BADGE))
    assert row is not None
    assert (row.kind, row.level) == ("attempt-known", Level.BADGE)
    (lost,) = believe((unrecorded("copieur", "S1", SPOOLED, replace(ALICE, level=Level.CLAIMED)),))
    assert lost.level is Level.CLAIMED


def test_a_banner_is_what_came_out_beyond_the_document():
    known = Errand(banners=2, forecast=13)
    assert [row.free for row in rows(13, known)] == [0]  # the machine left the banners out
    assert [row.free for row in rows(15, known)] == [2]
    assert [row.free for row in rows(15, Errand(banners=2))] == [2]  # nobody counted the document
    assert [row.free for row in rows(4, known, JobState.CANCELED)] == [2]  # and those that came out are first
    silent = unsaid(replace(JOB, sides=None, two_sided=False), ALICE, known)
    assert silent.most == 15
    (row,) = believe((silent,))
    assert (row.sides_mono, row.low, row.high, row.free) == (13, 13, 15, 0)


@pytest.mark.parametrize(
    ("sides", "sheets", "both", "state", "free"),
    [
        (8, 4, True, "completed", 2),  # a banner and five pages, each with its blank back
        (8, None, True, "completed", 2),
        (6, 4, True, "completed", 1),  # blank backs are not counted
        (6, None, True, "completed", 1),
        (6, 6, False, "completed", 1),
        (6, 6, None, "completed", 1),
        (8, 4, None, "completed", 2),  # nobody says how, but its sheets are full
        (5, 4, True, "completed", 0),  # the banner was left out
        (4, 2, True, "canceled", 2),
        (5, 3, True, "canceled", 2),  # the last sheet may be half printed
        (4, 3, True, "canceled", 1),
        (4, 4, True, "canceled", 1),
        (1, 1, True, "canceled", 1),
        (4, None, True, "canceled", 2),  # in the member's favour
        (4, None, False, "canceled", 1),
    ],
)
def test_a_banner_is_free_with_its_blank_back_where_the_machine_counts_that(sides, sheets, both, state, free):
    record = replace(JOB, sides=sides, sheets=sheets, two_sided=both, copies=1, state=JobState(state))
    row = count(record, ALICE, Errand(banners=1, forecast=5, backs=2))
    assert row is not None
    assert row.free == free


def test_of_what_is_lost_or_broke_off_unsaid_the_banner_came_out_first():
    known = Errand(banners=1, forecast=5)
    short = [row.free for sides in (0, 1, 4, 5, 6) for row in rows(sides, known)]
    assert short == [0, 1, 1, 0, 1]  # completed, says its record: five are the document, without a banner
    lost = unrecorded("copieur", "S1", SPOOLED, ALICE, known)
    assert lost.state == JobState.COMPLETED  # by the spooler's word alone: nobody knows how it ended
    assert [lost.row(sides, 0, sides, Evidence.COUNTER).free for sides in (0, 1, 4, 5, 6)] == [0, 1, 1, 1, 1]


def test_what_left_no_record_is_known_by_its_name():
    assert (is_lost(LOST.attempt), is_lost(SILENT.attempt)) == (True, False)


def rows(sides: int, errand: Errand, state: JobState = JobState.COMPLETED) -> list[AttemptCounted]:
    row = count(replace(JOB, sides=sides, state=state), ALICE, errand)
    return [] if row is None else [row]
