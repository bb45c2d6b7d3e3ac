"""Alerts from the live picture to a far end on loopback: links down, restarts, refusals; one message each."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import pytest

from agent.config import LinkConfig, Site, SiteCard
from agent.live import LiveDriver, LiveLink, Picture, write_picture
from agent.memory.ledger import Ledger, LedgerError
from agent.rules.alarms import AlarmPolicy, AlarmRaised, AlarmState, AlarmTold, Letter
from agent.rules.hours import Quiet
from agent.rules.incidents import KEYS, Area, Incident, Level
from agent.rules.links import Cause, Health
from agent.services.alerts import open_routes, read_urls, surviving
from agent.sitefile import read_site
from agent.stories import alarms
from agent.stories.alarms import AlarmBook, forward, raise_alarms
from agent.views.notices import say_letter
from agent.views.state import LinkLine
from agent.views.words import LANGUAGES
from drivers.clock import SystemClock
from drivers.contract import DriverError, Messenger, Moment, Trust
from tests.far_ends import FarEnd, free_port, mailbox, topic

PARIS = ZoneInfo("Europe/Paris")
POLICY = AlarmPolicy(Level.WATCH, 60.0, 300.0, ("ntfy-1",))
ORANGE = Incident(Area.INTERNET, Level.WATCH, "link-box", "adsl1")
BOTH = Incident(Area.INTERNET, Level.DOWN, "all-box")
SITE = """
[site]
name = "La Cordée Morez"
code = "morez"
[links.adsl1]
kind = "sim"
label = "Orange"
[links.adsl2]
kind = "sim"
label = "Free"
[alerts]
urls_file = "{urls}"
after_s = 1
calm_s = 1
"""


class HandClock:
    """A clock a test moves."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> Moment:
        utc = datetime(2026, 11, 24, 20, 0, tzinfo=UTC) + timedelta(seconds=self.passed_s)
        return Moment(utc, 5000.0 + self.passed_s, "boot-1", Trust.SYNCHRONISED)


class Post:
    """A messenger that keeps what it takes, while it takes anything."""

    def __init__(self) -> None:
        self.open = True
        self.taken: list[str] = []
        self.tries = 0
        self.ways: list[str] = []

    async def send(self, title: str, text: str, via: str = "") -> None:
        self.tries += 1
        self.ways.append(via)
        if not self.open:
            raise DriverError("closed")
        self.taken.append(f"{title} {text}".strip())


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(alarms, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(alarms, "LOOK_AGAIN_S", 0.05)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def briefly(letter: Letter, lost: int) -> tuple[str, str]:
    return f"{letter.state}:{letter.opened.incident}", f"{lost} lost" if lost else ""


class Desk:
    """The two kinds of coroutine over one ledger."""

    def __init__(self, ledger: Ledger, clock: HandClock, *, quiet: str = "", **posts: Messenger) -> None:
        self.book, self.clock = AlarmBook(ledger, clock), clock
        self.incidents: tuple[Incident, ...] = ()
        self.looks = 0
        self.shown: dict[str, LiveDriver] = {}
        routes = {name.replace("_", "-"): post for name, post in posts.items()}
        policy = replace(POLICY, routes=tuple(routes))
        hours = Quiet.parse(quiet)
        self._coroutines = [
            raise_alarms(self.book, self._look, policy, clock, 0.005),
            *(
                forward(
                    self.book,
                    name,
                    post,
                    briefly,
                    hours,
                    clock,
                    PARIS,
                    self.shown.__setitem__,
                    lambda: "eth2",
                )
                for name, post in routes.items()
            ),
        ]

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(one) for one in self._coroutines]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def see(self, *incidents: Incident, lasts: float) -> None:
        """Show these for `lasts` s of the hand clock; return when they were judged, and told if all went quickly."""
        self.incidents = incidents
        await self._judged()
        await asyncio.sleep(0.05)
        self.clock.passed_s += lasts
        await self._judged()
        await asyncio.sleep(0.15)

    def _look(self) -> tuple[Incident, ...]:
        self.looks += 1
        return self.incidents

    async def _judged(self) -> None:
        """Wait for the end of the first judgement that began after this call."""
        seen = self.looks
        while self.looks < seen + 2:
            await asyncio.sleep(0.005)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def test_one_message_when_it_begins_and_one_when_it_ends(ledger: Ledger) -> None:
    post = Post()

    async def story() -> None:
        async with Desk(ledger, HandClock(), ntfy_1=post) as desk:
            await desk.see(ORANGE, lasts=61)
            assert post.taken == ["opened:link-box"]
            await desk.see(lasts=301)
            assert desk.shown["alerts.ntfy-1"].working

    run(story)
    assert post.taken == ["opened:link-box", "closed:link-box"]
    told = [entry.fact for entry in ledger.entries(AlarmTold)]
    assert [(fact.state, fact.route, fact.sent) for fact in told] == [
        (AlarmState.OPENED, "ntfy-1", True),
        (AlarmState.CLOSED, "ntfy-1", True),
    ]


