"""Which jobs a badge lets out, and why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.identity import Level
from agent.rules.members import Alias, Member, Roster
from agent.rules.pages import Errand, Owner
from agent.rules.paper import BooksOpened
from agent.rules.payers import ANIMATOR, Charge, JobCharged, Payer
from agent.rules.release import (
    JobExpired,
    JobForeseen,
    JobForetold,
    JobGiven,
    JobLetOut,
    JobReleased,
    JobWithdrawn,
    ReleaseRefused,
    Slate,
    Withdrawal,
    cannot_print,
    charge,
    let_out,
    payer_of,
    too_old,
    withdraw,
)
from drivers.contract import DeviceId, DeviceReading, DeviceState, Moment, Trust
from drivers.holding import HeldJob

ALICE, BOB, GONE = MemberId("m042"), MemberId("m013"), MemberId("m999")
SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")
ROSTER = Roster(
    1,
    members={ALICE: Member(ALICE, SUB, date(2026, 1, 1), None), BOB: Member(BOB, OCC, date(2026, 1, 1), None)},
    aliases={
        "alice": Alias(AliasId("a1"), ALICE),
        "bob": Alias(AliasId("a2"), BOB),
        "iphone": Alias(AliasId("a3"), ALICE),  # an old mistake: it is nobody's whatever the roster says
        "mallory": Alias(AliasId("a4"), None),
        "left": Alias(AliasId("a5"), GONE),
    },
)
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def job(number: int, user: str) -> HeldJob:
    return HeldJob("copieur", number, 1_795_000_000 + number, user, "192.0.2.7")


def given(number: int, member: str, turn: int = 1) -> JobGiven:
    return JobGiven(number, 1_795_000_000 + number, turn, AliasId("a3"), MemberId(member), "c1")


JOBS = [
    job(1, "LACORDEE\\Alice"),
    job(2, "bob"),
    job(3, "iPhone"),
    job(4, "mallory"),
    job(5, "stranger"),
    job(6, "left"),
    job(7, "alice@laptop.local"),
    job(8, ""),
]


def numbers(jobs: tuple[HeldJob, ...]) -> list[int]:
    return [one.job for one in jobs]


def test_a_badge_lets_out_what_is_under_ones_own_names() -> None:
    assert numbers(let_out(reversed(JOBS), ALICE, Slate(), ROSTER)) == [1, 7]
    assert numbers(let_out(JOBS, BOB, Slate(), ROSTER)) == [2]


def test_what_was_given_goes_with_whom_it_was_given_to_and_with_nobody_else() -> None:
    slate = Slate().after([given(3, "m013"), given(1, "m013"), given(8, "m042"), given(5, "m042")])
    assert numbers(let_out(JOBS, BOB, slate, ROSTER)) == [1, 2, 3]
    assert numbers(let_out(JOBS, ALICE, slate, ROSTER)) == [5, 7, 8]
    back = slate.after([given(5, "", 2), given(8, "m999", 2)])
    assert numbers(let_out(JOBS, ALICE, back, ROSTER)) == [7]


def test_an_id_given_out_twice_is_another_job() -> None:
    slate = Slate().after([given(3, "m013")])
    assert let_out([replace(job(3, "iPhone"), created_s=1)], BOB, slate, ROSTER) == ()


@pytest.mark.parametrize(
    ("number", "whose"),
    [
        (0, Owner(AliasId("a1"), ALICE, SUB, Level.CLAIMED)),
        (2, Owner(AliasId("a3"), MemberId(""), FormulaId(""))),
        (3, Owner(AliasId("a4"), MemberId(""), FormulaId(""))),
        (4, Owner(AliasId(""), MemberId(""), FormulaId(""))),
        (5, Owner(AliasId("a5"), MemberId(""), FormulaId(""))),
    ],
)
def test_whose_a_waiting_job_is(number: int, whose: Owner) -> None:
    assert Slate().owner(JOBS[number], ROSTER) == whose


def test_the_animators_word_is_a_level_of_its_own() -> None:
    slate = Slate().after([given(3, "m013"), BooksOpened("copieur", "S", 1, 0, 0, 0, 0, "first")])
    assert slate.owner(JOBS[2], ROSTER) == Owner(AliasId("a3"), BOB, OCC, Level.GIVEN)


def test_who_badged_pays_and_the_last_release_counts() -> None:
    first = JobReleased("copieur", 3, 9, AliasId("a3"), ALICE, SUB, Level.BADGE, 5, 1, 0)
    slate = Slate().after([first, replace(first, member=BOB, formula=OCC)])
    assert slate.payer(3, 9) == Owner(AliasId("a3"), BOB, OCC, Level.BADGE)
    assert slate.payer(3, 10) is None


def test_what_was_counted_at_release_goes_with_the_job() -> None:
    fact = JobReleased("copieur", 3, 9, AliasId("a3"), ALICE, SUB, Level.BADGE, 5, 1, 2)
    assert Slate().after([fact]).errand(3, 9) == Errand(banners=2, forecast=5, backs=7)  # of old: who knows
    assert Slate().after([replace(fact, sides=None)]).errand(3, 9) == Errand(banners=2, forecast=None, backs=2)
    told = JobLetOut("copieur", 3, 9, AliasId("a3"), ALICE, SUB, Level.BADGE, 5, 1, 2, backs=3)
    assert Slate().after([told]).errand(3, 9) == Errand(banners=2, forecast=5, backs=3)
    assert Slate().errand(3, 9) == Errand()


def test_what_was_counted_while_it_printed_goes_with_the_job_too() -> None:
    slate = Slate().after([JobForetold(3, 9, 5, None, 2)])
    assert slate.errand(3, 9) == Errand(banners=2, forecast=5, backs=7)
    assert slate.payer(3, 9) is None
    assert Slate().after([JobForeseen(3, 9, 5, None, 2, 0)]).errand(3, 9) == Errand(banners=2, forecast=5)


def test_a_host_that_proved_the_name_and_a_password_are_better_than_a_claim() -> None:
    def near(one: HeldJob, member: MemberId) -> bool:
        return (one.host, member) == ("192.0.2.7", ALICE)

    assert Slate().owner(JOBS[0], ROSTER, same_host=near).level is Level.HOST
    assert Slate().owner(JOBS[1], ROSTER, same_host=near).level is Level.CLAIMED
    assert Slate().owner(replace(JOBS[1], authenticated=True), ROSTER).level is Level.AUTHENTICATED
    assert Slate().owner(replace(JOBS[4], authenticated=True), ROSTER).level is Level.NOBODY  # nobody knows the name


def reading(state: DeviceState, *reasons: str) -> DeviceReading:
    at = Moment(NOW, 1.0, "b", Trust.SYNCHRONISED)
    return DeviceReading(at, DeviceId("copieur"), "S", state, reasons, (), None, (), settled=True)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (None, "silent"),
        (reading(DeviceState.IDLE), ""),
        (reading(DeviceState.PROCESSING, "toner-low-warning"), ""),
        (reading(DeviceState.STOPPED, "media-empty-error"), "no-paper"),
        (reading(DeviceState.IDLE, "toner-low-warning", "media-jam-error"), "jam"),
        (reading(DeviceState.IDLE, "media-empty-warning"), ""),
        (reading(DeviceState.STOPPED), "other"),
        (reading(DeviceState.IDLE, "offline-report"), "offline"),
    ],
)
def test_why_a_device_cannot_print(seen: DeviceReading | None, why: str) -> None:
    assert cannot_print(seen) == why


def test_what_nobody_came_for_is_too_old() -> None:
    now = datetime.fromtimestamp(1_795_000_000 + 72 * 3600 + 3, tz=UTC)
    assert numbers(too_old(JOBS, now, timedelta(hours=72))) == [1, 2]


def test_an_expired_job_is_remembered_and_counted() -> None:
    fact = JobExpired(3, 9, AliasId("a3"), MemberId(""), 72)
    assert Slate().after([fact]).expired == frozenset({(3, 9)})
    assert [(step.name, step.labels, step.amount) for step in fact.totals()] == [("jobs_expired", (), 1)]


@pytest.mark.parametrize(
    ("number", "member", "came"),
    [
        (1, ALICE, Withdrawal.WITHDRAWN),
        (7, ALICE, Withdrawal.WITHDRAWN),
        (2, ALICE, Withdrawal.GONE),  # another's: she is not told that it exists
        (3, ALICE, Withdrawal.GONE),  # nobody's name
        (3, BOB, Withdrawal.WITHDRAWN),  # given to him
        (5, MemberId(""), Withdrawal.GONE),  # nobody takes nobody's jobs back
        (99, ALICE, Withdrawal.GONE),
    ],
)
def test_only_ones_own_waiting_jobs_are_taken_back(number: int, member: MemberId, came: Withdrawal) -> None:
    slate = Slate().after([given(3, "m013")])
    told, found = withdraw(JOBS, (number, 1_795_000_000 + number), member, slate, ROSTER)
    assert told is came
    assert (found is not None) == (came is Withdrawal.WITHDRAWN)
    assert found is None or found.job == number


def test_a_job_that_left_meanwhile_says_so_to_whom_it_went() -> None:
    out = JobReleased("copieur", 3, 9, AliasId("a3"), ALICE, SUB, Level.BADGE, 5, 1, 0)
    slate = Slate().after([out])
    assert withdraw([], (3, 9), ALICE, slate, ROSTER) == (Withdrawal.RELEASED, None)
    assert withdraw([], (3, 9), BOB, slate, ROSTER) == (Withdrawal.GONE, None)
    assert withdraw([], (3, 8), ALICE, slate, ROSTER) == (Withdrawal.GONE, None)


def test_what_was_taken_back_is_let_out_by_no_badge() -> None:
    fact = JobWithdrawn(1, 1_795_000_001, AliasId("a1"), ALICE)
    slate = Slate().after([fact])
    assert numbers(let_out(JOBS, ALICE, slate, ROSTER)) == [7]
    assert withdraw(JOBS, (1, 1_795_000_001), ALICE, slate, ROSTER)[0] is Withdrawal.WITHDRAWN  # twice is once
    assert [(step.name, step.labels, step.amount) for step in fact.totals()] == [("jobs_withdrawn", (), 1)]


def test_a_refusal_is_counted_by_its_reason() -> None:
    steps = ReleaseRefused("copieur", ALICE, "jam", 2).totals()
    assert [(step.name, step.labels, step.amount) for step in steps] == [
        ("releases_refused", (("device", "copieur"), ("why", "jam")), 1)
    ]


# --- who pays: a member, or a shared account -----------------------------------------------------------------------


def held(number: int = 1, user: str = "alice", account: str = "") -> HeldJob:
    return HeldJob("copieur", number, 1_795_000_000 + number, user, "192.0.2.7", account=account)


def charged(payer: str, by: str, turn: int = 1) -> JobCharged:
    return JobCharged(1, 1_795_000_001, turn, AliasId("a1"), MemberId(payer), MemberId(by), "c1")


FEAST, TOWN = MemberId("p:001"), MemberId("p:002")
DAY, LATER = date(2026, 11, 28), date(2026, 11, 29)
PAYING = replace(
    ROSTER,
    payers={
        FEAST: Payer(FEAST, SUB, None, frozenset({ALICE}), "fete de la musique"),
        TOWN: Payer(TOWN, SUB, DAY, frozenset({ALICE, BOB}), "mairie"),
    },
)


@pytest.mark.parametrize(
    ("job", "said", "badges", "day", "expected"),
    [
        (held(), [], ALICE, DAY, (ALICE, Charge.CHARGED)),
        (held(), [charged("p:001", "m042")], ALICE, DAY, (FEAST, Charge.CHARGED)),
        (held(), [charged("p:001", "m042"), charged("", "m042", 2)], ALICE, DAY, (ALICE, Charge.CHARGED)),
        (held(), [charged("p:002", "m042")], ALICE, LATER, (TOWN, Charge.ENDED)),  # it ended while the job waited
        (held(), [charged("p:001", "m042")], BOB, DAY, (FEAST, Charge.NOT_NAMED)),  # it is Bob's by now
        (held(), [charged("p:001", "")], BOB, DAY, (FEAST, Charge.CHARGED)),  # the animator chose
        (held(), [charged("p:009", "m042")], ALICE, DAY, (MemberId("p:009"), Charge.UNKNOWN)),  # erased meanwhile
        (held(account="Fête de la musique"), [], ALICE, DAY, (FEAST, Charge.CHARGED)),
        (held(account="Fête de la musique"), [], BOB, DAY, (FEAST, Charge.NOT_NAMED)),
        (held(account="Fête de la musique"), [charged("", "m042")], ALICE, DAY, (ALICE, Charge.CHARGED)),
        (held(account="whatever a driver writes"), [], ALICE, DAY, (ALICE, Charge.CHARGED)),
    ],
)
def test_who_pays_when_somebody_badges(job, said, badges, day, expected) -> None:
    assert payer_of(job, badges, Slate().after(said), PAYING, day) == expected


@pytest.mark.parametrize(
    ("name", "by", "payer", "expected"),
    [
        ((1, 1_795_000_001), ALICE, FEAST, Charge.CHARGED),
        ((1, 1_795_000_001), ALICE, MemberId(""), Charge.CHARGED),
        ((1, 1_795_000_001), ANIMATOR, FEAST, Charge.CHARGED),
        ((2, 1_795_000_002), BOB, FEAST, Charge.NOT_NAMED),
        ((2, 1_795_000_002), ALICE, FEAST, Charge.GONE),  # Bob's
        ((9, 1_795_000_009), ALICE, FEAST, Charge.GONE),
        ((3, 1_795_000_003), ALICE, FEAST, Charge.GONE),  # taken back
    ],
)
def test_who_may_say_so(name, by, payer, expected) -> None:
    jobs = [held(1), held(2, "bob"), held(3)]
    slate = Slate().after([JobWithdrawn(3, 1_795_000_003, AliasId("a1"), ALICE)])
    came, job = charge(jobs, name, by, payer, slate, PAYING, DAY)
    assert came is expected
    assert (job.name if job else None) == (name if expected is Charge.CHARGED else None)
