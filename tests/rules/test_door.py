"""Who may enter, and what the leaf did: one named rule each, transcripts and laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.bookings import Alarm, Booking, BookingId, Lockdown
from agent.rules.door import (
    Access,
    Conditions,
    DoorPolicy,
    EntryDecided,
    EntryRule,
    admit,
    believed,
    let_out,
    locked_down,
    opened_day,
    used,
)
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.hours import DAYS, WeeklyHours
from agent.rules.members import Card, Member, Roster, VisitorCard
from drivers.contract import Trust

PARIS = ZoneInfo("Europe/Paris")
POLICY = DoorPolicy(
    access={
        FormulaId("subscriber"): Access.ALWAYS,
        FormulaId("occasional"): Access.HOURS,
        FormulaId("former"): Access.NEVER,
    },
    hours=WeeklyHours.parse(dict.fromkeys(DAYS[:5], ("09:00-18:00",))),
)
LAX = replace(POLICY, without_clock={FormulaId("occasional"): True})
STRICT = replace(POLICY, without_clock={FormulaId("subscriber"): False})


def member(id_: str, formula: str, until: date | None = None, since: date = date(2026, 1, 1)) -> Member:
    return Member(MemberId(id_), FormulaId(formula), since, until)


def roster_of(*members: Member, blocked: frozenset[str] = frozenset()) -> Roster:
    cards = [Card(CardKey(f"c-{m.id}"), m.id, m.id in blocked) for m in members]
    return Roster(
        version=1,
        members={m.id: m for m in members},
        cards={card.key: card for card in cards},
        closures=frozenset({date(2026, 12, 25)}),
    )


ROSTER = roster_of(
    member("anne", "subscriber"),
    member("bob", "occasional"),
    member("carl", "former"),
    member("dora", "unheard-of"),
    member("left", "subscriber", until=date(2026, 11, 20)),
    member("soon", "subscriber", since=date(2026, 12, 1)),
    member("lost", "subscriber"),
    blocked=frozenset({"lost"}),
)


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


def judge(
    who: str, when: str = "2026-11-23 10:00", trust: Trust = Trust.SYNCHRONISED, policy: DoorPolicy = POLICY
) -> EntryDecided:
    return admit(CardKey(f"c-{who}"), ROSTER, policy, at(when), trust, "porte")


@pytest.mark.parametrize(
    ("who", "when", "granted", "rule"),
    [
        ("anne", "2026-11-23 10:00", True, "always"),
        ("anne", "2026-11-22 03:00", True, "always"),  # Sunday night
        ("bob", "2026-11-23 09:00", True, "opening-hours"),
        ("bob", "2026-11-23 17:59", True, "opening-hours"),
        ("bob", "2026-11-23 18:00", False, "closed"),
        ("bob", "2026-11-22 10:00", False, "closed"),
        ("bob", "2026-12-25 10:00", False, "closure"),
        ("anne", "2026-12-25 10:00", True, "always"),
        ("carl", "2026-11-23 10:00", False, "never"),
        ("dora", "2026-11-23 10:00", False, "no-formula"),
        ("left", "2026-11-20 23:59", True, "always"),  # the last day counts
        ("left", "2026-11-21 00:00", False, "member-expired"),
        ("soon", "2026-11-30 23:59", False, "not-yet-member"),
        ("soon", "2026-12-01 00:00", True, "always"),
        ("lost", "2026-11-23 10:00", False, "blocked-card"),
        ("nobody", "2026-11-23 10:00", False, "unknown-card"),
    ],
)
def test_one_named_rule_decides(who: str, when: str, granted: bool, rule: str) -> None:
    entry = judge(who, when)
    assert (entry.granted, entry.rule) == (granted, rule)


def test_the_fact_says_who_and_where() -> None:
    assert judge("bob") == EntryDecided(
        reader="porte",
        card=CardKey("c-bob"),
        member=MemberId("bob"),
        formula=FormulaId("occasional"),
        granted=True,
        rule="opening-hours",
    )
    assert judge("nobody").member == ""


def lent(until: str | None, *, blocked: bool = False, hours: WeeklyHours | None = None) -> Roster:
    """A roster with one visitor card, lent until a local time or lying in the drawer."""
    card = VisitorCard(CardKey("v"), 3, at(until).astimezone(UTC) if until else None, blocked)
    return Roster(version=3, closures=frozenset({date(2026, 12, 25)}), hours=hours, visitors={card.key: card})


@pytest.mark.parametrize(
    ("until", "when", "trust", "granted", "rule"),
    [
        ("2026-11-23 18:00", "2026-11-23 10:00", Trust.SYNCHRONISED, True, "visitor"),
        ("2026-11-23 18:00", "2026-11-23 08:59", Trust.SYNCHRONISED, False, "closed"),
        ("2026-11-23 12:00", "2026-11-23 12:00", Trust.SYNCHRONISED, False, "visitor-expired"),
        ("2026-11-23 12:00", "2026-11-24 10:00", Trust.UNKNOWN, False, "visitor-expired"),
        ("2026-11-23 18:00", "2026-11-23 10:00", Trust.RESTORED, False, "clock-untrusted"),
        ("2026-12-26 18:00", "2026-12-25 10:00", Trust.SYNCHRONISED, False, "closure"),
        (None, "2026-11-23 10:00", Trust.SYNCHRONISED, False, "visitor-expired"),
    ],
)
def test_a_visitor_card_is_worth_an_occasional_members_until_its_time_is_over(
    until: str | None, when: str, trust: Trust, granted: bool, rule: str
) -> None:
    entry = admit(CardKey("v"), lent(until), POLICY, at(when), trust, "porte")
    assert (entry.granted, entry.rule, entry.member, entry.formula) == (granted, rule, "", "visitor")


def test_a_lost_visitor_card_opens_nothing_but_the_way_out() -> None:
    roster = lent("2026-11-23 18:00", blocked=True)
    entry = admit(CardKey("v"), roster, POLICY, at("2026-11-23 10:00"), Trust.SYNCHRONISED, "porte")
    assert (entry.granted, entry.rule) == (False, "blocked-card")
    assert let_out(CardKey("v"), roster, "sortie").rule == "way-out"


def test_the_week_people_set_wins_over_the_site_file() -> None:
    sunday = at("2026-11-22 10:00")
    week = WeeklyHours.parse({"sunday": ("09:00-12:00",)})
    open_on_sunday = lent("2026-11-30 18:00", hours=week)
    for roster, when, granted in (
        (lent("2026-11-30 18:00"), sunday, False),
        (open_on_sunday, sunday, True),
        (open_on_sunday, at("2026-11-23 10:00"), False),
        (lent("2026-11-30 18:00", hours=WeeklyHours()), at("2026-11-23 10:00"), False),  # a week set to nothing: shut
    ):
        assert admit(CardKey("v"), roster, POLICY, when, Trust.SYNCHRONISED, "porte").granted is granted


def test_a_card_whose_member_was_erased_is_refused() -> None:
    roster = Roster(version=2, cards={CardKey("c"): Card(CardKey("c"), MemberId("gone"), blocked=False)})
    entry = admit(CardKey("c"), roster, POLICY, at("2026-11-23 10:00"), Trust.SYNCHRONISED, "porte")
    assert (entry.granted, entry.rule, entry.member) == (False, "no-member", "")


@pytest.mark.parametrize("trust", [Trust.RESTORED, Trust.UNKNOWN])
def test_when_the_clock_cannot_be_believed(trust: Trust) -> None:
    assert judge("anne", trust=trust).rule == "always"
    assert judge("soon", "1970-01-01 01:00", trust).granted  # an early clock locks no new member out
    assert not judge("left", trust=trust).granted
    assert judge("bob", trust=trust) == EntryDecided(
        "porte", CardKey("c-bob"), MemberId("bob"), FormulaId("occasional"), granted=False, rule="clock-untrusted"
    )
    lax = judge("bob", trust=trust, policy=LAX)
    assert (lax.granted, lax.rule) == (True, "without-clock")
    assert not judge("left", trust=trust, policy=LAX).granted
    assert judge("anne", trust=trust, policy=STRICT).rule == "clock-untrusted"  # a site may refuse subscribers too
    assert judge("anne", policy=STRICT).rule == "always"
    assert not judge("carl", trust=trust, policy=replace(POLICY, without_clock={FormulaId("former"): True})).granted


def test_time_never_moves_below_the_newest_known() -> None:
    newest = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
    early, late = datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    assert believed(early, Trust.RESTORED, newest) == newest
    assert believed(late, Trust.SYNCHRONISED, newest) == late
    assert believed(early, Trust.SYNCHRONISED, newest) == early  # the clock before had run ahead
    assert believed(late, Trust.UNKNOWN, newest) == newest
    assert believed(early, Trust.UNKNOWN, None) == early


@pytest.mark.parametrize(
    ("when", "fold", "rule"),
    [
        ("2026-10-25 02:15", 0, "opening-hours"),  # the long night: 22:00-02:30 ends at the first 02:30
        ("2026-10-25 02:45", 0, "closed"),
        ("2026-10-25 02:15", 1, "closed"),
        ("2027-03-28 01:59", 0, "opening-hours"),  # the short night: 02:30 does not exist
        ("2027-03-28 03:00", 0, "closed"),
    ],
)
def test_the_nights_the_wall_clock_jumps(when: str, fold: int, rule: str) -> None:
    night = DoorPolicy(access=POLICY.access, hours=WeeklyHours.parse({"saturday": ("22:00-02:30",)}))
    entry = admit(CardKey("c-bob"), ROSTER, night, at(when, fold), Trust.SYNCHRONISED, "porte")
    assert entry.rule == rule


def test_the_way_out_is_refused_to_no_card_we_know() -> None:
    for who in ("anne", "bob", "carl", "left", "lost"):
        out = let_out(CardKey(f"c-{who}"), ROSTER, "sortie")
        assert (out.granted, out.rule, out.member) == (True, "way-out", who)
    assert not let_out(CardKey("c-nobody"), ROSTER, "sortie").granted


members = st.builds(
    member,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["subscriber", "occasional", "former", "other"]),
    st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(PARIS))  # noqa: DTZ001


@given(st.lists(members, max_size=2), st.frozensets(st.just("a")), instants, st.sampled_from(Trust), st.booleans())
def test_deny_by_default(
    people: list[Member], blocked: frozenset[str], local: datetime, trust: Trust, lax: bool
) -> None:
    roster = roster_of(*people, blocked=blocked)
    for who in ("a", "b"):
        entry = admit(CardKey(f"c-{who}"), roster, LAX if lax else POLICY, local, trust, "porte")
        assert entry.rule in set(EntryRule)
        if entry.granted:
            holder = roster.members[MemberId(who)]
            assert who not in blocked
            assert holder.until is None or local.date() <= holder.until
            assert POLICY.access.get(holder.formula) in {Access.ALWAYS, Access.HOURS}


# --- bookings and guests' codes -----------------------------------------------------------------------------


def booked(
    start: str = "2026-11-22 20:00", until: str = "2026-11-22 23:00", *, uses: int | None = None, member: str = ""
) -> Roster:
    """ROSTER, with a code "code" or a member's booking, both on a Sunday evening unless said."""
    key = None if member else CardKey("code")
    holder = MemberId(member) if member else None
    one = Booking(BookingId("b1"), holder, key, at(start).astimezone(UTC), at(until).astimezone(UTC), uses)
    return replace(ROSTER, bookings=(one,))


