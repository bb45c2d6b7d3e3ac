"""A tape judged again gives the same facts; a cut tape gives those before the cut, and says where it was cut."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.rules.bookings import Booking, BookingId
from agent.rules.door import Conditions
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.members import Card, Member, Roster, VisitorCard
from agent.sitefile import read_site
from agent.tape import Tape, TapedInputs, TapeError, read_tape
from agent.views.replay import replay_lines
from drivers.clock import SystemClock
from drivers.contract import BadgeRead, CardNumber, Moment, ReaderId, Trust
from drivers.sim import SimBuilding
from drivers.verbs import DoorVerb

NIGHT = Path(__file__).parent / "tapes/night"
SITE = """
[site]
name = "Morez"
code = "morez"
[links.adsl1]
kind = "sim"
targets = ["192.0.2.1", "198.51.100.1", "203.0.113.1"]
[readers.door]
kind = "sim"
at = "door"
[door.lock]
kind = "sim"
"""


def judged(tape: Path, folder: Path) -> list[dict[str, object]]:
    file = folder / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    return [json.loads(line) for line in replay_lines(tape, read_site(file))]


def test_an_odd_night_is_judged_again(tmp_path: Path) -> None:
    facts = judged(NIGHT, tmp_path)
    told = [
        (
            fact["kind"],
            *(fact["fact"].get(key) for key in ("now", "cause", "member", "granted", "rule")),  # type: ignore[attr-defined]
        )
        for fact in facts
    ]
    assert told == [
        ("door-changed", "closed", None, None, None, None),
        ("link-changed", "up", "none", None, None, None),
        ("entry-decided", None, None, "m013", False, "closed"),  # 03:00 in Paris
        ("entry-decided", None, None, "m001", True, "always"),
        ("door-changed", "open", None, None, None, None),
        ("door-changed", "closed", None, None, None, None),
        ("entry-decided", None, None, "", False, "unknown-card"),
        ("link-changed", "down", "internet", None, None, None),
        ("link-changed", "up", "none", None, None, None),
        ("door-changed", "forced", None, None, None, None),
    ]
    assert judged(NIGHT, tmp_path) == facts


def test_a_cut_tape_is_judged_up_to_the_cut(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    shutil.copytree(NIGHT, tape)
    whole = (tape / "links.jsonl").read_bytes()
    (tape / "links.jsonl").write_bytes(whole[:5000])
    file = tmp_path / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    lines = replay_lines(tape, read_site(file))
    assert '"door-changed"' in next(lines)
    with pytest.raises(TapeError, match=r"links\.jsonl:\d+: ligne coupée") as caught:
        list(lines)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("text", ["", "{}\n", '{"tape": 9, "service": "x"}\n', "noise\n", '{"tape": 1}\n[]\n'])
def test_what_is_no_tape_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8")
    if text:
        with pytest.raises(TapeError, match=r"x\.jsonl:[12]: "):
            list(read_tape(tmp_path))
    else:
        assert list(read_tape(tmp_path)) == []


def test_a_folder_without_tapes_is_said(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="aucune bande"):
        list(read_tape(tmp_path))


def test_what_is_recorded_is_read_again_and_no_card_number_with_it(tmp_path: Path) -> None:
    clock = SystemClock()
    tape = Tape(tmp_path, "door")
    read = BadgeRead(clock.now(), ReaderId("door"), CardNumber("04A2B3C4D5"))
    tape.see_badge(read, CardKey("k1"), Roster(3))
    tape.see_badge(read, CardKey("k1"), Roster(3))

    async def record() -> None:
        building = SimBuilding(clock)
        inputs = TapedInputs(building.inputs(), tape)
        seen = 0
        async for _ in inputs.changes():
            seen += 1
            if seen == 2:
                building.obey(DoorVerb("open"))
            if seen == 3:
                return

    asyncio.run(record())
    tape.close()
    assert [type(seen).__name__ for seen in read_tape(tmp_path)] == [
        *("SeenRoster", "SeenBadge", "SeenBadge", "InputChanged", "InputChanged", "InputChanged"),
    ]
    assert "04A2B3C4D5" not in (tmp_path / "door.jsonl").read_text(encoding="utf-8")


def test_the_week_people_set_and_visitor_cards_are_judged_again_as_they_were(tmp_path: Path) -> None:
    at = Moment(datetime(2026, 11, 22, 9, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED)  # a Sunday, 10:00 in Paris
    card = VisitorCard(CardKey("v"), 3, datetime(2026, 11, 22, 11, tzinfo=UTC), blocked=False)
    week = WeeklyHours.parse({"sunday": ("09:00-12:00",)})
    roster = Roster(3, closures=frozenset({date(2026, 12, 25)}), hours=week, visitors={card.key: card})
    read = BadgeRead(at, ReaderId("door"), CardNumber("04A2B3C4D5"))
    tape = Tape(tmp_path / "tape", "door")
    tape.see_badge(read, card.key, roster)
    tape.close()
    assert next(read_tape(tmp_path / "tape")).roster == roster  # type: ignore[union-attr]
    (line,) = judged(tmp_path / "tape", tmp_path)
    assert (line["fact"]["granted"], line["fact"]["rule"]) == (True, "visitor")  # type: ignore[index]


def test_windows_first_in_and_uses_are_judged_again_as_the_door_knew_them(tmp_path: Path) -> None:
    at = Moment(datetime(2026, 11, 23, 9, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED)  # a Monday, 10:00 in Paris
    booking = Booking(BookingId("b1"), None, CardKey("code"), at.utc, datetime(2026, 11, 23, 12, tzinfo=UTC), 1)
    anne = Member(MemberId("m001"), FormulaId("occasional"), date(2020, 1, 1), None)
    card = {CardKey("anne"): Card(CardKey("anne"), anne.id, blocked=False)}
    hours = WeeklyHours.parse({"monday": ("09:00-12:00",)})
    roster = Roster(3, hours=hours, members={anne.id: anne}, cards=card, bookings=(booking,))
    tape = Tape(tmp_path / "tape", "door")
    today = date(2026, 11, 23)
    seen = [
        ("code", Conditions(uses={booking.id: 0})),
        ("code", Conditions(uses={booking.id: 1})),
        ("anne", Conditions(uses={booking.id: 1})),
        ("anne", Conditions(first_in=today, uses={booking.id: 1})),
        ("anne", Conditions(window=True)),
    ]
    for number, (key, now) in enumerate(seen):
        read = BadgeRead(replace(at, mono_s=at.mono_s + number), ReaderId("door"), CardNumber("AA"))
        tape.see_badge(read, CardKey(key), roster, now)
    tape.close()
    door = '[door]\nfirst_in = ["host"]\n[formulas.occasional]\naccess = "hours"\n[formulas.host]\naccess = "hours"\n'
    file = tmp_path / "site.toml"
    file.write_text(SITE.replace("[door.lock]", f"{door}[door.lock]"), encoding="utf-8")
    facts = [json.loads(line)["fact"] for line in replay_lines(tmp_path / "tape", read_site(file))]
    assert [fact["rule"] for fact in facts] == ["guest", "booking-used", "first-in", "opening-hours", "event-window"]


def test_a_full_disk_ends_the_tape_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "door.jsonl").symlink_to("/dev/full")
    tape = Tape(tmp_path, "door")
    for _ in range(3):
        tape.see_badge(BadgeRead(SystemClock().now(), ReaderId("door"), CardNumber("AA")), CardKey("k1"), Roster(3))
    tape.close()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the tape ends here, it cannot be written"
    ]


INPUT = '{"see":"input","at":{"utc":"%s","mono_s":%s,"boot":"%s","trust":"synchronised"},"input":"contact","active":%s}'


def leaf(folder: Path, *seen: tuple[str, str, str, str]) -> list[tuple[str, str]]:
    """Judge changes of the contact (utc, mono_s, boot, active); return when the leaf became what."""
    lines = ['{"tape":1,"service":"door"}', *(INPUT % each for each in seen)]
    (folder / "door.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    facts = [json.loads(line) for line in replay_lines(folder, read_site(folder / "site.toml"))]
    return [(fact["at"][11:19], fact["fact"]["now"]) for fact in facts]


def test_a_held_leaf_is_told_when_its_rule_asked_for_it(tmp_path: Path) -> None:
    seen = [("2026-11-02T12:00:00+00:00", "100.0", "b", "true"), ("2026-11-02T13:00:00+00:00", "3700.0", "b", "false")]
    assert leaf(tmp_path, *seen) == [("12:00:00", "open"), ("12:01:00", "held"), ("13:00:00", "closed")]


def test_a_leaf_of_another_boot_is_not_held(tmp_path: Path) -> None:
    seen = [("2026-11-02T12:00:00+00:00", "100.0", "b", "true"), ("2026-11-02T13:00:00+00:00", "500.0", "c", "true")]
    assert leaf(tmp_path, *seen) == [("12:00:00", "open"), ("13:00:00", "open")]


@pytest.mark.parametrize("utc", ["2026-11-02T12:00:00", "hier"])
@pytest.mark.parametrize("mono_s", ["1.0", "NaN"])
def test_an_instant_nobody_can_place_ends_its_file(tmp_path: Path, utc: str, mono_s: str) -> None:
    with pytest.raises(TapeError, match=r"door\.jsonl:2: "):
        leaf(tmp_path, (utc, mono_s, "b", "true"))
