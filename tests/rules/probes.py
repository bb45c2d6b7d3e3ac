"""Sights of a link by their bare numbers, for the tests of its rules. Second 0 is noon of 2 November 2026."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from drivers.contract import LinkId, Moment, Trust
from drivers.probing import IcmpError, Outcome, ProbeKind, ProbeReply, WireReading

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
LINK = LinkId("adsl1")
BOX, HOP, A, B, C = "192.168.1.1", "100.64.0.254", "192.0.2.1", "198.51.100.1", "203.0.113.1"


def at(second, boot="boot-1"):
    return Moment(NOON + timedelta(seconds=second), 1000.0 + second, boot, Trust.SYNCHRONISED)


def reply(kind, target, outcome, second=0.0, rtt_s=None, *, sent=None, mac="", by="", code=1, says="", size=0):
    """Return a fate; `sent` is its second (None: not told), `by` the router that refused it."""
    if rtt_s is None and outcome in {Outcome.REPLIED, Outcome.LATE, Outcome.DUPLICATE}:
        rtt_s = 0.03
    sent_s = None if sent is None else 1000.0 + sent
    error = IcmpError(by, 3, code) if by else None
    return ProbeReply(at(second), LINK, kind, target, outcome, rtt_s, sent_s, mac, error, says, size=size)


def echo(target, outcome, second=0.0, rtt_s=None, **keys):
    return reply(ProbeKind.ECHO, target, outcome, second, rtt_s, **keys)


def reading(second, *, mac="02:aa", received=None, sent=None, window_s=1.0, **keys):
    found = {"carrier": True, "address": "192.168.1.2", "gateway_age_s": 0.5, "dropped": 0, "stepped_s": 0.0}
    found |= {"starved_s": 0.0, "foreign": 0} | keys
    return WireReading(
        at=at(second), link=LINK, gateway_mac=mac, received_bytes=received, sent_bytes=sent, window_s=window_s, **found
    )
