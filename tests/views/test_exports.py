"""The statement file: literal bytes, the same twice, and what falls into a month."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from agent.config import ConfigError, SiteCard
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.members import Member, Roster, RosterChanged
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.paper import CopiesCounted, PrintsUnmatched
from agent.rules.presence import VisitEnded, VisitEvidence
from agent.rules.pricelist import read_tariff
from agent.rules.retention import DayCounted
from agent.rules.tariff import Line, Statement, StatementIssued, statement
from agent.rules.usage import Item, Usage
from agent.views import exports
from agent.views.exports import Issued, issue_statement, month_statement, render
from drivers.contract import Moment, Trust

SITE = SiteCard(name="La Cordée Morez", code="morez")
EXAMPLE = Path(exports.__file__).parent / "tariff-example.toml"
TARIFF = read_tariff(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"), parse_float=Decimal))
ANNE, BOB = MemberId("m001"), MemberId("m002")
SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")
ROSTER = Roster(
    version=1,
    members={
        ANNE: Member(ANNE, SUB, date(2026, 1, 1), None),
        BOB: Member(BOB, OCC, date(2026, 11, 10), None),
    },
)


def at(text: str, trust: Trust = Trust.SYNCHRONISED) -> Moment:
    return Moment(datetime.fromisoformat(text).replace(tzinfo=UTC), 1.0, "boot", trust)


class Fixed:
    """A clock that stands still, at another time for each run."""

    def __init__(self, text: str) -> None:
        self._at = at(text)

    def now(self) -> Moment:
        return self._at


class Book:
    """A ledger to write into, one key after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._n = 0

    def write(self, fact: Fact, when: str, trust: Trust = Trust.SYNCHRONISED) -> None:
        self._n += 1
        self.ledger.append_now(fact, at(when, trust), f"k{self._n}")

    def visit(self, member: MemberId, formula: FormulaId, ended: str, minutes: int, written: str = "") -> None:
        end = at(ended).utc
        fact = VisitEnded(
            f"{member}-{ended}", member, formula, end - timedelta(minutes=minutes), end, minutes, VisitEvidence.ANIMATOR
        )
        self.write(fact, written or ended)

    def prints(
        self, member: MemberId, formula: FormulaId, when: str, mono: int, colour: int = 0, low: int = -1
    ) -> None:
        sides = mono + colour
        self.write(
            PagesCounted(
                "copieur", "S1", f"S1:{self._n}", AliasId("a1"), member, formula, mono, colour, sides,
                sides if low < 0 else low, sides, Evidence.DEVICE, "completed",
            ),
            when,
        )  # fmt: skip

    def issue(self, folder: Path, form: str, clock: str = "2026-12-01T08:00:00") -> Issued:
        return issue_statement(self.ledger, ROSTER, TARIFF, SITE, "2026-11", form, folder, Fixed(clock))

    def month(self, month: str = "2026-11") -> Statement:
        return month_statement(self.ledger, ROSTER, TARIFF, SITE, month)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield Book(ledger)


def told(made: Statement) -> list[tuple[str, str, int, str]]:
    return [(line.member, line.item.value, line.quantity, str(line.amount)) for line in made.lines]


def november(book: Book) -> None:
    book.write(RosterChanged("cli", "member-added", ANNE, SUB), "2026-01-01T08:00:00")
    book.write(RosterChanged("cli", "card-given", ANNE, FormulaId("")), "2026-01-01T08:00:01")
    book.prints(ANNE, SUB, "2026-11-23T09:00:00", 40)
    book.prints(ANNE, SUB, "2026-11-24T09:00:00", 30, 2)
    book.write(CopiesCounted("copieur", "S1", 1, "v", ANNE, SUB, 3, 0, 3, 0), "2026-11-24T10:00:00")
    book.write(CopiesCounted("copieur", "S1", 1, "", MemberId(""), FormulaId(""), 3, 0, 6, 0), "2026-11-24T11:00:00")
    book.write(PrintsUnmatched("copieur", "S1", 1, 0, 1, 70, 3), "2026-11-24T12:00:00")
    book.prints(MemberId(""), FormulaId(""), "2026-11-24T13:00:00", 5)
    book.visit(BOB, OCC, "2026-11-23T11:10:00", 130)
    book.prints(BOB, OCC, "2026-11-25T09:00:00", 4, low=1)


