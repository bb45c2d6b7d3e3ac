"""Who may do what."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.rules.access import SESSION_LASTS, Acted, BoxRestarted, Role, may

ALLOWED = {
    (Role.PUBLIC, Role.PUBLIC),
    (Role.MEMBER, Role.PUBLIC),
    (Role.ANIMATOR, Role.PUBLIC),
    (Role.OPS, Role.PUBLIC),
    (Role.MEMBER, Role.MEMBER),
    (Role.ANIMATOR, Role.ANIMATOR),
    (Role.OPS, Role.OPS),
    (Role.OPS, Role.ANIMATOR),
}


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_ops_stands_in_for_the_animator_and_nobody_for_anybody_else(held: Role, needed: Role) -> None:
    assert may(held, needed) == ((held, needed) in ALLOWED)


def test_sessions_of_more_power_are_shorter() -> None:
    assert {
        Role.MEMBER: timedelta(days=30),
        Role.ANIMATOR: timedelta(hours=12),
        Role.OPS: timedelta(hours=4),
    } == SESSION_LASTS


def test_the_audit_is_kept_a_year_and_a_restart_for_ever() -> None:
    assert (Acted.kept_for_days, BoxRestarted.kept_for_days) == (365, None)
    assert Acted("a1", "card-blocked", "ab12").totals() == ()
