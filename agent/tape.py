"""The tape: what the drivers observed, one file of JSON lines per service, so that a night can be judged again.

Format, version 1. The first line of a file is its head: `{"tape": 1, "service": "links"}`. Every other line is one
observation: `{"see": KIND, "at": {"utc", "mono_s", "boot", "trust"}, ...}` with KIND one of

    probe   link, kind, target, outcome, rtt_s          input   input, active
    badge   reader, card (keyed hash)                   roster  version, members, cards, aliases, closures,
                                                                hours, visitors (None, or none, on older tapes)
    lost    link (the prober itself failed)             release (the latch opened)
    wire    link, carrier, address, gateway_mac, ...    rate    link, down_bit_s, received_bytes, why

Cards are keyed hashes on recorded tapes; a hand-made tape may use any text, the same in its roster lines. Files are
merged by boot and monotonic clock, so a stepped wall clock reorders nothing. A line cut short by a power loss ends
its file: what came before is judged, and the cut is said.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from cattrs import BaseValidationError
from cattrs.preconf.json import make_converter

from agent.memory.roster import RosterStore
from agent.rules.door import Conditions
from agent.rules.facts import CardKey
from agent.rules.members import Roster
from drivers.contract import BadgeRead, CardReader, Clock, DriverError, InputChanged, Inputs, Lock, Moment
from drivers.probing import Ask, LinkSight, Prober, ProbeReply, RateMeasured, WireReading

VERSION = 1
log = logging.getLogger(__name__)


class TapeError(Exception):
    """A tape cannot be read on; the sentence says file, line and what was kept."""


@dataclass(frozen=True, slots=True)
class SeenBadge:
    """A badge as taped: the keyed hash, never the number."""

    at: Moment
    reader: str
    card: CardKey


@dataclass(frozen=True, slots=True)
class SeenRoster:
    """The roster as it stood from this moment on."""

    at: Moment
    roster: Roster


@dataclass(frozen=True, slots=True)
class SeenConditions:
    """What the door knew beside its roster: it follows for every badge from here on."""

    at: Moment
    now: Conditions


@dataclass(frozen=True, slots=True)
class SeenLoss:
    """The prober of a link failed."""

    at: Moment
    link: str


@dataclass(frozen=True, slots=True)
class SeenRelease:
    """The latch released the door."""

    at: Moment


Seen = (
    ProbeReply
    | WireReading
    | RateMeasured
    | InputChanged
    | SeenBadge
    | SeenRoster
    | SeenConditions
    | SeenLoss
    | SeenRelease
)
KINDS: dict[str, type[Seen]] = {
    "probe": ProbeReply,
    "wire": WireReading,
    "rate": RateMeasured,
    "input": InputChanged,
    "badge": SeenBadge,
    "roster": SeenRoster,
    "conditions": SeenConditions,
    "lost": SeenLoss,
    "release": SeenRelease,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_json = make_converter()


class Tape:
    """Records one service's observations. Each line is flushed, so that a crash cuts at most the last one.

    A tape is a witness and never in the way: the first line that cannot be written ends it, with an error in the log.
    """

    def __init__(self, folder: Path, service: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = (folder / f"{service}.jsonl").open("a", encoding="utf-8")
        self._torn = False
        self._version: int | None = None
        self._now: Conditions | None = None
        if not self._file.tell():
            self._write({"tape": VERSION, "service": service})

    def see(self, seen: Seen) -> None:
        """Record one observation."""
        body: dict[str, Any] = _json.unstructure(seen)
        self._write({"see": _NAMES[type(seen)], **body})

    def see_badge(self, read: BadgeRead, key: CardKey, roster: Roster, now: Conditions | None = None) -> None:
        """Record a badge, and before it the roster and the conditions it is judged by where they changed."""
        if roster.version != self._version:
            self._version = roster.version
            self.see(SeenRoster(read.at, roster))
        if now is not None and now != self._now:
            self._now = now
            self.see(SeenConditions(read.at, now))
        self.see(SeenBadge(read.at, read.reader, key))

    def _write(self, line: dict[str, Any]) -> None:
        if self._torn:
            return
        try:
            self._file.write(_json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            self._torn = True
            log.error("the tape ends here, it cannot be written: %s", error)  # noqa: TRY400  (one line)

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # what was still to be written: said already
            self._file.close()


class TapedProber:
    """A prober whose replies are taped."""

    def __init__(self, prober: Prober, link: str, clock: Clock, tape: Tape) -> None:
        self._prober, self._link, self._clock, self._tape = prober, link, clock, tape

    def ask(self, ask: Ask) -> None:
        """See `contract.Prober`."""
        self._prober.ask(ask)

    async def replies(self) -> AsyncIterator[LinkSight]:
        """See `contract.Prober`; a lost prober is taped too."""
        try:
            async for reply in self._prober.replies():
                self._tape.see(reply)
                yield reply
        except DriverError:
            self._tape.see(SeenLoss(self._clock.now(), self._link))
            raise


class TapedReader:
    """A card reader whose badges are taped, with the roster and, at a door, the conditions they are judged by."""

    def __init__(
        self, reader: CardReader, people: RosterStore, tape: Tape, now: Callable[[], Conditions] | None = None
    ) -> None:
        self._reader, self._people, self._tape, self._now = reader, people, tape, now

    @property
    def malformed(self) -> int:
        """See `contract.CardReader`."""
        return self._reader.malformed

    async def badges(self) -> AsyncIterator[BadgeRead]:
        """See `contract.CardReader`."""
        async for read in self._reader.badges():
            now = self._now() if self._now else None
            self._tape.see_badge(read, self._people.card_key(read.card), self._people.roster(), now)
            yield read


class TapedInputs:
    """Inputs whose changes are taped."""

    def __init__(self, inputs: Inputs, tape: Tape) -> None:
        self._inputs, self._tape = inputs, tape

    @property
    def deaf(self) -> bool:
        """See `contract.Inputs`."""
        return self._inputs.deaf

    async def changes(self) -> AsyncIterator[InputChanged]:
        """See `contract.Inputs`."""
        async for change in self._inputs.changes():
            self._tape.see(change)
            yield change


class TapedLock:
    """A lock whose releases are taped."""

    def __init__(self, lock: Lock, tape: Tape) -> None:
        self._lock, self._tape = lock, tape
        self.relock, self.changes = lock.relock, lock.changes

    async def release(self, hold_s: float) -> Moment:
        """See `contract.Lock`."""
        at = await self._lock.release(hold_s)
        self._tape.see(SeenRelease(at))
        return at


def read_tape(folder: Path) -> Iterator[Seen]:
    """Yield every observation of every file in order. Raises TapeError, after the last good line, where one is cut."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise TapeError(f"{folder}: aucune bande *.jsonl ici — no tape files here")
    boots: dict[str, str] = {}  # boot -> earliest wall time, which orders boots among themselves
    faults: list[str] = []
    taped = [list(_lines(file, faults)) for file in files]
    for seen in (each for lines in taped for each in lines):
        boots[seen.at.boot] = min(boots.get(seen.at.boot, "9"), seen.at.utc.isoformat())
    yield from heapq.merge(*taped, key=lambda seen: (boots[seen.at.boot], seen.at.mono_s))
    if faults:
        raise TapeError("\n".join(faults))


def _lines(file: Path, faults: list[str]) -> Iterator[Seen]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                body = json.loads(line)
                if number == 1:
                    _head(body)
                    continue
                yield _timed(_json.structure(body, KINDS[body.pop("see")]))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BaseValidationError):
                faults.append(
                    f"{file.name}:{number}: ligne coupée ou illisible ; les {number - 1} lignes d'avant sont jugées"
                    f" — cut or unreadable; the {number - 1} lines before it are judged"
                )
                return


def _timed(seen: Seen) -> Seen:
    if seen.at.utc.utcoffset() is None or not math.isfinite(seen.at.mono_s):
        raise ValueError(seen.at)
    return seen


def _head(body: dict[str, Any]) -> None:
    if body["tape"] != VERSION:
        raise ValueError(body["tape"])
