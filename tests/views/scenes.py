"""Scenes: a site and hand-made live pictures of everything that can happen to it, on a real ledger and roster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.config import (
    DoorConfig,
    FormulaConfig,
    InputConfig,
    LinkConfig,
    LockConfig,
    Places,
    PrinterConfig,
    ReaderConfig,
    Site,
    SiteCard,
    WebConfig,
)
from agent.live import LiveDevice, LiveDoor, LiveDriver, LiveLink, LiveSupply, Picture, write_picture
from agent.memory.ledger import Ledger
from agent.memory.roster import RosterStore
from agent.rules.door import DoorChanged, EntryDecided, LatchMoved, Passage
from agent.rules.facts import AliasId, CardKey, Fact, FormulaId, MemberId
from agent.rules.health import DriverChanged, ServiceStarted
from agent.rules.links import Cause, Health, LinkChanged
from agent.rules.pages import Evidence, PagesCounted
from agent.rules.paper import BooksOpened, CopiesCounted, CopyVisitEnded, CopyVisitStarted, PrintsUnmatched
from agent.rules.presence import VisitEnded, VisitEvidence, VisitStarted
from drivers.contract import Moment, Trust

NOON = datetime(2026, 11, 24, 11, 32, 7, tzinfo=UTC)  # 12:32:07 in Paris, a Tuesday
MONO_S = 90_000.0

SITE = Site(
    site=SiteCard("La Cordée Morez", "morez", help_phone="03 84 00 00 00"),
    formulas={"subscriber": FormulaConfig("always"), "occasional": FormulaConfig("hours")},
    links={"adsl1": LinkConfig("sim", "Orange"), "adsl2": LinkConfig("sim", "Free")},
    printers={"copieur": PrinterConfig("sim", "le copieur")},
    readers={"porte": ReaderConfig("sim", "door"), "comptoir": ReaderConfig("sim", "copieur")},
    door=DoorConfig(LockConfig("sim"), {"contact": InputConfig(22), "exit_button": InputConfig(27)}),
)


class HandClock:
    """A clock moved by hand."""

    def __init__(self, trust: Trust = Trust.SYNCHRONISED) -> None:
        self.moment = Moment(NOON, MONO_S, "boot-1", trust)

    def now(self) -> Moment:
        return self.moment

    def pass_s(self, seconds: float) -> None:
        utc = self.moment.utc + timedelta(seconds=seconds)
        self.moment = replace(self.moment, utc=utc, mono_s=self.moment.mono_s + seconds)


def ago(**parts: float) -> datetime:
    return NOON - timedelta(**parts)


UP = LiveLink("up", "none", ago(days=4), rtt_s=0.034, loss_share=0.0, sent=7200, lost=3)
UP2 = LiveLink("up", "none", ago(hours=5), rtt_s=0.0061, loss_share=0.01, sent=7200, lost=70)
UNKNOWN_LINK = LiveLink("unknown", "gap", ago(minutes=1))


def down(cause: str, minutes: float = 12) -> LiveLink:
    return LiveLink("down", cause, ago(minutes=minutes), loss_share=1.0, sent=7300, lost=720)


SUPPLIES = (
    LiveSupply("Black Toner", "black", 0.61),
    LiveSupply("Cyan Toner", "cyan", 0.42),
    LiveSupply("Magenta Toner", "magenta", 0.38),
    LiveSupply("Yellow Toner", "yellow", 0.55),
    LiveSupply("Waste Toner Box", "", None),
)
READY = LiveDevice("idle", (), SUPPLIES, counter=10_183)
CLOSED = LiveDoor("resting", "closed", ago(minutes=7), ago(hours=2), "always")


def pictures(  # one call paints a whole scene
    now: Moment,
    *,
    links: Mapping[str, LiveLink] | None = None,
    devices: Mapping[str, LiveDevice] | None = None,
    door: LiveDoor | None = CLOSED,
    drivers: Mapping[str, Mapping[str, LiveDriver]] | None = None,
    old: Mapping[str, float] | None = None,
    ledger_why: str = "",
) -> dict[str, Picture]:
    """Return the pictures of a site where all is well, but for what is said. `old`: service -> age in seconds."""
    lost, ages = drivers or {}, old or {}
    made = {}
    for service in ("links", "paper", "door"):
        age_s = ages.get(service, 1.0)
        at = replace(now, mono_s=now.mono_s - age_s, utc=now.utc - timedelta(seconds=age_s))
        made[service] = Picture(
            service,
            at,
            4242,
            "0.1.0",
            drivers=lost.get(service, {}),
            links=({"adsl1": UP, "adsl2": UP2} if links is None else links) if service == "links" else {},
            devices=({"copieur": READY} if devices is None else devices) if service == "paper" else {},
            door=door if service == "door" else None,
            ledger_ok=not ledger_why,
            ledger_why=ledger_why,
        )
    return made


def lost_driver(why: str = "no answer") -> LiveDriver:
    return LiveDriver(working=False, why=why, since=ago(minutes=3))


def scenes(now: Moment) -> dict[str, dict[str, Picture]]:
    """Every scene the page must be able to show, by name."""
    stopped = LiveDevice("stopped", ("media-empty-error", "toner-low-report"), SUPPLIES, counter=10_183, waiting=2)
    odd = LiveDevice("idle", ("acme-flux-capacitor-warning",), SUPPLIES, counter=10_183)
    empty = (LiveSupply("Black Toner", "black", 0.0), *SUPPLIES[1:])
    return {
        "well": pictures(now),
        "busy": pictures(
            now, devices={"copieur": replace(READY, state="processing", visitor=True, waiting=1, refused=ago(hours=1))}
        ),
        "cable": pictures(now, links={"adsl1": down("cable"), "adsl2": UP2}),
        "box": pictures(now, links={"adsl1": down("box"), "adsl2": UP2}),
        "internet": pictures(now, links={"adsl1": down("internet"), "adsl2": UP2}),
        "unmeasured": pictures(now, links={"adsl1": UNKNOWN_LINK, "adsl2": UP2}),
        "starting": pictures(now, links={"adsl1": UNKNOWN_LINK, "adsl2": UNKNOWN_LINK}),
        "both-box": pictures(now, links={"adsl1": down("box"), "adsl2": down("box", 11)}),
        "both-lines": pictures(now, links={"adsl1": down("internet"), "adsl2": down("internet", 12)}),
        "both-mixed": pictures(now, links={"adsl1": down("box"), "adsl2": down("internet", 30)}),
        "no-paper": pictures(now, devices={"copieur": stopped}),
        "odd-reason": pictures(now, devices={"copieur": odd}),
        "toner": pictures(now, devices={"copieur": replace(READY, reasons=("toner-empty-error",), supplies=empty)}),
        "printer-lost": pictures(now, drivers={"paper": {"printers.copieur": lost_driver()}}),
        "forced": pictures(now, door=replace(CLOSED, leaf="forced")),
        "held": pictures(now, door=replace(CLOSED, leaf="held")),
        "released": pictures(now, door=replace(CLOSED, latch="released")),
        "lock-lost": pictures(now, door=LiveDoor("unknown", "unknown"), drivers={"door": {"door.lock": lost_driver()}}),
        "inputs-lost": pictures(
            now, door=replace(CLOSED, leaf="unknown"), drivers={"door": {"door.inputs": lost_driver()}}
        ),
        "reader-lost": pictures(now, drivers={"door": {"readers.porte": lost_driver()}}),
        "silent-links": pictures(now, old={"links": 40.0}),
        "all-silent": pictures(now, old={"links": 40.0, "paper": 41.0, "door": 42.0}),
        "ledger": pictures(now, ledger_why="disk full"),
        "never": {},
        "worst": pictures(
            now,
            links={"adsl1": down("box"), "adsl2": down("internet", 30)},
            devices={"copieur": stopped},
            door=replace(CLOSED, leaf="held"),
        ),
    }


A, B = MemberId("m042"), MemberId("m007")
SUB, OCC = FormulaId("subscriber"), FormulaId("occasional")


def day() -> list[tuple[float, Fact]]:
    """Return a day's facts, by minutes before noon. Paper: 15 + 26 + 4 prints, 3 + 4 copies, 3 + 2 lost."""
    serial, card = "SN1", CardKey("ab" * 16)

    def pages(
        attempt: str, member: str, formula: str, mono: int, colour: int, state: str = "completed"
    ) -> PagesCounted:
        who = (AliasId(""), MemberId(member), FormulaId(formula))
        sides = mono + colour
        paper = (mono, colour, (sides + 1) // 2, sides, sides)
        return PagesCounted("copieur", serial, attempt, *who, *paper, Evidence.DEVICE, state)

    return [
        (60 * 30, BooksOpened("copieur", serial, 1, 9000, 1000, 100, 26, "first")),
        (240, ServiceStarted("paper", "0.1.0")),
        (239, ServiceStarted("door", "0.1.0")),
        (200, EntryDecided("porte", card, A, SUB, granted=True, rule="always")),
        (199.9, LatchMoved("released", "released")),
        (199, DoorChanged(Passage.CLOSED, Passage.OPEN)),
        (198.5, DoorChanged(Passage.OPEN, Passage.CLOSED)),
        (190, VisitStarted("v1", B, OCC, ago(minutes=190), VisitEvidence.ANIMATOR)),
        (150, pages("a1", "m042", "subscriber", 15, 0)),
        (140, CopiesCounted("copieur", serial, 1, "", MemberId(""), FormulaId(""), 3, 0, 103, 26)),
        (130, CopyVisitStarted("copieur", "c1", A, SUB)),
        (129, CopiesCounted("copieur", serial, 1, "c1", A, SUB, 3, 0, 106, 26)),
        (128, CopyVisitEnded("copieur", "c1", "badge-out")),
        (120, EntryDecided("porte", card, MemberId(""), FormulaId(""), granted=False, rule="unknown-card")),
        (110, EntryDecided("porte", card, B, OCC, granted=False, rule="closed")),
        (95, pages("a2", "", "", 20, 6)),
        (94, pages("a3", "m007", "occasional", 4, 0, "canceled")),
        (80, PrintsUnmatched("copieur", serial, 1, 2, 0, 9041, 1006)),
        (70, CopiesCounted("copieur", serial, 1, "c2", B, OCC, 4, 0, 110, 26)),
        (60, VisitEnded("v1", B, OCC, ago(minutes=190), ago(minutes=60), 130, VisitEvidence.ANIMATOR)),
        (40, DriverChanged("paper", "printers.copieur", working=False, why="no answer")),
        (38, DriverChanged("paper", "printers.copieur", working=True, why="")),
        (12, LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.BOX, ago(minutes=12.1), "arp 0/5, echo 0/9")),
        (6, LinkChanged("adsl1", Health.DOWN, Health.UP, Cause.NONE, ago(minutes=6), "echo 9/9", Cause.BOX, 366.0)),
    ]


