"""The spooler's side over real wires: what CUPS forgets, gives out twice or is told, and what is billed all the same.

A real cupsd with our backend in its print path, our copier over IPP, the ledger on a disk. What is expected is literal.
The numbers in brackets are the cases of the anchors page (d).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time

import pytest

from agent.live import LiveSpool
from agent.rules.incidents import Level, Seen, ServiceSeen, judge
from agent.rules.pages import PagesCounted
from agent.rules.paper import PrintsUnmatched
from agent.rules.spool import SpoolGap, SpoolOpened, SpoolRead, SpoolTampered, Tamper
from agent.rules.spoolset import Drift
from agent.stories.spool import mind_spooler
from drivers.clock import SystemClock
from drivers.contract import DriverError
from drivers.ipp import Tag, attribute
from drivers.peers.cups import available, pdf
from drivers.spooler import CALL_S, CupsSpooler, _Worker
from tests.drivers.paper_tools import PRINT_JOB, ask, template
from tests.stories.paper_victim import DEVICE
from tests.stories.test_printing_peers import Corridor, corridor

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available())]


def rows(space: Corridor) -> list[tuple[str, int, str, str]]:
    """Each attempt: whose, sides, spooled job-id, why free."""
    found = []
    for row in space.facts(PagesCounted):
        spooled = row.spooled.split("/")[1] if row.spooled else ""
        found.append((row.member, row.sides_mono + row.sides_colour, spooled, str(row.why_free)))
    return found


async def idle(space: Corridor) -> None:
    """Wait until CUPS has nothing to print."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(space.cupsd._run, "lpstat", "-o"):
            await asyncio.sleep(0.1)


async def told(space: Corridor, *kinds: type) -> list[object]:
    await space.until(lambda: bool(space.facts(*kinds)))
    return space.facts(*kinds)


def setting(space: Corridor, old: str, new: str) -> None:
    conf = space.cupsd.home / "root/cupsd.conf"
    text = conf.read_text(encoding="utf-8")
    assert old in text
    conf.write_text(text.replace(old, new), encoding="utf-8")


def test_a_job_printed_again_is_a_row_each_time_and_a_crash_of_ours_is_marked(tmp_path):
    """[13, 15, 22]"""

    async def main() -> None:
        async with corridor(tmp_path, sides_per_s=20.0) as space:
            async with space.minded():
                job = await space.lp("alice", 2)
                await idle(space)
                uri = f"http://127.0.0.1:{space.cupsd.port}/printers/{DEVICE}"
                again = await asyncio.to_thread(ask, uri, 0x000E, attribute("job-id", Tag.INTEGER, job))
                assert again.code >= 0x0400  # nobody prints again in another's name
                os.kill(space.cupsd.pid, signal.SIGHUP)  # forgets its events
                await asyncio.sleep(1.0)  # and knows no queue while it reads its files again
                await space.lp("bob", 12, queue=DEVICE)
                await space.until(lambda: space.copier.machine.counters.sides >= 5)
                await asyncio.to_thread(space.cupsd.kill9)
                await asyncio.to_thread(space.cupsd.restart)
                await idle(space)
                await space.until(lambda: len(space.facts(PagesCounted)) == 3 and space.balanced())
            found = rows(space)
            assert found[0] == (space.alice, 2, str(job), "")
            assert [row[0] for row in found[1:]] == [space.bob, space.bob]
            assert {row[2] for row in found[1:]} == {str(job + 1)}
            assert [row[3] for row in found[1:]] == ["", "system"]
            assert found[2][1] == 12

    asyncio.run(main())


