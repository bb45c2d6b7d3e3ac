"""Which incidents are told to people far away, when, and when they are over.

The one idea: *one message per incident, and none that only flickers*. An incident is told when it has stood for a while
and is over when it has been gone for a longer while; what happens in between is the same incident. Its identity is its
fate, not its words: a link that is cut stays one incident while its cause becomes clearer, and all links cut together
are one. Two things never count as an end: that nobody can see any more, and that it became worse (the worse incident
is told, the lesser one ends in silence).

Everything is rebuilt from facts, so a restart tells nothing twice: `Alarms` from `AlarmRaised`, and what still has to
be sent from `AlarmRaised` without `AlarmTold`. Values in, values out: no clock, no words, no addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import ClassVar

from agent.rules.facts import TIMED_DAYS, Fact
from agent.rules.hours import Quiet
from agent.rules.incidents import AREA_OF_SERVICE, Area, Incident, Level
from drivers.contract import Moment, Trust

ORDER = (Level.OK, Level.WATCH, Level.UNKNOWN, Level.DOWN)
AT_ONCE = frozenset({"door-forced"})  # may be over in seconds and matters for ever: no delay, no quiet hours

# Worse, of the same thing: what it was before.
LESSER: Mapping[str, str] = {
    "printer-no-paper": "printer-paper-low",
    "printer-toner-empty": "printer-toner-low",
    "printer-supply-empty": "printer-supply-low",
    "printer-output-full": "printer-output-almost-full",
    "printer-waste-full": "printer-waste-almost-full",
    "printer-part-dead": "printer-part-old",
    "lock-lost": "latch-unknown",
    "inputs-lost": "contact-silent",
    "door-left-open": "door-held",
}
UNSEEN = frozenset({"link-unknown", "link-doubt"})  # nobody sees the link
BLIND = frozenset({"inputs-lost", "contact-silent"})  # nobody sees the leaf
OF_THE_LEAF = frozenset({"door-forced", "door-held", "door-left-open"})
DEAF = frozenset({"printer-lost", "printer-unknown"})  # nobody hears the device


class AlarmState(StrEnum):
    """What became of an incident."""

    OPENED = "opened"
    CLOSED = "closed"
    WORSENED = "worsened"  # another alarm speaks for it now: ends without a message


@dataclass(frozen=True, slots=True)
class AlarmRaised(Fact):
    """An incident is to be told, or its end is. Ids of links, devices and readers only; never of people."""

    kind: ClassVar[str] = "alarm-raised"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    alarm: str  # which one: its fate and when it was first seen
    incident: str  # a key of rules.incidents
    subject: str
    detail: str
    area: Area
    state: AlarmState
    since: datetime  # when it really began, or was really over
    trust: Trust  # of the clock that said so
    routes: tuple[str, ...]  # to whom: "ntfy-1", "mailto-2"; no address


@dataclass(frozen=True, slots=True)
class AlarmTold(Fact):
    """A message about an alarm was taken by one route, or was given up."""

    kind: ClassVar[str] = "alarm-told"
    kept_for_days: ClassVar[int | None] = TIMED_DAYS

    alarm: str
    state: AlarmState  # up to which
    route: str
    sent: bool  # False: given up, too many were waiting


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """What is told, when, and to whom."""

    level: Level = Level.WATCH
    after_s: float = 60.0
    calm_s: float = 300.0
    routes: tuple[str, ...] = ()

    def loud(self, incident: Incident) -> bool:
        """Tell whether an incident is bad enough."""
        return ORDER.index(incident.level) >= ORDER.index(self.level)

    def patience_s(self, incident: Incident) -> float:
        """Return how long an incident must stand before it is told."""
        return 0.0 if incident.key in AT_ONCE else self.after_s


def fate(key: str, subject: str, detail: str) -> str:
    """Return the identity of an incident: what stays the same while we learn more about it."""
    if key.startswith("all-") and key != "all-unknown":
        return "internet"
    if key.startswith("link-") and key not in UNSEEN:
        return f"link/{subject}"
    return f"{key}/{subject}/{detail}" if key == "printer-other" else f"{key}/{subject}"


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was told and is not over, and what may soon be told. An immutable value."""

    open: Mapping[str, AlarmRaised] = field(default_factory=dict)  # by fate
    rising: Mapping[str, Moment] = field(default_factory=dict)  # since when an untold one is seen
    falling: Mapping[str, Moment] = field(default_factory=dict)  # since when a told one is gone

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Alarms:
        """Fold what was told, in the order it was written down; other facts are passed over."""
        told: dict[str, AlarmRaised] = {}
        for fact in facts:
            if isinstance(fact, AlarmRaised):
                name = fate(fact.incident, fact.subject, fact.detail)
                if fact.state is AlarmState.OPENED:
                    told[name] = fact
                else:
                    told.pop(name, None)
        return cls(told)

    def look(
        self, incidents: Sequence[Incident], now: Moment, policy: AlarmPolicy
    ) -> tuple[Alarms, tuple[AlarmRaised, ...]]:
        """Judge what is wrong at `now`; return the next value and what is to be told, in order. Call it every few s."""
        standing = {fate(one.key, one.subject, one.detail): one for one in incidents}
        still, rising, news = dict(self.open), dict[str, Moment](), list[AlarmRaised]()
        for name, one in standing.items():
            if name in still or not policy.loud(one):
                continue
            seen = self.rising.get(name, now)
            if now.mono_s - seen.mono_s < policy.patience_s(one):
                rising[name] = seen
                continue
            still[name] = _opened(name, one, seen, policy)
            news.append(still[name])
        worse = [still[name] for name in standing if name in still]
        falling: dict[str, Moment] = {}
        for name, alarm in self.open.items():
            if name in standing:
                continue
            if any(_speaks_for(one, alarm) for one in worse):
                news.append(_ended(still.pop(name), AlarmState.WORSENED, now))
            elif not any(_hides(one, alarm) for one in incidents):
                gone = self.falling.get(name, now)
                if now.mono_s - gone.mono_s < policy.calm_s:
                    falling[name] = gone
                else:
                    news.append(_ended(still.pop(name), AlarmState.CLOSED, gone))
        return Alarms(still, rising, falling), tuple(news)


