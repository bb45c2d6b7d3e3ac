"""The clerk who keeps one device's books, at its desk.

The one idea: *one coroutine owns a device's books*. Everything that concerns them is laid on the device's desk (badges
of the reader beside it, the spooler's jobs, a bell) by other stories that may fail and be restarted on their own; the
clerk takes a look at the device, books what it shows, and only then takes the next thing from the desk. So there is no
lock, and a reader that is unplugged or a CUPS that hangs stops nobody from counting.

A fact is learnt by the books only after the ledger has committed it; a write that has begun is seen through even when
the story is cancelled, so that whoever folds the ledger next finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from typing import Protocol

from agent.live import LiveDevice
from agent.memory.ledger import Ledger
from agent.rules import pages
from agent.rules.attempts import Sent
from agent.rules.books import ACTIVE, Books
from agent.rules.bypass import Bypass
from agent.rules.claims import Claim, unrecorded, unsaid
from agent.rules.facts import CardKey, Fact
from agent.rules.identity import Level
from agent.rules.metering import Hearing, Metering
from agent.rules.pages import AttemptCounted, AttemptKnown, PagesCounted, attempt
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CardSeen,
    CopiesCounted,
    CopyVisitEnded,
    CopyVisitStarted,
    PrintedPast,
    PrintsUnmatched,
    holder,
)
from agent.rules.spool import Stand
from agent.rules.witness import Lost, Witness
from agent.stories.desk import Desk
from agent.stories.failures import Failures
from agent.stories.meters import Meters
from agent.stories.owners import Names, Owners, Whose, alias_of
from agent.stories.portrait import Portrait
from agent.stories.strangers import Strangers
from agent.stories.through import seen_through
from agent.stories.turnstile import Turnstile
from drivers.contract import (
    BadgeRead,
    CardNumber,
    Clock,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    Moment,
    Printer,
    SpoolJob,
)
from drivers.copying import CopyControl

log = logging.getLogger(__name__)

STALE_BADGE_S = 30.0  # whoever badged that long ago has gone
AT_ONCE = 200  # rows of a backlog that are counted in one go: a transaction of the ledger
NOTE_S = 2.0  # how long a record waits for a note that may yet name its job, or for the spooler to tell of that
FORETOLD_S = 40.0  # how long it waits for its documents to be looked through, where the device does not say
BY_HAND = frozenset({"panel", "codes"})  # copies are told by people or by a file: the counters say nothing of them
STILL_LOOKS = 60  # looks at a busy device that changes nothing, before it is looked at at leisure
BOOKED = (BooksOpened, PagesCounted, CopiesCounted, PrintsUnmatched, CopyVisitStarted, CopyVisitEnded, BooksClosed)


class People(Names, Protocol):
    """What a clerk needs of the roster store."""

    def card_key(self, card: CardNumber) -> CardKey:
        """Return the keyed hash of a card number."""


@dataclass(frozen=True, slots=True)
class PaperPolicy:
    """How this device is minded."""

    zone: tzinfo  # of the site: a member's last day ends at local midnight
    poll_s: float = 15.0  # between looks when nothing happens
    visit_idle_s: float = 90.0  # a copy visit ends after this long without a copy
    busy_s: float = 1.0  # between looks while something happens
    a3_clicks: int = 1  # how far the device's counters move for one A3 side
    copies: str = "counters"  # how walk-up copies are counted: one of config.COPIES
    bills_from: Level = Level.CLAIMED  # a print that nobody badged for is a member's from this level on
    settle_s: float = 5.0  # how long a badge waits for the copies of whoever stood there before


class Clerk:
    """Keeps one device's books in the ledger. Made anew, from the ledger, at every start of its story."""

    def __init__(
        self,
        device: DeviceId,
        printer: Printer,
        desk: Desk,
        ledger: Ledger,
        people: People,
        clock: Clock,
        policy: PaperPolicy,
        control: CopyControl | None = None,
    ) -> None:
        self._turnstile = Turnstile(control)
        self._printer, self._desk, self._ledger, self._people = printer, desk, ledger, people
        self._clock, self._policy = clock, policy
        self._owners = Owners(desk, people, policy.bills_from, self._today)
        self._failures = Failures(device, desk, self._owners, ledger)
        self._portrait = Portrait()
        self._even_s: float | None = None  # when (`mono_s`) the books were last even with the counters
        self._judged: object = None  # the records and spooled jobs that `_claims` was made from
        self._claims: tuple[Claim, ...] = ()
        self._metering = Metering()
        self._awaited: dict[str, float] = {}  # records whose note may yet come, and since when
        self._meters = Meters(device, ledger, policy.zone)
        self.books = Books(device, policy.visit_idle_s, a3_clicks=policy.a3_clicks, zone=policy.zone)
        newest = clock.now().utc
        self._strays = 0  # prints nothing explained, in sides, ever
        self._lost: dict[str, Lost] = {}  # claim -> what of its job left no record
        self._bypass = Bypass()
        apart = policy.copies not in BY_HAND
        self._strangers = Strangers(self._bypass, desk, lambda user: alias_of(people, user).id, apart=apart)
        spooled = []
        for entry in ledger.entries(*BOOKED):
            self._learn(entry.fact, entry.at)
            if isinstance(entry.fact, AttemptCounted) and entry.fact.spooled:
                spooled.append(entry.fact.spooled)
            newest = entry.at.utc if self.books.epoch else newest
        self._witness = Witness(newest.timestamp(), spooled)

    def _today(self) -> date:
        return self._clock.now().utc.astimezone(self._policy.zone).date()

    async def look(
        self, split: Callable[[DeviceReading], bool] | None = None, seen: DeviceReading | None = None
    ) -> DeviceReading:
        """Look at the device once (or at what was `seen` just now), book all it shows. Raises DriverError, LedgerError.

        `split` says of what is seen whether copies are booked up to here although the device is busy.
        """
        raw, spooled, before = seen or await self._printer.read(), self._desk.spooled, self.books.booked
        self._bypass.look(raw)
        self._bypass.spool(spooled, self._desk.notebook, raw.at.mono_s)
        news, hearing = (raw.jobs, spooled) != self._judged, self._turnstile.hearing(self._even_s)
        self._witness.watched(raw.jobs, self._desk.notebook)
        if news or self._claims or self._awaited:
            found = (*await self._book_records(raw), *self._missing(raw, spooled))
            apart = raw.counters is not None or hearing is Hearing.ALL
            self._claims = tuple(replace(claim, apart=apart) for claim in found)
            self._judged = (raw.jobs, spooled)
        if (row := self._turnstile.row(raw, self.books, now=split is not None)) is not None:
            await self._write(raw.at, row)
        reading = self._metered(raw, now=split is not None, hearing=hearing)
        calm = self.books.balanced
        here = split is not None and split(reading)
        hold = self._desk.printing or self._metering.pending or bool(self._awaited)
        claims = () if self._metering.pending else self._claims  # nothing is settled by what still waits itself
        judged = self.books.judge(reading, claims, hold=hold, split=here)
        for fact in judged:
            if isinstance(fact, PrintsUnmatched) and not self._claims:
                fact = await self._strangers.unseen(fact, raw, self.books)  # noqa: PLW2901
            await self._write(reading.at, self._turnstile.doubted(fact, raw))
        await self._failures.look(raw.at)
        if self.books.balanced:
            self._strangers.balanced(raw.at)
        if reading.settled and not self._metering.pending and not self.books.copied(reading):
            self.books.nobodys = self.books.nobodys and reading.counters is None
        told = self.books.balanced and not self._metering.pending
        self._even_s = raw.at.mono_s if told else self._even_s
        if told and (news or not calm):
            self._witness.balanced(spooled, self._desk.notebook)
        fell = any(getattr(fact, "why", "") == "fell" for fact in judged)
        for read, key in self._meters.look(raw, before, fell=fell):
            await self._note(read, raw.at, key)
        self._portrait.look(raw, self._desk, self.books)
        if split is None:
            await self.turn()
        metered = reading.counters is not None
        self._desk.stand = Stand(self._strays, told and not news) if metered else None
        return reading

    async def turn(self) -> None:
        """Let whoever is badged in copy, and nobody else, where the copier can be told."""
        await self._turnstile.mind(visit=self.books.visit is not None, rest_s=self.rest_s())

    def _metered(self, raw: DeviceReading, *, now: bool, hearing: Hearing) -> DeviceReading:
        """Return the look with the counters that the books are kept by."""
        if self._policy.copies in BY_HAND:
            return replace(raw, counters=None, life=None)
        booked, hold = self.books.booked, self._desk.printing or self._turnstile.running
        claims = bool(self._claims or self._awaited)
        return self._metering.read(raw, booked, claims=claims, hold=hold, now=now, hearing=hearing)

    async def _book_records(self, reading: DeviceReading) -> list[Claim]:
        """Book every ended attempt by its record; return those whose record does not say."""
        claims: list[Claim] = []
        known: list[tuple[DeviceJob, Sent | None]] = []
        strange: list[DeviceJob] = []
        ended = self.books.unbooked(reading)
        # a record may be quicker than the spooler's story, and an old note may have its number
        heard = not ended or await self._desk.read_up(ended)
        names = set(map(attempt, ended)) if self._awaited else set()
        self._awaited = {name: since for name, since in self._awaited.items() if name in names}
        for job in ended:
            sent = self._desk.notebook.sent(job)
            if self._may_be_told(job, sent, reading.at, heard=heard):
                continue
            if sent is None and job.sides is not None and self._desk.noted:
                strange.append(job)
            else:
                known.append((job, sent))
        await self._book(reading, known, claims)
        waiting = bool(self._claims or claims)
        ours, past = await self._strangers.judge(reading, strange, self.books, self._awaited, claims=waiting)
        if past:
            await self._write(reading.at, *past)
        # the notes were read again meanwhile: the device may be quicker than who notes what it took
        await self._book(reading, [(job, self._desk.notebook.sent(job)) for job in ours], claims)
        return claims

    async def _book(
        self, reading: DeviceReading, jobs: list[tuple[DeviceJob, Sent | None]], claims: list[Claim]
    ) -> None:
        """Write the rows of attempts, some at a time: while the disk takes those, the next ones are counted."""
        rows: list[Fact] = []
        async with seen_through() as written:
            for first in range(0, len(jobs), AT_ONCE):
                whose, begun = self._owners.now(), len(rows)
                for job, sent in jobs[first : first + AT_ONCE]:
                    counted = self._count(job, sent, whose, reading.at)
                    if isinstance(counted, Claim):
                        claims.append(counted)
                    elif counted is not None:
                        rows.append(counted)
                written.append(self._append(reading.at, rows[begun:]))
                await asyncio.sleep(0)  # a backlog is long, and somebody may badge
        for row in rows:
            self._learn(row, reading.at)

    def _count(self, job: DeviceJob, sent: Sent | None, whose: Whose, at: Moment) -> AttemptKnown | Claim | None:
        """Return an attempt's row, or its claim if its record does not say; None while its documents are looked at."""
        owner, errand = whose.of_record(job, sent), whose.errand(sent)
        row = pages.count(job, owner, errand, a3_clicks=self._policy.a3_clicks)
        if row is None and sent is not None and self._may_be_foretold(job, sent, at):
            return None
        if row is not None or self.books.booked.metered or errand.forecast is not None:
            self._witness.recorded(attempt(job), job.user, sent)
        return row or unsaid(job, owner, errand)

    def _may_be_told(self, job: DeviceJob, sent: Sent | None, at: Moment, *, heard: bool) -> bool:
        """Return True while the print path may yet say which job a record carried out, or the spooler whose that is."""
        waits = self._desk.notebook.awaits(job.user) if sent is None else not heard and self._desk.unlisted(sent)
        return waits and at.mono_s - self._awaited.setdefault(attempt(job), at.mono_s) < NOTE_S

    def _may_be_foretold(self, job: DeviceJob, sent: Sent, at: Moment) -> bool:
        """Return True while the documents of a job of which the device does not say are still being looked through."""
        if not self._desk.looking(sent.note.job, sent.note.created_s):
            return False
        return at.mono_s - self._awaited.setdefault(attempt(job), at.mono_s) < FORETOLD_S

    def _missing(self, reading: DeviceReading, spooled: tuple[SpoolJob, ...]) -> list[Claim]:
        """Return the spooled jobs that ended and left no record at the device."""
        device, serial = self.books.device, reading.serial
        claims, self._lost = [], {}
        missing = self._witness.missing(spooled, self._desk.notebook)
        whose = self._owners.now()
        for lost in missing:
            job = lost.job
            errand, times = whose.errand_of_lost(lost), max(1, len(lost.notes))
            owner, noted = whose.of_spooled(job), self._desk.notebook.noted(job)
            runs, began_s = max(1, len(noted)), min((one.began_s for one in noted), default=job.created_s)
            claim = unrecorded(
                device, serial, job, owner, errand, turn=lost.turn, times=times, runs=runs, seen=lost.seen
            )
            claims.append(replace(claim, began_s=began_s))
            self._lost[claims[-1].attempt] = lost
        return [claim for claim in claims if not self.books.has(claim.attempt)]

    async def badge(self, read: BadgeRead) -> None:
        """Start or end a copy visit: first whatever was copied before is booked to whose it is."""
        at = self._clock.now()
        if read.at.boot != at.boot or at.mono_s - read.at.mono_s > STALE_BADGE_S:
            log.warning("%s: a badge came too late to be used", self.books.device)
            return self._desk.drop_badge()
        day = read.at.utc.astimezone(self._policy.zone).date()
        card, roster = self._people.card_key(read.card), self._people.roster()
        member = holder(card, roster, day)
        if member is None:
            self._portrait.refused = read.at.utc
            if card not in roster.cards and card not in roster.visitors and not self._people.fault:
                key = f"{read.reader}:{read.at.boot}:{read.at.mono_s:.6f}:{card[:8]}"
                await self._note(CardSeen(read.reader, card), read.at, key)
            log.info("%s: a card was refused at the copier's reader", self.books.device)
            return self._desk.drop_badge()
        await self._turnstile.mind(visit=False, rest_s=0.0)  # what is under way comes out, and is whoever's stood there
        await self._settle(read.at)
        stays = self._desk.take_badge()
        for fact in self.books.badge(read.at, member, stays=stays):
            await self._write(read.at, fact)
        return await self.turn()

    async def _settle(self, since: Moment) -> None:
        """Book what was copied up to this badge to whose it was; what comes out later belongs to the badge.

        A machine that prints says nothing about who copies: the counters are split where they stand. One that is busy
        without a job is still copying for whoever stood there before, and is waited for, but not for ever.
        """
        while True:
            late = self._clock.now().mono_s - since.mono_s > self._policy.settle_s
            reading = await self.look((lambda _: True) if late else (lambda seen: not self._copying(seen)))
            waits = self._copying(reading) or self.books.copied(reading) or self._metering.pending
            if late or not waits:
                self.books.nobodys = self.books.nobodys or self._untold(reading)
                return
            await asyncio.sleep(min(0.2, self._policy.busy_s))

    def _untold(self, reading: DeviceReading) -> bool:
        """Tell whether nobody can say how much was copied up to this badge: the copies that show later are nobody's."""
        if self._policy.copies in BY_HAND or not self.books.booked.metered:
            return False
        if reading.counters is not None and self._turnstile.hearing(self._even_s) is Hearing.ALL:
            return False
        if reading.counters is None or self._metering.pending:
            return True
        raw = self._portrait.reading
        return raw is not None and raw.counters is None and self._metering.surplus(raw, self.books.booked)

    def _copying(self, reading: DeviceReading) -> bool:
        """Tell whether copies of somebody before this badge may still be coming out.

        Nobody badged in and nothing copied since the last row: whoever badges now has pressed the button.
        """
        if self._turnstile.running:
            return True
        if reading.settled or any(job.state in ACTIVE for job in reading.jobs):
            return False
        return self.books.visit is not None or self.books.copied(reading)

    def rest_s(self) -> float:
        """Return how long until the next look, if nothing is laid on the desk before."""
        wakes_at = self.books.wakes_at()
        if self._restless() and self._portrait.still < STILL_LOOKS:
            return self._policy.busy_s
        if wakes_at is None:
            return self._policy.poll_s
        return min(self._policy.poll_s, max(self._policy.busy_s, wakes_at - self._clock.now().mono_s))

    def _restless(self) -> bool:
        reading = self._portrait.reading
        busy = reading is None or not reading.settled or reading.state is not DeviceState.IDLE
        return (
            busy
            or self._desk.printing
            or self.books.suspicious
            or self._metering.pending
            or self.books.visit is not None
        )

    def picture(self) -> LiveDevice:
        """Return the live picture of the device."""
        return self._portrait.picture(self._desk, self.books, self._turnstile)

    async def _write(self, at: Moment, *facts: Fact) -> None:
        """Write facts whose keys do not depend on one another; learn them once all are on the disk."""
        async with seen_through() as written:
            written.append(self._append(at, facts))
        for fact in facts:
            self._learn(fact, at)

    def _append(self, at: Moment, facts: Sequence[Fact]) -> asyncio.Future[list[int]]:
        return self._ledger.append_all([(fact, self.books.key(fact)) for fact in facts], at)

    def _learn(self, fact: Fact, at: Moment) -> None:
        self.books.learn(fact, at)
        self._turnstile.learn(fact)
        if isinstance(fact, AttemptCounted) and (lost := self._lost.pop(fact.attempt, None)) is not None:
            self._witness.settled(lost)
        if isinstance(fact, AttemptCounted) and fact.spooled:
            self._bypass.booked(fact.spooled)
        if isinstance(fact, PrintsUnmatched) and not isinstance(fact, PrintedPast) and fact.device == self.books.device:
            self._strays += fact.mono + fact.colour

    async def _note(self, fact: Fact, at: Moment, key: str) -> None:
        async with seen_through() as written:
            written.append(self._ledger.append_all([(fact, key)], at))