def test_a_job_that_a_crash_took_out_of_the_history_and_its_number_given_out_again(tmp_path):
    """[16, 17]: cupsd is killed before it wrote down that the job was there: its files are as they were before."""

    async def main() -> None:
        async with corridor(tmp_path) as space:
            home, before = space.cupsd.home, tmp_path / "before"
            for part in ("spool", "cache"):
                shutil.copytree(home / part, before / part)
            async with space.minded():
                assert await space.lp("alice", 3) == 1
                await idle(space)
                await space.until(lambda: bool(space.facts(SpoolRead)) and space.facts(SpoolRead)[-1].job == 1)
                # CUPS tells times in whole seconds: a number given out again within one names the same job
                await space.until(lambda: time.time() >= space.facts(SpoolRead)[-1].created_s + 1)
                await asyncio.to_thread(space.cupsd.kill9)
                for part in ("spool", "cache"):
                    for file in [one for one in (home / part).rglob("*") if one.is_file()]:
                        file.unlink()
                    shutil.copytree(before / part, home / part, dirs_exist_ok=True)
                await asyncio.to_thread(space.cupsd.restart)
                assert await space.lp("bob", 4) == 1
                await space.until(lambda: len(space.facts(PagesCounted)) == 2 and space.balanced())
                await space.until(lambda: len(space.facts(SpoolOpened)) == 2)
            assert [fact.why for fact in space.facts(SpoolOpened)] == ["first", "started-over"]
            assert rows(space) == [(space.alice, 3, "1", ""), (space.bob, 4, "1", "")]
            assert len({row.spooled for row in space.facts(PagesCounted)}) == 2
            assert space.facts(PrintsUnmatched) == []

    asyncio.run(main())


def test_a_spool_that_was_wiped_opens_an_epoch_and_the_next_job_is_counted(tmp_path):
    """[18]"""

    async def main() -> None:
        async with corridor(tmp_path) as space:
            async with space.minded():
                for user in ("alice", "bob"):
                    await space.lp(user, 1)
                await idle(space)
                await space.until(lambda: len(space.facts(PagesCounted)) == 2)
                # the clerk may have been quicker than the cursor
                await space.until(lambda: [one.job for one in space.facts(SpoolRead)][-1:] == [2])
            await asyncio.to_thread(space.cupsd._end, signal.SIGTERM)
            for part in ("spool", "cache"):
                for file in (space.cupsd.home / part).iterdir():
                    if file.is_file():
                        file.unlink()
                    else:
                        shutil.rmtree(file, ignore_errors=True)
            (space.cupsd.home / "spool/tmp").mkdir(exist_ok=True)
            await asyncio.to_thread(space.cupsd.restart)
            async with space.minded():
                assert await space.lp("bob", 5) == 1
                await space.until(lambda: len(space.facts(PagesCounted)) == 3 and space.balanced())
                await space.until(lambda: len(space.facts(SpoolOpened)) == 2)
            assert [fact.why for fact in space.facts(SpoolOpened)] == ["first", "started-over"]
            assert rows(space)[2] == (space.bob, 5, "1", "")
            assert space.facts(SpoolTampered, SpoolGap) == []

    asyncio.run(main())


def test_what_hostile_clients_send_is_billed_and_told(tmp_path):
    """[24, 25, 26]: a job-uuid chosen, one's own job purged, a line written into the page log."""

    async def main() -> None:
        async with corridor(tmp_path) as space:
            uri = f"http://127.0.0.1:{space.cupsd.port}/printers/{DEVICE}"
            chosen = attribute("job-uuid", Tag.URI, "urn:uuid:a86ee57c-4997-3990-6640-6bf9a0229a22")
            forged = attribute("time-at-creation", Tag.INTEGER, 5)

            def send(user: str, pages: int) -> int:
                kind = attribute("document-format", Tag.MIME_TYPE, "application/pdf")
                body = pdf(pages, colour=False)
                return ask(uri, PRINT_JOB, kind, job=(*template(), chosen, forged), user=user, body=body).code

            async with space.minded():
                await space.until(lambda: bool(space.facts(SpoolOpened)))
                for user, pages in (("alice", 2), ("bob", 3)):
                    assert await asyncio.to_thread(send, user, pages) <= 0x0001
                await idle(space)
                await space.until(lambda: len(space.facts(PagesCounted)) == 2)
                (sign,) = await told(space, SpoolTampered)
                assert (sign.why, sign.job) == (Tamper.UUID, 2)
                with space.cupsd.page_log.open("a") as log:
                    log.write(f"57 1700000000 {DEVICE} total 500 500\n")
                purge = attribute("purge-job", Tag.BOOLEAN, True)
                mine = attribute("job-id", Tag.INTEGER, 1)
                answer = ask_refused(uri, mine, purge)
                assert answer  # the owner by his word alone takes nothing out of the history
            await space.lp("alice", 4)
            await space.lp("bob", 1)
            await idle(space)
            administrator = _Worker(space.cupsd.server)  # but who administers it may
            await asyncio.to_thread(administrator.ask(lambda worker: worker.purge(3)).result, 10)
            administrator.end()
            async with space.minded():
                await space.until(lambda: len(space.facts(SpoolTampered)) == 2 and space.balanced())
                await space.until(lambda: len(space.facts(PagesCounted)) == 4)
            assert [(fact.why, fact.job) for fact in space.facts(SpoolTampered)][1] == (Tamper.PURGED, 3)
            assert rows(space)[2] == (space.alice, 4, "3", "")
            assert space.facts(SpoolGap) == []
            assert space.facts(PrintsUnmatched) == []

    asyncio.run(main())


