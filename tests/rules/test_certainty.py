"""How sure a visit's minutes are; and a year of random visits, against a reckoning of our own."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent.rules.certainty import Absences, Sightings, proposals, uncertain
from agent.rules.door import EntryDecided
from agent.rules.facts import CardKey, Fact, FormulaId, MemberId
from agent.rules.health import ServiceAbsent, ServiceStarted, absence
from agent.rules.hours import WeeklyHours
from agent.rules.months import Months
from agent.rules.paper import CopiesCounted
from agent.rules.presence import Presence, VisitEnded, VisitEvidence, VisitStarted
from agent.rules.visits import Visit

PARIS = ZoneInfo("Europe/Paris")
ANNE, BOB = MemberId("m001"), MemberId("m013")
OCC = FormulaId("occasional")
NEVER: frozenset[date] = frozenset()
HOURS = WeeklyHours.parse({"tuesday": ("09:00-12:30", "13:30-18:00")})


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=PARIS).astimezone(UTC)


def visit(
    start: str, end: str = "", *, by: VisitEvidence = VisitEvidence.ANIMATOR, turn: int = 0, annulled: bool = False
) -> Visit:
    ended = at(end) if end else None
    minutes = (ended - at(start)) // timedelta(minutes=1) if ended else 0
    return Visit(start, BOB, OCC, at(start), ended, minutes, by, turn, annulled)


def away(*spans: tuple[str, str]) -> Absences:
    return Absences().after([ServiceAbsent("door", at(gone), at(back)) for gone, back in spans])


# --- absences ------------------------------------------------------------------------------------------------


def test_only_what_hides_people_counts_and_each_minute_once() -> None:
    facts: list[Fact] = [
        ServiceAbsent("paper", at("24 09:00"), at("24 12:00")),
        ServiceStarted("door", "1"),
        ServiceAbsent("web", at("24 09:00"), at("24 09:30")),
        ServiceAbsent("door", at("24 09:10"), at("24 09:40")),
        ServiceAbsent("door", at("24 09:15"), at("24 09:20")),
    ]
    absences = Absences().after(facts)
    assert absences.minutes(at("24 08:00"), at("24 18:00")) == 40
    assert absences.minutes(at("24 09:35"), at("24 18:00")) == 5
    assert absences.minutes(at("24 09:40"), at("24 18:00")) == 0
    assert absences.minutes(at("24 08:00"), at("24 09:00")) == 0


@pytest.mark.parametrize(
    ("one", "minutes"),
    [
        (visit("24 09:00", "24 12:00"), 10),
        (visit("24 09:00", "24 09:35"), 5),
        (visit("24 10:00", "24 12:00"), 0),
        (visit("24 09:00"), 10),  # open: until now, 12:00
        (visit("24 13:00"), 0),  # a clock that fell back
        (visit("24 09:00", "24 12:00", by=VisitEvidence.CLOSING), 180),
        (visit("24 09:00", "24 12:00", by=VisitEvidence.LAST_SEEN), 180),
        (visit("24 09:00", by=VisitEvidence.BADGE), 10),
        (visit("24 09:00", "24 12:00", turn=1), 0),  # somebody looked at it
        (visit("24 09:00", "24 12:00", annulled=True), 0),
    ],
)
def test_what_of_a_visit_is_to_be_verified(one: Visit, minutes: int) -> None:
    assert uncertain(one, away(("24 09:30", "24 09:40")), at("24 12:00")) == minutes


def test_a_short_restart_is_no_absence() -> None:
    gone = at("24 09:00")
    assert absence("door", None, gone) is None
    assert absence("door", gone, gone + timedelta(seconds=60)) is None
    long = absence("door", gone, gone + timedelta(seconds=61))
    assert long == ServiceAbsent("door", gone, gone + timedelta(seconds=61))
    assert absence("door", gone, gone - timedelta(hours=1)) is None  # a clock that fell back


# --- proposals -----------------------------------------------------------------------------------------------


def passage(member: str, *, granted: bool = True) -> EntryDecided:
    return EntryDecided("porte", CardKey("k"), MemberId(member), OCC, granted, "always")


def test_members_are_seen_at_the_door_and_at_the_paper() -> None:
    copies = CopiesCounted("copieur", "SN1", 1, "c1", BOB, OCC, 3, 0, 103, 26)
    seen = Sightings().after(
        [
            (passage("m013"), at("24 14:00")),
            (passage("m013", granted=False), at("24 17:00")),
            (copies, at("24 16:10")),
            (passage("m001"), at("24 17:30")),
            (passage(""), at("24 17:40")),
            (ServiceStarted("door", "1"), at("24 17:50")),
        ]
    )
    assert seen.last(visit("24 13:59"), at("24 20:00")) == at("24 16:10")
    assert seen.last(visit("24 16:09"), at("24 20:00")) is None  # the minute it began in proves nothing
    assert seen.last(visit("23 13:00"), at("24 20:00")) is None  # more than a day later is another day
    assert len(Sightings().after([(copies, at("24 16:10"))] * 100).by_member[BOB]) == 60


@pytest.mark.parametrize(
    ("one", "seen", "now", "expected"),
    [
        (visit("24 14:00"), "", "24 19:00", [(VisitEvidence.CLOSING, "24 18:00")]),
        (
            visit("24 14:00"),
            "24 16:00",
            "24 19:00",
            [(VisitEvidence.CLOSING, "24 18:00"), (VisitEvidence.LAST_SEEN, "24 16:00")],
        ),
        (visit("24 14:00"), "24 18:20", "24 19:00", [(VisitEvidence.LAST_SEEN, "24 18:20")]),
        (visit("24 14:00"), "24 16:00", "24 17:59", [(VisitEvidence.LAST_SEEN, "24 16:00")]),
        (visit("24 20:00"), "", "25 09:00", []),  # not open then, nobody saw them: somebody must say
        (visit("24 14:00", "24 15:00"), "24 14:30", "24 19:00", []),
        (visit("24 14:00", annulled=True), "24 14:30", "24 19:00", []),
    ],
)
def test_how_it_may_have_ended(one: Visit, seen: str, now: str, expected: list[tuple[VisitEvidence, str]]) -> None:
    found = proposals(one, at(seen) if seen else None, HOURS, NEVER, PARIS, at(now))
    assert [(by, when) for by, when in found] == [(by, at(text)) for by, text in expected]


# --- a year --------------------------------------------------------------------------------------------------

FIRST = datetime(2026, 4, 1, tzinfo=UTC)  # both nights: 25 October 2026 and 28 March 2027
YEAR_MIN = 365 * 24 * 60


def year(dice: random.Random, people: int) -> tuple[list[tuple[datetime, Fact]], dict[tuple[str, str], list[int]]]:
    """Play a year, minute by minute in UTC, and keep our own books of it: (month, member) -> minutes, to be verified.

    The books are sets of minutes since `FIRST`: no time zone, no subtraction of dates, none of the program's rules.
    """
    dark: set[int] = set()
    written: list[tuple[datetime, Fact]] = []
    for _ in range(60):
        begin, length = dice.randrange(YEAR_MIN), dice.choice([2, 7, 45, 600])
        dark |= set(range(begin, begin + length))
        gone, back = (FIRST + timedelta(minutes=m) for m in (begin, begin + length))
        written.append((back, ServiceAbsent(dice.choice(["door", "web"]), gone, back)))
    books: dict[tuple[str, str], list[int]] = {}
    for number in range(people):
        member, minute, presence = MemberId(f"m{number:03}"), dice.randrange(600), Presence()
        while minute < YEAR_MIN - 2000:
            stay = dice.choice([0, 1, dice.randrange(1, 600), dice.randrange(60, 1440)])
            for night in (298_140, 519_900):  # the clocks' two jumps
                if minute < night < minute + 6000:
                    minute = max(minute, night - dice.randrange(stay + 1))
            came, left = (FIRST + timedelta(minutes=m) for m in (minute, minute + stay))
            proposed = dice.random() < 0.1
            local = left.astimezone(PARIS)
            start = presence.start(member, OCC, came.astimezone(PARIS), came.astimezone(PARIS), VisitEvidence.BADGE)
            assert isinstance(start, VisitStarted)
            by = VisitEvidence.CLOSING if proposed else VisitEvidence.ANIMATOR
            end = presence.after(start).end(member, local, local, by)
            assert isinstance(end, VisitEnded)
            presence = presence.after(start).after(end)
            written += [(came, start), (left, end)]
            minutes = set(range(minute, minute + stay))
            row = books.setdefault((f"{local:%Y-%m}", member), [0, 0])
            row[0] += len(minutes)
            row[1] += len(minutes) if proposed else len(minutes & dark)
            minute += stay + dice.randrange(1, 6000)
    return sorted(written, key=lambda one: one[0]), books


@pytest.mark.parametrize(
    ("seed", "people"), [(1, 12), *(pytest.param(n, 60, marks=pytest.mark.soak) for n in range(2, 22))]
)
def test_a_year_of_visits_is_billed_to_the_minute_or_marked(seed: int, people: int) -> None:
    written, books = year(random.Random(seed), people)
    absences = Absences().after(fact for _, fact in written)
    assert len(books) >= people * 10
    assert sum(row[1] for row in books.values()) > 1000
    for month in sorted({month for month, _ in books}):
        months = Months(month, absences)
        for number, (moment, fact) in enumerate(written):
            if isinstance(fact, VisitEnded):
                months.add(fact, f"{number}", moment.astimezone(PARIS))
        billed: dict[tuple[str, str], list[int]] = {}
        for use in months.used():
            row = billed.setdefault((month, use.member), [0, 0])
            row[0] += use.quantity
            row[1] += use.uncertain
        assert billed == {key: row for key, row in books.items() if key[0] == month}
