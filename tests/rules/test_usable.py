"""Laws of `rules.usable`: a failure counts when it is repeated while echoes are answered."""

from __future__ import annotations

import pytest

from agent.rules.linkfacts import Cause, Health
from agent.rules.usable import Usable
from drivers.probing import Outcome, ProbeKind
from tests.rules.probes import A, echo, reply

OWN, PUBLIC, WEB = "100.64.1.53", "198.51.100.53", "192.0.2.80"
REPLIED, LOST, WRONG, REFUSED = Outcome.REPLIED, Outcome.LOST, Outcome.WRONG, Outcome.REFUSED
FINE = Health.UP, Cause.NONE


def dns(usable, *outcomes, resolver=OWN, says=""):
    for outcome in outcomes:
        usable.take(reply(ProbeKind.DNS, resolver, outcome, says=says))


def page(usable, *outcomes, says=""):
    for outcome in outcomes:
        usable.take(reply(ProbeKind.CANARY, WEB, outcome, says=says))


def full(usable, *outcomes):
    for outcome in outcomes:
        usable.take(echo(A, outcome, size=1500))


def judged(usable, present=Health.UP, lossy=False):
    return usable.judge(present, lossy=lossy)


def test_nothing_asked_is_nothing_wrong():
    usable = Usable()
    assert judged(usable) == FINE
    assert not usable.suspects()
    assert usable.alone == ()
    assert not usable.portal(silent=True)


@pytest.mark.parametrize(
    ("outcome", "lossy", "needs", "cause"),
    [
        (LOST, False, 2, Cause.DNS_DEAD),
        (LOST, True, 5, Cause.DNS_DEAD),
        (REFUSED, True, 2, Cause.DNS_DEAD),
        (WRONG, True, 2, Cause.DNS_LYING),
        (WRONG, False, 2, Cause.DNS_LYING),
    ],
)
def test_a_resolver_must_fail_so_often_in_a_row(outcome, lossy, needs, cause):
    usable = Usable(OWN)
    dns(usable, REPLIED, resolver=PUBLIC)
    dns(usable, *[outcome] * (needs - 1))
    assert judged(usable, lossy=lossy) == FINE
    assert usable.suspects()
    dns(usable, outcome)
    assert judged(usable, lossy=lossy) == (Health.DNS_BROKEN, cause)


def test_an_answer_in_between_begins_the_count_anew():
    usable = Usable(OWN)
    dns(usable, LOST, REPLIED, LOST)
    assert judged(usable) == FINE
    dns(usable, LOST)
    assert judged(usable) == (Health.DNS_BROKEN, Cause.DNS_DEAD)


def test_broken_names_are_mended_by_two_answers():
    usable = Usable(OWN)
    dns(usable, LOST, LOST, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == (Health.DNS_BROKEN, Cause.DNS_DEAD)
    assert judged(usable, Health.UP) == FINE
    dns(usable, LOST, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == (Health.DNS_BROKEN, Cause.DNS_DEAD)  # two in a row
    dns(usable, REPLIED)
    assert judged(usable, Health.DNS_BROKEN) == FINE


def test_where_no_resolver_is_the_links_own_all_must_fail():
    usable = Usable()
    dns(usable, LOST, LOST)
    dns(usable, REPLIED, resolver=PUBLIC)
    assert judged(usable) == FINE
    dns(usable, LOST, LOST, resolver=PUBLIC)
    assert judged(usable) == (Health.DNS_BROKEN, Cause.DNS_DEAD)


def test_a_resolver_that_alone_fails_is_named_unless_it_is_the_links_own():
    usable = Usable(OWN)
    dns(usable, REPLIED)
    dns(usable, *[LOST] * 4, resolver=PUBLIC)
    assert usable.alone == ()
    dns(usable, LOST, resolver=PUBLIC)
    assert usable.alone == (PUBLIC,)
    assert not usable.suspects()  # it has no say
    own = Usable(OWN)
    dns(own, REPLIED, resolver=PUBLIC)
    dns(own, *[LOST] * 5)
    assert own.alone == ()
    nobodys = Usable()
    dns(nobodys, *[LOST] * 5)
    assert nobodys.alone == ()  # none is fine
    dns(nobodys, REPLIED, resolver=PUBLIC)
    assert nobodys.alone == (OWN,)


def test_another_page_is_a_portal_when_repeated_and_at_once_where_pings_are_silent():
    usable = Usable()
    page(usable, WRONG, says="302 http://portail.example/?client=12345")
    assert judged(usable) == FINE
    assert usable.suspects()
    assert usable.portal(silent=True)
    assert not usable.portal(silent=False)
    page(usable, WRONG, says="302 http://portail.example/?client=12345")
    assert judged(usable) == (Health.PORTAL, Cause.PAGE)
    assert usable.says == "canary 302"  # no Location
    page(usable, REPLIED)
    assert judged(usable, Health.PORTAL) == FINE


def test_one_wrong_page_keeps_a_portal_that_stands():
    usable = Usable()
    page(usable, REPLIED, WRONG)
    assert judged(usable, Health.PORTAL) == (Health.PORTAL, Cause.PAGE)


def test_a_page_that_does_not_come_is_no_portal_and_no_reason_to_look():
    usable = Usable()
    page(usable, *[LOST] * 9)
    page(usable, REFUSED, says="503")
    assert judged(usable) == FINE
    assert not usable.suspects()
    assert usable.says == "canary 503"


@pytest.mark.parametrize(("lossy", "needs"), [(False, 2), (True, 5)])
def test_full_packets_that_vanish_alone_are_a_hole(lossy, needs):
    usable = Usable()
    full(usable, *[LOST] * (needs - 1))
    assert judged(usable, lossy=lossy) == FINE
    full(usable, LOST)
    assert judged(usable, lossy=lossy) == (Health.DEGRADED, Cause.HOLE)


def test_what_failed_long_is_not_looked_at_closer_for_ever():
    usable = Usable()
    full(usable, *[LOST] * 5)
    assert usable.suspects()
    full(usable, LOST)
    assert not usable.suspects()


def test_a_portal_is_told_before_broken_names_and_these_before_a_hole():
    usable = Usable()
    full(usable, LOST, LOST)
    dns(usable, WRONG, WRONG, says="10.9.9.9")
    assert usable.says == "dns 10.9.9.9"
    assert judged(usable) == (Health.DNS_BROKEN, Cause.DNS_LYING)
    page(usable, WRONG, WRONG)
    assert judged(usable) == (Health.PORTAL, Cause.PAGE)


def test_what_is_forgotten_says_nothing():
    usable = Usable(OWN)
    full(usable, LOST, LOST)
    dns(usable, WRONG, WRONG)
    page(usable, WRONG, WRONG)
    usable.forget()
    assert judged(usable, Health.DNS_BROKEN) == FINE
    assert (usable.says, usable.portal(silent=True)) == ("", False)
