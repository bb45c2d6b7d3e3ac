"""`gardien why` and `gardien door calendar`: the rule that decided, or the one that will."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.config import ReaderConfig
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import EntryDecided, EntryRule
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.views.why import Asked, DoorDay, calendar, explain, read_time
from agent.views.words import words
from drivers.contract import CardNumber
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


def asked(home: House, who: Asked, reader: str, at: datetime) -> list[tuple[bool, str, int | None]]:
    found = explain(WITH_A_WAY_OUT, home.ledger, home.roster.roster(), who, reader, at)
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
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, said: datetime) -> None:
    assert read_time(text, TUESDAY) == said


@pytest.mark.parametrize("text", ["", "25:00", "demain", "32/13/2026 10:00", "2026-12-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_time(text, TUESDAY)


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
    coming = gardien("door", "calendar", "--days", "7", "--lang", "en")
    assert coming.exit_code == 0
    assert len(coming.output.splitlines()) == 7
    assert "closed, outside opening hours" in coming.output
    assert len(json.loads(gardien("door", "calendar", "--json").output)) == 14
