"""A random week of jobs, copies and faults against the machine's own count: nothing is billed as certain and wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.rules.pages import AttemptCounted
from drivers.contract import JobState
from tests.stories.week import Verdict, Week
from tests.stories.week_machine import Work

REPORT = Path(__file__).parents[1] / "reports/paper-week.txt"


def played(folder: Path, seed: int, jobs: int) -> Verdict:
    week = Week(folder, seed)
    try:
        return asyncio.run(week.play(jobs))
    finally:
        week.close()


def judge(told: Verdict) -> None:
    assert told.wrong == []
    assert told.faults == []
    assert told.balanced
    assert told.uncertain_share <= 0.005


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sample_of_the_week(tmp_path, seed):
    judge(played(tmp_path, seed, 120))


def test_a_number_given_out_twice_is_not_taken_for_its_old_note(tmp_path):
    week = Week(tmp_path, 1)

    async def story() -> None:
        await week.look()
        week.job(
            "alice", 3, JobState.COMPLETED, week.machine.prints(Work("alice", 3), week.spool_name(), JobState.COMPLETED)
        )
        await week.look()
        week.machine.forget()  # its numbers start over
        week.clock.now_s += 60
        week.job(
            "alice", 7, JobState.COMPLETED, week.machine.prints(Work("alice", 7), week.spool_name(), JobState.COMPLETED)
        )
        week.clock.now_s += 2
        await week.clerk.look()  # a badge, say: the spooler's story has not looked yet
        await week.look()

    asyncio.run(story())
    rows = [entry.fact for entry in week.ledger.entries(AttemptCounted)]
    week.close()
    assert [(row.spooled, row.low, row.high) for row in rows if isinstance(row, AttemptCounted)] == [
        ("copieur/1/1793602806", 3, 3),
        ("copieur/2/1793602872", 7, 7),
    ]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_week_of_ten_thousand_jobs(tmp_path):
    told = played(tmp_path, 20261102, 10_000)
    lines = [
        "A random week at the emulated copier (sim tier: the real clerk and ledger, virtual time, seed 20261102).",
        f"jobs {told.jobs}, attempts {told.attempts}, sides {told.sides}, copies {told.copies}",
        f"rows certain and wrong, or that do not hold the truth: {len(told.wrong)}",
        f"sides between low and high: {told.uncertain} ({100 * told.uncertain_share:.3f} %)",
        f"sides of attempts without a row (unattributed): {told.unbooked}",
        f"books balance to the side: {told.balanced}, faults {len(told.faults)}",
        "what happened: " + ", ".join(f"{what} {count}" for what, count in sorted(told.happened.items())),
    ]
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    judge(told)
