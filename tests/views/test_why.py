"""`gardien why` and `gardien door calendar`: the rule that decided, or the one that will."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.config import FormulaConfig, ReaderConfig, Site
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.bookings import Alarm, BookingUsed, DayOpened
from agent.rules.door import EntryDecided, EntryRule
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.remote import WindowClosed, WindowEnd, WindowOpened
from agent.views.why import Asked, DoorDay, SkippedError, calendar, explain, read_times, unknown_holidays
from agent.views.words import words
from drivers.contract import CardNumber, Trust
from tests.views.scenes import SITE, HandClock, House, house

PARIS = ZoneInfo("Europe/Paris")
CARD = CardNumber("04A2B3C4D5")
TUESDAY = datetime(2026, 11, 24, 12, 32, tzinfo=PARIS)
WITH_A_WAY_OUT = replace(SITE, readers={**SITE.readers, "dedans": ReaderConfig("sim", "door", direction="out")})


@pytest.fixture
def home(tmp_path: Path) -> House:
    with house(tmp_path) as here:
        since = date(2026, 1, 1)
        for name, member, formula in (
            ("Ana", "m042", "subscriber"),
            ("Bob", "m013", "occasional"),
            ("Zoé", "m001", "occasional"),
        ):
            here.roster.add_member(name, FormulaId(formula), actor="cli", since=since, member=MemberId(member))
        here.roster.give_card(MemberId("m042"), CARD, actor="cli")
        here.roster.give_card(MemberId("m013"), CardNumber("0B00000001"), actor="cli")
        yield here


def asked(home: House, who: Asked, reader: str, at: datetime, **how: Any) -> list[tuple[bool, str, int | None]]:
    site = how.pop("site", WITH_A_WAY_OUT)
    found = explain(site, home.ledger, home.roster.roster(), who, reader, at, **how)
    return [(one.granted, one.rule, one.seq) for one in found]


def test_a_future_is_judged_by_the_rule_of_the_door(home: House) -> None:
    subscriber, occasional = Asked(MemberId("m042")), Asked(MemberId("m013"))
    night = datetime(2026, 12, 2, 3, 0, tzinfo=PARIS)
    assert asked(home, subscriber, "porte", night) == [(True, "always", None)]
    assert asked(home, occasional, "porte", night) == [(False, "closed", None)]
    assert asked(home, occasional, "porte", night.replace(hour=10)) == [(True, "opening-hours", None)]
    assert asked(home, occasional, "dedans", night) == [(True, "way-out", None)]
    home.roster.calendar.close_day(night.date(), actor="cli", reason="snow")
    assert asked(home, occasional, "porte", night.replace(hour=10)) == [(False, "closure", None)]
    assert asked(home, Asked(MemberId("m001")), "porte", night) == [(False, "no-card", None)]


def test_a_card_is_asked_for_by_its_key_and_a_stranger_is_refused(home: House) -> None:
    noon = datetime(2026, 12, 2, 12, 0, tzinfo=PARIS)
    assert asked(home, Asked(card=home.roster.card_key(CARD)), "porte", noon) == [(True, "always", None)]
    assert asked(home, Asked(card=CardKey("nobody")), "porte", noon) == [(False, "unknown-card", None)]
    home.roster.block_card(home.roster.card_key(CARD), actor="cli")
    assert asked(home, Asked(MemberId("m042")), "porte", noon) == [(False, "blocked-card", None)]


def test_a_past_is_what_the_door_wrote_then(home: House) -> None:
    """The member's card was blocked then and is not now: the fact speaks, not today's roster."""
    key = home.roster.card_key(CARD)
    refused = EntryDecided("porte", key, MemberId("m042"), FormulaId("subscriber"), granted=False, rule="blocked-card")
    seq = home.ledger.append_now(refused, home.clock.now(), "badge-1")
    for minutes, found in ((0, True), (1.5, True), (3, False)):
        answer = asked(home, Asked(MemberId("m042")), "porte", TUESDAY + timedelta(minutes=minutes))
        assert answer == ([(False, "blocked-card", seq)] if found else [(True, "always", None)])
    assert asked(home, Asked(card=key), "dedans", TUESDAY) == [(True, "way-out", None)]  # not what that reader saw
    (told,) = explain(SITE, home.ledger, home.roster.roster(), Asked(card=key), "porte", TUESDAY)
    assert told.sentence(words("fr")) == (
        f"mardi 24 novembre 12:32, porte\u00a0: refusée, carte bloquée. (noté alors par la porte, fait {seq})"
    )
    assert told.sentence(words("en")) == (
        f"Tuesday 24 November 12:32, porte: refused, blocked card. (noted then by the door, fact {seq})"
    )


NIGHT = datetime(2026, 12, 2, 3, 0, tzinfo=PARIS)


def test_the_clock_s_trust_is_part_of_the_answer(home: House) -> None:
    noon = datetime(2026, 12, 2, 12, 0, tzinfo=PARIS)
    occasional = Asked(MemberId("m013"))
    assert asked(home, occasional, "porte", noon, trust=Trust.RESTORED) == [(False, "clock-untrusted", None)]
    lax = {**SITE.formulas, "occasional": FormulaConfig("hours", without_clock="open")}
    site = replace(WITH_A_WAY_OUT, formulas=lax)
    assert asked(home, occasional, "porte", NIGHT, trust=Trust.UNKNOWN, site=site) == [(True, "without-clock", None)]
    assert asked(home, Asked(MemberId("m042")), "porte", NIGHT, trust=Trust.UNKNOWN) == [(True, "always", None)]


def test_a_booking_a_code_and_its_uses_are_part_of_the_answer(home: House) -> None:
    until = NIGHT + timedelta(hours=1)
    home.roster.bookings.book(MemberId("m013"), NIGHT, until, actor="cli")
    made, code = home.roster.bookings.invite(NIGHT, until, actor="cli", uses=1)
    guest = Asked(card=home.roster.card_key(CardNumber(code)))
    assert asked(home, Asked(MemberId("m013")), "porte", NIGHT) == [(True, "booking", None)]
    assert asked(home, Asked(MemberId("m013")), "porte", until) == [(False, "closed", None)]
    assert asked(home, guest, "porte", NIGHT) == [(True, "guest", None)]
    at = replace(home.clock.now(), utc=NIGHT.astimezone(UTC))
    home.ledger.append_now(BookingUsed(made), at, "use")
    assert asked(home, guest, "porte", NIGHT + timedelta(minutes=5)) == [(False, "booking-used", None)]


def test_an_event_window_counts_while_it_lasted(home: House) -> None:
    start = replace(home.clock.now(), utc=NIGHT.astimezone(UTC))
    end = replace(start, utc=start.utc + timedelta(minutes=30))
    home.ledger.append_now(WindowOpened("w", "a1", start.utc + timedelta(hours=2), fed=False), start, "w")
    home.ledger.append_now(WindowClosed("w", "a1", WindowEnd.CLOSED), end, "w")
    occasional = Asked(MemberId("m013"))
    for minutes, rule in ((-1, "closed"), (0, "event-window"), (29, "event-window"), (31, "closed")):
        ((_, found, _),) = asked(home, occasional, "porte", NIGHT + timedelta(minutes=minutes))
        assert found == rule, minutes


def test_a_lockdown_counts_while_it_stood_and_from_now_on(home: House) -> None:
    begun = home.clock.now().utc
    home.roster.bookings.lock_down(Alarm.INTRUSION, actor="a1")
    home.clock.pass_s(600.0)
    home.roster.bookings.end_lockdown(actor="a1")
    home.roster.settle()
    now = home.clock.now().utc
    subscriber = Asked(MemberId("m042"))
    assert asked(home, subscriber, "porte", begun + timedelta(minutes=5), now=now) == [(False, "lockdown", None)]
    assert asked(home, subscriber, "porte", begun - timedelta(minutes=5), now=now) == [(True, "always", None)]
    assert asked(home, subscriber, "dedans", begun + timedelta(minutes=5), now=now) == [(True, "way-out", None)]
    assert asked(home, subscriber, "porte", NIGHT, now=now) == [(True, "always", None)]
    home.roster.bookings.lock_down(Alarm.INTRUSION, actor="a1")
    assert asked(home, subscriber, "porte", NIGHT, now=now) == [(False, "lockdown", None)]


def test_who_has_opened_the_day_counts_and_is_supposed_of_days_to_come(home: House) -> None:
    assert SITE.door is not None
    site = replace(WITH_A_WAY_OUT, door=replace(SITE.door, first_in=("subscriber",)))
    morning = datetime(2026, 11, 24, 9, 0, tzinfo=PARIS)
    occasional = Asked(MemberId("m013"))
    now = morning + timedelta(hours=3)
    at = replace(home.clock.now(), utc=(morning + timedelta(hours=1)).astimezone(UTC))
    home.ledger.append_now(DayOpened("2026-11-24", FormulaId("subscriber")), at, "d")
    for hours, rule in ((0, "first-in"), (2, "opening-hours"), (24, "opening-hours")):
        ((_, found, _),) = asked(home, occasional, "porte", morning + timedelta(hours=hours), now=now, site=site)
        assert found == rule, hours


def test_the_ledger_is_asked_for_the_minutes_in_question_alone(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand passages of other days are not decoded to explain one."""
    key = home.roster.card_key(CARD)
    refused = EntryDecided("porte", key, MemberId("m042"), FormulaId("subscriber"), granted=False, rule="blocked-card")
    at = home.clock.now()
    waiting = [
        home.ledger.queue(refused, replace(at, utc=at.utc - timedelta(minutes=10 * n)), f"n{n}") for n in range(2000)
    ]
    for one in waiting:
        one.result(30)
    decoded: list[str] = []
    entry = Ledger._entry
    monkeypatch.setattr(Ledger, "_entry", lambda self, row: decoded.append(row[1]) or entry(self, row))
    assert len(asked(home, Asked(MemberId("m042")), "porte", at.utc - timedelta(days=1))) == 1
    assert len(decoded) == 1