def _opened(name: str, one: Incident, seen: Moment, policy: AlarmPolicy) -> AlarmRaised:
    return AlarmRaised(
        alarm=f"{name}@{seen.boot}:{seen.mono_s:.3f}",
        incident=one.key,
        subject=one.subject,
        detail=one.detail,
        area=one.area,
        state=AlarmState.OPENED,
        since=min(one.since or seen.utc, seen.utc),
        trust=seen.trust,
        routes=policy.routes,
    )


def _ended(alarm: AlarmRaised, state: AlarmState, at: Moment) -> AlarmRaised:
    return AlarmRaised(
        alarm.alarm,
        alarm.incident,
        alarm.subject,
        alarm.detail,
        alarm.area,
        state,
        max(at.utc, alarm.since),
        at.trust,
        alarm.routes,
    )


def _speaks_for(worse: AlarmRaised, alarm: AlarmRaised) -> bool:
    """Tell whether a told alarm is what another one has become."""
    if fate(worse.incident, "", "") == "internet":
        return fate(alarm.incident, "", "") == "link/"
    return LESSER.get(worse.incident) == alarm.incident and worse.subject == alarm.subject


def _hides(standing: Incident, alarm: AlarmRaised) -> bool:
    """Tell whether an incident that stands keeps us from seeing that an alarm is over."""
    if standing.area is not alarm.area:
        return False
    key, same = standing.key, standing.subject == alarm.subject
    if key in {f"silent-{service}" for service in AREA_OF_SERVICE} or key == "all-unknown":
        return True
    if key in UNSEEN:
        return same or fate(alarm.incident, "", "") == "internet"
    if fate(key, "", "") == "internet":
        return fate(alarm.incident, "", "") == "link/"
    blind = key in BLIND and alarm.incident in OF_THE_LEAF
    return blind or (same and (key in DEAF or LESSER.get(key) == alarm.incident))


# --- what still has to be sent ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that waits for one route: an incident began, or it began and is over."""

    opened: AlarmRaised
    closed: AlarmRaised | None

    @property
    def alarm(self) -> str:
        """Return which alarm it is about."""
        return self.opened.alarm

    @property
    def state(self) -> AlarmState:
        """Return up to which state it tells."""
        return AlarmState.OPENED if self.closed is None else AlarmState.CLOSED


def letters(facts: Iterable[Fact], route: str) -> tuple[Letter, ...]:
    """Return what waits for `route`, oldest first. An incident that began and ended unsent is one letter."""
    began: dict[str, AlarmRaised] = {}
    waiting: dict[str, Letter] = {}
    for fact in facts:
        if isinstance(fact, AlarmRaised) and route in fact.routes:
            if fact.state is AlarmState.OPENED:
                began[fact.alarm] = fact
                waiting[fact.alarm] = Letter(fact, None)
            elif fact.state is AlarmState.CLOSED and fact.alarm in began:
                waiting[fact.alarm] = Letter(began[fact.alarm], fact)
        elif isinstance(fact, AlarmTold) and fact.route == route:
            letter = waiting.get(fact.alarm)
            if letter is not None and (letter.closed is None or fact.state is AlarmState.CLOSED):
                del waiting[fact.alarm]
    return tuple(waiting.values())


def given_up(facts: Iterable[Fact], route: str) -> int:
    """Return how many letters were given up since the last one that `route` took."""
    count = 0
    for fact in facts:
        if isinstance(fact, AlarmTold) and fact.route == route:
            count = 0 if fact.sent else count + 1
    return count


def waits(letter: Letter, quiet: Quiet, local: time) -> bool:
    """Tell whether a letter waits for the morning."""
    return letter.opened.incident not in AT_ONCE and quiet.covers(local)
