"""A copier as the contract shows it, with a truth of its own: what every attempt put on paper, and for whom.

It knows nothing of how the books are kept. `Place` says what kind of machine stands there and what is known of it:
counters that tell prints from copies, a bare total, or none; records with or without sheets and colours; A3 that clicks
twice; documents that were counted before.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.folding import fold_user
from agent.rules.members import Alias, Card, Member, Roster
from agent.rules.pages import attempt
from drivers.contract import (
    CardNumber,
    Counters,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    JobState,
    LifeCount,
    Moment,
    Trust,
)

DEVICE = DeviceId("copieur")
START = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
USERS = ("alice", "DOMAIN\\bob", "carol@laptop.local", "dave", "erin", "iPhone")
MEMBERS = {name: MemberId(f"m{number}") for number, name in enumerate(("alice", "bob", "carol", "dave", "erin"), 1)}
A3, A4 = "iso_a3_297x420mm", "iso_a4_210x297mm"


class Clock:
    """Time as the week goes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.set_s = 0.0  # by how much somebody set the wall clock

    def now(self) -> Moment:
        return Moment(START + timedelta(seconds=self.now_s + self.set_s), 1000 + self.now_s, "boot", Trust.SYNCHRONISED)


class People:
    """Five members; whoever prints under another name is nobody yet."""

    fault = ""

    def roster(self) -> Roster:
        formula, since = FormulaId("occasional"), date(2020, 1, 1)
        members = {one: Member(one, formula, since, None) for one in MEMBERS.values()}
        cards = {CardKey(one): Card(CardKey(one), one, blocked=False) for one in MEMBERS.values()}
        return Roster(1, members, cards=cards)

    def card_key(self, card: CardNumber) -> CardKey:
        return CardKey(f"m{int(card.hex, 16)}")

    def alias(self, user: str) -> Alias:
        name = fold_user(user)
        return Alias(AliasId(f"a-{name}"), MEMBERS.get(name))


@dataclass(frozen=True)
class Place:
    """What kind of machine stands there, and what is known of its jobs."""

    meters: str = "split"  # "split": prints apart from copies; "total": all sides, and in colour; "bare": all; "none"
    counted: float = 0.0  # share of jobs whose documents were counted before (released by badge)
    banners: float = 0.0  # of these, with a banner
    a3: float = 0.0  # share of jobs on A3
    clicks: int = 1  # of the counters for a side of A3
    two_sided: float = 0.0
    sheets: bool = True  # its records tell sheets
    blanks: bool = False  # it counts the blank back of a copy's last sheet, and of a banner, as a side
    odd_claims: bool = False  # the spooler claims one side for a document it did not read, or nothing


