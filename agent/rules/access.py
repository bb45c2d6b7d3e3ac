"""Who may act on the pages, and the facts of what people did there.

The one idea: a role is what a person may do, an id is all the ledger keeps of who did it. Names of accounts live in
`accounts.db`, erasable; a fact holds an id, an action and a subject, never a name, a reason in free text, or a secret.
Values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import Fact

AUDIT_DAYS = 365  # the French data-protection authority's practice for access logs: six to twelve months


class Role(StrEnum):
    """What somebody may do."""

    PUBLIC = "public"
    MEMBER = "member"
    ANIMATOR = "animator"
    OPS = "ops"


SESSION_LASTS = {
    Role.MEMBER: timedelta(days=30),
    Role.ANIMATOR: timedelta(hours=12),
    Role.OPS: timedelta(hours=4),
}


def may(held: Role, needed: Role) -> bool:
    """Tell whether somebody with the role `held` may do what asks for `needed`.

    Ops may stand in for the animator. Nobody else stands in for anybody: an animator is not a member, and reads
    nobody's own page.
    """
    return needed is Role.PUBLIC or held is needed or (held is Role.OPS and needed is Role.ANIMATOR)


@dataclass(frozen=True, slots=True)
class Acted(Fact):
    """Somebody did something on a page: the audit. Ids only."""

    kind: ClassVar[str] = "acted"
    kept_for_days: ClassVar[int | None] = AUDIT_DAYS

    actor: str  # an account's id, or a member's
    action: str  # "signed-in", "card-blocked", ...: a word of the code, never of a person
    subject: str  # the id of what it was done to; "" if nothing


@dataclass(frozen=True, slots=True)
class BoxRestarted(Fact):
    """The animator says that the provider's box of a link was restarted."""

    kind: ClassVar[str] = "box-restarted"

    link: str
    actor: str
