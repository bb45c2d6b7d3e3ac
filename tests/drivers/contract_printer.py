"""What every `Printer` promises, whatever plays it: the contract suite of the role.

A *subject* is a device that can be walked up to and printed on. `LAWS` are coroutines over one subject, fresh for
each; `test_printer.py` runs all of them over every subject of its table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from drivers.contract import Counters, DeviceReading, DeviceState, JobState, Printer


@dataclass(frozen=True, slots=True)
class Subject:
    """A printer and the ways people use it. `settle` returns when the device has nothing more to do."""

    printer: Printer
    print: Callable[..., Awaitable[None]]  # (user, pages, *, colour=False, two_sided=False, copies=1)
    copy: Callable[[int, bool], Awaitable[None]]  # (sides, colour)
    paper: Callable[[bool], Awaitable[None]]  # (there)
    toner: Callable[[str, float], Awaitable[None]]  # (colour, share)
    settle: Callable[[], Awaitable[None]]


async def _counters(subject: Subject) -> Counters:
    counters = (await subject.printer.read()).counters
    assert counters is not None
    return counters


def _moved(before: Counters, after: Counters) -> tuple[int, int, int, int, int]:
    return (
        after.print_mono - before.print_mono,
        after.print_colour - before.print_colour,
        after.copy_mono - before.copy_mono,
        after.copy_colour - before.copy_colour,
        after.sheets - before.sheets,
    )


async def at_rest_it_is_settled_and_says_who_it_is(subject: Subject) -> None:
    first, second = await subject.printer.read(), await subject.printer.read()
    assert first.state is DeviceState.IDLE
    assert first.settled
    assert first.serial
    assert first.serial == second.serial
    assert first.counters == second.counters
    assert "none" not in first.reasons
    assert second.at.mono_s >= first.at.mono_s
    assert {supply.colour for supply in first.supplies} == {"black", "cyan", "magenta", "yellow"}
    assert all(supply.name and 0.0 <= supply.level_share <= 1.0 for supply in first.supplies)


async def five_pages_three_times_two_sided_are_15_sides_on_9_sheets(subject: Subject) -> None:
    before = await subject.printer.read()
    await subject.print("alice", 5, two_sided=True, copies=3)
    await subject.settle()
    after = await subject.printer.read()
    (job,) = [job for job in after.jobs if job not in before.jobs]
    assert (job.user, job.state, job.copies, job.two_sided) == ("alice", JobState.COMPLETED, 3, True)
    assert (job.sides, job.sides_colour, job.sheets) == (15, 0, 9)
    assert (job.device, job.serial) == (after.device, after.serial)
    assert job.uuid
    assert abs(after.at.utc - job.created_utc) < timedelta(minutes=1)
    assert after.settled
    assert _moved(before.counters, after.counters) == (15, 0, 0, 0, 9)


async def one_page_two_sided_is_one_side(subject: Subject) -> None:
    await subject.print("bob", 1, two_sided=True)
    await subject.settle()
    (job,) = (await subject.printer.read()).jobs
    assert (job.sides, job.sheets) == (1, 1)


async def colour_is_counted_apart(subject: Subject) -> None:
    before = await _counters(subject)
    await subject.print("alice", 2, colour=True)
    await subject.print("alice", 3)
    await subject.settle()
    reading = await subject.printer.read()
    assert [(job.sides, job.sides_colour) for job in reading.jobs] == [(2, 2), (3, 0)]
    assert _moved(before, reading.counters) == (3, 2, 0, 0, 5)


async def copies_move_their_own_counters_and_leave_no_job(subject: Subject) -> None:
    before = await subject.printer.read()
    await subject.copy(3, False)
    await subject.copy(2, True)
    await subject.settle()
    after = await subject.printer.read()
    assert _moved(before.counters, after.counters) == (0, 0, 3, 2, 5)
    assert after.jobs == before.jobs
    assert after.counters.sides - before.counters.sides == 5


async def without_paper_it_stops_and_says_so_and_then_prints_once(subject: Subject) -> None:
    before = await _counters(subject)
    await subject.paper(False)
    await subject.print("carol", 4)
    stopped = await _until(subject, lambda reading: reading.state is DeviceState.STOPPED)
    assert "media-empty-error" in stopped.reasons
    assert _moved(before, stopped.counters) == (0, 0, 0, 0, 0)
    await subject.paper(True)
    await subject.settle()
    after = await subject.printer.read()
    assert (after.state, after.reasons) == (DeviceState.IDLE, ())
    assert [(job.user, job.sides) for job in after.jobs] == [("carol", 4)]
    assert _moved(before, after.counters) == (4, 0, 0, 0, 4)


async def a_low_cartridge_is_a_warning(subject: Subject) -> None:
    await subject.toner("cyan", 0.04)
    reading = await subject.printer.read()
    assert {supply.colour: supply.level_share for supply in reading.supplies}["cyan"] == 0.04
    assert reading.reasons == ("toner-low-warning",)


async def an_ended_record_never_changes(subject: Subject) -> None:
    await subject.print("alice", 2)
    await subject.settle()
    (first,) = (await subject.printer.read()).jobs
    await subject.print("bob", 1, copies=2)
    await subject.copy(1, False)
    await subject.settle()
    again, second = (await subject.printer.read()).jobs
    assert again == first
    assert second.job != first.job
    assert second.uuid != first.uuid


async def records_and_counters_tell_the_same(subject: Subject) -> None:
    before = await _counters(subject)
    for user, pages, copies in (("alice", 3, 2), ("bob", 1, 1), ("alice", 2, 4)):
        await subject.print(user, pages, copies=copies, two_sided=pages > 1)
    await subject.settle()
    reading = await subject.printer.read()
    assert sum(job.sides for job in reading.jobs) == 15
    assert sum(job.sheets for job in reading.jobs) == 9
    assert _moved(before, reading.counters) == (15, 0, 0, 0, 9)


async def _until(subject: Subject, seen: Callable[[DeviceReading], bool]) -> DeviceReading:
    for _ in range(200):
        reading = await subject.printer.read()
        if seen(reading):
            return reading
    raise AssertionError("never seen")


LAWS = (
    at_rest_it_is_settled_and_says_who_it_is,
    five_pages_three_times_two_sided_are_15_sides_on_9_sheets,
    one_page_two_sided_is_one_side,
    colour_is_counted_apart,
    copies_move_their_own_counters_and_leave_no_job,
    without_paper_it_stops_and_says_so_and_then_prints_once,
    a_low_cartridge_is_a_warning,
    an_ended_record_never_changes,
    records_and_counters_tell_the_same,
)
