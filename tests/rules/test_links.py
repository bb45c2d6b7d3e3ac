"""Laws and transcripts of `rules.links`.

A transcript reads a round per word: the gateway's ARP first, then an echo to each of three targets.
`+` replied, `-` lost, `!` an ICMP error, `.` no carrier. So "+---" is a living box with nothing behind it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.rules.facts import total
from agent.rules.links import Cause, Health, LinkChanged, LinkMeasured, LinkPolicy, LinkWatch
from drivers.contract import LinkId, Moment, Trust
from drivers.probing import Outcome, ProbeKind, ProbeReply
from tests.rules.probes import reading

LINK = LinkId("adsl1")
GATEWAY = "192.168.1.1"
TARGETS = ("192.0.2.1", "198.51.100.1", "203.0.113.1")
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
OUTCOMES = {"+": Outcome.REPLIED, "-": Outcome.LOST, "!": Outcome.UNREACHABLE, ".": Outcome.NO_CARRIER}


class Site:
    """A virtual link: gives a watch its rounds at the right moments, and keeps what the watch said."""

    def __init__(self, targets=TARGETS, **policy):
        self.policy = LinkPolicy(**policy)
        self.targets = targets
        self.watch = LinkWatch(LINK, self.policy, targets)
        self.s = 0.0
        self.boot = "boot-1"
        self.facts = []
        self.books = []
        self.news = []

    def now(self):
        return Moment(NOON + timedelta(seconds=self.s), 1000 + self.s, self.boot, Trust.SYNCHRONISED)

    def note(self, fact):
        if fact is not None:
            self.facts.append(fact)
            self.news.append(f"{fact.now} {fact.cause}")

    def probe(self, mark, slot):
        kind = ProbeKind.ECHO if slot else ProbeKind.ARP
        target = self.targets[slot - 1] if slot else GATEWAY
        rtt_s = 0.03 if mark == "+" else None
        reply = ProbeReply(self.now(), LINK, kind, target, OUTCOMES[mark], rtt_s)
        self.note(self.watch.observe(reply))
        booked = self.watch.book(reply.at)
        if booked:
            self.books.append(booked)

    def see(self, *rounds):
        """Spread each round evenly over the interval."""
        for each in rounds:
            for slot, mark in enumerate(each):
                self.probe(mark, slot)
                self.s += self.policy.interval_s / len(each)

    def expect(self, *news):
        assert self.news == list(news)
        self.news.clear()

    def restarted(self, targets=TARGETS):
        """Return the same site with a new process, told by the facts alone."""
        later = Site(targets)
        later.policy, later.watch = self.policy, LinkWatch(LINK, self.policy, targets)
        later.s, later.boot = self.s, self.boot
        return later


# --- transcripts -------------------------------------------------------------------------------------------


def test_a_sound_link_comes_up_after_three_rounds():
    site = Site()
    assert (site.watch.health, site.watch.cause, site.watch.since) == (Health.UNKNOWN, Cause.GAP, None)
    site.see("++++", "++++")
    site.expect()
    site.see("++++")
    site.expect("up none")
    assert site.facts[0] == LinkChanged(
        "adsl1",
        Health.UNKNOWN,
        Health.UP,
        Cause.NONE,
        NOON + timedelta(seconds=0.25),
        "arp 2/2, echo 7/7",
        Cause.GAP,
        0.25,
    )


def test_the_line_dies_behind_a_living_box_and_comes_back():
    site = Site()
    site.see(*["++++"] * 10)
    site.expect("up none")
    site.see("+---", "+---")
    site.expect()
    site.see("+---")
    site.expect("down internet")
    down = site.facts[-1]
    assert (down.since, down.evidence) == (NOON + timedelta(seconds=9.75), "arp 2/2, echo 0/9")  # the last good reply
    site.see("+---", "+---", "+---", "++++", "++++")
    site.expect()
    site.see("++++")
    site.expect("up none")
    up = site.facts[-1]
    assert (up.since, up.lasted_s) == (NOON + timedelta(seconds=16.25), 6.5)


def test_the_box_dies():
    site = Site()
    site.see(*["++++"] * 5, "----", "----", "----")
    site.expect("up none", "down box")
    assert site.facts[-1].evidence == "arp 0/2, echo 0/9"


def test_the_cable_is_pulled_and_put_back():
    site = Site()
    site.see(*["++++"] * 5, "....", "....")
    site.expect("up none", "down cable")
    assert site.facts[-1].evidence == "no carrier"
    assert site.watch.minute().rtt_s is None
    assert site.watch.minute().loss_share is None
    site.see("++++", "++++")
    site.expect()  # neither "internet" on the way, nor up on what was heard before
    site.see("++++")
    site.expect("up none")


def test_one_probe_without_carrier_is_no_verdict():
    site = Site()
    site.see(*["++++"] * 5, ".+++", "++++")
    site.expect("up none")


def test_a_down_link_tells_when_its_box_dies_and_reboots_too():
    site = Site()
    site.see(*["++++"] * 3, *["+---"] * 3)
    site.expect("up none", "down internet")
    site.see("----")
    site.expect()
    site.see("----")
    site.expect("down box")
    site.see("----", "+---", "+---")
    site.expect()  # the box answers again, and is given a whole verdict to find its line
    site.see("+---")
    site.expect("down internet")
    site.see("++++", "++++", "++++")
    site.expect("up none")
    assert [fact.since for fact in site.facts[1:4]] == [site.facts[1].since] * 3  # one outage


def test_the_cable_comes_out_of_a_link_that_was_down():
    site = Site()
    site.see(*["----"] * 4, "....", "....", "----", "----")
    site.expect("down box", "down cable", "down box")


def test_errors_of_routers_on_the_way_count_as_silence():
    site = Site()
    site.see(*["++++"] * 3, *["+!!!"] * 3)
    site.expect("up none", "down internet")


def test_a_dead_target_alone_is_not_the_link_and_is_named():
    site = Site()
    site.see(*["++++"] * 3, *["+-++"] * 3600)
    site.expect("up none")
    assert site.watch.mute_targets == ("192.0.2.1",)
    assert site.watch.minute().loss_share == 0.0
    site.see(*["+---"] * 4)
    site.expect()  # two voters need 9 losses too
    site.see("+---")
    site.expect("down internet")
    site.see(*["++++"] * 3)
    assert site.watch.mute_targets == ()


def test_a_link_with_only_one_target_left_is_up():
    site = Site()
    site.see(*["+--+"] * 4)
    site.expect("up none")


def test_a_lost_prober_makes_the_link_unknown_and_never_down():
    site = Site()
    site.see(*["++++"] * 5)
    site.s += 2
    site.note(site.watch.lost_prober(site.now()))
    site.note(site.watch.lost_prober(site.now()))
    site.expect("up none", "unknown gap")
    assert site.facts[-1].since == NOON + timedelta(seconds=4.75)
    assert site.facts[-1].lasted_s == 4.5
    site.s += 600
    site.see("++++", "++++", "++++")
    site.expect("up none")
    assert site.facts[-1].lasted_s == 602.5  # the gap counts as unknown


def test_a_prober_lost_before_its_first_word():
    site = Site()
    site.note(site.watch.lost_prober(site.now()))
    site.expect()
    assert site.watch.book(site.now(), closing=True) is None


def test_a_silence_of_ours_is_a_gap_and_what_follows_is_judged_afresh():
    site = Site()
    site.see(*["++++"] * 5, "+---", "+---")
    site.s += 11
    site.see("+---")
    site.expect("up none", "unknown gap")
    assert site.facts[-1].evidence == "no probe for 11 s"
    site.see("+---", "+---")
    site.expect("down internet")
    assert site.facts[-1].since == NOON + timedelta(seconds=18)  # since we look, not since the gap began


def test_ten_quiet_intervals_are_no_gap_yet():
    site = Site()
    site.see(*["++++"] * 5)
    site.s += 9.7
    site.see("++++")
    site.expect("up none")


def test_a_reboot_is_a_gap():
    site = Site()
    site.see(*["++++"] * 5)
    site.boot = "boot-2"
    site.see("++++")
    site.expect("up none", "unknown gap")
    assert site.facts[-1].evidence == "the box was restarted"
    site.see("++++", "++++", "++++")
    site.expect("up none")
    assert site.facts[-1].lasted_s == 0.25  # the time between two boots is in no book


def test_one_round_a_minute_is_judged_by_the_same_rounds():
    site = Site(interval_s=60.0)
    site.see(*["++++"] * 3, *["+---"] * 3, "++++", "++++", "++++")
    site.expect("up none", "down internet", "up none")
    assert site.watch.minute().loss_share == 0.0  # nine echoes at least


def test_a_target_that_is_only_in_the_tape_joins():
    site = Site(targets=())
    site.targets = TARGETS
    site.see(*["++++"] * 3, *["+---"] * 3)
    site.expect("up none", "down internet")


# --- books -------------------------------------------------------------------------------------------------


def test_the_books_are_written_hourly_and_at_the_end():
    site = Site(interval_s=10.0)
    site.see(*["++++"] * 361)
    assert [(b.health, b.seconds, b.sent, b.lost) for b in site.books] == [(Health.UP, 3600.0, 1442, 0)]
    site.see("+-++")
    closing = site.watch.book(site.now(), closing=True)
    assert (closing.seconds, closing.sent, closing.lost) == (15.0, 6, 1)
    assert closing.until == NOON + timedelta(seconds=3617.5)
    assert site.watch.book(site.now(), closing=True) is None


def test_what_the_facts_add_to_the_summaries():
    down = LinkChanged("adsl1", Health.UP, Health.DOWN, Cause.BOX, NOON, "", Cause.NONE, 12.5)
    assert down.totals() == (
        total("link_up_seconds", 12.5, link="adsl1"),
        total("link_outages", 1, link="adsl1", cause="box"),
    )
    moved = LinkChanged("adsl1", Health.DOWN, Health.DOWN, Cause.CABLE, NOON, "", Cause.BOX, 3.0)
    assert moved.totals() == (total("link_down_seconds", 3.0, link="adsl1", cause="box"),)
    up = LinkChanged("adsl1", Health.DOWN, Health.UP, Cause.NONE, NOON, "", Cause.CABLE, 0.0)
    assert up.totals() == ()
    hour = LinkMeasured("adsl1", Health.UNKNOWN, Cause.GAP, NOON, 60.0, 4, 1)
    assert hour.totals() == (
        total("link_unknown_seconds", 60.0, link="adsl1"),
        total("link_probes", 4, link="adsl1"),
        total("link_probes_lost", 1, link="adsl1"),
    )
    assert replace(hour, health=Health.UP, sent=0, lost=0).totals() == (total("link_up_seconds", 60.0, link="adsl1"),)


# --- restarts ----------------------------------------------------------------------------------------------


def test_a_restart_within_seconds_goes_on_where_it_stood():
    site = Site()
    site.see(*["++++"] * 3, *["+---"] * 30)
    later = site.restarted()
    for fact in site.facts:
        later.watch.restore(fact, site.now())
    later.watch.restore(LinkMeasured("adsl1", Health.DOWN, Cause.INTERNET, site.now().utc, 30.0, 0, 0), site.now())
    later.s += 2
    later.see("+---", "+---", "+---")
    later.expect()
    later.see("++++", "++++", "++++")
    later.expect("up none")
    assert later.facts[-1].since == site.now().utc + timedelta(seconds=5.25)
    assert later.facts[-1].lasted_s == 5.25


def test_a_restart_after_the_last_fact_alone_counts_from_where_the_state_began():
    up = LinkChanged("adsl1", Health.UNKNOWN, Health.UP, Cause.NONE, NOON, "")
    site = Site()
    site.s = 2.0
    site.watch.restore(up, site.now())
    site.s = 7.0
    site.watch.seen(site.now())
    site.watch.seen(replace(site.now(), boot="boot-0"))  # a picture of another boot says nothing
    site.see("+---", "+---", "+---")
    site.expect("down internet")
    assert (site.facts[-1].since, site.facts[-1].lasted_s) == (NOON + timedelta(seconds=7), 7.0)


def test_a_cause_that_changed_counts_from_its_own_moment():
    site = Site()
    site.s = 20.0
    moved = LinkChanged("adsl1", Health.DOWN, Health.DOWN, Cause.BOX, NOON, "", Cause.INTERNET, 20.0)
    site.watch.restore(moved, site.now())
    site.watch.seen(replace(site.now(), mono_s=1021.0))
    site.see("++++", "++++", "++++")
    assert (site.facts[-1].was_cause, site.facts[-1].lasted_s) == (Cause.BOX, 0.25)


def test_a_restart_after_a_long_time_is_a_gap():
    site = Site()
    site.watch.restore(LinkChanged("adsl1", Health.UNKNOWN, Health.UP, Cause.NONE, NOON, ""), site.now())
    site.s = 3600.0
    site.see("++++")
    site.expect("unknown gap")
    assert site.facts[-1].lasted_s == 0.0


# --- laws --------------------------------------------------------------------------------------------------

marks = st.sampled_from("++++----!.")
rounds = st.lists(st.one_of(st.text(marks, min_size=4, max_size=4), st.sampled_from(["++++", "+---", "----", "...."])))
steady = st.lists(
    st.tuples(st.sampled_from(["++++", "+---", "----", "....", "+-++"]), st.integers(1, 8)), max_size=12
).map(lambda runs: [each for each, times in runs for _ in range(times)])


@given(rounds | steady)
def test_a_link_never_changes_to_what_it_already_was(seen):
    site = Site()
    site.see(*seen)
    assert all((fact.was, fact.was_cause) != (fact.now, fact.cause) for fact in site.facts)
    assert all((a.now, a.cause) == (b.was, b.was_cause) for a, b in pairwise(site.facts))
    assert all((fact.now is Health.UP) == (fact.cause is Cause.NONE) for fact in site.facts)


@given(steady, st.sampled_from([1.0, 7.0, 30.0, 60.0]))
def test_the_cadence_changes_no_judgement(seen, interval_s):
    quick, slow = Site(), Site(interval_s=interval_s, flap_s=600 * interval_s, calm_s=120 * interval_s)
    quick.see(*seen)
    slow.see(*seen)
    assert quick.news == slow.news


@given(st.lists(st.tuples(st.sampled_from("+-"), st.permutations("+x y".replace(" ", ""))), max_size=60), st.data())
def test_a_link_of_which_any_target_answers_every_round_is_never_down(seen, data):
    site = Site()
    for arp, order in seen:
        echoes = "".join(mark if mark == "+" else data.draw(st.sampled_from("+-!")) for mark in order)
        site.see(arp + echoes)
    assert all(fact.now is not Health.DOWN for fact in site.facts)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["++++", "+---", "----", "....", "+-++"]), st.integers(1, 8), st.sampled_from([0, 0, 3, 15])
        )
    )
)
@settings(max_examples=200)
def test_every_second_is_booked_exactly_once(runs):
    site = Site(interval_s=60.0)
    for each, times, gap in runs:
        site.see(*[each] * times)
        site.s += 60.0 * gap
    if not runs:
        return
    last = NOON + timedelta(seconds=site.s - 15.0 - 60.0 * runs[-1][2])
    rest = site.watch.book(site.now(), closing=True)
    booked = sum(fact.lasted_s for fact in site.facts) + sum(
        each.seconds for each in [*site.books, *([rest] if rest else [])]
    )
    open_s = (last - rest.until).total_seconds() if rest else None
    if rest:
        assert booked + open_s == pytest.approx((last - NOON).total_seconds(), abs=0.01)
    else:
        assert booked <= (last - NOON).total_seconds() + 0.01
    assert all(each.seconds > 0 for each in site.books)


@given(steady, steady)
def test_a_restart_forgets_no_verdict(before, after):
    site = Site()
    site.see(*before)
    later = site.restarted()
    for fact in site.facts:
        later.watch.restore(fact, site.now())
    assert not site.facts or (later.watch.health, later.watch.since) == (site.watch.health, site.watch.since)
    later.see(*after)
    assert all((a.now, a.cause) == (b.was, b.was_cause) for a, b in pairwise([*site.facts, *later.facts]))


# --- false alarms: numbers to beat -------------------------------------------------------------------------


@pytest.mark.parametrize("dead_hours", [(), (2,)])
def test_a_lossy_night_is_never_an_outage(dead_hours):
    """Four hours at 1 Hz; the line loses everything in one of ten spells of 100 ms, and a target may be dead."""
    dice, site = random.Random(7), Site()
    spells = [dice.random() < 0.1 for _ in range(144_001)]
    for quarter in range(4 * 14_400):
        slot = quarter % 4
        lost = (slot == 2 and quarter // 14_400 in dead_hours) or (spells[quarter * 5 // 2] and slot > 0)
        site.probe("-" if lost else "+", slot)
        site.s += 0.25
    site.expect("up none", "degraded loss")
    assert site.watch.minute().sent == 57_600
    assert 0.09 * 43_200 < site.watch.minute().lost - 3_240 * len(dead_hours) < 0.11 * 43_200


def test_a_silent_cut_is_told_within_four_seconds_whenever_it_happens():
    for at_ms in range(0, 1000, 10):
        site, cut_s = Site(), 10 + at_ms / 1000
        fates = []  # (told at, slot, mark): replies come after 30 ms, silence after half a second
        for quarter in range(4 * 30):
            sent_s, slot = quarter / 4, quarter % 4
            lost = slot > 0 and sent_s + 0.03 > cut_s
            fates.append((sent_s + (0.5 if lost else 0.03), slot, "-" if lost else "+"))
        for told_s, slot, mark in sorted(fates):
            site.s = told_s
            site.probe(mark, slot)
            if len(site.facts) == 2:
                break
        assert site.facts[-1].cause is Cause.INTERNET
        assert 2.5 < site.s - cut_s <= 3.5 + 0.03


# --- a box that is changed -----------------------------------------------------------------------------------

OWN = "100.64.1.53"


def test_names_that_went_down_with_the_old_box_are_no_broken_dns():
    """At second 10.1 the box is another one: what is sent until 11.31, when its address is learned, gets lost."""
    site = Site(resolver=OWN)
    site.see(*["++++"] * 10)
    site.expect("up none")
    site.watch.read(reading(10.2, mac="02:aa"))

    def tell(told_s, sent_s, kind, target, mark):
        site.s = told_s
        reply = ProbeReply(site.now(), LINK, kind, target, OUTCOMES[mark], 0.03 if mark == "+" else None, 1000 + sent_s)
        site.note(site.watch.observe(reply))

    arp, echo, dns = (partial(tell, kind=kind) for kind in (ProbeKind.ARP, ProbeKind.ECHO, ProbeKind.DNS))
    for told_s, sent_s in ((10.55, 10.25), (10.8, 10.5)):
        echo(told_s, sent_s, target=TARGETS[0], mark="-")
    arp(11.3, 11.0, target=GATEWAY, mark="-")
    arp(11.31, 11.3, target=GATEWAY, mark="+")
    site.watch.read(reading(11.31, mac="02:bb"))
    for turn in range(8):
        echo(11.35 + turn / 10, 11.32 + turn / 10, target=TARGETS[turn % 3], mark="+")
    for told_s, sent_s in ((12.1, 10.6), (12.2, 10.7), (12.45, 10.95)):
        dns(told_s, sent_s, target=OWN, mark="-")
    site.expect()
    for turn in range(7):  # these left to the new box
        dns(12.9 + turn / 5, 11.4 + turn / 5, target=OWN, mark="-")
    site.expect()
    dns(14.3, 12.8, target=OWN, mark="-")
    site.expect("dns_broken dns_dead")


def test_a_target_that_has_no_vote_has_none_on_losses_either():
    """A dead target and one loss of another now and then are no lossy line; both that lose are."""
    site = Site()
    site.see(*["++++"] * 20, *["+-++"] * 4)
    assert site.watch.mute_targets == (TARGETS[0],)
    for _ in range(6):
        site.see(*["+-++"] * 60, "+--+")
    site.expect("up none")
    site.see("+--+", "+-+-", "+-++", "+--+")
    site.expect("degraded loss")
