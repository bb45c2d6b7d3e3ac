"""Judges one internet link from the fate of its probes.

The one idea: silence is an observation, and everything is counted in *probes and rounds*; a verdict asks first whether
we may believe ourselves, then whether anything answers, then whether what answers is of use, then how well.

- DOWN(box | line | isp) when nothing beyond our interface answers: see `rules.reach`. Three misses in a row ask for a
  closer look (`asks`), so that a silent cut is told within four seconds, with its cause; at once where a router says
  no, or (two sights) where our own interface has no carrier: DOWN(cable).
- PORTAL and DNS_BROKEN when pings are answered and pages or names are not: see `rules.usable`.
- SATURATED and DEGRADED when it works and is full, lossy or slow: see `rules.quality`; or was down again and again.
- UP when one target answered `good_rounds` times in a row over `good_s`: within 3 x 1 s at 1 Hz.
- UNKNOWN when nobody measured (the prober failed, more than `gap_rounds` intervals passed without a word), or when for
  `doubts` rounds our own ears were bad: frames dropped by the kernel, a clock that stepped, a starved process, an
  address of the box that is stale (`WireReading`). Neither is ever the provider's fault, and never DOWN.

A DOWN link may change its cause. Every second of a boot is booked exactly once, in `LinkChanged` or the hourly
`LinkMeasured`; a gap counts as UNKNOWN, and the time between two boots not at all. Reads no clock; changes its mind
only on a sight.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from agent.rules.linkfacts import (
    CAUSES,
    OUT,
    WORKS,
    Cause,
    Health,
    LinkChanged,
    LinkMeasured,
    LinkPolicy,
    LinkRated,
)
from agent.rules.quality import Quality
from agent.rules.reach import Reach, left_s
from agent.rules.usable import Usable, meant
from agent.rules.wishes import Wishes
from drivers.contract import LinkId, Moment
from drivers.probing import Ask, LinkSight, Outcome, ProbeKind, ProbeReply, RateMeasured, WireReading

__all__ = ["CAUSES", "Cause", "Health", "LinkChanged", "LinkMeasured", "LinkPolicy", "LinkRated", "LinkWatch"]

MINUTE_S = 60.0
BOOK_S = 3600.0  # a power cut loses at most this much from the sums
RECENT = 4096  # echoes kept for the rolling minute at most: 20 targets at 3 Hz
STEP_S, SLEW = 0.02, 0.0005  # the wall clock may move by this, and by this share of the time (adjtimex(2): 500 ppm)
STARVED_S = 0.3  # the shortest deadline of a probe
STALE_S = 10.0  # an address of the box that no ARP confirmed for so long, while none was lost


@dataclass(frozen=True, slots=True)
class Minute:
    """What the live picture shows. Counts are since the watch was made; the rest of a minute, or since it came back."""

    rtt_s: float | None  # median of the echoes that came back
    loss_share: float | None  # of the echoes sent to targets that have a vote
    sent: int
    lost: int
    late: int = 0
    duplicate: int = 0


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
        self.evidence = ""  # of the last change
        self._reach = Reach(policy, targets)
        self._quality = Quality(policy)
        self._usable = Usable(policy.resolver)
        self._wishes = Wishes(policy)
        self._recent: deque[tuple[float, str, float | None]] = deque(maxlen=RECENT)  # (left_s, target, rtt_s)
        self._no_carrier = 0  # sights in a row
        self._doubts = 0  # rounds in a row
        self._downs: deque[float] = deque(maxlen=policy.flaps)  # when it went down (mono_s), not by the cable
        self._flapping = False
        self._word: Moment | None = None  # of the first fate since we measure
        self._last: Moment | None = None  # of the newest fate
        self._booked: Moment | None = None  # the books are written up to here
        self._sent = self._lost = self._late = self._duplicate = 0
        self._sent_booked = self._lost_booked = 0

    # --- what it takes in ----------------------------------------------------------------------------------

    def restore(self, fact: LinkChanged | LinkMeasured | LinkRated, at: Moment) -> None:
        """Go on from a fact of this link, written at `at`: call for each, in order, before the first observation.

        The first reply then tells whether a gap lies between.
        """
        if isinstance(fact, LinkRated):
            return self._wishes.restore(fact, at)
        if isinstance(fact, LinkMeasured):
            self._booked = _back(at, fact.until)
        else:
            self._booked = at if fact.was is fact.now else _back(at, fact.since)
            self.health, self.cause, self.since, self.evidence = fact.now, fact.cause, fact.since, fact.evidence
        self._last = at
        self._reach.good = at if self.health in WORKS else None
        return None

    def seen(self, at: Moment) -> None:
        """Say that an earlier process still watched at `at` (its live picture's age): a short restart is no gap."""
        if self._last is not None and self._last.boot == at.boot and self._last.mono_s < at.mono_s:
            self._last = at
            self._reach.good = at if self.health in WORKS else None

    def see(self, sight: LinkSight) -> LinkChanged | LinkRated | None:
        """Take in whatever a prober says; return the fact it brought, if any."""
        if isinstance(sight, ProbeReply):
            return self.observe(sight)
        return self.read(sight) if isinstance(sight, WireReading) else self.rated(sight)

    def observe(self, reply: ProbeReply) -> LinkChanged | None:
        """Take in one probe's fate, or a word after it; return the change it brought, if any."""
        gap = self._begin(reply.at)
        self._take(reply)
        return gap or self._conclude(reply.at)

    def read(self, reading: WireReading) -> LinkChanged | None:
        """Take in a look at the interface and at ourselves; return the change it brought, if any."""
        gap = self._begin(reading.at)
        self._quality.read(reading)
        if not reading.carrier:
            self._no_carrier += 1
        self._doubts = self._doubts + 1 if self._doubtful(reading) else 0
        if self._doubts:
            self._reach.void()
            self._quality.void()
        if gap is None and self._doubts >= self.policy.doubts and self._unheard(reading):
            return self._unmeasured(self._reach.good or reading.at, "we do not believe our ears", Cause.DOUBT)
        return gap or self._conclude(reading.at)

    def rated(self, measured: RateMeasured) -> LinkRated:
        """Take in one check of the contract rate."""
        return self._wishes.rated(measured)

    def asks(self) -> tuple[Ask, ...]:
        """Return what the prober is to do now; once."""
        return self._wishes.take()

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
        mute = self._reach.mute
        voting = [rtt_s for _, target, rtt_s in self._recent if target not in mute]
        answered = [rtt_s for rtt_s in voting if rtt_s is not None]
        return Minute(
            rtt_s=median(answered) if answered else None,
            loss_share=1 - len(answered) / len(voting) if voting else None,
            sent=self._sent,
            lost=self._lost,
            late=self._late,
            duplicate=self._duplicate,
        )

    @property
    def mute_targets(self) -> tuple[str, ...]:
        """Return the targets that alone disagree with the others: a fault of theirs, not of the link."""
        return tuple(dict.fromkeys((*self._reach.mute, *self._quality.alone, *self._usable.alone)))

    @property
    def path(self) -> tuple[bool | None, bool | None, bool | None]:
        """Return whether the box, the first router and a far target answered last; None: not asked, or not known."""
        hop = self._reach.hop
        box = self._reach.box.fates
        return (
            box[-1] if box else None,
            hop.fates[-1] if hop.known and hop.fates else None,
            self._reach.run_from_s is None if self._reach.echoes else None,
        )

    # --- evidence ------------------------------------------------------------------------------------------

    def _begin(self, at: Moment) -> LinkChanged | None:
        gap = self._gap_before(at)
        if self._booked is None or self._booked.boot != at.boot:
            self._booked = at
        self.since = self.since or at.utc
        self._word = self._word or at
        self._last = at
        return gap

    def _take(self, reply: ProbeReply) -> None:
        if reply.outcome is Outcome.DUPLICATE:
            self._duplicate += 1
            return
        if reply.outcome is Outcome.NO_CARRIER:
            self._no_carrier += 1
            return
        self._no_carrier = 0
        late = reply.outcome is Outcome.LATE
        self._late += late
        self._sent += not late
        self._lost += meant(reply) in {Outcome.LOST, Outcome.UNREACHABLE}
        if reply.kind in {ProbeKind.DNS, ProbeKind.CANARY} or reply.size:
            self._take_use(reply)
        elif reply.kind is ProbeKind.SYN:
            self._reach.spoke(reply)
        else:
            self._take_path(reply)

    def _take_use(self, reply: ProbeReply) -> None:
        """Names, pages and full-sized packets that were lost with the line or its box say nothing about themselves."""
        said = meant(reply) not in {Outcome.LOST, Outcome.UNREACHABLE}
        clear = self.health in WORKS | {Health.DNS_BROKEN} and self._reach.clear(reply)
        self._reach.turned_away(reply)
        if said or clear or self.health is Health.PORTAL:
            self._usable.take(reply)

    def _take_path(self, reply: ProbeReply) -> None:
        self._reach.take(reply)
        if reply.kind is not ProbeKind.ARP and reply.target not in self._reach.mute:
            self._quality.take(reply)
        if reply.kind is ProbeKind.ECHO and reply.outcome is not Outcome.LATE:
            self._recent.append((left_s(reply), reply.target, reply.rtt_s))

    def _doubtful(self, reading: WireReading) -> bool:
        stale = (
            reading.carrier
            and reading.gateway_age_s is not None
            and reading.gateway_age_s > max(STALE_S, self.policy.gap_rounds * self.policy.interval_s)
            and not self._reach.box_missed()
        )
        stepped = abs(reading.stepped_s) > STEP_S + SLEW * reading.window_s
        return reading.dropped > 0 or stepped or reading.starved_s > STARVED_S or stale

    def _unheard(self, reading: WireReading) -> bool:
        """Tell whether nothing came back either during these rounds: what is answered is believed."""
        good = self._reach.good
        return good is None or _between(good, reading.at) > self.policy.doubts * self.policy.interval_s / 2

    def _forget(self) -> None:
        self._reach.forget()
        self._usable.forget()
        self._quality.begin()
        self._recent.clear()
        self._word = None

    def _evidence(self) -> str:
        return "no carrier" if self._no_carrier else self._reach.evidence()

    def _measured_until(self) -> Moment:
        """Return the moment up to which the present health is certain, whatever comes next."""
        assert self._last is not None
        if self.health in WORKS:
            return self._reach.good or self._last
        return self._reach.good_from() or self._last

    # --- judgement -----------------------------------------------------------------------------------------

    def _conclude(self, at: Moment) -> LinkChanged | None:
        change = self._judge(at)
        self._wishes.consider(at, self.health, self._suspicion())
        return change

    def _suspicion(self) -> str:
        """Say why one should look hard: "reach", a kind of `rules.usable`, "quality", or "" not at all."""
        if self.health in OUT:
            return ""
        if self._reach.suspects():
            return "reach"
        if self.health is Health.SATURATED:
            return ""
        return self._usable.doubts() or ("quality" if self._quality.wonders else "")

    def _judge(self, at: Moment) -> LinkChanged | None:
        if self._no_carrier:
            return self._down(Cause.CABLE, at) if self._no_carrier >= self.policy.no_carriers else None
        if self._reach.silent():
            return self._silence(at)
        if self.health in {Health.DOWN, Health.UNKNOWN}:
            return self._comes_back(at)
        if self.health is Health.PORTAL and self._reach.run_from_s is not None:
            return None
        return self._to(*self._working(at), at)

    def _silence(self, at: Moment) -> LinkChanged | None:
        if self._usable.portal(self.health, silent=True):
            return self._to(Health.PORTAL, Cause.PAGE, at)
        return self._down(self._reach.where(self.cause if self.health is Health.DOWN else Cause.NONE), at)

    def _comes_back(self, at: Moment) -> LinkChanged | None:
        steady = self._reach.recovered_from()
        if steady is not None:
            return self._recover(steady, at)
        return self._down(self._reach.where(self.cause), at) if self.health is Health.DOWN else None

    def _recover(self, steady: Moment, at: Moment) -> LinkChanged | None:
        if self.health is Health.DOWN:
            self._usable.forget()
            self._flapping = self._often_down(at)
            self._recent = deque((each for each in self._recent if each[0] >= steady.mono_s), RECENT)  # as it is now
        self._quality.begin()
        health, cause = self._working(at)
        return self._change(health, cause, steady if health in WORKS else at, self._evidence())

    def _often_down(self, at: Moment) -> bool:
        return len(self._downs) == self.policy.flaps and at.mono_s - self._downs[0] <= self.policy.flap_s

    def _working(self, at: Moment) -> tuple[Health, Cause]:
        """Return how a line is that answers."""
        quality = self._quality.judge()
        share = self._quality.share(full=quality[0] is Health.SATURATED) if self._usable.silent else 0.0
        use = self._usable.judge(self.health, share)
        if use[0] in OUT:
            return use
        for state in (quality, use):
            if state[0] is not Health.UP:
                return state
        if self._flapping and self._downs and at.mono_s - self._downs[-1] > self.policy.calm_s:
            self._flapping = False
        return (Health.DEGRADED, Cause.FLAPPING) if self._flapping else (Health.UP, Cause.NONE)

    def _to(self, health: Health, cause: Cause, at: Moment) -> LinkChanged | None:
        if (health, cause) == (self.health, self.cause):
            return None
        said = self._usable.says if health in OUT else self._quality.evidence()
        return self._change(health, cause, at, f"{self._evidence()}, {said}" if said else self._evidence())

    def _down(self, cause: Cause, at: Moment) -> LinkChanged | None:
        if self.health is Health.DOWN:
            return None if cause is self.cause else self._change(Health.DOWN, cause, at, self._evidence())
        if cause is not Cause.CABLE:
            self._downs.append(at.mono_s)
        self._reach.down()
        begins = at if self.health in OUT else self._reach.good or self._word or at
        return self._change(Health.DOWN, cause, begins, self._evidence())

    # --- facts ---------------------------------------------------------------------------------------------

    def _gap_before(self, at: Moment) -> LinkChanged | None:
        if self._last is None:
            return None
        if self._last.boot != at.boot:
            self._downs.clear()
            return self._unmeasured(self._last, "the box was restarted")
        silent_s = at.mono_s - self._last.mono_s
        if silent_s <= self.policy.gap_rounds * self.policy.interval_s:
            return None
        return self._unmeasured(self._last, f"no probe for {silent_s:.0f} s")

    def _unmeasured(self, since: Moment, why: str, cause: Cause = Cause.GAP) -> LinkChanged | None:
        self._forget()
        self._no_carrier = 0
        if self.health is Health.UNKNOWN:
            return None
        return self._change(Health.UNKNOWN, cause, since, why)

    def _change(self, now: Health, cause: Cause, begins: Moment, evidence: str) -> LinkChanged:
        booked = self._booked or begins
        since = self.since if now is self.health and self.since else begins.utc
        lasted_s = round(_between(booked, begins), 3)
        fact = LinkChanged(self.link, self.health, now, cause, since, evidence, self.cause, lasted_s)
        self._booked = begins if _between(booked, begins) else booked
        self.health, self.cause, self.since, self.evidence = now, cause, since, evidence
        if cause is Cause.CABLE:
            self._forget()  # what was heard before says nothing about the line that comes back
        return fact
