"""The command line, as a person types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.memory.accounts import AccountStore
from agent.rules.access import Role
from drivers.clock import SystemClock

SITE = '[site]\nname = "Morez"\ncode = "morez"\n'


def call(folder: Path, *words: str) -> Result:
    options = ["--site", str(folder / "site.toml"), "--state", str(folder / "state"), "--run", str(folder / "run")]
    return CliRunner().invoke(main, [*options, *words])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "site.toml").write_text(SITE + '[links.adsl1]\nkind = "sim"\n', encoding="utf-8")
    return tmp_path


def test_a_member_list_from_excel_is_imported_once(site: Path) -> None:
    rows = "Identifiant;Nom;Formule;Carte;Impression\r\nm007;Zoé Éloïse;abonné;04 A2 B3 C4 D5;zoe\r\n"
    (site / "membres.csv").write_bytes(rows.encode("cp1252"))
    first = call(site, "member", "import", str(site / "membres.csv"))
    assert (first.exit_code, first.output) == (0, "1 ajoutés, 0 modifiés, 0 inchangés\n")
    assert call(site, "member", "import", str(site / "membres.csv")).output == "0 ajoutés, 0 modifiés, 1 inchangés\n"
    assert "Zoé Éloïse" in call(site, "member", "list").output
    exported = call(site, "ledger", "export").output
    assert "m007" in exported
    assert "Zo" not in exported
    assert "04A2B3C4D5" not in exported


def test_an_import_with_faults_changes_nothing_and_says_each_line(site: Path) -> None:
    (site / "m.csv").write_text("nom;formule\nAda;abonné\nBob;dragon\n;abonné\n", encoding="utf-8")
    done = call(site, "member", "import", str(site / "m.csv"))
    assert done.exit_code == 1
    assert "m.csv:3:" in done.output
    assert "m.csv:4:" in done.output
    assert call(site, "member", "list").output == ""


def test_cards_are_given_and_blocked_by_number_or_by_owner(site: Path) -> None:
    made = call(site, "member", "add", "Ada", "--formula", "abonné").output.strip()
    assert made == "m001"
    assert call(site, "card", "give", made, "0F00A1B2C3").exit_code == 0
    assert "1 carte(s)" in call(site, "member", "list").output
    assert call(site, "card", "block", made).exit_code == 0
    assert "0 carte(s)" in call(site, "member", "list").output
    stranger = call(site, "card", "block", "FFFFFFFFFF")
    assert stranger.exit_code == 1
    assert "carte" in stranger.output
    assert call(site, "card", "give", made, "xyz").exit_code == 2
    assert call(site, "member", "erase", made).exit_code == 0
    assert call(site, "member", "list").output == ""


def test_the_ledger_is_proven_and_an_edit_is_found(site: Path) -> None:
    call(site, "member", "add", "Ada", "--formula", "subscriber")
    verdict = json.loads(call(site, "ledger", "verify", "--json").output)
    anchor = f"{verdict['head']['seq']}:{verdict['head']['hash']}"
    assert verdict["ok"]
    assert call(site, "ledger", "verify", "--against", anchor).exit_code == 0
    wrong = f"{verdict['head']['seq']}:{'0' * 64}"
    assert call(site, "ledger", "verify", "--against", wrong).exit_code == 1
    assert call(site, "ledger", "verify", "--against", "nonsense").exit_code == 2
    assert len(call(site, "ledger", "tail", "-n", "1").output.splitlines()) == 1


def test_a_statement_needs_a_tariff_and_a_month(site: Path) -> None:
    assert call(site, "statement", "2026-13").exit_code == 2
    missing = call(site, "statement", "2026-11")
    assert missing.exit_code == 78
    assert "tariff" in missing.output
    text = (site / "site.toml").read_text(encoding="utf-8")
    (site / "site.toml").write_text('tariff = "t.toml"\n' + text, encoding="utf-8")
    (site / "t.toml").write_text('currency = "euro"\n[[periods]]\nfrom = 2026-01-01\nhour = 3\n', encoding="utf-8")
    faulty = call(site, "statement", "2026-11")
    assert faulty.exit_code == 78
    assert "t.toml:1: currency" in faulty.output
    assert "t.toml:4: periods.0.hour" in faulty.output
    assert call(site, "check", str(site / "site.toml")).exit_code == 78


def test_a_good_site_is_checked_and_its_status_is_unknown_before_anything_runs(site: Path) -> None:
    assert call(site, "check", str(site / "site.toml")).exit_code == 0
    state = call(site, "status", "--json")
    assert state.exit_code == 1
    assert json.loads(state.output)["code"] == "morez"
    assert "ne savons pas" in call(site, "status").output
    assert "do not know" in call(site, "status", "--lang", "en").output.lower()


def test_nobody_there_to_be_told_is_said(site: Path) -> None:
    told = call(site, "tell", "cut", "adsl1")
    assert told.exit_code == 69
    assert "could not be asked" in told.output


def test_the_night_is_tended(site: Path) -> None:
    call(site, "member", "add", "Ada", "--formula", "subscriber")
    done = call(site, "tend")
    assert "head" in done.output
    assert "MB free" in done.output


def test_door_rest_is_harmless_where_there_is_no_relay(site: Path) -> None:
    assert call(site, "door", "rest").exit_code == 0


def test_an_account_begins_with_a_code_and_ends_at_once(site: Path) -> None:
    code = call(site, "account", "claim", "--role", "animator").output.strip()
    assert re.fullmatch(r"[2-9A-Z]{4}(-[2-9A-Z]{4}){2}", code)
    with AccountStore.open(site / "state", SystemClock()) as store:
        store.claim(code, "Camille", "hash", "pin")
        store.begin("a1", Role.ANIMATOR)
    listed = call(site, "account", "list").output
    assert listed.startswith("a1   animator")
    assert listed.endswith("1 session(s)  Camille\n")
    assert call(site, "account", "claim", "--role", "ops", "--account", "a1").exit_code == 1
    assert call(site, "account", "claim", "--role", "animator", "--account", "a1").exit_code == 0
    assert call(site, "account", "end", "a1").output == "a1 : terminé — ended\n"
    assert call(site, "account", "end", "a1").exit_code == 1
    assert "Camille" not in call(site, "account", "list").output
    exported = call(site, "ledger", "export").output
    assert "account-ended" in exported
    assert "Camille" not in exported
    assert code not in exported


def test_a_site_file_is_checked_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tariff stands beside it, and not beside whoever asks."""
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "site.toml").write_text('tariff = "tarif.toml"\n' + SITE, encoding="utf-8")
    tariff = Path(__file__).parents[1] / "ansible" / "sites" / "tariff.toml"
    (tmp_path / "sites" / "tarif.toml").write_bytes(tariff.read_bytes())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["check", "sites/site.toml"])
    assert done.exit_code == 0, done.output