def present(
    roster: Roster,
    card: str,
    when: str,
    *,
    trust: Trust = Trust.SYNCHRONISED,
    policy: DoorPolicy = POLICY,
    now: Conditions | None = None,
) -> EntryDecided:
    return admit(CardKey(card), roster, policy, at(when), trust, "porte", now or Conditions())


@pytest.mark.parametrize(
    ("when", "granted", "rule"),
    [
        ("2026-11-22 19:59", False, "booking-early"),
        ("2026-11-22 20:00", True, "guest"),
        ("2026-11-22 22:59", True, "guest"),
        ("2026-11-22 23:00", False, "booking-over"),  # the end is exclusive
    ],
)
def test_a_guests_code_opens_from_its_start_until_its_end(when: str, granted: bool, rule: str) -> None:
    entry = present(booked(), "code", when)
    assert (entry.granted, entry.rule, entry.member, entry.formula) == (granted, rule, "", "guest")


def test_a_code_opens_earlier_by_the_sites_margin() -> None:
    early = replace(POLICY, early=timedelta(minutes=15))
    assert not present(booked(), "code", "2026-11-22 19:44", policy=early).granted
    assert present(booked(), "code", "2026-11-22 19:45", policy=early).granted


def test_a_code_on_the_night_the_clock_goes_back_lasts_its_real_time() -> None:
    one = Booking(
        BookingId("b1"),
        None,
        CardKey("code"),
        datetime(2026, 10, 25, 0, 0, tzinfo=UTC),  # 02:00 in Paris, for the first time
        datetime(2026, 10, 25, 1, 0, tzinfo=UTC),  # 02:00 again
        None,
    )
    roster = replace(ROSTER, bookings=(one,))
    for fold, granted in ((0, True), (1, False)):
        when = at("2026-10-25 02:30", fold)
        assert admit(CardKey("code"), roster, POLICY, when, Trust.SYNCHRONISED, "porte").granted is granted


