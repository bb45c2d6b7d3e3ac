"""The books in the terminal: they close, they still close after thirteen months, and they say when they do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.memory.ledger import Ledger
from agent.rules.books import Books
from agent.rules.claims import Claim
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.pages import AttemptCounted, Errand, Evidence, Owner
from agent.rules.paper import PrintedPast
from agent.rules.past import HOUSE, attributed
from agent.rules.retention import DayCounted
from agent.rules.settlement import PrintSettled, Why
from drivers.contract import Counters, DeviceId, DeviceReading, DeviceState, JobState, Moment, Trust

PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ANNE = Owner(AliasId("a1"), MemberId("m1"), FormulaId("occasional"))
SITE = """
[site]
name = "Ici"
code = "ici"
timezone = "Europe/Paris"
[printers.copieur]
kind = "sim"
"""


def moment(after_h: float) -> Moment:
    return Moment(START + timedelta(hours=after_h), 3600 * after_h, "boot", Trust.SYNCHRONISED)


def look(at_h: float, prints: int, copies: int) -> DeviceReading:
    counters = Counters(prints, 0, copies, 0, prints + copies)
    idle = DeviceState.IDLE
    return DeviceReading(moment(at_h), DeviceId("copieur"), "S1", idle, (), (), counters, (), settled=True)


def write(
    ledger: Ledger, books: Books, at_h: float, prints: int, copies: int, row: AttemptCounted | None = None
) -> None:
    """Do with a look what the clerk does."""
    if row is not None:
        ledger.append_now(row, moment(at_h), books.key(row))
        books.learn(row, moment(at_h))
    for fact in books.judge(look(at_h, prints, copies)):
        ledger.append_now(fact, moment(at_h), books.key(fact))
        books.learn(fact, moment(at_h))


def row(name: str, sides: int, high: int = 0) -> AttemptCounted:
    claim = Claim("copieur", "S1", name, ANNE, None, JobState.COMPLETED, errand=Errand(spooled=f"copieur/{name}"))
    return claim.row(sides, 0, high or sides, Evidence.CLAIMED if high else Evidence.DEVICE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        books = Books("copieur", 90.0, zone=PARIS)
        write(ledger, books, 0, 1000, 300)
        write(ledger, books, 1, 1007, 300, row("a", 7))
        write(ledger, books, 2, 1007, 304)  # nobody badged
        write(ledger, books, 3, 1009, 304, row("b", 2, high=20))
        write(ledger, books, 25, 1009, 304)  # the next day closes the books of the first
        write(ledger, books, 26, 1012, 304, row("c", 3))
        said = PrintSettled(
            *("b", "copieur", 0, 1, MemberId("m1"), FormulaId("occasional")),
            *(2, 0, 2, 0, 2, 2, 2, 0, False, Why.PAPER, "a1"),
        )
        ledger.append_now(said, moment(27), "settle:b:1")
    return tmp_path


def gardien(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--site", str(home / "site.toml"), "--state", str(home), *args])


def test_the_balance_is_said_and_is_the_same_after_thirteen_months(home: Path) -> None:
    before = gardien(home, "paper", "balance", "--month", "2026-11")
    assert before.exit_code == 0, before.output
    assert before.output == (
        "copieur (S1, livre 1): 1300 + 12 impressions + 0 copies + 4 sans personne = 1316 ; 18 à vérifier\n"
    )
    with Ledger.open(home / "ledger.db") as ledger:
        books = Books("copieur", 90.0, zone=PARIS)
        for entry in ledger.entries():
            books.learn(entry.fact, entry.at)
        write(ledger, books, 49, 1012, 304)  # the last day is closed before it is forgotten
        ledger.redact(moment(24 * 400), PARIS)
        days = [one.fact for one in ledger.entries(DayCounted)]
    assert ("member_sides", "m1", 9) in [(d.name, dict(d.labels).get("member"), int(d.amount)) for d in days]
    after = gardien(home, "paper", "balance", "--month", "2026-11")
    assert after.exit_code == 0
    assert after.output == before.output
    assert gardien(home, "jobs").output == "aucune impression — no print\n"


def test_the_jobs_stand_as_they_were_settled(home: Path) -> None:
    told = json.loads(gardien(home, "jobs", "--json").output)["jobs"]
    assert [(one["attempt"], one["spooled"], one["member"], one["mono"], one["low"], one["high"]) for one in told] == [
        ("a", "copieur/a", "m1", 7, 7, 7),
        ("b", "copieur/b", "m1", 2, 2, 2),
        ("c", "copieur/c", "m1", 3, 3, 3),
    ]
    lines = gardien(home, "jobs", "-n", "1").output
    line = "2026-11-03 11:00  copieur  m1  3 faces dont 0 couleur, 3 feuilles  completed  device\n"
    assert lines == "2 plus anciennes ne sont pas montrées : -n 0 — older ones are not shown\n" + line
    assert gardien(home, "jobs", "--month", "2026-12").output == "aucune impression — no print\n"
    assert gardien(home, "jobs", "--month", "november").exit_code == 2


def test_a_balance_says_that_it_is_in_clicks_where_these_are_not_sides(home: Path) -> None:
    assert "clics" not in gardien(home, "paper", "balance").output
    file = home / "site.toml"
    file.write_text(file.read_text().replace("[printers.copieur]", "[printers.copieur]\na3_clicks = 2"))
    assert "; en clics, 2 pour une face A3" in gardien(home, "paper", "balance").output


def test_whoever_adds_up_a_month_is_shown_all_of_it(home: Path) -> None:
    with Ledger.open(home / "ledger.db") as ledger:
        for number in range(60):
            ledger.append_now(row(f"more{number}", 1), moment(28), f"more{number}")
    assert len(gardien(home, "jobs", "--month", "2026-11").output.splitlines()) == 63
    assert len(json.loads(gardien(home, "jobs", "--month", "2026-11", "--json").output)["jobs"]) == 63
    newest = gardien(home, "jobs").output.splitlines()
    assert (len(newest), newest[0]) == (51, "13 plus anciennes ne sont pas montrées : -n 0 — older ones are not shown")
    assert len(gardien(home, "jobs", "-n", "0").output.splitlines()) == 63


def test_a_row_the_counters_never_saw_is_balanced_by_minus_unattributed(home: Path) -> None:
    with Ledger.open(home / "ledger.db") as ledger:
        ledger.append_now(row("forged", 5), moment(28), "forged")
        books = Books("copieur", 90.0, zone=PARIS)
        for entry in ledger.entries():
            books.learn(entry.fact, entry.at)
        write(ledger, books, 49, 1012, 304)
        write(ledger, books, 50, 1012, 304)
    told = json.loads(gardien(home, "paper", "balance", "--json").output)
    assert told["ok"]  # the counters did not see it: it stands as minus five unattributed, and the books still close
    assert told["books"][0]["unattributed"] == -1


def test_a_print_past_the_box_is_among_the_jobs_and_the_balance_says_what_was_given_of_it(home: Path) -> None:
    none = (MemberId(""), FormulaId(""))
    stray = PrintedPast("copieur", "S1", 1, 5, 0, 1017, 0, "S1/9/u9")
    with Ledger.open(home / "ledger.db") as ledger:
        ledger.append_now(stray, moment(28), stray.attempt)
        ledger.append_now(PrintedPast("copieur", "S1", 1, 0, 0, 1017, 0, "S1/8/u8"), moment(28), "S1/8/u8")  # no print
    alone = gardien(home, "paper", "balance").output
    assert alone == "copieur (S1, livre 1): 1300 + 12 impressions + 0 copies + 9 sans personne = 1321 ; 18 à vérifier\n"
    line = "2026-11-03 13:00  copieur  {}  5 faces dont 0 couleur, 3 feuilles  completed  device"
    line += "  sans passer par le boîtier\n"
    assert gardien(home, "jobs", "-n", "1").output.splitlines(keepends=True)[1:] == [line.format("(personne)")]
    for turn, who in enumerate((MemberId("m1"), HOUSE), 1):
        with Ledger.open(home / "ledger.db") as ledger:
            said = attributed(stray.attempt, stray, none, (who, FormulaId("")), turn, "a1")
            ledger.append_now(said, moment(29), f"past:{stray.attempt}:{turn}")
        assert gardien(home, "jobs").output.endswith(line.format("(la maison)" if who == HOUSE else "m1"))
        balance = gardien(home, "paper", "balance")
        assert balance.output == alone.replace("\n", " ; 5 de ces « sans personne » attribués depuis\n")
        assert balance.exit_code == 0
    told = json.loads(gardien(home, "paper", "balance", "--month", "2026-11", "--json").output)
    assert [(one["unattributed"], one["given"], one["difference"]) for one in told["books"]] == [(9, 5, 0)]
