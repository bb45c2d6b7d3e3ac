"""How far one gets on a link, step by step."""

from __future__ import annotations

import pytest

from agent.rules.ladder import PLACES, ladder
from agent.rules.linkfacts import CAUSES, Cause, Health

SHORT = {"passed": "+", "badly": "~", "broken": "x", "broken_from": ">", "unknown": "?"}


@pytest.mark.parametrize(
    ("health", "cause", "steps"),  # desk, box, line, provider, internet
    [
        (Health.UP, Cause.NONE, "+++++"),
        (Health.DOWN, Cause.CABLE, "x????"),
        (Health.DOWN, Cause.BOX, "+x???"),
        (Health.DOWN, Cause.LINE, "++x??"),
        (Health.DOWN, Cause.INTERNET, "++>??"),
        (Health.DOWN, Cause.ISP, "+++x?"),
        (Health.PORTAL, Cause.PAGE, "+++x?"),
        (Health.DNS_BROKEN, Cause.DNS_DEAD, "+++x?"),
        (Health.DNS_BROKEN, Cause.DNS_LYING, "+++x?"),
        (Health.SATURATED, Cause.UPLOAD, "++~++"),
        (Health.SATURATED, Cause.DOWNLOAD, "++~++"),
        (Health.DEGRADED, Cause.LOSS, "++++~"),
        (Health.DEGRADED, Cause.DELAY, "++++~"),
        (Health.DEGRADED, Cause.FLAPPING, "++++~"),
        (Health.DEGRADED, Cause.HOLE, "++++~"),
        (Health.UNKNOWN, Cause.GAP, "?????"),
        (Health.UNKNOWN, Cause.DOUBT, "?????"),
        (Health.UNKNOWN, Cause.BOX, "?????"),
        (Health.DOWN, Cause.NONE, "?????"),
    ],
)
def test_before_the_break_passed_behind_it_unknown(health: Health, cause: Cause, steps: str) -> None:
    found = ladder(health, cause)
    assert [rung for rung, _ in found] == ["desk", "box", "line", "provider", "internet"]
    assert "".join(SHORT[step] for _, step in found) == steps


def test_every_cause_that_names_a_fault_has_its_place() -> None:
    assert set(PLACES) == {cause for health in CAUSES for cause in CAUSES[health]} - {
        Cause.NONE,
        Cause.GAP,
        Cause.DOUBT,
    }
