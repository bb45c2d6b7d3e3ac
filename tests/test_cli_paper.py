"""`gardien paper` and `gardien copies`, as ops type them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from agent.memory.ledger import Ledger
from agent.rules.paper import MetersRead
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
    older = call(home, "paper", "codes", "copieur", str(home / "b.csv"))
    assert (older.exit_code, "b.csv:3: le compteur du code 7 a baissé" in older.output) == (1, True)
    done = call(home, "paper", "codes", "copieur", str(home / "b.csv"), "--reset")
    assert "code 7 : compteur remis à zéro" in done.output
    assert "2 codes, 21 copies\n21 copies non attribuées : à donner sous « Impressions »" in done.output
    (home / "c.csv").write_text("Code;Noir;Couleur\n42;120;6\n7;3;0\n55;30;0\n", encoding="utf-8")
    done = call(home, "paper", "codes", "copieur", str(home / "c.csv"))
    assert "code 55 : nouveau, à 30 faces : point de départ, à personne" in done.output
    refused = call(home, "paper", "codes", "copieur", str(home / "bad.csv"))
    assert refused.exit_code == 1
    assert "bad.csv:2:" in refused.output
    month = f"{SystemClock().now().utc:%Y-%m}"
    told = json.loads(call(home, "copies", "--month", month, "--json").output)
    assert told["copies"] == [{"device": "copieur", "member": "", "mono": 20, "colour": 1}]
    assert "non attribuées" in call(home, "copies").output
    for month in ("2026-1", "novembre", "9999-12"):
        assert call(home, "copies", "--month", month).exit_code == 2
    assert member == "m001"


def test_a_code_is_given_to_a_shared_account(tmp_path: Path) -> None:
    home = site(tmp_path, "codes")
    payer = call(home, "payer", "add", "Fête", "--formula", "abonné").output.strip()
    for name, count in (("a", 100), ("b", 130), ("c", 131)):
        (home / f"{name}.csv").write_text(f"Code;Noir\n42;{count}\n", encoding="utf-8")
    assert call(home, "paper", "code", "copieur", "42", payer).exit_code == 0
    call(home, "paper", "codes", "copieur", str(home / "a.csv"))
    assert call(home, "paper", "codes", "copieur", str(home / "b.csv")).output == "1 codes, 30 copies\n"
    assert call(home, "payer", "end", payer, "2020-01-01").exit_code == 0
    assert "1 copies non attribuées" in call(home, "paper", "codes", "copieur", str(home / "c.csv")).output
    refused = call(home, "paper", "code", "copieur", "42", "p:009")
    assert (refused.exit_code, "aucun compte partagé p:009" in refused.output) == (1, True)
    month = f"{SystemClock().now().utc:%Y-%m}"
    told = json.loads(call(home, "copies", "--month", month, "--json").output)
    assert [(one["member"], one["mono"]) for one in told["copies"]] == [("", 1), ("p:001", 30)]


def test_releve_and_contract(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    assert call(home, "paper", "releve", "copieur", "--mono", "1000").output.startswith(
        "premier relevé, point de départ : 0 copies"
    )
    slipped = call(home, "paper", "releve", "copieur", "--mono", "100")
    assert (slipped.exit_code, "rien n'est noté" in slipped.output) == (1, True)
    assert call(home, "paper", "releve", "copieur", "--mono", "100", "--sure").output.startswith(
        "un compteur a baissé, nouveau point"
    )
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


def test_the_contract_in_euros_and_as_a_file(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    prices = "package_price = 180.00\nmono_price = 0.0065\ncolour_price = 0.055\na3_clicks = 1\n"
    with (home / "site.toml").open("a", encoding="utf-8") as file:
        file.write(prices)
    today = SystemClock().now()
    with Ledger.open(home / "state" / "ledger.db") as ledger:
        first = today.utc.date().replace(month=(today.utc.month - 1) // 3 * 3 + 1, day=1)
        for day, mono, colour in ((first, 1000, 100), (first + timedelta(days=1), 1500, 120)):
            rows = (("total", mono + colour), ("total-colour", colour))
            ledger.append_now(MetersRead("copieur", "S1", day, rows), today, f"copieur/S1/{day}")
    quarter = ["--quarter", f"{first.year}-Q{(first.month + 2) // 3}"]
    plain = call(home, "paper", "contract", *quarter, "--invoice-mono", "500", "--invoice-total", "183,70 €")
    said = plain.output.replace("\u00a0", " ").replace("\u202f", " ")
    assert "400 × 0,0065 € = 2,60 € HT." in said
    assert "20 × 0,055 € = 1,10 € HT." in said
    assert "Le trimestre doit coûter 183,70 € HT." in said
    assert "La facture demande autant." in said
    assert plain.exit_code == 0
    dear = call(home, "paper", "contract", *quarter, "--invoice-mono", "900", "--invoice-total", "190", "--csv")
    assert dear.exit_code == 1
    assert dear.output.splitlines()[1:] == [
        "copieur;noir et blanc;1000;1500;500;;500;100;400;0,0065;2,60;900;400;2,60",
        "copieur;couleur;100;120;20;;20;0;20;0,055;1,10;;;",
        "copieur;forfait;;;;;;;;;180,00;;;",
        "copieur;total HT;;;;;;;;;183,70;190;;6,30",
    ]
    told = json.loads(call(home, "paper", "contract", *quarter, "--json").output)
    assert (told[0]["bill"]["ours"], told[0]["lines"][0]["due"]) == ("183.70", "2.60")
    assert call(home, "paper", "contract", *quarter, "--invoice-total", "cher").exit_code == 2


def test_a_contract_by_function(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    with (home / "site.toml").open("a", encoding="utf-8") as file:
        file.write(
            "[printers.copieur.contract.functions]\nscan = { included = 100, price = 0.002 }\nfax = { price = 0.05 }\n"
        )
    today = SystemClock().now()
    with Ledger.open(home / "state" / "ledger.db") as ledger:
        first = today.utc.date().replace(month=(today.utc.month - 1) // 3 * 3 + 1, day=1)
        for day, scans in ((first, 300), (first + timedelta(days=1), 900)):
            rows = (("scan", scans), ("total", 1000), ("total-colour", 100))
            ledger.append_now(MetersRead("copieur", "S1", day, rows), today, f"copieur/S1/{day}")
    quarter = ["--quarter", f"{first.year}-Q{(first.month + 2) // 3}"]
    done = call(home, "paper", "contract", *quarter, "--invoice", "scan=650", "--invoice", "fax=3")
    said = done.output.replace("\u00a0", " ").replace("\u202f", " ")
    assert "Numérisations : 600 clics, le compteur est passé de 300 à 900. Forfait de 100, 500 clics au-delà." in said
    assert "500 × 0,002 € = 1,00 € HT. La facture dit 650 : 50 clics de trop" in said
    assert "Fax : le copieur ne les compte pas à part" in said
    assert done.exit_code == 1
    rows = call(home, "paper", "contract", *quarter, "--invoice", "scan=600", "--csv")
    assert rows.output.splitlines()[3:5] == [
        "copieur;fax;;;;;;0;;0,05;;;;",
        "copieur;numérisations;300;900;600;;600;100;500;0,002;1,00;600;0;0,00",
    ]
    for wrong in ("scan", "scan=x", "copies=3", "scan=-1"):
        assert call(home, "paper", "contract", *quarter, "--invoice", wrong).exit_code == 2


def test_a_quarter_in_which_the_copier_was_swapped(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    with (home / "site.toml").open("a", encoding="utf-8") as file:
        file.write("package_price = 180.00\nmono_price = 0.01\ncolour_price = 0.05\n")
    now, first = SystemClock().now(), date(2025, 10, 1)
    read = (
        ("S1", first, 1000, 100),
        ("S1", date(2025, 11, 12), 1500, 120),
        ("S2", date(2025, 11, 12), 12, 3),
        ("S2", date(2026, 1, 1), 212, 33),
    )
    with Ledger.open(home / "state" / "ledger.db") as ledger:
        for number, (serial, day, mono, colour) in enumerate(read):
            rows = (("total", mono + colour), ("total-colour", colour))
            ledger.append_now(MetersRead("copieur", serial, day, rows), now, f"copieur/{number}")
    asked = ("paper", "contract", "--quarter", "2025-Q4", "--invoice-mono", "720", "--invoice-total", "190")
    done = call(home, *asked)
    said = done.output.replace("\u00a0", " ").replace("\u202f", " ").splitlines()
    assert said == [
        "copieur: ",
        "  Du mercredi 1er octobre 2025 au jeudi 1er janvier 2026.",
        "  S1 : lu du mercredi 1er octobre 2025 au mercredi 12 novembre 2025.",
        "  S1 · Noir et blanc : 500 clics, le compteur est passé de 1 000 à 1 500.",
        "  S1 · Couleur : 20 clics, le compteur est passé de 100 à 120.",
        "  S2 : lu du mercredi 12 novembre 2025 au jeudi 1er janvier 2026.",
        "  S2 · Noir et blanc : 200 clics, le compteur est passé de 12 à 212.",
        "  S2 · Couleur : 30 clics, le compteur est passé de 3 à 33.",
        (
            "  Copieur changé : dernier relevé de S1 le mercredi 12 novembre 2025, premier de S2 le mercredi 12"
            " novembre 2025. Ce que le premier a encore compté n'est pas connu ; le second en avait 12 en noir et 3"
            " en couleur, faits ici"
            " ou ailleurs. Rien de cela n'est compté : demandez les compteurs du bon d'échange."
        ),
        (
            "  Noir et blanc : au moins 700 clics en tout. Forfait de 100, 600 clics au-delà. 600 × 0,01 € = 6,00 € HT."
            " La facture dit 720 : 20 clics de plus, peut-être ceux que personne n'a lus ; comparez avec"
            " le bon d'échange."
            " Soit +0,20 € HT."
        ),
        "  Couleur : au moins 50 clics en tout. 50 × 0,05 € = 2,50 € HT. La facture n'est pas saisie.",
        (
            "  Le trimestre doit coûter au moins 188,50 € HT. Dont forfait : 180,00 €. La facture demande 190,00 € :"
            " 1,50 € de plus, peut-être pour ce que personne n'a lu."
        ),
    ]
    assert done.exit_code == 1
    (told,) = json.loads(call(home, *asked, "--json").output)
    assert [one["serial"] for one in told["machines"]] == ["S1", "S2"]
    assert [line["ours"] for one in told["machines"] for line in one["lines"]] == [500, 20, 200, 30]
    assert [(line["ours"], line["least"], line["start"]) for line in told["lines"]] == [
        (700, True, None),
        (50, True, None),
    ]
    assert told["gaps"] == [
        {
            "why": "swapped",
            "old": {"serial": "S1", "last_read": "2025-11-12", "more": None},
            "new": {"serial": "S2", "first_read": "2025-11-12", "mono": 12, "colour": 3},
        }
    ]
    assert call(home, *asked, "--csv").output.splitlines()[1:] == [
        "copieur (S1);noir et blanc;1000;1500;500;;500;;;;;;;",
        "copieur (S1);couleur;100;120;20;;20;;;;;;;",
        "copieur (S2);noir et blanc;12;212;200;;200;;;;;;;",
        "copieur (S2);couleur;3;33;30;;30;;;;;;;",
        "copieur;non lu entre S1 et S2;;;;;;;;;;;;",
        "copieur;noir et blanc;;;700;;700;100;600;0,01;6,00;720;20;0,20",
        "copieur;couleur;;;50;;50;0;50;0,05;2,50;;;",
        "copieur;forfait;;;;;;;;;180,00;;;",
        "copieur;total HT;;;;;;;;;188,50;190;;1,50",
    ]


def test_rest_is_harmless_where_there_is_no_connector(tmp_path: Path) -> None:
    assert call(site(tmp_path, "counters"), "paper", "rest").exit_code == 0


def test_what_is_typed_wrong_is_said_in_french_first_with_what_to_do(tmp_path: Path) -> None:
    home = site(tmp_path, "panel")
    (home / "a.csv").write_text("Code;Noir\n42;100\n", encoding="utf-8")
    call(home, "paper", "releve", "copieur", "--mono", "1000", "--colour", "9")
    for words, said in (
        (("jobs", "--month", "2026-13"), "--month : écrivez le mois comme 2026-11 ; voir « main jobs --help »"),
        (("paper", "contract", "--quarter", "9999-Q4"), "--quarter : écrivez le trimestre comme 2026-Q4 ; voir"),
        (("paper", "counters", "nulle"), "PRINTER : une imprimante du site : copieur ; voir"),
        (("paper", "releve", "copieur"), "il manque '--mono' ; voir « main paper releve --help »"),
        (("paper", "releve", "copieur", "--mono", "10000000000"), "'--mono' : valeur refusée ; voir"),
        (("paper", "code", "copieur", " "), "CODE : 1 à 40 signes, comme sur le copieur ; voir"),
        (("paper", "code", "copieur", "4\x1b[31m2"), "CODE : 1 à 40 signes"),
        (("paper", "code", "copieur", "4" * 41), "CODE : 1 à 40 signes"),
        (("jobs", "-n", "-5"), "'-n' : valeur refusée ; voir"),
        (("jobs", "extra"), "commande mal écrite ; voir « main jobs --help »"),
        (("--nonsense", "jobs"), "commande mal écrite ; voir « main --help »"),
    ):
        done = call(home, *words)
        assert (done.exit_code, done.output[: len(said)]) == (2, said)
    fell = call(home, "paper", "releve", "copieur", "--mono", "1002")
    assert (fell.exit_code, "une ligne manque (--colour ?) ; rien n'est noté" in fell.output) == (1, True)
    leapt = call(home, "paper", "releve", "copieur", "--mono", "999999", "--colour", "9")
    assert (leapt.exit_code, leapt.output[:44]) == (1, "ce serait 998999 copies depuis le dernier re")


def test_who_only_reads_makes_no_ledger(tmp_path: Path) -> None:
    home = site(tmp_path, "codes")
    for words in (["jobs"], ["copies"], ["paper", "balance"], ["paper", "contract", "--quarter", "2026-Q4"]):
        done = call(home, *words)
        assert (done.exit_code, done.output[:31]) == (74, "registre : ni lu ni écrit ; voy")
    assert list((home / "state").iterdir()) == []


def test_copies_that_counters_tell_are_not_imported_again(tmp_path: Path) -> None:
    home = site(tmp_path, "counters")
    (home / "a.csv").write_text("Code;Noir\n42;100\n", encoding="utf-8")
    done = call(home, "paper", "codes", "copieur", str(home / "a.csv"))
    assert (done.exit_code, done.output[:40]) == (1, "les copies de copieur sont déjà comptées")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_an_answer_that_cannot_be_written_is_no_traceback(tmp_path: Path) -> None:
    home = site(tmp_path, "codes")
    call(home, "member", "add", "Ada", "--formula", "abonné")
    command = [sys.executable, "-m", "agent.cli", "--site", str(home / "site.toml"), "--state", str(home / "state")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*command, "copies"], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert (done.returncode, done.stderr[:19]) == (74, "rien ne s'écrit ici")
    with subprocess.Popen([*command, "copies"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        piped.stdout.close()  # `| head` has seen enough
        assert piped.stderr.read() == ""
