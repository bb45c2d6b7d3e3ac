"""Ninety-one days later: the passages at the door are forgotten and proven so; what was billed stands to the byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.memory.ledger import Ledger, verify
from agent.rules.door import EntryDecided
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.members import Roster
from agent.rules.presence import Presence, VisitEnded, VisitEvidence, VisitStarted
from agent.rules.retention import Redacted
from agent.rules.tariff import StatementIssued
from agent.sitefile import read_tariff
from agent.views.exports import issue_statement
from drivers.contract import Moment, Trust
from tests.memory.desk import dishonest
from tests.views.scenes import SITE

ANNE, OCC = MemberId("m001"), FormulaId("occasional")
CARD = "5e" * 16
TARIFF = Path(__file__).parents[2] / "agent/views/tariff-example.toml"


class HandClock:
    utc = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

    def now(self) -> Moment:
        return Moment(self.utc, 1.0, "b1", Trust.SYNCHRONISED)


def test_a_billed_visit_lives_on_without_its_movements(tmp_path: Path) -> None:
    clock, path = HandClock(), tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:

        def passed(reader: str) -> None:
            fact = EntryDecided(reader, CardKey(CARD), ANNE, OCC, granted=True, rule="opening-hours")
            ledger.append_now(fact, clock.now(), f"{reader}:{clock.utc}")

        def issued() -> tuple[bytes, StatementIssued]:
            made = issue_statement(
                ledger, Roster(version=1), read_tariff(TARIFF), SITE.site, "2026-11", "csv", tmp_path, clock
            )
            return made.path.read_bytes(), made.fact

        passed("entree")
        came = Presence().start(ANNE, OCC, clock.utc, clock.utc, VisitEvidence.BADGE)
        assert isinstance(came, VisitStarted)
        ledger.append_now(came, clock.now(), came.visit)
        clock.utc += timedelta(minutes=130)
        passed("sortie")
        gone = Presence.of([came]).end(ANNE, clock.utc, clock.utc, VisitEvidence.BADGE)
        assert isinstance(gone, VisitEnded)
        ledger.append_now(gone, clock.now(), gone.visit)
        before = issued()
        assert b"135;0;135;minute;2,50;60;5,63" in before[0]

        clock.utc += timedelta(days=89, hours=21)
        assert ledger.redact(clock.now(), ZoneInfo("Europe/Paris")) == {}
        clock.utc += timedelta(hours=5)
        assert ledger.redact(clock.now(), ZoneInfo("Europe/Paris")) == {"entry-decided": 2}
        assert list(ledger.entries(EntryDecided)) == []
        assert [one.fact for one in ledger.entries(VisitStarted, VisitEnded)] == [came, gone]
        assert issued() == before  # the same bytes, and no second fact
        (proof,) = [one.fact for one in ledger.entries(Redacted)]
        assert isinstance(proof, Redacted)
        assert (proof.of, proof.contents) == ("entry-decided", 2)
        head = ledger.head()
    assert CARD.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    verdict = verify(path, head)
    assert (verdict.ok, verdict.anchored, verdict.redacted) == (True, True, 2)
    with dishonest(path) as db:  # somebody forgets the bill as well
        db.execute("DELETE FROM content WHERE kind = 'visit-ended'")
    assert not verify(path, head).ok
