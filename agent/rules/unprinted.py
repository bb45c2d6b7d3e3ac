"""Says of which job of the spooler nothing came out, and why, so that nobody waits beside a copier for nothing.

The one idea: *the backend in the print path was there*. It ended by itself, the device never gave the job a number, and
its exit code says who refused (backend(7)): the device what it was asked for (a size, a way to print that it does not
have), or the filters a document that they could not read, and then nothing was sent. A member who took the job back is
told nothing, for the device had taken it or the backend was stopped. Nothing is billed by this. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, MemberId, Total, total
from drivers.contract import JobState, SpoolJob
from drivers.spooling import SpoolAttempt

RECENT_S = 3600.0  # what ended before that is no news, and was told
DONE, CANCEL = 0, 5  # exit codes of a backend: all that there was is sent; the job cannot be printed (backend(7))


class Why(StrEnum):
    """Why nothing came out. The words stand in the ledger: add, never rename."""

    UNREADABLE = "unreadable"  # its document is damaged or locked
    REFUSED = "refused"  # the device does not do what the job asks for
    EMPTY = "empty"  # it asked for pages that its document does not have


@dataclass(frozen=True, slots=True)
class JobUnprinted(Fact):
    """Nothing came out of a job, and nothing will."""

    kind: ClassVar[str] = "job-unprinted"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    job: int
    created_s: int
    alias: AliasId
    member: MemberId  # who badged for it, or whose its name is; "" nobody's
    why: str  # a Why

    def totals(self) -> tuple[Total, ...]:
        """Count it by device and reason."""
        return (total("jobs_unprinted", 1, device=self.device, why=self.why),)


def unprinted(job: SpoolJob, notes: Sequence[SpoolAttempt], now_s: float) -> Why | None:
    """Return why nothing came out of a job; None if something did, or may have, or that is no news at `now_s` (Unix).

    `notes`: all that the backend in the print path noted of it.
    """
    if not notes or not job.state.ended or any(note.device_job is not None or not note.heard for note in notes):
        return None
    last = notes[-1]
    if not 0 <= now_s - last.began_s < RECENT_S:
        return None
    if last.code == CANCEL:
        return Why.REFUSED
    if last.code != DONE or job.claimed_sides:
        return None
    return Why.EMPTY if job.state is JobState.COMPLETED else Why.UNREADABLE if job.state is JobState.ABORTED else None
