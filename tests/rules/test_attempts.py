"""Which spooled job a device's record carried out (tier: rule)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.rules.attempts import Notebook
from drivers.contract import DeviceId, DeviceJob, JobState, Moment, SpoolJob, Trust
from drivers.spooling import SpoolAttempt

RECORD = DeviceJob(DeviceId("copieur"), "S1", 31, "", "alice", JobState.COMPLETED, None, 5, 0, 5, 1, False)
NOTE = SpoolAttempt("copieur-7-1000-99", "copieur", 7, 1000, "alice", 1001.0, device_job=31, code=0, heard=True)


def test_the_note_with_the_devices_number_says_which_job_it_was():
    other = replace(NOTE, name="b", job=8, device_job=32)
    waits = replace(NOTE, name="c", job=9, device_job=None, code=None)
    found = Notebook([NOTE, other, waits]).sent(RECORD)
    assert found is not None
    assert (found.spooled, found.note, found.system) == ("copieur/7/1000", NOTE, False)


@pytest.mark.parametrize("user", ["bob", "alice2"])
def test_a_note_of_another_user_is_not_believed(user):
    assert Notebook([NOTE]).sent(replace(RECORD, user=user)) is None
    assert Notebook([]).sent(RECORD) is None


@pytest.mark.parametrize("user", ["", "Alice", "CORDEE\\alice", "alice@laptop.local"])
def test_the_same_name_otherwise_written_or_none_is(user):
    assert Notebook([NOTE]).sent(replace(RECORD, user=user)) is not None


def test_a_nameless_job_is_the_one_the_device_knows_as_somebodys():
    sent = Notebook([replace(NOTE, user="")]).sent(replace(RECORD, user="anonymous"))
    assert sent is not None
    assert sent.note.job == NOTE.job


def test_the_newest_note_of_a_number_counts_for_numbers_start_over():
    newer = replace(NOTE, name="d", job=90, created_s=9000, began_s=9001.0)
    found = Notebook([NOTE, newer]).sent(RECORD)
    assert found is not None
    assert found.spooled == "copieur/90/9000"


@pytest.mark.parametrize(
    ("before", "system"),
    [
        (replace(NOTE, device_job=30, heard=False), True),  # it ended, but cupsd was dead by then
        (replace(NOTE, device_job=30, code=None), True),  # the power was cut: it never ended
        (replace(NOTE, device_job=None, code=None), False),  # it died before the device took it: nothing printed twice
        (replace(NOTE, device_job=30), False),  # somebody printed it again
        (replace(NOTE, device_job=30, code=1), False),  # CUPS tried again after a failure it knew of
        (replace(NOTE, device_job=30, heard=False, job=6), False),  # another job
        (replace(NOTE, device_job=30, heard=False, created_s=999), False),  # the same number, before it started over
    ],
)
def test_sent_again_because_cups_died_in_the_middle(before, system):
    found = Notebook([before, replace(NOTE, name="again", began_s=1100.0)]).sent(RECORD)
    assert found is not None
    assert found.system is system


@pytest.mark.parametrize(
    ("note", "awaits"),
    [
        (NOTE, False),
        (replace(NOTE, device_job=None, code=None), True),
        (replace(NOTE, device_job=None, code=1), False),  # the device never took it
        (replace(NOTE, device_job=None, code=None, user="bob"), False),
    ],
)
def test_an_attempt_under_way_may_yet_say_its_number(note, awaits):
    assert Notebook([note]).awaits("Alice") is awaits
    assert Notebook([]).awaits("alice") is False


JOB = SpoolJob(
    Moment(datetime(2026, 11, 2, 9, 0, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED),
    *("copieur", 7, 1000, "alice", JobState.CANCELED, "", 2, 2, "gardien:ipp://copieur/ipp/print"),
)
NEVER = replace(NOTE, device_job=None, code=5)


@pytest.mark.parametrize(
    ("notes", "job", "refused"),
    [
        ((NEVER, replace(NEVER, name="b", code=1)), JOB, True),
        ((), JOB, False),  # nobody noted anything
        ((NEVER, NOTE), JOB, False),  # it took one
        ((NEVER, replace(NEVER, code=None)), JOB, False),  # killed before it could say
        ((replace(NEVER, heard=False),), JOB, False),  # and the spooler died
        ((NEVER,), replace(JOB, state=JobState.COMPLETED), False),  # the spooler knows better
        ((NEVER,), replace(JOB, device_uri="gardien:socket://copieur"), False),  # which gives no number
        ((NEVER,), replace(JOB, created_s=1001), False),
    ],
)
def test_a_job_of_which_the_device_took_no_attempt_is_refused(notes, job, refused):
    assert Notebook(notes).refused(job) is refused


def test_an_attempt_is_alone_where_its_job_was_sent_once():
    once, twice = Notebook([NOTE]), Notebook([NEVER, NOTE])
    for book, alone in ((once, True), (twice, False)):
        sent = book.sent(RECORD)
        assert sent is not None
        assert book.alone(sent) is alone


def test_the_attempts_of_a_job_that_the_device_took():
    again = replace(NOTE, name="again", device_job=32)
    assert [one.note.name for one in Notebook([NEVER, NOTE, again]).taken(JOB)] == [NOTE.name, "again"]
    assert Notebook([NEVER]).taken(JOB) == ()
    assert Notebook([NEVER, NOTE]).noted(JOB) == (NEVER, NOTE)
    assert Notebook([]).noted(JOB) == ()
