"""A month of one link: apart what is not the provider's, twice its availability, repairs, the rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.rules.facts import Fact
from agent.rules.linkfacts import Cause, Health, LinkChanged, LinkMeasured, LinkRated, OutageReported
from agent.rules.linkmonth import LinkMonth, gone, link_month
from agent.rules.linkpast import Past, follow
from agent.rules.outages import Outage, Stretch, Sums

UP, DOWN, UNKNOWN = Health.UP, Health.DOWN, Health.UNKNOWN
NONE = timedelta(0)


def at(day: int, hour: int = 0, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def told(since: datetime, was: Health, now: Health, cause: Cause) -> tuple[datetime, LinkChanged]:
    return since, LinkChanged("adsl1", was, now, cause, since, "")


MONTH = (at(1), at(1, month=12))
FACTS: tuple[tuple[datetime, Fact], ...] = (
    told(at(20, month=10), UNKNOWN, UP, Cause.NONE),
    told(at(31, 23, 30, month=10), UP, DOWN, Cause.LINE),  # over the edge of the month
    told(at(1, 0, 20), DOWN, UP, Cause.NONE),
    told(at(3, 9), UP, DOWN, Cause.BOX),
    (at(3, 9, 10), told(at(3, 9), DOWN, DOWN, Cause.CABLE)[1]),
    told(at(3, 9, 30), DOWN, UP, Cause.NONE),
    told(at(5), UP, UNKNOWN, Cause.GAP),
    told(at(6), UNKNOWN, UP, Cause.NONE),
    told(at(30, 23), UP, DOWN, Cause.ISP),  # lasts into the next
    told(at(1, 1, month=12), DOWN, UP, Cause.NONE),
)
OPENINGS = ((at(3, 9, 5), at(3, 10)), (at(4), at(4, 1)), (at(5), at(5, 2)))


def november(
    *more: tuple[datetime, Fact], facts: tuple[tuple[datetime, Fact], ...] = FACTS, kept: int = 99
) -> LinkMonth:
    return link_month(follow(Past(), (*facts, *more), kept), "adsl1", MONTH, OPENINGS, at(2, month=12), 1.0)


def minutes(measured: float, out: float, gap: float = 0, ours: float = 0) -> Sums:
    return Sums(*(timedelta(minutes=value) for value in (measured, out, gap, ours)))


def test_rows_end_at_the_edges_of_the_month_and_say_where_they_began() -> None:
    found = november()
    assert [row.outage for row in found.rows] == [
        Outage(Cause.LINE, at(1), at(1, 0, 20), UP),
        Outage(Cause.BOX, at(3, 9), at(3, 9, 30), UP, cable=timedelta(minutes=20)),
        Outage(Cause.ISP, at(30, 23), at(1, month=12), UP),
    ]
    assert [row.began for row in found.rows] == [at(31, 23, 30, month=10), at(3, 9), at(30, 23)]
    assert found.rows[1].parts == (
        Stretch(DOWN, Cause.BOX, at(3, 9), at(3, 9, 10)),
        Stretch(DOWN, Cause.CABLE, at(3, 9, 10), at(3, 9, 30)),
    )
    assert found.gaps == (Stretch(UNKNOWN, Cause.GAP, at(5), at(6)),)
    assert (found.since, found.absent, found.cut, found.round_s) == (None, None, False, 1.0)


def test_sums_are_those_of_the_rows_around_the_clock_and_in_the_openings() -> None:
    found = november()
    assert found.around == minutes(29 * 1440 - 20, out=20 + 10 + 60, gap=1440, ours=20)
    assert sum((row.outage.lasted for row in found.rows), NONE) == found.around.out
    # 9:05-10:00 with five minutes of the box's and twenty of the cable's; an hour; two hours that nobody measured
    assert found.opened == minutes(35 + 60, out=5, gap=120, ours=20)
    assert link_month(Past(), "adsl1", MONTH, (), at(2, month=12), 1.0).opened.empty


def test_a_repair_counts_to_the_end_of_the_whole_outage() -> None:
    reports = [
        (at(1), OutageReported("adsl1", at(31, 23, 30, month=10), at(31, 23, 40, month=10), "1", "a1")),
        (at(30, 23, 30), OutageReported("adsl1", at(30, 23), at(30, 23, 10), "", "a1")),
    ]
    rows = november(*reports).rows
    assert [row.report for row in rows] == [reports[0][1], None, reports[1][1]]
    assert [row.repaired for row in rows] == [timedelta(minutes=40), None, timedelta(minutes=110)]


def test_before_it_was_installed_there_is_nothing() -> None:
    found = november(facts=FACTS[-2:-1])
    assert (found.since, found.absent, found.cut) == (at(30, 23), (at(1), at(30, 23)), False)
    assert found.around == minutes(60, out=60)


def test_what_is_not_kept_at_hand_is_no_month_without_a_link() -> None:
    assert (november(kept=3).since, november(kept=3).absent, november(kept=3).cut) == (at(6), None, True)
    later = (told(at(2, month=12), UP, DOWN, Cause.ISP), told(at(3, month=12), DOWN, UP, Cause.NONE))
    nothing = november(*later, kept=2)
    assert (nothing.since, nothing.cut, nothing.around.empty) == (at(2, month=12), True, True)
    assert not november(kept=9).cut  # it begins before the month


def rated(day: int, bit_s: int | None, contract: int = 17_000_000) -> tuple[datetime, LinkRated]:
    return at(day, 3), LinkRated("adsl1", bit_s, contract, 1, "" if bit_s else "busy")


def test_the_rate_stands_beside_the_contract() -> None:
    checks = (rated(2, 12_000_000), rated(3, None), rated(4, 9_000_000), rated(5, 15_300_000))
    other = (at(1, 3, month=12), LinkRated("adsl1", 1, 17_000_000, 1, ""))
    rates = november(*checks, other).rates
    assert rates.measured == (checks[0], checks[2], checks[3])
    assert (rates.failed, rates.middle_bit_s, rates.contract_bit_s) == (1, 12_000_000.0, 17_000_000)
    assert rates.share == pytest.approx(0.705882, abs=1e-6)


def test_without_a_contract_or_a_check_there_is_no_share() -> None:
    assert november(rated(2, 12_000_000, 0)).rates.share is None
    assert november(rated(2, None)).rates.share is None
    assert november().rates.share is None


def measured(until: datetime, link: str = "adsl1") -> tuple[datetime, LinkMeasured]:
    return until, LinkMeasured(link, UP, Cause.NONE, until, 3600.0, 7200, 3)


def test_who_is_no_longer_measured_has_the_months_in_which_it_was() -> None:
    """Both links have the same past; adsl1 is taken out on the 20th at noon, adsl2 stays."""
    ours = [*FACTS[:8], measured(at(20, 12))]
    other = [(when, LinkChanged("adsl2", UNKNOWN, UP, Cause.NONE, when, "")) for when in (at(1, month=10),)]
    past = follow(Past(), [*ours, *other, measured(at(2, month=12), "adsl2")])
    links = ("adsl2",)
    assert gone(past, links, MONTH) == (("adsl1", at(20, 12)),)
    assert gone(past, links, (at(1, month=10), at(1))) == (("adsl1", at(20, 12)),)
    assert gone(past, links, (at(1, month=12), at(2, month=12))) == ()  # it had ended
    assert gone(past, links, (at(20, 12), at(21))) == ()
    assert gone(past, links, (at(1, month=9), at(20, month=10))) == ()  # it had not begun
    assert gone(past, ("adsl1", "adsl2"), MONTH) == ()
    assert [link for link, _ in gone(past, (), MONTH)] == ["adsl1", "adsl2"]
    assert gone(follow(Past(), ours, kept=1), links, (at(1, month=10), at(2, month=10))) == (("adsl1", at(20, 12)),)


def test_nothing_after_its_removal_counts_as_up_or_out() -> None:
    past = follow(Past(), [*FACTS[:8], measured(at(20, 12))])
    found = link_month(past, "adsl1", MONTH, (), at(20, 12), 1.0)
    assert found.gaps == (
        Stretch(UNKNOWN, Cause.GAP, at(5), at(6)),
        Stretch(UNKNOWN, Cause.GAP, at(20, 12), at(1, month=12)),
    )
    # 19 days and a half less one unmeasured and twenty minutes of the cable; the last ten and a half are a gap
    assert found.around == minutes(18.5 * 1440 - 20, out=20 + 10, gap=11.5 * 1440, ours=20)


def test_an_outage_in_which_it_was_taken_out_has_no_end_that_anybody_saw() -> None:
    past = follow(Past(), [*FACTS[:2], measured(at(2))])
    (row,) = link_month(past, "adsl1", MONTH, (), at(2), 1.0).rows
    assert row.outage == Outage(Cause.LINE, at(1), at(2), UNKNOWN)
