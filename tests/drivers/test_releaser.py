"""What waits in a real cupsd's stopped queue, as its releaser sees it."""

from __future__ import annotations

import asyncio

import pytest

from drivers.clock import SystemClock
from drivers.ipp import Tag, attribute
from drivers.peers.cups import CupsPeer, available
from drivers.releaser import CupsReleaser
from drivers.spooler import CupsSpooler
from tests.drivers.paper_tools import CREATE_JOB, PRINT_JOB, SEND_DOCUMENT, ask, document

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available())]


def test_a_job_of_which_documents_are_still_to_come_does_not_wait_yet(tmp_path):
    async def story(cupsd):
        async with CupsSpooler(SystemClock(), cupsd.server, ["q"]) as line:
            releaser = CupsReleaser(line, line, ["q"])
            seen = [[job.documents for job in await releaser.held()]]
            for last in (False, True):
                tail = (attribute("job-id", Tag.INTEGER, 1), attribute("last-document", Tag.BOOLEAN, last))
                await asyncio.to_thread(ask, uri, SEND_DOCUMENT, *tail, body=document(1))
                seen.append([job.documents for job in await releaser.held()])
            return seen

    with CupsPeer(tmp_path) as cupsd:
        cupsd.add_queue("q", "file:///dev/null", metered=False, held=True)
        uri = f"http://127.0.0.1:{cupsd.port}/printers/q"
        assert ask(uri, CREATE_JOB).first(Tag.JOB).integer("job-id") == 1
        assert asyncio.run(story(cupsd)) == [[], [], [2]]


def test_a_job_tells_on_how_many_sides_and_what_paper_it_is_to_be_printed_or_leaves_it_open(tmp_path):
    async def story(cupsd):
        async with CupsSpooler(SystemClock(), cupsd.server, ["q"]) as line:
            held = await CupsReleaser(line, line, ["q"]).held()
            return [(job.two_sided, job.one_sided, job.media) for job in held]

    with CupsPeer(tmp_path) as cupsd:
        cupsd.add_queue("q", "file:///dev/null", metered=False, held=True)
        uri = f"http://127.0.0.1:{cupsd.port}/printers/q"
        for sides, media in (("two-sided-long-edge", "iso_a3_297x420mm"), ("one-sided", ""), ("", "")):
            asked = (attribute("sides", Tag.KEYWORD, sides),) if sides else ()
            asked += (attribute("media", Tag.KEYWORD, media),) if media else ()
            ask(uri, PRINT_JOB, job=asked, body=document(1))
        assert asyncio.run(story(cupsd)) == [
            (True, False, "iso_a3_297x420mm"),
            (False, True, ""),
            (False, False, ""),
        ]
