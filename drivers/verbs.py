"""The one-line verbs that the simulated building and the peers obey. Pure.

    cut LINK [90s] · box LINK [90s] · unplug LINK [90s] · refuse LINK [90s] · isp LINK [90s] · mend LINK
    portal LINK [90s] · hole LINK [90s] · dns LINK dead|lying [90s] · saturate LINK up|down [90s]
    silence LINK TARGET [90s] · move LINK · loss LINK 0.1 · delay LINK 80ms · rate LINK 1000kbit
    print USER PAGES [colour] [two-sided] [xCOPIES] [held] [account=WORD] · copy SIDES [colour]
    paper out|in · toner COLOUR 0.04
    badge READER CARD · arrive MEMBER [HH:MM] · leave MEMBER [HH:MM] · door open|close · exit

They are typed at the demo's prompt, sent by `gardien tell`, or timed in a scenario.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address


class VerbError(ValueError):
    """The line is not a verb; the sentence says what was expected."""


@dataclass(frozen=True, slots=True)
class LinkVerb:
    """Do something to a link."""

    name: str  # cut, box, unplug, refuse, isp, portal, hole, dns, saturate, silence, move, loss, delay, rate, mend
    link: str
    amount: float = 0.0  # loss: share; delay: seconds; rate: bit/s
    for_s: float | None = None  # mended by itself after this
    what: str = ""  # dns: dead, lying; saturate: up, down; silence: an address


@dataclass(frozen=True, slots=True)
class PrintVerb:
    """Print a document as a user."""

    user: str
    pages: int
    colour: bool = False
    two_sided: bool = False
    copies: int = 1
    held: bool = False  # to a queue whose jobs wait for a badge
    account: str = ""  # job-account-id: what the client says is to pay
    past: bool = False  # straight to the machine, past all queues


@dataclass(frozen=True, slots=True)
class CopyVerb:
    """Copy at the glass."""

    sides: int
    colour: bool = False


@dataclass(frozen=True, slots=True)
class DeviceVerb:
    """Change the copier: `paper` out or in, `toner` COLOUR to a share."""

    name: str
    what: str
    level_share: float = 1.0


@dataclass(frozen=True, slots=True)
class BadgeVerb:
    """Present a card."""

    reader: str
    card: str  # hex


@dataclass(frozen=True, slots=True)
class VisitVerb:
    """The animator notes an arrival or a departure."""

    name: str  # arrive, leave
    member: str
    at: str = ""  # HH:MM, local; "" = now


@dataclass(frozen=True, slots=True)
class DoorVerb:
    """Move the door leaf, or press the exit button."""

    name: str  # open, close, exit


Verb = LinkVerb | PrintVerb | CopyVerb | DeviceVerb | BadgeVerb | VisitVerb | DoorVerb

GRAMMAR = {
    "cut": "cut LINK [90s]",
    "box": "box LINK [90s]",
    "unplug": "unplug LINK [90s]",
    "refuse": "refuse LINK [90s]",  # the box lives and says that its line is down
    "isp": "isp LINK [90s]",  # the provider's first router lives, nothing beyond it
    "portal": "portal LINK [90s]",  # web pages are the provider's own: a suspended line
    "hole": "hole LINK [90s]",  # full-sized packets vanish without a word (RFC 2923)
    "dns": "dns LINK dead|lying [90s]",  # the provider's resolver
    "saturate": "saturate LINK up|down [90s]",
    "silence": "silence LINK TARGET [90s]",  # one target is dead
    "move": "move LINK",  # another box: its MAC is a new one
    "mend": "mend LINK",
    "loss": "loss LINK 0.1",
    "delay": "delay LINK 80ms",
    "rate": "rate LINK 1000kbit",
    "print": "print USER PAGES [colour] [two-sided] [x3] [held|past] [account=WORD]",
    "copy": "copy SIDES [colour]",
    "paper": "paper out|in",
    "toner": "toner black 0.04",
    "badge": "badge READER CARD",
    "arrive": "arrive MEMBER [09:05]",
    "leave": "leave MEMBER [11:15]",
    "door": "door open|close",
    "exit": "exit",
}


def parse(line: str) -> Verb:
    """Read one line. Raises VerbError with the expected form."""
    words = line.split()
    if not words or words[0] not in GRAMMAR:
        raise VerbError("verbs: " + " · ".join(GRAMMAR.values()))
    name, rest = words[0], words[1:]
    try:
        return _PARSERS[name](name, rest)
    except (ValueError, IndexError) as error:
        raise VerbError(f"expected: {GRAMMAR[name]}") from error


def _fault(name: str, rest: list[str]) -> Verb:
    link, *span = rest
    if len(span) > 1 or (name in ("mend", "move") and span):
        raise ValueError
    return LinkVerb(name, link, for_s=seconds(span[0]) if span else None)


def _ill(name: str, rest: list[str]) -> Verb:
    link, what, *span = rest
    known = {"dns": ("dead", "lying"), "saturate": ("up", "down")}.get(name)
    if len(span) > 1 or (known is not None and what not in known):
        raise ValueError(what)
    if known is None:
        IPv4Address(what)
    return LinkVerb(name, link, for_s=seconds(span[0]) if span else None, what=what)


def _impair(name: str, rest: list[str]) -> Verb:
    link, amount = rest
    read = {"loss": _share, "delay": seconds, "rate": _bits}[name]
    return LinkVerb(name, link, amount=read(amount))


def _print(_name: str, rest: list[str]) -> Verb:
    user, pages, *options = rest
    copies, account = 1, ""
    for option in options:
        if re.fullmatch(r"x[1-9][0-9]{0,2}", option):
            copies = int(option[1:])
        elif option.startswith("account="):
            account = option.removeprefix("account=")
        elif option not in ("colour", "two-sided", "held", "past"):
            raise ValueError(option)
    colour, two_sided, held, past = (name in options for name in ("colour", "two-sided", "held", "past"))
    if held and past:
        raise ValueError(options)
    return PrintVerb(user, _count(pages), colour, two_sided, copies, held, account, past)


def _copy(_name: str, rest: list[str]) -> Verb:
    sides, *options = rest
    if options not in ([], ["colour"]):
        raise ValueError(options)
    return CopyVerb(_count(sides), bool(options))


def _paper(_name: str, rest: list[str]) -> Verb:
    (what,) = rest
    if what not in ("out", "in"):
        raise ValueError(what)
    return DeviceVerb("paper", what)


def _toner(_name: str, rest: list[str]) -> Verb:
    colour, level = rest
    return DeviceVerb("toner", colour, _share(level))


def _badge(_name: str, rest: list[str]) -> Verb:
    reader, card = rest
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){4,10}", card):
        raise ValueError(card)
    return BadgeVerb(reader, card.upper())


def _visit(name: str, rest: list[str]) -> Verb:
    member, *at = rest
    if len(at) > 1 or (at and not re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", at[0])):
        raise ValueError(at)
    return VisitVerb(name, member, at[0] if at else "")


def _door(_name: str, rest: list[str]) -> Verb:
    (what,) = rest
    if what not in ("open", "close"):
        raise ValueError(what)
    return DoorVerb(what)


def _exit(_name: str, rest: list[str]) -> Verb:
    if rest:
        raise ValueError(rest)
    return DoorVerb("exit")


_PARSERS = {
    "cut": _fault,
    "box": _fault,
    "unplug": _fault,
    "refuse": _fault,
    "isp": _fault,
    "portal": _fault,
    "hole": _fault,
    "move": _fault,
    "dns": _ill,
    "saturate": _ill,
    "silence": _ill,
    "mend": _fault,
    "loss": _impair,
    "delay": _impair,
    "rate": _impair,
    "print": _print,
    "copy": _copy,
    "paper": _paper,
    "toner": _toner,
    "badge": _badge,
    "arrive": _visit,
    "leave": _visit,
    "door": _door,
    "exit": _exit,
}


def seconds(text: str) -> float:
    """Read "90s", "1.5m", "2h", "80ms" or a bare number of seconds."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)", text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError(text)
    return share


def _bits(text: str) -> float:
    match = re.fullmatch(r"([0-9]+)(kbit|mbit)", text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * {"kbit": 1e3, "mbit": 1e6}[match[2]]


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 9999:
        raise ValueError(text)
    return count