@pytest.mark.parametrize(
    ("uses", "so_far", "rule"),
    [
        (1, {}, "guest"),
        (1, {"b1": 1}, "booking-used"),
        (3, {"b1": 2, "b2": 9}, "guest"),
        (3, {"b1": 3}, "booking-used"),
        (None, {"b1": 500}, "guest"),
        (None, None, "guest"),
        (1, None, "booking-uncounted"),
    ],
)
def test_a_code_is_good_once_or_n_times(uses: int | None, so_far: dict[BookingId, int] | None, rule: str) -> None:
    entry = present(booked(uses=uses), "code", "2026-11-22 21:00", now=Conditions(uses=so_far))
    assert (entry.rule, entry.granted) == (rule, rule == "guest")


def test_of_two_bookings_at_once_one_that_is_used_up_does_not_hide_the_other() -> None:
    """And nobody spends a counted entry while another booking lets them in without counting."""
    night = ("2026-11-22 20:00", "2026-11-22 23:00")
    once, thrice, free = (
        replace(booked(*night, uses=uses, member="bob").bookings[0], id=BookingId(name))
        for name, uses in (("once", 1), ("thrice", 3), ("free", None))
    )
    spent = {once.id: 1}
    for bookings, uses, rule, by in (
        ((once, thrice), spent, "booking", "thrice"),
        ((once, free), spent, "booking", "free"),
        ((once, free), {}, "booking", "free"),
        ((once, free), None, "booking", "free"),
        ((once, thrice), {once.id: 1, thrice.id: 3}, "closed", None),
        ((once, thrice), None, "closed", None),
    ):
        roster = replace(ROSTER, bookings=bookings)
        entry = present(roster, "c-bob", "2026-11-22 21:00", now=Conditions(uses=uses))
        found = used(CardKey("c-bob"), roster, POLICY, at("2026-11-22 21:00"), uses)
        assert (entry.rule, found.id if found else None) == (rule, by)


