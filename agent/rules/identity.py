r"""Whose a print is: how a name typed at a laptop is folded, which names are nobody's, and how sure we are.

The one idea: *a name is a claim*. On an open queue the client writes whatever it likes, so a claimed name never spends
another member's money by itself: it finds the member whose name it is, and the level says on what the attribution
rests. The ladder, weakest first: a claimed name; a claimed name from a host that proved itself by a badge today; the
name of an authenticated queue (RFC 8011 section 9.4); a badge shown at the copier, which bills whoever badged.

What computers call themselves before anybody told them a name is nobody's name, however often it comes: `iPhone`,
`DESKTOP-4F2`, `Administrator`, `anonymous`, or nothing at all. Such a name can be given to nobody for good, for the
next iPhone is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from agent.rules.facts import MemberId
from agent.rules.folding import fold_user


class Level(StrEnum):
    """On what it rests whose a print is, weakest first."""

    NOBODY = "nobody"  # no name, or one that is nobody's or unknown: waits for the animator
    CLAIMED = "claimed"  # the client wrote a name that is a member's
    HOST = "claimed-host"  # and it came from a host whose badge proved that name today
    GIVEN = "given"  # the animator said whose it is
    AUTHENTICATED = "authenticated"  # the queue asked for the password of that name
    BADGE = "badge"  # the member stood at the copier

    def reaches(self, least: Level) -> bool:
        """Tell whether it is as sure as `least`."""
        order = list(Level)
        return order.index(self) >= order.index(least)


NOBODYS = re.compile(  # compared without spaces, dashes and underscores
    "admin|administrateur|administrator|administrador|adm|localadmin|root|system|systeme|owner|proprietaire"
    "|user|utilisateur|usuario|benutzer|guest|invitee?|anonymous|anonyme|nobody|personne|unknown|inconnu|default|test"
    "|defaultuser0|wdagutilityaccount|remoteuser|localhost|mobile|pc|portable|laptop|desktop|computer|ordinateur|poste"
    "|iphone|ipad|ipod|ipodtouch|macbook|macbookpro|macbookair|imac|macmini|mac|android|galaxy|pixel|huawei|redmi"
    "|xiaomi|oneplus|chromebook|chromeos|windows|linux|ubuntu|debian|pi|raspberrypi|cups|lp|print|imprimante|scan|scanner"
    "|dell|asus|lenovo|acer|surface|surfacepro|surfacego|macos|windowspc|local|localuser|home|mobileuser|daemon|chrome"
    "|airprint|ipp|withheld|notavailable"  # the last two: a client that may not say (RFC 8011 section 9.3)
)
MACHINES = re.compile(
    r"(?:desktop|laptop|win|pc|portable|tablet|minwinpc)-(?=[a-z]*\d)[a-z0-9]{1,15}"  # what Windows calls itself
    r"|(?:desktop|laptop)-[a-z0-9]{7}"
    r"|(?:iphone|ipad|ipod|android|galaxy|pixel|macbook(?:-?(?:pro|air))?|imac|mac-?mini|chromebook)[-_ ]?\(?\d+\)?"
    r"|android-[0-9a-f]{8,16}|sm-[a-z]\d{3,4}[a-z]*|localhost.*|(?:user|admin|guest|invite)\d+"
    r"|.*\$"  # the account of a Windows machine itself
    r"|(?:pc|poste|utilisateur)-?\d+|(?:galaxy|redmi|pixel|oneplus)[-_ ](?:note[-_ ])?[a-z]?\d+[a-z]*"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|s-1-\d+(?:-\d+)+|\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]*::[0-9a-f:]*"
)


def nobodys(user: str) -> bool:
    """Return True for a name that says nothing about who it is."""
    folded = fold_user(user)
    squeezed = re.sub("[-_ ]", "", folded)
    return not squeezed or bool(NOBODYS.fullmatch(squeezed) or MACHINES.fullmatch(folded))


HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})  # a name from the box itself may claim any host


@dataclass(frozen=True, slots=True)
class Proven:
    """Which name at which host was proven by whose badge, on one day. In memory only: an address is personal."""

    day: date = date.min
    names: Mapping[tuple[str, str], MemberId] = field(default_factory=dict)  # (host, folded user)

    def after(self, day: date, host: str, user: str, member: MemberId) -> Proven:
        """Return it after `member` badged on `day` for a job that came from `host` under a name of theirs."""
        if host in HERE:
            return self
        known = self.names if day == self.day else {}
        return replace(self, day=day, names={**known, (host, fold_user(user)): member})

    def same_host(self, day: date, host: str, user: str, member: MemberId) -> bool:
        """Tell whether that host proved that very name to be `member`'s today."""
        return day == self.day and self.names.get((host, fold_user(user))) == member


def level(user: str, *, known: bool, same_host: bool = False, authenticated: bool = False) -> Level:
    """Return how sure it is that a job is the member's whose name it came under; `known`: the name is some member's.

    `same_host`: this host proved that very name by a badge today. A badge or the animator's word come on top.
    """
    if not known or nobodys(user):
        return Level.NOBODY
    if authenticated:
        return Level.AUTHENTICATED
    return Level.HOST if same_host else Level.CLAIMED
