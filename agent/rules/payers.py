"""Shared accounts: a project or a host organisation that pays for paper, and who may have it pay.

The one idea: *who pays is one question, who stands at the copier another*. A payer is a row of the roster that pays and
is nobody: it has no card, no login and no visit, and no badge lets anything out for it. Its id lies among the members'
(`p:001`; a member's has no colon, `members.ID`), so wherever a fact says who pays it may be a payer, and whether it is
one can be told for ever, also after its row and its name were erased. A member it names may have it pay for a job of
theirs while it is open; the animator may name any that is open. Nobody else can: the wish is refused, with the reason.

A formula says what a side costs a payer. Free sides, and what goes by the month, come with a membership: it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, AliasId, Fact, FormulaId, MemberId
from agent.rules.folding import fold_text

MARK = "p:"
ANIMATOR = MemberId("")  # in place of a member who asks
PAYERS = (  # what RosterChanged tells of them
    *("payer-added", "payer-changed", "payer-ended", "payer-erased"),
    *("payer-user-named", "payer-user-removed"),
)


@dataclass(frozen=True, slots=True)
class Payer:
    """One shared account, without its name as people write it."""

    id: MemberId
    formula: FormulaId  # whose prices it pays
    until: date | None  # last day it pays, included; None = open
    users: frozenset[MemberId]  # who may have it pay
    folded: str  # its name, folded: what a client may write as job-account-id (PWG 5100.7)


class Charge(StrEnum):
    """What comes of a wish to have a payer pay."""

    CHARGED = "charged"
    UNKNOWN = "unknown"  # there is none, or it was erased
    ENDED = "ended"
    NOT_NAMED = "not-named"  # it does not name that member
    GONE = "gone"  # the job waits no more, or is not theirs: which of the two is nobody's business


@dataclass(frozen=True, slots=True)
class JobCharged(Fact):
    """Somebody said that a shared account pays for a held job, or its owner again."""

    kind: ClassVar[str] = "job-charged"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    job: int
    created_s: int
    turn: int  # 1, 2, ...
    alias: AliasId
    payer: MemberId  # "": whoever badges for it
    member: MemberId  # who chose it for a job of theirs; "": the animator
    actor: str


@dataclass(frozen=True, slots=True)
class ChargeRefused(Fact):
    """A badge left jobs where they wait: the shared account that was to pay for them does not pay for that member."""

    kind: ClassVar[str] = "charge-refused"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    device: str
    member: MemberId
    payer: MemberId  # of the first of them
    why: Charge
    jobs: int


def is_payer(who: str) -> bool:
    """Tell a payer's id from a member's."""
    return who.startswith(MARK)


def may_pay(payer: Payer | None, member: MemberId, day: date) -> Charge:
    """Judge whether a payer pays for a job of `member` (or ANIMATOR: named by hand) on a day."""
    if payer is None:
        return Charge.UNKNOWN
    if payer.until is not None and payer.until < day:
        return Charge.ENDED
    return Charge.CHARGED if member == ANIMATOR or member in payer.users else Charge.NOT_NAMED


def usable(payers: Mapping[MemberId, Payer], member: MemberId, day: date) -> tuple[MemberId, ...]:
    """Return the payers that pay for `member` on a day (ANIMATOR: all that are open), by id."""
    return tuple(one for one in sorted(payers) if may_pay(payers[one], member, day) is Charge.CHARGED)


def meant(payers: Mapping[MemberId, Payer], text: str) -> MemberId | None:
    """Return the payer a client means, by its id or its name; None: no such. A client may write anything there."""
    folded = fold_text(text)
    return next((one.id for one in payers.values() if folded and folded in {one.id, one.folded}), None)


def pays_at_once(payers: Mapping[MemberId, Payer], text: str, member: MemberId, day: date) -> MemberId:
    """Return who pays for a job of `member` that waited for no badge: the account that its client means, else they.

    Nobody can be asked: an account that is unknown, has ended or does not name them leaves the job on their own bill.
    """
    payer = meant(payers, text)
    paid = payer is not None and member and may_pay(payers[payer], member, day) is Charge.CHARGED
    return payer if payer is not None and paid else member
