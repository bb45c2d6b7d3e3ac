"""What a row of CUPS's job list says: states as CUPS 2.4.2 gave them, options as clients sent them."""

from __future__ import annotations

import pytest

from drivers.contract import JobState
from drivers.releaser import _held
from drivers.spooljobs import spool_job, state_of
from tests.rules.test_pages import SPOOLED


@pytest.mark.parametrize(
    ("state", "reasons", "read"),
    [
        (6, "job-completed-with-errors", JobState.ABORTED),  # a broken or locked document: it stands so for ever
        (6, ["none", "job-completed-with-errors"], JobState.ABORTED),
        (6, "printer-stopped", JobState.STOPPED),
        (6, None, JobState.STOPPED),
        (9, "job-completed-with-errors", JobState.COMPLETED),
        (5, "job-printing", JobState.PROCESSING),
        (None, None, JobState.PENDING),
    ],
)
def test_a_document_that_the_filters_could_not_read_has_ended(state, reasons, read):
    assert state_of({"job-state": state, "job-state-reasons": reasons}) is read


@pytest.mark.parametrize(
    ("asked", "recast"),
    [
        ({}, False),
        ({"booklet": "true"}, True),
        ({"booklet": True}, True),
        ({"booklet": "no"}, False),
        ({"booklet": False}, False),
        ({"scaling": 200}, True),
        ({"natural-scaling": 100, "scaling": 90}, False),
        ({"ppi": 20}, True),
    ],
)
def test_what_lays_pages_out_anew(asked, recast):
    assert _held(7, {"job-printer-uri": "ipp://localhost/printers/q", **asked}, frozenset()).recast is recast


@pytest.mark.parametrize(
    ("asked", "mono"),
    [
        ({"print-color-mode": "monochrome"}, True),
        ({"output-mode": "monochrome"}, True),
        ({"ColorModel": "Gray"}, True),
        ({"print-color-mode": "auto"}, False),
        ({"print-color-mode": "process-monochrome"}, False),  # CUPS drops it, and the copier printed in colour
        ({"print-color-mode": "bi-level", "ColorModel": "RGB"}, False),
    ],
)
def test_what_is_printed_without_colour(asked, mono):
    assert _held(7, asked, frozenset()).monochrome is mono


@pytest.mark.parametrize(
    ("told", "copies", "kind"),
    [
        ({}, 1, ""),
        ({"copies": 3, "document-format": "image/urf"}, 3, "image/urf"),
        ({"copies": "3", "document-format": None}, 1, ""),
    ],
)
def test_how_often_it_was_asked_for_and_of_what_kind_it_is(told, copies, kind):
    job = spool_job(SPOOLED.at, 7, "ipp://c", told, authenticated=False)
    assert (job.copies, job.format) == (copies, kind)
