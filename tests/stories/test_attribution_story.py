"""Paper is given and visits are put right as the animator asks: after the commit, one hand at a time."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.ask import Answer, Request
from agent.memory.ledger import Ledger
from agent.memory.people import RosterError
from agent.rules.attribution import PagesAttributed
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.members import Alias, Member, Roster
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.presence import VisitCorrected
from agent.stories import attribution
from agent.stories.attribution import PaperBook
from agent.stories.presence import VisitBook
from drivers.contract import Moment, Trust

NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
OCC = FormulaId("occasional")
JOB = PagesCounted(
    *("copieur", "S1", "a", AliasId("a9"), MemberId(""), FormulaId("")), 3, 0, 3, 3, 3, Evidence.DEVICE, "completed"
)


class HandClock:
    def __init__(self) -> None:
        self.utc = NOW

    def now(self) -> Moment:
        return Moment(self.utc, 1.0, "boot", Trust.SYNCHRONISED)


class People:
    """Two members, and one print name that may be somebody's."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, str]] = []
        self.taken = False

    def roster(self) -> Roster:
        members = {MemberId(name): Member(MemberId(name), OCC, date(2026, 1, 1), None) for name in ("m1", "m2")}
        return Roster(1, members, aliases={"zoe": Alias(AliasId("a9"), None), "bob": Alias(AliasId("a8"), None)})

    def give_alias(self, member: MemberId, user: str, *, actor: str) -> AliasId:
        if self.taken:
            raise RosterError("ce nom est à quelqu'un", "somebody's")
        self.given.append((member, user, actor))
        return AliasId("a9")


def give(member: str, **more: str) -> Request:
    return Request("paper-give", "a1", "", 1e9, {"paper": "print:a", "member": member, **more})


def play(folder: Path, story: Callable[[Ledger, People, HandClock], Awaitable[None]]) -> None:
    async def run() -> None:
        with Ledger.open(folder / "ledger.db") as ledger:
            clock = HandClock()
            ledger.append_now(JOB, clock.now(), "a")
            await story(ledger, People(), clock)

    asyncio.run(run())


def owners(ledger: Ledger) -> list[str]:
    return [entry.fact.member for entry in ledger.entries(PagesAttributed)]  # type: ignore[attr-defined]


def test_two_hands_at_once_one_is_taken_and_the_other_told(tmp_path: Path) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        books = [PaperBook(ledger, people, clock) for _ in range(2)]  # two processes, as after a restart in a hurry
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # nothing is written until both have read
            both = asyncio.gather(books[0].answer(give("m1")), books[1].answer(give("m2")))
            while ledger.pending < len(books):
                await asyncio.sleep(0)
            other.execute("ROLLBACK")
        answers = await both
        assert [answer.code for answer in answers if answer] == ["given", "not-written"]
        assert owners(ledger) == ["m1"]
        again = await books[1].answer(give("m2"))  # having seen it, the other may move it on
        assert again is not None
        assert again.done
        assert owners(ledger) == ["m1", "m2"]

    play(tmp_path, story)


def test_always_gives_the_print_name_too_and_says_if_it_cannot(tmp_path: Path) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        book = PaperBook(ledger, people, clock)
        assert await book.answer(give("m1", always="1")) == Answer(True, "Attribué.")
        assert people.given == [("m1", "zoe", "a1")]
        people.taken = True
        answer = await book.answer(give("m2", always="1"))
        assert answer is not None
        assert (answer.done, answer.code) == (True, "not-always")
        assert owners(ledger) == ["m1", "m2"]
        back = await book.answer(give("", always="1"))
        assert back == Answer(True, "De nouveau sans personne.")

    play(tmp_path, story)


def test_what_is_unknown_or_theirs_already_is_not_written(tmp_path: Path) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        book = PaperBook(ledger, people, clock)
        assert await book.answer(Request("open", "a1", "", 1e9)) is None
        for request in (give("m9"), give(""), replace(give("m1"), arguments={"paper": "print:z", "member": "m1"})):
            answer = await book.answer(request)
            assert answer is not None
            assert (answer.done, answer.code) == (False, "nothing")
        clock.utc += timedelta(days=63)
        late = await book.answer(give("m1"))
        assert late is not None
        assert late.code == "nothing"
        assert owners(ledger) == []

    play(tmp_path, story)


def test_a_slow_disk_is_told_and_the_word_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        monkeypatch.setattr(attribution, "COMMIT_S", 0.0)
        book = PaperBook(ledger, people, clock)
        answer = await book.answer(give("m1"))
        assert answer is not None
        assert (answer.done, answer.code) == (False, "not-written")
        while ledger.pending:
            await asyncio.sleep(0.01)
        assert owners(ledger) == ["m1"]

    play(tmp_path, story)


def test_a_visit_is_put_right_by_request(tmp_path: Path) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        book = VisitBook(ledger, people, clock, ZoneInfo("Europe/Paris"))
        await book.answer(Request("visit-start", "a1", "", 1e9, {"member": "m1", "at": "09:00"}))
        await book.answer(Request("visit-end", "a1", "", 1e9, {"member": "m1", "at": "11:30"}))
        (visit,) = book.visits().by_id

        async def correct(**more: str) -> str:
            answer = await book.answer(Request("visit-correct", "a1", "", 1e9, {"visit": visit, **more}))
            assert answer is not None
            return answer.code

        assert await correct() == "reason"
        assert await correct(reason="because") == "reason"
        assert await correct(reason="other", start="09:00", end="soon") == "not-a-time"
        assert await correct(reason="other", start="09:00", end="2026-11-24T13:00") == "future"
        assert await correct(reason="other", start="09:00", end="10:15") == "corrected"
        assert await correct(reason="other", start="09:00", end="10:15") == "same"
        assert await correct(reason="mistake") == "corrected"
        minutes = [entry.fact.minutes for entry in ledger.entries(VisitCorrected)]  # type: ignore[attr-defined]
        assert minutes == [75, 0]
        overlapping = await book.answer(Request("visit-start", "a1", "", 1e9, {"member": "m1", "at": "09:00"}))
        assert overlapping is not None
        assert overlapping.done  # the annulled one does not stand in the way, even to the second
        assert len(book.visits().by_id) == 2

    play(tmp_path, story)


def test_an_arrival_within_an_earlier_visit_is_refused(tmp_path: Path) -> None:
    async def story(ledger: Ledger, people: People, clock: HandClock) -> None:
        book = VisitBook(ledger, people, clock, ZoneInfo("Europe/Paris"))
        for start, end in (("08:00", "09:00"), ("10:00", "11:00")):
            await book.answer(Request("visit-start", "a1", "", 1e9, {"member": "m1", "at": start}))
            await book.answer(Request("visit-end", "a1", "", 1e9, {"member": "m1", "at": end}))
        last = max(book.visits().by_id)
        await book.answer(Request("visit-correct", "a1", "", 1e9, {"visit": last, "reason": "mistake"}))
        refused = await book.answer(Request("visit-start", "a1", "", 1e9, {"member": "m1", "at": "08:30"}))
        assert refused is not None
        assert (refused.done, refused.code) == (False, "then")

    play(tmp_path, story)
