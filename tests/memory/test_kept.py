"""The door's last valid list: what it holds, and what is no list of ours."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agent.memory.kept import Kept, KeptList
from agent.rules.bookings import Alarm, Booking, BookingId, Lockdown
from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.members import Alias, Card, Member, Roster, VisitorCard
from agent.rules.payers import Payer
from drivers.contract import CardNumber

KEY = bytes(range(32))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROSTER = Roster(
    version=7,
    members={MemberId("m001"): Member(MemberId("m001"), FormulaId("subscriber"), date(2026, 1, 1), None)},
    cards={CardKey("k1"): Card(CardKey("k1"), MemberId("m001"), blocked=False)},
    closures=frozenset({date(2026, 12, 25)}),
    hours=WeeklyHours.parse({"monday": ("09:00-12:00",)}),
    visitors={CardKey("v"): VisitorCard(CardKey("v"), 3, NOON, blocked=False)},
    bookings=(Booking(BookingId("b"), None, CardKey("g"), NOON, datetime(2026, 11, 24, tzinfo=UTC), 2),),
    lockdown=Lockdown(Alarm.EXERCISE, NOON, None),
)


def places(folder: Path) -> tuple[Path, Path]:
    state, run = folder / "state", folder / "run"
    state.mkdir()
    run.mkdir()
    (state / "roster.key").write_bytes(KEY)
    return state, run


def test_what_is_kept_is_read_again_without_print_names(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    named = Roster(**{name: getattr(ROSTER, name) for name in Roster.__slots__} | {"aliases": {}})
    with_alias = Roster(7, ROSTER.members, ROSTER.cards, {"anne.bailly": Alias(AliasId("a"), MemberId("m001"))})
    assert KeptList(state, run).keep(with_alias, NOON)
    assert b"anne" not in (state / "door.list").read_bytes()
    assert KeptList(state, run).keep(ROSTER, NOON)
    found = KeptList(state, run).read()
    assert found is not None
    assert (found.roster, found.at) == (named, NOON)
    assert (state / "door.list").stat().st_mode & 0o777 == 0o600


def test_the_paper_keeps_print_names_that_only_who_has_them_can_find(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    anne = Alias(AliasId("a"), MemberId("m001"))
    payer = Payer(MemberId("p01"), FormulaId("occasional"), None, frozenset({MemberId("m001")}), "bailly sarl")
    roster = Roster(7, aliases={"anne.bailly": anne}, payers={payer.id: payer})
    assert KeptList(state, run, "paper", names=True).keep(roster, NOON)
    kept = (state / "paper.list").read_bytes()
    assert b"anne" not in kept
    assert b"bailly" not in kept
    (state / "roster.key").unlink()  # the copy of the key does
    found = KeptList(state, run, "paper", names=True).read()
    assert found is not None
    assert found.roster.aliases.get("anne.bailly") == anne
    assert found.roster.aliases.get("anne") is None
    assert found.roster.payers == {payer.id: replace(payer, folded="")}
    assert list(found.roster.aliases) == []
    assert KeptList(state, run).read() is None  # the door has kept none


def test_without_the_memory_of_the_run_the_disk_remembers_and_the_other_way_round(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    for gone in (state, run):
        assert KeptList(state, run).keep(ROSTER, NOON)
        (gone / "door.list").unlink()
        found = KeptList(state, run).read()
        assert found is not None
        assert found.roster == ROSTER


def test_the_newest_of_two_lists_counts(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    assert KeptList(state, run).keep(ROSTER, NOON)
    old = (state / "door.list").read_bytes()
    assert KeptList(state, run).keep(Roster(8), NOON)
    (state / "door.list").write_bytes(old)  # the disk was full when the roster changed
    found = KeptList(state, run).read()
    assert found is not None
    assert found.roster.version == 8


def test_a_full_disk_leaves_the_list_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state, run = places(tmp_path)
    kept = KeptList(state, run)
    (state / f".door.list.{os.getpid()}").mkdir()  # nothing can be written aside there
    (state / f".door.list.{os.getpid()}" / "x").touch()
    assert not kept.keep(ROSTER, NOON)
    assert not kept.keep(ROSTER, NOON)
    assert not (state / "door.list").exists()
    assert caplog.text.count("could not be kept") == 1
    assert KeptList(state, run).read() is not None


@pytest.mark.parametrize("cut", [0, 10, 64, 65, 200])
def test_a_torn_list_is_no_list(tmp_path: Path, cut: int) -> None:
    state, run = places(tmp_path)
    KeptList(state, run).keep(ROSTER, NOON)
    for folder in (state, run):
        (folder / "door.list").write_bytes((folder / "door.list").read_bytes()[:cut])
    assert KeptList(state, run).read() is None


def test_an_edited_or_foreign_list_is_no_list(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    KeptList(state, run).keep(ROSTER, NOON)
    (run / "door.list").unlink()
    good = (state / "door.list").read_bytes()
    (state / "door.list").write_bytes(good.replace(b"m001", b"m002"))
    assert KeptList(state, run).read() is None
    (state / "door.list").write_bytes(good)
    (state / "roster.key").write_bytes(bytes(32))
    assert KeptList(state, run).read() is None


def test_a_damaged_key_is_replaced_by_the_door_s_own_copy(tmp_path: Path) -> None:
    state, run = places(tmp_path)
    first = KeptList(state, run)
    first.keep(ROSTER, NOON)
    hashed = first.card_key(CardNumber("0F00A1B2C3"))
    (state / "roster.key").write_bytes(b"short")
    later = KeptList(state, run)
    assert later.card_key(CardNumber("0F00A1B2C3")) == hashed
    assert later.read() is not None
    assert (state / "door.key").stat().st_mode & 0o777 == 0o600


def test_without_any_key_nothing_is_kept_and_nobody_known(tmp_path: Path) -> None:
    kept = KeptList(tmp_path, tmp_path)
    assert kept.card_key(CardNumber("0F00A1B2C3")) is None
    assert not kept.keep(ROSTER, NOON)
    assert kept.read() is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, left: int) -> None:
    """Fill a disk to its last byte but `left` pages."""
    with (folder / "filler").open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() // 4096 - left) * 4096)


@pytest.mark.parametrize("left", range(4))
def test_a_disk_really_full_keeps_the_old_list_whole(
    small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    """However much of the new list still fits, the disk holds the old one; the newer lives in memory, and is said."""
    run = tmp_path / "run"
    run.mkdir()
    (small_disk / "roster.key").write_bytes(KEY)
    kept = KeptList(small_disk, run)
    assert kept.keep(ROSTER, NOON)
    old = (small_disk / "door.list").read_bytes()
    fill(small_disk, left)
    many = {CardKey(f"{n:064x}"): Card(CardKey(f"{n:064x}"), MemberId("m001"), blocked=False) for n in range(500)}
    newer = Roster(8, ROSTER.members, many)
    assert len(many) * 64 > 4 * 4096  # more than what is left, whatever is left
    assert not kept.keep(newer, NOON)
    assert not kept.keep(newer, NOON)  # it is tried again, and said once
    assert caplog.text.count("could not be kept in") == 1
    assert "No space left on device" in caplog.text
    assert (small_disk / "door.list").read_bytes() == old
    assert not [one.name for one in small_disk.iterdir() if one.name.startswith(".door.list")]
    assert KeptList(small_disk, run).read() == Kept(newer, NOON)
    (run / "door.list").unlink()  # the power was cut
    assert KeptList(small_disk, run).read() == Kept(ROSTER, NOON)
    (small_disk / "filler").unlink()
    assert kept.keep(newer, NOON)  # there is room again: the disk takes it, with no change of the roster
    assert KeptList(small_disk, run).read() == Kept(newer, NOON)