def test_a_shared_account_is_made_used_ended_and_erased(site: Path) -> None:
    call(site, "member", "add", "Ada", "--formula", "abonné")
    assert call(site, "payer", "add", "Fête", "--formula", "occasionnel").output == "p:001\n"
    assert call(site, "payer", "add", "fete", "--formula", "occasionnel").exit_code == 1
    assert call(site, "payer", "add", "X", "--formula", "dragon").exit_code == 2
    assert call(site, "payer", "allow", "p:001", "m001").exit_code == 0
    assert call(site, "payer", "allow", "p:001", "m009").exit_code == 1
    assert call(site, "payer", "list").output == "p:001  occasional    Fête  (m001)\n"
    assert call(site, "payer", "deny", "p:001", "m001").exit_code == 0
    assert call(site, "payer", "change", "p:001", "--name", "Foire", "--formula", "abonné").exit_code == 0
    assert call(site, "payer", "end", "p:001", "30/11/2026").exit_code == 0
    assert call(site, "payer", "list").output == "p:001  subscriber   → 2026-11-30  Foire  (personne)\n"
    assert call(site, "payer", "erase", "p:001").exit_code == 0
    assert call(site, "payer", "end", "p:001").exit_code == 1
    assert call(site, "payer", "list").output == ""
    exported = call(site, "ledger", "export").output
    assert "payer-erased" in exported
    assert "Foire" not in exported
