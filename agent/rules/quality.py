"""How well does a link work that does answer? Loss, delay, and whether we fill it ourselves.

The one idea: each question has its own statistic, made for quick and sure answers, and none of them is a mean over a
minute. *Loss* is a cumulative sum (CUSUM, Page 1954) of the likelihood of 5 % against 0.5 %: it rises with every loss
and sinks with every answer, so a single loss is nothing and a bad stretch adds up at any cadence. What left in one
moment and was lost is one loss, so that a hiccup weighs the same however many probes it ate; a first router that misses
for once after ten answers is one more witness. A sum above nought asks for a burst: 30 echoes a second decide within
seconds what six would in half a minute (tests/lab/test_loss.py). *Delay* compares each target with its own usual round
trip, once a round whatever the pace; what is usual falls at once and rises slowly; a late answer is a slow one, not a
lost one. A line whose provider's router is slow together with all targets, and unsteadily, is *full*: our own doing. A
burst shows within a second whether it moves. Which way is told by byte counters where they see everybody's traffic,
else by the size of the delay: no usual queue takes that long to drain at the contract's downward rate. One target that
is alone with its trouble is named and has no say. Pure; judged by `rules.links`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from agent.rules.linkfacts import Cause, Health, LinkPolicy
from drivers.probing import Outcome, ProbeKind, ProbeReply, WireReading

LOSS_STEP, ANSWER_STEP = 2.303, -0.0463  # ln(0.05 / 0.005), ln(0.95 / 0.995)
LOSSY = 6.0  # the sum at which a line is called lossy: three losses within 22 echoes, four within 73
LOSSY_MOST = 12.0  # the sum does not grow beyond: else a long bad hour would be told long after it ended
RUN_MOST = 2  # losses in a row that count: one silence is no lossy line
ROUND = 0.9  # of an interval: sooner after its last, a target's round trip says nothing new about delay
HOP_SEEN = 10  # answers in a row: a first router that is never silent
SEEN = 30  # fates of one target that are compared with the others'
ALONE_SHARE, OTHERS_SHARE = 0.2, 0.05
SLOW_OF, SLOW_SEEN = 5, 6  # of the last 6 answers 5 are slow; well again when less than half of the last 12 are
CALM_SEEN = 12
FALL, RISE, RISE_SLOW = 0.9, 0.01, 0.0002  # of the usual round trip towards the present one; while it is slow
UNSTEADY_S, HUGE_S, STILL_S = 0.010, 0.150, 0.002  # a queue moves, a very long one a little; a longer way does not
SWAY, SWAYS = 0.05, 4.0  # an answer's share in the usual sway; a queue moves by more than so many of it
MOVES_SEEN = 60  # slow answers, at any pace, by which a queue is seen to move
SHORT_SEEN = 30  # slow answers in a row that are too soon for a queue from us
PROMPT_SEEN = 4  # prompt answers in a row of the first router, while all targets are slow
QUEUE_BITS = 256 * 1024 * 8.0  # a usual queue towards us
DOWN_BIT_S = 8e6  # where the contract is not said
FULL_LOSES = 0.2  # of what is sent, at least: a full line, as long as it is full
FULL_SHARE = 0.8  # of the contract's rate: by the counters the line is full


@dataclass(slots=True)
class _Usual:
    rtt_s: float
    slow: bool = False
    excess_s: float = 0.0
    sway_s: float = 0.0  # how much longer than usual answers take that are not slow

    def take(self, rtt_s: float, least_s: float) -> None:
        self.excess_s = rtt_s - self.rtt_s
        self.slow = self.is_slow(self.excess_s, least_s)
        if not self.slow:
            self.sway_s += SWAY * (min(abs(self.excess_s), least_s) - self.sway_s)
        share = FALL if rtt_s < self.rtt_s else RISE_SLOW if self.slow else RISE
        self.rtt_s += share * (rtt_s - self.rtt_s)

    def is_slow(self, excess_s: float, least_s: float) -> bool:
        return excess_s > least_s + self.rtt_s


@dataclass(slots=True)
class _Load:
    """The interface's byte counters."""

    last: WireReading | None = None
    down_bit_s: float = 0.0
    up_bit_s: float = 0.0

    def take(self, reading: WireReading) -> None:
        last, self.last = self.last, reading
        self.down_bit_s = _rate(last.received_bytes if last else None, reading.received_bytes, reading.window_s)
        self.up_bit_s = _rate(last.sent_bytes if last else None, reading.sent_bytes, reading.window_s)