@pytest.mark.parametrize("trust", [Trust.RESTORED, Trust.UNKNOWN])
def test_a_code_waits_for_a_clock_and_what_is_over_is_over(trust: Trust) -> None:
    assert present(booked(), "code", "2026-11-22 21:00", trust=trust).rule == "clock-untrusted"
    assert present(booked(), "code", "2026-11-22 23:00", trust=trust).rule == "booking-over"


@pytest.mark.parametrize(
    ("who", "when", "rule"),
    [
        ("bob", "2026-11-22 21:00", "booking"),  # occasional, on a Sunday
        ("bob", "2026-11-22 19:59", "closed"),
        ("bob", "2026-11-22 23:00", "closed"),
        ("carl", "2026-11-22 21:00", "booking"),  # a formula without access
        ("dora", "2026-11-22 21:00", "booking"),  # a formula nobody knows
        ("anne", "2026-11-22 21:00", "always"),
        ("left", "2026-11-22 21:00", "member-expired"),  # a booking does not outlive the membership
        ("soon", "2026-11-22 21:00", "not-yet-member"),
        ("lost", "2026-11-22 21:00", "blocked-card"),
    ],
)
def test_a_booking_lets_its_member_in_meanwhile(who: str, when: str, rule: str) -> None:
    assert present(booked(member=who), f"c-{who}", when).rule == rule
    assert present(booked(member="else"), f"c-{who}", when).rule == judge(who, when).rule