def test_while_nothing_can_leave_it_is_kept_and_then_sent_once_oldest_first(ledger: Ledger) -> None:
    post, clock = Post(), HandClock()
    post.open = False

    async def night() -> None:
        async with Desk(ledger, clock, ntfy_1=post) as desk:
            await desk.see(BOTH, lasts=61)
            await desk.see(BOTH, Incident(Area.PAPER, Level.DOWN, "printer-jam", "copieur"), lasts=61)
            assert not desk.shown["alerts.ntfy-1"].working
            assert desk.shown["alerts.ntfy-1"].why == "closed"

    async def morning() -> None:
        async with Desk(ledger, clock, ntfy_1=post) as desk:
            await desk.see(Incident(Area.PAPER, Level.DOWN, "printer-jam", "copieur"), lasts=301)
            assert post.taken == []
            assert post.tries > 2
            post.open = True
            await desk.see(Incident(Area.PAPER, Level.DOWN, "printer-jam", "copieur"), lasts=5)
            assert desk.shown["alerts.ntfy-1"].working

    run(night)
    run(morning)
    run(_nothing_more(ledger, clock, post))
    assert post.ways[:4] == ["eth2", "", "eth2", ""]  # by the living link, and every other try as the routes say
    assert post.taken == ["closed:all-box", "opened:printer-jam"]


def _nothing_more(ledger: Ledger, clock: HandClock, post: Post) -> Callable[[], Awaitable[None]]:
    async def story() -> None:
        async with Desk(ledger, clock, ntfy_1=post) as desk:
            await desk.see(Incident(Area.PAPER, Level.DOWN, "printer-jam", "copieur"), lasts=100)

    return story


def test_one_way_that_is_closed_does_not_hold_up_the_other(ledger: Ledger) -> None:
    mail, ntfy = Post(), Post()
    mail.open = False

    async def story() -> None:
        async with Desk(ledger, HandClock(), mailto_1=mail, ntfy_2=ntfy) as desk:
            await desk.see(ORANGE, lasts=61)
            assert (mail.taken, ntfy.taken) == ([], ["opened:link-box"])
            mail.open = True
            await desk.see(ORANGE, lasts=1)

    run(story)
    assert mail.taken == ntfy.taken == ["opened:link-box"]


def test_quiet_hours_hold_back_all_but_a_forced_door(ledger: Ledger) -> None:
    post, clock = Post(), HandClock()  # 21:00 in Morez

    async def story() -> None:
        async with Desk(ledger, clock, quiet="21:00-22:00", ntfy_1=post) as desk:
            await desk.see(ORANGE, Incident(Area.DOOR, Level.DOWN, "door-forced"), lasts=61)
            assert post.taken == ["opened:door-forced"]
            await desk.see(ORANGE, Incident(Area.DOOR, Level.DOWN, "door-forced"), lasts=3600)

    run(story)
    assert post.taken == ["opened:door-forced", "opened:link-box"]


def test_too_many_letters_are_bounded_and_the_loss_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "WAITING_MOST", 2)
    post, clock = Post(), HandClock()
    post.open = False
    jams = [Incident(Area.PAPER, Level.DOWN, "printer-jam", f"p{n}") for n in range(4)]

    async def story() -> None:
        async with Desk(ledger, clock, ntfy_1=post) as desk:
            await desk.see(*jams[:2], lasts=61)
            await desk.see(lasts=301)
            await desk.see(*jams[2:], lasts=61)
            post.open = True
            await desk.see(*jams[2:], lasts=1)

    run(story)
    assert post.taken == ["opened:printer-jam 2 lost", "opened:printer-jam"]
    lost = [entry.fact for entry in ledger.entries(AlarmTold) if not entry.fact.sent]  # type: ignore[attr-defined]
    assert len(lost) == 2


def test_a_ledger_that_cannot_be_written_is_told_all_the_same(tmp_path: Path) -> None:
    class FullLedger(Ledger):
        def append(self, *_: object) -> asyncio.Future[int]:
            raise LedgerError("the disk is full")

    post = Post()

    async def story() -> None:
        with FullLedger.open(tmp_path / "ledger.db") as full:
            async with Desk(full, HandClock(), ntfy_1=post) as desk:
                await desk.see(Incident(Area.BOX, Level.DOWN, "ledger-fault", "door"), lasts=61)
                await desk.see(Incident(Area.BOX, Level.DOWN, "ledger-fault", "door"), lasts=100)

    run(story)
    assert post.taken == ["opened:ledger-fault"]


