"""Plan B and the kind of the lock: what a site must have thought of, and what the page may claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.config import DoorConfig, FormulaConfig, InputConfig, LockConfig, ReaderConfig, Site, SiteCard
from agent.live import LiveDoor, Picture
from agent.siteplan import gaps, notices
from agent.views.journal import Today
from agent.views.sentences import Saying
from agent.views.state import state_of
from drivers.contract import Moment, Trust

DOOR = DoorConfig(
    LockConfig("gpio", chip="c"), {"exit_button": InputConfig(22)}, key_box="à droite", night_phone="03 84 00 00 01"
)
PORTE = ReaderConfig("serial", "door", device="/dev/serial/by-id/usb-porte-if00")
SITE = Site(SiteCard("Essai", "essai"), door=DOOR, readers={"porte": PORTE})
NOW = Moment(datetime(2026, 11, 23, 9, 0, tzinfo=UTC), 100.0, "boot", Trust.SYNCHRONISED)


def test_members_at_any_hour_need_a_plan_b() -> None:
    assert gaps(SITE) == []
    assert [said.split()[1] for said in gaps(replace(SITE, door=replace(DOOR, key_box=" ", night_phone="")))] == [
        "key_box",
        "night_phone",
    ]
    hours = {"occasional": FormulaConfig("hours")}
    assert gaps(replace(SITE, formulas=hours, door=replace(DOOR, key_box=""))) == []
    assert gaps(replace(SITE, door=None)) == []


def test_who_installs_is_told_what_the_lock_does_without_current() -> None:
    assert list(notices(SITE)) == []
    assert list(notices(replace(SITE, door=None))) == []
    (said,) = notices(replace(SITE, door=replace(DOOR, lock=replace(DOOR.lock, strike="rupture"))))
    assert "déverrouille la porte" in said
    (said,) = notices(replace(SITE, door=replace(DOOR, inputs={})))
    assert "sans autorisation" in said


def test_who_installs_is_told_what_no_card_will_open_and_what_may_change_its_name() -> None:
    for readers in ({}, {"dedans": replace(PORTE, direction="out")}):
        (said,) = notices(replace(SITE, readers=readers))
        assert "aucune carte n'ouvrira la porte" in said
    for device in ("/dev/ttyUSB0", "/dev/ttyACM12"):
        (said,) = notices(replace(SITE, readers={"porte": replace(PORTE, device=device)}))
        assert said.startswith(f"[readers.porte] device : {device} ")
    for device in ("/dev/serial0", "/dev/ttyAMA0", "/dev/serial/by-path/platform-usb-0:1.2:1.0-port0"):
        assert list(notices(replace(SITE, readers={"porte": replace(PORTE, device=device)}))) == []


@pytest.mark.parametrize(
    ("strike", "active_high", "released_high"),
    [
        ("emission", True, True),
        ("emission", False, False),
        ("rupture", True, False),
        ("rupture", False, True),
        ("magnet", True, False),
    ],
)
def test_the_kind_of_the_lock_decides_the_resting_level(strike: str, active_high: bool, released_high: bool) -> None:
    lock = LockConfig("gpio", strike=strike, active_high=active_high)
    assert lock.released_high is released_high


def said_of(strike: str, latch: str, *, silent: bool = False) -> str:
    site = replace(SITE, door=replace(DOOR, lock=replace(DOOR.lock, strike=strike)))
    live = LiveDoor(latch, "closed")
    pictures = {} if silent else {"door": Picture("door", NOW, 1, "1", door=live)}
    state = state_of(site, pictures, Today(seq=0, count=0), NOW, asking="web")
    (card,) = [card for card in Saying(site, state, "fr").cards() if card.name == "Porte"]
    return " / ".join([*(one.title for one in card.incidents), *(f"{line.words} {line.soft}" for line in card.lines)])


def test_the_page_claims_no_more_than_the_lock_allows() -> None:
    assert "Commande de la porte au repos Cela ne dit pas" in said_of("emission", "resting")
    fed = said_of("magnet", "resting")
    assert "Serrure alimentée" in fed
    assert "sans courant, elle ne l'est plus" in fed
    assert "Boîte à clés" not in fed
    dead = said_of("rupture", "unknown")
    assert "elle est peut-être déverrouillée" in dead
    assert "Boîte à clés\u00a0: à droite" in dead
    assert "appelez le 03 84 00 00 01" in dead
    assert "pas si la porte est verrouillée" in said_of("rupture", "resting", silent=True)
    assert "pas si la porte fonctionne" in said_of("emission", "resting", silent=True)