def test_a_night_before_a_closed_day_is_printed_as_the_door_judges_it(home: House) -> None:
    home.roster.calendar.set_hours(WeeklyHours.parse({"monday": ("22:00-02:00",)}), actor="cli")
    home.roster.calendar.close_day(date(2026, 12, 1), actor="cli")
    days = list(calendar(SITE, home.roster.roster(), date(2026, 11, 30), 2))
    assert [day.windows for day in days] == [("22:00-24:00",), ()]
    member = Asked(MemberId("m013"))
    assert asked(home, member, "porte", datetime(2026, 11, 30, 23, 59, tzinfo=PARIS)) == [(True, "opening-hours", None)]
    assert asked(home, member, "porte", datetime(2026, 12, 1, 0, 1, tzinfo=PARIS)) == [(False, "closure", None)]


def test_the_coming_days_name_holidays_bookings_and_a_lockdown(home: House) -> None:
    home.roster.calendar.set_holidays({date(2026, 12, 25): "christmas-day"}, years=(2026,), actor="web")
    home.roster.calendar.close_day(date(2026, 12, 24), actor="cli", reason="snow", words="route fermée")
    home.roster.bookings.invite(
        datetime(2026, 12, 23, 20, 0, tzinfo=PARIS), datetime(2026, 12, 23, 22, 0, tzinfo=PARIS), actor="cli"
    )
    home.roster.bookings.lock_down(Alarm.EXERCISE, actor="cli", until=datetime(2026, 12, 23, 12, 0, tzinfo=PARIS))
    roster, agenda = home.roster.roster(), home.roster.calendar.agenda()
    said = [
        day.sentence(words("fr")).replace("\u00a0", " ")
        for day in calendar(SITE, roster, date(2026, 12, 23), 3, agenda, words("fr"))
    ]
    assert said == [
        "mercredi 23 décembre : 09:00-18:00 ; 1 réservation ; confinement : personne n'entre",
        "jeudi 24 décembre : fermé, jour de fermeture (neige (route fermée))",
        "vendredi 25 décembre : fermé, jour de fermeture (Noël)",
    ]


