"""The emulated copier: what it counts, and what it keeps when it is killed.

The expected numbers are what a person would count in the output tray.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from pathlib import Path

import pytest

from drivers.contract import Counters, JobState, LargeSides
from drivers.ipp import Tag, attribute
from drivers.peers.copier import Copier, CopierPeer, PanelError, physical_sides
from drivers.peers.copier_pages import PagesError, blank_sides
from tests.drivers.paper_tools import CANCEL_JOB, CREATE_JOB, PRINT_JOB, SEND_DOCUMENT, ask, document, reads, send

# --- the page interpreter ----------------------------------------------------------------------------------


def test_pdf_sides_and_which_are_blank():
    assert blank_sides(document(5)) == (False,) * 5
    assert blank_sides(document(4, blank=frozenset({2, 4}))) == (False, True, False, True)


def _line(pixels: bytes, repeat: int = 1) -> bytes:
    """One raster line of 8-bit pixels, literal."""
    return bytes([repeat - 1, (257 - len(pixels)) % 256]) + pixels


def _pwg_page(lines: bytes, width: int, height: int) -> bytes:
    header = bytearray(1796)
    struct.pack_into(">II", header, 372, width, height)
    struct.pack_into(">IIIII", header, 384, 8, 8, width, 0, 18)  # bits, bits, bytes per line, chunky, sGray
    return bytes(header) + lines


def test_pwg_raster_pages_are_walked():
    text = _line(b"\xff\x00\xff\x10") + _line(b"\xff" * 4, repeat=9)
    white = bytes([9, 3, 0xFF])  # ten lines, one run of four
    assert blank_sides(b"RaS2" + _pwg_page(text, 4, 10) + _pwg_page(white, 4, 10)) == (False, True)


def test_apple_raster_pages_are_walked():
    header = struct.pack(">BBBB8xIII8x", 24, 1, 1, 4, 2, 3, 300)
    text = bytes([1, 0xFF]) + b"\xff\xff\xff\x00\x00\x00" + bytes([0, 0x80])
    white = bytes([2, 0x80])
    data = b"UNIRAST\0" + struct.pack(">I", 3) + header + white + header + text + header + white
    assert blank_sides(data) == (True, False, True)


@pytest.mark.parametrize(
    "damaged",
    [
        b"hello",
        b"",
        b"%PDF-1.4 nothing",
        b"RaS2" + bytes(100),
        b"UNIRAST\0\0\0\0\1",
        b"RaS2" + _pwg_page(b"\x00", 4, 10),
    ],
)
def test_what_is_no_document_is_said_so(damaged):
    with pytest.raises(PagesError):
        blank_sides(damaged)


# --- the machine -------------------------------------------------------------------------------------------


def copying(story, folder: Path, **how):
    """Run `story(copier)` beside a fast copier and return what it returns."""

    async def whole():
        async with Copier(folder, **({"sides_per_s": 1000} | how)) as copier:
            return await story(copier)

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("body", "copies", "two_sided", "sides", "sheets"),
    [
        (document(5), 3, True, 15, 9),
        (document(6, blank=frozenset({6})), 3, True, 15, 9),  # the back a spooler pads is no side
        (document(5), 3, False, 15, 15),
        (document(1), 1, True, 1, 1),
        (document(2, blank=frozenset({2})), 1, True, 1, 1),
        (document(7), 999, False, 6993, 6993),
    ],
)
def test_sides_and_sheets(tmp_path, body, copies, two_sided, sides, sheets):
    async def story(copier):
        await send(copier.uri, "alice", body, copies=copies, two_sided=two_sided)
        await copier.settle()
        return (await reads(copier.uri)).jobs

    (job,) = copying(story, tmp_path, sides_per_s=1e6)
    assert (job.sides, job.sheets, job.state) == (sides, sheets, JobState.COMPLETED)
    printed = list(physical_sides(tmp_path))
    assert sum(not side.blank for side in printed) == sides
    assert len({side.sheet for side in printed}) == sheets
    assert (tmp_path / "received" / "GDN0001-1-1.pdf").read_bytes() == body


def test_two_documents_in_one_job_begin_on_sheets_of_their_own(tmp_path):
    async def story(copier):
        made = await asyncio.to_thread(
            ask, copier.uri, CREATE_JOB, job=(attribute("sides", Tag.KEYWORD, "two-sided-long-edge"),)
        )
        number = attribute("job-id", Tag.INTEGER, made.first(Tag.JOB).integer("job-id"))
        for pages, last in ((5, False), (7, True)):
            flag = attribute("last-document", Tag.BOOLEAN, last)
            await asyncio.to_thread(ask, copier.uri, SEND_DOCUMENT, number, flag, body=document(pages))
        await copier.settle()
        return (await reads(copier.uri)).jobs

    (job,) = copying(story, tmp_path)
    assert (job.sides, job.sheets) == (12, 7)


def test_a_job_whose_document_never_comes_is_given_up(tmp_path):
    """A spooler killed between Create-Job and Send-Document must not keep the books open for ever."""

    async def story(copier):
        copier.machine.incoming_s = 3.0  # long beside the reading of what waits
        await asyncio.to_thread(ask, copier.uri, CREATE_JOB)
        before = await reads(copier.uri)
        await copier.settle(30.0)
        return before, await reads(copier.uri)

    before, after = copying(story, tmp_path)
    assert (before.settled, [job.state for job in before.jobs]) == (True, [JobState.PENDING])
    assert (after.settled, [job.state for job in after.jobs]) == (True, [JobState.ABORTED])


def test_refusals_leave_no_job_and_a_damaged_document_an_aborted_one(tmp_path):
    async def story(copier):
        async def status(*job, **how) -> int:
            return (await asyncio.to_thread(ask, copier.uri, PRINT_JOB, *how.pop("more", ()), job=job, **how)).code

        statuses = [
            await status(attribute("copies", Tag.INTEGER, 1000), body=document(1)),
            await status(attribute("sides", Tag.KEYWORD, "three-sided"), body=document(1)),
            await status(attribute("media", Tag.KEYWORD, "iso_a0_841x1189mm"), body=document(1)),
            await status(more=(attribute("document-format", Tag.MIME_TYPE, "text/plain"),), body=b"hello"),
            await status(body=b"%PDF-nonsense"),
        ]
        await copier.settle()
        return statuses, await reads(copier.uri)

    statuses, reading = copying(story, tmp_path)
    assert statuses == [0x040B, 0x040B, 0x040B, 0x040A, 0x0411]
    assert [(job.state, job.sides) for job in reading.jobs] == [(JobState.ABORTED, 0)]
    assert reading.counters.sides == 0


def test_canceled_over_ipp_while_it_prints(tmp_path):
    async def story(copier):
        await copier.press("paper", "9")
        job = await send(copier.uri, "alice", document(20))
        later = await send(copier.uri, "bob", document(2))
        await copier.machine.until(lambda: bool(copier.machine.obstacles()))
        number = attribute("job-id", Tag.INTEGER, job)
        codes = [(await asyncio.to_thread(ask, copier.uri, CANCEL_JOB, number)).code for _ in range(2)]
        await copier.press("paper", "in")
        await copier.settle()
        return codes, job, later, (await reads(copier.uri)).jobs

    codes, job, later, jobs = copying(story, tmp_path)
    assert codes[0] == 0
    assert codes[1] == 0x0404
    assert [(each.job, each.state, each.sides) for each in jobs] == [
        (job, JobState.CANCELED, 9),
        (later, JobState.COMPLETED, 2),
    ]


def test_a_jam_in_the_middle_prints_nothing_twice(tmp_path):
    async def story(copier):
        await copier.press("paper", "4")
        await send(copier.uri, "alice", document(20))
        await copier.machine.until(lambda: bool(copier.machine.obstacles()))
        await copier.press("jam")
        await copier.press("paper", "in")
        await copier.press("cover", "open")
        jammed = await reads(copier.uri)
        await copier.press("cover", "close")
        await copier.press("clear")
        await copier.settle()
        return jammed, await reads(copier.uri)

    jammed, after = copying(story, tmp_path)
    assert jammed.reasons == ("media-jam-error", "cover-open-error")
    assert [job.sides for job in jammed.jobs] == [4]
    assert [(job.state, job.sides) for job in after.jobs] == [(JobState.COMPLETED, 20)]


def test_copies_at_the_glass_go_before_waiting_prints(tmp_path):
    async def story(copier):
        await copier.press("paper", "out")
        await copier.press("copy", "12", "two-sided")
        await asyncio.sleep(0.05)
        await send(copier.uri, "alice", document(5))
        await copier.press("copy", "2", "colour")
        await copier.press("paper", "in")
        await copier.settle()
        return (await reads(copier.uri)).counters

    assert copying(story, tmp_path) == Counters(5, 0, 12, 2, 13, LargeSides(0, 0, 0, 0))
    assert [side.work for side in physical_sides(tmp_path)] == ["copy"] * 14 + ["print"] * 5


def test_the_red_button_ends_copies_too(tmp_path):
    async def story(copier):
        await copier.press("paper", "3")
        await copier.press("copy", "10")
        await copier.machine.until(lambda: bool(copier.machine.obstacles()))
        said = await copier.press("cancel")
        await copier.settle()
        return said, (await reads(copier.uri)).counters.copy_mono

    assert copying(story, tmp_path) == ("copy", 3)


def test_a_machine_that_refuses_when_busy(tmp_path):
    async def story(copier):
        await copier.press("paper", "out")
        await copier.press("copy", "1")
        refused = (await asyncio.to_thread(ask, copier.uri, PRINT_JOB, body=document(1))).code
        await copier.press("paper", "in")
        await copier.settle()
        return refused, (await asyncio.to_thread(ask, copier.uri, PRINT_JOB, body=document(1))).code

    assert copying(story, tmp_path, refuse_when_busy=True) == (0x0507, 0)


def test_it_prints_in_time(tmp_path):
    async def story(copier):
        began = time.monotonic()
        await send(copier.uri, "alice", document(10))
        await copier.settle()
        return time.monotonic() - began

    assert 0.5 <= copying(story, tmp_path, sides_per_s=20) < 5.0


# --- as a process: killed, unplugged, told -----------------------------------------------------------------


def test_the_panel_is_a_socket_and_says_what_it_does_not_understand(tmp_path):
    with CopierPeer(tmp_path, "--sides-per-s", "500") as copier:
        copier.tell("copy", "3", "colour")
        copier.tell("settle")
        status = copier.tell("status")
        assert (status["sides"], status["counters"]["copy_colour"], status["idle"]) == (3, 3, True)
        for wrong in (("dance",), ("copy",), ("copy", "0"), ("copy", "x"), ("toner", "green", "1"), ("paper", "maybe")):
            with pytest.raises(PanelError):
                copier.tell(*wrong)
        assert copier.tell("status")["sides"] == 3
    with pytest.raises(PanelError):
        copier.tell("status")


@pytest.mark.peers
@pytest.mark.parametrize("times", [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_killed_at_any_instant_it_forgets_no_side_and_invents_none(tmp_path, times):
    """`kill -9` at random instants: the counters are always the sides on paper, the records never more or less."""
    dice = random.Random(20261122)
    with CopierPeer(tmp_path, "--sides-per-s", "200") as copier:
        for _ in range(times):
            copier.tell("copy", "5")
            asyncio.run(send(copier.uri, "alice", document(30), copies=2, two_sided=True))
            time.sleep(dice.uniform(0.0, 0.25))
            copier.kill9()
            paper = copier.sides()
            copier.start()
            reading = asyncio.run(reads(copier.uri))
            assert copier.sides() == paper
            assert reading.counters.print_mono == sum(side.work == "print" for side in paper)
            assert reading.counters.copy_mono == sum(side.work == "copy" for side in paper)
            assert reading.counters.sheets == len({side.sheet for side in paper})
            assert sum(job.sides for job in reading.jobs) == reading.counters.print_mono
            assert all(job.state.ended for job in reading.jobs)
    assert paper


def test_a_line_cut_by_a_killed_writer_is_no_side(tmp_path):
    copying(lambda copier: copier.press("copy", "2"), tmp_path)
    with (tmp_path / "sides.jsonl").open("ab") as file:
        file.write(b'{"at_s": 1795343917.3, "ser')
    before = len(list(physical_sides(tmp_path)))

    async def story(copier):
        await copier.press("copy", "1")
        await copier.settle()
        return copier.machine.counters.copy_mono

    assert copying(story, tmp_path) == before + 1
    assert len(list(physical_sides(tmp_path))) == before + 1


def test_without_power_nobody_answers_and_the_job_in_hand_is_lost(tmp_path):
    async def story(copier):
        await copier.press("paper", "10")
        await send(copier.uri, "alice", document(20))
        await copier.machine.until(lambda: bool(copier.machine.obstacles()))
        await copier.press("power", "off")
        with pytest.raises(Exception, match="refused"):
            await reads(copier.uri)
        await copier.press("power", "on")
        return await reads(copier.uri)

    reading = copying(story, tmp_path)
    assert [(job.state, job.sides) for job in reading.jobs] == [(JobState.ABORTED, 10)]
    assert reading.counters.sides == 10
