"""A week at a copier with everything that goes wrong, by a seed, and what physically happened beside it.

`Week` plays jobs, copies and faults on a `week_machine.Machine`, has the real clerk look at it now and then over a real
ledger, and holds every row against the paper.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date
from functools import partial
from pathlib import Path

from agent.memory.ledger import Ledger
from agent.rules.balance import KINDS, of_rows
from agent.rules.facts import MemberId
from agent.rules.folding import fold_user
from agent.rules.pages import AttemptCounted, Evidence, Free, attempt
from agent.rules.paper import CopiesCounted, PrintedPast, PrintsUnmatched
from agent.rules.release import JobForeseen, Slate
from agent.stories.copier import Clerk, PaperPolicy
from agent.stories.desk import Desk
from drivers.contract import BadgeRead, CardNumber, JobState, ReaderId, SpoolJob
from drivers.spooling import SpoolAttempt
from tests.stories.week_machine import DEVICE, MEMBERS, USERS, Clock, Machine, Paper, People, Place, Work

NEVER = MemberId("")
URI = "gardien:ipp://copieur/ipp/print"
FAULTS = (
    *("print",) * 620, *("copies",) * 200, *("strangers",) * 30, *("cancel",) * 40, *("abort",) * 20, *("jam",) * 20,
    *("busy",) * 20, *("refused",) * 20, *("power-lost",) * 3, *("power-kept",) * 8, *("silent",) * 8, *("again",) * 6,
    *("second-lost",) * 3, *("silent-device",) * 2, *("reset",), *("swap",), *("wrap",),
)  # fmt: skip
STRANGE = (*("past",) * 60, *("past-counter",) * 15, *("unnoted",) * 8)
WATCHED = frozenset({"power-lost", "second-lost", "silent", "silent-device", "reset", "swap", "wrap"})


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
    short: int  # copied sides that were not booked to whose they are: unattributed
    faults: list[str]
    balanced: bool
    happened: Counter[str]

    @property
    def uncertain_share(self) -> float:
        return self.uncertain / max(1, self.sides + self.copies)


class Week:
    """Plays a week; `seed` and `place` say which."""

    def __init__(self, folder: Path, seed: int, place: Place | None = None, *, passers: bool = False) -> None:
        self.dice = random.Random(seed)
        self.clock, self.place = Clock(), place or Place()
        self.machine = Machine(self.clock, self.place)
        self.foretold: dict[tuple[int, int], JobForeseen] = {}
        self.desk = Desk(lambda: Slate(foretold=self.foretold))
        self.desk.fetch = self._noted  # a badge may have the clerk look before the spooler's story has looked
        self.spooled: list[SpoolJob] = []
        self.notes: list[SpoolAttempt] = []
        self.copied: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.number = 0
        self.played: dict[str, str] = {}  # spooled job -> what happened to it
        self.seen = 80  # jobs the spooler still lists
        self.passers = passers  # people print past the queues, and notes of ours are lost
        self.desk.noted = passers
        if passers:
            self.desk.ask = self._listed
        self.passed: dict[str, int] = {}  # attempt -> sides
        self.excused: set[str] = set()  # of these, that may be ours for all that anybody knows
        self.unnoted_s = -math.inf  # when a note of ours was last lost
        self.counted_past = 0  # sides that only the counters saw
        self.ledger = Ledger.open(folder / "ledger.db")
        self.clerk = self._clerk()

    def _clerk(self) -> Clerk:
        policy = PaperPolicy(UTC, visit_idle_s=90.0, a3_clicks=self.place.clicks)
        return Clerk(DEVICE, self.machine, self.desk, self.ledger, People(), self.clock, policy)

    async def _noted(self) -> tuple[SpoolAttempt, ...]:
        return tuple(self.notes[-2 * self.seen :])

    async def _listed(self) -> tuple[SpoolJob, ...]:
        return tuple(self.spooled[-self.seen :])

    async def look(self, times: int = 3) -> None:
        self.desk.lay(tuple(self.spooled[-self.seen :]), await self._noted())
        for _ in range(times):
            self.clock.now_s += 2
            await self.clerk.look()

    def job(
        self,
        user: str,
        claimed: int,
        state: JobState,
        *devices: int | None,
        heard: bool = True,
        work: Work | None = None,
    ) -> None:
        """Have the spooler tell of a job it sent, to these device jobs (None: it was refused)."""
        work = work or Work(user, claimed)
        at = self.clock.now()
        created = int(at.utc.timestamp())
        if self.place.odd_claims and self.dice.random() < 0.1:
            claimed = self.dice.choice((0, work.copies * len(devices), 3 * claimed))
        told = SpoolJob(at, "copieur", self.number, created, user, state, "", claimed, claimed, URI)
        self.spooled.append(replace(told, copies=work.copies))
        for run, device_job in enumerate(devices):
            last = run == len(devices) - 1
            code, began = 0 if last or heard else None, created + run
            self.notes.append(
                SpoolAttempt(
                    *(f"{self.number}-{run}", "copieur", self.number, created, user, began, device_job, code),
                    heard=heard or last,
                )
            )

    def spool_name(self) -> str:
        """Number the next job, as of now."""
        self.number += 1
        return f"copieur/{self.number}/{int(self.clock.now().utc.timestamp())}"

    async def play(self, jobs: int) -> Verdict:
        await self.look()
        while self.number < jobs:
            self.clock.now_s += self.dice.uniform(20, 90)
            what = self.dice.choice((*FAULTS, *STRANGE) if self.passers else FAULTS)
            self.happened[what] += 1
            await self._do(what)
            if self.dice.random() < 0.85 or what in WATCHED:
                await self.look()
            if self.dice.random() < 0.01:
                self.clerk = self._clerk()  # the service was restarted
                self.unnoted_s = self.clock.now_s if self.passers else self.unnoted_s  # it knows less for a while
                self.happened["restart"] += 1
        await self.look(5)
        return self.verdict()

    async def _do(self, what: str) -> None:
        dice, machine = self.dice, self.machine
        colour = dice.random() < 0.3
        if what in {"reset", "swap", "wrap"}:
            await self.look()
            machine.fall(what)
        elif what == "copies":
            await self._visit(dice.choice(list(MEMBERS.values())), dice.randint(1, 30), colour=colour)
        elif what == "strangers":
            await self.look()  # whoever badged before is gone
            await self._strangers(dice.randint(1, 9), colour=colour)
        elif what in STRANGE:
            await self._pass_by(what)
        else:
            if what in {"jam", "silent", "silent-device"}:
                await self._watched(jam=what == "jam")
            await self._job(what, self._work(colour=colour))
            if what in {"busy", "refused"}:
                self.unnoted_s = self.clock.now_s  # the device gave it no number, as far as was heard

    def _work(self, *, colour: bool) -> Work:
        """Have somebody think of a job, and perhaps somebody count its document."""
        dice, place = self.dice, self.place
        counted = dice.random() < place.counted
        user, sides, copies = dice.choice(USERS), dice.randint(1, 30), dice.choice((1, 1, 1, 2, 3))
        two_sided = dice.random() < place.two_sided
        large, banner = dice.random() < place.a3, counted and dice.random() < place.banners
        odd = copies * (sides % 2) + banner if two_sided else 0
        work = Work(
            user,
            sides + (sides % 2 if two_sided and place.blanks else 0),
            copies,
            colour=colour,
            two_sided=two_sided,
            large=large,
            banner=banner,
            backed=place.blanks and two_sided,
        )
        if counted:
            key = (self.number + 1, int(self.clock.now().utc.timestamp()))
            self.foretold[key] = JobForeseen(*key, sides * copies, None, int(work.banner), odd)
        return work

    async def _job(self, what: str, work: Work) -> None:
        machine, done, name, user = self.machine, JobState.COMPLETED, self.spool_name(), work.user
        tell = partial(self.job, work=work)
        self.played[name] = what
        part = self.dice.randint(0, work.whole - 1)
        match what:
            case "cancel" | "abort":
                state = JobState.CANCELED if what == "cancel" else JobState.ABORTED
                tell(user, work.whole, state, machine.prints(work, name, state, part))
            case "busy":
                tell(user, 3 * work.whole, done, None, None, machine.prints(work, name, done))
            case "refused":
                tell(user, 2, JobState.CANCELED, None)
            case "power-lost":
                await self._cut_short(work, name, part)
            case "power-kept":
                tell(user, work.whole, done, machine.prints(work, name, JobState.ABORTED, part))
            case "silent":
                tell(user, work.whole, done, machine.prints(work, name, done, said=False))
            case "silent-device":
                machine.mute = True
                tell(user, work.whole, done, machine.prints(work, name, done))
                await self.look()
                machine.mute = False
            case "again":
                first = machine.prints(work, name, JobState.ABORTED, part)
                second = machine.prints(work, name, done)
                tell(user, part + work.whole, done, first, second, heard=False)
            case "second-lost":
                await self._second_lost(work, part, name)
            case _:
                tell(user, work.whole, done, machine.prints(work, name, done))

    async def _pass_by(self, what: str) -> None:
        """Have somebody print straight to the machine, or one of ours lose its note."""
        work, machine = Work(self.dice.choice(USERS), self.dice.randint(1, 9)), self.machine
        await self.look()
        if what == "past-counter":
            now = machine.counters
            machine.counters = replace(now, print_mono=now.print_mono + work.sides)
            self.counted_past += work.sides
            await self.look()
        elif what == "unnoted":
            machine_job = machine.prints(work, self.spool_name(), JobState.COMPLETED)
            self.job(work.user, work.whole, JobState.COMPLETED, machine_job)
            note = self.notes.pop()
            if self.dice.random() < 0.7:  # its backend was killed
                self.notes.append(replace(note, device_job=None, code=None))
            self.unnoted_s = self.clock.now_s
        else:
            machine.prints(work, "", JobState.COMPLETED)
            (name,) = {attempt(machine.jobs[-1])}
            self.passed[name] = work.sides
            known = machine.ids in {note.device_job for note in await self._noted()}  # a number given out anew
            if known or self.clock.now_s - self.unnoted_s < 2100:
                self.excused.add(name)
        await self.look()

    def strange(self) -> list[str]:
        """Return what is wrong with what was said of passers-by."""
        told = {}
        for entry in self.ledger.entries(PrintedPast):
            assert isinstance(entry.fact, PrintedPast)
            told[entry.fact.attempt] = told.get(entry.fact.attempt, 0) + entry.fact.mono + entry.fact.colour
        by_counter = told.pop("", 0)
        wrong = [f"{name}: said of one of ours" for name in told.keys() - self.passed.keys() if told[name]]
        wrong += [
            f"{name}: {told[name]} sides, in truth {self.passed[name]}"
            for name in told.keys() & self.passed.keys()
            if told[name] != self.passed[name]
        ]
        missed = self.passed.keys() - told.keys() - self.excused
        wrong += [f"{name}: nobody was told" for name in missed]
        rows = {
            one.attempt
            for entry in self.ledger.entries(AttemptCounted)
            if isinstance(one := entry.fact, AttemptCounted)
        }
        wrong += [f"{name}: booked twice" for name in rows & told.keys()]
        if by_counter > self.counted_past:
            wrong.append(f"{by_counter} sides by the counters alone, in truth {self.counted_past}")
        return wrong

    async def _watched(self, *, jam: bool) -> None:
        """Look before; while it is jammed nothing moves."""
        self.machine.busy = jam
        before = self.machine.jobs, self.machine.counters
        await self.look()
        self.machine.busy = False
        assert before == (self.machine.jobs, self.machine.counters)

    async def _second_lost(self, work: Work, part: int, name: str) -> None:
        """Have a job printed again of which one record was read, and the other is lost with the machine's memory."""
        first = self.machine.prints(work, name, JobState.ABORTED, part)
        self.job(work.user, part, JobState.PROCESSING, first, work=work)
        await self.look()
        second, note = self.machine.begins(work, f"{name}/2"), self.notes[-1]
        self.notes.append(
            replace(note, name=f"{self.number}-1", began_s=note.began_s + 1, device_job=second, code=None)
        )
        await self._loses_power(work, work.whole, part + work.whole)

    async def _cut_short(self, work: Work, name: str, part: int) -> None:
        """Have the power fail in the middle of a job, and the machine forget it."""
        begun = self.machine.begins(work, name)
        self.job(work.user, 0, JobState.PROCESSING, begun, work=work)
        self.notes[-1] = replace(self.notes[-1], code=None)
        await self._loses_power(work, part, work.whole)

    async def _loses_power(self, work: Work, out: int, claimed: int) -> None:
        """Let `out` sides of the job come out; the clerk looks once a second, unless the box was off just then too."""
        self.machine.busy = True
        watched = self.dice.random() < 0.85
        for side in range(1, out + 1):
            self.machine.puts_out(side)
            if watched and side < out:
                await self.look(1)
        self.machine.busy = False
        self.machine.forget()
        if self.place.odd_claims and self.dice.random() < 0.3:  # it passed the document on unread, each time
            claimed = self.spooled[-1].copies * sum(note.job == self.number for note in self.notes)
        self.spooled[-1] = replace(self.spooled[-1], state=JobState.COMPLETED, claimed_sides=claimed)
        self.notes[-1] = replace(self.notes[-1], code=0)

    async def _visit(self, member: MemberId, sides: int, *, colour: bool) -> None:
        await self._badge(member)
        self.machine.copies(sides, colour=colour)
        self.copied[member] += sides
        if self.dice.random() < 0.5:
            self.machine.prints(Work("erin", 3), self.spool_name(), JobState.COMPLETED)
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
        attempts = [row for row in rows if isinstance(row, AttemptCounted)]
        booked = {row.attempt for row in attempts}
        wrong = [fault for row in attempts for fault in self._faults(row, machine.paper(row.attempt, booked))]
        copied: Counter[str] = Counter()
        for entry in self.ledger.entries(CopiesCounted):
            assert isinstance(entry.fact, CopiesCounted)
            copied[entry.fact.member] += entry.fact.mono + entry.fact.colour
        exact = self.place.meters == "split"
        wrong += [
            f"{who}: {sides} copies, in truth {self.copied[who]}"
            for who, sides in copied.items()
            if (sides > self.copied[who] and (who or exact)) or (exact and sides != self.copied[who])
        ]
        facts = ((entry.seq, entry.fact, entry.at.utc.date()) for entry in self.ledger.entries(*KINDS))
        balances = of_rows(facts)
        stands = balances.between(DEVICE, date.min, date.max)
        return Verdict(
            jobs=self.number,
            attempts=len(machine.truth),
            sides=sum(paper.sides for paper in machine.truth.values()),
            copies=self.copied.total(),
            wrong=wrong,
            uncertain=sum(row.high - row.low for row in attempts),
            unbooked=sum(
                paper.sides for name, paper in machine.truth.items() if not {name, f"spool/{paper.spooled}"} & booked
            ),
            short=sum(max(0, sides - copied[who]) for who, sides in self.copied.items() if who),
            faults=balances.faults,
            balanced=stands[-1].counter == machine.counters.sides and not any(one.difference for one in stands),
            happened=self.happened,
        )

    def _faults(self, row: AttemptCounted, paper: Paper) -> Iterator[str]:
        """Yield what a row says that the paper does not."""
        member = MEMBERS.get(fold_user(paper.user), NEVER)
        said = f"{row.attempt}: {row.low}..{row.high} {row.evidence} {row.member}"
        if not row.low <= paper.sides <= row.high or (paper.sides and row.member != member):
            yield f"{said}, in truth {paper.sides} {member}"
        if row.sides_colour > paper.colour:
            yield f"{said}, {row.sides_colour} in colour, in truth {paper.colour}"
        if row.large and paper.sides and not paper.large:
            yield f"{said}, on A3, in truth on A4"
        if row.low < row.high:
            return
        told = row.evidence is Evidence.DEVICE
        if row.sheets > paper.sheets or (told and self.place.sheets and row.sheets != paper.sheets):
            yield f"{said}, {row.sheets} sheets, in truth {paper.sheets}"
        free = paper.sides if row.why_free is Free.SYSTEM else paper.banners
        whole = told and row.state == JobState.COMPLETED
        doubt = 0 if whole else paper.banners  # where it broke off: whether the blank back of a banner was counted
        if not free <= row.free <= free + doubt:
            yield f"{said}, {row.free} free, in truth {free}"

    def strays(self) -> int:
        found = (entry.fact for entry in self.ledger.entries(PrintsUnmatched))
        return sum(one.mono + one.colour for one in found if isinstance(one, PrintsUnmatched))

    def close(self) -> None:
        self.ledger.close()
