"""Judges one internet link from the fate of its probes.

The one idea: silence is an observation, and everything is counted in *probes and rounds*, never in seconds, so the
same judgement holds at one round a second and at one a minute. A round is one ARP of the gateway and one echo to
every far target (what `drivers.contract.Prober` does each interval).

- DOWN when the last `silent_echoes` echoes were all lost, at least `silent_rounds` of each target that has a vote.
  A target that stays silent while another answers has no vote: a dead target never makes a link DOWN.
  With three targets each interval that is 9 of 9, so a silent cut is seen within
  `silent_rounds` x interval + the probe's deadline: 3 x 1 s + 0.5 s at 1 Hz.
- DOWN at once (two probes) when our own interface has no carrier.
- UP when one target answered `good_rounds` times in a row: within 3 x 1 s at 1 Hz.
- UNKNOWN when nobody measured: the prober failed, or more than `gap_rounds` intervals passed without a word.
  A gap is never the provider's fault and never DOWN.

Between DOWN and UP lie 9 losses or 3 replies: no line flaps into the ledger faster than that. A DOWN link may
change its cause. Every second of a boot is booked exactly once, in `LinkChanged` or the hourly `LinkMeasured`; a gap
counts as UNKNOWN, and the time between two boots not at all. Reads no clock; changes its mind only on a probe's fate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import ClassVar

from agent.rules.facts import Fact, Total, total
from drivers.contract import LinkId, Moment
from drivers.probing import Outcome, ProbeKind, ProbeReply

MINUTE_S = 60.0
BOOK_S = 3600.0  # a power cut loses at most this much from the sums
RECENT = 4096  # echoes kept for the rolling minute at most: 20 targets at 3 Hz


class Health(StrEnum):
    """How a link is."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # nobody measured: never the provider's fault


class Cause(StrEnum):
    """Where it is broken."""

    NONE = "none"
    CABLE = "cable"  # no carrier on our interface
    BOX = "box"  # la box ne répond plus
    INTERNET = "internet"  # la box va bien, pas d'internet
    GAP = "gap"  # we did not measure


def _seconds(link: str, health: Health, cause: Cause, seconds: float) -> tuple[Total, ...]:
    if seconds <= 0:
        return ()
    if health is Health.DOWN:
        return (total("link_down_seconds", seconds, link=link, cause=cause.value),)
    return (total(f"link_{health.value}_seconds", seconds, link=link),)


@dataclass(frozen=True, slots=True)
class LinkChanged(Fact):
    """A link changed its health, or a DOWN link its cause."""

    kind: ClassVar[str] = "link-changed"

    link: str
    was: Health
    now: Health
    cause: Cause
    since: datetime  # when the present health began: the last good reply for DOWN, the first one for UP
    evidence: str  # which probes said so, in a few words, e.g. "arp 2/2, echo 0/9"
    was_cause: Cause = Cause.NONE
    lasted_s: float = 0.0  # measured seconds of (`was`, `was_cause`) that no earlier fact booked

    def totals(self) -> tuple[Total, ...]:
        """Book the stretch that ended, and count an outage when one begins."""
        sums = _seconds(self.link, self.was, self.was_cause, self.lasted_s)
        if self.now is Health.DOWN and self.was is not Health.DOWN:
            sums += (total("link_outages", 1, link=self.link, cause=self.cause.value),)
        return sums


@dataclass(frozen=True, slots=True)
class LinkMeasured(Fact):
    """A stretch of one state was measured: the books of a link, hourly and at a clean stop. Not a change."""

    kind: ClassVar[str] = "link-measured"

    link: str
    health: Health
    cause: Cause
    until: datetime
    seconds: float  # since the last fact that booked this link
    sent: int  # probes in that time; those that found no carrier were not sent
    lost: int

    def totals(self) -> tuple[Total, ...]:
        """Book the seconds and the probes."""
        probes = (
            total("link_probes", self.sent, link=self.link),
            total("link_probes_lost", self.lost, link=self.link),
        )
        return _seconds(self.link, self.health, self.cause, self.seconds) + (probes if self.sent else ())


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """How much evidence a verdict needs. `interval_s` is only used to tell a gap from a slow cadence."""

    interval_s: float = 1.0  # one round of probes
    silent_echoes: int = 9  # lost in a row, over all voting targets ...
    silent_rounds: int = 3  # ... and of each of them
    good_rounds: int = 3  # answered in a row by one target
    silent_arps: int = 2  # lost in a row: the box is silent
    no_carriers: int = 2  # probes in a row that found no carrier
    gap_rounds: int = 10


@dataclass(frozen=True, slots=True)
class Minute:
    """What the live picture shows. Counts are since the watch was made; shares and times of the last minute."""

    rtt_s: float | None  # median of the echoes that came back
    loss_share: float | None  # of the echoes sent to targets that have a vote
    sent: int
    lost: int


