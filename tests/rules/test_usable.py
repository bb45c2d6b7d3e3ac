"""Laws of `rules.usable`: words need one repetition, silence more than the line's own losses make."""

from __future__ import annotations

import pytest

from agent.rules.linkfacts import Cause, Health
from agent.rules.usable import Usable, meant, silences
from drivers.probing import Outcome, ProbeKind
from tests.rules.probes import BOX, A, echo, reply

OWN, PUBLIC, WEB = "100.64.1.53", "198.51.100.53", "192.0.2.80"
REPLIED, LOST, LATE, WRONG, REFUSED = Outcome.REPLIED, Outcome.LOST, Outcome.LATE, Outcome.WRONG, Outcome.REFUSED
UNREACHABLE = Outcome.UNREACHABLE
FINE, DEAD = (Health.UP, Cause.NONE), (Health.DNS_BROKEN, Cause.DNS_DEAD)
DNS, PAGE, ECHO = ProbeKind.DNS, ProbeKind.CANARY, ProbeKind.ECHO


def dns(usable, *outcomes, resolver=OWN, says="", by="", step_s=0.4):
    """Ask one name after the other; each fate is told 0.6 s after its question."""
    for turn, outcome in enumerate(outcomes):
        left_s = turn * step_s
        usable.take(reply(DNS, resolver, outcome, left_s + 0.6, sent=left_s, says=says, by=by))


def page(usable, *outcomes, says=""):
    for outcome in outcomes:
        usable.take(reply(PAGE, WEB, outcome, says=says))


def full(usable, *outcomes, step_s=0.4, **keys):
    for turn, outcome in enumerate(outcomes):
        usable.take(echo(A, outcome, turn * step_s + 0.6, sent=turn * step_s, size=1500, **keys))


def judged(usable, present=Health.UP, share=0.0):
    return usable.judge(present, share)


def test_nothing_asked_is_nothing_wrong():
    usable = Usable()
    assert judged(usable) == FINE
    assert usable.doubts() is None
    assert usable.alone == ()
    assert not usable.silent
    assert not usable.portal(Health.UP, silent=True)


@pytest.mark.parametrize(
    ("share", "needs"),
    [(0.0, 8), (0.01, 8), (0.13, 8), (0.14, 9), (0.2, 11), (0.3, 14), (0.5, 24), (0.9, 24), (1.0, 24)],
)
def test_the_more_a_line_loses_the_more_silences_it_takes(share, needs):
    assert silences(share) == needs


@pytest.mark.parametrize(("share", "needs"), [(0.0, 8), (0.05, 8), (0.2, 11)])
def test_a_silent_resolver_is_dead_when_no_loss_explains_it(share, needs):
    usable = Usable(OWN)
    dns(usable, REPLIED, resolver=PUBLIC)
    dns(usable, *[LOST] * (needs - 1))
    assert judged(usable, share=share) == FINE
    assert usable.doubts() is DNS
    dns(usable, *[LOST] * needs)
    assert judged(usable, share=share) == DEAD
    assert usable.silent


def test_silence_lasts_two_and_a_half_seconds_at_least():
    usable = Usable(OWN)
    dns(usable, *[LOST] * 8, step_s=0.27)  # the first left at second 0, the last was told at 2.49
    assert judged(usable) == FINE
    dns(usable, *[REPLIED], *[LOST] * 8, step_s=0.28)  # the first left at 0.28, the last was told at 2.84
    assert judged(usable) == DEAD


@pytest.mark.parametrize("word", [REPLIED, LATE])
def test_an_answer_in_between_begins_the_count_anew_however_late(word):
    usable = Usable(OWN)
    dns(usable, *[LOST] * 7, word, *[LOST] * 7)
    assert judged(usable) == FINE
    assert not usable.silent


@pytest.mark.parametrize(
    ("outcome", "cause"), [(REFUSED, Cause.DNS_DEAD), (WRONG, Cause.DNS_LYING), (UNREACHABLE, Cause.DNS_DEAD)]
)
def test_what_a_resolver_says_needs_one_repetition_at_any_loss(outcome, cause):
    usable = Usable(OWN)
    keys = {"by": OWN} if outcome is UNREACHABLE else {}  # its port is closed
    dns(usable, outcome, **keys)
    assert judged(usable, share=0.5) == FINE
    assert usable.doubts() is DNS
    dns(usable, LOST, LOST)
    dns(usable, outcome, **keys)
    assert judged(usable, share=0.5) == (Health.DNS_BROKEN, cause)


def test_what_a_router_says_on_the_way_to_a_resolver_is_its_silence():
    usable = Usable(OWN)
    dns(usable, *[UNREACHABLE] * 7, by=BOX)
    assert judged(usable) == FINE
    dns(usable, *[UNREACHABLE] * 8, by=BOX)
    assert judged(usable) == DEAD


