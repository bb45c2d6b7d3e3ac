"""A random week of jobs, copies and faults against the machine's own count: nothing is billed as certain and wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.stories.week import Verdict, Week

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