@dataclass(slots=True)
class _Target:
    silent: int = 0  # echoes lost in a row
    run: int = 0  # of these, since any target last answered
    good: int = 0  # echoes answered in a row since the present health began
    good_from: Moment | None = None  # the first of them
    mute: bool = False  # silent while others answer: no vote


def _between(early: Moment, late: Moment) -> float:
    return max(0.0, late.mono_s - early.mono_s) if early.boot == late.boot else 0.0


def _back(at: Moment, utc: datetime) -> Moment:
    """Return the moment of `utc`, shortly before `at` and in the same boot."""
    early = max(timedelta(0), at.utc - utc)
    return replace(at, utc=at.utc - early, mono_s=at.mono_s - early.total_seconds())


class LinkWatch:
    """Watches one link. `targets` are those of the site file; one that turns up in a reply joins them."""

    def __init__(self, link: LinkId, policy: LinkPolicy, targets: tuple[str, ...]) -> None:
        self.link = link
        self.policy = policy
        self.health = Health.UNKNOWN
        self.cause = Cause.GAP
        self.since: datetime | None = None  # None until the first word
        self._targets = {target: _Target() for target in targets}
        self._arps: deque[bool] = deque(maxlen=policy.silent_arps)
        self._echoes: deque[bool] = deque(maxlen=policy.silent_echoes)
        self._recent: deque[tuple[float, str, float | None]] = deque(maxlen=RECENT)  # (mono_s, target, rtt_s)
        self._beyond = 0  # echoes lost in a row while the box answered
        self._no_carrier = 0  # probes in a row
        self._word: Moment | None = None  # of the first fate since we measure
        self._last: Moment | None = None  # of the newest fate
        self._good: Moment | None = None  # of the last echo that came back
        self._booked: Moment | None = None  # the books are written up to here
        self._sent = self._lost = 0
        self._sent_booked = self._lost_booked = 0

    # --- what it takes in ----------------------------------------------------------------------------------

    def restore(self, fact: LinkChanged | LinkMeasured, at: Moment) -> None:
        """Go on from a fact of this link, written at `at`: call for each, in order, before the first observation.

        The first reply then tells whether a gap lies between.
        """
        if isinstance(fact, LinkMeasured):
            self._booked = _back(at, fact.until)
        else:
            self._booked = at if fact.was is fact.now else _back(at, fact.since)
            self.health, self.cause, self.since = fact.now, fact.cause, fact.since
        self._last = at
        self._good = at if self.health is Health.UP else None

    def seen(self, at: Moment) -> None:
        """Say that an earlier process still watched at `at` (its live picture's age): a short restart is no gap."""
        if self._last is not None and self._last.boot == at.boot and self._last.mono_s < at.mono_s:
            self._last = at
            self._good = at if self.health is Health.UP else None

    def observe(self, reply: ProbeReply) -> LinkChanged | None:
        """Take in one probe's fate; return the change it brought, if any."""
        gap = self._gap_before(reply.at)
        if self._booked is None or self._booked.boot != reply.at.boot:
            self._booked = reply.at
        self.since = self.since or reply.at.utc
        self._word = self._word or reply.at
        self._last = reply.at
        self._take(reply)
        return gap or self._judge(reply.at)

    def lost_prober(self, at: Moment) -> LinkChanged | None:
        """Say that nobody measures any more: UNKNOWN from the last fate on, never DOWN."""
        return self._unmeasured(self._last or at, "the prober was lost")

    def book(self, at: Moment, *, closing: bool = False) -> LinkMeasured | None:
        """Return the books of the last hour, once an hour; at a clean stop (`closing`) what remains of it."""
        if self._booked is None or not (closing or _between(self._booked, at) >= BOOK_S):
            return None
        until = self._measured_until()
        seconds = round(_between(self._booked, until), 3)
        if not seconds:
            return None
        sent, lost = self._sent - self._sent_booked, self._lost - self._lost_booked
        self._sent_booked, self._lost_booked = self._sent, self._lost
        self._booked = until
        return LinkMeasured(self.link, self.health, self.cause, until.utc, seconds, sent, lost)

    # --- what it shows -------------------------------------------------------------------------------------

    def minute(self) -> Minute:
        """Return the last minute; at a slow cadence at least the echoes a verdict needs."""
        while len(self._recent) > self.policy.silent_echoes and self._recent[-1][0] - self._recent[0][0] > MINUTE_S:
            self._recent.popleft()
        voting = [rtt_s for _, target, rtt_s in self._recent if not self._targets[target].mute]
        answered = [rtt_s for rtt_s in voting if rtt_s is not None]
        return Minute(
            rtt_s=median(answered) if answered else None,
            loss_share=1 - len(answered) / len(voting) if voting else None,
            sent=self._sent,
            lost=self._lost,
        )

    @property
    def mute_targets(self) -> tuple[str, ...]:
        """Return the targets that stay silent while others answer: a fault of theirs, not of the link."""
        return tuple(name for name, target in self._targets.items() if target.mute)

    # --- evidence ------------------------------------------------------------------------------------------

    def _take(self, reply: ProbeReply) -> None:
        if reply.outcome is Outcome.NO_CARRIER:
            self._no_carrier += 1
            return
        self._no_carrier = 0
        replied = reply.outcome is Outcome.REPLIED
        self._sent += 1
        self._lost += not replied
        if reply.kind is ProbeKind.ARP:
            self._arps.append(replied)
            self._beyond = self._beyond if replied else 0
        else:
            self._take_echo(reply, replied=replied)

    def _take_echo(self, reply: ProbeReply, *, replied: bool) -> None:
        target = self._targets.setdefault(reply.target, _Target())
        self._echoes.append(replied)
        self._recent.append((reply.at.mono_s, reply.target, reply.rtt_s))
        if not replied:
            target.silent += 1
            target.run += 1
            target.good = 0
            self._beyond += bool(self._arps and self._arps[-1])
            return
        self._good = reply.at
        self._beyond = 0
        target.silent = 0
        target.good_from = target.good_from if target.good else reply.at
        target.good += 1
        for each in self._targets.values():
            each.mute = each.silent >= self.policy.silent_rounds
            each.run = 0

    def _forget(self) -> None:
        for target in self._targets.values():
            target.silent = target.run = target.good = 0
        for window in (self._arps, self._echoes, self._recent):
            window.clear()
        self._beyond = 0
        self._good = self._word = None

    def _evidence(self) -> str:
        if self._no_carrier:
            return "no carrier"
        return f"arp {sum(self._arps)}/{len(self._arps)}, echo {sum(self._echoes)}/{len(self._echoes)}"

    def _measured_until(self) -> Moment:
        """Return the moment up to which the present health is certain, whatever comes next."""
        assert self._last is not None
        if self.health is Health.UP:
            return self._good or self._last
        return min(
            (t.good_from for t in self._targets.values() if t.good and t.good_from), key=_mono_s, default=self._last
        )

    # --- judgement -----------------------------------------------------------------------------------------

    def _judge(self, at: Moment) -> LinkChanged | None:
        if self._no_carrier:
            return self._down(Cause.CABLE, at) if self._no_carrier >= self.policy.no_carriers else None
        if self.health is not Health.UP:
            good = [t.good_from for t in self._targets.values() if t.good >= self.policy.good_rounds and t.good_from]
            if good:
                return self._change(Health.UP, Cause.NONE, min(good, key=_mono_s), self._evidence())
        if self.health is Health.DOWN:
            return self._down(self._where_now(), at)
        if self._silence():
            return self._down(Cause.BOX if self._box_silent() else Cause.INTERNET, at)
        return None

    def _silence(self) -> bool:
        if not self._echoes or self._echoes[-1]:
            return False
        runs = [target.run for target in self._targets.values() if not target.mute]
        return sum(runs) >= self.policy.silent_echoes and min(runs) >= self.policy.silent_rounds

    def _box_silent(self) -> bool:
        return len(self._arps) == self.policy.silent_arps and not any(self._arps)

    def _where_now(self) -> Cause:
        """Return where a DOWN link is broken now: internet only once the box answered for a whole verdict."""
        if self._box_silent():
            return Cause.BOX
        return Cause.INTERNET if self._beyond >= self.policy.silent_echoes else self.cause

    def _down(self, cause: Cause, at: Moment) -> LinkChanged | None:
        if self.health is Health.DOWN:
            return None if cause is self.cause else self._change(Health.DOWN, cause, at, self._evidence())
        return self._change(Health.DOWN, cause, self._good or self._word or at, self._evidence())

    # --- facts ---------------------------------------------------------------------------------------------

    def _gap_before(self, at: Moment) -> LinkChanged | None:
        if self._last is None:
            return None
        if self._last.boot != at.boot:
            return self._unmeasured(self._last, "the box was restarted")
        silent_s = at.mono_s - self._last.mono_s
        if silent_s <= self.policy.gap_rounds * self.policy.interval_s:
            return None
        return self._unmeasured(self._last, f"no probe for {silent_s:.0f} s")

    def _unmeasured(self, since: Moment, why: str) -> LinkChanged | None:
        self._forget()
        self._no_carrier = 0
        if self.health is Health.UNKNOWN:
            return None
        return self._change(Health.UNKNOWN, Cause.GAP, since, why)

    def _change(self, now: Health, cause: Cause, begins: Moment, evidence: str) -> LinkChanged:
        booked = self._booked or begins
        since = self.since if now is self.health and self.since else begins.utc
        lasted_s = round(_between(booked, begins), 3)
        fact = LinkChanged(self.link, self.health, now, cause, since, evidence, self.cause, lasted_s)
        self._booked = begins if _between(booked, begins) else booked
        self.health, self.cause, self.since = now, cause, since
        if cause is Cause.CABLE:
            self._forget()  # what was heard before says nothing about the line that comes back
        return fact


def _mono_s(moment: Moment) -> float:
    return moment.mono_s