NOVEMBER_CSV = (
    "Mois;Site;Compte;Formule;Article;Tarif du;Quantité;Gratuit;Facturé;Unité;Prix unitaire;Pour;Montant;Devise;"
    "À vérifier;Ancre du journal\r\n"
    "2026-11;morez;m001;subscriber;Adhésion;01/01/2020;1;0;1;mois;24,00;1;24,00;EUR;;\r\n"
    "2026-11;morez;m001;subscriber;Abonnement;01/01/2020;1;0;1;mois;90,00;1;90,00;EUR;;\r\n"
    "2026-11;morez;m001;subscriber;Impression noir et blanc;01/01/2020;70;50;20;face;0,05;1;1,00;EUR;;\r\n"
    "2026-11;morez;m001;subscriber;Impression couleur;01/01/2020;2;0;2;face;0,25;1;0,50;EUR;;\r\n"
    "2026-11;morez;m001;subscriber;Copie noir et blanc;01/01/2020;3;0;3;face;0,05;1;0,15;EUR;;\r\n"
    "2026-11;morez;m002;occasional;Adhésion;01/01/2020;1;0;1;mois;24,00;1;24,00;EUR;;\r\n"
    "2026-11;morez;m002;occasional;Présence;01/01/2020;135;0;135;minute;2,50;60;5,63;EUR;;\r\n"
    "2026-11;morez;m002;occasional;Impression noir et blanc;01/01/2020;1;0;1;face;0,05;1;0,05;EUR;3;\r\n"
    "2026-11;morez;(site);;Impression noir et blanc;;5;0;5;face;;1;0,00;EUR;;\r\n"
    "2026-11;morez;(site);;Papier non attribué noir et blanc;;3;0;3;face;;1;0,00;EUR;;\r\n"
    "2026-11;morez;(site);;Papier non attribué couleur;;1;0;1;face;;1;0,00;EUR;;\r\n"
)


def test_november_to_the_byte(book: Book) -> None:
    november(book)
    assert render(book.month(), "csv", "morez") == b"\xef\xbb\xbf" + NOVEMBER_CSV.encode()
    assert book.month().total == Decimal("145.33")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_run_twice_the_same_bytes_and_one_fact(book: Book, tmp_path: Path, form: str) -> None:
    november(book)
    head = str(book.ledger.head())
    first = book.issue(tmp_path / "out", form)
    content = first.path.read_bytes()
    assert first.path.name == f"releve_morez_2026-11.{form}"
    assert first.fact == StatementIssued("2026-11", form, sha256(content).hexdigest(), head)
    book.write(RosterChanged("cli", "card-given", BOB, FormulaId("")), "2026-12-02T08:00:00")
    again = book.issue(tmp_path / "elsewhere", form, "2026-12-05T08:00:00")
    assert again.again
    assert again.path.read_bytes() == content
    assert [entry.fact for entry in book.ledger.entries(StatementIssued)] == [first.fact]
    assert [file.name for file in (tmp_path / "out").iterdir()] == [first.path.name]  # nothing left aside


def test_a_change_makes_a_new_file_and_a_new_fact(book: Book, tmp_path: Path) -> None:
    november(book)
    first = book.issue(tmp_path, "csv")
    book.prints(ANNE, SUB, "2026-11-30T22:59:59", 1)
    second = book.issue(tmp_path, "csv")
    assert not second.again
    assert second.fact.sha256 != first.fact.sha256
    assert book.issue(tmp_path, "csv").again
    assert len(list(book.ledger.entries(StatementIssued))) == 2
    assert book.issue(tmp_path, "json").fact.format == "json"


def test_json_for_machines(book: Book, tmp_path: Path) -> None:
    november(book)
    issued = book.issue(tmp_path, "json")
    whole = json.loads(issued.path.read_text(encoding="utf-8"))
    assert (whole["schema"], whole["total"], whole["ledger_head"]) == (
        "gardien-statement/1",
        "145.33",
        issued.fact.head,
    )
    assert len(whole["lines"]) == 11
    assert len({line["line_id"] for line in whole["lines"]}) == 11
    assert whole["lines"][6] == {
        "line_id": "morez:2026-11:m002:visit:occasional:2020-01-01",
        "member": "m002",
        "item": "visit",
        "formula": "occasional",
        "tariff_since": "2020-01-01",
        "quantity": 135,
        "free": 0,
        "unit": "minute",
        "unit_price": "2.50",
        "per": 60,
        "amount": "5.63",
        "uncertain": 0,
        "correction": False,
    }
    assert sum(Decimal(line["amount"]) for line in whole["lines"]) == Decimal(whole["total"])


