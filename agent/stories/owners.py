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
from agent.rules.witness import Lost
from agent.stories.desk import Desk, Told
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
    """Tells whose prints of one device are, on the site's `today`.

    `least`: from which level on a name without a badge is a member's.
    """

    def __init__(self, desk: Desk, names: Names, least: Level, today: Callable[[], date]) -> None:
        self._desk, self._names, self._least, self._today = desk, names, least, today

    def now(self) -> Whose:
        """Read what was said of jobs, once for all that are to be booked now. Raises LedgerError."""
        return Whose(self._desk, self._desk.told(), self._names, self._least, self._today())


class Whose:
    """Whose prints are, as of one instant: what was said of jobs and who is who is read once, not for each of them.

    Let go of it before the next wait: who badges meanwhile is in the next one.
    """

    def __init__(self, desk: Desk, told: Told, names: Names, least: Level, day: date) -> None:
        self._desk, self._told, self._names, self._least, self._day = desk, told, names, least, day
        self._roster: Roster | None = None  # not read before a name asks for it: it may be lost
        self._known: dict[tuple[str, str, bool, str], pages.Owner] = {}  # the same few names come with every job

    def of_record(self, job: DeviceJob, sent: Sent | None) -> pages.Owner:
        """Return whose a record of the device is; `sent`: which job of the spooler it carried out, if a note says."""
        if sent is None:
            return self._named(job.user, None)
        note = sent.note
        badged = self._told.payer(note.job, note.created_s)
        return badged or self._named(job.user or note.user, self._desk.job(note.job, note.created_s))

    def of_spooled(self, job: SpoolJob) -> pages.Owner:
        """Return whose a job of the spooler is."""
        return self._told.payer(job.job, job.created_s) or self._named(job.user, job)

    def errand(self, sent: Sent | None) -> pages.Errand:
        """Return what the spooler's side knows of an attempt: its job, and what was counted in its documents."""
        if sent is None:
            return pages.PLAIN
        known = self._told.errand(sent.note.job, sent.note.created_s)
        return replace(known, spooled=sent.spooled, system=sent.system, claimed=self._desk.claimed(sent))

    def errand_of_lost(self, lost: Lost) -> pages.Errand:
        """Return what is known of a job that left no record."""
        return replace(self._told.errand(lost.job.job, lost.job.created_s), system=lost.system)

    def _named(self, user: str, job: SpoolJob | None) -> pages.Owner:
        if not user:
            return pages.NOBODY
        said = (user, "", False, "") if job is None else (user, job.host, job.authenticated, job.account)
        if (owner := self._known.get(said)) is None:
            owner = self._known[said] = self._judge(user, job)
        return owner

    def _judge(self, user: str, job: SpoolJob | None) -> pages.Owner:
        roster = self._roster = self._roster or self._names.roster()
        alias = roster.aliases.get(fold_user(user)) or alias_of(self._names, user)  # a new name is no member's yet
        member = alias.member or pages.NOBODY.member
        near = job is not None and self._desk.near(job.host, user, member)
        proven = job is not None and job.authenticated
        sure = level(user, known=bool(member), same_host=near, authenticated=proven)
        whose = pages.owner(alias, roster, sure)
        if not sure.reaches(self._least):
            return replace(pages.NOBODY, alias=alias.id)
        account = "" if job is None else job.account
        payer = pays_at_once(roster.payers, account, whose.member, self._day)
        return replace(whose, member=payer, formula=roster.formula_of(payer) or whose.formula)