def test_a_booking_on_a_closing_day_holds() -> None:
    christmas = booked("2026-12-25 10:00", "2026-12-25 12:00", member="bob")
    assert present(christmas, "c-bob", "2026-12-25 11:00").rule == "booking"


def test_a_booked_visitors_card_enters_outside_the_hours() -> None:
    card = VisitorCard(CardKey("code"), 3, None, blocked=False)
    roster = replace(booked(), visitors={card.key: card})
    assert present(roster, "code", "2026-11-22 21:00").rule == "guest"
    assert present(roster, "code", "2026-11-22 23:30").rule == "visitor-expired"
    lost = replace(roster, visitors={card.key: replace(card, blocked=True)})
    assert present(lost, "code", "2026-11-22 21:00").rule == "blocked-card"


def test_a_code_leads_out_at_any_time() -> None:
    assert let_out(CardKey("code"), booked(), "sortie").granted


def test_the_booking_that_let_somebody_in_is_named() -> None:
    roster = booked(member="bob")
    found = used(CardKey("c-bob"), roster, POLICY, at("2026-11-22 21:00"), {})
    assert found is not None
    assert found.id == "b1"
    assert used(CardKey("c-bob"), roster, POLICY, at("2026-11-22 23:00"), {}) is None
    assert used(CardKey("c-anne"), roster, POLICY, at("2026-11-22 21:00"), {}) is None


# --- the first who comes ------------------------------------------------------------------------------------

FIRST = replace(POLICY, openers=frozenset({FormulaId("subscriber")}))


@pytest.mark.parametrize(
    ("who", "came", "rule"),
    [
        ("bob", None, "first-in"),
        ("bob", date(2026, 11, 22), "first-in"),  # yesterday's opens nothing today
        ("bob", date(2026, 11, 23), "opening-hours"),
        ("anne", None, "always"),
    ],
)
def test_an_occasional_member_waits_for_the_first_in(who: str, came: date | None, rule: str) -> None:
    now = Conditions(first_in=came)
    assert present(ROSTER, f"c-{who}", "2026-11-23 10:00", policy=FIRST, now=now).rule == rule


def test_a_night_belongs_to_the_day_it_began_on() -> None:
    night = replace(FIRST, hours=WeeklyHours.parse({"saturday": ("22:00-02:00",)}))
    came = Conditions(first_in=date(2026, 11, 21))
    assert present(ROSTER, "c-bob", "2026-11-22 01:00", policy=night, now=came).rule == "opening-hours"
    before = Conditions(first_in=date(2026, 11, 20))
    assert present(ROSTER, "c-bob", "2026-11-22 01:00", policy=night, now=before).rule == "first-in"


def test_who_opens_the_day_with_hours_waits_for_nobody() -> None:
    hosts = replace(POLICY, openers=frozenset({FormulaId("occasional")}))
    assert present(ROSTER, "c-bob", "2026-11-23 10:00", policy=hosts).rule == "opening-hours"


def test_who_opens_the_day() -> None:
    noon = at("2026-11-23 12:00")
    assert opened_day(judge("anne"), FIRST, ROSTER, noon) == date(2026, 11, 23)
    assert opened_day(judge("anne"), FIRST, ROSTER, at("2026-11-23 07:00")) == date(2026, 11, 23)  # before the hours
    assert opened_day(judge("bob"), FIRST, ROSTER, noon) is None
    assert opened_day(judge("left"), FIRST, ROSTER, noon) is None  # refused: nobody has come
    assert opened_day(judge("anne"), POLICY, ROSTER, noon) is None