def ask_refused(uri: str, *more: object) -> bool:
    """Return True if CUPS asks for a password."""
    try:
        return ask(uri, 0x0008, *more, user="alice").code >= 0x0400
    except AssertionError as refused:  # HTTP 401
        return "401" in str(refused)


def test_a_line_forged_into_the_page_log_is_told_and_charges_nobody(tmp_path):
    """[25], as an old CUPS lets a title with a newline write it."""

    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await space.lp("alice", 1)
            await space.until(lambda: bool(space.facts(SpoolRead)) and bool(space.facts(PagesCounted)))
            with space.cupsd.page_log.open("a") as log:
                log.write(f"57 1700000000 {DEVICE} total 500 500\n1 1700000000 {DEVICE} total 500 500\nbob 500\n")
            await space.until(lambda: len(space.facts(SpoolTampered)) == 3)
            assert {(fact.why, fact.job) for fact in space.facts(SpoolTampered)} == {
                (Tamper.LOG_LINE, 57),
                (Tamper.LOG_LINE, 1),
                (Tamper.LOG_LINE, 0),
            }
            assert rows(space) == [(space.alice, 1, "1", "")]

    asyncio.run(main())


def test_jobs_cut_out_of_the_history_are_billed_and_a_hole_is_told_with_its_paper(tmp_path):
    """[20]: MaxJobs 2, five jobs while nobody watched; then the same, and every witness gone."""

    async def main() -> None:
        async with corridor(tmp_path) as space:
            async with space.minded():
                await space.lp("alice", 1)
                await idle(space)
                await space.until(lambda: bool(space.facts(SpoolRead)) and len(space.facts(PagesCounted)) == 1)
                await space.until(space.balanced)
            setting(space, "MaxJobs 0", "MaxJobs 2")
            await asyncio.to_thread(space.cupsd.restart)
            for user, pages in (("bob", 2), ("alice", 3), ("bob", 1), ("alice", 2)):
                await space.lp(user, pages)
                await idle(space)
            async with space.minded():
                await space.until(lambda: len(space.facts(PagesCounted)) == 5 and space.balanced())
                await space.until(lambda: space.facts(SpoolRead)[-1].job == 5)
            assert [(row[0], row[1]) for row in rows(space)[1:]] == [
                (space.bob, 2),
                (space.alice, 3),
                (space.bob, 1),
                (space.alice, 2),
            ]
            assert space.facts(SpoolGap) == []
            for user, pages in (("bob", 2), ("alice", 3), ("bob", 1), ("alice", 2)):
                await space.lp(user, pages)
                await idle(space)
            await space.copier.press("forget")
            for note in space.cupsd.attempts.glob("*.json"):
                note.unlink()
            space.cupsd.page_log.unlink()
            async with space.minded():
                gaps = await told(space, SpoolGap)
                await space.until(lambda: space.attributed().total() == space.physical())  # the books may close later
            assert [(gap.first, gap.last) for gap in gaps] in ([(6, 7)], [(6, 8)])  # CUPS keeps two, or the last alone
            assert gaps[0].moved is None or 0 <= gaps[0].moved <= 8
            assert space.attributed().total() == space.physical()

    asyncio.run(main())


def test_a_restart_of_cups_in_the_middle_leaves_a_closed_row_and_not_a_job_for_ever(tmp_path):
    """[14]: SIGTERM, as `systemctl restart` sends it."""

    async def main() -> None:
        async with corridor(tmp_path, sides_per_s=10.0) as space, space.minded():
            await space.lp("alice", 20)
            await space.until(lambda: space.copier.machine.counters.sides >= 4)
            await asyncio.to_thread(space.cupsd.restart)
            await space.until(lambda: bool(space.facts(PagesCounted)) and space.balanced(), 40)
            await space.copier.settle()
            await space.until(space.balanced)
            assert {row[0] for row in rows(space)} == {space.alice}
            assert sum(row[1] for row in rows(space)) == space.physical()
            await space.lp("bob", 1)
            await space.until(lambda: rows(space)[-1][0] == space.bob, 40)

    asyncio.run(main())