def test_what_is_over_and_told_is_forgotten_in_memory(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "WAITING_MOST", 1)
    post = Post()

    async def story() -> None:
        async with Desk(ledger, HandClock(), ntfy_1=post) as desk:
            for _ in range(4):
                await desk.see(ORANGE, lasts=61)
                await desk.see(lasts=301)
            while len(post.taken) < 8:  # `run` has a limit
                await asyncio.sleep(0.05)
            assert len(desk.book.facts) <= 10

    run(story)
    assert len(post.taken) == 8


# --- words ------------------------------------------------------------------------------------------------


def fact(key: str, state: AlarmState, minutes: int, trust: Trust = Trust.SYNCHRONISED) -> AlarmRaised:
    since = datetime(2026, 11, 24, 20, 5, tzinfo=UTC) + timedelta(minutes=minutes)
    return AlarmRaised("x", key, "adsl1", "", Area.INTERNET, state, since, trust, ("ntfy-1",))


def test_a_letter_says_what_and_when(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(urls="/etc/gardien/alerts.urls"), encoding="utf-8")
    site = read_site(tmp_path / "site.toml")
    opened = fact("link-box", AlarmState.OPENED, 0)
    assert say_letter(site, Letter(opened, None), 0, "fr") == (
        "La Cordée Morez\u00a0: Orange coupé\u00a0: la box ne répond plus",
        (
            "Depuis mardi 24 novembre à 21:05.\nRedémarrez la box Orange\u00a0: éteignez-la au bouton, attendez"
            " 30 secondes, rallumez, patientez 5 minutes, sans jamais toucher à «\u00a0Reset\u00a0»."
        ),
    )
    closed = fact("link-box", AlarmState.CLOSED, 95, Trust.UNKNOWN)
    assert say_letter(site, Letter(opened, closed), 2, "fr") == (
        "La Cordée Morez\u00a0: terminé (Orange coupé\u00a0: la box ne répond plus)",
        (
            "De mardi 24 novembre à 21:05 à mardi 24 novembre à 22:40, soit 1\u00a0h\u00a035.\n"
            "L'heure du boîtier n'était pas vérifiée\u00a0: ces heures peuvent être fausses.\n"
            "2\u00a0messages plus anciens n'ont pas pu partir."
        ),
    )
    assert say_letter(site, Letter(opened, closed), 0, "en")[0].startswith("La Cordée Morez: over (")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_incident_can_be_told_and_names_nobody(tmp_path: Path, language: str) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(urls="/etc/gardien/alerts.urls"), encoding="utf-8")
    site = read_site(tmp_path / "site.toml")
    fields = {one.name for one in dataclasses.fields(AlarmRaised)}
    assert fields == {"alarm", "incident", "subject", "detail", "area", "state", "since", "trust", "routes"}
    for key in KEYS:
        for area in Area:
            opened = replace(fact(key, AlarmState.OPENED, 0), area=area, detail="media-jam")
            title, text = say_letter(site, Letter(opened, None), 0, language)
            assert title.startswith("La Cordée Morez")
            assert text.count("\n") == 1  # since when, and one remedy


# --- the addresses ------------------------------------------------------------------------------------------


def test_addresses_are_for_one_pair_of_eyes(tmp_path: Path) -> None:
    file = tmp_path / "alerts.urls"
    with pytest.raises(DriverError, match="ne peut être lu"):
        read_urls(file)
    file.write_text("# people\n\nntfy://127.0.0.1:9/secret-topic\nmailto://u:pw@127.0.0.1?from=a@b.fr&to=c@d.fr\n")
    file.chmod(0o640)
    with pytest.raises(DriverError, match="lisible par d'autres"):
        read_urls(file)
    file.chmod(0o600)
    assert list(open_routes(read_urls(file))) == ["ntfy-1", "mailto-2"]
    file.write_text("# nobody\n")
    with pytest.raises(DriverError, match="contient 0 adresses"):
        read_urls(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DriverError, match="UTF-8"):
        read_urls(file)


# --- by which link ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adsl1", "adsl2", "interface"),
    [("up", "up", ""), ("down", "up", "eth2"), ("up", "down", "eth1"), ("down", "down", ""), ("unknown", "up", "eth2")],
)
def test_while_one_link_is_dead_the_other_is_taken(adsl1: str, adsl2: str, interface: str) -> None:
    links = {name: LinkConfig("scapy", interface=face) for name, face in (("adsl1", "eth1"), ("adsl2", "eth2"))}
    site = Site(SiteCard("Morez", "morez"), links=links)
    lines = tuple(
        LinkLine(name, Level.OK, Health(health), Cause.NONE, None, None, None)
        for name, health in (("adsl1", adsl1), ("adsl2", adsl2))
    )
    assert surviving(site, lines) == interface


