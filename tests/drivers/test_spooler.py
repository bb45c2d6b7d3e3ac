"""CUPS as it is: `CupsSpooler` over a real private cupsd that is killed, hung and filled; and the role's contract."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pytest

from drivers.clock import SystemClock
from drivers.contract import DeviceId, DriverError, JobState
from drivers.peers.cups import CupsPeer, PeerError, available, pdf
from drivers.sim import SimBuilding
from drivers.spooler import ABANDONED_LIMIT, CupsSpooler
from drivers.spooljobs import NAMES
from drivers.verbs import PrintVerb
from drivers.virtual import VirtualClock, VirtualLoop
from tests.drivers.contract_spooler import LAWS, Subject
from tests.drivers.paper_tools import ask

PRINT_JOB = 0x0002  # RFC 8011 section 4.2.1
needs_cups = pytest.mark.skipif(bool(available()), reason=available())


@pytest.fixture
def cupsd(tmp_path: Path) -> Iterator[CupsPeer]:
    """A running cupsd with one queue that swallows everything."""
    with CupsPeer(tmp_path / "cups") as peer:
        peer.add_queue("hole", "file:///dev/null")
        yield peer


def spooler_of(peer: CupsPeer, call_s: float = 5.0) -> CupsSpooler:
    return CupsSpooler(SystemClock(), peer.server, ["hole"], call_s)


# --- the contract ------------------------------------------------------------------------------------------


async def _over_cups(law: Callable[[Subject], Awaitable[None]], folder: Path) -> None:
    with CupsPeer(folder / "cups") as peer:
        peer.add_queue("hole", "file:///dev/null")

        async def print_pages(user: str, pages: int) -> int:
            return await asyncio.to_thread(peer.print_pdf, user, pages)

        async with spooler_of(peer) as spooler:
            await law(Subject(spooler, print_pages, "hole"))


async def _over_sim(law: Callable[[Subject], Awaitable[None]], _folder: Path) -> None:
    building = SimBuilding(VirtualClock(asyncio.get_running_loop(), datetime(2026, 11, 2, 9, tzinfo=UTC)))
    building.printer(DeviceId("copieur"))
    spooler = building.spooler()

    async def print_pages(user: str, pages: int) -> int:
        building.obey(PrintVerb(user, pages, colour=False, two_sided=False, copies=1))
        return (await spooler.jobs(1))[-1].job

    await law(Subject(spooler, print_pages, "copieur"))


def _real(main: Coroutine[None, None, None]) -> None:
    asyncio.run(main)


def _virtual(main: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


SUBJECTS = [
    pytest.param(_over_cups, _real, id="cups", marks=[pytest.mark.peers, needs_cups]),
    pytest.param(_over_sim, _virtual, id="sim"),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("over", "run"), SUBJECTS)
def test_contract(over, run, law, tmp_path):
    run(over(law, tmp_path))


# --- a cupsd in trouble ------------------------------------------------------------------------------------


@pytest.mark.peers
@needs_cups
def test_more_jobs_than_one_reply_holds(cupsd):
    uri = f"http://127.0.0.1:{cupsd.port}/printers/hole"
    for number in range(620):
        ask(uri, PRINT_JOB, user=f"m{number:03}", body=b"x")

    async def main() -> None:
        async with spooler_of(cupsd) as spooler:
            before = time.monotonic()
            jobs = await spooler.jobs(1)
            assert time.monotonic() - before < 2
            assert [(job.job, job.user) for job in jobs] == [(n + 1, f"m{n:03}") for n in range(620)]
            assert {job.device_uri for job in jobs} == {"file:///dev/null"}
            assert [job.job for job in await spooler.jobs(600)] == list(range(600, 621))

    asyncio.run(main())


@pytest.mark.peers
@needs_cups
def test_a_job_that_cups_put_aside_still_tells_when_it_was_made(cupsd):
    uri = f"http://127.0.0.1:{cupsd.port}/printers/hole"
    for number in range(3):
        ask(uri, PRINT_JOB, user=f"m{number}", body=b"x")

    async def main() -> None:
        async with spooler_of(cupsd) as spooler:
            aside: dict[int, Mapping[str, object]] = {}
            async with asyncio.timeout(30):  # CUPS does so a second after a job has ended
                while not aside or all(one.get("time-at-creation") for one in aside.values()):
                    await asyncio.sleep(0.05)
                    aside = await spooler._call(lambda worker: worker.page(1, NAMES))
            told = await spooler.listed(1)
            assert [job for job, _ in told] == [1, 2, 3]
            assert all(abs(made - time.time()) < 100 for _, made in told)

    asyncio.run(main())


@pytest.mark.peers
@needs_cups
def test_a_cupsd_that_hangs_costs_an_error_and_not_the_loop(cupsd):
    async def main() -> None:
        async with spooler_of(cupsd, call_s=0.5) as spooler:
            assert await spooler.jobs(1) == ()
            os.kill(cupsd.pid, signal.SIGSTOP)
            ticks = asyncio.create_task(_ticks())
            for _ in range(ABANDONED_LIMIT):
                with pytest.raises(DriverError, match="does not answer"):
                    await spooler.jobs(1)
            with pytest.raises(DriverError, match="hangs"):
                await spooler.jobs(1)
            ticks.cancel()
            assert ticks.done() or max(_gaps) < 0.4
            os.kill(cupsd.pid, signal.SIGCONT)
            async with asyncio.timeout(10):
                while True:
                    try:
                        assert await spooler.jobs(1) == ()
                        break
                    except DriverError:
                        await asyncio.sleep(0.2)

    _gaps: list[float] = [0.0]

    async def _ticks() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            _gaps.append(time.monotonic() - before)

    asyncio.run(main())
    _threads_gone()


@pytest.mark.peers
@needs_cups
def test_a_cupsd_that_was_killed_is_found_again_with_its_jobs(cupsd):
    async def main() -> None:
        async with spooler_of(cupsd) as spooler:
            await spooler.bell(0.5)
            cupsd.print_pdf("alice", 1)
            async with asyncio.timeout(10):
                while not all(job.state.ended for job in await spooler.jobs(1)):
                    await spooler.bell(1)
            cupsd.kill9()
            with pytest.raises(DriverError):
                await spooler.jobs(1)
            with pytest.raises(DriverError):
                await spooler.bell(1)
            cupsd.restart()
            assert [(job.user, job.state) for job in await spooler.jobs(1)] == [("alice", JobState.COMPLETED)]
            await spooler.bell(1)
            ring = asyncio.create_task(spooler.bell(10))
            await asyncio.to_thread(cupsd.print_pdf, "bob", 1)
            assert await ring is True
            assert [job.user for job in await spooler.jobs(1)] == ["alice", "bob"]

    asyncio.run(main())
    _threads_gone()


@pytest.mark.peers
@needs_cups
def test_no_cupsd_is_an_error_at_once(tmp_path):
    async def main() -> None:
        for server in (str(tmp_path / "cups.sock"), "127.0.0.1:1"):
            async with CupsSpooler(SystemClock(), server, ["hole"]) as spooler:
                with pytest.raises(DriverError):
                    await spooler.jobs(1)

    before = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - before < 3


@pytest.mark.peers
@needs_cups
def test_queues_that_are_not_ours_and_titles_do_not_come_through(cupsd):
    cupsd.add_queue("other", "file:///dev/null")
    cupsd.print_pdf("alice", 1, queue="other")
    cupsd.print_pdf("bob", 1, queue="hole")

    async def main() -> None:
        async with spooler_of(cupsd) as spooler:
            (job,) = await spooler.jobs(1)
            assert (job.user, job.queue) == ("bob", "hole")
            assert "document" not in repr(job)

    asyncio.run(main())


# --- the peer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pages", "colour"), [(1, False), (5, True), (20, False)])
def test_the_peers_documents_have_their_pages(pages, colour, tmp_path):
    file = tmp_path / "document.pdf"
    file.write_bytes(pdf(pages, colour=colour))
    reader = pypdf.PdfReader(file, strict=True)
    assert len(reader.pages) == pages
    assert f"page {pages} / {pages}" in reader.pages[-1].extract_text()


@pytest.mark.peers
@needs_cups
def test_a_killed_predecessor_is_reclaimed_and_its_spool_kept(tmp_path):
    first = CupsPeer(tmp_path / "cups")
    first.start()
    first.add_queue("hole", "file:///dev/null")
    limit = time.monotonic() + 15
    written = first.home / "root" / "printers.conf"
    while not (written.exists() and "hole" in written.read_text()):  # it writes it down a moment after it has answered
        assert time.monotonic() < limit, "the queue is not written down"
        time.sleep(0.02)
    left_behind = first.pid
    with CupsPeer(tmp_path / "cups") as second:
        assert second.queues() == ("hole",)
        first._cupsd.wait(5)
        assert first.pid is None
        assert second.pid not in {None, left_behind}
        with pytest.raises(PeerError, match="lp"):
            second.print_pdf("alice", 1, queue="nowhere")


def _threads_gone() -> None:
    limit = time.monotonic() + 5
    while any(thread.name == "cups" for thread in threading.enumerate()):
        assert time.monotonic() < limit, "a thread was left behind"
        time.sleep(0.02)
