"""A site file says all its faults at once, each with its line and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import DEFAULT_FORMULAS, DEFAULT_HOURS, AlertsConfig, ConfigError
from agent.services.links import plan_of
from agent.sitefile import read_site
from drivers.probing import BoxCounters

MINIMAL = '[site]\nname = "Bureau nomade"\ncode = "rousses"\n'


def faults_of(folder: Path, text: str) -> list[str]:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_site(file)
    return [fault.removeprefix(f"{file}:") for fault in caught.value.faults]


@pytest.mark.parametrize(
    "section",
    [
        "",
        '[links.adsl1]\nkind = "sim"\n',
        '[door.lock]\nkind = "sim"\n',
        '[printers.copieur]\nkind = "sim"\n',
        '[spooler]\nkind = "sim"\n[printers.copieur]\nkind = "sim"\nqueues = ["copieur"]\n',
        '[door.lock]\nkind = "sim"\n[readers.porte]\nkind = "sim"\nat = "door"\n',
    ],
    ids=["nothing", "one link", "a door only", "no spooler", "printing", "a reader"],
)
def test_every_section_but_the_site_card_is_optional(tmp_path: Path, section: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(MINIMAL + section, encoding="utf-8")
    site = read_site(file)
    assert site.site.code == "rousses"
    assert site.formulas == DEFAULT_FORMULAS
    assert site.hours == DEFAULT_HOURS


def test_five_different_faults_are_said_at_once_with_line_and_remedy(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        """tarif = "x.toml"
[site]
name = "Morez"
code = "morez"
[links.adsl1]
kind = "scapy"
interface = "eth1"
gateway = "box.local"
targets = [
  "192.0.2.1",
]
[door.lock]
kind = "gpio"
chip = "pinctrl-bcm2711"
hold_s = "5"
line = 17
[door.inputs.contact]
line = 17
[readers.porte]
kind = "serial"
at = "dor"
device = "/dev/ttyUSB0"
""",
    )
    assert [(fault.split(":")[0], fault.split(":")[1].strip()) for fault in faults] == [
        ("1", "tarif"),
        ("8", "links.adsl1.gateway"),
        ("15", "door.lock.hold_s"),
        ("18", "door.inputs.contact.line"),
        ("21", "readers.porte.at"),
    ]
    assert "vouliez-vous dire « tariff »" in faults[0]
    assert "IPv4" in faults[1]
    assert "attend un nombre" in faults[2]
    assert "sert déjà à door.lock" in faults[3]
    assert "door" in faults[4]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("[site]\nname = 3\ncode = 'morez'\n", "2", "attend du texte"),
        ("[site]\ncode = 'morez'\n", "1", "manque"),
        ("", "1", "manque"),
        ("site = 3\n", "1", "forme"),
        (MINIMAL + "hours = 3\n", "4", "clé inconnue"),
        (MINIMAL + "[hours]\nmonday = ['9-18']\n", "5", "horaire"),
        (MINIMAL + "[hours]\nlundi = ['09:00-18:00']\n", "5", "horaire"),
        (MINIMAL + "timezone = 'Europe/Morez'\n", "4", "fuseau"),
        (MINIMAL + "[web]\nlisten = '8080'\n", "5", "ADRESSE:PORT"),
        (MINIMAL + "[web]\nlisten = '8.8.8.8:443'\n", "5", "adresse d'internet"),
        (MINIMAL + "[web]\npublic_listen = '192.168.1.2'\n", "5", "ADRESSE:PORT"),
        (MINIMAL + "[web]\ncertificate = 'site.pem'\n", "4", "certificate ne sert à rien sans key"),
        (MINIMAL + "[web]\nkey = 'site.key'\n", "4", "key ne sert à rien sans certificate"),
        (MINIMAL + "[web]\nhosts = ['https://gardien.example.org']\n", "5", "n'est pas un nom"),
        (MINIMAL + "[formulas.nomade]\naccess = 'hour'\n", "5", "vouliez-vous dire « hours »"),
        (MINIMAL + "[links.a]\nkind = 'sim'\nbox_counters = { community = '', if_index = 4 }\n", "6", "public"),
        (MINIMAL + "[links.a]\nkind = 'sim'\nbox_counters = { community = 'p', if_index = 0 }\n", "6", "hors de"),
        (MINIMAL + "[links.a]\nkind = 'sim'\nbox_counters = { community = 'p' }\n", "6", "if_index"),
        (MINIMAL + "[printers.c]\nkind = 'ipp'\n", "4", "ipp://"),
        (MINIMAL + "[printers.c]\nkind = 'sim'\nqueues = ['q']\n", "6", "[spooler]"),
        (MINIMAL + "[door.lock]\nkind = 'sim'\ncap_s = 3\nhold_s = 4\n", "7", "hors de"),
        (MINIMAL + "[door.lock]\nkind = 'sim'\n[door.inputs.bell]\nline = 3\n", "6", "exit_button"),
    ],
)
def test_one_fault_one_line_one_remedy(tmp_path: Path, text: str, line: str, word: str) -> None:
    faults = faults_of(tmp_path, text)
    assert any(fault.startswith(f"{line}:") and word in fault for fault in faults), faults


def test_a_boxs_counters_reach_the_plan_of_its_link(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    link = "[links.a]\nkind = 'sim'\nbox_counters = { community = 'public', if_index = 4 }\n"
    file.write_text(MINIMAL + link, encoding="utf-8")
    site = read_site(file)
    assert plan_of(site.links["a"], site.internet).box_counters == BoxCounters("public", 4)


def test_a_certificate_stands_where_the_site_file_says(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(MINIMAL + "[web]\ncertificate = 'tls/site.pem'\nkey = '/etc/ssl/site.key'\n", encoding="utf-8")
    web = read_site(file).web
    assert (web.certificate, web.key) == (str(tmp_path / "tls/site.pem"), "/etc/ssl/site.key")


def test_what_is_not_toml_is_said_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in faults_of(tmp_path, "[site]\nname = \n")[0]


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="illisible"):
        read_site(tmp_path / "none.toml")


values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(alphabet="abc/:.\"'#[]", max_size=6)),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from(["kind", "interface", "targets", "interval_s", "nonsense"]), values))
def test_no_table_of_any_values_makes_the_reader_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]
) -> None:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    file = tmp_path_factory.mktemp("law") / "site.toml"
    file.write_text(MINIMAL + "[links.adsl1]\n" + lines, encoding="utf-8")
    try:
        read_site(file)
    except ConfigError as error:
        assert all(str(file) in fault for fault in error.faults)  # noqa: PT017


def test_alerts_have_defaults_and_name_only_a_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(MINIMAL + '[alerts]\nquiet = "22:00-07:00"\n', encoding="utf-8")
    assert read_site(file).alerts == AlertsConfig("/etc/gardien/alerts.urls", "watch", 60.0, 300.0, "22:00-07:00")
    file.write_text(MINIMAL, encoding="utf-8")
    assert read_site(file).alerts is None


def test_faulty_alerts_and_notices_are_said(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        f"""{MINIMAL}controller = "La Cordée\\nSAS"
contact = "{"x" * 201}"
address = "192.168.1.2:8443"
[alerts]
urls_file = "mailto://user:pass@example.org"
level = "dwon"
after_s = 0.1
calm_s = 0
quiet = "22h-7h"
""",
    )
    assert [(fault.split(":")[0], fault.split(":")[1].strip()) for fault in faults] == [
        ("4", "site.controller"),
        ("5", "site.contact"),
        ("6", "site.address"),
        ("8", "alerts.urls_file"),
        ("9", "alerts.level"),
        ("10", "alerts.after_s"),
        ("11", "alerts.calm_s"),
        ("12", "alerts.quiet"),
    ]
    assert not any("pass@" in fault for fault in faults)  # a secret written at the wrong place is not repeated


DOOR = '[door.lock]\nkind = "sim"\n'
READER = DOOR + '[readers.r]\nkind = "serial"\nat = "door"\ndevice = "/dev/r"\n'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("printers.p.queues", '[spooler]\nkind = "sim"\n[printers.p]\nkind = "sim"\nqueues = "copieur"\n'),
        (
            "printers.r.queues",
            '[spooler]\nkind="sim"\n[printers]\np={kind="sim",queues=["q"]}\nr={kind="sim",queues=["q"]}',
        ),
        ("printers.p.uri", '[printers.p]\nkind = "ipp"\nuri = "ipps://192.0.2.1/ipp"\n'),
        ("printers.p.uri", '[printers.p]\nkind = "ipp"\nuri = "ipp://["\n'),
        ("printers.p.uri", '[printers.p]\nkind = "ipp"\nuri = "ipp://h:99999/"\n'),
        (
            "printers.q.uri",
            '[printers]\np={kind="ipp",uri="ipp://h/ipp"}\nq={kind="ipp",uri="ipp://H:631/ipp/"}',
        ),
        ("printers.door", '[printers.door]\nkind = "sim"\n'),
        ("printers.p.copies", '[printers.p]\nkind = "sim"\ncopies = "pannel"\n'),
        ("printers.p.meters", '[printers.p]\nkind = "sim"\nsnmp = "public"\nmeters = "xerox"\n'),
        ("printers.p.snmp", '[printers.p]\nkind = "sim"\nmeters = "canon"\n'),
        ("printers.p.snmp_port", '[printers.p]\nkind = "sim"\nsnmp_port = 0\n'),
        ("printers.p.snmp_version", '[printers.p]\nkind = "sim"\nsnmp_version = 3\n'),
        ("printers.p.code_columns", '[printers.p]\nkind = "sim"\ncode_columns = ["Code"]\n'),
        ("printers.p.bills_from", '[printers.p]\nkind = "sim"\nbills_from = "badge"\n'),
        (
            "printers.p.screens",
            (
                '[spooler]\nkind="sim"\n[readers]\nr={kind="sim",at="p"}\n[printers]\n'
                'p={kind="sim",badge_queues=["q"],screens=["192.168.1.300"]}\n'
            ),
        ),
        ("printers.p.screens", '[printers.p]\nkind = "sim"\nscreens = ["192.168.1.30"]\n'),  # nothing waits for a badge
        ("printers.p.bills_from", '[printers.p]\nkind = "sim"\nbills_from = "claimed-host"\n'),  # nothing proves one
        ("printers.p.off", '[printers.p]\nkind = "sim"\noff = "la nuit"\n'),
        ("printers.p.contract.a3_clicks", '[printers.p]\nkind = "sim"\n[printers.p.contract]\na3_clicks = 3\n'),
        ("printers.p.contract.mono_price", '[printers.p]\nkind = "sim"\n[printers.p.contract]\nmono_price = 55.0\n'),
        (
            "printers.p.contract.colour_price",
            '[printers.p]\nkind = "sim"\n[printers.p.contract]\ncolour_price = "0.05"\n',
        ),
        (
            "printers.p.contract.package_price",
            '[printers.p]\nkind = "sim"\n[printers.p.contract]\npackage_price = -1\n',
        ),
        ("printers.p.contract.colour_price", '[printers.p]\nkind = "sim"\n[printers.p.contract]\ncolour_price = nan\n'),
        (
            "printers.p.contract.functions.scans",
            '[printers.p]\nkind = "sim"\n[printers.p.contract.functions]\nscans = { price = 0.002 }\n',
        ),
        (
            "printers.p.contract.functions.scan.price",
            '[printers.p]\nkind = "sim"\n[printers.p.contract.functions]\nscan = { price = 20.0 }\n',
        ),
        (
            "printers.p.contract.functions.print-mono",
            '[printers.p]\nkind = "sim"\n[printers.p.contract.functions]\ncopy-mono = { price = 0.01 }\n',
        ),
        (
            "printers.p.contract.mono_price",
            (
                '[printers.p]\nkind = "sim"\n[printers.p.contract]\nmono_price = 0.01\n'
                "[printers.p.contract.functions]\ncopy-mono = {}\nprint-mono = {}\n"
            ),
        ),
        ("links.a/b", '[links."a/b"]\nkind = "sim"\n'),
        ("links.", '[links.""]\nkind = "sim"\n'),
        ("links.a.targets", '[links.a]\nkind = "sim"\ntargets = "192.0.2.1"\n'),
        ("links.a.targets", '[links.a]\nkind = "sim"\ntargets = ["192.0.2.1", "192.0.2.1"]\n'),
        ("readers.r.line_prefix", READER + 'frame = "line"\nline_prefix = "é"\n'),
        ("readers.r.line_end", READER + 'frame = "line"\nline_end = ""\n'),
        ("readers.r.baud", READER + "baud = -5\n"),
        ("door.held_s", DOOR + "[door]\nheld_s = nan\n"),
        ("door.held_s", DOOR + "[door]\nheld_s = -5\n"),
        ("door.lock.line", DOOR + "line = -3\n"),
        ("web.listen", '[web]\nlisten = "127.0.0.1:²"\n'),
        ("web.listen", '[web]\nlisten = "x y:80"\n'),
        ("hours.monday", '[hours]\nmonday = "09:00-18:00"\n'),
    ],
)
def test_a_wrong_value_is_named_with_its_path(tmp_path: Path, path: str, text: str) -> None:
    """What a service would stumble over at its start, the check finds before."""
    file = tmp_path / "site.toml"
    file.write_text(MINIMAL + text, encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        read_site(file)
    assert [fault.split(": ")[1] for fault in found.value.faults] == [path]


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["deep", "long"])
def test_what_no_parser_takes_is_a_fault_and_no_crash(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        read_site(file)
