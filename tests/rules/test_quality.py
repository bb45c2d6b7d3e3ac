"""Laws of `rules.quality`: lossy, slow, full, and who is alone with its trouble."""

from __future__ import annotations

import pytest

from agent.rules.linkfacts import Cause, Health, LinkPolicy
from agent.rules.quality import Quality
from drivers.probing import Outcome, ProbeKind
from tests.rules.probes import HOP, A, B, C, echo, reading, reply

REPLIED, LOST, LATE = Outcome.REPLIED, Outcome.LOST, Outcome.LATE
FINE = Health.UP, Cause.NONE
LOSSY = Health.DEGRADED, Cause.LOSS
SLOW = Health.DEGRADED, Cause.DELAY
UPLOAD = Health.SATURATED, Cause.UPLOAD
DOWNLOAD = Health.SATURATED, Cause.DOWNLOAD


def heard(quality, *fates, targets=(A, B, C)):
    """Take fates of the targets in turn: a round trip in milliseconds, or None for a loss."""
    for at, rtt_ms in enumerate(fates):
        target = targets[at % len(targets)]
        quality.take(echo(target, LOST if rtt_ms is None else REPLIED, 0, None if rtt_ms is None else rtt_ms / 1000))
    return quality


def first_router(quality, *rtts_ms):
    for rtt_ms in rtts_ms:
        quality.take(reply(ProbeKind.HOP, HOP, REPLIED, 0, rtt_ms / 1000))


def sound(targets=(A, B, C), **policy):
    """A link that was heard for twelve rounds: 30 ms to each target, 10 ms to its first router."""
    quality = Quality(LinkPolicy(**policy))
    heard(quality, *[30] * 12 * len(targets), targets=targets)
    first_router(quality, *[10] * 12)
    assert quality.judge() == FINE
    return quality


# --- loss ----------------------------------------------------------------------------------------------------


def test_a_loss_now_and_then_is_nothing_and_a_bad_stretch_adds_up():
    quality = sound()
    assert not quality.wonders
    heard(quality, None, 30, None)  # 2.303 - 0.046 + 2.303
    assert quality.loss == pytest.approx(4.5597)
    assert quality.judge() == FINE
    assert quality.wonders
    heard(quality, 30, None)
    assert quality.judge() == LOSSY
    assert not quality.wonders
    assert quality.evidence() == "loss 3/41"
    one_in_fifty = sound()
    for _ in range(200):
        heard(one_in_fifty, None, *[30] * 49)
        assert one_in_fifty.judge() == FINE


def test_a_lossy_line_is_well_again_after_so_many_answers():
    quality = heard(sound(), None, 30, None, 30, None, 30)
    assert quality.judge() == LOSSY
    heard(quality, *[30] * 144)  # 6.77 / 0.0463 = 146.2
    assert quality.judge() == LOSSY
    heard(quality, *[30] * 6)
    assert quality.judge() == FINE


def test_a_long_bad_hour_is_not_told_long_after_it_ended():
    quality = heard(sound(), *[None, 30] * 2000)
    assert quality.loss == pytest.approx(11.9537)
    heard(quality, *[30] * 259)
    assert quality.judge() == FINE


def test_a_silence_counts_as_two_losses_and_no_more():
    quality = heard(sound(), *[None] * 30)
    assert quality.loss == pytest.approx(4.606)
    assert quality.judge() == FINE


def test_what_was_lost_in_one_moment_is_one_loss():
    quality = sound()
    for target, sent in ((A, 1.0), (B, 1.0), (C, 1.08)):
        quality.take(echo(target, LOST, 1.3, sent=sent))
    assert quality.loss == pytest.approx(2.303)
    quality.take(echo(A, LOST, 1.4, sent=1.1))
    assert quality.loss == pytest.approx(4.606)
    quality.take(echo(A, LOST, 1.5, sent=1.2))  # the third bad moment in a row is a silence
    quality.take(echo(B, LOST, 1.5, sent=1.2))
    assert quality.loss == pytest.approx(4.606)
    quality.take(echo(B, REPLIED, 1.6, 0.03, sent=1.57))
    quality.take(echo(C, LOST, 1.8, sent=1.5))
    assert quality.loss == pytest.approx(6.8627)
    assert quality.judge() == LOSSY