def test_the_coming_days_say_why_they_are_closed(home: House) -> None:
    home.roster.calendar.close_day(date(2026, 12, 1), actor="cli", reason="snow")
    days = list(calendar(SITE, home.roster.roster(), date(2026, 11, 29), 4))
    assert days == [
        DoorDay(date(2026, 11, 29), (), EntryRule.CLOSED),
        DoorDay(date(2026, 11, 30), ("09:00-18:00",), EntryRule.OPENING_HOURS),
        DoorDay(date(2026, 12, 1), (), EntryRule.CLOSURE),
        DoorDay(date(2026, 12, 2), ("09:00-18:00",), EntryRule.OPENING_HOURS),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("03:00", datetime(2026, 11, 24, 3, 0, tzinfo=PARIS)),
        ("2026-12-01 18:05", datetime(2026, 12, 1, 18, 5, tzinfo=PARIS)),
        ("1/12/2026 08:00", datetime(2026, 12, 1, 8, 0, tzinfo=PARIS)),
        ("9h", datetime(2026, 11, 24, 9, 0, tzinfo=PARIS)),
        ("28/11/26 9h05", datetime(2026, 11, 28, 9, 5, tzinfo=PARIS)),
        ("2026-12-01T18:05", datetime(2026, 12, 1, 18, 5, tzinfo=PARIS)),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, said: datetime) -> None:
    assert read_times(text, TUESDAY) == (said,)