# --- the process --------------------------------------------------------------------------------------------


class Box:
    """The real alerts service as a process; the test paints what the other services see."""

    def __init__(self, folder: Path, urls: str) -> None:
        self.state, self.run = folder / "state", folder / "run"
        self.state.mkdir()
        self.run.mkdir()
        self.site = folder / "site.toml"
        file = folder / "alerts.urls"
        file.write_text(urls, encoding="utf-8")
        file.chmod(0o600)
        self.site.write_text(SITE.format(urls=file), encoding="utf-8")
        self.clock = SystemClock()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "agent.cli", "run", "alerts", "--site", str(self.site)]
        command += ["--state", str(self.state), "--run", str(self.run)]
        environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def see(self, adsl1: str, adsl2: str, until: Callable[[], bool], limit_s: float = 40) -> None:
        """Paint both links as "up" or "down" until something is so."""
        ends = time.monotonic() + limit_s
        while not until():
            assert time.monotonic() < ends, "it did not happen"
            now = self.clock.now()
            lines = {
                name: LiveLink(how, "box" if how == "down" else "none", now.utc if how == "up" else None)
                for name, how in (("adsl1", adsl1), ("adsl2", adsl2))
            }
            for service in ("links", "web"):
                links = lines if service == "links" else {}
                write_picture(self.run, Picture(service, now, 1, "0", links=links))
            time.sleep(0.1)

    def raised(self) -> list[str]:
        """Return what the ledger says was raised."""
        if not (self.state / "ledger.db").exists():
            return []
        with Ledger.open(self.state / "ledger.db") as ledger:
            facts = [entry.fact for entry in ledger.entries(AlarmRaised)]
            return [str(fact.state) for fact in facts if isinstance(fact, AlarmRaised) and fact.area is Area.INTERNET]

    def sent(self) -> int:
        """Return how many messages about the lines the ledger knows to be on their way: those are not sent again."""
        with Ledger.open(self.state / "ledger.db") as ledger:
            facts = [entry.fact for entry in ledger.entries(AlarmRaised, AlarmTold)]
        lines = {fact.alarm for fact in facts if isinstance(fact, AlarmRaised) and fact.area is Area.INTERNET}
        return sum(isinstance(fact, AlarmTold) and fact.sent and fact.alarm in lines for fact in facts)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Callable[[str], Box]]:
    boxes: list[Box] = []

    def make(urls: str) -> Box:
        boxes.append(Box(tmp_path, urls))
        return boxes[-1]

    yield make
    for one in boxes:
        one.kill()


def lines_of(far: FarEnd) -> list[str]:
    """Return the titles about the lines: the clock of the machine that tests may be an incident too."""
    titles = [title.replace("\u00a0", " ") for title, _ in far.taken]  # a mail's subject is folded
    return [title for title in titles if "internet" in title or "Orange" in title]


@pytest.mark.timeout(180)
def test_a_night_without_internet_a_killed_service_and_each_message_once(box: Callable[[str], Box]) -> None:
    ntfy, smtp = free_port(), free_port()
    urls = f"ntfy://127.0.0.1:{ntfy}/morez\nmailto://u:p@127.0.0.1:{smtp}?from=b@example.org&to=o@example.org&mode=insecure\n"
    here = box(urls)
    here.start()
    here.see("down", "down", lambda: here.raised() == ["opened"])  # both lines are cut, and so is the way to anybody
    here.kill()
    here.start()
    here.see("up", "up", lambda: here.raised() == ["opened", "closed"])  # ... and it is over before anybody listens
    with topic(ntfy) as phone, mailbox(smtp) as mail:
        here.see("up", "up", lambda: len(lines_of(phone)) == len(lines_of(mail)) == 1)
        here.see("down", "up", lambda: len(lines_of(phone)) == len(lines_of(mail)) == 2)
        here.see("down", "up", lambda: here.sent() == 4)
        here.kill()
        here.start()
        began = time.monotonic()
        here.see("down", "up", lambda: time.monotonic() - began > 5)  # nothing is said twice
        here.see("up", "up", lambda: len(lines_of(phone)) == len(lines_of(mail)) == 3)
        assert lines_of(phone) == lines_of(mail)
        titles = lines_of(phone)
    assert titles == [
        "La Cordée Morez : terminé (Plus d'internet : aucune box ne répond)",
        "La Cordée Morez : Orange coupé : la box ne répond plus",
        "La Cordée Morez : terminé (Orange coupé : la box ne répond plus)",
    ]
