"""A print past the box as paper somebody may pay: what it was, and the signed pairs of its changing hands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.rules.facts import AliasId, FormulaId, MemberId, Total
from agent.rules.pages import Evidence
from agent.rules.paper import PrintedPast
from agent.rules.past import HOUSE, NOBODY, PastCounted, attributed, counted, recorded
from drivers.contract import DeviceId, DeviceJob, JobState

STRAY = PrintedPast("copieur", "S1", 2, 5, 2, 105, 22, "S1/9/u9")
ANNE, SUB, NONE = MemberId("m042"), FormulaId("subscriber"), FormulaId("")
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def job(**more: object) -> DeviceJob:
    one = DeviceJob(
        device=DeviceId("copieur"),
        serial="S1",
        job=9,
        uuid="u9",
        user="ada",
        state=JobState.COMPLETED,
        sides=7,
        sides_colour=2,
        sheets=None,
        copies=1,
        two_sided=True,
        created_utc=AT,
    )
    return replace(one, **more)  # type: ignore[arg-type]


def steps(*rows: Total) -> list[tuple[str, str, float]]:
    return [(one.name, " ".join(value for _, value in one.labels), one.amount) for one in rows]


def test_a_record_says_its_sides_its_sheets_its_size_and_its_end():
    found = recorded(STRAY, job(), AliasId("a9"))
    assert found == PastCounted(
        *("copieur", "S1", 2, 5, 2, 105, 22, "S1/9/u9"),
        AliasId("a9"),
        5,
        2,
        4,
        7,
        7,
        False,
        Evidence.DEVICE,
        "completed",
    )
    told = recorded(STRAY, job(sheets=6, sides_colour=None, state=JobState.CANCELED), AliasId(""))
    assert (told.sheets, told.sides_mono, told.sides_colour, told.state) == (6, 7, 0, "canceled")
    assert counted(found) is found


def test_a_large_record_has_fewer_sides_than_clicks_and_says_so_in_the_sums():
    big = recorded(replace(STRAY, mono=10, colour=4), job(media="iso_a3_297x420mm"), AliasId(""))
    assert (big.mono, big.colour, big.sides_mono, big.sides_colour, big.large) == (10, 4, 5, 2, True)
    assert ("large_sides", "copieur unattributed", 7) in steps(*big.totals())
    assert ("sides", "mono copieur  unattributed", 10) in steps(*big.totals())
    assert all(one.name != "large_sides" for one in recorded(STRAY, job(), AliasId("")).totals())


@pytest.mark.parametrize(
    ("attempt", "a3_clicks", "sides", "sheets", "bounds", "evidence"),
    [
        ("", 1, (5, 2), 4, (7, 7), "counter"),
        ("", 2, (3, 1), 2, (4, 7), "counter"),  # all of it may have been A3
        ("S1/9/u9", 1, (5, 2), 4, (7, 7), "device"),  # a fact of before
    ],
)
def test_a_movement_without_a_record_is_as_few_sides_and_sheets_as_it_can_be(
    attempt, a3_clicks, sides, sheets, bounds, evidence
):
    found = counted(replace(STRAY, attempt=attempt), a3_clicks)
    assert (found.sides_mono, found.sides_colour) == sides
    assert (found.sheets, (found.low, found.high), found.evidence) == (sheets, bounds, evidence)
    assert (found.mono, found.colour, found.alias) == (5, 2, "")


def test_it_changes_hands_as_signed_pairs_and_only_a_member_is_billed():
    stray = recorded(replace(STRAY, mono=10, colour=4), job(media="iso_a3_297x420mm"), AliasId("a9"))
    hers = attributed("k", stray, (NOBODY, NONE), (ANNE, SUB), 1, "a1")
    assert (hers.row, hers.alias, hers.sheets, hers.large, hers.evidence) == ("k", "a9", 4, True, "device")
    assert steps(*hers.totals()) == [
        ("sides_moved_away", "mono copieur  unattributed", 10),
        ("sides_moved_here", "mono copieur subscriber print", 5),
        ("member_sides_moved_here", "mono print m042", 5),
        ("sides_moved_away", "colour copieur  unattributed", 4),
        ("sides_moved_here", "colour copieur subscriber print", 2),
        ("member_sides_moved_here", "colour print m042", 2),
    ]
    ours = attributed("k", stray, (ANNE, SUB), (HOUSE, NONE), 2, "a1")
    assert steps(*ours.totals())[:3] == [
        ("sides_moved_away", "mono copieur subscriber print", 5),
        ("sides_moved_here", "mono copieur house print", 5),
        ("member_sides_moved_away", "mono print m042", 5),
    ]
    back = attributed("k", stray, (HOUSE, NONE), (NOBODY, NONE), 3, "a1")
    assert steps(*back.totals())[:2] == [
        ("sides_moved_away", "mono copieur house print", 5),
        ("sides_moved_here", "mono copieur  unattributed", 10),
    ]
