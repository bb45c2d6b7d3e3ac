"""Law: whatever a lost job's machine counts as a side, what we say of the job holds it.

The paper is laid out here face by face, by hand as it were: documents copy by copy, each on a new sheet, banners on
sheets of their own. Machines differ: some count the blank back of a last sheet and some do not, some print banners and
some do not, and one that was not told prints on both sides if it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agent.rules.claims import Claim, believe, settle, unrecorded, unsaid
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.forecast import forecast
from agent.rules.identity import Level
from agent.rules.pages import Errand, count
from agent.rules.release import JobForeseen, JobForetold, JobLetOut, JobReleased, Slate
from agent.rules.review import Doubts
from agent.rules.settlement import SidesSettled, Why
from agent.rules.usage import usages
from drivers.contract import JobState
from drivers.holding import HeldJob, Leaves
from tests.rules.test_pages import ALICE, JOB, SPOOLED

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
BADGED = (AliasId("a1"), MemberId("m042"), FormulaId("subscriber"), Level.BADGE)


@dataclass(frozen=True)
class Machine:
    counts_blanks: bool
    prints_banners: bool
    both_sides: bool  # what it does where nobody said


@dataclass(frozen=True)
class Sent:
    job: HeldJob
    pages: tuple[int, ...]  # of each document

    def faces(self, machine: Machine) -> list[list[bool]]:
        """Return sheet by sheet its faces, True where something is printed."""
        both = self.job.two_sided or (not self.job.one_sided and machine.both_sides)
        sheets: list[list[bool]] = []
        for banner, parts in ((self.job.banners[0], 0), (False, 1), (self.job.banners[1], 0)):
            if banner and machine.prints_banners:
                sheets.append([True, False][: 1 + both])
            for _copy in range(self.job.copies * parts):
                sheets += [sheet for pages in self.pages for sheet in self._document(pages, both=both)]
        return sheets

    def _document(self, pages: int, *, both: bool) -> list[list[bool]]:
        faces = sum(self._wanted(side) for side in range(1, -(-pages // self.job.number_up) + 1))
        if not both:
            return [[True]] * faces
        return [[True, 2 * sheet + 2 <= faces] for sheet in range((faces + 1) // 2)]

    def _wanted(self, side: int) -> bool:
        chosen = not self.job.ranges or any(first <= side <= last for first, last in self.job.ranges)
        return chosen and {"all": True, "odd": side % 2 == 1, "even": side % 2 == 0}[self.job.page_set]

    def counted(self, machine: Machine, sheets: int | None = None) -> int:
        """Return the sides the machine counts, of its first `sheets` (None: all)."""
        faces = [face for sheet in self.faces(machine)[:sheets] for face in sheet]
        return len(faces) if machine.counts_blanks else sum(faces)

    def free(self, machine: Machine, sheets: int | None = None) -> int:
        """Return the sides of banners that the machine counts, of its first `sheets` (None: all)."""
        found = self.faces(machine) or [[]]
        first, last = (banner and machine.prints_banners for banner in self.job.banners)
        banners = [found[0]] * first + [found[-1]] * (last and sheets in {None, len(found)})
        faces = [face for sheet in banners if sheets != 0 for face in sheet]
        return len(faces) if machine.counts_blanks else sum(faces)

    def claim(self, number: int, *, by_badge: bool, old: bool = False) -> Claim:
        """Return what is claimed of it when its record is lost."""
        told = forecast(self.job, [Leaves(pages, frozenset()) for pages in self.pages])
        assert told.sides is not None
        about = (number, 1000, told.sides, 0, sum(self.job.banners))
        fact: JobReleased | JobForetold
        if by_badge:
            known = ("copieur", number, 1000, *BADGED, *about[2:])
            fact = JobReleased(*known) if old else JobLetOut(*known, told.backs)
        else:
            fact = JobForetold(*about) if old else JobForeseen(*about, told.backs)
        errand = Slate().after([fact]).errand(number, 1000)
        return unrecorded("copieur", "S1", replace(SPOOLED, job=number), ALICE, errand)


def unbooked(sent: Sent) -> Errand:
    """Return what was known of a job while its record is there."""
    return sent.claim(3, by_badge=True).errand


machines = st.builds(Machine, st.booleans(), st.booleans(), st.booleans())
ranges = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 6)), max_size=2)


@st.composite
def sents(draw: st.DrawFn) -> Sent:
    sides = draw(st.sampled_from([{"two_sided": True}, {"one_sided": True}, {}]))
    job = HeldJob(
        *("copieur", 3, 1000, "alice", "192.0.2.7"),
        copies=draw(st.integers(1, 4)),
        number_up=draw(st.sampled_from([1, 1, 2, 4, 6])),
        ranges=tuple((first, first + more) for first, more in draw(ranges)),
        page_set=draw(st.sampled_from(["all", "all", "odd", "even"])),
        banners=draw(st.tuples(st.booleans(), st.booleans())),
        **sides,
    )
    return Sent(job, tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))))


@given(sents(), machines, st.one_of(st.none(), st.integers(0, 40)), st.booleans(), st.booleans())
def test_without_counters_the_interval_holds_what_the_machine_counted(sent, machine, broke_off, by_badge, old):
    (row,) = believe((sent.claim(3, by_badge=by_badge, old=old),))
    assert row.low <= sent.counted(machine, broke_off) <= row.high


@given(sents(), machines, st.one_of(st.none(), st.integers(0, 40)), st.booleans())
def test_alone_on_a_movement_of_the_print_counters_it_is_that_movement(sent, machine, broke_off, old):
    counted = sent.counted(machine, broke_off)
    rows = settle((sent.claim(3, by_badge=True, old=old),), counted, 0)
    assert [(row.low, row.high) for row in rows] == [(counted, counted)] * bool(counted)


@given(st.lists(sents(), min_size=2, max_size=4), machines, st.booleans())
def test_whole_jobs_that_share_a_movement_are_held_by_their_intervals(sent, machine, colour):
    truth = {f"spool/copieur/{number}/1000": one.counted(machine) for number, one in enumerate(sent)}
    moved = sum(truth.values())
    claims = tuple(one.claim(number, by_badge=True) for number, one in enumerate(sent))
    for row in settle(claims, 0 if colour else moved, moved if colour else 0):
        assert row.low <= truth[row.attempt] <= row.high


@given(sents(), machines, st.integers(0, 60))
def test_beside_copies_on_a_bare_total_a_whole_job_is_held_by_its_interval(sent, machine, copied):
    counted = sent.counted(machine)
    claim = replace(sent.claim(3, by_badge=True), apart=False)
    for row in settle((claim,), counted + copied, 0):
        assert row.low <= counted <= row.high


@given(sents(), machines)
def test_nothing_is_less_certain_where_the_record_is_there_or_one_side_was_asked_for(sent, machine):
    counted, both = sent.counted(machine), sent.job.two_sided
    claim = sent.claim(3, by_badge=True)
    row = count(replace(JOB, sides=counted, sheets=None, two_sided=both), ALICE, claim.errand)
    assert row is not None
    assert (row.low, row.high) == (counted, counted)
    silent = unsaid(replace(JOB, sides=None, state=JobState.COMPLETED, two_sided=both), ALICE, claim.errand)
    (row,) = believe((silent,))
    assert row.high - row.low == sum(sent.job.banners)
    if sent.job.one_sided:
        (row,) = believe((claim,))
        assert row.high == sent.counted(Machine(counts_blanks=True, prints_banners=True, both_sides=False))


@given(sents(), machines, st.booleans(), st.booleans())
def test_a_banner_and_its_blank_back_are_free_and_nothing_else_is(sent, machine, tells_sheets, tells_sides):
    both = sent.job.two_sided or (not sent.job.one_sided and machine.both_sides)
    sides, sheets = sent.counted(machine), len(sent.faces(machine))
    record = replace(JOB, sides=sides, sheets=sheets if tells_sheets else None, sides_colour=0)
    row = count(replace(record, two_sided=both if tells_sides else None), ALICE, unbooked(sent))
    assert row is not None
    truth, banners = sent.free(machine), sum(sent.job.banners)
    if machine.prints_banners or not (machine.counts_blanks and both):
        assert row.free == truth
    assert truth <= row.free <= 2 * banners  # a machine that leaves banners out and counts blanks: the member's favour
    paid = [one for one in usages(row, NOON) if one.member]
    assert sum(one.quantity for one in paid) == sides - row.free


@given(sents(), machines, st.integers(0, 40), st.booleans())
def test_of_what_broke_off_no_banner_is_paid_nor_its_blank_back(sent, machine, broke_off, tells_sheets):
    both = sent.job.two_sided or (not sent.job.one_sided and machine.both_sides)
    broke_off = min(broke_off, len(sent.faces(machine)))
    record = replace(JOB, state=JobState.CANCELED, sides=sent.counted(machine, broke_off), two_sided=both)
    row = count(replace(record, sheets=broke_off if tells_sheets else None), ALICE, unbooked(sent))
    assert row is not None
    truth = sent.free(machine, broke_off)
    assert truth <= row.free <= 2 * sum(sent.job.banners)
    if machine.counts_blanks and machine.prints_banners and sent.job.banners == (True, False):
        assert row.free == truth


@given(sents(), machines, st.integers(1, 9))
def test_a_banner_and_its_blank_back_are_free_too_when_it_is_settled_later(sent, machine, others):
    truth = sent.counted(machine)
    lost = replace(sent.claim(3, by_badge=True), apart=False)  # copies on a bare total leave it open
    rows = [row for row in settle((lost,), truth + others, 0) if row.low < row.high]
    for row in rows:
        doubts = Doubts().after([(row, NOON)])
        said, *_ = doubts.settle(row.attempt, truth, 0, Why.PAPER, "a1")
        assert isinstance(said, SidesSettled)
        assert sent.free(machine) <= said.free <= 2 * sum(sent.job.banners)
        if sent.job.one_sided and machine.prints_banners:
            assert said.free == sent.free(machine)
        after = doubts.after([(said, NOON)]).by_attempt[row.attempt].counted
        assert sum(one.quantity for one in usages(after, NOON) if one.member) == truth - said.free
