"""Paper nobody was known for: given, taken back, and never counted twice in the sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent.rules.attribution import NOBODY, CopiesAttributed, PagesAttributed, PagesMoved, Slip, Slips, slip_name
from agent.rules.facts import AliasId, Fact, FormulaId, MemberId, Total
from agent.rules.pages import AttemptCounted, Evidence, Free, PagesCounted
from agent.rules.paper import CopiesCounted, PrintedPast, PrintsUnmatched
from agent.rules.past import HOUSE, PastAttributed
from agent.rules.settlement import PrintSettled, Why

ANNE, BOB = MemberId("m042"), MemberId("m013")
SUB, OCC, NONE = FormulaId("subscriber"), FormulaId("occasional"), FormulaId("")
AT = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
JOB = PagesCounted(
    "copieur", "S1", "S1/7/u", AliasId("a9"), NOBODY, NONE, 12, 3, 8, 15, 15, Evidence.DEVICE, "completed"
)
COPIES = CopiesCounted("copieur", "S1", 2, "", NOBODY, NONE, 4, 1, 104, 27)


def slips(*facts: Fact) -> Slips:
    return Slips().after((fact, f"k{n}", AT) for n, fact in enumerate(facts))


def signed(*steps: tuple[Total, ...]) -> Counter[tuple[str, ...]]:
    """Fold the signed pairs as the metrics do."""
    sums: Counter[tuple[str, ...]] = Counter()
    for step in (one for more in steps for one in more):
        name = step.name.replace("_moved_here", "").replace("_moved_away", "")
        sign = -1 if step.name.endswith("away") else 1
        sums[name, *(value for _, value in step.labels)] += sign * int(step.amount)
    return sums


def test_all_paper_is_known_with_whose_it_was_counted() -> None:
    found = slips(JOB, replace(JOB, attempt="mine", member=ANNE), COPIES, PrintsUnmatched("c", "S1", 1, 2, 0, 9, 9))
    assert list(found.by_name) == ["print:S1/7/u", "print:mine", "copy:k2"]
    assert [(one.sides, one.member) for one in found.by_name.values()] == [(15, ""), (15, "m042"), (5, "")]
    assert slips(replace(JOB, sides_mono=0, sides_colour=0), replace(COPIES, mono=0, colour=0)).by_name == {}


def test_a_job_is_given_moved_and_taken_back() -> None:
    found = slips(JOB)
    first = found.by_name["print:S1/7/u"].give(ANNE, SUB, "a1")
    assert first == PagesAttributed("S1/7/u", "copieur", 1, AliasId("a9"), NOBODY, NONE, ANNE, SUB, 12, 3, 8, "a1")
    given_once = found.after([(first, "x", AT)])
    assert (given_once.by_name["print:S1/7/u"].member, given_once.by_name["print:S1/7/u"].at) == (ANNE, AT)
    second = given_once.by_name["print:S1/7/u"].give(BOB, OCC, "a1")
    assert isinstance(second, PagesAttributed)
    assert (second.turn, second.was, second.was_formula, second.member) == (2, ANNE, SUB, BOB)
    third = given_once.after([(second, "y", AT)]).by_name["print:S1/7/u"].give(NOBODY, NONE, "a1")
    assert isinstance(third, PagesAttributed)
    assert (third.turn, third.was, third.member) == (3, BOB, NOBODY)


def test_a_print_past_the_box_is_somebodys_or_the_places_own_and_no_other_paper_is_that() -> None:
    found = slips(
        PrintedPast("copieur", "S1", 2, 5, 2, 100, 20, "S1/9/u9"), PrintedPast("copieur", "S1", 2, 0, 0, 0, 0)
    )
    (name,) = found.by_name
    assert (name, found.by_name[name].sides, found.by_name[name].member) == ("past:k0", 7, NOBODY)
    first = found.by_name[name].give(ANNE, SUB, "a1")
    assert isinstance(first, PastAttributed)
    assert (first.row, first.turn, first.was, first.member, first.formula) == ("k0", 1, NOBODY, ANNE, SUB)
    hers = found.after([(first, "x", AT)]).by_name[name]
    ours = hers.give(HOUSE, NONE, "a1")
    assert isinstance(ours, PastAttributed)
    assert (ours.turn, ours.was, ours.was_formula, ours.member) == (2, ANNE, SUB, HOUSE)
    assert found.after([(first, "x", AT), (ours, "y", AT)]).by_name[name].give(HOUSE, NONE, "a1") is None
    for other in slips(JOB, COPIES).by_name.values():
        assert other.give(HOUSE, NONE, "a1") is None


def test_what_is_theirs_already_is_nothing() -> None:
    assert slips(JOB).by_name["print:S1/7/u"].give(NOBODY, NONE, "a1") is None
    assert Slip("k", AT, COPIES, ANNE, SUB, 1).give(ANNE, SUB, "a1") is None


def test_copies_are_given_by_their_row() -> None:
    found = slips(COPIES)
    fact = found.by_name["copy:k0"].give(BOB, OCC, "a1")
    assert fact == CopiesAttributed("k0", "copieur", 2, 1, NOBODY, NONE, BOB, OCC, 4, 1, "a1")
    assert found.after([(fact, "z", AT)]).by_name["copy:k0"].member == BOB


def test_an_attribution_of_what_is_no_longer_known_changes_nothing() -> None:
    fact = PagesAttributed("gone", "copieur", 1, AliasId(""), NOBODY, NONE, ANNE, SUB, 1, 0, 1, "a1")
    assert slips(fact).by_name == {}


def test_old_paper_is_let_go() -> None:
    assert slips(JOB).since(AT).by_name
    assert not slips(JOB).since(AT + timedelta(seconds=1)).by_name


def test_the_sums_move_in_signed_pairs() -> None:
    fact = PagesAttributed("S1/7/u", "copieur", 1, AliasId("a9"), NOBODY, NONE, ANNE, SUB, 12, 3, 8, "a1")
    assert signed(JOB.totals(), fact.totals()) == Counter(
        {
            ("sides", "mono", "copieur", "unclaimed", "print"): 0,
            ("sides", "colour", "copieur", "unclaimed", "print"): 0,
            ("sides", "mono", "copieur", "subscriber", "print"): 12,
            ("sides", "colour", "copieur", "subscriber", "print"): 3,
            ("member_sides", "mono", "print", "m042"): 12,
            ("member_sides", "colour", "print", "m042"): 3,
        }
    )
    copies = CopiesAttributed("k0", "copieur", 2, 1, NOBODY, NONE, BOB, OCC, 4, 1, "a1")
    assert signed(COPIES.totals(), copies.totals())["sides", "mono", "copieur", "", "unattributed"] == 0
    assert signed(COPIES.totals(), copies.totals())["sides", "mono", "copieur", "occasional", "copy"] == 4
    assert slip_name(PrintsUnmatched("c", "S1", 1, 2, 0, 9, 9), "k") == ""


@given(
    st.lists(st.sampled_from([(ANNE, SUB), (BOB, OCC), (NOBODY, NONE)]), max_size=12), st.sampled_from([JOB, COPIES])
)
def test_whoever_it_goes_through_the_sides_are_the_last_ones(
    hands: list[tuple[MemberId, FormulaId]], counted: PagesCounted | CopiesCounted
) -> None:
    found, steps = slips(counted), [counted.totals()]
    name = next(iter(found.by_name))
    for member, formula in hands:
        fact = found.by_name[name].give(member, formula, "a1")
        if fact is not None:
            assert all(step.amount >= 0 for step in fact.totals())  # a counter never falls
            steps.append(fact.totals())
            found = found.after([(fact, "n", AT)])
    sums = signed(*steps)
    sides = found.by_name[name].sides
    last = hands[-1][0] if hands else NOBODY
    for member in (ANNE, BOB):
        assert sum(n for key, n in sums.items() if key[0] == "member_sides" and key[-1] == member) == (
            sides if member == last else 0
        )
    assert sum(n for key, n in sums.items() if key[0] == "sides") == sides


def test_an_uncertain_print_waits_and_is_given_with_the_sides_it_was_settled_at() -> None:
    row = PagesCounted(
        *("copieur", "S1", "u", AliasId("a9"), MemberId(""), FormulaId("")),
        0,
        0,
        0,
        0,
        20,
        Evidence.CLAIMED,
        "completed",
    )
    said = PrintSettled(
        *("u", "copieur", 0, 1, MemberId(""), FormulaId("")), 0, 0, 7, 0, 7, 7, 7, 0, False, Why.PAPER, "a1"
    )
    waiting = slips(row, said).by_name["print:u"]
    assert (slips(row).by_name["print:u"].sides, waiting.sides) == (0, 7)
    fact = waiting.give(MemberId("m1"), FormulaId("occasional"), "a1")
    assert isinstance(fact, PagesAttributed)
    assert fact.sides_mono == 7


FEAST = MemberId("p:001")


def test_a_members_own_goes_to_a_shared_account_and_back_and_to_nobody_else() -> None:
    found = slips(replace(JOB, member=ANNE, formula=OCC)).by_name["print:S1/7/u"]
    assert found.give(BOB, SUB, "a1") is None
    assert found.give(NOBODY, NONE, "a1") is None
    fact = found.give(FEAST, SUB, "a1")
    assert fact == PagesAttributed("S1/7/u", "copieur", 1, AliasId("a9"), ANNE, OCC, FEAST, SUB, 12, 3, 8, "a1")
    paid_by = Slip("k0", AT, found.counted, FEAST, SUB, 1)
    assert paid_by.give(BOB, SUB, "a1") is None
    back = paid_by.give(ANNE, OCC, "a1")
    assert isinstance(back, PagesAttributed)
    assert (back.turn, back.was, back.member) == (2, FEAST, ANNE)
    copies = slips(replace(COPIES, member=ANNE, formula=OCC)).by_name["copy:k0"].give(FEAST, SUB, "a1")
    assert copies == CopiesAttributed("k0", "copieur", 2, 1, ANNE, OCC, FEAST, SUB, 4, 1, "a1")


def test_what_nobody_pays_moves_on_no_bill() -> None:
    values = {one.name: getattr(JOB, one.name) for one in fields(JOB)}
    job = AttemptCounted(**{**values, "member": ANNE, "formula": OCC}, free=2, why_free=Free.BANNER)
    fact = slips(job).by_name["print:S1/7/u"].give(FEAST, SUB, "a1")
    assert isinstance(fact, PagesMoved)
    assert (fact.sides_mono, fact.sides_colour, fact.free) == (12, 3, 2)
    sums = signed(tuple(one for one in job.totals() if one.name != "free_sides"), fact.totals())
    assert sums["member_sides", "mono", "print", "m042"] == 0
    assert sums["member_sides", "mono", "print", "p:001"] == 10
    assert sums["member_sides", "colour", "print", "p:001"] == 3
    assert sums["sides", "mono", "copieur", "subscriber", "print"] == 12
    assert sums["sides", "mono", "copieur", "occasional", "print"] == 0
