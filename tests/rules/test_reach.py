"""Laws of `rules.reach`: when a line is silent, where its way ends, and when it is back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.rules.linkfacts import Cause, LinkPolicy
from agent.rules.reach import Reach
from drivers.probing import IcmpError, Outcome, ProbeKind
from tests.rules.probes import BOX, HOP, A, B, C, at, echo, reply

REPLIED, LOST, LATE, REFUSED = Outcome.REPLIED, Outcome.LOST, Outcome.LATE, Outcome.UNREACHABLE
NONE, LINE, ISP, INTERNET = Cause.NONE, Cause.LINE, Cause.ISP, Cause.INTERNET


def arp(reach, outcome, second=0.0, mac="02:aa"):
    reach.take(reply(ProbeKind.ARP, BOX, outcome, second, sent=second, mac=mac if outcome is REPLIED else ""))


def hop(reach, outcome, second=0.0):
    reach.take(reply(ProbeKind.HOP, HOP, outcome, second, sent=second))


def echoes(reach, outcome, *seconds, targets=(A, B, C), by=""):
    """One echo to each target at each second, told a little later."""
    for second in seconds:
        for target in targets:
            reach.take(echo(target, outcome, second + 0.3, sent=second, by=by))


def reached(*targets, **policy):
    return Reach(LinkPolicy(**policy), targets or (A, B, C))


# --- silence -------------------------------------------------------------------------------------------------


def test_three_rounds_lost_over_their_time_are_a_silence_and_not_one_less():
    reach = reached()
    echoes(reach, REPLIED, 0)
    echoes(reach, LOST, 1, 2)
    assert (reach.suspects(), reach.silent()) == (True, False)
    echoes(reach, LOST, 3, targets=(A, B))
    assert not reach.silent()
    echoes(reach, LOST, 3, targets=(C,))
    assert reach.silent()
    assert reach.evidence() == "arp 0/0, echo 0/9"


def test_each_target_must_have_been_silent_for_three_rounds():
    reach = reached()
    echoes(reach, LOST, 1, 2)
    echoes(reach, LOST, 3, 4, 5, targets=(A, B))
    assert not reach.silent()  # twelve losses, two of them of C
    echoes(reach, LOST, 5, targets=(C,))
    assert reach.silent()


def test_nine_losses_in_one_bad_spell_are_no_silence():
    reach = reached()
    echoes(reach, LOST, 1, 1.03, 1.06, 1.09)
    assert not reach.silent()
    echoes(reach, LOST, 2.79)
    assert not reach.silent()
    echoes(reach, LOST, 2.81)
    assert reach.silent()


def test_one_answer_ends_a_silence_and_a_late_one_is_an_answer():
    for outcome in (REPLIED, LATE):
        reach = reached()
        echoes(reach, LOST, 1, 2, 3)
        assert reach.silent()
        echoes(reach, outcome, 4, targets=(B,))
        assert (reach.silent(), reach.suspects()) == (False, False)


def test_two_losses_are_no_reason_to_look_and_three_are():
    reach = reached()
    echoes(reach, LOST, 1, targets=(A, B))
    assert not reach.suspects()
    echoes(reach, LOST, 1.1, targets=(C,))
    assert reach.suspects()


def test_three_lost_in_one_moment_are_no_reason_to_look_for_an_outage():
    reach = reached()
    echoes(reach, LOST, 1, 1.08)
    assert not reach.suspects()
    echoes(reach, LOST, 1.1, targets=(A,))
    assert reach.suspects()


def test_a_target_that_lost_three_in_a_moment_keeps_its_vote():
    reach = reached()
    for second in (1.0, 1.1, 1.2, 2.7):
        echoes(reach, LOST, second, targets=(A,))
        echoes(reach, REPLIED, second, targets=(B, C))
        assert reach.mute == ()
    echoes(reach, LOST, 2.9, targets=(A,))
    echoes(reach, REPLIED, 2.9, targets=(B,))
    assert reach.mute == (A,)


def test_a_target_that_is_silent_while_others_answer_has_no_vote():
    reach = reached()
    for second in range(3):
        echoes(reach, LOST, second, targets=(A,))
        echoes(reach, REPLIED, second, targets=(B, C))
    assert reach.mute == (A,)
    echoes(reach, LOST, 3, 4, 5, targets=(A,))
    assert not reach.suspects()
    echoes(reach, LOST, 3, 4, 5, 6, targets=(B,))
    assert not reach.silent()  # C has not said anything
    echoes(reach, LOST, 3, 4, 5, 6, 7, targets=(C,))
    assert reach.silent()
    echoes(reach, REPLIED, 8, targets=(A,))
    assert reach.mute == (B, C)  # the other way round now


def test_a_sight_without_a_sending_counts_from_when_it_was_told():
    reach = reached(A)
    for second in range(9):
        reach.take(echo(A, LOST, second))
    assert reach.silent()
    reach.take(reply(ProbeKind.SYN, A, REPLIED, 9))
    assert not reach.silent()
    reach.take(reply(ProbeKind.ARP, BOX, REPLIED, 9))
    assert reach.box.asked_s == 1009.0


@pytest.mark.parametrize(("outcome", "silent"), [(REPLIED, False), (Outcome.REFUSED, False), (LOST, True)])
def test_a_far_end_that_answers_tcp_is_no_silence_where_pings_are_filtered(outcome, silent):
    reach = reached()
    echoes(reach, LOST, 1, 2, 3)
    reach.spoke(reply(ProbeKind.SYN, A, outcome, 3.2, sent=3.1))
    assert reach.silent() is silent
    echoes(reach, LOST, 15, 22)
    assert reach.silent() is silent
    echoes(reach, LOST, 23.2)  # 20 s and more after that SYN
    assert reach.silent()


def test_a_syn_from_before_the_silence_says_nothing_about_it():
    reach = reached()
    reach.spoke(reply(ProbeKind.SYN, A, REPLIED, 0.9, sent=0.9))
    echoes(reach, LOST, 1, 2, 3)
    assert reach.silent()


# --- the dark ------------------------------------------------------------------------------------------------


def name(told, sent):
    return reply(ProbeKind.DNS, "100.64.1.53", LOST, told, sent=sent)


def test_a_name_that_left_before_a_box_that_missed_its_arp_answered_again_left_in_the_dark():
    reach = reached()
    arp(reach, REPLIED, 1)
    echoes(reach, REPLIED, 1.2)
    assert reach.clear(name(3.0, 1.5))
    arp(reach, LOST, 2)
    assert not reach.clear(name(3.0, 1.5))  # the box may have gone before the ARP told it
    arp(reach, REPLIED, 2.4)
    assert not reach.clear(name(3.9, 2.4))  # nothing came back from beyond yet
    reach.take(echo(A, REPLIED, 2.6, sent=1.9))
    assert not reach.clear(name(3.9, 2.4))  # that one left before
    reach.take(echo(A, REPLIED, 2.6, sent=2.5))
    assert [reach.clear(name(4.0, sent)) for sent in (1.5, 2.4, 2.5, 2.6)] == [False, False, False, True]


def test_a_name_that_left_while_two_moments_were_lost_in_a_row_left_in_the_dark():
    reach = reached()
    echoes(reach, LOST, 1.0)
    assert not reach.clear(name(2.5, 1.0))  # still silent
    echoes(reach, REPLIED, 1.5)
    assert reach.clear(name(2.5, 1.0))  # one moment alone
    echoes(reach, LOST, 2.0, 2.1)
    echoes(reach, REPLIED, 2.2)
    assert [reach.clear(name(4.0, sent)) for sent in (2.0, 2.2, 2.3)] == [False, False, True]


def test_what_is_forgotten_was_not_dark():
    reach = reached()
    arp(reach, LOST, 2)
    reach.forget()
    assert reach.clear(name(2.5, 1.0))


# --- refusals ------------------------------------------------------------------------------------------------


def test_routers_that_refuse_two_targets_need_no_waiting():
    reach = reached()
    echoes(reach, REFUSED, 1, targets=(A,), by=BOX)
    assert (reach.suspects(), reach.silent()) == (True, False)
    echoes(reach, REFUSED, 1.3, targets=(A,), by=BOX)
    assert not reach.silent()
    echoes(reach, REFUSED, 1.4, targets=(B,), by=BOX)
    assert reach.silent()
    assert reach.evidence() == f"arp 0/0, echo 0/3, icmp 3/1 from {BOX}"


def test_the_only_target_must_be_refused_once_more():
    reach = reached(A)
    echoes(reach, REFUSED, 1, 2, targets=(A,), by=HOP)
    assert not reach.silent()
    echoes(reach, REFUSED, 3, targets=(A,), by=HOP)
    assert reach.silent()


def refused_hop(reach, target, second, by=BOX):
    reach.take(reply(ProbeKind.HOP, HOP, REFUSED, second, sent=second, by=by, says=target))


def test_a_hop_probe_that_is_refused_on_its_way_speaks_for_its_far_target():
    reach = reached()
    refused_hop(reach, C, 1)
    assert (reach.suspects(), reach.silent()) == (True, False)  # no echo was lost yet
    echoes(reach, REFUSED, 1, targets=(C,), by=BOX)
    assert not reach.silent()  # the same target twice
    echoes(reach, REFUSED, 1.1, targets=(A,), by=BOX)
    assert reach.silent()
    echoes(reach, REPLIED, 2, targets=(B,))
    assert (reach.suspects(), reach.silent()) == (False, False)
    refused_hop(reach, "192.0.2.99", 3)  # to nobody we know
    assert not reach.suspects()
    reach.take(reply(ProbeKind.HOP, HOP, LOST, 3, says=C))
    assert not reach.suspects()


def test_a_refusal_that_names_nobody_is_a_loss():
    reach = reached()
    echoes(reach, REFUSED, 1, targets=(A, B))
    assert (reach.suspects(), reach.silent()) == (False, False)


def test_a_target_without_a_vote_is_not_asked_about_refusals():
    reach = reached()
    for second in range(3):
        echoes(reach, REFUSED, second, targets=(A,), by=HOP)
        echoes(reach, REPLIED, second, targets=(B, C))
    echoes(reach, REFUSED, 4, targets=(A, B), by=HOP)
    assert not reach.silent()


DNS, SYN, CANARY = ProbeKind.DNS, ProbeKind.SYN, ProbeKind.CANARY
RESOLVER = "100.64.1.53"


def test_what_else_the_router_refused_counts_beside_one_refused_echo():
    for kind, target, by in ((DNS, RESOLVER, BOX), (SYN, B, BOX), (CANARY, "192.0.2.80", "")):
        reach = reached()
        reach.turned_away(reply(kind, target, REFUSED, 1, by=by) if by else unnamed(target))
        assert (reach.suspects(), reach.silent()) == (kind is SYN, False)  # alone it proves nothing
        echoes(reach, REFUSED, 1.3, targets=(A,), by=BOX)
        assert reach.silent()
        arp(reach, REPLIED, 1.3)
        assert reach.where(NONE) is LINE
        assert reach.evidence() == f"arp 1/1 02:aa, echo 0/1, icmp 3/1 from {BOX}"
        echoes(reach, REPLIED, 2, targets=(B,))
        assert not reach.silent()


def unnamed(target):
    return replace(reply(CANARY, target, REFUSED, 1), error=IcmpError("", 3, 1))


def test_a_page_that_alone_was_refused_by_nobody_we_know_is_no_evidence():
    reach = reached()
    reach.turned_away(unnamed("192.0.2.80"))
    echoes(reach, LOST, 1, targets=(A,))
    assert (reach.suspects(), reach.silent()) == (False, False)
    assert reach.evidence() == "arp 0/0, echo 0/1"


def test_a_resolver_refused_by_another_router_than_the_target_are_two_faults():
    reach = reached()
    reach.turned_away(reply(DNS, RESOLVER, REFUSED, 1, by=HOP))
    echoes(reach, REFUSED, 1.3, targets=(A,), by=BOX)
    assert not reach.silent()
    echoes(reach, REFUSED, 1.4, targets=(B,), by=BOX)
    assert reach.silent()


def test_a_refused_full_echo_is_a_refused_echo():
    reach = reached()
    reach.turned_away(echo(A, REFUSED, 1, sent=1, by=BOX, size=1500))
    assert (reach.suspects(), reach.silent()) == (True, False)
    reach.turned_away(reply(DNS, RESOLVER, REFUSED, 1, by=BOX))
    assert reach.silent()


@pytest.mark.parametrize(
    "said",
    [
        echo(A, REFUSED, 1, by=BOX, code=4, size=1500),  # too big: this is how a way says its MTU
        reply(DNS, RESOLVER, REFUSED, 1, by=BOX, code=13),  # forbidden by somebody's rule
        reply(DNS, RESOLVER, REFUSED, 1, by=RESOLVER, code=1),  # the far end's own word
        replace(reply(SYN, A, REFUSED, 1), error=IcmpError(HOP, 11, 0)),  # it died on the way
        reply(DNS, RESOLVER, LOST, 1),
    ],
)
def test_what_speaks_of_the_packet_and_not_of_the_way_is_no_refusal(said):
    reach = reached()
    reach.turned_away(said)
    assert not reach.suspects()
    echoes(reach, REFUSED, 1.3, targets=(B,), by=BOX)
    assert not reach.silent()


# --- where ---------------------------------------------------------------------------------------------------


def test_a_box_that_misses_two_arps_is_where_the_way_ends():
    reach = reached()
    assert (reach.box_missed(), reach.box_silent()) == (False, False)
    arp(reach, REPLIED)
    arp(reach, LOST, 1)
    assert (reach.box_missed(), reach.box_silent()) == (True, False)
    arp(reach, LOST, 2)
    assert reach.box_silent()
    assert reach.where(NONE) is Cause.BOX
    assert reach.evidence() == "arp 0/2 02:aa, echo 0/0"


def silent(*, box=True, hop_known=True, alive=False):
    """Return a reach whose far ends fell silent at second 1; `alive`: the first router answers on."""
    reach = reached()
    if box:
        arp(reach, REPLIED)
    if hop_known:
        hop(reach, REPLIED)
    echoes(reach, REPLIED, 0)
    for second in (1, 2, 3):
        arp(reach, REPLIED, second)
        if hop_known:
            hop(reach, REPLIED if alive else LOST, second + 0.1)
        echoes(reach, LOST, second)
    assert reach.silent()
    return reach


def test_the_first_router_tells_a_dead_line_from_a_dead_provider():
    assert silent().where(NONE) is LINE
    assert silent(alive=True).where(NONE) is ISP
    assert silent(hop_known=False).where(NONE) is INTERNET
    assert silent().evidence() == "arp 2/2 02:aa, hop 1/4, echo 0/9"


def test_an_answer_of_the_first_router_from_before_the_silence_says_nothing():
    reach = reached()
    arp(reach, REPLIED, 0)
    hop(reach, REPLIED, 0.9)
    echoes(reach, LOST, 1, 2, 3)
    assert reach.where(NONE) is LINE


def test_a_cause_that_is_known_stays_until_enough_was_lost_beyond_the_box():
    reach = reached()
    arp(reach, LOST, 1)
    arp(reach, LOST, 2)
    echoes(reach, LOST, 1, 2, 3)
    assert reach.where(Cause.BOX) is Cause.BOX
    arp(reach, REPLIED, 4)
    echoes(reach, LOST, 4, 5)
    assert reach.where(Cause.BOX) is Cause.BOX  # six of nine
    echoes(reach, LOST, 6)
    assert reach.where(Cause.BOX) is INTERNET
    arp(reach, LOST, 7)
    assert reach.where(LINE) is LINE


def test_line_and_provider_are_not_swapped_by_one_word():
    reach = silent()
    hop(reach, REPLIED, 4)  # a line that comes back answers there first
    assert reach.where(LINE) is LINE
    for second in range(5, 12):
        hop(reach, REPLIED, second)
    assert reach.where(LINE) is ISP
    hop(reach, LOST, 12)
    assert reach.where(ISP) is ISP
    hop(reach, LOST, 13)
    assert reach.where(ISP) is LINE


def test_where_no_first_router_is_known_what_was_known_stays():
    reach = silent(hop_known=False)
    assert [reach.where(cause) for cause in (LINE, ISP, Cause.BOX)] == [LINE, ISP, INTERNET]


def test_who_refuses_says_where_the_way_ends():
    for by, cause in ((BOX, LINE), (HOP, ISP), ("100.64.0.9", ISP)):
        reach = reached()
        arp(reach, REPLIED)
        echoes(reach, REFUSED, 1, targets=(A, B), by=by)
        assert reach.where(NONE) is cause
    echoes(reach, REFUSED, 2, targets=(A,), by=BOX)  # two routers disagree: beyond the box
    assert reach.where(NONE) is ISP


def test_a_first_router_that_is_silent_on_a_sound_line_is_unknown_again():
    reach = reached()
    hop(reach, REPLIED)
    for second in (1, 2, 3):
        hop(reach, LOST, second)
    assert reach.hop.known
    echoes(reach, REPLIED, 4, targets=(A,))
    assert not reach.hop.known


# --- back again ----------------------------------------------------------------------------------------------


def test_a_target_that_answers_three_times_over_a_second_and_a_half_is_a_line_that_is_back():
    reach = reached()
    assert (reach.recovered_from(), reach.good_from()) == (None, None)
    echoes(reach, REPLIED, 1, 2, targets=(B,))
    assert reach.recovered_from() is None
    assert reach.good_from() == at(1.3)
    echoes(reach, REPLIED, 2.7, targets=(B,))
    assert reach.recovered_from() == at(1.3)
    quick = reached()
    echoes(quick, REPLIED, 1, 1.5, 2, targets=(A,))
    assert quick.recovered_from() is None  # a second only
    echoes(quick, LOST, 2.2, targets=(A,))
    assert quick.good_from() is None
    echoes(quick, REPLIED, 3, 4, targets=(A,))
    assert quick.recovered_from() is None
    echoes(quick, REPLIED, 5, targets=(A, B))
    assert quick.recovered_from() == at(3.3)


def test_the_earliest_of_the_targets_tells_since_when():
    reach = reached()
    echoes(reach, REPLIED, 1, 2, 3, targets=(C,))
    echoes(reach, REPLIED, 1.5, 2.5, 3.5, targets=(A,))
    assert reach.recovered_from() == reach.good_from() == at(1.3)


# --- what is not believed ------------------------------------------------------------------------------------


def test_a_void_silence_is_none_and_what_answered_stays():
    reach = silent()
    hop(reach, LOST, 4)
    reach.void()
    assert (reach.silent(), reach.suspects(), reach.run_from_s) == (False, False, None)
    assert list(reach.hop.fates) == [True]
    assert list(reach.box.fates) == [True] * 4
    arp(reach, LOST, 5)
    reach.void()
    assert not reach.box_missed()
    echoes(reach, LOST, 5, 6)
    assert not reach.silent()


def test_what_is_forgotten_was_not_heard_but_the_first_routers_name_stays():
    reach = silent(alive=True)
    reach.forget()
    assert reach.evidence() == "arp 0/0 02:aa, echo 0/0"
    assert (reach.good, reach.good_from(), reach.silent(), reach.box_silent()) == (None, None, False, False)
    assert reach.hop.known


def test_a_target_of_a_reply_that_is_not_in_the_site_file_joins():
    reach = reached(A)
    echoes(reach, REPLIED, 1, targets=(B,))
    echoes(reach, LOST, 2, 3, 4, 5, 6, targets=(B, A))
    assert set(reach.targets) == {A, B}
    assert reach.silent()


# --- one fault after the other -------------------------------------------------------------------------------


def test_what_left_before_an_echo_that_came_back_begins_no_silence():
    """A lost echo is told late, and a SYN that left meanwhile would be a word of a line that is cut only then."""
    reach = reached()
    echoes(reach, REPLIED, 2)
    reach.take(echo(A, LOST, 3, sent=1))
    reach.spoke(reply(ProbeKind.SYN, A, REPLIED, 2.1, sent=1.5))
    assert (reach.run_from_s, reach.suspects()) == (None, False)
    echoes(reach, LOST, 3, 4, 5)
    assert reach.silent()


def test_a_line_that_was_refused_and_whose_first_router_answers_again_is_the_providers():
    reach = reached()
    hop(reach, REPLIED, 0)
    echoes(reach, REPLIED, 0)
    arp(reach, REPLIED, 1)
    echoes(reach, REFUSED, 1, by=BOX)
    assert reach.where(NONE) is LINE
    for second in range(2, 11):
        assert reach.where(LINE) is LINE
        arp(reach, REPLIED, second)
        hop(reach, REPLIED if second > 2 else LOST, second)
        echoes(reach, LOST, second)
    assert reach.where(LINE) is ISP


def test_what_was_refused_before_the_box_died_is_forgotten_when_it_lives_again():
    reach = reached()
    hop(reach, REPLIED, 0)
    echoes(reach, REPLIED, 0)
    echoes(reach, REFUSED, 1, by=BOX)
    for second in (2, 3):
        arp(reach, LOST, second)
        echoes(reach, LOST, second)
    assert reach.where(LINE) is Cause.BOX
    arp(reach, REPLIED, 4)
    assert reach.where(Cause.BOX) is Cause.BOX


def test_what_was_answered_before_it_went_down_is_no_recovery():
    reach = reached()
    echoes(reach, REPLIED, *range(10))
    assert reach.recovered_from() is not None
    reach.down()
    echoes(reach, REPLIED, 10, 11)
    assert reach.recovered_from() is None
    echoes(reach, REPLIED, 12)
    assert reach.recovered_from() == at(10.3)


def test_what_was_lost_with_the_box_says_nothing_of_the_line_behind_it():
    """On a satellite line an echo's loss is known two seconds later, when the box may answer again."""
    reach = reached()
    hop(reach, REPLIED, 0)
    for second in (1, 2, 3):
        arp(reach, LOST, second)
        hop(reach, LOST, second)
    arp(reach, REPLIED, 4)
    echoes(reach, LOST, 1, 2, 2.5)
    assert reach.where(Cause.BOX) is Cause.BOX
    echoes(reach, LOST, 4, 5, 6)
    assert reach.where(Cause.BOX) is LINE
