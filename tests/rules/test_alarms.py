"""Which incidents are told, by transcripts of an evening, and laws over any evening at all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules.alarms import (
    AlarmPolicy,
    AlarmRaised,
    Alarms,
    AlarmState,
    AlarmTold,
    Letter,
    fate,
    given_up,
    letters,
    waits,
)
from agent.rules.facts import Fact
from agent.rules.hours import Quiet
from agent.rules.incidents import KEYS, Area, Incident, Level
from drivers.contract import Moment, Trust

T0 = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
OPEN, OVER, WORSE = AlarmState.OPENED, AlarmState.CLOSED, AlarmState.WORSENED
POLICY = AlarmPolicy(Level.WATCH, 60.0, 300.0, ("ntfy-1",))


def at(seconds: float) -> Moment:
    return Moment(T0 + timedelta(seconds=seconds), 5000.0 + seconds, "boot-1", Trust.SYNCHRONISED)


def link(name: str, key: str = "link-box", level: Level = Level.WATCH, since: float | None = None) -> Incident:
    return Incident(Area.INTERNET, level, key, name, None if since is None else T0 + timedelta(seconds=since))


def paper(key: str, level: Level = Level.DOWN, device: str = "copieur", detail: str = "") -> Incident:
    return Incident(Area.PAPER, level, key, device, detail=detail)


def door(key: str, level: Level = Level.DOWN, subject: str = "") -> Incident:
    return Incident(Area.DOOR, level, key, subject)


BOTH = Incident(Area.INTERNET, Level.DOWN, "all-internet")
SILENT = Incident(Area.INTERNET, Level.UNKNOWN, "silent-links", "links")


class Evening:
    """Shows incidents second by second (every 5 s) and notes what is told."""

    def __init__(self, policy: AlarmPolicy = POLICY, alarms: Alarms | None = None, begins: float = 0) -> None:
        self.policy, self.alarms, self.now = policy, alarms or Alarms(), begins
        self.facts: list[AlarmRaised] = []

    def see(self, *incidents: Incident, lasts: float = 5) -> Evening:
        until = self.now + lasts
        while self.now < until:
            self.alarms, news = self.alarms.look(incidents, at(self.now), self.policy)
            self.facts += news
            self.now += 5
        return self

    def expect(self, *told: tuple[AlarmState, str]) -> None:
        assert [(fact.state, fact.incident) for fact in self.facts] == list(told)


def test_an_incident_is_told_once_and_its_end_once_with_their_real_times() -> None:
    evening = Evening().see(lasts=20).see(link("a", since=-30), lasts=1000).see(lasts=1000)
    evening.expect((OPEN, "link-box"), (OVER, "link-box"))
    opened, closed = evening.facts
    assert (opened.since, closed.since) == (T0 - timedelta(seconds=30), T0 + timedelta(seconds=1020))
    assert opened.alarm == closed.alarm == "link/a@boot-1:5020.000"
    assert (closed.subject, closed.area, closed.routes) == ("a", Area.INTERNET, ("ntfy-1",))


def test_one_that_does_not_stand_is_not_told() -> None:
    Evening().see(link("a"), lasts=60).see(lasts=600).expect()
    Evening().see(link("a"), lasts=65).see(lasts=600).expect((OPEN, "link-box"), (OVER, "link-box"))


def test_one_that_flickers_is_one() -> None:
    evening = Evening().see(link("a"), lasts=120)
    for _ in range(20):
        evening.see(lasts=295).see(link("a"), lasts=10)
    evening.expect((OPEN, "link-box"))
    evening.see(lasts=310).expect((OPEN, "link-box"), (OVER, "link-box"))


def test_a_cause_that_becomes_clearer_is_no_news() -> None:
    evening = Evening().see(link("a", "link-down"), lasts=100).see(link("a", "link-internet"), lasts=100)
    evening.see(link("a", "link-cable", Level.DOWN), lasts=100).expect((OPEN, "link-down"))


def test_both_links_with_one_fate_are_one_message() -> None:
    evening = Evening().see(link("a"), lasts=20).see(BOTH, lasts=900).see(link("b"), lasts=30).see(lasts=400)
    evening.expect((OPEN, "all-internet"), (OVER, "all-internet"))


def test_a_second_link_that_follows_makes_it_worse_and_not_over() -> None:
    evening = Evening().see(link("a"), lasts=600).see(BOTH, lasts=600)
    evening.expect((OPEN, "link-box"), (OPEN, "all-internet"), (WORSE, "link-box"))
    evening.see(link("a"), lasts=400)
    evening.expect(
        (OPEN, "link-box"), (OPEN, "all-internet"), (WORSE, "link-box"), (OPEN, "link-box"), (OVER, "all-internet")
    )
    evening.see(lasts=400)
    assert evening.alarms.open == {}


def test_a_link_that_waits_for_the_other_to_be_told_is_not_over() -> None:
    slow = AlarmPolicy(after_s=600.0, calm_s=100.0)
    evening = Evening(slow).see(link("a"), lasts=605).see(BOTH, lasts=300)
    evening.expect((OPEN, "link-box"))
    evening.see(lasts=110).expect((OPEN, "link-box"), (OVER, "link-box"))


@pytest.mark.parametrize(
    ("opened", "blind"),
    [
        (link("a"), SILENT),
        (link("a"), Incident(Area.INTERNET, Level.UNKNOWN, "all-unknown")),
        (link("a"), link("a", "link-unknown")),
        (BOTH, link("b", "link-unknown")),
        (paper("printer-jam"), paper("printer-lost")),
        (paper("printer-jam"), paper("printer-unknown", Level.UNKNOWN)),
        (paper("printer-jam"), Incident(Area.PAPER, Level.UNKNOWN, "silent-paper", "paper")),
        (paper("printer-toner-low", Level.WATCH), paper("printer-toner-empty")),
        (door("door-forced"), door("contact-silent", Level.WATCH)),
        (door("door-held", Level.WATCH), door("inputs-lost", Level.WATCH)),
        (door("reader-lost", subject="porte"), Incident(Area.DOOR, Level.UNKNOWN, "silent-door", "door")),
    ],
)
def test_what_nobody_can_see_any_more_is_not_over(opened: Incident, blind: Incident) -> None:
    patient = AlarmPolicy(Level.DOWN if opened.level is Level.DOWN else Level.WATCH, 60.0, 300.0)
    evening = Evening(patient).see(opened, lasts=100)
    evening.policy = AlarmPolicy(Level.DOWN, 10_000.0, 300.0)
    evening.see(blind, lasts=900).expect((OPEN, opened.key))
    evening.see(lasts=310).expect((OPEN, opened.key), (OVER, opened.key))


@pytest.mark.parametrize(
    ("opened", "other"),
    [
        (link("a"), link("b", "link-unknown")),
        (link("a"), Incident(Area.PAPER, Level.UNKNOWN, "silent-paper", "paper")),
        (paper("printer-jam"), paper("printer-lost", device="laser")),
        (paper("printer-jam"), paper("printer-cover-open")),
        (door("lock-lost"), door("contact-silent", Level.WATCH)),
        (
            Incident(Area.BOX, Level.DOWN, "ledger-fault", "door"),
            Incident(Area.BOX, Level.UNKNOWN, "silent-box", "web"),
        ),
    ],
)
def test_another_trouble_does_not_keep_one_open(opened: Incident, other: Incident) -> None:
    evening = Evening().see(opened, lasts=100).see(other, lasts=320)
    assert (OVER, opened.key) in [(fact.state, fact.incident) for fact in evening.facts]


def test_the_same_thing_worse_is_told_and_what_it_was_ends_in_silence() -> None:
    evening = Evening().see(paper("printer-paper-low", Level.WATCH), lasts=100)
    evening.see(paper("printer-no-paper"), lasts=100).see(lasts=310)
    evening.expect(
        (OPEN, "printer-paper-low"),
        (OPEN, "printer-no-paper"),
        (WORSE, "printer-paper-low"),
        (OVER, "printer-no-paper"),
    )


def test_two_reasons_nobody_knows_are_two_incidents() -> None:
    odd = [paper("printer-other", Level.WATCH, detail=word) for word in ("acme-a", "acme-b")]
    Evening().see(*odd, lasts=100).expect((OPEN, "printer-other"), (OPEN, "printer-other"))
    assert fate("printer-other", "copieur", "acme-a") != fate("printer-other", "copieur", "acme-b")
    assert fate("clock-untrusted", "", "drifting") == fate("clock-untrusted", "", "restored")


def test_below_the_threshold_nothing_is_told_and_what_was_told_stays_open_while_it_stands() -> None:
    strict = AlarmPolicy(Level.DOWN)
    Evening(strict).see(link("a"), SILENT, lasts=600).expect()
    evening = Evening(strict).see(paper("printer-lost"), lasts=100).see(paper("printer-lost", Level.WATCH), lasts=900)
    evening.expect((OPEN, "printer-lost"))


def test_a_forced_door_is_told_at_once() -> None:
    Evening().see(door("door-forced")).see(lasts=60).expect((OPEN, "door-forced"))


def test_a_restart_tells_nothing_twice_and_forgets_nothing() -> None:
    evening = Evening().see(link("a"), paper("printer-jam"), lasts=100)
    before = [*evening.facts, AlarmTold("x", OPEN, "ntfy-1", sent=True)]
    again = Evening(alarms=Alarms.of(before), begins=200).see(link("a"), lasts=310)
    again.expect((OVER, "printer-jam"))
    again.see(lasts=310).expect((OVER, "printer-jam"), (OVER, "link-box"))
    assert Alarms.of([*before, *again.facts]).open == {}


# --- letters ----------------------------------------------------------------------------------------------


def raised(alarm: str, state: AlarmState, *routes: str) -> AlarmRaised:
    return AlarmRaised(alarm, "link-box", "a", "", Area.INTERNET, state, T0, Trust.SYNCHRONISED, routes or ("one",))


def told(alarm: str, state: AlarmState, route: str = "one", *, sent: bool = True) -> AlarmTold:
    return AlarmTold(alarm, state, route, sent)


def test_letters_wait_oldest_first_and_an_incident_that_is_over_is_one_letter() -> None:
    a, b, a_ends = raised("a", OPEN), raised("b", OPEN), raised("a", OVER)
    assert letters([a, b], "one") == (Letter(a, None), Letter(b, None))
    assert letters([a, b, a_ends], "one") == (Letter(a, a_ends), Letter(b, None))
    assert [letter.state for letter in letters([a, b, a_ends], "one")] == [OVER, OPEN]
    assert letters([a, b, told("a", OPEN), a_ends], "one") == (Letter(b, None), Letter(a, a_ends))
    assert letters([a, a_ends, told("a", OPEN)], "one") == (Letter(a, a_ends),)  # it ended while the first was sent
    assert letters([a, a_ends, told("a", OVER)], "one") == ()
    assert letters([a, told("a", OPEN), told("a", OPEN)], "one") == ()
    assert letters([a, raised("a", WORSE)], "one") == (Letter(a, None),)
    assert letters([a_ends], "one") == ()


def test_each_route_has_its_own_letters() -> None:
    a = raised("a", OPEN, "one", "two")
    facts: list[Fact] = [a, told("a", OPEN, "two"), raised("b", OPEN, "two")]
    assert [letter.alarm for letter in letters(facts, "one")] == ["a"]
    assert [letter.alarm for letter in letters(facts, "two")] == ["b"]


def test_what_was_given_up_is_counted_until_a_letter_arrives() -> None:
    lost = [told("a", OPEN, sent=False), told("b", OVER, sent=False), told("c", OPEN, "two", sent=False)]
    assert given_up([raised("a", OPEN), *lost], "one") == 2
    assert given_up([*lost, told("d", OPEN)], "one") == 0


def test_quiet_hours_hold_a_letter_back() -> None:
    letter = Letter(raised("a", OPEN), None)
    assert waits(letter, Quiet.parse("22:00-07:00"), time(3))
    assert not waits(letter, Quiet.parse("22:00-07:00"), time(7))


def test_a_forced_door_wakes_people() -> None:
    forced = AlarmRaised("f", "door-forced", "", "", Area.DOOR, OPEN, T0, Trust.RESTORED, ("one",))
    assert not waits(Letter(forced, None), Quiet.parse("22:00-07:00"), time(3))


# --- laws ---------------------------------------------------------------------------------------------------

SOME = st.builds(
    Incident,
    st.sampled_from(Area),
    st.sampled_from([Level.WATCH, Level.UNKNOWN, Level.DOWN]),
    st.sampled_from(sorted(KEYS)),
    st.sampled_from(["", "a", "b", "links"]),
)

SCENE = st.tuples(st.lists(SOME, max_size=4), st.sampled_from([5, 30, 70, 400]))  # what is seen, for how long


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.lists(SOME, max_size=4), st.sampled_from([5, 30, 70, 400])), max_size=8), st.integers(0, 7)
)
def test_any_evening(scenes: list[tuple[list[Incident], int]], restart: int) -> None:
    evening = Evening()
    for number, (incidents, lasts) in enumerate(scenes):
        if number == restart:  # what is rebuilt from the facts is what was open
            assert Alarms.of(evening.facts).open == evening.alarms.open
        evening.see(*incidents, lasts=lasts)
    evening.see(lasts=400)
    assert evening.alarms == Alarms()  # everything ends once all is well
    assert Alarms.of(evening.facts) == Alarms()
    states = Counter((fact.alarm, fact.state) for fact in evening.facts)
    assert set(states.values()) <= {1}  # no message twice
    for alarm, state in states:
        ends = states[alarm, OVER] + states[alarm, WORSE]
        assert ends == 1, (alarm, state)
    for opened in evening.facts:
        for ended in evening.facts:
            assert opened.alarm != ended.alarm or opened.state is not OPEN or opened.since <= ended.since