def _rate(was: int | None, now: int | None, window_s: float) -> float:
    if was is None or now is None or now < was or window_s <= 0:
        return 0.0
    return 8 * (now - was) / window_s


@dataclass(slots=True)
class Quality:
    """Follows one link's echoes and its first router. `mute` targets are left out by the caller."""

    policy: LinkPolicy
    loss: float = 0.0  # the cumulative sum
    _fates: dict[str, deque[bool]] = field(default_factory=dict)
    _usual: dict[str, _Usual] = field(default_factory=dict)
    _slow: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=CALM_SEEN))  # target, excess; 0 well
    _moves: deque[float] = field(
        default_factory=lambda: deque(maxlen=MOVES_SEEN)
    )  # slow answers' excesses, at any pace
    _load: _Load = field(default_factory=_Load)
    _lossy: bool = False
    _calm: int = 0  # answers in a row that were not slow
    _alone: tuple[str, ...] = ()
    _run: int = 0  # bad moments in a row: a silence is for `rules.reach` to judge
    _lost_s: float = float("-inf")  # when the first echo of the last bad moment was sent
    _timed_s: dict[str, float] = field(default_factory=dict)  # when the last probe was sent whose time counted
    _hop_run: int = 0  # answers in a row of the first router
    _hop_lost: bool = False  # its last loss counted
    _hop_prompt: int = 0  # its answers in a row that were not slow
    _short: int = 0  # slow answers in a row that a queue towards us may cause
    _losers: set[str] = field(default_factory=set)  # the targets that lost since the sum was nought
    _state: tuple[Health, Cause] = (Health.UP, Cause.NONE)

    def take(self, reply: ProbeReply) -> None:
        """Take in one fate of ECHO or HOP, or a late echo."""
        if reply.rtt_s is not None and reply.outcome in {Outcome.REPLIED, Outcome.LATE}:
            self._take_time(reply, reply.rtt_s)
        if reply.kind is ProbeKind.ECHO:
            self._take_fate(reply)
        else:
            self._take_hop(reply)

    def _take_hop(self, reply: ProbeReply) -> None:
        """Count a first router's silence only after many answers: most have better to do now and then."""
        known = self._hop_run >= HOP_SEEN
        if reply.outcome is Outcome.LATE:
            self._count(-LOSS_STEP if self._hop_lost else 0.0)
            self._hop_lost = False
        elif reply.outcome is Outcome.REPLIED:
            self._hop_run += 1
            self._count(ANSWER_STEP if known else 0.0)
        else:
            self._hop_run, self._hop_lost = 0, known
            if known:
                self._take_loss(reply)

    def _take_time(self, reply: ProbeReply, rtt_s: float) -> None:
        name = f"{reply.kind}{reply.target}"
        if reply.kind is ProbeKind.ECHO and (known := self._usual.get(name)) is not None:
            excess_s = rtt_s - known.rtt_s
            if not known.is_slow(excess_s, self.policy.delay_s):
                self._moves.clear()
            else:
                self._moves.append(excess_s)
        if reply.sent_s is not None:
            since_s = reply.sent_s - self._timed_s.get(name, float("-inf"))
            if 0.0 <= since_s < ROUND * self.policy.interval_s:  # below nought: of another boot
                return
            self._timed_s[name] = reply.sent_s
        usual = self._usual.setdefault(name, _Usual(rtt_s))
        usual.take(rtt_s, self.policy.delay_s)
        if reply.kind is ProbeKind.ECHO:
            self._slow.append((reply.target, usual.excess_s if usual.slow else 0.0))
            self._calm = 0 if usual.slow else self._calm + 1
            self._short = 0 if usual.excess_s > self._longest_s else self._short + usual.slow
        else:
            self._hop_prompt = 0 if usual.slow else self._hop_prompt + 1

    def _take_fate(self, reply: ProbeReply) -> None:
        fates = self._fates.setdefault(reply.target, deque(maxlen=SEEN))
        if reply.outcome is Outcome.LATE:  # told LOST before, and it was not
            self._count(-LOSS_STEP)
            if False in fates:
                fates[len(fates) - 1 - list(reversed(fates)).index(False)] = True
            return
        replied = reply.outcome is Outcome.REPLIED
        stands = replied and (len(fates) < SEEN - 1 or (len(fates) == SEEN and fates[0]))
        fates.append(replied)
        if not stands:
            self._alone = self._who_is_alone()
        if reply.target in self._alone:
            return
        if replied:
            self._run = 0
            self._count(ANSWER_STEP)
        else:
            self._take_loss(reply)

    def _take_loss(self, reply: ProbeReply) -> None:
        moment_s = float("inf") if reply.sent_s is None else abs(reply.sent_s - self._lost_s)
        another = moment_s >= self.policy.moment_s
        if another:
            self._lost_s = self._lost_s if reply.sent_s is None else reply.sent_s
            self._run += 1
        if self._run > RUN_MOST:
            return
        self._losers.add(reply.target)
        self._count(LOSS_STEP if another else 0.0)

    def _count(self, step: float) -> None:
        self.loss = min(LOSSY_MOST, max(0.0, self.loss + step))
        if not self.loss:
            self._losers.clear()
        several = len(self._losers) > 1 or len(self._fates) == 1
        self._lossy = (self.loss >= LOSSY and several) or (self._lossy and self.loss > 0)

    def read(self, reading: WireReading) -> None:
        """Take in the interface's counters. What was lost to a box that is another one now is no lossy line."""
        last = self._load.last
        macs = {last.gateway_mac, reading.gateway_mac} if last is not None else set()
        if len(macs) > 1 and "" not in macs:
            self.void()
        self._load.take(reading)

    def void(self) -> None:
        """Forget what was lost in the meantime: we do not believe it."""
        self.loss, self._lossy, self._run = 0.0, False, 0
        self._losers.clear()

    def begin(self) -> None:
        """Judge anew a line that comes back: what was slow or full before says nothing about it."""
        self.void()
        self._slow.clear()
        self._moves.clear()
        self._calm, self._short, self._state = CALM_SEEN, 0, (Health.UP, Cause.NONE)

    @property
    def alone(self) -> tuple[str, ...]:
        """Return the targets that lose a lot while all the others lose next to nothing."""
        return self._alone

    def _voting(self) -> list[bool]:
        return [fate for name, fates in self._fates.items() if name not in self._alone for fate in fates]

    def _who_is_alone(self) -> tuple[str, ...]:
        shares = {name: fates.count(False) / len(fates) for name, fates in self._fates.items() if len(fates) == SEEN}
        bad = [name for name, share in shares.items() if share >= ALONE_SHARE]
        others = [share for name, share in shares.items() if name not in bad]
        return tuple(bad) if len(bad) == 1 and others and max(others) <= OTHERS_SHARE else ()

    @property
    def wonders(self) -> bool:
        """Tell whether there were losses, or slow answers, too few to judge by."""
        return (self.loss > 0 and not self._lossy) or (self._state[0] is Health.UP and self._slow_now())

    def share(self, *, full: bool) -> float:
        """Return the line's present loss by the last echoes of all targets that have a say (Laplace's estimate)."""
        fates = self._voting()
        return max((fates.count(False) + 1) / (len(fates) + 2), FULL_LOSES if full else 0.0)

    def evidence(self) -> str:
        """Say the figures: "loss 4/90, rtt +0.620 s, down 0.1 up 0.9 Mbit/s"."""
        fates = self._voting()
        excesses, load = self._excesses(), self._load
        said = [f"loss {fates.count(False)}/{len(fates)}"] if self._lossy else []
        said += [f"rtt +{median(excesses):.3f} s"] if excesses else []
        if load.down_bit_s or load.up_bit_s:
            said.append(f"down {load.down_bit_s / 1e6:.1f} up {load.up_bit_s / 1e6:.1f} Mbit/s")
        return ", ".join(said)

    def judge(self) -> tuple[Health, Cause]:
        """Return UP, SATURATED or DEGRADED, and why. What a full line lost says nothing about it once it is not."""
        was, self._state = self._state, self._judge()
        if was[0] is Health.SATURATED is not self._state[0]:
            self.void()
            self._state = self._judge()
        return self._state

    def _judge(self) -> tuple[Health, Cause]:
        if self._calm >= CALM_SEEN and not self._lossy:
            return Health.UP, Cause.NONE
        full = self._full_by_counters()
        slow = self._slow_now()
        if slow and (full or self._queued()):
            return self._saturated(full)
        if self._lossy:
            return Health.DEGRADED, Cause.LOSS
        return (Health.DEGRADED, Cause.DELAY) if slow and self._longer() else (Health.UP, Cause.NONE)

    def _saturated(self, full: Cause | None) -> tuple[Health, Cause]:
        return Health.SATURATED, full or self._direction()

    def _slow_now(self) -> bool:
        """Tell whether answers are slow, from two targets at least where there are two. Slow to end."""
        seen = list(self._slow)
        last = seen[-SLOW_SEEN:]
        slow = {target for target, excess in last if excess > 0}
        targets = {target for target, _ in seen}
        if sum(excess > 0 for _, excess in last) >= SLOW_OF and (len(slow) > 1 or len(targets) == 1):
            return True
        was = self._state[0] is Health.SATURATED or self._state[1] is Cause.DELAY
        return was and bool(seen) and 2 * sum(excess > 0 for _, excess in seen) >= len(seen)

    def _excesses(self) -> list[float]:
        return [excess for _, excess in self._slow if excess > 0]

    def _queued(self) -> bool:
        """Tell a full queue from a longer way: the first router is slow too, and the delay moves."""
        if self._state[0] is Health.SATURATED:
            return self._hop_prompt < PROMPT_SEEN
        hops = [usual for name, usual in self._usual.items() if name.startswith(ProbeKind.HOP)]
        if hops and not any(usual.slow for usual in hops):
            return False
        excesses = sorted(self._moves if len(self._moves) >= SLOW_SEEN else self._excesses())
        aside = max(1, len(excesses) // 10)  # those that came early or late are none
        moves_s = excesses[-1 - aside] - excesses[aside]
        sways = [usual.sway_s for name, usual in self._usual.items() if name.startswith(ProbeKind.ECHO)]
        least_s = UNSTEADY_S if median(excesses) < HUGE_S else STILL_S
        return moves_s >= max(least_s, SWAYS * median(sways))

    def _longer(self) -> bool:
        """Tell a longer way from a queue that has not moved yet: the first router is not slow, or much was seen."""
        near = any(usual.slow for name, usual in self._usual.items() if name.startswith(ProbeKind.HOP))
        return not near or self._state[1] is Cause.DELAY or len(self._excesses()) >= 2 * SLOW_OF

    def _full_by_counters(self) -> Cause | None:
        policy, load = self.policy, self._load
        if policy.up_bit_s and load.up_bit_s >= FULL_SHARE * policy.up_bit_s:
            return Cause.UPLOAD
        if policy.down_bit_s and load.down_bit_s >= FULL_SHARE * policy.down_bit_s:
            return Cause.DOWNLOAD
        return None

    def _direction(self) -> Cause:
        """Return which way is full by the size of the delay. A queue that drains does not change its direction."""
        long = sum(excess_s > self._longest_s for excess_s in self._excesses())
        if self._state[0] is not Health.SATURATED:
            return Cause.UPLOAD if long else Cause.DOWNLOAD
        if long >= SLOW_OF:
            return Cause.UPLOAD
        return Cause.DOWNLOAD if self._short >= SHORT_SEEN else self._state[1]

    @property
    def _longest_s(self) -> float:
        return QUEUE_BITS / (self.policy.down_bit_s or DOWN_BIT_S)
