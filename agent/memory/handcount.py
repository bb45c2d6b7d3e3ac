"""Copies told by hand: what a relevé or a file of codes comes to, against what the ledger already holds.

The one idea: nothing is written here. A plan is made of the ledger as it stands and given back whole, with the keys its
facts will have; whoever asked writes it. The same relevé or file planned twice is the same facts under the same keys,
so a crash in the middle is mended by doing it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

from agent.memory.ledger import Ledger
from agent.rules.codes import CodeFile, Judged, Known, judge_code
from agent.rules.contract import Stand, stand_of
from agent.rules.facts import AliasId, Fact
from agent.rules.pages import AttemptCounted, Owner, PagesCounted
from agent.rules.panel import Counted, Typed, judge_panel
from agent.rules.paper import CopiesByHand, CopiesCounted, CopiesMetered, MetersRead, PanelRead, PrintsUnmatched
from agent.rules.stretches import Quarter, read_quarter

Keyed = tuple[Fact, str]


@dataclass(frozen=True, slots=True)
class CodesPlan:
    """What a file of codes comes to."""

    judged: tuple[Judged, ...]
    facts: tuple[Keyed, ...]

    @property
    def sides(self) -> int:
        """Return how many sides it adds."""
        return sum(one.fact.mono + one.fact.colour for one in self.judged)

    @property
    def nobodys(self) -> int:
        """Return how many of these are nobody's yet: their code is, or its shared account has ended."""
        return sum(one.fact.mono + one.fact.colour for one in self.judged if not one.fact.member)


def last_panel(ledger: Ledger, device: str) -> PanelRead | None:
    """Return the latest relevé of a device. Raises LedgerError."""
    found = None
    for entry in ledger.entries(PanelRead):
        if isinstance(entry.fact, PanelRead) and entry.fact.device == device:
            found = entry.fact
    return found


def plan_panel(ledger: Ledger, device: str, typed: Typed, actor: str) -> tuple[PanelRead, tuple[Keyed, ...]]:
    """Return a relevé and the facts it makes. Raises LedgerError."""
    before, counted = None, Counted()
    for entry in ledger.entries(PanelRead, PagesCounted, CopiesCounted, PrintsUnmatched):
        fact = entry.fact
        if getattr(fact, "device", "") != device:
            continue
        if isinstance(fact, PanelRead):
            before, counted = fact, Counted()
        elif not (isinstance(fact, CopiesByHand) and before is not None and _of(fact, before)):
            counted = counted.plus(fact)
    read, rest = judge_panel(device, typed, before, counted, actor)
    key = f"{device}/{read.number}"
    facts: tuple[Keyed, ...] = ((read, key),)
    return read, facts if rest is None else (*facts, (rest, f"{device}/panel/{read.number}"))


def _of(fact: CopiesByHand, read: PanelRead) -> bool:
    """Tell whether a rest is the one that this very relevé found: it was written after it, and is in it."""
    return fact.source == "panel" and fact.epoch == read.number


def plan_codes(
    ledger: Ledger, device: str, file: CodeFile, data: bytes, owner: Callable[[str], Owner], *, cumulative: bool
) -> CodesPlan:
    """Return what a file without faults comes to. `owner` gives whose a code is. Raises LedgerError."""
    known: dict[AliasId, Known] = {}
    done = set[str]()
    for entry in ledger.entries(CopiesByHand):
        fact = entry.fact
        if isinstance(fact, CopiesByHand) and fact.device == device and fact.source == "codes":
            known[fact.alias] = Known(fact.to_mono, fact.to_colour, fact.epoch)
            done.add(entry.key)
    mark = "" if cumulative else sha256(data).hexdigest()[:16]
    judged, facts = [], list[Keyed]()
    for row in file.rows:
        whose = owner(row.code)
        one = judge_code(device, row, whose, known.get(whose.alias), cumulative=cumulative, mark=mark)
        if one is None:
            continue
        key = f"{device}/codes/{whose.alias}/{mark or one.fact.epoch}"
        if key not in done:
            judged.append(one)
            facts.append((one.fact, key))
    return CodesPlan(tuple(judged), tuple(facts))


def quarter_of_device(ledger: Ledger, device: str, first: date, after: date) -> Quarter | None:
    """Return what a quarter of a device is read from; None where it was not read twice. Raises LedgerError."""
    found = read_quarter(_stands(ledger, device), first, after)
    if found is None or len(found.stretches) == 1:
        return found
    return replace(found, a3_clicks=_a3_clicks(ledger, device))


def _a3_clicks(ledger: Ledger, device: str) -> dict[str, int]:
    """Return by serial number how far a machine's counters moved for a side of A3, as its books were kept."""
    found = {}
    for entry in ledger.entries(AttemptCounted, CopiesMetered):
        fact = entry.fact
        if isinstance(fact, AttemptCounted) and fact.device == device and fact.large:
            found[fact.serial] = fact.clicks
        elif isinstance(fact, CopiesMetered) and fact.device == device and (big := fact.large_mono + fact.large_colour):
            more = fact.clicks_mono + fact.clicks_colour - fact.mono - fact.colour
            found[fact.serial] = 1 + more // big
    return found


def _stands(ledger: Ledger, device: str) -> Iterable[Stand]:
    for entry in ledger.entries(MetersRead, PanelRead):
        fact = entry.fact
        if isinstance(fact, MetersRead | PanelRead) and fact.device == device and (stand := stand_of(fact)) is not None:
            yield stand