@dataclass(frozen=True)
class Work:
    """What somebody sent: one copy is `sides` long, of which the last may be a blank back that the machine counts."""

    user: str
    sides: int
    copies: int = 1
    colour: bool = False
    two_sided: bool = False
    large: bool = False
    banner: bool = False
    backed: bool = False  # the banner's blank back is counted too

    @property
    def banners(self) -> int:
        """Return the sides of its banner."""
        return self.banner + (self.banner and self.backed)

    @property
    def whole(self) -> int:
        return self.sides * self.copies + self.banners

    def sheets(self, out: int) -> int:
        """Return how many sheets `out` sides are: the banner's, then copy by copy."""
        banner = min(out, self.banners)
        copies, rest = divmod(out - banner, max(1, self.sides))
        if not self.two_sided:
            return out
        return min(banner, 1) + copies * -(-self.sides // 2) + -(-rest // 2)


@dataclass
class Paper:
    """What an attempt, or the forgotten attempts of a job, put on paper."""

    user: str
    sides: int = 0
    sheets: int = 0
    banners: int = 0
    colour: int = 0
    large: bool = False
    spooled: str = ""  # the spooled job that it is of


@dataclass
class Machine:
    """The copier, its memory, and the paper."""

    clock: Clock
    place: Place = field(default_factory=Place)
    serial: str = "S1"
    swaps: int = 1
    ids: int = 0
    uuids: int = 0
    counters: Counters = field(default_factory=lambda: Counters(5000, 900, 700, 60, 6000))
    jobs: list[DeviceJob] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)  # attempt -> its spooled job, if no look saw it ended
    work: Work = field(default_factory=lambda: Work("", 0))  # what it prints, or printed last
    truth: dict[str, Paper] = field(default_factory=dict)  # by attempt, or spool/job of forgotten ones
    mute: bool = False  # records say no counts
    busy: bool = False
    shows: int = 80  # records it keeps

    async def read(self) -> DeviceReading:
        running = {attempt(job) for job in self.jobs if not job.state.ended}
        self.unseen = {name: spooled for name, spooled in self.unseen.items() if name in running}
        shown = tuple(self.jobs[-self.shows :])
        if self.mute:
            shown = tuple(replace(one, sides=None, sides_colour=None, sheets=None) for one in self.jobs) or shown
        state = DeviceState.PROCESSING if self.busy else DeviceState.IDLE
        counters, life = self._meters()
        return DeviceReading(
            self.clock.now(), DEVICE, self.serial, state, (), (), counters, shown, settled=not self.busy, life=life
        )

    def _meters(self) -> tuple[Counters | None, LifeCount | None]:
        now = self.counters
        match self.place.meters:
            case "split":
                return now, None
            case "total":
                colour = now.print_colour + now.copy_colour
                return None, LifeCount(now.sides, colour, rows=(("total", now.sides), ("total-colour", colour)))
            case "bare":
                return None, LifeCount(now.sides)
            case _:
                return None, None

    def prints(self, work: Work, spooled: str, state: JobState, out: int | None = None, *, said: bool = True) -> int:
        """Put `out` sides on paper (None: all) and keep a record; return the device's job-id."""
        job = self.begins(work, spooled)
        self.puts_out(work.whole if out is None else out)
        self.ends(state, said=said)
        return job

    def begins(self, work: Work, spooled: str) -> int:
        """Begin a job; return the device's job-id."""
        self.ids, self.uuids, self.work = self.ids + 1, self.uuids + 1, work
        job = DeviceJob(
            DEVICE, self.serial, self.ids, f"urn:uuid:{self.uuids}", work.user, JobState.PROCESSING,
            self.clock.now().utc, 0, 0, 0, work.copies, work.two_sided, A3 if work.large else A4,
        )  # fmt: skip
        self.jobs.append(job)
        self.truth[attempt(job)] = Paper(work.user, large=work.large, spooled=spooled)
        self.unseen[attempt(job)] = spooled
        return self.ids

    def puts_out(self, out: int) -> None:
        """Have `out` sides of the job on paper by now."""
        work, job, now = self.work, self.jobs[-1], self.counters
        paper, clicks = self.truth[attempt(job)], self.place.clicks if work.large else 1
        banners = min(out, work.banners)
        coloured = out - banners if work.colour else 0
        more_colour = coloured - paper.colour
        more_mono = out - paper.sides - more_colour
        self.counters = replace(
            now, print_mono=now.print_mono + clicks * more_mono, print_colour=now.print_colour + clicks * more_colour
        )
        paper.sides, paper.sheets, paper.banners, paper.colour = out, work.sheets(out), banners, coloured
        sheets = paper.sheets if self.place.sheets else None
        self.jobs[-1] = replace(job, sides=out, sides_colour=coloured, sheets=sheets)

    def ends(self, state: JobState, *, said: bool = True) -> None:
        """End the job; its record says how much came out, or not."""
        job = self.jobs[-1]
        told = job if said else replace(job, sides=None, sides_colour=None, sheets=None)
        self.jobs[-1] = replace(told, state=state)

    def copies(self, sides: int, *, colour: bool) -> None:
        now, mono = self.counters, 0 if colour else sides
        self.counters = replace(now, copy_mono=now.copy_mono + mono, copy_colour=now.copy_colour + sides - mono)

    def forget(self) -> None:
        """Lose the records and start the job-ids over: what nobody had read is known by its spooled job alone."""
        for name, spooled in self.unseen.items():
            gone = self.truth.pop(name)
            all_ = self.truth.setdefault(f"spool/{spooled}", Paper(gone.user, large=gone.large, spooled=spooled))
            all_.sides, all_.sheets = all_.sides + gone.sides, all_.sheets + gone.sheets
            all_.banners, all_.colour = all_.banners + gone.banners, all_.colour + gone.colour
        self.jobs, self.ids = [], 0
        self.unseen.clear()

    def paper(self, name: str, booked: AbstractSet[str]) -> Paper:
        """Return what an attempt put on paper; of a spooled job's own row, what no row of its attempts says."""
        if name in self.truth:
            return self.truth[name]
        left = [one for key, one in self.truth.items() if key not in booked and name == f"spool/{one.spooled}"]
        found = Paper(left[0].user if left else "", large=any(one.large for one in left))
        for one in left:
            found.sides, found.sheets = found.sides + one.sides, found.sheets + one.sheets
            found.banners, found.colour = found.banners + one.banners, found.colour + one.colour
        return found

    def fall(self, what: str) -> None:
        """Have the counters fall: a technician, another machine, or the end of the digits."""
        if what == "swap":
            self.forget()
            self.swaps += 1
            self.serial, self.counters = f"S{self.swaps}", Counters(12, 0, 3, 0, 15)
        elif what == "reset":
            self.counters = Counters(0, 0, 0, 0, 0)
        else:
            self.counters = replace(self.counters, print_mono=self.counters.print_mono % 97)
