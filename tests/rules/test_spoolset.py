"""What has drifted from the settings that metering stands on (tier: rule)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.rules.spoolset import Drift, drifts
from drivers.spooling import SpoolSettings

CONF = """\
# as the role writes it
DirtyCleanInterval 0
PreserveJobHistory Yes
MaxJobs 0
PageLogFormat %j %{time-at-creation} %p %P %C %{job-impressions-completed}
<Location />
  Order allow,deny
</Location>

<Policy default>
  JobPrivateValues default
  <Limit Create-Job Print-Job>
    Order deny,allow
  </Limit>
  <Limit Get-Jobs>
    AuthType Default
    Require user @SYSTEM
  </Limit>
  <Limit Cancel-Job Cancel-My-Jobs>
    AuthType Default
    Require user @OWNER @SYSTEM
  </Limit>
  <Limit Purge-Jobs Cancel-Jobs>
    AuthType Default
    Require user @SYSTEM
  </Limit>
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""
WELL = SpoolSettings(CONF, {"copieur": "gardien:ipp://192.0.2.9/ipp/print"}, bell=True, page_log=True)
LOG = "PageLogFormat %j %{time-at-creation} %p %P %C %{job-impressions-completed}\n"


def conf(old: str, new: str) -> SpoolSettings:
    assert old in CONF
    return replace(WELL, conf=CONF.replace(old, new))


def test_what_the_role_writes_has_not_drifted():
    assert drifts(WELL) == ()
    assert drifts(replace(WELL, conf=CONF.replace("MaxJobs 0", "maxjobs   0").replace("Limit Get", "limit get"))) == ()


@pytest.mark.parametrize(
    ("old", "new", "drift"),
    [
        ("DirtyCleanInterval 0\n", "", Drift.FORGETS),  # CUPS's default is 30
        ("DirtyCleanInterval 0", "DirtyCleanInterval 30", Drift.FORGETS),
        ("DirtyCleanInterval 0", "#DirtyCleanInterval 0", Drift.FORGETS),
        ("DirtyCleanInterval 0", "DirtyCleanInterval 0\nDirtyCleanInterval 5", Drift.FORGETS),
        ("PreserveJobHistory Yes", "PreserveJobHistory No", Drift.HISTORY),
        ("PreserveJobHistory Yes", "PreserveJobHistory 86400", Drift.HISTORY),
        ("MaxJobs 0\n", "", Drift.PRUNES),  # CUPS's default is 500
        ("MaxJobs 0", "MaxJobs 20", Drift.PRUNES),
        ("Limit Get-Jobs", "Limit Get-Job-Attributes", Drift.NAMES),
        ("<Limit Get-Jobs>\n    AuthType Default", "<Limit Get-Jobs>", Drift.NAMES),
        ("<Limit Get-Jobs>\n    AuthType Default", "<Limit Get-Jobs>\n    AuthType None", Drift.NAMES),
        ("    Require user @SYSTEM\n  </Limit>\n  <Limit Cancel-Job", "  </Limit>\n  <Limit Cancel-Job", Drift.NAMES),
        (
            "AuthType Default\n    Require user @SYSTEM",
            "AuthType Default\n    Require user @OWNER @SYSTEM",
            Drift.NAMES,
        ),
        ("Limit Cancel-Job Cancel-My-Jobs", "Limit Cancel-Job", Drift.PURGE),
        ("Limit Purge-Jobs Cancel-Jobs", "Limit Cancel-Jobs", Drift.PURGE),
        (LOG, "", Drift.LOG),
        (LOG, "PageLogFormat\n", Drift.LOG),
        (LOG, "PageLogFormat %p %u %j %T %P %C %{job-name}\n", Drift.LOG),
        ("Policy default", "Policy kerberos", Drift.NAMES),
    ],
)
def test_each_setting_that_differs_is_told(old, new, drift):
    assert drift in drifts(conf(old, new))


def test_one_drift_hides_no_other_and_names_only_itself():
    assert drifts(conf("MaxJobs 0", "MaxJobs 500")) == (Drift.PRUNES,)
    assert drifts(conf(CONF, "Listen localhost:631\n")) == (
        Drift.FORGETS,
        Drift.PRUNES,
        Drift.NAMES,
        Drift.PURGE,
        Drift.LOG,
    )


def test_settings_we_may_not_read_are_unknown_and_not_well():
    assert drifts(replace(WELL, conf="")) == (Drift.UNREAD,)


def test_a_queue_that_should_ask_for_a_password_and_does_not_is_a_drift():
    both = frozenset({"bureau", "copieur"})
    assert drifts(replace(WELL, proven=both), frozenset({"bureau"})) == ()
    assert drifts(replace(WELL, proven=frozenset({"copieur"})), both) == (Drift.PASSWORDS,)
    assert drifts(replace(WELL, conf=""), both) == (Drift.UNREAD,)


def test_a_page_log_that_cannot_be_read_is_a_drift_once():
    assert drifts(replace(WELL, page_log=False)) == (Drift.LOG,)
    assert drifts(replace(conf(LOG, ""), page_log=False)) == (Drift.LOG,)


@pytest.mark.parametrize(
    "settings",
    [
        replace(WELL, uris={"copieur": "ipp://192.0.2.9/ipp/print"}),
        replace(WELL, bell=False),
        replace(WELL, uris={**WELL.uris, "second": "ipp://192.0.2.9/ipp/print"}),
    ],
)
def test_a_queue_past_the_backend_is_a_drift(settings):
    assert drifts(settings) == (Drift.BACKEND,)


@pytest.mark.parametrize(
    "text", ["</Policy>\n</Limit>\n", "<Limit All>\nAuthType Default\n", "<Policy>\n<Limit>\nRequire x\n"]
)
def test_a_file_that_is_no_configuration_ends_in_drifts_and_not_in_an_error(text):
    assert Drift.FORGETS in drifts(replace(WELL, conf=text))
