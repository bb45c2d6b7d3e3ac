"""libcups at the copier's other end: ipptool's scripts, and a real cupsd with a driverless queue."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.contract import Counters, JobState, LargeSides
from drivers.peers.copier import CopierPeer
from drivers.peers.cups import CupsPeer, available
from tests.drivers.paper_tools import document, reads

needs_ipptool = pytest.mark.skipif(not shutil.which("ipptool"), reason="no ipptool here (package cups-ipp-utils)")
needs_cups = pytest.mark.skipif(bool(available()), reason=available() or "cupsd is here")


def _ipptool(uri: str, script: Path | str, file: Path) -> str:
    command = ["ipptool", "-t", "-T", "20", "-f", str(file), uri, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert "[FAIL]" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.peers
@needs_ipptool
def test_libcups_agrees_with_our_own_scripts(tmp_path):
    file = tmp_path / "five.pdf"
    file.write_bytes(document(5))
    with CopierPeer(tmp_path / "copier", "--sides-per-s", "200") as copier:
        said = [_ipptool(copier.uri, Path(__file__).parent / "ipptool" / f"{name}.test", file) for name in SCRIPTS]
    assert [text.count("[PASS]") for text in said] == [2, 5, 6]


SCRIPTS = ("printer", "print", "jobs")


@pytest.mark.peers
@needs_ipptool
def test_libcups_ipp_1_1_suite_passes(tmp_path):
    file = tmp_path / "five.pdf"
    file.write_bytes(document(5))
    with CopierPeer(tmp_path / "copier", "--sides-per-s", "200") as copier:
        assert _ipptool(copier.uri, "ipp-1.1.test", file).count("[PASS]") >= 25


def _lp(cups: CupsPeer, file: Path, *options: str) -> None:
    words = [word for option in options for word in ("-o", option)]
    command = ["lp", "-d", "copier", "-U", "alice", *words, str(file)]
    subprocess.run(command, env=os.environ | {"CUPS_SERVER": cups.server}, check=True, capture_output=True, timeout=30)


def _queue(cups: CupsPeer, uri: str) -> None:
    """A driverless queue as a site sets it up: in black unless colour is asked for.

    Without the default CUPS sends colour for most jobs that say nothing, because the machine can.
    """
    cups.add_queue("copier", uri)
    command = ["lpadmin", "-p", "copier", "-o", "print-color-mode-default=monochrome"]
    place = {"CUPS_SERVER": cups.server, "PATH": os.defpath + ":/usr/sbin:/sbin"}
    subprocess.run(command, env=os.environ | place, check=True, timeout=30)


async def _settled(copier: CopierPeer, jobs: int):
    for _ in range(300):
        reading = await reads(copier.uri)
        over = [job for job in reading.jobs if job.state.ended]
        if reading.settled and len(over) >= jobs:  # a job announced, its pages still to come, leaves the device idle
            return reading
        await asyncio.sleep(0.1)
    raise AssertionError(reading)


WANTED = (  # pages, what a member asks of lp(1), and (sides, of these colour, sheets) in the tray
    (5, ("copies=3", "sides=two-sided-long-edge"), (15, 0, 9)),
    (1, ("sides=two-sided-long-edge",), (1, 0, 1)),
    (5, ("sides=two-sided-long-edge", "print-color-mode=color"), (5, 5, 3)),
    (5, ("copies=3", "Duplex=DuplexNoTumble"), (15, 0, 9)),
    (7, ("page-ranges=2-4",), (3, 0, 3)),
    (7, ("page-set=odd",), (4, 0, 4)),
    (7, ("number-up=2",), (4, 0, 4)),
    (7, ("number-up=4", "copies=2", "sides=two-sided-long-edge"), (4, 0, 2)),
    (2, ("media=iso_a3_297x420mm",), (2, 0, 2)),
)


@pytest.mark.peers
@needs_cups
@pytest.mark.parametrize(
    ("formats", "rows", "counters"),
    [
        ("application/pdf,image/urf,image/pwg-raster", 9, Counters(48, 5, 0, 0, 37)),
        ("image/pwg-raster", 3, Counters(16, 5, 0, 0, 13)),
    ],
)
def test_a_real_cupsd_prints_through_a_driverless_queue(tmp_path, formats, rows, counters):
    """`lpadmin -m everywhere`, `lp`, cups-filters and the ipp backend, none of them ours."""
    with (
        CopierPeer(tmp_path / "copier", "--sides-per-s", "500", "--formats", formats) as copier,
        CupsPeer(tmp_path / "cups") as cups,
    ):
        _queue(cups, copier.uri)
        for number, (pages, options, _) in enumerate(WANTED[:rows]):
            file = tmp_path / f"{number}.pdf"
            file.write_bytes(document(pages))
            _lp(cups, file, *options)
        reading = asyncio.run(_settled(copier, rows))
        paper = copier.sides()
    assert [(job.sides, job.sides_colour, job.sheets) for job in reading.jobs] == [got for *_, got in WANTED[:rows]]
    assert {(job.user, job.state) for job in reading.jobs} == {("alice", JobState.COMPLETED)}
    assert reading.counters is not None
    assert replace(reading.counters, large=None) == counters
    assert sum(not side.blank for side in paper) == counters.sides
    assert len({side.sheet for side in paper}) == counters.sheets


@pytest.mark.peers
@needs_cups
def test_a_job_through_cups_canceled_at_the_panel_is_what_was_printed(tmp_path):
    file = tmp_path / "twenty.pdf"
    file.write_bytes(document(20))
    with (
        CopierPeer(tmp_path / "copier", "--sides-per-s", "200") as copier,
        CupsPeer(tmp_path / "cups") as cups,
    ):
        _queue(cups, copier.uri)
        copier.tell("paper", "4")
        _lp(cups, file)
        while copier.tell("status")["reasons"] != ["media-empty-error"]:
            time.sleep(0.05)
        copier.tell("cancel")
        copier.tell("paper", "in")
        reading = asyncio.run(_settled(copier, 1))
    (job,) = reading.jobs
    assert (job.state, job.sides, job.sheets) == (JobState.CANCELED, 4, 4)
    assert reading.counters == Counters(4, 0, 0, 0, 4, LargeSides(0, 0, 0, 0))
