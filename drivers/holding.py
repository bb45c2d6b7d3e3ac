"""What waits for a badge: the part of the contract that is about held jobs. Pure, as `drivers.contract` is.

The one idea: a held job is known by (job, created_s), as everywhere; what it asks for (RFC 8011 section 5.2, PWG
5100.13) is the client's word, and what its documents hold is a look of ours that may end in "nobody can tell".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HeldJob:
    """One job that waits in a stopped intake queue. No title: titles do not leave the driver."""

    queue: str
    job: int  # see contract.SpoolJob
    created_s: int
    user: str  # as claimed; "" where the client sent none
    host: str  # the address it came from
    copies: int = 1
    two_sided: bool = False
    one_sided: bool = False  # asked for; where neither is, the queue or the machine decides
    monochrome: bool = False  # asked for by the client, or all that its queue does
    number_up: int = 1  # pages on one side
    ranges: tuple[tuple[int, int], ...] = ()  # page-ranges, 1-based, both ends included; () = all
    page_set: str = "all"  # "all", "odd", "even"
    recast: bool = False  # its pages are laid out anew (a booklet, an enlarged picture): nobody can tell how many
    banners: tuple[bool, bool] = (False, False)  # sheets that the spooler puts before and after it (job-sheets)
    documents: int = 1  # without those
    size_bytes: int = 0
    authenticated: bool = False  # its queue asked for the password of `user`
    media: str = ""  # asked for, as a PWG 5101.1 or an older name; "": the queue's own
    account: str = ""  # job-account-id (PWG 5100.7): what the client says is to pay, any text

    @property
    def name(self) -> tuple[int, int]:
        """Return what tells this job from all others: a job-id alone may be given out twice."""
        return self.job, self.created_s


@dataclass(frozen=True, slots=True)
class Leaves:
    """What a look through one document found. The document may be hostile; the look is bounded in time and memory."""

    pages: int | None  # None: nobody can tell
    colour: frozenset[int] | None = None  # which pages have colour, 1-based; None: nobody can tell
    why: str = ""  # why not: "encrypted", "broken", "format", "too-large", "too-slow"


class Releaser(Protocol):
    """The stopped intake queues of the spooler, and the way out of them."""

    async def held(self) -> tuple[HeldJob, ...]:
        """Return the jobs that wait, oldest first. Raises DriverError."""

    async def keep_stopped(self) -> tuple[str, ...]:
        """Stop what should be stopped and was not; return those queues. Raises DriverError."""

    async def leaf(self, job: HeldJob) -> tuple[Leaves, ...]:
        """Look through the documents of a job, without banners; takes seconds at most. Raises DriverError."""

    async def release(self, job: HeldJob, queue: str) -> None:
        """Move a job to a queue that prints. Raises DriverError: then it still waits, or another moved it."""

    async def discard(self, job: HeldJob) -> None:
        """Cancel a job and let its documents go. Raises DriverError."""
