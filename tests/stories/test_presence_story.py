"""Visits as the animator asks for them: one at a time, answered after the commit, over the real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.ask import Answer, Request
from agent.memory.codec import LedgerError
from agent.memory.ledger import Ledger
from agent.rules.door import EntryDecided
from agent.rules.facts import CardKey, FormulaId, MemberId
from agent.rules.members import Member, Roster
from agent.rules.presence import VisitAdded, VisitCorrected, VisitEnded, VisitEvidence, VisitStarted
from agent.stories import presence as story
from agent.stories.presence import VisitBook, follow_badges
from drivers.contract import Moment, Trust

PARIS = ZoneInfo("Europe/Paris")
ANNE = MemberId("m001")


class People:
    def roster(self) -> Roster:
        return Roster(version=1, members={ANNE: Member(ANNE, FormulaId("occasional"), date(2026, 1, 1), None)})


class HandClock:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.utc = datetime(2026, 11, 23, 10, 16, 30, tzinfo=UTC)  # 11:16:30 in Paris

    def now(self) -> Moment:
        return Moment(self.utc, 1.0, "boot", Trust.SYNCHRONISED)


@asynccontextmanager
async def site(tmp_path: Path) -> AsyncIterator[tuple[VisitBook, Ledger, HandClock]]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        clock = HandClock()
        yield VisitBook(ledger, People(), clock, PARIS), ledger, clock


def ask(action: str, member: str = "m001", at: str = "") -> Request:
    return Request(action, "animator", "", 1e9, {"member": member, "at": at} if at else {"member": member})


def test_an_end_put_right_leaves_an_arrival_in_the_second_hour_of_october_where_it_was(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, _, clock):
            clock.utc = datetime(2026, 10, 25, 1, 15, 20, tzinfo=UTC)  # 02:15 in Paris, for the second time
            await book.answer(ask("visit-start"))
            clock.utc = datetime(2026, 10, 25, 8, 0, tzinfo=UTC)
            assert (await book.answer(ask("visit-end", at="2026-10-25 04:00"))).done
            (visit,) = book.visits().by_id.values()
            span = {"visit": visit.visit, "reason": "other", "start": "2026-10-25T02:15", "end": "2026-10-25T04:30"}
            assert (await book.answer(Request("visit-correct", "a1", "", 1e9, span))).done
            (visit,) = book.visits().by_id.values()
            assert (visit.started, visit.minutes) == (datetime(2026, 10, 25, 1, 15, tzinfo=UTC), 135)

    asyncio.run(scene())


def test_a_visit_of_two_hours_ten(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, _):
            assert await book.answer(ask("open")) is None
            assert await book.answer(ask("visit-start", at="09:05")) == Answer(
                done=True, says="m001 est là depuis 09:05."
            )
            assert set(book.presence().open) == {ANNE}
            assert await book.answer(ask("visit-end", at="11:15")) == Answer(
                done=True, says="m001 est parti à 11:15, après 2 h 10."
            )
            came, gone = datetime(2026, 11, 23, 8, 5, tzinfo=UTC), datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
            visit, occasional, said = "m001-20261123T080500Z", FormulaId("occasional"), VisitEvidence.ANIMATOR
            assert [entry.fact for entry in ledger.entries(VisitStarted, VisitEnded)] == [
                VisitStarted(visit, ANNE, occasional, came, said),
                VisitEnded(visit, ANNE, occasional, came, gone, 130, said),
            ]
            assert ledger.totals()["visit_minutes", (("formula", "occasional"),)] == 130

    asyncio.run(scene())


def adding(**said: str) -> Request:
    given = {"member": "m001", "day": "2026-11-20", "start": "09:05", "end": "11:15", "reason": "forgot-arrival"}
    return Request("visit-add", "a1", "", 1e9, {**given, **said})


def test_a_visit_nobody_noted_is_added_once_and_annulled_and_the_ledger_knows_who(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, _):
            name = "m001-20261120T080500Z"
            answers = await asyncio.gather(book.answer(adding()), book.answer(adding()))
            assert [(one.done, one.value or one.code) for one in answers if one] == [(True, name), (False, "same")]
            (entry,) = ledger.entries(VisitAdded)
            assert isinstance(entry.fact, VisitAdded)
            assert (entry.fact.minutes, entry.fact.formula, entry.fact.actor) == (130, "occasional", "a1")
            assert ledger.totals()["member_visit_minutes_added", (("member", "m001"),)] == 130
            assert book.presence().open == {}
        async with site(tmp_path) as (book, ledger, _):  # started anew
            never = {"visit": name, "reason": "mistake"}
            answer = await book.answer(Request("visit-correct", "a1", "", 1e9, never))
            assert answer == Answer(True, "La visite est annulée.", "corrected")
            again = await book.answer(adding())
            assert again is not None
            assert (again.done, again.value) == (True, f"{name}-2")
            kinds = [entry.fact.kind for entry in ledger.entries(VisitCorrected)]
            assert kinds == ["visit-added", "visit-corrected", "visit-added"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"member": "m099"}, "nobody"),
        ({"reason": ""}, "reason"),
        ({"day": "hier"}, "not-a-day"),
        ({"end": "midi"}, "not-a-time"),
        ({"end": "09:00"}, "order"),
        ({"day": "2026-11-23", "end": "11:17"}, "future"),
        ({"day": "2026-09-30"}, "old"),
        ({"day": "2026-11-22"}, "overlap"),
    ],
)
def test_a_visit_that_cannot_be_added_is_an_answer(tmp_path: Path, said: dict[str, str], code: str) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, _):
            await book.answer(adding(day="2026-11-22", start="11:00", end="11:30"))
            answer = await book.answer(adding(**said))
            assert answer is not None
            assert (answer.done, answer.code) == (False, code)
            assert answer.says
            assert len(list(ledger.entries())) == 1

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ask("visit-start", "m099"), "Personne ne s'appelle m099 ici."),
        (ask("visit-start", at="12:00"), "Une arrivée à 12:00 serait dans le futur."),
        (ask("visit-end"), "m001 n'a pas de visite en cours."),
        (
            ask("visit-end", at="midi"),
            "« midi » n'est pas une heure ; écrivez 09:05, ou 2026-11-20 18:00 pour un autre jour.",
        ),
    ],
)
def test_refusals_are_answers(tmp_path: Path, request_: Request, says: str) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, _):
            assert await book.answer(request_) == Answer(done=False, says=says)
            assert list(ledger.entries()) == []

    asyncio.run(scene())


def test_two_clicks_at_once_start_one_visit_and_a_restart_remembers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, _, _):
            answers = await asyncio.gather(book.answer(ask("visit-start")), book.answer(ask("visit-start")))
            assert [answer.done for answer in answers if answer] == [True, False]
        async with site(tmp_path) as (book, ledger, clock):
            clock.utc += timedelta(hours=14)
            again = await book.answer(ask("visit-start"))
            assert again == Answer(done=False, says="m001 est déjà là depuis 11:16 le 23/11.")
            assert [visit.member for visit in book.presence().forgotten(clock.now().utc)] == [ANNE]
            ended = await book.end(ANNE, None, VisitEvidence.BADGE)
            assert ended.says == "m001 est parti à 01:16, après 14 h 00."
            assert len(list(ledger.entries(VisitStarted, VisitEnded))) == 2

    asyncio.run(scene())


def test_badges_start_and_end_visits_where_there_is_a_way_out(tmp_path: Path) -> None:
    def badge(reader: str, *, granted: bool = True, member: str = "m001") -> EntryDecided:
        rule = "always" if granted else "closed"
        return EntryDecided(reader, CardKey("k"), MemberId(member), FormulaId("occasional"), granted, rule)

    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, clock):
            await asyncio.wait_for(follow_badges(book, {"porte": "in"}), 1.0)  # no way out: the animator's word alone
            following = asyncio.create_task(follow_badges(book, {"porte": "in", "sortie": "out"}, tick_s=0.01))
            await asyncio.sleep(0.05)
            refusals = [badge("porte", granted=False), badge("porte", member="")]
            passages = [badge("porte"), badge("porte"), badge("sortie"), badge("copieur")]
            for n, fact in enumerate(refusals + passages):
                await ledger.append(fact, clock.now(), f"{n}")
                clock.utc += timedelta(minutes=10)
            await asyncio.sleep(0.1)
            following.cancel()
        async with site(tmp_path) as (book, ledger, clock):  # a restart looks back, and writes nothing twice
            clock.utc += timedelta(hours=2)
            following = asyncio.create_task(follow_badges(book, {"porte": "in", "sortie": "out"}, tick_s=0.01))
            await asyncio.sleep(0.1)
            following.cancel()
            visits = [entry.fact for entry in ledger.entries(VisitStarted, VisitEnded)]
            assert [type(visit) for visit in visits] == [VisitStarted, VisitEnded]
            assert isinstance(visits[1], VisitEnded)
            assert (visits[1].minutes, visits[1].by) == (20, VisitEvidence.BADGE)

    asyncio.run(scene())


def test_a_ledger_that_does_not_answer_is_told_and_the_word_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """A ledger whose disk never answers."""

        fault = "disk full"

        def entries(self, *kinds: type, since: int = 0) -> tuple[()]:
            return ()

        def append(self, fact: object, at: Moment, key: str) -> asyncio.Future[int]:
            return asyncio.get_running_loop().create_future()

    class Lost(Slow):
        def append(self, fact: object, at: Moment, key: str) -> asyncio.Future[int]:
            raise LedgerError("no more fit")

    async def scene() -> None:
        slow = VisitBook(Slow(), People(), HandClock(), PARIS)  # type: ignore[arg-type]
        told = await slow.start(ANNE, None, VisitEvidence.ANIMATOR)
        assert told == Answer(done=False, says="Pas enregistré pour l'instant : le journal ne répond pas (disk full).")
        assert set(slow.presence().open) == {ANNE}  # queued: a second click starts no second visit
        assert not (await slow.end(ANNE, None, VisitEvidence.ANIMATOR)).done
        lost = VisitBook(Lost(), People(), HandClock(), PARIS)  # type: ignore[arg-type]
        assert not (await lost.start(ANNE, None, VisitEvidence.ANIMATOR)).done
        assert lost.presence().open == {}

    monkeypatch.setattr(story, "COMMIT_S", 0.05)
    asyncio.run(scene())


def test_badges_are_followed_again_when_the_ledger_is_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path) as (book, ledger, clock):
            following = asyncio.ensure_future(follow_badges(book, {"in": "in", "out": "out"}, 0.01))
            await asyncio.sleep(0.05)
            away = (tmp_path / "ledger.db").rename(tmp_path / "away.db")
            passage = EntryDecided("in", CardKey("k"), ANNE, FormulaId("occasional"), granted=True, rule="always")
            ledger.append(passage, clock.now(), "1")
            await asyncio.sleep(0.2)
            assert not following.done()
            away.rename(tmp_path / "ledger.db")
            async with asyncio.timeout(10):
                while ANNE not in book.presence().open:
                    await asyncio.sleep(0.05)
            following.cancel()
            await asyncio.wait({following})

    asyncio.run(scene())
