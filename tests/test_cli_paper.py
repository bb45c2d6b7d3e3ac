"""`gardien paper` and `gardien copies`, as ops type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.clock import SystemClock
from tests.test_cli import SITE, call

PRINTER = """
[printers.copieur]
kind = "sim"
copies = "{way}"
[printers.copieur.contract]
mono_included = 100
"""


def site(folder: Path, way: str) -> Path:
    (folder / "state").mkdir()
    (folder / "run").mkdir()
    (folder / "site.toml").write_text(SITE + PRINTER.format(way=way), encoding="utf-8")
    return folder


def test_codes_and_copies(tmp_path: Path) -> None:
    home = site(tmp_path, "codes")
    member = call(home, "member", "add", "Ada", "--formula", "abonné").output.strip()
    (home / "a.csv").write_text("Code;Noir;Couleur\n42;100;5\n7;40;0\n", encoding="utf-8")
    (home / "b.csv").write_text("Code;Noir;Couleur\n42;120;6\n7;3;0\n", encoding="utf-8")
    (home / "bad.csv").write_text("Code;Noir\n42;dix\n", encoding="utf-8")
    assert call(home, "paper", "codes", "copieur", str(home / "a.csv")).output == "2 codes, 0 copies\n"
    done = call(home, "paper", "codes", "copieur", str(home / "b.csv"))
    assert "code 7 : compteur remis à zéro" in done.output
    assert done.output.endswith("2 codes, 21 copies\n")
    refused = call(home, "paper", "codes", "copieur", str(home / "bad.csv"))
    assert refused.exit_code == 1
    assert "bad.csv:2:" in refused.output
    month = f"{SystemClock().now().utc:%Y-%m}"
    told = json.loads(call(home, "copies", "--month", month, "--json").output)
    assert told["copies"] == [{"device": "copieur", "member": "", "mono": 20, "colour": 1}]
    assert "non attribuées" in call(home, "copies").output
    assert member == "m001"


def test_releve_and_contract(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    assert call(home, "paper", "releve", "copieur", "--mono", "1000").output.startswith("first: 0 copies")
    now = SystemClock().now().utc
    quarter = f"{now.year}-Q{(now.month + 2) // 3}"
    empty = call(home, "paper", "contract", "--quarter", quarter)
    assert empty.exit_code == 0
    assert "Pas encore deux relevés" in empty.output.replace("\u00a0", " ")
    assert call(home, "paper", "contract", "--quarter", "2026-4").exit_code == 2
    assert call(home, "paper", "counters", "autre").exit_code == 2
    assert json.loads(call(home, "paper", "contract", "--quarter", quarter, "--json").output)[0]["lines"] == []


@pytest.mark.peers
def test_counters_of_a_silent_device(tmp_path: Path) -> None:
    home = site(tmp_path, "counters")
    done = call(home, "paper", "counters", "copieur", "--host", "127.0.0.1", "--timeout", "0.6")
    assert done.exit_code == 69
    assert "SNMP" in done.output