def test_broken_names_are_mended_by_two_answers():
    usable = Usable(OWN)
    dns(usable, REFUSED, REFUSED, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == DEAD
    assert judged(usable, Health.UP) == FINE
    dns(usable, LOST, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == DEAD  # two in a row
    dns(usable, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == FINE


def test_where_no_resolver_is_the_links_own_all_must_fail():
    usable = Usable()
    dns(usable, *[LOST] * 8)
    dns(usable, REPLIED, resolver=PUBLIC)
    assert judged(usable) == FINE
    dns(usable, *[LOST] * 8, resolver=PUBLIC)
    assert judged(usable) == DEAD


def test_a_resolver_that_alone_fails_is_named_unless_it_is_the_links_own():
    usable = Usable(OWN)
    dns(usable, REPLIED)
    dns(usable, *[LOST] * 4, resolver=PUBLIC)
    assert usable.alone == ()
    dns(usable, LOST, resolver=PUBLIC)
    assert usable.alone == (PUBLIC,)
    assert usable.doubts() is None  # it has no say
    own = Usable(OWN)
    dns(own, REPLIED, resolver=PUBLIC)
    dns(own, *[LOST] * 5)
    assert own.alone == ()
    nobodys = Usable()
    dns(nobodys, WRONG, WRONG)
    assert nobodys.alone == ()  # none is fine
    dns(nobodys, REPLIED, resolver=PUBLIC)
    assert nobodys.alone == (OWN,)


def test_another_page_is_a_portal_when_repeated_and_at_once_where_pings_are_silent():
    usable = Usable()
    page(usable, WRONG, says="302 http://portail.example/?client=12345")
    assert judged(usable) == FINE
    assert usable.doubts() is PAGE
    assert usable.portal(Health.UP, silent=True)
    assert not usable.portal(Health.UP, silent=False)
    page(usable, LOST)
    assert not usable.portal(Health.PORTAL, silent=True)  # the line may be dead by now
    page(usable, WRONG, says="302 http://portail.example/?client=12345")
    assert judged(usable) == (Health.PORTAL, Cause.PAGE)
    assert usable.doubts() is None
    assert usable.says == "canary 302"  # no Location
    page(usable, REPLIED)
    assert judged(usable, Health.PORTAL) == FINE


def test_one_wrong_page_keeps_a_portal_that_stands_and_one_that_does_not_come_ends_none():
    usable = Usable()
    page(usable, REPLIED, WRONG)
    assert judged(usable, Health.PORTAL) == (Health.PORTAL, Cause.PAGE)
    page(usable, LOST)
    assert judged(usable, Health.PORTAL) == (Health.PORTAL, Cause.PAGE)
    page(usable, LOST)
    assert judged(usable, Health.PORTAL) == FINE


def test_a_page_that_does_not_come_is_no_portal_and_no_reason_to_look():
    usable = Usable()
    page(usable, *[LOST] * 9)
    page(usable, REFUSED, says="503")
    assert judged(usable) == FINE
    assert usable.doubts() is None
    assert usable.says == "canary 503"


@pytest.mark.parametrize(("share", "needs"), [(0.0, 8), (0.3, 14)])
def test_full_packets_that_vanish_alone_are_a_hole(share, needs):
    usable = Usable()
    full(usable, *[LOST] * (needs - 1))
    assert judged(usable, share=share) == FINE
    assert usable.doubts() is ECHO
    full(usable, *[LOST] * needs)
    assert judged(usable, share=share) == (Health.DEGRADED, Cause.HOLE)


def test_a_router_that_says_too_big_is_no_hole_and_another_refusal_is_silence():
    usable = Usable()
    full(usable, *[UNREACHABLE] * 9, by=BOX, code=4)
    assert judged(usable) == FINE
    assert usable.doubts() is None
    full(usable, *[UNREACHABLE] * 9, by=BOX, code=13)
    assert judged(usable) == (Health.DEGRADED, Cause.HOLE)
    assert meant(echo(A, UNREACHABLE, by=A)) is UNREACHABLE  # of other kinds it is what it is


def test_what_failed_long_is_not_looked_at_closer_for_ever():
    usable = Usable()
    full(usable, *[LOST] * 24)
    assert usable.doubts() is ECHO
    full(usable, LOST)
    assert usable.doubts() is None


def test_a_portal_is_told_before_broken_names_and_these_before_a_hole():
    usable = Usable()
    full(usable, *[LOST] * 8)
    dns(usable, WRONG, WRONG, says="10.9.9.9")
    assert usable.says == "dns 10.9.9.9"
    assert judged(usable) == (Health.DNS_BROKEN, Cause.DNS_LYING)
    page(usable, WRONG, WRONG)
    assert judged(usable) == (Health.PORTAL, Cause.PAGE)


def test_what_is_forgotten_says_nothing():
    usable = Usable(OWN)
    full(usable, *[LOST] * 8)
    dns(usable, WRONG, WRONG)
    page(usable, WRONG, WRONG)
    usable.forget()
    assert judged(usable, Health.DNS_BROKEN) == FINE
    assert (usable.says, usable.portal(Health.UP, silent=True)) == ("", False)


LYING = Health.DNS_BROKEN, Cause.DNS_LYING


def test_a_first_right_answer_changes_no_cause_and_a_silence_does():
    usable = Usable(OWN)
    dns(usable, WRONG, WRONG)
    assert judged(usable) == LYING
    dns(usable, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == LYING
    dns(usable, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == FINE
    dns(usable, WRONG, WRONG)
    dns(usable, *[LOST] * 7)
    assert judged(usable, Health.DNS_BROKEN) == LYING
    dns(usable, *[LOST] * 8)
    assert judged(usable, Health.DNS_BROKEN) == DEAD
    dns(usable, WRONG)
    assert judged(usable, Health.DNS_BROKEN) == LYING
