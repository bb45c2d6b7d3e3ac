"""Somebody prints straight to the copier: nobody's sides, told once, and never said of a job of our own.

Tiers: sim (virtual time, the real clerk, spooler story and ledger), and one with real wires.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from agent.ask import Request
from agent.rules.pages import AttemptCounted
from agent.rules.paper import CopiesCounted, PrintedPast, PrintsUnmatched
from agent.rules.past import PastAttributed, PastCounted
from agent.stories.attribution import PaperBook
from agent.stories.desk import Desk
from agent.views.paperbooks import attempts, balances
from drivers.contract import SpoolJob
from drivers.peers.cups import available
from drivers.peers.passerby import print_past
from drivers.spooling import SpoolAttempt
from drivers.verbs import BadgeVerb, CopyVerb, PrintVerb
from tests.stories.test_printing import CARD, DEVICE, READER, Space, virtually
from tests.stories.test_printing_peers import corridor


def past(space: Space) -> list[tuple[int, bool]]:
    """Return sides, and whether a record told them, of each."""
    found = space.facts(PrintedPast)
    return [(one.mono + one.colour, bool(one.attempt)) for one in found if isinstance(one, PrintedPast)]


def test_a_print_past_our_queues_is_nobodys_once_also_under_a_members_name(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("alice", 5))
            await asyncio.sleep(700)
            space.building.obey(PrintVerb("alice", 12, past=True))
            await asyncio.sleep(1400)
            space.building.obey(PrintVerb("alice", 2))
            await asyncio.sleep(700)
            assert past(space) == [(12, True)]
            rows = [(row.sides_mono, bool(row.member)) for row in space.facts(AttemptCounted)]
            assert rows == [(5, True), (2, True)]
        async with space.minded():  # a restart tells nothing twice
            await asyncio.sleep(700)
        assert past(space) == [(12, True)]
        assert [one for one in space.facts(PrintsUnmatched) if not isinstance(one, PrintedPast)] == []
        assert space.ledger.totals()["sides", LABELS] == 12
        assert space.ledger.totals()["printed_past_sides", (("device", "copieur"),)] == 12

    virtually(tmp_path, story)


LABELS = (("colour", "mono"), ("device", "copieur"), ("formula", ""), ("kind", "unattributed"))


def test_it_is_told_while_one_of_ours_waits_for_the_machine(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("guest", 30, past=True))
            space.building.obey(PrintVerb("alice", 4))
            await asyncio.sleep(900)
            assert past(space) == [(30, True)]
            assert [(row.sides_mono, bool(row.member)) for row in space.facts(AttemptCounted)] == [(4, True)]

    virtually(tmp_path, story)


def test_it_is_given_to_whoever_it_was_once_and_the_books_stay_even(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("ada-pc", 12, colour=True, past=True))
            await asyncio.sleep(700)
            (row,) = space.facts(PastCounted)
            assert (row.sides_colour, row.evidence, row.low, row.high) == (12, "device", 12, 12)
            assert row.alias == space.people.roster().aliases["ada-pc"].id
            (alice,) = space.people.roster().members
            book = PaperBook(space.ledger, space.people, space.clock)
            wanted = {"paper": f"past:{row.attempt}", "member": alice, "always": "1"}
            for code in ("given", "nothing"):  # a second tap
                answer = await book.answer(Request("paper-give", "a1", "", 1e9, wanted))
                assert answer is not None
                assert answer.code == code
            assert space.people.roster().aliases["ada-pc"].member is None  # past the box a name proves nothing
            space.building.obey(PrintVerb("alice", 3))
            await asyncio.sleep(700)
        async with space.minded():  # what was given is not booked again
            await asyncio.sleep(700)
        assert [(one.member, one.sides_colour) for one in space.facts(PastAttributed)] == [(alice, 12)]
        rows = attempts(space.ledger, "Europe/Paris")
        assert [(one.member, one.mono + one.colour, one.past) for one in rows] == [(alice, 12, True), (alice, 3, False)]
        books = balances(space.ledger, "Europe/Paris")
        (stand,) = books.between(DEVICE, date.min, date.max)
        assert (books.faults, stand.difference, stand.prints, stand.unattributed) == ([], 0, 3, 12)
        assert (
            space.ledger.totals()[
                "member_sides_moved_here", (("colour", "colour"), ("kind", "print"), ("member", alice))
            ]
            == 12
        )

    virtually(tmp_path, story)


def test_our_own_print_without_a_note_is_never_called_a_passer_bys(tmp_path):
    """Its backend was killed before it heard the number; or it could not write; or the note is of another number."""

    async def story(space: Space) -> None:
        notes = space.building.notes
        async with space.minded():
            await asyncio.sleep(400)
            for lose in range(3):
                space.building.obey(PrintVerb("alice", 3))
                note = notes.pop()
                if lose == 0:
                    notes.append(replace(note, device_job=None, code=None))
                elif lose == 1:
                    notes.append(replace(note, device_job=None, code=-9))
                await asyncio.sleep(4000)
            assert past(space) == []
            assert [(row.sides_mono, bool(row.member)) for row in space.facts(AttemptCounted)] == [(3, True)] * 3
            space.building.obey(PrintVerb("alice", 7, past=True))
            await asyncio.sleep(900)
            assert past(space) == [(7, True)]

    virtually(tmp_path, story)


def test_a_note_that_is_slower_than_the_device_names_its_job_all_the_same(tmp_path, monkeypatch):
    async def story(space: Space) -> None:
        late: list[SpoolAttempt] = []
        recall = Desk.recall

        async def recalled(desk: Desk) -> tuple[SpoolJob, ...] | None:
            space.building.notes.extend(late)
            late.clear()
            return await recall(desk)

        monkeypatch.setattr(Desk, "recall", recalled)
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("alice", 3))
            late.append(space.building.notes.pop())
            await asyncio.sleep(900)
        (row,) = space.facts(AttemptCounted)
        assert (late, row.sides_mono, bool(row.member)) == ([], 3, True)
        assert row.spooled.startswith("copieur/")

    virtually(tmp_path, story)


def test_what_was_printed_while_our_service_was_away_is_booked_as_ever(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
        space.building.obey(PrintVerb("alice", 3, past=True))
        await asyncio.sleep(60)
        async with space.minded():
            await asyncio.sleep(900)
        assert past(space) == []
        assert [row.sides_mono for row in space.facts(AttemptCounted)] == [3]

    virtually(tmp_path, story)


def test_a_copy_that_the_machine_lists_among_its_jobs_is_the_copiers_and_no_print(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(BadgeVerb(READER, CARD))
            await asyncio.sleep(10)
            space.building.obey(CopyVerb(6))
            copier = space.building._copiers[DEVICE]
            record = copier.record(DEVICE, PrintVerb("", 6), space.clock.now().utc, 6, 6)
            copier.jobs.append(record)
            copier.next_job += 1
            await asyncio.sleep(900)
            assert past(space) == [(0, True)]
            assert space.facts(AttemptCounted) == []
            assert [(one.mono, bool(one.member)) for one in space.facts(CopiesCounted)] == [(6, True)]
        async with space.minded():
            await asyncio.sleep(900)
        assert space.facts(AttemptCounted) == []

    virtually(tmp_path, story)


def test_a_raw_port_leaves_no_record_and_its_counter_is_told(tmp_path):
    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("alice", 5))
            await asyncio.sleep(900)
            copier = space.building._copiers[DEVICE]
            copier.counters = replace(copier.counters, print_mono=copier.counters.print_mono + 9)
            await asyncio.sleep(900)
            assert past(space) == [(9, False)]
            assert [row.sides_mono for row in space.facts(AttemptCounted)] == [5]

    virtually(tmp_path, story)


def test_a_number_that_a_machine_gives_out_anew_accuses_nobody(tmp_path):
    """It lost its memory: its new number 1 may be ours for all that our notes say."""

    async def story(space: Space) -> None:
        async with space.minded():
            await asyncio.sleep(400)
            space.building.obey(PrintVerb("alice", 5))
            await asyncio.sleep(4000)
            copier = space.building._copiers[DEVICE]
            copier.jobs.clear()
            copier.next_job = 1
            await asyncio.sleep(400)
            record = copier.record(DEVICE, PrintVerb("guest", 8), space.clock.now().utc, 8, 8)
            copier.jobs.append(replace(record, uuid="of another life"))
            copier.next_job += 1
            copier.counters = replace(copier.counters, print_mono=copier.counters.print_mono + 8)
            await asyncio.sleep(900)
            assert past(space) == []
            assert [(row.sides_mono, bool(row.member)) for row in space.facts(AttemptCounted)] == [
                (5, True),
                (8, False),
            ]
            space.building.obey(PrintVerb("guest", 9, past=True))
            await asyncio.sleep(900)
            assert past(space) == [(9, True)]

    virtually(tmp_path, story)


@pytest.mark.peers
@pytest.mark.skipif(bool(available()), reason=available())
def test_over_real_wires_a_passer_by_is_told_from_what_cups_sent(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await space.until(lambda: space.desk.noted)
            await space.lp("alice", 3)
            await space.until(lambda: len(space.facts(AttemptCounted)) == 1)
            assert await asyncio.to_thread(print_past, space.copier.uri, "guest", 12) == 0
            await space.until(lambda: len(space.facts(PrintedPast)) == 1)
            await space.lp("bob", 2)
            await space.until(lambda: len(space.facts(AttemptCounted)) == 2)
            await space.copier.settle()
            await space.until(space.balanced)
            assert [(one.mono, one.colour) for one in space.facts(PrintedPast)] == [(12, 0)]
            assert space.attributed() == {space.alice: 3, space.bob: 2, "": 12}
            assert space.physical() == 17

    asyncio.run(main())
