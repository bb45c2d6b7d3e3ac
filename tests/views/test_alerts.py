"""The alert rules, judged by the real promtool: fire, no fire, no data."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import agent.views

RULES = Path(agent.views.__file__).parent / "alerts.yml"
CASES = tuple(map(Path(__file__).with_name, ("alerts_test.yml", "alerts_minutes_test.yml", "alerts_slow_test.yml")))
ALERTS = {
    "GardienLinkDown",
    "GardienBothLinksDown",
    "GardienLinkBudgetBurns",
    "GardienInternetBudgetBurns",
    "GardienMonitoringGap",
    "GardienLinkSaturated",
    "GardienPrinterStopped",
    "GardienSupplyEmpty",
    "GardienSpoolDrift",
    "GardienSpoolGap",
    "GardienJobsStuck",
    "GardienMetersSilent",
    "GardienCopyControlLost",
    "GardienCopiesUnattributed",
    "GardienPrintedPast",
    "GardienReleaseRefused",
    "GardienJobsExpired",
    "GardienDoorHeldOrForced",
    "GardienDoorLeftOpen",
    "GardienPeopleLeft",
    "GardienLockdown",
    "GardienDoorLastList",
    "GardienServiceSilent",
    "GardienLedgerFault",
    "GardienClockUntrusted",
    "GardienCertificateEnds",
}


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_well_formed() -> None:
    promtool("check", "rules", RULES)


def test_each_alert_fires_keeps_quiet_and_survives_no_data() -> None:
    promtool("test", "rules", *CASES)


def test_each_is_tried_both_ways() -> None:
    assert set(re.findall(r"- alert: (\w+)", RULES.read_text())) == ALERTS
    cases = "".join(each.read_text() for each in CASES)
    for alert in ALERTS:
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels", cases), alert
        assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", cases), alert


def test_each_alert_says_what_and_what_to_do_in_both_languages() -> None:
    rules = RULES.read_text()
    assert len(re.findall(r"summary: .* · ", rules)) == len(ALERTS)
    assert len(re.findall(r"remedy: >-\n.* ·\n", rules)) == len(ALERTS)
