"""The jobs that wait for a badge, as the pages are shown them: whose each is, what it will print, who is to pay.

The one idea: *ids and quantities only*; the pages find the names themselves, for those who may read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from agent.live import LiveHeld
from agent.rules.facts import MemberId
from agent.rules.forecast import WAITING, Forecast
from agent.rules.members import Roster
from agent.rules.payers import is_payer
from agent.rules.release import Name, Slate, payer_of
from agent.stories.owners import Names, alias_of
from drivers.holding import HeldJob


def shown(
    held: Iterable[HeldJob],
    slate: Slate,
    people: Names,
    told: Mapping[Name, Forecast],
    today: date,
    same_host: Callable[[HeldJob, MemberId], bool],
) -> tuple[LiveHeld, ...]:
    """Return one row a job. May write an unknown print name down (`owners.alias_of`)."""
    roster = people.roster()
    return tuple(_row(job, slate, people, roster, told.get(job.name, WAITING), today, same_host) for job in held)


def _row(
    job: HeldJob,
    slate: Slate,
    people: Names,
    roster: Roster,
    told: Forecast,
    today: date,
    same_host: Callable[[HeldJob, MemberId], bool],
) -> LiveHeld:
    whose, given = slate.owner(job, roster, same_host=same_host), slate.given.get(job.name)
    payer, charged = payer_of(job, whose.member, slate, roster, today)
    return LiveHeld(
        job=job.job,
        created_s=job.created_s,
        alias=whose.alias or alias_of(people, job.user).id,
        member=whose.member,
        level=whose.level.value,
        turn=0 if given is None else given.turn,
        sides=told.sides,
        colour=told.colour,
        why=told.why,
        payer=payer if is_payer(payer) else "",
        charge=charged.value if is_payer(payer) else "",
        sheets=told.sheets,
        large=told.large,
    )
