"""A week at a copier with everything that goes wrong, by a seed, and what physically happened beside it.

`Machine` is a device as the contract shows it, with a truth of its own: what every attempt put on paper, under the name
the books would give it. It knows nothing of how the books are kept. `Week` plays jobs, copies and faults on it, and has
the real clerk look at it now and then over a real ledger.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.balance import KINDS, of_rows
from agent.rules.facts import AliasId, CardKey, FormulaId, MemberId
from agent.rules.members import Alias, Card, Member, Roster, fold_user
from agent.rules.pages import AttemptCounted, attempt
from agent.rules.paper import CopiesCounted, PrintsUnmatched
from agent.stories.copier import Clerk, Desk, PaperPolicy
from drivers.contract import (
    BadgeRead,
    CardNumber,
    Counters,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    DriverError,
    JobState,
    Moment,
    ReaderId,
    SpoolJob,
    Trust,
)
from drivers.spooling import SpoolAttempt

DEVICE = DeviceId("copieur")
START = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
USERS = ("alice", "DOMAIN\\bob", "carol@laptop.local", "dave", "erin", "iPhone")
MEMBERS = {name: MemberId(f"m{number}") for number, name in enumerate(("alice", "bob", "carol", "dave", "erin"), 1)}
NEVER = MemberId("")
FAULTS = (
    *("print",) * 620, *("copies",) * 200, *("strangers",) * 30, *("cancel",) * 40, *("abort",) * 20, *("jam",) * 20,
    *("busy",) * 20, *("refused",) * 20, *("power-lost",) * 3, *("power-kept",) * 8, *("silent",) * 8, *("again",) * 6,
    *("second-lost",) * 3, *("silent-device",) * 2, *("reset",), *("swap",), *("wrap",),
)  # fmt: skip


class Clock:
    """Time as the week goes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.set_s = 0.0  # by how much somebody set the wall clock

    def now(self) -> Moment:
        return Moment(START + timedelta(seconds=self.now_s + self.set_s), 1000 + self.now_s, "boot", Trust.SYNCHRONISED)


class People:
    """Five members; whoever prints under another name is nobody yet."""

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


@dataclass
class Machine:
    """The copier, its memory, and the paper."""

    clock: Clock
    serial: str = "S1"
    swaps: int = 1
    ids: int = 0
    uuids: int = 0
    counters: Counters = field(default_factory=lambda: Counters(5000, 900, 700, 60, 6000))
    jobs: list[DeviceJob] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)  # attempt -> its spooled job, since the last look
    truth: dict[str, int] = field(default_factory=dict)  # attempt, or spool/job of a forgotten one -> sides on paper
    owed: dict[str, str] = field(default_factory=dict)  # the same -> user
    mute: bool = False  # records say no counts
    busy: bool = False
    shows: int = 80  # records it keeps

    async def read(self) -> DeviceReading:
        self.unseen.clear()
        jobs = tuple(replace(one, sides=None, sides_colour=None, sheets=None) for one in self.jobs) if self.mute else ()
        state = DeviceState.PROCESSING if self.busy else DeviceState.IDLE
        shown = jobs or tuple(self.jobs[-self.shows :])
        return DeviceReading(
            self.clock.now(), DEVICE, self.serial, state, (), (), self.counters, shown, settled=not self.busy
        )

    def prints(self, user: str, sides: int, spooled: str, *, colour: bool, state: JobState, said: bool = True) -> int:
        """Put sides on paper and keep a record; return the device's job-id."""
        self.ids, self.uuids, now = self.ids + 1, self.uuids + 1, self.counters
        mono, coloured = (0, sides) if colour else (sides, 0)
        self.counters = replace(now, print_mono=now.print_mono + mono, print_colour=now.print_colour + coloured)
        at = self.clock.now().utc
        job = DeviceJob(
            DEVICE, self.serial, self.ids, f"urn:uuid:{self.uuids}", user, state, at,
            sides if said else None, coloured if said else None, sides if said else None, 1, False,
        )  # fmt: skip
        self.jobs.append(job)
        self.truth[attempt(job)] = sides
        self.owed[attempt(job)] = user
        self.unseen[attempt(job)] = spooled
        return self.ids

    def copies(self, sides: int, *, colour: bool) -> None:
        now, mono = self.counters, 0 if colour else sides
        self.counters = replace(now, copy_mono=now.copy_mono + mono, copy_colour=now.copy_colour + sides - mono)

    def forget(self) -> None:
        """Lose the records and start the job-ids over: what nobody had read is known by its spooled job alone."""
        for name, spooled in self.unseen.items():
            key = f"spool/{spooled}"
            self.truth[key] = self.truth.get(key, 0) + self.truth.pop(name)
            self.owed[key] = self.owed.pop(name)
        self.jobs, self.ids = [], 0
        self.unseen.clear()

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