def write_day(ledger: Ledger) -> None:
    """Write `day()` down."""
    for minutes, fact in day():
        at = Moment(ago(minutes=minutes), MONO_S - minutes * 60, "boot-1", Trust.SYNCHRONISED)
        ledger.append_now(fact, at, f"{fact.kind}:{minutes}")


@dataclass(frozen=True)
class House:
    """A site with its memory, ready to be shown."""

    site: Site
    places: Places
    ledger: Ledger
    roster: RosterStore
    clock: HandClock

    def paint(self, scene: Mapping[str, Picture]) -> None:
        """Put a scene in the runtime folder, and nothing else."""
        for old in (self.places.run / "live").glob("*.json"):
            old.unlink()
        for picture in scene.values():
            write_picture(self.places.run, picture)


@contextlib.contextmanager
def house(folder: Path, site: Site = SITE, token: str = "") -> Iterator[House]:
    """Open a house in `folder`."""
    places = Places(folder / "state", folder / "run")
    places.state.mkdir(parents=True)
    places.run.mkdir()
    if token:
        (folder / "token").write_text(token + "\n")
        site = replace(site, web=WebConfig(billing_token_file=str(folder / "token")))
    clock = HandClock()
    with Ledger.open(places.state / "ledger.db") as ledger, RosterStore.open(places.state, ledger, clock) as roster:
        yield House(site, places, ledger, roster, clock)