def test_who_comes_late_in_a_night_opens_that_night_and_not_the_morning_after() -> None:
    night = replace(FIRST, hours=WeeklyHours.parse({"saturday": ("22:00-02:00",), "sunday": ("09:00-18:00",)}))
    assert opened_day(judge("anne"), night, ROSTER, at("2026-11-22 01:30")) == date(2026, 11, 21)
    assert opened_day(judge("anne"), night, ROSTER, at("2026-11-22 02:00")) == date(2026, 11, 22)
    shut = replace(ROSTER, closures=frozenset({date(2026, 11, 21)}))
    assert opened_day(judge("anne"), night, shut, at("2026-11-22 01:30")) == date(2026, 11, 22)
    of_people = replace(ROSTER, hours=WeeklyHours())
    assert opened_day(judge("anne"), night, of_people, at("2026-11-22 01:30")) == date(2026, 11, 22)


# --- the event window and the lockdown ----------------------------------------------------------------------

WINDOW = Conditions(window=True)


@pytest.mark.parametrize("who", ["bob", "carl", "dora", "left", "soon"])
def test_an_event_window_lets_in_every_card_that_is_known(who: str) -> None:
    entry = present(ROSTER, f"c-{who}", "2026-11-22 21:00", now=WINDOW)
    assert (entry.granted, entry.rule) == (True, "event-window")


@pytest.mark.parametrize(
    ("card", "rule"), [("c-lost", "blocked-card"), ("c-nobody", "unknown-card"), ("c-anne", "always")]
)
def test_an_event_window_changes_nothing_for_others(card: str, rule: str) -> None:
    assert present(ROSTER, card, "2026-11-22 21:00", now=WINDOW).rule == rule


def test_no_event_window_lifts_the_end_of_a_code() -> None:
    assert present(booked(), "code", "2026-11-22 23:30", now=WINDOW).rule == "booking-over"
    assert present(booked(), "code", "2026-11-22 19:30", now=WINDOW).rule == "booking-early"


def locked(until: str | None = None) -> Roster:
    end = at(until).astimezone(UTC) if until else None
    return replace(booked(), lockdown=Lockdown(Alarm.INTRUSION, at("2026-11-22 18:00").astimezone(UTC), end))


@pytest.mark.parametrize("card", ["c-anne", "c-bob", "c-carl", "c-left", "code"])
@pytest.mark.parametrize("window", [False, True])
def test_a_lockdown_stops_every_entry_and_no_leaving(card: str, window: bool) -> None:
    entry = present(locked(), card, "2026-11-22 21:00", now=Conditions(window=window))
    assert (entry.granted, entry.rule) == (False, "lockdown")
    assert let_out(CardKey(card), locked(), "sortie").granted


def test_what_a_card_is_stands_above_a_lockdown() -> None:
    assert present(locked(), "c-nobody", "2026-11-22 21:00").rule == "unknown-card"
    assert present(locked(), "c-lost", "2026-11-22 21:00").rule == "blocked-card"


@pytest.mark.parametrize(
    ("until", "when", "trust", "stands"),
    [
        (None, "2036-11-22 21:00", Trust.SYNCHRONISED, True),
        ("2026-11-22 21:00", "2026-11-22 20:59", Trust.SYNCHRONISED, True),
        ("2026-11-22 21:00", "2026-11-22 21:00", Trust.SYNCHRONISED, False),
        ("2026-11-22 21:00", "2026-11-22 21:00", Trust.RESTORED, False),  # a lower bound: it has surely come
        ("2026-11-22 21:00", "2036-11-22 21:00", Trust.UNKNOWN, True),  # nobody knows
    ],
)
def test_a_lockdown_ends_when_its_time_has_surely_come(
    until: str | None, when: str, trust: Trust, stands: bool
) -> None:
    assert locked_down(locked(until), at(when), trust) is stands
    assert not locked_down(ROSTER, at(when), trust)
    assert present(locked(until), "c-anne", when, trust=trust).granted is not stands


@given(st.sampled_from(["anne", "bob", "carl", "dora", "left", "soon", "lost"]), instants, st.sampled_from(Trust))
def test_a_lockdown_never_opens_and_a_window_never_shuts(who: str, local: datetime, trust: Trust) -> None:
    key = CardKey(f"c-{who}")
    plain = admit(key, ROSTER, POLICY, local, trust, "porte")
    assert not admit(key, locked(), POLICY, local, trust, "porte", WINDOW).granted
    assert admit(key, ROSTER, POLICY, local, trust, "porte", WINDOW).granted >= plain.granted
