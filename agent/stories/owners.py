"""Whose a print is: asked by a device's clerk, answered by what lies on its desk and by the roster.

The one idea: *who badged pays; without a badge a name has to be as sure as the site wants it* (`rules.identity`). How
sure it is the spooler's job tells: the host it came from, and whether its queue asked for a password. It also tells
which shared account the client named (job-account-id): one that pays for that member is billed, on any queue. A job
that the spooler has forgotten proves nothing but its name. While the roster cannot be read no new name can be written
down: what came under one is counted all the same, as nobody's, and the animator gives it to somebody later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Protocol

from agent.memory.codec import LedgerError
from agent.rules import pages
from agent.rules.attempts import Sent
from agent.rules.facts import AliasId
from agent.rules.folding import fold_user
from agent.rules.identity import Level, level
from agent.rules.members import Alias, Roster
from agent.rules.payers import pays_at_once
from agent.stories.desk import Desk
from drivers.contract import DeviceJob, SpoolJob


class Names(Protocol):
    """What this needs of the roster store."""

    fault: str  # why the roster cannot be read; "" while it can

    def roster(self) -> Roster:
        """Return the current roster."""

    def alias(self, user: str) -> Alias:
        """Return the row of a print name, new and nobody's if it was never seen."""


def alias_of(names: Names, user: str) -> Alias:
    """Return the row of a print name; one without an id for a new name while the roster cannot be read.

    Raises LedgerError where it can be read, and the new name cannot be written: that passes, and is waited for.
    """
    try:
        return names.alias(user)
    except LedgerError:
        if not names.fault:
            raise
        return Alias(AliasId(""), None)


class Owners:
    """Tells whose a print of one device is, on the site's `today`.

    `least`: from which level on a name without a badge is a member's.
    """

    def __init__(self, desk: Desk, names: Names, least: Level, today: Callable[[], date]) -> None:
        self._desk, self._names, self._least, self._today = desk, names, least, today

    def of_record(self, job: DeviceJob, sent: Sent | None) -> pages.Owner:
        """Return whose a record of the device is; `sent`: which job of the spooler it carried out, if a note says."""
        if sent is None:
            return self._named(job.user, None)
        note = sent.note
        badged = self._desk.payer(note.job, note.created_s)
        return badged or self._named(job.user or note.user, self._desk.job(note.job, note.created_s))

    def of_spooled(self, job: SpoolJob) -> pages.Owner:
        """Return whose a job of the spooler is."""
        return self._desk.payer(job.job, job.created_s) or self._named(job.user, job)

    def _named(self, user: str, job: SpoolJob | None) -> pages.Owner:
        if not user:
            return pages.NOBODY
        roster = self._names.roster()
        alias = roster.aliases.get(fold_user(user)) or alias_of(self._names, user)  # a new name is no member's yet
        member = alias.member or pages.NOBODY.member
        near = job is not None and self._desk.near(job.host, user, member)
        proven = job is not None and job.authenticated
        sure = level(user, known=bool(member), same_host=near, authenticated=proven)
        whose = pages.owner(alias, roster, sure)
        if not sure.reaches(self._least):
            return replace(pages.NOBODY, alias=alias.id)
        account = "" if job is None else job.account
        payer = pays_at_once(roster.payers, account, whose.member, self._today())
        return replace(whose, member=payer, formula=roster.formula_of(payer) or whose.formula)
