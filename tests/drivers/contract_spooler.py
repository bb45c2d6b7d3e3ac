"""What every `Spooler` promises, whatever plays it: the contract suite of the role.

A *subject* is a spooler one can print to. `LAWS` are coroutines over one subject, fresh for each; `test_spooler.py`
runs all of them over every subject of its table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.contract import JobState, Spooler, SpoolJob


@dataclass(frozen=True, slots=True)
class Subject:
    """A spooler, how people print to it, and the name of its queue."""

    spooler: Spooler
    print: Callable[[str, int], Awaitable[int]]  # (user, pages) -> job-id
    queue: str


async def _ended(subject: Subject, job: int) -> SpoolJob:
    """Wait for a job to end, by the bell."""
    async with asyncio.timeout(30):
        while True:
            found = next((one for one in await subject.spooler.jobs(job) if one.job == job), None)
            if found is not None and found.state.ended:
                return found
            await subject.spooler.bell(1.0)


async def a_job_is_listed_under_its_user_until_after_its_end(subject: Subject) -> None:
    number = await subject.print("alice", 2)
    job = await _ended(subject, number)
    assert (job.job, job.user, job.queue, job.state) == (number, "alice", subject.queue, JobState.COMPLETED)
    assert job.created_s > 0
    assert job.claimed_sides >= 0
    assert (job.copies, job.format) == (1, "application/pdf")
    assert [one.job for one in await subject.spooler.jobs(1)] == [number]


async def jobs_come_ascending_from_the_first_asked_for(subject: Subject) -> None:
    numbers = [await subject.print(user, 1) for user in ("alice", "bob", "carol")]
    await _ended(subject, numbers[-1])
    assert [(job.job, job.user) for job in await subject.spooler.jobs(1)] == [
        (numbers[0], "alice"),
        (numbers[1], "bob"),
        (numbers[2], "carol"),
    ]
    assert [job.job for job in await subject.spooler.jobs(numbers[1])] == numbers[1:]
    assert await subject.spooler.jobs(numbers[-1] + 1) == ()


async def the_bell_is_silent_when_nothing_happens(subject: Subject) -> None:
    await subject.spooler.bell(0.3)  # the first one may ring to say that it hangs
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await subject.spooler.bell(0.5) is False
    assert 0.45 <= loop.time() - before < 5


async def the_bell_rings_for_a_job(subject: Subject) -> None:
    await subject.spooler.bell(0.3)
    ring = asyncio.create_task(subject.spooler.bell(20))
    await asyncio.sleep(0.3)
    await subject.print("alice", 1)
    assert await ring is True


LAWS = (
    a_job_is_listed_under_its_user_until_after_its_end,
    jobs_come_ascending_from_the_first_asked_for,
    the_bell_is_silent_when_nothing_happens,
    the_bell_rings_for_a_job,
)
