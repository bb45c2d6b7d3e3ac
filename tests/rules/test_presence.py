"""Visits: said by somebody, one at a time, never in the future, exact on the nights the clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.facts import Fact, FormulaId, MemberId
from agent.rules.presence import (
    Presence,
    Reason,
    Refused,
    VisitCorrected,
    VisitEnded,
    VisitEvidence,
    VisitStarted,
    stated,
    stated_span,
    written,
)
from agent.rules.tariff import StatementIssued

PARIS = ZoneInfo("Europe/Paris")
ANNE, BOB = MemberId("anne"), MemberId("bob")
OCCASIONAL = FormulaId("occasional")
SAID = VisitEvidence.ANIMATOR


def paris(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def came(presence: Presence, at: datetime, now: datetime | None = None, who: MemberId = ANNE) -> Presence:
    fact = presence.start(who, OCCASIONAL, at, now or at, SAID)
    assert isinstance(fact, VisitStarted), fact
    return presence.after(fact)


def refused(answer: Fact | Refused) -> str:
    assert isinstance(answer, Refused), answer
    return answer.says


def test_a_morning_of_two_hours_ten() -> None:
    here = came(Presence(), paris("2026-11-23 09:05:40"))
    gone = here.end(ANNE, paris("2026-11-23 11:16:30"), paris("2026-11-23 11:20"), SAID)
    assert gone == VisitEnded(
        visit="anne-20261123T080540Z",
        member=ANNE,
        formula=OCCASIONAL,
        started=utc("2026-11-23 08:05:40"),
        ended=utc("2026-11-23 10:16:30"),
        minutes=130,
        by=SAID,
    )
    assert [(total.name, total.labels, total.amount) for total in gone.totals()] == [
        ("visit_minutes", (("formula", "occasional"),), 130),
        ("member_visit_minutes", (("member", "anne"),), 130),
    ]
    after = here.after(gone)
    assert after.open == {}
    assert after.left == {ANNE: gone}
    assert refused(after.end(ANNE, paris("2026-11-23 11:20"), paris("2026-11-23 11:20"), SAID)) == (
        "anne n'a pas de visite en cours."
    )


@pytest.mark.parametrize(
    ("came_at", "left_at", "minutes"),
    [
        (paris("2026-10-25 00:00"), paris("2026-10-25 06:00"), 420),  # the long night has seven hours
        (paris("2026-10-25 02:30"), paris("2026-10-25 02:30", fold=1), 60),
        (paris("2027-03-28 00:00"), paris("2027-03-28 06:00"), 300),  # the short one has five
        (paris("2027-03-28 01:59"), paris("2027-03-28 03:00"), 1),
        (paris("2026-11-23 09:00:01"), paris("2026-11-23 09:01:00"), 0),  # rounded down
    ],
)
def test_minutes_are_real_minutes(came_at: datetime, left_at: datetime, minutes: int) -> None:
    gone = came(Presence(), came_at).end(ANNE, left_at, left_at, SAID)
    assert isinstance(gone, VisitEnded)
    assert gone.minutes == minutes


def test_what_is_refused_and_in_which_words() -> None:
    now = paris("2026-11-23 14:00")
    here = came(Presence(), paris("2026-11-23 09:05"), now)
    assert refused(here.start(ANNE, OCCASIONAL, now, now, SAID)) == "anne est déjà là depuis 09:05."
    assert refused(here.end(ANNE, paris("2026-11-23 14:01"), now, SAID)) == "Un départ à 14:01 serait dans le futur."
    assert refused(here.end(ANNE, paris("2026-11-22 18:00"), now, SAID)) == (
        "Un départ à 18:00 le 22/11 serait avant l'arrivée, à 09:05."
    )
    assert refused(here.start(BOB, OCCASIONAL, paris("2026-11-23 15:00"), now, SAID)) == (
        "Une arrivée à 15:00 serait dans le futur."
    )
    gone = here.end(ANNE, paris("2026-11-23 12:00"), now, SAID)
    assert isinstance(gone, VisitEnded)
    after = here.after(gone)
    assert refused(after.start(ANNE, OCCASIONAL, paris("2026-11-23 11:00"), now, SAID)) == (
        "anne était déjà là à 11:00 : une visite va jusqu'à 12:00."
    )
    assert isinstance(after.start(ANNE, OCCASIONAL, paris("2026-11-23 12:00"), now, SAID), VisitStarted)


def test_an_end_forgotten_for_days_must_be_said_with_its_day() -> None:
    here = came(Presence(), paris("2026-11-20 09:05"))
    now = paris("2026-11-23 09:00")
    assert refused(here.end(ANNE, now, now, SAID)) == (
        "anne est là depuis 09:05 le 20/11 : dites quand c'était fini, par exemple 2026-11-20 18:00."
    )
    assert isinstance(here.end(ANNE, paris("2026-11-21 09:05"), now, SAID), VisitEnded)
    assert isinstance(here.end(ANNE, paris("2026-11-21 09:06"), now, SAID), Refused)


def test_a_visit_of_no_length_is_not_started_again_in_the_same_second() -> None:
    at = paris("2026-11-23 09:00")
    here = came(Presence(), at)
    gone = here.end(ANNE, at, at, SAID)
    assert isinstance(gone, VisitEnded)
    assert isinstance(here.after(gone).start(ANNE, OCCASIONAL, at, at, SAID), Refused)


def test_the_future_is_judged_in_real_time_in_the_repeated_hour() -> None:
    now = paris("2026-10-25 02:40")
    assert isinstance(Presence().start(ANNE, OCCASIONAL, paris("2026-10-25 02:30", fold=1), now, SAID), Refused)


def test_forgotten_visits_are_listed_and_stay_open() -> None:
    here = came(came(Presence(), paris("2026-11-22 18:00"), who=BOB), paris("2026-11-22 09:00"))
    now = paris("2026-11-23 08:00")
    assert [visit.member for visit in here.forgotten(now)] == [ANNE, BOB]
    assert [visit.member for visit in here.forgotten(paris("2026-11-22 21:01"))] == [ANNE]
    assert set(here.open) == {ANNE, BOB}


def test_the_fold_passes_over_other_facts_and_repetitions() -> None:
    here = came(Presence(), paris("2026-11-23 09:00"))
    gone = here.end(ANNE, paris("2026-11-23 10:00"), paris("2026-11-23 10:00"), SAID)
    assert isinstance(gone, VisitEnded)
    facts: list[Fact] = [here.open[ANNE], StatementIssued("2026-10", "csv", "", ""), gone]
    assert Presence.of(facts) == Presence.of([*facts, gone]) == here.after(gone)
    earlier = VisitEnded("x", ANNE, OCCASIONAL, utc("2026-11-01 08:00"), utc("2026-11-01 09:00"), 60, SAID)
    assert Presence.of([*facts, earlier]).left[ANNE] == gone


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("09:05", paris("2026-11-23 14:00"), "2026-11-23 08:05"),
        ("9h05", paris("2026-11-23 23:30"), "2026-11-23 08:05"),
        ("23:50", paris("2026-11-23 00:20"), "2026-11-22 22:50"),  # said after midnight: yesterday
        ("19:05", paris("2026-11-23 09:00"), "2026-11-23 18:05"),  # a slip: still to come, to be refused
        ("2026-11-20 18:00", paris("2026-11-23 09:00"), "2026-11-20 17:00"),
        ("2026-11-20T18:00", paris("2026-11-23 09:00"), "2026-11-20 17:00"),
        ("02:30", paris("2026-10-25 02:40"), "2026-10-25 00:30"),
        ("02:30", paris("2026-10-25 02:40", fold=1), "2026-10-25 01:30"),
        ("2026-10-25 02:30", paris("2026-10-25 09:00"), "2026-10-25 00:30"),
        ("2026-10-25T02:30 *", paris("2026-10-25 09:00"), "2026-10-25 01:30"),
        ("2026-11-20T18:00 *", paris("2026-11-23 09:00"), "2026-11-20 17:00"),
    ],
)
def test_times_as_people_say_them(text: str, now: datetime, expected: str) -> None:
    assert stated(text, now) == utc(expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("neuf heures", "« neuf heures » n'est pas une heure ; écrivez 09:05, ou 2026-11-20 18:00 pour un autre jour."),
        ("25:00", "« 25:00 » n'est pas une heure ; écrivez 09:05, ou 2026-11-20 18:00 pour un autre jour."),
        ("2026-02-30 09:00", "« 2026-02-30 09:00 » n'est pas un jour du calendrier."),
        ("02:30", "« 02:30 » n'existe pas ce jour-là : les horloges ont sauté cette heure."),
    ],
)
def test_times_nobody_can_mean(text: str, says: str) -> None:
    assert stated(text, paris("2027-03-28 09:00")) == Refused(says)


def test_what_is_written_is_read_as_the_same_minute_in_the_nights_the_clock_jumps() -> None:
    start = utc("2026-10-24 23:00")
    for minute in range(240):
        at = start + timedelta(minutes=minute)
        assert stated(written(at, PARIS), paris("2026-10-25 09:00")) == at
        spring = utc("2027-03-28 00:00") + timedelta(minutes=minute)
        assert stated(written(spring, PARIS), paris("2027-03-28 09:00")) == spring
    assert written(utc("2026-10-25 00:30"), PARIS) == "2026-10-25T02:30"
    assert written(utc("2026-10-25 01:30"), PARIS) == "2026-10-25T02:30 *"


steps = st.lists(
    st.tuples(st.sampled_from([ANNE, BOB]), st.booleans(), st.integers(0, 400), st.integers(-90, 5)), max_size=30
)


@given(steps)
def test_visits_of_a_member_never_overlap_and_minutes_never_exceed_time(
    play: list[tuple[MemberId, bool, int, int]],
) -> None:
    presence, now, ended = Presence(), paris("2026-10-24 20:00"), list[VisitEnded]()
    for who, arrives, later, said in play:
        now = (now.astimezone(UTC) + timedelta(minutes=later)).astimezone(PARIS)
        at = (now.astimezone(UTC) + timedelta(minutes=said)).astimezone(PARIS)
        fact = presence.start(who, OCCASIONAL, at, now, SAID) if arrives else presence.end(who, at, now, SAID)
        if isinstance(fact, Refused):
            assert fact.says.endswith(".")
            continue
        presence = presence.after(fact)
        if isinstance(fact, VisitEnded):
            ended.append(fact)
    for who in (ANNE, BOB):
        mine = sorted((visit for visit in ended if visit.member == who), key=lambda visit: visit.started)
        assert all(a.ended <= b.started for a, b in pairwise(mine))
    assert (
        sum(visit.minutes for visit in ended)
        <= 2 * (now.astimezone(UTC) - utc("2026-10-24 18:00")).total_seconds() / 60
    )
    assert len({visit.visit for visit in ended}) == len(ended)


# --- put right afterwards ------------------------------------------------------------------------------------

NINE, TEN, SIX = (datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (9, 10, 18))
CAME = VisitStarted("v1", BOB, OCCASIONAL, NINE, SAID)


def corrected(minutes: int, was: int, *, annulled: bool = False) -> VisitCorrected:
    ended = NINE + timedelta(minutes=minutes)
    return VisitCorrected("v1", 1, BOB, OCCASIONAL, NINE, ended, minutes, was, annulled, Reason.OTHER, "a1")


def test_presence_follows_a_correction() -> None:
    here = Presence.of([CAME])
    gone = here.after(corrected(0, 0, annulled=True))
    assert (gone.open, gone.left) == ({}, {})
    ended = here.after(corrected(60, 0))
    assert ended.open == {}
    assert ended.left[BOB].ended == TEN
    assert isinstance(ended.start(BOB, OCCASIONAL, TEN, SIX, SAID), VisitStarted)


def test_corrections_move_the_sums_in_signed_pairs() -> None:
    def steps(minutes: int, was: int) -> list[tuple[str, float]]:
        return [(one.name, one.amount) for one in corrected(minutes, was).totals()]

    assert steps(130, 480) == [("visit_minutes_removed", 350), ("member_visit_minutes_removed", 350)]
    assert steps(480, 130) == [("visit_minutes_added", 350), ("member_visit_minutes_added", 350)]


@pytest.mark.parametrize(
    ("day", "start", "end", "came", "minutes"),
    [
        ("2026-11-20", "09:05", "11h15", "2026-11-20T08:05", 130),
        ("2026-11-20", "11:15", "09:05", "2026-11-20T10:15", -130),  # refused by rules.visits
        ("2026-10-25", "01:30", "03:30", "2026-10-24T23:30", 180),  # the night with an hour more
        ("2026-10-25", "02:50", "02:10", "2026-10-25T00:50", 20),  # into the repeated hour
        ("2026-10-25", "02:10", "02:50", "2026-10-25T00:10", 40),  # the first that makes sense
        ("2026-03-29", "01:30", "03:30", "2026-03-29T00:30", 60),  # the night with an hour less
    ],
)
def test_a_visit_is_said_by_its_day_and_two_times(day: str, start: str, end: str, came: str, minutes: int) -> None:
    said = stated_span(day, start, end, datetime(2026, 11, 24, 18, 0, tzinfo=PARIS))
    assert not isinstance(said, Refused)
    assert said[0] == datetime.fromisoformat(f"{came}+00:00")
    assert (said[1] - said[0]) // timedelta(minutes=1) == minutes


@pytest.mark.parametrize(
    ("day", "start", "end", "code"),
    [
        ("", "09:05", "11:15", "not-a-day"),
        ("2026-11-31", "09:05", "11:15", "not-a-day"),
        ("2026-11-20", "", "11:15", "not-a-time"),
        ("2026-11-20", "09:05", "11:65", "not-a-time"),
        ("2026-03-29", "02:30", "04:00", "skipped"),
        ("2026-03-29", "01:00", "02:30", "skipped"),
    ],
)
def test_what_is_no_day_or_no_time_of_it(day: str, start: str, end: str, code: str) -> None:
    said = stated_span(day, start, end, datetime(2026, 11, 24, 18, 0, tzinfo=PARIS))
    assert isinstance(said, Refused)
    assert said.code == code
