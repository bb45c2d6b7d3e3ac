"""`gardien tend` prunes CUPS's history behind the ledger's cursor (tier: peers); and the role sets what is checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import Environment

from agent.config import Places, Site, SiteCard, SpoolerConfig
from agent.memory.ledger import Ledger
from agent.rules.spool import SpoolRead
from agent.rules.spoolset import drifts
from agent.services.tend import tend
from drivers.clock import SystemClock
from drivers.contract import Moment, Trust
from drivers.cupsdconf import read_conf
from drivers.peers.cups import CupsPeer, available
from drivers.spooling import SpoolSettings

REPO = Path(__file__).parents[1]
TEMPLATE = REPO / "ansible/roles/gardien/templates/cupsd.conf.j2"


@dataclass
class At:
    """A clock that stands."""

    moment: Moment

    def now(self) -> Moment:
        return self.moment


def later(days: float, trust: Trust = Trust.SYNCHRONISED) -> At:
    return At(Moment(datetime.now(UTC) + timedelta(days=days), 1.0, "boot", trust))


@pytest.mark.peers
@pytest.mark.skipif(bool(available()), reason=available())
def test_what_is_old_and_read_is_pruned_and_nothing_else(tmp_path: Path) -> None:
    with CupsPeer(tmp_path / "cups") as cupsd:
        cupsd.add_queue("copieur", "file:///dev/null")
        for user in ("alice", "bob", "carol"):
            cupsd.print_pdf(user, 1)
        for number, newer_days in ((1, 0), (2, 2)):
            note = cupsd.attempts / f"copieur-{number}-5-9.json"
            note.write_text("{}")
            os.utime(note, (datetime.now(UTC).timestamp() + newer_days * 86400,) * 2)
        (cupsd.attempts / "bell").write_text("")
        spooler = SpoolerConfig("cups", cupsd.server, str(cupsd.attempts), str(cupsd.page_log))
        site = Site(SiteCard("Essai", "essai"), spooler=spooler)
        places = Places(tmp_path, tmp_path / "run")

        def said(clock: At) -> list[str]:
            return [one.says for one in tend(site, places, clock) if one.says.startswith("print queue")]

        def history() -> int:
            return len(cupsd._run("lpstat", "-W", "all", "-o").splitlines())

        assert said(later(31)) == ["print queue: nothing read yet, nothing pruned"]
        created = int(datetime.now(UTC).timestamp())
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            ledger.append_now(SpoolRead(1, 2, created, 0), SystemClock().now(), "1/2")
        assert said(later(31, Trust.UNKNOWN)) == []  # a wrong clock must not erase
        assert said(later(29)) == ["print queue: 0 old jobs and 0 notes pruned"]
        assert history() == 3
        assert said(later(31)) == ["print queue: 2 old jobs and 1 notes pruned"]
        assert history() == 1  # the third was not read yet
        assert sorted(file.name for file in cupsd.attempts.iterdir()) == ["bell", "copieur-2-5-9.json"]
        cupsd.kill9()
        (failed,) = [one for one in tend(site, places, later(31)) if one.says.startswith("print queue")]
        assert not failed.well
        assert "not pruned" in failed.says


def test_the_role_sets_what_is_checked_at_run_time() -> None:
    text = Environment(autoescape=False).from_string(TEMPLATE.read_text(encoding="utf-8")).render()
    assert read_conf(text).proves_names("authenticated")
    assert not read_conf(text).proves_names("default")
    for policy in ("default", "authenticated"):
        assert read_conf(text).limit("set-job-attributes", policy).who == frozenset({"@system"})
    settings = SpoolSettings(text, {"copieur": "gardien:ipp://192.0.2.9/ipp/print"}, bell=True, page_log=True)
    assert drifts(settings) == ()


def test_the_role_puts_the_backend_where_cups_finds_it_and_its_notes_where_we_look() -> None:
    tasks = (REPO / "ansible/roles/gardien/tasks/cups.yml").read_text(encoding="utf-8")
    assert "dest: /usr/lib/cups/backend/gardien" in tasks
    assert '"gardien:{{ item.uri }}"' in tasks
    folder = SpoolerConfig("cups").attempts
    assert re.search(
        rf"^d {folder} +2770 lp +gardien", (REPO / "systemd/tmpfiles.d/gardien.conf").read_text(), re.MULTILINE
    )
    for unit in ("paper", "tend"):
        assert f"ReadWritePaths=-{folder}" in (REPO / f"systemd/gardien-{unit}.service").read_text()
    assert f'FOLDER = "{folder}"' in (REPO / "drivers/backend.py").read_text()
