"""A site file whose links would be watched the wrong way says so before they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.services.links import plan_of
from agent.sitefile import read_site
from drivers.wire import mac_of

CARD = '[site]\nname = "Bureau nomade"\ncode = "rousses"\n'
PAGE = 'canary = "http://a.example/"\ncanary_at = "192.0.2.80"\n'
KEYS = {
    "kind": '"scapy"',
    "interface": '"eth1"',
    "gateway": '"192.168.1.1"',
    "targets": '["198.51.100.7", "203.0.113.9"]',
}


def link(name: str = "a", **keys: str) -> str:
    return f"[links.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in {**KEYS, **keys}.items())


def faults_of(folder: Path, text: str) -> list[tuple[str, str]]:
    """Return path and words of each fault."""
    file = folder / "site.toml"
    file.write_text(CARD + text, encoding="utf-8")
    try:
        read_site(file)
    except ConfigError as error:
        said = [fault.split(": ", 2) for fault in error.faults]
        return [(path, words) for _, path, words in said]
    return []


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("targets", '["dns.example.net"]', "un nom ne convient pas"),
        ("targets", '["198.51.100.7", "2001:db8::7"]', "IPv6, qui n'est pas sondée"),
        ("targets", '["::ffff:198.51.100.7"]', "IPv6, qui n'est pas sondée"),
        ("targets", '["192.168.1.1"]', "répond aussi quand la ligne est coupée"),
        ("targets", '["10.20.30.40"]', "répond aussi quand la ligne est coupée"),
        ("targets", '["172.31.255.1"]', "répond aussi quand la ligne est coupée"),
        ("targets", '["127.0.0.1"]', "aucune machine"),
        ("targets", '["0.0.0.0"]', "aucune machine"),
        ("targets", '["239.1.2.3"]', "aucune machine"),
        ("targets", '["255.255.255.255"]', "aucune machine"),
        ("targets", '[""]', "pas une adresse IPv4"),
        ("targets", '["203.0.113.9", "198.51.100.7", "203.0.113.9"]', "une seule fois"),
        ("gateway", '"fe80::1"', "IPv6"),
        ("gateway", '"192.168.1.1/24"', "pas une adresse IPv4"),
        ("gateway", '"224.0.0.1"', "aucune machine"),
        ("interface", '"eth 1"', "ip -br link"),
        ("interface", '"wlx0123456789abc"', "ip -br link"),  # 16 signs
        ("interface", '"eth1:0"', "ip -br link"),
        ("interface", '"../eth1"', "ip -br link"),
        ("interface", '"lo"', "ip -br link"),
        ("gateway_mac", '"02-aa-bb-cc-dd-ee"', "ip neigh"),
        ("gateway_mac", '"ff:ff:ff:ff:ff:ff"', "ip neigh"),
        ("gateway_mac", '"01:00:5e:00:00:01"', "ip neigh"),
        ("gateway_mac", '"00:00:00:00:00:00"', "ip neigh"),
        ("label", '"Or\\nange"', "une seule ligne"),
    ],
)
def test_what_would_give_a_wrong_verdict_is_a_fault_of_the_file(
    tmp_path: Path, key: str, value: str, says: str
) -> None:
    ((path, words),) = faults_of(tmp_path, link(**{key: value}))
    assert path == f"links.a.{key}"
    assert says in words


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('answers = ["192.0.2.80"]\n', "internet.answers"),
        ('resolver = "192.0.2.53"\n', "internet.resolver"),
        ('canary_says = "ok"\n', "internet.canary_says"),
        (PAGE + f'canary_says = "{1001 * "x"}"\n', "internet.canary_says"),
        ('canary = "http://a.example:8080/"\ncanary_at = "192.0.2.80"\n', "internet.canary"),
        (f'name = "{".".join(["a" * 60] * 5)}"\n', "internet.name"),
        ('name = "a.example"\nanswers = ["::1"]\n', "internet.answers"),
        ('name = "a.example"\nresolver = "127.0.0.53"\n', "internet.resolver"),
    ],
)  # fmt: skip
def test_what_would_never_be_asked_or_never_answered_is_a_fault(tmp_path: Path, text: str, path: str) -> None:
    assert [where for where, _ in faults_of(tmp_path, link() + "[internet]\n" + text)] == [path]


def test_a_resolver_without_a_name_to_ask_is_never_asked(tmp_path: Path) -> None:
    text = link(resolver='"192.168.1.1"')
    assert [where for where, _ in faults_of(tmp_path, text)] == ["links.a.resolver"]
    assert faults_of(tmp_path, text + '[internet]\nname = "a.example"\n') == []


ONE, OTHER = '"02:aa:bb:cc:dd:ee"', '"02:aa:bb:cc:dd:ef"'


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ({}, {}, False),
        ({"gateway_mac": ONE}, {"gateway_mac": OTHER}, True),
        ({"gateway_mac": ONE}, {"gateway_mac": ONE.upper()}, False),
        ({"gateway_mac": ONE}, {}, False),
        ({"gateway_mac": ONE}, {"gateway": '"192.168.1.254"'}, False),
        ({}, {"gateway": '"192.168.1.254"'}, True),
        ({"gateway_mac": ONE}, {"gateway": '"192.168.1.254"', "gateway_mac": ONE}, False),
        ({}, {"interface": '"eth2"'}, True),
    ],
)
def test_two_links_that_look_at_one_box_are_one(
    tmp_path: Path, first: dict[str, str], second: dict[str, str], apart: bool
) -> None:
    faults = faults_of(tmp_path, link("a", **first) + link("b", **second))
    assert [where for where, _ in faults] == ([] if apart else ["links.b.gateway_mac"])


def test_two_links_of_one_name_are_told_apart_by_nobody(tmp_path: Path) -> None:
    orange = link(label='"Orange"') + link("b", interface='"eth2"', label='"orange"')
    assert [where for where, _ in faults_of(tmp_path, orange)] == ["links.b.label"]
    assert [where for where, _ in faults_of(tmp_path, link("a") + link("b", interface='"eth2"', label='"A"'))] == [
        "links.b.label"
    ]


def test_a_mac_is_read_as_its_label_writes_it(tmp_path: Path) -> None:
    assert faults_of(tmp_path, link(gateway_mac='"02:AA:bb:CC:dd:EE"')) == []
    site = read_site(tmp_path / "site.toml")
    assert mac_of(plan_of(site.links["a"], site.internet).gateway_mac) == b"\x02\xaa\xbb\xcc\xdd\xee"