def test_three_losses_within_22_echoes_make_a_line_lossy_and_four_within_73():
    for answers, verdict in ((19, LOSSY), (20, FINE)):
        quality = heard(sound(), None, *[30] * (answers - 1), None, 30, None)
        assert quality.judge() == verdict
    for answers, verdict in ((68, LOSSY), (69, FINE)):
        quality = heard(sound(), None, *[30] * (answers // 2), None, *[30] * (answers - answers // 2), None, 30, None)
        assert quality.judge() == verdict


def test_a_first_router_that_misses_after_ten_answers_is_one_loss_and_one_that_often_misses_none():
    quality = sound()  # twelve answers
    quality.take(reply(ProbeKind.HOP, HOP, LOST))
    assert (quality.wonders, quality.loss, quality.judge()) == (True, 2.303, FINE)
    quality.take(reply(ProbeKind.HOP, HOP, LOST))
    assert quality.loss == 2.303  # the second in a row
    first_router(quality, *[10] * 9)
    quality.take(reply(ProbeKind.HOP, HOP, LOST))
    assert quality.loss == 2.303  # it misses now and then
    first_router(quality, *[10] * 11)
    assert quality.loss == pytest.approx(2.2567)  # the eleventh answer counts
    heard(quality, None, 30, None)
    assert quality.judge() == LOSSY


def test_a_first_router_that_answers_late_lost_nothing():
    quality = sound()
    quality.take(reply(ProbeKind.HOP, HOP, LOST))
    quality.take(reply(ProbeKind.HOP, HOP, LATE, 0, 0.01))
    assert (quality.wonders, quality.loss) == (False, 0.0)
    heard(quality, None)
    quality.take(reply(ProbeKind.HOP, HOP, LATE, 0, 0.01))  # whose loss did not count
    assert quality.loss == 2.303


def test_one_target_that_loses_is_no_lossy_line_unless_it_is_the_only_one():
    quality = heard(sound(), *[None, 30, 30] * 5)
    assert quality.loss > 5
    assert quality.judge() == FINE
    only = heard(sound((A,)), None, 30, None, 30, None, targets=(A,))
    assert only.judge() == LOSSY


def test_a_late_answer_is_no_loss():
    quality = heard(sound(), None, 30, None, 30, None)
    assert quality.judge() == LOSSY
    for target in (A, C, B):
        quality.take(echo(target, LATE, 0, 0.9))
    assert quality.loss == 0.0
    assert quality.judge() == FINE
    assert quality.evidence().startswith("rtt +")
    quality.take(echo("192.0.2.9", LATE, 0, 0.9))  # whose loss was not seen
    assert quality.loss == 0.0


def test_a_target_that_loses_a_fifth_while_the_others_lose_nothing_is_alone():
    quality = Quality(LinkPolicy())
    heard(quality, *[None, 30, 30] * 5, *[30] * 72)
    assert quality.alone == ()  # 29 fates are seen of each but one
    heard(quality, *[None, 30, 30] * 6)
    assert quality.alone == (A,)
    assert quality.judge() == FINE
    heard(quality, *[30] * 90)
    assert quality.alone == ()


def test_the_present_loss_is_that_of_the_last_ninety_echoes_and_what_a_full_line_loses_at_least():
    quality = Quality(LinkPolicy())
    assert quality.share(full=False) == 0.5  # nothing is known yet
    heard(quality, *[30] * 88)
    assert quality.share(full=False) == pytest.approx(1 / 90)
    assert quality.share(full=True) == 0.2
    heard(quality, *[None, 30, 30, 30, 30] * 6)
    assert quality.share(full=False) == pytest.approx(7 / 92)
    heard(quality, *[None, 30, 30] * 30)  # A is alone, and has no say
    assert quality.alone == (A,)
    assert quality.share(full=False) == pytest.approx(1 / 62)


def test_two_bad_targets_are_a_bad_line_and_an_only_one_is_never_alone():
    quality = heard(Quality(LinkPolicy()), *[None, None, 30, 30, 30, 30] * 20)
    assert quality.alone == ()
    assert quality.judge() == LOSSY
    assert heard(Quality(LinkPolicy()), *[None, 30] * 30, targets=(A,)).alone == ()
    noisy = heard(Quality(LinkPolicy()), *([None, None, 30] + [None, 30, 30] * 3) * 8)
    assert noisy.alone == ()  # the other one loses too


# --- another box ---------------------------------------------------------------------------------------------


def test_what_was_lost_to_a_box_that_is_another_one_now_is_no_lossy_line():
    quality = sound()
    quality.read(reading(0, mac="02:aa"))
    heard(quality, None, 30, None, 30, None)
    quality.read(reading(1, mac="02:aa"))
    assert quality.judge() == LOSSY
    quality.read(reading(2, mac=""))  # nobody answers for a moment
    assert quality.judge() == LOSSY
    quality.read(reading(3, mac="02:bb"))
    assert quality.judge() == LOSSY  # known only beside the one before
    quality.read(reading(4, mac="02:cc"))
    assert (quality.judge(), quality.loss) == (FINE, 0.0)
    heard(quality, None, 30, None)
    assert quality.judge() == FINE


# --- delay ---------------------------------------------------------------------------------------------------


def test_a_longer_way_is_delay_of_two_targets_at_least():
    quality = sound()
    heard(quality, *[130] * 4)
    assert quality.judge() == FINE
    heard(quality, 130)
    assert quality.judge() == SLOW
    assert quality.evidence() == "rtt +0.100 s"
    alone = sound()
    heard(alone, *[130, 30, 30] * 10)
    assert alone.judge() == FINE
    only = heard(sound((A,)), *[130] * 5, targets=(A,))
    assert only.judge() == SLOW


@pytest.mark.parametrize(
    ("usual_ms", "now_ms", "slow"), [(30, 88, False), (30, 95, True), (100, 225, False), (100, 235, True)]
)
def test_slow_is_more_than_the_bound_and_as_much_as_usual_again(usual_ms, now_ms, slow):
    quality = heard(Quality(LinkPolicy()), *[usual_ms] * 36)
    heard(quality, *[now_ms] * 6)
    assert (quality.judge() == SLOW) is slow


def test_a_target_says_once_a_round_how_slow_it_is_whatever_the_pace():
    quality = sound()
    for tenth in range(20):  # a burst of two seconds
        for target in (A, B, C):
            quality.take(echo(target, REPLIED, tenth / 10 + 0.13, 0.13, sent=tenth / 10))
        assert quality.judge() == (SLOW if tenth >= 10 else FINE), tenth  # the second round


def test_the_seconds_of_another_boot_begin_anew():
    quality = sound()
    for second in (900.0, 1.0, 1.5, 2.0):
        for target in (A, B, C):
            quality.take(echo(target, REPLIED, second, 0.13, sent=second))
        assert quality.judge() == (FINE if second == 900.0 else SLOW)


def test_five_slow_of_six_among_twelve_do_not_end_at_once():
    quality = heard(sound(), *[130] * 5)
    assert [quality.judge(), quality.judge()] == [SLOW, SLOW]


def test_a_slow_line_is_well_again_when_less_than_half_of_twelve_are_slow():
    quality = heard(sound(), *[130] * 12)
    assert quality.judge() == SLOW
    heard(quality, *[30] * 6)
    assert quality.judge() == SLOW
    heard(quality, 30)
    assert quality.judge() == FINE


def test_the_usual_falls_at_once_and_rises_slowly():
    quality = heard(Quality(LinkPolicy()), *[200] * 3)
    heard(quality, *[30] * 36)
    heard(quality, *[130] * 6)
    assert quality.judge() == SLOW
    heard(quality, *[130] * 1000 * 3)
    assert quality.judge() == SLOW
    heard(quality, *[130] * 150 * 3)  # of each target 1116 and a few: after nineteen minutes it is so now
    assert quality.judge() == FINE


# --- full ----------------------------------------------------------------------------------------------------


def full(quality, *excess_ms, hop=True):
    """Six echoes with these delays above the usual 30 ms, the first router with them."""
    if hop:
        first_router(quality, *[10 + ms for ms in excess_ms])
    return heard(quality, *[30 + ms for ms in excess_ms])


def test_a_delay_of_the_first_router_too_that_moves_is_our_own_and_its_size_tells_the_way():
    quality = full(sound(), 100, 110, 120, 130, 140, 150)
    assert quality.judge() == DOWNLOAD  # 256 KiB at 8 Mbit/s are 0.26 s
    quality = full(sound(), 300, 500, 600, 700, 750, 800)
    assert quality.judge() == UPLOAD
    quality = full(sound(down_bit_s=17e6), 100, 110, 120, 130, 140, 150)
    assert quality.judge() == UPLOAD  # at 17 Mbit/s it is 0.12 s
    assert full(sound(down_bit_s=17e6), 90, 95, 100, 105, 110, 115).judge() == DOWNLOAD


def test_a_line_that_begins_to_be_full_is_called_so_once():
    quality, said = sound(), []
    for at, excess_ms in enumerate((0, 0, *range(70, 170, 10))):  # at the seventh five of six are slow, of twelve five
        first_router(quality, 10 + excess_ms)
        quality.take(echo((A, B, C)[at % 3], REPLIED, 0, (30 + excess_ms) / 1000))
        said += [quality.judge(), quality.judge()]
    assert said == [FINE] * 12 + [DOWNLOAD] * 12


def test_a_steady_delay_is_a_longer_way_and_a_huge_one_a_queue():
    assert full(sound(), *[100] * 12).judge() == SLOW
    assert full(sound(), *[300] * 12).judge() == SLOW
    assert full(sound(), 152, 155, 152, 155, 152, 155).judge() == DOWNLOAD
    assert full(sound(), *[100, 103] * 6).judge() == SLOW
    assert full(sound(), 100, 300, 100, 300, 100, 300, hop=False).judge() == SLOW  # the first router is prompt
    unknown = heard(Quality(LinkPolicy()), *[30] * 36)
    assert full(unknown, 100, 120, 140, 160, 180, 200, hop=False).judge() == DOWNLOAD  # no first router that would tell


def test_a_queue_that_did_not_move_at_first_is_not_taken_for_a_longer_way():
    quality = full(sound(), *[70, 74] * 3)
    assert quality.judge() == FINE
    assert full(quality, 72, 80, 88, 70, 80, 88).judge() == DOWNLOAD


def test_a_queue_that_is_full_to_the_brim_is_seen_to_move_by_a_burst():
    quality = full(sound(), *[190, 190.5, 191] * 2)
    assert (quality.judge(), quality.wonders) == (FINE, True)
    assert full(sound(), *[190, 190.5, 191] * 4).judge() == SLOW  # twelve that show no more are a longer way
    for turn in range(12):  # within one round: none of these counts as another slow answer
        quality.take(echo(A, REPLIED, 2, (220 + 0.8 * (turn % 7)) / 1000, sent=2.0 + 0.03 * turn))
    assert quality.judge() == DOWNLOAD
    assert not quality.wonders


def test_a_longer_way_on_which_one_answer_in_six_is_prompt_is_told():
    quality = sound()
    first_router(quality, *[110] * 12)
    assert heard(quality, *[130, 30, 130, 130, 130, 130] * 2).judge() == SLOW


def test_what_moved_before_an_outage_is_no_queue_after_it():
    quality = full(sound(), 190, 250, 310, 200, 260, 320)
    assert quality.judge()[0] is Health.SATURATED
    quality.begin()
    assert full(quality, *[100] * 12).judge() == SLOW


def test_a_queue_that_drains_does_not_change_its_direction_and_stays_full_till_it_is_calm():
    quality = full(sound(), 300, 500, 600, 700, 750, 800)
    assert quality.judge() == UPLOAD
    full(quality, *[70] * 6)
    full(quality, *[70] * 6)
    assert quality.judge() == UPLOAD
    heard(quality, *[30] * 7)
    assert quality.judge() == FINE


def test_what_a_full_line_lost_says_nothing_about_it_afterwards():
    quality = full(sound(), 300, 500, 600, 700, 750, 800)
    heard(quality, None, 600, None, 600, None)
    assert quality.judge() == UPLOAD
    for _ in range(24):
        heard(quality, 30)
        assert quality.judge() in (UPLOAD, FINE)
    assert (quality.judge(), quality.loss) == (FINE, 0.0)
    heard(quality, None, 30, None, 30, None)
    assert quality.judge() == LOSSY


def test_what_moves_no_more_than_the_line_always_did_is_a_longer_way():
    swaying = Quality(LinkPolicy(delay_s=0.08))
    for _ in range(40):
        heard(swaying, 80, 90, 100)
    first_router(swaying, *[50] * 12)
    assert full(swaying, 300, 310, 320, 300, 310, 320).judge() == FINE  # too soon to tell
    assert full(swaying, 300, 310, 320, 300, 310, 320).judge() == SLOW
    full(swaying, 200, 260, 320, 380, 440, 500)
    assert swaying.judge()[0] is Health.SATURATED


def test_a_queue_whose_first_router_is_prompt_again_is_none():
    quality = full(sound(), 300, 500, 600, 700, 750, 800)
    assert quality.judge() == UPLOAD
    for turn in range(4):
        assert quality.judge() == UPLOAD, turn
        first_router(quality, 10)
        heard(quality, 330, 330, 330)
    assert quality.judge() == SLOW


def test_a_direction_is_corrected_by_what_no_queue_takes_and_by_ten_seconds_of_less():
    quality = full(sound(), 100, 110, 120, 130, 140, 150)
    assert quality.judge() == DOWNLOAD
    full(quality, *[500] * 4)
    assert quality.judge() == DOWNLOAD
    full(quality, 500)
    assert quality.judge() == UPLOAD  # five of twelve take longer than 0.26 s
    full(quality, *[100, 120] * 14, 100)
    assert quality.judge() == UPLOAD
    full(quality, 120)
    assert quality.judge() == DOWNLOAD


def test_a_line_that_comes_back_is_judged_anew():
    quality = full(sound(), 300, 500, 600, 700, 750, 800)
    assert quality.judge() == UPLOAD
    quality.begin()
    assert (quality.judge(), quality.evidence()) == (FINE, "")
    full(quality, 300)
    assert quality.judge() == FINE


def loaded(quality, down_bit_s, up_bit_s, seconds=2, window_s=1.0):
    for second in range(seconds + 1):
        got, gave = (int(second * window_s * bit_s / 8) for bit_s in (down_bit_s, up_bit_s))
        quality.read(reading(second, received=got, sent=gave, window_s=window_s))
    return quality


@pytest.mark.parametrize(
    ("down", "up", "verdict"),
    [(1e6, 0.8e6, UPLOAD), (13.7e6, 0.1e6, DOWNLOAD), (17e6, 1e6, UPLOAD), (13.5e6, 0.79e6, SLOW)],
)
def test_where_the_counters_see_everybody_they_say_which_way_is_full(down, up, verdict):
    quality = loaded(sound(down_bit_s=17e6, up_bit_s=1e6), down, up)
    assert full(quality, *[100] * 12).judge() == verdict
    assert quality.evidence().endswith(f"down {down / 1e6:.1f} up {up / 1e6:.1f} Mbit/s")
    assert loaded(sound(down_bit_s=17e6, up_bit_s=1e6), down, up).judge() == FINE  # full and prompt is no trouble


def test_without_a_contract_the_counters_cannot_say_full():
    assert full(loaded(sound(), 50e6, 50e6), *[100] * 12).judge() == SLOW


def test_the_counters_correct_a_direction_that_was_guessed():
    quality = full(sound(down_bit_s=17e6, up_bit_s=1e6), 300, 500, 600, 700, 750, 800)
    assert quality.judge() == UPLOAD
    loaded(quality, 16e6, 0.1e6)
    assert quality.judge() == DOWNLOAD


@pytest.mark.parametrize(
    "last",
    [
        {"received": None, "sent": None},
        {"received": 5, "sent": 5},
        {"received": 1 << 40, "sent": 1 << 40, "window_s": 0.0},
    ],
)
def test_counters_that_are_away_began_anew_or_have_no_time_say_nothing(last):
    quality = loaded(sound(up_bit_s=1e6), 8e6, 1e6)
    quality.read(reading(9, **last))
    assert full(quality, *[100] * 12).judge() == SLOW
    assert "Mbit/s" not in quality.evidence()
    quality.read(reading(10, received=1 << 41, sent=1 << 41))
    assert quality.judge()[0] in (Health.DEGRADED, Health.SATURATED)
