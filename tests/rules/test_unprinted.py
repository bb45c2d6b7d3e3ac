"""Jobs that nothing came out of: notes and states as a real cupsd and our copier gave them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.rules.facts import AliasId, MemberId
from agent.rules.unprinted import JobUnprinted, Why, unprinted
from drivers.contract import JobState, Moment, SpoolJob, Trust
from drivers.spooling import SpoolAttempt

NOW_S = 1_795_000_100.0
AT = Moment(datetime(2026, 11, 18, tzinfo=UTC), 5.0, "b", Trust.SYNCHRONISED)
JOB = SpoolJob(AT, "copieur", 7, 1_795_000_000, "alice", JobState.ABORTED, "", 0, 0, "ipp://x")
NOTE = SpoolAttempt("copieur-7", "copieur", 7, 1_795_000_000, "alice", 1_795_000_010.0, None, 0, heard=True)
BUSY = replace(NOTE, name="busy", code=1)


@pytest.mark.parametrize(
    ("job", "notes", "why"),
    [
        ({}, [NOTE], Why.UNREADABLE),
        ({"state": JobState.COMPLETED}, [NOTE], Why.EMPTY),  # pages 9 to 12 of seven
        (
            {"state": JobState.CANCELED, "claimed_sides": 2},
            [replace(NOTE, code=5)],
            Why.REFUSED,
        ),  # A3 on an A4 one
        ({"state": JobState.CANCELED, "claimed_sides": 2}, [BUSY, replace(NOTE, code=5)], Why.REFUSED),
        ({"state": JobState.CANCELED}, [replace(NOTE, device_job=3)], None),  # taken back while it printed
        ({"state": JobState.CANCELED}, [replace(NOTE, code=-15)], None),  # taken back while the machine was busy
        ({"state": JobState.CANCELED}, [NOTE], None),
        ({"state": JobState.STOPPED}, [NOTE], None),  # not over
        ({"claimed_sides": 4}, [NOTE], None),
        ({}, [replace(NOTE, heard=False)], None),  # the spooler died, and sends it again
        ({}, [replace(NOTE, code=None)], None),
        ({}, [], None),  # nobody noted it
        ({}, [replace(NOTE, began_s=NOW_S - 3600)], None),  # no news
        ({}, [replace(NOTE, began_s=NOW_S + 1)], None),  # by a clock that was wrong
    ],
)
def test_why_nothing_came_out(job, notes, why):
    assert unprinted(replace(JOB, **job), notes, NOW_S) is why


def test_it_is_counted_by_device_and_reason():
    fact = JobUnprinted("copieur", 7, 1_795_000_000, AliasId("x1"), MemberId("m042"), "refused")
    (step,) = fact.totals()
    assert (step.name, dict(step.labels), step.amount) == ("jobs_unprinted", {"device": "copieur", "why": "refused"}, 1)
