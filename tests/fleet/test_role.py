"""The role, applied for real: from a bare Debian to a building that is kept, by its own units with all their fences."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from drivers.peers.cups import pdf
from tests.fleet.bed import building
from tests.fleet.morez import READER, RELAY, WHOLE, Deployed, board, eventually, fetch, hold_card

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="containers and namespaces need root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="no systemd-nspawn: run ./dev fleet"),
]

CARD = "0A00123456"

DOOR_ONLY = """
[site]
name = "Le bureau du village"
code = "village"

[door]
key_box = "à droite de la porte"
night_phone = "03 84 00 00 00"

[door.lock]
kind = "gpio"
chip = "board:/var/lib/gardien/board"

[readers.porte]
kind = "serial"
at = "door"
device = "/run/gardien/reader"
"""

CODE = re.compile(r"animator: [0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


def test_a_dry_run_on_a_bare_host_is_green_and_touches_nothing(deployed: Deployed) -> None:
    assert (deployed.dry.code, deployed.dry.failed) == (0, 0), deployed.dry.said
    assert deployed.dry.changed > 5
    assert CODE.search(deployed.dry.said) is None
    assert CODE.search(deployed.first.said) is not None  # for whoever stands at the box
    assert deployed.left_by_dry == ""


def test_the_first_run_ends_with_every_service_running(deployed: Deployed) -> None:
    assert (deployed.first.code, deployed.first.failed) == (0, 0), deployed.first.said
    units = "gardien.target gardien-door gardien-links gardien-paper gardien-web gardien-tend.timer cups"
    assert deployed.here.do(f"systemctl is-active {units}").split() == ["active"] * 7
    assert deployed.here.do("systemctl --failed --no-legend --plain") == ""
    assert "La Cordée Morez" in deployed.here.do(fetch("/"))


def test_a_second_run_changes_nothing(deployed: Deployed) -> None:
    again = deployed.here.play("morez", deployed.site_file)
    assert (again.code, again.changed, again.failed) == (0, 0, 0), again.said
    assert CODE.search(again.said) is None  # printed once
    dry = deployed.here.play("morez", deployed.site_file, "--check", "--diff")
    assert (dry.code, dry.changed, dry.failed) == (0, 0, 0), dry.said


def test_the_state_is_shared_by_group_and_closed_to_everybody_else(deployed: Deployed) -> None:
    listed = deployed.here.do("stat -c '%a %G' /var/lib/gardien /var/lib/gardien/ledger.db /var/lib/gardien/roster.db")
    assert listed.splitlines() == ["2770 gardien", "660 gardien", "660 gardien"]
    owners = deployed.here.do(
        "for s in door links paper web; do ps -o user:20= -p $(systemctl show -P MainPID gardien-$s); done"
    )
    assert owners.split() == ["gardien-door", "gardien-links", "gardien-paper", "gardien-web"]


def test_the_fences_hold(deployed: Deployed) -> None:
    def status_of(service: str, field: str) -> str:
        found = deployed.here.do(f"grep ^{field}: /proc/$(systemctl show -P MainPID gardien-{service})/status")
        return found.split()[1]

    assert {service: int(status_of(service, "CapEff"), 16) for service in ("door", "links", "paper", "web")} == {
        "door": 0,
        "links": 1 << 13,
        "paper": 0,
        "web": 0,
    }  # fmt: skip  (13: CAP_NET_RAW, capabilities(7))
    assert {status_of(service, "Seccomp") for service in ("door", "links", "paper", "web")} == {"2"}
    assert deployed.here.do("nsenter -n -t $(systemctl show -P MainPID gardien-door) ip -br link").split()[0] == "lo"
    assert "host0" not in deployed.here.do("nsenter -n -t $(systemctl show -P MainPID gardien-door) ip -br link")


def test_the_link_is_probed_and_up(deployed: Deployed) -> None:
    eventually(deployed.here, fetch("/metrics"), 'gardien_link_up{link="adsl1"} 1.0')


def test_a_job_printed_through_cups_is_counted(deployed: Deployed) -> None:
    (deployed.here.root / "srv/three.pdf").write_bytes(pdf(3, colour=False))
    job = deployed.here.do("lp -d copieur -n 2 /srv/three.pdf").split()[3].rpartition("-")[2]  # request id is copieur-7
    command = f'gardien ledger export | grep \'"spooled":"copieur/{job}/\' | grep attempt-known || true'
    eventually(deployed.here, command, '"high":6', 60)
    (counted,) = [json.loads(line)["content"]["body"] for line in deployed.here.do(command).splitlines()]
    assert (counted["low"], counted["high"]) == (6, 6)


def test_the_month_can_be_stated_with_the_tariff_the_site_names(deployed: Deployed) -> None:
    assert deployed.here.do("gardien statement $(date +%Y-%m) --format json").startswith('{"')
    assert deployed.here.do("cmp /etc/gardien/tariff.toml /etc/gardien/next/tariff.toml && echo same") == "same"


def test_a_card_opens_the_door(deployed: Deployed) -> None:
    member = deployed.here.do("gardien member add 'Une Abonnée' --formula subscriber").split()[-1]
    deployed.here.do(f"gardien card give {member} {CARD}")
    hold_card(deployed.here, READER, CARD)
    pulses = [change for change in deployed.board.record(RELAY) if change.high]
    assert len(pulses) == 1


def test_a_killed_service_is_back_and_the_ledger_clean(deployed: Deployed) -> None:
    for service in ("door", "links", "paper", "web"):
        before = deployed.here.do(f"systemctl show -P MainPID gardien-{service}")
        deployed.here.do(f"kill -9 {before}")
        eventually(deployed.here, f"systemctl show -P SubState gardien-{service}", "running")
        assert deployed.here.do(f"systemctl show -P MainPID gardien-{service}") not in {before, "0"}


def test_the_night_is_tended(deployed: Deployed) -> None:
    deployed.here.do("systemctl start gardien-tend.service", may_fail=True)
    said = deployed.here.do("journalctl -o cat -u gardien-tend.service")
    assert re.search(r"internally consistent.* head \d+:[0-9a-f]{64}", said), said
    assert "MB free for the ledger" in said
    # A container has its host's clock: where nothing disciplines that one, nothing is forgotten and ops is told.
    well = "nothing forgotten" not in said
    assert deployed.here.do("systemctl show -P Result gardien-tend.service") == ("success" if well else "exit-code")
    deployed.here.do("systemctl reset-failed gardien-tend.service", may_fail=True)
    listed = deployed.here.do("stat -c '%a %G' /var/lib/gardien/ledger.db*")
    assert set(listed.splitlines()) == {"660 gardien"}


def test_a_wrong_site_file_is_refused_before_it_is_in_force(deployed: Deployed, tmp_path: Path) -> None:
    wrong = tmp_path / "morez.toml"
    wrong.write_text(WHOLE.replace("hold_s", "hold"), encoding="utf-8")
    shutil.copy(deployed.site_file.with_name("tariff.toml"), tmp_path)
    pids = "systemctl show -P MainPID gardien-door gardien-links gardien-paper gardien-web"
    before = deployed.here.do(pids)
    refused = deployed.here.play("morez", wrong)
    assert refused.failed == 1
    assert "hold_s" in refused.said  # the fault names the key that was meant
    assert (
        deployed.here.do("cmp /etc/gardien/site.toml /etc/gardien/next/site.toml && echo same", may_fail=True) != "same"
    )
    assert deployed.here.do(pids) == before
    deployed.here.do("cp /etc/gardien/site.toml /etc/gardien/next/site.toml")  # as it was, for the other tests


def test_a_service_with_a_wrong_site_file_is_not_started_again_and_again(deployed: Deployed) -> None:
    deployed.here.do("cp -p /etc/gardien/site.toml /root/good.toml; echo nonsense >>/etc/gardien/site.toml")
    try:
        deployed.here.do("systemctl restart gardien-web", may_fail=True)
        time.sleep(5)
        shown = deployed.here.do("systemctl show -p ActiveState,ExecMainStatus,NRestarts gardien-web").split()
        assert sorted(shown) == ["ActiveState=failed", "ExecMainStatus=78", "NRestarts=0"]
    finally:
        deployed.here.do("cp -p /root/good.toml /etc/gardien/site.toml; systemctl restart gardien-web")


def test_a_door_without_its_relay_tries_for_ever_but_not_twice_a_second(deployed: Deployed) -> None:
    deployed.here.do("sed -i.good s,gardien/board,gardien/absent, /etc/gardien/site.toml")
    try:
        deployed.here.do("systemctl restart gardien-door", may_fail=True)
        time.sleep(10)
        assert deployed.here.do("systemctl show -P NRestarts gardien-door") == "1"  # counted since the restart by hand
        assert deployed.here.do("systemctl show -P SubState gardien-door") == "start-pre"
    finally:
        deployed.here.do("mv /etc/gardien/site.toml.good /etc/gardien/site.toml")
        eventually(deployed.here, "systemctl show -P SubState gardien-door", "running", 60)


def test_a_village_office_gets_a_door_and_a_page_and_nothing_else(tmp_path: Path) -> None:
    site_file = tmp_path / "village.toml"
    site_file.write_text(DOOR_ONLY, encoding="utf-8")
    with building(tmp_path) as here, board(here):
        first = here.play("village", site_file)
        assert (first.code, first.failed) == (0, 0), first.said
        assert here.do("systemctl is-active gardien-door gardien-web").split() == ["active", "active"]
        enabled = here.do("systemctl is-enabled gardien-links gardien-paper", may_fail=True)
        assert enabled.split() == ["disabled", "disabled"]
        assert here.do("ls /usr/sbin/cupsd /usr/lib/*/libpcap.so* 2>/dev/null; true") == ""
        again = here.play("village", site_file)
        assert (again.code, again.changed, again.failed) == (0, 0, 0), again.said
