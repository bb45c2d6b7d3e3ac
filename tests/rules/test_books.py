"""The books balance whatever happens: transcripts of a copier's day, and laws over random ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules import pages
from agent.rules.books import Books
from agent.rules.claims import Claim, unsaid
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId
from agent.rules.links import Cause, Health, LinkChanged
from agent.rules.members import Member
from agent.rules.pages import AttemptKnown, Evidence, Owner, PagesCounted
from agent.rules.paper import (
    BooksClosed,
    BooksOpened,
    CopiesCounted,
    CopiesMetered,
    CopyVisitEnded,
    CopyVisitStarted,
    PrintedPast,
    PrintsUnmatched,
)
from agent.rules.past import PastCounted
from drivers.contract import (
    Counters,
    DeviceId,
    DeviceJob,
    DeviceReading,
    DeviceState,
    JobState,
    LargeSides,
    Moment,
    Trust,
)

IDLE_S = 90.0
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ALICE = Member(MemberId("m042"), FormulaId("subscriber"), date(2026, 1, 1), None)
BOB = Member(MemberId("m043"), FormulaId("occasional"), date(2026, 1, 1), None)
HERS = Owner(AliasId("a1"), ALICE.id, ALICE.formula)


def moment(after_s: float, boot: str = "boot") -> Moment:
    return Moment(NOON + timedelta(seconds=after_s), 1000.0 + after_s, boot, Trust.SYNCHRONISED)


@dataclass
class Corridor:
    """A copier as the laws need it, and the ledger beside it: a list."""

    counters: Counters = field(default_factory=lambda: Counters(100, 20, 30, 5, 0))
    jobs: list[DeviceJob] = field(default_factory=list)
    serial: str = "S1"
    now_s: float = 0.0
    boot: str = "boot"
    ledger: list[tuple[Fact, Moment, str]] = field(default_factory=list)
    books: Books = field(default_factory=lambda: Books("copieur", IDLE_S))

    def prints(self, mono: int, colour: int = 0, *, state: JobState = JobState.COMPLETED, said: bool = True) -> None:
        now = self.counters
        self.counters = replace(now, print_mono=now.print_mono + mono, print_colour=now.print_colour + colour)
        self.jobs.append(self.job(mono, colour, state=state, said=said))

    def job(self, mono: int, colour: int = 0, *, state: JobState = JobState.COMPLETED, said: bool = True) -> DeviceJob:
        number = len(self.jobs) + 1
        sides, of_colour = (mono + colour, colour) if said else (None, None)
        uuid = f"u{number}"
        return DeviceJob(
            DeviceId("copieur"), self.serial, number, uuid, "alice", state, None, sides, of_colour, sides, 1, None
        )

    def copies(self, mono: int, colour: int = 0) -> None:
        now = self.counters
        self.counters = replace(now, copy_mono=now.copy_mono + mono, copy_colour=now.copy_colour + colour)

    def reading(self, *, settled: bool = True, counted: bool = True) -> DeviceReading:
        return DeviceReading(
            at=moment(self.now_s, self.boot),
            device=DeviceId("copieur"),
            serial=self.serial,
            state=DeviceState.IDLE,
            reasons=(),
            supplies=(),
            counters=self.counters if counted else None,
            jobs=tuple(self.jobs),
            settled=settled,
        )

    def see(self, reading: DeviceReading, *lost: Claim, hold: bool = False, split: bool = False) -> list[Fact]:
        """Do with a reading what the story does; return the facts that were written."""
        before = len(self.ledger)
        claims = list(lost)
        for job in self.books.unbooked(reading):
            row = pages.count(job, HERS)
            if row is None:
                claims.append(unsaid(job, HERS))
            else:
                self.write(row, reading.at)
        left = tuple(claim for claim in claims if not self.books.has(claim.attempt))
        for fact in self.books.judge(reading, left, hold=hold, split=split):
            self.write(fact, reading.at)
        return [fact for fact, _, _ in self.ledger[before:]]

    def look(self, *lost: Claim, after_s: float = 1.0, settled: bool = True, **how: bool) -> list[Fact]:
        self.now_s += after_s
        return self.see(self.reading(settled=settled), *lost, **how)

    def badge(self, member: Member) -> list[Fact]:
        self.look(split=True)
        facts = self.books.badge(moment(self.now_s, self.boot), member)
        for fact in facts:
            self.write(fact, moment(self.now_s, self.boot))
        return list(facts)

    def write(self, fact: Fact, at: Moment) -> None:
        key = self.books.key(fact)
        assert all((type(fact), key) != (type(old), old_key) for old, _, old_key in self.ledger), "written twice"
        self.ledger.append((fact, at, key))
        self.books.learn(fact, at)

    def restart(self) -> None:
        self.books = Books("copieur", IDLE_S)
        for fact, at, _ in self.ledger:
            self.books.learn(fact, at)

    def booked(self) -> tuple[int, int, int, int]:
        """Where the counters stand by the rows alone, counted here and not by the books."""
        mono = colour = copied_mono = copied_colour = 0
        for fact, _, _ in self.ledger:
            match fact:
                case BooksOpened():
                    mono, colour = fact.print_mono, fact.print_colour
                    copied_mono, copied_colour = fact.copy_mono, fact.copy_colour
                case PagesCounted():
                    mono, colour = mono + fact.sides_mono, colour + fact.sides_colour
                case PrintsUnmatched():
                    mono, colour = mono + fact.mono, colour + fact.colour
                case CopiesCounted():
                    copied_mono, copied_colour = copied_mono + fact.mono, copied_colour + fact.colour
        return mono, colour, copied_mono, copied_colour

    def stand(self) -> tuple[int, int, int, int]:
        now = self.counters
        return now.print_mono, now.print_colour, now.copy_mono, now.copy_colour


@pytest.fixture
def corridor() -> Corridor:
    """Books opened at noon."""
    opened = Corridor()
    opened.look()
    return opened


# opening ---------------------------------------------------------------------------------------------------


def test_books_open_at_the_first_settled_look_and_what_ended_before_is_not_ours():
    copier = Corridor()
    copier.prints(5)
    assert copier.look(settled=False) == []
    (opened,) = copier.look()
    assert opened == BooksOpened("copieur", "S1", 1, 105, 20, 30, 5, "first", metered=True, closed=("S1/1/u1",))
    assert copier.look() == []
    copier.restart()
    assert copier.look() == []


def test_another_machine_in_its_place_opens_a_new_epoch(corridor):
    corridor.prints(5)
    corridor.look()
    corridor.serial, corridor.counters, corridor.jobs = "S2", Counters(7, 0, 7, 0, 0), []
    corridor.prints(3)
    assert corridor.look(settled=False) == []
    (opened,) = corridor.look()
    assert (opened.epoch, opened.why, opened.print_mono, opened.closed) == (2, "swapped", 10, ("S2/1/u1",))
    corridor.prints(2)
    assert [fact.attempt for fact in corridor.look()] == ["S2/2/u2"]


@pytest.mark.parametrize("fallen", [Counters(0, 20, 30, 5, 0), Counters(100, 20, 30, 0, 0)])
def test_a_counter_that_fell_opens_a_new_epoch_after_its_records(corridor, fallen):
    corridor.prints(5)
    corridor.counters = fallen
    assert corridor.look(settled=False)[1:] == []
    (opened,) = corridor.look()
    assert (opened.epoch, opened.why, opened.closed) == (2, "fell", ("S1/1/u1",))
    corridor.look()
    assert corridor.booked() == corridor.stand()


def test_an_old_book_is_carried_to_a_new_page_on_the_same_counters(corridor):
    corridor.prints(5)
    corridor.look()
    corridor.copies(2)
    copied, carried = corridor.look(after_s=31 * 86400)
    assert isinstance(copied, CopiesCounted)
    assert (carried.why, carried.epoch, carried.print_mono, carried.copy_mono) == ("carried", 2, 105, 32)
    assert carried.closed == ("S1/1/u1",)
    assert corridor.look() == []


def test_a_device_that_starts_to_tell_its_counters_gets_books():
    copier = Corridor()
    copier.now_s = 1.0
    (opened,) = copier.see(copier.reading(counted=False))
    assert (opened.metered, opened.print_mono) == (False, 0)
    (metered,) = copier.look()
    assert (metered.why, metered.epoch, metered.print_mono) == ("metered", 2, 100)


def test_a_look_without_counters_says_nothing_about_the_books(corridor):
    corridor.prints(5)
    corridor.copies(1)
    corridor.now_s += 1
    assert [type(fact) for fact in corridor.see(corridor.reading(counted=False))] == [AttemptKnown]
    assert [type(fact) for fact in corridor.look()] == [CopiesMetered]


def test_a_device_without_counters_has_claims_believed_and_visits_ended():
    copier = Corridor()
    lost = Claim("copieur", "S1", "spool/q/1/1", HERS, 20, "completed")
    copier.now_s += 1
    copier.see(copier.reading(counted=False))
    copier.write(copier.books.badge(moment(copier.now_s), ALICE)[0], moment(copier.now_s))
    copier.now_s += 1
    assert copier.see(copier.reading(counted=False, settled=False), lost) == []
    copier.now_s += IDLE_S
    ended, row = copier.see(copier.reading(counted=False), lost)
    assert isinstance(ended, CopyVisitEnded)
    assert (row.low, row.high) == (0, 20)
    assert copier.books.balanced


# prints ----------------------------------------------------------------------------------------------------


def test_prints_are_booked_by_their_record_before_the_device_rests(corridor):
    corridor.prints(12, 3)
    (row,) = corridor.look(settled=False)
    assert (row.sides_mono, row.sides_colour, row.member) == (12, 3, "m042")
    assert corridor.look() == []
    assert corridor.books.balanced


def test_unexplained_prints_wait_one_more_look(corridor):
    corridor.counters = replace(corridor.counters, print_mono=104)
    assert corridor.look() == []
    assert corridor.books.suspicious
    (fact,) = corridor.look()
    assert fact == PrintsUnmatched("copieur", "S1", 1, 4, 0, 104, 20)
    assert not corridor.books.suspicious
    assert corridor.look() == []


def test_what_was_printed_past_us_is_on_the_counter_once_and_its_record_is_never_booked(corridor):
    job = corridor.job(12, 3)
    corridor.counters = replace(corridor.counters, print_mono=112, print_colour=23)
    corridor.write(corridor.books.past(job, AliasId("a9")), moment(1.0))
    corridor.jobs.append(job)
    assert corridor.look() == corridor.look() == []
    assert corridor.books.balanced
    (fact,) = [fact for fact, _, _ in corridor.ledger if isinstance(fact, PrintedPast)]
    assert (fact.mono, fact.colour, fact.attempt) == (12, 3, "S1/1/u1")
    assert isinstance(fact, PastCounted)
    assert (fact.alias, fact.low, fact.high, fact.evidence) == ("a9", 15, 15, "device")
    corridor.restart()
    assert corridor.look() == []


def test_what_is_no_print_is_set_aside_for_good_and_a3_is_as_many_clicks(corridor):
    corridor.jobs.append(corridor.job(6))
    corridor.write(corridor.books.past(corridor.jobs[0], None), moment(1.0))
    assert corridor.look() == corridor.look() == []
    doubled = Books("copieur", IDLE_S, a3_clicks=2)
    large = doubled.past(replace(corridor.jobs[0], media="iso_a3_297x420mm"), AliasId(""))
    assert isinstance(large, PastCounted)
    assert (large.mono, large.sides_mono, large.large) == (12, 6, True)


def test_a_movement_that_no_record_explains_may_be_said_to_be_past_us(corridor):
    corridor.counters = replace(corridor.counters, print_mono=104)
    assert corridor.look() == []
    corridor.now_s += 1
    (stray,) = corridor.books.judge(corridor.reading())
    assert isinstance(stray, PrintsUnmatched)
    corridor.write(corridor.books.past_unseen(stray), moment(9.0))
    assert corridor.ledger[-1][0] == PastCounted(
        *("copieur", "S1", 1, 4, 0, 104, 20), sides_mono=4, sheets=2, low=4, high=4, evidence=Evidence.COUNTER
    )
    assert corridor.ledger[-1][2] == "copieur/S1/1/0"
    assert corridor.look() == []
    assert corridor.books.balanced


def test_a_record_read_late_is_not_booked_as_unmatched(corridor):
    late = corridor.job(4)
    corridor.counters = replace(corridor.counters, print_mono=104)
    assert corridor.look() == []
    corridor.jobs.append(late)
    assert [type(fact) for fact in corridor.look()] == [AttemptKnown]
    assert corridor.look() == []


def test_a_record_that_comes_later_still_is_a_correction_even_twice_alike(corridor):
    corridor.counters = replace(corridor.counters, print_mono=110)
    corridor.look()
    corridor.look()
    for _ in range(2):
        corridor.jobs.append(corridor.job(5))
        corridor.look()
        (fact,) = corridor.look()
        assert (fact.mono, fact.to_mono) == (-5, 110)
    assert corridor.booked() == corridor.stand()


def test_a_half_printed_job_keeps_its_sides_from_being_unexplained(corridor):
    corridor.prints(4, state=JobState.STOPPED)
    assert corridor.look() == []
    assert corridor.look() == []
    assert not corridor.books.suspicious


def test_a_record_that_does_not_say_is_counted_by_the_counters(corridor):
    corridor.prints(6, 1, said=False)
    assert corridor.look() == []
    (row,) = corridor.look()
    assert (row.sides_mono, row.sides_colour, row.evidence) == (6, 1, "counter")
    assert corridor.books.balanced
    assert corridor.look() == []


def test_a_lost_record_is_held_while_the_spooler_works_and_then_counted(corridor):
    lost = Claim("copieur", "S1", "spool/q/1/1", HERS, 20, "completed")
    corridor.counters = replace(corridor.counters, print_mono=110)
    assert corridor.look(hold=True) == []
    assert corridor.look(hold=True, after_s=30) == []
    assert corridor.look(lost) == []
    (row,) = corridor.look(lost)
    assert (row.attempt, row.low, row.high) == ("spool/q/1/1", 10, 10)


def test_a_job_that_hangs_in_the_spooler_holds_the_books_a_minute_only(corridor):
    corridor.counters = replace(corridor.counters, print_mono=110)
    corridor.look(hold=True)
    assert corridor.look(hold=True, after_s=59) == []
    assert len(corridor.look(hold=True, after_s=2)) == 1


def test_lost_records_that_share_a_movement_are_uncertain_and_nobodys(corridor):
    one, two = (Claim("copieur", "S1", f"spool/q/{number}/1", HERS, 20, "completed") for number in (1, 2))
    corridor.counters = replace(corridor.counters, print_mono=110)
    corridor.look(one, two)
    facts = corridor.look(one, two)
    assert [(fact.low, fact.high) for fact in facts[:2]] == [(0, 10), (0, 10)]
    assert facts[2].mono == 10


def test_an_older_look_adds_nothing_but_records(corridor):
    old = corridor.reading()
    corridor.copies(3)
    corridor.look()
    corridor.prints(2)
    late = replace(old, jobs=tuple(corridor.jobs))
    assert [type(fact) for fact in corridor.see(late)] == [AttemptKnown]
    assert corridor.look() == []


# copies ----------------------------------------------------------------------------------------------------


def test_copies_with_nobody_badged_are_nobodys(corridor):
    corridor.copies(3)
    assert corridor.look(settled=False) == []
    (fact,) = corridor.look()
    assert fact == CopiesMetered("copieur", "S1", 1, "", MemberId(""), FormulaId(""), 3, 0, 33, 5, 0, 0, 3, 0)


def test_copies_do_not_wait_for_a_job_that_hangs_at_the_device(corridor):
    corridor.copies(3)
    assert corridor.look(settled=False) == []
    assert corridor.look(settled=False, after_s=29) == []
    (fact,) = corridor.look(settled=False)
    assert fact.mono == 3


def test_badge_copy_badge_is_that_members_and_nothing_before_or_after(corridor):
    corridor.copies(2)
    (started,) = corridor.badge(ALICE)
    assert isinstance(started, CopyVisitStarted)
    corridor.copies(3, 1)
    (ended,) = corridor.badge(ALICE)
    assert ended == CopyVisitEnded("copieur", started.visit, "badge-out")
    corridor.copies(4)
    corridor.look()
    rows = [fact for fact, _, _ in corridor.ledger if isinstance(fact, CopiesCounted)]
    assert [(row.member, row.mono, row.colour) for row in rows] == [("", 2, 0), ("m042", 3, 1), ("", 4, 0)]


def test_another_members_badge_closes_the_first_and_splits_the_counter_even_while_it_copies(corridor):
    corridor.badge(ALICE)
    corridor.copies(3)
    assert corridor.look(settled=False) == []
    ended, started = corridor.badge(BOB)
    assert (ended.why, started.member) == ("next-badge", "m043")
    corridor.copies(1)
    corridor.look()
    rows = [fact for fact, _, _ in corridor.ledger if isinstance(fact, CopiesCounted)]
    assert [(row.member, row.mono) for row in rows] == [("m042", 3), ("m043", 1)]


def test_two_cards_that_come_in_one_read_are_two_visits(corridor):
    at = moment(corridor.now_s, corridor.boot)
    for member in (ALICE, BOB):
        for fact in corridor.books.badge(at, member):
            corridor.write(fact, at)
    assert [getattr(fact, "member", "ended") for fact, _, _ in corridor.ledger[-3:]] == ["m042", "ended", "m043"]
    assert corridor.books.visit is not None
    assert corridor.books.visit.member == "m043"


def test_a_visit_ends_when_nothing_was_copied_for_long(corridor):
    assert corridor.books.wakes_at() is None
    (started,) = corridor.badge(ALICE)
    assert corridor.books.wakes_at() == 1000.0 + corridor.now_s + IDLE_S
    corridor.copies(1)
    corridor.look(after_s=60)
    assert corridor.look(after_s=60) == []
    assert corridor.look(after_s=30) == [CopyVisitEnded("copieur", started.visit, "idle")]
    assert corridor.look() == []


def test_a_long_copy_keeps_its_visit_alive(corridor):
    corridor.badge(ALICE)
    for _ in range(100):
        corridor.copies(1)
        corridor.look(after_s=10, settled=False)
    corridor.look()
    rows = [fact for fact, _, _ in corridor.ledger if isinstance(fact, CopiesCounted)]
    assert {row.member for row in rows} == {"m042"}
    assert sum(row.mono for row in rows) == 100
    assert len(rows) <= 25


@pytest.mark.parametrize("boot", ["boot", "another boot"])
def test_what_moved_while_nobody_watched_a_dead_visit_is_nobodys(corridor, boot):
    corridor.badge(ALICE)
    corridor.copies(3)
    corridor.boot = boot
    corridor.restart()
    row, ended = corridor.look(after_s=3600)
    assert (row.member, row.mono, ended.why) == ("", 3, "idle")


def test_a_restart_in_a_visit_loses_nothing(corridor):
    corridor.badge(ALICE)
    corridor.copies(3)
    corridor.restart()
    assert [(fact.member, fact.mono) for fact in corridor.look()] == [("m042", 3)]


# folding ---------------------------------------------------------------------------------------------------


def test_facts_of_other_devices_and_kinds_pass_by(corridor):
    before = corridor.booked()
    other = BooksOpened("printer", "S9", 4, 1, 1, 1, 1, "first")
    corridor.books.learn(other, moment(5))
    link = LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.BOX, NOON, "")
    corridor.books.learn(link, moment(5))

    @dataclass(frozen=True, slots=True)
    class Stranger(Fact):
        device: str

    corridor.books.learn(Stranger("copieur"), moment(5))
    assert (corridor.books.epoch, corridor.booked()) == (1, before)
    with pytest.raises(TypeError):
        corridor.books.key(link)


# laws ------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("print"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("silent"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("stray"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("copy"), st.integers(1, 9), st.integers(0, 3)),
        st.tuples(st.just("badge"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("look"), st.integers(1, 120), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


def live(corridor: Corridor, steps: list[tuple[str, int, int]]) -> None:
    for step, first, second in steps:
        match step:
            case "print":
                corridor.prints(first, second)
            case "silent":
                corridor.prints(first, second, said=False)
            case "stray":
                now = corridor.counters
                corridor.counters = replace(
                    now, print_mono=now.print_mono + first, print_colour=now.print_colour + second
                )
            case "copy":
                corridor.copies(first, second)
            case "badge":
                corridor.badge((ALICE, BOB)[first])
            case "look":
                corridor.look(after_s=first, settled=second > 0)
            case "restart":
                corridor.restart()


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_counter_is_prints_plus_copies_plus_unattributed_whatever_happened(steps):
    corridor = Corridor()
    corridor.look()
    live(corridor, steps)
    corridor.look()
    corridor.look()
    assert corridor.booked() == corridor.stand()
    assert all(isinstance(fact, CopyVisitEnded) for fact in corridor.look())  # an idle visit may end just now


@settings(max_examples=200, deadline=None)
@given(STEPS, st.data())
def test_a_restart_at_any_cut_books_the_same_rows_to_the_same_people(steps, data):
    def totals(corridor: Corridor) -> dict[tuple[str, str], int]:
        sums: dict[tuple[str, str], int] = {}
        for fact, _, _ in corridor.ledger:
            if isinstance(fact, PagesCounted | CopiesCounted):
                sides = fact.high if isinstance(fact, PagesCounted) else fact.mono + fact.colour
                whose = (fact.kind, fact.member)
                sums[whose] = sums.get(whose, 0) + sides
        return sums

    whole, cut = Corridor(), Corridor()
    spoken = [step for step in steps if step[0] not in {"restart", "stray", "silent"}]
    for corridor in (whole, cut):
        corridor.look()
    live(whole, spoken)
    for step in spoken:
        live(cut, [step])
        if data.draw(st.booleans()):
            cut.restart()
    for corridor in (whole, cut):
        corridor.look()
        corridor.look()
    assert totals(cut) == totals(whole)
    assert cut.booked() == cut.stand()


@settings(max_examples=200, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_looks_gives_the_same_books(steps, dice):
    seen, told = Corridor(), Corridor()
    seen.look()
    told.look()
    readings = []
    for step, first, second in steps:
        if step in {"print", "copy", "look"}:
            live(seen, [(step, first, second)])
            readings.append(seen.reading())
            seen.now_s += 1
    seen.look()
    dice.shuffle(readings)
    told.counters, told.jobs, told.now_s = seen.counters, seen.jobs, seen.now_s
    for reading in readings + readings[:3]:
        told.see(reading)
    told.look()
    assert told.booked() == seen.booked() == seen.stand()
    assert sorted(fact.attempt for fact, _, _ in told.ledger if isinstance(fact, PagesCounted)) == sorted(
        fact.attempt for fact, _, _ in seen.ledger if isinstance(fact, PagesCounted)
    )


def test_a_day_is_closed_at_its_first_quiet_moment_with_the_devices_own_counter():
    corridor = Corridor()
    corridor.look()
    corridor.prints(5)
    corridor.copies(3)
    corridor.look()
    day_s = 13 * 3600.0
    assert [type(fact) for fact in corridor.look(after_s=day_s, settled=False)] == []
    (closed,) = corridor.look()
    assert closed == BooksClosed("copieur", "S1", 1, date(2026, 11, 3), 163, 155, 5, 0, 3, 0)
    assert corridor.look() == []
    corridor.restart()
    assert corridor.look(after_s=24 * 3600.0) == []  # nothing moved
    corridor.copies(2)
    assert [type(fact) for fact in corridor.look(after_s=24 * 3600.0)] == [CopiesMetered]  # a copy is booked first
    (closed,) = corridor.look()
    assert (closed.counter, closed.unattributed) == (165, 5)  # type: ignore[attr-defined]
    assert corridor.booked() == corridor.stand()


def test_claims_whose_proof_fell_with_the_counters_are_doubts_and_not_nothing():
    corridor = Corridor()
    corridor.look()
    corridor.counters = Counters(0, 0, 0, 0, 0)
    lost = Claim("copieur", "S1", "lost", HERS, most=20, state="completed")
    row, opened = corridor.look(lost)
    assert (row.low, row.high, row.evidence.value) == (0, 20, "claimed")  # type: ignore[attr-defined]
    assert opened.why == "fell"  # type: ignore[attr-defined]


def test_what_was_never_proven_before_the_books_opened_is_not_booked():
    corridor = Corridor()
    lost = Claim("copieur", "S1", "lost", HERS, most=20, state="completed")
    assert [type(fact) for fact in corridor.look(lost)] == [BooksOpened]


def test_a_device_that_counts_a3_twice():
    corridor = Corridor(books=Books("copieur", IDLE_S, a3_clicks=2))
    corridor.counters = replace(corridor.counters, large=LargeSides(0, 0, 0, 0))
    corridor.look()
    corridor.look()
    corridor.counters = replace(corridor.counters, copy_mono=38, large=LargeSides(0, 0, 3, 0))
    (copied,) = corridor.look()
    assert (copied.mono, copied.large_mono, copied.clicks_mono) == (5, 3, 8)  # type: ignore[attr-defined]
    corridor.counters = replace(corridor.counters, copy_mono=39, large=LargeSides(0, 0, 9, 0))
    (copied,) = corridor.look()  # more A3 than clicks: that cannot be, so no A3 is known
    assert (copied.mono, copied.large_mono) == (1, 0)  # type: ignore[attr-defined]
    lost = Claim("copieur", "S1", "lost", HERS, most=20, state="completed")
    corridor.counters = replace(corridor.counters, print_mono=107)
    corridor.look(lost)
    row, rest = corridor.look(lost)
    assert (row.low, row.high, rest.mono) == (4, 7, 3)  # type: ignore[attr-defined]


def test_the_books_say_what_they_have_booked_and_what_a_look_adds():
    corridor = Corridor()
    corridor.look()
    booked = corridor.books.booked
    assert (booked.serial, booked.prints.all, booked.copies.all) == ("S1", 120, 35)
    assert not corridor.books.copied(corridor.reading())
    corridor.copies(1)
    assert corridor.books.copied(corridor.reading())
    assert not corridor.books.copied(corridor.reading(counted=False))