def test_the_hour_that_comes_twice_is_two_instants_and_a_skipped_one_is_none() -> None:
    twice = [at.astimezone(UTC) for at in read_times("2026-10-25 02:30", TUESDAY)]
    assert twice == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)]
    with pytest.raises(SkippedError):
        read_times("2027-03-28 02:30", TUESDAY)


@pytest.mark.parametrize("text", ["", "25:00", "demain", "32/13/2026 10:00", "2026-12-01", "9:5", "9999-12-31 9h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_times(text, TUESDAY)


@pytest.mark.parametrize(
    ("instant", "asked_at"),
    [
        (datetime(2027, 3, 28, 1, 0, 30, tzinfo=UTC), "2027-03-28 03:00"),  # just after the jump
        (datetime(2027, 3, 28, 0, 59, 30, tzinfo=UTC), "2027-03-28 03:00"),  # just before it
        (datetime(2026, 10, 25, 0, 30, 10, tzinfo=UTC), "2026-10-25 02:30"),
        (datetime(2026, 10, 25, 1, 30, 10, tzinfo=UTC), "2026-10-25 02:30"),  # the second time it is half past two
    ],
)
def test_what_the_door_wrote_in_the_nights_the_clock_jumps_is_found(
    home: House, instant: datetime, asked_at: str
) -> None:
    fact = EntryDecided("porte", CardKey("x"), MemberId("m042"), FormulaId("subscriber"), granted=False, rule="never")
    seq = home.ledger.append_now(fact, replace(home.clock.now(), utc=instant), "badge-1")
    found = [asked(home, Asked(MemberId("m042")), "porte", at, now=TUESDAY) for at in read_times(asked_at, TUESDAY)]
    assert [(False, "never", seq)] in found


def test_an_event_window_of_the_second_hour_is_known_then(home: House) -> None:
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 in Paris, for the second time
    opened = WindowOpened("w1", "acc-1", second + timedelta(hours=1), fed=False)
    home.ledger.append_now(opened, replace(home.clock.now(), utc=second - timedelta(minutes=20)), "w1")
    assert asked(home, Asked(MemberId("m013")), "porte", second, now=TUESDAY) == [(True, "event-window", None)]


def test_years_whose_holidays_nobody_wrote_down_are_told(home: House) -> None:
    days = (date(2026, 12, 31), date(2027, 1, 1))

    def told(site: Site = SITE) -> str:
        return unknown_holidays(site, home.roster.calendar.agenda(), days, words("en"))

    assert told().startswith("The public holidays of 2026, 2027 are not known yet")
    home.roster.calendar.set_holidays({date(2026, 12, 25): "christmas-day"}, years=(2026,), actor="web")
    assert told().startswith("The public holidays of 2027 are not known yet")
    assert told(replace(SITE, site=replace(SITE.site, holidays=""))) == ""


def test_no_code_is_made_that_no_reader_could_take(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        "[site]\nname = 'Les Crozets'\ncode = 'crozets'\n[readers.porte]\nkind = 'serial'\nat = 'door'\n"
        "device = '/dev/serial/by-id/x'\n[door.lock]\nkind = 'sim'\n",
        encoding="utf-8",
    )
    places = ["--site", str(tmp_path / "site.toml"), "--state", str(tmp_path), "--run", str(tmp_path)]
    made = CliRunner().invoke(main, [*places, "door", "book", "code", "2199-01-01 20:00", "21:00"])
    assert (made.exit_code, made.stdout) == (1, "")
    assert "aucun lecteur" in made.stderr


def test_the_commands_answer_and_keep_the_number_out_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        "[site]\nname = 'Les Crozets'\ncode = 'crozets'\n[readers.porte]\nkind = 'sim'\nat = 'door'\n"
        "[door]\nlabel = 'la porte'\n[door.lock]\nkind = 'sim'\n",
        encoding="utf-8",
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger, RosterStore.open(tmp_path, ledger, HandClock()) as roster:
        member = roster.add_member("Ana", FormulaId("subscriber"), actor="cli", since=date(2026, 1, 1))
        roster.give_card(member, CARD, actor="cli")
        roster.settle()

    def gardien(*arguments: str, typed: str = "") -> Result:
        places = ["--site", str(tmp_path / "site.toml"), "--state", str(tmp_path), "--run", str(tmp_path)]
        return CliRunner().invoke(main, [*places, *arguments], input=typed)

    night = ("porte", "2027-01-02 03:00")
    by_id, by_card = gardien("why", member, *night), gardien("why", "-", *night, typed="04:A2:B3:C4:D5\n")
    assert (by_id.exit_code, by_card.exit_code) == (0, 0), by_card.exception
    assert by_id.output == by_card.output
    assert "samedi 2 janvier 03:00, porte\u00a0: ouverte, accès à toute heure." in by_id.output
    stranger = gardien("why", "-", *night, "--json", typed="FFFFFFFFFF\n")
    assert stranger.exit_code == 1
    assert [(one["granted"], one["rule"]) for one in json.loads(stranger.output)] == [(False, "unknown-card")]
    for arguments, code in (
        (("why", "m999"), 1),
        (("why", member, "cuisine"), 2),
        (("why", member, "porte", "demain"), 2),
        (("why", "-", *night), 2),
    ):
        assert gardien(*arguments, typed="zz\n").exit_code == code, arguments
    code = gardien("door", "book", "code", "2027-01-02 02:00", "2027-01-02 04:00", "--uses", "1", "--words", "Léa 🎉")
    assert code.exit_code == 0, code.output
    booking, digits = code.output.split()
    assert gardien("why", "-", *night, typed=f"{digits}\n").exit_code == 0
    assert (
        f"{booking}  code     2027-01-02T02:00+01:00 → 2027-01-02T04:00+01:00  x1  Léa 🎉"
        in gardien("door", "bookings").output
    )
    assert gardien("door", "lockdown", "intrusion").exit_code == 0
    assert "confinement" in gardien("why", member, *night).output
    assert gardien("door", "lockdown", "end").exit_code == 0
    assert gardien("why", member, *night).exit_code == 0
    assert gardien("door", "cancel", booking).exit_code == 0
    assert gardien("door", "cancel", booking).exit_code == 1  # a slip of the hand is told, or the code goes on opening
    night_long = gardien("door", "book", member, "2027-01-02 22:00", "2h")
    assert "2027-01-02T22:00+01:00 → 2027-01-03T02:00+01:00" in gardien("door", "bookings").output
    assert gardien("door", "cancel", night_long.output.strip()).exit_code == 0
    assert gardien("why", "-", *night, typed=f"{digits}\n").exit_code == 1
    assert json.loads(gardien("door", "bookings", "--json").output) == []
    for arguments, code_ in (
        (("book", "m999", "2027-01-02 02:00", "2027-01-02 04:00"), 1),
        (("book", member, "demain", "2027-01-02 04:00"), 2),
        (("book", member, "2027-01-02 04:00", "2027-01-02 02:00"), 1),
        (("lockdown", "snow"), 2),
    ):
        assert gardien("door", *arguments).exit_code == code_, arguments
    coming = gardien("door", "calendar", "--days", "7", "--lang", "en")
    assert coming.exit_code == 0
    assert len(coming.stdout.splitlines()) == 7
    assert "holidays of 2026" in coming.stderr
    assert "closed, outside opening hours" in coming.output
    assert len(json.loads(gardien("door", "calendar", "--json").output)) == 14
