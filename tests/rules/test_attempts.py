"""Which spooled job a device's record carried out (tier: rule)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.rules.attempts import Notebook
from drivers.contract import DeviceId, DeviceJob, JobState
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
