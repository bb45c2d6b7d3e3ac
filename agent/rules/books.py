"""Keeps a device's books: counter = prints + copies + unattributed, for each colour, at every settled look.

The one idea: a device's life counters are the debit, and every side of it must be booked somewhere. Job records book
prints. What the copy counters moved belongs to the member badged in at the copier, or to nobody. What the print
counters moved and no record explains belongs to nobody either, and waits one more settled look before it is booked, so
that a record read late is not taken for paper without an owner. Whatever comes later still is corrected by a negative
fact, never by an edit.

`Books` is a fold over facts and nothing else: all that must survive a crash is in the ledger. The rest (a suspicion,
the last look) may be lost at any point and is found again. Every fact's key is made of what stood in the ledger before
it (epoch, and the counters or the number it starts from): the same step taken twice is the same key.

Opening. Books open at the first *settled* look, at a device with another serial, and at counters that fell (reset, new
board). Attempts that had ended at a first or swapped device, or are booked already, are listed in the fact (`closed`)
and never booked again, even when their rows are long redacted and the device still remembers them. An attempt that a
first look found half printed (stopped for paper, say) is booked whole when it ends: its sides from before the opening
then show as negative unattributed prints, so that the books still balance. A fall is seen against the last counters
looked at and those in the ledger; a print counter that falls while nobody watches, and not below the ledger's, is not
told from records that say too much. After `CARRIED_DAYS` balanced books are closed and opened again on the same
counters, so that no sum ever needs rows that the redaction has removed.

Copy visits. A badge opens one, the same member's next badge closes it, another member's badge closes it and opens
theirs, and `visit_idle_s` without a copy closes it. A movement found long after a visit should have ended (nobody
watched: the box was off) is nobody's: we do not bill on a doubt.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta, tzinfo
from typing import TypeVar

from agent.rules.claims import Claim, believe, settle_clicks
from agent.rules.columns import (
    Accounts,
    Booked,
    Sides,
    Suspicion,
    Visit,
    badged,
    clicks_of,
    copies_of,
    large_copies_of,
    large_moved,
    prints_of,
)
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.members import Member
from agent.rules.pages import PagesCounted, attempt
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CopiesByHand,
    CopiesCounted,
    CopiesMetered,
    CopyVisitEnded,
    CopyVisitStarted,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import PastCounted, counted, recorded
from agent.rules.sheets import large
from drivers.contract import Counters, DeviceJob, DeviceReading, JobState, Moment

CARRIED_DAYS = 30  # well under facts.TIMED_DAYS
LATE_S = 20.0  # how long after a visit's idle limit a look may come and still speak for the visit
HOLD_S = 60.0  # how long a job active in the spooler keeps unexplained prints from being booked
REST_S = 30.0  # copy counters that stood still this long are booked, whatever else keeps the device busy
Stray = TypeVar("Stray", bound=PrintsUnmatched)
ACTIVE = frozenset({JobState.PROCESSING, JobState.STOPPED})  # a job at the device that may have printed a part


class Books:
    """The books of one device. `learn` folds facts in; all else proposes facts and changes nothing but its memory.

    Who proposes must write: the fact goes to the ledger under `key(fact)`, then into `learn`, in order, before the
    next look is judged.
    """

    def __init__(self, device: str, visit_idle_s: float, *, a3_clicks: int = 1, zone: tzinfo = UTC) -> None:
        self.device = device
        self.a3_clicks = a3_clicks
        self.epoch = 0
        self.serial = ""
        self.visit: Visit | None = None
        self.nobodys = False  # True: visits changed while copies could not be told
        self.balanced = False  # nothing unexplained at the last settled look
        self._idle_s = visit_idle_s
        self._zone = zone
        self._metered = False
        self._accounts = Accounts()
        self._closed: tuple[date, int] | None = None  # the day and counter of the last closing or opening
        self._large: Sides | None = None  # where the device's A3 copies stood when all copies were booked
        self._opened: Moment | None = None
        self._blind_s = 0.0  # Unix seconds: of what was sent before, these counters are no witness
        self._attempts: set[str] = set()
        self._prints = Sides()  # where the print counters stand by what is booked
        self._copies = Sides()
        self._unmatched = 0  # how many PrintsUnmatched in this epoch
        self._floor = Sides()  # print counters seen: below is a fall
        self._last: Moment | None = None
        self._stood: tuple[Sides, Moment] | None = None  # the copy counters, and since when they stand there
        self._suspicion: Suspicion | None = None

    # folding ----------------------------------------------------------------------------------------------

    def learn(self, fact: Fact, at: Moment) -> None:
        """Fold one fact of the ledger in; other devices' and other kinds' facts pass by."""
        if getattr(fact, "device", None) != self.device or isinstance(fact, CopiesByHand):
            return
        match fact:
            case BooksOpened():
                self._open(fact, at)
            case PagesCounted():
                self._attempts.add(fact.attempt)
                moved = Sides(fact.sides_mono, fact.sides_colour) * clicks_of(fact)
                self._prints += moved
                self._accounts.prints += moved.all
                self._accounts.open_sides += fact.high - fact.low
            case PrintsUnmatched():
                self._prints += Sides(fact.mono, fact.colour)
                self._accounts.unattributed += fact.mono + fact.colour
                self._floor = Sides(fact.to_mono, fact.to_colour)
                if name := getattr(fact, "attempt", ""):
                    self._attempts.add(name)
                else:
                    self._unmatched += 1
            case CopiesCounted():
                moved = Sides(fact.to_mono, fact.to_colour) - self._copies
                self._accounts.copied(moved.all, somebodys=bool(fact.member))
                self._copies = Sides(fact.to_mono, fact.to_colour)
                self.visit = replace(self.visit, active=at) if self.visit and fact.visit else self.visit
            case CopyVisitStarted():
                self.visit = Visit(fact.visit, fact.member, fact.formula, at)
            case CopyVisitEnded():
                self.visit = None
            case BooksClosed():
                self._closed = (fact.day, fact.counter)
            case _:
                pass

    def _open(self, fact: BooksOpened, at: Moment) -> None:
        self.epoch, self.serial, self._metered, self._opened = fact.epoch, fact.serial, fact.metered, at
        self._blind_s = at.utc.timestamp() if fact.why in {"swapped", "fell"} else 0.0
        self._prints = self._floor = Sides(fact.print_mono, fact.print_colour)
        self._copies = Sides(fact.copy_mono, fact.copy_colour)
        self._attempts.update(fact.closed)
        self._accounts = Accounts(opening=(self._prints + self._copies).all)
        self._closed = (self._day(at), self._accounts.opening)
        self._unmatched = 0
        self._suspicion = None

    def key(self, fact: Fact) -> str:
        """Return the ledger key of a proposed fact, by what is booked before it."""
        match fact:
            case PagesCounted() | PrintedPast() if fact.attempt:
                return fact.attempt
            case BooksOpened():
                return f"{self.device}/{fact.epoch}"
            case CopiesCounted():
                return f"{self.device}/{self.serial}/{self.epoch}/{self._copies.mono}+{self._copies.colour}"
            case PrintsUnmatched():
                return f"{self.device}/{self.serial}/{self.epoch}/{self._unmatched}"
            case CopyVisitStarted() | CopyVisitEnded():
                return fact.visit
            case BooksClosed():
                return f"{self.device}/{fact.epoch}/{fact.day}"
            case _:
                raise TypeError(f"not a fact of these books: {fact.kind}")

    # judging ----------------------------------------------------------------------------------------------

    def unbooked(self, reading: DeviceReading) -> tuple[DeviceJob, ...]:
        """Return the ended attempts of a look that are in no row yet: order and repetition do not matter."""
        if reading.serial != self.serial:
            return ()
        return tuple(job for job in reading.jobs if job.state.ended and not self.has(attempt(job)))

    def copied(self, reading: DeviceReading) -> bool:
        """Return True if a look shows copies that no row has yet."""
        now = reading.counters
        return now is not None and reading.serial == self.serial and copies_of(now) != self._copies

    @property
    def booked(self) -> Booked:  # noqa: D102
        return Booked(self.serial, self._metered, self._prints, self._copies)

    def has(self, name: str) -> bool:
        """Return True if an attempt of this name is booked, or closed to booking."""
        return name in self._attempts

    def judge(
        self, reading: DeviceReading, claims: tuple[Claim, ...] = (), *, hold: bool = False, split: bool = False
    ) -> tuple[Fact, ...]:
        """Return what a look adds to the books, after its attempts were booked. An older look adds nothing.

        `claims`: attempts that only the counters can settle. `hold`: the spooler still works on a job for this
        device. `split`: book copies up to here even if the device is busy, because a visit starts or ends now.
        """
        if not self._newer(reading.at):
            return ()
        self._last = reading.at
        self.balanced = False
        if reading.settled and (opened := self._opening(reading)) is not None:
            return (*self._left_over(claims, opened), opened)
        if reading.serial != self.serial:
            return ()
        if reading.counters is None:
            return self._idle(reading.at) if self._metered else self._uncounted(reading, claims)
        copied = self._copied(reading, reading.counters, split=split)
        if not reading.settled or any(job.state in ACTIVE for job in reading.jobs):
            return copied
        self._floor = prints_of(reading.counters)
        return copied + self._printed(reading, reading.counters, claims, hold=hold)

    def _left_over(self, claims: tuple[Claim, ...], opened: BooksOpened) -> tuple[Fact, ...]:
        """Return the rows of what the books before could have proven, and the new counters cannot."""
        return () if opened.why == "first" else believe(claims, counted=self._metered)

    def _newer(self, at: Moment) -> bool:
        return self._last is None or at.boot != self._last.boot or at.mono_s > self._last.mono_s

    def _opening(self, reading: DeviceReading) -> BooksOpened | None:
        counters = reading.counters
        if not self.epoch:
            why = "first"
        elif reading.serial != self.serial:
            why = "swapped"
        elif counters is None:
            return None
        elif not self._metered:
            why = "metered"
        elif prints_of(counters).below(self._floor) or copies_of(counters).below(self._copies):
            why = "fell"
        else:
            return None
        return self._opened_at(reading, why)

    def _opened_at(self, reading: DeviceReading, why: str) -> BooksOpened:
        counters = reading.counters or Counters(0, 0, 0, 0, 0)
        ended = (attempt(job) for job in reading.jobs if job.state.ended)
        closed = tuple(sorted(name for name in ended if why in {"first", "swapped"} or self.has(name)))
        return BooksOpened(
            device=self.device,
            serial=reading.serial,
            epoch=self.epoch + 1,
            print_mono=counters.print_mono,
            print_colour=counters.print_colour,
            copy_mono=counters.copy_mono,
            copy_colour=counters.copy_colour,
            why=why,
            metered=reading.counters is not None,
            closed=closed,
        )

    def _uncounted(self, reading: DeviceReading, claims: tuple[Claim, ...]) -> tuple[Fact, ...]:
        self.balanced = reading.settled
        return self._idle(reading.at) + (believe(claims) if reading.settled else ())

    # copies -----------------------------------------------------------------------------------------------

    def _copied(self, reading: DeviceReading, counters: Counters, *, split: bool) -> tuple[Fact, ...]:
        stand = copies_of(counters)
        if stand.below(self._copies):
            return ()  # it fell: the next settled look opens new books
        moved = stand - self._copies
        if moved == Sides():
            self._large = large_copies_of(counters)
            return self._idle(reading.at)
        rests = self._rests(stand, reading.at)
        if not (reading.settled or split or rests or self._quiet(reading.at, self._idle_s / 2)):
            return ()  # still copying: one row at the end of it
        late = self._quiet(reading.at, self._idle_s + LATE_S)
        row = self._copies_row(counters, moved, None if late or self.nobodys else self.visit)
        return (row, *(self._idle(reading.at) if late else ()))

    def _copies_row(self, counters: Counters, moved: Sides, visit: Visit | None) -> CopiesMetered:
        stand, large = copies_of(counters), large_moved(self._large, counters, moved, self.a3_clicks)
        self._large = large_copies_of(counters)
        sides = moved - large * (self.a3_clicks - 1)
        return CopiesMetered(
            device=self.device,
            serial=self.serial,
            epoch=self.epoch,
            visit="" if visit is None else visit.visit,
            member=MemberId("") if visit is None else visit.member,
            formula=FormulaId("") if visit is None else visit.formula,
            mono=sides.mono,
            colour=sides.colour,
            to_mono=stand.mono,
            to_colour=stand.colour,
            large_mono=large.mono,
            large_colour=large.colour,
            clicks_mono=moved.mono,
            clicks_colour=moved.colour,
        )

    def _rests(self, stand: Sides, at: Moment) -> bool:
        if self._stood is None or self._stood[0] != stand or self._stood[1].boot != at.boot:
            self._stood = (stand, at)
        return at.mono_s - self._stood[1].mono_s >= REST_S

    def _idle(self, at: Moment) -> tuple[Fact, ...]:
        if self.visit is None or not self._quiet(at, self._idle_s):
            return ()
        return (CopyVisitEnded(self.device, self.visit.visit, "idle"),)

    def _quiet(self, at: Moment, limit_s: float) -> bool:
        """Return True if a visit is open and nothing was copied in it for `limit_s`, or since another boot."""
        if self.visit is None:
            return False
        active = self.visit.active
        return active.boot != at.boot or at.mono_s - active.mono_s >= limit_s

    def wakes_at(self) -> float | None:
        """Return when (`mono_s`) the open visit will have been idle too long; None if no visit is open."""
        return None if self.visit is None else self.visit.active.mono_s + self._idle_s

    def badge(self, at: Moment, member: Member, *, stays: bool = False) -> tuple[Fact, ...]:
        """Return what a member's badge at the copier does to visits. Copies up to here must be booked before."""
        return badged(self.device, self.visit, at, member, stays=stays)

    # prints -----------------------------------------------------------------------------------------------

    @property
    def suspicious(self) -> bool:
        """Return True while unexplained prints wait for another settled look."""
        return self._suspicion is not None

    def _printed(
        self, reading: DeviceReading, counters: Counters, claims: tuple[Claim, ...], *, hold: bool
    ) -> tuple[Fact, ...]:
        if earlier := tuple(claim for claim in claims if claim.began_s < self._blind_s):
            return believe(earlier, counted=True)
        stand = prints_of(counters)
        rest = stand - self._prints
        self.balanced = rest == Sides() and not claims
        if self.balanced:
            self._suspicion = None
            return (*self._closing(reading, counters), *self._carried(reading))
        names = tuple(sorted(claim.attempt for claim in claims))
        since = reading.at if self._suspicion is None else self._suspicion.since
        seen, self._suspicion = self._suspicion, Suspicion(rest, stand, names, since)
        if seen is None or (seen.rest, seen.counters, seen.claims) != (rest, stand, names):
            return ()
        if hold and since.boot == reading.at.boot and reading.at.mono_s - since.mono_s < HOLD_S:
            return ()
        self._suspicion = None
        self.balanced = True  # once these are written
        name = f"{self.device}/{self.epoch}/{self._unmatched}"
        for row in (rows := settle_clicks(claims, rest, self.a3_clicks, self.epoch, name)):
            rest -= Sides(row.sides_mono, row.sides_colour) * clicks_of(row)
        if rest == Sides():
            return rows
        return (*rows, self._unexplained(PrintsUnmatched, rest, stand))

    def past(self, job: DeviceJob, alias: AliasId | None) -> PrintedPast:
        """Return that a record was printed past us; `alias` None: it is no print, and only never to be booked."""
        sides = 0 if alias is None else job.sides or 0
        colour = min(sides, job.sides_colour or 0)
        moved = Sides(sides - colour, colour) * (self.a3_clicks if large(job.media) else 1)
        stray = replace(self._unexplained(PrintedPast, moved, self._floor), attempt=attempt(job))
        return stray if alias is None else recorded(stray, job, alias)

    def past_unseen(self, stray: PrintsUnmatched) -> PastCounted:
        """Return the same movement of the print counters, said to be printed past us."""
        moved, stand = Sides(stray.mono, stray.colour), Sides(stray.to_mono, stray.to_colour)
        return counted(self._unexplained(PrintedPast, moved, stand), self.a3_clicks)

    def _unexplained(self, kind: type[Stray], rest: Sides, stand: Sides) -> Stray:
        return kind(
            device=self.device,
            serial=self.serial,
            epoch=self.epoch,
            mono=rest.mono,
            colour=rest.colour,
            to_mono=stand.mono,
            to_colour=stand.colour,
        )

    def _day(self, at: Moment) -> date:
        return at.utc.astimezone(self._zone).date()

    def _closing(self, reading: DeviceReading, counters: Counters) -> tuple[Fact, ...]:
        """Return the day's closing, once a day, where anything moved since the last one."""
        day = self._day(reading.at)
        if self._closed is None or day <= self._closed[0] or counters.sides == self._closed[1]:
            return ()
        sums = self._accounts
        if (copies_of(counters) - self._copies) != Sides():
            return ()  # a copy of this very look is booked first
        return (sums.closing(self.device, self.serial, self.epoch, day, counters.sides),)

    def _carried(self, reading: DeviceReading) -> tuple[Fact, ...]:
        """Return a new opening on the same counters when the books are old; copies of this look must be booked."""
        assert self._opened is not None
        old = reading.at.utc - self._opened.utc >= timedelta(days=CARRIED_DAYS)
        return (self._opened_at(reading, "carried"),) if old else ()