def test_a_cups_that_hangs_is_an_alarm_within_thirty_seconds_and_no_row(tmp_path):
    """[45]: SIGSTOP, with the patience of a site."""

    async def main() -> None:
        async with corridor(tmp_path) as space:
            shown: list[LiveSpool] = []
            async with CupsSpooler(SystemClock(), space.cupsd.server, [DEVICE], CALL_S) as spooler:
                story = mind_spooler(spooler, {DEVICE: space.desk}, space.ledger, SystemClock(), shown.append)
                task = asyncio.create_task(story)
                await space.until(lambda: bool(shown))
                os.kill(space.cupsd.pid, signal.SIGSTOP)
                before = time.monotonic()
                with pytest.raises(DriverError, match="does not answer"):
                    await asyncio.wait_for(task, 30)
                assert time.monotonic() - before < 30
                os.kill(space.cupsd.pid, signal.SIGCONT)
            (alarm,) = judge(Seen((ServiceSeen("paper", 1.0),), spooler_working=False), 10.0)
            assert (alarm.key, alarm.level) == ("spooler-lost", Level.DOWN)
            assert space.facts(PagesCounted) == []

    asyncio.run(main())


def test_a_job_sent_to_a_class_is_the_devices_and_its_members(tmp_path):
    """[41]: the class's name says nothing of where it printed; the device does."""

    async def main() -> None:
        async with corridor(tmp_path) as space, space.minded():
            await asyncio.to_thread(space.cupsd._run, "lpadmin", "-p", DEVICE, "-c", "any")
            for made in (("cupsenable", "any"), ("cupsaccept", "any")):
                await asyncio.to_thread(space.cupsd._run, *made)
            await space.lp("bob", 3, queue="any")
            await space.until(lambda: bool(space.facts(PagesCounted)) and space.balanced(), 40)
            assert [(row.device, row.member, row.low, row.high) for row in space.facts(PagesCounted)] == [
                (DEVICE, space.bob, 3, 3)
            ]
            assert space.facts(PrintsUnmatched) == []

    asyncio.run(main())


def test_settings_that_drift_are_seen_where_they_act(tmp_path):
    """The private cupsd runs by what the role sets; then by what a hand changes."""

    async def main() -> None:
        async with corridor(tmp_path) as space:

            async def drifted() -> tuple[str, ...]:
                shown: list[LiveSpool] = []
                attempts, log = space.cupsd.attempts, space.cupsd.page_log
                async with CupsSpooler(SystemClock(), space.cupsd.server, [DEVICE], 5.0, attempts, log) as spooler:
                    story = mind_spooler(spooler, {DEVICE: space.desk}, space.ledger, SystemClock(), shown.append)
                    task = asyncio.create_task(story)
                    await space.until(lambda: len(shown) >= 2)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                return shown[-1].drifts

            assert await drifted() == ()
            setting(space, "MaxJobs 0", "MaxJobs 500")
            assert await drifted() == (Drift.PRUNES,)
            setting(space, "  <Limit Get-Jobs ", "  <Limit ")
            assert await drifted() == (Drift.PRUNES, Drift.NAMES)
            await asyncio.to_thread(space.cupsd._run, "lpadmin", "-p", DEVICE, "-v", space.copier.uri)
            assert await drifted() == (Drift.PRUNES, Drift.NAMES, Drift.BACKEND)

    asyncio.run(main())


def test_nobody_reads_who_prints_without_a_password(tmp_path):
    async def main() -> None:
        async with corridor(tmp_path) as space:
            await space.lp("alice", 1)
            await idle(space)
            uri = f"http://127.0.0.1:{space.cupsd.port}/printers/{DEVICE}"
            with pytest.raises(AssertionError, match="401"):
                await asyncio.to_thread(ask, uri, 0x000A, attribute("which-jobs", Tag.KEYWORD, "all"))

    asyncio.run(main())
