"""The model of what the animator sees, scene by scene; and that it holds nobody's id for machines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent.config import AlertsConfig, Site, SiteCard
from agent.live import LiveDevice, LiveDoor, LiveDriver, LiveLink
from agent.rules.attribution import CopiesAttributed, Slips
from agent.rules.facts import FormulaId, MemberId
from agent.rules.hours import WeeklyHours
from agent.rules.incidents import Area, Level
from agent.rules.members import Roster
from agent.rules.paper import CopiesCounted
from agent.views.journal import Today
from agent.views.sentences import Saying
from agent.views.state import SiteState, as_json, plain, state_of
from agent.views.status import status_lines
from agent.views.written import NobodysCopies, Written
from drivers.contract import Moment, Trust
from tests.views.scenes import CLOSED, NOON, SITE, UP, A, HandClock, down, lost_driver, pictures, scenes

NOW = HandClock().now()

VERDICTS = {
    "well": "Tout fonctionne",
    "busy": "Tout fonctionne",
    "released": "Tout fonctionne",
    "cable": "L'essentiel fonctionne, 1 point à surveiller",
    "box": "L'essentiel fonctionne, 1 point à surveiller",
    "internet": "L'essentiel fonctionne, 1 point à surveiller",
    "unmeasured": "L'essentiel fonctionne, 1 point à surveiller",
    "starting": "Internet : état inconnu",
    "both-box": "1 panne : Plus d'internet : aucune box ne répond",
    "both-lines": "1 panne : Plus d'internet : toutes les lignes sont coupées",
    "both-mixed": "1 panne : Plus d'internet du tout",
    "no-paper": "1 panne : Le copieur : plus de papier",
    "odd-reason": "L'essentiel fonctionne, 1 point à surveiller",
    "toner": "1 panne : Le copieur : toner vide (noir 0 %)",
    "printer-lost": "1 panne : Le copieur ne répond pas",
    "forced": "Porte ouverte sans autorisation",
    "held": "L'essentiel fonctionne, 1 point à surveiller",
    "lock-lost": "1 panne : La commande de la porte ne répond plus",
    "inputs-lost": "L'essentiel fonctionne, 1 point à surveiller",
    "reader-lost": "1 panne : Lecteur de cartes hors service (porte)",
    "silent-links": "Nous ne savons pas si internet fonctionne",
    "all-silent": "Nous ne savons pas",
    "ledger": "1 panne : Le registre ne s'écrit plus : rien n'est compté",
    "never": "Nous ne savons pas",
    "worst": "2 pannes : Plus d'internet du tout",
}


def see(name: str) -> SiteState:
    return state_of(SITE, scenes(NOW)[name], Today(), NOW, asking="web")


def test_every_scene_has_its_verdict() -> None:
    assert set(VERDICTS) == set(scenes(NOW))
    for name, verdict in VERDICTS.items():
        said = Saying(SITE, see(name), "fr").verdict().sentence
        assert said.replace("\u00a0", " ") == verdict, name


@pytest.mark.parametrize("name", ["silent-links", "all-silent", "never"])
def test_a_picture_too_old_is_never_fine(name: str) -> None:
    state = see(name)
    silent = {Area.INTERNET} if name == "silent-links" else {Area.INTERNET, Area.PAPER, Area.DOOR}
    assert {card.area for card in state.cards if card.level is Level.UNKNOWN} == silent
    if name != "silent-links":
        assert state.door is not None
        assert {state.door.level, state.devices[0].level, *(link.level for link in state.links)} == {Level.UNKNOWN}
        assert [line.up for line in state.services] == [False, False, False, True]


def test_a_picture_of_another_boot_says_nothing() -> None:
    state = state_of(SITE, pictures(replace(NOW, boot="boot-0")), Today(), NOW, asking="web")
    assert state.level is Level.UNKNOWN


def test_a_link_whose_probing_failed_is_unknown_and_not_down() -> None:
    scene = pictures(NOW, links={"adsl1": down("box"), "adsl2": UP}, drivers={"links": {"links.adsl1": lost_driver()}})
    state = state_of(SITE, scene, Today(), NOW, asking="web")
    assert (state.links[0].health, state.links[0].cause) == ("unknown", "gap")
    assert [one.key for one in state.incidents] == ["link-unknown"]


def test_words_of_a_newer_service_say_nothing() -> None:
    scene = pictures(
        NOW,
        links={"adsl1": LiveLink("sideways", "gremlins", None), "adsl2": UP},
        devices={"copieur": LiveDevice("dreaming")},
        door=LiveDoor("melted", "ajar"),
    )
    state = state_of(SITE, scene, Today(), NOW, asking="web")
    assert {one.key for one in state.incidents} == {
        "link-unknown",
        "printer-unknown",
        "latch-unknown",
        "contact-silent",
    }


def test_what_the_site_file_does_not_name_is_not_shown() -> None:
    bare = Site(site=SiteCard("Bureau nomade", "nomade"))
    state = state_of(bare, pictures(NOW), Today(), NOW, asking="web")
    assert (state.level, state.cards, state.links, state.devices, state.door) == (Level.OK, (), (), (), None)
    assert bare.services == ("web",)
    assert SITE.services == ("links", "paper", "door", "web")


def test_the_terminal_also_misses_the_pages_service() -> None:
    state = state_of(SITE, pictures(NOW), Today(), NOW)
    assert [one.key for one in state.incidents] == ["silent-box"]


def test_a_device_that_waits_for_paper_is_not_called_ready() -> None:
    waits = LiveDevice("idle", ("media-empty-error",), (), counter=10_183)
    state = state_of(SITE, pictures(NOW, devices={"copieur": waits}), Today(), NOW, asking="web")
    paper = next(card for card in Saying(SITE, state, "fr").cards() if card.area is Area.PAPER)
    assert paper.level is Level.DOWN
    assert [(line.level, line.words) for line in paper.lines] == [(Level.DOWN, "à dépanner")]
    low = LiveDevice("idle", ("toner-low-report",), (), counter=10_183)
    state = state_of(SITE, pictures(NOW, devices={"copieur": low}), Today(), NOW, asking="web")
    assert Saying(SITE, state, "fr").cards()[1].lines[0].words == "prêt"


def test_the_clock_is_to_be_watched_until_it_is_verified() -> None:
    state = state_of(SITE, pictures(NOW), Today(), replace(NOW, trust=Trust.RESTORED), asking="web")
    assert (state.level, state.incidents[0].key) == (Level.WATCH, "clock-untrusted")


def test_a_fault_of_our_own_ledger_is_a_breakdown() -> None:
    state = state_of(SITE, pictures(NOW), Today(fault="disk full"), NOW, asking="web")
    assert (state.level, state.incidents[0].subject) == (Level.DOWN, "web")


def test_the_box_does_not_praise_a_ledger_that_fails() -> None:
    assert "Le registre ne s'écrit plus" in Saying(SITE, see("ledger"), "fr").box()
    assert "Registre en ordre, 0\u00a0fait" in Saying(SITE, see("well"), "fr").box()


def test_relay_at_rest_is_not_door_locked() -> None:
    for language in ("fr", "en"):
        lines = status_lines(SITE, see("well"), language)
        text = "\n".join(lines).lower()
        assert ("commande de la porte au repos" in text) or ("door control at rest" in text)
        assert "porte verrouillée" not in text.replace("ne dit pas si la porte est verrouillée", "")


def test_the_terminal_says_the_worst_first_and_what_to_do() -> None:
    lines = [line.replace("\u00a0", " ") for line in status_lines(SITE, see("box"), "fr")]
    assert lines[0] == "▲ L'essentiel fonctionne, 1 point à surveiller"
    assert "  ▲ Orange coupé : la box ne répond plus depuis 12:20" in lines
    assert "  ■ Orange coupé : la box ne répond plus (depuis 12:20)" in lines
    assert "  ● Free fonctionne (depuis 07:32 · 6,1 ms · 1 % de perte)" in lines
    assert sum(line.startswith("    → ") for line in lines) == 1


def test_since_another_day_names_the_day() -> None:
    (card, *_) = Saying(SITE, see("well"), "fr").cards()
    assert card.lines[0].soft.replace("\u00a0", " ") == "depuis vendredi 20 novembre, 12:32 · 34 ms · 0 % de perte"


def test_the_json_model_is_json_and_names_nobody() -> None:
    state = state_of(SITE, scenes(NOW)["worst"], Today(), NOW, asking="web")
    read = json.loads(json.dumps(as_json(state), default=plain))
    assert read["schema"] == 1
    assert read["at"] == NOON.isoformat()
    assert [one["key"] for one in read["incidents"]] == [
        "all-mixed",
        "printer-no-paper",
        "printer-toner-low",
        "door-held",
    ]
    assert "events" not in read["today"]


@pytest.mark.parametrize("leaf", ["forced", "held", "propped"])
def test_an_open_door_says_since_when(leaf: str) -> None:
    at = datetime(2026, 11, 24, 10, 3, tzinfo=UTC)
    state = state_of(SITE, pictures(NOW, door=replace(CLOSED, leaf=leaf, opened=at)), Today(), NOW, asking="web")
    for language, since in (("fr", "depuis 11:03"), ("en", "since 11:03")):
        (card,) = (one for one in Saying(SITE, state, language).cards() if one.area is Area.DOOR)
        assert card.lines[0].soft.replace("\u00a0", " ") == since
        assert [one.since.replace("\u00a0", " ") for one in card.incidents] == [since] * (leaf != "propped")


def test_a_door_without_a_contact_says_so() -> None:
    assert SITE.door is not None
    site = replace(SITE, door=replace(SITE.door, inputs={}))
    state = state_of(site, pictures(NOW, door=replace(CLOSED, leaf="unknown")), Today(), NOW, asking="web")
    assert state.level is Level.OK
    assert Saying(site, state, "fr").cards()[2].lines[0].words == "Pas de capteur de porte"


@pytest.mark.parametrize(
    ("driver", "minutes", "internet", "lost"),
    [
        ("alerts", 0, "up", True),
        ("alerts.mailto-1", 14, "up", False),
        ("alerts.mailto-1", 16, "up", True),
        ("alerts.mailto-1", 16, "down", False),  # nothing could leave
    ],
)
def test_alerts_that_do_not_leave_are_shown(driver: str, minutes: int, internet: str, lost: bool) -> None:
    site = replace(SITE, alerts=AlertsConfig())
    scene = scenes(NOW)["well" if internet == "up" else "both-box"]
    live = LiveDriver(working=False, why="refused", since=NOW.utc - timedelta(minutes=minutes))
    alerts = replace(scene["links"], service="alerts", links={}, drivers={driver: live})
    found = state_of(site, {**scene, "alerts": alerts}, Today(), NOW, asking="web").incidents
    assert ("alerts-lost" in [one.key for one in found]) is lost
    assert site.services == ("links", "paper", "door", "web", "alerts")


@pytest.mark.parametrize(
    ("off", "hour", "state", "level"),
    [
        ("", 23, "lost", Level.DOWN),
        ("closed", 23, "off", Level.OK),
        ("closed", 10, "lost", Level.DOWN),
        ("20:00-07:30", 23, "off", Level.OK),
        ("20:00-07:30", 6, "off", Level.OK),
        ("20:00-07:30", 8, "lost", Level.DOWN),
    ],
)
def test_a_printer_switched_off_when_it_may_be_is_neutral(off: str, hour: int, state: str, level: Level) -> None:
    site = replace(SITE, printers={"copieur": replace(SITE.printers["copieur"], off=off)})
    at = Moment(datetime(2026, 11, 24, hour, tzinfo=ZoneInfo("Europe/Paris")), 5000.0, "boot", Trust.SYNCHRONISED)
    painted = pictures(at, drivers={"paper": {"printers.copieur": lost_driver()}})
    (device,) = state_of(site, painted, Today(), at).devices
    assert (device.state, device.level) == (state, level)


@pytest.mark.parametrize(
    ("hours", "closed", "hour", "state"),
    [
        (None, False, 10, "lost"),  # the site file says 9 to 18
        (None, True, 10, "off"),  # a closure, or a public holiday
        ("13:00-22:00", False, 10, "off"),  # the hours people set on the page win
        ("13:00-22:00", False, 20, "lost"),
    ],
)
def test_a_printer_may_be_off_when_the_calendar_says_closed(
    hours: str | None, closed: bool, hour: int, state: str
) -> None:
    site = replace(SITE, printers={"copieur": replace(SITE.printers["copieur"], off="closed")})
    at = Moment(datetime(2026, 11, 24, hour, tzinfo=ZoneInfo("Europe/Paris")), 5000.0, "boot", Trust.SYNCHRONISED)
    painted = pictures(at, drivers={"paper": {"printers.copieur": lost_driver()}})
    week = None if hours is None else WeeklyHours.parse({"tuesday": (hours,)})
    written = Written(week, frozenset({date(2026, 11, 24)}) if closed else frozenset())
    (device,) = state_of(site, painted, Today(), at, written=written).devices
    assert device.state == state


def test_copies_of_nobody_are_counted_by_device_until_given_or_forgotten() -> None:
    def row(key: str, mono: int, colour: int) -> CopiesCounted:
        return CopiesCounted("copieur", "SN1", 1, "", MemberId(""), FormulaId(""), mono, colour, 0, 0)

    ages = {"old": 8, "first": 6, "given": 5, "last": 1}
    slips = Slips().after((row(key, 4, 1), key, NOW.utc - timedelta(days=days)) for key, days in ages.items())
    given = CopiesAttributed("given", "copieur", 1, 1, MemberId(""), FormulaId(""), A, FormulaId("s"), 4, 1, "animator")
    written = Written.of(Roster(1), slips.after([(given, "k", NOW.utc)]), NOW.utc)
    assert written.copies == {"copieur": NobodysCopies(10, NOW.utc - timedelta(days=6))}
    young = Slips().after([(row("k", 4, 1), "k", NOW.utc - timedelta(hours=2, minutes=59))])
    assert Written.of(Roster(1), young, NOW.utc).copies == {}
    assert Written.of(Roster(1), young, NOW.utc + timedelta(minutes=1)).copies["copieur"].sides == 5
    found = state_of(SITE, scenes(NOW)["well"], Today(), NOW, asking="web", written=written)
    (incident,) = found.incidents
    assert (incident.key, incident.subject, incident.since) == (
        "copies-nobodys",
        "copieur",
        NOW.utc - timedelta(days=6),
    )
    said = Saying(SITE, found, "fr").incident(incident)
    assert said.title == "Le copieur\N{NO-BREAK SPACE}: 10\N{NO-BREAK SPACE}faces copiées sans badge ne sont à personne"
    assert (said.link, said.act) == ("/impressions#waiting", "Attribuer les copies")
