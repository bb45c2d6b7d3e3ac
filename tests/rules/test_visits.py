"""Visits put right: when they really were, or that they never were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import FormulaId, MemberId
from agent.rules.presence import Reason, VisitAdded, VisitCorrected, VisitEnded, VisitEvidence, VisitStarted
from agent.rules.retention import Redacted
from agent.rules.visits import Unfit, Visits, last_month

BOB, OCC = MemberId("m013"), FormulaId("occasional")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


NOW = utc("24 18:00")
STARTED = VisitStarted("v1", BOB, OCC, utc("24 09:00"), VisitEvidence.ANIMATOR)
ENDED = VisitEnded("v1", BOB, OCC, utc("24 09:00"), utc("24 17:00"), 480, VisitEvidence.ANIMATOR)
EARLIER = VisitEnded("v0", BOB, OCC, utc("23 09:00"), utc("23 11:00"), 120, VisitEvidence.ANIMATOR)
VISITS = Visits().after([EARLIER, STARTED, ENDED])


def span(start: str, end: str) -> tuple[datetime, datetime]:
    return utc(start), utc(end)


def test_a_visit_is_corrected_and_corrected_again() -> None:
    first = VISITS.correct("v1", span("24 09:00", "24 11:10"), NOW, Reason.FORGOT_DEPARTURE, "a1")
    assert first == VisitCorrected(
        "v1", 1, BOB, OCC, utc("24 09:00"), utc("24 11:10"), 130, 480, False, Reason.FORGOT_DEPARTURE, "a1"
    )
    again = VISITS.after([first]).correct("v1", span("24 09:00", "24 12:00"), NOW, Reason.DISPUTED, "a1")
    assert isinstance(again, VisitCorrected)
    assert (again.turn, again.minutes, again.was_minutes) == (2, 180, 130)


def test_a_visit_that_never_was_is_annulled_once_and_may_come_back() -> None:
    fact = VISITS.correct("v1", None, NOW, Reason.MISTAKE, "a1")
    assert isinstance(fact, VisitCorrected)
    assert (fact.annulled, fact.minutes, fact.was_minutes, fact.ended) == (True, 0, 480, utc("24 17:00"))
    gone = VISITS.after([fact])
    assert gone.correct("v1", None, NOW, Reason.MISTAKE, "a1") is Unfit.SAME
    back = gone.correct("v1", span("24 09:00", "24 17:00"), NOW, Reason.WRONG_PERSON, "a1")
    assert isinstance(back, VisitCorrected)
    assert (back.minutes, back.was_minutes) == (480, 0)


def test_an_open_visit_can_be_annulled_or_ended_by_a_correction() -> None:
    visits = Visits().after([STARTED])
    gone = visits.correct("v1", None, NOW, Reason.MISTAKE, "a1")
    assert isinstance(gone, VisitCorrected)
    assert (gone.ended, gone.minutes, gone.was_minutes) == (NOW, 0, 0)
    early = visits.correct("v1", None, utc("24 08:00"), Reason.MISTAKE, "a1")  # a clock that fell back
    assert isinstance(early, VisitCorrected)
    assert early.ended == early.started
    over = visits.correct("v1", span("24 09:00", "24 10:00"), NOW, Reason.FORGOT_DEPARTURE, "a1")
    assert isinstance(over, VisitCorrected)
    assert over.minutes == 60


@pytest.mark.parametrize(
    ("visit", "start", "end", "why"),
    [
        ("v9", "24 09:00", "24 10:00", Unfit.UNKNOWN),
        ("v1", "24 09:00", "24 18:01", Unfit.FUTURE),
        ("v1", "24 09:00", "24 08:59", Unfit.ORDER),
        ("v1", "23 16:00", "24 17:00", Unfit.LONG),
        ("v1", "23 10:59", "23 12:00", Unfit.OVERLAP),
        ("v1", "24 09:00", "24 17:00", Unfit.SAME),
    ],
)
def test_what_cannot_have_been(visit: str, start: str, end: str, why: Unfit) -> None:
    assert VISITS.correct(visit, span(start, end), NOW, Reason.OTHER, "a1") is why


def test_touching_visits_do_not_overlap_and_open_ones_last_until_now() -> None:
    assert not VISITS.overlaps(BOB, utc("23 11:00"), utc("24 09:00"), NOW)
    assert VISITS.overlaps(BOB, utc("23 10:00"), utc("23 12:00"), NOW)
    assert not VISITS.overlaps(BOB, utc("23 10:00"), utc("23 12:00"), NOW, but="v0")
    assert not VISITS.overlaps(MemberId("m001"), utc("23 10:00"), utc("23 12:00"), NOW)
    still = Visits().after([STARTED])
    assert still.overlaps(BOB, utc("24 17:59"), utc("24 18:00"), NOW)
    assert not still.overlaps(BOB, utc("24 08:00"), utc("24 09:00"), NOW)


def test_other_facts_are_passed_over_and_old_visits_let_go() -> None:
    assert Visits().after([Redacted("visit-ended", 1, 1, NOW), EARLIER]).by_id.keys() == {"v0"}
    assert VISITS.since(utc("24 00:00")).by_id.keys() == {"v1"}
    assert Visits().after([STARTED]).since(utc("30 00:00")).by_id.keys() == {"v1"}


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1500)), max_size=8))
def test_however_often_it_is_corrected_the_pairs_end_at_the_last_word(words: list[tuple[int, int]]) -> None:
    visits, minutes = Visits().after([ENDED]), 480
    for start, length in words:
        began = utc("20 00:00") + timedelta(minutes=start)
        fact = visits.correct("v1", (began, began + timedelta(minutes=length)), NOW, Reason.OTHER, "a1")
        if isinstance(fact, VisitCorrected):
            visits = visits.after([fact])
            minutes += sum(
                int(one.amount) * (1 if one.name.endswith("added") else -1)
                for one in fact.totals()
                if one.name.startswith("visit")
            )
    assert minutes == visits.by_id["v1"].minutes


# --- nobody wrote it down ------------------------------------------------------------------------------------

PARIS = ZoneInfo("Europe/Paris")
LOCAL = NOW.astimezone(PARIS)


def test_a_visit_nobody_wrote_down_is_added_and_is_corrected_like_any_other() -> None:
    added = VISITS.add(BOB, OCC, span("20 09:05", "20 11:15"), LOCAL, Reason.FORGOT_ARRIVAL, "a1")
    times = (utc("20 09:05"), utc("20 11:15"), 130, 0)
    assert added == VisitAdded("m013-20261120T090500Z", 1, BOB, OCC, *times, False, Reason.FORGOT_ARRIVAL, "a1")
    assert {(one.name, one.amount) for one in added.totals()} == {
        ("visit_minutes_added", 130),
        ("member_visit_minutes_added", 130),
    }
    visits = VISITS.after([added])
    undone = visits.correct(added.visit, None, NOW, Reason.MISTAKE, "a1")
    assert isinstance(undone, VisitCorrected)
    assert (undone.turn, undone.was_minutes, undone.annulled) == (2, 130, True)
    again = visits.after([undone]).add(BOB, OCC, span("20 09:05", "20 11:15"), LOCAL, Reason.OTHER, "a1")
    assert isinstance(again, VisitAdded)
    assert again.visit == "m013-20261120T090500Z-2"


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("24 17:30", "24 18:01", Unfit.FUTURE),
        ("20 11:15", "20 09:05", Unfit.ORDER),
        ("20 11:15", "20 11:15", Unfit.ORDER),
        ("20 09:00", "21 09:01", Unfit.LONG),
        ("24 16:59", "24 17:30", Unfit.OVERLAP),
        ("24 09:00", "24 17:00", Unfit.SAME),  # the button was pressed twice
    ],
)
def test_what_cannot_be_added(start: str, end: str, why: Unfit) -> None:
    assert VISITS.add(BOB, OCC, span(start, end), LOCAL, Reason.OTHER, "a1") is why


def test_a_visit_is_added_to_this_month_and_the_last_by_the_sites_calendar() -> None:
    def of(day: str) -> VisitAdded | Unfit:
        at = datetime.fromisoformat(f"{day}+00:00")
        return VISITS.add(BOB, OCC, (at - timedelta(minutes=10), at), LOCAL, Reason.OTHER, "a1")

    assert of("2026-09-30T21:59") is Unfit.OLD  # 23:59 in Paris
    assert isinstance(of("2026-09-30T22:00"), VisitAdded)  # midnight: October
    assert last_month(date(2026, 1, 31)) == date(2025, 12, 1)
