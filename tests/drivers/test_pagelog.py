"""The page log as it grows, is turned over, torn and forged (tier: rule, over real files)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.rules.spoolset import PAGE_LOG_FORMAT
from drivers.pagelog import FIRST, FORMAT, PageLog, parse
from drivers.spooling import LoggedJob, PageLogLook


def line(job: int, sides: int = 5) -> str:
    return f"{job} {1795867000 + job} copieur total {sides} {sides}\n"


def jobs(look: PageLogLook) -> list[int]:
    assert look.strange == 0
    return [one.job for one in look.lines]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "page_log"


def test_the_format_is_the_one_that_is_checked():
    assert FORMAT == PAGE_LOG_FORMAT == "%j %{time-at-creation} %p %P %C %{job-impressions-completed}"


def test_a_line_says_job_creation_queue_and_claim():
    look = parse(b"7 1795867826 copieur total 15 15\n8 1795867827 bureau-2 3 1 -\n")
    assert look == PageLogLook((LoggedJob(7, 1795867826, "copieur", 15), LoggedJob(8, 1795867827, "bureau-2", 0)))


@pytest.mark.parametrize(
    "strange",
    [
        "copieur alice 57 [28/Nov/2026:11:57:06 +0000] total 5 - localhost letter - -",
        "7 1795867826 copieur total 15 15 extra",
        "7 1795867826 copieur total 15",
        "-7 1795867826 copieur total 15 15",
        "7 1795867826 copieur total 15 -500",
        "9999999999 1795867826 copieur total 1 1",
        "\u0667 1795867826 copieur total 1 1",
        "",
        "7 1795867826 co pieur total 15 15",
        "\udcff",
    ],
)
def test_a_line_that_is_not_exactly_of_our_form_is_strange(strange):
    text = (strange + "\n").encode("utf-8", "surrogateescape")
    assert parse(text + line(8).encode()) == PageLogLook((LoggedJob(8, 1795867008, "copieur", 5),), 1)


def test_lines_are_told_once_and_half_a_line_when_it_is_whole(file):
    log = PageLog(file)
    assert log.read() == PageLogLook()  # it is made with the first job
    assert log.readable
    file.write_text(line(1) + line(2)[:9])
    assert jobs(log.read()) == [1]
    assert jobs(log.read()) == []
    with file.open("a") as out:
        out.write(line(2)[9:] + line(3))
    assert jobs(log.read()) == [2, 3]


@pytest.mark.parametrize("old", ["page_log.O", "page_log.1"])
def test_a_log_that_was_turned_over_between_two_looks_loses_nothing(file, old):
    log = PageLog(file)
    file.write_text(line(1))
    assert jobs(log.read()) == [1]
    with file.open("a") as out:
        out.write(line(2))
    file.rename(file.with_name(old))
    file.write_text(line(3))
    assert jobs(log.read()) == [2, 3]
    assert jobs(log.read()) == []


def test_a_log_turned_over_and_not_made_anew_yet(file):
    log = PageLog(file)
    file.write_text(line(1))
    assert jobs(log.read()) == [1]
    with file.open("a") as out:
        out.write(line(2))
    file.rename(file.with_name("page_log.O"))
    assert jobs(log.read()) == []
    file.write_text("")
    assert jobs(log.read()) == [2]


def test_a_log_that_was_emptied_in_place_is_read_anew(file):
    log = PageLog(file)
    file.write_text(line(1) + line(2))
    assert jobs(log.read()) == [1, 2]
    os.truncate(file, 0)
    with file.open("a") as out:
        out.write(line(3))
    assert jobs(log.read()) == [3]


def test_of_a_long_log_the_newest_part_is_read(file):
    count = 2 * FIRST // len(line(100_000))
    file.write_text("".join(line(100_000 + n) for n in range(count)))
    read = jobs(PageLog(file).read())
    assert read[-1] == 100_000 + count - 1
    assert read == list(range(read[0], read[-1] + 1))
    assert len(read) == pytest.approx(count / 2, abs=2)


def test_a_log_that_may_not_be_read_says_so_and_nothing_else(file):
    file.mkdir()
    assert PageLog(file).read() == PageLogLook()
    assert not PageLog(file.parent / "nowhere/page_log").readable