def test_a_month_is_what_was_written_down_in_it_on_the_sites_calendar(book: Book) -> None:
    book.prints(BOB, OCC, "2026-10-31T22:59:59", 1)  # 23:59:59 in Paris: October
    book.prints(BOB, OCC, "2026-10-31T23:00:00", 10)  # midnight in Paris
    book.prints(BOB, OCC, "2026-11-30T22:59:59", 100)
    book.prints(BOB, OCC, "2026-11-30T23:00:00", 1000)
    book.visit(BOB, OCC, "2026-11-30T17:00:00", 60, written="2026-12-01T08:00:00")  # said the next morning
    assert [line for line in told(book.month()) if line[1] != "membership"] == [
        ("m001", "subscription", 1, "90.00"),
        ("m002", "print-mono", 110, "5.50"),
    ]
    december = told(book.month("2026-12"))
    assert ("m002", "visit", 60, "2.50") in december
    assert ("m002", "print-mono", 1000, "50.00") in december


@pytest.mark.parametrize(
    ("month", "came", "left", "minutes", "amount"),
    [
        ("2026-10", "2026-10-24T22:00:00", "2026-10-25T05:00:00", 420, "17.50"),  # midnight to six: seven hours
        ("2027-03", "2027-03-27T23:00:00", "2027-03-28T04:00:00", 300, "12.50"),  # midnight to six: five
    ],
)
def test_the_nights_the_wall_clock_jumps(
    book: Book, month: str, came: str, left: str, minutes: int, amount: str
) -> None:
    assert (at(left).utc - at(came).utc) == timedelta(minutes=minutes)
    book.visit(BOB, OCC, left, minutes)
    assert ("m002", "visit", minutes, amount) in told(book.month(month))


def test_what_was_written_under_an_unbelieved_clock_is_not_lost(book: Book) -> None:
    book.prints(BOB, OCC, "2026-11-20T08:00:00", 1)
    book.write(CopiesCounted("copieur", "S1", 1, "v", BOB, OCC, 7, 0, 7, 0), "1970-01-01T00:00:30", Trust.UNKNOWN)
    assert ("m002", "copy-mono", 7, "0.35") in told(book.month())


def test_a_month_of_which_only_day_sums_are_left_is_refused(book: Book) -> None:
    november(book)
    labels = (("member", "m001"),)
    book.write(DayCounted("entry-decided", date(2026, 11, 23), "x", labels, Decimal(1)), "2027-12-31T08:00:00")
    book.write(DayCounted("visit-ended", date(2026, 10, 23), "x", labels, Decimal(1)), "2027-12-31T08:00:00")
    assert len(book.month().lines) == 11
    book.write(DayCounted("visit-ended", date(2026, 11, 23), "y", labels, Decimal(1)), "2027-12-31T08:00:00")
    with pytest.raises(LedgerError) as refused:
        book.month()
    assert str(refused.value) == (
        "the details of 2026-11 were redacted: "
        "no statement was issued while they were kept, and only sums by day are left"
    )
    book.write(StatementIssued("2026-11", "csv", "ab" * 32, "11:cd"), "2027-12-31T08:00:00")
    with pytest.raises(LedgerError, match=r"redacted: the statement issued then \(csv\) is the one that counts"):
        book.month()


def test_a_missing_price_is_a_fault_of_the_tariff(book: Book) -> None:
    book.visit(BOB, FormulaId("student"), "2026-11-23T11:10:00", 130)
    with pytest.raises(ConfigError) as caught:
        book.month()
    assert caught.value.faults == ('tariff: no price for the formula "student" on 2026-11-23',)


def test_no_cell_runs_as_a_formula_and_corrections_are_named() -> None:
    evil = MemberId("=1+1")
    made = statement("2026-11", [Usage(date(2026, 11, 2), evil, OCC, Item.COPY_COLOUR, -4)], TARIFF, {})
    rows = list(csv.reader(io.StringIO(render(made, "csv", "morez").decode("utf-8-sig")), delimiter=";"))
    assert rows[1][2:9] == ["'=1+1", "occasional", "Régularisation : Copie couleur", "01/01/2020", "-4", "0", "-4"]
    assert rows[1][12] == "-1,00"
    assert json.loads(render(made, "json", "morez"))["lines"][0]["line_id"].endswith(":correction")


def test_every_article_and_unit_has_french_words() -> None:
    assert set(exports.ARTICLES) == set(Item)
    for item in Item:
        line = Line(ANNE, item, OCC, None, 1, 0, None, 1, Decimal(0))
        assert line.unit in exports.UNITS


def test_the_shipped_tariff_never_falls_with_time() -> None:
    for formula in (SUB, OCC):
        costs = [
            statement("2026-11", [Usage(date(2026, 11, 2), ANNE, formula, Item.VISIT, minutes)], TARIFF, {}).total
            for minutes in range(1, 1441)
        ]
        assert costs == sorted(costs)
