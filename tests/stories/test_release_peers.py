"""Release by badge on real wires: what phones, Macs and Windows really send, held, forecast, released, billed.

What is expected is literal, or counted in `sides.jsonl`: the copier's own log of what physically left it.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from agent.ask import Request, ask
from agent.rules.facts import AliasId, FormulaId, MemberId
from agent.rules.identity import Level
from agent.rules.pages import AttemptOwned, Evidence, PagesCounted
from agent.rules.payers import ChargeRefused
from agent.rules.release import JobForetold, JobGiven, JobReleased, JobWithdrawn, ReleaseRefused
from agent.rules.spool import SpoolRead
from agent.rules.unprinted import JobUnprinted
from drivers.ipp import Tag, attribute
from drivers.peers.cups import available
from tests.drivers.corpus import LINK, RICH, pdf, pwg, sheet, text, urf
from tests.stories.release_bed import CARDS, DIRECT, HELD, OUT, Place, place

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(available()), reason=available())]


async def everybody_prints(space: Place) -> dict[str, int]:
    """Send what each kind of client sends; return the job-ids."""
    grey = sheet(1).convert("L")
    return {
        "iphone": await space.send("iPhone", urf([grey, grey, sheet(3, stamp=True)]), "image/urf"),
        "mac": await space.send(
            "Alice",
            pdf([text(1), text(2) + LINK]),
            "application/pdf",
            attribute("copies", Tag.INTEGER, 2),
            attribute("sides", Tag.KEYWORD, "two-sided-long-edge"),
            attribute("print-color-mode", Tag.KEYWORD, "color"),
        ),
        "windows": await space.send("LACORDEE\\ALICE", pwg([grey]), "image/pwg-raster"),
        "windows-nobody": await space.send("DESKTOP-4F2\\Administrator", pdf([RICH] * 5), "application/pdf"),
        "nameless": await space.send(None, pdf([text(1)]), "application/pdf"),
        "eager": await space.send(
            "bob", pdf([text(1)] * 3), "application/pdf", attribute("job-hold-until", Tag.KEYWORD, "no-hold")
        ),
    }


async def taken_back(space: Place) -> None:
    """Bob withdraws a job on his page: CUPS cancels it, and his badge brings nothing."""
    number = await space.send("bob", pdf([text(1)] * 3), "application/pdf")
    await space.until(lambda: number in {one.job for one in space.held()})
    (mine,) = [one for one in space.held() if one.job == number]
    wanted = {"job": mine.name, "member": space.members["bob"]}
    now_s = space.standing.clock.now().mono_s
    answer = await ask(space.folder / "run", "paper", Request("job-withdraw", "bob", "", now_s + 10, wanted))
    assert answer.code == "withdrawn"
    (fact,) = space.facts(JobWithdrawn)
    assert isinstance(fact, JobWithdrawn)
    assert (fact.job, fact.member) == (number, space.members["bob"])
    await space.until(lambda: f"-{number} " not in _waiting(space))
    space.badge(CARDS["bob"])
    await space.until(lambda: (space.greeting() or _NONE).jobs == 0)
    assert (space.physical(), len(space.facts(PagesCounted))) == (11, 4)


def test_each_client_is_held_forecast_and_released_to_whom_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with place(tmp_path) as space:
            jobs = await everybody_prints(space)
            await space.until(lambda: len(space.held()) == 6 and space.looked_through())
            alice, bob = space.members["alice"], space.members["bob"]
            seen = {one.job: (one.member, one.level, one.sides, one.colour) for one in space.held()}
            assert seen == {
                jobs["iphone"]: ("", "nobody", 3, 1),
                jobs["mac"]: (alice, "claimed", 4, 2),
                jobs["windows"]: (alice, "claimed", 1, 0),
                jobs["windows-nobody"]: ("", "nobody", 5, 0),  # rich black is black
                jobs["nameless"]: ("", "nobody", 1, 0),
                jobs["eager"]: (bob, "claimed", 3, 0),
            }
            await asyncio.sleep(1.0)
            assert space.physical() == 0  # no-hold does not print

            space.badge(CARDS["alice"])
            await space.until(lambda: len(space.facts(PagesCounted)) >= 2)
            greeting = space.greeting()
            assert greeting is not None
            assert (greeting.jobs, greeting.sides, greeting.colour, greeting.low) == (2, 5, 2, "0.65")
            assert space.physical() == 5
            rows = [row for row in space.facts(PagesCounted) if isinstance(row, PagesCounted)]
            assert sorted((row.member, row.sides_mono + row.sides_colour) for row in rows) == [(alice, 1), (alice, 4)]

            given = next(one for one in space.held() if one.job == jobs["iphone"])
            fact = JobGiven(given.job, given.created_s, 1, AliasId(given.alias), bob, "c1")
            await space.ledger.append(fact, space.standing.clock.now(), f"{given.job}/{given.created_s}/1")
            space.badge(CARDS["bob"])
            await space.until(lambda: len(space.facts(PagesCounted)) == 4)
            released = [one for one in space.facts(JobReleased) if isinstance(one, JobReleased)]
            assert [(one.job, one.member, one.level) for one in released] == [
                (jobs["mac"], alice, Level.BADGE),
                (jobs["windows"], alice, Level.BADGE),
                (jobs["iphone"], bob, Level.BADGE),
                (jobs["eager"], bob, Level.BADGE),
            ]
            rows = [row for row in space.facts(PagesCounted) if isinstance(row, PagesCounted)]
            assert sorted((row.member, row.low, row.high) for row in rows[2:]) == [(bob, 3, 3), (bob, 3, 3)]
            assert space.physical() == 11
            assert {one.job for one in space.held()} == {jobs["windows-nobody"], jobs["nameless"]}
            await taken_back(space)

    asyncio.run(main())


def test_a_broken_machine_a_stranger_and_a_started_queue_let_nothing_out_and_a_stopped_one_does(tmp_path: Path) -> None:
    async def main() -> None:
        async with place(tmp_path) as space:
            await space.send("alice", pdf([text(1)] * 2), "application/pdf")
            await space.send("mallory", b"%PDF-1.7 broken", "application/pdf")
            await space.until(lambda: len(space.held()) == 2 and space.looked_through())
            assert [(one.sides, one.why) for one in space.held()] == [(2, ""), (None, "broken")]

            space.badge("FFFFFFFFFF")
            await space.until(lambda: (space.greeting() or _NONE).refused == "card")
            await space.copier.press("jam")
            space.badge(CARDS["alice"])
            await space.until(lambda: (space.greeting() or _NONE).refused == "jam")
            assert space.facts(ReleaseRefused) == [ReleaseRefused("copieur", space.members["alice"], "jam", 1)]
            await space.copier.press("clear")

            # CUPS stops a queue whose backend it cannot start: the next badge starts it, and is served
            await asyncio.to_thread(space.cupsd._run, "cupsdisable", OUT)
            space.badge(CARDS["alice"])
            await space.until(lambda: space.physical() == 2)
            released = [one for one in space.facts(JobReleased) if isinstance(one, JobReleased)]
            assert [one.member for one in released] == [space.members["alice"]]

            await asyncio.to_thread(_enable, space)  # somebody starts the intake queue by hand: stopped again at once
            await space.until(lambda: "disabled" in _state(space))
            space.badge(CARDS["bob"])
            await space.until(lambda: (space.greeting() or _NONE).jobs == 0)
            assert len(space.facts(JobReleased)) == 1

            # CUPS gives a document up that its filters cannot read: it does not wait for ever
            number = await space.send("bob", b"%PDF-1.7 broken", "application/pdf")
            await space.until(lambda: number in {one.job for one in space.held()} and space.looked_through())
            space.badge(CARDS["bob"])
            await space.until(lambda: _read_up_to(space) == number)
            await space.until(lambda: space.standing.picture().devices["copieur"].waiting == 0)
            await space.until(lambda: bool(space.facts(JobUnprinted)))
            (told,) = [one for one in space.facts(JobUnprinted) if isinstance(one, JobUnprinted)]
            assert (told.job, told.member, told.why) == (number, space.members["bob"], "unreadable")
            assert space.physical() == 2

    asyncio.run(main())


def test_a_machine_that_tells_nothing_is_believed_by_the_document(tmp_path: Path) -> None:
    async def main() -> None:
        async with place(tmp_path, tells="nothing") as space:
            banner = attribute("job-sheets", Tag.NAME, "standard")
            await space.send("alice", pdf([text(1)] * 3), "application/pdf", banner)
            await space.send("alice", pdf([text(1)] * 5), "application/pdf", attribute("copies", Tag.INTEGER, 2))
            await space.until(lambda: len(space.held()) == 2 and space.looked_through())
            space.badge(CARDS["alice"])
            await space.until(lambda: len(space.facts(PagesCounted)) >= 2)
            rows = [row for row in space.facts(PagesCounted) if isinstance(row, AttemptOwned)]
            seen = [(row.member, row.low, row.high, row.free, row.evidence, row.level) for row in rows]
            alice = space.members["alice"]
            # whether the banner came out nobody can say (this machine leaves it out): it is in the interval, unpaid
            assert sorted(seen) == [
                (alice, 3, 4, 0, Evidence.FORECAST, Level.BADGE),
                (alice, 10, 10, 0, Evidence.FORECAST, Level.BADGE),
            ]
            assert space.physical() == 3 + 10

    asyncio.run(main())


def test_a_queue_that_prints_at_once_is_believed_by_the_document_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with place(tmp_path, tells="nothing", more=f'queues = ["{DIRECT}"]') as space:
            feast = space.people.payers.add("Fête du village", FormulaId("occasional"), actor="cli")
            space.people.payers.name_user(feast, space.members["alice"], actor="cli")
            await space.copier.press("jam")  # it stands while it is looked at: what is asserted does not race
            document, kind = pdf([text(1)] * 5), "application/pdf"
            twice = attribute("copies", Tag.INTEGER, 2)
            job = await space.send("alice", document, kind, twice, queue=DIRECT)
            await space.until(lambda: bool(space.facts(JobForetold)))
            await space.copier.press("clear")
            await space.until(lambda: bool(space.facts(PagesCounted)))
            told = [one for one in space.facts(JobForetold) if isinstance(one, JobForetold)]
            assert [(one.job, one.sides, one.colour, one.banners) for one in told] == [(job, 10, 0, 0)]
            rows = [row for row in space.facts(PagesCounted) if isinstance(row, AttemptOwned)]
            seen = [(row.member, row.low, row.high, row.evidence, row.level) for row in rows]
            assert seen == [(space.members["alice"], 10, 10, Evidence.FORECAST, Level.CLAIMED)]
            assert space.physical() == 10
            await _a_client_names_an_account(space, feast)

    asyncio.run(main())


async def _a_client_names_an_account(space: Place, feast: MemberId) -> None:
    """job-account-id as lp(1) and a raw client send it, on a queue that prints at once and on one that waits."""
    alice, bob = space.members["alice"], space.members["bob"]
    page = pdf([text(1)])
    await space.copier.press("tells", "all")
    for user, queue, account in (
        ("alice", DIRECT, "Fête du village"),
        ("alice", DIRECT, "P:009"),  # there is none: she pays
        ("bob", DIRECT, "fete du village"),  # it does not name him: he pays
        ("alice", HELD, "fete_du_village"),
        ("bob", HELD, "p:001"),
    ):
        await asyncio.to_thread(_lp, space, user, queue, account, page)
    sent = attribute("job-account-id", Tag.NAME, "p:001")
    await space.send("alice", page, "application/pdf", sent, queue=DIRECT)
    await space.until(lambda: len(space.facts(PagesCounted)) == 5)
    rows = [row for row in space.facts(PagesCounted)[1:] if isinstance(row, AttemptOwned)]
    assert {row.level for row in rows} == {Level.CLAIMED}
    assert sorted((row.member, row.formula, row.low) for row in rows) == [
        (alice, "subscriber", 1),
        (bob, "subscriber", 1),
        (feast, "occasional", 1),
        (feast, "occasional", 1),
    ]
    await space.until(lambda: len(space.held()) == 2 and space.looked_through())
    waits = sorted((one.member, one.payer, one.charge) for one in space.held())
    assert waits == [(alice, feast, "charged"), (bob, feast, "not-named")]
    space.badge(CARDS["alice"])
    await space.until(lambda: len(space.facts(PagesCounted)) == 6)
    space.badge(CARDS["bob"])
    await space.until(lambda: bool(space.facts(ChargeRefused)))
    released = [one for one in space.facts(JobReleased) if isinstance(one, JobReleased)]
    assert [(one.member, one.formula) for one in released] == [(feast, "occasional")]
    (refused,) = [one for one in space.facts(ChargeRefused) if isinstance(one, ChargeRefused)]
    assert (refused.member, refused.payer, refused.why, refused.jobs) == (bob, feast, "not-named", 1)


def test_below_the_level_of_the_site_a_claimed_name_pays_nothing_and_a_password_does(tmp_path: Path) -> None:
    """CUPS on its own socket knows by the kernel who prints: as good as a password, and no account need be made."""

    async def main() -> None:
        more = f'queues = ["{DIRECT}"]\nbills_from = "authenticated"'
        async with place(tmp_path, more=more, policy="authenticated") as space:
            space.people.give_alias(space.members["bob"], "games", actor="cli")  # a user of every Debian
            await space.send("alice", pdf([text(1)] * 2), "application/pdf", queue=OUT)
            await space.until(lambda: len(space.facts(PagesCounted)) == 1)
            await asyncio.to_thread(_print_as, space, "games", pdf([text(1)] * 3))
            await space.until(lambda: len(space.facts(PagesCounted)) == 2)
            rows = [row for row in space.facts(PagesCounted) if isinstance(row, AttemptOwned)]
            assert [(row.member, row.low, row.level) for row in rows] == [
                ("", 2, Level.NOBODY),
                (space.members["bob"], 3, Level.AUTHENTICATED),
            ]

    asyncio.run(main())


def _lp(space: Place, user: str, queue: str, account: str, body: bytes) -> None:
    """Print with lp(1), which names an account to pay (PWG 5100.7); what has blanks it wants in quotes."""
    file = space.cupsd.home / "account.pdf"
    file.write_bytes(body)
    space.cupsd._run("lp", "-U", user, "-d", queue, "-o", f"job-account-id='{account}'", str(file))


class _None:
    refused, jobs = "", -1


_NONE = _None()


def _print_as(space: Place, user: str, body: bytes) -> None:
    """Print with lp(1) as a user of this machine; lp proves itself where it is asked to."""
    file = space.cupsd.home / "theirs.pdf"
    file.write_bytes(body)
    command = ["lp", "-h", space.cupsd.server, "-d", DIRECT, str(file)]
    subprocess.run(command, user=user, check=True, timeout=30, capture_output=True)


def _enable(space: Place) -> None:
    space.cupsd._run("cupsenable", HELD)


def _read_up_to(space: Place) -> int:
    return max((one.job for one in space.facts(SpoolRead) if isinstance(one, SpoolRead)), default=0)


def _state(space: Place) -> str:
    return space.cupsd._run("lpstat", "-p", HELD)


def _waiting(space: Place) -> str:
    return space.cupsd._run("lpstat", "-o", HELD)
