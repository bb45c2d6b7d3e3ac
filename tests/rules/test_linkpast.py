"""The fold of the links' past: by link, the newest report holds, and what is not kept is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.access import BoxRestarted
from agent.rules.linkfacts import Cause, Health, LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.linkpast import Past, follow, repaired
from agent.rules.outages import Outage, Stretch, stretches

UP, DOWN = Health.UP, Health.DOWN


def at(hour: int, minute: int = 0, second: float = 0) -> datetime:
    return datetime(2026, 11, 24, hour, minute, tzinfo=UTC) + timedelta(seconds=second)


def changed(
    since: datetime, was: Health, now: Health, cause: Cause, link: str = "adsl1"
) -> tuple[datetime, LinkChanged]:
    return since + timedelta(seconds=3), LinkChanged(link, was, now, cause, since, "")


FACTS = (
    changed(at(8), Health.UNKNOWN, UP, Cause.NONE),
    changed(at(9, 0, 0.4), UP, DOWN, Cause.BOX),
    changed(at(9, 30, 0.7), DOWN, UP, Cause.NONE),
)
OUTAGE = Outage(Cause.BOX, at(9), at(9, 30), UP)


def test_a_line_of_one_link_with_its_restarts() -> None:
    past = follow(Past(), (*FACTS, (at(9, 20), BoxRestarted("adsl1", "a1")), (at(9, 20), BoxRestarted("adsl2", "a1"))))
    assert past.line("adsl1", at(10), at(10)) == (
        Stretch(UP, Cause.NONE, at(8), at(9)),
        Stretch(DOWN, Cause.BOX, at(9), at(9, 20)),
        Stretch(DOWN, Cause.BOX, at(9, 20), at(9, 25), restart=True),
        Stretch(DOWN, Cause.BOX, at(9, 25), at(9, 30)),
        Stretch(UP, Cause.NONE, at(9, 30), at(10)),
    )
    assert past.line("adsl2", at(10), at(10)) == ()


def test_it_goes_on_from_where_it_was_and_the_newest_report_holds() -> None:
    first = OutageReported("adsl1", at(9, 0, 0.4), at(9, 10), "A1", "a1")
    newer = OutageReported("adsl1", at(9), at(9, 12), "A2", "a2")
    past = follow(follow(Past(), FACTS), [(at(9, 11), first)])
    assert past.report("adsl1", OUTAGE) == first
    past = follow(past, [(at(9, 13), newer)])
    assert past.report("adsl1", OUTAGE) == newer
    assert past.report("adsl2", OUTAGE) is None
    assert past.changes["adsl1"] == FACTS


@pytest.mark.parametrize("until", [at(8, 30), at(9, 10), at(9, 30), at(9, 31), at(12)])
def test_what_is_settled_is_what_the_facts_say(until: datetime) -> None:
    """Also on a clock that was set back, and on one that is set back behind the last change."""
    back = changed(at(9, 20), UP, Health.UNKNOWN, Cause.GAP)
    for facts in (FACTS[:1], FACTS[:2], FACTS, (*FACTS, back)):
        past = Past()
        for fact in facts:
            past = follow(past, [fact])
            known = past.changes["adsl1"]
            assert past.line("adsl1", until, until) == stretches(known, "adsl1", at(0), until, until)
            assert past.line("adsl1", until, at(9)) == stretches(known, "adsl1", at(0), until, at(9))


def measured(until: datetime, link: str = "adsl1") -> tuple[datetime, LinkMeasured]:
    return until + timedelta(seconds=1), LinkMeasured(link, UP, Cause.NONE, until, 1.0, 1, 0)


def test_the_books_tell_until_when_a_link_was_measured() -> None:
    assert follow(Past(), FACTS).ended("adsl1") == at(9, 30, 3.7)  # its last change, when it was written
    past = follow(follow(Past(), FACTS), [measured(at(10, 15)), measured(at(11), "adsl2")])
    assert past.ended("adsl1") == at(10, 15)
    assert past.changes["adsl1"] == FACTS
    assert follow(past, [measured(at(10))]).ended("adsl1") == at(10, 15)  # a clock that was set back
    assert follow(past, [changed(at(10, 20), UP, DOWN, Cause.ISP)]).ended("adsl1") == at(10, 20, 3)


def test_rates_are_kept_by_link() -> None:
    rated = (at(9), LinkRated("adsl1", 12_300_000, 17_000_000, 1_048_576, ""))
    assert follow(Past(), [rated]).rates == {"adsl1": (rated,)}


def test_what_is_not_kept_is_said() -> None:
    past = follow(Past(), FACTS, kept=2)
    assert past.changes["adsl1"] == FACTS[1:]
    assert past.cut == {"adsl1": at(9, 0, 0.4)}
    assert past.line("adsl1", at(10), at(10))[0].since == at(9)
    assert follow(past, [changed(at(11), UP, DOWN, Cause.ISP, "adsl2")], kept=2).cut == past.cut


@pytest.mark.parametrize(
    ("after", "reported", "over"),
    [
        (UP, at(9, 10), timedelta(minutes=20)),
        (UP, at(9, 30), None),
        (UP, at(9, 40), None),
        (None, at(9, 10), None),
        (Health.UNKNOWN, at(9, 10), None),
    ],
)
def test_a_repair_is_counted_from_the_report(after: Health | None, reported: datetime, over: timedelta | None) -> None:
    assert repaired(Outage(Cause.BOX, at(9), at(9, 30), after), reported) == over
