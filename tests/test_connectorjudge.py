"""The wiring of a copy-control connector in a site file: each mistake is named with its line and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import ConfigError
from agent.sitefile import read_site

SITE = """
[site]
name = "Morez"
code = "morez"
[door.lock]
kind = "gpio"
chip = "pinctrl-bcm2711"
line = 17
[door.inputs.contact]
line = 27
[printers.copieur]
kind = "ipp"
uri = "ipp://192.168.10.20/ipp/print"
copies = "connector"
[printers.copieur.connector]
chip = "pinctrl-bcm2711"
enable = 23
pulse = 24
[readers.copieur]
kind = "serial"
at = "copieur"
device = "/dev/serial/by-id/usb-copieur-if00"
"""


WIRED = SITE[SITE.index("[printers.copieur.connector]") : SITE.index("[readers")]


def said(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = SITE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "site.toml").write_text(text)
    try:
        read_site(tmp_path / "site.toml")
    except ConfigError as error:
        return str(error)
    return ""


def test_a_wired_copier_is_fine_and_every_line_has_its_level_and_width(tmp_path: Path) -> None:
    assert said(tmp_path) == ""
    wired = read_site(tmp_path / "site.toml").printers["copieur"].connector
    assert wired is not None
    assert wired.inputs == {"pulse": (24, False, 0.01, "")}
    assert said(tmp_path, ("pulse = 24", "pulse = 24\ncolour = 25\nlarge = 26\nsheet = 22\npulse_s = 0.03")) == ""


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ('copies = "connector"\n[printers.copieur.connector]', "[printers.copieur.connector]", 'copies = "connector"'),
        (WIRED, "", "printers.copieur.connector"),
        ('at = "copieur"', 'at = "door"', "personne ne pourrait copier"),
        ("enable = 23", "enable = 17", "door.lock"),
        ("pulse = 24", "pulse = 27", "door.inputs.contact"),
        ("pulse = 24", "pulse = 23", "printers.copieur.connector.enable"),
        ("pulse = 24", "pulse = -1", "hors de [0 ; 511]"),
        ("pulse = 24", "pulse = 24\ncolour = -2", "hors de [0 ; 511]"),
        ("pulse = 24", "pulse = 24\npulse_s = 2.0", "hors de"),
        ("pulse = 24", "pulse = 24\npulses_per_click = 0", "hors de"),
        ("pulse = 24", 'pulse = 24\npull = "haut"', "n'est pas un de"),
        ("pulse = 24", 'pulse = 24\nkind = "relay"', "n'est pas un de"),
        ("pulse = 24", "pulse = 24\nenabled = 5", "vouliez-vous dire « enable »"),
        ('connector]\nchip = "pinctrl-bcm2711"', "connector]", "manque"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, remedy: str) -> None:
    assert remedy in said(tmp_path, (old, new))


def test_a_site_without_a_door_and_a_simulated_connector_are_judged_too(tmp_path: Path) -> None:
    no_door = SITE[SITE.index("[door.lock]") : SITE.index("[printers.copieur]\n")]
    assert said(tmp_path, (no_door, "")) == ""
    assert (
        said(tmp_path, ('connector]\nchip = "pinctrl-bcm2711"', 'connector]\nkind = "sim"'), ("pulse = 24", "")) == ""
    )
