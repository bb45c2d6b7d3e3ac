"""What somebody wishes of a job that waits for a badge, on its way to the desk that grants it and back.

The one idea: *a wish waits for its turn like a badge, and not for ever*. So no job is both let out and withdrawn, or
let out and charged to another, and whoever asked is told what came of it, or that nobody knows. The actions are
`job-withdraw` (its member takes it back) and `job-charge` (a shared account pays, or its owner again), with the
arguments `job` ("JOB/CREATED"), `member` ("" for a charge: the animator) and `payer` ("": whoever badges for it).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from agent.ask import Answer, Request
from agent.rules.facts import MemberId
from agent.rules.payers import Charge
from agent.rules.release import Name, Withdrawal

WISH_S = 8.0  # how long somebody waits for the answer; a wish that had no turn by then is dropped
ACTIONS = ("job-withdraw", "job-charge")


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish; its answer is set once it is granted or refused."""

    job: Name
    member: MemberId
    payer: MemberId | None  # None: to take the job back
    actor: str
    answer: asyncio.Future[Withdrawal | Charge]


def wished(request: Request) -> Wish | None:
    """Read a request; None if it is about something else. Call it on the loop that grants wishes."""
    given = request.arguments
    job, _, created_s = given.get("job", "").partition("/")
    if request.action not in ACTIONS or not (job.isdecimal() and created_s.isdecimal()):
        return None
    payer = MemberId(given.get("payer", "")) if request.action == "job-charge" else None
    answer: asyncio.Future[Withdrawal | Charge] = asyncio.get_running_loop().create_future()
    return Wish((int(job), int(created_s)), MemberId(given.get("member", "")), payer, request.actor, answer)


async def answered(wish: Wish) -> Answer:
    """Wait for what comes of a wish; the code is a `Withdrawal`, a `Charge`, or "unsure": it had no turn in time."""
    with contextlib.suppress(TimeoutError):
        came = await asyncio.wait_for(wish.answer, WISH_S)
        return Answer(came in {Withdrawal.WITHDRAWN, Charge.CHARGED}, came.value, came.value)
    return UNSURE


UNSURE = Answer(False, "Pas de réponse à temps : le travail attend peut-être encore.", "unsure")
