"""`/metrics`: what a scrape says, that it names nobody, never resets, and pleases promtool."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import agent.views.metrics
from agent.config import SpoolerConfig
from agent.live import LiveDriver
from agent.rules.facts import AliasId, MemberId
from agent.rules.paper import CopiesCounted
from agent.rules.release import JobExpired, ReleaseRefused
from agent.views.metrics import Exposition
from drivers.contract import Trust
from tests.views.scenes import SITE, UNKNOWN_LINK, UP, A, FormulaId, House, down, house, pictures, scenes, write_day

Key = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "house") as opened:
        write_day(opened.ledger)
        yield opened


def exposition(home: House) -> Exposition:
    return Exposition(home.site, home.places.run, home.ledger, home.roster, home.clock, "0.1.0")


def samples(text: bytes) -> dict[Key, float]:
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value for one in families for sample in one.samples
    }


def read(home: House, name: str, **labels: str) -> float | None:
    return samples(exposition(home).plain()).get((name, tuple(sorted(labels.items()))))


def test_quantities_come_from_the_ledger(home: House) -> None:
    home.paint(pictures(home.clock.now()))
    found = samples(exposition(home).plain())

    def sides(kind: str, colour: str, formula: str) -> float:
        labels = {"device": "copieur", "kind": kind, "colour": colour, "formula": formula}
        return found["gardien_sides_total", tuple(sorted(labels.items()))]

    assert sides("print", "mono", "subscriber") == 15
    assert sides("print", "colour", "unclaimed") == 6
    assert sides("copy", "mono", "occasional") == 4
    assert sides("unattributed", "mono", "") == 5
    assert found["gardien_paper_unattributed_sides_total", (("device", "copieur"),)] == 5
    assert found["gardien_visit_seconds_total", (("formula", "occasional"),)] == 130 * 60
    assert found["gardien_link_down_seconds_total", (("cause", "box"), ("link", "adsl1"))] == 366
    assert found["gardien_link_outages_total", (("cause", "box"), ("link", "adsl1"))] == 1
    assert found["gardien_ledger_seq", ()] == found["gardien_ledger_facts", ()] == 24
    assert found["gardien_build_info", (("site", "morez"), ("version", "0.1.0"))] == 1


def test_nothing_resets_at_a_restart(home: House) -> None:
    home.paint(pictures(home.clock.now()))
    before = samples(exposition(home).plain())
    assert samples(exposition(home).plain()) == before
    home.ledger.append_now(
        CopiesCounted("copieur", "SN1", 1, "", A, FormulaId("subscriber"), 1, 0, 0, 0), home.clock.now(), "one more"
    )
    after = samples(exposition(home).plain())
    assert all(after[key] >= value for key, value in before.items() if key[0].endswith("_total"))


def test_a_link_is_up_down_or_unknown_and_never_green_by_default(home: House) -> None:
    home.paint(pictures(home.clock.now(), links={"adsl1": down("box"), "adsl2": UP}))
    assert read(home, "gardien_link_up", link="adsl1") == 0
    assert read(home, "gardien_link_state", link="adsl1", state="down") == 1
    assert read(home, "gardien_link_cause", link="adsl1", cause="box") == 1
    assert read(home, "gardien_link_cause", link="adsl1", cause="internet") == 0
    assert read(home, "gardien_link_up", link="adsl2") == 1
    assert read(home, "gardien_link_rtt_seconds", link="adsl2") == 0.034
    assert read(home, "gardien_link_probes_lost_total", link="adsl1") == 720
    home.paint(pictures(home.clock.now(), links={"adsl1": UNKNOWN_LINK}))
    assert read(home, "gardien_link_up", link="adsl1") is None
    assert read(home, "gardien_link_state", link="adsl2", state="unknown") == 1


def test_silence_is_seen_and_what_was_last_said_is_not_repeated(home: House) -> None:
    home.paint(pictures(home.clock.now(), old={"links": 11.0, "door": 11.0, "paper": 11.0}))
    assert read(home, "gardien_service_up", service="links") == 0
    assert read(home, "gardien_service_up", service="web") == 1
    assert read(home, "gardien_link_up", link="adsl2") is None
    assert read(home, "gardien_printer_state", device="copieur", state="unknown") == 1
    assert read(home, "gardien_door_leaf", state="unknown") == 1
    assert read(home, "gardien_latch_released") is None
    written = home.clock.now().utc.timestamp() - 11
    assert read(home, "gardien_service_picture_timestamp_seconds", service="links") == written


def test_a_lockdown_and_an_old_list_say_since_when_and_are_absent_otherwise(home: House) -> None:
    scene, since = pictures(home.clock.now()), home.clock.now().utc
    home.paint(scene)
    assert read(home, "gardien_door_lockdown_timestamp_seconds") is None
    assert read(home, "gardien_door_last_list_timestamp_seconds") is None
    live = scene["door"].door
    assert live is not None
    home.paint(scene | {"door": replace(scene["door"], door=replace(live, lockdown=since, list_from=since))})
    assert read(home, "gardien_door_lockdown_timestamp_seconds") == since.timestamp()
    assert read(home, "gardien_door_last_list_timestamp_seconds") == since.timestamp()


def test_printers_supplies_door_and_drivers(home: House) -> None:
    lost = {"paper": {"readers.comptoir": LiveDriver(working=False), "printers.copieur": LiveDriver(working=True)}}
    scene = pictures(home.clock.now(), drivers=lost) | {"door": scenes(home.clock.now())["released"]["door"]}
    home.paint(scene)
    assert read(home, "gardien_driver_working", service="paper", driver="readers.comptoir") == 0
    assert read(home, "gardien_driver_working", service="paper", driver="printers.copieur") == 1
    assert read(home, "gardien_printer_life_sides", device="copieur") == 10183
    assert read(home, "gardien_supply_level_ratio", device="copieur", supply="Black Toner", colour="black") == 0.61
    assert read(home, "gardien_latch_released") == 1
    home.paint(scenes(home.clock.now())["no-paper"])
    assert read(home, "gardien_printer_state", device="copieur", state="stopped") == 1
    assert read(home, "gardien_printer_reason", device="copieur", reason="media-empty-error") == 1
    home.paint(scenes(home.clock.now())["printer-lost"])
    assert read(home, "gardien_printer_state", device="copieur", state="lost") == 1


def test_clock_and_ledger_faults(home: House) -> None:
    home.paint(scenes(home.clock.now())["ledger"])
    assert read(home, "gardien_ledger_fault", service="paper") == 1
    assert read(home, "gardien_ledger_fault", service="web") == 0
    assert read(home, "gardien_clock_synchronised") == 1
    home.clock.moment = replace(home.clock.moment, trust=Trust.DRIFTING)
    assert read(home, "gardien_clock_synchronised") == 0


@pytest.mark.parametrize("scene", ["well", "worst", "never", "all-silent", "ledger", "odd-reason"])
def test_promtool_has_nothing_to_say(home: House, scene: str) -> None:
    home.paint(scenes(home.clock.now())[scene])
    for body in (exposition(home).plain(), exposition(home).billing()):
        checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_no_label_names_a_person(home: House) -> None:
    home.roster.add_member("Jeanne Personne", FormulaId("subscriber"), actor="cli", since=home.clock.now().utc.date())
    home.paint(scenes(home.clock.now())["worst"])
    text = exposition(home).plain().decode()
    assert not re.search(r"m042|m007|Jeanne|Personne|member=", text)
    assert 'gardien_members{formula="subscriber"} 1.0' in text


def test_accounts_stand_on_the_billing_page_alone(home: House) -> None:
    found = samples(exposition(home).billing())
    mono = (("colour", "mono"), ("kind", "copy"), ("member", "m042"))
    assert found["gardien_member_sides_total", mono] == 3
    assert found["gardien_member_visit_seconds_total", (("member", "m007"),)] == 7800


def test_a_part_that_fails_leaves_the_others_whole_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path / "leaving") as home:
        home.paint(pictures(home.clock.now()))
        whole = exposition(home)
    found = samples(whole.plain())  # the databases are closed now
    assert found["gardien_scrape_error", (("part", "ledger"),)] == 1
    assert found["gardien_scrape_error", (("part", "live"),)] == 0
    assert found["gardien_link_up", (("link", "adsl1"),)] == 1
    whole.plain()  # the next scrape, fifteen seconds later
    told = [one.args for one in caplog.records if one.levelname == "WARNING" and one.name == "agent.views.metrics"]
    assert told == [("ledger",), ("roster",)]


def test_every_metric_is_documented_in_the_module() -> None:
    told = set(re.findall(r"gardien_\w+", agent.views.metrics.__doc__ or ""))
    made = set()
    for declare in (agent.views.metrics._public, agent.views.metrics._per_member):
        for family in declare().made.values():
            made.add(family.name + ("_total" if family.type == "counter" else ""))
    assert made == told - {"gardien_visit_minutes_total"}


def test_a_device_that_raves_does_not_flood(home: House) -> None:
    raving = replace(
        scenes(home.clock.now())["well"]["paper"].devices["copieur"], reasons=tuple(f"r{n}" * 40 for n in range(99))
    )
    home.paint(pictures(home.clock.now(), devices={"copieur": raving}))
    kept = [key for key in samples(exposition(home).plain()) if key[0] == "gardien_printer_reason"]
    assert len(kept) == 16
    assert all(len(dict(labels)["reason"]) == 64 for _, labels in kept)


def test_the_site_of_the_scenes_is_small(home: House) -> None:
    home.paint(pictures(home.clock.now()))
    assert len(samples(exposition(home).plain())) < 500
    assert SITE.site.code == "morez"


def test_refused_badges_and_jobs_nobody_came_for_rise_from_zero(home: House) -> None:
    home = replace(home, site=replace(home.site, spooler=SpoolerConfig("sim")))
    home.paint(pictures(home.clock.now()))
    assert read(home, "gardien_jobs_expired_total") == 0
    assert read(home, "gardien_releases_refused_total", device="copieur", why="other") == 0
    now = home.clock.now()
    home.ledger.append_now(ReleaseRefused("copieur", A, "jam", 3), now, "refused")
    home.ledger.append_now(JobExpired(7, 1, AliasId("a1"), MemberId(""), 72), now, "expired")
    assert read(home, "gardien_jobs_expired_total") == 1
    assert read(home, "gardien_releases_refused_total", device="copieur", why="jam") == 1
