"""Who may enter, and what the leaf did: one named rule each, transcripts and laws."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.door import (
    Access,
    DoorPolicy,
    EntryDecided,
    EntryRule,
    admit,
    believed,
    let_out,
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
LAX = DoorPolicy(access=POLICY.access, hours=POLICY.hours, untrusted_opens=True)


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
    assert (lax.granted, lax.rule) == (True, "clock-untrusted")
    assert not judge("left", trust=trust, policy=LAX).granted


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