@dataclass
class Verdict:
    """What a week came to."""

    jobs: int
    attempts: int
    sides: int  # of prints, on paper
    copies: int
    wrong: list[str]  # rows that are certain and not true, or do not hold the truth
    uncertain: int  # sides between low and high
    unbooked: int  # sides of attempts that have no row: they are unattributed, never somebody else's
    faults: list[str]
    balanced: bool
    happened: Counter[str]

    @property
    def uncertain_share(self) -> float:
        return self.uncertain / max(1, self.sides + self.copies)


class Week:
    """Plays a week; `seed` and `jobs` say which."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.machine = Machine(self.clock)
        self.desk = Desk()
        self.spooled: list[SpoolJob] = []
        self.notes: list[SpoolAttempt] = []
        self.copied: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.number = 0
        self.seen = 80  # jobs the spooler still lists
        self.ledger = Ledger.open(folder / "ledger.db")
        self.clerk = self._clerk()

    def _clerk(self) -> Clerk:
        policy = PaperPolicy(UTC, visit_idle_s=90.0)
        return Clerk(DEVICE, self.machine, self.desk, self.ledger, People(), self.clock, policy)

    async def look(self, times: int = 3) -> None:
        self.desk.lay(tuple(self.spooled[-self.seen :]), tuple(self.notes[-2 * self.seen :]))
        for _ in range(times):
            self.clock.now_s += 2
            await self.clerk.look()

    def job(self, user: str, claimed: int, state: JobState, *devices: int | None, heard: bool = True) -> None:
        """Have the spooler tell of a job it sent, to these device jobs (None: it was refused)."""
        at = self.clock.now()
        created = int(at.utc.timestamp())
        self.spooled.append(
            SpoolJob(at, "copieur", self.number, created, user, state, "", claimed, claimed, "ipp://copieur/ipp/print")
        )
        for run, device_job in enumerate(devices):
            last = run == len(devices) - 1
            self.notes.append(
                SpoolAttempt(
                    f"{self.number}-{run}",
                    "copieur",
                    self.number,
                    created,
                    user,
                    created + run,
                    device_job,
                    0 if last or heard else None,
                    heard=heard or last,
                )
            )

    def spool_name(self) -> str:
        self.number += 1
        return f"copieur/{self.number}/{int(self.clock.now().utc.timestamp())}"

    async def play(self, jobs: int) -> Verdict:
        await self.look()
        while self.number < jobs:
            self.clock.now_s += self.dice.uniform(20, 90)
            what = self.dice.choice(FAULTS)
            self.happened[what] += 1
            await self._do(what)
            if self.dice.random() < 0.85 or what in {
                "power-lost",
                "second-lost",
                "silent",
                "silent-device",
                "reset",
                "swap",
                "wrap",
            }:
                await self.look()
            if self.dice.random() < 0.01:
                self.clerk = self._clerk()  # the service was restarted
                self.happened["restart"] += 1
        await self.look(5)
        return self.verdict()

    async def _do(self, what: str) -> None:
        dice, machine = self.dice, self.machine
        user, colour = dice.choice(USERS), dice.random() < 0.3
        pages = dice.randint(1, 30) * dice.choice((1, 1, 1, 2, 3))
        part = dice.randint(0, pages - 1)
        if what in {"reset", "swap", "wrap"}:
            await self.look()
            machine.fall(what)
        elif what == "copies":
            await self._visit(dice.choice(list(MEMBERS.values())), dice.randint(1, 30), colour=colour)
        elif what == "strangers":
            await self.look()  # whoever badged before is gone
            await self._strangers(dice.randint(1, 9), colour=colour)
        else:
            await self._job(what, user, pages, part, colour=colour)

    async def _job(self, what: str, user: str, pages: int, part: int, *, colour: bool) -> None:
        machine, done, name = self.machine, JobState.COMPLETED, self.spool_name()
        match what:
            case "cancel" | "abort":
                state = JobState.CANCELED if what == "cancel" else JobState.ABORTED
                self.job(user, pages, state, machine.prints(user, part, name, colour=colour, state=state))
            case "jam":
                machine.busy = True
                before = self.machine.jobs, self.machine.counters
                await self.look()
                machine.busy = False
                assert before == (self.machine.jobs, self.machine.counters)
                self.job(user, pages, done, machine.prints(user, pages, name, colour=colour, state=done))
            case "busy":
                got = machine.prints(user, pages, name, colour=colour, state=done)
                self.job(user, 3 * pages, done, None, None, got)
            case "refused":
                self.job(user, 2, JobState.CANCELED, None)
            case "power-lost":
                got = machine.prints(user, part, name, colour=colour, state=JobState.ABORTED)
                self.job(user, pages, done, got)
                machine.forget()
            case "power-kept":
                got = machine.prints(user, part, name, colour=colour, state=JobState.ABORTED)
                self.job(user, pages, done, got)
            case "silent":
                await self.look()
                got = machine.prints(user, pages, name, colour=colour, state=done, said=False)
                self.job(user, pages, done, got)
            case "silent-device":
                await self.look()
                machine.mute = True
                self.job(user, pages, done, machine.prints(user, pages, name, colour=colour, state=done))
                await self.look()
                machine.mute = False
            case "again":
                first = machine.prints(user, part, name, colour=colour, state=JobState.ABORTED)
                second = machine.prints(user, pages, name, colour=colour, state=done)
                self.job(user, part + pages, done, first, second, heard=False)
            case "second-lost":
                await self._second_lost(user, pages, part, name, colour=colour)
            case _:
                self.job(user, pages, done, machine.prints(user, pages, name, colour=colour, state=done))

    async def _second_lost(self, user: str, pages: int, part: int, name: str, *, colour: bool) -> None:
        """Have a job printed again of which one record was read, and the other is lost with the machine's memory."""
        first = self.machine.prints(user, part, name, colour=colour, state=JobState.ABORTED)
        self.job(user, part, JobState.PROCESSING, first)
        await self.look()
        second = self.machine.prints(user, pages, f"{name}/2", colour=colour, state=JobState.COMPLETED)
        self.spooled[-1] = replace(self.spooled[-1], state=JobState.COMPLETED, claimed_sides=part + pages)
        note = self.notes[-1]
        self.notes.append(replace(note, name=f"{self.number}-1", began_s=note.began_s + 1, device_job=second))
        self.machine.forget()

    async def _visit(self, member: MemberId, sides: int, *, colour: bool) -> None:
        await self._badge(member)
        self.machine.copies(sides, colour=colour)
        self.copied[member] += sides
        if self.dice.random() < 0.5:
            self.machine.prints("erin", 3, self.spool_name(), colour=False, state=JobState.COMPLETED)
            self.job("erin", 3, JobState.COMPLETED, self.machine.ids)
        await self.look()
        if self.dice.random() < 0.8:
            await self._badge(member)  # out
        else:
            self.clock.now_s += 200
            await self.look()

    async def _strangers(self, sides: int, *, colour: bool) -> None:
        self.clock.now_s += 200
        await self.look()
        self.machine.copies(sides, colour=colour)
        self.copied[NEVER] += sides
        await self.look()

    async def _badge(self, member: MemberId) -> None:
        read = BadgeRead(self.clock.now(), ReaderId("copieur"), CardNumber(f"{int(member[1:]):02X}"))
        self.desk.badge(read)
        await self.clerk.badge(read)

    # --- the reckoning

    def verdict(self) -> Verdict:
        machine, rows = self.machine, [entry.fact for entry in self.ledger.entries(AttemptCounted)]
        wrong, uncertain, booked = [], 0, set()
        for row in rows:
            assert isinstance(row, AttemptCounted)
            truth = machine.truth.get(row.attempt, 0)
            booked.add(row.attempt)
            uncertain += row.high - row.low
            member = MEMBERS.get(fold_user(machine.owed.get(row.attempt, "")), NEVER)
            if not row.low <= truth <= row.high or (truth and row.member != member):
                wrong.append(
                    f"{row.attempt}: {row.low}..{row.high} {row.evidence} {row.member}, in truth {truth} {member}"
                )
        copied: Counter[str] = Counter()
        for entry in self.ledger.entries(CopiesCounted):
            assert isinstance(entry.fact, CopiesCounted)
            copied[entry.fact.member] += entry.fact.mono + entry.fact.colour
        wrong += [
            f"{who}: {sides} copies, in truth {self.copied[who]}"
            for who, sides in copied.items()
            if sides != self.copied[who]
        ]
        facts = ((entry.seq, entry.fact, entry.at.utc.date()) for entry in self.ledger.entries(*KINDS))
        balances = of_rows(facts)
        stands = balances.between(DEVICE, date.min, date.max)
        return Verdict(
            jobs=self.number,
            attempts=len(machine.truth),
            sides=sum(machine.truth.values()),
            copies=self.copied.total(),
            wrong=wrong,
            uncertain=uncertain,
            unbooked=sum(sides for name, sides in machine.truth.items() if name not in booked),
            faults=balances.faults,
            balanced=stands[-1].counter == machine.counters.sides and not any(one.difference for one in stands),
            happened=self.happened,
        )

    def strays(self) -> int:
        found = (entry.fact for entry in self.ledger.entries(PrintsUnmatched))
        return sum(one.mono + one.colour for one in found if isinstance(one, PrintsUnmatched))

    def close(self) -> None:
        self.ledger.close()


__all__ = ["DriverError", "Verdict", "Week"]
