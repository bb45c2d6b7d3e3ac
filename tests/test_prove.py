"""`gardien door prove` on the emulated board: every fault is struck for real, and the report says what was seen."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.config import Places
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import DoorChanged, Passage
from agent.rules.facts import FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.presence import Reason, VisitCorrected, VisitEvidence, VisitStarted
from agent.services.prove import FAULTS, hindrance, prove
from agent.sitefile import read_site
from drivers.chips import _level_of
from drivers.clock import SystemClock
from drivers.contract import Moment, Trust
from drivers.peers.board import Board, BoardChip

pytestmark = pytest.mark.peers

NO_HOURS = "".join(f"{day} = []\n" for day in ("monday", "tuesday", "wednesday", "thursday", "friday"))


def site_file(folder: Path, chip: str, hours: str = NO_HOURS, strike: str = "emission") -> Path:
    file = folder / "site.toml"
    file.write_text(
        f"""[site]
name = "Essai"
code = "essai"
[hours]
{hours}
[door]
key_box = "à droite"
night_phone = "1"
[door.lock]
kind = "gpio"
chip = "{chip}"
strike = "{strike}"
hold_s = 0.6
cap_s = 2.0
""",
        encoding="utf-8",
    )
    return file


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "--site", folder / "site.toml", "--state", folder / "state"]
    command += ["--run", folder / "run", "door", "prove", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("strike", "pull"), [("emission", "down"), pytest.param("rupture", "up", marks=pytest.mark.soak)]
)
def test_every_fault_is_struck_and_the_report_written(tmp_path: Path, strike: str, pull: str) -> None:
    (tmp_path / "state").mkdir()
    with Board(tmp_path / "board", pulls={17: pull}) as board:
        site_file(tmp_path, board.chip, strike=strike)
        done = run(tmp_path)
        released = [change for change in board.record(17) if change.high is (strike == "emission")]
        resting = board.level(17) is (strike != "emission")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    text = reported(tmp_path)
    assert text.count("  réussi\n") == 10
    assert f"Serrure : {strike}" in text
    assert "RÉUSSI" in text
    assert "Ligne à la fin de la preuve : au repos" in text
    assert len(released) == 8
    assert resting


def reported(folder: Path) -> str:
    (report,) = (folder / "state").glob("door-prove-*.txt")
    return report.read_text(encoding="utf-8")


@pytest.mark.parametrize(("persist", "kept"), [(True, "persistance"), (False, "retombe à son tirage")])
def test_the_report_says_what_the_kernel_does_with_a_line_nobody_owns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, persist: bool, kept: str
) -> None:
    (tmp_path / "state").mkdir()
    orphaned = [fault for fault in FAULTS if fault.rest_after]
    monkeypatch.setattr("agent.services.prove.FAULTS", orphaned)
    with Board(tmp_path / "board", persist=persist) as board:
        file = site_file(tmp_path, board.chip)
        assert prove(read_site(file), file, Places(tmp_path / "state", tmp_path / "run"), print)[1]
    assert kept in reported(tmp_path)


def test_a_line_that_unlocks_without_its_box_is_found_and_a_service_that_cannot_start_is_told(tmp_path: Path) -> None:
    """The pull goes the wrong way; and another program holds the line, so that no latch gets it."""
    (tmp_path / "state").mkdir()
    with Board(tmp_path / "board", pulls={17: "up"}) as board:
        site_file(tmp_path, board.chip)
        chip = BoardChip(board.path)
        chip.claim_input(17, "up", edges=False)
        done = run(tmp_path)
        chip.close()
    assert done.returncode == 1
    text = reported(tmp_path)
    unowned = next(row for row in text.splitlines() if row.startswith("ligne sans propriétaire"))
    assert unowned.endswith("LIBÉRÉE (permis : au repos)  ÉCHEC")
    assert "une résistance vers le repos" in text
    assert "INTERROMPU : le service de porte n'a pas démarré" in text
    assert "cannot be claimed" in text


def test_it_waits_for_people(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    always = "".join(f'{day} = ["00:00-24:00"]\n' for day in days)
    site_file(tmp_path, "board:/nowhere", always)
    done = run(tmp_path)
    assert done.returncode == 1
    assert "Pas maintenant : le lieu est ouvert" in done.stderr
    assert run(tmp_path, "--people-know").returncode == 69  # no such board


def test_a_passage_a_moment_ago_is_people(tmp_path: Path) -> None:
    places, site = Places(tmp_path, tmp_path / "run"), read_site(site_file(tmp_path, "board:/nowhere"))
    clock = SystemClock()
    assert hindrance(site, places, clock) == ""
    long_ago = Moment(datetime.now(UTC) - timedelta(minutes=31), 1.0, "b", Trust.SYNCHRONISED)
    write(tmp_path, long_ago)
    assert hindrance(site, places, clock) == ""
    write(tmp_path, clock.now())
    assert "moins de 30 minutes" in hindrance(site, places, clock)


def test_the_hours_and_the_presence_of_the_page_count(tmp_path: Path) -> None:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    places, site = Places(tmp_path, tmp_path / "run"), read_site(site_file(tmp_path, "board:/nowhere"))
    clock, anne = SystemClock(), MemberId("m001")
    today = clock.now().utc.astimezone(ZoneInfo(site.site.timezone)).date()
    with Ledger.open(tmp_path / "ledger.db") as ledger, RosterStore.open(tmp_path, ledger, clock) as store:
        store.calendar.set_hours(WeeklyHours.parse(dict.fromkeys(days, ("00:00-24:00",))), actor="test")
        assert hindrance(site, places, clock) == "le lieu est ouvert"
        store.calendar.close_day(today, actor="test")
        assert hindrance(site, places, clock) == ""
        came = clock.now().utc - timedelta(hours=20)
        visit = VisitStarted("v1", anne, FormulaId("occasional"), came, VisitEvidence.ANIMATOR)
        ledger.append_now(visit, clock.now(), "v1")
        assert hindrance(site, places, clock) == "une visite n'est pas terminée"
        wrong = VisitCorrected("v1", 1, anne, visit.formula, came, came, 0, 0, True, Reason.MISTAKE, "a1")
        ledger.append_now(wrong, clock.now(), "v1:1")
        assert hindrance(site, places, clock) == ""  # it never was


def write(folder: Path, at: Moment) -> None:
    async def append() -> None:
        await ledger.append(DoorChanged(Passage.CLOSED, Passage.OPEN), at, str(at.mono_s))

    with Ledger.open(folder / "ledger.db") as ledger:
        asyncio.run(append())


def test_the_kernels_words_about_a_line() -> None:
    said = (
        "gpiochip0: GPIOs 512-565, parent: platform/3f200000.gpio, pinctrl-bcm2835:\n"
        " gpio-529 (GPIO17              |gardien             ) out hi \n"
        " gpio-534 (GPIO22              |gardien             ) in  lo IRQ \n"
        "\ngpiochip1: GPIOs 566-573, parent: platform/soc:firmware, raspberrypi-exp-gpio:\n"
        " gpio-583 (X |y ) out lo \n"
    )
    assert [_level_of(said, "gpiochip0", line) for line in (17, 22, 4)] == [True, False, None]
    assert _level_of(said, "gpiochip1", 17) is False
    assert _level_of(said, "gpiochip2", 17) is None
