"""Whether a policy of CUPS proves the names of those who print by it."""

from __future__ import annotations

import pytest

from drivers.cupsdconf import read_conf

CONF = """\
<Policy default>
  <Limit Create-Job Print-Job>
    Order deny,allow
  </Limit>
  <Limit All>
    AuthType Default
    Require user @SYSTEM
  </Limit>
</Policy>
<Policy Authenticated>
  <Limit Create-Job Print-Job Validate-Job>
    AuthType Default
    Require valid-user
  </Limit>
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
"""


def test_a_policy_that_asks_for_a_password_at_both_ways_in_proves_names():
    conf = read_conf(CONF)
    assert conf.proves_names("authenticated")
    assert not conf.proves_names("default")
    assert not conf.proves_names("")
    assert not read_conf("").proves_names("default")


def test_limit_all_asks_for_what_no_other_limit_names():
    conf = read_conf(CONF.replace("Create-Job Print-Job Validate-Job", "All"))
    assert conf.proves_names("authenticated")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("Create-Job Print-Job Validate-Job", "Create-Job Validate-Job"),  # Print-Job is open
        ("Create-Job Print-Job Validate-Job", "Print-Job"),
        ("    Require valid-user\n", ""),  # of nobody in particular: CUPS then asks nobody
        ("    Require valid-user\n", "    Require\n"),
        ("    Require valid-user\n", "    Require valid-user\n    Satisfy any\n"),
        ("    AuthType Default\n    Require valid-user", "    AuthType None\n    Require valid-user"),
        ("    AuthType Default\n    Require valid-user", "    Require valid-user"),
        ("<Policy default>", "DefaultAuthType None\n<Policy default>"),
        ("<Policy Authenticated>", "<Policy other>"),
    ],
)
def test_a_way_around_the_password_proves_nothing(was: str, becomes: str):
    assert was in CONF
    assert not read_conf(CONF.replace(was, becomes)).proves_names("authenticated")


@pytest.mark.parametrize("who", ["user alice bob", "group members", "user @SYSTEM"])
def test_whom_it_asks_does_not_matter(who: str):
    assert read_conf(CONF.replace("Require valid-user", f"Require {who}")).proves_names("authenticated")


def test_comments_unknown_directives_and_loose_ends_say_nothing():
    conf = read_conf("# AuthType Default\n\n</Policy>\nMaxJobs 0\n<Policy p>\nAuthType Default\n<Limit All>\nFoo bar")
    assert conf.top == {"maxjobs": "0"}
    assert not conf.proves_names("p")
