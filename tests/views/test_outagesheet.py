"""A month of the links for their provider: every row, to the second."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.config import DEFAULT_HOURS
from agent.memory.ledger import Ledger
from agent.rules.access import BoxRestarted
from agent.rules.facts import Fact
from agent.rules.hours import WeeklyHours
from agent.rules.linkfacts import Cause, Health, LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.linkmonth import link_month
from agent.rules.linkpast import Past, follow
from agent.views.outagesheet import sheet
from drivers.contract import Moment, Trust
from tests.test_cli import SITE, call

PARIS = ZoneInfo("Europe/Paris")
UP, DOWN, UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0, month: int = 10) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


def told(since: datetime, was: Health, now: Health, cause: Cause) -> tuple[datetime, LinkChanged]:
    return since + timedelta(seconds=3), LinkChanged("adsl1", was, now, cause, since, "")


FACTS: tuple[tuple[datetime, Fact], ...] = (
    told(at(20, month=9), UNKNOWN, UP, Cause.NONE),
    told(at(5, 9, 15, 7), UP, DOWN, Cause.LINE),
    told(at(5, 10, 15, 40), DOWN, UP, Cause.NONE),
    told(at(25, 0, 30), UP, DOWN, Cause.CABLE),  # the night the clocks go back: 02:30, twice
    told(at(25, 1, 30), DOWN, UP, Cause.NONE),
    told(at(26, 9), UP, DOWN, Cause.BOX),
    (at(26, 9, 1), BoxRestarted("adsl1", "a1")),
    told(at(26, 9, 2, 30), DOWN, UP, Cause.NONE),
    told(at(28), UP, UNKNOWN, Cause.GAP),
    told(at(29), UNKNOWN, UP, Cause.NONE),
    (at(5, 9, 25), OutageReported("adsl1", at(5, 9, 15, 7), at(5, 9, 20), "AB-12", "a1")),
    (at(6, 3), LinkRated("adsl1", 12_300_000, 17_000_000, 1_048_576, "")),
    (at(7, 3), LinkRated("adsl1", None, 17_000_000, 0, "busy")),
)
OCTOBER = (at(30, 22, month=9), at(31, 23))  # of the wall clock in Paris: 745 hours
ROWS = (
    "Mois;Site;Lien;Quoi;Début;Fin;Secondes;Part;Cause;Compte;Tolérance;Signalé;Dossier;Rétabli après;Débit;Contrat",
    (
        "2026-10;morez;Orange;coupure;2026-10-05T11:15:07+02:00;2026-10-05T12:15:40+02:00;3633;;line;oui;2;"
        "2026-10-05T11:20:00+02:00;AB-12;3340;;"
    ),
    "2026-10;morez;Orange;câble;2026-10-25T02:30:00+02:00;2026-10-25T02:30:00+01:00;3600;;cable;non;;;;;;",
    "2026-10;morez;Orange;redémarrage;2026-10-26T10:00:00+01:00;2026-10-26T10:02:30+01:00;150;;box;non;;;;;;",
    "2026-10;morez;Orange;non mesuré;2026-10-28T01:00:00+01:00;2026-10-29T01:00:00+01:00;86400;;gap;non;;;;;;",
    "2026-10;morez;Orange;débit;2026-10-06T05:00:00+02:00;;;72,3529;;;;;;;12,30;17,00",
    "2026-10;morez;Orange;total mesuré;;;2591850;;;oui;;;;;;",
    "2026-10;morez;Orange;total coupé;;;3633;;;oui;;;;;;",
    "2026-10;morez;Orange;total non mesuré;;;86400;;;non;;;;;;",
    "2026-10;morez;Orange;total câble;;;3600;;;non;;;;;;",
    "2026-10;morez;Orange;total redémarrage;;;150;;;non;;;;;;",
    "2026-10;morez;Orange;disponibilité;;;;99,8598;;oui;;;;;;",
    # 22 working days of 9 hours, one of them in the gap; the restart took 150 s of them
    "2026-10;morez;Orange;total mesuré aux heures d'ouverture;;;680250;;;oui;;;;;;",
    "2026-10;morez;Orange;total coupé aux heures d'ouverture;;;3633;;;oui;;;;;;",
    "2026-10;morez;Orange;total non mesuré aux heures d'ouverture;;;32400;;;non;;;;;;",
    "2026-10;morez;Orange;total câble aux heures d'ouverture;;;0;;;non;;;;;;",
    "2026-10;morez;Orange;total redémarrage aux heures d'ouverture;;;150;;;non;;;;;;",
    "2026-10;morez;Orange;disponibilité aux heures d'ouverture;;;;99,4659;;oui;;;;;;",
)
WEEK = WeeklyHours.parse(dict(DEFAULT_HOURS))
OPENINGS = WEEK.openings(date(2026, 10, 1), date(2026, 11, 1), frozenset(), PARIS)


def test_every_state_is_a_row_and_the_sums_are_those_of_the_rows() -> None:
    month = link_month(follow(Past(), FACTS), "adsl1", OCTOBER, OPENINGS, at(1, month=11), 1.0)
    made = sheet([("Orange", month)], ("2026-10", "morez"), PARIS)
    assert made[:3] == b"\xef\xbb\xbf"
    assert made[3:].decode().split("\r\n") == [*ROWS, ""]


def test_a_link_never_measured_has_no_share() -> None:
    month = link_month(Past(), "adsl2", OCTOBER, (), at(1, month=11), 1.0)
    lines = sheet([("=Free", month)], ("2026-10", "morez"), PARIS).decode().splitlines()
    assert lines.pop(1) == (
        "2026-10;morez;'=Free;pas encore en service;"
        "2026-10-01T00:00:00+02:00;2026-11-01T00:00:00+01:00;2682000;;;non;;;;;;"
    )
    assert lines[1] == "2026-10;morez;'=Free;total mesuré;;;0;;;oui;;;;;;"
    assert lines[6] == "2026-10;morez;'=Free;disponibilité;;;;;;oui;;;;;;"


def test_before_its_first_measurement_a_link_was_not_in_service_and_nothing_is_missing() -> None:
    facts = (told(at(8, 12), UNKNOWN, UP, Cause.NONE), told(at(9, 12), UP, UNKNOWN, Cause.GAP))
    month = link_month(follow(Past(), facts), "adsl1", OCTOBER, (), at(1, month=11), 1.0)
    lines = sheet([("Orange", month)], ("2026-10", "morez"), PARIS).decode().splitlines()
    assert lines[1:3] == [
        (
            "2026-10;morez;Orange;pas encore en service;"
            "2026-10-01T00:00:00+02:00;2026-10-08T14:00:00+02:00;655200;;;non;;;;;;"
        ),
        "2026-10;morez;Orange;non mesuré;2026-10-09T14:00:00+02:00;2026-11-01T00:00:00+01:00;1940400;;gap;non;;;;;;",
    ]
    assert lines[5] == "2026-10;morez;Orange;total non mesuré;;;1940400;;;non;;;;;;"


def test_what_is_not_kept_at_hand_is_said() -> None:
    month = link_month(follow(Past(), FACTS, kept=2), "adsl1", OCTOBER, (), at(1, month=11), 1.0)
    lines = sheet([("Orange", month)], ("2026-10", "morez"), PARIS).decode().splitlines()
    assert lines[1] == "2026-10;morez;Orange;non repris;;2026-10-28T01:00:00+01:00;;;;non;;;;;;"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "site.toml").write_text(SITE + '[links.adsl1]\nkind = "sim"\nlabel = "Orange"\n', encoding="utf-8")
    return tmp_path


def test_ops_type_it(site: Path) -> None:
    with Ledger.open(site / "state/ledger.db") as ledger:
        for number, (utc, fact) in enumerate(FACTS):
            ledger.append_now(fact, Moment(utc, 1.0 + number, "boot-1", Trust.SYNCHRONISED), f"test:{number}")
        last = LinkMeasured("adsl1", UP, Cause.NONE, at(1, month=11), 3600.0, 7200, 3)
        ledger.append_now(last, Moment(at(1, month=11), 99.0, "boot-1", Trust.SYNCHRONISED), "test:last")
    done = call(site, "links", "report", "--month", "2026-10")
    assert done.exit_code == 0
    assert done.stdout_bytes.removeprefix(b"\xef\xbb\xbf").decode().split("\r\n") == [*ROWS, ""]


def test_a_link_that_was_taken_out_comes_last_and_its_rest_is_a_gap(site: Path) -> None:
    """Measured from 1 October, 14:00 of the wall clock, until 2 October, 14:00; nobody has measured adsl1."""
    began = LinkChanged("sfr", UNKNOWN, UP, Cause.NONE, at(1, 12), "")
    with Ledger.open(site / "state/ledger.db") as ledger:
        for utc, fact in ((at(1, 12), began), (at(2, 12), LinkMeasured("sfr", UP, Cause.NONE, at(2, 12), 9.0, 9, 0))):
            ledger.append_now(fact, Moment(utc, 1.0, "boot-1", Trust.SYNCHRONISED), f"test:{utc}")
    lines = call(site, "links", "report", "--month", "2026-10").stdout_bytes.decode().splitlines()
    assert [line.split(";")[2] for line in lines[1:]] == ["Orange"] * 13 + ["sfr"] * 14
    assert lines[14:18] == [
        "2026-10;morez;sfr;pas encore en service;2026-10-01T00:00:00+02:00;2026-10-01T14:00:00+02:00;50400;;;non;;;;;;",
        "2026-10;morez;sfr;non mesuré;2026-10-02T14:00:00+02:00;2026-11-01T00:00:00+01:00;2545200;;gap;non;;;;;;",
        "2026-10;morez;sfr;total mesuré;;;86400;;;oui;;;;;;",
        "2026-10;morez;sfr;total coupé;;;0;;;oui;;;;;;",
    ]
    lines = call(site, "links", "report", "--month", "2026-09").stdout_bytes.decode().splitlines()
    assert {line.split(";")[2] for line in lines[1:]} == {"Orange"}


@pytest.mark.parametrize("month", ["2026", "2026-13", "9999-11", "9999-12"])
def test_a_month_that_is_none_or_not_begun_is_refused(site: Path, month: str) -> None:
    assert call(site, "links", "report", "--month", month).exit_code == 2
